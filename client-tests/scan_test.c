/* SPDX-License-Identifier: BSD-3-Clause */
/* scan_test.c - SCAN: every key that stays is seen, whatever comes and goes
 * meanwhile; MATCH, COUNT and TYPE.
 */
#include "client-tests/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

/* clang-format off */
TABLE_TEST(scan_takes_options_and_refuses_bad_ones,
    {"SCAN 0", "[\"0\" []]"},
    {"SCAN 0 MATCH * COUNT 100 TYPE string", "[\"0\" []]"},
    {"MSET a:1 x a:2 x b:1 x", "+OK"},
    {"SCAN 0 COUNT 1000 MATCH b:*", "[\"0\" [\"b:1\"]]"},
    {"SCAN 0 count 1000 match a:?", "re:\\[\"0\" \\[(\"a:[12]\" ?){2}\\]\\]"},
    {"SCAN 0 COUNT 1000 MATCH a:1", "[\"0\" [\"a:1\"]]"},
    {"SCAN 0 COUNT 1000 MATCH nope", "[\"0\" []]"},
    {"SCAN 0 COUNT 1000 TYPE string", "re:\\[\"0\" \\[(\"...\" ?){3}\\]\\]"},
    {"SCAN 0 COUNT 1000 TYPE STRING", "re:\\[\"0\" \\[(\"...\" ?){3}\\]\\]"},
    {"SCAN 0 COUNT 1000 TYPE hash", "[\"0\" []]"},
    {"SCAN 0 COUNT 9223372036854775807",
        "re:\\[\"0\" \\[(\"...\" ?){3}\\]\\]"},
    {"SCAN 0 MATCH a:* MATCH b:* COUNT 1000", "[\"0\" [\"b:1\"]]"},
    {"SCAN x", "-ERR invalid cursor"},
    {"SCAN \"\"", "re:(-ERR invalid cursor|\\[\"0\" .*\\])"},
    {"SCAN 0 COUNT 0", "-ERR syntax error"},
    {"SCAN 0 COUNT -1", "-ERR syntax error"},
    {"SCAN 0 COUNT x", "-ERR value is not an integer or out of range"},
    {"SCAN 0 COUNT", "-ERR syntax error"},
    {"SCAN 0 MATCH", "-ERR syntax error"},
    {"SCAN 0 NOPE 1", "-ERR syntax error"},
    {"SCAN", "-ERR wrong number of arguments for 'scan' command"},
    {"SELECT 7", "+OK"},
    {"SCAN 0", "[\"0\" []]"},
    {"SET only7 x", "+OK"},
    {"SCAN 0", "[\"0\" [\"only7\"]]"})
/* clang-format on */

START_TEST(any_cursor_is_harmless)
{
    static const char *const cursors[] = {"1", "12345", "4294967296",
        "9223372036854775808", "18446744073709551615"};
    struct wire *w = wire_connect(server);

    for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
        char words[64];

        snprintf(words, sizeof(words), "SCAN %s", cursors[i]);
        wire_run(w, words, "re:\\[\"[0-9]+\" \\[.*\\]\\]");
    }
    wire_close(w);
}
END_TEST

/* Note which of key:0..n-1 a reply holds; returns the next cursor, as text. */
static char *
note_keys(const redisReply *r, char *seen, int n)
{
    const redisReply *keys;

    ck_assert_int_eq(r->type, REDIS_REPLY_ARRAY);
    ck_assert_uint_eq(r->elements, 2);
    keys = r->element[1];
    for (size_t i = 0; i < keys->elements; i++) {
        int k;

        if (sscanf(keys->element[i]->str, "key:%d", &k) != 1)
            continue;
        ck_assert(k >= 0 && k < n);
        if (seen[k] < 100)
            seen[k]++;
    }
    return strdup(r->element[0]->str);
}

static void
set_keys(redisContext *c, const char *fmt, int from, int to)
{
    redisReply *r;

    for (int i = from; i < to; i++)
        redisAppendCommand(c, fmt, i);
    for (int i = from; i < to; i++) {
        ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        ck_assert_int_ne(r->type, REDIS_REPLY_ERROR);
        freeReplyObject(r);
    }
}

START_TEST(a_walk_over_keys_at_rest_sees_each)
{
    enum {
        N = 5000
    };
    static const int counts[] = {1, 10, 100, 5000};
    redisContext *c = server_connect(server);
    char *seen = malloc(N), *cursor;
    long steps;

    expect(c, "+OK", "FLUSHALL");
    set_keys(c, "SET key:%d x", 0, N);
    for (size_t j = 0; j < ARRAY_LEN(counts); j++) {
        memset(seen, 0, N);
        cursor = strdup("0");
        steps = 0;
        do {
            redisReply *r = command(c, "SCAN %s COUNT %d", cursor, counts[j]);

            free(cursor);
            cursor = note_keys(r, seen, N);
            freeReplyObject(r);
            ck_assert_int_lt(++steps, 10 * N);
        } while (strcmp(cursor, "0") != 0);
        free(cursor);
        for (int i = 0; i < N; i++)
            ck_assert_msg(seen[i] == 1, "COUNT %d: key:%d seen %d times",
                counts[j], i, seen[i]);
    }
    free(seen);
    redisFree(c);
}
END_TEST

/* Keys come (so that the index grows several times) and go between the steps of
 * a walk; those that stay must all be seen. */
START_TEST(a_walk_sees_every_key_that_stays)
{
    enum {
        N = 2000,
        CHURN = 300,
        PER_STEP = 200
    };
    redisContext *c = server_connect(server);
    char *seen = calloc(1, N), *cursor = strdup("0");
    long steps = 0;

    expect(c, "+OK", "FLUSHALL");
    set_keys(c, "SET key:%d x", 0, N);
    do {
        redisReply *r = command(c, "SCAN %s COUNT 5", cursor);

        free(cursor);
        cursor = note_keys(r, seen, N);
        freeReplyObject(r);
        if (steps < CHURN) {
            int from = (int)steps * PER_STEP;

            set_keys(c, "SET new:%d x", from, from + PER_STEP);
            set_keys(c, "DEL new:%d", from, from + PER_STEP / 4);
        }
        ck_assert_int_lt(++steps, 1000000);
    } while (strcmp(cursor, "0") != 0);
    ck_assert_int_gt(steps, CHURN);
    for (int i = 0; i < N; i++)
        ck_assert_msg(seen[i] > 0, "key:%d was there and not seen", i);
    free(cursor);
    free(seen);
    redisFree(c);
}
END_TEST

START_TEST(a_walk_while_most_keys_leave_sees_the_rest)
{
    enum {
        N = 5000
    };
    redisContext *c = server_connect(server);
    char *seen = calloc(1, N), *cursor = strdup("0");
    int deleted = 0;
    long steps = 0;

    expect(c, "+OK", "FLUSHALL");
    set_keys(c, "SET key:%d x", 0, N);
    do {
        redisReply *r = command(c, "SCAN %s COUNT 50", cursor);

        free(cursor);
        cursor = note_keys(r, seen, N);
        freeReplyObject(r);
        for (int i = 0; i < 100 && deleted < N; i++, deleted++)
            if (deleted % 10 != 0)
                expect(c, ":1", "DEL key:%d", deleted);
        ck_assert_int_lt(++steps, 1000000);
    } while (strcmp(cursor, "0") != 0);
    for (int i = 0; i < N; i += 10)
        ck_assert_msg(seen[i] > 0, "key:%d was there and not seen", i);
    free(cursor);
    free(seen);
    redisFree(c);
}
END_TEST

static Suite *
scan_suite(void)
{
    Suite *s = suite_create("scan");
    TCase *tc = tcase_create("scan");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, scan_takes_options_and_refuses_bad_ones);
    tcase_add_test(tc, any_cursor_is_harmless);
    tcase_add_test(tc, a_walk_over_keys_at_rest_sees_each);
    tcase_add_test(tc, a_walk_sees_every_key_that_stays);
    tcase_add_test(tc, a_walk_while_most_keys_leave_sees_the_rest);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(scan_suite());
}
