/* SPDX-License-Identifier: BSD-3-Clause */
/* reclaim.c - the walk over the index that frees dead items (see space.c).
 *
 * A walk looks at all lines of all partitions, some at a time under the
 * partition's lock. Growth meanwhile may bring items back by less than
 * MAX_TRAVEL lines: where it has passed the place of the walk since the last
 * slice, the walk takes as many steps back. Draining exchanges handles in their
 * place. So a walk meets everything that was dead when it began.
 *
 * The maintenance thread walks in slices; who needs exact counts or a space
 * walks at once; who is short of memory helps where nobody holds the lock.
 */
#include "keyspace/internal.h"

#define SLICE_LINES 8    /* under one lock: about 10 us */
#define STEP_SLICES 64   /* in one step of the maintenance thread */
#define GENTLE_SLICES 4  /* the same while clients are served */
#define HELP_SLICES 16

struct unlinked {
    uint32_t handle, extent;
};

/* ---- lines --------------------------------------------------------------- */

/* Ask for the headers and the marks of all items in the lines at once: met one
 * by one, each would cost two cache misses. */
static void
prefetch_lines(struct ks_thread *t, const struct index_line *line, uint32_t n)
{
    for (; n > 0; n--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle = LOAD(&line->handle[slot]);

            if (handle == 0)
                continue;
            __builtin_prefetch(slab_ptr(t->slab, handle));
            __builtin_prefetch((const void *)slab_mark(t->slab, handle).state);
        }
    }
}

/* Which items go: `home` and `name` as unlink_matching() has them; NULL: only
 * the dead ones. */
struct selection {
    bool alive_too;
    unsigned home;
    const struct str *name;
};

static bool
has_name(struct ks_thread *t, const struct item_view *v, struct str name)
{
    const struct ks *ks = t->ks;
    char buf[KS_MAX_KEY];
    struct str key;

    return item_key(ks->templates, v, buf, &key) &&
        str_eq(ns_name(&ks->namespaces, key), name);
}

static bool
is_selected(struct ks_thread *t, const struct item_view *v,
    const struct selection *s)
{
    unsigned home;

    if (!s->alive_too)
        return item_is_dead(t->ks, v);
    home = LOAD(&t->ks->spaces.space[item_space(t->ks->templates, v)].home);
    if (s->home != KS_ALL_DBS && s->home != home)
        return false;
    return s->name == NULL || has_name(t, v, *s->name);
}

/* Under the partition's lock: take what is selected out of `n` lines. */
static void
unlink_lines(struct ks_thread *t, unsigned partition, uint32_t from,
    uint32_t n, const struct selection *s)
{
    struct index_line *line =
        partition_line(&t->ks->index.partition[partition], from);
    uint64_t now_ms = clock_wall_ms();

    for (; n > 0; n--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle = LOAD(&line->handle[slot]);
            struct unlinked u = {.handle = handle};
            struct owner owner;
            struct item_view v;
            uint64_t hash;

            if (handle == 0 ||
                !item_read(slab_ptr(t->slab, handle), now_ms, &v) ||
                !is_selected(t, &v, s) ||
                !index_hash_item(&t->ks->index, &v, &hash))
                continue;
            owner_of_item(t->ks, &v, &owner);
            item_unlink(t, hash, (struct index_place){line, slot}, &v, &owner);
            u.extent = v.extent;
            buf_append(&t->unlinked, &u, sizeof(u));
        }
    }
}

void
unlink_matching(struct ks_thread *t, unsigned home, const struct str *name)
{
    struct selection s = {true, home, name};

    for (unsigned p = 0; p < N_PARTITIONS; p++) {
        struct partition *part = &t->ks->index.partition[p];

        if (LOAD(&part->n_items) != 0)
            unlink_lines(t, p, 0, index_physical_lines(part), &s);
    }
}

void
unlinked_free(struct ks_thread *t)
{
    for (size_t at = 0; at < t->unlinked.len; at += sizeof(struct unlinked)) {
        struct unlinked u;

        memcpy(&u, t->unlinked.p + at, sizeof(u));
        item_free_to_page(t, u.handle, u.extent);
    }
    if (t->unlinked.cap > 64 * KIB)
        buf_free(&t->unlinked);
    t->unlinked.len = 0;
}

/* ---- walks --------------------------------------------------------------- */

static void
note_geometry(const struct partition *p, struct reclaim *w)
{
    w->n_old = LOAD(&p->n_old);
    w->n_new = LOAD(&p->n_new);
    w->frontier = LOAD(&p->frontier);
}

/* Has growth moved items that are homed within MAX_TRAVEL lines before the
 * walk's place? Others cannot come to stand before it. */
static bool
growth_passed(const struct partition *p, const struct reclaim *w)
{
    struct reclaim now;

    note_geometry(p, &now);
    if (now.n_old != w->n_old || now.n_new != w->n_new ||
        (now.frontier == AT_REST) != (w->frontier == AT_REST))
        return true;
    if (now.frontier == w->frontier)
        return false;
    return now.frontier < w->line && w->frontier + MAX_TRAVEL > w->line;
}

static void
unlink_dead(struct ks_thread *t, unsigned partition, uint32_t from, uint32_t n)
{
    const struct selection only_dead = {.alive_too = false};

    unlink_lines(t, partition, from, n, &only_dead);
}

/* Some lines of the walk, under the lock of its partition. */
static void
walk_lines(struct ks_thread *t, struct reclaim *w, reclaim_visit_fn visit)
{
    struct partition *p = &t->ks->index.partition[w->partition];
    uint32_t n;

    if (w->line > 0 && growth_passed(p, w))
        w->line -= MIN(w->line, MAX_TRAVEL);
    n = MIN(index_physical_lines(p) - w->line, SLICE_LINES);
    prefetch_lines(t, partition_line(p, w->line), n);
    visit(t, w->partition, w->line, n);
    w->line += n;
    note_geometry(p, w);
    if (w->line == index_physical_lines(p) ||
        LOAD(&p->n_items) == 0) {
        w->line = 0;
        w->partition++;
    }
}

static void
walk_begin(struct ks_thread *t, struct reclaim *w)
{
    /* Relaxed: a flush holds all partitions from before it counts itself until
     * all it leaves behind is dead, and the walk takes each of them. */
    *w = (struct reclaim){.active = true,
        .until = LOAD(&t->ks->spaces.flushes)};
}

/* True when the walk is over. */
static bool
walk_slice(struct ks_thread *t, struct reclaim *w)
{
    unsigned p = w->partition;

    ks_enter(t, p);
    walk_lines(t, w, unlink_dead);
    ks_leave(t, p);
    unlinked_free(t);
    if (w->partition < N_PARTITIONS)
        return false;
    w->active = false;
    spaces_settle(t, w->until);
    slab_thread_flush(t->slab_thread);
    return true;
}

bool
reclaim_step(struct ks_thread *t, bool gently)
{
    unsigned n = gently ? GENTLE_SLICES : STEP_SLICES;

    if (likely(!any_dead(t->ks)))
        return false;
    if (!t->reclaim.active)
        walk_begin(t, &t->reclaim);
    for (unsigned i = 0; i < n; i++)
        if (walk_slice(t, &t->reclaim))
            break;
    return any_dead(t->ks);
}

void
ks_reclaim(struct ks_thread *t)
{
    struct reclaim w;

    CHECK(t, KS_THREAD_MAGIC);
    if (!any_dead(t->ks))
        return;
    walk_begin(t, &w);
    while (!walk_slice(t, &w))
        ;
}

void
ks_count(struct ks_thread *t)
{
    if (unlikely(LOAD(&t->ks->spaces.n_uncounted) != 0) &&
        (!t->holds || ks_holds_all(t)))
        ks_reclaim(t);
}

bool
reclaim_help(struct ks_thread *t)
{
    struct reclaim *w = &t->help;
    uint64_t begun;

    if (likely(!any_dead(t->ks)))
        return false;
    begun = step_begin();
    if (!w->active ||
        (w->partition >= N_PARTITIONS &&
            w->until != LOAD(&t->ks->spaces.flushes)))
        walk_begin(t, w);
    for (unsigned i = 0; i < HELP_SLICES && w->partition < N_PARTITIONS; i++) {
        unsigned p = w->partition;

        if (!ks_try_enter(t, p)) {
            w->partition++; /* what is there is left to the others */
            w->line = 0;
            continue;
        }
        walk_lines(t, w, unlink_dead);
        ks_leave(t, p);
        unlinked_free(t);
    }
    step_end(STEP_RECLAIM, begun);
    return w->partition < N_PARTITIONS;
}

void
reclaim_walk_lines(struct ks_thread *t, struct reclaim *w,
    reclaim_visit_fn visit)
{
    unsigned p = w->partition;

    ks_enter(t, p);
    walk_lines(t, w, visit);
    ks_leave(t, p);
}
