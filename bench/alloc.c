/* SPDX-License-Identifier: BSD-3-Clause */
/* alloc.c - chunks for items: the slab against general allocators.
 *
 * A table of items of 20 to 4000 bytes (mean 683, most are small) has random
 * items replaced: free one, allocate another, write its first bytes. Threads
 * work on shared parts of the table in turn, so that a thread frees what
 * another one allocated, as in a cache. Then the mix of sizes shifts: every
 * item is replaced by one of 500 to 866 bytes, the same number of bytes in all,
 * in random order.
 *
 * The slab is measured alone: nobody drains its sparse pages, as the keyspace
 * does (compaction.c measures that).
 *
 * The allocators are those that can be preloaded here: the program runs itself
 * with LD_PRELOAD once per allocator, round and number of threads.
 *
 *   bench/alloc [--tsv]
 *   bench/alloc --debug-cost PROGRAM [--tsv]
 *       the slab of this program against that of the same program built with
 *       the debug allocator
 *   bench/alloc --child BENCHMARK SITUATION VARIANT THREADS [--tsv]
 *       one measurement; a VARIANT that begins with "slab" is the slab
 */
#include "bench/bench.h"

#include "slab/slab.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_SIZES 65536
#define MEAN_BYTES 683
#define N_PARTS 16
#define PART_TURN 256 /* replaces between two changes of the part */

struct item {
    union {
        uint32_t handle;
        char *p;
    };
    uint32_t bytes;
};

struct part {
    pthread_mutex_t lock;
    struct item *items; /* [lock] */
    size_t n;
    size_t shifted; /* [lock] items that have the second mix's sizes */
};

struct table {
    struct slab *slab; /* NULL: malloc */
    struct part part[N_PARTS];
    _Atomic size_t live_bytes;
    size_t base_rss;
    size_t n_replaces; /* per thread, of the steady phase */
    pthread_barrier_t phase;
};

struct worker {
    pthread_t thread;
    struct table *table;
    struct slab_thread *magazines;
    uint64_t random;
    bool first;
    long long live_delta;
    double steady_ns, shift_ns;
    size_t n_shift;
    struct bench_histogram *times;
};

enum mix { SMALL_MOSTLY, MIDDLE_ONLY };
static uint16_t sizes[2][N_SIZES];
static size_t peak_rss, steady_rss;

static void
make_sizes(void)
{
    uint64_t random = 88172645463325252u;

    for (unsigned i = 0; i < N_SIZES; i++) {
        double u = (double)(bench_random(&random) >> 11) / 0x1p53;

        sizes[SMALL_MOSTLY][i] = (uint16_t)(20 + 3980 * pow(u, 5));
        sizes[MIDDLE_ONLY][i] = (uint16_t)(500 + 366 * u);
    }
}

/* ---- one item ------------------------------------------------------------ */

static void
item_new(struct worker *w, struct item *it, enum mix mix, size_t to_write)
{
    uint32_t bytes = sizes[mix][bench_random(&w->random) % N_SIZES];
    struct slab *slab = w->table->slab;
    char *p;

    if (slab != NULL) {
        it->handle = slab_alloc(w->magazines, bytes);
        ASSERT(it->handle != 0);
        p = slab_ptr(slab, it->handle);
    } else {
        p = it->p = malloc(bytes);
        ASSERT(p != NULL);
    }
    it->bytes = bytes;
    memset(p, 1, MIN(bytes, to_write));
    w->live_delta += bytes;
}

static void
item_free(struct worker *w, struct item *it)
{
    w->live_delta -= it->bytes;
    if (w->table->slab != NULL)
        slab_release(w->magazines, it->handle);
    else
        free(it->p);
}

static void
settle_live(struct worker *w)
{
    atomic_fetch_add(&w->table->live_bytes, (size_t)w->live_delta);
    w->live_delta = 0;
}

/* ---- phases: each thread runs all of them, together with the others ------ */

static void
fill(struct worker *w, size_t number, size_t n_threads)
{
    for (size_t p = number; p < N_PARTS; p += n_threads)
        for (size_t i = 0; i < w->table->part[p].n; i++)
            item_new(w, &w->table->part[p].items[i], SMALL_MOSTLY, SIZE_MAX);
    settle_live(w);
}

static struct part *
lock_any_part(struct worker *w)
{
    for (;;) {
        struct part *p = &w->table->part[bench_below(&w->random, N_PARTS)];

        if (pthread_mutex_trylock(&p->lock) == 0)
            return p;
    }
}

static void
replace_some(struct worker *w, struct part *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct item *it = &p->items[bench_below(&w->random, p->n)];

        item_free(w, it);
        item_new(w, it, SMALL_MOSTLY, 32);
    }
}

/* The same with each replace timed: what a request waits for. */
static void
time_some(struct worker *w, struct part *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct item *it = &p->items[bench_below(&w->random, p->n)];
        double start = bench_wall_ns();

        item_free(w, it);
        item_new(w, it, SMALL_MOSTLY, 32);
        bench_histogram_add(
            w->times, (uint64_t)(bench_wall_ns() - start), 1);
    }
}

static void
steady(struct worker *w, size_t n,
    void (*some)(struct worker *w, struct part *p, size_t n))
{
    for (size_t done = 0; done < n; done += PART_TURN) {
        struct part *p = lock_any_part(w);

        some(w, p, PART_TURN);
        pthread_mutex_unlock(&p->lock);
    }
    settle_live(w);
}

/* What the maintenance thread of a daemon does meanwhile. */
static void
maintain(struct worker *w)
{
    struct table *t = w->table;

    settle_live(w);
    slab_thread_poll(w->magazines);
    if (w->first)
        (void)slab_trim(t->slab, slab_limit(t->slab) / 100, 0);
}

static void
note_peak(void)
{
    size_t rss = bench_rss();

    peak_rss = MAX(peak_rss, rss);
}

/* Items stand in random order of their sizes, so the next one is a random one.
 * Every 64 items one thread looks at the resident memory. */
static void
shift(struct worker *w)
{
    size_t turn = 0;

    for (size_t number = 0; number < N_PARTS; number++) {
        struct part *p = &w->table->part[number];
        size_t before;

        do {
            pthread_mutex_lock(&p->lock);
            before = p->shifted;
            for (; p->shifted < MIN(p->n, before + PART_TURN); p->shifted++) {
                item_free(w, &p->items[p->shifted]);
                item_new(w, &p->items[p->shifted], MIDDLE_ONLY, SIZE_MAX);
                w->n_shift++;
            }
            before = p->n - p->shifted;
            pthread_mutex_unlock(&p->lock);
            if (w->magazines != NULL)
                maintain(w);
            if (w->first && ++turn % 16 == 0)
                note_peak();
        } while (before > 0);
    }
    settle_live(w);
}

static void *
run_worker(void *arg)
{
    struct worker *w = arg;
    struct table *t = w->table;
    double start;

    if (t->slab != NULL)
        w->magazines = slab_thread_new(t->slab);
    fill(w, w->first ? 0 : 1, w->n_shift);
    w->n_shift = 0;
    pthread_barrier_wait(&t->phase);
    start = bench_cpu_ns();
    steady(w, t->n_replaces, replace_some);
    w->steady_ns = bench_cpu_ns() - start;
    steady(w, t->n_replaces / 4, time_some);
    pthread_barrier_wait(&t->phase);
    if (w->first)
        steady_rss = bench_rss();
    pthread_barrier_wait(&t->phase);
    start = bench_cpu_ns();
    shift(w);
    w->shift_ns = bench_cpu_ns() - start;
    pthread_barrier_wait(&t->phase);
    if (w->magazines != NULL)
        slab_thread_flush(w->magazines);
    pthread_barrier_wait(&t->phase);
    return NULL;
}

/* ---- one measurement ----------------------------------------------------- */

static void
make_table(struct table *t, bool use_slab, unsigned n_threads)
{
    size_t live = bench_amount(160, 48) * MIB;
    size_t n_items = live / MEAN_BYTES / N_PARTS;
    struct slab_config cfg = {.limit_bytes = 4 * live};
    struct buf err = {0};

    if (use_slab && (t->slab = slab_new(&cfg, &err)) == NULL) {
        fprintf(stderr, "%.*s\n", STR_ARG(err));
        exit(1);
    }
    t->n_replaces = bench_amount(1600000, 400000) / n_threads;
    pthread_barrier_init(&t->phase, NULL, n_threads);
    for (unsigned i = 0; i < N_PARTS; i++) {
        struct part *p = &t->part[i];

        pthread_mutex_init(&p->lock, NULL);
        p->n = n_items;
        p->items = xcalloc(n_items, sizeof(*p->items));
        memset(p->items, 0xff, n_items * sizeof(*p->items));
    }
    t->base_rss = bench_rss();
}

static void
run_workers(struct table *t, struct worker *workers, unsigned n_threads)
{
    for (unsigned i = 0; i < n_threads; i++) {
        struct worker *w = &workers[i];

        w->table = t;
        w->first = i == 0;
        w->random = 0x9e3779b97f4a7c15u * (i + 1);
        w->n_shift = n_threads;
        w->times = xcalloc(1, sizeof(*w->times));
        memset(w->times, 0, sizeof(*w->times));
        ASSERT(pthread_create(&w->thread, NULL, run_worker, w) == 0);
    }
    for (unsigned i = 0; i < n_threads; i++)
        pthread_join(workers[i].thread, NULL);
}

static void
report(const char *situation, const char *variant, unsigned n_threads,
    const struct table *t, const struct worker *workers)
{
    struct bench_histogram *times = workers[0].times;
    double steady_ns = workers[0].steady_ns, shift_ns = workers[0].shift_ns;
    size_t n_shift = workers[0].n_shift;
    double live = (double)atomic_load(&t->live_bytes);
    char name[128];

    for (unsigned i = 1; i < n_threads; i++) {
        steady_ns += workers[i].steady_ns;
        shift_ns += workers[i].shift_ns;
        n_shift += workers[i].n_shift;
        bench_histogram_join(times, workers[i].times);
    }
    snprintf(name, sizeof(name), "%s, steady/%s", situation, variant);
    bench_sample(name, "CPU per replace", "ns",
        steady_ns / (double)(t->n_replaces * n_threads));
    bench_sample(
        name, "p99.9 of a replace", "ns", bench_histogram_at(times, 0.999));
    bench_sample(name, "RSS per live byte", "B/B",
        (double)(steady_rss - t->base_rss) / live);
    snprintf(name, sizeof(name), "%s, shift/%s", situation, variant);
    bench_sample(
        name, "CPU per replace", "ns", shift_ns / (double)n_shift);
    bench_sample(name, "peak RSS per live byte", "B/B",
        (double)(peak_rss - t->base_rss) / live);
    bench_sample(name, "RSS per live byte", "B/B",
        (double)(bench_rss() - t->base_rss) / live);
}

static void
measure(const char *situation, const char *variant, unsigned n_threads)
{
    static struct table table;
    struct worker *workers = xcalloc(n_threads, sizeof(*workers));

    make_sizes();
    make_table(&table, strncmp(variant, "slab", 4) == 0, n_threads);
    run_workers(&table, workers, n_threads);
    if (table.slab != NULL)
        while (slab_trim(table.slab, slab_limit(table.slab) / 100, 0) > 0)
            continue;
    note_peak();
    report(situation, variant, n_threads, &table, workers);
}

/* ---- the allocators ------------------------------------------------------ */

static const struct allocator {
    const char *name;
    const char *library; /* to preload */
    const char *symbol;  /* that it has and others do not */
} allocators[] = {
    {"slab", NULL, NULL},
    {"glibc", NULL, NULL},
    {"jemalloc", "libjemalloc.so.2", "mallctl"},
    {"mimalloc", "libmimalloc.so.2", "mi_version"},
};

/* Whether the loader finds it: asked of a child, because it only complains and
 * goes on when it does not. */
static bool
is_installed(const struct allocator *a)
{
    pid_t child;
    int status;

    if (a->library == NULL)
        return true;
    child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        setenv("LD_PRELOAD", a->library, 1);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        execl("/proc/self/exe", "alloc", "--has", a->symbol, (char *)NULL);
        _exit(1);
    }
    ASSERT(waitpid(child, &status, 0) == child);
    return status == 0;
}

static void
measure_all(void)
{
    bool there[ARRAY_LEN(allocators)];
    unsigned rounds = bench_rounds();

    for (size_t i = 0; i < ARRAY_LEN(allocators); i++) {
        there[i] = is_installed(&allocators[i]);
        if (!there[i])
            bench_remark("alloc: %s is absent (%s)", allocators[i].name,
                allocators[i].library);
    }
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned threads = 1; threads <= 2; threads++)
            for (size_t i = 0; i < ARRAY_LEN(allocators); i++) {
                const char *arguments[] = {"--child", "alloc",
                    threads == 1 ? "1 thread" : "2 threads",
                    allocators[i].name, threads == 1 ? "1" : "2", NULL};

                if (there[i])
                    bench_exec(NULL, allocators[i].library, arguments);
            }
}

static void
measure_debug_cost(const char *program)
{
    static const char *const plain[] = {
        "--child", "debug_alloc", "1 thread", "slab", "1", NULL};
    static const char *const debug[] = {
        "--child", "debug_alloc", "1 thread", "slab, debug", "1", NULL};

    for (unsigned round = bench_rounds(); round > 0; round--) {
        bench_exec(NULL, NULL, plain);
        bench_exec(program, NULL, debug);
    }
}

static int
usage(void)
{
    fprintf(stderr, "usage: alloc [--tsv]\n"
        "       alloc --debug-cost PROGRAM [--tsv]\n"
        "       alloc --child BENCHMARK SITUATION VARIANT THREADS [--tsv]\n");
    return 2;
}

int
main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    if (argc == 3 && strcmp(mode, "--has") == 0)
        return dlsym(RTLD_DEFAULT, argv[2]) != NULL ? 0 : 1;
    bench_begin(strcmp(mode, "--child") == 0 && argc > 2 ? argv[2] : "alloc",
        &argc, argv);
    if (argc == 6 && strcmp(mode, "--child") == 0) {
        long threads = strtol(argv[5], NULL, 10);

        if (threads < 1 || threads > N_PARTS)
            return usage();
        measure(argv[3], argv[4], (unsigned)threads);
    } else if (argc == 3 && strcmp(mode, "--debug-cost") == 0) {
        measure_debug_cost(argv[2]);
    } else if (argc == 1) {
        measure_all();
    } else {
        return usage();
    }
    return bench_end();
}
