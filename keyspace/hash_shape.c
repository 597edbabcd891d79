/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_shape.c - the field names that many hashes have in common: each name is
 * stored once, and each list of names once, as a shape.
 *
 * A shape is found by the hash of its list, which grows by a name at a time, so
 * that a hash that gets one more field finds the shape for it as fast as one
 * that is written whole. Lists that come often become shapes; the others stay
 * inline in their items. Tables and bytes are bounded, and shapes cost more
 * sightings as they get scarce: a flood of names costs packing, not memory.
 *
 * Nobody counts the items of a shape. When shapes are wanted and there is no
 * room, the maintenance thread walks over all items, and who builds an item
 * marks its shape meanwhile; what is unmarked at the end, under all locks, has
 * no item. Nobody can find it from then on. Readers may still look at the
 * record: it is freed a second later at the earliest, when no thread is within
 * the same hash_enter() any more.
 *
 * Finding takes no lock; learning and giving up take one that learners only
 * try.
 */
#include "keyspace/hash_form.h"

#include <stdlib.h>

#define MAX_SHAPES 4096
#define MAX_BYTES ((size_t)2 << 20) /* of records and names */
#define MAX_NAME 128                /* a longer name stays inline */
#define TABLE_SLOTS 8192
#define DROPPED 1       /* a slot that is free, but ends no search */
#define NAME_SLOTS 4096 /* chains of names */
#define CANDIDATE_SETS 512
#define CANDIDATE_WAYS 4
#define SIGHTINGS 4
#define GRACE_US 1000000
#define WALK_PERIOD_US 10000000

struct candidate {
    uint64_t hash;
    uint32_t seen;
};

/* The struct of a name and where its chain goes on. */
struct name_entry {
    struct name_entry *next;
    struct hash_name name;
};

struct hash_shapes {
    _Atomic(struct hash_shape *) by_id[MAX_SHAPES];
    _Atomic uint32_t slot[TABLE_SLOTS];   /* 16 hash bits | id + 2; 0: free */
    struct name_entry *names[NAME_SLOTS]; /* these: [lock] */
    struct candidate candidate[CANDIDATE_SETS][CANDIDATE_WAYS];
    uint16_t free_id[MAX_SHAPES];
    uint32_t n_free;
    uint32_t n_used_ids; /* ids ever given */
    struct slab *slab;
    const struct hash_seed *seed;
    _Atomic uint32_t lock;
    _Atomic uint32_t n_shapes; /* [lock] writes */
    _Atomic size_t bytes;      /* [lock] writes: of records and names */
    _Atomic bool wanted;       /* somebody found no room */
    /* [maintenance] */
    struct hash_shape *retired[MAX_SHAPES]; /* to be freed */
    uint32_t n_retired;
    uint64_t retired_us, walked_us;
    struct reclaim walk;
};

/* ---- set-up -------------------------------------------------------------- */

struct hash_shapes *
hash_shapes_new(struct slab *slab, const struct hash_seed *seed)
{
    struct hash_shapes *hs = xcalloc(1, sizeof(*hs));

    hs->slab = slab;
    hs->seed = seed;
    slab_charge_to(slab, SLAB_HASH_SHAPES, sizeof(*hs));
    return hs;
}

static void
lock_shapes(struct hash_shapes *hs)
{
    while (atomic_exchange_explicit(&hs->lock, 1, memory_order_acquire) != 0)
        cpu_relax();
}

static void
unlock_shapes(struct hash_shapes *hs)
{
    atomic_store_explicit(&hs->lock, 0, memory_order_release);
}

size_t
hash_shapes_bytes(const struct hash_shapes *hs)
{
    return sizeof(*hs) + atomic_load_explicit(&hs->bytes, memory_order_relaxed);
}

size_t
hash_shapes_count(const struct hash_shapes *hs)
{
    return atomic_load_explicit(&hs->n_shapes, memory_order_relaxed);
}

static size_t
shape_bytes(uint32_t n)
{
    return sizeof(struct hash_shape) + n * sizeof(struct hash_name *);
}

static void
count_bytes(struct hash_shapes *hs, size_t more, size_t less)
{
    size_t bytes = atomic_load_explicit(&hs->bytes, memory_order_relaxed);

    atomic_store_explicit(
        &hs->bytes, bytes + more - less, memory_order_relaxed);
    if (more > 0)
        slab_charge_to(hs->slab, SLAB_HASH_SHAPES, more);
    if (less > 0)
        slab_uncharge_from(hs->slab, SLAB_HASH_SHAPES, less);
}

/* ---- names: all under the lock ------------------------------------------- */

static size_t
name_bytes(size_t len)
{
    return sizeof(struct name_entry) + len;
}

static const struct hash_name *
take_name(struct hash_shapes *hs, struct str text)
{
    uint64_t hash = hash_bytes(hs->seed, text.p, text.len);
    struct name_entry **chain = &hs->names[hash % NAME_SLOTS];
    struct name_entry *e;

    for (e = *chain; e != NULL; e = e->next) {
        if (e->name.hash == hash && e->name.len == text.len &&
            memcmp(e->name.text, text.p, text.len) == 0) {
            e->name.refs++;
            return &e->name;
        }
    }
    e = xcalloc(1, name_bytes(text.len));
    e->next = *chain;
    e->name.hash = hash;
    e->name.refs = 1;
    e->name.len = (uint32_t)text.len;
    memcpy(e->name.text, text.p, text.len);
    *chain = e;
    count_bytes(hs, name_bytes(text.len), 0);
    return &e->name;
}

static void
drop_name(struct hash_shapes *hs, const struct hash_name *name)
{
    struct name_entry **at = &hs->names[name->hash % NAME_SLOTS];

    while (&(*at)->name != name)
        at = &(*at)->next;
    if (--(*at)->name.refs == 0) {
        struct name_entry *gone = *at;

        *at = gone->next;
        count_bytes(hs, 0, name_bytes(gone->name.len));
        free(gone);
    }
}

static void
free_shape(struct hash_shapes *hs, struct hash_shape *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        drop_name(hs, s->name[i]);
    count_bytes(hs, 0, shape_bytes(s->n));
    free(s);
}

void
hash_shapes_free(struct hash_shapes *hs)
{
    for (uint32_t i = 0; i < MAX_SHAPES; i++)
        if (hs->by_id[i] != NULL)
            free_shape(hs, hs->by_id[i]);
    for (uint32_t i = 0; i < hs->n_retired; i++)
        free_shape(hs, hs->retired[i]);
    slab_uncharge_from(hs->slab, SLAB_HASH_SHAPES, sizeof(*hs));
    free(hs);
}

/* ---- look-up ------------------------------------------------------------- */

const struct hash_shape *
hash_shape_of(const struct hash_shapes *hs, uint32_t id)
{
    /* acquire: pairs with publish_shape() */
    return likely(id < MAX_SHAPES)
        ? atomic_load_explicit(&hs->by_id[id], memory_order_acquire)
        : NULL;
}

static uint64_t
hash_of_names(const struct hash_shapes *hs, const struct str *name, uint32_t n)
{
    uint64_t h = n;

    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ hash_bytes(hs->seed, name[i].p, name[i].len)) *
            0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static bool
has_names(const struct hash_shape *s, const struct str *name, uint32_t n)
{
    if (s->n != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!str_eq(shape_name(s, i), name[i]))
            return false;
    return true;
}

static struct hash_shape *
find_shape(const struct hash_shapes *hs, uint64_t hash, const struct str *name,
    uint32_t n)
{
    for (uint32_t i = 0; i < TABLE_SLOTS; i++) {
        uint32_t slot = atomic_load_explicit(
            &hs->slot[(hash + i) % TABLE_SLOTS], memory_order_acquire);
        struct hash_shape *s;

        if (slot == 0)
            return NULL;
        if (slot == DROPPED || slot >> 16 != hash >> 48)
            continue;
        s = atomic_load_explicit(
            &hs->by_id[(slot & 0xffff) - 2], memory_order_acquire);
        if (s != NULL && s->hash == hash && has_names(s, name, n))
            return s;
    }
    return NULL;
}

/* ---- learning: under the lock -------------------------------------------- */

/* Whether the list has been seen often enough by now. */
static bool
count_sighting(struct hash_shapes *hs, uint64_t hash)
{
    struct candidate *way = hs->candidate[hash / 64 % CANDIDATE_SETS];
    struct candidate *least = way;
    uint32_t wanted = (uint32_t)SIGHTINGS
        << 4 * hash_shapes_count(hs) / MAX_SHAPES;

    for (unsigned i = 0; i < CANDIDATE_WAYS; i++) {
        if (way[i].hash == hash) {
            if (++way[i].seen < wanted)
                return false;
            way[i] = (struct candidate){0};
            return true;
        }
        if (way[i].seen < least->seen)
            least = &way[i];
    }
    /* what is seen often outlives any number of lists seen once */
    if (least->seen > 1)
        least->seen--;
    else
        *least = (struct candidate){hash, 1};
    return false;
}

static struct hash_shape *
make_shape(
    struct hash_shapes *hs, uint64_t hash, const struct str *name, uint32_t n)
{
    struct hash_shape *s = xcalloc(1, shape_bytes(n));

    count_bytes(hs, shape_bytes(n), 0);
    s->hash = hash;
    s->n = n;
    atomic_store_explicit(&s->used, true, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++) {
        s->name[i] = take_name(hs, name[i]);
        s->tag[i] = name_tag(name[i].p, name[i].len);
    }
    return s;
}

static void
publish_shape(struct hash_shapes *hs, struct hash_shape *s)
{
    uint64_t at = s->hash;
    uint32_t slot;

    s->id = hs->n_free > 0 ? hs->free_id[--hs->n_free] : hs->n_used_ids++;
    atomic_store_explicit(&hs->by_id[s->id], s, memory_order_release);
    while ((slot = atomic_load_explicit(
                &hs->slot[at % TABLE_SLOTS], memory_order_relaxed)) != 0 &&
        slot != DROPPED)
        at++;
    atomic_store_explicit(&hs->slot[at % TABLE_SLOTS],
        (uint32_t)(s->hash >> 48) << 16 | (s->id + 2), memory_order_release);
    atomic_fetch_add_explicit(&hs->n_shapes, 1, memory_order_relaxed);
}

static bool
may_learn(const struct str *name, uint32_t n)
{
    if (n == 0 || n > SHAPE_FIELDS)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (name[i].len > MAX_NAME)
            return false;
    return true;
}

static bool
has_room(const struct hash_shapes *hs)
{
    return (hs->n_free > 0 || hs->n_used_ids < MAX_SHAPES) &&
        hash_shapes_bytes(hs) - sizeof(*hs) < MAX_BYTES;
}

static struct hash_shape *
learn(struct hash_shapes *hs, uint64_t hash, const struct str *name, uint32_t n)
{
    struct hash_shape *s = NULL;

    if (atomic_exchange_explicit(&hs->lock, 1, memory_order_acquire) != 0)
        return NULL;
    if (count_sighting(hs, hash)) {
        s = find_shape(hs, hash, name, n); /* another may have been faster */
        if (s == NULL && has_room(hs)) {
            s = make_shape(hs, hash, name, n);
            publish_shape(hs, s);
        }
        if (s == NULL)
            atomic_store_explicit(&hs->wanted, true, memory_order_relaxed);
    }
    unlock_shapes(hs);
    return s;
}

const struct hash_shape *
hash_shape_get(struct hash_shapes *hs, const struct str *name, uint32_t n)
{
    const struct hash_shape *s;
    uint64_t hash;

    if (!may_learn(name, n))
        return NULL;
    hash = hash_of_names(hs, name, n);
    s = find_shape(hs, hash, name, n);
    return s != NULL ? s : learn(hs, hash, name, n);
}

static void
use_shape(struct hash_shape *s)
{
    if (unlikely(!atomic_load_explicit(&s->used, memory_order_relaxed)))
        atomic_store_explicit(&s->used, true, memory_order_relaxed);
}

void
hash_shape_use(struct hash_shapes *hs, const char *value, size_t len)
{
    uint8_t form = len >= 3 ? (uint8_t)value[0] : 0;
    size_t at = (form & FORM_DEADLINES) ? 1 + DEADLINE_BYTES : 1;

    if ((form & FORM_MASK) == FORM_SHAPED && at + 2 <= len) {
        struct hash_shape *s = atomic_load_explicit(
            &hs->by_id[get_number(value + at, 2) % MAX_SHAPES],
            memory_order_acquire);

        ASSERT(s != NULL);
        use_shape(s);
    }
}

/* ---- giving up ----------------------------------------------------------- */

/* Mark the shapes of the items in `n` lines, under the partition's lock. */
static void
mark_lines(struct ks_thread *t, unsigned partition, uint32_t from, uint32_t n)
{
    struct index_line *line =
        partition_line(&t->ks->index.partition[partition], from);
    uint64_t now_ms = clock_wall_ms();

    for (; n > 0; n--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle =
                atomic_load_explicit(&line->handle[slot], memory_order_relaxed);
            struct item_view v;

            if (handle != 0 &&
                item_read(slab_ptr(t->slab, handle), now_ms, &v) &&
                item_kind(v.header) == ITEM_HASH && v.extent == 0)
                hash_shape_use(t->ks->shapes, v.value, v.value_len);
        }
    }
}

static void
drop_slot(struct hash_shapes *hs, const struct hash_shape *s)
{
    for (uint64_t at = s->hash;; at++) {
        uint32_t slot = atomic_load_explicit(
            &hs->slot[at % TABLE_SLOTS], memory_order_relaxed);

        if (slot != DROPPED && (slot & 0xffff) == s->id + 2) {
            atomic_store_explicit(
                &hs->slot[at % TABLE_SLOTS], DROPPED, memory_order_relaxed);
            return;
        }
    }
}

/* What was dropped before a slot that ends every search needs no place. */
static void
clear_dropped(struct hash_shapes *hs)
{
    for (uint32_t i = 2 * TABLE_SLOTS; i-- > 0;)
        if (hs->slot[i % TABLE_SLOTS] == DROPPED &&
            hs->slot[(i + 1) % TABLE_SLOTS] == 0)
            atomic_store_explicit(
                &hs->slot[i % TABLE_SLOTS], 0, memory_order_relaxed);
}

/* Take the shapes that no item has out of the tables. Under all partition
 * locks: nobody has found one and not yet published its item. */
static void
retire_unused(struct hash_shapes *hs)
{
    lock_shapes(hs);
    for (uint32_t id = 0; id < hs->n_used_ids; id++) {
        struct hash_shape *s = hs->by_id[id];

        if (s == NULL || atomic_load_explicit(&s->used, memory_order_relaxed))
            continue;
        drop_slot(hs, s);
        atomic_store_explicit(&hs->by_id[id], NULL, memory_order_relaxed);
        hs->retired[hs->n_retired++] = s;
        atomic_fetch_sub_explicit(&hs->n_shapes, 1, memory_order_relaxed);
    }
    clear_dropped(hs);
    unlock_shapes(hs);
}

/* Note within which visit to a hash each thread is. */
static void
note_visits(struct ks *ks)
{
    while (atomic_exchange(&ks->threads_lock, 1) != 0)
        cpu_relax();
    for (struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        t->hash_visit_seen = atomic_load(&t->hash_visits);
    atomic_store_explicit(&ks->threads_lock, 0, memory_order_release);
}

static bool
visits_are_over(struct ks *ks)
{
    bool over = true;

    while (atomic_exchange(&ks->threads_lock, 1) != 0)
        cpu_relax();
    for (struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        over &= t->hash_visit_seen % 2 == 0 ||
            atomic_load(&t->hash_visits) != t->hash_visit_seen;
    atomic_store_explicit(&ks->threads_lock, 0, memory_order_release);
    return over;
}

static void
free_retired(struct ks *ks)
{
    struct hash_shapes *hs = ks->shapes;

    if (clock_mono_us() < hs->retired_us + GRACE_US || !visits_are_over(ks))
        return;
    lock_shapes(hs);
    for (uint32_t i = 0; i < hs->n_retired; i++) {
        hs->free_id[hs->n_free++] = (uint16_t)hs->retired[i]->id;
        free_shape(hs, hs->retired[i]);
    }
    hs->n_retired = 0;
    unlock_shapes(hs);
}

static void
begin_walk(struct hash_shapes *hs)
{
    atomic_store_explicit(&hs->wanted, false, memory_order_relaxed);
    hs->walked_us = clock_mono_us();
    hs->walk = (struct reclaim){.active = true};
    lock_shapes(hs);
    for (uint32_t id = 0; id < hs->n_used_ids; id++)
        if (hs->by_id[id] != NULL)
            atomic_store_explicit(
                &hs->by_id[id]->used, false, memory_order_relaxed);
    unlock_shapes(hs);
}

static void
end_walk(struct ks_thread *t)
{
    struct hash_shapes *hs = t->ks->shapes;

    hs->walk.active = false;
    ks_lock_all(t);
    retire_unused(hs);
    ks_unlock(t);
    hs->retired_us = clock_mono_us();
    note_visits(t->ks);
}

bool
hash_shapes_maintain(struct ks_thread *t)
{
    struct hash_shapes *hs = t->ks->shapes;

    if (hs->n_retired > 0) {
        free_retired(t->ks);
        return false;
    }
    if (!hs->walk.active) {
        if (!atomic_load_explicit(&hs->wanted, memory_order_relaxed) ||
            (hs->walked_us != 0 &&
                clock_mono_us() < hs->walked_us + WALK_PERIOD_US))
            return false;
        begin_walk(hs);
    }
    for (unsigned i = 0; i < 16 && hs->walk.partition < N_PARTITIONS; i++)
        reclaim_walk_lines(t, &hs->walk, mark_lines);
    if (hs->walk.partition == N_PARTITIONS)
        end_walk(t);
    return hs->walk.active;
}
