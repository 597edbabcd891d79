/* SPDX-License-Identifier: BSD-3-Clause */
/* pause_test.c - CLIENT PAUSE: who waits on which worker, and what becomes of
 * it.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

/* clang-format off */
TABLE_TEST(arguments_are_checked,
    {"CLIENT PAUSE", ARITY("client|pause")},
    {"CLIENT PAUSE x", "-ERR timeout is not an integer or out of range"},
    {"CLIENT PAUSE -1", "-ERR timeout is negative"},
    {"CLIENT PAUSE 1 x", "-ERR CLIENT PAUSE mode must be WRITE or ALL"},
    {"CLIENT PAUSE 0", "+OK"},
    {"CLIENT PAUSE 0 WRITE", "+OK"},
    {"CLIENT UNPAUSE x", ARITY("client|unpause")},
    {"CLIENT UNPAUSE", "+OK"},
    {"CLIENT UNBLOCK", ARITY("client|unblock")},
    {"CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"},
    {"CLIENT UNBLOCK 1 x",
        "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"},
    {"CLIENT UNBLOCK 999999", ":0"},
    {"CLIENT UNBLOCK 999999 TIMEOUT", ":0"},
    {"CLIENT UNBLOCK 999999 ERROR", ":0"})
/* clang-format on */

#define N 6

static const char large[1 << 20]; /* a value; 1048576 in the texts below */

static void
await_waiting(redisContext *c, long long n)
{
    for (double end = now_s() + patient(10);
         info_int(c, "clients", "blocked_clients") != n;) {
        ck_assert_msg(now_s() < end, "not %lld clients wait", n);
        sleep_ms(5);
    }
}

START_TEST(writes_wait_on_every_worker_and_then_run_in_order)
{
    redisContext *c = server_connect(server);
    struct wire *w[N];
    char *list;

    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    for (int i = 0; i < N; i++) {
        w[i] = i % 2 ? wire_connect(server) : wire_connect_resp3(server);
        wire_run(w[i], "STRLEN nothing", ":0");
        wire_send_command(w[i], "APPEND log x");
        wire_send_command(w[i], "STRLEN nothing");
        wire_send_command(w[i], "MULTI");
        wire_send_command(w[i], "SET own 1");
        wire_send_command(w[i], "EXEC");
        wire_send_command(w[i], "PUBLISH c x");
    }
    await_waiting(c, N);
    for (int i = 0; i < N; i++)
        ck_assert(!wire_readable(w[i], 10));
    expect(c, ":0", "EXISTS log");
    list = command_str(c, "CLIENT LIST");
    ck_assert_ptr_nonnull(strstr(list, " flags=b "));
    free(list);
    expect(c, "+OK", "CLIENT UNPAUSE");
    for (int i = 0; i < N; i++) {
        char *n = wire_read(w[i]);

        ck_assert_int_eq(n[0], ':');
        free(n);
        wire_expect(w[i], ":0");
        wire_expect(w[i], "+OK");
        wire_expect(w[i], "+QUEUED");
        wire_expect(w[i], "[+OK]");
        wire_expect(w[i], ":0");
        wire_close(w[i]);
    }
    expect(c, ":6", "STRLEN log");
    await_waiting(c, 0);
    redisFree(c);
}
END_TEST

START_TEST(a_pause_of_all_ends_by_itself)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);
    double begin = now_s();

    expect(c, "+OK", "CLIENT PAUSE 300");
    wire_run(w, "PING", "+PONG");
    ck_assert(now_s() - begin >= 0.29);
    expect(c, "+PONG", "PING");
    wire_close(w);
    redisFree(c);
}
END_TEST

START_TEST(keys_expire_after_a_pause_without_another_command)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);

    expect(c, "+OK", "CONFIG SET notify-keyspace-events Ex");
    wire_run(w, "SUBSCRIBE __keyevent@0__:expired",
        "[\"subscribe\" \"__keyevent@0__:expired\" :1]");
    expect(c, "+OK", "SET k v PX 50");
    expect(c, "+OK", "CLIENT PAUSE 100");
    wire_expect(w, "[\"message\" \"__keyevent@0__:expired\" \"k\"]");
    wire_close(w);
    redisFree(c);
}
END_TEST

START_TEST(large_values_and_wrong_commands_wait_their_turn)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);

    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    wire_send_text(w, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
    wire_send(w, large, sizeof(large));
    wire_send_text(w, "\r\n");
    wire_send_command(w, "NOSUCH");
    wire_send_command(w, "STRLEN k");
    await_waiting(c, 1);
    ck_assert(!wire_readable(w, 20));
    wire_send_command(w, "DEL k");
    expect(c, "+OK", "CLIENT UNPAUSE");
    wire_expect(w, "+OK");
    wire_expect(w, "re:-ERR unknown command 'NOSUCH'.*");
    wire_expect(w, ":1048576");
    wire_expect(w, ":1");
    wire_close(w);
    redisFree(c);
}
END_TEST

/* What waits is taken up while the argument behind it is on its way. */
START_TEST(a_pause_may_end_amid_a_large_argument)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);

    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    wire_send_text(w,
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\nxxx");
    await_waiting(c, 1);
    wire_send(w, large, sizeof(large) / 2);
    expect(c, "+OK", "CLIENT UNPAUSE");
    wire_expect(w, "+OK");
    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    wire_send(w, large, sizeof(large) / 2 - 3);
    wire_send_text(w, "\r\n");
    wire_send_command(w, "STRLEN k");
    await_waiting(c, 1);
    expect(c, "+OK", "CLIENT UNPAUSE");
    wire_expect(w, "+OK");
    wire_expect(w, ":1048576");
    wire_close(w);
    redisFree(c);
}
END_TEST

START_TEST(errors_are_told_at_once)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);

    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    wire_run(w, "SET k", ARITY("set"));
    wire_run(w, "NOSUCH", "re:-ERR unknown command 'NOSUCH'.*");
    expect(c, "+OK", "CLIENT UNPAUSE");
    wire_close(w);
    redisFree(c);
}
END_TEST

START_TEST(a_client_that_goes_waits_no_more)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server), *killed = wire_connect(server);
    char *id;

    wire_send_command(killed, "CLIENT ID");
    id = wire_read(killed);
    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    wire_send_command(w, "SET k w");
    wire_send_command(killed, "SET k killed");
    await_waiting(c, 2);
    wire_close(w);
    await_waiting(c, 1);
    expect(c, ":1", "CLIENT KILL ID %s", id + 1);
    await_waiting(c, 0);
    expect(c, "+OK", "CLIENT UNPAUSE");
    expect(c, "$-1", "GET k");
    free(id);
    wire_close(killed);
    redisFree(c);
}
END_TEST

START_TEST(a_pipeline_of_thousands_waits_and_loses_nothing)
{
    enum { MANY = 5000 };
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);
    char *text = malloc(MANY * 32), *at = text;

    expect(c, "+OK", "CLIENT PAUSE 100000 WRITE");
    for (int i = 0; i < MANY; i++)
        at = stpcpy(at, "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n");
    wire_send(w, text, (size_t)(at - text));
    await_waiting(c, 1);
    expect(c, "+OK", "CLIENT UNPAUSE");
    for (int i = 1; i <= MANY; i++) {
        char *n = text_of(":%d", i);

        wire_expect(w, n);
        free(n);
    }
    free(text);
    wire_close(w);
    redisFree(c);
}
END_TEST

static Suite *
pause_suite(void)
{
    Suite *s = suite_create("pause");
    TCase *tc = tcase_create("pause");

    tcase_set_timeout(tc, patient(60));
    tcase_add_checked_fixture(tc, start_three_workers, stop_server);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, writes_wait_on_every_worker_and_then_run_in_order);
    tcase_add_test(tc, a_pause_of_all_ends_by_itself);
    tcase_add_test(tc, keys_expire_after_a_pause_without_another_command);
    tcase_add_test(tc, large_values_and_wrong_commands_wait_their_turn);
    tcase_add_test(tc, a_pause_may_end_amid_a_large_argument);
    tcase_add_test(tc, errors_are_told_at_once);
    tcase_add_test(tc, a_client_that_goes_waits_no_more);
    tcase_add_test(tc, a_pipeline_of_thousands_waits_and_loses_nothing);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(pause_suite());
}
