/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring.c - the engine in which an io_uring receives and sends.
 *
 * Each connection has a multishot receive in its worker's ring: the kernel puts
 * input into the next free buffer of a ring of buffers, and says which. So an
 * idle connection owns no memory here, and input costs no call. A batch works
 * in the buffers themselves and gives them back after each group. Replies of a
 * round are sent by one call, which tries each socket once (MSG_DONTWAIT), so
 * that all outcomes are there when it returns and nothing is in flight later.
 *
 * A worker sleeps in the ring itself, which looks at its mail for it: the call
 * that begins to wait brings what has come. While libevent looks at sockets, it
 * sleeps there. The ring defers its work to the moment when the worker asks for
 * it, so its own descriptor never becomes readable: an eventfd wakes the
 * worker, and is off while the worker is awake. While a worker is busy it looks
 * at libevent only every BUSY_US.
 *
 * A connection is read by readiness (direct) around large arguments, which are
 * received straight into their extents, and while it sends so much that one
 * call for a lot of it costs less than many buffers. What the ring had received
 * before comes first.
 *
 * When there is no free buffer a receive ends; it is made anew when there are
 * some (starved). A receive that is not wanted any more is cancelled; until the
 * ring says that it has ended, the connection is not read anew, or not freed.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* 1 MiB for a worker: what 256 clients send at once, if it is a page each. */
#define BUFFERS 256
#define BUFFER_BYTES 4096
#define SQ_ENTRIES 256
#define CQ_ENTRIES 1024
#define MAX_SENDS 128
#define BUSY_US 500
/* libevent's clock is that much behind, and more. */
#define TICK_SLACK_US 10000
/* So much at a time is received by readiness, and so are as many receives after
 * it, or after a large argument. SETs of 1 KiB, 50 at a time, cost 1.4 times
 * as much by way of the buffers. */
#define DIRECT_BYTES (2 * BUFFER_BYTES)
#define DIRECT_RECEIVES 32

#define SETUP_FLAGS                                                            \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |                 \
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE)

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

/* ---- buffers ------------------------------------------------------------- */

static char *
buffer_at(struct ring *r, unsigned id)
{
    return r->memory + (size_t)id * BUFFER_BYTES;
}

static void
offer_buffer(struct ring *r, unsigned id, int offset)
{
    io_uring_buf_ring_add(r->free, buffer_at(r, id), BUFFER_BYTES,
        (unsigned short)id, io_uring_buf_ring_mask(BUFFERS), offset);
}

static void
use_up(struct ring *r, unsigned id)
{
    r->used[r->n_used++] = (uint16_t)id;
}

/* The kernel put `len` bytes for `c` into a buffer. */
static void
push(struct ring *r, struct conn *c, unsigned id, unsigned len)
{
    r->received[id] = (struct received){0, 0, (uint16_t)len};
    if (c->io.first == 0)
        c->io.first = (uint16_t)(id + 1);
    else
        r->received[c->io.last - 1].next = (uint16_t)(id + 1);
    c->io.last = (uint16_t)(id + 1);
}

/* The first input of `c`, which has some. */
static struct str
peek(struct ring *r, const struct conn *c)
{
    const struct received *first = &r->received[c->io.first - 1];

    return (struct str){buffer_at(r, c->io.first - 1u) + first->at,
        (size_t)(first->end - first->at)};
}

/* `n` bytes of it are taken. */
static void
take(struct ring *r, struct conn *c, size_t n)
{
    struct received *first = &r->received[c->io.first - 1];

    first->at = (uint16_t)(first->at + n);
    if (first->at < first->end)
        return;
    use_up(r, c->io.first - 1u);
    c->io.first = first->next;
}

static void
drop_input(struct ring *r, struct conn *c)
{
    while (c->io.first != 0)
        take(r, c, peek(r, c).len);
}

/* ---- requests to the ring ------------------------------------------------ */

static struct io_uring_sqe *
new_request(struct ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

    if (sqe != NULL)
        return sqe;
    io_uring_submit(&r->uring);
    sqe = io_uring_get_sqe(&r->uring);
    ASSERT(sqe != NULL); /* no kernel thread polls: submitting empties it */
    return sqe;
}

static void
arm(struct ring *r, struct conn *c)
{
    struct io_uring_sqe *sqe = new_request(r);

    io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, (uintptr_t)c | TAG_RECEIVE);
    c->io.armed = true;
}

static void
cancel(struct ring *r, struct conn *c)
{
    struct io_uring_sqe *sqe;

    if (!c->io.armed || c->io.cancelling)
        return;
    sqe = new_request(r);
    io_uring_prep_cancel64(sqe, (uintptr_t)c | TAG_RECEIVE, 0);
    io_uring_sqe_set_data64(sqe, TAG_CANCEL);
    c->io.cancelling = true;
}

/* ---- what comes from the ring -------------------------------------------- */

/* It has input: ready at the next look, or the next group. */
static void
note_arrival(struct ring *r, struct conn *c)
{
    if (c->ready == 0) {
        c->next_ready = NULL;
        *r->arrived_tail = c;
        r->arrived_tail = &c->next_ready;
    }
    c->ready |= EV_READ;
}

static void
note_starved(struct ring *r, struct conn *c)
{
    if (c->io.starved)
        return;
    c->io.starved = true;
    c->io.next_starved = NULL;
    *r->starved_tail = c;
    r->starved_tail = &c->io.next_starved;
}

/* A closed connection that nothing points at any more. */
static void
release_gone(struct ring *r, struct conn *c)
{
    if (c->io.armed || c->io.starved || c->ready != 0)
        return;
    r->n_gone--;
    pool_put(c->worker->conns, c);
}

/* Nothing is armed: begin what is wanted. */
static void
settle(struct ring *r, struct conn *c)
{
    if (c->io.ended || c->io.starved || c->dead)
        return;
    if (c->io.direct) {
        if (!io_epoll_watch(c, c->interest))
            conn_dead(c);
    } else if (c->interest & EV_READ) {
        arm(r, c);
    }
}

/* A receive has ended. */
static void
end_receive(struct ring *r, struct conn *c, int result)
{
    c->io.armed = c->io.cancelling = false;
    if (result == 0 ||
        (result < 0 && result != -ENOBUFS && result != -ECANCELED &&
            result != -EINTR && result != -EAGAIN)) {
        c->io.ended = true;
        c->io.error = -result;
        note_arrival(r, c);
    } else if (result == -ENOBUFS) {
        note_starved(r, c);
    } else {
        settle(r, c);
    }
}

static void
on_receive(struct ring *r, struct conn *c, const struct io_uring_cqe *cqe)
{
    bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;

    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        r->n_free--;
        if (cqe->res > 0 && !c->io.gone) {
            c->io.looked = false;
            push(r, c, id, (unsigned)cqe->res);
            note_arrival(r, c);
        } else {
            use_up(r, id);
        }
    }
    if (c->io.gone) {
        c->io.armed = more;
        release_gone(r, c);
    } else if (!more) {
        end_receive(r, c, cqe->res);
    }
}

static void
take_completions(struct ring *r)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    io_uring_for_each_cqe(&r->uring, head, cqe)
    {
        uint64_t data = cqe->user_data;

        n++;
        if ((data & TAG_MASK) == TAG_RECEIVE) {
            on_receive(r, (struct conn *)(uintptr_t)data, cqe);
        } else if ((data & TAG_MASK) == TAG_SEND) {
            r->sends[data >> TAG_BITS].result = cqe->res;
            r->n_sent++;
        } else if ((data & TAG_MASK) == TAG_WAKE) {
            r->mail_armed = false;
            r->look = true;
        }
    }
    io_uring_cq_advance(&r->uring, n);
}

/* Give the used buffers back, and let those read on that had found none. */
static void
give_back(struct ring *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_used; i++)
        offer_buffer(r, r->used[i], (int)i);
    io_uring_buf_ring_advance(r->free, (int)r->n_used);
    r->n_free += r->n_used;
    r->n_used = 0;
    while (unlikely(r->starved != NULL) && n++ < r->n_free) {
        struct conn *c = r->starved;

        r->starved = c->io.next_starved;
        if (r->starved == NULL)
            r->starved_tail = &r->starved;
        c->io.starved = false;
        if (c->io.gone)
            release_gone(r, c);
        else
            settle(r, c);
    }
}

/* What has arrived becomes ready. */
static void
hand_over(struct worker *w)
{
    struct ring *r = w->ring;
    struct conn *next;

    for (struct conn *c = r->arrived; c != NULL; c = next) {
        next = c->next_ready;
        if (c->io.gone) {
            c->ready = 0;
            release_gone(r, c);
            continue;
        }
        c->next_ready = NULL;
        *w->ready_tail = c;
        w->ready_tail = &c->next_ready;
    }
    r->arrived = NULL;
    r->arrived_tail = &r->arrived;
}

/* ---- waiting ------------------------------------------------------------- */

/* Something waits in the kernel for the worker to ask for it. */
static bool
has_work(struct ring *r)
{
    return io_uring_cq_ready(&r->uring) > 0 ||
        (IO_URING_READ_ONCE(*r->uring.sq.kflags) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static void
submit(struct ring *r)
{
    if (io_uring_sq_ready(&r->uring) > 0 || has_work(r))
        io_uring_submit_and_get_events(&r->uring);
    take_completions(r);
}

/* From now on the ring wakes the worker. False if it has something already. */
static bool
may_sleep(struct ring *r)
{
    if (r->arrived != NULL || r->starved != NULL)
        return false;
    io_uring_cq_eventfd_toggle(&r->uring, true);
    /* Pairs with the kernel, which adds work before it looks at the switch. */
    __sync_synchronize(); /* a fence that ThreadSanitizer bears */
    return !has_work(r);
}

/* Nothing but its mail and its timer of a second can come by way of libevent.
 */
static bool
may_sleep_in_ring(const struct worker *w)
{
    const struct ring *r = w->ring;

    return w->n_watched == 0 && w->n_held == 0 && r->arrived == NULL &&
        r->starved == NULL &&
        !atomic_load_explicit(&w->stop, memory_order_relaxed);
}

static void
watch_mail(struct worker *w)
{
    struct ring *r = w->ring;
    struct io_uring_sqe *sqe;

    if (r->mail_armed)
        return;
    sqe = new_request(r);
    io_uring_prep_poll_add(sqe, w->wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, TAG_WAKE);
    r->mail_armed = true;
}

/* Until the timer of the worker is due; NULL: it is off. */
static struct __kernel_timespec *
until_tick(const struct worker *w, struct __kernel_timespec *limit)
{
    uint64_t due = w->tick_us + TICK_SLACK_US, now = clock_mono_us(), left;

    if (!w->ticking)
        return NULL;
    left = due > now ? due - now : 0;
    limit->tv_sec = (long long)(left / 1000000);
    limit->tv_nsec = (long long)(left % 1000000) * 1000;
    return limit;
}

/* One call asks for what is to be asked, sleeps, and brings what has come. */
static void
sleep_in_ring(struct worker *w)
{
    struct ring *r = w->ring;
    struct __kernel_timespec limit;
    struct io_uring_cqe *cqe;

    watch_mail(w);
    if (io_uring_submit_and_wait_timeout(
            &r->uring, &cqe, 1, until_tick(w, &limit), NULL) == -ETIME)
        r->look = true;
}

static void
look_at_libevent(struct worker *w, bool wait)
{
    io_epoll_poll(w, wait);
    clock_refresh();
    w->ring->looked_us = clock_mono_us();
    w->ring->look = false;
}

static void
sleep_in_libevent(struct worker *w)
{
    struct ring *r = w->ring;

    submit(r);
    if (w->ready == NULL && may_sleep(r))
        look_at_libevent(w, true);
    io_uring_cq_eventfd_toggle(&r->uring, false);
}

static void
ring_poll(struct worker *w, bool wait)
{
    struct ring *r = w->ring;

    give_back(r);
    if (wait && w->ready == NULL) {
        if (may_sleep_in_ring(w))
            sleep_in_ring(w);
        else
            sleep_in_libevent(w);
    }
    submit(r);
    if (r->look || clock_mono_us() - r->looked_us >= BUSY_US)
        look_at_libevent(w, false);
    hand_over(w);
}

static void
on_ring_wake(evutil_socket_t fd, short what, void *arg)
{
    /* Edge-triggered: the count needs no reading, the poll goes on. */
    (void)fd;
    (void)what;
    (void)arg;
}

/* ---- input --------------------------------------------------------------- */

static bool
ring_watch(struct conn *c, short want)
{
    struct ring *r = c->worker->ring;
    bool by_ring = !c->io.direct || c->io.armed;

    if (want & EV_READ && (c->io.first != 0 || c->io.ended))
        note_arrival(r, c);
    if (!io_epoll_watch(c, by_ring ? (short)(want & ~EV_READ) : want))
        return false;
    if (c->io.direct)
        return true;
    if (!(want & EV_READ))
        cancel(r, c);
    else if (!c->io.armed && !c->io.starved && !c->io.ended)
        arm(r, c);
    return true;
}

/* The receive that follows the buffers: from the socket, if it is read by
 * readiness, or what ended them. */
static bool
reads_socket(struct conn *c)
{
    return c->io.direct && !c->io.armed && !c->io.ended;
}

static ssize_t
end_of_buffers(struct conn *c)
{
    if (c->io.ended && c->io.error == 0)
        return 0;
    errno = c->io.ended ? c->io.error : EAGAIN;
    return -1;
}

static void
leave_direct(struct conn *c)
{
    c->io.direct = false;
    io_epoll_watch(c, c->interest & ~EV_READ);
    settle(c->worker->ring, c);
}

static ssize_t
receive_direct(struct conn *c, char *to, size_t room)
{
    ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);

    if (n <= 0 || c->io.direct_left == 0)
        return n;
    if ((size_t)n >= DIRECT_BYTES)
        c->io.direct_left = DIRECT_RECEIVES;
    else if (--c->io.direct_left == 0)
        leave_direct(c);
    return n;
}

/* There is more than was taken. */
static void
note_rest(struct conn *c)
{
    if (c->io.first != 0 || c->io.ended)
        note_arrival(c->worker->ring, c);
}

static void
enter_direct(struct conn *c)
{
    if (c->io.direct) {
        if (c->io.direct_left > 0)
            c->io.direct_left = DIRECT_RECEIVES;
        return;
    }
    c->io.direct = true;
    c->io.direct_left = DIRECT_RECEIVES;
    if (c->io.armed)
        cancel(c->worker->ring, c);
    else
        settle(c->worker->ring, c);
}

static ssize_t
ring_receive(struct conn *c, char **base, size_t kept, size_t room)
{
    struct ring *r = c->worker->ring;
    struct str piece;
    size_t n;

    if (c->io.first == 0)
        return reads_socket(c) ? receive_direct(c, *base + kept, room)
                               : end_of_buffers(c);
    piece = peek(r, c);
    if (kept == 0)
        *base = (char *)piece.p;
    for (n = 0; c->io.first != 0; n += piece.len) {
        piece = peek(r, c);
        if (n > 0 && n + piece.len > room)
            break; /* the first one always fits what batch.c has */
        if (kept > 0)
            memcpy(*base + kept + n, piece.p, piece.len);
        else if (piece.p != *base + n)
            break; /* the next buffer stands elsewhere */
        take(r, c, piece.len);
    }
    note_rest(c);
    if (n >= DIRECT_BYTES)
        enter_direct(c);
    return (ssize_t)n;
}

/* Move input to `to`; returns how much. */
static size_t
copy_input(struct ring *r, struct conn *c, const struct iovec *to)
{
    size_t n = 0;

    while (c->io.first != 0 && n < to->iov_len) {
        struct str piece = peek(r, c);

        piece.len = MIN(piece.len, to->iov_len - n);
        memcpy((char *)to->iov_base + n, piece.p, piece.len);
        take(r, c, piece.len);
        n += piece.len;
    }
    return n;
}

static ssize_t
ring_receive_into(struct conn *c, const struct iovec *to, int n)
{
    struct ring *r = c->worker->ring;
    size_t done = 0;

    if (c->io.first == 0) {
        if (reads_socket(c))
            return readv(c->fd, to, n);
        if (!c->io.ended)
            enter_direct(c);
        return end_of_buffers(c);
    }
    for (int i = 0; i < n; i++)
        done += copy_input(r, c, &to[i]);
    note_rest(c);
    return (ssize_t)done;
}

/* The next bytes of a large argument. */
static void
park_large(struct ring *r, struct conn *c)
{
    struct conn_input *in = c->input;
    char scratch[BUFFER_BYTES];
    struct iovec to;

    large_room(c->worker, in, scratch, sizeof(scratch), &to);
    in->large.got += copy_input(r, c, &to);
    if (in->large.got == in->large.len)
        large_end(c->worker, in);
}

static void
ring_park(struct conn *c)
{
    struct ring *r = c->worker->ring;

    if (c->io.first == 0)
        return;
    if (c->closing || conn_input_open(c) == NULL) {
        drop_input(r, c);
        if (!c->closing)
            conn_dead(c);
        return;
    }
    while (c->io.first != 0) {
        if (c->input->large.len > 0) {
            park_large(r, c);
        } else {
            struct str piece = peek(r, c);

            buf_append(&c->input->bytes, piece.p, piece.len);
            c->input->unparsed = true;
            take(r, c, piece.len);
        }
    }
    conn_account(c);
}

/* What has arrived meanwhile waits for the next poll, so that a batch ends and
 * libevent has its turn. */
static void
ring_recycle(struct worker *w)
{
    give_back(w->ring);
}

/* ---- output -------------------------------------------------------------- */

static enum send_status
ring_start_send(struct conn *c, struct outgoing *o)
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
        struct io_uring_sqe *sqe = new_request(r);

        io_uring_prep_send(sqe, s->conn->fd, s->o->bytes + s->o->at,
            s->o->end - s->o->at, MSG_NOSIGNAL | MSG_DONTWAIT);
        io_uring_sqe_set_data64(sqe, (uint64_t)i << TAG_BITS | TAG_SEND);
    }
    submit(r);
    while (unlikely(r->n_sent < r->n_sends)) {
        io_uring_submit_and_wait(&r->uring, 1);
        take_completions(r);
    }
}

static void
ring_flush(struct worker *w)
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

/* ---- ends that nobody told ----------------------------------------------- */

/* Sockets to look at in one step. */
#define LOOKS 256

/* Has the stream ended, or is there input? */
static void
look(struct ring *r, struct conn *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    c->io.looked = true;
    if (n > 0) {
        cancel(r, c); /* the receive after that finds it */
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        c->io.ended = true;
        c->io.error = n == 0 ? 0 : errno;
        note_arrival(r, c);
    }
}

/* A multishot receive may miss a reset that comes while it hands out input
 * (seen with Linux 6.18, once in some thousand): the socket is closed, and the
 * ring says nothing. So each is looked at once when it has fallen silent. */
static bool
ring_tick(struct worker *w)
{
    unsigned n = 0;

    for (struct conn *c = w->clients; c != NULL; c = c->next) {
        if (c->io.looked || !c->io.armed || c->dead || w->now_s <= c->active_s)
            continue;
        if (n++ == LOOKS)
            return true;
        look(w->ring, c);
    }
    return false;
}

/* ---- birth and death ----------------------------------------------------- */

static bool
ring_forget(struct conn *c)
{
    struct ring *r = c->worker->ring;

    io_epoll_watch(c, 0);
    drop_input(r, c);
    if (!c->io.armed && !c->io.starved && c->ready == 0)
        return true;
    cancel(r, c);
    c->io.gone = true;
    r->n_gone++;
    return false;
}

/* A ring with its buffers; -errno of the step that failed. */
static int
open_ring(struct ring *r)
{
    struct io_uring_params params = {
        .flags = SETUP_FLAGS, .cq_entries = CQ_ENTRIES};
    size_t table = BUFFERS * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
    int failed = io_uring_queue_init_params(SQ_ENTRIES, &r->uring, &params);

    if (failed < 0)
        return failed;
    r->memory =
        mmap(NULL, table + BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (r->memory == MAP_FAILED) {
        failed = -errno;
        io_uring_queue_exit(&r->uring);
        return failed;
    }
    r->free = (struct io_uring_buf_ring *)(r->memory + BUFFERS * BUFFER_BYTES);
    reg.ring_addr = (uintptr_t)r->free;
    io_uring_buf_ring_init(r->free);
    failed = io_uring_register_buf_ring(&r->uring, &reg, 0);
    if (failed < 0) {
        munmap(r->memory, table + BUFFERS * BUFFER_BYTES);
        io_uring_queue_exit(&r->uring);
        return failed;
    }
    for (unsigned i = 0; i < BUFFERS; i++)
        offer_buffer(r, i, (int)i);
    io_uring_buf_ring_advance(r->free, BUFFERS);
    r->n_free = BUFFERS;
    return 0;
}

static void
close_ring(struct ring *r)
{
    io_uring_queue_exit(&r->uring);
    munmap(r->memory,
        BUFFERS * (sizeof(struct io_uring_buf) + (size_t)BUFFER_BYTES));
}

static bool
open_wake(struct worker *w, struct ring *r)
{
    r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->wake_fd < 0 || io_uring_register_eventfd(&r->uring, r->wake_fd) < 0)
        return false;
    r->wake_event = event_new(
        w->base, r->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_ring_wake, NULL);
    return r->wake_event != NULL && event_add(r->wake_event, NULL) == 0;
}

static void
free_ring(struct ring *r)
{
    if (r->wake_event != NULL)
        event_free(r->wake_event);
    close_ring(r);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    free(r);
}

static bool
ring_open(struct worker *w, struct buf *err)
{
    struct ring *r = xcalloc(1, sizeof(*r));
    int failed = open_ring(r);

    if (failed < 0) {
        buf_printf(err, "cannot set up the io_uring of worker %u: %s", w->id,
            strerror(-failed));
        free(r);
        return false;
    }
    r->arrived_tail = &r->arrived;
    r->starved_tail = &r->starved;
    if (!open_wake(w, r)) {
        buf_printf(err, "cannot set up the wake-up of worker %u", w->id);
        free_ring(r);
        return false;
    }
    io_uring_cq_eventfd_toggle(&r->uring, false);
    /* Saves the look-up of the descriptor in each call; not needed. */
    (void)io_uring_register_ring_fd(&r->uring);
    w->ring = r;
    return true;
}

/* All connections are closed: wait until the ring has let go of their sockets,
 * so that none of them outlives the process. */
static void
ring_close(struct worker *w)
{
    struct ring *r = w->ring;

    give_back(r);
    submit(r);
    hand_over(w);
    while (r->n_gone > 0) {
        io_uring_submit_and_wait(&r->uring, 1);
        take_completions(r);
        give_back(r);
        hand_over(w);
    }
    free_ring(r);
    w->ring = NULL;
}

const struct io_engine io_uring_engine = {
    .name = "uring",
    .api = "io_uring",
    .open = ring_open,
    .close = ring_close,
    .poll = ring_poll,
    .watch = ring_watch,
    .receive = ring_receive,
    .receive_into = ring_receive_into,
    .expect_large = enter_direct,
    .park = ring_park,
    .tick = ring_tick,
    .recycle = ring_recycle,
    .start_send = ring_start_send,
    .flush = ring_flush,
    .forget = ring_forget,
};

/* ---- probe --------------------------------------------------------------- */

/* Wait a second for a completion; its result, or a negative errno. */
static int
await_one(struct ring *r, uint64_t data, unsigned *flags)
{
    struct __kernel_timespec limit = {.tv_sec = 1};
    struct io_uring_cqe *cqe;
    int failed, result;

    do {
        failed =
            io_uring_submit_and_wait_timeout(&r->uring, &cqe, 1, &limit, NULL);
        if (failed < 0)
            return failed;
        result = cqe->res;
        *flags = cqe->flags;
        failed = cqe->user_data != data;
        io_uring_cqe_seen(&r->uring, cqe);
    } while (failed);
    return result;
}

/* Send over a socket pair by the ring, and receive it in a buffer. */
static int
try_transfer(struct ring *r, int pair[2])
{
    static const char text[] = "probe";
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
    unsigned flags;
    int n;

    io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, TAG_RECEIVE);
    sqe = io_uring_get_sqe(&r->uring);
    io_uring_prep_send(
        sqe, pair[1], text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    io_uring_sqe_set_data64(sqe, TAG_SEND);
    n = await_one(r, TAG_RECEIVE, &flags);
    if (n < 0)
        return n;
    if (n != sizeof(text) || !(flags & IORING_CQE_F_BUFFER) ||
        !(flags & IORING_CQE_F_MORE) ||
        memcmp(buffer_at(r, flags >> IORING_CQE_BUFFER_SHIFT), text,
            sizeof(text)) != 0)
        return -EOPNOTSUPP;
    return 0;
}

bool
io_uring_probe(struct buf *why)
{
    struct ring *r = xcalloc(1, sizeof(*r));
    int pair[2], failed = open_ring(r);

    if (failed < 0) {
        buf_printf(why, "setting up a ring: %s", strerror(-failed));
        free(r);
        return false;
    }
    failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0
        ? -errno
        : 0;
    if (failed == 0) {
        failed = try_transfer(r, pair);
        close(pair[0]);
        close(pair[1]);
    }
    if (failed < 0)
        buf_printf(why, "multishot receive: %s", strerror(-failed));
    close_ring(r);
    free(r);
    return failed == 0;
}
