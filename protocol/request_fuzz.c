/* SPDX-License-Identifier: BSD-3-Clause */
/* request_fuzz.c - any bytes, in any chunks, against the parser of requests.
 *
 * Bytes 0 and 1 of the data choose limits and chunks, the others are the
 * stream. It is parsed whole, in chunks, and in chunks with large bulks taken
 * out; all three must give the same commands and the same error.
 */
#include "protocol/request_feed.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the first bytes ask for. */
struct plan {
    bool unauthenticated;
    bool small_limits;
    size_t large_min;
    uint32_t random;
};

static struct plan
read_plan(const uint8_t *data)
{
    return (struct plan){
        .unauthenticated = data[0] & 1,
        .small_limits = data[0] & 2,
        .large_min = (size_t)1 + (data[0] >> 2),
        .random = data[1],
    };
}

/* Sizes from 1 on, mostly small; xorshift. */
static size_t
next_chunk(struct plan *plan)
{
    plan->random = plan->random * 2654435761u + 1;
    plan->random ^= plan->random >> 15;
    return (size_t)1 +
        (plan->random % 7 == 0 ? plan->random >> 8 & 0xff
                               : plan->random >> 8 & 7);
}

/* Parse the stream into f->log. */
static void
run(struct feeder *f, struct plan plan, bool chunks, bool large,
    const char *bytes, size_t len)
{
    bool good = true;

    feeder_init(f);
    f->parser.unauthenticated = plan.unauthenticated;
    if (plan.small_limits) {
        f->parser.max_args = 5;
        f->parser.max_bulk = 20;
    }
    if (large)
        f->parser.large_min = plan.large_min;
    for (size_t at = 0; good && at < len;) {
        size_t n = chunks ? next_chunk(&plan) : len;

        n = MIN(n, len - at);
        good = feeder_feed(f, bytes + at, n);
        at += n;
    }
    feeder_log(f, !good);
}

static void
expect_same(const struct feeder *whole, const struct feeder *other)
{
    if (strcmp(whole->log.p, other->log.p) == 0)
        return;
    fprintf(stderr, "whole: %s\nother: %s\n", whole->log.p, other->log.p);
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feeder whole, chunked, large;
    struct plan plan;
    const char *bytes = (const char *)data + 2;

    if (size < 2)
        return 0;
    plan = read_plan(data);
    run(&whole, plan, false, false, bytes, size - 2);
    run(&chunked, plan, true, false, bytes, size - 2);
    run(&large, plan, true, true, bytes, size - 2);
    expect_same(&whole, &chunked);
    expect_same(&whole, &large);
    feeder_free(&whole);
    feeder_free(&chunked);
    feeder_free(&large);
    return 0;
}
