/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics.c - /metrics: one row per metric, and the Prometheus text of them.
 *
 * Counters come from the tables of the modules. What else there is has a row
 * here, with an expression or, for a metric with labels, a function. HELP and
 * TYPE lines and docs/metrics.md follow from the rows. The metrics thread.
 */
#include "daemon/monitor.h"

#include <stdio.h>

#define PREFIX "ashlar_"

/* ---- samples ------------------------------------------------------------- */

/* One metric that is being written. */
struct series {
    struct buf *out;
    char name[96];
};

static void
write_number(struct buf *out, double v)
{
    if (v == (double)(int64_t)v && v > -9e15 && v < 9e15)
        buf_printf(out, " %lld\n", (long long)v);
    else
        buf_printf(out, " %.12g\n", v);
}

/* `labels` is "" or complete: a="b",c="d". */
static void
write_sample(
    const struct series *m, const char *suffix, const char *labels, double v)
{
    buf_printf(m->out, "%s%s", m->name, suffix);
    if (*labels != '\0')
        buf_printf(m->out, "{%s}", labels);
    write_number(m->out, v);
}

/* One label whose value needs no escapes. */
static void
write_labelled(
    const struct series *m, const char *label, struct str value, double v)
{
    char labels[160];

    snprintf(labels, sizeof(labels), "%s=\"%.*s\"", label, STR_ARG(value));
    write_sample(m, "", labels, v);
}

static void
append_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_append(out, "\\", 1);
        buf_append(out, &s.p[i], 1);
    }
}

/* ---- metrics with labels ------------------------------------------------- */

static void
series_build_info(const struct series *m, const struct snapshot *s)
{
    (void)s;
    write_labelled(m, "version", STR(PACKAGE_VERSION), 1);
}

static void
series_memory_bytes(const struct series *m, const struct snapshot *s)
{
    struct memory_kinds k;

    snapshot_memory(s, &k);
#define X(kind) write_labelled(m, "kind", STR(#kind), (double)k.kind);
    MEMORY_KINDS(X)
#undef X
}

static void
each_class(const struct series *m, const struct snapshot *s,
    void (*fn)(const struct series *m, const struct slab_class_stats *c))
{
    struct slab_class_stats c;

    for (unsigned i = 0; slab_class_stats(s->daemon->slab, i, &c); i++)
        if (c.pages > 0)
            fn(m, &c);
}

static void
class_pages(const struct series *m, const struct slab_class_stats *c)
{
    char labels[64];

    snprintf(labels, sizeof(labels), "class=\"%zu\"", c->chunk_bytes);
    write_sample(m, "", labels, (double)c->pages);
}

static void
series_slab_pages(const struct series *m, const struct snapshot *s)
{
    each_class(m, s, class_pages);
}

static void
class_chunks(const struct series *m, const struct slab_class_stats *c)
{
    char labels[64];

    snprintf(
        labels, sizeof(labels), "class=\"%zu\",state=\"used\"", c->chunk_bytes);
    write_sample(m, "", labels, (double)c->chunks_live);
    snprintf(
        labels, sizeof(labels), "class=\"%zu\",state=\"free\"", c->chunk_bytes);
    write_sample(m, "", labels, (double)c->chunks_free);
}

static void
series_slab_chunks(const struct series *m, const struct snapshot *s)
{
    each_class(m, s, class_chunks);
}

static void
by_database(const struct series *m, const struct snapshot *s, bool expires)
{
    for (unsigned db = 0; db < s->n_dbs; db++) {
        char label[24];
        int len = snprintf(label, sizeof(label), "%u", db);

        if (db == 0 || s->db[db].items > 0)
            write_labelled(m, "db", (struct str){label, (size_t)len},
                (double)(expires ? s->db[db].expires : s->db[db].items));
    }
}

static void
series_keys(const struct series *m, const struct snapshot *s)
{
    by_database(m, s, false);
}

static void
series_keys_expiring(const struct series *m, const struct snapshot *s)
{
    by_database(m, s, true);
}

static void
write_worker(const struct series *m, unsigned id, double v)
{
    char labels[32];

    snprintf(labels, sizeof(labels), "worker=\"%u\"", id);
    write_sample(m, "", labels, v);
}

static void
series_worker_cpu_seconds_total(
    const struct series *m, const struct snapshot *s)
{
    for (unsigned i = 0; i < s->daemon->n_workers; i++)
        write_worker(m, i, thread_cpu_seconds(s->daemon->workers[i]->thread));
}

static void
series_worker_batches_total(const struct series *m, const struct snapshot *s)
{
    for (unsigned i = 0; i < s->daemon->n_workers; i++)
        write_worker(m, i,
            (double)atomic_load_explicit(
                &s->daemon->workers[i]->metrics.batches, memory_order_relaxed));
}

static void
series_worker_clients(const struct series *m, const struct snapshot *s)
{
    for (unsigned i = 0; i < s->daemon->n_workers; i++)
        write_worker(
            m, i, (double)LOAD(&s->daemon->workers[i]->n_clients));
}

static void
series_error_replies_total(const struct series *m, const struct snapshot *s)
{
    for (size_t i = 0; i < s->report.n_errors; i++)
        write_labelled(m, "code", str_of(s->report.errors[i].code),
            (double)s->report.errors[i].n);
}

#define COMMAND_COUNTER(field)                                                 \
    static void series_command_##field##_total(                                \
        const struct series *m, const struct snapshot *s)                      \
    {                                                                          \
        for (size_t i = 0; i < s->report.n_rows; i++)                          \
            write_labelled(m, "command", s->report.rows[i].name,               \
                (double)s->report.rows[i].field);                              \
    }
COMMAND_COUNTER(calls)
COMMAND_COUNTER(failed)
COMMAND_COUNTER(rejected)

/* Of the buckets that are counted, every second is shown. */
#define BUCKET_STEP 2

static void
write_histogram(const struct series *m, const struct report_row *row)
{
    uint64_t below = 0;
    char labels[96];

    for (int i = 0; i < REPORT_BUCKETS - 1; i++) {
        below += row->histogram[i];
        if (i % BUCKET_STEP != 0)
            continue;
        snprintf(labels, sizeof(labels), "command=\"%.*s\",le=\"%.9g\"",
            STR_ARG(row->name), (double)(UINT64_C(1024) << i) / 1e9);
        write_sample(m, "_bucket", labels, (double)below);
    }
    snprintf(labels, sizeof(labels), "command=\"%.*s\",le=\"+Inf\"",
        STR_ARG(row->name));
    write_sample(m, "_bucket", labels, (double)row->measured);
    snprintf(labels, sizeof(labels), "command=\"%.*s\"", STR_ARG(row->name));
    write_sample(m, "_sum", labels, (double)row->measured_ns / 1e9);
    write_sample(m, "_count", labels, (double)row->measured);
}

static void
series_command_duration_seconds(
    const struct series *m, const struct snapshot *s)
{
    for (size_t i = 0; i < s->report.n_rows; i++)
        if (s->report.rows[i].measured > 0)
            write_histogram(m, &s->report.rows[i]);
}

/* ---- rows: what has one value -------------------------------------------- */

static size_t
page_waste(const struct snapshot *s)
{
    struct memory_kinds k;

    snapshot_memory(s, &k);
    return k.free_chunks + k.cached_chunks + k.page_overhead;
}

/* clang-format off */
/*    name, type, value, text */
#define SINGLE_METRICS(X)                                                     \
    X(process_start_time_seconds, gauge,                                      \
        (double)s->daemon->commands.started_wall_ms / 1000,                   \
        "when the daemon started, since the epoch")                           \
    X(process_cpu_seconds_total, counter, s->cpu_s,                           \
        "processor time of all threads")                                      \
    X(process_resident_memory_bytes, gauge, s->rss,                           \
        "resident set of the process")                                        \
    X(ashlar_clients, gauge, LOAD(&s->daemon->n_clients),                     \
        "clients connected")                                                  \
    X(ashlar_clients_max, gauge, limit_u32(&s->daemon->limits.max_clients),   \
        "clients that may be connected, maxclients")                          \
    X(ashlar_clients_waiting, gauge, s->daemon->commands.n_waiting,           \
        "clients that wait for the end of a CLIENT PAUSE")                    \
    X(ashlar_memory_limit_bytes, gauge, s->slab.limit,                        \
        "limit of all memory of the process, maxmemory")                      \
    X(ashlar_memory_used_bytes, gauge, s->slab.used,                          \
        "memory in use, as maxmemory counts it")                              \
    X(ashlar_memory_fragmentation_bytes, gauge, page_waste(s),                \
        "bytes of slab pages in use that hold no item")                       \
    X(ashlar_memory_uncounted_bytes, gauge, s->maint.uncounted,               \
        "resident set less the memory in use; negative when not all that "    \
        "is counted is resident")                                             \
    X(ashlar_slab_pages_committed_total, counter, s->slab.pages_committed,    \
        "slab pages taken from the system")                                   \
    X(ashlar_slab_pages_released_total, counter, s->slab.pages_released,      \
        "slab pages given back to the system")                                \
    X(ashlar_slab_pages_drained_total, counter, s->slab.pages_drained,        \
        "slab pages emptied by moving their items")                           \
    X(ashlar_index_slots, gauge, s->memory.index_slots,                       \
        "places for items in the index")                                      \
    X(ashlar_index_items, gauge, s->memory.items,                             \
        "items in the index, expired and flushed ones included")              \
    X(ashlar_key_templates, gauge, s->memory.templates,                       \
        "key formats that were learned")                                      \
    X(ashlar_key_template_bytes, gauge, s->memory.template_bytes,             \
        "memory of key formats")                                              \
    X(ashlar_operations_per_second, gauge, s->maint.ops_per_s,                \
        "commands per second over the last seconds")

/*    name, type, labels, text */
#define LABELLED_METRICS(X)                                                   \
    X(build_info, gauge, "version", "1, with the version as a label")         \
    X(memory_bytes, gauge, "kind",                                            \
        "memory in use by what for; the kinds add up to all of it")           \
    X(slab_pages, gauge, "class", "slab pages in use by size of chunk")       \
    X(slab_chunks, gauge, "class, state", "chunks of slab pages in use")      \
    X(keys, gauge, "db", "keys, expired ones not removed yet included")       \
    X(keys_expiring, gauge, "db", "keys with an expiry")                      \
    X(worker_cpu_seconds_total, counter, "worker",                            \
        "processor time of a worker: its rate is how busy it is, 1 is full")  \
    X(worker_batches_total, counter, "worker", "batches a worker ran")        \
    X(worker_clients, gauge, "worker", "clients of a worker")                 \
    X(error_replies_total, counter, "code", "error replies by first word")    \
    X(command_calls_total, counter, "command",                                \
        "calls of a command, its subcommands included")                       \
    X(command_failed_total, counter, "command",                               \
        "calls that ended in an error reply")                                 \
    X(command_rejected_total, counter, "command",                             \
        "commands refused before they ran")                                   \
    X(command_duration_seconds, histogram, "command, le",                     \
        "how long calls took, of a sample of the calls: of all of commands "  \
        "that work on more than their keys, of 1 in 256 of the others")

/*    field, name, type, text */
#define NAMESPACE_METRICS(X)                                                  \
    X(items, namespace_keys, gauge, "keys of a namespace")                    \
    X(expires, namespace_keys_expiring, gauge, "keys with an expiry")         \
    X(bytes, namespace_bytes, gauge, "bytes of keys, values and headers")     \
    X(hits, namespace_hits_total, counter, "reads that found their key")      \
    X(misses, namespace_misses_total, counter, "reads that found none")       \
    X(sets, namespace_sets_total, counter, "values written")                  \
    X(evictions, namespace_evicted_total, counter, "items evicted")           \
    X(expiries, namespace_expired_total, counter, "items expired")            \
    X(dead_items, namespace_dead_items, gauge,                                \
        "flushed items whose memory is not free yet")                         \
    X(dead_bytes, namespace_dead_bytes, gauge, "bytes of these")
/* clang-format on */

#define X(name, type, value, text)                                             \
    static double value_of_##name(const struct snapshot *s)                    \
    {                                                                          \
        return (double)(value);                                                \
    }
SINGLE_METRICS(X)
#undef X

/* One namespace_... metric: of those with the most bytes, and of all others. */
#define X(field, name, type, text)                                             \
    static void series_##name(                                                 \
        const struct series *m, const struct snapshot *s)                      \
    {                                                                          \
        struct buf labels = {0};                                               \
                                                                               \
        for (size_t i = 0; i < s->n_ns; i++) {                                 \
            namespace_labels(&s->ns[i], &labels);                              \
            write_sample(m, "", labels.p, (double)s->ns[i].ns.field);          \
        }                                                                      \
        write_sample(                                                          \
            m, "", "db=\"\",namespace=\"(other)\"", (double)s->others.field);  \
        buf_free(&labels);                                                     \
    }

static void
namespace_labels(const struct namespace_row *row, struct buf *out)
{
    struct buf text = {0};

    out->len = 0;
    append_printable(&text, (struct str){row->ns.name, row->ns.name_len});
    buf_printf(out, "db=\"%u\",namespace=\"", row->db);
    append_escaped(out, (struct str){text.p, text.len});
    buf_append(out, "\"", 2); /* with the NUL */
    buf_free(&text);
}

NAMESPACE_METRICS(X)
#undef X

enum {
#define X(field) COUNT_##field,
    KS_NAMESPACE_COUNTS(X) N_COUNTS,
#undef X
#define X(field, name, type, text) METRIC_OF_##field,
    NAMESPACE_METRICS(X) N_COUNT_METRICS
#undef X
};
_Static_assert(N_COUNT_METRICS - N_COUNTS - 1 == N_COUNTS,
    "each count of a namespace has its metric");

/* ---- all rows ------------------------------------------------------------ */

struct metric {
    const char *name, *type, *labels, *text;
    double (*value)(const struct snapshot *s);
    void (*series)(const struct series *m, const struct snapshot *s);
};

static const struct metric metrics[] = {
#define X(name, type, value, text) {#name, #type, "", text, value_of_##name, 0},
    SINGLE_METRICS(X)
#undef X
#define X(name, type, labels, text)                                            \
    {PREFIX #name, #type, labels, text, NULL, series_##name},
        LABELLED_METRICS(X)
#undef X
#define X(field, name, type, text)                                             \
    {PREFIX #name, #type, "db, namespace", text, NULL, series_##name},
            NAMESPACE_METRICS(X)
#undef X
};

/* The counters of a module, all named alike. */
struct counters {
    const char *prefix;
    const struct metric_row *rows;
    size_t n;
    size_t offset; /* of the counters in struct snapshot */
};

static const struct metric_row server_rows[] = {DAEMON_METRICS(METRIC_ROW)};
static const struct metric_row command_rows[] = {COMMAND_METRICS(METRIC_ROW)};
static const struct metric_row keyspace_rows[] = {KS_METRICS(METRIC_ROW)};

static const struct counters counters[] = {
    {PREFIX "server_", server_rows, ARRAY_LEN(server_rows),
        offsetof(struct snapshot, server)},
    {PREFIX "", command_rows, ARRAY_LEN(command_rows),
        offsetof(struct snapshot, commands)},
    {PREFIX "keyspace_", keyspace_rows, ARRAY_LEN(keyspace_rows),
        offsetof(struct snapshot, keyspace)},
};

static void
counter_name(
    const struct counters *c, const struct metric_row *row, struct series *m)
{
    snprintf(m->name, sizeof(m->name), "%s%s%s_total", c->prefix, row->name,
        row->kind == METRIC_COUNTER ? "" : "_seconds");
}

/* ---- the text ------------------------------------------------------------ */

static void
write_head(const struct series *m, const char *type, const char *text)
{
    buf_printf(
        m->out, "# HELP %s %s\n# TYPE %s %s\n", m->name, text, m->name, type);
}

static void
write_counters(
    const struct counters *c, const struct snapshot *s, struct series *m)
{
    const uint64_t *values =
        (const uint64_t *)(const void *)((const char *)s + c->offset);

    for (size_t i = 0; i < c->n; i++) {
        double unit = c->rows[i].kind == METRIC_MILLISECONDS ? 1000 : 1;

        counter_name(c, &c->rows[i], m);
        write_head(m, "counter", c->rows[i].text);
        write_sample(m, "", "", (double)values[i] / unit);
    }
}

void
metrics_write(const struct snapshot *s, struct buf *out)
{
    struct series m = {.out = out};

    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        const struct metric *row = &metrics[i];

        snprintf(m.name, sizeof(m.name), "%s", row->name);
        write_head(&m, row->type, row->text);
        if (row->value != NULL)
            write_sample(&m, "", "", row->value(s));
        else
            row->series(&m, s);
    }
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        write_counters(&counters[i], s, &m);
}

/* ---- docs/metrics.md ----------------------------------------------------- */

static void
describe(struct buf *out, const char *name, const char *type,
    const char *labels, const char *text)
{
    buf_printf(out, "| `%s` | %s | %s | %s |\n", name, type, labels, text);
}

void
metrics_write_reference(struct buf *out)
{
    struct series m;

    buf_printf(out,
        "\n| metric | type | labels | what |\n"
        "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
        describe(out, metrics[i].name, metrics[i].type, metrics[i].labels,
            metrics[i].text);
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        for (size_t j = 0; j < counters[i].n; j++) {
            counter_name(&counters[i], &counters[i].rows[j], &m);
            describe(out, m.name, "counter", "", counters[i].rows[j].text);
        }
    }
}
