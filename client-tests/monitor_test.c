/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor_test.c - MONITOR across connections, and monitors that do not read.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

/* The line of a command sent over TCP; a simple string. */
#define LINE(db, command)                                                      \
    "re:\\+[0-9]+\\.[0-9]{6} \\[" db " 127\\.0\\.0\\.1:[0-9]+\\] " command

START_TEST(the_commands_of_all_workers_are_shown)
{
    struct wire *monitors[4], *clients[4];

    for (size_t i = 0; i < ARRAY_LEN(monitors); i++)
        monitors[i] =
            i % 2 ? wire_connect_resp3(server) : wire_connect(server);
    for (size_t i = 0; i < ARRAY_LEN(monitors); i++)
        wire_run(monitors[i], "MONITOR", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        char *set = text_of("SET k%zu \"a\\\"\\r\\n\\x01\"", i);
        char *line = text_of(LINE("0", "\"SET\" \"k%zu\" "
                                       "\"a\\\\\"\\\\r\\\\n\\\\x01\""),
            i);

        clients[i] = wire_connect(server);
        wire_run(clients[i], set, "+OK");
        wire_run(clients[i], "CONFIG GET save", "re:\\[\"save\" .*");
        wire_run(clients[i], "SELECT 5", "+OK");
        wire_run(clients[i], "GET k", "$-1");
        for (size_t m = 0; m < ARRAY_LEN(monitors); m++) {
            wire_expect(monitors[m], line);
            wire_expect(monitors[m], LINE("0", "\"SELECT\" \"5\""));
            wire_expect(monitors[m], LINE("5", "\"GET\" \"k\""));
        }
        free(set);
        free(line);
    }
    for (size_t i = 0; i < ARRAY_LEN(monitors); i++) {
        wire_close(monitors[i]);
        wire_close(clients[i]);
    }
}
END_TEST

START_TEST(passwords_are_not_shown)
{
    struct wire *m = wire_connect(server), *w = wire_connect(server);

    wire_run(m, "MONITOR", "+OK");
    wire_run(w, "AUTH user secret", "re:-WRONGPASS .*");
    wire_expect(m, LINE("0", "\"AUTH\" \"\\(redacted\\)\" "
                             "\"\\(redacted\\)\""));
    wire_run(w, "HELLO 3 AUTH user secret", "re:-WRONGPASS .*");
    wire_expect(m, LINE("0", "\"HELLO\" \"3\" \"AUTH\" \"\\(redacted\\)\" "
                             "\"\\(redacted\\)\""));
    wire_close(m);
    wire_close(w);
}
END_TEST

START_TEST(a_transaction_is_shown_as_it_runs)
{
    struct wire *m = wire_connect(server), *w = wire_connect(server);

    wire_run(m, "MONITOR", "+OK");
    wire_run(w, "MULTI", "+OK");
    wire_run(w, "SET k v", "+QUEUED");
    wire_run(w, "EXEC", "[+OK]");
    wire_expect(m, LINE("0", "\"MULTI\""));
    wire_expect(m, LINE("0", "\"SET\" \"k\" \"v\""));
    wire_expect(m, LINE("0", "\"EXEC\""));
    wire_close(m);
    wire_close(w);
}
END_TEST

START_TEST(clients_of_a_unix_socket_are_named_by_its_path)
{
    struct wire *m = wire_connect(server);
    redisContext *c = server_connect_unix(server);
    char *text;

    wire_run(m, "MONITOR", "+OK");
    expect(c, "$-1", "GET k");
    text = wire_read(m);
    ck_assert_ptr_nonnull(strstr(text, " [0 unix:/"));
    ck_assert_ptr_nonnull(strstr(text, server_socket_path(server)));
    ck_assert_ptr_nonnull(strstr(text, "] \"GET\" \"k\""));
    free(text);
    wire_close(m);
    redisFree(c);
}
END_TEST

START_TEST(reset_makes_a_client_of_a_monitor)
{
    struct wire *m = wire_connect(server), *w = wire_connect(server);
    redisContext *c = server_connect(server);
    char *list;

    wire_run(m, "MONITOR", "+OK");
    list = command_str(c, "CLIENT LIST");
    ck_assert_ptr_nonnull(strstr(list, " flags=O "));
    free(list);
    wire_run(m, "GET k", "-ERR Replica can't interact with the keyspace");
    wire_send_command(m, "RESET");
    wire_expect(m, "+RESET");
    wire_run(w, "GET k", "$-1");
    wire_run(m, "GET k", "$-1");
    ck_assert(!wire_readable(m, 50));
    wire_close(m);
    wire_close(w);
    redisFree(c);
}
END_TEST

/* Bounded like subscribers; Redis counts monitors as normal clients. */
START_TEST(a_monitor_that_does_not_read_is_dropped)
{
    struct wire *m = wire_connect(server);
    redisContext *c = server_connect(server);
    char *value = malloc(10001);
    double end = now_s() + patient(30);

    memset(value, 'x', 10000);
    value[10000] = 0;
    expect(c, "+OK", "CONFIG SET client-output-buffer-limit %s",
        testing_redis() ? "normal 1mb 0 0" : "pubsub 1mb 0 0");
    wire_run(m, "MONITOR", "+OK");
    while (info_int(c, "clients", "connected_clients") > 1) {
        ck_assert_msg(now_s() < end, "the monitor is still there");
        for (int i = 0; i < 100; i++)
            expect(c, "+OK", "SET k %s", value);
    }
    free(value);
    wire_close(m);
    redisFree(c);
}
END_TEST

static Suite *
monitor_suite(void)
{
    Suite *s = suite_create("monitor");
    TCase *tc = tcase_create("monitor");

    tcase_set_timeout(tc, patient(60));
    tcase_add_checked_fixture(tc, start_three_workers, stop_server);
    tcase_add_test(tc, the_commands_of_all_workers_are_shown);
    tcase_add_test(tc, passwords_are_not_shown);
    tcase_add_test(tc, a_transaction_is_shown_as_it_runs);
    tcase_add_test(tc, clients_of_a_unix_socket_are_named_by_its_path);
    tcase_add_test(tc, reset_makes_a_client_of_a_monitor);
    tcase_add_test(tc, a_monitor_that_does_not_read_is_dropped);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(monitor_suite());
}
