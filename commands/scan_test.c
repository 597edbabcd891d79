/* SPDX-License-Identifier: BSD-3-Clause */
/* scan_test.c - SCAN and KEYS: filters, cursors, and that no key is lost while
 * the keyspace changes. */
#include "commands/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define NOT_INTEGER "-ERR value is not an integer or out of range\r\n"
#define BAD_CURSOR "-ERR invalid cursor\r\n"
#define DONE_EMPTY "*2\r\n$1\r\n0\r\n*0\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"

/* ---- reading replies --------------------------------------------------- */

/* Take "<type><n>\r\n" from *p. */
static long
take_header(const char **p, char type)
{
    char *end;
    long n;

    ck_assert_int_eq(**p, type);
    n = strtol(*p + 1, &end, 10);
    ck_assert(end[0] == '\r' && end[1] == '\n');
    *p = end + 2;
    return n;
}

static struct str
take_bulk(const char **p)
{
    long len = take_header(p, '$');
    struct str s = {*p, (size_t)len};

    ck_assert(s.p[len] == '\r' && s.p[len + 1] == '\n');
    *p += len + 2;
    return s;
}

/* Keys are named "key:<number>"; how often each was seen. */
#define MAX_KEYS 20000

struct tally {
    unsigned char seen[MAX_KEYS];
    size_t n; /* in all */
};

static void
add_key(struct tally *tally, struct str name)
{
    int64_t i;

    ck_assert_uint_gt(name.len, 4);
    ck_assert_mem_eq(name.p, "key:", 4);
    ck_assert(str_to_i64((struct str){name.p + 4, name.len - 4}, &i));
    ck_assert(i >= 0 && i < MAX_KEYS);
    tally->seen[i]++;
    tally->n++;
}

/* Take an array of key names. */
static void
take_keys(const char **p, struct tally *tally)
{
    long n = take_header(p, '*');

    for (long i = 0; i < n; i++)
        add_key(tally, take_bulk(p));
    ck_assert_int_eq(**p, '\0');
}

/* Take the reply of SCAN; the next cursor into `cursor`. */
static void
take_scan(const char *reply, char cursor[24], struct tally *tally)
{
    struct str next;

    ck_assert_int_eq(take_header(&reply, '*'), 2);
    next = take_bulk(&reply);
    ck_assert_uint_lt(next.len, 24);
    memcpy(cursor, next.p, next.len);
    cursor[next.len] = '\0';
    take_keys(&reply, tally);
}

/* Scan a whole database; returns the number of calls it took. */
static size_t
scan_all(struct tally *tally, const char *count)
{
    char cursor[24] = "0";
    size_t n_calls = 0;

    memset(tally, 0, sizeof(*tally));
    do {
        take_scan(SAY(h, "SCAN", cursor, "COUNT", count), cursor, tally);
        ck_assert_uint_lt(++n_calls, 1000000);
    } while (strcmp(cursor, "0") != 0);
    return n_calls;
}

static void
put(int i)
{
    char name[16];

    snprintf(name, sizeof(name), "key:%d", i);
    RUN(h, OK, "SET", name, "v");
}

static void
put_range(int from, int to)
{
    for (int i = from; i < to; i++)
        put(i);
}

static void
assert_once(const struct tally *tally, int from, int to)
{
    for (int i = from; i < to; i++)
        ck_assert_msg(
            tally->seen[i] == 1, "key:%d seen %d times", i, tally->seen[i]);
}

static struct tally tally; /* too large for the stack of a test */

/* ---- SCAN -------------------------------------------------------------- */

START_TEST(arity_is_checked)
{
    RUN(h, ARITY("scan"), "SCAN");
    RUN(h, ARITY("keys"), "KEYS");
    RUN(h, ARITY("keys"), "KEYS", "a", "b");
}
END_TEST

START_TEST(scan_of_an_empty_database_is_done_at_once)
{
    RUN(h, DONE_EMPTY, "SCAN", "0");
    RUN(h, DONE_EMPTY, "scan", "0", "match", "*", "count", "100", "type",
        "string");
}
END_TEST

START_TEST(scan_of_one_key_finds_it)
{
    RUN(h, OK, "SET", "only", "v");
    RUN(h, "*2\r\n$1\r\n0\r\n*1\r\n$4\r\nonly\r\n", "SCAN", "0", "COUNT",
        "1000");
    harness_protocol(h, 3);
    RUN(h, "*2\r\n$1\r\n0\r\n*1\r\n$4\r\nonly\r\n", "SCAN", "0", "COUNT",
        "1000");
}
END_TEST

START_TEST(scan_takes_unsigned_cursors_of_64_bits)
{
    RUN(h, DONE_EMPTY, "SCAN", "18446744073709551615");
    RUN(h, DONE_EMPTY, "SCAN", "00");
    RUN(h, DONE_EMPTY, "SCAN", "");
    RUN(h, DONE_EMPTY, "SCAN", "+0");
    RUN(h, DONE_EMPTY, "SCAN", "-1");
    RUN(h, BAD_CURSOR, "SCAN", "18446744073709551616");
    RUN(h, BAD_CURSOR, "SCAN", "99999999999999999999999");
    RUN(h, BAD_CURSOR, "SCAN", "a");
    RUN(h, BAD_CURSOR, "SCAN", "1a");
    RUN(h, BAD_CURSOR, "SCAN", " 1");
    RUN(h, BAD_CURSOR, "SCAN", "1 ");
    RUN(h, BAD_CURSOR, "SCAN", "-");
    RUN(h, BAD_CURSOR, "SCAN", "1.0");
    RUN(h, BAD_CURSOR, "SCAN", "a", "COUNT", "x");
}
END_TEST

START_TEST(scan_refuses_wrong_options)
{
    RUN(h, SYNTAX, "SCAN", "0", "COUNT");
    RUN(h, SYNTAX, "SCAN", "0", "MATCH");
    RUN(h, SYNTAX, "SCAN", "0", "TYPE");
    RUN(h, SYNTAX, "SCAN", "0", "LIMIT", "1");
    RUN(h, SYNTAX, "SCAN", "0", "1");
    RUN(h, SYNTAX, "SCAN", "0", "COUNT", "0");
    RUN(h, SYNTAX, "SCAN", "0", "COUNT", "-1");
    RUN(h, NOT_INTEGER, "SCAN", "0", "COUNT", "x");
    RUN(h, NOT_INTEGER, "SCAN", "0", "COUNT", "9223372036854775808");
    RUN(h, SYNTAX, "SCAN", "0", "COUNT", "1", "MATCH");
}
END_TEST

START_TEST(a_whole_scan_finds_every_key_once)
{
    put_range(0, 5000);
    ck_assert_uint_gt(scan_all(&tally, "10"), 100);
    assert_once(&tally, 0, 5000);
    ck_assert_uint_eq(tally.n, 5000);
}
END_TEST

START_TEST(count_is_about_what_one_call_returns)
{
    static const char *const counts[] = {
        "1", "100", "100000", "9223372036854775807"};

    put_range(0, 2000);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        size_t n_calls = scan_all(&tally, counts[i]);

        ck_assert_uint_eq(tally.n, 2000);
        if (i >= 2)
            ck_assert_uint_eq(n_calls, 1);
    }
}
END_TEST

START_TEST(scan_loses_no_key_while_the_index_grows)
{
    char cursor[24] = "0";
    int n = 1000;

    put_range(0, n);
    memset(&tally, 0, sizeof(tally));
    do {
        take_scan(SAY(h, "SCAN", cursor, "COUNT", "50"), cursor, &tally);
        if (n + 500 <= MAX_KEYS) {
            put_range(n, n + 500);
            n += 500;
        }
    } while (strcmp(cursor, "0") != 0);
    ck_assert_int_gt(n, 5000);
    assert_once(&tally, 0, 1000);
}
END_TEST

START_TEST(scan_loses_no_key_while_others_are_deleted)
{
    char cursor[24] = "0", name[16];
    int next = 1;

    put_range(0, 4000);
    memset(&tally, 0, sizeof(tally));
    do {
        take_scan(SAY(h, "SCAN", cursor, "COUNT", "20"), cursor, &tally);
        for (int i = 0; i < 20 && next < 4000; i++, next += 2) {
            snprintf(name, sizeof(name), "key:%d", next);
            RUN(h, ":1\r\n", "DEL", name);
        }
    } while (strcmp(cursor, "0") != 0);
    for (int i = 0; i < 4000; i += 2)
        assert_once(&tally, i, i + 1);
}
END_TEST

START_TEST(scan_match_filters_names)
{
    char cursor[24] = "0";

    put_range(0, 1000);
    memset(&tally, 0, sizeof(tally));
    do {
        take_scan(SAY(h, "SCAN", cursor, "MATCH", "key:5?"), cursor, &tally);
    } while (strcmp(cursor, "0") != 0);
    ck_assert_uint_eq(tally.n, 10);
    assert_once(&tally, 50, 60);
}
END_TEST

START_TEST(scan_type_knows_strings_only)
{
    RUN(h, OK, "SET", "only", "v");
    RUN(h, "*2\r\n$1\r\n0\r\n*1\r\n$4\r\nonly\r\n", "SCAN", "0", "COUNT",
        "1000", "TYPE", "STRING");
    RUN(h, DONE_EMPTY, "SCAN", "0", "COUNT", "1000", "TYPE", "hash");
    RUN(h, DONE_EMPTY, "SCAN", "0", "COUNT", "1000", "TYPE", "nonsense");
    RUN(h, "*2\r\n$1\r\n0\r\n*1\r\n$4\r\nonly\r\n", "SCAN", "0", "COUNT",
        "1000", "TYPE", "hash", "TYPE", "string");
}
END_TEST

START_TEST(scan_keeps_to_its_database)
{
    put_range(0, 100);
    RUN(h, OK, "SELECT", "5");
    RUN(h, DONE_EMPTY, "SCAN", "0", "COUNT", "1000");
    put_range(200, 250);
    scan_all(&tally, "7");
    ck_assert_uint_eq(tally.n, 50);
    assert_once(&tally, 200, 250);
}
END_TEST

START_TEST(scan_and_keys_skip_expired_keys)
{
    put_range(0, 10);
    RUN(h, ":1\r\n", "PEXPIRE", "key:3", "5");
    clock_fake(NOW + 6);
    scan_all(&tally, "100");
    ck_assert_uint_eq(tally.n, 9);
    ck_assert_uint_eq(tally.seen[3], 0);
    RUN(h, "*0\r\n", "KEYS", "key:3");
}
END_TEST

/* ---- KEYS -------------------------------------------------------------- */

START_TEST(keys_returns_what_matches)
{
    RUN(h, "*0\r\n", "KEYS", "*");
    RUN(h, OK, "MSET", "one", "1", "two", "2", "three", "3", "four", "4");
    RUN(h, "*1\r\n$3\r\ntwo\r\n", "KEYS", "t?o");
    RUN(h, "*1\r\n$4\r\nfour\r\n", "KEYS", "*u*");
    RUN(h, "*1\r\n$5\r\nthree\r\n", "KEYS", "[tu]h[^a]ee");
    RUN(h, "*1\r\n$3\r\none\r\n", "KEYS", "one");
    RUN(h, "*0\r\n", "KEYS", "ONE");
    RUN(h, "*0\r\n", "KEYS", "");
    RUN(h, OK, "SELECT", "1");
    RUN(h, "*0\r\n", "KEYS", "*");
}
END_TEST

START_TEST(keys_returns_every_key_once)
{
    const char *reply;

    put_range(0, 12345);
    reply = SAY(h, "KEYS", "*");
    memset(&tally, 0, sizeof(tally));
    take_keys(&reply, &tally);
    ck_assert_uint_eq(tally.n, 12345);
    assert_once(&tally, 0, 12345);
}
END_TEST

HARNESS_MAIN("scan", start_at_now, stop_at_now,
    arity_is_checked,
    scan_of_an_empty_database_is_done_at_once,
    scan_of_one_key_finds_it,
    scan_takes_unsigned_cursors_of_64_bits,
    scan_refuses_wrong_options,
    a_whole_scan_finds_every_key_once,
    count_is_about_what_one_call_returns,
    scan_loses_no_key_while_the_index_grows,
    scan_loses_no_key_while_others_are_deleted,
    scan_match_filters_names,
    scan_type_knows_strings_only,
    scan_keeps_to_its_database,
    scan_and_keys_skip_expired_keys,
    keys_returns_what_matches,
    keys_returns_every_key_once)
