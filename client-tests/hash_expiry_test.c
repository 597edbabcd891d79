/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_expiry_test.c - fields that expire, and HGETEX, HSETEX, HGETDEL: command
 * in, reply out, over RESP2 and RESP3. Redis 7.0 has none of them.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define WRONG_TYPE                                                             \
    "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NO_FIELDS                                                              \
    "-ERR Mandatory argument FIELDS is missing or not at the right position"
#define BAD_COUNT "-ERR Parameter `numFields` should be greater than 0"
#define NOT_POSITIVE "-ERR Number of fields must be a positive integer"
#define MISMATCH                                                               \
    "-ERR The `numfields` parameter must match the number of arguments"
#define NEGATIVE "-ERR invalid expire time, must be >= 0"
#define BAD_TIME(name) "-ERR invalid expire time in '" name "' command"
#define ONE_TIME(last)                                                         \
    "-ERR Only one of EX, PX, EXAT, PXAT or " last " arguments can be "        \
                                                   "specified"
#define FAR_S "70368744177" /* seconds: the last of 46 bits of milliseconds */
#define FAR_MS "70368744177663"

/* clang-format off */
TABLE_TEST(hexpire_sets_a_deadline_for_each_field,
    {"HEXPIRE h 10 FIELDS 1 a", "[:-2]"},
    {"EXISTS h", ":0"},
    {"HSET h a 1 b 2 c 3", ":3"},
    {"HEXPIRE h 100 FIELDS 3 a x b", "[:1 :-2 :1]"},
    {"HTTL h FIELDS 4 a b c x", "re:\\[:(9[0-9]|100) :(9[0-9]|100) :-1 :-2\\]"},
    {"HPTTL h FIELDS 2 a c", "re:\\[:(9[0-9]{4}|100000) :-1\\]"},
    {"HPEXPIRE h 200000 fields 1 a", "[:1]"},
    {"HTTL h FIELDS 1 a", "re:\\[:(19[0-9]|200)\\]"},
    {"HEXPIREAT h 33000000000 FIELDS 1 a", "[:1]"},
    {"HEXPIRETIME h FIELDS 2 a c", "[:33000000000 :-1]"},
    {"HPEXPIRETIME h FIELDS 2 a x", "[:33000000000000 :-2]"},
    {"HPEXPIREAT h 33000000000001 FIELDS 1 a", "[:1]"},
    {"HEXPIRETIME h FIELDS 1 a", "[:33000000001]"},
    {"HPEXPIRETIME h FIELDS 1 a", "[:33000000000001]"},
    {"HPERSIST h FIELDS 3 a c x", "[:1 :-1 :-2]"},
    {"HTTL h FIELDS 1 a", "[:-1]"},
    {"HGET h a", "\"1\""},
    {"HTTL none FIELDS 2 a b", "[:-2 :-2]"},
    {"HPERSIST none FIELDS 1 a", "[:-2]"},
    {"HEXPIREAT h " FAR_S " FIELDS 1 c", "[:1]"},
    {"HPEXPIREAT h " FAR_MS " FIELDS 1 c", "[:1]"},
    {"HPEXPIRETIME h FIELDS 1 c", "[:" FAR_MS "]"})

TABLE_TEST(hexpire_has_conditions,
    {"HSET h a 1", ":1"},
    {"HEXPIRE h 100 XX FIELDS 1 a", "[:0]"},
    {"HEXPIRE h 100 GT FIELDS 1 a", "[:0]"},
    {"HEXPIRE h 100 NX FIELDS 1 a", "[:1]"},
    {"HEXPIRE h 200 nx FIELDS 2 a b", "[:0 :-2]"},
    {"HEXPIRE h 50 GT FIELDS 1 a", "[:0]"},
    {"HEXPIRE h 200 GT FIELDS 1 a", "[:1]"},
    {"HEXPIRE h 300 LT FIELDS 1 a", "[:0]"},
    {"HEXPIRE h 100 LT FIELDS 1 a", "[:1]"},
    {"HEXPIRE h 400 XX FIELDS 1 a", "[:1]"},
    {"HTTL h FIELDS 1 a", "re:\\[:(39[0-9]|400)\\]"},
    {"HPERSIST h FIELDS 1 a", "[:1]"},
    {"HEXPIRE h 100 LT FIELDS 1 a", "[:1]"},
    {"HEXPIRE h 0 NX FIELDS 1 a", "[:0]"},
    {"HEXISTS h a", ":1"})

TABLE_TEST(a_time_that_has_passed_deletes_the_field,
    {"HSET h a 1 b 2 c 3 d 4", ":4"},
    {"HEXPIRE h 0 FIELDS 2 a x", "[:2 :-2]"},
    {"HPEXPIRE h 0 FIELDS 1 b", "[:2]"},
    {"HEXPIREAT h 1 FIELDS 1 c", "[:2]"},
    {"HLEN h", ":1"},
    {"HPEXPIREAT h 1 FIELDS 2 d d", "[:2 :-2]"},
    {"EXISTS h", ":0"})

TABLE_TEST(hexpire_refuses_what_it_does_not_understand,
    {"HSET h a 1", ":1"},
    {"HEXPIRE h x FIELDS 1 a", NOT_INTEGER},
    {"HEXPIRE h -1 FIELDS 1 a", NEGATIVE},
    {"HEXPIRE h 9223372036854775807 FIELDS 1 a", BAD_TIME("hexpire")},
    {"HPEXPIRE h " FAR_MS " FIELDS 1 a", BAD_TIME("hpexpire")},
    {"HPEXPIREAT h 70368744177664 FIELDS 1 a", BAD_TIME("hpexpireat")},
    {"HEXPIREAT h 70368744178 FIELDS 1 a", BAD_TIME("hexpireat")},
    {"HEXPIRE h 10 1 a b", NO_FIELDS},
    {"HEXPIRE h 10 NX 1 a", NO_FIELDS},
    {"HEXPIRE h 10 NX XX FIELDS 1 a", NO_FIELDS},
    {"HEXPIRE h 10 FIELDS 0 a", BAD_COUNT},
    {"HEXPIRE h 10 FIELDS -1 a", BAD_COUNT},
    {"HEXPIRE h 10 FIELDS x a", BAD_COUNT},
    {"HEXPIRE h 10 FIELDS 2 a", MISMATCH},
    {"HEXPIRE h 10 FIELDS 1 a b", MISMATCH},
    {"HEXPIRE h 10 NX FIELDS 1", MISMATCH},
    {"HEXPIRE h 10 FIELDS 1", ARITY("hexpire")},
    {"HPEXPIRE h 10 FIELDS 1", ARITY("hpexpire")},
    {"HEXPIREAT h 10 FIELDS 1", ARITY("hexpireat")},
    {"HPEXPIREAT h 10 FIELDS 1", ARITY("hpexpireat")},
    {"HTTL h 1 a b", NO_FIELDS},
    {"HTTL h FIELDS 0 a", NOT_POSITIVE},
    {"HPTTL h FIELDS x a", NOT_POSITIVE},
    {"HEXPIRETIME h FIELDS 2 a", MISMATCH},
    {"HPEXPIRETIME h FIELDS 1 a b", MISMATCH},
    {"HTTL h FIELDS 1", ARITY("httl")},
    {"HPTTL h FIELDS 1", ARITY("hpttl")},
    {"HEXPIRETIME h FIELDS 1", ARITY("hexpiretime")},
    {"HPEXPIRETIME h FIELDS 1", ARITY("hpexpiretime")},
    {"HPERSIST h 1 a b", NO_FIELDS},
    {"HPERSIST h FIELDS 0 a", NOT_POSITIVE},
    {"HPERSIST h FIELDS 2 a", MISMATCH},
    {"HPERSIST h FIELDS 1", ARITY("hpersist")},
    {"HTTL h FIELDS 1 a", "[:-1]"})

TABLE_TEST(what_writes_a_field_ends_its_deadline,
    {"HSET h a 1 b 1 c 1 d 1 e 1", ":5"},
    {"HEXPIRE h 100 FIELDS 5 a b c d e", "[:1 :1 :1 :1 :1]"},
    {"HSET h a 2", ":0"},
    {"HMSET h b 2", "+OK"},
    {"HINCRBY h c 1", ":2"},
    {"HINCRBYFLOAT h d 1.5", "\"2.5\""},
    {"HSETNX h e 2", ":0"},
    {"HTTL h FIELDS 5 a b c d e",
        "re:\\[:-1 :-1 :(9[0-9]|100) :(9[0-9]|100) :(9[0-9]|100)\\]"},
    {"HDEL h c", ":1"},
    {"HSET h c 1", ":1"},
    {"HTTL h FIELDS 1 c", "[:-1]"},
    {"RENAME h i", "+OK"},
    {"COPY i j", ":1"},
    {"HTTL i FIELDS 2 a d", "re:\\[:-1 :(9[0-9]|100)\\]"},
    {"HTTL j FIELDS 2 a d", "re:\\[:-1 :(9[0-9]|100)\\]"})

TABLE_TEST(hgetex_returns_and_changes_the_deadline,
    {"HGETEX none EX 10 FIELDS 2 a b", "[$-1 $-1]", "[_ _]"},
    {"EXISTS none", ":0"},
    {"HSET h a 1 b 2", ":2"},
    {"HGETEX h FIELDS 3 a x b", "[\"1\" $-1 \"2\"]", "[\"1\" _ \"2\"]"},
    {"HTTL h FIELDS 1 a", "[:-1]"},
    {"HGETEX h EX 100 FIELDS 1 a", "[\"1\"]"},
    {"HTTL h FIELDS 2 a b", "re:\\[:(9[0-9]|100) :-1\\]"},
    {"HGETEX h PX 200000 FIELDS 1 a", "[\"1\"]"},
    {"HTTL h FIELDS 1 a", "re:\\[:(19[0-9]|200)\\]"},
    {"HGETEX h EXAT 33000000000 FIELDS 1 a", "[\"1\"]"},
    {"HEXPIRETIME h FIELDS 1 a", "[:33000000000]"},
    {"HGETEX h PXAT 33000000000001 FIELDS 1 a", "[\"1\"]"},
    {"HPEXPIRETIME h FIELDS 1 a", "[:33000000000001]"},
    {"HGETEX h FIELDS 1 a", "[\"1\"]"},
    {"HPEXPIRETIME h FIELDS 1 a", "[:33000000000001]"},
    {"HGETEX h PERSIST FIELDS 2 a b", "[\"1\" \"2\"]"},
    {"HTTL h FIELDS 1 a", "[:-1]"},
    {"HGETEX h EX 0 FIELDS 1 a", "[\"1\"]"},
    {"HEXISTS h a", ":0"},
    {"HGETEX h PXAT 1 FIELDS 2 b b", "[\"2\" $-1]", "[\"2\" _]"},
    {"EXISTS h", ":0"},
    {"HGETEX h EX -1 FIELDS 1 a", NEGATIVE},
    {"HGETEX h EX x FIELDS 1 a", NOT_INTEGER},
    {"HGETEX h EX 9223372036854775807 FIELDS 1 a", BAD_TIME("hgetex")},
    {"HGETEX h EX 10 PX 10 FIELDS 1 a", ONE_TIME("PERSIST")},
    {"HGETEX h PERSIST EX 10 FIELDS 1 a", ONE_TIME("PERSIST")},
    {"HGETEX h EX FIELDS 1 a", NOT_INTEGER},
    {"HGETEX h KEEPTTL FIELDS 1 a", NO_FIELDS},
    {"HGETEX h 1 a b", NO_FIELDS},
    {"HGETEX h FIELDS 0 a", NOT_POSITIVE},
    {"HGETEX h FIELDS 2 a", MISMATCH},
    {"HGETEX h EX 10 FIELDS 1", MISMATCH},
    {"HGETEX h FIELDS 1", ARITY("hgetex")})

TABLE_TEST(hsetex_stores_with_a_deadline,
    {"HSETEX h EX 100 FIELDS 2 a 1 b 2", ":1"},
    {"HMGET h a b", "[\"1\" \"2\"]"},
    {"HTTL h FIELDS 2 a b", "re:\\[:(9[0-9]|100) :(9[0-9]|100)\\]"},
    {"HSETEX h KEEPTTL FIELDS 2 a 3 c 4", ":1"},
    {"HTTL h FIELDS 2 a c", "re:\\[:(9[0-9]|100) :-1\\]"},
    {"HSETEX h FIELDS 1 a 5", ":1"},
    {"HTTL h FIELDS 1 a", "[:-1]"},
    {"HSETEX h PX 200000 FIELDS 1 a 5", ":1"},
    {"HTTL h FIELDS 1 a", "re:\\[:(19[0-9]|200)\\]"},
    {"HSETEX h EXAT 33000000000 FIELDS 1 a 5", ":1"},
    {"HEXPIRETIME h FIELDS 1 a", "[:33000000000]"},
    {"HSETEX h PXAT 33000000000001 FIELDS 1 a 5", ":1"},
    {"HPEXPIRETIME h FIELDS 1 a", "[:33000000000001]"},
    {"HSETEX h FNX FIELDS 2 a 6 n 6", ":0"},
    {"HSETEX h FXX FIELDS 2 a 6 n 6", ":0"},
    {"HGET h a", "\"5\""},
    {"HSETEX h FXX KEEPTTL FIELDS 2 a 6 b 6", ":1"},
    {"HPEXPIRETIME h FIELDS 2 a x", "[:33000000000001 :-2]"},
    {"HSETEX h EX 100 FNX FIELDS 2 n 6 n 7", ":1"},
    {"HGET h n", "\"7\""},
    {"HSETEX none FXX FIELDS 1 a 1", ":0"},
    {"HSETEX h NX FIELDS 1 a 9", ":0"},
    {"HSETEX none XX FIELDS 1 a 9", ":0"},
    {"HSETEX h XX FIELDS 1 a 9", ":1"},
    {"HSETEX none NX FNX FIELDS 1 a 9", ":1"},
    {"HGETALL none", "[\"a\" \"9\"]", "{\"a\" \"9\"}"},
    {"HSETEX none EX 0 FIELDS 1 a 1", ":1"},
    {"EXISTS none", ":0"},
    {"HSETEX h PXAT 1 FIELDS 2 a 1 new 1", ":1"},
    {"HMGET h a new", "[$-1 $-1]", "[_ _]"})

TABLE_TEST(hsetex_refuses_what_it_does_not_understand,
    {"HSETEX h EX -1 FIELDS 1 a 1", NEGATIVE},
    {"HSETEX h EX x FIELDS 1 a 1", NOT_INTEGER},
    {"HSETEX h EX " FAR_MS " FIELDS 1 a 1", BAD_TIME("hsetex")},
    {"HSETEX h EX 10 PX 10 FIELDS 1 a 1", ONE_TIME("KEEPTTL")},
    {"HSETEX h KEEPTTL EX 10 FIELDS 1 a 1", ONE_TIME("KEEPTTL")},
    {"HSETEX h FNX FXX FIELDS 1 a 1",
        "-ERR Only one of FXX or FNX arguments can be specified"},
    {"HSETEX h NX XX FIELDS 1 a 1",
        "-ERR Only one of XX or NX arguments can be specified"},
    {"HSETEX h PERSIST FIELDS 1 a 1", "-ERR unknown argument: PERSIST"},
    {"HSETEX h a 1 b 2", "-ERR unknown argument: a"},
    {"HSETEX h FIELDS 0 a 1", "-ERR invalid number of fields"},
    {"HSETEX h FIELDS x a 1", "-ERR invalid number of fields"},
    {"HSETEX h FIELDS 2 a 1", ARITY("hsetex")},
    {"HSETEX h FIELDS 1 a 1 b", ARITY("hsetex")},
    {"HSETEX h FNX FXX", ARITY("hsetex")},
    {"HSETEX h EX 10 KEEPTTL", ARITY("hsetex")},
    {"HSETEX h KEEPTTL FNX FIELDS 1", ARITY("hsetex")},
    {"HSETEX h FNX KEEPTTL NX EX", ONE_TIME("KEEPTTL")},
    {"HSETEX h FNX NX FNX EX",
        "-ERR Only one of FXX or FNX arguments can be specified"},
    {"HSETEX h FNX NX FIELDS", ARITY("hsetex")},
    {"HSETEX h FNX NX KEEPTTL", ARITY("hsetex")},
    {"HSETEX h FNX NX EX", ARITY("hsetex")},
    {"EXISTS h", ":0"})

TABLE_TEST(hgetdel_returns_and_deletes,
    {"HSET h a 1 b 2 c 3", ":3"},
    {"HGETDEL h FIELDS 3 a x a", "[\"1\" $-1 $-1]", "[\"1\" _ _]"},
    {"HLEN h", ":2"},
    {"HGETDEL h FIELDS 2 c b", "[\"3\" \"2\"]"},
    {"EXISTS h", ":0"},
    {"HGETDEL h FIELDS 2 a b", "[$-1 $-1]", "[_ _]"},
    {"HGETDEL h 1 a b", NO_FIELDS},
    {"HGETDEL h FIELDS 0 a", NOT_POSITIVE},
    {"HGETDEL h FIELDS x a", NOT_POSITIVE},
    {"HGETDEL h FIELDS 2 a", MISMATCH},
    {"HGETDEL h FIELDS 1", ARITY("hgetdel")})

TABLE_TEST(a_string_has_no_fields_that_expire,
    {"SET s v", "+OK"},
    {"HEXPIRE s 10 FIELDS 1 a", WRONG_TYPE},
    {"HPEXPIRE s 10 FIELDS 1 a", WRONG_TYPE},
    {"HEXPIREAT s 10 FIELDS 1 a", WRONG_TYPE},
    {"HPEXPIREAT s 10 FIELDS 1 a", WRONG_TYPE},
    {"HTTL s FIELDS 1 a", WRONG_TYPE},
    {"HPTTL s FIELDS 1 a", WRONG_TYPE},
    {"HEXPIRETIME s FIELDS 1 a", WRONG_TYPE},
    {"HPEXPIRETIME s FIELDS 1 a", WRONG_TYPE},
    {"HPERSIST s FIELDS 1 a", WRONG_TYPE},
    {"HGETEX s FIELDS 1 a", WRONG_TYPE},
    {"HGETEX s EX 10 FIELDS 1 a", WRONG_TYPE},
    {"HSETEX s FIELDS 1 a 1", WRONG_TYPE},
    {"HSETEX s NX FIELDS 1 a 1", WRONG_TYPE},
    {"HGETDEL s FIELDS 1 a", WRONG_TYPE},
    {"GET s", "\"v\""})
/* clang-format on */

/* Nothing but time may pass between the commands. */
START_TEST(a_field_is_gone_for_every_command_at_its_time)
{
    redisContext *c = server_connect(server);

    expect(c, ":3", "HSET h a 1 b 2 c 3");
    expect(c, "[:1 :1]", "HPEXPIRE h 20 FIELDS 2 a b");
    sleep_ms(40);
    expect(c, "$-1", "HGET h a");
    expect(c, ":0", "HEXISTS h a");
    expect(c, ":0", "HSTRLEN h b");
    expect(c, ":1", "HLEN h");
    expect(c, "[\"c\" \"3\"]", "HGETALL h");
    expect(c, "[\"c\"]", "HKEYS h");
    expect(c, "[\"3\"]", "HVALS h");
    expect(c, "[\"c\"]", "HRANDFIELD h 5");
    expect(c, "[\"0\" [\"c\" \"3\"]]", "HSCAN h 0");
    expect(c, "[:-2 :-1]", "HTTL h FIELDS 2 a c");
    expect(c, "[:-2 :-1]", "HPERSIST h FIELDS 2 a c");
    expect(c, ":0", "HDEL h a");
    expect(c, ":1", "HSETNX h b 4");
    expect(c, "[:-1]", "HTTL h FIELDS 1 b");
    expect(c, ":7", "HINCRBY h a 7");
    expect(c, ":3", "HLEN h");
    redisFree(c);
}
END_TEST

START_TEST(hscan_may_leave_out_the_values)
{
    redisContext *c = server_connect(server);

    expect(c, ":1", "HSET few a 1");
    expect(c, "[\"0\" [\"a\"]]", "HSCAN few 0 NOVALUES");
    redisFree(c);
}
END_TEST

START_TEST(a_hash_is_gone_with_its_last_field)
{
    redisContext *c = server_connect(server);

    expect(c, ":1", "HSETEX gone PX 20 FIELDS 2 a 1 b 2");
    sleep_ms(40);
    expect(c, ":0", "EXISTS gone");
    expect(c, "+none", "TYPE gone");
    expect(c, "[]", "HGETALL gone");
    expect(c, "+OK", "SET gone x");
    redisFree(c);
}
END_TEST

static Suite *
hash_expiry_suite(void)
{
    Suite *s = suite_create("hash_expiry");
    TCase *tc = tcase_create("hash_expiry");

    if (testing_redis())
        return s;
    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, hexpire_sets_a_deadline_for_each_field);
    tcase_add_test(tc, hexpire_has_conditions);
    tcase_add_test(tc, a_time_that_has_passed_deletes_the_field);
    tcase_add_test(tc, hexpire_refuses_what_it_does_not_understand);
    tcase_add_test(tc, what_writes_a_field_ends_its_deadline);
    tcase_add_test(tc, hgetex_returns_and_changes_the_deadline);
    tcase_add_test(tc, hsetex_stores_with_a_deadline);
    tcase_add_test(tc, hsetex_refuses_what_it_does_not_understand);
    tcase_add_test(tc, hgetdel_returns_and_deletes);
    tcase_add_test(tc, a_string_has_no_fields_that_expire);
    tcase_add_test(tc, a_field_is_gone_for_every_command_at_its_time);
    tcase_add_test(tc, hscan_may_leave_out_the_values);
    tcase_add_test(tc, a_hash_is_gone_with_its_last_field);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(hash_expiry_suite());
}
