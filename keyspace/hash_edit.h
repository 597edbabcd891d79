/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_edit.h - an edit of a hash under way, for the files that make it:
 * hash_edit.c, hash_list.c, hash_grow.c.
 */
#pragma once

#include "keyspace/hash_form.h"

struct edit_field {
    struct packed name; /* not set if interned is */
    struct packed value;
    uint64_t expire_ms;
    const struct hash_name *interned;
    uint8_t tag; /* of the name */
};

enum edit_mode {
    EDIT_PATCH,     /* a shaped hash as it stands, but for one value at most */
    EDIT_LIST,      /* field[]: as it is or is to be compact */
    EDIT_TABLE,     /* the item's own extent, changed in place */
    EDIT_NEW_TABLE, /* an extent that nobody else knows yet */
};

struct hash_edit {
    struct ks_thread *t;
    struct update u;
    enum edit_mode mode;
    enum ks_status status; /* not KS_OK: it failed, and nothing is to change */
    bool changed, grows;
    bool existed;                   /* a value of any type, at the beginning */
    bool present;                   /* at the end: the key is there */
    uint64_t key_expire_ms;         /* KS_KEEP_TTL: what the key had */
    bool has_room;                  /* in the table for all that may be set */
    bool writing;                   /* the line version is odd */
    size_t most_fields, most_bytes; /* may be set */
    uint64_t n_expired;             /* fields left out */
    uint32_t extent;                /* of the table */
    struct hash_table *table;
    struct compact compact; /* of EDIT_PATCH: and the place of the */
    uint32_t patched;       /* value that is new, or UINT32_MAX */
    struct packed patch;
    const struct hash_shape *shape; /* of field[]; NULL: to be looked up */
    uint32_t n;                     /* in field[] */
    struct edit_field field[HASH_COMPACT_FIELDS];
    char digits[SHAPE_FIELDS][24];
    uint8_t bytes[HASH_COMPACT_BYTES]; /* encoded */
};

/* ---- the list, and the patch (hash_list.c) ------------------------------- */

struct str hlist_name(const struct edit_field *f, char digits[24]);
/* Take a compact hash apart; fields that have expired are left out. */
void hlist_load(struct hash_edit *e);
/* The place of a field; e->n if it is not there. */
uint32_t hlist_find(
    const struct hash_edit *e, struct str field, const struct packed *name);
uint64_t hlist_earliest(const struct hash_edit *e, uint32_t *n_deadlines);
/* Write the list into e->bytes; its length, 0 if it is too large. */
size_t hlist_encode(struct hash_edit *e, uint64_t *earliest);

/* Whether the hash can be changed as it stands: then that is how it is
 * opened. */
bool hpatch_open(struct hash_edit *e);
/* False: it needs the list. */
bool hpatch_set(
    struct hash_edit *e, struct str field, const struct packed *value);
bool hpatch_find(struct hash_edit *e, struct str field, struct hash_field *out);
/* The list after all, if there was a patch. */
void hlist_unfold(struct hash_edit *e);

/* ---- the table (hash_grow.c) --------------------------------------------- */

void edit_view_table(struct hash_edit *e, struct table_view *out);
/* As htable_find(). */
uint32_t edit_find_in_table(struct hash_edit *e, uint64_t hash,
    const struct packed *name, struct table_entry *out);
/* The list becomes a table that nobody else knows. False: e->status says
 * why. */
bool edit_table_from_list(struct hash_edit *e, bool deadlines);
/* The table is built anew in another extent, without what is dead. */
bool edit_rebuild_table(struct hash_edit *e, bool deadlines);
/* Before the table changes: room, once for all, and an odd line version if it
 * is what readers see. */
bool edit_prepare_table(struct hash_edit *e, bool deadlines);
