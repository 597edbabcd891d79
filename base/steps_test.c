/* SPDX-License-Identifier: BSD-3-Clause */
/* steps_test.c - what is measured of a thread's steps. */
#include "base/testing.h"

#include <time.h>

static struct steps steps;

static uint64_t
total(const struct steps *s, enum step_kind kind)
{
    uint64_t n = 0;

    for (int i = 0; i < STEP_BUCKETS; i++)
        n += s->of[kind].buckets[i];
    return n;
}

/* Be busy for that long, as a step; returns how long it was at most. */
static uint64_t
busy_step(enum step_kind kind, uint64_t ns)
{
    uint64_t outer = clock_read_mono_ns(), begun = step_begin();
    uint64_t inner = clock_read_mono_ns();

    while (clock_read_mono_ns() - inner < ns)
        ;
    step_end(kind, begun);
    return clock_read_mono_ns() - outer;
}

static void
set_up(void)
{
    memset(&steps, 0, sizeof(steps));
    steps_attach(&steps);
}

static void
take_down(void)
{
    steps_attach(NULL);
}

START_TEST(a_step_is_counted_with_the_time_it_took)
{
    uint64_t most, max, interrupted;

    most = busy_step(STEP_GROW, 50000);
    max = steps.of[STEP_GROW].max_ns;
    interrupted = steps.of[STEP_GROW].interrupted;
    /* The rate of the counter is known to a thousandth. */
    ck_assert_uint_eq(total(&steps, STEP_GROW) + interrupted, 1);
    ck_assert_uint_eq(total(&steps, STEP_EVICT), 0);
    max = MAX(max, steps.of[STEP_GROW].interrupted_max_ns);
    ck_assert_uint_ge(max, 49000);
    ck_assert_uint_le(max, most + most / 50 + 1000);
}
END_TEST

START_TEST(buckets_double_from_one_microsecond_on)
{
    int highest = -1;

    /* nothing: far below a microsecond, but on a busy machine or in a slow
     * build not each time */
    for (int i = 0; i < 1000; i++)
        step_end(STEP_EVICT, step_begin());
    ck_assert_uint_gt(
        steps.of[STEP_EVICT].buckets[0] + steps.of[STEP_EVICT].buckets[1], 0);
    do { /* 40 us: above 32.768 and at most 65.536 */
        memset(&steps.of, 0, sizeof(steps.of));
    } while (busy_step(STEP_GROW, 40000) > 60000);
    for (int i = 0; i < STEP_BUCKETS; i++)
        if (steps.of[STEP_GROW].buckets[i] > 0)
            highest = i;
    ck_assert_int_eq(highest, 6);
}
END_TEST

/* A thread that sleeps is not interrupted: nobody took its CPU. One that is, is
 * counted apart; here the count is made to differ. */
START_TEST(a_long_step_without_a_cpu_is_counted_apart)
{
    steps.n_switches--;
    busy_step(STEP_TICK, 200000);
    ck_assert_uint_eq(steps.of[STEP_TICK].interrupted, 1);
    ck_assert_uint_ge(steps.of[STEP_TICK].interrupted_max_ns, 199000);
    ck_assert_uint_eq(total(&steps, STEP_TICK), 0);
    ck_assert_uint_eq(steps.of[STEP_TICK].max_ns, 0);
}
END_TEST

START_TEST(a_reset_forgets_at_the_next_step)
{
    busy_step(STEP_GROW, 10000);
    atomic_store(&steps.reset, true);
    step_end(STEP_EVICT, step_begin());
    ck_assert_uint_eq(total(&steps, STEP_GROW), 0);
    ck_assert_uint_eq(steps.of[STEP_GROW].max_ns, 0);
    ck_assert_uint_eq(total(&steps, STEP_EVICT), 1);
    ck_assert(!steps.reset);
}
END_TEST

START_TEST(sums_add_counts_and_take_the_larger_maximum)
{
    struct steps sum = {0}, other = {0};

    steps.of[STEP_TURN].buckets[3] = 2;
    steps.of[STEP_TURN].max_ns = 7000;
    other.of[STEP_TURN].buckets[3] = 5;
    other.of[STEP_TURN].max_ns = 6000;
    other.of[STEP_TURN].interrupted = 4;
    other.of[STEP_TURN].interrupted_max_ns = 900000;
    steps_add(&sum, &steps);
    steps_add(&sum, &other);
    ck_assert_uint_eq(sum.of[STEP_TURN].buckets[3], 7);
    ck_assert_uint_eq(sum.of[STEP_TURN].max_ns, 7000);
    ck_assert_uint_eq(sum.of[STEP_TURN].interrupted, 4);
    ck_assert_uint_eq(sum.of[STEP_TURN].interrupted_max_ns, 900000);
}
END_TEST

START_TEST(cpu_time_leaves_out_what_the_thread_sleeps)
{
    static const struct timespec t = {.tv_nsec = 50000000};
    const int64_t yes = 1;
    uint64_t begun;

    steps.cpu_time = &yes;
    begun = step_begin();
    nanosleep(&t, NULL);
    step_end(STEP_GROW, begun);
    ck_assert_uint_eq(total(&steps, STEP_GROW), 1);
    ck_assert_uint_lt(steps.of[STEP_GROW].max_ns, 20000000);
    busy_step(STEP_EVICT, 200000);
    ck_assert_uint_eq(total(&steps, STEP_EVICT), 1);
    ck_assert_uint_gt(steps.of[STEP_EVICT].max_ns, 0);
    /* one that begins as time is no longer wanted is told as it began */
    begun = step_begin();
    steps.cpu_time = NULL;
    step_end(STEP_TICK, begun);
    ck_assert_uint_lt(steps.of[STEP_TICK].max_ns, 20000000);
}
END_TEST

START_TEST(a_thread_without_steps_measures_nothing)
{
    steps_attach(NULL);
    step_end(STEP_GROW, step_begin());
    ck_assert_uint_eq(total(&steps, STEP_GROW), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("steps");
    TCase *tc = tcase_create("steps");

    tcase_add_checked_fixture(tc, set_up, take_down);
    tcase_add_test(tc, a_step_is_counted_with_the_time_it_took);
    tcase_add_test(tc, buckets_double_from_one_microsecond_on);
    tcase_add_test(tc, a_long_step_without_a_cpu_is_counted_apart);
    tcase_add_test(tc, a_reset_forgets_at_the_next_step);
    tcase_add_test(tc, sums_add_counts_and_take_the_larger_maximum);
    tcase_add_test(tc, cpu_time_leaves_out_what_the_thread_sleeps);
    tcase_add_test(tc, a_thread_without_steps_measures_nothing);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
