/* SPDX-License-Identifier: BSD-3-Clause */
/* space.h - spaces (space.c), and the walk that frees what is dead in them
 * (reclaim.c), for the files of keyspace/. */
#pragma once

#include "keyspace/keyspace.h"

struct item_view;

#define SPACES 1024

enum space_state { SPACE_FREE, SPACE_LIVE, SPACE_RETIRED };

struct space {
    _Atomic uint8_t state; /* these: [all partitions] writes */
    _Atomic uint8_t home;
    uint64_t retired_at;   /* number of the flush */
};

/* How a key finds its space. On a line of its own: every command reads it. */
struct mapping {
    _Atomic uint32_t epoch; /* odd while it changes */
    _Atomic uint32_t n_own; /* namespaces with a space of their own */
    _Atomic uint16_t base[KS_DATABASES]; /* space by number of database */
    _Atomic uint8_t home[KS_DATABASES];  /* home by number */
};
_Static_assert(sizeof(struct mapping) <= CACHE_LINE, "one cache line");

struct spaces {
    struct space space[SPACES];
    _Atomic uint16_t base[KS_DATABASES]; /* [all] writes: by home */
    _Atomic uint64_t flushes;      /* [all] writes: number of the latest */
    _Atomic uint64_t reclaimed;    /* [all] writes: what died until this flush
                                      is gone */
    _Atomic uint32_t n_uncounted;  /* [all] writes: entries that are */
    uint32_t few_items;            /* [immutable] so many are deleted at once;
                                      tests set it before threads run */
};

/* At start: each database in the space of its number. */
void spaces_init(struct ks *ks);

/* Bracket what changes where keys lead. Under all locks. */
void mapping_change_begin(struct ks *ks);
void mapping_change_end(struct ks *ks);

/* The same key as it is now. */
void key_renew(const struct ks *ks, struct ks_key *key);
/* Take the lock of the partition where the key is now; returns which. */
unsigned ks_enter_key(struct ks_thread *t, struct ks_key *key);

/* Whose an item is, under its partition's lock (without, an estimate). */
struct owner {
    unsigned home;
    uint16_t ns;
    bool dead;      /* no key leads to it any more */
    bool uncounted; /* dead, and still counted among the living */
};
void owner_of_item(const struct ks *ks, const struct item_view *v,
    struct owner *out);
void owner_of_key(struct ks_thread *t, const struct ks_key *key,
    struct owner *out);
bool item_is_dead(const struct ks *ks, const struct item_view *v);

/* What died until flush number `until` is gone from the index: give its spaces
 * and ids out again. Takes all locks. */
void spaces_settle(struct ks_thread *t, uint64_t until);

/* ---- reclaiming (reclaim.c) ---------------------------------------------- */

/* A walk over all items. The partition's lock is held for a few lines. */
struct reclaim {
    bool active;
    uint64_t until;       /* flushes before the walk began */
    unsigned partition;
    uint32_t line;
    uint32_t n_old, n_new, frontier; /* of the partition when it was left */
};

/* A walk of somebody else's over the lines: some of them to `visit`, under the
 * lock of their partition; over when w->partition is N_PARTITIONS. */
typedef void (*reclaim_visit_fn)(struct ks_thread *t, unsigned partition,
    uint32_t from, uint32_t n);
void reclaim_walk_lines(struct ks_thread *t, struct reclaim *w,
    reclaim_visit_fn visit);

/* One bounded slice of the walk of the maintenance thread; true if there is
 * more to do. */
bool reclaim_step(struct ks_thread *t, bool gently);
/* Free some dead items, if there may be any; for who is short of memory. Never
 * waits for a lock. False when this thread has looked everywhere. */
bool reclaim_help(struct ks_thread *t);

/* Under all locks: take the items of a home (KS_ALL_DBS: of all), and if `name`
 * is not NULL of that namespace only, out of the index, and collect them for
 * unlinked_free(). */
void unlink_matching(struct ks_thread *t, unsigned home,
    const struct str *name);
void unlinked_free(struct ks_thread *t);
