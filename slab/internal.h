/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h - what the files of slab/ share.
 *
 *   region   |super 0          |super 1          |super 2 ...        | slack |
 *             2 MiB each, carved into pages of one size:
 *             32 of 64 KiB, 8 of 256 KiB, or 2 of 1 MiB;
 *             in a small cache a quarter of all this (class.c)
 *   page     |stamps u16[n] |states u8[n] |chunk 0|chunk 1| ... |chunk n-1|
 *             both arrays start on 16 bytes, chunk 0 on up to 64
 *   free     |u32 0|u32 next handle| ...             a chunk on a page's list
 *
 * A page number is super * 32 + place in the super, so that a handle finds its
 * record by one look at the super's page size. Records stand in an array of
 * their own; the region holds handles only, never addresses, and can be mapped
 * anywhere.
 *
 * The way of a chunk: page -> magazine -> owner -> magazine -> depot or page.
 *
 *   thread   magazine[class]       owner thread, no lock
 *   class    depot, page lists     class lock
 *   slab     free pages, supers    reserve lock
 *   slab     extents               extent lock
 *
 * Lock order: class -> reserve -> extents -> threads. Nothing blocks and
 * nothing calls the system while one is held.
 */
#pragma once

#include "slab/slab.h"

#define SUPER_MAX_BYTES ((size_t)2 << 20)
#define SUPER_PAGES_SHIFT SLAB_SUPER_SHIFT
#define SUPER_PAGES (1 << SUPER_PAGES_SHIFT) /* record slots of a super-page */
#define N_PAGE_SIZES 3                      /* units of 1, 4 and 16 */
#define N_BUCKETS 4                         /* fullness lists of a class */
#define MAX_REGION_BYTES ((size_t)32 * GIB) /* what 32-bit handles reach */
#define PAGE_NONE UINT32_MAX

/* Chunks of a thread and class, at most; and of one exchange with the depot.
 * Above 60 nothing is gained (bench/alloc). */
#define MAGAZINE_MAX 60
#define DEPOT_MAX (8 * MAGAZINE_MAX / 2)

/* ---- locks (lock.c) ------------------------------------------------------ */

/* In the order in which they may be taken. */
enum lock_rank {
    LOCK_CLASS = 1,
    LOCK_RESERVE,
    LOCK_EXTENTS,
    LOCK_THREADS,
};

struct spinlock {
    _Atomic uint32_t held;
    uint32_t rank; /* [immutable] enum lock_rank, checked in debug builds */
};

/* Spins, and gives the CPU away now and then. Debug builds check that the
 * thread holds no lock of this rank or above. */
void spin_init(struct spinlock *l, enum lock_rank rank);
void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);

/* ---- region (region.c) --------------------------------------------------- */

struct region {
    char *base;   /* [immutable] on a super-page boundary */
    size_t bytes; /* [immutable] whole super-pages, without the slack */
    int fd;       /* [immutable] memfd, or -1 */
    bool wants_huge; /* [immutable] huge pages are wanted ... */
    bool huge;       /* [immutable] ... and asked for here, */
    _Atomic size_t huge_upto; /* [maintenance] writes: up to this offset */
};

/* What stands at offset 0 of the region, for a later process to check before
 * it believes the rest. Fixed-width fields only. */
#define SUPERBLOCK_MAGIC "ashlarS1"
#define SUPERBLOCK_VERSION 1
struct superblock {
    char magic[8];
    uint32_t version;
    uint32_t bytes; /* of this struct */
    uint64_t region_bytes;
    uint32_t super_bytes, unit_bytes;
    uint32_t n_classes;
    uint32_t reserved;
    struct {
        uint32_t chunk_bytes, n_chunks, page_bytes, data_start;
    } classes[SLAB_MAX_CLASSES];
    uint8_t owner[512]; /* for the keyspace: hash seed, roots of its tables */
};

/* Reserve the range; smaller ones are tried when it is refused. False with a
 * sentence in `err`. At start, and region_close() at the end. */
bool region_open(
    struct region *r, const struct slab_config *cfg, struct buf *err);
void region_close(struct region *r);

/* Touch a range ahead of its use, in huge pages if these are wanted; it still
 * reads as zeros. One thread at a time. */
void region_populate(struct region *r, size_t offset, size_t bytes);

/* Give the memory behind a range back to the system; it reads as zeros then.
 * False (logged) when the system refuses: the memory is still there. */
bool region_give_back(const struct region *r, size_t offset, size_t bytes);

/* Map `bytes` of zeroed memory, untouched and not counted by the kernel until
 * touched, at a multiple of `align`. NULL when refused. Release: munmap. */
void *map_lazily(size_t bytes, size_t align);

/* The same for tables that the slab cannot do without: ends the process. */
void *map_table(size_t bytes);

/* ---- classes (class.c) --------------------------------------------------- */

enum page_state {
    PAGE_UNUSED,   /* nobody's, all zeros */
    PAGE_FREE,     /* nobody's, may hold what its last class left */
    PAGE_IN_USE,   /* belongs to a class */
    PAGE_PENDING,  /* draining, nobody works on it */
    PAGE_DRAINING, /* draining, a thread works on it */
    PAGE_RESERVED, /* holds the superblock */
};

/* State and class in one word, so that one load gives a pair that belongs
 * together. */
static inline uint32_t
page_kind(enum page_state state, unsigned cls)
{
    return (uint32_t)state | cls << 8;
}

static inline enum page_state
kind_state(uint32_t kind)
{
    return (enum page_state)(kind & 0xff);
}

static inline unsigned
kind_class(uint32_t kind)
{
    return kind >> 8 & 0xff;
}

static inline bool
kind_has_chunks(uint32_t kind)
{
    return kind_state(kind) >= PAGE_IN_USE && kind_state(kind) <= PAGE_DRAINING;
}

static inline bool
kind_draining(uint32_t kind)
{
    return kind_state(kind) >= PAGE_PENDING &&
        kind_state(kind) <= PAGE_DRAINING;
}

struct page {
    /* [atomic] The class lock guards changes from and to IN_USE, the reserve
     * lock all others. */
    _Atomic uint32_t kind;
    _Atomic uint32_t due;      /* [atomic] earliest deadline */
    _Atomic uint32_t frontier; /* [class lock] writes, [atomic] reads: chunks
                                  from here on were never handed out */
    uint32_t n_free;           /* [class lock] chunks not handed out */
    uint32_t free_head;        /* [class lock] handle, 0 none */
    uint32_t index;            /* [class lock] place in the class's pages */
    uint32_t next, prev;       /* [class lock] of a bucket, or [reserve lock]
                                  of the reserve or the pending list */
};
_Static_assert(sizeof(struct page) == 32, "two records a cache line");
_Static_assert(sizeof(struct page) == sizeof(struct slab_page_head) &&
        offsetof(struct page, kind) == offsetof(struct slab_page_head, kind),
    "slab_mark() relies on it");

struct page_list {
    uint32_t head, tail; /* page numbers, PAGE_NONE when empty */
    uint32_t n;
};

/* Immutable part first: it is read at each operation, and shares no cache line
 * with what changes. */
struct size_class {
    uint64_t reciprocal; /* of chunk_bytes, scaled by 2^40 */
    uint32_t chunk_bytes;
    uint32_t n_chunks;    /* of a page */
    uint32_t data_start;  /* offset of chunk 0 in the page */
    uint32_t state_start; /* offset of the state bytes in the page */
    uint32_t page_bytes;
    uint32_t magazine_at; /* offset of the magazine in the thread, bytes */
    uint16_t magazine_max;
    uint16_t exchange;  /* chunks that move at once */
    uint16_t depot_max; /* chunks, a multiple of exchange */
    uint8_t page_size;  /* 0..N_PAGE_SIZES-1 */
    uint8_t number;
    /* [class lock] writes, [atomic] reads; seldom written, so it stands here
     * where slab_alloc() looks at it. */
    _Atomic uint32_t n_draining;

    struct spinlock lock __attribute__((aligned(CACHE_LINE)));
    _Atomic uint32_t n_pages; /* [class lock] writes, [atomic] reads */
    _Atomic uint64_t n_free;  /* the same: free chunks of pages in use */
    _Atomic uint64_t n_free_draining; /* the same, of draining pages */
    _Atomic uint32_t *pages;  /* [class lock] writes, [atomic] reads: numbers
                                  of the n_pages pages, in no order */
    uint32_t n_pages_seen;    /* [class lock] entries of pages ever touched */
    _Atomic uint32_t n_depot; /* [class lock] writes, [atomic] reads */
    struct page_list bucket[N_BUCKETS]; /* [class lock] pages with free
                                  chunks, those with the fewest first */
    uint32_t depot[DEPOT_MAX];          /* [class lock] */
};
_Static_assert(offsetof(struct size_class, lock) == CACHE_LINE,
    "what is constant fills one cache line");

/* The smallest page of a cache of this size: log2 of its bytes. */
unsigned class_unit_shift(size_t limit_bytes);

/* Fill `classes` for a cache of this size; returns their number. */
unsigned class_table_build(struct size_class *classes, size_t limit_bytes);

/* Whether a fresh page may take what is in use above the limit. */
enum page_charge { PAGE_WITHIN_LIMIT, PAGE_ANYWAY };

/* Take up to `want` chunks from the depot, the pages, or a fresh page. 0 when
 * the budget gives no page. */
unsigned class_take(struct slab *s, struct size_class *c, uint32_t *out,
    unsigned want, enum page_charge how);

/* Put chunks back: to the depot while it has room and nothing drains, else to
 * their pages. */
void class_put(
    struct slab *s, struct size_class *c, const uint32_t *handles, unsigned n);
void class_put_to_pages(
    struct slab *s, struct size_class *c, const uint32_t *handles, unsigned n);

/* So many free chunks more in pages in use, or fewer. [class lock] */
void class_add_free(struct slab *s, struct size_class *c, int64_t n);

/* The list for pages with so many free chunks; N_BUCKETS: none, when full. */
unsigned class_bucket_of(const struct size_class *c, uint32_t n_free);

/* All chunks of the depot go back to their pages. A page leaves the table of
 * the class. [class lock] */
void class_empty_depot(struct slab *s, struct size_class *c);
void class_forget_page(struct slab *s, struct size_class *c, uint32_t page);

/* A chunk of a draining page came back (drain.c). [class lock] */
void drain_return(struct slab *s, struct size_class *c, uint32_t page);

/* ---- pages and their reserve (page.c, super.c) --------------------------- */

struct super {
    uint32_t cold;     /* bit i: page i is nobody's, and with the system */
    uint32_t resident; /* bit i: page i is nobody's, but in the reserve */
};

struct reserve {
    struct spinlock lock;
    struct page_list free[N_PAGE_SIZES]; /* [lock] oldest first */
    struct page_list pending;            /* [lock] draining pages */
    struct super *supers;                /* [lock] */
    uint64_t *uncarved;                  /* [lock] bitmap of supers */
    uint64_t *with_cold[N_PAGE_SIZES];   /* [lock] bitmaps of carved supers */
    uint32_t n_supers_seen;              /* [lock] whose records are touched */
    uint64_t *ready;   /* [lock] bitmap: uncarved, but resident and charged */
    uint32_t n_ready;  /* [lock] */
    bool is_taken;     /* [lock] some were carved since enough were ready */
    uint64_t taken_us; /* [lock] when the last one was */
};

/* Its tables, at start and at the end; cannot fail. */
void reserve_open(struct slab *s);
void reserve_close(struct slab *s);

/* Take the page at offset 0 for good, at start, for the superblock. */
uint32_t reserve_first_page(struct slab *s);

/* A page for class `c`, charged, its marks FREE, its chunks free, on no list
 * and not yet IN_USE; PAGE_NONE when budget or addresses give none. No lock
 * held. */
uint32_t page_acquire(
    struct slab *s, const struct size_class *c, enum page_charge how);

/* Into the reserve: the page is nobody's, but resident and charged. Class lock
 * held; takes the reserve lock. page_release_locked: reserve lock held too. */
void page_release(struct slab *s, uint32_t page);
void page_release_locked(struct slab *s, uint32_t page);

/* Whether a thread is writing marks of a page that is no longer in use
 * (mark.c). */
bool page_is_held(struct slab *s, uint32_t page);

/* Super-pages, under the reserve's lock. A cold page, or PAGE_NONE when
 * addresses are used up. */
uint32_t super_take_cold(struct slab *s, unsigned page_size);

/* Whether one of the super-pages in use has a cold page of this size. */
bool super_has_cold(const struct slab *s, unsigned page_size);

/* If the super-page that super_take_whole() takes next is touched and charged
 * already, its charge passes to the caller. */
bool super_take_ready(struct slab *s);

/* Carve a super-page into pages of this size and take all of them: a bit is set
 * for each; 0 when addresses are used up. */
uint32_t super_take_whole(
    struct slab *s, unsigned page_size, uint32_t *super);

/* These pages of one are the system's again. When all are, any size may have
 * the super-page next. */
void super_make_cold(struct slab *s, uint32_t super, uint32_t pages);

/* Give a super-page that slab_populate() has touched back to the system, whose
 * memory nobody used. Returns bytes given back, or 0. No lock held. */
size_t reserve_give_back_ready(struct slab *s);

/* Whether more of them are ready than those who take none need. */
bool reserve_is_idle(struct slab *s);

/* Give one run of free pages, about `want` bytes, back to the system. Returns
 * bytes given back, 0 when the reserve is empty. No lock held. */
size_t reserve_give_back(struct slab *s, size_t want);

/* Doubly linked by number, through the page records. By who holds the lock of
 * the list. O(1). */
void list_init(struct page_list *l);
void list_push_head(struct slab *s, struct page_list *l, uint32_t page);
void list_push_tail(struct slab *s, struct page_list *l, uint32_t page);
void list_remove(struct slab *s, struct page_list *l, uint32_t page);

/* ---- extents (extent.c, space.c) ----------------------------------------- */

#define EXTENT_UNIT ((size_t)4 * KIB)
#define EXTENT_HUGE_UNITS 512u /* 2 MiB */
#define N_EXTENT_CLASSES 128u  /* up to SLAB_MAX_EXTENT */
#define MAX_HUGE_EXTENTS 8192u /* each may split two kernel mappings */

#define EXTENT_UNITS_MASK (((uint32_t)1 << 30) - 1) /* 4 TiB of addresses */

/* One record is a live extent, a warm one, a free run of addresses, or free
 * itself. */
struct extent {
    uint32_t offset;            /* in units; [immutable] while referenced */
    uint32_t units : 30;        /* the same */
    uint32_t huge : 1;          /* the same: advised to use huge pages */
    uint32_t small_start : 1;   /* the same, once committed: but for the first
                                   2 MiB, which came in small steps */
    _Atomic uint32_t committed; /* [atomic] units; the owner writes */
    _Atomic uint32_t refs;      /* [atomic] 0: not live */
    _Atomic uint32_t owner;     /* [atomic] chunk handle */
    uint32_t freed_ms;          /* [lock] when it became warm */
    uint32_t next, prev;        /* [lock] ids, 0 none */
};
_Static_assert(sizeof(struct extent) == 32, "two records a cache line");

struct extent_list {
    uint32_t head, tail; /* ids, 0 when empty */
};

struct extent_space {
    struct spinlock lock;
    char *base;             /* [immutable] */
    size_t units;           /* [immutable] */
    struct extent *records; /* [immutable] pointer; by id */
    uint32_t max_id;        /* [immutable] */
    _Atomic uint32_t n_ids; /* [lock] writes, [atomic] reads: ids issued */
    uint32_t free_id;       /* [lock] list of free records */
    uint32_t n_free_ids;    /* [lock] */
    uint32_t n_huge;        /* [lock] */
    uint32_t *edge;         /* [lock] by unit: id of the free run that starts
                                 or ends there, else 0 */
    uint32_t top, top_seen; /* [lock] units; all beyond was never used; the
                                 highest ever */
    uint64_t bins[N_EXTENT_CLASSES / 64];         /* [lock] bitmap of bin[] */
    uint64_t warm_classes[N_EXTENT_CLASSES / 64]; /* [lock] of warm[] */
    struct extent_list bin[N_EXTENT_CLASSES];     /* [lock] free runs */
    struct extent_list warm[N_EXTENT_CLASSES];    /* [lock] newest first */
};

/* Reserve `bytes` of addresses, 0 for a multiple of RAM; smaller ranges are
 * tried. False with a sentence in `err`. At start and at the end. */
bool extents_open(struct slab *s, size_t bytes, struct buf *err);
void extents_close(struct slab *s);

/* Give the oldest warm extent back if it is at least that old. Returns its
 * bytes, 0 when there is none. No lock held. */
size_t extent_cool_oldest(struct slab *s, uint32_t min_age_ms);

/* Size classes: 8 a doubling; the class that holds `units`, and its size. */
unsigned extent_class(size_t units);
size_t extent_class_units(unsigned cls);

/* The record of an id up to n_ids; it never moves. Any thread. */
struct extent *extent_at(const struct extent_space *x, uint32_t id);

/* space.c: free runs of addresses. [lock] */
void extent_push(struct extent_space *x, struct extent_list *l, uint32_t id);
void extent_remove(struct extent_space *x, struct extent_list *l, uint32_t id);
/* A record whose offset and units are set, its range unused; 0 when addresses
 * or ids are used up. */
uint32_t space_take(struct slab *s, uint32_t units);
/* Takes the record back, and its range. */
void space_put(struct extent_space *x, uint32_t id);
/* Walk all runs and check what must hold; for tests. */
void space_check(struct extent_space *x);

/* ---- magazines (magazine.c) ---------------------------------------------- */

/* Place the magazines of all classes in a slab_thread; returns its size. */
size_t magazines_size(struct slab *s);

/* Bytes of the chunks in all magazines. [threads_lock] */
size_t magazines_bytes(const struct slab *s);

/* ---- budget (budget.c) --------------------------------------------------- */

struct budget {
    _Atomic size_t limit;
    _Atomic size_t used; /* all below, and what is charged from outside */
    _Atomic size_t page, page_free, page_ready, extent_live, extent_warm;
    _Atomic size_t tables;
    _Atomic size_t account[SLAB_ACCOUNTS];
    _Atomic size_t extents; /* live ones, a count */
    _Atomic uint64_t pages_committed, pages_released, pages_drained;
};

/* Charge, giving free pages, warm extents and what was touched ahead back when
 * that makes room. */
bool budget_charge(struct slab *s, size_t bytes);
/* The same, above the limit if it must be. */
void budget_charge_anyway(struct slab *s, size_t bytes);
void budget_uncharge(struct slab *s, size_t bytes);

/* The slab's own tables, as they are touched. */
void budget_charge_table(struct slab *s, size_t bytes);

/* Bytes a percentage refers to, with file names under `root` ("" for the
 * system's own); 0 if unknown. */
size_t machine_bytes(const char *root);

/* ---- the whole ----------------------------------------------------------- */

#define SLAB_MAGIC 0x51ab51ab
#define SLAB_THREAD_MAGIC 0x51ab7d01

struct slab {
    struct slab_view view; /* [immutable]; first: slab_ptr() is inlined */
    uint32_t magic;
    unsigned n_classes;           /* [immutable] */
    uint32_t n_supers;            /* [immutable] */
    uint32_t thread_bytes;        /* [immutable] size of a slab_thread */
    struct page *pages;           /* [immutable] pointer; records */
    _Atomic uint8_t *super_size;  /* [atomic] 0..N_PAGE_SIZES-1, its pages */
    unsigned unit_shift;          /* [immutable] log2 of the smallest page */
    bool has_barrier;             /* [immutable] see slab_due_settle() */
    struct region region;
    uint8_t class_of[SLAB_MAX_CHUNK / 8 + 1]; /* [immutable] by bytes / 8 */

    /* One past the highest carved super. [reserve lock] writes, [atomic]
     * reads. */
    _Atomic uint32_t super_limit __attribute__((aligned(CACHE_LINE)));
    _Atomic uint32_t flush_asked; /* [atomic] counts requests */
    struct reserve reserve;
    struct budget budget __attribute__((aligned(CACHE_LINE)));
    struct extent_space extents;
    struct spinlock threads_lock;
    struct slab_thread *threads; /* [threads_lock] */
    uint16_t *debug;             /* debug.c's own; NULL without it */
    /* Bit c: class c has a page's worth of free chunks. Its lock guards changes
     * of its bit. */
    _Atomic uint64_t drainable[SLAB_MAX_CLASSES / 64];
    struct size_class classes[SLAB_MAX_CLASSES];
};
_Static_assert(offsetof(struct slab, view) == 0, "slab_ptr() relies on it");

/* A LIFO of handles, so that handing a chunk out touches no chunk. */
struct magazine {
    _Atomic uint32_t n; /* [owner thread] writes, [atomic] reads */
    uint32_t handle[];  /* [owner thread] */
};

struct slab_thread {
    uint32_t magic;
    uint32_t flush_seen;             /* [owner thread] */
    struct slab *slab;               /* [immutable] */
    _Atomic uint32_t holding;        /* [owner thread] writes, [atomic] reads:
                                        page whose marks it writes */
    struct slab_thread *next, *prev; /* [threads_lock] */
    /* The magazines follow, each as large as its class needs. */
};

/* ---- checks of the debug build (debug.c) --------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif

#if defined(ASHLAR_DEBUG_ALLOC)
/* At start; at the end, where what was not released is logged by class. */
void debug_open(struct slab *s);
void debug_close(struct slab *s);
/* The page starts a new life: no chunk of it was handed out yet. */
void debug_page(struct slab *s, size_t offset, size_t bytes);
void debug_alloc(
    struct slab *s, uint32_t handle, size_t chunk_bytes, size_t asked);
void debug_refit(
    struct slab *s, uint32_t handle, size_t chunk_bytes, size_t asked);
void debug_release(struct slab *s, uint32_t handle, size_t chunk_bytes);
void debug_object_get(const char *pool, void *object, size_t bytes);
void debug_object_put(const char *pool, void *object, size_t bytes);
/* One byte more than asked, so that each chunk has room for a canary. */
#define DEBUG_PAD(bytes) ((bytes) + ((bytes) < SLAB_MAX_CHUNK))
#else
#define debug_open(s) ((void)(s))
#define debug_close(s) ((void)(s))
#define debug_page(s, offset, bytes) ((void)0)
#define debug_alloc(s, handle, chunk_bytes, asked) ((void)0)
#define debug_refit(s, handle, chunk_bytes, asked) ((void)0)
#define debug_release(s, handle, chunk_bytes) ((void)0)
#define debug_object_get(pool, object, bytes) ((void)0)
#define debug_object_put(pool, object, bytes) ((void)0)
#define DEBUG_PAD(bytes) (bytes)
#endif

/* Tell AddressSanitizer that nobody may touch a range; that one may again. */
#ifdef SLAB_ASAN
void debug_hide(void *p, size_t bytes);
void debug_show(void *p, size_t bytes);
#else
#define debug_hide(p, bytes) ((void)0)
#define debug_show(p, bytes) ((void)0)
#endif

/* ---- small helpers ------------------------------------------------------- */

static inline size_t
handle_offset(uint32_t handle)
{
    return 8 * ((size_t)handle - 1);
}

static inline uint32_t
offset_handle(size_t offset)
{
    return (uint32_t)(offset / 8 + 1);
}

static inline size_t
unit_bytes(const struct slab *s)
{
    return (size_t)1 << s->unit_shift;
}

static inline unsigned
super_shift(const struct slab *s)
{
    return s->unit_shift + SUPER_PAGES_SHIFT;
}

static inline size_t
super_bytes(const struct slab *s)
{
    return (size_t)1 << super_shift(s);
}

static inline unsigned
page_shift(const struct slab *s, unsigned page_size)
{
    return s->unit_shift + 2 * page_size;
}

/* Number of the page that covers an offset; a number within the table for any
 * offset of the region, also when the super is carved anew meanwhile. */
static inline uint32_t
page_at_size(const struct slab *s, size_t offset, unsigned page_size)
{
    return (uint32_t)((offset >> super_shift(s)) * SUPER_PAGES +
        ((offset & (super_bytes(s) - 1)) >> page_shift(s, page_size)));
}

/* Number of the size of the pages that a super-page is carved into. */
static inline unsigned
super_page_size(const struct slab *s, size_t super)
{
    return LOAD(&s->super_size[super]);
}

static inline unsigned
page_size_at(const struct slab *s, size_t offset)
{
    return super_page_size(s, offset >> super_shift(s));
}

static inline uint32_t
page_at(const struct slab *s, size_t offset)
{
    return page_at_size(s, offset, page_size_at(s, offset));
}

/* Offset of a page in the region; in its super in any case, also when that is
 * carved anew meanwhile. */
static inline size_t
page_offset(const struct slab *s, uint32_t page)
{
    size_t super = page / SUPER_PAGES;
    unsigned shift = page_shift(s, super_page_size(s, super));

    return (super << super_shift(s)) +
        (((size_t)(page % SUPER_PAGES) << shift) & (super_bytes(s) - 1));
}

static inline uint32_t
page_kind_of(const struct slab *s, uint32_t page)
{
    return atomic_load_explicit(&s->pages[page].kind, memory_order_acquire);
}

/* Number of the chunk that covers an offset in a page of the class. Exact for
 * all offsets in a page: the error of the reciprocal is below 2^20 / 2^40, and
 * no chunk is longer than 2^14. Offsets outside of the chunks (a stale handle
 * whose page has another class meanwhile) are clamped. */
static inline uint32_t
chunk_slot(const struct size_class *c, size_t in_page)
{
    uint64_t slot;

    if (unlikely(in_page < c->data_start))
        return 0;
    slot = ((in_page - c->data_start) * c->reciprocal) >> 40;
    return unlikely(slot >= c->n_chunks) ? c->n_chunks - 1 : (uint32_t)slot;
}

static inline unsigned
class_for(const struct slab *s, size_t bytes)
{
    ASSERT(bytes - 1 < SLAB_MAX_CHUNK);
    return s->class_of[(DEBUG_PAD(bytes) + 7) / 8];
}

/* The marks of a page in use that begins at `page_offset`: of slot 0, and the
 * others after it. */
static inline _Atomic uint16_t *
page_stamps(const struct slab *s, size_t page_offset)
{
    return (_Atomic uint16_t *)(void *)(s->region.base + page_offset);
}

static inline _Atomic uint8_t *
page_states(
    const struct slab *s, const struct size_class *c, size_t page_offset)
{
    return (_Atomic uint8_t *)(void *)(s->region.base + page_offset +
        c->state_start);
}

static inline uint32_t
chunk_handle(const struct size_class *c, size_t page_offset, uint32_t slot)
{
    return offset_handle(
        page_offset + c->data_start + (size_t)slot * c->chunk_bytes);
}

/* The two words of a free chunk. Late readers may look at them, so they are
 * atomic; nothing is ordered by them. */
static inline _Atomic uint32_t *
chunk_words(const struct slab *s, uint32_t handle)
{
    return (_Atomic uint32_t *)(void *)slab_ptr(s, handle);
}

static inline uint32_t
chunk_next(const struct slab *s, uint32_t handle)
{
    return LOAD(&chunk_words(s, handle)[1]);
}
