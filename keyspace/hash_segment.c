/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_segment.c - directories as they change: a segment that is full is parted
 * in two, or built anew when much of it is dead; two that hold little become
 * one. Nothing takes longer than to build two segments, however large the hash
 * is, but where values are large.
 *
 * What readers may be looking at stays until the edit ends: a segment is built
 * beside the one there is and takes its place in the directory while the line
 * version is odd. The first change of an edit fails when there is no memory,
 * and then nothing has changed; those after it take what they need, so that an
 * edit is not seen half. Any thread, under the partition's lock.
 */
#include "keyspace/hash_edit.h"

#define KEEP_COMMITTED (16 * KIB) /* not worth a system call */
#define MOST_BYTES                                                             \
    ((size_t)UINT32_MAX - GIB) /* of a hash: see item_extent_ref */

struct segment {
    uint32_t extent;
    struct hash_table *table;
};

static struct directory_view
view_of(const struct hash_edit *e)
{
    return (struct directory_view){.dir = e->dir, .depth = e->dir->depth};
}

static struct segment
segment_at(const struct hash_edit *e, uint32_t place)
{
    struct slab *slab = e->t->slab;
    uint32_t extent = e->dir->segment[place];

    return (struct segment){
        extent, (struct hash_table *)(void *)extent_ptr(slab, extent)};
}

static void
choose(struct hash_edit *e, const struct segment *s)
{
    e->segment = s->extent;
    e->table = s->table;
}

void
hdir_choose(struct hash_edit *e, uint64_t hash)
{
    struct segment s = segment_at(e, directory_place(e->dir->depth, hash));

    choose(e, &s);
}

/* ---- extents that are not needed any more -------------------------------- */

/* Readers may know it, and the caller's strings may be in it. */
static void
drop(struct hash_edit *e, uint32_t extent, uint32_t *link)
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

/* ---- the directory ------------------------------------------------------- */

/* An empty directory in an extent. */
static struct hash_directory *
new_directory(struct hash_edit *e, unsigned depth, uint32_t *extent)
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

/* A directory of twice the size in another extent: the item hears of it when
 * the edit ends. */
static bool
double_directory(struct hash_edit *e)
{
    struct hash_directory *was = e->dir, *d;
    uint32_t extent;

    d = new_directory(e, was->depth + 1u, &extent);
    if (d == NULL)
        return false;
    *d = *was;
    d->depth++;
    for (uint32_t i = 0; i >> was->depth == 0; i++)
        d->segment[2 * i] = d->segment[2 * i + 1] = was->segment[i];
    d->bytes += extent_committed(e->t->slab, extent);
    edit_begin_writing(e);
    e->dir = d;
    drop(e, e->extent, &was->dropped);
    e->extent = extent;
    return true;
}

/* ---- segments ------------------------------------------------------------ */

/* An empty segment for some fields of `log` bytes. */
static bool
new_segment(struct hash_edit *e, uint64_t n, size_t log, unsigned depth,
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
static void
distribute(struct hash_edit *e, const struct segment *from,
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
static void
count_segment(struct hash_edit *e, const struct segment *s, int sign)
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
static void
install(struct hash_edit *e, uint32_t place, const struct segment *from,
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
        count_segment(e, &to[i], 1);
    }
    for (unsigned i = 0; i < n_from; i++) {
        count_segment(e, &from[i], -1);
        drop(e, from[i].extent, &from[i].table->dropped);
    }
    choose(e, &to[0]);
}

/* Bytes of the log of a segment without what is dead. */
static size_t
live_bytes(const struct hash_table *t, bool deadlines)
{
    size_t live = t->live_bytes;

    if (deadlines && !(t->form & FORM_DEADLINES))
        live += (size_t)t->n * ROUND_UP(DEADLINE_BYTES, 4);
    return live;
}

/* Build the chosen segment anew, for one more entry of `bytes`; twice as many
 * fields may come. */
static bool
renew(struct hash_edit *e, uint32_t place, size_t bytes, bool deadlines)
{
    struct segment from = {e->segment, e->table}, to;
    size_t live = live_bytes(e->table, deadlines);

    if (!new_segment(e, 2 * (uint64_t)e->table->n, live + bytes,
            e->table->depth, deadlines, &to))
        return false;
    distribute(e, &from, &to, 1);
    install(e, place, &from, 1, &to, 1);
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

    live[0] = live[1] = live_bytes(t, deadlines);
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
        if (new_segment(e, from.table->n, live[i], depth, deadlines, &to[i]))
            continue;
        if (i == 1)
            extent_unpin(e->t->slab, to[0].extent);
        return false;
    }
    distribute(e, &from, to, 2);
    install(e, place, &from, 1, to, 2);
    return true;
}

/* Whether a segment that is full is to be parted, rather than built anew for
 * one more entry of `bytes`. */
static bool
is_to_be_parted(const struct hash_edit *e, size_t bytes, bool deadlines)
{
    const struct hash_table *t = e->table;
    unsigned bits = htable_bits(t->n + 1u);
    size_t size = htable_size(bits, live_bytes(t, deadlines) + bytes);

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

bool
hdir_make(struct hash_edit *e, bool deadlines)
{
    struct segment first;
    uint32_t extent;
    struct hash_directory *d = new_directory(e, 0, &extent);
    struct hash_directory *was = e->dir;

    if (d == NULL)
        return false;
    e->dir = d;
    d->bytes = extent_committed(e->t->slab, extent);
    if (!new_segment(e, UINT64_C(1) << SEGMENT_BITS >> 1, 4 * KIB, 0, deadlines,
            &first)) {
        e->dir = was;
        extent_unpin(e->t->slab, extent);
        return false;
    }
    e->extent = extent;
    d->segment[0] = first.extent;
    count_segment(e, &first, 1);
    choose(e, &first);
    return true;
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
    live = live_bytes(from[0].table, deadlines) +
        live_bytes(from[1].table, deadlines);
    if (!new_segment(e, 2 * ((uint64_t)from[0].table->n + from[1].table->n),
            live + live / 2, depth - 1, deadlines, &to))
        return false;
    distribute(e, &from[0], &to, 1);
    distribute(e, &from[1], &to, 1);
    install(e, place, from, 2, &to, 1);
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
    drop(e, extent, &e->dir->dropped);
    choose(e, &first);
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
    struct directory_view v = view_of(e);

    if (d->sweep_at == 0)
        d->swept_earliest = KS_NO_EXPIRY;
    for (unsigned i = 0; i < SWEEP_LOOKS && place >> d->depth == 0; i++) {
        struct table_view table;
        struct segment s = segment_at(e, place);
        bool due = s.table->earliest <= e->u.now_ms;

        choose(e, &s);
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
