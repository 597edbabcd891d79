/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_edit.c - change hashes: an edit holds the partition of its key from
 * hash_edit() to hash_edit_end() (hash_end.c).
 *
 * While only values of a shaped hash are to change, or fields to come that it
 * has a shape for, what is new is kept beside the hash as it stands
 * (hash_patch.c). Else a compact hash is taken apart into a list of fields
 * (hash_list.c), and when that gets too large it becomes a table (hash_grow.c).
 * A table is changed in place, while its line version is odd from the first
 * change to the end, so that readers see all changes or none. Any thread.
 */
#include "keyspace/hash_edit.h"

/* ---- opening ------------------------------------------------------------- */

static void
load_table(struct hash_edit *e)
{
    void *at = extent_ptr(e->t->slab, e->u.view.extent);

    e->mode = EDIT_TABLE;
    e->extent = e->u.view.extent;
    e->table = at;
    if (e->table->form == FORM_DIRECTORY) {
        e->dir = at;
        e->table = NULL;
    }
}

static enum ks_status
status_of_old(const struct hash_edit *e, enum hash_need need)
{
    if (!e->u.old.exists)
        return need == HASH_MUST_EXIST ? KS_MISS : KS_OK;
    if (need == HASH_REPLACE)
        return KS_OK;
    return e->u.old.type == KS_HASH ? KS_OK : KS_WRONG_TYPE;
}

enum ks_status
hash_edit(struct ks_thread *t, const struct ks_key *key, enum hash_need need,
    size_t n_fields, size_t n_bytes, struct hash_edit **out)
{
    struct hash_edit *e = t->hash->edit;
    enum ks_status status;

    CHECK(t, KS_THREAD_MAGIC);
    if (key->name.len > KS_MAX_KEY || n_bytes > KS_MAX_VALUE)
        return KS_TOO_LARGE;
    hash_enter(t);
    update_begin(t, key, &e->u);
    status = status_of_old(e, need);
    if (status != KS_OK) {
        update_end(&e->u);
        hash_leave(t);
        return status;
    }
    e->t = t;
    e->mode = EDIT_LIST;
    e->status = KS_OK;
    e->changed = e->grows = e->has_room = e->writing = false;
    e->renews = t->hash->renews;
    t->hash->renews = false;
    e->present = e->u.old.exists;
    e->existed = e->u.old.exists;
    e->key_expire_ms = KS_KEEP_TTL;
    if (need == HASH_REPLACE) {
        e->u.old.exists = false;
        e->changed = true;
    }
    e->most_fields = n_fields;
    e->most_bytes = n_bytes;
    e->n_expired = e->work_us = 0;
    e->extent = e->dropped = 0;
    e->dir = NULL;
    e->from = e->shape = NULL;
    e->n = e->n_from = 0;
    if (e->u.old.exists && e->u.view.extent != 0)
        load_table(e);
    else if (e->u.old.exists && !hpatch_open(e))
        hlist_load(e);
    *out = e;
    return KS_OK;
}

void
hash_edit_key_expiry(struct hash_edit *e, uint64_t expire_ms)
{
    e->key_expire_ms = expire_ms;
}

uint64_t
hash_edit_count(const struct hash_edit *e)
{
    if (e->mode == EDIT_LIST)
        return e->n;
    if (e->mode == EDIT_PATCH)
        return e->n_there;
    return hash_tables_count(e->t, e->extent, SIZE_MAX, e->u.now_ms);
}

bool
hash_edit_find(struct hash_edit *e, struct str field, struct hash_field *out)
{
    struct packed name = packed_of(field);
    struct table_entry entry;
    uint32_t i;

    out->name = field;
    if (e->mode == EDIT_PATCH)
        return hpatch_find(e, field, out);
    if (e->mode == EDIT_LIST) {
        i = hlist_find(e, field, &name);
        if (i == e->n)
            return false;
        out->value = packed_str(&e->field[i].value, out->digits[1]);
        out->expire_ms = e->field[i].expire_ms;
        return true;
    }
    if (edit_find_in_table(e, htable_hash(&e->t->ks->seed, &name), &name,
            &entry) == UINT32_MAX ||
        entry.expire_ms <= e->u.now_ms)
        return false;
    out->value = packed_str(&entry.value, out->digits[1]);
    out->expire_ms = entry.expire_ms;
    return true;
}

/* ---- changes ------------------------------------------------------------- */

static void
remove_from_list(struct hash_edit *e, uint32_t i)
{
    e->n--;
    memmove(&e->field[i], &e->field[i + 1], (e->n - i) * sizeof(e->field[0]));
    e->shape = NULL;
    e->changed = true;
}

static bool
set_in_table(struct hash_edit *e, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    uint64_t hash = htable_hash(&e->t->ks->seed, name);
    bool keep = expire_ms == KS_KEEP_TTL, is_new;
    struct table_entry was;
    uint32_t slot;

    if (!edit_prepare_table(e, hash,
            htable_entry_size(packed_size(name), packed_size(value), true),
            !keep && expire_ms != KS_NO_EXPIRY))
        return false;
    slot = edit_find_in_table(e, hash, name, &was);
    is_new = slot == UINT32_MAX || was.expire_ms <= e->u.now_ms;
    if (keep)
        expire_ms = is_new ? KS_NO_EXPIRY : was.expire_ms;
    if (slot == UINT32_MAX) {
        edit_add(e, hash, name, value, expire_ms);
    } else {
        e->n_expired += is_new;
        edit_replace(e, slot, hash, &was, value, expire_ms);
    }
    return is_new;
}

static bool
set_in_list(struct hash_edit *e, struct str field, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    uint32_t i = hlist_find(e, field, name);
    struct edit_field *f = &e->field[i];

    e->changed = true;
    if (i < e->n) {
        f->value = *value;
        if (expire_ms != KS_KEEP_TTL)
            f->expire_ms = expire_ms;
        return false;
    }
    *f = (struct edit_field){.name = *name,
        .value = *value,
        .expire_ms = expire_ms == KS_KEEP_TTL ? KS_NO_EXPIRY : expire_ms,
        .tag = name_tag(field.p, field.len)};
    e->n++;
    e->shape = NULL;
    return true;
}

/* Whether the list must become a table before one more field is set: it is
 * full, or so many are to come that looking through it would take long. */
static bool
outgrows_list(const struct hash_edit *e)
{
    return e->n == HASH_COMPACT_FIELDS ||
        e->most_fields > HASH_COMPACT_FIELDS ||
        e->most_bytes > 4 * HASH_COMPACT_BYTES;
}

/* In another form than a patch. */
static __attribute__((noinline)) bool
set_unpatched(
    struct hash_edit *e, struct str field, struct str value, uint64_t expire_ms)
{
    struct packed name, packed;

    hlist_unfold(e);
    if (e->status != KS_OK)
        return false;
    if (e->mode == EDIT_LIST && outgrows_list(e) &&
        !edit_table_from_list(e, false))
        return false;
    name = packed_of(field);
    packed = packed_of(value);
    if (e->mode != EDIT_LIST)
        return set_in_table(e, &name, &packed, expire_ms);
    return set_in_list(e, field, &name, &packed, expire_ms);
}

bool
hash_edit_set(
    struct hash_edit *e, struct str field, struct str value, uint64_t expire_ms)
{
    if (expire_ms <= e->u.now_ms) {
        (void)hash_edit_delete(e, field);
        return false;
    }
    e->grows = true;
    if (e->mode == EDIT_LIST && e->n == 0 && e->n_from == 0)
        hpatch_guess(e, field);
    if (likely(e->mode == EDIT_PATCH) && expire_ms >= KS_KEEP_TTL) {
        enum patch_set done = hpatch_set(e, field, value);

        if (likely(done != PATCH_NO))
            return done == PATCH_NEW;
    }
    return set_unpatched(e, field, value, expire_ms);
}

bool
hash_edit_expire(struct hash_edit *e, struct str field, uint64_t expire_ms)
{
    struct packed name = packed_of(field);
    struct table_entry entry;
    uint64_t hash;
    uint32_t i;

    if (expire_ms <= e->u.now_ms)
        return hash_edit_delete(e, field);
    hlist_unfold(e);
    if (e->mode == EDIT_LIST) {
        i = hlist_find(e, field, &name);
        if (i == e->n)
            return false;
        e->field[i].expire_ms = expire_ms;
        e->changed = true;
        return true;
    }
    hash = htable_hash(&e->t->ks->seed, &name);
    if (edit_find_in_table(e, hash, &name, &entry) == UINT32_MAX ||
        entry.expire_ms <= e->u.now_ms)
        return false;
    if (entry.expire_ms == expire_ms ||
        !edit_prepare_table(e, hash, 0, expire_ms != KS_NO_EXPIRY))
        return true;
    (void)edit_find_in_table(e, hash, &name, &entry); /* it may have moved */
    edit_expire_entry(e, &entry, expire_ms);
    return true;
}

bool
hash_edit_delete(struct hash_edit *e, struct str field)
{
    struct packed name = packed_of(field);
    uint64_t hash;
    struct table_entry entry;
    uint32_t i;

    if (e->mode == EDIT_PATCH && shape_find(e->to, field) >= e->n_there)
        return false;
    hlist_unfold(e);
    if (e->mode == EDIT_LIST) {
        i = hlist_find(e, field, &name);
        if (i == e->n)
            return false;
        remove_from_list(e, i);
        return true;
    }
    hash = htable_hash(&e->t->ks->seed, &name);
    if (edit_find_in_table(e, hash, &name, &entry) == UINT32_MAX ||
        entry.expire_ms <= e->u.now_ms)
        return false;
    if (!edit_prepare_table(e, hash, 0, false))
        return true;
    i = edit_find_in_table(e, hash, &name, &entry);
    edit_remove(e, i, &entry);
    if (e->dir != NULL)
        hdir_shrink(e, directory_place(e->dir->depth, hash));
    return true;
}
