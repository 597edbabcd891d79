/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_overwrite.c - one field of a small hash gets another value where the old
 * one stands, without an edit.
 *
 * Most HSETs are that. The item is found, the field in it by its shape, and its
 * bytes are written, with the partition locked once and nothing set up. All
 * else is left to hash_edit(). Any thread.
 */
#include "keyspace/hash_edit.h"
#include "keyspace/hash_simple.h"

/* Whether the hash may have a value of `len` bytes in place of the field's. */
static bool
may_put(struct ks_thread *t, const struct ks_key *key,
    const struct item_view *v, const struct simple_field *at, size_t len)
{
    size_t now_len = v->value_len - at->len + len;

    if (now_len > HASH_COMPACT_BYTES ||
        !overwrite_may(t, key, MAX(now_len, v->value_len)))
        return false;
    if (likely(!overwrite_renews(t, v)))
        return true;
    t->hash->renews = true;
    return false;
}

/* Under the partition's lock. */
static bool
put_value(struct ks_thread *t, const struct ks_key *key,
    const struct found_item *found, struct str field, struct str value)
{
    const struct item_view *v = &found->view;
    struct packed now = packed_of(value);
    struct overwritten_part part;
    struct simple_field at;
    uint8_t head[HEAD_MAX];

    if (!simple_is(v->value, v->value_len) || head_size(&now) != 1 ||
        !simple_find(t->ks->shapes, v->value, v->value_len, field, &at) ||
        !may_put(t, key, v, &at, now.len))
        return false;
    (void)head_put(head, &now);
    part.head = (const char *)at.head;
    part.was = (struct str){(const char *)at.body, at.len};
    part.now = (struct str){packed_body(&now), now.len};
    part.new_head = head[0];
    return overwrite_part(t, key, found, &part);
}

bool
hash_overwrite(struct ks_thread *t, const struct ks_key *key, struct str field,
    struct str value)
{
    unsigned p = index_partition(key->hash);
    uint64_t now_ms = clock_wall_ms();
    struct found_item found;
    bool done = false;

    if (value.len > HASH_COMPACT_BYTES)
        return false;
    hash_enter(t);
    ks_enter(t, p);
    if (key_is_current(t->ks, key)) {
        found.handle = index_find_item(
            &t->ks->index, key, now_ms, &found.place, &found.view);
        done = found.handle != 0 && item_kind(found.view.header) == ITEM_HASH &&
            found.view.extent == 0 && !item_expired(&found.view, now_ms) &&
            put_value(t, key, &found, field, value);
    }
    ks_leave(t, p);
    hash_leave(t);
    if (done)
        tick_access(t);
    return done;
}
