/* SPDX-License-Identifier: BSD-3-Clause */
/* overwrite_test.c - which values are written in the place of the ones before,
 * and that nobody can tell. Torn reads are keyspace_stress_test's. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define NOW_MS 1700000000000u

static struct fixture f;

static void
open_ks(void)
{
    clock_fake(NOW_MS);
    fixture_open(&f, 64 * MIB);
}

static void
close_ks(void)
{
    fixture_close(&f);
    clock_unfake();
}

static uint32_t
handle_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct index_place place;

    return index_find(&f.ks->index, &key, &place);
}

static struct ks_info
info_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct ks_info info;

    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    return info;
}

static enum ks_status
set_bytes(const char *name, size_t len, char byte, uint64_t expire_ms)
{
    static char value[16 * KIB];
    struct ks_key key = key_of(&f, name);

    memset(value, byte, len);
    return ks_set(f.t, &key, (struct str){value, len}, expire_ms);
}

static void
assert_bytes(const char *name, size_t len, char byte)
{
    struct ks_key key = key_of(&f, name);
    struct read_back r = {{0}};
    size_t same = 0;

    if (read_value(&f, f.t, &key, &r))
        while (same < r.buf.len && r.buf.p[same] == byte)
            same++;
    ck_assert_uint_eq(r.buf.len, len);
    ck_assert_uint_eq(same, len);
    buf_free(&r.buf);
}

/* How many of 512 overwrites left the item where it was. */
static unsigned
count_in_place(const char *name, size_t len, uint64_t expire_ms)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 512; i++) {
        uint32_t before = handle_of(name);
        char byte = (char)('a' + i % 26);

        ck_assert_int_eq(set_bytes(name, len, byte, expire_ms), KS_OK);
        assert_bytes(name, len, byte);
        n += handle_of(name) == before;
    }
    return n;
}

/* Enough keys of a shape for it to have a template. */
static void
learn_shape(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "user:%06u:name", i);
        ck_assert_int_eq(set_bytes(name, 32, 'x', KS_NO_EXPIRY), KS_OK);
    }
}

START_TEST(a_value_of_the_same_class_stays_where_it_is)
{
    learn_shape();
    ck_assert_uint_gt(
        count_in_place("user:000123:name", 32, KS_NO_EXPIRY), 480);
    ck_assert_int_eq(set_bytes("u", 32, 'x', KS_NO_EXPIRY), KS_OK);
    ck_assert_uint_eq(count_in_place("u", 32, KS_NO_EXPIRY), 512);
    ck_assert_int_eq(set_bytes("long", 4000, 'x', KS_NO_EXPIRY), KS_OK);
    ck_assert_uint_lt(count_in_place("long", 4000, KS_NO_EXPIRY), 256);
}
END_TEST

START_TEST(values_of_any_length_are_counted_exactly)
{
    struct ks_key key = key_of(&f, "user:1");
    struct ks_memory memory;
    struct ks_info info;

    for (unsigned i = 0; i < 1500; i++) {
        size_t len = (size_t)(rand() % (i % 16 ? 64 : 3000));
        char byte = (char)('a' + i % 26);

        ck_assert_int_eq(set_bytes("user:1", len, byte, KS_NO_EXPIRY), KS_OK);
        assert_bytes("user:1", len, byte);
    }
    ck_assert_int_eq(set_bytes("user:1", 10, 'x', KS_NO_EXPIRY), KS_OK);
    info = info_of("user:1");
    ks_memory(f.ks, &memory);
    ck_assert_uint_eq(info.value_len, 10);
    ck_assert_uint_le(memory.item_bytes, info.memory_bytes);
    ck_assert_uint_ge(memory.item_bytes, 4 + 10);
    ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    ks_memory(f.ks, &memory);
    ck_assert_uint_eq(memory.item_bytes, 0);
}
END_TEST

START_TEST(deadlines_follow_the_value)
{
    const uint64_t far = NOW_MS + (uint64_t)1000 * 86400 * 1000;
    static const uint64_t deadlines[] = {NOW_MS + 1000, KS_NO_EXPIRY,
        NOW_MS + 2000, NOW_MS + 500, far, far + 1, NOW_MS + 100, KS_NO_EXPIRY};
    struct ks_db_stats s;

    for (unsigned i = 0; i < ARRAY_LEN(deadlines); i++) {
        ck_assert_int_eq(set_bytes("e", 20, 'x', deadlines[i]), KS_OK);
        ck_assert_uint_eq(info_of("e").expire_ms, deadlines[i]);
        ks_db_stats(f.ks, 0, &s);
        ck_assert_uint_eq(s.items, 1);
        ck_assert_uint_eq(s.expires, deadlines[i] != KS_NO_EXPIRY);
    }
    ck_assert_int_eq(set_bytes("e", 20, 'x', NOW_MS + 5000), KS_OK);
    ck_assert_uint_eq(count_in_place("e", 20, NOW_MS + 3000), 512);
    clock_fake(NOW_MS + 3000);
    assert_value(&f, "e", NULL);
    ck_assert_int_eq(set_bytes("e", 20, 'x', NOW_MS + 9000), KS_OK);
    assert_bytes("e", 20, 'x');
}
END_TEST

/* The sweep goes by the earliest deadline of a page, which an overwrite may
 * bring forward. */
START_TEST(a_deadline_brought_forward_is_swept)
{
    struct ks_db_stats s;

    for (uint64_t until = NOW_MS + 600000; until > NOW_MS; until -= 599000)
        ck_assert_int_eq(set_bytes("e", 20, 'x', until), KS_OK);
    clock_fake(NOW_MS + 5000);
    for (unsigned i = 0; i < 10000 && ks_maintain(f.t); i++)
        ;
    ks_db_stats(f.ks, 0, &s);
    ck_assert_uint_eq(s.items, 0);
}
END_TEST

static void
give_number(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    (void)ctx;
    (void)old;
    new->action = KS_NUMBER;
}

START_TEST(a_version_goes_with_its_value)
{
    struct ks_key key = key_of(&f, "v");

    set(&f, "v", "old");
    ck_assert_int_eq(ks_update(f.t, &key, give_number, NULL), KS_OK);
    ck_assert_uint_ne(info_of("v").version, 0);
    set(&f, "v", "new");
    ck_assert_uint_eq(info_of("v").version, 0);
    assert_value(&f, "v", "new");
}
END_TEST

START_TEST(who_watches_is_told)
{
    struct ks_key key = key_of(&f, "w");
    struct ks_watch *w;
    uint32_t before;

    set(&f, "w", "value 1");
    before = handle_of("w");
    w = ks_watch(f.t, &key);
    set(&f, "w", "value 2");
    ck_assert_uint_eq(handle_of("w"), before);
    ck_assert(ks_watch_changed(f.t, w));
    ks_unwatch(f.ks, w);
}
END_TEST

START_TEST(an_overwrite_counts_as_a_use)
{
    set(&f, "h", "value");
    for (unsigned i = 1; i <= 5; i++) {
        set(&f, "h", "other");
        ck_assert_uint_eq(info_of("h").frequency, i);
    }
}
END_TEST

/* A key that was stored before its shape was known gets the template. */
START_TEST(overwritten_keys_get_their_template)
{
    size_t raw;

    ck_assert_int_eq(
        set_bytes("user:777777:name", 32, 'x', KS_NO_EXPIRY), KS_OK);
    raw = info_of("user:777777:name").memory_bytes;
    learn_shape();
    for (unsigned i = 0; i < 200; i++)
        ck_assert_int_eq(
            set_bytes("user:777777:name", 32, 'y', KS_NO_EXPIRY), KS_OK);
    ck_assert_uint_lt(info_of("user:777777:name").memory_bytes, raw);
    assert_bytes("user:777777:name", 32, 'y');
}
END_TEST

START_TEST(shapes_are_learned_from_overwrites)
{
    char name[32];

    for (unsigned round = 0; round < 100; round++)
        for (unsigned i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "user:%06u:name", i);
            ck_assert_int_eq(set_bytes(name, 32, 'x', KS_NO_EXPIRY), KS_OK);
        }
    ck_assert_uint_gt(templates_count(f.ks->templates), 0);
}
END_TEST

START_TEST(a_full_cache_without_eviction_takes_no_value)
{
    enum ks_status status = KS_OK;
    char name[32];

    f.options.maxmemory_policy = KS_NOEVICTION;
    ck_assert_int_eq(set_bytes("short", 1000, 'x', KS_NO_EXPIRY), KS_OK);
    for (unsigned i = 0; status == KS_OK; i++) {
        snprintf(name, sizeof(name), "fill:%u", i);
        status = set_bytes(name, 16000, 'x', KS_NO_EXPIRY);
    }
    ck_assert_int_eq(status, KS_NO_MEMORY);
    ck_assert_int_eq(set_bytes("short", 1000, 'y', KS_NO_EXPIRY), KS_NO_MEMORY);
    assert_bytes("short", 1000, 'x');
}
END_TEST

static void
put_string(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    (void)old;
    new->action = KS_PUT;
    new->part[0] = str_of(ctx);
    new->n_parts = 1;
}

/* All of the old value but its first byte. */
static void
put_rest(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    (void)ctx;
    new->action = KS_PUT;
    new->part[0] = (struct str){old->value.p + 1, old->value.len - 1};
    new->n_parts = 1;
}

START_TEST(updates_overwrite_too)
{
    struct ks_key key = key_of(&f, "n");
    uint32_t before;

    set(&f, "n", "41");
    before = handle_of("n");
    ck_assert_int_eq(
        ks_update(f.t, &key, put_string, (void *)(uintptr_t) "42"), KS_OK);
    assert_value(&f, "n", "42");
    ck_assert_uint_eq(handle_of("n"), before);
    set(&f, "n", "abcdefghijkl");
    ck_assert_int_eq(ks_update(f.t, &key, put_rest, NULL), KS_OK);
    assert_value(&f, "n", "bcdefghijkl");
    f.options.large_value_threshold = 4;
    ck_assert_int_eq(
        ks_update(f.t, &key, put_string, (void *)(uintptr_t) "12345"), KS_OK);
    assert_value(&f, "n", "12345");
    f.options.large_value_threshold = 16384;
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("overwrite");
    TCase *c = tcase_create("values");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_test(c, a_value_of_the_same_class_stays_where_it_is);
    tcase_add_test(c, values_of_any_length_are_counted_exactly);
    tcase_add_test(c, deadlines_follow_the_value);
    tcase_add_test(c, a_deadline_brought_forward_is_swept);
    tcase_add_test(c, a_version_goes_with_its_value);
    tcase_add_test(c, who_watches_is_told);
    tcase_add_test(c, an_overwrite_counts_as_a_use);
    tcase_add_test(c, overwritten_keys_get_their_template);
    tcase_add_test(c, shapes_are_learned_from_overwrites);
    tcase_add_test(c, a_full_cache_without_eviction_takes_no_value);
    tcase_add_test(c, updates_overwrite_too);
    suite_add_tcase(s, c);
    return run_suite(s);
}
