/* SPDX-License-Identifier: BSD-3-Clause */
/* store.c - storing a value under a key.
 *
 * A store writes over the value that there is (overwrite.c) or builds the item
 * in a fresh chunk first, then takes the partition's lock, swaps the handle, and
 * frees the old chunk after the unlock. Any thread, each with its own ks_thread.
 */
#include "keyspace/hash_form.h"
#include "keyspace/internal.h"

bool
store_too_large(const struct ks_key *key, size_t value_len)
{
    return key->name.len > KS_MAX_KEY || value_len > KS_MAX_VALUE;
}

bool
store_wants_extent(const struct ks_thread *t, const struct item_shape *shape,
    size_t item_bytes)
{
    if (shape->is_hash) /* its form tells */
        return false;
    return shape->value_len > (size_t)t->ks->options->large_value_threshold ||
        item_bytes > SLAB_MAX_CHUNK;
}

static uint32_t
make_extent(struct ks_thread *t, size_t len)
{
    uint32_t extent = extent_new(t->slab, len);

    if (extent == 0 || ks_commit_extent(t, extent, len))
        return extent;
    extent_unpin(t->slab, extent);
    return 0;
}

static void
concatenate(char *to, const struct str *part, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (part[i].len > 0)
            memcpy(to, part[i].p, part[i].len);
        to += part[i].len;
    }
}

/* Choose how the key is stored. `stored` lives as long as the shape. */
static void
shape_key(struct ks_thread *t, const struct ks_key *key,
    struct item_shape *shape, struct stored_key *stored)
{
    struct ks *ks = t->ks;

    if (!__atomic_load_n(&ks->options->key_interning, __ATOMIC_RELAXED))
        return;
    template_encode(ks->templates, &t->memo, key, next_random(t), stored);
    shape->key = stored->key;
    shape->id = stored->id;
}

static enum room
room_of(const struct item_shape *shape)
{
    if (shape->at_hand)
        return ROOM_AT_HAND;
    if (shape->must_not_fail)
        return ROOM_ANYWAY;
    return shape->is_rewrite ? ROOM_RESERVED : ROOM_FOR_VALUES;
}

enum ks_status
store_build(struct ks_thread *t, const struct ks_key *key,
    struct item_shape *shape, const struct str *part, unsigned n_parts,
    struct fresh *out)
{
    uint64_t now_ms = clock_wall_ms();
    struct stored_key stored;
    bool made = false;
    size_t size;
    char *to;

    if (shape->id < TEMPLATE_FIRST_ID) /* not that of an item there is */
        shape_key(t, key, shape, &stored);
    size = item_size(shape, now_ms);
    if (shape->extent == 0 && store_wants_extent(t, shape, size)) {
        shape->extent = make_extent(t, shape->value_len);
        if (shape->extent == 0)
            return KS_NO_MEMORY;
        made = true;
        concatenate(extent_ptr(t->slab, shape->extent), part, n_parts);
        size = item_size(shape, now_ms);
    }
    out->handle = room_alloc(t, size, room_of(shape));
    if (out->handle == 0) {
        if (made)
            extent_unpin(t->slab, shape->extent);
        return KS_NO_MEMORY;
    }
    to = item_build(slab_ptr(t->slab, out->handle), shape, now_ms);
    if (to != NULL) {
        concatenate(to, part, n_parts);
        if (unlikely(shape->is_hash))
            hash_shape_use(t->ks->shapes, to, shape->value_len);
    }
    if (shape->extent != 0 && shape->is_hash)
        hash_set_owner(t, shape->extent, out->handle);
    else if (shape->extent != 0)
        extent_set_owner(t->slab, shape->extent, out->handle);
    out->extent = shape->extent;
    out->expire_ms = shape->expire_ms;
    out->same = false;
    out->bytes = size + (shape->extent ? shape->value_len : 0);
    out->is_rewrite = shape->is_rewrite;
    return KS_OK;
}

bool
store_publish(struct ks_thread *t, const struct ks_key *key, uint32_t old,
    const struct item_view *was, struct index_place place,
    const struct fresh *fresh, uint64_t now_ms, struct former *former)
{
    struct ks *ks = t->ks;
    struct owner owner = {
        .home = ks->mapping.home[key->db], .ns = ns_of_write(t, key)};

    *former = (struct former){0, 0};
    if (old == 0) {
        if (!index_insert(&ks->index, key->hash, fresh->handle))
            return false;
        METRIC_INC(&t->metrics, inserts);
        count_item(
            t, &owner, fresh->bytes, fresh->expire_ms != KS_NO_EXPIRY, 1);
        event_note(t, KS_EVENT_NEW, key);
    } else {
        index_swap(place, fresh->handle);
        count_replaced(t, &owner, was, fresh);
        *former = (struct former){old, was->extent};
        METRIC_INC(&t->metrics, replaces);
        if (likely(!item_is_over(t, was, now_ms))) {
            if (!fresh->same)
                event_note(t, KS_EVENT_CHANGED, key);
        } else {
            event_note(t, KS_EVENT_EXPIRED, key);
            event_note(t, KS_EVENT_NEW, key);
        }
    }
    if (!fresh->is_rewrite)
        add_i64(&t->ns[owner.ns].n[NS_SETS], 1);
    if (!fresh->same)
        watch_note(t, key, WATCH_CHANGED);
    mark_new(t, fresh->handle, old, fresh, key->hash);
    return true;
}

void
store_discard(struct ks_thread *t, const struct fresh *fresh, bool keep_extent)
{
    if (keep_extent && fresh->extent != 0)
        extent_set_owner(t->slab, fresh->extent, 0);
    item_free(t, fresh->handle, keep_extent ? 0 : fresh->extent);
}

enum stored {
    STORED,
    STORE_FULL,
    STORE_AGAIN
};

/* Insert or replace with a fresh item, lock included. STORE_AGAIN: the key
 * leads elsewhere by now, and the item was built for where it led. */
static enum stored
store(struct ks_thread *t, const struct ks_key *key, const struct fresh *fresh)
{
    unsigned p = index_partition(key->hash);
    struct index_place place = {NULL, 0};
    struct former former = {0, 0};
    enum stored stored = STORE_AGAIN;
    uint64_t now_ms = clock_wall_ms();
    struct item_view was;
    uint32_t old;

    ks_enter(t, p);
    if (key_is_current(t->ks, key)) {
        old = index_find_item(&t->ks->index, key, now_ms, &place, &was);
        stored = store_publish(t, key, old, &was, place, fresh, now_ms, &former)
            ? STORED
            : STORE_FULL;
    }
    ks_leave(t, p);
    if (stored != STORED)
        return stored;
    if (former.handle != 0)
        item_free(t, former.handle, former.extent);
    if (fresh->expire_ms != KS_NO_EXPIRY)
        due_note(t, fresh->handle, fresh->expire_ms);
    return STORED;
}

/* Under the lock; returns the handle, 0 when there is no such chunk. */
static __attribute__((noinline)) uint32_t
store_at_hand(struct ks_thread *t, const struct ks_key *key,
    const struct found_item *found, bool renews, struct str value,
    uint64_t expire_ms, uint64_t now_ms, struct former *former)
{
    struct item_shape shape = {.key = key->name,
        .id = key->space,
        .expire_ms = expire_ms,
        .value_len = value.len,
        .at_hand = true};
    struct fresh fresh;

    if (found->handle == 0)
        ghost_prefetch(&t->ks->ghosts, key->hash);
    if (found->handle != 0 && found->view.id >= TEMPLATE_FIRST_ID && !renews) {
        shape.key = found->view.stored; /* packed already */
        shape.id = found->view.id;
    }
    if (store_build(t, key, &shape, &value, 1, &fresh) != KS_OK)
        return 0;
    if (!store_publish(t, key, found->handle, &found->view, found->place,
            &fresh, now_ms, former)) {
        store_discard(t, &fresh, false);
        return 0;
    }
    return fresh.handle;
}

/* Store a short value with the lock held once: over the one that there is, or in
 * a chunk that the thread has. False when that cannot be: nothing was done. */
static bool
store_at_once(struct ks_thread *t, const struct ks_key *key, struct str value,
    uint64_t expire_ms)
{
    unsigned p = index_partition(key->hash);
    struct former former = {0, 0};
    uint64_t now_ms = clock_wall_ms();
    struct found_item found;
    bool renews = false;
    uint32_t handle = 0;

    if (!overwrite_may(t, key, value.len))
        return false;
    ks_enter(t, p);
    if (key_is_current(t->ks, key)) {
        found.handle = index_find_item(
            &t->ks->index, key, now_ms, &found.place, &found.view);
        if (found.handle != 0)
            renews = overwrite_renews(t, &found.view);
        if (found.handle != 0 && !renews &&
            overwrite(t, key, &found, value, expire_ms, now_ms))
            handle = found.handle;
        else if (!t->room_is_scarce && !ks_refuses_values(t))
            handle = store_at_hand(
                t, key, &found, renews, value, expire_ms, now_ms, &former);
    }
    ks_leave(t, p);
    if (former.handle != 0)
        item_free(t, former.handle, former.extent);
    if (handle != 0 && expire_ms != KS_NO_EXPIRY)
        due_note(t, handle, expire_ms);
    return handle != 0;
}

static void
keep_ttl_put(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    const struct ks_new *wanted = ctx;

    (void)old;
    *new = *wanted;
}

/* Build and store an item, from `value` or around `extent`, which stays the
 * caller's on failure. */
static enum ks_status
build_and_store(struct ks_thread *t, const struct ks_key *wanted,
    struct str value, uint32_t extent, uint64_t expire_ms)
{
    struct ks_key key = *wanted;

    for (;;) {
        struct item_shape shape = {.key = key.name,
            .id = key.space,
            .expire_ms = expire_ms,
            .value_len = value.len,
            .extent = extent};
        struct fresh fresh;
        enum ks_status status =
            store_build(t, &key, &shape, &value, extent == 0, &fresh);
        enum stored stored;

        if (status != KS_OK)
            return status;
        stored = store(t, &key, &fresh);
        if (stored == STORED)
            return KS_OK;
        store_discard(t, &fresh, extent != 0);
        if (stored == STORE_FULL)
            return KS_NO_MEMORY;
        key_renew(t->ks, &key);
    }
}

enum ks_status
ks_set(struct ks_thread *t, const struct ks_key *key, struct str value,
    uint64_t expire_ms)
{
    if (store_too_large(key, value.len))
        return KS_TOO_LARGE;
    if (expire_ms == KS_KEEP_TTL) {
        struct ks_new put = {.action = KS_PUT,
            .part = {value},
            .n_parts = 1,
            .expire_ms = expire_ms};

        return ks_update(t, key, keep_ttl_put, &put);
    }
    if (expire_ms <= clock_wall_ms()) {
        (void)ks_delete(t, key);
        return KS_OK;
    }
    tick_access(t);
    room_prepare(t, key);
    if (store_at_once(t, key, value, expire_ms))
        return KS_OK;
    return build_and_store(t, key, value, 0, expire_ms);
}

enum ks_status
ks_set_extent(struct ks_thread *t, const struct ks_key *key, uint32_t extent,
    size_t len, uint64_t expire_ms)
{
    struct str value = {extent_ptr(t->slab, extent), len};
    struct item_shape shape = {.key = key->name,
        .id = key->space,
        .expire_ms = expire_ms,
        .value_len = len};
    enum ks_status status;

    if (store_too_large(key, len))
        return KS_TOO_LARGE;
    if (expire_ms == KS_KEEP_TTL) {
        struct ks_new put = {.action = KS_PUT,
            .part = {value},
            .n_parts = 1,
            .expire_ms = expire_ms,
            .extent = extent};

        return ks_update(t, key, keep_ttl_put, &put);
    }
    if (expire_ms <= clock_wall_ms() ||
        !store_wants_extent(t, &shape, item_size(&shape, clock_wall_ms()))) {
        status = ks_set(t, key, value, expire_ms);
        if (status == KS_OK)
            extent_unpin(t->slab, extent);
        return status;
    }
    tick_access(t);
    return build_and_store(t, key, value, extent, expire_ms);
}
