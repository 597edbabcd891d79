/* SPDX-License-Identifier: BSD-3-Clause */
/* slab.h - memory for a cache: chunks, extents, a budget, pools and arenas.
 *
 * A slab owns one reserved range of addresses for chunks (the region) and one
 * for extents. Chunks of at most SLAB_MAX_CHUNK bytes come in size classes;
 * each thread holds a magazine of free chunks per class, exchanges full and
 * empty ones with the depot of the class, and the depot with the pages.
 * Everything is named by position-independent numbers: a chunk by a handle
 * (8-byte units from the region base, plus one), an extent by an id. Both
 * stay meaningful when the region is mapped at another address.
 *
 * Beside each chunk the page header keeps a mark (a 16-bit stamp and a state
 * byte) for the owner of the chunk; slab/ only sets state to SLAB_MARK_FREE
 * while a chunk is free. The slab knows nothing of keys.
 *
 * Every byte that is committed is counted in one budget; nothing commits above
 * the limit (slab_charge_force apart).
 */
#pragma once

#include "base/base.h"

#define SLAB_OPTIONS(X)                                                     \
    X(maxmemory, OPT_MEMORY, "auto", 0, INT64_MAX, OPT_LIVE, "bytes",       \
        "Limit of all memory of the process: bytes with a unit, a "         \
        "percentage of the machine or control group, or auto (75%). "       \
        "0 is the same as auto.")                                           \
    X(arena_memory, OPT_ENUM, "auto", 0, 0, OPT_START,                      \
        "auto|memfd|anonymous",                                             \
        "What backs items: a memory file, or anonymous memory. auto takes " \
        "anonymous memory when the system allows no memory file, or huge "  \
        "pages are wanted and it does not give them to memory files.")      \
    X(huge_pages, OPT_ENUM, "auto", 0, 0, OPT_START, "auto|yes|no",         \
        "Ask for huge pages for items and their index. auto does from a "   \
        "maxmemory of 512mb at start on. Large values always do.")

struct slab_options {
    SLAB_OPTIONS(OPTION_MEMBER)
};

#define SLAB_MAX_CHUNK ((size_t)16 << 10) /* largest chunk, bytes */
#define SLAB_MARK_FREE 0xff               /* state byte of a free chunk */
#define SLAB_MAX_CLASSES 256

struct slab;
struct slab_thread;

enum slab_backing { SLAB_AUTO, SLAB_MEMFD, SLAB_ANONYMOUS };
enum slab_huge { SLAB_HUGE_AUTO, SLAB_HUGE, SLAB_NOT_HUGE };

struct slab_config {
    size_t limit_bytes;          /* budget; required */
    enum slab_backing backing;
    enum slab_huge huge_pages;
    size_t region_bytes;         /* address range for chunks; 0: 32 GiB */
    size_t extent_region_bytes;  /* for extents; 0: a multiple of RAM */
};

/* Reserve the address ranges and set up the class table. On failure (no
 * addresses, or a system without pages of 4 KiB) returns NULL and puts one
 * sentence into `err`. Smaller ranges are tried when the system refuses the
 * asked ones (and logged). */
struct slab *slab_new(const struct slab_config *cfg, struct buf *err);

/* Whether huge pages are wanted, for large tables beside the chunks too. */
bool slab_wants_huge(const struct slab *s);

/* Unmap everything. All threads must have been freed. The debug allocator
 * writes its leak report (chunks still allocated, per class, and extents) to
 * the log. */
void slab_free(struct slab *s);

/* The calling thread's magazines. One per thread, used by that thread only.
 * slab_thread_free() returns all chunks to the depots. */
struct slab_thread *slab_thread_new(struct slab *s);
void slab_thread_free(struct slab_thread *t);

/* Return all chunks of the magazines to the depots and pages: on idleness.
 * Owner thread. */
void slab_thread_flush(struct slab_thread *t);

/* Flush if someone asked for it since the last call (a draining page waits for
 * chunks in magazines). Owner thread, once per batch; one load when not. */
void slab_thread_poll(struct slab_thread *t);

/* ---- chunks (magazine.c, class.c, page.c) -------------------------------- */

/* A chunk of at least `bytes` (1..SLAB_MAX_CHUNK), 8-byte aligned, contents
 * undefined; its first 4 bytes are non-zero only if the caller makes them so.
 * Only the bytes asked for are the caller's: the debug build guards the rest.
 * Returns 0 when no free chunk of the class exists and no page can be
 * committed within the budget: the caller evicts and asks again. Owner thread;
 * a few ns, a page at worst. Makes no system call other than page faults,
 * unless memory of another kind must be given back to stay in the budget. */
uint32_t slab_alloc(struct slab_thread *t, size_t bytes);

/* The same, with a page above the limit if need be: for what is written anew in
 * another chunk and gives its own back. 0 when addresses are used up. */
uint32_t slab_alloc_anyway(struct slab_thread *t, size_t bytes);

/* The same from this thread's magazine only: takes no lock. 0 also while a page
 * of the class is being drained. */
uint32_t slab_take(struct slab_thread *t, size_t bytes);

/* Whether no chunk of the class is free, neither in the magazine nor on a page,
 * and none of its pages is being drained. Takes no lock. Owner thread. */
bool slab_is_out_of(const struct slab_thread *t, unsigned cls);

/* Free a chunk, allocated by any thread. Its memory stays mapped: a late
 * reader may still look at it. Writes 0 into its first 4 bytes, sets its mark
 * state to SLAB_MARK_FREE. Goes into this thread's magazine. */
void slab_release(struct slab_thread *t, uint32_t handle);

/* The same, but past the magazine, so that page counts are exact at once and
 * any thread can take it: for evicted chunks and drained pages. Where that would
 * mean to wait for a thread without a processor, the magazine takes it. */
void slab_release_to_page(struct slab_thread *t, uint32_t handle);

/* Where the chunks of a class and their marks stand in its pages. */
struct slab_layout {
    uint64_t reciprocal;  /* of chunk_bytes, scaled by 2^40 */
    uint32_t chunk_bytes;
    uint32_t n_chunks;    /* of a page */
    uint32_t data_start;  /* offset of chunk 0 in the page */
    uint32_t state_start; /* offset of the state bytes in the page */
    uint32_t page_bytes;
    uint32_t page_size;   /* number of that size */
};

/* The part of a page's record that is inlined below. */
struct slab_page_head {
    _Atomic uint32_t kind; /* state of the page, 8 bits; class, 8 bits */
    uint32_t others[7];
};

struct slab_view {   /* [immutable] the part of struct slab inlined below */
    char *base;      /* of the region; handle 1 is base + 0 */
    const struct slab_page_head *pages;
    const _Atomic uint8_t *super_size; /* size number of the pages of a super */
    uint32_t max_handle;
    uint32_t unit_shift; /* log2 of the smallest page */
    struct slab_layout layout[SLAB_MAX_CLASSES];
};
#define SLAB_SUPER_SHIFT 5 /* 32 of the smallest pages are a super */

/* The first member of struct slab is its view. */
static inline void *
slab_ptr(const struct slab *s, uint32_t handle)
{
    return ((const struct slab_view *)s)->base + 8 * ((size_t)handle - 1);
}

/* Class of a request; its chunk size; number of classes. Class numbers grow
 * with the size. */
unsigned slab_class_of(const struct slab *s, size_t bytes);
size_t slab_class_bytes(const struct slab *s, unsigned cls);
unsigned slab_n_classes(const struct slab *s);

/* Whether pages of the class have free chunks, beside those in magazines and the
 * depot. Any thread. */
bool slab_class_has_free(const struct slab *s, unsigned cls);

/* Size of the chunk behind a live handle, bytes. */
size_t slab_chunk_bytes(const struct slab *s, uint32_t handle);

/* Marks of a chunk, in its page's header: dense arrays, so that neighbours
 * share a cache line. Good for any handle that was ever allocated, but when the
 * chunk may be freed meanwhile only for reading: the page may have a new layout
 * a moment later, and what was a mark be part of a value. The pointers stay
 * mapped. */
struct slab_mark {
    _Atomic uint16_t *stamp;
    _Atomic uint8_t *state;
    uint32_t chunk_bytes; /* size of the chunk */
    uint32_t page;        /* slab_mark_hold()'s: where they are */
    uint32_t cls;
};
static inline struct slab_mark slab_mark(const struct slab *s, uint32_t handle);
#define SLAB_MARK_NO_PAGE UINT32_MAX

static inline struct slab_mark
slab_mark(const struct slab *s, uint32_t handle)
{
    const struct slab_view *v = (const struct slab_view *)s;
    size_t offset = 8 * ((size_t)handle - 1);
    size_t super = offset >> (v->unit_shift + SLAB_SUPER_SHIFT);
    unsigned size =
        atomic_load_explicit(&v->super_size[super], memory_order_relaxed);
    uint32_t in_super = (uint32_t)(offset >> (v->unit_shift + 2 * size)) &
        (((uint32_t)1 << SLAB_SUPER_SHIFT) - 1) >> 2 * size;
    uint32_t page = (uint32_t)(super << SLAB_SUPER_SHIFT) + in_super;
    uint32_t cls =
        atomic_load_explicit(&v->pages[page].kind, memory_order_relaxed) >> 8 &
        0xff;
    const struct slab_layout *l = &v->layout[cls];
    size_t in_page = offset & (l->page_bytes - 1);
    uint64_t slot = (in_page - l->data_start) * l->reciprocal >> 40;
    char *start = v->base + (offset - in_page);

    /* a stale handle may be of anything in the page, or wrap around */
    if (unlikely(slot >= l->n_chunks))
        slot = l->n_chunks - 1;
    return (struct slab_mark){
        .stamp = (_Atomic uint16_t *)(void *)start + slot,
        .state = (_Atomic uint8_t *)(void *)(start + l->state_start) + slot,
        .chunk_bytes = l->chunk_bytes,
        /* otherwise the super has been carved anew between the two looks */
        .page = likely(size == l->page_size) ? page : SLAB_MARK_NO_PAGE,
        .cls = cls,
    };
}

/* Use a chunk, whose mark `m` is, for another number of bytes from now on.
 * False when a chunk for so many is of another class. By its owner. */
bool slab_refit(struct slab *s, uint32_t handle, const struct slab_mark *m,
    size_t bytes);

/* Before writing the marks of a chunk that others may free at any moment (a hit
 * noted by a reader without a lock): the page keeps its layout until
 * slab_mark_drop(). False when the page has another layout already. One at a
 * time and thread, for a few instructions: page reuse waits. Owner thread;
 * costs a locked instruction, so look first whether there is anything to
 * write. */
bool slab_mark_hold(struct slab_thread *t, const struct slab_mark *m);
void slab_mark_drop(struct slab_thread *t);

/* ---- pages, as the evictor and the drainer see them ---------------------- */

/* A run of neighbouring chunks of one page. */
struct slab_run {
    uint32_t page;                  /* page number */
    uint32_t handle;                /* of the first chunk */
    uint32_t step;                  /* handle distance of neighbours */
    uint32_t n;                     /* chunks in the run */
    uint32_t chunk_bytes;
    uint32_t cls;
    const _Atomic uint16_t *stamp;  /* n entries */
    const _Atomic uint8_t *state;   /* n entries */
};

/* Marks of chunk `i` of a run. The page may have a new layout by now: then this
 * reads what is no mark any more, which is harmless, and ThreadSanitizer is
 * kept out of it. volatile, because atomics are instrumented in any case. */
#if defined(__SANITIZE_THREAD__) || defined(__clang__)
#define SLAB_LATE_READ __attribute__((no_sanitize("thread")))
#else
#define SLAB_LATE_READ
#endif

static inline SLAB_LATE_READ uint16_t
slab_run_stamp(const struct slab_run *run, uint32_t i)
{
    return *(const volatile uint16_t *)(const void *)&run->stamp[i];
}

static inline SLAB_LATE_READ uint8_t
slab_run_state(const struct slab_run *run, uint32_t i)
{
    return *(const volatile uint8_t *)(const void *)&run->state[i];
}

/* The same of a chunk that was seen somewhere and may be gone, with its page. */
static inline SLAB_LATE_READ uint16_t
slab_mark_stamp(const struct slab_mark *m)
{
    return *(const volatile uint16_t *)(const void *)m->stamp;
}

static inline SLAB_LATE_READ uint8_t
slab_mark_state(const struct slab_mark *m)
{
    return *(const volatile uint8_t *)(const void *)m->state;
}

/* Up to `max` neighbouring chunks at a random place of a random page in use,
 * each byte of committed pages equally likely. `random` is a fresh 64-bit
 * number. False when there is none. Any thread. */
bool slab_sample(const struct slab *s, uint64_t random, unsigned max,
    struct slab_run *out);

/* The same within one class. */
bool slab_sample_class(const struct slab *s, unsigned cls, uint64_t random,
    unsigned max, struct slab_run *out);

/* Pages are numbered from 0 to slab_page_limit()-1 (not all in use). The whole
 * page as one run; false when the page is not in use. */
uint32_t slab_page_limit(const struct slab *s);
bool slab_page_run(const struct slab *s, uint32_t page, struct slab_run *out);

/* A page for a map of memory, used or in the reserve; false when it is with the
 * system. And of a page in use, about which share live chunks take, 0 to 1,
 * from the marks of some 64 of them. Any thread; a few cache misses, or a short
 * lock of the reserve. */
struct slab_page_view {
    size_t page_bytes, chunk_bytes; /* chunk_bytes 0: free */
    bool draining;
};
bool slab_page_look(const struct slab *s, uint32_t page,
    struct slab_page_view *out);
double slab_page_fill(const struct slab *s, uint32_t page);

/* The earliest deadline of a page: an unsigned number of the owner's, lower is
 * earlier, UINT32_MAX is none. note lowers it, after the mark of the chunk was
 * written; take reads and resets it to UINT32_MAX. settle, after any number of
 * takes and before the marks of these pages are looked at: whose mark is not seen
 * then notes its deadline anew. Some microseconds. Any thread, atomic. */
void slab_due_note(struct slab *s, uint32_t handle, uint32_t due);
uint32_t slab_due_get(const struct slab *s, uint32_t page);
uint32_t slab_due_take(struct slab *s, uint32_t page);
void slab_due_settle(const struct slab *s);

/* Draining: take the sparsest page of `cls` out of allocation if its live
 * chunks fit in the free chunks of the class's other pages. Returns its number
 * or UINT32_MAX. From then on chunks of the page are never handed out, and
 * freed ones only counted; the page is released when the last is free, at
 * once or later. The caller moves the live items away (allocating, and
 * slab_release_to_page() on the old chunks), then calls slab_drain_end(),
 * which returns true if the page is gone; otherwise the page stays draining
 * (chunks in magazines, items published meanwhile), a flush of magazines is
 * asked for, and slab_drain_pending() finds it again. Any thread; one thread
 * per page. */
uint32_t slab_drain_begin(struct slab *s, unsigned cls);
bool slab_drain_end(struct slab *s, uint32_t page);

/* Leave a page that was begun for a while, and go on with it: others may do so
 * meanwhile. False if nothing of it is left to be done, or another thread is at
 * it. */
void slab_drain_pause(struct slab *s, uint32_t page);
bool slab_drain_resume(struct slab *s, uint32_t page);

/* The page that holds the least share of live chunks, at most 1/`share` of
 * it, over all classes, taken out of allocation as by slab_drain_begin(),
 * though its live chunks may find no room in other pages: the caller evicts
 * those that do not. UINT32_MAX when every page holds more. Looks at a few
 * pages of each class. */
uint32_t slab_drain_sparsest(struct slab *s, unsigned share);

/* The page is taken out of allocation as by slab_drain_begin(), whatever it
 * holds. False if it is not in use, or draining already. */
bool slab_drain_page(struct slab *s, uint32_t page);

/* A page that is draining and not being worked on, or UINT32_MAX; marks it as
 * worked on, as slab_drain_begin does. */
uint32_t slab_drain_pending(struct slab *s);

/* The class with the most free bytes in pages in use beyond one page's worth,
 * so that draining it gives a page back; UINT32_MAX when none has that much. */
unsigned slab_drain_candidate(const struct slab *s);

/* With huge pages, the first touch of one takes the system as long as hundreds
 * of requests. So while new ones come into use, touch some before they do:
 * one per call, charged. True if there is more to touch. Maintenance thread. */
bool slab_populate(struct slab *s);

/* Keep up to `n_bytes` of free pages committed as a reserve; give the rest of
 * the free pages and of the warm extents older than `max_age_ms` back to the
 * system. Maintenance thread; bounded work per call; returns bytes given
 * back. */
size_t slab_trim(struct slab *s, size_t reserve_bytes, uint32_t max_age_ms);

/* ---- budget (budget.c) ------------------------------------------------------
 * `used` = committed pages + resident extents (live and warm) + what others
 * charge (index, buffers, fixed start-up cost). Any thread, lock-free. */
bool slab_charge(struct slab *s, size_t bytes);        /* false: over limit */
void slab_charge_force(struct slab *s, size_t bytes);  /* always */
void slab_uncharge(struct slab *s, size_t bytes);
size_t slab_used(const struct slab *s);

/* The same on an account, so that reports can say what it is for; to the slab
 * they are all alike. The ones above are for SLAB_OTHER. */
enum slab_account {
    SLAB_OTHER,
    SLAB_INDEX,
    SLAB_TEMPLATES,
    SLAB_NAMESPACES,
    SLAB_HASH_SHAPES, /* names of fields */
    SLAB_GHOSTS,      /* what is remembered of evicted keys */
    SLAB_CLIENTS, /* buffers of clients */
    SLAB_POOLS,   /* blocks of object pools */
    SLAB_PROCESS, /* the program, its stacks, the C library's heap */
    SLAB_ACCOUNTS
};
void slab_charge_to(struct slab *s, enum slab_account account, size_t bytes);
bool slab_try_charge_to(struct slab *s, enum slab_account account,
    size_t bytes); /* false: over limit */
void slab_uncharge_from(struct slab *s, enum slab_account account,
    size_t bytes);

/* What stays in use when all chunks and extents are gone, and a page for
 * chunks: below this limit nothing can be stored. */
size_t slab_least_limit(const struct slab *s);

/* Bytes that could be committed now: up to the limit, free committed pages and
 * warm extents included (they are given back or reused on demand). */
size_t slab_headroom(const struct slab *s);
size_t slab_limit(const struct slab *s);
void slab_set_limit(struct slab *s, size_t bytes);

/* Resolve a maxmemory directive: bytes, -N percent, OPTION_AUTO or 0. The base
 * of percentages is the smaller of RAM and the cgroup limit (v2 or v1). */
size_t slab_limit_from_option(int64_t maxmemory);

/* Resident set of this process in bytes from /proc/self/statm; 0 if unknown. */
size_t slab_process_rss(void);

/* ---- extents (extent.c): large values ---------------------------------------
 *
 * An extent is a run of 4 KiB units in its own address range. It is reserved
 * as a range, and committed (and charged) in steps as bytes arrive. It starts
 * with one reference; pins add more; the last reference frees it: it stays
 * warm (resident and charged) for reuse until pressure or age gives it back.
 * Ids are 1..; 0 is none.
 */

/* Reserve an extent for `bytes` (1 byte to SLAB_MAX_EXTENT). Commits nothing
 * unless a warm one fits. 0 when the address range or the table is full. */
#define SLAB_MAX_EXTENT ((size_t)1 << 30)
uint32_t extent_new(struct slab *s, size_t bytes);

/* Make the first `bytes` usable and charged. False: over budget; evict and ask
 * again (warm extents were given back first). Owner of the reference that is
 * still private. */
bool extent_commit(struct slab *s, uint32_t id, size_t bytes);

/* The same in steps of 8 KiB, for what grows a little at a time and may stay as
 * it is. And whether the budget allows it or not, for what must not fail. */
bool extent_commit_least(struct slab *s, uint32_t id, size_t bytes);
void extent_commit_force(struct slab *s, uint32_t id, size_t bytes);

/* Give back what an extent of less than 2 MiB has committed above `bytes`. Of
 * the same owner. */
void extent_trim(struct slab *s, uint32_t id, size_t bytes);

/* Bytes committed so far. Any thread, any id (a stale one may tell of another
 * extent, or 0). */
size_t extent_committed(const struct slab *s, uint32_t id);

/* Address; room in bytes (as asked for, rounded up to units). */
char *extent_ptr(const struct slab *s, uint32_t id);
size_t extent_room(const struct slab *s, uint32_t id);

/* Take a further reference; false when the last one is already gone (the
 * caller read a stale id). Any thread, any id. */
bool extent_pin(struct slab *s, uint32_t id);

/* Drop a reference. */
void extent_unpin(struct slab *s, uint32_t id);

/* The item that owns the extent: a chunk handle, 0 for none. Relaxed. */
void extent_set_owner(struct slab *s, uint32_t id, uint32_t handle);

/* Up to `max` (at most 32) neighbouring live extents with an owner, from a
 * random place of the table: ids into `ids`; returns how many. */
unsigned extent_sample(const struct slab *s, uint64_t random, unsigned max,
    uint32_t *ids);
uint32_t extent_owner(const struct slab *s, uint32_t id);

/* Bytes of live extents (committed). */
size_t extent_live_bytes(const struct slab *s);

/* ---- statistics ---------------------------------------------------------- */

struct slab_stats {
    size_t limit;
    size_t used;               /* the sum of pages, in use and free, extents,
                                  tables and accounts. Exactly: it is what was
                                  read of these, which may be no moment's while
                                  others allocate */
    size_t page_bytes;         /* committed pages in use */
    size_t page_free_bytes;    /* free pages still committed: the reserve,
                                  and what is touched ahead of use */
    size_t chunk_live_bytes;   /* chunks not free (magazines included) */
    size_t chunk_free_bytes;   /* free chunks in pages in use */
    size_t page_mark_bytes;    /* of pages in use: marks, and what is no whole
                                  chunk; with the two above, all of them */
    size_t magazine_bytes;     /* free chunks in magazines and depots */
    size_t extent_live_bytes, extent_warm_bytes;
    size_t extents_live;
    size_t table_bytes;        /* the slab's own page and extent records */
    size_t account_bytes[SLAB_ACCOUNTS]; /* charged from outside */
    size_t other_bytes;        /* the sum of these */
    uint64_t pages_committed, pages_released, pages_drained; /* counters */
};
void slab_stats(const struct slab *s, struct slab_stats *out);

/* One class, for MEMORY STATS and the slab map. False past the last class. */
struct slab_class_stats {
    size_t chunk_bytes, page_bytes;
    size_t pages, chunks_live, chunks_free;
};
bool slab_class_stats(const struct slab *s, unsigned cls,
    struct slab_class_stats *out);

/* File descriptor behind the region (memfd), or -1. For the test that maps it
 * a second time, and for warm restarts. Owned by the slab. */
int slab_region_fd(const struct slab *s);
size_t slab_region_bytes(const struct slab *s);

/* ---- object pools (pool.c) ----------------------------------------------- */

/* Objects of one size for one thread (no locks), carved from blocks, LIFO.
 * Blocks are charged to the slab if one is given (NULL: not counted). */
struct pool;
struct pool *pool_new(struct slab *s, const char *name, size_t object_bytes);
void pool_free(struct pool *p); /* all objects must have been put back */
void *pool_get(struct pool *p); /* zeroed; NULL when the system has none */
void pool_put(struct pool *p, void *object);
size_t pool_live(const struct pool *p);

/* ---- arenas (arena.c) ---------------------------------------------------- */

/* Bump memory that lives until arena_reset(): for a batch or a request. One
 * thread. 16-byte aligned. Never returns NULL. */
struct arena;
struct arena *arena_new(size_t first_block_bytes);
void arena_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t bytes);
void arena_reset(struct arena *a); /* keeps the first block */
