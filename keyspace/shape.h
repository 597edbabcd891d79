/* SPDX-License-Identifier: BSD-3-Clause */
/* shape.h - what keys have in common, and how the rest of them is packed
 * (shape.c). Inside keyspace/ only; template.c says which forms are known.
 */
#pragma once

#include "base/base.h"

#define FORM_MAX_TEXT 120  /* constant bytes of a key */
#define FORM_MAX_PACKED 64 /* bytes that packing may write */
#define FORM_MAX_NAME 256  /* decoding writes less than this, of any bytes */

enum key_packing { PACK_RAW, PACK_DECIMAL, PACK_HEX };

/* A key taken apart. Borrows the key. */
struct key_shape {
    struct str prefix, middle, suffix;
    enum key_packing packing;
    uint8_t width; /* of a decimal with leading zeros; 0: it has none */
};

/* What all keys of one shape have in common. */
struct key_form {
    uint8_t packing, width;
    uint8_t prefix_len, suffix_len;
    char text[FORM_MAX_TEXT]; /* prefix, suffix */
};

/* Take a key apart; false when it has no shape worth a template. */
bool shape_split(struct str name, struct key_shape *out);
/* Of all but the middle. */
uint64_t shape_hash(const struct hash_seed *seed, const struct key_shape *s);
/* The middle of a shape that shape_split() made, in `to` or in the key. */
struct str shape_pack(const struct key_shape *s, char to[FORM_MAX_PACKED]);

void form_make(struct key_form *f, const struct key_shape *s);
bool form_is_of(const struct key_form *f, const struct key_shape *s);
/* Whether the packed bytes stand for `name`. */
bool form_equals(const struct key_form *f, struct str packed, struct str name);
/* The whole key, in `buf`. False if the packed bytes stand for none. */
bool form_decode(const struct key_form *f, struct str packed,
    char buf[FORM_MAX_NAME], struct str *name);
