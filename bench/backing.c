/* SPDX-License-Identifier: BSD-3-Clause */
/* backing.c - what backs the chunks: a memory file, anonymous memory, or that
 * with huge pages.
 *
 * Fills the region with chunks of 1 KiB, reads them in random order one after
 * the other (each read tells where the next one is), frees all, gives the pages
 * back to the kernel, and fills again.
 */
#include "bench/bench.h"

#include "slab/slab.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK 1024

static const struct variant {
    const char *name;
    enum slab_backing backing;
    enum slab_huge huge_pages;
} variants[] = {
    {"memfd", SLAB_MEMFD, SLAB_NOT_HUGE},
    {"anonymous", SLAB_ANONYMOUS, SLAB_NOT_HUGE},
    {"anonymous, huge pages", SLAB_ANONYMOUS, SLAB_HUGE},
};

struct run {
    const struct variant *variant;
    struct slab *slab;
    struct slab_thread *t;
    uint32_t *handles;
    size_t n;
};

static void
sample(const struct run *r, const char *what, const char *metric,
    const char *unit, double value)
{
    char name[128];

    snprintf(name, sizeof(name), "%s/%s", what, r->variant->name);
    bench_sample(name, metric, unit, value);
}

static void
fill(struct run *r, const char *what)
{
    double start = bench_cpu_ns();

    for (size_t i = 0; i < r->n; i++) {
        r->handles[i] = slab_alloc(r->t, CHUNK);
        ASSERT(r->handles[i] != 0);
        memset(slab_ptr(r->slab, r->handles[i]), 1, CHUNK);
    }
    sample(r, what, "CPU", "us/MiB",
        (bench_cpu_ns() - start) / 1e3 / ((double)r->n * CHUNK / MIB));
}

/* One cycle through all chunks, in random order (Sattolo). */
static void
link_chunks(struct run *r)
{
    uint64_t random = 88172645463325252u;

    for (size_t i = r->n - 1; i > 0; i--) {
        size_t j = bench_below(&random, i);
        uint32_t h = r->handles[i];

        r->handles[i] = r->handles[j];
        r->handles[j] = h;
    }
    for (size_t i = 0; i < r->n; i++) {
        uint32_t next = r->handles[(i + 1) % r->n];

        memcpy(slab_ptr(r->slab, r->handles[i]), &next, sizeof(next));
    }
}

static void
read_chunks(struct run *r)
{
    uint32_t at = r->handles[0];
    double start = bench_cpu_ns();

    for (size_t i = 0; i < r->n; i++)
        memcpy(&at, slab_ptr(r->slab, at), sizeof(at));
    ASSERT(at == r->handles[0]);
    sample(r, "random read", "CPU per read", "ns",
        (bench_cpu_ns() - start) / (double)r->n);
}

static void
give_back(struct run *r)
{
    size_t given = 0, more;
    double start;

    for (size_t i = 0; i < r->n; i++)
        slab_release_to_page(r->t, r->handles[i]);
    slab_thread_flush(r->t);
    start = bench_cpu_ns();
    while ((more = slab_trim(r->slab, 0, 0)) > 0)
        given += more;
    ASSERT(given >= r->n * CHUNK / 2);
    sample(r, "give back", "CPU", "us/MiB",
        (bench_cpu_ns() - start) / 1e3 / ((double)given / MIB));
}

static void
measure(void *ctx)
{
    struct run *r = ctx;
    struct slab_config cfg = {.limit_bytes = 2 * GIB,
        .backing = r->variant->backing, .huge_pages = r->variant->huge_pages};
    struct buf err = {0};

    if ((r->slab = slab_new(&cfg, &err)) == NULL) {
        fprintf(stderr, "%.*s\n", STR_ARG(err));
        exit(1);
    }
    r->t = slab_thread_new(r->slab);
    r->n = bench_amount(256, 96) * MIB / CHUNK;
    r->handles = xcalloc(r->n, sizeof(*r->handles));
    fill(r, "first fill");
    link_chunks(r);
    read_chunks(r);
    give_back(r);
    fill(r, "fill again");
}

int
main(int argc, char **argv)
{
    bench_begin("backing", &argc, argv);
    for (unsigned round = bench_rounds(); round > 0; round--)
        for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
            struct run r = {.variant = &variants[v]};

            bench_apart(measure, &r);
        }
    return bench_end();
}
