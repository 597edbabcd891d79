/* SPDX-License-Identifier: BSD-3-Clause */
/* extent.c - large values, each in a run of 4 KiB units of its own.
 *
 * Page faults are what a large value costs: a fresh megabyte 260 us, one that
 * is still resident 30. So an extent that is freed stays as it is, on the stack
 * of its size class, until its size is wanted again, or its memory: then the
 * oldest go first, in one system call each.
 *
 * A record says who uses an extent. refs is the only word that other threads
 * change: above 0 the extent is live and everything in the record holds still.
 * An id may be stale when somebody pins it (the item was read without a lock);
 * the pin then fails, or holds whatever has the id now until the caller sees
 * its error and unpins. Both are safe, because records are never unmapped.
 *
 * Huge pages are refused for the range as a whole, since they would make memory
 * resident that nobody was charged for, and asked for where an extent covers
 * whole 2 MiB blocks; these are committed block by block.
 */
#include "slab/internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_MULTIPLE 8
#define LEAST_RANGE_BYTES ((size_t)1 * GIB)
#if defined(__SANITIZE_THREAD__) || defined(SLAB_ASAN)
#define MOST_RANGE_BYTES ((size_t)16 * GIB) /* shadow memory costs, too */
#else
#define MOST_RANGE_BYTES ((size_t)256 * GIB)
#endif
#define MAX_IDS ((uint32_t)1 << 24)

/* First commitment, and the least share of what is there that is added. */
#define COMMIT_LEAST 16u
#define COMMIT_SHARE 4
#define LEAST_STEP 2u /* of what is committed as it is needed */

#define SAMPLE_RECORDS 1024u /* looked at by one extent_sample() */

static size_t
units_of(size_t bytes)
{
    return (bytes + EXTENT_UNIT - 1) / EXTENT_UNIT;
}

/* ---- birth and end ------------------------------------------------------- */

static size_t
default_range(void)
{
    size_t ram =
        (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);

    return MIN(ram * RAM_MULTIPLE, MOST_RANGE_BYTES);
}

bool
extents_open(struct slab *s, size_t bytes, struct buf *err)
{
    struct extent_space *x = &s->extents;
    size_t asked = ROUND_UP(bytes != 0 ? bytes : default_range(), 2 * MIB);

    bytes = asked;
    while ((x->base = map_lazily(bytes, 2 * MIB)) == NULL) {
        if (bytes / 2 < LEAST_RANGE_BYTES) {
            buf_printf(err,
                "cannot reserve %zu MiB of address space for large values: %s",
                bytes / MIB, strerror(errno));
            return false;
        }
        bytes = ROUND_UP(bytes / 2, 2 * MIB);
    }
    if (bytes < asked)
        log_warn("smaller address range for large values asked_mib=%zu "
                 "mib=%zu",
            asked / MIB, bytes / MIB);
    (void)madvise(x->base, bytes, MADV_DONTDUMP);
    (void)madvise(x->base, bytes, MADV_NOHUGEPAGE);
    spin_init(&x->lock, LOCK_EXTENTS);
    x->units = bytes / EXTENT_UNIT;
    x->max_id = (uint32_t)MIN(x->units, MAX_IDS);
    x->records = map_table(((size_t)x->max_id + 1) * sizeof *x->records);
    x->edge = map_table(x->units * sizeof *x->edge);
    return true;
}

void
extents_close(struct slab *s)
{
    struct extent_space *x = &s->extents;
    size_t records = ((size_t)x->max_id + 1) * sizeof *x->records;

    debug_show(x->base, x->top_seen * EXTENT_UNIT);
    munmap(x->base, x->units * EXTENT_UNIT);
    munmap(x->records, ROUND_UP(records, 4 * KIB));
    munmap(x->edge, ROUND_UP(x->units * sizeof *x->edge, 4 * KIB));
}

/* ---- a record by its id -------------------------------------------------- */

/* NULL for an id that was never issued. */
static struct extent *
find(const struct slab *s, uint32_t id)
{
    const struct extent_space *x = &s->extents;

    /* acquire: pairs with take_id() */
    if (id == 0 || id > atomic_load_explicit(&x->n_ids, memory_order_acquire))
        return NULL;
    return extent_at(x, id);
}

/* Of an extent that the caller holds a reference to. */
static struct extent *
held(const struct slab *s, uint32_t id)
{
    struct extent *e = find(s, id);

    ASSERT(e != NULL && LOAD(&e->refs) > 0);
    return e;
}

static char *
address(const struct slab *s, const struct extent *e)
{
    return s->extents.base + (size_t)e->offset * EXTENT_UNIT;
}

char *
extent_ptr(const struct slab *s, uint32_t id)
{
    return address(s, held(s, id));
}

size_t
extent_room(const struct slab *s, uint32_t id)
{
    return (size_t)held(s, id)->units * EXTENT_UNIT;
}

size_t
extent_committed(const struct slab *s, uint32_t id)
{
    const struct extent *e = find(s, id);

    return e != NULL ? (size_t)LOAD(&e->committed) * EXTENT_UNIT : 0;
}

void
extent_set_owner(struct slab *s, uint32_t id, uint32_t handle)
{
    STORE(&held(s, id)->owner, handle);
}

uint32_t
extent_owner(const struct slab *s, uint32_t id)
{
    struct extent *e = find(s, id);

    return e != NULL ? LOAD(&e->owner) : 0;
}

size_t
extent_live_bytes(const struct slab *s)
{
    return LOAD(&s->budget.extent_live);
}

/* ---- memory of an extent ------------------------------------------------- */

/* Its whole 2 MiB blocks, in units. */
static uint32_t
huge_part(const struct extent *e)
{
    return e->units / EXTENT_HUGE_UNITS * EXTENT_HUGE_UNITS;
}

/* [lock] Whether a new extent may ask for huge pages: each that does splits the
 * kernel's mapping of the range, and mappings are limited. */
static bool
may_be_huge(const struct extent_space *x, uint32_t units)
{
    return units >= EXTENT_HUGE_UNITS && x->n_huge < MAX_HUGE_EXTENTS;
}

/* Before the first byte of an extent is touched. One whose first commitment is
 * small may never get more (a client announced much and sent little): its first
 * 2 MiB are to cost what was sent of them. */
static void
ask_for_huge(struct slab *s, struct extent *e, uint32_t first_units)
{
    size_t block = EXTENT_HUGE_UNITS * EXTENT_UNIT;

    e->small_start = first_units < EXTENT_HUGE_UNITS;
    /* Refused: small pages, which is slower and nothing else. */
    (void)madvise(address(s, e), huge_part(e) * EXTENT_UNIT, MADV_HUGEPAGE);
    if (e->small_start)
        (void)madvise(address(s, e), block, MADV_NOHUGEPAGE);
}

/* A commitment that ends within a huge block takes all of it. */
static uint32_t
whole_blocks(const struct extent *e, uint32_t units)
{
    if (!e->huge || units > huge_part(e) ||
        (e->small_start && units <= EXTENT_HUGE_UNITS))
        return units;
    return (uint32_t)ROUND_UP(units, EXTENT_HUGE_UNITS);
}

/* Make an extent's memory the system's again; false when it refuses. */
static bool
cool(struct slab *s, struct extent *e)
{
    static _Atomic uint64_t complained;
    size_t bytes = LOAD(&e->committed) * EXTENT_UNIT;

    debug_show(address(s, e), e->units * EXTENT_UNIT);
    if (bytes > 0 && madvise(address(s, e), bytes, MADV_DONTNEED) != 0) {
        if (log_ratelimit(&complained))
            log_warn("cannot give extent back bytes=%zu err=%s", bytes,
                strerror(errno));
        return false;
    }
    /* The next user of these addresses may be a small extent. */
    if (e->huge)
        (void)madvise(
            address(s, e), huge_part(e) * EXTENT_UNIT, MADV_NOHUGEPAGE);
    return true;
}

/* ---- warm extents -------------------------------------------------------- */

static uint32_t
now_ms(void)
{
    return (uint32_t)(clock_mono_us() / 1000);
}

/* [lock] */
static void
push_warm(struct extent_space *x, uint32_t id)
{
    unsigned cls = extent_class(extent_at(x, id)->units);

    extent_push(x, &x->warm[cls], id);
    x->warm_classes[cls / 64] |= (uint64_t)1 << cls % 64;
}

/* [lock] */
static void
pull_warm(struct extent_space *x, uint32_t id)
{
    unsigned cls = extent_class(extent_at(x, id)->units);

    extent_remove(x, &x->warm[cls], id);
    if (x->warm[cls].head == 0)
        x->warm_classes[cls / 64] &= ~((uint64_t)1 << cls % 64);
}

/* [lock] The warm extent that was freed first; 0 if none. Stacks are in order
 * of time, so it is the last of one of them. */
static uint32_t
oldest_warm(const struct extent_space *x, uint32_t now)
{
    uint32_t best = 0, id;
    uint64_t rest;
    unsigned i;

    for (i = 0; i < N_EXTENT_CLASSES / 64; i++) {
        for (rest = x->warm_classes[i]; rest != 0; rest &= rest - 1) {
            id = x->warm[i * 64 + (unsigned)__builtin_ctzll(rest)].tail;
            if (best == 0 ||
                now - extent_at(x, id)->freed_ms >
                    now - extent_at(x, best)->freed_ms)
                best = id;
        }
    }
    return best;
}

size_t
extent_cool_oldest(struct slab *s, uint32_t min_age_ms)
{
    struct extent_space *x = &s->extents;
    uint32_t now = now_ms(), id;
    struct extent *e;
    size_t bytes;
    bool done;

    spin_lock(&x->lock);
    id = oldest_warm(x, now);
    e = extent_at(x, id);
    if (id == 0 || now - e->freed_ms < min_age_ms) {
        spin_unlock(&x->lock);
        return 0;
    }
    pull_warm(x, id);
    spin_unlock(&x->lock);

    done = cool(s, e);
    bytes = LOAD(&e->committed) * EXTENT_UNIT;

    spin_lock(&x->lock);
    if (done) {
        x->n_huge -= e->huge;
        space_put(x, id);
    } else {
        push_warm(x, id);
    }
    spin_unlock(&x->lock);
    if (!done)
        return 0;
    atomic_fetch_sub_explicit(
        &s->budget.extent_warm, bytes, memory_order_relaxed);
    budget_uncharge(s, bytes);
    return bytes;
}

/* ---- life ---------------------------------------------------------------- */

/* [lock] A warm extent of the class becomes live, as it is. */
static uint32_t
reuse_warm(struct slab *s, unsigned cls)
{
    struct extent_space *x = &s->extents;
    uint32_t id = x->warm[cls].head;
    size_t bytes;

    if (id == 0)
        return 0;
    pull_warm(x, id);
    bytes = LOAD(&extent_at(x, id)->committed) * EXTENT_UNIT;
    atomic_fetch_add_explicit(
        &s->budget.extent_live, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(
        &s->budget.extent_warm, bytes, memory_order_relaxed);
    debug_show(
        address(s, extent_at(x, id)), extent_at(x, id)->units * EXTENT_UNIT);
    return id;
}

/* [lock] An extent without memory. */
static uint32_t
take_cold(struct slab *s, unsigned cls)
{
    struct extent_space *x = &s->extents;
    uint32_t units = (uint32_t)extent_class_units(cls);
    uint32_t id = space_take(s, units);
    struct extent *e;

    if (id == 0)
        return 0;
    e = extent_at(x, id);
    STORE(&e->committed, 0);
    e->huge = may_be_huge(x, units);
    x->n_huge += e->huge;
    return id;
}

uint32_t
extent_new(struct slab *s, size_t bytes)
{
    struct extent_space *x = &s->extents;
    unsigned cls = extent_class(units_of(bytes));
    struct extent *e;
    uint32_t id;

    CHECK(s, SLAB_MAGIC);
    ASSERT(bytes - 1 < SLAB_MAX_EXTENT);
    do {
        spin_lock(&x->lock);
        id = reuse_warm(s, cls);
        if (id == 0)
            id = take_cold(s, cls);
        spin_unlock(&x->lock);
        /* No addresses left: warm extents hold some. */
    } while (id == 0 && extent_cool_oldest(s, 0) > 0);
    if (id == 0)
        return 0;
    e = extent_at(x, id);
    STORE(&e->owner, 0);
    atomic_fetch_add_explicit(&s->budget.extents, 1, memory_order_relaxed);
    /* release: pairs with extent_pin(), which then reads the rest */
    atomic_store_explicit(&e->refs, 1, memory_order_release);
    return id;
}

/* How far to commit when `need` units are wanted: in growing steps, and never
 * a part of a huge block. */
static uint32_t
commit_target(const struct extent *e, uint32_t need, uint32_t have)
{
    uint32_t step = MAX(have / COMMIT_SHARE, COMMIT_LEAST);
    uint32_t target = MAX(need, have + step);

    return MIN(whole_blocks(e, target), e->units);
}

static void
committed_to(struct slab *s, struct extent *e, uint32_t target)
{
    uint32_t have = LOAD(&e->committed);

    STORE(&e->committed, target);
    atomic_fetch_add_explicit(&s->budget.extent_live,
        ((size_t)target - have) * EXTENT_UNIT, memory_order_relaxed);
}

bool
extent_commit(struct slab *s, uint32_t id, size_t bytes)
{
    struct extent *e = held(s, id);
    uint32_t need = (uint32_t)units_of(bytes), have = LOAD(&e->committed);
    uint32_t target;

    ASSERT(need <= e->units);
    if (need <= have)
        return true;
    if (e->huge && have == 0)
        ask_for_huge(s, e, need);
    target = commit_target(e, need, have);
    if (!budget_charge(s, (target - have) * EXTENT_UNIT)) {
        /* Not a generous step, then: what is needed. */
        need = whole_blocks(e, need);
        if (need == target || !budget_charge(s, (need - have) * EXTENT_UNIT))
            return false;
        target = need;
    }
    committed_to(s, e, target);
    return true;
}

static bool
commit_needed(struct slab *s, uint32_t id, size_t bytes, bool forced)
{
    struct extent *e = held(s, id);
    uint32_t have = LOAD(&e->committed), target;
    size_t more;

    target = (uint32_t)ROUND_UP(units_of(bytes), LEAST_STEP);
    if (target <= have)
        return true;
    if (e->huge && have == 0)
        ask_for_huge(s, e, target);
    target = MIN(whole_blocks(e, target), e->units);
    if (target <= have) /* the last step is a part of one */
        return true;
    more = (target - have) * EXTENT_UNIT;
    if (forced)
        budget_charge_anyway(s, more);
    else if (!budget_charge(s, more))
        return false;
    committed_to(s, e, target);
    return true;
}

bool
extent_commit_least(struct slab *s, uint32_t id, size_t bytes)
{
    return commit_needed(s, id, bytes, false);
}

void
extent_commit_force(struct slab *s, uint32_t id, size_t bytes)
{
    (void)commit_needed(s, id, bytes, true);
}

void
extent_trim(struct slab *s, uint32_t id, size_t bytes)
{
    struct extent *e = held(s, id);
    uint32_t have = LOAD(&e->committed);
    uint32_t keep = (uint32_t)ROUND_UP(units_of(bytes), LEAST_STEP);
    size_t more;

    if (e->huge || keep >= have)
        return;
    more = (have - keep) * EXTENT_UNIT;
    if (madvise(address(s, e) + keep * EXTENT_UNIT, more, MADV_DONTNEED) != 0)
        return; /* it stays, and is charged */
    committed_to(s, e, keep);
    budget_uncharge(s, more);
}

bool
extent_pin(struct slab *s, uint32_t id)
{
    struct extent *e = find(s, id);
    uint32_t refs;

    if (e == NULL)
        return false;
    refs = LOAD(&e->refs);
    do {
        if (refs == 0)
            return false;
        /* acquire: pairs with extent_new() */
    } while (!atomic_compare_exchange_weak_explicit(
        &e->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed));
    return true;
}

/* An extent without memory is not worth keeping. */
static void
discard(struct slab *s, uint32_t id, struct extent *e)
{
    struct extent_space *x = &s->extents;

    (void)cool(s, e); /* gives nothing back, so it cannot fail */
    spin_lock(&x->lock);
    x->n_huge -= e->huge;
    space_put(x, id);
    spin_unlock(&x->lock);
}

/* The last reference is gone: nobody else knows the extent now. */
static void
retire(struct slab *s, uint32_t id, struct extent *e)
{
    struct extent_space *x = &s->extents;
    size_t bytes = LOAD(&e->committed) * EXTENT_UNIT;

    STORE(&e->owner, 0);
    atomic_fetch_sub_explicit(&s->budget.extents, 1, memory_order_relaxed);
    if (bytes == 0) {
        discard(s, id, e);
        return;
    }
    atomic_fetch_sub_explicit(
        &s->budget.extent_live, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(
        &s->budget.extent_warm, bytes, memory_order_relaxed);
    debug_hide(address(s, e), e->units * EXTENT_UNIT);
    e->freed_ms = now_ms();
    spin_lock(&x->lock);
    push_warm(x, id);
    spin_unlock(&x->lock);
}

void
extent_unpin(struct slab *s, uint32_t id)
{
    struct extent *e = find(s, id);
    uint32_t before;

    ASSERT(e != NULL);
    /* release: what this holder did comes before; acquire: what others did
     * comes before the extent is used anew */
    before = atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        retire(s, id, e);
}

unsigned
extent_sample(
    const struct slab *s, uint64_t random, unsigned max, uint32_t *ids)
{
    uint32_t n_ids =
        atomic_load_explicit(&s->extents.n_ids, memory_order_acquire);
    uint32_t id, i, n = 0;

    ASSERT(max <= 32);
    if (n_ids == 0)
        return 0;
    id = (uint32_t)((unsigned __int128)random * n_ids >> 64);
    for (i = 0; i < MIN(n_ids, SAMPLE_RECORDS) && n < max; i++) {
        const struct extent *e = extent_at(&s->extents, id + 1);

        if (LOAD(&e->refs) > 0 && LOAD(&e->owner) != 0)
            ids[n++] = id + 1;
        id = id + 1 < n_ids ? id + 1 : 0;
    }
    return n;
}
