/* SPDX-License-Identifier: BSD-3-Clause */
/* names.h - hash tables of things that have a name or a number, for channels
 * and for keys that clients cache. Not thread-safe. */
#pragma once

#include "commands/command.h"

/* Chained, keyed by a hash; the entry's struct begins with the link. Without
 * entries there is no memory. Not locked: [owner] or a lock of the user's. */
struct link {
    struct link *next;
    uint64_t hash;
};

struct table {
    struct link **slots;
    size_t n, cap;
};

/* The entries that may have this hash: walk `next`, compare `hash`. */
static inline struct link *
table_chain(const struct table *t, uint64_t hash)
{
    return t->cap == 0 ? NULL : t->slots[hash & (t->cap - 1)];
}

/* The caller knows that it is not there, that it is there. */
void table_add(struct table *t, struct link *l);
void table_remove(struct table *t, struct link *l);

/* A kind and a name. The first field of the structs that have them. */
struct named {
    struct link link;
    int kind;
    size_t len;
    const char *bytes; /* behind the struct that this is part of */
};

/* NULL if it is not there. */
struct named *table_find(
    const struct table *t, uint64_t hash, int kind, struct str name);

/* A zeroed struct of `size` bytes that begins with a struct named, with the
 * name behind it; charged to the budget. */
void *named_new(struct slab *slab, size_t size, int kind, uint64_t hash,
    struct str name);
void named_free(struct slab *slab, size_t size, struct named *e);
