/* SPDX-License-Identifier: BSD-3-Clause */
/* string_edit_test.c - APPEND, SETRANGE, INCR and their relatives. */
#include "commands/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define NOT_INTEGER "-ERR value is not an integer or out of range\r\n"
#define NOT_FLOAT "-ERR value is not a valid float\r\n"
#define OVERFLOW "-ERR increment or decrement would overflow\r\n"
#define TOO_LONG                                                               \
    "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"

/* The value of `key` has exactly these bytes. */
static void
assert_value(const char *key, struct str expected)
{
    struct buf reply = {0};

    SAY(h, "GET", key);
    buf_printf(&reply, "$%zu\r\n", expected.len);
    buf_append(&reply, expected.p, expected.len);
    buf_append(&reply, "\r\n", 2);
    ck_assert_uint_eq(h->flat.len, reply.len);
    ck_assert_mem_eq(h->flat.p, reply.p, reply.len);
    buf_free(&reply);
}

static size_t
live_extents(void)
{
    struct slab_stats stats;

    slab_stats(h->slab, &stats);
    return stats.extents_live;
}

/* `len` times `c`. */
static struct str
run_of(char c, size_t len)
{
    char *p = xcalloc(1, len + 1);

    memset(p, c, len);
    return (struct str){p, len};
}

START_TEST(arity_is_checked)
{
    RUN(h, ARITY("append"), "APPEND", "k");
    RUN(h, ARITY("setrange"), "SETRANGE", "k", "0");
    RUN(h, ARITY("incr"), "INCR");
    RUN(h, ARITY("incr"), "INCR", "k", "1");
    RUN(h, ARITY("decr"), "DECR", "k", "1");
    RUN(h, ARITY("incrby"), "INCRBY", "k");
    RUN(h, ARITY("decrby"), "DECRBY", "k", "1", "2");
    RUN(h, ARITY("incrbyfloat"), "INCRBYFLOAT", "k");
}
END_TEST

/* ---- APPEND ------------------------------------------------------------ */

START_TEST(append_adds_to_the_end_and_keeps_the_expiry)
{
    RUN(h, ":5\r\n", "APPEND", "k", "Hello");
    RUN(h, ":1\r\n", "EXPIRE", "k", "10");
    RUN(h, ":11\r\n", "APPEND", "k", " World");
    RUN(h, ":11\r\n", "APPEND", "k", "");
    RUN(h, "$11\r\nHello World\r\n", "GET", "k");
    RUN(h, ":10\r\n", "TTL", "k");
}
END_TEST

START_TEST(append_of_nothing_makes_an_empty_value)
{
    RUN(h, ":0\r\n", "APPEND", "k", "");
    RUN(h, ":1\r\n", "EXISTS", "k");
    RUN(h, "$0\r\n\r\n", "GET", "k");
}
END_TEST

START_TEST(append_starts_anew_when_the_key_has_expired)
{
    RUN(h, OK, "SET", "k", "old", "PX", "5");
    clock_fake(NOW + 6);
    RUN(h, ":3\r\n", "APPEND", "k", "new");
    RUN(h, "$3\r\nnew\r\n", "GET", "k");
    RUN(h, ":-1\r\n", "TTL", "k");
}
END_TEST

START_TEST(append_grows_a_value_out_of_its_chunk)
{
    struct str piece = run_of('x', 5000);
    struct buf whole = {0};
    char reply[32];

    for (size_t i = 1; i <= 10; i++) {
        snprintf(reply, sizeof(reply), ":%zu\r\n", i * piece.len);
        RUN(h, reply, "APPEND", "k", piece.p);
        buf_append(&whole, piece.p, piece.len);
        assert_value("k", (struct str){whole.p, whole.len});
    }
    ck_assert_uint_eq(live_extents(), 1);
    RUN(h, ":1\r\n", "DEL", "k");
    ck_assert_uint_eq(live_extents(), 0);
    buf_free(&whole);
    free((char *)piece.p);
}
END_TEST

START_TEST(append_takes_a_received_value_over_if_the_key_is_new)
{
    static const char *const words[] = {"APPEND", "k"};
    struct str tail = run_of('y', 20000);
    struct str twice = run_of('y', 40000);

    ck_assert_str_eq(harness_say_extent(h, words, 2, tail), ":20000\r\n");
    ck_assert_uint_eq(live_extents(), 1);
    ck_assert_str_eq(harness_say_extent(h, words, 2, tail), ":40000\r\n");
    ck_assert_uint_eq(live_extents(), 1);
    assert_value("k", twice);
    RUN(h, ":1\r\n", "DEL", "k");
    ck_assert_uint_eq(live_extents(), 0);
    free((char *)tail.p);
    free((char *)twice.p);
}
END_TEST

/* ---- SETRANGE ---------------------------------------------------------- */

START_TEST(setrange_overwrites_in_the_middle)
{
    RUN(h, OK, "SET", "k", "Hello World", "EX", "10");
    RUN(h, ":11\r\n", "SETRANGE", "k", "6", "Redis");
    RUN(h, "$11\r\nHello Redis\r\n", "GET", "k");
    RUN(h, ":11\r\n", "SETRANGE", "k", "0", "J");
    RUN(h, "$11\r\nJello Redis\r\n", "GET", "k");
    RUN(h, ":13\r\n", "SETRANGE", "k", "9", "undo");
    RUN(h, "$13\r\nJello Redundo\r\n", "GET", "k");
    RUN(h, ":14\r\n", "SETRANGE", "k", "13", "!");
    RUN(h, "$14\r\nJello Redundo!\r\n", "GET", "k");
    RUN(h, ":10\r\n", "TTL", "k");
}
END_TEST

START_TEST(setrange_fills_a_gap_with_zeros)
{
    RUN(h, ":7\r\n", "SETRANGE", "k", "5", "ab");
    assert_value("k", STR("\0\0\0\0\0ab"));
    RUN(h, OK, "SET", "k", "xy");
    RUN(h, ":5\r\n", "SETRANGE", "k", "4", "z");
    assert_value("k", STR("xy\0\0z"));
}
END_TEST

START_TEST(setrange_fills_gaps_of_any_length)
{
    static const size_t gaps[] = {4095, 4096, 4097, 20000, 3 * MIB};

    for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
        struct str whole = run_of('\0', gaps[i] + 5);
        char offset[32], reply[32];

        memcpy((char *)whole.p, "head", 4);
        memcpy((char *)whole.p + gaps[i], "tail!", 5);
        snprintf(offset, sizeof(offset), "%zu", gaps[i]);
        snprintf(reply, sizeof(reply), ":%zu\r\n", whole.len);
        RUN(h, OK, "SET", "k", "head");
        RUN(h, reply, "SETRANGE", "k", offset, "tail!");
        assert_value("k", whole);
        free((char *)whole.p);
    }
}
END_TEST

START_TEST(setrange_of_nothing_changes_nothing)
{
    RUN(h, ":0\r\n", "SETRANGE", "k", "0", "");
    RUN(h, ":0\r\n", "SETRANGE", "k", "10", "");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "12345");
    RUN(h, ":5\r\n", "SETRANGE", "k", "100", "");
    RUN(h, ":5\r\n", "SETRANGE", "k", "9223372036854775807", "");
    RUN(h, "$5\r\n12345\r\n", "GET", "k");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "k");
}
END_TEST

START_TEST(setrange_refuses_offsets_that_are_none)
{
    RUN(h, NOT_INTEGER, "SETRANGE", "k", "x", "v");
    RUN(h, "-ERR offset is out of range\r\n", "SETRANGE", "k", "-1", "v");
    RUN(h, "-ERR offset is out of range\r\n", "SETRANGE", "k", "-1", "");
    RUN(h, TOO_LONG, "SETRANGE", "k", "536870912", "v");
    RUN(h, TOO_LONG, "SETRANGE", "k", "536870908", "world");
    RUN(h, TOO_LONG, "SETRANGE", "k", "9223372036854775807", "v");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, TOO_LONG, "SETRANGE", "k", "536870912", "v");
    RUN(h, "$1\r\nv\r\n", "GET", "k");
}
END_TEST

START_TEST(setrange_beyond_the_memory_limit_is_refused)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "SETRANGE", "k", "536870911", "x");
}
END_TEST

START_TEST(setrange_changes_a_large_value)
{
    struct str value = run_of('a', 100000);
    static const char *const set[] = {"SET", "k"};

    ck_assert_str_eq(harness_say_extent(h, set, 2, value), OK);
    RUN(h, ":100000\r\n", "SETRANGE", "k", "50000", "MIDDLE");
    memcpy((char *)value.p + 50000, "MIDDLE", 6);
    assert_value("k", value);
    ck_assert_uint_eq(live_extents(), 1);
    free((char *)value.p);
}
END_TEST

/* ---- INCR -------------------------------------------------------------- */

START_TEST(incr_counts_from_nothing)
{
    RUN(h, ":1\r\n", "INCR", "k");
    RUN(h, ":2\r\n", "INCR", "k");
    RUN(h, ":12\r\n", "INCRBY", "k", "10");
    RUN(h, ":11\r\n", "DECR", "k");
    RUN(h, ":-9\r\n", "DECRBY", "k", "20");
    RUN(h, ":-10\r\n", "INCRBY", "k", "-1");
    RUN(h, ":0\r\n", "DECRBY", "k", "-10");
    RUN(h, "$1\r\n0\r\n", "GET", "k");
    RUN(h, ":-1\r\n", "DECR", "other");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "other");
}
END_TEST

START_TEST(incr_keeps_the_expiry)
{
    RUN(h, OK, "SET", "k", "1", "EX", "10");
    RUN(h, ":2\r\n", "INCR", "k");
    RUN(h, ":10\r\n", "TTL", "k");
    clock_fake(NOW + 10001);
    RUN(h, ":1\r\n", "INCR", "k");
    RUN(h, ":-1\r\n", "TTL", "k");
}
END_TEST

START_TEST(incr_stops_at_the_ends_of_64_bits)
{
    RUN(h, OK, "SET", "k", "9223372036854775806");
    RUN(h, ":9223372036854775807\r\n", "INCR", "k");
    RUN(h, OVERFLOW, "INCR", "k");
    RUN(h, OVERFLOW, "INCRBY", "k", "9223372036854775807");
    RUN(h, OVERFLOW, "DECRBY", "k", "-1");
    RUN(h, ":-1\r\n", "INCRBY", "k", "-9223372036854775808");
    RUN(h, OK, "SET", "k", "-9223372036854775807");
    RUN(h, ":-9223372036854775808\r\n", "DECR", "k");
    RUN(h, OVERFLOW, "DECR", "k");
    RUN(h, OVERFLOW, "INCRBY", "k", "-1");
    RUN(h, OVERFLOW, "DECRBY", "k", "9223372036854775807");
    RUN(h, "$20\r\n-9223372036854775808\r\n", "GET", "k");
    RUN(h, "-ERR decrement would overflow\r\n", "DECRBY", "k",
        "-9223372036854775808");
}
END_TEST

START_TEST(incr_refuses_values_that_are_no_integers)
{
    static const char *const values[] = {"", " ", "1 ", " 1", "+1", "01", "-0",
        "1.0", "abc", "0x1", "9223372036854775808", "-9223372036854775809",
        "99999999999999999999", "1e3", "-"};

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        RUN(h, OK, "SET", "k", values[i]);
        RUN(h, NOT_INTEGER, "INCR", "k");
        RUN(h, NOT_INTEGER, "INCRBY", "j", values[i]);
        RUN(h, NOT_INTEGER, "DECRBY", "j", values[i]);
        assert_value("k", str_of(values[i]));
    }
    RUN(h, ":0\r\n", "EXISTS", "j");
}
END_TEST

START_TEST(incr_refuses_a_large_value)
{
    static const char *const set[] = {"SET", "k"};
    struct str digits = run_of('1', 50000);

    ck_assert_str_eq(harness_say_extent(h, set, 2, digits), OK);
    RUN(h, NOT_INTEGER, "INCR", "k");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1");
    assert_value("k", digits);
    free((char *)digits.p);
}
END_TEST

START_TEST(a_number_may_hold_no_zero_byte)
{
    const struct str set[] = {STR("SET"), STR("k"), STR("1\0")};

    harness_run(h, set, 3);
    RUN(h, NOT_INTEGER, "INCR", "k");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1");
}
END_TEST

/* ---- INCRBYFLOAT ------------------------------------------------------- */

START_TEST(incrbyfloat_adds_and_formats_without_trailing_zeros)
{
    RUN(h, "$3\r\n1.5\r\n", "INCRBYFLOAT", "k", "1.5");
    RUN(h, "$1\r\n2\r\n", "INCRBYFLOAT", "k", "0.5");
    RUN(h, "$3\r\n2.1\r\n", "INCRBYFLOAT", "k", "0.1");
    RUN(h, "$1\r\n0\r\n", "INCRBYFLOAT", "k", "-2.1");
    RUN(h, OK, "SET", "k", "10.50");
    RUN(h, "$4\r\n10.6\r\n", "INCRBYFLOAT", "k", "0.1");
    RUN(h, "$3\r\n5.6\r\n", "INCRBYFLOAT", "k", "-5");
    RUN(h, OK, "SET", "k", "5.0e3");
    RUN(h, "$4\r\n5200\r\n", "INCRBYFLOAT", "k", "2.0e2");
    RUN(h, "$4\r\n5200\r\n", "GET", "k");
    RUN(h, OK, "SET", "k", "3.0e-9");
    RUN(h, "$11\r\n0.000000003\r\n", "INCRBYFLOAT", "k", "0");
    RUN(h, "$19\r\n0.33333333333333333\r\n", "INCRBYFLOAT", "third",
        "0.333333333333333333333");
}
END_TEST

START_TEST(incrbyfloat_reads_what_strtold_reads)
{
    RUN(h, "$3\r\n100\r\n", "INCRBYFLOAT", "a", "1e2");
    RUN(h, "$2\r\n16\r\n", "INCRBYFLOAT", "b", "0x10");
    RUN(h, "$2\r\n-1\r\n", "INCRBYFLOAT", "c", "-1.");
    RUN(h, "$3\r\n0.5\r\n", "INCRBYFLOAT", "d", "+.5");
    RUN(h, "$1\r\n0\r\n", "INCRBYFLOAT", "e", "-0");
    RUN(h, "$1\r\n0\r\n", "INCRBYFLOAT", "f", "-1e-20");
    RUN(h, "$20\r\n18446744073709551616\r\n", "INCRBYFLOAT", "g",
        "18446744073709551616");
    RUN(h, "$2\r\n12\r\n", "INCRBYFLOAT", "h", "0012");
}
END_TEST

START_TEST(incrbyfloat_refuses_what_is_no_number)
{
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "abc");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1 ");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", " 1");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "\t1");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1,5");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "nan");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1e5000");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "-1e5000");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1e-5000");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "x");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1");
    RUN(h, OK, "SET", "k", "");
    RUN(h, NOT_FLOAT, "INCRBYFLOAT", "k", "1");
}
END_TEST

START_TEST(incrbyfloat_refuses_an_infinite_result)
{
    const char *refused = "-ERR increment would produce NaN or Infinity\r\n";

    RUN(h, refused, "INCRBYFLOAT", "k", "inf");
    RUN(h, refused, "INCRBYFLOAT", "k", "-infinity");
    RUN(h, OK, "SET", "k", "1e4932");
    RUN(h, refused, "INCRBYFLOAT", "k", "1e4932");
    RUN(h, "$6\r\n1e4932\r\n", "GET", "k");
}
END_TEST

START_TEST(incrbyfloat_prints_the_largest_number_in_full)
{
    char *end;
    const char *reply = SAY(h, "INCRBYFLOAT", "k", "1e4932");

    ck_assert_int_eq(strtol(reply + 1, &end, 10), 4933);
    ck_assert_uint_eq(h->flat.len, strlen("$4933\r\n") + 4933 + 2);
    ck_assert_int_eq(end[2], '1');
}
END_TEST

START_TEST(incrbyfloat_keeps_the_expiry)
{
    RUN(h, OK, "SET", "k", "1", "EX", "10");
    RUN(h, "$3\r\n1.5\r\n", "INCRBYFLOAT", "k", "0.5");
    RUN(h, ":10\r\n", "TTL", "k");
}
END_TEST

HARNESS_MAIN("string_edit", start_at_now, stop_at_now,
    arity_is_checked,
    append_adds_to_the_end_and_keeps_the_expiry,
    append_of_nothing_makes_an_empty_value,
    append_starts_anew_when_the_key_has_expired,
    append_grows_a_value_out_of_its_chunk,
    append_takes_a_received_value_over_if_the_key_is_new,
    setrange_overwrites_in_the_middle,
    setrange_fills_a_gap_with_zeros,
    setrange_fills_gaps_of_any_length,
    setrange_of_nothing_changes_nothing,
    setrange_refuses_offsets_that_are_none,
    setrange_beyond_the_memory_limit_is_refused,
    setrange_changes_a_large_value,
    incr_counts_from_nothing,
    incr_keeps_the_expiry,
    incr_stops_at_the_ends_of_64_bits,
    incr_refuses_values_that_are_no_integers,
    incr_refuses_a_large_value,
    a_number_may_hold_no_zero_byte,
    incrbyfloat_adds_and_formats_without_trailing_zeros,
    incrbyfloat_reads_what_strtold_reads,
    incrbyfloat_refuses_what_is_no_number,
    incrbyfloat_refuses_an_infinite_result,
    incrbyfloat_prints_the_largest_number_in_full,
    incrbyfloat_keeps_the_expiry)
