/* SPDX-License-Identifier: BSD-3-Clause */
/* lock.c - the spinlock of slab/.
 *
 * Held for tens of nanoseconds, never over a system call. Debug builds check the
 * order of ranks.
 */
#include "slab/internal.h"

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
    word_lock(&l->held);
}

void
spin_unlock(struct spinlock *l)
{
    note_unlocked(l);
    word_unlock(&l->held);
}
