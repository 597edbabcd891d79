/* SPDX-License-Identifier: BSD-3-Clause */
/* notifications_test.c - keyspace notifications across connections, as they
 * come from commands, from time and from a lack of memory.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"

static struct server *server;

static void
start_server(void)
{
    static const char *const args[] = {
        "--workers", "3", "--maxmemory", "32mb", NULL};
    static const char *const redis[] = {"--maxmemory", "32mb",
        "--maxmemory-policy", "allkeys-lru", NULL};

    server = server_start(testing_redis() ? redis : args);
}

static void
stop_server(void)
{
    server_stop(server);
}

#define WRONG                                                                  \
    "re:-ERR CONFIG SET failed \\(possibly related to argument "               \
    "'notify-keyspace-events'\\) - .*Invalid event class character. Use "      \
    "'Ag\\$lshzxeKEtmdn'\\."
#define IS(text) "[\"notify-keyspace-events\" \"" text "\"]",                  \
    "{\"notify-keyspace-events\" \"" text "\"}"

/* clang-format off */
TABLE_TEST(the_directive_has_the_form_of_redis,
    {"CONFIG SET notify-keyspace-events KEAmn", "+OK"},
    {"CONFIG GET notify-keyspace-events", IS("AKEm")},
    {"CONFIG SET notify-keyspace-events xE$", "+OK"},
    {"CONFIG GET notify-keyspace-events", IS("$xE")},
    {"CONFIG SET notify-keyspace-events nEd", "+OK"},
    {"CONFIG GET notify-keyspace-events", IS("dnE")},
    {"CONFIG SET notify-keyspace-events KEq", WRONG},
    {"CONFIG GET notify-keyspace-events", IS("dnE")},
    {"CONFIG SET notify-keyspace-events \"\"", "+OK"},
    {"CONFIG GET notify-keyspace-events", IS("")})
/* clang-format on */

/* Listeners on all workers, half of them over RESP3. */
#define N_LISTENERS 4

struct listeners {
    struct wire *each[N_LISTENERS];
};

static void
listen_to(struct listeners *l, const char *pattern)
{
    char *command = text_of("PSUBSCRIBE %s", pattern);

    for (int i = 0; i < N_LISTENERS; i++) {
        char *told = text_of("%s[\"psubscribe\" \"%s\" :1]",
            i % 2 ? ">" : "", pattern);

        l->each[i] =
            i % 2 ? wire_connect_resp3(server) : wire_connect(server);
        wire_run(l->each[i], command, told);
        free(told);
    }
    free(command);
}

static void
expect_event(struct listeners *l, const char *pattern, const char *channel,
    const char *payload)
{
    for (int i = 0; i < N_LISTENERS; i++) {
        char *told = text_of("%s[\"pmessage\" \"%s\" \"%s\" \"%s\"]",
            i % 2 ? ">" : "", pattern, channel, payload);

        wire_expect(l->each[i], told);
        free(told);
    }
}

static void
close_listeners(struct listeners *l)
{
    for (int i = 0; i < N_LISTENERS; i++)
        wire_close(l->each[i]);
}

START_TEST(both_channels_of_each_event_reach_all_workers)
{
    struct wire *w = wire_connect(server);
    struct listeners l;

    wire_run(w, "CONFIG SET notify-keyspace-events KEA", "+OK");
    wire_run(w, "SELECT 2", "+OK");
    listen_to(&l, "__key*__:*");
    wire_run(w, "SET a 1", "+OK");
    expect_event(&l, "__key*__:*", "__keyspace@2__:a", "set");
    expect_event(&l, "__key*__:*", "__keyevent@2__:set", "a");
    wire_run(w, "MULTI", "+OK");
    wire_run(w, "INCR a", "+QUEUED");
    wire_run(w, "RENAME a b", "+QUEUED");
    wire_run(w, "EXEC", "[:2 +OK]");
    expect_event(&l, "__key*__:*", "__keyspace@2__:a", "incrby");
    expect_event(&l, "__key*__:*", "__keyevent@2__:incrby", "a");
    expect_event(&l, "__key*__:*", "__keyspace@2__:a", "rename_from");
    expect_event(&l, "__key*__:*", "__keyevent@2__:rename_from", "a");
    expect_event(&l, "__key*__:*", "__keyspace@2__:b", "rename_to");
    expect_event(&l, "__key*__:*", "__keyevent@2__:rename_to", "b");
    wire_run(w, "CONFIG SET notify-keyspace-events \"\"", "+OK");
    wire_run(w, "DEL b", ":1");
    for (int i = 0; i < N_LISTENERS; i++)
        ck_assert(!wire_readable(l.each[i], 20));
    close_listeners(&l);
    wire_close(w);
}
END_TEST

START_TEST(keys_that_nobody_reads_expire_with_a_message)
{
    struct wire *w = wire_connect(server);
    struct listeners l;

    wire_run(w, "CONFIG SET notify-keyspace-events Ex", "+OK");
    listen_to(&l, "__keyevent@0__:*");
    wire_run(w, "SET k v PX 20", "+OK");
    expect_event(&l, "__keyevent@0__:*", "__keyevent@0__:expired", "k");
    close_listeners(&l);
    wire_close(w);
}
END_TEST

START_TEST(evicted_keys_are_named)
{
    struct wire *w = wire_connect(server), *sub = wire_connect(server);
    char *value = malloc(10001), *text;

    memset(value, 'x', 10000);
    value[10000] = '\0';
    wire_run(w, "CONFIG SET notify-keyspace-events Ee", "+OK");
    wire_run(sub, "SUBSCRIBE __keyevent@0__:evicted",
        "[\"subscribe\" \"__keyevent@0__:evicted\" :1]");
    for (int i = 0; i < 6000 && !wire_readable(sub, 0); i++) {
        char *set = text_of("SET k%d %s", i, value);

        wire_run(w, set, "+OK");
        free(set);
    }
    text = wire_read(sub);
    ck_assert_msg(text_matches("re:\\[\"message\" \"__keyevent@0__:evicted\" "
                               "\"k[0-9]+\"\\]",
                      text),
        "%s", text);
    free(text);
    free(value);
    wire_close(w);
    wire_close(sub);
}
END_TEST

/* Each key's events come in the order of its changes. */
START_TEST(events_of_a_pipeline_keep_their_order)
{
    enum { N = 500 };
    struct wire *w = wire_connect(server), *sub = wire_connect(server);

    wire_run(w, "CONFIG SET notify-keyspace-events Kg$", "+OK");
    wire_run(sub, "PSUBSCRIBE __keyspace@0__:*",
        "[\"psubscribe\" \"__keyspace@0__:*\" :1]");
    for (int i = 0; i < N; i++) {
        wire_send_command(w, "SET k v");
        wire_send_command(w, "APPEND k v");
        wire_send_command(w, "DEL k");
    }
    for (int i = 0; i < N; i++) {
        wire_expect(w, "+OK");
        wire_expect(w, ":2");
        wire_expect(w, ":1");
        for (int e = 0; e < 3; e++) {
            static const char *const events[] = {"set", "append", "del"};
            char *told = text_of("[\"pmessage\" \"__keyspace@0__:*\" "
                                 "\"__keyspace@0__:k\" \"%s\"]",
                events[e]);

            wire_expect(sub, told);
            free(told);
        }
    }
    wire_close(w);
    wire_close(sub);
}
END_TEST

static Suite *
notifications_suite(void)
{
    Suite *s = suite_create("notifications");
    TCase *tc = tcase_create("notifications");

    tcase_set_timeout(tc, patient(60));
    tcase_add_checked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, the_directive_has_the_form_of_redis);
    tcase_add_test(tc, both_channels_of_each_event_reach_all_workers);
    tcase_add_test(tc, keys_that_nobody_reads_expire_with_a_message);
    tcase_add_test(tc, evicted_keys_are_named);
    tcase_add_test(tc, events_of_a_pipeline_keep_their_order);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(notifications_suite());
}
