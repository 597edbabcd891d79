/* SPDX-License-Identifier: BSD-3-Clause */
/* space_test.c - flushes of databases and namespaces, and SWAPDB: what is
 * there afterwards, and what is counted, against a plain map. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define LIMIT (64 * MIB)

static struct fixture f;

static void
open_fixture(void)
{
    fixture_open(&f, LIMIT);
    f.ks->spaces.few_items = 0; /* no flush deletes at once */
}

static void
close_fixture(void)
{
    fixture_close(&f);
}

static void
put(unsigned db, const char *name, const char *value)
{
    struct ks_key key = ks_key(f.ks, db, str_of(name));

    ck_assert_int_eq(ks_set(f.t, &key, str_of(value), KS_NO_EXPIRY), KS_OK);
}

static bool
is_there(unsigned db, const char *name)
{
    struct ks_key key = ks_key(f.ks, db, str_of(name));
    struct ks_info info;

    return ks_stat(f.t, &key, KS_PEEK, &info) == KS_OK;
}

static uint64_t
size_of(unsigned db)
{
    struct ks_db_stats s;

    ks_count(f.t);
    ks_db_stats(f.ks, db, &s);
    return s.items;
}

static void
flush_namespace(unsigned db, const char *name)
{
    ck_assert_int_eq(ks_flush_namespace(f.t, db, str_of(name)), KS_OK);
}

static void
put_numbered(const char *format, int n)
{
    char name[64];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), format, i);
        put(0, name, "v");
    }
}

/* Index slots in use, dead items included. */
static uint64_t
items_in_memory(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < N_PARTITIONS; i++)
        n += f.ks->index.partition[i].n_items;
    return n;
}

START_TEST(a_flush_of_a_namespace_takes_its_keys_and_no_others)
{
    put_numbered("user:%07d:profile", 1000);
    put(0, "user", "1");
    put(0, "users:1", "1");
    put(0, "plain", "1");
    put(1, "user:1", "1");
    flush_namespace(0, "user:");
    ck_assert_uint_eq(items_in_memory(), 1004);
    ck_assert(!is_there(0, "user:0000001:profile"));
    ck_assert(is_there(0, "user") && is_there(0, "users:1"));
    ck_assert(is_there(0, "plain") && is_there(1, "user:1"));
    ck_assert_uint_eq(size_of(0), 3);
    put(0, "user:0000001:profile", "new");
    ck_assert(is_there(0, "user:0000001:profile"));
    ks_reclaim(f.t);
    ck_assert_uint_eq(items_in_memory(), 5);
    ck_assert(is_there(0, "user:0000001:profile"));
    ck_assert_uint_eq(size_of(0), 4);
}
END_TEST

/* Calls of ks_maintain() until it has no more to do, each of which takes at
 * most `most` items away. */
static unsigned
maintain_gently(uint64_t most)
{
    uint64_t n = items_in_memory();
    unsigned calls = 0;

    ks_set_gentle(f.t, true);
    for (enum ks_more more = KS_MORE_SOON; more != KS_NO_MORE; calls++) {
        uint64_t was = n;

        more = ks_maintain(f.t);
        n = items_in_memory();
        ck_assert_uint_le(was - n, most);
        ck_assert_int_ne(more, KS_MORE_NOW);
        ck_assert_uint_lt(calls, 100000);
    }
    ks_set_gentle(f.t, false);
    return calls;
}

START_TEST(gentle_maintenance_frees_the_dead_a_few_at_a_time)
{
    put_numbered("keep:%07d:profile", 10000);
    put_numbered("user:%07d:profile", 10000);
    flush_namespace(0, "user:");
    ck_assert_uint_eq(items_in_memory(), 20000);
    /* 32 lines of 11, each of 256 partitions */
    ck_assert_uint_ge(maintain_gently(4 * 8 * 11), 20000 / (4 * 8 * 11));
    ck_assert_uint_eq(items_in_memory(), 10000);
    ck_assert_uint_eq(size_of(0), 10000);
}
END_TEST

START_TEST(gentle_maintenance_frees_the_expired_a_few_at_a_time)
{
    uint64_t now = 1700000000000;

    clock_fake(now);
    for (unsigned i = 0; i < 20000; i++) {
        char name[32];
        struct ks_key key;

        snprintf(name, sizeof(name), "k:%05u", i);
        key = ks_key(f.ks, 0, str_of(name));
        ck_assert_int_eq(ks_set(f.t, &key, STR("v"),
            i % 2 == 0 ? now + 1000 : now + 100000), KS_OK);
    }
    clock_fake(now + 1250);
    ck_assert_uint_ge(maintain_gently(256), 10000 / 256);
    ck_assert_uint_eq(items_in_memory(), 10000);
    clock_fake(now + 100250); /* those that were left are found as well */
    (void)maintain_gently(256);
    ck_assert_uint_eq(items_in_memory(), 0);
    clock_unfake();
}
END_TEST

START_TEST(keys_without_a_namespace_are_one)
{
    put(0, "plain", "1");
    put(0, "a:1", "1");
    flush_namespace(0, "");
    ck_assert(!is_there(0, "plain") && is_there(0, "a:1"));
}
END_TEST

START_TEST(a_name_that_is_no_namespace_is_refused)
{
    char name[200];

    put(0, "user:1", "1");
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("user")), KS_MISS);
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("user:1")), KS_MISS);
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("user:1:")), KS_MISS);
    memset(name, 'n', sizeof(name));
    name[128] = ':';
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, (struct str){name, 129}),
        KS_MISS);
    name[127] = ':';
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, (struct str){name, 128}),
        KS_OK);
    ck_assert(is_there(0, "user:1"));
}
END_TEST

START_TEST(a_flushed_database_is_empty_and_usable_at_once)
{
    put_numbered("k%d", 500);
    put_numbered("n:%d", 500);
    put(3, "other", "1");
    flush_namespace(0, "n:");
    put_numbered("n:%d", 10);
    ks_flush(f.t, 0);
    ck_assert_uint_eq(size_of(0), 0);
    ck_assert(!is_there(0, "k1") && !is_there(0, "n:1"));
    ck_assert(is_there(3, "other"));
    put(0, "k1", "new");
    ck_assert_uint_eq(size_of(0), 1);
    ks_reclaim(f.t);
    ck_assert_uint_eq(items_in_memory(), 2);
    ks_flush(f.t, 0); /* space 0 is free again, and taken */
    put(0, "k2", "new");
    ck_assert_uint_eq(f.ks->mapping.base[0], 0);
}
END_TEST

START_TEST(few_items_are_deleted_at_once)
{
    f.ks->spaces.few_items = 4096;
    put_numbered("k%d", 500);
    put_numbered("n:%d", 500);
    flush_namespace(0, "n:");
    ck_assert_uint_eq(items_in_memory(), 500);
    ks_flush(f.t, 0);
    ck_assert_uint_eq(items_in_memory(), 0);
    ck_assert_uint_eq(f.ks->mapping.base[0], 0);
}
END_TEST

START_TEST(swapped_databases_bring_their_namespaces_along)
{
    put_numbered("n:%d", 100);
    flush_namespace(0, "n:");
    put(0, "n:1", "a");
    put(0, "plain", "a");
    put(1, "n:2", "b");
    ks_swap(f.t, 0, 1);
    ck_assert(is_there(1, "n:1") && is_there(1, "plain"));
    ck_assert(is_there(0, "n:2") && !is_there(0, "n:1"));
    ck_assert_uint_eq(size_of(0), 1);
    ck_assert_uint_eq(size_of(1), 2);
    flush_namespace(0, "n:");
    ck_assert(is_there(1, "n:1") && !is_there(0, "n:2"));
    ks_swap(f.t, 0, 1);
    ks_swap(f.t, 2, 2);
    ck_assert(is_there(0, "n:1"));
}
END_TEST

START_TEST(a_key_made_before_a_flush_is_corrected)
{
    struct ks_key keys[2] = {key_of(&f, "n:1"), key_of(&f, "m:1")};
    struct ks_info info;

    put(0, "n:1", "old");
    flush_namespace(0, "n:");
    ck_assert_int_eq(ks_stat(f.t, &keys[0], KS_PEEK, &info), KS_MISS);
    ck_assert_int_eq(ks_set(f.t, &keys[0], STR("new"), KS_NO_EXPIRY), KS_OK);
    assert_value(&f, "n:1", "new");
    flush_namespace(0, "n:");
    ks_lock(f.t, keys, 2);
    ck_assert_int_eq(ks_set(f.t, &keys[0], STR("x"), KS_NO_EXPIRY), KS_OK);
    ks_unlock(f.t);
    assert_value(&f, "n:1", "x");
    ck_assert_int_eq(ks_delete(f.t, &keys[0]), KS_OK);
}
END_TEST

START_TEST(spaces_and_ids_are_given_out_again)
{
    for (int round = 0; round < 3000; round++) {
        put(0, "n:1", "v");
        flush_namespace(0, "n:");
        ck_assert(!is_there(0, "n:1"));
        if (round % 100 == 0) {
            put_numbered("n:%06d:x", 200);
            ck_assert_uint_eq(size_of(0), 200);
            flush_namespace(0, "n:");
        }
    }
    ks_reclaim(f.t);
    ck_assert_uint_eq(items_in_memory(), 0);
    ck_assert_uint_eq(f.ks->mapping.n_own, 0);
    ck_assert_uint_lt(templates_count(f.ks->templates), 5);
}
END_TEST

START_TEST(more_namespaces_than_spaces_can_be_flushed)
{
    char name[32];

    for (int i = 0; i < 1080; i++) {
        snprintf(name, sizeof(name), "n%d:", i);
        put(0, name, "old");
        flush_namespace(0, name);
        put(0, name, "new");
    }
    ck_assert_uint_eq(size_of(0), 1080);
    for (int i = 0; i < 1080; i++) {
        snprintf(name, sizeof(name), "n%d:", i);
        assert_value(&f, name, "new");
        flush_namespace(0, name);
        ck_assert(!is_there(0, name));
    }
    ck_assert_uint_eq(size_of(0), 0);
}
END_TEST

/* ---- watches ------------------------------------------------------------- */

static struct ks_watch *
watch(unsigned db, const char *name)
{
    struct ks_key key = ks_key(f.ks, db, str_of(name));

    return ks_watch(f.t, &key);
}

static void
assert_watch(struct ks_watch *w, bool changed)
{
    ck_assert_int_eq(ks_watch_changed(f.t, w), changed);
    ks_unwatch(f.ks, w);
}

START_TEST(a_flush_changes_the_watched_keys_that_were_there)
{
    struct ks_watch *there, *absent, *other, *later;

    put(0, "n:1", "v");
    put(0, "m:1", "v");
    there = watch(0, "n:1");
    absent = watch(0, "n:2");
    later = watch(0, "n:3");
    other = watch(0, "m:1");
    flush_namespace(0, "n:");
    put(0, "n:3", "v"); /* noticed where the key leads now */
    assert_watch(there, true);
    assert_watch(absent, false);
    assert_watch(later, true);
    assert_watch(other, false);
    there = watch(0, "m:1");
    absent = watch(0, "m:2");
    ks_flush(f.t, 0);
    ks_reclaim(f.t);
    assert_watch(there, true);
    assert_watch(absent, false);
}
END_TEST

START_TEST(an_exchange_changes_watched_keys_that_are_in_either_database)
{
    struct ks_watch *w[4];

    put(0, "a", "v");
    put(1, "b", "v");
    w[0] = watch(0, "a");
    w[1] = watch(0, "b");
    w[2] = watch(0, "c");
    w[3] = watch(2, "a");
    ks_swap(f.t, 0, 1);
    assert_watch(w[0], true);
    assert_watch(w[1], true);
    assert_watch(w[2], false);
    assert_watch(w[3], false);
}
END_TEST

/* ---- against a map ------------------------------------------------------- */

#define N_DB 3
#define N_NAMES 2000
#define MAX_NS 24

static char names[N_NAMES][80];
static unsigned model[N_DB][N_NAMES]; /* 0: not there */

static void
make_names(void)
{
    for (int i = 0; i < N_NAMES; i++) {
        char *to = names[i];

        switch (i % 8) {
        case 0: snprintf(to, 80, "user:%010d:profile", i); break;
        case 1: snprintf(to, 80, "app:v2:product:%d:price", i); break;
        case 2: snprintf(to, 80, "%d:profile", i * 7919 % 60); break;
        case 3: snprintf(to, 80, "session:%08x%08x", i * 7919, ~i); break;
        case 4: snprintf(to, 80, "plain%d", i); break;
        case 5: snprintf(to, 80, "p%d:x%d", i % 70, i); break;
        case 6: snprintf(to, 80, "%08x:%d:s", i % 48 * 7919, i); break;
        default: snprintf(to, 80, "user:admin:%d", i); break;
        }
    }
    /* names that are twice among them count as one: the later is changed */
    for (int i = 0; i < N_NAMES; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0) {
                snprintf(names[i], 80, "unique:%d", i);
                break;
            }
}

static uint64_t rng = 88172645463325252u;

static unsigned
rnd(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)((rng >> 20) % n);
}

struct counting {
    unsigned db;
    uint64_t n;
};

static bool
count_visit(void *ctx, struct str name, const struct ks_info *info)
{
    struct counting *c = ctx;

    (void)info;
    (void)name;
    c->n++;
    return true;
}

static uint64_t
scan_all(unsigned db)
{
    struct counting c = {db, 0};
    uint64_t cursor = 0;

    do {
        cursor = ks_scan(f.t, db, cursor, 100, count_visit, &c);
    } while (cursor != 0);
    return c.n;
}

static struct str
space_name(int i)
{
    return ks_namespace_of(f.ks, str_of(names[i]));
}

/* The counts of the namespaces: each of those with an entry is that of the
 * map, and all together are the database. */
static void
check_namespaces(unsigned db)
{
    struct ks_namespace *all;
    size_t n = ks_namespaces(f.ks, db, &all);
    uint64_t sum = 0, others = 0;

    for (size_t i = 0; i < n; i++) {
        struct str name = {all[i].name, all[i].name_len};
        uint64_t want = 0;

        sum += all[i].items;
        if (all[i].is_other) {
            others = all[i].items;
            continue;
        }
        for (int k = 0; k < N_NAMES; k++)
            want += model[db][k] != 0 && str_eq(space_name(k), name);
        ck_assert_msg(all[i].items == want, "%.*s: %llu items, not %llu",
            (int)name.len, name.p, (unsigned long long)all[i].items,
            (unsigned long long)want);
        ck_assert_int_eq(all[i].bytes == 0, want == 0);
    }
    ck_assert_uint_eq(sum, size_of(db));
    ck_assert_uint_le(others, sum);
    free(all);
}

static void
check_all(void)
{
    struct read_back r = {{0}};
    char want[16];

    for (unsigned db = 0; db < N_DB; db++) {
        uint64_t n = 0;

        for (int i = 0; i < N_NAMES; i++) {
            struct ks_key key = ks_key(f.ks, db, str_of(names[i]));
            bool there = read_value(&f, f.t, &key, &r);

            n += there;
            ck_assert_msg(there == (model[db][i] != 0), "%u/%s", db, names[i]);
            snprintf(want, sizeof(want), "%u", model[db][i]);
            if (there)
                ck_assert_str_eq(r.buf.p, want);
        }
        ck_assert_uint_eq(size_of(db), n);
        ck_assert_uint_eq(scan_all(db), n);
        check_namespaces(db);
    }
    buf_free(&r.buf);
}

static void
model_flush(unsigned db, struct str name, bool all)
{
    for (int i = 0; i < N_NAMES; i++)
        if (all || str_eq(space_name(i), name))
            model[db][i] = 0;
}

static void
model_swap(unsigned a, unsigned b)
{
    unsigned was[N_NAMES];

    memcpy(was, model[a], sizeof(was));
    memcpy(model[a], model[b], sizeof(was));
    memcpy(model[b], was, sizeof(was));
}

static void
random_write(unsigned n)
{
    unsigned db = rnd(N_DB), i = rnd(N_NAMES);
    struct ks_key key = ks_key(f.ks, db, str_of(names[i]));
    char value[16];
    int len = snprintf(value, sizeof(value), "%u", n);

    if (rnd(5) == 0) {
        ck_assert_int_eq(ks_delete(f.t, &key),
            model[db][i] != 0 ? KS_OK : KS_MISS);
        model[db][i] = 0;
        return;
    }
    ck_assert_int_eq(ks_set(f.t, &key, (struct str){value, (size_t)len},
        KS_NO_EXPIRY), KS_OK);
    model[db][i] = n;
}

static void
random_change(void)
{
    unsigned db = rnd(N_DB), other = rnd(N_DB);
    struct str name = space_name((int)rnd(N_NAMES));

    switch (rnd(20)) {
    case 0:
        ks_flush(f.t, db);
        model_flush(db, name, true);
        break;
    case 1:
        ks_swap(f.t, db, other);
        if (db != other)
            model_swap(db, other);
        break;
    case 2:
        f.options.key_interning = !f.options.key_interning;
        break;
    case 3:
        f.ks->spaces.few_items = rnd(2) * 4096;
        break;
    case 4:
        ks_reclaim(f.t);
        ns_drop_unused(f.t);
        break;
    case 5: case 6: case 7: case 8:
        (void)ks_maintain(f.t);
        break;
    case 9:
        ks_flush(f.t, KS_ALL_DBS);
        for (db = 0; db < N_DB && rnd(3) == 0; db++)
            ;
        for (db = 0; db < N_DB; db++)
            model_flush(db, name, true);
        break;
    default:
        ck_assert_int_eq(ks_flush_namespace(f.t, db, name), KS_OK);
        model_flush(db, name, false);
    }
}

START_TEST(any_mix_of_changes_agrees_with_a_map)
{
    const struct keyspace_options options = {
        .maxmemory_policy = KS_ALLKEYS_LRU, .eviction_weight = 2,
        .large_value_threshold = 16384, .key_interning = 1,
        .namespace_delimiter = (char *)(uintptr_t)":",
        .namespace_prefixes = (char *)(uintptr_t)"user:admin: sess",
        .max_namespaces = MAX_NS};

    close_fixture();
    fixture_open_with(&f, LIMIT, &options);
    f.ks->spaces.few_items = 0;
    rng += (uint64_t)_i * 0x9e3779b97f4a7c15u;
    memset(model, 0, sizeof(model));
    make_names();
    for (unsigned n = 1; n <= 60000; n++) {
        if (rnd(150) == 0)
            random_change();
        else
            random_write(n);
        if (n % 1500 == 0)
            check_all();
    }
    ks_flush(f.t, KS_ALL_DBS);
    ks_reclaim(f.t);
    memset(model, 0, sizeof(model));
    check_all();
    ck_assert_uint_eq(items_in_memory(), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("space");
    TCase *c = tcase_create("space");

    tcase_set_timeout(c, 240);
    tcase_add_checked_fixture(c, open_fixture, close_fixture);
    tcase_add_test(c, a_flush_of_a_namespace_takes_its_keys_and_no_others);
    tcase_add_test(c, gentle_maintenance_frees_the_dead_a_few_at_a_time);
    tcase_add_test(c, gentle_maintenance_frees_the_expired_a_few_at_a_time);
    tcase_add_test(c, keys_without_a_namespace_are_one);
    tcase_add_test(c, a_name_that_is_no_namespace_is_refused);
    tcase_add_test(c, a_flushed_database_is_empty_and_usable_at_once);
    tcase_add_test(c, few_items_are_deleted_at_once);
    tcase_add_test(c, swapped_databases_bring_their_namespaces_along);
    tcase_add_test(c, a_key_made_before_a_flush_is_corrected);
    tcase_add_test(c, spaces_and_ids_are_given_out_again);
    tcase_add_test(c, more_namespaces_than_spaces_can_be_flushed);
    tcase_add_test(c, a_flush_changes_the_watched_keys_that_were_there);
    tcase_add_test(c,
        an_exchange_changes_watched_keys_that_are_in_either_database);
    tcase_add_loop_test(c, any_mix_of_changes_agrees_with_a_map, 0, 4);
    suite_add_tcase(s, c);
    return run_suite(s);
}
