/* SPDX-License-Identifier: BSD-3-Clause */
/* io_epoll.c - the engine that is always there: readiness from libevent, and a
 * call per socket to receive and to send. And the choice of an engine.
 */
#include "daemon/internal.h"

#include <sys/socket.h>

/* ---- shared with the other engine ---------------------------------------- */

bool
io_epoll_watch(struct conn *c, short want)
{
    if (want == c->io.watched)
        return true;
    if (c->io.watched != 0) {
        event_del(&c->event);
        c->worker->n_watched--;
    }
    c->io.watched = want;
    if (want == 0)
        return true;
    c->worker->n_watched++;
    event_assign(&c->event, c->worker->base, c->fd, (short)(want | EV_PERSIST),
        conn_event, c);
    return event_add(&c->event, NULL) == 0;
}

enum send_status
io_epoll_send(struct conn *c, struct outgoing *o)
{
    struct worker *w = c->worker;
    size_t sent = 0;
    unsigned calls = 0;
    enum send_status status =
        outgoing_send(o, c->fd, w->daemon->slab, &sent, &calls);

    conn_count_sent(c, sent, calls);
    return status;
}

void
io_epoll_poll(struct worker *w, bool wait)
{
    /* ONCE in either case: a connection stays ready until its batch has run. */
    event_base_loop(
        w->base, wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* ---- the engine ---------------------------------------------------------- */

static bool
open_nothing(struct worker *w, struct buf *err)
{
    (void)w;
    (void)err;
    return true;
}

static void
do_nothing(struct worker *w)
{
    (void)w;
}

static void
retain_nothing(struct worker *w, bool on)
{
    (void)w;
    (void)on;
}

static void
keep(struct conn *c)
{
    (void)c;
}

static ssize_t
receive(struct conn *c, char **base, size_t kept, size_t room)
{
    return recv(c->fd, *base + kept, room, 0);
}

static bool
forget(struct conn *c)
{
    io_epoll_watch(c, 0);
    return true;
}

const struct io_engine io_epoll = {
    .name = "epoll",
    .api = "epoll",
    .open = open_nothing,
    .close = do_nothing,
    .poll = io_epoll_poll,
    .watch = io_epoll_watch,
    .retain = retain_nothing,
    .receive = receive,
    .expect_large = keep,
    .park = keep,
    .recycle = do_nothing,
    .start_send = io_epoll_send,
    .flush = do_nothing,
    .forget = forget,
};

/* ---- the choice ---------------------------------------------------------- */

#ifdef HAVE_LIBURING
static const struct io_engine *
try_uring(struct buf *why)
{
    return io_uring_probe(why) ? &io_uring_engine : NULL;
}
#else
static const struct io_engine *
try_uring(struct buf *why)
{
    buf_printf(why, "built without liburing");
    return NULL;
}
#endif

const struct io_engine *
io_choose(enum io_choice choice, struct buf *err)
{
    const struct io_engine *engine = &io_epoll;
    struct buf why = {0};

    if (choice != IO_EPOLL)
        engine = try_uring(&why);
    if (engine == NULL && choice == IO_URING) {
        buf_printf(
            err, "io-engine uring is not possible: %.*s", (int)why.len, why.p);
        buf_free(&why);
        return NULL;
    }
    if (engine == NULL) {
        engine = &io_epoll;
        log_info("io-engine auto is epoll: no io_uring here, %.*s",
            (int)why.len, why.p);
    }
    buf_free(&why);
    return engine;
}
