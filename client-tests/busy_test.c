/* SPDX-License-Identifier: BSD-3-Clause */
/* busy_test.c - other clients while a script runs for longer than
 * busy-reply-threshold: of its worker, and of one that waits for its keys.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#ifdef HAVE_LUA

#define BUSY                                                                   \
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or "  \
    "SHUTDOWN NOSAVE."
#define KILLED                                                                 \
    "re:-ERR Script killed by user with SCRIPT KILL\\.\\.\\. script: .*"
#define LOOP "EVAL \"while true do end\" 0"

static void
start_one_worker(void)
{
    static const char *const args[] = {"--workers", "1",
        "--busy-reply-threshold", "20", "--script-time-limit", "60000", NULL};

    server = server_start(args);
}

/* Until one of the n clients is told, which are asked by turns. */
static void
await_one_busy(struct wire **w, int n)
{
    int i = 0;

    for (double end = now_s() + patient(10); now_s() < end; sleep_ms(1)) {
        bool found;
        char *text;

        wire_send_command(w[i], "GET absent");
        text = wire_read(w[i]);
        found = strcmp(text, BUSY) == 0;
        free(text);
        if (found)
            return;
        i = (i + 1) % n;
    }
    ck_abort_msg("nobody is told BUSY");
}

static void
await_busy(struct wire *w)
{
    await_one_busy(&w, 1);
}

START_TEST(old_and_new_clients_of_the_one_worker_are_told)
{
    struct wire *busy = wire_connect(server), *old = wire_connect(server), *new;

    wire_send_command(busy, LOOP);
    await_busy(old);
    wire_run(old, "PING", BUSY);
    new = wire_connect_resp3(server);
    wire_run(new, "PING", BUSY);
    wire_run(new, "SET k v", BUSY);
    wire_run(new, "NOPE",
        "-ERR unknown command 'NOPE', with args beginning "
        "with: ");
    wire_run(new, "GET", ARITY("get"));
    wire_run(old, "SCRIPT KILL", "+OK");
    wire_expect(busy, KILLED);
    wire_run(old, "EXISTS k", ":0");
    wire_run(new, "PING", "+PONG");
    wire_run(busy, "PING", "+PONG");
    wire_close(new);
    wire_close(old);
    wire_close(busy);
}
END_TEST

START_TEST(what_is_allowed_is_done)
{
    struct wire *busy = wire_connect(server), *w = wire_connect(server);

    wire_send_command(busy, LOOP);
    await_busy(w);
    wire_run(w, "AUTH default x", "+OK");
    wire_run(w, "MULTI", "+OK");
    wire_run(w, "SET k v", BUSY);
    wire_run(w, "EXEC",
        "-EXECABORT Transaction discarded because of: BUSY Redis is busy "
        "running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
    wire_run(w, "MULTI", "+OK");
    wire_run(w, "DISCARD", "+OK");
    wire_run(w, "FUNCTION KILL", BUSY);
    wire_run(w, "SHUTDOWN", BUSY);
    wire_run(w, "WATCH k", BUSY);
    wire_run(w, "RESET", "+RESET");
    wire_run(w, "SCRIPT KILL", "+OK");
    wire_expect(busy, KILLED);
    wire_close(w);
    wire_close(busy);
}
END_TEST

/* To end a watch takes the lock of a partition, which may be the script's. */
START_TEST(who_watches_keys_is_served_afterwards)
{
    struct wire *busy = wire_connect(server), *w = wire_connect(server);
    struct wire *watcher = wire_connect(server);

    wire_run(watcher, "WATCH k", "+OK");
    wire_send_command(busy, LOOP);
    await_busy(w);
    wire_send_command(watcher, "UNWATCH");
    wire_run(w, "PING", BUSY);
    ck_assert(!wire_readable(watcher, 20));
    wire_run(w, "SCRIPT KILL", "+OK");
    wire_expect(busy, KILLED);
    wire_expect(watcher, "+OK");
    wire_close(watcher);
    wire_close(w);
    wire_close(busy);
}
END_TEST

#define N 20

/* A script that runs for long before the threshold, so that all that is sent
 * meanwhile comes in one batch: replies of before, the loop, and what follows,
 * down to half of a command. On a slow machine it is several batches, and the
 * first script may be told of too. */
START_TEST(those_of_the_same_batch_are_served)
{
    struct wire *slow = wire_connect(server), *other = wire_connect(server);
    struct wire *w[N];

    for (int i = 0; i < N; i++) {
        w[i] = wire_connect(server);
        wire_run(w[i], "PING", "+PONG");
    }
    wire_run(slow, "CONFIG SET busy-reply-threshold 300", "+OK");
    wire_send_command(slow, "EVAL \"for i=1,3e6 do end return 1\" 0");
    for (int i = 0; i < N; i++) {
        if (i == N / 2)
            wire_send_command(w[i], LOOP);
        else
            wire_send_text(w[i], "SET k 1\r\nPING\r\nGET ");
    }
    wire_expect(slow, ":1");
    await_busy(other);
    for (int i = 0; i < N; i++) {
        char *text;

        if (i == N / 2)
            continue;
        text = wire_read(w[i]);
        ck_assert_msg(
            strcmp(text, "+OK") == 0 || strcmp(text, BUSY) == 0, "%s", text);
        wire_expect(w[i], strcmp(text, BUSY) == 0 ? BUSY : "+PONG");
        wire_send_text(w[i], "absent\r\n");
        wire_expect(w[i], BUSY);
        free(text);
    }
    wire_run(w[0], "SCRIPT KILL", "+OK");
    wire_expect(w[N / 2], KILLED);
    wire_run(slow, "CONFIG SET busy-reply-threshold 20", "+OK");
    for (int i = 0; i < N; i++) {
        wire_run(w[i], "PING", "+PONG");
        wire_close(w[i]);
    }
    wire_close(other);
    wire_close(slow);
}
END_TEST

/* Has the script begun while the key was there? It says so if not. */
static bool
begins_in_time(struct wire *busy, struct wire *w)
{
    wire_run(w, "SET k v PX 100", "+OK");
    wire_send_command(busy,
        "EVAL \"if not redis.call('get',KEYS[1]) then return 'too late' end "
        "local t=redis.call('time')[2] for i=1,1e12 do "
        "if redis.call('time')[2]~=t then return 'it moved' end "
        "if not redis.call('get',KEYS[1]) then return 'it expired' end "
        "end\" 1 k");
    for (double end = now_s() + patient(20); now_s() < end; sleep_ms(1)) {
        char *text;
        bool is_busy;

        if (wire_readable(busy, 0)) {
            wire_expect(busy, "\"too late\"");
            return false;
        }
        wire_send_command(w, "GET absent");
        text = wire_read(w);
        is_busy = strcmp(text, BUSY) == 0;
        free(text);
        if (is_busy)
            return true;
    }
    ck_abort_msg("nobody is told BUSY");
}

/* For what it reads, not a moment passes. */
START_TEST(time_stands_still_for_the_script)
{
    struct wire *busy = wire_connect(server), *w = wire_connect(server);

    while (!begins_in_time(busy, w))
        ;
    sleep_ms(120);
    wire_run(w, "PING", BUSY);
    wire_run(w, "SCRIPT KILL", "+OK");
    wire_expect(busy, KILLED);
    wire_run(w, "GET k", "$-1");
    wire_close(w);
    wire_close(busy);
}
END_TEST

START_TEST(a_script_that_has_written_is_ended_by_shutdown_only)
{
    struct wire *busy, *w;

    start_one_worker();
    busy = wire_connect(server);
    w = wire_connect(server);
    wire_send_command(
        busy, "EVAL \"redis.call('set',KEYS[1],1) while true do end\" 1 k");
    await_busy(w);
    wire_run(w, "SCRIPT KILL",
        "re:-UNKILLABLE Sorry the script already executed write commands.*");
    wire_run(w, "GET k", BUSY);
    wire_send_command(w, "SHUTDOWN NOSAVE");
    wire_expect_closed(w);
    wire_expect(
        busy, "re:-ERR Script ended: the server is shutting down script: .*");
    wire_close(busy);
    wire_close(w);
    server_await_end(server);
}
END_TEST

/* Two workers: one runs the script, the other waits for its key, in the middle
 * of a command, and says so to its clients. */
START_TEST(a_worker_that_waits_for_the_keys_tells_its_clients)
{
    static const char *const args[] = {"--workers", "2",
        "--busy-reply-threshold", "300", "--script-time-limit", "60000", NULL};
    struct server *s = server_start(args);
    struct wire *busy = wire_connect(s), *w[N];

    wire_run(busy, "PING", "+PONG");
    for (int i = 0; i < N; i++) {
        w[i] = wire_connect(s);
        wire_run(w[i], "PING", "+PONG");
    }
    wire_send_command(
        busy, "EVAL \"redis.call('get',KEYS[1]) while true do end\" 1 k");
    await_one_busy(w + N / 2, N / 2); /* of the worker that runs it */
    for (int i = 0; i < N / 2; i++)
        wire_send_command(w[i], "INCR k");
    for (int i = N / 2; i < N; i++)
        await_busy(w[i]);
    wire_run(w[N - 1], "SCRIPT KILL", "+OK");
    wire_expect(busy, KILLED);
    for (int i = 0, n = 0; i < N / 2; i++) {
        char *text = wire_read(w[i]);

        n += strcmp(text, BUSY) != 0;
        free(text);
        ck_assert_int_ge(n, i == N / 2 - 1); /* the one that waited */
    }
    for (int i = 0; i < N; i++) {
        wire_run(w[i], "PING", "+PONG");
        wire_close(w[i]);
    }
    wire_close(busy);
    server_stop(s);
}
END_TEST

static void
add_tests(Suite *s)
{
    TCase *one = tcase_create("one worker"), *own = tcase_create("own servers");

    tcase_add_unchecked_fixture(one, start_one_worker, stop_server);
    tcase_add_test(one, old_and_new_clients_of_the_one_worker_are_told);
    tcase_add_test(one, what_is_allowed_is_done);
    tcase_add_test(one, who_watches_keys_is_served_afterwards);
    tcase_add_test(one, those_of_the_same_batch_are_served);
    tcase_add_test(one, time_stands_still_for_the_script);
    tcase_add_test(own, a_script_that_has_written_is_ended_by_shutdown_only);
    tcase_add_test(own, a_worker_that_waits_for_the_keys_tells_its_clients);
    tcase_set_timeout(one, patient(30));
    tcase_set_timeout(own, patient(30));
    suite_add_tcase(s, one);
    suite_add_tcase(s, own);
}

int
main(void)
{
    Suite *s = suite_create("busy");

    if (testing_redis())
        return 77; /* these servers have directives that Redis has not */
    add_tests(s);
    return run_tests(s);
}

#else

int
main(void)
{
    return 77; /* skipped: there is no Lua */
}

#endif
