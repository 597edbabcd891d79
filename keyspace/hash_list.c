/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_list.c - a compact hash taken apart into a list of fields, and the list
 * written as one.
 *
 * It borrows from the item, whose partition is locked, and from what the caller
 * sets. Any thread.
 */
#include "keyspace/hash_edit.h"

struct str
hlist_name(const struct edit_field *f, char digits[24])
{
    if (f->interned != NULL)
        return (struct str){f->interned->text, f->interned->len};
    return packed_str(&f->name, digits);
}

/* Take a compact hash apart; fields that have expired are left out. */
void
hlist_load(struct hash_edit *e)
{
    const struct item_view *v = &e->u.view;
    struct compact_field f;
    struct compact_at at;
    struct compact c;
    bool is_hash = compact_open(e->t->ks->shapes, v->value, v->value_len, &c);

    ASSERT(is_hash);
    e->shape = c.shape;
    e->from = c.shape;
    e->n_from = c.n;
    compact_begin(&c, &at);
    while (compact_next(&c, &at, &f)) {
        struct edit_field *to = &e->field[e->n];

        if (f.expire_ms <= e->u.now_ms) {
            e->n_expired++;
            e->shape = NULL;
            continue;
        }
        to->value = f.value;
        to->expire_ms = f.expire_ms;
        to->interned = NULL;
        if (c.shape != NULL) {
            to->interned = c.shape->name[at.place - 1];
            to->tag = c.shape->tag[at.place - 1];
        } else {
            char digits[24];
            struct str name = packed_str(&f.name, digits);

            to->name = f.name;
            to->tag = name_tag(name.p, name.len);
        }
        e->n++;
    }
}

/* The place of a field in the list; e->n if it is not there. */
uint32_t
hlist_find(
    const struct hash_edit *e, struct str field, const struct packed *name)
{
    uint8_t tag = name_tag(field.p, field.len);

    for (uint32_t i = 0; i < e->n; i++) {
        const struct edit_field *f = &e->field[i];

        if (f->tag != tag)
            continue;
        if (f->interned != NULL
                ? str_eq(
                      (struct str){f->interned->text, f->interned->len}, field)
                : packed_eq(&f->name, name))
            return i;
    }
    return e->n;
}

uint64_t
hlist_earliest(const struct hash_edit *e, uint32_t *n_deadlines)
{
    uint64_t earliest = KS_NO_EXPIRY;

    *n_deadlines = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        *n_deadlines += e->field[i].expire_ms != KS_NO_EXPIRY;
        earliest = MIN(earliest, e->field[i].expire_ms);
    }
    return earliest;
}

/* The shape of the list's names, if there is one. */
static const struct hash_shape *
shape_of_list(struct hash_edit *e)
{
    struct str name[SHAPE_FIELDS];
    const struct hash_shape *shape;

    if (e->shape != NULL || e->n > SHAPE_FIELDS)
        return e->shape;
    for (uint32_t i = 0; i < e->n; i++)
        name[i] = hlist_name(&e->field[i], e->digits[i]);
    shape = hash_shape_get(e->t->ks->shapes, name, e->n);
    if (shape != NULL)
        hpatch_learn(e, shape);
    return shape;
}

/* Bytes of the list as a compact value. */
static size_t
list_size(const struct hash_edit *e, const struct hash_shape *shape,
    uint32_t n_deadlines)
{
    size_t size = 3;

    if (n_deadlines > 0)
        size += DEADLINE_BYTES + 2 + (size_t)n_deadlines * (2 + DEADLINE_BYTES);
    for (uint32_t i = 0; i < e->n; i++) {
        size += packed_size(&e->field[i].value);
        if (shape == NULL) {
            char digits[24];
            struct packed name = packed_of(hlist_name(&e->field[i], digits));

            size += packed_size(&name);
        }
    }
    return size;
}

static uint8_t *
put_deadlines(const struct hash_edit *e, uint8_t *to, uint32_t n)
{
    put_number(to, n, 2);
    to += 2;
    for (uint32_t i = 0; i < e->n; i++) {
        if (e->field[i].expire_ms == KS_NO_EXPIRY)
            continue;
        put_number(to, i, 2);
        put_number(
            to + 2, MIN(e->field[i].expire_ms, DEADLINE_MAX), DEADLINE_BYTES);
        to += 2 + DEADLINE_BYTES;
    }
    return to;
}

static uint8_t *
put_shaped(const struct hash_edit *e, uint8_t *to, bool *long_heads)
{
    uint8_t *heads = to;

    for (uint32_t i = 0; i < e->n; i++)
        to = head_put(to, &e->field[i].value);
    *long_heads = to != heads + e->n;
    for (uint32_t i = 0; i < e->n; i++)
        to = body_put(to, &e->field[i].value);
    return to;
}

static uint8_t *
put_plain(const struct hash_edit *e, uint8_t *to)
{
    for (uint32_t i = 0; i < e->n; i++) {
        char digits[24];
        struct packed name = packed_of(hlist_name(&e->field[i], digits));

        to = body_put(head_put(to, &name), &name);
        to = body_put(head_put(to, &e->field[i].value), &e->field[i].value);
    }
    return to;
}

/* Write the list into e->bytes; its length, 0 if it is too large. */
size_t
hlist_encode(struct hash_edit *e, uint64_t *earliest)
{
    const struct hash_shape *shape = shape_of_list(e);
    uint8_t form = shape != NULL ? FORM_SHAPED : FORM_PLAIN;
    uint8_t *to = e->bytes + 1;
    bool long_heads = false;
    uint32_t n_deadlines;

    *earliest = hlist_earliest(e, &n_deadlines);
    if (list_size(e, shape, n_deadlines) > HASH_COMPACT_BYTES)
        return 0;
    if (n_deadlines > 0) {
        form |= FORM_DEADLINES;
        if (n_deadlines == e->n)
            form |= FORM_ALL_EXPIRE;
        put_number(to, MIN(*earliest, DEADLINE_MAX), DEADLINE_BYTES);
        to += DEADLINE_BYTES;
    }
    put_number(to, shape != NULL ? shape->id : e->n, 2);
    to += 2;
    if (n_deadlines > 0)
        to = put_deadlines(e, to, n_deadlines);
    to = shape != NULL ? put_shaped(e, to, &long_heads) : put_plain(e, to);
    if (long_heads)
        form |= FORM_LONG_HEADS;
    e->bytes[0] = form;
    return (size_t)(to - e->bytes);
}
