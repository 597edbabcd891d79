/* SPDX-License-Identifier: BSD-3-Clause */
/* remove.c - taking an item out: out of the index under its partition's lock,
 * then its chunk and extent back to the slab.
 *
 * remove_chunk() is for who comes from a chunk, not from a key (eviction,
 * expiry, draining): it finds out whose the chunk is and verifies that under
 * the lock.
 * Any thread, each with its own ks_thread.
 */
#include "keyspace/internal.h"

size_t
item_memory(
    struct ks_thread *t, uint32_t handle, const struct item_view *v)
{
    size_t bytes = slab_chunk_bytes(t->slab, handle) + 8; /* index share */

    if (v->extent && item_kind(v->header) == ITEM_HASH)
        bytes += hash_memory(t, v->extent, v->value_len);
    else if (v->extent)
        bytes += extent_committed(t->slab, v->extent);
    return bytes;
}

/* Apart, for the room that a key decoded takes on the stack. */
__attribute__((noinline)) static void
watch_item(struct ks_thread *t, const struct item_view *v)
{
    const struct templates *ts = t->ks->templates;
    char buf[KS_MAX_KEY];
    struct str name;
    bool known = item_key(ts, v, buf, &name);

    ASSERT(known); /* it is in the index */
    watch_mark(t, index_hash(&t->ks->seed, name, item_space(ts, v)), name,
        item_is_over(t, v, clock_wall_ms()) ? WATCH_EXPIRED : WATCH_CHANGED);
}

void
item_unlink(struct ks_thread *t, uint64_t hash, struct index_place place,
    const struct item_view *v, const struct owner *owner)
{
    if (unlikely(t->ks->index.partition[index_partition(hash)].n_watches != 0))
        watch_item(t, v);
    index_erase(&t->ks->index, hash, place);
    count_item(t, owner, item_bytes(v), v->expire_ms != KS_NO_EXPIRY, -1);
}

void
item_free(struct ks_thread *t, uint32_t handle, uint32_t extent)
{
    if (extent != 0) {
        extent_set_owner(t->slab, extent, 0);
        item_unpin(t, handle, extent);
    }
    slab_release(t->slab_thread, handle);
}

void
item_free_to_page(struct ks_thread *t, uint32_t handle, uint32_t extent)
{
    if (extent != 0) {
        extent_set_owner(t->slab, extent, 0);
        item_unpin(t, handle, extent);
    }
    slab_release_to_page(t->slab_thread, handle);
}

void
count_expired(struct ks_thread *t, const struct owner *owner,
    const struct item_view *v, uint64_t now_ms)
{
    METRIC_INC(&t->metrics, expired);
    /* a hash of which the last field has expired is not late */
    if (v->expire_ms != 0 && item_expired(v, now_ms))
        METRIC_ADD(&t->metrics, expired_late, now_ms - v->expire_ms);
    add_i64(&t->ns[owner->ns].n[NS_EXPIRIES], 1);
}

/* ---- by handle ----------------------------------------------------------- */

/* Is there reason to remove it; dead items go for any. */
static bool
may_go(struct ks_thread *t, const struct item_view *v, uint64_t now_ms,
    bool dead, enum remove_reason why)
{
    return dead || why == REMOVE_EVICT || why == REMOVE_TO_REUSE ||
        (why == REMOVE_IF_EXPIRED && item_is_over(t, v, now_ms));
}

static void
note_evicted(struct ks_thread *t, const struct owner *owner, uint32_t handle,
    uint64_t hash)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint16_t stamp = atomic_load_explicit(m.stamp, memory_order_relaxed);
    uint8_t state = atomic_load_explicit(m.state, memory_order_relaxed);

    if (state != SLAB_MARK_FREE)
        ghost_put(&t->ks->ghosts, hash, MIN(mark_frequency(state), 7));
    METRIC_INC(&t->metrics, evicted);
    METRIC_ADD(&t->metrics, evicted_idle, tick_idle_seconds(t->ks, stamp));
    add_i64(&t->ns[owner->ns].n[NS_EVICTIONS], 1);
}

/* Under the partition's lock. */
static void
note_removed(struct ks_thread *t, const struct item_view *v, bool expired)
{
    enum ks_event_kind kind = expired ? KS_EVENT_EXPIRED : KS_EVENT_EVICTED;

    if (event_wanted(t, kind))
        event_record_item(t, kind, v);
}

bool
remove_hashed(
    struct ks_thread *t, uint32_t handle, uint64_t hash, enum remove_reason why)
{
    struct index_place place;
    uint64_t now_ms = clock_wall_ms();
    unsigned p = index_partition(hash);
    bool gone = false, expired = false;
    struct owner owner;
    struct item_view v;

    if (!ks_try_enter(t, p))
        return false;
    /* with the handle in the index the chunk is an item, and nobody's else */
    if (index_find_handle(&t->ks->index, hash, handle, &place) &&
        item_read(slab_ptr(t->slab, handle), now_ms, &v)) {
        owner_of_item(t->ks, &v, &owner);
        expired = item_is_over(t, &v, now_ms);
        gone = may_go(t, &v, now_ms, owner.dead, why);
        if (gone)
            item_unlink(t, hash, place, &v, &owner);
        if (gone && !owner.dead)
            note_removed(t, &v, expired);
    }
    ks_leave(t, p);
    if (!gone)
        return false;
    if (!owner.dead && expired)
        count_expired(t, &owner, &v, now_ms);
    else if (!owner.dead)
        note_evicted(t, &owner, handle, hash);
    if (why == REMOVE_TO_REUSE)
        item_free(t, handle, v.extent);
    else
        item_free_to_page(t, handle, v.extent);
    return true;
}

static bool
is_expiry_held(const struct ks_thread *t)
{
    return atomic_load_explicit(&t->ks->expired_held, memory_order_relaxed) &
        KS_HOLD_REMOVAL;
}

bool
remove_expired(struct ks_thread *t, uint32_t handle, uint64_t hash)
{
    return !is_expiry_held(t) &&
        remove_hashed(t, handle, hash, REMOVE_IF_EXPIRED);
}

bool
remove_chunk(struct ks_thread *t, uint32_t handle, enum remove_reason why)
{
    struct item_copy copy;
    uint64_t now_ms = clock_wall_ms(), hash;

    if (why == REMOVE_IF_EXPIRED && is_expiry_held(t))
        return false;
    if (!item_peek(slab_ptr(t->slab, handle), now_ms, &copy))
        return false;
    if (why == REMOVE_IF_EXPIRED && !item_expired(&copy.view, now_ms) &&
        item_kind(copy.view.header) != ITEM_HASH)
        return false;
    return index_hash_item(&t->ks->index, &copy.view, &hash) &&
        remove_hashed(t, handle, hash, why);
}
