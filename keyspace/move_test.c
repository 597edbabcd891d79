/* SPDX-License-Identifier: BSD-3-Clause */
/* move_test.c - a value that leaves its key for another one. */
#include "keyspace/hash_form.h"
#include "keyspace/hash_testing.h"
#include "keyspace/internal.h"

static enum ks_status
move(const char *from, const char *to)
{
    struct ks_key keys[2] = {key_of(&f, from), key_of(&f, to)};
    enum ks_status status;

    ks_lock(f.t, keys, 2);
    status = ks_move(f.t, &keys[0], &keys[1]);
    ks_unlock(f.t);
    return status;
}

static uint64_t
deadline_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct ks_info info;

    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    return info.expire_ms;
}

static void
set_until_ms(const char *name, const char *value, uint64_t expire_ms)
{
    struct ks_key key = key_of(&f, name);

    ck_assert_int_eq(ks_set(f.t, &key, str_of(value), expire_ms), KS_OK);
}

static uint64_t
extents_live(void)
{
    struct slab_stats stats;

    slab_stats(f.slab, &stats);
    return stats.extents_live;
}

START_TEST(a_value_takes_its_expiry_along_and_the_former_one_goes)
{
    set_until_ms("a", "1", NOW + 1000);
    set(&f, "b", "2");
    ck_assert_int_eq(move("a", "b"), KS_OK);
    assert_value(&f, "a", NULL);
    assert_value(&f, "b", "1");
    ck_assert_uint_eq(deadline_of("b"), NOW + 1000);
    ck_assert_int_eq(move("a", "b"), KS_MISS);
    assert_value(&f, "b", "1");
    clock_fake(NOW + 2000);
    while (ks_maintain(f.t) != KS_NO_MORE)
        continue;
    ck_assert_uint_eq(f.t->metrics.expired, 1); /* the sweep knows of it */
}
END_TEST

/* Keys of one format are packed, others are not. */
START_TEST(every_kind_of_key_becomes_every_other)
{
    char a[300], b[300];

    for (unsigned n = 0; n < 2000; n++) {
        snprintf(a, sizeof(a), "user:%010u:profile", n);
        set(&f, a, "v");
    }
    for (unsigned n = 0; n < 2000; n++) {
        snprintf(a, sizeof(a), "user:%010u:profile", n);
        snprintf(b, sizeof(b), "%0*u", 1 + (int)n % 280, n);
        ck_assert_int_eq(move(a, b), KS_OK);
        assert_value(&f, b, "v");
        assert_value(&f, a, NULL);
        ck_assert_int_eq(move(b, a), KS_OK);
        assert_value(&f, a, "v");
    }
}
END_TEST

/* Without a byte of it being copied: the limit leaves no room for that. */
START_TEST(a_large_value_stays_where_it_stands)
{
    struct ks_key key = key_of(&f, "a");
    size_t len = 40 * MIB;
    char *value = xcalloc(1, len);
    struct ks_info info;

    ck_assert_int_eq(
        ks_set(f.t, &key, (struct str){value, len}, KS_NO_EXPIRY), KS_OK);
    free(value);
    set(&f, "b", "small");
    ck_assert_int_eq(move("a", "b"), KS_OK);
    ck_assert_uint_eq(f.t->metrics.evicted, 0);
    ck_assert_uint_eq(extents_live(), 1);
    key = key_of(&f, "b");
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_uint_eq(info.value_len, len);
    ck_assert_int_eq(move("b", "a"), KS_OK);
    key = key_of(&f, "a");
    ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    ck_assert_uint_eq(extents_live(), 0);
}
END_TEST

static void
set_field_until(const char *name, const char *field, uint64_t expire_ms)
{
    struct hash_edit *e = open_edit(name, HASH_CREATE, 1, 100);

    (void)hash_edit_set(e, str_of(field), STR("v"), expire_ms);
    close_edit(e);
}

START_TEST(hashes_of_all_forms_keep_their_fields_and_deadlines)
{
    static const unsigned n_fields[] = {1, 8, 600};
    struct ks_key key = key_of(&f, "a");
    char field[32];

    for (size_t i = 0; i < ARRAY_LEN(n_fields); i++) {
        unsigned n = n_fields[i];

        for (unsigned k = 0; k < n; k++) {
            snprintf(field, sizeof(field), "field%u", k);
            hset("a", field, "v");
        }
        set_field_until("a", "late", NOW + 1000);
        ck_assert_int_eq(move("a", "b"), KS_OK);
        ck_assert_uint_eq(count_of("b"), n + 1);
        assert_field("b", "field0", "v");
        assert_field("b", "late", "v");
        clock_fake(NOW + 3000);
        while (ks_maintain(f.t) != KS_NO_MORE)
            continue;
        clock_fake(NOW); /* the field would be there if it had not gone */
        ck_assert_uint_eq(count_of("b"), n);
        ck_assert_int_eq(move("b", "a"), KS_OK);
        hset("a", "more", "v");
        ck_assert_uint_eq(count_of("a"), n + 1);
        ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("move");
    TCase *c = tcase_create("move");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_value_takes_its_expiry_along_and_the_former_one_goes);
    tcase_add_test(c, every_kind_of_key_becomes_every_other);
    tcase_add_test(c, a_large_value_stays_where_it_stands);
    tcase_add_test(c, hashes_of_all_forms_keep_their_fields_and_deadlines);
    suite_add_tcase(s, c);
    return run_suite(s);
}
