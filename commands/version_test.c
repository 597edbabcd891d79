/* SPDX-License-Identifier: BSD-3-Clause */
/* version_test.c - GETV, and what depends on its version: SET IFVER, DELEX
 * IFVER. */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define BAD_VERSION "-ERR version is not an integer or out of range\r\n"

/* What GETV says of a key that is there, but for the value. */
struct version {
    char text[24];
    long long ttl_ms;
};

static struct version
version_of(const char *key, const char *value)
{
    struct version v;
    char format[256];

    snprintf(format, sizeof(format),
        "*3\r\n$%zu\r\n%s\r\n:%%20[0-9]\r\n:%%lld\r\n", strlen(value), value);
    ck_assert_int_eq(sscanf(SAY(h, "GETV", key), format, v.text, &v.ttl_ms), 2);
    return v;
}

static void
assert_other(struct version a, struct version b)
{
    ck_assert_str_ne(a.text, b.text);
}

START_TEST(getv_returns_value_version_and_ttl)
{
    struct version v;

    RUN(h, NIL, "GETV", "k");
    RUN(h, OK, "SET", "k", "a");
    v = version_of("k", "a");
    ck_assert_int_eq(v.ttl_ms, -1);
    RUN(h, OK, "SET", "k", "abc", "PX", "1500");
    ck_assert_int_eq(version_of("k", "abc").ttl_ms, 1500);
    clock_fake(NOW + 500);
    ck_assert_int_eq(version_of("k", "abc").ttl_ms, 1000);
    clock_fake(NOW + 1500);
    RUN(h, NIL, "GETV", "k");
    harness_protocol(h, 3);
    RUN(h, "_\r\n", "GETV", "k");
}
END_TEST

START_TEST(reads_and_deadlines_leave_the_version)
{
    struct version v;

    RUN(h, OK, "SET", "k", "a");
    v = version_of("k", "a");
    RUN(h, "$1\r\na\r\n", "GET", "k");
    ck_assert_str_eq(version_of("k", "a").text, v.text);
    RUN(h, ":1\r\n", "EXPIRE", "k", "100");
    ck_assert_str_eq(version_of("k", "a").text, v.text);
    RUN(h, ":1\r\n", "EXPIRE", "k", "100000000");
    ck_assert_str_eq(version_of("k", "a").text, v.text);
    RUN(h, ":1\r\n", "PERSIST", "k");
    ck_assert_str_eq(version_of("k", "a").text, v.text);
}
END_TEST

START_TEST(every_write_makes_another_version)
{
    struct version was, now;

    RUN(h, OK, "SET", "k", "7");
    was = version_of("k", "7");
    RUN(h, OK, "SET", "k", "7"); /* also of the same bytes */
    now = version_of("k", "7");
    assert_other(was, now);
    RUN(h, ":8\r\n", "INCR", "k");
    was = version_of("k", "8");
    assert_other(was, now);
    RUN(h, ":2\r\n", "APPEND", "k", "0");
    now = version_of("k", "80");
    assert_other(was, now);
    RUN(h, ":2\r\n", "SETRANGE", "k", "1", "0");
    was = version_of("k", "80");
    assert_other(was, now);
    RUN(h, ":1\r\n", "DEL", "k");
    RUN(h, OK, "SET", "k", "80");
    now = version_of("k", "80");
    assert_other(was, now);
    RUN(h, OK, "FLUSHALL");
    RUN(h, OK, "SET", "k", "80");
    assert_other(version_of("k", "80"), now);
}
END_TEST

START_TEST(a_renamed_or_copied_value_has_no_version_of_before)
{
    struct version a, b;

    RUN(h, OK, "SET", "a", "v");
    a = version_of("a", "v");
    RUN(h, OK, "RENAME", "a", "b");
    b = version_of("b", "v");
    RUN(h, OK, "RENAME", "b", "a");
    RUN(h, NIL, "SET", "a", "w", "IFVER", a.text);
    RUN(h, NIL, "SET", "a", "w", "IFVER", b.text);
    RUN(h, ":1\r\n", "COPY", "a", "b");
    assert_other(version_of("a", "v"), version_of("b", "v"));
}
END_TEST

START_TEST(set_ifver_stores_over_that_version_only)
{
    struct version v;

    RUN(h, OK, "SET", "k", "a");
    v = version_of("k", "a");
    RUN(h, NIL, "SET", "other", "b", "IFVER", v.text);
    RUN(h, NIL, "SET", "k", "b", "IFVER", "1");
    RUN(h, OK, "SET", "k", "b", "IFVER", v.text, "PX", "5000");
    RUN(h, NIL, "SET", "k", "c", "IFVER", v.text);
    v = version_of("k", "b");
    ck_assert_int_eq(v.ttl_ms, 5000);
    RUN(h, "$1\r\nb\r\n", "SET", "k", "c", "IFVER", "9", "GET");
    RUN(h, "$1\r\nb\r\n", "SET", "k", "c", "ifver", v.text, "GET", "KEEPTTL");
    ck_assert_int_eq(version_of("k", "c").ttl_ms, 5000);
}
END_TEST

START_TEST(version_0_says_that_the_key_is_missing)
{
    RUN(h, OK, "SET", "k", "a", "IFVER", "0");
    RUN(h, NIL, "SET", "k", "b", "IFVER", "0");
    (void)version_of("k", "a");
    RUN(h, NIL, "SET", "k", "b", "IFVER", "0");
    RUN(h, ":0\r\n", "DELEX", "k", "IFVER", "0");
    RUN(h, ":0\r\n", "DELEX", "none", "IFVER", "0");
    RUN(h, "$1\r\na\r\n", "GET", "k");
}
END_TEST

START_TEST(delex_ifver_deletes_that_version_only)
{
    struct version v;

    RUN(h, OK, "SET", "k", "a");
    v = version_of("k", "a");
    RUN(h, ":0\r\n", "DELEX", "k", "IFVER", "1");
    RUN(h, ":1\r\n", "DELEX", "k", "IFVER", v.text);
    RUN(h, ":0\r\n", "DELEX", "k", "IFVER", v.text);
}
END_TEST

START_TEST(a_version_is_an_integer_from_0_on)
{
    RUN(h, OK, "SET", "k", "a");
    RUN(h, BAD_VERSION, "SET", "k", "b", "IFVER", "-1");
    RUN(h, BAD_VERSION, "SET", "k", "b", "IFVER", "1.5");
    RUN(h, BAD_VERSION, "SET", "k", "b", "IFVER", "");
    RUN(h, BAD_VERSION, "SET", "k", "b", "IFVER", "9223372036854775808");
    RUN(h, NIL, "SET", "k", "b", "IFVER", "9223372036854775807");
    RUN(h, BAD_VERSION, "DELEX", "k", "IFVER", "x");
    RUN(h, SYNTAX, "SET", "k", "b", "IFVER");
    RUN(h, SYNTAX, "SET", "k", "b", "IFVER", "1", "NX");
    RUN(h, SYNTAX, "SET", "k", "b", "IFVER", "1", "IFVER", "1");
    RUN(h, SYNTAX, "SET", "k", "b", "IFEQ", "a", "IFVER", "1");
    RUN(h, SYNTAX, "MSETEX", "1", "k", "b", "IFVER", "1");
    RUN(h, "$1\r\na\r\n", "GET", "k");
}
END_TEST

START_TEST(to_ask_for_a_version_is_no_change_to_a_watch)
{
    RUN(h, OK, "SET", "k", "a");
    RUN(h, OK, "WATCH", "k");
    (void)version_of("k", "a");
    RUN(h, OK, "MULTI");
    RUN(h, "+QUEUED\r\n", "PING");
    RUN(h, "*1\r\n+PONG\r\n", "EXEC");
}
END_TEST

START_TEST(values_of_every_size_have_versions)
{
    static char text[40000];
    const size_t sizes[] = {
        0, 1, 500, 16366, 16370, 16374, 16384, 16385, 39999};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct str get[] = {STR("GET"), STR("k")};
        struct str getv[] = {STR("GETV"), STR("k")};
        char *value, *numbered;

        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        RUN(h, OK, "SET", "k", text, "EX", "10");
        value = xstrdup(harness_run(h, get, 2));
        numbered = xstrdup(harness_run(h, getv, 2));
        ck_assert_int_eq(strncmp(numbered, "*3\r\n", 4), 0);
        ck_assert_int_eq(strncmp(numbered + 4, value, strlen(value)), 0);
        ck_assert_str_eq(harness_run(h, getv, 2), numbered);
        ck_assert_str_eq(harness_run(h, get, 2), value);
        RUN(h, ":10\r\n", "TTL", "k");
        free(value);
        free(numbered);
    }
}
END_TEST

START_TEST(getv_counts_one_hit_or_miss)
{
    struct ks_metrics m;

    RUN(h, OK, "SET", "k", "a");
    (void)version_of("k", "a");
    (void)version_of("k", "a");
    RUN(h, NIL, "GETV", "none");
    ks_metrics(h->ks, &m);
    ck_assert_uint_eq(m.hits, 2);
    ck_assert_uint_eq(m.misses, 1);
}
END_TEST

HARNESS_MAIN("version", start_at_now, stop_at_now,
    getv_returns_value_version_and_ttl,
    reads_and_deadlines_leave_the_version, every_write_makes_another_version,
    a_renamed_or_copied_value_has_no_version_of_before,
    set_ifver_stores_over_that_version_only,
    version_0_says_that_the_key_is_missing,
    delex_ifver_deletes_that_version_only, a_version_is_an_integer_from_0_on,
    to_ask_for_a_version_is_no_change_to_a_watch,
    values_of_every_size_have_versions, getv_counts_one_hit_or_miss)
