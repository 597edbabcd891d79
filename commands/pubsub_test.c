/* SPDX-License-Identifier: BSD-3-Clause */
/* pubsub_test.c - subscriptions, messages and what tells about them, on one
 * worker; client-tests/pubsub_test.c has several.
 */
#include "commands/harness.h"

#include <stdio.h>

#include "commands/internal.h"
#include "commands/pubsub.h"

static struct harness *h;

static void
start(void)
{
    h = harness_new();
    harness_connect(h);
    harness_connect(h);
    harness_switch(h, 0);
}

static void
stop(void)
{
    harness_free(h);
}

static void
assert_inbox(int session, const char *expected)
{
    ck_assert_str_eq(harness_inbox(h, session), expected);
}

#define SUBSCRIBED(word, len, name, n)                                         \
    "*3\r\n$" #len "\r\n" word "\r\n$1\r\n" name "\r\n:" #n "\r\n"
#define MESSAGE(type, name, text)                                              \
    type "3\r\n$7\r\nmessage\r\n$1\r\n" name "\r\n$1\r\n" text "\r\n"

/* ---- SUBSCRIBE and UNSUBSCRIBE ------------------------------------------- */

START_TEST(each_channel_is_confirmed_with_the_number_so_far)
{
    RUN(h,
        SUBSCRIBED("subscribe", 9, "a", 1) SUBSCRIBED("subscribe", 9, "b", 2)
            SUBSCRIBED("subscribe", 9, "a", 2),
        "SUBSCRIBE", "a", "b", "a");
    RUN(h, SUBSCRIBED("psubscribe", 10, "a", 3), "PSUBSCRIBE", "a");
    RUN(h, SUBSCRIBED("ssubscribe", 10, "a", 1), "SSUBSCRIBE", "a");
    RUN(h, SUBSCRIBED("unsubscribe", 11, "x", 3), "UNSUBSCRIBE", "x");
    RUN(h,
        SUBSCRIBED("unsubscribe", 11, "a", 2)
            SUBSCRIBED("unsubscribe", 11, "b", 1),
        "UNSUBSCRIBE");
    RUN(h, SUBSCRIBED("punsubscribe", 12, "a", 0), "PUNSUBSCRIBE");
    RUN(h, SUBSCRIBED("sunsubscribe", 12, "a", 0), "SUNSUBSCRIBE", "a");
}
END_TEST

START_TEST(leaving_nothing_is_confirmed_as_well)
{
    RUN(h, "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", "UNSUBSCRIBE");
    RUN(h, "*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n", "PUNSUBSCRIBE");
    RUN(h, "*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n", "SUNSUBSCRIBE");
    harness_protocol(h, 3);
    RUN(h, ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n", "UNSUBSCRIBE");
}
END_TEST

START_TEST(state_exists_only_while_subscribed)
{
    size_t used = slab_used(h->slab);

    ck_assert(!session_is_subscribed(h->session));
    SAY(h, "SUBSCRIBE", "a", "b");
    ck_assert(session_is_subscribed(h->session));
    ck_assert_uint_gt(slab_used(h->slab), used);
    SAY(h, "UNSUBSCRIBE", "a");
    ck_assert(session_is_subscribed(h->session));
    SAY(h, "UNSUBSCRIBE", "b");
    ck_assert(!session_is_subscribed(h->session));
    ck_assert_uint_eq(slab_used(h->slab), used);
}
END_TEST

START_TEST(of_shards_a_transaction_only_leaves)
{
    SAY(h, "MULTI");
    SAY(h, "SSUBSCRIBE", "a");
    SAY(h, "SUNSUBSCRIBE", "a");
    RUN(h,
        "*2\r\n-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n"
        "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n",
        "EXEC");
}
END_TEST

START_TEST(a_subscribed_client_of_resp2_may_do_little_else)
{
    SAY(h, "SSUBSCRIBE", "a");
    RUN(h,
        "-ERR Can't execute 'client|list': only (P|S)SUBSCRIBE / "
        "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        "\r\n",
        "CLIENT", "LIST");
    RUN(h, "*2\r\n$4\r\npong\r\n$0\r\n\r\n", "PING");
    RUN(h, "*2\r\n$4\r\npong\r\n$2\r\nhi\r\n", "PING", "hi");
    harness_protocol(h, 3);
    RUN(h, "+PONG\r\n", "PING");
    RUN(h, ":0\r\n", "DBSIZE");
    harness_protocol(h, 2);
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "+PONG\r\n", "PING");
    ck_assert(!session_is_subscribed(h->session));
}
END_TEST

START_TEST(confirmations_come_though_replies_are_off)
{
    RUN(h, "", "CLIENT", "REPLY", "OFF");
    RUN(h, SUBSCRIBED("subscribe", 9, "a", 1), "SUBSCRIBE", "a");
    RUN(h, "", "PING");
}
END_TEST

/* ---- PUBLISH ------------------------------------------------------------- */

START_TEST(publish_counts_channels_and_each_matching_pattern)
{
    RUN(h, ":0\r\n", "PUBLISH", "c", "0");
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "c");
    SAY(h, "PSUBSCRIBE", "?", "c*", "d*");
    harness_switch(h, 2);
    SAY(h, "SUBSCRIBE", "c");
    SAY(h, "SSUBSCRIBE", "c");
    harness_switch(h, 0);
    RUN(h, ":4\r\n", "PUBLISH", "c", "1");
    assert_inbox(2, MESSAGE("*", "c", "1"));
    ck_assert_ptr_nonnull(
        strstr(harness_inbox(h, 1), MESSAGE("*", "c", "1") "*4\r\n"));
    RUN(h, ":1\r\n", "SPUBLISH", "c", "2");
    assert_inbox(2, "*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\n2\r\n");
    assert_inbox(1, "");
}
END_TEST

START_TEST(a_pattern_message_names_the_pattern)
{
    harness_switch(h, 1);
    SAY(h, "PSUBSCRIBE", "n*");
    harness_switch(h, 0);
    RUN(h, ":1\r\n", "PUBLISH", "news", "");
    assert_inbox(
        1, "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$0\r\n\r\n");
}
END_TEST

START_TEST(each_subscriber_gets_its_protocol)
{
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "c");
    harness_switch(h, 2);
    harness_protocol(h, 3);
    SAY(h, "SUBSCRIBE", "c");
    harness_switch(h, 0);
    RUN(h, ":2\r\n", "PUBLISH", "c", "x");
    assert_inbox(1, MESSAGE("*", "c", "x"));
    assert_inbox(2, MESSAGE(">", "c", "x"));
}
END_TEST

START_TEST(a_publishers_own_copy_comes_before_the_reply)
{
    harness_protocol(h, 3);
    SAY(h, "SUBSCRIBE", "c");
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "c");
    harness_switch(h, 0);
    RUN(h, MESSAGE(">", "c", "x") ":2\r\n", "PUBLISH", "c", "x");
    assert_inbox(0, "");
    assert_inbox(1, MESSAGE("*", "c", "x"));
}
END_TEST

START_TEST(a_publisher_without_replies_gets_its_own_copy_still)
{
    harness_protocol(h, 3);
    SAY(h, "SUBSCRIBE", "c");
    SAY(h, "CLIENT", "REPLY", "OFF");
    RUN(h, "", "PUBLISH", "c", "x");
    assert_inbox(0, MESSAGE(">", "c", "x"));
}
END_TEST

START_TEST(who_subscribes_after_a_publish_does_not_see_it)
{
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "c");
    harness_switch(h, 0);
    SAY(h, "PUBLISH", "c", "x");
    harness_switch(h, 2);
    SAY(h, "SUBSCRIBE", "c");
    assert_inbox(1, MESSAGE("*", "c", "x"));
    assert_inbox(2, "");
    /* Neither when the channel was forgotten in between. */
    harness_switch(h, 0);
    SAY(h, "PUBLISH", "c", "y");
    harness_switch(h, 1);
    SAY(h, "RESET");
    harness_switch(h, 2);
    SAY(h, "RESET");
    SAY(h, "SUBSCRIBE", "c");
    assert_inbox(1, "");
    assert_inbox(2, "");
}
END_TEST

START_TEST(who_unsubscribes_sees_no_message_after_the_confirmation)
{
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "c", "d");
    harness_switch(h, 0);
    RUN(h, ":1\r\n", "PUBLISH", "c", "x");
    harness_switch(h, 1);
    SAY(h, "UNSUBSCRIBE", "c");
    assert_inbox(1, "");
}
END_TEST

START_TEST(messages_of_many_channels_find_their_way)
{
    char name[16];

    harness_switch(h, 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "chan%d", i);
        SAY(h, "SUBSCRIBE", name);
    }
    harness_switch(h, 0);
    ck_assert_uint_eq(
        pubsub_count(h->commands.state->pubsub, CHANNEL_PLAIN), 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "chan%d", i);
        RUN(h, ":1\r\n", "PUBLISH", name, "x");
        ck_assert_ptr_nonnull(strstr(harness_inbox(h, 1), name));
    }
    harness_switch(h, 1);
    for (int i = 999; i >= 0; i--) {
        snprintf(name, sizeof(name), "chan%d", i);
        SAY(h, "UNSUBSCRIBE", name);
    }
    ck_assert_uint_eq(
        pubsub_count(h->commands.state->pubsub, CHANNEL_PLAIN), 0);
}
END_TEST

START_TEST(a_message_is_charged_until_all_have_it)
{
    size_t used;
    char text[10001];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "c");
    harness_switch(h, 0);
    used = slab_used(h->slab);
    SAY(h, "PUBLISH", "c", text);
    ck_assert_uint_ge(slab_used(h->slab), used + 10000);
    harness_deliver(h);
    ck_assert_uint_eq(slab_used(h->slab), used);
}
END_TEST

/* ---- what tells ---------------------------------------------------------- */

START_TEST(pubsub_lists_and_counts)
{
    RUN(h, "*0\r\n", "PUBSUB", "CHANNELS");
    RUN(h, "*0\r\n", "PUBSUB", "NUMSUB");
    RUN(h, ":0\r\n", "PUBSUB", "NUMPAT");
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "a");
    SAY(h, "PSUBSCRIBE", "p");
    SAY(h, "SSUBSCRIBE", "s");
    harness_switch(h, 2);
    SAY(h, "SUBSCRIBE", "a", "bb");
    SAY(h, "PSUBSCRIBE", "p");
    harness_switch(h, 0);
    RUN(h, "*1\r\n$1\r\na\r\n", "PUBSUB", "CHANNELS", "?");
    RUN(h, "*1\r\n$2\r\nbb\r\n", "PUBSUB", "CHANNELS", "b*");
    ck_assert_int_eq(strncmp(SAY(h, "PUBSUB", "CHANNELS"), "*2\r\n", 4), 0);
    RUN(h, "*4\r\n$1\r\na\r\n:2\r\n$1\r\ns\r\n:0\r\n", "PUBSUB", "NUMSUB", "a",
        "s");
    RUN(h, ":1\r\n", "PUBSUB", "NUMPAT");
    RUN(h, "*1\r\n$1\r\ns\r\n", "PUBSUB", "SHARDCHANNELS");
    RUN(h, "*2\r\n$1\r\ns\r\n:1\r\n", "PUBSUB", "SHARDNUMSUB", "s");
    RUN(h, "-ERR unknown subcommand 'x'. Try PUBSUB HELP.\r\n", "PUBSUB", "x");
    ck_assert_ptr_nonnull(strstr(SAY(h, "INFO", "stats"),
        "pubsub_channels:2\r\npubsub_patterns:1\r\n"
        "pubsubshard_channels:1\r\n"));
    ck_assert_ptr_nonnull(strstr(h->flat.p, "pubsub_patterns:1\r\n"));
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "clients"), "pubsub_clients:2\r\n"));
}
END_TEST

START_TEST(client_list_shows_subscriptions)
{
    harness_switch(h, 1);
    SAY(h, "SUBSCRIBE", "a", "b");
    SAY(h, "PSUBSCRIBE", "p");
    SAY(h, "SSUBSCRIBE", "s");
    harness_switch(h, 0);
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "LIST", "TYPE", "pubsub"),
        " flags=P db=0 sub=2 psub=1 ssub=1 "));
    ck_assert_ptr_null(strstr(h->flat.p, "flags=N"));
    ck_assert_ptr_null(
        strstr(SAY(h, "CLIENT", "LIST", "TYPE", "normal"), "flags=P"));
    RUN(h, ":1\r\n", "CLIENT", "KILL", "TYPE", "pubsub");
    ck_assert_int_eq(h->n_killed, 1);
    ck_assert_uint_eq(h->killed[0], 2);
}
END_TEST

HARNESS_MAIN("pubsub", start, stop,
    each_channel_is_confirmed_with_the_number_so_far,
    leaving_nothing_is_confirmed_as_well, state_exists_only_while_subscribed,
    of_shards_a_transaction_only_leaves,
    a_subscribed_client_of_resp2_may_do_little_else,
    confirmations_come_though_replies_are_off,
    publish_counts_channels_and_each_matching_pattern,
    a_pattern_message_names_the_pattern, each_subscriber_gets_its_protocol,
    a_publishers_own_copy_comes_before_the_reply,
    a_publisher_without_replies_gets_its_own_copy_still,
    who_subscribes_after_a_publish_does_not_see_it,
    who_unsubscribes_sees_no_message_after_the_confirmation,
    messages_of_many_channels_find_their_way,
    a_message_is_charged_until_all_have_it, pubsub_lists_and_counts,
    client_list_shows_subscriptions)
