/* SPDX-License-Identifier: BSD-3-Clause */
/* index_test.c - lines, probing, growth in place, cursors. */
#include "keyspace/probe.h"
#include "keyspace/testing.h"

static struct fixture f;

/* The two ways to lay it out: 4 KiB pages, and huge ones for large limits. */
static void
open_index(void)
{
    fixture_open(&f, 256 * MIB);
    ck_assert(!f.ks->index.huge);
}

static void
open_huge_index(void)
{
    fixture_open(&f, 1 * GIB);
    ck_assert(f.ks->index.huge);
}

static void
close_index(void)
{
    fixture_close(&f);
}

static void
set_number(unsigned n)
{
    char name[32], value[32];

    snprintf(name, sizeof(name), "key:%u", n);
    snprintf(value, sizeof(value), "value-%u", n * 7);
    set(&f, name, value);
}

static void
assert_number(unsigned n, bool there)
{
    char name[32], value[32];

    snprintf(name, sizeof(name), "key:%u", n);
    snprintf(value, sizeof(value), "value-%u", n * 7);
    assert_value(&f, name, there ? value : NULL);
}

START_TEST(every_key_is_found_while_the_index_grows)
{
    /* more than what is there at the start */
    const unsigned N = f.ks->index.huge ? 400000 : 100000;
    struct ks_memory before, after;

    ks_memory(f.ks, &before);
    for (unsigned n = 0; n < N; n++) {
        set_number(n);
        assert_number(n, true);
        assert_number((unsigned)rand() % (n + 1), true);
        assert_number(N + n, false);
    }
    for (unsigned n = 0; n < N; n++)
        assert_number(n, true);
    ks_memory(f.ks, &after);
    ck_assert_uint_gt(after.index_lines, before.index_lines);
    ck_assert_uint_eq(after.items, N);
    /* load between 0.69 (just grown) and 0.87, pages rounded up */
    ck_assert_uint_le(after.index_bytes, N * 9 + N_PARTITIONS * 4096);
}
END_TEST

START_TEST(deleted_keys_are_gone_and_their_slots_are_used_again)
{
    struct ks_memory filled, again;

    for (unsigned n = 0; n < 50000; n++)
        set_number(n);
    ks_memory(f.ks, &filled);
    for (unsigned n = 0; n < 50000; n += 2) {
        char name[32];
        struct ks_key key;

        snprintf(name, sizeof(name), "key:%u", n);
        key = key_of(&f, name);
        ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
        ck_assert_int_eq(ks_delete(f.t, &key), KS_MISS);
    }
    for (unsigned n = 0; n < 50000; n++)
        assert_number(n, n % 2 == 1);
    for (unsigned n = 0; n < 50000; n += 2)
        set_number(n);
    ks_memory(f.ks, &again);
    ck_assert_uint_eq(filled.index_bytes, again.index_bytes);
}
END_TEST

static void
delete_number(unsigned n)
{
    char name[32];
    struct ks_key key;

    snprintf(name, sizeof(name), "key:%u", n);
    key = key_of(&f, name);
    if (ks_delete(f.t, &key) != KS_OK)
        ck_abort_msg("%s is missing", name);
}

/* How far from home the item of a number is, and where its home is. */
static unsigned
distance_of(unsigned n, struct index_line **home)
{
    struct index *ix = &f.ks->index;
    const struct partition *p;
    struct index_place place = {0};
    struct index_line *line;
    unsigned distance = 0;
    struct ks_key key;
    char name[32];

    snprintf(name, sizeof(name), "key:%u", n);
    key = key_of(&f, name);
    p = &ix->partition[index_partition(key.hash)];
    *home = line = partition_line(p, home_line(p, key.hash));
    if (index_find(ix, &key, &place) == 0)
        ck_abort_msg("%s is missing", name);
    for (; line != place.line; line = next_line(line))
        distance++;
    return distance;
}

/* Look-ups go as far as to the farthest item of each line, and no farther.
 * Returns how many lines have such items. */
static unsigned
assert_ways_are_needed(unsigned from, unsigned to)
{
    const struct index *ix = &f.ks->index;
    size_t n_lines = ix->touched_bytes / CACHE_LINE;
    const struct index_line *line = (const void *)ix->map;
    uint8_t *farthest = xcalloc(n_lines, 1);
    unsigned n_far = 0;

    for (unsigned n = from; n < to; n++) {
        struct index_line *home;
        unsigned distance = distance_of(n, &home);
        uint8_t *far = &farthest[home - line];

        *far = (uint8_t)MAX(*far, distance);
    }
    for (size_t i = 0; i < n_lines; i++) {
        if (line[i].overflow != farthest[i])
            ck_abort_msg("line %zu: %u lines to go, and needed %u", i,
                line[i].overflow, farthest[i]);
        n_far += farthest[i] > 0;
    }
    free(farthest);
    return n_far;
}

START_TEST(a_way_ends_where_the_last_item_is)
{
    const unsigned N = f.ks->index.huge ? 400000 : 60000;
    unsigned from = 0, to = 0;

    while (to < N)
        set_number(to++);
    while (from < 3 * N) {
        delete_number(from++);
        set_number(to++);
    }
    ck_assert_uint_gt(assert_ways_are_needed(from, to), 0);
    while (from < to)
        delete_number(from++);
    ck_assert_uint_eq(assert_ways_are_needed(from, to), 0);
}
END_TEST

/* Keys of one partition only: 256 times the share of a partition. */
START_TEST(a_skewed_partition_grows_alone)
{
    unsigned made = 0;

    for (unsigned n = 0; made < 5000; n++) {
        char name[32];
        struct ks_key key;

        snprintf(name, sizeof(name), "key:%u", n);
        key = key_of(&f, name);
        if (index_partition(key.hash) != 9)
            continue;
        set_number(n);
        made++;
    }
    for (unsigned n = 0; made > 0; n++) {
        char name[32];
        struct ks_key key;

        snprintf(name, sizeof(name), "key:%u", n);
        key = key_of(&f, name);
        if (index_partition(key.hash) != 9)
            continue;
        assert_number(n, true);
        made--;
    }
}
END_TEST

/* ---- cursors ------------------------------------------------------------- */

struct visits {
    uint8_t *times;
    unsigned limit, others;
};

static bool
visit(void *ctx, struct str name, const struct ks_info *info)
{
    struct visits *v = ctx;
    char digits[16] = "";
    unsigned n;

    ck_assert_uint_lt(name.len - 4, sizeof(digits));
    memcpy(digits, name.p + 4, name.len - 4);
    n = (unsigned)strtoul(digits, NULL, 10);

    ck_assert_uint_gt(info->memory_bytes, 0);
    if (n < v->limit)
        v->times[n]++;
    else
        v->others++;
    return true;
}

START_TEST(a_walk_meets_every_key_once_while_the_index_grows)
{
    enum { N = 30000 };
    struct visits v = {xcalloc(N, 1), N, 0};
    unsigned added = N, steps = 0;
    uint64_t cursor = 0;

    for (unsigned n = 0; n < N; n++)
        set_number(n);
    do {
        cursor = ks_scan(f.t, 0, cursor, 10, visit, &v);
        ck_assert_uint_lt(cursor, (uint64_t)1 << 53);
        for (unsigned i = 0; i < 60; i++)
            set_number(added++);
        steps++;
    } while (cursor != 0);
    ck_assert_uint_gt(steps, 100);
    ck_assert_uint_gt(added, 3 * N);
    for (unsigned n = 0; n < N; n++)
        ck_assert_msg(v.times[n] == 1, "key %u visited %u times", n,
            v.times[n]);
    free(v.times);
}
END_TEST

START_TEST(a_walk_keeps_to_its_database)
{
    struct visits v = {xcalloc(100, 1), 100, 0};
    uint64_t cursor = 0;

    for (unsigned n = 0; n < 100; n++) {
        char name[32];
        struct ks_key key;

        snprintf(name, sizeof(name), "key:%u", n);
        key = ks_key(f.ks, n % 4, str_of(name));
        ck_assert_int_eq(ks_set(f.t, &key, STR("x"), KS_NO_EXPIRY), KS_OK);
    }
    do
        cursor = ks_scan(f.t, 3, cursor, 7, visit, &v);
    while (cursor != 0);
    for (unsigned n = 0; n < 100; n++)
        ck_assert_uint_eq(v.times[n], n % 4 == 3);
    free(v.times);
}
END_TEST

START_TEST(a_random_key_is_one_of_the_database)
{
    struct buf name = {0};
    bool seen[3] = {false};

    ck_assert_int_eq(ks_random(f.t, 0, &name), KS_MISS);
    set_number(0);
    set_number(1);
    set_number(2);
    for (unsigned n = 0; n < 500; n++) {
        ck_assert_int_eq(ks_random(f.t, 0, &name), KS_OK);
        ck_assert_uint_eq(name.len, 5);
        ck_assert(name.p[4] >= '0' && name.p[4] <= '2');
        seen[name.p[4] - '0'] = true;
    }
    ck_assert(seen[0] && seen[1] && seen[2]);
    ck_assert_int_eq(ks_random(f.t, 1, &name), KS_MISS);
    buf_free(&name);
}
END_TEST

START_TEST(partitions_grow_together_into_what_is_resident)
{
    /* 1328 keys a partition: with 124 lines the first is full, which all are
     * told at their next insertion, when there are 1190 or so */
    const unsigned n_keys = 340000;
    uint32_t lines;

    for (unsigned n = 0; n < n_keys; n++)
        set_number(n);
    for (unsigned n = 0; n < n_keys; n++)
        assert_number(n, true);
    lines = f.ks->index.partition[0].n_new;
    for (unsigned i = 0; i < N_PARTITIONS; i++)
        ck_assert_uint_eq(f.ks->index.partition[i].n_new, lines);
    ck_assert_uint_eq(f.ks->index.touched_bytes % (2 * MIB), 0);
    while (index_populate(&f.ks->index))
        continue;
    ck_assert_uint_eq(f.ks->index.populated, f.ks->index.touched_bytes);
}
END_TEST

static size_t
index_charged(void)
{
    struct slab_stats stats;

    slab_stats(f.slab, &stats);
    return stats.account_bytes[SLAB_INDEX];
}

START_TEST(growth_finds_its_range_touched_and_charged_ahead)
{
    struct index *ix = &f.ks->index;
    size_t first = ix->touched_bytes, charged;
    unsigned n = 0;

    ck_assert(!index_populate(ix)); /* nothing is to grow soon */
    ck_assert_uint_eq(ix->populated, first);
    do {
        for (unsigned i = 0; i < 1000; i++)
            set_number(n++);
        ck_assert_uint_eq(ix->touched_bytes, ix->populated);
        charged = index_charged();
        ck_assert_uint_eq(charged, ix->touched_bytes);
        ix->look_at_us = 0;
        while (index_populate(ix))
            continue;
    } while (ix->populated == first && n < 1000000);
    ck_assert_uint_gt(ix->populated, first);
    ck_assert_uint_eq(ix->touched_bytes, ix->populated);
    charged = index_charged();
    ck_assert_uint_eq(charged, ix->populated);
    ck_assert_uint_lt(n, first / CACHE_LINE * LINE_SLOTS * 87 / 100);
    for (unsigned i = 0; i < n; i++)
        assert_number(i, true);
}
END_TEST

/* Nobody has looked whether they will be needed. A partition is not to be more
 * than 93 % full, and grows by small pages then. */
START_TEST(growth_waits_for_its_range_to_be_touched)
{
    struct index *ix = &f.ks->index;
    size_t first = ix->touched_bytes;
    unsigned n = 0;

    while (ix->asked_bytes == 0 && n < 1000000)
        set_number(n++);
    ck_assert_uint_eq(ix->touched_bytes, first);
    ck_assert_uint_eq(ix->populated, first);
    while (index_populate(ix))
        continue;
    ck_assert_uint_eq(ix->populated, ix->asked_bytes);
    ck_assert_uint_eq(ix->touched_bytes, ix->populated);

    while (ix->asked_bytes == first && n < 1000000)
        set_number(n++);
    first = ix->touched_bytes;
    while (ix->touched_bytes == first && n < 1000000)
        set_number(n++);
    ck_assert_uint_lt(ix->populated, ix->touched_bytes);
    for (unsigned i = 0; i < n; i++)
        assert_number(i, true);
}
END_TEST

START_TEST(the_lines_of_partitions_are_apart)
{
    struct index *ix = &f.ks->index;
    uint32_t max = 3 * BLOCK_LINES;
    uint8_t *seen = xcalloc(max * N_PARTITIONS, 1);

    for (unsigned p = 0; p < N_PARTITIONS; p++)
        for (uint32_t i = 0; i < max; i++) {
            struct index_line *line = partition_line(&ix->partition[p], i);
            size_t at = (size_t)((char *)line - ix->map) / CACHE_LINE;

            ck_assert_uint_lt(at, max * N_PARTITIONS);
            ck_assert_uint_eq(seen[at]++, 0);
            ck_assert_ptr_eq(next_line(line),
                partition_line(&ix->partition[p], i + 1));
        }
    free(seen);
}
END_TEST

static TCase *
make_case(const char *name, void (*open)(void))
{
    TCase *c = tcase_create(name);

    tcase_add_checked_fixture(c, open, close_index);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, every_key_is_found_while_the_index_grows);
    tcase_add_test(c, deleted_keys_are_gone_and_their_slots_are_used_again);
    tcase_add_test(c, a_way_ends_where_the_last_item_is);
    tcase_add_test(c, a_skewed_partition_grows_alone);
    tcase_add_test(c, a_walk_meets_every_key_once_while_the_index_grows);
    tcase_add_test(c, a_walk_keeps_to_its_database);
    tcase_add_test(c, a_random_key_is_one_of_the_database);
    tcase_add_test(c, the_lines_of_partitions_are_apart);
    return c;
}

int
main(void)
{
    Suite *s = suite_create("index");
    TCase *huge = make_case("huge", open_huge_index);

    tcase_add_test(huge, partitions_grow_together_into_what_is_resident);
    tcase_add_test(huge, growth_finds_its_range_touched_and_charged_ahead);
    tcase_add_test(huge, growth_waits_for_its_range_to_be_touched);
    suite_add_tcase(s, make_case("small", open_index));
    suite_add_tcase(s, huge);
    return run_suite(s);
}
