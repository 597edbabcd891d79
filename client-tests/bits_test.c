/* SPDX-License-Identifier: BSD-3-Clause */
/* bits_test.c - bits of a value and LCS: command in, reply out, over RESP2 and
 * RESP3.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define SYNTAX "-ERR syntax error"
#define BAD_OFFSET "-ERR bit offset is not an integer or out of range"

/* clang-format off */
TABLE_TEST(setbit_and_getbit_speak_of_one_bit,
    {"SETBIT k 7 1", ":0"},
    {"SETBIT k 7 0", ":1"},
    {"GETBIT k 7", ":0"},
    {"SETBIT k 23 1", ":0"},
    {"GET k", "\"\\x00\\x00\\x01\""},
    {"GETBIT k 23", ":1"},
    {"GETBIT none 0", ":0"},
    {"SETBIT k 4294967296 1", BAD_OFFSET},
    {"SETBIT k -1 1", BAD_OFFSET},
    {"SETBIT k 0 2", "-ERR bit is not an integer or out of range"},
    {"GETBIT k x", BAD_OFFSET},
    {"SETBIT k 1", ARITY("setbit")},
    {"GETBIT k", ARITY("getbit")})

TABLE_TEST(bitcount_and_bitpos_look_at_ranges,
    {"SET k foobar", "+OK"},
    {"BITCOUNT k", ":26"},
    {"BITCOUNT k 0 0", ":4"},
    {"BITCOUNT k 5 30 BIT", ":17"},
    {"BITCOUNT k -1 -2", ":0"},
    {"BITCOUNT k 0", SYNTAX},
    {"BITCOUNT none x", ":0"},
    {"BITPOS k 1", ":1"},
    {"BITPOS k 0", ":0"},
    {"BITPOS k 1 2 -1 BYTE", ":17"},
    {"BITPOS k 1 7 15 BIT", ":9"},
    {"BITPOS k 2", "-ERR The bit argument must be 1 or 0."},
    {"BITPOS none 0", ":0"},
    {"BITPOS none 1", ":-1"},
    {"BITCOUNT", ARITY("bitcount")},
    {"BITPOS k", ARITY("bitpos")})

TABLE_TEST(bitop_stores_what_it_computes,
    {"MSET a abc b ab", "+OK"},
    {"BITOP AND to a b", ":3"},
    {"GET to", "\"ab\\x00\""},
    {"BITOP xor to a b", ":3"},
    {"GET to", "\"\\x00\\x00c\""},
    {"BITOP OR to b none", ":2"},
    {"GET to", "\"ab\""},
    {"BITOP NOT to none", ":0"},
    {"EXISTS to", ":0"},
    {"BITOP NOT to a b",
        "-ERR BITOP NOT must be called with a single source key."},
    {"BITOP NAND to a", SYNTAX},
    {"BITOP AND to", ARITY("bitop")})

TABLE_TEST(bitfield_works_on_integers,
    {"BITFIELD k SET u8 0 255 GET i8 #0", "[:0 :-1]"},
    {"BITFIELD k INCRBY u8 0 3 OVERFLOW SAT INCRBY u8 0 300", "[:2 :255]"},
    {"BITFIELD k OVERFLOW FAIL INCRBY u8 0 1", "[$-1]", "[_]"},
    {"BITFIELD_RO k GET u8 0 GET u4 100", "[:255 :0]"},
    {"BITFIELD k", "[]"},
    {"BITFIELD_RO k SET u8 0 1",
        "-ERR BITFIELD_RO only supports the GET subcommand"},
    {"BITFIELD k GET u65 0",
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
        "is not supported but i64 is."},
    {"BITFIELD k OVERFLOW x", "-ERR Invalid OVERFLOW type specified"},
    {"BITFIELD k GET u8", SYNTAX},
    {"BITFIELD k GET u8 -1", BAD_OFFSET},
    {"BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range"},
    {"BITFIELD", ARITY("bitfield")},
    {"BITFIELD_RO", ARITY("bitfield_ro")})

TABLE_TEST(lcs_compares_two_values,
    {"MSET a ohmytext b mynewtext", "+OK"},
    {"LCS a b", "\"mytext\""},
    {"LCS a b LEN", ":6"},
    {"LCS a b IDX MINMATCHLEN 3 WITHMATCHLEN",
        "[\"matches\" [[[:4 :7] [:5 :8] :4]] \"len\" :6]",
        "{\"matches\" [[[:4 :7] [:5 :8] :4]] \"len\" :6}"},
    {"LCS a none", "\"\""},
    {"LCS a b LEN IDX", "-ERR If you want both the length and indexes, please "
        "just use IDX."},
    {"LCS a b x", SYNTAX},
    {"LCS a", ARITY("lcs")})
/* clang-format on */

static Suite *
bits_suite(void)
{
    Suite *s = suite_create("bits");
    TCase *tc = tcase_create("bits");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, setbit_and_getbit_speak_of_one_bit);
    tcase_add_test(tc, bitcount_and_bitpos_look_at_ranges);
    tcase_add_test(tc, bitop_stores_what_it_computes);
    tcase_add_test(tc, bitfield_works_on_integers);
    tcase_add_test(tc, lcs_compares_two_values);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(bits_suite());
}
