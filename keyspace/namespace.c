/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace.c - which namespace a key belongs to; the table of namespaces.
 *
 * Entries are found without a lock and made under one that is held for some
 * stores. A write makes them, a read never does. What finds no place counts in
 * the entry of the others. For every item to be subtracted where it was added,
 * a prefix without an entry gets one only while nothing counts among the
 * others: places become free only then (ns_drop_unused()), and in a flush,
 * which makes the walk that follows put it right (`uncounted`).
 */
#include "keyspace/internal.h"

#include <endian.h>
#include <stdlib.h>

#define N_FIXED (2 * KS_DATABASES)
#define N_FORCED 64 /* places for flushes of what has no entry */
#define MAX_PREFIXES 64

/* ---- names --------------------------------------------------------------- */

/* The lowest bit that is set belongs to the first byte that is a delimiter. */
static inline uint64_t
delimiters(uint8_t delimiter, uint64_t word)
{
    uint64_t x = word ^ EACH_BYTE(delimiter);

    return (x - EACH_BYTE(1)) & ~x & EACH_BYTE(0x80);
}

/* How long the key is up to its first delimiter, that included; 0: none. */
static inline size_t
delimited(uint8_t delimiter, struct str key)
{
    size_t n = MIN(key.len, (size_t)NS_MAX_NAME), i = 0;
    uint64_t found;

    if (unlikely(n < 8)) {
        for (; i < n; i++)
            if ((uint8_t)key.p[i] == delimiter)
                return i + 1;
        return 0;
    }
    for (; i + 8 < n; i += 8) {
        found = delimiters(delimiter, load8(key.p + i));
        if (found != 0)
            return i + (size_t)__builtin_ctzll(found) / 8 + 1;
    }
    i = n - 8;
    found = delimiters(delimiter, load8(key.p + i));
    return found == 0 ? 0 : i + (size_t)__builtin_ctzll(found) / 8 + 1;
}

/* Whether there is one; most keys are as short as two words. */
static inline bool
is_delimited(uint8_t delimiter, struct str key)
{
    if (likely(key.len - 8 <= 8))
        return (delimiters(delimiter, load8(key.p)) |
                   delimiters(delimiter, load8(key.p + key.len - 8))) != 0;
    return delimited(delimiter, key) != 0;
}

static struct str
configured(const struct namespaces *ns, struct str key)
{
    for (size_t i = 0; i < ns->n_prefixes; i++) {
        struct str p = ns->prefix[i];

        if (p.len <= key.len && memcmp(p.p, key.p, p.len) == 0)
            return (struct str){key.p, p.len};
    }
    return (struct str){key.p, 0};
}

static inline bool
may_be_configured(const struct namespaces *ns, struct str key)
{
    uint8_t first;

    if (likely(ns->n_prefixes == 0) || key.len == 0)
        return false;
    first = (uint8_t)key.p[0];
    return ns->prefix_first[first / 64] >> (first % 64) & 1;
}

struct str
ns_name(const struct namespaces *ns, struct str key)
{
    if (unlikely(may_be_configured(ns, key))) {
        struct str name = configured(ns, key);

        if (name.len != 0)
            return name;
    }
    if (unlikely(!ns->has_delimiter))
        return (struct str){key.p, 0};
    return (struct str){key.p, delimited(ns->delimiter, key)};
}

struct str
ks_namespace_of(const struct ks *ks, struct str key)
{
    return ns_name(&ks->namespaces, key);
}

/* ---- finding ------------------------------------------------------------- */

/* A name as it is compared: most have at most 16 bytes, and these are two
 * words. */
struct name {
    uint64_t word[2]; /* the first 16 bytes, zeros after the end */
    uint64_t hash;    /* never 0 */
    struct str text;
};

/* `longer`: a hash of what the words do not hold. */
static inline uint64_t
mix(const struct namespaces *ns, unsigned home, const struct name *n,
    uint64_t longer)
{
    unsigned __int128 mixed =
        (unsigned __int128)(n->word[0] ^ ns->secret[0]) *
        (n->word[1] ^ ns->secret[1] ^ longer ^ (n->text.len << 8 | home));

    return ((uint64_t)mixed ^ (uint64_t)(mixed >> 64)) | 1;
}

static struct name
name_of(const struct ks *ks, unsigned home, struct str text)
{
    struct name n = {.text = text};
    uint64_t longer = 0;

    memcpy(n.word, text.p, MIN(text.len, sizeof(n.word)));
    if (text.len > sizeof(n.word))
        longer = hash_bytes(&ks->seed, text.p, text.len);
    n.hash = mix(&ks->namespaces, home, &n, longer);
    return n;
}

static inline bool
is_entry(const struct ns_entry *e, unsigned home, const struct name *n)
{
    return LOAD(&e->hash) == n->hash &&
        e->word[0] == n->word[0] && e->word[1] == n->word[1] &&
        e->home == home && e->name_len == n->text.len &&
        (n->text.len <= 16 || memcmp(e->name, n->text.p, n->text.len) == 0);
}

static inline uint16_t
find(const struct namespaces *ns, unsigned home, const struct name *n)
{
    for (uint32_t i = 0; i < ns->n_slots; i++) {
        uint32_t slot = atomic_load_explicit(
            &ns->slot[(n->hash + i) & (ns->n_slots - 1)],
            memory_order_acquire);

        if (slot == 0)
            break;
        if (slot >> 16 == n->hash >> 48 &&
            is_entry(&ns->entry[(slot & 0xffff) - 1], home, n))
            return (uint16_t)((slot & 0xffff) - 1);
    }
    return NS_UNKNOWN;
}

/* What the key has up to the first delimiter, if that is one of its first 16
 * bytes: without a copy. `found` has a bit in the byte of the delimiter. */
static inline bool
short_name(const struct namespaces *ns, unsigned home, struct str key,
    struct name *n)
{
    uint64_t found, upto;

    if (!ns->is_plain || key.len < 16)
        return false;
    *n = (struct name){.word = {load8(key.p), 0}, .text.p = key.p};
    found = delimiters(ns->delimiter, n->word[0]);
    if (found != 0) {
        upto = found ^ (found - 1);
        n->word[0] &= upto;
    } else {
        n->word[1] = load8(key.p + 8);
        found = delimiters(ns->delimiter, n->word[1]);
        if (found == 0)
            return false;
        upto = found ^ (found - 1);
        n->word[1] &= upto;
        n->text.len = 8;
    }
    n->text.len += (size_t)__builtin_ctzll(found) / 8 + 1;
    n->word[0] = htole64(n->word[0]);
    n->word[1] = htole64(n->word[1]);
    n->hash = mix(ns, home, n, 0);
    return true;
}

uint16_t
ns_find(const struct ks *ks, unsigned home, struct str key)
{
    const struct namespaces *ns = &ks->namespaces;
    struct name n;

    if (unlikely(!short_name(ns, home, key, &n))) {
        struct str text = ns_name(ns, key);

        if (text.len == 0)
            return ns_nameless(home);
        n = name_of(ks, home, text);
    }
    return find(ns, home, &n);
}

static __attribute__((noinline)) uint16_t
find_name_and_keep(struct ks_thread *t, const struct ks_key *key)
{
    const struct namespaces *ns = &t->ks->namespaces;
    uint16_t found = ns_find(t->ks, home_of_key(t->ks, key), key->name);

    if (found != NS_UNKNOWN && ns->is_plain && key->name.len >= 8) {
        uint64_t word = load8(key->name.p);
        uint64_t at = delimiters(ns->delimiter, word);

        if (at != 0)
            *ns_memo_of(t, word) = (struct ns_memo){
                .name = word & (at ^ (at - 1)), .epoch = key->epoch,
                .ns = found, .db = (uint8_t)key->db,
                .surplus = (uint8_t)__builtin_clzll(at & -at)};
    }
    return found;
}

uint16_t
ns_find_and_keep(struct ks_thread *t, const struct ks_key *key)
{
    const struct namespaces *ns = &t->ks->namespaces;

    if (likely(ns->is_plain) && !is_delimited(ns->delimiter, key->name))
        return ns_nameless(home_of_key(t->ks, key));
    return find_name_and_keep(t, key);
}

/* ---- entries ------------------------------------------------------------- */

/* [lock] */
static void
put_slot(struct namespaces *ns, uint64_t hash, uint16_t entry)
{
    uint64_t at = hash;

    while (LOAD(&ns->slot[at & (ns->n_slots - 1)]) != 0)
        at++;
    /* pairs with find(): first the entry, then its number */
    atomic_store_explicit(&ns->slot[at & (ns->n_slots - 1)],
        (uint32_t)(hash >> 48) << 16 | (entry + 1u), memory_order_release);
}

/* What the tables and all threads' counts of the entries so far take. [lock] */
static size_t
charged_bytes(const struct namespaces *ns)
{
    return namespaces_bytes(ns) + ns->n_threads * ns_counts_bytes(ns);
}

/* [lock] An entry is made: from here on it counts, and what threads count of
 * it. */
static void
charge_entry(struct ks *ks, uint16_t entry)
{
    struct namespaces *ns = &ks->namespaces;
    size_t before = charged_bytes(ns);

    if (entry < ns_seen(ns))
        return;
    atomic_store_explicit(&ns->n_seen, entry + 1u, memory_order_relaxed);
    slab_charge_to(ks->slab, SLAB_NAMESPACES, charged_bytes(ns) - before);
}

/* [lock] and a place is free */
static uint16_t
make(struct ks *ks, unsigned home, const struct name *name, enum ns_kind kind)
{
    struct namespaces *ns = &ks->namespaces;
    uint16_t n = ns->free[--ns->n_free];
    struct ns_entry *e = &ns->entry[n];

    e->home = (uint8_t)home;
    e->name_len = (uint8_t)name->text.len;
    memcpy(e->word, name->word, sizeof(e->word));
    memcpy(e->name, name->text.p, name->text.len);
    e->left_base = false;
    atomic_store_explicit(&e->uncounted, false, memory_order_relaxed);
    e->died_at = 0;
    atomic_store_explicit(&e->space, NS_BASE, memory_order_relaxed);
    atomic_store_explicit(&e->kind, (uint8_t)kind, memory_order_relaxed);
    atomic_store_explicit(&e->hash, name->hash, memory_order_relaxed);
    charge_entry(ks, n);
    put_slot(ns, name->hash, n);
    ns->n_learned += kind == NS_LEARNED;
    return n;
}

/* The entry that find() did not find. */
__attribute__((noinline)) static uint16_t
find_again_or_make(struct ks *ks, unsigned home, const struct name *n,
    enum ns_kind kind)
{
    struct namespaces *ns = &ks->namespaces;
    uint16_t found;

    if (kind == NS_LEARNED &&
        LOAD(&ns->is_full))
        return NS_UNKNOWN;
    word_lock(&ns->lock);
    found = find(ns, home, n); /* another thread was faster */
    if (found == NS_UNKNOWN && ns->n_free > 0 &&
        (kind != NS_LEARNED || ns->n_learned < ns->max_learned))
        found = make(ks, home, n, kind);
    if (found == NS_UNKNOWN && kind == NS_LEARNED)
        atomic_store_explicit(&ns->is_full, true, memory_order_relaxed);
    word_unlock(&ns->lock);
    return found;
}

static uint16_t
find_or_make(struct ks *ks, unsigned home, struct str text, enum ns_kind kind)
{
    struct name n = name_of(ks, home, text);
    uint16_t found = find(&ks->namespaces, home, &n);

    return found != NS_UNKNOWN ? found
        : find_again_or_make(ks, home, &n, kind);
}

uint16_t
ns_find_or_make(struct ks *ks, unsigned home, struct str key)
{
    uint16_t found = ns_find(ks, home, key);

    if (likely(found != NS_UNKNOWN))
        return found;
    found = find_or_make(ks, home, ns_name(&ks->namespaces, key), NS_LEARNED);
    return found != NS_UNKNOWN ? found : ns_other(home);
}

uint16_t
ns_force(struct ks *ks, unsigned home, struct str name)
{
    return find_or_make(ks, home, name, NS_FORCED);
}

/* ---- set-up -------------------------------------------------------------- */

static int
longer_first(const void *a, const void *b)
{
    const struct str *x = a, *y = b;

    return (x->len < y->len) - (x->len > y->len);
}

const char *
ks_option_check(const struct option *row, const char *value)
{
    if (strcmp(row->name, "namespace_delimiter") == 0 && strlen(value) > 1)
        return "use one byte, or \"\" for none";
    return NULL;
}

/* Words between blanks. */
static bool
read_prefixes(struct namespaces *ns, const char *text, struct buf *err)
{
    char *at, *word, *save = NULL;

    ns->prefix_text = xstrdup(text == NULL ? "" : text);
    ns->prefix = xcalloc(MAX_PREFIXES, sizeof(*ns->prefix));
    for (at = ns->prefix_text; (word = strtok_r(at, " ", &save)); at = NULL) {
        struct str name = str_of(word);
        uint8_t first = (uint8_t)word[0];

        if (ns->n_prefixes == MAX_PREFIXES || name.len > NS_MAX_NAME) {
            buf_printf(err, "namespace-prefixes: at most %d, of %d bytes each",
                MAX_PREFIXES, NS_MAX_NAME);
            return false;
        }
        ns->prefix[ns->n_prefixes++] = name;
        ns->prefix_first[first / 64] |= (uint64_t)1 << (first % 64);
    }
    qsort(ns->prefix, ns->n_prefixes, sizeof(*ns->prefix), longer_first);
    return true;
}

static bool
read_delimiter(struct namespaces *ns, const char *text, struct buf *err)
{
    if (text == NULL)
        text = ":";
    if (strlen(text) > 1) {
        buf_printf(err, "namespace-delimiter: one byte, or none");
        return false;
    }
    ns->has_delimiter = text[0] != '\0';
    ns->delimiter = (uint8_t)text[0];
    return true;
}

static void
make_fixed(struct ks *ks)
{
    struct namespaces *ns = &ks->namespaces;

    for (unsigned home = 0; home < KS_DATABASES; home++) {
        struct ns_entry *fixed[] = {&ns->entry[ns_other(home)],
            &ns->entry[ns_nameless(home)]};

        for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
            fixed[i]->home = (uint8_t)home;
            STORE(&fixed[i]->space, NS_BASE);
            STORE(&fixed[i]->kind, NS_FIXED);
        }
    }
    for (uint32_t n = ns->n_entries; n > N_FIXED; n--)
        ns->free[ns->n_free++] = (uint16_t)(n - 1);
    for (size_t i = 0; i < ns->n_prefixes; i++)
        for (unsigned home = 0; home < ks->n_databases; home++)
            (void)find_or_make(ks, home, ns->prefix[i], NS_FIXED);
}

bool
namespaces_init(struct ks *ks, struct buf *err)
{
    struct namespaces *ns = &ks->namespaces;
    const struct keyspace_options *o = ks->options;

    memcpy(ns->secret, ks->seed.secret, sizeof(ns->secret));
    if (!read_delimiter(ns, o->namespace_delimiter, err) ||
        !read_prefixes(ns, o->namespace_prefixes, err)) {
        namespaces_free(ks);
        return false;
    }
    ns->is_plain = ns->has_delimiter && ns->n_prefixes == 0;
    ns->max_learned = o->max_namespaces > 0 ? (uint32_t)o->max_namespaces
                                            : 1024;
    ns->n_entries = N_FIXED + ns->max_learned + N_FORCED +
        (uint32_t)(ns->n_prefixes * ks->n_databases);
    ASSERT(ns->n_entries < UINT16_MAX);
    for (ns->n_slots = 64; ns->n_slots < 2 * ns->n_entries;)
        ns->n_slots *= 2;
    ns->n_seen = N_FIXED;
    ns->entry = xmap(ns->n_entries * sizeof(*ns->entry));
    ns->slot = xcalloc(ns->n_slots, sizeof(*ns->slot));
    ns->free = xcalloc(ns->n_entries, sizeof(*ns->free));
    slab_charge_to(ks->slab, SLAB_NAMESPACES, namespaces_bytes(ns));
    make_fixed(ks);
    return true;
}

/* Of what is mapped as much as was used; entries are made from the first on. */
size_t
namespaces_bytes(const struct namespaces *ns)
{
    return ROUND_UP(ns_seen(ns) * sizeof(*ns->entry), 4 * KIB) +
        ns->n_entries * sizeof(*ns->free) + ns->n_slots * sizeof(*ns->slot);
}

size_t
ns_counts_bytes(const struct namespaces *ns)
{
    return ROUND_UP(ns_seen(ns) * sizeof(struct ns_counts), 4 * KIB);
}

struct ns_counts *
ns_counts_new(struct ks *ks)
{
    struct namespaces *ns = &ks->namespaces;

    word_lock(&ns->lock);
    ns->n_threads++;
    slab_charge_to(ks->slab, SLAB_NAMESPACES, ns_counts_bytes(ns));
    word_unlock(&ns->lock);
    return xmap(ns->n_entries * sizeof(struct ns_counts));
}

void
ns_counts_free(struct ks *ks, struct ns_counts *counts)
{
    struct namespaces *ns = &ks->namespaces;

    xunmap(counts, ns->n_entries * sizeof(struct ns_counts));
    word_lock(&ns->lock);
    ns->n_threads--;
    slab_uncharge_from(ks->slab, SLAB_NAMESPACES, ns_counts_bytes(ns));
    word_unlock(&ns->lock);
}

void
namespaces_free(struct ks *ks)
{
    struct namespaces *ns = &ks->namespaces;

    if (ns->entry != NULL)
        slab_uncharge_from(ks->slab, SLAB_NAMESPACES, namespaces_bytes(ns));
    xunmap(ns->entry, ns->n_entries * sizeof(*ns->entry));
    free(ns->slot);
    free(ns->free);
    free(ns->prefix);
    free(ns->prefix_text);
}

/* ---- places -------------------------------------------------------------- */

/* Under all locks. */
static bool
others_are_empty(struct ks *ks)
{
    int64_t sum[NS_COUNTS];

    for (unsigned home = 0; home < KS_DATABASES; home++) {
        ns_sum(ks, ns_other(home), sum);
        if (sum[NS_ITEMS] != 0)
            return false;
    }
    return true;
}

static bool
is_unused(struct ks *ks, uint16_t entry)
{
    const struct ns_entry *e = &ks->namespaces.entry[entry];
    int64_t sum[NS_COUNTS];
    uint8_t kind = LOAD(&e->kind);

    if ((kind != NS_LEARNED && kind != NS_FORCED) || e->left_base ||
        LOAD(&e->space) != NS_BASE)
        return false;
    ns_sum(ks, entry, sum);
    return sum[NS_ITEMS] == 0;
}

/* [lock] What it has counted is lost. */
static void
give_up(struct ks *ks, uint16_t entry)
{
    struct namespaces *ns = &ks->namespaces;
    struct ns_entry *e = &ns->entry[entry];
    int64_t sum[NS_COUNTS];

    ns_sum(ks, entry, sum);
    for (unsigned i = 0; i < NS_COUNTS; i++)
        e->base[i] -= sum[i];
    ns->n_learned -= LOAD(&e->kind) == NS_LEARNED;
    STORE(&e->kind, NS_FREE);
    STORE(&e->hash, 0);
    STORE(&e->dead_items, 0);
    STORE(&e->dead_bytes, 0);
    ns->free[ns->n_free++] = entry;
}

/* Under all locks, in an odd epoch. */
static void
drop_entries(struct ks *ks)
{
    struct namespaces *ns = &ks->namespaces;

    word_lock(&ns->lock);
    for (uint32_t i = N_FIXED; i < ns->n_entries; i++)
        if (is_unused(ks, (uint16_t)i))
            give_up(ks, (uint16_t)i);
    for (uint32_t i = 0; i < ns->n_slots; i++)
        atomic_store_explicit(&ns->slot[i], 0, memory_order_relaxed);
    for (uint32_t i = N_FIXED; i < ns->n_entries; i++)
        if (LOAD(&ns->entry[i].kind) != NS_FREE)
            put_slot(ns, LOAD(&ns->entry[i].hash), (uint16_t)i);
    STORE(&ns->is_full,
        ns->n_learned >= ns->max_learned || ns->n_free == 0);
    word_unlock(&ns->lock);
}

void
ns_drop_unused(struct ks_thread *t)
{
    struct ks *ks = t->ks;

    if (likely(!LOAD(&ks->namespaces.is_full)) || any_dead(ks))
        return;
    ks_lock_all(t);
    if (!any_dead(ks) && others_are_empty(ks)) {
        mapping_change_begin(ks);
        drop_entries(ks);
        mapping_change_end(ks);
    }
    ks_unlock(t);
}
