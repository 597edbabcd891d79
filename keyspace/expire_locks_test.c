/* SPDX-License-Identifier: BSD-3-Clause */
/* expire_locks_test.c - items expire while other threads hold the locks of their
 * partitions. Time is driven.
 */
#include "keyspace/testing.h"

#include <pthread.h>

#define N_ITEMS 20000
#define ROUNDS 8 /* one alone finds a lost deadline by luck only */
#define START_MS ((uint64_t)1750000000137)

static struct fixture f;
static struct ks_thread *maintainer;
static _Atomic bool stop;

static void
open_ks(void)
{
    clock_fake(START_MS);
    fixture_open(&f, 64 * MIB);
    maintainer = ks_thread_new(f.ks);
}

static void
close_ks(void)
{
    ks_thread_free(maintainer);
    fixture_close(&f);
    clock_unfake();
}

static uint64_t
items_after(uint64_t ms)
{
    struct ks_db_stats stats;

    clock_fake(START_MS + ms);
    for (unsigned i = 0; i < 200; i++)
        if (ks_maintain(maintainer) == KS_NO_MORE)
            break;
    ks_db_stats(f.ks, 0, &stats);
    return stats.items;
}

static void
name_of(unsigned n, char *name, size_t cap)
{
    snprintf(name, cap, "contended:%u", n);
}

/* Takes the partitions of some items, for moments and for longer, so that some
 * items are met locked. */
static void *
contend(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);
    struct ks_key keys[32];
    char names[ARRAY_LEN(keys)][32];

    (void)arg;
    for (unsigned n = 0; !LOAD(&stop); n++) {
        for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
            name_of((n * 37 + i) % N_ITEMS, names[i], sizeof(*names));
            keys[i] = key_of(&f, names[i]);
        }
        ks_lock(t, keys, ARRAY_LEN(keys));
        for (unsigned pause = n % 64 * 4; pause > 0; pause--)
            cpu_relax();
        ks_unlock(t);
    }
    ks_thread_free(t);
    return NULL;
}

/* An item that was met while its partition was locked is not forgotten. */
START_TEST(all_go_though_others_take_their_locks)
{
    char name[32];
    pthread_t thread;
    uint64_t left = 1;

    for (unsigned n = 0; n < N_ITEMS; n++) {
        struct ks_key key;

        name_of(n, name, sizeof(name));
        key = key_of(&f, name);
        must(ks_set(f.t, &key, STR("value"), START_MS + 1000) == KS_OK);
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, contend, NULL), 0);
    for (uint64_t ms = 1125; ms < 5000; ms += 125)
        (void)items_after(ms);
    STORE(&stop, true);
    pthread_join(thread, NULL);
    /* when nobody is in the way */
    for (uint64_t ms = 5000; left > 0 && ms < 6000; ms += 125)
        left = items_after(ms);
    ck_assert_uint_eq(left, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("expire_locks");
    TCase *c = tcase_create("contended");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, all_go_though_others_take_their_locks, 0, ROUNDS);
    suite_add_tcase(s, c);
    return run_suite(s);
}
