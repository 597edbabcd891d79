/* SPDX-License-Identifier: BSD-3-Clause */
/* keys.h - a keyspace of numbered keys, for the benchmarks that need one. */
#pragma once

#include "bench/bench.h"
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>

struct bench_ks {
    struct slab *slab;
    struct keyspace_options options;
    struct ks *ks;
    struct ks_thread *t;
};

/* A keyspace as the daemon makes it by default, with this limit. Ends the
 * program if that fails. */
static inline void
bench_ks_open(struct bench_ks *b, size_t limit_bytes)
{
    struct slab_config slab = {
        .limit_bytes = limit_bytes, .backing = SLAB_MEMFD};
    struct ks_config cfg = {.n_databases = 1};
    struct buf err = {0};

    memset(b, 0, sizeof(*b));
    b->options.maxmemory_policy = KS_ALLKEYS_LRU;
    b->options.eviction_weight = 2;
    b->options.large_value_threshold = 16384;
    b->options.key_interning = 1;
    b->options.namespace_delimiter = xstrdup(":");
    b->options.namespace_prefixes = xstrdup("");
    b->options.max_namespaces = 1024;
    cfg.slab = b->slab = slab_new(&slab, &err);
    cfg.options = &b->options;
    hash_seed_random(&cfg.seed);
    b->ks = b->slab != NULL ? ks_new(&cfg, &err) : NULL;
    if (b->ks == NULL) {
        fprintf(stderr, "%.*s\n", STR_ARG(err));
        exit(1);
    }
    b->t = ks_thread_new(b->ks);
}

#define BENCH_KEY_BYTES 23

/* Write "user:%010zu:profile" at `out`; much faster than printf. */
static inline struct str
bench_key_name(char out[BENCH_KEY_BYTES], size_t number)
{
    memcpy(out, "user:0000000000:profile", BENCH_KEY_BYTES);
    for (unsigned at = 14; number > 0; at--, number /= 10)
        out[at] = (char)('0' + number % 10);
    return (struct str){out, BENCH_KEY_BYTES};
}
