/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_compact.c - small hashes as bytes: strings with heads, the plain and the
 * shaped form (hash_form.h has the picture). Takes apart only; hash_list.c
 * and hash_patch.c write them. Any thread, also on bytes that are changing.
 */
#include "keyspace/hash_simple.h"

/* ---- strings ------------------------------------------------------------- */

static unsigned
bytes_of_number(int64_t v)
{
    uint64_t magnitude = (uint64_t)(v < 0 ? ~v : v);

    return magnitude < 128
        ? 1
        : (unsigned)(64 - __builtin_clzll(magnitude)) / 8 + 1;
}

struct packed
packed_number(struct str s)
{
    struct packed out = {.p = s.p, .len = (uint32_t)s.len};
    int64_t v;

    if (!str_to_i64(s, &v) || bytes_of_number(v) >= s.len)
        return out;
    out.is_int = true;
    out.len = bytes_of_number(v);
    memcpy(out.number, &v, 8);
    return out;
}

uint8_t *
head_put(uint8_t *to, const struct packed *s)
{
    if (s->is_int || s->len <= HEAD_SHORT_MAX) {
        *to = (uint8_t)(s->is_int ? HEAD_INT + s->len : s->len);
        return to + 1;
    }
    if (s->len <= UINT16_MAX) {
        *to = HEAD_LEN2;
        put_number(to + 1, s->len, 2);
        return to + 3;
    }
    *to = HEAD_LEN4;
    put_number(to + 1, s->len, 4);
    return to + 5;
}

struct str
packed_str(const struct packed *s, char digits[24])
{
    unsigned shift;
    uint64_t bits;

    if (likely(!s->is_int))
        return (struct str){s->p, s->len};
    if (unlikely(s->len < 1 || s->len > 8))
        return STR("");
    shift = 64 - 8 * s->len;
    memcpy(&bits, s->number, 8);
    return (struct str){
        digits, i64_to_chars(digits, (int64_t)(bits << shift) >> shift)};
}

/* ---- opening ------------------------------------------------------------- */

static bool
open_deadlines(struct compact *c, const uint8_t **at)
{
    uint32_t n;

    if (c->end - *at < 2)
        return false;
    n = (uint32_t)get_number(*at, 2);
    *at += 2;
    if ((size_t)(c->end - *at) < (size_t)n * (2 + DEADLINE_BYTES))
        return false;
    c->deadlines = *at;
    c->n_deadlines = n;
    *at += (size_t)n * (2 + DEADLINE_BYTES);
    return true;
}

/* The end of the heads. */
static const uint8_t *
skip_heads(const struct compact *c)
{
    const uint8_t *at = c->heads;
    uint32_t len;
    bool is_int;

    if (likely(!c->long_heads))
        return (size_t)(c->end - at) >= c->n ? at + c->n : NULL;
    for (uint32_t i = 0; i < c->n && at != NULL; i++)
        at = head_get(at, c->end, &len, &is_int);
    return at;
}

bool
compact_open(const struct hash_shapes *hs, const char *value, size_t len,
    struct compact *c)
{
    const uint8_t *at = (const uint8_t *)value;
    uint8_t form;

    if (unlikely(len < 3))
        return false;
    form = *at++;
    c->end = (const uint8_t *)value + len;
    c->earliest = KS_NO_EXPIRY;
    c->n_deadlines = 0;
    c->deadlines = NULL;
    c->bodies = NULL;
    c->long_heads = (form & FORM_LONG_HEADS) != 0;
    if (unlikely(form & FORM_DEADLINES)) {
        if (len < 3 + DEADLINE_BYTES)
            return false;
        c->earliest = get_number(at, DEADLINE_BYTES);
        at += DEADLINE_BYTES;
    }
    c->n = (uint32_t)get_number(at, 2);
    at += 2;
    c->shape = NULL;
    if ((form & FORM_MASK) == FORM_SHAPED) {
        c->shape = hash_shape_of(hs, c->n);
        if (unlikely(c->shape == NULL))
            return false;
        c->n = c->shape->n;
    } else if ((form & FORM_MASK) != FORM_PLAIN) {
        return false;
    }
    if (unlikely(form & FORM_DEADLINES) && !open_deadlines(c, &at))
        return false;
    c->heads = at;
    if (c->shape == NULL)
        return true;
    c->bodies = skip_heads(c);
    return c->bodies != NULL;
}

/* ---- walking ------------------------------------------------------------- */

void
compact_begin(const struct compact *c, struct compact_at *at)
{
    *at = (struct compact_at){0, c->heads, c->bodies, c->deadlines};
}

/* The deadline of the field at a place; the pairs are in that order. */
static uint64_t
next_deadline(const struct compact *c, struct compact_at *at)
{
    const uint8_t *d = at->deadline;

    if (likely(d == NULL) ||
        d >= c->deadlines + (size_t)c->n_deadlines * (2 + DEADLINE_BYTES) ||
        get_number(d, 2) != at->place)
        return KS_NO_EXPIRY;
    at->deadline += 2 + DEADLINE_BYTES;
    return get_number(d + 2, DEADLINE_BYTES);
}

bool
compact_next(
    const struct compact *c, struct compact_at *at, struct compact_field *out)
{
    uint32_t len;
    bool is_int;

    if (at->place >= c->n)
        return false;
    out->expire_ms = next_deadline(c, at);
    at->place++;
    if (c->shape == NULL) {
        at->head = packed_get(at->head, c->end, &out->name);
        if (at->head != NULL)
            at->head = packed_get(at->head, c->end, &out->value);
        return at->head != NULL;
    }
    at->head = head_get(at->head, c->bodies, &len, &is_int);
    if (at->head == NULL || (size_t)(c->end - at->body) < len)
        return false;
    body_get(at->body, len, is_int, &out->value);
    at->body += len;
    return true;
}

/* ---- one field ----------------------------------------------------------- */

static uint64_t
deadline_at(const struct compact *c, uint32_t place)
{
    const uint8_t *d = c->deadlines;

    for (uint32_t i = 0; i < c->n_deadlines; i++, d += 2 + DEADLINE_BYTES)
        if (get_number(d, 2) == place)
            return get_number(d + 2, DEADLINE_BYTES);
    return KS_NO_EXPIRY;
}

const uint8_t *
compact_value(const struct compact *c, uint32_t place, struct packed *out)
{
    const uint8_t *head = c->heads;
    size_t before = 0;
    uint32_t len = 0;
    bool is_int = false;

    if (likely(!c->long_heads)) {
        before = bytes_before(head, place, (size_t)(c->end - head));
        (void)head_get(head + place, c->bodies, &len, &is_int);
    } else {
        for (uint32_t i = 0; i <= place; i++) {
            before += len;
            head = head_get(head, c->bodies, &len, &is_int);
            if (head == NULL)
                return NULL;
        }
    }
    if ((size_t)(c->end - c->bodies) < before + len)
        return NULL;
    body_get(c->bodies + before, len, is_int, out);
    return c->bodies + before;
}

static bool
find_plain(const struct compact *c, struct str field, struct compact_field *out)
{
    struct packed name = packed_of(field);
    struct compact_at at;

    compact_begin(c, &at);
    while (compact_next(c, &at, out))
        if (packed_eq(&out->name, &name))
            return true;
    return false;
}

bool
compact_find(
    const struct compact *c, struct str field, struct compact_field *out)
{
    uint32_t place;

    if (c->shape == NULL)
        return find_plain(c, field, out);
    place = shape_find(c->shape, field);
    if (place == c->n || compact_value(c, place, &out->value) == NULL)
        return false;
    out->expire_ms = deadline_at(c, place);
    return true;
}

uint32_t
compact_count(const struct compact *c, uint64_t now_ms)
{
    const uint8_t *d = c->deadlines;
    uint32_t n = c->n;

    if (likely(c->earliest > now_ms))
        return n;
    for (uint32_t i = 0; i < c->n_deadlines; i++, d += 2 + DEADLINE_BYTES)
        n -= n > 0 && get_number(d + 2, DEADLINE_BYTES) <= now_ms;
    return n;
}
