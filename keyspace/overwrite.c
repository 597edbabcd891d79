/* SPDX-License-Identifier: BSD-3-Clause */
/* overwrite.c - another value in the chunk of the one there is.
 *
 * Most values that are written replace one that takes as much room. Then
 * nothing is packed, allocated, swapped or freed: the bytes go where the old
 * ones are, in an odd version of the index line. A reader that copies them
 * meanwhile throws away what it saw, as it does of a chunk that is reused; who
 * comes by a page only peeks (item_peek()) and looks again under the lock of
 * the partition, which is held here.
 *
 * Any thread.
 */
#include "keyspace/internal.h"

/* Readers of the line wait while a value is copied. Longer ones are built apart
 * and take their place in one moment. */
#define OVERWRITE_MAX ((size_t)2 * KIB)

/* So many overwrites per one that stores the item anew, so that the key may get
 * the template that it has by now. Without one there is more to be gained, and
 * this is also how templates are learned. */
#define RENEW_PACKED 64
#define RENEW_RAW 4

static bool
is_to_be_renewed(struct ks_thread *t, const struct item_view *v)
{
    if (likely(v->id >= TEMPLATE_FIRST_ID))
        return next_random(t) % RENEW_PACKED == 0;
    return template_may_fit(v->stored) && next_random(t) % RENEW_RAW == 0 &&
        __atomic_load_n(&t->ks->options->key_interning, __ATOMIC_RELAXED);
}

/* Whether it would be an extent, or is long to copy. */
static bool
is_long(const struct ks_thread *t, size_t len)
{
    return len > OVERWRITE_MAX ||
        len > (size_t)t->ks->options->large_value_threshold;
}

/* With noeviction a full cache takes no values at all. */
static bool
refuses_values(const struct ks_thread *t)
{
    int64_t policy =
        __atomic_load_n(&t->ks->options->maxmemory_policy, __ATOMIC_RELAXED);

    return unlikely(policy == KS_NOEVICTION) && ks_refuses_values(t);
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

/* Under the partition's lock. */
static bool
overwrite_item(struct ks_thread *t, const struct ks_key *key, uint32_t handle,
    const struct item_view *v, struct index_line *line, struct str value,
    uint64_t expire_ms)
{
    size_t size = v->size - v->value_len + value.len;
    struct slab_mark mark = slab_mark(t->slab, handle);

    if (!slab_refit(t->slab, handle, &mark, size))
        return false;
    index_write_begin(line);
    item_put_value(slab_ptr(t->slab, handle), v, value, expire_ms);
    index_write_end(line);
    mark_overwritten(t, &mark);
    count_overwritten(t, key, (int64_t)size - (int64_t)v->size);
    return true;
}

bool
set_in_place(struct ks_thread *t, const struct ks_key *key, struct str value,
    uint64_t expire_ms)
{
    unsigned p = index_partition(key->hash);
    uint64_t now_ms = clock_wall_ms();
    struct index_place place;
    struct item_view v;
    uint32_t handle = 0;
    bool done;

    if (is_long(t, value.len) || refuses_values(t))
        return false;
    ks_enter(t, p);
    if (key_is_current(t->ks, key))
        handle = index_find_item(&t->ks->index, key, now_ms, &place, &v);
    done = handle != 0 && item_takes_value(&v, expire_ms, now_ms) &&
        !item_expired(&v, now_ms) && !is_to_be_renewed(t, &v) &&
        overwrite_item(t, key, handle, &v, place.line, value, expire_ms);
    ks_leave(t, p);
    if (done && expire_ms != KS_NO_EXPIRY)
        due_note(t, handle, expire_ms);
    return done;
}
