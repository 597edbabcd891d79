/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_grow.c - the tables of an edit: make one, build it anew, or many when it
 * is too large; make it ready for changes; change it.
 *
 * Room for all that the caller may set is taken before the first change, so
 * that nothing fails half-way. (The one exception: a table gets its deadline
 * fields at the first deadline, and an edit that has changed other fields
 * before is then seen in two steps.) Any thread, under the partition's lock.
 */
#include "keyspace/hash_edit.h"

#include <time.h>

void
edit_view_table(struct hash_edit *e, struct table_view *out)
{
    htable_open(e->table, e->table->log_end, out);
}

/* What takes the place of another table, with nothing new, may pass the limit
 * for a moment if it is no larger than this. */
#define RESERVED_TABLE (1 * MIB)

/* What the caller may still set takes so many bytes at most. */
static size_t
most_bytes(const struct hash_edit *e, bool deadlines)
{
    return e->most_bytes +
        e->most_fields * htable_entry_size(2 * HEAD_MAX, 4, deadlines);
}

/* Who watches for slow commands wants to hear of tables above this. */
#define LARGE_TABLE (64 * KIB)

uint64_t
edit_work_begin(const struct hash_table *t)
{
    return t->live_bytes > LARGE_TABLE ? clock_read_mono_us() : 0;
}

void
edit_work_end(struct hash_edit *e, uint64_t begun_us)
{
    if (begun_us != 0)
        e->work_us += MAX(clock_read_mono_us() - begun_us, 1u);
}

bool
edit_new_extent(
    struct hash_edit *e, size_t room, size_t least, uint32_t *extent)
{
    struct slab *slab = e->t->slab;
    bool is_first = !e->writing;

    e->status = KS_TOO_LARGE;
    if (least > KS_MAX_VALUE)
        return false;
    e->status = KS_NO_MEMORY;
    if (e->grows && is_first && ks_refuses_values(e->t))
        return false;
    *extent = extent_new(slab, room);
    if (*extent == 0)
        return false;
    if (!ks_commit_least(e->t, *extent, least)) {
        if (is_first && (e->grows || least > RESERVED_TABLE)) {
            extent_unpin(slab, *extent);
            return false;
        }
        /* changed already, or to take the place of another */
        extent_commit_force(slab, *extent, least);
    }
    e->status = KS_OK;
    return true;
}

/* An extent with an empty table for n more fields of `live` bytes than the
 * caller may set; or a directory for more. False: e->status says why. */
static bool
make_table(struct hash_edit *e, uint64_t n, size_t live, bool deadlines)
{
    size_t log = live + most_bytes(e, deadlines);
    unsigned bits = htable_bits(n + e->most_fields);
    size_t least = htable_size(bits, log);
    size_t room = MIN(ROUND_UP(least + log / 2, 4 * KIB), KS_MAX_VALUE);

    if (least > SEGMENT_BYTES && n + e->most_fields >= SEGMENT_FIELDS)
        return hdir_make(e, deadlines);
    if (!edit_new_extent(e, room, least, &e->extent))
        return false;
    e->table = (struct hash_table *)(void *)extent_ptr(e->t->slab, e->extent);
    e->has_room = true;
    htable_init(e->table, bits, room, deadlines);
    return true;
}

/* Add an entry to tables that nobody else knows. */
static bool
add_to_new(struct hash_edit *e, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    uint64_t hash = htable_hash(&e->t->ks->seed, name);

    if (e->dir != NULL &&
        !hdir_prepare(e, hash,
            htable_entry_size(packed_size(name), packed_size(value), true),
            expire_ms != KS_NO_EXPIRY))
        return false;
    edit_add(e, hash, name, value, expire_ms);
    return true;
}

/* The list becomes a table. */
bool
edit_table_from_list(struct hash_edit *e, bool deadlines)
{
    size_t live = 0;
    uint32_t n_deadlines;

    (void)hlist_earliest(e, &n_deadlines);
    deadlines |= n_deadlines > 0;
    for (uint32_t i = 0; i < e->n; i++) {
        char digits[24];
        struct packed name = packed_of(hlist_name(&e->field[i], digits));

        live += htable_entry_size(
            packed_size(&name), packed_size(&e->field[i].value), deadlines);
    }
    if (!make_table(e, e->n, live, deadlines))
        return false;
    e->mode = EDIT_NEW_TABLE;
    for (uint32_t i = 0; i < e->n; i++) {
        char digits[24];
        struct packed name = packed_of(hlist_name(&e->field[i], digits));

        if (!add_to_new(e, &name, &e->field[i].value, e->field[i].expire_ms))
            return false;
    }
    return true;
}

static bool
add_all(struct hash_edit *e, const struct table_view *from)
{
    for (uint32_t i = 0; i < from->n_slots; i++) {
        struct table_entry entry;

        if (!htable_slot(from, i, &entry))
            continue;
        if (entry.expire_ms <= e->u.now_ms)
            e->n_expired++;
        else if (!add_to_new(e, &entry.name, &entry.value, entry.expire_ms))
            return false;
    }
    return true;
}

static bool
build_anew(struct hash_edit *e, bool deadlines)
{
    struct hash_table *was = e->table;
    bool was_new = e->mode == EDIT_NEW_TABLE;
    uint32_t extent = e->extent;
    struct table_view v;
    size_t live = was->live_bytes;

    edit_view_table(e, &v);
    deadlines |= was->n_expiring > 0;
    if (deadlines && !v.deadlines)
        live += (size_t)was->n * ROUND_UP(DEADLINE_BYTES, 4);
    if (!make_table(e, was->n, live, deadlines))
        return false;
    e->mode = EDIT_NEW_TABLE;
    if (!add_all(e, &v)) {
        hash_unpin(e->t, e->extent);
        e->dir = NULL;
        e->table = was;
        e->extent = extent;
        e->mode = was_new ? EDIT_NEW_TABLE : EDIT_TABLE;
        return false;
    }
    if (was_new)
        extent_unpin(e->t->slab, extent);
    return true;
}

/* The table is built anew in another extent, without what is dead. */
bool
edit_rebuild_table(struct hash_edit *e, bool deadlines)
{
    uint64_t begun = edit_work_begin(e->table);
    bool built = build_anew(e, deadlines);

    edit_work_end(e, begun);
    return built;
}

/* ---- before and after changes -------------------------------------------- */

void
edit_begin_writing(struct hash_edit *e)
{
    if (e->mode == EDIT_TABLE && !e->writing) {
        index_write_begin(e->u.place.line);
        e->writing = true;
    }
}

size_t
edit_value_len(const struct hash_edit *e)
{
    return e->dir != NULL ? e->dir->bytes : e->table->room;
}

/* The item has its value elsewhere, or it has grown. */
static void
tell_item(struct hash_edit *e)
{
    struct item_view *v = &e->u.view;
    size_t len = edit_value_len(e);
    struct owner owner = {.home = e->t->ks->mapping.home[e->u.key.db],
        .ns = ns_of_write(e->t, &e->u.key)};

    if (e->mode != EDIT_TABLE ||
        (v->extent == e->extent && v->value_len == len))
        return;
    if (v->extent != e->extent)
        extent_set_owner(e->t->slab, e->extent, e->u.handle);
    item_put_extent(slab_ptr(e->t->slab, e->u.handle), v, e->extent, len);
    count_grown(e->t, &owner, (int64_t)len - (int64_t)v->value_len);
    v->extent = e->extent;
    v->value_len = len;
}

void
edit_end_writing(struct hash_edit *e)
{
    if (!e->writing)
        return;
    tell_item(e);
    index_write_end(e->u.place.line);
    e->writing = false;
}

static bool
lacks_room(struct hash_edit *e, bool deadlines)
{
    size_t bytes = most_bytes(e, true);

    if (deadlines && !(e->table->form & FORM_DEADLINES))
        return true;
    return !e->has_room &&
        (!htable_has_room(e->table, e->most_fields, bytes) ||
            !ks_commit_least(e->t, e->extent, e->table->log_end + bytes));
}

bool
edit_prepare_table(
    struct hash_edit *e, uint64_t hash, size_t bytes, bool deadlines)
{
    if (e->status != KS_OK)
        return false;
    if (e->dir == NULL && lacks_room(e, deadlines) &&
        !edit_rebuild_table(e, deadlines))
        return false;
    if (e->dir != NULL && !hdir_prepare(e, hash, bytes, deadlines))
        return false;
    e->has_room = true;
    edit_begin_writing(e);
    e->changed = true;
    return true;
}

/* ---- looking and changing ------------------------------------------------ */

uint32_t
edit_find_in_table(struct hash_edit *e, uint64_t hash,
    const struct packed *name, struct table_entry *out)
{
    struct table_view v;

    if (e->dir != NULL)
        hdir_choose(e, hash);
    edit_view_table(e, &v);
    return htable_find(&v, hash, name, out);
}

uint64_t
edit_n_in_tables(const struct hash_edit *e)
{
    return e->dir != NULL ? e->dir->n : e->table->n;
}

uint64_t
edit_earliest(const struct hash_edit *e)
{
    return e->dir != NULL ? e->dir->earliest : e->table->earliest;
}

bool
edit_has_any(struct hash_edit *e)
{
    return hash_tables_have_any(e->t, e->extent, SIZE_MAX, e->u.now_ms);
}

/* What a change of a table means for the directory. */
static void
settle(struct hash_edit *e, uint32_t n, uint32_t n_expiring)
{
    struct hash_directory *d = e->dir;
    const struct hash_table *t = e->table;

    if (d == NULL)
        return;
    d->n += t->n - n;
    d->n_expiring += t->n_expiring - n_expiring;
    if (t->n_expiring > 0) {
        d->earliest = MIN(d->earliest, t->earliest);
        d->swept_earliest = MIN(d->swept_earliest, t->earliest);
        d->latest = MAX(d->latest, t->latest);
    }
    if (d->n_expiring == 0) {
        d->earliest = KS_NO_EXPIRY;
        d->latest = 0;
    }
}

void
edit_add(struct hash_edit *e, uint64_t hash, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    uint32_t n = e->table->n, n_expiring = e->table->n_expiring;

    htable_add(e->table, hash, name, value, expire_ms);
    settle(e, n, n_expiring);
}

void
edit_replace(struct hash_edit *e, uint32_t slot, uint64_t hash,
    const struct table_entry *was, const struct packed *value,
    uint64_t expire_ms)
{
    uint32_t n = e->table->n, n_expiring = e->table->n_expiring;

    htable_replace(e->table, slot, hash, was, value, expire_ms);
    settle(e, n, n_expiring);
}

void
edit_expire_entry(
    struct hash_edit *e, const struct table_entry *entry, uint64_t expire_ms)
{
    uint32_t n = e->table->n, n_expiring = e->table->n_expiring;

    htable_expire(e->table, entry, expire_ms);
    settle(e, n, n_expiring);
}

void
edit_remove(struct hash_edit *e, uint32_t slot, const struct table_entry *entry)
{
    uint32_t n = e->table->n, n_expiring = e->table->n_expiring;

    htable_remove(e->table, &e->t->ks->seed, slot, entry);
    settle(e, n, n_expiring);
}

bool
edit_sweep_table(struct hash_edit *e)
{
    uint32_t n = e->table->n, n_expiring = e->table->n_expiring;
    bool more;

    e->n_expired += htable_sweep(e->table, &e->t->ks->seed, e->u.now_ms, &more);
    settle(e, n, n_expiring);
    return more;
}
