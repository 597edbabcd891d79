/* SPDX-License-Identifier: BSD-3-Clause */
/* keyspace_test.c - what one thread may expect of the operations. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define NOW ((uint64_t)1750000000000)

static struct fixture f;

static void
open_ks(void)
{
    clock_fake(NOW);
    fixture_open(&f, 256 * MIB);
}

static void
close_ks(void)
{
    fixture_close(&f);
    clock_unfake();
}

static enum ks_status
set_until(const char *name, const char *value, uint64_t expire_ms)
{
    struct ks_key key = key_of(&f, name);

    return ks_set(f.t, &key, str_of(value), expire_ms);
}

static uint64_t
expiry_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct ks_info info;

    return ks_stat(f.t, &key, KS_PEEK, &info) == KS_OK ? info.expire_ms : 0;
}

static uint64_t
items(unsigned db)
{
    struct ks_db_stats s;

    ks_db_stats(f.ks, db, &s);
    return s.items;
}

static uint64_t
expires(void)
{
    struct ks_db_stats s;

    ks_db_stats(f.ks, 0, &s);
    return s.expires;
}

/* ---- set and get --------------------------------------------------------- */

START_TEST(a_value_is_read_as_it_was_set)
{
    set(&f, "a", "1");
    set(&f, "b", "");
    set(&f, "", "the empty key");
    assert_value(&f, "a", "1");
    assert_value(&f, "b", "");
    assert_value(&f, "", "the empty key");
    assert_value(&f, "c", NULL);
    ck_assert_uint_eq(items(0), 3);
}
END_TEST

START_TEST(replacing_keeps_one_item_and_frees_the_old_chunk)
{
    struct slab_stats before, after;

    set(&f, "a", "0");
    slab_thread_flush(ks_slab_thread(f.t));
    slab_stats(f.slab, &before);
    for (int n = 0; n < 10000; n++) {
        char value[40];

        snprintf(value, sizeof(value), "%0*d", n % 30, n);
        set(&f, "a", value);
        assert_value(&f, "a", value);
    }
    set(&f, "a", "0");
    slab_thread_flush(ks_slab_thread(f.t));
    slab_stats(f.slab, &after);
    ck_assert_uint_eq(before.chunk_live_bytes, after.chunk_live_bytes);
    ck_assert_uint_eq(items(0), 1);
}
END_TEST

START_TEST(values_of_every_size_are_kept)
{
    static const size_t lens[] = {0, 1, 7, 8, 500, 1000, 4000, 16000, 16383,
        16384, 16385, 20000, 65536, 1 << 20, 5 << 20};
    struct read_back r = {{0}};

    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        char *value = xcalloc(1, lens[i] + 1);
        struct ks_key key = key_of(&f, "sized");

        memset(value, 'a' + (int)i, lens[i]);
        ck_assert_int_eq(ks_set(f.t, &key, (struct str){value, lens[i]},
            KS_NO_EXPIRY), KS_OK);
        ck_assert(read_value(&f, f.t, &key, &r));
        ck_assert_uint_eq(r.buf.len, lens[i]);
        ck_assert_mem_eq(r.buf.p, value, lens[i]);
        free(value);
    }
    buf_free(&r.buf);
}
END_TEST

START_TEST(keys_up_to_the_limit_are_kept_and_longer_ones_refused)
{
    char *name = xcalloc(1, KS_MAX_KEY + 2);

    memset(name, 'k', KS_MAX_KEY);
    set(&f, name, "v");
    assert_value(&f, name, "v");
    name[KS_MAX_KEY] = 'k';
    ck_assert_int_eq(set_until(name, "v", KS_NO_EXPIRY), KS_TOO_LARGE);
    free(name);
}
END_TEST

START_TEST(databases_are_apart)
{
    for (unsigned db = 0; db < KS_DATABASES; db++) {
        struct ks_key key = ks_key(f.ks, db, STR("same"));
        char value = (char)('a' + db);

        ck_assert_int_eq(ks_set(f.t, &key, (struct str){&value, 1},
            KS_NO_EXPIRY), KS_OK);
    }
    for (unsigned db = 0; db < KS_DATABASES; db++) {
        struct ks_key key = ks_key(f.ks, db, STR("same"));
        struct read_back r = {{0}};

        ck_assert(read_value(&f, f.t, &key, &r));
        ck_assert_int_eq(r.buf.p[0], 'a' + (int)db);
        ck_assert_uint_eq(items(db), 1);
        buf_free(&r.buf);
    }
    ks_flush(f.t, 5);
    ck_assert_uint_eq(items(5), 0);
    ck_assert_uint_eq(items(4), 1);
    assert_value(&f, "same", "a");
    ks_flush(f.t, KS_ALL_DBS);
    assert_value(&f, "same", NULL);
    ck_assert_uint_eq(items(4), 0);
}
END_TEST

/* ---- expiry -------------------------------------------------------------- */

START_TEST(an_item_is_gone_at_its_millisecond)
{
    ck_assert_int_eq(set_until("a", "1", NOW + 1500), KS_OK);
    ck_assert_uint_eq(expiry_of("a"), NOW + 1500);
    clock_fake(NOW + 1499);
    assert_value(&f, "a", "1");
    clock_fake(NOW + 1500);
    assert_value(&f, "a", NULL);
    ck_assert_uint_eq(items(0), 0); /* the look-up removed it */
    ck_assert_uint_eq(expires(), 0);
}
END_TEST

START_TEST(a_deadline_in_the_past_deletes)
{
    set(&f, "a", "1");
    ck_assert_int_eq(set_until("a", "2", NOW - 1), KS_OK);
    assert_value(&f, "a", NULL);
    ck_assert_uint_eq(items(0), 0);
}
END_TEST

START_TEST(keep_ttl_keeps_it_and_a_plain_set_clears_it)
{
    set_until("a", "1", NOW + 5000);
    ck_assert_int_eq(set_until("a", "2", KS_KEEP_TTL), KS_OK);
    assert_value(&f, "a", "2");
    ck_assert_uint_eq(expiry_of("a"), NOW + 5000);
    ck_assert_uint_eq(expires(), 1);
    set(&f, "a", "3");
    ck_assert_uint_eq(expiry_of("a"), KS_NO_EXPIRY);
    ck_assert_uint_eq(expires(), 0);
    ck_assert_int_eq(set_until("new", "1", KS_KEEP_TTL), KS_OK);
    ck_assert_uint_eq(expiry_of("new"), KS_NO_EXPIRY);
}
END_TEST

static void
change_expiry(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    if (!old->exists)
        return;
    new->action = KS_EXPIRE;
    new->expire_ms = *(uint64_t *)ctx;
}

START_TEST(an_expiry_is_added_changed_and_removed)
{
    static const uint64_t day = 86400000;
    uint64_t when[] = {NOW + 1000, NOW + 2000, NOW + 30 * day, NOW + 10,
        NOW + 400 * day, KS_NO_EXPIRY, NOW + 77};
    static const char *names[] = {"small", "large"};
    char *large = xcalloc(1, 100001);
    struct ks_key key;

    memset(large, 'L', 100000);
    set(&f, "small", "value");
    set(&f, "large", large);
    for (size_t i = 0; i < ARRAY_LEN(when); i++) {
        for (size_t n = 0; n < ARRAY_LEN(names); n++) {
            key = key_of(&f, names[n]);
            ck_assert_int_eq(ks_update(f.t, &key, change_expiry, &when[i]),
                KS_OK);
            ck_assert_uint_eq(expiry_of(names[n]), when[i]);
        }
        assert_value(&f, "small", "value");
        assert_value(&f, "large", large);
        ck_assert_uint_eq(expires(), when[i] == KS_NO_EXPIRY ? 0 : 2);
    }
    when[0] = NOW;
    key = key_of(&f, "small");
    ck_assert_int_eq(ks_update(f.t, &key, change_expiry, &when[0]), KS_OK);
    assert_value(&f, "small", NULL);
    free(large);
}
END_TEST

START_TEST(the_sweep_removes_what_nobody_asks_for)
{
    struct ks_metrics m;

    for (unsigned n = 0; n < 3000; n++) {
        char name[32];

        snprintf(name, sizeof(name), "k%u", n);
        set_until(name, "v", n % 3 == 0 ? KS_NO_EXPIRY : NOW + 1000 + n);
    }
    while (ks_maintain(f.t))
        ;
    ck_assert_uint_eq(items(0), 3000);
    clock_fake(NOW + 60000);
    while (ks_maintain(f.t))
        ;
    ck_assert_uint_eq(items(0), 1000);
    ck_assert_uint_eq(expires(), 0);
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.expired, 2000);
}
END_TEST

START_TEST(holds_of_the_expired_are_apart)
{
    ks_hold_expired(f.ks, KS_HOLD_SWEEP, true);
    ks_hold_expired(f.ks, KS_HOLD_REMOVAL, true);
    set_until("a", "v", NOW + 1000);
    set_until("b", "v", NOW + 1000);
    clock_fake(NOW + 60000);
    while (ks_maintain(f.t))
        ;
    assert_value(&f, "a", NULL);
    ck_assert_uint_eq(items(0), 2); /* nobody removes anything */
    ks_hold_expired(f.ks, KS_HOLD_REMOVAL, false);
    while (ks_maintain(f.t))
        ;
    ck_assert_uint_eq(items(0), 2);
    assert_value(&f, "a", NULL);
    ck_assert_uint_eq(items(0), 1); /* a reader does */
    ks_hold_expired(f.ks, KS_HOLD_SWEEP, false);
    while (ks_maintain(f.t))
        ;
    ck_assert_uint_eq(items(0), 0);
}
END_TEST

START_TEST(a_shortened_deadline_is_swept_in_time)
{
    uint64_t soon = NOW + 1000;
    struct ks_key key = key_of(&f, "a");

    set_until("a", "v", NOW + 3600000);
    ck_assert_int_eq(ks_update(f.t, &key, change_expiry, &soon), KS_OK);
    clock_fake(NOW + 3000);
    while (ks_maintain(f.t))
        ;
    ck_assert_uint_eq(items(0), 0);
}
END_TEST

/* ---- update -------------------------------------------------------------- */

struct appended {
    struct str suffix;
    bool existed;
};

static void
append(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct appended *a = ctx;

    a->existed = old->exists;
    new->action = KS_PUT;
    new->raw = true;
    new->part[0] = old->value;
    new->part[1] = a->suffix;
    new->n_parts = 2;
}

START_TEST(an_update_sees_the_old_value_and_makes_the_new_one)
{
    struct appended a = {STR("abc"), true};
    struct ks_key key = key_of(&f, "a");
    char want[40000] = "";
    struct ks_info info;

    ck_assert_int_eq(ks_update(f.t, &key, append, &a), KS_OK);
    ck_assert(!a.existed);
    strcpy(want, "abc");
    while (strlen(want) < 39000) { /* from a chunk into an extent */
        a.suffix = STR("0123456789012345678901234567890123456789");
        ck_assert_int_eq(ks_update(f.t, &key, append, &a), KS_OK);
        ck_assert(a.existed);
        strcat(want, a.suffix.p);
        assert_value(&f, "a", want);
    }
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert(info.raw);
    ck_assert_uint_eq(info.value_len, strlen(want));
}
END_TEST

static void
leave(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    (void)new;
    *(bool *)ctx = old->exists;
}

static void
drop(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    *(bool *)ctx = old->exists;
    new->action = KS_DELETE;
}

START_TEST(an_update_may_leave_and_may_delete)
{
    struct ks_key key = key_of(&f, "a");
    bool existed;

    ck_assert_int_eq(ks_update(f.t, &key, leave, &existed), KS_OK);
    ck_assert(!existed);
    ck_assert_int_eq(ks_update(f.t, &key, drop, &existed), KS_OK);
    ck_assert(!existed);
    set(&f, "a", "1");
    ck_assert_int_eq(ks_update(f.t, &key, leave, &existed), KS_OK);
    ck_assert(existed);
    assert_value(&f, "a", "1");
    ck_assert_int_eq(ks_update(f.t, &key, drop, &existed), KS_OK);
    ck_assert(existed);
    assert_value(&f, "a", NULL);
}
END_TEST

START_TEST(an_expired_item_does_not_exist_for_an_update)
{
    struct ks_key key = key_of(&f, "a");
    struct appended a = {STR("new"), true};

    set_until("a", "old", NOW + 5);
    clock_fake(NOW + 5);
    ck_assert_int_eq(ks_update(f.t, &key, append, &a), KS_OK);
    ck_assert(!a.existed);
    assert_value(&f, "a", "new");
    ck_assert_uint_eq(items(0), 1);
    ck_assert_uint_eq(expiry_of("a"), KS_NO_EXPIRY);
}
END_TEST

/* ---- extents ------------------------------------------------------------- */

START_TEST(a_received_extent_becomes_the_value_without_a_copy)
{
    struct ks_key key = key_of(&f, "a");
    uint32_t extent = extent_new(f.slab, 300000);
    struct ks_info info;
    char *p;

    ck_assert(extent_commit(f.slab, extent, 300000));
    p = extent_ptr(f.slab, extent);
    memset(p, 'x', 300000);
    ck_assert_int_eq(ks_set_extent(f.t, &key, extent, 300000, KS_NO_EXPIRY),
        KS_OK);
    ck_assert_int_eq(ks_get(f.t, &key, KS_READ, place_in_buf, NULL, &info),
        KS_OK);
    ck_assert_uint_eq(info.value_extent, extent);
    ck_assert_ptr_eq(info.value, p);
    ck_assert_uint_eq(info.value_len, 300000);
    extent_unpin(f.slab, extent);
}
END_TEST

START_TEST(a_pinned_value_outlives_its_item)
{
    struct ks_key key = key_of(&f, "a");
    char *value = xcalloc(1, 200001);
    struct ks_info info;

    memset(value, 'p', 200000);
    set(&f, "a", value);
    ck_assert_int_eq(ks_get(f.t, &key, KS_READ, place_in_buf, NULL, &info),
        KS_OK);
    ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    for (int i = 0; i < 20; i++) {
        memset(value, 'q', 200000);
        set(&f, "b", value);
    }
    for (size_t i = 0; i < info.value_len; i++)
        ck_assert_int_eq(info.value[i], 'p');
    extent_unpin(f.slab, info.value_extent);
    free(value);
}
END_TEST

START_TEST(a_short_value_in_an_extent_is_copied_and_the_extent_freed)
{
    struct ks_key key = key_of(&f, "a");
    uint32_t extent = extent_new(f.slab, 100000);
    struct slab_stats s;

    ck_assert(extent_commit(f.slab, extent, 100000));
    memcpy(extent_ptr(f.slab, extent), "short", 5);
    ck_assert_int_eq(ks_set_extent(f.t, &key, extent, 5, KS_NO_EXPIRY), KS_OK);
    assert_value(&f, "a", "short");
    slab_stats(f.slab, &s);
    ck_assert_uint_eq(s.extents_live, 0);
}
END_TEST

/* ---- several keys -------------------------------------------------------- */

START_TEST(operations_under_a_lock_see_its_state)
{
    struct ks_key keys[3] = {key_of(&f, "a"), key_of(&f, "b"),
        key_of(&f, "a")};

    set(&f, "a", "0");
    ks_lock(f.t, keys, 3);
    ck_assert_int_eq(ks_set(f.t, &keys[0], STR("1"), KS_NO_EXPIRY), KS_OK);
    ck_assert_int_eq(ks_set(f.t, &keys[1], STR("2"), KS_NO_EXPIRY), KS_OK);
    assert_value(&f, "a", "1");
    assert_value(&f, "b", "2");
    ck_assert_int_eq(ks_delete(f.t, &keys[0]), KS_OK);
    assert_value(&f, "a", NULL);
    ks_unlock(f.t);
    assert_value(&f, "a", NULL);
    assert_value(&f, "b", "2");
    ks_lock_all(f.t);
    ks_unlock(f.t);
}
END_TEST

/* ---- counters ------------------------------------------------------------ */

START_TEST(hits_and_misses_are_counted_for_reads_only)
{
    struct ks_metrics m;
    struct ks_key a = key_of(&f, "a"), b = key_of(&f, "b");
    struct ks_info info;

    set(&f, "a", "1");
    ck_assert_int_eq(ks_stat(f.t, &a, KS_READ, &info), KS_OK);
    ck_assert_int_eq(ks_stat(f.t, &a, KS_READ_NO_TOUCH, &info), KS_OK);
    ck_assert_int_eq(ks_stat(f.t, &a, KS_PEEK, &info), KS_OK);
    ck_assert_int_eq(ks_stat(f.t, &b, KS_READ, &info), KS_MISS);
    ck_assert_int_eq(ks_stat(f.t, &b, KS_PEEK, &info), KS_MISS);
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.hits, 2);
    ck_assert_uint_eq(m.misses, 1);
    ck_assert_uint_eq(m.inserts, 1);
    ks_metrics_reset(f.ks);
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.hits, 0);
    ck_assert_int_eq(ks_stat(f.t, &a, KS_READ, &info), KS_OK);
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.hits, 1);
}
END_TEST

/* About as many hits as are told: of a key that is hit by turns with others, as
 * those share the events by which rare ones are picked. */
START_TEST(many_hits_are_told_in_round_numbers)
{
    static const unsigned told[] = {10, 30, 100, 255};
    struct ks_key a = key_of(&f, "a"), b = key_of(&f, "b");
    unsigned hits = 0, next = 0;
    struct ks_info info;

    set(&f, "a", "1");
    set(&f, "b", "1");
    for (hits = 0; hits < 2000 && next < ARRAY_LEN(told); hits++) {
        ck_assert_int_eq(ks_stat(f.t, &b, KS_READ, &info), KS_OK);
        ck_assert_int_eq(ks_stat(f.t, &a, KS_READ, &info), KS_OK);
        ck_assert_int_eq(ks_stat(f.t, &a, KS_PEEK, &info), KS_OK);
        if (hits < 7)
            ck_assert_uint_eq(info.frequency, hits + 1);
        if (info.frequency != told[next])
            continue;
        ck_assert_uint_ge(hits + 1, told[next] / 3);
        ck_assert_uint_le(hits + 1, told[next] * 3);
        next++;
    }
    ck_assert_uint_eq(next, ARRAY_LEN(told));
}
END_TEST

START_TEST(a_frequency_from_elsewhere_is_kept_or_rounded_down)
{
    static const struct {
        int given;
        unsigned kept;
    } cases[] = {{0, 0}, {3, 3}, {4, 4}, {7, 7}, {9, 7}, {10, 10}, {29, 10},
        {30, 30}, {100, 100}, {254, 100}, {255, 255}, {1, 1}};
    struct ks_key a = key_of(&f, "a");
    struct ks_info info;

    set(&f, "a", "1");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ks_history h = {-1, cases[i].given};

        ck_assert_int_eq(ks_set_history(f.t, &a, &h), KS_OK);
        ck_assert_int_eq(ks_stat(f.t, &a, KS_PEEK, &info), KS_OK);
        ck_assert_uint_eq(info.frequency, cases[i].kept);
    }
    ck_assert_int_eq(ks_stat(f.t, &a, KS_READ, &info), KS_OK);
    ck_assert_int_eq(ks_stat(f.t, &a, KS_PEEK, &info), KS_OK);
    ck_assert_uint_eq(info.frequency, 2);
}
END_TEST

START_TEST(frequency_and_idle_time_follow_the_accesses)
{
    struct ks_key a = key_of(&f, "a");
    struct ks_info info;

    set(&f, "a", "1");
    ck_assert_int_eq(ks_stat(f.t, &a, KS_PEEK, &info), KS_OK);
    ck_assert_uint_eq(info.frequency, 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ks_stat(f.t, &a, KS_READ, &info), KS_OK);
    ck_assert_uint_ge(info.frequency, 7);
    ck_assert_uint_le(info.frequency, 30);
    for (int i = 0; i < 20; i++)
        set(&f, "other", "1");
    clock_fake(NOW + 100000);
    for (int i = 0; i < 200; i++)
        set(&f, "other", "1");
    ck_assert_int_eq(ks_stat(f.t, &a, KS_PEEK, &info), KS_OK);
    ck_assert_uint_ge(info.idle_s, 90);
    ck_assert_uint_le(info.idle_s, 100);
}
END_TEST

START_TEST(locks_nest)
{
    struct ks_key keys[] = {key_of(&f, "a"), key_of(&f, "b")};
    struct ks_thread *other = ks_thread_new(f.ks);

    ks_lock(f.t, keys, 2);
    ks_lock(f.t, &keys[1], 1);
    ks_lock_to_read(f.t, keys, 2);
    set(&f, "a", "1");
    ks_unlock(f.t);
    ks_unlock(f.t);
    ck_assert(is_several_changing(f.ks)); /* the outermost still holds */
    set(&f, "b", "1");
    ks_unlock(f.t);
    ck_assert(!is_several_changing(f.ks));
    ks_lock(other, keys, 2); /* hangs if a partition is still locked */
    ks_unlock(other);
    ks_lock_all(f.t);
    ks_lock(f.t, keys, 2);
    ks_lock_all(f.t);
    ks_unlock(f.t);
    ks_unlock(f.t);
    ks_unlock(f.t);
    ks_lock_all(other);
    ks_unlock(other);
    ks_thread_free(other);
}
END_TEST

START_TEST(a_watch_sees_changes_of_its_key_only)
{
    struct ks_key key = key_of(&f, "k");
    struct ks_watch *first = ks_watch(f.t, &key), *second;

    for (int i = 0; i < 2000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "key:%d", i);
        set(&f, name, "1");
    }
    ck_assert(!ks_watch_changed(f.t, first));
    set(&f, "k", "1");
    ck_assert(ks_watch_changed(f.t, first));
    second = ks_watch(f.t, &key);
    ck_assert(!ks_watch_changed(f.t, second));
    ck_assert_int_eq(ks_delete(f.t, &key), KS_OK);
    ck_assert(ks_watch_changed(f.t, second));
    ks_unwatch(f.ks, first);
    ks_unwatch(f.ks, second);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("keyspace");
    TCase *c = tcase_create("one thread");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_value_is_read_as_it_was_set);
    tcase_add_test(c, replacing_keeps_one_item_and_frees_the_old_chunk);
    tcase_add_test(c, values_of_every_size_are_kept);
    tcase_add_test(c, keys_up_to_the_limit_are_kept_and_longer_ones_refused);
    tcase_add_test(c, databases_are_apart);
    tcase_add_test(c, an_item_is_gone_at_its_millisecond);
    tcase_add_test(c, a_deadline_in_the_past_deletes);
    tcase_add_test(c, keep_ttl_keeps_it_and_a_plain_set_clears_it);
    tcase_add_test(c, an_expiry_is_added_changed_and_removed);
    tcase_add_test(c, the_sweep_removes_what_nobody_asks_for);
    tcase_add_test(c, holds_of_the_expired_are_apart);
    tcase_add_test(c, a_shortened_deadline_is_swept_in_time);
    tcase_add_test(c, an_update_sees_the_old_value_and_makes_the_new_one);
    tcase_add_test(c, an_update_may_leave_and_may_delete);
    tcase_add_test(c, an_expired_item_does_not_exist_for_an_update);
    tcase_add_test(c, a_received_extent_becomes_the_value_without_a_copy);
    tcase_add_test(c, a_pinned_value_outlives_its_item);
    tcase_add_test(c,
        a_short_value_in_an_extent_is_copied_and_the_extent_freed);
    tcase_add_test(c, operations_under_a_lock_see_its_state);
    tcase_add_test(c, locks_nest);
    tcase_add_test(c, a_watch_sees_changes_of_its_key_only);
    tcase_add_test(c, hits_and_misses_are_counted_for_reads_only);
    tcase_add_test(c, many_hits_are_told_in_round_numbers);
    tcase_add_test(c, a_frequency_from_elsewhere_is_kept_or_rounded_down);
    tcase_add_test(c, frequency_and_idle_time_follow_the_accesses);
    suite_add_tcase(s, c);
    return run_suite(s);
}
