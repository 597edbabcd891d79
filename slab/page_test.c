/* SPDX-License-Identifier: BSD-3-Clause */
/* page_test.c - pages: the reserve, super-pages, huge pages, runs and samples.
 */
#include "slab/test.h"

#include <sys/mman.h>

/* Allocate until `n` chunks of `bytes` are there. */
static void
alloc_n(struct slab_thread *t, size_t bytes, uint32_t *out, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        out[i] = slab_alloc(t, bytes);
        must(out[i] != 0);
        STORE(&chunk_words(t->slab, out[i])[0], 1);
        STORE(slab_mark(t->slab, out[i]).state, 0);
    }
}

static void
release_n(struct slab_thread *t, const uint32_t *handles, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        slab_release_to_page(t, handles[i]);
}

static uint32_t handles[1 << 18];

/* Chunks of a page of the class of `bytes`. */
static size_t
page_chunks(const struct slab *s, size_t bytes)
{
    return s->classes[slab_class_of(s, bytes)].n_chunks;
}

static uint32_t
page_of(const struct slab *s, uint32_t handle)
{
    return page_at(s, handle_offset(handle));
}

static struct slab *
huge_slab(size_t limit_bytes)
{
    struct slab_config cfg = {
        .limit_bytes = limit_bytes,
        .backing = SLAB_ANONYMOUS,
        .huge_pages = SLAB_HUGE,
        .region_bytes = 1 * GIB,
        .extent_region_bytes = 1 * GIB,
    };
    struct buf err = {0};
    struct slab *s = slab_new(&cfg, &err);

    ck_assert_ptr_nonnull(s);
    return s;
}

static void
close_slab(struct slab *s, struct slab_thread *t)
{
    slab_thread_free(t);
    slab_free(s);
}

/* ---- pages come and go --------------------------------------------------- */

START_TEST(a_page_is_charged_when_its_first_chunk_is_wanted)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t base = slab_used(s);
    uint32_t h = slab_alloc(t, 100);

    ck_assert_uint_ne(h, 0);
    ck_assert_uint_eq(test_stats(s).page_bytes, unit_bytes(s));
    /* and one page of the class's own table */
    ck_assert_uint_eq(slab_used(s), base + unit_bytes(s) + 4 * KIB);
    slab_release(t, h);
    close_slab(s, t);
}
END_TEST

START_TEST(an_empty_page_goes_into_the_reserve_at_once)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, 1000), used;

    alloc_n(t, 1000, handles, n);
    slab_thread_flush(t);
    ck_assert_uint_eq(test_stats(s).page_bytes, unit_bytes(s));
    used = slab_used(s);
    release_n(t, handles, n);
    ck_assert_uint_eq(test_stats(s).page_bytes, 0);
    ck_assert_uint_eq(test_stats(s).page_free_bytes, unit_bytes(s));
    ck_assert_uint_eq(slab_used(s), used); /* it is still resident */
    close_slab(s, t);
}
END_TEST

/* The largest chunks of the smallest caches: three to a page. */
START_TEST(a_page_of_few_chunks_is_released_as_any_other)
{
    struct slab *s = test_slab(4 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, SLAB_MAX_CHUNK);

    ck_assert_uint_le(n, 4);
    for (unsigned round = 0; round < 3; round++) {
        alloc_n(t, SLAB_MAX_CHUNK, handles, 5 * n);
        for (size_t i = 0; i < 5 * n; i++)
            slab_release_to_page(t, handles[(i * 7 + round) % (5 * n)]);
        slab_thread_flush(t);
        ck_assert_uint_eq(test_stats(s).page_bytes, 0);
    }
    close_slab(s, t);
}
END_TEST

START_TEST(a_page_of_the_reserve_serves_another_class)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, 1000);
    uint32_t page, h;

    alloc_n(t, 1000, handles, n);
    page = page_of(s, handles[0]);
    slab_thread_flush(t);
    release_n(t, handles, n);
    h = slab_alloc(t, 50);
    ck_assert_uint_eq(page_of(s, h), page);
    ck_assert_uint_eq(test_stats(s).page_free_bytes, 0);
    ck_assert_uint_eq(test_stats(s).pages_committed, 1);
    slab_release(t, h);
    close_slab(s, t);
}
END_TEST

START_TEST(chunks_of_a_reused_page_look_free)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, 1000), i;
    struct slab_run run;

    alloc_n(t, 1000, handles, n);
    for (i = 0; i < n; i++)
        memset((char *)slab_ptr(s, handles[i]) + 4, 0x7f, 900);
    slab_thread_flush(t);
    release_n(t, handles, n);
    alloc_n(t, 60, handles, 1);
    ck_assert(slab_page_run(s, page_of(s, handles[0]), &run));
    for (i = 0; i < run.n; i++) {
        uint32_t h = run.handle + (uint32_t)i * run.step;

        if (h == handles[0])
            continue;
        ck_assert_uint_eq(LOAD(&chunk_words(s, h)[0]), 0);
        ck_assert_uint_eq(LOAD(&run.state[i]), SLAB_MARK_FREE);
    }
    slab_release(t, handles[0]);
    close_slab(s, t);
}
END_TEST

START_TEST(a_chunk_starts_with_four_zero_bytes_whatever_was_there)
{
    struct slab *s = test_slab(16 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint64_t random = 3;
    size_t round, i, n = 2000;

    for (round = 0; round < 20; round++) {
        size_t bytes = 16 + test_random(&random) % 1500;

        for (i = 0; i < n; i++) {
            handles[i] = slab_alloc(t, bytes);
            must(handles[i] != 0);
            must(LOAD(&chunk_words(s, handles[i])[0]) == 0);
            memset(slab_ptr(s, handles[i]), 0xee, bytes);
        }
        for (i = 0; i < n; i++)
            slab_release(t, handles[i]);
        slab_thread_flush(t);
    }
    close_slab(s, t);
}
END_TEST

START_TEST(fresh_pages_are_touched_only_as_they_are_used)
{
    struct slab *s = test_slab(64 * MIB, SLAB_ANONYMOUS);
    struct slab_thread *t = slab_thread_new(s);
    unsigned char resident[16] = {0};
    size_t i, n = 0, start;
    uint32_t h;

    h = slab_alloc(t, 1000);
    memset(slab_ptr(s, h), 1, 1000);
    start = handle_offset(h) & ~(unit_bytes(s) - 1);
    ck_assert_int_eq(mincore(s->view.base + start, unit_bytes(s), resident), 0);
    for (i = 0; i < sizeof resident; i++)
        n += resident[i] & 1;
#ifndef ASHLAR_DEBUG_ALLOC
    ck_assert_uint_le(n, 2); /* the marks, and the chunk */
#endif
    ck_assert_uint_ge(n, 1);
    slab_release(t, h);
    close_slab(s, t);
}
END_TEST

START_TEST(the_limit_ends_allocation)
{
    struct slab *s = test_slab(4 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = 0;

    while ((handles[n] = slab_alloc(t, 500)) != 0)
        n++;
    ck_assert_uint_le(slab_used(s), slab_limit(s));
    ck_assert_uint_gt(n * 500, 3700000);
    /* room again as soon as one is given back */
    slab_release_to_page(t, handles[--n]);
    handles[n] = slab_alloc(t, 500);
    ck_assert_uint_ne(handles[n++], 0);
    release_n(t, handles, n);
    close_slab(s, t);
}
END_TEST

START_TEST(free_pages_of_one_size_make_room_for_another)
{
    struct slab *s = test_slab(4 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = 0, tables;
    uint32_t h;

    while ((handles[n] = slab_alloc(t, 500)) != 0)
        n++;
    ck_assert_uint_eq(slab_alloc(t, 10000), 0);
    release_n(t, handles, n);
    slab_thread_flush(t);
    ck_assert_uint_gt(test_stats(s).page_free_bytes, 3 * MIB);
    tables = test_stats(s).table_bytes;
    h = slab_alloc(t, 10000);
    ck_assert_uint_ne(h, 0);
    /* records of pages are charged in any case */
    tables = test_stats(s).table_bytes - tables;
    ck_assert_uint_le(slab_used(s), slab_limit(s) + tables);
    /* only as much as was needed went back */
    ck_assert_uint_ge(test_stats(s).pages_released, 1);
    ck_assert_uint_le(test_stats(s).pages_released, 5);
    slab_release(t, h);
    close_slab(s, t);
}
END_TEST

START_TEST(addresses_are_carved_anew_when_another_size_needs_them)
{
    struct slab_config cfg = {
        .limit_bytes = 512 * MIB,
        .huge_pages = SLAB_NOT_HUGE,
        .region_bytes = 16 * MIB,
        .extent_region_bytes = 1 * GIB,
    };
    struct buf err = {0};
    struct slab *s = slab_new(&cfg, &err);
    struct slab_thread *t;
    size_t n = 0;

    ck_assert_ptr_nonnull(s);
    t = slab_thread_new(s);
    while ((handles[n] = slab_alloc(t, 500)) != 0)
        n++;
    ck_assert_uint_gt(n * 500, 15 * MIB);
    release_n(t, handles, n);
    slab_thread_flush(t);
    n = 0;
    while ((handles[n] = slab_alloc(t, 10000)) != 0)
        n++;
    ck_assert_uint_gt(n * 10000, 12 * MIB); /* all but the first super */
    release_n(t, handles, n);
    close_slab(s, t);
}
END_TEST

START_TEST(trim_keeps_the_reserve_and_gives_the_rest_back)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = 40000, given, free_bytes, used;

    alloc_n(t, 500, handles, n);
    release_n(t, handles, n);
    slab_thread_flush(t);
    free_bytes = test_stats(s).page_free_bytes;
    used = slab_used(s);
    ck_assert_uint_gt(free_bytes, 18 * MIB);
    given = slab_trim(s, 8 * MIB, 1000);
    ck_assert_uint_le(free_bytes - given, 8 * MIB);
    ck_assert_uint_gt(free_bytes - given, 6 * MIB);
    ck_assert_uint_eq(slab_used(s), used - given);
    ck_assert_uint_eq(slab_trim(s, 8 * MIB, 1000), 0);
    close_slab(s, t);
}
END_TEST

START_TEST(trim_gives_all_back_above_a_lowered_limit)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = 40000;

    alloc_n(t, 500, handles, n);
    release_n(t, handles, n);
    slab_thread_flush(t);
    slab_set_limit(s, 4 * MIB);
    ck_assert(!slab_charge(s, 5 * MIB));
    while (slab_used(s) > slab_limit(s))
        ck_assert_uint_gt(slab_trim(s, 32 * MIB, 1000000), 0);
    ck_assert_uint_le(slab_used(s), 4 * MIB);
    close_slab(s, t);
}
END_TEST

START_TEST(huge_pages_are_charged_as_they_become_resident)
{
    struct slab *s = huge_slab(64 * MIB);
    struct slab_thread *t = slab_thread_new(s);
    size_t base = slab_used(s);
    size_t n = 10000;

    /* the first super-page holds the superblock and is not carved whole */
    alloc_n(t, 500, handles, n);
    ck_assert_uint_ge(
        test_stats(s).page_free_bytes + test_stats(s).page_bytes +
            unit_bytes(s),
        6 * MIB);
    ck_assert_uint_ge(slab_used(s) - base, 5 * MIB);
    release_n(t, handles, n);
    slab_thread_flush(t);
    while (slab_trim(s, 0, 0) > 0)
        continue;
    ck_assert_uint_eq(test_stats(s).page_free_bytes, 0);
    close_slab(s, t);
}
END_TEST

static bool
is_resident(const struct slab *s, uint32_t super)
{
    unsigned char first;
    char *at = s->region.base + (size_t)super * super_bytes(s);

    ck_assert_int_eq(mincore(at, 4096, &first), 0);
    return first & 1;
}

START_TEST(huge_pages_are_touched_and_charged_before_they_are_taken)
{
    struct slab *s = huge_slab(256 * MIB);
    struct slab_thread *t = slab_thread_new(s);
    size_t used, n = 0, calls = 0;
    uint32_t next;

    ck_assert(!slab_populate(s)); /* nobody has taken any */
    while (!s->reserve.is_taken)
        alloc_n(t, 4000, &handles[n++], 1);
    used = slab_used(s);
    next = s->super_limit;
    ck_assert(!is_resident(s, next));
    while (slab_populate(s))
        calls++;
    ck_assert_uint_gt(calls, 1);
    ck_assert_uint_eq(s->reserve.n_ready, calls);
    ck_assert_uint_eq(slab_used(s), used + calls * super_bytes(s));
    ck_assert(is_resident(s, next));

    /* The next one that is taken is paid for. */
    used = slab_used(s);
    while (!s->reserve.is_taken)
        alloc_n(t, 4000, &handles[n++], 1);
    ck_assert_uint_eq(s->reserve.n_ready, calls - 1);
    ck_assert_uint_lt(slab_used(s), used + super_bytes(s));

    /* When there are none, the first touch is not of a huge page. */
    while (s->reserve.n_ready > 0)
        alloc_n(t, 4000, &handles[n++], 1);
    next = s->super_limit;
    s->reserve.is_taken = false;
    while (!s->reserve.is_taken)
        alloc_n(t, 4000, &handles[n++], 1);
    ck_assert_uint_eq(
        s->region.huge_upto, (size_t)next * super_bytes(s));
    ck_assert_uint_eq(s->super_limit, next + 1);
    while (slab_populate(s))
        continue;

    /* Who takes none needs less. */
    ck_assert_uint_eq(slab_trim(s, SIZE_MAX, 1000), 0);
    s->reserve.taken_us -= 2000000;
    ck_assert_uint_eq(slab_trim(s, SIZE_MAX, 1000), 6 * super_bytes(s));
    ck_assert_uint_eq(s->reserve.n_ready, 2);

    /* A lower limit takes back what is not. */
    slab_set_limit(s, slab_used(s) - 2 * super_bytes(s));
    while (slab_trim(s, 0, 0) > 0)
        continue;
    ck_assert_uint_eq(s->reserve.n_ready, 0);
    ck_assert_uint_le(slab_used(s), slab_limit(s));
    release_n(t, handles, n);
    close_slab(s, t);
}
END_TEST

/* What is touched ahead is reported as used, as the limit counts it, and is no
 * reason to refuse anybody. */
START_TEST(what_is_touched_ahead_makes_room_for_others)
{
    struct slab *s = huge_slab(256 * MIB);
    struct slab_thread *t = slab_thread_new(s);
    struct slab_stats stats;
    size_t ready, n = 0;
    uint32_t extent;

    while (!s->reserve.is_taken)
        alloc_n(t, 4000, &handles[n++], 1);
    while (slab_populate(s))
        continue;
    ready = s->reserve.n_ready * super_bytes(s);
    ck_assert_uint_ge(ready, 2 * super_bytes(s));
    slab_stats(s, &stats);
    ck_assert_uint_eq(stats.used, slab_used(s));

    /* Below what is in use, and room for all that is idle. */
    slab_set_limit(s, slab_used(s) - super_bytes(s) / 2);
    ck_assert_uint_ge(slab_headroom(s), ready - super_bytes(s) / 2);
    extent = extent_new(s, super_bytes(s) / 2);
    ck_assert(extent_commit(s, extent, super_bytes(s) / 2));
    ck_assert_uint_lt(s->reserve.n_ready * super_bytes(s), ready);
    ck_assert_uint_le(slab_used(s), slab_limit(s));

    /* Near the limit none is touched, and chunks take what is. */
    s->reserve.is_taken = true;
    slab_set_limit(s, slab_used(s));
    ck_assert(!slab_populate(s));
    while (s->reserve.n_ready > 0)
        alloc_n(t, 4000, &handles[n++], 1);
    ck_assert_uint_le(slab_used(s), slab_limit(s));
    slab_stats(s, &stats);
    ck_assert_uint_eq(stats.used, slab_used(s));
    extent_unpin(s, extent);
    release_n(t, handles, n);
    close_slab(s, t);
}
END_TEST

/* ---- runs and samples ---------------------------------------------------- */

START_TEST(a_page_run_names_each_chunk_of_the_page)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, 300), i, seen = 0;
    struct slab_run run;

    alloc_n(t, 300, handles, n);
    ck_assert(slab_page_run(s, page_of(s, handles[0]), &run));
    ck_assert_uint_eq(run.n, n);
    ck_assert_uint_eq(run.chunk_bytes, slab_chunk_bytes(s, handles[0]));
    ck_assert_uint_eq(run.cls, slab_class_of(s, 300));
    for (i = 0; i < n; i++) {
        struct slab_mark m = slab_mark(s, handles[i]);
        uint32_t slot = (handles[i] - run.handle) / run.step;

        ck_assert_uint_eq((handles[i] - run.handle) % run.step, 0);
        ck_assert_uint_lt(slot, n);
        ck_assert_ptr_eq(m.stamp, &run.stamp[slot]);
        ck_assert_ptr_eq(m.state, &run.state[slot]);
        seen += slot;
    }
    ck_assert_uint_eq(seen, n * (n - 1) / 2);
    release_n(t, handles, n);
    ck_assert(!slab_page_run(s, page_of(s, handles[0]), &run));
    ck_assert(!slab_page_run(s, slab_page_limit(s), &run));
    close_slab(s, t);
}
END_TEST

START_TEST(a_page_shows_its_class_and_about_how_full_it_is)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, 300);
    struct slab_page_view v;
    uint32_t page;

    ck_assert(!slab_page_look(s, slab_page_limit(s), &v));
    alloc_n(t, 300, handles, n);
    page = page_of(s, handles[0]);
    ck_assert(slab_page_look(s, page, &v));
    ck_assert_uint_eq(v.chunk_bytes, slab_chunk_bytes(s, handles[0]));
    ck_assert_uint_ge(v.page_bytes, n * v.chunk_bytes);
    ck_assert(!v.draining);
    ck_assert(slab_page_fill(s, page) > 0.99);
    for (size_t i = 0; i < n; i += 2) /* every second one */
        slab_release_to_page(t, handles[i]);
    ck_assert(slab_page_fill(s, page) > 0.4);
    ck_assert(slab_page_fill(s, page) < 0.6);
    ck_assert(slab_drain_page(s, page));
    ck_assert(slab_page_look(s, page, &v));
    ck_assert(v.draining);
    for (size_t i = 1; i < n; i += 2)
        slab_release_to_page(t, handles[i]);
    ck_assert(slab_drain_end(s, page));
    ck_assert(slab_page_look(s, page, &v)); /* in the reserve */
    ck_assert_uint_eq(v.chunk_bytes, 0);
    ck_assert(slab_page_fill(s, page) == 0);
    while (slab_trim(s, 0, 0) > 0)
        continue;
    ck_assert(!slab_page_look(s, page, &v));
    close_slab(s, t);
}
END_TEST

START_TEST(an_empty_slab_has_nothing_to_sample)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_run run;

    ck_assert(!slab_sample(s, 1, 16, &run));
    ck_assert(!slab_sample_class(s, 3, 1, 16, &run));
    slab_free(s);
}
END_TEST

START_TEST(a_sample_stands_in_one_line_of_marks)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint64_t random = 11;
    struct slab_run run;
    size_t i, n = page_chunks(s, 100) / 16 * 16;

    alloc_n(t, 100, handles, n);
    for (i = 0; i < 1000; i++) {
        ck_assert(slab_sample(s, test_random(&random), 16, &run));
        ck_assert_uint_eq(run.n, 16);
        ck_assert_uint_eq((uintptr_t)run.stamp % 32, 0);
        ck_assert_uint_eq((uintptr_t)run.state % 16, 0);
    }
    release_n(t, handles, n);
    close_slab(s, t);
}
END_TEST

START_TEST(a_sample_is_complete_when_the_page_has_that_many)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint64_t random = 11;
    struct slab_run run;
    size_t i, n;

    alloc_n(t, 1000, handles, 25); /* 16 + 9 */
    slab_thread_flush(t);
    n = LOAD(&s->pages[page_of(s, handles[0])].frontier);
    ck_assert_uint_lt(n, 32);
    for (i = 0; i < 1000; i++) {
        ck_assert(slab_sample(s, test_random(&random), 16, &run));
        ck_assert_uint_eq(run.n, 16);
        ck_assert_uint_le((run.handle - handles[0]) / run.step + run.n, n);
    }
    ck_assert(slab_sample(s, 1, 32, &run));
    ck_assert_uint_eq(run.n, n);
    release_n(t, handles, 25);
    close_slab(s, t);
}
END_TEST

START_TEST(each_chunk_is_sampled_by_its_share_of_bytes)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t small = 64 * page_chunks(s, 200), big = 16 * page_chunks(s, 10000);
    uint64_t random = 5;
    size_t i, n_small = 0, tries = 100000;
    struct slab_run run;

    /* 4 MiB of each, in 64 pages and in 16 pages */
    alloc_n(t, 200, handles, small);
    alloc_n(t, 10000, handles + small, big);
    ck_assert_uint_eq(test_stats(s).page_bytes, 8 * MIB);
    for (i = 0; i < tries; i++) {
        must(slab_sample(s, test_random(&random), 16, &run));
        n_small += run.cls == slab_class_of(s, 200);
    }
    /* 0.5 +- 6 sigma */
    ck_assert_double_lt((double)n_small / (double)tries, 0.51);
    ck_assert_double_gt((double)n_small / (double)tries, 0.49);
    release_n(t, handles, small + big);
    close_slab(s, t);
}
END_TEST

START_TEST(all_chunks_of_a_page_are_sampled_alike)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = page_chunks(s, 600), i, j, seen[512] = {0};
    uint64_t random = 5;
    struct slab_run run;

    ck_assert_uint_lt(n, ARRAY_LEN(seen));
    alloc_n(t, 600, handles, n);
    for (i = 0; i < 100 * n; i++) {
        ck_assert(slab_sample_class(
            s, slab_class_of(s, 600), test_random(&random), 16, &run));
        for (j = 0; j < run.n; j++)
            seen[(run.handle - handles[0]) / run.step + j]++;
    }
    /* One group of 7 each time, so 1529 for most; the last two overlap. */
    ck_assert_uint_eq((n + 15) / 16, 7);
    for (i = 0; i < n; i++) {
        ck_assert_uint_gt(seen[i], 1300);
        ck_assert_uint_lt(seen[i], i < n - 16 ? 1750 : 3300);
    }
    release_n(t, handles, n);
    close_slab(s, t);
}
END_TEST

START_TEST(a_sample_is_found_in_a_region_that_is_nearly_empty)
{
    struct slab *s = test_slab(512 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t n = 400000, i, last;
    static uint32_t many[400000];
    uint64_t random = 9;
    struct slab_run run;

    alloc_n(t, 1000, many, n);
    slab_thread_flush(t);
    last = 0; /* the highest one stays */
    for (i = 1; i < n; i++)
        if (many[i] > many[last])
            last = i;
    for (i = 0; i < n; i++)
        if (i != last)
            slab_release_to_page(t, many[i]);
    for (i = 0; i < 100; i++) {
        ck_assert(slab_sample(s, test_random(&random), 16, &run));
        ck_assert_uint_eq(run.page, page_of(s, many[last]));
    }
    slab_release(t, many[last]);
    close_slab(s, t);
}
END_TEST

START_TEST(a_class_sample_is_of_that_class)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint64_t random = 5;
    struct slab_run run;
    size_t i;

    alloc_n(t, 100, handles, 10000);
    alloc_n(t, 700, handles + 10000, 3);
    for (i = 0; i < 1000; i++) {
        ck_assert(slab_sample_class(
            s, slab_class_of(s, 700), test_random(&random), 16, &run));
        ck_assert_uint_eq(run.cls, slab_class_of(s, 700));
    }
    release_n(t, handles, 10003);
    close_slab(s, t);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_page_is_charged_when_its_first_chunk_is_wanted,
        an_empty_page_goes_into_the_reserve_at_once,
        a_page_of_few_chunks_is_released_as_any_other,
        a_page_of_the_reserve_serves_another_class,
        chunks_of_a_reused_page_look_free,
        a_chunk_starts_with_four_zero_bytes_whatever_was_there,
        fresh_pages_are_touched_only_as_they_are_used,
        the_limit_ends_allocation,
        free_pages_of_one_size_make_room_for_another,
        addresses_are_carved_anew_when_another_size_needs_them,
        trim_keeps_the_reserve_and_gives_the_rest_back,
        trim_gives_all_back_above_a_lowered_limit,
        huge_pages_are_charged_as_they_become_resident,
        huge_pages_are_touched_and_charged_before_they_are_taken,
        what_is_touched_ahead_makes_room_for_others,
        a_page_run_names_each_chunk_of_the_page,
        a_page_shows_its_class_and_about_how_full_it_is,
        an_empty_slab_has_nothing_to_sample,
        a_sample_stands_in_one_line_of_marks,
        a_sample_is_complete_when_the_page_has_that_many,
        each_chunk_is_sampled_by_its_share_of_bytes,
        all_chunks_of_a_page_are_sampled_alike,
        a_sample_is_found_in_a_region_that_is_nearly_empty,
        a_class_sample_is_of_that_class,
    };

    return test_run("slab/page", tests, ARRAY_LEN(tests));
}
