/* SPDX-License-Identifier: BSD-3-Clause */
/* large.c - large arguments go into extents as they arrive.
 *
 * They are received into the worker's buffer, which is in the cache, and copied
 * to their extent, which is not, past the cache: that costs less than half of
 * receiving them there.
 *
 * The extent is reserved when the length is known, and committed as bytes
 * arrive: a client that announces 512 MiB and sends nothing costs nothing. When
 * the budget has no room and the keyspace can make none, the argument is
 * refused: its bytes are received and dropped, so that the client stays in step,
 * and the command is answered with an OOM error.
 *
 * Owner thread of the connection.
 */
#include "daemon/internal.h"

#include <string.h>
#include <sys/socket.h>

/* Large values that take more than this together are not in the cache when they
 * are asked for, and should not push other things out of it when they come. */
#define CACHED_BYTES (16 * MIB)
/* The socket tells of the rest of an argument when so much of it is there, or
 * all; of less than AWAIT_LEAST as it comes. It also opens its window as far:
 * of a value of 1 MiB the client sends the rest without a pause, and the worker
 * comes back to it once. In steps of 128 KiB that costs up to a fifth more. A
 * client that stops in between keeps so much in the kernel, which tells of it
 * when memory for sockets gets scarce. */
#define AWAIT_MOST (1 * MIB)
#define AWAIT_LEAST (4 * KIB)

static void
count_held(struct worker *w, struct conn_input *in, size_t n)
{
    in->large_held += n;
    atomic_fetch_add_explicit(&w->daemon->large_bytes, n, memory_order_relaxed);
}

static void
refuse(struct worker *w, struct large *l)
{
    if (l->extent != 0)
        extent_unpin(w->daemon->slab, l->extent);
    l->extent = 0;
}

/* Unfinished arguments of all clients may take three quarters of the memory
 * and no more: they must not evict everything. */
static bool
is_allowed(const struct worker *w, size_t more)
{
    size_t held =
        atomic_load_explicit(&w->daemon->large_bytes, memory_order_relaxed);

    return held + more <= slab_limit(w->daemon->slab) / 4 * 3;
}

/* Make the first `upto` bytes of the extent usable, or refuse. */
static void
commit(struct worker *w, struct conn_input *in, size_t upto)
{
    struct slab *slab = w->daemon->slab;
    struct large *l = &in->large;
    size_t had = extent_committed(slab, l->extent);

    if (upto <= had)
        return;
    if (!is_allowed(w, upto - had) ||
        !ks_commit_extent(w->ks, l->extent, upto)) {
        refuse(w, l);
        return;
    }
    count_held(w, in, extent_committed(slab, l->extent) - had);
}

static void
fill(struct worker *w, char *to, const char *from, size_t n)
{
    if (extent_live_bytes(w->daemon->slab) > CACHED_BYTES)
        stream_copy(to, from, n);
    else
        memcpy(to, from, n);
}

size_t
large_take(struct worker *w, struct conn_input *in, const char *from, size_t n)
{
    struct large *l = &in->large;

    n = MIN(n, l->len - l->got);
    if (l->extent != 0)
        commit(w, in, l->got + n);
    if (l->extent != 0)
        fill(w, extent_ptr(w->daemon->slab, l->extent) + l->got, from, n);
    l->got += n;
    return n;
}

bool
large_begin(struct worker *w, struct conn_input *in, char **input, size_t *len)
{
    struct slab *slab = w->daemon->slab;
    struct resp_parser *p = &in->parser;
    struct large *l = &in->large;

    *l = (struct large){.len = p->large_len};
    if (!p->large_dropped && is_allowed(w, l->len))
        l->extent = extent_new(slab, l->len);
    /* What a warm extent brings along is held as well. */
    if (l->extent != 0)
        count_held(w, in, extent_committed(slab, l->extent));
    large_take(w, in, *input + p->pos, *len - p->pos);
    resp_large_take(p, input, len, NULL);
    return l->got == l->len;
}

/* An extent with all of a bulk; 0: refused. */
static uint32_t
extent_with(struct worker *w, const char *bytes, size_t len)
{
    struct slab *slab = w->daemon->slab;
    uint32_t id = is_allowed(w, len) ? extent_new(slab, len) : 0;

    if (id == 0)
        return 0;
    if (!ks_commit_extent(w->ks, id, len)) {
        extent_unpin(slab, id);
        return 0;
    }
    fill(w, extent_ptr(slab, id), bytes, len);
    return id;
}

bool
large_whole(struct worker *w, struct resp_parser *p, char **input, size_t *len)
{
    uint32_t id = 0;

    if (p->args_left != 1 || *len != p->pos + p->large_len + strlen("\r\n"))
        return false;
    if (!p->large_dropped)
        id = extent_with(w, *input + p->pos, p->large_len);
    resp_large_take(p, input, len, NULL);
    resp_large_done(p, id != 0 ? extent_ptr(w->daemon->slab, id) : NULL, id);
    return true;
}

static void
set_awaited(struct conn *c, size_t bytes)
{
    int value = (int)MAX(bytes, 1);

    if (bytes == c->input->awaited)
        return;
    if (setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value)) == 0)
        c->input->awaited = (uint32_t)bytes;
    else if (c->input->awaited > 0)
        conn_dead(c); /* it could wait for ever */
}

void
large_await(struct conn *c)
{
    const struct large *l = &c->input->large;
    size_t rest = l->len - l->got + strlen("\r\n");

    if (c->tls != NULL || c->is_unix)
        return; /* other bytes are counted, or none */
    if (l->extent == 0 || rest < AWAIT_LEAST)
        rest = 0;
    set_awaited(c, MIN(rest, AWAIT_MOST));
}

bool
large_look(struct conn *c)
{
    if (c->input->awaited == 0)
        return false;
    set_awaited(c, 0);
    return true;
}

void
large_end(struct conn *c)
{
    struct conn_input *in = c->input;
    struct large *l = &in->large;

    set_awaited(c, 0);
    resp_large_done(&in->parser,
        l->extent != 0 ? extent_ptr(c->worker->daemon->slab, l->extent) : NULL,
        l->extent);
    *l = (struct large){.len = 0};
}

void
large_release(struct worker *w, struct conn_input *in)
{
    atomic_fetch_sub_explicit(
        &w->daemon->large_bytes, in->large_held, memory_order_relaxed);
    in->large_held = 0;
}

void
large_drop(struct worker *w, struct conn_input *in)
{
    struct slab *slab = w->daemon->slab;

    for (int i = 0; i < in->parser.argc; i++) {
        if (in->parser.argv[i].extent != 0)
            extent_unpin(slab, in->parser.argv[i].extent);
    }
    refuse(w, &in->large);
    in->large = (struct large){.len = 0};
    resp_parser_reset(&in->parser);
    large_release(w, in);
}
