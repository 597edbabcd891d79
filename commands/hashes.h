/* SPDX-License-Identifier: BSD-3-Clause */
/* hashes.h - what the files of the commands on hashes share: arguments, and the
 * end of a change. Any worker.
 */
#pragma once

#include "commands/internal.h"
#include "commands/notify.h"

/* Reply with the values of the fields argv[first] and all that follow
 * (hash.c). */
void hash_reply_values(struct request *rq, int first);

/* ---- changes (hash_edit.c) ----------------------------------------------- */

/* Open argv[1] for a change; hash_done() must follow. KS_MISS, without a reply,
 * if it must exist and does not; otherwise the error is in the reply and it is
 * not KS_OK. `n_fields` with their names and values in `n_bytes` may be set. */
enum ks_status hash_begin(struct request *rq, enum hash_need need,
    size_t n_fields, size_t n_bytes, struct hash_edit **e);

/* Make the change visible and tell who listens: that fields expired, then
 * `events`, which ends with a NULL, then that the key is gone. Replies with the
 * error and returns false, after taking back what was appended to the output
 * since it had `output` bytes, if there is no memory. */
bool hash_done(struct request *rq, struct hash_edit *e, size_t output,
    const char *const *events);

/* The lengths of argv[first] and all that follow. */
size_t hash_arg_bytes(const struct request *rq, int first);

/* ---- hashes as bytes (hash_dump.c) --------------------------------------- */

/* The hash as bytes, and `extra` bytes after them, in `out`, which the caller
 * drops. KS_OK, KS_MISS, KS_WRONG_TYPE, KS_NO_MEMORY. */
enum ks_status hash_pack(struct request *rq, const struct ks_key *key,
    size_t extra, struct room *out);

/* Such bytes, found to be whole: they stand where they stood. */
struct hash_image {
    uint64_t n_fields;
    struct str fields;
};

/* False if that is no hash. */
bool hash_image_read(struct str bytes, struct hash_image *out);

/* Make such bytes: begin, add the fields, say at the end how many there are. */
void hash_image_begin(struct buf *image);
void hash_image_add(
    struct buf *image, struct str name, struct str value, uint64_t expire_ms);
void hash_image_end(struct buf *image, uint64_t n_fields);

/* The hash in the body of a payload of Redis as such bytes (rdb_hash.c).
 * RDB_OTHER_TYPE if it is none. */
enum rdb_status rdb_read_hash(
    struct request *rq, struct str body, struct buf *image);

/* Store the hash in place of any value; expire_ms is the key's. KS_OK,
 * KS_NO_MEMORY or KS_TOO_LARGE with nothing changed. */
enum ks_status hash_unpack(struct request *rq, const struct ks_key *key,
    const struct hash_image *image, uint64_t expire_ms);

/* The same from another key. Under the locks of both. */
enum ks_status hash_copy(struct request *rq, const struct ks_key *from,
    const struct ks_key *to, uint64_t expire_ms);

/* The encoding that Redis would have chosen; NULL if that is no hash. O(N). */
const char *hash_encoding(struct request *rq, const struct ks_key *key);

/* ---- arguments of the commands on deadlines (hash_expire.c) -------------- */

/* The last moment that a field can have: 46 bits of milliseconds, as in
 * Redis. */
#define HASH_MAX_EXPIRE_MS (((int64_t)1 << 46) - 1)

/* "FIELDS numfields field [field ...]" at the end of the arguments. */
struct hash_fields {
    int first; /* argv[first] is the first name */
    int n;
};

/* Read it from argv[i] on; `bad_count` is the error for a count that is none.
 * Replies with the error and returns false. */
bool hash_fields_read(
    struct request *rq, int i, const char *bad_count, struct hash_fields *out);

#define HASH_COUNT_POSITIVE "ERR Number of fields must be a positive integer"

/* argv[i] as a deadline of fields, as wall time; it may have passed. Replies
 * with the error and returns false. */
bool hash_deadline_read(
    struct request *rq, int i, struct time_form form, uint64_t *expire_ms);
