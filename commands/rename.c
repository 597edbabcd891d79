/* SPDX-License-Identifier: BSD-3-Clause */
/* rename.c - COPY, RENAME, RENAMENX, MOVE: a value under another key or in
 * another database, with its expiry.
 *
 * What moves needs no memory of its own. Both keys are locked: nobody sees the
 * value under both names or none. Any worker.
 */
#include "commands/hashes.h"

/* argv[i] as the number of a database; replies with the error and returns false
 * if there is none. */
static bool
arg_database(struct request *rq, int i, unsigned *out)
{
    int64_t db;

    if (!arg_i64(rq, i, &db))
        return false;
    if (db < INT32_MIN || db > INT32_MAX) {
        reply_error(rq->reply,
            "ERR value is out of range, value must between %d and %d",
            INT32_MIN, INT32_MAX);
        return false;
    }
    if (db < 0 || db >= rq->thread->commands->values->databases) {
        reply_error(rq->reply, "ERR DB index is out of range");
        return false;
    }
    *out = (unsigned)db;
    return true;
}

enum transfer_flags {
    TRANSFER_REPLACE = 1 << 0, /* also over a value that is there */
    TRANSFER_MOVE = 1 << 1,    /* the source goes */
};

/* What the transfer is called at both ends; NULL: nothing is said. */
struct transfer_events {
    const char *from, *to;
};

enum transfer_result {
    TRANSFER_DONE,
    TRANSFER_NO_SOURCE,
    TRANSFER_TAKEN
};

static bool
same_key(const struct ks_key *a, const struct ks_key *b)
{
    return a->db == b->db && str_eq(a->name, b->name);
}

static enum ks_status
copy_hash(
    struct request *rq, const struct ks_key *from, const struct ks_key *to)
{
    struct ks_info info;
    enum ks_status status = ks_stat(rq->thread->ks, from, KS_PEEK, &info);

    return status == KS_OK ? hash_copy(rq, from, to, info.expire_ms) : status;
}

/* A value in an extent is pinned meanwhile. Under the locks of both keys. */
static enum ks_status
copy_value(struct request *rq, const struct ks_key *from,
    const struct ks_key *to)
{
    struct value value;
    enum ks_status status = value_read(rq, from, &value);

    if (status == KS_OK) {
        status = value_store(
            rq, to, value.bytes, value.info.expire_ms, value.info.raw);
        value_drop(rq, &value);
    } else if (status == KS_WRONG_TYPE) {
        status = copy_hash(rq, from, to);
    }
    return status;
}

/* A value that is replaced counts as new. */
static void
notify_transfer(struct request *rq, const struct ks_key *keys,
    const struct transfer_events *events, bool replaced)
{
    if (replaced)
        notify(rq, NOTIFY_NEW, "new", &keys[1]);
    if (events->from != NULL)
        notify(rq, NOTIFY_GENERIC, events->from, &keys[0]);
    notify(rq, NOTIFY_GENERIC, events->to, &keys[1]);
}

static enum ks_status
transfer_locked(struct request *rq, const struct ks_key *keys, unsigned flags,
    const struct transfer_events *events, enum transfer_result *result)
{
    struct ks_thread *ks = rq->thread->ks;
    enum ks_status status;
    struct ks_info info;
    bool taken;

    *result = TRANSFER_NO_SOURCE;
    if (ks_stat(ks, &keys[0], KS_PEEK, &info) != KS_OK)
        return KS_OK;
    *result = TRANSFER_TAKEN;
    taken = ks_stat(ks, &keys[1], KS_PEEK, &info) == KS_OK;
    if (taken && !(flags & TRANSFER_REPLACE))
        return KS_OK;
    *result = TRANSFER_DONE;
    if (same_key(&keys[0], &keys[1]))
        return KS_OK;
    status = flags & TRANSFER_MOVE ? ks_move(ks, &keys[0], &keys[1])
                                   : copy_value(rq, &keys[0], &keys[1]);
    if (status == KS_OK)
        notify_transfer(rq, keys, events, taken);
    return status;
}

/* Bring the value of `from` to `to`. Replies and returns false when memory or
 * a length is in the way. */
static bool
transfer(struct request *rq, struct ks_key from, struct ks_key to,
    unsigned flags, const struct transfer_events *events,
    enum transfer_result *result)
{
    struct ks_key keys[2] = {from, to};
    enum ks_status status;

    ks_lock(rq->thread->ks, keys, 2);
    status = transfer_locked(rq, keys, flags, events, result);
    ks_unlock(rq->thread->ks);
    if (status == KS_OK)
        return true;
    if (status == KS_MISS)
        *result = TRANSFER_NO_SOURCE;
    else
        reply_error_status(rq, status);
    return status == KS_MISS;
}

/* ---- the commands -------------------------------------------------------- */

static const struct transfer_events renamed = {"rename_from", "rename_to"};
static const struct transfer_events moved = {"move_from", "move_to"};
static const struct transfer_events copied = {NULL, "copy_to"};

void
cmd_rename(struct request *rq)
{
    enum transfer_result result;

    if (!transfer(rq, arg_key(rq, 1), arg_key(rq, 2),
            TRANSFER_MOVE | TRANSFER_REPLACE, &renamed, &result))
        return;
    if (result == TRANSFER_DONE)
        reply_ok(rq->reply);
    else
        reply_error(rq->reply, "ERR no such key");
}

void
cmd_renamenx(struct request *rq)
{
    enum transfer_result result;

    if (!transfer(rq, arg_key(rq, 1), arg_key(rq, 2), TRANSFER_MOVE, &renamed,
            &result))
        return;
    if (result == TRANSFER_NO_SOURCE)
        reply_error(rq->reply, "ERR no such key");
    else
        reply_int(rq->reply, result == TRANSFER_DONE);
}

static void
transfer_between(struct request *rq, struct ks_key from, struct ks_key to,
    unsigned flags, const struct transfer_events *events)
{
    enum transfer_result result;

    if (same_key(&from, &to)) {
        reply_error(
            rq->reply, "ERR source and destination objects are the same");
        return;
    }
    if (!transfer(rq, from, to, flags, events, &result))
        return;
    if (result == TRANSFER_NO_SOURCE && events == &copied)
        notify(rq, NOTIFY_MISS, "keymiss", &from); /* it is read */
    reply_int(rq->reply, result == TRANSFER_DONE);
}

void
cmd_move(struct request *rq)
{
    unsigned db;

    if (!arg_database(rq, 2, &db))
        return;
    transfer_between(rq, arg_key(rq, 1),
        ks_key(rq->thread->commands->ks, db, arg_str(rq, 1)), TRANSFER_MOVE,
        &moved);
}

void
cmd_copy(struct request *rq)
{
    unsigned db = LOAD(&rq->session->db), flags = 0;

    for (int i = 3; i < rq->argc; i++) {
        if (arg_is(rq, i, "replace")) {
            flags |= TRANSFER_REPLACE;
        } else if (arg_is(rq, i, "db") && i + 1 < rq->argc) {
            if (!arg_database(rq, ++i, &db))
                return;
        } else {
            reply_error_syntax(rq);
            return;
        }
    }
    transfer_between(rq, arg_key(rq, 1),
        ks_key(rq->thread->commands->ks, db, arg_str(rq, 2)), flags, &copied);
}
