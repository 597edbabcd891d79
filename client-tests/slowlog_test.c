/* SPDX-License-Identifier: BSD-3-Clause */
/* slowlog_test.c - SLOWLOG and LATENCY over RESP2 and RESP3. */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

/* clang-format off */
TABLE_TEST(slowlog_keeps_the_latest_slow_commands,
    {"CONFIG SET slowlog-log-slower-than -1", "+OK"},
    {"SLOWLOG RESET", "+OK"},
    {"SLOWLOG LEN", ":0"},
    {"SLOWLOG GET", "[]"},
    {"CONFIG SET slowlog-max-len 3 slowlog-log-slower-than 0", "+OK"},
    {"CLIENT SETNAME slow", "+OK"},
    {"PING", "+PONG"},
    {"SET k v", "+OK"},
    {"GET k", "\"v\""},
    {"CONFIG SET slowlog-log-slower-than -1", "+OK"},
    {"SLOWLOG LEN", ":3"},
    {"SLOWLOG GET 1",
        "re:\\[\\[:[0-9]+ :[0-9]+ :[0-9]+ \\[\"GET\" \"k\"\\] "
        "\"127.0.0.1:[0-9]+\" \"slow\"\\]\\]"},
    {"SLOWLOG GET -1", "re:\\[.*\"GET\".*\"SET\" \"k\" \"v\".*\"PING\".*\\]"},
    {"SLOWLOG GET 0", "[]"},
    {"SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"},
    {"SLOWLOG GET x", "-ERR count should be greater than or equal to -1"},
    {"SLOWLOG RESET", "+OK"},
    {"SLOWLOG GET", "[]"},
    {"SLOWLOG", "-ERR wrong number of arguments for 'slowlog' command"},
    {"SLOWLOG LEN x",
        "-ERR wrong number of arguments for 'slowlog|len' command"},
    {"SLOWLOG FOO", "-ERR unknown subcommand 'FOO'. Try SLOWLOG HELP."})

TABLE_TEST(latency_histogram_counts_calls,
    {"CONFIG RESETSTAT", "+OK"},
    {"LATENCY HISTOGRAM echo", "[]", "{}"},
    {"CLIENT ID", "re::[0-9]+"},
    {"CLIENT ID", "re::[0-9]+"},
    {"LATENCY HISTOGRAM client|id blabla",
        "re:\\[\"client\\|id\" \\[\"calls\" :2 "
            "\"histogram_usec\" \\[.*:2\\]\\]\\]",
        "re:\\{\"client\\|id\" \\{\"calls\" :2 "
            "\"histogram_usec\" \\{.*:2\\}\\}\\}"},
    {"LATENCY HISTOGRAM", "re:.*\"config\\|resetstat\".*"})

#define STEP_RE                                                                \
    "\"calls\" :[0-9]+ \"max_usec\" :[0-9]+ \"interrupted\" :[0-9]+ "          \
    "\"interrupted_max_usec\" :[0-9]+ \"histogram_usec\" "

TABLE_TEST(latency_steps_show_each_kind,
    {"LATENCY STEPS",
        "re:\\[\"turn\" \\[" STEP_RE "\\[:.*\"grow\" \\[" STEP_RE ".*",
        "re:\\{\"turn\" \\{" STEP_RE "\\{:.*\"grow\" \\{" STEP_RE ".*"},
    {"LATENCY STEPS x",
        "-ERR wrong number of arguments for 'latency|steps' command"})

TABLE_TEST(latency_events_are_empty,
    {"LATENCY RESET", "re::[0-9]+"},
    {"LATENCY LATEST", "[]"},
    {"LATENCY HISTORY command", "[]"},
    {"LATENCY RESET command", ":0"},
    {"LATENCY GRAPH",
        "-ERR wrong number of arguments for 'latency|graph' command"},
    {"LATENCY DOCTOR", "re:\".+\"", "re:=\"txt:.+\""})

TABLE_TEST(hotkeys_are_looked_for_when_wanted,
    {"HOTKEYS GET", "[]"},
    {"CONFIG SET hotkey-sampling-percentage 100 hotkey-top-k 3", "+OK"},
    {"GET k", "re:.*"},
    {"HOTKEYS GET", "[]"},
    {"HOTKEYS RESET", "+OK"},
    {"HOTKEYS GET x",
        "-ERR wrong number of arguments for 'hotkeys|get' command"},
    {"HOTKEYS HELP", "re:\\[\\+HOTKEYS .*\\]"},
    {"HOTKEYS FOO", "-ERR unknown subcommand 'FOO'. Try HOTKEYS HELP."},
    {"CONFIG SET hotkey-top-k 1001", "re:-ERR .*"},
    {"CONFIG SET hotkey-top-k 0", "+OK"})
/* clang-format on */

/* Its only answer is an error, so it is noted here. */
START_TEST(graph_has_nothing_to_draw)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "LATENCY GRAPH command",
        "-ERR No samples available for event 'command'");
    wire_close(w);
    covered(STR("latency"), STR("graph"), COVERED);
}
END_TEST

static Suite *
slowlog_suite(void)
{
    Suite *s = suite_create("slowlog");
    TCase *tc = tcase_create("slowlog");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, slowlog_keeps_the_latest_slow_commands);
    tcase_add_test(tc, latency_histogram_counts_calls);
    if (!testing_redis())
        tcase_add_test(tc, latency_steps_show_each_kind);
    tcase_add_test(tc, latency_events_are_empty);
    tcase_add_test(tc, hotkeys_are_looked_for_when_wanted);
    tcase_add_test(tc, graph_has_nothing_to_draw);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(slowlog_suite());
}
