/* SPDX-License-Identifier: BSD-3-Clause */
/* top_keys.c - a Space-Saving summary: a hash table to find a key, and a heap
 * to find the one that came least often. See top_keys.h. */
#include "commands/top_keys.h"

#include <stdlib.h>

#define NONE UINT16_MAX

struct top_keys {
    unsigned capacity, n;
    unsigned mask; /* of the table */
    size_t name_bytes;
    struct top_key *keys; /* n are in use */
    uint16_t *table;      /* first key of a chain */
    uint16_t *heap;       /* keys, the least count first */
};

struct top_keys *
top_keys_new(unsigned capacity)
{
    struct top_keys *t = xcalloc(1, sizeof(*t));
    unsigned n_table = 1;

    ASSERT(capacity >= 1 && capacity <= TOP_KEYS_MAX);
    while (n_table < 2 * capacity)
        n_table *= 2;
    t->capacity = capacity;
    t->mask = n_table - 1;
    t->keys = xcalloc(capacity, sizeof(*t->keys));
    t->table = xcalloc(n_table, sizeof(*t->table));
    t->heap = xcalloc(capacity, sizeof(*t->heap));
    memset(t->table, 0xff, n_table * sizeof(*t->table));
    return t;
}

void
top_keys_clear(struct top_keys *t)
{
    for (unsigned i = 0; i < t->n; i++)
        free(t->keys[i].name);
    t->n = 0;
    t->name_bytes = 0;
    memset(t->table, 0xff, (t->mask + 1) * sizeof(*t->table));
}

void
top_keys_free(struct top_keys *t)
{
    top_keys_clear(t);
    free(t->keys);
    free(t->table);
    free(t->heap);
    free(t);
}

size_t
top_keys_bytes(const struct top_keys *t)
{
    return sizeof(*t) + t->name_bytes + (t->mask + 1) * sizeof(*t->table) +
        t->capacity * (sizeof(*t->keys) + sizeof(*t->heap));
}

const struct top_key *
top_keys_all(const struct top_keys *t, unsigned *n)
{
    *n = t->n;
    return t->keys;
}

/* ---- the heap ------------------------------------------------------------ */

static void
put(struct top_keys *t, unsigned place, uint16_t key)
{
    t->heap[place] = key;
    t->keys[key].place = (uint16_t)place;
}

static uint64_t
count_at(const struct top_keys *t, unsigned place)
{
    return t->keys[t->heap[place]].count;
}

/* The key at `place` has a larger count than before. */
static void
sink(struct top_keys *t, unsigned place)
{
    uint16_t key = t->heap[place];

    for (;;) {
        unsigned child = 2 * place + 1;

        if (child < t->n && child + 1 < t->n &&
            count_at(t, child + 1) < count_at(t, child))
            child++;
        if (child >= t->n || count_at(t, child) >= t->keys[key].count)
            break;
        put(t, place, t->heap[child]);
        place = child;
    }
    put(t, place, key);
}

/* A key that was added at the end has the least count there can be. */
static void
rise(struct top_keys *t, unsigned place)
{
    uint16_t key = t->heap[place];

    while (place > 0 && count_at(t, (place - 1) / 2) > t->keys[key].count) {
        put(t, place, t->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(t, place, key);
}

/* ---- the table ----------------------------------------------------------- */

static uint16_t
find(const struct top_keys *t, struct str name, unsigned db, uint32_t hash)
{
    uint16_t i = t->table[hash & t->mask];

    while (i != NONE) {
        const struct top_key *k = &t->keys[i];

        if (k->hash == hash && k->db == db && k->len == name.len &&
            memcmp(k->name, name.p, name.len) == 0)
            break;
        i = k->next;
    }
    return i;
}

static void
unchain(struct top_keys *t, uint16_t key)
{
    uint16_t *at = &t->table[t->keys[key].hash & t->mask];

    while (*at != key)
        at = &t->keys[*at].next;
    *at = t->keys[key].next;
}

/* The name of a key that is on no chain, and its chain. */
static void
set_name(struct top_keys *t, uint16_t key, struct str name, unsigned db,
    uint32_t hash)
{
    struct top_key *k = &t->keys[key];
    uint16_t *first = &t->table[hash & t->mask];

    t->name_bytes += name.len - k->len;
    k->name = xrealloc(k->name, name.len + 1);
    memcpy(k->name, name.p, name.len);
    k->len = name.len;
    k->db = db;
    k->hash = hash;
    k->next = *first;
    *first = key;
}

static void
add_new(struct top_keys *t, struct str name, unsigned db, uint32_t hash)
{
    uint16_t key = (uint16_t)t->n;

    t->keys[key] = (struct top_key){.count = 1};
    put(t, t->n++, key);
    set_name(t, key, name, db, hash);
    rise(t, t->keys[key].place);
}

static void
replace_least(struct top_keys *t, struct str name, unsigned db, uint32_t hash)
{
    uint16_t key = t->heap[0];

    unchain(t, key);
    t->keys[key].error = t->keys[key].count;
    t->keys[key].count++;
    set_name(t, key, name, db, hash);
    sink(t, 0);
}

void
top_keys_add(struct top_keys *t, struct str name, unsigned db, uint64_t hash)
{
    uint32_t short_hash = (uint32_t)(hash ^ hash >> 32);
    uint16_t key = find(t, name, db, short_hash);

    if (key != NONE) {
        t->keys[key].count++;
        sink(t, t->keys[key].place);
    } else if (t->n < t->capacity) {
        add_new(t, name, db, short_hash);
    } else {
        replace_least(t, name, db, short_hash);
    }
}
