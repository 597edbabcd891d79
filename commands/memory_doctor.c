/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_doctor.c - MEMORY DOCTOR: what about the memory a person should know,
 * in sentences. Each is about a condition of now, with its figures, and says
 * what can be done.
 *
 * Any worker.
 */
#include "commands/internal.h"

/* Below this nothing is worth a sentence. */
#define NOTEWORTHY (1 * MIB)

static unsigned
percent(size_t part, size_t whole)
{
    return (unsigned)(100 * memory_ratio(part, whole) + 0.5);
}

static void
look_at_limit(struct buf *out, const struct memory_report *m,
    const struct ks_metrics *metrics)
{
    size_t limit = m->slab.limit;
    size_t fixed = m->slab.other_bytes + m->slab.table_bytes;

    if (m->slab.used > limit)
        buf_printf(out,
            "* Used memory is above maxmemory by %zu bytes: keys are evicted, "
            "or "
            "writes refused, until it fits.\n",
            m->slab.used - limit);
    if (fixed > limit / 2)
        buf_printf(out,
            "* maxmemory is small: of its %zu bytes, %zu (%u %%) are in use "
            "without any key, for the process, its clients and the index. "
            "Raise maxmemory.\n",
            limit, fixed, percent(fixed, limit));
    if (limit > m->system / 10 * 9)
        buf_printf(out,
            "* maxmemory leaves the system less than a tenth of its %zu bytes: "
            "swapping or the kernel's OOM killer may meet this server.\n",
            m->system);
    if (metrics->eviction_failures > 0)
        buf_printf(out,
            "* %llu writes were refused for lack of memory: raise maxmemory, "
            "or choose a policy that evicts.\n",
            (unsigned long long)metrics->eviction_failures);
}

static void
look_at_pages(struct buf *out, const struct memory_report *m)
{
    size_t holes = m->slab.chunk_free_bytes + m->slab.magazine_bytes;
    size_t pages = m->slab.page_bytes;

    if (holes > NOTEWORTHY && holes > pages / 4)
        buf_printf(out,
            "* High fragmentation: %zu bytes (%u %%) of the pages are free "
            "chunks, after deletions or a change of sizes. Pages are drained "
            "as memory is wanted.\n",
            holes, percent(holes, pages));
    if (m->ks.dead_bytes > NOTEWORTHY)
        buf_printf(out,
            "* %zu bytes are of keys that were flushed: they are being "
            "freed.\n",
            m->ks.dead_bytes);
}

static void
look_at_clients(struct buf *out, const struct memory_report *m)
{
    size_t clients = m->parts.clients + m->parts.pools;

    if (clients > NOTEWORTHY && clients > m->slab.limit / 10)
        buf_printf(out,
            "* Big client buffers: connections hold %zu bytes (%u %% of "
            "maxmemory). CLIENT LIST shows who; client-output-buffer-limit "
            "and client-query-buffer-limit bound them.\n",
            clients, percent(clients, m->slab.limit));
}

static void
look_at_kernel(struct buf *out, const struct memory_report *m)
{
    size_t used = m->slab.used, limit = m->slab.limit;

    if (m->rss > used + used / 10 + 16 * NOTEWORTHY)
        buf_printf(out,
            "* The kernel counts %zu resident bytes more than this server "
            "does.\n",
            m->rss - used);
    if (m->peak > limit + limit / 10 && m->peak > m->rss + m->rss / 10)
        buf_printf(out,
            "* Peak memory: the process held %zu bytes once, more than "
            "maxmemory allows now.\n",
            m->peak);
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
    look_at_limit(&out, &m, &metrics);
    look_at_pages(&out, &m);
    look_at_clients(&out, &m);
    look_at_kernel(&out, &m);
    if (out.len == 0)
        buf_printf(&out, "Nothing stands out.\n");
    reply_verbatim(rq->reply, "txt", (struct str){out.p, out.len});
    buf_free(&out);
}
