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
#include "keyspace/stress.h"

#define N_THREADS 4
#define N_HASHES 600
#define N_HOT 4 /* half of all is done to these */
#define N_SAME 10
#define N_OPERATIONS 12000
#define TIGHT (6 * MIB)

static struct ks_key
hash_key(const struct stress_worker *w, uint64_t n, char name[32])
{
    int len = snprintf(name, 32, "hash:%llu:key", (unsigned long long)n);

    return ks_key(w->f->ks, 0, (struct str){name, (size_t)len});
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
write_same(struct stress_worker *w, uint64_t n)
{
    static _Thread_local char names[N_SAME][32];
    static _Thread_local char values[N_SAME][MAX_VALUE];
    uint64_t number = stress_random(w) % 1000000;
    char name[32];
    struct ks_key key = hash_key(w, n, name);
    struct hash_edit *e;

    ck_assert_int_eq(hash_edit(w->t, &key, HASH_CREATE, N_SAME,
                         N_SAME * (32 + MAX_VALUE), &e),
        KS_OK);
    for (unsigned i = 0; i < N_SAME; i++)
        (void)hash_edit_set(e, same_name(i, names[i]),
            same_value(n, i, number, values[i]), KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
}

/* A field whose number has nothing to do with those of the others; mostly
 * without an edit. */
#define SINGLE 99

static _Atomic unsigned n_overwritten;

static void
write_single(struct stress_worker *w, uint64_t n)
{
    static _Thread_local char text[MAX_VALUE];
    struct str value = same_value(n, SINGLE, stress_random(w) % 1000000, text);
    char name[32];
    struct ks_key key = hash_key(w, n, name);
    struct hash_edit *e;

    if (hash_overwrite(w->t, &key, STR("single"), value)) {
        atomic_fetch_add(&n_overwritten, 1);
        return;
    }
    if (hash_edit(w->t, &key, HASH_MUST_EXIST, 1, 32 + MAX_VALUE, &e) != KS_OK)
        return;
    (void)hash_edit_set(e, STR("single"), value, KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
}

/* Some fields that are not looked at: hashes of a third number get many. */
static void
write_others(struct stress_worker *w, uint64_t n)
{
    static _Thread_local char names[64][32];
    uint64_t range = n % 3 == 0 ? 2000 : 20;
    unsigned n_fields = n % 3 == 0 ? 64 : 2;
    char name[32];
    struct ks_key key = hash_key(w, n, name);
    bool add = stress_random(w) % 2;
    struct hash_edit *e;
    enum ks_status status;

    status =
        hash_edit(w->t, &key, HASH_MUST_EXIST, n_fields, n_fields * 64, &e);
    if (status == KS_MISS)
        return;
    ck_assert_int_eq(status, KS_OK);
    for (unsigned i = 0; i < n_fields; i++) {
        struct str field = {names[i],
            (size_t)snprintf(names[i], 32, "other:%llu",
                (unsigned long long)(stress_random(w) % range))};

        if (add)
            (void)hash_edit_set(e, field, STR("not looked at"),
                stress_random(w) % 4
                    ? KS_NO_EXPIRY
                    : clock_wall_ms() + stress_random(w) % 200);
        else
            (void)hash_edit_delete(e, field);
    }
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_OK);
}

static void
read_one(struct stress_worker *w, uint64_t n)
{
    char name[32], field[32];
    struct ks_key key = hash_key(w, n, name);
    uint64_t i = stress_random(w) % (n < N_HOT ? 2 : N_SAME);
    struct str sought = same_name(i, field);
    struct ks_info info;

    if (stress_random(w) % 4 == 0) {
        i = SINGLE;
        sought = STR("single");
    }
    if (hash_get(w->t, &key, KS_READ, sought, place_in_buf, &w->r, &info) ==
        KS_OK) {
        (void)check_value(n, i, (struct str){info.value, info.value_len});
        w->hits++;
    }
}

static void
read_all(struct stress_worker *w, uint64_t n)
{
    char name[32], field[32];
    struct ks_key key = hash_key(w, n, name);
    struct hash_field found;
    struct hash_reader *r;
    uint64_t first = 0, at = 0, fields = 0;

    if (hash_open(w->t, &key, KS_READ, &r) != KS_OK)
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
    w->hits++;
}

static void
operate(struct stress_worker *w, unsigned i)
{
    uint64_t dice = stress_random(w) % 100;
    uint64_t n = stress_random(w) % (stress_random(w) % 2 ? N_HOT : N_HASHES);
    char name[32];
    struct ks_key key = hash_key(w, n, name);

    (void)i;
    if (dice < 30) {
        for (unsigned n_reads = n < N_HOT ? 30 : 1; n_reads > 0; n_reads--)
            read_one(w, n);
    } else if (dice < 50) {
        read_all(w, n);
    } else if (dice < 65) {
        write_same(w, n);
    } else if (dice < 75) {
        for (unsigned n_writes = n < N_HOT ? 10 : 1; n_writes > 0; n_writes--)
            write_single(w, n);
    } else if (dice < 98) {
        write_others(w, n);
    } else {
        (void)ks_delete(w->t, &key);
    }
}

static void
run_stress(size_t limit)
{
    struct stress_worker w[N_THREADS + 1] = {{.operate = stress_maintain}};
    struct fixture f;
    struct ks_metrics metrics;

    fixture_open(&f, limit);
    for (unsigned i = 1; i <= N_THREADS; i++)
        w[i] = (struct stress_worker){
            .operate = operate, .operations = stress_scaled(N_OPERATIONS)};
    ck_assert_uint_gt(
        stress_run(&f, w, N_THREADS + 1), stress_scaled(N_OPERATIONS / 10));
    ck_assert_uint_gt(n_overwritten, stress_scaled(100));
    ks_metrics(f.ks, &metrics);
    if (limit == TIGHT)
        ck_assert_uint_gt(metrics.evicted, 0);
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
    run_stress(TIGHT);
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
