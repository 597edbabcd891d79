/* SPDX-License-Identifier: BSD-3-Clause */
/* slab.c - a slab as a whole: its birth, its end, what it gives back to the
 * system, its statistics.
 *
 * slab_new() and slab_free() are for one thread, before others use the slab and
 * after; slab_trim() for the maintenance thread, statistics for any.
 */
#include "slab/internal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void
open_classes(struct slab *s, size_t limit_bytes)
{
    unsigned cls = 0, i, b;

    s->n_classes = class_table_build(s->classes, limit_bytes);
    for (i = 0; i < ARRAY_LEN(s->class_of); i++) {
        while (s->classes[cls].chunk_bytes < i * 8)
            cls++;
        s->class_of[i] = (uint8_t)cls;
    }
    for (i = 0; i < s->n_classes; i++) {
        struct size_class *c = &s->classes[i];

        spin_init(&c->lock, LOCK_CLASS);
        for (b = 0; b < N_BUCKETS; b++)
            list_init(&c->bucket[b]);
        c->pages =
            map_table(s->region.bytes / c->page_bytes * sizeof c->pages[0]);
    }
}

static void
open_pages(struct slab *s)
{
    size_t bytes = (size_t)s->n_supers * SUPER_PAGES * sizeof *s->pages;

    s->pages = map_table(bytes);
    /* Any size will do for supers that are not carved yet, see page_at(). */
    s->super_size = xcalloc(s->n_supers, sizeof *s->super_size);
    reserve_open(s);
}

/* What is inlined elsewhere, out of tables that are final. */
static void
fill_view(struct slab *s)
{
    struct slab_view *v = &s->view;

    v->base = s->region.base;
    v->max_handle = offset_handle(s->region.bytes - 16);
    v->pages = (const struct slab_page_head *)s->pages;
    v->super_size = s->super_size;
    v->unit_shift = s->unit_shift;
    for (unsigned i = 0; i < s->n_classes; i++) {
        const struct size_class *c = &s->classes[i];

        v->layout[i] = (struct slab_layout){.reciprocal = c->reciprocal,
            .chunk_bytes = c->chunk_bytes,
            .n_chunks = c->n_chunks,
            .data_start = c->data_start,
            .state_start = c->state_start,
            .page_bytes = c->page_bytes,
            .page_size = c->page_size};
    }
}

static void
write_superblock(struct slab *s)
{
    struct superblock *sb = (void *)s->region.base;
    unsigned i;

    ASSERT(sizeof *sb <= unit_bytes(s)); /* it has one page */
    ASSERT(page_offset(s, reserve_first_page(s)) == 0);
    memcpy(sb->magic, SUPERBLOCK_MAGIC, sizeof sb->magic);
    sb->version = SUPERBLOCK_VERSION;
    sb->bytes = sizeof *sb;
    sb->region_bytes = s->region.bytes;
    sb->super_bytes = (uint32_t)super_bytes(s);
    sb->unit_bytes = (uint32_t)unit_bytes(s);
    sb->n_classes = s->n_classes;
    for (i = 0; i < s->n_classes; i++) {
        sb->classes[i].chunk_bytes = s->classes[i].chunk_bytes;
        sb->classes[i].n_chunks = s->classes[i].n_chunks;
        sb->classes[i].page_bytes = s->classes[i].page_bytes;
        sb->classes[i].data_start = s->classes[i].data_start;
    }
}

/* Extents begin at any multiple of 4 KiB and go back to the system one by one,
 * which only takes whole pages of its own. */
static bool
has_small_pages(struct buf *err)
{
    long bytes = sysconf(_SC_PAGESIZE);

    if (bytes == (long)EXTENT_UNIT)
        return true;
    buf_printf(err, "needs a system with memory pages of %zu bytes, not %ld",
        EXTENT_UNIT, bytes);
    return false;
}

struct slab *
slab_new(const struct slab_config *cfg, struct buf *err)
{
    size_t planned = cfg->limit_bytes;
    struct slab *s;

    ASSERT(cfg->limit_bytes > 0);
    if (!has_small_pages(err))
        return NULL;
    s = map_table(sizeof *s);
    if (!region_open(&s->region, cfg, err) ||
        !extents_open(s, cfg->extent_region_bytes, err)) {
        region_close(&s->region);
        munmap(s, sizeof *s);
        return NULL;
    }
    if (s->region.huge) /* larger than the supers of a small cache */
        planned = MAX(planned, 1 * GIB);
    s->magic = SLAB_MAGIC;
    s->unit_shift = class_unit_shift(planned);
    s->has_barrier = barrier_is_there();
    s->n_supers = (uint32_t)(s->region.bytes / super_bytes(s));
    STORE(&s->budget.limit, cfg->limit_bytes);
    spin_init(&s->threads_lock, LOCK_THREADS);
    open_pages(s);
    open_classes(s, planned);
    fill_view(s);
    s->thread_bytes = (uint32_t)magazines_size(s);
    debug_open(s);
    write_superblock(s);
    return s;
}

static void
close_classes(struct slab *s)
{
    unsigned i;

    for (i = 0; i < s->n_classes; i++) {
        struct size_class *c = &s->classes[i];
        size_t bytes = s->region.bytes / c->page_bytes * sizeof c->pages[0];

        munmap((void *)c->pages, ROUND_UP(bytes, 4 * KIB));
    }
}

void
slab_free(struct slab *s)
{
    if (s == NULL)
        return;
    CHECK(s, SLAB_MAGIC);
    ASSERT(s->threads == NULL);
    debug_close(s);
    close_classes(s);
    reserve_close(s);
    free((void *)s->super_size);
    munmap(s->pages, (size_t)s->n_supers * SUPER_PAGES * sizeof *s->pages);
    extents_close(s);
    region_close(&s->region);
    s->magic = 0;
    munmap(s, sizeof *s);
}

int
slab_region_fd(const struct slab *s)
{
    return s->region.fd;
}

size_t
slab_region_bytes(const struct slab *s)
{
    return s->region.bytes;
}

/* ---- giving back --------------------------------------------------------- */

/* System calls of one slab_trim(): about a millisecond. */
#define TRIM_STEPS 64

size_t
slab_trim(struct slab *s, size_t reserve_bytes, uint32_t max_age_ms)
{
    size_t total = 0, got, idle, over;
    unsigned i;

    CHECK(s, SLAB_MAGIC);
    for (i = 0; i < TRIM_STEPS; i++) {
        size_t used = slab_used(s), limit = slab_limit(s);

        over = used > limit ? used - limit : 0;
        idle = LOAD(&s->budget.page_free);
        idle = idle > reserve_bytes ? idle - reserve_bytes : 0;
        got = 0;
        if (MAX(over, idle) > 0)
            got = reserve_give_back(s, MAX(over, idle));
        if (got == 0)
            got = extent_cool_oldest(s, over > 0 ? 0 : max_age_ms);
        if (got == 0 && (over > 0 || reserve_is_idle(s)))
            got = reserve_give_back_ready(s);
        if (got == 0)
            break;
        total += got;
    }
    return total;
}

/* ---- statistics ---------------------------------------------------------- */

bool
slab_class_stats(
    const struct slab *s, unsigned cls, struct slab_class_stats *out)
{
    const struct size_class *c;
    uint64_t n_free, n_chunks;

    if (cls >= s->n_classes)
        return false;
    c = &s->classes[cls];
    out->chunk_bytes = c->chunk_bytes;
    out->page_bytes = c->page_bytes;
    out->pages = LOAD(&c->n_pages);
    n_chunks = (uint64_t)out->pages * c->n_chunks;
    n_free = LOAD(&c->n_free) + LOAD(&c->n_free_draining);
    /* The counters are not read at one moment. */
    out->chunks_free = MIN(n_free, n_chunks);
    out->chunks_live = n_chunks - out->chunks_free;
    return true;
}

/* The counters are not read at one moment: what is free in a page that has come
 * meanwhile must not make more of the pages than there are. */
static void
fit_chunks(struct slab_stats *out)
{
    size_t left = out->page_bytes;

    out->page_mark_bytes = MIN(out->page_mark_bytes, left);
    left -= out->page_mark_bytes;
    out->chunk_free_bytes = MIN(out->chunk_free_bytes, left);
    out->chunk_live_bytes = left - out->chunk_free_bytes;
    out->magazine_bytes = MIN(out->magazine_bytes, out->chunk_live_bytes);
}

static void
add_chunks(const struct slab *s, struct slab_stats *out)
{
    struct slab_class_stats c;
    unsigned i;

    for (i = 0; slab_class_stats(s, i, &c); i++) {
        out->page_mark_bytes += c.pages *
            (c.page_bytes - s->classes[i].n_chunks * c.chunk_bytes);
        out->chunk_free_bytes += c.chunks_free * c.chunk_bytes;
        out->magazine_bytes += LOAD(&s->classes[i].n_depot) * c.chunk_bytes;
    }
}

void
slab_stats(const struct slab *s, struct slab_stats *out)
{
    const struct budget *b = &s->budget;
    struct spinlock *lock = (struct spinlock *)&s->threads_lock;

    CHECK(s, SLAB_MAGIC);
    *out = (struct slab_stats){
        .limit = LOAD(&b->limit),
        .page_bytes = LOAD(&b->page),
        .page_free_bytes = LOAD(&b->page_free) + LOAD(&b->page_ready),
        .extent_live_bytes = LOAD(&b->extent_live),
        .extent_warm_bytes = LOAD(&b->extent_warm),
        .extents_live = LOAD(&b->extents),
        .table_bytes = LOAD(&b->tables),
        .pages_committed = LOAD(&b->pages_committed),
        .pages_released = LOAD(&b->pages_released),
        .pages_drained = LOAD(&b->pages_drained),
    };
    for (unsigned i = 0; i < SLAB_ACCOUNTS; i++) {
        out->account_bytes[i] = LOAD(&b->account[i]);
        out->other_bytes += out->account_bytes[i];
    }
    out->used = out->page_bytes + out->page_free_bytes +
        out->extent_live_bytes + out->extent_warm_bytes + out->table_bytes +
        out->other_bytes;
    add_chunks(s, out);
    spin_lock(lock);
    out->magazine_bytes += magazines_bytes(s);
    spin_unlock(lock);
    fit_chunks(out);
}
