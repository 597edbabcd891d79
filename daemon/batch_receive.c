/* SPDX-License-Identifier: BSD-3-Clause */
/* batch_receive.c - the first phase of a batch: what has come for each
 * connection that is ready, one behind the other in the worker's buffer.
 *
 * What was unfinished of a command stands before what follows it. Of a large
 * argument each part goes to its extent as it comes (large.c), and others use the
 * same part of the buffer again. Owner thread of the worker.
 */
#include "daemon/batch.h"

#include <errno.h>

/* A client that has sent a large argument is likely to send another: so many of
 * its next receives have room for more, and what they bring of the argument goes
 * to its extent at once: others then have the same part of the buffer, which is
 * in the second-level cache. */
#define LARGE_BYTES (256 * KIB)
/* With the rest of one, so much of what follows is received. */
#define FOLLOWING_BYTES (2 * KIB)

/* Where further input of `c` goes: `*base` is the start of what is not parsed,
 * `*kept` the bytes of an unfinished command that already stand there. At least
 * SLICE_BYTES follow. */
static void
make_room(struct batch *b, struct conn *c, char **base, size_t *kept)
{
    struct conn_input *in = c->input;

    *kept = in != NULL ? in->bytes.len : 0;
    if (*kept > CARRY_BYTES) {
        buf_reserve(&in->bytes, SLICE_BYTES);
        *base = in->bytes.p;
        return;
    }
    *base = b->arena + b->arena_used;
    if (*kept > 0)
        memcpy(*base, in->bytes.p, *kept);
}

/* `len` bytes at `base` are to be parsed. */
static void
add_source(struct batch *b, struct conn *c, char *base, size_t len)
{
    struct conn_input *in = c->input;
    struct source *s = &b->sources[b->n_sources++];

    if (in != NULL)
        in->bytes.len = base == in->bytes.p ? len : 0;
    *s = (struct source){c, base, len, false};
    if (c->expects_large > 0)
        batch_take_ahead(b, s);
    if (base == b->arena + b->arena_used)
        b->arena_used += ROUND_UP((size_t)(s->p + s->len - base), CACHE_LINE);
}

/* The peer closed, or the connection failed. */
static void
end_of_input(struct conn *c, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0 && c->output != NULL)
        conn_finish(c); /* it may have closed its sending side only */
    else
        conn_dead(c);
}

static void
count_input(struct conn *c, ssize_t n)
{
    struct worker *w = c->worker;

    METRIC_ADD(&w->metrics, net_input_bytes, (uint64_t)n);
    METRIC_INC(&w->metrics, reads);
    c->active_s = w->now_s;
}

/* How much of large arguments may be received to `at`, where make_room() has
 * been. */
static size_t
large_room(const struct batch *b, const char *at)
{
    if (!batch_in_arena(b, at))
        return SLICE_BYTES;
    return MIN(LARGE_BYTES, (size_t)(b->arena + ARENA_BYTES - at));
}

bool
batch_receive_bulk(struct batch *b, struct conn *c, char *at, ssize_t *n)
{
    struct large *l = &c->input->large;
    size_t room = large_room(b, at), taken = 0, asked, part;
    ssize_t got;
    char *from;

    do {
        asked = MIN(room, l->len - l->got + FOLLOWING_BYTES);
        from = at;
        got = conn_io(c)->receive(c, &from, 0, asked);
        if (got <= 0)
            break;
        count_input(c, got);
        part = large_take(c->worker, c->input, from, (size_t)got);
        taken += (size_t)got;
    } while (
        l->got < l->len && (size_t)got == asked && taken < LARGE_VISIT_BYTES);
    *n = taken > 0 ? (ssize_t)taken : got;
    if (taken == 0 || l->got < l->len)
        return false;
    *n = got - (ssize_t)part;
    memmove(at, from + part, (size_t)*n);
    return true;
}

/* The rest of a large argument, and what follows. */
static void
receive_large(struct batch *b, struct conn *c)
{
    size_t kept;
    char *base;
    ssize_t n;

    make_room(b, c, &base, &kept);
    if (batch_receive_bulk(b, c, base + kept, &n)) {
        large_end(c);
        add_source(b, c, base, kept + (size_t)n);
    } else if (n <= 0) {
        end_of_input(c, n);
    } else {
        large_await(c);
        conn_account(c);
    }
}

static void
receive(struct batch *b, struct conn *c)
{
    size_t kept, room = SLICE_BYTES;
    char *base;
    ssize_t n;

    if (c->input != NULL && c->input->large.len > 0) {
        receive_large(b, c);
        return;
    }
    make_room(b, c, &base, &kept);
    if (c->expects_large > 0) {
        c->expects_large--;
        room = large_room(b, base + kept);
    }
    n = conn_io(c)->receive(c, &base, kept, room);
    if (n <= 0) {
        end_of_input(c, n);
        return;
    }
    count_input(c, n);
    add_source(b, c, base, kept + (size_t)n);
}

/* Parse what a stalled connection has received already. */
static void
resume(struct batch *b, struct conn *c)
{
    size_t kept;
    char *base;

    conn_io(c)->park(c);
    if (c->dead)
        return;
    make_room(b, c, &base, &kept);
    add_source(b, c, base, kept);
}

/* Do for one ready connection what its events call for. */
static void
visit(struct batch *b, struct conn *c)
{
    short ready = c->ready;

    c->ready = 0;
    if (c->dead)
        return;
    if (unlikely(c->tls != NULL) && (ready = tls_ready(c, ready)) == 0)
        return;
    if (ready & EV_WRITE) {
        conn_flush(c);
        if (c->dead)
            return;
        conn_update_events(c);
    }
    if (c->held != NULL && ready & EV_CLOSED) {
        conn_dead(c);
        return;
    }
    if (c->held != NULL && c->released) {
        resume(b, c);
        return;
    }
    if (!(c->interest & EV_READ))
        conn_io(c)->park(c);
    else if (c->input != NULL && c->input->unparsed)
        resume(b, c);
    else if (ready & EV_READ)
        receive(b, c);
}

void
batch_receive(struct batch *b)
{
    struct worker *w = b->worker;
    struct conn *c;

    batch_begin_round(b);
    b->n_sources = b->source = 0;
    b->arena_used = 0;
    while ((c = w->ready) != NULL && b->n_sources < GROUP_CONNS &&
        b->large_bytes < ROUND_LARGE &&
        b->arena_used + CARRY_BYTES + SLICE_BYTES <= ARENA_BYTES) {
        w->ready = c->next_ready;
        if (w->ready == NULL)
            w->ready_tail = &w->ready;
        visit(b, c);
    }
}
