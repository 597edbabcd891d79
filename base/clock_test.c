/* SPDX-License-Identifier: BSD-3-Clause */
/* clock_test.c - the time of a thread, and faked time. */
#include "base/testing.h"

#include <pthread.h>
#include <time.h>

static uint64_t
system_ms(void)
{
    struct timespec t;

    ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &t), 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Let the system clocks pass at least `ms`, busily. */
static void
let_pass(uint64_t ms)
{
    uint64_t start = system_ms();

    while (system_ms() < start + ms)
        ;
}

START_TEST(wall_time_is_that_of_the_system)
{
    uint64_t before = system_ms();
    uint64_t now = clock_wall_ms();

    ck_assert_uint_ge(now, before);
    ck_assert_uint_le(now, system_ms());
}
END_TEST

START_TEST(time_stands_still_until_it_is_refreshed)
{
    uint64_t wall, mono;

    clock_refresh();
    wall = clock_wall_ms();
    mono = clock_mono_us();
    let_pass(2);
    ck_assert_uint_eq(clock_wall_ms(), wall);
    ck_assert_uint_eq(clock_mono_us(), mono);
    ck_assert_uint_gt(clock_mono_now_us(), mono + 500);
    ck_assert_uint_eq(clock_mono_us(), mono);
    clock_refresh();
    ck_assert_uint_ge(clock_wall_ms(), wall + 2);
    ck_assert_uint_gt(clock_mono_us(), mono + 500);
}
END_TEST

START_TEST(time_that_was_kept_can_be_put_back)
{
    struct clock_moment kept;

    clock_refresh();
    kept = clock_keep();
    let_pass(2);
    clock_refresh();
    ck_assert_uint_gt(clock_wall_ms(), kept.wall_ms);
    clock_put_back(kept);
    ck_assert_uint_eq(clock_wall_ms(), kept.wall_ms);
    ck_assert_uint_eq(clock_mono_us(), kept.mono_us);
}
END_TEST

START_TEST(monotonic_time_does_not_go_back)
{
    uint64_t last = clock_mono_us();

    for (int i = 0; i < 1000; i++) {
        clock_refresh();
        ck_assert_uint_ge(clock_mono_us(), last);
        last = clock_mono_us();
    }
}
END_TEST

static void *
read_wall(void *out)
{
    *(uint64_t *)out = clock_wall_ms();
    return NULL;
}

START_TEST(faked_time_is_seen_at_once_by_every_thread)
{
    pthread_t other;
    uint64_t seen = 0;

    clock_fake(1000);
    ck_assert_uint_eq(clock_wall_ms(), 1000);
    ck_assert_int_eq(pthread_create(&other, NULL, read_wall, &seen), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_uint_eq(seen, 1000);
    clock_refresh();
    ck_assert_uint_eq(clock_wall_ms(), 1000);
}
END_TEST

START_TEST(monotonic_time_moves_with_faked_time)
{
    uint64_t mono;

    clock_fake(1000);
    mono = clock_mono_us();
    clock_fake(1250);
    ck_assert_uint_eq(clock_mono_us() - mono, 250000);
}
END_TEST

START_TEST(unfaking_brings_the_system_time_back)
{
    uint64_t before = system_ms();

    clock_fake(1000);
    clock_unfake();
    ck_assert_uint_ge(clock_wall_ms(), before);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("clock");
    TCase *t = tcase_create("clock");

    suite_add_tcase(s, t);
    tcase_add_test(t, wall_time_is_that_of_the_system);
    tcase_add_test(t, time_stands_still_until_it_is_refreshed);
    tcase_add_test(t, time_that_was_kept_can_be_put_back);
    tcase_add_test(t, monotonic_time_does_not_go_back);
    tcase_add_test(t, faked_time_is_seen_at_once_by_every_thread);
    tcase_add_test(t, monotonic_time_moves_with_faked_time);
    tcase_add_test(t, unfaking_brings_the_system_time_back);
    return run_suite(s);
}
