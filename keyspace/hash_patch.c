/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_patch.c - a shaped hash as it stands, and the values of an edit that are
 * new; the fast way of an edit.
 *
 * The values may replace others, or be those of fields that come at the end,
 * when there is a shape that goes on with just these. Which one that may be is
 * guessed before its names are all known: a thread remembers, for the shape
 * that a hash had, for the number of fields that are set and the first of them
 * that is new, which shape came of it before. Only when all of its names have
 * been set, in order, the guess is used; else all becomes a list (hash_list.c),
 * as it does for whatever else a patch cannot express.
 *
 * It borrows from the item, whose partition is locked, and from what the caller
 * sets. Any thread.
 */
#include "keyspace/hash_edit.h"
#include "keyspace/hash_shapes.h"

/* ---- guesses ------------------------------------------------------------- */

/* Where a thread remembers it. */
static uint16_t *
place_of_guess(struct hash_edit *e, uint8_t tag)
{
    uint32_t before = e->from != NULL ? e->from->id + 1 : 0;
    uint32_t mixed = before * 31 + (uint32_t)e->most_fields * 7 + tag;

    return &e->t->hash->guess[mixed % HASH_GUESSES];
}

/* Does it begin with all names of the shape that the hash had? Each name is
 * stored once. */
static bool
continues(const struct hash_edit *e, const struct hash_shape *shape)
{
    return shape->n > e->n_from &&
        (e->from == NULL ||
            memcmp(shape->name, e->from->name,
                e->n_from * sizeof(shape->name[0])) == 0);
}

void
hpatch_learn(struct hash_edit *e, const struct hash_shape *shape)
{
    bool is_plain = e->from == NULL && e->n_from > 0;

    if (e->most_fields <= SHAPE_FIELDS && !is_plain && continues(e, shape))
        *place_of_guess(e, shape->tag[e->n_from]) = (uint16_t)(shape->id + 1);
}

/* The shape that a field after the last would lead to, which begins as this one
 * does; NULL. The partition is locked, so that it does not go. */
static const struct hash_shape *
guess(struct hash_edit *e, struct str field)
{
    uint32_t id = *place_of_guess(e, name_tag(field.p, field.len));
    const struct hash_shape *shape =
        id == 0 ? NULL : hash_shape_of(e->t->ks->shapes, id - 1);

    if (shape == NULL || !continues(e, shape) ||
        !shape_has_at(shape, e->n_from, field))
        return NULL;
    return shape;
}

/* ---- opening ------------------------------------------------------------- */

static void
begin(struct hash_edit *e, const struct hash_shape *shape, uint32_t n_there)
{
    e->mode = EDIT_PATCH;
    e->to = shape;
    e->n_there = n_there;
    e->latest = UINT32_MAX;
    e->patched = 0;
}

/* Deadlines are for the list. */
bool
hpatch_open(struct hash_edit *e)
{
    const struct item_view *v = &e->u.view;
    struct compact *c = &e->compact;
    bool is_hash = compact_open(e->t->ks->shapes, v->value, v->value_len, c);

    ASSERT(is_hash);
    if (c->shape == NULL || c->n_deadlines > 0)
        return false;
    e->from = c->shape;
    e->n_from = c->n;
    begin(e, c->shape, c->n);
    return true;
}

void
hpatch_guess(struct hash_edit *e, struct str field)
{
    const struct hash_shape *shape = guess(e, field);

    if (shape != NULL)
        begin(e, shape, 0);
}

/* ---- fields -------------------------------------------------------------- */

/* The place of a field in the shape that the hash is to have; its `n` if it has
 * none. Most come in order. */
static inline uint32_t
find_place(const struct hash_edit *e, struct str field)
{
    uint32_t next = e->latest + 1;

    if (next < e->to->n && shape_has_at(e->to, next, field))
        return next;
    return shape_find(e->to, field);
}

/* The hash as it stands gets fields after its last. */
static __attribute__((noinline)) bool
go_on(struct hash_edit *e, struct str field)
{
    const struct hash_shape *longer = e->to == e->from ? guess(e, field) : NULL;

    if (longer == NULL)
        return false;
    e->to = longer;
    return true;
}

enum patch_set
hpatch_set(struct hash_edit *e, struct str field, struct str value)
{
    uint32_t place = find_place(e, field);
    bool is_new;

    if (unlikely(place == e->to->n) && !go_on(e, field))
        return PATCH_NO;
    if (place > e->n_there)
        return PATCH_NO; /* not in order */
    is_new = place == e->n_there;
    e->n_there += is_new;
    e->latest = place;
    e->patched |= (uint64_t)1 << place;
    e->patch[place] = packed_of(value);
    e->changed = true;
    return is_new ? PATCH_NEW : PATCH_SET;
}

static bool
is_patched(const struct hash_edit *e, uint32_t place)
{
    return e->patched >> place & 1;
}

bool
hpatch_find(struct hash_edit *e, struct str field, struct hash_field *out)
{
    uint32_t place = find_place(e, field);
    struct packed value;

    if (place >= e->n_there)
        return false;
    if (is_patched(e, place))
        value = e->patch[place];
    else if (compact_value(&e->compact, place, &value) == NULL)
        return false;
    out->value = packed_str(&value, out->digits[1]);
    out->expire_ms = KS_NO_EXPIRY;
    return true;
}

void
hlist_unfold(struct hash_edit *e)
{
    if (e->mode != EDIT_PATCH)
        return;
    e->mode = EDIT_LIST;
    e->n = 0;
    if (e->n_from > 0)
        hlist_load(e);
    if (e->n_there > e->n_from)
        e->shape = NULL;
    for (uint32_t i = 0; i < e->n_there; i++) {
        if (i >= e->n_from)
            e->field[i] = (struct edit_field){.interned = e->to->name[i],
                .tag = e->to->tag[i],
                .expire_ms = KS_NO_EXPIRY};
        if (is_patched(e, i))
            e->field[i].value = e->patch[i];
    }
    e->n = e->n_there;
}

/* ---- the end ------------------------------------------------------------- */

/* The item's bytes, but for the head and the body of one value. */
static unsigned
encode_one(struct hash_edit *e, struct str part[PATCH_PARTS])
{
    const struct compact *c = &e->compact;
    const struct packed *value = &e->patch[e->latest];
    const char *begin = e->u.view.value, *end = (const char *)c->end;
    const char *head = (const char *)c->heads + e->latest;
    struct packed was;
    const char *body = (const char *)compact_value(c, e->latest, &was);

    (void)head_put(e->bytes, value);
    part[0] = (struct str){begin, (size_t)(head - begin)};
    part[1] = (struct str){(const char *)e->bytes, 1};
    part[2] = (struct str){head + 1, (size_t)(body - head) - 1};
    part[3] = (struct str){packed_body(value), value->len};
    part[4] = (struct str){body + was.len, (size_t)(end - body) - was.len};
    return 5;
}

/* Go on to the next value of the hash as it stands, unless all are patched
 * anyway. A place that it did not have is patched. */
static inline void
next_value(
    const struct hash_edit *e, struct compact_at *from, struct compact_field *f)
{
    if (from->place < e->n_from)
        (void)compact_next(&e->compact, from, f);
}

static uint64_t
bits_below(uint32_t n)
{
    return n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
}

/* Heads, then bodies, written anew. */
static unsigned
encode_all(struct hash_edit *e, struct str part[PATCH_PARTS])
{
    uint8_t *head = e->bytes + 3, *bodies = e->bytes + PATCH_HEADS;
    uint8_t *body = bodies;
    bool replaces_all = (~e->patched & bits_below(e->n_from)) == 0;
    struct compact_at from = {.place = e->n_from};
    struct compact_field f;
    size_t room = HASH_COMPACT_BYTES;

    if (!replaces_all)
        compact_begin(&e->compact, &from);
    for (uint32_t i = 0; i < e->to->n; i++) {
        const struct packed *value = &f.value;

        next_value(e, &from, &f);
        if (is_patched(e, i))
            value = &e->patch[i];
        if (value->len > room)
            return 0;
        room -= value->len;
        head = head_put(head, value);
        body = body_put(body, value);
    }
    e->bytes[0] = FORM_SHAPED;
    if (head != e->bytes + 3 + e->to->n)
        e->bytes[0] |= FORM_LONG_HEADS;
    put_number(e->bytes + 1, e->to->id, 2);
    part[0] = (struct str){(const char *)e->bytes, (size_t)(head - e->bytes)};
    part[1] = (struct str){(const char *)bodies, (size_t)(body - bodies)};
    return part[0].len <= room ? 2 : 0;
}

bool
hpatch_is_one(const struct hash_edit *e)
{
    return e->to == e->from && (e->patched & (e->patched - 1)) == 0 &&
        !e->compact.long_heads && head_size(&e->patch[e->latest]) == 1;
}

/* The item is as it was found: the partition has been locked since. */
bool
hpatch_overwrite(struct hash_edit *e)
{
    const struct packed *value = &e->patch[e->latest];
    const struct found_item found = {e->u.handle, e->u.place, e->u.view};
    struct overwritten_part part;
    struct packed was;
    uint8_t head[HEAD_MAX];
    size_t len = e->u.view.value_len;

    part.was.p = (const char *)compact_value(&e->compact, e->latest, &was);
    if (part.was.p == NULL || len - was.len + value->len > HASH_COMPACT_BYTES)
        return false;
    part.was.len = was.len;
    part.now = (struct str){packed_body(value), value->len};
    part.head = (const char *)e->compact.heads + e->latest;
    (void)head_put(head, value);
    part.new_head = head[0];
    return overwrite_part(e->t, &e->u.key, &found, &part);
}

unsigned
hpatch_encode(struct hash_edit *e, struct str part[PATCH_PARTS])
{
    if (!hpatch_is_one(e))
        return encode_all(e, part);
    if (e->u.view.value_len + e->patch[e->latest].len > HASH_COMPACT_BYTES)
        return 0;
    return encode_one(e, part);
}
