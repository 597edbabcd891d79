/* SPDX-License-Identifier: BSD-3-Clause */
/* class.c - the class table, and what the threads share of a class.
 *
 * A class hands out chunks of one size. Threads hold a magazine of them each
 * (magazine.c) and come here only to exchange a batch, under the lock of the
 * class: with the depot, a small stack of free chunks that no page counts as
 * free, or with the pages themselves. Batches come from the fullest pages, so
 * that the sparse ones run empty and leave.
 *
 * The table. Chunks grow in exact steps of 8 bytes first, then by a number of
 * steps a doubling, up to 16 KiB. A chunk is then widened as far as its page
 * still holds as many of them, which uses up the tail of the page; steps that
 * end at the same number of chunks are one class.
 *
 * Two losses pull in opposite directions: rounding, which wants many classes
 * and large pages, and the part of a page that each class has free, which wants
 * few and small ones, the more so the smaller the cache. So there is a plan for
 * each size of cache (see plans below). What it costs in misses, against exact
 * LRU without overhead, where smaller caches have the plan of a larger one
 * (bench/hit_ratio):
 *
 *                        web07   orm-busy    tw14      tw04
 *                       2.5 MB     2.8 MB  4.8 MB    135 MB
 *   planned             -1.1 %    -18.5 %  -2.5 %    -5.5 %
 *   as up to 128 MiB    -0.2 %    -15.0 %  -1.7 %
 *   pages of 64 KiB      +27 %     +9.4 %  +4.5 %    -5.1 %
 *
 * What threads and depots hold follows the limit as well: a magazine at most
 * 8 KiB or 1/131072 of it, a depot four times that, but always some chunks.
 */
#include "slab/internal.h"

#define EXACT_STEP 8

#define MAGAZINE_BYTES_MAX ((size_t)8 * KIB)
#define MAGAZINE_BYTES_MIN ((size_t)1 * KIB)
#define MAGAZINE_SHARE 131072 /* of the limit: 8 KiB of 1 GiB */

/* A batch is filled from at most so many pages: bounds the time under the
 * lock. */
#define PAGES_PER_TAKE 4

/* ---- the table ----------------------------------------------------------- */

struct plan {
    size_t limit_below; /* for caches smaller than this */
    unsigned unit_shift; /* log2 of the smallest page */
    size_t exact_max;   /* steps of 8 bytes up to here */
    size_t steps;       /* per doubling above */
    size_t page_max[2]; /* chunks up to here have pages of one unit, of 4;
                            larger ones of 16 */
};

static const struct plan plans[] = {
    {16 * MIB, 14, 64, 4, {2 * KIB, SLAB_MAX_CHUNK}},
    {128 * MIB, 14, 128, 8, {2 * KIB, SLAB_MAX_CHUNK}},
    {256 * MIB, 14, 256, 16, {2 * KIB, SLAB_MAX_CHUNK}},
    {512 * MIB, 16, 256, 16, {8 * KIB, SLAB_MAX_CHUNK}},
    {4 * GIB, 16, 512, 16, {4 * KIB, SLAB_MAX_CHUNK}},
    {SIZE_MAX, 16, 512, 16, {1 * KIB, 4 * KIB}},
};

static const struct plan *
plan_for(size_t limit_bytes)
{
    const struct plan *p = plans;

    while (limit_bytes >= p->limit_below && p < &plans[ARRAY_LEN(plans) - 1])
        p++;
    return p;
}

unsigned
class_unit_shift(size_t limit_bytes)
{
    return plan_for(limit_bytes)->unit_shift;
}

static size_t
page_bytes_for(const struct plan *p, unsigned page_size)
{
    return (size_t)1 << (p->unit_shift + 2 * page_size);
}

static unsigned
page_size_for(const struct plan *p, size_t chunk_bytes)
{
    if (chunk_bytes <= p->page_max[0])
        return 0;
    return chunk_bytes <= p->page_max[1] ? 1 : 2;
}

static size_t
marks_bytes(size_t n_chunks)
{
    return ROUND_UP(2 * n_chunks, 16) + ROUND_UP(n_chunks, 16);
}

/* Chunks start as aligned as their size lets all of them be, up to a cache
 * line. */
static size_t
data_start(size_t chunk_bytes, size_t n_chunks)
{
    size_t align = chunk_bytes & -chunk_bytes;

    return ROUND_UP(marks_bytes(n_chunks), MIN(align, CACHE_LINE));
}

static bool
chunks_fit(size_t chunk_bytes, size_t n_chunks, size_t page_bytes)
{
    return data_start(chunk_bytes, n_chunks) + n_chunks * chunk_bytes <=
        page_bytes;
}

static size_t
chunks_in_page(size_t chunk_bytes, size_t page_bytes)
{
    size_t n = page_bytes / chunk_bytes;

    while (!chunks_fit(chunk_bytes, n, page_bytes))
        n--;
    return n;
}

/* The largest chunk of which a page holds `n_chunks`. */
static size_t
widest_chunk(size_t n_chunks, size_t page_bytes)
{
    size_t chunk = (page_bytes - marks_bytes(n_chunks)) / n_chunks;

    chunk = MIN(chunk, SLAB_MAX_CHUNK) / 8 * 8;
    while (!chunks_fit(chunk, n_chunks, page_bytes))
        chunk -= 8;
    return chunk;
}

static size_t
next_step(const struct plan *p, size_t bytes)
{
    size_t doubling = p->exact_max;

    if (bytes < p->exact_max)
        return bytes + EXACT_STEP;
    while (doubling * 2 <= bytes)
        doubling *= 2;
    return bytes + doubling / p->steps;
}

/* How many chunks threads and depot hold. */
static void
size_magazine(struct size_class *c, size_t limit_bytes)
{
    size_t share = limit_bytes / MAGAZINE_SHARE, bytes, n;

    bytes = MIN(MAX(share, MAGAZINE_BYTES_MIN), MAGAZINE_BYTES_MAX);
    n = MIN(MAX(bytes / c->chunk_bytes, 2), MAGAZINE_MAX);
    c->magazine_max = (uint16_t)n;
    c->exchange = (uint16_t)(n / 2);
    n = MIN(4 * bytes / c->chunk_bytes, DEPOT_MAX);
    c->depot_max = (uint16_t)(n / c->exchange * c->exchange);
}

static void
size_class(struct size_class *c, unsigned number, size_t n_chunks,
    unsigned page_size, size_t page_bytes)
{
    size_t chunk = widest_chunk(n_chunks, page_bytes);

    c->number = (uint8_t)number;
    c->page_size = (uint8_t)page_size;
    c->page_bytes = (uint32_t)page_bytes;
    c->n_chunks = (uint32_t)n_chunks;
    c->chunk_bytes = (uint32_t)chunk;
    c->state_start = (uint32_t)ROUND_UP(2 * n_chunks, 16);
    c->data_start = (uint32_t)data_start(chunk, n_chunks);
    c->reciprocal = (((uint64_t)1 << 40) + chunk - 1) / chunk;
}

unsigned
class_table_build(struct size_class *classes, size_t limit_bytes)
{
    const struct plan *p = plan_for(limit_bytes);
    unsigned n = 0, page_size;
    size_t bytes, n_chunks, page_bytes;

    for (bytes = 2 * EXACT_STEP; bytes <= SLAB_MAX_CHUNK;
         bytes = next_step(p, bytes)) {
        if (n > 0 && bytes <= classes[n - 1].chunk_bytes)
            continue; /* the last one was widened over this step */
        page_size = page_size_for(p, bytes);
        page_bytes = page_bytes_for(p, page_size);
        n_chunks = chunks_in_page(bytes, page_bytes);
        ASSERT(n < SLAB_MAX_CLASSES);
        size_class(&classes[n], n, n_chunks, page_size, page_bytes);
        size_magazine(&classes[n], limit_bytes);
        n++;
    }
    return n;
}

unsigned
slab_class_of(const struct slab *s, size_t bytes)
{
    return class_for(s, bytes);
}

size_t
slab_class_bytes(const struct slab *s, unsigned cls)
{
    ASSERT(cls < s->n_classes);
    return s->classes[cls].chunk_bytes;
}

unsigned
slab_n_classes(const struct slab *s)
{
    return s->n_classes;
}

bool
slab_class_has_free(const struct slab *s, unsigned cls)
{
    return LOAD(&s->classes[cls].n_free) > 0;
}

/* ---- pages of a class ---------------------------------------------------- */

unsigned
class_bucket_of(const struct size_class *c, uint32_t n_free)
{
    return n_free > 0 ? (n_free - 1) * N_BUCKETS / c->n_chunks : N_BUCKETS;
}

void
class_add_free(struct slab *s, struct size_class *c, int64_t n)
{
    uint64_t was = LOAD(&c->n_free), now = was + (uint64_t)n;

    STORE(&c->n_free, now);
    if ((was >= c->n_chunks) != (now >= c->n_chunks))
        atomic_fetch_xor_explicit(&s->drainable[c->number / 64],
            (uint64_t)1 << c->number % 64, memory_order_relaxed);
}

/* A page of the class changes its number of free chunks: full pages are in no
 * bucket. */
static void
set_page_free(
    struct slab *s, struct size_class *c, uint32_t page, uint32_t n_free)
{
    struct page *p = &s->pages[page];
    unsigned from = class_bucket_of(c, p->n_free);
    unsigned to = class_bucket_of(c, n_free);

    p->n_free = n_free;
    if (from == to)
        return;
    if (from < N_BUCKETS)
        list_remove(s, &c->bucket[from], page);
    if (to < N_BUCKETS)
        list_push_head(s, &c->bucket[to], page);
}

/* A page just acquired joins the class. */
static void
add_page(struct slab *s, struct size_class *c, uint32_t page)
{
    struct page *p = &s->pages[page];
    uint32_t n = LOAD(&c->n_pages);
    size_t entries = 4 * KIB / sizeof c->pages[0];

    if (n >= c->n_pages_seen) {
        budget_charge_table(s, 4 * KIB);
        c->n_pages_seen += (uint32_t)entries;
    }
    p->index = n;
    STORE(&c->pages[n], page);
    p->free_head = 0;
    p->n_free = 0;
    STORE(&p->frontier, 0);
    STORE(&p->due, UINT32_MAX);
    set_page_free(s, c, page, c->n_chunks);
    class_add_free(s, c, c->n_chunks);
    /* release: who sees the kind sees the marks that page_acquire() set */
    atomic_store_explicit(
        &p->kind, page_kind(PAGE_IN_USE, c->number), memory_order_release);
    STORE(&c->n_pages, n + 1);
}

void
class_forget_page(struct slab *s, struct size_class *c, uint32_t page)
{
    uint32_t last = LOAD(&c->n_pages) - 1, index = s->pages[page].index;
    uint32_t moved = LOAD(&c->pages[last]);

    STORE(&c->pages[index], moved);
    s->pages[moved].index = index;
    STORE(&c->n_pages, last);
}

/* All chunks of a page in use are back on it. */
static void
release_empty_page(struct slab *s, struct size_class *c, uint32_t page)
{
    list_remove(s, &c->bucket[class_bucket_of(c, c->n_chunks)], page);
    class_add_free(s, c, -(int64_t)c->n_chunks);
    class_forget_page(s, c, page);
    page_release(s, page);
}

/* A chunk goes back to its page, which leaves the class with its last one.
 * [class lock] */
static void
put_back(struct slab *s, struct size_class *c, uint32_t handle)
{
    uint32_t page = page_at(s, handle_offset(handle));
    struct page *p = &s->pages[page];

    ASSERT(p->n_free < c->n_chunks);
    if (kind_draining(page_kind_of(s, page))) {
        drain_return(s, c, page);
        return;
    }
    STORE(&chunk_words(s, handle)[1], p->free_head);
    p->free_head = handle;
    class_add_free(s, c, 1);
    set_page_free(s, c, page, p->n_free + 1);
    if (p->n_free == c->n_chunks)
        release_empty_page(s, c, page);
}

/* Chunks of one page: those that came back first, then never used ones. */
static unsigned
take_from_page(struct slab *s, struct size_class *c, uint32_t page,
    uint32_t *out, unsigned want)
{
    struct page *p = &s->pages[page];
    uint32_t frontier = LOAD(&p->frontier);
    size_t offset = page_offset(s, page);
    unsigned n = 0;

    while (n < want && p->free_head != 0) {
        out[n++] = p->free_head;
        p->free_head = chunk_next(s, p->free_head);
    }
    while (n < want && frontier < c->n_chunks)
        out[n++] = chunk_handle(c, offset, frontier++);
    STORE(&p->frontier, frontier);
    class_add_free(s, c, -(int64_t)n);
    set_page_free(s, c, page, p->n_free - n);
    return n;
}

static unsigned
take_from_pages(
    struct slab *s, struct size_class *c, uint32_t *out, unsigned want)
{
    unsigned n = 0, tries = PAGES_PER_TAKE, b = 0;

    while (b < N_BUCKETS && n < want && tries > 0) {
        if (c->bucket[b].n == 0) {
            b++;
            continue;
        }
        n += take_from_page(s, c, c->bucket[b].head, out + n, want - n);
        tries--;
    }
    return n;
}

/* ---- exchange with magazines --------------------------------------------- */

static unsigned
take_from_depot(struct size_class *c, uint32_t *out, unsigned want)
{
    uint32_t have = LOAD(&c->n_depot), n = MIN(have, want);

    memcpy(out, &c->depot[have - n], n * sizeof *out);
    STORE(&c->n_depot, have - n);
    return n;
}

unsigned
class_take(struct slab *s, struct size_class *c, uint32_t *out, unsigned want,
    enum page_charge how)
{
    uint32_t page;
    unsigned n;

    spin_lock(&c->lock);
    n = take_from_depot(c, out, want);
    if (n == 0)
        n = take_from_pages(s, c, out, want);
    spin_unlock(&c->lock);
    if (n > 0)
        return n;

    page = page_acquire(s, c, how);
    if (page == PAGE_NONE)
        return 0;
    spin_lock(&c->lock);
    add_page(s, c, page);
    /* From this page even if chunks have come back to another one meanwhile: a
     * page of which nothing was taken would not leave with its last chunk. */
    n = take_from_page(s, c, page, out, want);
    spin_unlock(&c->lock);
    return n;
}

void
class_put_to_pages(
    struct slab *s, struct size_class *c, const uint32_t *handles, unsigned n)
{
    unsigned i;

    spin_lock(&c->lock);
    for (i = 0; i < n; i++)
        put_back(s, c, handles[i]);
    spin_unlock(&c->lock);
}

void
class_put(
    struct slab *s, struct size_class *c, const uint32_t *handles, unsigned n)
{
    uint32_t have;

    spin_lock(&c->lock);
    have = LOAD(&c->n_depot);
    /* A draining page waits for its chunks: none may rest in the depot. */
    if (have + n <= c->depot_max && LOAD(&c->n_draining) == 0) {
        memcpy(&c->depot[have], handles, n * sizeof *handles);
        STORE(&c->n_depot, have + n);
        spin_unlock(&c->lock);
        return;
    }
    spin_unlock(&c->lock);
    class_put_to_pages(s, c, handles, n);
}

void
class_empty_depot(struct slab *s, struct size_class *c)
{
    uint32_t n = LOAD(&c->n_depot);

    while (n > 0)
        put_back(s, c, c->depot[--n]);
    STORE(&c->n_depot, 0);
}
