/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_test.c - hashes: command in, reply out, over RESP2 and RESP3. What is of
 * Redis 7.0 can run against it.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define SYNTAX "-ERR syntax error"
#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define WRONG_TYPE                                                             \
    "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define MAX_64 "9223372036854775807"
#define MIN_64 "-9223372036854775808"
/* A value that stands in an extent by itself would; and one of 100 bytes. */
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

/* clang-format off */
TABLE_TEST(hset_and_hget_store_fields,
    {"HSET h a 1", ":1"},
    {"HSET h a 2 b 3 a 4", ":1"},
    {"HGET h a", "\"4\""},
    {"HGET h b", "\"3\""},
    {"HGET h c", "$-1"},
    {"HGET none a", "$-1"},
    {"TYPE h", "+hash"},
    {"HSET h \"\" \"\"", ":1"},
    {"HGET h \"\"", "\"\""},
    {"HSET h \"\\x00\\xff\" \"\\r\\n\\x00\"", ":1"},
    {"HGET h \"\\x00\\xff\"", "\"\\r\\n\\x00\""},
    {"HLEN h", ":4"},
    {"HSET h " X100 " " X100, ":1"},
    {"HGET h " X100, "\"" X100 "\""},
    {"DEL h", ":1"},
    {"HLEN h", ":0"},
    {"HSET h a", ARITY("hset")},
    {"HSET h a 1 b", ARITY("hset")},
    {"HSET h", ARITY("hset")},
    {"HGET h", ARITY("hget")},
    {"HGET h a b", ARITY("hget")},
    {"EXISTS h", ":0"})

TABLE_TEST(hmset_and_hmget_take_several_fields,
    {"HMSET h a 1 b 2", "+OK"},
    {"HMSET h b 3", "+OK"},
    {"HMGET h a b c a", "[\"1\" \"3\" $-1 \"1\"]", "[\"1\" \"3\" _ \"1\"]"},
    {"HMGET none a b", "[$-1 $-1]", "[_ _]"},
    {"HMSET h a", ARITY("hmset")},
    {"HMSET h a 1 b", ARITY("hmset")},
    {"HMGET h", ARITY("hmget")})

TABLE_TEST(hsetnx_keeps_what_is_there,
    {"HSETNX h a 1", ":1"},
    {"HSETNX h a 2", ":0"},
    {"HGET h a", "\"1\""},
    {"HSETNX h b 2", ":1"},
    {"HLEN h", ":2"},
    {"HSETNX h a", ARITY("hsetnx")},
    {"HSETNX h a 1 b", ARITY("hsetnx")})

TABLE_TEST(hgetall_is_a_map,
    {"HGETALL none", "[]", "{}"},
    {"HKEYS none", "[]"},
    {"HVALS none", "[]"},
    {"HSET h a 1", ":1"},
    {"HGETALL h", "[\"a\" \"1\"]", "{\"a\" \"1\"}"},
    {"HKEYS h", "[\"a\"]"},
    {"HVALS h", "[\"1\"]"},
    {"HSET h b 2", ":1"},
    {"HGETALL h", "re:\\[(\"a\" \"1\" \"b\" \"2\"|\"b\" \"2\" \"a\" \"1\")\\]",
        "re:\\{(\"a\" \"1\" \"b\" \"2\"|\"b\" \"2\" \"a\" \"1\")\\}"},
    {"HKEYS h", "re:\\[(\"a\" \"b\"|\"b\" \"a\")\\]"},
    {"HVALS h", "re:\\[(\"1\" \"2\"|\"2\" \"1\")\\]"},
    {"HGETALL", ARITY("hgetall")},
    {"HGETALL h a", ARITY("hgetall")},
    {"HKEYS h a", ARITY("hkeys")},
    {"HVALS h a", ARITY("hvals")})

TABLE_TEST(hdel_removes_fields_and_at_last_the_key,
    {"HSET h a 1 b 2 c 3", ":3"},
    {"HDEL h x", ":0"},
    {"HDEL h a x a", ":1"},
    {"HLEN h", ":2"},
    {"HDEL h b c a", ":2"},
    {"EXISTS h", ":0"},
    {"HDEL h a", ":0"},
    {"HDEL h", ARITY("hdel")})

TABLE_TEST(hexists_hlen_and_hstrlen_ask_about_fields,
    {"HSET h a 12345 b \"\"", ":2"},
    {"HEXISTS h a", ":1"},
    {"HEXISTS h b", ":1"},
    {"HEXISTS h c", ":0"},
    {"HEXISTS none a", ":0"},
    {"HSTRLEN h a", ":5"},
    {"HSTRLEN h b", ":0"},
    {"HSTRLEN h c", ":0"},
    {"HSTRLEN none c", ":0"},
    {"HLEN h", ":2"},
    {"HLEN none", ":0"},
    {"HEXISTS h", ARITY("hexists")},
    {"HSTRLEN h", ARITY("hstrlen")},
    {"HLEN h a", ARITY("hlen")})

TABLE_TEST(hincrby_counts_in_a_field,
    {"HINCRBY h a 1", ":1"},
    {"HINCRBY h a -3", ":-2"},
    {"HINCRBY h max " MAX_64, ":" MAX_64},
    {"HINCRBY h max 1", "-ERR increment or decrement would overflow"},
    {"HINCRBY h min " MIN_64, ":" MIN_64},
    {"HINCRBY h min -1", "-ERR increment or decrement would overflow"},
    {"HGET h max", "\"" MAX_64 "\""},
    {"HSET h text \" 1\" f 1.5", ":2"},
    {"HINCRBY h text 1", "-ERR hash value is not an integer"},
    {"HINCRBY h f 1", "-ERR hash value is not an integer"},
    {"HINCRBY h a x", NOT_INTEGER},
    {"HINCRBY h a 9223372036854775808", NOT_INTEGER},
    {"HINCRBY none a x", NOT_INTEGER},
    {"EXISTS none", ":0"},
    {"HGET h a", "\"-2\""},
    {"HINCRBY h a", ARITY("hincrby")})

TABLE_TEST(hincrbyfloat_adds_in_decimal,
    {"HINCRBYFLOAT h f 1.23", "\"1.23\""},
    {"HINCRBYFLOAT h f 0.77", "\"2\""},
    {"HINCRBYFLOAT h f -0.1", "\"1.9\""},
    {"HINCRBYFLOAT h f 3.0e3", "\"3001.89999999999999991\""},
    {"HGET h f", "\"3001.89999999999999991\""},
    {"HINCRBYFLOAT h x 10.50", "\"10.5\""},
    {"HINCRBYFLOAT h x inf", "-ERR value is NaN or Infinity"},
    {"HINCRBYFLOAT h x -inf", "-ERR value is NaN or Infinity"},
    {"HINCRBYFLOAT h x nan", "-ERR value is not a valid float"},
    {"HINCRBYFLOAT h x ten", "-ERR value is not a valid float"},
    {"HINCRBYFLOAT h x \"\"", "-ERR value is not a valid float"},
    {"HSET h text \"1.5 \" nul \"1\\x002\" inf inf", ":3"},
    {"HINCRBYFLOAT h text 1", "-ERR hash value is not a float"},
    {"HINCRBYFLOAT h nul 1", "-ERR hash value is not a float"},
    {"HINCRBYFLOAT h inf 1", "-ERR increment would produce NaN or Infinity"},
    {"HINCRBYFLOAT none x inf", "-ERR value is NaN or Infinity"},
    {"EXISTS none", ":0"},
    {"HINCRBYFLOAT h x", ARITY("hincrbyfloat")})

TABLE_TEST(hrandfield_picks_fields,
    {"HRANDFIELD none", "$-1"},
    {"HRANDFIELD none 3", "[]"},
    {"HRANDFIELD none -3 WITHVALUES", "[]"},
    {"HSET h a 1", ":1"},
    {"HRANDFIELD h", "\"a\""},
    {"HRANDFIELD h 0", "[]"},
    {"HRANDFIELD h 3", "[\"a\"]"},
    {"HRANDFIELD h -3", "[\"a\" \"a\" \"a\"]"},
    {"HRANDFIELD h 3 withvalues", "[\"a\" \"1\"]", "[[\"a\" \"1\"]]"},
    {"HRANDFIELD h -2 WITHVALUES", "[\"a\" \"1\" \"a\" \"1\"]",
        "[[\"a\" \"1\"] [\"a\" \"1\"]]"},
    {"HSET h b 1", ":1"},
    {"HRANDFIELD h 2", "re:\\[(\"a\" \"b\"|\"b\" \"a\")\\]"},
    {"HRANDFIELD h 1", "re:\\[\"[ab]\"\\]"},
    {"HRANDFIELD h -2", "re:\\[\"[ab]\" \"[ab]\"\\]"},
    {"HRANDFIELD h x", NOT_INTEGER},
    {"HRANDFIELD h " MIN_64, "-ERR value is out of range, value must between "
        "-9223372036854775807 and 9223372036854775807"},
    {"HRANDFIELD h -9223372036854770000 WITHVALUES",
        "-ERR value is out of range"},
    {"HRANDFIELD h 1 WITHSCORES", SYNTAX},
    {"HRANDFIELD h 1 WITHVALUES x", SYNTAX},
    {"HRANDFIELD", ARITY("hrandfield")})

TABLE_TEST(hscan_walks_over_the_fields,
    {"HSCAN none 0", "[\"0\" []]"},
    {"HSET h a 1 b 2", ":2"},
    {"HSCAN h 0", "re:\\[\"0\" "
        "\\[(\"a\" \"1\" \"b\" \"2\"|\"b\" \"2\" \"a\" \"1\")\\]\\]"},
    {"HSCAN h 0 MATCH a*", "[\"0\" [\"a\" \"1\"]]"},
    {"HSCAN h 0 match x count 100", "[\"0\" []]"},
    {"HSCAN h x", "-ERR invalid cursor"},
    {"HSCAN none x", "-ERR invalid cursor"},
    {"HSCAN h 0 COUNT 0", SYNTAX},
    {"HSCAN h 0 COUNT x", NOT_INTEGER},
    {"HSCAN h 0 MATCH", SYNTAX},
    {"HSCAN h 0 TYPE hash", SYNTAX},
    {"HSCAN none 0 LIMIT 1", "[\"0\" []]"},
    {"HSCAN h", ARITY("hscan")})

TABLE_TEST(a_string_is_no_hash,
    {"SET s v", "+OK"},
    {"HSET s a 1", WRONG_TYPE},
    {"HMSET s a 1", WRONG_TYPE},
    {"HSETNX s a 1", WRONG_TYPE},
    {"HGET s a", WRONG_TYPE},
    {"HMGET s a b", WRONG_TYPE},
    {"HGETALL s", WRONG_TYPE},
    {"HKEYS s", WRONG_TYPE},
    {"HVALS s", WRONG_TYPE},
    {"HLEN s", WRONG_TYPE},
    {"HDEL s a", WRONG_TYPE},
    {"HEXISTS s a", WRONG_TYPE},
    {"HSTRLEN s a", WRONG_TYPE},
    {"HINCRBY s a 1", WRONG_TYPE},
    {"HINCRBYFLOAT s a 1", WRONG_TYPE},
    {"HRANDFIELD s", WRONG_TYPE},
    {"HRANDFIELD s 2", WRONG_TYPE},
    {"HSCAN s 0", WRONG_TYPE},
    {"GET s", "\"v\""})

TABLE_TEST(a_hash_is_no_string,
    {"HSET h a 1", ":1"},
    {"GET h", WRONG_TYPE},
    {"MGET h none", "[$-1 $-1]", "[_ _]"},
    {"STRLEN h", WRONG_TYPE},
    {"GETRANGE h 0 1", WRONG_TYPE},
    {"SUBSTR h 0 1", WRONG_TYPE},
    {"APPEND h x", WRONG_TYPE},
    {"SETRANGE h 0 x", WRONG_TYPE},
    {"INCR h", WRONG_TYPE},
    {"DECR h", WRONG_TYPE},
    {"INCRBY h 2", WRONG_TYPE},
    {"DECRBY h 2", WRONG_TYPE},
    {"INCRBYFLOAT h 1.5", WRONG_TYPE},
    {"GETSET h x", WRONG_TYPE},
    {"GETDEL h", WRONG_TYPE},
    {"GETEX h EX 10", WRONG_TYPE},
    {"SET h x GET", WRONG_TYPE},
    {"SETNX h x", ":0"},
    {"MSETNX h x i y", ":0"},
    {"GETBIT h 0", WRONG_TYPE},
    {"SETBIT h 0 1", WRONG_TYPE},
    {"BITCOUNT h", WRONG_TYPE},
    {"BITPOS h 1", WRONG_TYPE},
    {"BITFIELD h GET u8 0", WRONG_TYPE},
    {"BITFIELD h SET u8 0 1", WRONG_TYPE},
    {"BITFIELD_RO h GET u8 0", WRONG_TYPE},
    {"BITOP NOT to h", WRONG_TYPE},
    {"LCS h none", "-ERR The specified keys must contain string values"},
    {"TTL h", ":-1"},
    {"HGETALL h", "[\"a\" \"1\"]", "{\"a\" \"1\"}"},
    {"SET h x", "+OK"},
    {"GET h", "\"x\""},
    {"HSET h a 1", WRONG_TYPE})

TABLE_TEST(a_key_is_a_key_whatever_its_type,
    {"HSET h a 1 b 2", ":2"},
    {"TYPE h", "+hash"},
    {"OBJECT ENCODING h", "\"listpack\""},
    {"OBJECT REFCOUNT h", ":1"},
    {"MEMORY USAGE h", "re::[1-9][0-9]*"},
    {"EXPIRE h 100", ":1"},
    {"TTL h", "re::(9[0-9]|100)"},
    {"HSET h c 3", ":1"},
    {"TTL h", "re::(9[0-9]|100)"},
    {"PERSIST h", ":1"},
    {"RENAME h i", "+OK"},
    {"HGET i b", "\"2\""},
    {"COPY i j", ":1"},
    {"HDEL i a", ":1"},
    {"HLEN j", ":3"},
    {"HLEN i", ":2"},
    {"SCAN 0 TYPE hash COUNT 1000", "re:\\[\"0\" \\[\"[ij]\" \"[ij]\"\\]\\]"},
    {"SCAN 0 TYPE string COUNT 1000", "[\"0\" []]"},
    {"MOVE i 1", ":1"},
    {"EXISTS i", ":0"},
    {"SELECT 1", "+OK"},
    {"HGET i c", "\"3\""},
    {"DEL i", ":1"},
    {"SELECT 0", "+OK"},
    {"SET j x", "+OK"},
    {"TYPE j", "+string"},
    {"UNLINK j", ":1"},
    {"HSET j a " X100, ":1"},
    {"OBJECT ENCODING j", "\"hashtable\""},
    {"PEXPIRE j 0", ":1"},
    {"HLEN j", ":0"})

TABLE_TEST(a_transaction_has_hashes_as_well,
    {"WATCH h", "+OK"},
    {"MULTI", "+OK"},
    {"HSET h a 1", "+QUEUED"},
    {"HINCRBY h a 2", "+QUEUED"},
    {"HGETALL h", "+QUEUED"},
    {"EXEC", "[:1 :3 [\"a\" \"3\"]]", "[:1 :3 {\"a\" \"3\"}]"},
    {"WATCH h", "+OK"},
    {"HSET h b 1", ":1"},
    {"MULTI", "+OK"},
    {"HDEL h a", "+QUEUED"},
    {"EXEC", "*-1"},
    {"WATCH h", "+OK"},
    {"HDEL h none", ":0"},
    {"MULTI", "+OK"},
    {"HDEL h a b", "+QUEUED"},
    {"EXEC", "[:2]"},
    {"EXISTS h", ":0"})
/* clang-format on */

static Suite *
hash_suite(void)
{
    Suite *s = suite_create("hash");
    TCase *tc = tcase_create("hash");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, hset_and_hget_store_fields);
    tcase_add_test(tc, hmset_and_hmget_take_several_fields);
    tcase_add_test(tc, hsetnx_keeps_what_is_there);
    tcase_add_test(tc, hgetall_is_a_map);
    tcase_add_test(tc, hdel_removes_fields_and_at_last_the_key);
    tcase_add_test(tc, hexists_hlen_and_hstrlen_ask_about_fields);
    tcase_add_test(tc, hincrby_counts_in_a_field);
    tcase_add_test(tc, hincrbyfloat_adds_in_decimal);
    tcase_add_test(tc, hrandfield_picks_fields);
    tcase_add_test(tc, hscan_walks_over_the_fields);
    tcase_add_test(tc, a_string_is_no_hash);
    tcase_add_test(tc, a_hash_is_no_string);
    tcase_add_test(tc, a_key_is_a_key_whatever_its_type);
    tcase_add_test(tc, a_transaction_has_hashes_as_well);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(hash_suite());
}
