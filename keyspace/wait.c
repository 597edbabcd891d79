/* SPDX-License-Identifier: BSD-3-Clause */
/* wait.c - waiting for the lock of a partition that another thread holds.
 *
 * Nearly always that is for less than a microsecond. Who holds one for longer
 * runs a script or has lost its processor (base/lock.c). Meanwhile the host of
 * the waiting thread may do something else (ks_while_waiting).
 *
 * Any thread.
 */
#include "keyspace/internal.h"

/* Sleeps between two calls of the host: some milliseconds. */
#define SLEEPS_PER_CALL 8

/* Of this thread; a thread-local cache of what its owner has set. */
static _Thread_local struct {
    void (*call)(void *ctx);
    void *ctx;
} host;

void
ks_while_waiting(void (*call)(void *ctx), void *ctx)
{
    host.call = call;
    host.ctx = ctx;
}

void
partition_wait(struct partition *p)
{
    uint64_t begun = step_begin();

    for (unsigned n = 1, sleeps = 0; !partition_trylock(p); n++)
        if (wait_turn(n) && ++sleeps % SLEEPS_PER_CALL == 0 &&
            host.call != NULL)
            host.call(host.ctx);
    step_end(STEP_WAIT, begun);
}
