/* SPDX-License-Identifier: BSD-3-Clause */
/* hotkeys_test.c - HOTKEYS: windows, samples, settings. */
#include "commands/harness.h"
#include "commands/internal.h"

#include <stdio.h>

#define OK "+OK\r\n"
#define NOW_MS 1700000000000

static struct harness *h;

static void
start(void)
{
    clock_fake(NOW_MS);
    h = harness_new();
}

static void
stop(void)
{
    harness_free(h);
    clock_unfake();
}

/* Count every command, in windows of ten seconds, from now on. */
static void
count_all(const char *top_k)
{
    RUN(h, OK, "CONFIG", "SET", "hotkey-sampling-percentage", "100",
        "hotkey-window-seconds", "10", "hotkey-top-k", top_k);
}

static void
get(const char *key, int times)
{
    for (int i = 0; i < times; i++)
        (void)SAY(h, "GET", key);
}

START_TEST(nothing_is_told_while_it_is_off)
{
    get("k", 10);
    RUN(h, "*0\r\n", "HOTKEYS", "GET");
    ck_assert_uint_eq(commands_active(&h->commands), 0);
    RUN(h, OK, "HOTKEYS", "RESET");
}
END_TEST

START_TEST(the_last_whole_window_is_told_hottest_first)
{
    count_all("2");
    get("warm", 40);
    get("hot", 100);
    get("cold", 10);
    RUN(h, "*0\r\n", "HOTKEYS", "GET");
    clock_fake(NOW_MS + 10000);
    get("later", 500);
    RUN(h,
        "*2\r\n*6\r\n$3\r\nkey\r\n$3\r\nhot\r\n$2\r\ndb\r\n:0\r\n"
        "$3\r\nqps\r\n:10\r\n*6\r\n$3\r\nkey\r\n$4\r\nwarm\r\n$2\r\ndb\r\n"
        ":0\r\n$3\r\nqps\r\n:4\r\n",
        "HOTKEYS", "GET");
    harness_protocol(h, 3);
    ck_assert(strncmp(SAY(h, "HOTKEYS", "GET"), "*2\r\n%3\r\n", 8) == 0);
    clock_fake(NOW_MS + 20000);
    ck_assert_ptr_nonnull(strstr(SAY(h, "HOTKEYS", "GET"), "later"));
    ck_assert_ptr_null(strstr(SAY(h, "HOTKEYS", "GET"), "hot"));
    clock_fake(NOW_MS + 40000);
    RUN(h, "*0\r\n", "HOTKEYS", "GET");
}
END_TEST

START_TEST(keys_of_all_kinds_of_commands_count_by_database)
{
    count_all("10");
    for (int i = 0; i < 10; i++) {
        (void)SAY(h, "MSET", "a", "1", "b", "2");
        (void)SAY(h, "SELECT", "3");
        (void)SAY(h, "INCR", "a");
        (void)SAY(h, "MULTI");
        (void)SAY(h, "GET", "in-multi");
        (void)SAY(h, "EXEC");
        (void)SAY(h, "SELECT", "0");
        (void)SAY(h, "PING", "a");
    }
    clock_fake(NOW_MS + 10000);
    RUN(h,
        "*4\r\n"
        "*6\r\n$3\r\nkey\r\n$1\r\na\r\n$2\r\ndb\r\n:0\r\n$3\r\nqps\r\n:1\r\n"
        "*6\r\n$3\r\nkey\r\n$1\r\na\r\n$2\r\ndb\r\n:3\r\n$3\r\nqps\r\n:1\r\n"
        "*6\r\n$3\r\nkey\r\n$1\r\nb\r\n$2\r\ndb\r\n:0\r\n$3\r\nqps\r\n:1\r\n"
        "*6\r\n$3\r\nkey\r\n$8\r\nin-multi\r\n$2\r\ndb\r\n:3\r\n$3\r\nqps\r\n"
        ":1\r\n",
        "HOTKEYS", "GET");
}
END_TEST

START_TEST(reset_and_other_settings_begin_anew)
{
    count_all("10");
    get("k", 100);
    RUN(h, OK, "HOTKEYS", "RESET");
    clock_fake(NOW_MS + 10000);
    RUN(h, "*0\r\n", "HOTKEYS", "GET");
    get("k", 100);
    RUN(h, OK, "CONFIG", "SET", "hotkey-window-seconds", "20");
    clock_fake(NOW_MS + 30000);
    RUN(h, "*0\r\n", "HOTKEYS", "GET");
    get("k", 100);
    RUN(h, OK, "CONFIG", "SET", "hotkey-window-seconds", "20");
    clock_fake(NOW_MS + 50000);
    ck_assert_ptr_nonnull(strstr(SAY(h, "HOTKEYS", "GET"), ":5\r\n"));
    RUN(h, OK, "CONFIG", "SET", "hotkey-top-k", "0");
    RUN(h, "*0\r\n", "HOTKEYS", "GET");
    ck_assert_uint_eq(commands_active(&h->commands), 0);
}
END_TEST

/* A tenth is looked at; what is told is the whole, within 10 %. */
START_TEST(samples_stand_for_all)
{
    const char *reply;
    int qps = 0;

    count_all("1");
    RUN(h, OK, "CONFIG", "SET", "hotkey-sampling-percentage", "10");
    for (int i = 0; i < 50000; i++) {
        get("even", 1);
        get("hot", 2);
    }
    clock_fake(NOW_MS + 10000);
    reply = SAY(h, "HOTKEYS", "GET");
    ck_assert_int_eq(sscanf(reply,
                         "*1\r\n*6\r\n$3\r\nkey\r\n$3\r\nhot\r\n$2\r\ndb\r\n"
                         ":0\r\n$3\r\nqps\r\n:%d",
                         &qps),
        1);
    ck_assert_int_ge(qps, 9000);
    ck_assert_int_le(qps, 11000);
}
END_TEST

/* Memory is bounded, counted, and given back. */
START_TEST(many_long_keys_take_bounded_memory)
{
    static char name[8001];
    size_t before, most = 0;

    count_all("1");
    before = slab_used(h->slab);
    memset(name, 'n', sizeof(name) - 1);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "%08d", i);
        name[8] = 'n';
        get(name, 1);
        most = MAX(most, slab_used(h->slab));
    }
    ck_assert_uint_gt(most, before + 60 * sizeof(name));
    ck_assert_uint_lt(most, before + 80 * sizeof(name));
    RUN(h, OK, "CONFIG", "SET", "hotkey-top-k", "0");
    ck_assert_uint_le(slab_used(h->slab), before + 64 * KIB);
}
END_TEST

HARNESS_MAIN("hotkeys", start, stop, nothing_is_told_while_it_is_off,
    the_last_whole_window_is_told_hottest_first,
    keys_of_all_kinds_of_commands_count_by_database,
    reset_and_other_settings_begin_anew, samples_stand_for_all,
    many_long_keys_take_bounded_memory)
