/* SPDX-License-Identifier: BSD-3-Clause */
/* lock_test.c - who waits for a lock burns no processor time. */
#include "base/base.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define HOLD_MS 200
#define ROUNDS 200000

static _Atomic uint32_t lock;
static uint64_t guarded; /* [lock] */
static struct steps steps;

static uint64_t
clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Holds the lock as one that has lost its processor does. */
static void *
hold(void *arg)
{
    static const struct timespec t = {.tv_nsec = HOLD_MS * 1000000};
    pthread_barrier_t *held = arg;

    word_lock(&lock);
    pthread_barrier_wait(held);
    nanosleep(&t, NULL);
    word_unlock(&lock);
    return NULL;
}

/* Wait for a lock that another thread holds; the time it took, and of that the
 * time of a processor. */
static void
wait_for_holder(uint64_t *took_ms, uint64_t *cpu_ms)
{
    pthread_barrier_t held;
    pthread_t thread;

    pthread_barrier_init(&held, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, &held), 0);
    pthread_barrier_wait(&held);
    *took_ms = clock_ms(CLOCK_MONOTONIC);
    *cpu_ms = clock_ms(CLOCK_THREAD_CPUTIME_ID);
    word_lock(&lock);
    *took_ms = clock_ms(CLOCK_MONOTONIC) - *took_ms;
    *cpu_ms = clock_ms(CLOCK_THREAD_CPUTIME_ID) - *cpu_ms;
    word_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&held);
}

START_TEST(a_long_wait_is_slept_through_and_counted)
{
    uint64_t took_ms = 0, cpu_ms;

    steps_attach(&steps);
    /* Who is without a processor meanwhile comes when the lock is free. */
    for (int i = 0; i < 20 && took_ms < HOLD_MS / 2; i++)
        wait_for_holder(&took_ms, &cpu_ms);
    ck_assert_uint_ge(took_ms, HOLD_MS / 2);
    ck_assert_uint_lt(cpu_ms, HOLD_MS / 4);
    ck_assert_uint_gt(MAX(steps.of[STEP_WAIT].max_ns,
                          steps.of[STEP_WAIT].interrupted_max_ns),
        HOLD_MS / 2 * 1000000);
    steps_attach(NULL);
}
END_TEST

static void *
count(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        word_lock(&lock);
        guarded++;
        word_unlock(&lock);
    }
    return NULL;
}

START_TEST(only_one_thread_is_within)
{
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(guarded, ROUNDS * ARRAY_LEN(threads));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("lock");
    TCase *tc = tcase_create("lock");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_long_wait_is_slept_through_and_counted);
    tcase_add_test(tc, only_one_thread_is_within);
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
