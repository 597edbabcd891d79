/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace_test.c - NAMESPACE and SWAPDB: replies and errors. */
#include "commands/fixture.h"

#include <stdio.h>

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"

static void
fill(const char *format, int n)
{
    char name[40];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), format, i);
        RUN(h, OK, "SET", name, "v");
    }
}

START_TEST(info_is_a_map_of_numbers)
{
    RUN(h, OK, "SET", "n:1", "v");
    RUN(h, OK, "SET", "n:2", "v", "EX", "100");
    RUN(h, "$1\r\nv\r\n", "GET", "n:1");
    RUN(h, "$-1\r\n", "GET", "n:3");
    harness_protocol(h, 3);
    RUN(h, "%11\r\n$4\r\nname\r\n$2\r\nn:\r\n$5\r\nitems\r\n:2\r\n"
        "$7\r\nexpires\r\n:1\r\n$5\r\nbytes\r\n:20\r\n$4\r\nhits\r\n:1\r\n"
        "$6\r\nmisses\r\n:1\r\n$4\r\nsets\r\n:2\r\n$9\r\nevictions\r\n:0\r\n"
        "$8\r\nexpiries\r\n:0\r\n$10\r\ndead_items\r\n:0\r\n"
        "$10\r\ndead_bytes\r\n:0\r\n", "NAMESPACE", "INFO", "n:");
    harness_protocol(h, 2);
    ck_assert_int_eq(strncmp(SAY(h, "NAMESPACE", "INFO", "none:"),
        "*22\r\n$4\r\nname\r\n$5\r\nnone:\r\n$5\r\nitems\r\n:0\r\n", 40), 0);
}
END_TEST

START_TEST(a_list_is_sorted_by_bytes_and_bounded)
{
    const char *list;

    RUN(h, "*0\r\n", "NAMESPACE", "LIST");
    RUN(h, OK, "SET", "small:1", "v");
    RUN(h, OK, "SET", "large:1", "a value of some bytes");
    RUN(h, OK, "SET", "plain", "v");
    RUN(h, OK, "SELECT", "1");
    RUN(h, OK, "SET", "elsewhere:1", "v");
    RUN(h, OK, "SELECT", "0");
    list = SAY(h, "NAMESPACE", "LIST");
    ck_assert_int_eq(strncmp(list, "*3\r\n", 4), 0);
    ck_assert(strstr(list, "large:") < strstr(list, "small:"));
    ck_assert(strstr(list, "small:") < strstr(list, "$0\r\n\r\n"));
    ck_assert_ptr_null(strstr(list, "elsewhere:"));
    list = SAY(h, "NAMESPACE", "LIST", "1");
    ck_assert_int_eq(strncmp(list, "*1\r\n", 4), 0);
    ck_assert_ptr_nonnull(strstr(list, "large:"));
    RUN(h, "*0\r\n", "NAMESPACE", "LIST", "0");
    RUN(h, "-ERR count must not be negative\r\n", "NAMESPACE", "LIST", "-1");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "NAMESPACE",
        "LIST", "x");
    RUN(h, "-ERR wrong number of arguments for 'namespace|list' command\r\n",
        "NAMESPACE", "LIST", "1", "2");
}
END_TEST

START_TEST(flush_takes_a_namespace_of_this_database)
{
    RUN(h, OK, "MSET", "n:1", "v", "n:2", "v", "m:1", "v", "plain", "v");
    RUN(h, OK, "SELECT", "1");
    RUN(h, OK, "SET", "n:1", "v");
    RUN(h, OK, "SELECT", "0");
    RUN(h, OK, "NAMESPACE", "FLUSH", "n:");
    RUN(h, ":2\r\n", "DBSIZE");
    RUN(h, "$-1\r\n", "GET", "n:1");
    RUN(h, OK, "NAMESPACE", "FLUSH", "");
    RUN(h, "*3\r\n$-1\r\n$-1\r\n$1\r\nv\r\n", "MGET", "n:2", "plain", "m:1");
    RUN(h, OK, "NAMESPACE", "FLUSH", "never:");
    RUN(h, "-ERR 'm' is not a namespace: a configured prefix, or a key up to "
        "its first delimiter, this included\r\n", "NAMESPACE", "FLUSH", "m");
    RUN(h, "-ERR 'm:1' is not a namespace: a configured prefix, or a key up to "
        "its first delimiter, this included\r\n", "NAMESPACE", "INFO", "m:1");
    RUN(h, OK, "SELECT", "1");
    RUN(h, "$1\r\nv\r\n", "GET", "n:1");
}
END_TEST

START_TEST(a_large_namespace_is_gone_at_once)
{
    const char *get[] = {"GET", "n:1"};

    fill("n:%d", 5000);
    fill("m:%d", 100);
    ck_assert_str_eq(harness_say_prefetched(h, get, 2), "$1\r\nv\r\n");
    RUN(h, OK, "NAMESPACE", "FLUSH", "n:");
    RUN(h, ":100\r\n", "DBSIZE");
    RUN(h, "$-1\r\n", "GET", "n:1");
    RUN(h, "*2\r\n$1\r\n0\r\n*0\r\n", "SCAN", "0", "MATCH", "n:*", "COUNT",
        "100000");
    ck_assert_ptr_nonnull(strstr(SAY(h, "INFO", "namespaces"),
        "db0_namespaces:1\r\ndb0_other_keys:0\r\ndb0_dead_bytes:"));
    ck_assert_ptr_nonnull(strstr(SAY(h, "INFO", "keyspace"), "keys=100,"));
    RUN(h, OK, "SET", "n:1", "new");
    ck_assert_str_eq(harness_say_prefetched(h, get, 2), "$3\r\nnew\r\n");
    ks_reclaim(h->ks_thread);
    RUN(h, "*2\r\n$3\r\nnew\r\n$1\r\nv\r\n", "MGET", "n:1", "m:1");
    RUN(h, ":101\r\n", "DBSIZE");
    RUN(h, OK, "FLUSHALL");
    RUN(h, ":0\r\n", "DBSIZE");
}
END_TEST

START_TEST(flushes_inside_of_a_transaction_take_effect_at_once)
{
    fill("n:%d", 5000);
    RUN(h, OK, "WATCH", "absent:1");
    RUN(h, OK, "MULTI");
    RUN(h, QUEUED, "NAMESPACE", "FLUSH", "n:");
    RUN(h, QUEUED, "GET", "n:1");
    RUN(h, QUEUED, "SET", "n:1", "new");
    RUN(h, QUEUED, "SWAPDB", "0", "1");
    RUN(h, QUEUED, "DBSIZE");
    RUN(h, QUEUED, "SWAPDB", "0", "1");
    RUN(h, QUEUED, "MGET", "n:1", "n:2");
    RUN(h, "*7\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n:0\r\n+OK\r\n"
        "*2\r\n$3\r\nnew\r\n$-1\r\n", "EXEC");
}
END_TEST

START_TEST(a_watch_knows_of_flushes)
{
    fill("n:%d", 5000);
    RUN(h, OK, "WATCH", "n:1");
    RUN(h, OK, "NAMESPACE", "FLUSH", "m:");
    RUN(h, OK, "MULTI");
    RUN(h, "*0\r\n", "EXEC");
    RUN(h, OK, "WATCH", "n:1");
    RUN(h, OK, "NAMESPACE", "FLUSH", "n:");
    RUN(h, OK, "MULTI");
    RUN(h, "*-1\r\n", "EXEC");
    RUN(h, OK, "WATCH", "n:1");
    RUN(h, OK, "NAMESPACE", "FLUSH", "n:");
    RUN(h, OK, "MULTI");
    RUN(h, "*0\r\n", "EXEC");
}
END_TEST

START_TEST(swapdb_exchanges_two_databases)
{
    RUN(h, OK, "SET", "a", "0");
    RUN(h, OK, "SELECT", "1");
    RUN(h, OK, "MSET", "a", "1", "b", "1");
    RUN(h, OK, "SWAPDB", "0", "1");
    RUN(h, "*2\r\n$1\r\n0\r\n$-1\r\n", "MGET", "a", "b");
    RUN(h, ":1\r\n", "DBSIZE");
    RUN(h, OK, "SELECT", "0");
    RUN(h, ":2\r\n", "DBSIZE");
    RUN(h, OK, "FLUSHDB");
    RUN(h, ":0\r\n", "EXISTS", "a");
    RUN(h, OK, "SWAPDB", "1", "0");
    RUN(h, "$1\r\n0\r\n", "GET", "a");
    RUN(h, OK, "SWAPDB", "0", "0");
    RUN(h, "-ERR DB index is out of range\r\n", "SWAPDB", "0", "16");
    RUN(h, "-ERR DB index is out of range\r\n", "SWAPDB", "-1", "0");
    RUN(h, "-ERR invalid first DB index\r\n", "SWAPDB", "x", "y");
    RUN(h, "-ERR invalid second DB index\r\n", "SWAPDB", "1", "99999999999");
}
END_TEST

START_TEST(swapdb_changes_what_is_watched)
{
    RUN(h, OK, "SELECT", "1");
    RUN(h, OK, "SET", "k", "1");
    RUN(h, OK, "SELECT", "0");
    RUN(h, OK, "WATCH", "k");
    RUN(h, OK, "SWAPDB", "0", "1");
    RUN(h, OK, "MULTI");
    RUN(h, "*-1\r\n", "EXEC");
    RUN(h, OK, "WATCH", "none");
    RUN(h, OK, "SWAPDB", "0", "1");
    RUN(h, OK, "MULTI");
    RUN(h, "*0\r\n", "EXEC");
}
END_TEST

HARNESS_MAIN("namespace", start, stop, info_is_a_map_of_numbers,
    a_list_is_sorted_by_bytes_and_bounded,
    flush_takes_a_namespace_of_this_database,
    a_large_namespace_is_gone_at_once,
    flushes_inside_of_a_transaction_take_effect_at_once,
    a_watch_knows_of_flushes, swapdb_exchanges_two_databases,
    swapdb_changes_what_is_watched)
