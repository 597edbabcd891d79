/* SPDX-License-Identifier: BSD-3-Clause */
/* state.c - what a keyspace and its threads are: set-up, tear-down, partition
 * locks held over several operations, counters.
 *
 * ks_new and ks_free belong to the main thread; a ks_thread to its thread.
 */
#include "keyspace/hash_form.h"
#include "keyspace/internal.h"

#include <stdlib.h>
#include <sys/random.h>

/* ---- set-up -------------------------------------------------------------- */

static bool
init_parts(struct ks *ks, struct buf *err)
{
    if (!ghosts_init(&ks->ghosts, ks->slab, err))
        return false;
    if (!namespaces_init(ks, err)) {
        ghosts_destroy(&ks->ghosts);
        return false;
    }
    ks->templates = templates_new(ks->slab, &ks->seed, &ks->namespaces, err);
    if (ks->templates != NULL) {
        if (index_init(&ks->index, ks->slab, &ks->seed, ks->templates, err))
            return true;
        templates_free(ks->templates);
    }
    namespaces_free(ks);
    ghosts_destroy(&ks->ghosts);
    return false;
}

struct ks *
ks_new(const struct ks_config *cfg, struct buf *err)
{
    struct ks *ks = xcalloc(1, sizeof(*ks));

    ASSERT(cfg->n_databases >= 1 && cfg->n_databases <= KS_DATABASES);
    ks->magic = KS_MAGIC;
    ks->n_databases = cfg->n_databases;
    ks->slab = cfg->slab;
    ks->options = cfg->options;
    ks->seed = cfg->seed;
    ks->fixed_bytes = sizeof(*ks);
    if (!init_parts(ks, err)) {
        free(ks);
        return NULL;
    }
    spaces_init(ks);
    tick_init(ks);
    rank_init(ks);
    version_init(ks);
    due_init(ks);
    ks->shapes = hash_shapes_new(ks->slab, &ks->seed);
    return ks;
}

void
ks_free(struct ks *ks)
{
    CHECK(ks, KS_MAGIC);
    ASSERT(ks->threads == NULL);
    watch_free(ks);
    hash_shapes_free(ks->shapes);
    index_destroy(&ks->index);
    templates_free(ks->templates);
    namespaces_free(ks);
    ghosts_destroy(&ks->ghosts);
    ks->magic = 0;
    free(ks);
}

struct ks_thread *
ks_thread_new(struct ks *ks)
{
    struct ks_thread *t = xcalloc(1, sizeof(*t));

    CHECK(ks, KS_MAGIC);
    t->magic = KS_THREAD_MAGIC;
    t->ks = ks;
    t->slab = ks->slab;
    t->slab_thread = slab_thread_new(ks->slab);
    t->viewed = N_PARTITIONS;
    t->hash = hash_thread_new();
    t->ns = ns_counts_new(ks);
    for (unsigned i = 0; i < NS_MEMOS; i++)
        t->ns_memo[i].epoch = 1;
    do {
        if (getrandom(&t->random, sizeof(t->random), 0) < 0)
            t->random = (uintptr_t)t;
    } while (t->random == 0);
    word_lock(&ks->threads_lock);
    t->next = ks->threads;
    ks->threads = t;
    word_unlock(&ks->threads_lock);
    return t;
}

static void
add_counters(struct ks *ks, const struct ks_thread *t)
{
    metrics_sum((uint64_t *)&ks->base, &t->metrics,
        sizeof(t->metrics) / sizeof(uint64_t));
    for (unsigned db = 0; db < KS_DATABASES; db++) {
        ks->base_items[db] += LOAD(&t->items[db]);
        ks->base_expires[db] += LOAD(&t->expires[db]);
    }
    for (uint32_t i = 0; i < ns_seen(&ks->namespaces); i++)
        for (unsigned k = 0; k < NS_COUNTS; k++)
            ks->namespaces.entry[i].base[k] += LOAD(&t->ns[i].n[k]);
}

void
ks_thread_free(struct ks_thread *t)
{
    struct ks *ks = t->ks;
    struct ks_thread **at = &ks->threads;

    CHECK(t, KS_THREAD_MAGIC);
    ASSERT(!t->holds);
    word_lock(&ks->threads_lock);
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    add_counters(ks, t);
    word_unlock(&ks->threads_lock);
    slab_thread_free(t->slab_thread);
    buf_free(&t->walk);
    buf_free(&t->events);
    buf_free(&t->unlinked);
    hash_thread_free(t->hash);
    ns_counts_free(ks, t->ns);
    t->magic = 0;
    free(t);
}

void
ks_thread_poll(struct ks_thread *t)
{
    room_begin_turn(t);
    slab_thread_poll(t->slab_thread);
}

struct slab_thread *
ks_slab_thread(struct ks_thread *t)
{
    return t->slab_thread;
}

struct slab *
ks_slab(const struct ks *ks)
{
    return ks->slab;
}

/* ---- keys ---------------------------------------------------------------- */

void
ks_prefetch_lines(const struct ks *ks, struct ks_key *keys, unsigned n)
{
    index_prefetch_lines(&ks->index, keys, n);
}

void
ks_prefetch_items(const struct ks *ks, struct ks_key *keys, unsigned n)
{
    index_prefetch_items(&ks->index, keys, n);
}

/* ---- partition locks ----------------------------------------------------- */

static inline bool
holds(const struct ks_thread *t, unsigned partition)
{
    return t->holds && (t->held[partition / 64] >> (partition % 64) & 1);
}

void
ks_enter(struct ks_thread *t, unsigned partition)
{
    if (!holds(t, partition))
        partition_lock(&t->ks->index.partition[partition]);
}

void
ks_leave(struct ks_thread *t, unsigned partition)
{
    if (!holds(t, partition))
        partition_unlock(&t->ks->index.partition[partition]);
}

bool
ks_try_enter(struct ks_thread *t, unsigned partition)
{
    if (partition == t->viewed)
        return false;
    if (holds(t, partition))
        return true;
    return partition_trylock(&t->ks->index.partition[partition]);
}

/* Call fn for each partition held, ascending. */
static void
each_held(struct ks_thread *t, void (*fn)(struct partition *p))
{
    for (unsigned word = 0; word < ARRAY_LEN(t->held); word++)
        for (uint64_t bits = t->held[word]; bits != 0; bits &= bits - 1)
            fn(&t->ks->index.partition[word * 64 +
                (unsigned)__builtin_ctzll(bits)]);
}

static void
take_held(struct ks_thread *t, bool several)
{
    struct ks *ks = t->ks;

    t->holds = true;
    t->holds_several = several;
    each_held(t, partition_lock);
    /* Relaxed: every change that follows is behind the release fence of its odd
     * version (index_write_begin()), so that whoever sees one, through the
     * acquire fence of its read, sees this too when it looks next. */
    if (several)
        atomic_fetch_add_explicit(&ks->several_begun, 1, memory_order_relaxed);
}

/* Before there was the lock, a flush may have made keys lead elsewhere. */
static bool
renew_keys(struct ks_thread *t, struct ks_key *keys, size_t n)
{
    bool renewed = false;

    for (size_t i = 0; i < n; i++) {
        if (key_is_current(t->ks, &keys[i]))
            continue;
        key_renew(t->ks, &keys[i]);
        renewed = true;
    }
    return renewed;
}

/* Within another ks_lock() there is nothing to take: all keys are held. */
static bool
enter_nested(struct ks_thread *t, struct ks_key *keys, size_t n)
{
    CHECK(t, KS_THREAD_MAGIC);
    if (likely(!t->holds))
        return false;
    (void)renew_keys(t, keys, n);
    for (size_t i = 0; i < n; i++)
        ASSERT(holds(t, index_partition(keys[i].hash)));
    t->nested++;
    return true;
}

static void
hold_keys(struct ks_thread *t, const struct ks_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned p = index_partition(keys[i].hash);

        t->held[p / 64] |= (uint64_t)1 << (p % 64);
    }
}

static void
lock_keys(struct ks_thread *t, struct ks_key *keys, size_t n, bool several)
{
    for (;;) {
        hold_keys(t, keys, n);
        take_held(t, several);
        if (!renew_keys(t, keys, n))
            return;
        ks_unlock(t);
    }
}

void
ks_lock(struct ks_thread *t, struct ks_key *keys, size_t n)
{
    if (!enter_nested(t, keys, n))
        lock_keys(t, keys, n, n > 1);
}

void
ks_lock_to_read(struct ks_thread *t, struct ks_key *keys, size_t n)
{
    if (!enter_nested(t, keys, n))
        lock_keys(t, keys, n, false);
}

void
ks_lock_all(struct ks_thread *t)
{
    CHECK(t, KS_THREAD_MAGIC);
    if (t->holds) {
        ASSERT(ks_holds_all(t));
        t->nested++;
        return;
    }
    memset(t->held, 0xff, sizeof(t->held));
    take_held(t, true);
}

bool
ks_holds(const struct ks_thread *t)
{
    return t->holds;
}

bool
ks_holds_all(const struct ks_thread *t)
{
    for (size_t i = 0; i < ARRAY_LEN(t->held); i++) {
        if (t->held[i] != UINT64_MAX)
            return false;
    }
    return t->holds;
}

void
ks_unlock(struct ks_thread *t)
{
    ASSERT(t->holds);
    if (t->nested > 0) {
        t->nested--;
        return;
    }
    /* release: after all changes; pairs with is_several_changing() */
    if (t->holds_several)
        atomic_fetch_add_explicit(&t->ks->several_ended, 1,
            memory_order_release);
    each_held(t, partition_unlock);
    memset(t->held, 0, sizeof(t->held));
    t->holds = false;
}

/* ---- counters ------------------------------------------------------------ */

/* Of an item that is dead: what clients see was corrected by the flush. */
static void
count_dead_item(struct ks *ks, const struct owner *owner, size_t bytes)
{
    struct ns_entry *e = &ks->namespaces.entry[owner->ns];

    atomic_fetch_sub_explicit(&e->dead_items, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&e->dead_bytes, (int64_t)bytes,
        memory_order_relaxed);
}

void
count_expiry(struct ks_thread *t, const struct owner *owner, int delta)
{
    add_i64(&t->expires[owner->home], delta);
    add_i64(&t->ns[owner->ns].n[NS_EXPIRES], delta);
}

void
count_item(struct ks_thread *t, const struct owner *owner, size_t bytes,
    bool expires, int delta)
{
    struct owner counted = *owner;

    if (unlikely(owner->dead && !owner->uncounted)) {
        count_dead_item(t->ks, owner, bytes);
        return;
    }
    if (owner->uncounted)
        counted.ns = ns_other(owner->home);
    add_i64(&t->items[counted.home], delta);
    add_i64(&t->ns[counted.ns].n[NS_ITEMS], delta);
    add_i64(&t->ns[counted.ns].n[NS_BYTES], delta * (int64_t)bytes);
    if (expires)
        count_expiry(t, &counted, delta);
}

void
count_replaced(struct ks_thread *t, const struct owner *owner,
    const struct item_view *was, const struct fresh *now)
{
    int64_t more = (int64_t)now->bytes - (int64_t)item_bytes(was);
    int expires = (now->expire_ms != KS_NO_EXPIRY) -
        (was->expire_ms != KS_NO_EXPIRY);

    if (more != 0)
        add_i64(&t->ns[owner->ns].n[NS_BYTES], more);
    if (expires != 0)
        count_expiry(t, owner, expires);
}

void
count_grown(struct ks_thread *t, const struct owner *owner, int64_t bytes)
{
    add_i64(&t->ns[owner->ns].n[NS_BYTES], bytes);
}

void
ks_db_stats(const struct ks *ks, unsigned db, struct ks_db_stats *out)
{
    struct ks *lockable = (struct ks *)(uintptr_t)ks;
    int64_t items, expires;
    unsigned home;

    ASSERT(db < KS_DATABASES);
    word_lock(&lockable->threads_lock);
    home = LOAD(&ks->mapping.home[db]);
    items = ks->base_items[home];
    expires = ks->base_expires[home];
    for (const struct ks_thread *t = ks->threads; t != NULL; t = t->next) {
        items += LOAD(&t->items[home]);
        expires += LOAD(&t->expires[home]);
    }
    word_unlock(&lockable->threads_lock);
    /* an item counted by one thread and removed by another, between */
    out->items = items > 0 ? (uint64_t)items : 0;
    out->expires = expires > 0 ? (uint64_t)expires : 0;
}

#define N_METRICS (sizeof(struct ks_metrics) / sizeof(uint64_t))

void
ks_metrics(const struct ks *ks, struct ks_metrics *sum)
{
    struct ks *lockable = (struct ks *)(uintptr_t)ks;
    uint64_t steps = LOAD(&lockable->index.grow_steps);

    word_lock(&lockable->threads_lock);
    memcpy(sum, &ks->base, sizeof(*sum));
    for (const struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        metrics_sum((uint64_t *)sum, &t->metrics, N_METRICS);
    word_unlock(&lockable->threads_lock);
    METRIC_ADD(sum, grow_steps, steps);
}

void
ks_metrics_reset(struct ks *ks)
{
    struct ks_metrics now;
    uint64_t *base = (uint64_t *)&ks->base;
    uint64_t *sum = (uint64_t *)&now;

    ks_metrics(ks, &now);
    word_lock(&ks->threads_lock);
    for (size_t i = 0; i < N_METRICS; i++)
        base[i] -= sum[i]; /* modulo 2^64 */
    word_unlock(&ks->threads_lock);
    namespaces_reset(ks);
}

void
ks_memory(struct ks *ks, struct ks_memory *out)
{
    const struct index *ix = &ks->index;
    size_t living;

    memset(out, 0, sizeof(*out));
    out->index_bytes = LOAD(&ix->touched_bytes);
    for (unsigned i = 0; i < N_PARTITIONS; i++)
        out->index_lines += LOAD(&ix->partition[i].n_new);
    out->index_slots = out->index_lines * LINE_SLOTS;
    for (unsigned db = 0; db < ks->n_databases; db++) {
        struct ks_db_stats s;

        ks_db_stats(ks, db, &s);
        out->items += s.items;
    }
    out->fixed_bytes = ks->fixed_bytes;
    out->templates = templates_count(ks->templates);
    out->template_bytes = templates_bytes(ks->templates);
    out->namespace_bytes = namespaces_bytes(&ks->namespaces);
    word_lock(&ks->threads_lock);
    for (const struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        out->namespace_bytes += ns_counts_bytes(&ks->namespaces);
    word_unlock(&ks->threads_lock);
    namespaces_items(ks, &living, &out->dead_bytes);
    out->item_bytes = living + out->dead_bytes;
}
