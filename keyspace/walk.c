/* SPDX-License-Identifier: BSD-3-Clause */
/* walk.c - operations on many keys: SCAN, RANDOMKEY.
 *
 * A cursor is a position in hash order: 8 bits of partition, 40 of the rest,
 * so that it stays below 2^53 for clients that hold it in a double. As the
 * index keeps hash order while it grows, a walk by cursors meets each key that
 * is there all the time exactly once. A partition lock is held for a few lines
 * at a time, and never while the visitor runs.
 */
#include "keyspace/internal.h"

#define CURSOR_SHIFT 16          /* hash bits below a cursor */
#define CURSOR_END ((uint64_t)1 << 48)
#define LINES_AT_ONCE 8          /* at least 4: see collect() */

/* One key found, in t->walk; its name follows. */
struct found {
    uint64_t hash;
    struct ks_info info;
    uint32_t handle;
    uint32_t name_len;
};

static void
keep(struct ks_thread *t, uint64_t hash, uint32_t handle,
    const struct item_view *v, struct str name)
{
    struct found f = {.hash = hash, .handle = handle,
        .name_len = (uint32_t)name.len};

    f.info.value_len = v->value_len;
    f.info.expire_ms = v->expire_ms;
    f.info.type = item_type(v->header);
    f.info.memory_bytes = item_memory(t, handle, v);
    buf_append(&t->walk, &f, sizeof(f));
    buf_append(&t->walk, name.p, name.len);
}

/* Whether the item is a key of a home, and which. */
static bool
is_key_of(const struct ks *ks, unsigned home, const struct item_view *v,
    char buf[KS_MAX_KEY], struct str *name)
{
    uint32_t space = item_space(ks->templates, v);

    return space < SPACES && LOAD(&ks->spaces.space[space].home) == home &&
        item_key(ks->templates, v, buf, name) && !item_is_dead(ks, v);
}

/* Keep the items of `home` whose line is that of `from`, from that hash on.
 * Returns the first hash of the next line, 0 at the end of the partition. */
static uint64_t
collect_line(struct ks_thread *t, unsigned home, uint64_t from,
    uint64_t now_ms)
{
    struct index *ix = &t->ks->index;
    char buf[KS_MAX_KEY];
    uint32_t n;
    uint64_t end;
    bool last;
    struct index_line *line = index_walk(ix, from, &n, &end, &last);

    for (; n > 0; n--, line = next_line(line)) {
        for (unsigned slot = 0; slot < LINE_SLOTS; slot++) {
            uint32_t handle = atomic_load_explicit(&line->handle[slot],
                memory_order_relaxed);
            struct item_view v;
            struct str name;
            uint64_t hash;

            if (handle == 0 ||
                !item_read(slab_ptr(t->slab, handle), now_ms, &v) ||
                item_is_over(t, &v, now_ms) ||
                !is_key_of(t->ks, home, &v, buf, &name))
                continue;
            hash = index_hash(ix->seed, name, item_space(ix->templates, &v));
            if (hash >= from && (last || hash < end) &&
                index_partition(hash) == index_partition(from))
                keep(t, hash, handle, &v, name);
        }
    }
    return last ? 0 : end;
}

/* Collect a few lines from a cursor on into t->walk and return the next
 * cursor. Keys at or after it may be among the collected: the caller leaves
 * these out. A line covers far more hashes than a cursor step, so that with
 * several lines at once the cursor always advances, partial lines at both ends
 * and at the growth frontier included. */
static uint64_t
collect(struct ks_thread *t, unsigned db, uint64_t cursor)
{
    uint64_t from = cursor << CURSOR_SHIFT;
    unsigned p = index_partition(from);
    uint64_t now_ms = clock_wall_ms();
    unsigned home;

    t->walk.len = 0;
    ks_enter(t, p);
    home = LOAD(&t->ks->mapping.home[db]);
    for (unsigned i = 0; i < LINES_AT_ONCE; i++) {
        from = collect_line(t, home, from, now_ms);
        if (from == 0)
            break;
    }
    ks_leave(t, p);
    if (from == 0)
        return (uint64_t)(p + 1) << 40;
    return from >> CURSOR_SHIFT;
}

uint64_t
ks_scan(struct ks_thread *t, unsigned db, uint64_t cursor, size_t count,
    ks_visit_fn fn, void *ctx)
{
    size_t visited = 0;
    bool go_on = true;

    CHECK(t, KS_THREAD_MAGIC);
    while (cursor < CURSOR_END && visited < count && go_on) {
        uint64_t next = collect(t, db, cursor);

        for (size_t at = 0; at < t->walk.len;) {
            struct found f;
            struct str name;

            memcpy(&f, t->walk.p + at, sizeof(f));
            name = (struct str){t->walk.p + at + sizeof(f), f.name_len};
            at += sizeof(f) + f.name_len;
            if (f.hash >> CURSOR_SHIFT >= next)
                continue;
            visited++;
            /* a false ends the walk after this step: what was collected is
             * shown, so that no key falls between two cursors */
            if (!fn(ctx, name, &f.info))
                go_on = false;
        }
        cursor = next;
    }
    return cursor < CURSOR_END ? cursor : 0;
}

/* ---- a random key -------------------------------------------------------- */

struct reservoir {
    struct ks_thread *t;
    struct buf *name;
    uint64_t seen;
};

static bool
choose(void *ctx, struct str name, const struct ks_info *info)
{
    struct reservoir *r = ctx;

    (void)info;
    if (next_random(r->t) % ++r->seen == 0) {
        r->name->len = 0;
        buf_append(r->name, name.p, name.len);
    }
    return true;
}

/* One of the keys that follow a random place in hash order. Of a single one the
 * chance would be its distance from the one before, which for some keys is next
 * to nothing; of so many the distances even out. */
#define RANDOM_KEYS 16

enum ks_status
ks_random(struct ks_thread *t, unsigned db, struct buf *name)
{
    struct reservoir r = {t, name, 0};
    uint64_t start = next_random(t) >> CURSOR_SHIFT;
    uint64_t cursor = start;

    do {
        cursor = ks_scan(t, db, cursor, 1, choose, &r);
    } while (r.seen < RANDOM_KEYS && cursor != 0);
    for (cursor = 0; r.seen < RANDOM_KEYS;) {
        cursor = ks_scan(t, db, cursor, 1, choose, &r);
        if (cursor == 0 || cursor > start)
            break;
    }
    return r.seen > 0 ? KS_OK : KS_MISS;
}
