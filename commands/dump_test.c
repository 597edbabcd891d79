/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_test.c - DUMP and RESTORE. */
#include "commands/harness.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW 1700000000000
#define OK "+OK\r\n"
#define DAMAGED "-ERR DUMP payload version or checksum are wrong\r\n"
#define BUSY "-BUSYKEY Target key name already exists.\r\n"

static struct harness *h;
static struct buf payload;

static void
start(void)
{
    clock_fake(NOW);
    h = harness_new();
}

static void
stop(void)
{
    buf_free(&payload);
    harness_free(h);
    clock_unfake();
}

/* DUMP a key into `payload`. */
static void
dump(const char *key)
{
    const char *at = SAY(h, "DUMP", key);
    size_t len = (size_t)strtoull(at + 1, NULL, 10);

    ck_assert_int_eq(at[0], '$');
    at = strchr(at, '\n') + 1;
    payload.len = 0;
    buf_append(&payload, at, len);
}

/* RESTORE `payload`. */
static const char *
restore(const char *key, const char *ttl, const char *word)
{
    struct str words[] = {STR("RESTORE"), str_of(key), str_of(ttl),
        {payload.p, payload.len}, str_of(word)};

    return harness_run(h, words, word[0] != '\0' ? 5 : 4);
}

START_TEST(a_restored_value_is_the_dumped_one)
{
    RUN(h, "$-1\r\n", "DUMP", "k");
    RUN(h, OK, "SET", "k", "12345");
    dump("k");
    ck_assert_uint_eq(payload.len, 17);
    ck_assert_str_eq(restore("to", "0", ""), OK);
    RUN(h, "$5\r\n12345\r\n", "GET", "to");
    RUN(h, ":-1\r\n", "TTL", "to");
    RUN(h, "$3\r\nint\r\n", "OBJECT", "ENCODING", "to");
    RUN(h, OK, "SET", "k", "");
    dump("k");
    ck_assert_str_eq(restore("empty", "0", ""), OK);
    RUN(h, "$0\r\n\r\n", "GET", "empty");
}
END_TEST

START_TEST(a_large_value_goes_through_extents)
{
    const char *const words[] = {"RESTORE", "to", "0"};

    SAY(h, "SETRANGE", "k", "99999", "x");
    dump("k");
    ck_assert_uint_eq(payload.len, 100012);
    ck_assert_str_eq(
        harness_say_extent(h, words, 3, (struct str){payload.p, payload.len}),
        OK);
    RUN(h, ":100000\r\n", "STRLEN", "to");
    RUN(h, "$1\r\nx\r\n", "GETRANGE", "to", "-1", "-1");
}
END_TEST

START_TEST(restore_sets_a_deadline)
{
    RUN(h, OK, "SET", "k", "v");
    dump("k");
    ck_assert_str_eq(restore("a", "5000", ""), OK);
    RUN(h, ":5000\r\n", "PTTL", "a");
    ck_assert_str_eq(restore("b", "1700000007000", "ABSTTL"), OK);
    RUN(h, ":7000\r\n", "PTTL", "b");
    ck_assert_str_eq(restore("c", "1600000000000", "ABSTTL"), OK);
    RUN(h, ":0\r\n", "EXISTS", "c");
    ck_assert_str_eq(
        restore("d", "-1", ""), "-ERR Invalid TTL value, must be >= 0\r\n");
}
END_TEST

START_TEST(a_busy_key_needs_replace)
{
    RUN(h, OK, "SET", "k", "v");
    dump("k");
    RUN(h, OK, "SET", "to", "old", "EX", "10");
    ck_assert_str_eq(restore("to", "0", ""), BUSY);
    ck_assert_str_eq(restore("to", "0", "replace"), OK);
    RUN(h, "$1\r\nv\r\n", "GET", "to");
    RUN(h, ":-1\r\n", "TTL", "to");
}
END_TEST

START_TEST(every_damage_is_seen)
{
    RUN(h, OK, "SET", "k", "value");
    dump("k");
    for (size_t i = 0; i < payload.len; i++) {
        payload.p[i] ^= 4;
        ck_assert_str_eq(restore("to", "0", ""), DAMAGED);
        payload.p[i] ^= 4;
    }
    while (payload.len > 0) {
        payload.len--;
        ck_assert_str_eq(restore("to", "0", ""), DAMAGED);
    }
    RUN(h, ":0\r\n", "EXISTS", "to");
}
END_TEST

START_TEST(restore_checks_its_options)
{
    RUN(h, "-ERR syntax error\r\n", "RESTORE", "k", "0", "x", "NOW");
    RUN(h, "-ERR Invalid IDLETIME value, must be >= 0\r\n", "RESTORE", "k", "0",
        "x", "IDLETIME", "-1");
    RUN(h, "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n", "RESTORE",
        "k", "0", "x", "FREQ", "256");
    RUN(h, "-ERR syntax error\r\n", "RESTORE", "k", "0", "x", "FREQ", "1",
        "IDLETIME", "1");
    RUN(h, DAMAGED, "RESTORE", "k", "0", "x", "IDLETIME", "1");
}
END_TEST

/* Over the key that is there. */
static const char *
restore_with(const char *option, const char *value)
{
    struct str words[] = {STR("RESTORE"), STR("to"), STR("0"),
        {payload.p, payload.len}, STR("REPLACE"), str_of(option),
        str_of(value)};

    return harness_run(h, words, ARRAY_LEN(words));
}

static long
ask_number(const char *what)
{
    const char *reply = SAY(h, "OBJECT", what, "to");

    ck_assert_msg(reply[0] == ':', "%s", reply);
    return strtol(reply + 1, NULL, 10);
}

START_TEST(restore_keeps_an_idle_time)
{
    RUN(h, OK, "SET", "k", "v");
    dump("k");
    for (long idle = 0; idle < 50000; idle = 3 * idle + 7) {
        char text[24];

        snprintf(text, sizeof(text), "%ld", idle);
        ck_assert_str_eq(restore_with("idletime", text), OK);
        ck_assert_int_ge(ask_number("IDLETIME"), MIN(idle, 49100));
        ck_assert_int_le(ask_number("IDLETIME"), idle + 2);
    }
    ck_assert_str_eq(restore_with("idletime", "9223372036854775807"), OK);
    ck_assert_int_ge(ask_number("IDLETIME"), 49100);
    RUN(h, "$1\r\nv\r\n", "GET", "to");
    ck_assert_int_le(ask_number("IDLETIME"), 1);
}
END_TEST

START_TEST(restore_keeps_a_frequency_nearly)
{
    static const struct {
        long given, kept;
    } freqs[] = {{0, 0}, {1, 1}, {3, 3}, {4, 4}, {7, 7}, {8, 7}, {10, 10},
        {99, 30}, {100, 100}, {200, 100}, {255, 255}};

    RUN(h, OK, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu");
    RUN(h, OK, "SET", "k", "v");
    dump("k");
    for (size_t i = 0; i < ARRAY_LEN(freqs); i++) {
        char text[24];

        snprintf(text, sizeof(text), "%ld", freqs[i].given);
        ck_assert_str_eq(restore_with("freq", text), OK);
        ck_assert_int_eq(ask_number("FREQ"), freqs[i].kept);
    }
    RUN(h, "$1\r\nv\r\n", "GET", "to");
    ck_assert_int_eq(ask_number("FREQ"), 255);
}
END_TEST

HARNESS_MAIN("dump", start, stop, a_restored_value_is_the_dumped_one,
    a_large_value_goes_through_extents, restore_sets_a_deadline,
    a_busy_key_needs_replace, every_damage_is_seen, restore_checks_its_options,
    restore_keeps_an_idle_time, restore_keeps_a_frequency_nearly)
