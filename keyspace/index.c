/* SPDX-License-Identifier: BSD-3-Clause */
/* index.c - from a hash to a handle: lines and probing.
 *
 * A partition is an ordered sequence of 64-byte lines: line = rest of the hash
 * times the number of lines, so hash order is kept. Blocks of its lines
 * alternate with those of the other partitions (internal.h), so that the whole
 * index is one range without gaps, which huge pages can back: what a look-up
 * waits for is above all the page walk. An item stands in the first free slot at
 * its home line or after it; the home line's `overflow` says how far a look-up
 * must go. That line counts what is away, by the distance, so that when the
 * last one goes a look-up need not go as far any more: else a full cache, where
 * items come and go for ever, would have each look-up go as far as any ever had
 * to.
 *
 * The seqlock lives here only. Writers hold the partition lock and make a
 * line's version odd while they change it. A reader notes the (even) version,
 * follows the handles whose tag fits, copies what it wants of the item, and
 * checks that the version is still the same. While a handle leads to an item it
 * is changed in an odd version only, and a chunk is reused only after its handle
 * is gone, so an unchanged version proves that the copy is of that item. Slab
 * memory stays mapped: following a stale handle is harmless.
 *
 * It grows in place (index_grow.c).
 *
 * With ASHLAR_SEQLOCK_LOCKED readers take the partition lock instead: the
 * build for ThreadSanitizer, which cannot follow a seqlock.
 */
#include "keyspace/probe.h"

#include <sys/mman.h>

#define MAP_LINES (512u << 10) /* of a partition: 5.7 M items */
#define MAX_READ_TRIES 8

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
    index_grow_init(ix);
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

/* ---- items away from home ------------------------------------------------ */

/* Four bits for each distance; all from 8 lines on share the last. A line has
 * fewer slots than a field can count, but several lines may have more: what has
 * got to the highest number stays there until the home line has moved on. */
#define AWAY_BITS 4u
#define AWAY_MOST ((1u << AWAY_BITS) - 1)
#define AWAY_FAR 8u
_Static_assert(LINE_SLOTS < AWAY_MOST, "only the last field can be full");
_Static_assert(AWAY_FAR * AWAY_BITS == 32, "one word");

static unsigned
away_shift(unsigned distance)
{
    return (MIN(distance, AWAY_FAR) - 1) * AWAY_BITS;
}

static void
set_overflow(struct index_line *home, unsigned distance)
{
    index_write_begin(home);
    home->overflow = (uint8_t)distance;
    index_write_end(home);
}

static void
count_away(struct index_line *home, unsigned distance)
{
    unsigned shift = away_shift(distance);

    if ((home->displaced >> shift & AWAY_MOST) < AWAY_MOST)
        home->displaced += 1u << shift;
    if (distance > home->overflow)
        set_overflow(home, distance);
}

/* How far a look-up must go, at most. */
static unsigned
farthest_away(const struct index_line *home)
{
    unsigned distance;

    if (home->displaced == 0)
        return 0;
    distance = (31u - (unsigned)__builtin_clz(home->displaced)) / AWAY_BITS + 1;
    return distance == AWAY_FAR ? home->overflow : distance;
}

static __attribute__((noinline)) void
uncount_away(struct index_line *home, const struct index_line *from)
{
    const struct index_line *line = home;
    unsigned distance = 0, shift;

    for (; line != from; line = next_line(line)) {
        distance++;
        ASSERT(distance <= home->overflow); /* else the hash is another's */
    }
    shift = away_shift(distance);
    if ((home->displaced >> shift & AWAY_MOST) < AWAY_MOST)
        home->displaced -= 1u << shift;
    distance = farthest_away(home);
    if (distance < home->overflow)
        set_overflow(home, distance);
}

/* ---- change -------------------------------------------------------------- */

void
index_erase(struct index *ix, uint64_t hash, struct index_place place)
{
    struct partition *p = &ix->partition[index_partition(hash)];
    struct index_line *home = partition_line(p, home_line(p, hash));

    index_swap(place, 0);
    if (unlikely(place.line != home))
        uncount_away(home, place.line);
    add_items(p, -1);
}

static int
free_slot(const struct index_line *line)
{
    for (unsigned slot = 0; slot < LINE_SLOTS; slot++)
        if (slot_handle(line, slot) == 0)
            return (int)slot;
    return -1;
}

bool
index_place_handle(struct index_line *home, uint64_t hash, uint32_t handle)
{
    struct index_line *line = home;

    for (unsigned i = 0; i < MAX_TRAVEL; i++, line = next_line(line)) {
        int slot = free_slot(line);

        if (slot < 0)
            continue;
        if (i > 0)
            count_away(home, i);
        index_write_begin(line);
        line->tag[slot] = tag_of(hash);
        atomic_store_explicit(&line->handle[slot], handle,
            memory_order_relaxed);
        index_write_end(line);
        return true;
    }
    return false;
}

bool
index_insert(struct index *ix, uint64_t hash, uint32_t handle)
{
    struct partition *p = &ix->partition[index_partition(hash)];

    index_grow_step(ix, p);
    while (!index_place_handle(
        partition_line(p, home_line(p, hash)), hash, handle))
        if (!index_grow_now(ix, p))
            return false;
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
