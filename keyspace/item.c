/* SPDX-License-Identifier: BSD-3-Clause */
/* item.c - the layout of an item in its chunk: build, take apart, change the
 * expiry.
 *
 * The layout is drawn in internal.h. Any thread may take any chunk apart, also
 * one that is being reused: lengths are clamped, and the caller validates what
 * it saw by the line version (index.c). Knows no index.
 */
#include "keyspace/internal.h"

#define SHORT_EXPIRY_MAX ((uint64_t)INT32_MAX) /* ms ahead: 24.8 days */

static bool
fits_short_expiry(uint64_t expire_ms, uint64_t now_ms)
{
    return expire_ms < now_ms + SHORT_EXPIRY_MAX &&
        expire_ms + SHORT_EXPIRY_MAX > now_ms;
}

static bool
needs_extension(const struct item_shape *s, uint64_t now_ms)
{
    if (s->key.len >= ITEM_KLEN_LONG)
        return true;
    return s->expire_ms != KS_NO_EXPIRY &&
        !fits_short_expiry(s->expire_ms, now_ms);
}

static uint32_t
header_of(const struct item_shape *s, uint64_t now_ms)
{
    uint32_t kind = s->is_hash ? ITEM_HASH
        : s->raw ? ITEM_STRING_RAW : ITEM_STRING;
    uint32_t h = kind << ITEM_KIND_SHIFT;

    if (s->extent)
        h |= ITEM_IS_EXTENT;
    else
        h |= (uint32_t)s->value_len;
    if (s->version != 0)
        h |= ITEM_HAS_VERSION;
    if (s->id != 0)
        h |= ITEM_HAS_ID;
    if (needs_extension(s, now_ms))
        return h | ITEM_HAS_EXTENSION |
            (uint32_t)ITEM_KLEN_LONG << ITEM_KLEN_SHIFT;
    if (s->expire_ms != KS_NO_EXPIRY)
        h |= ITEM_HAS_EXPIRY;
    return h | (uint32_t)s->key.len << ITEM_KLEN_SHIFT;
}

size_t
item_size(const struct item_shape *s, uint64_t now_ms)
{
    uint32_t header = header_of(s, now_ms);
    size_t size = 4 + s->key.len;

    size += s->extent ? sizeof(struct item_extent_ref) : s->value_len;
    if (header & ITEM_HAS_EXPIRY)
        size += 4;
    if (header & ITEM_HAS_EXTENSION)
        size += sizeof(struct item_extension);
    if (header & ITEM_HAS_VERSION)
        size += sizeof(s->version);
    if (header & ITEM_HAS_ID)
        size += 2;
    return size;
}

char *
item_build(void *chunk, const struct item_shape *s, uint64_t now_ms)
{
    char *at = (char *)chunk + 4;
    uint32_t header = header_of(s, now_ms);

    if (header & ITEM_HAS_EXPIRY) {
        uint32_t low = (uint32_t)s->expire_ms;

        memcpy(at, &low, 4);
        at += 4;
    }
    if (header & ITEM_HAS_EXTENSION) {
        struct item_extension e = {s->expire_ms, (uint32_t)s->key.len, 0};

        memcpy(at, &e, sizeof(e));
        at += sizeof(e);
    }
    if (header & ITEM_HAS_VERSION) {
        memcpy(at, &s->version, sizeof(s->version));
        at += sizeof(s->version);
    }
    if (header & ITEM_HAS_ID) {
        uint16_t id = (uint16_t)s->id;

        memcpy(at, &id, 2);
        at += 2;
    }
    if (s->key.len > 0)
        memcpy(at, s->key.p, s->key.len);
    at += s->key.len;
    __atomic_store_n((uint32_t *)chunk, header, __ATOMIC_RELAXED);
    if (!s->extent)
        return at;

    struct item_extent_ref ref = {s->extent, (uint32_t)s->value_len};

    memcpy(at, &ref, sizeof(ref));
    return NULL;
}

bool
item_takes_value(const struct item_view *v, uint64_t expire_ms,
    uint64_t now_ms)
{
    bool expires = expire_ms != KS_NO_EXPIRY;

    if (v->header & (ITEM_IS_EXTENT | ITEM_HAS_EXTENSION | ITEM_HAS_VERSION) ||
        item_kind(v->header) != ITEM_STRING ||
        expires != ((v->header & ITEM_HAS_EXPIRY) != 0))
        return false;
    return !expires || fits_short_expiry(expire_ms, now_ms);
}

void
item_put_value(void *chunk, const struct item_view *v, struct str value,
    uint64_t expire_ms)
{
    const uint32_t len_mask = (1u << ITEM_VLEN_BITS) - 1;
    char *to = (char *)chunk + (v->value - (const char *)chunk);

    __atomic_store_n((uint32_t *)chunk,
        (v->header & ~len_mask) | (uint32_t)value.len, __ATOMIC_RELAXED);
    if (v->header & ITEM_HAS_EXPIRY)
        __atomic_store_n((uint32_t *)chunk + 1, (uint32_t)expire_ms,
            __ATOMIC_RELAXED);
    memcpy(to, value.p, value.len);
}

void
item_put_part(void *chunk, const struct item_view *v,
    const struct overwritten_part *part)
{
    char *at = (char *)chunk + (part->was.p - (const char *)chunk);
    const char *rest = part->was.p + part->was.len;
    size_t left = (size_t)(v->value + v->value_len - rest);

    if (part->now.len != part->was.len) {
        __atomic_store_n((uint32_t *)chunk,
            v->header + (uint32_t)part->now.len - (uint32_t)part->was.len,
            __ATOMIC_RELAXED);
        memmove(at + part->now.len, rest, left);
    }
    *((char *)chunk + (part->head - (const char *)chunk)) =
        (char)part->new_head;
    memcpy(at, part->now.p, part->now.len);
}

void
item_put_extent(
    void *chunk, const struct item_view *v, uint32_t extent, size_t len)
{
    struct item_extent_ref ref = {extent, (uint32_t)len};

    ASSERT(v->header & ITEM_IS_EXTENT);
    memcpy((char *)chunk + (v->value - (const char *)chunk), &ref, sizeof(ref));
}

static uint64_t
whole_expiry(uint32_t low, uint64_t now_ms)
{
    int32_t ahead = (int32_t)(low - (uint32_t)now_ms);

    return now_ms + (uint64_t)(int64_t)ahead;
}

/* The fields before the key; returns what follows them. */
static inline const char *
read_fields(const char *at, uint64_t now_ms, struct item_view *v)
{
    if (v->header & ITEM_HAS_EXPIRY) {
        uint32_t low = __atomic_load_n((const uint32_t *)(const void *)at,
            __ATOMIC_RELAXED);

        v->expire_ms = whole_expiry(low, now_ms);
        at += 4;
    }
    if (v->header & ITEM_HAS_EXTENSION) {
        struct item_extension e;

        memcpy(&e, at, sizeof(e));
        at += sizeof(e);
        v->expire_ms = e.expire_ms;
        v->stored.len = MIN((size_t)e.key_len, KS_MAX_KEY);
    }
    if (unlikely(v->header & ITEM_HAS_VERSION)) {
        memcpy(&v->version, at, sizeof(v->version));
        at += sizeof(v->version);
    }
    if (v->header & ITEM_HAS_ID) {
        uint16_t id;

        memcpy(&id, at, sizeof(id));
        v->id = id;
        at += sizeof(id);
    }
    return at;
}

/* The value, or where it is; returns the end of the item. */
static inline const char *
read_value(const char *at, struct item_view *v)
{
    struct item_extent_ref ref;

    v->value = at;
    if (!(v->header & ITEM_IS_EXTENT))
        return at + v->value_len;
    memcpy(&ref, at, sizeof(ref));
    v->extent = ref.extent;
    v->value_len = ref.len;
    return at + sizeof(ref);
}

bool
item_read(const void *chunk, uint64_t now_ms, struct item_view *v)
{
    const char *at = (const char *)chunk + 4;
    uint32_t h = __atomic_load_n((const uint32_t *)chunk, __ATOMIC_RELAXED);

    if (h == 0)
        return false;
    v->header = h;
    v->id = 0;
    v->expire_ms = KS_NO_EXPIRY;
    v->version = 0;
    v->stored.len = (h >> ITEM_KLEN_SHIFT) & 0xff;
    v->value_len = h & ((1u << ITEM_VLEN_BITS) - 1);
    v->extent = 0;
    at = read_fields(at, now_ms, v);
    v->stored.p = at;
    at = read_value(at + v->stored.len, v);
    v->size = (uint32_t)(at - (const char *)chunk);
    return v->size <= SLAB_MAX_CHUNK && v->id < ITEM_IDS;
}

bool
item_set_expiry(void *chunk, uint64_t expire_ms, uint64_t now_ms)
{
    uint32_t h = __atomic_load_n((const uint32_t *)chunk, __ATOMIC_RELAXED);
    char *at = (char *)chunk + 4;

    if (h & ITEM_HAS_EXTENSION) {
        memcpy(at, &expire_ms, sizeof(expire_ms));
        return true;
    }
    if (!(h & ITEM_HAS_EXPIRY) || expire_ms == KS_NO_EXPIRY ||
        !fits_short_expiry(expire_ms, now_ms))
        return false;
    __atomic_store_n((uint32_t *)(void *)at, (uint32_t)expire_ms,
        __ATOMIC_RELAXED);
    return true;
}

/* A copy that ThreadSanitizer does not see: the words may be changing. */
__attribute__((no_sanitize("thread"), noinline)) static void
racy_copy(char *to, const char *from, size_t len)
{
    const volatile uint64_t *words = (const volatile uint64_t *)(const void *)
        from;
    size_t n = (len + 7) / 8; /* chunks are multiples of 8 bytes */

    for (size_t i = 0; i < n; i++) {
        uint64_t w = words[i];

        __builtin_memcpy(to + 8 * i, &w, 8);
    }
}

bool
item_peek(const void *chunk, uint64_t now_ms, struct item_copy *out)
{
    const size_t first = 40; /* all fields, short keys, the extent's number */
    size_t end;

    racy_copy(out->bytes, chunk, first);
    if (!item_read(out->bytes, now_ms, &out->view))
        return false;
    end = (size_t)(out->view.stored.p - out->bytes) + out->view.stored.len +
        sizeof(struct item_extent_ref);
    if (end <= first)
        return true;
    racy_copy(out->bytes, chunk, end);
    return item_read(out->bytes, now_ms, &out->view);
}

bool
item_peek_expired(const void *chunk, uint64_t now_ms)
{
    uint32_t word[2];

    racy_copy((char *)word, chunk, sizeof(word));
    return (word[0] & ITEM_HAS_EXPIRY) &&
        whole_expiry(word[1], now_ms) <= now_ms;
}
