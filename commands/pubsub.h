/* SPDX-License-Identifier: BSD-3-Clause */
/* pubsub.h - who listens to which channel, for pubsub.c and its neighbours.
 *
 * Two tables, so that a message crosses to another thread once per worker and
 * not once per subscriber:
 *
 *   struct pubsub            all workers   name -> how many on which worker
 *   struct pubsub_listeners  one worker    name -> its subscribed sessions
 *
 * PUBLISH counts and posts under the lock of the name's bucket; the worker that
 * takes the message from its mail walks its own table. A message has a sequence
 * number of its bucket, and so has a subscription: who subscribed after a
 * PUBLISH does not see it, though it may still be on its way. Who unsubscribed
 * before it came does not see it either.
 *
 * Nothing here is looked at for a session that never subscribed.
 */
#pragma once

#include "commands/command.h"

enum channel_kind {
    CHANNEL_PLAIN,
    CHANNEL_PATTERN,
    CHANNEL_SHARD,
    CHANNEL_KINDS
};

/* The head of each message on its way to other workers: of those that are
 * published, and of what tracking.c and monitor.c send. */
typedef void (*pubsub_deliver_fn)(
    struct command_thread *t, const struct pubsub_message *m);

struct pubsub_message {
    _Atomic uint32_t holders;
    struct slab *slab;
    size_t bytes; /* of all, charged */
    pubsub_deliver_fn deliver;
};

/* With one holder, `size` bytes of which only the head is set; NULL when the
 * system has no memory. */
struct pubsub_message *pubsub_message_new(
    struct slab *slab, size_t size, pubsub_deliver_fn deliver);

struct subscription;

/* What a session listens to; there is none while that is nothing. Replaced and
 * changed under the host's client lock. */
struct session_subscriptions {
    _Atomic uint32_t n[CHANNEL_KINDS]; /* [shared] for CLIENT LIST */
    /* Each kind in the order of subscribing. The owner thread, or others under
     * the client lock. */
    struct subscription *first[CHANNEL_KINDS], *last[CHANNEL_KINDS];
};

/* How many channels of a kind the session listens to. Owner thread, or under
 * the host's client lock. */
static inline unsigned
session_n_subscriptions(const struct session *s, enum channel_kind kind)
{
    return s->subscriptions == NULL
        ? 0
        : atomic_load_explicit(
              &s->subscriptions->n[kind], memory_order_relaxed);
}

/* ---- the registry (registry.c) ------------------------------------------- */

/* Memory is charged to `slab`. Nobody may be subscribed at the end. */
struct pubsub *pubsub_new(struct slab *slab);
void pubsub_free(struct pubsub *p);

/* The sessions of one worker that are subscribed; owner thread. */
struct pubsub_listeners *pubsub_listeners_new(void);
void pubsub_listeners_free(struct pubsub_listeners *l);

/* Subscribe, unsubscribe; false when the session was (not) subscribed before.
 * Owner thread of the session. */
bool pubsub_join(struct command_thread *t, struct session *s,
    enum channel_kind kind, struct str name);
bool pubsub_leave(struct command_thread *t, struct session *s,
    enum channel_kind kind, struct str name);

/* Unsubscribe from all, without replies: the session ends. Its worker. */
void pubsub_leave_all(struct command_thread *t, struct session *s);

/* The name that the session subscribed to first, of those left; false if there
 * is none. It holds until the session leaves it. */
bool pubsub_first(
    const struct session *s, enum channel_kind kind, struct str *name);

/* Does `fn` say yes to anything that the session listens to? Owner thread, or
 * under the host's client lock. */
bool pubsub_any(const struct session *s,
    bool (*fn)(void *arg, enum channel_kind kind, struct str name), void *arg);

/* Hand `payload` to everyone who listens to the channel, and for a plain one
 * to those with a matching pattern. Returns how often it is received, or -1
 * when there is no memory for it.
 * The calling session's own copies go to `self` at once if that is given,
 * ahead of the reply to come. */
int64_t pubsub_publish(struct command_thread *t, struct session *s,
    enum channel_kind kind, struct str channel, struct str payload,
    struct reply *self);

/* Names of a kind that anybody listens to, and subscribers to one. Any
 * thread. */
size_t pubsub_count(const struct pubsub *p, enum channel_kind kind);
size_t pubsub_clients(const struct pubsub *p);
size_t pubsub_subscribers(
    struct pubsub *p, enum channel_kind kind, struct str name);

/* Call `fn` for each name of a kind, under a lock: it only copies. */
void pubsub_each(struct pubsub *p, enum channel_kind kind,
    void (*fn)(void *arg, struct str name), void *arg);
