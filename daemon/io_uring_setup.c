/* SPDX-License-Identifier: BSD-3-Clause */
/* io_uring_setup.c - a ring with its buffers, and whether this system has all
 * that the engine needs: what it uses is tried once before it is chosen.
 *
 * The probe: any thread.
 */
#include "daemon/io_uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SQ_ENTRIES 256
#define CQ_ENTRIES 1024
#define SETUP_FLAGS                                                            \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |                 \
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE)

int
uring_set_up(struct ring *r)
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
        uring_offer(r, i, (int)i);
    io_uring_buf_ring_advance(r->free, BUFFERS);
    r->n_free = BUFFERS;
    return 0;
}

void
uring_tear_down(struct ring *r)
{
    io_uring_queue_exit(&r->uring);
    munmap(r->memory,
        BUFFERS * (sizeof(struct io_uring_buf) + (size_t)BUFFER_BYTES));
}

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
        memcmp(uring_buffer(r, flags >> IORING_CQE_BUFFER_SHIFT), text,
            sizeof(text)) != 0)
        return -EOPNOTSUPP;
    return 0;
}

bool
io_uring_probe(struct buf *why)
{
    struct ring *r = xcalloc(1, sizeof(*r));
    int pair[2], failed = uring_set_up(r);

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
    uring_tear_down(r);
    free(r);
    return failed == 0;
}
