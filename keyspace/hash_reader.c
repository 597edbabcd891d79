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
    table_of_extent(t, s->view.extent, s->view.value_len, &r->table);
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
    return r->is_table ? htable_count(&r->table, r->now_ms)
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

static bool
find_in_table(struct hash_reader *r, struct str field, struct hash_field *out)
{
    struct packed name = packed_of(field);
    struct table_entry e;

    if (htable_find(&r->table, htable_hash(&r->t->ks->seed, &name), &name,
            &e) == UINT32_MAX ||
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

static bool
next_in_table(struct hash_reader *r, uint64_t *at, struct hash_field *out)
{
    struct table_entry e;

    while (*at < r->table.n_slots) {
        if (!htable_slot(&r->table, (uint32_t)(*at)++, &e) ||
            e.expire_ms <= r->now_ms)
            continue;
        show_entry(&e, out);
        return true;
    }
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

void
hash_random(struct hash_reader *r, struct hash_field *out)
{
    uint64_t n, at = 0;

    if (r->is_table) {
        for (unsigned i = 0; i < RANDOM_TRIES; i++) {
            struct table_entry e;

            if (htable_slot(&r->table,
                    (uint32_t)(next_random(r->t) >> 32) &
                        (r->table.n_slots - 1),
                    &e) &&
                e.expire_ms > r->now_ms) {
                show_entry(&e, out);
                return;
            }
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
    unsigned shift = 64 - CURSOR_SHIFT - v->bits;
    uint64_t visited = 0;

    for (uint32_t i = from; i < from + v->n_slots; i++) {
        struct table_entry e;
        struct hash_field f;
        uint64_t place;

        if (!htable_slot(v, i & (v->n_slots - 1), &e)) {
            if (i >= end)
                break;
            continue;
        }
        show_entry(&e, &f);
        place = cursor_of(r, f.name);
        if (place < cursor || place >> shift < from || place >> shift >= end)
            continue;
        if (e.expire_ms <= r->now_ms)
            continue;
        fn(ctx, &f);
        visited++;
    }
    return visited;
}

static uint64_t
scan_table(struct hash_reader *r, uint64_t cursor, uint64_t count,
    hash_visit_fn fn, void *ctx)
{
    unsigned shift = 64 - CURSOR_SHIFT - r->table.bits;
    uint32_t home = (uint32_t)(cursor >> shift), n_slots = r->table.n_slots;
    uint64_t visited = 0;

    while (home < n_slots && visited < count) {
        uint32_t end = MIN(home + HOMES_AT_ONCE, n_slots);

        visited += scan_homes(r, home, end, cursor, fn, ctx);
        home = end;
    }
    return home < n_slots ? (uint64_t)home << shift : 0;
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
        return scan_table(r, cursor, count, fn, ctx);
    while (hash_next(r, &at, &f))
        if (cursor == 0 || cursor_of(r, f.name) >= cursor)
            fn(ctx, &f);
    return 0;
}
