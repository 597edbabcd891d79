/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_sweep.c - deadlines of fields, for those who wait for them: when the
 * earliest of a hash comes, whether all have passed, and the removal of what has
 * expired. Any thread; hash_sweep() is of the maintenance thread.
 */
#include "keyspace/hash_edit.h"

/* ---- deadlines of an item ------------------------------------------------ */

static bool
table_is_void(struct ks_thread *t, const struct item_view *v, uint64_t now_ms)
{
    bool is_void;

    if (!extent_pin(t->slab, v->extent))
        return false;
    is_void = !hash_tables_have_any(t, v->extent, v->value_len, now_ms);
    extent_unpin(t->slab, v->extent);
    return is_void;
}

bool
hash_is_void(struct ks_thread *t, const struct item_view *v, uint64_t now_ms)
{
    const char *at = v->value + 1 + DEADLINE_BYTES + 2;
    uint32_t n;

    if (v->extent != 0)
        return table_is_void(t, v, now_ms);
    if (likely(!((uint8_t)v->value[0] & FORM_ALL_EXPIRE)) ||
        v->value_len < 1 + DEADLINE_BYTES + 4)
        return false;
    n = (uint32_t)get_number(at, 2);
    if (v->value_len <
        1 + DEADLINE_BYTES + 4 + (size_t)n * (2 + DEADLINE_BYTES))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (get_number(at + 4 + (size_t)i * (2 + DEADLINE_BYTES),
                DEADLINE_BYTES) > now_ms)
            return false;
    return true;
}

uint64_t
hash_earliest(struct ks_thread *t, const struct item_view *v)
{
    uint64_t earliest = KS_NO_EXPIRY;

    if (v->extent == 0) {
        if (v->value_len > 1 + DEADLINE_BYTES &&
            (uint8_t)v->value[0] & FORM_DEADLINES)
            earliest = get_number(v->value + 1, DEADLINE_BYTES);
        return earliest;
    }
    if (!extent_pin(t->slab, v->extent))
        return earliest;
    earliest = hash_tables_earliest(t, v->extent, v->value_len);
    extent_unpin(t->slab, v->extent);
    return earliest;
}

uint64_t
hash_peek_earliest(
    struct ks_thread *t, uint32_t handle, const struct item_view *v)
{
    uint64_t earliest = KS_NO_EXPIRY, hash;
    struct index_place place;
    struct item_view now;
    unsigned p;

    if (v->extent == 0)
        return hash_earliest(t, v);
    if (!index_hash_item(&t->ks->index, v, &hash))
        return earliest;
    p = index_partition(hash);
    ks_enter(t, p);
    if (index_find_handle(&t->ks->index, hash, handle, &place) &&
        item_read(slab_ptr(t->slab, handle), clock_wall_ms(), &now) &&
        item_kind(now.header) == ITEM_HASH)
        earliest = hash_earliest(t, &now);
    ks_leave(t, p);
    return earliest;
}

/* ---- the sweep ----------------------------------------------------------- */

/* Remove what has expired. Of a table some at a time: then *due_ms is when to
 * go on. */
static void
sweep_fields(struct hash_edit *e, uint64_t *due_ms)
{
    bool more;

    *due_ms = KS_NO_EXPIRY;
    if (e->mode == EDIT_PATCH)
        return; /* written anew since it was seen, without deadlines */
    if (e->mode == EDIT_LIST) {
        e->changed = e->n_expired > 0;
        return;
    }
    edit_begin_writing(e);
    more = e->dir != NULL ? hdir_sweep(e) : edit_sweep_table(e);
    e->changed = e->n_expired > 0;
    if (more)
        *due_ms = e->u.now_ms + 1;
    else if (edit_earliest(e) != KS_NO_EXPIRY)
        /* not all the time if there are very many */
        *due_ms = MAX(edit_earliest(e), e->u.now_ms + edit_n_in_tables(e) / 64);
}

/* The key of the hash in a chunk. False if there is none that is due. */
static bool
key_of_chunk(struct ks_thread *t, uint32_t handle, char buf[KS_MAX_KEY],
    struct ks_key *key)
{
    struct item_copy copy;
    struct index_place place;
    struct item_view v;
    struct str name;
    uint64_t hash;
    bool found = false;
    unsigned p;

    if (!item_peek(slab_ptr(t->slab, handle), clock_wall_ms(), &copy) ||
        !index_hash_item(&t->ks->index, &copy.view, &hash))
        return false;
    p = index_partition(hash);
    ks_enter(t, p);
    if (index_find_handle(&t->ks->index, hash, handle, &place) &&
        item_read(slab_ptr(t->slab, handle), clock_wall_ms(), &v) &&
        item_kind(v.header) == ITEM_HASH && !item_is_dead(t->ks, &v) &&
        item_key(t->ks->templates, &v, buf, &name)) {
        if (name.p != buf)
            memcpy(buf, name.p, name.len);
        *key =
            ks_key(t->ks, db_of_item(t->ks, &v), (struct str){buf, name.len});
        found = true;
    }
    ks_leave(t, p);
    return found;
}

void
hash_sweep(struct ks_thread *t, uint32_t handle)
{
    char buf[KS_MAX_KEY];
    struct hash_edit *e;
    struct ks_key key;
    uint64_t due_ms;

    if (!key_of_chunk(t, handle, buf, &key) ||
        hash_edit(t, &key, HASH_MUST_EXIST, 0, 0, &e) != KS_OK)
        return;
    sweep_fields(e, &due_ms);
    if (hash_edit_end(e, NULL) == KS_OK && due_ms != KS_NO_EXPIRY)
        due_note(
            t, e->u.due_handle != 0 ? e->u.due_handle : e->u.handle, due_ms);
}
