/* SPDX-License-Identifier: BSD-3-Clause */
/* base_test.c - the macros of base.h. */
#include "base/testing.h"

static int n_calls;

/* Less each time: two calls for one value would be seen. */
static int
count_down(void)
{
    return 10 - n_calls++;
}

START_TEST(arguments_are_evaluated_once)
{
    n_calls = 0;
    ck_assert_int_eq(MIN(100, count_down()), 10);
    ck_assert_int_eq(MIN(count_down(), 100), 9);
    ck_assert_int_eq(MAX(-100, count_down()), 8);
    ck_assert_int_eq(MAX(count_down(), -100), 7);
    ck_assert_int_eq(n_calls, 4);
}
END_TEST

START_TEST(the_smaller_and_the_larger_one_is_taken)
{
    uint8_t byte = 200;

    ck_assert_int_eq(MIN(-1, 1), -1);
    ck_assert_int_eq(MAX(-1, 1), 1);
    ck_assert_int_eq(MAX(MIN(3, 9), MIN(7, 5)), 5);
    ck_assert_uint_eq(MIN(byte, UINT64_MAX), 200);
    ck_assert_uint_eq(MAX(byte, (uint64_t)1 << 40), (uint64_t)1 << 40);
    ck_assert_uint_eq(MAX(byte, byte) + 100, 300);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("base");
    TCase *tc = tcase_create("base");

    tcase_add_test(tc, arguments_are_evaluated_once);
    tcase_add_test(tc, the_smaller_and_the_larger_one_is_taken);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
