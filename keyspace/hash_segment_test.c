/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_segment_test.c - hashes of many tables: as they grow, shrink, get
 * deadlines and go, with what they are said to take. */
#include "keyspace/hash_form.h"
#include "keyspace/hash_testing.h"

#define MANY 30000
#define LONG_VALUE 60

/* ---- what there is ------------------------------------------------------- */

static struct hash_reader *
open_reader(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct hash_reader *r;

    ck_assert_int_eq(hash_open(f.t, &key, KS_PEEK, &r), KS_OK);
    return r;
}

/* Tables that the hash has; 0: no directory. */
static unsigned
n_segments(const char *name)
{
    struct hash_reader *r = open_reader(name);
    unsigned n = 0;

    for (uint32_t i = 0; r->dir.dir != NULL && i >> r->dir.depth == 0; n++) {
        struct table_view v;

        table_of_segment(f.t, hdir_segment(&r->dir, i), &v);
        ck_assert_uint_le(v.table->log_end, SEGMENT_BYTES);
        i = hdir_next(&r->dir, i, &v);
    }
    hash_close(r);
    return n;
}

static size_t
memory_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct ks_info info;

    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    return info.memory_bytes;
}

/* What MEMORY USAGE says beside the chunk is what the extents take, exactly. */
static void
check_memory(const char *name)
{
    struct slab_stats s;
    size_t said = memory_of(name);

    slab_stats(f.slab, &s);
    ck_assert_uint_gt(said, s.extent_live_bytes);
    ck_assert_uint_lt(said, s.extent_live_bytes + 256);
}

/* ---- scans --------------------------------------------------------------- */

static unsigned seen[MANY];

static void
visit(void *ctx, const struct hash_field *field)
{
    unsigned n;

    (void)ctx;
    if (sscanf(field->name.p, "f:%u:", &n) == 1 && n < MANY)
        seen[n]++;
}

static uint64_t
scan_on(const char *name, uint64_t cursor, uint64_t count)
{
    struct hash_reader *r = open_reader(name);

    cursor = hash_scan(r, cursor, count, visit, NULL);
    hash_close(r);
    return cursor;
}

START_TEST(a_scan_visits_once_what_stays_while_the_hash_grows)
{
    uint64_t cursor = 0;
    unsigned n = 3000;

    set_numbered("h", 0, n);
    ck_assert_uint_le(n_segments("h"), 2);
    memset(seen, 0, sizeof(seen));
    do {
        cursor = scan_on("h", cursor, 10);
        if (n < MANY)
            set_numbered("h", n, n + 200);
        n = MIN(n + 200, MANY);
    } while (cursor != 0);
    ck_assert_uint_gt(n_segments("h"), 4);
    for (unsigned i = 0; i < 3000; i++)
        ck_assert_uint_eq(seen[i], 1);
    for (unsigned i = 3000; i < MANY; i++)
        ck_assert_uint_le(seen[i], 1);
}
END_TEST

START_TEST(a_scan_visits_once_what_stays_while_the_hash_shrinks)
{
    uint64_t cursor = 0;
    unsigned n = MANY;

    set_numbered("h", 0, MANY);
    ck_assert_uint_gt(n_segments("h"), 4);
    memset(seen, 0, sizeof(seen));
    do {
        cursor = scan_on("h", cursor, 20);
        if (n > 1000)
            delete_numbered("h", n - 500, n);
        n -= n > 1000 ? 500 : 0;
        check_memory("h");
    } while (cursor != 0);
    ck_assert_uint_eq(n_segments("h"), 0);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_eq(seen[i], 1);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_uint_le(seen[i], 1);
}
END_TEST

/* ---- memory -------------------------------------------------------------- */

START_TEST(memory_is_what_is_said_however_the_hash_changes)
{
    char field[32], value[LONG_VALUE + 1];
    struct slab_stats s;
    struct ks_key key = key_of(&f, "h");

    for (unsigned n = 0; n < 20000; n += 500) {
        set_numbered("h", n, n + 500);
        if (n > 500)
            check_memory("h");
    }
    memset(value, 'v', LONG_VALUE);
    value[LONG_VALUE] = '\0';
    for (unsigned n = 0; n < 20000; n++) {
        snprintf(field, sizeof(field), "f:%u:", n);
        ck_assert(!hset("h", field, value));
        if (n % 1000 == 0)
            check_memory("h");
    }
    assert_field("h", "f:19999:", value);
    slab_stats(f.slab, &s);
    ck_assert_uint_gt(s.extents_live, 10);
    ck_assert_uint_lt(s.extent_live_bytes, 20000 * (LONG_VALUE + 60));
    ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    slab_stats(f.slab, &s);
    ck_assert_uint_eq(s.extents_live, 0);
    ck_assert_uint_eq(s.extent_live_bytes, 0);
}
END_TEST

static void
expire_late(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    (void)ctx;
    ck_assert(old->exists);
    new->action = KS_EXPIRE;
    new->expire_ms = NOW + 1000000;
}

/* Each extent says which item it is of: however the item moves. */
START_TEST(an_eviction_finds_the_hash_by_any_of_its_extents)
{
    struct ks_key key = key_of(&f, "h");
    uint32_t ids[32], handle = 0;
    unsigned found = 0;

    set_numbered("h", 0, 20000);
    ck_assert_int_eq(ks_update(f.t, &key, expire_late, NULL), KS_OK);
    for (unsigned i = 0; i < 100; i++) {
        unsigned n = extent_sample(f.slab, i * 0x9e3779b97f4a7c15u, 32, ids);

        for (unsigned j = 0; j < n; j++, found++) {
            if (handle == 0)
                handle = extent_owner(f.slab, ids[j]);
            ck_assert_uint_eq(extent_owner(f.slab, ids[j]), handle);
        }
    }
    ck_assert_uint_gt(found, 500);
}
END_TEST

/* ---- deadlines ----------------------------------------------------------- */

START_TEST(a_first_deadline_renews_one_table)
{
    struct hash_edit *e;
    struct slab_stats before, after;

    set_numbered("h", 0, 20000);
    slab_stats(f.slab, &before);
    e = open_edit("h", HASH_MUST_EXIST, 1, 8);
    ck_assert(hash_edit_expire(e, STR("f:77:"), NOW + 1000));
    close_edit(e);
    slab_stats(f.slab, &after);
    ck_assert_uint_le(
        after.extent_live_bytes, before.extent_live_bytes + SEGMENT_BYTES);
    check_memory("h");
    clock_fake(NOW + 1001);
    assert_field("h", "f:77:", NULL);
    assert_field("h", "f:78:", "value");
    ck_assert_uint_eq(count_of("h"), 19999);
}
END_TEST

START_TEST(the_sweep_removes_what_has_expired_from_all_tables)
{
    char field[32];
    struct ks_metrics m;

    set_numbered("h", 0, 20000);
    for (unsigned i = 0; i < 20000; i++) {
        struct hash_edit *e;

        if (i % 10 == 0)
            continue;
        snprintf(field, sizeof(field), "f:%u:", i);
        e = open_edit("h", HASH_MUST_EXIST, 1, 8);
        ck_assert(hash_edit_expire(e, str_of(field), NOW + 1000 + i % 100));
        close_edit(e);
    }
    for (unsigned i = 0; i < 2000; i++) {
        clock_fake(NOW + 2000 + i * 250);
        maintain();
    }
    clock_fake(NOW); /* what is there is there for all */
    ck_assert_uint_eq(count_of("h"), 2000);
    assert_field("h", "f:19990:", "value");
    check_memory("h");
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.expired, 0);
}
END_TEST

START_TEST(a_hash_whose_fields_have_all_expired_goes_as_a_whole)
{
    char field[32];
    struct slab_stats s;

    for (unsigned i = 0; i < 20000; i++) {
        struct hash_edit *e;

        snprintf(field, sizeof(field), "f:%u:", i);
        e = open_edit("h", HASH_CREATE, 1, 32);
        ck_assert(hash_edit_set(e, str_of(field), STR("v"), NOW + 1000));
        close_edit(e);
    }
    ck_assert_uint_gt(n_segments("h"), 4);
    clock_fake(NOW + 5000);
    ck_assert_uint_eq(count_of("h"), 0);
    maintain();
    slab_stats(f.slab, &s);
    ck_assert_uint_eq(s.extents_live, 0);
}
END_TEST

/* ---- several fields at once ---------------------------------------------- */

START_TEST(a_hash_is_made_large_by_one_edit)
{
    static char names[20000][16];
    struct hash_edit *e = open_edit("h", HASH_CREATE, 20000, 20000 * 24);

    for (unsigned i = 0; i < 20000; i++) {
        snprintf(names[i], sizeof(names[i]), "f:%u:", i);
        ck_assert(
            hash_edit_set(e, str_of(names[i]), STR("value"), KS_NO_EXPIRY));
    }
    ck_assert_uint_eq(hash_edit_count(e), 20000);
    ck_assert(close_edit(e).created);
    ck_assert_uint_gt(n_segments("h"), 4);
    check_memory("h");
    delete_numbered("h", 0, 20000);
    ck_assert_uint_eq(count_of("h"), 0);
}
END_TEST

/* What is large has a table of its own, or shares one with few. */
START_TEST(large_values_are_parted_as_well)
{
    static char value[40001];
    char field[32];

    for (unsigned i = 0; i < 600; i++) {
        snprintf(field, sizeof(field), "f:%u:", i);
        memset(value, (int)('a' + i % 26), i % 3 == 0 ? 40000 : 100);
        value[i % 3 == 0 ? 40000 : 100] = '\0';
        ck_assert(hset("h", field, value));
    }
    check_memory("h");
    for (unsigned i = 0; i < 600; i++) {
        snprintf(field, sizeof(field), "f:%u:", i);
        memset(value, (int)('a' + i % 26), i % 3 == 0 ? 40000 : 100);
        value[i % 3 == 0 ? 40000 : 100] = '\0';
        assert_field("h", field, value);
    }
    ck_assert_uint_lt(memory_of("h"), 200 * 40000 * 3 / 2);
}
END_TEST

START_TEST(without_memory_a_large_hash_stays_as_it_is)
{
    char field[32];
    unsigned n = 0;
    enum ks_status status = KS_OK;
    struct ks_key key;

    fixture_close(&f);
    fixture_open(&f, 8 * MIB);
    f.options.maxmemory_policy = KS_NOEVICTION;
    key = key_of(&f, "h");
    for (; status == KS_OK; n++) {
        struct hash_edit *e;

        snprintf(field, sizeof(field), "f:%u:", n);
        ck_assert_uint_lt(n, 1000000);
        status = hash_edit(f.t, &key, HASH_CREATE, 1, 32, &e);
        ck_assert_int_eq(status, KS_OK);
        (void)hash_edit_set(e, str_of(field), STR("value"), KS_NO_EXPIRY);
        status = hash_edit_end(e, NULL);
    }
    n--;
    ck_assert_int_eq(status, KS_NO_MEMORY);
    ck_assert_uint_gt(n, 20000);
    ck_assert_uint_le(slab_used(f.slab), slab_limit(f.slab));
    assert_field("h", field, NULL);
    ck_assert_uint_eq(count_of("h"), n);
    for (unsigned i = 0; i < n; i += 7) {
        snprintf(field, sizeof(field), "f:%u:", i);
        assert_field("h", field, "value");
    }
    delete_numbered("h", 0, n);
    ck_assert_uint_eq(count_of("h"), 0);
}
END_TEST

/* ---- chance -------------------------------------------------------------- */

START_TEST(a_random_field_is_any_of_all_tables)
{
    static unsigned hits[MANY];
    struct hash_field field;
    struct hash_reader *r;
    unsigned n = 9000, first = 0;

    set_numbered("h", 0, n);
    r = open_reader("h");
    for (unsigned i = 0; i < 16 * n; i++) {
        unsigned at = 0;

        hash_random(r, &field);
        ck_assert_int_eq(sscanf(field.name.p, "f:%u:", &at), 1);
        hits[at]++;
        first += r->dir.dir != NULL &&
            hash_bytes(&f.ks->seed, field.name.p, field.name.len) >> 63 == 0;
    }
    hash_close(r);
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_gt(hits[i], 0);
    ck_assert_uint_gt(first, 16 * n * 45 / 100);
    ck_assert_uint_lt(first, 16 * n * 55 / 100);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash segments");
    TCase *c = tcase_create("hash");

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_scan_visits_once_what_stays_while_the_hash_grows);
    tcase_add_test(c, a_scan_visits_once_what_stays_while_the_hash_shrinks);
    tcase_add_test(c, memory_is_what_is_said_however_the_hash_changes);
    tcase_add_test(c, an_eviction_finds_the_hash_by_any_of_its_extents);
    tcase_add_test(c, a_first_deadline_renews_one_table);
    tcase_add_test(c, the_sweep_removes_what_has_expired_from_all_tables);
    tcase_add_test(c, a_hash_whose_fields_have_all_expired_goes_as_a_whole);
    tcase_add_test(c, a_hash_is_made_large_by_one_edit);
    tcase_add_test(c, large_values_are_parted_as_well);
    tcase_add_test(c, without_memory_a_large_hash_stays_as_it_is);
    tcase_add_test(c, a_random_field_is_any_of_all_tables);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
