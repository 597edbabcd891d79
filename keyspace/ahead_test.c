/* SPDX-License-Identifier: BSD-3-Clause */
/* ahead_test.c - operations with keys whose items were found ahead, and what
 * happens to the items before. Races are keyspace_stress_test's. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define N 2000

static struct fixture f;
static char names[N][16];
static struct ks_key keys[N];

static void
open_ks(void)
{
    fixture_open(&f, 64 * MIB);
    for (unsigned i = 0; i < N; i++)
        snprintf(names[i], sizeof(names[i]), "n:%u", i);
}

static void
close_ks(void)
{
    fixture_close(&f);
}

static void
assert_reads(const struct ks_key *key, const char *want)
{
    struct read_back r = {{0}};
    bool there = read_value(&f, f.t, key, &r);

    ck_assert(there == (want != NULL));
    if (want != NULL)
        ck_assert_str_eq(r.buf.p, want);
    buf_free(&r.buf);
}

static void
write_by(const struct ks_key *key, const char *value)
{
    ck_assert_int_eq(ks_set(f.t, key, str_of(value), KS_NO_EXPIRY), KS_OK);
}

static uint64_t
n_items(void)
{
    struct ks_db_stats s;

    ks_db_stats(f.ks, 0, &s);
    return s.items;
}

START_TEST(an_item_found_ahead_is_read_and_noted)
{
    struct ks_info info;
    struct ks_key key;

    set(&f, "n", "value");
    key = key_found_ahead(&f, "n");
#ifndef ASHLAR_SEQLOCK_LOCKED
    ck_assert_uint_ne(key.ahead.handle, 0);
#endif
    assert_reads(&key, "value");
    assert_reads(&key, "value");
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_uint_eq(info.frequency, 2);
}
END_TEST

START_TEST(a_value_written_since_is_read)
{
    struct ks_key key;

    set(&f, "n", "one");
    key = key_found_ahead(&f, "n");
    set(&f, "n", "two"); /* in its place */
    assert_reads(&key, "two");
    key = key_found_ahead(&f, "n");
    set(&f, "n", "a value that is too long for the chunk of the others");
    assert_reads(&key, "a value that is too long for the chunk of the others");
}
END_TEST

START_TEST(an_item_deleted_since_is_gone)
{
    struct ks_key key, again;

    set(&f, "n", "one");
    key = key_found_ahead(&f, "n");
    again = key_of(&f, "n");
    ck_assert_int_eq(ks_delete(f.t, &again), KS_OK);
    set(&f, "m", "two"); /* where it was */
    assert_reads(&key, NULL);
    ck_assert_int_eq(ks_delete(f.t, &key), KS_MISS);
    write_by(&key, "three");
    assert_value(&f, "n", "three");
    assert_value(&f, "m", "two");
    ck_assert_uint_eq(n_items(), 2);
}
END_TEST

START_TEST(a_flush_since_is_seen)
{
    struct ks_key key, other;

    for (unsigned i = 0; i < N; i++)
        set(&f, names[i], "one");
    f.ks->spaces.few_items = 0; /* unreachable at once, freed later */
    key = key_found_ahead(&f, names[0]);
    other = key_found_ahead(&f, names[1]);
    ks_flush(f.t, 0);
    assert_reads(&key, NULL);
    write_by(&other, "two");
    assert_value(&f, names[1], "two");
    ck_assert_uint_eq(n_items(), 1);
}
END_TEST

START_TEST(an_item_that_expired_since_is_gone)
{
    uint64_t now = 1700000000000u;
    struct ks_key key;

    clock_fake(now);
    key = key_of(&f, "n");
    ck_assert_int_eq(ks_set(f.t, &key, STR("one"), now + 10), KS_OK);
    key = key_found_ahead(&f, "n");
    assert_reads(&key, "one");
    clock_fake(now + 11);
    assert_reads(&key, NULL);
    clock_unfake();
}
END_TEST

/* The index grows several times; every second item is written with its former
 * key. */
START_TEST(items_are_found_where_growth_has_moved_them)
{
    for (unsigned i = 0; i < N; i++)
        set(&f, names[i], "one");
    for (unsigned i = 0; i < N; i++)
        keys[i] = key_found_ahead(&f, names[i]);
    for (unsigned i = 0; i < 50 * N; i++) {
        char name[16];

        snprintf(name, sizeof(name), "other:%u", i);
        set(&f, name, "two");
    }
    ck_assert_uint_gt(atomic_load(&f.ks->index.grow_steps), 0);
    for (unsigned i = 0; i < N; i += 2)
        write_by(&keys[i], "three");
    for (unsigned i = 0; i < N; i++) {
        assert_reads(&keys[i], i % 2 == 0 ? "three" : "one");
        assert_value(&f, names[i], i % 2 == 0 ? "three" : "one");
    }
    ck_assert_uint_eq(n_items(), 51 * N);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ahead");
    TCase *c = tcase_create("keys");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_test(c, an_item_found_ahead_is_read_and_noted);
    tcase_add_test(c, a_value_written_since_is_read);
    tcase_add_test(c, an_item_deleted_since_is_gone);
    tcase_add_test(c, a_flush_since_is_seen);
    tcase_add_test(c, an_item_that_expired_since_is_gone);
    tcase_add_test(c, items_are_found_where_growth_has_moved_them);
    suite_add_tcase(s, c);
    return run_suite(s);
}
