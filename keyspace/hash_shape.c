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
 * Finding takes no lock; learning and giving up (hash_retire.c) take one that
 * learners only try.
 */
#include "keyspace/hash_shapes.h"

#include <stdlib.h>

#define MAX_BYTES ((size_t)2 << 20) /* of records and names */
#define MAX_NAME 128                /* a longer name stays inline */
#define SIGHTINGS 4

/* Of the tables, before there is a hash: what they know of themselves. */
#define UNUSED_BYTES (4 * KIB)

/* The struct of a name and where its chain goes on. */
struct name_entry {
    struct name_entry *next;
    struct hash_name name;
};

/* ---- set-up -------------------------------------------------------------- */

struct hash_shapes *
hash_shapes_new(struct slab *slab, const struct hash_seed *seed)
{
    struct hash_shapes *hs = xmap(sizeof(*hs));

    hs->slab = slab;
    hs->seed = seed;
    slab_charge_to(slab, SLAB_HASH_SHAPES, UNUSED_BYTES);
    return hs;
}

/* Of the tables: what of them is resident. */
static size_t
table_bytes(const struct hash_shapes *hs)
{
    return atomic_load_explicit(&hs->is_used, memory_order_relaxed)
        ? sizeof(*hs)
        : UNUSED_BYTES;
}

size_t
hash_shapes_bytes(const struct hash_shapes *hs)
{
    return table_bytes(hs) +
        atomic_load_explicit(&hs->bytes, memory_order_relaxed);
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

void
hash_shape_free(struct hash_shapes *hs, struct hash_shape *s)
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
            hash_shape_free(hs, hs->by_id[i]);
    for (uint32_t i = 0; i < hs->n_retired; i++)
        hash_shape_free(hs, hs->retired[i]);
    slab_uncharge_from(hs->slab, SLAB_HASH_SHAPES, table_bytes(hs));
    xunmap(hs, sizeof(*hs));
}

/* ---- look-up ------------------------------------------------------------- */

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
        atomic_load_explicit(&hs->bytes, memory_order_relaxed) < MAX_BYTES;
}

/* [lock] From the first hash on the tables count. */
static void
begin_use(struct hash_shapes *hs)
{
    if (atomic_load_explicit(&hs->is_used, memory_order_relaxed))
        return;
    slab_charge_to(hs->slab, SLAB_HASH_SHAPES, sizeof(*hs) - UNUSED_BYTES);
    atomic_store_explicit(&hs->is_used, true, memory_order_relaxed);
}

static struct hash_shape *
learn(struct hash_shapes *hs, uint64_t hash, const struct str *name, uint32_t n)
{
    struct hash_shape *s = NULL;

    if (!word_trylock(&hs->lock))
        return NULL;
    begin_use(hs);
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
