/* SPDX-License-Identifier: BSD-3-Clause */
/* overwrite.c - another value in the chunk of the one there is.
 *
 * Most values that are written replace one that takes as much room. Then
 * nothing is packed, allocated, swapped or freed: the bytes go where the old
 * ones are, in an odd version of the index line. So it is with a field of a
 * compact hash. A reader that copies them
 * meanwhile throws away what it saw, as it does of a chunk that is reused; who
 * comes by a page only peeks (item_peek()) and looks again under the lock of
 * the partition, which is held here.
 *
 * Any thread.
 */
#include "keyspace/internal.h"

/* So many overwrites per one that stores the item anew, so that the key may get
 * the template that it has by now. Without one there is more to be gained, and
 * this is also how templates are learned. */
#define RENEW_PACKED 64
#define RENEW_RAW 4

/* Readers of the line wait while a value is copied over another. */
#define SHORT_VALUE ((size_t)2 * KIB)

bool
overwrite_may(
    const struct ks_thread *t, const struct ks_key *key, size_t value_len)
{
    const struct keyspace_options *o = t->ks->options;

    if (key->name.len + value_len > SHORT_VALUE ||
        value_len > (size_t)o->large_value_threshold)
        return false;
    /* then a full cache takes no values, also none of the same size */
    return likely(__atomic_load_n(&o->maxmemory_policy, __ATOMIC_RELAXED) !=
               KS_NOEVICTION) ||
        !ks_refuses_values(t);
}

bool
overwrite_renews(struct ks_thread *t, const struct item_view *v)
{
    if (likely(v->id >= TEMPLATE_FIRST_ID))
        return next_random(t) % RENEW_PACKED == 0;
    return template_may_fit(v->stored) && next_random(t) % RENEW_RAW == 0 &&
        __atomic_load_n(&t->ks->options->key_interning, __ATOMIC_RELAXED);
}

static void
count_overwritten(struct ks_thread *t, const struct ks_key *key, int64_t more)
{
    uint16_t ns = ns_of_write(t, key);

    if (more != 0)
        add_i64(&t->ns[ns].n[NS_BYTES], more);
    add_i64(&t->ns[ns].n[NS_SETS], 1);
    METRIC_INC(&t->metrics, replaces);
    event_note(t, KS_EVENT_CHANGED, key);
    watch_note(t, key, WATCH_CHANGED);
}

/* The mark of the item, which may be known from ahead. */
static inline struct slab_mark
mark_of(struct ks_thread *t, const struct ks_key *key, uint32_t handle)
{
    const struct ks_ahead *a = &key->ahead;

    return likely(ahead_holds(a) && a->handle == handle)
        ? a->mark
        : slab_mark(t->slab, handle);
}

bool
overwrite(struct ks_thread *t, const struct ks_key *key,
    const struct found_item *found, struct str value, uint64_t expire_ms,
    uint64_t now_ms)
{
    const struct item_view *v = &found->view;
    size_t size = v->size - v->value_len + value.len;
    struct slab_mark mark;

    if (!item_takes_value(v, expire_ms, now_ms) || item_expired(v, now_ms))
        return false;
    mark = mark_of(t, key, found->handle);
    if (!slab_refit(t->slab, found->handle, &mark, size))
        return false;
    index_write_begin(found->place.line);
    item_put_value(slab_ptr(t->slab, found->handle), v, value, expire_ms);
    index_write_end(found->place.line);
    mark_overwritten(t, &mark);
    count_overwritten(t, key, (int64_t)size - (int64_t)v->size);
    return true;
}

/* The chunk is told before the first byte more is written, and after the last
 * that is fewer was read. */
static void
put_part(struct ks_thread *t, const struct found_item *found,
    const struct overwritten_part *part, const struct slab_mark *mark,
    size_t size)
{
    struct slab *slab = t->slab;
    uint32_t was = found->view.size;

    if (size > was)
        ASSERT(slab_refit(slab, found->handle, mark, size));
    index_write_begin(found->place.line);
    item_put_part(slab_ptr(slab, found->handle), &found->view, part);
    index_write_end(found->place.line);
    if (size < was)
        ASSERT(slab_refit(slab, found->handle, mark, size));
}

bool
overwrite_part(struct ks_thread *t, const struct ks_key *key,
    const struct found_item *found, const struct overwritten_part *part)
{
    const struct item_view *v = &found->view;
    size_t size = v->size - part->was.len + part->now.len;
    struct slab_mark mark;

    if ((v->header & ITEM_HAS_VERSION) ||
        (uintptr_t)part->now.p - (uintptr_t)v->value < v->value_len)
        return false;
    mark = mark_of(t, key, found->handle);
    if (size != v->size && slab_class_of(t->slab, size) != mark.cls)
        return false;
    put_part(t, found, part, &mark, size);
    mark_overwritten(t, &mark);
    count_overwritten(t, key, (int64_t)size - (int64_t)v->size);
    return true;
}
