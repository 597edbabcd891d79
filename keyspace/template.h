/* SPDX-License-Identifier: BSD-3-Clause */
/* template.h - templates of keys (template.c), for the files of keyspace/.
 *
 * Lock-free but for learning. Ids and packed keys may come from a chunk that
 * is being written: what cannot be is refused, and no length is trusted.
 */
#pragma once

#include "keyspace/shape.h"
#include "keyspace/space.h"

struct templates;
struct namespaces;

/* At start, and at the end when no thread is left. Borrows seed and namespaces;
 * memory is charged to the slab. NULL, and a sentence in `err`, when the system
 * has no addresses. */
struct templates *templates_new(struct slab *slab,
    const struct hash_seed *seed, const struct namespaces *namespaces,
    struct buf *err);
void templates_free(struct templates *ts);
/* Templates that have an id, bytes charged for the table. Any thread. */
uint32_t templates_count(const struct templates *ts);
size_t templates_bytes(const struct templates *ts);

#define TEMPLATE_MEMOS 64

/* A key as a new item is to have it. */
struct stored_key {
    struct str key; /* the name itself, or the packed rest of it */
    uint32_t id;
    char packed[FORM_MAX_PACKED];
};

/* The templates that a thread met last, to be tried first. Zeroed at first. */
struct template_memo {
    uint16_t id[TEMPLATE_MEMOS];
};

/* Whether there may be a template for keys of this length. */
static inline bool
template_may_fit(struct str name)
{
    return name.len >= FORM_MIN_NAME && name.len <= FORM_MAX_NAME;
}

/* Choose how a key is stored; learns its shape from a sample of the calls, by
 * `random`. `out` borrows key->name. */
void template_encode(struct templates *ts, struct template_memo *memo,
    const struct ks_key *key, uint64_t random, struct stored_key *out);

/* The space of a template; UINT32_MAX if there is no such template. */
uint32_t template_space(const struct templates *ts, uint32_t id);

/* Whether the packed key stands for `name` of `space`. */
bool template_equals(const struct templates *ts, uint32_t id,
    struct str packed, struct str name, uint32_t space);

/* The whole key, in `buf`. False if the packed bytes stand for none. */
bool template_decode(const struct templates *ts, uint32_t id,
    struct str packed, char buf[KS_MAX_KEY], struct str *name);

/* Give up the templates of all spaces that `is_free` says yes to. No item has
 * one of their ids; the epoch of the spaces has moved or is about to. */
void templates_drop(struct templates *ts, const bool is_free[SPACES]);
