/* SPDX-License-Identifier: BSD-3-Clause */
/* hash.c - fields of hashes as they are: HGET, HMGET, HGETALL and their
 * relatives.
 *
 * A command on one field asks the keyspace for that field alone, without a
 * lock. One on several sees the hash at one instant through a reader. Any
 * worker.
 */
#include "commands/hashes.h"

/* ---- one field --------------------------------------------------------- */

void
cmd_hget(struct request *rq)
{
    const struct ks_key *key = arg_first_key(rq);
    struct ks_info info;
    enum ks_status status = hash_get(rq->thread->ks, key, request_read_mode(rq),
        arg_str(rq, 2), place_in_reply, rq->reply, &info);

    if (status == KS_OK)
        reply_fetched(rq, &info);
    else
        reply_missing(rq, status);
}

/* Ask about the field argv[2]; false, after a reply of 0 or an error, if there
 * is none. */
static bool
stat_field(struct request *rq, struct ks_info *info)
{
    const struct ks_key *key = arg_first_key(rq);
    enum ks_status status = hash_get(rq->thread->ks, key, request_read_mode(rq),
        arg_str(rq, 2), NULL, NULL, info);

    if (status == KS_MISS)
        reply_int(rq->reply, 0);
    else if (status != KS_OK)
        reply_error_status(rq, status);
    return status == KS_OK;
}

void
cmd_hexists(struct request *rq)
{
    struct ks_info info;

    if (stat_field(rq, &info))
        reply_int(rq->reply, 1);
}

void
cmd_hstrlen(struct request *rq)
{
    struct ks_info info;

    if (stat_field(rq, &info))
        reply_int(rq->reply, (int64_t)info.value_len);
}

void
cmd_hlen(struct request *rq)
{
    const struct ks_key *key = arg_first_key(rq);
    uint64_t n = 0;
    enum ks_status status =
        hash_count(rq->thread->ks, key, request_read_mode(rq), &n);

    if (status == KS_OK || status == KS_MISS)
        reply_int(rq->reply, status == KS_OK ? (int64_t)n : 0);
    else
        reply_error_status(rq, status);
}

/* ---- several fields ---------------------------------------------------- */

void
hash_reply_values(struct request *rq, int first)
{
    const struct ks_key *key = arg_first_key(rq);
    struct hash_reader *reader = NULL;
    struct hash_field field;
    enum ks_status status =
        hash_open(rq->thread->ks, key, request_read_mode(rq), &reader);

    if (status != KS_OK && status != KS_MISS) {
        reply_error_status(rq, status);
        return;
    }
    reply_array(rq->reply, (size_t)(rq->argc - first));
    for (int i = first; i < rq->argc; i++) {
        if (status == KS_OK && hash_find(reader, arg_str(rq, i), &field))
            reply_bulk(rq->reply, field.value);
        else
            reply_null(rq->reply);
    }
    if (status == KS_OK)
        hash_close(reader);
}

void
cmd_hmget(struct request *rq)
{
    hash_reply_values(rq, 2);
}

enum parts {
    NAMES = 1 << 0,
    VALUES = 1 << 1,
    PAIRS = NAMES | VALUES
};

static void
reply_length(struct request *rq, enum parts parts, uint64_t n)
{
    if (parts == PAIRS)
        reply_map(rq->reply, n);
    else
        reply_array(rq->reply, n);
}

static void
reply_all(struct request *rq, enum parts parts)
{
    const struct ks_key *key = arg_first_key(rq);
    struct hash_reader *reader;
    struct hash_field field;
    uint64_t at = 0;
    enum ks_status status =
        hash_open(rq->thread->ks, key, request_read_mode(rq), &reader);

    if (status == KS_MISS) {
        reply_length(rq, parts, 0);
        return;
    }
    if (status != KS_OK) {
        reply_error_status(rq, status);
        return;
    }
    reply_length(rq, parts, hash_reader_count(reader));
    while (hash_next(reader, &at, &field)) {
        if (parts & NAMES)
            reply_bulk(rq->reply, field.name);
        if (parts & VALUES)
            reply_bulk(rq->reply, field.value);
    }
    hash_close(reader);
}

void
cmd_hgetall(struct request *rq)
{
    reply_all(rq, PAIRS);
}

void
cmd_hkeys(struct request *rq)
{
    reply_all(rq, NAMES);
}

void
cmd_hvals(struct request *rq)
{
    reply_all(rq, VALUES);
}
