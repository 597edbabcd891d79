/* SPDX-License-Identifier: BSD-3-Clause */
/* event_test.c - what a thread says of the keys it changed, and how long a key
 * that nobody uses has been idle. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#define NOW_MS 1700000000000u
#define ALL_KINDS 0x3f

static struct fixture f;
static struct buf told;

static void
open_ks(void)
{
    clock_fake(NOW_MS);
    fixture_open(&f, 512 * MIB);
    told = (struct buf){0};
}

static void
tell(void *ctx, const struct ks_event *e)
{
    static const char *const names[] = {
        "new", "changed", "deleted", "expired", "evicted", "miss"};

    (void)ctx;
    buf_printf(&told, "%s %.*s@%u;", names[e->kind], STR_ARG(e->name), e->db);
}

static void
close_ks(void)
{
    ks_events(f.t, tell, NULL);
    fixture_close(&f);
    buf_free(&told);
    clock_unfake();
}

static void
assert_told(const char *want)
{
    told.len = 0;
    ks_events(f.t, tell, NULL);
    buf_append(&told, "", 1);
    ck_assert_str_eq(told.p, want);
    ck_assert(!ks_has_events(f.t));
}

static void
set_until(const char *name, uint64_t expire_ms)
{
    struct ks_key key = key_of(&f, name);

    ck_assert_int_eq(ks_set(f.t, &key, STR("v"), expire_ms), KS_OK);
}

static void delete (const char *name)
{
    struct ks_key key = key_of(&f, name);

    (void)ks_delete(f.t, &key);
}

static void
expire_at(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    const uint64_t *when = ctx;

    (void)old;
    new->action = KS_EXPIRE;
    new->expire_ms = *when;
}

START_TEST(nothing_is_noted_while_nobody_asks)
{
    set(&f, "k", "v");
    delete ("k");
    assert_value(&f, "k", NULL);
    ck_assert(!ks_has_events(f.t));
}
END_TEST

START_TEST(each_change_is_told_in_its_order)
{
    struct ks_key other = ks_key(f.ks, 3, STR("k"));
    struct ks_key key = key_of(&f, "k");
    uint64_t when = NOW_MS + 1000;

    ks_observe(f.ks, 0, ALL_KINDS);
    set(&f, "k", "1");
    set(&f, "k", "2");
    ck_assert_int_eq(ks_set(f.t, &other, STR("v"), KS_NO_EXPIRY), KS_OK);
    ck_assert_int_eq(ks_update(f.t, &key, expire_at, &when), KS_OK);
    delete ("k");
    delete ("k");
    assert_value(&f, "none", NULL);
    assert_told(
        "new k@0;changed k@0;new k@3;changed k@0;deleted k@0;miss none@0;");
}
END_TEST

START_TEST(that_a_value_gets_a_version_is_no_event)
{
    struct ks_key key = key_of(&f, "k");
    struct ks_info info;

    ks_observe(f.ks, 0, ALL_KINDS);
    set(&f, "k", "1");
    ck_assert_int_eq(ks_give_version(f.t, &key), KS_OK);
    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    ck_assert_uint_ne(info.version, 0);
    assert_told("new k@0;");
}
END_TEST

START_TEST(only_wanted_kinds_are_told)
{
    ks_observe(f.ks, 1, 1u << KS_EVENT_DELETED);
    ks_observe(f.ks, 2, 1u << KS_EVENT_CHANGED);
    set(&f, "k", "1");
    set(&f, "k", "2");
    ks_observe(f.ks, 2, 0);
    set(&f, "k", "3");
    delete ("k");
    assert_told("changed k@0;deleted k@0;");
}
END_TEST

START_TEST(an_expired_key_is_told_before_its_successor)
{
    ks_observe(f.ks, 0, ALL_KINDS);
    set_until("a", NOW_MS + 10);
    set_until("b", NOW_MS + 10);
    set_until("c", NOW_MS + 10);
    assert_told("new a@0;new b@0;new c@0;");
    clock_fake(NOW_MS + 20);
    set(&f, "a", "v");
    delete ("b");
    assert_value(&f, "c", NULL);
    assert_told("expired a@0;new a@0;expired b@0;expired c@0;miss c@0;");
}
END_TEST

/* Their stored keys are packed. */
START_TEST(keys_of_templates_are_told_whole)
{
    char name[40];

    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "user:%010d:profile", i);
        set_until(name, NOW_MS + 10);
    }
    ks_observe(f.ks, 0, 1u << KS_EVENT_EXPIRED);
    clock_fake(NOW_MS + 20);
    assert_value(&f, name, NULL);
    assert_told("expired user:0000000499:profile@0;");
}
END_TEST

START_TEST(sweeping_tells_and_flushing_does_not)
{
    ks_observe(f.ks, 0, ALL_KINDS & ~(1u << KS_EVENT_NEW));
    set(&f, "kept", "v");
    set_until("k", NOW_MS + 10);
    clock_fake(NOW_MS + 5000);
    for (int i = 0; i < 100; i++)
        ks_maintain(f.t);
    assert_told("expired k@0;");
    ks_flush(f.t, KS_ALL_DBS);
    assert_told("");
}
END_TEST

START_TEST(evicted_keys_are_told)
{
    uint64_t told_of = 0;
    struct ks_metrics m;

    ks_observe(f.ks, 0, 1u << KS_EVENT_EVICTED);
    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "key-%d", i);
        set(&f, name, "v");
    }
    while (evict_one(f.t, SLAB_MAX_CLASSES))
        ;
    told.len = 0;
    ks_events(f.t, tell, NULL);
    for (size_t i = 0; i < told.len; i++)
        told_of += told.p[i] == ';';
    ks_metrics(f.ks, &m);
    ck_assert_uint_gt(m.evicted, 0);
    ck_assert_uint_eq(told_of, m.evicted);
}
END_TEST

/* ---- idle time ----------------------------------------------------------- */

static uint32_t
idle_seconds(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct ks_info info;

    ck_assert_int_eq(ks_stat(f.t, &key, KS_PEEK, &info), KS_OK);
    return info.idle_s;
}

/* Seconds in which nothing happens but maintenance. */
static void
pass(unsigned *second, unsigned n)
{
    for (unsigned i = 0; i < 4 * n; i++) {
        clock_fake(NOW_MS + 1000 * *second + 250 * (i + 1));
        ks_maintain(f.t);
    }
    *second += n;
}

START_TEST(idle_time_goes_on_without_accesses)
{
    unsigned second = 0;

    for (int i = 0; i < 100; i++)
        set(&f, "busy", "v");
    set(&f, "k", "v");
    pass(&second, 3);
    ck_assert_uint_ge(idle_seconds("k"), 2);
    ck_assert_uint_le(idle_seconds("k"), 3);
    assert_value(&f, "k", "v");
    ck_assert_uint_le(idle_seconds("k"), 1);
    pass(&second, 10);
    ck_assert_uint_ge(idle_seconds("k"), 9);
    ck_assert_uint_le(idle_seconds("k"), 10);
    ck_assert_uint_ge(idle_seconds("busy"), 10);
    ck_assert_uint_le(idle_seconds("busy"), 13);
}
END_TEST

START_TEST(a_long_pause_is_seen_whole)
{
    unsigned second = 0;

    set(&f, "before", "v");
    pass(&second, 500);
    set(&f, "after", "v");
    pass(&second, 5);
    ck_assert_uint_ge(idle_seconds("before"), 503);
    ck_assert_uint_le(idle_seconds("before"), 506);
    ck_assert_uint_ge(idle_seconds("after"), 4);
    ck_assert_uint_le(idle_seconds("after"), 6);
}
END_TEST

/* ---- age of evictions, lag of expiry ------------------------------------- */

START_TEST(evictions_count_how_long_items_were_idle)
{
    unsigned second = 0;
    struct ks_metrics m;

    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "key-%d", i);
        set(&f, name, "v");
    }
    pass(&second, 20);
    while (evict_one(f.t, SLAB_MAX_CLASSES))
        ;
    ks_metrics(f.ks, &m);
    ck_assert_uint_gt(m.evicted, 0);
    ck_assert_uint_ge(m.evicted_idle, 19 * m.evicted);
    ck_assert_uint_le(m.evicted_idle, 21 * m.evicted);
}
END_TEST

START_TEST(expiry_counts_how_late_it_was)
{
    struct ks_key key = key_of(&f, "deleted");
    struct ks_metrics m;

    set_until("swept", NOW_MS + 10);
    set_until("deleted", NOW_MS + 1000);
    clock_fake(NOW_MS + 5000);
    ck_assert_int_eq(ks_delete(f.t, &key), KS_MISS);
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.expired, 1);
    ck_assert_uint_eq(m.expired_late, 4000);
    for (int i = 0; i < 100; i++)
        ks_maintain(f.t);
    ks_metrics(f.ks, &m);
    ck_assert_uint_eq(m.expired, 2);
    ck_assert_uint_eq(m.expired_late, 4000 + 4990);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("keyspace/event");
    TCase *c = tcase_create("event");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_test(c, nothing_is_noted_while_nobody_asks);
    tcase_add_test(c, each_change_is_told_in_its_order);
    tcase_add_test(c, that_a_value_gets_a_version_is_no_event);
    tcase_add_test(c, only_wanted_kinds_are_told);
    tcase_add_test(c, an_expired_key_is_told_before_its_successor);
    tcase_add_test(c, keys_of_templates_are_told_whole);
    tcase_add_test(c, sweeping_tells_and_flushing_does_not);
    tcase_add_test(c, evicted_keys_are_told);
    tcase_add_test(c, idle_time_goes_on_without_accesses);
    tcase_add_test(c, a_long_pause_is_seen_whole);
    tcase_add_test(c, evictions_count_how_long_items_were_idle);
    tcase_add_test(c, expiry_counts_how_late_it_was);
    suite_add_tcase(s, c);
    return run_suite(s);
}
