/* SPDX-License-Identifier: BSD-3-Clause */
/* super.c - super-pages: which are carved into pages, of what size, which of
 * their pages are cold, and which are touched ahead of use.
 *
 * A super-page is carved into pages of one size when the first of them is
 * needed, and may be carved anew when all are cold again. A cold page is
 * nobody's and its memory is with the system; two bitmaps find one, lowest
 * address first, which keeps the used part of the region dense.
 *
 * With huge pages the first touch makes a whole super-page resident and takes
 * up to milliseconds. The maintenance thread touches some ahead of use: they
 * are ready, charged, and carved first; when memory is short they are given
 * back. Any thread, under the lock of the reserve; slab_populate() by the
 * maintenance thread.
 */
#include "slab/internal.h"

#include <stdlib.h>

/* ---- bitmaps ------------------------------------------------------------- */

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

/* ---- super-pages --------------------------------------------------------- */

/* One bit for each page of a super that is carved into this size. */
static uint32_t
all_pages(unsigned page_size)
{
    unsigned n = SUPER_PAGES >> 2 * page_size;

    return n == 32 ? UINT32_MAX : (1u << n) - 1;
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

void
super_make_cold(struct slab *s, uint32_t super, uint32_t pages)
{
    struct super *sp = &s->reserve.supers[super];
    unsigned page_size = super_page_size(s, super);

    sp->cold |= pages;
    bit_set(s->reserve.with_cold[page_size], super);
    if (sp->cold == all_pages(page_size))
        uncarve(s, super);
}

/* With huge pages no super-page is carved here: see commit_super(). */
uint32_t
super_take_cold(struct slab *s, unsigned page_size)
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

bool
super_has_cold(const struct slab *s, unsigned page_size)
{
    return bit_first(s->reserve.with_cold[page_size], s->n_supers) <
        s->n_supers;
}

/* [lock] One more is ready, or one less. */
static void
add_ready(struct slab *s)
{
    s->reserve.n_ready++;
    atomic_fetch_add_explicit(
        &s->budget.page_ready, super_bytes(s), memory_order_relaxed);
}

static void
drop_ready(struct slab *s)
{
    s->reserve.n_ready--;
    atomic_fetch_sub_explicit(
        &s->budget.page_ready, super_bytes(s), memory_order_relaxed);
}

bool
super_take_ready(struct slab *s)
{
    struct reserve *r = &s->reserve;
    uint32_t super = next_super(s);

    if (super == s->n_supers || !bit_test(r->ready, super))
        return false;
    /* super_take_whole() takes the same */
    drop_ready(s);
    return true;
}

uint32_t
super_take_whole(struct slab *s, unsigned page_size, uint32_t *super)
{
    struct reserve *r = &s->reserve;
    uint32_t pages;

    r->is_taken = true;
    r->taken_us = clock_mono_us();
    *super = carve(s, page_size);
    if (*super == s->n_supers)
        return 0;
    pages = r->supers[*super].cold;
    r->supers[*super].cold = 0;
    bit_clear(r->with_cold[page_size], *super);
    return pages;
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
    size_t ready = LOAD(&s->budget.page_ready), room = slab_headroom(s);

    room -= MIN(ready, room);
    return (uint32_t)MIN(READY_SUPERS, room / (2 * super_bytes(s)));
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
    more = r->is_taken && r->n_ready < ready_wanted(s);
    if (!more)
        r->is_taken = false;
    super = next_unready(s);
    spin_unlock(&r->lock);
    if (!more || super == s->n_supers || !budget_charge(s, bytes))
        return false;
    region_populate(&s->region, (size_t)super * bytes, bytes);
    spin_lock(&r->lock);
    more = bit_test(r->uncarved, super);
    if (more) {
        bit_set(r->ready, super);
        add_ready(s);
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
    bool done;

    if (LOAD(&s->budget.page_ready) == 0)
        return 0;
    spin_lock(&r->lock);
    super = bit_first(r->ready, s->n_supers);
    if (super < s->n_supers) { /* nobody carves it meanwhile */
        bit_clear(r->ready, super);
        bit_clear(r->uncarved, super);
        drop_ready(s);
    }
    spin_unlock(&r->lock);
    if (super == s->n_supers)
        return 0;
    done = region_give_back(&s->region, (size_t)super * bytes, bytes);
    spin_lock(&r->lock);
    bit_set(r->uncarved, super);
    if (!done) { /* the system kept it: it is still resident */
        bit_set(r->ready, super);
        add_ready(s);
    }
    spin_unlock(&r->lock);
    if (!done)
        return 0;
    budget_uncharge(s, bytes);
    return bytes;
}

/* ---- life ---------------------------------------------------------------- */

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
