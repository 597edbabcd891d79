/* SPDX-License-Identifier: BSD-3-Clause */
/* expire_test.c - how much of the memory is held by what has expired, while
 * keys with lives of seconds to an hour come at an even pace. Time is driven.
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

int
main(void)
{
    Suite *s = suite_create("expire");
    TCase *c = tcase_create("share");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, of_lives_up_to_an_hour_little_is_held);
    suite_add_tcase(s, c);
    return run_suite(s);
}
