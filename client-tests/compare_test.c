/* SPDX-License-Identifier: BSD-3-Clause */
/* compare_test.c - changes that depend on the value: SET IFEQ and its
 * relatives, DELEX, DELIFEQ, DIGEST; MSETEX and INCREX; over RESP2 and RESP3.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define SYNTAX "-ERR syntax error"
#define HELLO_DIGEST "b6acb9d84a38ff74"

/* clang-format off */
TABLE_TEST(set_compares_before_it_writes,
    {"SET k 1 IFEQ 0", "$-1"},
    {"SET k 1 IFNE 0", "+OK"},
    {"SET k 2 IFNE 1", "$-1"},
    {"SET k 2 IFEQ 1 EX 100", "+OK"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"SET k 3 IFEQ 9 GET", "\"2\""},
    {"SET k 3 IFEQ 2 GET KEEPTTL", "\"2\""},
    {"TTL k", "re::(9[0-9]|100)"},
    {"SET k \"Hello world\"", "+OK"},
    {"SET k x IFDNE " HELLO_DIGEST, "$-1"},
    {"SET k x IFDEQ " HELLO_DIGEST, "+OK"},
    {"GET k", "\"x\""},
    {"SET none x IFDEQ " HELLO_DIGEST " GET", "$-1"},
    {"SET k x IFEQ", SYNTAX},
    {"SET k x IFEQ a NX", SYNTAX},
    {"SET k x XX IFNE a", SYNTAX},
    {"SET k x IFEQ a IFNE b", SYNTAX},
    {"SET k x IFDEQ 1", "-ERR digest must be exactly 16 hexadecimal digits"},
    {"GET k", "\"x\""})

TABLE_TEST(delex_and_delifeq_compare_before_they_delete,
    {"DELEX k", ":0"},
    {"DELIFEQ k v", ":0"},
    {"SET k v", "+OK"},
    {"DELIFEQ k x", ":0"},
    {"DELEX k IFEQ x", ":0"},
    {"DELEX k IFNE v", ":0"},
    {"DELEX k IFEQ v", ":1"},
    {"SET k v", "+OK"},
    {"DELIFEQ k v", ":1"},
    {"SET k \"Hello world\"", "+OK"},
    {"DELEX k IFDNE " HELLO_DIGEST, ":0"},
    {"DELEX k IFDEQ " HELLO_DIGEST, ":1"},
    {"SET k v", "+OK"},
    {"DELEX k", ":1"},
    {"DELEX", ARITY("delex")},
    {"DELEX k IFEQ", ARITY("delex")},
    {"DELEX k LIKE v", SYNTAX},
    {"DELIFEQ k", ARITY("delifeq")},
    {"DELIFEQ k a b", ARITY("delifeq")})

TABLE_TEST(digest_names_a_value,
    {"DIGEST k", "$-1"},
    {"SET k \"Hello world\"", "+OK"},
    {"DIGEST k", "\"" HELLO_DIGEST "\""},
    {"DIGEST", ARITY("digest")},
    {"DIGEST k k", ARITY("digest")})

TABLE_TEST(msetex_stores_several_values_with_one_expiry,
    {"MSETEX 2 a 1 b 2 EX 100", ":1"},
    {"MGET a b", "[\"1\" \"2\"]"},
    {"TTL a", "re::(9[0-9]|100)"},
    {"TTL b", "re::(9[0-9]|100)"},
    {"MSETEX 2 b 3 c 4 NX", ":0"},
    {"MSETEX 2 b 3 c 4 XX", ":0"},
    {"EXISTS c", ":0"},
    {"MSETEX 2 a 3 b 4 XX KEEPTTL", ":1"},
    {"TTL a", "re::(9[0-9]|100)"},
    {"MSETEX 1 c 5 NX PX 100000", ":1"},
    {"MSETEX 1 c 5 EXAT 1", ":1"},
    {"EXISTS c", ":0"},
    {"MSETEX 1 a", ARITY("msetex")},
    {"MSETEX 0 a 1", "-ERR invalid numkeys value"},
    {"MSETEX 2 a 1 b", "-ERR wrong number of key-value pairs"},
    {"MSETEX 1 a 1 b 2", SYNTAX},
    {"COMMAND GETKEYS MSETEX 2 a 1 b 2 NX", "[\"a\" \"b\"]"})

TABLE_TEST(increx_counts_within_bounds,
    {"INCREX k", "[:1 :1]"},
    {"INCREX k BYINT 10 UBOUND 5", "[:1 :0]"},
    {"INCREX k BYINT 10 UBOUND 5 SATURATE EX 100", "[:5 :4]"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"INCREX k BYINT -9 LBOUND 0 SATURATE EX 5 ENX", "[:0 :-5]"},
    {"TTL k", "re::(9[0-9]|100)"},
    {"INCREX k BYFLOAT 0.5 PERSIST", "[\"0.5\" \"0.5\"]", "[,0.5 ,0.5]"},
    {"TTL k", ":-1"},
    {"INCREX k", NOT_INTEGER},
    {"INCREX k BYFLOAT x", "-ERR value is not a valid float"},
    {"INCREX k ENX", SYNTAX},
    {"INCREX", ARITY("increx")})
/* clang-format on */

static Suite *
compare_suite(void)
{
    Suite *s = suite_create("compare");
    TCase *tc = tcase_create("compare");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, set_compares_before_it_writes);
    tcase_add_test(tc, delex_and_delifeq_compare_before_they_delete);
    tcase_add_test(tc, digest_names_a_value);
    tcase_add_test(tc, msetex_stores_several_values_with_one_expiry);
    tcase_add_test(tc, increx_counts_within_bounds);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(compare_suite());
}
