/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_memory_test.c - hashes without memory, under eviction and draining. */
#include "keyspace/hash_testing.h"

START_TEST(without_memory_a_write_fails_and_changes_nothing)
{
    static char value[1000];
    struct hash_edit *e;
    struct ks_key key, first;
    enum ks_status status = KS_OK;
    char name[32];
    unsigned n = 0, large;

    fixture_close(&f);
    fixture_open(&f, 8 * MIB);
    f.options.maxmemory_policy = KS_NOEVICTION;
    key = key_of(&f, "large");
    first = key_of(&f, "h:0");
    memset(value, 'v', sizeof(value));
    for (large = 0; large < 100; large++) {
        snprintf(name, sizeof(name), "%u", large);
        ck_assert_int_eq(hash_edit(f.t, &key, HASH_CREATE, 1, 1010, &e), KS_OK);
        (void)hash_edit_set(
            e, str_of(name), (struct str){value, 1000}, KS_NO_EXPIRY);
        close_edit(e);
    }
    ck_assert_uint_eq(count_of("large"), large);
    for (; status == KS_OK && n < 100000; n++) {
        snprintf(name, sizeof(name), "h:%u", n);
        key = key_of(&f, name);
        ck_assert_int_eq(hash_edit(f.t, &key, HASH_CREATE, 2, 1010, &e), KS_OK);
        (void)hash_edit_set(
            e, STR("a"), (struct str){value, 1000}, KS_NO_EXPIRY);
        (void)hash_edit_set(e, STR("b"), STR("b"), KS_NO_EXPIRY);
        status = hash_edit_end(e, NULL);
    }
    ck_assert_uint_eq(count_of("large"), large);
    ck_assert_int_eq(status, KS_NO_MEMORY);
    assert_field(name, "b", NULL);
    ck_assert_int_eq(hash_edit(f.t, &first, HASH_CREATE, 1, 3000, &e), KS_OK);
    (void)hash_edit_set(e, STR("c"), (struct str){value, 1000}, KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_NO_MEMORY);
    assert_field("h:0", "c", NULL);
    assert_field("h:0", "b", "b");
    /* a table that would have to be built anew */
    key = key_of(&f, "large");
    ck_assert_int_eq(hash_edit(f.t, &key, HASH_CREATE, 1, 200000, &e), KS_OK);
    (void)hash_edit_set(
        e, STR("more"), (struct str){value, 1000}, KS_NO_EXPIRY);
    ck_assert_int_eq(hash_edit_end(e, NULL), KS_NO_MEMORY);
    ck_assert_uint_eq(count_of("large"), large);
    assert_field("large", "more", NULL);
    /* what gets smaller is not refused */
    e = open_edit("h:0", HASH_MUST_EXIST, 0, 0);
    ck_assert(hash_edit_delete(e, STR("b")));
    close_edit(e);
    ck_assert_uint_eq(count_of("h:0"), 1);
}
END_TEST

/* Each field says which hash it is of. */
START_TEST(hashes_are_evicted_and_drained_whole)
{
    char name[32], field[32], value[64];
    struct ks_metrics m;
    unsigned there = 0;

    fixture_close(&f);
    fixture_open(&f, 8 * MIB);
    for (unsigned i = 0; i < 60000; i++) {
        unsigned n = i % 500 == 0 ? 600 : 4;
        struct hash_edit *e;
        struct ks_key key;

        snprintf(name, sizeof(name), "evicted:%u:hash", i);
        key = key_of(&f, name);
        ck_assert_int_eq(
            hash_edit(f.t, &key, HASH_CREATE, n, n * 64, &e), KS_OK);
        for (unsigned j = 0; j < n; j++) {
            static char text[600][2][64];

            snprintf(text[j][0], 64, "field:%u", j);
            snprintf(
                text[j][1], 64, "%u of hash %u%*s", j, i, (int)(i % 7) * 5, "");
            (void)hash_edit_set(
                e, str_of(text[j][0]), str_of(text[j][1]), KS_NO_EXPIRY);
        }
        close_edit(e);
        if (i % 256 == 0)
            maintain();
    }
    ks_metrics(f.ks, &m);
    ck_assert_uint_gt(m.evicted, 500);
    ck_assert_uint_gt(m.moves, 100);
    for (unsigned i = 0; i < 60000; i++) {
        unsigned n = i % 500 == 0 ? 600 : 4;

        snprintf(name, sizeof(name), "evicted:%u:hash", i);
        if (count_of(name) == 0)
            continue;
        there++;
        ck_assert_uint_eq(count_of(name), n);
        for (unsigned j = 0; j < n; j += n / 4) {
            snprintf(field, sizeof(field), "field:%u", j);
            snprintf(value, sizeof(value), "%u of hash %u%*s", j, i,
                (int)(i % 7) * 5, "");
            assert_field(name, field, value);
        }
    }
    ck_assert_uint_gt(there, 1000);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash memory");
    TCase *c = tcase_create("hash");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, without_memory_a_write_fails_and_changes_nothing);
    tcase_add_test(c, hashes_are_evicted_and_drained_whole);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
