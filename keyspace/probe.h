/* SPDX-License-Identifier: BSD-3-Clause */
/* probe.h - how a look-up goes through the lines of the index.
 *
 * Inline, so that what a reader does with an item becomes part of the loop. For
 * index.c, where the layout is described, and the read path of read.c. Any
 * thread.
 */
#pragma once

#include "keyspace/internal.h"
#include "keyspace/lanes.h"

/* ---- geometry ------------------------------------------------------------------ */

static inline uint32_t
scale(uint64_t hash, uint32_t n_lines)
{
    return (uint32_t)(((unsigned __int128)(hash << 8) * n_lines) >> 64);
}

static inline uint32_t
home_line(const struct partition *p, uint64_t hash)
{
    uint32_t line = scale(hash,
        atomic_load_explicit(&p->n_old, memory_order_relaxed));

    if (line >= atomic_load_explicit(&p->frontier, memory_order_relaxed))
        line = scale(hash,
            atomic_load_explicit(&p->n_new, memory_order_relaxed));
    return line;
}

/* ---- one line -------------------------------------------------------------------- */

static inline uint8_t
tag_of(uint64_t hash)
{
    return (uint8_t)hash;
}

/* One bit per slot whose tag is `tag`; free slots may be among them. */
static inline unsigned
match_tags(const struct index_line *line, uint8_t tag)
{
    return lanes_equal(line->tag, tag) & ((1u << LINE_SLOTS) - 1);
}

static inline uint32_t
slot_handle(const struct index_line *line, unsigned slot)
{
    return atomic_load_explicit(&line->handle[slot], memory_order_relaxed);
}

/* ---- reading without a lock ---------------------------------------------------------- */

#ifndef ASHLAR_SEQLOCK_LOCKED

enum probe { PROBE_FOUND, PROBE_ABSENT, PROBE_AGAIN };

static inline bool
line_unchanged(const struct index_line *line, uint32_t version)
{
    read_fence(memory_order_acquire);
    return atomic_load_explicit(&line->version, memory_order_relaxed) ==
        version;
}

static inline __attribute__((always_inline)) enum probe
probe_line(const struct index *ix, const struct index_line *line, uint8_t tag,
    index_visit_fn visit, void *ctx, uint8_t *overflow)
{
    uint32_t version = atomic_load_explicit(&line->version,
        memory_order_acquire);

    if (version & 1)
        return PROBE_AGAIN;
    for (unsigned m = match_tags(line, tag); m != 0; m &= m - 1) {
        uint32_t handle = slot_handle(line, (unsigned)__builtin_ctz(m));

        if (handle == 0 || !visit(ctx, slab_ptr(ix->slab, handle), handle))
            continue;
        return line_unchanged(line, version) ? PROBE_FOUND : PROBE_AGAIN;
    }
    *overflow = line->overflow;
    return line_unchanged(line, version) ? PROBE_ABSENT : PROBE_AGAIN;
}

static inline __attribute__((always_inline)) enum probe
probe_partition(const struct index *ix, const struct partition *p, uint64_t hash,
    index_visit_fn visit, void *ctx)
{
    uint32_t geometry = atomic_load_explicit(&p->geometry,
        memory_order_acquire);
    const struct index_line *line;
    uint8_t overflow, ignored;
    enum probe found;

    if (geometry & 1)
        return PROBE_AGAIN;
    line = partition_line(p, home_line(p, hash));
    found = probe_line(ix, line, tag_of(hash), visit, ctx, &overflow);
    if (found != PROBE_ABSENT)
        return found;
    for (unsigned i = 1; i <= overflow; i++) {
        line = next_line(line);
        found = probe_line(ix, line, tag_of(hash), visit, ctx, &ignored);
        if (found != PROBE_ABSENT)
            return found;
    }
    read_fence(memory_order_acquire);
    return atomic_load_explicit(&p->geometry, memory_order_relaxed) == geometry
        ? PROBE_ABSENT : PROBE_AGAIN;
}

#endif
