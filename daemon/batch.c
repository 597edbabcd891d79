/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.c - serves all connections of a worker that are ready, together.
 *
 *   receive   what has come for each connection; by the engine epoll (io.h) one
 *             recv(2) each, into the worker's shared buffer (batch_receive.c)
 *   parse     all commands that have come, up to a bound (batch_parse.c)
 *   prefetch  the index lines of all their keys, then the items
 *   execute   in order within each connection
 *   send      one sendmsg(2) per connection, or one call for all
 *
 * One batch is cut into groups of connections (what fits in the buffer) and a
 * group into rounds of commands, so that its memory is bounded. Between groups
 * a connection keeps only an unfinished command and unsent output. Arguments
 * point into the buffer of the group, into a long unfinished command's own, or
 * into one of the engine.
 *
 * Owner thread of the worker.
 */
#include "daemon/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Memory that is kept between batches, of a busy worker, too. */
#define KEEP_OUTPUT (2 * MIB)
#define KEEP_ARGS (2 * ROUND_ARGS)
#define KEEP_REFS ROUND_ARGS
#define KEEP_PARSER (4 * KIB)

struct batch *
batch_new(struct worker *w)
{
    struct batch *b = xcalloc(1, sizeof(*b));

    b->worker = w;
    b->arena = xcalloc(1, ARENA_BYTES);
    b->reply.out = &b->out;
    /* Touched now, so that it is part of the start-up cost. */
    memset(b->arena, 1, ARENA_BYTES);
    return b;
}

size_t
batch_bytes(void)
{
    return sizeof(struct batch) + ARENA_BYTES;
}

void
batch_free(struct batch *b)
{
    worker_account(b->worker, b->counted, 0);
    buf_free(&b->out);
    free(b->reply.refs);
    free(b->args);
    free(b->arena);
    free(b);
}

static void
count_memory(struct batch *b)
{
    size_t memory = b->out.cap + b->cap_args * sizeof(*b->args) +
        resp_parser_bytes(&b->worker->parser);

    worker_account(b->worker, b->counted, memory);
    b->counted = memory;
}

void
batch_shrink(struct batch *b)
{
    if (b->out.cap > KEEP_OUTPUT)
        buf_free(&b->out);
    if (b->reply.cap_refs > KEEP_REFS) {
        free(b->reply.refs);
        b->reply.refs = NULL;
        b->reply.n_refs = b->reply.cap_refs = 0;
    }
    if (resp_parser_bytes(&b->worker->parser) > KEEP_PARSER)
        resp_parser_shrink(&b->worker->parser);
    if (b->cap_args > KEEP_ARGS) {
        free(b->args);
        b->args = NULL;
        b->cap_args = 0;
    }
    count_memory(b);
}

/* ---- prefetch ------------------------------------------------------------ */

/* While a group of commands runs, the memory of those that follow is on its way:
 * first the index line of each key; when that has come, the item and what is
 * noted of it. Asking for all of a round at once would only queue at the few page
 * walks and line fills that a core does at a time. But a core waits at each
 * prefetch for the page walk, as far as it cannot look ahead to the next one: so
 * those of a group stand close together, kind by kind. */
#define TOGETHER 8
#define ITEMS_AHEAD TOGETHER
#define LINES_AHEAD (2 * TOGETHER)

/* Make the keys of all commands, in their order. */
static void
make_keys(struct batch *b)
{
    struct ks_key *room = b->keys;

    for (unsigned i = 0; i < b->n_tasks; i++) {
        struct task *t = &b->tasks[i];

        t->request.keys = room;
        if (likely(t->kind == TASK_RUN && room <= b->keys + ROUND_KEYS))
            command_make_keys(&t->request, room);
        room += t->request.n_keys;
    }
    b->end_keys = room;
}

/* The keys of the commands before task `i` end here. */
static inline struct ks_key *
keys_until(struct batch *b, unsigned i)
{
    return i < b->n_tasks ? b->tasks[i].request.keys : b->end_keys;
}

static void
prefetch_lines(struct batch *b, unsigned from, unsigned n)
{
    struct ks_key *first = keys_until(b, from);

    ks_prefetch_lines(b->worker->daemon->ks, first,
        (unsigned)(keys_until(b, from + n) - first));
}

static void
prefetch_items(struct batch *b, unsigned from, unsigned n)
{
    struct ks_key *first = keys_until(b, from);

    ks_prefetch_items(b->worker->daemon->ks, first,
        (unsigned)(keys_until(b, from + n) - first));
}

static void
prefetch_first(struct batch *b)
{
    b->end_keys = b->keys;
    if (b->n_tasks < 2)
        return; /* nothing to overlap with */
    make_keys(b);
    prefetch_lines(b, 0, LINES_AHEAD);
    prefetch_items(b, 0, ITEMS_AHEAD);
}

/* A group begins: ask for what the next ones need. */
static void
prefetch_next(struct batch *b)
{
    prefetch_items(b, b->task + ITEMS_AHEAD, TOGETHER);
    prefetch_lines(b, b->task + LINES_AHEAD, TOGETHER);
}

/* ---- execute ------------------------------------------------------------- */

/* The last run ends with what was written. */
static void
close_run(struct batch *b)
{
    struct run *r;

    if (b->n_runs == 0)
        return;
    r = &b->runs[b->n_runs - 1];
    r->end = b->out.len;
    r->ref_end = b->reply.n_refs;
}

static __attribute__((noinline)) void
open_run(struct batch *b, struct conn *c)
{
    struct run *r;

    close_run(b);
    r = &b->runs[b->n_runs++];
    r->conn = c;
    r->begin = b->out.len;
    r->ref_begin = b->reply.n_refs;
}

/* What is written from now on is for `c`. */
static inline void
reply_to(struct batch *b, struct conn *c)
{
    if (unlikely(b->n_runs == 0 || b->runs[b->n_runs - 1].conn != c))
        open_run(b, c);
}

static void
refuse_attack(struct conn *c)
{
    static _Atomic uint64_t logged;
    char addr[64];

    conn_address(c, true, addr, sizeof(addr));
    if (log_ratelimit(&logged))
        log_warn("possible SECURITY ATTACK: POST or Host: received, as from "
                 "a browser made to send commands; connection closed addr=%s",
            addr);
    conn_dead(c);
}

/* `run` is command_run() or command_run_busy(). */
static inline void
run_command(struct conn *c, struct request *rq, void (*run)(struct request *))
{
    struct session_memory before = {0, 0};

    if (unlikely(c->session.transaction != NULL))
        before = session_memory(&c->session);
    run(rq);
    if (unlikely(before.heap != 0 || c->session.transaction != NULL))
        conn_account_session(c, before);
    if (unlikely(c->session.close_after_reply))
        c->closing = true;
}

static void
execute(struct batch *b, struct task *t, void (*run)(struct request *))
{
    struct conn *c = t->conn;
    struct command_metrics *counters = b->worker->commands->metrics;

    switch ((enum task_kind)t->kind) {
    case TASK_RUN:
        run_command(c, &t->request, run);
        break;
    case TASK_OUT_OF_MEMORY:
        METRIC_INC(counters, errors);
        session_command_lost(&c->session);
        reply_error(&b->reply,
            "OOM command not allowed when used memory > "
            "'maxmemory'.");
        break;
    case TASK_PROTOCOL_ERROR:
        METRIC_INC(counters, protocol_errors);
        log_debug("protocol error id=%llu error=\"%s\"",
            (unsigned long long)c->session.id, t->error);
        reply_error(&b->reply, "ERR %s", t->error);
        c->closing = true;
        break;
    case TASK_ATTACK:
        refuse_attack(c);
        break;
    case TASK_GONE:
        break;
    }
}

void
batch_release_task(struct batch *b, struct task *t)
{
    free(t->error);
    for (int i = 0; t->has_extent && i < t->request.argc; i++)
        if (t->request.argv[i].extent != 0)
            extent_unpin(b->worker->daemon->slab, t->request.argv[i].extent);
    if (unlikely(t->held != NULL))
        hold_free(b->worker, t->held);
}

/* In a pause: does it wait, or one of the same client before it? */
static bool
must_wait(struct task *t)
{
    return unlikely(t->conn->held != NULL) ||
        (unlikely(
             commands_active(t->request.thread->commands) & ACTIVE_PAUSE) &&
            t->kind == TASK_RUN && command_waits(&t->request));
}

/* A command that owns nothing, of a connection about which nothing is special:
 * nearly all are like that. */
static inline bool
is_plain(const struct batch *b, const struct task *t)
{
    const struct conn *c = t->conn;

    return likely(t->kind == TASK_RUN && !t->has_extent && t->held == NULL &&
        !c->dead && !c->closing && c->held == NULL &&
        c->session.transaction == NULL &&
        !(commands_active(&b->worker->daemon->commands) & ACTIVE_PAUSE));
}

void
batch_execute_task(
    struct batch *b, struct task *t, void (*run)(struct request *))
{
    reply_to(b, t->conn);
    execute(b, t, run);
}

static void
execute_special(struct batch *b, struct task *t)
{
    struct conn *c = t->conn;

    if (t->kind == TASK_GONE)
        return;
    /* What follows a QUIT or an error is not looked at. */
    if (!c->dead && !c->closing && must_wait(t)) {
        hold_add(c, &t->request, t->kind, t->error);
        t->error = NULL;
    } else if (!c->dead && !c->closing) {
        batch_execute_task(b, t, command_run);
    }
    batch_release_task(b, t);
}

/* Run commands until all are done or their replies should be sent. */
static void
batch_execute(struct batch *b)
{
    b->out.len = 0;
    b->reply.n_refs = 0;
    b->n_runs = 0;
    while (b->task < b->n_tasks && b->out.len < ROUND_OUTPUT) {
        struct task *t = &b->tasks[b->task];

        if (b->task % TOGETHER == 0)
            prefetch_next(b);
        b->task++;
        if (is_plain(b, t)) {
            reply_to(b, t->conn);
            run_command(t->conn, &t->request, command_run);
        } else {
            execute_special(b, t);
        }
    }
}

/* ---- send ---------------------------------------------------------------- */

static void
start_send(struct batch *b, struct run *r)
{
    r->outgoing = (struct outgoing){.bytes = b->out.p,
        .at = r->begin,
        .end = r->end,
        .refs = b->reply.refs,
        .ref = r->ref_begin,
        .ref_end = r->ref_end};
    if (!r->conn->dead)
        conn_start_send(r->conn, &r->outgoing);
}

static void
end_send(struct batch *b, struct run *r, struct buf *whole)
{
    if (r->conn->dead) {
        outgoing_drop(&r->outgoing, b->worker->daemon->slab);
        return;
    }
    conn_end_send(r->conn, &r->outgoing, whole);
    if (r->conn->closing && !r->conn->dead)
        conn_finish(r->conn);
}

/* Send the first `n` runs. */
static void
send_runs(struct batch *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (likely(b->runs[i].conn != NULL))
            start_send(b, &b->runs[i]);
    b->worker->io->flush(b->worker);
    for (unsigned i = 0; i < n; i++)
        if (likely(b->runs[i].conn != NULL))
            end_send(b, &b->runs[i], b->n_runs == 1 ? &b->out : NULL);
}

void
batch_send(struct batch *b)
{
    close_run(b);
    send_runs(b, b->n_runs);
}

void
batch_send_complete(struct batch *b)
{
    if (b->n_runs < 2)
        return;
    send_runs(b, b->n_runs - 1);
    for (unsigned i = 0; i < b->n_runs - 1; i++)
        b->runs[i].conn = NULL;
}

/* ---- between groups ------------------------------------------------------ */

/* Keep what is not parsed with its connection, give back what it does not
 * need. */
static void
keep_rest(struct source *s)
{
    struct conn *c = s->conn;
    struct conn_input *in;

    if (c == NULL || c->dead)
        return;
    in = c->input;
    if (s->len == 0 || c->closing) {
        conn_input_close(c);
    } else {
        struct buf *bytes = &in->bytes;

        if (bytes->cap > 0 && s->p >= bytes->p &&
            s->p < bytes->p + bytes->cap) {
            memmove(bytes->p, s->p, s->len);
            bytes->len = s->len;
        } else {
            bytes->len = 0;
            buf_append(bytes, s->p, s->len);
        }
        conn_account(c);
    }
    if (!c->dead)
        conn_update_events(c);
}

void
batch_finish(struct batch *b)
{
    for (unsigned i = 0; i < b->n_sources; i++)
        keep_rest(&b->sources[i]);
    b->worker->io->recycle(b->worker);
    count_memory(b);
}

void
batch_run(struct batch *b)
{
    while (b->worker->ready != NULL) {
        batch_receive(b);
        /* What was posted before a client was answered comes before the reply
         * to its next command, whichever connection that is on. */
        worker_take_messages(b->worker);
        while (batch_parse(b) > 0) {
            prefetch_first(b);
            do {
                batch_execute(b);
                batch_send(b);
            } while (b->task < b->n_tasks);
        }
        batch_finish(b);
        worker_take_messages(b->worker);
    }
    METRIC_INC(&b->worker->metrics, batches);
}

bool
batch_has(const struct batch *b, const struct conn *c)
{
    for (unsigned i = 0; i < b->n_sources; i++)
        if (b->sources[i].conn == c)
            return true;
    return false;
}
