/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring.c - the engine in which an io_uring receives and sends.
 *
 * Each connection has a multishot receive in its worker's ring: the kernel puts
 * input into the next free buffer of a ring of buffers, and says which. So an
 * idle connection owns no memory here, and input costs no call. Replies of a
 * round are sent by one call.
 *
 * A worker sleeps in the ring itself, which looks at its mail for it: the call
 * that begins to wait brings what has come. While libevent looks at sockets, it
 * sleeps there. The ring defers its work to the moment when the worker asks for
 * it, so its own descriptor never becomes readable: an eventfd wakes the
 * worker, and is off while the worker is awake. While a worker is busy it looks
 * at libevent only every BUSY_US.
 */
#include "daemon/io_uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BUSY_US 500
/* libevent's clock may be some milliseconds behind: a worker that wakes up for
 * its timer finds it due. */
#define TICK_SLACK_US 10000

/* ---- requests and completions -------------------------------------------- */

/* The kernel takes none of the requests: it has no memory for them now. */
static void
wait_for_kernel(int failed)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    static _Atomic uint64_t logged;

    if (log_ratelimit(&logged))
        log_warn("io_uring takes no requests err=\"%s\"", strerror(-failed));
    nanosleep(&moment, NULL);
}

struct io_uring_sqe *
uring_request(struct ring *r)
{
    struct io_uring_sqe *sqe;

    while ((sqe = io_uring_get_sqe(&r->uring)) == NULL) {
        int submitted = io_uring_submit(&r->uring);

        if (submitted < 0)
            wait_for_kernel(submitted);
    }
    return sqe;
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
            uring_received(r, (struct conn *)(uintptr_t)data, cqe);
        } else if ((data & TAG_MASK) == TAG_SEND) {
            uring_sent(r, cqe);
        } else if ((data & TAG_MASK) == TAG_WAKE) {
            r->mail_armed = false;
            r->look = true;
        }
    }
    io_uring_cq_advance(&r->uring, n);
}

/* Something waits in the kernel for the worker to ask for it. */
static bool
has_work(struct ring *r)
{
    return io_uring_cq_ready(&r->uring) > 0 ||
        (IO_URING_READ_ONCE(*r->uring.sq.kflags) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void
uring_submit(struct ring *r)
{
    if (io_uring_sq_ready(&r->uring) > 0 || has_work(r))
        io_uring_submit_and_get_events(&r->uring);
    take_completions(r);
}

void
uring_wait(struct ring *r)
{
    io_uring_submit_and_wait(&r->uring, 1);
    take_completions(r);
}

/* ---- waiting ------------------------------------------------------------- */

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
    sqe = uring_request(r);
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

    uring_submit(r);
    if (w->ready == NULL && may_sleep(r))
        look_at_libevent(w, true);
    io_uring_cq_eventfd_toggle(&r->uring, false);
}

static void
ring_poll(struct worker *w, bool wait)
{
    struct ring *r = w->ring;

    uring_give_back(r);
    if (wait && w->ready == NULL) {
        if (may_sleep_in_ring(w))
            sleep_in_ring(w);
        else
            sleep_in_libevent(w);
    }
    uring_submit(r);
    if (r->look || clock_mono_us() - r->looked_us >= BUSY_US)
        look_at_libevent(w, false);
    uring_hand_over(w);
}

/* ---- birth and end ------------------------------------------------------- */

static void
on_ring_wake(evutil_socket_t fd, short what, void *arg)
{
    /* Edge-triggered: the count needs no reading, the poll goes on. */
    (void)fd;
    (void)what;
    (void)arg;
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
    uring_tear_down(r);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    free(r);
}

static bool
ring_open(struct worker *w, struct buf *err)
{
    struct ring *r = xcalloc(1, sizeof(*r));
    int failed = uring_set_up(r);

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

    uring_give_back(r);
    uring_submit(r);
    uring_hand_over(w);
    while (r->n_gone > 0) {
        uring_wait(r);
        uring_give_back(r);
        uring_hand_over(w);
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
    .watch = uring_watch,
    .retain = uring_retain,
    .receive = uring_receive,
    .expect_large = uring_expect_large,
    .park = uring_park,
    .tick = uring_tick,
    .recycle = uring_recycle,
    .start_send = uring_start_send,
    .flush = uring_flush,
    .forget = uring_forget,
};
