/* SPDX-License-Identifier: BSD-3-Clause */
/* keyspace_stress_test.c - many threads on one keyspace, every value checked.
 *
 * A value says which key it belongs to and ends in a checksum, so a torn read,
 * a stale chunk or a mixed-up handle is seen. Readers, writers, deleters and
 * updaters run while the index grows, pages are drained, items expire and, with
 * the small limit, are evicted. Counters of updates must add up exactly.
 * $ASHLAR_STRESS scales the number of operations.
 */
#include "keyspace/stress.h"

#include <sched.h>

#define N_KEYS 20000
#define N_COUNTERS 16
#define MAX_VALUE 40000
#define OPERATIONS 240000
#define TIGHT (6 * MIB)

/* What a worker has for itself. */
struct own {
    uint64_t increments[N_COUNTERS];
    char value[MAX_VALUE];
};

struct head {
    uint64_t key;
    uint64_t salt;
    uint64_t len;
};

static uint64_t
checksum(const char *p, size_t len)
{
    uint64_t sum = 1469598103934665603u;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (uint8_t)p[i]) * 1099511628211u;
    return sum;
}

static size_t
make_value(struct stress_worker *w, char *to, uint64_t key)
{
    uint64_t r = stress_random(w);
    size_t body = r % 64 == 0 ? 17000 + r % 20000 : r % 700;
    struct head h = {key, r, body};
    uint64_t sum;

    memcpy(to, &h, sizeof(h));
    memset(to + sizeof(h), (int)(r >> 40), body);
    sum = checksum(to, sizeof(h) + body);
    memcpy(to + sizeof(h) + body, &sum, 8);
    return sizeof(h) + body + 8;
}

static void
check_value(uint64_t key, const char *p, size_t len)
{
    struct head h;
    uint64_t sum;

    ck_assert_uint_ge(len, sizeof(h) + 8);
    memcpy(&h, p, sizeof(h));
    ck_assert_uint_eq(h.key, key);
    ck_assert_uint_eq(h.len + sizeof(h) + 8, len);
    memcpy(&sum, p + len - 8, 8);
    ck_assert_msg(sum == checksum(p, len - 8), "torn value of key %llu",
        (unsigned long long)key);
}

/* Names of several shapes, which become templates while the threads run. */
static struct ks_key
number_key(const struct fixture *f, char *name, uint64_t n)
{
    static const char *const shapes[] = {"stress:%llu", "stress:%08llu:key",
        "stress:ad%014llxd", "%llu:stress:words"};
    int len = snprintf(name, 32, shapes[n % 4], (unsigned long long)n);

    return ks_key(f->ks, n % 8 == 7 ? 1 : 0, (struct str){name, (size_t)len});
}

static void
increment(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    uint64_t *n = ctx;

    *n = 0;
    if (old->exists) {
        ck_assert_uint_eq(old->value.len, 8);
        memcpy(n, old->value.p, 8);
    }
    ++*n;
    new->action = KS_PUT;
    new->part[0] = (struct str){(const char *)n, 8};
    new->n_parts = 1;
}

static void
lengthen(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    if (!old->exists)
        return;
    new->action = KS_EXPIRE;
    new->expire_ms = *(uint64_t *)ctx;
}

static void
operate(struct stress_worker *w, unsigned i)
{
    struct own *own = w->ctx;
    uint64_t dice = stress_random(w) % 100, n = stress_random(w) % N_KEYS;
    char name[32];
    struct ks_key key = number_key(w->f, name, n);

    if (i % 2 == 1)
        ks_prefetch_items(w->f->ks, &key, 1);
    if (i % 64 == 1)
        sched_yield(); /* the others change what was found */
    if (dice < 55) {
        if (read_value(w->f, w->t, &key, &w->r)) {
            check_value(n, w->r.buf.p, w->r.buf.len);
            w->hits++;
        }
    } else if (dice < 85) {
        uint64_t until = dice < 70
            ? KS_NO_EXPIRY
            : clock_wall_ms() + 1 + stress_random(w) % 300;
        size_t len = make_value(w, own->value, n);

        ck_assert_int_eq(
            ks_set(w->t, &key, (struct str){own->value, len}, until), KS_OK);
    } else if (dice < 92) {
        (void)ks_delete(w->t, &key);
    } else if (dice < 96) {
        uint64_t until = clock_wall_ms() + 50 + stress_random(w) % 1000;

        ck_assert_int_eq(ks_update(w->t, &key, lengthen, &until), KS_OK);
    } else {
        uint64_t c = stress_random(w) % N_COUNTERS, scratch;
        int len = snprintf(name, sizeof(name), "counter:%u", (unsigned)c);

        key = ks_key(w->f->ks, 2, (struct str){name, (size_t)len});
        ck_assert_int_eq(ks_update(w->t, &key, increment, &scratch), KS_OK);
        own->increments[c]++;
    }
}

/* New keys all the time, with the value `ctx`, so that the index grows under
 * the others, or memory runs short. */
static void
grow(struct stress_worker *w, unsigned i)
{
    const struct str *value = w->ctx;
    uint64_t back = 1000000 + stress_random(w) % (i + 1);
    char name[32];
    struct ks_key key = number_key(w->f, name, 1000000 + i);

    ck_assert_int_eq(ks_set(w->t, &key, *value, KS_NO_EXPIRY), KS_OK);
    key = number_key(w->f, name, back);
    if (read_value(w->f, w->t, &key, &w->r)) {
        ck_assert_uint_eq(w->r.buf.len, value->len);
        w->hits++;
    }
}

static uint64_t
counter_value(struct fixture *f, unsigned c)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "counter:%u", c);
    struct ks_key key = ks_key(f->ks, 2, (struct str){name, (size_t)len});
    struct read_back r = {{0}};
    uint64_t n = 0;

    if (read_value(f, f->t, &key, &r))
        memcpy(&n, r.buf.p, 8);
    buf_free(&r.buf);
    return n;
}

static bool
count_visit(void *ctx, struct str name, const struct ks_info *info)
{
    (void)name;
    (void)info;
    ++*(uint64_t *)ctx;
    return true;
}

static void
check_counters(struct fixture *f, const struct own *own, unsigned n_threads)
{
    for (unsigned c = 0; c < N_COUNTERS; c++) {
        uint64_t want = 0;

        for (unsigned i = 0; i < n_threads; i++)
            want += own[i].increments[c];
        ck_assert_uint_eq(counter_value(f, c), want);
    }
}

/* A walk sees what is there, apart from what has expired since. */
static void
check_walk(struct fixture *f)
{
    struct ks_db_stats s;
    uint64_t walked = 0, cursor = 0;

    clock_refresh();
    do
        cursor = ks_scan(f->t, 0, cursor, 1000, count_visit, &walked);
    while (cursor != 0);
    ks_db_stats(f->ks, 0, &s);
    ck_assert_uint_le(walked, s.items);
    ck_assert_uint_ge(walked + s.expires, s.items);
}

/* With a tight limit items are evicted, counters too: the values that grow()
 * writes, which do not expire, have no room by themselves. */
static void
run_stress(unsigned n_threads, size_t limit)
{
    static const char kilobyte[1024];
    struct str value = {kilobyte, limit == TIGHT ? sizeof(kilobyte) : 0};
    struct stress_worker w[10] = {{.operate = stress_maintain},
        {.operate = grow,
            .operations = stress_scaled(OPERATIONS / n_threads),
            .ctx = &value}};
    struct own *own = xcalloc(n_threads, sizeof(*own));
    struct fixture f;
    struct ks_memory memory;
    struct ks_metrics metrics;

    fixture_open(&f, limit);
    for (unsigned i = 0; i < n_threads; i++)
        w[i + 2] = (struct stress_worker){.operate = operate,
            .operations = stress_scaled(OPERATIONS / n_threads),
            .ctx = &own[i]};
    ck_assert_uint_gt(stress_run(&f, w, n_threads + 2), stress_scaled(10000));
    ks_memory(f.ks, &memory);
    ck_assert_uint_gt(memory.templates, 3);
    ks_metrics(f.ks, &metrics);
    if (limit == TIGHT) {
        ck_assert_uint_gt(metrics.evicted, stress_scaled(80));
    } else {
        ck_assert_uint_eq(metrics.evicted, 0);
        check_counters(&f, own, n_threads);
    }
    check_walk(&f);
    fixture_close(&f);
    free(own);
}

/* ---- torn reads ------------------------------------------------------------
 *
 * A few hot keys with values of kilobytes, each filled with one word: a read
 * takes long enough, and the chunk of a replaced value is rewritten soon
 * enough, that a reader without a version check sees two words in one value.
 * Values of the later half of the keys are all as long, and short enough to be
 * overwritten in place.
 */
#define HOT_KEYS 4
#define HOT_VALUE 12000
#define IN_PLACE_VALUE 2000

static void
overwrite(struct stress_worker *w, unsigned i)
{
    uint64_t *words = w->ctx;
    char name[32];
    uint64_t hot = stress_random(w) % HOT_KEYS;
    struct ks_key key = number_key(w->f, name, hot);
    size_t n = hot < HOT_KEYS / 2
        ? stress_random(w) % (HOT_VALUE / 16) + HOT_VALUE / 16
        : IN_PLACE_VALUE / 8;

    for (size_t k = 0; k < n; k++)
        words[k] = (uint64_t)w->id << 32 | i;
    ck_assert_int_eq(
        ks_set(w->t, &key, (struct str){(char *)words, n * 8}, KS_NO_EXPIRY),
        KS_OK);
}

static void
read_hot(struct stress_worker *w, unsigned i)
{
    char name[32];
    struct ks_key key = number_key(w->f, name, stress_random(w) % HOT_KEYS);
    const uint64_t *words;
    uint64_t differ = 0;

    if (i % 2 == 1)
        ks_prefetch_items(w->f->ks, &key, 1);
    if (!read_value(w->f, w->t, &key, &w->r))
        return;
    w->hits++;
    words = (const uint64_t *)(const void *)w->r.buf.p;
    for (size_t k = 1; k < w->r.buf.len / 8; k++)
        differ |= words[k] ^ words[0];
    ck_assert_msg(differ == 0, "torn read of a hot key");
}

static void
run_torn(unsigned n_threads)
{
    struct stress_worker w[8];
    uint64_t *words = xcalloc(n_threads * HOT_VALUE / 8, sizeof(*words));
    struct fixture f;
    char name[32];

    fixture_open(&f, 256 * MIB);
    for (unsigned i = 0; i < HOT_KEYS; i++) {
        struct ks_key key = number_key(&f, name, i);

        ck_assert_int_eq(
            ks_set(f.t, &key, (struct str){(char *)words, 16}, KS_NO_EXPIRY),
            KS_OK);
    }
    for (unsigned i = 0; i < n_threads; i++)
        w[i] = i % 2 ? (struct stress_worker){.operate = overwrite,
                           .ctx = words + i * HOT_VALUE / 8}
                     : (struct stress_worker){.operate = read_hot,
                           .operations = stress_scaled(400000 / n_threads)};
    ck_assert_uint_ge(stress_run(&f, w, n_threads),
        (uint64_t)w[0].operations * (n_threads / 2));
    fixture_close(&f);
    free(words);
}

START_TEST(no_read_is_torn_with_two_threads)
{
    run_torn(2);
}
END_TEST

START_TEST(no_read_is_torn_with_eight_threads)
{
    run_torn(8);
}
END_TEST

START_TEST(two_threads_with_room_for_all)
{
    run_stress(2, 1 * GIB);
}
END_TEST

START_TEST(eight_threads_with_room_for_all)
{
    run_stress(8, 1 * GIB);
}
END_TEST

START_TEST(two_threads_under_eviction)
{
    run_stress(2, TIGHT);
}
END_TEST

START_TEST(eight_threads_under_eviction)
{
    run_stress(8, TIGHT);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("keyspace stress");
    TCase *c = tcase_create("threads");

    tcase_set_timeout(c, 600);
    tcase_add_test(c, no_read_is_torn_with_two_threads);
    tcase_add_test(c, no_read_is_torn_with_eight_threads);
    tcase_add_test(c, two_threads_with_room_for_all);
    tcase_add_test(c, eight_threads_with_room_for_all);
    tcase_add_test(c, two_threads_under_eviction);
    tcase_add_test(c, eight_threads_under_eviction);
    suite_add_tcase(s, c);
    return run_suite(s);
}
