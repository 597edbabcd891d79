/* SPDX-License-Identifier: BSD-3-Clause */
/* rank.c - what the items of a class are worth: hit density per age.
 *
 * After LHD (Beckmann, Chen, Cidon: "LHD: improving cache hit rate by
 * maximizing hit density", NSDI 2018). Per size octave and reuse state,
 * histograms count at what age items were hit and at what age they were
 * evicted. From these the hit density of each (octave, state, age) is computed:
 * the hits to come per unit of space and time. An octave of which little is
 * known borrows from the others of its reuse state: a cache of some thousand
 * items sees too few events to learn each octave by itself.
 *
 * Every thread counts into its own histogram; whoever completes 16384 accesses
 * (tick.c) merges them and computes the ranks, under the rank lock.
 */
#include "keyspace/density.h"

#include <math.h>

#define DECAY 0.9f

/* What is left of an event after some 440 updates is nothing: as what floats
 * cannot hold, it would lead to ranks that are no numbers. */
#define FORGOTTEN 1e-20f

/* To each octave, so many events are added that are spread over ages as those
 * of all octaves together. Against none of them misses are 0.2 % fewer on the
 * mean of 20 points (bench/hit_ratio): from 1.6 % fewer to 0.6 % more. 300 cost
 * 0.6 % where octaves differ. */
#define BORROWED_EVENTS 50.0f

/* Of all octaves, for one reuse state. */
struct pooled {
    float hits[AGE_BUCKETS], evictions[AGE_BUCKETS];
};

/* The age in the middle of a bucket. */
static float
bucket_age(unsigned bucket)
{
    if (bucket < 8)
        return (float)bucket + 1;
    return ldexpf(1 + ((float)((bucket - 8) % 4) + 0.5f) / 4,
        (int)(3 + (bucket - 8) / 4));
}

static inline uint32_t
float_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, 4);
    return u;
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

/* The sum over octaves, scaled to BORROWED_EVENTS; zeros if there are none. */
static void
pool(const struct rank_table *r, unsigned reuse_state, struct pooled *out)
{
    float n = 0, scale;

    *out = (struct pooled){{0}, {0}};
    for (unsigned c = reuse_state; c < RANK_CLASSES; c += MARK_REUSE + 1)
        for (unsigned b = 0; b < AGE_BUCKETS; b++) {
            out->hits[b] += r->hits[c][b];
            out->evictions[b] += r->evictions[c][b];
            n += r->hits[c][b] + r->evictions[c][b];
        }
    scale = n > 0 ? BORROWED_EVENTS / n : 0;
    for (unsigned b = 0; b < AGE_BUCKETS; b++) {
        out->hits[b] *= scale;
        out->evictions[b] *= scale;
    }
}

static float
fade(float n)
{
    n *= DECAY;
    return n > FORGOTTEN ? n : 0;
}

/* Times an age, and one: what an item is worth of which it is not known what
 * becomes of it, and of one that nobody will ask for. */
#define UNKNOWN 1e-3f
#define NOTHING 1e-9f

/* The same of one that is older than all that are known: as good as the oldest
 * of these at most. */
static float
beyond_known(
    const struct rank_table *r, unsigned cls, const struct pooled *pooled)
{
    for (unsigned b = AGE_BUCKETS; b-- > 0;) {
        float h = r->hits[cls][b] + pooled->hits[b];
        float e = r->evictions[cls][b] + pooled->evictions[b];

        if (h + e > 0)
            return fmaxf(fminf(h / (h + e), UNKNOWN), NOTHING);
    }
    return UNKNOWN;
}

/* Density at an age: hits at this age or later, over the time that items of
 * this age go on to occupy space (the sum of remaining lifetimes). The tenth
 * of the age added keeps the last buckets finite.
 *
 * What is older is worth less in the end, known or not. Else what got to an age
 * that nobody had when it went would stay for good, as more is not known of it,
 * and the younger ones would go, of which it is known that nobody asks. */
static void
rank_class_update(
    struct rank_table *r, unsigned cls, const struct pooled *pooled)
{
    float hits = 0, ends = 0, lifetime = 0, later_age = 0;
    const float beyond = beyond_known(r, cls, pooled);

    for (unsigned b = AGE_BUCKETS; b-- > 0;) {
        float age = r->age[b];
        float h = r->hits[cls][b] + pooled->hits[b];
        float e = r->evictions[cls][b] + pooled->evictions[b], d;

        if (b < AGE_BUCKETS - 1)
            lifetime += (hits + ends) * (later_age - age);
        later_age = age;
        hits += h;
        ends += e;
        lifetime += (h + e) * age * 0.1f;
        if (lifetime <= 0)
            d = beyond / (age + 1);
        else
            d = fmaxf(hits / lifetime, NOTHING / (age + 1));
        atomic_store_explicit(
            &r->density[cls][b], float_bits(d), memory_order_relaxed);
        r->hits[cls][b] = fade(r->hits[cls][b]);
        r->evictions[cls][b] = fade(r->evictions[cls][b]);
    }
}

static void
rank_all_update(struct rank_table *r)
{
    struct pooled pooled;

    for (unsigned state = 0; state < REUSE_STATES; state++) {
        pool(r, state, &pooled);
        for (unsigned c = state; c < RANK_CLASSES; c += MARK_REUSE + 1)
            rank_class_update(r, c, &pooled);
    }
}

void
rank_update(struct ks *ks)
{
    word_lock(&ks->threads_lock);
    for (struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        for (unsigned c = 0; c < RANK_CLASSES; c++) {
            merge(t->histogram.hits[c], ks->ranks.hits[c]);
            merge(t->histogram.evictions[c], ks->ranks.evictions[c]);
        }
    word_unlock(&ks->threads_lock);
    rank_all_update(&ks->ranks);
    tick_length_update(ks);
}

void
rank_init(struct ks *ks)
{
    for (unsigned b = 0; b < AGE_BUCKETS; b++)
        ks->ranks.age[b] = bucket_age(b);
    for (unsigned c = 0; c < RANK_CLASSES; c++)
        for (unsigned b = 0; b < AGE_BUCKETS; b++)
            STORE(&ks->ranks.density[c][b], float_bits(1 / bucket_age(b)));
}
