/* SPDX-License-Identifier: BSD-3-Clause */
/* rename_test.c - COPY, RENAME, RENAMENX and MOVE. */
#include "commands/fixture.h"

#define OK "+OK\r\n"
#define NO_KEY "-ERR no such key\r\n"
#define SAME "-ERR source and destination objects are the same\r\n"
#define BAD_DB "-ERR DB index is out of range\r\n"

START_TEST(rename_takes_the_expiry_along)
{
    RUN(h, OK, "SET", "a", "1", "EX", "100");
    RUN(h, OK, "SET", "b", "2", "EX", "9");
    RUN(h, OK, "RENAME", "a", "b");
    RUN(h, ":0\r\n", "EXISTS", "a");
    RUN(h, "$1\r\n1\r\n", "GET", "b");
    RUN(h, ":100\r\n", "TTL", "b");
    RUN(h, OK, "RENAME", "b", "b");
    RUN(h, ":100\r\n", "TTL", "b");
    RUN(h, OK, "SET", "c", "3");
    RUN(h, OK, "RENAME", "c", "b");
    RUN(h, ":-1\r\n", "TTL", "b");
    RUN(h, NO_KEY, "RENAME", "a", "a");
    RUN(h, NO_KEY, "RENAME", "a", "b");
}
END_TEST

START_TEST(an_expired_key_is_no_source_and_no_obstacle)
{
    RUN(h, OK, "SET", "a", "1", "PX", "5");
    RUN(h, OK, "SET", "b", "2");
    clock_fake(NOW + 6);
    RUN(h, NO_KEY, "RENAME", "a", "c");
    RUN(h, ":1\r\n", "RENAMENX", "b", "a");
    RUN(h, "$1\r\n2\r\n", "GET", "a");
}
END_TEST

START_TEST(renamenx_leaves_a_value_that_is_there)
{
    RUN(h, OK, "MSET", "a", "1", "b", "2");
    RUN(h, ":0\r\n", "RENAMENX", "a", "b");
    RUN(h, ":0\r\n", "RENAMENX", "a", "a");
    RUN(h, ":1\r\n", "RENAMENX", "a", "c");
    RUN(h, "*3\r\n$-1\r\n$1\r\n2\r\n$1\r\n1\r\n", "MGET", "a", "b", "c");
    RUN(h, NO_KEY, "RENAMENX", "a", "b");
}
END_TEST

START_TEST(rename_keeps_a_large_value_and_its_encoding)
{
    struct slab_stats stats;

    SAY(h, "SETRANGE", "a", "100000", "x");
    RUN(h, OK, "RENAME", "a", "b");
    RUN(h, ":100001\r\n", "STRLEN", "b");
    slab_stats(h->slab, &stats);
    ck_assert_uint_eq(stats.extents_live, 1);
    SAY(h, "APPEND", "c", "1");
    SAY(h, "APPEND", "c", "2");
    RUN(h, ":1\r\n", "COPY", "c", "d");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "d");
}
END_TEST

START_TEST(copy_replaces_only_when_it_is_told)
{
    RUN(h, ":0\r\n", "COPY", "a", "b");
    RUN(h, OK, "SET", "a", "1", "EX", "100");
    RUN(h, OK, "SET", "b", "2");
    RUN(h, ":0\r\n", "COPY", "a", "b");
    RUN(h, ":1\r\n", "COPY", "a", "b", "REPLACE");
    RUN(h, ":100\r\n", "TTL", "b");
    RUN(h, "$1\r\n1\r\n", "GET", "a");
    RUN(h, SAME, "COPY", "a", "a");
    RUN(h, ":1\r\n", "COPY", "a", "a", "DB", "1");
    RUN(h, BAD_DB, "COPY", "a", "b", "DB", "16");
    RUN(h, "-ERR syntax error\r\n", "COPY", "a", "b", "DB");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "COPY", "a", "b",
        "DB", "x");
    RUN(h, OK, "SELECT", "1");
    RUN(h, ":100\r\n", "TTL", "a");
}
END_TEST

START_TEST(move_changes_the_database)
{
    RUN(h, OK, "SET", "a", "1", "EX", "100");
    RUN(h, ":1\r\n", "MOVE", "a", "9");
    RUN(h, ":0\r\n", "MOVE", "a", "9");
    RUN(h, OK, "SET", "a", "2");
    RUN(h, ":0\r\n", "MOVE", "a", "9");
    RUN(h, SAME, "MOVE", "a", "0");
    RUN(h, BAD_DB, "MOVE", "a", "-1");
    RUN(h, OK, "SELECT", "9");
    RUN(h, "$1\r\n1\r\n", "GET", "a");
    RUN(h, ":100\r\n", "TTL", "a");
}
END_TEST

HARNESS_MAIN("rename", start_at_now, stop_at_now, rename_takes_the_expiry_along,
    an_expired_key_is_no_source_and_no_obstacle,
    renamenx_leaves_a_value_that_is_there,
    rename_keeps_a_large_value_and_its_encoding,
    copy_replaces_only_when_it_is_told, move_changes_the_database)
