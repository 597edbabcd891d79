/* SPDX-License-Identifier: BSD-3-Clause */
/* template.c - learned key shapes: what many keys have in common is stored
 * once, and an item holds a template's id and the part that differs, packed.
 *
 *   user:0001234567:profile  ->  template {user: | decimal, 10 wide | :profile}
 *                                and the three bytes of 1234567
 *
 * How a key is taken apart is shape.c, how it is packed form.c. Shapes that are
 * inserted often become templates; keys of other shapes are stored as they are.
 * Which of the two an item has, and which of several templates, is a matter of
 * when it was written, so a look-up never asks for the template of a key: it
 * compares the key with each candidate item in the item's own representation,
 * and the hash is that of the whole key.
 *
 * A template is immutable from when it is published until its space is given
 * up, when no item has its id. Whoever still uses the id has a key of an epoch
 * gone by (space.c): a reader's result is then dropped, and a writer encodes
 * again. What such a reader meets is a mixture of two forms, each byte of which
 * is in range: it never leaves the tables nor the buffer of template_decode().
 *
 * Any thread reads without a lock; learning takes a lock that nobody but
 * templates_drop() waits for. All tables are bounded: a flood of shapes costs
 * packing, not memory.
 */
#include "keyspace/internal.h"
#include "keyspace/packing.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAX_TEMPLATES (ITEM_IDS - TEMPLATE_FIRST_ID)
#define TABLE_SLOTS 8192
#define FREE UINT32_MAX
#define DROPPED 1 /* a slot that is free, but ends no search */
#define CANDIDATE_SETS 1024
#define CANDIDATE_WAYS 4

/* One of SAMPLE insertions is looked at; a shape seen SIGHTINGS times in the
 * sample becomes a template, more often as the ids get scarce. */
#define SAMPLE 4

/* A thread that packs a key by the template it used last may have been stopped
 * while it reads the record. What it packs then lands in a space that is gone,
 * or is packed anew; but the record should be whole meanwhile. */
#define GRACE_US 1000000
#define SIGHTINGS 16

/* Shapes with a word in their middle save less and there are more of them: they
 * are to be seen more often, and may not take all ids. */
#define WORD_SIGHTINGS 4
#define MAX_WORD_TEMPLATES (MAX_TEMPLATES / 2)

struct template {
    _Atomic uint32_t space; /* FREE: the id is free */
    struct key_form form;
};
_Static_assert(sizeof(struct template) == 128, "two cache lines");

/* A shape that may become a template, known by its hash only: the text is that
 * of the key which is the last to be seen. */
struct candidate {
    uint64_t hash;
    uint32_t score; /* bytes saved, minus what others would have saved */
    uint32_t seen;
};

struct templates {
    struct template record[MAX_TEMPLATES]; /* [immutable] while in use */
    _Atomic uint32_t slot[TABLE_SLOTS]; /* 16 hash bits | id; 0: free */
    struct candidate candidate[CANDIDATE_SETS][CANDIDATE_WAYS]; /* [lock] */
    uint16_t free_id[MAX_TEMPLATES]; /* [lock] records given up */
    uint64_t free_from_us; /* [lock] when they may be used: see GRACE_US */
    struct slab *slab;
    const struct hash_seed *seed;
    const struct namespaces *namespaces;
    _Atomic uint32_t lock;   /* learners only try it */
    _Atomic uint32_t n_free; /* [lock] writes: of the records, given up */
    char pad[CACHE_LINE];    /* every look-up reads n */
    _Atomic uint32_t n;      /* records used so far */
};

/* ---- set-up -------------------------------------------------------------- */

static size_t
fixed_bytes(void)
{
    return sizeof(struct templates) - sizeof(((struct templates *)0)->record);
}

struct templates *
templates_new(struct slab *slab, const struct hash_seed *seed,
    const struct namespaces *namespaces, struct buf *err)
{
    struct templates *ts = mmap(NULL, sizeof(*ts), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (ts == MAP_FAILED) {
        buf_printf(err, "no memory for key templates: %s", strerror(errno));
        return NULL;
    }
    ts->slab = slab;
    ts->seed = seed;
    ts->namespaces = namespaces;
    slab_charge_to(slab, SLAB_TEMPLATES, fixed_bytes());
    return ts;
}

void
templates_free(struct templates *ts)
{
    slab_uncharge_from(ts->slab, SLAB_TEMPLATES, templates_bytes(ts));
    munmap(ts, sizeof(*ts));
}

static uint32_t
records_used(const struct templates *ts)
{
    return atomic_load_explicit(&ts->n, memory_order_acquire);
}

uint32_t
templates_count(const struct templates *ts)
{
    return records_used(ts) -
        atomic_load_explicit(&ts->n_free, memory_order_relaxed);
}

size_t
templates_bytes(const struct templates *ts)
{
    return fixed_bytes() + records_used(ts) * sizeof(struct template);
}

/* NULL for an id that no template has: a chunk under change may say any. */
static inline const struct template *
template_of(const struct templates *ts, uint32_t id)
{
    /* pairs with the release in take_record() */
    uint32_t n = atomic_load_explicit(&ts->n, memory_order_acquire);
    uint32_t at = id - TEMPLATE_FIRST_ID;

    return likely(at < n) ? &ts->record[at] : NULL;
}

/* ---- look-up ------------------------------------------------------------- */

static uint64_t
template_hash(const struct templates *ts, const struct key_shape *s,
    uint32_t space)
{
    uint64_t h = (shape_hash(ts->seed, s) ^ space) * 0xbf58476d1ce4e5b9u;

    return h ^ h >> 32;
}

/* Pairs with the release in publish_template(): then the form is whole. */
static inline uint32_t
space_of(const struct template *tp)
{
    return atomic_load_explicit(&tp->space, memory_order_acquire);
}

/* The id of the template of a shape, 0 for none. */
static uint32_t
find_template(const struct templates *ts, const struct key_shape *s,
    uint32_t space, uint64_t hash)
{
    for (uint32_t i = 0; i < TABLE_SLOTS; i++) {
        uint32_t slot = atomic_load_explicit(
            &ts->slot[(hash + i) % TABLE_SLOTS], memory_order_acquire);

        if (slot == 0)
            return 0;
        if (slot >> 16 == hash >> 48 && slot != DROPPED) {
            const struct template *tp = template_of(ts, slot & 0xffff);

            if (space_of(tp) == space && form_is_of(&tp->form, s))
                return slot & 0xffff;
        }
    }
    return 0;
}

/* ---- learning ------------------------------------------------------------ */

/* The id and a record for a new template; 0 when there is none. [lock] */
static uint32_t
take_record(struct templates *ts, struct template **record)
{
    uint32_t n = atomic_load_explicit(&ts->n, memory_order_relaxed);
    uint32_t n_free = atomic_load_explicit(&ts->n_free, memory_order_relaxed);

    if (n_free > 0 && clock_mono_us() >= ts->free_from_us) {
        n = ts->free_id[n_free - 1];
        atomic_store_explicit(&ts->n_free, n_free - 1, memory_order_relaxed);
    } else if (n < MAX_TEMPLATES) {
        atomic_store_explicit(&ts->record[n].space, FREE,
            memory_order_relaxed); /* until it is whole */
        slab_charge_to(ts->slab, SLAB_TEMPLATES, sizeof(struct template));
        /* pairs with template_of() */
        atomic_store_explicit(&ts->n, n + 1, memory_order_release);
    } else {
        return 0;
    }
    *record = &ts->record[n];
    return n + TEMPLATE_FIRST_ID;
}

/* Make a template findable. [lock] */
static void
put_slot(struct templates *ts, uint64_t hash, uint32_t id)
{
    uint64_t at = hash;
    uint32_t slot;

    while ((slot = atomic_load_explicit(&ts->slot[at % TABLE_SLOTS],
        memory_order_relaxed)) != 0 && slot != DROPPED)
        at++;
    /* pairs with find_template(): first the record, then its number */
    atomic_store_explicit(&ts->slot[at % TABLE_SLOTS],
        (uint32_t)(hash >> 48) << 16 | id, memory_order_release);
}

static void
publish_template(struct templates *ts, const struct key_shape *s,
    uint32_t space, uint64_t hash)
{
    struct template *tp;
    uint32_t id = take_record(ts, &tp);

    if (id == 0)
        return;
    form_make(&tp->form, s);
    atomic_store_explicit(&tp->space, space, memory_order_release);
    put_slot(ts, hash, id);
}

/* Give the ids of these spaces up. [lock] */
static void
drop_slots(struct templates *ts, const bool is_free[SPACES])
{
    for (uint32_t i = 0; i < TABLE_SLOTS; i++) {
        uint32_t slot = atomic_load_explicit(&ts->slot[i],
            memory_order_relaxed);
        uint32_t n = (slot & 0xffff) - TEMPLATE_FIRST_ID;

        if (slot == 0 || slot == DROPPED ||
            !is_free[LOAD(&ts->record[n].space)])
            continue;
        atomic_store_explicit(&ts->slot[i], DROPPED, memory_order_relaxed);
        atomic_store_explicit(&ts->record[n].space, FREE,
            memory_order_relaxed);
        ts->free_id[LOAD(&ts->n_free)] = (uint16_t)n;
        atomic_fetch_add_explicit(&ts->n_free, 1, memory_order_relaxed);
    }
}

/* What was dropped before a slot that ends every search needs no place. */
static void
clear_dropped(struct templates *ts)
{
    for (uint32_t i = 2 * TABLE_SLOTS; i-- > 0;)
        if (ts->slot[i % TABLE_SLOTS] == DROPPED &&
            ts->slot[(i + 1) % TABLE_SLOTS] == 0)
            atomic_store_explicit(&ts->slot[i % TABLE_SLOTS], 0,
                memory_order_relaxed);
}

void
templates_drop(struct templates *ts, const bool is_free[SPACES])
{
    word_lock(&ts->lock);
    drop_slots(ts, is_free);
    clear_dropped(ts);
    ts->free_from_us = clock_mono_us() + GRACE_US;
    word_unlock(&ts->lock);
}

/* The entry of a shape. When its set is full of others, the one of least score
 * loses as much as this one would gain, and its place at zero: what is seen
 * often outlives any number of shapes seen once. */
static struct candidate *
find_candidate(struct templates *ts, uint64_t hash, uint32_t saved)
{
    struct candidate *way = ts->candidate[hash / 64 % CANDIDATE_SETS];
    struct candidate *least = way;

    for (unsigned i = 0; i < CANDIDATE_WAYS; i++) {
        if (way[i].hash == hash)
            return &way[i];
        if (way[i].score < least->score)
            least = &way[i];
    }
    if (least->score > saved) {
        least->score -= saved;
        return NULL;
    }
    *least = (struct candidate){.hash = hash};
    return least;
}

static uint32_t
sightings_wanted(const struct key_shape *s, uint32_t n_templates)
{
    uint32_t n = SIGHTINGS << (4 * n_templates / MAX_TEMPLATES);

    return s->packing == PACK_RAW ? WORD_SIGHTINGS * n : n;
}

/* Note that a key of this shape was inserted. */
static void
learn(struct templates *ts, const struct key_shape *s, uint32_t space)
{
    uint32_t limit = s->packing == PACK_RAW ? MAX_WORD_TEMPLATES :
        MAX_TEMPLATES;
    uint32_t saved = shape_saves(s), n;
    uint64_t hash = template_hash(ts, s, space);
    struct candidate *c;

    if (templates_count(ts) >= limit || !word_trylock(&ts->lock))
        return;
    n = templates_count(ts);
    c = n < limit ? find_candidate(ts, hash, saved) : NULL;
    if (c != NULL) {
        c->score = MIN(c->score + saved, UINT32_MAX / 2);
        if (++c->seen >= sightings_wanted(s, n)) {
            *c = (struct candidate){0};
            /* another thread may have been faster */
            if (find_template(ts, s, space, hash) == 0)
                publish_template(ts, s, space, hash);
        }
    }
    word_unlock(&ts->lock);
}

/* ---- keys to items ------------------------------------------------------- */

/* Bytes of an id that an item would not have without a template. */
static inline size_t
id_bytes(const struct ks_key *key)
{
    return key->space == 0 ? 2 : 0;
}

/* Pack the key by a template that it may not fit. */
static bool
try_template(const struct templates *ts, uint32_t id,
    const struct ks_key *key, struct stored_key *out)
{
    const struct template *tp = template_of(ts, id);
    struct str packed;

    if (tp == NULL || space_of(tp) != key->space ||
        !form_pack(&tp->form, key->name, out->packed, &packed) ||
        packed.len + id_bytes(key) >= key->name.len)
        return false;
    out->key = packed;
    out->id = id;
    return true;
}

/* The same where a better one may be known: what is left as it is must be a
 * word. */
static bool
try_last(const struct templates *ts, uint32_t id, const struct ks_key *key,
    struct stored_key *out)
{
    if (!try_template(ts, id, key, out))
        return false;
    if (out->key.p == out->packed || shape_is_word(out->key))
        return true;
    out->key = key->name;
    out->id = key->space;
    return false;
}

/* What keys of one template mostly have in common: the first and last
 * characters, but for hex digits. */
static unsigned
memo_of(struct str name)
{
    uint64_t first = load_upto8(name.p, 4);
    uint64_t last = load_upto8(name.p + name.len - 4, 4);
    uint64_t both = first << 32 | last;

    both &= ~((hex_bytes(both) >> 7) * 0xff);
    return (unsigned)(both * 0x9e3779b97f4a7c15u >> 58) % TEMPLATE_MEMOS;
}

/* Learn from a key that these kinds of shapes had no template for: numbers, and
 * words by turns. */
static void
learn_kinds(struct templates *ts, const struct ks_key *key,
    const struct key_scan *scan, unsigned kinds, uint64_t random)
{
    unsigned word = SHAPE_LEAF + (unsigned)(random % (SHAPE_KINDS - 1));
    struct key_shape s;

    if (kinds & 1u << SHAPE_NUMBERS &&
        shape_make(scan, SHAPE_NUMBERS, &s))
        learn(ts, &s, key->space);
    if (kinds & 1u << word && shape_make(scan, word, &s))
        learn(ts, &s, key->space);
}

void
template_encode(struct templates *ts, struct template_memo *memo,
    const struct ks_key *key, uint64_t random, struct stored_key *out)
{
    struct key_scan scan;
    unsigned without = 0;
    uint16_t *last;

    out->key = key->name;
    out->id = key->space;
    if (!template_may_fit(key->name))
        return;
    last = &memo->id[memo_of(key->name)];
    if (*last != 0 && try_last(ts, *last, key, out))
        return;
    shape_scan(key->name, ns_name(ts->namespaces, key->name).len, &scan);
    for (unsigned kind = 0; kind < SHAPE_KINDS; kind++) {
        struct key_shape s;
        uint32_t id;

        if (!shape_make(&scan, kind, &s) || shape_saves(&s) <= id_bytes(key))
            continue;
        id = find_template(ts, &s, key->space,
            template_hash(ts, &s, key->space));
        if (id != 0 && try_template(ts, id, key, out)) {
            *last = (uint16_t)id;
            break;
        }
        without |= 1u << kind;
    }
    if (without != 0 && random % SAMPLE == 0)
        learn_kinds(ts, key, &scan, without, random / SAMPLE);
}

/* ---- items to keys ------------------------------------------------------- */

uint32_t
template_space(const struct templates *ts, uint32_t id)
{
    const struct template *tp = template_of(ts, id);

    return tp != NULL ? space_of(tp) : FREE;
}

bool
template_equals(const struct templates *ts, uint32_t id, struct str packed,
    struct str name, uint32_t space)
{
    const struct template *tp = template_of(ts, id);

    return tp != NULL && space_of(tp) == space &&
        form_equals(&tp->form, packed, name);
}

bool
template_decode(const struct templates *ts, uint32_t id, struct str packed,
    char buf[KS_MAX_KEY], struct str *name)
{
    const struct template *tp = template_of(ts, id);

    return tp != NULL && space_of(tp) != FREE &&
        form_decode(&tp->form, packed, buf, name);
}
