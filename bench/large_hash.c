/* SPDX-License-Identifier: BSD-3-Clause */
/* large_hash.c - the longest that one command on a field of a large hash takes,
 * while it grows from nothing, and when it goes as a whole; CPU time of the
 * thread, so that what else the machine does is not counted.
 *
 *   large_hash [--tsv] [FIELDS]
 */
#include "bench/bench.h"
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT ((size_t)4 << 30)

struct cache {
    struct slab *slab;
    struct ks *ks;
    struct ks_thread *t;
    struct keyspace_options options;
    struct ks_key key;
    size_t n; /* fields */
};

static void
open_cache(struct cache *c, size_t n)
{
    struct slab_config slab_cfg = {.limit_bytes = LIMIT};
    struct ks_config cfg = {.n_databases = 1, .options = &c->options};
    struct buf err = {0};

    *c = (struct cache){.n = n,
        .options = {.eviction_weight = 2, .large_value_threshold = 16384}};
    cfg.slab = c->slab = slab_new(&slab_cfg, &err);
    hash_seed_random(&cfg.seed);
    c->ks = c->slab != NULL ? ks_new(&cfg, &err) : NULL;
    if (c->ks == NULL) {
        fprintf(stderr, "large_hash: %.*s\n", (int)err.len, err.p);
        exit(1);
    }
    c->t = ks_thread_new(c->ks);
    c->key = ks_key(c->ks, 0, STR("large"));
}

/* ---- commands on one field ----------------------------------------------- */

static struct str
name_of(size_t i, char text[32])
{
    return (struct str){text, (size_t)snprintf(text, 32, "field:%08zu", i)};
}

static struct hash_edit *
begin(struct cache *c, enum hash_need need, size_t n, size_t bytes)
{
    struct hash_edit *e;

    ASSERT(hash_edit(c->t, &c->key, need, n, bytes, &e) == KS_OK);
    return e;
}

static void
set(struct cache *c, size_t i)
{
    char text[32], value[32];
    struct str name = name_of(i, text);
    size_t len = (size_t)snprintf(value, sizeof(value), "value of %07zu", i);
    struct hash_edit *e = begin(c, HASH_CREATE, 1, name.len + len);

    (void)hash_edit_set(e, name, (struct str){value, len}, KS_NO_EXPIRY);
    ASSERT(hash_edit_end(e, NULL) == KS_OK);
}

static void
replace(struct cache *c, size_t i)
{
    char text[32];
    struct str name = name_of(i, text);
    struct hash_edit *e = begin(c, HASH_MUST_EXIST, 1, name.len + 24);

    (void)hash_edit_set(e, name, STR("another longer value"), KS_NO_EXPIRY);
    ASSERT(hash_edit_end(e, NULL) == KS_OK);
}

static char *
place(void *ctx, size_t len)
{
    ASSERT(len < 64);
    return ctx;
}

static void
get(struct cache *c, size_t i)
{
    char text[32], value[64];
    struct ks_info info;

    ASSERT(hash_get(c->t, &c->key, KS_READ, name_of(i, text), place, value,
               &info) == KS_OK);
}

static void
expire(struct cache *c, size_t i)
{
    char text[32];
    struct str name = name_of(i, text);
    struct hash_edit *e = begin(c, HASH_MUST_EXIST, 1, name.len);

    ASSERT(hash_edit_expire(e, name, clock_wall_ms() + 86400000));
    ASSERT(hash_edit_end(e, NULL) == KS_OK);
}

static void
delete_field(struct cache *c, size_t i)
{
    char text[32];
    struct hash_edit *e = begin(c, HASH_MUST_EXIST, 0, 0);

    ASSERT(hash_edit_delete(e, name_of(i, text)));
    ASSERT(hash_edit_end(e, NULL) == KS_OK);
}

/* ---- measuring ----------------------------------------------------------- */

typedef void (*command_fn)(struct cache *c, size_t i);

/* A command on so many fields; the longest and the mean. */
static void
measure(struct cache *c, const char *name, command_fn fn, size_t n)
{
    double longest = 0, sum = 0, start = bench_cpu_ns();

    for (size_t i = 0; i < n; i++) {
        double now;

        fn(c, i);
        now = bench_cpu_ns();
        longest = MAX(longest, now - start);
        sum += now - start;
        start = now;
    }
    bench_sample(name, "longest", "us", longest / 1000);
    bench_sample(name, "mean", "us", sum / (double)n / 1000);
}

static void
fill(struct cache *c)
{
    for (size_t i = 0; i < c->n; i++)
        set(c, i);
}

/* It goes as a whole: eviction and expiry do the same. */
static void
measure_end(struct cache *c)
{
    double start = bench_cpu_ns();

    ASSERT(ks_delete(c->t, &c->key) == KS_OK);
    bench_sample("DEL", "longest", "us", (bench_cpu_ns() - start) / 1000);
}

static void
run(void *ctx)
{
    struct cache c;
    size_t before;

    open_cache(&c, *(size_t *)ctx);
    before = slab_used(c.slab);
    measure(&c, "HSET new", set, c.n);
    bench_sample("fields", "memory", "bytes/field",
        (double)(slab_used(c.slab) - before) / (double)c.n);
    measure(&c, "HSET same", set, c.n);
    measure(&c, "HGET", get, c.n);
    measure(&c, "HEXPIRE first", expire, 1);
    measure(&c, "HEXPIRE", expire, c.n);
    measure(&c, "HSET longer", replace, c.n);
    bench_sample("replaced", "memory", "bytes/field",
        (double)(slab_used(c.slab) - before) / (double)c.n);
    measure(&c, "HDEL", delete_field, c.n - 1);
    fill(&c);
    measure_end(&c);
    ks_thread_free(c.t);
    ks_free(c.ks);
    slab_free(c.slab);
}

int
main(int argc, char **argv)
{
    size_t n;

    bench_begin("large_hash", &argc, argv);
    n = argc > 1 ? strtoul(argv[1], NULL, 10) : bench_amount(4000000, 1000000);
    bench_apart(run, &n);
    return bench_end();
}
