/* SPDX-License-Identifier: BSD-3-Clause */
/* strings_test.c - the commands on string values: command in, reply out, over
 * RESP2 and RESP3; wrong arity, syntax and numbers; extremes.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define NOT_FLOAT "-ERR value is not a valid float"
#define OVERFLOW "-ERR increment or decrement would overflow"
#define SYNTAX "-ERR syntax error"
#define BAD_EXPIRE(name) "-ERR invalid expire time in '" name "' command"
#define TOO_LONG "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"

/* Wall times that do not come into the past while these tests matter. */
#define YEAR_2100 "4102444800"
#define YEAR_2100_MS "4102444800000"

/* ---- GET, SET ----------------------------------------------------------- */

/* clang-format off */
TABLE_TEST(get_returns_what_set_stored,
    {"GET k", "$-1"},
    {"SET k v", "+OK"},
    {"GET k", "\"v\""},
    {"SET k \"\"", "+OK"},
    {"GET k", "\"\""},
    {"SET k \"\\x00\\r\\n\\xff\"", "+OK"},
    {"GET k", "\"\\x00\\r\\n\\xff\""},
    {"SET \"\" empty", "+OK"},
    {"GET \"\"", "\"empty\""},
    {"SET \"a\\x00b\" zero", "+OK"},
    {"GET \"a\\x00b\"", "\"zero\""},
    {"GET a", "$-1"},
    {"gEt \"\"", "\"empty\""},
    {"SET K upper", "+OK"},
    {"GET K", "\"upper\""},
    {"DBSIZE", ":4"})

TABLE_TEST(set_nx_and_xx_look_before_they_write,
    {"SET k 1 XX", "$-1"},
    {"EXISTS k", ":0"},
    {"SET k 1 NX", "+OK"},
    {"SET k 2 NX", "$-1"},
    {"GET k", "\"1\""},
    {"SET k 3 XX", "+OK"},
    {"GET k", "\"3\""},
    {"SET k 4 nx get", "\"3\""},
    {"GET k", "\"3\""},
    {"SET k 5 GET XX", "\"3\""},
    {"GET k", "\"5\""},
    {"SET new 1 NX GET", "$-1"},
    {"GET new", "\"1\""},
    {"SET absent 1 XX GET", "$-1"},
    {"EXISTS absent", ":0"},
    {"SET k 6 NX XX", SYNTAX},
    {"SET k 6 XX NX", SYNTAX},
    {"GET k", "\"5\""})

TABLE_TEST(set_with_get_returns_the_old_value,
    {"SET k new GET", "$-1"},
    {"SET k newer GET", "\"new\""},
    {"SET k newest GET EX 100", "\"newer\""},
    {"TTL k", "re::(9[0-9]|100)"},
    {"GET k", "\"newest\""})

TABLE_TEST(set_takes_an_expiry_in_four_forms,
    {"SET k v EX 100", "+OK"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"SET k v PX 100000", "+OK"},
    {"PTTL k", "re::(9[0-9]{4}|100000)"},
    {"SET k v EXAT " YEAR_2100, "+OK"},
    {"EXPIRETIME k", ":" YEAR_2100},
    {"SET k v PXAT " YEAR_2100_MS, "+OK"},
    {"PEXPIRETIME k", ":" YEAR_2100_MS},
    {"SET k v ex 100 nx", "$-1"},
    {"SET k v px 100 EX 100", SYNTAX},
    {"SET k v EX 100 KEEPTTL", SYNTAX},
    {"SET k v KEEPTTL EXAT 100", SYNTAX},
    {"SET k v EX", SYNTAX},
    {"SET k v EX 10 20", SYNTAX},
    {"SET k v WITH", SYNTAX},
    {"SET k v PERSIST", SYNTAX},
    {"PEXPIRETIME k", ":" YEAR_2100_MS})

TABLE_TEST(set_refuses_bad_expiries,
    {"SET k v EX 0", BAD_EXPIRE("set")},
    {"SET k v EX -1", BAD_EXPIRE("set")},
    {"SET k v PX 0", BAD_EXPIRE("set")},
    {"SET k v EXAT 0", BAD_EXPIRE("set")},
    {"SET k v PXAT -5", BAD_EXPIRE("set")},
    {"SET k v EX 9223372036854775807", BAD_EXPIRE("set")},
    {"SET k v EX 9223372036854775", BAD_EXPIRE("set")},
    {"SET k v PX 9223372036854775807", BAD_EXPIRE("set")},
    {"SET k v EXAT 9223372036854775807", BAD_EXPIRE("set")},
    {"SET k v EX 9223372036854775808", NOT_INTEGER},
    {"SET k v EX 10.5", NOT_INTEGER},
    {"SET k v EX abc", NOT_INTEGER},
    {"SET k v EX \"\"", NOT_INTEGER},
    {"SET k v EX \" 1\"", NOT_INTEGER},
    {"EXISTS k", ":0"})

TABLE_TEST(set_drops_the_expiry_unless_told_to_keep_it,
    {"SET k v EX 100", "+OK"},
    {"SET k w KEEPTTL", "+OK"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"GET k", "\"w\""},
    {"SET k x", "+OK"},
    {"TTL k", ":-1"},
    {"SET n v KEEPTTL", "+OK"},
    {"TTL n", ":-1"})

TABLE_TEST(a_set_into_the_past_leaves_no_key,
    {"SET k v", "+OK"},
    {"SET k w PXAT 1", "+OK"},
    {"GET k", "$-1"},
    {"EXISTS k", ":0"},
    {"SET k w EXAT 1 GET", "$-1"},
    {"GET k", "$-1"})

TABLE_TEST(get_and_set_check_their_arity,
    {"GET", ARITY("get")},
    {"GET a b", ARITY("get")},
    {"SET", ARITY("set")},
    {"SET k", ARITY("set")},
    {"sEt k", ARITY("set")})

/* ---- relatives of SET --------------------------------------------------- */

TABLE_TEST(setnx_writes_only_what_is_absent,
    {"SETNX k 1", ":1"},
    {"SETNX k 2", ":0"},
    {"GET k", "\"1\""},
    {"SETNX k", ARITY("setnx")},
    {"SETNX k 1 2", ARITY("setnx")})

TABLE_TEST(setex_and_psetex_set_with_an_expiry,
    {"SETEX k 100 v", "+OK"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"GET k", "\"v\""},
    {"PSETEX k 100000 w", "+OK"},
    {"PTTL k", "re::(9[0-9]{4}|100000)"},
    {"GET k", "\"w\""},
    {"SETEX k 0 v", BAD_EXPIRE("setex")},
    {"SETEX k -1 v", BAD_EXPIRE("setex")},
    {"SETEX k 9223372036854775807 v", BAD_EXPIRE("setex")},
    {"SETEX k x v", NOT_INTEGER},
    {"PSETEX k 0 v", BAD_EXPIRE("psetex")},
    {"PSETEX k 9223372036854775807 v", BAD_EXPIRE("psetex")},
    {"PSETEX k 1e3 v", NOT_INTEGER},
    {"SETEX k 1", ARITY("setex")},
    {"PSETEX k 1 v x", ARITY("psetex")},
    {"GET k", "\"w\""})

TABLE_TEST(getset_swaps_and_drops_the_expiry,
    {"GETSET k 1", "$-1"},
    {"EXPIRE k 100", ":1"},
    {"GETSET k 2", "\"1\""},
    {"GET k", "\"2\""},
    {"TTL k", ":-1"},
    {"GETSET k", ARITY("getset")})

TABLE_TEST(getdel_returns_and_removes,
    {"GETDEL k", "$-1"},
    {"SET k v", "+OK"},
    {"GETDEL k", "\"v\""},
    {"GETDEL k", "$-1"},
    {"EXISTS k", ":0"},
    {"GETDEL", ARITY("getdel")},
    {"GETDEL a b", ARITY("getdel")})

TABLE_TEST(getex_returns_and_sets_the_expiry,
    {"GETEX k EX 100", "$-1"},
    {"EXISTS k", ":0"},
    {"SET k v", "+OK"},
    {"GETEX k", "\"v\""},
    {"TTL k", ":-1"},
    {"GETEX k EX 100", "\"v\""},
    {"TTL k", "re::(9[0-9]|100)"},
    {"GETEX k", "\"v\""},
    {"TTL k", "re::(9[0-9]|100)"},
    {"GETEX k PX 200000", "\"v\""},
    {"PTTL k", "re::(1[0-9]{5}|200000)"},
    {"GETEX k EXAT " YEAR_2100, "\"v\""},
    {"EXPIRETIME k", ":" YEAR_2100},
    {"GETEX k PXAT " YEAR_2100_MS, "\"v\""},
    {"PEXPIRETIME k", ":" YEAR_2100_MS},
    {"GETEX k persist", "\"v\""},
    {"TTL k", ":-1"},
    {"GETEX k EX 0", BAD_EXPIRE("getex")},
    {"GETEX k PX -1", BAD_EXPIRE("getex")},
    {"GETEX k EX x", NOT_INTEGER},
    {"GETEX k EX", SYNTAX},
    {"GETEX k EX 10 PERSIST", SYNTAX},
    {"GETEX k EX 10 PX 10", SYNTAX},
    {"GETEX k NX", SYNTAX},
    {"GETEX k KEEPTTL", SYNTAX},
    {"GETEX", ARITY("getex")},
    {"TTL k", ":-1"},
    {"GETEX k EXAT 1", "\"v\""},
    {"EXISTS k", ":0"})

/* ---- several keys ------------------------------------------------------- */

TABLE_TEST(mset_and_mget_take_many_keys,
    {"MSET a 1 b 2 c 3", "+OK"},
    {"MGET a b c", "[\"1\" \"2\" \"3\"]"},
    {"MGET c x a a", "[\"3\" $-1 \"1\" \"1\"]"},
    {"MGET x", "[$-1]"},
    {"MSET a 4 a 5", "+OK"},
    {"GET a", "\"5\""},
    {"EXPIRE a 100", ":1"},
    {"MSET a 6", "+OK"},
    {"TTL a", ":-1"},
    {"MGET", ARITY("mget")},
    {"MSET", ARITY("mset")},
    {"MSET a", ARITY("mset")},
    {"MSET a 1 b", ARITY("mset")},
    {"MGET a b", "[\"6\" \"2\"]"})

TABLE_TEST(msetnx_writes_all_or_nothing,
    {"MSETNX a 1 b 2", ":1"},
    {"MSETNX c 3 a 4", ":0"},
    {"EXISTS c", ":0"},
    {"GET a", "\"1\""},
    {"MSETNX d 1 d 2", ":1"},
    {"GET d", "\"2\""},
    {"MSETNX e", ARITY("msetnx")},
    {"MSETNX e 1 f", ARITY("msetnx")},
    {"MGET a b", "[\"1\" \"2\"]"})

/* ---- parts of a value --------------------------------------------------- */

TABLE_TEST(append_grows_a_value_and_keeps_its_expiry,
    {"APPEND k abc", ":3"},
    {"APPEND k def", ":6"},
    {"APPEND k \"\"", ":6"},
    {"GET k", "\"abcdef\""},
    {"EXPIRE k 100", ":1"},
    {"APPEND k g", ":7"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"SET n 12", "+OK"},
    {"APPEND n 34", ":4"},
    {"INCR n", ":1235"},
    {"APPEND e \"\"", ":0"},
    {"APPEND k", ARITY("append")},
    {"APPEND k a b", ARITY("append")})

TABLE_TEST(strlen_counts_bytes,
    {"STRLEN k", ":0"},
    {"SET k \"a\\x00b\"", "+OK"},
    {"STRLEN k", ":3"},
    {"SET k -123", "+OK"},
    {"STRLEN k", ":4"},
    {"STRLEN", ARITY("strlen")},
    {"STRLEN a b", ARITY("strlen")})

TABLE_TEST(getrange_cuts_like_redis,
    {"GETRANGE k 0 -1", "\"\""},
    {"SET k 0123456789", "+OK"},
    {"GETRANGE k 0 -1", "\"0123456789\""},
    {"GETRANGE k 0 0", "\"0\""},
    {"GETRANGE k 3 5", "\"345\""},
    {"GETRANGE k -3 -1", "\"789\""},
    {"GETRANGE k -3 -2", "\"78\""},
    {"GETRANGE k 5 3", "\"\""},
    {"GETRANGE k -1 -3", "\"\""},
    {"GETRANGE k 8 100", "\"89\""},
    {"GETRANGE k 10 20", "\"\""},
    {"GETRANGE k -100 3", "\"0123\""},
    {"GETRANGE k -100 -50", "\"0\""},
    {"GETRANGE k 0 9223372036854775807", "\"0123456789\""},
    {"GETRANGE k -9223372036854775808 9223372036854775807",
        "\"0123456789\""},
    {"GETRANGE k -9223372036854775808 -9223372036854775808", "\"0\""},
    {"SET n 12345", "+OK"},
    {"GETRANGE n 1 2", "\"23\""},
    {"GETRANGE k a 2", NOT_INTEGER},
    {"GETRANGE k 1 b", NOT_INTEGER},
    {"GETRANGE k 1 9223372036854775808", NOT_INTEGER},
    {"GETRANGE k 1", ARITY("getrange")},
    {"SUBSTR k 3 5", "\"345\""},
    {"SUBSTR k 1", ARITY("substr")})

TABLE_TEST(setrange_writes_into_a_value,
    {"SETRANGE k 0 \"\"", ":0"},
    {"EXISTS k", ":0"},
    {"SETRANGE k 5 \"\"", ":0"},
    {"EXISTS k", ":0"},
    {"SETRANGE k 3 abc", ":6"},
    {"GET k", "\"\\x00\\x00\\x00abc\""},
    {"SETRANGE k 0 xyz", ":6"},
    {"GET k", "\"xyzabc\""},
    {"SETRANGE k 5 12", ":7"},
    {"GET k", "\"xyzab12\""},
    {"SETRANGE k 100 \"\"", ":7"},
    {"EXPIRE k 100", ":1"},
    {"SETRANGE k 0 X", ":7"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"SET n 1234", "+OK"},
    {"SETRANGE n 1 9", ":4"},
    {"INCR n", ":1935"},
    {"SETRANGE k -1 a", "-ERR offset is out of range"},
    {"SETRANGE k x a", NOT_INTEGER},
    {"SETRANGE k 536870912 a", TOO_LONG},
    {"SETRANGE k 536870911 ab", TOO_LONG},
    {"SETRANGE absent 9223372036854775807 a", TOO_LONG},
    {"EXISTS absent", ":0"},
    {"SETRANGE k 0", ARITY("setrange")},
    {"GET k", "\"Xyzab12\""})

/* ---- numbers ------------------------------------------------------------ */

TABLE_TEST(incr_and_decr_count,
    {"INCR k", ":1"},
    {"INCR k", ":2"},
    {"DECR k", ":1"},
    {"DECR d", ":-1"},
    {"INCRBY k 41", ":42"},
    {"INCRBY k -50", ":-8"},
    {"DECRBY k 2", ":-10"},
    {"DECRBY k -20", ":10"},
    {"GET k", "\"10\""},
    {"INCRBY z 0", ":0"},
    {"GET z", "\"0\""},
    {"EXPIRE k 100", ":1"},
    {"INCR k", ":11"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"INCR", ARITY("incr")},
    {"INCR a b", ARITY("incr")},
    {"DECR", ARITY("decr")},
    {"INCRBY k", ARITY("incrby")},
    {"DECRBY k", ARITY("decrby")})

TABLE_TEST(incr_refuses_what_is_no_integer,
    {"SET k abc", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k \"\"", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k \" 1\"", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k \"1 \"", "+OK"},
    {"DECR k", NOT_INTEGER},
    {"SET k 01", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k +1", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k -0", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k 1.0", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k \"1\\x00\"", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k 9223372036854775808", "+OK"},
    {"INCR k", NOT_INTEGER},
    {"SET k 1", "+OK"},
    {"INCRBY k 1.5", NOT_INTEGER},
    {"INCRBY k x", NOT_INTEGER},
    {"INCRBY k 9223372036854775808", NOT_INTEGER},
    {"DECRBY k \"\"", NOT_INTEGER},
    {"GET k", "\"1\""})

TABLE_TEST(incr_does_not_overflow,
    {"SET k 9223372036854775806", "+OK"},
    {"INCR k", ":9223372036854775807"},
    {"INCR k", OVERFLOW},
    {"INCRBY k 1", OVERFLOW},
    {"INCRBY k 9223372036854775807", OVERFLOW},
    {"GET k", "\"9223372036854775807\""},
    {"SET k -9223372036854775807", "+OK"},
    {"DECR k", ":-9223372036854775808"},
    {"DECR k", OVERFLOW},
    {"DECRBY k 1", OVERFLOW},
    {"INCRBY k -1", OVERFLOW},
    {"DECRBY k -9223372036854775808", "-ERR decrement would overflow"},
    {"INCRBY k 9223372036854775807", ":-1"})

TABLE_TEST(incrbyfloat_adds_decimals,
    {"INCRBYFLOAT k 1.5", "\"1.5\""},
    {"INCRBYFLOAT k 1.5", "\"3\""},
    {"GET k", "\"3\""},
    {"INCRBYFLOAT k -3", "\"0\""},
    {"SET k 10.50", "+OK"},
    {"INCRBYFLOAT k 0.1", "\"10.6\""},
    {"SET k 5.0e3", "+OK"},
    {"INCRBYFLOAT k 2.0e2", "\"5200\""},
    {"SET k 3.0", "+OK"},
    {"INCRBYFLOAT k 0.0000000000000001", "\"3.0000000000000001\""},
    {"SET k 1", "+OK"},
    {"INCRBYFLOAT k +2", "\"3\""},
    {"INCRBYFLOAT k 0x10", "\"19\""},
    {"EXPIRE k 100", ":1"},
    {"INCRBYFLOAT k 1", "\"20\""},
    {"TTL k", "re::(9[0-9]|100)"},
    {"INCR k", ":21"},
    {"SET k 17179869184", "+OK"},
    {"INCRBYFLOAT k 1.5", "\"17179869185.5\""},
    {"SET k -1.5", "+OK"},
    {"INCRBYFLOAT k 0.25", "\"-1.25\""})

TABLE_TEST(incrbyfloat_refuses_what_is_no_float,
    {"SET k abc", "+OK"},
    {"INCRBYFLOAT k 1", NOT_FLOAT},
    {"SET k \" 1\"", "+OK"},
    {"INCRBYFLOAT k 1", NOT_FLOAT},
    {"SET k \"1 \"", "+OK"},
    {"INCRBYFLOAT k 1", NOT_FLOAT},
    {"SET k 1", "+OK"},
    {"INCRBYFLOAT k abc", NOT_FLOAT},
    {"INCRBYFLOAT k \"\"", NOT_FLOAT},
    {"INCRBYFLOAT k nan", NOT_FLOAT},
    {"INCRBYFLOAT k 1x", NOT_FLOAT},
    {"INCRBYFLOAT k inf",
        "-ERR increment would produce NaN or Infinity"},
    {"INCRBYFLOAT k -inf",
        "-ERR increment would produce NaN or Infinity"},
    {"INCRBYFLOAT k", ARITY("incrbyfloat")},
    {"GET k", "\"1\""})

TABLE_TEST(object_encoding_tells_how_a_string_is_held,
    {"SET k 12345", "+OK"},
    {"OBJECT ENCODING k", "\"int\""},
    {"SET k 012345", "+OK"},
    {"OBJECT ENCODING k", "\"embstr\""},
    {"SET k abc", "+OK"},
    {"OBJECT ENCODING k", "\"embstr\""},
    {"SET k 9223372036854775807", "+OK"},
    {"OBJECT ENCODING k", "\"int\""},
    {"SET k 9223372036854775808", "+OK"},
    {"OBJECT ENCODING k", "\"embstr\""},
    {"SET k 01234567890123456789012345678901234567890123", "+OK"},
    {"OBJECT ENCODING k", "\"embstr\""},
    {"SET k 012345678901234567890123456789012345678901234", "+OK"},
    {"OBJECT ENCODING k", "\"raw\""},
    {"SET k abc", "+OK"},
    {"APPEND k d", ":4"},
    {"OBJECT ENCODING k", "\"raw\""},
    {"SET k 1", "+OK"},
    {"INCR k", ":2"},
    {"OBJECT ENCODING k", "\"int\""},
    {"OBJECT ENCODING absent", "$-1"})
/* clang-format on */

/* ---- sizes -------------------------------------------------------------- */

START_TEST(values_of_every_length_come_back)
{
    redisContext *c = server_connect(server);
    size_t max = 40000;
    char *value = malloc(max);

    for (size_t i = 0; i < max; i++)
        value[i] = (char)(i * 7 + i / 251);
    /* All small ones, then across the sizes of classes, pages and extents. */
    for (size_t len = 0; len <= max; len += len < 600 ? 1 : len / 61) {
        struct str words[] = {STR("SET"), STR("length"), {value, len}};
        redisReply *r = command_words(c, 3, words);

        ck_assert_int_eq(r->type, REDIS_REPLY_STATUS);
        freeReplyObject(r);
        r = command(c, "GET length");
        ck_assert_uint_eq(r->len, len);
        ck_assert_mem_eq(r->str, value, len);
        freeReplyObject(r);
        ck_assert_int_eq(command_int(c, "STRLEN length"), (long long)len);
    }
    free(value);
    redisFree(c);
}
END_TEST

/* A key of `len` letters, in a buffer of its own. */
static const char *
long_key(size_t len)
{
    static char key[2049];

    memset(key, 'k', sizeof(key) - 1);
    key[len] = '\0';
    return key;
}

START_TEST(keys_of_every_length_are_different)
{
    redisContext *c = server_connect(server);

    expect(c, "+OK", "FLUSHALL");
    for (size_t len = 0; len <= 2048; len += len < 300 ? 1 : 97)
        expect(c, "+OK", "SET %s %d", long_key(len), (int)len);
    for (size_t len = 0; len <= 2048; len += len < 300 ? 1 : 97) {
        char *value = command_str(c, "GET %s", long_key(len));

        ck_assert_int_eq(atoi(value), (int)len);
        free(value);
    }
    redisFree(c);
}
END_TEST

START_TEST(append_grows_a_value_across_all_sizes)
{
    redisContext *c = server_connect(server);
    size_t len = 0, piece = 1;
    char *text = malloc(200000), *value;

    expect(c, "re::[01]", "DEL grows");
    for (; len + piece < 200000; piece += piece / 3 + 1) {
        memset(text + len, 'a' + (int)(piece % 26), piece);
        text[len + piece] = '\0';
        ck_assert_int_eq(command_int(c, "APPEND grows %s", text + len),
            (long long)(len + piece));
        len += piece;
        value = command_str(c, "GET grows");
        ck_assert_str_eq(value, text);
        free(value);
    }
    value = command_str(c, "GETRANGE grows -5 -1");
    ck_assert_str_eq(value, text + len - 5);
    free(value);
    expect(c, ":200010", "SETRANGE grows 200000 0123456789");
    expect(c, "\"\\x00012\"", "GETRANGE grows 199999 200002");
    free(text);
    redisFree(c);
}
END_TEST

static Suite *
strings_suite(void)
{
    Suite *s = suite_create("strings");
    TCase *tc = tcase_create("strings");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, get_returns_what_set_stored);
    tcase_add_test(tc, get_and_set_check_their_arity);
    tcase_add_test(tc, set_nx_and_xx_look_before_they_write);
    tcase_add_test(tc, set_with_get_returns_the_old_value);
    tcase_add_test(tc, set_takes_an_expiry_in_four_forms);
    tcase_add_test(tc, set_refuses_bad_expiries);
    tcase_add_test(tc, set_drops_the_expiry_unless_told_to_keep_it);
    tcase_add_test(tc, a_set_into_the_past_leaves_no_key);
    tcase_add_test(tc, setnx_writes_only_what_is_absent);
    tcase_add_test(tc, setex_and_psetex_set_with_an_expiry);
    tcase_add_test(tc, getset_swaps_and_drops_the_expiry);
    tcase_add_test(tc, getdel_returns_and_removes);
    tcase_add_test(tc, getex_returns_and_sets_the_expiry);
    tcase_add_test(tc, mset_and_mget_take_many_keys);
    tcase_add_test(tc, msetnx_writes_all_or_nothing);
    tcase_add_test(tc, append_grows_a_value_and_keeps_its_expiry);
    tcase_add_test(tc, strlen_counts_bytes);
    tcase_add_test(tc, getrange_cuts_like_redis);
    tcase_add_test(tc, setrange_writes_into_a_value);
    tcase_add_test(tc, incr_and_decr_count);
    tcase_add_test(tc, incr_refuses_what_is_no_integer);
    tcase_add_test(tc, incr_does_not_overflow);
    tcase_add_test(tc, incrbyfloat_adds_decimals);
    tcase_add_test(tc, incrbyfloat_refuses_what_is_no_float);
    tcase_add_test(tc, object_encoding_tells_how_a_string_is_held);
    tcase_add_test(tc, values_of_every_length_come_back);
    tcase_add_test(tc, keys_of_every_length_are_different);
    tcase_add_test(tc, append_grows_a_value_across_all_sizes);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(strings_suite());
}
