/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace_test.c - which namespace a key belongs to and what is counted. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#include <malloc.h>

#define LIMIT (64 * MIB)

static struct fixture f;

static void
open_with(const char *delimiter, const char *prefixes, int max)
{
    const struct keyspace_options options = {
        .maxmemory_policy = KS_ALLKEYS_LRU, .eviction_weight = 2,
        .large_value_threshold = 16384, .key_interning = 1,
        .namespace_delimiter = (char *)(uintptr_t)delimiter,
        .namespace_prefixes = (char *)(uintptr_t)prefixes,
        .max_namespaces = max};

    fixture_open_with(&f, LIMIT, &options);
    f.ks->spaces.few_items = 0;
}

static void
assert_name(const char *key, const char *want)
{
    struct str name = ks_namespace_of(f.ks, str_of(key));

    ck_assert_msg(str_eq(name, str_of(want)), "%s is of '%.*s', not of '%s'",
        key, (int)name.len, name.p, want);
}

/* The counts of a namespace of database 0; false when it has no entry. */
static bool
counts_of(const char *name, struct ks_namespace *out)
{
    struct ks_namespace *all;
    size_t n = ks_namespaces(f.ks, 0, &all), i;

    for (i = 0; i < n; i++)
        if (str_eq((struct str){all[i].name, all[i].name_len}, str_of(name)) &&
            !all[i].is_other)
            break;
    if (i < n)
        *out = all[i];
    free(all);
    return i < n;
}

static struct ks_namespace
others(void)
{
    struct ks_namespace *all, found = {.name_len = 1};
    size_t n = ks_namespaces(f.ks, 0, &all);

    for (size_t i = 0; i < n; i++)
        if (all[i].is_other)
            found = all[i];
    free(all);
    ck_assert(found.is_other);
    return found;
}

/* A scrape of metrics asks for those of all databases. */
START_TEST(a_list_takes_no_more_room_than_it_needs)
{
    struct ks_namespace *all;
    size_t n;

    open_with(":", "", 1000);
    n = ks_namespaces(f.ks, 1, &all);
    ck_assert_uint_le(n, 2);
    ck_assert_uint_le(malloc_usable_size(all), 3 * sizeof(*all));
    free(all);
    fixture_close(&f);
}
END_TEST

START_TEST(a_namespace_ends_with_the_first_delimiter)
{
    char text[300];

    open_with(":", "", 64);
    assert_name("user:1:x", "user:");
    assert_name("user:", "user:");
    assert_name(":user", ":");
    assert_name("user", "");
    assert_name("", "");
    assert_name("a-very-long-name-of-a-namespace:1",
        "a-very-long-name-of-a-namespace:");
    memset(text, 'a', sizeof(text));
    text[299] = '\0';
    text[127] = ':';
    ck_assert_uint_eq(ks_namespace_of(f.ks, str_of(text)).len, 128);
    text[127] = 'a';
    text[128] = ':';
    ck_assert_uint_eq(ks_namespace_of(f.ks, str_of(text)).len, 0);
    for (size_t at = 0; at < 40; at++)
        for (size_t len = 0; len < 40; len++) {
            char key[41];

            memset(key, ';', sizeof(key)); /* one more than the delimiter */
            key[at] = ':';
            ck_assert_uint_eq(
                ks_namespace_of(f.ks, (struct str){key, len}).len,
                len > at ? at + 1 : 0);
        }
    fixture_close(&f);
}
END_TEST

START_TEST(the_longest_configured_prefix_counts)
{
    open_with("/", "user: user:admin: s", 64);
    assert_name("user:admin:1", "user:admin:");
    assert_name("user:1/2", "user:");
    assert_name("session", "s");
    assert_name("tree/leaf", "tree/");
    assert_name("tree:leaf", "");
    fixture_close(&f);
    open_with("", "", 64);
    assert_name("a:b/c", "");
    fixture_close(&f);
}
END_TEST

START_TEST(configured_prefixes_have_entries_from_the_start)
{
    struct ks_namespace n;

    open_with(":", "a: bb", 16);
    ck_assert(counts_of("a:", &n) && counts_of("bb", &n));
    ck_assert(counts_of("", &n) && !counts_of("c:", &n));
    fixture_close(&f);
}
END_TEST

START_TEST(bad_directives_are_refused)
{
    static const char *const bad[][2] = {{"::", ""}, {":",
        "x234567890123456789012345678901234567890123456789012345678901234567890"
        "123456789012345678901234567890123456789012345678901234567890"}};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct keyspace_options options = {
            .namespace_delimiter = (char *)(uintptr_t)bad[i][0],
            .namespace_prefixes = (char *)(uintptr_t)bad[i][1]};
        struct ks_config cfg = {.n_databases = 1, .options = &options};
        struct slab_config slab = {.limit_bytes = LIMIT};
        struct buf err = {0};

        cfg.slab = slab_new(&slab, &err);
        ck_assert(cfg.slab != NULL);
        hash_seed_random(&cfg.seed);
        ck_assert(ks_new(&cfg, &err) == NULL);
        ck_assert_uint_gt(err.len, 0);
        slab_free(cfg.slab);
        buf_free(&err);
    }
}
END_TEST

START_TEST(what_happens_to_keys_is_counted)
{
    struct ks_namespace n;
    struct ks_key key;
    struct ks_info info;

    open_with(":", "", 64);
    set(&f, "n:1", "value");
    set(&f, "n:1", "longer value");
    set(&f, "n:2", "value");
    assert_value(&f, "n:1", "longer value");
    assert_value(&f, "n:3", NULL);
    assert_value(&f, "unknown:3", NULL); /* a read makes no entry */
    key = key_of(&f, "n:1");
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_eq(n.items, 2);
    ck_assert_uint_eq(n.sets, 3);
    ck_assert_uint_eq(n.hits, 1);
    ck_assert_uint_eq(n.misses, 1);
    ck_assert_uint_eq(n.expires, 0);
    ck_assert_uint_eq(n.bytes, 4 + 3 + 12 + 4 + 3 + 5);
    ck_assert(!counts_of("unknown:", &n));
    ck_assert_uint_eq(others().misses, 1);
    ks_metrics_reset(f.ks);
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_eq(n.sets + n.hits + n.misses, 0);
    ck_assert_uint_eq(n.items, 2);
    fixture_close(&f);
}
END_TEST

START_TEST(expiries_and_dead_bytes_are_counted)
{
    struct ks_namespace n;
    struct ks_key key;
    uint64_t now = clock_wall_ms();

    open_with(":", "", 64);
    key = key_of(&f, "n:1");
    clock_fake(now);
    ck_assert_int_eq(ks_set(f.t, &key, STR("v"), clock_wall_ms() + 1000),
        KS_OK);
    set(&f, "n:2", "v");
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_eq(n.expires, 1);
    clock_fake(now + 2000);
    assert_value(&f, "n:1", NULL);
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_eq(n.expires, 0);
    ck_assert_uint_eq(n.expiries, 1);
    ck_assert_uint_eq(n.items, 1);
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("n:")), KS_OK);
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_eq(n.items + n.bytes, 0);
    ck_assert_uint_eq(n.dead_items, 1);
    ck_assert_uint_eq(n.dead_bytes, 4 + 3 + 1);
    ks_reclaim(f.t);
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_eq(n.dead_items + n.dead_bytes, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(evictions_are_counted)
{
    struct ks_namespace n;
    char name[32], value[1000];

    open_with(":", "", 64);
    slab_set_limit(f.slab, 8 * MIB);
    memset(value, 'v', sizeof(value));
    for (int i = 0; i < 20000; i++) {
        struct ks_key key;

        snprintf(name, sizeof(name), "n:%d", i);
        key = key_of(&f, name);
        ck_assert_int_eq(ks_set(f.t, &key,
            (struct str){value, sizeof(value)}, KS_NO_EXPIRY), KS_OK);
    }
    ck_assert(counts_of("n:", &n));
    ck_assert_uint_gt(n.evictions, 10000);
    ck_assert_uint_eq(n.items + n.evictions, 20000);
    fixture_close(&f);
}
END_TEST

static void
set_numbered(const char *format, int from, int to)
{
    char name[40];

    for (int i = from; i < to; i++) {
        snprintf(name, sizeof(name), format, i);
        set(&f, name, "v");
    }
}

START_TEST(what_finds_no_place_counts_among_the_others)
{
    struct ks_namespace n;

    open_with(":", "", 16);
    set_numbered("n%d:x", 0, 100);
    ck_assert(counts_of("n0:", &n) && counts_of("n15:", &n));
    ck_assert(!counts_of("n16:", &n));
    ck_assert_uint_eq(others().items, 84);
    assert_value(&f, "n50:x", "v");
    ck_assert_uint_eq(others().hits, 1);

    /* a place that becomes free is not given away while others count there */
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("n0:")), KS_OK);
    ks_reclaim(f.t);
    ns_drop_unused(f.t);
    set(&f, "n99:y", "v");
    ck_assert_uint_eq(others().items, 85);
    ks_flush(f.t, 0);
    ks_reclaim(f.t);
    ns_drop_unused(f.t);
    set(&f, "n99:x", "v");
    ck_assert(counts_of("n99:", &n));
    ck_assert_uint_eq(n.items, 1);
    ck_assert_uint_eq(others().items, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(a_namespace_among_the_others_is_flushed_like_any)
{
    struct ks_namespace n;
    struct ks_db_stats s;

    open_with(":", "", 16);
    set_numbered("n%d:x", 0, 100);
    set_numbered("n60:%05d", 0, 300);
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("n60:")), KS_OK);
    assert_value(&f, "n60:00001", NULL);
    assert_value(&f, "n60:x", NULL);
    assert_value(&f, "n61:x", "v");
    set(&f, "n60:x", "new");
    ks_count(f.t);
    ks_db_stats(f.ks, 0, &s);
    ck_assert_uint_eq(s.items, 100);
    ck_assert(counts_of("n60:", &n));
    ck_assert_uint_eq(n.items, 1);
    ck_assert_uint_eq(others().items, 83);
    assert_value(&f, "n60:x", "new");
    /* what was never written has nothing to flush, and gets no entry */
    ck_assert_int_eq(ks_flush_namespace(f.t, 3, STR("none:")), KS_OK);
    ck_assert(!counts_of("none:", &n));
    fixture_close(&f);
}
END_TEST

START_TEST(a_million_prefixes_cost_bounded_memory)
{
    struct ks_namespace *all;
    size_t n;

    open_with(":", "", 64);
    for (int i = 0; i < 1000000; i++) {
        char name[40];
        struct ks_key key;

        snprintf(name, sizeof(name), "%x:%d", i * 2654435761u, i);
        set(&f, name, "v");
        key = key_of(&f, name);
        if (i % 2 == 0)
            must(ks_delete(f.t, &key) == KS_OK);
        if (i % 20000 == 0) { /* looks at every item */
            ck_assert_int_eq(ks_flush_namespace(f.t, 0,
                ks_namespace_of(f.ks, str_of(name))), KS_OK);
            assert_value(&f, name, NULL);
        }
    }
    n = ks_namespaces(f.ks, 0, &all);
    ck_assert_uint_le(n, 2 + 64 + 64);
    free(all);
    ks_flush(f.t, KS_ALL_DBS);
    ks_reclaim(f.t);
    ck_assert_uint_eq(others().items, 0);
    fixture_close(&f);
}
END_TEST

static size_t
charged(void)
{
    struct slab_stats s;

    slab_stats(f.slab, &s);
    return s.account_bytes[SLAB_NAMESPACES];
}

/* As much as `n_threads` and the tables have in use. */
static void
assert_charged(unsigned n_threads)
{
    const struct namespaces *ns = &f.ks->namespaces;

    ck_assert_uint_eq(
        charged(), namespaces_bytes(ns) + n_threads * ns_counts_bytes(ns));
}

START_TEST(tables_are_charged_as_they_are_used)
{
    struct ks_thread *other;
    size_t before;
    char name[32];

    open_with(":", NULL, 4000);
    assert_charged(1);
    before = charged();
    other = ks_thread_new(f.ks);
    assert_charged(2);
    ck_assert_uint_lt(before, 200 * KIB);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "n%u:key", i);
        set(&f, name, "1");
        if (i % 100 == 0)
            assert_charged(2);
    }
    ck_assert_uint_gt(charged(), before + 3000 * sizeof(struct ns_counts));
    ks_thread_free(other);
    assert_charged(1);
    fixture_close(&f);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("namespace");
    TCase *c = tcase_create("namespace");

    tcase_set_timeout(c, 240);
    tcase_add_test(c, a_list_takes_no_more_room_than_it_needs);
    tcase_add_test(c, a_namespace_ends_with_the_first_delimiter);
    tcase_add_test(c, the_longest_configured_prefix_counts);
    tcase_add_test(c, configured_prefixes_have_entries_from_the_start);
    tcase_add_test(c, bad_directives_are_refused);
    tcase_add_test(c, what_happens_to_keys_is_counted);
    tcase_add_test(c, expiries_and_dead_bytes_are_counted);
    tcase_add_test(c, evictions_are_counted);
    tcase_add_test(c, what_finds_no_place_counts_among_the_others);
    tcase_add_test(c, a_namespace_among_the_others_is_flushed_like_any);
    tcase_add_test(c, a_million_prefixes_cost_bounded_memory);
    tcase_add_test(c, tables_are_charged_as_they_are_used);
    suite_add_tcase(s, c);
    return run_suite(s);
}
