/* SPDX-License-Identifier: BSD-3-Clause */
/* keyspace_stress_test.c - many threads on one keyspace, every value checked.
 *
 * A value says which key it belongs to and ends in a checksum, so a torn read,
 * a stale chunk or a mixed-up handle is seen. Readers, writers, deleters and
 * updaters run while the index grows, pages are drained, items expire and, with
 * the small limit, are evicted. Counters of updates must add up exactly.
 * $ASHLAR_STRESS scales the number of operations (default 1).
 */
#include "keyspace/testing.h"

#include <pthread.h>
#include <time.h>

#define N_KEYS 20000
#define N_COUNTERS 16
#define MAX_VALUE 40000

static struct fixture f;
static _Atomic bool stop;

struct worker {
    pthread_t thread;
    unsigned id;
    unsigned operations;
    uint64_t random;
    uint64_t increments[N_COUNTERS];
    uint64_t hits;
    char *value; /* MAX_VALUE bytes */
};

struct head {
    uint64_t key;
    uint64_t salt;
    uint64_t len;
};

static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t
roll(struct worker *w)
{
    return mix(w->random += 0x9e3779b97f4a7c15u);
}

static uint64_t
checksum(const char *p, size_t len)
{
    uint64_t sum = 1469598103934665603u;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (uint8_t)p[i]) * 1099511628211u;
    return sum;
}

static size_t
make_value(struct worker *w, uint64_t key)
{
    uint64_t r = roll(w);
    size_t body = r % 64 == 0 ? 17000 + r % 20000 : r % 700;
    struct head h = {key, r, body};
    uint64_t sum;

    memcpy(w->value, &h, sizeof(h));
    memset(w->value + sizeof(h), (int)(r >> 40), body);
    sum = checksum(w->value, sizeof(h) + body);
    memcpy(w->value + sizeof(h) + body, &sum, 8);
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
number_key(char *name, uint64_t n)
{
    static const char *const shapes[] = {"stress:%llu", "stress:%08llu:key",
        "stress:ad%014llxd", "%llu:stress:words"};
    int len = snprintf(name, 32, shapes[n % 4], (unsigned long long)n);

    return ks_key(f.ks, n % 8 == 7 ? 1 : 0, (struct str){name, (size_t)len});
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
one_operation(struct worker *w, struct ks_thread *t, struct read_back *r)
{
    uint64_t dice = roll(w) % 100, n = roll(w) % N_KEYS;
    char name[32];
    struct ks_key key = number_key(name, n);

    if (dice < 55) {
        if (read_value(&f, t, &key, r)) {
            check_value(n, r->buf.p, r->buf.len);
            w->hits++;
        }
    } else if (dice < 85) {
        uint64_t until = dice < 70 ? KS_NO_EXPIRY
            : clock_wall_ms() + 1 + roll(w) % 300;
        size_t len = make_value(w, n);

        ck_assert_int_eq(ks_set(t, &key, (struct str){w->value, len}, until),
            KS_OK);
    } else if (dice < 92) {
        (void)ks_delete(t, &key);
    } else if (dice < 96) {
        uint64_t until = clock_wall_ms() + 50 + roll(w) % 1000;

        ck_assert_int_eq(ks_update(t, &key, lengthen, &until), KS_OK);
    } else {
        uint64_t c = roll(w) % N_COUNTERS, scratch;
        int len = snprintf(name, sizeof(name), "counter:%u", (unsigned)c);

        key = ks_key(f.ks, 2, (struct str){name, (size_t)len});
        ck_assert_int_eq(ks_update(t, &key, increment, &scratch), KS_OK);
        w->increments[c]++;
    }
}

static void *
work(void *arg)
{
    struct worker *w = arg;
    struct ks_thread *t = ks_thread_new(f.ks);
    struct read_back r = {{0}};

    for (unsigned i = 0; i < w->operations; i++) {
        one_operation(w, t, &r);
        if (i % 64 == 0) {
            clock_refresh();
            ks_thread_poll(t);
        }
    }
    buf_free(&r.buf);
    ks_thread_free(t);
    return NULL;
}

static void *
maintain(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);

    (void)arg;
    while (!atomic_load(&stop)) {
        clock_refresh();
        for (int i = 0; i < 20 && ks_maintain(t); i++)
            ;
        nanosleep(&(struct timespec){0, 200000}, NULL);
    }
    ks_thread_free(t);
    return NULL;
}

/* New keys all the time, so that the index grows under the others. */
static void *
grow(void *arg)
{
    struct worker *w = arg;
    struct ks_thread *t = ks_thread_new(f.ks);
    struct read_back r = {{0}};

    for (unsigned i = 0; i < w->operations; i++) {
        char name[32];
        uint64_t n = 1000000 + i, back = 1000000 + roll(w) % (i + 1);
        struct ks_key key = number_key(name, n);

        ck_assert_int_eq(ks_set(t, &key, (struct str){w->value, 0},
            KS_NO_EXPIRY), KS_OK);
        key = number_key(name, back);
        if (read_value(&f, t, &key, &r)) {
            ck_assert_uint_eq(r.buf.len, 0);
            w->hits++;
        }
        if (i % 64 == 0) {
            clock_refresh();
            ks_thread_poll(t);
        }
    }
    buf_free(&r.buf);
    ks_thread_free(t);
    return NULL;
}

static uint64_t
counter_value(unsigned c)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "counter:%u", c);
    struct ks_key key = ks_key(f.ks, 2, (struct str){name, (size_t)len});
    struct read_back r = {{0}};
    uint64_t n = 0;

    if (read_value(&f, f.t, &key, &r))
        memcpy(&n, r.buf.p, 8);
    buf_free(&r.buf);
    return n;
}

static unsigned
scaled(unsigned n)
{
    const char *s = getenv("ASHLAR_STRESS");
    double factor = s != NULL ? strtod(s, NULL) : 1;

    return (unsigned)(n * (factor > 0 ? factor : 1));
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
run_stress(unsigned n_threads, size_t limit, bool exact)
{
    struct worker w[9] = {{0}};
    pthread_t maintainer;
    uint64_t hits = 0, walked = 0;
    struct ks_memory memory;
    struct ks_db_stats s;

    fixture_open(&f, limit);
    atomic_store(&stop, false);
    pthread_create(&maintainer, NULL, maintain, NULL);
    for (unsigned i = 0; i <= n_threads; i++) {
        w[i].id = i;
        w[i].random = i * 1000003 + 17;
        w[i].operations = scaled(240000 / n_threads);
        w[i].value = xcalloc(1, MAX_VALUE);
        pthread_create(&w[i].thread, NULL, i == n_threads ? grow : work,
            &w[i]);
    }
    for (unsigned i = 0; i <= n_threads; i++) {
        pthread_join(w[i].thread, NULL);
        hits += w[i].hits;
        free(w[i].value);
    }
    atomic_store(&stop, true);
    pthread_join(maintainer, NULL);
    ck_assert_uint_gt(hits, scaled(10000));
    ks_memory(f.ks, &memory);
    ck_assert_uint_gt(memory.templates, 3);
    for (unsigned c = 0; exact && c < N_COUNTERS; c++) {
        uint64_t want = 0;

        for (unsigned i = 0; i < n_threads; i++)
            want += w[i].increments[c];
        ck_assert_uint_eq(counter_value(c), want);
    }
    clock_refresh();
    for (uint64_t cursor = 0;;) {
        cursor = ks_scan(f.t, 0, cursor, 1000, count_visit, &walked);
        if (cursor == 0)
            break;
    }
    ks_db_stats(f.ks, 0, &s);
    ck_assert_uint_le(walked, s.items);
    ck_assert_uint_ge(walked + s.expires, s.items);
    fixture_close(&f);
}

/* ---- torn reads ----------------------------------------------------------------------
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

static void *
overwrite(void *arg)
{
    struct worker *w = arg;
    struct ks_thread *t = ks_thread_new(f.ks);
    uint64_t *words = xcalloc(HOT_VALUE / 8, 8);

    for (unsigned i = 0; !atomic_load(&stop); i++) {
        char name[32];
        uint64_t hot = roll(w) % HOT_KEYS;
        struct ks_key key = number_key(name, hot);
        size_t n = hot < HOT_KEYS / 2 ?
            roll(w) % (HOT_VALUE / 16) + HOT_VALUE / 16 : IN_PLACE_VALUE / 8;

        for (size_t k = 0; k < n; k++)
            words[k] = (uint64_t)w->id << 32 | i;
        ck_assert_int_eq(ks_set(t, &key, (struct str){(char *)words, n * 8},
            KS_NO_EXPIRY), KS_OK);
    }
    free(words);
    ks_thread_free(t);
    return NULL;
}

static void *
read_hot(void *arg)
{
    struct worker *w = arg;
    struct ks_thread *t = ks_thread_new(f.ks);
    struct read_back r = {{0}};

    for (unsigned i = 0; i < w->operations; i++) {
        char name[32];
        struct ks_key key = number_key(name, roll(w) % HOT_KEYS);
        const uint64_t *words;
        uint64_t differ = 0;

        if (!read_value(&f, t, &key, &r))
            continue;
        w->hits++;
        words = (const uint64_t *)(const void *)r.buf.p;
        for (size_t k = 1; k < r.buf.len / 8; k++)
            differ |= words[k] ^ words[0];
        ck_assert_msg(differ == 0, "torn read of a hot key");
    }
    buf_free(&r.buf);
    ks_thread_free(t);
    return NULL;
}

static void
run_torn(unsigned n_threads)
{
    struct worker w[8] = {{0}};
    uint64_t hits = 0;

    fixture_open(&f, 256 * MIB);
    atomic_store(&stop, false);
    for (unsigned i = 0; i < n_threads; i++) {
        w[i].id = i;
        w[i].random = i * 7919 + 3;
        w[i].operations = scaled(400000 / n_threads);
        pthread_create(&w[i].thread, NULL, i % 2 ? overwrite : read_hot,
            &w[i]);
    }
    for (unsigned i = 0; i < n_threads; i += 2)
        pthread_join(w[i].thread, NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < n_threads; i++) {
        if (i % 2)
            pthread_join(w[i].thread, NULL);
        hits += w[i].hits;
    }
    ck_assert_uint_gt(hits, 1000);
    fixture_close(&f);
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
    run_stress(2, 1 * GIB, true);
}
END_TEST

START_TEST(eight_threads_with_room_for_all)
{
    run_stress(8, 1 * GIB, true);
}
END_TEST

START_TEST(two_threads_under_eviction)
{
    run_stress(2, 24 * MIB, false);
}
END_TEST

START_TEST(eight_threads_under_eviction)
{
    run_stress(8, 24 * MIB, false);
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
