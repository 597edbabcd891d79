/* SPDX-License-Identifier: BSD-3-Clause */
/* stats.c - what is counted per command and per kind of error.
 *
 * Each worker has blocks of its own, which it alone writes; INFO adds them up.
 * CONFIG RESETSTAT must not write what another thread is counting in, so it
 * keeps the sums of that moment, and every later sum is less these.
 */
#include "commands/internal.h"

#include <stdlib.h>

#define N_METRICS (sizeof(struct command_metrics) / sizeof(uint64_t))

/* Counters in a block of all rows. */
static size_t
stats_bytes(void)
{
    return sizeof(struct command_stats) +
        command_table_rows * sizeof(struct command_row_stats);
}

struct command_stats *
command_stats_new(void)
{
    return xcalloc(1, stats_bytes());
}

/* sum -= part, counter by counter, modulo 2^64. */
static void
take_off(void *sum, const void *part, size_t n)
{
    uint64_t *to = sum;
    const _Atomic uint64_t *from = part;

    for (size_t i = 0; i < n; i++)
        to[i] -= LOAD(&from[i]);
}

/* ---- blocks of a worker -------------------------------------------------- */

void
command_stats_attach(struct command_thread *t)
{
    struct commands *c = t->commands;

    ASSERT(t->worker < ARRAY_LEN(c->stats));
    t->metrics = xcalloc(1, sizeof(*t->metrics));
    t->stats = command_stats_new();
    pthread_mutex_lock(&c->state->lock);
    c->metrics[t->worker] = t->metrics;
    c->stats[t->worker] = t->stats;
    pthread_mutex_unlock(&c->state->lock);
}

/* What the worker has counted comes off the base instead of its block, so that
 * the sums stay what they are. */
void
command_stats_detach(struct command_thread *t)
{
    struct commands *c = t->commands;

    pthread_mutex_lock(&c->state->lock);
    c->metrics[t->worker] = NULL;
    c->stats[t->worker] = NULL;
    take_off(&c->state->base_metrics, t->metrics, N_METRICS);
    take_off(c->state->base, t->stats, stats_bytes() / sizeof(uint64_t));
    pthread_mutex_unlock(&c->state->lock);
    free(t->metrics);
    free(t->stats);
    t->metrics = NULL;
    t->stats = NULL;
}

/* ---- sums ---------------------------------------------------------------- */

/* sum += from, counter by counter. */
static void
add_stats(struct command_stats *sum, const struct command_stats *from)
{
    metrics_sum(
        (uint64_t *)(void *)sum, from, stats_bytes() / sizeof(uint64_t));
}

static struct command_stats *
sum_all_stats(const struct commands *c)
{
    struct command_stats *sum = command_stats_new();

    for (size_t i = 0; i < ARRAY_LEN(c->stats); i++) {
        if (c->stats[i] != NULL)
            add_stats(sum, c->stats[i]);
    }
    return sum;
}

static void
sum_all_metrics(const struct commands *c, struct command_metrics *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (size_t i = 0; i < ARRAY_LEN(c->metrics); i++) {
        if (c->metrics[i] != NULL)
            metrics_sum((uint64_t *)(void *)sum, c->metrics[i], N_METRICS);
    }
}

struct command_stats *
command_stats_sum(const struct commands *c)
{
    struct command_stats *sum;

    pthread_mutex_lock(&c->state->lock);
    sum = sum_all_stats(c);
    take_off(sum, c->state->base, stats_bytes() / sizeof(uint64_t));
    pthread_mutex_unlock(&c->state->lock);
    return sum;
}

void
command_metrics_sum(const struct commands *c, struct command_metrics *sum)
{
    pthread_mutex_lock(&c->state->lock);
    sum_all_metrics(c, sum);
    take_off(sum, &c->state->base_metrics, N_METRICS);
    pthread_mutex_unlock(&c->state->lock);
}

void
command_stats_reset(struct commands *c)
{
    pthread_mutex_lock(&c->state->lock);
    free(c->state->base);
    c->state->base = sum_all_stats(c);
    sum_all_metrics(c, &c->state->base_metrics);
    pthread_mutex_unlock(&c->state->lock);
    other_codes_reset(c->state->other_codes);
    for (size_t i = 0; i < ARRAY_LEN(c->steps); i++)
        if (c->steps[i] != NULL)
            STORE(&c->steps[i]->reset, true);
}

/* ---- errors -------------------------------------------------------------- */

static const char *const code_names[] = {
#define X(code) #code,
    ERROR_CODES(X)
#undef X
};

const char *
error_code_name(enum error_code code)
{
    return code_names[code];
}

/* The number of a code, or ERROR_OTHER. */
static enum error_code
code_of(struct str word)
{
    for (int i = 0; i < ERROR_OTHER; i++) {
        if (str_eq(word, str_of(code_names[i])))
            return (enum error_code)i;
    }
    return ERROR_OTHER;
}

/* What has no short first word is an ERR to Redis. */
void
command_stats_error(struct command_thread *t, struct str line)
{
    const char *end =
        memchr(line.p, ' ', MIN(line.len, (size_t)ERROR_CODE_CHARS + 1));
    struct str word = {
        line.p + 1, end == NULL ? 0 : (size_t)(end - line.p) - 1};
    enum error_code code = end == NULL ? ERROR_ERR : code_of(word);

    METRIC_INC(t->metrics, errors);
    METRIC_INC(t->stats, errors[code]);
    if (unlikely(code == ERROR_OTHER))
        other_codes_count(t->commands->state->other_codes, word);
}

/* ---- time ---------------------------------------------------------------- */

/* Taking the time costs 50 ns: too much for a GET, nothing for an INFO. */
void
command_stats_next_sample(struct command_thread *t)
{
    uint64_t x = t->random;

    x ^= x << 13; /* xorshift64: any pattern of commands is sampled evenly */
    x ^= x >> 7;
    x ^= x << 17;
    t->random = x;
    /* 1 .. 2 * mean - 1, each equally likely */
    t->until_sample = (uint32_t)(x % (2 * STATS_SAMPLE_MEAN - 1)) + 1;
}

void
command_stats_time(struct command_row_stats *row, uint64_t ns)
{
    uint64_t above = ns == 0 ? 0 : (ns - 1) >> 10;
    int bucket = above == 0 ? 0 : 64 - __builtin_clzll(above);

    METRIC_INC(row, measured);
    METRIC_ADD(row, measured_ns, ns);
    METRIC_INC(row, histogram[MIN(bucket, STATS_BUCKETS - 1)]);
}
