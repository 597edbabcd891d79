/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_table.h - what the files of tracking share; see tracking.h.
 *
 *   tracking.c            clients begin and end, the prefixes they named
 *   tracking_keys.c       which client has read a key, and what has changed
 *   tracking_messages.c   invalidations on their way to the client
 *
 * The table of keys is cut into shards by name, each under a lock of its own;
 * the prefixes are under one. No two of these locks are held together. Lock
 * order: one of these -> what command_host.post takes.
 */
#pragma once

#include "commands/tracking.h"

#define SHARDS 64
#define CLIENTS_FEW 2

struct client_ref {
    uint64_t id;
    unsigned worker;
};

/* The clients that have read a key. Those that are gone since stay until the
 * key changes. */
struct cached_key {
    struct named named;
    uint32_t n, cap;
    struct client_ref *clients; /* `few`, or owned */
    struct client_ref few[CLIENTS_FEW];
    char name[];
};

struct shard {
    pthread_mutex_t lock;
    struct table keys; /* [lock] */
};

/* Clients that hear of every key that begins so. */
struct prefix {
    struct str bytes; /* owned */
    struct prefix_client {
        struct client_ref ref;
        bool noloop;
    } * clients;
    size_t n, cap;
};

struct tracking {
    struct slab *slab;
    struct hash_seed seed; /* [immutable] */
    struct shard shards[SHARDS];
    pthread_mutex_t lock;
    struct prefix *prefixes; /* [lock] */
    size_t cap_prefixes;
    _Atomic size_t n_prefixes; /* [lock] writes */
    _Atomic uint64_t n_clients, n_keys, n_items;
    _Atomic uint32_t victim; /* shard where the next one is looked for */
    _Atomic uint32_t on[COMMANDS_MAX_WORKERS]; /* clients that track */
};

/* [owner thread] */
struct trackers {
    struct table trackers; /* struct tracker by id */
    struct table targets;  /* struct target by id */
};

/* A client that others redirect to. */
struct target {
    struct link link;
    struct session *session;
};

static inline struct tracking *
tracking_of(const struct command_thread *t)
{
    return t->commands->state->tracking;
}

static inline uint64_t
hash_id(uint64_t id)
{
    uint64_t h = id * 0x9e3779b97f4a7c15u;

    return h ^ h >> 32;
}

static inline unsigned
tracker_flags(const struct tracker *t)
{
    return atomic_load_explicit(&t->flags, memory_order_relaxed);
}

/* ---- tracking_messages.c ------------------------------------------------- */

enum message_kind {
    TO_READERS,     /* those of `ids`, unless they broadcast now */
    TO_SUBSCRIBERS, /* those of `ids`, if they broadcast */
    TO_ALL,         /* who tracks on this worker */
    TO_TARGET,      /* ids[0], for ids[1] of worker `from` */
    TO_BROKEN,      /* ids[0]: its target is gone */
};

/* Send to clients of a worker that these keys are invalid: an array of them as
 * it goes out, or nothing for all keys. Any worker. */
void tracking_post(struct command_thread *t, unsigned worker,
    enum message_kind kind, const uint64_t *ids, size_t n_ids, struct str keys);

/* What others redirect to the session; NULL if none does. Owner thread. */
struct target *tracking_target(const struct command_thread *t, uint64_t id);

/* ---- tracking_keys.c ----------------------------------------------------- */

/* Empty the table of keys. */
void tracking_forget_keys(struct tracking *k);

/* The order of bytes: for qsort() on struct str. */
int tracking_compare(const void *a, const void *b);
