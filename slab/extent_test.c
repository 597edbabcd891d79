/* SPDX-License-Identifier: BSD-3-Clause */
/* extent_test.c - large values: sizes, charges, pins, addresses that run out.
 */
#include "slab/test.h"

#include <sys/mman.h>

/* An extent with all of its bytes committed and filled. */
static uint32_t
full_extent(struct slab *s, size_t bytes, uint32_t seed)
{
    uint32_t id = extent_new(s, bytes);

    ck_assert_uint_ne(id, 0);
    ck_assert(extent_commit(s, id, bytes));
    test_fill(extent_ptr(s, id), bytes, seed);
    return id;
}

/* Nothing is live; after a trim nothing is warm, and all addresses are free. */
static void
check_empty(struct slab *s)
{
    while (slab_trim(s, 0, 0) > 0)
        continue;
    ck_assert_uint_eq(test_stats(s).extents_live, 0);
    ck_assert_uint_eq(test_stats(s).extent_live_bytes, 0);
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 0);
    space_check(&s->extents);
    ck_assert_uint_eq(s->extents.top, 0);
    ck_assert_uint_eq(s->extents.n_huge, 0);
    ck_assert_uint_eq(s->extents.n_free_ids, LOAD(&s->extents.n_ids));
}

START_TEST(size_classes_lose_at_most_an_eighth)
{
    size_t units, got;
    unsigned cls, before = 0;

    for (units = 1; units <= SLAB_MAX_EXTENT / EXTENT_UNIT; units++) {
        cls = extent_class(units);
        got = extent_class_units(cls);
        must(cls < N_EXTENT_CLASSES);
        must(got >= units);
        must(got - units <= units / 8);
        must(cls == before || cls == before + 1);
        must(cls == 0 || extent_class_units(cls - 1) < units);
        before = cls;
    }
    ck_assert_uint_eq(before, N_EXTENT_CLASSES - 1);
}
END_TEST

START_TEST(an_extent_has_room_for_what_was_asked)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    static const size_t sizes[] = {1, 4096, 4097, 16385, 65536, 65537, 1 * MIB,
        2 * MIB, 2 * MIB + 1, 9 * MIB, 512 * MIB, SLAB_MAX_EXTENT};
    uint32_t id[ARRAY_LEN(sizes)];
    size_t i;

    for (i = 0; i < ARRAY_LEN(sizes); i++) {
        id[i] = extent_new(s, sizes[i]);
        ck_assert_uint_ne(id[i], 0);
        ck_assert_uint_ge(extent_room(s, id[i]), sizes[i]);
        ck_assert_uint_le(
            extent_room(s, id[i]), ROUND_UP(sizes[i], EXTENT_UNIT) * 9 / 8);
        ck_assert_uint_eq(extent_committed(s, id[i]), 0);
    }
    ck_assert_uint_eq(test_stats(s).extents_live, ARRAY_LEN(sizes));
    ck_assert_uint_eq(extent_live_bytes(s), 0);
    for (i = 0; i < ARRAY_LEN(sizes); i++)
        extent_unpin(s, id[i]);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(extents_do_not_overlap)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    uint32_t id[300], bytes[300];
    uint64_t random = 4;
    size_t i;

    for (i = 0; i < ARRAY_LEN(id); i++) {
        bytes[i] = 1 + (uint32_t)(test_random(&random) % 600000);
        id[i] = full_extent(s, bytes[i], (uint32_t)i);
    }
    for (i = 0; i < ARRAY_LEN(id); i++)
        ck_assert(test_filled(extent_ptr(s, id[i]), bytes[i], (uint32_t)i));
    for (i = 0; i < ARRAY_LEN(id); i++)
        extent_unpin(s, id[i]);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(bytes_are_charged_as_they_are_committed)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 1 * MIB);
    size_t base = slab_used(s);

    ck_assert(extent_commit(s, id, 1));
    ck_assert_uint_eq(extent_committed(s, id), 64 * KIB);
    ck_assert_uint_eq(slab_used(s), base + 64 * KIB);
    ck_assert(extent_commit(s, id, 64 * KIB));
    ck_assert_uint_eq(slab_used(s), base + 64 * KIB);
    ck_assert(extent_commit(s, id, 64 * KIB + 1));
    ck_assert_uint_eq(slab_used(s), base + 128 * KIB);
    ck_assert(extent_commit(s, id, 1 * MIB));
    ck_assert_uint_eq(slab_used(s), base + 1 * MIB);
    ck_assert_uint_eq(extent_live_bytes(s), 1 * MIB);
    extent_unpin(s, id);
    ck_assert_uint_eq(extent_live_bytes(s), 0);
    ck_assert_uint_eq(slab_used(s), base + 1 * MIB); /* warm */
    check_empty(s);
    ck_assert_uint_eq(slab_used(s), base);
    slab_free(s);
}
END_TEST

START_TEST(a_large_extent_is_committed_by_whole_huge_pages)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 5 * MIB);

    ck_assert_uint_eq((uintptr_t)extent_ptr(s, id) % (2 * MIB), 0);
    ck_assert(extent_commit(s, id, 2 * MIB));
    ck_assert_uint_eq(extent_committed(s, id), 2 * MIB);
    ck_assert(extent_commit(s, id, 2 * MIB + 1));
    ck_assert_uint_eq(extent_committed(s, id), 4 * MIB);
    ck_assert(extent_commit(s, id, 4 * MIB + 1)); /* the tail is not huge */
    ck_assert_uint_le(extent_committed(s, id), 5 * MIB);
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(a_large_extent_that_starts_small_costs_what_was_asked_for)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 32 * MIB);
    size_t before = slab_process_rss();

    ck_assert(extent_commit(s, id, 1));
    ck_assert_uint_le(extent_committed(s, id), 64 * KIB);
    *extent_ptr(s, id) = 'x';
#if !defined(SLAB_ASAN) && !defined(__SANITIZE_THREAD__)
    /* a huge page would be twice that; code is touched for the first time */
    ck_assert_uint_le(slab_process_rss(), before + 1 * MIB);
#endif
    ck_assert(extent_commit(s, id, 1 * MIB + 1));
    ck_assert_uint_le(extent_committed(s, id), 1 * MIB + 512 * KIB);
    ck_assert(extent_commit(s, id, 2 * MIB + 1));
    ck_assert_uint_eq(extent_committed(s, id), 4 * MIB);
    (void)before;
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(the_resident_set_is_what_was_committed)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id[40];
    unsigned char *map = calloc(1, 16 * MIB / 4096);
    size_t i, j, resident = 0, committed = 0;

    for (i = 0; i < ARRAY_LEN(id); i++) {
        id[i] = full_extent(s, 200000 + 1000 * i, 1);
        committed += extent_committed(s, id[i]);
    }
    ck_assert_ptr_nonnull(map);
    ck_assert_uint_le(s->extents.top * EXTENT_UNIT, 16 * MIB);
    ck_assert_int_eq(
        mincore(s->extents.base, s->extents.top * EXTENT_UNIT, map), 0);
    for (j = 0; j < s->extents.top; j++)
        resident += (map[j] & 1) * EXTENT_UNIT;
    ck_assert_uint_le(resident, committed);
    ck_assert_uint_ge(resident, committed * 7 / 8);
    for (i = 0; i < ARRAY_LEN(id); i++)
        extent_unpin(s, id[i]);
    check_empty(s);
    ck_assert_int_eq(mincore(s->extents.base, 16 * MIB, map), 0);
    for (j = 0, resident = 0; j < 16 * MIB / 4096; j++)
        resident += map[j] & 1;
    ck_assert_uint_eq(resident, 0);
    free(map);
    slab_free(s);
}
END_TEST

START_TEST(over_the_limit_a_commit_fails_and_changes_nothing)
{
    struct slab *s = test_slab(4 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 8 * MIB);

    ck_assert(extent_commit(s, id, 2 * MIB));
    ck_assert(!extent_commit(s, id, 6 * MIB));
    ck_assert_uint_eq(extent_committed(s, id), 2 * MIB);
    slab_set_limit(s, 16 * MIB);
    ck_assert(extent_commit(s, id, 6 * MIB));
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(near_the_limit_a_commit_takes_no_more_than_needed)
{
    struct slab *s = test_slab(8 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 1 * MIB);

    ck_assert(extent_commit(s, id, 400 * KIB));
    ck_assert(slab_charge(s, 8 * MIB - slab_used(s) - 8 * KIB));
    ck_assert(extent_commit(s, id, extent_committed(s, id) + 1));
    ck_assert_uint_le(slab_used(s), slab_limit(s));
    ck_assert(!extent_commit(s, id, 1 * MIB));
    slab_uncharge(s, test_stats(s).other_bytes);
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(what_grows_a_little_at_a_time_is_charged_no_more)
{
    struct slab *s = test_slab(8 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 128 * KIB);
    size_t base = slab_used(s);

    ck_assert(extent_commit_least(s, id, 1));
    ck_assert_uint_eq(extent_committed(s, id), 8 * KIB);
    ck_assert(extent_commit_least(s, id, 8 * KIB));
    ck_assert_uint_eq(extent_committed(s, id), 8 * KIB);
    ck_assert(extent_commit_least(s, id, 121 * KIB));
    ck_assert_uint_eq(slab_used(s), base + 128 * KIB);
    ck_assert(extent_commit_least(s, id, 128 * KIB));
    ck_assert_uint_eq(slab_used(s), base + 128 * KIB);
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(a_trimmed_extent_keeps_its_first_bytes_and_gives_back_the_rest)
{
    struct slab *s = test_slab(8 * MIB, SLAB_MEMFD);
    uint32_t id = full_extent(s, 128 * KIB, 3);
    size_t base = slab_used(s) - 128 * KIB;

    extent_trim(s, id, 30 * KIB);
    ck_assert_uint_eq(extent_committed(s, id), 32 * KIB);
    ck_assert_uint_eq(slab_used(s), base + 32 * KIB);
    ck_assert_uint_eq(test_stats(s).extent_live_bytes, 32 * KIB);
    ck_assert(extent_commit_least(s, id, 64 * KIB));
    ck_assert_int_eq(extent_ptr(s, id)[40 * KIB], 0); /* it was the system's */
    extent_trim(s, id, 100 * KIB); /* it has not so much */
    ck_assert_uint_eq(extent_committed(s, id), 64 * KIB);
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(what_must_not_fail_goes_above_the_limit)
{
    struct slab *s = test_slab(4 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 128 * KIB);

    ck_assert(slab_charge(s, slab_limit(s) - slab_used(s)));
    ck_assert(!extent_commit_least(s, id, 100 * KIB));
    extent_commit_force(s, id, 100 * KIB);
    ck_assert_uint_eq(extent_committed(s, id), 104 * KIB);
    ck_assert_uint_eq(slab_used(s), slab_limit(s) + 104 * KIB);
    slab_uncharge(s, test_stats(s).other_bytes);
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(a_freed_extent_is_used_again_as_it_is)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id = full_extent(s, 100000, 5), again;
    const char *p = extent_ptr(s, id);
    size_t used = slab_used(s);

    extent_unpin(s, id);
    ck_assert_uint_gt(test_stats(s).extent_warm_bytes, 0);
    again = extent_new(s, 99000);
    ck_assert_uint_eq(again, id);
    ck_assert_ptr_eq(extent_ptr(s, again), p);
    ck_assert_uint_ge(extent_committed(s, again), 100000);
    ck_assert(test_filled(p, 100000, 5)); /* not even zeroed */
    ck_assert_uint_eq(slab_used(s), used);
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 0);
    extent_unpin(s, again);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(warm_extents_make_room_oldest_first)
{
    struct slab *s = test_slab(16 * MIB, SLAB_MEMFD);
    uint32_t a, b, c;

    clock_fake(1000000);
    a = full_extent(s, 4 * MIB, 1);
    b = full_extent(s, 3 * MIB, 2);
    extent_unpin(s, b);
    clock_fake(1000500);
    extent_unpin(s, a);
    c = full_extent(s, 10 * MIB, 3); /* does not fit beside both */
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 4 * MIB);
    ck_assert_uint_le(slab_used(s), slab_limit(s));
    extent_unpin(s, c);
    clock_unfake();
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(trim_gives_back_what_is_old_enough)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t a, b;

    clock_fake(1000000);
    a = full_extent(s, 1 * MIB, 1);
    b = full_extent(s, 512 * KIB, 1);
    extent_unpin(s, a);
    clock_fake(1003000);
    extent_unpin(s, b);
    ck_assert_uint_eq(slab_trim(s, 0, 5000), 0);
    clock_fake(1006000);
    ck_assert_uint_eq(slab_trim(s, 0, 5000), 1 * MIB);
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 512 * KIB);
    clock_fake(1008000);
    ck_assert_uint_eq(slab_trim(s, 0, 5000), 512 * KIB);
    clock_unfake();
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(memory_that_was_given_back_is_zeros)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id = full_extent(s, 1 * MIB, 9);
    size_t i;

    extent_unpin(s, id);
    check_empty(s);
    id = extent_new(s, 1 * MIB);
    ck_assert(extent_commit(s, id, 1 * MIB));
    for (i = 0; i < 1 * MIB; i++)
        must(extent_ptr(s, id)[i] == 0);
    extent_unpin(s, id);
    slab_free(s);
}
END_TEST

/* ---- references ---------------------------------------------------------- */

START_TEST(a_pin_keeps_the_bytes_until_the_last_unpin)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id = full_extent(s, 100000, 5), other;

    ck_assert(extent_pin(s, id));
    extent_unpin(s, id); /* the owner lets go */
    other = full_extent(s, 100000, 6);
    ck_assert_uint_ne(other, id);
    ck_assert(test_filled(extent_ptr(s, id), 100000, 5));
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 0);
    extent_unpin(s, id);
    ck_assert_uint_gt(test_stats(s).extent_warm_bytes, 0);
    ck_assert(!extent_pin(s, id));
    extent_unpin(s, other);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(any_number_may_be_pinned_safely)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint64_t random = 77;
    uint32_t id[50], probe;
    size_t i, j;
    bool live;

    for (i = 0; i < ARRAY_LEN(id); i++)
        id[i] = full_extent(s, 20000 + i * 5000, 1);
    for (i = 0; i < ARRAY_LEN(id); i += 2)
        extent_unpin(s, id[i]);
    slab_trim(s, 0, 0);
    ck_assert(!extent_pin(s, 0));
    ck_assert(!extent_pin(s, UINT32_MAX));
    for (i = 0; i < 100000; i++) {
        probe = (uint32_t)(test_random(&random) % 200);
        for (j = 1, live = false; j < ARRAY_LEN(id); j += 2)
            live |= id[j] == probe;
        must(extent_pin(s, probe) == live);
        if (live)
            extent_unpin(s, probe);
        (void)extent_owner(s, (uint32_t)test_random(&random));
    }
    for (i = 1; i < ARRAY_LEN(id); i += 2)
        extent_unpin(s, id[i]);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(a_sample_holds_live_extents_with_an_owner)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    uint32_t id[100], ids[32], seen[128] = {0};
    uint64_t random = 7;
    unsigned i, j, n;

    ck_assert_uint_eq(extent_sample(s, 1, 32, ids), 0);
    for (i = 0; i < ARRAY_LEN(id); i++) {
        id[i] = full_extent(s, 20000, 1);
        if (i % 2 == 0)
            extent_set_owner(s, id[i], 1000 + i);
    }
    for (i = 0; i < 2000; i++) {
        n = extent_sample(s, test_random(&random), 8, ids);
        ck_assert_uint_eq(n, 8);
        for (j = 0; j < n; j++) {
            ck_assert_uint_ge(extent_owner(s, ids[j]), 1000);
            seen[ids[j]]++;
        }
    }
    for (i = 0; i < ARRAY_LEN(id); i += 2)
        ck_assert_uint_gt(seen[id[i]], 150);
    for (i = 0; i < ARRAY_LEN(id); i++)
        extent_unpin(s, id[i]);
    ck_assert_uint_eq(extent_sample(s, 1, 32, ids), 0);
    check_empty(s);
    slab_free(s);
}
END_TEST

/* ---- addresses ----------------------------------------------------------- */

START_TEST(addresses_do_not_fragment_for_good)
{
    struct slab *s = test_slab(8 * GIB, SLAB_MEMFD);
    uint64_t random = 21;
    static uint32_t id[400];
    size_t round, i;

    for (round = 0; round < 20000; round++) {
        i = test_random(&random) % ARRAY_LEN(id);
        if (id[i] != 0) {
            extent_unpin(s, id[i]);
            id[i] = 0;
        } else {
            size_t bytes = (size_t)1 << (12 + test_random(&random) % 13);

            bytes += test_random(&random) % bytes;
            id[i] = extent_new(s, bytes);
            must(id[i] != 0);
            /* some have memory and become warm, some have not */
            if (round % 4 == 0)
                must(extent_commit(s, id[i], 1));
        }
        if (round % 1000 == 0) {
            slab_trim(s, 0, 0);
            space_check(&s->extents);
        }
    }
    for (i = 0; i < ARRAY_LEN(id); i++)
        if (id[i] != 0)
            extent_unpin(s, id[i]);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(warm_extents_give_way_when_addresses_run_out)
{
    struct slab_config cfg = {
        .limit_bytes = 1 * GIB,
        .region_bytes = 64 * MIB,
        .extent_region_bytes = 16 * MIB,
    };
    struct buf err = {0};
    struct slab *s = slab_new(&cfg, &err);
    uint32_t id[16];
    size_t i;

    ck_assert_ptr_nonnull(s);
    for (i = 0; i < ARRAY_LEN(id); i++)
        id[i] = full_extent(s, 1 * MIB, 1);
    ck_assert_uint_eq(extent_new(s, 1 * MIB), 0);
    for (i = 0; i < ARRAY_LEN(id); i++)
        extent_unpin(s, id[i]);
    id[0] = full_extent(s, 12 * MIB, 1);
    extent_unpin(s, id[0]);
    check_empty(s);
    slab_free(s);
}
END_TEST

START_TEST(a_value_of_half_a_gibibyte_fits)
{
    struct slab *s = test_slab(700 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 512 * MIB);
    size_t at;

    for (at = 1 * MIB; at <= 512 * MIB; at += 1 * MIB) {
        ck_assert(extent_commit(s, id, at));
        extent_ptr(s, id)[at - 1] = (char)(at / MIB);
    }
    ck_assert_uint_eq(extent_committed(s, id), 512 * MIB);
    for (at = 1 * MIB; at <= 512 * MIB; at += 1 * MIB)
        ck_assert_int_eq(extent_ptr(s, id)[at - 1], (char)(at / MIB));
    extent_unpin(s, id);
    check_empty(s);
    slab_free(s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        size_classes_lose_at_most_an_eighth,
        an_extent_has_room_for_what_was_asked,
        extents_do_not_overlap,
        bytes_are_charged_as_they_are_committed,
        a_large_extent_is_committed_by_whole_huge_pages,
        a_large_extent_that_starts_small_costs_what_was_asked_for,
        the_resident_set_is_what_was_committed,
        over_the_limit_a_commit_fails_and_changes_nothing,
        near_the_limit_a_commit_takes_no_more_than_needed,
        what_grows_a_little_at_a_time_is_charged_no_more,
        a_trimmed_extent_keeps_its_first_bytes_and_gives_back_the_rest,
        what_must_not_fail_goes_above_the_limit,
        a_freed_extent_is_used_again_as_it_is,
        warm_extents_make_room_oldest_first,
        trim_gives_back_what_is_old_enough,
        memory_that_was_given_back_is_zeros,
        a_pin_keeps_the_bytes_until_the_last_unpin,
        any_number_may_be_pinned_safely,
        a_sample_holds_live_extents_with_an_owner,
        addresses_do_not_fragment_for_good,
        warm_extents_give_way_when_addresses_run_out,
        a_value_of_half_a_gibibyte_fits,
    };

    return test_run("slab/extent", tests, ARRAY_LEN(tests));
}
