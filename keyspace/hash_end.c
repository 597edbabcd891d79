/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_end.c - the end of an edit: what it has come to is put in the place of
 * the hash as it was.
 *
 * A patch and a list are written anew, in the shape of their names if there is
 * one; a list that is too large becomes a table. A table that was changed in
 * place stays, or is written anew in less room when most of it is dead. Any
 * thread, under the partition's lock.
 */
#include "keyspace/hash_edit.h"

/* A table that is no larger becomes compact again. */
#define SHRINK_FIELDS 128
#define SHRINK_BYTES 2048

/* The item or its table has fields that expire: let the sweep know. */
static void
note_earliest(struct hash_edit *e, uint32_t handle, uint64_t earliest)
{
    struct ks *ks = e->t->ks;

    if (earliest == KS_NO_EXPIRY)
        return;
    if (!atomic_load_explicit(&ks->field_deadlines, memory_order_relaxed))
        atomic_store_explicit(&ks->field_deadlines, true, memory_order_relaxed);
    if (e->u.due_handle == 0) {
        e->u.due_handle = handle;
        e->u.due_ms = KS_NO_EXPIRY;
    }
    e->u.due_ms = MIN(e->u.due_ms, earliest);
}

static enum ks_status
put_list(struct hash_edit *e)
{
    struct ks_new new = {.action = KS_PUT,
        .type = KS_HASH,
        .n_parts = 1,
        .expire_ms = e->key_expire_ms,
        .reserved = !e->grows};
    enum ks_status status;
    uint64_t earliest;

    new.part[0] =
        (struct str){(const char *)e->bytes, hlist_encode(e, &earliest)};
    if (new.part[0].len == 0)
        return KS_TOO_LARGE;
    status = update_put(&e->u, &new);
    if (status == KS_OK) {
        e->present = true;
        note_earliest(e, e->u.due_handle, earliest);
    }
    return status;
}

static enum ks_status
put_table(struct hash_edit *e)
{
    struct ks_new new = {.action = KS_PUT,
        .type = KS_HASH,
        .n_parts = 1,
        .expire_ms = e->key_expire_ms,
        .extent = e->extent,
        .reserved = !e->grows};
    uint64_t earliest = edit_earliest(e);
    enum ks_status status;

    new.part[0] = (struct str){NULL, edit_value_len(e)};
    status = update_put(&e->u, &new);
    if (status == KS_OK) {
        e->present = true;
        e->extent = 0; /* the item has it */
        note_earliest(e, e->u.due_handle, earliest);
    }
    return status;
}

/* The list becomes a value; a table if it is too large for another. */
static enum ks_status
end_list(struct hash_edit *e)
{
    enum ks_status status;

    if (e->n == 0) {
        update_delete(&e->u);
        e->present = false;
        return KS_OK;
    }
    status = put_list(e);
    if (status != KS_TOO_LARGE)
        return status;
    e->most_fields = e->most_bytes = 0;
    if (!edit_table_from_list(e, false))
        return e->status;
    return put_table(e);
}

/* The entries of a small table as a list, which borrows from it. */
static void
list_from_table(struct hash_edit *e)
{
    struct table_view v;
    struct table_entry entry;

    edit_view_table(e, &v);
    e->n = 0;
    e->shape = NULL;
    for (uint32_t i = 0; i < v.n_slots; i++) {
        char digits[24];
        struct str name;

        if (!htable_slot(&v, i, &entry) || entry.expire_ms <= e->u.now_ms)
            continue;
        name = packed_str(&entry.name, digits);
        e->field[e->n++] = (struct edit_field){.name = entry.name,
            .value = entry.value,
            .expire_ms = entry.expire_ms,
            .tag = name_tag(name.p, name.len)};
    }
}

/* The item's table is built anew in less room, if there is so much. */
static bool
rebuild_smaller(struct hash_edit *e)
{
    struct hash_table *was = e->table;
    uint32_t extent = e->extent;

    e->most_fields = e->most_bytes = 0;
    if (edit_rebuild_table(e, false)) {
        if (put_table(e) == KS_OK)
            return true;
        hash_unpin(e->t, e->extent);
    }
    e->status = KS_OK;
    e->mode = EDIT_TABLE;
    e->table = was;
    e->dir = NULL;
    e->extent = extent;
    return false;
}

/* Give memory back when most of a table is not needed any more. True if an item
 * was put in its place; else the table stays as it is. */
static bool
shrink_table(struct hash_edit *e)
{
    const struct hash_table *t = e->table;
    size_t slots = (size_t)1 << t->slot_bits;
    size_t log = t->log_end - htable_size(t->slot_bits, 0);

    if (t->n <= SHRINK_FIELDS && t->live_bytes <= SHRINK_BYTES) {
        list_from_table(e);
        return e->n > 0 && put_list(e) == KS_OK;
    }
    return e->mode == EDIT_TABLE &&
        (log > 4 * t->live_bytes + 16 * KIB || slots > 16 * (t->n + 16)) &&
        rebuild_smaller(e);
}

static enum ks_status
end_table(struct hash_edit *e)
{
    if (e->dir != NULL)
        hdir_collapse(e);
    edit_end_writing(e);
    if (!edit_has_any(e)) {
        update_delete(&e->u);
        e->present = false;
        return KS_OK;
    }
    if (e->dir == NULL && shrink_table(e))
        return KS_OK;
    if (e->mode == EDIT_NEW_TABLE)
        return put_table(e);
    update_note_change(&e->u);
    note_earliest(e, e->u.handle, edit_earliest(e));
    return KS_OK;
}

/* Whether the item may have its one new value where it stands. */
static bool
may_overwrite(const struct hash_edit *e)
{
    return hpatch_is_one(e) && !e->renews && e->key_expire_ms == KS_KEEP_TTL &&
        overwrite_may(e->t, &e->u.key, e->u.view.value_len) &&
        !overwrite_renews(e->t, &e->u.view);
}

/* The patch becomes a value if it is one that a shape has. */
static enum ks_status
end_patch(struct hash_edit *e)
{
    struct ks_new new = {
        .action = KS_PUT, .type = KS_HASH, .expire_ms = e->key_expire_ms};
    enum ks_status status;

    if (may_overwrite(e) && hpatch_overwrite(e))
        return KS_OK;
    if (likely(hpatch_is_whole(e)))
        new.n_parts = hpatch_encode(e, new.part);
    if (unlikely(new.n_parts == 0)) {
        hlist_unfold(e);
        return end_list(e);
    }
    status = update_put(&e->u, &new);
    e->present = status == KS_OK;
    return status;
}

static enum ks_status
end_edit(struct hash_edit *e)
{
    switch (e->mode) {
    case EDIT_PATCH:
        return end_patch(e);
    case EDIT_LIST:
        return end_list(e);
    case EDIT_TABLE:
    case EDIT_NEW_TABLE:
        break;
    }
    return end_table(e);
}

/* Extents that no item has in the end. */
static void
drop_extents(struct hash_edit *e)
{
    if (e->mode == EDIT_NEW_TABLE && e->extent != 0)
        hash_unpin(e->t, e->extent);
    hdir_release(e);
}

enum ks_status
hash_edit_end(struct hash_edit *e, struct hash_change *what)
{
    struct ks_thread *t = e->t;
    bool existed = e->existed;
    enum ks_status status = e->status;

    if (status == KS_OK && e->changed)
        status = end_edit(e);
    edit_end_writing(e); /* it failed after a change, see hash_grow.c */
    drop_extents(e);
    if (what != NULL && status == KS_OK)
        *what = (struct hash_change){.changed = e->changed,
            .created = !existed && e->present,
            .deleted = existed && !e->present,
            .expired = e->changed ? e->n_expired : 0,
            .work_us = e->work_us};
    update_end(&e->u);
    hash_leave(t);
    return status;
}
