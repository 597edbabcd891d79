/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_read.c - look at hashes without a lock: one field, and their number.
 *
 * Of a table as well: the extent is pinned, looked through, and what was found
 * is good if the version of the index line is still the same (index.c). Any
 * thread.
 */
#include "keyspace/hash_edit.h"
#include "keyspace/hash_simple.h"
#include "keyspace/look.h"

#include <stdlib.h>

struct hash_thread *
hash_thread_new(void)
{
    struct hash_thread *h = xcalloc(1, sizeof(*h));

    h->edit = xcalloc(1, sizeof(*h->edit));
    return h;
}

void
hash_thread_free(struct hash_thread *h)
{
    free(h->edit);
    free(h);
}

/* ---- one field ----------------------------------------------------------- */

struct get {
    struct read_state r; /* first: take_field() gets its address */
    struct str field;
    bool found;
    size_t value_len;
    uint64_t expire_ms;
};

/* Copy a value to where it is wanted. Numbers are spelt out. */
static void
place_value(struct get *g, const struct packed *value)
{
    char digits[24];
    struct str s = packed_str(value, digits);

    g->value_len = s.len;
    if (g->r.place == NULL)
        return;
    g->r.value = memcpy(g->r.place(g->r.ctx, s.len), s.p, s.len);
}

static void
take_of_compact(struct get *g)
{
    const struct item_view *v = &g->r.view;
    struct compact_field f;
    struct compact c;

    if (!compact_open(g->r.t->ks->shapes, v->value, v->value_len, &c) ||
        !compact_find(&c, g->field, &f) || f.expire_ms <= g->r.now_ms)
        return;
    g->found = true;
    g->expire_ms = f.expire_ms;
    place_value(g, &f.value);
}

static void
take_of_table(struct get *g)
{
    struct ks_thread *t = g->r.t;
    const struct item_view *v = &g->r.view;
    struct packed name = packed_of(g->field);
    uint64_t hash = htable_hash(&t->ks->seed, &name);
    struct table_entry e;
    struct table_view table;

    if (!extent_pin(t->slab, v->extent))
        return;
    g->r.pinned = v->extent;
    if (!hash_pin_table(t, &g->r.pinned, v->value_len, hash, &table))
        return;
    if (htable_find(&table, hash, &name, &e) == UINT32_MAX ||
        e.expire_ms <= g->r.now_ms) {
        read_unpin(&g->r);
        return;
    }
    g->found = true;
    g->expire_ms = e.expire_ms;
    if (g->r.place != NULL && !e.value.is_int && e.value.len > TABLE_STILL) {
        g->r.value = e.value.p; /* stands still while it is pinned */
        g->value_len = e.value.len;
        return;
    }
    place_value(g, &e.value);
    read_unpin(&g->r);
}

static void
take_field(struct read_state *r)
{
    struct get *g = (struct get *)r;

    g->found = false;
    if (r->view.extent == 0)
        take_of_compact(g);
    else
        take_of_table(g);
}

/* memcpy() of 8 to 32 bytes, as most values have, without a call. */
static inline char *
copy_short(char *to, const void *from, size_t len)
{
    const char *at = from;

    if (len <= 16) {
        uint64_t first = load8(at), last = load8(at + len - 8);

        memcpy(to, &first, 8);
        memcpy(to + len - 8, &last, 8);
    } else {
        memcpy(to, at, 16);
        memcpy(to + len - 16, at + len - 16, 16);
    }
    return to;
}

/* Take the field of the hash in its simple form; `v` may be changing. */
static inline __attribute__((always_inline)) void
take_of_simple(struct get *g, const struct item_view *v)
{
    struct simple_field at;
    struct packed value;

    g->found =
        simple_find(g->r.t->ks->shapes, v->value, v->value_len, g->field, &at);
    if (!g->found)
        return;
    g->expire_ms = KS_NO_EXPIRY;
    body_get(at.body, at.len, *at.head > HEAD_INT, &value);
    if (likely(!value.is_int && g->r.place != NULL && at.len >= 8 &&
            at.len <= 32)) {
        g->value_len = at.len;
        g->r.value = copy_short(g->r.place(g->r.ctx, at.len), at.body, at.len);
    } else {
        place_value(g, &value);
    }
}

/* Called for each item whose tag fits. */
static inline __attribute__((always_inline)) bool
get_visit(void *ctx, const void *chunk, uint32_t handle)
{
    struct get *g = ctx;
    const struct item_view *v = &g->r.view;

    if (!look_takes(&g->r, chunk, handle))
        return false;
    if (unlikely(item_kind(v->header) != ITEM_HASH))
        return true;
    if (likely(v->extent == 0 && simple_is(v->value, v->value_len) &&
            !item_expired(v, g->r.now_ms)))
        take_of_simple(g, v);
    else
        look_at_hash(&g->r);
    return true;
}

/* Read, count, and look at the type. */
static enum ks_status
read_hash(struct read_state *r, enum ks_read_mode mode)
{
    enum ks_status status;
    bool found;

    hash_enter(r->t);
    found = read_item(r);
    hash_leave(r->t);
    status = count_read(r, mode, found);
    if (status == KS_OK && item_kind(r->view.header) != ITEM_HASH)
        return KS_WRONG_TYPE;
    return status;
}

enum ks_status
hash_get(struct ks_thread *t, const struct ks_key *key, enum ks_read_mode mode,
    struct str field, ks_place_fn place, void *ctx, struct ks_info *info)
{
    enum ks_status status;
    struct get g; /* what need not be set is not: it is large */
    bool there;

    g.r.t = t;
    g.r.key = key;
    g.r.place = place;
    g.r.ctx = ctx;
    g.r.now_ms = clock_wall_ms();
    g.r.take_hash = take_field;
    g.r.pinned = 0;
    g.r.value = NULL;
    g.field = field;
    g.found = false;
    hash_enter(t);
    there = look_up(&g.r, get_visit);
    hash_leave(t);
    status = look_count(&g.r, mode, there);
    if (status != KS_OK)
        return status;
    if (unlikely(item_kind(g.r.view.header) != ITEM_HASH))
        return KS_WRONG_TYPE;
    if (!g.found)
        return KS_MISS;
    info->type = KS_HASH;
    info->value = g.r.value;
    info->value_len = g.value_len;
    info->value_extent = g.r.pinned;
    info->expire_ms = g.expire_ms;
    return KS_OK;
}

/* ---- the number of fields ------------------------------------------------ */

struct count {
    struct read_state r; /* first */
    uint64_t n;
};

static void
take_count(struct read_state *r)
{
    struct count *count = (struct count *)r;
    const struct item_view *v = &r->view;
    struct compact c;

    count->n = 0;
    if (v->extent == 0) {
        if (compact_open(r->t->ks->shapes, v->value, v->value_len, &c))
            count->n = compact_count(&c, r->now_ms);
    } else if (extent_pin(r->t->slab, v->extent)) {
        count->n = hash_tables_count(r->t, v->extent, v->value_len, r->now_ms);
        extent_unpin(r->t->slab, v->extent);
    }
}

enum ks_status
hash_count(struct ks_thread *t, const struct ks_key *key,
    enum ks_read_mode mode, uint64_t *n)
{
    struct count count = {.r = {.t = t,
                              .key = key,
                              .now_ms = clock_wall_ms(),
                              .take_hash = take_count}};
    enum ks_status status = read_hash(&count.r, mode);

    *n = count.n;
    return status == KS_OK && count.n == 0 ? KS_MISS : status;
}
