/* SPDX-License-Identifier: BSD-3-Clause */
/* pubsub.c - SUBSCRIBE, PUBLISH and their relatives, PUBSUB. Any worker.
 *
 * Confirmations are pushes in RESP3, one for each name, and appear also where
 * CLIENT REPLY has switched replies off.
 */
#include "commands/acl.h"

/* ---- confirmations ------------------------------------------------------- */

struct words {
    const char *subscribed, *unsubscribed;
};

static const struct words words_of[CHANNEL_KINDS] = {
    [CHANNEL_PLAIN] = {"subscribe", "unsubscribe"},
    [CHANNEL_PATTERN] = {"psubscribe", "punsubscribe"},
    [CHANNEL_SHARD] = {"ssubscribe", "sunsubscribe"},
};

/* Channels and patterns count together, shard channels for themselves. */
static int64_t
subscriptions_left(const struct session *s, enum channel_kind kind)
{
    if (kind == CHANNEL_SHARD)
        return session_n_subscriptions(s, CHANNEL_SHARD);
    return (int64_t)session_n_subscriptions(s, CHANNEL_PLAIN) +
        session_n_subscriptions(s, CHANNEL_PATTERN);
}

static void
confirm(struct request *rq, const char *word, struct str name)
{
    reply_push(rq->reply, 3);
    reply_bulk_cstr(rq->reply, word);
    if (name.p == NULL)
        reply_null(rq->reply);
    else
        reply_bulk(rq->reply, name);
}

/* ---- SUBSCRIBE and UNSUBSCRIBE ------------------------------------------- */

static void
subscribe(struct request *rq, enum channel_kind kind)
{
    for (int i = 1; i < rq->argc; i++) {
        pubsub_join(rq->thread, rq->session, kind, arg_str(rq, i));
        confirm(rq, words_of[kind].subscribed, arg_str(rq, i));
        reply_int(rq->reply, subscriptions_left(rq->session, kind));
    }
    acl_recheck_subscriptions(rq);
}

static void
leave_one(struct request *rq, enum channel_kind kind, struct str name)
{
    confirm(rq, words_of[kind].unsubscribed, name);
    if (name.p != NULL)
        pubsub_leave(rq->thread, rq->session, kind, name);
    reply_int(rq->reply, subscriptions_left(rq->session, kind));
}

static void
unsubscribe(struct request *rq, enum channel_kind kind)
{
    struct str name = {NULL, 0};

    for (int i = 1; i < rq->argc; i++)
        leave_one(rq, kind, arg_str(rq, i));
    if (rq->argc > 1)
        return;
    if (!pubsub_first(rq->session, kind, &name)) {
        leave_one(rq, kind, name);
        return;
    }
    do
        leave_one(rq, kind, name);
    while (pubsub_first(rq->session, kind, &name));
}

void
cmd_subscribe(struct request *rq)
{
    subscribe(rq, CHANNEL_PLAIN);
}

void
cmd_psubscribe(struct request *rq)
{
    subscribe(rq, CHANNEL_PATTERN);
}

void
cmd_ssubscribe(struct request *rq)
{
    /* In a transaction refused, unlike the other two, as by Redis. */
    if (LOAD(&rq->session->queued) >= 0) {
        reply_error(rq->reply,
            "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return;
    }
    subscribe(rq, CHANNEL_SHARD);
}

void
cmd_unsubscribe(struct request *rq)
{
    unsubscribe(rq, CHANNEL_PLAIN);
}

void
cmd_punsubscribe(struct request *rq)
{
    unsubscribe(rq, CHANNEL_PATTERN);
}

void
cmd_sunsubscribe(struct request *rq)
{
    unsubscribe(rq, CHANNEL_SHARD);
}

/* ---- PUBLISH ------------------------------------------------------------- */

/* The publisher's own copy stands before the reply; where there will be none,
 * it comes as to all others. */
static void
publish(struct request *rq, enum channel_kind kind)
{
    const struct session *s = rq->session;
    bool silent = s->reply_off || s->reply_skip > 0;
    int64_t received = pubsub_publish(rq->thread, rq->session, kind,
        arg_str(rq, 1), arg_str(rq, 2), silent ? NULL : rq->reply);

    if (received < 0)
        reply_error_status(rq, KS_NO_MEMORY);
    else
        reply_int(rq->reply, received);
}

void
cmd_publish(struct request *rq)
{
    publish(rq, CHANNEL_PLAIN);
}

void
cmd_spublish(struct request *rq)
{
    publish(rq, CHANNEL_SHARD);
}

/* ---- PUBSUB -------------------------------------------------------------- */

struct listing {
    struct reply *reply;
    struct str pattern; /* p NULL: all */
    size_t n;
};

static void
list_name(void *arg, struct str name)
{
    struct listing *l = arg;

    if (l->pattern.p != NULL && !glob_match(l->pattern, name, false))
        return;
    reply_bulk(l->reply, name);
    l->n++;
}

static void
reply_names_of(struct request *rq, enum channel_kind kind)
{
    struct listing l = {rq->reply, {NULL, 0}, 0};
    size_t at;

    if (rq->argc > 3) {
        reply_error(rq->reply,
            "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
            "Try PUBSUB HELP.",
            ARG_SHOWN(rq, 1));
        return;
    }
    if (rq->argc == 3)
        l.pattern = arg_str(rq, 2);
    at = reply_array_open(rq->reply);
    pubsub_each(rq->thread->commands->state->pubsub, kind, list_name, &l);
    reply_array_close(rq->reply, at, l.n);
}

static void
reply_subscribers(struct request *rq, enum channel_kind kind)
{
    struct pubsub *p = rq->thread->commands->state->pubsub;

    reply_array(rq->reply, 2 * ((size_t)rq->argc - 2));
    for (int i = 2; i < rq->argc; i++) {
        reply_bulk(rq->reply, arg_str(rq, i));
        reply_int(
            rq->reply, (int64_t)pubsub_subscribers(p, kind, arg_str(rq, i)));
    }
}

void
cmd_pubsub_channels(struct request *rq)
{
    reply_names_of(rq, CHANNEL_PLAIN);
}

void
cmd_pubsub_shardchannels(struct request *rq)
{
    reply_names_of(rq, CHANNEL_SHARD);
}

void
cmd_pubsub_numsub(struct request *rq)
{
    reply_subscribers(rq, CHANNEL_PLAIN);
}

void
cmd_pubsub_shardnumsub(struct request *rq)
{
    reply_subscribers(rq, CHANNEL_SHARD);
}

void
cmd_pubsub_numpat(struct request *rq)
{
    reply_int(rq->reply,
        (int64_t)pubsub_count(
            rq->thread->commands->state->pubsub, CHANNEL_PATTERN));
}
