/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_test.c - MEMORY STATS and INFO under traffic: the parts add up to the
 * used memory in every reply, and the used memory is what the kernel says.
 */
#include "client-tests/wire.h"

#include <pthread.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/pattern.h"

/* Of resident memory, what the counts may differ by: a share, and what a heap
 * and the stacks of threads do between two looks of a second each. */
#define TOLERANCE_PERCENT 4
#define TOLERANCE_BYTES ((long long)3 << 20)

struct traffic {
    pthread_t thread;
    redisContext *c;
    unsigned id, errors;
    _Atomic bool stop;
};

static char filler[(size_t)1 << 20];

static void
send_some(struct traffic *t, unsigned n)
{
    static const size_t lens[] = {
        0, 10, 60, 300, 1000, 4000, 15000, 17000, 60000, 300000};
    char key[48];
    size_t len = lens[n * 7919 % ARRAY_LEN(lens)];
    unsigned k = n * 2654435761u % 3000;

    snprintf(key, sizeof(key), n % 3 ? "user:%u:%06u" : "%u-%u", t->id, k);
    redisAppendCommand(t->c, "SET %s %b", key, filler, len);
    redisAppendCommand(t->c, "APPEND %s x", key);
    redisAppendCommand(t->c, "SET ttl:%u %u PX %u", k, n, n % 900 + 10);
    redisAppendCommand(t->c, "DEL %u-%u", t->id, k / 2);
    redisAppendCommand(t->c, "SET id:%08x-0000-4000-8000-%012x v", k, k);
    redisAppendCommand(t->c, "GET %s", key);
    if (n % 500 == 499)
        redisAppendCommand(
            t->c, n % 1000 < 500 ? "NAMESPACE FLUSH user:" : "FLUSHDB");
    else
        redisAppendCommand(t->c, "PING");
}

/* A thread of its own: it counts, and the test judges. */
static void *
run_traffic(void *arg)
{
    struct traffic *t = arg;

    for (unsigned n = 0; !t->stop; n++) {
        send_some(t, n);
        for (int i = 0; i < 7; i++) {
            redisReply *r = NULL;

            if (redisGetReply(t->c, (void **)&r) != REDIS_OK ||
                r->type == REDIS_REPLY_ERROR)
                t->errors++;
            if (r == NULL)
                return NULL;
            freeReplyObject(r);
        }
    }
    return NULL;
}

/* The sum of the parts and the used memory in one reply of MEMORY STATS. */
static void
check_stats(redisContext *c)
{
    redisReply *r = command(c, "MEMORY STATS");
    long long sum = 0, used = -1;

    ck_assert_int_eq(r->type, REDIS_REPLY_ARRAY);
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        if (strncmp(r->element[i]->str, "used.", 5) == 0) {
            ck_assert_int_ge(r->element[i + 1]->integer, 0);
            sum += r->element[i + 1]->integer;
        } else if (strcmp(r->element[i]->str, "total.allocated") == 0) {
            used = r->element[i + 1]->integer;
        }
    }
    ck_assert_int_gt(used, 0);
    ck_assert_int_eq(sum, used);
    freeReplyObject(r);
}

/* The same of INFO. */
static void
check_info(redisContext *c)
{
    redisReply *r = command(c, "INFO memory");
    long long sum = 0, used = -1;

    for (const char *at = r->str; (at = strchr(at, '\n')) != NULL;) {
        at++;
        if (strncmp(at, "used_by_", 8) == 0)
            sum += atoll(strchr(at, ':') + 1);
        if (strncmp(at, "used_memory:", 12) == 0)
            used = atoll(at + 12);
    }
    ck_assert_int_gt(used, 0);
    ck_assert_int_eq(sum, used);
    freeReplyObject(r);
}

/* What is counted, against what is resident: within the tolerance, soon. */
static void
check_rss(redisContext *c, const struct server *s)
{
    double deadline = now_s() + 10;
    long long used, rss;

    if (!memory_is_judged())
        return;
    do {
        used = info_int(c, "memory", "used_memory");
        rss = (long long)server_rss_kb(s) * 1024;
        if (llabs(rss - used) <=
            used / 100 * TOLERANCE_PERCENT + TOLERANCE_BYTES)
            return;
        sleep_ms(50);
    } while (now_s() < deadline);
    ck_abort_msg("used %lld, resident %lld", used, rss);
}

static void
look_for(redisContext *c, double seconds)
{
    for (double end = now_s() + seconds; now_s() < end; sleep_ms(2)) {
        check_stats(c);
        check_info(c);
    }
}

START_TEST(the_parts_add_up_under_traffic_and_after_it)
{
    static const char *const args[] = {"--maxmemory", "128mb", "--workers", "2",
        "--maxmemory-policy", "allkeys-lru", NULL};
    struct server *s = server_start(args);
    redisContext *c = server_connect(s);
    struct traffic traffic[2] = {{.id = 1}, {.id = 2}};

    check_rss(c, s);
    for (size_t i = 0; i < ARRAY_LEN(traffic); i++) {
        traffic[i].c = server_connect(s);
        ck_assert_int_eq(
            pthread_create(&traffic[i].thread, NULL, run_traffic, &traffic[i]),
            0);
    }
    look_for(c, 0.7);
    check_rss(c, s);
    expect(c, "+OK", "CONFIG SET maxmemory 48mb");
    look_for(c, 0.5);
    check_rss(c, s);
    for (size_t i = 0; i < ARRAY_LEN(traffic); i++) {
        traffic[i].stop = true;
        pthread_join(traffic[i].thread, NULL);
        ck_assert_uint_eq(traffic[i].errors, 0);
        redisFree(traffic[i].c);
    }
    expect(c, "+OK", "FLUSHALL");
    for (double end = now_s() + patient(10);
         info_int(c, "memory", "used_by_items") > 0; sleep_ms(5)) {
        ck_assert(now_s() < end);
        look_for(c, 0);
        check_stats(c);
    }
    ck_assert_int_eq(info_int(c, "memory", "dead_item_bytes"), 0);
    ck_assert_int_eq(info_int(c, "memory", "used_by_rounding"), 0);
    check_rss(c, s);
    redisFree(c);
    server_stop(s);
}
END_TEST

static Suite *
memory_suite(void)
{
    Suite *s = suite_create("memory");
    TCase *tc = tcase_create("memory");

    tcase_set_timeout(tc, patient(60));
    tcase_add_test(tc, the_parts_add_up_under_traffic_and_after_it);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(memory_suite());
}
