/* SPDX-License-Identifier: BSD-3-Clause */
/* evict.c - what goes when memory is full: the sampled item of least hit
 * density per byte, of any class.
 *
 * For a victim, runs of neighbouring marks (mark.c) of random pages are looked
 * at, each byte of memory equally likely, and now and then one of the class that
 * needs room. The two items of each run whose rank (rank.c) is the least for
 * their size become candidates, which stay until they go or worse ones take
 * their place; the worst candidate goes. Two short runs show worse ones than a
 * long one, whose items are all of one size. Small items are chosen by the
 * eight, become ready, which is when what their removal looks at has been asked
 * for, and then go one by one or together. A victim is verified under the
 * partition lock. Any thread, also under partition locks: further ones are only
 * tried.
 */
#include "keyspace/density.h"

#include <math.h>

#define SAMPLE 8          /* of a run, of which a victim takes two */
#define SMALL_BYTES 128   /* up to here two victims take one ... */
#define SAMPLE_SMALL 16   /* of so many */
#define SAMPLE_EXTENTS 16
#define CLASS_EVERY 3     /* one run in so many is of the class */
#define PAGE_SAMPLE 16    /* when a whole page is judged */
#define NEEDED_CLASS_BONUS 0.9f
#define MAX_CHOICES 4

/* What a sample is judged by; read once per eviction. */
struct judge {
    struct ks_thread *t;
    enum ks_policy policy;
    int64_t weight;
    uint16_t now;
    uint64_t now_ms;
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

/* Its score. `bytes` is the size that its hits have been counted by. False if
 * the policy keeps it. */
static bool
judge_item(const struct judge *j, struct victim *v, size_t bytes)
{
    v->cls = rank_class(bytes, v->state);
    v->bucket = age_bucket((uint16_t)(j->now - v->stamp));
    if (!(v->state & MARK_EXPIRES)) {
        if (only_volatile(j->policy))
            return false;
    } else if (item_peek_expired(
                   slab_ptr(j->t->slab, v->handle), j->now_ms)) {
        v->score = -1;
        return true;
    }
    if (is_random(j->policy))
        v->score = (float)(next_random(j->t) >> 40);
    else
        v->score =
            density(j->t->ks, v->cls, v->bucket) / weight_of(j, v->bytes);
    return true;
}

/* ---- candidates ---------------------------------------------------------- */

/* What was seen and may go soon: the least of all that were looked at for the
 * last evictions, as far as there is a place. */
static void
offer(struct candidates *c, const struct victim *v)
{
    unsigned worst = 0;

    if (c->n < ARRAY_LEN(c->victim)) {
        c->victim[c->n++] = *v;
        return;
    }
    for (unsigned i = 1; i < c->n; i++)
        if (c->victim[i].score > c->victim[worst].score)
            worst = i;
    if (v->score < c->victim[worst].score)
        c->victim[worst] = *v;
}

/* Where the least is, or one of the class that needs room if it is about as
 * bad; c->n if there is none. */
static unsigned
find_least(const struct candidates *c, unsigned cls)
{
    float least = INFINITY;
    unsigned at = c->n;

    for (unsigned i = 0; i < c->n; i++) {
        float score = c->victim[i].score;

        if (c->victim[i].chunk_class == cls)
            score *= NEEDED_CLASS_BONUS;
        if (score < least) {
            least = score;
            at = i;
        }
    }
    return at;
}

static bool
take_least(struct candidates *c, unsigned cls, struct victim *out)
{
    unsigned at = find_least(c, cls);

    if (at == c->n)
        return false;
    *out = c->victim[at];
    c->victim[at] = c->victim[--c->n];
    return true;
}

_Static_assert(SLAB_MARK_FREE &MARK_EXTENT, "one test for both");

/* A random one of the items that may go; run->n for none. */
static uint32_t
random_of_run(const struct judge *j, const struct slab_run *run)
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

/* The two items of a run that are worth the least; returns how many there are.
 * They are all of one size, so their densities are compared, which are not
 * negative: as the numbers that their bits are. Only on a page that is due the
 * items are looked at: one that has expired goes first. */
static unsigned
least_of_run(const struct judge *j, const struct slab_run *run, uint32_t at[2])
{
    const unsigned cls = rank_class(run->chunk_bytes, 0);
    uint8_t need = only_volatile(j->policy) ? MARK_EXPIRES : 0;
    uint8_t suspect = due_has_passed(j->t, run->page) ? MARK_EXPIRES : 0;
    uint32_t least = UINT32_MAX, next = UINT32_MAX;

    for (uint32_t i = 0; i < run->n; i++) {
        uint8_t state = slab_run_state(run, i);
        uint16_t age = (uint16_t)(j->now - slab_run_stamp(run, i));
        uint32_t worth;

        if ((state & MARK_EXTENT) || (state & need) != need)
            continue;
        if (unlikely(state & suspect) &&
            item_peek_expired(
                slab_ptr(j->t->slab, run->handle + i * run->step), j->now_ms)) {
            at[0] = i;
            return 1;
        }
        worth =
            density_bits(j->t->ks, cls + (state & MARK_REUSE), age_bucket(age));
        if (worth < least) {
            next = least;
            at[1] = at[0];
            least = worth;
            at[0] = i;
        } else if (worth < next) {
            next = worth;
            at[1] = i;
        }
    }
    return (least != UINT32_MAX) + (next != UINT32_MAX);
}

/* Offer what is worth the least in a run. */
static void
judge_run(
    const struct judge *j, const struct slab_run *run, struct candidates *to)
{
    uint32_t at[2] = {0, 0};
    unsigned n;

    if (is_random(j->policy))
        n = (at[0] = random_of_run(j, run)) < run->n;
    else
        n = least_of_run(j, run, at);
    for (unsigned i = 0; i < n; i++) {
        struct victim v = {.handle = run->handle + at[i] * run->step,
            .chunk_class = run->cls,
            .bytes = run->chunk_bytes,
            .stamp = slab_run_stamp(run, at[i]),
            .state = slab_run_state(run, at[i])};

        if ((v.state & MARK_EXTENT) || !judge_item(j, &v, run->chunk_bytes))
            continue; /* free by now */
        offer(to, &v);
    }
}

/* Judge the item that an extent is of. That of a hash may be one of many. */
static void
judge_owner(const struct judge *j, uint32_t extent, struct victim *v)
{
    const struct slab *slab = j->t->slab;
    size_t bytes = extent_committed(slab, extent), gain = bytes;
    struct item_copy copy;

    if (item_peek(slab_ptr(slab, v->handle), j->now_ms, &copy) &&
        item_kind(copy.view.header) == ITEM_HASH && copy.view.extent != 0) {
        bytes = extent_committed(slab, copy.view.extent);
        gain = MAX(gain, copy.view.value_len);
    }
    v->bytes = gain;
    if (judge_item(j, v, bytes))
        offer(&j->t->ahead.candidates, v);
}

static void
judge_extents(const struct judge *j)
{
    struct slab *slab = j->t->slab;
    uint32_t ids[SAMPLE_EXTENTS];
    unsigned n = extent_sample(slab, next_random(j->t), SAMPLE_EXTENTS, ids);

    for (unsigned i = 0; i < n; i++) {
        struct victim v = {.handle = extent_owner(slab, ids[i]),
            .chunk_class = SLAB_MAX_CLASSES};
        struct slab_mark m;

        if (v.handle == 0)
            continue;
        m = slab_mark(slab, v.handle);
        v.state = slab_mark_state(&m);
        if (v.state == SLAB_MARK_FREE || !(v.state & MARK_EXTENT))
            continue;
        v.stamp = slab_mark_stamp(&m);
        judge_owner(j, ids[i], &v);
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

/* A run that was asked for by a former call, or one of now, of up to `max`; the
 * one to be asked for next takes its place. `cls` is SLAB_MAX_CLASSES for all.
 */
static bool
next_run(struct ks_thread *t, struct slab_run *ahead, unsigned cls,
    unsigned max, struct slab_run *run)
{
    bool is_class = cls < SLAB_MAX_CLASSES;
    bool found = true;

    *run = *ahead;
    if (run->n == 0 || (is_class && run->cls != cls))
        found = is_class
            ? slab_sample_class(t->slab, cls, next_random(t), max, run)
            : slab_sample(t->slab, next_random(t), max, run);
    if (!(is_class
                ? slab_sample_class(t->slab, cls, next_random(t), max, ahead)
                : slab_sample(t->slab, next_random(t), max, ahead)))
        ahead->n = 0;
    return found;
}

static void
prefetch_run(const struct slab_run *run)
{
    if (unlikely(run->n == 0))
        return;
    __builtin_prefetch((const void *)run->stamp);
    __builtin_prefetch((const void *)run->state);
}

/* Ask for the runs that have been chosen since that turn, all at once. A
 * prefetch is done only when its page walk is, for which the CPU waits unless
 * others, close behind, are under way as well. */
static void
prefetch_runs(const struct evictions_ahead *a, unsigned since)
{
    for (; since != a->turn; since++)
        prefetch_run(&a->any[since % ARRAY_LEN(a->any)]);
    prefetch_run(&a->of_class);
}

static bool
is_unchanged(const struct ks_thread *t, const struct victim *v)
{
    struct slab_mark m = slab_mark(t->slab, v->handle);

    return slab_mark_state(&m) == v->state && slab_mark_stamp(&m) == v->stamp;
}

/* The hash of a victim whose item has come. */
static void
hash_victim(struct ks_thread *t, struct victim *v)
{
    struct item_copy copy;

    v->has_hash =
        item_peek(slab_ptr(t->slab, v->handle), clock_wall_ms(), &copy) &&
        index_hash_item(&t->ks->index, &copy.view, &v->hash);
}

/* Ask for the index lines of victims whose items have come: as runs, all at
 * once. */
static void
prefetch_lines(struct ks_thread *t, struct victim *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!v[i].has_hash)
            hash_victim(t, &v[i]);
    for (unsigned i = 0; i < n; i++)
        if (v[i].has_hash)
            index_prefetch_line(&t->ks->index, v[i].hash);
    for (unsigned i = 0; i < n; i++)
        if (v[i].has_hash)
            ghost_prefetch(&t->ks->ghosts, v[i].hash);
}

/* Look at some more items, now and then of the class that needs room. */
static void
look_at_run(const struct judge *j, unsigned cls, unsigned max)
{
    struct ks_thread *t = j->t;
    struct evictions_ahead *a = &t->ahead;
    unsigned turn = a->turn++;
    struct slab_run run;
    bool found;

    if (cls < SLAB_MAX_CLASSES && turn % CLASS_EVERY == 0)
        found = next_run(t, &a->of_class, cls, max, &run);
    else
        found = next_run(t, &a->any[turn % ARRAY_LEN(a->any)],
            SLAB_MAX_CLASSES, max, &run);
    if (found)
        judge_run(j, &run, &a->candidates);
}

/* For the nth victim of those that go at once. What a look costs is above all
 * the page walk for the marks. */
static void
look_around(const struct judge *j, unsigned cls, unsigned n)
{
    struct ks_thread *t = j->t;
    size_t large = extent_live_bytes(t->slab);
    size_t used = slab_used(t->slab);
    bool is_small = cls < SLAB_MAX_CLASSES &&
        slab_class_bytes(t->slab, cls) <= SMALL_BYTES;

    for (unsigned i = is_small ? 1 - n % 2 : 2; i > 0; i--) {
        if (large > 0 && next_random(t) % (used + 1) < large)
            judge_extents(j);
        else
            look_at_run(j, cls, is_small ? SAMPLE_SMALL : SAMPLE);
    }
}

static bool
evict_victim(struct ks_thread *t, const struct victim *v, unsigned cls)
{
    bool is_wanted = cls < SLAB_MAX_CLASSES && v->chunk_class == cls;
    enum remove_reason why = is_wanted ? REMOVE_TO_REUSE : REMOVE_EVICT;
    bool gone = v->has_hash ? remove_hashed(t, v->handle, v->hash, why)
                            : remove_chunk(t, v->handle, why);

    if (!gone) {
        mark_correct(t, v->handle);
        return false;
    }
    if (v->score >= 0)
        count_event(&t->histogram.evictions[v->cls][v->bucket]);
    return true;
}

/* Those that were judged otherwise are none. */
static void
keep_candidates(const struct judge *j)
{
    struct evictions_ahead *a = &j->t->ahead;
    struct candidates *c = &a->candidates;

    if (c->policy == j->policy && c->weight == j->weight)
        return;
    c->n = 0;
    a->n_ready = a->n_chosen = 0;
    c->policy = j->policy;
    c->weight = j->weight;
}

/* Without those that were hit since, or went with their page. */
static bool
take_unchanged(struct ks_thread *t, struct candidates *c, unsigned cls,
    struct victim *out)
{
    while (take_least(c, cls, out))
        if (is_unchanged(t, out))
            return true;
    return false;
}

/* Choose up to `max` victims, of `bytes` together, and ask for them. */
static unsigned
choose_victims(const struct judge *j, unsigned cls, unsigned max, size_t bytes,
    struct victim *out)
{
    struct evictions_ahead *a = &j->t->ahead;
    unsigned since = a->turn, n = 0;

    for (size_t sum = 0; n < max && sum < bytes; n++) {
        look_around(j, cls, n);
        if (!take_unchanged(j->t, &a->candidates, cls, &out[n]))
            break;
        sum += out[n].bytes;
    }
    for (unsigned i = 0; i < n; i++)
        if (!out[i].has_hash)
            __builtin_prefetch(slab_ptr(j->t->slab, out[i].handle));
    prefetch_runs(a, since);
    return n;
}

/* Those of `from` that are still to go, up to `max`, of `bytes` together. */
static unsigned
take_some(struct ks_thread *t, struct victim *from, unsigned *n_from,
    unsigned max, size_t bytes, struct victim *out)
{
    unsigned n = 0;

    for (size_t sum = 0; *n_from > 0 && n < max && sum < bytes;) {
        out[n] = from[--*n_from];
        if (is_unchanged(t, &out[n]))
            sum += out[n++].bytes;
    }
    return n;
}

static void
give_back(struct candidates *c, const struct victim *from, unsigned *n_from)
{
    while (*n_from > 0)
        offer(c, &from[--*n_from]);
}

/* The same of those that the last call has chosen, if it was for this class.
 * Else they are candidates again. */
static unsigned
take_chosen(struct ks_thread *t, unsigned cls, unsigned max, size_t bytes,
    struct victim *out)
{
    struct evictions_ahead *a = &t->ahead;
    unsigned n;

    if (a->cls != cls) {
        give_back(&a->candidates, a->ready, &a->n_ready);
        give_back(&a->candidates, a->chosen, &a->n_chosen);
        return 0;
    }
    n = take_some(t, a->ready, &a->n_ready, max, bytes, out);
    return n > 0 ? n
                 : take_some(t, a->chosen, &a->n_chosen, max, bytes, out);
}

/* Ask for what the next call needs, if it is like this one and the one before:
 * victims by the number are chosen for it, a single one will be the least of
 * the candidates. */
static void
look_ahead(const struct judge *j, unsigned cls, unsigned max, size_t bytes)
{
    struct evictions_ahead *a = &j->t->ahead;
    struct candidates *c = &a->candidates;

    if (max == 1 && c->n > 0)
        prefetch_lines(j->t, &c->victim[find_least(c, cls)], 1);
    else if (max > 1 && a->cls == cls && a->n_chosen == 0)
        a->n_chosen = choose_victims(j, cls, max, bytes, a->chosen);
    a->cls = cls;
}

unsigned
evict_some(struct ks_thread *t, unsigned cls, unsigned items, size_t bytes)
{
    struct judge j = judge_now(t);
    struct victim victim[EVICT_AT_ONCE];
    unsigned max = MIN(items, EVICT_AT_ONCE), n, gone = 0;

    if (j.policy == KS_NOEVICTION)
        return 0;
    keep_candidates(&j);
    n = take_chosen(t, cls, max, bytes, victim);
    if (n == 0)
        n = choose_victims(&j, cls, max, bytes, victim);
    prefetch_lines(t, victim, n);
    look_ahead(&j, cls, n > 1 ? max : n, bytes);
    for (unsigned i = 0; i < n; i++)
        gone += evict_victim(t, &victim[i], cls);
    return gone;
}

/* Let those that are chosen become ready, and choose others. */
static void
make_ready(struct ks_thread *t)
{
    struct evictions_ahead *a = &t->ahead;
    struct judge j = judge_now(t);

    a->n_ready = take_some(
        t, a->chosen, &a->n_chosen, EVICT_AT_ONCE, SIZE_MAX, a->ready);
    prefetch_lines(t, a->ready, a->n_ready);
    look_ahead(&j, a->cls, EVICT_AT_ONCE, SIZE_MAX);
}

bool
evict_ahead(struct ks_thread *t)
{
    struct evictions_ahead *a = &t->ahead;
    const struct victim *v;

    if (a->candidates.policy != evict_policy(t))
        return false;
    if (a->n_ready == 0)
        make_ready(t);
    if (a->n_ready == 0)
        return false;
    v = &a->ready[a->n_ready - 1];
    if (v->chunk_class != a->cls)
        return false; /* of no use but to who really needs room */
    a->n_ready--;
    return is_unchanged(t, v) && evict_victim(t, v, a->cls);
}

bool
evict_one(struct ks_thread *t, unsigned cls)
{
    for (unsigned i = 0; i < MAX_CHOICES; i++)
        if (evict_some(t, cls, 1, SIZE_MAX) > 0)
            return true;
    return false;
}

bool
evict_of_class(struct ks_thread *t, unsigned cls)
{
    struct judge j = judge_now(t);
    struct candidates c = {.n = 0};
    struct slab_run run;
    struct victim v;

    if (j.policy == KS_NOEVICTION)
        return false;
    for (unsigned i = 0; i < MAX_CHOICES && c.n == 0; i++)
        if (next_run(t, &t->ahead.of_class, cls, SAMPLE, &run))
            judge_run(&j, &run, &c);
    prefetch_run(&t->ahead.of_class);
    return take_least(&c, cls, &v) && evict_victim(t, &v, cls);
}
