/* SPDX-License-Identifier: BSD-3-Clause */
/* expire_cmd_test.c - EXPIRE and TTL in their four forms each, PERSIST. */
#include "commands/fixture.h"

#include <stdio.h>

#define OK "+OK\r\n"
#define NOT_INTEGER "-ERR value is not an integer or out of range\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"
#define BAD_TIME(name) "-ERR invalid expire time in '" name "' command\r\n"
#define NX_EXCLUDES                                                            \
    "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"
#define GT_EXCLUDES                                                            \
    "-ERR GT and LT options at the same time are not compatible\r\n"

START_TEST(arity_is_checked)
{
    RUN(h, ARITY("expire"), "EXPIRE", "k");
    RUN(h, ARITY("pexpire"), "PEXPIRE", "k");
    RUN(h, ARITY("expireat"), "EXPIREAT", "k");
    RUN(h, ARITY("pexpireat"), "PEXPIREAT", "k");
    RUN(h, ARITY("ttl"), "TTL");
    RUN(h, ARITY("pttl"), "PTTL", "k", "j");
    RUN(h, ARITY("expiretime"), "EXPIRETIME");
    RUN(h, ARITY("pexpiretime"), "PEXPIRETIME");
    RUN(h, ARITY("persist"), "PERSIST", "k", "j");
}
END_TEST

START_TEST(each_form_sets_the_same_deadline)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":1\r\n", "EXPIRE", "k", "10");
    RUN(h, ":1700000010000\r\n", "PEXPIRETIME", "k");
    RUN(h, ":1\r\n", "PEXPIRE", "k", "20000");
    RUN(h, ":1700000020000\r\n", "PEXPIRETIME", "k");
    RUN(h, ":1\r\n", "EXPIREAT", "k", "1700000030");
    RUN(h, ":1700000030000\r\n", "PEXPIRETIME", "k");
    RUN(h, ":1\r\n", "PEXPIREAT", "k", "1700000040001");
    RUN(h, ":1700000040001\r\n", "PEXPIRETIME", "k");
    RUN(h, "$1\r\nv\r\n", "GET", "k");
}
END_TEST

START_TEST(a_missing_key_gets_no_deadline)
{
    RUN(h, ":0\r\n", "EXPIRE", "k", "10");
    RUN(h, ":0\r\n", "PEXPIRE", "k", "10");
    RUN(h, ":0\r\n", "EXPIREAT", "k", "1800000000");
    RUN(h, ":0\r\n", "PEXPIREAT", "k", "-1");
    RUN(h, ":0\r\n", "PERSIST", "k");
    RUN(h, ":-2\r\n", "TTL", "k");
    RUN(h, ":-2\r\n", "PTTL", "k");
    RUN(h, ":-2\r\n", "EXPIRETIME", "k");
    RUN(h, ":-2\r\n", "PEXPIRETIME", "k");
}
END_TEST

START_TEST(a_key_without_deadline_has_time_minus_one)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, ":-1\r\n", "PTTL", "k");
    RUN(h, ":-1\r\n", "EXPIRETIME", "k");
    RUN(h, ":-1\r\n", "PEXPIRETIME", "k");
}
END_TEST

START_TEST(seconds_are_rounded_to_the_nearest)
{
    RUN(h, OK, "SET", "k", "v", "PX", "1499");
    RUN(h, ":1\r\n", "TTL", "k");
    RUN(h, ":1700000001\r\n", "EXPIRETIME", "k");
    RUN(h, OK, "SET", "k", "v", "PX", "1500");
    RUN(h, ":2\r\n", "TTL", "k");
    RUN(h, ":1700000002\r\n", "EXPIRETIME", "k");
    RUN(h, OK, "SET", "k", "v", "PX", "499");
    RUN(h, ":0\r\n", "TTL", "k");
    RUN(h, ":499\r\n", "PTTL", "k");
}
END_TEST

START_TEST(the_rest_of_the_time_shrinks_as_the_clock_moves)
{
    RUN(h, OK, "SET", "k", "v", "EX", "100");
    clock_fake(NOW + 40000);
    RUN(h, ":60\r\n", "TTL", "k");
    RUN(h, ":1700000100\r\n", "EXPIRETIME", "k");
    clock_fake(NOW + 99999);
    RUN(h, ":1\r\n", "PTTL", "k");
    clock_fake(NOW + 100001);
    RUN(h, ":-2\r\n", "PTTL", "k");
    RUN(h, ":0\r\n", "EXPIRE", "k", "10");
    RUN(h, ":0\r\n", "PERSIST", "k");
}
END_TEST

START_TEST(a_time_that_has_passed_deletes_the_key)
{
    RUN(h, OK, "MSET", "a", "1", "b", "1", "c", "1", "d", "1", "e", "1");
    RUN(h, ":1\r\n", "EXPIRE", "a", "0");
    RUN(h, ":1\r\n", "PEXPIRE", "b", "-1");
    RUN(h, ":1\r\n", "EXPIREAT", "c", "1");
    RUN(h, ":1\r\n", "PEXPIREAT", "d", "1700000000000");
    RUN(h, ":1\r\n", "EXPIREAT", "e", "-9223372036854775");
    RUN(h, ":0\r\n", "EXISTS", "a", "b", "c", "d", "e");
    RUN(h, ":0\r\n", "DBSIZE");
}
END_TEST

START_TEST(times_beyond_63_bits_are_refused)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, BAD_TIME("expire"), "EXPIRE", "k", "9223372036854775807");
    RUN(h, BAD_TIME("expire"), "EXPIRE", "k", "-9223372036854775808");
    RUN(h, BAD_TIME("expire"), "EXPIRE", "k", "9223372036854775");
    RUN(h, BAD_TIME("pexpire"), "PEXPIRE", "k", "9223372036854775807");
    RUN(h, BAD_TIME("expireat"), "EXPIREAT", "k", "9223372036854776");
    RUN(h, BAD_TIME("expireat"), "EXPIREAT", "none", "9223372036854776");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, ":1\r\n", "PEXPIREAT", "k", "9223372036854775807");
    RUN(h, ":9223372036854775807\r\n", "PEXPIRETIME", "k");
    RUN(h, ":9223370336854775807\r\n", "PTTL", "k");
    RUN(h, ":1\r\n", "PEXPIRE", "k", "-9223372036854775808");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(times_must_be_integers)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, NOT_INTEGER, "EXPIRE", "k", "");
    RUN(h, NOT_INTEGER, "EXPIRE", "k", "1.5");
    RUN(h, NOT_INTEGER, "PEXPIRE", "k", "ten");
    RUN(h, NOT_INTEGER, "EXPIREAT", "none", "ten");
    RUN(h, NOT_INTEGER, "PEXPIREAT", "k", "9223372036854775808");
    RUN(h, ":-1\r\n", "TTL", "k");
}
END_TEST

START_TEST(nx_wants_a_key_without_deadline)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":1\r\n", "EXPIRE", "k", "100", "NX");
    RUN(h, ":0\r\n", "EXPIRE", "k", "200", "nx");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, ":0\r\n", "EXPIRE", "k", "-1", "NX");
    RUN(h, ":1\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(xx_wants_a_key_with_a_deadline)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":0\r\n", "EXPIRE", "k", "100", "XX");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, ":1\r\n", "EXPIRE", "k", "100");
    RUN(h, ":1\r\n", "PEXPIRE", "k", "200000", "XX");
    RUN(h, ":200\r\n", "TTL", "k");
}
END_TEST

START_TEST(gt_wants_a_later_deadline_and_none_is_the_latest)
{
    RUN(h, OK, "SET", "k", "v", "EX", "100");
    RUN(h, ":0\r\n", "EXPIRE", "k", "99", "GT");
    RUN(h, ":0\r\n", "EXPIRE", "k", "100", "GT");
    RUN(h, ":1\r\n", "EXPIRE", "k", "101", "GT");
    RUN(h, ":101\r\n", "TTL", "k");
    RUN(h, ":0\r\n", "EXPIRE", "k", "-5", "GT");
    RUN(h, OK, "SET", "p", "v");
    RUN(h, ":0\r\n", "EXPIRE", "p", "1000", "GT");
    RUN(h, ":-1\r\n", "TTL", "p");
    RUN(h, ":0\r\n", "EXPIREAT", "none", "1800000000", "GT");
}
END_TEST

START_TEST(lt_wants_an_earlier_deadline)
{
    RUN(h, OK, "SET", "k", "v", "EX", "100");
    RUN(h, ":0\r\n", "EXPIRE", "k", "101", "LT");
    RUN(h, ":0\r\n", "EXPIRE", "k", "100", "LT");
    RUN(h, ":1\r\n", "EXPIRE", "k", "99", "LT");
    RUN(h, ":99\r\n", "TTL", "k");
    RUN(h, OK, "SET", "p", "v");
    RUN(h, ":1\r\n", "EXPIRE", "p", "1000", "LT");
    RUN(h, ":1000\r\n", "TTL", "p");
    RUN(h, ":1\r\n", "PEXPIREAT", "p", "-7", "LT");
    RUN(h, ":0\r\n", "EXISTS", "p");
}
END_TEST

START_TEST(xx_goes_with_gt_or_lt)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":0\r\n", "EXPIRE", "k", "100", "XX", "LT");
    RUN(h, ":1\r\n", "EXPIRE", "k", "100", "LT");
    RUN(h, ":1\r\n", "EXPIRE", "k", "50", "LT", "XX");
    RUN(h, ":1\r\n", "EXPIRE", "k", "60", "XX", "GT", "GT");
    RUN(h, ":60\r\n", "TTL", "k");
}
END_TEST

START_TEST(conditions_that_exclude_each_other_are_refused)
{
    RUN(h, NX_EXCLUDES, "EXPIRE", "k", "10", "NX", "XX");
    RUN(h, NX_EXCLUDES, "EXPIRE", "k", "10", "NX", "GT");
    RUN(h, NX_EXCLUDES, "PEXPIRE", "k", "10", "LT", "NX");
    RUN(h, NX_EXCLUDES, "EXPIREAT", "k", "10", "NX", "GT", "LT");
    RUN(h, GT_EXCLUDES, "PEXPIREAT", "k", "10", "GT", "LT");
    RUN(h, GT_EXCLUDES, "EXPIRE", "k", "x", "LT", "GT", "XX");
    RUN(h, "-ERR Unsupported option AB\r\n", "EXPIRE", "k", "10", "AB");
    RUN(h, "-ERR Unsupported option \r\n", "EXPIRE", "k", "10", "");
    RUN(h, "-ERR Unsupported option XY\r\n", "EXPIRE", "k", "x", "NX", "XX",
        "XY");
    RUN(h, "-ERR Unsupported option a  b\r\n", "EXPIRE", "k", "10", "a\r\nb");
}
END_TEST

START_TEST(persist_takes_the_deadline_off)
{
    RUN(h, OK, "SET", "k", "v", "EX", "10");
    RUN(h, ":1\r\n", "PERSIST", "k");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, ":0\r\n", "PERSIST", "k");
    clock_fake(NOW + 20000);
    RUN(h, "$1\r\nv\r\n", "GET", "k");
}
END_TEST

START_TEST(a_deadline_keeps_the_value_and_its_encoding)
{
    RUN(h, OK, "SET", "n", "123");
    RUN(h, ":1\r\n", "EXPIRE", "n", "10");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "n");
    RUN(h, OK, "SET", "k", "ab");
    RUN(h, ":4\r\n", "APPEND", "k", "cd");
    RUN(h, ":1\r\n", "EXPIRE", "k", "10");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":1\r\n", "PERSIST", "k");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, "$4\r\nabcd\r\n", "GET", "k");
}
END_TEST

START_TEST(deadlines_near_and_far_replace_each_other)
{
    static const char *const times[] = {"1700000000001", "1701999999999",
        "1702147483648", "1800000000000", "4102444800000", "1700000000500",
        "253402300800000", "1700000001000"};

    RUN(h, OK, "SET", "k", "v");
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        char reply[40];

        RUN(h, ":1\r\n", "PEXPIREAT", "k", times[i]);
        snprintf(reply, sizeof(reply), ":%s\r\n", times[i]);
        RUN(h, reply, "PEXPIRETIME", "k");
        RUN(h, "$1\r\nv\r\n", "GET", "k");
    }
}
END_TEST

START_TEST(a_large_value_survives_changes_of_its_deadline)
{
    static const char *const set[] = {"SET", "k"};
    static char value[50000];

    memset(value, 'v', sizeof(value));
    ck_assert_str_eq(
        harness_say_extent(h, set, 2, (struct str){value, sizeof(value)}), OK);
    RUN(h, ":1\r\n", "EXPIRE", "k", "10");
    RUN(h, ":1\r\n", "PEXPIREAT", "k", "253402300800000");
    RUN(h, ":1\r\n", "PERSIST", "k");
    RUN(h, ":50000\r\n", "STRLEN", "k");
    SAY(h, "GET", "k");
    ck_assert_mem_eq(h->flat.p + strlen("$50000\r\n"), value, sizeof(value));
    RUN(h, ":1\r\n", "EXPIRE", "k", "-1");
    RUN(h, ":-2\r\n", "TTL", "k");
}
END_TEST

HARNESS_MAIN("expire_cmd", start_at_now, stop_at_now,
    arity_is_checked,
    each_form_sets_the_same_deadline,
    a_missing_key_gets_no_deadline,
    a_key_without_deadline_has_time_minus_one,
    seconds_are_rounded_to_the_nearest,
    the_rest_of_the_time_shrinks_as_the_clock_moves,
    a_time_that_has_passed_deletes_the_key,
    times_beyond_63_bits_are_refused,
    times_must_be_integers,
    nx_wants_a_key_without_deadline,
    xx_wants_a_key_with_a_deadline,
    gt_wants_a_later_deadline_and_none_is_the_latest,
    lt_wants_an_earlier_deadline,
    xx_goes_with_gt_or_lt,
    conditions_that_exclude_each_other_are_refused,
    persist_takes_the_deadline_off,
    a_deadline_keeps_the_value_and_its_encoding,
    deadlines_near_and_far_replace_each_other,
    a_large_value_survives_changes_of_its_deadline)
