/* SPDX-License-Identifier: BSD-3-Clause */
/* steps.c - the longest steps of a worker that are not a client's own command,
 * read through LATENCY STEPS, while the daemon has much to do beside commands;
 * and how long GETs take meanwhile.
 *
 *   steps [--tsv] [grow|expire|flush|full|shift|large|lower]...
 *
 * grow    The index grows to 4 M keys.
 * expire  1 M keys have one deadline.
 * flush   A namespace of 1 M keys among 2 M is flushed.
 * full    Every SET evicts; sizes of 20 to 1000 bytes.
 * shift   The same, in a cache that was full of values of 1 to 8 bytes.
 * large   The same, and now and then a value of up to 64 MiB comes.
 * lower   The same, while the limit falls from 1 GiB to 256 MiB.
 *
 * Clients send 16 commands at a time meanwhile, so that a turn of the event
 * loop is as short as their commands allow. Steps are measured in CPU time of
 * the worker, which has in it what the system does for others on its CPU in
 * between: packets and timers. How much that is on this machine the case
 * "plain work" shows: a thread that only computes, 100 us at a time, and
 * measures that as the worker does. STEPS_WORKERS in the environment is the
 * number of workers, 1 if it is not there. A case takes 5 to 20 s.
 */
#include "bench/bench.h"
#include "bench/daemon.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEPTH 16
#define LONG_US 524 /* a bound of the histogram: steps above it are counted */
#define PLAIN_NS 100000
#define PLAIN_REST_US 300

static char filler[(size_t)64 << 20];

/* ---- clients ------------------------------------------------------------- */

static struct str
key_of(const char *prefix, uint64_t n, char buf[32])
{
    return (struct str){buf,
        (size_t)snprintf(buf, 32, "%s:%07llu", prefix, (unsigned long long)n)};
}

static void
check_errors(const struct client *c)
{
    if (c->errors == 0)
        return;
    fprintf(stderr, "steps: %s\n", c->error);
    exit(1);
}

/* SET keys PREFIX:from..to-1, `depth` at a time; with an expiry if `at` is not
 * NULL. */
static void
set_keys(struct client *c, const char *prefix, uint64_t from, uint64_t to,
    const char *at)
{
    while (from < to) {
        unsigned n = 0;

        for (; n < DEPTH && from < to; n++, from++) {
            char buf[32];
            struct str words[] = {{"SET", 3}, key_of(prefix, from, buf),
                {filler, 32}, {"PXAT", 4}, {at, at != NULL ? strlen(at) : 0}};

            client_append(c, at != NULL ? 5 : 3, words);
        }
        client_finish(c, n, NULL);
    }
    check_errors(c);
}

/* Clients that work until they are told to stop. */
struct busy {
    pthread_t thread;
    const struct daemon *daemon;
    void (*turn)(struct busy *b, struct client *c);
    _Atomic bool stop;
    const char *prefix;
    uint64_t state, n, n_keys;
    _Atomic(struct bench_histogram *) times; /* of probe() */
};

static void *
keep_busy(void *arg)
{
    struct busy *b = arg;
    struct client c;

    client_open(&c, b->daemon);
    while (!b->stop)
        b->turn(b, &c);
    check_errors(&c);
    client_close(&c);
    return NULL;
}

static void
busy_start(struct busy *b, const struct daemon *d)
{
    b->daemon = d;
    b->state = 88172645463325252u;
    ASSERT(pthread_create(&b->thread, NULL, keep_busy, b) == 0);
}

static void
busy_end(struct busy *b)
{
    b->stop = true;
    pthread_join(b->thread, NULL);
}

/* One command at a time: timed GETs, and a SET after every eighth. */
static void
probe(struct busy *b, struct client *c)
{
    struct bench_histogram *times = b->times;
    double start = bench_wall_ns();
    bool sets = b->n++ % 8 == 0;
    char buf[32];
    struct str words[] = {{sets ? "SET" : "GET", 3},
        key_of(b->prefix, bench_below(&b->state, b->n_keys), buf),
        {filler, 32}};

    client_append(c, sets ? 3 : 2, words);
    client_finish(c, 1, NULL);
    if (times != NULL && !sets)
        bench_histogram_add(times, (uint64_t)(bench_wall_ns() - start), 1);
}

/* SETs of new keys, values of lo to hi bytes. */
static void
set_between(struct busy *b, struct client *c, size_t lo, size_t hi)
{
    for (unsigned i = 0; i < DEPTH; i++) {
        char buf[32];
        struct str words[] = {{"SET", 3}, key_of(b->prefix, b->n++, buf),
            {filler, lo + bench_below(&b->state, hi - lo + 1)}};

        client_append(c, 3, words);
    }
    client_finish(c, DEPTH, NULL);
}

static void
set_new(struct busy *b, struct client *c)
{
    set_between(b, c, 20, 1000);
}

static void
set_tiny(struct busy *b, struct client *c)
{
    set_between(b, c, 1, 8);
}

/* The same as set_new; every 10000th is of up to 64 MiB. */
static void
set_some_large(struct busy *b, struct client *c)
{
    set_new(b, c);
    if (b->n % 10000 < DEPTH) {
        char buf[32];
        struct str words[] = {{"SET", 3}, key_of("large", b->n++, buf),
            {filler, (size_t)64 * KIB << bench_below(&b->state, 11)}};

        client_append(c, 3, words);
        client_finish(c, 1, NULL);
    }
}

/* ---- plain work ---------------------------------------------------------- */

/* What takes longer than it should although it touches no memory and calls
 * nobody was interrupted: so are steps, then, as often in a second of CPU. */
static struct plain {
    pthread_t thread;
    _Atomic bool stop;
    uint64_t turns;
    uint64_t n, n_long, total_ns, longest_ns; /* once it has ended */
} plain;

static void
compute(uint64_t turns)
{
    uint64_t state = 88172645463325252u;

    while (turns-- > 0)
        (void)bench_random(&state);
    bench_keep(&state);
}

/* As many turns as take PLAIN_NS. */
static uint64_t
plain_turns(void)
{
    const uint64_t turns = 10000;
    double least = 1e9;

    for (int i = 0; i < 100; i++) {
        double begun = bench_cpu_ns();

        compute(turns);
        least = MIN(least, bench_cpu_ns() - begun);
    }
    return (uint64_t)((double)turns * PLAIN_NS / least);
}

static void *
work_plainly(void *arg)
{
    struct plain *p = arg;

    while (!p->stop) {
        double begun = bench_cpu_ns();
        uint64_t ns;

        compute(p->turns);
        ns = (uint64_t)(bench_cpu_ns() - begun);
        p->n++;
        p->n_long += ns > LONG_US * 1000;
        p->total_ns += ns;
        p->longest_ns = MAX(p->longest_ns, ns);
        usleep(PLAIN_REST_US);
    }
    return NULL;
}

static void
plain_start(void)
{
    uint64_t turns = plain.turns != 0 ? plain.turns : plain_turns();

    plain = (struct plain){.turns = turns};
    ASSERT(pthread_create(&plain.thread, NULL, work_plainly, &plain) == 0);
}

static void
plain_report(const char *situation)
{
    char name[96];

    plain.stop = true;
    pthread_join(plain.thread, NULL);
    snprintf(name, sizeof(name), "%s/plain work", situation);
    bench_sample(name, "longest", "us", (double)plain.longest_ns / 1e3);
    bench_sample(name, "steps", "", (double)plain.n);
    bench_sample(name, "above 524 us", "", (double)plain.n_long);
    bench_sample(name, "CPU time", "s", (double)plain.total_ns / 1e9);
}

/* ---- what is measured ---------------------------------------------------- */

static void
start(struct daemon *d, const char *limit)
{
    const char *workers = getenv("STEPS_WORKERS");
    const char *const args[] = {"--maxmemory", limit, "--maxmemory-policy",
        "allkeys-lru", "--workers", workers != NULL ? workers : "1",
        "--latency-steps-cpu-time", "yes", NULL};

    daemon_start(d, args);
}

static void
append_words(struct client *c, const char *line)
{
    struct str words[8];
    size_t n = 0;

    while (*line != '\0') {
        words[n].p = line;
        words[n++].len = strcspn(line, " ");
        line += strcspn(line, " ");
        line += *line == ' ';
    }
    client_append(c, n, words);
}

static void
command(struct client *c, const char *line)
{
    append_words(c, line);
    client_finish(c, 1, NULL);
    check_errors(c);
}

/* From now on. */
static void
count_anew(struct client *c)
{
    command(c, "CONFIG RESETSTAT");
    plain_start();
}

/* The reply to a command as text: a line for each of its parts. */
static void
lines_of(struct client *c, const char *line, struct buf *text)
{
    append_words(c, line);
    text->len = 0;
    client_read_lines(c, text);
    buf_append(text, "", 1);
}

/* The number on the line after the line `name`, at *at or later; *at moves
 * there. */
static uint64_t
figure_after(const char **at, const char *name)
{
    char line[64];
    const char *found;

    snprintf(line, sizeof(line), "\n%s\n", name);
    found = strstr(*at, line);
    if (found == NULL) {
        fprintf(stderr, "steps: no %s in a reply\n", name);
        exit(1);
    }
    *at = found + strlen(line) - 1;
    return strtoull(*at, NULL, 10);
}

static uint64_t
figure_of(struct client *c, const char *line, const char *name)
{
    struct buf text = {0};
    const char *at;
    uint64_t n;

    lines_of(c, line, &text);
    at = text.p;
    n = figure_after(&at, name);
    buf_free(&text);
    return n;
}

/* The part of the histogram that begins at `at`: steps above LONG_US. */
static uint64_t
long_steps(const char *at, uint64_t calls)
{
    uint64_t below = 0;
    char *end;

    at = strchr(at + 1, '\n');
    while (at != NULL && at[1] >= '0' && at[1] <= '9') {
        uint64_t bound = strtoull(at + 1, &end, 10);
        uint64_t n = strtoull(end, &end, 10);

        if (bound > LONG_US)
            break;
        below = n;
        at = end;
    }
    return calls - below;
}

static void
report_step(const char *situation, const char *kind, const char *text)
{
    char name[96];
    const char *at = text, *histogram;
    uint64_t calls, max_us, interrupted, interrupted_us;

    (void)snprintf(name, sizeof(name), "\n%s\n", kind);
    at = strstr(text, name);
    if (at == NULL)
        return;
    calls = figure_after(&at, "calls");
    max_us = figure_after(&at, "max_usec");
    interrupted = figure_after(&at, "interrupted");
    interrupted_us = figure_after(&at, "interrupted_max_usec");
    histogram = strstr(at, "\nhistogram_usec\n");
    if (calls == 0)
        return;
    snprintf(name, sizeof(name), "%s/%s", situation, kind);
    bench_sample(name, "longest", "us", (double)max_us);
    bench_sample(name, "steps", "", (double)calls);
    bench_sample(name, "above 524 us", "",
        histogram != NULL ? (double)long_steps(histogram + 1, calls) : 0);
    bench_sample(name, "interrupted", "", (double)interrupted);
    bench_sample(name, "longest interrupted", "us", (double)interrupted_us);
}

static void
report_steps(struct client *c, const char *situation)
{
    static const char *const kinds[] = {
#define X(id, name, text) name,
        STEPS(X)
#undef X
    };
    struct buf text = {0};

    lines_of(c, "LATENCY STEPS", &text);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        report_step(situation, kinds[i], text.p);
    buf_free(&text);
    plain_report(situation);
}

static void
report_times(
    const char *situation, const char *when, const struct bench_histogram *h)
{
    char name[96];

    snprintf(name, sizeof(name), "%s/GET %s", situation, when);
    bench_sample(name, "p50", "us", bench_histogram_at(h, 0.5) / 1e3);
    bench_sample(name, "p99", "us", bench_histogram_at(h, 0.99) / 1e3);
    bench_sample(name, "p99.9", "us", bench_histogram_at(h, 0.999) / 1e3);
    bench_sample(name, "longest", "us", bench_histogram_at(h, 1) / 1e3);
}

/* ---- situations ---------------------------------------------------------- */

/* GETs alone, beside SETs, and beside SETs that make the index grow. */
static void
run_grow(void)
{
    static struct bench_histogram alone, beside, growing;
    size_t n = bench_amount(4000000, 1000000), first = n / 8;
    struct busy prober = {
        .turn = probe, .prefix = "grow", .n_keys = first, .times = &alone};
    struct daemon d;
    struct client c;

    start(&d, "2gb");
    client_open(&c, &d);
    set_keys(&c, "grow", 0, first, NULL);
    busy_start(&prober, &d);
    sleep(1);
    prober.times = &beside;
    set_keys(&c, "grow", 0, first, NULL);
    prober.times = NULL;
    count_anew(&c);
    prober.times = &growing;
    set_keys(&c, "grow", first, n, NULL);
    busy_end(&prober);
    report_steps(&c, "growing index");
    report_times("growing index", "alone", &alone);
    report_times("growing index", "beside SETs", &beside);
    report_times("growing index", "meanwhile", &growing);
    client_close(&c);
    daemon_stop(&d);
}

/* Many keys go while a client works on others. */
struct drop {
    const char *name;
    uint64_t n_kept, n_gone;
    struct bench_histogram idle, meanwhile;
    struct busy prober;
    struct daemon daemon;
    struct client client;
};

static void
drop_open(struct drop *s)
{
    start(&s->daemon, "2gb");
    client_open(&s->client, &s->daemon);
    set_keys(&s->client, "keep", 0, s->n_kept, NULL);
}

/* The client that works, and two seconds of what is usual. */
static void
drop_idle(struct drop *s)
{
    count_anew(&s->client);
    s->prober = (struct busy){.turn = probe,
        .prefix = "keep",
        .n_keys = s->n_kept,
        .times = &s->idle};
    busy_start(&s->prober, &s->daemon);
    sleep(2);
}

static void
drop_close(struct drop *s)
{
    busy_end(&s->prober);
    report_steps(&s->client, s->name);
    report_times(s->name, "idle", &s->idle);
    report_times(s->name, "meanwhile", &s->meanwhile);
    client_close(&s->client);
    daemon_stop(&s->daemon);
}

/* Wait until a figure of the dropped namespace is 0; returns how long, ms. */
static double
await_gone(struct drop *s, const char *name)
{
    double start_ns = bench_wall_ns();

    while (figure_of(&s->client, "NAMESPACE INFO drop:", name) != 0) {
        if (bench_wall_ns() - start_ns > 30e9) {
            fprintf(stderr, "steps: %s stay\n", name);
            exit(1);
        }
        usleep(2000);
    }
    return (bench_wall_ns() - start_ns) / 1e6;
}

static void
run_expire(void)
{
    static struct drop s = {.name = "1 M keys expire"};
    double start_ns = bench_wall_ns();
    uint64_t at_ms;
    char at[24];

    s.n_kept = s.n_gone = bench_amount(1000000, 200000);
    drop_open(&s);
    /* twice as long as it took to set the others, and the time to be idle */
    at_ms = clock_wall_ms() + 3000 +
        (uint64_t)((bench_wall_ns() - start_ns) / 1e6 * 2);
    snprintf(at, sizeof(at), "%llu", (unsigned long long)at_ms);
    set_keys(&s.client, "drop", 0, s.n_gone, at);
    drop_idle(&s);
    s.prober.times = NULL;
    for (clock_refresh(); clock_wall_ms() < at_ms; clock_refresh())
        usleep(500);
    s.prober.times = &s.meanwhile;
    bench_sample(s.name, "gone after", "ms", await_gone(&s, "items"));
    drop_close(&s);
}

static void
run_flush(void)
{
    static struct drop s = {.name = "1 M of 2 M keys are flushed"};
    double start_ns;

    s.n_kept = s.n_gone = bench_amount(1000000, 200000);
    drop_open(&s);
    set_keys(&s.client, "drop", 0, s.n_gone, NULL);
    drop_idle(&s);
    s.prober.times = &s.meanwhile;
    start_ns = bench_wall_ns();
    command(&s.client, "NAMESPACE FLUSH drop:");
    bench_sample(s.name, "FLUSH", "us", (bench_wall_ns() - start_ns) / 1e3);
    bench_sample(s.name, "gone after", "ms", await_gone(&s, "dead_items"));
    drop_close(&s);
}

typedef void (*turn_fn)(struct busy *b, struct client *c);

/* Two clients write into a cache that another turn has filled. */
static void
run_writers(
    const char *name, const char *limit, turn_fn fill, turn_fn turn)
{
    struct busy filler_client = {.turn = fill, .prefix = "f"};
    struct busy writer[2] = {
        {.turn = turn, .prefix = "a"}, {.turn = turn, .prefix = "b"}};
    struct daemon d;
    struct client c;

    start(&d, limit);
    client_open(&c, &d);
    busy_start(&filler_client, &d);
    while (client_figure(&c, "INFO stats", "evicted_keys") == 0)
        usleep(10000);
    busy_end(&filler_client);
    for (size_t i = 0; i < ARRAY_LEN(writer); i++)
        busy_start(&writer[i], &d);
    count_anew(&c);
    sleep((unsigned)bench_amount(8, 2));
    for (size_t i = 0; i < ARRAY_LEN(writer); i++)
        busy_end(&writer[i]);
    report_steps(&c, name);
    bench_sample(name, "evicted", "",
        (double)client_figure(&c, "INFO stats", "evicted_keys"));
    client_close(&c);
    daemon_stop(&d);
}

static void
run_full(void)
{
    run_writers("every SET evicts", "512mb", set_new, set_new);
}

static void
run_shift(void)
{
    run_writers(
        "every SET evicts, after tiny values", "64mb", set_tiny, set_new);
}

static void
run_lower(void)
{
    struct busy writer[2] = {
        {.turn = set_new, .prefix = "a"}, {.turn = set_new, .prefix = "b"}};
    double start_ns;
    struct daemon d;
    struct client c;

    start(&d, "1gb");
    client_open(&c, &d);
    for (size_t i = 0; i < ARRAY_LEN(writer); i++)
        busy_start(&writer[i], &d);
    while (client_figure(&c, "INFO stats", "evicted_keys") == 0)
        usleep(10000);
    count_anew(&c);
    command(&c, "CONFIG SET maxmemory 256mb");
    start_ns = bench_wall_ns();
    while (daemon_memory(&d, "VmRSS") > 256 * MIB / 100 * 103 &&
        bench_wall_ns() - start_ns < 30e9)
        usleep(10000);
    bench_sample("the limit falls", "RSS follows after", "ms",
        (bench_wall_ns() - start_ns) / 1e6);
    for (size_t i = 0; i < ARRAY_LEN(writer); i++)
        busy_end(&writer[i]);
    report_steps(&c, "the limit falls");
    client_close(&c);
    daemon_stop(&d);
}

static void
run_large(void)
{
    run_writers("some SETs of up to 64 MiB", "512mb", set_new, set_some_large);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"grow", run_grow}, {"expire", run_expire},
        {"flush", run_flush}, {"full", run_full}, {"shift", run_shift},
        {"large", run_large}, {"lower", run_lower}};

    bench_begin("steps", &argc, argv);
    memset(filler, 'v', sizeof(filler));
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        bool named = argc == 1;

        for (int i = 1; i < argc; i++)
            named |= strcmp(argv[i], cases[k].name) == 0;
        if (named)
            cases[k].run();
    }
    return bench_end();
}
