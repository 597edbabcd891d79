/* SPDX-License-Identifier: BSD-3-Clause */
/* transactions_test.c - MULTI, EXEC, DISCARD, WATCH, UNWATCH over the wire. */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

/* clang-format off */
TABLE_TEST(a_transaction_is_queued_and_run,
    {"MULTI", "+OK"},
    {"SET a 1", "+QUEUED"},
    {"INCR a", "+QUEUED"},
    {"GETSET a x", "+QUEUED"},
    {"INCR a", "+QUEUED"},
    {"GET nope", "+QUEUED"},
    {"EXEC", "[+OK :2 \"2\" -ERR value is not an integer or out of range $-1]",
        "[+OK :2 \"2\" -ERR value is not an integer or out of range _]"},
    {"MULTI", "+OK"},
    {"EXEC", "[]"},
    {"MULTI", "+OK"},
    {"FLUSHALL", "+QUEUED"},
    {"MSET b 1 c 2", "+QUEUED"},
    {"DBSIZE", "+QUEUED"},
    {"SELECT 3", "+QUEUED"},
    {"DBSIZE", "+QUEUED"},
    {"SELECT 0", "+QUEUED"},
    {"EXEC", "[+OK +OK :2 +OK :0 +OK]"})

TABLE_TEST(mistakes_are_told_as_redis_does,
    {"EXEC", "-ERR EXEC without MULTI"},
    {"DISCARD", "-ERR DISCARD without MULTI"},
    {"MULTI", "+OK"},
    {"MULTI", "-ERR MULTI calls can not be nested"},
    {"WATCH a", "-ERR WATCH inside MULTI is not allowed"},
    {"PING", "+QUEUED"},
    {"EXEC", "[+PONG]"},
    {"MULTI", "+OK"},
    {"SET a", "-ERR wrong number of arguments for 'set' command"},
    {"PING", "+QUEUED"},
    {"EXEC", "-EXECABORT Transaction discarded because of previous errors."},
    {"MULTI", "+OK"},
    {"NOPE", "re:-ERR unknown command .*"},
    {"DISCARD", "+OK"},
    {"MULTI", "+OK"},
    {"EXEC x", "-EXECABORT Transaction discarded because of: wrong number of "
        "arguments for 'exec' command"},
    {"MULTI", "+OK"},
    {"SHUTDOWN NOSAVE", "-ERR Command not allowed inside a transaction"},
    {"EXEC", "-EXECABORT Transaction discarded because of previous errors."},
    {"WATCH", "-ERR wrong number of arguments for 'watch' command"},
    {"UNWATCH x", "-ERR wrong number of arguments for 'unwatch' command"})

TABLE_TEST(a_watch_sees_own_changes,
    {"WATCH k l", "+OK"},
    {"SET k 1", "+OK"},
    {"MULTI", "+OK"},
    {"GET k", "+QUEUED"},
    {"EXEC", "*-1", "_"},
    {"WATCH k", "+OK"},
    {"UNWATCH", "+OK"},
    {"SET k 2", "+OK"},
    {"MULTI", "+OK"},
    {"UNWATCH", "+QUEUED"},
    {"GET k", "+QUEUED"},
    {"EXEC", "[+OK \"2\"]"},
    {"WATCH k", "+OK"},
    {"MULTI", "+OK"},
    {"DISCARD", "+OK"},
    {"SET k 3", "+OK"},
    {"MULTI", "+OK"},
    {"EXEC", "[]"})
/* clang-format on */

START_TEST(another_client_fails_the_exec)
{
    struct wire *a = wire_connect(server), *b = wire_connect(server);

    wire_run(a, "WATCH k", "+OK");
    wire_run(a, "MULTI", "+OK");
    wire_run(a, "SET k 2", "+QUEUED");
    wire_run(b, "GET k", "$-1");
    wire_run(b, "CLIENT LIST", "re:.* multi=1 .*");
    wire_run(b, "SET k 1", "+OK");
    wire_run(b, "DEL k", ":1");
    wire_run(a, "EXEC", "*-1");
    wire_run(b, "EXISTS k", ":0");
    wire_close(a);
    wire_close(b);
}
END_TEST

START_TEST(reset_quit_and_a_close_discard)
{
    struct wire *a = wire_connect(server), *b = wire_connect(server);

    wire_run(a, "MULTI", "+OK");
    wire_run(a, "SET k 2", "+QUEUED");
    wire_run(a, "RESET", "+RESET");
    wire_run(a, "EXEC", "-ERR EXEC without MULTI");
    wire_run(a, "MULTI", "+OK");
    wire_run(a, "SET k 2", "+QUEUED");
    wire_run(a, "QUIT", "+OK");
    wire_expect_closed(a);
    wire_close(a);
    a = wire_connect(server);
    wire_run(a, "WATCH k", "+OK");
    wire_run(a, "MULTI", "+OK");
    wire_run(a, "SET k 2", "+QUEUED");
    wire_close(a);
    wire_run(b, "GET k", "$-1");
    wire_close(b);
}
END_TEST

START_TEST(large_arguments_are_stored_by_exec)
{
    enum {
        LEN = 1000000
    };
    redisContext *c = server_connect(server);
    char *value = malloc(LEN);
    struct str words[] = {STR("SET"), STR("k"), {value, LEN}};

    memset(value, 'v', LEN);
    for (int i = 0; i < 2; i++) {
        expect(c, "+OK", "MULTI");
        freeReplyObject(command_words(c, ARRAY_LEN(words), words));
        if (i == 0)
            expect(c, "+OK", "DISCARD");
        else
            expect(c, "[+OK]", "EXEC");
    }
    expect(c, ":1000000", "STRLEN k");
    free(value);
    redisFree(c);
}
END_TEST

#define NOREPLICAS "-NOREPLICAS Not enough good replicas to write."

/* clang-format off */
TABLE_TEST(writes_are_refused_for_want_of_replicas,
    {"SET k 1", "+OK"},
    {"MULTI", "+OK"},
    {"INCR k", "+QUEUED"},
    {"CONFIG SET min-replicas-to-write 1", "+QUEUED"},
    {"GET k", "+QUEUED"},
    {"EXEC", "[:2 +OK \"2\"]"},
    {"SET k 5", NOREPLICAS},
    {"DEL none", NOREPLICAS},
    {"GETDEL k", NOREPLICAS},
    {"SET k", ARITY("set")},
    {"FLUSHALL", NOREPLICAS},
    {"GET k", "\"2\""},
    {"PUBLISH k 5", ":0"},
    {"MULTI", "+OK"},
    {"GET k", "+QUEUED"},
    {"EXEC", "[\"2\"]"},
    {"MULTI", "+OK"},
    {"INCR k", NOREPLICAS},
    {"EXEC",
        "-EXECABORT Transaction discarded because of previous errors."},
    {"CONFIG SET min-replicas-max-lag 0", "+OK"},
    {"INCR k", ":3"},
    {"MULTI", "+OK"},
    {"INCR k", "+QUEUED"},
    {"CONFIG SET min-replicas-max-lag 10", "+QUEUED"},
    {"EXEC", "[:4 +OK]"},
    {"INCR k", NOREPLICAS},
    {"CONFIG SET min-replicas-to-write 0", "+OK"},
    {"INCR k", ":5"},
    {"CONFIG SET min-replicas-to-write -1", "re:-ERR CONFIG SET failed.*"})
/* clang-format on */

START_TEST(a_queue_with_writes_is_discarded_for_want_of_replicas)
{
    struct wire *a = wire_connect(server), *b = wire_connect(server);

    wire_run(a, "SET k 1", "+OK");
    wire_run(a, "MULTI", "+OK");
    wire_run(a, "INCR k", "+QUEUED");
    wire_run(b, "CONFIG SET min-replicas-to-write 2", "+OK");
    wire_run(a, "EXEC",
        "-EXECABORT Transaction discarded because of: NOREPLICAS Not enough "
        "good replicas to write.");
    wire_run(b, "GET k", "\"1\"");
    wire_run(b, "CONFIG SET min-replicas-to-write 0", "+OK");
    wire_run(a, "INCR k", ":2");
    wire_close(a);
    wire_close(b);
}
END_TEST

START_TEST(a_queue_above_the_limit_closes_the_client)
{
    redisContext *c, *other;
    char *value;
    redisReply *r = NULL;
    int n;

    if (testing_redis()) {
        skip("redis-server 7.0 has no limit for queued commands");
        return;
    }
    c = server_connect(server);
    other = server_connect(server);
    value = calloc(1, 10001);

    memset(value, 'v', 10000);
    expect(other, "+OK", "CONFIG SET client-query-buffer-limit 1mb");
    expect(c, "+OK", "MULTI");
    for (n = 0; n < 1000; n++) {
        r = redisCommand(c, "SET k:%d %s", n, value);
        if (r == NULL)
            break;
        freeReplyObject(r);
    }
    ck_assert_ptr_null(r);
    ck_assert_int_gt(n, 50);
    expect(other, "$-1", "GET k:0");
    free(value);
    redisFree(c);
    redisFree(other);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("transactions");
    TCase *tc = tcase_create("transactions");

    tcase_add_checked_fixture(tc, start_server, stop_server);
    tcase_set_timeout(tc, patient(30));
    tcase_add_test(tc, a_transaction_is_queued_and_run);
    tcase_add_test(tc, mistakes_are_told_as_redis_does);
    tcase_add_test(tc, a_watch_sees_own_changes);
    tcase_add_test(tc, another_client_fails_the_exec);
    tcase_add_test(tc, reset_quit_and_a_close_discard);
    tcase_add_test(tc, writes_are_refused_for_want_of_replicas);
    tcase_add_test(tc, a_queue_with_writes_is_discarded_for_want_of_replicas);
    tcase_add_test(tc, large_arguments_are_stored_by_exec);
    tcase_add_test(tc, a_queue_above_the_limit_closes_the_client);
    suite_add_tcase(s, tc);
    return run_tests(s);
}
