/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_expire.c - deadlines of fields: HEXPIRE and HTTL in their four forms
 * each, HPERSIST.
 *
 * Names and replies are those of Redis 7.4 and Valkey 9. A time that has passed
 * deletes the field at once. Any worker.
 */
#include "commands/hashes.h"

static const struct time_form seconds_from_now = {true, false};
static const struct time_form ms_from_now = {false, false};
static const struct time_form seconds_at = {true, true};
static const struct time_form ms_at = {false, true};

/* What is said of a field. */
enum answer {
    NO_FIELD = -2,
    NO_DEADLINE = -1,
    CONDITION_FAILED = 0,
    DONE = 1,
    DELETED = 2
};

/* ---- arguments --------------------------------------------------------- */

bool
hash_fields_read(
    struct request *rq, int i, const char *bad_count, struct hash_fields *out)
{
    int64_t n;

    if (i + 1 >= rq->argc || !arg_is(rq, i, "fields")) {
        reply_error(rq->reply,
            "ERR Mandatory argument FIELDS is missing or "
            "not at the right position");
        return false;
    }
    if (!str_to_i64(arg_str(rq, i + 1), &n) || n < 1) {
        reply_error(rq->reply, "%s", bad_count);
        return false;
    }
    if (n != rq->argc - i - 2) {
        reply_error(rq->reply,
            "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *out = (struct hash_fields){i + 2, (int)n};
    return true;
}

bool
hash_deadline_read(
    struct request *rq, int i, struct time_form form, uint64_t *expire_ms)
{
    int64_t base = form.absolute ? 0 : (int64_t)clock_wall_ms();
    int64_t unit = form.seconds ? 1000 : 1, value;

    if (!arg_i64(rq, i, &value))
        return false;
    if (value < 0) {
        reply_error(rq->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (value > HASH_MAX_EXPIRE_MS / unit ||
        value * unit > HASH_MAX_EXPIRE_MS - base) {
        reply_error(rq->reply, "ERR invalid expire time in '%s' command",
            rq->command->name);
        return false;
    }
    *expire_ms = (uint64_t)(value * unit + base);
    return true;
}

/* Answer the same for each field. */
static void
reply_each(struct request *rq, int n, enum answer answer)
{
    reply_array(rq->reply, (size_t)n);
    for (int i = 0; i < n; i++)
        reply_int(rq->reply, answer);
}

/* ---- HEXPIRE ----------------------------------------------------------- */

enum condition {
    ALWAYS,
    IF_NONE, /* NX */
    IF_ANY,  /* XX */
    IF_LATER,
    IF_EARLIER
};

static enum condition
condition_of(const struct request *rq, int i)
{
    static const char *const words[] = {[IF_NONE] = "nx",
        [IF_ANY] = "xx",
        [IF_LATER] = "gt",
        [IF_EARLIER] = "lt"};

    for (enum condition c = IF_NONE; c <= IF_EARLIER; c++)
        if (arg_is(rq, i, words[c]))
            return c;
    return ALWAYS;
}

/* No deadline is later than any. */
static bool
condition_holds(enum condition condition, uint64_t old_ms, uint64_t new_ms)
{
    switch (condition) {
    case IF_NONE:
        return old_ms == KS_NO_EXPIRY;
    case IF_ANY:
        return old_ms != KS_NO_EXPIRY;
    case IF_LATER:
        return old_ms != KS_NO_EXPIRY && new_ms > old_ms;
    case IF_EARLIER:
        return new_ms < old_ms;
    default:
        return true;
    }
}

static enum answer
expire_field(struct hash_edit *e, struct str name, enum condition condition,
    uint64_t expire_ms)
{
    struct hash_field field;

    if (!hash_edit_find(e, name, &field))
        return NO_FIELD;
    if (!condition_holds(condition, field.expire_ms, expire_ms))
        return CONDITION_FAILED;
    if (expire_ms > clock_wall_ms()) {
        (void)hash_edit_expire(e, name, expire_ms);
        return DONE;
    }
    (void)hash_edit_delete(e, name);
    return DELETED;
}

/* One event for the command, as in Redis: that fields are gone, or else that
 * they have a deadline. */
static void
expire_fields(struct request *rq, const struct hash_fields *fields,
    enum condition condition, uint64_t expire_ms)
{
    size_t output = rq->reply->out->len;
    const char *events[] = {NULL, NULL};
    struct hash_edit *e;
    enum ks_status status = hash_begin(rq, HASH_MUST_EXIST, (size_t)fields->n,
        hash_arg_bytes(rq, fields->first), &e);

    if (status == KS_MISS)
        reply_each(rq, fields->n, NO_FIELD);
    if (status != KS_OK)
        return;
    reply_array(rq->reply, (size_t)fields->n);
    for (int i = fields->first; i < rq->argc; i++) {
        enum answer answer =
            expire_field(e, arg_str(rq, i), condition, expire_ms);

        if (answer == DELETED)
            events[0] = "hdel";
        else if (answer == DONE && events[0] == NULL)
            events[0] = "hexpire";
        reply_int(rq->reply, answer);
    }
    (void)hash_done(rq, e, output, events);
}

static void
expire(struct request *rq, struct time_form form)
{
    struct hash_fields fields;
    enum condition condition;
    uint64_t expire_ms;

    if (!hash_deadline_read(rq, 2, form, &expire_ms))
        return;
    condition = condition_of(rq, 3);
    if (hash_fields_read(rq, condition == ALWAYS ? 3 : 4,
            "ERR Parameter `numFields` should be greater than 0", &fields))
        expire_fields(rq, &fields, condition, expire_ms);
}

void
cmd_hexpire(struct request *rq)
{
    expire(rq, seconds_from_now);
}

void
cmd_hpexpire(struct request *rq)
{
    expire(rq, ms_from_now);
}

void
cmd_hexpireat(struct request *rq)
{
    expire(rq, seconds_at);
}

void
cmd_hpexpireat(struct request *rq)
{
    expire(rq, ms_at);
}

void
cmd_hpersist(struct request *rq)
{
    size_t output = rq->reply->out->len;
    const char *events[] = {NULL, NULL};
    struct hash_fields fields;
    struct hash_field field;
    struct hash_edit *e;
    enum ks_status status;

    if (!hash_fields_read(rq, 2, HASH_COUNT_POSITIVE, &fields))
        return;
    status = hash_begin(rq, HASH_MUST_EXIST, 0, 0, &e);
    if (status == KS_MISS)
        reply_each(rq, fields.n, NO_FIELD);
    if (status != KS_OK)
        return;
    reply_array(rq->reply, (size_t)fields.n);
    for (int i = fields.first; i < rq->argc; i++) {
        enum answer answer = NO_FIELD;

        if (hash_edit_find(e, arg_str(rq, i), &field))
            answer = field.expire_ms == KS_NO_EXPIRY ? NO_DEADLINE : DONE;
        if (answer == DONE) {
            (void)hash_edit_expire(e, arg_str(rq, i), KS_NO_EXPIRY);
            events[0] = "hpersist";
        }
        reply_int(rq->reply, answer);
    }
    (void)hash_done(rq, e, output, events);
}

/* ---- HTTL -------------------------------------------------------------- */

/* Seconds are rounded up, so that a field that is there has at least one. */
static int64_t
time_of(uint64_t expire_ms, struct time_form form)
{
    uint64_t now_ms = form.absolute ? 0 : clock_wall_ms(), left_ms;

    if (expire_ms == KS_NO_EXPIRY)
        return NO_DEADLINE;
    left_ms = expire_ms > now_ms ? expire_ms - now_ms : 0;
    return (int64_t)(form.seconds ? (left_ms + 999) / 1000 : left_ms);
}

static void
reply_times(struct request *rq, struct time_form form)
{
    struct ks_key key = arg_key(rq, 1);
    struct hash_reader *reader;
    struct hash_fields fields;
    struct hash_field field;
    enum ks_status status;

    if (!hash_fields_read(rq, 2, HASH_COUNT_POSITIVE, &fields))
        return;
    status = hash_open(rq->thread->ks, &key, KS_READ_NO_TOUCH, &reader);
    if (status == KS_MISS) {
        reply_each(rq, fields.n, NO_FIELD);
        return;
    }
    if (status != KS_OK) {
        reply_error_status(rq, status);
        return;
    }
    reply_array(rq->reply, (size_t)fields.n);
    for (int i = fields.first; i < rq->argc; i++)
        reply_int(rq->reply,
            hash_find(reader, arg_str(rq, i), &field)
                ? time_of(field.expire_ms, form)
                : NO_FIELD);
    hash_close(reader);
}

void
cmd_httl(struct request *rq)
{
    reply_times(rq, seconds_from_now);
}

void
cmd_hpttl(struct request *rq)
{
    reply_times(rq, ms_from_now);
}

void
cmd_hexpiretime(struct request *rq)
{
    reply_times(rq, seconds_at);
}

void
cmd_hpexpiretime(struct request *rq)
{
    reply_times(rq, ms_at);
}
