/* SPDX-License-Identifier: BSD-3-Clause */
/* ghost.c - what is remembered of keys that were evicted: how often they were
 * hit. A key that returns soon begins with its history (mark.c), not as one
 * that nobody has ever asked for, so that what is asked for once goes before
 * what comes again and again.
 *
 * A table of words, found by the hash of the key. Each is a queue of the five
 * keys evicted last there, 12 bits for each: 9 of the hash, 3 of the count. One
 * new key in 100 is taken for another that was here. The hash is that of the
 * key in its space (space.c): after a flush of a space nothing in it is found.
 * The table has half a byte to one for each item in the cache, and none while
 * nothing is evicted.
 *
 * Any thread; races on a word cost a key's history, never correctness.
 * ghosts_fit() belongs to the one that maintains.
 */
#include "keyspace/density.h"

#include <errno.h>
#include <sys/mman.h>

#define MAP_BYTES (256 * MIB) /* of addresses: for as many items */
#define LEAST_MAP_BYTES MIB
#define LEAST_BYTES (4 * KIB)
#define TOUCH_BYTES (256 * KIB) /* in one step of maintenance */

/* Without an eviction for so long, 16 accesses per item, the table goes. */
#define UNUSED_TICKS (16 * TICKS_PER_ITEM_COUNT)

#define ENTRIES 5
#define ENTRY_BITS 12
#define WORD_MASK (((uint64_t)1 << ENTRIES * ENTRY_BITS) - 1)
#define ENTRY_MASK (((uint64_t)1 << ENTRY_BITS) - 1)
#define COUNT_BITS 3
#define COUNT_MASK (((uint64_t)1 << COUNT_BITS) - 1)
#define PRINT_MASK (((uint64_t)1 << (ENTRY_BITS - COUNT_BITS)) - 1)
#define PRINT_SHIFT 40 /* in the hash: apart from the bits that find the word */
_Static_assert(ENTRIES *ENTRY_BITS < 64, "they are in one word");

bool
ghosts_init(struct ghosts *g, struct slab *slab, struct buf *err)
{
    void *map;

    g->slab = slab;
    /* no memory, and no promise of any, before ghosts_fit() */
    for (g->map_bytes = MAP_BYTES;; g->map_bytes /= 2) {
        map = mmap(NULL, g->map_bytes, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map != MAP_FAILED)
            break;
        if (g->map_bytes <= LEAST_MAP_BYTES) {
            buf_printf(err, "cannot reserve %zu KiB of addresses: %s",
                g->map_bytes / KIB, strerror(errno));
            return false;
        }
    }
    (void)madvise(map, g->map_bytes, MADV_DONTDUMP);
    (void)madvise(map, g->map_bytes, MADV_NOHUGEPAGE);
    g->word = map;
    return true;
}

size_t
ghosts_bytes(const struct ghosts *g)
{
    return atomic_load_explicit(&g->n_words, memory_order_relaxed) *
        sizeof(g->word[0]);
}

void
ghosts_destroy(struct ghosts *g)
{
    slab_uncharge_from(g->slab, SLAB_GHOSTS, g->touched_bytes);
    munmap((void *)g->word, g->map_bytes);
}

/* ---- entries ------------------------------------------------------------- */

/* NULL while there is no table. Acquire: pairs with resize(), which makes the
 * word accessible before. */
static _Atomic uint64_t *
word_of(const struct ghosts *g, uint64_t hash)
{
    uint32_t n = atomic_load_explicit(&g->n_words, memory_order_acquire);

    return n == 0 ? NULL : &g->word[(uint32_t)hash & (n - 1)];
}

/* Not 0: an entry of zeros is none. */
static uint64_t
print_of(uint64_t hash)
{
    uint64_t print = hash >> PRINT_SHIFT & PRINT_MASK;

    return print != 0 ? print : 1;
}

void
ghost_prefetch(const struct ghosts *g, uint64_t hash)
{
    const _Atomic uint64_t *word = word_of(g, hash);

    if (word != NULL)
        __builtin_prefetch((const void *)word, 1);
}

void
ghost_put(struct ghosts *g, uint64_t hash, unsigned count)
{
    _Atomic uint64_t *word = word_of(g, hash);
    uint64_t w;

    /* a line that all threads read: written once in a while */
    if (unlikely(!atomic_load_explicit(&g->wanted, memory_order_relaxed)))
        atomic_store_explicit(&g->wanted, true, memory_order_relaxed);
    if (word == NULL)
        return;
    w = atomic_load_explicit(word, memory_order_relaxed);
    w = w << ENTRY_BITS | print_of(hash) << COUNT_BITS | (count & COUNT_MASK);
    atomic_store_explicit(word, w & WORD_MASK, memory_order_relaxed);
}

bool
ghost_take(struct ghosts *g, uint64_t hash, unsigned *count)
{
    _Atomic uint64_t *word = word_of(g, hash);
    uint64_t w, newer;

    if (word == NULL)
        return false;
    w = atomic_load_explicit(word, memory_order_relaxed);
    for (unsigned at = 0; at < ENTRIES * ENTRY_BITS; at += ENTRY_BITS) {
        uint64_t entry = w >> at & ENTRY_MASK;

        if (entry >> COUNT_BITS != print_of(hash))
            continue;
        *count = (unsigned)(entry & COUNT_MASK);
        newer = w & (((uint64_t)1 << at) - 1);
        w = (w >> at >> ENTRY_BITS << at) | newer;
        atomic_store_explicit(word, w, memory_order_relaxed);
        return true;
    }
    return false;
}

/* ---- size ---------------------------------------------------------------- */

/* A power of two, at most the number of items: doubled when there are twice as
 * many items as bytes, halved when there are a quarter less. */
static size_t
bytes_for(const struct ghosts *g, size_t items)
{
    size_t bytes = MAX(ghosts_bytes(g), LEAST_BYTES);

    while (bytes * 2 <= MIN(items, g->map_bytes))
        bytes *= 2;
    while (bytes > LEAST_BYTES && items < bytes / 4 * 3)
        bytes /= 2;
    return bytes;
}

/* Has anything been evicted lately, and may be again? */
static bool
is_of_use(struct ks_thread *t, struct ghosts *g)
{
    uint32_t now = now_tick(t->ks);

    if (evict_policy(t) == KS_NOEVICTION)
        return false;
    if (atomic_load_explicit(&g->wanted, memory_order_relaxed)) {
        atomic_store_explicit(&g->wanted, false, memory_order_relaxed);
        g->used_tick = now;
        return true;
    }
    return g->touched_bytes > 0 && now - g->used_tick < UNUSED_TICKS;
}

/* As much of that as there is room for: doubled so often. Room for the rest is
 * made with the reserve (expire.c). */
static size_t
bytes_now(struct ks_thread *t, size_t have, size_t most)
{
    struct ghosts *g = &t->ks->ghosts;
    size_t room = slab_headroom(t->slab), bytes = have;

    while (bytes < most &&
        MAX(2 * bytes, LEAST_BYTES) <= room + MAX(have, g->touched_bytes))
        bytes = MAX(2 * bytes, LEAST_BYTES);
    g->lack_bytes = bytes < most ? MAX(bytes, LEAST_BYTES) : 0;
    return bytes;
}

/* Make the next piece resident, up to `want`; true when all of it is. Else
 * whoever evicts would meet its pages first, 10 us each. */
static bool
touch(struct ghosts *g, size_t want)
{
    size_t have = g->touched_bytes, n = MIN(want - have, TOUCH_BYTES);
    char *at = (char *)(void *)g->word + have;

    if (mprotect(at, n, PROT_READ | PROT_WRITE) != 0)
        return false; /* it stays as it is */
#ifdef MADV_POPULATE_WRITE
    (void)madvise(at, n, MADV_POPULATE_WRITE);
#endif
    slab_charge_to(g->slab, SLAB_GHOSTS, n);
    g->touched_bytes += n;
    return g->touched_bytes == want;
}

/* Words that come are empty, and half of the keys are looked for in these from
 * then on: forgotten, as are those in words that go. */
static void
use(struct ghosts *g, size_t bytes)
{
    atomic_store_explicit(&g->n_words, (uint32_t)(bytes / sizeof(g->word[0])),
        memory_order_release);
}

static void
shrink(struct ghosts *g, size_t want)
{
    size_t less = g->touched_bytes - want;

    use(g, want);
    /* who has read the former size may touch a page of it once more */
    (void)madvise((char *)(void *)g->word + want, less, MADV_DONTNEED);
    slab_uncharge_from(g->slab, SLAB_GHOSTS, less);
    g->touched_bytes = want;
}

bool
ghosts_fit(struct ks_thread *t)
{
    struct ghosts *g = &t->ks->ghosts;
    size_t have = ghosts_bytes(g), touched = g->touched_bytes;
    size_t want = is_of_use(t, g) ? bytes_for(g, tick_items(t->ks)) : 0;

    if (want >= have)
        want = bytes_now(t, have, want);
    else
        g->lack_bytes = 0;
    if (want < touched) {
        shrink(g, want);
    } else if (want > have) {
        if (want > touched && !touch(g, want))
            return g->touched_bytes > touched;
        use(g, want);
    }
    return false;
}
