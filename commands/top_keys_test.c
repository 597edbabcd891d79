/* SPDX-License-Identifier: BSD-3-Clause */
/* top_keys_test.c - the summary of the keys that come most often. */
#include "base/testing.h"
#include "commands/top_keys.h"

#include <stdio.h>

static struct hash_seed seed;

static void
add(struct top_keys *t, const char *name, unsigned db)
{
    top_keys_add(
        t, str_of(name), db, hash_bytes(&seed, name, strlen(name)) + db);
}

static const struct top_key *
find(const struct top_keys *t, const char *name, unsigned db)
{
    unsigned n;
    const struct top_key *keys = top_keys_all(t, &n);

    for (unsigned i = 0; i < n; i++)
        if (keys[i].db == db &&
            str_eq((struct str){keys[i].name, keys[i].len}, str_of(name)))
            return &keys[i];
    return NULL;
}

START_TEST(few_keys_are_counted_exactly)
{
    struct top_keys *t = top_keys_new(3);
    unsigned n;

    for (int i = 0; i < 5; i++)
        add(t, "a", 0);
    add(t, "b", 0);
    add(t, "a", 1);
    (void)top_keys_all(t, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(find(t, "a", 0)->count, 5);
    ck_assert_uint_eq(find(t, "a", 1)->count, 1);
    ck_assert_uint_eq(find(t, "b", 0)->count, 1);
    ck_assert_uint_eq(find(t, "a", 0)->error, 0);
    top_keys_free(t);
}
END_TEST

START_TEST(a_new_key_takes_the_place_of_the_least)
{
    struct top_keys *t = top_keys_new(2);

    for (int i = 0; i < 3; i++)
        add(t, "often", 0);
    for (int i = 0; i < 2; i++)
        add(t, "rare", 0);
    add(t, "new", 0);
    ck_assert_ptr_null(find(t, "rare", 0));
    ck_assert_uint_eq(find(t, "often", 0)->count, 3);
    ck_assert_uint_eq(find(t, "new", 0)->count, 3);
    ck_assert_uint_eq(find(t, "new", 0)->error, 2);
    top_keys_free(t);
}
END_TEST

START_TEST(clearing_forgets_all)
{
    struct top_keys *t = top_keys_new(2);
    size_t bytes = top_keys_bytes(t);
    unsigned n;

    add(t, "a long name that counts", 0);
    ck_assert_uint_gt(top_keys_bytes(t), bytes);
    top_keys_clear(t);
    (void)top_keys_all(t, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(top_keys_bytes(t), bytes);
    add(t, "a", 0);
    ck_assert_uint_eq(find(t, "a", 0)->count, 1);
    top_keys_free(t);
}
END_TEST

/* What the algorithm promises, against exact counts: count - error <= true <=
 * count, and every key above 1/capacity of all is there. */
START_TEST(what_is_promised_holds_for_random_streams)
{
    enum {
        NAMES = 300,
        STEPS = 60000,
        CAPACITY = 40
    };
    struct top_keys *t = top_keys_new(CAPACITY);
    static unsigned exact[NAMES];
    uint64_t x = 88172645463325252u;

    for (int i = 0; i < STEPS; i++) {
        char name[16];
        unsigned a, b;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        a = (unsigned)(x % NAMES);
        b = (unsigned)(x / NAMES % (a + 1)); /* small numbers more often */
        b = (unsigned)(x / NAMES / NAMES % (b + 1));
        snprintf(name, sizeof(name), "key-%u", b);
        exact[b]++;
        add(t, name, 0);
    }
    for (unsigned i = 0; i < NAMES; i++) {
        char name[16];
        const struct top_key *k;

        snprintf(name, sizeof(name), "key-%u", i);
        k = find(t, name, 0);
        ck_assert(k != NULL || exact[i] <= STEPS / CAPACITY);
        if (k == NULL)
            continue;
        ck_assert_uint_ge(k->count, exact[i]);
        ck_assert_uint_le(k->count - k->error, exact[i]);
    }
    ck_assert_uint_gt(exact[0], 2 * STEPS / CAPACITY);
    top_keys_free(t);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("commands/top_keys");
    TCase *c = tcase_create("top_keys");

    hash_seed_random(&seed);
    tcase_add_test(c, few_keys_are_counted_exactly);
    tcase_add_test(c, a_new_key_takes_the_place_of_the_least);
    tcase_add_test(c, clearing_forgets_all);
    tcase_add_test(c, what_is_promised_holds_for_random_streams);
    suite_add_tcase(s, c);
    return run_suite(s);
}
