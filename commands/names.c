/* SPDX-License-Identifier: BSD-3-Clause */
/* names.c - see names.h. */
#include "commands/names.h"

#include <stdlib.h>

static void
table_grow(struct table *t)
{
    struct table grown = {.cap = MAX(2 * t->cap, 8), .n = t->n};

    grown.slots = xcalloc(grown.cap, sizeof(*grown.slots));
    for (size_t i = 0; i < t->cap; i++) {
        for (struct link *l = t->slots[i], *next; l != NULL; l = next) {
            struct link **slot = &grown.slots[l->hash & (grown.cap - 1)];

            next = l->next;
            l->next = *slot;
            *slot = l;
        }
    }
    free(t->slots);
    *t = grown;
}

void
table_add(struct table *t, struct link *l)
{
    struct link **slot;

    if (t->n == t->cap)
        table_grow(t);
    slot = &t->slots[l->hash & (t->cap - 1)];
    l->next = *slot;
    *slot = l;
    t->n++;
}

void
table_remove(struct table *t, struct link *l)
{
    struct link **at = &t->slots[l->hash & (t->cap - 1)];

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    if (--t->n > 0)
        return;
    free(t->slots);
    *t = (struct table){NULL, 0, 0};
}

struct named *
table_find(const struct table *t, uint64_t hash, int kind, struct str name)
{
    for (struct link *l = table_chain(t, hash); l != NULL; l = l->next) {
        struct named *e = (struct named *)l;

        if (l->hash == hash && e->kind == kind &&
            str_eq(name, (struct str){e->bytes, e->len}))
            return e;
    }
    return NULL;
}

void *
named_new(
    struct slab *slab, size_t size, int kind, uint64_t hash, struct str name)
{
    char *block = xcalloc(1, size + name.len);
    struct named *e = (struct named *)(void *)block;

    slab_charge_force(slab, size + name.len);
    if (name.len > 0)
        memcpy(block + size, name.p, name.len);
    *e = (struct named){{NULL, hash}, kind, name.len, block + size};
    return block;
}

void
named_free(struct slab *slab, size_t size, struct named *e)
{
    slab_uncharge(slab, size + e->len);
    free(e);
}
