/* SPDX-License-Identifier: BSD-3-Clause */
/* index.c - from a hash to a handle: lines, probing, growth in place.
 *
 * A partition is an ordered sequence of 64-byte lines: line = rest of the hash
 * times the number of lines, so hash order is kept. Blocks of its lines
 * alternate with those of the other partitions (internal.h), so that the whole
 * index is one range without gaps, which huge pages can back: what a look-up
 * waits for is above all the page walk. An item stands in the
 * first free slot at its home line or after it; the home line's `overflow`
 * says how far a look-up must go.
 *
 * The seqlock lives here only. Writers hold the partition lock and make a
 * line's version odd while they change it. A reader notes the (even) version,
 * follows the handles whose tag fits, copies what it wants of the item, and
 * checks that the version is still the same. While a handle leads to an item it
 * is changed in an odd version only, and a chunk is reused only after its handle
 * is gone, so an unchanged version proves that the copy is of that item. Slab memory
 * stays mapped: following a stale handle is harmless.
 *
 * Growth: the table of n lines becomes one of 1.25 n in place. The frontier
 * walks down from the last line; the items homed at one old line move to their
 * new homes, which are never before it. Old lines from the frontier on use the
 * new mapping. Readers that meet a step (geometry is odd, or changed between)
 * start again.
 *
 * With ASHLAR_SEQLOCK_LOCKED readers take the partition lock instead: the
 * build for ThreadSanitizer, which cannot follow a seqlock.
 */
#include "keyspace/probe.h"

#include <sys/mman.h>

#define MAP_LINES (512u << 10) /* of a partition: 5.7 M items */
#define GROW_STEP_LINES 4
#define GROW_MORE_LINES 32 /* where all lines in reach are full */
#define MAX_READ_TRIES 8
#define TAIL_LINES 4          /* for what finds no room on the last line */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* ---- locks ------------------------------------------------------------------ */

void
partition_lock(struct partition *p)
{
    if (unlikely(!partition_trylock(p)))
        partition_wait(p);
}

bool
partition_trylock(struct partition *p)
{
    if (atomic_load_explicit(&p->lock, memory_order_relaxed) != 0)
        return false;
    return atomic_exchange_explicit(&p->lock, 1, memory_order_acquire) == 0;
}

void
partition_unlock(struct partition *p)
{
    atomic_store_explicit(&p->lock, 0, memory_order_release);
}

/* ---- set-up ------------------------------------------------------------------ */

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

/* Aligned, so that blocks begin at multiples of their size. */
static char *
map_lines(size_t bytes)
{
    size_t len = bytes + HUGE_PAGE_BYTES, skip;
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    skip = ROUND_UP((uintptr_t)p, HUGE_PAGE_BYTES) - (uintptr_t)p;
    if (skip > 0)
        munmap(p, skip);
    munmap(p + skip + bytes, HUGE_PAGE_BYTES - skip);
    return p + skip;
}

bool
index_init(struct index *ix, struct slab *slab, const struct hash_seed *seed,
    const struct templates *templates, struct buf *err)
{
    uint32_t lines = MAP_LINES;
    size_t at_start;

    ix->slab = slab;
    ix->seed = seed;
    ix->templates = templates;
    for (;; lines /= 2) {
        ix->map_bytes = (size_t)lines * CACHE_LINE * N_PARTITIONS;
        ix->map = map_lines(ix->map_bytes);
        if (ix->map != NULL)
            break;
        if (lines <= MAP_LINES / 64) {
            buf_printf(err, "cannot reserve %zu MiB of addresses for the index",
                ix->map_bytes / MIB);
            return false;
        }
    }
    (void)madvise(ix->map, ix->map_bytes, MADV_DONTDUMP);
    ix->huge = slab_wants_huge(slab);
    (void)madvise(ix->map, ix->map_bytes, MADV_NOHUGEPAGE);
    ix->max_lines = lines - MAX_TRAVEL;
    at_start = range_for(ix, 1);
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
    slab_charge_to(slab, SLAB_INDEX, at_start);
    memset(ix->map, 0, at_start); /* resident as it is counted */
    ix->populated = at_start;
    return true;
}

void
index_destroy(struct index *ix)
{
    slab_uncharge_from(ix->slab, SLAB_INDEX, LOAD(&ix->charged_bytes));
    munmap(ix->map, ix->map_bytes);
}

uint64_t
index_hash(const struct hash_seed *seed, struct str name, uint32_t space)
{
    uint64_t h = hash_bytes(seed, name.p, name.len);

    if (space != 0) {
        h ^= space * 0x9e3779b97f4a7c15u;
        h *= 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    return h;
}

bool
index_hash_item(const struct index *ix, const struct item_view *v,
    uint64_t *hash)
{
    char buf[KS_MAX_KEY];
    struct str name;

    if (!item_key(ix->templates, v, buf, &name))
        return false;
    *hash = index_hash(ix->seed, name, item_space(ix->templates, v));
    return true;
}

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

/* ---- geometry ------------------------------------------------------------------ */

uint32_t
index_physical_lines(const struct partition *p)
{
    return atomic_load_explicit(&p->n_new, memory_order_relaxed) + MAX_TRAVEL;
}

/* ---- one line -------------------------------------------------------------------- */

void
index_write_begin(struct index_line *line)
{
    uint32_t v = atomic_load_explicit(&line->version, memory_order_relaxed);

    atomic_store_explicit(&line->version, v + 1, memory_order_relaxed);
    /* pairs with the acquire fence in line_unchanged */
    read_fence(memory_order_release);
}

void
index_write_end(struct index_line *line)
{
    uint32_t v = atomic_load_explicit(&line->version, memory_order_relaxed);

    /* pairs with the acquire load in line_version */
    atomic_store_explicit(&line->version, v + 1, memory_order_release);
}

/* ---- reading without a lock ---------------------------------------------------------- */

static bool
read_locked(struct index *ix, struct partition *p, uint64_t hash,
    index_visit_fn visit, void *ctx)
{
    const struct index_line *line = partition_line(p, home_line(p, hash));

    for (unsigned n = 1u + line->overflow; n > 0; n--, line = next_line(line)) {
        for (unsigned m = match_tags(line, tag_of(hash)); m; m &= m - 1) {
            uint32_t handle = slot_handle(line, (unsigned)__builtin_ctz(m));

            if (handle && visit(ctx, slab_ptr(ix->slab, handle), handle))
                return true;
        }
    }
    return false;
}

bool
index_read(struct index *ix, uint64_t hash, index_visit_fn visit, void *ctx,
    uint64_t *retries)
{
    struct partition *p = &ix->partition[index_partition(hash)];
    bool found;

#ifndef ASHLAR_SEQLOCK_LOCKED
    for (unsigned i = 0; i < MAX_READ_TRIES; i++) {
        enum probe r = probe_partition(ix, p, hash, visit, ctx);

        if (likely(r != PROBE_AGAIN))
            return r == PROBE_FOUND;
        ++*retries;
        cpu_relax();
    }
#else
    (void)retries;
#endif
    partition_lock(p);
    found = read_locked(ix, p, hash, visit, ctx);
    partition_unlock(p);
    return found;
}

/* ---- under the lock ------------------------------------------------------------------- */

/* Is the item behind this handle the one of the key? */
static inline bool
is_item_of(const struct index *ix, const struct ks_key *key, uint32_t handle,
    uint64_t now_ms, struct item_view *v)
{
    return item_read_fast(slab_ptr(ix->slab, handle), now_ms, v) &&
        item_has_key(ix->templates, v, key->name, key->space);
}

static __attribute__((noinline)) uint32_t
search_item(struct index *ix, const struct ks_key *key, uint64_t now_ms,
    struct index_place *place, struct item_view *v)
{
    struct partition *p = &ix->partition[index_partition(key->hash)];
    struct index_line *line = partition_line(p, home_line(p, key->hash));

    for (unsigned n = 1u + line->overflow; n > 0; n--, line = next_line(line)) {
        for (unsigned m = match_tags(line, tag_of(key->hash)); m;
             m &= m - 1) {
            unsigned slot = (unsigned)__builtin_ctz(m);
            uint32_t handle = slot_handle(line, slot);

            if (handle == 0 || !is_item_of(ix, key, handle, now_ms, v))
                continue;
            *place = (struct index_place){line, slot};
            return handle;
        }
    }
    return 0;
}

uint32_t
index_find_item(struct index *ix, const struct ks_key *key, uint64_t now_ms,
    struct index_place *place, struct item_view *v)
{
    const struct ks_ahead *a = &key->ahead;

    if (!ahead_holds(a) || !is_item_of(ix, key, a->handle, now_ms, v))
        return search_item(ix, key, now_ms, place, v);
    *place = (struct index_place){a->line, a->slot};
    return a->handle;
}

uint32_t
index_find(struct index *ix, const struct ks_key *key,
    struct index_place *place)
{
    struct item_view v;

    return index_find_item(ix, key, 0, place, &v);
}

bool
index_find_handle(struct index *ix, uint64_t hash, uint32_t handle,
    struct index_place *place)
{
    struct partition *p = &ix->partition[index_partition(hash)];
    struct index_line *line = partition_line(p, home_line(p, hash));

    for (unsigned n = 1u + line->overflow; n > 0; n--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            if (slot_handle(line, slot) != handle)
                continue;
            *place = (struct index_place){line, slot};
            return true;
        }
    }
    return false;
}

void
index_swap(struct index_place place, uint32_t handle)
{
    index_write_begin(place.line);
    atomic_store_explicit(&place.line->handle[place.slot], handle,
        memory_order_relaxed);
    index_write_end(place.line);
}

static void
add_items(struct partition *p, int n)
{
    uint32_t was = atomic_load_explicit(&p->n_items, memory_order_relaxed);

    atomic_store_explicit(&p->n_items, was + (uint32_t)n,
        memory_order_relaxed);
}

void
index_erase(struct index *ix, uint64_t hash, struct index_place place)
{
    index_swap(place, 0);
    add_items(&ix->partition[index_partition(hash)], -1);
}

static int
free_slot(const struct index_line *line)
{
    for (unsigned slot = 0; slot < LINE_SLOTS; slot++)
        if (slot_handle(line, slot) == 0)
            return (int)slot;
    return -1;
}

/* Put a handle at or after `home`. False when all lines in reach are full. */
static bool
place_handle(struct index_line *home, uint64_t hash, uint32_t handle)
{
    struct index_line *line = home;

    for (unsigned i = 0; i < MAX_TRAVEL; i++, line = next_line(line)) {
        int slot = free_slot(line);

        if (slot < 0)
            continue;
        if (i > home->overflow) {
            index_write_begin(home);
            home->overflow = (uint8_t)i;
            index_write_end(home);
        }
        index_write_begin(line);
        line->tag[slot] = tag_of(hash);
        atomic_store_explicit(&line->handle[slot], handle,
            memory_order_relaxed);
        index_write_end(line);
        return true;
    }
    return false;
}

/* ---- growth ------------------------------------------------------------------------------ */

struct moving {
    uint64_t hash;
    uint32_t handle;
};

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
    index_write_end(line);
    atomic_store_explicit(&p->frontier, at, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        bool placed = place_handle(
            partition_line(p, scale(moving[i].hash, n_new)), moving[i].hash,
            moving[i].handle);

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

/* The lines that a partition of n is to have next. All partitions follow the
 * first one that grows, since what it touches is resident for all. */
static uint32_t
lines_after(const struct index *ix, uint32_t n)
{
    uint32_t range = lines_within(
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed));
    uint32_t more =
        n < range ? range : lines_within(range_for(ix, n + n / 4));

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

/* The index must not fail for lack of memory: evictions make up for it. */
static bool
charge_growth(struct index *ix, const struct partition *p, uint32_t n_new,
    bool now)
{
    size_t to = range_for(ix, n_new);
    size_t touched =
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed);

    if (!(fits_now(ix, to) && charge_range(ix, to))) {
        if (!now && can_wait(p)) {
            atomic_store_explicit(&ix->wanted_bytes, to, memory_order_relaxed);
            return false;
        }
        charge_by_force(ix, to);
    }
    while (touched < to &&
        !atomic_compare_exchange_weak_explicit(&ix->touched_bytes, &touched, to,
            memory_order_relaxed, memory_order_relaxed))
        ;
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

    if (n < lines_within(atomic_load_explicit(&ix->touched_bytes,
            memory_order_relaxed)))
        return true;
    return atomic_load_explicit(&p->n_items, memory_order_relaxed) >
        most_items(n);
}

/* ---- ahead of growth ----------------------------------------------------------------- */

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
        items = MAX(items, atomic_load_explicit(&ix->partition[i].n_items,
            memory_order_relaxed));
    return items + MIN(ITEMS_AHEAD, most / 16) > most && n < ix->max_lines;
}

/* The range is charged and resident up to `to`: partitions may grow there. */
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

bool
index_populate(struct index *ix)
{
    size_t touched =
        atomic_load_explicit(&ix->touched_bytes, memory_order_relaxed);

    if (!ix->huge)
        return false;
    if (ix->populated >= MAX(ix->ahead_to, touched)) {
        if (clock_mono_us() < ix->look_at_us)
            return false;
        ix->look_at_us = clock_mono_us() + LOOK_US;
        if (!grows_soon(ix))
            return false;
        ix->ahead_to =
            range_for(ix, lines_after(ix, lines_within(touched)));
    }
    if (!charge_range(ix, ix->populated + HUGE_PAGE_BYTES))
        return false;
    (void)madvise(ix->map + ix->populated, HUGE_PAGE_BYTES, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    (void)madvise(ix->map + ix->populated, HUGE_PAGE_BYTES,
        MADV_POPULATE_WRITE); /* else the first to write there does it */
#endif
    ix->populated += HUGE_PAGE_BYTES;
    if (ix->populated < MAX(ix->ahead_to, touched))
        return true;
    offer_range(ix, ix->populated);
    return false;
}

bool
index_insert(struct index *ix, uint64_t hash, uint32_t handle)
{
    struct partition *p = &ix->partition[index_partition(hash)];

    if (growing(p))
        grow_lines(ix, p, GROW_STEP_LINES);
    else if (too_full(ix, p))
        (void)grow_start(ix, p, false);
    while (!place_handle(partition_line(p, home_line(p, hash)), hash,
        handle)) {
        if (!growing(p) && !grow_start(ix, p, true))
            return false;
        grow_lines(ix, p, GROW_MORE_LINES);
    }
    add_items(p, 1);
    return true;
}

/* ---- walks ----------------------------------------------------------------------------- */

struct index_line *
index_walk(struct index *ix, uint64_t from, uint32_t *n, uint64_t *end,
    bool *last)
{
    struct partition *p = &ix->partition[index_partition(from)];
    uint32_t n_old = atomic_load_explicit(&p->n_old, memory_order_relaxed);
    uint32_t n_new = atomic_load_explicit(&p->n_new, memory_order_relaxed);
    uint32_t old_line = scale(from, n_old);
    bool moved = old_line >=
        atomic_load_explicit(&p->frontier, memory_order_relaxed);
    uint32_t n_lines = moved ? n_new : n_old;
    uint32_t line = moved ? scale(from, n_new) : old_line;
    struct index_line *found = partition_line(p, line);
    unsigned __int128 next = ((unsigned __int128)line + 1) << 64;

    *n = 1u + found->overflow;
    *last = line + 1 == n_lines;
    /* the smallest hash whose rest falls on the next line: round up twice */
    next = (next + n_lines - 1) / n_lines;
    next = (next + 255) >> 8;
    *end = *last ? 0 : (from & 0xff00000000000000u) | (uint64_t)next;
    return found;
}

/* ---- prefetch --------------------------------------------------------------------------- */

static inline struct index_line *
find_home(const struct index *ix, uint64_t hash)
{
    const struct partition *p = &ix->partition[index_partition(hash)];

    return partition_line(p, home_line(p, hash));
}

void
index_prefetch_line(const struct index *ix, uint64_t hash)
{
    __builtin_prefetch(find_home(ix, hash));
}

void
index_prefetch_lines(const struct index *ix, struct ks_key *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        keys[i].ahead.line = find_home(ix, keys[i].hash);
        __builtin_prefetch(keys[i].ahead.line);
    }
}

/* Find the item that is likely to be the one sought. Growth may have moved it to
 * another line meanwhile: then nothing is found, or an item of another key. */
static inline void
look_ahead(const struct index *ix, struct ks_key *key)
{
#ifndef ASHLAR_SEQLOCK_LOCKED /* reads the tags without a lock */
    struct index_line *line = likely(key->ahead.line != NULL)
        ? key->ahead.line
        : find_home(ix, key->hash);
    uint32_t version =
        atomic_load_explicit(&line->version, memory_order_acquire);

    for (unsigned m = match_tags(line, tag_of(key->hash)); m != 0; m &= m - 1) {
        unsigned slot = (unsigned)__builtin_ctz(m);
        uint32_t handle = slot_handle(line, slot);

        if (handle == 0)
            continue;
        __builtin_prefetch(slab_ptr(ix->slab, handle));
        key->ahead.line = line;
        key->ahead.version = version;
        key->ahead.handle = version & 1 ? 0 : handle;
        key->ahead.slot = slot;
        return;
    }
#else
    (void)ix;
    (void)key;
#endif
}

/* So much of an item is asked for ahead: a core that copies more has learned
 * the way by then. */
#define ITEM_AHEAD_BYTES ((size_t)20 * CACHE_LINE)

/* An item of up to this many bytes is all wanted at once. */
#define SHORT_ITEM ((size_t)4 * CACHE_LINE)

/* Into the second-level cache, which has more lines on their way at a time than
 * the first: what is many lines comes in half the time. */
static inline void
prefetch_far(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* Ask for the marks, and for the lines of the item behind its first. */
static inline void
prefetch_mark(const struct index *ix, struct ks_ahead *a)
{
    const char *item = slab_ptr(ix->slab, a->handle);
    size_t n;

    a->mark = slab_mark(ix->slab, a->handle);
    __builtin_prefetch((const void *)a->mark.stamp);
    __builtin_prefetch((const void *)a->mark.state);
    n = MIN((size_t)a->mark.chunk_bytes, ITEM_AHEAD_BYTES);
    if (likely(n <= SHORT_ITEM)) {
        for (size_t at = CACHE_LINE; at + CACHE_LINE < n; at += CACHE_LINE)
            __builtin_prefetch(item + at);
        __builtin_prefetch(item + n - 1);
        return;
    }
    for (size_t at = CACHE_LINE; at + CACHE_LINE < n; at += CACHE_LINE)
        prefetch_far(item + at);
    prefetch_far(item + n - 1);
}

void
index_prefetch_items(const struct index *ix, struct ks_key *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        look_ahead(ix, &keys[i]);
    for (unsigned i = 0; i < n; i++)
        if (keys[i].ahead.handle != 0)
            prefetch_mark(ix, &keys[i].ahead);
}
