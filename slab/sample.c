/* SPDX-License-Identifier: BSD-3-Clause */
/* sample.c - pages as runs of chunks: for evictor, sweeper and drainer.
 *
 * All of this reads page records without a lock, while pages come and go. What
 * it returns was true at some moment, lies within the region in any case, and
 * never includes a chunk that was not handed out yet. The caller looks at the
 * chunks and asks the index before it believes anything.
 */
#include "slab/internal.h"

/* Units of the region tried before the slower way, which always finds a page
 * but looks at each class. At half a region in use, 1 of 65536 gets there. */
#define SAMPLE_TRIES 16

uint32_t
slab_page_limit(const struct slab *s)
{
    return LOAD(&s->super_limit) * SUPER_PAGES;
}

/* `out` becomes the run from slot `from` on. */
static void
set_run(const struct slab *s, const struct size_class *c, uint32_t page,
    uint32_t from, uint32_t n, struct slab_run *out)
{
    size_t offset = page_offset(s, page);

    out->page = page;
    out->handle = chunk_handle(c, offset, from);
    out->step = c->chunk_bytes / 8;
    out->n = n;
    out->chunk_bytes = c->chunk_bytes;
    out->cls = c->number;
    out->stamp = page_stamps(s, offset) + from;
    out->state = page_states(s, c, offset) + from;
}

/* The class of a page in use, and how many of its chunks were handed out so
 * far; NULL when it is not in use. */
static const struct size_class *
page_class(const struct slab *s, uint32_t page, uint32_t *n_used)
{
    uint32_t kind = page_kind_of(s, page);
    const struct size_class *c = &s->classes[kind_class(kind)];

    if (!kind_has_chunks(kind))
        return NULL;
    *n_used = MIN(LOAD(&s->pages[page].frontier), c->n_chunks);
    /* The super may have been carved anew between the two looks. */
    if (super_page_size(s, page / SUPER_PAGES) != c->page_size)
        return NULL;
    return c;
}

bool
slab_page_run(const struct slab *s, uint32_t page, struct slab_run *out)
{
    const struct size_class *c;
    uint32_t n;

    if (page >= slab_page_limit(s))
        return false;
    c = page_class(s, page, &n);
    if (c == NULL || n == 0)
        return false;
    set_run(s, c, page, 0, n, out);
    return true;
}

/* ---- a map of memory ----------------------------------------------------- */

/* A page that is nobody's keeps its kind when it goes to the system. */
static bool
is_resident(const struct slab *s, uint32_t page)
{
    struct reserve *r = &((struct slab *)(uintptr_t)s)->reserve;
    bool resident;

    spin_lock(&r->lock);
    resident = r->supers[page / SUPER_PAGES].resident >> page % SUPER_PAGES & 1;
    spin_unlock(&r->lock);
    return resident;
}

bool
slab_page_look(const struct slab *s, uint32_t page, struct slab_page_view *out)
{
    uint32_t kind;
    const struct size_class *c;

    if (page >= slab_page_limit(s))
        return false;
    kind = page_kind_of(s, page);
    if (kind_state(kind) == PAGE_UNUSED || kind_state(kind) == PAGE_RESERVED ||
        (kind_state(kind) == PAGE_FREE && !is_resident(s, page)))
        return false;
    c = &s->classes[kind_class(kind)];
    *out = (struct slab_page_view){.page_bytes = c->page_bytes};
    if (kind_has_chunks(kind))
        out->chunk_bytes = c->chunk_bytes;
    out->draining = kind_draining(kind);
    return true;
}

/* Groups of neighbours, so that each costs one cache miss. */
#define FILL_GROUPS 4u
#define FILL_GROUP 16u

double
slab_page_fill(const struct slab *s, uint32_t page)
{
    struct slab_run run;
    uint32_t n = 0, live = 0, step;

    if (!slab_page_run(s, page, &run))
        return 0;
    step = MAX(run.n / FILL_GROUPS, FILL_GROUP);
    for (uint32_t from = 0; from < run.n; from += step) {
        for (uint32_t i = from; i < MIN(from + FILL_GROUP, run.n); i++, n++)
            live += slab_run_state(&run, i) != SLAB_MARK_FREE;
    }
    return (double)live / n * run.n / s->classes[run.cls].n_chunks;
}

/* Uniform below n; all numbers that one call needs follow from the one it was
 * given. */
static uint64_t
random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)((unsigned __int128)splitmix64(state) * n >> 64);
}

/* Chunks of a page in groups that start at multiples of their size, so that the
 * stamps and the states of up to 16 stand in one cache line each. */
static uint32_t
group_size(unsigned max)
{
    return 1u << (31 - __builtin_clz(max));
}

/* A random group of the first `n` chunks: where it starts. All groups are
 * equally likely, also the last one, which may be short. */
static uint32_t
random_group(uint64_t *random, uint32_t n, unsigned max)
{
    uint32_t size = group_size(max);

    return (uint32_t)random_below(random, (n + size - 1) / size) * size;
}

/* The run from a group's start on; moved back to be complete where the page
 * has that many. */
static void
set_group(const struct slab *s, const struct size_class *c, uint32_t page,
    uint32_t from, uint32_t n_used, unsigned max, struct slab_run *out)
{
    if (from + max > n_used)
        from = n_used > max ? n_used - max : 0;
    set_run(s, c, page, from, MIN(max, n_used - from), out);
}

/* A page, each byte of the used part of the region equally likely; PAGE_NONE
 * for a byte that is in no page in use. */
static uint32_t
random_page(const struct slab *s, uint64_t *random)
{
    size_t units = (size_t)LOAD(&s->super_limit) << SUPER_PAGES_SHIFT;

    if (units == 0)
        return PAGE_NONE;
    return page_at(s, random_below(random, units) << s->unit_shift);
}

/* The same by the classes' own tables, for a region that is mostly empty. */
static uint32_t
random_page_by_class(const struct slab *s, uint64_t *random)
{
    uint64_t total = 0, at;
    unsigned i;

    for (i = 0; i < s->n_classes; i++)
        total +=
            (uint64_t)LOAD(&s->classes[i].n_pages) * s->classes[i].page_bytes;
    if (total == 0)
        return PAGE_NONE;
    at = random_below(random, total) >> s->unit_shift;
    for (i = 0; i < s->n_classes; i++) {
        const struct size_class *c = &s->classes[i];
        uint64_t units_per_page = c->page_bytes >> s->unit_shift;
        uint64_t units = LOAD(&c->n_pages) * units_per_page;

        if (at < units)
            return LOAD(&c->pages[at / units_per_page]);
        at -= units;
    }
    return PAGE_NONE; /* pages went meanwhile */
}

bool
slab_sample(
    const struct slab *s, uint64_t random, unsigned max, struct slab_run *out)
{
    const struct size_class *c;
    uint32_t page, from, n;
    unsigned i;

    ASSERT(max > 0);
    for (i = 0; i < SAMPLE_TRIES; i++) {
        page = random_page(s, &random);
        if (page == PAGE_NONE || (c = page_class(s, page, &n)) == NULL)
            continue;
        from = random_group(&random, c->n_chunks, max);
        if (from >= n)
            continue; /* nobody has used these yet */
        set_group(s, c, page, from, n, max, out);
        return true;
    }
    page = random_page_by_class(s, &random);
    if (page == PAGE_NONE || (c = page_class(s, page, &n)) == NULL || n == 0)
        return false;
    set_group(s, c, page, random_group(&random, n, max), n, max, out);
    return true;
}

bool
slab_sample_class(const struct slab *s, unsigned cls, uint64_t random,
    unsigned max, struct slab_run *out)
{
    const struct size_class *c = &s->classes[cls];
    uint32_t n_pages, page, n;
    unsigned i;

    ASSERT(max > 0 && cls < s->n_classes);
    for (i = 0; i < SAMPLE_TRIES; i++) {
        n_pages = LOAD(&c->n_pages);
        if (n_pages == 0)
            return false;
        page = LOAD(&c->pages[random_below(&random, n_pages)]);
        if (page_class(s, page, &n) != c || n == 0)
            continue; /* it is just coming or going */
        set_group(s, c, page, random_group(&random, n, max), n, max, out);
        return true;
    }
    return false;
}
