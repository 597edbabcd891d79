/* SPDX-License-Identifier: BSD-3-Clause */
/* arena.c - the memory of a request: none, an arena, or malloc.
 *
 * A pipeline of requests is parsed and each of them executed as far as memory
 * goes: the argument vector and a copy of each argument, kept until the batch
 * is done, and released. Variants:
 *
 *   in place   nothing is copied: arguments point into the input, which is what
 *              the daemon does
 *   arena      a vector and copies from an arena that is reset after the batch
 *   malloc     a vector and copies by malloc, each freed after the batch: what
 *              servers do that have reference-counted arguments
 */
#include "bench/bench.h"

#include "protocol/resp.h"
#include "slab/slab.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_COMMANDS 64
#define ARENA_ALIGN 16 /* of all it hands out */
#define MALLOC_HEADER sizeof(size_t)

static const struct mix {
    const char *name;
    int argc;
    size_t value_bytes; /* of the last argument; 0: it is a key */
} mixes[] = {
    {"GET", 2, 0},
    {"SET of 32 B", 3, 32},
    {"SET of 1 KiB", 3, 1024},
    {"MGET of 10", 11, 0},
};

enum variant { IN_PLACE, ARENA, MALLOC };
static const char *const variant_names[] = {"in place", "arena", "malloc"};

struct argument {
    char *p;
    size_t len;
};

struct kept {
    struct argument *argv;
    int argc;
};

struct run {
    const struct mix *mix;
    enum variant variant;
    struct arena *arena;
    struct buf input;
    size_t bytes; /* held at the end of the last batch */
};

static void
make_input(struct run *r)
{
    for (unsigned i = 0; i < BATCH_COMMANDS; i++) {
        buf_printf(&r->input, "*%d\r\n$3\r\nCMD\r\n", r->mix->argc);
        for (int j = 1; j < r->mix->argc; j++) {
            if (j + 1 == r->mix->argc && r->mix->value_bytes != 0)
                buf_printf(&r->input, "$%zu\r\n%0*d\r\n", r->mix->value_bytes,
                    (int)r->mix->value_bytes, 7);
            else
                buf_printf(&r->input, "$23\r\nuser:%010u:profile\r\n",
                    i * 10 + (unsigned)j);
        }
    }
}

static void *
take(struct run *r, size_t bytes)
{
    void *p;

    if (r->variant == ARENA) {
        r->bytes += ROUND_UP(bytes, ARENA_ALIGN);
        return arena_alloc(r->arena, bytes);
    }
    p = malloc(bytes);
    ASSERT(p != NULL);
    r->bytes += malloc_usable_size(p) + MALLOC_HEADER;
    return p;
}

static void
keep_command(struct run *r, const struct resp_parser *p, struct kept *k)
{
    k->argc = p->argc;
    if (r->variant == IN_PLACE) {
        bench_keep(p->argv);
        return;
    }
    k->argv = take(r, (size_t)p->argc * sizeof(*k->argv));
    for (int i = 0; i < p->argc; i++) {
        char *copy = take(r, p->argv[i].len);

        memcpy(copy, p->argv[i].p, p->argv[i].len);
        k->argv[i] = (struct argument){copy, p->argv[i].len};
    }
    bench_keep(k->argv);
}

static void
release(struct run *r, struct kept *kept, size_t n)
{
    if (r->variant == ARENA)
        arena_reset(r->arena);
    if (r->variant != MALLOC)
        return;
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < kept[i].argc; j++)
            free(kept[i].argv[j].p);
        free(kept[i].argv);
    }
}

static size_t
run_batch(struct run *r, struct resp_parser *parser)
{
    struct kept kept[BATCH_COMMANDS];
    struct buf in = r->input;
    size_t n = 0;

    r->bytes = 0;
    while (in.len > 0 && resp_parse(parser, in.p, in.len) == RESP_COMMAND) {
        in.p += parser->consumed;
        in.len -= parser->consumed;
        keep_command(r, parser, &kept[n++]);
    }
    ASSERT(n == BATCH_COMMANDS);
    release(r, kept, n);
    return n;
}

static void
measure(void *ctx)
{
    struct run *r = ctx;
    struct resp_parser parser;
    size_t want = bench_amount(1500000, 400000), n = 0;
    double start;
    char name[128];

    resp_parser_init(&parser);
    r->arena = arena_new(256 * KIB);
    make_input(r);
    for (unsigned i = 0; i < 100; i++)
        (void)run_batch(r, &parser);
    start = bench_cpu_ns();
    while (n < want)
        n += run_batch(r, &parser);
    snprintf(name, sizeof(name), "%s/%s", r->mix->name,
        variant_names[r->variant]);
    bench_sample(name, "CPU per request", "ns",
        (bench_cpu_ns() - start) / (double)n);
    bench_sample(name, "memory per request", "B",
        (double)r->bytes / BATCH_COMMANDS);
    arena_free(r->arena);
    resp_parser_free(&parser);
    buf_free(&r->input);
}

int
main(int argc, char **argv)
{
    bench_begin("arena", &argc, argv);
    for (unsigned round = bench_rounds(); round > 0; round--)
        for (size_t m = 0; m < ARRAY_LEN(mixes); m++)
            for (int v = IN_PLACE; v <= MALLOC; v++) {
                struct run r = {.mix = &mixes[m], .variant = (enum variant)v};

                bench_apart(measure, &r);
            }
    return bench_end();
}
