/* SPDX-License-Identifier: BSD-3-Clause */
/* string_edit.c - values changed by what they were: APPEND, SETRANGE, INCR and
 * their relatives.
 *
 * Each is one ks_update(): a callback under the partition lock sees the old
 * value and says of which parts the new one is made. No value changes where it
 * stands, so a large one is copied by each edit. Any worker.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/internal.h"
#include "commands/notify.h"

static const char not_integer[] = "ERR value is not an integer or out of range";
static const char not_float[] = "ERR value is not a valid float";
static const char would_overflow[] =
    "ERR increment or decrement would overflow";
static const char not_finite[] = "ERR increment would produce NaN or Infinity";
static const char too_long[] =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

/* Change argv[1] by `fn`. The callback leaves the reason in *error when it
 * refuses. Replies with what went wrong and returns false. */
static bool
edit(struct request *rq, ks_update_fn fn, void *ctx, const char **error)
{
    struct ks_key key = arg_key(rq, 1);
    enum ks_status status;

    *error = NULL;
    status = ks_update_string(rq->thread->ks, &key, fn, ctx);
    if (status != KS_OK) {
        reply_error_status(rq, status);
        return false;
    }
    if (*error != NULL) {
        reply_error(rq->reply, "%s", *error);
        return false;
    }
    return true;
}

static void
notify_string(struct request *rq, const char *event)
{
    struct ks_key key = arg_key(rq, 1);

    notify(rq, NOTIFY_STRING, event, &key);
}

/* ---- APPEND and SETRANGE ----------------------------------------------- */

struct append {
    struct str tail;
    uint32_t tail_extent; /* taken over: cleared */
    size_t len;           /* result */
    const char *error;
};

static void
append(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct append *job = ctx;

    new->action = KS_PUT;
    if (!old->exists) {
        new->part[0] = job->tail;
        new->n_parts = 1;
        new->extent = job->tail_extent;
        job->tail_extent = 0;
        job->len = job->tail.len;
        return;
    }
    if (job->tail.len > KS_MAX_VALUE - old->value.len) {
        job->error = too_long;
        new->action = KS_LEAVE;
        return;
    }
    new->part[0] = old->value;
    new->part[1] = job->tail;
    new->n_parts = 2;
    new->raw = true;
    job->len = old->value.len + job->tail.len;
}

void
cmd_append(struct request *rq)
{
    struct append job = {
        .tail = arg_str(rq, 2), .tail_extent = rq->argv[2].extent};

    if (!edit(rq, append, &job, &job.error))
        return;
    rq->argv[2].extent = job.tail_extent;
    notify_string(rq, "append");
    reply_int(rq->reply, (int64_t)job.len);
}

struct overwrite {
    struct str bytes;
    size_t offset;
    const char *zeros; /* as many as `offset` */
    size_t len;        /* result */
    const char *error;
};

static void
overwrite(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct overwrite *job = ctx;
    struct str before = old->exists ? old->value : STR("");
    struct str head = {before.p, MIN(before.len, job->offset)};
    size_t end;

    job->len = before.len;
    if (job->bytes.len == 0)
        return;
    if (job->offset > KS_MAX_VALUE ||
        job->bytes.len > KS_MAX_VALUE - job->offset) {
        job->error = too_long;
        return;
    }
    end = job->offset + job->bytes.len;
    job->len = MAX(before.len, end);
    new->action = KS_PUT;
    new->part[0] = head;
    new->part[1] = (struct str){job->zeros, job->offset - head.len};
    new->part[2] = job->bytes;
    new->part[3] =
        (struct str){before.p + MIN(before.len, end), job->len - end};
    new->n_parts = 4;
    new->raw = true;
}

static void
set_range(struct request *rq, size_t offset)
{
    struct overwrite job = {.bytes = arg_str(rq, 3), .offset = offset};
    struct zeros zeros;

    if (!zeros_get(offset, &zeros)) {
        reply_error_status(rq, KS_NO_MEMORY);
        return;
    }
    job.zeros = zeros.p;
    if (edit(rq, overwrite, &job, &job.error)) {
        if (job.bytes.len > 0)
            notify_string(rq, "setrange");
        reply_int(rq->reply, (int64_t)job.len);
    }
    zeros_drop(&zeros);
}

void
cmd_setrange(struct request *rq)
{
    int64_t offset;

    if (!arg_i64(rq, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(rq->reply, "ERR offset is out of range");
        return;
    }
    set_range(rq, (size_t)offset);
}

/* ---- INCR -------------------------------------------------------------- */

struct increment {
    int64_t by;
    int64_t value; /* result */
    char digits[24];
    const char *error;
};

static void
increment(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct increment *job = ctx;

    if (old->exists && !str_to_i64(old->value, &job->value)) {
        job->error = not_integer;
        return;
    }
    if (__builtin_add_overflow(job->value, job->by, &job->value)) {
        job->error = would_overflow;
        return;
    }
    new->action = KS_PUT;
    new->part[0] =
        (struct str){job->digits, i64_to_chars(job->digits, job->value)};
    new->n_parts = 1;
}

static void
increment_by(struct request *rq, int64_t by)
{
    struct increment job = {.by = by};

    if (edit(rq, increment, &job, &job.error)) {
        notify_string(rq, "incrby");
        reply_int(rq->reply, job.value);
    }
}

void
cmd_incr(struct request *rq)
{
    increment_by(rq, 1);
}

void
cmd_decr(struct request *rq)
{
    increment_by(rq, -1);
}

void
cmd_incrby(struct request *rq)
{
    int64_t by;

    if (arg_i64(rq, 2, &by))
        increment_by(rq, by);
}

void
cmd_decrby(struct request *rq)
{
    int64_t by;

    if (!arg_i64(rq, 2, &by))
        return;
    if (by == INT64_MIN) {
        reply_error(rq->reply, "ERR decrement would overflow");
        return;
    }
    increment_by(rq, -by);
}

/* ---- INCRBYFLOAT ------------------------------------------------------- */

bool
float_read(struct str s, long double *out)
{
    char text[FLOAT_MAX_CHARS];
    char *end;

    if (s.len == 0 || s.len >= sizeof(text) ||
        (s.p[0] >= '\t' && s.p[0] <= '\r') || s.p[0] == ' ')
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    errno = 0;
    *out = strtold(text, &end);
    if ((size_t)(end - text) != s.len || isnan(*out))
        return false;
    return errno != ERANGE || (isfinite(*out) && *out != 0);
}

size_t
float_write(char *out, long double value)
{
    size_t len = (size_t)snprintf(out, FLOAT_MAX_CHARS, "%.17Lf", value);

    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    if (len == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        return 1;
    }
    return len;
}

struct float_increment {
    long double by;
    bool valid; /* there is a number in `by` */
    char digits[FLOAT_MAX_CHARS];
    size_t len; /* of digits */
    const char *error;
};

static void
float_increment(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct float_increment *job = ctx;
    long double value = 0;

    if (!job->valid || (old->exists && !float_read(old->value, &value))) {
        job->error = not_float;
        return;
    }
    value += job->by;
    if (!isfinite(value)) {
        job->error = not_finite;
        return;
    }
    job->len = float_write(job->digits, value);
    new->action = KS_PUT;
    new->part[0] = (struct str){job->digits, job->len};
    new->n_parts = 1;
}

void
cmd_incrbyfloat(struct request *rq)
{
    struct float_increment job;

    /* a wrong type is told before a wrong number */
    job.valid = float_read(arg_str(rq, 2), &job.by);
    if (!edit(rq, float_increment, &job, &job.error))
        return;
    notify_string(rq, "incrbyfloat");
    reply_bulk(rq->reply, (struct str){job.digits, job.len});
}
