/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_stress_test.c - many threads on the same hashes, compact and tables.
 *
 * Each edit gives ten fields of a hash one number, and the value of a field
 * says which hash and field it is of: a reader that sees two numbers, or a
 * value of another field, has seen half of a change or bytes that are no value.
 * Fields beside these come and go, so that hashes grow into tables and shrink,
 * while fields expire, items are evicted and moved. $ASHLAR_STRESS scales the
 * operations.
 */
#include "keyspace/testing.h"

#include <pthread.h>
#include <time.h>

#define N_HASHES 600
#define N_HOT 4 /* half of all is done to these */
#define N_SAME 10

#ifdef __SANITIZE_THREAD__
#define N_OPERATIONS 1500
#define EVICTIONS 0 /* so few need not fill the memory */
#else
#define N_OPERATIONS 12000
#define EVICTIONS 50
#endif

static struct fixture f;
static _Atomic bool stop;

struct worker {
    pthread_t thread;
    unsigned operations;
    uint64_t random;
    uint64_t seen;
};

static uint64_t
roll(struct worker *w)
{
    uint64_t x = w->random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static struct ks_key
hash_key(uint64_t n, char name[32])
{
    int len = snprintf(name, 32, "hash:%llu:key", (unsigned long long)n);

    return ks_key(f.ks, 0, (struct str){name, (size_t)len});
}

static struct str
same_name(uint64_t i, char text[32])
{
    return (struct str){
        text, (size_t)snprintf(text, 32, "same:%llu", (unsigned long long)i)};
}

#define MAX_VALUE 2100

/* "hash.field.number." and what follows from the number; in the hashes that are
 * tables long and of one length, so that it changes where it stands. */
static struct str
same_value(uint64_t hash, uint64_t i, uint64_t number, char text[MAX_VALUE])
{
    size_t len = (size_t)snprintf(text, 128, "%llu.%llu.%06llu.",
        (unsigned long long)hash, (unsigned long long)i,
        (unsigned long long)number);
    size_t more = hash % 3 == 0 ? 2000 : number % 40;

    memset(text + len, (int)('a' + number % 26), more);
    return (struct str){text, len + more};
}

/* The number in a value; fails if it is not one of this field. */
static uint64_t
check_value(uint64_t hash, uint64_t i, struct str value)
{
    char text[MAX_VALUE], want[MAX_VALUE];
    unsigned long long h, field, number;

    ck_assert_uint_lt(value.len, sizeof(text));
    memcpy(text, value.p, value.len);
    text[value.len] = '\0';
    ck_assert_msg(sscanf(text, "%llu.%llu.%llu.", &h, &field, &number) == 3,
        "torn value %s", text);
    ck_assert_msg(str_eq(value, same_value(hash, i, number, want)),
        "torn value %s of field %llu of hash %llu", text, (unsigned long long)i,
        (unsigned long long)hash);
    return number;
}

/* ---- what a thread does -------------------------------------------------- */

static void
write_same(struct worker *w, struct ks_thread *t, uint64_t n)
{
    static _Thread_local char names[N_SAME][32];
    static _Thread_local char values[N_SAME][MAX_VALUE];
    uint64_t number = roll(w) % 1000000;
    char name[32];
    struct ks_key key = hash_key(n, name);
    struct hash_edit *e;

    ck_assert_int_eq(
        hash_edit(t, &key, HASH_CREATE, N_SAME, N_SAME * (32 + MAX_VALUE), &e),
        KS_OK);
    for (unsigned i = 0; i < N_SAME; i++)
        (void)hash_edit_set(e, same_name(i, names[i]),
            same_value(n, i, number, values[i]), KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
}

/* Some fields that are not looked at: hashes of a third number get many. */
static void
write_others(struct worker *w, struct ks_thread *t, uint64_t n)
{
    static _Thread_local char names[64][32];
    uint64_t range = n % 3 == 0 ? 2000 : 20;
    unsigned n_fields = n % 3 == 0 ? 64 : 2;
    char name[32];
    struct ks_key key = hash_key(n, name);
    bool add = roll(w) % 2;
    struct hash_edit *e;
    enum ks_status status;

    status = hash_edit(t, &key, HASH_MUST_EXIST, n_fields, n_fields * 64, &e);
    if (status == KS_MISS)
        return;
    ck_assert_int_eq(status, KS_OK);
    for (unsigned i = 0; i < n_fields; i++) {
        struct str field = {names[i],
            (size_t)snprintf(names[i], 32, "other:%llu",
                (unsigned long long)(roll(w) % range))};

        if (add)
            (void)hash_edit_set(e, field, STR("not looked at"),
                roll(w) % 4 ? KS_NO_EXPIRY : clock_wall_ms() + roll(w) % 200);
        else
            (void)hash_edit_delete(e, field);
    }
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
}

static void
read_one(struct worker *w, struct ks_thread *t, uint64_t n)
{
    struct read_back r = {{0}};
    char name[32], field[32];
    struct ks_key key = hash_key(n, name);
    uint64_t i = roll(w) % (n < N_HOT ? 2 : N_SAME);
    struct ks_info info;

    if (hash_get(t, &key, KS_READ, same_name(i, field), place_in_buf, &r,
            &info) == KS_OK) {
        (void)check_value(n, i, (struct str){info.value, info.value_len});
        w->seen++;
    }
    buf_free(&r.buf);
}

static void
read_all(struct worker *w, struct ks_thread *t, uint64_t n)
{
    char name[32], field[32];
    struct ks_key key = hash_key(n, name);
    struct hash_field found;
    struct hash_reader *r;
    uint64_t first = 0, at = 0, fields = 0;

    if (hash_open(t, &key, KS_READ, &r) != KS_OK)
        return;
    for (unsigned i = 0; i < N_SAME; i++) {
        uint64_t number;

        ck_assert(hash_find(r, same_name(i, field), &found));
        number = check_value(n, i, found.value);
        if (i == 0)
            first = number;
        ck_assert_uint_eq(number, first);
    }
    while (hash_next(r, &at, &found))
        fields++;
    ck_assert_uint_eq(fields, hash_reader_count(r));
    hash_close(r);
    w->seen++;
}

static void *
work(void *arg)
{
    struct worker *w = arg;
    struct ks_thread *t = ks_thread_new(f.ks);

    for (unsigned i = 0; i < w->operations; i++) {
        uint64_t dice = roll(w) % 100;
        uint64_t n = roll(w) % (roll(w) % 2 ? N_HOT : N_HASHES);
        char name[32];

        if (dice < 30) {
            for (unsigned n_reads = n < N_HOT ? 30 : 1; n_reads > 0; n_reads--)
                read_one(w, t, n);
        } else if (dice < 50) {
            read_all(w, t, n);
        } else if (dice < 75) {
            write_same(w, t, n);
        } else if (dice < 98) {
            write_others(w, t, n);
        } else {
            struct ks_key key = hash_key(n, name);

            (void)ks_delete(t, &key);
        }
        if (i % 64 == 0) {
            clock_refresh();
            ks_thread_poll(t);
        }
    }
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

static void
run_stress(size_t limit)
{
    const char *s = getenv("ASHLAR_STRESS");
    double factor = s != NULL && strtod(s, NULL) > 0 ? strtod(s, NULL) : 1;
    struct worker w[4] = {{0}};
    pthread_t maintainer;
    struct ks_metrics metrics;
    uint64_t seen = 0;

    fixture_open(&f, limit);
    atomic_store(&stop, false);
    pthread_create(&maintainer, NULL, maintain, NULL);
    for (unsigned i = 0; i < 4; i++) {
        w[i].random = i * 1000003 + 17;
        w[i].operations = (unsigned)(N_OPERATIONS * factor);
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        seen += w[i].seen;
    }
    atomic_store(&stop, true);
    pthread_join(maintainer, NULL);
    ck_assert_uint_gt(seen, (uint64_t)(N_OPERATIONS / 10 * factor));
    ks_metrics(f.ks, &metrics);
    if (limit < 64 * MIB)
        ck_assert_uint_ge(metrics.evicted, EVICTIONS);
    else
        ck_assert_uint_eq(metrics.evicted, 0);
    fixture_close(&f);
}

START_TEST(no_reader_sees_half_of_a_change)
{
    run_stress(256 * MIB);
}
END_TEST

START_TEST(no_reader_sees_half_of_a_change_under_eviction)
{
    run_stress(8 * MIB);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("hash stress");
    TCase *c = tcase_create("threads");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, no_reader_sees_half_of_a_change);
    tcase_add_test(c, no_reader_sees_half_of_a_change_under_eviction);
    suite_add_tcase(s, c);
    return run_suite(s);
}
