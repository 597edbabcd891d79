/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_report.c - the figures behind INFO memory and MEMORY: one look at what
 * the process holds, and what all of it is for.
 *
 * Any worker.
 */
#include "commands/internal.h"

#include <sys/resource.h>
#include <unistd.h>

double
memory_ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* The sum is `used`, whatever happens meanwhile: what is known of items, which
 * is read a moment later, divides what chunks and extents hold, and no more. */
static void
divide(const struct memory_report *m, struct memory_parts *out)
{
    const struct slab_stats *s = &m->slab;
    const size_t *account = s->account_bytes;
    size_t held =
        s->chunk_live_bytes - s->magazine_bytes + s->extent_live_bytes;

    *out = (struct memory_parts){
        .items = MIN(m->ks.item_bytes, held),
        .marks = s->page_mark_bytes,
        .chunks_free = s->chunk_free_bytes,
        .magazines = s->magazine_bytes,
        .pages_free = s->page_free_bytes,
        .extents_warm = s->extent_warm_bytes,
        .index = account[SLAB_INDEX],
        .templates = account[SLAB_TEMPLATES],
        .namespaces = account[SLAB_NAMESPACES],
        .hash_shapes = account[SLAB_HASH_SHAPES],
        .ghosts = account[SLAB_GHOSTS],
        .tables = s->table_bytes,
        .clients = account[SLAB_CLIENTS],
        .pools = account[SLAB_POOLS],
        .process = account[SLAB_PROCESS],
        .other = account[SLAB_OTHER],
    };
    out->rounding = held - out->items;
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
    divide(m, &m->parts);
    m->rss = slab_process_rss();
    ASSERT(getrusage(RUSAGE_SELF, &usage) == 0);
    m->peak = MAX((size_t)usage.ru_maxrss * KIB, m->slab.used);
    m->overhead = m->slab.other_bytes + m->slab.table_bytes +
        m->slab.page_free_bytes + m->slab.extent_warm_bytes;
    m->allocated = m->slab.chunk_live_bytes + m->slab.extent_live_bytes;
    m->active = m->slab.page_bytes + m->slab.extent_live_bytes;
    m->resident =
        m->active + m->slab.page_free_bytes + m->slab.extent_warm_bytes;
    m->system = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}
