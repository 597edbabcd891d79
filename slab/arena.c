/* SPDX-License-Identifier: BSD-3-Clause */
/* arena.c - bump memory that lives as long as a batch or a request.
 *
 * Nothing is freed by itself; arena_reset() forgets all at once and keeps the
 * first block, so a batch of usual size makes no call at all. What does not
 * fit goes into a further block, twice as large as the last one. One thread.
 */
#include "slab/internal.h"

#include <stdlib.h>

#define ARENA_MAGIC 0x51aba7e0
#define ARENA_ALIGN 16

struct arena_block {
    struct arena_block *former;
    size_t used, bytes; /* of what follows the header */
};

struct arena {
    uint32_t magic;
    struct arena_block *last;
};

/* The header keeps what follows aligned. */
#define HEADER_BYTES ROUND_UP(sizeof(struct arena_block), ARENA_ALIGN)

static void
add_block(struct arena *a, size_t bytes)
{
    struct arena_block *b = xrealloc(NULL, HEADER_BYTES + bytes);

    b->former = a->last;
    b->used = 0;
    b->bytes = bytes;
    a->last = b;
    debug_hide((char *)b + HEADER_BYTES, bytes);
}

static void
drop_last(struct arena *a)
{
    struct arena_block *b = a->last;

    a->last = b->former;
    debug_show((char *)b + HEADER_BYTES, b->bytes);
    free(b);
}

struct arena *
arena_new(size_t first_block_bytes)
{
    struct arena *a = xcalloc(1, sizeof *a);

    a->magic = ARENA_MAGIC;
    add_block(a, ROUND_UP(MAX(first_block_bytes, ARENA_ALIGN), ARENA_ALIGN));
    return a;
}

void
arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    CHECK(a, ARENA_MAGIC);
    while (a->last != NULL)
        drop_last(a);
    a->magic = 0;
    free(a);
}

void *
arena_alloc(struct arena *a, size_t bytes)
{
    struct arena_block *b = a->last;
    void *p;

    ASSERT(bytes <= SIZE_MAX / 4);
    bytes = ROUND_UP(bytes, ARENA_ALIGN);
    if (unlikely(b->bytes - b->used < bytes)) {
        add_block(a, MAX(2 * b->bytes, bytes));
        b = a->last;
    }
    p = (char *)b + HEADER_BYTES + b->used;
    b->used += bytes;
    debug_show(p, bytes);
    return p;
}

void
arena_reset(struct arena *a)
{
    CHECK(a, ARENA_MAGIC);
    while (a->last->former != NULL)
        drop_last(a);
    a->last->used = 0;
    debug_hide((char *)a->last + HEADER_BYTES, a->last->bytes);
}
