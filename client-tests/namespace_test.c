/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace_test.c - NAMESPACE and SWAPDB over the wire; flushes in the middle
 * of a batch. */
#include "client-tests/wire.h"

#include "client-tests/client.h"

#define N_KEYS 6000 /* more than a flush deletes at once */

static struct server *server;

static void
start_server(void)
{
    static const char *const args[] = {"--workers", "2", NULL};

    server = server_start(args);
}

static void
stop_server(void)
{
    server_stop(server);
}

static void
fill(redisContext *c, const char *format)
{
    char name[64];

    for (int i = 0; i < N_KEYS; i++) {
        snprintf(name, sizeof(name), format, i);
        ck_assert_int_eq(
            redisAppendCommand(c, "SET %s v", name), REDIS_OK);
    }
    for (int i = 0; i < N_KEYS; i++) {
        redisReply *r;

        ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        ck_assert_str_eq(r->str, "OK");
        freeReplyObject(r);
    }
}

/* clang-format off */
TABLE_TEST(namespaces_are_counted_and_flushed,
    {"MSET ns:1 v ns:2 v other:1 v", "+OK"},
    {"GET ns:1", "\"v\""},
    {"NAMESPACE INFO ns:",
        "re:\\[\"name\" \"ns:\" \"items\" :2 \"expires\" :0 \"bytes\" :18 "
            "\"hits\" :1 \"misses\" :0 \"sets\" :2 .*",
        "re:\\{\"name\" \"ns:\" \"items\" :2 .*"},
    {"NAMESPACE LIST x", "-ERR value is not an integer or out of range"},
    {"NAMESPACE LIST 1", "re:\\[\\[\"name\" \"ns:\" .*\\]\\]",
        "re:\\[\\{\"name\" \"ns:\" .*\\}\\]"},
    {"NAMESPACE FLUSH ns:", "+OK"},
    {"EXISTS ns:1 ns:2 other:1", ":1"},
    {"NAMESPACE FLUSH ns", "re:-ERR 'ns' is not a namespace: .*"},
    {"NAMESPACE FLUSH other:", "+OK"},
    {"DBSIZE", ":0"},
    {"NAMESPACE HELP", "re:\\[\\+NAMESPACE .*"},
    {"NAMESPACE", "-ERR wrong number of arguments for 'namespace' command"},
    {"NAMESPACE NOPE", "re:-ERR [uU]nknown subcommand .*"})

TABLE_TEST(databases_are_exchanged,
    {"SET a 0", "+OK"},
    {"SWAPDB 0 5", "+OK"},
    {"DBSIZE", ":0"},
    {"SELECT 5", "+OK"},
    {"GET a", "\"0\""},
    {"FLUSHDB", "+OK"},
    {"SELECT 0", "+OK"},
    {"SWAPDB 0 16", "-ERR DB index is out of range"},
    {"SWAPDB x 0", "-ERR invalid first DB index"},
    {"SWAPDB 0 x", "-ERR invalid second DB index"},
    {"SWAPDB 0", "-ERR wrong number of arguments for 'swapdb' command"})
/* clang-format on */

/* The keys of the whole batch are looked at before its first command runs. */
START_TEST(a_flush_in_the_middle_of_a_batch_divides_it)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);

    fill(c, "batch:%06d:x");
    wire_send_text(w,
        "GET batch:000001:x\r\nNAMESPACE FLUSH batch:\r\n"
        "GET batch:000001:x\r\nMGET batch:000001:x batch:000002:x\r\n"
        "SET batch:000001:x new\r\nGET batch:000001:x\r\n"
        "SELECT 1\r\nGET batch:000001:x\r\nSELECT 0\r\nDBSIZE\r\n"
        "FLUSHALL\r\nGET batch:000001:x\r\n");
    wire_expect_bytes(w,
        "$1\r\nv\r\n+OK\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n+OK\r\n$3\r\nnew\r\n"
        "+OK\r\n$-1\r\n+OK\r\n:1\r\n+OK\r\n$-1\r\n");
    wire_close(w);
    redisFree(c);
}
END_TEST

/* Dead items are freed by the maintenance thread. */
START_TEST(memory_comes_back_in_the_background)
{
    redisContext *c = server_connect(server);
    long long dead = 1;

    fill(c, "big:%06d:x");
    expect(c, "+OK", "NAMESPACE FLUSH big:");
    expect(c, ":0", "DBSIZE");
    for (int i = 0; i < 1000 && dead != 0; i++) {
        redisReply *r = command(c, "NAMESPACE INFO big:");

        dead = r->element[21]->integer;
        freeReplyObject(r);
        sleep_ms(10);
    }
    ck_assert_int_eq(dead, 0);
    redisFree(c);
}
END_TEST

static Suite *
namespace_suite(void)
{
    Suite *s = suite_create("namespace");
    TCase *tc = tcase_create("namespace");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, namespaces_are_counted_and_flushed);
    tcase_add_test(tc, databases_are_exchanged);
    tcase_add_test(tc, a_flush_in_the_middle_of_a_batch_divides_it);
    tcase_add_test(tc, memory_comes_back_in_the_background);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(namespace_suite());
}
