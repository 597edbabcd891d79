/* SPDX-License-Identifier: BSD-3-Clause */
/* keyspace.h - keys and items: look up, change, expire, evict, walk.
 *
 * One keyspace is shared by all threads. Each thread holds a ks_thread. Reads
 * take no lock. A change takes the lock of the key's index partition; commands
 * over several keys take all their locks first with ks_lock(). Values of up to
 * 16 KiB stand in slab chunks, larger ones in extents. Knows no RESP.
 */
#pragma once

#include "base/base.h"
#include "slab/slab.h"

#define KEYSPACE_OPTIONS(X)                                                 \
    X(maxmemory_policy, OPT_ENUM, "allkeys-lru", 0, 0, OPT_LIVE,            \
        "allkeys-lru|allkeys-lfu|allkeys-random|volatile-lru|"              \
        "volatile-lfu|volatile-random|volatile-ttl|noeviction",             \
        "What goes when memory is full. allkeys-*: the item with the least "\
        "expected hits per byte; volatile-*: the same among items with an " \
        "expiry; noeviction: writes fail with an OOM error.")               \
    X(eviction_weight, OPT_ENUM, "bytes", 0, 0, OPT_LIVE,                   \
        "count|sqrt|bytes",                                                 \
        "How an item's size counts against it when memory is full.")        \
    X(large_value_threshold, OPT_SIZE, "16kb", 1024, 16384, OPT_START,      \
        "bytes",                                                            \
        "Values longer than this live off-heap in extents of their own.")   \
    X(key_interning, OPT_BOOL, "yes", 0, 0, OPT_LIVE, "",                   \
        "Store what many keys have in common once, and numbers and hex in " \
        "keys packed. Concerns keys that are written from then on.")        \
    X(namespace_delimiter, OPT_STRING, ":", 0, 0, OPT_START, "",            \
        "The byte that ends the namespace part of a key; empty: none does.")\
    X(namespace_prefixes, OPT_STRING, "", 0, 0, OPT_REPEAT, "",             \
        "Prefixes that are namespaces of their own, whatever delimiters "   \
        "they contain: the longest that a key begins with counts.")         \
    X(max_namespaces, OPT_INT, "1024", 16, 32768, OPT_START, "",            \
        "Namespaces that are counted each; further ones are counted "       \
        "together. 64 bytes per thread, and 300, are for each of them.")

struct keyspace_options {
    KEYSPACE_OPTIONS(OPTION_MEMBER)
};

/* For the table of directives: why a value is refused that type and range
 * accept, or NULL. */
const char *ks_option_check(const struct option *row, const char *value);

enum ks_policy { /* order of maxmemory_policy's values */
    KS_ALLKEYS_LRU, KS_ALLKEYS_LFU, KS_ALLKEYS_RANDOM, KS_VOLATILE_LRU,
    KS_VOLATILE_LFU, KS_VOLATILE_RANDOM, KS_VOLATILE_TTL, KS_NOEVICTION };

#define KS_METRICS(X)                                                       \
    X(hits, COUNTER, "lookups by read commands that found their key")       \
    X(misses, COUNTER, "lookups by read commands that found none")          \
    X(evicted, COUNTER, "items evicted for room")                           \
    X(expired, COUNTER, "items removed because their time had come")        \
    X(evicted_idle, SECONDS, "age of evictions: how long ago the items "    \
        "evicted were last used, summed")                                   \
    X(expired_late, MILLISECONDS, "lag of expiry: from the deadlines of "   \
        "expired items to their removal, summed")                           \
    X(inserts, COUNTER, "items added")                                      \
    X(replaces, COUNTER, "items replaced")                                  \
    X(deletes, COUNTER, "items deleted by clients")                         \
    X(moves, COUNTER, "items moved to drain a page")                        \
    X(read_retries, COUNTER, "reads repeated because a writer was there")   \
    X(grow_steps, COUNTER, "steps of index growth")                         \
    X(eviction_failures, COUNTER, "writes refused for lack of memory")

struct ks_metrics {
    KS_METRICS(METRIC_MEMBER)
};

#define KS_DATABASES 16
#define KS_MAX_KEY ((size_t)8 << 10)     /* longest key, bytes */
#define KS_MAX_VALUE ((size_t)512 << 20)

enum ks_status {
    KS_OK = 0,
    KS_MISS,      /* no such key (or not any more) */
    KS_NO_MEMORY, /* the limit is reached and nothing may be evicted */
    KS_TOO_LARGE, /* the key or the value is longer than allowed */
    KS_REFUSED,   /* a condition did not hold; nothing changed */
    KS_WRONG_TYPE, /* the value is of another type; nothing changed */
};

struct ks;
struct ks_thread;

struct ks_config {
    struct slab *slab;                       /* borrowed, outlives ks */
    const struct keyspace_options *options;  /* borrowed; live values */
    unsigned n_databases;                    /* 1..KS_DATABASES */
    struct hash_seed seed;
};

/* An empty keyspace; its tables are charged to the slab. NULL with a sentence
 * in `err` if the system gives no addresses. Free with ks_free(), when all of
 * its threads are freed. Main thread. */
struct ks *ks_new(const struct ks_config *cfg, struct buf *err);
void ks_free(struct ks *ks);

/* What a thread needs to call the keyspace. Made and freed by any thread, used
 * by one; its counters stay in the sums when it is freed. */
struct ks_thread *ks_thread_new(struct ks *ks);
void ks_thread_free(struct ks_thread *t);

/* Between batches: poll magazines, publish statistics. Owner thread; cheap. */
void ks_thread_poll(struct ks_thread *t);

/* The slab magazines of this thread (for pools and extents of the caller). */
struct slab_thread *ks_slab_thread(struct ks_thread *t);
struct slab *ks_slab(const struct ks *ks);

/* ---- keys ---------------------------------------------------------------- */

/* Where an item was found ahead of its use, and its mark. Good as long as the
 * line has that version. The keyspace's own. */
struct ks_ahead {
    struct index_line *line; /* where to look; NULL: nobody has asked for it */
    uint32_t version;
    uint32_t handle; /* 0: nothing was found */
    uint32_t slot;
    struct slab_mark mark;
};

/* A key as an operation wants it: bytes are borrowed for the call. A key that
 * was made before a flush or a SWAPDB is not wrong: operations see that and
 * work with what the name means now; ks_lock() corrects it in place. */
struct ks_key {
    struct str name;
    uint64_t hash;  /* of name and space, by ks_key() */
    unsigned db;
    uint32_t epoch; /* the rest is the keyspace's own: where db and namespace
                       led at this time */
    uint16_t space;
    uint16_t ns;
    struct ks_ahead ahead; /* by ks_prefetch_items() */
};

#define KS_NS_UNKNOWN UINT16_MAX

/* Hash the name, in the space where it leads at this moment. Any thread; the
 * two are the same. */
void ks_key_make(const struct ks *ks, unsigned db, struct str name,
    struct ks_key *out);

static inline struct ks_key
ks_key(const struct ks *ks, unsigned db, struct str name)
{
    struct ks_key key;

    ks_key_make(ks, db, name, &key);
    return key;
}

/* Bring the index lines of some keys, then the likely items and what is noted
 * of them, towards the cache. Call the first, do something else, call the
 * second, do something else, then operate. The second notes in the keys what it
 * found, so that operations with these keys need not search again. */
void ks_prefetch_lines(const struct ks *ks, struct ks_key *keys, unsigned n);
void ks_prefetch_items(const struct ks *ks, struct ks_key *keys, unsigned n);

/* ---- reads --------------------------------------------------------------- */

#define KS_NO_EXPIRY UINT64_MAX

enum ks_type { KS_STRING = 0, KS_HASH };

/* What an item says of itself. */
struct ks_info {
    size_t value_len;
    uint64_t expire_ms;  /* wall time, KS_NO_EXPIRY if none */
    enum ks_type type;
    bool raw;            /* a string changed in place by APPEND, SETRANGE; a
                            hash that has an index (OBJECT) */
    uint64_t version;    /* of the value; 0: it was given none */
    size_t memory_bytes; /* chunk + extent + index share */
    uint8_t frequency;   /* hits: 0 to 7, then about 10, 30, 100, 255 */
    uint32_t idle_s;     /* estimated seconds since the last access */
    uint32_t value_extent; /* not 0: pinned for the caller (ks_get only) */
    const char *value;   /* ks_get: in the buffer the caller placed, or in the
                            extent */
};

/* How a read counts. KS_READ: as a hit or a miss, and as an access, which
 * eviction goes by. KS_READ_NO_TOUCH: as a hit or a miss only (CLIENT
 * NO-TOUCH). KS_PEEK: not at all (OBJECT, TTL, TYPE). */
enum ks_read_mode { KS_READ, KS_READ_NO_TOUCH, KS_PEEK };

/* Where a value of `len` bytes goes; may be called again for the same read
 * when a writer was in between, and then starts anew. */
typedef char *(*ks_place_fn)(void *ctx, size_t len);

/* Read a value (of info, memory_bytes, frequency and idle_s are not set). A
 * value that stands in a chunk is copied to where `place` says; one in an
 * extent is pinned instead (info->value_extent, value, value_len): the caller
 * drops the pin with extent_unpin(). KS_OK, KS_MISS, or KS_WRONG_TYPE if it is
 * no string. Lock-free; under ks_lock() it sees the locked state. */
enum ks_status ks_get(struct ks_thread *t, const struct ks_key *key,
    enum ks_read_mode mode, ks_place_fn place, void *ctx,
    struct ks_info *info);

/* The same without the value. */
enum ks_status ks_stat(struct ks_thread *t, const struct ks_key *key,
    enum ks_read_mode mode, struct ks_info *info);

/* ---- changes ------------------------------------------------------------- */

#define KS_KEEP_TTL (UINT64_MAX - 1) /* as expire_ms: what the old item had */

/* Store a value, replacing any former one. Copies key and value. expire_ms is
 * wall time, KS_NO_EXPIRY or KS_KEEP_TTL; a time that has passed deletes the
 * key instead. KS_OK, KS_NO_MEMORY, KS_TOO_LARGE (nothing changed). May evict
 * a few items inline. */
enum ks_status ks_set(struct ks_thread *t, const struct ks_key *key,
    struct str value, uint64_t expire_ms);

/* The same with a value that stands complete in a private extent: the item
 * takes over the reference on KS_OK (also when len is small and the bytes were
 * copied: then the extent was released); on failure it stays the caller's. */
enum ks_status ks_set_extent(struct ks_thread *t, const struct ks_key *key,
    uint32_t extent, size_t len, uint64_t expire_ms);

/* What an update sees: the item as it is, under the partition lock. */
struct ks_old {
    bool exists;
    struct str value;
    uint64_t expire_ms;
    enum ks_type type;
    bool raw;
    uint64_t version;    /* 0: it was given none */
};

/* KS_NUMBER: give the value a version if it has none. */
enum ks_action { KS_LEAVE, KS_PUT, KS_DELETE, KS_EXPIRE, KS_NUMBER };

/* What it wants done. parts are concatenated: borrowed, may point into
 * old->value. Zeroed before the call, expire_ms set to KS_KEEP_TTL. */
struct ks_new {
    enum ks_action action;
    enum ks_type type;  /* of the value put; KS_HASH is keyspace/'s own */
    bool reserved;      /* not refused by noeviction: the value only shrinks */
    struct str part[5];
    unsigned n_parts;
    uint64_t expire_ms; /* for KS_PUT and KS_EXPIRE */
    bool raw;
    uint32_t extent;    /* not 0: the value is part[0], complete in this private
                           extent, taken over on KS_OK */
};

/* Read, decide, change: atomic. A KS_PUT or KS_EXPIRE whose time has passed
 * deletes the key. `fn` runs under the partition lock: it is short, calls
 * nothing of the keyspace, and is called once. Returns KS_OK when the action
 * was done (KS_LEAVE included), KS_NO_MEMORY or KS_TOO_LARGE with nothing
 * changed. Counts as a write that reads nothing: neither a hit nor a miss. */
typedef void (*ks_update_fn)(void *ctx, const struct ks_old *old,
    struct ks_new *new);
enum ks_status ks_update(struct ks_thread *t, const struct ks_key *key,
    ks_update_fn fn, void *ctx);
/* The same for strings: KS_WRONG_TYPE, and fn is not called, if the value is of
 * another type. */
enum ks_status ks_update_string(struct ks_thread *t, const struct ks_key *key,
    ks_update_fn fn, void *ctx);

/* Give the value of a key a version, from then on in ks_info and ks_old, if it
 * has none: a number below 2^53 that no other value has or had, of this key or
 * any. It is the value's: a write of any kind, also of the same bytes, makes a
 * new value without one; a change of the expiry leaves it. Costs a rewrite of
 * the item, and 8 bytes from then on. KS_OK (also when the key is missing),
 * KS_NO_MEMORY with nothing changed. */
enum ks_status ks_give_version(struct ks_thread *t, const struct ks_key *key);

/* What is known of an item's accesses from elsewhere; -1 leaves it as it is.
 * The idle time is kept as far back as the coarse time of the eviction reaches
 * (49152 ticks of a 256th of the items); of frequencies those that ks_info can
 * have, others as the next below. */
struct ks_history {
    int64_t idle_s;
    int frequency;
};
enum ks_status ks_set_history(struct ks_thread *t, const struct ks_key *key,
    const struct ks_history *h);

/* KS_OK if it was there (and not expired), KS_MISS otherwise. */
enum ks_status ks_delete(struct ks_thread *t, const struct ks_key *key);

/* The value of `from`, with its expiry, becomes that of `to`, whose former one
 * goes; they are not the same key. Under ks_lock() of both. O(1), but for a copy
 * of a value that stands in a chunk. KS_MISS when there is nothing at `from`;
 * KS_TOO_LARGE, KS_NO_MEMORY (addresses are used up) with nothing changed. */
enum ks_status ks_move(
    struct ks_thread *t, const struct ks_key *from, const struct ks_key *to);

/* Evict until `bytes` more could be committed within the limit. False when
 * nothing (more) may be evicted. For what the caller commits itself: extents,
 * buffers. */
bool ks_make_room(struct ks_thread *t, size_t bytes);

/* slab_charge(), evicting for it. */
bool ks_charge(struct ks_thread *t, size_t bytes);

/* True while every new value is refused with KS_NO_MEMORY: noeviction, or a
 * limit below what is in use without any item. */
bool ks_refuses_values(const struct ks_thread *t);

/* extent_commit(), evicting for it as often as other threads take the room
 * that was made. False when it cannot be had. */
bool ks_commit_extent(struct ks_thread *t, uint32_t extent, size_t bytes);

/* ---- several keys, atomically -------------------------------------------- */

/* Take the partition locks of all keys, ascending, as they lead at that moment:
 * keys that a flush has moved are corrected in place. Until ks_unlock() this
 * thread's operations on these keys see and make one atomic change; other
 * keys must not be used meanwhile. Nests: the keys of an inner lock are among
 * those of the outermost, which alone locks. Every other read waits while a
 * ks_lock() of more than one key (the same twice included) holds its key. */
void ks_lock(struct ks_thread *t, struct ks_key *keys, size_t n);
void ks_lock_to_read(struct ks_thread *t, struct ks_key *keys, size_t n);
void ks_unlock(struct ks_thread *t);

/* Several keys read as of one moment without a lock. Begin; note the keys before
 * they are read; read each, with what it says copied or pinned; end says whether
 * all that was read was true at one and the same moment. If any of the three says
 * false, the caller forgets what it has read and takes ks_lock_to_read(). Not
 * under locks: there ks_lock() is nested. Cost: two looks at the line of a key.
 * Any thread. */
struct ks_snapshot {
    uint64_t several;
};
struct ks_stamp {
    uint32_t geometry, home;
    uint64_t others;
};
bool ks_snapshot_begin(const struct ks_thread *t, struct ks_snapshot *s);
bool ks_snapshot_note(const struct ks_thread *t, const struct ks_key *keys,
    struct ks_stamp *stamps, size_t n);
bool ks_snapshot_end(const struct ks_thread *t, const struct ks_snapshot *s,
    const struct ks_key *keys, const struct ks_stamp *stamps, size_t n);

/* When the calling thread waits for long for the lock of a partition, call this
 * every few milliseconds. It may be in the middle of anything that this thread
 * does to the keyspace, and must not itself wait for a partition. NULL: none. */
void ks_while_waiting(void (*call)(void *ctx), void *ctx);

/* Take all 256 locks (FLUSHALL, EXEC of anything). */
void ks_lock_all(struct ks_thread *t);

/* Does this thread hold any such locks, or all? */
bool ks_holds(const struct ks_thread *t);
bool ks_holds_all(const struct ks_thread *t);

/* ---- watches ------------------------------------------------------------- */

/* Has a key changed in any way, its expiry and its disappearance included,
 * since ks_watch()? Never says no after a change (also one that put the same
 * value back), never yes for another key's. A key that had expired at
 * ks_watch() counts as absent: that it goes is no change. */
struct ks_watch;
struct ks_watch *ks_watch(struct ks_thread *t, const struct ks_key *key);
/* Under a ks_lock() of the key the answer stays true until the unlock. */
bool ks_watch_changed(struct ks_thread *t, const struct ks_watch *w);
/* Frees it. Not under ks_lock(). Any thread. */
void ks_unwatch(struct ks *ks, struct ks_watch *w);
/* The key, as long as the watch lives; the memory the watch takes. */
struct ks_key ks_watch_key(const struct ks *ks, const struct ks_watch *w);
size_t ks_watch_bytes(const struct ks_watch *w);

/* ---- events -------------------------------------------------------------- */

/* What happened to a key. A key that is overwritten has CHANGED, one whose
 * expiry changes as well. Removal by ks_flush() raises no events. MISS: a read
 * that counts (not KS_PEEK) found none. */
enum ks_event_kind {
    KS_EVENT_NEW,
    KS_EVENT_CHANGED,
    KS_EVENT_DELETED,
    KS_EVENT_EXPIRED,
    KS_EVENT_EVICTED,
    KS_EVENT_MISS
};

struct ks_event {
    enum ks_event_kind kind;
    unsigned db;
    struct str name; /* borrowed for the call */
};

#define KS_OBSERVERS 4

/* Observer 0..3 wants to hear of these kinds, a set of 1 << kind; replaces what
 * it wanted before. Any thread. */
void ks_observe(struct ks *ks, unsigned observer, unsigned kinds);

/* Wait until every change that may not have seen the last ks_observe() is
 * complete. Not under ks_lock(), but for one of all keys. */
void ks_settle(struct ks_thread *t);

/* Hand over the events that this thread has raised, in their order, and forget
 * them. `fn` does not call the keyspace. Owner thread; best without locks, so
 * that who hears of an event sees the change. */
typedef void (*ks_event_fn)(void *ctx, const struct ks_event *event);
void ks_events(struct ks_thread *t, ks_event_fn fn, void *ctx);
bool ks_has_events(const struct ks_thread *t);

/* Keep expired items, which no reader sees, from being removed: by the sweep of
 * maintenance (for either of two reasons), or by readers too, so that the data
 * stand still. A hold lasts until the same one is ended. Any thread. */
enum ks_hold { KS_HOLD_SWEEP = 1, KS_HOLD_REMOVAL = 2, KS_HOLD_CRON = 4 };
void ks_hold_expired(struct ks *ks, enum ks_hold hold, bool begin);

/* ---- walks --------------------------------------------------------------- */

/* Called for each key found; `name` is borrowed for the call, which must not
 * call the keyspace. Return false to stop after this key. */
typedef bool (*ks_visit_fn)(void *ctx, struct str name,
    const struct ks_info *info);

/* Visit about `count` keys of a database from `cursor` on (0 starts) and return
 * the next cursor (0: the walk is done). A key that is there during the whole
 * walk is visited exactly once however the index grows meanwhile: cursors are
 * positions in hash order. Holds a partition lock for one line at a time; fn
 * runs outside of it. */
uint64_t ks_scan(struct ks_thread *t, unsigned db, uint64_t cursor,
    size_t count, ks_visit_fn fn, void *ctx);

/* A random key of the database into `name`; KS_MISS when it is empty. */
enum ks_status ks_random(struct ks_thread *t, unsigned db, struct buf *name);

/* ---- flushes ---------------------------------------------------------------
 *
 * When one of these returns, no reader sees an item that was there when it was
 * called, and counts are exact. What is large becomes unreachable at once,
 * however much it is; the maintenance thread frees its memory. They take all
 * locks for some microseconds; also under ks_lock_all(). */

/* All items of a database, or of all of them. */
#define KS_ALL_DBS UINT32_MAX
void ks_flush(struct ks_thread *t, unsigned db);

/* All items of a namespace. KS_MISS: no key can belong to a namespace of this
 * name, see ks_namespace_of(). */
enum ks_status ks_flush_namespace(struct ks_thread *t, unsigned db,
    struct str name);

/* Exchange the keys of two databases. */
void ks_swap(struct ks_thread *t, unsigned a, unsigned b);

/* Free now what flushes have left to the maintenance thread; ks_count() only
 * if counts depend on it: they are right when it returns. Not within ks_lock()
 * of some keys (then ks_count() leaves the counts as they are). */
void ks_reclaim(struct ks_thread *t);
void ks_count(struct ks_thread *t);

/* ---- namespaces ---------------------------------------------------------- */

/* The name of a key's namespace: a configured prefix or what it has up to the
 * first delimiter; "" if there is neither. Points into `key`. */
struct str ks_namespace_of(const struct ks *ks, struct str key);

#define KS_NAMESPACE_COUNTS(X)                                              \
    X(items) X(expires) X(bytes) X(hits) X(misses) X(sets) X(evictions)     \
    X(expiries) X(dead_items) X(dead_bytes)

struct ks_namespace {
    char name[128];
    size_t name_len;
    bool is_other; /* what counts for all that have no entry */
    /* bytes: of keys as they are stored, values, and their headers. Dead: not
     * there any more for clients, and still in memory. */
#define X(name) uint64_t name;
    KS_NAMESPACE_COUNTS(X)
#undef X
};

/* The namespaces of a database into a new array, which the caller frees; their
 * number. Any thread. */
size_t ks_namespaces(struct ks *ks, unsigned db, struct ks_namespace **out);

/* ---- statistics ---------------------------------------------------------- */

struct ks_db_stats {
    uint64_t items;   /* expired ones that still occupy memory included */
    uint64_t expires; /* of these with an expiry */
};
void ks_db_stats(const struct ks *ks, unsigned db, struct ks_db_stats *out);

/* Sum of all threads' counters, in the order of KS_METRICS. */
void ks_metrics(const struct ks *ks, struct ks_metrics *sum);
void ks_metrics_reset(struct ks *ks); /* CONFIG RESETSTAT */

struct ks_memory {
    size_t index_bytes;  /* touched */
    size_t index_lines, index_slots, items;
    size_t fixed_bytes;  /* tables made at start */
    size_t templates;    /* key shapes learned */
    size_t template_bytes;
    size_t namespace_bytes; /* their table, and the counts of all threads */
    size_t item_bytes; /* keys as they are stored, values, headers; of the
                          living and the dead, chunks not rounded up */
    size_t dead_bytes; /* of these, of what flushes left to be freed */
};
void ks_memory(struct ks *ks, struct ks_memory *out);

/* ---- maintenance thread -------------------------------------------------- */

/* One bounded slice: sweep pages whose earliest deadline has passed, finish
 * draining pages, keep the reserve of free pages, recompute ranks, give memory
 * back. Says whether there is more to do, at once or after a moment of sleep.
 * Its own ks_thread. */
enum ks_more { KS_NO_MORE, KS_MORE_NOW, KS_MORE_SOON };
enum ks_more ks_maintain(struct ks_thread *t);

/* While clients are served: ks_maintain() does what can wait (freeing what a
 * flush left, the expired) in bursts of some 50 us, and says KS_MORE_SOON. Not
 * while memory is short or the expired are late. Owner thread. */
void ks_set_gentle(struct ks_thread *t, bool gentle);

#include "keyspace/hash.h"
