/* SPDX-License-Identifier: BSD-3-Clause */
/* room.c - memory for an item, a buffer or an extent, evicting while there is
 * none: first what is dead goes, then victims (evict.c); pages that get sparse
 * are drained on the way (drain.c).
 *
 * Any thread, also under partition locks.
 */
#include "keyspace/internal.h"

#define MAX_TRIES 1000
#define WAITING_TRIES 140 /* of these: 10 ms at most */

/* Without any item more than the limit would be in use. */
static bool
is_beyond_eviction(const struct ks_thread *t)
{
    size_t limit = slab_limit(t->slab);

    return unlikely(slab_used(t->slab) >= limit) &&
        slab_least_limit(t->slab) > limit;
}

/* With noeviction the last bit of memory is kept for what is no new value: an
 * EXPIRE that needs a larger chunk must not fail. */
static bool
must_refuse(const struct ks_thread *t, enum room room)
{
    if (room != ROOM_FOR_VALUES)
        return false;
    if (evict_policy(t) == KS_NOEVICTION)
        return slab_headroom(t->slab) <= MIN(MIB, slab_limit(t->slab) / 32);
    return is_beyond_eviction(t);
}

bool
ks_refuses_values(const struct ks_thread *t)
{
    return must_refuse(t, ROOM_FOR_VALUES);
}

/* What is done in one step before the item that comes takes the place of one of
 * its own class: pages of other sizes may hold thousands of items. Counted in
 * evictions, about half a microsecond each. */
#define STEP_EFFORT 192
#define EFFORT_OF_MOVE 2
#define EFFORT_OF_TRY 4
#define SLICE_ITEMS 32 /* moved at a time, or evicted of one page */
#define FAR_SLICES 4   /* the same while the limit falls */

/* What a worker's turn has for all such steps: many writers may come in one,
 * and other clients wait for its end. What comes later takes the place of items
 * of its own class at once. So much per write is what it costs in a cache that
 * is full of items of all sizes. */
#define TURN_NS 150000
#define WRITE_NS 2000

/* Small items go several at a time: what one waits for, the CPU fetches for all
 * of them. */
#define AT_ONCE_ITEMS 8
#define AT_ONCE_BYTES 512

enum made {
    MADE_ROOM,   /* an item went */
    MADE_HOLES,  /* perhaps: items were moved, or may go next time */
    MADE_NOTHING /* and there is nothing more that could be done */
};

/* One search for room. */
struct search {
    unsigned cls;
    unsigned tries;
    uint64_t evicted, moves; /* the thread's counters when it began */
    uint64_t begun_ns;
    uint32_t handle; /* a chunk, once there is one */
};

void
room_begin_turn(struct ks_thread *t)
{
    t->room = (struct room_turn){.is_bounded = true};
}

/* The turn has no time left for what began at `begun_ns`. A thread that never
 * polls has no turns. */
static bool
is_turn_over(const struct ks_thread *t, uint64_t begun_ns)
{
    const struct room_turn *r = &t->room;

    return r->is_bounded &&
        r->spent_ns + (clock_read_mono_ns() - begun_ns) >=
        TURN_NS + r->writes * (uint64_t)WRITE_NS;
}

static void
count_time(struct ks_thread *t, uint64_t begun_ns)
{
    t->room.spent_ns += clock_read_mono_ns() - begun_ns;
}

static bool
has_done_its_part(const struct ks_thread *t, const struct search *s)
{
    uint64_t effort = t->metrics.evicted - s->evicted +
        EFFORT_OF_MOVE * (t->metrics.moves - s->moves) +
        EFFORT_OF_TRY * s->tries;

    return effort >= STEP_EFFORT || is_turn_over(t, s->begun_ns);
}

/* The limit was lowered. */
static void
come_down(struct ks_thread *t, const struct search *s)
{
    for (unsigned i = 0; i < FAR_SLICES && !is_turn_over(t, s->begun_ns); i++)
        if (!drain_far_above(t, SLICE_ITEMS))
            return;
}

/* In a turn that has no time left: a chunk for up to twice the size, as the
 * class has neither a free one nor an item to take the place of, and to empty a
 * page for it takes hundreds of evictions. An item that moves comes to its own
 * class. */
static uint32_t
take_larger(struct ks_thread *t, const struct search *s, size_t bytes)
{
    size_t most = MIN(2 * bytes, SLAB_MAX_CHUNK);
    unsigned cls, last = s->cls;
    uint32_t handle = 0;

    for (size_t n = bytes; n <= most && handle == 0; n += MAX(n / 16, 8)) {
        cls = slab_class_of(t->slab, n);
        if (cls == last)
            continue;
        last = cls;
        handle = slab_take(t->slab_thread, n);
        if (handle == 0 &&
            (slab_class_has_free(t->slab, cls) || evict_of_class(t, cls)))
            handle = slab_alloc(t->slab_thread, n);
    }
    return handle;
}

/* Evict an item and drain a bit. */
static enum made
make_room(struct ks_thread *t, struct search *s, size_t bytes)
{
    bool gone, drained;

    if (has_done_its_part(t, s)) {
        if (evict_of_class(t, s->cls))
            return MADE_ROOM;
        if (is_turn_over(t, s->begun_ns))
            s->handle = take_larger(t, s, bytes);
        if (s->handle != 0 || drain_worst(t, SLICE_ITEMS))
            return MADE_ROOM;
    }
    gone = evict_some(t, s->cls, AT_ONCE_ITEMS, AT_ONCE_BYTES) > 0;
    drained = drain_any(t, SLICE_ITEMS, s->tries);
    if (gone)
        return MADE_ROOM;
    return drained || evict_policy(t) != KS_NOEVICTION ? MADE_HOLES
                                                       : MADE_NOTHING;
}

/* A class that has no item to take the place of may go a page above the limit,
 * unless another has; who comes next makes room for that. */
static bool
may_go_above(const struct ks_thread *t, const struct search *s)
{
    return has_done_its_part(t, s) && evict_takes_any(t) &&
        slab_used(t->slab) <= slab_limit(t->slab);
}

/* If any item may go and none does, threads that have lost their processors
 * hold what could. */
static void
wait_for_others(const struct ks_thread *t, unsigned failures)
{
    if (failures < WAITING_TRIES && evict_takes_any(t))
        (void)wait_turn(failures);
}

/* A chunk where there was none free. */
static uint32_t
room_for(struct ks_thread *t, size_t bytes, enum room room)
{
    struct search s = {.evicted = t->metrics.evicted,
        .moves = t->metrics.moves,
        .begun_ns = clock_read_mono_ns()};
    uint32_t handle = 0;

    while (handle == 0 && reclaim_help(t)) /* first what is dead */
        handle = slab_alloc(t->slab_thread, bytes);
    if (handle != 0)
        return handle;
    s.cls = slab_class_of(t->slab, bytes);
    come_down(t, &s);
    for (unsigned failures = 0; failures < MAX_TRIES; s.tries++) {
        enum made made = make_room(t, &s, bytes);

        if (made != MADE_ROOM)
            wait_for_others(t, failures++);
        handle = s.handle;
        if (handle == 0)
            handle = slab_alloc(t->slab_thread, bytes);
        if (handle == 0 && may_go_above(t, &s))
            handle = slab_alloc_anyway(t->slab_thread, bytes);
        if (handle != 0)
            return handle;
        if (made == MADE_NOTHING)
            break;
    }
    /* The item that it replaces gives its chunk back, and pages that become
     * sparse with that are drained: above the limit for a moment. */
    if (room == ROOM_ANYWAY)
        handle = slab_alloc_anyway(t->slab_thread, bytes);
    if (handle == 0)
        METRIC_INC(&t->metrics, eviction_failures);
    return handle;
}

/* ---- ahead of need ------------------------------------------------------- */

/* The maintenance thread keeps a reserve of free pages. Writers quicker
 * than it make room a little at a time before there is none left: else one of
 * them would have to empty a whole page at once, which takes milliseconds. The
 * less there is left, the more they do. */
#define HELP_EVERY 4 /* accesses; a power of two */
#define HELP_ITEMS 64 /* evicted in all, and moved */
#define HELP_SLICE 16
#define HELP_BELOW_MOST (2 * MIB) /* of free pages; a quarter of the reserve */
#define HELP_BELOW_LEAST (128 * KIB) /* a small cache could not spare it */
#define HELP_INDEX (8 * KIB) /* charged for growth of the index */

/* Free chunks of the class will do without a page, unless the index needs
 * one. */
static bool
needs_help(const struct ks_thread *t, unsigned cls)
{
    size_t limit = slab_limit(t->slab);
    size_t low = MIN(limit / 400, HELP_BELOW_MOST);
    size_t left;

    if (slab_used(t->slab) + low <= limit || low < HELP_BELOW_LEAST)
        return false;
    if (slab_class_has_free(t->slab, cls) && !index_waits(&t->ks->index))
        return false;
    left = slab_headroom(t->slab);
    return left < low / (t->accesses % HELP_EVERY == 0 ? 1 : 2) &&
        evict_takes_any(t);
}

__attribute__((noinline)) static void
help(struct ks_thread *t, unsigned cls)
{
    uint64_t begun = step_begin(), begun_ns = clock_read_mono_ns();
    unsigned gone = 1;

    if (index_waits(&t->ks->index))
        cls = SLAB_MAX_CLASSES; /* chunks are of no use to it, pages are */
    for (unsigned sum = 0;
         sum < HELP_ITEMS && gone > 0 && !is_turn_over(t, begun_ns);
         sum += gone)
        gone = evict_some(t, cls, HELP_ITEMS, SIZE_MAX);
    for (unsigned sum = 0; sum < HELP_ITEMS; sum += HELP_SLICE)
        if (is_turn_over(t, begun_ns) || !drain_some(t, HELP_SLICE))
            break;
    count_time(t, begun_ns);
    step_end(STEP_EVICT, begun);
}

#define ROOM_ENOUGH (256 * KIB) /* left: no item has to go for another */

void
room_prepare(struct ks_thread *t, const struct ks_key *key)
{
    const struct evictions_ahead *a = &t->ahead;

    if (likely(a->n_ready + a->n_chosen == 0))
        return;
    if (key->ahead.handle != 0) /* it will be overwritten */
        return;
    if (a->cls >= SLAB_MAX_CLASSES || !slab_is_out_of(t->slab_thread, a->cls) ||
        index_waits(&t->ks->index) || slab_headroom(t->slab) >= ROOM_ENOUGH)
        return;
    index_prefetch_line(&t->ks->index, key->hash);
    if (evict_ahead(t))
        t->room_is_scarce = false;
}

/* ---- for items ----------------------------------------------------------- */

uint32_t
room_alloc(struct ks_thread *t, size_t bytes, enum room room)
{
    uint32_t handle;
    uint64_t begun, begun_ns;
    unsigned cls;

    t->room.writes++;
    if (room == ROOM_AT_HAND) /* not while the index needs what others make */
        return index_waits(&t->ks->index) ? 0
                                          : slab_take(t->slab_thread, bytes);
    while (unlikely(must_refuse(t, room))) {
        if (reclaim_help(t))
            continue;
        METRIC_INC(&t->metrics, eviction_failures);
        return 0;
    }
    (void)index_save(&t->ks->index, HELP_INDEX);
    cls = slab_class_of(t->slab, bytes);
    if (unlikely(needs_help(t, cls)))
        help(t, cls);
    handle = slab_alloc(t->slab_thread, bytes);
    t->room_is_scarce = handle == 0;
    if (likely(handle != 0))
        return handle;
    begun = step_begin();
    begun_ns = clock_read_mono_ns();
    handle = room_for(t, bytes, room);
    count_time(t, begun_ns);
    step_end(STEP_EVICT, begun);
    return handle;
}

/* ---- for others ---------------------------------------------------------- */

/* More than could be had if every item went. */
static bool
is_hopeless(const struct ks_thread *t, size_t bytes)
{
    return bytes + slab_least_limit(t->slab) > slab_limit(t->slab);
}

struct making {
    unsigned turns, failures;
};

/* Evict an item and drain a page; false when nothing more goes. */
static bool
make_more(struct ks_thread *t, struct making *m)
{
    if (m->failures >= MAX_TRIES) {
        METRIC_INC(&t->metrics, eviction_failures);
        return false;
    }
    if (evict_one(t, SLAB_MAX_CLASSES))
        m->failures = 0;
    else
        wait_for_others(t, m->failures++);
    drain_any(t, DRAIN_WHOLE, m->turns++);
    return true;
}

bool
ks_make_room(struct ks_thread *t, size_t bytes)
{
    struct making m = {0};

    if (is_hopeless(t, bytes))
        return false;
    while (slab_headroom(t->slab) < bytes && reclaim_help(t))
        ; /* first what is dead */
    while (slab_headroom(t->slab) < bytes)
        if (!make_more(t, &m))
            return false;
    return true;
}

/* What there is room for may be refused all the same: a page that is free is
 * held (slab_mark_hold), what is idle is on its way to the system, another
 * thread was quicker. A thread that has lost its processor leaves it so for
 * longer than any number of tries takes. So only what was given ends a search,
 * never how much room there seems to be. */

bool
ks_charge(struct ks_thread *t, size_t bytes)
{
    struct making m = {0};

    if (slab_charge(t->slab, bytes))
        return true;
    if (!ks_make_room(t, bytes))
        return false;
    while (!slab_charge(t->slab, bytes))
        if (!make_more(t, &m))
            return false;
    return true;
}

typedef bool (*commit_fn)(struct slab *s, uint32_t id, size_t bytes);

static bool
commit(struct ks_thread *t, uint32_t extent, size_t bytes, commit_fn fn)
{
    size_t room = extent_room(t->slab, extent);
    size_t unit = room < 2 * MIB ? 8 * KIB : 2 * MIB; /* extent_commit_least() */
    size_t upto = MIN(ROUND_UP(bytes, unit), room);
    struct making m = {0};

    if (fn(t->slab, extent, bytes))
        return true;
    if (!ks_make_room(t, upto - extent_committed(t->slab, extent)))
        return false;
    while (!fn(t->slab, extent, bytes))
        if (!make_more(t, &m))
            return false;
    return true;
}

bool
ks_commit_extent(struct ks_thread *t, uint32_t extent, size_t bytes)
{
    return commit(t, extent, bytes, extent_commit);
}

bool
ks_commit_least(struct ks_thread *t, uint32_t extent, size_t bytes)
{
    return commit(t, extent, bytes, extent_commit_least);
}
