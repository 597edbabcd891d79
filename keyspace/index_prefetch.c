/* SPDX-License-Identifier: BSD-3-Clause */
/* index_prefetch.c - what a look-up will need is asked for ahead: the line of
 * the index first and, when that has come, the item that it leads to and its
 * mark. What was found is noted in the key (struct ks_ahead). Any thread, without
 * a lock.
 */
#include "keyspace/probe.h"

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
