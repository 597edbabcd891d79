/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_test.c - fields of hashes, scans of them, their deadlines. */
#include "keyspace/hash_testing.h"

START_TEST(fields_are_set_read_counted_and_deleted)
{
    struct hash_edit *e;
    struct hash_change what;

    ck_assert(hset("h", "name", "Ada"));
    ck_assert(hset("h", "born", "1815"));
    ck_assert(!hset("h", "name", "Ada Lovelace"));
    assert_field("h", "name", "Ada Lovelace");
    assert_field("h", "born", "1815");
    assert_field("h", "nam", NULL);
    ck_assert_uint_eq(count_of("h"), 2);
    e = open_edit("h", HASH_MUST_EXIST, 0, 0);
    ck_assert(hash_edit_delete(e, STR("name")));
    ck_assert(!hash_edit_delete(e, STR("name")));
    ck_assert(hash_edit_delete(e, STR("born")));
    what = close_edit(e);
    ck_assert(what.deleted && what.changed && !what.created);
    ck_assert_uint_eq(count_of("h"), 0);
}
END_TEST

START_TEST(other_types_are_refused)
{
    struct ks_key key = key_of(&f, "s"), hash = key_of(&f, "h");
    struct hash_edit *e;
    struct hash_reader *r;
    struct ks_info info;
    uint64_t n;

    set(&f, "s", "string");
    hset("h", "a", "b");
    ck_assert_int_eq(
        hash_edit(f.t, &key, HASH_CREATE, 1, 9, &e), KS_WRONG_TYPE);
    ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_WRONG_TYPE);
    ck_assert_int_eq(hash_count(f.t, &key, KS_READ, &n), KS_WRONG_TYPE);
    ck_assert_int_eq(hash_get(f.t, &key, KS_READ, STR("a"), NULL, NULL, &info),
        KS_WRONG_TYPE);
    ck_assert_int_eq(ks_get(f.t, &hash, KS_READ, place_in_buf,
                         &(struct read_back){{0}}, &info),
        KS_WRONG_TYPE);
    ck_assert_int_eq(ks_stat(f.t, &hash, KS_READ, &info), KS_OK);
    ck_assert_int_eq(info.type, KS_HASH);
    set(&f, "h", "now a string");
    assert_value(&f, "h", "now a string");
    ck_assert_int_eq(ks_stat(f.t, &hash, KS_READ, &info), KS_OK);
    ck_assert_int_eq(info.type, KS_STRING);
}
END_TEST

START_TEST(a_watch_hears_of_changes_in_place_and_of_expired_hashes)
{
    struct ks_key key = key_of(&f, "h");
    struct ks_watch *w;

    set_numbered("h", 0, 1000);
    w = ks_watch(f.t, &key);
    assert_field("h", "f:7:", "value");
    ck_assert(!ks_watch_changed(f.t, w));
    hset("h", "f:7:", "other");
    ck_assert(ks_watch_changed(f.t, w));
    ks_unwatch(f.ks, w);
    w = ks_watch(f.t, &key);
    delete_numbered("h", 1, 2);
    ck_assert(ks_watch_changed(f.t, w));
    ks_unwatch(f.ks, w);
}
END_TEST

/* ---- scans --------------------------------------------------------------- */

static unsigned scanned[6000];

static void
note_scanned(void *ctx, const struct hash_field *field)
{
    (void)ctx;
    scanned[strtoul(field->name.p + 2, NULL, 10)]++;
}

/* Whatever is there all the time is met once, while the table grows and
 * shrinks and in the end becomes compact. */
START_TEST(a_scan_meets_what_stays_exactly_once)
{
    struct ks_key key = key_of(&f, "h");
    uint64_t cursor = 0;
    unsigned step = 0;

    set_numbered("h", 0, 1000);
    memset(scanned, 0, sizeof(scanned));
    do {
        struct hash_reader *r;

        ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_OK);
        cursor = hash_scan(r, cursor, 10, note_scanned, NULL);
        ck_assert_uint_lt(cursor, (uint64_t)1 << 48);
        hash_close(r);
        step++;
        if (step == 5)
            set_numbered("h", 1000, 6000);
        if (step == 10)
            delete_numbered("h", 1000, 6000);
        if (step == 20)
            delete_numbered("h", 50, 1000);
    } while (cursor != 0);
    ck_assert_uint_gt(step, 20);
    ck_assert(is_compact("h"));
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(scanned[i], 1);
    for (unsigned i = 50; i < 6000; i++)
        ck_assert_uint_le(scanned[i], 1);
}
END_TEST

START_TEST(any_field_is_chosen_about_as_often)
{
    struct ks_key key = key_of(&f, "h");

    for (unsigned large = 0; large < 2; large++) {
        unsigned n = large ? 2000 : 10;
        struct hash_reader *r;

        set_numbered("h", 0, n);
        ck_assert(is_compact("h") == !large);
        memset(scanned, 0, sizeof(scanned));
        ck_assert_int_eq(hash_open(f.t, &key, KS_READ, &r), KS_OK);
        for (unsigned i = 0; i < 100 * n; i++) {
            struct hash_field field;

            hash_random(r, &field);
            note_scanned(NULL, &field);
        }
        hash_close(r);
        for (unsigned i = 0; i < n; i++)
            ck_assert(scanned[i] > 40 && scanned[i] < 180);
    }
}
END_TEST

/* ---- deadlines ----------------------------------------------------------- */

static void
set_until(const char *name, const char *field, uint64_t expire_ms)
{
    struct hash_edit *e = open_edit(name, HASH_CREATE, 1, strlen(field) + 1);

    (void)hash_edit_set(e, str_of(field), STR("v"), expire_ms);
    close_edit(e);
}

static uint64_t
items_there(void)
{
    struct ks_db_stats s;

    ks_db_stats(f.ks, 0, &s);
    return s.items;
}

START_TEST(an_expired_field_is_gone_to_the_millisecond)
{
    struct ks_key key = key_of(&f, "h");
    struct ks_info info;

    hset("h", "stays", "v");
    set_until("h", "goes", NOW + 100);
    set_until("only", "goes", NOW + 100);
    clock_fake(NOW + 99);
    assert_field("h", "goes", "v");
    ck_assert_uint_eq(count_of("h"), 2);
    ck_assert_uint_eq(count_of("only"), 1);
    clock_fake(NOW + 100);
    assert_field("h", "goes", NULL);
    assert_field("h", "stays", "v");
    ck_assert_uint_eq(count_of("h"), 1);
    key = key_of(&f, "only");
    ck_assert_int_eq(ks_stat(f.t, &key, KS_READ, &info), KS_MISS);
    assert_value(&f, "only", NULL); /* and no wrong type */
}
END_TEST

START_TEST(the_sweep_frees_expired_fields_and_hashes)
{
    char name[32], field[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "gone:%u", i);
        set_until(name, "a", NOW + 1000 + i);
        set_until(name, "b", NOW + 2000 + i);
        snprintf(name, sizeof(name), "half:%u", i);
        set_until(name, "a", NOW + 1000 + i);
        hset(name, "b", "stays");
    }
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(field, sizeof(field), "f:%u", i);
        set_until("table", field, i % 10 == 0 ? KS_NO_EXPIRY : NOW + 500 + i);
    }
    ck_assert(!is_compact("table"));
    ck_assert_uint_eq(items_there(), 201);
    for (unsigned i = 0; i < 20; i++) {
        clock_fake(NOW + 5000 + 500 * i);
        maintain();
    }
    ck_assert_uint_eq(items_there(), 101);
    ck_assert_uint_eq(count_of("table"), 300);
    /* not only invisible */
    for (unsigned i = 0; i < 100; i++) {
        struct ks_key key;
        struct ks_info info;

        snprintf(name, sizeof(name), "half:%u", i);
        key = key_of(&f, name);
        ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
        ck_assert_uint_lt(info.value_len, 14);
    }
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash");
    TCase *c = tcase_create("hash");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, fields_are_set_read_counted_and_deleted);
    tcase_add_test(c, other_types_are_refused);
    tcase_add_test(c, a_watch_hears_of_changes_in_place_and_of_expired_hashes);
    tcase_add_test(c, a_scan_meets_what_stays_exactly_once);
    tcase_add_test(c, any_field_is_chosen_about_as_often);
    tcase_add_test(c, an_expired_field_is_gone_to_the_millisecond);
    tcase_add_test(c, the_sweep_frees_expired_fields_and_hashes);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
