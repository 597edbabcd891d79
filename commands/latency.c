/* SPDX-License-Identifier: BSD-3-Clause */
/* latency.c - LATENCY: how long commands take.
 *
 * HISTOGRAM shows the times that stats.c takes of a sample of the calls; the
 * others show the events that latency_events.c records. Any worker.
 */
#include "commands/internal.h"

#include <stdlib.h>

/* ---- HISTOGRAM ----------------------------------------------------------- */

/* Calls that took as long as each bucket says at most, where that grows. What
 * was measured stands for all calls. */
static void
reply_buckets(struct reply *r, const struct command_row_stats *row)
{
    size_t at = reply_map_open(r), n = 0;
    uint64_t below = 0;

    for (int i = 0; i < STATS_BUCKETS; i++) {
        double share;

        if (row->histogram[i] == 0)
            continue;
        below += row->histogram[i];
        share = memory_ratio(below, row->measured);
        reply_int(r, (int64_t)((UINT64_C(1024) << i) / 1000));
        reply_int(r, (int64_t)(share * (double)row->calls + 0.5));
        n++;
    }
    reply_array_close(r, at, n);
}

/* One row, if it was called; returns how many replies that makes. */
static size_t
reply_row(
    struct reply *r, const struct command_stats *sum, const struct command *row)
{
    const struct command_row_stats *stats = &sum->rows[command_id(row)];

    if (stats->calls == 0)
        return 0;
    reply_bulk_cstr(r, row->name);
    reply_map(r, 2);
    reply_bulk_cstr(r, "calls");
    reply_int(r, (int64_t)stats->calls);
    reply_bulk_cstr(r, "histogram_usec");
    reply_buckets(r, stats);
    return 1;
}

/* A row with its subcommands, if it has any. */
static size_t
reply_family(
    struct reply *r, const struct command_stats *sum, const struct command *row)
{
    size_t n = reply_row(r, sum, row);

    for (const struct command *sub = command_first_sub(row); sub != NULL;
         sub = command_next_sub(sub))
        n += reply_row(r, sum, sub);
    return n;
}

void
cmd_latency_histogram(struct request *rq)
{
    struct commands *c = rq->thread->commands;
    struct command_stats *sum = command_stats_sum(c);
    size_t at = reply_map_open(rq->reply), n = 0;

    for (size_t i = 0; rq->argc == 2 && i < command_table_rows; i++)
        n += reply_row(rq->reply, sum, &command_table[i]);
    for (int i = 2; i < rq->argc; i++) {
        const struct command *row =
            command_find_full(c->state->index, arg_str(rq, i));

        if (row != NULL)
            n += reply_family(rq->reply, sum, row);
    }
    reply_array_close(rq->reply, at, n);
    free(sum);
}

/* ---- STEPS --------------------------------------------------------------- */

static void
reply_step(struct reply *r, const struct step_counts *c)
{
    uint64_t buckets[STEP_BUCKETS], calls = 0, below = 0;
    size_t at, n = 0;

    for (int i = 0; i < STEP_BUCKETS; i++)
        calls += buckets[i] =
            atomic_load_explicit(&c->buckets[i], memory_order_relaxed);
    reply_map(r, 5);
    reply_bulk_cstr(r, "calls");
    reply_int(r, (int64_t)calls);
    reply_bulk_cstr(r, "max_usec");
    reply_int(r, (int64_t)(c->max_ns / 1000));
    reply_bulk_cstr(r, "interrupted");
    reply_int(r, (int64_t)c->interrupted);
    reply_bulk_cstr(r, "interrupted_max_usec");
    reply_int(r, (int64_t)(c->interrupted_max_ns / 1000));
    reply_bulk_cstr(r, "histogram_usec");
    at = reply_map_open(r);
    for (int i = 0; i < STEP_BUCKETS; i++) {
        if (buckets[i] == 0)
            continue;
        below += buckets[i];
        reply_int(r, (int64_t)((UINT64_C(1024) << i) / 1000));
        reply_int(r, (int64_t)below);
        n++;
    }
    reply_array_close(r, at, n);
}

void
cmd_latency_steps(struct request *rq)
{
    static const char *const names[] = {
#define X(id, name, text) name,
        STEPS(X)
#undef X
    };
    struct commands *c = rq->thread->commands;
    struct steps sum;

    memset(&sum, 0, sizeof(sum));
    for (size_t i = 0; i < ARRAY_LEN(c->steps); i++) {
        const struct steps *s = c->steps[i];

        if (s != NULL)
            steps_add(&sum, s);
    }
    reply_map(rq->reply, STEP_KINDS);
    for (int i = 0; i < STEP_KINDS; i++) {
        reply_bulk_cstr(rq->reply, names[i]);
        reply_step(rq->reply, &sum.of[i]);
    }
}

/* ---- events -------------------------------------------------------------- */

static struct latency_events *
events_of(const struct request *rq)
{
    return rq->thread->commands->state->latency;
}

/* Samples of an event, the oldest first: its first, and how many. */
static uint64_t
first_sample(const struct latency_event *e)
{
    return e->n - MIN(e->n, (uint64_t)LATENCY_SAMPLES);
}

static const struct latency_sample *
sample_at(const struct latency_event *e, uint64_t i)
{
    return &e->samples[i % LATENCY_SAMPLES];
}

void
cmd_latency_history(struct request *rq)
{
    int event = latency_event_find(arg_str(rq, 2));
    struct latency_event e = {0};

    if (event >= 0)
        latency_event_read(events_of(rq), event, &e);
    reply_array(rq->reply, e.n - first_sample(&e));
    for (uint64_t i = first_sample(&e); i < e.n; i++) {
        reply_array(rq->reply, 2);
        reply_int(rq->reply, (int64_t)sample_at(&e, i)->wall_s);
        reply_int(rq->reply, (int64_t)sample_at(&e, i)->ms);
    }
}

void
cmd_latency_latest(struct request *rq)
{
    size_t at = reply_array_open(rq->reply), n = 0;
    struct latency_event e;

    for (int event = 0; event < LATENCY_EVENTS; event++) {
        latency_event_read(events_of(rq), event, &e);
        if (e.n == 0)
            continue;
        reply_array(rq->reply, 4);
        reply_bulk_cstr(rq->reply, latency_event_name(event));
        reply_int(rq->reply, (int64_t)sample_at(&e, e.n - 1)->wall_s);
        reply_int(rq->reply, (int64_t)sample_at(&e, e.n - 1)->ms);
        reply_int(rq->reply, (int64_t)e.max_ms);
        n++;
    }
    reply_array_close(rq->reply, at, n);
}

void
cmd_latency_reset(struct request *rq)
{
    int64_t n = 0;

    for (int event = 0; rq->argc == 2 && event < LATENCY_EVENTS; event++)
        n += latency_event_reset(events_of(rq), event);
    for (int i = 2; i < rq->argc; i++) {
        int event = latency_event_find(arg_str(rq, i));

        if (event >= 0)
            n += latency_event_reset(events_of(rq), event);
    }
    reply_int(rq->reply, n);
}

#define GRAPH_COLUMNS 40

/* A bar for each sample, the latest last. */
void
cmd_latency_graph(struct request *rq)
{
    int event = latency_event_find(arg_str(rq, 2));
    struct latency_event e = {0};
    struct buf out = {0};

    if (event >= 0)
        latency_event_read(events_of(rq), event, &e);
    if (e.n == 0) {
        reply_error(rq->reply, "ERR No samples available for event '%.*s'",
            ARG_SHOWN(rq, 2));
        return;
    }
    buf_printf(&out, "%s - all time high %llu ms\n", latency_event_name(event),
        (unsigned long long)e.max_ms);
    for (uint64_t i = first_sample(&e); i < e.n; i++) {
        const struct latency_sample *s = sample_at(&e, i);
        int bar = (int)(s->ms * GRAPH_COLUMNS / MAX(e.max_ms, 1));

        buf_printf(&out, "%llu %6llu ms %.*s\n", (unsigned long long)s->wall_s,
            (unsigned long long)s->ms, bar,
            "########################################");
    }
    reply_verbatim(rq->reply, "txt", (struct str){out.p, out.len});
    buf_free(&out);
}

void
cmd_latency_doctor(struct request *rq)
{
    const struct commands *c = rq->thread->commands;
    struct buf out = {0};

    for (int event = 0; event < LATENCY_EVENTS; event++) {
        struct latency_event e;

        latency_event_read(events_of(rq), event, &e);
        if (e.n > 0)
            buf_printf(&out,
                "%s: %llu seconds with slow calls, the slowest took %llu ms. "
                "SLOWLOG GET tells which they were.\n",
                latency_event_name(event), (unsigned long long)e.n,
                (unsigned long long)e.max_ms);
    }
    if (out.len == 0)
        buf_printf(&out, "%s",
            option_get_i64(&c->values->latency_monitor_threshold) == 0
                ? "Latency monitoring is off: set latency-monitor-threshold "
                  "to record slow commands. LATENCY HISTOGRAM shows how long "
                  "commands take in any case.\n"
                : "No command was slower than latency-monitor-threshold.\n");
    reply_verbatim(rq->reply, "txt", (struct str){out.p, out.len});
    buf_free(&out);
}
