/* SPDX-License-Identifier: BSD-3-Clause */
/* live_memory.c - resident memory of a daemon under load, against its limit and
 * against the bytes that were asked to be kept.
 *
 *   live_memory [--tsv] [overhead|shift|lower|expiry|ttl]...
 *
 * overhead  A full cache of values of 20 to 4000 bytes, then of 200 to 8000,
 *           under other keys: RSS over the raw bytes of live keys and values.
 * shift     Peak RSS over the limit while the sizes shift, several clients.
 * lower     The limit falls from 2 GiB to 512 MiB while clients write.
 * expiry    1 M keys with one deadline: when their memory is free, and how long
 *           GETs take meanwhile.
 * ttl       Lives of 1 to 30 s: bytes that have expired and are still held.
 *
 * A case takes 10 to 60 s. Write errors of any kind are counted.
 */
#include "bench/bench.h"
#include "bench/daemon.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_WRITERS 4

static char filler[(size_t)2 << 20];

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x9e3779b97f4a7c15u;
}

/* ---- writers ------------------------------------------------------------- */

struct writer {
    pthread_t thread;
    const struct daemon *daemon;
    size_t lo, hi;       /* bytes of a value */
    uint64_t bytes;      /* to be written; with `stop`, no matter */
    _Atomic bool *stop;  /* or NULL */
    char prefix;
    unsigned number, n_writers;
    uint64_t n;          /* written: keys PREFIX:number, +n_writers, ... */
    uint64_t errors;
    char error[128];
};

/* The size of a value follows from its number, to be known when it is read. */
static size_t
size_of(uint64_t n, size_t lo, size_t hi)
{
    uint64_t state = (n + 1) * 0x9e3779b97f4a7c15u;

    (void)next_random(&state);
    return lo + (size_t)(next_random(&state) >> 33) % (hi - lo + 1);
}

static struct str
key_of(char prefix, uint64_t n, char *buf, size_t cap)
{
    return (struct str){buf,
        (size_t)snprintf(buf, cap, "%c:%llu", prefix, (unsigned long long)n)};
}

static void
append_set(struct client *c, char prefix, uint64_t n, size_t len,
    const char *ttl)
{
    char key[32];
    struct str words[] = {{"SET", 3}, key_of(prefix, n, key, sizeof(key)),
        {filler, len}, {"EX", 2}, {ttl, ttl != NULL ? strlen(ttl) : 0}};

    client_append(c, ttl != NULL ? 5 : 3, words);
}

static void *
write_all(void *arg)
{
    struct writer *w = arg;
    uint64_t written = 0, n = w->number;
    struct client c;

    client_open(&c, w->daemon);
    while (w->stop != NULL ? !*w->stop : written < w->bytes) {
        size_t in_batch = 0, batch_bytes = 0;

        while (in_batch < 128 && batch_bytes < 256 * KIB) {
            size_t len = size_of(n, w->lo, w->hi);

            append_set(&c, w->prefix, n, len, NULL);
            n += w->n_writers;
            batch_bytes += len;
            in_batch++;
        }
        client_finish(&c, in_batch, NULL);
        written += batch_bytes;
    }
    w->n = n;
    w->errors = c.errors;
    memcpy(w->error, c.error, sizeof(w->error));
    client_close(&c);
    return NULL;
}

static void
start_writers(struct writer *w, unsigned n, const struct writer *like)
{
    for (unsigned i = 0; i < n; i++) {
        w[i] = *like;
        w[i].number = i;
        w[i].n_writers = n;
        ASSERT(pthread_create(&w[i].thread, NULL, write_all, &w[i]) == 0);
    }
}

/* Returns the errors; *n is one past the highest key written. */
static uint64_t
await_writers(struct writer *w, unsigned n_writers, uint64_t *n)
{
    uint64_t errors = 0, highest = 0;

    for (unsigned i = 0; i < n_writers; i++) {
        pthread_join(w[i].thread, NULL);
        errors += w[i].errors;
        highest = MAX(highest, w[i].n);
        if (w[i].errors > 0)
            fprintf(stderr, "live_memory: %s\n", w[i].error);
    }
    if (n != NULL)
        *n = highest;
    return errors;
}

static uint64_t
write_bytes(const struct daemon *d, char prefix, size_t lo, size_t hi,
    uint64_t bytes, unsigned n_writers, uint64_t *n)
{
    struct writer w[MAX_WRITERS], like = {.daemon = d, .lo = lo, .hi = hi,
        .prefix = prefix, .bytes = bytes / n_writers};

    start_writers(w, n_writers, &like);
    return await_writers(w, n_writers, n);
}

/* ---- overhead ------------------------------------------------------------ */

/* Keys and values of PREFIX:0..n-1 that are there. */
static uint64_t
live_bytes(struct client *c, char prefix, uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t from = 0; from < n; from += 1000) {
        uint64_t to = MIN(n, from + 1000);

        for (uint64_t i = from; i < to; i++) {
            char key[32];
            struct str words[] = {
                {"STRLEN", 6}, key_of(prefix, i, key, sizeof(key))};

            client_append(c, 2, words);
        }
        for (uint64_t i = from; i < to; i++) {
            char key[32];
            uint64_t len = client_finish(c, 1, NULL);

            if (len > 0)
                sum += len + key_of(prefix, i, key, sizeof(key)).len;
        }
    }
    return sum;
}

static void
report_overhead(const struct daemon *d, uint64_t live, const char *of)
{
    double rss = (double)daemon_memory(d, "VmRSS");

    bench_sample(of, "raw bytes", "MiB", (double)live / MIB);
    bench_sample(of, "RSS over raw", "%",
        100 * (rss / (double)live - 1));
}

static void
run_overhead(void)
{
    const char *const args[] = {"--maxmemory", "1gb", "--maxmemory-policy",
        "allkeys-lru", NULL};
    uint64_t n_a, n_b, errors;
    struct daemon d;
    struct client c;

    daemon_start(&d, args);
    client_open(&c, &d);
    errors = write_bytes(&d, 'a', 20, 4000, 3 * GIB, 2, &n_a);
    report_overhead(&d, live_bytes(&c, 'a', n_a), "20-4000 B, full");
    errors += write_bytes(&d, 'b', 200, 8000, 3 * GIB, 2, &n_b);
    report_overhead(&d, live_bytes(&c, 'a', n_a) + live_bytes(&c, 'b', n_b),
        "then 200-8000 B");
    bench_sample("both", "failed writes", "", (double)errors);
    client_close(&c);
    daemon_stop(&d);
}

/* ---- shift --------------------------------------------------------------- */

static void
shift_at(const char *name, size_t limit)
{
    static const size_t sizes[] = {100, 1000, 20000, 1000000, 300};
    const char *const args[] = {"--maxmemory", name, "--maxmemory-policy",
        "allkeys-lru", NULL};
    uint64_t errors = 0;
    struct daemon d;

    daemon_start(&d, args);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t hi = sizes[i] + sizes[i] / 8;
        uint64_t bytes = sizes[i] < 1000 ? MIN(limit, GIB / 4) : 5 * limit / 4;

        errors += write_bytes(
            &d, (char)('a' + i), sizes[i], hi, bytes, MAX_WRITERS, NULL);
    }
    bench_sample(name, "peak RSS over limit", "x",
        (double)daemon_memory(&d, "VmHWM") / (double)limit);
    bench_sample(name, "failed writes", "", (double)errors);
    daemon_stop(&d);
}

static void
run_shift(void)
{
    shift_at("64mb", 64 * MIB);
    shift_at("256mb", 256 * MIB);
    shift_at("2gb", 2 * GIB);
}

/* ---- lower --------------------------------------------------------------- */

static void
run_lower(void)
{
    const char *const args[] = {"--maxmemory", "2gb", "--maxmemory-policy",
        "allkeys-lru", NULL};
    const struct str words[] = {{"CONFIG", 6}, {"SET", 3}, {"maxmemory", 9},
        {"512mb", 5}};
    _Atomic bool stop = false;
    struct writer w[2], like = {.lo = 20, .hi = 4000, .prefix = 'b',
        .stop = &stop};
    uint64_t errors;
    struct daemon d;
    struct client c;
    double start;

    daemon_start(&d, args);
    client_open(&c, &d);
    errors = write_bytes(&d, 'a', 20, 4000, 5 * GIB / 2, 2, NULL);
    like.daemon = &d;
    start_writers(w, 2, &like);
    usleep(500000);
    client_append(&c, 4, words);
    start = now_s();
    client_finish(&c, 1, NULL);
    while (daemon_memory(&d, "VmRSS") > 512 * MIB / 100 * 103 &&
        now_s() < start + 30)
        usleep(10000);
    bench_sample("2gb to 512mb", "RSS below 1.03 x after", "s",
        now_s() - start);
    stop = true;
    errors += await_writers(w, 2, NULL) + c.errors;
    bench_sample("2gb to 512mb", "errors", "", (double)errors);
    client_close(&c);
    daemon_stop(&d);
}

/* ---- expiry -------------------------------------------------------------- */

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Single GETs for some seconds; returns the 99th percentile in us. */
static double
get_p99_us(struct client *c, uint64_t n_keys, double seconds)
{
    static double took[1 << 20];
    double end = now_s() + seconds;
    uint64_t state = 5;
    size_t n = 0;

    while (now_s() < end && n < ARRAY_LEN(took)) {
        char key[32];
        struct str words[] = {{"GET", 3},
            key_of('k', next_random(&state) % n_keys, key, sizeof(key))};
        double start = now_s();

        client_append(c, 2, words);
        client_finish(c, 1, NULL);
        took[n++] = (now_s() - start) * 1e6;
    }
    qsort(took, n, sizeof(took[0]), compare_doubles);
    return took[n * 99 / 100];
}

/* SET 1 M keys that all end at `at_ms` of the wall clock. */
static void
set_until(struct client *c, uint64_t at_ms)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)at_ms);
    for (uint64_t n = 0; n < 1000000;) {
        for (unsigned i = 0; i < 1000; i++, n++) {
            char key[32];
            struct str words[] = {{"SET", 3},
                key_of('e', n, key, sizeof(key)), {filler, 100},
                {"PXAT", 4}, {text, strlen(text)}};

            client_append(c, 5, words);
        }
        client_finish(c, 1000, NULL);
    }
}

static double
wall_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Chunks in use, and free pages not counted. */
static uint64_t
used_bytes(struct client *c)
{
    return client_figure(c, "INFO memory", "allocator_allocated");
}

struct watch_free {
    pthread_t thread;
    const struct daemon *daemon;
    double deadline_s;
    uint64_t before, goal;
    double free_after_s; /* < 0: never */
};

static void *
watch_free(void *arg)
{
    struct watch_free *w = arg;
    struct client c;

    client_open(&c, w->daemon);
    w->free_after_s = -1;
    while (wall_s() < w->deadline_s + 10) {
        if (wall_s() >= w->deadline_s && used_bytes(&c) <= w->goal) {
            w->free_after_s = wall_s() - w->deadline_s;
            break;
        }
        usleep(5000);
    }
    client_close(&c);
    return NULL;
}

static void
run_expiry(void)
{
    const char *const args[] = {"--maxmemory", "2gb", NULL};
    struct watch_free w;
    struct daemon d;
    struct client c;
    uint64_t empty;
    double idle, burst;

    daemon_start(&d, args);
    client_open(&c, &d);
    for (uint64_t n = 0; n < 100000; n += 1000) {
        for (uint64_t i = n; i < n + 1000; i++)
            append_set(&c, 'k', i, 100, NULL);
        client_finish(&c, 1000, NULL);
    }
    empty = used_bytes(&c);
    idle = get_p99_us(&c, 100000, 3);
    w.deadline_s = wall_s() + 12;
    set_until(&c, (uint64_t)(w.deadline_s * 1000));
    w.daemon = &d;
    w.before = used_bytes(&c);
    w.goal = empty + (w.before - empty) / 100;
    while (wall_s() < w.deadline_s - 0.1)
        usleep(1000);
    ASSERT(pthread_create(&w.thread, NULL, watch_free, &w) == 0);
    burst = get_p99_us(&c, 100000, 1.2);
    pthread_join(w.thread, NULL);
    bench_sample("1 M keys, one deadline", "99 % free after",
        "s", w.free_after_s);
    bench_sample("1 M keys, one deadline", "GET p99 idle", "us", idle);
    bench_sample("1 M keys, one deadline", "GET p99 meanwhile",
        "us", burst);
    client_close(&c);
    daemon_stop(&d);
}

/* ---- ttl ----------------------------------------------------------------- */

#define TTL_MAX 30

/* A constant rate for twice the longest life, values of 100 bytes. What is held
 * and expired: the count of items beyond those whose time has not come. */
static void
run_ttl(void)
{
    const char *const args[] = {"--maxmemory", "2gb", NULL};
    static uint64_t ends[2 * TTL_MAX + TTL_MAX + 2];
    double start = now_s(), worst = 0;
    uint64_t state = 9, n = 0;
    struct daemon d;
    struct client c;

    daemon_start(&d, args);
    client_open(&c, &d);
    for (unsigned s = 0; s < 2 * TTL_MAX; s++) {
        uint64_t live = 0, held;

        for (unsigned batch = 0; batch < 20; batch++) {
            for (unsigned i = 0; i < 1000; i++) {
                unsigned ttl = 1 + (unsigned)(next_random(&state) >> 33) %
                        TTL_MAX;
                char text[8];

                snprintf(text, sizeof(text), "%u", ttl);
                append_set(&c, 't', n++, 100, text);
                ends[s + ttl]++;
            }
            client_finish(&c, 1000, NULL);
            while (now_s() < start + s + (batch + 1) * 0.05)
                usleep(1000);
        }
        /* those that end within the second to come may live or not */
        for (unsigned e = s + 1; e < ARRAY_LEN(ends); e++)
            live += ends[e];
        held = client_figure(&c, "INFO keyspace", "db0:keys");
        if (s >= TTL_MAX && held > live)
            worst = MAX(worst, (double)(held - live) / (double)live);
    }
    bench_sample("lives of 1 to 30 s", "expired and held", "%",
        100 * worst);
    client_close(&c);
    daemon_stop(&d);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"overhead", run_overhead}, {"shift", run_shift},
        {"lower", run_lower}, {"expiry", run_expiry}, {"ttl", run_ttl}};

    bench_begin("live_memory", &argc, argv);
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
