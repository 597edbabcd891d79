/* SPDX-License-Identifier: BSD-3-Clause */
/* transaction_test.c - MULTI to EXEC, what a watch notices, and what several
 * workers see of each other's transactions. */
#include "commands/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define N_WORKERS 8

#ifdef ASHLAR_SEQLOCK_LOCKED /* for ThreadSanitizer, which takes its time */
#define ROUNDS 100
#else
#define ROUNDS 1000
#endif

/* ---- one client ---------------------------------------------------------- */

START_TEST(exec_runs_what_was_queued)
{
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "a", "1");
    RUN(h, "+QUEUED\r\n", "INCR", "a");
    RUN(h, "+QUEUED\r\n", "GETSET", "a", "x");
    RUN(h, "+QUEUED\r\n", "MSET", "b", "2", "c", "3");
    RUN(h, "+QUEUED\r\n", "MGET", "a", "b", "nope");
    RUN(h, "+QUEUED\r\n", "INCR", "a");
    RUN(h, "+QUEUED\r\n", "DEL", "a", "b", "c");
    harness_switch(h, 1);
    RUN(h, ":0\r\n", "EXISTS", "a", "b", "c");
    harness_switch(h, 0);
    RUN(h,
        "*7\r\n+OK\r\n:2\r\n$1\r\n2\r\n+OK\r\n*3\r\n$1\r\nx\r\n$1\r\n2\r\n"
        "$-1\r\n-ERR value is not an integer or out of range\r\n:3\r\n",
        "EXEC");
    RUN(h, "-ERR EXEC without MULTI\r\n", "EXEC");
}
END_TEST

START_TEST(commands_over_all_keys_run_inside)
{
    RUN(h, "+OK\r\n", "SET", "old", "1");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "FLUSHALL");
    RUN(h, "+QUEUED\r\n", "MSET", "k", "1", "k", "2");
    RUN(h, "+QUEUED\r\n", "DBSIZE");
    RUN(h, "+QUEUED\r\n", "KEYS", "*");
    RUN(h, "+QUEUED\r\n", "RANDOMKEY");
    RUN(h, "+QUEUED\r\n", "SCAN", "0");
    RUN(h,
        "*6\r\n+OK\r\n+OK\r\n:1\r\n*1\r\n$1\r\nk\r\n$1\r\nk\r\n"
        "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n",
        "EXEC");
}
END_TEST

START_TEST(a_select_inside_moves_what_follows)
{
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "k", "0");
    RUN(h, "+QUEUED\r\n", "SELECT", "3");
    RUN(h, "+QUEUED\r\n", "MSET", "k", "3", "l", "3");
    RUN(h, "+QUEUED\r\n", "SELECT", "99");
    RUN(h, "+QUEUED\r\n", "MGET", "k", "l");
    RUN(h,
        "*5\r\n+OK\r\n+OK\r\n+OK\r\n-ERR DB index is out of range\r\n"
        "*2\r\n$1\r\n3\r\n$1\r\n3\r\n",
        "EXEC");
    RUN(h, "$1\r\n3\r\n", "GET", "k");
}
END_TEST

START_TEST(an_error_while_queueing_aborts)
{
    static const char aborted[] =
        "-EXECABORT Transaction discarded because of previous errors.\r\n";

    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "a", "1");
    RUN(h, "-ERR wrong number of arguments for 'set' command\r\n", "SET", "a");
    RUN(h, "+QUEUED\r\n", "SET", "b", "1");
    RUN(h, aborted, "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    ck_assert_ptr_nonnull(strstr(SAY(h, "NOPE"), "-ERR unknown command"));
    RUN(h, aborted, "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "-ERR Command not allowed inside a transaction\r\n", "SHUTDOWN");
    RUN(h, aborted, "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    session_command_lost(h->session);
    RUN(h, aborted, "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h,
        "-EXECABORT Transaction discarded because of: wrong number of "
        "arguments for 'exec' command\r\n",
        "EXEC", "x");
    RUN(h, ":0\r\n", "EXISTS", "a", "b");
}
END_TEST

START_TEST(wrong_uses_do_not_abort)
{
    RUN(h, "-ERR DISCARD without MULTI\r\n", "DISCARD");
    RUN(h, "-ERR EXEC without MULTI\r\n", "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "-ERR MULTI calls can not be nested\r\n", "MULTI");
    RUN(h, "-ERR WATCH inside MULTI is not allowed\r\n", "WATCH", "a");
    RUN(h, "+QUEUED\r\n", "UNWATCH");
    RUN(h, "+QUEUED\r\n", "PING");
    RUN(h, "*2\r\n+OK\r\n+PONG\r\n", "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "*0\r\n", "EXEC");
}
END_TEST

START_TEST(discard_and_reset_forget)
{
    RUN(h, "+OK\r\n", "WATCH", "a");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "a", "1");
    ck_assert_ptr_nonnull(strstr(SAY(h, "DISCARD"), "+OK"));
    ck_assert_uint_eq(session_memory(h->session).heap, 0);
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "a", "1");
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "-ERR EXEC without MULTI\r\n", "EXEC");
    RUN(h, ":0\r\n", "EXISTS", "a");
}
END_TEST

START_TEST(a_large_argument_is_kept_or_released)
{
    static char large[100000];
    struct str value = {large, sizeof(large)};
    const char *const words[] = {"SET", "k"};

    memset(large, 'v', sizeof(large));
    for (int i = 0; i < 2; i++) {
        RUN(h, "+OK\r\n", "MULTI");
        ck_assert_str_eq(
            harness_say_extent(h, words, 2, value), "+QUEUED\r\n");
        ck_assert_uint_ge(session_memory(h->session).extents, sizeof(large));
        if (i == 0)
            RUN(h, "+OK\r\n", "DISCARD");
        else
            RUN(h, "*1\r\n+OK\r\n", "EXEC");
    }
    RUN(h, ":100000\r\n", "STRLEN", "k");
    /* and when the connection goes: harness_free() looks for lost extents */
    RUN(h, "+OK\r\n", "MULTI");
    ck_assert_str_eq(harness_say_extent(h, words, 2, value), "+QUEUED\r\n");
}
END_TEST

START_TEST(client_list_shows_the_queue)
{
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "INFO"), " multi=-1 "));
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "a", "1");
    harness_switch(h, 1);
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "LIST"), " flags=x "));
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "LIST"), " multi=1 "));
    ck_assert_ptr_null(strstr(SAY(h, "CLIENT", "LIST", "ID", "1"), "mem=0 r"));
    harness_switch(h, 0);
    RUN(h, "*1\r\n+OK\r\n", "EXEC");
    ck_assert_ptr_nonnull(strstr(SAY(h, "CLIENT", "INFO"), " multi=-1 "));
}
END_TEST

START_TEST(resp3_and_client_reply)
{
    harness_protocol(h, 3);
    RUN(h, "+OK\r\n", "WATCH", "a");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "GET", "a");
    RUN(h, "*1\r\n_\r\n", "EXEC");
    RUN(h, "+OK\r\n", "SET", "a", "1");
    RUN(h, "+OK\r\n", "WATCH", "a");
    RUN(h, "+OK\r\n", "SET", "a", "1");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "_\r\n", "EXEC");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "CLIENT", "REPLY", "OFF");
    RUN(h, "", "EXEC");
    RUN(h, "", "GET", "a");
    RUN(h, "+OK\r\n", "CLIENT", "REPLY", "ON");
}
END_TEST

START_TEST(a_full_memory_without_eviction_aborts)
{
    static char value[10000];
    struct str set[] = {STR("SET"), {NULL, 0}, {value, sizeof(value)}};
    const char *reply = "";

    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory-policy", "noeviction");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "a", "1");
    harness_switch(h, 1);
    for (int i = 0; *reply != '-'; i++) {
        char name[16];

        set[1] =
            (struct str){name, (size_t)snprintf(name, sizeof(name), "%d", i)};
        reply = harness_run(h, set, 3);
    }
    harness_switch(h, 0);
    RUN(h,
        "-EXECABORT Transaction discarded because of: OOM command not allowed "
        "when used memory > 'maxmemory'.\r\n",
        "EXEC");
}
END_TEST

/* ---- watches ------------------------------------------------------------- */

/* Run one command line, split at spaces, in session 1. */
static void
other(const char *line)
{
    char *copy = xstrdup(line), *save = NULL;
    const char *words[12];
    int n = 0;

    for (char *w = strtok_r(copy, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    harness_switch(h, 1);
    ck_assert_msg(*harness_say(h, words, n) != '-', "%s", line);
    harness_switch(h, 0);
    free(copy);
}

/* "k" is `before` (SET k ... , or nothing); does `line` fail the EXEC? */
static void
watch_sees(const char *before, const char *line, bool seen)
{
    RUN(h, "+OK\r\n", "FLUSHALL");
    if (before != NULL)
        other(before);
    RUN(h, "+OK\r\n", "WATCH", "k", "k");
    other(line);
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "PING");
    ck_assert_msg(
        strcmp(SAY(h, "EXEC"), seen ? "*-1\r\n" : "*1\r\n+PONG\r\n") == 0,
        "%s", line);
}

START_TEST(every_change_of_a_watched_key_is_seen)
{
    static const char *const changes[] = {"SET k 1", "SET k 1 XX",
        "SET k 1 KEEPTTL", "GETSET k 1", "MSET j 1 k 1", "INCR k", "DECR k",
        "APPEND k x", "SETRANGE k 1 x", "SETEX k 100 1", "GETDEL k", "DEL k",
        "DEL j k", "UNLINK k", "EXPIRE k 100", "EXPIREAT k 1", "PEXPIRE k 10",
        "GETEX k EX 100", "FLUSHALL", "FLUSHDB", "INCRBYFLOAT k 1"};

    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        watch_sees("SET k 1", changes[i], true);
    watch_sees("SET k 1 EX 100", "PERSIST k", true);
    watch_sees("SET k 1 EX 100", "EXPIRE k 200", true);
    watch_sees(
        "SET k 1 PXAT 33000000000000", "GETEX k PXAT 33000000000000", true);
    watch_sees(NULL, "SET k 1", true);
    watch_sees(NULL, "SETNX k 1", true);
    watch_sees(NULL, "MSETNX j 1 k 1", true);
}
END_TEST

START_TEST(every_change_of_a_watched_hash_is_seen)
{
    static const char *const changes[] = {"HSET k a 1", "HSET k b 1",
        "HMSET k a 1", "HSETNX k b 1", "HDEL k a", "HDEL k a c",
        "HINCRBY k a 0", "HINCRBYFLOAT k a 1", "HEXPIRE k 10 FIELDS 1 a",
        "HEXPIRE k 0 FIELDS 1 a", "HPERSIST k FIELDS 1 c",
        "HGETEX k EX 10 FIELDS 1 a", "HSETEX k FIELDS 1 a 1",
        "HGETDEL k FIELDS 1 a", "EXPIRE k 100", "SET k x", "RENAME k j",
        "DEL k"};
    static const char *const others[] = {"HGETALL k", "HSETNX k a 1",
        "HDEL k b", "HEXPIRE k 10 XX FIELDS 1 c", "HPERSIST k FIELDS 1 a",
        "HGETEX k FIELDS 1 a", "HGETEX k PERSIST FIELDS 1 a",
        "HSETEX k FNX FIELDS 1 a 1", "HGETDEL k FIELDS 1 b"};

    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        watch_sees("HSETEX k EX 100 FIELDS 2 a 1 c 1", changes[i], true);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        watch_sees("HSET k a 1 c 1", others[i], false);
    watch_sees(NULL, "HSET k a 1", true);
    watch_sees(NULL, "HDEL k a", false);
}
END_TEST

START_TEST(what_changes_nothing_is_not_seen)
{
    static const char *const others[] = {"GET k", "MGET k j", "TOUCH k",
        "GETEX k", "SET k 1 NX", "SETNX k 2", "PERSIST k", "TTL k", "SET j 1",
        "DEL j", "EXPIRE j 1", "STRLEN k"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        watch_sees("SET k 1", others[i], false);
    watch_sees(NULL, "DEL k", false);
    watch_sees(NULL, "FLUSHALL", false);
    watch_sees(NULL, "EXPIRE k 1", false);
}
END_TEST

START_TEST(other_keys_of_every_partition_are_not_seen)
{
    RUN(h, "+OK\r\n", "SET", "k", "1");
    RUN(h, "+OK\r\n", "WATCH", "k", "absent");
    for (int i = 0; i < 5000; i++) {
        char line[32];

        snprintf(line, sizeof(line), "SET key:%d x", i);
        other(line);
    }
    other("SELECT 1");
    other("SET k 2");
    other("FLUSHDB");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "GET", "k");
    RUN(h, "*1\r\n$1\r\n1\r\n", "EXEC");
}
END_TEST

START_TEST(a_value_that_comes_back_is_seen)
{
    RUN(h, "+OK\r\n", "SET", "k", "1");
    RUN(h, "+OK\r\n", "WATCH", "k");
    other("DEL k");
    other("SET k 1");
    RUN(h, "+OK\r\n", "WATCH", "k");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "*-1\r\n", "EXEC");
    RUN(h, "+OK\r\n", "WATCH", "k");
    other("SET k 2");
    RUN(h, "+OK\r\n", "UNWATCH");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "*0\r\n", "EXEC");
}
END_TEST

/* A key that expires between WATCH and EXEC fails it, whether or not somebody
 * has removed it meanwhile, but not if it had expired before. */
START_TEST(an_expiry_is_seen_once)
{
    uint64_t now_ms = 1700000000000;

    clock_fake(now_ms);
    for (int removed = 0; removed < 2; removed++) {
        RUN(h, "+OK\r\n", "SET", "k", "1", "PX", "100");
        RUN(h, "+OK\r\n", "WATCH", "k");
        clock_fake(now_ms += 200);
        if (removed)
            other("GET k");
        RUN(h, "+OK\r\n", "MULTI");
        RUN(h, "*-1\r\n", "EXEC");

        RUN(h, "+OK\r\n", "SET", "k", "1", "PX", "100");
        clock_fake(now_ms += 200);
        RUN(h, "+OK\r\n", "WATCH", "k");
        if (removed)
            other("GET k");
        RUN(h, "+OK\r\n", "MULTI");
        RUN(h, "*0\r\n", "EXEC");
    }
    clock_unfake();
}
END_TEST

START_TEST(an_eviction_is_seen)
{
    static char value[10000];
    struct str set[] = {STR("SET"), {NULL, 0}, {value, sizeof(value)}};

    set[1] = STR("k");
    ck_assert_str_eq(harness_run(h, set, 3), "+OK\r\n");
    RUN(h, "+OK\r\n", "WATCH", "k");
    harness_switch(h, 1);
    for (int i = 0; i < 100000; i++) {
        char name[16];

        set[1] =
            (struct str){name, (size_t)snprintf(name, sizeof(name), "%d", i)};
        ck_assert_str_eq(harness_run(h, set, 3), "+OK\r\n");
        if (i % 100 == 0 && strcmp(SAY(h, "TTL", "k"), ":-2\r\n") == 0)
            break;
    }
    RUN(h, ":0\r\n", "EXISTS", "k");
    harness_switch(h, 0);
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "*-1\r\n", "EXEC");
}
END_TEST

/* ---- several workers ----------------------------------------------------- */

struct worker {
    int number;
    struct ks_thread *ks;
    struct command_thread *thread;
    struct session session;
    struct reply reply;
    struct buf out;
    uint64_t seen; /* of the watcher: EXECs that failed */
};

static const char *
say(struct worker *w, const char *const *words, int n)
{
    struct resp_arg argv[8];
    struct request rq = {.thread = w->thread,
        .session = &w->session,
        .argv = argv,
        .argc = n,
        .reply = &w->reply};

    for (int i = 0; i < n; i++)
        argv[i] = (struct resp_arg){.p = words[i], .len = strlen(words[i])};
    w->out.len = 0;
    command_run(&rq);
    buf_append(&w->out, "", 1);
    w->out.len--;
    return w->out.p;
}

#define W(w, ...) say((w), HARNESS_WORDS_(__VA_ARGS__))

/* The number in the last bulk of the last reply. */
static long
last_number(const struct worker *w)
{
    size_t at = w->out.len - 2;

    while (at > 0 && w->out.p[at - 1] != '\n')
        at--;
    return strtol(w->out.p + at, NULL, 10);
}

/* Transfers between two accounts inside MULTI; the others read both. */
static void
play_transfers(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++) {
        long a = 0, b = 0;

        if (w->number % 2 == 0) {
            W(w, "MULTI");
            W(w, "DECRBY", "account:a", "7");
            W(w, "INCRBY", "account:b", "7");
            ck_assert_int_eq(W(w, "EXEC")[0], '*');
        } else if (w->number % 4 == 1) {
            W(w, "MGET", "account:a", "account:b");
            ck_assert_int_eq(
                sscanf(w->out.p, "*2 $%*d %ld $%*d %ld", &a, &b), 2);
            ck_assert_int_eq(a + b, 1000000);
        } else {
            W(w, "MULTI");
            W(w, "GET", "account:a");
            W(w, "GET", "account:b");
            W(w, "EXEC");
            ck_assert_int_eq(
                sscanf(w->out.p, "*2 $%*d %ld $%*d %ld", &a, &b), 2);
            ck_assert_int_eq(a + b, 1000000);
        }
    }
}

/* EXEC counts both up; read one after the other, the second is never behind
 * the first. */
static void
play_pairs(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++) {
        long first;

        if (w->number == 0) {
            W(w, "MULTI");
            W(w, "INCR", "account:a");
            W(w, "INCR", "account:b");
            W(w, "EXEC");
            continue;
        }
        W(w, "GET", w->number % 2 ? "account:a" : "account:b");
        first = last_number(w);
        W(w, "GET", w->number % 2 ? "account:b" : "account:a");
        ck_assert_int_ge(last_number(w), first);
    }
}

/* Read, add one, write, as often as it takes. */
static void
play_increments(struct worker *w)
{
    for (int done = 0; done < ROUNDS / 4;) {
        char next[32];

        W(w, "WATCH", "counter");
        W(w, "GET", "counter");
        snprintf(next, sizeof(next), "%ld", last_number(w) + 1);
        W(w, "MULTI");
        W(w, "SET", "counter", next);
        if (strcmp(W(w, "EXEC"), "*-1\r\n") != 0)
            done++;
        else
            w->seen++;
        ks_thread_poll(w->ks);
    }
}

static void (*play)(struct worker *w);

static void *
run_worker(void *arg)
{
    clock_refresh();
    play(arg);
    return NULL;
}

static void
run_workers(void (*fn)(struct worker *w))
{
    static struct worker workers[N_WORKERS];
    pthread_t threads[N_WORKERS];

    play = fn;
    for (int i = 0; i < N_WORKERS; i++) {
        struct worker *w = &workers[i];

        *w = (struct worker){.number = i, .ks = ks_thread_new(h->ks)};
        w->thread = command_thread_new(&h->commands, w->ks, (unsigned)i + 1);
        w->reply.out = &w->out;
        session_init(&w->session, (uint64_t)i + 100, &h->commands);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_worker, w), 0);
    }
    for (int i = 0; i < N_WORKERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < N_WORKERS; i++) {
        session_free(&workers[i].session);
        command_thread_free(workers[i].thread);
        ks_thread_free(workers[i].ks);
        free(workers[i].reply.refs);
        buf_free(&workers[i].out);
    }
}

START_TEST(transfers_neither_make_nor_lose_money)
{
    RUN(h, "+OK\r\n", "MSET", "account:a", "500000", "account:b", "500000");
    run_workers(play_transfers);
}
END_TEST

START_TEST(two_reads_never_see_half_a_transaction)
{
    RUN(h, "+OK\r\n", "MSET", "account:a", "100", "account:b", "100");
    run_workers(play_pairs);
}
END_TEST

START_TEST(watched_increments_add_up)
{
    char expected[32];

    RUN(h, "+OK\r\n", "SET", "counter", "0");
    run_workers(play_increments);
    snprintf(expected, sizeof(expected), "%d", N_WORKERS * (ROUNDS / 4));
    ck_assert_ptr_nonnull(strstr(SAY(h, "GET", "counter"), expected));
}
END_TEST

HARNESS_MAIN("transaction", start_with_two, stop, exec_runs_what_was_queued,
    commands_over_all_keys_run_inside, a_select_inside_moves_what_follows,
    an_error_while_queueing_aborts, wrong_uses_do_not_abort,
    discard_and_reset_forget, a_large_argument_is_kept_or_released,
    client_list_shows_the_queue, resp3_and_client_reply,
    a_full_memory_without_eviction_aborts,
    every_change_of_a_watched_key_is_seen,
    every_change_of_a_watched_hash_is_seen, what_changes_nothing_is_not_seen,
    other_keys_of_every_partition_are_not_seen, a_value_that_comes_back_is_seen,
    an_expiry_is_seen_once, an_eviction_is_seen,
    transfers_neither_make_nor_lose_money,
    two_reads_never_see_half_a_transaction, watched_increments_add_up)
