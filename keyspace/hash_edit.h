/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_edit.h - an edit of a hash under way, for the files that make it:
 * hash_edit.c (from the beginning to the last change), hash_end.c (the end),
 * hash_patch.c, hash_list.c, hash_grow.c, hash_segment.c and
 * hash_directory_edit.c (the forms it can have).
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
    EDIT_PATCH,     /* a shaped hash as it stands, but for some values */
    EDIT_LIST,      /* field[]: as it is or is to be compact */
    EDIT_TABLE,     /* the item's own extents, changed in place */
    EDIT_NEW_TABLE, /* extents that nobody else knows yet */
};

/* Form, shape and the heads of the values, at most. */
#define PATCH_HEADS (3 + SHAPE_FIELDS * HEAD_MAX)

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
    bool renews;                    /* no value is put where it stands */
    size_t most_fields, most_bytes; /* may be set */
    uint64_t n_expired;             /* fields left out */
    uint64_t work_us;               /* see struct hash_change */
    uint32_t extent;                /* of the table or the directory */
    struct hash_table *table;       /* with a directory the one chosen last */
    struct hash_directory *dir;     /* NULL: there is but one table */
    uint32_t segment;               /* with a directory: the table's extent */
    /* Extents that readers may know: tables that others have taken the place
     * of. A list through their `dropped`. */
    uint32_t dropped;
    /* Of EDIT_PATCH: the hash as it stands, the shape it is to have, of which
     * so many fields are there by now, and the values that are new. */
    struct compact compact;
    const struct hash_shape *to;
    uint32_t n_there;
    uint64_t patched; /* a bit for each place */
    uint32_t latest;  /* the place set last */
    struct packed patch[SHAPE_FIELDS];
    /* What the hash had at the beginning: a shape, or none, and fields. */
    const struct hash_shape *from;
    uint32_t n_from;
    const struct hash_shape *shape; /* of field[]; NULL: to be looked up */
    uint32_t n;                     /* in field[] */
    struct edit_field field[HASH_COMPACT_FIELDS];
    char digits[SHAPE_FIELDS][24];
    uint8_t bytes[PATCH_HEADS + HASH_COMPACT_BYTES]; /* encoded */
};

/* ---- the list (hash_list.c) ---------------------------------------------- */

struct str hlist_name(const struct edit_field *f, char digits[24]);
/* Take a compact hash apart; fields that have expired are left out. */
void hlist_load(struct hash_edit *e);
/* The place of a field; e->n if it is not there. */
uint32_t hlist_find(
    const struct hash_edit *e, struct str field, const struct packed *name);
uint64_t hlist_earliest(const struct hash_edit *e, uint32_t *n_deadlines);
/* Write the list into e->bytes; its length, 0 if it is too large. */
size_t hlist_encode(struct hash_edit *e, uint64_t *earliest);

/* ---- the patch (hash_patch.c) -------------------------------------------- */

/* Whether the hash can be changed as it stands: then that is how it is
 * opened. */
bool hpatch_open(struct hash_edit *e);
/* An empty hash, whose first field is to be this one: guess its shape. */
void hpatch_guess(struct hash_edit *e, struct str field);
/* PATCH_NO: it needs the list. */
enum patch_set {
    PATCH_NO,
    PATCH_SET,
    PATCH_NEW
};
enum patch_set hpatch_set(
    struct hash_edit *e, struct str field, struct str value);
bool hpatch_find(struct hash_edit *e, struct str field, struct hash_field *out);
/* All of the shape's fields are there. */
static inline bool
hpatch_is_whole(const struct hash_edit *e)
{
    return e->n_there == e->to->n;
}
/* Whether one value is all that is new, and its head a byte as all are: then
 * the item can have it where it stands. */
bool hpatch_is_one(const struct hash_edit *e);
bool hpatch_overwrite(struct hash_edit *e);
/* The new value in parts, at most PATCH_PARTS; 0 if it is too large for a
 * compact hash. */
#define PATCH_PARTS 5
unsigned hpatch_encode(struct hash_edit *e, struct str part[PATCH_PARTS]);
/* The list after all, if there was a patch. */
void hlist_unfold(struct hash_edit *e);
/* The list got this shape: remember it for hpatch_guess(). */
void hpatch_learn(struct hash_edit *e, const struct hash_shape *shape);

/* ---- tables (hash_grow.c) ------------------------------------------------ */

/* Of the table chosen last. */
void edit_view_table(struct hash_edit *e, struct table_view *out);
/* As htable_find(), in the table that has names of this hash: chooses it. */
uint32_t edit_find_in_table(struct hash_edit *e, uint64_t hash,
    const struct packed *name, struct table_entry *out);
/* Fields in tables, expired ones included; whether there are others, and the
 * earliest deadline. */
uint64_t edit_n_in_tables(const struct hash_edit *e);
bool edit_has_any(struct hash_edit *e);
uint64_t edit_earliest(const struct hash_edit *e);
/* What the value takes, as its item is to have it. */
size_t edit_value_len(const struct hash_edit *e);

/* Changes of the table chosen last, which is prepared for them. */
void edit_add(struct hash_edit *e, uint64_t hash, const struct packed *name,
    const struct packed *value, uint64_t expire_ms);
void edit_replace(struct hash_edit *e, uint32_t slot, uint64_t hash,
    const struct table_entry *was, const struct packed *value,
    uint64_t expire_ms);
void edit_expire_entry(
    struct hash_edit *e, const struct table_entry *entry, uint64_t expire_ms);
void edit_remove(
    struct hash_edit *e, uint32_t slot, const struct table_entry *entry);
/* Sweep the table chosen last; true if there is more of it. */
bool edit_sweep_table(struct hash_edit *e);

/* The list becomes a table that nobody else knows. False: e->status says
 * why. */
bool edit_table_from_list(struct hash_edit *e, bool deadlines);
/* The one table is built anew in another extent, without what is dead, or
 * becomes many. */
bool edit_rebuild_table(struct hash_edit *e, bool deadlines);
/* Before a table changes: room, and an odd line version if it is what readers
 * see. One table gets room once for all that may be set; of many, the one with
 * the names of this hash for one more entry of `bytes`, and it is chosen. */
bool edit_prepare_table(
    struct hash_edit *e, uint64_t hash, size_t bytes, bool deadlines);
void edit_begin_writing(struct hash_edit *e);
/* The item says where the value is now, and readers may look. */
void edit_end_writing(struct hash_edit *e);
/* Building a table anew, which may take long: the time is told in the end. */
uint64_t edit_work_begin(const struct hash_table *t);
void edit_work_end(struct hash_edit *e, uint64_t begun_us);
/* Memory for a table. False: e->status says why. */
bool edit_new_extent(
    struct hash_edit *e, size_t room, size_t least, uint32_t *extent);

/* ---- directories (hash_directory_edit.c) --------------------------------- */

/* An empty hash with a directory and one segment that nobody else knows. */
bool hdir_make(struct hash_edit *e, bool deadlines);
void hdir_choose(struct hash_edit *e, uint64_t hash);
bool hdir_prepare(
    struct hash_edit *e, uint64_t hash, size_t bytes, bool deadlines);
/* After something went from the segment chosen last, which stands at a place of
 * the directory: give memory back. */
void hdir_shrink(struct hash_edit *e, uint32_t place);
/* If there is one segment only it becomes the hash. */
void hdir_collapse(struct hash_edit *e);
bool hdir_sweep(struct hash_edit *e);
/* Free what nobody needs any more. */
void hdir_release(struct hash_edit *e);
