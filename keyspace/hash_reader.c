/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_reader.c - look at several fields of a hash, at one instant.
 *
 * A compact hash is copied without a lock. A table is read under the
 * partition's lock, because what may change in place cannot be looked at for
 * longer. Any thread.
 */
#include "keyspace/hash_form.h"

/* ---- opening ------------------------------------------------------------- */

/* Copy the item's value if it is compact; may be called for a state that is
 * not consistent. */
static void
take_bytes(struct read_state *r)
{
    struct hash_reader *reader = r->ctx;
    const struct item_view *v = &r->view;

    reader->is_table = v->extent != 0;
    reader->expire_ms = v->expire_ms;
    reader->extent = v->extent;
    reader->value_len = v->value_len;
    reader->len = (uint32_t)MIN(v->value_len, sizeof(reader->bytes));
    if (!reader->is_table)
        memcpy(reader->bytes, v->value, reader->len);
}

static void
open_compact(struct hash_reader *r)
{
    bool is_hash =
        compact_open(r->t->ks->shapes, r->bytes, r->len, &r->compact);

    ASSERT(is_hash);
    compact_begin(&r->compact, &r->at);
}

/* Look again under the lock, and keep it if it is a table still. */
static enum ks_status
open_locked(struct hash_reader *r, struct read_state *s)
{
    struct ks_thread *t = r->t;
    struct index_place place;
    struct ks_key key = *s->key;
    unsigned p = ks_enter_key(t, &key);
    uint32_t handle = index_find(&t->ks->index, &key, &place);
    enum ks_status status = KS_MISS;

    if (handle != 0 &&
        item_read(slab_ptr(t->slab, handle), s->now_ms, &s->view) &&
        !item_is_over(t, &s->view, s->now_ms)) {
        status = item_kind(s->view.header) == ITEM_HASH ? KS_OK : KS_WRONG_TYPE;
        if (status == KS_OK)
            take_bytes(s);
    }
    if (status != KS_OK || !r->is_table) {
        ks_leave(t, p);
        return status;
    }
    t->viewed = p;
    r->partition = p;
    table_of_extent(t, r->extent, r->value_len, &r->table);
    (void)hdir_open(extent_ptr(t->slab, r->extent),
        extent_committed(t->slab, r->extent), &r->dir);
    return KS_OK;
}

enum ks_status
hash_open(struct ks_thread *t, const struct ks_key *key, enum ks_read_mode mode,
    struct hash_reader **out)
{
    struct hash_reader *r = &t->hash->reader;
    struct read_state s = {.t = t,
        .key = key,
        .ctx = r,
        .now_ms = clock_wall_ms(),
        .take_hash = take_bytes};
    enum ks_status status;
    bool found;

    r->t = t;
    r->now_ms = s.now_ms;
    hash_enter(t);
    found = read_item(&s);
    status = count_read(&s, mode, found);
    if (status == KS_OK && item_kind(s.view.header) != ITEM_HASH)
        status = KS_WRONG_TYPE;
    if (status == KS_OK && r->is_table)
        status = open_locked(r, &s);
    if (status != KS_OK) {
        hash_leave(t);
        return status;
    }
    if (!r->is_table)
        open_compact(r);
    *out = r;
    return KS_OK;
}

void
hash_close(struct hash_reader *r)
{
    if (r->is_table) {
        r->t->viewed = N_PARTITIONS;
        ks_leave(r->t, r->partition);
    }
    hash_leave(r->t);
}

bool
hash_reader_is_compact(const struct hash_reader *r)
{
    return !r->is_table;
}

uint64_t
hash_reader_count(struct hash_reader *r)
{
    return r->is_table
        ? hash_tables_count(r->t, r->extent, r->value_len, r->now_ms)
        : compact_count(&r->compact, r->now_ms);
}

uint64_t
hash_reader_random(struct hash_reader *r)
{
    return next_random(r->t);
}

/* ---- fields of a reader -------------------------------------------------- */

static void
show_entry(const struct table_entry *e, struct hash_field *out)
{
    out->name = packed_str(&e->name, out->digits[0]);
    out->value = packed_str(&e->value, out->digits[1]);
    out->expire_ms = e->expire_ms;
}

/* Look at the table of a directory that has names with this hash. */
static void
choose_table(struct hash_reader *r, uint64_t hash)
{
    if (r->dir.dir != NULL)
        table_of_segment(r->t,
            hdir_segment(&r->dir, directory_place(r->dir.depth, hash)),
            &r->table);
}

static bool
find_in_table(struct hash_reader *r, struct str field, struct hash_field *out)
{
    struct packed name = packed_of(field);
    uint64_t hash = htable_hash(&r->t->ks->seed, &name);
    struct table_entry e;

    choose_table(r, hash);
    if (htable_find(&r->table, hash, &name, &e) == UINT32_MAX ||
        e.expire_ms <= r->now_ms)
        return false;
    show_entry(&e, out);
    return true;
}

bool
hash_find(struct hash_reader *r, struct str field, struct hash_field *out)
{
    struct compact_field f;

    if (r->is_table)
        return find_in_table(r, field, out);
    if (!compact_find(&r->compact, field, &f) || f.expire_ms <= r->now_ms)
        return false;
    out->name = field;
    out->value = packed_str(&f.value, out->digits[1]);
    out->expire_ms = f.expire_ms;
    return true;
}

/* Go on to the table after the one at a place of the directory. */
static bool
next_table(struct hash_reader *r, uint32_t *place)
{
    if (r->dir.dir == NULL)
        return false;
    *place = hdir_next(&r->dir, *place, &r->table);
    if (*place >> r->dir.depth != 0)
        return false;
    table_of_segment(r->t, hdir_segment(&r->dir, *place), &r->table);
    return true;
}

/* *at is a place of the directory and a slot. */
static bool
next_in_table(struct hash_reader *r, uint64_t *at, struct hash_field *out)
{
    uint32_t place = (uint32_t)(*at >> 32), slot = (uint32_t)*at;
    struct table_entry e;

    if (r->dir.dir != NULL) {
        if (place >> r->dir.depth != 0)
            return false;
        table_of_segment(r->t, hdir_segment(&r->dir, place), &r->table);
    }
    do {
        while (slot < r->table.n_slots) {
            if (!htable_slot(&r->table, slot++, &e) || e.expire_ms <= r->now_ms)
                continue;
            *at = (uint64_t)place << 32 | slot;
            show_entry(&e, out);
            return true;
        }
        slot = 0;
    } while (next_table(r, &place));
    *at = UINT64_MAX;
    return false;
}

bool
hash_next(struct hash_reader *r, uint64_t *at, struct hash_field *out)
{
    struct compact_field f;

    if (r->is_table)
        return next_in_table(r, at, out);
    if (*at < r->at.place)
        compact_begin(&r->compact, &r->at);
    while (compact_next(&r->compact, &r->at, &f)) {
        if (r->at.place <= *at || f.expire_ms <= r->now_ms)
            continue;
        out->name = r->compact.shape != NULL
            ? shape_name(r->compact.shape, r->at.place - 1)
            : packed_str(&f.name, out->digits[0]);
        out->value = packed_str(&f.value, out->digits[1]);
        out->expire_ms = f.expire_ms;
        *at = r->at.place;
        return true;
    }
    return false;
}

/* A slot in use is found soon, as an eighth of them is at least: unless most
 * fields have expired. */
#define RANDOM_TRIES 1000

/* The entry of any slot; false if there is none. Each entry is equally likely:
 * tables whose slots stand closer than in others are chosen more rarely. */
static bool
random_slot(struct hash_reader *r, struct table_entry *out)
{
    uint64_t random = next_random(r->t);

    choose_table(r, random);
    if (r->dir.dir != NULL) {
        unsigned fine = r->table.depth + r->table.bits;

        ASSERT(fine <= r->dir.dir->finest);
        if ((random & (((uint64_t)1 << (r->dir.dir->finest - fine)) - 1)) != 0)
            return false;
    }
    return htable_slot(&r->table,
        (uint32_t)(next_random(r->t) >> 32) & (r->table.n_slots - 1), out);
}

void
hash_random(struct hash_reader *r, struct hash_field *out)
{
    uint64_t n, at = 0;

    for (unsigned i = 0; r->is_table && i < RANDOM_TRIES; i++) {
        struct table_entry e;

        if (random_slot(r, &e) && e.expire_ms > r->now_ms) {
            show_entry(&e, out);
            return;
        }
    }
    n = hash_reader_count(r);
    for (uint64_t skip = next_random(r->t) % MAX(n, 1u);; skip--) {
        bool there = hash_next(r, &at, out);

        ASSERT(there);
        if (skip == 0)
            return;
    }
}

/* ---- scans ------------------------------------------------------------------
 *
 * A cursor is a place in the order of the hashes of names, 48 bits of it.
 */
#define CURSOR_SHIFT 16
#define HOMES_AT_ONCE 16

static uint64_t
cursor_of(const struct hash_reader *r, struct str name)
{
    return hash_bytes(&r->t->ks->seed, name.p, name.len) >> CURSOR_SHIFT;
}

/* Visit the entries from `cursor` on whose homes are `from` to before `end`:
 * they stand there or in the run of slots that follows. Their number. */
static uint64_t
scan_homes(struct hash_reader *r, uint32_t from, uint32_t end, uint64_t cursor,
    hash_visit_fn fn, void *ctx)
{
    const struct table_view *v = &r->table;
    unsigned shift = 64 - CURSOR_SHIFT - v->depth - v->bits;
    uint64_t visited = 0;

    for (uint32_t i = from; i < from + v->n_slots; i++) {
        struct table_entry e;
        struct hash_field f;
        uint64_t place, home;

        if (!htable_slot(v, i & (v->n_slots - 1), &e)) {
            if (i >= end)
                break;
            continue;
        }
        show_entry(&e, &f);
        place = cursor_of(r, f.name);
        home = place >> shift & (v->n_slots - 1);
        if (place < cursor || home < from || home >= end)
            continue;
        if (e.expire_ms <= r->now_ms)
            continue;
        fn(ctx, &f);
        visited++;
    }
    return visited;
}

/* Visit the entries of the table that has the names of the cursor. Returns the
 * next cursor, 0 after the last table. */
static uint64_t
scan_table(struct hash_reader *r, uint64_t cursor, uint64_t count,
    hash_visit_fn fn, void *ctx, uint64_t *visited)
{
    unsigned shift;
    uint32_t home, n_slots;

    choose_table(r, cursor << CURSOR_SHIFT);
    n_slots = r->table.n_slots;
    shift = 64 - CURSOR_SHIFT - r->table.depth - r->table.bits;
    home = (uint32_t)(cursor >> shift) & (n_slots - 1);
    while (home < n_slots && *visited < count) {
        uint32_t end = MIN(home + HOMES_AT_ONCE, n_slots);

        *visited += scan_homes(r, home, end, cursor, fn, ctx);
        home = end;
    }
    cursor = ((cursor >> shift & ~(uint64_t)(n_slots - 1)) + home) << shift;
    return cursor & ((UINT64_C(1) << (64 - CURSOR_SHIFT)) - 1);
}

static uint64_t
scan_tables(struct hash_reader *r, uint64_t cursor, uint64_t count,
    hash_visit_fn fn, void *ctx)
{
    uint64_t visited = 0;

    do
        cursor = scan_table(r, cursor, count, fn, ctx, &visited);
    while (cursor != 0 && visited < count);
    return cursor;
}

uint64_t
hash_scan(struct hash_reader *r, uint64_t cursor, uint64_t count,
    hash_visit_fn fn, void *ctx)
{
    struct hash_field f;
    uint64_t at = 0;

    if (cursor >> (64 - CURSOR_SHIFT) != 0)
        return 0;
    if (r->is_table)
        return scan_tables(r, cursor, count, fn, ctx);
    while (hash_next(r, &at, &f))
        if (cursor == 0 || cursor_of(r, f.name) >= cursor)
            fn(ctx, &f);
    return 0;
}
