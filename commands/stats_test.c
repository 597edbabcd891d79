/* SPDX-License-Identifier: BSD-3-Clause */
/* stats_test.c - counters of several workers, read and reset while they run. */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdlib.h>

#define WORKERS 2
#define ROUNDS 2000

/* A further worker with a session of its own. */
struct worker {
    pthread_t id;
    struct ks_thread *ks;
    struct command_thread *commands;
    struct session session;
    _Atomic bool done;
};

static void
run(struct worker *w, struct reply *r, const char *const *words, int n)
{
    struct resp_arg argv[4];
    struct ks_key keys[REQUEST_PREFETCH_KEYS];
    struct request rq = {.thread = w->commands,
        .session = &w->session,
        .argv = argv,
        .argc = n,
        .reply = r};

    for (int i = 0; i < n; i++)
        argv[i] = (struct resp_arg){.p = words[i], .len = strlen(words[i])};
    r->out->len = 0;
    command_make_keys(&rq, keys);
    command_run(&rq);
}

/* Three good commands and an error a round. */
static void *
work(void *arg)
{
    struct worker *w = arg;
    struct buf out = {0};
    struct reply r = {.out = &out, .protocol = 2};

    for (int i = 0; i < ROUNDS; i++) {
        run(w, &r, (const char *[]){"SET", "k", "v"}, 3);
        run(w, &r, (const char *[]){"GET", "k"}, 2);
        run(w, &r, (const char *[]){"CLIENT", "NO-TOUCH", "OFF"}, 3);
        run(w, &r, (const char *[]){"SELECT", "x"}, 2);
    }
    buf_free(&out);
    w->done = true;
    return NULL;
}

static void
start_worker(struct worker *w, unsigned n)
{
    memset(w, 0, sizeof(*w));
    w->ks = ks_thread_new(h->ks);
    w->commands = command_thread_new(&h->commands, w->ks, n);
    session_init(&w->session, 100 + n, &h->commands);
    ck_assert_int_eq(pthread_create(&w->id, NULL, work, w), 0);
}

static void
free_worker(struct worker *w)
{
    command_thread_free(w->commands);
    ks_thread_free(w->ks);
    session_free(&w->session);
}

static uint64_t
calls_of(const char *name)
{
    struct command_stats *sum = command_stats_sum(&h->commands);
    const struct command *row =
        command_find(h->commands.state->index, str_of(name));
    uint64_t calls = sum->rows[command_id(row)].calls;

    free(sum);
    return calls;
}

START_TEST(counters_of_all_workers_add_up)
{
    struct worker w[WORKERS];
    struct command_metrics sum;

    for (unsigned i = 0; i < WORKERS; i++)
        start_worker(&w[i], 1 + i);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(w[i].id, NULL);
    ck_assert_uint_eq(calls_of("get"), WORKERS * ROUNDS);
    ck_assert_uint_eq(calls_of("select"), WORKERS * ROUNDS);
    command_metrics_sum(&h->commands, &sum);
    ck_assert_uint_eq(sum.commands, 4 * WORKERS * ROUNDS);
    ck_assert_uint_eq(sum.errors, WORKERS * ROUNDS);
    for (unsigned i = 0; i < WORKERS; i++)
        free_worker(&w[i]);
    ck_assert_uint_eq(calls_of("get"), WORKERS * ROUNDS);
    command_metrics_sum(&h->commands, &sum);
    ck_assert_uint_eq(sum.commands, 4 * WORKERS * ROUNDS);
}
END_TEST

START_TEST(sums_never_go_back_while_workers_run)
{
    struct worker w[WORKERS];
    uint64_t last = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        start_worker(&w[i], 1 + i);
    for (unsigned i = 0; i < WORKERS; i++) {
        while (!w[i].done) {
            uint64_t now = calls_of("get");

            ck_assert_uint_ge(now, last);
            last = now;
            ck_assert_ptr_nonnull(
                strstr(SAY(h, "INFO", "everything"), "# Commandstats"));
        }
        pthread_join(w[i].id, NULL);
    }
    ck_assert_uint_eq(calls_of("get"), WORKERS * ROUNDS);
    for (unsigned i = 0; i < WORKERS; i++)
        free_worker(&w[i]);
}
END_TEST

START_TEST(a_reset_loses_no_later_count)
{
    struct worker w;

    start_worker(&w, 1);
    while (!w.done)
        command_stats_reset(&h->commands);
    pthread_join(w.id, NULL);
    command_stats_reset(&h->commands);
    ck_assert_uint_eq(calls_of("get"), 0);
    work(&w);
    ck_assert_uint_eq(calls_of("get"), ROUNDS);
    free_worker(&w);
}
END_TEST

HARNESS_MAIN("stats", start, stop, counters_of_all_workers_add_up,
    sums_never_go_back_while_workers_run, a_reset_loses_no_later_count)
