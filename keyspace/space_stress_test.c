/* SPDX-License-Identifier: BSD-3-Clause */
/* space_stress_test.c - flushes of namespaces and databases against readers and
 * writers on other threads.
 *
 * Values are generations: the flusher raises the one that writers use, and
 * flushes. Who begins to read afterwards must see none that was written before
 * the flush began. Writers of several keys write one number under all of them:
 * none of them may be seen without the others. */
#include "keyspace/internal.h"
#include "keyspace/testing.h"

#include <pthread.h>
#include <sched.h>

#define LIMIT (64 * MIB)
#define N_KEYS 500
#define ROUNDS 150

static struct fixture f;
static _Atomic uint64_t generation = 1; /* that writers write */
static _Atomic uint64_t flushed;        /* all below have been flushed */
static _Atomic bool stop;
static _Atomic uint64_t n_reads, n_hits, n_multi;

static struct ks_key
numbered(char *name, size_t size, const char *format, unsigned i)
{
    snprintf(name, size, format, i);
    return ks_key(f.ks, 0, str_of(name));
}

static unsigned
next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (unsigned)(*x >> 33);
}

static void
write_number(struct ks_thread *t, const struct ks_key *key, uint64_t n)
{
    struct str value = {(const char *)&n, sizeof(n)};

    ck_assert_int_eq(ks_set(t, key, value, KS_NO_EXPIRY), KS_OK);
}

/* 0: not there. */
static uint64_t
read_number(struct ks_thread *t, const struct ks_key *key, struct buf *buf)
{
    struct read_back r = {*buf};
    uint64_t n = 0;

    if (read_value(&f, t, key, &r))
        memcpy(&n, r.buf.p, sizeof(n));
    *buf = r.buf;
    return n;
}

#define N_WRITERS 2
static _Atomic uint64_t busy[N_WRITERS]; /* what each is writing; 0: nothing */
static _Atomic uint64_t flushes_begun, flushes_ended;

/* Writers have keys of their own: what one has written is there until the next
 * flush begins. */
static void *
writer(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t x = me + 1;
    struct buf buf = {0};
    char name[64];

    while (!stop) {
        struct ks_key key = numbered(name, sizeof(name), "user:%06u:profile",
            next(&x) % (N_KEYS / N_WRITERS) * N_WRITERS + me);
        uint64_t ended = flushes_ended, begun = flushes_begun, n;

        do {
            n = generation;
            busy[me] = n;
        } while (n != generation);
        write_number(t, &key, n);
        busy[me] = 0;
        if (begun == ended && read_number(t, &key, &buf) != n)
            ck_assert_uint_ne(flushes_begun, begun);
        ks_thread_poll(t);
    }
    buf_free(&buf);
    ks_thread_free(t);
    return NULL;
}

/* Until nobody writes a generation below. */
static void
wait_for_writers(uint64_t below)
{
    for (unsigned i = 0; i < N_WRITERS; i++)
        while (busy[i] != 0 && busy[i] < below)
            sched_yield();
}

/* Keys are made long before they are used, as by a batch. */
static void *
reader(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);
    uint64_t x = (uintptr_t)arg + 1;
    struct buf buf = {0};
    char name[16][64];
    struct ks_key keys[16];

    while (!stop) {
        for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
            keys[i] = numbered(name[i], sizeof(name[i]), "user:%06u:profile",
                next(&x) % N_KEYS);
        for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
            uint64_t least = flushed;
            uint64_t n = read_number(t, &keys[i], &buf);

            ck_assert_msg(n == 0 || n >= least, "saw %llu after %llu",
                (unsigned long long)n, (unsigned long long)least);
            n_hits += n != 0;
            n_reads++;
        }
    }
    buf_free(&buf);
    ks_thread_free(t);
    return NULL;
}

#define GROUP 4

/* MSET and DEL of groups of keys, of two namespaces. */
static void *
group_writer(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);
    uint64_t x = (uintptr_t)arg + 1;
    char name[GROUP][64];
    struct ks_key keys[GROUP];

    while (!stop) {
        unsigned g = next(&x) % 50;
        uint64_t n = next(&x) | 1;

        for (unsigned i = 0; i < GROUP; i++)
            keys[i] = numbered(name[i], sizeof(name[i]), "group:%06u",
                g * GROUP + i);
        ks_lock(t, keys, GROUP);
        for (unsigned i = 0; i < GROUP; i++)
            write_number(t, &keys[i], n);
        ks_unlock(t);
    }
    ks_thread_free(t);
    return NULL;
}

static void *
group_reader(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);
    uint64_t x = (uintptr_t)arg + 1;
    struct buf buf = {0};
    char name[GROUP][64];
    struct ks_key keys[GROUP];

    while (!stop) {
        unsigned g = next(&x) % 50;
        uint64_t first;

        for (unsigned i = 0; i < GROUP; i++)
            keys[i] = numbered(name[i], sizeof(name[i]), "group:%06u",
                g * GROUP + i);
        ks_lock_to_read(t, keys, GROUP);
        first = read_number(t, &keys[0], &buf);
        for (unsigned i = 1; i < GROUP; i++)
            ck_assert_uint_eq(read_number(t, &keys[i], &buf), first);
        ks_unlock(t);
        n_multi += first != 0;
    }
    buf_free(&buf);
    ks_thread_free(t);
    return NULL;
}

static void *
maintainer(void *arg)
{
    struct ks_thread *t = ks_thread_new(f.ks);

    (void)arg;
    while (!stop) {
        (void)ks_maintain(t);
        ks_thread_poll(t);
    }
    ks_thread_free(t);
    return NULL;
}

static void
flush_one(unsigned round)
{
    switch (round % 8) {
    case 7:
        ks_flush(f.t, round % 16 == 7 ? 0 : KS_ALL_DBS);
        break;
    case 6:
        ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("group:")), KS_OK);
        /* fall through */
    default:
        ck_assert_int_eq(ks_flush_namespace(f.t, 0, STR("user:")), KS_OK);
    }
}

/* All that was written below `before` was written when the flush began. */
static void
flush_rounds(unsigned n)
{
    for (unsigned round = 0; round < n; round++) {
        uint64_t before = generation;

        generation = before + 1;
        flushes_begun++;
        flush_one(round);
        flushes_ended++;
        flushed = before;
        wait_for_writers(before + 1);
        for (unsigned i = 0; i < 5; i++)
            sched_yield();
    }
}

START_TEST(nothing_older_is_seen_after_a_flush)
{
    void *(*const work[])(void *) = {writer, writer, reader, group_writer,
        group_reader, maintainer};
    pthread_t thread[ARRAY_LEN(work)];

    fixture_open(&f, LIMIT);
    f.ks->spaces.few_items = _i == 0 ? 0 : 300;
    if (_i == 2)
        f.options.key_interning = 0;
    for (size_t i = 0; i < ARRAY_LEN(work); i++)
        ck_assert_int_eq(
            pthread_create(&thread[i], NULL, work[i], (void *)i), 0);
    while (n_multi == 0 || n_hits == 0)
        sched_yield();
    flush_rounds(ROUNDS);
    stop = true;
    for (size_t i = 0; i < ARRAY_LEN(work); i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_gt(n_hits, 0);
    fixture_close(&f);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("space stress");
    TCase *c = tcase_create("space stress");

    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, nothing_older_is_seen_after_a_flush, 0, 3);
    suite_add_tcase(s, c);
    return run_suite(s);
}
