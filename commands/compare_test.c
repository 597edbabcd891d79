/* SPDX-License-Identifier: BSD-3-Clause */
/* compare_test.c - changes that depend on the value, stores of several keys
 * with options, bounded counts. */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdlib.h>

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"
#define NOT_INTEGER "-ERR value is not an integer or out of range\r\n"
#define BAD_DIGEST "-ERR digest must be exactly 16 hexadecimal digits\r\n"

#define HELLO "Hello world"
#define HELLO_DIGEST "b6acb9d84a38ff74"

/* ---- SET ----------------------------------------------------------------- */

START_TEST(set_ifeq_stores_over_the_value_it_names_only)
{
    RUN(h, NIL, "SET", "k", "new", "IFEQ", "");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "a");
    RUN(h, NIL, "SET", "k", "b", "IFEQ", "A");
    RUN(h, NIL, "SET", "k", "b", "IFEQ", "aa");
    RUN(h, "$1\r\na\r\n", "GET", "k");
    RUN(h, OK, "SET", "k", "b", "ifeq", "a");
    RUN(h, "$1\r\nb\r\n", "GET", "k");
}
END_TEST

START_TEST(set_ifne_stores_over_any_other_value_and_none)
{
    RUN(h, OK, "SET", "k", "a", "IFNE", "x");
    RUN(h, NIL, "SET", "k", "b", "IFNE", "a");
    RUN(h, "$1\r\na\r\n", "GET", "k");
    RUN(h, OK, "SET", "k", "b", "IFNE", "x");
    RUN(h, "$1\r\nb\r\n", "GET", "k");
}
END_TEST

START_TEST(set_compares_digests)
{
    RUN(h, NIL, "SET", "k", "new", "IFDEQ", HELLO_DIGEST);
    RUN(h, OK, "SET", "k", HELLO, "IFDNE", HELLO_DIGEST);
    RUN(h, NIL, "SET", "k", "new", "IFDNE", HELLO_DIGEST);
    RUN(h, NIL, "SET", "k", "new", "IFDEQ", "0000000000000000");
    RUN(h, OK, "SET", "k", "new", "IFDEQ", "B6ACB9D84A38FF74");
    RUN(h, "$3\r\nnew\r\n", "GET", "k");
}
END_TEST

START_TEST(a_digest_has_sixteen_hexadecimal_digits)
{
    RUN(h, BAD_DIGEST, "SET", "k", "v", "IFDEQ", "");
    RUN(h, BAD_DIGEST, "SET", "k", "v", "IFDNE", "b6acb9d84a38ff7");
    RUN(h, BAD_DIGEST, "SET", "k", "v", "IFDNE", "b6acb9d84a38ff744");
    RUN(h, BAD_DIGEST, "SET", "k", "v", "IFDNE", "g6acb9d84a38ff74");
    RUN(h, BAD_DIGEST, "DELEX", "k", "IFDEQ", "0x6acb9d84a38ff7");
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(set_with_get_and_a_comparison_returns_the_old_value)
{
    RUN(h, NIL, "SET", "k", "a", "IFEQ", "x", "GET");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, NIL, "SET", "k", "a", "GET", "IFNE", "x");
    RUN(h, "$1\r\na\r\n", "SET", "k", "b", "IFEQ", "x", "GET");
    RUN(h, "$1\r\na\r\n", "SET", "k", "b", "IFEQ", "a", "GET");
    RUN(h, "$1\r\nb\r\n", "GET", "k");
}
END_TEST

START_TEST(set_takes_one_condition_at_most)
{
    static const char *const words[] = {"IFEQ", "IFNE", "IFDEQ", "IFDNE"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        RUN(h, SYNTAX, "SET", "k", "v", words[i]);
        RUN(h, SYNTAX, "SET", "k", "v", words[i], HELLO_DIGEST, "NX");
        RUN(h, SYNTAX, "SET", "k", "v", "XX", words[i], HELLO_DIGEST);
        for (size_t j = 0; j < ARRAY_LEN(words); j++)
            RUN(h, SYNTAX, "SET", "k", "v", words[i], HELLO_DIGEST, words[j],
                HELLO_DIGEST);
    }
    RUN(h, ":0\r\n", "EXISTS", "k");
}
END_TEST

START_TEST(a_comparison_goes_with_an_expiry)
{
    RUN(h, OK, "SET", "k", "a", "EX", "100");
    RUN(h, NIL, "SET", "k", "b", "IFEQ", "x", "EX", "5");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, OK, "SET", "k", "b", "IFEQ", "a", "KEEPTTL");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, OK, "SET", "k", "c", "PX", "5000", "IFEQ", "b");
    RUN(h, ":5\r\n", "TTL", "k");
    clock_fake(NOW + 5000);
    RUN(h, NIL, "SET", "k", "d", "IFEQ", "c");
}
END_TEST

static size_t
live_extents(void)
{
    struct slab_stats stats;

    slab_stats(h->slab, &stats);
    return stats.extents_live;
}

START_TEST(large_values_are_compared_too)
{
    const char *set[] = {"SET", "k"};
    size_t len = 100000;
    char *text = xcalloc(1, len + 1);
    struct str value = {text, len};

    memset(text, 'x', len);
    ck_assert_str_eq(harness_say_extent(h, set, 2, value), OK);
    ck_assert_uint_eq(live_extents(), 1);
    RUN(h, NIL, "SET", "k", "v", "IFNE", text);
    RUN(h, ":0\r\n", "DELEX", "k", "IFEQ", "x");
    RUN(h, OK, "SET", "k", "v", "IFEQ", text);
    ck_assert_uint_eq(live_extents(), 0);
    free(text);
}
END_TEST

/* ---- DELEX, DELIFEQ, DIGEST ---------------------------------------------- */

START_TEST(delex_deletes_if_the_comparison_allows)
{
    RUN(h, ":0\r\n", "DELEX", "k");
    RUN(h, ":0\r\n", "DELEX", "k", "IFNE", "x");
    RUN(h, OK, "SET", "k", HELLO);
    RUN(h, ":0\r\n", "DELEX", "k", "IFEQ", "x");
    RUN(h, ":0\r\n", "DELEX", "k", "IFNE", HELLO);
    RUN(h, ":0\r\n", "DELEX", "k", "IFDEQ", "0000000000000000");
    RUN(h, ":0\r\n", "DELEX", "k", "IFDNE", HELLO_DIGEST);
    RUN(h, ":1\r\n", "DELEX", "k", "IFDEQ", HELLO_DIGEST);
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, OK, "SET", "k", "a");
    RUN(h, ":1\r\n", "DELEX", "k", "ifne", "b");
    RUN(h, OK, "SET", "k", "a");
    RUN(h, ":1\r\n", "DELEX", "k");
    RUN(h, ARITY("delex"), "DELEX", "k", "IFEQ");
    RUN(h, ARITY("delex"), "DELEX", "k", "IFEQ", "a", "b");
    RUN(h, SYNTAX, "DELEX", "k", "NX", "a");
}
END_TEST

START_TEST(delifeq_deletes_the_value_it_names_only)
{
    RUN(h, ":0\r\n", "DELIFEQ", "k", "");
    RUN(h, OK, "SET", "k", "a");
    RUN(h, ":0\r\n", "DELIFEQ", "k", "b");
    RUN(h, ":1\r\n", "EXISTS", "k");
    RUN(h, ":1\r\n", "DELIFEQ", "k", "a");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, ARITY("delifeq"), "DELIFEQ", "k");
}
END_TEST

START_TEST(digest_is_what_any_xxh3_gives)
{
    RUN(h, NIL, "DIGEST", "k");
    RUN(h, OK, "SET", "k", HELLO);
    RUN(h, "$16\r\n" HELLO_DIGEST "\r\n", "DIGEST", "k");
    RUN(h, OK, "SET", "k", "");
    RUN(h, "$16\r\n2d06800538d394c2\r\n", "DIGEST", "k");
}
END_TEST

START_TEST(the_digest_of_a_large_value_leaves_no_pin)
{
    const char *set[] = {"SET", "k"};
    char *text = xcalloc(1, 50000);

    ck_assert_str_eq(
        harness_say_extent(h, set, 2, (struct str){text, 50000}), OK);
    ck_assert_uint_eq(strlen(SAY(h, "DIGEST", "k")), 23);
    RUN(h, ":1\r\n", "DEL", "k");
    ck_assert_uint_eq(live_extents(), 0);
    free(text);
}
END_TEST

/* ---- MSETEX -------------------------------------------------------------- */

START_TEST(msetex_stores_all_with_one_expiry)
{
    RUN(h, ":1\r\n", "MSETEX", "2", "a", "1", "b", "2", "EX", "100");
    RUN(h, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", "MGET", "a", "b");
    RUN(h, ":100\r\n", "TTL", "a");
    RUN(h, ":100\r\n", "TTL", "b");
    RUN(h, ":1\r\n", "MSETEX", "1", "a", "3", "KEEPTTL");
    RUN(h, ":100\r\n", "TTL", "a");
    RUN(h, ":1\r\n", "MSETEX", "2", "a", "4", "b", "5");
    RUN(h, ":-1\r\n", "TTL", "a");
    RUN(h, ":1\r\n", "MSETEX", "2", "a", "6", "a", "7");
    RUN(h, "$1\r\n7\r\n", "GET", "a");
}
END_TEST

START_TEST(msetex_stores_all_or_none)
{
    RUN(h, OK, "SET", "a", "old");
    RUN(h, ":0\r\n", "MSETEX", "2", "a", "1", "b", "2", "NX");
    RUN(h, ":0\r\n", "MSETEX", "2", "a", "1", "b", "2", "XX");
    RUN(h, "*2\r\n$3\r\nold\r\n$-1\r\n", "MGET", "a", "b");
    RUN(h, ":1\r\n", "MSETEX", "2", "c", "1", "b", "2", "NX");
    RUN(h, ":1\r\n", "MSETEX", "2", "a", "1", "b", "3", "XX", "PX", "500");
    RUN(h, "*3\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n1\r\n", "MGET", "a", "b", "c");
    RUN(h, ":500\r\n", "PTTL", "b");
}
END_TEST

START_TEST(msetex_refuses_counts_and_options_that_do_not_fit)
{
    static const char numkeys[] = "-ERR invalid numkeys value\r\n";
    static const char pairs[] = "-ERR wrong number of key-value pairs\r\n";

    RUN(h, ARITY("msetex"), "MSETEX", "1", "a");
    RUN(h, numkeys, "MSETEX", "0", "a", "1");
    RUN(h, numkeys, "MSETEX", "-1", "a", "1");
    RUN(h, numkeys, "MSETEX", "x", "a", "1");
    RUN(h, numkeys, "MSETEX", "2147483648", "a", "1");
    RUN(h, pairs, "MSETEX", "2147483647", "a", "1");
    RUN(h, pairs, "MSETEX", "2", "a", "1", "b");
    RUN(h, pairs, "MSETEX", "2", "a", "1");
    RUN(h, SYNTAX, "MSETEX", "1", "a", "1", "b", "2");
    RUN(h, SYNTAX, "MSETEX", "1", "a", "1", "NX", "XX");
    RUN(h, SYNTAX, "MSETEX", "1", "a", "1", "GET");
    RUN(h, SYNTAX, "MSETEX", "1", "a", "1", "EX");
    RUN(h, "-ERR invalid expire time in 'msetex' command\r\n", "MSETEX", "1",
        "a", "1", "EX", "0");
    RUN(h, ":0\r\n", "EXISTS", "a", "b");
}
END_TEST

START_TEST(the_keys_of_msetex_are_those_it_counts)
{
    RUN(h, "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "COMMAND", "GETKEYS", "MSETEX", "2",
        "a", "1", "b", "2", "EX", "5");
    RUN(h, "-ERR Invalid arguments specified for command\r\n", "COMMAND",
        "GETKEYS", "MSETEX", "3", "a", "1", "b", "2");
    RUN(h, "-ERR Invalid arguments specified for command\r\n", "COMMAND",
        "GETKEYS", "MSETEX", "0", "a", "1", "b", "2");
    RUN(h, "-ERR Invalid arguments specified for command\r\n", "COMMAND",
        "GETKEYS", "MSETEX", "9223372036854775807", "a", "1");
    ck_assert_ptr_nonnull(strstr(SAY(h, "COMMAND", "INFO", "MSETEX"),
        "+movablekeys\r\n:0\r\n:0\r\n:0\r\n"));
    ck_assert_ptr_nonnull(strstr(h->flat.p,
        "$6\r\nkeynum\r\n$4\r\nspec\r\n*6\r\n$9\r\nkeynumidx\r\n:0\r\n"));
}
END_TEST

START_TEST(msetex_works_from_prefetched_hashes)
{
    const char *good[] = {"MSETEX", "2", "a", "1", "b", "2", "NX"};
    const char *bad[] = {"MSETEX", "7", "a", "1"};

    ck_assert_str_eq(harness_say_prefetched(h, good, 7), ":1\r\n");
    ck_assert_str_eq(harness_say_prefetched(h, bad, 4),
        "-ERR wrong number of key-value pairs\r\n");
    RUN(h, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", "MGET", "a", "b");
}
END_TEST

/* ---- INCREX -------------------------------------------------------------- */

START_TEST(increx_returns_the_count_and_what_was_added)
{
    RUN(h, "*2\r\n:1\r\n:1\r\n", "INCREX", "k");
    RUN(h, "*2\r\n:-9\r\n:-10\r\n", "INCREX", "k", "BYINT", "-10");
    RUN(h, "$2\r\n-9\r\n", "GET", "k");
    RUN(h, OK, "SET", "k", "text");
    RUN(h, NOT_INTEGER, "INCREX", "k");
    RUN(h, NOT_INTEGER, "INCREX", "k", "BYINT", "1.5");
    RUN(h, SYNTAX, "INCREX", "k", "BYINT");
    RUN(h, SYNTAX, "INCREX", "k", "BYINT", "1", "BYFLOAT", "1");
    RUN(h, SYNTAX, "INCREX", "k", "NX");
}
END_TEST

START_TEST(increx_stays_within_its_bounds)
{
    RUN(h, "*2\r\n:0\r\n:0\r\n", "INCREX", "k", "BYINT", "6", "UBOUND", "5");
    RUN(h, ":0\r\n", "EXISTS", "k");
    RUN(h, "*2\r\n:5\r\n:5\r\n", "INCREX", "k", "BYINT", "6", "UBOUND", "5",
        "SATURATE");
    RUN(h, "*2\r\n:5\r\n:0\r\n", "INCREX", "k", "UBOUND", "5", "EX", "10");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, "*2\r\n:5\r\n:0\r\n", "INCREX", "k", "BYINT", "-6", "LBOUND", "0");
    RUN(h, "*2\r\n:0\r\n:-5\r\n", "INCREX", "k", "BYINT", "-6", "LBOUND", "0",
        "SATURATE");
    RUN(h, "-ERR LBOUND is greater than UBOUND\r\n", "INCREX", "k", "LBOUND",
        "2", "UBOUND", "1");
}
END_TEST

START_TEST(increx_treats_the_ends_of_64_bits_as_bounds)
{
    RUN(h, OK, "SET", "k", "9223372036854775806");
    RUN(h, "*2\r\n:9223372036854775806\r\n:0\r\n", "INCREX", "k", "BYINT", "2");
    RUN(h, "*2\r\n:9223372036854775807\r\n:1\r\n", "INCREX", "k", "BYINT", "2",
        "SATURATE");
    RUN(h, OK, "SET", "k", "-9223372036854775808");
    RUN(h, "*2\r\n:-9223372036854775808\r\n:0\r\n", "INCREX", "k", "BYINT",
        "-1", "SATURATE");
    RUN(h, "*2\r\n:-9223372036854775808\r\n:0\r\n", "INCREX", "k", "LBOUND",
        "5", "SATURATE");
}
END_TEST

START_TEST(increx_sets_keeps_and_removes_the_expiry)
{
    RUN(h, "*2\r\n:1\r\n:1\r\n", "INCREX", "k", "EX", "100", "ENX");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, "*2\r\n:2\r\n:1\r\n", "INCREX", "k", "EX", "5", "ENX");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, "*2\r\n:3\r\n:1\r\n", "INCREX", "k");
    RUN(h, ":100\r\n", "TTL", "k");
    RUN(h, "*2\r\n:4\r\n:1\r\n", "INCREX", "k", "PX", "5000");
    RUN(h, ":5\r\n", "TTL", "k");
    RUN(h, "*2\r\n:5\r\n:1\r\n", "INCREX", "k", "PERSIST");
    RUN(h, ":-1\r\n", "TTL", "k");
    RUN(h, SYNTAX, "INCREX", "k", "ENX");
    RUN(h, SYNTAX, "INCREX", "k", "PERSIST", "ENX");
    RUN(h, SYNTAX, "INCREX", "k", "ENX", "PERSIST");
    RUN(h, SYNTAX, "INCREX", "k", "EX", "5", "PX", "5");
}
END_TEST

START_TEST(increx_counts_in_floats)
{
    RUN(h, "*2\r\n$3\r\n1.5\r\n$3\r\n1.5\r\n", "INCREX", "k", "BYFLOAT", "1.5");
    RUN(h, "$3\r\n1.5\r\n", "GET", "k");
    RUN(h, "*2\r\n$1\r\n2\r\n$3\r\n0.5\r\n", "INCREX", "k", "BYFLOAT", "3",
        "UBOUND", "2", "SATURATE");
    RUN(h, "*2\r\n$1\r\n2\r\n$1\r\n0\r\n", "INCREX", "k", "BYFLOAT", "3",
        "UBOUND", "2.5");
    RUN(h, "-ERR value is not a valid float\r\n", "INCREX", "k", "BYFLOAT",
        "x");
    RUN(h, "*2\r\n$1\r\n2\r\n$1\r\n0\r\n", "INCREX", "k", "BYFLOAT", "inf");
    harness_protocol(h, 3);
    RUN(h, "*2\r\n,2.5\r\n,0.5\r\n", "INCREX", "k", "BYFLOAT", "0.5");
}
END_TEST

HARNESS_MAIN("compare", start_at_now, stop_at_now,
    set_ifeq_stores_over_the_value_it_names_only,
    set_ifne_stores_over_any_other_value_and_none, set_compares_digests,
    a_digest_has_sixteen_hexadecimal_digits,
    set_with_get_and_a_comparison_returns_the_old_value,
    set_takes_one_condition_at_most, a_comparison_goes_with_an_expiry,
    large_values_are_compared_too, delex_deletes_if_the_comparison_allows,
    delifeq_deletes_the_value_it_names_only, digest_is_what_any_xxh3_gives,
    the_digest_of_a_large_value_leaves_no_pin,
    msetex_stores_all_with_one_expiry, msetex_stores_all_or_none,
    msetex_refuses_counts_and_options_that_do_not_fit,
    the_keys_of_msetex_are_those_it_counts, msetex_works_from_prefetched_hashes,
    increx_returns_the_count_and_what_was_added, increx_stays_within_its_bounds,
    increx_treats_the_ends_of_64_bits_as_bounds,
    increx_sets_keeps_and_removes_the_expiry, increx_counts_in_floats)
