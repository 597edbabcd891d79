/* SPDX-License-Identifier: BSD-3-Clause */
/* compaction.c - what draining gives: memory after most items have gone, and in
 * a full cache whose sizes shift.
 *
 *   most deleted   items of 20 to 4000 bytes, mean 683; seven of ten, at
 *                  random, are deleted. The keyspace is then told to do with a
 *                  tenth more than what is left needs; malloc is asked to give
 *                  back what it can (malloc_trim).
 *   sizes shift    a cache whose keys are set to such values, more than fit, is
 *                  full; then every key is set to 500 to 866 bytes.
 *
 * RSS is compared with the bytes of keys and values that are there.
 */
#include "bench/keys.h"

#include <malloc.h>
#include <math.h>

#define N_SIZES 65536

enum mix { SMALL_MOSTLY, MIDDLE_ONLY };
static uint16_t sizes[2][N_SIZES];
static char value[4096];

static void
make_sizes(void)
{
    uint64_t random = 88172645463325252u;

    for (unsigned i = 0; i < N_SIZES; i++) {
        double u = (double)(bench_random(&random) >> 11) / 0x1p53;

        sizes[SMALL_MOSTLY][i] = (uint16_t)(20 + 3980 * pow(u, 5));
        sizes[MIDDLE_ONLY][i] = (uint16_t)(500 + 366 * u);
    }
}

static size_t
size_of(enum mix mix, size_t number)
{
    return sizes[mix][number * 40503 % N_SIZES];
}

static bool
is_kept(size_t number)
{
    uint64_t random = number * 2 + 1;

    (void)bench_random(&random);
    return bench_random(&random) % 10 < 3;
}

/* ---- most deleted -------------------------------------------------------- */

static size_t
n_items(void)
{
    return bench_amount(400000, 120000);
}

static void
set_number(struct bench_ks *b, size_t number, enum mix mix)
{
    char name[BENCH_KEY_BYTES];
    struct ks_key key = ks_key(b->ks, 0, bench_key_name(name, number));

    ASSERT(ks_set(b->t, &key, (struct str){value, size_of(mix, number)},
        KS_NO_EXPIRY) == KS_OK);
}

/* Slices until nothing changes any more; returns the CPU time. */
static double
maintain(struct bench_ks *b, struct ks_thread *maintainer)
{
    double start = bench_cpu_ns();
    size_t used;
    unsigned still = 0;

    while (still < 16) {
        used = slab_used(b->slab);
        ks_thread_poll(b->t);
        still = ks_maintain(maintainer) || slab_used(b->slab) != used
            ? 0 : still + 1;
    }
    return bench_cpu_ns() - start;
}

static size_t
delete_most(struct bench_ks *b)
{
    char name[BENCH_KEY_BYTES];
    size_t raw = 0;

    for (size_t i = 0; i < n_items(); i++) {
        struct ks_key key = ks_key(b->ks, 0, bench_key_name(name, i));

        if (is_kept(i))
            raw += BENCH_KEY_BYTES + size_of(SMALL_MOSTLY, i);
        else
            ASSERT(ks_delete(b->t, &key) == KS_OK);
    }
    return raw;
}

/* What the items that are left need, and a tenth more. */
static size_t
tight_limit(const struct bench_ks *b)
{
    struct slab_stats s;

    slab_stats(b->slab, &s);
    return s.used - s.page_bytes - s.page_free_bytes +
        (s.chunk_live_bytes - s.magazine_bytes) / 10 * 11;
}

static void
drain_after_deletes(void *ctx)
{
    struct ks_metrics before, after;
    struct ks_thread *maintainer;
    struct ks_db_stats items, left;
    struct bench_ks b;
    size_t raw, base, moved;
    double cpu;

    (void)ctx;
    bench_ks_open(&b, 2 * GIB);
    maintainer = ks_thread_new(b.ks);
    base = bench_rss();
    for (size_t i = 0; i < n_items(); i++)
        set_number(&b, i, SMALL_MOSTLY);
    raw = delete_most(&b);
    ks_db_stats(b.ks, 0, &items);
    (void)maintain(&b, maintainer);
    bench_sample("most deleted/keyspace", "RSS per raw byte, before", "B/B",
        (double)(bench_rss() - base) / (double)raw);
    ks_metrics(b.ks, &before);
    slab_set_limit(b.slab, tight_limit(&b));
    cpu = maintain(&b, maintainer);
    ks_metrics(b.ks, &after);
    ks_db_stats(b.ks, 0, &left);
    bench_sample("most deleted/keyspace", "RSS per raw byte, after", "B/B",
        (double)(bench_rss() - base) / (double)raw);
    bench_sample("most deleted/keyspace", "items lost", "%",
        100.0 * (double)(items.items - left.items) / (double)items.items);
    moved = (size_t)(after.moves - before.moves) * (raw / items.items);
    bench_sample("most deleted/keyspace", "moved", "MiB",
        (double)moved / (double)MIB);
    if (moved > 0)
        bench_sample("most deleted/keyspace", "CPU per MiB moved", "us",
            cpu / 1e3 / ((double)moved / MIB));
}

static void
malloc_after_deletes(void *ctx)
{
    char **items = xcalloc(n_items(), sizeof(*items));
    size_t raw = 0, base;

    (void)ctx;
    memset(items, 0xff, n_items() * sizeof(*items));
    base = bench_rss();
    for (size_t i = 0; i < n_items(); i++) {
        size_t bytes = BENCH_KEY_BYTES + size_of(SMALL_MOSTLY, i);

        items[i] = malloc(bytes);
        ASSERT(items[i] != NULL);
        memset(items[i], 1, bytes);
    }
    for (size_t i = 0; i < n_items(); i++) {
        if (is_kept(i))
            raw += BENCH_KEY_BYTES + size_of(SMALL_MOSTLY, i);
        else
            free(items[i]);
    }
    bench_sample("most deleted/malloc", "RSS per raw byte, before", "B/B",
        (double)(bench_rss() - base) / (double)raw);
    malloc_trim(0);
    bench_sample("most deleted/malloc", "RSS per raw byte, after", "B/B",
        (double)(bench_rss() - base) / (double)raw);
}

/* ---- sizes shift --------------------------------------------------------- */

struct raw_sum {
    size_t bytes;
    size_t old; /* items whose value is not of the new mix */
};

static bool
add_raw(void *ctx, struct str name, const struct ks_info *info)
{
    struct raw_sum *sum = ctx;
    size_t number = 0;

    for (size_t i = 5; i < 15; i++)
        number = number * 10 + (size_t)(name.p[i] - '0');
    sum->bytes += name.len + info->value_len;
    sum->old += info->value_len != size_of(MIDDLE_ONLY, number);
    return true;
}

static struct raw_sum
raw_bytes(struct bench_ks *b)
{
    struct raw_sum sum = {0};
    uint64_t cursor = 0;

    do
        cursor = ks_scan(b->t, 0, cursor, 1000, add_raw, &sum);
    while (cursor != 0);
    return sum;
}

/* Set all keys in an order that is not theirs; returns the most RSS seen. */
static size_t
set_all(struct bench_ks *b, struct ks_thread *maintainer, size_t n,
    enum mix mix)
{
    size_t peak = 0;

    for (size_t i = 0; i < n; i++) {
        set_number(b, i * 7368787 % n, mix);
        if (i % 256 == 0) {
            ks_thread_poll(b->t);
            (void)ks_maintain(maintainer);
        }
        if (i % 4096 == 0)
            peak = MAX(peak, bench_rss());
    }
    return MAX(peak, bench_rss());
}

static void
shift_sizes(void *ctx)
{
    size_t limit = bench_amount(128, 48) * MIB, n = limit / 500, peak, base;
    struct ks_thread *maintainer;
    struct raw_sum sum;
    struct bench_ks b;
    double start;

    (void)ctx;
    bench_ks_open(&b, limit);
    maintainer = ks_thread_new(b.ks);
    base = bench_rss();
    (void)set_all(&b, maintainer, n, SMALL_MOSTLY);
    (void)set_all(&b, maintainer, n, SMALL_MOSTLY);
    sum = raw_bytes(&b);
    bench_sample("sizes shift/keyspace", "RSS per raw byte, before", "B/B",
        (double)(bench_rss() - base) / (double)sum.bytes);
    start = bench_cpu_ns();
    peak = set_all(&b, maintainer, n, MIDDLE_ONLY);
    bench_sample("sizes shift/keyspace", "CPU per SET", "ns",
        (bench_cpu_ns() - start) / (double)n);
    sum = raw_bytes(&b);
    bench_sample("sizes shift/keyspace", "RSS per raw byte, after", "B/B",
        (double)(bench_rss() - base) / (double)sum.bytes);
    bench_sample("sizes shift/keyspace", "peak RSS of the limit", "%",
        100.0 * (double)(peak - base) / (double)limit);
    bench_sample("sizes shift/keyspace", "old items left", "",
        (double)sum.old);
}

int
main(int argc, char **argv)
{
    bench_begin("compaction", &argc, argv);
    make_sizes();
    for (unsigned round = bench_rounds(); round > 0; round--) {
        bench_apart(drain_after_deletes, NULL);
        bench_apart(malloc_after_deletes, NULL);
        bench_apart(shift_sizes, NULL);
    }
    return bench_end();
}
