/* SPDX-License-Identifier: BSD-3-Clause */
/* interning.c - what packed keys save, and what they cost: the keyspace with
 * key-interning against the same with whole keys.
 *
 *   bench/interning [--tsv] [items-per-case [case]]
 *
 * For each set of keys, and each of the two kinds of storage, a process of its
 * own inserts the keys with values of 32 bytes and reports resident memory per
 * item beyond that of the empty keyspace; "over" is this without the bytes of
 * key and value. Then, on a small keyspace that stays in the CPU's caches, the
 * CPU time of a look-up and of a replacement, best of many rounds.
 */
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VALUE_LEN 32
#define HOT_KEYS 8192
#define ROUNDS 40
#define MAX_NAME 128

/* As random as keys need to be, and the same in each run. */
static uint64_t
mix(uint64_t x)
{
    return splitmix64(&x);
}

/* ---- sets of keys -------------------------------------------------------- */

static const char *const words[] = {"about", "blog", "cart", "checkout",
    "contact", "docs", "en", "faq", "gallery", "help", "index", "jobs", "legal",
    "media", "news", "offers", "press", "search", "shop", "team"};
static const char *const fields[] = {"profile", "settings", "cart", "friends"};

static const char *
word(uint64_t r)
{
    return words[r % ARRAY_LEN(words)];
}

/* Print the i-th key of a set; r is a random number that belongs to it. */
typedef int (*name_fn)(char *to, unsigned i, uint64_t r);

static int
put_uuid(char *to, uint64_t r)
{
    uint64_t q = mix(r);

    return sprintf(to, "%08x-%04x-4%03x-%04x-%04x%08x", (uint32_t)r,
        (unsigned)(r >> 48), (unsigned)(q & 0xfff),
        0x8000u | (unsigned)(r >> 32 & 0x3fff), (unsigned)(q >> 48),
        (uint32_t)(q >> 16));
}

static int
put_base62(char *to, uint64_t r, int len)
{
    static const char digit[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "abcdefghijklmnopqrstuvwxyz";

    for (int i = 0; i < len; i++, r = i == 10 ? mix(r) : r / 62)
        to[i] = digit[r % 62];
    return len;
}

static int
user_padded(char *to, unsigned i, uint64_t r)
{
    (void)r;
    return sprintf(to, "user:%010u:profile", i);
}

static int
user_fields(char *to, unsigned i, uint64_t r)
{
    (void)r;
    return sprintf(to, "user:%u:%s", 1000000 + i / 4, fields[i % 4]);
}

static int
product(char *to, unsigned i, uint64_t r)
{
    (void)r;
    return sprintf(to, "app:v2:product:%07u:price:USD", i);
}

static int
user_order(char *to, unsigned i, uint64_t r)
{
    return sprintf(to, "user:%u:order:%u", (unsigned)(r % 1000000), 700000 + i);
}

static int
sess_uuid(char *to, unsigned i, uint64_t r)
{
    (void)i;
    return sprintf(to, "sess:") + put_uuid(to + 5, r);
}

static int
sess_hex(char *to, unsigned i, uint64_t r)
{
    (void)i;
    return sprintf(to, "sess:%016llx%016llx", (unsigned long long)r,
        (unsigned long long)mix(r));
}

static int
bare_uuid(char *to, unsigned i, uint64_t r)
{
    (void)i;
    return put_uuid(to, r);
}

static int
tenant_uuid(char *to, unsigned i, uint64_t r)
{
    int n = sprintf(to, "tenant%u:obj:", i % 500);

    return n + put_uuid(to + n, r);
}

static int
user_sess(char *to, unsigned i, uint64_t r)
{
    return sprintf(to, "user:%u:sess:%016llx%016llx", 10000 + i,
        (unsigned long long)r, (unsigned long long)mix(r));
}

static int
ip_address(char *to, unsigned i, uint64_t r)
{
    (void)i;
    return sprintf(to, "rate:ip:%u.%u.%u.%u", (unsigned)(r & 255),
        (unsigned)(r >> 8 & 255), (unsigned)(r >> 16 & 255),
        (unsigned)(r >> 24 & 255));
}

static int
date_and_number(char *to, unsigned i, uint64_t r)
{
    return sprintf(to, "stats:%u-%02u-%02u:page:%u", 2020 + (unsigned)r % 6,
        1 + (unsigned)(r >> 8) % 12, 1 + (unsigned)(r >> 16) % 28, i);
}

static int
url_path(char *to, unsigned i, uint64_t r)
{
    char tail[8];

    tail[put_base62(tail, i, 5)] = '\0';
    return sprintf(to, "page:/%s/%s/%s-%s", word(r), word(r >> 16),
        word(r >> 32), tail);
}

static int
user_name(char *to, unsigned i, uint64_t r)
{
    char name[8];

    for (int at = 0; at < 7; at++, i /= 26)
        name[at] = (char)('a' + (i + r % 3) % 26);
    name[7] = '\0';
    return sprintf(to, "account:%s.%s:%s", word(r >> 8), name, fields[r % 4]);
}

static int
token(char *to, unsigned i, uint64_t r)
{
    (void)i;
    return sprintf(to, "token:") + put_base62(to + 6, r, 22);
}

static int
memtier(char *to, unsigned i, uint64_t r)
{
    (void)r;
    return sprintf(to, "memtier-%u", i);
}

static const struct key_set {
    const char *name;
    name_fn print;
} sets[] = {
    {"user:%010d:profile", user_padded},
    {"user:N:field", user_fields},
    {"app:v2:product:%07d:price:USD", product},
    {"user:N:order:N", user_order},
    {"sess:UUID", sess_uuid},
    {"sess:HEX32", sess_hex},
    {"UUID", bare_uuid},
    {"tenant(500):obj:UUID", tenant_uuid},
    {"user:N:sess:HEX32", user_sess},
    {"rate:ip:A.B.C.D", ip_address},
    {"stats:Y-M-D:page:N", date_and_number},
    {"page:PATH-ID", url_path},
    {"account:name:field", user_name},
    {"token:BASE62", token},
    {"memtier-N", memtier},
};

static struct str
name_of(const struct key_set *set, unsigned i, char buf[MAX_NAME])
{
    return (struct str){buf, (size_t)set->print(buf, i, mix(i))};
}

/* ---- one case ------------------------------------------------------------ */

struct result {
    double raw_bytes, rss_bytes; /* per item */
    double get_ns, set_ns;
};

struct engine {
    struct slab *slab;
    struct keyspace_options options;
    struct ks *ks;
    struct ks_thread *t;
};

static void
open_engine(struct engine *e, bool interning)
{
    struct slab_config slab = {.limit_bytes = (size_t)8 << 30,
        .backing = SLAB_MEMFD};
    struct ks_config cfg = {.n_databases = KS_DATABASES};
    struct buf err = {0};

    memset(e, 0, sizeof(*e));
    e->options.maxmemory_policy = KS_NOEVICTION;
    e->options.eviction_weight = 2;
    e->options.large_value_threshold = 16384;
    e->options.key_interning = interning;
    e->slab = slab_new(&slab, &err);
    cfg.slab = e->slab;
    cfg.options = &e->options;
    hash_seed_random(&cfg.seed);
    e->ks = e->slab != NULL ? ks_new(&cfg, &err) : NULL;
    if (e->ks == NULL) {
        fprintf(stderr, "interning: %.*s\n", (int)err.len, err.p);
        exit(1);
    }
    e->t = ks_thread_new(e->ks);
}

static void
close_engine(struct engine *e)
{
    ks_thread_free(e->t);
    ks_free(e->ks);
    slab_free(e->slab);
}

static double
rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (f == NULL || fscanf(f, "%*s %ld", &pages) != 1) {
        perror("/proc/self/statm");
        exit(1);
    }
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double
cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void
store(struct engine *e, const struct ks_key *key)
{
    static const char value[VALUE_LEN] = "value";

    if (ks_set(e->t, key, (struct str){value, VALUE_LEN}, KS_NO_EXPIRY) !=
        KS_OK) {
        fprintf(stderr, "interning: no memory\n");
        exit(1);
    }
}

static void
measure_memory(const struct key_set *set, bool interning, unsigned n,
    struct result *out)
{
    struct engine e;
    char buf[MAX_NAME];
    size_t raw = 0;
    double before;

    open_engine(&e, interning);
    before = rss_bytes();
    for (unsigned i = 0; i < n; i++) {
        struct ks_key key = ks_key(e.ks, 0, name_of(set, i, buf));

        store(&e, &key);
        raw += key.name.len + VALUE_LEN;
    }
    out->rss_bytes = (rss_bytes() - before) / n;
    out->raw_bytes = (double)raw / n;
    close_engine(&e);
}

static char *
place(void *ctx, size_t len)
{
    (void)len;
    return ctx;
}

static void
measure_time(const struct key_set *set, bool interning, struct result *out)
{
    static char names[HOT_KEYS][MAX_NAME];
    static struct ks_key keys[HOT_KEYS];
    struct engine e;

    open_engine(&e, interning);
    out->get_ns = out->set_ns = 1e9;
    for (unsigned i = 0; i < HOT_KEYS; i++)
        keys[i] = ks_key(e.ks, 0, name_of(set, i, names[i]));
    for (unsigned round = 0; round < ROUNDS; round++) {
        double from = cpu_ns(), mid;
        char value[VALUE_LEN];
        struct ks_info info;

        for (unsigned i = 0; i < HOT_KEYS; i++)
            store(&e, &keys[i]);
        mid = cpu_ns();
        for (unsigned i = 0; i < HOT_KEYS; i++) {
            if (ks_get(e.t, &keys[i], KS_READ, place, value, &info) != KS_OK) {
                fprintf(stderr, "interning: a key is missing\n");
                exit(1);
            }
        }
        out->get_ns = MIN(out->get_ns, (cpu_ns() - mid) / HOT_KEYS);
        out->set_ns = MIN(out->set_ns, (mid - from) / HOT_KEYS);
    }
    close_engine(&e);
}

/* Run a case in a process of its own: memory starts from nothing. */
static struct result
run_case(const struct key_set *set, bool interning, unsigned n)
{
    struct result r;
    int ends[2], status;
    pid_t child;

    fflush(stdout);
    if (pipe(ends) != 0 || (child = fork()) < 0) {
        perror("interning");
        exit(1);
    }
    if (child == 0) {
        measure_memory(set, interning, n, &r);
        measure_time(set, interning, &r);
        _exit(write(ends[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &r, sizeof(r)) != sizeof(r) ||
        waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "interning: a case failed\n");
        exit(1);
    }
    close(ends[0]);
    return r;
}

/* ---- output -------------------------------------------------------------- */

static void
print_tsv(const char *name, const char *kind, const struct result *r)
{
    printf("interning\t%s/%s\trss\tbytes/item\t%.1f\n", name, kind,
        r->rss_bytes);
    printf("interning\t%s/%s\toverhead\tbytes/item\t%.1f\n", name, kind,
        r->rss_bytes - r->raw_bytes);
    printf("interning\t%s/%s\tget\tns\t%.1f\n", name, kind, r->get_ns);
    printf("interning\t%s/%s\tset\tns\t%.1f\n", name, kind, r->set_ns);
}

int
main(int argc, char **argv)
{
    bool tsv = argc > 1 && strcmp(argv[1], "--tsv") == 0;
    char **args = argv + 1 + tsv;
    unsigned n = *args != NULL ? (unsigned)strtoul(*args++, NULL, 10) : 500000;

    if (n < 1000) {
        fprintf(stderr, "usage: interning [--tsv] [items >= 1000 [case]]\n");
        return 1;
    }
    if (!tsv)
        printf("%-30s %5s | %6s %6s %6s | %6s %6s | %6s %6s\n"
            "%-30s %5s | %6s %6s %6s | %6s %6s | %6s %6s\n", "values of 32",
            "key", "whole", "packed", "packed", "whole", "packed", "whole",
            "packed", "", "bytes", "over", "over", "saved", "get ns", "get ns",
            "set ns", "set ns");
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        struct result whole, packed;

        if (*args != NULL && strcmp(*args, sets[i].name) != 0)
            continue;
        whole = run_case(&sets[i], false, n);
        packed = run_case(&sets[i], true, n);
        if (tsv) {
            print_tsv(sets[i].name, "whole", &whole);
            print_tsv(sets[i].name, "packed", &packed);
            continue;
        }
        printf("%-30s %5.1f | %6.1f %6.1f %6.1f | %6.1f %6.1f | %6.1f %6.1f\n",
            sets[i].name, whole.raw_bytes - VALUE_LEN,
            whole.rss_bytes - whole.raw_bytes,
            packed.rss_bytes - packed.raw_bytes,
            whole.rss_bytes - packed.rss_bytes, whole.get_ns, packed.get_ns,
            whole.set_ns, packed.set_ns);
    }
    return 0;
}
