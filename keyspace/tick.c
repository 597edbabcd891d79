/* SPDX-License-Identifier: BSD-3-Clause */
/* tick.c - coarse time, in which the ages of items are measured.
 *
 * It counts accesses: 256 ticks pass while as many accesses are made as there
 * are items. So the 16 bits of a stamp last for 256 accesses per item; the
 * sweep (expire.c) keeps older ones from wrapping. Popular items are the oldest
 * of all: with 2048 ticks they were taken for younger ones, which cost up to
 * 16 % more misses (bench/hit_ratio); between 32 and 512 ticks it is all the
 * same.
 *
 * While there are no accesses a tick passes each second. A ring notes when
 * each 8th tick began, so that idle times are known in seconds too. Any thread;
 * tick_idle() belongs to the one that maintains.
 */
#include "keyspace/density.h"

#define RANK_PERIOD 16384   /* accesses; 65536 costs hits when traffic shifts */
#define IDLE_MAX_TICKS 4096 /* after a jump of the clock */

/* Ticks and the wall seconds at which the first and the last of them began. */
struct stretch {
    uint32_t begin, end;
    uint32_t begin_s, end_s;
};

/* Let `n` ticks pass and note when each 8th began. */
static void
tick_advance(struct ks *ks, uint32_t n)
{
    uint32_t was =
        atomic_fetch_add_explicit(&ks->tick, n, memory_order_relaxed);
    uint32_t wall_s = (uint32_t)(clock_wall_ms() / 1000);
    uint32_t first = was / TICKS_NOTED + 1, last = (was + n) / TICKS_NOTED;

    if (last - first >= TICK_RING && last >= first)
        first = last - TICK_RING + 1;
    for (uint32_t i = first; i <= last; i++)
        atomic_store_explicit(
            &ks->tick_wall_s[i % TICK_RING], wall_s, memory_order_relaxed);
}

void
tick_flush(struct ks_thread *t)
{
    struct ks *ks = t->ks;
    uint32_t n = t->accesses;
    uint32_t len = LOAD(&ks->tick_len);
    uint64_t part =
        atomic_fetch_add_explicit(&ks->tick_part, n, memory_order_relaxed) + n;

    t->accesses = 0;
    t->access_batch = MIN(len, 64);
    if (part >= len &&
        atomic_compare_exchange_strong_explicit(&ks->tick_part, &part,
            part % len, memory_order_relaxed, memory_order_relaxed))
        tick_advance(ks, (uint32_t)(part / len));
    if (atomic_fetch_add_explicit(&ks->until_rank, n, memory_order_relaxed) +
            n <
        RANK_PERIOD)
        return;
    if (!word_trylock(&ks->rank_lock))
        return;
    atomic_store_explicit(&ks->until_rank, 0, memory_order_relaxed);
    rank_update(ks);
    word_unlock(&ks->rank_lock);
}

void
tick_idle(struct ks *ks)
{
    uint32_t tick = now_tick(ks), now_s = (uint32_t)(clock_wall_ms() / 1000);
    uint32_t n;

    if (tick != ks->seen_tick || now_s <= ks->seen_s) {
        if (tick != ks->seen_tick || now_s < ks->seen_s)
            ks->seen_s = now_s;
        if (tick != ks->seen_tick)
            ks->idle = false;
        ks->seen_tick = tick;
        return;
    }
    if (!ks->idle)
        atomic_store_explicit(&ks->idle_began,
            (uint64_t)tick << 32 | ks->seen_s, memory_order_relaxed);
    n = MIN(now_s - ks->seen_s, IDLE_MAX_TICKS);
    tick_advance(ks, n);
    ks->seen_tick = tick + n;
    ks->seen_s = now_s;
    ks->idle = true;
}

/* Narrow a stretch of ticks in which accesses came evenly: when idleness began
 * is known, and `then` was before or after it. */
static void
split_at_idle(const struct ks *ks, uint32_t then, struct stretch *s)
{
    uint64_t idle = LOAD(&ks->idle_began);
    uint32_t tick = (uint32_t)(idle >> 32), wall_s = (uint32_t)idle;

    if (tick - s->begin >= s->end - s->begin || wall_s < s->begin_s ||
        wall_s > s->end_s)
        return;
    if (then - s->begin <= tick - s->begin) {
        s->end = tick;
        s->end_s = wall_s;
    } else {
        s->begin = tick;
        s->begin_s = wall_s;
    }
}

uint32_t
tick_idle_seconds(const struct ks *ks, uint16_t stamp)
{
    uint32_t now_s = (uint32_t)(clock_wall_ms() / 1000);
    uint32_t now = now_tick(ks);
    uint32_t then = now - (uint16_t)(now - stamp);
    struct stretch s = {
        .begin = then / TICKS_NOTED * TICKS_NOTED, .end = now, .end_s = now_s};
    uint32_t then_s;

    s.begin_s = LOAD(&ks->tick_wall_s[then / TICKS_NOTED % TICK_RING]);
    if (then / TICKS_NOTED != now / TICKS_NOTED) {
        s.end = s.begin + TICKS_NOTED;
        s.end_s = LOAD(&ks->tick_wall_s[(then / TICKS_NOTED + 1) % TICK_RING]);
    }
    split_at_idle(ks, then, &s);
    then_s = s.begin_s;
    if (s.begin == s.end)
        then_s = s.end_s;
    else if (s.end_s > s.begin_s)
        then_s += (uint32_t)((uint64_t)(s.end_s - s.begin_s) *
            (then - s.begin) / (s.end - s.begin));
    return now_s > then_s ? now_s - then_s : 0;
}

/* Times grow with ages. */
uint16_t
tick_of_idle(const struct ks *ks, uint32_t idle_s)
{
    uint16_t now = (uint16_t)now_tick(ks);
    uint32_t lo = 0, hi = STAMP_OLD;

    while (lo < hi) {
        uint32_t age = (lo + hi) / 2;

        if (tick_idle_seconds(ks, (uint16_t)(now - age)) < idle_s)
            lo = age + 1;
        else
            hi = age;
    }
    return (uint16_t)(now - lo);
}

void
tick_length_update(struct ks *ks)
{
    uint64_t items = 0;

    for (unsigned i = 0; i < N_PARTITIONS; i++)
        items += LOAD(&ks->index.partition[i].n_items);
    atomic_store_explicit(&ks->tick_len,
        (uint32_t)MAX(items / TICKS_PER_ITEM_COUNT, 1), memory_order_relaxed);
}

void
tick_init(struct ks *ks)
{
    uint32_t wall_s = (uint32_t)(clock_wall_ms() / 1000);

    STORE(&ks->tick_len, 1);
    ks->seen_s = wall_s;
    /* as if one had passed each second before, for items restored with an idle
     * time */
    STORE(&ks->tick_wall_s[0], wall_s);
    for (unsigned i = 1; i < TICK_RING; i++)
        STORE(&ks->tick_wall_s[i], wall_s - (TICK_RING - i) * TICKS_NOTED);
}
