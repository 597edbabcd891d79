/* SPDX-License-Identifier: BSD-3-Clause */
/* test.h - what the unit tests of slab/ share. */
#pragma once

#include "base/testing.h"
#include "slab/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* A slab with this limit in small address ranges. */
static inline struct slab *
test_slab(size_t limit_bytes, enum slab_backing backing)
{
    struct slab_config cfg = {
        .limit_bytes = limit_bytes,
        .backing = backing,
        .huge_pages = SLAB_NOT_HUGE,
        .region_bytes = 2 * GIB,
        .extent_region_bytes = 4 * GIB,
    };
    struct buf err = {0};
    struct slab *s = slab_new(&cfg, &err);

    ck_assert_msg(s != NULL, "%.*s", (int)err.len, err.p);
    buf_free(&err);
    return s;
}

static inline uint64_t
test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The largest request that a class serves; in the debug build a chunk has a
 * byte to spare. */
static inline size_t
test_class_fill(const struct slab *s, unsigned cls)
{
    size_t bytes = slab_class_bytes(s, cls);

    while (slab_class_of(s, bytes) != cls)
        bytes--;
    return bytes;
}

/* Contents that depend on a seed and on the place of each byte. */
static inline void
test_fill(char *p, size_t bytes, uint32_t seed)
{
    size_t i;

    for (i = 0; i < bytes; i++)
        p[i] = (char)(seed * 31 + i * 7 + (i >> 8));
}

static inline bool
test_filled(const char *p, size_t bytes, uint32_t seed)
{
    size_t i;

    for (i = 0; i < bytes; i++)
        if (p[i] != (char)(seed * 31 + i * 7 + (i >> 8)))
            return false;
    return true;
}

static inline struct slab_stats
test_stats(const struct slab *s)
{
    struct slab_stats st;

    slab_stats(s, &st);
    return st;
}

/* Run all tests of a file; the exit status of main(). */
static inline int
test_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    size_t i;

    tcase_set_timeout(tc, 120);
    for (i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
