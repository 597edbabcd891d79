/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring_receive.c - input of the engine uring.
 *
 * The kernel puts input into buffers and says which; a connection has a list of
 * those that are not taken yet (io.first, io.last), and after them what ended
 * the stream (io.ended). A batch works in the buffers themselves; they are
 * given back after each group.
 *
 * A connection is read by readiness (direct) while it sends large arguments, or
 * so much else that one call for a lot of it costs less than many buffers. What
 * the ring had received before comes first.
 *
 * When there is no free buffer a receive ends; it is made anew when there are
 * some (starved). A receive that is not wanted any more is cancelled; until the
 * ring says that it has ended, the connection is not read anew, or not freed.
 */
#include "daemon/io_uring.h"

#include <errno.h>
#include <sys/socket.h>

/* So much at a time is received by readiness, and so are as many receives after
 * it, or after a large argument. SETs of 1 KiB, 50 at a time, cost 1.4 times
 * as much by way of the buffers. */
#define DIRECT_BYTES (2 * BUFFER_BYTES)
#define DIRECT_RECEIVES 32
/* Sockets to look at in one step. */
#define LOOKS 256

/* ---- buffers ------------------------------------------------------------- */

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

    return (struct str){uring_buffer(r, c->io.first - 1u) + first->at,
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

/* ---- receives ------------------------------------------------------------ */

static void
arm(struct ring *r, struct conn *c)
{
    struct io_uring_sqe *sqe = uring_request(r);

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
    sqe = uring_request(r);
    io_uring_prep_cancel64(sqe, (uintptr_t)c | TAG_RECEIVE, 0);
    io_uring_sqe_set_data64(sqe, TAG_CANCEL);
    c->io.cancelling = true;
}

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

void
uring_received(struct ring *r, struct conn *c, const struct io_uring_cqe *cqe)
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

void
uring_retain(struct worker *w, bool on)
{
    w->ring->n_retained = on ? w->ring->n_used : 0;
}

void
uring_give_back(struct ring *r)
{
    unsigned back = r->n_used - r->n_retained, n = 0;

    for (unsigned i = 0; i < back; i++)
        uring_offer(r, r->used[r->n_retained + i], (int)i);
    io_uring_buf_ring_advance(r->free, (int)back);
    r->n_free += back;
    r->n_used = r->n_retained;
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

void
uring_hand_over(struct worker *w)
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

/* ---- input --------------------------------------------------------------- */

bool
uring_watch(struct conn *c, short want)
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

void
uring_expect_large(struct conn *c)
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

ssize_t
uring_receive(struct conn *c, char **base, size_t kept, size_t room)
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
            break; /* the first one always fits what batch_receive.c has */
        if (kept > 0)
            memcpy(*base + kept + n, piece.p, piece.len);
        else if (piece.p != *base + n)
            break; /* the next buffer stands elsewhere */
        take(r, c, piece.len);
    }
    note_rest(c);
    if (n >= DIRECT_BYTES)
        uring_expect_large(c);
    return (ssize_t)n;
}

/* The next bytes of a large argument. */
static void
park_large(struct ring *r, struct conn *c)
{
    struct conn_input *in = c->input;
    struct str piece = peek(r, c);

    take(r, c, large_take(c->worker, in, piece.p, piece.len));
    if (in->large.got == in->large.len)
        large_end(c);
    else
        large_await(c);
}

void
uring_park(struct conn *c)
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
void
uring_recycle(struct worker *w)
{
    uring_give_back(w->ring);
}

/* ---- ends that nobody told ----------------------------------------------- */

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
bool
uring_tick(struct worker *w)
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

/* ---- death --------------------------------------------------------------- */

bool
uring_forget(struct conn *c)
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
