/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace_counts.c - what is counted of each namespace.
 *
 * Each thread counts in lines of its own; who asks adds them up, under the lock
 * of the list of threads. Figures of different threads may be of different
 * moments, so that a sum can be below zero for one; it is shown as zero. Only
 * who holds all partition locks has exact sums of what is there. Any thread.
 */
#include "keyspace/internal.h"

/* [threads_lock] */
static void
sum_entry(const struct ks *ks, uint16_t entry, int64_t sum[NS_COUNTS])
{
    memcpy(sum, ks->namespaces.entry[entry].base, NS_COUNTS * sizeof(*sum));
    for (const struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        for (unsigned i = 0; i < NS_COUNTS; i++)
            sum[i] += LOAD(&t->ns[entry].n[i]);
}

void
ns_sum(struct ks *ks, uint16_t entry, int64_t sum[NS_COUNTS])
{
    word_lock(&ks->threads_lock);
    sum_entry(ks, entry, sum);
    word_unlock(&ks->threads_lock);
}

void
ns_bury(struct ks *ks, uint16_t entry, int64_t *items, int64_t *expires)
{
    struct ns_entry *e = &ks->namespaces.entry[entry];
    int64_t sum[NS_COUNTS];

    word_lock(&ks->threads_lock);
    sum_entry(ks, entry, sum);
    for (unsigned i = NS_ITEMS; i <= NS_BYTES; i++)
        e->base[i] -= sum[i];
    word_unlock(&ks->threads_lock);
    atomic_fetch_add_explicit(&e->dead_items, sum[NS_ITEMS],
        memory_order_relaxed);
    atomic_fetch_add_explicit(&e->dead_bytes, sum[NS_BYTES],
        memory_order_relaxed);
    *items = sum[NS_ITEMS];
    *expires = sum[NS_EXPIRES];
}

void
namespaces_reset(struct ks *ks)
{
    word_lock(&ks->threads_lock);
    for (uint32_t i = 0; i < ns_seen(&ks->namespaces); i++) {
        int64_t sum[NS_COUNTS];

        sum_entry(ks, (uint16_t)i, sum);
        for (unsigned k = NS_HITS; k < NS_COUNTS; k++)
            ks->namespaces.entry[i].base[k] -= sum[k];
    }
    word_unlock(&ks->threads_lock);
}

static uint64_t
positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

static void
show(const struct ks *ks, uint16_t entry, struct ks_namespace *out)
{
    const struct ns_entry *e = &ks->namespaces.entry[entry];
    int64_t sum[NS_COUNTS];

    sum_entry(ks, entry, sum);
    *out = (struct ks_namespace){
        .name_len = e->name_len,
        .is_other = entry < KS_DATABASES,
        .items = positive(sum[NS_ITEMS]),
        .expires = positive(sum[NS_EXPIRES]),
        .bytes = positive(sum[NS_BYTES]),
        .hits = positive(sum[NS_HITS]),
        .misses = positive(sum[NS_MISSES]),
        .sets = positive(sum[NS_SETS]),
        .evictions = positive(sum[NS_EVICTIONS]),
        .expiries = positive(sum[NS_EXPIRIES]),
        .dead_items = positive(LOAD(&e->dead_items)),
        .dead_bytes = positive(LOAD(&e->dead_bytes)),
    };
    memcpy(out->name, e->name, e->name_len);
}

void
namespaces_items(struct ks *ks, size_t *living, size_t *dead)
{
    int64_t sum[2] = {0};

    word_lock(&ks->threads_lock);
    for (uint32_t i = 0; i < ks->namespaces.n_entries; i++) {
        const struct ns_entry *e = &ks->namespaces.entry[i];

        sum[0] += e->base[NS_BYTES];
        for (const struct ks_thread *t = ks->threads; t != NULL; t = t->next)
            sum[0] += LOAD(&t->ns[i].n[NS_BYTES]);
        sum[1] += LOAD(&e->dead_bytes);
    }
    word_unlock(&ks->threads_lock);
    *living = positive(sum[0]);
    *dead = positive(sum[1]);
}

/* Under the lock. */
static bool
is_of(const struct namespaces *ns, uint32_t entry, unsigned home)
{
    return LOAD(&ns->entry[entry].kind) != NS_FREE &&
        ns->entry[entry].home == home;
}

/* Counted first: room for as many as there may be is megabytes for all
 * databases, which each INFO and each scrape of metrics would have the system
 * clear. */
size_t
ks_namespaces(struct ks *ks, unsigned db, struct ks_namespace **out)
{
    struct namespaces *ns = &ks->namespaces;
    struct ks_namespace *found;
    size_t wanted = 0, n = 0;
    unsigned home = LOAD(&ks->mapping.home[db]);

    word_lock(&ns->lock);
    for (uint32_t i = 0; i < ns->n_entries; i++)
        wanted += is_of(ns, i, home);
    found = xcalloc(MAX(wanted, (size_t)1), sizeof(*found));
    word_lock(&ks->threads_lock);
    for (uint32_t i = 0; i < ns->n_entries && n < wanted; i++)
        if (is_of(ns, i, home))
            show(ks, (uint16_t)i, &found[n++]);
    word_unlock(&ks->threads_lock);
    word_unlock(&ns->lock);
    *out = found;
    return n;
}
