/* SPDX-License-Identifier: BSD-3-Clause */
/* sort_test.c - SORT and SORT_RO, which find nothing to sort. */
#include "commands/fixture.h"

#define OK "+OK\r\n"
#define NONE "*0\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define NOT_INTEGER "-ERR value is not an integer or out of range\r\n"
#define WRONG_TYPE                                                             \
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NO_BY                                                                  \
    "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n"
#define NO_GET                                                                 \
    "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n"

START_TEST(nothing_is_sorted_to_nothing)
{
    RUN(h, NONE, "SORT", "k");
    RUN(h, NONE, "SORT_RO", "k");
    RUN(h, NONE, "SORT", "k", "desc", "Alpha", "ASC", "LIMIT", "-5", "7", "BY",
        "w_*->f", "GET", "#", "get", "d_*", "LIMIT", "0", "1");
    RUN(h, NONE, "SORT_RO", "k", "BY", "nosort", "GET", "*");
}
END_TEST

START_TEST(values_of_other_types_are_refused)
{
    RUN(h, OK, "SET", "k", "v");
    RUN(h, ":1\r\n", "HSET", "h", "f", "v");
    RUN(h, WRONG_TYPE, "SORT", "k");
    RUN(h, WRONG_TYPE, "SORT", "h", "ALPHA");
    RUN(h, WRONG_TYPE, "SORT_RO", "h", "GET", "#");
    RUN(h, WRONG_TYPE, "SORT", "k", "STORE", "h");
    RUN(h, WRONG_TYPE, "SORT", "k", "STORE", "k");
    RUN(h, ":2\r\n", "EXISTS", "k", "h");
}
END_TEST

START_TEST(what_is_stored_is_nothing_so_the_destination_goes)
{
    RUN(h, OK, "SET", "d", "v");
    RUN(h, ":0\r\n", "SORT", "k", "STORE", "d");
    RUN(h, ":0\r\n", "EXISTS", "d");
    RUN(h, ":0\r\n", "SORT", "k", "STORE", "k");
    /* the last one counts */
    RUN(h, OK, "MSET", "d", "1", "e", "2");
    RUN(h, ":0\r\n", "SORT", "k", "STORE", "d", "BY", "x", "store", "e");
    RUN(h, ":1\r\n", "EXISTS", "d", "e");
    RUN(h, "$1\r\n1\r\n", "GET", "d");
}
END_TEST

START_TEST(wrong_options_are_errors)
{
    RUN(h, OK, "SET", "d", "v");
    RUN(h, SYNTAX, "SORT", "k", "UP");
    RUN(h, SYNTAX, "SORT", "k", "");
    RUN(h, SYNTAX, "SORT", "k", "LIMIT", "1");
    RUN(h, SYNTAX, "SORT", "k", "BY");
    RUN(h, SYNTAX, "SORT", "k", "GET");
    RUN(h, SYNTAX, "SORT", "k", "STORE");
    RUN(h, SYNTAX, "SORT", "k", "STORE", "d", "x");
    RUN(h, SYNTAX, "SORT_RO", "k", "STORE", "d");
    RUN(h, NOT_INTEGER, "SORT", "k", "LIMIT", "a", "1");
    RUN(h, NOT_INTEGER, "SORT", "k", "LIMIT", "1", "9223372036854775808");
    /* before the key is looked at */
    RUN(h, SYNTAX, "SORT", "d", "LIMIT");
    RUN(h, "$1\r\nv\r\n", "GET", "d");
}
END_TEST

/* BY and GET lead to keys that nobody has named. */
START_TEST(who_may_not_read_any_key_uses_no_patterns)
{
    RUN(h, OK, "ACL", "SETUSER", "one", "on", "nopass", "+sort", "~k", "~v*");
    RUN(h, OK, "ACL", "SETUSER", "reader", "on", "nopass", "(+sort ~k %R~*)",
        "(+get ~*)");
    RUN(h, OK, "AUTH", "one", "x");
    RUN(h, NONE, "SORT", "k");
    RUN(h, NONE, "SORT", "k", "BY", "constant");
    RUN(h, NO_BY, "SORT", "k", "BY", "v*");
    RUN(h, NO_GET, "SORT", "k", "GET", "#");
    RUN(h, ":0\r\n", "SORT", "k", "STORE", "v1");
    RUN(h,
        "-NOPERM this user has no permissions to access one of the keys used "
        "as arguments\r\n",
        "SORT", "k", "STORE", "w");
    RUN(h, OK, "AUTH", "reader", "x");
    RUN(h, NONE, "SORT", "k", "BY", "v*", "GET", "w*");
    RUN(h,
        "-NOPERM this user has no permissions to access one of the keys used "
        "as arguments\r\n",
        "SORT", "k", "STORE", "w");
}
END_TEST

/* A right to read all keys that is another selector's does not help. */
START_TEST(selectors_do_not_add_up)
{
    RUN(h, OK, "ACL", "SETUSER", "w", "on", "nopass", "(+sort ~k %W~*)",
        "(+get ~*)");
    RUN(h, OK, "AUTH", "w", "x");
    RUN(h, NONE, "SORT", "k");
    RUN(h, NO_BY, "SORT", "k", "BY", "v*");
}
END_TEST

START_TEST(both_keys_are_known)
{
    RUN(h, "*2\r\n$1\r\nk\r\n$1\r\nd\r\n", "COMMAND", "GETKEYS", "SORT", "k",
        "store", "d");
    RUN(h, "*2\r\n$1\r\nk\r\n$1\r\ne\r\n", "COMMAND", "GETKEYS", "SORT", "k",
        "STORE", "d", "STORE", "x", "STORE", "e");
    RUN(h, "*1\r\n$1\r\nk\r\n", "COMMAND", "GETKEYS", "SORT", "k", "BY",
        "STORE", "d");
    RUN(h, "*1\r\n$1\r\nk\r\n", "COMMAND", "GETKEYS", "SORT", "k", "GET", "#",
        "LIMIT", "0", "STORE", "STORE");
    RUN(h, "*1\r\n$1\r\nk\r\n", "COMMAND", "GETKEYS", "SORT_RO", "k", "STORE",
        "d");
    RUN(h,
        "*2\r\n*2\r\n$1\r\nk\r\n*2\r\n+RO\r\n+access\r\n"
        "*2\r\n$1\r\nd\r\n*2\r\n+OW\r\n+update\r\n",
        "COMMAND", "GETKEYSANDFLAGS", "SORT", "k", "STORE", "d");
}
END_TEST

START_TEST(a_transaction_reaches_the_destination)
{
    RUN(h, OK, "SET", "d", "v");
    RUN(h, OK, "MULTI");
    RUN(h, "+QUEUED\r\n", "SORT", "k", "STORE", "d");
    RUN(h, "+QUEUED\r\n", "EXISTS", "d");
    RUN(h, "*2\r\n:0\r\n:0\r\n", "EXEC");
    RUN(h, OK, "WATCH", "d");
    RUN(h, OK, "SET", "d", "v");
    RUN(h, ":0\r\n", "SORT", "k", "STORE", "d");
    RUN(h, OK, "MULTI");
    RUN(h, "*-1\r\n", "EXEC");
}
END_TEST

HARNESS_MAIN("sort", start, stop, nothing_is_sorted_to_nothing,
    values_of_other_types_are_refused,
    what_is_stored_is_nothing_so_the_destination_goes, wrong_options_are_errors,
    who_may_not_read_any_key_uses_no_patterns, selectors_do_not_add_up,
    both_keys_are_known, a_transaction_reaches_the_destination)
