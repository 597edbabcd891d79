/* SPDX-License-Identifier: BSD-3-Clause */
/* bits_test.c - SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP and BITFIELD. */
#include "commands/fixture.h"

#define OK "+OK\r\n"
#define BAD_OFFSET "-ERR bit offset is not an integer or out of range\r\n"
#define BAD_BIT "-ERR bit is not an integer or out of range\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

static size_t
live_extents(void)
{
    struct slab_stats stats;

    slab_stats(h->slab, &stats);
    return stats.extents_live;
}

START_TEST(setbit_returns_the_former_bit_and_pads)
{
    RUN(h, ":0\r\n", "SETBIT", "k", "17", "1");
    RUN(h, ":1\r\n", "SETBIT", "k", "17", "1");
    RUN(h, ":3\r\n", "STRLEN", "k");
    RUN(h, ":1\r\n", "GETBIT", "k", "17");
    RUN(h, ":0\r\n", "GETBIT", "k", "16");
    RUN(h, ":0\r\n", "GETBIT", "k", "4294967295");
    RUN(h, ":1\r\n", "SETBIT", "k", "17", "0");
    RUN(h, ":0\r\n", "BITCOUNT", "k");
    RUN(h, OK, "SET", "a", "a");
    RUN(h, ":1\r\n", "EXPIRE", "a", "100");
    RUN(h, ":1\r\n", "SETBIT", "a", "7", "0");
    RUN(h, "$1\r\n`\r\n", "GET", "a");
    RUN(h, ":100\r\n", "TTL", "a");
}
END_TEST

START_TEST(setbit_makes_a_number_raw)
{
    RUN(h, OK, "SET", "k", "1");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, ":0\r\n", "SETBIT", "k", "0", "0");
    RUN(h, "$3\r\nraw\r\n", "OBJECT", "ENCODING", "k");
    RUN(h, "$1\r\n1\r\n", "GET", "k");
}
END_TEST

START_TEST(offsets_and_bits_are_checked)
{
    RUN(h, BAD_OFFSET, "SETBIT", "k", "-1", "1");
    RUN(h, BAD_OFFSET, "SETBIT", "k", "4294967296", "1");
    RUN(h, BAD_OFFSET, "GETBIT", "k", "x");
    RUN(h, BAD_OFFSET, "GETBIT", "k", "#1");
    RUN(h, BAD_BIT, "SETBIT", "k", "1", "2");
    RUN(h, BAD_BIT, "SETBIT", "k", "1", "x");
    RUN(h, OOM, "SETBIT", "k", "4294967295", "1");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(a_far_bit_lives_in_an_extent)
{
    RUN(h, ":0\r\n", "SETBIT", "k", "8000000", "1");
    RUN(h, ":1000001\r\n", "STRLEN", "k");
    ck_assert_uint_eq(live_extents(), 1);
    RUN(h, ":1\r\n", "BITCOUNT", "k");
    RUN(h, ":8000000\r\n", "BITPOS", "k", "1");
    RUN(h, ":0\r\n", "GETBIT", "k", "7999999");
    RUN(h, ":1000001\r\n", "BITOP", "NOT", "n", "k");
    RUN(h, ":8000007\r\n", "BITCOUNT", "n");
    RUN(h, ":8000000\r\n", "BITPOS", "n", "0");
    RUN(h, "*1\r\n:1\r\n", "BITFIELD", "k", "INCRBY", "u8", "0", "1");
    RUN(h, ":2\r\n", "BITCOUNT", "k");
    ck_assert_uint_eq(live_extents(), 2);
    RUN(h, ":2\r\n", "DEL", "k", "n");
    ck_assert_uint_eq(live_extents(), 0);
}
END_TEST

START_TEST(bitcount_counts_a_range_of_bytes_or_bits)
{
    RUN(h, ":0\r\n", "BITCOUNT", "none", "x", "y");
    RUN(h, OK, "SET", "k", "foobar");
    RUN(h, ":26\r\n", "BITCOUNT", "k");
    RUN(h, ":4\r\n", "BITCOUNT", "k", "0", "0");
    RUN(h, ":6\r\n", "BITCOUNT", "k", "1", "1");
    RUN(h, ":7\r\n", "BITCOUNT", "k", "-2", "-1");
    RUN(h, ":26\r\n", "BITCOUNT", "k", "-100", "100");
    RUN(h, ":0\r\n", "BITCOUNT", "k", "-1", "-2");
    RUN(h, ":17\r\n", "BITCOUNT", "k", "5", "30", "BIT");
    RUN(h, ":1\r\n", "BITCOUNT", "k", "1", "1", "bit");
    RUN(h, ":18\r\n", "BITCOUNT", "k", "1", "-2", "BYTE");
    RUN(h, SYNTAX, "BITCOUNT", "k", "0");
    RUN(h, SYNTAX, "BITCOUNT", "k", "0", "1", "nibble");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "BITCOUNT", "k",
        "a", "1");
}
END_TEST

START_TEST(bitpos_finds_the_first_bit)
{
    RUN(h, ":0\r\n", "BITPOS", "none", "0");
    RUN(h, ":-1\r\n", "BITPOS", "none", "1");
    RUN(h, OK, "SET", "empty", "");
    RUN(h, ":-1\r\n", "BITPOS", "empty", "0");
    SAY(h, "BITFIELD", "k", "SET", "u24", "0", "16773120"); /* fff000 */
    RUN(h, ":12\r\n", "BITPOS", "k", "0");
    RUN(h, ":0\r\n", "BITPOS", "k", "1");
    RUN(h, ":8\r\n", "BITPOS", "k", "1", "1");
    RUN(h, ":-1\r\n", "BITPOS", "k", "1", "2");
    RUN(h, ":-1\r\n", "BITPOS", "k", "0", "0", "0");
    RUN(h, ":16\r\n", "BITPOS", "k", "0", "-1");
    RUN(h, ":9\r\n", "BITPOS", "k", "1", "9", "-1", "BIT");
    RUN(h, ":-1\r\n", "BITPOS", "k", "0", "3", "11", "BIT");
    SAY(h, "BITFIELD", "ones", "SET", "i16", "0", "-1");
    RUN(h, ":16\r\n", "BITPOS", "ones", "0");
    RUN(h, ":16\r\n", "BITPOS", "ones", "0", "1");
    RUN(h, ":-1\r\n", "BITPOS", "ones", "0", "0", "-1");
    RUN(h, "-ERR The bit argument must be 1 or 0.\r\n", "BITPOS", "k", "2");
    RUN(h, SYNTAX, "BITPOS", "k", "1", "0", "1", "x");
}
END_TEST

START_TEST(bitop_combines_values_of_any_lengths)
{
    RUN(h, OK, "SET", "a", "abc");
    RUN(h, OK, "SET", "b", "ab");
    RUN(h, ":3\r\n", "BITOP", "OR", "to", "a", "b");
    RUN(h, "$3\r\nabc\r\n", "GET", "to");
    RUN(h, ":3\r\n", "BITOP", "and", "to", "a", "b", "a");
    RUN(h, "*1\r\n:24930\r\n", "BITFIELD", "to", "GET", "u16", "0");
    RUN(h, ":0\r\n", "BITCOUNT", "to", "2", "2");
    RUN(h, ":3\r\n", "BITOP", "XOR", "to", "a", "b");
    RUN(h, ":4\r\n", "BITCOUNT", "to");
    RUN(h, ":3\r\n", "BITOP", "NOT", "a", "a");
    RUN(h, ":14\r\n", "BITCOUNT", "a");
    RUN(h, ":0\r\n", "BITOP", "AND", "to", "none", "nil");
    RUN(h, ":0\r\n", "EXISTS", "to");
    RUN(h, SYNTAX, "BITOP", "NAND", "to", "a");
    RUN(h, "-ERR BITOP NOT must be called with a single source key.\r\n",
        "BITOP", "NOT", "to", "a", "b");
}
END_TEST

START_TEST(bitfield_reads_and_changes_integers)
{
    RUN(h, "*2\r\n:1\r\n:0\r\n", "BITFIELD", "k", "INCRBY", "i5", "100", "1",
        "GET", "u4", "0");
    RUN(h, "*1\r\n:0\r\n", "BITFIELD", "k", "SET", "u8", "#1", "200");
    RUN(h, "*1\r\n:200\r\n", "BITFIELD", "k", "GET", "u8", "8");
    RUN(h, "*1\r\n:-56\r\n", "BITFIELD_RO", "k", "GET", "i8", "#1");
    RUN(h, "*0\r\n", "BITFIELD", "k");
    RUN(h, "*1\r\n:0\r\n", "BITFIELD", "k", "SET", "i64", "500",
        "-9223372036854775808");
    RUN(h, "*1\r\n:-9223372036854775808\r\n", "BITFIELD", "k", "GET", "i64",
        "500");
    RUN(h, "*1\r\n:9223372036854775807\r\n", "BITFIELD", "k", "INCRBY", "i64",
        "500", "-1");
}
END_TEST

START_TEST(bitfield_overflows_as_it_is_told)
{
    RUN(h, "*1\r\n:0\r\n", "BITFIELD", "k", "SET", "u8", "0", "255");
    RUN(h, "*1\r\n:9\r\n", "BITFIELD", "k", "INCRBY", "u8", "0", "10");
    RUN(h, "*2\r\n:255\r\n:0\r\n", "BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY",
        "u8", "0", "250", "INCRBY", "u8", "0", "-256");
    RUN(h, "*2\r\n$-1\r\n:0\r\n", "BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY",
        "u8", "0", "-1", "GET", "u8", "0");
    RUN(h, "*2\r\n:127\r\n:-128\r\n", "BITFIELD", "k", "OVERFLOW", "SAT",
        "INCRBY", "i8", "0", "1000", "INCRBY", "i8", "0", "-1000");
    RUN(h, "*1\r\n:127\r\n", "BITFIELD", "k", "INCRBY", "i8", "0", "-1");
}
END_TEST

START_TEST(bitfield_refuses_what_it_cannot_read)
{
    RUN(h, SYNTAX, "BITFIELD", "k", "GET", "u8");
    RUN(h, SYNTAX, "BITFIELD", "k", "PUT", "u8", "0", "1");
    RUN(h, "-ERR Invalid OVERFLOW type specified\r\n", "BITFIELD", "k",
        "OVERFLOW", "x");
    RUN(h,
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
        "is not supported but i64 is.\r\n",
        "BITFIELD", "k", "GET", "u64", "0");
    RUN(h, BAD_OFFSET, "BITFIELD", "k", "GET", "u8", "#9223372036854775807");
    RUN(h, "-ERR BITFIELD_RO only supports the GET subcommand\r\n",
        "BITFIELD_RO", "k", "SET", "u8", "0", "1");
    RUN(h, OOM, "BITFIELD", "k", "SET", "u8", "4294967200", "1");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

HARNESS_MAIN("bits", start, stop, setbit_returns_the_former_bit_and_pads,
    setbit_makes_a_number_raw, offsets_and_bits_are_checked,
    a_far_bit_lives_in_an_extent, bitcount_counts_a_range_of_bytes_or_bits,
    bitpos_finds_the_first_bit, bitop_combines_values_of_any_lengths,
    bitfield_reads_and_changes_integers, bitfield_overflows_as_it_is_told,
    bitfield_refuses_what_it_cannot_read)
