/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h - what the files of keyspace/ share: items, index lines,
 * partitions, the state of a thread. Namespaces, spaces and templates of keys
 * have headers of their own.
 *
 *   hash (64 bits)  = partition (8) | rest (56)
 *   partition       = writer lock, geometry, a reserved range of lines
 *   line (64 bytes) = 11 tags, 11 handles, a version (seqlock)
 *   handle          = a slab chunk that holds one item
 *
 * Lock order: partitions ascending, then what slab/ locks. Eviction and
 * draining may run under partition locks, so they only ever try further ones.
 */
#pragma once

#include "keyspace/keyspace.h"
#include "keyspace/namespace.h"
#include "keyspace/packing.h"
#include "keyspace/shape.h"
#include "keyspace/space.h"
#include "keyspace/template.h"

/* The fences of lock-free reads. ThreadSanitizer does not know fences; in its
 * build there are no such reads. */
#ifdef ASHLAR_SEQLOCK_LOCKED
#define read_fence(order) ((void)0)
#else
#define read_fence(order) atomic_thread_fence(order)
#endif

/* ---- items (item.c) ---------------------------------------------------------
 *
 *   header 4 | expiry 4? | extension 16? | version 8? | id 2? | key |
 *   value or extent 8
 *
 * The header is never 0 (0 marks a free chunk). Expiry holds the low 32 bits
 * of the deadline in milliseconds: exact for deadlines less than 24 days away
 * when written; the sweeper removes an item long before the number could be
 * read as a deadline to come. Later deadlines and long keys stand in the
 * extension. An id below TEMPLATE_FIRST_ID says which space the key stands in
 * (space.c); items of space 0 have none. From there on it names a template
 * (template.c), which knows the space and most of the key; `key` is then the
 * packed rest. While it is in the index an item changes inside an odd line
 * version only: its expiry, or a value that is overwritten (overwrite.c).
 */
enum item_bits {
    ITEM_VLEN_BITS = 17,
    ITEM_KLEN_SHIFT = 17, /* 8 bits; ITEM_KLEN_LONG: in the extension */
    ITEM_KLEN_LONG = 255,
    ITEM_HAS_EXPIRY = 1 << 25,
    ITEM_HAS_ID = 1 << 26,
    ITEM_IS_EXTENT = 1 << 27,
    ITEM_HAS_EXTENSION = 1 << 28,
    ITEM_KIND_SHIFT = 29, /* 2 bits, enum item_kind, never 0 */
};

/* The version stands in 8 bytes: only items that GETV has looked at have one
 * (version.c). */
#define ITEM_HAS_VERSION (1u << 31)

#define TEMPLATE_FIRST_ID SPACES
#define ITEM_IDS (TEMPLATE_FIRST_ID + 4096)

enum item_kind { ITEM_STRING = 1, ITEM_STRING_RAW = 2, ITEM_HASH = 3 };

static inline enum item_kind
item_kind(uint32_t header)
{
    return (enum item_kind)(header >> ITEM_KIND_SHIFT & 3);
}

static inline enum ks_type
item_type(uint32_t header)
{
    return item_kind(header) == ITEM_HASH ? KS_HASH : KS_STRING;
}

struct item_extension {
    uint64_t expire_ms; /* KS_NO_EXPIRY: none, or in the short field */
    uint32_t key_len;
    uint32_t spare;
};

struct item_extent_ref {
    uint32_t extent;
    uint32_t len;
};

/* An item taken apart. Pointers go into the chunk. Of a chunk that may be in
 * the hands of another thread all fields are plausible but meaningless until
 * the line version is checked; lengths are clamped so that reading is safe. */
struct item_view {
    uint32_t header;
    uint32_t id;            /* space or template: see item_space() */
    struct str stored;      /* the key as the item has it: see item_key() */
    const char *value;      /* in the chunk; of an extent item the ref */
    size_t value_len;       /* of the value, also in an extent */
    uint32_t extent;        /* 0: value is in the chunk */
    uint64_t expire_ms;     /* KS_NO_EXPIRY if none */
    uint64_t version;       /* 0: none was given */
    uint32_t size;          /* of the item in its chunk, bytes */
};

/* False when the chunk is free (or its lengths are impossible). `now_ms` makes
 * the short expiry whole. */
bool item_read(const void *chunk, uint64_t now_ms, struct item_view *out);

/* The fields that few items have: all between the id and the header. */
#define ITEM_FEW_HAVE                                                          \
    (ITEM_HAS_EXPIRY | ITEM_IS_EXTENT | ITEM_HAS_EXTENSION | ITEM_HAS_VERSION)

/* The same inline, for the way of every read. */
static inline bool
item_read_fast(const void *chunk, uint64_t now_ms, struct item_view *v)
{
    const char *at = (const char *)chunk + 4;
    uint32_t h = __atomic_load_n((const uint32_t *)chunk, __ATOMIC_RELAXED);
    uint16_t id = 0;

    if (unlikely(h == 0 || h & ITEM_FEW_HAVE))
        return item_read(chunk, now_ms, v);
    v->header = h;
    v->extent = 0;
    v->expire_ms = KS_NO_EXPIRY;
    v->version = 0;
    if (h & ITEM_HAS_ID) {
        memcpy(&id, at, 2);
        at += 2;
    }
    v->id = id;
    v->stored = (struct str){at, (h >> ITEM_KLEN_SHIFT) & 0xff};
    at += v->stored.len;
    v->value = at;
    v->value_len = h & ((1u << ITEM_VLEN_BITS) - 1);
    v->size = (uint32_t)(at - (const char *)chunk) + (uint32_t)v->value_len;
    return v->size <= SLAB_MAX_CHUNK && id < ITEM_IDS;
}

/* Bytes an item takes in its chunk. `value_len` is ignored for extents. */
struct item_shape {
    struct str key; /* as it is stored */
    uint32_t id;
    uint64_t expire_ms;
    uint64_t version; /* 0: none */
    size_t value_len;
    uint32_t extent; /* not 0: reference it instead of holding the value */
    bool raw;
    bool is_hash;
    bool is_rewrite; /* of an item that is there: no new value */
    bool must_not_fail; /* takes the place of an item that is there */
    bool at_hand;    /* in a chunk that the thread has, or not at all */
};
size_t item_size(const struct item_shape *shape, uint64_t now_ms);

/* Write header, fields and key; returns where the value_len value bytes go
 * (NULL for an extent, whose reference is written too). */
char *item_build(void *chunk, const struct item_shape *shape, uint64_t now_ms);

/* Whether the item, as it stands, could have another value and this expiry, if
 * its chunk has the room: then it is a plain string with the same fields. */
bool item_takes_value(const struct item_view *v, uint64_t expire_ms,
    uint64_t now_ms);

/* Give it them. Caller holds the partition lock and an odd line version. */
void item_put_value(void *chunk, const struct item_view *v, struct str value,
    uint64_t expire_ms);

/* An item whose value is in an extent has it in this one from now on, or has
 * another length there. Caller holds the partition lock and an odd version. */
void item_put_extent(void *chunk, const struct item_view *v, uint32_t extent,
    size_t len);

/* Give a compact hash a part that is another, and maybe of another length, see
 * overwrite_part(). Under the same. */
struct overwritten_part;
void item_put_part(void *chunk, const struct item_view *v,
    const struct overwritten_part *part);

/* Overwrite the expiry if the item has a field that can hold it (an item with
 * a short field takes a short deadline, one with an extension takes any).
 * Caller holds the partition lock and an odd line version. */
bool item_set_expiry(void *chunk, uint64_t expire_ms, uint64_t now_ms);

struct item_copy {
    char bytes[64 + KS_MAX_KEY]; /* fields and key */
    struct item_view view;       /* of these */
};

/* Copy the fields and the key of a chunk that others may be writing to, and
 * take the copy apart; the value pointer is not valid. False as for
 * item_read(). For eviction and draining, which come to chunks by their pages
 * and verify afterwards under the partition lock. */
bool item_peek(const void *chunk, uint64_t now_ms, struct item_copy *out);

/* True if the chunk's item has a short expiry that has passed; of such a chunk
 * as well. */
bool item_peek_expired(const void *chunk, uint64_t now_ms);

static inline bool
item_expired(const struct item_view *v, uint64_t now_ms)
{
    return v->expire_ms <= now_ms;
}

/* ---- keys of items ------------------------------------------------------- */

/* The space of any item; what is no space if it has the id of no template. */
static inline uint32_t
item_space(const struct templates *ts, const struct item_view *v)
{
    return v->id < TEMPLATE_FIRST_ID ? v->id : template_space(ts, v->id);
}

/* Whether any item stands for `name` of `space`. */
static inline bool
item_has_key(const struct templates *ts, const struct item_view *v,
    struct str name, uint32_t space)
{
    if (v->id < TEMPLATE_FIRST_ID)
        return v->id == space && str_eq(v->stored, name);
    return template_equals(ts, v->id, v->stored, name, space);
}

/* The key of any item, in `buf` or, if it is whole, where it stands. False as
 * for template_decode(). */
static inline bool
item_key(const struct templates *ts, const struct item_view *v,
    char buf[KS_MAX_KEY], struct str *name)
{
    *name = v->stored;
    return v->id < TEMPLATE_FIRST_ID ||
        template_decode(ts, v->id, v->stored, buf, name);
}

/* ---- index (index.c) ----------------------------------------------------- */

#define N_PARTITIONS 256
#define LINE_SLOTS 11
#define MAX_TRAVEL 64 /* lines an item may be away from home */
#define AT_REST UINT32_MAX
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

struct index_line {
    uint8_t tag[LINE_SLOTS]; /* [version] 8 hash bits; see handle */
    uint8_t overflow;        /* [version] following lines to look at */
    _Atomic uint32_t version; /* odd while a writer changes the line */
    uint32_t displaced;       /* [lock] of what is at home here, how much is how
                                 far away; see index.c */
    _Atomic uint32_t handle[LINE_SLOTS]; /* [version] 0: free */
};
_Static_assert(sizeof(struct index_line) == CACHE_LINE, "one cache line");

struct partition {
    /* writers */
    _Atomic uint32_t lock;
    _Atomic uint32_t n_items;  /* [lock] writes, [atomic] reads */
    struct watch_table *watches; /* [lock] owned; NULL until the first */
    uint32_t n_watches;          /* [lock] in the table */
    char pad1[CACHE_LINE - 8 - sizeof(void *) - 4];
    /* geometry: written under the lock while `geometry` is odd */
    _Atomic uint32_t geometry; /* seqlock of the fields below */
    _Atomic uint32_t n_old;    /* lines the old mapping knows */
    _Atomic uint32_t n_new;    /* lines the new mapping knows */
    _Atomic uint32_t frontier; /* old lines from here on have moved to the new
                                  mapping; AT_REST: not growing */
    struct index_line *lines;  /* [immutable] its first block */
    char pad2[CACHE_LINE - 24];
};
_Static_assert(sizeof(struct partition) == 2 * CACHE_LINE, "two cache lines");

/* The lines of a partition stand in blocks, and the blocks of all partitions
 * in turn: block 0 of partition 0, of 1, ..., block 1 of partition 0, and so
 * on. As all grow alike, the part in use has no gaps. */
#define BLOCK_LINES 8
#define BLOCK_BYTES ((size_t)BLOCK_LINES * CACHE_LINE)

static inline struct index_line *
partition_line(const struct partition *p, uint32_t i)
{
    return p->lines + (size_t)(i / BLOCK_LINES) * BLOCK_LINES * N_PARTITIONS +
        i % BLOCK_LINES;
}

/* The line of the same partition that follows. Blocks are aligned. */
static inline struct index_line *
next_line(const struct index_line *line)
{
    const struct index_line *next = line + 1;

    if (unlikely((uintptr_t)next % BLOCK_BYTES == 0))
        next += (size_t)BLOCK_LINES * (N_PARTITIONS - 1);
    return (struct index_line *)(uintptr_t)next;
}

struct index {
    struct partition partition[N_PARTITIONS];
    struct slab *slab;         /* handles to items; growth is charged to it */
    const struct hash_seed *seed;
    const struct templates *templates; /* to read the keys of items */
    char *map;                 /* [immutable] reservation of all lines */
    size_t map_bytes;
    uint32_t max_lines;        /* per partition, MAX_TRAVEL not included */
    bool huge;                 /* [immutable] huge pages were asked for */
    _Atomic size_t populated;  /* [maintenance] writes: touched ahead of use */
    size_t ahead_to;           /* [maintenance] bytes to touch for the growth
                                  to come */
    _Atomic size_t asked_bytes; /* growth waits until these are touched */
    uint64_t look_at_us;       /* [maintenance] when to ask again */
    _Atomic size_t touched_bytes; /* where partitions may grow */
    _Atomic size_t charged_bytes; /* the same and more */
    _Atomic size_t wanted_bytes;  /* growth waits until it is charged; 0: none */
    _Atomic uint64_t grow_steps;
};

struct index_place {           /* where a handle stands, under the lock */
    struct index_line *line;
    unsigned slot;
};

/* At start, and at the end when no thread is left. Borrows seed and templates.
 * False, and a sentence in `err`, when the system has no addresses. */
bool index_init(struct index *ix, struct slab *slab,
    const struct hash_seed *seed, const struct templates *templates,
    struct buf *err);
void index_destroy(struct index *ix);

static inline unsigned
index_partition(uint64_t hash)
{
    return (unsigned)(hash >> 56);
}

/* The writers' lock. A thread has several only by ks_lock(), in ascending order.
 * partition_wait() takes it as well, where it was not free at once: it spins,
 * yields, then sleeps, and lets the host serve others (wait.c). */
void partition_lock(struct partition *p);
bool partition_trylock(struct partition *p);
void partition_wait(struct partition *p);
void partition_unlock(struct partition *p);

/* Hash of an item's key and space; as ks_key() makes it. */
uint64_t index_hash(const struct hash_seed *seed, struct str name,
    uint32_t space);

/* The same of an item. False if it is none (it may be under change). */
bool index_hash_item(const struct index *ix, const struct item_view *v,
    uint64_t *hash);

/* Lock-free look-up. Calls visit(ctx, chunk, handle) for each candidate; it
 * returns true for the item sought, having copied what it wants of it. True if
 * found and what visit saw was a consistent state; *locked says that the
 * partition lock was taken for it (after repeated interference). visit may be
 * called again after it returned true. */
typedef bool (*index_visit_fn)(void *ctx, const void *chunk, uint32_t handle);
bool index_read(struct index *ix, uint64_t hash, index_visit_fn visit,
    void *ctx, uint64_t *retries);

/* The following need the partition's lock. */
uint32_t index_find(struct index *ix, const struct ks_key *key,
    struct index_place *place);
/* The same, and what the item is; `now_ms` as for item_read(). */
uint32_t index_find_item(struct index *ix, const struct ks_key *key,
    uint64_t now_ms, struct index_place *place, struct item_view *v);
bool index_find_handle(struct index *ix, uint64_t hash, uint32_t handle,
    struct index_place *place);
/* Add a handle known to be absent. False only when the address range of the
 * partition is full. May grow by a few lines. */
bool index_insert(struct index *ix, uint64_t hash, uint32_t handle);
/* Put a handle at its home or after it. False when all lines in reach are
 * full. */
bool index_place_handle(
    struct index_line *home, uint64_t hash, uint32_t handle);
void index_swap(struct index_place place, uint32_t handle);
void index_erase(struct index *ix, uint64_t hash, struct index_place place);
/* Bracket a change of the item itself (its expiry, its value). */
void index_write_begin(struct index_line *line);
void index_write_end(struct index_line *line);

/* For walks, under the lock: the line that is home to `from`, and the *n lines
 * (it and its overflow) that hold the items whose hash is in [from, *end). *end
 * is the first hash of the next line; *last says that there is none in this
 * partition (then *end is not set). */
struct index_line *index_walk(struct index *ix, uint64_t from, uint32_t *n,
    uint64_t *end, bool *last);
uint32_t index_physical_lines(const struct partition *p);

/* ---- growth of the index (index_grow.c) ---------------------------------- */

/* The part of index_init() that gives each partition its first lines. */
void index_grow_init(struct index *ix);

/* Once per insertion, under the partition's lock: move some items on if it
 * grows, begin if it should and memory allows. */
void index_grow_step(struct index *ix, struct partition *p);

/* The same for an item that finds no place, whatever memory allows. False only
 * when the address range of the partition is full. */
bool index_grow_now(struct index *ix, struct partition *p);

/* Touch one huge page of the range that growth has taken or is about to take,
 * which takes hundreds of microseconds, before a writer does: where a writer is
 * first, it gets small pages. True if there is more. Maintenance thread. */
bool index_populate(struct index *ix);
/* Charge up to `bytes` of what growth waits for, once for each insertion that
 * could not make a partition grow. False if none could not, or if the limit does
 * not allow it yet. Any thread; may give free memory back to the system. */
bool index_save(struct index *ix, size_t bytes);

/* Whether its growth waits for memory after that. */
static inline bool
index_waits(const struct index *ix)
{
    return unlikely(LOAD(&ix->wanted_bytes) != 0);
}

/* ---- ahead of a look-up (index_prefetch.c) ------------------------------- */

/* The lines where keys are at home. */
void index_prefetch_line(const struct index *ix, uint64_t hash);
void index_prefetch_lines(
    const struct index *ix, struct ks_key *keys, unsigned n);
/* The items that are likely to be the ones sought, whose lines should have
 * come, and what is noted of them. */
void index_prefetch_items(
    const struct index *ix, struct ks_key *keys, unsigned n);

/* Does the line still say what the prefetch found there? Then the item found
 * has been there, unchanged, since then. Without the partition's lock the
 * answer is to be had again after the item was looked at. */
static inline bool
ahead_holds(const struct ks_ahead *a)
{
    return a->handle != 0 &&
        atomic_load_explicit(&a->line->version, memory_order_acquire) ==
        a->version;
}

/* ---- hit density (tick.c, rank.c, mark.c, evict.c) ----------------------- */

#define OCTAVES 8
#define REUSE_STATES 7
#define AGE_BUCKETS 64
#define RANK_CLASSES (OCTAVES * 8)

/* The state byte of a mark. */
enum mark_bits {
    MARK_REUSE = 7,          /* 0..6 */
    MARK_OFTEN = 4,          /* of these, the bit of those hit often */
    MARK_COUNT_SHIFT = 3,    /* 3 bits: hits, see mark.c */
    MARK_EXPIRES = 1 << 6,
    MARK_EXTENT = 1 << 7, /* no state is SLAB_MARK_FREE: reuse is never 7 */
};

struct histogram {
    _Atomic uint32_t hits[RANK_CLASSES][AGE_BUCKETS];
    _Atomic uint32_t evictions[RANK_CLASSES][AGE_BUCKETS];
};

struct rank_table {
    _Atomic uint32_t density[RANK_CLASSES][AGE_BUCKETS]; /* float bits */
    float hits[RANK_CLASSES][AGE_BUCKETS];      /* [rank lock] decayed */
    float evictions[RANK_CLASSES][AGE_BUCKETS]; /* [rank lock] */
    float age[AGE_BUCKETS]; /* [immutable] in the middle of a bucket */
};

#define STAMP_OLD 49152 /* ticks: older stamps are set to this age */
#define TICKS_NOTED 8  /* one entry of the ring for so many */
#define TICK_RING 8192 /* 65536 ticks */

/* What is remembered of evicted keys (ghost.c). */
struct ghosts {
    struct slab *slab;
    _Atomic uint64_t *word;   /* [immutable] addresses; see n_words */
    size_t map_bytes;         /* [immutable] of them */
    _Atomic uint32_t n_words; /* [maintenance] writes: in use, a power of two,
                                 or 0 */
    _Atomic bool wanted;      /* something was evicted since the last look */
    uint32_t used_tick;       /* [maintenance] when something was */
    size_t lack_bytes;        /* [maintenance] to grow */
    size_t touched_bytes;     /* [maintenance] charged and resident */
};

struct ks {
    uint32_t magic;
    unsigned n_databases;
    struct slab *slab;
    const struct keyspace_options *options;
    struct hash_seed seed;
    struct templates *templates;
    struct hash_shapes *shapes;
    struct index index;
    struct namespaces namespaces;
    struct spaces spaces;
    size_t fixed_bytes;
    _Atomic uint32_t expired_held; /* set of enum ks_hold */
    uint64_t due_begin_ms;         /* [immutable] see due_init() */
    _Atomic uint32_t observed;     /* kinds of events, a byte per observer */

    _Atomic uint32_t tick;         /* coarse time in accesses */
    _Atomic uint32_t tick_len;     /* accesses per tick */
    _Atomic uint64_t tick_part;    /* accesses since the last tick */
    _Atomic uint32_t tick_wall_s[TICK_RING];
    _Atomic uint64_t idle_began;   /* tick << 32 | wall seconds */
    uint32_t seen_tick, seen_s;    /* [maintenance] at its last look */
    bool idle;                     /* [maintenance] that tick was its own */
    _Atomic uint64_t until_rank;   /* accesses since ranks were made */
    _Atomic uint32_t rank_lock;
    struct rank_table ranks;
    struct ghosts ghosts;

    /* Changes of several keys: every read looks at these, so that they share
     * no line with what accesses write. */
    char pad1[CACHE_LINE];
    _Atomic uint64_t several_begun;
    _Atomic uint64_t several_ended;
    char pad2[CACHE_LINE];
    struct mapping mapping;
    char pad3[CACHE_LINE];

    _Atomic uint64_t last_version; /* given to a value (version.c) */
    _Atomic bool field_deadlines;  /* some hash has or had one */

    _Atomic uint32_t threads_lock;
    struct ks_thread *threads;     /* [threads_lock] list */
    struct ks_metrics base;        /* [threads_lock] of ended threads, minus
                                      what a reset took off */
    int64_t base_items[KS_DATABASES], base_expires[KS_DATABASES];
};

#define KS_MAGIC 0x6b737061u
#define KS_THREAD_MAGIC 0x6b737468u

/* An item that eviction chose; it goes if its mark is still the same then. */
struct victim {
    uint32_t handle; /* 0: none */
    float score;     /* density per weight; the least goes */
    size_t bytes;    /* that go with it */
    uint64_t hash;   /* of its key */
    unsigned cls, bucket; /* of the ranks */
    unsigned chunk_class; /* SLAB_MAX_CLASSES: an extent goes too */
    uint16_t stamp;
    uint8_t state;
    bool has_hash;   /* its index line has been asked for */
};

/* What was looked at and may go soon. */
struct candidates {
    struct victim victim[16];
    unsigned n;
    enum ks_policy policy; /* that they were judged by */
    int64_t weight;
};

#define EVICT_AT_ONCE 8 /* victims: their misses of the CPU's caches overlap */

/* Evictions come in numbers, and all that one looks at are misses of the CPU's
 * caches. So each asks for what the next ones will look at. */
struct evictions_ahead {
    struct slab_run any[8], of_class; /* to be compared; n is 0 for none */
    unsigned turn;
    struct candidates candidates;
    struct victim ready[EVICT_AT_ONCE]; /* to go next; their lines have been
                                           asked for, the last one goes first */
    unsigned n_ready;
    struct victim chosen[EVICT_AT_ONCE]; /* to go then; their items have */
    unsigned n_chosen;
    unsigned cls; /* that needed room last, and will again */
};

/* A page that this thread drains bit by bit. Others may go on with it. */
struct draining {
    uint32_t page; /* 0: none (the first page is never drained) */
    uint32_t at;   /* its next chunk */
    bool evicts;   /* its items, rather than move them */
};

/* The expiry sweep between two slices. */
#define SWEEP_PAGES 32
struct sweep {
    uint32_t next;              /* page whose deadline is looked at next */
    uint32_t page[SWEEP_PAGES]; /* due, their deadlines taken */
    unsigned n, done;           /* of these */
    uint32_t at;                /* next chunk of the first not done */
    uint64_t earliest;          /* deadline seen on it */
    bool late;                  /* the last pages were due long ago */
};

/* What a thread's turn has for making room (room.c), between two calls of
 * ks_thread_poll(). */
struct room_turn {
    bool is_bounded; /* the thread makes such calls */
    uint32_t writes;
    uint64_t spent_ns;
};

struct ks_thread {
    uint32_t magic;
    struct ks *ks;
    struct slab *slab;
    struct slab_thread *slab_thread;
    struct ks_metrics metrics;                     /* [owner thread] writes */
    _Atomic int64_t items[KS_DATABASES];  /* [owner thread] writes; by home */
    _Atomic int64_t expires[KS_DATABASES];
    struct ns_counts *ns; /* owned, by entry */
    struct histogram histogram;
    struct evictions_ahead ahead;
    struct draining draining;
    uint64_t random;
    struct template_memo memo;
    struct ns_memo ns_memo[NS_MEMOS];
    uint32_t accesses;       /* not yet in ks->tick_part */
    uint32_t access_batch;   /* put them there from this many on */
    uint64_t held[4];        /* partitions held by ks_lock */
    bool holds;              /* any of them */
    unsigned nested;         /* ks_lock()s within the one that took them */
    bool holds_several;      /* for a change of several keys */
    unsigned viewed;         /* partition with a view in use, or N_PARTITIONS */
    struct buf walk;         /* keys collected by a walk */
    struct buf events;       /* raised and not taken yet, see event.c */
    bool room_is_scarce;     /* the last chunk took an eviction */
    struct room_turn room;   /* what making room has taken, see room.c */
    bool gentle;             /* ks_set_gentle() */
    unsigned gentle_calls;   /* ks_maintain() with work left since the rest */
    struct sweep sweep;      /* of the maintenance thread, see expire.c */
    uint32_t age_page;       /* next page whose stamps are clamped */
    uint32_t age_tick;
    struct reclaim reclaim;  /* of the maintenance thread */
    struct reclaim help;     /* where reclaim_help() goes on */
    uint64_t drop_at_us;     /* when to look for unused namespaces again */
    struct buf unlinked;     /* to be freed after the unlock */
    struct hash_thread *hash; /* owned: what is open, see hash_form.h */
    _Atomic uint64_t hash_visits; /* [owner thread] writes; odd within one */
    uint64_t hash_visit_seen; /* [maintenance] */
    struct ks_thread *next;  /* [threads_lock] */
};

/* Whether the key leads where it led when ks_key() made it. A reader asks after
 * it has read, a writer under the partition's lock. */
static inline bool
key_is_current(const struct ks *ks, const struct ks_key *key)
{
    read_fence(memory_order_acquire);
    return likely(atomic_load_explicit(&ks->mapping.epoch,
        memory_order_relaxed) == key->epoch);
}

/* Whether a change of several keys is under way. If not, what those before it did
 * is seen. */
static inline bool
is_several_changing(const struct ks *ks)
{
    /* acquire: pairs with the release in ks_unlock() */
    uint64_t ended =
        atomic_load_explicit(&ks->several_ended, memory_order_acquire);

    return unlikely(LOAD(&ks->several_begun) != ended);
}

/* Whether there may be dead items. */
static inline bool
any_dead(const struct ks *ks)
{
    return unlikely(
        atomic_load_explicit(&ks->spaces.flushes, memory_order_relaxed) !=
        atomic_load_explicit(&ks->spaces.reclaimed, memory_order_relaxed));
}

static inline void
add_i64(_Atomic int64_t *counter, int64_t n)
{
    int64_t v = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

static inline struct ns_memo *
ns_memo_of(struct ks_thread *t, uint64_t first_bytes)
{
    return &t->ns_memo[(uint32_t)first_bytes * 0x9e3779b1u >>
        (32 - __builtin_ctz(NS_MEMOS))];
}

/* The entry of the key's namespace; NS_UNKNOWN when it has none. */
static inline uint16_t
ns_of_key(struct ks_thread *t, const struct ks_key *key)
{
    if (key->ns != NS_UNKNOWN)
        return key->ns;
    if (likely(key->name.len >= 8)) {
        uint64_t word = load8(key->name.p);
        const struct ns_memo *m = ns_memo_of(t, word);

        if (likely((word ^ m->name) << m->surplus == 0 &&
                m->epoch == key->epoch && m->db == key->db))
            return m->ns;
    }
    return ns_find_and_keep(t, key);
}

/* The same, made if need be. Under the partition lock; the key is current. */
static inline uint16_t
ns_of_write(struct ks_thread *t, const struct ks_key *key)
{
    uint16_t ns = ns_of_key(t, key);

    return likely(ns != NS_UNKNOWN) ? ns :
        ns_find_or_make(t->ks, LOAD(&t->ks->mapping.home[key->db]), key->name);
}

static inline unsigned
home_of_key(const struct ks *ks, const struct ks_key *key)
{
    return atomic_load_explicit(&ks->mapping.home[key->db],
        memory_order_relaxed);
}

/* The entry that a read counts in. */
static inline uint16_t
ns_of_read(struct ks_thread *t, const struct ks_key *key)
{
    uint16_t ns = ns_of_key(t, key);

    return ns != NS_UNKNOWN ? ns : ns_other(home_of_key(t->ks, key));
}

static inline uint64_t
next_random(struct ks_thread *t)
{
    uint64_t x = t->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    t->random = x;
    return x * 0x9e3779b97f4a7c15u;
}

/* Take the lock of a partition unless this thread holds it by ks_lock. */
void ks_enter(struct ks_thread *t, unsigned partition);
void ks_leave(struct ks_thread *t, unsigned partition);
/* The same for eviction: never waits, and never enters the partition whose
 * item is being viewed. */
bool ks_try_enter(struct ks_thread *t, unsigned partition);

/* ---- reads (read.c), updates (update.c), stores (store.c) ---------------- */

struct read_state;

/* What a read of a hash takes of the item, of which it may see any state. */
typedef void (*read_hash_fn)(struct read_state *r);

struct read_state {
    struct ks_thread *t;
    const struct ks_key *key; /* as it is now: the caller's, or renewed */
    struct ks_key renewed;
    bool ahead;              /* the item is the one that was found ahead */
    ks_place_fn place;       /* NULL: the value is not wanted */
    void *ctx;
    uint64_t now_ms;
    struct item_view view;
    uint32_t handle;
    uint32_t pinned;         /* extent pinned by the last visit */
    const char *value;
    read_hash_fn take_hash;  /* NULL: the value of a string is wanted */
};

/* Find the item and copy out what is wanted, lock-free if it can be. */
bool read_item(struct read_state *r);
/* Count a read that found its item or not; an expired one is none. */
enum ks_status count_read(struct read_state *r, enum ks_read_mode mode,
    bool found);
void read_unpin(struct read_state *r);

/* What publish() took out of the index: to be freed after the unlock. */
struct former {
    uint32_t handle; /* 0: none */
    uint32_t extent;
};

/* An update under way, under the partition lock. */
struct update {
    struct ks_thread *t;
    struct ks_key key;     /* current */
    uint64_t now_ms;
    uint32_t handle;       /* of the item there is, 0 for none; it may have
                              expired */
    struct index_place place;
    struct item_view view;
    struct ks_old old;
    unsigned partition;
    struct former former;  /* to free after the unlock */
    uint32_t due_handle;   /* to note after the unlock */
    uint64_t due_ms;
};

/* Enter the partition of the key and look at the item; leave it and free what
 * is to be freed. In between evictions leave the partition alone. */
void update_begin(struct ks_thread *t, const struct ks_key *key,
    struct update *u);
void update_end(struct update *u);
enum ks_status update_put(struct update *u, const struct ks_new *new);
void update_delete(struct update *u);
/* The value of the item has changed in its extent. */
void update_note_change(struct update *u);

/* A hash in an extent may have others beside it (hash_directory.c): drop the
 * reference to all that nobody has an item for any more, or that the item in a
 * chunk has; and say which item it is. */
void hash_unpin(struct ks_thread *t, uint32_t extent);
void item_unpin(struct ks_thread *t, uint32_t handle, uint32_t extent);
void hash_set_owner(struct ks_thread *t, uint32_t extent, uint32_t handle);

/* A hash whose fields have all expired (hash_read.c); of an item that may be
 * under change, an estimate. */
bool hash_is_void(struct ks_thread *t, const struct item_view *v,
    uint64_t now_ms);

/* In the first byte of a compact hash: every field has a deadline. */
#define HASH_ALL_EXPIRE (1 << 5)

/* Whether an item is there for nobody any more. */
static inline bool
item_is_over(struct ks_thread *t, const struct item_view *v, uint64_t now_ms)
{
    return item_expired(v, now_ms) ||
        (item_kind(v->header) == ITEM_HASH &&
            (v->extent != 0 || ((uint8_t)v->value[0] & HASH_ALL_EXPIRE)) &&
            hash_is_void(t, v, now_ms));
}

/* An item in a fresh chunk that no one else knows yet. */
struct fresh {
    uint32_t handle;
    uint32_t extent;    /* its extent, 0 for none */
    uint64_t expire_ms;
    size_t bytes;       /* item and extent */
    bool same;          /* what clients see is what the item it replaces has */
    bool is_rewrite;    /* no new value */
};

/* Whether key or value is above what an item can have. */
bool store_too_large(const struct ks_key *key, size_t value_len);
/* Whether the value is to stand in an extent. */
bool store_wants_extent(const struct ks_thread *t,
    const struct item_shape *shape, size_t item_bytes);
/* Build an item from parts (or around shape->extent). */
enum ks_status store_build(struct ks_thread *t, const struct ks_key *key,
    struct item_shape *shape, const struct str *part, unsigned n_parts,
    struct fresh *out);
/* Put a fresh item into the index in place of the one at `place` (handle
 * `old`, 0 for none; `was` is what it is). Under the partition lock; the key is
 * current. False when the index is full. */
bool store_publish(struct ks_thread *t, const struct ks_key *key, uint32_t old,
    const struct item_view *was, struct index_place place,
    const struct fresh *fresh, uint64_t now_ms, struct former *former);
/* Free one that was not published; its extent may be the caller's to keep. */
void store_discard(struct ks_thread *t, const struct fresh *fresh,
    bool keep_extent);

/* What a look-up under the partition's lock came to. */
struct found_item {
    uint32_t handle; /* 0: nothing */
    struct index_place place;
    struct item_view view;
};

/* overwrite.c: give an item another value in its chunk. False when it does not
 * fit there. Under the partition's lock; `expire_ms` is to come. */
bool overwrite(struct ks_thread *t, const struct ks_key *key,
    const struct found_item *found, struct str value, uint64_t expire_ms,
    uint64_t now_ms);
/* The same for a part of a compact hash: from `was` on, which is in the value,
 * what follows is moved to make room for `now`, and the byte at `head` becomes
 * `new_head`. The expiry stays. */
struct overwritten_part {
    const char *head;
    struct str was, now;
    uint8_t new_head;
};
bool overwrite_part(struct ks_thread *t, const struct ks_key *key,
    const struct found_item *found, const struct overwritten_part *part);
/* Whether a value is short enough for that, and wanted. */
bool overwrite_may(
    const struct ks_thread *t, const struct ks_key *key, size_t value_len);
/* Whether an item that gets another value is to be stored anew for it. */
bool overwrite_renews(struct ks_thread *t, const struct item_view *v);

/* The mark of an item that has just been published in place of `old`, whose
 * history it carries on. 0: a new key, or one that returns, with what is
 * remembered of it by its hash. */
void mark_new(struct ks_thread *t, uint32_t handle, uint32_t old,
    const struct fresh *fresh, uint64_t hash);
/* The mark of an item that was given another value. */
void mark_overwritten(struct ks_thread *t, const struct slab_mark *mark);
/* The mark of an item that was moved to another chunk. */
void mark_move(struct ks_thread *t, uint32_t from, uint32_t to);
void mark_expires(struct ks_thread *t, uint32_t handle, bool expires);
/* The hits that the state of a mark tells of, as ks_info has them. */
unsigned mark_frequency(uint8_t state);
/* A hit on an item, whose value is in `extent`, or 0. */
void mark_hit(
    struct ks_thread *t, const struct slab_mark *mark, uint32_t extent);
/* A free chunk whose mark says otherwise (a hit raced with the free) would be
 * chosen again and again: correct it, unless the chunk is an item by now. */
void mark_correct(struct ks_thread *t, uint32_t handle);

/* At start. */
void tick_init(struct ks *ks);
/* Count one access (hit or miss) and advance the coarse time. */
static inline void tick_access(struct ks_thread *t);
/* Put the accesses that the thread has counted where all are counted. */
void tick_flush(struct ks_thread *t);

static inline void
tick_access(struct ks_thread *t)
{
    if (unlikely(++t->accesses >= t->access_batch))
        tick_flush(t);
}

/* Seconds since the access that left the stamp, about. */
uint32_t tick_idle_seconds(const struct ks *ks, uint16_t stamp);
/* The stamp of an access that long ago, or the oldest there is. */
uint16_t tick_of_idle(const struct ks *ks, uint32_t idle_s);
/* As many accesses make a tick as there are items for it. */
void tick_length_update(struct ks *ks);
/* Let coarse time go on while there are no accesses, a tick a second. By the
 * one thread that maintains. */
void tick_idle(struct ks *ks);

/* False with a message when no addresses can be reserved. */
bool ghosts_init(struct ghosts *g, struct slab *slab, struct buf *err);
void ghosts_destroy(struct ghosts *g);
size_t ghosts_bytes(const struct ghosts *g);
/* Remember an evicted key, by its hash, and its hits, 0 to 7. */
void ghost_put(struct ghosts *g, uint64_t hash, unsigned count);
/* The hits of a key evicted not long ago, which are forgotten then; false
 * if none is remembered. */
bool ghost_take(struct ghosts *g, uint64_t hash, unsigned *count);
/* Ask for the line that either will look at. */
void ghost_prefetch(const struct ghosts *g, uint64_t hash);
/* As much memory as suits the number of items while there are evictions, else
 * none. True if there is more to do. By the one thread that maintains; cheap
 * when nothing changes. */
bool ghosts_fit(struct ks_thread *t);

/* At start: as long as nothing is known, younger items are worth more. */
void rank_init(struct ks *ks);
/* Under the rank lock. */
void rank_update(struct ks *ks);

/* Evict one item, best one of class `cls` if it is as bad as others. False when
 * none was found. The chunk of one of the class is this thread's then, and the
 * next that it takes. */
bool evict_one(struct ks_thread *t, unsigned cls);
/* The same for up to `items`, 8 at most, until `bytes` have gone: quicker than
 * one by one. Returns how many went; 0 does not say that there are none. */
unsigned evict_some(struct ks_thread *t, unsigned cls, unsigned items,
    size_t bytes);
/* An insertion waits for a line of the index. If the class that needed room
 * last will need it again, one of those that evict_some() has chosen goes
 * meanwhile, if its chunk is of that class. True if one did. */
bool evict_ahead(struct ks_thread *t);
/* Evict the worst of some items of the class. False when none was found. */
bool evict_of_class(struct ks_thread *t, unsigned cls);
/* The page whose items are worth the least per byte, of a few random ones;
 * UINT32_MAX when there is none. */
uint32_t evict_worst_page(struct ks_thread *t);
enum ks_policy evict_policy(const struct ks_thread *t);
/* Whether the policy lets any item go. */
bool evict_takes_any(const struct ks_thread *t);

/* As ks_commit_extent(), but no more than is needed. */
bool ks_commit_least(struct ks_thread *t, uint32_t extent, size_t bytes);

/* room.c: a chunk for `bytes`, evicting if need be; 0 when nothing may be
 * evicted. ROOM_RESERVED: not for a new value: may take what noeviction keeps
 * back. ROOM_ANYWAY: the item takes the place of another and must not fail: may
 * take a page above the limit. ROOM_AT_HAND: one that the thread has, else 0 at
 * once; whether the cache takes values has been asked. */
enum room { ROOM_FOR_VALUES, ROOM_RESERVED, ROOM_ANYWAY, ROOM_AT_HAND };
uint32_t room_alloc(struct ks_thread *t, size_t bytes, enum room room);
/* Another turn begins. [owner thread] */
void room_begin_turn(struct ks_thread *t);

/* Ask for the line of a key that is about to be stored, and see to it meanwhile
 * that there is a chunk at hand. Before its partition is entered. */
void room_prepare(struct ks_thread *t, const struct ks_key *key);

/* Bytes of an item in memory: chunk and extent. */
size_t item_memory(struct ks_thread *t, uint32_t handle,
    const struct item_view *v);
/* What the extents of a hash have committed; of an item that may be under
 * change, an estimate. */
size_t hash_memory(struct ks_thread *t, uint32_t extent, size_t len);

/* Take the item out of the index (the caller holds its partition and found it)
 * and correct the counters; the chunk is the caller's to free. */
void item_unlink(struct ks_thread *t, uint64_t hash, struct index_place place,
    const struct item_view *v, const struct owner *owner);
/* Free a chunk that is out of the index, and its extents. */
void item_free(struct ks_thread *t, uint32_t handle, uint32_t extent);
/* The same, straight to the page: for batches that are to give pages back. */
void item_free_to_page(struct ks_thread *t, uint32_t handle, uint32_t extent);
/* An item of `bytes` (item and extent) and this expiry comes (1), goes (-1). */
void count_item(struct ks_thread *t, const struct owner *owner, size_t bytes,
    bool expires, int delta);
/* One takes the place of another of this key, `was`. */
void count_replaced(struct ks_thread *t, const struct owner *owner,
    const struct item_view *was, const struct fresh *now);
/* It has got larger where it is, or smaller. */
void count_grown(struct ks_thread *t, const struct owner *owner, int64_t bytes);
/* It has gone because its deadline has passed. */
void count_expired(struct ks_thread *t, const struct owner *owner,
    const struct item_view *v, uint64_t now_ms);
/* Its deadline is put (1) or taken away (-1). */
void count_expiry(struct ks_thread *t, const struct owner *owner, int delta);

static inline size_t
item_bytes(const struct item_view *v)
{
    return v->size + (v->extent ? v->value_len : 0);
}

/* drain.c: any thread, also under partition locks, of which they only try
 * further ones. */

/* Empty the page with the smallest share of live items, if that is small,
 * evicting the ones that find no room elsewhere. */
bool drain_sparsest(struct ks_thread *t);
/* If more is used than the limit by far: drain_some(), else drain_worst(). True
 * if it did. */
bool drain_far_above(struct ks_thread *t, uint32_t items);
/* Drain a class that has a page's worth of holes, for about `items` moves; the
 * next call goes on there. False if there is none. */
#define DRAIN_WHOLE UINT32_MAX
bool drain_some(struct ks_thread *t, uint32_t items);
/* Go on with the page that this thread drains, or evict all items of another,
 * the worst of a few, about so many now. False if there is none. */
bool drain_worst(struct ks_thread *t, uint32_t items);
/* The same; or, if there is none after `evicted` items went in vain, empty the
 * sparsest page. False if nothing was done. */
bool drain_any(struct ks_thread *t, uint32_t items, unsigned evicted);

/* Go on with a page that was left while it was being drained. True if it is
 * gone. */
bool drain_pending(struct ks_thread *t);

/* Take an item out if it is (still) in the index and `want` agrees; used by
 * eviction, expiry and draining on chunks found by walking pages. Returns true
 * when it was removed and freed. */
enum remove_reason {
    REMOVE_EVICT,
    REMOVE_TO_REUSE, /* the same, and this thread takes the chunk */
    REMOVE_IF_EXPIRED,
    REMOVE_IF_DEAD
};
bool remove_chunk(struct ks_thread *t, uint32_t handle,
    enum remove_reason why);
/* The same for who has hashed the key of the item, which may be gone by now. */
bool remove_hashed(struct ks_thread *t, uint32_t handle, uint64_t hash,
    enum remove_reason why);

/* The same for one that was seen to have expired. */
bool remove_expired(struct ks_thread *t, uint32_t handle, uint64_t hash);

/* At start: from the clock, so that versions of former runs are lower. */
void version_init(struct ks *ks);

/* The next version; never one that was given before. Any thread. */
uint64_t version_next(struct ks *ks);

/* watch.c: a change of an item, under its partition's lock. */
enum watch_event { WATCH_CHANGED, WATCH_EXPIRED };
void watch_mark(struct ks_thread *t, uint64_t hash, struct str name,
    enum watch_event event);

static inline void
watch_note(struct ks_thread *t, const struct ks_key *key,
    enum watch_event event)
{
    unsigned p = index_partition(key->hash);

    if (unlikely(t->ks->index.partition[p].n_watches != 0))
        watch_mark(t, key->hash, key->name, event);
}

/* Under all locks: mark the watches that `changed` says yes to. */
typedef bool (*watch_changed_fn)(void *ctx, const struct ks_key *key,
    bool was_there);
void watch_mark_all(struct ks_thread *t, watch_changed_fn changed, void *ctx);
/* Under all locks, after keys came to lead elsewhere: the watches follow. */
void watch_follow(struct ks_thread *t);

/* At the end; nobody watches any more. */
void watch_free(struct ks *ks);

/* event.c */
void event_record(struct ks_thread *t, enum ks_event_kind kind, struct str name,
    uint32_t db);
/* The number of the database that an item is in; under its partition's lock. */
unsigned db_of_item(const struct ks *ks, const struct item_view *v);
void event_record_item(struct ks_thread *t, enum ks_event_kind kind,
    const struct item_view *v);

/* Does anybody want to hear of events of this kind? */
static inline bool
event_wanted(const struct ks_thread *t, enum ks_event_kind kind)
{
    return unlikely(atomic_load_explicit(&t->ks->observed,
        memory_order_relaxed) & 0x01010101u << kind);
}

/* Under the lock of the key's partition, but for KS_EVENT_MISS. */
static inline void
event_note(struct ks_thread *t, enum ks_event_kind kind,
    const struct ks_key *key)
{
    if (event_wanted(t, kind))
        event_record(t, kind, key->name, key->db);
}

/* expire.c: from when on deadlines of pages are counted. */
void due_init(struct ks *ks);

/* The page of the chunk has a deadline. Any thread. */
void due_note(struct ks_thread *t, uint32_t handle, uint64_t expire_ms);

/* Whether an item of the page may have expired, but for the last moments and
 * for a page that is being swept. */
bool due_has_passed(const struct ks_thread *t, uint32_t page);

/* Remove what has expired, some pages on; true if there is more to do at once.
 * Maintenance thread. */
bool expire_sweep(struct ks_thread *t, bool gently);
