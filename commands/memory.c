/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c - the subcommands of MEMORY but for DOCTOR (memory_doctor.c). The
 * figures, which INFO shares, come from memory_report.c.
 *
 * Any worker.
 */
#include "commands/internal.h"

/* ---- USAGE --------------------------------------------------------------- */

/* Counts of samples are read and have no effect: nothing is sampled. */
static bool
read_samples(struct request *rq)
{
    int64_t samples;

    for (int i = 3; i < rq->argc; i += 2) {
        if (!arg_is(rq, i, "samples") || i + 1 == rq->argc) {
            reply_error_syntax(rq);
            return false;
        }
        if (!arg_i64(rq, i + 1, &samples))
            return false;
        if (samples < 0) {
            reply_error_syntax(rq);
            return false;
        }
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

/* What all of total.allocated is for. */
static void
put_parts(struct figures *f, const struct memory_report *m)
{
#define PUT(name, text) put_size(f, "used." #name, m->parts.name);
    MEMORY_PARTS(PUT)
#undef PUT
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
    put_size(f, "slab.pages.mark-bytes", m->slab.page_mark_bytes);
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
    put_size(f, "items.bytes", m->ks.item_bytes);
    put_size(f, "items.dead-bytes", m->ks.dead_bytes);
    put_size(f, "templates.count", m->ks.templates);
    put_size(f, "templates.bytes", m->ks.template_bytes);
    put_size(f, "namespaces.bytes", m->ks.namespace_bytes);
}

void
cmd_memory_stats(struct request *rq)
{
    struct figures f = {.reply = rq->reply};
    struct memory_report m;
    size_t at = reply_map_open(rq->reply);

    memory_report(rq->thread->commands, &m);
    put_redis_figures(&f, &m);
    put_parts(&f, &m);
    put_own_figures(&f, &m);
    reply_array_close(rq->reply, at, f.n);
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
