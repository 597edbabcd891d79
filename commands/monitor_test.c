/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor_test.c - MONITOR, and which commands wait in a pause. */
#include "commands/harness.h"

#include <regex.h>

static struct harness *h;

/* Session 1 monitors, session 0 speaks. */
static void
start(void)
{
    h = harness_new();
    harness_connect(h);
    RUN(h, "+OK\r\n", "MONITOR");
    harness_switch(h, 0);
}

static void
stop(void)
{
    harness_free(h);
}

/* What the monitor was told, a regular expression. */
static void
assert_shown(const char *pattern)
{
    const char *text = harness_inbox(h, 1);
    regex_t re;

    ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0,
        "shown: %s\nexpected: %s", text, pattern);
    regfree(&re);
}

#define AT(db) "\\+[0-9]+\\.[0-9]{6} \\[" db " 127.0.0.1:50000\\] "

START_TEST(commands_are_shown_with_their_arguments)
{
    SAY(h, "SET", "k", "a b\"\\\n\r\t\a\b\x01\xff");
    assert_shown("^" AT("0") "\"SET\" \"k\" "
        "\"a b\\\\\"\\\\\\\\\\\\n\\\\r\\\\t\\\\a\\\\b\\\\x01\\\\xff\"\r\n$");
    SAY(h, "SELECT", "3");
    SAY(h, "GET", "k");
    assert_shown("^" AT("0") "\"SELECT\" \"3\"\r\n" AT("3")
        "\"GET\" \"k\"\r\n$");
}
END_TEST

START_TEST(administration_and_passwords_are_not_shown)
{
    SAY(h, "CONFIG", "GET", "save");
    SAY(h, "NOSUCH");
    SAY(h, "GET");
    assert_shown("^$");
    SAY(h, "AUTH", "user", "secret");
    assert_shown("^" AT("0") "\"AUTH\" \"\\(redacted\\)\" "
        "\"\\(redacted\\)\"\r\n$");
    SAY(h, "HELLO", "2", "AUTH", "default", "secret", "SETNAME", "me");
    assert_shown("^" AT("0") "\"HELLO\" \"2\" \"AUTH\" \"\\(redacted\\)\" "
        "\"\\(redacted\\)\" \"SETNAME\" \"me\"\r\n$");
}
END_TEST

START_TEST(a_transaction_is_shown_in_the_order_of_its_effects)
{
    SAY(h, "MULTI");
    SAY(h, "SET", "k", "v");
    assert_shown("^" AT("0") "\"MULTI\"\r\n$");
    SAY(h, "EXEC");
    assert_shown("^" AT("0") "\"SET\" \"k\" \"v\"\r\n" AT("0")
        "\"EXEC\"\r\n$");
    SAY(h, "MULTI");
    SAY(h, "MONITOR");
    ck_assert_ptr_nonnull(strstr(SAY(h, "EXEC"),
        "-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n"));
}
END_TEST

START_TEST(a_monitor_only_watches_until_reset)
{
    harness_switch(h, 1);
    RUN(h, "-ERR Replica can't interact with the keyspace\r\n", "GET", "k");
    RUN(h, "", "MONITOR");
    RUN(h, "+PONG\r\n", "PING");
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "LIST"), "flags=O "));
    (void)harness_inbox(h, 1);
    RUN(h, "+RESET\r\n", "RESET");
    (void)harness_inbox(h, 1);
    RUN(h, "$-1\r\n", "GET", "k");
    harness_switch(h, 0);
    SAY(h, "GET", "k");
    ck_assert_str_eq(harness_inbox(h, 1), "");
    ck_assert_uint_eq(h->commands.active, 0);
}
END_TEST

/* ---- pauses -------------------------------------------------------------- */

static bool
waits(const char *const *words, int n)
{
    struct resp_arg argv[8];
    struct request rq = {.thread = h->thread,
        .session = h->session,
        .argv = argv,
        .argc = n,
        .reply = &h->reply};

    for (int i = 0; i < n; i++)
        argv[i] = (struct resp_arg){.p = (char *)(uintptr_t)words[i],
            .len = strlen(words[i])};
    return command_waits(&rq);
}

#define WAITS(...) waits(HARNESS_WORDS_(__VA_ARGS__))

START_TEST(a_pause_of_writes_lets_reads_pass)
{
    RUN(h, "+OK\r\n", "CLIENT", "PAUSE", "10000", "write");
    ck_assert(WAITS("SET", "k", "v"));
    ck_assert(WAITS("PUBLISH", "c", "v"));
    ck_assert(!WAITS("GET", "k"));
    ck_assert(!WAITS("SET", "k"));
    ck_assert(!WAITS("CLIENT", "UNPAUSE"));
    SAY(h, "MULTI");
    SAY(h, "GET", "k");
    ck_assert(!WAITS("EXEC"));
    SAY(h, "SET", "k", "v");
    ck_assert(WAITS("EXEC"));
    SAY(h, "DISCARD");
    RUN(h, "+OK\r\n", "CLIENT", "UNPAUSE");
    ck_assert_int_eq(h->n_pauses_ended, 1);
    ck_assert(!WAITS("SET", "k", "v"));
}
END_TEST

START_TEST(a_pause_becomes_longer_and_stricter_only)
{
    uint64_t now = 1700000000000u;

    clock_fake(now);
    RUN(h, "+OK\r\n", "CLIENT", "PAUSE", "1000");
    ck_assert(WAITS("GET", "k"));
    RUN(h, "+OK\r\n", "CLIENT", "PAUSE", "100", "WRITE");
    clock_fake(now + 900);
    ck_assert(WAITS("GET", "k"));
    harness_switch(h, 1); /* a monitor is no client like others */
    ck_assert(!WAITS("PING"));
    harness_switch(h, 0);
    clock_fake(now + 1100);
    ck_assert(!WAITS("GET", "k"));
    ck_assert_uint_eq(commands_pause_ms(&h->commands), 0);
    clock_unfake();
}
END_TEST

START_TEST(expired_keys_stay_in_memory_during_a_pause)
{
    uint64_t now = 1700000000000u;

    clock_fake(now);
    SAY(h, "SET", "k", "v", "PX", "10");
    SAY(h, "CLIENT", "PAUSE", "1000", "WRITE");
    clock_fake(now + 100);
    RUN(h, "$-1\r\n", "GET", "k");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "stats"), "expired_keys:0\r\n"));
    SAY(h, "CLIENT", "UNPAUSE");
    RUN(h, "$-1\r\n", "GET", "k");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "stats"), "expired_keys:1\r\n"));
    clock_unfake();
}
END_TEST

START_TEST(wrong_arguments_are_told)
{
    RUN(h, "-ERR timeout is not an integer or out of range\r\n", "CLIENT",
        "PAUSE", "x");
    RUN(h, "-ERR timeout is negative\r\n", "CLIENT", "PAUSE", "-1");
    RUN(h, "-ERR timeout is out of range\r\n", "CLIENT", "PAUSE",
        "9223372036854775807");
    RUN(h, "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n", "CLIENT",
        "PAUSE", "1", "x");
    RUN(h, ":0\r\n", "CLIENT", "UNBLOCK", "1");
    RUN(h, ":0\r\n", "CLIENT", "UNBLOCK", "1", "error");
    RUN(h, "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n",
        "CLIENT", "UNBLOCK", "1", "x");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "CLIENT",
        "UNBLOCK", "x");
    ck_assert_uint_eq(commands_pause_ms(&h->commands), 0);
}
END_TEST

HARNESS_MAIN("commands/monitor", start, stop,
    commands_are_shown_with_their_arguments,
    administration_and_passwords_are_not_shown,
    a_transaction_is_shown_in_the_order_of_its_effects,
    a_monitor_only_watches_until_reset, a_pause_of_writes_lets_reads_pass,
    a_pause_becomes_longer_and_stricter_only,
    expired_keys_stay_in_memory_during_a_pause, wrong_arguments_are_told)
