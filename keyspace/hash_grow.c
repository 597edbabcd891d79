/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_grow.c - the table of an edit: make it, build it anew, make it ready for
 * changes.
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

#define RESERVED_TABLE (1 * MIB)

/* What the caller may still set takes so many bytes at most. */
static size_t
most_bytes(const struct hash_edit *e, bool deadlines)
{
    return e->most_bytes +
        e->most_fields * htable_entry_size(2 * HEAD_MAX, 4, deadlines);
}

/* A table without new fields that takes the place of another is above the limit
 * for a moment, if it is not large. */
static bool
commit_table(struct hash_edit *e, uint32_t extent, size_t bytes)
{
    if (ks_commit_extent(e->t, extent, bytes))
        return true;
    if (e->grows || bytes > RESERVED_TABLE)
        return false;
    extent_commit_anyway(e->t->slab, extent, bytes);
    return true;
}

/* An extent with an empty table for n more fields of `live` bytes than the
 * caller may set. False: e->status says why. */
static bool
make_table(struct hash_edit *e, uint64_t n, size_t live, bool deadlines)
{
    struct slab *slab = e->t->slab;
    size_t log = live + most_bytes(e, deadlines);
    unsigned bits = htable_bits(n + e->most_fields);
    size_t least = htable_size(bits, log);
    size_t room = MIN(ROUND_UP(least + log / 2, 4 * KIB), KS_MAX_VALUE);
    uint32_t extent;

    e->status = KS_TOO_LARGE;
    if (least > KS_MAX_VALUE)
        return false;
    e->status = KS_NO_MEMORY;
    if (e->grows && ks_refuses_values(e->t))
        return false;
    extent = extent_new(slab, room);
    if (extent == 0)
        return false;
    if (!commit_table(e, extent, least)) {
        extent_unpin(slab, extent);
        return false;
    }
    e->status = KS_OK;
    e->extent = extent;
    e->table = (struct hash_table *)(void *)extent_ptr(slab, extent);
    e->has_room = true;
    htable_init(e->table, bits, room, deadlines);
    return true;
}

static void
add_to_table(struct hash_edit *e, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    htable_add(
        e->table, htable_hash(&e->t->ks->seed, name), name, value, expire_ms);
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
    for (uint32_t i = 0; i < e->n; i++) {
        char digits[24];
        struct packed name = packed_of(hlist_name(&e->field[i], digits));

        add_to_table(e, &name, &e->field[i].value, e->field[i].expire_ms);
    }
    e->mode = EDIT_NEW_TABLE;
    return true;
}

/* Who watches for slow commands wants to hear of tables above this. */
#define LARGE_TABLE (64 * KIB)

static uint64_t
real_us(void)
{
    struct timespec ts;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool
build_anew(struct hash_edit *e, bool deadlines)
{
    struct hash_table *was = e->table;
    uint32_t extent = e->extent;
    struct table_view v;
    size_t live = was->live_bytes;

    edit_view_table(e, &v);
    deadlines |= was->n_expiring > 0;
    if (deadlines && !v.deadlines)
        live += (size_t)was->n * ROUND_UP(DEADLINE_BYTES, 4);
    if (!make_table(e, was->n, live, deadlines))
        return false;
    for (uint32_t i = 0; i < v.n_slots; i++) {
        struct table_entry entry;

        if (!htable_slot(&v, i, &entry))
            continue;
        if (entry.expire_ms > e->u.now_ms)
            add_to_table(e, &entry.name, &entry.value, entry.expire_ms);
        else
            e->n_expired++;
    }
    if (e->mode == EDIT_NEW_TABLE)
        extent_unpin(e->t->slab, extent);
    e->mode = EDIT_NEW_TABLE;
    return true;
}

/* The table is built anew in another extent, without what is dead. */
bool
edit_rebuild_table(struct hash_edit *e, bool deadlines)
{
    uint64_t start = e->table->live_bytes > LARGE_TABLE ? real_us() : 0;
    bool built = build_anew(e, deadlines);

    if (start != 0)
        e->work_us += MAX(real_us() - start, 1u);
    return built;
}

/* Before the table changes: room, once for all, and an odd line version if it
 * is what readers see. */
bool
edit_prepare_table(struct hash_edit *e, bool deadlines)
{
    size_t bytes = most_bytes(e, true);

    if (e->status != KS_OK)
        return false;
    if ((deadlines && !(e->table->form & FORM_DEADLINES)) ||
        (!e->has_room &&
            (!htable_has_room(e->table, e->most_fields, bytes) ||
                !ks_commit_extent(
                    e->t, e->extent, e->table->log_end + bytes)))) {
        if (!edit_rebuild_table(e, deadlines))
            return false;
    }
    e->has_room = true;
    if (e->mode == EDIT_TABLE && !e->writing) {
        index_write_begin(e->u.place.line);
        e->writing = true;
    }
    e->changed = true;
    return true;
}

uint32_t
edit_find_in_table(struct hash_edit *e, uint64_t hash,
    const struct packed *name, struct table_entry *out)
{
    struct table_view v;

    edit_view_table(e, &v);
    return htable_find(&v, hash, name, out);
}
