/* SPDX-License-Identifier: BSD-3-Clause */
/* testing.h - a keyspace on a slab of its own, for the tests of keyspace/. */
#pragma once

#include "base/testing.h"
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct slab *slab;
    struct keyspace_options options;
    struct ks *ks;
    struct ks_thread *t;
};

static inline void
fixture_open_with(struct fixture *f, size_t limit_bytes,
    const struct keyspace_options *options)
{
    struct slab_config slab = {.limit_bytes = limit_bytes,
        .backing = SLAB_MEMFD};
    struct ks_config cfg = {.n_databases = KS_DATABASES};
    struct buf err = {0};

    memset(f, 0, sizeof(*f));
    f->slab = slab_new(&slab, &err);
    ck_assert_msg(f->slab != NULL, "%.*s", (int)err.len, err.p);
    f->options = *options;
    cfg.slab = f->slab;
    cfg.options = &f->options;
    hash_seed_random(&cfg.seed);
    f->ks = ks_new(&cfg, &err);
    ck_assert_msg(f->ks != NULL, "%.*s", (int)err.len, err.p);
    f->t = ks_thread_new(f->ks);
    buf_free(&err);
}

static inline void
fixture_open(struct fixture *f, size_t limit_bytes)
{
    const struct keyspace_options options = {
        .maxmemory_policy = KS_ALLKEYS_LRU, .eviction_weight = 2,
        .large_value_threshold = 16384, .key_interning = 1,
        .namespace_delimiter = (char *)(uintptr_t)":",
        .max_namespaces = 1024};

    fixture_open_with(f, limit_bytes, &options);
}

/* Everything given back: the slab must be as empty as when it was made. */
static inline void
fixture_close(struct fixture *f)
{
    struct slab_stats s;

    ks_flush(f->t, KS_ALL_DBS);
    ks_reclaim(f->t);
    ks_thread_free(f->t);
    ks_free(f->ks);
    slab_stats(f->slab, &s);
    ck_assert_uint_eq(s.chunk_live_bytes, s.magazine_bytes);
    ck_assert_uint_eq(s.extents_live, 0);
    slab_free(f->slab);
}

static inline struct ks_key
key_of(struct fixture *f, const char *name)
{
    return ks_key(f->ks, 0, str_of(name));
}

/* The same after the prefetch that precedes a command. */
static inline struct ks_key
key_found_ahead(struct fixture *f, const char *name)
{
    struct ks_key key = key_of(f, name);

    ks_prefetch_lines(f->ks, &key, 1);
    ks_prefetch_items(f->ks, &key, 1);
    return key;
}

struct read_back {
    struct buf buf;
};

static inline char *
place_in_buf(void *ctx, size_t len)
{
    struct read_back *r = ctx;

    r->buf.len = 0;
    return buf_reserve(&r->buf, len + 1);
}

/* The value of a key in r->buf; false when there is none. */
static inline bool
read_value(struct fixture *f, struct ks_thread *t, const struct ks_key *key,
    struct read_back *r)
{
    struct ks_info info;

    if (ks_get(t, key, KS_READ, place_in_buf, r, &info) != KS_OK)
        return false;
    if (info.value_extent != 0) {
        r->buf.len = 0;
        buf_append(&r->buf, info.value, info.value_len);
        extent_unpin(f->slab, info.value_extent);
    } else {
        r->buf.len = info.value_len;
    }
    buf_reserve(&r->buf, 1)[0] = '\0';
    return true;
}

/* For millions of calls: each assertion of libcheck that holds is written to a
 * file, so those of it stand only where something is wrong. */
static inline void
assert_value(struct fixture *f, const char *name, const char *want)
{
    struct ks_key key = key_of(f, name);
    struct read_back r = {{0}};
    bool there = read_value(f, f->t, &key, &r);

    if (there && want == NULL)
        ck_abort_msg("%s is there", name);
    if (!there && want != NULL)
        ck_abort_msg("%s is missing", name);
    if (there && strcmp(r.buf.p, want) != 0)
        ck_abort_msg("%s is %s and not %s", name, r.buf.p, want);
    buf_free(&r.buf);
}

static inline void
set(struct fixture *f, const char *name, const char *value)
{
    struct ks_key key = key_of(f, name);

    if (ks_set(f->t, &key, str_of(value), KS_NO_EXPIRY) != KS_OK)
        ck_abort_msg("%s is not stored", name);
}
