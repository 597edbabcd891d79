/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_test.c - client side caching: who is told of which key, and how. */
#include "commands/harness.h"

static struct harness *h;

/* Session 0 tracks and speaks RESP3, session 1 changes keys. */
static void
start(void)
{
    h = harness_new();
    harness_protocol(h, 3);
    harness_connect(h);
    harness_switch(h, 0);
}

static void
stop(void)
{
    harness_free(h);
}

#define INVALID(keys) ">2\r\n$10\r\ninvalidate\r\n" keys
#define ONE(len, key) "*1\r\n$" len "\r\n" key "\r\n"
#define IN_CHANNEL(keys)                                                       \
    "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n" keys

/* Session 1 does something; then what session `n` hears. */
#define HEARS(n, text, ...)                                                    \
    do {                                                                       \
        harness_switch(h, 1);                                                  \
        SAY(h, __VA_ARGS__);                                                   \
        harness_switch(h, 0);                                                  \
        ck_assert_str_eq(harness_inbox(h, n), text);                           \
    } while (0)

START_TEST(a_key_that_was_read_is_invalidated_once)
{
    SAY(h, "SET", "k", "1");
    RUN(h, "+OK\r\n", "CLIENT", "TRACKING", "ON");
    RUN(h, "$1\r\n1\r\n", "GET", "k");
    HEARS(0, "", "SET", "other", "1");
    HEARS(0, INVALID(ONE("1", "k")), "SET", "k", "2");
    HEARS(0, "", "SET", "k", "3");
    SAY(h, "MGET", "a", "k");
    HEARS(0, INVALID(ONE("1", "k")), "EXPIRE", "k", "100");
    HEARS(0, INVALID(ONE("1", "a")), "SET", "a", "1");
    SAY(h, "STRLEN", "k");
    HEARS(0, INVALID(ONE("1", "k")), "DEL", "k");
    RUN(h, "+OK\r\n", "CLIENT", "TRACKING", "OFF");
    SAY(h, "GET", "k");
    HEARS(0, "", "SET", "k", "2");
}
END_TEST

START_TEST(a_hash_is_invalidated_as_a_whole)
{
    SAY(h, "HSET", "h", "a", "1");
    RUN(h, "+OK\r\n", "CLIENT", "TRACKING", "ON");
    RUN(h, "$1\r\n1\r\n", "HGET", "h", "a");
    HEARS(0, INVALID(ONE("1", "h")), "HSET", "h", "b", "2");
    SAY(h, "HGETALL", "h");
    HEARS(0, "", "HDEL", "h", "x");
    HEARS(0, INVALID(ONE("1", "h")), "HEXPIRE", "h", "10", "FIELDS", "1", "a");
    SAY(h, "HLEN", "h");
    HEARS(0, INVALID(ONE("1", "h")), "HDEL", "h", "a", "b");
    SAY(h, "HEXISTS", "h", "a");
    HEARS(0, INVALID(ONE("1", "h")), "HINCRBY", "h", "n", "1");
}
END_TEST

START_TEST(own_changes_are_told_but_with_noloop)
{
    SAY(h, "CLIENT", "TRACKING", "ON");
    SAY(h, "GET", "k");
    SAY(h, "SET", "k", "1");
    ck_assert_str_eq(harness_inbox(h, 0), INVALID(ONE("1", "k")));
    SAY(h, "CLIENT", "TRACKING", "ON", "NOLOOP");
    SAY(h, "GET", "k");
    SAY(h, "SET", "k", "2");
    ck_assert_str_eq(harness_inbox(h, 0), "");
    SAY(h, "GET", "k");
    HEARS(0, INVALID(ONE("1", "k")), "SET", "k", "3");
}
END_TEST

/* What is read after a change in a transaction is as new as can be. */
START_TEST(a_transaction_invalidates_what_it_read_before)
{
    SAY(h, "CLIENT", "TRACKING", "ON");
    SAY(h, "MULTI");
    SAY(h, "SET", "a", "1");
    SAY(h, "GET", "a");
    SAY(h, "GET", "b");
    SAY(h, "SET", "b", "1");
    SAY(h, "EXEC");
    ck_assert_str_eq(harness_inbox(h, 0), INVALID(ONE("1", "b")));
    HEARS(0, INVALID(ONE("1", "a")), "SET", "a", "2");
}
END_TEST

START_TEST(expired_keys_are_told)
{
    uint64_t now = 1700000000000u;

    clock_fake(now);
    SAY(h, "SET", "k", "v", "PX", "10");
    SAY(h, "CLIENT", "TRACKING", "ON", "NOLOOP");
    SAY(h, "GET", "k");
    clock_fake(now + 20);
    RUN(h, "_\r\n", "GET", "k");
    ck_assert_str_eq(harness_inbox(h, 0), "");
    SAY(h, "CLIENT", "TRACKING", "OFF");
    SAY(h, "SET", "k", "v", "PX", "10");
    SAY(h, "CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP");
    clock_fake(now + 40);
    SAY(h, "GET", "k");
    ck_assert_str_eq(harness_inbox(h, 0), INVALID(ONE("1", "k")));
    clock_unfake();
}
END_TEST

START_TEST(flushing_invalidates_everything)
{
    SAY(h, "CLIENT", "TRACKING", "ON");
    SAY(h, "GET", "k");
    HEARS(0, INVALID("_\r\n"), "FLUSHALL");
    HEARS(0, "", "SET", "k", "1");
    HEARS(0, INVALID("_\r\n"), "FLUSHDB");
}
END_TEST

START_TEST(broadcasts_come_in_one_message_by_prefix)
{
    SAY(h, "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b");
    HEARS(0, INVALID("*2\r\n$2\r\na1\r\n$2\r\na2\r\n"), "MSET", "a2", "x", "c",
        "x", "a1", "x", "a2", "y");
    HEARS(0, INVALID(ONE("1", "b")), "SET", "b", "x");
    HEARS(0, "", "SET", "c", "x");
    SAY(h, "SET", "a3", "x");
    ck_assert_str_eq(harness_inbox(h, 0), INVALID(ONE("2", "a3")));
    SAY(h, "CLIENT", "TRACKING", "OFF");
    SAY(h, "CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP");
    SAY(h, "SET", "a3", "x");
    ck_assert_str_eq(harness_inbox(h, 0), "");
    HEARS(0, INVALID(ONE("1", "c")), "SET", "c", "x");
}
END_TEST

START_TEST(optin_and_optout_ask_for_each_command)
{
    SAY(h, "CLIENT", "TRACKING", "ON", "OPTIN");
    SAY(h, "GET", "k");
    HEARS(0, "", "SET", "k", "1");
    RUN(h, "+OK\r\n", "CLIENT", "CACHING", "YES");
    SAY(h, "GET", "k");
    SAY(h, "GET", "other");
    HEARS(0, INVALID(ONE("1", "k")), "MSET", "k", "1", "other", "1");
    SAY(h, "CLIENT", "CACHING", "YES");
    SAY(h, "MULTI");
    SAY(h, "GET", "k");
    SAY(h, "GET", "other");
    SAY(h, "EXEC");
    HEARS(0, INVALID(ONE("1", "k")) INVALID(ONE("5", "other")), "MSET", "k",
        "1", "other", "1");
    SAY(h, "CLIENT", "TRACKING", "OFF");
    SAY(h, "CLIENT", "TRACKING", "ON", "OPTOUT");
    SAY(h, "CLIENT", "CACHING", "NO");
    SAY(h, "GET", "k");
    SAY(h, "GET", "other");
    HEARS(0, INVALID(ONE("5", "other")), "MSET", "k", "1", "other", "1");
}
END_TEST

START_TEST(redirection_reaches_a_subscriber_of_resp2)
{
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "__redis__:invalidate");
    harness_switch(h, 0);
    harness_protocol(h, 2);
    RUN(h, "+OK\r\n", "CLIENT", "TRACKING", "ON", "REDIRECT", "2");
    RUN(h, ":2\r\n", "CLIENT", "GETREDIR");
    SAY(h, "GET", "k");
    SAY(h, "SET", "k", "1");
    ck_assert_str_eq(harness_inbox(h, 1), IN_CHANNEL(ONE("1", "k")));
    ck_assert_str_eq(harness_inbox(h, 0), "");
    SAY(h, "FLUSHALL");
    ck_assert_str_eq(harness_inbox(h, 1), IN_CHANNEL("$-1\r\n"));
    harness_switch(h, 1);
    harness_protocol(h, 3);
    harness_switch(h, 0);
    SAY(h, "GET", "k");
    SAY(h, "SET", "k", "1");
    ck_assert_str_eq(harness_inbox(h, 1), INVALID(ONE("1", "k")));
}
END_TEST

START_TEST(a_lost_target_is_told)
{
    SAY(h, "CLIENT", "TRACKING", "ON", "REDIRECT", "2");
    SAY(h, "GET", "k");
    h->sessions[1].id = 77; /* as if it had gone */
    SAY(h, "SET", "k", "1");
    ck_assert_str_eq(
        harness_inbox(h, 0), ">2\r\n$21\r\ntracking-redir-broken\r\n:2\r\n");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "CLIENT", "TRACKINGINFO"), "broken_redirect"));
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "LIST"), "flags=tR "));
}
END_TEST

START_TEST(the_table_is_bounded)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "tracking-table-max-keys", "2");
    SAY(h, "CLIENT", "TRACKING", "ON");
    SAY(h, "MGET", "a", "b", "c", "d", "e");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "stats"), "tracking_total_keys:2\r\n"));
    ck_assert_uint_eq(
        strlen(harness_inbox(h, 0)), 3 * strlen(INVALID(ONE("1", "a"))));
    RUN(h, "+OK\r\n", "CONFIG", "SET", "tracking-table-max-keys", "1");
    ck_assert_str_ne(harness_inbox(h, 0), "");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "stats"), "tracking_total_keys:1\r\n"));
}
END_TEST

START_TEST(many_clients_may_cache_a_key)
{
    SAY(h, "CLIENT", "TRACKING", "ON");
    SAY(h, "GET", "k");
    for (int i = 2; i < HARNESS_SESSIONS; i++) {
        harness_connect(h);
        harness_protocol(h, 3);
        SAY(h, "CLIENT", "TRACKING", "ON");
        SAY(h, "GET", "k");
    }
    HEARS(0, INVALID(ONE("1", "k")), "SET", "k", "1");
    for (int i = 2; i < HARNESS_SESSIONS; i++)
        ck_assert_str_eq(harness_inbox(h, i), INVALID(ONE("1", "k")));
}
END_TEST

START_TEST(trackinginfo_says_what_is_set)
{
    RUN(h,
        "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n"
        "$8\r\nprefixes\r\n*0\r\n",
        "CLIENT", "TRACKINGINFO");
    RUN(h, ":-1\r\n", "CLIENT", "GETREDIR");
    SAY(h, "CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP", "PREFIX", "b",
        "PREFIX", "a", "REDIRECT", "2");
    RUN(h,
        "%3\r\n$5\r\nflags\r\n~3\r\n$2\r\non\r\n$5\r\nbcast\r\n$6\r\nnoloop"
        "\r\n$8\r\nredirect\r\n:2\r\n$8\r\nprefixes\r\n*2\r\n$1\r\na\r\n"
        "$1\r\nb\r\n",
        "CLIENT", "TRACKINGINFO");
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "INFO"), "flags=tB "));
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "INFO"), " redir=2 "));
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, ":-1\r\n", "CLIENT", "GETREDIR");
}
END_TEST

START_TEST(options_that_do_not_fit_are_errors)
{
    SAY(h, "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab");
    RUN(h,
        "-ERR Prefix 'abc' overlaps with an existing prefix 'ab'. Prefixes "
        "for a single client must not overlap.\r\n",
        "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "abc");
    RUN(h,
        "-ERR Prefix 'x' overlaps with another provided prefix 'xy'. Prefixes "
        "for a single client must not overlap.\r\n",
        "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x", "PREFIX", "xy");
    RUN(h,
        "-ERR You can't switch BCAST mode on/off before disabling tracking "
        "for this client, and then re-enabling it with a different mode.\r\n",
        "CLIENT", "TRACKING", "ON");
    SAY(h, "CLIENT", "TRACKING", "OFF");
    RUN(h, "-ERR PREFIX option requires BCAST mode to be enabled\r\n", "CLIENT",
        "TRACKING", "ON", "PREFIX", "a");
    RUN(h, "-ERR The client ID you want redirect to does not exist\r\n",
        "CLIENT", "TRACKING", "ON", "REDIRECT", "99");
    RUN(h, "-ERR syntax error\r\n", "CLIENT", "TRACKING", "MAYBE");
    RUN(h, "-ERR syntax error\r\n", "CLIENT", "TRACKING", "ON", "PREFIX");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "stats"), "tracking_total_prefixes:0\r\n"));
}
END_TEST

HARNESS_MAIN("commands/tracking", start, stop,
    a_key_that_was_read_is_invalidated_once, a_hash_is_invalidated_as_a_whole,
    own_changes_are_told_but_with_noloop,
    a_transaction_invalidates_what_it_read_before, expired_keys_are_told,
    flushing_invalidates_everything, broadcasts_come_in_one_message_by_prefix,
    optin_and_optout_ask_for_each_command,
    redirection_reaches_a_subscriber_of_resp2, a_lost_target_is_told,
    the_table_is_bounded, many_clients_may_cache_a_key,
    trackinginfo_says_what_is_set, options_that_do_not_fit_are_errors)
