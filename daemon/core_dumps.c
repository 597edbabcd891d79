/* SPDX-License-Identifier: BSD-3-Clause */
/* core_dumps.c - keeps what clients store, and passwords, out of core files.
 * Main thread, at the start.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

bool
core_dumps_allow(bool allowed, struct buf *err)
{
    struct rlimit limit;

    if (allowed && prctl(PR_SET_DUMPABLE, 1) == 0)
        return true; /* a change of the user had forbidden them */
    if (!allowed && getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        /* It also keeps other processes of the user from reading the memory;
         * sanitizers must. The limit alone does not stop a core_pattern that
         * is a pipe. */
        if (setrlimit(RLIMIT_CORE, &limit) == 0 &&
            prctl(PR_SET_DUMPABLE, SANITIZED) == 0)
            return true;
    }
    buf_printf(err, "cannot turn core dumps %s: %s", allowed ? "on" : "off",
        strerror(errno));
    return false;
}
