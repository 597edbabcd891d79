/* SPDX-License-Identifier: BSD-3-Clause */
/* slab_stress_test.c - all of slab/ at once, from several threads.
 *
 * Workers allocate, check and free chunks and extents at random, and hand many
 * of them to each other to be freed elsewhere; each chunk is filled with a
 * pattern made from its own header. At the same time a maintenance thread
 * drains pages, trims, and samples. Memory is short, so that allocations fail
 * and pages and extents take each other's place. At the end everything is
 * freed and the books must balance.
 *
 * $ASHLAR_STRESS scales the work (default 1).
 */
#include "slab/test.h"

#include <pthread.h>
#include <sched.h>

#define N_OWN 2000       /* places of a worker */
#define N_EXCHANGE 512   /* places where threads leave things for others */
#define N_PAGES_MOVED 64 /* drains in one step of maintenance */

/* In each chunk in use: what is needed to check it. */
struct head {
    _Atomic uint32_t bytes; /* not 0 while the chunk is in use */
    uint32_t seed;
    uint32_t place; /* index in `places`, or PLACE_NONE */
    uint32_t spare;
};

#define PLACE_NONE UINT32_MAX

/* Where a chunk is known, and is moved under the lock: like an index slot. */
struct place {
    _Atomic uint32_t held;
    _Atomic uint32_t handle; /* under the lock; note_hit() reads without */
};

struct stress {
    struct slab *slab;
    unsigned n_workers;
    struct place *places; /* n_workers * N_OWN */
    _Atomic uint32_t chunk_exchange[N_EXCHANGE];
    _Atomic uint32_t extent_exchange[N_EXCHANGE];
    _Atomic unsigned n_running;
    _Atomic uint64_t n_allocs, n_failures, n_moves, n_drained, n_pins, n_hits;
};

struct worker {
    struct stress *stress;
    struct slab_thread *t;
    pthread_t thread;
    unsigned number;
    uint64_t random, rounds, rounds_done;
};

static uint64_t
rounds(uint64_t n)
{
    const char *scale = getenv("ASHLAR_STRESS");

    return (uint64_t)((double)n * (scale != NULL ? strtod(scale, NULL) : 1));
}

/* ---- chunks -------------------------------------------------------------- */

static struct head *
head_of(const struct slab *s, uint32_t handle)
{
    return slab_ptr(s, handle);
}

static char *
body_of(struct head *h)
{
    return (char *)(h + 1);
}

/* A few sizes at a time, others later: classes grow and run empty. */
static size_t
random_bytes(struct worker *w)
{
    static const uint16_t sizes[] = {17, 40, 64, 100, 104, 200, 333, 500, 700,
        1100, 2000, 3000, 6000, 12000, SLAB_MAX_CHUNK};
    uint64_t r = test_random(&w->random);
    uint64_t at = r % 4 + w->rounds_done * 60 / (w->rounds + 1);

    return MAX(sizes[at % ARRAY_LEN(sizes)], sizeof(struct head) + 1);
}

static uint32_t
new_chunk(struct worker *w, uint32_t place)
{
    size_t bytes = random_bytes(w);
    uint32_t handle = slab_alloc(w->t, bytes);
    struct head *h;

    if (handle == 0) {
        atomic_fetch_add(&w->stress->n_failures, 1);
        return 0;
    }
    h = head_of(w->stress->slab, handle);
    ASSERT(LOAD(&h->bytes) == 0);
    h->seed = (uint32_t)w->random;
    h->place = place;
    test_fill(body_of(h), bytes - sizeof *h, h->seed);
    STORE(slab_mark(w->stress->slab, handle).state, 1);
    STORE(&h->bytes, (uint32_t)bytes);
    atomic_fetch_add(&w->stress->n_allocs, 1);
    return handle;
}

static void
check_chunk(const struct slab *s, uint32_t handle)
{
    struct head *h = head_of(s, handle);
    uint32_t bytes = LOAD(&h->bytes);

    ASSERT(bytes > sizeof *h && bytes <= slab_chunk_bytes(s, handle));
    ASSERT(test_filled(body_of(h), bytes - sizeof *h, h->seed));
}

static void
free_chunk(struct worker *w, uint32_t handle)
{
    check_chunk(w->stress->slab, handle);
    if (test_random(&w->random) % 4 == 0)
        slab_release_to_page(w->t, handle);
    else
        slab_release(w->t, handle);
}

static void
lock_place(struct place *p)
{
    while (atomic_exchange_explicit(&p->held, 1, memory_order_acquire) != 0)
        sched_yield();
}

static void
unlock_place(struct place *p)
{
    atomic_store_explicit(&p->held, 0, memory_order_release);
}

static uint32_t
swap_place(struct place *p, uint32_t handle)
{
    uint32_t old;

    lock_place(p);
    old = LOAD(&p->handle);
    STORE(&p->handle, handle);
    unlock_place(p);
    return old;
}

/* ---- workers ------------------------------------------------------------- */

/* Put a new chunk, or nothing, into one of the own places. */
static void
replace_own(struct worker *w)
{
    uint32_t at =
        (uint32_t)(w->number * N_OWN + test_random(&w->random) % N_OWN);
    uint32_t handle = 0, old;

    if (test_random(&w->random) % 16 != 0)
        handle = new_chunk(w, at);
    old = swap_place(&w->stress->places[at], handle);
    if (old != 0)
        free_chunk(w, old);
}

/* Leave a chunk for another thread, free what somebody left there. */
static void
exchange_chunk(struct worker *w)
{
    uint32_t handle = new_chunk(w, PLACE_NONE), old;
    uint64_t at = test_random(&w->random) % N_EXCHANGE;

    old = atomic_exchange_explicit(
        &w->stress->chunk_exchange[at], handle, memory_order_acq_rel);
    if (old != 0)
        free_chunk(w, old);
}

static void
exchange_extent(struct worker *w)
{
    struct slab *s = w->stress->slab;
    size_t bytes = 16 * KIB + test_random(&w->random) % (48 * KIB);
    uint32_t id = extent_new(s, bytes), old;
    uint64_t at = test_random(&w->random) % N_EXCHANGE;

    if (id != 0 && !extent_commit(s, id, bytes)) {
        extent_unpin(s, id);
        id = 0;
    }
    if (id != 0) {
        memcpy(extent_ptr(s, id), &bytes, sizeof bytes);
        test_fill(extent_ptr(s, id) + 8, 1000, id);
        extent_set_owner(s, id, id + 7);
    }
    old = atomic_exchange_explicit(
        &w->stress->extent_exchange[at], id, memory_order_acq_rel);
    if (old != 0) {
        ASSERT(test_filled(extent_ptr(s, old) + 8, 1000, old));
        extent_unpin(s, old);
    }
}

/* Pin what the exchange holds, or held a moment ago. */
static void
pin_extent(struct worker *w)
{
    struct slab *s = w->stress->slab;
    uint64_t at = test_random(&w->random) % N_EXCHANGE;
    uint32_t id = atomic_load_explicit(
        &w->stress->extent_exchange[at], memory_order_acquire);

    if (id == 0 || !extent_pin(s, id))
        return;
    atomic_fetch_add(&w->stress->n_pins, 1);
    /* Still there: then it is what was seen, and the pin holds it. */
    if (atomic_load_explicit(
            &w->stress->extent_exchange[at], memory_order_acquire) == id)
        ASSERT(extent_room(s, id) >= 16 * KIB);
    extent_unpin(s, id);
}

/* Note a hit on a chunk that may be freed at this very moment, slowly. */
static void
note_hit(struct worker *w)
{
    struct stress *st = w->stress;
    uint64_t at = test_random(&w->random) % (st->n_workers * N_OWN);
    uint32_t handle = LOAD(&st->places[at].handle);
    struct slab_mark m;

    if (handle == 0)
        return;
    m = slab_mark(st->slab, handle);
    if (!slab_mark_hold(w->t, &m))
        return;
    if (w->random % 64 == 0)
        sched_yield();
    STORE(m.stamp, (uint16_t)w->random);
    STORE(m.state, 2);
    slab_mark_drop(w->t);
    atomic_fetch_add(&st->n_hits, 1);
}

/* The least of a long run: one of thousands of rounds. */
#define LONG_RUN 5000

/* The thread that maintains may be without a processor for as long as all
 * rounds take: they go on until it has been at work. */
static bool
is_to_be_maintained(const struct worker *w)
{
    const struct stress *st = w->stress;

    return w->rounds >= LONG_RUN && (st->n_drained == 0 || st->n_moves == 0);
}

static void *
run_worker(void *arg)
{
    struct worker *w = arg;
    uint64_t i;

    for (i = 0; i < w->rounds || is_to_be_maintained(w); i++) {
        w->rounds_done = MIN(i, w->rounds);
        replace_own(w);
        if (i % 4 == 0)
            exchange_chunk(w);
        if (i % 16 == 0)
            exchange_extent(w);
        pin_extent(w);
        note_hit(w);
        if (i % 32 == 0)
            slab_thread_poll(w->t);
        if (i % 10000 == 0)
            slab_thread_flush(w->t);
    }
    slab_thread_free(w->t);
    atomic_fetch_sub(&w->stress->n_running, 1);
    return NULL;
}

/* ---- maintenance --------------------------------------------------------- */

/* Move a chunk of a draining page, if it still stands in its place. */
static void
move_chunk(struct worker *w, uint32_t handle, uint32_t place)
{
    struct stress *st = w->stress;
    struct place *p = &st->places[place];
    struct head *from = head_of(st->slab, handle), *to;
    uint32_t bytes, copy = 0;

    lock_place(p);
    if (LOAD(&p->handle) == handle) {
        bytes = LOAD(&from->bytes);
        copy = slab_alloc(w->t, bytes);
        if (copy != 0) {
            to = head_of(st->slab, copy);
            to->seed = from->seed;
            to->place = place;
            memcpy(body_of(to), body_of(from), bytes - sizeof *to);
            STORE(&to->bytes, bytes);
            check_chunk(st->slab, copy);
            STORE(&p->handle, copy);
        }
    }
    unlock_place(p);
    if (copy == 0)
        return;
    slab_release_to_page(w->t, handle);
    atomic_fetch_add(&st->n_moves, 1);
}

/* What is in a page is only known through the places, as in a keyspace through
 * the index: a chunk may be freed and used anew at any moment. */
static void
move_page(struct worker *w, uint32_t page)
{
    struct stress *st = w->stress;
    uint32_t i, n = st->n_workers * N_OWN, handle;

    for (i = 0; i < n; i++) {
        handle = LOAD(&st->places[i].handle);
        if (handle != 0 && page_at(st->slab, handle_offset(handle)) == page)
            move_chunk(w, handle, i);
    }
}

static void
drain_some(struct worker *w)
{
    struct slab *s = w->stress->slab;
    uint32_t page, i;
    unsigned cls;

    for (i = 0; i < N_PAGES_MOVED; i++) {
        page = slab_drain_pending(s);
        if (page == PAGE_NONE) {
            cls = slab_drain_candidate(s);
            if (cls == UINT32_MAX)
                return;
            page = slab_drain_begin(s, cls);
        }
        if (page == PAGE_NONE)
            return;
        move_page(w, page);
        if (slab_drain_end(s, page))
            atomic_fetch_add(&w->stress->n_drained, 1);
        slab_thread_poll(w->t);
    }
}

static void
look_around(struct worker *w)
{
    struct slab *s = w->stress->slab;
    struct slab_run run;
    uint32_t ids[32], j;
    unsigned i;

    for (i = 0; i < 200; i++) {
        if (slab_sample(s, test_random(&w->random), 16, &run)) {
            ASSERT(run.n > 0 && run.n <= 16);
            for (j = 0; j < run.n; j++) {
                (void)slab_run_stamp(&run, j);
                (void)slab_run_state(&run, j);
#ifndef ASHLAR_SEQLOCK_LOCKED /* then nobody reads chunks without a lock */
                (void)LOAD(&chunk_words(s, run.handle + j * run.step)[0]);
#endif
            }
        }
        (void)slab_sample_class(
            s, i % slab_n_classes(s), test_random(&w->random), 16, &run);
        ASSERT(extent_sample(s, test_random(&w->random), 32, ids) <= 32);
        if (slab_page_limit(s) > 0)
            (void)slab_page_run(s,
                (uint32_t)(test_random(&w->random) % slab_page_limit(s)), &run);
    }
}

static void *
run_maintenance(void *arg)
{
    struct worker *w = arg;
    struct slab *s = w->stress->slab;
    uint64_t i;

    for (i = 0; atomic_load(&w->stress->n_running) > 0; i++) {
        drain_some(w);
        look_around(w);
        if (i % 4 == 0)
            slab_trim(s, 1 * MIB, 10);
        (void)test_stats(s);
        clock_refresh();
    }
    slab_thread_free(w->t);
    return NULL;
}

/* ---- the whole ----------------------------------------------------------- */

static void
free_rest(struct stress *st)
{
    struct worker w = {.stress = st, .t = slab_thread_new(st->slab)};
    uint32_t i;

    w.random = 3;
    for (i = 0; i < st->n_workers * N_OWN; i++)
        if (st->places[i].handle != 0)
            free_chunk(&w, st->places[i].handle);
    for (i = 0; i < N_EXCHANGE; i++) {
        if (st->chunk_exchange[i] != 0)
            free_chunk(&w, st->chunk_exchange[i]);
        if (st->extent_exchange[i] != 0)
            extent_unpin(st->slab, st->extent_exchange[i]);
    }
    slab_thread_free(w.t);
}

/* Depots hold free chunks as long as nothing drains; empty them as a drain
 * would. */
static void
empty_depots(struct slab *s)
{
    unsigned i;

    for (i = 0; i < s->n_classes; i++)
        ASSERT(slab_drain_begin(s, i) == PAGE_NONE);
}

static void
finish_drains(struct slab *s)
{
    uint32_t page;

    while ((page = slab_drain_pending(s)) != PAGE_NONE)
        ck_assert(slab_drain_end(s, page));
}

static void
check_books(struct slab *s, size_t base)
{
    struct slab_stats st;

    while (slab_trim(s, 0, 0) > 0)
        continue;
    st = test_stats(s);
    ck_assert_uint_eq(st.chunk_live_bytes, 0);
    ck_assert_uint_eq(st.chunk_free_bytes, 0);
    ck_assert_uint_eq(st.magazine_bytes, 0);
    ck_assert_uint_eq(st.page_mark_bytes, 0);
    ck_assert_uint_eq(st.used, slab_used(s));
    ck_assert_uint_eq(st.page_bytes, 0);
    ck_assert_uint_eq(st.page_free_bytes, 0);
    ck_assert_uint_eq(st.extents_live, 0);
    ck_assert_uint_eq(st.extent_live_bytes, 0);
    ck_assert_uint_eq(st.extent_warm_bytes, 0);
    ck_assert_uint_eq(st.other_bytes, 0);
    ck_assert_uint_eq(st.used - st.table_bytes, base);
    space_check(&s->extents);
    ck_assert_uint_eq(s->extents.top, 0);
}

static void
run_stress(unsigned n_workers, enum slab_backing backing, size_t limit_bytes,
    uint64_t n_rounds)
{
    struct stress st = {
        .slab = test_slab(limit_bytes, backing),
        .n_workers = n_workers,
        .places = xcalloc(n_workers * N_OWN, sizeof(struct place)),
        .n_running = n_workers,
    };
    size_t base = test_stats(st.slab).used - test_stats(st.slab).table_bytes;
    struct worker *w = xcalloc(n_workers + 1, sizeof *w);
    unsigned i;

    for (i = 0; i <= n_workers; i++) {
        w[i] = (struct worker){
            .stress = &st,
            .t = slab_thread_new(st.slab),
            .number = i,
            .random = 0x9e3779b97f4a7c15u * (i + 1),
            .rounds = n_rounds,
        };
        ck_assert_int_eq(
            pthread_create(&w[i].thread, NULL,
                i < n_workers ? run_worker : run_maintenance, &w[i]),
            0);
    }
    for (i = 0; i <= n_workers; i++)
        pthread_join(w[i].thread, NULL);
    free_rest(&st);
    finish_drains(st.slab);
    empty_depots(st.slab);
    check_books(st.slab, base);
    /* It has done what it is for. */
    ck_assert_uint_gt(st.n_allocs, n_rounds);
    if (n_rounds >= LONG_RUN) {
        ck_assert_uint_gt(st.n_drained, 0);
        ck_assert_uint_gt(st.n_moves, 0);
        ck_assert_uint_gt(st.n_pins, 0);
        ck_assert_uint_gt(st.n_hits, 0);
        ck_assert_uint_gt(st.n_failures, 0);
    }
    slab_free(st.slab);
    free(st.places);
    free(w);
}

START_TEST(two_threads_on_a_memory_file)
{
    run_stress(2, SLAB_MEMFD, 6 * MIB, rounds(120000));
}
END_TEST

START_TEST(eight_threads_on_a_memory_file)
{
    run_stress(8, SLAB_MEMFD, 20 * MIB, rounds(30000));
}
END_TEST

START_TEST(two_threads_on_anonymous_memory)
{
    run_stress(2, SLAB_ANONYMOUS, 6 * MIB, rounds(120000));
}
END_TEST

START_TEST(eight_threads_on_anonymous_memory)
{
    run_stress(8, SLAB_ANONYMOUS, 20 * MIB, rounds(30000));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        two_threads_on_a_memory_file,
        eight_threads_on_a_memory_file,
        two_threads_on_anonymous_memory,
        eight_threads_on_anonymous_memory,
    };

    return test_run("slab/stress", tests, ARRAY_LEN(tests));
}
