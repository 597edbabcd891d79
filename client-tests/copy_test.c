/* SPDX-License-Identifier: BSD-3-Clause */
/* copy_test.c - COPY, RENAME, RENAMENX and MOVE; WAIT and LOLWUT: command in,
 * reply out, over RESP2 and RESP3.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define NO_KEY "-ERR no such key"
#define SAME "-ERR source and destination objects are the same"
#define BAD_DB "-ERR DB index is out of range"

/* clang-format off */
TABLE_TEST(rename_moves_a_value_and_its_expiry,
    {"SET a 1 PXAT 4102444800000", "+OK"},
    {"SET b 2", "+OK"},
    {"RENAME a b", "+OK"},
    {"MGET a b", "[$-1 \"1\"]", "[_ \"1\"]"},
    {"PEXPIRETIME b", ":4102444800000"},
    {"RENAME a b", NO_KEY},
    {"SET a 3", "+OK"},
    {"RENAMENX a b", ":0"},
    {"RENAMENX a c", ":1"},
    {"RENAMENX a c", NO_KEY},
    {"GET c", "\"3\""},
    {"RENAME a", ARITY("rename")},
    {"RENAMENX a", ARITY("renamenx")})

TABLE_TEST(copy_leaves_the_source,
    {"SET a 1 PXAT 4102444800000", "+OK"},
    {"COPY a b", ":1"},
    {"COPY a b", ":0"},
    {"COPY none b", ":0"},
    {"PEXPIRETIME b", ":4102444800000"},
    {"SET a 2", "+OK"},
    {"COPY a b REPLACE", ":1"},
    {"GET b", "\"2\""},
    {"TTL b", ":-1"},
    {"COPY a a DB 3", ":1"},
    {"COPY a a", SAME},
    {"COPY a b DB 16", BAD_DB},
    {"COPY a b x", "-ERR syntax error"},
    {"SELECT 3", "+OK"},
    {"GET a", "\"2\""},
    {"COPY a", ARITY("copy")})

TABLE_TEST(move_puts_a_key_into_another_database,
    {"SET a 1 PXAT 4102444800000", "+OK"},
    {"MOVE a 9", ":1"},
    {"MOVE a 9", ":0"},
    {"SET a 2", "+OK"},
    {"MOVE a 9", ":0"},
    {"MOVE a 0", SAME},
    {"MOVE a 99", BAD_DB},
    {"MOVE a x", "-ERR value is not an integer or out of range"},
    {"SELECT 9", "+OK"},
    {"GET a", "\"1\""},
    {"PEXPIRETIME a", ":4102444800000"},
    {"MOVE a", ARITY("move")})

TABLE_TEST(wait_finds_no_replicas,
    {"WAIT 0 0", ":0"},
    {"WAIT 1 10", ":0"},
    {"WAIT x 0", "-ERR value is not an integer or out of range"},
    {"WAIT 0 x", "-ERR timeout is not an integer or out of range"},
    {"WAIT 0 -1", "-ERR timeout is negative"},
    {"WAIT 0", ARITY("wait")})

TABLE_TEST(lolwut_ends_with_the_version,
    {"LOLWUT", "re:.*Redis ver\\. 7\\.0.*"},
    {"LOLWUT VERSION 5", "re:.*Redis ver\\. 7\\.0.*"},
    {"LOLWUT VERSION x", "-ERR value is not an integer or out of range"})
/* clang-format on */

static Suite *
copy_suite(void)
{
    Suite *s = suite_create("copy");
    TCase *tc = tcase_create("copy");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, rename_moves_a_value_and_its_expiry);
    tcase_add_test(tc, copy_leaves_the_source);
    tcase_add_test(tc, move_puts_a_key_into_another_database);
    tcase_add_test(tc, wait_finds_no_replicas);
    tcase_add_test(tc, lolwut_ends_with_the_version);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(copy_suite());
}
