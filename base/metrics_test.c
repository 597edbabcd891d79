/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_test.c - per-thread counters and their sums. */
#include "base/testing.h"

#include <pthread.h>

#define TEST_METRICS(X)                                                        \
    X(hits, COUNTER, "found")                                                  \
    X(misses, COUNTER, "not found")

struct test_metrics {
    TEST_METRICS(METRIC_MEMBER)
};

#define N_COUNTERS (sizeof(struct test_metrics) / sizeof(uint64_t))

START_TEST(sums_add_to_what_is_there)
{
    struct test_metrics m = {0};
    uint64_t sum[N_COUNTERS] = {100, 200};

    METRIC_INC(&m, hits);
    METRIC_ADD(&m, misses, 5);
    METRIC_ADD(&m, misses, 2);
    metrics_sum(sum, &m, N_COUNTERS);
    ck_assert_uint_eq(sum[0], 101);
    ck_assert_uint_eq(sum[1], 207);
}
END_TEST

#define N_THREADS 4
#define N_ADDS 100000

static void *
count(void *arg)
{
    struct test_metrics *m = arg;

    for (int i = 0; i < N_ADDS; i++) {
        METRIC_INC(m, hits);
        METRIC_ADD(m, misses, 2);
    }
    return NULL;
}

START_TEST(counters_of_several_threads_add_up)
{
    struct test_metrics m[N_THREADS] = {0};
    pthread_t threads[N_THREADS];
    uint64_t sum[N_COUNTERS] = {0};

    for (size_t i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, &m[i]), 0);
    /* A sum in the middle is some number between none and all. */
    metrics_sum(sum, &m[0], N_COUNTERS);
    ck_assert_uint_le(sum[0], N_ADDS);
    for (size_t i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    memset(sum, 0, sizeof(sum));
    for (size_t i = 0; i < N_THREADS; i++)
        metrics_sum(sum, &m[i], N_COUNTERS);
    ck_assert_uint_eq(sum[0], N_THREADS * N_ADDS);
    ck_assert_uint_eq(sum[1], N_THREADS * N_ADDS * 2);
}
END_TEST

START_TEST(a_counter_wraps_around)
{
    struct test_metrics m = {.hits = UINT64_MAX};

    METRIC_INC(&m, hits);
    ck_assert_uint_eq(m.hits, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");

    suite_add_tcase(s, t);
    tcase_add_test(t, sums_add_to_what_is_there);
    tcase_add_test(t, counters_of_several_threads_add_up);
    tcase_add_test(t, a_counter_wraps_around);
    return run_suite(s);
}
