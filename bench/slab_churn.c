/* SPDX-License-Identifier: BSD-3-Clause */
/* slab_churn.c - what it costs to replace an item: slab against malloc.
 *
 *   slab_churn [live-MiB [threads [million-replaces]]]
 *
 * Fills a table with items of 20 to 4000 bytes (mean 680, most are small), then
 * replaces items at random places of it: release, allocate another size, write
 * the first bytes. Runs slab, then malloc, each in a process of its own, and
 * prints for each CPU time per replace, and resident memory beyond what it had
 * at the start over the bytes that are live.
 */
#include "slab/slab.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_SIZES 65536

struct item {
    union {
        uint32_t handle;
        char *p;
    };
    uint32_t bytes;
};

struct worker {
    pthread_t thread;
    struct slab *slab; /* NULL: malloc */
    struct slab_thread *magazines;
    struct item *items;
    size_t n_items, live_bytes, n_replaces;
    uint64_t random;
    double fill_ns, replace_ns;
};

static uint16_t sizes[N_SIZES];

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void
make_sizes(void)
{
    uint64_t random = 88172645463325252u;
    unsigned i;

    for (i = 0; i < N_SIZES; i++) {
        double u = (double)(next_random(&random) >> 11) / 0x1p53;

        sizes[i] = (uint16_t)(20 + 3980 * pow(u, 5));
    }
}

static double
cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void
item_new(struct worker *w, struct item *it)
{
    uint32_t bytes = sizes[next_random(&w->random) % N_SIZES];
    char *p;

    if (w->slab != NULL) {
        it->handle = slab_alloc(w->magazines, bytes);
        ASSERT(it->handle != 0);
        p = slab_ptr(w->slab, it->handle);
    } else {
        p = it->p = malloc(bytes);
        ASSERT(p != NULL);
    }
    it->bytes = bytes;
    memset(p, 1, MIN(bytes, 32));
    w->live_bytes += bytes;
}

static void
item_free(struct worker *w, struct item *it)
{
    w->live_bytes -= it->bytes;
    if (w->slab != NULL)
        slab_release(w->magazines, it->handle);
    else
        free(it->p);
}

static void *
run_worker(void *arg)
{
    struct worker *w = arg;
    double start = cpu_ns();
    size_t i;

    if (w->slab != NULL)
        w->magazines = slab_thread_new(w->slab);
    for (i = 0; i < w->n_items; i++) {
        item_new(w, &w->items[i]);
        /* All of it is written once: resident as in a real cache. */
        if (w->slab != NULL)
            memset(slab_ptr(w->slab, w->items[i].handle), 1, w->items[i].bytes);
        else
            memset(w->items[i].p, 1, w->items[i].bytes);
    }
    w->fill_ns = cpu_ns() - start;
    start = cpu_ns();
    for (i = 0; i < w->n_replaces; i++) {
        struct item *it = &w->items[next_random(&w->random) % w->n_items];

        item_free(w, it);
        item_new(w, it);
    }
    w->replace_ns = cpu_ns() - start;
    return NULL;
}

static void
run(bool use_slab, size_t live_bytes, unsigned n_threads, size_t n_replaces)
{
    struct slab_config cfg = {.limit_bytes = 4 * live_bytes};
    struct worker *workers = xcalloc(n_threads, sizeof *workers);
    struct slab *slab = NULL;
    double fill = 0, replace = 0;
    size_t live = 0, items = 0, base;
    struct buf err = {0};
    unsigned i;

    if (use_slab && (slab = slab_new(&cfg, &err)) == NULL) {
        fprintf(stderr, "%.*s\n", (int)err.len, err.p);
        exit(1);
    }
    for (i = 0; i < n_threads; i++) {
        struct worker *w = &workers[i];

        w->slab = slab;
        w->n_items = live_bytes / n_threads / 683;
        w->n_replaces = n_replaces / n_threads;
        w->random = 0x9e3779b97f4a7c15u * (i + 1);
        w->items = malloc(w->n_items * sizeof *w->items);
        ASSERT(w->items != NULL);
        memset(w->items, 0xff, w->n_items * sizeof *w->items);
    }
    base = slab_process_rss();
    for (i = 0; i < n_threads; i++)
        ASSERT(pthread_create(
                   &workers[i].thread, NULL, run_worker, &workers[i]) == 0);
    for (i = 0; i < n_threads; i++) {
        pthread_join(workers[i].thread, NULL);
        fill += workers[i].fill_ns;
        replace += workers[i].replace_ns;
        live += workers[i].live_bytes;
        items += workers[i].n_items;
    }
    printf("%-6s threads=%u items=%zu live_mib=%zu fill_ns=%.0f "
           "replace_ns=%.1f rss/live=%.3f",
        use_slab ? "slab" : "malloc", n_threads, items, live / MIB,
        fill / (double)items,
        replace / (double)(n_replaces / n_threads * n_threads),
        (double)(slab_process_rss() - base) / (double)live);
    if (use_slab) {
        struct slab_stats st;

        slab_stats(slab, &st);
        printf(" used/live=%.3f free_chunks=%.3f",
            (double)st.used / (double)live,
            (double)st.chunk_free_bytes / (double)live);
    }
    printf("\n");
}

static void
run_apart(
    bool use_slab, size_t live_bytes, unsigned n_threads, size_t n_replaces)
{
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        run(use_slab, live_bytes, n_threads, n_replaces);
        fflush(stdout);
        _exit(0);
    }
    ASSERT(waitpid(child, &status, 0) == child);
    if (status != 0)
        exit(1);
}

int
main(int argc, char **argv)
{
    size_t live_bytes = MIB * (argc > 1 ? strtoul(argv[1], NULL, 10) : 1000);
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    size_t n_replaces = 1000000 * (argc > 3 ? strtoul(argv[3], NULL, 10) : 10);

    if (live_bytes < MIB || threads < 1 || n_replaces < 1) {
        fprintf(stderr,
            "usage: slab_churn [live-MiB [threads [million-replaces]]]\n");
        return 2;
    }
    make_sizes();
    run_apart(true, live_bytes, threads, n_replaces);
    run_apart(false, live_bytes, threads, n_replaces);
    return 0;
}
