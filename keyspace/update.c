/* SPDX-License-Identifier: BSD-3-Clause */
/* update.c - reading and writing one key as one step: a function of the command
 * sees the value under the partition's lock and says what is to become of it.
 *
 * INCR, APPEND, SET with a condition, EXPIRE; deletion is the simplest of them.
 * Any thread, each with its own ks_thread.
 */
#include "keyspace/internal.h"

static void
view_old(struct update *u)
{
    struct item_view *v = &u->view;

    u->handle =
        index_find_item(&u->t->ks->index, &u->key, u->now_ms, &u->place, v);
    if (u->handle == 0 || item_is_over(u->t, v, u->now_ms))
        return;
    u->old.exists = true;
    u->old.value.p = v->extent ? extent_ptr(u->t->slab, v->extent) : v->value;
    u->old.value.len = v->value_len;
    u->old.expire_ms = v->expire_ms;
    u->old.type = item_type(v->header);
    u->old.raw = item_kind(v->header) == ITEM_STRING_RAW;
    u->old.version = v->version;
}

void
update_delete(struct update *u)
{
    struct owner owner;

    if (u->handle == 0)
        return;
    owner_of_key(u->t, &u->key, &owner);
    item_unlink(u->t, u->key.hash, u->place, &u->view, &owner);
    u->former = (struct former){u->handle, u->view.extent};
    event_note(
        u->t, u->old.exists ? KS_EVENT_DELETED : KS_EVENT_EXPIRED, &u->key);
    if (u->old.exists)
        METRIC_INC(&u->t->metrics, deletes);
    else
        count_expired(u->t, &owner, &u->view, u->now_ms);
}

static uint64_t
resolve_expiry(const struct update *u, uint64_t expire_ms)
{
    if (expire_ms != KS_KEEP_TTL)
        return expire_ms;
    return u->old.exists ? u->old.expire_ms : KS_NO_EXPIRY;
}

static enum ks_status
update_publish(struct update *u, const struct fresh *fresh, bool keep_extent)
{
    if (!store_publish(u->t, &u->key, u->handle, &u->view, u->place, fresh,
            u->now_ms, &u->former)) {
        store_discard(u->t, fresh, keep_extent);
        return KS_NO_MEMORY;
    }
    u->due_handle = fresh->handle;
    u->due_ms = fresh->expire_ms;
    return KS_OK;
}

/* Whether the new value is a string in one piece, and none of the old one. */
static bool
is_new_string(const struct update *u, const struct ks_new *new)
{
    uintptr_t p = (uintptr_t)new->part[0].p, old = (uintptr_t)u->old.value.p;

    return u->old.exists && new->type == KS_STRING &&
        !new->raw && new->extent == 0 && new->n_parts == 1 &&
        (p < old || p >= old + u->old.value.len);
}

/* Put it in the place of the old one, if it fits there. */
static bool
put_in_place(struct update *u, struct str value, uint64_t expire_ms)
{
    const struct found_item found = {u->handle, u->place, u->view};

    if (!overwrite_may(u->t, &u->key, value.len) ||
        overwrite_renews(u->t, &u->view) ||
        !overwrite(u->t, &u->key, &found, value, expire_ms, u->now_ms))
        return false;
    u->due_handle = u->handle;
    u->due_ms = expire_ms;
    return true;
}

/* Put it into an item of its own. *taken: that has the extent. */
static enum ks_status
put_anew(struct update *u, const struct ks_new *new, struct item_shape *shape,
    bool *taken)
{
    struct fresh fresh;
    enum ks_status status;

    *taken = new->extent != 0 &&
        (shape->is_hash ||
            store_wants_extent(u->t, shape, item_size(shape, u->now_ms)));
    if (*taken)
        shape->extent = new->extent;
    status =
        store_build(u->t, &u->key, shape, new->part, new->n_parts, &fresh);
    return status == KS_OK ? update_publish(u, &fresh, *taken) : status;
}

/* Nothing has taken the extent of the new value. */
static void
drop_extent(struct update *u, const struct ks_new *new)
{
    if (new->type == KS_HASH)
        hash_unpin(u->t, new->extent);
    else
        extent_unpin(u->t->slab, new->extent);
}

enum ks_status
update_put(struct update *u, const struct ks_new *new)
{
    struct item_shape shape = {.key = u->key.name,
        .id = u->key.space,
        .raw = new->raw,
        .is_hash = new->type == KS_HASH,
        .is_rewrite = new->reserved,
        .must_not_fail = new->reserved,
        .expire_ms = resolve_expiry(u, new->expire_ms)};
    enum ks_status status = KS_OK;
    bool taken = false;

    if (u->old.exists && u->view.id >= TEMPLATE_FIRST_ID) {
        shape.key = u->view.stored; /* packed already */
        shape.id = u->view.id;
    }
    for (unsigned i = 0; i < new->n_parts; i++)
        shape.value_len += new->part[i].len;
    if (store_too_large(&u->key, shape.is_hash ? 0 : shape.value_len))
        return KS_TOO_LARGE; /* a hash looks at that itself */
    if (shape.expire_ms <= u->now_ms)
        update_delete(u);
    else if (!is_new_string(u, new) ||
        !put_in_place(u, new->part[0], shape.expire_ms))
        status = put_anew(u, new, &shape, &taken);
    if (status == KS_OK && new->extent != 0 && !taken)
        drop_extent(u, new);
    return status;
}

/* The same value in a new item with other fields, which takes over the extent.
 * A version is given without those who watch noticing. */
static enum ks_status
rewrite(struct update *u, uint64_t expire_ms, uint64_t version)
{
    struct ks_thread *t = u->t;
    struct item_view *v = &u->view;
    struct item_shape shape = {.key = u->key.name,
        .id = u->key.space,
        .expire_ms = expire_ms,
        .version = version,
        .value_len = v->value_len,
        .extent = v->extent,
        .raw = u->old.raw,
        .is_hash = u->old.type == KS_HASH,
        .is_rewrite = true,
        .must_not_fail = version == v->version};
    struct fresh fresh;
    enum ks_status status;

    status = store_build(t, &u->key, &shape, &u->old.value, 1, &fresh);
    if (status != KS_OK)
        return status;
    fresh.same = version != v->version;
    status = update_publish(u, &fresh, v->extent != 0);
    if (status != KS_OK && v->extent != 0 && shape.is_hash)
        hash_set_owner(t, v->extent, u->handle);
    else if (status != KS_OK && v->extent != 0)
        extent_set_owner(t->slab, v->extent, u->handle);
    else
        u->former.extent = 0; /* the new item has it */
    return status;
}

/* Give the item another deadline: in its field if it has one that fits, in a
 * new item otherwise. */
static enum ks_status
update_expiry(struct update *u, uint64_t expire_ms)
{
    struct ks_thread *t = u->t;
    struct item_view *v = &u->view;
    void *chunk = slab_ptr(t->slab, u->handle);
    bool changed;

    index_write_begin(u->place.line);
    changed = item_set_expiry(chunk, expire_ms, u->now_ms);
    index_write_end(u->place.line);
    if (changed) {
        struct owner owner;

        owner_of_key(t, &u->key, &owner);
        count_expiry(t, &owner,
            (expire_ms != KS_NO_EXPIRY) - (v->expire_ms != KS_NO_EXPIRY));
        watch_note(t, &u->key, WATCH_CHANGED);
        event_note(t, KS_EVENT_CHANGED, &u->key);
        mark_expires(t, u->handle, expire_ms != KS_NO_EXPIRY);
        u->due_handle = u->handle;
        u->due_ms = expire_ms;
        return KS_OK;
    }
    return rewrite(u, expire_ms, v->version);
}

static enum ks_status
apply(struct update *u, const struct ks_new *new)
{
    switch (new->action) {
    case KS_PUT:
        return update_put(u, new);
    case KS_DELETE:
        update_delete(u);
        return KS_OK;
    case KS_EXPIRE:
        if (!u->old.exists)
            return KS_OK;
        if (resolve_expiry(u, new->expire_ms) <= u->now_ms) {
            update_delete(u);
            return KS_OK;
        }
        return update_expiry(u, resolve_expiry(u, new->expire_ms));
    case KS_NUMBER:
        if (!u->old.exists || u->old.version != 0 || u->old.type != KS_STRING)
            return KS_OK;
        return rewrite(u, u->old.expire_ms, version_next(u->t->ks));
    case KS_LEAVE:
        break;
    }
    return KS_OK;
}

void
update_begin(struct ks_thread *t, const struct ks_key *key, struct update *u)
{
    *u = (struct update){.t = t, .key = *key, .now_ms = clock_wall_ms()};
    tick_access(t);
    u->partition = ks_enter_key(t, &u->key);
    t->viewed = u->partition; /* evictions leave the item alone */
    view_old(u);
}

void
update_end(struct update *u)
{
    struct ks_thread *t = u->t;

    t->viewed = N_PARTITIONS;
    ks_leave(t, u->partition);
    if (u->former.handle != 0)
        item_free(t, u->former.handle, u->former.extent);
    if (u->due_handle != 0 && u->due_ms != KS_NO_EXPIRY)
        due_note(t, u->due_handle, u->due_ms);
}

enum ks_status
ks_update(
    struct ks_thread *t, const struct ks_key *key, ks_update_fn fn, void *ctx)
{
    struct ks_new new = {.action = KS_LEAVE, .expire_ms = KS_KEEP_TTL};
    enum ks_status status;
    struct update u;

    if (key->name.len > KS_MAX_KEY)
        return KS_TOO_LARGE;
    update_begin(t, key, &u);
    fn(ctx, &u.old, &new);
    status = apply(&u, &new);
    update_end(&u);
    return status;
}

enum ks_status
ks_update_string(
    struct ks_thread *t, const struct ks_key *key, ks_update_fn fn, void *ctx)
{
    struct ks_new new = {.action = KS_LEAVE, .expire_ms = KS_KEEP_TTL};
    enum ks_status status = KS_WRONG_TYPE;
    struct update u;

    if (key->name.len > KS_MAX_KEY)
        return KS_TOO_LARGE;
    update_begin(t, key, &u);
    if (!u.old.exists || u.old.type == KS_STRING) {
        fn(ctx, &u.old, &new);
        status = apply(&u, &new);
    }
    update_end(&u);
    return status;
}

void
update_note_change(struct update *u)
{
    struct ks_thread *t = u->t;
    struct slab_mark mark = slab_mark(t->slab, u->handle);

    METRIC_INC(&t->metrics, replaces);
    add_i64(&t->ns[ns_of_write(t, &u->key)].n[NS_SETS], 1);
    watch_note(t, &u->key, WATCH_CHANGED);
    event_note(t, KS_EVENT_CHANGED, &u->key);
    mark_hit(t, &mark, u->view.extent);
}

enum ks_status
ks_delete(struct ks_thread *t, const struct ks_key *key)
{
    struct update u = {.t = t, .key = *key, .now_ms = clock_wall_ms()};
    unsigned p = ks_enter_key(t, &u.key);

    view_old(&u);
    update_delete(&u);
    ks_leave(t, p);
    if (u.former.handle != 0)
        item_free(t, u.former.handle, u.former.extent);
    return u.old.exists ? KS_OK : KS_MISS;
}
