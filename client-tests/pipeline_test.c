/* SPDX-License-Identifier: BSD-3-Clause */
/* pipeline_test.c - many commands at once on many connections: order, slow
 * readers that hold up nobody, limits on what waits for a client.
 */
#include "client-tests/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "client-tests/client.h"
#include "client-tests/pattern.h"
#include "client-tests/fixture.h"

START_TEST(interleaved_pipelines_keep_their_order)
{
    enum {
        CONNECTIONS = 16,
        ROUNDS = 50,
        DEPTH = 40
    };
    redisContext *c[CONNECTIONS];
    long long expected[CONNECTIONS] = {0}, last_shared = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        c[i] = server_connect(server);
    expect(c[0], "+OK", "FLUSHALL");
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            int done = 0;

            for (int j = 0; j < DEPTH; j++) {
                redisAppendCommand(c[i], "INCR own:%d", i);
                redisAppendCommand(c[i], "INCR shared");
            }
            while (!done)
                ck_assert_int_eq(redisBufferWrite(c[i], &done), REDIS_OK);
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            long long shared = 0;

            for (int j = 0; j < DEPTH; j++) {
                redisReply *own, *both;

                ck_assert_int_eq(redisGetReply(c[i], (void **)&own), REDIS_OK);
                ck_assert_int_eq(redisGetReply(c[i], (void **)&both), REDIS_OK);
                ck_assert_int_eq(own->integer, ++expected[i]);
                ck_assert_int_gt(both->integer, shared);
                shared = both->integer;
                freeReplyObject(own);
                freeReplyObject(both);
            }
            last_shared = MAX(last_shared, shared);
        }
    }
    ck_assert_int_eq(last_shared, (long long)CONNECTIONS * ROUNDS * DEPTH);
    for (int i = 0; i < CONNECTIONS; i++)
        redisFree(c[i]);
}
END_TEST

START_TEST(a_pipeline_sees_its_own_writes)
{
    struct wire *w = wire_connect(server);

    for (int i = 0; i < 200; i++)
        wire_send_text(w,
            "SET p 1\r\nGET p\r\nAPPEND p 2\r\nGETDEL p\r\n"
            "EXISTS p\r\nSETRANGE p 2 x\r\nSTRLEN p\r\nDEL p\r\n"
            "GET p\r\nINCR p\r\nEXPIRE p 0\r\nTTL p\r\n");
    for (int i = 0; i < 200; i++) {
        static const char *const replies[] = {"+OK", "\"1\"", ":2", "\"12\"",
            ":0", ":3", ":3", ":1", "$-1", ":1", ":1", ":-2"};

        for (size_t j = 0; j < ARRAY_LEN(replies); j++)
            wire_expect(w, replies[j]);
    }
    wire_close(w);
}
END_TEST

/* ---- slow readers ------------------------------------------------------- */

#define LARGE ((size_t)1 << 20)

static void
set_large(const char *key, size_t len, uint64_t seed)
{
    redisContext *c = server_connect(server);
    char *value = malloc(len);
    struct str words[] = {STR("SET"), str_of(key), {value, len}};

    pattern_fill(value, len, seed, 0);
    freeReplyObject(command_words(c, ARRAY_LEN(words), words));
    free(value);
    redisFree(c);
}

/* The longest that a PING of these clients takes, in one second. */
static double
worst_ping(struct wire **clients, int n)
{
    double worst = 0;

    for (double end = now_s() + 1; now_s() < end;) {
        for (int i = 0; i < n; i++) {
            double start = now_s();

            wire_run(clients[i], "PING", "+PONG");
            worst = MAX(worst, now_s() - start);
        }
    }
    return worst;
}

START_TEST(a_slow_reader_holds_up_nobody)
{
    enum {
        GETS = 150,
        OTHERS = 8
    };
    struct wire *slow = wire_connect(server), *others[OTHERS];
    char *got = malloc(LARGE), header[32];
    double worst;
    size_t rss_before, rss_after;

    set_large("large", LARGE, 7);
    for (int i = 0; i < OTHERS; i++)
        others[i] = wire_connect(server);
    rss_before = server_rss_kb(server);
    for (int i = 0; i < GETS; i++)
        wire_send_text(slow, "GET large\r\n");
    /* Want of a processor holds them up now and then, the reader always. */
    for (int i = 0; i < 8; i++) {
        worst = worst_ping(others, OTHERS);
        if (worst < patient(0.5))
            break;
    }
    rss_after = server_rss_kb(server);
    ck_assert_msg(worst < patient(0.5), "a PING took %.0f ms", worst * 1e3);
    /* And nothing of it is lost. */
    snprintf(header, sizeof(header), "$%zu\r\n", LARGE);
    for (int i = 0; i < GETS; i++) {
        wire_expect_bytes(slow, header);
        wire_read_bytes(slow, got, LARGE);
        ck_assert_uint_eq(pattern_wrong(got, LARGE, 7, 0), 0);
        wire_expect_bytes(slow, "\r\n");
    }
    if (memory_is_judged())
        ck_assert_msg(rss_after < rss_before + 8 * 1024,
            "resident memory grew from %zu to %zu kB for a slow reader",
            rss_before, rss_after);
    for (int i = 0; i < OTHERS; i++)
        wire_close(others[i]);
    wire_close(slow);
    free(got);
}
END_TEST

/* The value a reader is owed does not change, though its key is overwritten and
 * deleted before the bytes go out. */
START_TEST(a_slow_reader_gets_the_value_of_its_time)
{
    struct wire *slow = wire_connect(server), *other = wire_connect(server);
    size_t len = 16 * LARGE;
    char *got = malloc(len);

    set_large("moving", len, 1);
    wire_send_text(slow, "GET moving\r\n");
    wire_expect_bytes(slow, "$16777216\r\n");
    set_large("moving", len, 2);
    wire_run(other, "DEL moving", ":1");
    set_large("elsewhere", len, 3);
    wire_read_bytes(slow, got, len);
    ck_assert_uint_eq(pattern_wrong(got, len, 1, 0), 0);
    wire_expect_bytes(slow, "\r\n");
    wire_run(slow, "GET moving", "$-1");
    wire_close(other);
    wire_close(slow);
    free(got);
}
END_TEST

/* Send commands without reading until the server has closed the connection or
 * nothing happens any more. */
static bool
is_cut_off(struct wire *w, const char *command, double seconds)
{
    double end = now_s() + seconds;
    char many[65536];
    size_t len = strlen(command), n = 0;

    while (n + len <= sizeof(many)) {
        memcpy(many + n, command, len);
        n += len;
    }
    fcntl(w->fd, F_SETFL, O_NONBLOCK);
    while (now_s() < end) {
        if (send(w->fd, many, n, MSG_NOSIGNAL) < 0) {
            if (errno != EAGAIN)
                return true;
            sleep_ms(5);
        }
    }
    return false;
}

START_TEST(beyond_the_output_limit_the_slow_client_pays)
{
    struct wire *slow = wire_connect(server), *other = wire_connect(server);

    set_large("piece", 10000, 1);
    wire_run(other, "CONFIG SET client-output-buffer-limit \"normal 4mb 0 0\"",
        "+OK");
    ck_assert(is_cut_off(slow, "GET piece\r\n", patient(10)));
    wire_run(other, "PING", "+PONG");
    wire_run(
        other, "CONFIG SET client-output-buffer-limit \"normal 0 0 0\"", "+OK");
    wire_close(slow);
    wire_close(other);
}
END_TEST

/* Without a limit for clients set, what waits for one that never reads is still
 * bounded, or the client has it all: the server lives either way. */
START_TEST(a_client_that_never_reads_does_not_end_the_server)
{
    struct wire *slow = wire_connect(server), *other = wire_connect(server);

    set_large("piece", 10000, 1);
    is_cut_off(slow, "GET piece\r\n", 1);
    wire_run(other, "PING", "+PONG");
    wire_close(slow);
    wire_run(other, "PING", "+PONG");
    wire_close(other);
}
END_TEST

static void
send_now(redisContext *c)
{
    int done = 0;

    while (!done)
        ck_assert_int_eq(redisBufferWrite(c, &done), REDIS_OK);
}

/* Of two clients in one batch, the small reply first, so that the memory is not
 * left to the one that waits for the large. Clients that waited in a pause are
 * served together, those that came last first. */
START_TEST(a_busy_worker_gives_the_memory_of_large_replies_back)
{
    enum {
        LEN = 15000,
        TIMES = 1000,
        MOST = 4 << 20
    };
    static const char *const args[] = {"--workers", "1", NULL};
    static char value[LEN + 1];
    static const char *many[1 + TIMES] = {"MGET"};
    struct server *s = server_start(args);
    redisContext *c = server_connect(s), *two = server_connect(s),
                 *one = server_connect(s);
    redisReply *r;

    for (int i = 0; i < TIMES; i++)
        many[1 + i] = "k";
    memset(value, 'x', LEN);
    expect(c, "+OK", "SET k %s", value);
    expect(c, "+OK", "CLIENT PAUSE 200");
    redisAppendCommand(one, "PING");
    send_now(one);
    redisAppendCommandArgv(two, 1 + TIMES, many, NULL);
    send_now(two);
    ck_assert_int_eq(redisGetReply(one, (void **)&r), REDIS_OK);
    freeReplyObject(r);
    ck_assert_int_eq(redisGetReply(two, (void **)&r), REDIS_OK);
    ck_assert_uint_eq(r->elements, TIMES);
    ck_assert_uint_eq(r->element[TIMES - 1]->len, LEN);
    freeReplyObject(r);
    for (double end = now_s() + patient(5);
         info_int(c, "memory", "used_by_clients") > MOST; sleep_ms(10))
        ck_assert_msg(now_s() < end, "the worker keeps its buffer");
    redisFree(one);
    redisFree(two);
    redisFree(c);
    server_stop(s);
}
END_TEST

static Suite *
pipeline_suite(void)
{
    Suite *s = suite_create("pipeline");
    TCase *tc = tcase_create("pipeline");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, a_pipeline_sees_its_own_writes);
    tcase_add_test(tc, interleaved_pipelines_keep_their_order);
    tcase_add_test(tc, a_slow_reader_holds_up_nobody);
    tcase_add_test(tc, a_slow_reader_gets_the_value_of_its_time);
    tcase_add_test(tc, beyond_the_output_limit_the_slow_client_pays);
    tcase_add_test(tc, a_client_that_never_reads_does_not_end_the_server);
    tcase_add_test(tc, a_busy_worker_gives_the_memory_of_large_replies_back);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(pipeline_suite());
}
