/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring.h - a worker's ring, shared by the parts of the engine.
 *
 *   io_uring.c          waits, hands out what has come; birth and end
 *   io_uring_setup.c    a ring with its buffers, and whether there can be one
 *   io_uring_receive.c  input
 *   io_uring_send.c     output
 *
 * All functions are the owner worker's.
 */
#pragma once

#include "daemon/internal.h"

#include <liburing.h>

/* 1 MiB for a worker: what 256 clients send at once, if it is a page each. */
#define BUFFERS 256
#define BUFFER_BYTES 4096
#define MAX_SENDS 128

/* Low bits of user_data; the rest is the connection, or the number of a send.
 */
enum tag {
    TAG_RECEIVE,
    TAG_SEND,
    TAG_CANCEL,
    TAG_WAKE,
    TAG_BITS = 2,
    TAG_MASK = (1 << TAG_BITS) - 1
};

/* A buffer with input. */
struct received {
    uint16_t next; /* of the same connection, counted from 1 */
    uint16_t at, end;
};

struct sending {
    struct conn *conn;
    struct outgoing *o;
    int result;
};

struct ring {
    struct io_uring uring;
    struct io_uring_buf_ring *free;
    char *memory; /* of the buffers */
    struct received received[BUFFERS];
    uint16_t used[BUFFERS]; /* to be given back, in their order */
    unsigned n_used;
    unsigned n_retained; /* the first of these, which are not */
    unsigned n_free;                      /* that the kernel may fill */
    struct conn *arrived, **arrived_tail; /* next_ready; have input */
    struct conn *starved, **starved_tail;
    struct sending sends[MAX_SENDS];
    unsigned n_sends, n_sent;
    unsigned n_gone;    /* connections that are freed later */
    uint64_t looked_us; /* at libevent */
    bool look;          /* it has something */
    bool mail_armed;    /* the ring looks at the worker's wake_fd */
    int wake_fd;
    struct event *wake_event;
};

static inline char *
uring_buffer(struct ring *r, unsigned id)
{
    return r->memory + (size_t)id * BUFFER_BYTES;
}

/* The kernel may fill a buffer, as soon as the ring of buffers is advanced. */
static inline void
uring_offer(struct ring *r, unsigned id, int offset)
{
    io_uring_buf_ring_add(r->free, uring_buffer(r, id), BUFFER_BYTES,
        (unsigned short)id, io_uring_buf_ring_mask(BUFFERS), offset);
}

/* ---- io_uring_setup.c ---------------------------------------------------- */

/* A ring with its buffers; -errno of the step that failed. */
int uring_set_up(struct ring *r);
void uring_tear_down(struct ring *r);

/* ---- io_uring.c ---------------------------------------------------------- */

/* A request to fill in; those that are full go off first if there is no room
 * for another. */
struct io_uring_sqe *uring_request(struct ring *r);

/* Make the requests, if there are any, and take what has come. */
void uring_submit(struct ring *r);

/* Wait for something, and take what has come. */
void uring_wait(struct ring *r);

/* ---- io_uring_receive.c -------------------------------------------------- */

/* A receive for `c` brought something, or has ended. */
void uring_received(
    struct ring *r, struct conn *c, const struct io_uring_cqe *cqe);

/* Give the used buffers back, and let those read on that had found none. */
void uring_give_back(struct ring *r);

/* What has arrived becomes ready. */
void uring_hand_over(struct worker *w);

/* Of struct io_engine. */
void uring_retain(struct worker *w, bool on);
bool uring_watch(struct conn *c, short want);
ssize_t uring_receive(struct conn *c, char **base, size_t kept, size_t room);
void uring_expect_large(struct conn *c);
void uring_park(struct conn *c);
bool uring_tick(struct worker *w);
void uring_recycle(struct worker *w);
bool uring_forget(struct conn *c);

/* ---- io_uring_send.c ----------------------------------------------------- */

/* A send is through. */
void uring_sent(struct ring *r, const struct io_uring_cqe *cqe);

/* Of struct io_engine. */
enum send_status uring_start_send(struct conn *c, struct outgoing *o);
void uring_flush(struct worker *w);
