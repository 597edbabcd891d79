/* SPDX-License-Identifier: BSD-3-Clause */
/* drain.c - taking a sparse page out of use.
 *
 * IN_USE -> DRAINING -> (back in the reserve, or PENDING -> DRAINING ...)
 *
 * A draining page is in no bucket, so no batch comes from it. Its free chunks
 * are no longer anybody's: those that come back are counted, and when all have
 * come the page leaves its class. Chunks of it that rest in a magazine are
 * found when it is flushed, and are not handed out meanwhile: slab_alloc()
 * looks at the page while the class drains at all. The depot of such a class
 * stays empty.
 *
 * While a thread works on the page (DRAINING) it stays, even if empty: that
 * thread still walks over it. Otherwise (PENDING) the last chunk to come back
 * lets it go. The class lock guards the counts, the reserve lock which of the
 * two it is.
 */
#include "slab/internal.h"

/* How many pages are looked at for the sparsest one. */
#define PAGES_TO_COMPARE 16

/* Class lock and reserve lock held; the page is on no list. */
static void
let_go(struct slab *s, struct size_class *c, uint32_t page)
{
    DROP(&c->n_free_draining, c->n_chunks);
    DROP(&c->n_draining, 1);
    class_forget_page(s, c, page);
    page_release_locked(s, page);
    atomic_fetch_add_explicit(
        &s->budget.pages_drained, 1, memory_order_relaxed);
}

void
drain_return(struct slab *s, struct size_class *c, uint32_t page)
{
    struct page *p = &s->pages[page];

    p->n_free++;
    BUMP(&c->n_free_draining, 1);
    if (p->n_free < c->n_chunks)
        return;
    spin_lock(&s->reserve.lock);
    if (kind_state(LOAD(&p->kind)) == PAGE_PENDING) {
        list_remove(s, &s->reserve.pending, page);
        let_go(s, c, page);
    }
    spin_unlock(&s->reserve.lock);
}

/* The page with the most free chunks among the first of the sparsest bucket
 * that has any. [class lock] */
static uint32_t
sparsest_page(
    const struct slab *s, const struct size_class *c, unsigned *bucket)
{
    uint32_t page, best, i;
    unsigned b = N_BUCKETS - 1;

    while (b > 0 && c->bucket[b].n == 0)
        b--;
    *bucket = b;
    best = page = c->bucket[b].head;
    for (i = 0; i < PAGES_TO_COMPARE && page != PAGE_NONE; i++) {
        if (s->pages[page].n_free > s->pages[best].n_free)
            best = page;
        page = s->pages[page].next;
    }
    return best;
}

/* IN_USE -> DRAINING. [class lock] */
static void
begin(struct slab *s, struct size_class *c, uint32_t page, unsigned bucket)
{
    struct page *p = &s->pages[page];

    if (bucket < N_BUCKETS)
        list_remove(s, &c->bucket[bucket], page);
    class_add_free(s, c, -(int64_t)p->n_free);
    BUMP(&c->n_free_draining, p->n_free);
    BUMP(&c->n_draining, 1);
    STORE(&p->kind, page_kind(PAGE_DRAINING, c->number));
}

uint32_t
slab_drain_begin(struct slab *s, unsigned cls)
{
    struct size_class *c = &s->classes[cls];
    uint32_t page = PAGE_NONE;
    unsigned bucket;

    CHECK(s, SLAB_MAGIC);
    ASSERT(cls < s->n_classes);
    spin_lock(&c->lock);
    class_empty_depot(s, c);
    /* Its live chunks fit in the other pages if, and only if, the class has a
     * page's worth of free ones. */
    if (LOAD(&c->n_free) >= c->n_chunks)
        page = sparsest_page(s, c, &bucket);
    if (page != PAGE_NONE)
        begin(s, c, page, bucket);
    spin_unlock(&c->lock);
    return page;
}

/* Live chunks of the class's sparsest page, in 1/65536 of a page; more than
 * that if it has none with a free chunk. [class lock] */
static uint32_t
least_share(const struct slab *s, const struct size_class *c, uint32_t *page,
    unsigned *bucket)
{
    *page = sparsest_page(s, c, bucket);
    if (*page == PAGE_NONE)
        return UINT32_MAX;
    return (c->n_chunks - s->pages[*page].n_free) * 65536 / c->n_chunks;
}

uint32_t
slab_drain_sparsest(struct slab *s, unsigned share)
{
    uint32_t least = 65536 / share + 1, page, best = UINT32_MAX, i;
    unsigned bucket;
    struct size_class *c;

    CHECK(s, SLAB_MAGIC);
    for (i = 0; i < s->n_classes; i++) {
        c = &s->classes[i];
        if (LOAD(&c->n_free) == 0)
            continue;
        spin_lock(&c->lock);
        if (least_share(s, c, &page, &bucket) < least) {
            least = least_share(s, c, &page, &bucket);
            best = i;
        }
        spin_unlock(&c->lock);
    }
    if (best == UINT32_MAX)
        return PAGE_NONE;
    c = &s->classes[best];
    spin_lock(&c->lock);
    /* another thread may have filled it meanwhile */
    if (least_share(s, c, &page, &bucket) <= 65536 / share)
        begin(s, c, page, bucket);
    else
        page = PAGE_NONE;
    spin_unlock(&c->lock);
    return page;
}

bool
slab_drain_page(struct slab *s, uint32_t page)
{
    uint32_t kind = page_kind_of(s, page);
    struct size_class *c = &s->classes[kind_class(kind)];
    bool begun;

    CHECK(s, SLAB_MAGIC);
    if (kind_state(kind) != PAGE_IN_USE)
        return false;
    spin_lock(&c->lock);
    class_empty_depot(s, c); /* this may have released the page */
    begun = page_kind_of(s, page) == kind;
    if (begun)
        begin(s, c, page, class_bucket_of(c, s->pages[page].n_free));
    spin_unlock(&c->lock);
    return begun;
}

/* DRAINING -> PENDING, or into the reserve. True if it is gone. */
static bool
end(struct slab *s, uint32_t page)
{
    uint32_t kind = page_kind_of(s, page);
    struct size_class *c = &s->classes[kind_class(kind)];
    struct page *p = &s->pages[page];
    bool gone;

    CHECK(s, SLAB_MAGIC);
    ASSERT(kind_state(kind) == PAGE_DRAINING);
    spin_lock(&c->lock);
    spin_lock(&s->reserve.lock);
    gone = p->n_free == c->n_chunks;
    if (gone) {
        let_go(s, c, page);
    } else {
        STORE(&p->kind, page_kind(PAGE_PENDING, c->number));
        list_push_tail(s, &s->reserve.pending, page);
    }
    spin_unlock(&s->reserve.lock);
    spin_unlock(&c->lock);
    return gone;
}

bool
slab_drain_end(struct slab *s, uint32_t page)
{
    bool gone = end(s, page);

    if (!gone)
        atomic_fetch_add_explicit(&s->flush_asked, 1, memory_order_relaxed);
    return gone;
}

void
slab_drain_pause(struct slab *s, uint32_t page)
{
    (void)end(s, page);
}

bool
slab_drain_resume(struct slab *s, uint32_t page)
{
    uint32_t kind;
    bool pending;

    CHECK(s, SLAB_MAGIC);
    spin_lock(&s->reserve.lock);
    kind = LOAD(&s->pages[page].kind);
    pending = kind_state(kind) == PAGE_PENDING;
    if (pending) {
        list_remove(s, &s->reserve.pending, page);
        STORE(&s->pages[page].kind,
            page_kind(PAGE_DRAINING, kind_class(kind)));
    }
    spin_unlock(&s->reserve.lock);
    return pending;
}

uint32_t
slab_drain_pending(struct slab *s)
{
    uint32_t page;
    struct page *p;

    CHECK(s, SLAB_MAGIC);
    spin_lock(&s->reserve.lock);
    page = s->reserve.pending.head;
    if (page != PAGE_NONE) {
        p = &s->pages[page];
        list_remove(s, &s->reserve.pending, page);
        STORE(&p->kind, page_kind(PAGE_DRAINING, kind_class(LOAD(&p->kind))));
    }
    spin_unlock(&s->reserve.lock);
    return page;
}

unsigned
slab_drain_candidate(const struct slab *s)
{
    unsigned best = UINT32_MAX;
    uint64_t most = 0;

    for (unsigned w = 0; w < ARRAY_LEN(s->drainable); w++)
        for (uint64_t set = LOAD(&s->drainable[w]); set != 0; set &= set - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(set);
            const struct size_class *c = &s->classes[i];
            uint64_t n_free = LOAD(&c->n_free), beyond;

            if (n_free < c->n_chunks)
                continue; /* no longer */
            beyond = (n_free - c->n_chunks) * c->chunk_bytes;
            if (best == UINT32_MAX || beyond > most) {
                best = i;
                most = beyond;
            }
        }
    return best;
}
