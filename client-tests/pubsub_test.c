/* SPDX-License-Identifier: BSD-3-Clause */
/* pubsub_test.c - publish and subscribe over several connections, which the
 * daemon deals to several workers.
 */
#include "client-tests/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define N_SUBSCRIBERS 100
#define N_MESSAGES 300

/* ---- replies ------------------------------------------------------------- */

/* clang-format off */
TABLE_TEST(publishing_to_nobody_reaches_nobody,
    {"PUBLISH nobody x", ":0"},
    {"SPUBLISH nobody x", ":0"},
    {"PUBLISH", ARITY("publish")},
    {"PUBLISH a", ARITY("publish")},
    {"SPUBLISH a b c", ARITY("spublish")},
    {"SUBSCRIBE", ARITY("subscribe")},
    {"PSUBSCRIBE", ARITY("psubscribe")},
    {"SSUBSCRIBE", ARITY("ssubscribe")},
    {"UNSUBSCRIBE", "[\"unsubscribe\" $-1 :0]", ">[\"unsubscribe\" _ :0]"},
    {"PUNSUBSCRIBE x", "[\"punsubscribe\" \"x\" :0]",
        ">[\"punsubscribe\" \"x\" :0]"},
    {"SUNSUBSCRIBE", "[\"sunsubscribe\" $-1 :0]", ">[\"sunsubscribe\" _ :0]"},
    {"PUBSUB CHANNELS", "[]"},
    {"PUBSUB SHARDCHANNELS *", "[]"},
    {"PUBSUB NUMSUB a b", "[\"a\" :0 \"b\" :0]"},
    {"PUBSUB SHARDNUMSUB a", "[\"a\" :0]"},
    {"PUBSUB NUMPAT", ":0"},
    {"PUBSUB CHANNELS a b",
        "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. "
        "Try PUBSUB HELP."},
    {"PUBSUB NUMPAT x", ARITY("pubsub|numpat")})
/* clang-format on */

START_TEST(subscribed_over_resp2_only_little_is_allowed)
{
    static const char *const refused[][2] = {{"get", "GET k"},
        {"set", "SET k v"}, {"publish", "PUBLISH a x"}, {"hello", "HELLO 3"},
        {"client|list", "CLIENT LIST"}};
    struct wire *w = wire_connect(server);

    wire_run(w, "SUBSCRIBE a", "[\"subscribe\" \"a\" :1]");
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        char *reply =
            text_of("-ERR Can't execute '%s': only (P|S)SUBSCRIBE / "
                    "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                    "this context",
                refused[i][0]);

        wire_run(w, refused[i][1], reply);
        free(reply);
    }
    wire_run(w, "PING", "[\"pong\" \"\"]");
    wire_run(w, "PING x", "[\"pong\" \"x\"]");
    wire_run(w, "RESET", "+RESET");
    wire_run(w, "PING", "+PONG");
    wire_run(w, "PUBSUB NUMSUB a", "[\"a\" :0]");
    wire_run(w, "SSUBSCRIBE s", "[\"ssubscribe\" \"s\" :1]");
    wire_run(w, "QUIT", "+OK");
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

START_TEST(messages_of_every_kind_arrive)
{
    struct wire *sub = wire_connect(server), *pub = wire_connect(server);

    wire_run(sub, "SUBSCRIBE news", "[\"subscribe\" \"news\" :1]");
    wire_run(sub, "PSUBSCRIBE n*", "[\"psubscribe\" \"n*\" :2]");
    wire_run(sub, "SSUBSCRIBE news", "[\"ssubscribe\" \"news\" :1]");
    wire_run(pub, "PUBLISH news \"a\\r\\nb\"", ":2");
    wire_expect(sub, "[\"message\" \"news\" \"a\\r\\nb\"]");
    wire_expect(sub, "[\"pmessage\" \"n*\" \"news\" \"a\\r\\nb\"]");
    wire_run(pub, "SPUBLISH news s", ":1");
    wire_expect(sub, "[\"smessage\" \"news\" \"s\"]");
    wire_run(pub, "PUBSUB CHANNELS", "[\"news\"]");
    wire_run(pub, "PUBSUB SHARDCHANNELS", "[\"news\"]");
    wire_run(pub, "PUBSUB SHARDNUMSUB news", "[\"news\" :1]");
    wire_run(pub, "PUBSUB NUMPAT", ":1");
    wire_run(sub, "UNSUBSCRIBE", "[\"unsubscribe\" \"news\" :1]");
    wire_run(sub, "PUNSUBSCRIBE n*", "[\"punsubscribe\" \"n*\" :0]");
    wire_run(sub, "SUNSUBSCRIBE news", "[\"sunsubscribe\" \"news\" :0]");
    wire_run(pub, "PUBLISH news x", ":0");
    wire_run(sub, "PING", "+PONG");
    wire_close(sub);
    wire_close(pub);
}
END_TEST

START_TEST(pushes_stand_between_the_replies_of_resp3)
{
    struct wire *sub = wire_connect_resp3(server), *pub = wire_connect(server);

    wire_run(sub, "SUBSCRIBE c", ">[\"subscribe\" \"c\" :1]");
    wire_run(sub, "SET k v", "+OK");
    wire_run(pub, "PUBLISH c 1", ":1");
    wire_expect(sub, ">[\"message\" \"c\" \"1\"]");
    wire_run(sub, "GET k", "\"v\"");
    wire_run(sub, "PUBLISH c 2", ">[\"message\" \"c\" \"2\"]");
    wire_expect(sub, ":1");
    wire_run(sub, "PING", "+PONG");
    wire_run(sub, "UNSUBSCRIBE", ">[\"unsubscribe\" \"c\" :0]");
    wire_close(sub);
    wire_close(pub);
}
END_TEST

START_TEST(clients_and_info_show_who_listens)
{
    struct wire *sub = wire_connect(server);
    redisContext *c = server_connect(server);
    char *list;

    wire_run(sub, "SUBSCRIBE a b", "[\"subscribe\" \"a\" :1]");
    wire_expect(sub, "[\"subscribe\" \"b\" :2]");
    wire_run(sub, "PSUBSCRIBE p", "[\"psubscribe\" \"p\" :3]");
    list = command_str(c, "CLIENT LIST TYPE pubsub");
    ck_assert_ptr_nonnull(strstr(list, " flags=P "));
    ck_assert_ptr_nonnull(strstr(list, " sub=2 psub=1 "));
    ck_assert_ptr_null(strstr(list, " sub=0 "));
    free(list);
    ck_assert_int_eq(info_int(c, "stats", "pubsub_channels"), 2);
    ck_assert_int_eq(info_int(c, "stats", "pubsub_patterns"), 1);
    if (!testing_redis())
        ck_assert_int_eq(info_int(c, "clients", "pubsub_clients"), 1);
    wire_close(sub);
    redisFree(c);
}
END_TEST

/* ---- the end of a subscriber --------------------------------------------- */

/* Wait until nobody listens to "c". */
static void
await_nobody(redisContext *c)
{
    double deadline = now_s() + patient(5);

    while (command_int(c, "PUBLISH c x") != 0) {
        ck_assert_msg(now_s() < deadline, "a subscription outlived its client");
        sleep_ms(5);
    }
    expect(c, "[\"c\" :0]", "PUBSUB NUMSUB c");
    expect(c, ":0", "PUBSUB NUMPAT");
}

START_TEST(a_closed_client_listens_no_more)
{
    redisContext *c = server_connect(server);

    for (int i = 0; i < 20; i++) {
        struct wire *w = wire_connect(server);

        wire_run(w, "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
        wire_run(w, "PSUBSCRIBE *", "[\"psubscribe\" \"*\" :2]");
        wire_close(w);
    }
    await_nobody(c);
    redisFree(c);
}
END_TEST

START_TEST(a_killed_client_listens_no_more)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);

    wire_run(w, "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    expect(c, ":1", "CLIENT KILL TYPE pubsub");
    await_nobody(c);
    wire_close(w);
    redisFree(c);
}
END_TEST

START_TEST(a_subscriber_may_be_idle)
{
    redisContext *c = server_connect(server);
    struct wire *sub = wire_connect(server), *idle = wire_connect(server);

    wire_run(sub, "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    wire_run(idle, "PING", "+PONG");
    expect(c, "+OK", "CONFIG SET timeout 1");
    wire_expect_closed(idle);
    redisFree(c);
    c = server_connect(server);
    expect(c, ":1", "PUBLISH c x");
    wire_expect(sub, "[\"message\" \"c\" \"x\"]");
    wire_close(sub);
    wire_close(idle);
    redisFree(c);
}
END_TEST

/* ---- order --------------------------------------------------------------- */

static void
expect_message(
    struct wire *w, const char *channel, const char *fmt, int who, int i)
{
    char text[64], expected[128];

    snprintf(text, sizeof(text), fmt, who, i);
    snprintf(expected, sizeof(expected), "[\"message\" \"%s\" \"%s\"]", channel,
        text);
    wire_expect(w, expected);
}

START_TEST(a_hundred_subscribers_get_every_message_in_order)
{
    struct wire *subs[N_SUBSCRIBERS], *pub = wire_connect(server);
    char text[64];

    for (int i = 0; i < N_SUBSCRIBERS; i++) {
        subs[i] = wire_connect(server);
        wire_run(subs[i], "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    }
    for (int i = 0; i < N_MESSAGES; i++) {
        snprintf(text, sizeof(text), "PUBLISH c p0:%d", i);
        wire_send_command(pub, text);
    }
    for (int i = 0; i < N_MESSAGES; i++)
        wire_expect(pub, ":100");
    for (int s = 0; s < N_SUBSCRIBERS; s++) {
        for (int i = 0; i < N_MESSAGES; i++)
            expect_message(subs[s], "c", "p%d:%d", 0, i);
        wire_run(subs[s], "PING", "[\"pong\" \"\"]");
        wire_close(subs[s]);
    }
    wire_close(pub);
}
END_TEST

/* The message after "[\"message\" \"c\" \"p<who>:" as two numbers. */
static void
read_message(struct wire *w, int *who, int *i)
{
    char *text = wire_read(w);

    ck_assert_msg(sscanf(text, "[\"message\" \"c\" \"p%d:%d\"]", who, i) == 2,
        "%s", text);
    free(text);
}

START_TEST(all_subscribers_see_several_publishers_in_one_order)
{
    enum {
        PUBS = 4,
        SUBS = 6,
        EACH = 200
    };
    struct wire *pubs[PUBS], *subs[SUBS];
    int seen[SUBS][PUBS * EACH];

    for (int i = 0; i < SUBS; i++) {
        subs[i] = wire_connect(server);
        wire_run(subs[i], "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    }
    for (int p = 0; p < PUBS; p++)
        pubs[p] = wire_connect(server);
    for (int i = 0; i < EACH; i++)
        for (int p = 0; p < PUBS; p++) {
            char *text = text_of("PUBLISH c p%d:%d", p, i);

            wire_send_command(pubs[p], text);
            free(text);
        }
    for (int s = 0; s < SUBS; s++) {
        int next[PUBS] = {0};

        for (int n = 0; n < PUBS * EACH; n++) {
            int who, i;

            read_message(subs[s], &who, &i);
            ck_assert_int_eq(i, next[who]++);
            seen[s][n] = who;
        }
        ck_assert_int_eq(memcmp(seen[0], seen[s], sizeof(seen[0])), 0);
        wire_close(subs[s]);
    }
    for (int p = 0; p < PUBS; p++)
        wire_close(pubs[p]);
}
END_TEST

/* Messages come between the two confirmations only, whatever is on its way. */
START_TEST(no_message_follows_an_unsubscription)
{
    struct wire *pub = wire_connect(server), *subs[4];
    char *text;

    for (size_t s = 0; s < ARRAY_LEN(subs); s++)
        subs[s] = wire_connect(server);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 20; i++)
            wire_send_command(pub, "PUBLISH c x");
        for (size_t s = 0; s < ARRAY_LEN(subs); s++) {
            wire_send_command(subs[s], "SUBSCRIBE c");
            wire_send_command(subs[s], "UNSUBSCRIBE c");
            wire_send_command(subs[s], "PING");
        }
        for (size_t s = 0; s < ARRAY_LEN(subs); s++) {
            wire_expect(subs[s], "[\"subscribe\" \"c\" :1]");
            while (strcmp(text = wire_read(subs[s]),
                       "[\"message\" \"c\" \"x\"]") == 0)
                free(text);
            ck_assert_str_eq(text, "[\"unsubscribe\" \"c\" :0]");
            free(text);
            wire_expect(subs[s], "+PONG");
        }
        for (int i = 0; i < 20; i++) {
            text = wire_read(pub);
            ck_assert(text_matches("re::[0-4]", text));
            free(text);
        }
    }
    for (size_t s = 0; s < ARRAY_LEN(subs); s++)
        wire_close(subs[s]);
    wire_close(pub);
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

#define BIG (64 * 1024)

static char big[BIG];

static void
publish_big(redisContext *c)
{
    const struct str words[] = {STR("PUBLISH"), STR("c"), {big, sizeof(big)}};

    memset(big, 'b', sizeof(big));
    freeReplyObject(command_words(c, 3, words));
}

static void
read_big(struct wire *w)
{
    static char bytes[BIG + 64];
    static const char head[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$65536\r\n";

    wire_read_bytes(w, bytes, sizeof(head) - 1 + BIG + 2);
    ck_assert_int_eq(memcmp(bytes, head, sizeof(head) - 1), 0);
    ck_assert_int_eq(memcmp(bytes + sizeof(head) - 1, big, BIG), 0);
}

START_TEST(a_slow_subscriber_is_dropped_and_the_others_go_on)
{
    redisContext *c = server_connect(server);
    struct wire *slow = wire_connect(server), *quick[3];
    int rounds;

    expect(
        c, "+OK", "CONFIG SET client-output-buffer-limit %s", "pubsub 1mb 0 0");
    wire_run(slow, "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    for (size_t i = 0; i < ARRAY_LEN(quick); i++) {
        quick[i] = wire_connect(server);
        wire_run(quick[i], "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    }
    for (rounds = 0; rounds < 1000; rounds++) {
        redisReply *r;
        char *listeners;
        bool dropped;

        publish_big(c);
        for (size_t i = 0; i < ARRAY_LEN(quick); i++)
            read_big(quick[i]);
        r = command(c, "PUBSUB NUMSUB c");
        listeners = reply_text(r);
        dropped = strcmp(listeners, "[\"c\" :3]") == 0;
        free(listeners);
        freeReplyObject(r);
        if (dropped)
            break;
    }
    ck_assert_int_lt(rounds, 1000);
    if (!testing_redis())
        ck_assert_int_eq(
            info_int(c, "stats", "clients_closed_output_limit"), 1);
    publish_big(c);
    for (size_t i = 0; i < ARRAY_LEN(quick); i++) {
        read_big(quick[i]);
        wire_run(quick[i], "PING", "[\"pong\" \"\"]");
        wire_close(quick[i]);
    }
    wire_close(slow);
    redisFree(c);
}
END_TEST

START_TEST(a_subscriber_above_the_soft_limit_is_dropped_in_time)
{
    redisContext *c = server_connect(server);
    struct wire *slow = wire_connect(server);
    double deadline;

    expect(c, "+OK", "CONFIG SET client-output-buffer-limit %s",
        "pubsub 0 256kb 1");
    wire_run(slow, "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    for (int i = 0; i < 200; i++)
        publish_big(c);
    deadline = now_s() + patient(10);
    while (command_int(c, "PUBLISH c x") == 1) {
        ck_assert_msg(now_s() < deadline, "the soft limit has no effect");
        sleep_ms(20);
    }
    wire_close(slow);
    redisFree(c);
}
END_TEST

START_TEST(the_limit_of_normal_clients_is_not_that_of_subscribers)
{
    redisContext *c = server_connect(server);
    struct wire *sub = wire_connect(server);

    expect(c, "+OK", "CONFIG SET client-output-buffer-limit %s",
        "normal 64kb 0 0 pubsub 0 0 0");
    wire_run(sub, "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    for (int i = 0; i < 200; i++)
        publish_big(c);
    for (int i = 0; i < 200; i++)
        read_big(sub);
    wire_run(sub, "PING", "[\"pong\" \"\"]");
    wire_close(sub);
    redisFree(c);
}
END_TEST

START_TEST(a_message_of_megabytes_arrives_whole)
{
    const size_t len = 8 << 20;
    char *value = malloc(len), *got = malloc(len + 64);
    redisContext *c = server_connect(server);
    struct wire *subs[3];
    struct str words[] = {STR("PUBLISH"), STR("c"), {value, len}};
    static const char head[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$8388608\r\n";

    for (size_t i = 0; i < len; i++)
        value[i] = (char)(i * 7 + (i >> 12));
    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        subs[i] = wire_connect(server);
        wire_run(subs[i], "SUBSCRIBE c", "[\"subscribe\" \"c\" :1]");
    }
    freeReplyObject(command_words(c, 3, words));
    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        wire_read_bytes(subs[i], got, sizeof(head) - 1 + len + 2);
        ck_assert_int_eq(memcmp(got, head, sizeof(head) - 1), 0);
        ck_assert_int_eq(memcmp(got + sizeof(head) - 1, value, len), 0);
        wire_close(subs[i]);
    }
    free(value);
    free(got);
    redisFree(c);
}
END_TEST

static Suite *
pubsub_suite(void)
{
    Suite *s = suite_create("pubsub");
    TCase *tc = tcase_create("pubsub");

    tcase_set_timeout(tc, patient(60));
    tcase_add_checked_fixture(tc, start_three_workers, stop_server);
    tcase_add_test(tc, publishing_to_nobody_reaches_nobody);
    tcase_add_test(tc, subscribed_over_resp2_only_little_is_allowed);
    tcase_add_test(tc, messages_of_every_kind_arrive);
    tcase_add_test(tc, pushes_stand_between_the_replies_of_resp3);
    tcase_add_test(tc, clients_and_info_show_who_listens);
    tcase_add_test(tc, a_closed_client_listens_no_more);
    tcase_add_test(tc, a_killed_client_listens_no_more);
    tcase_add_test(tc, a_subscriber_may_be_idle);
    tcase_add_test(tc, a_hundred_subscribers_get_every_message_in_order);
    tcase_add_test(tc, all_subscribers_see_several_publishers_in_one_order);
    tcase_add_test(tc, no_message_follows_an_unsubscription);
    tcase_add_test(tc, a_slow_subscriber_is_dropped_and_the_others_go_on);
    tcase_add_test(tc, a_subscriber_above_the_soft_limit_is_dropped_in_time);
    tcase_add_test(tc, the_limit_of_normal_clients_is_not_that_of_subscribers);
    tcase_add_test(tc, a_message_of_megabytes_arrives_whole);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(pubsub_suite());
}
