/* SPDX-License-Identifier: BSD-3-Clause */
/* look.h - how a read finds its item, and how it is counted.
 *
 * Without a lock: where the item was found ahead, else by the index. Inline, so
 * that what a visit takes of the item becomes part of it. For read.c and the
 * reads of one field in hash_read.c. Any thread.
 */
#pragma once

#include "keyspace/probe.h"

/* In read.c: the same search, for where nothing was found ahead, and under the
 * lock. */
bool look_for(struct read_state *r, index_visit_fn visit);
bool look_locked(struct read_state *r, index_visit_fn visit);
/* What a visit does with a hash of any form. */
void look_at_hash(struct read_state *r);

/* Whether the item in a chunk is the one sought: then r->view says what it is.
 * What a visit begins with. */
static inline __attribute__((always_inline)) bool
look_takes(struct read_state *r, const void *chunk, uint32_t handle)
{
    struct item_view *v = &r->view;

    if (!item_read_fast(chunk, r->now_ms, v) ||
        !item_has_key(r->t->ks->templates, v, r->key->name, r->key->space))
        return false;
    if (unlikely(r->pinned != 0))
        read_unpin(r); /* of a try that was interfered with */
    r->handle = handle;
    return true;
}

/* Look at the item where it was found ahead, without a lock. */
static inline __attribute__((always_inline)) bool
look_there(struct read_state *r, index_visit_fn visit)
{
    const struct ks_ahead *a = &r->key->ahead;

    r->ahead =
        ahead_holds(a) && visit(r, slab_ptr(r->t->slab, a->handle), a->handle);
    if (!r->ahead)
        return false;
    read_fence(memory_order_acquire);
    r->ahead = likely(ahead_holds(a));
    return r->ahead;
}

/* While a change of several keys is under way, the lock decides whether the
 * read is before or after all of it. */
static inline __attribute__((always_inline)) bool
look_up(struct read_state *r, index_visit_fn visit)
{
    struct ks *ks = r->t->ks;
    bool found;

    r->ahead = false;
    for (;;) {
        if (unlikely(r->t->holds || is_several_changing(ks)))
            return look_locked(r, visit);
        found = look_there(r, visit) || look_for(r, visit);
        if (!found)
            read_unpin(r);
        if (key_is_current(ks, r->key))
            return found;
        read_unpin(r);
        r->renewed = *r->key;
        r->key = &r->renewed;
        key_renew(ks, &r->renewed);
    }
}

static inline void
look_note_hit(struct read_state *r)
{
    struct slab_mark mark;

    if (likely(r->ahead)) {
        mark_hit(r->t, &r->key->ahead.mark, r->view.extent);
        return;
    }
    mark = slab_mark(r->t->slab, r->handle);
    mark_hit(r->t, &mark, r->view.extent);
}

/* Count a read; an item that has expired was not found. */
static inline __attribute__((always_inline)) enum ks_status
look_count(struct read_state *r, enum ks_read_mode mode, bool found)
{
    struct ks_thread *t = r->t;
    uint16_t ns;

    if (found && unlikely(item_expired(&r->view, r->now_ms))) {
        if (!t->holds)
            (void)remove_chunk(t, r->handle, REMOVE_IF_EXPIRED);
        found = false;
    }
    if (mode == KS_PEEK)
        return found ? KS_OK : KS_MISS;
    tick_access(t);
    ns = ns_of_read(t, r->key);
    if (!found) {
        METRIC_INC(&t->metrics, misses);
        add_i64(&t->ns[ns].n[NS_MISSES], 1);
        event_note(t, KS_EVENT_MISS, r->key);
        return KS_MISS;
    }
    METRIC_INC(&t->metrics, hits);
    add_i64(&t->ns[ns].n[NS_HITS], 1);
    if (mode == KS_READ)
        look_note_hit(r);
    return KS_OK;
}
