/* SPDX-License-Identifier: BSD-3-Clause */
/* eviction_test.c - a full cache: writes go on, memory stays below the limit,
 * policies spare what they promise to spare, the limit moves at run time.
 */
#include "client-tests/wire.h"

#include <pthread.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/pattern.h"

#define LIMIT ((size_t)32 << 20)
#define BATCH 64

static const char oom[] =
    "OOM command not allowed when used memory > 'maxmemory'.";

/* A server with a limit of 32 MiB and a policy. */
static struct server *
start_limited(const char *policy)
{
    const char *const args[] = {
        "--maxmemory", "32mb", "--maxmemory-policy", policy, NULL};

    return server_start(args);
}

/* Room for the largest value that a test writes. */
static char value[(size_t)2 << 20];

static void
append_set(redisContext *c, const char *prefix, int n, size_t len, int ttl_s)
{
    char key[64], ttl[16];
    const char *words[] = {"SET", key, value, "EX", ttl};
    size_t lens[] = {3, 0, len, 2, 0};

    lens[1] = (size_t)snprintf(key, sizeof(key), "%s%d", prefix, n);
    lens[4] = (size_t)snprintf(ttl, sizeof(ttl), "%d", ttl_s);
    pattern_fill(value, len, (uint64_t)n, 0);
    ck_assert_int_eq(
        redisAppendCommandArgv(c, ttl_s > 0 ? 5 : 3, words, lens), REDIS_OK);
}

/* Read `n` replies, +OK or -OOM and nothing else; returns how many were
 * -OOM. */
static int
count_oom(redisContext *c, int n)
{
    int n_oom = 0;

    for (int i = 0; i < n; i++) {
        redisReply *r;

        ck_assert_msg(redisGetReply(c, (void **)&r) == REDIS_OK, "no reply: %s",
            c->errstr);
        if (r->type == REDIS_REPLY_ERROR) {
            ck_assert_str_eq(r->str, oom);
            n_oom++;
        } else {
            ck_assert_str_eq(r->str, "OK");
        }
        freeReplyObject(r);
    }
    return n_oom;
}

/* A length from lo to hi, every doubling as likely as another. */
static size_t
random_len(uint64_t *state, size_t lo, size_t hi)
{
    unsigned n_doublings = 1;
    size_t len;

    while (lo << n_doublings < hi)
        n_doublings++;
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    len = lo << (*state >> 33) % n_doublings;
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return MIN(hi, len + (size_t)(*state >> 33) % len);
}

/* SET prefix0.. to `total` bytes of values between lo and hi long; returns how
 * many. No write may fail. */
static int
write_bytes(redisContext *c, const char *prefix, size_t total, size_t lo,
    size_t hi, int ttl_s)
{
    uint64_t state = 1;
    size_t written = 0;
    int n = 0;

    while (written < total) {
        int in_batch = 0;

        for (; in_batch < BATCH && written < total; in_batch++) {
            size_t len = random_len(&state, lo, hi);

            append_set(c, prefix, n++, len, ttl_s);
            written += len;
        }
        ck_assert_int_eq(count_oom(c, in_batch), 0);
    }
    return n;
}

/* Read prefix0..n-1: each value must be whole. Returns the bytes found. */
static size_t
check_values(redisContext *c, const char *prefix, int n, int *n_found)
{
    size_t bytes = 0;

    *n_found = 0;
    for (int from = 0; from < n; from += BATCH) {
        int to = MIN(n, from + BATCH);

        for (int i = from; i < to; i++)
            redisAppendCommand(c, "GET %s%d", prefix, i);
        for (int i = from; i < to; i++) {
            redisReply *r;

            ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
            ck_assert_int_ne(r->type, REDIS_REPLY_ERROR);
            if (r->type == REDIS_REPLY_STRING) {
                size_t len = (size_t)r->len;

                ck_assert_uint_eq(
                    pattern_wrong(r->str, len, (uint64_t)i, 0), 0);
                bytes += len;
                *n_found += 1;
            }
            freeReplyObject(r);
        }
    }
    return bytes;
}

static void
check_peak(const struct server *s, size_t limit)
{
    size_t peak;

    if (!memory_is_judged())
        return;
    peak = server_hwm_kb(s) * 1024;
    ck_assert_msg(peak <= limit + limit / 10,
        "peak of resident memory %zu, limit %zu", peak, limit);
}

START_TEST(ten_times_the_limit_is_written_without_an_error)
{
    struct server *s = start_limited("allkeys-lru");
    redisContext *c = server_connect(s);
    size_t total = patient(1) > 1 ? 3 * LIMIT : 10 * LIMIT, bytes;
    int n, n_found;

    n = write_bytes(c, "k", total, 64, 65536, 0);
    bytes = check_values(c, "k", n, &n_found);
    ck_assert_int_gt(info_int(c, "stats", "evicted_keys"), 0);
    ck_assert_msg(bytes > LIMIT / 2 && bytes <= LIMIT,
        "%zu bytes of values are kept", bytes);
    ck_assert_uint_le(
        (size_t)info_int(c, "memory", "used_memory"), LIMIT + LIMIT / 10);
    check_peak(s, LIMIT);
    redisFree(c);
    server_stop(s);
}
END_TEST

/* Write values one by one, and read each at once; returns how many there were. */
static int
count_read_back(redisContext *c, const char *prefix, int first, int n,
    size_t len)
{
    int found = 0;

    for (int i = first; i < first + n; i++) {
        redisReply *r;

        append_set(c, prefix, i, len, 0);
        ck_assert_int_eq(count_oom(c, 1), 0);
        r = redisCommand(c, "STRLEN %s%d", prefix, i);
        ck_assert_ptr_nonnull(r);
        found += r->integer == (long long)len;
        freeReplyObject(r);
    }
    return found;
}

/* How fast new sizes take over is the policy's business, and whether it keeps
 * any of few large ones that nobody has asked for. */
START_TEST(a_shift_of_sizes_is_survived)
{
    static const struct {
        size_t lo, hi;
    } phases[] = {{200, 400}, {9000, 11000}, {900000, 1100000}, {200, 400},
        {20000, 40000}};
    struct server *s = start_limited("allkeys-lru");
    redisContext *c = server_connect(s);

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        char prefix[8] = {'p', (char)('0' + i), ':', '\0'};
        size_t total = LIMIT * (phases[i].hi < 1000 ? 1 : 2);
        int n, n_found;

        n = write_bytes(c, prefix, total, phases[i].lo, phases[i].hi, 0);
        (void)check_values(c, prefix, n, &n_found);
        if (phases[i].hi < LIMIT / 100)
            ck_assert_msg(n_found > 0, "phase %zu: nothing is kept", i);
        n_found = count_read_back(c, prefix, n, 20, phases[i].lo);
        ck_assert_msg(n_found >= 15, "phase %zu: %d of 20 are kept", i,
            n_found);
    }
    check_peak(s, LIMIT);
    redisFree(c);
    server_stop(s);
}
END_TEST

/* Redis counts the age of a key in seconds: the pauses let keys grow old. */
START_TEST(keys_in_use_outlive_keys_that_are_not)
{
    struct server *s = start_limited("allkeys-lru");
    redisContext *c = server_connect(s);
    int n_found;

    write_bytes(c, "cold", LIMIT, 1000, 2000, 0);
    for (int i = 0; i < 100; i++)
        append_set(c, "hot", i, 1000, 0);
    ck_assert_int_eq(count_oom(c, 100), 0);
    for (int round = 0; round < 30; round++) {
        char prefix[24];

        if (round % 10 == 0)
            sleep_ms(1100);
        check_values(c, "hot", 100, &n_found);
        snprintf(prefix, sizeof(prefix), "cold%d:", round);
        write_bytes(c, prefix, LIMIT / 20, 1000, 2000, 0);
    }
    check_values(c, "hot", 100, &n_found);
    ck_assert_msg(n_found > 80, "%d of 100 keys in use are left", n_found);
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(without_eviction_writes_fail_and_reads_do_not)
{
    struct server *s = start_limited("noeviction");
    redisContext *c = server_connect(s);
    int n = 0, n_found, n_oom = 0;

    while (n_oom == 0) {
        for (int i = 0; i < BATCH; i++)
            append_set(c, "k", n++, 1000, 0);
        n_oom = count_oom(c, BATCH);
        ck_assert_int_lt(n, 64000);
    }
    ck_assert_msg(n > 16000, "full at %d values of 1000 bytes", n);
    ck_assert_int_eq(info_int(c, "stats", "evicted_keys"), 0);
    check_values(c, "k", n, &n_found);
    ck_assert_int_ge(n_found, n - BATCH);
    expect(c, ":1", "EXISTS k0");
    expect(c, ":1", "EXPIRE k0 1000");
    expect(c, ":1", "DEL k1");
    /* Room again, and soon: half of the keys go. */
    for (int i = 2; i < n / 2; i++)
        expect(c, "re::[01]", "DEL k%d", i);
    for (int i = 0; i < n / 8; i++)
        append_set(c, "again", i, 1000, 0);
    ck_assert_int_eq(count_oom(c, n / 8), 0);
    check_peak(s, LIMIT);
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(every_command_that_needs_memory_says_oom)
{
    static const char *const writes[] = {"SET new %s", "APPEND k0 %s",
        "SETRANGE k0 5000 %s", "MSET new %s", "SETNX new %s",
        "SETEX new 100 %s", "GETSET k0 %s"};
    struct server *s = start_limited("noeviction");
    redisContext *c = server_connect(s);
    int n = 0;

    while (n < 64000 && count_oom(c, 0) == 0) {
        append_set(c, "k", n++, 100000, 0);
        if (count_oom(c, 1) == 1)
            break;
    }
    ck_assert_int_lt(n, 64000);
    /* Fill up the last holes, too. */
    for (n = 0; n < 64000; n++) {
        append_set(c, "small", n, 500, 0);
        if (count_oom(c, 1) == 1)
            break;
    }
    memset(value, 'v', 200000);
    value[200000] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        redisReply *r = command(c, writes[i], value);

        ck_assert_msg(r->type == REDIS_REPLY_ERROR && strcmp(r->str, oom) == 0,
            "%s: %s", writes[i], r->str);
        freeReplyObject(r);
    }
    expect(c, "$-1", "GET new");
    expect(c, ":100000", "STRLEN k0");
    redisFree(c);
    server_stop(s);
}
END_TEST

/* Commands that Redis does not flag `denyoom`, with the limit far below what is
 * in use. */
START_TEST(commands_that_store_no_new_value_are_never_refused)
{
    static const char *const writes[][2] = {
        {"PEXPIRE k%d 100000", ":1"},
        {"PERSIST k%d", ":1"},
        {"GETEX k%d EX 1000", "re:\".*"},
        {"EXPIREAT k%d 4000000000", ":1"},
        {"RENAME k%d a:much:longer:name:than:the:former:one:%d", "+OK"},
        {"RENAMENX a:much:longer:name:than:the:former:one:%d k%d", ":1"},
        {"MOVE k%d 9", ":1"},
        {"HPERSIST h%d FIELDS 1 f0", "[:-1]"},
        {"HGETEX h%d EX 1000 FIELDS 1 f0", "[\"v\"]"},
        {"HDEL h%d f1", ":1"},
        {"HGETDEL h%d FIELDS 1 f2", "[\"v\"]"},
        {"RENAME h%d another:name:%d", "+OK"},
        {"PEXPIRE another:name:%d 100000", ":1"},
        {"DEL another:name:%d", ":1"},
    };
    struct server *s = start_limited("noeviction");
    redisContext *c = server_connect(s);

    for (int i = 0; i < 500; i++) {
        expect(c, ":4", "HSET h%d f0 v f1 v f2 v f3 v", i);
        append_set(c, "k", i, (size_t)(20 + i * 41 % 3000), 0);
        ck_assert_int_eq(count_oom(c, 1), 0);
    }
    append_set(c, "k", 7, sizeof(value), 0); /* moved without room for a copy */
    ck_assert_int_eq(count_oom(c, 1), 0);
    expect(c, "+OK", "CONFIG SET maxmemory 1");
    for (size_t w = 0; w < ARRAY_LEN(writes); w++)
        for (int i = 0; i < 500; i++)
            expect(c, writes[w][1], writes[w][0], i, i);
    expect(c, "-OOM command not allowed when used memory > 'maxmemory'.",
        "SET more v");
    redisFree(c);
    server_stop(s);
}
END_TEST

/* What is in use without any key is more. */
START_TEST(a_tiny_limit_empties_the_cache_and_can_be_taken_back)
{
    struct server *s = start_limited("allkeys-lru");
    redisContext *c = server_connect(s);

    write_bytes(c, "k", LIMIT / 2, 100, 40000, 0);
    expect(c, "+OK", "CONFIG SET maxmemory 1");
    expect(c, "[\"maxmemory\" \"1\"]", "CONFIG GET maxmemory");
    for (double end = now_s() + patient(10);
         info_int(c, "stats", "evicted_keys") == 0 ||
         info_int(c, "memory", "slab_page_bytes") > 0;
         sleep_ms(5))
        ck_assert_msg(now_s() < end, "something is left");
    expect(c, ":0", "DBSIZE");
    expect(c, "-OOM command not allowed when used memory > 'maxmemory'.",
        "SET k1 v");
    expect(c, "$-1", "GET k1");
    expect(c, ":0", "DEL k1");
    expect(c, "+OK", "MULTI");
    expect(c, "-OOM command not allowed when used memory > 'maxmemory'.",
        "SET k1 v");
    expect(c, "+OK", "DISCARD");
    expect(c, "+OK", "CONFIG SET maxmemory 32mb");
    write_bytes(c, "k", LIMIT / 2, 100, 40000, 0);
    expect(c, "+OK", "SET k1 v");
    expect(c, "\"v\"", "GET k1");
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(a_tiny_limit_without_eviction_keeps_all_and_takes_nothing)
{
    struct server *s = start_limited("noeviction");
    redisContext *c = server_connect(s);
    int n, n_found;

    n = write_bytes(c, "k", LIMIT / 4, 100, 40000, 0);
    expect(c, "+OK", "MULTI");
    expect(c, "+QUEUED", "SET more v");
    expect(c, "+QUEUED", "GET more");
    expect(c, "+QUEUED", "CONFIG SET maxmemory 1");
    expect(c, "[+OK \"v\" +OK]", "EXEC");
    expect(c, "-OOM command not allowed when used memory > 'maxmemory'.",
        "SET more w");
    check_values(c, "k", n, &n_found);
    ck_assert_int_eq(n_found, n);
    expect(c, ":1", "EXPIRE k0 1000");
    expect(c, ":2", "DEL more k0");
    expect(c, "+OK", "CONFIG SET maxmemory 32mb");
    expect(c, "+OK", "SET more w");
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(volatile_policies_evict_only_what_would_expire)
{
    static const char *const policies[] = {
        "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"};
    struct server *s = start_limited(policies[_i]);
    redisContext *c = server_connect(s);
    int n_kept, n_found;

    n_kept = write_bytes(c, "kept", 4 << 20, 100, 4000, 0);
    write_bytes(c, "volatile", 3 * LIMIT, 100, 4000, 1000);
    ck_assert_int_gt(info_int(c, "stats", "evicted_keys"), 0);
    check_values(c, "kept", n_kept, &n_found);
    ck_assert_int_eq(n_found, n_kept);
    check_peak(s, LIMIT);
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(a_volatile_policy_without_volatile_keys_says_oom)
{
    struct server *s = start_limited("volatile-lru");
    redisContext *c = server_connect(s);
    int n = 0;

    do {
        append_set(c, "k", n++, 10000, 0);
        ck_assert_int_lt(n, 10000);
    } while (count_oom(c, 1) == 0);
    expect(c, "+OK", "CONFIG SET maxmemory-policy allkeys-lru");
    for (int i = 0; i < 1000; i++)
        append_set(c, "more", i, 10000, 0);
    ck_assert_int_eq(count_oom(c, 1000), 0);
    redisFree(c);
    server_stop(s);
}
END_TEST

/* Wait until used_memory is below `limit`. */
static void
await_used_below(redisContext *c, size_t limit)
{
    double deadline = now_s() + patient(10);
    size_t used;

    while ((used = (size_t)info_int(c, "memory", "used_memory")) > limit &&
        now_s() < deadline)
        sleep_ms(20);
    ck_assert_msg(used <= limit, "used_memory %zu, limit %zu", used, limit);
}

START_TEST(the_limit_can_be_raised_and_lowered_at_run_time)
{
    static const char *const args[] = {
        "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", NULL};
    struct server *s = server_start(args);
    redisContext *c = server_connect(s);
    size_t rss_kb, small, large;
    double deadline;
    int n, n_found;

    n = write_bytes(c, "a", 3 * LIMIT, 100, 40000, 0);
    ck_assert_uint_gt(check_values(c, "a", n, &n_found), LIMIT);
    expect(c, "+OK", "CONFIG SET maxmemory 24mb");
    await_used_below(c, ((size_t)24 << 20) + ((size_t)5 << 19));
    small = check_values(c, "a", n, &n_found);
    ck_assert_uint_le(small, (size_t)24 << 20);
    ck_assert_uint_gt(small, (size_t)8 << 20);
    if (memory_is_judged()) {
        deadline = now_s() + 10;
        do {
            rss_kb = server_rss_kb(s);
            sleep_ms(20);
        } while (rss_kb > 24 * 1024 * 11 / 10 && now_s() < deadline);
        ck_assert_msg(rss_kb <= 24 * 1024 * 11 / 10,
            "resident %zu kB 10 s after the limit became 24 MiB", rss_kb);
    }
    write_bytes(c, "b", LIMIT, 100, 40000, 0);
    expect(c, "+OK", "CONFIG SET maxmemory 64mb");
    n = write_bytes(c, "c", 3 * LIMIT, 100, 40000, 0);
    large = check_values(c, "c", n, &n_found);
    ck_assert_uint_gt(large, (size_t)24 << 20);
    redisFree(c);
    server_stop(s);
}
END_TEST

/* ---- the limit at full speed --------------------------------------------- */

#define TIGHT_LIMIT ((size_t)64 << 20)

struct writer {
    pthread_t thread;
    redisContext *c;
    size_t len; /* of a value; up to an eighth more */
    size_t share; /* to be written */
    unsigned id, n_replies, n_errors;
};

/* Pipelines of a quarter of a MiB, until the share is written. A thread of its
 * own: it counts, and the test judges. */
static void *
write_share(void *arg)
{
    static const char filler[2 << 20];
    struct writer *w = arg;
    size_t written = 0;

    for (unsigned n = 0; written < w->share;) {
        unsigned in_batch = 0;

        for (size_t bytes = 0; bytes < 256 * KIB; in_batch++, n++) {
            size_t len = w->len + n % (w->len / 8 + 1);

            char key[48];
            const char *words[] = {"SET", key, filler};
            size_t lens[] = {3, 0, len};

            lens[1] = (size_t)snprintf(
                key, sizeof(key), "%zu:%u:%u", w->len, w->id, n);
            redisAppendCommandArgv(w->c, 3, words, lens);
            bytes += len;
            written += len;
        }
        for (; in_batch > 0; in_batch--) {
            redisReply *r = NULL;

            if (redisGetReply(w->c, (void **)&r) != REDIS_OK) {
                w->n_errors++;
                return NULL;
            }
            if (r->type == REDIS_REPLY_ERROR && w->n_errors++ == 0)
                fprintf(stderr, "len %zu: %s\n", w->len, r->str);
            w->n_replies++;
            freeReplyObject(r);
        }
    }
    return NULL;
}

/* All of the process counts: client buffers, tables, the program itself. */
START_TEST(the_peak_stays_at_the_limit_while_sizes_shift_at_full_speed)
{
    static const size_t lens[] = {100, 1000, 20000, 1000000, 300};
    static const char *const args[] = {
        "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", NULL};
    struct server *s = server_start(args);
    struct writer writers[4] = {{0}};
    /* with sanitizers, what is just enough to evict in each phase */
    size_t share = patient(1) > 1 ? TIGHT_LIMIT / 8 : TIGHT_LIMIT / 2;

    for (unsigned i = 0; i < ARRAY_LEN(writers); i++)
        writers[i] = (struct writer){
            .c = server_connect(s), .id = i, .share = share};
    for (size_t phase = 0; phase < ARRAY_LEN(lens); phase++) {
        for (unsigned i = 0; i < ARRAY_LEN(writers); i++) {
            writers[i].len = lens[phase];
            ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
                                 write_share, &writers[i]),
                0);
        }
        for (unsigned i = 0; i < ARRAY_LEN(writers); i++)
            pthread_join(writers[i].thread, NULL);
    }
    for (unsigned i = 0; i < ARRAY_LEN(writers); i++) {
        ck_assert_uint_eq(writers[i].n_errors, 0);
        ck_assert_uint_gt(writers[i].n_replies, share / 400);
        redisFree(writers[i].c);
    }
    if (memory_is_judged())
        ck_assert_msg(server_hwm_kb(s) * 1024 <= TIGHT_LIMIT / 100 * 103,
            "peak of resident memory %zu kB", server_hwm_kb(s));
    server_stop(s);
}
END_TEST

static Suite *
eviction_suite(void)
{
    Suite *s = suite_create("eviction");
    TCase *tc = tcase_create("eviction");

    tcase_set_timeout(tc, patient(120)); /* 640 MB through one test */
    tcase_add_test(tc, ten_times_the_limit_is_written_without_an_error);
    tcase_add_test(tc, a_shift_of_sizes_is_survived);
    tcase_add_test(tc, keys_in_use_outlive_keys_that_are_not);
    tcase_add_test(tc, without_eviction_writes_fail_and_reads_do_not);
    tcase_add_test(tc, every_command_that_needs_memory_says_oom);
    tcase_add_test(tc, commands_that_store_no_new_value_are_never_refused);
    tcase_add_test(tc, a_tiny_limit_empties_the_cache_and_can_be_taken_back);
    tcase_add_test(
        tc, a_tiny_limit_without_eviction_keeps_all_and_takes_nothing);
    tcase_add_loop_test(
        tc, volatile_policies_evict_only_what_would_expire, 0, 4);
    tcase_add_test(tc, a_volatile_policy_without_volatile_keys_says_oom);
    tcase_add_test(tc, the_limit_can_be_raised_and_lowered_at_run_time);
    tcase_add_test(
        tc, the_peak_stays_at_the_limit_while_sizes_shift_at_full_speed);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(eviction_suite());
}
