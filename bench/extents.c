/* SPDX-License-Identifier: BSD-3-Clause */
/* extents.c - large values: extents against a mapping each, and malloc.
 *
 * A table of values of one size has random ones replaced: free one, allocate
 * another, write all of it, as a SET that is received into its place does. The
 * memory written is the same for all, so the difference is what the kernel does
 * for fresh pages and what the allocator does.
 *
 *   extents   of the slab: free ones stay resident for reuse, within a budget
 *             of 1.3 times the table: a cache that is nearly full
 *   mmap      a mapping for each value, unmapped when it goes
 *   malloc    of glibc: mmap above a threshold that follows what is freed
 */
#include "bench/bench.h"

#include "slab/slab.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static const struct size {
    const char *name;
    size_t bytes;
} value_sizes[] = {
    {"64 KiB", 64 * KIB},
    {"1 MiB", MIB},
    {"16 KiB to 1 MiB", 0}, /* any size in between */
};

enum variant { EXTENTS, MMAP, MALLOC };
static const char *const variant_names[] = {"extents", "mmap", "malloc"};

struct value {
    union {
        uint32_t extent;
        char *p;
    };
    size_t bytes;
};

struct run {
    const struct size *size;
    enum variant variant;
    struct slab *slab;
    struct value *values;
    size_t n, live_bytes;
    uint64_t random;
};

static void
value_new(struct run *r, struct value *v)
{
    char *p = NULL;

    v->bytes = r->size->bytes != 0 ? r->size->bytes
        : 16 * KIB + 1 + bench_below(&r->random, MIB - 16 * KIB);
    if (r->variant == EXTENTS) {
        v->extent = extent_new(r->slab, v->bytes);
        ASSERT(v->extent != 0 && extent_commit(r->slab, v->extent, v->bytes));
        p = extent_ptr(r->slab, v->extent);
    } else if (r->variant == MMAP) {
        p = v->p = mmap(NULL, v->bytes, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT(p != MAP_FAILED);
    } else {
        p = v->p = malloc(v->bytes);
        ASSERT(p != NULL);
    }
    memset(p, 1, v->bytes);
    bench_keep(p);
    r->live_bytes += v->bytes;
}

static void
value_free(struct run *r, struct value *v)
{
    r->live_bytes -= v->bytes;
    if (r->variant == EXTENTS)
        extent_unpin(r->slab, v->extent);
    else if (r->variant == MMAP)
        munmap(v->p, v->bytes);
    else
        free(v->p);
}

static void
measure(void *ctx)
{
    struct run *r = ctx;
    size_t table_bytes = bench_amount(128, 64) * MIB;
    struct slab_config cfg = {.limit_bytes = table_bytes / 10 * 13};
    struct buf err = {0};
    size_t mean = r->size->bytes != 0 ? r->size->bytes : 520 * KIB;
    size_t n_replaces = bench_amount(1024, 256) * MIB / mean, base;
    double start;
    char name[128];

    r->n = table_bytes / mean;
    r->random = 88172645463325252u;
    r->values = xcalloc(r->n, sizeof(*r->values));
    if (r->variant == EXTENTS && (r->slab = slab_new(&cfg, &err)) == NULL) {
        fprintf(stderr, "%.*s\n", STR_ARG(err));
        exit(1);
    }
    base = bench_rss();
    for (size_t i = 0; i < r->n; i++)
        value_new(r, &r->values[i]);
    start = bench_cpu_ns();
    for (size_t i = 0; i < n_replaces; i++) {
        struct value *v = &r->values[bench_below(&r->random, r->n)];

        value_free(r, v);
        value_new(r, v);
    }
    snprintf(name, sizeof(name), "%s/%s", r->size->name,
        variant_names[r->variant]);
    bench_sample(name, "CPU per replace", "us",
        (bench_cpu_ns() - start) / 1e3 / (double)n_replaces);
    bench_sample(name, "RSS per live byte", "B/B",
        (double)(bench_rss() - base) / (double)r->live_bytes);
}

int
main(int argc, char **argv)
{
    bench_begin("extents", &argc, argv);
    for (unsigned round = bench_rounds(); round > 0; round--)
        for (size_t s = 0; s < ARRAY_LEN(value_sizes); s++)
            for (int v = EXTENTS; v <= MALLOC; v++) {
                struct run r = {
                    .size = &value_sizes[s], .variant = (enum variant)v};

                bench_apart(measure, &r);
            }
    return bench_end();
}
