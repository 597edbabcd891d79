/* SPDX-License-Identifier: BSD-3-Clause */
/* index.c - what look-ups gain from aligned lines and from prefetching.
 *
 * 10 M keys, asked for uniformly, in batches of 50 as a pipeline brings them.
 *
 *   keyspace   the real one: ks_get() one after the other, against a pass over
 *              the batch that prefetches the lines and one for the items
 *   lines      a bare table of 64-byte lines (tags, then numbers of items) and
 *              an array of items: lines aligned to cache lines, against lines
 *              that begin in the middle of one, each with and without prefetch
 */
#include "bench/keys.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BATCH 50
#define VALUE_BYTES 32

static double
per_lookup(double start, size_t n)
{
    return (bench_cpu_ns() - start) / (double)n;
}

/* ---- the keyspace -------------------------------------------------------- */

static char *
place(void *ctx, size_t len)
{
    ASSERT(len == VALUE_BYTES);
    return ctx;
}

enum prefetch { PLAIN, PREFETCH };

static void
get_batches(struct bench_ks *b, size_t n_keys, size_t n, enum prefetch how)
{
    struct ks_key keys[BATCH];
    char names[BATCH][BENCH_KEY_BYTES], value[VALUE_BYTES];
    uint64_t random = 88172645463325252u;
    struct ks_info info;

    for (size_t done = 0; done < n; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            keys[i] = ks_key(b->ks, 0,
                bench_key_name(names[i], bench_below(&random, n_keys)));
        if (how == PREFETCH) {
            ks_prefetch_lines(b->ks, keys, BATCH);
            ks_prefetch_items(b->ks, keys, BATCH);
        }
        for (size_t i = 0; i < BATCH; i++) {
            ASSERT(ks_get(b->t, &keys[i], KS_READ, place, value, &info) ==
                KS_OK);
            bench_keep(value);
        }
        ks_thread_poll(b->t);
    }
}

static void
keyspace_lookups(void *ctx)
{
    size_t n_keys = bench_amount(10000000, 1000000);
    size_t n = bench_amount(1000000, 500000);
    char name[BENCH_KEY_BYTES], value[VALUE_BYTES] = {0};
    struct bench_ks b;

    (void)ctx;
    bench_ks_open(&b, 4 * GIB);
    for (size_t i = 0; i < n_keys; i++) {
        struct ks_key key = ks_key(b.ks, 0, bench_key_name(name, i));

        ASSERT(ks_set(b.t, &key, (struct str){value, VALUE_BYTES},
            KS_NO_EXPIRY) == KS_OK);
    }
    for (unsigned round = bench_rounds(); round > 0; round--) {
        double start = bench_cpu_ns();

        get_batches(&b, n_keys, n, PLAIN);
        bench_sample("keyspace/one by one", "CPU per GET", "ns",
            per_lookup(start, n));
        start = bench_cpu_ns();
        get_batches(&b, n_keys, n, PREFETCH);
        bench_sample("keyspace/prefetch", "CPU per GET", "ns",
            per_lookup(start, n));
    }
}

/* ---- bare lines ---------------------------------------------------------- */

#define SLOTS 12

struct line {
    uint8_t tag[16]; /* SLOTS of them in use */
    uint32_t item[SLOTS]; /* number + 1; 0: free */
};
_Static_assert(sizeof(struct line) == CACHE_LINE, "one cache line");

struct item {
    uint64_t key;
    char value[VALUE_BYTES];
};

struct lines {
    char *base; /* aligned to a cache line, or 32 bytes after that */
    size_t n;
    const struct item *items;
};

static uint64_t
hash_of(uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    key ^= key >> 32;
    return key * 0xd6e8feb86659fd93u;
}

/* By copying: a line need not be where the type wants it. */
static struct line *
line_at(const struct lines *l, size_t at)
{
    return (struct line *)(void *)(l->base + at * sizeof(struct line));
}

static size_t
home_of(const struct lines *l, uint64_t hash)
{
    return (size_t)(((unsigned __int128)hash * l->n) >> 64);
}

static unsigned
same_tags(const struct line *line, uint8_t tag)
{
#if defined(__SSE2__)
    __m128i tags = _mm_loadu_si128((const __m128i *)(const void *)line->tag);

    return (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & ((1u << SLOTS) - 1);
#else
    unsigned found = 0;

    for (unsigned i = 0; i < SLOTS; i++)
        found |= (unsigned)(line->tag[i] == tag) << i;
    return found;
#endif
}

static void
lines_add(struct lines *l, uint64_t key, uint32_t item)
{
    uint64_t hash = hash_of(key);

    for (size_t at = home_of(l, hash);; at = (at + 1) % l->n) {
        struct line *line = line_at(l, at);

        for (unsigned slot = 0; slot < SLOTS; slot++)
            if (line->item[slot] == 0) {
                line->tag[slot] = (uint8_t)hash;
                line->item[slot] = item + 1;
                return;
            }
    }
}

static const struct item *
lines_find(const struct lines *l, uint64_t key, uint64_t hash)
{
    for (size_t at = home_of(l, hash);; at = (at + 1) % l->n) {
        const struct line *line = line_at(l, at);

        for (unsigned m = same_tags(line, (uint8_t)hash); m != 0; m &= m - 1) {
            uint32_t item = line->item[__builtin_ctz(m)];

            if (item != 0 && l->items[item - 1].key == key)
                return &l->items[item - 1];
        }
        if (line->item[SLOTS - 1] == 0)
            return NULL;
    }
}

static void
prefetch_item(const struct lines *l, uint64_t hash)
{
    const struct line *line = line_at(l, home_of(l, hash));
    unsigned m = same_tags(line, (uint8_t)hash);
    uint32_t item = m != 0 ? line->item[__builtin_ctz(m)] : 0;

    if (item != 0)
        __builtin_prefetch(&l->items[item - 1]);
}

static void
prefetch_line(const struct lines *l, uint64_t hash)
{
    const char *line = (const char *)line_at(l, home_of(l, hash));

    __builtin_prefetch(line);
    if ((uintptr_t)line % CACHE_LINE != 0)
        __builtin_prefetch(line + CACHE_LINE - 1);
}

static void
find_batches(const struct lines *l, size_t n_keys, size_t n, enum prefetch how)
{
    uint64_t random = 88172645463325252u, key[BATCH], hash[BATCH];
    char value[VALUE_BYTES];

    for (size_t done = 0; done < n; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            key[i] = bench_below(&random, n_keys);
            hash[i] = hash_of(key[i]);
        }
        for (size_t i = 0; i < BATCH && how == PREFETCH; i++)
            prefetch_line(l, hash[i]);
        for (size_t i = 0; i < BATCH && how == PREFETCH; i++)
            prefetch_item(l, hash[i]);
        for (size_t i = 0; i < BATCH; i++) {
            const struct item *item = lines_find(l, key[i], hash[i]);

            ASSERT(item != NULL);
            memcpy(value, item->value, VALUE_BYTES);
            bench_keep(value);
        }
    }
}

static void
make_lines(struct lines *l, struct item *items, size_t n_keys, size_t offset)
{
    char *p;

    l->n = n_keys / SLOTS * 4 / 3;
    l->items = items;
    p = aligned_alloc(CACHE_LINE, (l->n + 1) * CACHE_LINE);
    ASSERT(p != NULL);
    memset(p, 0, (l->n + 1) * CACHE_LINE);
    l->base = p + offset;
    for (size_t i = 0; i < n_keys; i++)
        lines_add(l, items[i].key, (uint32_t)i);
}

static void
line_lookups(void *ctx)
{
    static const char *const names[2][2] = {
        {"lines/aligned, one by one", "lines/aligned, prefetch"},
        {"lines/misaligned, one by one", "lines/misaligned, prefetch"}};
    size_t n_keys = bench_amount(10000000, 1000000);
    size_t n = bench_amount(1000000, 500000);
    struct item *items = xcalloc(n_keys, sizeof(*items));
    struct lines tables[2];

    (void)ctx;
    for (size_t i = 0; i < n_keys; i++) /* in an order that is not the keys' */
        items[i].key = (i * 7368787) % n_keys;
    make_lines(&tables[0], items, n_keys, 0);
    make_lines(&tables[1], items, n_keys, CACHE_LINE / 2);
    for (unsigned round = bench_rounds(); round > 0; round--)
        for (size_t t = 0; t < 2; t++)
            for (int how = PLAIN; how <= PREFETCH; how++) {
                double start = bench_cpu_ns();

                find_batches(&tables[t], n_keys, n, (enum prefetch)how);
                bench_sample(names[t][how], "CPU per look-up", "ns",
                    per_lookup(start, n));
            }
}

int
main(int argc, char **argv)
{
    bench_begin("index", &argc, argv);
    bench_apart(keyspace_lookups, NULL);
    bench_apart(line_lookups, NULL);
    return bench_end();
}
