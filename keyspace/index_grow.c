/* SPDX-License-Identifier: BSD-3-Clause */
/* index_grow.c - growth of the index in place, and the memory that it takes.
 *
 * The table of n lines becomes one of 1.25 n. The frontier walks down from the
 * last line; the items homed at one old line move to their new homes, which are
 * never before it. Old lines from the frontier on use the new mapping. Readers
 * that meet a step (geometry is odd, or changed between) start again.
 *
 * Steps are made by insertions, under the lock of their partition. What a range
 * of lines takes is charged before partitions may grow there, and touched by
 * the maintenance thread where huge pages are wanted.
 */
#include "keyspace/probe.h"

#include <sys/mman.h>

#define GROW_STEP_LINES 4
#define GROW_MORE_LINES 32 /* where all lines in reach are full */
#define TAIL_LINES 4       /* for what finds no room on the last line */

/* ---- the range ----------------------------------------------------------- */

/* Memory is taken in steps: rows, one block of each partition, or huge pages. */
static size_t
range_step(const struct index *ix)
{
    return ix->huge ? HUGE_PAGE_BYTES : BLOCK_BYTES * N_PARTITIONS;
}

/* The part of the range that is resident when one partition has so many lines
 * and their tail, and the lines that each can have there. */
static size_t
range_for(const struct index *ix, uint32_t n_lines)
{
    return ROUND_UP((size_t)(n_lines + TAIL_LINES) * CACHE_LINE * N_PARTITIONS,
        range_step(ix));
}

static uint32_t
lines_within(size_t range_bytes)
{
    return (uint32_t)(range_bytes / N_PARTITIONS / CACHE_LINE) - TAIL_LINES;
}

void
index_grow_init(struct index *ix)
{
    size_t at_start = range_for(ix, 1);

    if (ix->huge)
        (void)madvise(ix->map, at_start, MADV_HUGEPAGE);
    for (unsigned i = 0; i < N_PARTITIONS; i++) {
        struct partition *p = &ix->partition[i];

        p->lines = (struct index_line *)(void *)(ix->map + i * BLOCK_BYTES);
        STORE(&p->n_old, lines_within(at_start));
        STORE(&p->n_new, lines_within(at_start));
        STORE(&p->frontier, AT_REST);
    }
    STORE(&ix->touched_bytes, at_start);
    STORE(&ix->charged_bytes, at_start);
    slab_charge_to(ix->slab, SLAB_INDEX, at_start);
    memset(ix->map, 0, at_start); /* resident as it is counted */
    STORE(&ix->populated, at_start);
}

/* ---- steps --------------------------------------------------------------- */

struct moving {
    uint64_t hash;
    uint32_t handle;
};

static uint64_t
hash_of_item(const struct index *ix, uint32_t handle)
{
    struct item_view v;
    uint64_t hash;
    bool is_item = item_read(slab_ptr(ix->slab, handle), 0, &v) &&
        index_hash_item(ix, &v, &hash);

    ASSERT(is_item);
    return hash;
}

/* Take the items homed at old line `at` out of the lines; returns how many. */
static unsigned
lift_items(struct index *ix, struct partition *p, uint32_t at,
    struct moving *out, unsigned max)
{
    uint32_t n_old = atomic_load_explicit(&p->n_old, memory_order_relaxed);
    struct index_line *line = partition_line(p, at);
    unsigned n = 0;

    for (unsigned i = 1u + line->overflow; i > 0; i--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle = slot_handle(line, slot);
            uint64_t hash;

            if (handle == 0)
                continue;
            hash = hash_of_item(ix, handle);
            if (scale(hash, n_old) != at)
                continue;
            ASSERT(n < max);
            out[n++] = (struct moving){hash, handle};
            index_swap((struct index_place){line, slot}, 0);
        }
    }
    return n;
}

/* Move the items homed at the line below the frontier to their new homes. */
static void
grow_line(struct index *ix, struct partition *p)
{
    struct moving moving[LINE_SLOTS * (MAX_TRAVEL + 1)];
    uint32_t at = atomic_load_explicit(&p->frontier, memory_order_relaxed) - 1;
    uint32_t n_new = atomic_load_explicit(&p->n_new, memory_order_relaxed);
    uint32_t g = atomic_load_explicit(&p->geometry, memory_order_relaxed);
    struct index_line *line = partition_line(p, at);
    unsigned n;

    atomic_store_explicit(&p->geometry, g + 1, memory_order_relaxed);
    read_fence(memory_order_release);
    n = lift_items(ix, p, at, moving, ARRAY_LEN(moving));
    index_write_begin(line);
    line->overflow = 0;
    line->displaced = 0;
    index_write_end(line);
    atomic_store_explicit(&p->frontier, at, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        bool placed =
            index_place_handle(partition_line(p, scale(moving[i].hash, n_new)),
                moving[i].hash, moving[i].handle);

        ASSERT(placed); /* the new table has a quarter more room */
    }
    if (at == 0) {
        atomic_store_explicit(&p->n_old, n_new, memory_order_relaxed);
        atomic_store_explicit(&p->frontier, AT_REST, memory_order_relaxed);
    }
    atomic_store_explicit(&p->geometry, g + 2, memory_order_release);
}

static bool
growing(const struct partition *p)
{
    return atomic_load_explicit(&p->frontier, memory_order_relaxed) != AT_REST;
}

/* Ask for the items at the next n lines to be moved, and for the lines where
 * they go: met one by one, each would cost a miss of all caches. */
static void
prefetch_to_grow(const struct index *ix, const struct partition *p, unsigned n)
{
    uint32_t end = atomic_load_explicit(&p->frontier, memory_order_relaxed);
    uint32_t n_old = atomic_load_explicit(&p->n_old, memory_order_relaxed);
    uint32_t n_new = atomic_load_explicit(&p->n_new, memory_order_relaxed);

    for (uint32_t at = end - MIN(end, n); at < end; at++) {
        const struct index_line *line = partition_line(p, at);

        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle = slot_handle(line, slot);

            if (handle != 0)
                __builtin_prefetch(slab_ptr(ix->slab, handle));
        }
        __builtin_prefetch(
            partition_line(p, (uint32_t)((uint64_t)at * n_new / n_old)), 1);
    }
}

static void
grow_lines(struct index *ix, struct partition *p, unsigned n)
{
    uint64_t begun = step_begin();

    for (; n > 0 && growing(p); n--) {
        if (n % GROW_STEP_LINES == 0)
            prefetch_to_grow(ix, p, GROW_STEP_LINES);
        grow_line(ix, p);
    }
    step_end(STEP_GROW, begun);
    atomic_fetch_add_explicit(&ix->grow_steps, 1, memory_order_relaxed);
}

/* ---- memory -------------------------------------------------------------- */

/* The lines that a partition of n is to have next. All partitions follow the
 * first one that grows, since what it touches is resident for all. */
static uint32_t
lines_after(const struct index *ix, uint32_t n)
{
    uint32_t range = lines_within(
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed));
    uint32_t more = n < range ? range : lines_within(range_for(ix, n + n / 4));

    return MIN(more, ix->max_lines);
}

/* Charge the range up to `to`, also where that is above the limit. */
static void
charge_by_force(struct index *ix, size_t to)
{
    size_t have =
        atomic_load_explicit(&ix->charged_bytes, memory_order_relaxed);

    while (have < to)
        if (atomic_compare_exchange_weak_explicit(&ix->charged_bytes, &have, to,
                memory_order_relaxed, memory_order_relaxed)) {
            slab_charge_to(ix->slab, SLAB_INDEX, to - have);
            return;
        }
}

/* Charge it if the limit allows. */
static bool
charge_range(struct index *ix, size_t to)
{
    size_t have =
        atomic_load_explicit(&ix->charged_bytes, memory_order_relaxed);

    while (have < to) {
        size_t more = to - have;

        if (!slab_try_charge_to(ix->slab, SLAB_INDEX, more))
            return false;
        if (atomic_compare_exchange_strong_explicit(&ix->charged_bytes, &have,
                to, memory_order_relaxed, memory_order_relaxed))
            return true;
        slab_uncharge_from(ix->slab, SLAB_INDEX, more);
    }
    return true;
}

/* 0.87: above it the way to a free slot grows quickly (research: ENGINE). */
static uint32_t
most_items(uint32_t n_lines)
{
    return (uint32_t)((uint64_t)LINE_SLOTS * n_lines * 87 / 100);
}

/* Growth takes up to a tenth of the limit. In a full cache it waits until that
 * is charged, which index_save() does bit by bit, as room is made. The
 * partition becomes fuller meanwhile, but only so much. */
static bool
can_wait(const struct partition *p)
{
    return atomic_load_explicit(&p->n_items, memory_order_relaxed) <
        (uint64_t)LINE_SLOTS *
        atomic_load_explicit(&p->n_old, memory_order_relaxed) * 93 / 100;
}

/* Under a partition's lock nothing is given back to the system to make room. */
static bool
fits_now(const struct index *ix, size_t to)
{
    size_t have =
        atomic_load_explicit(&ix->charged_bytes, memory_order_relaxed);

    return to <= have ||
        slab_used(ix->slab) + (to - have) <= slab_limit(ix->slab);
}

/* The range is charged up to `to`: partitions may grow there. */
static void
offer_range(struct index *ix, size_t to)
{
    size_t have =
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed);

    while (have < to &&
        !atomic_compare_exchange_weak_explicit(&ix->touched_bytes, &have, to,
            memory_order_relaxed, memory_order_relaxed))
        ;
}

/* The first touch of a huge page takes milliseconds: growth waits until the
 * maintenance thread has done that, which is asked to; unless others grow there
 * already. */
static bool
is_touched(struct index *ix, size_t to)
{
    if (!ix->huge ||
        atomic_load_explicit(&ix->populated, memory_order_relaxed) >= to ||
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed) >= to)
        return true;
    atomic_store_explicit(&ix->asked_bytes, to, memory_order_relaxed);
    return false;
}

/* The index must not fail for lack of memory: evictions make up for it. */
static bool
charge_growth(
    struct index *ix, const struct partition *p, uint32_t n_new, bool now)
{
    size_t to = range_for(ix, n_new);
    bool waits = !now && can_wait(p);

    if (!(fits_now(ix, to) && charge_range(ix, to))) {
        if (waits) {
            atomic_store_explicit(&ix->wanted_bytes, to, memory_order_relaxed);
            return false;
        }
        charge_by_force(ix, to);
    }
    if (waits && !is_touched(ix, to))
        return false;
    offer_range(ix, to);
    return true;
}

bool
index_save(struct index *ix, size_t bytes)
{
    size_t want = atomic_load_explicit(&ix->wanted_bytes, memory_order_relaxed);
    size_t have;

    if (likely(want == 0))
        return false;
    /* the next insertion that finds its partition too full asks for more */
    atomic_store_explicit(&ix->wanted_bytes, 0, memory_order_relaxed);
    have = atomic_load_explicit(&ix->charged_bytes, memory_order_relaxed);
    if (have >= want)
        return false;
    if (charge_range(ix, MIN(want, have + bytes)))
        return true;
    atomic_store_explicit(&ix->wanted_bytes, want, memory_order_relaxed);
    return false;
}

/* Begin a pass to more lines, 1.25 times as a rule; false at the end of the
 * range, and unless it has to be now, while there is no memory for it. */
static bool
grow_start(struct index *ix, struct partition *p, bool now)
{
    uint32_t n = atomic_load_explicit(&p->n_old, memory_order_relaxed);
    uint32_t n_new = lines_after(ix, n);
    uint32_t g = atomic_load_explicit(&p->geometry, memory_order_relaxed);

    if (n_new == n || !charge_growth(ix, p, n_new, now))
        return false;
    atomic_store_explicit(&p->geometry, g + 1, memory_order_relaxed);
    read_fence(memory_order_release);
    atomic_store_explicit(&p->n_new, n_new, memory_order_relaxed);
    atomic_store_explicit(&p->frontier, n, memory_order_relaxed);
    atomic_store_explicit(&p->geometry, g + 2, memory_order_release);
    return true;
}

static bool
too_full(const struct index *ix, const struct partition *p)
{
    uint32_t n = atomic_load_explicit(&p->n_old, memory_order_relaxed);

    if (n < lines_within(
                atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed)))
        return true;
    return atomic_load_explicit(&p->n_items, memory_order_relaxed) >
        most_items(n);
}

void
index_grow_step(struct index *ix, struct partition *p)
{
    if (growing(p))
        grow_lines(ix, p, GROW_STEP_LINES);
    else if (too_full(ix, p))
        (void)grow_start(ix, p, false);
}

bool
index_grow_now(struct index *ix, struct partition *p)
{
    if (!growing(p) && !grow_start(ix, p, true))
        return false;
    grow_lines(ix, p, GROW_MORE_LINES);
    return true;
}

/* ---- ahead of growth ----------------------------------------------------- */

/* Items of a partition that come while the maintenance thread sleeps and
 * touches memory: 75000 in all. */
#define ITEMS_AHEAD 300
#define LOOK_US 5000 /* between looks at how many there are */

/* Is a partition so full that all will grow soon? */
static bool
grows_soon(const struct index *ix)
{
    uint32_t n = lines_within(
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed));
    uint32_t most = most_items(n);
    uint32_t items = 0;

    for (unsigned i = 0; i < N_PARTITIONS; i++)
        items = MAX(items,
            atomic_load_explicit(
                &ix->partition[i].n_items, memory_order_relaxed));
    return items + MIN(ITEMS_AHEAD, most / 16) > most && n < ix->max_lines;
}

/* Touch the next huge page. Where partitions grow already it is to be none: a
 * writer who comes to touch the same one would clear it as well, and wait for
 * the system to find it. */
static void
populate_next(struct index *ix, size_t at, size_t touched)
{
    if (at >= touched)
        (void)madvise(ix->map + at, HUGE_PAGE_BYTES, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    (void)madvise(ix->map + at, HUGE_PAGE_BYTES,
        MADV_POPULATE_WRITE); /* else the first to write there does it */
#endif
    atomic_store_explicit(
        &ix->populated, at + HUGE_PAGE_BYTES, memory_order_relaxed);
}

/* How far is to be touched now, as growth waits for it or is to come soon. */
static size_t
populate_to(struct index *ix, size_t populated, size_t touched)
{
    size_t asked =
        atomic_load_explicit(&ix->asked_bytes, memory_order_relaxed);

    ix->ahead_to = MAX(ix->ahead_to, MAX(asked, touched));
    if (populated < ix->ahead_to || clock_mono_us() < ix->look_at_us)
        return ix->ahead_to;
    ix->look_at_us = clock_mono_us() + LOOK_US;
    if (grows_soon(ix))
        ix->ahead_to = range_for(ix, lines_after(ix, lines_within(touched)));
    return ix->ahead_to;
}

bool
index_populate(struct index *ix)
{
    size_t touched =
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed);
    size_t at = atomic_load_explicit(&ix->populated, memory_order_relaxed);
    size_t to;

    if (!ix->huge)
        return false;
    to = populate_to(ix, at, touched);
    if (at >= to || !charge_range(ix, at + HUGE_PAGE_BYTES))
        return false;
    populate_next(ix, at, touched);
    if (at + HUGE_PAGE_BYTES < to)
        return true;
    offer_range(ix, at + HUGE_PAGE_BYTES);
    return false;
}
