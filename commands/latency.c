/* SPDX-License-Identifier: BSD-3-Clause */
/* latency.c - LATENCY: how long commands take.
 *
 * HISTOGRAM shows the times that stats.c takes of a sample of the calls. Events
 * are not recorded, so the subcommands about them have nothing to tell. Any
 * worker.
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

/* ---- events -------------------------------------------------------------- */

void
cmd_latency_doctor(struct request *rq)
{
    reply_verbatim(rq->reply, "txt",
        STR("Latency events are not recorded here. LATENCY HISTOGRAM shows how "
            "long commands take, SLOWLOG GET those that took longest.\n"));
}

void
cmd_latency_graph(struct request *rq)
{
    reply_error(rq->reply, "ERR No samples available for event '%.*s'",
        ARG_SHOWN(rq, 2));
}

void
cmd_latency_history(struct request *rq)
{
    reply_array(rq->reply, 0);
}

void
cmd_latency_latest(struct request *rq)
{
    reply_array(rq->reply, 0);
}

void
cmd_latency_reset(struct request *rq)
{
    reply_int(rq->reply, 0);
}
