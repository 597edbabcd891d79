/* SPDX-License-Identifier: BSD-3-Clause */
/* ghost_test.c - keys that return after their eviction begin with their
 * history; what that takes follows the number of items, and is none while
 * nothing is evicted.
 */
#include "keyspace/density.h"
#include "keyspace/stress.h"

#include <sys/mman.h>

#define LIMIT (8 * MIB)
#define VALUE 400
#define N_FILL 25000 /* more than the limit holds */

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

static struct ks_key
numbered(char *name, size_t size, const char *prefix, unsigned n)
{
    snprintf(name, size, "%s:%u", prefix, n);
    return key_of(&f, name);
}

static enum ks_status
put(const char *prefix, unsigned n)
{
    static char value[VALUE];
    char name[64];
    struct ks_key key = numbered(name, sizeof(name), prefix, n);

    return ks_set(f.t, &key, (struct str){value, VALUE}, KS_NO_EXPIRY);
}

static void
fill(const char *prefix, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        must(put(prefix, i) == KS_OK);
        if (i % 256 == 0)
            (void)ks_maintain(f.t);
    }
}

/* Hits of a key; -1 when it is not there. Reading it is none. */
static int
frequency(const char *prefix, unsigned n)
{
    char name[64];
    struct ks_key key = numbered(name, sizeof(name), prefix, n);
    struct ks_info info;

    return ks_stat(f.t, &key, KS_PEEK, &info) == KS_OK ? info.frequency : -1;
}

static void
hit(const char *prefix, unsigned n)
{
    char name[64];
    struct ks_key key = numbered(name, sizeof(name), prefix, n);
    struct ks_info info;

    must(ks_stat(f.t, &key, KS_READ, &info) == KS_OK);
}

/* A new key, and not one in 100 that is taken for another; returns its
 * number. */
static unsigned
put_new(const char *prefix, unsigned n)
{
    do
        must(put(prefix, ++n) == KS_OK);
    while (frequency(prefix, n) > 0);
    return n;
}

/* As if memory had been short, and this key the worst. */
static void
evict(const char *prefix, unsigned n)
{
    char name[64];
    struct ks_key key = numbered(name, sizeof(name), prefix, n);
    struct index_place place;
    uint32_t handle = index_find(&f.ks->index, &key, &place);

    must(handle != 0 && remove_chunk(f.t, handle, REMOVE_EVICT));
    must(frequency(prefix, n) == -1);
}

static size_t
charged(void)
{
    struct slab_stats s;

    slab_stats(f.slab, &s);
    ck_assert_uint_eq(
        s.account_bytes[SLAB_GHOSTS], f.ks->ghosts.touched_bytes);
    ck_assert_uint_le(ghosts_bytes(&f.ks->ghosts), f.ks->ghosts.touched_bytes);
    return s.account_bytes[SLAB_GHOSTS];
}

/* What the rest of a flush and a changed limit leave to be done. */
static void
maintain(void)
{
    for (int i = 0; i < 10000 && ks_maintain(f.t); i++)
        ;
}

/* Accesses go by, so that ranks are made and items are counted. */
static void
idle_accesses(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[64];
        struct ks_key key = numbered(name, sizeof(name), "absent", i);
        struct ks_info info;

        must(ks_stat(f.t, &key, KS_READ, &info) == KS_MISS);
        if (i % 256 == 0)
            (void)ks_maintain(f.t);
    }
}

START_TEST(a_word_remembers_the_five_keys_that_went_last)
{
    struct ghosts *g = &f.ks->ghosts;
    unsigned count;

    fill("k", N_FILL);
    ck_assert_uint_gt(ghosts_bytes(g), 0);
    for (uint64_t i = 1; i <= 6; i++) /* of one word */
        ghost_put(g, i << 40 | 3, (unsigned)i);
    ck_assert(!ghost_take(g, (uint64_t)1 << 40 | 3, &count));
    for (uint64_t i = 2; i <= 6; i++) {
        ck_assert(ghost_take(g, i << 40 | 3, &count));
        ck_assert_uint_eq(count, i);
        ck_assert(!ghost_take(g, i << 40 | 3, &count)); /* only once */
    }
    ck_assert(!ghost_take(g, (uint64_t)7 << 40 | 3, &count));
}
END_TEST

START_TEST(a_hash_of_zeros_is_remembered_too)
{
    struct ghosts *g = &f.ks->ghosts;
    unsigned count = 9;

    fill("k", N_FILL);
    for (unsigned i = 0; i < 5; i++) /* nothing of the filling is left */
        ghost_put(g, (uint64_t)2 << 40, 1);
    for (unsigned i = 0; i < 5; i++)
        ck_assert(ghost_take(g, (uint64_t)2 << 40, &count));
    ck_assert(!ghost_take(g, 0, &count)); /* nor is it in an empty word */
    ghost_put(g, 0, 0);
    ck_assert(ghost_take(g, 0, &count));
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(a_key_that_returns_has_its_history)
{
    unsigned key = 0;

    fill("k", N_FILL);
    for (int hits = 0; hits <= 7; hits++) {
        key = put_new("was", key);
        for (int n = 0; n < hits; n++)
            hit("was", key);
        ck_assert_int_eq(frequency("was", key), MIN(hits, 7));
        evict("was", key);
        must(put("was", key) == KS_OK);
        ck_assert_int_eq(frequency("was", key), MIN(hits + 1, 7));
    }
}
END_TEST

START_TEST(a_key_that_was_deleted_or_was_never_there_has_none)
{
    unsigned strangers = 0;

    fill("k", N_FILL);
    for (unsigned n = 0; n < 4000; n++) {
        char name[64];
        struct ks_key key = numbered(name, sizeof(name), "new", n);

        must(put("new", n) == KS_OK);
        strangers += frequency("new", n) > 0;
        hit("new", n);
        must(ks_delete(f.t, &key) == KS_OK);
        must(put("new", n) == KS_OK);
        strangers += frequency("new", n) > 0;
    }
    /* 5 prints of 511 each time: 78 of them, less what strangers took */
    ck_assert_uint_le(strangers, 150);
}
END_TEST

START_TEST(a_frequency_that_is_set_stands)
{
    char name[64];
    struct ks_key key;
    unsigned n;

    fill("k", N_FILL);
    n = put_new("was", 0);
    key = numbered(name, sizeof(name), "was", n);
    hit("was", n);
    hit("was", n);
    evict("was", n);
    must(put("was", n) == KS_OK);
    ck_assert_int_eq(frequency("was", n), 3);
    ck_assert_int_eq(ks_set_history(f.t, &key,
                         &(struct ks_history){.idle_s = -1, .frequency = 0}),
        KS_OK);
    ck_assert_int_eq(frequency("was", n), 0);
}
END_TEST

/* Half a byte for each item to one and a third. */
static void
assert_fits(void)
{
    size_t items = tick_items(f.ks);

    maintain();
    ck_assert_uint_eq(charged(), ghosts_bytes(&f.ks->ghosts));
    ck_assert_uint_ge(charged(), items / 2);
    ck_assert_uint_le(charged(), items + items / 3);
}

START_TEST(memory_follows_the_number_of_items)
{
    size_t bytes;
    unsigned n;

    ck_assert_uint_eq(charged(), 0);
    fill("k", N_FILL);
    assert_fits();
    bytes = charged();
    slab_set_limit(f.slab, LIMIT / 4);
    maintain();
    fill("l", N_FILL);
    assert_fits();
    ck_assert_uint_lt(charged(), bytes);
    slab_set_limit(f.slab, LIMIT);
    fill("m", N_FILL);
    assert_fits();
    ck_assert_uint_ge(charged(), bytes);
    ck_assert_uint_le(slab_used(f.slab), LIMIT + LIMIT / 512);
    n = put_new("was", 0); /* it still serves */
    evict("was", n);
    must(put("was", n) == KS_OK);
    ck_assert_int_eq(frequency("was", n), 1);
}
END_TEST

/* Before anybody looks a key up there. */
START_TEST(whoever_evicts_meets_no_page_first)
{
    struct ghosts *g = &f.ks->ghosts;
    unsigned char resident[64];
    size_t n;

    for (unsigned i = 0; f.t->metrics.evicted == 0; i++)
        must(put("k", i) == KS_OK);
    ck_assert_uint_eq(charged(), 0);
    for (unsigned i = 0; i < 1000 && ghosts_bytes(g) == 0; i++)
        (void)ks_maintain(f.t); /* room for it first */
    n = ghosts_bytes(g) / (4 * KIB);
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, sizeof(resident));
    must(mincore((void *)g->word, ghosts_bytes(g), resident) == 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(resident[i] & 1, 1);
}
END_TEST

START_TEST(nothing_is_taken_while_nothing_is_evicted)
{
    enum ks_status status = KS_OK;

    fill("few", 4000);
    idle_accesses(40000);
    maintain();
    ck_assert_uint_eq(charged(), 0);
    f.options.maxmemory_policy = KS_NOEVICTION;
    for (unsigned n = 0; status == KS_OK; n++)
        status = put("many", n);
    maintain();
    ck_assert_uint_eq(charged(), 0);
}
END_TEST

START_TEST(all_is_given_back_when_evictions_end)
{
    struct ghosts *g = &f.ks->ghosts;

    fill("k", N_FILL);
    ck_assert_uint_gt(charged(), 0);
    f.options.maxmemory_policy = KS_NOEVICTION;
    maintain();
    ck_assert_uint_eq(charged(), 0);
    f.options.maxmemory_policy = KS_ALLKEYS_LRU;
    fill("k", N_FILL);
    ck_assert_uint_gt(charged(), 0);
    slab_set_limit(f.slab, 2 * LIMIT); /* room for all that comes */
    maintain();
    idle_accesses(16 * (unsigned)tick_items(f.ks) * 7 / 8);
    ck_assert_uint_gt(charged(), 0);
    idle_accesses(16 * (unsigned)tick_items(f.ks) * 2 / 8);
    ck_assert_uint_eq(charged(), 0);
    ck_assert_uint_eq(g->lack_bytes, 0);
}
END_TEST

/* _i: large flushes, then small ones, which delete at once. */
START_TEST(no_value_comes_back_after_a_flush)
{
    f.ks->spaces.few_items = _i == 0 ? 0 : UINT32_MAX;
    fill("k", N_FILL);
    must(put("was", 1) == KS_OK);
    evict("was", 1);
    must(put("ns", 1) == KS_OK);
    evict("ns", 1);
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, str_of("ns:")), KS_OK);
    ck_assert_int_eq(frequency("ns", 1), -1);
    ks_flush(f.t, KS_ALL_DBS);
    maintain();
    for (unsigned n = 0; n < N_FILL; n++)
        must(frequency("k", n) == -1);
    assert_value(&f, "was:1", NULL);
    assert_value(&f, "ns:1", NULL);
    set(&f, "was:1", "another");
    assert_value(&f, "was:1", "another");
}
END_TEST

/* ---- threads ------------------------------------------------------------- */

#define STRESS_KEYS 30000 /* twice what the limit holds */

/* Look-aside: what is read is what was written for that key. */
static void
look_aside(struct stress_worker *w, unsigned i)
{
    uint64_t r = stress_random(w) >> 32;
    uint64_t n = r % (r & 1 << 20 ? STRESS_KEYS : STRESS_KEYS / 16);
    uint64_t value[VALUE / 8] = {n};
    enum ks_status status;
    char name[64];
    struct ks_key key;

    (void)i;
    snprintf(name, sizeof(name), "k:%u", (unsigned)n);
    key = ks_key(w->f->ks, 0, str_of(name));
    if (read_value(w->f, w->t, &key, &w->r)) {
        must(w->r.buf.len == sizeof(value) &&
            memcmp(w->r.buf.p, value, sizeof(value)) == 0);
        w->hits++;
        return;
    }
    status = ks_set(
        w->t, &key, (struct str){(char *)value, sizeof(value)}, KS_NO_EXPIRY);
    must(status == KS_OK || status == KS_NO_MEMORY); /* noeviction */
}

/* The table grows, shrinks and goes while others look things up in it. */
static void
change_limits(struct stress_worker *w, unsigned i)
{
    unsigned step = i % 64;

    slab_set_limit(w->f->slab, step < 32 ? LIMIT : LIMIT / 4);
    __atomic_store_n(&w->f->options.maxmemory_policy,
        step == 63 ? KS_NOEVICTION : KS_ALLKEYS_LRU, __ATOMIC_RELAXED);
    ghosts_fit(w->t);
    __atomic_store_n(
        &w->f->options.maxmemory_policy, KS_ALLKEYS_LRU, __ATOMIC_RELAXED);
    stress_maintain(w, i);
}

START_TEST(threads_share_the_table_while_it_changes)
{
    unsigned n = stress_scaled(10000);
    struct stress_worker workers[] = {
        {.operate = look_aside, .operations = n},
        {.operate = look_aside, .operations = n},
        {.operate = change_limits},
    };

    ck_assert_uint_gt(stress_run(&f, workers, ARRAY_LEN(workers)), 0);
    (void)charged();
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ghost");
    TCase *c = tcase_create("ghost");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 300);
    tcase_add_test(c, a_word_remembers_the_five_keys_that_went_last);
    tcase_add_test(c, a_hash_of_zeros_is_remembered_too);
    tcase_add_test(c, a_key_that_returns_has_its_history);
    tcase_add_test(c, a_key_that_was_deleted_or_was_never_there_has_none);
    tcase_add_test(c, a_frequency_that_is_set_stands);
    tcase_add_test(c, memory_follows_the_number_of_items);
    tcase_add_test(c, whoever_evicts_meets_no_page_first);
    tcase_add_test(c, nothing_is_taken_while_nothing_is_evicted);
    tcase_add_test(c, all_is_given_back_when_evictions_end);
    tcase_add_loop_test(c, no_value_comes_back_after_a_flush, 0, 2);
    tcase_add_test(c, threads_share_the_table_while_it_changes);
    suite_add_tcase(s, c);
    return run_suite(s);
}
