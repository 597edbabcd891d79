/* SPDX-License-Identifier: BSD-3-Clause */
/* room_test.c - how much one writer does for the memory it needs, and that
 * growth of the index keeps to the limit. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define LIMIT (64 * MIB)
/* Of items, that one writer evicts or moves at most: a step, and a page of the
 * smallest ones where its class has no page yet. */
#define MOST_ITEMS (192 + 64 + 512)

static struct fixture f;

static void
open_ks(void)
{
    fixture_open(&f, LIMIT);
}

static void
close_ks(void)
{
    fixture_close(&f);
}

static void
fill(const char *prefix, unsigned n, size_t len)
{
    static const char value[1024];
    char name[64];
    struct ks_key key;

    snprintf(name, sizeof(name), "%s:%u", prefix, n);
    key = key_of(&f, name);
    must(ks_set(f.t, &key, (struct str){value, len}, KS_NO_EXPIRY) == KS_OK);
}

static uint64_t
n_handled(void)
{
    return f.t->metrics.evicted + f.t->metrics.moves;
}

/* What is charged above the limit: a page of the tables now and then. */
static void
assert_within_limit(void)
{
    must(slab_used(f.slab) <= LIMIT + LIMIT / 512);
}

/* Keys with such values until the first one is evicted. */
static void
fill_with(const char *prefix, size_t lo, size_t n_lens)
{
    for (unsigned n = 0; f.t->metrics.evicted == 0; n++)
        fill(prefix, n, lo + n % n_lens);
}

/* The most that a writer evicts and moves, of values of sixty classes. */
static uint64_t
most_for_writes(unsigned n_writes)
{
    uint64_t most = 0;

    for (unsigned n = 0; n < n_writes; n++) {
        uint64_t before = n_handled();

        fill("k", n, 20 + n * 37 % 980);
        most = MAX(most, n_handled() - before);
    }
    return most;
}

/* Most classes have no page yet. Then others, such as the buffers of clients,
 * take more than there is room for. */
START_TEST(a_writer_does_a_bounded_part)
{
    fill_with("tiny", 24, 8);
    ck_assert_uint_le(most_for_writes(5000), MOST_ITEMS);
    assert_within_limit();
    slab_charge_force(f.slab, 4 * MIB);
    ck_assert_uint_le(most_for_writes(5000), MOST_ITEMS);
    for (unsigned i = 0; i < 10000 && ks_maintain(f.t) != KS_NO_MORE; i++)
        continue;
    ck_assert_uint_le(slab_used(f.slab), LIMIT);
    slab_uncharge(f.slab, 4 * MIB);
}
END_TEST

/* As if making room had taken all of the time that a turn has for it. */
static void
spend_turn(void)
{
    ks_thread_poll(f.t);
    f.t->room.spent_ns = UINT64_MAX / 2;
}

/* What comes late in a turn takes the place of items of its own class. */
START_TEST(a_writer_does_little_when_its_turn_is_spent)
{
    fill_with("tiny", 24, 8);
    (void)most_for_writes(5000);
    spend_turn();
    ck_assert_uint_le(most_for_writes(20000), 4);
    assert_within_limit();
    ks_thread_poll(f.t);
    ck_assert_uint_eq(f.t->room.spent_ns, 0);
}
END_TEST

/* To empty a page of tiny items for it would be hundreds of evictions. */
START_TEST(a_size_without_items_takes_a_larger_chunk_in_a_spent_turn)
{
    uint64_t before;

    fill_with("tiny", 24, 8);
    fill("large", 0, 420);
    spend_turn();
    while (slab_charge(f.slab, 64))
        continue;
    before = n_handled();
    fill("late", 0, 380);
    ck_assert_uint_le(n_handled() - before, 1);
    assert_within_limit();
}
END_TEST

/* There are more and more of them, the smaller they are. With 400 bytes each the
 * index is well between two of its sizes. */
START_TEST(the_index_grows_within_the_limit)
{
    size_t first;

    fill_with("large", 400, 1);
    first = f.ks->index.touched_bytes;
    for (unsigned n = 0; n < 250000; n++) {
        fill("tiny", n, 1);
        assert_within_limit();
    }
    ck_assert_uint_ge(f.ks->index.touched_bytes, 2 * first);
}
END_TEST

/* Of values of many sizes, until they are refused; returns how many. */
static unsigned
fill_up(void)
{
    static const char value[400];
    char name[64];

    f.options.maxmemory_policy = KS_NOEVICTION;
    for (unsigned n = 0;; n++) {
        struct ks_key key;

        snprintf(name, sizeof(name), "k:%u", n);
        key = key_of(&f, name);
        if (ks_set(f.t, &key, (struct str){value, 20 + n * 37 % 380},
                KS_NO_EXPIRY) != KS_OK)
            return n;
    }
}

static void
expire_later(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    uint64_t *expire_ms = ctx;

    must(old->exists);
    new->action = KS_EXPIRE;
    new->expire_ms = *expire_ms;
}

static void
set_deadlines(unsigned n_keys, uint64_t expire_ms, size_t most)
{
    for (unsigned n = 0; n < n_keys; n++) {
        struct ks_key key;
        char name[64];

        snprintf(name, sizeof(name), "k:%u", n);
        key = key_of(&f, name);
        must(ks_update(f.t, &key, expire_later, &expire_ms) == KS_OK);
        must(slab_used(f.slab) <= most);
    }
}

/* A deadline makes an item larger. All in all they take 4 bytes each, and some
 * pages that are not full. */
START_TEST(deadlines_are_put_and_taken_above_the_limit)
{
    unsigned n = fill_up();
    uint64_t failures = f.t->metrics.eviction_failures;
    size_t before = slab_used(f.slab);

    slab_set_limit(f.slab, LIMIT / 2);
    set_deadlines(n, clock_wall_ms() + 1000000, before + LIMIT / 8);
    set_deadlines(n, KS_NO_EXPIRY, before + LIMIT / 8);
    ck_assert_uint_eq(f.t->metrics.eviction_failures, failures);
    for (unsigned i = 0; i < 10000 && ks_maintain(f.t) != KS_NO_MORE; i++)
        continue;
    ck_assert_uint_le(slab_used(f.slab), before + MIB);
}
END_TEST

START_TEST(versions_are_refused_above_the_limit)
{
    unsigned n_keys = fill_up(), n = 0;
    size_t before;
    struct ks_key key;
    char name[64];

    slab_set_limit(f.slab, LIMIT / 2);
    before = slab_used(f.slab);
    do {
        snprintf(name, sizeof(name), "k:%u", n);
        key = key_of(&f, name);
    } while (ks_give_version(f.t, &key) == KS_OK && ++n < n_keys);
    ck_assert_uint_lt(n, n_keys);
    ck_assert_uint_le(slab_used(f.slab), before);
}
END_TEST

/* A page that is full of items; its first one and how many they are. */
static struct slab_run
full_page(void)
{
    struct slab_run run;
    uint32_t live = 0;

    for (uint32_t page = 1; page < slab_page_limit(f.slab); page++) {
        if (!slab_page_run(f.slab, page, &run))
            continue;
        for (live = 0; live < run.n; live++)
            if (slab_run_state(&run, live) == SLAB_MARK_FREE)
                break;
        if (live == run.n)
            return run;
    }
    ck_abort_msg("no page is full");
}

/* A thread that notes a hit has lost its processor: the page that it holds is
 * free and cannot be given back, so it is room for nobody. */
START_TEST(an_extent_is_not_refused_for_a_page_that_is_held)
{
    struct ks_thread *other = ks_thread_new(f.ks);
    struct slab_run run;
    struct slab_mark mark;
    uint64_t evicted;
    uint32_t extent;

    fill_with("k", 1000, 1);
    run = full_page();
    mark = slab_mark(f.slab, run.handle);
    must(slab_mark_hold(other->slab_thread, &mark));
    while (slab_charge(f.slab, 4 * KIB))
        continue;
    for (uint32_t i = 0; i < run.n; i++)
        must(remove_chunk(f.t, run.handle + i * run.step, REMOVE_EVICT));
    ck_assert_uint_ge(slab_headroom(f.slab), 8 * KIB);

    evicted = f.t->metrics.evicted;
    extent = extent_new(f.slab, 8 * KIB);
    ck_assert(ks_commit_extent(f.t, extent, 8 * KIB));
    ck_assert_uint_le(f.t->metrics.evicted - evicted, 200);
    extent_unpin(f.slab, extent);
    slab_mark_drop(other->slab_thread);
    ks_thread_free(other);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("room");
    TCase *c = tcase_create("writers");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 300);
    tcase_add_test(c, a_writer_does_a_bounded_part);
    tcase_add_test(c, a_writer_does_little_when_its_turn_is_spent);
    tcase_add_test(
        c, a_size_without_items_takes_a_larger_chunk_in_a_spent_turn);
    tcase_add_test(c, the_index_grows_within_the_limit);
    tcase_add_test(c, deadlines_are_put_and_taken_above_the_limit);
    tcase_add_test(c, versions_are_refused_above_the_limit);
    tcase_add_test(c, an_extent_is_not_refused_for_a_page_that_is_held);
    suite_add_tcase(s, c);
    return run_suite(s);
}
