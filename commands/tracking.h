/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking.h - which clients cache which keys, and telling them of changes.
 *
 *   struct tracking   all workers   key -> clients; prefixes -> clients
 *   struct trackers   one worker    its clients that track, targets of others
 *   struct tracker    one client    what CLIENT TRACKING has set
 *
 * A client's key is put into the table before the command reads it; a change
 * looks into the table after it was made. So a change either is seen by the
 * read, or finds the client. The message goes by the mail of the client's
 * worker, which delivers it after the replies of the batch it runs.
 *
 * The table names keys, not values, and knows nothing of databases, as in
 * Redis. Sessions that do not track meet none of this.
 */
#pragma once

#include "commands/internal.h"
#include "commands/names.h"

enum tracker_flags {
    TRACKER_BCAST = 1 << 0,
    TRACKER_OPTIN = 1 << 1,
    TRACKER_OPTOUT = 1 << 2,
    TRACKER_NOLOOP = 1 << 3,
    TRACKER_CACHING = 1 << 4, /* CLIENT CACHING was given for what follows */
    TRACKER_BROKEN = 1 << 5,  /* the target of the redirection is gone */
};

/* Of a session, while it tracks: replaced under the host's client lock. */
struct tracker {
    struct link link;         /* in the worker's table, by id */
    struct session *session;
    _Atomic uint32_t flags;   /* [shared] enum tracker_flags */
    _Atomic uint64_t redirect; /* [shared] id of the target, 0: none */
    unsigned redirect_worker;
    struct str *prefixes;     /* owned, with their bytes; sorted */
    size_t n_prefixes;
};

/* What CLIENT TRACKING ON asks for. Prefixes are borrowed. */
struct tracking_wish {
    unsigned flags;
    uint64_t redirect;
    unsigned redirect_worker;
    struct str *prefixes;
    size_t n_prefixes;
};

/* The table of keys that clients cache, charged to the slab; and the sessions
 * of one worker that track, of its thread. */
struct tracking *tracking_new(struct slab *slab);
void tracking_free(struct tracking *k);
struct trackers *trackers_new(void);
void trackers_free(struct trackers *l);

/* Track from now on, or otherwise than before. Owner thread. */
void tracking_start(struct command_thread *t, struct session *s,
    const struct tracking_wish *wish);

/* No more; harmless when it does not track. */
void tracking_stop(struct command_thread *t, struct session *s);

/* The session ends: nothing is redirected to it any more. */
void tracking_forget(struct command_thread *t, struct session *s);

/* The command, before it runs, is going to read its keys. */
void tracking_remember(struct request *rq);

/* Give up keys, telling their clients, while there are more of them than
 * tracking-table-max-keys. */
void tracking_keep_limit(struct command_thread *t);

/* The keys of the thread's events have changed; `by` is the session that did
 * it, or NULL. */
void tracking_changed(struct command_thread *t, struct session *by);

/* All keys are gone. */
void tracking_flushed(struct command_thread *t);

/* After any command: what CLIENT CACHING said is over. */
void tracking_after(const struct request *rq);

/* For CLIENT LIST: the target of the redirection, 0: none, -1: not tracking.
 * Owner thread, or under the client lock. */
int64_t tracking_redirect(const struct session *s);

/* Sizes of the tables, for INFO. Any thread. */
struct tracking_counts {
    uint64_t clients, keys, items, prefixes;
};
void tracking_counts(const struct tracking *k, struct tracking_counts *out);
