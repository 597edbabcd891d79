/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c - the subcommands of MEMORY, and the figures that INFO shares.
 *
 * Any worker.
 */
#include "commands/internal.h"

#include <sys/resource.h>
#include <unistd.h>

/* ---- figures ------------------------------------------------------------- */

double
memory_ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* The peak is that of the resident set: the kernel keeps it exactly, and `used`
 * is what is resident. */
void
memory_report(const struct commands *c, struct memory_report *m)
{
    const struct slab *slab = ks_slab(c->ks);
    struct rusage usage;

    slab_stats(slab, &m->slab);
    ks_memory(c->ks, &m->ks);
    m->rss = slab_process_rss();
    ASSERT(getrusage(RUSAGE_SELF, &usage) == 0);
    m->peak = MAX((size_t)usage.ru_maxrss * KIB, m->slab.used);
    m->overhead = MIN(m->slab.other_bytes + m->slab.table_bytes +
            m->slab.page_free_bytes + m->slab.extent_warm_bytes,
        m->slab.used);
    m->allocated = m->slab.chunk_live_bytes + m->slab.extent_live_bytes;
    m->active = m->slab.page_bytes + m->slab.extent_live_bytes;
    m->resident =
        m->active + m->slab.page_free_bytes + m->slab.extent_warm_bytes;
    m->system = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- USAGE --------------------------------------------------------------- */

/* A count of samples is read and has no effect: strings are not sampled. */
static bool
read_samples(struct request *rq)
{
    int64_t samples;

    if (rq->argc == 3)
        return true;
    if (rq->argc != 5 || !arg_is(rq, 3, "samples")) {
        reply_error_syntax(rq);
        return false;
    }
    if (!arg_i64(rq, 4, &samples))
        return false;
    if (samples < 0) {
        reply_error_syntax(rq);
        return false;
    }
    return true;
}

void
cmd_memory_usage(struct request *rq)
{
    struct ks_key key;
    struct ks_info info;

    if (!read_samples(rq))
        return;
    key = arg_key(rq, 2);
    if (ks_stat(rq->thread->ks, &key, KS_PEEK, &info) != KS_OK)
        reply_null(rq->reply);
    else
        reply_int(rq->reply, (int64_t)info.memory_bytes);
}

/* ---- STATS --------------------------------------------------------------- */

/* A map under construction: counts its pairs. */
struct figures {
    struct reply *reply;
    size_t n;
};

static void
put_size(struct figures *f, const char *name, size_t v)
{
    reply_bulk_cstr(f->reply, name);
    reply_int(f->reply, (int64_t)v);
    f->n++;
}

static void
put_double(struct figures *f, const char *name, double v)
{
    reply_bulk_cstr(f->reply, name);
    reply_double(f->reply, v);
    f->n++;
}

static void
put_redis_figures(struct figures *f, const struct memory_report *m)
{
    size_t dataset = m->slab.used - m->overhead;

    put_size(f, "peak.allocated", m->peak);
    put_size(f, "total.allocated", m->slab.used);
    put_size(f, "startup.allocated", m->ks.fixed_bytes);
    put_size(f, "replication.backlog", 0);
    put_size(f, "overhead.total", m->overhead);
    put_size(f, "keys.count", m->ks.items);
    put_size(f, "keys.bytes-per-key",
        m->ks.items == 0 ? 0 : (dataset + m->ks.index_bytes) / m->ks.items);
    put_size(f, "dataset.bytes", dataset);
    put_double(
        f, "dataset.percentage", 100 * memory_ratio(dataset, m->slab.used));
    put_double(f, "peak.percentage", 100 * memory_ratio(m->slab.used, m->peak));
    put_size(f, "allocator.allocated", m->allocated);
    put_size(f, "allocator.active", m->active);
    put_size(f, "allocator.resident", m->resident);
    put_double(f, "allocator-fragmentation.ratio",
        memory_ratio(m->active, m->allocated));
    put_size(f, "allocator-fragmentation.bytes",
        m->active - MIN(m->allocated, m->active));
    put_double(f, "fragmentation", memory_ratio(m->rss, m->slab.used));
    put_size(f, "rss.bytes", m->rss);
}

static void
put_own_figures(struct figures *f, const struct memory_report *m)
{
    put_size(f, "limit.bytes", m->slab.limit);
    put_size(f, "slab.pages.bytes", m->slab.page_bytes);
    put_size(f, "slab.pages.free-bytes", m->slab.page_free_bytes);
    put_size(f, "slab.chunks.live-bytes", m->slab.chunk_live_bytes);
    put_size(f, "slab.chunks.free-bytes", m->slab.chunk_free_bytes);
    put_size(f, "slab.magazines.bytes", m->slab.magazine_bytes);
    put_size(f, "slab.pages.committed", m->slab.pages_committed);
    put_size(f, "slab.pages.released", m->slab.pages_released);
    put_size(f, "slab.pages.drained", m->slab.pages_drained);
    put_size(f, "slab.tables.bytes", m->slab.table_bytes);
    put_size(f, "extents.count", m->slab.extents_live);
    put_size(f, "extents.live-bytes", m->slab.extent_live_bytes);
    put_size(f, "extents.warm-bytes", m->slab.extent_warm_bytes);
    put_size(f, "other.bytes", m->slab.other_bytes);
    put_size(f, "index.bytes", m->ks.index_bytes);
    put_size(f, "index.lines", m->ks.index_lines);
    put_size(f, "index.slots", m->ks.index_slots);
}

void
cmd_memory_stats(struct request *rq)
{
    struct figures f = {.reply = rq->reply};
    struct memory_report m;
    size_t at = reply_map_open(rq->reply);

    memory_report(rq->thread->commands, &m);
    put_redis_figures(&f, &m);
    put_own_figures(&f, &m);
    reply_array_close(rq->reply, at, f.n);
}

/* ---- DOCTOR -------------------------------------------------------------- */

static void
diagnose(struct buf *out, const struct memory_report *m,
    const struct ks_metrics *metrics)
{
    size_t idle = m->slab.chunk_free_bytes;

    if (m->slab.used > m->slab.limit)
        buf_printf(out, "* used memory is above the limit by %zu bytes\n",
            m->slab.used - m->slab.limit);
    if (metrics->eviction_failures > 0)
        buf_printf(out,
            "* %llu writes were refused for lack of memory: raise maxmemory, "
            "or choose a policy that evicts\n",
            (unsigned long long)metrics->eviction_failures);
    if (idle > m->slab.page_bytes / 4 && idle > 32 * MIB)
        buf_printf(out,
            "* %zu bytes of the pages are free chunks: sizes have changed "
            "lately; draining gives them back over time\n",
            idle);
    if (m->rss > m->slab.used + m->slab.used / 10 + 32 * MIB)
        buf_printf(out,
            "* the kernel counts %zu resident bytes more than this server "
            "does\n",
            m->rss - m->slab.used);
}

void
cmd_memory_doctor(struct request *rq)
{
    const struct commands *c = rq->thread->commands;
    struct memory_report m;
    struct ks_metrics metrics;
    struct buf out = {0};

    memory_report(c, &m);
    ks_metrics(c->ks, &metrics);
    diagnose(&out, &m, &metrics);
    if (out.len == 0)
        buf_printf(&out, "Nothing stands out.\n");
    reply_verbatim(rq->reply, "txt", (struct str){out.p, out.len});
    buf_free(&out);
}

/* ---- MALLOC-STATS, PURGE ------------------------------------------------- */

void
cmd_memory_malloc_stats(struct request *rq)
{
    const struct slab *slab = ks_slab(rq->thread->commands->ks);
    struct slab_class_stats s;
    struct buf out = {0};

    buf_printf(&out, "%10s %10s %10s %12s %12s\n", "chunk", "page", "pages",
        "live", "free");
    for (unsigned cls = 0; slab_class_stats(slab, cls, &s); cls++) {
        if (s.pages > 0)
            buf_printf(&out, "%10zu %10zu %10zu %12zu %12zu\n", s.chunk_bytes,
                s.page_bytes, s.pages, s.chunks_live, s.chunks_free);
    }
    reply_verbatim(rq->reply, "txt", (struct str){out.p, out.len});
    buf_free(&out);
}

/* Free chunks that this worker holds go back to their pages; the maintenance
 * thread gives free pages back to the system by itself. */
void
cmd_memory_purge(struct request *rq)
{
    slab_thread_flush(ks_slab_thread(rq->thread->ks));
    reply_ok(rq->reply);
}
