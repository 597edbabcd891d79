/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_segment.h - segments of a directory while an edit changes it, for
 * hash_segment.c and hash_directory_edit.c.
 */
#pragma once

#include "keyspace/hash_edit.h"

#define KEEP_COMMITTED (16 * KIB) /* not worth a system call */

struct segment {
    uint32_t extent;
    struct hash_table *table;
};

/* The one at a place of the directory. */
struct segment segment_at(const struct hash_edit *e, uint32_t place);
/* It becomes the edit's table. */
void segment_choose(struct hash_edit *e, const struct segment *s);

/* Free an extent, of a segment or a former directory, at the end of the edit:
 * readers may know it, and the caller's strings may be in it. `link` is in
 * it. */
void segment_drop(struct hash_edit *e, uint32_t extent, uint32_t *link);

/* An empty one for some fields of `log` bytes. False: e->status says why. */
bool segment_new(struct hash_edit *e, uint64_t n, size_t log, unsigned depth,
    bool deadlines, struct segment *out);
/* Put the entries of one into another, or into two by the next bit. */
void segment_distribute(struct hash_edit *e, const struct segment *from,
    const struct segment *to, unsigned n_to);
/* Count what one holds for the directory, 1, or does not any more, -1. */
void segment_count(struct hash_edit *e, const struct segment *s, int sign);
/* Some take the place of others, at the same places of the directory. */
void segment_install(struct hash_edit *e, uint32_t place,
    const struct segment *from, unsigned n_from, const struct segment *to,
    unsigned n_to);
/* Bytes of the log without what is dead, and with room for deadlines. */
size_t segment_live_bytes(const struct hash_table *t, bool deadlines);
