/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_shapes.h - the table of shapes, for the files that keep it (hash_shape.c
 * finds and learns, hash_retire.c gives up what no hash has) and those that look
 * one up.
 */
#pragma once

#include "keyspace/hash_form.h"

#define MAX_SHAPES 4096
#define TABLE_SLOTS 8192
#define DROPPED 1       /* a slot that is free, but ends no search */
#define NAME_SLOTS 4096 /* chains of names */
#define CANDIDATE_SETS 512
#define CANDIDATE_WAYS 4

struct candidate {
    uint64_t hash;
    uint32_t seen;
};

struct hash_shapes {
    _Atomic(struct hash_shape *) by_id[MAX_SHAPES];
    _Atomic uint32_t slot[TABLE_SLOTS];   /* 16 hash bits | id + 2; 0: free */
    struct name_entry *names[NAME_SLOTS]; /* these: [lock] */
    struct candidate candidate[CANDIDATE_SETS][CANDIDATE_WAYS];
    uint16_t free_id[MAX_SHAPES];
    uint32_t n_free;
    uint32_t n_used_ids; /* ids ever given */
    struct slab *slab;
    const struct hash_seed *seed;
    _Atomic uint32_t lock;
    _Atomic uint32_t n_shapes; /* [lock] writes */
    _Atomic size_t bytes;      /* [lock] writes: of records and names */
    _Atomic bool is_used;      /* [lock] writes: some hash was stored */
    _Atomic bool wanted;       /* somebody found no room */
    /* [maintenance] */
    struct hash_shape *retired[MAX_SHAPES]; /* to be freed */
    uint32_t n_retired;
    uint64_t retired_us, walked_us;
    bool visits_noted; /* of the threads, a while after that */
    struct reclaim walk;
};

/* The shape of an id; NULL if none has it. Between hash_enter() and
 * hash_leave(). */
static inline const struct hash_shape *
hash_shape_of(const struct hash_shapes *hs, uint32_t id)
{
    /* acquire: pairs with publish_shape() */
    return likely(id < MAX_SHAPES)
        ? atomic_load_explicit(&hs->by_id[id], memory_order_acquire)
        : NULL;
}

static inline void
lock_shapes(struct hash_shapes *hs)
{
    word_lock(&hs->lock);
}

static inline void
unlock_shapes(struct hash_shapes *hs)
{
    word_unlock(&hs->lock);
}

/* Under the lock: the record and its hold on names. */
void hash_shape_free(struct hash_shapes *hs, struct hash_shape *s);
