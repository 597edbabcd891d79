/* SPDX-License-Identifier: BSD-3-Clause */
/* keys_test.c - the commands on keys of any value: command in, reply out, over
 * RESP2 and RESP3; databases.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define SYNTAX "-ERR syntax error"
#define WRONG_TYPE                                                             \
    "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define YEAR_2100 "4102444800"
#define YEAR_2100_MS "4102444800000"

/* clang-format off */
TABLE_TEST(del_and_unlink_count_what_they_remove,
    {"DEL a", ":0"},
    {"MSET a 1 b 2 c 3 d 4", "+OK"},
    {"DEL a x b", ":2"},
    {"DEL c c", ":1"},
    {"UNLINK d d x", ":1"},
    {"DBSIZE", ":0"},
    {"DEL", ARITY("del")},
    {"UNLINK", ARITY("unlink")})

TABLE_TEST(exists_and_touch_count_every_mention,
    {"MSET a 1 b 2", "+OK"},
    {"EXISTS a", ":1"},
    {"EXISTS a b x a", ":3"},
    {"TOUCH a b x a", ":3"},
    {"TOUCH x", ":0"},
    {"EXISTS", ARITY("exists")},
    {"TOUCH", ARITY("touch")})

TABLE_TEST(type_says_string_or_none,
    {"TYPE k", "+none"},
    {"SET k v", "+OK"},
    {"TYPE k", "+string"},
    {"TYPE", ARITY("type")},
    {"TYPE a b", ARITY("type")})

TABLE_TEST(ttl_and_its_relatives_tell_the_expiry,
    {"TTL k", ":-2"},
    {"PTTL k", ":-2"},
    {"EXPIRETIME k", ":-2"},
    {"PEXPIRETIME k", ":-2"},
    {"SET k v", "+OK"},
    {"TTL k", ":-1"},
    {"PTTL k", ":-1"},
    {"EXPIRETIME k", ":-1"},
    {"PEXPIRETIME k", ":-1"},
    {"PEXPIREAT k 4102444800499", ":1"},
    {"PEXPIRETIME k", ":4102444800499"},
    {"EXPIRETIME k", ":" YEAR_2100},
    {"PEXPIREAT k 4102444800500", ":1"},
    {"EXPIRETIME k", ":4102444801"},
    {"EXPIREAT k " YEAR_2100, ":1"},
    {"PEXPIRETIME k", ":" YEAR_2100_MS},
    {"PEXPIRE k 100400", ":1"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"EXPIRE k 100", ":1"},
    {"PTTL k", "re::(9[0-9]{4}|100000)"},
    {"TTL", ARITY("ttl")},
    {"PTTL a b", ARITY("pttl")},
    {"EXPIRETIME", ARITY("expiretime")},
    {"PEXPIRETIME", ARITY("pexpiretime")})

TABLE_TEST(persist_drops_an_expiry,
    {"PERSIST k", ":0"},
    {"SET k v", "+OK"},
    {"PERSIST k", ":0"},
    {"EXPIRE k 100", ":1"},
    {"PERSIST k", ":1"},
    {"TTL k", ":-1"},
    {"PERSIST k", ":0"},
    {"PERSIST", ARITY("persist")})

TABLE_TEST(expire_conditions_compare_with_the_present_expiry,
    {"EXPIRE k 100", ":0"},
    {"SET k v", "+OK"},
    {"EXPIRE k 100 XX", ":0"},
    {"EXPIRE k 100 GT", ":0"},
    {"TTL k", ":-1"},
    {"EXPIRE k 100 NX", ":1"},
    {"EXPIRE k 200 NX", ":0"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"EXPIRE k 50 GT", ":0"},
    {"EXPIRE k 200 gt", ":1"},
    {"TTL k", "re::(19[0-9]|200)"},
    {"EXPIRE k 300 LT", ":0"},
    {"EXPIRE k 150 lt", ":1"},
    {"EXPIRE k 120 XX LT", ":1"},
    {"EXPIRE k 180 XX GT", ":1"},
    {"PERSIST k", ":1"},
    {"EXPIRE k 100 LT", ":1"},
    {"PERSIST k", ":1"},
    {"PEXPIRE k 100000 NX", ":1"},
    {"PEXPIRE k 100000 NX", ":0"},
    {"EXPIREAT k " YEAR_2100 " XX", ":1"},
    {"EXPIREAT k 4102444799 GT", ":0"},
    {"PEXPIREAT k 4102444800001 GT", ":1"},
    {"PEXPIRETIME k", ":4102444800001"})

TABLE_TEST(expire_conditions_exclude_each_other,
    {"SET k v", "+OK"},
    {"EXPIRE k 100 NX XX",
        "-ERR NX and XX, GT or LT options at the same time are not "
        "compatible"},
    {"EXPIRE k 100 NX GT",
        "-ERR NX and XX, GT or LT options at the same time are not "
        "compatible"},
    {"EXPIRE k 100 LT NX",
        "-ERR NX and XX, GT or LT options at the same time are not "
        "compatible"},
    {"EXPIRE k 100 GT LT",
        "-ERR GT and LT options at the same time are not compatible"},
    {"EXPIRE k 100 AB", "-ERR Unsupported option AB"},
    {"EXPIRE k 100 XX AB", "-ERR Unsupported option AB"},
    {"TTL k", ":-1"})

TABLE_TEST(expire_into_the_past_deletes,
    {"SET k v", "+OK"},
    {"EXPIRE k 0", ":1"},
    {"EXISTS k", ":0"},
    {"SET k v", "+OK"},
    {"EXPIRE k -1", ":1"},
    {"EXISTS k", ":0"},
    {"SET k v", "+OK"},
    {"PEXPIREAT k 1", ":1"},
    {"EXISTS k", ":0"},
    {"SET k v", "+OK"},
    {"EXPIREAT k 1", ":1"},
    {"DBSIZE", ":0"},
    {"SET k v EX 100", "+OK"},
    {"EXPIRE k -5 GT", ":0"},
    {"EXPIRE k -5 LT", ":1"},
    {"EXISTS k", ":0"})

TABLE_TEST(expire_refuses_bad_numbers,
    {"SET k v", "+OK"},
    {"EXPIRE k x", NOT_INTEGER},
    {"EXPIRE k 1.5", NOT_INTEGER},
    {"EXPIRE k 9223372036854775808", NOT_INTEGER},
    {"EXPIRE k 9223372036854775807",
        "-ERR invalid expire time in 'expire' command"},
    {"EXPIRE k -9223372036854775808",
        "-ERR invalid expire time in 'expire' command"},
    {"PEXPIRE k 9223372036854775807",
        "-ERR invalid expire time in 'pexpire' command"},
    {"EXPIREAT k 9223372036854775807",
        "-ERR invalid expire time in 'expireat' command"},
    {"EXPIRE k", ARITY("expire")},
    {"PEXPIRE k", ARITY("pexpire")},
    {"EXPIREAT k", ARITY("expireat")},
    {"PEXPIREAT k", ARITY("pexpireat")},
    {"TTL k", ":-1"})

/* The largest times there are; a cache may cut them, not misread them. */
TABLE_TEST(far_expiries_are_kept_or_cut_but_not_wrapped,
    {"SET k v", "+OK"},
    {"EXPIRE k 3000000000", ":1"},
    {"TTL k", "re::(299999999[0-9]|3000000000)"},
    {"PEXPIREAT k 99999999999999", ":1"},
    {"PEXPIRETIME k", ":99999999999999"},
    {"GET k", "\"v\""})

TABLE_TEST(keys_matches_patterns,
    {"KEYS *", "[]"},
    {"MSET hello 1 hallo 2 hxllo 3 heeello 4", "+OK"},
    {"KEYS hello", "[\"hello\"]"},
    {"KEYS h[e]llo", "[\"hello\"]"},
    {"KEYS h[^ea]llo", "[\"hxllo\"]"},
    {"KEYS h[b-d]llo", "[]"},
    {"KEYS h[w-z]llo", "[\"hxllo\"]"},
    {"KEYS h[z-w]llo", "[\"hxllo\"]"},
    {"KEYS he*o*o", "[]"},
    {"KEYS hee*", "[\"heeello\"]"},
    {"KEYS hee?ll?", "[\"heeello\"]"},
    {"KEYS *eee*", "[\"heeello\"]"},
    {"KEYS ?????", "re:\\[(\"h[aex]llo\" ?){3}\\]"},
    {"KEYS HELLO", "[]"},
    {"KEYS \"\"", "[]"},
    {"SET h*llo 5", "+OK"},
    {"KEYS h\\*llo", "[\"h*llo\"]"},
    {"KEYS h[*]llo", "[\"h*llo\"]"},
    {"KEYS *", "re:\\[(\"h[^\"]*\" ?){5}\\]"},
    {"SET a\\b 1", "+OK"},
    {"KEYS a\\\\b", "[\"a\\\\b\"]"},
    {"SET \"\" empty", "+OK"},
    {"KEYS \"\"", "[\"\"]"},
    {"KEYS", ARITY("keys")},
    {"KEYS a b", ARITY("keys")})

TABLE_TEST(a_pattern_of_many_stars_ends,
    {"SET aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1", "+OK"},
    {"KEYS a*a*a*a*a*b", "[]"},
    {"SCAN 0 MATCH a*a*a*a*a*b COUNT 100", "[\"0\" []]"})

TABLE_TEST(randomkey_returns_a_key_or_nothing,
    {"RANDOMKEY", "$-1"},
    {"SET k v", "+OK"},
    {"RANDOMKEY", "\"k\""},
    {"RANDOMKEY x", ARITY("randomkey")})

TABLE_TEST(databases_are_apart,
    {"SELECT 1", "+OK"},
    {"SET k one", "+OK"},
    {"SELECT 0", "+OK"},
    {"GET k", "$-1"},
    {"SET k zero", "+OK"},
    {"DBSIZE", ":1"},
    {"SELECT 15", "+OK"},
    {"DBSIZE", ":0"},
    {"KEYS *", "[]"},
    {"RANDOMKEY", "$-1"},
    {"SET k fifteen", "+OK"},
    {"EXPIRE k 100", ":1"},
    {"APPEND k !", ":8"},
    {"SELECT 1", "+OK"},
    {"GET k", "\"one\""},
    {"TTL k", ":-1"},
    {"DEL k", ":1"},
    {"SELECT 15", "+OK"},
    {"GET k", "\"fifteen!\""},
    {"FLUSHDB", "+OK"},
    {"GET k", "$-1"},
    {"SELECT 0", "+OK"},
    {"GET k", "\"zero\""},
    {"SELECT 16", "-ERR DB index is out of range"},
    {"SELECT -1", "-ERR DB index is out of range"},
    {"SELECT x", NOT_INTEGER},
    {"SELECT 99999999999", "re:-ERR value is .*out of range.*"},
    {"SELECT", ARITY("select")},
    {"GET k", "\"zero\""})

TABLE_TEST(flushdb_and_flushall_empty,
    {"MSET a 1 b 2", "+OK"},
    {"FLUSHDB", "+OK"},
    {"DBSIZE", ":0"},
    {"SET a 1", "+OK"},
    {"FLUSHDB ASYNC", "+OK"},
    {"EXISTS a", ":0"},
    {"SET a 1", "+OK"},
    {"SELECT 3", "+OK"},
    {"SET b 1", "+OK"},
    {"FLUSHALL sync", "+OK"},
    {"DBSIZE", ":0"},
    {"SELECT 0", "+OK"},
    {"DBSIZE", ":0"},
    {"SET a 2", "+OK"},
    {"GET a", "\"2\""},
    {"FLUSHALL NOW", SYNTAX},
    {"FLUSHDB SYNC ASYNC", SYNTAX},
    {"DBSIZE x", ARITY("dbsize")},
    {"DBSIZE", ":1"})

TABLE_TEST(sort_finds_nothing_to_sort,
    {"SORT k", "[]"},
    {"SORT_RO k", "[]"},
    {"SORT k BY w_*->f LIMIT 0 -1 GET # GET d_* DESC ALPHA", "[]"},
    {"SET d v", "+OK"},
    {"SORT k LIMIT 1 2 STORE d", ":0"},
    {"EXISTS d", ":0"},
    {"SET s v", "+OK"},
    {"HSET h f v", ":1"},
    {"SORT s", WRONG_TYPE},
    {"SORT h STORE d", WRONG_TYPE},
    {"SORT_RO h GET f", WRONG_TYPE},
    {"SORT k STORE", SYNTAX},
    {"SORT k STORE d up", SYNTAX},
    {"SORT k LIMIT 1", SYNTAX},
    {"SORT k \"\"", SYNTAX},
    {"SORT_RO k STORE d", SYNTAX},
    {"SORT k LIMIT 1.5 2", NOT_INTEGER},
    {"SORT_RO k LIMIT 0 9223372036854775808", NOT_INTEGER},
    {"SORT", ARITY("sort")},
    {"SORT_RO", ARITY("sort_ro")},
    {"COMMAND GETKEYS SORT k STORE d STORE e", "[\"k\" \"e\"]"})

TABLE_TEST(object_tells_of_a_key,
    {"SET k v", "+OK"},
    {"OBJECT IDLETIME k", "re::[0-9]"},
    {"OBJECT IDLETIME absent", "$-1"},
    {"OBJECT REFCOUNT k", ":1"},
    {"OBJECT FREQ k",
        "-ERR An LFU maxmemory policy is not selected, access frequency not "
        "tracked. Please note that when switching between policies at "
        "runtime LRU and LFU data will take some time to adjust."},
    {"OBJECT ENCODING", ARITY("object|encoding")},
    {"OBJECT", ARITY("object")},
    {"OBJECT NOPE k",
        "-ERR unknown subcommand 'NOPE'. Try OBJECT HELP."},
    {"OBJECT HELP", "re:\\[\\+OBJECT .*\\]"})

TABLE_TEST(object_freq_is_for_lfu_policies,
    {"CONFIG SET maxmemory-policy allkeys-lfu", "+OK"},
    {"SET k v", "+OK"},
    {"GET k", "\"v\""},
    {"OBJECT FREQ k", "re::[0-9]+"},
    {"OBJECT FREQ absent", "$-1"},
    {"OBJECT IDLETIME k",
        "-ERR An LFU maxmemory policy is selected, idle time not tracked. "
        "Please note that when switching between policies at runtime LRU and "
        "LFU data will take some time to adjust."},
    {"CONFIG SET maxmemory-policy allkeys-lru", "+OK"})

TABLE_TEST(memory_usage_tells_the_size_of_a_key,
    {"MEMORY USAGE k", "$-1"},
    {"SET k v", "+OK"},
    {"MEMORY USAGE k", "re::[1-9][0-9]?"},
    {"MEMORY USAGE k SAMPLES 5", "re::[1-9][0-9]?"},
    {"MEMORY USAGE k SAMPLES", SYNTAX},
    {"MEMORY USAGE k SAMPLES -1", SYNTAX},
    {"MEMORY USAGE", ARITY("memory|usage")})
/* clang-format on */

START_TEST(dbsize_and_keys_agree_with_what_is_there)
{
    redisContext *c = server_connect(server);
    redisReply *r;

    expect(c, "+OK", "FLUSHALL");
    for (int i = 0; i < 3000; i++)
        expect(c, "+OK", "SET key:%d %d", i, i);
    for (int i = 0; i < 3000; i += 3)
        expect(c, ":1", "DEL key:%d", i);
    ck_assert_int_eq(command_int(c, "DBSIZE"), 2000);
    r = command(c, "KEYS key:*");
    ck_assert_uint_eq(r->elements, 2000);
    for (size_t i = 0; i < r->elements; i++)
        ck_assert_int_ne(atoi(r->element[i]->str + 4) % 3, 0);
    freeReplyObject(r);
    redisFree(c);
}
END_TEST

START_TEST(randomkey_reaches_every_key)
{
    redisContext *c = server_connect(server);
    bool seen[20] = {false};
    int n_seen = 0;

    expect(c, "+OK", "FLUSHALL");
    for (int i = 0; i < 20; i++)
        expect(c, "+OK", "SET r%d x", i);
    for (int i = 0; i < 5000 && n_seen < 20; i++) {
        char *key = command_str(c, "RANDOMKEY");
        int n = atoi(key + 1);

        ck_assert_int_lt(n, 20);
        n_seen += !seen[n];
        seen[n] = true;
        free(key);
    }
    ck_assert_int_eq(n_seen, 20);
    redisFree(c);
}
END_TEST

static Suite *
keys_suite(void)
{
    Suite *s = suite_create("keys");
    TCase *tc = tcase_create("keys");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, del_and_unlink_count_what_they_remove);
    tcase_add_test(tc, exists_and_touch_count_every_mention);
    tcase_add_test(tc, type_says_string_or_none);
    tcase_add_test(tc, ttl_and_its_relatives_tell_the_expiry);
    tcase_add_test(tc, persist_drops_an_expiry);
    tcase_add_test(tc, expire_conditions_compare_with_the_present_expiry);
    tcase_add_test(tc, expire_conditions_exclude_each_other);
    tcase_add_test(tc, expire_into_the_past_deletes);
    tcase_add_test(tc, expire_refuses_bad_numbers);
    tcase_add_test(tc, far_expiries_are_kept_or_cut_but_not_wrapped);
    tcase_add_test(tc, keys_matches_patterns);
    tcase_add_test(tc, a_pattern_of_many_stars_ends);
    tcase_add_test(tc, randomkey_returns_a_key_or_nothing);
    tcase_add_test(tc, databases_are_apart);
    tcase_add_test(tc, flushdb_and_flushall_empty);
    tcase_add_test(tc, sort_finds_nothing_to_sort);
    tcase_add_test(tc, object_tells_of_a_key);
    tcase_add_test(tc, object_freq_is_for_lfu_policies);
    tcase_add_test(tc, memory_usage_tells_the_size_of_a_key);
    tcase_add_test(tc, dbsize_and_keys_agree_with_what_is_there);
    tcase_add_test(tc, randomkey_reaches_every_key);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(keys_suite());
}
