/* SPDX-License-Identifier: BSD-3-Clause */
/* eviction_cost.c - CPU of an insertion in a full cache of 64-byte items, and
 * of the same in one that is not full: the difference is the eviction.
 *
 *   eviction_cost [--tsv]
 *
 * Both caches hold the same number of items and have found their size, so that
 * no index grows in either: from the one that is not full the oldest keys are
 * deleted, which is not counted. They take insertions by turns, in portions
 * short enough for the machine to be the same for both; a sample is the median
 * of many portions. What the maintenance thread would do meanwhile is counted.
 */
#include "bench/bench.h"
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT ((size_t)256 << 20)
#define ROOMY (LIMIT / 2 * 3)  /* less than has huge pages */
#define FULL_KEYS (LIMIT / 32) /* twice what it holds */
#define PORTION 4096           /* insertions */
#define PORTIONS 64            /* of a sample */

struct cache {
    struct slab *slab;
    struct ks *ks;
    struct ks_thread *t, *maintainer;
    struct keyspace_options options;
    size_t first, end; /* keys that were inserted and not deleted */
};

static void
open_cache(struct cache *c, size_t limit)
{
    struct slab_config slab_cfg = {.limit_bytes = limit};
    struct ks_config cfg = {.n_databases = 1, .options = &c->options};
    struct buf err = {0};

    c->options = (struct keyspace_options){
        .eviction_weight = 2, .large_value_threshold = 16384};
    cfg.slab = c->slab = slab_new(&slab_cfg, &err);
    hash_seed_random(&cfg.seed);
    c->ks = c->slab != NULL ? ks_new(&cfg, &err) : NULL;
    if (c->ks == NULL) {
        fprintf(stderr, "eviction_cost: %.*s\n", (int)err.len, err.p);
        exit(1);
    }
    c->t = ks_thread_new(c->ks);
    c->maintainer = ks_thread_new(c->ks);
}

static struct ks_key
key_of(const struct cache *c, size_t n, char name[24])
{
    int len = snprintf(name, 24, "key:%014zx", n);

    return ks_key(c->ks, 0, (struct str){name, (size_t)len});
}

/* Insert the next keys; returns CPU ns of each. */
static double
insert(struct cache *c, size_t n)
{
    static const char value[40];
    double start = bench_cpu_ns();
    char name[24];

    for (size_t i = 0; i < n; i++) {
        struct ks_key key = key_of(c, c->end++, name);

        ASSERT(ks_set(c->t, &key, (struct str){value, sizeof(value)},
                   KS_NO_EXPIRY) == KS_OK);
    }
    (void)ks_maintain(c->maintainer);
    ks_thread_poll(c->t);
    return (bench_cpu_ns() - start) / (double)n;
}

/* Delete the oldest until `n_left` are left. */
static void
thin_out(struct cache *c, size_t n_left)
{
    char name[24];

    for (; c->end - c->first > n_left; c->first++) {
        struct ks_key key = key_of(c, c->first, name);

        ASSERT(ks_delete(c->t, &key) == KS_OK);
    }
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *value, size_t n)
{
    qsort(value, n, sizeof(*value), by_value);
    return value[n / 2];
}

static size_t
n_items(const struct cache *c)
{
    struct ks_db_stats stats;

    ks_db_stats(c->ks, 0, &stats);
    return stats.items;
}

static void
measure(struct cache *full, struct cache *roomy)
{
    size_t n = bench_amount(PORTIONS, PORTIONS / 4);
    double cost[PORTIONS], plain[PORTIONS], difference[PORTIONS];

    for (size_t i = 0; i < n; i++) {
        cost[i] = insert(full, PORTION);
        plain[i] = insert(roomy, PORTION);
        thin_out(roomy, n_items(full));
        difference[i] = cost[i] - plain[i];
    }
    bench_sample("64-byte items/full", "insertion", "ns", median(cost, n));
    bench_sample("64-byte items/not full", "insertion", "ns", median(plain, n));
    bench_sample(
        "64-byte items/difference", "eviction", "ns", median(difference, n));
}

static void
run(void *ctx)
{
    struct cache full = {0}, roomy = {0};
    size_t n;

    (void)ctx;
    open_cache(&full, LIMIT);
    while (full.end < FULL_KEYS)
        (void)insert(&full, PORTION);
    n = n_items(&full);
    open_cache(&roomy, ROOMY);
    while (roomy.end < n + n / 4) {
        (void)insert(&roomy, PORTION);
        thin_out(&roomy, n);
    }
    for (unsigned i = 0; i < bench_rounds(); i++)
        measure(&full, &roomy);
}

int
main(int argc, char **argv)
{
    bench_begin("eviction_cost", &argc, argv);
    bench_apart(run, NULL);
    return bench_end();
}
