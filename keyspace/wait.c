/* SPDX-License-Identifier: BSD-3-Clause */
/* wait.c - waiting for the lock of a partition that another thread holds.
 *
 * Nearly always that is for less than a microsecond: look again at once, then
 * let others run. Who holds one for longer runs a script or has lost its
 * processor, and gets it back sooner if those who wait sleep. Meanwhile the
 * host of the waiting thread may do something else (ks_while_waiting).
 *
 * Any thread.
 */
#include "keyspace/internal.h"

#include <sched.h>
#include <time.h>

#define SPINS 100
#define YIELDS 200
#define SLEEP_US 50
/* Sleeps between two calls of the host: some milliseconds. */
#define SLEEPS_PER_CALL 40

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
    static const struct timespec moment = {.tv_nsec = SLEEP_US * 1000};

    for (unsigned n = 1; !partition_trylock(p); n++) {
        if (n < SPINS) {
            cpu_relax();
        } else if (n < SPINS + YIELDS) {
            sched_yield();
        } else {
            nanosleep(&moment, NULL);
            if (n % SLEEPS_PER_CALL == 0 && host.call != NULL)
                host.call(host.ctx);
        }
    }
}
