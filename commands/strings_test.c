/* SPDX-License-Identifier: BSD-3-Clause */
/* strings_test.c - GET, SET and their relatives, to the byte of the reply. */
#include "commands/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define NIL3 "_\r\n"
#define EMPTY "$0\r\n\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define NOT_INTEGER "-ERR value is not an integer or out of range\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"
#define BAD_TIME(name) "-ERR invalid expire time in '" name "' command\r\n"

/* The reply has exactly these bytes, NULs included. */
static void
assert_reply(struct str expected)
{
    ck_assert_uint_eq(h->flat.len, expected.len);
    ck_assert_mem_eq(h->flat.p, expected.p, expected.len);
}

/* `len` bytes that differ from their neighbours at any page distance. */
static struct str
pattern(size_t len)
{
    char *p = xcalloc(1, len + 1);

    for (size_t i = 0; i < len; i++)
        p[i] = (char)('a' + (i + i / 4093) % 26);
    return (struct str){p, len};
}

/* Set `key` to a value that arrives in an extent. */
static void
set_large(const char *key, struct str value)
{
    const char *words[] = {"SET", key};

    ck_assert_str_eq(harness_say_extent(h, words, 2, value), OK);
}

/* Run words whose reply is one bulk with these bytes. */
#define RUN_BULK(value, ...)                                                   \
    do {                                                                       \
        struct buf expected_ = {0};                                            \
        SAY(h, __VA_ARGS__);                                                   \
        buf_printf(&expected_, "$%zu\r\n", (value).len);                       \
        buf_append(&expected_, (value).p, (value).len);                        \
        buf_append(&expected_, "\r\n", 2);                                     \
        assert_reply((struct str){expected_.p, expected_.len});                \
        buf_free(&expected_);                                                  \
    } while (0)

static size_t
live_extents(void)
{
    struct slab_stats stats;

    slab_stats(h->slab, &stats);
    return stats.extents_live;
}

/* ---- GET and SET ------------------------------------------------------- */

START_TEST(get_returns_what_set_stored)
{
    RUN(h, OK, "SET", "k", "hello");
    RUN(h, "$5\r\nhello\r\n", "GET", "k");
    RUN(h, OK, "SET", "k", "other");
    RUN(h, "$5\r\nother\r\n", "GET", "k");
    RUN(h, OK, "set", "k", "");
    RUN(h, EMPTY, "get", "k");
    RUN(h, OK, "SET", "", "empty key");
    RUN(h, "$9\r\nempty key\r\n", "GET", "");
}
END_TEST

START_TEST(get_of_a_missing_key_is_null)
{
    RUN(h, NIL, "GET", "none");
    harness_protocol(h, 3);
    RUN(h, NIL3, "GET", "none");
}
END_TEST

START_TEST(keys_and_values_may_hold_any_byte)
{
    const struct str key = STR("k\0\r\n\xff");
    const struct str value = STR("\0\1\r\n$5\r\n\xff\xfe\0");
    const struct str set[] = {STR("SET"), key, value};
    const struct str get[] = {STR("GET"), key};
    const struct str prefix[] = {STR("GET"), STR("k\0\r\n")};

    harness_run(h, set, 3);
    assert_reply(STR(OK));
    harness_run(h, get, 2);
    assert_reply(STR("$11\r\n\0\1\r\n$5\r\n\xff\xfe\0\r\n"));
    harness_run(h, prefix, 2);
    assert_reply(STR(NIL));
}
END_TEST

START_TEST(arity_is_checked)
{
    RUN(h, ARITY("get"), "GET");
    RUN(h, ARITY("get"), "GET", "a", "b");
    RUN(h, ARITY("set"), "SET", "a");
    RUN(h, ARITY("setnx"), "SETNX", "a");
    RUN(h, ARITY("setnx"), "SETNX", "a", "b", "c");
    RUN(h, ARITY("setex"), "SETEX", "a", "1");
    RUN(h, ARITY("psetex"), "PSETEX", "a", "1", "v", "x");
    RUN(h, ARITY("getset"), "GETSET", "a");
    RUN(h, ARITY("getdel"), "GETDEL", "a", "b");
    RUN(h, ARITY("getex"), "GETEX");
    RUN(h, ARITY("strlen"), "STRLEN", "a", "b");
    RUN(h, ARITY("getrange"), "GETRANGE", "a", "1");
    RUN(h, ARITY("substr"), "SUBSTR", "a", "1");
    RUN(h, ARITY("mget"), "MGET");
    RUN(h, ARITY("mset"), "MSET", "a");
    RUN(h, ARITY("mset"), "MSET", "a", "1", "b");
    RUN(h, ARITY("msetnx"), "MSETNX", "a", "1", "b");
}
END_TEST

START_TEST(set_nx_stores_only_a_new_key)
{
    RUN(h, OK, "SET", "k", "1", "NX");
    RUN(h, NIL, "SET", "k", "2", "nx");
    RUN(h, "$1\r\n1\r\n", "GET", "k");
    RUN(h, NIL, "SET", "k", "2", "NX", "EX", "10");
    RUN(h, ":-1\r\n", "TTL", "k");
    harness_protocol(h, 3);
    RUN(h, NIL3, "SET", "k", "2", "NX");
}
END_TEST

START_TEST(set_xx_stores_only_an_existing_key)
{
    RUN(h, NIL, "SET", "k", "1", "XX");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "1");
    RUN(h, OK, "SET", "k", "2", "xx", "PX", "5000");
    RUN(h, "$1\r\n2\r\n", "GET", "k");
    RUN(h, ":5000\r\n", "PTTL", "k");
}
END_TEST

START_TEST(set_get_returns_the_former_value)
{
    RUN(h, NIL, "SET", "k", "1", "GET");
    RUN(h, "$1\r\n1\r\n", "SET", "k", "2", "GET");
    RUN(h, "$1\r\n2\r\n", "SET", "k", "", "get", "EX", "9");
    RUN(h, EMPTY, "SET", "k", "3", "GET", "KEEPTTL");
    RUN(h, ":9\r\n", "TTL", "k");
    RUN(h, "$1\r\n3\r\n", "GET", "k");
    harness_protocol(h, 3);
    RUN(h, NIL3, "SET", "j", "1", "GET", "GET");
}
END_TEST

START_TEST(set_get_works_with_nx_and_xx)
{
    RUN(h, NIL, "SET", "k", "1", "XX", "GET");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, NIL, "SET", "k", "1", "NX", "GET");
    RUN(h, "$1\r\n1\r\n", "SET", "k", "2", "GET", "NX");
    RUN(h, "$1\r\n1\r\n", "GET", "k");
    RUN(h, "$1\r\n1\r\n", "SET", "k", "2", "XX", "GET");
    RUN(h, "$1\r\n2\r\n", "GET", "k");
}
END_TEST

START_TEST(set_takes_four_kinds_of_time)
{
    RUN(h, OK, "SET", "k", "v", "EX", "100");
    RUN(h, ":100000\r\n", "PTTL", "k");
    RUN(h, OK, "SET", "k", "v", "PX", "1");
    RUN(h, ":1\r\n", "PTTL", "k");
    RUN(h, OK, "SET", "k", "v", "EXAT", "1700000007");
    RUN(h, ":7000\r\n", "PTTL", "k");
    RUN(h, OK, "SET", "k", "v", "PXAT", "1700000000042");
    RUN(h, ":42\r\n", "PTTL", "k");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":-1\r\n", "PTTL", "k");
}
END_TEST

START_TEST(a_repeated_option_counts_once_or_last)
{
    RUN(h, OK, "SET", "k", "v", "EX", "10", "EX", "20");
    RUN(h, ":20\r\n", "TTL", "k");
    RUN(h, OK, "SET", "k", "v", "XX", "XX", "KEEPTTL", "KEEPTTL");
    RUN(h, ":20\r\n", "TTL", "k");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "PERSIST", "PERSIST");
    RUN(h, ":-1\r\n", "TTL", "k");
}
END_TEST

START_TEST(set_without_keepttl_drops_the_expiry)
{
    RUN(h, OK, "SET", "k", "1", "EX", "100");
    RUN(h, OK, "SET", "k", "2", "KEEPTTL");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, OK, "SET", "k", "3", "XX", "KEEPTTL");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, OK, "SET", "k", "4", "XX");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, OK, "SET", "new", "1", "KEEPTTL");
    RUN(h, ":-1\r\n", "TTL", "new");
}
END_TEST

START_TEST(keepttl_does_not_revive_an_expired_deadline)
{
    RUN(h, OK, "SET", "k", "1", "PX", "10");
    clock_fake(NOW + 11);
    RUN(h, OK, "SET", "k", "2", "KEEPTTL");
    RUN(h, ":-1\r\n", "PTTL", "k");
    RUN(h, "$1\r\n2\r\n", "GET", "k");
}
END_TEST

START_TEST(an_expired_key_is_missing)
{
    RUN(h, OK, "SET", "k", "v", "PX", "10");
    clock_fake(NOW + 9);
    RUN(h, "$1\r\nv\r\n", "GET", "k");
    clock_fake(NOW + 11);
    RUN(h, NIL, "GET", "k");
    RUN(h, OK, "SET", "k", "v", "PX", "10");
    clock_fake(NOW + 22);
    RUN(h, NIL, "SET", "k", "w", "XX");
    RUN(h, NIL, "SET", "k", "w", "GET");
    RUN(h, OK, "SET", "k", "v", "PX", "10");
    clock_fake(NOW + 33);
    RUN(h, ":1\r\n", "SETNX", "k", "w");
    RUN(h, "$1\r\nw\r\n", "GET", "k");
}
END_TEST

START_TEST(a_time_that_has_passed_stores_nothing_and_deletes)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, OK, "SET", "k", "w", "EXAT", "1");
    RUN(h, NIL, "GET", "k");
    RUN(h, OK, "SET", "k", "w", "PXAT", "1", "NX");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, OK, "SET", "k", "w", "PXAT", "1699999999999", "XX");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, "$1\r\nv\r\n", "SET", "k", "w", "EXAT", "1", "GET");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, NIL, "SET", "k", "w", "EXAT", "1", "NX");
    RUN(h, "$1\r\nv\r\n", "GET", "k");
}
END_TEST

START_TEST(set_refuses_options_that_exclude_each_other)
{
    RUN(h, SYNTAX, "SET", "k", "v", "NX", "XX");
    RUN(h, SYNTAX, "SET", "k", "v", "XX", "NX");
    RUN(h, SYNTAX, "SET", "k", "v", "EX", "10", "PX", "10");
    RUN(h, SYNTAX, "SET", "k", "v", "EX", "10", "EXAT", "10");
    RUN(h, SYNTAX, "SET", "k", "v", "PXAT", "10", "EX", "10");
    RUN(h, SYNTAX, "SET", "k", "v", "EX", "10", "KEEPTTL");
    RUN(h, SYNTAX, "SET", "k", "v", "KEEPTTL", "PX", "10");
    RUN(h, SYNTAX, "SET", "k", "v", "PERSIST");
    RUN(h, SYNTAX, "SET", "k", "v", "EX");
    RUN(h, SYNTAX, "SET", "k", "v", "NX", "PXAT");
    RUN(h, SYNTAX, "SET", "k", "v", "w");
    RUN(h, SYNTAX, "SET", "k", "v", "");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(set_refuses_times_that_are_none)
{
    RUN(h, NOT_INTEGER, "SET", "k", "v", "EX", "ten");
    RUN(h, NOT_INTEGER, "SET", "k", "v", "EX", "");
    RUN(h, NOT_INTEGER, "SET", "k", "v", "EX", "1.5");
    RUN(h, NOT_INTEGER, "SET", "k", "v", "EX", " 1");
    RUN(h, NOT_INTEGER, "SET", "k", "v", "PX", "9223372036854775808");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "EX", "0");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "EX", "-1");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "PX", "0");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "EXAT", "0");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "PXAT", "-5");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "EX", "9223372036854775807");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "EX", "9223372036854775");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "PX", "9223372036854775807");
    RUN(h, BAD_TIME("set"), "SET", "k", "v", "EXAT", "9223372036854776");
    RUN(h, BAD_TIME("setex"), "SETEX", "k", "0", "v");
    RUN(h, BAD_TIME("setex"), "SETEX", "k", "-9223372036854775808", "v");
    RUN(h, BAD_TIME("psetex"), "PSETEX", "k", "-1", "v");
    RUN(h, NOT_INTEGER, "SETEX", "k", "x", "v");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(the_latest_time_is_kept_exactly)
{
    RUN(h, OK, "SET", "k", "v", "PXAT", "9223372036854775807");
    RUN(h, ":9223372036854775807\r\n", "PEXPIRETIME", "k");
    RUN(h, OK, "SET", "k", "v", "EXAT", "9223372036854775");
    RUN(h, ":9223372036854775000\r\n", "PEXPIRETIME", "k");
    RUN(h, "$1\r\nv\r\n", "GET", "k");
}
END_TEST

START_TEST(setnx_says_whether_it_stored)
{
    RUN(h, ":1\r\n", "SETNX", "k", "1");
    RUN(h, ":0\r\n", "SETNX", "k", "2");
    RUN(h, "$1\r\n1\r\n", "GET", "k");
}
END_TEST

START_TEST(setex_and_psetex_store_with_a_time)
{
    RUN(h, OK, "SETEX", "k", "10", "v");
    RUN(h, ":10000\r\n", "PTTL", "k");
    RUN(h, OK, "PSETEX", "k", "1234", "w");
    RUN(h, ":1234\r\n", "PTTL", "k");
    RUN(h, "$1\r\nw\r\n", "GET", "k");
}
END_TEST

START_TEST(getset_swaps_and_drops_the_expiry)
{
    RUN(h, NIL, "GETSET", "k", "1");
    RUN(h, ":1\r\n", "EXPIRE", "k", "100");
    RUN(h, "$1\r\n1\r\n", "GETSET", "k", "2");
    RUN(h, "$1\r\n2\r\n", "GET", "k");
    RUN(h, ":-1\r\n", "TTL", "k");
}
END_TEST

START_TEST(getdel_takes_the_key_away)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, "$1\r\nv\r\n", "GETDEL", "k");
    RUN(h, NIL, "GETDEL", "k");
    RUN(h, ":0\r\n", "EXISTS", "k");
    harness_protocol(h, 3);
    RUN(h, NIL3, "GETDEL", "k");
}
END_TEST

START_TEST(getex_without_options_is_get)
{
    RUN(h, OK, "SET", "k", "v", "EX", "100");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, NIL, "GETEX", "none");
}
END_TEST

START_TEST(getex_changes_the_expiry)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "EX", "10");
    RUN(h, ":10000\r\n", "PTTL", "k");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "px", "10");
    RUN(h, ":10\r\n", "PTTL", "k");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "EXAT", "1700000003");
    RUN(h, ":3000\r\n", "PTTL", "k");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "PXAT", "1700000000004");
    RUN(h, ":4\r\n", "PTTL", "k");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "PERSIST");
    RUN(h, ":-1\r\n", "PTTL", "k");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "PERSIST");
}
END_TEST

START_TEST(getex_with_a_past_time_deletes)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "EXAT", "1");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, "$1\r\nv\r\n", "GETEX", "k", "PXAT", "1700000000000");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(getex_refuses_what_set_alone_takes)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, SYNTAX, "GETEX", "k", "NX");
    RUN(h, SYNTAX, "GETEX", "k", "XX");
    RUN(h, SYNTAX, "GETEX", "k", "GET");
    RUN(h, SYNTAX, "GETEX", "k", "KEEPTTL");
    RUN(h, SYNTAX, "GETEX", "k", "PERSIST", "EX", "1");
    RUN(h, SYNTAX, "GETEX", "k", "EX", "1", "PERSIST");
    RUN(h, SYNTAX, "GETEX", "k", "EX");
    RUN(h, SYNTAX, "GETEX", "none", "EX", "1", "PX", "1");
}
END_TEST

START_TEST(getex_looks_at_the_number_only_if_the_key_is_there)
{
    RUN(h, NIL, "GETEX", "none", "EX", "x");
    RUN(h, NIL, "GETEX", "none", "EX", "-1");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, NOT_INTEGER, "GETEX", "k", "EX", "x");
    RUN(h, BAD_TIME("getex"), "GETEX", "k", "EX", "-1");
    RUN(h, BAD_TIME("getex"), "GETEX", "k", "PX", "9223372036854775807");
    RUN(h, ":-1\r\n", "TTL", "k");
}
END_TEST

START_TEST(strlen_counts_bytes)
{
    RUN(h, ":0\r\n", "STRLEN", "none");
    RUN(h, OK, "SET", "k", "");
    RUN(h, ":0\r\n", "STRLEN", "k");
    RUN(h, OK, "SET", "k", "h\xc3\xa4llo");
    RUN(h, ":6\r\n", "STRLEN", "k");
}
END_TEST

/* ---- GETRANGE ---------------------------------------------------------- */

START_TEST(getrange_counts_from_both_ends)
{
    RUN(h, OK, "SET", "k", "This is a string");
    RUN(h, "$4\r\nThis\r\n", "GETRANGE", "k", "0", "3");
    RUN(h, "$3\r\ning\r\n", "GETRANGE", "k", "-3", "-1");
    RUN(h, "$16\r\nThis is a string\r\n", "GETRANGE", "k", "0", "-1");
    RUN(h, "$6\r\nstring\r\n", "GETRANGE", "k", "10", "100");
    RUN(h, "$1\r\nT\r\n", "GETRANGE", "k", "-100", "0");
    RUN(h, "$1\r\nT\r\n", "GETRANGE", "k", "-100", "-100");
    RUN(h, "$1\r\nT\r\n", "GETRANGE", "k", "0", "-100");
    RUN(h, "$1\r\ng\r\n", "GETRANGE", "k", "15", "15");
    RUN(h, "$2\r\nis\r\n", "SUBSTR", "k", "5", "6");
}
END_TEST

START_TEST(getrange_of_nothing_is_empty)
{
    RUN(h, EMPTY, "GETRANGE", "none", "0", "-1");
    RUN(h, OK, "SET", "k", "hello");
    RUN(h, EMPTY, "GETRANGE", "k", "5", "10");
    RUN(h, EMPTY, "GETRANGE", "k", "3", "2");
    RUN(h, EMPTY, "GETRANGE", "k", "-1", "-2");
    RUN(h, EMPTY, "GETRANGE", "k", "-1", "0");
    RUN(h, EMPTY, "GETRANGE", "k", "4", "-4");
    RUN(h, OK, "SET", "e", "");
    RUN(h, EMPTY, "GETRANGE", "e", "0", "-1");
    RUN(h, EMPTY, "GETRANGE", "e", "0", "0");
    RUN(h, EMPTY, "GETRANGE", "e", "-1", "-1");
}
END_TEST

START_TEST(getrange_takes_the_extremes_of_64_bits)
{
    RUN(h, OK, "SET", "k", "hello");
    RUN(h, "$5\r\nhello\r\n", "GETRANGE", "k", "-9223372036854775808",
        "9223372036854775807");
    RUN(h, EMPTY, "GETRANGE", "k", "9223372036854775807",
        "-9223372036854775808");
    RUN(h, "$1\r\nh\r\n", "GETRANGE", "k", "-9223372036854775808",
        "-9223372036854775808");
    RUN(h, NOT_INTEGER, "GETRANGE", "k", "0", "9223372036854775808");
    RUN(h, NOT_INTEGER, "GETRANGE", "k", "a", "1");
    RUN(h, NOT_INTEGER, "GETRANGE", "none", "0", "b");
}
END_TEST

/* ---- several keys ------------------------------------------------------ */

START_TEST(mget_answers_in_order)
{
    RUN(h, OK, "MSET", "a", "1", "b", "", "c", "333");
    RUN(h, "*5\r\n$3\r\n333\r\n$-1\r\n$1\r\n1\r\n$0\r\n\r\n$1\r\n1\r\n", "MGET",
        "c", "none", "a", "b", "a");
    harness_protocol(h, 3);
    RUN(h, "*2\r\n_\r\n$1\r\n1\r\n", "MGET", "none", "a");
}
END_TEST

START_TEST(mget_of_more_keys_than_a_group_answers_all)
{
    enum {
        N = 100
    };
    char names[N + 1][16];
    const char *words[N + 1] = {"MGET"};
    struct buf expected = {0};

    buf_printf(&expected, "*%d\r\n", N);
    for (int i = 1; i <= N; i++) {
        snprintf(names[i], sizeof(names[i]), "k%03d", i);
        words[i] = names[i];
        if (i % 3 == 0) {
            buf_printf(&expected, "$-1\r\n");
            continue;
        }
        RUN(h, OK, "SET", names[i], names[i]);
        buf_printf(&expected, "$4\r\n%s\r\n", names[i]);
    }
    harness_say(h, words, N + 1);
    assert_reply((struct str){expected.p, expected.len});
    harness_say_prefetched(h, words, N + 1);
    assert_reply((struct str){expected.p, expected.len});
    buf_free(&expected);
}
END_TEST

START_TEST(mset_stores_all_and_the_last_of_equal_keys_wins)
{
    RUN(h, OK, "SET", "a", "0", "EX", "10");
    RUN(h, OK, "MSET", "a", "1", "b", "2", "a", "3");
    RUN(h, "*2\r\n$1\r\n3\r\n$1\r\n2\r\n", "MGET", "a", "b");
    RUN(h, ":-1\r\n", "TTL", "a");
    RUN(h, OK, "MSET", "one", "1");
    RUN(h, "$1\r\n1\r\n", "GET", "one");
}
END_TEST

START_TEST(msetnx_stores_all_or_nothing)
{
    RUN(h, ":1\r\n", "MSETNX", "a", "1", "b", "2", "a", "3");
    RUN(h, "$1\r\n3\r\n", "GET", "a");
    RUN(h, ":0\r\n", "MSETNX", "c", "1", "b", "9");
    RUN(h, "*2\r\n$-1\r\n$1\r\n2\r\n", "MGET", "c", "b");
}
END_TEST

START_TEST(databases_do_not_see_each_other)
{
    RUN(h, OK, "SET", "k", "zero");
    RUN(h, OK, "SELECT", "3");
    RUN(h, NIL, "GET", "k");
    RUN(h, ":1\r\n", "MSETNX", "k", "three");
    RUN(h, OK, "SELECT", "0");
    RUN(h, "$4\r\nzero\r\n", "GET", "k");
}
END_TEST

/* ---- large values ------------------------------------------------------ */

START_TEST(a_large_value_is_stored_where_it_was_received)
{
    struct str value = pattern(300000);

    set_large("k", value);
    ck_assert_uint_eq(live_extents(), 1);
    RUN_BULK(value, "GET", "k");
    ck_assert_uint_eq(h->reply.n_refs, 1);
    RUN(h, ":300000\r\n", "STRLEN", "k");
    RUN(h, ":1\r\n", "DEL", "k");
    ck_assert_uint_eq(live_extents(), 0);
    free((char *)value.p);
}
END_TEST

START_TEST(a_value_stays_whole_while_its_reply_is_not_sent)
{
    struct str value = pattern(100000);

    set_large("k", value);
    SAY(h, "GETDEL", "k");
    ck_assert_uint_eq(h->reply.n_refs, 1);
    ck_assert_uint_eq(live_extents(), 1);
    ck_assert_mem_eq(h->reply.refs[0].p, value.p, value.len);
    RUN(h, NIL, "GET", "k");
    ck_assert_uint_eq(live_extents(), 0);
    free((char *)value.p);
}
END_TEST

START_TEST(large_values_are_exchanged_without_loss)
{
    struct str first = pattern(50000), second = pattern(70000);
    const char *set_get[] = {"GETSET", "k"};
    struct buf expected = {0};

    set_large("k", first);
    harness_say_extent(h, set_get, 2, second);
    buf_printf(&expected, "$50000\r\n%s\r\n", first.p);
    assert_reply((struct str){expected.p, expected.len});
    RUN_BULK(second, "GET", "k");
    RUN_BULK(second, "SET", "k", "small", "GET");
    RUN(h, "$5\r\nsmall\r\n", "GETEX", "k", "EX", "10");
    ck_assert_uint_eq(live_extents(), 0);
    set_large("k", first);
    RUN_BULK(first, "GETEX", "k", "EX", "10");
    RUN(h, ":10\r\n", "TTL", "k");
    RUN_BULK(first, "GETEX", "k", "PERSIST");
    RUN(h, NOT_INTEGER, "GETEX", "k", "EX", "x");
    RUN(h, ":1\r\n", "DEL", "k");
    ck_assert_uint_eq(live_extents(), 0);
    buf_free(&expected);
    free((char *)first.p);
    free((char *)second.p);
}
END_TEST

START_TEST(every_command_that_stores_takes_a_received_value_over)
{
    static const struct {
        const char *words[4];
        int n;
    } stores[] = {
        {{"SET", "k"}, 2},
        {{"SETEX", "k", "100"}, 3},
        {{"PSETEX", "k", "100"}, 3},
        {{"GETSET", "k"}, 2},
        {{"SETNX", "k"}, 2},
        {{"MSET", "k"}, 2},
        {{"MSETNX", "k"}, 2},
        {{"MSET", "j", "1", "k"}, 4},
    };
    struct str value = pattern(40000);

    for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
        harness_say_extent(h, stores[i].words, stores[i].n, value);
        ck_assert_uint_eq(live_extents(), 1);
        RUN_BULK(value, "GET", "k");
        RUN(h, ":1\r\n", "DEL", "k");
        ck_assert_uint_eq(live_extents(), 0);
    }
    free((char *)value.p);
}
END_TEST

START_TEST(a_received_value_that_is_not_stored_stays_the_callers)
{
    static const char *const setnx[] = {"SETNX", "k"};
    static const char *const msetnx[] = {"MSETNX", "k"};
    static const char *const late[] = {"PSETEX", "k", "-1"};
    static const char *const option[] = {"SET", "k", "v"};
    struct str value = pattern(40000);

    RUN(h, OK, "SET", "k", "v");
    ck_assert_str_eq(harness_say_extent(h, setnx, 2, value), ":0\r\n");
    ck_assert_str_eq(harness_say_extent(h, msetnx, 2, value), ":0\r\n");
    ck_assert_str_eq(harness_say_extent(h, late, 3, value), BAD_TIME("psetex"));
    ck_assert_str_eq(harness_say_extent(h, option, 3, value), SYNTAX);
    ck_assert_uint_eq(live_extents(), 0);
    RUN(h, "$1\r\nv\r\n", "GET", "k");
    free((char *)value.p);
}
END_TEST

START_TEST(a_received_value_short_enough_for_a_chunk_is_copied)
{
    const struct str value = STR("short after all");

    set_large("k", value);
    ck_assert_uint_eq(live_extents(), 0);
    RUN(h, "$15\r\nshort after all\r\n", "GET", "k");
}
END_TEST

START_TEST(getrange_of_a_large_value_sends_only_the_range)
{
    struct str value = pattern(200000);
    const struct str middle = {value.p + 100000, 90000};
    const struct str few = {value.p + 199990, 10};

    set_large("k", value);
    RUN_BULK(middle, "GETRANGE", "k", "100000", "189999");
    ck_assert_uint_eq(h->reply.n_refs, 1);
    ck_assert_uint_eq(h->reply.refs[0].len, 90000);
    RUN_BULK(few, "GETRANGE", "k", "-10", "-1");
    ck_assert_uint_eq(h->reply.n_refs, 0);
    RUN_BULK(STR(""), "GETRANGE", "k", "200000", "300000");
    RUN(h, ":1\r\n", "DEL", "k");
    ck_assert_uint_eq(live_extents(), 0);
    free((char *)value.p);
}
END_TEST

START_TEST(mget_mixes_large_and_small_values)
{
    struct str value = pattern(30000);
    struct buf expected = {0};

    set_large("big", value);
    RUN(h, OK, "SET", "small", "s");
    SAY(h, "MGET", "small", "big", "none", "big");
    buf_printf(&expected,
        "*4\r\n$1\r\ns\r\n$30000\r\n%s\r\n$-1\r\n$30000\r\n%s\r\n", value.p,
        value.p);
    assert_reply((struct str){expected.p, expected.len});
    buf_free(&expected);
    free((char *)value.p);
}
END_TEST

/* ---- limits ------------------------------------------------------------ */

START_TEST(a_key_beyond_the_limit_is_refused)
{
    struct str longest = pattern(KS_MAX_KEY);
    struct str longer = pattern(KS_MAX_KEY + 1);

    RUN(h, OK, "SET", longest.p, "v");
    RUN(h, "$1\r\nv\r\n", "GET", longest.p);
    RUN(h, "-ERR key is longer than 8192 bytes\r\n", "SET", longer.p, "v");
    RUN(h, "-ERR key is longer than 8192 bytes\r\n", "SETNX", longer.p, "v");
    RUN(h, NIL, "GET", longer.p);
    free((char *)longest.p);
    free((char *)longer.p);
}
END_TEST

START_TEST(a_full_memory_refuses_and_keeps_what_there_was)
{
    const char *refused =
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    struct str value = pattern(12000);
    char key[16];
    int n = 0;

    h->keyspace_options.maxmemory_policy = KS_NOEVICTION;
    do {
        snprintf(key, sizeof(key), "k%d", n++);
        ck_assert_int_lt(n, 100000);
    } while (strcmp(SAY(h, "SET", key, value.p), OK) == 0);
    ck_assert_str_eq(h->flat.p, refused);
    RUN(h, refused, "SETNX", key, value.p);
    RUN(h, refused, "MSET", key, value.p);
    RUN(h, refused, "SET", key, value.p, "GET");
    RUN(h, refused, "GETSET", "k0", value.p);
    RUN(h, NIL, "GET", key);
    RUN_BULK(value, "GET", "k0");
    free((char *)value.p);
}
END_TEST

/* ---- statistics -------------------------------------------------------- */

START_TEST(reads_count_hits_and_misses_and_writes_do_not)
{
    struct ks_metrics m;

    RUN(h, OK, "SET", "k", "v");
    RUN(h, OK, "SET", "k", "v", "XX");
    RUN(h, ":0\r\n", "SETNX", "k", "v");
    RUN(h, ":0\r\n", "MSETNX", "k", "v");
    ks_metrics(h->ks, &m);
    ck_assert_uint_eq(m.hits, 0);
    ck_assert_uint_eq(m.misses, 0);
    SAY(h, "GET", "k");
    SAY(h, "MGET", "k", "none");
    SAY(h, "STRLEN", "k");
    SAY(h, "GETRANGE", "k", "0", "0");
    SAY(h, "GETSET", "k", "w");
    SAY(h, "GETEX", "k", "PERSIST");
    SAY(h, "GETDEL", "k");
    SAY(h, "GET", "k");
    ks_metrics(h->ks, &m);
    ck_assert_uint_eq(m.hits, 7);
    ck_assert_uint_eq(m.misses, 2);
}
END_TEST

HARNESS_MAIN("strings", start_at_now, stop_at_now,
    get_returns_what_set_stored,
    get_of_a_missing_key_is_null,
    keys_and_values_may_hold_any_byte,
    arity_is_checked,
    set_nx_stores_only_a_new_key,
    set_xx_stores_only_an_existing_key,
    set_get_returns_the_former_value,
    set_get_works_with_nx_and_xx,
    set_takes_four_kinds_of_time,
    a_repeated_option_counts_once_or_last,
    set_without_keepttl_drops_the_expiry,
    keepttl_does_not_revive_an_expired_deadline,
    an_expired_key_is_missing,
    a_time_that_has_passed_stores_nothing_and_deletes,
    set_refuses_options_that_exclude_each_other,
    set_refuses_times_that_are_none,
    the_latest_time_is_kept_exactly,
    setnx_says_whether_it_stored,
    setex_and_psetex_store_with_a_time,
    getset_swaps_and_drops_the_expiry,
    getdel_takes_the_key_away,
    getex_without_options_is_get,
    getex_changes_the_expiry,
    getex_with_a_past_time_deletes,
    getex_refuses_what_set_alone_takes,
    getex_looks_at_the_number_only_if_the_key_is_there,
    strlen_counts_bytes,
    getrange_counts_from_both_ends,
    getrange_of_nothing_is_empty,
    getrange_takes_the_extremes_of_64_bits,
    mget_answers_in_order,
    mget_of_more_keys_than_a_group_answers_all,
    mset_stores_all_and_the_last_of_equal_keys_wins,
    msetnx_stores_all_or_nothing,
    databases_do_not_see_each_other,
    a_large_value_is_stored_where_it_was_received,
    a_value_stays_whole_while_its_reply_is_not_sent,
    large_values_are_exchanged_without_loss,
    every_command_that_stores_takes_a_received_value_over,
    a_received_value_that_is_not_stored_stays_the_callers,
    a_received_value_short_enough_for_a_chunk_is_copied,
    getrange_of_a_large_value_sends_only_the_range,
    mget_mixes_large_and_small_values,
    a_key_beyond_the_limit_is_refused,
    a_full_memory_refuses_and_keeps_what_there_was,
    reads_count_hits_and_misses_and_writes_do_not)
