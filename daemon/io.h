/* SPDX-License-Identifier: BSD-3-Clause */
/* io.h - how a worker gets the input of its clients and sends their replies.
 *
 *   epoll   libevent says which sockets are ready; one recv(2) and one
 *           sendmsg(2) each
 *   uring   an io_uring receives from all sockets by itself, into a ring of
 *           buffers, and sends the replies of a round in one call
 *
 * The batch and the connections call what is here and do not know which it is.
 * In both, libevent is the base of a worker: its timers, its mail, sockets that
 * wait to be writable. With uring a connection can still be read by readiness
 * (struct io_conn, direct), as is best for large values.
 *
 * All functions are the owner worker's, but for io_choose().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct conn;
struct outgoing;
struct worker;

/* What an engine knows of a connection. [owner thread] */
struct io_conn {
    short watched;        /* what libevent looks for */
    bool direct;          /* uring: read by readiness */
    bool armed;           /* uring: the ring has a receive for it */
    bool cancelling;      /* uring: that is being taken back */
    bool starved;         /* uring: it waits for free buffers */
    bool ended;           /* uring: nothing follows what was received */
    bool looked;          /* uring: by hand, since the last input */
    bool gone;            /* uring: closed; freed when the ring lets go */
    uint8_t direct_left;  /* uring: receives until the ring reads it again;
                             0: never */
    uint16_t first, last; /* uring: buffers with its input; 0: none */
    int error;            /* uring: after them; 0 is the end of the stream */
    struct conn *next_starved;
};

/* How far the sending of a run has come, in the order of a round: begun by
 * start_send, settled by flush. */
enum send_status {
    SEND_DONE,
    SEND_BLOCKED, /* the socket takes no more now */
    SEND_FAILED,
    SEND_QUEUED, /* flush() will tell */
};

struct io_engine {
    const char *name; /* of the directive */
    const char *api;  /* multiplexing_api of INFO */

    /* Begin and end, in the worker's thread. False with a reason in err. */
    bool (*open)(struct worker *w, struct buf *err);
    void (*close)(struct worker *w);

    /* Wait for events and mark the connections that they are for; with `wait`
     * false only look. */
    void (*poll)(struct worker *w, bool wait);

    /* Look for what `c` wants now: EV_READ, EV_WRITE, EV_CLOSED. False with
     * errno when the system refuses. */
    bool (*watch)(struct conn *c, short want);

    /* While `on`, input that receive() has put elsewhere stays, whatever is
     * recycled: what comes from now on is another batch's. */
    void (*retain)(struct worker *w, bool on);

    /* Take input, as recv(2), to *base + kept, where `room` bytes are. If kept
     * is 0 the engine may put *base elsewhere, valid until recycle(). */
    ssize_t (*receive)(struct conn *c, char **base, size_t kept, size_t room);

    /* Much input is on its way that does not go through receive(). */
    void (*expect_large)(struct conn *c);

    /* What input the engine holds for `c` moves to c->input: nothing is asked
     * of it now, or what stands there comes first. */
    void (*park)(struct conn *c);

    /* About once a second while the worker is busy, and once after. True if
     * it is to be called again. NULL: nothing is to be done. */
    bool (*tick)(struct worker *w);

    /* A group is done: what receive() gave out is not needed any more. */
    void (*recycle)(struct worker *w);

    /* Send `o`, advance it, drop the pins of what is through. It stays where
     * it is until flush(). At most one per connection and flush. */
    enum send_status (*start_send)(struct conn *c, struct outgoing *o);

    /* Send all that is queued. o->status is then the outcome. */
    void (*flush)(struct worker *w);

    /* The connection is being closed, its fd still open. True: `c` may be freed
     * at once; else the engine puts it into its pool later. */
    bool (*forget)(struct conn *c);
};

extern const struct io_engine io_epoll;
#ifdef HAVE_LIBURING
extern const struct io_engine io_uring_engine;
#endif

enum io_choice {
    IO_AUTO,
    IO_EPOLL,
    IO_URING,
};

/* The engine for this system, and log it. NULL with a sentence in err if the
 * one that is demanded cannot be. Main thread, before the workers. */
const struct io_engine *io_choose(enum io_choice choice, struct buf *err);

/* Parts of the epoll engine, for connections that another reads by readiness.
 */
bool io_epoll_watch(struct conn *c, short want);
enum send_status io_epoll_send(struct conn *c, struct outgoing *o);
void io_epoll_poll(struct worker *w, bool wait);

/* Does io_uring work here, with all that the engine uses? False with a reason
 * in `why`. Any thread. */
bool io_uring_probe(struct buf *why);
