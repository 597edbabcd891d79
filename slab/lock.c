/* SPDX-License-Identifier: BSD-3-Clause */
/* lock.c - the spinlock of slab/.
 *
 * Held for tens of nanoseconds, never over a system call. A thread that finds
 * it taken spins a little and then gives its processor away, because the holder
 * may have been descheduled. Debug builds check the order of ranks.
 */
#include "slab/internal.h"

#include <sched.h>

/* A holder that runs is done long before this many pauses. */
#define SPINS_BEFORE_YIELD 200

#ifdef ASHLAR_DEBUG
/* Ranks held by the thread, as a set: bit = rank. */
static _Thread_local uint32_t ranks_held;
#endif

static void
note_locked(const struct spinlock *l)
{
#ifdef ASHLAR_DEBUG
    ASSERT(ranks_held >> l->rank == 0); /* nothing of this rank or above */
    ranks_held |= 1u << l->rank;
#else
    (void)l;
#endif
}

static void
note_unlocked(const struct spinlock *l)
{
#ifdef ASHLAR_DEBUG
    ASSERT(ranks_held & 1u << l->rank);
    ranks_held &= ~(1u << l->rank);
#else
    (void)l;
#endif
}

/* Wait until the lock looks free, by loads only: the line stays shared. */
static void
wait_until_free(struct spinlock *l)
{
    unsigned spins = 0;

    while (LOAD(&l->held) != 0) {
        cpu_relax();
        if (++spins % SPINS_BEFORE_YIELD == 0)
            sched_yield();
    }
}

void
spin_init(struct spinlock *l, enum lock_rank rank)
{
    atomic_init(&l->held, 0);
    l->rank = (uint32_t)rank;
}

void
spin_lock(struct spinlock *l)
{
    note_locked(l);
    /* acquire: pairs with the release of the former holder */
    while (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0)
        wait_until_free(l);
}

void
spin_unlock(struct spinlock *l)
{
    note_unlocked(l);
    atomic_store_explicit(&l->held, 0, memory_order_release);
}
