/* SPDX-License-Identifier: BSD-3-Clause */
/* arena_test.c - bump memory: alignment, resets, blocks of all sizes. */
#include "slab/test.h"

START_TEST(allocations_are_aligned_and_apart)
{
    struct arena *a = arena_new(1000);
    char *p[500];
    size_t i;

    for (i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = arena_alloc(a, i);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
        test_fill(p[i], i, (uint32_t)i);
    }
    for (i = 0; i < ARRAY_LEN(p); i++)
        ck_assert(test_filled(p[i], i, (uint32_t)i));
    arena_free(a);
}
END_TEST

START_TEST(a_reset_starts_over_in_the_first_block)
{
    struct arena *a = arena_new(256);
    char *first = arena_alloc(a, 100);
    size_t i;

    for (i = 0; i < 100; i++)
        arena_alloc(a, 1000);
    arena_reset(a);
    ck_assert_ptr_eq(arena_alloc(a, 100), first);
    arena_free(a);
}
END_TEST

START_TEST(what_is_larger_than_a_block_gets_its_own)
{
    struct arena *a = arena_new(64);
    char *p = arena_alloc(a, 5 * MIB), *q;

    test_fill(p, 5 * MIB, 1);
    q = arena_alloc(a, 10);
    test_fill(q, 10, 2);
    ck_assert(test_filled(p, 5 * MIB, 1));
    arena_free(a);
}
END_TEST

START_TEST(an_arena_of_nothing_still_gives_memory)
{
    struct arena *a = arena_new(0);

    memset(arena_alloc(a, 100), 1, 100);
    ck_assert_ptr_nonnull(arena_alloc(a, 0));
    arena_free(a);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        allocations_are_aligned_and_apart,
        a_reset_starts_over_in_the_first_block,
        what_is_larger_than_a_block_gets_its_own,
        an_arena_of_nothing_still_gives_memory,
    };

    return test_run("slab/arena", tests, ARRAY_LEN(tests));
}
