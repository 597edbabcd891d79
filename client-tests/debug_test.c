/* SPDX-License-Identifier: BSD-3-Clause */
/* debug_test.c - DEBUG: who may, and what it does.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"

static struct server *server;

static void
start_server(void)
{
    server = server_start(
        (const char *const[]){"--enable-debug-command", "yes", NULL});
}

static void
stop_server(void)
{
    server_stop(server);
}

#define SYNTAX "-ERR syntax error"

#define ZEROS "0000000000000000000000000000000000000000"
#define FORM(name)                                                             \
    "-ERR unknown subcommand or wrong number of arguments for '" name          \
    "'. Try DEBUG HELP."

/* clang-format off */
TABLE_TEST(a_digest_tells_values_apart,
    {"DEBUG DIGEST", "+" ZEROS},
    {"DEBUG DIGEST-VALUE", "[]"},
    {"DEBUG DIGEST-VALUE k", "[+" ZEROS "]"},
    {"SET k v", "+OK"},
    {"DEBUG DIGEST-VALUE k none", "re:\\[\\+[0-9a-f]{40} \\+0{40}\\]"},
    {"DEBUG DIGEST", "re:\\+[0-9a-f]{40}"},
    {"DEBUG DIGEST k", FORM("DIGEST")})

TABLE_TEST(a_value_of_every_type_can_be_asked_for,
    {"DEBUG PROTOCOL string", "\"Hello World\""},
    {"DEBUG PROTOCOL integer", ":12345"},
    {"DEBUG PROTOCOL double", "\"3.141\"", ",3.141"},
    {"DEBUG PROTOCOL null", "$-1"},
    {"DEBUG PROTOCOL array", "[:0 :1 :2]"},
    {"DEBUG PROTOCOL set", "[:0 :1 :2]", "~[:0 :1 :2]"},
    {"DEBUG PROTOCOL map", "[:0 :0 :1 :1 :2 :0]", "{:0 #f :1 #t :2 #f}"},
    {"DEBUG PROTOCOL true", ":1", "#t"},
    {"DEBUG PROTOCOL false", ":0", "#f"},
    {"DEBUG PROTOCOL verbatim", "\"This is a verbatim\\nstring\"",
        "=\"txt:This is a verbatim\\nstring\""},
    {"DEBUG PROTOCOL nonsense", "re:-ERR Wrong protocol type name.*"},
    {"DEBUG PROTOCOL", FORM("PROTOCOL")},
    {"DEBUG ERROR \"OUCH it hurts\"", "-OUCH it hurts"})

TABLE_TEST(keys_are_populated_and_described,
    {"DEBUG POPULATE 3", "+OK"},
    {"DBSIZE", ":3"},
    {"GET key:2", "\"value:2\""},
    {"DEBUG POPULATE 2 p 4", "+OK"},
    {"GET p:1", "\"valu\""},
    {"DEBUG POPULATE 1 q 10", "+OK"},
    {"GET q:0", "\"value:0\\x00\\x00\\x00\""},
    {"DEBUG OBJECT key:1",
        "re:\\+Value at:0x0 refcount:1 encoding:embstr serializedlength:7 "
        "lru:0 lru_seconds_idle:[0-9]+"},
    {"DEBUG OBJECT none", "-ERR no such key"},
    {"DEBUG POPULATE x", "-ERR value is not an integer or out of range"},
    {"DEBUG POPULATE -1", "-ERR value is out of range, must be positive"},
    {"DEBUG POPULATE 1 k 99999999999", "re:-ERR .*"},
    {"DEBUG RELOAD", "+OK"},
    {"DEBUG RELOAD NOSAVE NOFLUSH MERGE", "+OK"},
    {"DEBUG RELOAD ALL", "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH "
        "and NOSAVE options."},
    {"DEBUG LOADAOF", "+OK"},
    {"DBSIZE", ":6"})

TABLE_TEST(errors_are_counted_by_any_code,
    {"CONFIG RESETSTAT", "+OK"},
    {"DEBUG ERROR \"OUCH it hurts\"", "-OUCH it hurts"},
    {"DEBUG ERROR \"OUCH again\"", "-OUCH again"},
    {"DEBUG ERROR \"a:b#c d\"", "-a:b#c d"},
    {"DEBUG ERROR nothing", "-nothing"},
    {"INFO errorstats",
        "\"# Errorstats\\r\\nerrorstat_ERR:count=1\\r\\n"
        "errorstat_OUCH:count=2\\r\\nerrorstat_a_b_c:count=1\\r\\n\"",
        "=\"txt:# Errorstats\\r\\nerrorstat_ERR:count=1\\r\\n"
        "errorstat_OUCH:count=2\\r\\nerrorstat_a_b_c:count=1\\r\\n\""},
    {"CONFIG RESETSTAT", "+OK"},
    {"INFO errorstats", "\"# Errorstats\\r\\n\"",
        "=\"txt:# Errorstats\\r\\n\""})

TABLE_TEST(the_thread_sleeps_and_logs,
    {"DEBUG SLEEP 0.01", "+OK"},
    {"DEBUG SLEEP 0", "+OK"},
    {"DEBUG SLEEP x", "-ERR value is not a valid float"},
    {"DEBUG SLEEP -1",
        "-ERR value is out of range, must be 0 to 3600 seconds"},
    {"DEBUG SLEEP inf",
        "-ERR value is out of range, must be 0 to 3600 seconds"},
    {"DEBUG LOG \"a line\\r\\n and another\"", "+OK"},
    {"DEBUG SET-ACTIVE-EXPIRE x",
        "-ERR value is not an integer or out of range"},
    {"DEBUG SEGFAULT", FORM("SEGFAULT")},
    {"DEBUG", ARITY("debug")})

TABLE_TEST(slow_commands_are_latency_events,
    {"LATENCY RESET", "re::[0-9]+"},
    {"DEBUG SLEEP 0.03", "+OK"},
    {"LATENCY LATEST", "[]"},
    {"CONFIG SET latency-monitor-threshold 20", "+OK"},
    {"DEBUG SLEEP 0.005", "+OK"},
    {"LATENCY HISTORY command", "[]"},
    {"DEBUG SLEEP 0.03", "+OK"},
    {"LATENCY LATEST",
        "re:\\[\\[\"command\" :[0-9]{10} :[0-9]{2,} :[0-9]{2,}\\]\\]"},
    {"LATENCY HISTORY command", "re:\\[\\[:[0-9]{10} :[0-9]{2,}\\]\\]"},
    {"LATENCY HISTORY fast-command", "[]"},
    {"LATENCY HISTORY nonsense", "[]"},
    {"LATENCY GRAPH command", "re:.*all time high [0-9]{2,} ms.*"},
    {"LATENCY DOCTOR", "re:.*1 seconds with slow calls.*"},
    {"LATENCY RESET fast-command nonsense", ":0"},
    {"LATENCY RESET command", ":1"},
    {"LATENCY LATEST", "[]"},
    {"CONFIG SET latency-monitor-threshold 0", "+OK"})

TABLE_TEST(exec_is_not_slow_but_what_it_runs,
    {"CONFIG SET slowlog-log-slower-than 20000", "+OK"},
    {"SLOWLOG RESET", "+OK"},
    {"MULTI", "+OK"},
    {"DEBUG SLEEP 0.03", "+QUEUED"},
    {"EXEC", "[+OK]"},
    {"SLOWLOG LEN", ":1"})

TABLE_TEST(expired_keys_stay_until_asked_for,
    {"DEBUG SET-ACTIVE-EXPIRE 0", "+OK"},
    {"SET k v PX 1", "+OK"},
    {"DEBUG SLEEP 1.5", "+OK"},
    {"DBSIZE", ":1"},
    {"GET k", "$-1"},
    {"DBSIZE", ":0"},
    {"DEBUG PAUSE-CRON 1", "+OK"},
    {"DEBUG SET-ACTIVE-EXPIRE 1", "+OK"},
    {"SET k v PX 1", "+OK"},
    {"DEBUG SLEEP 1.5", "+OK"},
    {"DBSIZE", ":1"},
    {"DEBUG PAUSE-CRON 0", "+OK"},
    {"DEBUG SLEEP 1.5", "+OK"},
    {"DBSIZE", ":0"},
    {"DEBUG PAUSE-CRON", FORM("PAUSE-CRON")},
    {"DEBUG PAUSE-CRON x",
        "-ERR value is not an integer or out of range"})
/* clang-format on */

/* The same values, put in in another order, under the same names. */
START_TEST(a_digest_is_one_of_the_contents)
{
    redisContext *c = server_connect(server);
    char *first, *second;

    expect(c, "+OK", "FLUSHALL");
    expect(c, "+OK", "MSET a 1 b 2 c 3");
    first = command_str(c, "DEBUG DIGEST");
    expect(c, "+OK", "SET b x");
    second = command_str(c, "DEBUG DIGEST");
    ck_assert_str_ne(first, second);
    free(second);
    expect(c, "+OK", "FLUSHALL");
    expect(c, "+OK", "MSET c 3 b 2 a 1");
    second = command_str(c, "DEBUG DIGEST");
    ck_assert_str_eq(first, second);
    free(second);
    expect(c, ":1", "EXPIRE a 100");
    second = command_str(c, "DEBUG DIGEST");
    ck_assert_str_ne(first, second);
    free(second);
    expect(c, "+OK", "SELECT 1");
    expect(c, "+OK", "SET a 1");
    free(first);
    first = command_str(c, "DEBUG DIGEST");
    expect(c, "+OK", "RENAME a d");
    second = command_str(c, "DEBUG DIGEST");
    ck_assert_str_ne(first, second);
    free(first);
    free(second);
    redisFree(c);
}
END_TEST

static void
expect_access(const char *access, const char *reply)
{
    struct server *other = server_start(
        (const char *const[]){"--enable-debug-command", access, NULL});
    redisContext *c = server_connect(other);

    expect(c, reply, "DEBUG DIGEST");
    expect(c, testing_redis() ? "re:.*" : "re:-ERR CONFIG SET failed .*",
        "CONFIG SET enable-debug-command %s", access[0] == 'n' ? "yes" : "no");
    redisFree(c);
    server_stop(other);
}

START_TEST(debug_is_for_those_that_the_configuration_says)
{
    expect_access("no", "re:-ERR DEBUG command not allowed\\..*");
    expect_access("local", "+" ZEROS);
}
END_TEST

static Suite *
debug_suite(void)
{
    Suite *s = suite_create("debug");
    TCase *tc = tcase_create("debug");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, a_digest_tells_values_apart);
    tcase_add_test(tc, a_value_of_every_type_can_be_asked_for);
    tcase_add_test(tc, keys_are_populated_and_described);
    tcase_add_test(tc, errors_are_counted_by_any_code);
    tcase_add_test(tc, the_thread_sleeps_and_logs);
    tcase_add_test(tc, slow_commands_are_latency_events);
    tcase_add_test(tc, exec_is_not_slow_but_what_it_runs);
    tcase_add_test(tc, expired_keys_stay_until_asked_for);
    tcase_add_test(tc, a_digest_is_one_of_the_contents);
    tcase_add_test(tc, debug_is_for_those_that_the_configuration_says);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(debug_suite());
}
