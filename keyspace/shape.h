/* SPDX-License-Identifier: BSD-3-Clause */
/* shape.h - what keys have in common, and how the rest of them is packed.
 *
 *   user:0001234567:order:42   pieces  "user:"  ":order:"  ""
 *                              holes   decimal, 10 wide; decimal
 *
 * A shape (shape.c) is one way to take a key apart; a form (form.c) is what all
 * keys of a shape have in common, and turns the rest of a key into few bytes
 * and back. Inside keyspace/ only; template.c says which forms are known. Pure
 * functions, for any thread.
 */
#pragma once

#include "base/base.h"

#define FORM_MIN_NAME 4
#define FORM_MAX_NAME 128  /* longer keys have no shape */
#define FORM_MAX_TEXT 99   /* constant bytes of a key */
#define FORM_MAX_HOLES 6
#define FORM_MAX_PACKED 136 /* bytes that packing may write */
#define FORM_MAX_DECODED 512 /* decoding writes less, whatever the bytes */

/* How the main hole of a form is packed; the other ones are decimals. */
enum key_packing {
    PACK_RAW,     /* as it is: any bytes, the only hole */
    PACK_DECIMAL, /* up to 19 digits */
    PACK_HEX,     /* an even number of lower-case hex digits */
    PACK_UUID,
};

/* Part of a key that differs. */
struct key_hole {
    uint8_t at, len;
    uint8_t width; /* digits of a decimal that may begin with zeros; 0: it does
                      not, and may have any number of digits */
};

/* A key taken apart. Borrows the key. */
struct key_shape {
    struct str name;
    uint8_t packing; /* of the main hole */
    uint8_t n_holes, main;
    struct key_hole hole[FORM_MAX_HOLES]; /* by position */
};

/* What all keys of one shape have in common. */
struct key_form {
    uint8_t packing;
    uint8_t n_holes, main;
    uint8_t width[FORM_MAX_HOLES];
    uint8_t piece_len[FORM_MAX_HOLES + 1]; /* texts around the holes */
    bool by_words;  /* one hole, between pieces of up to eight bytes each */
    bool is_number; /* so, and the hole is a decimal */
    uint8_t around; /* so: bytes of both pieces */
    char text[FORM_MAX_TEXT + 6]; /* the pieces; by words, those after them */
};

/* ---- shape.c ------------------------------------------------------------- */

/* One bit per character of a key's last 64: what differs stands at the end. */
struct key_scan {
    struct str name, tail; /* all of it, and these characters */
    uint64_t digit, hex;   /* 0..9; these and a..f */
    uint64_t letter, dash; /* any letter; '-' */
    unsigned space_len; /* of the tail: what belongs to the namespace */
    unsigned last_mark; /* place of the last byte that is neither digit nor
                           letter; tail.len: there is none */
    bool in_space;      /* the key has a namespace */
};

/* Look at a key of FORM_MIN_NAME to FORM_MAX_NAME bytes, the first `space_len`
 * of which are its namespace. */
void shape_scan(struct str name, size_t space_len, struct key_scan *out);

/* The shapes of a key, best one first. Holes do not begin within the namespace
 * if any can be found after it. */
enum shape_kind {
    SHAPE_NUMBERS, /* holes are numbers, hex, UUIDs */
    SHAPE_LEAF,    /* raw: all after the last mark */
    SHAPE_STEM,    /* raw: between the namespace and the last mark */
    SHAPE_SPACE,   /* raw: all after the namespace */
    SHAPE_KINDS
};
bool shape_make(const struct key_scan *scan, enum shape_kind kind,
    struct key_shape *out);

/* Whether there is but one word and no number in it. */
bool shape_is_word(struct str text);

/* Of all but the holes. */
uint64_t shape_hash(const struct hash_seed *seed, const struct key_shape *s);

/* Bytes that packing takes off the key, about. */
unsigned shape_saves(const struct key_shape *s);

/* ---- form.c -------------------------------------------------------------- */

/* The form of the keys of this shape; copies what it needs. */
void form_make(struct key_form *f, const struct key_shape *s);
/* Whether the form is the one of this shape. */
bool form_is_of(const struct key_form *f, const struct key_shape *s);

/* Pack a key, in `to` or in the key. False if it does not have this form: any
 * key may be tried with any form. */
bool form_pack(const struct key_form *f, struct str name,
    char to[FORM_MAX_PACKED], struct str *packed);

/* Packed bytes may come from a chunk that is being written: what packing cannot
 * have made is refused or stands for some key, and no length is trusted. */

/* Whether they stand for `name`. */
bool form_equals(const struct key_form *f, struct str packed, struct str name);
/* The key they stand for, in `buf`. False if there is none. */
bool form_decode(const struct key_form *f, struct str packed,
    char buf[FORM_MAX_DECODED], struct str *name);
