/* SPDX-License-Identifier: BSD-3-Clause */
/* pool.c - objects of one size: the pool against malloc.
 *
 * The objects are those of a daemon: the state of a connection (288 bytes, for
 * its whole life) and its input and output (232 and 112 bytes, only while there
 * is something in them). All start zeroed. Two patterns:
 *
 *   batch    16 objects are taken and put back, again and again: what a worker
 *            does with inputs and outputs
 *   crowd    10000 live objects, of which random ones leave and as many come;
 *            then nine of ten leave: what is still resident for those that stay
 */
#include "bench/bench.h"

#include "slab/slab.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 16
#define CROWD 10000
#define TURN 64 /* leave the crowd before as many come */

static const struct kind {
    const char *name;
    size_t bytes;
} kinds[] = {
    {"connection, 288 B", 288},
    {"input, 232 B", 232},
    {"output, 112 B", 112},
};

struct run {
    const struct kind *kind;
    struct pool *pool; /* NULL: calloc and free */
    const char *variant;
};

static void *
get(const struct run *r)
{
    void *p = r->pool != NULL ? pool_get(r->pool) : calloc(1, r->kind->bytes);

    ASSERT(p != NULL);
    return p;
}

static void
put(const struct run *r, void *p)
{
    if (r->pool != NULL)
        pool_put(r->pool, p);
    else
        free(p);
}

static void
sample(const struct run *r, const char *pattern, const char *metric,
    const char *unit, double value)
{
    char name[128];

    snprintf(name, sizeof(name), "%s, %s/%s", r->kind->name, pattern,
        r->variant);
    bench_sample(name, metric, unit, value);
}

static void
batches(const struct run *r)
{
    size_t n = bench_amount(400000, 100000);
    void *p[BATCH];
    double start = bench_cpu_ns();

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < BATCH; j++) {
            p[j] = get(r);
            bench_keep(p[j]);
        }
        for (size_t j = BATCH; j > 0; j--)
            put(r, p[j - 1]);
    }
    sample(r, "batch", "CPU per get and put", "ns",
        (bench_cpu_ns() - start) / (double)(n * BATCH));
}

static void
crowd(const struct run *r)
{
    size_t n = bench_amount(2000000, 500000), base, left = 0;
    void **p = xcalloc(CROWD, sizeof(*p));
    uint64_t random = 88172645463325252u;
    double start;

    for (size_t i = 0; i < CROWD; i++)
        p[i] = NULL;
    base = bench_rss();
    for (size_t i = 0; i < CROWD; i++)
        memset(p[i] = get(r), 1, r->kind->bytes);
    sample(r, "crowd", "RSS per object", "B",
        (double)(bench_rss() - base) / CROWD);
    start = bench_cpu_ns();
    for (size_t i = 0; i < n; i += TURN) {
        size_t first = bench_below(&random, CROWD), at[TURN];

        for (size_t j = 0; j < TURN; j++) {
            at[j] = (first + j * 7919) % CROWD; /* no one twice */
            put(r, p[at[j]]);
        }
        for (size_t j = TURN; j > 0; j--)
            memset(p[at[j * 37 % TURN]] = get(r), 1, 64);
    }
    sample(r, "crowd", "CPU per get and put", "ns",
        (bench_cpu_ns() - start) / (double)n);
    for (size_t i = 0; i < CROWD; i++) {
        if (i / 1000 == 4) {
            left++;
            continue;
        }
        put(r, p[i]);
    }
    sample(r, "crowd", "RSS per object, 1 in 10 left", "B",
        (double)(bench_rss() - MIN(base, bench_rss())) / (double)left);
}

static void
measure(void *ctx)
{
    const struct run *r = ctx;

    batches(r);
    crowd(r);
}

int
main(int argc, char **argv)
{
    bench_begin("pool", &argc, argv);
    for (unsigned round = bench_rounds(); round > 0; round--)
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct run r = {&kinds[k],
                pool_new(NULL, "bench", kinds[k].bytes), "pool"};

            bench_apart(measure, &r);
            pool_free(r.pool);
            r = (struct run){&kinds[k], NULL, "malloc"};
            bench_apart(measure, &r);
        }
    return bench_end();
}
