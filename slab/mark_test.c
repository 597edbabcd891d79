/* SPDX-License-Identifier: BSD-3-Clause */
/* mark_test.c - notes beside chunks: marks that are held, deadlines of pages.
 */
#include "slab/test.h"

#include <pthread.h>

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

/* ---- a mark or a deadline is seen --------------------------------------- */

#define ROUNDS 100000
#define MOST_US 2000000 /* where each meeting takes a change of threads */

/* Both come to the next round together. */
struct meeting {
    struct slab *s;
    uint32_t handle;
    _Atomic unsigned here;
    _Atomic bool over;
};

static void
meet(struct meeting *m, unsigned round)
{
    atomic_fetch_add(&m->here, 1);
    for (unsigned n = 0; LOAD(&m->here) < 2 * round; n++)
        (void)wait_turn(n);
}

/* Marks the chunk, and notes a deadline that is later than the page's. */
static void *
mark_and_note(void *arg)
{
    struct meeting *m = arg;
    struct slab_mark mark = slab_mark(m->s, m->handle);

    for (unsigned i = 0;; i++) {
        meet(m, 2 * i + 1);
        if (LOAD(&m->over))
            return NULL;
        STORE(mark.state, 1);
        slab_due_note(m->s, m->handle, 20);
        meet(m, 2 * i + 2);
    }
}

START_TEST(who_takes_a_deadline_sees_the_marks_or_finds_it_noted_anew)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    struct meeting m = {.s = s, .handle = slab_alloc(t, 100)};
    struct slab_mark mark = slab_mark(s, m.handle);
    uint32_t page = page_of(s, m.handle);
    uint64_t end_us = clock_read_mono_us() + MOST_US;
    unsigned n_lost = 0, i;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, mark_and_note, &m), 0);
    for (i = 0; i < ROUNDS && clock_read_mono_us() < end_us; i++) {
        uint8_t seen;

        STORE(mark.state, 0);
        slab_due_note(s, m.handle, 10);
        meet(&m, 2 * i + 1);
        (void)slab_due_take(s, page);
        slab_due_settle(s);
        seen = LOAD(mark.state);
        meet(&m, 2 * i + 2);
        n_lost += seen == 0 && slab_due_take(s, page) != 20;
    }
    STORE(&m.over, true);
    meet(&m, 2 * i + 1);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(n_lost, 0);
    slab_release(t, m.handle);
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
        who_takes_a_deadline_sees_the_marks_or_finds_it_noted_anew,
    };

    return test_run("slab/mark", tests, ARRAY_LEN(tests));
}
