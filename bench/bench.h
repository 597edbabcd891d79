/* SPDX-License-Identifier: BSD-3-Clause */
/* bench.h - what the benchmark programs share: clocks, children, samples and
 * how they are shown.
 *
 * A program takes samples; a sample has a case, a metric, a unit and a value,
 * and samples of later rounds repeat the names. bench_end() shows the median
 * of each with the smallest and the largest, or with --tsv every sample on a
 * line of its own:
 *
 *   benchmark<TAB>case<TAB>metric<TAB>unit<TAB>value
 *
 * A case is SITUATION/VARIANT: variants of one situation are compared, and
 * measured in turn within each round. Lines that begin with '#' are remarks.
 * All functions are for the main thread unless they say otherwise.
 */
#pragma once

#include "base/base.h"

/* `name` is the benchmark's. Takes --tsv out of the arguments. BENCH_QUICK=1 in
 * the environment asks for less work, BENCH_ROUNDS for another number of
 * rounds. */
void bench_begin(const char *name, int *argc, char **argv);

/* Show what was measured; returns the exit status. */
int bench_end(void);

/* `full`, or `quick` if little work is asked for. */
size_t bench_amount(size_t full, size_t quick);

/* Rounds to run: 3 if little work is asked for, else 5. */
unsigned bench_rounds(void);

/* ---- samples ------------------------------------------------------------- */

/* One value of a case: "SITUATION/VARIANT", a metric and its unit. */
void bench_sample(
    const char *case_name, const char *metric, const char *unit, double value);

/* A sample of a benchmark of another name: for lines read from elsewhere. */
void bench_sample_of(const char *name, const char *case_name,
    const char *metric, const char *unit, double value);

/* Say once what was left out, and why. */
void bench_remark(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Take samples and remarks from lines as --tsv writes them. False (and a
 * message on stderr) at a line that is none. */
bool bench_read(int fd);

/* ---- clocks and memory: any thread --------------------------------------- */

/* Since some moment: of the wall clock that never steps. */
double bench_wall_ns(void);
double bench_cpu_ns(void);   /* of the calling thread */
size_t bench_rss(void);      /* of the process, bytes */
uint64_t bench_random(uint64_t *state); /* state: any number but 0 */

/* A number below `n`, from a random one. */
static inline size_t
bench_below(uint64_t *state, size_t n)
{
    return (size_t)(((unsigned __int128)bench_random(state) * n) >> 64);
}

/* Let the compiler believe that what `p` points at is used. */
static inline void
bench_keep(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* ---- children ------------------------------------------------------------ */

/* Run fn(ctx) in a process of its own, so that its memory is counted from
 * scratch and no heap is inherited warm; its samples join those of the
 * program. A child that fails ends the program. */
void bench_apart(void (*fn)(void *ctx), void *ctx);

/* The same for this very program with other arguments (NULL at the end), and
 * with `preload` as LD_PRELOAD unless that is NULL. `program` NULL means the
 * running one. */
void bench_exec(
    const char *program, const char *preload, const char *const *arguments);

/* ---- histogram of times -------------------------------------------------- */

#define BENCH_HISTOGRAM_STEPS 64 /* per doubling: within 1.6 % */

struct bench_histogram {
    uint64_t n;
    uint64_t count[59 * BENCH_HISTOGRAM_STEPS];
};

/* Add `n` times of `ns`. Any thread, its own histogram. */
void bench_histogram_add(struct bench_histogram *h, uint64_t ns, uint64_t n);

/* The time, ns, below which the share `q` (0..1) lies; 0 when there is none. */
double bench_histogram_at(const struct bench_histogram *h, double q);

/* Add all of `from`. */
void bench_histogram_join(
    struct bench_histogram *h, const struct bench_histogram *from);
