/* SPDX-License-Identifier: BSD-3-Clause */
/* dump.c - DUMP and RESTORE: a value as bytes that another ashlar takes.
 *
 * The payload is the value and after it a trailer of 12 bytes:
 *
 *     0  type, 0 for a string, 1 for a hash (hash_dump.c)
 *     1  'A', the format of ashlar
 *     2  version of the format, little endian, 2 bytes
 *     4  XXH3 of the value, with the bytes above as its seed, little endian
 *
 * The value comes first, so that a large payload that was received into an
 * extent becomes the value where it stands. RESTORE takes strings and hashes of
 * Redis as well (rdb_payload.c, rdb_hash.c), which refuses payloads of ashlar.
 * Any worker.
 */
#include "commands/hashes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define TRAILER_BYTES 12
#define DUMP_STRING 0x00014100U /* version 1, 'A', string */
#define DUMP_HASH 0x00014101U

/* `n` bytes of a number, little endian. */
static void
put_number(char *to, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(uint8_t)(v >> (8 * i));
}

static void
write_trailer(char *to, struct str value, uint32_t head)
{
    put_number(to, head, 4);
    put_number(to + 4, XXH3_64bits_withSeed(value.p, value.len, head), 8);
}

/* The value in a payload of that head; false if it is damaged, or none. */
static bool
read_payload(struct str payload, uint32_t head, struct str *value)
{
    char trailer[TRAILER_BYTES];

    if (payload.len < TRAILER_BYTES)
        return false;
    *value = (struct str){payload.p, payload.len - TRAILER_BYTES};
    write_trailer(trailer, *value, head);
    return memcmp(trailer, payload.p + value->len, TRAILER_BYTES) == 0;
}

/* ---- DUMP ---------------------------------------------------------------- */

/* Reply with what stands in `room` but for its trailer; takes it over. */
static void
reply_payload(struct request *rq, const struct room *room, uint32_t head)
{
    size_t len = room->len - TRAILER_BYTES;

    write_trailer(room->p + len, (struct str){room->p, len}, head);
    if (room->extent != 0)
        reply_bulk_ref(rq->reply, room->p, room->len, room->extent);
    else
        reply_bulk(rq->reply, (struct str){room->p, room->len});
}

static void
dump_string(struct request *rq, struct str value)
{
    struct room room;

    if (!room_get(rq, value.len + TRAILER_BYTES, &room)) {
        reply_error_status(rq, KS_NO_MEMORY);
        return;
    }
    memcpy(room.p, value.p, value.len);
    reply_payload(rq, &room, DUMP_STRING);
}

static void
dump_hash(struct request *rq, const struct ks_key *key)
{
    struct room room;
    enum ks_status status = hash_pack(rq, key, TRAILER_BYTES, &room);

    if (status == KS_OK)
        reply_payload(rq, &room, DUMP_HASH);
    else
        reply_missing(rq, status);
}

void
cmd_dump(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct value value;
    enum ks_status status = value_read(rq, &key, &value);

    if (status == KS_OK)
        dump_string(rq, value.bytes);
    else if (status == KS_WRONG_TYPE)
        dump_hash(rq, &key);
    else
        reply_null(rq->reply);
    value_drop(rq, &value);
}

/* ---- RESTORE ------------------------------------------------------------- */

struct restore {
    bool replace, absolute;
    bool is_hash;
    struct hash_image hash; /* if it is one */
    struct buf image;       /* its bytes, if they had to be made */
    struct str value;       /* if it is none */
    uint32_t extent;
    uint64_t expire_ms;
    struct ks_history history;
    bool busy, replaced; /* results */
};

/* IDLETIME's or FREQ's number. */
static bool
parse_history(struct request *rq, int i, bool is_idle, struct ks_history *h)
{
    int64_t n;

    if (!arg_i64(rq, i, &n))
        return false;
    if (n >= 0 && is_idle) {
        h->idle_s = n;
        return true;
    }
    if (n >= 0 && n <= 255) {
        h->frequency = (int)n;
        return true;
    }
    reply_error(rq->reply,
        is_idle ? "ERR Invalid IDLETIME value, must be >= 0"
                : "ERR Invalid FREQ value, must be >= 0 "
                  "and <= 255");
    return false;
}

static bool
parse_restore(struct request *rq, struct restore *job)
{
    bool idle = false, freq = false;

    for (int i = 4; i < rq->argc; i++) {
        bool more = i + 1 < rq->argc;

        if (arg_is(rq, i, "replace")) {
            job->replace = true;
        } else if (arg_is(rq, i, "absttl")) {
            job->absolute = true;
        } else if (arg_is(rq, i, "idletime") && more && !freq) {
            idle = true;
            if (!parse_history(rq, ++i, true, &job->history))
                return false;
        } else if (arg_is(rq, i, "freq") && more && !idle) {
            freq = true;
            if (!parse_history(rq, ++i, false, &job->history))
                return false;
        } else {
            reply_error_syntax(rq);
            return false;
        }
    }
    return true;
}

static bool
parse_ttl(struct request *rq, struct restore *job)
{
    int64_t ttl;

    if (!arg_i64(rq, 2, &ttl))
        return false;
    if (ttl < 0) {
        reply_error(rq->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    job->expire_ms = (uint64_t)ttl;
    if (ttl == 0)
        job->expire_ms = KS_NO_EXPIRY;
    else if (!job->absolute)
        job->expire_ms += clock_wall_ms();
    return true;
}

static void
restore_value(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct restore *job = ctx;

    job->replaced = old->exists;
    job->busy = old->exists && !job->replace;
    if (job->busy)
        return;
    new->action = KS_PUT;
    new->part[0] = job->value;
    new->n_parts = 1;
    new->expire_ms = job->expire_ms;
    new->extent = job->extent;
}

static void
reply_error_busy(struct request *rq)
{
    reply_error(rq->reply, "BUSYKEY Target key name already exists.");
}

static void
reply_error_payload(struct request *rq, enum rdb_status why)
{
    switch (why) {
    case RDB_DAMAGED:
        reply_error(rq->reply, "ERR Bad data format");
        return;
    case RDB_OTHER_TYPE:
        reply_error(rq->reply,
            "ERR the payload holds a type of value that this server does not "
            "have");
        return;
    case RDB_TOO_LARGE:
        reply_error_status(rq, KS_TOO_LARGE);
        return;
    case RDB_NO_MEMORY:
        reply_error_status(rq, KS_NO_MEMORY);
        return;
    case RDB_OK:
        break;
    }
    UNREACHABLE();
}

/* The value of the payload in argv[3]: of ours where it stands, else in `room`
 * if it had to be made. Replies with the error and returns false. */
static bool
find_value(struct request *rq, struct restore *job, struct room *room)
{
    struct str payload = arg_str(rq, 3), body;
    enum rdb_status status;

    *room = (struct room){0};
    if (read_payload(payload, DUMP_STRING, &job->value)) {
        job->extent = rq->argv[3].extent;
        return true;
    }
    if (read_payload(payload, DUMP_HASH, &body)) {
        job->is_hash = hash_image_read(body, &job->hash);
        if (!job->is_hash)
            reply_error_payload(rq, RDB_DAMAGED);
        return job->is_hash;
    }
    if (!rdb_payload_open(payload, &body)) {
        reply_error(
            rq->reply, "ERR DUMP payload version or checksum are wrong");
        return false;
    }
    status = rdb_read_string(rq, body, &job->value, room);
    if (status == RDB_OTHER_TYPE) {
        status = rdb_read_hash(rq, body, &job->image);
        job->is_hash = status == RDB_OK &&
            hash_image_read(
                (struct str){job->image.p, job->image.len}, &job->hash);
        ASSERT(job->is_hash || status != RDB_OK);
    }
    if (status != RDB_OK) {
        reply_error_payload(rq, status);
        return false;
    }
    job->extent = room->extent;
    return true;
}

static enum ks_status
store_hash(struct request *rq, const struct ks_key *key, struct restore *job)
{
    if (job->expire_ms > clock_wall_ms())
        return hash_unpack(rq, key, &job->hash, job->expire_ms);
    (void)ks_delete(rq->thread->ks, key);
    return KS_OK;
}

static enum ks_status
restore_hash(struct request *rq, struct ks_key *key, struct restore *job)
{
    struct ks_thread *ks = rq->thread->ks;
    enum ks_status status = KS_OK;
    struct ks_info info;

    ks_lock(ks, key, 1);
    job->replaced = ks_stat(ks, key, KS_PEEK, &info) == KS_OK;
    job->busy = job->replaced && !job->replace;
    if (!job->busy)
        status = store_hash(rq, key, job);
    ks_unlock(ks);
    return status;
}

/* A value that is replaced counts as new. */
static void
reply_restored(
    struct request *rq, const struct ks_key *key, const struct restore *job)
{
    if (job->expire_ms <= clock_wall_ms()) {
        if (job->replaced)
            notify(rq, NOTIFY_GENERIC, "del", key);
    } else {
        if (job->replaced)
            notify(rq, NOTIFY_NEW, "new", key);
        notify(rq, NOTIFY_GENERIC, "restore", key);
    }
    reply_ok(rq->reply);
}

static void
store_value(struct request *rq, struct ks_key *key, struct restore *job,
    struct room *room)
{
    enum ks_status status = job->is_hash
        ? restore_hash(rq, key, job)
        : ks_update(rq->thread->ks, key, restore_value, job);

    if (status != KS_OK || job->busy)
        room_drop(rq, room);
    else if (!job->is_hash && job->extent == rq->argv[3].extent)
        rq->argv[3].extent = 0; /* the item has it */
    if (status != KS_OK)
        reply_error_status(rq, status);
    else if (job->busy)
        reply_error_busy(rq);
    else
        reply_restored(rq, key, job);
    if (status == KS_OK && !job->busy &&
        (job->history.idle_s >= 0 || job->history.frequency >= 0))
        (void)ks_set_history(rq->thread->ks, key, &job->history);
}

void
cmd_restore(struct request *rq)
{
    struct restore job = {.history = {-1, -1}};
    struct ks_key key = arg_key(rq, 1);
    struct ks_info info;
    struct room room;

    if (!parse_restore(rq, &job))
        return;
    if (!job.replace &&
        ks_stat(rq->thread->ks, &key, KS_PEEK, &info) == KS_OK) {
        reply_error_busy(rq);
        return;
    }
    if (parse_ttl(rq, &job) && find_value(rq, &job, &room))
        store_value(rq, &key, &job, &room);
    buf_free(&job.image);
}
