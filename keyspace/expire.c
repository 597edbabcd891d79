/* SPDX-License-Identifier: BSD-3-Clause */
/* expire.c - what the maintenance thread does: sweep pages whose earliest
 * deadline has passed, keep stamps from wrapping, finish draining pages, hold
 * the memory limit, keep a reserve of free pages.
 *
 * Each page knows the earliest deadline of its items in eighths of a second (an
 * upper bound: an item that went earlier leaves it as it was). The sweep looks
 * at the page records only, and walks the pages that are due; what is left on a
 * page then waits for half a second, so that a page of random deadlines is not
 * walked for each of them. Everything is done in slices of bounded work;
 * ks_maintain() says whether there is more.
 */
#include "keyspace/hash_form.h"
#include "keyspace/internal.h"

#define SWEEP_RECORDS 16384   /* page records looked at per slice */
#define SWEEP_WORK 131072     /* in looks at chunks of pages that are due */
#define REMOVAL_WORK 8        /* to take one's item out, in these */
#define GENTLE_RECORDS 4096   /* the same when clients are served meanwhile */
#define GENTLE_WORK 2048
#define LATE_WORK 8192        /* the same while the sweep is late ... */
#define LATE_DUE 1            /* by so many eighths of a second */
#define GENTLE_CALLS 256      /* with work left, until the rest has its turn */
#define ROOM_EVICTIONS 64     /* items evicted per slice for the limit */
#define AGE_PASS_TICKS 4096   /* one pass over all pages in this many ticks */
#define INDEX_SAVE_BYTES (64 * KIB) /* charged per slice */
#define WARM_EXTENT_MS 1000   /* free extents older than this go back */
#define DROP_PERIOD_US 200000 /* between looks at unused namespaces */

#define DUE_MS 125
#define REST_MS 500 /* between walks of a page */

/* Of the 17 years that 32 bits count. */
#define YEAR_MS ((uint64_t)365 * 86400 * 1000)

void
due_init(struct ks *ks)
{
    uint64_t now_ms = clock_wall_ms();

    /* the clock may be set back later */
    ks->due_begin_ms = now_ms - MIN(now_ms, YEAR_MS);
}

/* After the last one that counts, all pages are due. */
static uint32_t
due_from(const struct ks *ks, uint64_t ms)
{
    uint64_t due = ms > ks->due_begin_ms ? (ms - ks->due_begin_ms) / DUE_MS : 0;

    return due < UINT32_MAX ? (uint32_t)due : UINT32_MAX - 1;
}

/* Rounded up, so that a due page has an expired item. */
static uint32_t
due_of(const struct ks *ks, uint64_t expire_ms)
{
    return due_from(ks, expire_ms + DUE_MS - 1);
}

static uint32_t
due_now(const struct ks *ks)
{
    return due_from(ks, clock_wall_ms());
}

void
due_note(struct ks_thread *t, uint32_t handle, uint64_t expire_ms)
{
    slab_due_note(t->slab, handle, due_of(t->ks, expire_ms));
}

bool
due_has_passed(const struct ks_thread *t, uint32_t page)
{
    return slab_due_get(t->slab, page) <= due_now(t->ks);
}

/* Headers are asked for so many chunks ahead, and index lines when they have
 * come. */
#define HEADERS_AHEAD 8
#define LINES_AHEAD 4

/* A chunk that the sweep comes to next. */
struct coming {
    uint64_t hash;
    bool is_expired; /* it is likely to go, and its index line was asked for */
};

/* Chunks of a page that the sweep has still to look at. */
struct page_walk {
    struct slab_run run;
    uint64_t now_ms;
    bool fields;     /* those of hashes may have deadlines */
    uint32_t work;   /* that was done */
    uint32_t looked; /* up to here their index lines were asked for */
    struct coming coming[LINES_AHEAD];
};

/* Of a hash, whose fields may expire: those that have go, and the hash with the
 * last of them. The next deadline that nobody has noted. */
static uint64_t
sweep_hash(struct ks_thread *t, struct page_walk *w, uint32_t handle,
    const struct item_view *v)
{
    uint64_t earliest = hash_peek_earliest(t, handle, v);

    if (earliest > w->now_ms)
        return earliest;
    w->work += REMOVAL_WORK;
    if (!remove_chunk(t, handle, REMOVE_IF_EXPIRED))
        hash_sweep(t, handle);
    return KS_NO_EXPIRY;
}

static bool
may_expire(const struct page_walk *w, uint32_t i)
{
    uint8_t state = slab_run_state(&w->run, i);

    return state != SLAB_MARK_FREE && ((state & MARK_EXPIRES) || w->fields);
}

static void
look_ahead(struct ks_thread *t, struct page_walk *w, uint32_t i)
{
    struct coming *c = &w->coming[i % LINES_AHEAD];
    struct item_copy copy;

    c->is_expired = may_expire(w, i) &&
        item_peek(slab_ptr(t->slab, w->run.handle + i * w->run.step),
            w->now_ms, &copy) &&
        item_expired(&copy.view, w->now_ms) &&
        index_hash_item(&t->ks->index, &copy.view, &c->hash);
    if (c->is_expired)
        index_prefetch_line(&t->ks->index, c->hash);
}

static void
look_from(struct ks_thread *t, struct page_walk *w, uint32_t i)
{
    if (i + HEADERS_AHEAD < w->run.n && may_expire(w, i + HEADERS_AHEAD))
        __builtin_prefetch(slab_ptr(
            t->slab, w->run.handle + (i + HEADERS_AHEAD) * w->run.step));
    for (w->looked = MAX(w->looked, i);
         w->looked < MIN(i + LINES_AHEAD, w->run.n); w->looked++)
        look_ahead(t, w, w->looked);
}

/* Take one chunk's item out if it has expired; its deadline if it is still
 * there, also one that has passed: somebody works on its partition. */
static uint64_t
sweep_chunk(struct ks_thread *t, struct page_walk *w, uint32_t i)
{
    uint32_t handle = w->run.handle + i * w->run.step;
    const struct coming *c = &w->coming[i % LINES_AHEAD];
    uint64_t earliest = KS_NO_EXPIRY;
    struct item_copy copy;

    if (c->is_expired && remove_expired(t, handle, c->hash)) {
        w->work += REMOVAL_WORK;
        return KS_NO_EXPIRY;
    }
    if (!may_expire(w, i) ||
        !item_peek(slab_ptr(t->slab, handle), w->now_ms, &copy))
        return KS_NO_EXPIRY;
    if (w->fields && item_kind(copy.view.header) == ITEM_HASH)
        earliest = sweep_hash(t, w, handle, &copy.view);
    if (copy.view.expire_ms == KS_NO_EXPIRY)
        return earliest;
    if (item_expired(&copy.view, w->now_ms) &&
        remove_chunk(t, handle, REMOVE_IF_EXPIRED)) {
        w->work += REMOVAL_WORK;
        return earliest;
    }
    return MIN(earliest, copy.view.expire_ms);
}

/* When to walk a page again. Soon, if an item could not be taken out. */
static uint64_t
next_walk(uint64_t earliest, uint64_t now_ms)
{
    return earliest <= now_ms ? now_ms : MAX(earliest, now_ms + REST_MS);
}

/* Go on with a page of the sweep for `left` of work: remove the expired items.
 * When it is done the others' earliest deadline is noted anew. False if it is
 * not. What comes to the page meanwhile notes its own deadline. */
static bool
sweep_page(struct ks_thread *t, uint32_t page, int64_t *left)
{
    struct sweep *s = &t->sweep;
    struct page_walk w = {.now_ms = clock_wall_ms(),
        .fields = atomic_load_explicit(
            &t->ks->field_deadlines, memory_order_relaxed)};
    uint64_t earliest = s->at > 0 ? s->earliest : KS_NO_EXPIRY;
    uint32_t i = s->at;

    s->at = 0;
    if (!slab_page_run(t->slab, page, &w.run))
        return true;
    for (; i < w.run.n; i++) {
        if (w.work >= *left) {
            s->at = i;
            s->earliest = earliest;
            *left = 0;
            return false;
        }
        w.work++;
        look_from(t, &w, i);
        earliest = MIN(earliest, sweep_chunk(t, &w, i));
    }
    *left -= w.work;
    if (earliest != KS_NO_EXPIRY)
        due_note(t, w.run.handle, next_walk(earliest, w.now_ms));
    return true;
}

/* Take the deadlines of the next pages that are due, several for one barrier,
 * which all threads have to pass. */
static void
take_due_pages(struct ks_thread *t, uint32_t limit, uint32_t *records)
{
    struct sweep *s = &t->sweep;
    uint32_t now = due_now(t->ks);

    s->n = s->done = 0;
    for (; *records > 0 && s->next < limit && s->n < SWEEP_PAGES;
         s->next++, --*records) {
        uint32_t due = slab_due_get(t->slab, s->next);

        if (due > now)
            continue;
        if (now - due >= LATE_DUE)
            s->late = true;
        (void)slab_due_take(t->slab, s->next); /* first: none gets lost */
        s->page[s->n++] = s->next;
    }
    if (s->n > 0)
        slab_due_settle(t->slab);
}

void
ks_hold_expired(struct ks *ks, enum ks_hold hold, bool begin)
{
    if (begin)
        atomic_fetch_or_explicit(&ks->expired_held, (uint32_t)hold,
            memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&ks->expired_held, ~(uint32_t)hold,
            memory_order_relaxed);
}

bool
expire_sweep(struct ks_thread *t, bool gently)
{
    struct sweep *s = &t->sweep;
    uint32_t limit = slab_page_limit(t->slab);
    uint32_t records = gently ? GENTLE_RECORDS : SWEEP_RECORDS;
    int64_t work = !gently ? SWEEP_WORK : s->late ? LATE_WORK : GENTLE_WORK;

    if (atomic_load_explicit(&t->ks->expired_held, memory_order_relaxed) != 0)
        return false;
    for (;;) {
        for (; s->done < s->n; s->done++)
            if (work <= 0 || !sweep_page(t, s->page[s->done], &work))
                return true;
        if (s->next >= limit) {
            s->next = 0;
            s->late = false;
            return false;
        }
        if (records == 0)
            return true;
        take_due_pages(t, limit, &records);
    }
}

/* ---- stamps ------------------------------------------------------------------- */

static void
clamp_page(struct ks_thread *t, uint32_t page, uint16_t now)
{
    struct slab_run run;
    struct slab_mark m;

    if (!slab_page_run(t->slab, page, &run))
        return;
    m = slab_mark(t->slab, run.handle);
    if (!slab_mark_hold(t->slab_thread, &m))
        return;
    /* the page may have changed its class since: then the run is not its */
    for (uint32_t i = 0; m.cls == run.cls && i < run.n; i++) {
        uint16_t was = atomic_load_explicit(&m.stamp[i], memory_order_relaxed);

        if ((uint16_t)(now - was) > STAMP_OLD)
            atomic_compare_exchange_strong_explicit(&m.stamp[i], &was,
                (uint16_t)(now - STAMP_OLD), memory_order_relaxed,
                memory_order_relaxed);
    }
    slab_mark_drop(t->slab_thread);
}

/* As many pages as keep one pass within AGE_PASS_TICKS. */
static bool
clamp_stamps(struct ks_thread *t)
{
    uint32_t now = atomic_load_explicit(&t->ks->tick, memory_order_relaxed);
    uint32_t limit = slab_page_limit(t->slab);
    uint64_t due = (uint64_t)limit * (now - t->age_tick) / AGE_PASS_TICKS;
    uint32_t n = (uint32_t)MIN(due, 64);

    if (n == 0)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (t->age_page >= limit)
            t->age_page = 0;
        clamp_page(t, t->age_page++, (uint16_t)now);
    }
    if (due > n) {
        t->age_tick += (uint32_t)((uint64_t)n * AGE_PASS_TICKS / limit);
        return true;
    }
    t->age_tick = now;
    return false;
}

/* ---- room ---------------------------------------------------------------------- */

/* One percent of the limit, at most 8 MiB: what workers may commit before they
 * have to evict themselves. */
static size_t
reserve_bytes(const struct ks_thread *t)
{
    return MIN(slab_limit(t->slab) / 100, 8 * MIB);
}

static bool
short_of_room(const struct ks_thread *t)
{
    return slab_headroom(t->slab) <
        MAX(reserve_bytes(t), 1) + t->ks->ghosts.lack_bytes;
}

/* Evict and drain until the reserve is there. True while it is not. */
static bool
restore_reserve(struct ks_thread *t)
{
    for (unsigned i = 0; i < ROOM_EVICTIONS && short_of_room(t); i++) {
        if (drain_far_above(t, DRAIN_WHOLE))
            continue;
        if (!evict_one(t, SLAB_MAX_CLASSES) && i > ROOM_EVICTIONS / 2)
            return false; /* nothing that may go: no use in turning round */
        drain_any(t, DRAIN_WHOLE, i);
    }
    return short_of_room(t);
}

/* Takes all locks when there is something to look at: not too often. */
static void
drop_unused_namespaces(struct ks_thread *t)
{
    uint64_t now_us = clock_mono_us();

    if (now_us < t->drop_at_us)
        return;
    t->drop_at_us = now_us + DROP_PERIOD_US;
    ns_drop_unused(t);
}

void
ks_set_gentle(struct ks_thread *t, bool gentle)
{
    t->gentle = gentle;
}

/* What is dead goes before the living. Gently: one of the two. */
static bool
free_dead(struct ks_thread *t, bool gently)
{
    bool more = reclaim_step(t, gently);

    if (!(more && gently))
        more |= expire_sweep(t, gently);
    return more;
}

enum ks_more
ks_maintain(struct ks_thread *t)
{
    bool gently = t->gentle && !short_of_room(t);
    bool more;

    CHECK(t, KS_THREAD_MAGIC);
    tick_idle(t->ks);
    more = free_dead(t, gently);
    if (more && gently && ++t->gentle_calls % GENTLE_CALLS != 0)
        return t->sweep.late ? KS_MORE_NOW : KS_MORE_SOON;
    more |= hash_shapes_maintain(t);
    drop_unused_namespaces(t);
    more |= clamp_stamps(t);
    more |= restore_reserve(t);
    more |= ghosts_fit(t); /* into the room that there is now */
    more |= index_save(&t->ks->index, INDEX_SAVE_BYTES);
    more |= drain_pending(t);
    more |= index_populate(&t->ks->index);
    more |= slab_populate(t->slab);
    slab_thread_poll(t->slab_thread);
    (void)slab_trim(t->slab, reserve_bytes(t), WARM_EXTENT_MS);
    if (!more)
        return KS_NO_MORE;
    return gently && !t->sweep.late ? KS_MORE_SOON : KS_MORE_NOW;
}
