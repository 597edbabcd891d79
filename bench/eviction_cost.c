/* SPDX-License-Identifier: BSD-3-Clause */
/* eviction_cost.c - CPU of an insertion in a full cache of 64-byte items, and
 * of the same in one that is not full: the difference is the eviction.
 *
 *   eviction_cost [--tsv]
 */
#include "bench/bench.h"
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT ((size_t)256 << 20)

struct cache {
    struct slab *slab;
    struct ks *ks;
    struct ks_thread *t, *maintainer;
    struct keyspace_options options;
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

/* Insert keys from..to-1; returns CPU ns of each, what the maintenance thread
 * would do meanwhile not counted. */
static double
insert(struct cache *c, size_t from, size_t to)
{
    static const char value[40];
    double ns = 0;

    for (size_t n = from; n < to;) {
        size_t end = MIN(to, n + 4096);
        double start = bench_cpu_ns();

        for (; n < end; n++) {
            char name[24];
            int len = snprintf(name, sizeof(name), "key:%014zx", n);
            struct ks_key key =
                ks_key(c->ks, 0, (struct str){name, (size_t)len});

            ASSERT(ks_set(c->t, &key, (struct str){value, sizeof(value)},
                       KS_NO_EXPIRY) == KS_OK);
        }
        ns += bench_cpu_ns() - start;
        (void)ks_maintain(c->maintainer);
        ks_thread_poll(c->t);
    }
    return ns / (double)(to - from);
}

static void
run(void *ctx)
{
    size_t n = bench_amount(2000000, 500000);
    struct cache full, roomy;
    double cost, plain;

    (void)ctx;
    open_cache(&full, LIMIT);
    (void)insert(&full, 0, LIMIT / 32); /* twice what it holds */
    /* as many keys are there, to have the same misses of the CPU's caches */
    open_cache(&roomy, 8 * LIMIT);
    (void)insert(&roomy, 0, LIMIT / 72);
    cost = insert(&full, LIMIT / 32, LIMIT / 32 + n);
    plain = insert(&roomy, LIMIT / 72, LIMIT / 72 + n);
    bench_sample("64-byte items/full", "insertion", "ns", cost);
    bench_sample("64-byte items/not full", "insertion", "ns", plain);
    bench_sample("64-byte items/difference", "eviction", "ns", cost - plain);
}

int
main(int argc, char **argv)
{
    bench_begin("eviction_cost", &argc, argv);
    for (unsigned i = 0; i < bench_rounds(); i++)
        bench_apart(run, NULL);
    return bench_end();
}
