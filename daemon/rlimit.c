/* SPDX-License-Identifier: BSD-3-Clause */
/* rlimit.c - file descriptors for as many clients as were asked for. The limit
 * is the process's: main thread at the start and at a reload, and any worker
 * under the config lock.
 */
#include "daemon/internal.h"

#include <sys/resource.h>

/* Standard streams, listeners, log, memory files, the descriptor in reserve. */
#define OTHER_FDS 32
/* An epoll, an eventfd; a ring and its eventfd. */
#define WORKER_FDS 4

int64_t
rlimit_raise(const struct config *c, int64_t clients)
{
    rlim_t others = OTHER_FDS + (rlim_t)config_workers(c) * WORKER_FDS +
        config_metrics_fds(c);
    rlim_t wanted = (rlim_t)clients + others;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    if (r.rlim_cur >= wanted)
        return clients;
    /* Raising the hard limit needs a privilege; without it, go up to it. */
    struct rlimit raised = {wanted, MAX(wanted, r.rlim_max)};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return clients;
    raised = (struct rlimit){MIN(wanted, r.rlim_max), r.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        r = raised;
    if (r.rlim_cur >= wanted)
        return clients;
    return r.rlim_cur > others ? (int64_t)(r.rlim_cur - others) : 0;
}
