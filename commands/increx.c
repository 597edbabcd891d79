/* SPDX-License-Identifier: BSD-3-Clause */
/* increx.c - INCREX: count within bounds, and set the expiry with it.
 *
 * One ks_update(): a callback under the partition lock adds, looks at the
 * bounds and decides on the expiry. A count that would leave its bounds is
 * refused, and then nothing of the key changes, or clipped to the bound. Any
 * worker.
 */
#include <math.h>

#include "commands/internal.h"
#include "commands/notify.h"

#define INCREX_OPTIONS                                                         \
    (WITH_BYINT | WITH_BYFLOAT | WITH_LBOUND | WITH_UBOUND | WITH_SATURATE |   \
        WITH_TIME | WITH_PERSIST | WITH_ENX)

enum outcome {
    COUNTED,
    KEPT_OUT, /* by a bound */
    NO_NUMBER /* the value is none */
};

/* What integers and floats have in common. */
struct job {
    unsigned with;
    uint64_t expire_ms;
    enum outcome outcome;
    bool new_expiry; /* result: it got another one */
};

/* The expiry that goes with a new count. */
static uint64_t
expiry_of(const struct job *job, const struct ks_old *old)
{
    if (job->with & WITH_PERSIST)
        return KS_NO_EXPIRY;
    if (!(job->with & WITH_TIME))
        return KS_KEEP_TTL;
    if ((job->with & WITH_ENX) && old->exists && old->expire_ms != KS_NO_EXPIRY)
        return KS_KEEP_TTL;
    return job->expire_ms;
}

static void
put(struct job *job, const struct ks_old *old, struct str digits,
    struct ks_new *new)
{
    new->action = KS_PUT;
    new->part[0] = digits;
    new->n_parts = 1;
    new->expire_ms = expiry_of(job, old);
    job->new_expiry = new->expire_ms != KS_KEEP_TTL;
}

static void
notify_counted(struct request *rq, const struct ks_key *key, const char *event,
    const struct job *job)
{
    if (job->outcome != COUNTED)
        return;
    notify(rq, NOTIFY_STRING, event, key);
    if (job->new_expiry)
        notify(rq, NOTIFY_GENERIC,
            job->with & WITH_PERSIST ? "persist" : "expire", key);
}

/* ---- integers ------------------------------------------------------------ */

struct int_job {
    struct job job;
    int64_t by, lower, upper;
    int64_t value, applied; /* results */
    char digits[24];
};

/* `sum` of value and by, as far as the bounds let it; false when they refuse
 * it. */
static bool
bounded_sum(const struct int_job *job, int64_t *sum)
{
    /* Beyond the type on one side is beyond the bound on that side. */
    bool above = false, below = false;

    if (__builtin_add_overflow(job->value, job->by, sum)) {
        above = job->by > 0;
        below = !above;
    } else {
        above = *sum > job->upper;
        below = *sum < job->lower;
    }
    if (!above && !below)
        return true;
    *sum = above ? job->upper : job->lower;
    return job->job.with & WITH_SATURATE;
}

static void
count_int(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct int_job *job = ctx;
    int64_t sum;

    if (old->exists && !str_to_i64(old->value, &job->value)) {
        job->job.outcome = NO_NUMBER;
        return;
    }
    /* A value that stands outside of narrow bounds can be too far from them
     * for the difference to be a number. */
    if (!bounded_sum(job, &sum) ||
        __builtin_sub_overflow(sum, job->value, &job->applied)) {
        job->job.outcome = KEPT_OUT;
        job->applied = 0;
        return;
    }
    job->value = sum;
    put(&job->job, old,
        (struct str){job->digits, i64_to_chars(job->digits, sum)}, new);
}

static void
increx_int(struct request *rq, const struct string_options *options,
    const struct job *base)
{
    struct ks_key key = arg_key(rq, 1);
    struct int_job job = {
        .job = *base, .by = 1, .lower = INT64_MIN, .upper = INT64_MAX};
    enum ks_status status;

    if ((options->by_arg != 0 && !arg_i64(rq, options->by_arg, &job.by)) ||
        (options->lower_arg != 0 &&
            !arg_i64(rq, options->lower_arg, &job.lower)) ||
        (options->upper_arg != 0 &&
            !arg_i64(rq, options->upper_arg, &job.upper)))
        return;
    if (job.lower > job.upper) {
        reply_error(rq->reply, "ERR LBOUND is greater than UBOUND");
        return;
    }
    status = ks_update_string(rq->thread->ks, &key, count_int, &job);
    if (status != KS_OK) {
        reply_error_status(rq, status);
    } else if (job.job.outcome == NO_NUMBER) {
        reply_error_not_integer(rq);
    } else {
        notify_counted(rq, &key, "incrby", &job.job);
        reply_array(rq->reply, 2);
        reply_int(rq->reply, job.value);
        reply_int(rq->reply, job.applied);
    }
}

/* ---- floats -------------------------------------------------------------- */

struct float_job {
    struct job job;
    long double by, lower, upper;
    long double value, applied; /* results */
    char digits[FLOAT_MAX_CHARS];
};

static void
count_float(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct float_job *job = ctx;
    long double sum;

    if (old->exists && !float_read(old->value, &job->value)) {
        job->job.outcome = NO_NUMBER;
        return;
    }
    sum = job->value + job->by;
    if (sum > job->upper || sum < job->lower) {
        sum = sum > job->upper ? job->upper : job->lower;
        if (!(job->job.with & WITH_SATURATE))
            job->job.outcome = KEPT_OUT;
    }
    if (!isfinite(sum))
        job->job.outcome = KEPT_OUT;
    if (job->job.outcome != COUNTED)
        return;
    job->applied = sum - job->value;
    job->value = sum;
    put(&job->job, old,
        (struct str){job->digits, float_write(job->digits, sum)}, new);
}

/* A double in RESP3; in RESP2 the digits of INCRBYFLOAT. */
static void
reply_float(struct request *rq, long double value, char *digits)
{
    if (rq->reply->protocol == 2)
        reply_bulk(rq->reply, (struct str){digits, float_write(digits, value)});
    else
        reply_double(rq->reply, (double)value);
}

/* argv[i], if the option was given. */
static bool
read_float(struct request *rq, int i, long double *out)
{
    if (i == 0 || float_read(arg_str(rq, i), out))
        return true;
    reply_error(rq->reply, "ERR value is not a valid float");
    return false;
}

static void
increx_float(struct request *rq, const struct string_options *options,
    const struct job *base)
{
    struct ks_key key = arg_key(rq, 1);
    struct float_job job;
    enum ks_status status;

    job.job = *base;
    job.by = 1;
    job.lower = -HUGE_VALL;
    job.upper = HUGE_VALL;
    job.value = job.applied = 0;
    if (!read_float(rq, options->by_arg, &job.by) ||
        !read_float(rq, options->lower_arg, &job.lower) ||
        !read_float(rq, options->upper_arg, &job.upper))
        return;
    if (job.lower > job.upper) {
        reply_error(rq->reply, "ERR LBOUND is greater than UBOUND");
        return;
    }
    status = ks_update_string(rq->thread->ks, &key, count_float, &job);
    if (status != KS_OK) {
        reply_error_status(rq, status);
    } else if (job.job.outcome == NO_NUMBER) {
        reply_error(rq->reply, "ERR value is not a valid float");
    } else {
        notify_counted(rq, &key, "incrbyfloat", &job.job);
        reply_array(rq->reply, 2);
        reply_float(rq, job.value, job.digits);
        reply_float(rq, job.applied, job.digits);
    }
}

void
cmd_increx(struct request *rq)
{
    struct string_options options;
    struct job job = {.outcome = COUNTED};

    if (!string_options_read(rq, 2, INCREX_OPTIONS, &options))
        return;
    if ((options.with & WITH_ENX) && !(options.with & WITH_TIME)) {
        reply_error_syntax(rq);
        return;
    }
    if (!string_options_deadline(rq, &options, &job.expire_ms))
        return;
    job.with = options.with;
    if (options.with & WITH_BYFLOAT)
        increx_float(rq, &options, &job);
    else
        increx_int(rq, &options, &job);
}
