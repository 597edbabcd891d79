/* SPDX-License-Identifier: BSD-3-Clause */
/* watch.c - whether a key has changed since somebody began to watch it.
 *
 * Each watch is an entry of its own in a table beside the key's partition,
 * under the partition's lock. Whoever changes an item holds that lock anyway,
 * and sees in the same cache line that nobody watches. A change marks the
 * watches of the key, by name, and takes them out of the table: the next
 * change has nothing to do. Any thread.
 */
#include "keyspace/internal.h"

#include <stdlib.h>

#define WATCH_BUCKETS 64

struct ks_watch {
    struct ks_watch *next, **link; /* [lock] link NULL: not in the table */
    uint64_t expire_ms; /* [immutable] of the item when the watch began */
    uint64_t hash;      /* [immutable] */
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
ks_watch_key(const struct ks_watch *w)
{
    return (struct ks_key){name_of(w), w->hash, w->db};
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
    uint32_t handle =
        index_find(&t->ks->index, key->hash, key->name, key->db, &place);

    w->expire_ms = KS_NO_EXPIRY;
    if (handle == 0 || !item_read(slab_ptr(t->slab, handle), now_ms, &v) ||
        item_expired(&v, now_ms))
        return;
    w->was_there = true;
    w->expire_ms = v.expire_ms;
}

struct ks_watch *
ks_watch(struct ks_thread *t, const struct ks_key *key)
{
    unsigned number = index_partition(key->hash);
    struct partition *p = &t->ks->index.partition[number];
    struct watch_table *table = xcalloc(1, sizeof(*table));
    struct ks_watch *w = xcalloc(1, sizeof(*w) + key->name.len);

    w->hash = key->hash;
    w->db = key->db;
    w->name_len = (uint32_t)key->name.len;
    if (key->name.len > 0)
        memcpy(w->name, key->name.p, key->name.len);
    ks_enter(t, number);
    if (p->watches == NULL) {
        p->watches = table;
        table = NULL;
    }
    note_item(t, key, w);
    link_watch(p, w);
    ks_leave(t, number);
    free(table);
    return w;
}

bool
ks_watch_changed(struct ks_thread *t, const struct ks_watch *w)
{
    unsigned number = index_partition(w->hash);
    bool changed;

    ks_enter(t, number);
    changed = w->changed || w->expire_ms <= clock_wall_ms();
    ks_leave(t, number);
    return changed;
}

void
ks_unwatch(struct ks *ks, struct ks_watch *w)
{
    struct partition *p = &ks->index.partition[index_partition(w->hash)];

    partition_lock(p);
    if (w->link != NULL)
        unlink_watch(p, w);
    partition_unlock(p);
    free(w);
}

/* An item that goes because its time has come is a change only for those who
 * saw it before: the thread that removes it may have a later clock than the
 * one that asks. */
void
watch_mark(struct ks_thread *t, struct str name, uint32_t db,
    enum watch_event event)
{
    uint64_t hash = index_hash(&t->ks->seed, name, db);
    struct partition *p = &t->ks->index.partition[index_partition(hash)];
    struct ks_watch *next;

    for (struct ks_watch *w = *bucket_of(p, hash); w != NULL; w = next) {
        next = w->next;
        if (w->hash != hash || w->db != db || !str_eq(name_of(w), name) ||
            (event == WATCH_EXPIRED && !w->was_there))
            continue;
        w->changed = true;
        unlink_watch(p, w);
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
