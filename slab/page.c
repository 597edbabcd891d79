/* SPDX-License-Identifier: BSD-3-Clause */
/* page.c - pages for the classes, and the reserve of free ones.
 *
 * A page that no class uses is cold, its memory with the system (super.c), or
 * resident: on the reserve's list of its size, charged, and ready without a
 * system call.
 *
 * Who noted a hit in a page's former life may not be done with it yet. So the
 * reserve hands out its oldest page first, and none that is held (mark.c),
 * neither to a class nor to the system.
 */
#include "slab/internal.h"

/* ---- lists of pages ------------------------------------------------------ */

void
list_init(struct page_list *l)
{
    l->head = l->tail = PAGE_NONE;
    l->n = 0;
}

void
list_push_head(struct slab *s, struct page_list *l, uint32_t page)
{
    struct page *p = &s->pages[page];

    p->prev = PAGE_NONE;
    p->next = l->head;
    if (l->head != PAGE_NONE)
        s->pages[l->head].prev = page;
    else
        l->tail = page;
    l->head = page;
    l->n++;
}

void
list_push_tail(struct slab *s, struct page_list *l, uint32_t page)
{
    struct page *p = &s->pages[page];

    p->next = PAGE_NONE;
    p->prev = l->tail;
    if (l->tail != PAGE_NONE)
        s->pages[l->tail].next = page;
    else
        l->head = page;
    l->tail = page;
    l->n++;
}

void
list_remove(struct slab *s, struct page_list *l, uint32_t page)
{
    struct page *p = &s->pages[page];

    if (p->prev != PAGE_NONE)
        s->pages[p->prev].next = p->next;
    else
        l->head = p->next;
    if (p->next != PAGE_NONE)
        s->pages[p->next].prev = p->prev;
    else
        l->tail = p->prev;
    l->n--;
}

/* ---- the reserve --------------------------------------------------------- */

static size_t
page_bytes_of(const struct slab *s, uint32_t page)
{
    return (size_t)1 << page_shift(s, super_page_size(s, page / SUPER_PAGES));
}

/* [lock] */
static void
push_free(struct slab *s, uint32_t page)
{
    uint32_t super = page / SUPER_PAGES;

    s->reserve.supers[super].resident |= 1u << page % SUPER_PAGES;
    list_push_tail(s, &s->reserve.free[super_page_size(s, super)], page);
}

/* [lock] */
static void
pull_free(struct slab *s, uint32_t page)
{
    uint32_t super = page / SUPER_PAGES;

    s->reserve.supers[super].resident &= ~(1u << page % SUPER_PAGES);
    list_remove(s, &s->reserve.free[super_page_size(s, super)], page);
}

void
page_release_locked(struct slab *s, uint32_t page)
{
    size_t bytes = page_bytes_of(s, page);
    uint32_t kind = LOAD(&s->pages[page].kind);

    /* The class stays noted: see zero_heads(). seq_cst: see mark.c. */
    atomic_store_explicit(&s->pages[page].kind,
        page_kind(PAGE_FREE, kind_class(kind)), memory_order_seq_cst);
    push_free(s, page);
    atomic_fetch_sub_explicit(&s->budget.page, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(
        &s->budget.page_free, bytes, memory_order_relaxed);
}

void
page_release(struct slab *s, uint32_t page)
{
    spin_lock(&s->reserve.lock);
    page_release_locked(s, page);
    spin_unlock(&s->reserve.lock);
}

/* [lock] The oldest free page of the size that nobody holds; PAGE_NONE if there
 * is none. At most one a thread is held, so this is the first or nearly so. */
static uint32_t
oldest_free(struct slab *s, unsigned page_size)
{
    uint32_t page = s->reserve.free[page_size].head;

    while (page != PAGE_NONE && page_is_held(s, page))
        page = s->pages[page].next;
    return page;
}

/* [lock] Whether this page of a super can go with its neighbour. */
static bool
joins_run(struct slab *s, uint32_t super, uint32_t at)
{
    return at < SUPER_PAGES && s->reserve.supers[super].resident >> at & 1 &&
        !page_is_held(s, super * SUPER_PAGES + at);
}

/* [lock] Pull a free page and its free neighbours in the super, up to about
 * `want` bytes: one system call gives them back. Returns them as a bit set. */
static uint32_t
pull_run(struct slab *s, uint32_t page, size_t want)
{
    uint32_t super = page / SUPER_PAGES, at = page % SUPER_PAGES;
    size_t bytes = page_bytes_of(s, page), got = bytes;
    uint32_t lo = at, hi = at, run = 0;

    while (got < want && joins_run(s, super, hi + 1)) {
        hi++;
        got += bytes;
    }
    while (got < want && joins_run(s, super, lo - 1)) {
        lo--;
        got += bytes;
    }
    for (at = lo; at <= hi; at++) {
        pull_free(s, super * SUPER_PAGES + at);
        run |= 1u << at;
    }
    return run;
}

/* The system kept them: they are still resident. [lock] */
static void
push_run(struct slab *s, uint32_t super, uint32_t run)
{
    for (; run != 0; run &= run - 1)
        push_free(s, super * SUPER_PAGES + (uint32_t)__builtin_ctz(run));
}

size_t
reserve_give_back(struct slab *s, size_t want)
{
    struct reserve *r = &s->reserve;
    uint32_t page = PAGE_NONE, run, super;
    unsigned i = N_PAGE_SIZES;
    size_t bytes;
    bool done;

    spin_lock(&r->lock);
    while (i > 0 && page == PAGE_NONE)
        page = oldest_free(s, --i);
    if (page == PAGE_NONE) {
        spin_unlock(&r->lock);
        return 0;
    }
    run = pull_run(s, page, want);
    spin_unlock(&r->lock);

    super = page / SUPER_PAGES;
    page = super * SUPER_PAGES + (uint32_t)__builtin_ctz(run);
    bytes = (size_t)__builtin_popcount(run) * page_bytes_of(s, page);
    done = region_give_back(&s->region, page_offset(s, page), bytes);

    spin_lock(&r->lock);
    if (done)
        super_make_cold(s, super, run);
    else
        push_run(s, super, run);
    spin_unlock(&r->lock);
    if (!done)
        return 0;
    atomic_fetch_sub_explicit(
        &s->budget.page_free, bytes, memory_order_relaxed);
    budget_uncharge(s, bytes);
    atomic_fetch_add_explicit(&s->budget.pages_released,
        (uint64_t)__builtin_popcount(run), memory_order_relaxed);
    return bytes;
}

/* ---- a page for a class -------------------------------------------------- */

static uint32_t
take_resident(struct slab *s, unsigned page_size)
{
    uint32_t page;

    spin_lock(&s->reserve.lock);
    page = oldest_free(s, page_size);
    if (page != PAGE_NONE)
        pull_free(s, page);
    spin_unlock(&s->reserve.lock);
    if (page != PAGE_NONE)
        atomic_fetch_sub_explicit(&s->budget.page_free,
            (size_t)1 << page_shift(s, page_size), memory_order_relaxed);
    return page;
}

static bool
charge_page(struct slab *s, size_t bytes, enum page_charge how)
{
    if (how == PAGE_WITHIN_LIMIT)
        return budget_charge(s, bytes);
    budget_charge_anyway(s, bytes);
    return true;
}

/* With huge pages super-pages are carved by commit_super(). To charge a page
 * that cannot be had would give memory back for nothing. */
static bool
may_take_cold(struct slab *s, unsigned page_size)
{
    bool has;

    if (!s->region.huge)
        return true;
    spin_lock(&s->reserve.lock);
    has = super_has_cold(s, page_size);
    spin_unlock(&s->reserve.lock);
    return has;
}

/* A cold page, charged. When only addresses are short, free pages of other
 * sizes go, until a super-page of theirs can be carved anew. */
static uint32_t
commit_cold(struct slab *s, unsigned page_size, enum page_charge how)
{
    size_t bytes = (size_t)1 << page_shift(s, page_size);
    uint32_t page;

    if (!may_take_cold(s, page_size) || !charge_page(s, bytes, how))
        return PAGE_NONE;
    for (;;) {
        spin_lock(&s->reserve.lock);
        page = super_take_cold(s, page_size);
        spin_unlock(&s->reserve.lock);
        if (page != PAGE_NONE)
            break;
        if (s->region.huge || reserve_give_back(s, super_bytes(s)) == 0) {
            budget_uncharge(s, bytes);
            return PAGE_NONE;
        }
    }
    STORE(&s->pages[page].kind, page_kind(PAGE_UNUSED, 0));
    atomic_fetch_add_explicit(
        &s->budget.pages_committed, 1, memory_order_relaxed);
    return page;
}

/* With huge pages the first touch makes a whole super-page resident: charge it
 * as a whole, and put all its pages into the reserve. */
static bool
commit_super(struct slab *s, unsigned page_size, enum page_charge how)
{
    uint32_t super, pages;

    spin_lock(&s->reserve.lock);
    if (!super_take_ready(s)) {
        spin_unlock(&s->reserve.lock);
        if (!charge_page(s, super_bytes(s), how))
            return false;
        spin_lock(&s->reserve.lock);
        if (super_take_ready(s)) /* meanwhile: one charge is enough */
            budget_uncharge(s, super_bytes(s));
    }
    pages = super_take_whole(s, page_size, &super);
    if (pages != 0) /* before another thread can take one of them */
        atomic_fetch_add_explicit(
            &s->budget.page_free, super_bytes(s), memory_order_relaxed);
    push_run(s, super, pages);
    spin_unlock(&s->reserve.lock);
    if (pages == 0) {
        budget_uncharge(s, super_bytes(s));
        return false;
    }
    atomic_fetch_add_explicit(&s->budget.pages_committed,
        (uint64_t)__builtin_popcount(pages), memory_order_relaxed);
    return true;
}

/* Marks may still be read and written by holders of stale handles, so they are
 * set by atomic stores, eight bytes at a time: both arrays are whole 16s. */
static void
fill_marks(char *at, size_t bytes, uint64_t value)
{
    _Atomic uint64_t *word = (_Atomic uint64_t *)(void *)at;
    size_t i;

    for (i = 0; i < bytes / sizeof *word; i++)
        STORE(&word[i], value);
}

/* A resident page holds what its last class left: make all chunks look free. A
 * cold page is all zeros, and one that comes back to its class has zeros in
 * the right places. */
static void
zero_heads(struct slab *s, const struct size_class *c, uint32_t page)
{
    uint32_t kind = LOAD(&s->pages[page].kind), slot;
    size_t offset = page_offset(s, page);

    if (kind_state(kind) != PAGE_FREE || kind_class(kind) == c->number)
        return;
    for (slot = 0; slot < c->n_chunks; slot++)
        STORE(&chunk_words(s, chunk_handle(c, offset, slot))[0], 0);
}

/* After the limit was lowered free pages are to go, not to be filled. The 64th
 * is what may be above it otherwise: charges that nobody refuses. A class
 * without any page cannot wait until all of them have gone. */
static bool
may_fill_free_page(
    const struct slab *s, const struct size_class *c, enum page_charge how)
{
    size_t limit = LOAD(&s->budget.limit);

    return LOAD(&s->budget.used) <= limit + limit / 64 ||
        LOAD(&c->n_pages) == 0 || how == PAGE_ANYWAY;
}

uint32_t
page_acquire(struct slab *s, const struct size_class *c, enum page_charge how)
{
    uint32_t page = PAGE_NONE;
    char *base;

    if (may_fill_free_page(s, c, how))
        page = take_resident(s, c->page_size);
    if (page == PAGE_NONE)
        page = commit_cold(s, c->page_size, how);
    if (page == PAGE_NONE && s->region.huge &&
        commit_super(s, c->page_size, how))
        page = take_resident(s, c->page_size);
    if (page == PAGE_NONE)
        return PAGE_NONE;
    atomic_fetch_add_explicit(
        &s->budget.page, c->page_bytes, memory_order_relaxed);
    base = s->region.base + page_offset(s, page);
    debug_page(s, page_offset(s, page), c->page_bytes);
    fill_marks(base, c->state_start, 0);
    fill_marks(base + c->state_start, ROUND_UP(c->n_chunks, 16),
        0x0101010101010101u * SLAB_MARK_FREE);
    zero_heads(s, c, page);
    return page;
}
