/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.h - the two tables of pubsub.h from inside, for the files that keep
 * and read them: registry.c has who listens, publish.c the messages.
 *
 * The shared table is cut into buckets by name, all patterns are in one; a
 * bucket's lock is held while a PUBLISH counts and posts, so that all
 * subscribers see the messages of a channel in one order.
 * Lock order: a bucket's lock -> what command_host.post takes.
 */
#pragma once

#include "commands/internal.h"
#include "commands/names.h"
#include "commands/pubsub.h"

#define NAME_BUCKETS 64

/* A name that somebody listens to. [bucket lock] */
struct channel {
    struct named named;
    size_t n_subscribers;
    struct presence {
        unsigned worker;
        size_t n; /* subscribers there; > 0 */
    } * at;
    size_t n_at, cap_at;
    char name[];
};

struct bucket {
    pthread_mutex_t lock;
    struct table channels; /* [lock] */
    uint64_t sequence;     /* [lock] of the last message */
};

struct pubsub {
    struct slab *slab;
    struct hash_seed seed; /* [immutable] */
    struct bucket buckets[NAME_BUCKETS];
    struct bucket patterns;
    _Atomic size_t n[CHANNEL_KINDS];
    _Atomic size_t n_clients;
};

/* The sessions of one worker that listen to a name. [owner thread] */
struct audience {
    struct named named;
    struct subscription *first, *last;
    char name[];
};

/* One session listens to one name. [owner thread] */
struct subscription {
    struct link link;
    struct session *session;
    struct audience *audience;
    uint64_t sequence; /* messages up to this one were before its time */
    struct subscription *prev_listener, *next_listener;
    struct subscription *prev, *next; /* of the session */
};

struct pubsub_listeners {
    struct table audiences;
    struct table subscriptions; /* by audience and session */
};

static inline struct pubsub *
pubsub_of(const struct command_thread *t)
{
    return t->commands->state->pubsub;
}

/* Of a name of this kind; for the shared table and for that of a worker. */
static inline uint64_t
pubsub_hash(const struct pubsub *p, enum channel_kind kind, struct str name)
{
    return hash_bytes(&p->seed, name.p, name.len) ^
        (uint64_t)kind * 0x9e3779b97f4a7c15u;
}

static inline struct bucket *
pubsub_bucket(struct pubsub *p, enum channel_kind kind, uint64_t hash)
{
    return kind == CHANNEL_PATTERN ? &p->patterns
                                   : &p->buckets[hash >> 58 & 63];
}
_Static_assert(NAME_BUCKETS == 64, "the upper six bits choose the bucket");

/* NULL when the session does not listen to it. Owner thread. */
struct subscription *pubsub_subscription(const struct pubsub_listeners *l,
    const struct audience *a, const struct session *s);
