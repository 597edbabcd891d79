/* SPDX-License-Identifier: BSD-3-Clause */
/* evict.c - what goes when memory is full: the sampled item of least hit
 * density per byte, of any class.
 *
 * An eviction looks at runs of neighbouring marks (mark.c) of two random pages,
 * each byte of memory equally likely, and at one of the class that needs room,
 * and takes the item whose rank (rank.c) is the least for its size. Two short
 * runs show worse ones than a long one, whose items are all of one size. It
 * verifies its victim under the partition lock. Any thread, also under
 * partition locks: further ones are only tried.
 */
#include "keyspace/density.h"

#include <math.h>

#define SAMPLE 8       /* of a run */
#define PAGE_SAMPLE 16 /* when a whole page is judged */
#define NEEDED_CLASS_BONUS 0.9f
#define MAX_CHOICES 4

/* What a sample is judged by; read once per eviction. */
struct judge {
    struct ks_thread *t;
    enum ks_policy policy;
    int64_t weight;
    uint16_t now;
    uint64_t now_ms;
    unsigned chunk_class; /* of what is being judged */
    struct victim best;
};

enum {
    WEIGHT_COUNT,
    WEIGHT_SQRT,
    WEIGHT_BYTES
};

static float
weight_of(const struct judge *j, size_t bytes)
{
    if (j->weight == WEIGHT_COUNT)
        return 1;
    return j->weight == WEIGHT_SQRT ? sqrtf((float)bytes) : (float)bytes;
}

static bool
only_volatile(enum ks_policy p)
{
    return p == KS_VOLATILE_LRU || p == KS_VOLATILE_LFU ||
        p == KS_VOLATILE_RANDOM || p == KS_VOLATILE_TTL;
}

static bool
is_random(enum ks_policy p)
{
    return p == KS_ALLKEYS_RANDOM || p == KS_VOLATILE_RANDOM;
}

/* `bytes` is the size that its hits have been counted by, `gain` what goes with
 * it. */
static void
judge_item(struct judge *j, uint32_t handle, uint8_t state, uint16_t stamp,
    size_t bytes, size_t gain, float factor)
{
    struct victim v = {.handle = handle,
        .cls = rank_class(bytes, state),
        .bucket = age_bucket((uint16_t)(j->now - stamp)),
        .stamp = stamp,
        .state = state,
        .chunk_class = j->chunk_class};

    if (!(state & MARK_EXPIRES)) {
        if (only_volatile(j->policy))
            return;
    } else if (item_peek_expired(slab_ptr(j->t->slab, handle), j->now_ms)) {
        v.score = -1;
        j->best = v;
        return;
    }
    if (is_random(j->policy))
        v.score = (float)(next_random(j->t) >> 40);
    else
        v.score =
            density(j->t->ks, v.cls, v.bucket) * factor / weight_of(j, gain);
    if (j->best.handle == 0 || v.score < j->best.score)
        j->best = v;
}

_Static_assert(SLAB_MARK_FREE &MARK_EXTENT, "one test for both");

/* A random one of the items that may go; run->n for none. */
static uint32_t
random_of_run(struct judge *j, const struct slab_run *run)
{
    uint8_t need = only_volatile(j->policy) ? MARK_EXPIRES : 0;
    uint32_t first = (uint32_t)(next_random(j->t) >> 32) % run->n;

    for (uint32_t i = 0; i < run->n; i++) {
        uint32_t at = (first + i) % run->n;
        uint8_t state = slab_run_state(run, at);

        if (!(state & MARK_EXTENT) && (state & need) == need)
            return at;
    }
    return run->n;
}

/* The item of a run that is worth the least; run->n for none. They are all of
 * one size, so their densities are compared, which are not negative: as the
 * numbers that their bits are. Only on a page that is due the items are looked
 * at: one that has expired goes first. */
static uint32_t
least_of_run(struct judge *j, const struct slab_run *run)
{
    const unsigned cls = rank_class(run->chunk_bytes, 0);
    uint8_t need = only_volatile(j->policy) ? MARK_EXPIRES : 0;
    uint8_t suspect = due_has_passed(j->t, run->page) ? MARK_EXPIRES : 0;
    uint32_t least = UINT32_MAX, at = run->n;

    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t state = slab_run_state(run, i);
        uint16_t age = (uint16_t)(j->now - slab_run_stamp(run, i));
        uint32_t worth;

        if ((state & MARK_EXTENT) || (state & need) != need)
            continue;
        if (unlikely(state & suspect) &&
            item_peek_expired(
                slab_ptr(j->t->slab, run->handle + i * run->step), j->now_ms))
            return i;
        worth =
            density_bits(j->t->ks, cls + (state & MARK_REUSE), age_bucket(age));
        if (worth < least) {
            least = worth;
            at = i;
        }
    }
    return at;
}

static void
judge_run(struct judge *j, const struct slab_run *run, float factor)
{
    uint32_t i =
        is_random(j->policy) ? random_of_run(j, run) : least_of_run(j, run);
    uint8_t state;

    if (i == run->n)
        return;
    state = slab_run_state(run, i);
    if (state & MARK_EXTENT)
        return; /* free by now */
    j->chunk_class = run->cls;
    judge_item(j, run->handle + i * run->step, state, slab_run_stamp(run, i),
        run->chunk_bytes, run->chunk_bytes, factor);
}

/* Judge the item that an extent is of. That of a hash may be one of many. */
static void
judge_owner(struct judge *j, uint32_t handle, uint32_t extent, uint8_t state,
    uint16_t stamp)
{
    const struct slab *slab = j->t->slab;
    size_t bytes = extent_committed(slab, extent), gain = bytes;
    struct item_copy copy;

    if (item_peek(slab_ptr(slab, handle), j->now_ms, &copy) &&
        item_kind(copy.view.header) == ITEM_HASH && copy.view.extent != 0) {
        bytes = extent_committed(slab, copy.view.extent);
        gain = MAX(gain, copy.view.value_len);
    }
    judge_item(j, handle, state, stamp, bytes, gain, 1);
}

static void
judge_extents(struct judge *j)
{
    struct slab *slab = j->t->slab;
    uint32_t ids[SAMPLE];
    unsigned n = extent_sample(slab, next_random(j->t), SAMPLE, ids);

    j->chunk_class = SLAB_MAX_CLASSES; /* no run */
    for (unsigned i = 0; i < n; i++) {
        uint32_t handle = extent_owner(slab, ids[i]);
        struct slab_mark m;
        uint8_t state;

        if (handle == 0)
            continue;
        m = slab_mark(slab, handle);
        state = atomic_load_explicit(m.state, memory_order_relaxed);
        if (state == SLAB_MARK_FREE || !(state & MARK_EXTENT))
            continue;
        judge_owner(j, handle, ids[i], state,
            atomic_load_explicit(m.stamp, memory_order_relaxed));
    }
}

/* A run that shows what goes with its page: it has items, and none of them has
 * much more than its part of the page. */
static bool
shows_all(const struct slab_run *run)
{
    bool has_items = false;

    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t state = slab_run_state(run, i);

        if (state == SLAB_MARK_FREE)
            continue;
        if (state & MARK_EXTENT)
            return false;
        has_items = true;
    }
    return has_items;
}

/* What the items of a run are worth per chunk, the share of free ones
 * included. */
static float
run_score(const struct judge *j, const struct slab_run *run)
{
    float sum = 0;

    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t state = slab_run_state(run, i);
        uint16_t age = (uint16_t)(j->now - slab_run_stamp(run, i));

        if (state != SLAB_MARK_FREE)
            sum += density(j->t->ks, rank_class(run->chunk_bytes, state),
                       age_bucket(age)) /
                weight_of(j, run->chunk_bytes);
    }
    return sum / (float)run->n;
}

enum ks_policy
evict_policy(const struct ks_thread *t)
{
    return (enum ks_policy)__atomic_load_n(
        &t->ks->options->maxmemory_policy, __ATOMIC_RELAXED);
}

bool
evict_takes_any(const struct ks_thread *t)
{
    enum ks_policy p = evict_policy(t);

    return p != KS_NOEVICTION && !only_volatile(p);
}

static struct judge
judge_now(struct ks_thread *t)
{
    return (struct judge){.t = t,
        .now = (uint16_t)now_tick(t->ks),
        .now_ms = clock_wall_ms(),
        .policy = evict_policy(t),
        .weight = __atomic_load_n(
            &t->ks->options->eviction_weight, __ATOMIC_RELAXED)};
}

#define PAGES_TO_COMPARE 8

/* Items in extents go one by one, which is quick enough. */
uint32_t
evict_worst_page(struct ks_thread *t)
{
    struct judge j = judge_now(t);
    uint32_t worst = UINT32_MAX;
    struct slab_run run;
    float least = 0;

    for (unsigned i = 0; i < PAGES_TO_COMPARE; i++) {
        float score;

        if (!slab_sample(t->slab, next_random(t), PAGE_SAMPLE, &run) ||
            !shows_all(&run))
            continue;
        score = run_score(&j, &run);
        if (worst == UINT32_MAX || score < least) {
            worst = run.page;
            least = score;
        }
    }
    return worst;
}

/* A run that was asked for by the last call, or one of now; the next is asked
 * for. `cls` is SLAB_MAX_CLASSES for all. */
static bool
next_run(struct ks_thread *t, struct slab_run *ahead, unsigned cls,
    struct slab_run *run)
{
    bool is_class = cls < SLAB_MAX_CLASSES;
    bool found = true;

    *run = *ahead;
    if (run->n == 0 || (is_class && run->cls != cls))
        found = is_class
            ? slab_sample_class(t->slab, cls, next_random(t), SAMPLE, run)
            : slab_sample(t->slab, next_random(t), SAMPLE, run);
    if (!(is_class
                ? slab_sample_class(t->slab, cls, next_random(t), SAMPLE, ahead)
                : slab_sample(t->slab, next_random(t), SAMPLE, ahead))) {
        ahead->n = 0;
        return found;
    }
    __builtin_prefetch((const void *)ahead->stamp);
    __builtin_prefetch((const void *)ahead->state);
    return found;
}

/* The page may serve another class by now, as for slab_run_state(). */
static SLAB_LATE_READ bool
is_unchanged(const struct ks_thread *t, const struct victim *v)
{
    struct slab_mark m = slab_mark(t->slab, v->handle);

    return *(const volatile uint8_t *)(const void *)m.state == v->state &&
        *(const volatile uint16_t *)(const void *)m.stamp == v->stamp;
}

/* Ask for the index line of the victim whose item has come. */
static void
prefetch_victim_line(struct ks_thread *t, struct victim *v)
{
    struct item_copy copy;

    v->has_hash =
        item_peek(slab_ptr(t->slab, v->handle), clock_wall_ms(), &copy) &&
        index_hash_item(&t->ks->index, &copy.view, &v->hash);
    if (v->has_hash) {
        index_prefetch_line(&t->ks->index, v->hash);
        ghost_prefetch(&t->ks->ghosts, v->hash);
    }
}

/* Put the best of a comparison in the queue and take the victim that is to go
 * now; false while none is ready. What has expired, or is of the class that
 * needs room when no other is, goes past the queue. */
static bool
take_victim(struct ks_thread *t, const struct victim *best, unsigned cls,
    struct victim *out)
{
    struct evictions_ahead *a = &t->ahead;

    *out = *best;
    if (best->score < 0 || best->chunk_class == SLAB_MAX_CLASSES ||
        (a->ready.handle != 0 && a->ready.chunk_class != cls &&
            best->chunk_class == cls))
        return true;
    *out = a->ready;
    a->ready = a->chosen;
    a->chosen = *best;
    if (a->ready.handle != 0)
        prefetch_victim_line(t, &a->ready);
    __builtin_prefetch(slab_ptr(t->slab, best->handle));
    return out->handle != 0 && is_unchanged(t, out);
}

/* The best of one comparison; its handle is 0 if nothing may go. */
static struct victim
choose_victim(struct ks_thread *t, unsigned cls)
{
    struct judge j = judge_now(t);
    size_t large = extent_live_bytes(t->slab);
    size_t used = slab_used(t->slab);
    struct slab_run run;

    if (j.policy == KS_NOEVICTION)
        return j.best;
    for (unsigned i = 0; i < ARRAY_LEN(t->ahead.any); i++) {
        if (large > 0 && next_random(t) % (used + 1) < large)
            judge_extents(&j);
        else if (next_run(t, &t->ahead.any[i], SLAB_MAX_CLASSES, &run))
            judge_run(&j, &run, 1);
    }
    if (cls < SLAB_MAX_CLASSES && next_run(t, &t->ahead.of_class, cls, &run))
        judge_run(&j, &run, NEEDED_CLASS_BONUS);
    return j.best;
}

static bool
evict_victim(struct ks_thread *t, const struct victim *v)
{
    bool gone = v->has_hash ? remove_hashed(t, v->handle, v->hash, REMOVE_EVICT)
                            : remove_chunk(t, v->handle, REMOVE_EVICT);

    if (!gone) {
        mark_correct(t, v->handle);
        return false;
    }
    if (v->score >= 0)
        count_event(&t->histogram.evictions[v->cls][v->bucket]);
    return true;
}

bool
evict_one(struct ks_thread *t, unsigned cls)
{
    struct victim best, v;

    for (unsigned i = 0; i < MAX_CHOICES; i++) {
        best = choose_victim(t, cls);
        /* none: the page that was asked for may be empty by now */
        if (best.handle != 0 && take_victim(t, &best, cls, &v) &&
            evict_victim(t, &v))
            return true;
    }
    return best.handle != 0 && evict_victim(t, &best);
}

bool
evict_of_class(struct ks_thread *t, unsigned cls)
{
    struct judge j = judge_now(t);
    struct slab_run run;

    if (j.policy == KS_NOEVICTION)
        return false;
    for (unsigned i = 0; i < MAX_CHOICES && j.best.handle == 0; i++)
        if (next_run(t, &t->ahead.of_class, cls, &run))
            judge_run(&j, &run, 1);
    return j.best.handle != 0 && evict_victim(t, &j.best);
}
