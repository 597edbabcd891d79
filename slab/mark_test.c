/* SPDX-License-Identifier: BSD-3-Clause */
/* mark_test.c - notes beside chunks: marks that are held, deadlines of pages.
 */
#include "slab/test.h"

static uint32_t
page_of(const struct slab *s, uint32_t handle)
{
    return page_at(s, handle_offset(handle));
}

START_TEST(marks_of_neighbours_are_apart_and_dense)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t h[64];
    size_t i, j;

    for (i = 0; i < ARRAY_LEN(h); i++) {
        h[i] = slab_alloc(t, 100);
        STORE(slab_mark(s, h[i]).stamp, (uint16_t)(i * 1000));
        STORE(slab_mark(s, h[i]).state, (uint8_t)i);
    }
    for (i = 0; i < ARRAY_LEN(h); i++) {
        struct slab_mark m = slab_mark(s, h[i]);

        ck_assert_uint_eq(LOAD(m.stamp), (uint16_t)(i * 1000));
        ck_assert_uint_eq(LOAD(m.state), i);
        for (j = 0; j < ARRAY_LEN(h); j++)
            ck_assert_int_lt(slab_mark(s, h[j]).state - m.state, 80);
    }
    for (i = 0; i < ARRAY_LEN(h); i++)
        slab_release(t, h[i]);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(the_marks_of_a_page_in_use_can_be_held)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t h = slab_alloc(t, 100);
    struct slab_mark m = slab_mark(s, h);

    ck_assert_uint_eq(m.chunk_bytes, slab_chunk_bytes(s, h));
    ck_assert(slab_mark_hold(t, &m));
    slab_mark_drop(t);
    slab_release(t, h);
    slab_thread_flush(t);
    ck_assert(!slab_mark_hold(t, &m)); /* the page has gone */
    m = slab_mark(s, h);
    ck_assert(!slab_mark_hold(t, &m));
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_mark_from_before_its_page_served_another_class_is_not_held)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t h = slab_alloc(t, 100), page = page_of(s, h), other;
    struct slab_mark m = slab_mark(s, h);

    slab_release_to_page(t, h);
    slab_thread_flush(t);
    other = slab_alloc(t, 500);
    ck_assert_uint_eq(page_of(s, other), page);
    ck_assert(!slab_mark_hold(t, &m));
    slab_release(t, other);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_held_page_is_not_reused_by_another_class)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t h = slab_alloc(t, 100), page = page_of(s, h), other;
    struct slab_mark m = slab_mark(s, h);

    ck_assert(slab_mark_hold(t, &m));
    slab_release_to_page(t, h);
    slab_thread_flush(t);
    ck_assert_uint_eq(test_stats(s).page_free_bytes, unit_bytes(s));
    other = slab_alloc(t, 1000);
    ck_assert_uint_ne(page_of(s, other), page);
    slab_release(t, other);
    slab_mark_drop(t);
    other = slab_alloc(t, 500);
    ck_assert_uint_eq(page_of(s, other), page);
    slab_release(t, other);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_held_page_is_not_given_back)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    static uint32_t h[5000];
    struct slab_mark m;
    size_t i;

    for (i = 0; i < ARRAY_LEN(h); i++)
        h[i] = slab_alloc(t, 100);
    slab_thread_flush(t);
    m = slab_mark(s, h[2500]);
    ck_assert(slab_mark_hold(t, &m));
    for (i = 0; i < ARRAY_LEN(h); i++)
        slab_release_to_page(t, h[i]);
    while (slab_trim(s, 0, 0) > 0)
        continue;
    ck_assert_uint_eq(test_stats(s).page_bytes, 0);
    ck_assert_uint_eq(test_stats(s).page_free_bytes, unit_bytes(s));
    slab_mark_drop(t);
    ck_assert_uint_eq(slab_trim(s, 0, 0), unit_bytes(s));
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(marks_of_stale_handles_stay_within_the_region)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    static uint32_t h[5100];
    uint64_t random = 5;
    size_t i;

    for (i = 0; i < ARRAY_LEN(h); i++)
        h[i] = slab_alloc(t, i < 5000 ? 100 : 9000);
    for (i = 0; i < 200000; i++) {
        uint32_t stale =
            1 + (uint32_t)(test_random(&random) % s->view.max_handle);
        struct slab_mark m = slab_mark(s, stale);
        ptrdiff_t stamp = (char *)m.stamp - s->view.base;
        ptrdiff_t state = (char *)m.state - s->view.base;

        if (stamp < 0 || state < 0 ||
            stamp >= (ptrdiff_t)slab_region_bytes(s) ||
            state >= (ptrdiff_t)slab_region_bytes(s))
            ck_abort_msg("handle %u", stale);
    }
    for (i = 0; i < ARRAY_LEN(h); i++)
        slab_release(t, h[i]);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(the_earliest_deadline_of_a_page_is_kept)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t a = slab_alloc(t, 100), b = slab_alloc(t, 100);
    uint32_t page = page_of(s, a);

    ck_assert_uint_eq(slab_due_get(s, page), UINT32_MAX);
    slab_due_note(s, a, 500);
    slab_due_note(s, b, 700);
    ck_assert_uint_eq(slab_due_get(s, page), 500);
    slab_due_note(s, b, 300);
    ck_assert_uint_eq(slab_due_take(s, page), 300);
    ck_assert_uint_eq(slab_due_get(s, page), UINT32_MAX);
    slab_release(t, a);
    slab_release(t, b);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_page_starts_its_next_life_without_a_deadline)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t a = slab_alloc(t, 100), b;

    slab_due_note(s, a, 500);
    slab_release_to_page(t, a);
    slab_thread_flush(t);
    b = slab_alloc(t, 200);
    ck_assert_uint_eq(page_of(s, a), page_of(s, b));
    ck_assert_uint_eq(slab_due_get(s, page_of(s, b)), UINT32_MAX);
    slab_release(t, b);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        marks_of_neighbours_are_apart_and_dense,
        the_marks_of_a_page_in_use_can_be_held,
        a_mark_from_before_its_page_served_another_class_is_not_held,
        a_held_page_is_not_reused_by_another_class,
        a_held_page_is_not_given_back,
        marks_of_stale_handles_stay_within_the_region,
        the_earliest_deadline_of_a_page_is_kept,
        a_page_starts_its_next_life_without_a_deadline,
    };

    return test_run("slab/mark", tests, ARRAY_LEN(tests));
}
