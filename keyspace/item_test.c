/* SPDX-License-Identifier: BSD-3-Clause */
/* item_test.c - items: built and taken apart again. */
#include "base/testing.h"
#include "keyspace/internal.h"

#include <stdlib.h>

#define NOW ((uint64_t)1750000000000)
#define DAY ((uint64_t)86400 * 1000)

static _Alignas(8) char chunk[SLAB_MAX_CHUNK + 64];

static struct item_view
build_and_read(const struct item_shape *shape, const char *value)
{
    struct item_view v;
    char *to;

    memset(chunk, 0x5a, sizeof(chunk));
    to = item_build(chunk, shape, NOW);
    if (to != NULL)
        memcpy(to, value, shape->value_len);
    ck_assert(item_read(chunk, NOW, &v));
    ck_assert_uint_eq(v.size, item_size(shape, NOW));
    ck_assert(str_eq(v.stored, shape->key));
    ck_assert_uint_eq(v.value_len, shape->value_len);
    ck_assert_uint_eq(v.expire_ms, shape->expire_ms);
    ck_assert_uint_eq(v.id, shape->id);
    if (to != NULL)
        ck_assert_mem_eq(v.value, value, shape->value_len);
    return v;
}

START_TEST(a_plain_item_costs_four_bytes)
{
    struct item_shape s = {.key = STR("user:1"), .value_len = 3,
        .expire_ms = KS_NO_EXPIRY};

    build_and_read(&s, "abc");
    ck_assert_uint_eq(item_size(&s, NOW), 4 + 6 + 3);
}
END_TEST

START_TEST(an_expiry_costs_four_bytes_and_is_exact)
{
    struct item_shape s = {.key = STR("k"), .value_len = 1};

    for (uint64_t ms = 1; ms < 24 * DAY; ms = ms * 3 + 1) {
        s.expire_ms = NOW + ms;
        build_and_read(&s, "v");
        ck_assert_uint_eq(item_size(&s, NOW), 4 + 4 + 1 + 1);
    }
}
END_TEST

START_TEST(an_expiry_that_has_passed_stays_passed_for_three_weeks)
{
    struct item_shape s = {.key = STR("k"), .expire_ms = NOW + 10};
    struct item_view v;

    item_build(chunk, &s, NOW);
    ck_assert(item_read(chunk, NOW + 9, &v) && !item_expired(&v, NOW + 9));
    for (uint64_t later = 10; later < 21 * DAY; later = later * 2) {
        ck_assert(item_read(chunk, NOW + later, &v));
        ck_assert(item_expired(&v, NOW + later));
        ck_assert(item_peek_expired(chunk, NOW + later));
    }
}
END_TEST

START_TEST(a_far_expiry_stands_in_the_extension)
{
    struct item_shape s = {.key = STR("k"), .value_len = 1};

    for (uint64_t ms = 25 * DAY; ms < 1000000 * DAY; ms *= 7) {
        s.expire_ms = NOW + ms;
        build_and_read(&s, "v");
    }
}
END_TEST

START_TEST(long_keys_and_empty_keys_and_values_are_kept)
{
    static char name[KS_MAX_KEY];
    static const size_t lens[] = {0, 1, 254, 255, 256, 300, KS_MAX_KEY};
    struct item_shape s = {.expire_ms = KS_NO_EXPIRY};

    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        s.key = (struct str){name, lens[i]};
        s.value_len = 0;
        build_and_read(&s, "");
        s.value_len = 5;
        build_and_read(&s, "12345");
        s.expire_ms = i % 2 ? KS_NO_EXPIRY : NOW + 5;
    }
}
END_TEST

START_TEST(a_database_other_than_0_costs_two_bytes)
{
    struct item_shape s = {.key = STR("key"), .value_len = 1, .id = 15,
        .expire_ms = KS_NO_EXPIRY};

    build_and_read(&s, "v");
    ck_assert_uint_eq(item_size(&s, NOW), 4 + 2 + 3 + 1);
}
END_TEST

START_TEST(an_extent_item_holds_a_reference_and_the_length)
{
    struct item_shape s = {.key = STR("big"), .value_len = 512 << 20,
        .extent = 77, .expire_ms = NOW + 1000, .id = 3};
    struct item_view v = build_and_read(&s, NULL);

    ck_assert_uint_eq(v.extent, 77);
    ck_assert_uint_eq(v.size, 4 + 4 + 2 + 3 + 8);
}
END_TEST

START_TEST(a_free_chunk_is_no_item)
{
    struct item_view v;
    struct item_copy c;

    memset(chunk, 0, sizeof(chunk));
    ck_assert(!item_read(chunk, NOW, &v));
    ck_assert(!item_peek(chunk, NOW, &c));
}
END_TEST

START_TEST(garbage_is_read_within_the_bounds_of_any_item)
{
    struct item_view v;

    srand(1);
    for (int n = 0; n < 100000; n++) {
        for (size_t i = 0; i < 40; i++)
            chunk[i] = (char)rand();
        if (!item_read(chunk, NOW, &v))
            continue;
        ck_assert_uint_le(v.size, SLAB_MAX_CHUNK);
        ck_assert_uint_le(v.stored.len, KS_MAX_KEY);
        ck_assert(v.stored.p >= chunk && v.stored.p < chunk + 40);
    }
}
END_TEST

START_TEST(a_peek_copies_fields_key_and_extent)
{
    static char name[KS_MAX_KEY];
    struct item_shape s = {.expire_ms = NOW + 3, .value_len = 99, .extent = 5};
    struct item_copy c;

    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = (char)('a' + i % 26);
    for (size_t len = 0; len <= KS_MAX_KEY; len = len * 2 + 1) {
        s.key = (struct str){name, len};
        s.id = len % 3 ? 7 : 0;
        item_build(chunk, &s, NOW);
        ck_assert(item_peek(chunk, NOW, &c));
        ck_assert(str_eq(c.view.stored, s.key));
        ck_assert_uint_eq(c.view.extent, 5);
        ck_assert_uint_eq(c.view.value_len, 99);
        ck_assert_uint_eq(c.view.expire_ms, NOW + 3);
    }
}
END_TEST

START_TEST(a_version_costs_eight_bytes_beside_every_other_field)
{
    static char name[300];
    static const uint64_t deadlines[] = {
        KS_NO_EXPIRY, NOW + 10, NOW + 30 * DAY};

    memset(name, 'n', sizeof(name));
    for (unsigned i = 0; i < 3 * 2 * 2 * 2; i++) {
        struct item_shape s = {.key = {name, i / 3 % 2 ? 300 : 3},
            .id = i / 6 % 2 ? 7 : 0, .extent = i / 12 % 2 ? 5 : 0,
            .value_len = 3, .expire_ms = deadlines[i % 3]};
        size_t without = item_size(&s, NOW);
        struct item_copy c;
        struct item_view v;
        char *value;

        s.version = (uint64_t)1 << 50 | i;
        ck_assert_uint_eq(item_size(&s, NOW), without + 8);
        value = item_build(chunk, &s, NOW);
        ck_assert(item_read(chunk, NOW, &v));
        ck_assert_uint_eq(v.version, s.version);
        ck_assert_uint_eq(v.expire_ms, s.expire_ms);
        ck_assert_uint_eq(v.id, s.id);
        ck_assert_uint_eq(v.extent, s.extent);
        ck_assert(str_eq(v.stored, s.key));
        ck_assert(value == NULL || value == v.value);
        ck_assert_int_eq(item_kind(v.header), ITEM_STRING);
        ck_assert_uint_eq(v.size, without + 8);
        ck_assert(item_peek(chunk, NOW, &c));
        ck_assert_uint_eq(c.view.size, v.size);
        ck_assert_uint_eq(c.view.extent, s.extent);
    }
}
END_TEST

START_TEST(an_expiry_is_changed_only_where_it_fits)
{
    struct item_shape s = {.key = STR("k"), .expire_ms = NOW + 10};
    struct item_view v;

    item_build(chunk, &s, NOW);
    ck_assert(item_set_expiry(chunk, NOW + 20, NOW));
    ck_assert(item_read(chunk, NOW, &v));
    ck_assert_uint_eq(v.expire_ms, NOW + 20);
    ck_assert(!item_set_expiry(chunk, NOW + 30 * DAY, NOW));
    ck_assert(!item_set_expiry(chunk, KS_NO_EXPIRY, NOW));
    s.expire_ms = KS_NO_EXPIRY;
    item_build(chunk, &s, NOW);
    ck_assert(!item_set_expiry(chunk, NOW + 20, NOW));
    s.expire_ms = NOW + 30 * DAY;
    item_build(chunk, &s, NOW);
    ck_assert(item_set_expiry(chunk, KS_NO_EXPIRY, NOW));
    ck_assert(item_read(chunk, NOW, &v));
    ck_assert_uint_eq(v.expire_ms, KS_NO_EXPIRY);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("item");
    TCase *c = tcase_create("layout");

    tcase_add_test(c, a_plain_item_costs_four_bytes);
    tcase_add_test(c, an_expiry_costs_four_bytes_and_is_exact);
    tcase_add_test(c, an_expiry_that_has_passed_stays_passed_for_three_weeks);
    tcase_add_test(c, a_far_expiry_stands_in_the_extension);
    tcase_add_test(c, long_keys_and_empty_keys_and_values_are_kept);
    tcase_add_test(c, a_database_other_than_0_costs_two_bytes);
    tcase_add_test(c, an_extent_item_holds_a_reference_and_the_length);
    tcase_add_test(c, a_free_chunk_is_no_item);
    tcase_add_test(c, garbage_is_read_within_the_bounds_of_any_item);
    tcase_add_test(c, a_peek_copies_fields_key_and_extent);
    tcase_add_test(c, a_version_costs_eight_bytes_beside_every_other_field);
    tcase_add_test(c, an_expiry_is_changed_only_where_it_fits);
    suite_add_tcase(s, c);
    return run_suite(s);
}
