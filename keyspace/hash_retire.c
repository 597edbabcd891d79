/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_retire.c - giving up the shapes that no hash has any more.
 *
 * Nobody counts the items of a shape. When shapes are wanted and there is no
 * room, the maintenance thread walks over all items, and who builds an item
 * marks its shape meanwhile; what is unmarked at the end, under all locks, has
 * no item. Nobody can find it from then on. Readers may still look at the
 * record: it is freed a second later at the earliest, when no thread is within
 * a visit (hash_enter()) any more in which it was then.
 */
#include "keyspace/hash_shapes.h"

#define GRACE_US 1000000
#define WALK_PERIOD_US 10000000

/* Mark the shapes of the items in `n` lines, under the partition's lock. */
static void
mark_lines(struct ks_thread *t, unsigned partition, uint32_t from, uint32_t n)
{
    struct index_line *line =
        partition_line(&t->ks->index.partition[partition], from);
    uint64_t now_ms = clock_wall_ms();

    for (; n > 0; n--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle =
                atomic_load_explicit(&line->handle[slot], memory_order_relaxed);
            struct item_view v;

            if (handle != 0 &&
                item_read(slab_ptr(t->slab, handle), now_ms, &v) &&
                item_kind(v.header) == ITEM_HASH && v.extent == 0)
                hash_shape_use(t->ks->shapes, v.value, v.value_len);
        }
    }
}

static void
drop_slot(struct hash_shapes *hs, const struct hash_shape *s)
{
    for (uint64_t at = s->hash;; at++) {
        uint32_t slot = atomic_load_explicit(
            &hs->slot[at % TABLE_SLOTS], memory_order_relaxed);

        if (slot != DROPPED && (slot & 0xffff) == s->id + 2) {
            atomic_store_explicit(
                &hs->slot[at % TABLE_SLOTS], DROPPED, memory_order_relaxed);
            return;
        }
    }
}

/* What was dropped before a slot that ends every search needs no place. */
static void
clear_dropped(struct hash_shapes *hs)
{
    for (uint32_t i = 2 * TABLE_SLOTS; i-- > 0;)
        if (hs->slot[i % TABLE_SLOTS] == DROPPED &&
            hs->slot[(i + 1) % TABLE_SLOTS] == 0)
            atomic_store_explicit(
                &hs->slot[i % TABLE_SLOTS], 0, memory_order_relaxed);
}

/* Take the shapes that no item has out of the tables. Under all partition
 * locks: nobody has found one and not yet published its item. */
static void
retire_unused(struct hash_shapes *hs)
{
    lock_shapes(hs);
    for (uint32_t id = 0; id < hs->n_used_ids; id++) {
        struct hash_shape *s = hs->by_id[id];

        if (s == NULL || atomic_load_explicit(&s->used, memory_order_relaxed))
            continue;
        drop_slot(hs, s);
        atomic_store_explicit(&hs->by_id[id], NULL, memory_order_relaxed);
        hs->retired[hs->n_retired++] = s;
        atomic_fetch_sub_explicit(&hs->n_shapes, 1, memory_order_relaxed);
    }
    clear_dropped(hs);
    unlock_shapes(hs);
}

static uint64_t
visits_of(const struct ks_thread *t)
{
    /* acquire: pairs with hash_leave(); what the visit looked at may be freed */
    return atomic_load_explicit(&t->hash_visits, memory_order_acquire);
}

/* Note within which visit to a hash each thread is. */
static void
note_visits(struct ks *ks)
{
    word_lock(&ks->threads_lock);
    for (struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        t->hash_visit_seen = visits_of(t);
    word_unlock(&ks->threads_lock);
}

static bool
visits_are_over(struct ks *ks)
{
    bool over = true;

    word_lock(&ks->threads_lock);
    for (struct ks_thread *t = ks->threads; t != NULL; t = t->next)
        over &= t->hash_visit_seen % 2 == 0 ||
            visits_of(t) != t->hash_visit_seen;
    word_unlock(&ks->threads_lock);
    return over;
}

static void
free_retired(struct ks *ks)
{
    struct hash_shapes *hs = ks->shapes;

    if (clock_mono_us() < hs->retired_us + GRACE_US)
        return;
    if (!hs->visits_noted) /* not before: a visit may begin unseen at first */
        note_visits(ks);
    hs->visits_noted = true;
    if (!visits_are_over(ks))
        return;
    lock_shapes(hs);
    for (uint32_t i = 0; i < hs->n_retired; i++) {
        hs->free_id[hs->n_free++] = (uint16_t)hs->retired[i]->id;
        hash_shape_free(hs, hs->retired[i]);
    }
    hs->n_retired = 0;
    unlock_shapes(hs);
}

static void
begin_walk(struct hash_shapes *hs)
{
    atomic_store_explicit(&hs->wanted, false, memory_order_relaxed);
    hs->walked_us = clock_mono_us();
    hs->walk = (struct reclaim){.active = true};
    lock_shapes(hs);
    for (uint32_t id = 0; id < hs->n_used_ids; id++)
        if (hs->by_id[id] != NULL)
            atomic_store_explicit(
                &hs->by_id[id]->used, false, memory_order_relaxed);
    unlock_shapes(hs);
}

static void
end_walk(struct ks_thread *t)
{
    struct hash_shapes *hs = t->ks->shapes;

    hs->walk.active = false;
    ks_lock_all(t);
    retire_unused(hs);
    ks_unlock(t);
    hs->retired_us = clock_mono_us();
    hs->visits_noted = false;
}

bool
hash_shapes_maintain(struct ks_thread *t)
{
    struct hash_shapes *hs = t->ks->shapes;

    if (hs->n_retired > 0) {
        free_retired(t->ks);
        return false;
    }
    if (!hs->walk.active) {
        if (!atomic_load_explicit(&hs->wanted, memory_order_relaxed) ||
            (hs->walked_us != 0 &&
                clock_mono_us() < hs->walked_us + WALK_PERIOD_US))
            return false;
        begin_walk(hs);
    }
    for (unsigned i = 0; i < 16 && hs->walk.partition < N_PARTITIONS; i++)
        reclaim_walk_lines(t, &hs->walk, mark_lines);
    if (hs->walk.partition == N_PARTITIONS)
        end_walk(t);
    return hs->walk.active;
}
