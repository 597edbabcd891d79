/* SPDX-License-Identifier: BSD-3-Clause */
/* hold.c - clients whose commands wait for the end of a pause.
 *
 * A command that has to wait is copied, and so are those of the same client
 * that were parsed with it; no more is read from the client until they have
 * run. They are at most what one round of a batch parses. When the pause has
 * ended the client becomes ready, and the batch takes them up again.
 *
 * Owner thread of the worker.
 */
#include "daemon/internal.h"

#include <stdlib.h>

/* The pause is over, or shorter than it was: let the batch try anew. */
static void
release_all(struct worker *w)
{
    for (struct conn *c = w->clients; c != NULL; c = c->next) {
        if (c->held == NULL || c->dead)
            continue;
        c->released = true;
        conn_make_ready(c);
    }
}

static void
start_timer(struct worker *w, uint64_t ms)
{
    struct timeval left = {(time_t)MIN(ms / 1000, 3600),
        (suseconds_t)(ms % 1000 * 1000)};

    event_add(w->hold_event, &left);
}

void
hold_look(struct worker *w)
{
    uint64_t left_ms;

    if (likely(w->n_held == 0))
        return;
    left_ms = commands_pause_ms(&w->daemon->commands);
    if (left_ms == 0)
        release_all(w);
    else
        start_timer(w, left_ms);
}

static size_t
bytes_of(const struct request *rq)
{
    size_t bytes = sizeof(struct held) +
        (size_t)rq->argc * sizeof(struct resp_arg);

    for (int i = 0; i < rq->argc; i++)
        if (rq->argv[i].extent == 0)
            bytes += rq->argv[i].len;
    return bytes;
}

/* Extents change hands. */
static void
copy_args(struct held *h, struct request *rq)
{
    char *to = (char *)(h->argv + rq->argc);

    h->argc = rq->argc;
    for (int i = 0; i < rq->argc; i++) {
        h->argv[i] = rq->argv[i];
        if (rq->argv[i].extent != 0) {
            rq->argv[i].extent = 0;
            continue;
        }
        if (rq->argv[i].len > 0)
            memcpy(to, rq->argv[i].p, rq->argv[i].len);
        h->argv[i].p = to;
        to += rq->argv[i].len;
    }
}

void
hold_add(struct conn *c, struct request *rq, uint8_t kind, char *error)
{
    struct worker *w = c->worker;
    size_t bytes = bytes_of(rq);
    struct held *h = xcalloc(1, bytes), **at = &c->held;

    if (c->held == NULL) {
        w->n_held++;
        atomic_fetch_add_explicit(
            &w->daemon->commands.n_waiting, 1, memory_order_relaxed);
        atomic_store_explicit(&c->session.waits, true, memory_order_relaxed);
        start_timer(w, MAX(commands_pause_ms(&w->daemon->commands), 1));
    }
    h->bytes = bytes;
    h->kind = kind;
    h->error = error;
    copy_args(h, rq);
    worker_account(w, 0, bytes);
    while (*at != NULL)
        at = &(*at)->next;
    *at = h;
    c->n_held++;
}

struct held *
hold_take(struct conn *c)
{
    struct worker *w = c->worker;
    struct held *first = c->held;

    if (first == NULL)
        return NULL;
    c->held = NULL;
    c->n_held = 0;
    c->released = false;
    w->n_held--;
    atomic_fetch_sub_explicit(
        &w->daemon->commands.n_waiting, 1, memory_order_relaxed);
    atomic_store_explicit(&c->session.waits, false, memory_order_relaxed);
    return first;
}

void
hold_free(struct worker *w, struct held *h)
{
    worker_account(w, h->bytes, 0);
    free(h);
}

void
hold_drop(struct conn *c)
{
    struct held *next;

    for (struct held *h = hold_take(c); h != NULL; h = next) {
        next = h->next;
        for (int i = 0; i < h->argc; i++)
            if (h->argv[i].extent != 0)
                extent_unpin(c->worker->daemon->slab, h->argv[i].extent);
        free(h->error);
        hold_free(c->worker, h);
    }
}
