/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_simple.h - a field of a hash in the form that most have: shaped, without
 * deadlines or long heads.
 *
 *   form 1 | shape 2 | heads, a byte each | bodies
 *
 * Inline, for reads of one field (hash_read.c), which come without a lock and
 * may see bytes that are changing, and for writes of one (hash_overwrite.c).
 * Between hash_enter() and hash_leave().
 */
#pragma once

#include "keyspace/hash_shapes.h"

static inline bool
simple_is(const char *value, size_t len)
{
    return len >= 3 && value[0] == FORM_SHAPED;
}

/* Of a head that is not long. */
static inline uint32_t
short_len(uint8_t head)
{
    return head <= HEAD_SHORT_MAX ? head : (uint32_t)(head - HEAD_INT);
}

/* Bytes of the bodies before that of a place, all heads being short; `room`
 * bytes from the first head on can be read. */
static inline size_t
bytes_before(const uint8_t *heads, uint32_t place, size_t room)
{
    size_t bytes = 0;
    uint32_t i = 0;

    for (; i < place && i + LANES <= room; i += LANES)
        bytes +=
            lanes_sum(heads + i, MIN(place - i, (unsigned)LANES), HEAD_INT);
    for (; i < place; i++)
        bytes += short_len(heads[i]);
    return bytes;
}

/* Where the value of a field stands. */
struct simple_field {
    const uint8_t *head, *body;
    uint32_t len; /* of the body */
};

static inline __attribute__((always_inline)) bool
simple_find(const struct hash_shapes *hs, const char *value, size_t len,
    struct str field, struct simple_field *out)
{
    const struct hash_shape *shape =
        hash_shape_of(hs, (uint32_t)get_number(value + 1, 2));
    const uint8_t *heads = (const uint8_t *)value + 3;
    size_t at, room = len - 3;
    uint32_t place;

    if (unlikely(shape == NULL || shape->n > room))
        return false;
    place = shape_find(shape, field);
    if (place == shape->n)
        return false;
    at = shape->n + bytes_before(heads, place, room);
    out->head = heads + place;
    out->body = heads + at;
    out->len = short_len(heads[place]);
    return likely(at <= room && out->len <= room - at);
}
