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

/* The state of a mark holds a level of hits in three bits, and that of 4 and
 * more is known by the reuse (4 to 6) beside it: so there are twelve. Up to 7
 * they are counts; from there on, one of so many hits leads to the next, for
 * about as many as OBJECT FREQ says. */
#define LEVELS 12
#define COUNTED 7
static const uint8_t frequencies[LEVELS] = {
    0, 1, 2, 3, 4, 5, 6, 7, 10, 30, 100, 255};
static const uint8_t rare_shift[LEVELS - 1 - COUNTED] = {2, 4, 6, 7};

_Static_assert(OFTEN + 1 == MARK_OFTEN, "both tell the same levels");

static inline unsigned
level_of(uint8_t state)
{
    return ((state >> MARK_COUNT_SHIFT) & 7u) + (state & MARK_OFTEN);
}

/* The bits of a level and of a reuse state. */
static inline uint8_t
with_level(unsigned level, unsigned reuse_state)
{
    return (uint8_t)((level - (reuse_state & MARK_OFTEN)) << MARK_COUNT_SHIFT |
        reuse_state);
}

/* Is it one of 1 << shift events, evenly spread? */
static inline bool
is_rare(uint32_t event, unsigned shift)
{
    return event * 0x9e3779b9u >> (32 - shift) == 0;
}

/* The level after one more hit, which is the nth of a histogram's. */
static inline unsigned
next_level(unsigned level, uint32_t n)
{
    if (level < COUNTED)
        return level + 1;
    return level +
        (level < LEVELS - 1 && is_rare(n, rare_shift[level - COUNTED]));
}

unsigned
mark_frequency(uint8_t state)
{
    return state == SLAB_MARK_FREE ? 0 : frequencies[level_of(state)];
}

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
    _Atomic uint32_t *counter =
        &t->histogram.hits[rank_class(bytes, state)][age_bucket(age)];
    unsigned level, next = 1;

    count_event(counter);
    level = next_level(
        level_of(state), atomic_load_explicit(counter, memory_order_relaxed));
    if (level > OFTEN)
        next += 3;
    next += age > REUSED_LATE ? 1 : 0;
    next += age > REUSED_VERY_LATE ? 1 : 0;
    return (uint8_t)((state & (MARK_EXPIRES | MARK_EXTENT)) |
        with_level(level, next));
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

/* Of a key that returns: as after a hit, late, that is not counted. */
static uint8_t
state_of_return(unsigned count)
{
    unsigned reuse_state = count >= OFTEN ? 5 : 2;

    return with_level(MIN(count + 1, COUNTED), reuse_state);
}

void
mark_new(struct ks_thread *t, uint32_t handle, uint32_t old,
    const struct fresh *fresh, uint64_t hash)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint16_t now = (uint16_t)now_tick(t->ks);
    uint8_t state = 0;
    unsigned count;

    if (old != 0) {
        struct slab_mark was = slab_mark(t->slab, old);

        state = atomic_load_explicit(was.state, memory_order_relaxed);
        if (state == SLAB_MARK_FREE)
            state = 0;
        state = reuse(t, state,
            (uint16_t)(now -
                atomic_load_explicit(was.stamp, memory_order_relaxed)),
            (state & MARK_EXTENT) ? fresh->bytes : was.chunk_bytes);
    } else if (ghost_take(&t->ks->ghosts, hash, &count)) {
        state = state_of_return(count);
    }
    state &= (uint8_t) ~(MARK_EXPIRES | MARK_EXTENT);
    if (fresh->expire_ms != KS_NO_EXPIRY)
        state |= MARK_EXPIRES;
    if (fresh->extent != 0)
        state |= MARK_EXTENT;
    atomic_store_explicit(m.stamp, now, memory_order_relaxed);
    /* release: after the item */
    atomic_store_explicit(m.state, state, memory_order_release);
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

static bool
is_item(const struct ks_thread *t, uint32_t handle)
{
    struct item_copy copy;

    return item_peek(slab_ptr(t->slab, handle), 0, &copy);
}

void
mark_correct(struct ks_thread *t, uint32_t handle)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint8_t state, freed = SLAB_MARK_FREE;

    if (!slab_mark_hold(t->slab_thread, &m))
        return;
    state = atomic_load_explicit(m.state, memory_order_relaxed);
    /* Between the two looks an item may have come that has the same state: free
     * it would never be met again by who evicts, drains or sweeps.
     * acquire: pairs with the state of a new item */
    if (!is_item(t, handle) &&
        atomic_compare_exchange_strong_explicit(m.state, &state, freed,
            memory_order_acquire, memory_order_relaxed) &&
        is_item(t, handle))
        atomic_compare_exchange_strong_explicit(m.state, &freed, state,
            memory_order_relaxed, memory_order_relaxed);
    slab_mark_drop(t->slab_thread);
}

static uint8_t
state_of_frequency(uint8_t state, unsigned frequency)
{
    unsigned level = 0, reuse_state;

    while (level + 1 < LEVELS && frequencies[level + 1] <= frequency)
        level++;
    reuse_state = level == 0 ? 0 : level <= OFTEN ? 1 : 4;
    return (uint8_t)((state & (MARK_EXPIRES | MARK_EXTENT)) |
        with_level(level, reuse_state));
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
