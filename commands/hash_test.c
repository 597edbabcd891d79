/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_test.c - hashes: what a table of replies over the wire
 * (client-tests/hash_test.c) does not show. */
#include "commands/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
#define MANY 2000 /* fields: more than a small hash has */

/* HSET h f0 v0 ... f(n-1) v(n-1) */
static void
make_hash(const char *key, int n)
{
    char field[16], value[16];

    for (int i = 0; i < n; i++) {
        snprintf(field, sizeof(field), "f%d", i);
        snprintf(value, sizeof(value), "v%d", i);
        RUN(h, ":1\r\n", "HSET", key, field, value);
    }
}

/* The bulks of a reply, in their order, into words; their number. */
static size_t
bulks(const char *reply, struct str *out, size_t cap)
{
    size_t n = 0;

    while ((reply = strchr(reply, '$')) != NULL) {
        size_t len = (size_t)strtoull(reply + 1, NULL, 10);

        reply = strchr(reply, '\n') + 1;
        ck_assert_uint_lt(n, cap);
        out[n++] = (struct str){reply, len};
        reply += len;
    }
    return n;
}

/* "f17" and "v17" belong together. */
static int
number_of(struct str s, char letter)
{
    ck_assert_uint_ge(s.len, 2);
    ck_assert_int_eq(s.p[0], letter);
    return atoi(s.p + 1);
}

static struct str found[2 * MANY + 2];

START_TEST(a_large_hash_is_read_as_a_small_one)
{
    bool seen[MANY] = {false};
    size_t n;

    make_hash("h", MANY);
    RUN(h, ":2000\r\n", "HLEN", "h");
    RUN(h, "$5\r\nv1321\r\n", "HGET", "h", "f1321");
    RUN(h, "$-1\r\n", "HGET", "h", "f2000");
    RUN(h, "*3\r\n$2\r\nv0\r\n$-1\r\n$5\r\nv1999\r\n", "HMGET", "h", "f0", "x",
        "f1999");
    n = bulks(SAY(h, "HGETALL", "h"), found, ARRAY_LEN(found));
    ck_assert_uint_eq(n, 2 * MANY);
    for (size_t i = 0; i < n; i += 2) {
        int number = number_of(found[i], 'f');

        ck_assert_int_eq(number, number_of(found[i + 1], 'v'));
        ck_assert(!seen[number]);
        seen[number] = true;
    }
    RUN(h, ":1\r\n", "HDEL", "h", "f7");
    RUN(h, ":0\r\n", "HEXISTS", "h", "f7");
    RUN(h, ":1999\r\n", "HLEN", "h");
    RUN(h, "$9\r\nhashtable\r\n", "OBJECT", "ENCODING", "h");
    RUN(h, ":1\r\n", "DEL", "h");
    RUN(h, ":0\r\n", "HLEN", "h");
}
END_TEST

/* A field that is there all the time, while others come and go. */
START_TEST(hscan_visits_each_field_once)
{
    static int visits[MANY];
    char cursor[24] = "0", field[16];
    int steps = 0;

    memset(visits, 0, sizeof(visits));
    make_hash("h", MANY);
    do {
        const char *reply =
            SAY(h, "HSCAN", "h", cursor, "COUNT", "100", "MATCH", "f*");
        size_t n = bulks(reply, found, ARRAY_LEN(found));

        for (size_t i = 1; i < n; i += 2)
            visits[number_of(found[i], 'f')]++;
        snprintf(cursor, sizeof(cursor), "%.*s", STR_ARG(found[0]));
        for (int i = 0; i < 20; i++) { /* the hash grows and shrinks */
            snprintf(field, sizeof(field), "g%d", steps * 20 + i);
            SAY(h, "HSET", "h", field, "x");
            snprintf(field, sizeof(field), "f%d", MANY - 1 - steps * 20 - i);
            SAY(h, "HDEL", "h", field);
        }
        steps++;
    } while (strcmp(cursor, "0") != 0);
    ck_assert_int_gt(steps, 10);
    for (int i = 0; i < MANY - steps * 20; i++)
        ck_assert_msg(visits[i] == 1, "f%d was visited %d times", i, visits[i]);
}
END_TEST

START_TEST(hscan_may_leave_out_the_values)
{
    RUN(h, ":1\r\n", "HSET", "h", "a", "1");
    RUN(h, "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", "HSCAN", "h", "0", "NOVALUES");
    RUN(h, "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", "HSCAN", "h", "0", "COUNT",
        "5", "novalues", "MATCH", "*");
}
END_TEST

/* Chi-square of how often each of `n` fields was chosen. */
static double
unevenness(const int *times, int n, int total)
{
    double expected = (double)total / n, sum = 0;

    for (int i = 0; i < n; i++)
        sum += (times[i] - expected) * (times[i] - expected) / expected;
    return sum;
}

/* `count` as an argument, of a hash of `n` fields; negative: with repeats. */
static void
check_choices(int n, int count, int rounds)
{
    int *times = calloc((size_t)n, sizeof(int)), total = 0;
    size_t wanted = (size_t)(count < 0 ? -count : MIN(count, n));
    char text[16];

    snprintf(text, sizeof(text), "%d", count);
    for (int round = 0; round < rounds; round++) {
        size_t got = bulks(SAY(h, "HRANDFIELD", "h", text, "WITHVALUES"), found,
            ARRAY_LEN(found));
        bool *seen = calloc((size_t)n, sizeof(bool));

        ck_assert_uint_eq(got, 2 * wanted);
        for (size_t i = 0; i < got; i += 2) {
            int number = number_of(found[i], 'f');

            ck_assert_int_eq(number, number_of(found[i + 1], 'v'));
            ck_assert(count < 0 || !seen[number]);
            seen[number] = true;
            times[number]++;
            total++;
        }
        free(seen);
    }
    if (count < n) /* mean n - 1, 6 standard deviations */
        ck_assert_double_lt(
            unevenness(times, n, total), n + 6 * 1.4143 * __builtin_sqrt(n));
    free(times);
}

START_TEST(hrandfield_is_fair)
{
    make_hash("h", 10);
    check_choices(10, -50, 20);
    check_choices(10, 1, 500);
    check_choices(10, 2, 300);
    check_choices(10, 8, 200);
    check_choices(10, 10, 3);
    check_choices(10, 1000, 3);
    RUN(h, ":1\r\n", "DEL", "h");
    make_hash("h", 600);
    check_choices(600, -600, 5);
    check_choices(600, 60, 50);
    check_choices(600, 500, 8);
    check_choices(600, 600, 1);
}
END_TEST

START_TEST(hrandfield_does_not_answer_without_end)
{
    static char big[60000];

    memset(big, 'x', sizeof(big) - 1);
    RUN(h, ":1\r\n", "HSET", "h", "a", big);
    RUN(h, "-ERR reply is longer than 67108864 bytes\r\n", "HRANDFIELD", "h",
        "-4611686018427387903", "WITHVALUES");
    RUN(h, "*1\r\n$1\r\na\r\n", "HRANDFIELD", "h", "-1");
}
END_TEST

START_TEST(fields_expire_with_the_clock)
{
    RUN(h, ":2\r\n", "HSET", "h", "a", "1", "b", "2");
    RUN(h, "*1\r\n:1\r\n", "HPEXPIRE", "h", "1500", "FIELDS", "1", "a");
    RUN(h, "*2\r\n:2\r\n:-1\r\n", "HTTL", "h", "FIELDS", "2", "a", "b");
    RUN(h, "*1\r\n:1700000002\r\n", "HEXPIRETIME", "h", "FIELDS", "1", "a");
    clock_fake(NOW + 1499);
    RUN(h, "*1\r\n:1\r\n", "HPTTL", "h", "FIELDS", "1", "a");
    RUN(h, "$1\r\n1\r\n", "HGET", "h", "a");
    clock_fake(NOW + 1501);
    RUN(h, "$-1\r\n", "HGET", "h", "a");
    RUN(h, "*1\r\n:-2\r\n", "HPTTL", "h", "FIELDS", "1", "a");
    RUN(h, ":1\r\n", "HLEN", "h");
    RUN(h, "*1\r\n$1\r\nb\r\n", "HKEYS", "h");
    RUN(h, ":1\r\n", "HSET", "h", "a", "3");
    RUN(h, "*1\r\n:-1\r\n", "HTTL", "h", "FIELDS", "1", "a");
}
END_TEST

START_TEST(a_hash_whose_fields_have_expired_is_gone)
{
    RUN(h, ":1\r\n", "HSETEX", "h", "PX", "10", "FIELDS", "2", "a", "1", "b",
        "2");
    clock_fake(NOW + 11);
    RUN(h, ":0\r\n", "EXISTS", "h");
    RUN(h, "+none\r\n", "TYPE", "h");
    RUN(h, "*0\r\n", "HGETALL", "h");
    RUN(h, "$-1\r\n", "HRANDFIELD", "h");
    RUN(h, "$-1\r\n", "GET", "h");
    RUN(h, "$-1\r\n", "DUMP", "h");
    RUN(h, ":0\r\n", "EXPIRE", "h", "100");
    RUN(h, ":0\r\n", "HSETEX", "h", "FXX", "FIELDS", "1", "a", "1");
    RUN(h, ":1\r\n", "HSETEX", "h", "NX", "FIELDS", "1", "a", "1");
    RUN(h, ":1\r\n", "HLEN", "h");
}
END_TEST

START_TEST(the_deadline_of_the_key_stays)
{
    RUN(h, ":1\r\n", "HSET", "h", "a", "1");
    RUN(h, ":1\r\n", "EXPIRE", "h", "100");
    RUN(h, ":1\r\n", "HSET", "h", "b", "2");
    RUN(h, ":5\r\n", "HINCRBY", "h", "n", "5");
    RUN(h, ":1\r\n", "HDEL", "h", "a");
    RUN(h, "*1\r\n:1\r\n", "HEXPIRE", "h", "5", "FIELDS", "1", "b");
    RUN(h, ":100\r\n", "TTL", "h");
    clock_fake(NOW + 100001);
    RUN(h, ":0\r\n", "EXISTS", "h");
    RUN(h, ":1\r\n", "HSET", "h", "a", "1");
    RUN(h, ":-1\r\n", "TTL", "h");
}
END_TEST

/* ---- whole hashes ------------------------------------------------------ */

static struct buf payload;

static void
dump(const char *key)
{
    const char *at = SAY(h, "DUMP", key);
    size_t len = (size_t)strtoull(at + 1, NULL, 10);

    ck_assert_int_eq(at[0], '$');
    payload.len = 0;
    buf_append(&payload, strchr(at, '\n') + 1, len);
}

static const char *
restore(const char *key, const char *ttl, const char *word)
{
    struct str words[] = {STR("RESTORE"), str_of(key), str_of(ttl),
        {payload.p, payload.len}, str_of(word)};

    return harness_run(h, words, word[0] != '\0' ? 5 : 4);
}

START_TEST(a_restored_hash_is_the_dumped_one)
{
    RUN(h, ":3\r\n", "HSET", "h", "a", "1", "b", "", "c", "long enough");
    RUN(h, "*1\r\n:1\r\n", "HEXPIRE", "h", "10", "FIELDS", "1", "b");
    dump("h");
    ck_assert_str_eq(restore("to", "5000", ""), OK);
    RUN(h, "*3\r\n$1\r\n1\r\n$0\r\n\r\n$11\r\nlong enough\r\n", "HMGET", "to",
        "a", "b", "c");
    RUN(h, "*2\r\n:-1\r\n:10000\r\n", "HPTTL", "to", "FIELDS", "2", "a", "b");
    RUN(h, ":5000\r\n", "PTTL", "to");
    RUN(h, ":-1\r\n", "PTTL", "h");
    ck_assert_str_eq(
        restore("to", "0", ""), "-BUSYKEY Target key name already exists.\r\n");
    RUN(h, OK, "SET", "to", "x");
    ck_assert_str_eq(restore("to", "0", "REPLACE"), OK);
    RUN(h, ":3\r\n", "HLEN", "to");
    RUN(h, ":-1\r\n", "PTTL", "to");
    clock_fake(NOW + 10001);
    ck_assert_str_eq(restore("to", "0", "REPLACE"), OK);
    RUN(h, ":2\r\n", "HLEN", "to");
    buf_free(&payload);
}
END_TEST

START_TEST(a_damaged_payload_is_refused_and_loses_nothing)
{
    make_hash("h", 20);
    dump("h");
    RUN(h, OK, "SET", "to", "x");
    for (size_t i = 0; i < payload.len; i++) {
        payload.p[i] = (char)(payload.p[i] ^ 0x10);
        ck_assert_int_eq(restore("to", "0", "REPLACE")[0], '-');
        payload.p[i] = (char)(payload.p[i] ^ 0x10);
    }
    RUN(h, "$1\r\nx\r\n", "GET", "to");
    ck_assert_str_eq(restore("to", "0", "REPLACE"), OK);
    RUN(h, ":20\r\n", "HLEN", "to");
    buf_free(&payload);
}
END_TEST

START_TEST(a_large_hash_moves_whole)
{
    make_hash("h", MANY);
    RUN(h, "*1\r\n:1\r\n", "HEXPIRE", "h", "10", "FIELDS", "1", "f17");
    RUN(h, ":1\r\n", "EXPIRE", "h", "100");
    RUN(h, ":1\r\n", "COPY", "h", "copy");
    RUN(h, ":1\r\n", "HDEL", "h", "f16");
    RUN(h, OK, "RENAME", "h", "renamed");
    RUN(h, ":0\r\n", "EXISTS", "h");
    RUN(h, ":1999\r\n", "HLEN", "renamed");
    RUN(h, ":2000\r\n", "HLEN", "copy");
    RUN(h, "*2\r\n:-1\r\n:10\r\n", "HTTL", "copy", "FIELDS", "2", "f1", "f17");
    RUN(h, "*1\r\n:10\r\n", "HTTL", "renamed", "FIELDS", "1", "f17");
    RUN(h, ":100\r\n", "TTL", "copy");
    RUN(h, ":100\r\n", "TTL", "renamed");
    RUN(h, ":1\r\n", "MOVE", "copy", "3");
    RUN(h, OK, "SELECT", "3");
    RUN(h, "$5\r\nv1999\r\n", "HGET", "copy", "f1999");
}
END_TEST

START_TEST(values_may_be_long)
{
    static char big[40000];

    memset(big, 'x', sizeof(big) - 1);
    RUN(h, ":1\r\n", "HSET", "h", "a", big);
    RUN(h, ":39999\r\n", "HSTRLEN", "h", "a");
    RUN(h, ":1\r\n", "HSET", "h", "b", "1");
    ck_assert_uint_eq(bulks(SAY(h, "HGET", "h", "a"), found, 2), 1);
    ck_assert_uint_eq(found[0].len, sizeof(big) - 1);
    ck_assert_mem_eq(found[0].p, big, sizeof(big) - 1);
    RUN(h, ":0\r\n", "HSET", "h", "a", "2");
    RUN(h, "*2\r\n$1\r\n2\r\n$1\r\n1\r\n", "HMGET", "h", "a", "b");
    ck_assert_str_eq(harness_say_extent(h, (const char *[]){"HSET", "h", "c"},
                         3, (struct str){big, sizeof(big) - 1}),
        ":1\r\n");
    RUN(h, ":39999\r\n", "HSTRLEN", "h", "c");
}
END_TEST

START_TEST(writes_are_refused_when_memory_is_full)
{
    static char big[8000];
    char key[16];
    const char *reply;

    memset(big, 'x', sizeof(big) - 1);
    RUN(h, OK, "CONFIG", "SET", "maxmemory-policy", "noeviction");
    RUN(h, ":1\r\n", "HSET", "h", "a", "1");
    for (int i = 0;; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        reply = SAY(h, "HSET", key, "f", big);
        if (reply[0] == '-')
            break;
        ck_assert_str_eq(reply, ":1\r\n");
    }
    ck_assert_str_eq(reply, OOM);
    RUN(h, "$1\r\n1\r\n", "HGET", "h", "a");
    RUN(h, ":1\r\n", "HDEL", "h", "a");
    RUN(h, ":0\r\n", "EXISTS", "h");
    RUN(h, ":1\r\n", "DEL", "k0");
    RUN(h, ":1\r\n", "HSET", "h", "a", "1");
}
END_TEST

START_TEST(prefetching_changes_nothing)
{
    static const char *const set[] = {"HSET", "h", "a", "1"};
    static const char *const get[] = {"HGET", "h", "a"};

    ck_assert_str_eq(harness_say_prefetched(h, set, 4), ":1\r\n");
    ck_assert_str_eq(harness_say_prefetched(h, get, 3), "$1\r\n1\r\n");
}
END_TEST

HARNESS_MAIN("commands/hash", start_at_now, stop_at_now,
    a_large_hash_is_read_as_a_small_one, hscan_visits_each_field_once,
    hscan_may_leave_out_the_values, hrandfield_is_fair,
    hrandfield_does_not_answer_without_end, fields_expire_with_the_clock,
    a_hash_whose_fields_have_expired_is_gone, the_deadline_of_the_key_stays,
    a_restored_hash_is_the_dumped_one,
    a_damaged_payload_is_refused_and_loses_nothing, a_large_hash_moves_whole,
    values_may_be_long, writes_are_refused_when_memory_is_full,
    prefetching_changes_nothing)
