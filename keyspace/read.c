/* SPDX-License-Identifier: BSD-3-Clause */
/* read.c - reading one key: GET and all that looks at an item.
 *
 * A read is lock-free: find, copy out, validate (index.c). A value in an extent
 * is pinned instead of copied. Any thread, each with its own ks_thread.
 */
#include "keyspace/look.h"

void
read_unpin(struct read_state *r)
{
    if (r->pinned != 0)
        extent_unpin(r->t->slab, r->pinned);
    r->pinned = 0;
}

static inline void
read_begin(struct read_state *r, struct ks_thread *t, const struct ks_key *key,
    ks_place_fn place, void *ctx)
{
    r->t = t;
    r->key = key;
    r->place = place;
    r->ctx = ctx;
    r->now_ms = clock_wall_ms();
    r->take_hash = NULL;
    r->pinned = 0;
}

/* Of a hash that has only expired fields there is nothing to be seen. Who reads
 * fields of a table finds that out anyway. */
void
look_at_hash(struct read_state *r)
{
    struct item_view *v = &r->view;

    if (v->extent != 0 && r->take_hash != NULL && !item_expired(v, r->now_ms))
        r->take_hash(r);
    else if (item_is_over(r->t, v, r->now_ms))
        v->expire_ms = 0;
    else if (r->take_hash != NULL)
        r->take_hash(r);
}

/* Called for each item whose tag fits. */
static inline __attribute__((always_inline)) bool
read_visit(void *ctx, const void *chunk, uint32_t handle)
{
    struct read_state *r = ctx;
    struct item_view *v = &r->view;

    if (!look_takes(r, chunk, handle))
        return false;
    if (unlikely(item_kind(v->header) == ITEM_HASH)) {
        look_at_hash(r);
        return true;
    }
    if (r->place == NULL || item_expired(v, r->now_ms))
        return true;
    if (v->extent == 0) {
        char *to = r->place(r->ctx, v->value_len);

        memcpy(to, v->value, v->value_len);
        r->value = to;
        return true;
    }
    if (extent_pin(r->t->slab, v->extent)) {
        r->pinned = v->extent;
        r->value = extent_ptr(r->t->slab, v->extent);
    }
    return true;
}

/* The item under the lock of its partition. */
bool
look_locked(struct read_state *r, index_visit_fn visit)
{
    struct index_place place;
    uint32_t handle;
    unsigned p;
    bool found;

    r->renewed = *r->key;
    r->key = &r->renewed;
    p = ks_enter_key(r->t, &r->renewed);
    handle = index_find(&r->t->ks->index, r->key, &place);
    found = handle != 0 && visit(r, slab_ptr(r->t->slab, handle), handle);
    ks_leave(r->t, p);
    return found;
}

/* Search for the item without a lock. */
bool
look_for(struct read_state *r, index_visit_fn visit)
{
    uint64_t retries = 0;
    bool found =
        index_read(&r->t->ks->index, r->key->hash, visit, r, &retries);

    if (unlikely(retries != 0))
        METRIC_ADD(&r->t->metrics, read_retries, retries);
    return found;
}

bool
read_item(struct read_state *r)
{
    return look_up(r, read_visit);
}

static void
fill_info(struct read_state *r, struct ks_info *info)
{
    const struct item_view *v = &r->view;
    struct slab_mark mark = slab_mark(r->t->slab, r->handle);
    uint8_t state = atomic_load_explicit(mark.state, memory_order_relaxed);
    uint16_t stamp = atomic_load_explicit(mark.stamp, memory_order_relaxed);

    info->value_len = v->value_len;
    info->expire_ms = v->expire_ms;
    info->type = item_type(v->header);
    info->raw = item_kind(v->header) == ITEM_STRING_RAW ||
        (info->type == KS_HASH && v->extent != 0);
    info->version = v->version;
    info->memory_bytes = item_memory(r->t, r->handle, v);
    info->frequency = (uint8_t)mark_frequency(state);
    info->idle_s = tick_idle_seconds(r->t->ks, stamp);
}

enum ks_status
count_read(struct read_state *r, enum ks_read_mode mode, bool found)
{
    return look_count(r, mode, found);
}

enum ks_status
ks_get(struct ks_thread *t, const struct ks_key *key, enum ks_read_mode mode,
    ks_place_fn place, void *ctx, struct ks_info *info)
{
    struct read_state r;
    enum ks_status status;

    read_begin(&r, t, key, place, ctx);
    status = look_count(&r, mode, look_up(&r, read_visit));
    if (status != KS_OK)
        return status;
    if (unlikely(item_kind(r.view.header) == ITEM_HASH))
        return KS_WRONG_TYPE;
    info->value_len = r.view.value_len;
    info->expire_ms = r.view.expire_ms;
    info->type = KS_STRING;
    info->raw = item_kind(r.view.header) == ITEM_STRING_RAW;
    info->version = r.view.version;
    info->value_extent = r.pinned;
    info->value = r.value;
    return KS_OK;
}

enum ks_status
ks_stat(struct ks_thread *t, const struct ks_key *key, enum ks_read_mode mode,
    struct ks_info *info)
{
    struct read_state r;
    bool found;

    read_begin(&r, t, key, NULL, NULL);
    found = read_item(&r);
    memset(info, 0, sizeof(*info));
    if (found && !item_expired(&r.view, r.now_ms))
        fill_info(&r, info); /* before this access is recorded */
    return count_read(&r, mode, found);
}
