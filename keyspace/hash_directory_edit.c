/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_directory_edit.c - directories as they change: a segment that is full is
 * parted in two, or built anew when much of it is dead; two that hold little
 * become one; and the sweep. Nothing takes longer than to build two segments,
 * however large the hash is, but where values are large.
 *
 * The first change of an edit fails when there is no memory, and then nothing
 * has changed; those after it take what they need, so that an edit is not seen
 * half. Any thread, under the partition's lock.
 */
#include "keyspace/hash_segment.h"

void
hdir_choose(struct hash_edit *e, uint64_t hash)
{
    struct segment s = segment_at(e, directory_place(e->dir->depth, hash));

    segment_choose(e, &s);
}

/* ---- the directory ------------------------------------------------------- */

/* An empty directory in an extent. */
static struct hash_directory *
directory_new(struct hash_edit *e, unsigned depth, uint32_t *extent)
{
    size_t size = directory_size(depth);
    struct hash_directory *d;

    if (!edit_new_extent(e, size, size, extent))
        return NULL;
    d = (struct hash_directory *)(void *)extent_ptr(e->t->slab, *extent);
    *d = (struct hash_directory){.form = FORM_DIRECTORY,
        .depth = (uint8_t)depth,
        .earliest = KS_NO_EXPIRY,
        .swept_earliest = KS_NO_EXPIRY};
    return d;
}

bool
hdir_make(struct hash_edit *e, bool deadlines)
{
    struct segment first;
    uint32_t extent;
    struct hash_directory *d = directory_new(e, 0, &extent);
    struct hash_directory *was = e->dir;

    if (d == NULL)
        return false;
    e->dir = d;
    d->bytes = extent_committed(e->t->slab, extent);
    if (!segment_new(e, UINT64_C(1) << SEGMENT_BITS >> 1, 4 * KIB, 0, deadlines,
            &first)) {
        e->dir = was;
        extent_unpin(e->t->slab, extent);
        return false;
    }
    e->extent = extent;
    d->segment[0] = first.extent;
    segment_count(e, &first, 1);
    segment_choose(e, &first);
    return true;
}

/* A directory of twice the size in another extent: the item hears of it when
 * the edit ends. */
static bool
double_directory(struct hash_edit *e)
{
    struct hash_directory *was = e->dir, *d;
    uint32_t extent;

    d = directory_new(e, was->depth + 1u, &extent);
    if (d == NULL)
        return false;
    *d = *was;
    d->depth++;
    for (uint32_t i = 0; i >> was->depth == 0; i++)
        d->segment[2 * i] = d->segment[2 * i + 1] = was->segment[i];
    d->bytes += extent_committed(e->t->slab, extent);
    edit_begin_writing(e);
    e->dir = d;
    segment_drop(e, e->extent, &was->dropped);
    e->extent = extent;
    return true;
}

/* ---- getting larger ------------------------------------------------------ */

/* Build the chosen segment anew, for one more entry of `bytes`; twice as many
 * fields may come. */
static bool
renew(struct hash_edit *e, uint32_t place, size_t bytes, bool deadlines)
{
    struct segment from = {e->segment, e->table}, to;
    size_t live = segment_live_bytes(e->table, deadlines);

    if (!segment_new(e, 2 * (uint64_t)e->table->n, live + bytes,
            e->table->depth, deadlines, &to))
        return false;
    segment_distribute(e, &from, &to, 1);
    segment_install(e, place, &from, 1, &to, 1);
    return true;
}

/* Bytes of what either half of a segment gets: at most all, exactly if it is
 * large. */
static void
bytes_of_halves(struct hash_edit *e, const struct hash_table *t, bool deadlines,
    size_t live[2])
{
    size_t more = deadlines && !(t->form & FORM_DEADLINES) ? DEADLINE_BYTES : 0;
    struct table_entry entry;
    struct table_view v;

    live[0] = live[1] = segment_live_bytes(t, deadlines);
    if (live[0] <= SEGMENT_BYTES)
        return;
    live[0] = live[1] = 0;
    htable_open(t, t->log_end, &v);
    for (uint32_t i = 0; i < v.n_slots; i++)
        if (htable_slot(&v, i, &entry))
            live[htable_hash(&e->t->ks->seed, &entry.name) << v.depth >> 63] +=
                ROUND_UP(entry.size + more, 4);
}

/* Part the chosen segment. */
static bool
part(struct hash_edit *e, uint32_t place, bool deadlines)
{
    struct segment from = {e->segment, e->table}, to[2];
    unsigned depth = e->table->depth + 1u;
    size_t live[2];

    if (depth > e->dir->depth) {
        if (!double_directory(e))
            return false;
        place *= 2;
    }
    bytes_of_halves(e, from.table, deadlines, live);
    for (unsigned i = 0; i < 2; i++) {
        if (segment_new(e, from.table->n, live[i], depth, deadlines, &to[i]))
            continue;
        if (i == 1)
            extent_unpin(e->t->slab, to[0].extent);
        return false;
    }
    segment_distribute(e, &from, to, 2);
    segment_install(e, place, &from, 1, to, 2);
    return true;
}

/* Whether a segment that is full is to be parted, rather than built anew for
 * one more entry of `bytes`. */
static bool
is_to_be_parted(const struct hash_edit *e, size_t bytes, bool deadlines)
{
    const struct hash_table *t = e->table;
    unsigned bits = htable_bits(t->n + 1u);
    size_t size = htable_size(bits, segment_live_bytes(t, deadlines) + bytes);

    return t->n >= SEGMENT_FIELDS && t->depth < DIRECTORY_BITS &&
        (bits > SEGMENT_BITS || size > SEGMENT_BYTES / 4 * 3 ||
            t->n + 1u > ((uint32_t)5 << SEGMENT_BITS) / 8);
}

/* Commit so much of the chosen segment. */
static bool
commit(struct hash_edit *e, size_t bytes)
{
    struct slab *slab = e->t->slab;
    size_t before = extent_committed(slab, e->segment);

    if (bytes <= before)
        return true;
    if (!ks_commit_least(e->t, e->segment, bytes)) {
        if (!e->writing) {
            e->status = KS_NO_MEMORY;
            return false;
        }
        extent_commit_force(slab, e->segment, bytes);
    }
    e->dir->bytes += extent_committed(slab, e->segment) - before;
    return true;
}

static bool
make_room(struct hash_edit *e, uint32_t place, size_t bytes, bool deadlines)
{
    uint64_t begun = edit_work_begin(e->table);
    bool done = is_to_be_parted(e, bytes, deadlines)
        ? part(e, place, deadlines)
        : renew(e, place, bytes, deadlines);

    edit_work_end(e, begun);
    return done;
}

bool
hdir_prepare(struct hash_edit *e, uint64_t hash, size_t bytes, bool deadlines)
{
    for (;;) {
        uint32_t place = directory_place(e->dir->depth, hash);
        struct hash_table *t;
        bool needs;

        hdir_choose(e, hash);
        t = e->table;
        if (bytes == 0 && !deadlines)
            return true;
        needs = deadlines && !(t->form & FORM_DEADLINES);
        if (!needs && (bytes == 0 || htable_has_room(t, 1, bytes)))
            return commit(e, t->log_end + bytes);
        deadlines |= t->n_expiring > 0;
        if (!make_room(e, place, bytes, deadlines))
            return false;
    }
}

/* ---- getting smaller ----------------------------------------------------- */

#define FEW_BYTES (SEGMENT_BYTES / 8) /* of a segment that may be joined */

static size_t
size_of_live(const struct hash_table *t)
{
    return htable_size(htable_bits(t->n), t->live_bytes);
}

/* The chosen segment and its neighbour, which has the other half of the same
 * hashes, become one. */
static bool
join(struct hash_edit *e, uint32_t place)
{
    unsigned depth = e->table->depth;
    uint32_t half = (uint32_t)1 << (e->dir->depth - depth);
    struct segment from[2], to;
    size_t live;
    bool deadlines;

    place &= ~(2 * half - 1);
    from[0] = segment_at(e, place);
    from[1] = segment_at(e, place + half);
    if (from[0].table->depth != depth || from[1].table->depth != depth ||
        size_of_live(from[0].table) + size_of_live(from[1].table) >
            2 * FEW_BYTES)
        return false;
    deadlines = from[0].table->n_expiring + from[1].table->n_expiring > 0;
    live = segment_live_bytes(from[0].table, deadlines) +
        segment_live_bytes(from[1].table, deadlines);
    if (!segment_new(e, 2 * ((uint64_t)from[0].table->n + from[1].table->n),
            live + live / 2, depth - 1, deadlines, &to))
        return false;
    segment_distribute(e, &from[0], &to, 1);
    segment_distribute(e, &from[1], &to, 1);
    segment_install(e, place, from, 2, &to, 1);
    return true;
}

static bool
is_mostly_dead(const struct hash_table *t)
{
    size_t log = t->log_end - htable_size(t->slot_bits, 0);

    return log > 4 * t->live_bytes + KEEP_COMMITTED ||
        (size_t)1 << t->slot_bits > 16 * ((size_t)t->n + 16);
}

void
hdir_shrink(struct hash_edit *e, uint32_t place)
{
    bool grows = e->grows;

    e->grows = false; /* also if new values are refused */
    if (!(size_of_live(e->table) < FEW_BYTES && e->table->depth > 0 &&
            join(e, place)) &&
        is_mostly_dead(e->table))
        (void)renew(e, place, 0, e->table->n_expiring > 0);
    e->grows = grows;
    e->status = KS_OK; /* without the memory for it, it stays as it is */
}

void
hdir_collapse(struct hash_edit *e)
{
    struct segment first = segment_at(e, 0);
    uint32_t extent = e->extent;

    if (first.table->depth != 0 || e->mode != EDIT_TABLE)
        return;
    edit_begin_writing(e);
    segment_drop(e, extent, &e->dir->dropped);
    segment_choose(e, &first);
    e->dir = NULL;
    e->extent = first.extent;
}

/* ---- the sweep ----------------------------------------------------------- */

#define SWEEP_LOOKS 64 /* segments looked at, of which one is swept */

bool
hdir_sweep(struct hash_edit *e)
{
    struct hash_directory *d = e->dir;
    uint32_t place = directory_place(d->depth, d->sweep_at);
    struct directory_view v = {.dir = d, .depth = d->depth};

    if (d->sweep_at == 0)
        d->swept_earliest = KS_NO_EXPIRY;
    for (unsigned i = 0; i < SWEEP_LOOKS && place >> d->depth == 0; i++) {
        struct table_view table;
        struct segment s = segment_at(e, place);
        bool due = s.table->earliest <= e->u.now_ms;

        segment_choose(e, &s);
        if (due && edit_sweep_table(e))
            return true; /* there is more of it */
        if (due)
            hdir_shrink(e, place);
        d->swept_earliest = MIN(d->swept_earliest, e->table->earliest);
        edit_view_table(e, &table);
        place = hdir_next(&v, place, &table);
        if (due)
            break;
    }
    if (place >> d->depth != 0) {
        d->sweep_at = 0;
        d->earliest = d->swept_earliest;
        return false;
    }
    d->sweep_at = (uint64_t)place << (63 - d->depth) << 1;
    return true;
}
