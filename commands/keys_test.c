/* SPDX-License-Identifier: BSD-3-Clause */
/* keys_test.c - DEL, EXISTS, TYPE, DBSIZE, FLUSHALL, OBJECT ... */
#include "commands/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"
#define NOT_LFU                                                                \
    "-ERR An LFU maxmemory policy is not selected, access frequency not "      \
    "tracked. Please note that when switching between policies at runtime "    \
    "LRU and LFU data will take some time to adjust.\r\n"
#define IS_LFU                                                                 \
    "-ERR An LFU maxmemory policy is selected, idle time not tracked. "        \
    "Please note that when switching between policies at runtime LRU and "     \
    "LFU data will take some time to adjust.\r\n"

START_TEST(arity_is_checked)
{
    RUN(h, ARITY("del"), "DEL");
    RUN(h, ARITY("unlink"), "UNLINK");
    RUN(h, ARITY("exists"), "EXISTS");
    RUN(h, ARITY("touch"), "TOUCH");
    RUN(h, ARITY("type"), "TYPE");
    RUN(h, ARITY("type"), "TYPE", "a", "b");
    RUN(h, ARITY("randomkey"), "RANDOMKEY", "a");
    RUN(h, ARITY("dbsize"), "DBSIZE", "0");
    RUN(h, ARITY("object"), "OBJECT");
    RUN(h, ARITY("object|encoding"), "OBJECT", "ENCODING");
    RUN(h, ARITY("object|encoding"), "OBJECT", "ENCODING", "a", "b");
}
END_TEST

START_TEST(del_counts_what_it_deletes)
{
    RUN(h, OK, "MSET", "a", "1", "b", "2", "c", "3");
    RUN(h, ":0\r\n", "DEL", "none");
    RUN(h, ":1\r\n", "DEL", "a");
    RUN(h, ":0\r\n", "DEL", "a");
    RUN(h, ":2\r\n", "DEL", "a", "b", "b", "none", "c");
    RUN(h, ":0\r\n", "DBSIZE");
}
END_TEST

START_TEST(unlink_deletes_as_del_does)
{
    RUN(h, OK, "MSET", "a", "1", "b", "2");
    RUN(h, ":2\r\n", "UNLINK", "b", "a", "b");
    RUN(h, ":0\r\n", "EXISTS", "a", "b");
}
END_TEST

START_TEST(del_does_not_count_an_expired_key)
{
    RUN(h, OK, "SET", "a", "1", "PX", "5");
    RUN(h, OK, "SET", "b", "1");
    clock_fake(NOW + 6);
    RUN(h, ":1\r\n", "DEL", "a", "b");
}
END_TEST

START_TEST(del_takes_many_keys)
{
    enum {
        N = 3000
    };
    static char names[N][16];
    static const char *words[N + 1] = {"DEL"};
    char reply[16];

    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        words[i + 1] = names[i];
        if (i % 2 == 0)
            RUN(h, OK, "SET", names[i], "v");
    }
    snprintf(reply, sizeof(reply), ":%d\r\n", N / 2);
    ck_assert_str_eq(harness_say(h, words, N + 1), reply);
    RUN(h, ":0\r\n", "DBSIZE");
}
END_TEST

START_TEST(exists_counts_a_key_as_often_as_it_is_named)
{
    RUN(h, OK, "MSET", "a", "1", "b", "2");
    RUN(h, ":0\r\n", "EXISTS", "none");
    RUN(h, ":1\r\n", "EXISTS", "a");
    RUN(h, ":3\r\n", "EXISTS", "a", "b", "none", "a");
}
END_TEST

START_TEST(touch_counts_keys)
{
    RUN(h, OK, "MSET", "a", "1", "b", "2");
    RUN(h, ":3\r\n", "TOUCH", "a", "b", "none", "a");
    RUN(h, ":0\r\n", "TOUCH", "none");
}
END_TEST

START_TEST(type_is_string_or_none)
{
    RUN(h, OK, "SET", "a", "1");
    RUN(h, "+string\r\n", "TYPE", "a");
    RUN(h, "+none\r\n", "TYPE", "none");
}
END_TEST

/* ---- databases --------------------------------------------------------- */

START_TEST(dbsize_counts_the_keys_of_one_database)
{
    RUN(h, ":0\r\n", "DBSIZE");
    RUN(h, OK, "MSET", "a", "1", "b", "2");
    RUN(h, OK, "SET", "a", "3");
    RUN(h, ":2\r\n", "DBSIZE");
    RUN(h, OK, "SELECT", "1");
    RUN(h, ":0\r\n", "DBSIZE");
    RUN(h, OK, "SET", "a", "1");
    RUN(h, ":1\r\n", "DBSIZE");
    RUN(h, ":1\r\n", "DEL", "a");
    RUN(h, ":0\r\n", "DBSIZE");
}
END_TEST

START_TEST(randomkey_returns_a_key_of_the_database)
{
    RUN(h, NIL, "RANDOMKEY");
    RUN(h, OK, "SET", "only", "1");
    RUN(h, "$4\r\nonly\r\n", "RANDOMKEY");
    RUN(h, OK, "SELECT", "1");
    RUN(h, NIL, "RANDOMKEY");
    harness_protocol(h, 3);
    RUN(h, "_\r\n", "RANDOMKEY");
}
END_TEST

START_TEST(randomkey_finds_every_key_in_time)
{
    bool seen[8] = {false};
    unsigned n_seen = 0;

    for (int i = 0; i < 8; i++) {
        const char name[] = {(char)('a' + i), '\0'};

        RUN(h, OK, "SET", name, "v");
    }
    for (int i = 0; i < 2000 && n_seen < ARRAY_LEN(seen); i++) {
        const char *reply = SAY(h, "RANDOMKEY");
        int at = reply[4] - 'a';

        ck_assert_uint_eq(strlen(reply), strlen("$1\r\na\r\n"));
        ck_assert(at >= 0 && at < 8);
        n_seen += !seen[at];
        seen[at] = true;
    }
    ck_assert_uint_eq(n_seen, ARRAY_LEN(seen));
}
END_TEST

START_TEST(flushdb_empties_one_database)
{
    RUN(h, OK, "SET", "a", "0");
    RUN(h, OK, "SELECT", "1");
    RUN(h, OK, "SET", "a", "1");
    RUN(h, OK, "FLUSHDB");
    RUN(h, NIL, "GET", "a");
    RUN(h, ":0\r\n", "DBSIZE");
    RUN(h, OK, "SELECT", "0");
    RUN(h, "$1\r\n0\r\n", "GET", "a");
}
END_TEST

START_TEST(flushall_empties_all_databases)
{
    RUN(h, OK, "SET", "a", "0");
    RUN(h, OK, "SELECT", "1");
    RUN(h, OK, "SET", "a", "1");
    RUN(h, OK, "FLUSHALL");
    RUN(h, ":0\r\n", "DBSIZE");
    RUN(h, OK, "SELECT", "0");
    RUN(h, ":0\r\n", "DBSIZE");
    RUN(h, NIL, "GET", "a");
    RUN(h, OK, "SET", "a", "2");
    RUN(h, "$1\r\n2\r\n", "GET", "a");
}
END_TEST

START_TEST(flush_takes_async_or_sync)
{
    RUN(h, OK, "FLUSHDB", "ASYNC");
    RUN(h, OK, "FLUSHDB", "sync");
    RUN(h, OK, "FLUSHALL", "async");
    RUN(h, OK, "FLUSHALL", "SYNC");
    RUN(h, OK, "SET", "a", "1");
    RUN(h, SYNTAX, "FLUSHDB", "now");
    RUN(h, SYNTAX, "FLUSHALL", "ASYNC", "SYNC");
    RUN(h, SYNTAX, "FLUSHALL", "");
    RUN(h, ":1\r\n", "DBSIZE");
}
END_TEST

/* ---- OBJECT ------------------------------------------------------------ */

START_TEST(encoding_is_int_for_canonical_integers)
{
    RUN(h, OK, "MSET", "a", "0", "b", "-1", "c", "9223372036854775807", "d",
        "-9223372036854775808");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "a");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "b");
    RUN(h, "$3\r\nint\r\n", "object", "encoding", "c");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "d");
    RUN(h, OK, "MSET", "a", "00", "b", "-0", "c", "9223372036854775808", "d",
        "+1");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "a");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "b");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "c");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "d");
}
END_TEST

START_TEST(encoding_is_embstr_up_to_44_bytes)
{
    RUN(h, OK, "SET", "k", "");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, OK, "SET", "k", "12345678901234567890123456789012345678901234");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, OK, "SET", "k", "123456789012345678901234567890123456789012345");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
}
END_TEST

START_TEST(encoding_is_raw_once_a_value_was_changed_in_place)
{
    RUN(h, ":1\r\n", "APPEND", "k", "1");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":2\r\n", "APPEND", "k", "2");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":13\r\n", "INCR", "k");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":2\r\n", "SETRANGE", "k", "0", "9");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":3\r\n", "SETRANGE", "new", "0", "123");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "new");
    RUN(h, OK, "SET", "k", "93");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, "$4\r\n93.5\r\n", "INCRBYFLOAT", "k", "0.5");
    RUN(h, "$6\r\nembstr\r\n", "OBJECT", "ENCODING", "k");
}
END_TEST

START_TEST(encoding_of_a_large_value_is_raw)
{
    static const char *const set[] = {"SET", "k"};
    static char value[50000];
    struct slab_stats stats;

    memset(value, '1', sizeof(value));
    ck_assert_str_eq(
        harness_say_extent(h, set, 2, (struct str){value, sizeof(value)}), OK);
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":1\r\n", "DEL", "k");
    slab_stats(h->slab, &stats);
    ck_assert_uint_eq(stats.extents_live, 0);
}
END_TEST

START_TEST(object_of_a_missing_key_is_null)
{
    RUN(h, NIL, "OBJECT", "ENCODING", "none");
    RUN(h, NIL, "OBJECT", "FREQ", "none");
    RUN(h, NIL, "OBJECT", "IDLETIME", "none");
    RUN(h, NIL, "OBJECT", "REFCOUNT", "none");
    harness_protocol(h, 3);
    RUN(h, "_\r\n", "OBJECT", "ENCODING", "none");
}
END_TEST

START_TEST(object_refcount_is_one)
{
    RUN(h, OK, "SET", "k", "some value");
    RUN(h, ":1\r\n", "OBJECT", "REFCOUNT", "k");
}
END_TEST

START_TEST(object_freq_wants_an_lfu_policy_and_idletime_another)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, OK, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    RUN(h, NOT_LFU, "OBJECT", "FREQ", "k");
    RUN(h, ":0\r\n", "OBJECT", "IDLETIME", "k");
    RUN(h, OK, "CONFIG", "SET", "maxmemory-policy", "volatile-lfu");
    RUN(h, IS_LFU, "OBJECT", "IDLETIME", "k");
    RUN(h, NIL, "OBJECT", "IDLETIME", "none");
    RUN(h, OK, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu");
    RUN(h, IS_LFU, "OBJECT", "IDLETIME", "k");
}
END_TEST

START_TEST(object_freq_rises_with_reads)
{
    RUN(h, OK, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu");
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":0\r\n", "OBJECT", "FREQ", "k");
    for (int i = 0; i < 100; i++)
        SAY(h, "GET", "k");
    SAY(h, "OBJECT", "FREQ", "k");
    ck_assert_int_gt(h->flat.p[1], '0');
    ck_assert_int_le(h->flat.p[1], '7');
}
END_TEST

START_TEST(looking_at_a_key_does_not_touch_it)
{
    struct ks_key key = ks_key(h->ks, 0, STR("k"));
    struct ks_info info;

    RUN(h, OK, "SET", "k", "v");
    for (int i = 0; i < 50; i++) {
        SAY(h, "EXISTS", "k");
        SAY(h, "TYPE", "k");
        SAY(h, "TTL", "k");
        SAY(h, "OBJECT", "ENCODING", "k");
        SAY(h, "OBJECT", "IDLETIME", "k");
    }
    ks_stat(h->ks_thread, &key, KS_PEEK, &info);
    ck_assert_uint_eq(info.frequency, 0);
    for (int i = 0; i < 50; i++)
        SAY(h, "TOUCH", "k");
    ks_stat(h->ks_thread, &key, KS_PEEK, &info);
    ck_assert_uint_gt(info.frequency, 0);
}
END_TEST

START_TEST(looking_at_keys_counts_hits_and_misses)
{
    struct ks_metrics m;

    RUN(h, OK, "SET", "k", "v");
    SAY(h, "EXISTS", "k", "none");
    SAY(h, "TYPE", "k");
    SAY(h, "TTL", "none");
    SAY(h, "TOUCH", "k");
    SAY(h, "OBJECT", "ENCODING", "k");
    SAY(h, "OBJECT", "REFCOUNT", "k");
    SAY(h, "DEL", "k", "none");
    ks_metrics(h->ks, &m);
    ck_assert_uint_eq(m.hits, 5);
    ck_assert_uint_eq(m.misses, 2);
}
END_TEST

START_TEST(client_no_touch_leaves_reads_without_trace)
{
    struct ks_key key = ks_key(h->ks, 0, STR("k"));
    struct ks_info info;

    RUN(h, OK, "SET", "k", "v");
    RUN(h, OK, "CLIENT", "NO-TOUCH", "ON");
    for (int i = 0; i < 50; i++) {
        SAY(h, "GET", "k");
        SAY(h, "MGET", "k");
        SAY(h, "STRLEN", "k");
    }
    ks_stat(h->ks_thread, &key, KS_PEEK, &info);
    ck_assert_uint_eq(info.frequency, 0);
    for (int i = 0; i < 50; i++)
        SAY(h, "TOUCH", "k");
    ks_stat(h->ks_thread, &key, KS_PEEK, &info);
    ck_assert_uint_gt(info.frequency, 0);
}
END_TEST

HARNESS_MAIN("keys", start_at_now, stop_at_now,
    arity_is_checked,
    del_counts_what_it_deletes,
    unlink_deletes_as_del_does,
    del_does_not_count_an_expired_key,
    del_takes_many_keys,
    exists_counts_a_key_as_often_as_it_is_named,
    touch_counts_keys,
    type_is_string_or_none,
    dbsize_counts_the_keys_of_one_database,
    randomkey_returns_a_key_of_the_database,
    randomkey_finds_every_key_in_time,
    flushdb_empties_one_database,
    flushall_empties_all_databases,
    flush_takes_async_or_sync,
    encoding_is_int_for_canonical_integers,
    encoding_is_embstr_up_to_44_bytes,
    encoding_is_raw_once_a_value_was_changed_in_place,
    encoding_of_a_large_value_is_raw,
    object_of_a_missing_key_is_null,
    object_refcount_is_one,
    object_freq_wants_an_lfu_policy_and_idletime_another,
    object_freq_rises_with_reads,
    looking_at_a_key_does_not_touch_it,
    looking_at_keys_counts_hits_and_misses,
    client_no_touch_leaves_reads_without_trace)
