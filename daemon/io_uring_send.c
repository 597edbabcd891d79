/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring_send.c - output of the engine uring.
 *
 * Replies of a round are sent by one call, which tries each socket once
 * (MSG_DONTWAIT), so that all outcomes are there when it returns and nothing is
 * in flight later.
 */
#include "daemon/io_uring.h"

#include <errno.h>
#include <sys/socket.h>

enum send_status
uring_start_send(struct conn *c, struct outgoing *o)
{
    struct ring *r = c->worker->ring;

    /* Values in extents are large: a call of their own is not what they cost.
     */
    if (o->ref < o->ref_end || r->n_sends == MAX_SENDS ||
        o->end - o->at > SEND_CALL_BYTES)
        return io_epoll_send(c, o);
    r->sends[r->n_sends++] = (struct sending){c, o, 0};
    return SEND_QUEUED;
}

static void
end_send(const struct sending *s)
{
    struct outgoing *o = s->o;

    conn_count_sent(s->conn, s->result > 0 ? (size_t)s->result : 0, 1);
    if (s->result < 0) {
        o->status =
            s->result == -EAGAIN || s->result == -EINTR || s->result == -ENOBUFS
            ? SEND_BLOCKED
            : SEND_FAILED;
        return;
    }
    o->at += (size_t)s->result;
    o->status = o->at < o->end ? SEND_BLOCKED : SEND_DONE;
}

/* One goes quicker by a call of its own; from two on the ring is better. */
static void
send_alone(struct sending *s)
{
    ssize_t n = send(s->conn->fd, s->o->bytes + s->o->at, s->o->end - s->o->at,
        MSG_NOSIGNAL | MSG_DONTWAIT);

    s->result = n < 0 ? -errno : (int)n;
}

static void
send_together(struct ring *r)
{
    for (unsigned i = 0; i < r->n_sends; i++) {
        const struct sending *s = &r->sends[i];
        struct io_uring_sqe *sqe = uring_request(r);

        io_uring_prep_send(sqe, s->conn->fd, s->o->bytes + s->o->at,
            s->o->end - s->o->at, MSG_NOSIGNAL | MSG_DONTWAIT);
        io_uring_sqe_set_data64(sqe, (uint64_t)i << TAG_BITS | TAG_SEND);
    }
    uring_submit(r);
    while (unlikely(r->n_sent < r->n_sends))
        uring_wait(r);
}

void
uring_sent(struct ring *r, const struct io_uring_cqe *cqe)
{
    r->sends[cqe->user_data >> TAG_BITS].result = cqe->res;
    r->n_sent++;
}

void
uring_flush(struct worker *w)
{
    struct ring *r = w->ring;

    if (r->n_sends == 0)
        return;
    if (r->n_sends == 1)
        send_alone(&r->sends[0]);
    else
        send_together(r);
    for (unsigned i = 0; i < r->n_sends; i++)
        end_send(&r->sends[i]);
    r->n_sends = r->n_sent = 0;
}
