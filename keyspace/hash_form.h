/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_form.h - how hashes stand in memory: what the files of keyspace/hash_*
 * share.
 *
 * A hash is an item of kind ITEM_HASH. Its value begins with a byte that says
 * in which form:
 *
 *   plain    form 1 | earliest 6? | n 2 | deadlines? | (name value) * n
 *   shaped   form 1 | earliest 6? | shape 2 | deadlines? | heads | bodies
 *   table    in an extent: header | slots | log of entries
 *   directory  in an extent: header | numbers of the extents of tables, each
 *            for the hashes of names that begin with the same bits
 *
 * In the shaped form the names stand in a shape (hash_shape.c), and the item
 * has the heads of all values, then their bodies. `earliest` is the earliest
 * deadline of a field; `deadlines` a number of 2 bytes and so many pairs of a
 * field's place (2) and its deadline (6), by place. Both are there only with
 * FORM_DEADLINES. Numbers are little endian.
 *
 * A string has a head, which says its length or that it is a whole number, and
 * a body. The same string always has the same two.
 *
 * Readers come without a lock: the bytes may be changing. Every length is held
 * against the end of what may be read; what is wrong is refused or means
 * something harmless, and the reader finds out by the line version.
 */
#pragma once

#include "keyspace/internal.h"
#include "keyspace/lanes.h"

enum hash_form {
    FORM_PLAIN = 1,
    FORM_SHAPED = 2,
    FORM_TABLE = 3,
    FORM_DIRECTORY = 4,
    FORM_MASK = 7,
    FORM_ALL_EXPIRE = HASH_ALL_EXPIRE,
    FORM_LONG_HEADS = 1 << 6, /* shaped: some heads have more than a byte */
    FORM_DEADLINES = 1 << 7,
};

static inline uint64_t
get_number(const void *from, size_t bytes)
{
    uint64_t v = 0;

    memcpy(&v, from, bytes); /* little endian machines only, as all of it */
    return v;
}

static inline void
put_number(void *to, uint64_t v, size_t bytes)
{
    memcpy(to, &v, bytes);
}

#define DEADLINE_BYTES 6
#define DEADLINE_MAX (((uint64_t)1 << 48) - 1)

/* ---- strings ------------------------------------------------------------- */

enum {
    HEAD_SHORT_MAX = 239, /* the length itself */
    HEAD_INT = 239,       /* + 1..8: a signed number of so many bytes */
    HEAD_LEN2 = 248,      /* the length follows in 2 bytes */
    HEAD_LEN4 = 249,
    HEAD_MAX = 5, /* bytes of a head at most */
};

/* A string as it is stored; a number may stand in the struct itself. */
struct packed {
    union {
        const char *p;
        char number[8]; /* if is_int */
    };
    uint32_t len; /* of the body */
    bool is_int;
};

/* The same if it might be a number. */
struct packed packed_number(struct str s);

static inline struct packed
packed_of(struct str s)
{
    if (s.len >= 2 && s.len <= 20 && (uint8_t)s.p[0] <= '9' &&
        (uint8_t)s.p[s.len - 1] <= '9')
        return packed_number(s);
    return (struct packed){.p = s.p, .len = (uint32_t)s.len};
}

static inline const char *
packed_body(const struct packed *s)
{
    return s->is_int ? s->number : s->p;
}

static inline bool
packed_eq(const struct packed *a, const struct packed *b)
{
    return a->len == b->len && a->is_int == b->is_int &&
        memcmp(packed_body(a), packed_body(b), a->len) == 0;
}

static inline size_t
head_size(const struct packed *s)
{
    if (s->is_int || s->len <= HEAD_SHORT_MAX)
        return 1;
    return s->len <= UINT16_MAX ? 3 : 5;
}

static inline size_t
packed_size(const struct packed *s)
{
    return head_size(s) + s->len;
}

/* Write them and return what follows. */
uint8_t *head_put(uint8_t *to, const struct packed *s);

static inline uint8_t *
body_put(uint8_t *to, const struct packed *s)
{
    if (s->len > 0)
        memcpy(to, packed_body(s), s->len);
    return to + s->len;
}

/* Length of the body and whether it is a number; returns what follows the
 * head, NULL if it goes beyond `end`. */
static inline const uint8_t *
head_get(const uint8_t *at, const uint8_t *end, uint32_t *len, bool *is_int)
{
    uint8_t head;

    if (unlikely(at >= end))
        return NULL;
    head = *at;
    *is_int = head > HEAD_INT && head < HEAD_LEN2;
    if (likely(head < HEAD_LEN2)) {
        *len = *is_int ? (uint32_t)(head - HEAD_INT) : head;
        return at + 1;
    }
    if (head > HEAD_LEN4 || end - at < (head == HEAD_LEN2 ? 3 : 5))
        return NULL;
    *len = (uint32_t)get_number(at + 1, head == HEAD_LEN2 ? 2 : 4);
    return at + (head == HEAD_LEN2 ? 3 : 5);
}

/* A body of `len` bytes at `at`; the caller has looked at the end. */
static inline void
body_get(const uint8_t *at, uint32_t len, bool is_int, struct packed *out)
{
    out->len = len;
    out->is_int = is_int;
    if (is_int)
        memcpy(out->number, at, MIN(len, 8u));
    else
        out->p = (const char *)at;
}

/* Head and body; NULL if they go beyond `end`. */
static inline const uint8_t *
packed_get(const uint8_t *at, const uint8_t *end, struct packed *out)
{
    uint32_t len;
    bool is_int;

    at = head_get(at, end, &len, &is_int);
    if (at == NULL || (size_t)(end - at) < len)
        return NULL;
    body_get(at, len, is_int, out);
    return at + len;
}

/* The string; a number is written into `digits`. */
struct str packed_str(const struct packed *s, char digits[24]);

/* ---- shapes (hash_shape.c) --------------------------------------------------
 *
 * An ordered list of field names, each stored once. Records are immutable, and
 * freed some time after no item can have their id any more: whoever looks at
 * one does so between hash_enter() and hash_leave().
 */
#define SHAPE_FIELDS 64 /* at most; hashes of more have their names inline */
_Static_assert(SHAPE_FIELDS % LANES == 0, "tags are read 16 at a time");

struct hash_name {
    uint64_t hash;
    uint32_t refs; /* [lock] */
    uint32_t len;
    char text[];
};

struct hash_shape {
    uint64_t hash; /* of all names */
    uint32_t id, n;
    _Atomic bool used; /* an item has it, for all that is known */
    uint8_t tag[SHAPE_FIELDS];
    const struct hash_name *name[];
};

struct hash_shapes;
struct hash_shapes *hash_shapes_new(
    struct slab *slab, const struct hash_seed *seed);
void hash_shapes_free(struct hash_shapes *hs);
size_t hash_shapes_bytes(const struct hash_shapes *hs);
size_t hash_shapes_count(const struct hash_shapes *hs);

static inline uint8_t
name_tag(const char *p, size_t len)
{
    if (len == 0)
        return 0;
    return (uint8_t)((uint8_t)p[len - 1] * 5u + (uint8_t)p[0] + len * 29u);
}

static inline struct str
shape_name(const struct hash_shape *s, uint32_t i)
{
    return (struct str){s->name[i]->text, s->name[i]->len};
}

/* memcmp() == 0 for names, without a call for most. */
static inline bool
name_eq(const char *a, const char *b, size_t len)
{
    if (likely(len >= 8 && len <= 16))
        return ((get_number(a, 8) ^ get_number(b, 8)) |
                   (get_number(a + len - 8, 8) ^ get_number(b + len - 8, 8))) ==
            0;
    if (likely(len >= 4 && len < 8))
        return ((get_number(a, 4) ^ get_number(b, 4)) |
                   (get_number(a + len - 4, 4) ^ get_number(b + len - 4, 4))) ==
            0;
    return memcmp(a, b, len) == 0;
}

static inline bool
shape_has_at(const struct hash_shape *s, uint32_t i, struct str field)
{
    return s->name[i]->len == field.len &&
        name_eq(s->name[i]->text, field.p, field.len);
}

/* The place of a field; s->n if it is none of them. */
static inline uint32_t
shape_find(const struct hash_shape *s, struct str field)
{
    uint8_t tag = name_tag(field.p, field.len);

    for (uint32_t i = 0; i < s->n; i += LANES) {
        for (unsigned m = lanes_equal(s->tag + i, tag); m != 0; m &= m - 1) {
            uint32_t at = i + (uint32_t)__builtin_ctz(m);

            if (at < s->n && shape_has_at(s, at, field))
                return at;
        }
    }
    return s->n;
}

/* The shape of these names if there is one; else NULL, and the names are
 * counted: those that come often get a shape. Under a partition lock, held
 * until the item that has the shape is published. */
const struct hash_shape *hash_shape_get(
    struct hash_shapes *hs, const struct str *name, uint32_t n);

/* A compact value that is about to become an item's: its shape is in use.
 * Under that lock. */
void hash_shape_use(struct hash_shapes *hs, const char *value, size_t len);

/* Of the maintenance thread: find out which shapes are not used when they get
 * scarce, and give these up. True if there is more to do at once. */
bool hash_shapes_maintain(struct ks_thread *t);

/* ---- the compact forms (hash_compact.c) ---------------------------------- */

struct compact {
    const struct hash_shape *shape; /* NULL: plain */
    const uint8_t *deadlines;       /* the pairs */
    uint32_t n_deadlines;
    uint32_t n;            /* fields, expired ones included */
    uint64_t earliest;     /* deadline; KS_NO_EXPIRY if none */
    const uint8_t *heads;  /* plain: entries */
    const uint8_t *bodies; /* shaped */
    const uint8_t *end;
    bool long_heads;
};

/* False if the bytes are no compact hash. */
bool compact_open(const struct hash_shapes *hs, const char *value, size_t len,
    struct compact *out);

/* A walk over the fields by place. */
struct compact_at {
    uint32_t place;
    const uint8_t *head, *body;
    const uint8_t *deadline;
};
struct compact_field {
    struct packed name; /* not set in a shaped hash: see shape */
    struct packed value;
    uint64_t expire_ms;
};
void compact_begin(const struct compact *c, struct compact_at *at);
bool compact_next(
    const struct compact *c, struct compact_at *at, struct compact_field *out);

/* The value at a place of a shaped hash; NULL if there is none. Else where its
 * body stands. */
const uint8_t *compact_value(
    const struct compact *c, uint32_t place, struct packed *out);

/* The value and deadline of a field. */
bool compact_find(
    const struct compact *c, struct str field, struct compact_field *out);
/* Fields whose deadline is later than `now_ms`. */
uint32_t compact_count(const struct compact *c, uint64_t now_ms);

/* ---- the table form (hash_table.c) ------------------------------------------
 *
 * An open-addressing index over a log of entries in one extent. Entries are
 * appended; what is replaced or deleted stays in the log as dead bytes until
 * the table is built anew. A slot has the entry's place in units of 4 bytes and
 * 5 bits of the hash; home slots are in the order of hashes. A table that is
 * one of a directory's has the hashes whose first `depth` bits are the same.
 *
 *   entry: deadline 6? | name | value, from a multiple of 4 on
 *
 * Changes happen in place under the partition lock and an odd line version; an
 * entry with a value above TABLE_STILL bytes never changes but for its
 * deadline: who pinned the extent may refer to it.
 */
#define TABLE_STILL ((size_t)16 << 10)

struct hash_table {
    uint8_t
        form; /* FORM_TABLE, FORM_DEADLINES: entries have a deadline field */
    uint8_t slot_bits;
    uint8_t depth; /* bits of the hash that all have in common */
    uint8_t pad;
    uint32_t n;              /* entries in slots */
    uint32_t n_expiring;     /* with a deadline */
    uint32_t log_end;        /* bytes from the beginning of the table */
    uint64_t earliest;       /* no deadline is earlier; KS_NO_EXPIRY */
    uint64_t live_bytes;     /* of entries in slots */
    uint64_t room;           /* bytes of the whole */
    uint64_t swept_earliest; /* of what the sweep has passed */
    uint32_t sweep_slot;     /* where the sweep goes on */
    uint32_t dropped;        /* see struct hash_edit */
    uint64_t latest;         /* no deadline is later; 0 */
};
_Static_assert(sizeof(struct hash_table) == 64, "a cache line");

/* What a reader knows: where the table is, and how much of it is there. */
struct table_view {
    const struct hash_table *table;
    size_t bytes;
    const uint32_t *slot;
    uint32_t n_slots; /* 2^slot_bits, within the bytes; 0: no table */
    unsigned bits, depth;
    bool deadlines;
};
void htable_open(const void *at, size_t bytes, struct table_view *out);

struct table_entry {
    struct packed name, value;
    uint64_t expire_ms;
    uint32_t offset, size; /* of the entry */
};

/* The slot of a field; UINT32_MAX if it has none. */
uint32_t htable_find(const struct table_view *v, uint64_t hash,
    const struct packed *name, struct table_entry *out);
/* The entry of a slot; false if it is empty. */
bool htable_slot(
    const struct table_view *v, uint32_t slot, struct table_entry *out);
uint64_t htable_hash(const struct hash_seed *seed, const struct packed *name);
/* Fields whose deadline is later than `now_ms`. */
uint64_t htable_count(const struct table_view *v, uint64_t now_ms);
bool htable_has_any(const struct table_view *v, uint64_t now_ms);

/* Bytes of an entry; of a table for n fields whose entries take `bytes`. */
size_t htable_entry_size(size_t name, size_t value, bool deadlines);
unsigned htable_bits(uint64_t n);
size_t htable_size(unsigned bits, size_t bytes);

/* The following change the table; the caller has looked for room. */
void htable_init(void *at, unsigned bits, size_t room, bool deadlines);
bool htable_has_room(const struct hash_table *t, uint64_t n, size_t bytes);
/* Add an entry whose name is not there. */
void htable_add(struct hash_table *t, uint64_t hash, const struct packed *name,
    const struct packed *value, uint64_t expire_ms);
/* Another value for the entry of a slot. */
void htable_replace(struct hash_table *t, uint32_t slot, uint64_t hash,
    const struct table_entry *was, const struct packed *value,
    uint64_t expire_ms);
/* Only with FORM_DEADLINES. */
void htable_expire(
    struct hash_table *t, const struct table_entry *e, uint64_t expire_ms);
void htable_remove(struct hash_table *t, const struct hash_seed *seed,
    uint32_t slot, const struct table_entry *e);
/* Remove what has expired from some slots; the number removed. *more says that
 * there are further slots until `earliest` is right again. */
uint64_t htable_sweep(struct hash_table *t, const struct hash_seed *seed,
    uint64_t now_ms, bool *more);

/* ---- directories (hash_directory.c) -----------------------------------------
 *
 * A hash that is too large for one table has many of bounded size, its
 * segments, each in an extent of its own, so that no change takes longer than
 * to build one of them anew. A directory says which segment has the names whose
 * hash begins with some bits; one of few names stands there several times. It
 * changes as tables do: under the partition's lock and an odd line version.
 */
#define SEGMENT_BYTES ((size_t)128 << 10) /* but for large values */
#define SEGMENT_BITS 12                   /* of slots, at most */
#define SEGMENT_FIELDS 8                  /* so few are not parted */
#define DIRECTORY_BITS 20

struct hash_directory {
    uint8_t form; /* FORM_DIRECTORY */
    uint8_t depth;
    uint8_t finest; /* no table has more slots than 2^finest for all hashes */
    uint8_t pad;
    uint32_t dropped;    /* as in struct hash_table, and so the others */
    uint32_t n;          /* of all segments */
    uint32_t n_expiring; /* of all */
    uint64_t bytes;      /* committed, of all and itself */
    uint64_t earliest, latest, swept_earliest;
    uint64_t sweep_at;  /* hash of a name, where the sweep goes on */
    uint32_t segment[]; /* 2^depth, extents */
};

/* What a reader knows of a value in an extent: a directory, or one table. */
struct directory_view {
    const struct hash_directory *dir; /* NULL: it is a table */
    unsigned depth;
};

static inline size_t
directory_size(unsigned depth)
{
    return sizeof(struct hash_directory) + ((size_t)4 << depth);
}

static inline uint32_t
directory_place(unsigned depth, uint64_t hash)
{
    return (uint32_t)(hash >> 1 >> (63 - depth));
}

/* False if the bytes are none. */
bool hdir_open(const void *at, size_t bytes, struct directory_view *out);

/* The extent of the segment at a place. */
static inline uint32_t
hdir_segment(const struct directory_view *v, uint32_t place)
{
    return __atomic_load_n(&v->dir->segment[place], __ATOMIC_RELAXED);
}

/* A segment of a directory whose item is locked. */
void table_of_segment(
    struct ks_thread *t, uint32_t extent, struct table_view *out);
/* The place after those of the segment that stands at `place`. */
static inline uint32_t
hdir_next(const struct directory_view *v, uint32_t place,
    const struct table_view *segment)
{
    unsigned depth = MIN(segment->depth, v->depth);

    return ((place >> (v->depth - depth)) + 1) << (v->depth - depth);
}

/* Of the value in an extent that is pinned, or whose item is locked: the table
 * that has the names of this hash. Without a lock it needs a pin, which is
 * taken in the place of the one there was; false if it cannot be had. */
bool hash_pin_table(struct ks_thread *t, uint32_t *pinned, size_t len,
    uint64_t hash, struct table_view *out);

/* Of all tables: fields whose deadline is later than `now_ms`, whether there
 * are any, and the earliest deadline. */
uint64_t hash_tables_count(
    struct ks_thread *t, uint32_t extent, size_t len, uint64_t now_ms);
bool hash_tables_have_any(
    struct ks_thread *t, uint32_t extent, size_t len, uint64_t now_ms);
uint64_t hash_tables_earliest(struct ks_thread *t, uint32_t extent, size_t len);

/* ---- both, as items have them (hash_read.c) ------------------------------ */

struct hash_reader {
    struct ks_thread *t;
    uint64_t now_ms;
    bool is_table; /* its partition is locked */
    unsigned partition;
    size_t value_len;
    uint32_t extent;
    struct directory_view dir;
    struct table_view table; /* the one there is, or that was looked at last */
    struct compact compact;  /* of bytes */
    struct compact_at at;    /* of hash_next() */
    uint64_t expire_ms;      /* of the key */
    uint32_t len;
    char bytes[HASH_COMPACT_BYTES];
};

/* What a thread has for the hash it looks at. */
#define HASH_GUESSES 64
struct hash_thread {
    struct hash_reader reader;
    uint16_t guess[HASH_GUESSES]; /* ids of shapes + 1, see hash_patch.c */
    struct hash_edit *edit;       /* owned */
    bool renews; /* the next edit stores its item anew, see hash_overwrite.c */
};
struct hash_thread *hash_thread_new(void);
void hash_thread_free(struct hash_thread *h);

/* The table in an extent that is pinned or whose item is locked. */
void table_of_extent(
    struct ks_thread *t, uint32_t extent, size_t len, struct table_view *out);

/* The earliest deadline of a field of an item, maybe in the past; KS_NO_EXPIRY.
 * Under its partition's lock, but for a compact one. */
uint64_t hash_earliest(struct ks_thread *t, const struct item_view *v);
/* The same of the item in a chunk, of which `v` is a copy; without locks. */
uint64_t hash_peek_earliest(
    struct ks_thread *t, uint32_t handle, const struct item_view *v);

/* Remove the expired fields of the hash in a chunk, some of them if there are
 * many. Of the maintenance thread, without locks. */
void hash_sweep(struct ks_thread *t, uint32_t handle);

/* Between these, what hash_shape_of() returned stays as it is. */
static inline void
hash_enter(struct ks_thread *t)
{
    uint64_t n = atomic_load_explicit(&t->hash_visits, memory_order_relaxed);

    /* seen by who gives up shapes long before it looks: it waits a second */
    atomic_store_explicit(&t->hash_visits, n + 1, memory_order_release);
}

static inline void
hash_leave(struct ks_thread *t)
{
    uint64_t n = atomic_load_explicit(&t->hash_visits, memory_order_relaxed);

    atomic_store_explicit(&t->hash_visits, n + 1, memory_order_release);
}
