/* SPDX-License-Identifier: BSD-3-Clause */
/* busy.c - serves the other clients of a worker that a script holds up: its
 * own, or one that has locked a partition for which the worker waits.
 *
 * The script, or the wait, calls this from time to time, so that it runs in the
 * middle of the worker's batch, and has a batch of its own, which takes over
 * what the other clients of the first have sent. Commands that are not allowed
 * meanwhile are answered BUSY.
 *
 * Those who watch keys or wait in a pause are left alone: to forget that may
 * mean to wait for a partition, and somebody who has it may wait for the script
 * (commands/busy.c). Connections are closed when the first batch has ended, and
 * published messages delivered. For what runs in it time stands still.
 *
 * Owner thread of the worker.
 */
#include "daemon/batch.h"

static bool
may_serve(const struct conn *c)
{
    return !c->dead && !c->closing && c->held == NULL &&
        !session_is_watching(&c->session);
}

/* ---- what the first batch has of others ----------------------------------- */

static void
take_sources(struct batch *b, struct batch *first, const struct conn *own)
{
    b->n_sources = b->source = 0;
    for (unsigned i = 0; i < first->n_sources; i++) {
        struct source *s = &first->sources[i];

        if (s->conn == NULL || s->conn == own || !may_serve(s->conn))
            continue;
        b->sources[b->n_sources++] = *s;
        s->conn = NULL;
    }
}

static void
take_tasks(struct batch *b, struct batch *first, const struct conn *own)
{
    b->n_tasks = b->task = 0;
    for (unsigned i = first->task; i < first->n_tasks; i++) {
        struct task *t = &first->tasks[i];

        if (t->kind == TASK_GONE || t->conn == own || !may_serve(t->conn))
            continue;
        b->tasks[b->n_tasks] = *t;
        b->tasks[b->n_tasks++].request.reply = &b->reply;
        t->kind = TASK_GONE;
        t->request.n_keys = 0;
    }
}

/* ---- the batch ------------------------------------------------------------ */

static void
execute(struct batch *b)
{
    b->out.len = 0;
    b->reply.n_refs = 0;
    b->n_runs = 0;
    while (b->task < b->n_tasks && b->out.len < ROUND_OUTPUT) {
        struct task *t = &b->tasks[b->task++];

        if (!t->conn->dead && !t->conn->closing)
            batch_execute_task(b, t, command_run_busy);
        batch_release_task(b, t);
    }
}

/* A group: the commands that are parsed, and all that follows in the sources.
 * No prefetch, as no keys are looked for, and no messages: they would overtake
 * replies of the first batch. */
static void
run_group(struct batch *b)
{
    do {
        while (b->task < b->n_tasks) {
            execute(b);
            batch_send(b);
        }
    } while (batch_parse(b) > 0);
    batch_finish(b);
}

/* What the first batch has of others, then what is ready. */
static void
run_batch(struct batch *b, struct batch *first)
{
    const struct conn *own = first->tasks[first->task - 1].conn;

    batch_send_complete(first);
    take_sources(b, first, own);
    take_tasks(b, first, own);
    run_group(b);
    while (b->worker->ready != NULL) {
        batch_receive(b);
        run_group(b);
    }
}

/* ---- the list of those who are ready --------------------------------------- */

struct list {
    struct conn *first, **tail;
};

static void
add(struct list *l, struct conn *c)
{
    c->next_ready = NULL;
    *l->tail = c;
    l->tail = &c->next_ready;
}

static void
set_ready(struct worker *w, const struct list *l)
{
    w->ready = l->first;
    w->ready_tail = l->first == NULL ? &w->ready : l->tail;
}

/* Serve whom the script does not concern; the others stay ready. */
static void
serve(struct worker *w)
{
    struct list served = {NULL, &served.first}, rest = {NULL, &rest.first};
    struct command_kept kept;
    struct conn *next;

    for (struct conn *c = w->ready; c != NULL; c = next) {
        next = c->next_ready;
        if (may_serve(c) && !batch_has(w->batch, c))
            add(&served, c);
        else
            add(&rest, c);
    }
    set_ready(w, &served);
    commands_busy_begin(w->commands, &kept);
    run_batch(w->busy_batch, w->batch);
    commands_busy_end(w->commands, &kept);
    set_ready(w, &rest);
}

static void
open_batch(struct worker *w)
{
    if (w->busy_batch != NULL)
        return;
    w->busy_batch = batch_new(w);
    worker_account(w, 0, batch_bytes());
}

void
worker_serve_others(struct worker *w)
{
    struct clock_moment now = clock_keep();

    if (w->serving || w->batch->task == 0)
        return; /* between commands nobody is held up for long */
    w->serving = true;
    w->busy = true; /* its tick leaves the batch alone */
    open_batch(w);
    w->io->retain(w, true);
    worker_read_clock(w);
    w->io->poll(w, false);
    serve(w);
    w->io->retain(w, false);
    w->busy = true;
    w->serving = false;
    clock_put_back(now);
}

void
worker_while_waiting(void *worker)
{
    struct worker *w = worker;

    if (commands_in_busy_script(&w->daemon->commands))
        worker_serve_others(w);
}

void
worker_end_busy(struct worker *w)
{
    if (likely(w->busy_batch == NULL))
        return;
    batch_free(w->busy_batch);
    worker_account(w, batch_bytes(), 0);
    w->busy_batch = NULL;
}
