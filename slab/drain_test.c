/* SPDX-License-Identifier: BSD-3-Clause */
/* drain_test.c - pages that are taken out of use while threads hold chunks of
 * them. */
#include "slab/test.h"

#define BYTES 500

/* Five full pages of one class; handles in order of pages. */
struct fixture {
    struct slab *s;
    struct slab_thread *t;
    unsigned cls;
    uint32_t per_page, n;
    uint32_t handle[5 * 200];
};

static struct fixture
fixture_new(void)
{
    struct fixture f = {.s = test_slab(64 * MIB, SLAB_MEMFD)};
    uint32_t i;

    f.t = slab_thread_new(f.s);
    f.cls = slab_class_of(f.s, BYTES);
    f.per_page = f.s->classes[f.cls].n_chunks;
    f.n = 5 * f.per_page;
    ck_assert_uint_le(f.n, ARRAY_LEN(f.handle));
    for (i = 0; i < f.n; i++) {
        f.handle[i] = slab_alloc(f.t, BYTES);
        STORE(&chunk_words(f.s, f.handle[i])[0], i + 1);
        STORE(slab_mark(f.s, f.handle[i]).state, 0);
    }
    slab_thread_flush(f.t);
    return f;
}

static uint32_t
page_of(const struct fixture *f, uint32_t handle)
{
    return page_at(f->s, handle_offset(handle));
}

/* Free `n` chunks of the fixture's page number `page`, from its start on. */
static void
free_some(struct fixture *f, uint32_t page, uint32_t n)
{
    uint32_t i;

    for (i = page * f->per_page; n > 0; i++, n--) {
        ck_assert_uint_ne(f->handle[i], 0);
        slab_release_to_page(f->t, f->handle[i]);
        f->handle[i] = 0;
    }
}

/* Move what lives in a page elsewhere, as the keyspace does. */
static void
move_away(struct fixture *f, uint32_t page)
{
    uint32_t i, h;

    for (i = 0; i < f->n; i++) {
        if (f->handle[i] == 0 || page_of(f, f->handle[i]) != page)
            continue;
        h = slab_alloc(f->t, BYTES);
        must(h != 0);
        must(page_of(f, h) != page);
        STORE(&chunk_words(f->s, h)[0], i + 1);
        slab_release_to_page(f->t, f->handle[i]);
        f->handle[i] = h;
    }
}

static void
fixture_free(struct fixture *f)
{
    uint32_t i;

    for (i = 0; i < f->n; i++)
        if (f->handle[i] != 0)
            slab_release_to_page(f->t, f->handle[i]);
    slab_thread_flush(f->t);
    ck_assert_uint_eq(test_stats(f->s).page_bytes, 0);
    ck_assert_uint_eq(test_stats(f->s).chunk_live_bytes, 0);
    slab_thread_free(f->t);
    slab_free(f->s);
}

START_TEST(a_full_class_is_no_candidate)
{
    struct fixture f = fixture_new();

    ck_assert_uint_eq(slab_drain_candidate(f.s), UINT32_MAX);
    ck_assert_uint_eq(slab_drain_begin(f.s, f.cls), PAGE_NONE);
    fixture_free(&f);
}
END_TEST

START_TEST(less_than_a_page_of_holes_is_no_candidate)
{
    struct fixture f = fixture_new();

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 2, f.per_page - f.per_page / 2 - 1);
    ck_assert_uint_eq(slab_drain_candidate(f.s), UINT32_MAX);
    ck_assert_uint_eq(slab_drain_begin(f.s, f.cls), PAGE_NONE);
    /* one more hole, and it is */
    free_some(&f, 3, 1);
    ck_assert_uint_eq(slab_drain_candidate(f.s), f.cls);
    fixture_free(&f);
}
END_TEST

START_TEST(the_sparsest_page_is_drained)
{
    struct fixture f = fixture_new();
    uint32_t page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    ck_assert_uint_eq(page, page_of(&f, f.handle[4 * f.per_page - 1]));
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    ck_assert_uint_eq(test_stats(f.s).pages_drained, 1);
    ck_assert_uint_eq(test_stats(f.s).page_free_bytes, unit_bytes(f.s));
    fixture_free(&f);
}
END_TEST

START_TEST(a_page_that_is_worked_on_stays_though_empty)
{
    struct fixture f = fixture_new();
    struct slab_run run;
    uint32_t page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    move_away(&f, page);
    ck_assert(slab_page_run(f.s, page, &run));
    ck_assert_uint_eq(run.n, f.per_page);
    ck_assert(slab_drain_end(f.s, page));
    ck_assert(!slab_page_run(f.s, page, &run));
    fixture_free(&f);
}
END_TEST

START_TEST(chunks_of_a_draining_page_are_not_handed_out)
{
    struct fixture f = fixture_new();
    uint32_t page, i, h[2000];

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    for (i = 0; i < ARRAY_LEN(h); i++) {
        h[i] = slab_alloc(f.t, BYTES);
        ck_assert_uint_ne(page_of(&f, h[i]), page);
    }
    for (i = 0; i < ARRAY_LEN(h); i++)
        slab_release(f.t, h[i]);
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    fixture_free(&f);
}
END_TEST

START_TEST(a_chunk_in_a_magazine_is_withdrawn_when_its_page_drains)
{
    struct fixture f = fixture_new();
    uint32_t last = 4 * f.per_page - 1, page, h;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    slab_release(f.t, f.handle[last]); /* on top of the magazine */
    f.handle[last] = 0;
    page = slab_drain_begin(f.s, f.cls);
    ck_assert_uint_eq(page, page_of(&f, f.handle[last - 1]));
    h = slab_alloc(f.t, BYTES);
    ck_assert_uint_ne(page_of(&f, h), page);
    slab_release(f.t, h);
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    fixture_free(&f);
}
END_TEST

START_TEST(a_chunk_in_a_magazine_keeps_the_page_until_it_is_polled)
{
    struct fixture f = fixture_new();
    struct slab_thread *other = slab_thread_new(f.s);
    uint32_t last = 4 * f.per_page - 1, page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    slab_release(other, f.handle[last]);
    f.handle[last] = 0;
    page = slab_drain_begin(f.s, f.cls);
    move_away(&f, page);
    ck_assert(!slab_drain_end(f.s, page));
    slab_thread_poll(f.t); /* not the one that has it */
    ck_assert_uint_eq(test_stats(f.s).pages_drained, 0);
    slab_thread_poll(other);
    ck_assert_uint_eq(test_stats(f.s).pages_drained, 1);
    ck_assert_uint_eq(slab_drain_pending(f.s), PAGE_NONE);
    slab_thread_free(other);
    fixture_free(&f);
}
END_TEST

START_TEST(chunks_in_the_depot_do_not_hold_a_page_up)
{
    struct fixture f = fixture_new();
    uint32_t i, page, from = 3 * f.per_page;

    /* all but one chunk of page 3 through the magazine, so that some end in
     * the depot */
    for (i = from; i < from + f.per_page - 1; i++) {
        slab_release(f.t, f.handle[i]);
        f.handle[i] = 0;
    }
    ck_assert_uint_gt(LOAD(&f.s->classes[f.cls].n_depot), 0);
    slab_thread_flush(f.t);
    free_some(&f, 1, f.per_page / 2);
    page = slab_drain_begin(f.s, f.cls);
    ck_assert_uint_eq(page, page_of(&f, f.handle[i]));
    ck_assert_uint_eq(LOAD(&f.s->classes[f.cls].n_depot), 0);
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    fixture_free(&f);
}
END_TEST

START_TEST(a_page_that_could_not_be_emptied_is_found_again)
{
    struct fixture f = fixture_new();
    uint32_t page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    ck_assert(!slab_drain_end(f.s, page));
    ck_assert_uint_eq(slab_drain_pending(f.s), page);
    ck_assert_uint_eq(slab_drain_pending(f.s), PAGE_NONE); /* worked on */
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    ck_assert_uint_eq(slab_drain_pending(f.s), PAGE_NONE);
    fixture_free(&f);
}
END_TEST

START_TEST(the_last_release_lets_a_pending_page_go)
{
    struct fixture f = fixture_new();
    uint32_t page, last = 4 * f.per_page - 1;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    ck_assert(!slab_drain_end(f.s, page));
    slab_release(f.t, f.handle[last]); /* past the magazine: it drains */
    slab_release(f.t, f.handle[last - 1]);
    f.handle[last] = f.handle[last - 1] = 0;
    ck_assert_uint_eq(test_stats(f.s).pages_drained, 1);
    ck_assert_uint_eq(slab_drain_pending(f.s), PAGE_NONE);
    fixture_free(&f);
}
END_TEST

START_TEST(the_candidate_is_the_class_with_the_most_to_give_back)
{
    struct fixture f = fixture_new();
    static uint32_t large[500];
    uint32_t i;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 2, f.per_page / 2);
    free_some(&f, 3, f.per_page / 2);
    ck_assert_uint_eq(slab_drain_candidate(f.s), f.cls);
    for (i = 0; i < ARRAY_LEN(large); i++)
        large[i] = slab_alloc(f.t, 9000);
    slab_thread_flush(f.t);
    for (i = 0; i < ARRAY_LEN(large); i += 2)
        slab_release_to_page(f.t, large[i]);
    ck_assert_uint_eq(slab_drain_candidate(f.s), slab_class_of(f.s, 9000));
    for (i = 1; i < ARRAY_LEN(large); i += 2)
        slab_release_to_page(f.t, large[i]);
    fixture_free(&f);
}
END_TEST

START_TEST(free_chunks_of_draining_pages_are_not_counted_twice)
{
    struct fixture f = fixture_new();
    struct slab_class_stats st;
    uint32_t page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    ck_assert(slab_class_stats(f.s, f.cls, &st));
    ck_assert_uint_eq(st.pages, 5);
    ck_assert_uint_eq(st.chunks_free, f.per_page / 2 + f.per_page - 2);
    ck_assert_uint_eq(slab_drain_candidate(f.s), UINT32_MAX);
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    fixture_free(&f);
}
END_TEST

START_TEST(a_page_is_left_for_a_while_and_gone_on_with)
{
    struct fixture f = fixture_new();
    uint32_t page, asked;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    asked = LOAD(&f.s->flush_asked);
    slab_drain_pause(f.s, page);
    ck_assert_uint_eq(LOAD(&f.s->flush_asked), asked); /* nobody is late */
    ck_assert(slab_drain_resume(f.s, page));
    ck_assert(!slab_drain_resume(f.s, page)); /* worked on */
    ck_assert_uint_eq(slab_drain_pending(f.s), PAGE_NONE);
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    fixture_free(&f);
}
END_TEST

START_TEST(another_thread_may_go_on_with_a_page_that_was_left)
{
    struct fixture f = fixture_new();
    uint32_t page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    slab_drain_pause(f.s, page);
    ck_assert_uint_eq(slab_drain_pending(f.s), page);
    ck_assert(!slab_drain_resume(f.s, page));
    move_away(&f, page);
    ck_assert(slab_drain_end(f.s, page));
    ck_assert(!slab_drain_resume(f.s, page)); /* it is gone */
    fixture_free(&f);
}
END_TEST

START_TEST(a_page_that_was_left_empty_is_gone)
{
    struct fixture f = fixture_new();
    uint32_t page;

    free_some(&f, 1, f.per_page / 2);
    free_some(&f, 3, f.per_page - 2);
    page = slab_drain_begin(f.s, f.cls);
    move_away(&f, page);
    slab_drain_pause(f.s, page);
    ck_assert_uint_eq(test_stats(f.s).pages_drained, 1);
    ck_assert(!slab_drain_resume(f.s, page));
    fixture_free(&f);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_full_class_is_no_candidate,
        less_than_a_page_of_holes_is_no_candidate,
        the_sparsest_page_is_drained,
        a_page_that_is_worked_on_stays_though_empty,
        chunks_of_a_draining_page_are_not_handed_out,
        a_chunk_in_a_magazine_is_withdrawn_when_its_page_drains,
        a_chunk_in_a_magazine_keeps_the_page_until_it_is_polled,
        chunks_in_the_depot_do_not_hold_a_page_up,
        a_page_that_could_not_be_emptied_is_found_again,
        the_last_release_lets_a_pending_page_go,
        the_candidate_is_the_class_with_the_most_to_give_back,
        free_chunks_of_draining_pages_are_not_counted_twice,
        a_page_is_left_for_a_while_and_gone_on_with,
        another_thread_may_go_on_with_a_page_that_was_left,
        a_page_that_was_left_empty_is_gone,
    };

    return test_run("slab/drain", tests, ARRAY_LEN(tests));
}
