/* SPDX-License-Identifier: BSD-3-Clause */
/* hash.h - values that are maps from field to value; a part of keyspace.h,
 * which includes it.
 *
 * A small hash is one value in a chunk that never changes in place; a large one
 * (above HASH_COMPACT_BYTES or HASH_COMPACT_FIELDS) has an index and changes in
 * its extent. Fields may have deadlines. A field whose deadline has passed is
 * not there for anybody, and neither is a hash that has no other fields.
 *
 * A thread has one reader or one edit open at a time, and calls nothing else of
 * the keyspace meanwhile (but ks_slab() and what it needs for room). All of it:
 * any thread, with its own ks_thread; also under ks_lock() of the key.
 */
#pragma once

#define HASH_COMPACT_BYTES ((size_t)4 << 10) /* encoded */
#define HASH_COMPACT_FIELDS 512

/* A field as it is found. Good until the reader or the edit is closed, or the
 * edit changes this field; do not copy the struct: name and value may point
 * into it. */
struct hash_field {
    struct str name, value;
    uint64_t expire_ms; /* of the field; KS_NO_EXPIRY if none */
    char digits[2][24];
};

/* ---- reading one field --------------------------------------------------- */

/* Read one field without a lock, whatever the size of the hash. As ks_get():
 * a value of up to 16 KiB is copied to where `place` says (NULL: it is not
 * wanted), a longer one may be pinned in its extent instead
 * (info->value_extent: extent_unpin() it). Of info, value, value_len,
 * value_extent, type and expire_ms (the field's) are set. KS_OK; KS_MISS (no
 * such key, or no such field), KS_WRONG_TYPE. Counts as a hit when the key is
 * there. */
enum ks_status hash_get(struct ks_thread *t, const struct ks_key *key,
    enum ks_read_mode mode, struct str field, ks_place_fn place, void *ctx,
    struct ks_info *info);

/* Number of fields. KS_OK, KS_MISS, KS_WRONG_TYPE. O(1) but where fields have
 * deadlines that have passed. */
enum ks_status hash_count(struct ks_thread *t, const struct ks_key *key,
    enum ks_read_mode mode, uint64_t *n);

/* ---- reading several fields ---------------------------------------------- */

/* Look at one hash at one instant. A small one is copied without a lock; a
 * large one keeps its partition locked until hash_close(). KS_OK, and
 * hash_close() must follow; KS_MISS, KS_WRONG_TYPE. */
struct hash_reader;
enum ks_status hash_open(struct ks_thread *t, const struct ks_key *key,
    enum ks_read_mode mode, struct hash_reader **out);
void hash_close(struct hash_reader *r);

uint64_t hash_reader_count(struct hash_reader *r);
bool hash_reader_is_compact(const struct hash_reader *r);
/* False: there is no such field. */
bool hash_find(struct hash_reader *r, struct str field, struct hash_field *out);
/* The field at *at, which becomes the place of the next; 0 begins. In order of
 * insertion while the hash is small. False: there are no more. */
bool hash_next(struct hash_reader *r, uint64_t *at, struct hash_field *out);
/* Any field, each equally likely; O(1). */
void hash_random(struct hash_reader *r, struct hash_field *out);
/* A number for the caller's own choices among fields. */
uint64_t hash_reader_random(struct hash_reader *r);

/* Visit about `count` fields from `cursor` on (0 begins) and return the next
 * cursor, 0 at the end: below 2^48. A small hash is visited whole. A field that
 * is there during all of the scan is visited exactly once, however the hash
 * grows or shrinks meanwhile. */
typedef void (*hash_visit_fn)(void *ctx, const struct hash_field *field);
uint64_t hash_scan(struct hash_reader *r, uint64_t cursor, uint64_t count,
    hash_visit_fn fn, void *ctx);

/* ---- changing ------------------------------------------------------------ */

/* Open a hash for change, under its partition's lock until hash_edit_end().
 * n_fields and n_bytes say what may be set at most: the number of fields, and
 * the bytes of their names and values: within these nothing fails for lack of
 * memory once it has been opened but for hash_edit_end(), and then nothing has
 * changed. KS_OK; KS_MISS: HASH_MUST_EXIST, and it does not; KS_WRONG_TYPE,
 * KS_NO_MEMORY, KS_TOO_LARGE. Strings that are set are borrowed until
 * hash_edit_end(). */
struct hash_edit;
enum hash_need {
    HASH_CREATE, /* if there is none */
    HASH_MUST_EXIST,
    HASH_REPLACE /* the value that there is, of whatever type, counts as
                    absent, and what is set takes its place */
};
enum ks_status hash_edit(struct ks_thread *t, const struct ks_key *key,
    enum hash_need need, size_t n_fields, size_t n_bytes,
    struct hash_edit **out);

/* Give a field of a small hash another value where it stands: an edit that sets
 * one field, for the case that most are. True: it is done. False: nothing has
 * changed, and it takes hash_edit() at once. */
bool hash_overwrite(struct ks_thread *t, const struct ks_key *key,
    struct str field, struct str value);

/* The number of fields there are now. */
uint64_t hash_edit_count(const struct hash_edit *e);
bool hash_edit_find(
    struct hash_edit *e, struct str field, struct hash_field *out);
/* Set a field. expire_ms: KS_NO_EXPIRY, KS_KEEP_TTL (what the field had), or
 * wall time; one that has passed deletes the field. Returns whether the field
 * is new. */
bool hash_edit_set(struct hash_edit *e, struct str field, struct str value,
    uint64_t expire_ms);
/* Give a field another deadline, or none. False: there is no such field. */
bool hash_edit_expire(
    struct hash_edit *e, struct str field, uint64_t expire_ms);
/* False: there is no such field. */
bool hash_edit_delete(struct hash_edit *e, struct str field);

/* The key's own expiry from the end on, of an edit with HASH_REPLACE. */
void hash_edit_key_expiry(struct hash_edit *e, uint64_t expire_ms);

/* What an edit came to. */
struct hash_change {
    bool changed;     /* anything, expired fields that went included */
    bool created;     /* the key is new */
    bool deleted;     /* the hash has become empty: the key is gone */
    uint64_t expired; /* fields removed because their time had come */
    uint64_t work_us; /* time that it took to build a large hash anew; 0: none
                         was */
};

/* Make it visible, all of it at once, and close. The key's own expiry stays.
 * KS_OK, KS_NO_MEMORY or KS_TOO_LARGE with nothing changed. `what` may be
 * NULL. */
enum ks_status hash_edit_end(struct hash_edit *e, struct hash_change *what);
