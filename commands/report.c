/* SPDX-License-Identifier: BSD-3-Clause */
/* report.c - what commands count, for who shows it outside of RESP.
 *
 * Subcommands are added to their container, so that the number of rows is
 * bounded by the number of command families. Any thread.
 */
#include "commands/internal.h"

#include <stdlib.h>

_Static_assert(REPORT_BUCKETS == STATS_BUCKETS, "the same buckets");

void
commands_metrics(const struct commands *c, struct command_metrics *sum)
{
    command_metrics_sum(c, sum);
}

/* "client" of "client|id". */
static struct str
family_of(const struct command *row)
{
    return (struct str){row->name, strcspn(row->name, "|")};
}

static void
add_row(struct report_row *to, const struct command_row_stats *from)
{
    to->calls += from->calls;
    to->failed += from->failed;
    to->rejected += from->rejected;
    to->measured_ns += from->measured_ns;
    for (int i = 0; i < REPORT_BUCKETS; i++) {
        to->histogram[i] += from->histogram[i];
        to->measured += from->histogram[i];
    }
}

static bool
was_used(const struct command_row_stats *s)
{
    return s->calls + s->failed + s->rejected > 0;
}

/* Subcommands follow the row of their container. */
static void
add_families(struct command_report *r, const struct command_stats *sum)
{
    r->rows = xcalloc(command_table_rows, sizeof(*r->rows));
    for (size_t i = 0; i < command_table_rows; i++) {
        struct str name = family_of(&command_table[i]);

        if (!was_used(&sum->rows[i]))
            continue;
        if (r->n_rows == 0 || !str_eq(r->rows[r->n_rows - 1].name, name))
            r->rows[r->n_rows++].name = name;
        add_row(&r->rows[r->n_rows - 1], &sum->rows[i]);
    }
}

void
commands_report(const struct commands *c, struct command_report *out)
{
    struct command_stats *sum = command_stats_sum(c);

    *out = (struct command_report){.n_errors = ERROR_CODES_N};
    out->errors = xcalloc(ERROR_CODES_N, sizeof(*out->errors));
    for (int i = 0; i < ERROR_CODES_N; i++)
        out->errors[i] = (struct report_error){
            error_code_name((enum error_code)i), sum->errors[i]};
    add_families(out, sum);
    free(sum);
}

void
command_report_free(struct command_report *r)
{
    free(r->errors);
    free(r->rows);
    *r = (struct command_report){.n_rows = 0};
}
