/* SPDX-License-Identifier: BSD-3-Clause */
/* script_test.c - EVAL and its relatives over the wire, on several workers.
 *
 * The expected texts are those of Redis, but for what is said otherwise.
 */
#include "client-tests/wire.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#ifdef HAVE_LUA

#define SHA_OF_5 "4ca238f611c9d0ae4e9a75a5dbac22aedc379801" /* return 5 */

/* clang-format off */
TABLE_TEST(values_are_converted,
    {"EVAL \"return 1\" 0", ":1"},
    {"EVAL \"return 3.9\" 0", ":3"},
    {"EVAL \"return 'a'\" 0", "\"a\""},
    {"EVAL \"return nil\" 0", "$-1"},
    {"EVAL \"return true\" 0", ":1"},
    {"EVAL \"return {1,'a',{true,2}}\" 0", "[:1 \"a\" [:1 :2]]"},
    {"EVAL \"return {ok='fine'}\" 0", "+fine"},
    {"EVAL \"return {err='BAD thing'}\" 0", "-BAD thing"},
    {"EVAL \"return {double=1.5}\" 0", "\"1.5\"", ",1.5"},
    {"EVAL \"return {map={a=1}}\" 0", "[\"a\" :1]", "{\"a\" :1}"},
    {"EVAL \"return {set={a=true}}\" 0", "[\"a\"]", "~[\"a\"]"},
    {"EVAL \"redis.setresp(3) return true\" 0", ":1", "#t"},
    {"EVAL \"return {KEYS[1],ARGV[1],#KEYS,#ARGV}\" 1 k a b",
        "[\"k\" \"a\" :1 :2]"})

TABLE_TEST(commands_are_called,
    {"EVAL \"return redis.call('set',KEYS[1],ARGV[1])\" 1 k v", "+OK"},
    {"EVAL \"return redis.call('get',KEYS[1])\" 1 k", "\"v\""},
    {"EVAL \"return redis.call('get',KEYS[1])\" 1 none", "$-1"},
    {"EVAL_RO \"return redis.call('get',KEYS[1])\" 1 k", "\"v\""},
    {"EVAL \"return redis.call('mget',KEYS[1],KEYS[2])\" 2 k n",
        "[\"v\" $-1]", "[\"v\" _]"},
    {"EVAL \"return redis.pcall('incr',KEYS[1])\" 1 k",
        "-ERR value is not an integer or out of range"},
    {"EVAL \"return redis.call('incr',KEYS[1])\" 1 k",
        "-ERR value is not an integer or out of range script: "
        "6f5ade10a69975e903c6d07b10ea44c6382381a5, on @user_script:1."},
    {"EVAL \"return redis.call('nope')\" 0",
        "-ERR Unknown Redis command called from script script: "
        "f01f0776df71cc5b400c2268135aa7f30dce2e53, on @user_script:1."},
    {"EVAL_RO \"return redis.call('del',KEYS[1])\" 1 k",
        "re:-ERR Write commands are not allowed from read-only scripts\\. .*"},
    {"GET k", "\"v\""})

TABLE_TEST(calls_are_checked,
    {"EVAL", ARITY("eval")},
    {"EVAL \"return 1\"", ARITY("eval")},
    {"EVALSHA x", ARITY("evalsha")},
    {"EVAL_RO x", ARITY("eval_ro")},
    {"EVALSHA_RO x", ARITY("evalsha_ro")},
    {"EVAL \"return 1\" x", "-ERR value is not an integer or out of range"},
    {"EVAL \"return 1\" -1", "-ERR Number of keys can't be negative"},
    {"EVAL \"return 1\" 2 k",
        "-ERR Number of keys can't be greater than number of args"},
    {"EVALSHA ffffffffffffffffffffffffffffffffffffffff 0",
        "-NOSCRIPT No matching script. Please use EVAL."},
    {"EVALSHA x 0", "-NOSCRIPT No matching script. Please use EVAL."},
    {"SCRIPT", ARITY("script")},
    {"SCRIPT LOAD", ARITY("script|load")},
    {"SCRIPT LOAD x y", ARITY("script|load")},
    {"SCRIPT LOAD \"return return\"",
        "re:-ERR Error compiling script \\(new function\\): user_script:1: .*"},
    {"SCRIPT EXISTS", ARITY("script|exists")},
    {"SCRIPT FLUSH x", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"},
    {"SCRIPT KILL x", ARITY("script|kill")},
    {"SCRIPT KILL", "-NOTBUSY No scripts in execution right now."},
    {"SCRIPT DEBUG", ARITY("script|debug")},
    {"SCRIPT DEBUG x", "-ERR Use SCRIPT DEBUG YES/SYNC/NO"},
    {"SCRIPT DEBUG NO", "+OK"},
    {"SCRIPT NOPE", "-ERR unknown subcommand 'NOPE'. Try SCRIPT HELP."},
    {"COMMAND GETKEYS EVAL \"return 1\" 2 a b c", "[\"a\" \"b\"]"},
    {"COMMAND GETKEYS EVAL \"return 1\" 0", "[]"})

TABLE_TEST(scripts_are_known_to_every_connection,
    {"SCRIPT FLUSH", "+OK"},
    {"SCRIPT LOAD \"return 5\"", "\"" SHA_OF_5 "\""},
    {"EVALSHA " SHA_OF_5 " 0", ":5"},
    {"EVALSHA_RO " SHA_OF_5 " 0", ":5"},
    {"SCRIPT EXISTS " SHA_OF_5 " x", "[:1 :0]"},
    {"SCRIPT FLUSH SYNC", "+OK"},
    {"SCRIPT EXISTS " SHA_OF_5, "[:0]"})

/* Redis lets a script use keys that it has not declared. */
TABLE_TEST(keys_are_declared,
    {"EVAL \"return redis.call('set','b',1)\" 1 a",
        "re:-ERR Script attempted to access the key 'b', which it did not "
        "declare .*"},
    {"EXISTS b", ":0"},
    {"EVAL \"#!lua flags=allow-cross-slot-keys\\nreturn "
        "redis.call('set','b',1)\" 1 a", "+OK"},
    {"EVAL \"return redis.call('dbsize')\" 0", ":1"},
    {"EVAL \"return redis.call('dbsize')\" 1 a",
        "re:-ERR 'dbsize' uses all keys, but .*"},
    {"EVAL \"return redis.call('del',unpack(redis.call('keys','*')))\" 0",
        ":1"})
/* clang-format on */

/* ---- several workers ----------------------------------------------------- */

#define N 6

START_TEST(every_worker_knows_what_one_was_told)
{
    redisContext *c[N];

    for (int i = 0; i < N; i++)
        c[i] = server_connect(server);
    expect(c[0], "\"" SHA_OF_5 "\"", "SCRIPT LOAD %s", "return 5");
    for (int i = 0; i < N; i++)
        expect(c[i], ":5", "EVALSHA " SHA_OF_5 " 0");
    expect(c[1], "+OK", "SCRIPT FLUSH");
    for (int i = 0; i < N; i++)
        expect(c[i], "-NOSCRIPT No matching script. Please use EVAL.",
            "EVALSHA " SHA_OF_5 " 0");
    for (int i = 0; i < N; i++)
        redisFree(c[i]);
}
END_TEST

#define ACCOUNTS 8
#define TRANSFERS 400
#define TOTAL 1000

static const char transfer[] =
    "local from=tonumber(redis.call('get',KEYS[1])) "
    "local n=tonumber(ARGV[1]) "
    "if from<n then return 0 end "
    "redis.call('decrby',KEYS[1],n) redis.call('incrby',KEYS[2],n) return n";
static const char sum_up[] =
    "local sum=0 for i,k in ipairs(KEYS) do sum=sum+redis.call('get',k) end "
    "return sum";

static void *
move_money(void *arg)
{
    redisContext *c = arg;
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < TRANSFERS; i++) {
        int from = rand_r(&seed) % ACCOUNTS;
        int to = (from + 1 + rand_r(&seed) % (ACCOUNTS - 1)) % ACCOUNTS;
        redisReply *r = redisCommand(c, "EVAL %s 2 acc:%d acc:%d %d", transfer,
            from, to, 1 + rand_r(&seed) % 40);

        ck_assert_ptr_nonnull(r);
        ck_assert_int_eq(r->type, REDIS_REPLY_INTEGER);
        freeReplyObject(r);
    }
    return NULL;
}

START_TEST(a_script_is_one_change_to_all_others)
{
    redisContext *c = server_connect(server), *movers[4];
    pthread_t threads[4];

    for (int i = 0; i < ACCOUNTS; i++)
        expect(c, "+OK", "SET acc:%d %d", i, TOTAL);
    for (int i = 0; i < 4; i++) {
        movers[i] = server_connect(server);
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, move_money, movers[i]), 0);
    }
    for (int i = 0; i < 100; i++) {
        redisReply *r;
        long long sum = 0;

        r = command(c,
            i % 2 ? "EVAL %s 8 acc:0 acc:1 acc:2 acc:3 acc:4 acc:5 acc:6 acc:7"
                  : "EVAL_RO %s 8 acc:0 acc:1 acc:2 acc:3 acc:4 acc:5 acc:6 "
                    "acc:7",
            sum_up);
        ck_assert_int_eq(r->integer, ACCOUNTS * TOTAL);
        freeReplyObject(r);
        r = command(c, "MGET acc:0 acc:1 acc:2 acc:3 acc:4 acc:5 acc:6 acc:7");
        for (size_t k = 0; k < r->elements; k++)
            sum += atoll(r->element[k]->str);
        ck_assert_int_eq(sum, ACCOUNTS * TOTAL);
        freeReplyObject(r);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        redisFree(movers[i]);
    }
    redisFree(c);
}
END_TEST

/* ---- others meanwhile ---------------------------------------------------- */

/* Connections of all workers. */
static void
connect_all(struct wire *all[N])
{
    for (int i = 0; i < N; i++)
        all[i] = wire_connect(server);
}

/* The first to answer, while one worker is busy. */
static struct wire *
first_to_answer(struct wire *all[N])
{
    for (int i = 0; i < N; i++)
        wire_send_command(all[i], "PING");
    for (double end = now_s() + patient(10); now_s() < end;) {
        for (int i = 0; i < N; i++) {
            if (!wire_readable(all[i], 1))
                continue;
            wire_expect(all[i], "+PONG");
            return all[i];
        }
    }
    ck_abort_msg("every worker is busy");
    return NULL;
}

/* SCRIPT KILL answers so when the script has run for long enough. */
static void
await_kill(struct wire *w, const char *expected)
{
    for (double end = now_s() + patient(10); now_s() < end; sleep_ms(5)) {
        bool found;
        char *text;

        wire_send_command(w, "SCRIPT KILL");
        text = wire_read(w);
        found = strncmp(text, expected, strlen(expected)) == 0;
        free(text);
        if (found)
            return;
    }
    ck_abort_msg("SCRIPT KILL does not answer %s", expected);
}

START_TEST(a_script_that_loops_can_be_killed_from_another_worker)
{
    struct wire *busy = wire_connect(server), *all[N], *w;

    connect_all(all);
    wire_run(busy, "CONFIG SET script-time-limit 60000", "+OK");
    wire_send_command(busy, "EVAL \"while true do end\" 1 held");
    w = first_to_answer(all);
    await_kill(w, "+OK");
    covered(STR("script"), STR("kill"), COVERED);
    wire_expect(busy,
        "re:-ERR Script killed by user with SCRIPT KILL\\.\\.\\. script: .*");
    wire_run(busy, "PING", "+PONG");
    wire_run(w, "SCRIPT KILL", "-NOTBUSY No scripts in execution right now.");
    wire_run(w, "CONFIG SET script-time-limit 5000", "+OK");
    for (int i = 0; i < N; i++)
        wire_close(all[i]);
    wire_close(busy);
}
END_TEST

/* New clients are dealt to workers that no script holds up. */
START_TEST(new_clients_are_served_while_a_script_runs)
{
    struct wire *busy = wire_connect(server), *all[N];

    wire_run(busy, "CONFIG SET script-time-limit 60000", "+OK");
    wire_send_command(
        busy, "EVAL \"redis.log(3,'deals begin') while true do end\" 1 held");
    server_await_log(server, "script: deals begin");
    sleep_ms(100); /* that it takes long is known then */
    for (int i = 0; i < N; i++) {
        all[i] = wire_connect(server);
        wire_run(all[i], "SET free 1", "+OK");
    }
    await_kill(all[N - 1], "+OK");
    wire_expect(busy,
        "re:-ERR Script killed by user with SCRIPT KILL\\.\\.\\. script: .*");
    wire_run(busy, "CONFIG SET script-time-limit 5000", "+OK");
    for (int i = 0; i < N; i++)
        wire_close(all[i]);
    wire_close(busy);
}
END_TEST

/* Also one that has written. */
START_TEST(a_script_does_not_hold_up_the_end)
{
    static const char *const one[] = {
        "--workers", "1", "--script-time-limit", "600000", NULL};
    struct server *s = server_start(one);
    struct wire *busy = wire_connect(s);

    wire_send_command(busy,
        "EVAL \"redis.call('set',KEYS[1],1) redis.log(3,'it has written') "
        "while true do end\" 1 k");
    server_await_log(s, "script: it has written");
    kill(server_pid(s), SIGTERM);
    wire_expect(
        busy, "re:-ERR Script ended: the server is shutting down script: .*");
    wire_close(busy);
    server_await_end(s);
}
END_TEST

START_TEST(a_script_that_has_written_cannot_be_killed_and_ends_by_itself)
{
    struct wire *busy = wire_connect(server), *all[N], *w;

    connect_all(all);
    wire_run(busy, "CONFIG SET script-time-limit 2000", "+OK");
    wire_send_command(
        busy, "EVAL \"redis.call('set',KEYS[1],1) while true do end\" 1 k");
    w = first_to_answer(all);
    wire_run(w, "GET absent", "$-1");
    await_kill(w, "-UNKILLABLE");
    wire_run(w, "GET k", "\"1\"");
    wire_expect(busy,
        "re:-ERR Script ended: it ran longer than script-time-limit allows "
        "script: .*");
    wire_run(w, "CONFIG SET script-time-limit 5000", "+OK");
    for (int i = 0; i < N; i++)
        wire_close(all[i]);
    wire_close(busy);
}
END_TEST

/* ---- memory -------------------------------------------------------------- */

START_TEST(memory_is_counted_and_given_back)
{
    redisContext *c = server_connect(server);
    long long before;

    expect(c, "+OK", "SCRIPT FLUSH");
    expect(c, ":1", "EVAL %s 0", "return 1");
    before = info_int(c, "memory", "used_memory");
    ck_assert_int_gt(info_int(c, "memory", "used_memory_lua"), 10000);
    ck_assert_int_eq(info_int(c, "memory", "number_of_cached_scripts"), 1);
    expect(c, "re:-ERR .*not enough memory.*", "EVAL %s 0",
        "local s='x' while true do s=s..s end");
    expect(c, "re:-ERR .*not enough memory.*", "EVAL %s 0",
        "local t={} for i=1,2^30 do t[i]=i end");
    ck_assert_int_lt(info_int(c, "memory", "used_memory"), before + 1000000);
    redisFree(c);
}
END_TEST

/* ---- who hears of it ----------------------------------------------------- */

START_TEST(monitors_and_subscribers_hear_of_inner_commands)
{
    struct wire *m = wire_connect(server), *s = wire_connect(server);
    redisContext *c = server_connect(server);
    char *line;

    wire_run(s, "SUBSCRIBE ch", "[\"subscribe\" \"ch\" :1]");
    wire_run(m, "MONITOR", "+OK");
    expect(c, ":1", "EVAL %s 1 k",
        "redis.call('set',KEYS[1],'v') "
        "return redis.call('publish','ch','m')");
    line = wire_read(m);
    ck_assert_ptr_nonnull(strstr(line, "\"EVAL\""));
    free(line);
    line = wire_read(m);
    ck_assert_ptr_nonnull(strstr(line, "lua] \"set\" \"k\" \"v\""));
    free(line);
    wire_expect(s, "[\"message\" \"ch\" \"m\"]");
    redisFree(c);
    wire_close(m);
    wire_close(s);
}
END_TEST

static void
add_tests(TCase *tc)
{
    tcase_add_test(tc, values_are_converted);
    tcase_add_test(tc, commands_are_called);
    tcase_add_test(tc, calls_are_checked);
    tcase_add_test(tc, scripts_are_known_to_every_connection);
    tcase_add_test(tc, every_worker_knows_what_one_was_told);
    tcase_add_test(tc, a_script_is_one_change_to_all_others);
    tcase_add_test(tc, monitors_and_subscribers_hear_of_inner_commands);
    if (!testing_redis()) {
        tcase_add_test(tc, keys_are_declared);
        tcase_add_test(tc, memory_is_counted_and_given_back);
        tcase_add_test(
            tc, a_script_that_loops_can_be_killed_from_another_worker);
        tcase_add_test(tc, new_clients_are_served_while_a_script_runs);
        tcase_add_test(tc, a_script_does_not_hold_up_the_end);
        tcase_add_test(
            tc, a_script_that_has_written_cannot_be_killed_and_ends_by_itself);
    }
}

#else

/* clang-format off */
TABLE_TEST(without_lua_scripts_are_refused,
    {"EVAL \"return 1\" 0",
        "-ERR scripts are not there: this server was built without Lua"},
    {"SCRIPT LOAD x",
        "-ERR scripts are not there: this server was built without Lua"},
    {"SCRIPT EXISTS x", "[:0]"},
    {"SCRIPT FLUSH", "+OK"},
    {"SCRIPT DEBUG NO", "+OK"},
    {"SCRIPT KILL", "-NOTBUSY No scripts in execution right now."})
/* clang-format on */

static void
add_tests(TCase *tc)
{
    tcase_add_test(tc, without_lua_scripts_are_refused);
}

#endif

int
main(void)
{
    Suite *s = suite_create("script");
    TCase *tc = tcase_create("server");

    tcase_add_unchecked_fixture(tc, start_three_workers, stop_server);
    tcase_set_timeout(tc, patient(30));
    add_tests(tc);
    suite_add_tcase(s, tc);
    return run_tests(s);
}
