/* SPDX-License-Identifier: BSD-3-Clause */
/* debug.c - the checks of the debug allocator, and nothing of them elsewhere.
 *
 * --enable-debug-alloc: each chunk has a state (never handed out, free, or the
 * number of bytes asked for), a canary behind the bytes asked for, and poison
 * instead of its contents while it is free. So these are seen, and end the
 * process with a report:
 *
 *   freed twice, or never allocated     at the release
 *   written beyond the bytes asked for  at the release
 *   written after the release           when the chunk is handed out again
 *
 * and slab_free() lists what is still allocated.
 *
 * AddressSanitizer is told about extents, pool objects and arenas. Not about
 * chunks: a reader without a lock may look at a chunk that was freed a moment
 * ago, and throws away what it saw. Only where locks replace the line versions
 * (ASHLAR_SEQLOCK_LOCKED) are there no such readers, and then chunks are hidden
 * too, apart from the first 8 bytes, which walks over a page read.
 */
#include "slab/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>

void
debug_hide(void *p, size_t bytes)
{
    ASAN_POISON_MEMORY_REGION(p, bytes);
}

void
debug_show(void *p, size_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
}
#endif

#ifdef ASHLAR_DEBUG_ALLOC

#ifdef ASHLAR_SEQLOCK_LOCKED
#define hide_chunk(p, bytes) debug_hide(p, bytes)
#define show_chunk(p, bytes) debug_show(p, bytes)
#else
#define hide_chunk(p, bytes) ((void)0)
#define show_chunk(p, bytes) ((void)0)
#endif

/* States; everything in between is the number of bytes asked for. */
#define NEVER_USED 0
#define IS_FREE UINT16_MAX

#define POISON 0xdd /* what a free chunk holds beyond its first 8 bytes */
#define CANARY 0xca /* behind what was asked for */
#define FRESH 0xbd  /* what a new chunk holds beyond its first 4 bytes */

/* No two chunks start in the same 16 bytes. */
#define GRANULE 16

static __attribute__((noreturn, format(printf, 1, 2))) void
report(const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_error("slab: %s", text);
    abort();
}

static uint16_t *
state_of(const struct slab *s, uint32_t handle)
{
    return &s->debug[handle_offset(handle) / GRANULE];
}

/* Offset of the first byte in [from, to) that is not `byte`, or `to`. */
static size_t
first_other(const char *p, size_t from, size_t to, int byte)
{
    while (from < to && (unsigned char)p[from] == byte)
        from++;
    return from;
}

void
debug_open(struct slab *s)
{
    s->debug = map_table(s->region.bytes / GRANULE * sizeof *s->debug);
}

static void
report_leaks(const struct slab *s)
{
    struct slab_class_stats c;
    size_t extents = LOAD(&s->budget.extents);
    unsigned i;

    for (i = 0; slab_class_stats(s, i, &c); i++)
        if (c.chunks_live > 0)
            log_warn("slab: leak class=%u chunk_bytes=%zu chunks=%zu", i,
                c.chunk_bytes, c.chunks_live);
    if (extents > 0)
        log_warn(
            "slab: leak extents=%zu bytes=%zu", extents, extent_live_bytes(s));
}

/* Depots first: their chunks are free. */
static void
empty_depots(struct slab *s)
{
    unsigned i;

    for (i = 0; i < s->n_classes; i++) {
        spin_lock(&s->classes[i].lock);
        class_empty_depot(s, &s->classes[i]);
        spin_unlock(&s->classes[i].lock);
    }
}

void
debug_close(struct slab *s)
{
    size_t bytes = s->region.bytes / GRANULE * sizeof *s->debug;

    empty_depots(s);
    report_leaks(s);
    debug_show(s->region.base, LOAD(&s->super_limit) * super_bytes(s));
    munmap(s->debug, ROUND_UP(bytes, 4 * KIB));
}

void
debug_page(struct slab *s, size_t offset, size_t bytes)
{
    show_chunk(s->region.base + offset, bytes);
    memset(&s->debug[offset / GRANULE], NEVER_USED,
        bytes / GRANULE * sizeof *s->debug);
}

static void
check_poison(const char *p, uint32_t handle, size_t chunk_bytes)
{
    size_t at = first_other(p, 8, chunk_bytes, POISON);

    if (at == chunk_bytes && first_other(p, 0, 4, 0) == 4)
        return;
    report("chunk handle=%u bytes=%zu was written after its release, at "
           "offset %zu",
        handle, chunk_bytes, at == chunk_bytes ? 0 : at);
}

void
debug_alloc(struct slab *s, uint32_t handle, size_t chunk_bytes, size_t asked)
{
    uint16_t *state = state_of(s, handle);
    char *p = slab_ptr(s, handle);

    show_chunk(p, chunk_bytes);
    if (*state == IS_FREE)
        check_poison(p, handle, chunk_bytes);
    else if (*state != NEVER_USED)
        report("chunk handle=%u was handed out twice", handle);
    *state = (uint16_t)asked;
    if (asked > 4)
        memset(p + 4, FRESH, asked - 4);
    memset(p + MAX(asked, 4), CANARY, chunk_bytes - MAX(asked, 4));
}

/* The chunk is in use, and nobody wrote beyond what was asked for. */
static void
check_live(struct slab *s, uint32_t handle, size_t chunk_bytes)
{
    size_t asked = *state_of(s, handle), at;

    if (asked == NEVER_USED)
        report("release of handle=%u, which was never allocated", handle);
    if (asked == IS_FREE)
        report(
            "chunk handle=%u bytes=%zu is released twice", handle, chunk_bytes);
    at = first_other(
        slab_ptr(s, handle), MAX(asked, 4), chunk_bytes, CANARY);
    if (at < chunk_bytes)
        report("chunk handle=%u was written beyond its %zu bytes, at offset "
               "%zu",
            handle, asked, at);
}

void
debug_refit(struct slab *s, uint32_t handle, size_t chunk_bytes, size_t asked)
{
    char *p = slab_ptr(s, handle);

    check_live(s, handle, chunk_bytes);
    *state_of(s, handle) = (uint16_t)asked;
    memset(p + MAX(asked, 4), CANARY, chunk_bytes - MAX(asked, 4));
}

void
debug_release(struct slab *s, uint32_t handle, size_t chunk_bytes)
{
    uint16_t *state = state_of(s, handle);
    char *p = slab_ptr(s, handle);

    check_live(s, handle, chunk_bytes);
    memset(p + 8, POISON, chunk_bytes - 8);
    hide_chunk(p + 8, chunk_bytes - 8);
    *state = IS_FREE;
}

void
debug_object_get(const char *pool, void *object, size_t bytes)
{
    size_t at = first_other(object, sizeof(void *), bytes, POISON);

    if (at < bytes)
        report("object of pool %s was written after it was put back, at "
               "offset %zu",
            pool, at);
}

void
debug_object_put(const char *pool, void *object, size_t bytes)
{
    size_t at = sizeof(void *);

    if (first_other(object, at, bytes, POISON) == bytes)
        report("object of pool %s is put back twice", pool);
    memset((char *)object + at, POISON, bytes - at);
}

#endif
