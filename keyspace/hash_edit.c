/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_edit.c - change hashes: an edit holds the partition of its key from
 * hash_edit() to hash_edit_end().
 *
 * A compact hash is taken apart into a list of fields (hash_list.c); at the end
 * it is written anew, in the shape of its names if there is one. While nothing
 * but one value of a shaped hash is to change, what is around that value is
 * copied as it stands. When a hash gets too large it becomes a table
 * (hash_grow.c). A table is changed in place, while its line version is odd
 * from the first change to the end, so that readers see all changes or none;
 * when it is full, or most of it is dead, it is built anew in another extent.
 * Any thread.
 */
#include "keyspace/hash_edit.h"

/* A table that is no larger becomes compact again. */
#define SHRINK_FIELDS 128
#define SHRINK_BYTES 2048

/* ---- opening ------------------------------------------------------------- */

static void
load_table(struct hash_edit *e)
{
    e->mode = EDIT_TABLE;
    e->extent = e->u.view.extent;
    e->table = (struct hash_table *)(void *)extent_ptr(e->t->slab, e->extent);
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
    e->present = e->u.old.exists;
    e->existed = e->u.old.exists;
    e->key_expire_ms = KS_KEEP_TTL;
    if (need == HASH_REPLACE) {
        e->u.old.exists = false;
        e->changed = true;
    }
    e->most_fields = n_fields;
    e->most_bytes = n_bytes;
    e->n_expired = 0;
    e->extent = 0;
    e->shape = NULL;
    e->n = 0;
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
    struct table_view v;

    if (e->mode == EDIT_LIST)
        return e->n;
    if (e->mode == EDIT_PATCH)
        return e->compact.n;
    htable_open(e->table, e->table->log_end, &v);
    return htable_count(&v, e->u.now_ms);
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

    if (!edit_prepare_table(e, !keep && expire_ms != KS_NO_EXPIRY))
        return false;
    slot = edit_find_in_table(e, hash, name, &was);
    is_new = slot == UINT32_MAX || was.expire_ms <= e->u.now_ms;
    if (keep)
        expire_ms = is_new ? KS_NO_EXPIRY : was.expire_ms;
    if (slot == UINT32_MAX) {
        htable_add(e->table, hash, name, value, expire_ms);
    } else {
        e->n_expired += is_new;
        htable_replace(e->table, slot, hash, &was, value, expire_ms);
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

bool
hash_edit_set(
    struct hash_edit *e, struct str field, struct str value, uint64_t expire_ms)
{
    struct packed name, packed;

    if (expire_ms <= e->u.now_ms) {
        (void)hash_edit_delete(e, field);
        return false;
    }
    e->grows = true;
    packed = packed_of(value);
    if (e->mode == EDIT_PATCH && expire_ms >= KS_KEEP_TTL &&
        hpatch_set(e, field, &packed))
        return false;
    hlist_unfold(e);
    name = packed_of(field);
    if (e->status != KS_OK)
        return false;
    if (e->mode == EDIT_LIST && outgrows_list(e) &&
        !edit_table_from_list(e, false))
        return false;
    if (e->mode != EDIT_LIST)
        return set_in_table(e, &name, &packed, expire_ms);
    return set_in_list(e, field, &name, &packed, expire_ms);
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
        !edit_prepare_table(e, expire_ms != KS_NO_EXPIRY))
        return true;
    (void)edit_find_in_table(e, hash, &name, &entry); /* it may have moved */
    htable_expire(e->table, &entry, expire_ms);
    return true;
}

bool
hash_edit_delete(struct hash_edit *e, struct str field)
{
    struct packed name = packed_of(field);
    uint64_t hash;
    struct table_entry entry;
    uint32_t i;

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
    if (!edit_prepare_table(e, false))
        return true;
    i = edit_find_in_table(e, hash, &name, &entry);
    htable_remove(e->table, &e->t->ks->seed, i, &entry);
    return true;
}

/* ---- the end ------------------------------------------------------------- */

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

/* The item's bytes, but for the head and the body of one value. */
static enum ks_status
put_patch(struct hash_edit *e)
{
    const struct compact *c = &e->compact;
    const char *begin = e->u.view.value, *end = (const char *)c->end;
    struct packed was;
    const char *head = (const char *)c->heads + e->patched;
    const char *body = (const char *)compact_value(c, e->patched, &was);
    uint8_t new_head;
    struct ks_new new = {.action = KS_PUT,
        .type = KS_HASH,
        .n_parts = 5,
        .expire_ms = e->key_expire_ms};
    enum ks_status status;

    (void)head_put(&new_head, &e->patch);
    new.part[0] = (struct str){begin, (size_t)(head - begin)};
    new.part[1] = (struct str){(const char *)&new_head, 1};
    new.part[2] = (struct str){head + 1, (size_t)(body - head) - 1};
    new.part[3] = (struct str){packed_body(&e->patch), e->patch.len};
    new.part[4] = (struct str){body + was.len, (size_t)(end - body) - was.len};
    status = update_put(&e->u, &new);
    e->present = status == KS_OK;
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
    uint64_t earliest = e->table->earliest;
    enum ks_status status;

    new.part[0] = (struct str){(const char *)e->table, e->table->room};
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
        extent_unpin(e->t->slab, e->extent);
    }
    e->status = KS_OK;
    e->mode = EDIT_TABLE;
    e->table = was;
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
    struct table_view v;

    if (e->writing)
        index_write_end(e->u.place.line);
    e->writing = false;
    edit_view_table(e, &v);
    if (!htable_has_any(&v, e->u.now_ms)) {
        update_delete(&e->u);
        e->present = false;
        return KS_OK;
    }
    if (shrink_table(e))
        return KS_OK;
    if (e->mode == EDIT_NEW_TABLE)
        return put_table(e);
    update_note_change(&e->u);
    note_earliest(e, e->u.handle, e->table->earliest);
    return KS_OK;
}

static enum ks_status
end_patch(struct hash_edit *e)
{
    if (e->u.view.value_len + e->patch.len <= HASH_COMPACT_BYTES)
        return put_patch(e);
    hlist_unfold(e);
    return end_list(e);
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

/* An extent that no item has in the end. */
static void
drop_extent(struct hash_edit *e)
{
    if (e->mode == EDIT_NEW_TABLE && e->extent != 0)
        extent_unpin(e->t->slab, e->extent);
}

enum ks_status
hash_edit_end(struct hash_edit *e, struct hash_change *what)
{
    struct ks_thread *t = e->t;
    bool existed = e->existed;
    enum ks_status status = e->status;

    if (status == KS_OK && e->changed)
        status = end_edit(e);
    if (e->writing) /* it failed after a change, see above */
        index_write_end(e->u.place.line);
    drop_extent(e);
    if (what != NULL && status == KS_OK)
        *what = (struct hash_change){.changed = e->changed,
            .created = !existed && e->present,
            .deleted = existed && !e->present,
            .expired = e->changed ? e->n_expired : 0};
    update_end(&e->u);
    hash_leave(t);
    return status;
}

/* ---- the sweep ----------------------------------------------------------- */

/* Remove what has expired. Of a table some at a time: then *due_ms is when to
 * go on. */
static void
sweep_fields(struct hash_edit *e, uint64_t *due_ms)
{
    bool more;

    *due_ms = KS_NO_EXPIRY;
    if (e->mode == EDIT_LIST) {
        e->changed = e->n_expired > 0;
        return;
    }
    index_write_begin(e->u.place.line);
    e->n_expired = htable_sweep(e->table, &e->t->ks->seed, e->u.now_ms, &more);
    index_write_end(e->u.place.line);
    e->changed = e->n_expired > 0;
    if (more)
        *due_ms = e->u.now_ms + 1;
    else if (e->table->earliest != KS_NO_EXPIRY)
        /* not all the time if there are very many */
        *due_ms = MAX(e->table->earliest, e->u.now_ms + e->table->n / 64);
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
