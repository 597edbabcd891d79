/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_segment.c - the segments of a directory: made, filled, put in the place
 * of others and given up. When that is to be done hash_directory_edit.c knows.
 *
 * What readers may be looking at stays until the edit ends: a segment is built
 * beside the one there is and takes its place in the directory while the line
 * version is odd. Any thread, under the partition's lock.
 */
#include "keyspace/hash_segment.h"

#define MOST_BYTES                                                             \
    ((size_t)UINT32_MAX - GIB) /* of a hash: see item_extent_ref */

struct segment
segment_at(const struct hash_edit *e, uint32_t place)
{
    struct slab *slab = e->t->slab;
    uint32_t extent = e->dir->segment[place];

    return (struct segment){
        extent, (struct hash_table *)(void *)extent_ptr(slab, extent)};
}

void
segment_choose(struct hash_edit *e, const struct segment *s)
{
    e->segment = s->extent;
    e->table = s->table;
}

/* ---- extents that are not needed any more -------------------------------- */

/* Readers may know it, and the caller's strings may be in it. */
void
segment_drop(struct hash_edit *e, uint32_t extent, uint32_t *link)
{
    e->dir->bytes -= extent_committed(e->t->slab, extent);
    if (e->mode == EDIT_NEW_TABLE) {
        extent_unpin(e->t->slab, extent);
        return;
    }
    *link = e->dropped;
    e->dropped = extent;
}

void
hdir_release(struct hash_edit *e)
{
    while (e->dropped != 0) {
        uint32_t extent = e->dropped;
        void *at = extent_ptr(e->t->slab, extent);

        e->dropped = *(uint8_t *)at == FORM_DIRECTORY
            ? ((struct hash_directory *)at)->dropped
            : ((struct hash_table *)at)->dropped;
        extent_unpin(e->t->slab, extent);
    }
}

/* ---- segments ------------------------------------------------------------ */

/* An empty segment for some fields of `log` bytes. */
bool
segment_new(struct hash_edit *e, uint64_t n, size_t log, unsigned depth,
    bool deadlines, struct segment *out)
{
    unsigned bits = htable_bits(n);
    size_t least, room = SEGMENT_BYTES;

    if (depth < DIRECTORY_BITS)
        bits = MIN(bits, SEGMENT_BITS);
    least = htable_size(bits, log);
    if (least > SEGMENT_BYTES)
        room = MIN(ROUND_UP(least + log / 4, 4 * KIB), KS_MAX_VALUE);
    if (e->dir->bytes + room > MOST_BYTES) {
        e->status = KS_TOO_LARGE;
        return false;
    }
    if (!edit_new_extent(e, room, least, &out->extent))
        return false;
    out->table =
        (struct hash_table *)(void *)extent_ptr(e->t->slab, out->extent);
    htable_init(out->table, bits, room, deadlines);
    out->table->depth = (uint8_t)depth;
    return true;
}

/* Put the entries of a segment into one, or into two by the next bit. */
void
segment_distribute(struct hash_edit *e, const struct segment *from,
    const struct segment *to, unsigned n_to)
{
    struct table_entry entry;
    struct table_view v;

    htable_open(from->table, from->table->log_end, &v);
    for (uint32_t i = 0; i < v.n_slots; i++) {
        uint64_t hash;

        if (!htable_slot(&v, i, &entry))
            continue;
        if (entry.expire_ms <= e->u.now_ms) {
            e->n_expired++;
            continue;
        }
        hash = htable_hash(&e->t->ks->seed, &entry.name);
        htable_add(to[n_to == 2 ? hash << v.depth >> 63 : 0].table, hash,
            &entry.name, &entry.value, entry.expire_ms);
    }
}

/* Count what segments hold for the directory, 1, or do not any more, -1. */
void
segment_count(struct hash_edit *e, const struct segment *s, int sign)
{
    struct hash_directory *d = e->dir;
    const struct hash_table *t = s->table;

    d->n += (uint32_t)sign * t->n;
    d->n_expiring += (uint32_t)sign * t->n_expiring;
    if (sign < 0)
        return;
    d->bytes += extent_committed(e->t->slab, s->extent);
    d->finest = (uint8_t)MAX(d->finest, t->depth + t->slot_bits);
    if (t->n_expiring > 0)
        d->swept_earliest = MIN(d->swept_earliest, t->earliest);
}

/* Segments take the place of others, at the same places of the directory. */
void
segment_install(struct hash_edit *e, uint32_t place, const struct segment *from,
    unsigned n_from, const struct segment *to, unsigned n_to)
{
    struct hash_directory *d = e->dir;
    uint32_t handle = e->mode == EDIT_TABLE ? e->u.handle : 0;
    uint32_t n = (uint32_t)1 << (d->depth - to[0].table->depth); /* of each */

    place &= ~(n * n_to - 1);
    edit_begin_writing(e);
    for (unsigned i = 0; i < n_to; i++) {
        const struct hash_table *t = to[i].table;

        for (uint32_t k = 0; k < n; k++)
            __atomic_store_n(
                &d->segment[place++], to[i].extent, __ATOMIC_RELAXED);
        extent_trim(e->t->slab, to[i].extent, t->log_end + KEEP_COMMITTED);
        extent_set_owner(e->t->slab, to[i].extent, handle);
        segment_count(e, &to[i], 1);
    }
    for (unsigned i = 0; i < n_from; i++) {
        segment_count(e, &from[i], -1);
        segment_drop(e, from[i].extent, &from[i].table->dropped);
    }
    segment_choose(e, &to[0]);
}

/* Bytes of the log of a segment without what is dead. */
size_t
segment_live_bytes(const struct hash_table *t, bool deadlines)
{
    size_t live = t->live_bytes;

    if (deadlines && !(t->form & FORM_DEADLINES))
        live += (size_t)t->n * ROUND_UP(DEADLINE_BYTES, 4);
    return live;
}
