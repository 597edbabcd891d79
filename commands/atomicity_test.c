/* SPDX-License-Identifier: BSD-3-Clause */
/* atomicity_test.c - what several workers may rely on when they change the
 * same keys: nothing is lost, nothing happens twice, no value is torn. */
#include "commands/harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define N_WORKERS 4

#ifdef ASHLAR_SEQLOCK_LOCKED /* for ThreadSanitizer, which takes its time */
#define ROUNDS 400
#else
#define ROUNDS 4000
#endif

/* Tokens are numbers below this: worker * ROUNDS + round. */
#define N_TOKENS (N_WORKERS * ROUNDS)

/* A worker's own side of the commands, as the daemon's threads have it. */
struct worker {
    struct harness *h;
    int number;
    struct ks_thread *ks;
    struct command_thread *thread;
    struct session session;
    struct reply reply;
    struct buf out;
    struct buf value; /* of the last bulk */

    uint16_t *taken; /* N_TOKENS: how often this worker got each */
    uint64_t n_won;
};

static struct harness *h;
static struct worker workers[N_WORKERS];

static void
start_worker(struct worker *w, int number)
{
    memset(w, 0, sizeof(*w));
    w->h = h;
    w->number = number;
    w->ks = ks_thread_new(h->ks);
    w->thread = command_thread_new(&h->commands, w->ks, (unsigned)number + 1);
    w->reply.out = &w->out;
    w->taken = xcalloc(N_TOKENS, sizeof(*w->taken));
    session_init(&w->session, (uint64_t)number + 100, &h->commands);
}

static void
stop_worker(struct worker *w)
{
    session_free(&w->session);
    command_thread_free(w->thread);
    ks_thread_free(w->ks);
    free(w->reply.refs);
    free(w->taken);
    buf_free(&w->out);
    buf_free(&w->value);
}

static void
start(void)
{
    h = harness_new();
    for (int i = 0; i < N_WORKERS; i++)
        start_worker(&workers[i], i);
}

static void
stop(void)
{
    for (int i = 0; i < N_WORKERS; i++)
        stop_worker(&workers[i]);
    harness_free(h);
}

typedef void (*round_fn)(struct worker *w, int round);

static round_fn play;
static pthread_barrier_t *meet; /* before each round, if not NULL */

static void *
play_rounds(void *arg)
{
    struct worker *w = arg;

    for (int round = 0; round < ROUNDS; round++) {
        clock_refresh();
        if (meet != NULL)
            pthread_barrier_wait(meet);
        play(w, round);
        ks_thread_poll(w->ks);
    }
    return NULL;
}

/* Let all workers run `fn` for each round, each as fast as it can. */
static void
run_rounds(round_fn fn)
{
    pthread_t threads[N_WORKERS];

    play = fn;
    for (int i = 0; i < N_WORKERS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, play_rounds, &workers[i]), 0);
    for (int i = 0; i < N_WORKERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* The same, all starting each round together. */
static void
run_races(round_fn fn)
{
    pthread_barrier_t barrier;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, N_WORKERS), 0);
    meet = &barrier;
    run_rounds(fn);
    meet = NULL;
    pthread_barrier_destroy(&barrier);
}

/* Run a command; the bytes of its reply are in w->out, but for values in
 * extents. */
static const char *
say(struct worker *w, int n, const struct str *words)
{
    struct resp_arg argv[8];
    struct request rq = {.thread = w->thread,
        .session = &w->session,
        .argv = argv,
        .argc = n,
        .reply = &w->reply};

    ASSERT(n <= (int)ARRAY_LEN(argv));
    for (int i = 0; i < n; i++)
        argv[i] = (struct resp_arg){.p = words[i].p, .len = words[i].len};
    w->out.len = 0;
    w->reply.protocol = 2;
    command_run(&rq);
    *buf_reserve(&w->out, 1) = '\0';
    return w->out.p;
}

#define WORDS_(...)                                                            \
    (const struct str[])                                                       \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define TELL(w, ...)                                                           \
    say((w), (int)(sizeof(WORDS_(__VA_ARGS__)) / sizeof(struct str)),          \
        WORDS_(__VA_ARGS__))

/* The bulk that was the last reply, into w->value; false if it was null. */
static bool
take_bulk(struct worker *w)
{
    char *end;
    long len;

    ASSERT(w->out.p[0] == '$');
    len = strtol(w->out.p + 1, &end, 10);
    if (len < 0)
        return false;
    w->value.len = 0;
    if (w->reply.n_refs == 0) {
        buf_append(&w->value, end + 2, (size_t)len);
        return true;
    }
    ASSERT(w->reply.n_refs == 1 && w->reply.refs[0].len == (size_t)len);
    buf_append(&w->value, w->reply.refs[0].p, (size_t)len);
    extent_unpin(w->h->slab, w->reply.refs[0].extent);
    w->reply.n_refs = 0;
    return true;
}

/* A value that is one token over and over: any mixture of two shows. */
#define DIGITS 8

static void
write_token(char *out, size_t len, int token)
{
    char digits[DIGITS + 1];

    snprintf(digits, sizeof(digits), "%0*d", DIGITS, token);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[i % DIGITS];
}

static int
read_token(struct str value)
{
    int token = 0;

    ASSERT(value.len >= DIGITS);
    for (size_t i = 0; i < DIGITS; i++)
        token = token * 10 + (value.p[i] - '0');
    for (size_t i = DIGITS; i < value.len; i++)
        ASSERT(value.p[i] == value.p[i - DIGITS]);
    return token;
}

static void
count_token(struct worker *w)
{
    int token = read_token((struct str){w->value.p, w->value.len});

    ASSERT(token >= 0 && token < N_TOKENS);
    w->taken[token]++;
}

static unsigned
times_taken(int token)
{
    unsigned n = 0;

    for (int i = 0; i < N_WORKERS; i++)
        n += workers[i].taken[token];
    return n;
}

/* ---- counters ----------------------------------------------------------- */

static void
count_up(struct worker *w, int round)
{
    (void)round;
    TELL(w, STR("INCR"), STR("n"));
    TELL(w, STR("INCRBY"), STR("n"), STR("3"));
    TELL(w, STR("DECRBY"), STR("n"), STR("2"));
    TELL(w, STR("INCRBYFLOAT"), STR("f"), STR("0.5"));
}

/* The value of `key` is this number. */
static void
assert_number(const char *key, int number)
{
    char digits[16], reply[32];
    int len = snprintf(digits, sizeof(digits), "%d", number);

    snprintf(reply, sizeof(reply), "$%d\r\n%s\r\n", len, digits);
    RUN(h, reply, "GET", key);
}

START_TEST(no_increment_is_lost)
{
    run_rounds(count_up);
    assert_number("n", 2 * N_TOKENS);
    assert_number("f", N_TOKENS / 2);
}
END_TEST

static void
append_eight(struct worker *w, int round)
{
    char token[DIGITS];

    if (round >= ROUNDS / 8)
        return;
    write_token(token, sizeof(token), w->number * ROUNDS + round);
    TELL(w, STR("APPEND"), STR("log"), (struct str){token, sizeof(token)});
}

START_TEST(no_append_is_lost_or_split)
{
    const char *reply;

    run_rounds(append_eight);
    reply = strchr(SAY(h, "GET", "log"), '\n') + 1;
    ck_assert_uint_eq(strlen(reply), DIGITS * N_TOKENS / 8 + 2);
    for (int i = 0; i < N_TOKENS / 8; i++) {
        int token = read_token((struct str){reply + i * DIGITS, DIGITS});

        workers[0].taken[token]++;
    }
    for (int i = 0; i < N_TOKENS; i++)
        ck_assert_uint_eq(times_taken(i), i % ROUNDS < ROUNDS / 8);
}
END_TEST

/* ---- values handed from one to the next ---------------------------------- */

static size_t value_len;

/* Put the round's token, take the one that was there. */
static void
swap(struct worker *w, int round)
{
    static _Thread_local char value[20000];
    struct str token = {value, value_len};

    write_token(value, value_len, w->number * ROUNDS + round);
    if (round % 2 == 0)
        TELL(w, STR("GETSET"), STR("k"), token);
    else
        TELL(w, STR("SET"), STR("k"), token, STR("EX"), STR("100"), STR("GET"));
    if (take_bulk(w))
        count_token(w);
    if (round % 2 == 0) {
        if (round % 4 == 0)
            TELL(w, STR("GETDEL"), STR("k"));
        else
            TELL(w, STR("GETEX"), STR("k"), STR("EXAT"), STR("1"));
        if (take_bulk(w))
            count_token(w);
    }
}

static void
assert_each_token_was_taken_once(void)
{
    TELL(&workers[0], STR("GETDEL"), STR("k"));
    if (take_bulk(&workers[0]))
        count_token(&workers[0]);
    for (int i = 0; i < N_TOKENS; i++)
        ck_assert_msg(
            times_taken(i) == 1, "token %d: %u times", i, times_taken(i));
}

START_TEST(every_value_is_handed_over_once)
{
    value_len = 24;
    run_rounds(swap);
    assert_each_token_was_taken_once();
}
END_TEST

START_TEST(every_large_value_is_handed_over_once)
{
    value_len = 20000;
    run_rounds(swap);
    assert_each_token_was_taken_once();
}
END_TEST

static void
read_while_replaced(struct worker *w, int round)
{
    static _Thread_local char value[20000];
    size_t len = round % 3 == 0 ? sizeof(value) : 16 + (size_t)round % 4000;

    if (w->number % 2 == 0) {
        write_token(value, len, w->number * ROUNDS + round);
        TELL(w, STR("SET"), STR("k"), (struct str){value, len});
        return;
    }
    if (round % 2 == 0)
        TELL(w, STR("GET"), STR("k"));
    else
        TELL(w, STR("GETEX"), STR("k"), STR("EX"), STR("1000"));
    if (take_bulk(w))
        count_token(w);
}

START_TEST(no_reader_sees_a_torn_value)
{
    run_rounds(read_while_replaced);
}
END_TEST

/* ---- conditions ---------------------------------------------------------- */

/* The two keys of a round, of which all that is asked is that they agree. */
struct pair {
    char one[16], two[16];
};

static struct pair
pair_of(int round)
{
    struct pair pair;

    snprintf(pair.one, sizeof(pair.one), "a%d", round);
    snprintf(pair.two, sizeof(pair.two), "b%d", round);
    return pair;
}

static void
assert_pairs_agree(void)
{
    char value[32];

    for (int round = 0; round < ROUNDS; round++) {
        struct pair pair = pair_of(round);

        snprintf(value, sizeof(value), "%s", SAY(h, "GET", pair.one));
        RUN(h, value, "GET", pair.two);
    }
}

/* All workers try for the same keys in each round. */
static void
race_for_pair(struct worker *w, int round)
{
    struct pair pair = pair_of(round);
    struct str a = str_of(pair.one), b = str_of(pair.two);
    char me[2] = {(char)('0' + w->number), '\0'};
    const char *reply;

    if (w->number % 2 == 0)
        reply = TELL(w, STR("MSETNX"), a, str_of(me), b, str_of(me));
    else
        reply = TELL(w, STR("MSETNX"), b, str_of(me), a, str_of(me));
    w->n_won += strcmp(reply, ":1\r\n") == 0;
}

static void
race_for_key(struct worker *w, int round)
{
    struct pair pair = pair_of(round);
    struct str a = str_of(pair.one);
    const char *reply;

    if (w->number % 2 == 0)
        reply = TELL(w, STR("SETNX"), a, STR("v"));
    else
        reply = TELL(w, STR("SET"), a, STR("v"), STR("NX"));
    w->n_won += strcmp(reply, ":1\r\n") == 0 || strcmp(reply, "+OK\r\n") == 0;
}

static uint64_t
races_won(void)
{
    uint64_t n = 0;

    for (int i = 0; i < N_WORKERS; i++)
        n += workers[i].n_won;
    return n;
}

START_TEST(one_worker_wins_a_key)
{
    run_races(race_for_key);
    ck_assert_uint_eq(races_won(), ROUNDS);
}
END_TEST

START_TEST(one_worker_wins_both_keys)
{
    run_races(race_for_pair);
    ck_assert_uint_eq(races_won(), ROUNDS);
    assert_pairs_agree();
}
END_TEST

static void
set_pair(struct worker *w, int round)
{
    struct pair pair = pair_of(round);
    struct str a = str_of(pair.one), b = str_of(pair.two);
    char me[2] = {(char)('0' + w->number), '\0'};

    if (w->number % 2 == 0)
        TELL(w, STR("MSET"), a, str_of(me), b, str_of(me));
    else
        TELL(w, STR("MSET"), b, str_of(me), a, str_of(me));
}

START_TEST(pairs_set_together_agree)
{
    run_races(set_pair);
    assert_pairs_agree();
}
END_TEST

/* Two workers set both keys, two delete both. */
static void
set_or_delete_both(struct worker *w)
{
    const char *reply;

    if (w->number == 0) {
        TELL(w, STR("MSET"), STR("x"), STR("1"), STR("y"), STR("1"));
        return;
    }
    if (w->number == 1) {
        TELL(w, STR("MSETNX"), STR("y"), STR("1"), STR("x"), STR("1"));
        return;
    }
    reply = TELL(w, STR("DEL"), STR("y"), STR("a"), STR("b"), STR("c"),
        STR("d"), STR("e"), STR("x"));
    ASSERT(strcmp(reply, ":2\r\n") == 0 || strcmp(reply, ":0\r\n") == 0);
}

/* The moment between the two keys is short: many tries. */
static void
set_or_delete_often(struct worker *w, int round)
{
    (void)round;
    for (int i = 0; i < 30; i++)
        set_or_delete_both(w);
}

START_TEST(there_is_never_one_without_the_other)
{
    run_rounds(set_or_delete_often);
}
END_TEST

/* ---- scripts ------------------------------------------------------------- */

#ifdef HAVE_LUA

#define ACCOUNTS 4

static const struct str accounts[ACCOUNTS] = {
    STR("acc:0"), STR("acc:1"), STR("acc:2"), STR("acc:3")};

static void
move_or_count(struct worker *w, int round)
{
    static const struct str move = STR("redis.call('decrby',KEYS[1],ARGV[1]) "
                                       "redis.call('incrby',KEYS[2],ARGV[1])");
    static const struct str count =
        STR("local sum=0 for i,k in ipairs(KEYS) do "
            "sum=sum+redis.call('get',k) end "
            "return sum");
    int from = (w->number + round) % ACCOUNTS;
    const char *reply;

    if (round % 8 != 0) {
        TELL(w, STR("EVAL"), move, STR("2"), accounts[from],
            accounts[(from + 1 + round / 8 % 3) % ACCOUNTS], STR("3"));
        return;
    }
    reply = TELL(w, round % 16 != 0 ? STR("EVAL") : STR("EVAL_RO"), count,
        STR("4"), accounts[3], accounts[1], accounts[0], accounts[2]);
    ASSERT(strcmp(reply, ":4000\r\n") == 0);
}

START_TEST(a_script_is_one_change)
{
    for (int i = 0; i < ACCOUNTS; i++)
        TELL(&workers[0], STR("SET"), accounts[i], STR("1000"));
    run_rounds(move_or_count);
}
END_TEST

#define MAYBE_SCRIPTS a_script_is_one_change,
#else
#define MAYBE_SCRIPTS
#endif

HARNESS_MAIN("atomicity", start, stop, MAYBE_SCRIPTS no_increment_is_lost,
    no_append_is_lost_or_split, every_value_is_handed_over_once,
    every_large_value_is_handed_over_once, no_reader_sees_a_torn_value,
    one_worker_wins_a_key, one_worker_wins_both_keys, pairs_set_together_agree,
    there_is_never_one_without_the_other)
