/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.c - all figures that an answer of the metrics listener shows, read
 * once. Nothing here waits for a worker, or makes one wait for longer than
 * NAMESPACE LIST does. The metrics thread.
 */
#include "daemon/monitor.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* ---- namespaces ---------------------------------------------------------- */

static bool
is_larger(const struct ks_namespace *a, const struct ks_namespace *b)
{
    return a->bytes > b->bytes;
}

static void
add_to_others(struct snapshot *s, const struct ks_namespace *ns)
{
#define X(field) s->others.field += ns->field;
    KS_NAMESPACE_COUNTS(X)
#undef X
}

/* Keep the largest, in order; what falls off counts among the others. */
static void
keep_namespace(struct snapshot *s, unsigned db, const struct ks_namespace *ns)
{
    size_t i;

    if (ns->is_other) {
        add_to_others(s, ns);
        return;
    }
    for (i = s->n_ns; i > 0 && is_larger(ns, &s->ns[i - 1].ns); i--)
        s->ns[i] = s->ns[i - 1];
    s->ns[i] = (struct namespace_row){db, *ns};
    if (s->n_ns < NAMESPACES_SHOWN)
        s->n_ns++;
    else
        add_to_others(s, &s->ns[NAMESPACES_SHOWN].ns);
}

static bool
says_anything(const struct ks_namespace *ns)
{
    uint64_t sum = 0;

#define X(field) sum |= ns->field;
    KS_NAMESPACE_COUNTS(X)
#undef X
    return sum != 0;
}

static void
take_namespaces(struct snapshot *s, unsigned db)
{
    struct ks_namespace *all;
    size_t n = ks_namespaces(s->daemon->ks, db, &all);

    for (size_t i = 0; i < n; i++)
        if (says_anything(&all[i]))
            keep_namespace(s, db, &all[i]);
    free(all);
}

/* ---- the whole ----------------------------------------------------------- */

static double
seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

void
snapshot_take(struct ashlard *d, struct snapshot *s)
{
    struct rusage usage;

    memset(s, 0, sizeof(*s));
    s->daemon = d;
    slab_stats(d->slab, &s->slab);
    ks_memory(d->ks, &s->memory);
    ks_metrics(d->ks, &s->keyspace);
    commands_metrics(&d->commands, &s->commands);
    commands_report(&d->commands, &s->report);
    daemon_metrics_sum(d, &s->server);
    maint_sample(d->maint, &s->maint);
    s->n_dbs = (unsigned)d->config.commands.databases;
    for (unsigned db = 0; db < s->n_dbs; db++) {
        ks_db_stats(d->ks, db, &s->db[db]);
        take_namespaces(s, db);
    }
    s->rss = slab_process_rss();
    ASSERT(getrusage(RUSAGE_SELF, &usage) == 0);
    s->cpu_s = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

void
snapshot_free(struct snapshot *s)
{
    command_report_free(&s->report);
}

static size_t
less(size_t whole, size_t part)
{
    return whole - MIN(whole, part);
}

/* The counters are not read at one moment, so that a part may seem larger than
 * the whole. */
void
snapshot_memory(const struct snapshot *s, struct memory_kinds *out)
{
    const struct slab_stats *b = &s->slab;
    size_t rest = b->other_bytes;

    *out = (struct memory_kinds){
        .items = less(b->chunk_live_bytes, b->magazine_bytes),
        .free_chunks = b->chunk_free_bytes,
        .cached_chunks = b->magazine_bytes,
        .page_overhead =
            less(b->page_bytes, b->chunk_live_bytes + b->chunk_free_bytes),
        .free_pages = b->page_free_bytes,
        .extents = b->extent_live_bytes,
        .free_extents = b->extent_warm_bytes,
        .slab_tables = b->table_bytes,
        .index = MIN(s->memory.index_bytes, rest),
    };
    rest -= out->index;
    out->clients = MIN(LOAD(&s->daemon->client_bytes), rest);
    out->other = rest - out->clients;
}

double
thread_cpu_seconds(pthread_t thread)
{
    struct timespec ts;
    clockid_t clock;

    if (pthread_getcpuclockid(thread, &clock) != 0 ||
        clock_gettime(clock, &ts) != 0)
        return 0;
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
