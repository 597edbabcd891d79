/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace.h - namespaces, for the files of keyspace/: the table
 * (namespace.c), and what is counted (namespace_counts.c).
 *
 * A key belongs to the longest configured prefix that it begins with, else to
 * what it has up to its first delimiter, else to the namespace without a name.
 * A database number leads to a home, and SWAPDB exchanges the homes of two
 * numbers: an entry is of a home and a prefix.
 */
#pragma once

#include "keyspace/keyspace.h"

#define NS_MAX_NAME 128 /* a delimiter further back is none */
#define NS_UNKNOWN KS_NS_UNKNOWN
#define NS_BASE UINT16_MAX /* as entry.space: that of the home */

/* Entries that are always there: for what has none, and for the keys without a
 * prefix. */
static inline uint16_t
ns_other(unsigned home)
{
    return (uint16_t)home;
}

static inline uint16_t
ns_nameless(unsigned home)
{
    return (uint16_t)(KS_DATABASES + home);
}

enum ns_count {
    NS_ITEMS, NS_EXPIRES, NS_BYTES, /* what is there */
    NS_HITS, NS_MISSES, NS_SETS, NS_EVICTIONS, NS_EXPIRIES,
    NS_COUNTS };

/* What one thread counted of one namespace. [owner thread] writes; of the first
 * three under the partition's lock, so that their sum is exact for who holds
 * them all. */
struct ns_counts {
    _Atomic int64_t n[NS_COUNTS];
};
_Static_assert(sizeof(struct ns_counts) == CACHE_LINE, "one cache line");

enum ns_kind { NS_FREE, NS_FIXED, NS_LEARNED, NS_FORCED };

struct ns_entry {
    _Atomic uint64_t hash;   /* of home and name; checked before the name */
    uint64_t word[2];        /* [all partitions] or [lock] if free, as those:
                                its first 16 bytes, zeros after its end */
    _Atomic uint16_t space;  /* its own, or NS_BASE */
    uint8_t home;            /* those */
    uint8_t name_len;
    _Atomic uint8_t kind;
    bool left_base;          /* [all] its items in the base space are dead */
    _Atomic bool uncounted;  /* [all] writes: these still count in `other` */
    char name[NS_MAX_NAME];
    uint64_t died_at;        /* [all] number of the latest flush */
    int64_t base[NS_COUNTS]; /* [threads_lock] of ended threads and resets */
    _Atomic int64_t dead_items, dead_bytes;
};

struct namespaces {
    struct ns_entry *entry;
    uint32_t n_entries, max_learned; /* [immutable] */
    _Atomic uint32_t n_seen; /* [lock] writes: entries that were ever made; the
                                tables are resident up to here */
    uint32_t n_threads;      /* [lock] that have counts */
    _Atomic uint32_t *slot; /* tag | entry + 1; 0: free. n_slots is 2^n */
    uint32_t n_slots;
    _Atomic uint32_t lock;  /* of making an entry; under partition locks */
    uint16_t *free;         /* [lock] */
    uint32_t n_free, n_learned; /* [lock] */
    _Atomic bool is_full;   /* somebody found no place */
    bool has_delimiter;     /* these: [immutable] */
    bool is_plain;          /* there is a delimiter, and no prefixes */
    uint8_t delimiter;
    char *prefix_text;
    struct str *prefix;     /* longest first */
    size_t n_prefixes;
    uint64_t prefix_first[4]; /* bits: first bytes of these */
    uint64_t secret[2];
};

/* At start, by the options; then they are immutable. False, and a sentence in
 * `err`, when they are not good. */
static inline uint32_t
ns_seen(const struct namespaces *ns)
{
    return atomic_load_explicit(&ns->n_seen, memory_order_relaxed);
}

bool namespaces_init(struct ks *ks, struct buf *err);
/* Of the tables; of the counts of a thread. */
size_t namespaces_bytes(const struct namespaces *ns);
size_t ns_counts_bytes(const struct namespaces *ns);
/* The counts of a thread, of all entries. Charged as these are used. */
struct ns_counts *ns_counts_new(struct ks *ks);
void ns_counts_free(struct ks *ks, struct ns_counts *counts);
/* Bytes of the items of all entries: living, dead. Any thread. */
void namespaces_items(struct ks *ks, size_t *living, size_t *dead);
void namespaces_free(struct ks *ks);

/* The name of a key's namespace: its beginning; "" for none. */
struct str ns_name(const struct namespaces *ns, struct str key);
/* The entry of a key's namespace; NS_UNKNOWN when it has none. Any thread;
 * exact for who then finds the epoch unchanged. */
uint16_t ns_find(const struct ks *ks, unsigned home, struct str key);

/* The entry a thread found for a short name, to be tried first. */
#define NS_MEMOS 8 /* a power of two */

struct ns_memo {
    uint64_t name;   /* up to eight bytes, first one lowest */
    uint32_t epoch;  /* of the mapping; odd: nothing is kept here */
    uint16_t ns;
    uint8_t db;
    uint8_t surplus; /* bits of a word beyond the name */
};

/* ns_find() for the key; keeps what it finds. */
uint16_t ns_find_and_keep(struct ks_thread *t, const struct ks_key *key);

/* The same; makes the entry if it can, else it is that of the others. Under the
 * partition lock of the key. */
uint16_t ns_find_or_make(struct ks *ks, unsigned home, struct str key);
/* Under all locks: make an entry whatever the limit; NS_UNKNOWN if even so
 * there is no place. */
uint16_t ns_force(struct ks *ks, unsigned home, struct str name);
/* Start what counts events anew. */
void namespaces_reset(struct ks *ks);
void ns_sum(struct ks *ks, uint16_t entry, int64_t sum[NS_COUNTS]);
/* Under all locks: the items of the entry are dead now. Returns their number
 * and that of those with an expiry. */
void ns_bury(struct ks *ks, uint16_t entry, int64_t *items, int64_t *expires);
/* Give up the entries that are empty, when somebody found no place and no item
 * counts among the others. */
void ns_drop_unused(struct ks_thread *t);
