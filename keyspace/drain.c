/* SPDX-License-Identifier: BSD-3-Clause */
/* drain.c - empty a page: move its live items into the holes of other pages of
 * the class, so that the page can be given back or serve another class.
 *
 * An item is copied under its partition's lock and its handle is swapped under
 * the line version; readers of the old chunk fail their check and come again.
 * Any thread may drain, also while it holds partition locks: locks are only
 * tried. What cannot be moved now keeps the page draining, and the maintenance
 * thread comes back to it.
 */
#include "keyspace/hash_form.h"
#include "keyspace/internal.h"

/* A chunk that is about to be emptied: the hash of its item, whose index line
 * has been asked for. */
struct ahead {
    uint64_t hash;
    bool is_item;
};

static void
look_ahead(struct ks_thread *t, uint32_t handle, struct ahead *out)
{
    struct item_copy copy;

    out->is_item = item_peek(slab_ptr(t->slab, handle), 0, &copy) &&
        index_hash_item(&t->ks->index, &copy.view, &out->hash);
    if (out->is_item)
        index_prefetch_line(&t->ks->index, out->hash);
}

/* Move one item; true when the chunk is free afterwards. Where the hash is no
 * longer its own, it is not found. */
static bool
move_chunk(struct ks_thread *t, uint32_t from, uint64_t hash)
{
    struct item_copy copy;
    struct item_view v;
    struct index_place place;
    uint64_t now_ms = clock_wall_ms(), earliest = KS_NO_EXPIRY;
    uint32_t to;
    unsigned p;
    bool moved = false;

    if (!item_peek(slab_ptr(t->slab, from), now_ms, &copy))
        return false;
    if (item_expired(&copy.view, now_ms))
        return remove_chunk(t, from, REMOVE_IF_EXPIRED);
    if (any_dead(t->ks) && item_is_dead(t->ks, &copy.view))
        return remove_chunk(t, from, REMOVE_IF_DEAD);
    to = slab_alloc(t->slab_thread, copy.view.size);
    if (to == 0)
        return false;
    p = index_partition(hash);
    if (!ks_try_enter(t, p)) {
        slab_release(t->slab_thread, to);
        return false;
    }
    /* in the index and of that size: it may be another item by now */
    if (index_find_handle(&t->ks->index, hash, from, &place) &&
        item_read(slab_ptr(t->slab, from), now_ms, &v) &&
        v.size == copy.view.size) {
        if (item_kind(v.header) == ITEM_HASH)
            earliest = hash_earliest(t, &v);
        memcpy(slab_ptr(t->slab, to), slab_ptr(t->slab, from), v.size);
        if (v.extent != 0 && item_kind(v.header) == ITEM_HASH)
            hash_set_owner(t, v.extent, to);
        else if (v.extent != 0)
            extent_set_owner(t->slab, v.extent, to);
        mark_move(t, from, to);
        index_swap(place, to);
        moved = true;
    }
    ks_leave(t, p);
    if (!moved) {
        slab_release(t->slab_thread, to);
        return false;
    }
    if (v.expire_ms != KS_NO_EXPIRY)
        due_note(t, to, v.expire_ms);
    if (earliest != KS_NO_EXPIRY)
        due_note(t, to, earliest);
    METRIC_INC(&t->metrics, moves);
    slab_release_to_page(t->slab_thread, from);
    return true;
}

enum how { MOVE_OR_KEEP, MOVE_OR_EVICT, EVICT };

static void
empty_chunk(struct ks_thread *t, uint32_t handle, const struct ahead *a,
    enum how how)
{
    if (!a->is_item)
        return;
    if ((how == EVICT || !move_chunk(t, handle, a->hash)) &&
        how != MOVE_OR_KEEP)
        (void)remove_hashed(t, handle, a->hash, REMOVE_EVICT);
}

/* Headers are asked for so many chunks ahead, and index lines when they have
 * come. */
#define HEADERS_AHEAD 8
#define LINES_AHEAD 4

/* Go on with a page from chunk `at` for about `items` of its live ones, also of
 * those that find no room elsewhere, which takes as long; returns where to go
 * on, or UINT32_MAX at the end. */
static uint32_t
empty_some(struct ks_thread *t, uint32_t page, enum how how, uint32_t at,
    uint32_t items)
{
    struct slab_run run;
    struct ahead ahead[LINES_AHEAD];
    uint32_t looked = at, met = 0;

    if (!slab_page_run(t->slab, page, &run))
        return UINT32_MAX;
    /* headers, not marks, tell what is live: a mark may be late */
    for (uint32_t i = at; i < run.n; i++) {
        uint32_t handle = run.handle + i * run.step;

        if (met >= items)
            return i;
        if (i + HEADERS_AHEAD < run.n)
            __builtin_prefetch(
                slab_ptr(t->slab, handle + HEADERS_AHEAD * run.step));
        for (; looked < MIN(i + LINES_AHEAD, run.n); looked++)
            look_ahead(t, run.handle + looked * run.step,
                &ahead[looked % LINES_AHEAD]);
        met += ahead[i % LINES_AHEAD].is_item;
        empty_chunk(t, handle, &ahead[i % LINES_AHEAD], how);
    }
    return UINT32_MAX;
}

static void
empty_page(struct ks_thread *t, uint32_t page, enum how how)
{
    (void)empty_some(t, page, how, 0, UINT32_MAX);
}

/* Go on with the page that this thread has begun, unless another has. */
static bool
resume_page(struct ks_thread *t)
{
    struct draining *d = &t->draining;

    if (d->page != 0 && slab_drain_resume(t->slab, d->page))
        return true;
    *d = (struct draining){.page = 0};
    return false;
}

/* Begin the sparsest page of the class that has the most holes. */
static bool
begin_page(struct ks_thread *t)
{
    unsigned cls;
    uint32_t page;

    cls = slab_drain_candidate(t->slab);
    if (cls >= SLAB_MAX_CLASSES)
        return false;
    page = slab_drain_begin(t->slab, cls);
    if (page == UINT32_MAX)
        return false;
    t->draining = (struct draining){.page = page};
    return true;
}

/* A slice of the page that has been begun or resumed. Free chunks of it may
 * rest with this thread. */
static void
drain_slice(struct ks_thread *t, uint32_t items)
{
    struct draining *d = &t->draining;
    /* the policy may be another since the page was begun */
    enum how how = d->evicts && evict_takes_any(t) ? EVICT : MOVE_OR_KEEP;

    d->at = empty_some(t, d->page, how, d->at, items);
    if (d->at != UINT32_MAX) {
        slab_drain_pause(t->slab, d->page);
    } else {
        if (!slab_drain_end(t->slab, d->page))
            slab_thread_poll(t->slab_thread);
        d->page = 0;
    }
}

bool
drain_some(struct ks_thread *t, uint32_t items)
{
    if (!resume_page(t) && !begin_page(t))
        return false;
    drain_slice(t, items);
    return true;
}

bool
drain_worst(struct ks_thread *t, uint32_t items)
{
    uint32_t page;

    if (!evict_takes_any(t))
        return false;
    if (!resume_page(t)) {
        page = evict_worst_page(t);
        if (page == UINT32_MAX || !slab_drain_page(t->slab, page))
            return false;
        t->draining = (struct draining){.page = page, .evicts = true};
    }
    drain_slice(t, items);
    return true;
}

/* Many classes with a few items each would keep a page each. A page with at
 * most 1/SPARSE of live items goes, with them, after IN_VAIN evictions that
 * freed none: more eager settings lose hits (bench/hit_ratio), as they empty
 * pages that are about to be filled. */
#define SPARSE 8
#define IN_VAIN 8

bool
drain_sparsest(struct ks_thread *t)
{
    uint32_t page = slab_drain_sparsest(t->slab, SPARSE);

    if (page == UINT32_MAX)
        return false;
    empty_page(t, page, MOVE_OR_EVICT);
    return slab_drain_end(t->slab, page);
}

/* The limit was lowered: to evict items one by one, while others write more of
 * them, takes a minute for a GiB, and whole pages some seconds. What else is
 * evicted is far below a 64th. Pages that only have to be moved together go
 * first: nothing is lost with them. */
static bool
is_far_above(const struct ks_thread *t)
{
    size_t limit = slab_limit(t->slab);

    return slab_used(t->slab) > limit + limit / 64 &&
        slab_headroom(t->slab) == 0;
}

bool
drain_far_above(struct ks_thread *t, uint32_t items)
{
    return is_far_above(t) && evict_takes_any(t) &&
        (drain_some(t, items) || drain_worst(t, items));
}

bool
drain_pending(struct ks_thread *t)
{
    uint32_t page = slab_drain_pending(t->slab);

    if (page == UINT32_MAX)
        return false;
    empty_page(t, page, MOVE_OR_KEEP);
    return slab_drain_end(t->slab, page);
}

bool
drain_any(struct ks_thread *t, uint32_t items, unsigned evicted)
{
    if (drain_some(t, items))
        return true;
    return evicted % IN_VAIN == IN_VAIN - 1 && evict_takes_any(t) &&
        drain_sparsest(t);
}
