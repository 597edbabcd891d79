/* SPDX-License-Identifier: BSD-3-Clause */
/* drain_test.c - pages are emptied bit by bit, and no item is lost. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define KEYS 4000
#define SLICE 16

static struct fixture f;

static void
open_ks(void)
{
    fixture_open(&f, 64 * MIB);
}

static void
close_ks(void)
{
    fixture_close(&f);
}

static void
name_of(unsigned n, char name[32])
{
    snprintf(name, 32, "k:%05u", n);
}

/* Keys of one class, of which three of four go again: many sparse pages. */
static void
make_sparse(void)
{
    char name[32];

    for (unsigned n = 0; n < KEYS; n++) {
        name_of(n, name);
        set(&f, name, name);
    }
    for (unsigned n = 0; n < KEYS; n++) {
        struct ks_key key;

        if (n % 4 == 0)
            continue;
        name_of(n, name);
        key = key_of(&f, name);
        ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    }
    slab_thread_flush(f.t->slab_thread);
    ck_assert_uint_lt(slab_drain_candidate(f.slab), SLAB_MAX_CLASSES);
}

static void
assert_all_there(void)
{
    char name[32];

    for (unsigned n = 0; n < KEYS; n++) {
        name_of(n, name);
        assert_value(&f, name, n % 4 == 0 ? name : NULL);
    }
}

static uint64_t
pages_drained(void)
{
    struct slab_stats s;

    slab_stats(f.slab, &s);
    return s.pages_drained;
}

START_TEST(a_slice_moves_so_many_items_and_the_next_goes_on)
{
    uint64_t drained = pages_drained();
    uint32_t page, at;

    make_sparse();
    ck_assert(drain_some(f.t, SLICE));
    ck_assert_uint_eq(f.t->metrics.moves, SLICE);
    page = f.t->draining.page;
    at = f.t->draining.at;
    ck_assert_uint_ne(page, 0);
    ck_assert(drain_some(f.t, SLICE));
    ck_assert_uint_eq(f.t->metrics.moves, 2 * SLICE);
    ck_assert_uint_eq(f.t->draining.page, page);
    ck_assert_uint_gt(f.t->draining.at, at);
    while (f.t->draining.page == page)
        ck_assert(drain_some(f.t, SLICE));
    ck_assert_uint_gt(pages_drained(), drained);
    assert_all_there();
}
END_TEST

/* Another thread has the partitions. */
START_TEST(a_slice_ends_also_where_nothing_can_be_moved)
{
    struct ks_thread *other = ks_thread_new(f.ks);
    unsigned slices = 1;

    make_sparse();
    ks_lock_all(other);
    ck_assert(drain_some(f.t, SLICE));
    ck_assert_uint_ne(f.t->draining.page, 0);
    ck_assert_uint_gt(f.t->draining.at, 0);
    while (f.t->draining.page != 0) {
        ck_assert(drain_some(f.t, SLICE));
        slices++;
    }
    ck_assert_uint_gt(slices, 2);
    ck_assert_uint_eq(f.t->metrics.moves, 0);
    ks_unlock(other);
    assert_all_there();
    ks_thread_free(other);
}
END_TEST

START_TEST(slices_come_to_an_end)
{
    unsigned slices = 0;

    make_sparse();
    for (; drain_some(f.t, SLICE); slices++)
        ck_assert_uint_lt(slices, KEYS);
    ck_assert_uint_gt(slices, 4);
    ck_assert_uint_eq(f.t->draining.page, 0);
    ck_assert_uint_ge(slab_drain_candidate(f.slab), SLAB_MAX_CLASSES);
    ck_assert_uint_eq(slab_drain_pending(f.slab), UINT32_MAX);
    assert_all_there();
}
END_TEST

START_TEST(who_finds_its_page_taken_begins_another)
{
    struct ks_thread *other = ks_thread_new(f.ks);
    uint32_t page;

    make_sparse();
    ck_assert(drain_some(f.t, SLICE));
    page = f.t->draining.page;
    ck_assert(drain_pending(other)); /* the whole of it */
    ck_assert(drain_some(f.t, SLICE));
    ck_assert_uint_eq(f.t->metrics.moves, 2 * SLICE);
    ck_assert_uint_ne(f.t->draining.page, page);
    while (drain_some(f.t, DRAIN_WHOLE))
        continue;
    assert_all_there();
    ks_thread_free(other);
}
END_TEST

START_TEST(a_whole_page_goes_at_once)
{
    uint64_t drained;

    make_sparse();
    drained = pages_drained();
    ck_assert(drain_some(f.t, DRAIN_WHOLE));
    ck_assert_uint_eq(f.t->draining.page, 0);
    ck_assert_uint_eq(pages_drained(), drained + 1);
    assert_all_there();
}
END_TEST

START_TEST(pages_are_evicted_bit_by_bit)
{
    uint64_t upto, before;
    unsigned slices = 0;

    make_sparse();
    upto = pages_drained() + 4;
    for (; pages_drained() < upto; slices++) {
        before = f.t->metrics.evicted;
        ck_assert(drain_worst(f.t, SLICE));
        ck_assert_uint_le(f.t->metrics.evicted - before, SLICE);
    }
    ck_assert_uint_gt(slices, 4);
    ck_assert_uint_gt(f.t->metrics.evicted, 3 * SLICE);
    ck_assert_uint_eq(f.t->metrics.moves, 0);
    ck_assert_uint_eq(slab_drain_pending(f.slab), UINT32_MAX);
}
END_TEST

START_TEST(no_page_is_evicted_if_some_items_must_stay)
{
    make_sparse();
    f.options.maxmemory_policy = KS_VOLATILE_LRU;
    ck_assert(!drain_worst(f.t, SLICE));
    ck_assert_uint_eq(f.t->draining.page, 0);
    assert_all_there();
}
END_TEST

START_TEST(a_page_begun_is_kept_when_items_must_stay)
{
    uint64_t evicted;

    make_sparse();
    do
        ck_assert(drain_worst(f.t, 1));
    while (f.t->draining.page == 0);
    evicted = f.t->metrics.evicted;
    f.options.maxmemory_policy = KS_NOEVICTION;
    ck_assert(drain_some(f.t, SLICE));
    ck_assert_uint_eq(f.t->metrics.evicted, evicted);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("drain");
    TCase *c = tcase_create("slices");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_test(c, a_slice_moves_so_many_items_and_the_next_goes_on);
    tcase_add_test(c, a_slice_ends_also_where_nothing_can_be_moved);
    tcase_add_test(c, slices_come_to_an_end);
    tcase_add_test(c, who_finds_its_page_taken_begins_another);
    tcase_add_test(c, a_whole_page_goes_at_once);
    tcase_add_test(c, pages_are_evicted_bit_by_bit);
    tcase_add_test(c, no_page_is_evicted_if_some_items_must_stay);
    tcase_add_test(c, a_page_begun_is_kept_when_items_must_stay);
    suite_add_tcase(s, c);
    return run_suite(s);
}
