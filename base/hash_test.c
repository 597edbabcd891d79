/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_test.c - the key hash: seeded, spread. */
#include "base/testing.h"

#include <stdio.h>

/* A seed that is the same in each run, so that a failure repeats. */
static struct hash_seed
fixed_seed(void)
{
    struct hash_seed seed;
    uint64_t x = 88172645463325252;

    for (size_t i = 0; i < sizeof(seed.secret); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        seed.secret[i] = (uint8_t)(x >> 32);
    }
    return seed;
}

START_TEST(one_seed_gives_one_hash)
{
    struct hash_seed a = fixed_seed();
    struct hash_seed b = fixed_seed();
    char key[300];

    memset(key, 'k', sizeof(key));
    for (size_t len = 0; len <= sizeof(key); len++)
        ck_assert_uint_eq(hash_bytes(&a, key, len), hash_bytes(&b, key, len));
}
END_TEST

START_TEST(two_seeds_give_two_hashes)
{
    struct hash_seed a, b;
    char key[300];

    hash_seed_random(&a);
    hash_seed_random(&b);
    memset(key, 'k', sizeof(key));
    for (size_t len = 0; len <= sizeof(key); len++)
        ck_assert_uint_ne(hash_bytes(&a, key, len), hash_bytes(&b, key, len));
}
END_TEST

START_TEST(random_seeds_differ_in_every_part)
{
    struct hash_seed a, b;

    hash_seed_random(&a);
    hash_seed_random(&b);
    for (size_t i = 0; i < sizeof(a.secret); i += 16)
        ck_assert_mem_ne(a.secret + i, b.secret + i, 16);
}
END_TEST

START_TEST(the_empty_key_has_a_hash_of_its_seed)
{
    struct hash_seed a, b;

    hash_seed_random(&a);
    hash_seed_random(&b);
    ck_assert_uint_ne(hash_bytes(&a, "", 0), hash_bytes(&b, NULL, 0));
    ck_assert_uint_eq(hash_bytes(&a, "", 0), hash_bytes(&a, NULL, 0));
}
END_TEST

/* 65536 numbered keys into 256 buckets of the top bits: chi-square of 255
 * degrees of freedom stays below 400 except once in ten million seeds. */
START_TEST(hashes_of_like_keys_spread_evenly)
{
    struct hash_seed seed = fixed_seed();
    unsigned buckets[256] = {0};
    double chi = 0;
    char key[32];

    for (int i = 0; i < 65536; i++) {
        int len = snprintf(key, sizeof(key), "user:%010d:profile", i);

        buckets[hash_bytes(&seed, key, (size_t)len) >> 56]++;
    }
    for (size_t i = 0; i < 256; i++)
        chi += (buckets[i] - 256.0) * (buckets[i] - 256.0) / 256.0;
    ck_assert_double_lt(chi, 400);
}
END_TEST

START_TEST(each_bit_of_a_key_turns_about_half_of_the_hash)
{
    struct hash_seed seed = fixed_seed();
    char key[24] = "user:0000000001:profile";
    uint64_t hash = hash_bytes(&seed, key, sizeof(key));

    for (size_t bit = 0; bit < sizeof(key) * 8; bit++) {
        int turned;

        key[bit / 8] ^= (char)(1 << (bit % 8));
        turned =
            __builtin_popcountll(hash ^ hash_bytes(&seed, key, sizeof(key)));
        key[bit / 8] ^= (char)(1 << (bit % 8));
        ck_assert_int_ge(turned, 10);
        ck_assert_int_le(turned, 54);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("hash");
    TCase *t = tcase_create("hash");

    suite_add_tcase(s, t);
    tcase_add_test(t, one_seed_gives_one_hash);
    tcase_add_test(t, two_seeds_give_two_hashes);
    tcase_add_test(t, random_seeds_differ_in_every_part);
    tcase_add_test(t, the_empty_key_has_a_hash_of_its_seed);
    tcase_add_test(t, hashes_of_like_keys_spread_evenly);
    tcase_add_test(t, each_bit_of_a_key_turns_about_half_of_the_hash);
    return run_suite(s);
}
