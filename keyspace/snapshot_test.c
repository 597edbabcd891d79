/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot_test.c - several keys read without a lock: which changes are noticed,
 * and, with threads, that what is left is one moment. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#include <pthread.h>

#define N 3
#define ROUNDS 30000
#define ENOUGH_US 5000000 /* for as many rounds as there are till then */

#ifdef ASHLAR_SEQLOCK_LOCKED
#define IS_POSSIBLE false /* all reads take locks */
#else
#define IS_POSSIBLE true
#endif

static struct fixture f;
static struct ks_key keys[N];
static struct ks_snapshot snapshot;
static struct ks_stamp stamps[N];

static void
open_ks(void)
{
    fixture_open(&f, 64 * MIB);
    set(&f, "s:1", "one");
    set(&f, "s:2", "two");
    keys[0] = key_of(&f, "s:1");
    keys[1] = key_of(&f, "s:2");
    keys[2] = key_of(&f, "s:absent");
}

static void
close_ks(void)
{
    fixture_close(&f);
}

static bool
begin(void)
{
    return ks_snapshot_begin(f.t, &snapshot) &&
        ks_snapshot_note(f.t, keys, stamps, N);
}

static bool
end(void)
{
    return ks_snapshot_end(f.t, &snapshot, keys, stamps, N);
}

/* ---- what is noticed ----------------------------------------------------- */

static void
write_over(void)
{
    set(&f, "s:2", "TWO");
}

static void
replace(void)
{
    set(&f, "s:1", "a value that needs another chunk than the one before");
}

static void delete (void)
{
    ck_assert(ks_delete(f.t, &keys[1]) == KS_OK);
}

static void
insert(void)
{
    set(&f, "s:absent", "new");
}

static void
flush(void)
{
    ks_flush(f.t, 0);
}

static void
flush_namespace(void)
{
    ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("s:")), KS_OK);
}

/* The lines of the keys are not touched: a change of others may be half of one
 * that goes on to them. */
static void
change_several(void)
{
    struct ks_key others[2] = {key_of(&f, "x"), key_of(&f, "y")};

    ks_lock(f.t, others, 2);
    ks_unlock(f.t);
}

/* The index grows several times over: all items move. */
static void
grow(void)
{
    char name[32];

    for (unsigned i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "other:%u", i);
        set(&f, name, "x");
    }
}

static void (*const changes[])(void) = {write_over, replace, delete, insert,
    flush, flush_namespace, change_several, grow};

START_TEST(a_change_is_noticed)
{
    ck_assert(begin() == IS_POSSIBLE);
    if (IS_POSSIBLE)
        ck_assert(end());
    changes[_i]();
    ck_assert(!end());
}
END_TEST

START_TEST(nothing_begins_within_a_change_of_several)
{
    ks_lock(f.t, keys, 2);
    ck_assert(!begin());
    ks_unlock(f.t);
    ck_assert(begin() == IS_POSSIBLE);
}
END_TEST

START_TEST(reads_are_no_changes)
{
    struct read_back r = {{0}};

    ck_assert(begin() == IS_POSSIBLE);
    ck_assert(read_value(&f, f.t, &keys[0], &r));
    ck_assert(read_value(&f, f.t, &keys[1], &r));
    ck_assert(!read_value(&f, f.t, &keys[2], &r));
    ck_assert(end() == IS_POSSIBLE);
    buf_free(&r.buf);
}
END_TEST

/* ---- one moment ---------------------------------------------------------- */

static _Atomic bool stop;
static _Atomic unsigned n_written;

static void
write_number(struct ks_thread *t, const char *name, unsigned n)
{
    struct ks_key key = key_of(&f, name);
    char value[16];

    snprintf(value, sizeof(value), "%08u", n);
    if (ks_set(t, &key, str_of(value), KS_NO_EXPIRY) != KS_OK)
        ck_abort_msg("%s is not stored", name);
}

/* One after the other, each on its own: s:1 is never behind s:2, and never ahead
 * by more than one. */
static void *
writer(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);

    (void)arg;
    for (unsigned n = 1; !stop; n++) {
        write_number(t, "s:1", n);
        write_number(t, "s:2", n);
        n_written = n;
    }
    ks_thread_free(t);
    return NULL;
}

static void
read_numbers(unsigned number[2], struct read_back *r)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!read_value(&f, f.t, &keys[i], r))
            ck_abort_msg("a key is missing");
        number[i] = (unsigned)strtoul(r->buf.p, NULL, 10);
    }
}

static void
wait_for_writes(unsigned n)
{
    while (n_written < n)
        sched_yield();
}

/* Until nobody is within a change: a writer that loses its processor there can
 * keep it from us for longer than all rounds take. */
static void
begin_at_last(void)
{
    while (!begin())
        sched_yield();
}

/* s:1 is read first, so what comes in between makes s:2 the newer one. */
START_TEST(what_was_read_is_one_moment)
{
    unsigned number[2], good = 0, changed = 0;
    uint64_t enough_us = clock_read_mono_us() + ENOUGH_US;
    struct read_back r = {{0}};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, writer, NULL), 0);
    wait_for_writes(1);
    for (unsigned i = 0; i < ROUNDS && IS_POSSIBLE; i++) {
        if (changed > 0 && good > 0 && clock_read_mono_us() > enough_us)
            break;
        begin_at_last();
        read_numbers(number, &r);
        if (i % 16 == 0) /* certainly something comes in between */
            wait_for_writes(n_written + 2);
        if (i % 16 == 8) {
            wait_for_writes(n_written + 2);
            (void)read_value(&f, f.t, &keys[1], &r);
            number[1] = (unsigned)strtoul(r.buf.p, NULL, 10);
        }
        if (!end()) {
            changed++;
            continue;
        }
        good++;
        if (number[0] != number[1] && number[0] != number[1] + 1)
            ck_abort_msg("%u beside %u", number[0], number[1]);
    }
    stop = true;
    pthread_join(thread, NULL);
    ck_assert(changed > 0 || !IS_POSSIBLE);
    ck_assert(good > 0 || !IS_POSSIBLE);
    buf_free(&r.buf);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("snapshot");
    TCase *c = tcase_create("snapshot");

    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_loop_test(c, a_change_is_noticed, 0, ARRAY_LEN(changes));
    tcase_add_test(c, nothing_begins_within_a_change_of_several);
    tcase_add_test(c, reads_are_no_changes);
    tcase_add_test(c, what_was_read_is_one_moment);
    suite_add_tcase(s, c);
    return run_suite(s);
}
