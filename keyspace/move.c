/* SPDX-License-Identifier: BSD-3-Clause */
/* move.c - a value leaves its key for another one: RENAME, MOVE.
 *
 * The key is a part of the item, so that a new item is built; a value in an
 * extent stays where it stands. Any thread, under ks_lock() of both keys.
 */
#include "keyspace/hash_form.h"
#include "keyspace/internal.h"

/* What is to be noted of the item's deadline, or of its fields'. */
static uint64_t
earliest_of(const struct update *u, uint64_t expire_ms)
{
    uint64_t earliest = KS_NO_EXPIRY;

    if (u->old.type == KS_HASH)
        earliest = hash_earliest(u->t, &u->view);
    return MIN(expire_ms, earliest);
}

/* Put the item in the place of what `to` has. */
static bool
publish(struct update *u, const struct ks_key *to, const struct fresh *fresh)
{
    struct ks_thread *t = u->t;
    struct index_place place = {NULL, 0};
    struct former former;
    struct item_view was;
    uint32_t old = index_find_item(&t->ks->index, to, u->now_ms, &place, &was);

    if (!store_publish(t, to, old, &was, place, fresh, u->now_ms, &former))
        return false;
    if (former.handle != 0)
        item_free(t, former.handle, former.extent);
    return true;
}

static enum ks_status
move_item(struct update *u, const struct ks_key *to)
{
    struct ks_thread *t = u->t;
    const struct item_view *v = &u->view;
    struct item_shape shape = {.key = to->name,
        .id = to->space,
        .expire_ms = u->old.expire_ms,
        .value_len = v->value_len,
        .extent = v->extent,
        .raw = u->old.raw,
        .is_hash = u->old.type == KS_HASH,
        .must_not_fail = true};
    enum ks_status status;
    struct fresh fresh;
    bool is_there;

    status = store_build(t, to, &shape, &u->old.value, 1, &fresh);
    if (status != KS_OK)
        return status;
    if (!publish(u, to, &fresh)) {
        store_discard(t, &fresh, v->extent != 0);
        if (v->extent != 0)
            extent_set_owner(t->slab, v->extent, u->handle);
        return KS_NO_MEMORY;
    }
    /* growth may have moved its line */
    is_there =
        index_find_handle(&t->ks->index, u->key.hash, u->handle, &u->place);
    ASSERT(is_there);
    u->due_handle = fresh.handle;
    u->due_ms = earliest_of(u, fresh.expire_ms);
    update_delete(u);
    if (v->extent != 0)
        u->former.extent = 0; /* the new item has it */
    return KS_OK;
}

enum ks_status
ks_move(struct ks_thread *t, const struct ks_key *from, const struct ks_key *to)
{
    enum ks_status status = KS_MISS;
    struct update u;

    ASSERT(ks_holds(t));
    if (from->name.len > KS_MAX_KEY)
        return KS_MISS;
    if (to->name.len > KS_MAX_KEY)
        return KS_TOO_LARGE;
    update_begin(t, from, &u);
    if (u.old.exists)
        status = move_item(&u, to);
    update_end(&u);
    return status;
}
