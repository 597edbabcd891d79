/* SPDX-License-Identifier: BSD-3-Clause */
/* bench.c - samples of a benchmark program and its children, and their output.
 *
 * The state is the program's own and static: a program runs one benchmark. A
 * child writes its samples as lines into a pipe and ends; the parent keeps
 * them, so that only the parent shows anything.
 */
#include "bench/bench.h"

#include "slab/slab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct series {
    char *name, *case_name, *metric, *unit;
    double *value;
    size_t n;
};

static const char *benchmark;
static bool as_tsv, quick;
static struct series *all_series;
static size_t n_series;
static char **remarks;
static size_t n_remarks;

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", benchmark, what, strerror(errno));
    exit(1);
}

void
bench_begin(const char *name, int *argc, char **argv)
{
    const char *env = getenv("BENCH_QUICK");
    int kept = 1;

    benchmark = name;
    quick = env != NULL && env[0] != '\0' && strcmp(env, "0") != 0;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--tsv") == 0)
            as_tsv = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    argv[kept] = NULL;
}

size_t
bench_amount(size_t full, size_t less)
{
    return quick ? less : full;
}

unsigned
bench_rounds(void)
{
    const char *env = getenv("BENCH_ROUNDS");
    long n = env != NULL ? strtol(env, NULL, 10) : 0;

    if (n > 0 && n <= 1000)
        return (unsigned)n;
    return quick ? 3 : 5;
}

/* ---- samples ------------------------------------------------------------- */

static struct series *
find_series(const char *name, const char *case_name, const char *metric)
{
    for (size_t i = 0; i < n_series; i++)
        if (strcmp(all_series[i].metric, metric) == 0 &&
            strcmp(all_series[i].case_name, case_name) == 0 &&
            strcmp(all_series[i].name, name) == 0)
            return &all_series[i];
    return NULL;
}

void
bench_sample_of(const char *name, const char *case_name, const char *metric,
    const char *unit, double value)
{
    struct series *s = find_series(name, case_name, metric);

    if (s == NULL) {
        all_series =
            xrealloc(all_series, (n_series + 1) * sizeof(*all_series));
        s = &all_series[n_series++];
        *s = (struct series){xstrdup(name), xstrdup(case_name),
            xstrdup(metric), xstrdup(unit), NULL, 0};
    }
    s->value = xrealloc(s->value, (s->n + 1) * sizeof(*s->value));
    s->value[s->n++] = value;
}

void
bench_sample(
    const char *case_name, const char *metric, const char *unit, double value)
{
    bench_sample_of(benchmark, case_name, metric, unit, value);
}

static void
add_remark(const char *text)
{
    for (size_t i = 0; i < n_remarks; i++)
        if (strcmp(remarks[i], text) == 0)
            return;
    remarks = xrealloc(remarks, (n_remarks + 1) * sizeof(*remarks));
    remarks[n_remarks++] = xstrdup(text);
}

void
bench_remark(const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    buf_append(&text, "", 1);
    add_remark(text.p);
    buf_free(&text);
}

static bool
read_line(char *line)
{
    char *field[5], *end;
    double value;

    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#') {
        add_remark(line + 1 + (line[1] == ' '));
        return true;
    }
    for (int i = 0; i < 5; i++)
        if ((field[i] = strsep(&line, "\t")) == NULL)
            return false;
    value = strtod(field[4], &end);
    if (line != NULL || end == field[4] || *end != '\0')
        return false;
    bench_sample_of(field[0], field[1], field[2], field[3], value);
    return true;
}

bool
bench_read(int fd)
{
    FILE *in = fdopen(fd, "r");
    char *line = NULL;
    size_t cap = 0;
    bool good = in != NULL;

    while (good && getline(&line, &cap, in) > 0) {
        good = read_line(line);
        if (!good)
            fprintf(stderr, "%s: no sample: %s\n", benchmark, line);
    }
    free(line);
    if (in != NULL)
        fclose(in);
    return good;
}

/* ---- output -------------------------------------------------------------- */

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median_of(struct series *s)
{
    qsort(s->value, s->n, sizeof(*s->value), by_value);
    return (s->value[(s->n - 1) / 2] + s->value[s->n / 2]) / 2;
}

/* Enough digits to tell figures apart that differ by a percent. */
static int
digits_for(double value)
{
    return value >= 100 || value <= -100 ? 0 : value >= 10 ? 1 : 3;
}

static void
write_row(struct series *s)
{
    double median = median_of(s);
    int d = digits_for(median);

    printf("  %-40s %-26s %12.*f %-8s", s->case_name, s->metric, d, median,
        s->unit);
    if (s->n > 1)
        printf(" %.*f .. %.*f", d, s->value[0], d, s->value[s->n - 1]);
    putchar('\n');
}

static void
write_table(void)
{
    for (size_t i = 0; i < n_series; i++) {
        if (i == 0 || strcmp(all_series[i].name, all_series[i - 1].name) != 0)
            printf("%s%s\n", i == 0 ? "" : "\n", all_series[i].name);
        write_row(&all_series[i]);
    }
    for (size_t i = 0; i < n_remarks; i++)
        printf("  (%s)\n", remarks[i]);
}

static void
write_samples(void)
{
    for (size_t i = 0; i < n_series; i++) {
        const struct series *s = &all_series[i];

        for (size_t j = 0; j < s->n; j++)
            printf("%s\t%s\t%s\t%s\t%.6g\n", s->name, s->case_name, s->metric,
                s->unit, s->value[j]);
    }
    for (size_t i = 0; i < n_remarks; i++)
        printf("# %s\n", remarks[i]);
}

int
bench_end(void)
{
    if (as_tsv)
        write_samples();
    else
        write_table();
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

/* ---- clocks and memory --------------------------------------------------- */

static double
read_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double
bench_wall_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double
bench_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

size_t
bench_rss(void)
{
    return slab_process_rss();
}

uint64_t
bench_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x9e3779b97f4a7c15u;
}

/* ---- children ------------------------------------------------------------ */

/* What the child is about to inherit is shown by nobody. */
static void
become_child(int out)
{
    n_series = 0;
    n_remarks = 0;
    as_tsv = true;
    if (dup2(out, STDOUT_FILENO) < 0)
        die("dup2");
}

static void
wait_for(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        die("waitpid");
    if (status != 0) {
        fprintf(stderr, "%s: a child ended with status %#x\n", benchmark,
            (unsigned)status);
        exit(1);
    }
}

/* Returns 0 in the child, whose standard output goes to *from. */
static pid_t
start_child(int *from)
{
    int ends[2];
    pid_t child;

    fflush(stdout);
    if (pipe(ends) != 0)
        die("pipe");
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        close(ends[0]);
        become_child(ends[1]);
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

static void
join_child(pid_t child, int from)
{
    if (!bench_read(from))
        exit(1);
    wait_for(child);
}

void
bench_apart(void (*fn)(void *ctx), void *ctx)
{
    int from;
    pid_t child = start_child(&from);

    if (child == 0) {
        fn(ctx);
        _exit(bench_end());
    }
    join_child(child, from);
}

void
bench_exec(
    const char *program, const char *preload, const char *const *arguments)
{
    const char *argv[16];
    size_t n = 0;
    int from;
    pid_t child = start_child(&from);

    if (child != 0) {
        join_child(child, from);
        return;
    }
    argv[n++] = program != NULL ? program : "/proc/self/exe";
    for (; *arguments != NULL && n < ARRAY_LEN(argv) - 2; arguments++)
        argv[n++] = *arguments;
    argv[n++] = "--tsv";
    argv[n] = NULL;
    if (preload != NULL)
        setenv("LD_PRELOAD", preload, 1);
    execv(argv[0], (char *const *)argv);
    die(argv[0]);
}

/* ---- histogram ----------------------------------------------------------- */

#define STEP_BITS 6
_Static_assert(1 << STEP_BITS == BENCH_HISTOGRAM_STEPS, "a power of two");

/* Values below the steps have a bucket each; from there on the bits behind the
 * leading one choose it. */
static size_t
bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < BENCH_HISTOGRAM_STEPS)
        return (size_t)ns;
    shift = 63u - STEP_BITS - (unsigned)__builtin_clzll(ns);
    return (shift + 1) * BENCH_HISTOGRAM_STEPS +
        (size_t)((ns >> shift) & (BENCH_HISTOGRAM_STEPS - 1));
}

static double
bucket_middle(size_t bucket)
{
    size_t octave = bucket / BENCH_HISTOGRAM_STEPS;
    double step = (double)(bucket % BENCH_HISTOGRAM_STEPS);

    if (octave == 0)
        return step;
    return (BENCH_HISTOGRAM_STEPS + step + 0.5) *
        (double)((uint64_t)1 << (octave - 1));
}

void
bench_histogram_add(struct bench_histogram *h, uint64_t ns, uint64_t n)
{
    h->count[bucket_of(ns)] += n;
    h->n += n;
}

double
bench_histogram_at(const struct bench_histogram *h, double q)
{
    uint64_t below = 0;

    for (size_t i = 0; i < ARRAY_LEN(h->count); i++) {
        below += h->count[i];
        if (below > 0 && (double)below >= q * (double)h->n)
            return bucket_middle(i);
    }
    return 0;
}

void
bench_histogram_join(
    struct bench_histogram *h, const struct bench_histogram *from)
{
    for (size_t i = 0; i < ARRAY_LEN(h->count); i++)
        h->count[i] += from->count[i];
    h->n += from->n;
}
