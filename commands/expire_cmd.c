/* SPDX-License-Identifier: BSD-3-Clause */
/* expire_cmd.c - EXPIRE and TTL in their four forms each, PERSIST.
 *
 * A deadline is wall time in milliseconds. One that has passed is not stored:
 * the keyspace deletes the key at once. Any worker.
 */
#include "commands/internal.h"
#include "commands/notify.h"

static const struct time_form seconds_from_now = {true, false};
static const struct time_form ms_from_now = {false, false};
static const struct time_form seconds_at = {true, true};
static const struct time_form ms_at = {false, true};

static void
reply_error_expire_time(struct request *rq)
{
    reply_error(rq->reply, "ERR invalid expire time in '%s' command",
        rq->command->name);
}

/* `value` as wall time in milliseconds; false when that overflows. */
static bool
to_wall_ms(int64_t value, struct time_form form, int64_t *wall_ms)
{
    int64_t base = form.absolute ? 0 : (int64_t)clock_wall_ms();

    if (form.seconds && __builtin_mul_overflow(value, 1000, &value))
        return false;
    return !__builtin_add_overflow(value, base, wall_ms);
}

bool
arg_deadline(
    struct request *rq, int i, struct time_form form, uint64_t *expire_ms)
{
    int64_t value, wall_ms;

    if (!arg_i64(rq, i, &value))
        return false;
    if (value <= 0 || !to_wall_ms(value, form, &wall_ms)) {
        reply_error_expire_time(rq);
        return false;
    }
    *expire_ms = (uint64_t)wall_ms;
    return true;
}

/* ---- EXPIRE ------------------------------------------------------------ */

enum expire_condition {
    EXPIRE_NX = 1 << 0, /* only if it has no expiry */
    EXPIRE_XX = 1 << 1, /* only if it has one */
    EXPIRE_GT = 1 << 2, /* only to a later moment; no expiry is the latest */
    EXPIRE_LT = 1 << 3, /* only to an earlier moment */
};

static unsigned
condition_of(const struct request *rq, int i)
{
    if (arg_is(rq, i, "nx"))
        return EXPIRE_NX;
    if (arg_is(rq, i, "xx"))
        return EXPIRE_XX;
    if (arg_is(rq, i, "gt"))
        return EXPIRE_GT;
    if (arg_is(rq, i, "lt"))
        return EXPIRE_LT;
    return 0;
}

/* The conditions from argv[3] on; replies with the error and returns false. */
static bool
parse_conditions(struct request *rq, unsigned *out)
{
    unsigned all = 0;

    for (int i = 3; i < rq->argc; i++) {
        unsigned condition = condition_of(rq, i);

        if (condition == 0) {
            reply_error(rq->reply, "ERR Unsupported option %.*s",
                STR_ARG(arg_str(rq, i)));
            return false;
        }
        all |= condition;
    }
    if ((all & EXPIRE_NX) && (all & ~(unsigned)EXPIRE_NX)) {
        reply_error(rq->reply, "ERR NX and XX, GT or LT options at the same "
                               "time are not compatible");
        return false;
    }
    if ((all & EXPIRE_GT) && (all & EXPIRE_LT)) {
        reply_error(rq->reply, "ERR GT and LT options at the same time are "
                               "not compatible");
        return false;
    }
    *out = all;
    return true;
}

struct expire_change {
    int64_t when_ms;
    unsigned conditions;
    bool done;
};

static bool
conditions_hold(const struct expire_change *change, uint64_t expire_ms)
{
    unsigned conditions = change->conditions;

    if (expire_ms == KS_NO_EXPIRY)
        return !(conditions & (EXPIRE_XX | EXPIRE_GT));
    if (conditions & EXPIRE_NX)
        return false;
    if ((conditions & EXPIRE_GT) && change->when_ms <= (int64_t)expire_ms)
        return false;
    if ((conditions & EXPIRE_LT) && change->when_ms >= (int64_t)expire_ms)
        return false;
    return true;
}

static void
change_expiry(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    struct expire_change *change = ctx;

    if (!old->exists || !conditions_hold(change, old->expire_ms))
        return;
    change->done = true;
    new->action = KS_EXPIRE;
    new->expire_ms = (uint64_t)MAX(change->when_ms, 0);
}

static void
expire(struct request *rq, struct time_form form)
{
    struct expire_change change = {0};
    struct ks_key key = arg_key(rq, 1);
    enum ks_status status;
    int64_t value;

    if (!parse_conditions(rq, &change.conditions) || !arg_i64(rq, 2, &value))
        return;
    if (!to_wall_ms(value, form, &change.when_ms)) {
        reply_error_expire_time(rq);
        return;
    }
    status = ks_update(rq->thread->ks, &key, change_expiry, &change);
    if (status != KS_OK) {
        reply_error_status(rq, status);
        return;
    }
    if (change.done)
        notify(rq, NOTIFY_GENERIC,
            change.when_ms <= (int64_t)clock_wall_ms() ? "del" : "expire",
            &key);
    reply_int(rq->reply, change.done);
}

void
cmd_expire(struct request *rq)
{
    expire(rq, seconds_from_now);
}

void
cmd_pexpire(struct request *rq)
{
    expire(rq, ms_from_now);
}

void
cmd_expireat(struct request *rq)
{
    expire(rq, seconds_at);
}

void
cmd_pexpireat(struct request *rq)
{
    expire(rq, ms_at);
}

static void
remove_expiry(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    bool *done = ctx;

    if (!old->exists || old->expire_ms == KS_NO_EXPIRY)
        return;
    new->action = KS_EXPIRE;
    new->expire_ms = KS_NO_EXPIRY;
    *done = true;
}

void
cmd_persist(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    bool done = false;
    enum ks_status status =
        ks_update(rq->thread->ks, &key, remove_expiry, &done);

    if (status != KS_OK) {
        reply_error_status(rq, status);
        return;
    }
    if (done)
        notify(rq, NOTIFY_GENERIC, "persist", &key);
    reply_int(rq->reply, done);
}

/* ---- TTL --------------------------------------------------------------- */

/* What is left of a key's time, or when it ends. Seconds are rounded to the
 * nearest. -2: no such key; -1: it has no expiry. */
static void
reply_expiry(struct request *rq, struct time_form form)
{
    struct ks_key key = arg_key(rq, 1);
    uint64_t now_ms = clock_wall_ms();
    struct ks_info info;
    uint64_t ms;

    if (ks_stat(rq->thread->ks, &key, KS_READ_NO_TOUCH, &info) != KS_OK) {
        reply_int(rq->reply, -2);
        return;
    }
    if (info.expire_ms == KS_NO_EXPIRY) {
        reply_int(rq->reply, -1);
        return;
    }
    ms = info.expire_ms;
    if (!form.absolute)
        ms = ms > now_ms ? ms - now_ms : 0;
    reply_int(rq->reply, (int64_t)(form.seconds ? (ms + 500) / 1000 : ms));
}

void
cmd_ttl(struct request *rq)
{
    reply_expiry(rq, seconds_from_now);
}

void
cmd_pttl(struct request *rq)
{
    reply_expiry(rq, ms_from_now);
}

void
cmd_expiretime(struct request *rq)
{
    reply_expiry(rq, seconds_at);
}

void
cmd_pexpiretime(struct request *rq)
{
    reply_expiry(rq, ms_at);
}
