/* SPDX-License-Identifier: BSD-3-Clause */
/* space.c - spaces: how a database or a namespace is emptied at once.
 *
 * A key stands in a space, a number that is part of its hash and of its item.
 * The keys of a database are in the database's base space. FLUSHDB gives it a
 * fresh one, and what stands in the former cannot be reached any more: there is
 * no check on the way of a read. A namespace that is flushed gets a space of
 * its own; its items in the base space are dead from then on, as are all items
 * in spaces that are retired. reclaim.c walks the index and frees what is dead;
 * then the spaces are given out again.
 *
 * Where keys lead changes under all partition locks and in an odd epoch. A key
 * carries the epoch it was made in. A writer compares under its partition lock,
 * a reader after it has read; if the epoch has moved they make the key again.
 * So a space, or the id of a template, never means two things to anybody.
 */
#include "keyspace/internal.h"

/* Up to so many items, in an index not grown far, a flush deletes at once: the
 * database stays in space 0, whose items need no id. */
#define FEW_ITEMS 4096
#define FEW_LINES 65536

void
spaces_init(struct ks *ks)
{
    ks->spaces.few_items = FEW_ITEMS;
    for (unsigned db = 0; db < KS_DATABASES; db++) {
        STORE(&ks->mapping.home[db], (uint8_t)db);
        STORE(&ks->mapping.base[db], (uint16_t)db);
        STORE(&ks->spaces.space[db].state, SPACE_LIVE);
        STORE(&ks->spaces.space[db].home, (uint8_t)db);
        STORE(&ks->spaces.base[db], (uint16_t)db);
    }
}

/* ---- keys ---------------------------------------------------------------- */

/* Some namespace has a space of its own: the key's? */
static void
lead_to_namespace(const struct ks *ks, struct ks_key *key)
{
    unsigned home = LOAD(&ks->mapping.home[key->db]);
    uint16_t own;

    key->ns = ns_find(ks, home, key->name);
    if (key->ns == NS_UNKNOWN)
        return;
    own = LOAD(&ks->namespaces.entry[key->ns].space);
    if (own != NS_BASE)
        key->space = own;
}

void
ks_key_make(const struct ks *ks, unsigned db, struct str name,
    struct ks_key *out)
{
    const struct mapping *m = &ks->mapping;

    out->name = name;
    out->db = db;
    out->ns = NS_UNKNOWN;
    out->ahead.line = NULL;
    out->ahead.handle = 0;
    /* acquire: before the rest; an odd epoch is never found current */
    out->epoch = atomic_load_explicit(&m->epoch, memory_order_acquire) & ~1u;
    out->space = LOAD(&m->base[db]);
    if (unlikely(LOAD(&m->n_own) != 0))
        lead_to_namespace(ks, out);
    out->hash = index_hash(&ks->seed, name, out->space);
}

__attribute__((noinline)) void
key_renew(const struct ks *ks, struct ks_key *key)
{
    cpu_relax(); /* whoever changes the epoch needs some microseconds */
    ks_key_make(ks, key->db, key->name, key);
}

unsigned
ks_enter_key(struct ks_thread *t, struct ks_key *key)
{
    for (;;) {
        unsigned p = index_partition(key->hash);

        ks_enter(t, p);
        if (key_is_current(t->ks, key))
            return p;
        ks_leave(t, p);
        key_renew(t->ks, key);
    }
}

void
mapping_change_begin(struct ks *ks)
{
    uint32_t epoch = LOAD(&ks->mapping.epoch);

    ASSERT(epoch % 2 == 0);
    STORE(&ks->mapping.epoch, epoch + 1);
    /* release: pairs with the fence of key_is_current(). Who sees any of the
     * relaxed stores that follow sees the odd epoch too. */
    read_fence(memory_order_release);
}

void
mapping_change_end(struct ks *ks)
{
    atomic_fetch_add_explicit(&ks->mapping.epoch, 1, memory_order_release);
}

/* ---- whose an item is ---------------------------------------------------- */

static bool
is_live(const struct space *s)
{
    return LOAD(&s->state) == SPACE_LIVE;
}

/* The space where the keys of an entry are. */
static uint16_t
space_of_entry(const struct ks *ks, unsigned home, uint16_t entry)
{
    uint16_t own = NS_BASE;

    if (entry != NS_UNKNOWN)
        own = LOAD(&ks->namespaces.entry[entry].space);
    return own != NS_BASE ? own : LOAD(&ks->spaces.base[home]);
}

/* Apart, for the room that a key decoded takes on the stack. */
__attribute__((noinline)) void
owner_of_item(const struct ks *ks, const struct item_view *v,
    struct owner *out)
{
    uint32_t space = item_space(ks->templates, v);
    char buf[KS_MAX_KEY];
    struct str name;
    uint16_t found;

    *out = (struct owner){.dead = true};
    if (space >= SPACES || !item_key(ks->templates, v, buf, &name))
        return; /* no item: seen without the lock */
    out->home = LOAD(&ks->spaces.space[space].home);
    found = ns_find(ks, out->home, name);
    out->ns = found != NS_UNKNOWN ? found : ns_other(out->home);
    if (!is_live(&ks->spaces.space[space]))
        return;
    out->dead = space_of_entry(ks, out->home, found) != space;
    if (out->dead)
        out->uncounted = LOAD(&ks->namespaces.entry[out->ns].uncounted);
}

unsigned
db_of_item(const struct ks *ks, const struct item_view *v)
{
    uint32_t space = item_space(ks->templates, v);
    unsigned home, db = 0;

    ASSERT(space < SPACES);
    home = LOAD(&ks->spaces.space[space].home);
    while (db < KS_DATABASES - 1 && LOAD(&ks->mapping.home[db]) != home)
        db++;
    return db;
}

void
owner_of_key(struct ks_thread *t, const struct ks_key *key, struct owner *out)
{
    *out = (struct owner){
        .ns = ns_of_read(t, key), .home = home_of_key(t->ks, key)};
}

bool
item_is_dead(const struct ks *ks, const struct item_view *v)
{
    uint32_t space = item_space(ks->templates, v);
    struct owner owner;

    if (space >= SPACES)
        return false;
    if (!is_live(&ks->spaces.space[space]))
        return true;
    if (LOAD(&ks->mapping.n_own) == 0)
        return false;
    owner_of_item(ks, v, &owner);
    return owner.dead;
}

/* ---- giving spaces out --------------------------------------------------- */

static unsigned
free_spaces(const struct ks *ks)
{
    unsigned n = 0;

    for (unsigned i = 0; i < SPACES; i++)
        n += LOAD(&ks->spaces.space[i].state) == SPACE_FREE;
    return n;
}

/* A space for a home: 0, which costs no bytes, only for database 0's base while
 * there are others. There is one. */
static uint16_t
take_space(struct ks *ks, unsigned home, bool cheapest)
{
    struct space *space = ks->spaces.space;
    uint16_t n = cheapest ? 0 : 1;

    while (n < SPACES && LOAD(&space[n].state) != SPACE_FREE)
        n++;
    n %= SPACES;
    ASSERT(LOAD(&space[n].state) == SPACE_FREE);
    STORE(&space[n].state, SPACE_LIVE);
    STORE(&space[n].home, (uint8_t)home);
    return n;
}

static void
retire_space(struct ks *ks, uint16_t n, uint64_t flush)
{
    ks->spaces.space[n].retired_at = flush;
    STORE(&ks->spaces.space[n].state, SPACE_RETIRED);
}

/* ---- flushing ------------------------------------------------------------ */

/* What is to be flushed: of which databases, and all or one namespace. */
struct target {
    struct ks *ks;
    unsigned db; /* KS_ALL_DBS */
    const struct str *name;
};

static bool
watch_is_flushed(void *ctx, const struct ks_key *key, bool was_there)
{
    const struct target *f = ctx;

    if (!was_there || (f->db != KS_ALL_DBS && f->db != key->db))
        return false;
    return f->name == NULL ||
        str_eq(ns_name(&f->ks->namespaces, key->name), *f->name);
}

static bool
is_small(const struct ks *ks)
{
    uint64_t items = 0, lines = 0;

    for (unsigned i = 0; i < N_PARTITIONS; i++) {
        const struct partition *p = &ks->index.partition[i];

        items += LOAD(&p->n_items);
        lines += index_physical_lines(p);
    }
    return items <= ks->spaces.few_items && lines <= FEW_LINES;
}

static void
forget_uncounted(struct ks *ks, struct ns_entry *e)
{
    if (LOAD(&e->uncounted))
        atomic_fetch_sub_explicit(&ks->spaces.n_uncounted, 1,
            memory_order_relaxed);
    STORE(&e->uncounted, false);
}

/* The entry goes back to the base space of its home. */
static void
own_no_more(struct ks *ks, struct ns_entry *e)
{
    e->left_base = false;
    forget_uncounted(ks, e);
    if (LOAD(&e->space) == NS_BASE)
        return;
    STORE(&e->space, NS_BASE);
    atomic_fetch_sub_explicit(&ks->mapping.n_own, 1, memory_order_relaxed);
}

static void
retire_entry(struct ks *ks, uint16_t entry, uint64_t flush)
{
    struct ns_entry *e = &ks->namespaces.entry[entry];
    int64_t items, expires;

    ns_bury(ks, entry, &items, &expires);
    e->died_at = flush;
    if (LOAD(&e->space) != NS_BASE)
        retire_space(ks, LOAD(&e->space), flush);
    own_no_more(ks, e);
}

/* Correct the counters of a home; their sums over the threads stay. */
static void
count_flushed(struct ks *ks, unsigned home, int64_t items, int64_t expires)
{
    word_lock(&ks->threads_lock);
    ks->base_items[home] -= items;
    ks->base_expires[home] -= expires;
    word_unlock(&ks->threads_lock);
}

/* Leave all items of a database behind. Under all locks, in an odd epoch. */
static void
retire_database(struct ks *ks, unsigned db, uint64_t flush)
{
    struct namespaces *ns = &ks->namespaces;
    unsigned home = LOAD(&ks->mapping.home[db]);
    struct ks_db_stats was;
    uint16_t base;

    ks_db_stats(ks, db, &was);
    for (uint32_t i = 0; i < ns->n_entries; i++)
        if (LOAD(&ns->entry[i].kind) != NS_FREE && ns->entry[i].home == home)
            retire_entry(ks, (uint16_t)i, flush);
    count_flushed(ks, home, (int64_t)was.items, (int64_t)was.expires);
    retire_space(ks, LOAD(&ks->spaces.base[home]), flush);
    base = take_space(ks, home, db == 0);
    STORE(&ks->spaces.base[home], base);
    STORE(&ks->mapping.base[db], base);
}

static bool
is_empty(const struct ks *ks, unsigned db)
{
    struct ks_db_stats s;

    ks_db_stats(ks, db, &s);
    return s.items == 0;
}

static void
leave_behind(struct ks_thread *t, unsigned db)
{
    struct ks *ks = t->ks;
    struct target f = {ks, db, NULL};
    uint64_t flush = LOAD(&ks->spaces.flushes) + 1;

    watch_mark_all(t, watch_is_flushed, &f);
    mapping_change_begin(ks);
    STORE(&ks->spaces.flushes, flush);
    for (unsigned i = 0; i < ks->n_databases; i++)
        if ((db == KS_ALL_DBS || db == i) && !is_empty(ks, i))
            retire_database(ks, i, flush);
    mapping_change_end(ks);
    watch_follow(t);
}

/* Take all locks, with so many spaces free. False, all the same with the locks,
 * when so many cannot be had. */
static bool
lock_with_spaces(struct ks_thread *t, unsigned n)
{
    ks_lock_all(t);
    if (free_spaces(t->ks) >= n)
        return true;
    ks_unlock(t);
    ks_reclaim(t);
    ks_lock_all(t);
    return free_spaces(t->ks) >= n;
}

void
ks_flush(struct ks_thread *t, unsigned db)
{
    CHECK(t, KS_THREAD_MAGIC);
    bool can_leave = lock_with_spaces(t, db == KS_ALL_DBS ? KS_DATABASES : 1);

    if (!can_leave || is_small(t->ks))
        unlink_matching(t, db == KS_ALL_DBS ? KS_ALL_DBS
            : LOAD(&t->ks->mapping.home[db]), NULL);
    else
        leave_behind(t, db);
    ks_unlock(t);
    unlinked_free(t);
}

/* ---- flushing a namespace ------------------------------------------------ */

/* Give a namespace a space of its own in place of where its items are. */
static void
leave_space(struct ks_thread *t, unsigned db, uint16_t entry,
    const struct str *name)
{
    struct ks *ks = t->ks;
    struct ns_entry *e = &ks->namespaces.entry[entry];
    struct target f = {ks, db, name};
    uint64_t flush = LOAD(&ks->spaces.flushes) + 1;
    int64_t items, expires;

    watch_mark_all(t, watch_is_flushed, &f);
    mapping_change_begin(ks);
    STORE(&ks->spaces.flushes, flush);
    ns_bury(ks, entry, &items, &expires);
    count_flushed(ks, e->home, items, expires);
    e->died_at = flush;
    if (LOAD(&e->space) == NS_BASE) {
        e->left_base = true;
        atomic_fetch_add_explicit(&ks->mapping.n_own, 1, memory_order_relaxed);
    } else {
        retire_space(ks, LOAD(&e->space), flush);
    }
    STORE(&e->space, take_space(ks, e->home, false));
    mapping_change_end(ks);
    watch_follow(t);
}

static int64_t
items_of(struct ks *ks, uint16_t entry)
{
    int64_t sum[NS_COUNTS];

    ns_sum(ks, entry, sum);
    return sum[NS_ITEMS];
}

/* The entry of a namespace to be flushed, made if its items may be among the
 * others. NS_UNKNOWN: there is no place for one. */
static uint16_t
entry_to_flush(struct ks *ks, unsigned home, struct str name)
{
    uint16_t entry = ns_find(ks, home, name);

    if (entry != NS_UNKNOWN)
        return entry;
    entry = ns_force(ks, home, name);
    if (entry == NS_UNKNOWN)
        return entry;
    STORE(&ks->namespaces.entry[entry].uncounted, true);
    atomic_fetch_add_explicit(&ks->spaces.n_uncounted, 1,
        memory_order_relaxed);
    return entry;
}

static bool
is_absent(struct ks *ks, unsigned home, struct str name)
{
    uint16_t entry = ns_find(ks, home, name);

    return items_of(ks, entry != NS_UNKNOWN ? entry : ns_other(home)) == 0;
}

enum ks_status
ks_flush_namespace(struct ks_thread *t, unsigned db, struct str name)
{
    struct ks *ks = t->ks;
    bool can_leave;
    unsigned home;
    uint16_t entry;

    CHECK(t, KS_THREAD_MAGIC);
    if (!str_eq(ns_name(&ks->namespaces, name), name))
        return KS_MISS;
    can_leave = lock_with_spaces(t, 1);
    home = LOAD(&ks->mapping.home[db]);
    if (!is_absent(ks, home, name)) {
        entry = NS_UNKNOWN;
        if (can_leave && !is_small(ks))
            entry = entry_to_flush(ks, home, name);
        if (entry != NS_UNKNOWN)
            leave_space(t, db, entry, &name);
        else
            unlink_matching(t, home, &name);
    }
    ks_unlock(t);
    unlinked_free(t);
    return KS_OK;
}

/* ---- exchange ------------------------------------------------------------ */

struct exchange {
    struct ks_thread *t;
    unsigned a, b;
};

static bool
is_there(struct ks_thread *t, unsigned db, struct str name)
{
    struct ks_key key = ks_key(t->ks, db, name);
    struct ks_info info;

    return ks_stat(t, &key, KS_PEEK, &info) == KS_OK;
}

/* As Redis has it: a key that is in either database has changed. */
static bool
watch_is_exchanged(void *ctx, const struct ks_key *key, bool was_there)
{
    const struct exchange *x = ctx;

    if (key->db != x->a && key->db != x->b)
        return false;
    return was_there ||
        is_there(x->t, key->db == x->a ? x->b : x->a, key->name);
}

void
ks_swap(struct ks_thread *t, unsigned a, unsigned b)
{
    struct mapping *m = &t->ks->mapping;
    struct exchange x = {t, a, b};
    uint8_t home;
    uint16_t base;

    CHECK(t, KS_THREAD_MAGIC);
    if (a == b)
        return;
    ks_lock_all(t);
    watch_mark_all(t, watch_is_exchanged, &x);
    mapping_change_begin(t->ks);
    home = LOAD(&m->home[a]);
    base = LOAD(&m->base[a]);
    STORE(&m->home[a], LOAD(&m->home[b]));
    STORE(&m->base[a], LOAD(&m->base[b]));
    STORE(&m->home[b], home);
    STORE(&m->base[b], base);
    mapping_change_end(t->ks);
    watch_follow(t);
    ks_unlock(t);
}

/* ---- after a walk -------------------------------------------------------- */

static void
settle_spaces(struct ks *ks, uint64_t until, bool is_free[SPACES])
{
    for (unsigned i = 0; i < SPACES; i++) {
        struct space *s = &ks->spaces.space[i];

        is_free[i] = false;
        if (LOAD(&s->state) != SPACE_RETIRED || s->retired_at > until)
            continue;
        STORE(&s->state, SPACE_FREE);
        is_free[i] = true;
    }
}

/* What is dead of the entry is gone. If there is nothing alive either, its keys
 * can as well be in the base space. */
static void
settle_entry(struct ks *ks, uint16_t entry, bool is_free[SPACES])
{
    struct ns_entry *e = &ks->namespaces.entry[entry];

    STORE(&e->dead_items, 0);
    STORE(&e->dead_bytes, 0);
    e->left_base = false;
    forget_uncounted(ks, e);
    if (LOAD(&e->space) == NS_BASE || items_of(ks, entry) != 0)
        return;
    is_free[LOAD(&e->space)] = true;
    STORE(&ks->spaces.space[LOAD(&e->space)].state, SPACE_FREE);
    own_no_more(ks, e);
}

void
spaces_settle(struct ks_thread *t, uint64_t until)
{
    struct ks *ks = t->ks;
    struct namespaces *ns = &ks->namespaces;
    bool is_free[SPACES];

    ks_lock_all(t);
    if (until > LOAD(&ks->spaces.reclaimed)) {
        mapping_change_begin(ks);
        settle_spaces(ks, until, is_free);
        for (uint32_t i = 0; i < ns->n_entries; i++)
            if (LOAD(&ns->entry[i].kind) != NS_FREE &&
                ns->entry[i].died_at <= until)
                settle_entry(ks, (uint16_t)i, is_free);
        templates_drop(ks->templates, is_free);
        STORE(&ks->spaces.reclaimed, until);
        mapping_change_end(ks);
        watch_follow(t);
    }
    ks_unlock(t);
}
