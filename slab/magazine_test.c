/* SPDX-License-Identifier: BSD-3-Clause */
/* magazine_test.c - slab_alloc() and slab_release(): a thread's own stock, and
 * its exchange with the depot. */
#include "slab/test.h"

static uint32_t handles[100000];

static uint32_t
n_in_magazine(const struct slab_thread *t, unsigned cls)
{
    const struct size_class *c = &t->slab->classes[cls];
    const struct magazine *m = (const void *)((const char *)t + c->magazine_at);

    return LOAD(&m->n);
}

START_TEST(a_released_chunk_is_the_next_one_allocated)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t a = slab_alloc(t, 100), b = slab_alloc(t, 100);

    ck_assert_uint_ne(a, b);
    slab_release(t, a);
    ck_assert_uint_eq(slab_alloc(t, 100), a);
    slab_release(t, a);
    slab_release(t, b);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

/* Chunks of a page that has given all of them out. */
START_TEST(a_class_is_out_of_chunks_when_all_are_given_out)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    unsigned cls = class_for(s, 100);
    uint32_t i, n = s->classes[cls].n_chunks;

    ck_assert(slab_is_out_of(t, cls));
    for (i = 0; i < n; i++) {
        handles[i] = slab_alloc(t, 100);
        must(slab_is_out_of(t, cls) == (i + 1 == n));
    }
    slab_release(t, handles[0]);
    ck_assert(!slab_is_out_of(t, cls));
    handles[0] = slab_alloc(t, 100);
    ck_assert(slab_is_out_of(t, cls));
    slab_release_to_page(t, handles[0]);
    ck_assert(!slab_is_out_of(t, cls));
    for (i = 1; i < n; i++)
        slab_release(t, handles[i]);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(live_chunks_never_overlap)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    static uint16_t sizes[20000];
    uint64_t random = 1;
    size_t i, n = ARRAY_LEN(sizes);

    for (i = 0; i < n; i++) {
        sizes[i] = (uint16_t)(1 + test_random(&random) % 4000);
        handles[i] = slab_alloc(t, sizes[i]);
        must(handles[i] != 0);
        must((uintptr_t)slab_ptr(s, handles[i]) % 8 == 0);
        test_fill(slab_ptr(s, handles[i]), sizes[i], handles[i]);
    }
    for (i = 0; i < n; i++) {
        must(test_filled(slab_ptr(s, handles[i]), sizes[i], handles[i]));
        slab_release(t, handles[i]);
    }
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_release_makes_the_chunk_look_free)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    uint32_t h = slab_alloc(t, 100);

    STORE(&chunk_words(s, h)[0], 77);
    STORE(slab_mark(s, h).state, 4);
    slab_release(t, h);
    ck_assert_uint_eq(LOAD(&chunk_words(s, h)[0]), 0);
    ck_assert_uint_eq(LOAD(slab_mark(s, h).state), SLAB_MARK_FREE);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_magazine_stays_within_its_bound)
{
    struct slab *s = test_slab(1 * GIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    unsigned cls = slab_class_of(s, 64);
    size_t i, n = 50000;

    for (i = 0; i < n; i++) {
        handles[i] = slab_alloc(t, 64);
        must(n_in_magazine(t, cls) < MAGAZINE_MAX);
    }
    for (i = 0; i < n; i++) {
        slab_release(t, handles[i]);
        must(n_in_magazine(t, cls) <= MAGAZINE_MAX);
    }
    ck_assert_uint_le(
        LOAD(&s->classes[cls].n_depot), s->classes[cls].depot_max);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(what_one_thread_frees_another_gets_from_the_depot)
{
    struct slab *s = test_slab(1 * GIB, SLAB_MEMFD);
    struct slab_thread *a = slab_thread_new(s), *b = slab_thread_new(s);
    size_t i, n = MAGAZINE_MAX + 1, found = 0;
    uint32_t h;

    for (i = 0; i < n; i++)
        handles[i] = slab_alloc(a, 64);
    for (i = 0; i < n; i++)
        slab_release(a, handles[i]);
    /* the first half of a full magazine was put into the depot */
    h = slab_alloc(b, 64);
    for (i = 0; i < n; i++)
        found += handles[i] == h;
    ck_assert_uint_eq(found, 1);
    slab_release(b, h);
    slab_thread_free(a);
    slab_thread_free(b);
    slab_free(s);
}
END_TEST

START_TEST(a_flush_returns_every_chunk_to_its_page)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t bytes;

    for (bytes = 1; bytes <= SLAB_MAX_CHUNK; bytes += 100)
        slab_release(t, slab_alloc(t, bytes));
    ck_assert_uint_gt(test_stats(s).magazine_bytes, 0);
    ck_assert_uint_gt(test_stats(s).chunk_live_bytes, 0);
    slab_thread_flush(t);
    ck_assert_uint_eq(test_stats(s).magazine_bytes, 0);
    ck_assert_uint_eq(test_stats(s).chunk_live_bytes, 0);
    ck_assert_uint_eq(test_stats(s).page_bytes, 0);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_release_to_the_page_counts_at_once)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    unsigned cls = slab_class_of(s, 200);
    struct slab_class_stats before, after;
    uint32_t h = slab_alloc(t, 200);

    ck_assert(slab_class_stats(s, cls, &before));
    slab_release_to_page(t, h);
    ck_assert(slab_class_stats(s, cls, &after));
    ck_assert_uint_eq(after.chunks_free, before.chunks_free + 1);
    ck_assert_uint_eq(after.chunks_live, before.chunks_live - 1);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

/* A lock that is not let go of: who waited for it would do so for ever. */
START_TEST(a_release_to_the_page_waits_for_nobody)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    unsigned cls = slab_class_of(s, 100);
    uint32_t handle = slab_alloc(t, 100), n = n_in_magazine(t, cls);
    uint64_t n_free = LOAD(&s->classes[cls].n_free);

    spin_lock(&s->classes[cls].lock);
    slab_release_to_page(t, handle);
    spin_unlock(&s->classes[cls].lock);
    ck_assert_uint_eq(n_in_magazine(t, cls), n + 1);
    ck_assert_uint_eq(LOAD(&s->classes[cls].n_free), n_free);
    ck_assert_uint_eq(slab_alloc(t, 100), handle);
    slab_release_to_page(t, handle);
    ck_assert_uint_eq(LOAD(&s->classes[cls].n_free), n_free + 1);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(batches_come_from_the_fullest_page)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    unsigned cls = slab_class_of(s, 500);
    size_t per_page = s->classes[cls].n_chunks, i;
    uint32_t h;

    for (i = 0; i < 3 * per_page; i++)
        handles[i] = slab_alloc(t, 500);
    slab_thread_flush(t);
    /* nearly empty, full but for one, half full */
    for (i = 1; i < per_page; i++)
        slab_release_to_page(t, handles[i]);
    slab_release_to_page(t, handles[per_page]);
    for (i = 2 * per_page; i < 2 * per_page + per_page / 2; i++)
        slab_release_to_page(t, handles[i]);
    h = slab_alloc(t, 500);
    slab_thread_flush(t);
    ck_assert_uint_ne(
        page_at(s, handle_offset(h)), page_at(s, handle_offset(handles[0])));
    ck_assert_uint_eq(
        s->pages[page_at(s, handle_offset(handles[per_page]))].n_free,
        h == handles[per_page] ? 0 : 1);
    slab_release_to_page(t, h);
    slab_release_to_page(t, handles[0]);
    for (i = per_page + 1; i < 2 * per_page; i++)
        slab_release_to_page(t, handles[i]);
    for (i = 2 * per_page + per_page / 2; i < 3 * per_page; i++)
        slab_release_to_page(t, handles[i]);
    ck_assert_uint_eq(test_stats(s).page_bytes, 0);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(the_largest_chunk_works)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t i, n = 200;

    for (i = 0; i < n; i++) {
        handles[i] = slab_alloc(t, SLAB_MAX_CHUNK);
        ck_assert_uint_ne(handles[i], 0);
        test_fill(slab_ptr(s, handles[i]), SLAB_MAX_CHUNK, (uint32_t)i);
    }
    for (i = 0; i < n; i++) {
        ck_assert_uint_eq(slab_chunk_bytes(s, handles[i]), SLAB_MAX_CHUNK);
        ck_assert(
            test_filled(slab_ptr(s, handles[i]), SLAB_MAX_CHUNK, (uint32_t)i));
        slab_release(t, handles[i]);
    }
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_released_chunk_is_the_next_one_allocated,
        a_class_is_out_of_chunks_when_all_are_given_out,
        live_chunks_never_overlap,
        a_release_makes_the_chunk_look_free,
        a_magazine_stays_within_its_bound,
        what_one_thread_frees_another_gets_from_the_depot,
        a_flush_returns_every_chunk_to_its_page,
        a_release_to_the_page_counts_at_once,
        a_release_to_the_page_waits_for_nobody,
        batches_come_from_the_fullest_page,
        the_largest_chunk_works,
    };

    return test_run("slab/magazine", tests, ARRAY_LEN(tests));
}
