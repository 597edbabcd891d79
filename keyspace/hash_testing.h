/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_testing.h - a keyspace and shorthand for the tests of hashes. */
#pragma once

#include "keyspace/testing.h"

#define NOW ((uint64_t)1800000000000)

static struct fixture f;

static inline void
set_up(void)
{
    clock_fake(NOW);
    fixture_open(&f, 64 * MIB);
}

static inline void
tear_down(void)
{
    fixture_close(&f);
    clock_unfake();
}

static inline struct hash_edit *
open_edit(const char *name, enum hash_need need, size_t n, size_t bytes)
{
    struct ks_key key = key_of(&f, name);
    struct hash_edit *e;

    ck_assert_int_eq(hash_edit(f.t, &key, need, n, bytes, &e), KS_OK);
    return e;
}

static inline struct hash_change
close_edit(struct hash_edit *e)
{
    struct hash_change what;

    ck_assert_int_eq(hash_edit_end(e, &what), KS_OK);
    return what;
}

static inline bool
hset(const char *name, const char *field, const char *value)
{
    struct hash_edit *e =
        open_edit(name, HASH_CREATE, 1, strlen(field) + strlen(value));
    bool added = hash_edit_set(e, str_of(field), str_of(value), KS_NO_EXPIRY);

    close_edit(e);
    return added;
}

static inline void
assert_field(const char *name, const char *field, const char *want)
{
    struct ks_key key = key_of(&f, name);
    struct read_back r = {{0}};
    struct ks_info info;
    enum ks_status status =
        hash_get(f.t, &key, KS_READ, str_of(field), place_in_buf, &r, &info);

    if (want == NULL) {
        ck_assert_int_eq(status, KS_MISS);
    } else {
        ck_assert_int_eq(status, KS_OK);
        ck_assert_uint_eq(info.value_len, strlen(want));
        ck_assert_mem_eq(info.value, want, info.value_len);
        if (info.value_extent != 0)
            extent_unpin(f.slab, info.value_extent);
    }
    buf_free(&r.buf);
}

static inline uint64_t
count_of(const char *name)
{
    struct ks_key key = key_of(&f, name);
    uint64_t n = 0;

    (void)hash_count(f.t, &key, KS_READ, &n);
    return n;
}

static inline bool
is_compact(const char *name)
{
    struct ks_key key = key_of(&f, name);
    struct hash_reader *r;
    bool compact;

    ck_assert_int_eq(hash_open(f.t, &key, KS_PEEK, &r), KS_OK);
    compact = hash_reader_is_compact(r);
    hash_close(r);
    return compact;
}

/* Fields f:FROM: to f:TO:, without the last. */
static inline void
set_numbered(const char *name, unsigned from, unsigned to)
{
    char field[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(field, sizeof(field), "f:%u:", i);
        (void)hset(name, field, "value");
    }
}

static inline void
delete_numbered(const char *name, unsigned from, unsigned to)
{
    struct hash_edit *e = open_edit(name, HASH_MUST_EXIST, 0, 0);
    char field[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(field, sizeof(field), "f:%u:", i);
        ck_assert(hash_edit_delete(e, str_of(field)));
    }
    close_edit(e);
}

static inline void
maintain(void)
{
    for (int i = 0; i < 1000 && ks_maintain(f.t); i++)
        ;
}
