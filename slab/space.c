/* SPDX-License-Identifier: BSD-3-Clause */
/* space.c - addresses for extents: free runs that merge.
 *
 * A free run of units is a record like any other, found in two ways: by its
 * length, in the bin of the largest size class that it holds, and by its ends,
 * in the edge table, so that a run that comes back merges with its neighbours
 * at once. What lies beyond `top` was never used or has merged back into it.
 * Addresses are many times the memory, so runs are cut without care, and
 * cannot fragment for good: neighbours never stay apart.
 */
#include "slab/internal.h"

/* Runs looked at in one bin for one that fits with its alignment. */
#define RUNS_PER_BIN 4

/* ---- size classes -------------------------------------------------------- */

/* 1..8 one by one, then 8 steps a doubling: at most 12.5 % is rounded away. */
unsigned
extent_class(size_t units)
{
    unsigned k;

    ASSERT(units > 0);
    if (units <= 8)
        return (unsigned)units - 1;
    k = 63 - (unsigned)__builtin_clzll(units - 1); /* 2^k < units <= 2^k+1 */
    return 8 * (k - 2) + (unsigned)((units - 1) >> (k - 3)) - 8;
}

size_t
extent_class_units(unsigned cls)
{
    if (cls < 8)
        return cls + 1;
    return (size_t)(cls % 8 + 9) << (cls / 8 - 1);
}

/* The largest class that a run of so many units holds. */
static unsigned
bin_of(size_t units)
{
    unsigned cls;

    if (units >= extent_class_units(N_EXTENT_CLASSES - 1))
        return N_EXTENT_CLASSES - 1;
    cls = extent_class(units);
    return extent_class_units(cls) > units ? cls - 1 : cls;
}

/* ---- records and lists --------------------------------------------------- */

struct extent *
extent_at(const struct extent_space *x, uint32_t id)
{
    return &x->records[id];
}

void
extent_push(struct extent_space *x, struct extent_list *l, uint32_t id)
{
    struct extent *e = extent_at(x, id);

    e->prev = 0;
    e->next = l->head;
    if (l->head != 0)
        extent_at(x, l->head)->prev = id;
    else
        l->tail = id;
    l->head = id;
}

void
extent_remove(struct extent_space *x, struct extent_list *l, uint32_t id)
{
    struct extent *e = extent_at(x, id);

    if (e->prev != 0)
        extent_at(x, e->prev)->next = e->next;
    else
        l->head = e->next;
    if (e->next != 0)
        extent_at(x, e->next)->prev = e->prev;
    else
        l->tail = e->prev;
}

static uint32_t
take_id(struct slab *s)
{
    struct extent_space *x = &s->extents;
    uint32_t id = x->free_id, per_page = 4 * KIB / sizeof *x->records;

    if (id != 0) {
        x->free_id = extent_at(x, id)->next;
        x->n_free_ids--;
        return id;
    }
    id = LOAD(&x->n_ids) + 1;
    ASSERT(id <= x->max_id);
    if (id == 1 || id % per_page == 0)
        budget_charge_table(s, 4 * KIB);
    /* release: pairs with extent_pin(), which then finds a record of zeros */
    atomic_store_explicit(&x->n_ids, id, memory_order_release);
    return id;
}

static void
put_id(struct extent_space *x, uint32_t id)
{
    extent_at(x, id)->next = x->free_id;
    x->free_id = id;
    x->n_free_ids++;
}

/* ---- runs ---------------------------------------------------------------- */

static void
add_run(struct extent_space *x, uint32_t id)
{
    struct extent *e = extent_at(x, id);
    unsigned b = bin_of(e->units);

    x->edge[e->offset] = id;
    x->edge[e->offset + e->units - 1] = id;
    extent_push(x, &x->bin[b], id);
    x->bins[b / 64] |= (uint64_t)1 << b % 64;
}

static void
remove_run(struct extent_space *x, uint32_t id)
{
    struct extent *e = extent_at(x, id);
    unsigned b = bin_of(e->units);

    x->edge[e->offset] = 0;
    x->edge[e->offset + e->units - 1] = 0;
    extent_remove(x, &x->bin[b], id);
    if (x->bin[b].head == 0)
        x->bins[b / 64] &= ~((uint64_t)1 << b % 64);
}

static void
add_new_run(struct slab *s, uint32_t offset, uint32_t units)
{
    uint32_t id;

    if (units == 0)
        return;
    id = take_id(s);
    extent_at(&s->extents, id)->offset = offset;
    extent_at(&s->extents, id)->units = units & EXTENT_UNITS_MASK;
    add_run(&s->extents, id);
}

/* Where an extent of the size may start at or after an offset. */
static uint32_t
align_start(uint32_t offset, uint32_t units)
{
    if (units < EXTENT_HUGE_UNITS)
        return offset;
    return (uint32_t)ROUND_UP(offset, EXTENT_HUGE_UNITS);
}

static bool
run_fits(const struct extent *e, uint32_t units)
{
    return align_start(e->offset, units) + units <= e->offset + e->units;
}

/* A run with room, out of the smallest bins that have one; 0 if none. */
static uint32_t
find_run(const struct extent_space *x, uint32_t units)
{
    unsigned b, tries;
    uint32_t id;

    for (b = extent_class(units); b < N_EXTENT_CLASSES; b++) {
        if (!(x->bins[b / 64] >> b % 64 & 1))
            continue;
        id = x->bin[b].head;
        for (tries = 0; id != 0 && tries < RUNS_PER_BIN; tries++) {
            if (run_fits(extent_at(x, id), units))
                return id;
            id = extent_at(x, id)->next;
        }
    }
    return 0;
}

/* Make room at the top; the gap that alignment leaves becomes a run. */
static uint32_t
take_top(struct slab *s, uint32_t units)
{
    struct extent_space *x = &s->extents;
    uint32_t start = align_start(x->top, units), from = x->top, id;

    if ((size_t)start + units > x->units)
        return 0;
    x->top = start + units;
    if (x->top > x->top_seen) {
        budget_charge_table(s, (x->top - x->top_seen) * sizeof x->edge[0]);
        x->top_seen = x->top;
    }
    add_new_run(s, from, start - from);
    id = take_id(s);
    extent_at(x, id)->offset = start;
    return id;
}

uint32_t
space_take(struct slab *s, uint32_t units)
{
    struct extent_space *x = &s->extents;
    uint32_t id, start, end;
    struct extent *e;

    /* One for the extent, two for what is cut off. */
    if (x->n_free_ids + (x->max_id - LOAD(&x->n_ids)) < 3)
        return 0;
    id = find_run(x, units);
    if (id == 0) {
        id = take_top(s, units);
    } else {
        e = extent_at(x, id);
        remove_run(x, id);
        start = align_start(e->offset, units);
        end = e->offset + e->units;
        add_new_run(s, e->offset, start - e->offset);
        add_new_run(s, start + units, end - (start + units));
        e->offset = start;
    }
    if (id != 0)
        extent_at(x, id)->units = units & EXTENT_UNITS_MASK;
    return id;
}

/* Let the neighbour run that has this id become part of the record. */
static void
merge(struct extent_space *x, struct extent *e, uint32_t neighbour)
{
    struct extent *n = extent_at(x, neighbour);

    remove_run(x, neighbour);
    e->offset = MIN(e->offset, n->offset);
    e->units = (e->units + n->units) & EXTENT_UNITS_MASK;
    put_id(x, neighbour);
}

void
space_put(struct extent_space *x, uint32_t id)
{
    struct extent *e = extent_at(x, id);

    if (e->offset > 0 && x->edge[e->offset - 1] != 0)
        merge(x, e, x->edge[e->offset - 1]);
    if (e->offset + e->units < x->top && x->edge[e->offset + e->units] != 0)
        merge(x, e, x->edge[e->offset + e->units]);
    if (e->offset + e->units < x->top) {
        add_run(x, id);
        return;
    }
    x->top = e->offset;
    put_id(x, id);
}

void
space_check(struct extent_space *x)
{
    uint32_t at = 0, runs = 0, listed = 0, id;
    bool after_run = false;
    unsigned b;

    for (b = 0; b < N_EXTENT_CLASSES; b++) {
        ASSERT((x->bin[b].head != 0) == (x->bins[b / 64] >> b % 64 & 1));
        for (id = x->bin[b].head; id != 0; id = extent_at(x, id)->next) {
            struct extent *e = extent_at(x, id);

            ASSERT(bin_of(e->units) == b);
            ASSERT(x->edge[e->offset] == id);
            ASSERT(x->edge[e->offset + e->units - 1] == id);
            listed++;
        }
    }
    while (at < x->top) {
        id = x->edge[at];
        ASSERT(id == 0 || !after_run); /* neighbours have merged */
        after_run = id != 0;
        runs += id != 0;
        at += id != 0 ? extent_at(x, id)->units : 1;
    }
    ASSERT(at == x->top && !after_run && runs == listed);
}
