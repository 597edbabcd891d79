/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_edit.c - fields of hashes changed: HSET, HDEL, HINCRBY and their
 * relatives.
 *
 * Each is one edit, which others see as a whole or not at all. Any worker.
 */
#include <math.h>

#include "commands/hashes.h"

/* ---- an edit ----------------------------------------------------------- */

enum ks_status
hash_begin(struct request *rq, enum hash_need need, size_t n_fields,
    size_t n_bytes, struct hash_edit **e)
{
    enum ks_status status = hash_edit(
        rq->thread->ks, arg_first_key(rq), need, n_fields, n_bytes, e);

    if (status != KS_OK && status != KS_MISS)
        reply_error_status(rq, status);
    return status;
}

bool
hash_done(struct request *rq, struct hash_edit *e, size_t output,
    const char *const *events)
{
    struct hash_change change;
    enum ks_status status = hash_edit_end(e, &change);
    const struct ks_key *key;

    if (status != KS_OK) {
        rq->reply->out->len = output;
        reply_error_status(rq, status);
        return false;
    }
    if (unlikely(change.work_us > 0))
        slowlog_note_work(rq, change.work_us);
    if (likely(!(commands_active(rq->thread->commands) & ACTIVE_NOTIFY)))
        return true; /* nobody hears of it */
    key = arg_first_key(rq);
    if (change.expired > 0)
        notify(rq, NOTIFY_HASH, "hexpired", key);
    for (; *events != NULL; events++)
        notify(rq, NOTIFY_HASH, *events, key);
    if (change.deleted)
        notify(rq, NOTIFY_GENERIC, "del", key);
    return true;
}

/* The same for what has put nothing into the output yet; `event` may be
 * NULL. */
static bool
done(struct request *rq, struct hash_edit *e, const char *event)
{
    return hash_done(
        rq, e, rq->reply->out->len, (const char *const[]){event, NULL});
}

size_t
hash_arg_bytes(const struct request *rq, int first)
{
    size_t bytes = 0;

    for (int i = first; i < rq->argc; i++)
        bytes += rq->argv[i].len;
    return bytes;
}

/* ---- HSET and HDEL ----------------------------------------------------- */

/* Another value for one field that there is, as most are set. False: nothing was
 * done. */
static bool
overwrite(struct request *rq)
{
    const struct ks_key *key = arg_first_key(rq);

    if (!hash_overwrite(rq->thread->ks, key, arg_str(rq, 2), arg_str(rq, 3)))
        return false;
    if (unlikely(commands_active(rq->thread->commands) & ACTIVE_NOTIFY))
        notify(rq, NOTIFY_HASH, "hset", key);
    return true;
}

/* Store the pairs from argv[2] on; replies with the error and returns -1, or
 * says how many fields are new. */
static int64_t
set_pairs(struct request *rq)
{
    struct hash_edit *e;
    int64_t created = 0;

    if (rq->argc % 2 != 0) {
        reply_error_arity(rq);
        return -1;
    }
    if (rq->argc == 4 && overwrite(rq))
        return 0;
    if (hash_begin(rq, HASH_CREATE, (size_t)(rq->argc - 2) / 2,
            hash_arg_bytes(rq, 2), &e) != KS_OK)
        return -1;
    for (int i = 2; i < rq->argc; i += 2)
        created +=
            hash_edit_set(e, arg_str(rq, i), arg_str(rq, i + 1), KS_NO_EXPIRY);
    return done(rq, e, "hset") ? created : -1;
}

void
cmd_hset(struct request *rq)
{
    int64_t created = set_pairs(rq);

    if (created >= 0)
        reply_int(rq->reply, created);
}

void
cmd_hmset(struct request *rq)
{
    if (set_pairs(rq) >= 0)
        reply_ok(rq->reply);
}

void
cmd_hsetnx(struct request *rq)
{
    struct str name = arg_str(rq, 2);
    struct hash_field field;
    struct hash_edit *e;
    bool sets;

    if (hash_begin(rq, HASH_CREATE, 1, hash_arg_bytes(rq, 2), &e) != KS_OK)
        return;
    sets = !hash_edit_find(e, name, &field);
    if (sets)
        (void)hash_edit_set(e, name, arg_str(rq, 3), KS_NO_EXPIRY);
    if (done(rq, e, sets ? "hset" : NULL))
        reply_int(rq->reply, sets);
}

void
cmd_hdel(struct request *rq)
{
    struct hash_edit *e;
    int64_t deleted = 0;
    enum ks_status status = hash_begin(rq, HASH_MUST_EXIST, 0, 0, &e);

    if (status == KS_MISS)
        reply_int(rq->reply, 0);
    if (status != KS_OK)
        return;
    for (int i = 2; i < rq->argc; i++)
        deleted += hash_edit_delete(e, arg_str(rq, i));
    if (done(rq, e, deleted > 0 ? "hdel" : NULL))
        reply_int(rq->reply, deleted);
}

/* ---- HINCRBY ----------------------------------------------------------- */

#define INTEGER_MAX_CHARS 20

/* The sum of a field and a number, or why there is none. */
static const char *
add_to(struct hash_edit *e, struct str name, int64_t by, int64_t *sum)
{
    struct hash_field field;

    *sum = 0;
    if (hash_edit_find(e, name, &field) && !str_to_i64(field.value, sum))
        return "ERR hash value is not an integer";
    if (__builtin_add_overflow(*sum, by, sum))
        return "ERR increment or decrement would overflow";
    return NULL;
}

void
cmd_hincrby(struct request *rq)
{
    struct str name = arg_str(rq, 2);
    char digits[24];
    struct hash_edit *e;
    const char *error;
    int64_t by, sum;

    if (!arg_i64(rq, 3, &by) ||
        hash_begin(rq, HASH_CREATE, 1, name.len + INTEGER_MAX_CHARS, &e) !=
            KS_OK)
        return;
    error = add_to(e, name, by, &sum);
    if (error == NULL)
        (void)hash_edit_set(e, name,
            (struct str){digits, i64_to_chars(digits, sum)}, KS_KEEP_TTL);
    if (!done(rq, e, error == NULL ? "hincrby" : NULL))
        return;
    if (error == NULL)
        reply_int(rq->reply, sum);
    else
        reply_error(rq->reply, "%s", error);
}

/* ---- HINCRBYFLOAT ------------------------------------------------------ */

/* argv[3]; replies with the error and returns false. */
static bool
read_increment(struct request *rq, long double *by)
{
    if (!float_read(arg_str(rq, 3), by)) {
        reply_error(rq->reply, "ERR value is not a valid float");
        return false;
    }
    if (!isfinite(*by)) {
        reply_error(rq->reply, "ERR value is NaN or Infinity");
        return false;
    }
    return true;
}

/* The value of the field argv[2] plus `by`; replies with the error and returns
 * false. */
static bool
sum_with_field(struct request *rq, const struct ks_key *key, long double by,
    long double *sum)
{
    struct ks_info info;
    bool is_number = true;
    enum ks_status status = hash_get(rq->thread->ks, key, KS_PEEK,
        arg_str(rq, 2), place_in_buf, &rq->thread->scratch, &info);

    *sum = 0;
    if (status == KS_OK) {
        is_number = float_read((struct str){info.value, info.value_len}, sum);
        drop_fetched(rq, &info);
    } else if (status != KS_MISS) {
        reply_error_status(rq, status);
        return false;
    }
    *sum += by;
    if (is_number && isfinite(*sum))
        return true;
    reply_error(rq->reply, "%s",
        is_number ? "ERR increment would produce NaN or Infinity"
                  : "ERR hash value is not a float");
    return false;
}

/* A number has up to 5000 digits and mostly a few: the edit is told how many,
 * so the field is read before it, under the same lock. */
void
cmd_hincrbyfloat(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct str name = arg_str(rq, 2);
    char digits[FLOAT_MAX_CHARS];
    struct hash_edit *e;
    long double by, sum;
    struct str text = {digits, 0};

    if (!read_increment(rq, &by))
        return;
    ks_lock(rq->thread->ks, &key, 1);
    if (sum_with_field(rq, &key, by, &sum)) {
        text.len = float_write(digits, sum);
        if (hash_begin(rq, HASH_CREATE, 1, name.len + text.len, &e) == KS_OK) {
            (void)hash_edit_set(e, name, text, KS_KEEP_TTL);
            if (done(rq, e, "hincrbyfloat"))
                reply_bulk(rq->reply, text);
        }
    }
    ks_unlock(rq->thread->ks);
}
