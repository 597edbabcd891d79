/* SPDX-License-Identifier: BSD-3-Clause */
/* watch.c - whether a key has changed since somebody began to watch it.
 *
 * Each watch is an entry of its own in a table beside the key's partition,
 * under the partition's lock. Whoever changes an item holds that lock anyway,
 * and sees in the same cache line that nobody watches. A change marks the
 * watches of the key, by name, and takes them out of the table: the next
 * change has nothing to do. Where a key leads may change (space.c): then all
 * watches that are still in a table follow theirs. Any thread.
 */
#include "keyspace/internal.h"

#include <stdlib.h>

#define WATCH_BUCKETS 64

struct ks_watch {
    struct ks_watch *next, **link; /* [lock] link NULL: not in the table */
    uint64_t expire_ms; /* [immutable] of the item when the watch began */
    uint64_t hash;      /* [lock], all locks to change */
    uint32_t db;        /* [immutable] */
    uint32_t name_len;  /* [immutable] */
    bool was_there;     /* [immutable] and had not expired */
    bool changed;       /* [lock] */
    char name[];        /* [immutable] */
};

struct watch_table {
    struct ks_watch *bucket[WATCH_BUCKETS];
};

static struct ks_watch **
bucket_of(const struct partition *p, uint64_t hash)
{
    return &p->watches->bucket[hash % WATCH_BUCKETS];
}

static struct str
name_of(const struct ks_watch *w)
{
    return (struct str){w->name, w->name_len};
}

struct ks_key
ks_watch_key(const struct ks *ks, const struct ks_watch *w)
{
    return ks_key(ks, w->db, name_of(w));
}

size_t
ks_watch_bytes(const struct ks_watch *w)
{
    return sizeof(*w) + w->name_len;
}

/* [lock] */
static void
link_watch(struct partition *p, struct ks_watch *w)
{
    struct ks_watch **first = bucket_of(p, w->hash);

    w->next = *first;
    w->link = first;
    if (w->next != NULL)
        w->next->link = &w->next;
    *first = w;
    p->n_watches++;
}

/* [lock] */
static void
unlink_watch(struct partition *p, struct ks_watch *w)
{
    *w->link = w->next;
    if (w->next != NULL)
        w->next->link = w->link;
    w->link = NULL;
    p->n_watches--;
}

/* [lock] */
static void
note_item(struct ks_thread *t, const struct ks_key *key, struct ks_watch *w)
{
    struct index_place place;
    struct item_view v;
    uint64_t now_ms = clock_wall_ms();
    uint32_t handle = index_find(&t->ks->index, key, &place);

    w->expire_ms = KS_NO_EXPIRY;
    if (handle == 0 || !item_read(slab_ptr(t->slab, handle), now_ms, &v) ||
        item_is_over(t, &v, now_ms))
        return;
    w->was_there = true;
    w->expire_ms = v.expire_ms;
}

struct ks_watch *
ks_watch(struct ks_thread *t, const struct ks_key *wanted)
{
    struct ks_key key = *wanted;
    struct watch_table *table = xcalloc(1, sizeof(*table));
    struct ks_watch *w = xcalloc(1, sizeof(*w) + key.name.len);
    struct partition *p;
    unsigned number;

    w->db = key.db;
    w->name_len = (uint32_t)key.name.len;
    if (key.name.len > 0)
        memcpy(w->name, key.name.p, key.name.len);
    number = ks_enter_key(t, &key);
    p = &t->ks->index.partition[number];
    w->hash = key.hash;
    if (p->watches == NULL) {
        p->watches = table;
        table = NULL;
    }
    note_item(t, &key, w);
    link_watch(p, w);
    ks_leave(t, number);
    free(table);
    return w;
}

bool
ks_watch_changed(struct ks_thread *t, const struct ks_watch *w)
{
    struct ks_key key = ks_watch_key(t->ks, w);
    unsigned number = ks_enter_key(t, &key);
    bool changed = w->changed || w->expire_ms <= clock_wall_ms();

    ks_leave(t, number);
    return changed;
}

void
ks_unwatch(struct ks *ks, struct ks_watch *w)
{
    struct ks_key key = ks_watch_key(ks, w);
    struct partition *p;

    for (;;) {
        p = &ks->index.partition[index_partition(key.hash)];
        partition_lock(p);
        if (key_is_current(ks, &key))
            break;
        partition_unlock(p);
        key_renew(ks, &key);
    }
    if (w->link != NULL)
        unlink_watch(p, w);
    partition_unlock(p);
    free(w);
}

/* An item that goes because its time has come is a change only for those who
 * saw it before: the thread that removes it may have a later clock than the
 * one that asks. */
void
watch_mark(struct ks_thread *t, uint64_t hash, struct str name,
    enum watch_event event)
{
    struct partition *p = &t->ks->index.partition[index_partition(hash)];
    struct ks_watch *next;

    for (struct ks_watch *w = *bucket_of(p, hash); w != NULL; w = next) {
        next = w->next;
        if (w->hash != hash || !str_eq(name_of(w), name) ||
            (event == WATCH_EXPIRED && !w->was_there))
            continue;
        w->changed = true;
        unlink_watch(p, w);
    }
}

/* ---- all watches --------------------------------------------------------- */

/* Call fn for each watch of each table, under all locks; it may take the watch
 * out. */
static void
each_watch(struct ks *ks, void (*fn)(struct partition *p, struct ks_watch *w,
    void *ctx), void *ctx)
{
    for (unsigned i = 0; i < N_PARTITIONS; i++) {
        struct partition *p = &ks->index.partition[i];

        for (unsigned b = 0; p->n_watches != 0 && b < WATCH_BUCKETS; b++) {
            struct ks_watch *next;

            for (struct ks_watch *w = p->watches->bucket[b]; w; w = next) {
                next = w->next;
                fn(p, w, ctx);
            }
        }
    }
}

struct marking {
    watch_changed_fn changed;
    void *ctx;
};

static void
mark_if_changed(struct partition *p, struct ks_watch *w, void *ctx)
{
    const struct marking *m = ctx;
    struct ks_key key = {.name = name_of(w), .db = w->db};

    if (!m->changed(m->ctx, &key, w->was_there))
        return;
    w->changed = true;
    unlink_watch(p, w);
}

void
watch_mark_all(struct ks_thread *t, watch_changed_fn changed, void *ctx)
{
    struct marking m = {changed, ctx};

    each_watch(t->ks, mark_if_changed, &m);
}

/* Take every watch out, then put all back: none is met twice. */
static void
take_out(struct partition *p, struct ks_watch *w, void *ctx)
{
    struct ks_watch **all = ctx;

    unlink_watch(p, w);
    w->next = *all;
    *all = w;
}

void
watch_follow(struct ks_thread *t)
{
    struct ks_watch *all = NULL, *next;

    each_watch(t->ks, take_out, &all);
    for (struct ks_watch *w = all; w != NULL; w = next) {
        struct ks_key key = ks_watch_key(t->ks, w);
        struct partition *p =
            &t->ks->index.partition[index_partition(key.hash)];

        next = w->next;
        if (p->watches == NULL)
            p->watches = xcalloc(1, sizeof(*p->watches));
        w->hash = key.hash;
        link_watch(p, w);
    }
}

void
watch_free(struct ks *ks)
{
    for (unsigned i = 0; i < N_PARTITIONS; i++) {
        ASSERT(ks->index.partition[i].n_watches == 0);
        free(ks->index.partition[i].watches);
    }
}
