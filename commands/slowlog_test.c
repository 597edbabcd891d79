/* SPDX-License-Identifier: BSD-3-Clause */
/* slowlog_test.c - what SLOWLOG keeps and LATENCY HISTOGRAM counts. */
#include "commands/harness.h"
#include "commands/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"

static struct harness *h;

static void
start(void)
{
    clock_fake(1700000000000);
    h = harness_new();
}

static void
stop(void)
{
    harness_free(h);
    clock_unfake();
}

static void
assert_starts(const char *reply, const char *head)
{
    ck_assert_msg(
        strncmp(reply, head, strlen(head)) == 0, "%s\nnot\n%s", reply, head);
}

static void
log_slower_than(int64_t us)
{
    h->command_options.slowlog_log_slower_than = us;
}

/* What stands in the newest entry from its arguments on. */
static const char *
newest_args(void)
{
    int64_t before = h->command_options.slowlog_log_slower_than;
    const char *reply;

    log_slower_than(-1);
    reply = SAY(h, "SLOWLOG", "GET", "1");
    log_slower_than(before);
    assert_starts(reply, "*1\r\n*6\r\n:");
    reply = strchr(reply + 8, '*');
    ck_assert_ptr_nonnull(reply);
    return reply;
}

static void
assert_len(const char *expected)
{
    int64_t before = h->command_options.slowlog_log_slower_than;

    log_slower_than(-1);
    RUN(h, expected, "SLOWLOG", "LEN");
    log_slower_than(before);
}

START_TEST(a_limit_of_zero_logs_everything)
{
    log_slower_than(0);
    RUN(h, OK, "CLIENT", "SETNAME", "someone");
    RUN(h, OK, "SET", "k", "v");
    assert_len(":2\r\n");
    ck_assert_str_eq(newest_args(),
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
        "$15\r\n127.0.0.1:50000\r\n$7\r\nsomeone\r\n");
}
END_TEST

START_TEST(an_entry_has_its_number_and_time)
{
    log_slower_than(0);
    SAY(h, "PING");
    SAY(h, "PING");
    log_slower_than(-1);
    assert_starts(
        SAY(h, "SLOWLOG", "GET"), "*2\r\n*6\r\n:1\r\n:1700000000\r\n:");
    ck_assert_ptr_nonnull(strstr(h->flat.p, "*6\r\n:0\r\n:1700000000\r\n"));
}
END_TEST

START_TEST(a_high_limit_and_none_log_nothing)
{
    log_slower_than(1000000000);
    SAY(h, "INFO");
    log_slower_than(-1);
    SAY(h, "INFO");
    RUN(h, ":0\r\n", "SLOWLOG", "LEN");
    RUN(h, "*0\r\n", "SLOWLOG", "GET");
}
END_TEST

START_TEST(the_newest_are_kept_and_counted_in_the_budget)
{
    size_t before = slab_used(h->slab);

    h->command_options.slowlog_max_len = 3;
    log_slower_than(0);
    for (int i = 0; i < 10; i++)
        SAY(h, "PING");
    log_slower_than(-1);
    RUN(h, ":3\r\n", "SLOWLOG", "LEN");
    ck_assert_uint_gt(slab_used(h->slab), before);
    assert_starts(SAY(h, "SLOWLOG", "GET", "-1"), "*3\r\n*6\r\n:9\r\n");
    assert_starts(SAY(h, "SLOWLOG", "GET", "2"), "*2\r\n*6\r\n:9\r\n");
    RUN(h, "*0\r\n", "SLOWLOG", "GET", "0");
    RUN(h, OK, "SLOWLOG", "RESET");
    RUN(h, ":0\r\n", "SLOWLOG", "LEN");
    ck_assert_uint_eq(slab_used(h->slab), before);
}
END_TEST

START_TEST(get_refuses_what_is_no_count)
{
    static const char error[] =
        "-ERR count should be greater than or equal to -1\r\n";

    RUN(h, error, "SLOWLOG", "GET", "-2");
    RUN(h, error, "SLOWLOG", "GET", "x");
}
END_TEST

START_TEST(long_arguments_and_many_are_cut)
{
    const char *words[40];
    char text[130];

    memset(text, 'A', 129);
    text[129] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = "x";
    words[0] = "DEL";
    words[1] = text;
    log_slower_than(0);
    harness_say(h, words, 33);
    assert_starts(newest_args(), "*32\r\n");
    ck_assert_ptr_nonnull(strstr(h->flat.p, "AAA... (1 more bytes)\r\n$1"));
    ck_assert_ptr_nonnull(
        strstr(h->flat.p, "x\r\n$22\r\n... (2 more arguments)\r\n$15"));
    harness_say(h, words, 32);
    assert_starts(newest_args(), "*32\r\n");
    ck_assert_ptr_null(strstr(h->flat.p, "more arguments"));
}
END_TEST

START_TEST(passwords_are_not_shown)
{
    log_slower_than(0);
    SAY(h, "AUTH", "secret");
    ck_assert_ptr_nonnull(strstr(newest_args(), "AUTH\r\n$10\r\n(redacted)"));
    SAY(h, "AUTH", "default", "secret");
    ck_assert_ptr_null(strstr(newest_args(), "secret"));
    SAY(h, "HELLO", "2", "AUTH", "default", "secret", "SETNAME", "me");
    ck_assert_ptr_null(strstr(newest_args(), "secret"));
    ck_assert_ptr_nonnull(strstr(h->flat.p, "SETNAME\r\n$2\r\nme"));
    SAY(h, "CONFIG", "SET", "maxmemory", "50mb", "requirepass", "secret");
    ck_assert_ptr_null(strstr(newest_args(), "secret"));
    ck_assert_ptr_nonnull(strstr(h->flat.p, "50mb"));
}
END_TEST

START_TEST(a_large_value_is_shown_as_it_was)
{
    const char *set[] = {"SET", "k"};
    size_t len = 100000;
    char *text = xcalloc(1, len);

    memset(text, 'L', len);
    log_slower_than(0);
    harness_say_extent(h, set, 2, (struct str){text, len});
    RUN(h, ":1\r\n", "DEL", "k");
    log_slower_than(-1);
    SAY(h, "SLOWLOG", "GET", "2");
    ck_assert_ptr_nonnull(strstr(h->flat.p, "LLLL... (99872 more bytes)"));
    free(text);
}
END_TEST

/* Taking the time has a price, which a GET is not to pay. */
START_TEST(only_what_can_be_slow_is_watched)
{
    static const struct {
        const char *name;
        int argc;
        bool watched;
    } cases[] = {
        {"get", 2, false},
        {"set", 3, false},
        {"incr", 2, false},
        {"del", 2, false},
        {"mget", 15, false},
        {"mget", 1000, true},
        {"msetex", 4, false},
        {"msetex", 2000, true},
        {"hset", 22, false},
        {"hset", 1002, true},
        {"hdel", 3, false},
        {"hgetall", 2, true},
        {"keys", 2, true},
        {"append", 3, true},
        {"flushall", 1, true},
    };
    struct request rq = {.thread = h->thread, .session = h->session};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rq.command =
            command_find(h->commands.state->index, str_of(cases[i].name));
        rq.argc = cases[i].argc;
        log_slower_than(10000);
        ck_assert_int_eq(slowlog_watches(&rq), cases[i].watched);
        log_slower_than(999);
        ck_assert(slowlog_watches(&rq));
        log_slower_than(-1);
        ck_assert(!slowlog_watches(&rq));
    }
}
END_TEST

/* ---- LATENCY ------------------------------------------------------------- */

START_TEST(times_fall_into_buckets_that_double)
{
    static const struct {
        uint64_t ns;
        int bucket;
    } cases[] = {{0, 0}, {1, 0}, {1024, 0}, {1025, 1}, {2048, 1}, {2049, 2},
        {4096, 2}, {1000000, 10}, {UINT64_C(1024) << 23, 23}, {UINT64_MAX, 23}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct command_row_stats row = {0};

        command_stats_time(&row, cases[i].ns);
        ck_assert_uint_eq(row.measured, 1);
        ck_assert_uint_eq(row.histogram[cases[i].bucket], 1);
    }
}
END_TEST

START_TEST(histogram_shows_what_was_measured_as_shares_of_all_calls)
{
    struct command_row_stats *row = &h->thread->stats->rows[command_id(
        command_find(h->commands.state->index, STR("get")))];

    RUN(h, "*0\r\n", "LATENCY", "HISTOGRAM", "get", "nothing");
    row->calls = 1000;
    row->measured = 4;
    row->histogram[0] = 1;
    row->histogram[3] = 2;
    row->histogram[10] = 1;
    RUN(h,
        "*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:1000\r\n"
        "$14\r\nhistogram_usec\r\n*6\r\n:1\r\n:250\r\n:8\r\n:750\r\n"
        ":1048\r\n:1000\r\n",
        "LATENCY", "HISTOGRAM", "nothing", "GET");
}
END_TEST

START_TEST(histogram_starts_anew_with_resetstat)
{
    SAY(h, "CLIENT", "ID");
    SAY(h, "CLIENT", "GETNAME");
    assert_starts(SAY(h, "LATENCY", "HISTOGRAM", "client"), "*4\r\n");
    assert_starts(SAY(h, "LATENCY", "HISTOGRAM", "client|id"), "*2\r\n");
    RUN(h, OK, "CONFIG", "RESETSTAT");
    /* RESETSTAT itself is the first call after it. */
    assert_starts(
        SAY(h, "LATENCY", "HISTOGRAM"), "*2\r\n$16\r\nconfig|resetstat\r\n");
}
END_TEST

START_TEST(events_are_empty)
{
    RUN(h, "*0\r\n", "LATENCY", "LATEST");
    RUN(h, "*0\r\n", "LATENCY", "HISTORY", "command");
    RUN(h, ":0\r\n", "LATENCY", "RESET");
    RUN(h, ":0\r\n", "LATENCY", "RESET", "command", "fork");
    RUN(h, "-ERR No samples available for event 'command'\r\n", "LATENCY",
        "GRAPH", "command");
    ck_assert_int_eq(SAY(h, "LATENCY", "DOCTOR")[0], '$');
}
END_TEST

static bool
is_logged(void)
{
    log_slower_than(-1);
    SAY(h, "SLOWLOG", "LEN");
    log_slower_than(1000);
    return strcmp(h->flat.p, ":0\r\n") != 0;
}

/* One more field is constant work, unless much is built anew for it. */
START_TEST(a_hash_built_anew_is_logged)
{
    static char value[MIB];

    memset(value, 'v', sizeof(value) - 1);
    for (int i = 0; i < 64 && !is_logged(); i++) {
        char field[16];

        snprintf(field, sizeof(field), "f%d", i);
        RUN(h, ":1\r\n", "HSET", "h", field, value);
    }
    assert_starts(newest_args(), "*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$");
}
END_TEST

HARNESS_MAIN("slowlog", start, stop, a_limit_of_zero_logs_everything,
    a_hash_built_anew_is_logged,
    an_entry_has_its_number_and_time, a_high_limit_and_none_log_nothing,
    the_newest_are_kept_and_counted_in_the_budget, get_refuses_what_is_no_count,
    long_arguments_and_many_are_cut, passwords_are_not_shown,
    a_large_value_is_shown_as_it_was, only_what_can_be_slow_is_watched,
    times_fall_into_buckets_that_double,
    histogram_shows_what_was_measured_as_shares_of_all_calls,
    histogram_starts_anew_with_resetstat, events_are_empty)
