/* SPDX-License-Identifier: BSD-3-Clause */
/* top_keys.h - the keys that come most often, of any number of keys, in bounded
 * memory: a summary by the Space-Saving algorithm (Metwally and others, ICDT
 * 2005).
 *
 * A key that is not among those kept takes the place of the one that came least
 * often, and its count as the possible error. Every key that came more often
 * than 1/capacity of all is there. One thread at a time.
 */
#pragma once

#include "base/base.h"

struct top_key {
    char *name; /* owned by the summary */
    size_t len;
    unsigned db;
    uint64_t count; /* never too small; too large by `error` at most */
    uint64_t error;
    uint32_t hash; /* the rest is for the summary alone */
    uint16_t next, place;
};

struct top_keys;

/* At most TOP_KEYS_MAX keys, 1 or more. */
#define TOP_KEYS_MAX 4096
struct top_keys *top_keys_new(unsigned capacity);
void top_keys_free(struct top_keys *t);
void top_keys_clear(struct top_keys *t);

/* Count a key, whose bytes are copied if it is new; `hash` is one of name and
 * db. O(log capacity) expected. */
void top_keys_add(
    struct top_keys *t, struct str name, unsigned db, uint64_t hash);

/* All keys that are kept, in no order. Good until the next change. */
const struct top_key *top_keys_all(const struct top_keys *t, unsigned *n);

/* Memory of the summary, names included. */
size_t top_keys_bytes(const struct top_keys *t);
