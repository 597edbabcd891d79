/* SPDX-License-Identifier: BSD-3-Clause */
/* pool.c - objects of one size for one thread: connections, queued output,
 * transactions.
 *
 * Objects are carved from blocks that are aligned to their own size, so that an
 * object finds its block by a mask. A block whose objects are all back goes to
 * the system, unless it is the only one with room: ten thousand connections
 * that leave take their memory with them.
 */
#include "slab/internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#define POOL_MAGIC 0x51ab9001
#define LEAST_BLOCK ((size_t)16 * KIB)
#define LEAST_OBJECTS 8 /* in a block */

/* At the start of each block. */
struct block {
    struct pool *pool;
    struct block *next, *prev; /* of the blocks with room */
    struct object *free;       /* put back, the last one first */
    uint32_t n_live;
    uint32_t n_carved; /* objects from here on were never used */
};

struct object {
    struct object *next;
};

struct pool {
    uint32_t magic;
    struct slab *slab; /* charged, or NULL */
    const char *name;
    size_t object_bytes, block_bytes;
    uint32_t n_objects; /* of a block */
    size_t n_live;
    struct block *room; /* blocks with room */
};

static size_t
header_bytes(void)
{
    return ROUND_UP(sizeof(struct block), CACHE_LINE);
}

struct pool *
pool_new(struct slab *s, const char *name, size_t object_bytes)
{
    struct pool *p = xcalloc(1, sizeof *p);

    p->magic = POOL_MAGIC;
    p->slab = s;
    p->name = name;
    p->object_bytes = ROUND_UP(MAX(object_bytes, sizeof(struct object)), 16);
    p->block_bytes = LEAST_BLOCK;
    while ((p->block_bytes - header_bytes()) / p->object_bytes < LEAST_OBJECTS)
        p->block_bytes *= 2;
    p->n_objects =
        (uint32_t)((p->block_bytes - header_bytes()) / p->object_bytes);
    return p;
}

static void
link_block(struct pool *p, struct block *b)
{
    b->prev = NULL;
    b->next = p->room;
    if (b->next != NULL)
        b->next->prev = b;
    p->room = b;
}

static void
unlink_block(struct pool *p, struct block *b)
{
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        p->room = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
}

static struct block *
add_block(struct pool *p)
{
    struct block *b = map_lazily(p->block_bytes, p->block_bytes);

    if (b == NULL)
        return NULL;
    if (p->slab != NULL)
        slab_charge_to(p->slab, SLAB_POOLS, p->block_bytes);
    b->pool = p;
    link_block(p, b);
    return b;
}

static void
drop_block(struct pool *p, struct block *b)
{
    unlink_block(p, b);
    debug_show(b, p->block_bytes);
    munmap(b, p->block_bytes);
    if (p->slab != NULL)
        slab_uncharge_from(p->slab, SLAB_POOLS, p->block_bytes);
}

void
pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    CHECK(p, POOL_MAGIC);
    ASSERT(p->n_live == 0);
    while (p->room != NULL)
        drop_block(p, p->room);
    p->magic = 0;
    free(p);
}

void *
pool_get(struct pool *p)
{
    struct block *b;
    void *object;

    CHECK(p, POOL_MAGIC);
    b = p->room != NULL ? p->room : add_block(p);
    if (b == NULL)
        return NULL;
    object = b->free;
    if (object != NULL) {
        debug_show(object, p->object_bytes);
        b->free = b->free->next;
        debug_object_get(p->name, object, p->object_bytes);
        memset(object, 0, p->object_bytes);
    } else {
        object = (char *)b + header_bytes() + b->n_carved * p->object_bytes;
        b->n_carved++;
    }
    p->n_live++;
    if (++b->n_live == p->n_objects)
        unlink_block(p, b);
    return object;
}

void
pool_put(struct pool *p, void *object)
{
    struct block *b;
    struct object *o = object;

    CHECK(p, POOL_MAGIC);
    b = (void *)((char *)object - (uintptr_t)object % p->block_bytes);
    ASSERT(b->pool == p && b->n_live > 0);
    debug_object_put(p->name, object, p->object_bytes);
    if (b->n_live-- == p->n_objects)
        link_block(p, b);
    p->n_live--;
    o->next = b->free;
    b->free = o;
    debug_hide(object, p->object_bytes);
    if (b->n_live == 0 && (b->next != NULL || b->prev != NULL))
        drop_block(p, b);
}

size_t
pool_live(const struct pool *p)
{
    return p->n_live;
}
