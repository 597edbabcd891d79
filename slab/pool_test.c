/* SPDX-License-Identifier: BSD-3-Clause */
/* pool_test.c - objects of one size: contents, charges, blocks that go back.
 */
#include "slab/test.h"

START_TEST(objects_are_zeroed_aligned_and_apart)
{
    struct pool *p = pool_new(NULL, "test", 100);
    char *o[1000];
    size_t i, j;

    for (i = 0; i < ARRAY_LEN(o); i++) {
        o[i] = pool_get(p);
        ck_assert_ptr_nonnull(o[i]);
        ck_assert_uint_eq((uintptr_t)o[i] % 16, 0);
        for (j = 0; j < 100; j++)
            must(o[i][j] == 0);
        test_fill(o[i], 100, (uint32_t)i);
    }
    ck_assert_uint_eq(pool_live(p), ARRAY_LEN(o));
    for (i = 0; i < ARRAY_LEN(o); i++) {
        ck_assert(test_filled(o[i], 100, (uint32_t)i));
        pool_put(p, o[i]);
    }
    ck_assert_uint_eq(pool_live(p), 0);
    pool_free(p);
}
END_TEST

START_TEST(the_object_put_back_last_comes_first_and_zeroed)
{
    struct pool *p = pool_new(NULL, "test", 64);
    char *a = pool_get(p), *b = pool_get(p), *c;
    size_t i;

    memset(a, 0x55, 64);
    pool_put(p, b);
    pool_put(p, a);
    c = pool_get(p);
    ck_assert_ptr_eq(c, a);
    for (i = 0; i < 64; i++)
        ck_assert_int_eq(c[i], 0);
    pool_put(p, c);
    pool_free(p);
}
END_TEST

START_TEST(blocks_are_charged_and_go_back_when_empty)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct pool *p = pool_new(s, "test", 500);
    size_t base = slab_used(s), i;
    static void *o[10000];

    for (i = 0; i < ARRAY_LEN(o); i++)
        o[i] = pool_get(p);
    ck_assert_uint_ge(slab_used(s), base + ARRAY_LEN(o) * 500);
    ck_assert_uint_le(slab_used(s), base + ARRAY_LEN(o) * 540);
    for (i = 0; i < ARRAY_LEN(o); i++)
        pool_put(p, o[i]);
    /* one block stays for the next object */
    ck_assert_uint_le(slab_used(s), base + 16 * KIB);
    ck_assert_uint_gt(slab_used(s), base);
    pool_free(p);
    ck_assert_uint_eq(slab_used(s), base);
    slab_free(s);
}
END_TEST

START_TEST(objects_larger_than_a_block_get_larger_blocks)
{
    struct pool *p = pool_new(NULL, "test", 70000);
    char *o[20];
    size_t i;

    for (i = 0; i < ARRAY_LEN(o); i++) {
        o[i] = pool_get(p);
        test_fill(o[i], 70000, (uint32_t)i);
    }
    for (i = 0; i < ARRAY_LEN(o); i++) {
        ck_assert(test_filled(o[i], 70000, (uint32_t)i));
        pool_put(p, o[i]);
    }
    pool_free(p);
}
END_TEST

START_TEST(random_gets_and_puts_keep_every_object)
{
    struct pool *p = pool_new(NULL, "test", 48);
    static char *o[3000];
    uint64_t random = 8;
    size_t round, i;

    for (round = 0; round < 200000; round++) {
        i = test_random(&random) % ARRAY_LEN(o);
        if (o[i] == NULL) {
            o[i] = pool_get(p);
            test_fill(o[i], 48, (uint32_t)i);
        } else {
            must(test_filled(o[i], 48, (uint32_t)i));
            pool_put(p, o[i]);
            o[i] = NULL;
        }
    }
    for (i = 0; i < ARRAY_LEN(o); i++)
        if (o[i] != NULL)
            pool_put(p, o[i]);
    ck_assert_uint_eq(pool_live(p), 0);
    pool_free(p);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        objects_are_zeroed_aligned_and_apart,
        the_object_put_back_last_comes_first_and_zeroed,
        blocks_are_charged_and_go_back_when_empty,
        objects_larger_than_a_block_get_larger_blocks,
        random_gets_and_puts_keep_every_object,
    };

    return test_run("slab/pool", tests, ARRAY_LEN(tests));
}
