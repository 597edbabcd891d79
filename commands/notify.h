/* SPDX-License-Identifier: BSD-3-Clause */
/* notify.h - keyspace notifications, and the way of events from a change to
 * those who hear of it.
 *
 *   keyspace/event.c   what happens to a key, noted under its lock
 *   notify()           what the command calls it, in between
 *   events_gather()    after each handler: both, in order, to the thread's list
 *   events_publish()   after the command, without locks: to channels
 *                      (notify.c) and to clients that cache (tracking.c)
 *
 * While nobody asked for anything, all this is one load per command.
 */
#pragma once

#include "commands/internal.h"

/* The letters of notify-keyspace-events. */
enum notify_class {
    NOTIFY_KEYSPACE = 1 << 0, /* K */
    NOTIFY_KEYEVENT = 1 << 1, /* E */
    NOTIFY_GENERIC = 1 << 2,  /* g */
    NOTIFY_STRING = 1 << 3,   /* $ */
    NOTIFY_LIST = 1 << 4,     /* l */
    NOTIFY_SET = 1 << 5,      /* s */
    NOTIFY_HASH = 1 << 6,     /* h */
    NOTIFY_ZSET = 1 << 7,     /* z */
    NOTIFY_EXPIRED = 1 << 8,  /* x */
    NOTIFY_EVICTED = 1 << 9,  /* e */
    NOTIFY_STREAM = 1 << 10,  /* t */
    NOTIFY_MISS = 1 << 11,    /* m */
    NOTIFY_MODULE = 1 << 12,  /* d */
    NOTIFY_NEW = 1 << 13,     /* n */

    NOTIFY_ALL = NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET |
        NOTIFY_HASH | NOTIFY_ZSET | NOTIFY_EXPIRED | NOTIFY_EVICTED |
        NOTIFY_STREAM | NOTIFY_MODULE, /* A */
};

/* Letters as flags; false if there is another. */
bool notify_parse(const char *letters, unsigned *flags);

/* As CONFIG GET shows them: Redis's order, and "A" for all of its letters. */
void notify_print(unsigned flags, struct buf *out);

/* Put the directive into effect. */
void notify_configure(struct commands *c);

/* notify()'s own: note the event, if its class is wanted. */
void notify_event(struct request *rq, enum notify_class class,
    const char *event, const struct ks_key *key);

/* A command did `event` (a literal) to the key. In a handler, after the change,
 * locks or not. */
static inline void
notify(struct request *rq, enum notify_class class, const char *event,
    const struct ks_key *key)
{
    if (unlikely(commands_active(rq->thread->commands) & ACTIVE_NOTIFY))
        notify_event(rq, class, event, key);
}

/* The same for a value that was stored with this expiry: "set", and what
 * belongs to the expiry. */
void notify_stored(
    struct request *rq, const struct ks_key *key, uint64_t expire_ms);

/* Move what the keyspace noted into the thread's list; after each handler. */
void events_gather(struct request *rq);

/* Publish the list; `s` is the session that caused it, or NULL. Not under
 * ks_lock(). */
void events_publish(struct command_thread *t, struct session *s);

/* One event of the list: of the keyspace, or with a name. */
struct pending_event {
    const char *event; /* NULL: see kind */
    enum ks_event_kind kind;
    enum notify_class class;
    unsigned db;
    struct str key;
};

/* The next of the list from *at on; false at the end. */
bool events_next(const struct buf *list, size_t *at, struct pending_event *out);
