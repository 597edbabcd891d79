/* SPDX-License-Identifier: BSD-3-Clause */
/* lock.c - waiting for another thread that holds something for less than a
 * microsecond, as a rule.
 *
 * One that keeps others waiting for longer has lost its processor. Nobody gains
 * by spinning then: a processor is kept busy that could run the holder, for as
 * long as the system gives it to others, some milliseconds. Who sleeps lets the
 * system bring the holder here. Any thread.
 */
#include "base/base.h"

#include <sched.h>
#include <time.h>

#define PAUSES 100
#define YIELDS 10 /* the holder may be next in turn on this processor */
#define SLEEP_US 50 /* and twice as long after every fourth */
#define MAX_SLEEP_US 500

static void
sleep_turn(unsigned n)
{
    unsigned us = MIN((unsigned)SLEEP_US << MIN(n / 4, 8), MAX_SLEEP_US);
    struct timespec t = {.tv_nsec = (long)us * 1000};

    nanosleep(&t, NULL);
}

bool
wait_turn(unsigned n)
{
    if (n >= PAUSES + YIELDS) {
        sleep_turn(n - PAUSES - YIELDS);
        return true;
    }
    if (n < PAUSES)
        cpu_relax();
    else
        sched_yield();
    return false;
}

/* Looks by loads only, while it is held: the line stays shared. */
void
word_lock_wait(_Atomic uint32_t *l)
{
    uint64_t begun = step_begin();
    unsigned n = 0;

    do
        while (atomic_load_explicit(l, memory_order_relaxed) != 0)
            (void)wait_turn(++n);
    while (!word_trylock(l));
    step_end(STEP_WAIT, begun);
}
