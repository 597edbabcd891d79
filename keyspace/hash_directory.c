/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_directory.c - what stands in the extents of a large hash: one table, or
 * a directory of many (hash_form.h has the picture).
 *
 * Looks, and frees; hash_directory_edit.c changes them. Any thread: with the
 * item's partition locked, or a pin of its extent, when the bytes may be
 * changing.
 */
#include "keyspace/hash_edit.h"

bool
hdir_open(const void *at, size_t bytes, struct directory_view *out)
{
    const struct hash_directory *d = at;

    *out = (struct directory_view){.dir = NULL};
    if (bytes < directory_size(0) || d->form != FORM_DIRECTORY ||
        d->depth > DIRECTORY_BITS || bytes < directory_size(d->depth))
        return false;
    *out = (struct directory_view){.dir = d, .depth = d->depth};
    return true;
}

void
table_of_extent(
    struct ks_thread *t, uint32_t extent, size_t len, struct table_view *out)
{
    htable_open(extent_ptr(t->slab, extent),
        MIN(len, extent_committed(t->slab, extent)), out);
}

void
table_of_segment(struct ks_thread *t, uint32_t extent, struct table_view *out)
{
    table_of_extent(t, extent, SIZE_MAX, out);
}

/* The value in an extent, if it is a directory. */
static bool
directory_of(struct ks_thread *t, uint32_t extent, size_t len,
    struct directory_view *out)
{
    return hdir_open(extent_ptr(t->slab, extent),
        MIN(len, extent_committed(t->slab, extent)), out);
}

bool
hash_pin_table(struct ks_thread *t, uint32_t *pinned, size_t len, uint64_t hash,
    struct table_view *out)
{
    struct directory_view v;
    uint32_t segment;
    bool is_there;

    if (!directory_of(t, *pinned, len, &v)) {
        table_of_extent(t, *pinned, len, out);
        return true;
    }
    segment = hdir_segment(&v, directory_place(v.depth, hash));
    is_there = extent_pin(t->slab, segment);
    extent_unpin(t->slab, *pinned);
    *pinned = is_there ? segment : 0;
    if (is_there)
        table_of_segment(t, segment, out);
    return is_there;
}

/* ---- all tables ---------------------------------------------------------- */

/* Visit the segments until one says that it is enough. */
typedef bool (*visit_table_fn)(
    void *ctx, const struct table_view *table, uint64_t now_ms);

static bool
visit_segments(struct ks_thread *t, const struct directory_view *v,
    uint64_t now_ms, visit_table_fn fn, void *ctx)
{
    bool enough = false;

    for (uint32_t i = 0; i >> v->depth == 0 && !enough;) {
        uint32_t segment = hdir_segment(v, i);
        struct table_view table;

        if (!extent_pin(t->slab, segment)) { /* under change */
            i++;
            continue;
        }
        table_of_segment(t, segment, &table);
        if (table.n_slots != 0)
            enough = fn(ctx, &table, now_ms);
        i = hdir_next(v, i, &table);
        extent_unpin(t->slab, segment);
    }
    return enough;
}

static bool
add_count(void *ctx, const struct table_view *table, uint64_t now_ms)
{
    *(uint64_t *)ctx += htable_count(table, now_ms);
    return false;
}

uint64_t
hash_tables_count(
    struct ks_thread *t, uint32_t extent, size_t len, uint64_t now_ms)
{
    struct directory_view v;
    struct table_view table;
    uint64_t n = 0;

    if (!directory_of(t, extent, len, &v)) {
        table_of_extent(t, extent, len, &table);
        return htable_count(&table, now_ms);
    }
    if (v.dir->n_expiring == 0 || v.dir->earliest > now_ms)
        return v.dir->n;
    (void)visit_segments(t, &v, now_ms, add_count, &n);
    return n;
}

static bool
has_any(void *ctx, const struct table_view *table, uint64_t now_ms)
{
    (void)ctx;
    return htable_has_any(table, now_ms);
}

bool
hash_tables_have_any(
    struct ks_thread *t, uint32_t extent, size_t len, uint64_t now_ms)
{
    struct directory_view v;
    struct table_view table;

    if (!directory_of(t, extent, len, &v)) {
        table_of_extent(t, extent, len, &table);
        return htable_has_any(&table, now_ms);
    }
    if (v.dir->n_expiring < v.dir->n || v.dir->earliest > now_ms)
        return v.dir->n > 0;
    return v.dir->latest > now_ms &&
        visit_segments(t, &v, now_ms, has_any, NULL);
}

uint64_t
hash_tables_earliest(struct ks_thread *t, uint32_t extent, size_t len)
{
    struct directory_view v;
    struct table_view table;

    if (directory_of(t, extent, len, &v))
        return v.dir->earliest;
    table_of_extent(t, extent, len, &table);
    return table.n_slots != 0 ? table.table->earliest : KS_NO_EXPIRY;
}

size_t
hash_memory(struct ks_thread *t, uint32_t extent, size_t len)
{
    size_t bytes = extent_committed(t->slab, extent);
    struct directory_view v;

    if (!extent_pin(t->slab, extent))
        return bytes;
    if (directory_of(t, extent, len, &v))
        bytes = v.dir->bytes;
    extent_unpin(t->slab, extent);
    return bytes;
}

/* ---- all extents --------------------------------------------------------- */

/* Nobody changes the directory meanwhile: its item is locked, or gone. */
typedef void (*visit_extent_fn)(
    struct ks_thread *t, uint32_t extent, uint32_t handle);

static void
visit_extents(
    struct ks_thread *t, uint32_t extent, visit_extent_fn fn, uint32_t handle)
{
    struct directory_view v;

    if (directory_of(t, extent, SIZE_MAX, &v)) {
        for (uint32_t i = 0; i >> v.depth == 0;) {
            uint32_t segment = hdir_segment(&v, i);
            struct table_view table;

            table_of_segment(t, segment, &table);
            i = hdir_next(&v, i, &table);
            fn(t, segment, handle);
        }
    }
    fn(t, extent, handle);
}

static void
set_owner(struct ks_thread *t, uint32_t extent, uint32_t handle)
{
    extent_set_owner(t->slab, extent, handle);
}

void
hash_set_owner(struct ks_thread *t, uint32_t extent, uint32_t handle)
{
    visit_extents(t, extent, set_owner, handle);
}

static void
unpin(struct ks_thread *t, uint32_t extent, uint32_t handle)
{
    extent_set_owner(t->slab, extent, handle);
    extent_unpin(t->slab, extent);
}

void
hash_unpin(struct ks_thread *t, uint32_t extent)
{
    visit_extents(t, extent, unpin, 0);
}

void
item_unpin(struct ks_thread *t, uint32_t handle, uint32_t extent)
{
    uint32_t header = __atomic_load_n(
        (const uint32_t *)slab_ptr(t->slab, handle), __ATOMIC_RELAXED);

    if (item_kind(header) == ITEM_HASH)
        hash_unpin(t, extent);
    else
        extent_unpin(t->slab, extent);
}
