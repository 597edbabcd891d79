/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_overwrite_test.c - a field of a small hash written without an edit, and
 * what is left to an edit. Races are hash_stress_test's.
 */
#include "keyspace/hash_simple.h"
#include "keyspace/hash_testing.h"

/* Enough hashes of the same fields that these are a shape. */
#define N_ALIKE 10

static void
set_alike(const char *name)
{
    (void)hset(name, "first", "aaaaaaaa");
    (void)hset(name, "second", "bbbbbbbb");
    (void)hset(name, "third", "cccccccc");
}

static void
open_alike(void)
{
    char name[16];

    set_up();
    for (unsigned i = 0; i < N_ALIKE; i++) {
        snprintf(name, sizeof(name), "alike%u", i);
        set_alike(name);
    }
    set_alike("h");
}

static uint32_t
handle_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct index_place place;

    return index_find(&f.ks->index, &key, &place);
}

static bool
put_by(const struct ks_key *key, const char *field, const char *value)
{
    return hash_overwrite(f.t, key, str_of(field), str_of(value));
}

/* Not with the luck that the item is to be stored anew. */
static bool
put(const char *name, const char *field, const char *value)
{
    struct ks_key key = key_of(&f, name);
    bool done;

    do {
        f.t->hash->renews = false;
        done = put_by(&key, field, value);
    } while (!done && f.t->hash->renews);
    return done;
}

/* In which class of chunks the item stands. */
static unsigned
class_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct index_place place;
    struct item_view v;

    ck_assert(index_find_item(&f.ks->index, &key, NOW, &place, &v) != 0);
    return slab_class_of(f.slab, v.size);
}

static uint64_t
memory_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct ks_info info;

    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    return info.memory_bytes;
}

/* Where the item needs a chunk of another size, an edit does it. */
START_TEST(a_field_gets_values_of_other_lengths)
{
    static const char *const values[] = {"dddddddd", "bbbbbb", "ccccccccccc",
        "123456789012345", "-12345678901234", "e", "", "1234567", "ab", "-5",
        "ffffffffffffffff", "bbbbbbbb"};
    unsigned n_in_place = 0;
    uint64_t memory = memory_of("h");

    for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
        uint32_t handle = handle_of("h");
        unsigned cls = class_of("h");
        bool done = put("h", "second", values[i]);

        if (done) {
            ck_assert_uint_eq(handle_of("h"), handle);
            n_in_place++;
        } else {
            (void)hset("h", "second", values[i]);
        }
        ck_assert(done == (class_of("h") == cls));
        assert_field("h", "first", "aaaaaaaa");
        assert_field("h", "second", values[i]);
        assert_field("h", "third", "cccccccc");
        ck_assert_uint_eq(count_of("h"), 3);
    }
    ck_assert_uint_ge(n_in_place, 6);
    ck_assert_uint_lt(n_in_place, ARRAY_LEN(values));
    ck_assert_uint_eq(memory_of("h"), memory);
    ck_assert(put("h", "first", "aaaaaa"));
    ck_assert(put("h", "third", "cccccccccc"));
    assert_field("h", "first", "aaaaaa");
    assert_field("h", "second", "bbbbbbbb");
    assert_field("h", "third", "cccccccccc");
}
END_TEST

/* A hundred bytes are a chunk of another size, 240 a head of another. */
START_TEST(what_does_not_fit_is_left_alone)
{
    static char large[70 * 1024];

    memset(large, 'x', sizeof(large) - 1);
    ck_assert(!put("h", "second", large));
    large[240] = '\0';
    ck_assert(!put("h", "second", large));
    large[100] = '\0';
    ck_assert(!put("h", "second", large));
    assert_field("h", "second", "bbbbbbbb");
}
END_TEST

START_TEST(what_is_not_there_is_not_made)
{
    ck_assert(!put("missing", "second", "b"));
    ck_assert_uint_eq(handle_of("missing"), 0);
    ck_assert(!put("h", "fourth", "b"));
    ck_assert(!put("h", "seconD", "b"));
    ck_assert(!put("h", "", "b"));
    ck_assert_uint_eq(count_of("h"), 3);
}
END_TEST

static void
expire_field(const char *name, const char *field, uint64_t expire_ms)
{
    struct hash_edit *e = open_edit(name, HASH_MUST_EXIST, 0, 0);

    ck_assert(hash_edit_expire(e, str_of(field), expire_ms));
    close_edit(e);
}

START_TEST(other_forms_are_left_to_an_edit)
{
    struct ks_key key = key_of(&f, "string");
    struct ks_info info;

    /* bytes that would be a hash of a known shape */
    ck_assert_int_eq(
        ks_set(f.t, &key, STR("\2\0\0\1\1\1abc"), KS_NO_EXPIRY), KS_OK);
    ck_assert(!put("string", "first", "b"));
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_int_eq(info.type, KS_STRING);

    (void)hset("alone", "of no shape", "a");
    ck_assert(!put("alone", "of no shape", "b"));
    assert_field("alone", "of no shape", "a");

    set_numbered("large", 0, 1000);
    ck_assert(!put("large", "f:5:", "other"));
    assert_field("large", "f:5:", "value");

    expire_field("h", "second", NOW + 1000);
    ck_assert(!put("h", "second", "ddddddd"));
    ck_assert(!put("h", "first", "ddddddd"));
    assert_field("h", "second", "bbbbbbbb");
}
END_TEST

static void
expire_key(const char *name, uint64_t expire_ms)
{
    struct hash_edit *e = open_edit(name, HASH_REPLACE, 3, 100);

    (void)hash_edit_set(e, STR("first"), STR("aaaaaaaa"), KS_NO_EXPIRY);
    (void)hash_edit_set(e, STR("second"), STR("bbbbbbbb"), KS_NO_EXPIRY);
    (void)hash_edit_set(e, STR("third"), STR("cccccccc"), KS_NO_EXPIRY);
    hash_edit_key_expiry(e, expire_ms);
    close_edit(e);
}

START_TEST(the_expiry_of_the_key_stays)
{
    struct ks_key key = key_of(&f, "h");
    struct ks_info info;

    expire_key("h", NOW + 1000);
    ck_assert(put("h", "second", "ddddddd"));
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_uint_eq(info.expire_ms, NOW + 1000);
    clock_fake(NOW + 1001);
    ck_assert(!put("h", "second", "ddddddd"));
    assert_field("h", "second", NULL);
}
END_TEST

START_TEST(a_key_from_before_a_flush_is_left_to_an_edit)
{
    struct ks_key key = key_found_ahead(&f, "h");

    f.ks->spaces.few_items = 0; /* unreachable at once, freed later */
    ks_flush(f.t, 0);
    ck_assert(!put_by(&key, "second", "ddddddd"));
    assert_field("h", "second", NULL);
}
END_TEST

/* Where the prefetch found the item there is another by now. */
START_TEST(an_item_written_since_it_was_found_ahead_is_searched)
{
    struct ks_key key = key_found_ahead(&f, "h"), again = key_of(&f, "h");
    bool done;

    ck_assert_int_eq(ks_delete(f.t, &again), KS_OK);
    set_alike("other"); /* where it was */
    f.t->hash->renews = false;
    ck_assert(!put_by(&key, "second", "ddddddd"));
    ck_assert(!f.t->hash->renews);
    assert_field("other", "second", "bbbbbbbb");
    set_alike("h");
    done = put_by(&key, "second", "ddddddd");
    ck_assert(done || f.t->hash->renews);
    assert_field("h", "second", done ? "ddddddd" : "bbbbbbbb");
    assert_field("other", "second", "bbbbbbbb");
}
END_TEST

/* A key without a template: one of some writes makes a new item, which is how
 * the key gets one. */
START_TEST(an_item_is_stored_anew_when_its_time_has_come)
{
    static const char *const name = "user:1234:profile";
    struct ks_key key = key_of(&f, name);
    unsigned n_renewed = 0;

    set_alike(name);
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t handle = handle_of(name);
        char value[16];

        snprintf(value, sizeof(value), "%u", 1000 + i);
        if (!put_by(&key, "second", value)) {
            (void)hset(name, "second", value);
            ck_assert_uint_ne(handle_of(name), handle);
            n_renewed++;
        } else {
            ck_assert_uint_eq(handle_of(name), handle);
        }
        assert_field(name, "second", value);
    }
    ck_assert_uint_gt(n_renewed, 2);
    ck_assert_uint_lt(n_renewed, 500);
}
END_TEST

START_TEST(it_counts_as_a_change)
{
    struct ks_metrics before, after;
    struct ks_key key = key_of(&f, "h");
    struct ks_info info;

    ks_metrics(f.ks, &before);
    ck_assert(put("h", "second", "ddddddd"));
    ks_metrics(f.ks, &after);
    ck_assert_uint_eq(after.replaces, before.replaces + 1);
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_uint_gt(info.frequency, 0);
}
END_TEST

/* All sums of lengths, with numbers among them, against one by one. */
START_TEST(bodies_are_found_behind_heads_of_all_kinds)
{
    uint64_t state = 7;

    for (unsigned i = 0; i < 20000; i++) {
        uint8_t heads[SHAPE_FIELDS + LANES];
        uint32_t place = (uint32_t)(splitmix64(&state) % SHAPE_FIELDS);
        size_t want = 0, room = place + splitmix64(&state) % LANES;

        for (unsigned k = 0; k < sizeof(heads); k++)
            heads[k] = (uint8_t)(splitmix64(&state) % HEAD_LEN2);
        for (unsigned k = 0; k < place; k++)
            want += heads[k] <= HEAD_INT ? heads[k] : heads[k] - 239u;
        ck_assert_uint_eq(bytes_before(heads, place, room), want);
    }
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hash overwrites");
    TCase *c = tcase_create("hash overwrites");

    tcase_add_checked_fixture(c, open_alike, tear_down);
    tcase_add_test(c, a_field_gets_values_of_other_lengths);
    tcase_add_test(c, what_does_not_fit_is_left_alone);
    tcase_add_test(c, what_is_not_there_is_not_made);
    tcase_add_test(c, other_forms_are_left_to_an_edit);
    tcase_add_test(c, the_expiry_of_the_key_stays);
    tcase_add_test(c, a_key_from_before_a_flush_is_left_to_an_edit);
    tcase_add_test(c, an_item_written_since_it_was_found_ahead_is_searched);
    tcase_add_test(c, an_item_is_stored_anew_when_its_time_has_come);
    tcase_add_test(c, it_counts_as_a_change);
    tcase_add_test(c, bodies_are_found_behind_heads_of_all_kinds);
    suite_add_tcase(s, c);
    return s;
}

int
main(void)
{
    return run_suite(suite());
}
