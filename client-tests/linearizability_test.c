/* SPDX-License-Identifier: BSD-3-Clause */
/* linearizability_test.c - what clients see of each other's commands is what a
 * server would show that does one command at a time.
 *
 * Threads run random commands on a few keys over connections of their own; the
 * history of a round is then searched for an order that explains it, see
 * history.h. The seed of the commands is printed; what overlaps with what is up
 * to the machine. By hand:
 *
 *   ASHLAR_LINEAR_SECONDS=600   as long for each server and kind of command,
 *                               instead of half a second
 *   ASHLAR_LINEAR_SEED=N        the same commands again
 *
 * With a fault between client and server (workload.h) a history must be found
 * out: that is tested for each, and the search itself with small histories.
 */
#include "client-tests/history.h"

#include <pthread.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/spawn.h"
#include "client-tests/workload.h"

#define OPS_PER_THREAD 150

/* How far a worker's clock, read once for a batch, may be behind. */
#define SLACK_S 0.03
#define MS 1000000

/* ---- histories by hand --------------------------------------------------- */

#define OP(thread_, start, end, reply_, ...)                                   \
    {                                                                          \
        .thread = (thread_), .start_ns = (start) * (int64_t)MS,                \
        .end_ns = (end) * (int64_t)MS, .n_steps = 1, .reply = (reply_),        \
        .steps = {                                                             \
            {__VA_ARGS__}                                                      \
        }                                                                      \
    }

static enum verdict
judge(struct op *ops, size_t n, char **why)
{
    struct history h = {.ops = ops, .n_ops = n, .slack_ns = MS};
    enum verdict verdict;
    size_t len;
    FILE *out = open_memstream(why, &len);

    for (size_t i = 0; i < n; i++)
        if (ops[i].keys == 0)
            for (unsigned j = 0; j < ops[i].n_steps; j++)
                ops[i].keys |= step_keys(&ops[i].steps[j]);
    verdict = history_check(&h, out);
    fclose(out);
    return verdict;
}

/* `wrong` is part of the explanation; NULL: there is nothing wrong. */
#define JUDGE(wrong, ...)                                                      \
    do {                                                                       \
        struct op ops_[] = {__VA_ARGS__};                                      \
        const char *wrong_ = (wrong);                                          \
        char *why_;                                                            \
        enum verdict verdict_ = judge(ops_, ARRAY_LEN(ops_), &why_);           \
                                                                               \
        ck_assert_msg(                                                         \
            verdict_ == (wrong_ == NULL ? LINEARIZABLE : NOT_LINEARIZABLE),    \
            "verdict %d: %s", (int)verdict_, why_);                            \
        ck_assert_msg(wrong_ == NULL || strstr(why_, wrong_) != NULL,          \
            "explained by %s", why_);                                          \
        free(why_);                                                            \
    } while (0)

#define GET_K .verb = V_GET
#define SET_K(v) .verb = V_SET, .value = v

START_TEST(a_read_during_a_write_may_see_either_value)
{
    JUDGE(NULL, OP(0, 0, 10, "+OK", SET_K("a")), OP(1, 1, 2, "$-1", GET_K),
        OP(1, 3, 4, "\"a\"", GET_K));
}
END_TEST

START_TEST(a_value_once_read_does_not_go_back)
{
    JUDGE("=>    3000.0    4000.0 us  client 1: GET k0 -> $-1",
        OP(0, 0, 10, "+OK", SET_K("a")), OP(1, 1, 2, "\"a\"", GET_K),
        OP(1, 3, 4, "$-1", GET_K));
}
END_TEST

START_TEST(an_answered_write_is_seen_by_who_comes_later)
{
    JUDGE("client 1: GET k0 -> $-1", OP(0, 0, 1, "+OK", SET_K("a")),
        OP(1, 2, 3, "$-1", GET_K));
}
END_TEST

START_TEST(two_clients_cannot_see_writes_in_different_orders)
{
    JUDGE("client 3: GET k0", OP(0, 0, 20, "+OK", SET_K("a")),
        OP(1, 0, 20, "+OK", SET_K("b")), OP(2, 1, 2, "\"a\"", GET_K),
        OP(2, 3, 4, "\"b\"", GET_K), OP(3, 5, 6, "\"b\"", GET_K),
        OP(3, 7, 8, "\"a\"", GET_K));
}
END_TEST

START_TEST(the_window_begins_after_what_is_settled)
{
    JUDGE("not linearizable; before, with nothing in flight:\n"
          "   k0 is \"b\"\n"
          "call and answer, the unexplained one marked:\n"
          "=>       0.0    1000.0 us  client 1: GET k0 -> \"a\"\n",
        OP(0, 0, 1, "+OK", SET_K("a")), OP(1, 0, 4, "\"a\"", GET_K),
        OP(0, 2, 3, "+OK", SET_K("b")), OP(1, 5, 6, "\"a\"", GET_K),
        OP(0, 7, 8, "\"b\"", GET_K));
}
END_TEST

START_TEST(increments_are_counted_once)
{
#define ADD .verb = V_INCRBY, .delta = 1
    JUDGE(NULL, OP(0, 0, 5, ":2", ADD), OP(1, 0, 5, ":1", ADD));
    JUDGE("INCRBY", OP(0, 0, 5, ":1", ADD), OP(1, 0, 5, ":1", ADD));
    JUDGE("INCRBY", OP(0, 0, 5, ":1", ADD), OP(1, 0, 5, ":3", ADD));
}
END_TEST

START_TEST(a_pair_is_written_at_once)
{
#define PAIR .verb = V_MSET, .key = 0, .other = 1, .value = "a"
#define BOTH .verb = V_MGET, .key = 0, .other = 1
    JUDGE(NULL, OP(0, 0, 5, "+OK", PAIR), OP(1, 1, 2, "[$-1 $-1]", BOTH),
        OP(1, 3, 4, "[\"a\" \"a\"]", BOTH));
    JUDGE("MGET", OP(0, 0, 5, "+OK", PAIR), OP(1, 1, 2, "[\"a\" $-1]", BOTH));
}
END_TEST

START_TEST(fields_are_written_at_once)
{
#define BOTH_FIELDS .verb = V_HSET_BOTH, .value = "1"
#define ALL_FIELDS .verb = V_HGETALL
    JUDGE(NULL, OP(0, 0, 5, ":2", BOTH_FIELDS), OP(1, 1, 2, "[]", ALL_FIELDS),
        OP(1, 3, 4, "[\"a\" \"1\" \"b\" \"1\"]", ALL_FIELDS));
    JUDGE("HGETALL", OP(0, 0, 5, ":2", BOTH_FIELDS),
        OP(1, 1, 2, "[\"a\" \"1\"]", ALL_FIELDS));
    /* the key goes with its last field */
    JUDGE(NULL, OP(0, 0, 1, ":1", .verb = V_HINCRBY, .delta = 1),
        OP(0, 2, 3, ":1", .verb = V_HDEL), OP(0, 4, 5, ":0", .verb = V_EXISTS));
}
END_TEST

START_TEST(a_script_is_one_step)
{
#define TRANSFER .verb = V_SCRIPT_TRANSFER, .key = 0, .other = 1, .delta = 3
#define SWAP .verb = V_SCRIPT_SWAP, .key = 0, .other = 1
    JUDGE(NULL, OP(0, 0, 5, "[:-3 :3]", TRANSFER),
        OP(1, 1, 2, "[$-1 $-1]", BOTH), OP(1, 3, 4, "[\"-3\" \"3\"]", BOTH));
    JUDGE("MGET", OP(0, 0, 5, "[:-3 :3]", TRANSFER),
        OP(1, 1, 2, "[\"-3\" $-1]", BOTH));
    JUDGE(NULL, OP(0, 0, 1, "+OK", SET_K("a")),
        OP(0, 2, 3, "[\"a\" $-1]", SWAP), OP(0, 4, 5, "[$-1 \"a\"]", BOTH));
    /* two that add see each other */
#define SCRIPT_ADD .verb = V_SCRIPT_ADD, .delta = 1
    JUDGE(NULL, OP(0, 0, 5, ":2", SCRIPT_ADD), OP(1, 0, 5, ":1", SCRIPT_ADD));
    JUDGE("EVAL", OP(0, 0, 5, ":1", SCRIPT_ADD), OP(1, 0, 5, ":1", SCRIPT_ADD));
    /* a field is in one hash or in the other */
    JUDGE("HGETALL", OP(0, 0, 1, ":1", .verb = V_HSET, .value = "1"),
        OP(0, 2, 9, "\"1\"", .verb = V_SCRIPT_MOVE_FIELD, .other = 1),
        OP(1, 3, 4, "[]", ALL_FIELDS), OP(1, 5, 6, "[]", ALL_FIELDS, .key = 1));
}
END_TEST

START_TEST(a_deadline_is_an_interval)
{
#define FOR_10_MS .verb = V_SET, .value = "a", .lifetime = L_PX, .ttl_ms = 10
    JUDGE(NULL, OP(0, 0, 5, "+OK", FOR_10_MS), OP(0, 12, 13, "\"a\"", GET_K),
        OP(0, 13, 14, "$-1", GET_K));
    JUDGE("GET", OP(0, 0, 5, "+OK", FOR_10_MS), OP(0, 7, 8, "$-1", GET_K));
    JUDGE("GET", OP(0, 0, 5, "+OK", FOR_10_MS), OP(0, 17, 18, "\"a\"", GET_K));
    /* what is gone does not come back */
    JUDGE("GET", OP(0, 0, 5, "+OK", FOR_10_MS), OP(0, 11, 12, "$-1", GET_K),
        OP(0, 13, 14, "\"a\"", GET_K));
}
END_TEST

START_TEST(a_version_ends_with_its_value)
{
#define VERSION_OF_K .verb = V_GETV
#define SET_IF_7 SET_K("c"), .condition = C_IFVER, .version = 7
    JUDGE(NULL, OP(0, 0, 1, "+OK", SET_K("a")),
        OP(0, 2, 3, "[\"a\" :7 :-1]", VERSION_OF_K),
        OP(0, 4, 5, "+OK", SET_IF_7), OP(0, 6, 7, "$-1", SET_IF_7));
    JUDGE("SET", OP(0, 0, 1, "+OK", SET_K("a")),
        OP(0, 2, 3, "[\"a\" :7 :-1]", VERSION_OF_K),
        OP(1, 4, 5, "+OK", SET_K("a")), OP(0, 6, 7, "+OK", SET_IF_7));
    JUDGE("GETV", OP(0, 0, 1, "+OK", SET_K("a")),
        OP(0, 2, 3, "[\"a\" :7 :-1]", VERSION_OF_K),
        OP(1, 4, 5, "+OK", SET_K("a")),
        OP(0, 6, 7, "[\"a\" :7 :-1]", VERSION_OF_K));
    JUDGE("GETV", OP(0, 0, 1, "+OK", SET_K("a")),
        OP(0, 2, 3, "[\"a\" :7 :-1]", VERSION_OF_K),
        OP(0, 4, 5, "[\"a\" :8 :-1]", VERSION_OF_K));
}
END_TEST

START_TEST(an_exec_depends_on_what_it_watches)
{
    struct op ops[] = {OP(0, 0, 1, "+OK", GET_K),
        OP(1, 2, 3, "+OK", SET_K("a")), OP(0, 4, 5, "$-1", SET_K("b")),
        OP(1, 6, 7, "\"a\"", GET_K)};
    char *why;

    ops[0].kind = OP_WATCH;
    ops[2].kind = OP_EXEC;
    ck_assert_int_eq(judge(ops, 4, &why), LINEARIZABLE);
    free(why);
    /* as if the watch had seen nothing, */
    strcpy(ops[2].reply, "[+OK]");
    strcpy(ops[3].reply, "\"b\"");
    ck_assert_int_eq(judge(ops, 4, &why), NOT_LINEARIZABLE);
    free(why);
    /* and a failure without a reason */
    ops[1].steps[0].key = 1;
    ops[1].keys = 2;
    strcpy(ops[2].reply, "$-1");
    strcpy(ops[3].reply, "$-1");
    ck_assert_int_eq(judge(ops, 4, &why), NOT_LINEARIZABLE);
    free(why);
}
END_TEST

/* ---- rounds -------------------------------------------------------------- */

struct run {
    redisContext *c[HISTORY_THREADS];
    unsigned n_threads;
    const struct workload *workload;
    enum fault fault;
    uint64_t seed;
    unsigned n_rounds;
};

static uint64_t
seed_of_run(void)
{
    const char *given = getenv("ASHLAR_LINEAR_SEED");

    return given != NULL ? strtoull(given, NULL, 0) : (uint64_t)now_ns();
}

/* The clients of one round; their operations go to `ops`. */
static void
run_round(struct run *run, struct op *ops)
{
    static struct worker workers[HISTORY_THREADS];
    pthread_t threads[HISTORY_THREADS];
    char names[HISTORY_KEYS][32];
    const char *key_names[HISTORY_KEYS];

    for (unsigned i = 0; i < HISTORY_KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "linear:%u:%u", run->n_rounds, i);
        key_names[i] = names[i];
    }
    for (unsigned i = 0; i < run->n_threads; i++) {
        workers[i] = (struct worker){
            .c = run->c[i],
            .workload = run->workload,
            .fault = run->fault,
            .id = i,
            .random = mix64(run->seed + run->n_rounds * 1000 + i) | 1,
            .key_names = key_names,
            .ops = ops + (size_t)i * OPS_PER_THREAD,
            .n_ops = OPS_PER_THREAD,
        };
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < run->n_threads; i++)
        pthread_join(threads[i], NULL);
    run->n_rounds++;
}

/* Run a round and judge it; `why` is why it is bad. */
static enum verdict
judge_round(struct run *run, char **why)
{
    struct op *ops =
        calloc((size_t)run->n_threads * OPS_PER_THREAD, sizeof(*ops));
    struct history h = {
        .ops = ops,
        .n_ops = (size_t)run->n_threads * OPS_PER_THREAD,
        .slack_ns = (int64_t)(patient(SLACK_S) * 1e9),
    };
    enum verdict verdict;
    size_t len;
    FILE *out = open_memstream(why, &len);

    run_round(run, ops);
    verdict = history_check(&h, out);
    fclose(out);
    free(ops);
    return verdict;
}

static void
connect_all(struct run *run, const struct server *s)
{
    for (unsigned i = 0; i < run->n_threads; i++)
        run->c[i] = server_connect(s);
}

static void
disconnect_all(struct run *run)
{
    for (unsigned i = 0; i < run->n_threads; i++)
        redisFree(run->c[i]);
}

/* ---- the server ---------------------------------------------------------- */

static const struct workload workloads[] = {
    {.name = "single keys", .n_keys = 3},
    {.name = "several keys", .n_keys = 3, .pairs = true},
    {.name = "transactions", .n_keys = 3, .pairs = true, .transactions = true},
    {.name = "flushes", .n_keys = 4, .pairs = true, .flushes = true},
    {.name = "deadlines",
        .n_keys = 2,
        .transactions = true,
        .short_lives = true},
    {.name = "hashes", .n_keys = 2, .hashes = true},
    {.name = "hashes in transactions",
        .n_keys = 3,
        .hashes = true,
        .pairs = true,
        .transactions = true,
        .short_lives = true},
#ifdef HAVE_LUA
    {.name = "scripts", .n_keys = 3, .pairs = true, .scripts = true},
    {.name = "scripts in transactions",
        .n_keys = 3,
        .pairs = true,
        .scripts = true,
        .transactions = true,
        .short_lives = true},
    {.name = "scripts on hashes",
        .n_keys = 3,
        .hashes = true,
        .pairs = true,
        .scripts = true,
        .short_lives = true},
#endif
};

static const char *const worker_counts[] = {"2", "4"};

static double
seconds_of_run(void)
{
    const char *given = getenv("ASHLAR_LINEAR_SECONDS");

    return given != NULL ? atof(given) : 0.5;
}

/* Each workload with each number of workers. */
START_TEST(clients_see_one_command_at_a_time)
{
    const struct workload *workload =
        &workloads[(size_t)_i % ARRAY_LEN(workloads)];
    const char *workers = worker_counts[(size_t)_i / ARRAY_LEN(workloads)];
    struct server *server = server_start(testing_redis()
            ? NULL
            : (const char *const[]){"--workers", workers, NULL});
    struct run run = {
        .n_threads = 6, .workload = workload, .seed = seed_of_run()};
    double until = now_s() + seconds_of_run();
    char *why;

    connect_all(&run, server);
    do {
        enum verdict verdict = judge_round(&run, &why);

        if (verdict != LINEARIZABLE)
            fprintf(stderr, "%s", why);
        ck_assert_msg(verdict == LINEARIZABLE,
            "%s, %s workers, seed %llu, round %u: %s", workload->name, workers,
            (unsigned long long)run.seed, run.n_rounds,
            verdict == UNDECIDED ? "not decided" : "not linearizable, see log");
        free(why);
    } while (now_s() < until);
    fprintf(stderr, "%s, %s workers: %u rounds of %u operations, seed %llu\n",
        workload->name, workers, run.n_rounds, run.n_threads * OPS_PER_THREAD,
        (unsigned long long)run.seed);
    disconnect_all(&run);
    server_stop(server);
}
END_TEST

/* ---- what would be wrong ------------------------------------------------- */

static const struct {
    enum fault fault;
    unsigned workload;
} faults[] = {{F_STALE_READ, 0}, {F_LOST_WRITE, 0}, {F_LATE_WRITE, 0},
    {F_SPLIT_MSET, 1}, {F_SPLIT_EXEC, 2}, {F_NO_WATCH, 2}, {F_TWICE, 0},
    {F_CHECK_THEN_SET, 0}, {F_NO_EXPIRY, 4}, {F_OLD_VERSION, 0},
    {F_SPLIT_HSET, 5}, {F_STALE_FIELD, 5}, {F_TWICE, 5},
#ifdef HAVE_LUA
    {F_SPLIT_SCRIPT, 7}, {F_SPLIT_TRANSFER, 7}, {F_SPLIT_MOVE, 9}
#endif
};

/* A fault is found out in one of a few rounds. */
START_TEST(a_fault_is_found)
{
    struct server *server = server_start(NULL);
    struct run run = {.n_threads = 6,
        .workload = &workloads[faults[_i].workload],
        .fault = faults[_i].fault,
        .seed = seed_of_run()};
    enum verdict verdict = LINEARIZABLE;

    if (testing_redis() && run.fault == F_OLD_VERSION) {
        skip("Redis has no versions");
        server_stop(server);
        return;
    }
    connect_all(&run, server);
    while (verdict == LINEARIZABLE && run.n_rounds < 40) {
        char *why;

        verdict = judge_round(&run, &why);
        if (verdict == NOT_LINEARIZABLE)
            ck_assert_ptr_nonnull(strstr(why, "\n=> "));
        free(why);
    }
    ck_assert_msg(verdict == NOT_LINEARIZABLE,
        "fault %d is not seen in %u rounds, seed %llu", (int)run.fault,
        run.n_rounds, (unsigned long long)run.seed);
    disconnect_all(&run);
    server_stop(server);
}
END_TEST

static Suite *
linearizability_suite(void)
{
    Suite *s = suite_create("linearizability");
    TCase *tc = tcase_create("the search");

    tcase_add_test(tc, a_read_during_a_write_may_see_either_value);
    tcase_add_test(tc, a_value_once_read_does_not_go_back);
    tcase_add_test(tc, an_answered_write_is_seen_by_who_comes_later);
    tcase_add_test(tc, two_clients_cannot_see_writes_in_different_orders);
    tcase_add_test(tc, the_window_begins_after_what_is_settled);
    tcase_add_test(tc, increments_are_counted_once);
    tcase_add_test(tc, a_pair_is_written_at_once);
    tcase_add_test(tc, fields_are_written_at_once);
    tcase_add_test(tc, a_script_is_one_step);
    tcase_add_test(tc, a_deadline_is_an_interval);
    tcase_add_test(tc, a_version_ends_with_its_value);
    tcase_add_test(tc, an_exec_depends_on_what_it_watches);
    suite_add_tcase(s, tc);
    tc = tcase_create("six clients");
    tcase_set_timeout(tc, patient(seconds_of_run() + 60));
    tcase_add_loop_test(tc, a_fault_is_found, 0, (int)ARRAY_LEN(faults));
    tcase_add_loop_test(tc, clients_see_one_command_at_a_time, 0,
        (int)(ARRAY_LEN(workloads) * ARRAY_LEN(worker_counts)));
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(linearizability_suite());
}
