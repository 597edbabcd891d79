/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor.h - what the files behind the metrics listener share.
 *
 *   web.c       the listener: HTTP, limits, which path is answered by what
 *   snapshot.c  all figures, read once for an answer
 *   printable.c names that clients chose, as text
 *   metrics.c   /metrics: the table of metrics, and the Prometheus text
 *   history.c   samples of the last hour, taken by the maintenance thread
 *   status_json.c /status.json, the figures of the status page
 *   status.html the status page; becomes status_page.h when it is built
 *
 * All run in the thread of web.c but for history_note().
 */
#pragma once

#include "daemon/internal.h"

/* ---- snapshot.c ---------------------------------------------------------- */

/* The namespaces that have series of their own: those with the most bytes. */
#define NAMESPACES_SHOWN 20

struct namespace_row {
    unsigned db;
    struct ks_namespace ns;
};

struct snapshot {
    struct ashlard *daemon;
    struct slab_stats slab;
    struct ks_memory memory;
    struct ks_metrics keyspace;
    struct command_metrics commands;
    struct daemon_metrics server;
    struct command_report report;
    struct maint_sample maint;
    struct ks_db_stats db[KS_DATABASES];
    unsigned n_dbs;
    struct namespace_row ns[NAMESPACES_SHOWN + 1]; /* the largest first */
    size_t n_ns;
    struct ks_namespace others; /* the sum of all that are not among these */
    size_t rss;
    double cpu_s; /* of the process */
};

/* Read all figures; free with snapshot_free(). Metrics thread; milliseconds
 * when there are many namespaces. */
void snapshot_take(struct ashlard *d, struct snapshot *s);
void snapshot_free(struct snapshot *s);

/* Parts of the memory in use; they add up to slab.used. */
#define MEMORY_KINDS(X)                                                        \
    X(items)                                                                   \
    X(free_chunks) X(cached_chunks) X(page_overhead) X(free_pages) X(extents)  \
        X(free_extents) X(slab_tables) X(index) X(clients) X(other)

struct memory_kinds {
#define X(kind) size_t kind;
    MEMORY_KINDS(X)
#undef X
};

/* The same figures, divided by what the memory is for. */
void snapshot_memory(const struct snapshot *s, struct memory_kinds *out);

/* Processor time of a thread in seconds; 0 if the system does not say. */
double thread_cpu_seconds(pthread_t thread);

/* A name as text that may stand anywhere: well-formed UTF-8 stays, any other
 * byte and backslashes become \xNN and \\, so that two names never look the
 * same. */
void append_printable(struct buf *out, struct str name);

/* ---- metrics.c ----------------------------------------------------------- */

/* All metrics in the Prometheus text format, version 0.0.4. */
void metrics_write(const struct snapshot *s, struct buf *out);

/* ---- history.c ----------------------------------------------------------- */

#define HISTORY_STEP_S 10
#define HISTORY_POINTS 360

/* Totals and levels at one moment. */
#define HISTORY_TOTALS(X)                                                      \
    X(commands)                                                                \
    X(hits) X(misses) X(input) X(output) X(evicted) X(evicted_idle) X(expired) \
        X(expired_late)
#define HISTORY_LEVELS(X) X(used) X(items) X(clients)

struct history_point {
    uint64_t wall_s; /* 0: none */
#define X(name) uint64_t name;
    HISTORY_TOTALS(X)
    HISTORY_LEVELS(X)
#undef X
};

struct history {
    pthread_mutex_t lock;
    struct history_point points[HISTORY_POINTS]; /* [lock] a ring */
    unsigned n;                                  /* [lock] ever noted */
    uint64_t next_us;                            /* [maint thread] */
};

/* At start, and at the end when no thread is left. */
void history_init(struct history *h);
void history_free(struct history *h);

/* Is a point due, and then add it. Maintenance thread; cheap when it is not. */
bool history_due(struct history *h);
void history_note(struct history *h, const struct history_point *p);

/* The points from the oldest on; returns how many. Any thread. */
unsigned history_copy(struct history *h, struct history_point *out);

/* ---- status_json.c ------------------------------------------------------- */

/* Append /status.json: a JSON object, then a line feed; bounded in size. */
void status_write(const struct snapshot *s, struct buf *out);
