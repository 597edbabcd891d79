/* SPDX-License-Identifier: BSD-3-Clause */
/* mark.c - the three bytes that are known of each item's use: a 16-bit stamp of
 * its last access in coarse time, and a state: how it was reused so far,
 * whether it expires, whether its value is in an extent.
 *
 * Marks stand in the header of the page, apart from the items. Races on them
 * cost accuracy, never correctness; who writes one without the partition's lock
 * holds its page (slab_mark_hold). Any thread.
 */
#include "keyspace/density.h"

/* ticks: half as many accesses as items, four times as many */
#define REUSED_LATE (TICKS_PER_ITEM_COUNT / 2)
#define REUSED_VERY_LATE (TICKS_PER_ITEM_COUNT * 4)

/* By this size a hit counts, as an eviction does: a difference would put the
 * hits of items near the end of an octave into another one. */
static inline size_t
judged_bytes(const struct ks_thread *t, uint32_t chunk_bytes, uint32_t extent)
{
    return extent != 0 ? extent_committed(t->slab, extent) : chunk_bytes;
}

/* Count a hit at `age` and return the state after it. */
static inline uint8_t
reuse(struct ks_thread *t, uint8_t state, uint16_t age, size_t bytes)
{
    unsigned count = (state >> MARK_COUNT_SHIFT) & 7;
    unsigned next = 1;

    count_event(&t->histogram.hits[rank_class(bytes, state)][age_bucket(age)]);
    count += count < 7;
    if (count > OFTEN)
        next += 3;
    next += age > REUSED_LATE ? 1 : 0;
    next += age > REUSED_VERY_LATE ? 1 : 0;
    return (uint8_t)((state & (MARK_EXPIRES | MARK_EXTENT)) |
        count << MARK_COUNT_SHIFT | next);
}

void
mark_hit(struct ks_thread *t, const struct slab_mark *m, uint32_t extent)
{
    uint8_t state = atomic_load_explicit(m->state, memory_order_relaxed);
    uint16_t stamp = atomic_load_explicit(m->stamp, memory_order_relaxed);
    uint16_t now = (uint16_t)now_tick(t->ks);
    uint8_t next;

    if (state == SLAB_MARK_FREE)
        return;
    next = reuse(t, state, (uint16_t)(now - stamp),
        judged_bytes(t, m->chunk_bytes, extent));
    if (stamp == now && state == next)
        return;
    /* The item may be gone by now, and its page serve another class, where
     * other things stand in the place of its mark. */
    if (!slab_mark_hold(t->slab_thread, m))
        return;
    /* compare: the chunk may have been freed since the state was read; the
     * stamp of one that is free says nothing */
    if (state == next ||
        atomic_compare_exchange_strong_explicit(
            m->state, &state, next, memory_order_relaxed, memory_order_relaxed))
        atomic_store_explicit(m->stamp, now, memory_order_relaxed);
    slab_mark_drop(t->slab_thread);
}

void
mark_new(struct ks_thread *t, uint32_t handle, uint32_t old,
    const struct fresh *fresh)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint16_t now = (uint16_t)now_tick(t->ks);
    uint8_t state = 0;

    if (old != 0) {
        struct slab_mark was = slab_mark(t->slab, old);

        state = atomic_load_explicit(was.state, memory_order_relaxed);
        if (state == SLAB_MARK_FREE)
            state = 0;
        state = reuse(t, state,
            (uint16_t)(now -
                atomic_load_explicit(was.stamp, memory_order_relaxed)),
            (state & MARK_EXTENT) ? fresh->bytes : was.chunk_bytes);
    }
    state &= (uint8_t) ~(MARK_EXPIRES | MARK_EXTENT);
    if (fresh->expire_ms != KS_NO_EXPIRY)
        state |= MARK_EXPIRES;
    if (fresh->extent != 0)
        state |= MARK_EXTENT;
    atomic_store_explicit(m.stamp, now, memory_order_relaxed);
    atomic_store_explicit(m.state, state, memory_order_relaxed);
}

void
mark_overwritten(struct ks_thread *t, const struct slab_mark *m)
{
    uint16_t now = (uint16_t)now_tick(t->ks);
    uint16_t stamp = atomic_load_explicit(m->stamp, memory_order_relaxed);
    uint8_t state = atomic_load_explicit(m->state, memory_order_relaxed);

    if (unlikely(state == SLAB_MARK_FREE))
        return;
    state = reuse(t, state, (uint16_t)(now - stamp), m->chunk_bytes);
    atomic_store_explicit(m->stamp, now, memory_order_relaxed);
    atomic_store_explicit(m->state, state, memory_order_relaxed);
}

void
mark_expires(struct ks_thread *t, uint32_t handle, bool expires)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint8_t state = atomic_load_explicit(m.state, memory_order_relaxed);

    if (state == SLAB_MARK_FREE)
        return;
    state = (uint8_t)(expires ? state | MARK_EXPIRES : state & ~MARK_EXPIRES);
    atomic_store_explicit(m.state, state, memory_order_relaxed);
}

void
mark_move(struct ks_thread *t, uint32_t from, uint32_t to)
{
    struct slab_mark a = slab_mark(t->slab, from);
    struct slab_mark b = slab_mark(t->slab, to);

    atomic_store_explicit(b.stamp,
        atomic_load_explicit(a.stamp, memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(b.state,
        atomic_load_explicit(a.state, memory_order_relaxed),
        memory_order_relaxed);
}

void
mark_correct(struct ks_thread *t, uint32_t handle)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    struct item_copy copy;
    uint8_t state;

    if (!slab_mark_hold(t->slab_thread, &m))
        return;
    state = atomic_load_explicit(m.state, memory_order_relaxed);
    if (!item_peek(slab_ptr(t->slab, handle), 0, &copy))
        atomic_compare_exchange_strong_explicit(m.state, &state, SLAB_MARK_FREE,
            memory_order_relaxed, memory_order_relaxed);
    slab_mark_drop(t->slab_thread);
}

static uint8_t
state_of_frequency(uint8_t state, unsigned frequency)
{
    unsigned count = MIN(frequency, 7);
    unsigned reuse_state = count == 0 ? 0 : count <= OFTEN ? 1 : 4;

    return (uint8_t)((state & (MARK_EXPIRES | MARK_EXTENT)) |
        count << MARK_COUNT_SHIFT | reuse_state);
}

enum ks_status
ks_set_history(struct ks_thread *t, const struct ks_key *wanted,
    const struct ks_history *h)
{
    struct ks_key key = *wanted;
    unsigned p = ks_enter_key(t, &key);
    struct index_place place;
    uint32_t handle = index_find(&t->ks->index, &key, &place);

    if (handle != 0) {
        struct slab_mark m = slab_mark(t->slab, handle);
        uint8_t state = atomic_load_explicit(m.state, memory_order_relaxed);

        if (h->frequency >= 0)
            atomic_store_explicit(m.state,
                state_of_frequency(state, (unsigned)h->frequency),
                memory_order_relaxed);
        if (h->idle_s >= 0)
            atomic_store_explicit(m.stamp,
                tick_of_idle(t->ks, (uint32_t)MIN(h->idle_s, INT32_MAX)),
                memory_order_relaxed);
    }
    ks_leave(t, p);
    return handle != 0 ? KS_OK : KS_MISS;
}
