/* SPDX-License-Identifier: BSD-3-Clause */
/* density.h - what ticks, marks and ranks share, on the way of every access and
 * of every eviction: coarse time, how an item is classed, what its class is
 * worth. For tick.c, rank.c, mark.c and evict.c. Any thread.
 */
#pragma once

#include "keyspace/internal.h"

#define TICKS_PER_ITEM_COUNT 256
#define OFTEN 3 /* hits */

static inline uint32_t
now_tick(const struct ks *ks)
{
    return atomic_load_explicit(&ks->tick, memory_order_relaxed);
}

/* How many items there were when ranks were made last, about. */
static inline size_t
tick_items(const struct ks *ks)
{
    return (size_t)atomic_load_explicit(&ks->tick_len, memory_order_relaxed) *
        TICKS_PER_ITEM_COUNT;
}

static inline unsigned
age_bucket(uint32_t age)
{
    unsigned log;

    if (age < 8)
        return age;
    log = 31 - (unsigned)__builtin_clz(age);
    return 8 + (log - 3) * 4 + ((age >> (log - 2)) & 3);
}

static inline unsigned
octave(size_t bytes)
{
    int log = 63 - __builtin_clzll(bytes | 1) - 5;

    return log < 0 ? 0 : (unsigned)MIN(log, OCTAVES - 1);
}

static inline unsigned
rank_class(size_t bytes, uint8_t state)
{
    return octave(bytes) * 8 + (state & MARK_REUSE);
}

static inline uint32_t
density_bits(const struct ks *ks, unsigned cls, unsigned bucket)
{
    return atomic_load_explicit(
        &ks->ranks.density[cls][bucket], memory_order_relaxed);
}

static inline float
density(const struct ks *ks, unsigned cls, unsigned bucket)
{
    uint32_t u = density_bits(ks, cls, bucket);
    float f;

    memcpy(&f, &u, 4);
    return f;
}

static inline void
count_event(_Atomic uint32_t *counter)
{
    atomic_store_explicit(counter,
        atomic_load_explicit(counter, memory_order_relaxed) + 1,
        memory_order_relaxed);
}
