/* SPDX-License-Identifier: BSD-3-Clause */
/* concurrency_test.c - eight clients at once on the same keys: every command is
 * one indivisible step.
 */
#include "client-tests/spawn.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/pattern.h"
#include "client-tests/fixture.h"

#define THREADS 8

/* One of the threads of a test: a connection and what it found. */
struct actor {
    int id;
    redisContext *c;
    long long count;
};

/* Run `act` in THREADS threads; returns the sum of their counts. */
static long long
run_actors(void *(*act)(void *))
{
    struct actor actors[THREADS];
    pthread_t threads[THREADS];
    long long sum = 0;

    for (int i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.id = i, .c = server_connect(server)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        redisFree(actors[i].c);
        sum += actors[i].count;
    }
    return sum;
}

static redisReply *
next_reply(redisContext *c)
{
    redisReply *r;

    ck_assert_msg(
        redisGetReply(c, (void **)&r) == REDIS_OK, "no reply: %s", c->errstr);
    ck_assert_msg(r->type != REDIS_REPLY_ERROR, "%s", r->str);
    return r;
}

static void
flush(void)
{
    redisContext *c = server_connect(server);

    expect(c, "+OK", "FLUSHALL");
    redisFree(c);
}

static long long
final_int(const char *key)
{
    redisContext *c = server_connect(server);
    char *text = command_str(c, "GET %s", key);
    long long n = atoll(text);

    free(text);
    redisFree(c);
    return n;
}

/* ---- counters ----------------------------------------------------------- */

#define ADDS 4000

static void *
add(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < ADDS; i += 50) {
        for (int j = 0; j < 50; j++) {
            redisAppendCommand(a->c, "INCR sum");
            redisAppendCommand(a->c, "INCRBY sum%d %d", j % 4, a->id);
            redisAppendCommand(a->c, "DECR down");
        }
        for (int j = 0; j < 150; j++)
            freeReplyObject(next_reply(a->c));
    }
    return NULL;
}

START_TEST(increments_add_up)
{
    long long sum = 0;
    char key[16];

    flush();
    run_actors(add);
    ck_assert_int_eq(final_int("sum"), THREADS * ADDS);
    ck_assert_int_eq(final_int("down"), -THREADS * ADDS);
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "sum%d", i);
        sum += final_int(key);
    }
    ck_assert_int_eq(sum, (long long)ADDS * THREADS * (THREADS - 1) / 2);
}
END_TEST

/* ---- several keys at once ----------------------------------------------- */

/* Half of the threads write a pair of keys with one value, the others read
 * both: the values are equal at any time. */
static void *
write_or_read_pair(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < 3000; i++) {
        redisReply *r;

        if (a->id % 2 == 0) {
            r = command(a->c, "MSET left %d-%d middle x right %d-%d", a->id, i,
                a->id, i);
            freeReplyObject(r);
            continue;
        }
        r = command(a->c, i % 2 ? "MGET left right" : "MGET right middle left");
        if (r->element[0]->type == REDIS_REPLY_STRING) {
            ck_assert_str_eq(
                r->element[0]->str, r->element[r->elements - 1]->str);
            a->count++;
        }
        freeReplyObject(r);
    }
    return NULL;
}

START_TEST(mset_and_mget_are_indivisible)
{
    redisContext *c = server_connect(server);

    flush();
    expect(c, "+OK", "MSET left 0-0 right 0-0"); /* for readers who are first */
    redisFree(c);
    ck_assert_int_gt(run_actors(write_or_read_pair), 1000);
}
END_TEST

/* MSETNX of overlapping pairs: who wins one key wins the other. */
static void *
take_pair(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < 1500; i++) {
        int other = i + 1500;

        a->count += a->id % 2
            ? command_int(a->c, "MSETNX x%d %d x%d %d", i, a->id, other, a->id)
            : command_int(a->c, "MSETNX x%d %d x%d %d", other, a->id, i, a->id);
    }
    return NULL;
}

START_TEST(msetnx_has_one_winner_for_all_its_keys)
{
    redisContext *c = server_connect(server);

    flush();
    ck_assert_int_eq(run_actors(take_pair), 1500);
    for (int i = 0; i < 1500; i++) {
        redisReply *r = command(c, "MGET x%d x%d", i, i + 1500);

        ck_assert_str_eq(r->element[0]->str, r->element[1]->str);
        freeReplyObject(r);
    }
    redisFree(c);
}
END_TEST

/* ---- one winner --------------------------------------------------------- */

#define PRIZES 2000

static void *
set_nx(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < PRIZES; i++) {
        redisReply *r = i % 2 ? command(a->c, "SET prize%d %d NX", i, a->id)
                              : command(a->c, "SETNX prize%d %d", i, a->id);

        a->count += r->type == REDIS_REPLY_STATUS || r->integer == 1;
        freeReplyObject(r);
    }
    return NULL;
}

START_TEST(set_nx_has_one_winner)
{
    flush();
    ck_assert_int_eq(run_actors(set_nx), PRIZES);
}
END_TEST

static void *
get_del(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < PRIZES; i++) {
        redisReply *r = command(a->c, "GETDEL prize%d", i);

        a->count += r->type == REDIS_REPLY_STRING;
        freeReplyObject(r);
    }
    return NULL;
}

static void *
del(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < PRIZES; i++)
        a->count += command_int(a->c,
            a->id % 2 ? "DEL prize%d absent" : "UNLINK absent prize%d", i);
    return NULL;
}

START_TEST(getdel_and_del_remove_once)
{
    flush();
    ck_assert_int_eq(run_actors(set_nx), PRIZES);
    ck_assert_int_eq(run_actors(get_del), PRIZES);
    ck_assert_int_eq(run_actors(set_nx), PRIZES);
    ck_assert_int_eq(run_actors(del), PRIZES);
}
END_TEST

/* GETSET hands each value on exactly once: the sums of what went in and what
 * came out differ by what is left. */
static void *
get_set(void *arg)
{
    struct actor *a = arg;

    for (int i = 1; i <= 3000; i++) {
        redisReply *r = i % 2
            ? command(a->c, "GETSET baton %d", a->id * 10000 + i)
            : command(a->c, "SET baton %d GET", a->id * 10000 + i);

        a->count += a->id * 10000 + i;
        if (r->type == REDIS_REPLY_STRING)
            a->count -= atoll(r->str);
        freeReplyObject(r);
    }
    return NULL;
}

START_TEST(getset_hands_each_value_on_once)
{
    long long left;

    flush();
    left = run_actors(get_set);
    ck_assert_int_eq(left, final_int("baton"));
}
END_TEST

/* ---- values that grow --------------------------------------------------- */

#define APPENDS 1500

static void *
append(void *arg)
{
    struct actor *a = arg;
    long long len = 0, now;

    for (int i = 0; i < APPENDS; i++) {
        now = command_int(a->c, "APPEND log <%d:%04d>", a->id, i);
        ck_assert_int_gt(now, len);
        len = now;
    }
    return NULL;
}

START_TEST(appends_are_all_there_and_in_order)
{
    redisContext *c = server_connect(server);
    int next[THREADS] = {0}, id, n;
    char *log;

    flush();
    run_actors(append);
    log = command_str(c, "GET log");
    ck_assert_uint_eq(strlen(log), THREADS * APPENDS * 8);
    for (char *p = log; *p != '\0'; p += 8) {
        ck_assert_int_eq(sscanf(p, "<%d:%d>", &id, &n), 2);
        ck_assert_int_eq(n, next[id]++);
    }
    free(log);
    redisFree(c);
}
END_TEST

/* ---- whole values ------------------------------------------------------- */

#define HOT_KEYS 16

/* All read and replace a few keys with values of many sizes, which must always
 * be whole: the first 8 bytes name the seed of the rest. */
static void *
read_and_replace(void *arg)
{
    struct actor *a = arg;
    uint64_t state = (uint64_t)a->id + 1;
    char key[16], *value = malloc(70000);

    for (int i = 0; i < 4000; i++) {
        size_t len;
        redisReply *r;

        state = state * 6364136223846793005u + 1442695040888963407u;
        snprintf(key, sizeof(key), "hot%d", (int)(state >> 60) % HOT_KEYS);
        if ((state >> 40) % 4 == 0) {
            len = 8 + (state >> 33) % ((state >> 20) % 32 == 0 ? 60000 : 3000);
            memcpy(value, &state, 8);
            pattern_fill(value + 8, len - 8, state, 0);
            r = command_words(
                a->c, 3, (struct str[]){STR("SET"), str_of(key), {value, len}});
        } else if ((state >> 40) % 64 == 1) {
            r = command(a->c, "DEL %s", key);
        } else {
            r = command(a->c, "GET %s", key);
            if (r->type == REDIS_REPLY_STRING) {
                uint64_t seed;

                ck_assert_uint_ge(r->len, 8);
                memcpy(&seed, r->str, 8);
                ck_assert_uint_eq(
                    pattern_wrong(r->str + 8, (size_t)r->len - 8, seed, 0), 0);
                a->count++;
            }
        }
        freeReplyObject(r);
    }
    free(value);
    return NULL;
}

START_TEST(values_being_replaced_are_read_whole)
{
    flush();
    ck_assert_int_gt(run_actors(read_and_replace), 10000);
}
END_TEST

/* Keys come, go and expire while others walk, flush and measure: no reply but a
 * proper one, and the server lives. */
static void *
disturb(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < 1500; i++) {
        switch (a->id) {
        case 0:
            freeReplyObject(command(a->c, "SCAN %d COUNT 100", i * 64));
            break;
        case 1:
            freeReplyObject(command(a->c, i % 100 ? "DBSIZE" : "FLUSHALL"));
            break;
        case 2:
            freeReplyObject(command(a->c, i % 8 ? "RANDOMKEY" : "KEYS d:1*"));
            break;
        case 3:
            freeReplyObject(command(a->c, "EXPIRE d:%d %d", i % 700, i % 2));
            break;
        case 4:
            freeReplyObject(command(a->c, i % 8 ? "INFO keyspace" : "INFO"));
            break;
        default:
            for (int j = 0; j < 10; j++)
                redisAppendCommand(a->c, "SET d:%d %d PX %d",
                    (i * 31 + j * 7 + a->id) % 1000, i, 1 + j * 3);
            for (int j = 0; j < 10; j++)
                freeReplyObject(next_reply(a->c));
        }
    }
    return NULL;
}

START_TEST(walks_and_flushes_go_along_with_writes)
{
    redisContext *c = server_connect(server);

    flush();
    run_actors(disturb);
    expect(c, "+OK", "FLUSHALL");
    ck_assert_int_eq(command_int(c, "DBSIZE"), 0);
    redisFree(c);
}
END_TEST

static Suite *
concurrency_suite(void)
{
    Suite *s = suite_create("concurrency");
    TCase *tc = tcase_create("eight clients");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, increments_add_up);
    tcase_add_test(tc, set_nx_has_one_winner);
    tcase_add_test(tc, getdel_and_del_remove_once);
    tcase_add_test(tc, getset_hands_each_value_on_once);
    tcase_add_test(tc, mset_and_mget_are_indivisible);
    tcase_add_test(tc, msetnx_has_one_winner_for_all_its_keys);
    tcase_add_test(tc, appends_are_all_there_and_in_order);
    tcase_add_test(tc, values_being_replaced_are_read_whole);
    tcase_add_test(tc, walks_and_flushes_go_along_with_writes);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(concurrency_suite());
}
