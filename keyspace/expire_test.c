/* SPDX-License-Identifier: BSD-3-Clause */
/* expire_test.c - how soon expired items go, and how much of the memory they
 * hold while keys with lives of seconds to an hour come at an even pace. Time
 * is driven.
 */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define START_MS ((uint64_t)1750000000137)
#define HOUR_S 3600u
#define WRITES_PER_S 20
#define STEPS_PER_S 10 /* the maintenance thread wakes up so often */
#define STEP_MS (1000 / STEPS_PER_S)

static struct fixture f;
static struct ks_thread *maintainer;
static unsigned ends[3 * HOUR_S * STEPS_PER_S]; /* lives that end in a step */

static void
open_ks(void)
{
    clock_fake(START_MS);
    fixture_open(&f, 64 * MIB);
    maintainer = ks_thread_new(f.ks);
    ks_set_gentle(maintainer, true);
}

static void
close_ks(void)
{
    ks_thread_free(maintainer);
    fixture_close(&f);
    clock_fake(0);
}

static void
write_one(uint32_t step, unsigned n, uint64_t *random, uint32_t life_s)
{
    char name[32];
    struct ks_key key;
    uint32_t end =
        step + 1 + (uint32_t)(splitmix64(random) % (life_s * STEPS_PER_S));

    snprintf(name, sizeof(name), "key:%u:%u", step, n);
    key = key_of(&f, name);
    must(ks_set(f.t, &key, (struct str){"some value of 32 bytes ........", 32},
             START_MS + (uint64_t)end * STEP_MS) == KS_OK);
    ends[end]++;
}

/* As many turns as it says that it needs, at most as many as there is time
 * for. */
static void
maintain(void)
{
    for (unsigned i = 0; i < 200; i++)
        if (ks_maintain(maintainer) == KS_NO_MORE)
            break;
}

static double
share_held(uint64_t n_alive)
{
    struct ks_db_stats stats;

    ks_db_stats(f.ks, 0, &stats);
    must(stats.items >= n_alive);
    return (double)(stats.items - n_alive) / (double)stats.items;
}

/* The mean and the largest share of expired items, which are all of one size,
 * once the number of items is steady: each time before the thread wakes up. */
static void
live_for(uint32_t life_s, double *mean, double *most)
{
    uint64_t random = 1, n_alive = 0;
    uint32_t n = life_s * STEPS_PER_S;
    double sum = 0;

    *most = 0;
    for (uint32_t step = 0; step < 2 * n; step++) {
        double share;

        clock_fake(START_MS + (uint64_t)step * STEP_MS);
        n_alive -= ends[step];
        for (unsigned i = 0; i < WRITES_PER_S / STEPS_PER_S; i++)
            write_one(step, i, &random, life_s);
        n_alive += WRITES_PER_S / STEPS_PER_S;
        share = share_held(n_alive);
        maintain();
        if (step < n)
            continue;
        sum += share;
        *most = MAX(*most, share);
    }
    *mean = sum / n;
}

START_TEST(of_lives_up_to_an_hour_little_is_held)
{
    double mean, most;

    live_for(HOUR_S, &mean, &most);
    ck_assert_msg(mean < 0.005 && most < 0.02, "mean %.4f, most %.4f", mean,
        most);
}
END_TEST

static void
put(const char *name, uint64_t after_ms)
{
    struct ks_key key = key_of(&f, name);

    must(ks_set(f.t, &key, (struct str){"value", 5}, START_MS + after_ms) ==
        KS_OK);
}

static uint64_t
items_after(uint64_t ms)
{
    struct ks_db_stats stats;

    clock_fake(START_MS + ms);
    maintain();
    ks_db_stats(f.ks, 0, &stats);
    return stats.items;
}

/* The partition of a name: a digit. */
static unsigned
partition_of(char name)
{
    return index_partition(key_of(&f, (char[2]){name, '\0'}).hash);
}

/* Somebody works on the partition of one of them meanwhile. */
START_TEST(what_is_locked_goes_soon_after)
{
    unsigned locked = partition_of('0'), n_locked = 0;

    for (char name = '0'; name <= '9'; name++) {
        put((char[2]){name, '\0'}, 1000);
        n_locked += partition_of(name) == locked;
    }
    ck_assert_uint_eq(items_after(999), 10);
    ks_enter(f.t, locked);
    ck_assert_uint_eq(items_after(1125), n_locked);
    ks_leave(f.t, locked);
    ck_assert_uint_eq(items_after(1250), 0);
}
END_TEST

/* A page that was walked is walked again half a second later. */
START_TEST(a_walk_delays_the_next_by_half_a_second)
{
    put("a", 1000);
    put("b", 1400);
    put("c", 9000);
    ck_assert_uint_eq(items_after(1125), 2);
    ck_assert_uint_eq(items_after(1600), 2);
    ck_assert_uint_eq(items_after(1750), 1);
    ck_assert_uint_eq(items_after(8999), 1);
    ck_assert_uint_eq(items_after(9125), 0);
}
END_TEST

/* A slice that ends on a page goes on there. */
START_TEST(many_with_one_deadline_go_together)
{
    char name[32];

    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "many:%u", i);
        put(name, 1000 + i % 2 * 60000);
    }
    ck_assert_uint_eq(items_after(999), 20000);
    ck_assert_uint_eq(items_after(1125), 10000);
    ck_assert_uint_eq(items_after(61125), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("expire");
    TCase *c = tcase_create("share");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, of_lives_up_to_an_hour_little_is_held);
    suite_add_tcase(s, c);
    c = tcase_create("moments");
    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_test(c, what_is_locked_goes_soon_after);
    tcase_add_test(c, a_walk_delays_the_next_by_half_a_second);
    tcase_add_test(c, many_with_one_deadline_go_together);
    suite_add_tcase(s, c);
    return run_suite(s);
}
