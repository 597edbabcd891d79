/* SPDX-License-Identifier: BSD-3-Clause */
/* str_test.c - comparison without case, numbers, numbers that look random. */
#include "base/testing.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(equality_ignores_ascii_case_only)
{
    ck_assert(str_ieq(STR("MaxMemory"), STR("mAXmEMORY")));
    ck_assert(str_ieq(STR(""), STR("")));
    ck_assert(!str_ieq(STR("abc"), STR("abcd")));
    ck_assert(!str_ieq(STR("["), STR("{")));
    ck_assert(!str_ieq(STR("\xc4"), STR("\xe4")));
    ck_assert(!str_ieq(STR("a\0b"), STR("a\0c")));
}
END_TEST

START_TEST(a_hexadecimal_digit_has_its_value_and_other_bytes_none)
{
    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        char text[] = {(char)c, '\0'};
        int want = isxdigit((unsigned char)c) ? (int)strtol(text, NULL, 16)
                                              : -1;

        ck_assert_int_eq(hex_digit((char)c), want);
    }
}
END_TEST

/* Those of the reference implementation by Sebastiano Vigna. */
START_TEST(splitmix64_gives_its_published_numbers)
{
    uint64_t state = 0;

    ck_assert_uint_eq(splitmix64(&state), 0xe220a8397b1dcdafu);
    ck_assert_uint_eq(splitmix64(&state), 0x6e789e6aa1b965f4u);
    ck_assert_uint_eq(splitmix64(&state), 0x06c45d188009454fu);
}
END_TEST

static const struct {
    const char *text;
    int64_t v;
} integers[] = {
    {"0", 0},
    {"1", 1},
    {"-1", -1},
    {"10", 10},
    {"9223372036854775807", INT64_MAX},
    {"-9223372036854775808", INT64_MIN},
    {"-9223372036854775807", -INT64_MAX},
};

START_TEST(a_decimal_integer_is_read)
{
    int64_t v = 42;

    ck_assert(str_to_i64(str_of(integers[_i].text), &v));
    ck_assert_int_eq(v, integers[_i].v);
}
END_TEST

static const char *const no_integers[] = {"", "-", "+1", "-0", "00", "01",
    "-01", " 1", "1 ", "1.0", "1e3", "0x1", "abc", "1a", "9223372036854775808",
    "-9223372036854775809", "99999999999999999999", "18446744073709551617",
    "100000000000000000000000"};

START_TEST(what_redis_does_not_take_for_an_integer_is_refused)
{
    int64_t v = 42;

    ck_assert(!str_to_i64(str_of(no_integers[_i]), &v));
    ck_assert_int_eq(v, 42);
}
END_TEST

START_TEST(an_integer_inside_longer_bytes_stops_at_its_length)
{
    int64_t v;

    ck_assert(str_to_i64((struct str){"1234", 2}, &v));
    ck_assert_int_eq(v, 12);
    ck_assert(!str_to_i64((struct str){"1\0", 2}, &v));
}
END_TEST

START_TEST(an_integer_is_written_as_printf_does)
{
    char out[21];
    size_t len = i64_to_chars(out, integers[_i].v);

    ck_assert_uint_eq(len, strlen(integers[_i].text));
    ck_assert_mem_eq(out, integers[_i].text, len);
}
END_TEST

static void
expect_round_trip(int64_t v)
{
    char out[21], want[24];
    size_t len = i64_to_chars(out, v);
    int64_t back;

    snprintf(want, sizeof(want), "%" PRId64, v);
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_mem_eq(out, want, len);
    ck_assert(str_to_i64((struct str){out, len}, &back));
    ck_assert_int_eq(back, v);
}

START_TEST(writing_and_reading_agree_around_every_power_of_ten)
{
    for (int64_t ten = 1; ten <= INT64_MAX / 10; ten *= 10) {
        for (int64_t d = -2; d <= 2; d++) {
            expect_round_trip(ten + d);
            expect_round_trip(-ten + d);
        }
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("str");
    TCase *t = tcase_create("str");

    suite_add_tcase(s, t);
    tcase_add_test(t, equality_ignores_ascii_case_only);
    tcase_add_test(t, a_hexadecimal_digit_has_its_value_and_other_bytes_none);
    tcase_add_test(t, splitmix64_gives_its_published_numbers);
    tcase_add_loop_test(t, a_decimal_integer_is_read, 0, ARRAY_LEN(integers));
    tcase_add_loop_test(t, what_redis_does_not_take_for_an_integer_is_refused,
        0, ARRAY_LEN(no_integers));
    tcase_add_test(t, an_integer_inside_longer_bytes_stops_at_its_length);
    tcase_add_loop_test(
        t, an_integer_is_written_as_printf_does, 0, ARRAY_LEN(integers));
    tcase_add_test(t, writing_and_reading_agree_around_every_power_of_ten);
    return run_suite(s);
}
