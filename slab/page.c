/* SPDX-License-Identifier: BSD-3-Clause */
/* page.c - super-pages, their pages, and the reserve of free pages.
 *
 * A super-page is carved into pages of one size when the first of them is
 * needed, and may be carved anew when all are cold again. A page that no class
 * uses is cold (its memory is with the system: two bitmaps find one, lowest
 * address first, which keeps the used part of the region dense) or resident: on
 * the reserve's list of its size, charged, and ready without a system call.
 *
 * Who noted a hit in a page's former life may not be done with it yet. So the
 * reserve hands out its oldest page first, and none that is held (mark.c),
 * neither to a class nor to the system.
 */
#include "slab/internal.h"

#include <stdlib.h>

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

/* ---- bitmaps of super-pages ---------------------------------------------- */

static void
bit_set(uint64_t *map, uint32_t i)
{
    map[i / 64] |= (uint64_t)1 << i % 64;
}

static void
bit_clear(uint64_t *map, uint32_t i)
{
    map[i / 64] &= ~((uint64_t)1 << i % 64);
}

static bool
bit_test(const uint64_t *map, uint32_t i)
{
    return map[i / 64] >> i % 64 & 1;
}

/* The lowest bit set at `from` or later of the first `n`, or `n`. */
static uint32_t
bit_first_from(const uint64_t *map, uint32_t from, uint32_t n)
{
    uint32_t i = from / 64;
    uint64_t mask = UINT64_MAX << from % 64;

    for (; i < (n + 63) / 64; i++, mask = UINT64_MAX)
        if ((map[i] & mask) != 0)
            return i * 64 + (uint32_t)__builtin_ctzll(map[i] & mask);
    return n;
}

static uint32_t
bit_first(const uint64_t *map, uint32_t n)
{
    return bit_first_from(map, 0, n);
}

static size_t
bitmap_bytes(const struct slab *s)
{
    return (s->n_supers + 63) / 64 * sizeof(uint64_t);
}

void
reserve_open(struct slab *s)
{
    struct reserve *r = &s->reserve;
    uint32_t i;

    spin_init(&r->lock, LOCK_RESERVE);
    list_init(&r->pending);
    for (i = 0; i < N_PAGE_SIZES; i++) {
        list_init(&r->free[i]);
        r->with_cold[i] = xcalloc(1, bitmap_bytes(s));
    }
    r->uncarved = xcalloc(1, bitmap_bytes(s));
    r->ready = xcalloc(1, bitmap_bytes(s));
    r->supers = xcalloc(s->n_supers, sizeof *r->supers);
    for (i = 0; i < s->n_supers; i++)
        bit_set(r->uncarved, i);
}

void
reserve_close(struct slab *s)
{
    struct reserve *r = &s->reserve;
    unsigned i;

    for (i = 0; i < N_PAGE_SIZES; i++)
        free(r->with_cold[i]);
    free(r->uncarved);
    free(r->ready);
    free(r->supers);
}

/* ---- super-pages --------------------------------------------------------- */

/* One bit for each page of a super that is carved into this size. */
static uint32_t
all_pages(unsigned page_size)
{
    unsigned n = SUPER_PAGES >> 2 * page_size;

    return n == 32 ? UINT32_MAX : (1u << n) - 1;
}

static unsigned
super_page_size(const struct slab *s, uint32_t super)
{
    return LOAD(&s->super_size[super]);
}

/* [lock] The super-page to carve next; n_supers when there is none. One that is
 * ready, else one where the first touch is of 4 KiB and not of a huge page,
 * which takes up to milliseconds; the lowest of these. */
static uint32_t
next_super(const struct slab *s)
{
    const struct reserve *r = &s->reserve;
    uint32_t super = bit_first_from(r->ready, 0, s->n_supers);

    if (super == s->n_supers)
        super = bit_first_from(r->uncarved,
            (uint32_t)(LOAD(&s->region.huge_upto) / super_bytes(s)),
            s->n_supers);
    if (super == s->n_supers)
        super = bit_first(r->uncarved, s->n_supers);
    return super;
}

/* [lock] Carve a free super-page; n_supers when there is none. */
static uint32_t
carve(struct slab *s, unsigned page_size)
{
    struct reserve *r = &s->reserve;
    uint32_t super = next_super(s);

    if (super == s->n_supers)
        return super;
    if (super >= r->n_supers_seen) {
        budget_charge_table(s, SUPER_PAGES * sizeof(struct page));
        r->n_supers_seen = super + 1;
    }
    bit_clear(r->uncarved, super);
    bit_clear(r->ready, super);
    bit_set(r->with_cold[page_size], super);
    r->supers[super].cold = all_pages(page_size);
    STORE(&s->super_size[super], (uint8_t)page_size);
    if (super >= LOAD(&s->super_limit))
        STORE(&s->super_limit, super + 1);
    return super;
}

/* [lock] All its pages are cold: any size may have it next. */
static void
uncarve(struct slab *s, uint32_t super)
{
    struct reserve *r = &s->reserve;
    uint32_t limit = LOAD(&s->super_limit);

    bit_clear(r->with_cold[super_page_size(s, super)], super);
    bit_set(r->uncarved, super);
    r->supers[super].cold = 0;
    while (limit > 0 && r->uncarved[(limit - 1) / 64] >> (limit - 1) % 64 & 1)
        limit--;
    STORE(&s->super_limit, limit);
}

/* [lock] */
static void
make_cold(struct slab *s, uint32_t super, uint32_t pages)
{
    struct super *sp = &s->reserve.supers[super];
    unsigned page_size = super_page_size(s, super);

    sp->cold |= pages;
    bit_set(s->reserve.with_cold[page_size], super);
    if (sp->cold == all_pages(page_size))
        uncarve(s, super);
}

/* [lock] A cold page, or PAGE_NONE when addresses are used up. With huge pages
 * no super-page is carved here: see commit_super(). */
static uint32_t
take_cold(struct slab *s, unsigned page_size)
{
    struct reserve *r = &s->reserve;
    uint32_t super = bit_first(r->with_cold[page_size], s->n_supers);
    struct super *sp;
    unsigned i;

    if (super == s->n_supers && !s->region.huge)
        super = carve(s, page_size);
    if (super == s->n_supers)
        return PAGE_NONE;
    sp = &r->supers[super];
    i = (unsigned)__builtin_ctz(sp->cold);
    sp->cold &= sp->cold - 1;
    if (sp->cold == 0)
        bit_clear(r->with_cold[page_size], super);
    return super * SUPER_PAGES + i;
}

uint32_t
reserve_first_page(struct slab *s)
{
    uint32_t page, super;

    spin_lock(&s->reserve.lock);
    super = carve(s, 0);
    page = super * SUPER_PAGES;
    s->reserve.supers[super].cold &= ~1u;
    spin_unlock(&s->reserve.lock);
    STORE(&s->pages[page].kind, page_kind(PAGE_RESERVED, 0));
    return page;
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
        make_cold(s, super, run);
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

/* A cold page, charged. When only addresses are short, free pages of other
 * sizes go, until a super-page of theirs can be carved anew. */
static uint32_t
commit_cold(struct slab *s, unsigned page_size)
{
    size_t bytes = (size_t)1 << page_shift(s, page_size);
    uint32_t page;

    if (!budget_charge(s, bytes))
        return PAGE_NONE;
    for (;;) {
        spin_lock(&s->reserve.lock);
        page = take_cold(s, page_size);
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

/* [lock] If the super-page that is carved next is touched and charged already,
 * its charge passes to the caller. */
static bool
take_ready(struct slab *s)
{
    struct reserve *r = &s->reserve;
    uint32_t super = next_super(s);

    if (super == s->n_supers || !bit_test(r->ready, super))
        return false;
    /* carve() takes the same */
    r->n_ready--;
    return true;
}

/* With huge pages the first touch makes a whole super-page resident: charge it
 * as a whole, and put all its pages into the reserve. */
static bool
commit_super(struct slab *s, unsigned page_size)
{
    uint32_t super, pages;

    spin_lock(&s->reserve.lock);
    if (!take_ready(s)) {
        spin_unlock(&s->reserve.lock);
        if (!budget_charge(s, super_bytes(s)))
            return false;
        spin_lock(&s->reserve.lock);
        if (take_ready(s)) /* meanwhile: one charge is enough */
            budget_uncharge(s, super_bytes(s));
    }
    s->reserve.n_taken++;
    s->reserve.taken_us = clock_mono_us();
    super = carve(s, page_size);
    pages = super < s->n_supers ? s->reserve.supers[super].cold : 0;
    if (pages != 0) {
        s->reserve.supers[super].cold = 0;
        bit_clear(s->reserve.with_cold[page_size], super);
        /* before another thread can take one of them */
        atomic_fetch_add_explicit(
            &s->budget.page_free, super_bytes(s), memory_order_relaxed);
    }
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

/* ---- touched ahead ------------------------------------------------------- */

/* 16 MiB, and when nobody has taken any for a while, 4 MiB. More would spare a
 * quick writer more small pages, but it is memory that nobody uses. */
#define READY_SUPERS 8
#define READY_IDLE 2
#define IDLE_US 1000000

/* [lock] How many are to be ready; none near the limit. */
static uint32_t
ready_wanted(const struct slab *s)
{
    return (uint32_t)MIN(
        READY_SUPERS, slab_headroom(s) / (2 * super_bytes(s)));
}

/* [lock] The lowest super-page that is neither carved nor ready. */
static uint32_t
next_unready(const struct slab *s)
{
    const struct reserve *r = &s->reserve;

    for (uint32_t i = 0; i < (s->n_supers + 63) / 64; i++) {
        uint64_t bits = r->uncarved[i] & ~r->ready[i];

        if (bits != 0)
            return i * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return s->n_supers;
}

bool
slab_populate(struct slab *s)
{
    struct reserve *r = &s->reserve;
    size_t bytes = super_bytes(s);
    uint32_t super;
    bool more;

    if (!s->region.huge)
        return false;
    spin_lock(&r->lock);
    more = r->n_taken > 0 && r->n_ready < ready_wanted(s);
    if (!more)
        r->n_taken = 0;
    super = next_unready(s);
    spin_unlock(&r->lock);
    if (!more || super == s->n_supers || !budget_charge(s, bytes))
        return false;
    region_populate(&s->region, (size_t)super * bytes, bytes);
    spin_lock(&r->lock);
    more = bit_test(r->uncarved, super);
    if (more) {
        bit_set(r->ready, super);
        r->n_ready++;
    }
    spin_unlock(&r->lock);
    if (!more) /* somebody was quicker, and charged it */
        budget_uncharge(s, bytes);
    return true;
}

bool
reserve_is_idle(struct slab *s)
{
    struct reserve *r = &s->reserve;
    bool idle;

    if (!s->region.huge)
        return false;
    spin_lock(&r->lock);
    idle = r->n_ready > READY_IDLE && clock_mono_us() - r->taken_us > IDLE_US;
    spin_unlock(&r->lock);
    return idle;
}

size_t
reserve_give_back_ready(struct slab *s)
{
    struct reserve *r = &s->reserve;
    size_t bytes = super_bytes(s);
    uint32_t super;

    spin_lock(&r->lock);
    super = bit_first(r->ready, s->n_supers);
    if (super < s->n_supers) { /* nobody carves it meanwhile */
        bit_clear(r->ready, super);
        bit_clear(r->uncarved, super);
        r->n_ready--;
    }
    spin_unlock(&r->lock);
    if (super == s->n_supers)
        return 0;
    (void)region_give_back(&s->region, (size_t)super * bytes, bytes);
    spin_lock(&r->lock);
    bit_set(r->uncarved, super);
    spin_unlock(&r->lock);
    budget_uncharge(s, bytes);
    return bytes;
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

uint32_t
page_acquire(struct slab *s, const struct size_class *c)
{
    size_t limit = LOAD(&s->budget.limit);
    uint32_t page = PAGE_NONE;
    char *base;

    /* After the limit was lowered free pages are to go, not to be filled. The
     * 64th is what may be above it otherwise: charges that nobody refuses. A
     * class without any page cannot wait until all of them have gone. */
    if (LOAD(&s->budget.used) <= limit + limit / 64 || LOAD(&c->n_pages) == 0)
        page = take_resident(s, c->page_size);
    if (page == PAGE_NONE)
        page = commit_cold(s, c->page_size);
    if (page == PAGE_NONE && s->region.huge && commit_super(s, c->page_size))
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
