/* SPDX-License-Identifier: BSD-3-Clause */
/* evict.c - what goes when memory is full: hit density per byte, sampled.
 *
 * After LHD (Beckmann, Chen, Cidon: "LHD: improving cache hit rate by
 * maximizing hit density", NSDI 2018). Each item has three bytes in its page's
 * header: a 16-bit stamp of its last access in coarse time, and a state (how
 * it was reused so far). Per size octave and reuse state, histograms count at
 * what age items were hit and at what age they were evicted. From these the
 * hit density of each (octave, state, age) is computed: the hits to come per
 * unit of space and time. An eviction looks at a run of neighbouring marks of
 * a random page, each byte of memory equally likely, and at one of the class
 * that needs room, and takes the item with the least density per byte.
 *
 * Coarse time counts accesses: 256 ticks pass while as many accesses are made
 * as there are items. So 16 bits last for 256 accesses per item; the sweep
 * (expire.c) keeps older stamps from wrapping. Popular items are the oldest of
 * all: with 2048 ticks they were taken for younger ones, which cost up to 16 %
 * more misses (bench/hit_ratio); between 32 and 512 ticks it is all the same.
 *
 * Every thread counts into its own histogram; whoever completes 16384 accesses
 * merges them and computes the ranks. Races on marks cost accuracy, never
 * correctness: an eviction verifies its victim under the partition lock, and
 * who writes a mark without that lock holds its page (slab_mark_hold).
 */
#include "keyspace/internal.h"

#include <math.h>
#include <sched.h>

#define TICKS_PER_ITEM_COUNT 256
#define RANK_PERIOD 16384 /* accesses; 65536 costs hits when traffic shifts */
#define DECAY 0.9f
#define SAMPLE 16
#define NEEDED_CLASS_BONUS 0.9f
#define MAX_TRIES 1000
#define MAX_CHOICES 4
/* ticks: half as many accesses as items, four times as many */
#define REUSED_LATE (TICKS_PER_ITEM_COUNT / 2)
#define REUSED_VERY_LATE (TICKS_PER_ITEM_COUNT * 4)
#define OFTEN 3               /* hits */
#define IDLE_MAX_TICKS 4096   /* after a jump of the clock */

/* ---- coarse time ---------------------------------------------------------------- */

/* Ticks and the wall seconds at which the first and the last of them began. */
struct stretch {
    uint32_t begin, end;
    uint32_t begin_s, end_s;
};

static uint32_t
now_tick(const struct ks *ks)
{
    return atomic_load_explicit(&ks->tick, memory_order_relaxed);
}

/* Let `n` ticks pass and note when each 8th began. */
static void
tick_advance(struct ks *ks, uint32_t n)
{
    uint32_t was = atomic_fetch_add_explicit(&ks->tick, n,
        memory_order_relaxed);
    uint32_t wall_s = (uint32_t)(clock_wall_ms() / 1000);
    uint32_t first = was / TICKS_NOTED + 1, last = (was + n) / TICKS_NOTED;

    if (last - first >= TICK_RING && last >= first)
        first = last - TICK_RING + 1;
    for (uint32_t i = first; i <= last; i++)
        atomic_store_explicit(&ks->tick_wall_s[i % TICK_RING], wall_s,
            memory_order_relaxed);
}

static void
flush_accesses(struct ks_thread *t)
{
    struct ks *ks = t->ks;
    uint32_t n = t->accesses;
    uint32_t len = atomic_load_explicit(&ks->tick_len, memory_order_relaxed);
    uint64_t part = atomic_fetch_add_explicit(&ks->tick_part, n,
        memory_order_relaxed) + n;

    t->accesses = 0;
    t->access_batch = MIN(len, 64);
    if (part >= len && atomic_compare_exchange_strong_explicit(&ks->tick_part,
            &part, part % len, memory_order_relaxed, memory_order_relaxed))
        tick_advance(ks, (uint32_t)(part / len));
    if (atomic_fetch_add_explicit(&ks->until_rank, n, memory_order_relaxed) +
            n < RANK_PERIOD)
        return;
    if (atomic_exchange_explicit(&ks->rank_lock, 1, memory_order_acquire) != 0)
        return;
    atomic_store_explicit(&ks->until_rank, 0, memory_order_relaxed);
    rank_update(ks);
    atomic_store_explicit(&ks->rank_lock, 0, memory_order_release);
}

void
tick_access(struct ks_thread *t)
{
    if (++t->accesses >= t->access_batch)
        flush_accesses(t);
}

void
tick_idle(struct ks *ks)
{
    uint32_t tick = now_tick(ks), now_s = (uint32_t)(clock_wall_ms() / 1000);
    uint32_t n;

    if (tick != ks->seen_tick || now_s <= ks->seen_s) {
        if (tick != ks->seen_tick || now_s < ks->seen_s)
            ks->seen_s = now_s;
        if (tick != ks->seen_tick)
            ks->idle = false;
        ks->seen_tick = tick;
        return;
    }
    if (!ks->idle)
        atomic_store_explicit(&ks->idle_began,
            (uint64_t)tick << 32 | ks->seen_s, memory_order_relaxed);
    n = MIN(now_s - ks->seen_s, IDLE_MAX_TICKS);
    tick_advance(ks, n);
    ks->seen_tick = tick + n;
    ks->seen_s = now_s;
    ks->idle = true;
}

/* Narrow a stretch of ticks in which accesses came evenly: when idleness began
 * is known, and `then` was before or after it. */
static void
split_at_idle(const struct ks *ks, uint32_t then, struct stretch *s)
{
    uint64_t idle = atomic_load_explicit(&ks->idle_began,
        memory_order_relaxed);
    uint32_t tick = (uint32_t)(idle >> 32), wall_s = (uint32_t)idle;

    if (tick - s->begin >= s->end - s->begin || wall_s < s->begin_s ||
        wall_s > s->end_s)
        return;
    if (then - s->begin <= tick - s->begin) {
        s->end = tick;
        s->end_s = wall_s;
    } else {
        s->begin = tick;
        s->begin_s = wall_s;
    }
}

uint32_t
tick_idle_seconds(const struct ks *ks, uint16_t stamp)
{
    uint32_t now_s = (uint32_t)(clock_wall_ms() / 1000);
    uint32_t now = now_tick(ks);
    uint32_t then = now - (uint16_t)(now - stamp);
    struct stretch s = {.begin = then / TICKS_NOTED * TICKS_NOTED,
        .end = now, .end_s = now_s};
    uint32_t then_s;

    s.begin_s = atomic_load_explicit(
        &ks->tick_wall_s[then / TICKS_NOTED % TICK_RING], memory_order_relaxed);
    if (then / TICKS_NOTED != now / TICKS_NOTED) {
        s.end = s.begin + TICKS_NOTED;
        s.end_s = atomic_load_explicit(
            &ks->tick_wall_s[(then / TICKS_NOTED + 1) % TICK_RING],
            memory_order_relaxed);
    }
    split_at_idle(ks, then, &s);
    then_s = s.begin_s;
    if (s.begin == s.end)
        then_s = s.end_s;
    else if (s.end_s > s.begin_s)
        then_s += (uint32_t)((uint64_t)(s.end_s - s.begin_s) *
            (then - s.begin) / (s.end - s.begin));
    return now_s > then_s ? now_s - then_s : 0;
}

/* ---- ranks ------------------------------------------------------------------------ */

static inline unsigned
age_bucket(uint32_t age)
{
    unsigned log;

    if (age < 8)
        return age;
    log = 31 - (unsigned)__builtin_clz(age);
    return 8 + (log - 3) * 4 + ((age >> (log - 2)) & 3);
}

/* The age in the middle of a bucket. */
static float
bucket_age(unsigned bucket)
{
    if (bucket < 8)
        return (float)bucket + 1;
    return ldexpf(1 + ((float)((bucket - 8) % 4) + 0.5f) / 4,
        (int)(3 + (bucket - 8) / 4));
}

static inline unsigned
octave(size_t bytes)
{
    int log = 63 - __builtin_clzll(bytes | 1) - 5;

    return log < 0 ? 0 : (unsigned)MIN(log, OCTAVES - 1);
}

static inline unsigned
rank_class(size_t bytes, uint8_t state)
{
    return octave(bytes) * 8 + (state & MARK_REUSE);
}

static inline uint32_t
float_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, 4);
    return u;
}

static inline float
density(const struct ks *ks, unsigned cls, unsigned bucket)
{
    uint32_t u = atomic_load_explicit(&ks->ranks.density[cls][bucket],
        memory_order_relaxed);
    float f;

    memcpy(&f, &u, 4);
    return f;
}

static void
merge(_Atomic uint32_t *from, float *to)
{
    for (unsigned b = 0; b < AGE_BUCKETS; b++) {
        uint32_t n = atomic_load_explicit(&from[b], memory_order_relaxed);

        if (n == 0)
            continue;
        /* an increment of the owner's between these two is lost: harmless */
        atomic_store_explicit(&from[b], 0, memory_order_relaxed);
        to[b] += (float)n;
    }
}

/* Density at an age: hits at this age or later, over the time that items of
 * this age go on to occupy space (the sum of remaining lifetimes). The tenth
 * of the age added keeps the last buckets finite. */
static void
rank_class_update(struct rank_table *r, unsigned cls)
{
    float hits = 0, ends = 0, lifetime = 0, later_age = 0;

    for (unsigned b = AGE_BUCKETS; b-- > 0;) {
        float age = bucket_age(b);
        float h = r->hits[cls][b], e = r->evictions[cls][b], d;

        if (b < AGE_BUCKETS - 1)
            lifetime += (hits + ends) * (later_age - age);
        later_age = age;
        hits += h;
        ends += e;
        lifetime += (h + e) * age * 0.1f;
        if (lifetime <= 0)
            d = 1e-3f / (age + 1); /* nothing known */
        else if (hits <= 0)
            d = 1e-9f / (age + 1);
        else
            d = hits / lifetime;
        atomic_store_explicit(&r->density[cls][b], float_bits(d),
            memory_order_relaxed);
        r->hits[cls][b] = h * DECAY;
        r->evictions[cls][b] = e * DECAY;
    }
}

static void
tick_length_update(struct ks *ks)
{
    uint64_t items = 0;

    for (unsigned i = 0; i < N_PARTITIONS; i++)
        items += atomic_load_explicit(&ks->index.partition[i].n_items,
            memory_order_relaxed);
    atomic_store_explicit(&ks->tick_len,
        (uint32_t)MAX(items / TICKS_PER_ITEM_COUNT, 1), memory_order_relaxed);
}

/* Under the rank lock. */
void
rank_update(struct ks *ks)
{
    while (atomic_exchange_explicit(&ks->threads_lock, 1,
               memory_order_acquire) != 0)
        cpu_relax();
    for (struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        for (unsigned c = 0; c < RANK_CLASSES; c++) {
            merge(t->histogram.hits[c], ks->ranks.hits[c]);
            merge(t->histogram.evictions[c], ks->ranks.evictions[c]);
        }
    atomic_store_explicit(&ks->threads_lock, 0, memory_order_release);
    for (unsigned c = 0; c < RANK_CLASSES; c++)
        rank_class_update(&ks->ranks, c);
    tick_length_update(ks);
}

void
evict_init(struct ks *ks)
{
    uint32_t wall_s = (uint32_t)(clock_wall_ms() / 1000);

    atomic_store(&ks->tick_len, 1);
    ks->seen_s = wall_s;
    /* as if one had passed each second before, for items restored with an idle
     * time */
    atomic_store(&ks->tick_wall_s[0], wall_s);
    for (unsigned i = 1; i < TICK_RING; i++)
        atomic_store(&ks->tick_wall_s[i],
            wall_s - (TICK_RING - i) * TICKS_NOTED);
    for (unsigned c = 0; c < RANK_CLASSES; c++)
        for (unsigned b = 0; b < AGE_BUCKETS; b++)
            atomic_store(&ks->ranks.density[c][b],
                float_bits(1 / bucket_age(b)));
}

/* ---- marks -------------------------------------------------------------------------- */

static inline void
count_event(_Atomic uint32_t *counter)
{
    atomic_store_explicit(counter,
        atomic_load_explicit(counter, memory_order_relaxed) + 1,
        memory_order_relaxed);
}

/* By this size a hit counts, as an eviction does: a difference would put the
 * hits of items near the end of an octave into another one. */
static inline size_t
judged_bytes(const struct ks_thread *t, uint32_t chunk_bytes, uint32_t extent)
{
    return extent != 0 ? extent_committed(t->slab, extent) : chunk_bytes;
}

/* Count a hit at `age` and return the state after it. */
static uint8_t
reuse(struct ks_thread *t, uint8_t state, uint16_t age, size_t bytes)
{
    unsigned count = (state >> MARK_COUNT_SHIFT) & 7;
    unsigned next = 1;

    count_event(&t->histogram.hits[rank_class(bytes, state)][age_bucket(age)]);
    count += count < 7;
    if (count > OFTEN)
        next += 3;
    next += age > REUSED_LATE ? 1 : 0;
    next += age > REUSED_VERY_LATE ? 1 : 0;
    return (uint8_t)((state & (MARK_EXPIRES | MARK_EXTENT)) |
        count << MARK_COUNT_SHIFT | next);
}

void
mark_hit(struct ks_thread *t, uint32_t handle, uint32_t extent)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint8_t state = atomic_load_explicit(m.state, memory_order_relaxed);
    uint16_t stamp = atomic_load_explicit(m.stamp, memory_order_relaxed);
    uint16_t now = (uint16_t)now_tick(t->ks);
    uint8_t next;

    if (state == SLAB_MARK_FREE)
        return;
    next = reuse(t, state, (uint16_t)(now - stamp),
        judged_bytes(t, m.chunk_bytes, extent));
    if (stamp == now && state == next)
        return;
    /* The item may be gone by now, and its page serve another class, where
     * other things stand in the place of its mark. */
    if (!slab_mark_hold(t->slab_thread, &m))
        return;
    /* compare: the chunk may have been freed since the state was read */
    if (atomic_compare_exchange_strong_explicit(m.state, &state, next,
            memory_order_relaxed, memory_order_relaxed))
        atomic_store_explicit(m.stamp, now, memory_order_relaxed);
    slab_mark_drop(t->slab_thread);
}

void
mark_new(struct ks_thread *t, uint32_t handle, uint32_t old,
    const struct fresh *fresh)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint16_t now = (uint16_t)now_tick(t->ks);
    uint8_t state = 0;

    if (old != 0) {
        struct slab_mark was = slab_mark(t->slab, old);

        state = atomic_load_explicit(was.state, memory_order_relaxed);
        if (state == SLAB_MARK_FREE)
            state = 0;
        state = reuse(t, state, (uint16_t)(now - atomic_load_explicit(
            was.stamp, memory_order_relaxed)), (state & MARK_EXTENT)
                ? fresh->bytes : was.chunk_bytes);
    }
    state &= (uint8_t)~(MARK_EXPIRES | MARK_EXTENT);
    if (fresh->expire_ms != KS_NO_EXPIRY)
        state |= MARK_EXPIRES;
    if (fresh->extent != 0)
        state |= MARK_EXTENT;
    atomic_store_explicit(m.stamp, now, memory_order_relaxed);
    atomic_store_explicit(m.state, state, memory_order_relaxed);
}

void
mark_expires(struct ks_thread *t, uint32_t handle, bool expires)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    uint8_t state = atomic_load_explicit(m.state, memory_order_relaxed);

    if (state == SLAB_MARK_FREE)
        return;
    state = (uint8_t)(expires ? state | MARK_EXPIRES : state & ~MARK_EXPIRES);
    atomic_store_explicit(m.state, state, memory_order_relaxed);
}

void
mark_move(struct ks_thread *t, uint32_t from, uint32_t to)
{
    struct slab_mark a = slab_mark(t->slab, from);
    struct slab_mark b = slab_mark(t->slab, to);

    atomic_store_explicit(b.stamp,
        atomic_load_explicit(a.stamp, memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(b.state,
        atomic_load_explicit(a.state, memory_order_relaxed),
        memory_order_relaxed);
}

/* The stamp of an access that long ago, or the oldest there is. Times grow with
 * ages. */
static uint16_t
stamp_of_idle(const struct ks *ks, uint32_t idle_s)
{
    uint16_t now = (uint16_t)now_tick(ks);
    uint32_t lo = 0, hi = STAMP_OLD;

    while (lo < hi) {
        uint32_t age = (lo + hi) / 2;

        if (tick_idle_seconds(ks, (uint16_t)(now - age)) < idle_s)
            lo = age + 1;
        else
            hi = age;
    }
    return (uint16_t)(now - lo);
}

static uint8_t
state_of_frequency(uint8_t state, unsigned frequency)
{
    unsigned count = MIN(frequency, 7);
    unsigned reuse_state = count == 0 ? 0 : count <= OFTEN ? 1 : 4;

    return (uint8_t)((state & (MARK_EXPIRES | MARK_EXTENT)) |
        count << MARK_COUNT_SHIFT | reuse_state);
}

enum ks_status
ks_set_history(struct ks_thread *t, const struct ks_key *wanted,
    const struct ks_history *h)
{
    struct ks_key key = *wanted;
    unsigned p = ks_enter_key(t, &key);
    struct index_place place;
    uint32_t handle = index_find(&t->ks->index, &key, &place);

    if (handle != 0) {
        struct slab_mark m = slab_mark(t->slab, handle);
        uint8_t state = atomic_load_explicit(m.state, memory_order_relaxed);

        if (h->frequency >= 0)
            atomic_store_explicit(m.state,
                state_of_frequency(state, (unsigned)h->frequency),
                memory_order_relaxed);
        if (h->idle_s >= 0)
            atomic_store_explicit(m.stamp,
                stamp_of_idle(t->ks, (uint32_t)MIN(h->idle_s, INT32_MAX)),
                memory_order_relaxed);
    }
    ks_leave(t, p);
    return handle != 0 ? KS_OK : KS_MISS;
}

/* ---- the victim ------------------------------------------------------------------------ */

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

enum { WEIGHT_COUNT, WEIGHT_SQRT, WEIGHT_BYTES };

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

static void
judge_item(struct judge *j, uint32_t handle, uint8_t state, uint16_t stamp,
    size_t bytes, float factor)
{
    struct victim v = {.handle = handle, .cls = rank_class(bytes, state),
        .bucket = age_bucket((uint16_t)(j->now - stamp)), .stamp = stamp,
        .state = state, .chunk_class = j->chunk_class};

    if (!(state & MARK_EXPIRES)) {
        if (only_volatile(j->policy))
            return;
    } else if (item_peek_expired(slab_ptr(j->t->slab, handle), j->now_ms)) {
        v.score = -1;
        j->best = v;
        return;
    }
    if (j->policy == KS_ALLKEYS_RANDOM || j->policy == KS_VOLATILE_RANDOM)
        v.score = (float)(next_random(j->t) >> 40);
    else
        v.score = density(j->t->ks, v.cls, v.bucket) * factor /
            weight_of(j, bytes);
    if (j->best.handle == 0 || v.score < j->best.score)
        j->best = v;
}

static void
judge_run(struct judge *j, const struct slab_run *run, float factor)
{
    j->chunk_class = run->cls;
    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t state = slab_run_state(run, i);

        if (state == SLAB_MARK_FREE || (state & MARK_EXTENT))
            continue;
        judge_item(j, run->handle + i * run->step, state,
            slab_run_stamp(run, i), run->chunk_bytes, factor);
    }
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
        judge_item(j, handle, state,
            atomic_load_explicit(m.stamp, memory_order_relaxed),
            extent_committed(slab, ids[i]), 1);
    }
}

/* The items of such a page may have much more than the page. */
static bool
has_extents(const struct slab_run *run)
{
    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t state = slab_run_state(run, i);

        if (state != SLAB_MARK_FREE && (state & MARK_EXTENT))
            return true;
    }
    return false;
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
                       age_bucket(age)) / weight_of(j, run->chunk_bytes);
    }
    return sum / (float)run->n;
}

/* A free chunk whose mark says otherwise (a hit raced with the free) would be
 * chosen again and again: correct it, unless the chunk is an item by now. */
static void
correct_mark(struct ks_thread *t, uint32_t handle)
{
    struct slab_mark m = slab_mark(t->slab, handle);
    struct item_copy copy;
    uint8_t state;

    if (!slab_mark_hold(t->slab_thread, &m))
        return;
    state = atomic_load_explicit(m.state, memory_order_relaxed);
    if (!item_peek(slab_ptr(t->slab, handle), 0, &copy))
        atomic_compare_exchange_strong_explicit(m.state, &state,
            SLAB_MARK_FREE, memory_order_relaxed, memory_order_relaxed);
    slab_mark_drop(t->slab_thread);
}

static enum ks_policy
policy_of(const struct ks_thread *t)
{
    return (enum ks_policy)__atomic_load_n(&t->ks->options->maxmemory_policy,
        __ATOMIC_RELAXED);
}

bool
evict_takes_any(const struct ks_thread *t)
{
    enum ks_policy p = policy_of(t);

    return p != KS_NOEVICTION && !only_volatile(p);
}

static struct judge
judge_now(struct ks_thread *t)
{
    return (struct judge){.t = t, .now = (uint16_t)now_tick(t->ks),
        .now_ms = clock_wall_ms(), .policy = policy_of(t),
        .weight = __atomic_load_n(&t->ks->options->eviction_weight,
            __ATOMIC_RELAXED)};
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

        if (!slab_sample(t->slab, next_random(t), SAMPLE, &run) ||
            has_extents(&run))
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
    if (!(is_class ? slab_sample_class(t->slab, cls, next_random(t), SAMPLE,
              ahead) : slab_sample(t->slab, next_random(t), SAMPLE, ahead))) {
        ahead->n = 0;
        return found;
    }
    __builtin_prefetch((const void *)ahead->stamp);
    __builtin_prefetch((const void *)ahead->state);
    return found;
}

static bool
is_unchanged(const struct ks_thread *t, const struct victim *v)
{
    struct slab_mark m = slab_mark(t->slab, v->handle);

    return atomic_load_explicit(m.state, memory_order_relaxed) == v->state &&
        atomic_load_explicit(m.stamp, memory_order_relaxed) == v->stamp;
}

/* Ask for the index line of the victim whose item has come. */
static void
prefetch_victim_line(struct ks_thread *t, const struct victim *v)
{
    struct item_copy copy;
    uint64_t hash;

    if (item_peek(slab_ptr(t->slab, v->handle), clock_wall_ms(), &copy) &&
        index_hash_item(&t->ks->index, &copy.view, &hash))
        index_prefetch_line(&t->ks->index, hash);
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
    if (large > 0 && next_random(t) % (used + 1) < large)
        judge_extents(&j);
    else if (next_run(t, &t->ahead.any, SLAB_MAX_CLASSES, &run))
        judge_run(&j, &run, 1);
    if (cls < SLAB_MAX_CLASSES && next_run(t, &t->ahead.of_class, cls, &run))
        judge_run(&j, &run, NEEDED_CLASS_BONUS);
    return j.best;
}

static bool
evict_victim(struct ks_thread *t, const struct victim *v)
{
    if (!remove_chunk(t, v->handle, REMOVE_EVICT)) {
        correct_mark(t, v->handle);
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

/* ---- room ---------------------------------------------------------------------------------- */

/* Without any item more than the limit would be in use. */
static bool
is_beyond_eviction(const struct ks_thread *t)
{
    size_t limit = slab_limit(t->slab);

    return unlikely(slab_used(t->slab) >= limit) &&
        slab_least_limit(t->slab) > limit;
}

/* With noeviction the last bit of memory is kept for what is no new value: an
 * EXPIRE that needs a larger chunk must not fail. */
static bool
must_refuse(const struct ks_thread *t, enum room room)
{
    if (room != ROOM_FOR_VALUES)
        return false;
    if (policy_of(t) == KS_NOEVICTION)
        return slab_headroom(t->slab) <= MIN(MIB, slab_limit(t->slab) / 32);
    return is_beyond_eviction(t);
}

bool
ks_refuses_values(const struct ks_thread *t)
{
    return must_refuse(t, ROOM_FOR_VALUES);
}

/* A chunk where there was none free. */
static uint32_t
evict_for(struct ks_thread *t, size_t bytes)
{
    uint32_t handle = 0;
    unsigned cls;

    while (handle == 0 && reclaim_help(t)) /* first what is dead */
        handle = slab_alloc(t->slab_thread, bytes);
    if (handle != 0)
        return handle;
    cls = slab_class_of(t->slab, bytes);
    (void)drain_far_above(t);
    for (unsigned i = 0, failures = 0; failures < MAX_TRIES; i++) {
        if (!evict_one(t, cls))
            failures++;
        handle = slab_alloc(t->slab_thread, bytes);
        if (handle != 0)
            return handle;
        drain_any(t, i);
        handle = slab_alloc(t->slab_thread, bytes);
        if (handle != 0)
            return handle;
    }
    METRIC_INC(&t->metrics, eviction_failures);
    return 0;
}

uint32_t
evict_alloc(struct ks_thread *t, size_t bytes, enum room room)
{
    uint32_t handle;
    uint64_t begun;

    while (unlikely(must_refuse(t, room))) {
        if (reclaim_help(t))
            continue;
        METRIC_INC(&t->metrics, eviction_failures);
        return 0;
    }
    handle = slab_alloc(t->slab_thread, bytes);
    if (likely(handle != 0))
        return handle;
    begun = step_begin();
    handle = evict_for(t, bytes);
    step_end(STEP_EVICT, begun);
    return handle;
}

/* More than could be had if every item went. */
static bool
is_hopeless(const struct ks_thread *t, size_t bytes)
{
    return bytes + slab_least_limit(t->slab) > slab_limit(t->slab);
}

bool
ks_make_room(struct ks_thread *t, size_t bytes)
{
    if (is_hopeless(t, bytes))
        return false;
    while (slab_headroom(t->slab) < bytes && reclaim_help(t))
        ; /* first what is dead */
    for (unsigned i = 0, failures = 0; failures < MAX_TRIES; i++) {
        if (slab_headroom(t->slab) >= bytes)
            return true;
        if (evict_one(t, SLAB_MAX_CLASSES))
            failures = 0;
        else
            failures++;
        drain_any(t, i);
    }
    METRIC_INC(&t->metrics, eviction_failures);
    return false;
}

bool
ks_commit_extent(struct ks_thread *t, uint32_t extent, size_t bytes)
{
    size_t room = extent_room(t->slab, extent);
    size_t unit = room < 2 * MIB ? 4 * KIB : 2 * MIB; /* of commitment */
    size_t upto = MIN(ROUND_UP(bytes, unit), room);

    for (unsigned i = 0; i < MAX_TRIES; i++) {
        if (extent_commit(t->slab, extent, bytes))
            return true;
        if (!ks_make_room(t, upto - extent_committed(t->slab, extent)))
            return false;
        if (i == 0)
            continue;
        /* the room there is is on its way back from another thread, or that
         * thread was quicker: make more */
        (void)evict_one(t, SLAB_MAX_CLASSES);
        sched_yield();
    }
    return false;
}
