/* SPDX-License-Identifier: BSD-3-Clause */
/* keyspace.c - the public operations on one key: read, store, update, delete.
 *
 * A read is lock-free: find, copy out, validate (index.c). A store builds the
 * item in a fresh chunk first, then takes the partition's lock, swaps the
 * handle, and frees the old chunk after the unlock. Any thread, each with its
 * own ks_thread.
 */
#include "keyspace/hash_form.h"
#include "keyspace/probe.h"

/* ---- reading -------------------------------------------------------------------- */

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
    r->key = *key;
    r->place = place;
    r->ctx = ctx;
    r->now_ms = clock_wall_ms();
    r->take_hash = NULL;
    r->pinned = 0;
}

/* Of a hash that has only expired fields there is nothing to be seen. Who reads
 * fields of a table finds that out anyway. */
__attribute__((noinline)) static void
visit_hash(struct read_state *r)
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
static inline bool
read_visit(void *ctx, const void *chunk, uint32_t handle)
{
    struct read_state *r = ctx;
    struct item_view *v = &r->view;

    if (!item_read(chunk, r->now_ms, v) ||
        !item_has_key(r->t->ks->templates, v, r->key.name, r->key.space))
        return false;
    read_unpin(r); /* of a try that was interfered with */
    r->handle = handle;
    if (unlikely(item_kind(v->header) == ITEM_HASH)) {
        visit_hash(r);
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

static bool
read_item_locked(struct read_state *r)
{
    struct index_place place;
    unsigned p = ks_enter_key(r->t, &r->key);
    uint32_t handle = index_find(&r->t->ks->index, &r->key, &place);
    bool found = handle != 0 &&
        read_visit(r, slab_ptr(r->t->slab, handle), handle);

    ks_leave(r->t, p);
    return found;
}

/* Look the item up without a lock. */
static inline __attribute__((always_inline)) bool
look_up(struct ks *ks, struct read_state *r)
{
    uint64_t retries = 0, hash = r->key.hash;
    bool found;

#ifndef ASHLAR_SEQLOCK_LOCKED
    enum probe result = probe_partition(&ks->index,
        &ks->index.partition[index_partition(hash)], hash, read_visit, r);

    if (likely(result != PROBE_AGAIN))
        return result == PROBE_FOUND;
    retries = 1;
#endif
    found = index_read(&ks->index, hash, read_visit, r, &retries);
    if (unlikely(retries != 0))
        METRIC_ADD(&r->t->metrics, read_retries, retries);
    return found;
}

/* While a change of several keys is under way, the lock decides whether the
 * read is before or after all of it. */
bool
read_item(struct read_state *r)
{
    struct ks *ks = r->t->ks;
    uint64_t token;
    bool found;

    for (;;) {
        if (unlikely(r->t->holds || !ks_read_begin(ks, &token)))
            return read_item_locked(r);
        found = look_up(ks, r);
        if (!found)
            read_unpin(r);
        if (key_is_current(ks, &r->key))
            return found;
        read_unpin(r);
        key_renew(ks, &r->key);
    }
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
    info->frequency = state == SLAB_MARK_FREE ? 0 :
        (state >> MARK_COUNT_SHIFT) & 7;
    info->idle_s = tick_idle_seconds(r->t->ks, stamp);
}

enum ks_status
count_read(struct read_state *r, enum ks_read_mode mode, bool found)
{
    struct ks_thread *t = r->t;
    uint16_t ns;

    if (found && item_expired(&r->view, r->now_ms)) {
        if (!t->holds)
            (void)remove_chunk(t, r->handle, REMOVE_IF_EXPIRED);
        found = false;
    }
    if (mode == KS_PEEK)
        return found ? KS_OK : KS_MISS;
    tick_access(t);
    ns = ns_of_read(t, &r->key);
    if (!found) {
        METRIC_INC(&t->metrics, misses);
        add_i64(&t->ns[ns].n[NS_MISSES], 1);
        event_note(t, KS_EVENT_MISS, &r->key);
        return KS_MISS;
    }
    METRIC_INC(&t->metrics, hits);
    add_i64(&t->ns[ns].n[NS_HITS], 1);
    if (mode == KS_READ)
        mark_hit(t, r->handle, r->view.extent);
    return KS_OK;
}

enum ks_status
ks_get(struct ks_thread *t, const struct ks_key *key, enum ks_read_mode mode,
    ks_place_fn place, void *ctx, struct ks_info *info)
{
    struct read_state r;
    enum ks_status status;

    read_begin(&r, t, key, place, ctx);
    status = count_read(&r, mode, read_item(&r));
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

/* ---- items out of the index --------------------------------------------------------- */

size_t
item_memory(const struct ks_thread *t, uint32_t handle,
    const struct item_view *v)
{
    size_t bytes = slab_chunk_bytes(t->slab, handle) + 8; /* index share */

    if (v->extent)
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
        extent_unpin(t->slab, extent);
    }
    slab_release(t->slab_thread, handle);
}

void
item_free_to_page(struct ks_thread *t, uint32_t handle, uint32_t extent)
{
    if (extent != 0) {
        extent_set_owner(t->slab, extent, 0);
        extent_unpin(t->slab, extent);
    }
    slab_release_to_page(t->slab_thread, handle);
}

/* ---- storing ------------------------------------------------------------------------- */

static bool
too_large(const struct ks_key *key, size_t value_len)
{
    return key->name.len > KS_MAX_KEY || value_len > KS_MAX_VALUE;
}

static bool
wants_extent(struct ks_thread *t, const struct item_shape *shape,
    uint64_t now_ms)
{
    if (shape->is_hash) /* its form tells */
        return false;
    return shape->value_len > (size_t)t->ks->options->large_value_threshold ||
        item_size(shape, now_ms) > SLAB_MAX_CHUNK;
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

/* Build an item from parts (or around shape->extent). */
static enum ks_status
build_item(struct ks_thread *t, const struct ks_key *key,
    struct item_shape *shape, const struct str *part, unsigned n_parts,
    struct fresh *out)
{
    uint64_t now_ms = clock_wall_ms();
    struct stored_key stored;
    bool made = false;
    char *to;

    if (shape->id < TEMPLATE_FIRST_ID) /* not that of an item there is */
        shape_key(t, key, shape, &stored);
    if (shape->extent == 0 && wants_extent(t, shape, now_ms)) {
        shape->extent = make_extent(t, shape->value_len);
        if (shape->extent == 0)
            return KS_NO_MEMORY;
        made = true;
        concatenate(extent_ptr(t->slab, shape->extent), part, n_parts);
    }
    out->handle = evict_alloc(t, item_size(shape, now_ms),
        shape->is_rewrite ? ROOM_RESERVED : ROOM_FOR_VALUES);
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
    if (shape->extent != 0)
        extent_set_owner(t->slab, shape->extent, out->handle);
    out->extent = shape->extent;
    out->expire_ms = shape->expire_ms;
    out->same = false;
    out->bytes = item_size(shape, now_ms) +
        (shape->extent ? shape->value_len : 0);
    out->is_rewrite = shape->is_rewrite;
    return KS_OK;
}

/* Put a fresh item into the index in place of the one at `place` (handle
 * `old`, 0 for none; `was` is what it is). Under the partition lock; the key is current. */
static bool
publish(struct ks_thread *t, const struct ks_key *key, uint32_t old,
    const struct item_view *was, struct index_place place,
    const struct fresh *fresh, uint64_t now_ms, struct former *former)
{
    struct ks *ks = t->ks;
    struct owner owner = {.home = ks->mapping.home[key->db],
        .ns = ns_of_key(t, key)};

    *former = (struct former){0, 0};
    if (owner.ns == NS_UNKNOWN)
        owner.ns = ns_find_or_make(ks, owner.home, key->name);
    if (old == 0) {
        if (!index_insert(&ks->index, key->hash, fresh->handle))
            return false;
        METRIC_INC(&t->metrics, inserts);
        count_item(t, &owner, fresh->bytes, fresh->expire_ms != KS_NO_EXPIRY,
            1);
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
    mark_new(t, fresh->handle, old, fresh);
    return true;
}

static void
discard(struct ks_thread *t, const struct fresh *fresh, bool keep_extent)
{
    if (keep_extent && fresh->extent != 0)
        extent_set_owner(t->slab, fresh->extent, 0);
    item_free(t, fresh->handle, keep_extent ? 0 : fresh->extent);
}

enum stored { STORED, STORE_FULL, STORE_AGAIN };

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
        old = index_find(&t->ks->index, key, &place);
        if (old != 0)
            ASSERT(item_read(slab_ptr(t->slab, old), now_ms, &was));
        stored = publish(t, key, old, &was, place, fresh, now_ms, &former)
            ? STORED : STORE_FULL;
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
        struct item_shape shape = {.key = key.name, .id = key.space,
            .expire_ms = expire_ms, .value_len = value.len, .extent = extent};
        struct fresh fresh;
        enum ks_status status =
            build_item(t, &key, &shape, &value, extent == 0, &fresh);
        enum stored stored;

        if (status != KS_OK)
            return status;
        stored = store(t, &key, &fresh);
        if (stored == STORED)
            return KS_OK;
        discard(t, &fresh, extent != 0);
        if (stored == STORE_FULL)
            return KS_NO_MEMORY;
        key_renew(t->ks, &key);
    }
}

enum ks_status
ks_set(struct ks_thread *t, const struct ks_key *key, struct str value,
    uint64_t expire_ms)
{
    if (too_large(key, value.len))
        return KS_TOO_LARGE;
    if (expire_ms == KS_KEEP_TTL) {
        struct ks_new put = {.action = KS_PUT, .part = {value}, .n_parts = 1,
            .expire_ms = expire_ms};

        return ks_update(t, key, keep_ttl_put, &put);
    }
    if (expire_ms <= clock_wall_ms()) {
        (void)ks_delete(t, key);
        return KS_OK;
    }
    tick_access(t);
    return build_and_store(t, key, value, 0, expire_ms);
}

enum ks_status
ks_set_extent(struct ks_thread *t, const struct ks_key *key, uint32_t extent,
    size_t len, uint64_t expire_ms)
{
    struct str value = {extent_ptr(t->slab, extent), len};
    struct item_shape shape = {.key = key->name, .id = key->space,
        .expire_ms = expire_ms, .value_len = len};
    enum ks_status status;

    if (too_large(key, len))
        return KS_TOO_LARGE;
    if (expire_ms == KS_KEEP_TTL) {
        struct ks_new put = {.action = KS_PUT, .part = {value}, .n_parts = 1,
            .expire_ms = expire_ms, .extent = extent};

        return ks_update(t, key, keep_ttl_put, &put);
    }
    if (expire_ms <= clock_wall_ms() ||
        !wants_extent(t, &shape, clock_wall_ms())) {
        status = ks_set(t, key, value, expire_ms);
        if (status == KS_OK)
            extent_unpin(t->slab, extent);
        return status;
    }
    tick_access(t);
    return build_and_store(t, key, value, extent, expire_ms);
}

/* ---- updating ------------------------------------------------------------------------- */

static void
view_old(struct update *u)
{
    struct item_view *v = &u->view;
    bool there;

    u->handle = index_find(&u->t->ks->index, &u->key, &u->place);
    if (u->handle == 0)
        return;
    there = item_read(slab_ptr(u->t->slab, u->handle), u->now_ms, v);
    ASSERT(there);
    if (item_is_over(u->t, v, u->now_ms))
        return;
    u->old.exists = true;
    u->old.value.p = v->extent ? extent_ptr(u->t->slab, v->extent) : v->value;
    u->old.value.len = v->value_len;
    u->old.expire_ms = v->expire_ms;
    u->old.type = item_type(v->header);
    u->old.raw = item_kind(v->header) == ITEM_STRING_RAW;
    u->old.version = v->version;
}

/* A hash of which the last field has expired is not late. */
static uint64_t
lateness(const struct item_view *v, uint64_t now_ms)
{
    return v->expire_ms != 0 && item_expired(v, now_ms) ?
        now_ms - v->expire_ms : 0;
}

static void
count_expired(struct ks_thread *t, const struct owner *owner, uint64_t late_ms)
{
    METRIC_INC(&t->metrics, expired);
    METRIC_ADD(&t->metrics, expired_late, late_ms);
    add_i64(&t->ns[owner->ns].n[NS_EXPIRIES], 1);
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
    event_note(u->t, u->old.exists ? KS_EVENT_DELETED : KS_EVENT_EXPIRED,
        &u->key);
    if (u->old.exists)
        METRIC_INC(&u->t->metrics, deletes);
    else
        count_expired(u->t, &owner, lateness(&u->view, u->now_ms));
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
    if (!publish(u->t, &u->key, u->handle, &u->view, u->place, fresh,
            u->now_ms, &u->former)) {
        discard(u->t, fresh, keep_extent);
        return KS_NO_MEMORY;
    }
    u->due_handle = fresh->handle;
    u->due_ms = fresh->expire_ms;
    return KS_OK;
}

enum ks_status
update_put(struct update *u, const struct ks_new *new)
{
    struct item_shape shape = {.key = u->key.name, .id = u->key.space,
        .raw = new->raw, .is_hash = new->type == KS_HASH, .is_rewrite = new->reserved, .expire_ms = resolve_expiry(u, new->expire_ms)};
    struct fresh fresh;
    enum ks_status status;
    bool taken = false;

    if (u->old.exists && u->view.id >= TEMPLATE_FIRST_ID) {
        shape.key = u->view.stored; /* packed already */
        shape.id = u->view.id;
    }
    for (unsigned i = 0; i < new->n_parts; i++)
        shape.value_len += new->part[i].len;
    if (too_large(&u->key, shape.value_len))
        return KS_TOO_LARGE;
    if (shape.expire_ms <= u->now_ms) {
        update_delete(u);
    } else {
        if (new->extent != 0 &&
            (shape.is_hash || wants_extent(u->t, &shape, u->now_ms))) {
            shape.extent = new->extent;
            taken = true;
        }
        status = build_item(u->t, &u->key, &shape, new->part, new->n_parts,
            &fresh);
        if (status == KS_OK)
            status = update_publish(u, &fresh, taken);
        if (status != KS_OK)
            return status;
    }
    if (new->extent != 0 && !taken)
        extent_unpin(u->t->slab, new->extent);
    return KS_OK;
}

/* The same value in a new item with other fields, which takes over the extent.
 * A version is given without those who watch noticing. */
static enum ks_status
rewrite(struct update *u, uint64_t expire_ms, uint64_t version)
{
    struct ks_thread *t = u->t;
    struct item_view *v = &u->view;
    struct item_shape shape = {.key = u->key.name, .id = u->key.space,
        .expire_ms = expire_ms, .version = version,
        .value_len = v->value_len, .extent = v->extent, .raw = u->old.raw,
        .is_hash = u->old.type == KS_HASH, .is_rewrite = true};
    struct fresh fresh;
    enum ks_status status;

    status = build_item(t, &u->key, &shape, &u->old.value, 1, &fresh);
    if (status != KS_OK)
        return status;
    fresh.same = version != v->version;
    status = update_publish(u, &fresh, v->extent != 0);
    if (status != KS_OK && v->extent != 0)
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
        count_expiry(t, &owner, (expire_ms != KS_NO_EXPIRY) -
            (v->expire_ms != KS_NO_EXPIRY));
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
ks_update(struct ks_thread *t, const struct ks_key *key, ks_update_fn fn,
    void *ctx)
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
ks_update_string(struct ks_thread *t, const struct ks_key *key,
    ks_update_fn fn, void *ctx)
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
    uint16_t ns = u->key.ns;

    if (ns == NS_UNKNOWN)
        ns = ns_find_or_make(t->ks, t->ks->mapping.home[u->key.db],
            u->key.name);
    METRIC_INC(&t->metrics, replaces);
    add_i64(&t->ns[ns].n[NS_SETS], 1);
    watch_note(t, &u->key, WATCH_CHANGED);
    event_note(t, KS_EVENT_CHANGED, &u->key);
    mark_hit(t, u->handle, u->view.extent);
}

/* ---- deleting ------------------------------------------------------------------------- */

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

/* ---- removal by handle ------------------------------------------------------------------- */

/* Is there reason to remove it; dead items go for any. */
static bool
may_go(struct ks_thread *t, const struct item_view *v, uint64_t now_ms,
    bool dead, enum remove_reason why)
{
    return dead || why == REMOVE_EVICT ||
        (why == REMOVE_IF_EXPIRED && item_is_over(t, v, now_ms));
}

static void
count_evicted(struct ks_thread *t, const struct owner *owner, uint32_t handle)
{
    uint16_t stamp = atomic_load_explicit(
        slab_mark(t->slab, handle).stamp, memory_order_relaxed);

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
remove_chunk(struct ks_thread *t, uint32_t handle, enum remove_reason why)
{
    struct item_copy copy;
    struct index_place place;
    uint64_t now_ms = clock_wall_ms();
    void *chunk = slab_ptr(t->slab, handle);
    struct owner owner;
    uint64_t hash;
    unsigned p;
    bool gone = false, expired = false;
    struct item_view v;

    if (why == REMOVE_IF_EXPIRED &&
        atomic_load_explicit(&t->ks->keeps_expired, memory_order_relaxed))
        return false;
    if (!item_peek(chunk, now_ms, &copy))
        return false;
    if (why == REMOVE_IF_EXPIRED && !item_expired(&copy.view, now_ms) &&
        item_kind(copy.view.header) != ITEM_HASH)
        return false;
    if (!index_hash_item(&t->ks->index, &copy.view, &hash))
        return false;
    p = index_partition(hash);
    if (!ks_try_enter(t, p))
        return false;
    /* with the handle in the index the chunk is an item, and nobody's else */
    if (index_find_handle(&t->ks->index, hash, handle, &place) &&
        item_read(chunk, now_ms, &v)) {
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
        count_expired(t, &owner, lateness(&v, now_ms));
    else if (!owner.dead)
        count_evicted(t, &owner, handle);
    item_free_to_page(t, handle, v.extent);
    return true;
}
