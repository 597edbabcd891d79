/* SPDX-License-Identifier: BSD-3-Clause */
/* versions_test.c - GETV, SET IFVER and DELEX IFVER over RESP2 and RESP3, and
 * that of several clients who read, compute and store by version none loses
 * what another has stored.
 */
#include "client-tests/wire.h"

#include <pthread.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define BAD_VERSION "-ERR version is not an integer or out of range"
#define SYNTAX "-ERR syntax error"

/* clang-format off */
TABLE_TEST(getv_returns_value_version_and_ttl,
    {"GETV k", "$-1"},
    {"SET k v", "+OK"},
    {"GETV k", "re:\\[\"v\" :[0-9]{16} :-1\\]"},
    {"SET k \"\" EX 100", "+OK"},
    {"GETV k", "re:\\[\"\" :[0-9]{16} :(9[0-9]{4}|100000)\\]"},
    {"GETV", ARITY("getv")},
    {"GETV k k", ARITY("getv")},
    {"COMMAND GETKEYS GETV k", "[\"k\"]"},
    {"COMMAND GETKEYSANDFLAGS SET k v IFVER 1",
        "[[\"k\" [+RW +access +update]]]",
        "[[\"k\" ~[+RW +access +update]]]"},
    {"MULTI", "+OK"},
    {"GETV k", "+QUEUED"},
    {"EXEC", "re:\\[\\[\"\" :[0-9]{16} :[0-9]+\\]\\]"})

TABLE_TEST(a_version_is_compared,
    {"SET k 1 IFVER 0", "+OK"},
    {"SET k 2 IFVER 0", "$-1"},
    {"SET k 2 IFVER 1", "$-1"},
    {"SET k 2 IFVER 9223372036854775807 GET", "\"1\""},
    {"DELEX k IFVER 1", ":0"},
    {"DELEX none IFVER 0", ":0"},
    {"SET k 2 IFVER -1", BAD_VERSION},
    {"SET k 2 IFVER 9223372036854775808", BAD_VERSION},
    {"SET k 2 IFVER 0x10", BAD_VERSION},
    {"SET k 2 IFVER \"\"", BAD_VERSION},
    {"DELEX k IFVER v", BAD_VERSION},
    {"SET k 2 IFVER", SYNTAX},
    {"SET k 2 IFVER 1 IFVER 2", SYNTAX},
    {"SET k 2 IFVER 1 XX", SYNTAX},
    {"GET k", "\"1\""})
/* clang-format on */

/* ---- lost updates -------------------------------------------------------- */

#define THREADS 6
#define ADDS 300 /* a multiple of 3 */

struct actor {
    redisContext *c;
    long long refused;
};

/* Add 1 to the number in `key`, whatever others do meanwhile. */
static long long
add_by_version(redisContext *c, const char *key)
{
    for (long long refused = 0;; refused++) {
        redisReply *got = command(c, "GETV %s", key);
        redisReply *set;
        bool done;

        if (got->type == REDIS_REPLY_NIL)
            set = command(c, "SET %s 1 IFVER 0", key);
        else
            set = command(c, "SET %s %lld IFVER %lld", key,
                atoll(got->element[0]->str) + 1, got->element[1]->integer);
        done = set->type == REDIS_REPLY_STATUS;
        ck_assert(done || set->type == REDIS_REPLY_NIL);
        freeReplyObject(got);
        freeReplyObject(set);
        if (done)
            return refused;
    }
}

static void *
add(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < ADDS; i++)
        a->refused += add_by_version(a->c, i % 3 == 0 ? "one" : "other");
    return NULL;
}

/* Returns how often somebody was refused. */
static long long
add_together(redisContext *c)
{
    struct actor actors[THREADS] = {0};
    pthread_t threads[THREADS];
    long long refused = 0;

    expect(c, "re::[0-2]", "DEL one other");
    for (int i = 0; i < THREADS; i++) {
        actors[i].c = server_connect(server);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add, &actors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        redisFree(actors[i].c);
        refused += actors[i].refused;
    }
    ck_assert_int_eq(command_int(c, "INCRBY one 0"), THREADS * ADDS / 3);
    ck_assert_int_eq(command_int(c, "INCRBY other 0"), THREADS * ADDS * 2 / 3);
    return refused;
}

/* On a busy machine the clients may not meet the first time. */
START_TEST(no_update_by_version_is_lost)
{
    redisContext *c = server_connect(server);
    long long refused = 0;

    for (int i = 0; i < 20 && refused == 0; i++)
        refused = add_together(c);
    ck_assert_msg(refused > 0, "the clients never met");
    redisFree(c);
}
END_TEST

/* One deletes and creates again while another stores by version. */
static void *
recreate(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < ADDS; i++) {
        freeReplyObject(command(a->c, "DEL gone"));
        freeReplyObject(command(a->c, "SET gone %d", i));
    }
    return NULL;
}

/* Values are never the same twice. What a conditional store was made over, a
 * GET in the same transaction tells. */
static void *
store_over_what_was_read(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < ADDS; i++) {
        redisReply *got = command(a->c, "GETV gone"), *both;

        if (got->type == REDIS_REPLY_NIL) {
            freeReplyObject(got);
            continue;
        }
        freeReplyObject(command(a->c, "MULTI"));
        freeReplyObject(command(a->c, "GET gone"));
        freeReplyObject(command(
            a->c, "SET gone mine%d IFVER %lld", i, got->element[1]->integer));
        both = command(a->c, "EXEC");
        ck_assert_uint_eq(both->elements, 2);
        if (both->element[1]->type == REDIS_REPLY_STATUS)
            ck_assert_str_eq(both->element[0]->str, got->element[0]->str);
        else
            a->refused++;
        freeReplyObject(got);
        freeReplyObject(both);
    }
    return NULL;
}

/* Returns how many writes were refused. */
static int
race_with_versions(void)
{
    struct actor actors[3] = {{0}};
    pthread_t threads[3];

    for (int i = 0; i < 3; i++) {
        actors[i].c = server_connect(server);
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL,
                i == 0 ? recreate : store_over_what_was_read, &actors[i]),
            0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        redisFree(actors[i].c);
    }
    return actors[1].refused + actors[2].refused;
}

/* With two who ask for versions, each meets values that the other has made the
 * server number; on a busy machine perhaps not the first time. */
START_TEST(a_version_never_fits_a_key_that_was_created_again)
{
    int refused = 0;

    for (int i = 0; i < 20 && refused == 0; i++)
        refused = race_with_versions();
    ck_assert_int_gt(refused, 0);
}
END_TEST

static Suite *
versions_suite(void)
{
    Suite *s = suite_create("versions");
    TCase *tc = tcase_create("versions");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, getv_returns_value_version_and_ttl);
    tcase_add_test(tc, a_version_is_compared);
    tcase_add_test(tc, no_update_by_version_is_lost);
    tcase_add_test(tc, a_version_never_fits_a_key_that_was_created_again);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(versions_suite());
}
