/* SPDX-License-Identifier: BSD-3-Clause */
/* hit_ratio.c - replay a cache trace through the real keyspace, in process.
 *
 *   bench/hit_ratio TRACE LIMIT_BYTES [count|sqrt|bytes]
 *
 * Reads an ASHT1 trace (client-tests/trace.h describes the format; a name that
 * ends in .zst is read through zstd). Look-aside: a GET that misses is followed
 * by a SET of the key's size. Time is that of the trace. Prints one line:
 * requests, miss ratio of objects and of bytes, memory used, RSS of the items'
 * memory, nanoseconds of CPU per request.
 */
#include "keyspace/keyspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct trace_header {
    char magic[8];
    uint32_t n_requests, n_keys;
    float rate;
    uint32_t flags;
};

struct trace_key {
    uint32_t value_len;
    uint16_t key_len, flags;
    uint32_t ttl_s;
};

#define TRACE_SET 0x80000000u
#define START_MS ((uint64_t)1750000000000)

static struct trace_header header;
static struct trace_key *keys;
static uint32_t *requests;

static void
read_all(void *to, size_t size, size_t n, FILE *in)
{
    if (fread(to, size, n, in) != n) {
        fprintf(stderr, "hit_ratio: the trace is too short\n");
        exit(1);
    }
}

static void
load(const char *path)
{
    size_t len = strlen(path);
    bool packed = len > 4 && strcmp(path + len - 4, ".zst") == 0;
    char command[4096];
    FILE *in;

    snprintf(command, sizeof(command), "zstd -dqc '%s'", path);
    in = packed ? popen(command, "r") : fopen(path, "rb");
    if (in == NULL) {
        perror(path);
        exit(1);
    }
    read_all(&header, sizeof(header), 1, in);
    if (memcmp(header.magic, "ASHT1", 5) != 0) {
        fprintf(stderr, "hit_ratio: %s is no ASHT1 trace\n", path);
        exit(1);
    }
    keys = xcalloc(header.n_keys, sizeof(*keys));
    requests = xcalloc(header.n_requests, sizeof(*requests));
    read_all(keys, sizeof(*keys), header.n_keys, in);
    read_all(requests, sizeof(*requests), header.n_requests, in);
    if (packed)
        pclose(in);
    else
        fclose(in);
}

static char *
place(void *ctx, size_t len)
{
    (void)len;
    return ctx;
}

static struct str
name_of(uint32_t id, char *out)
{
    size_t len = keys[id].key_len;
    char digits[16];
    int n = snprintf(digits, sizeof(digits), ":%u", id);

    if (len < (size_t)n + 1)
        len = (size_t)n + 1;
    memset(out, 'k', len);
    memcpy(out + len - (size_t)n, digits, (size_t)n);
    return (struct str){out, len};
}

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct totals {
    uint64_t gets, misses, failures;
    double bytes, missed_bytes;
};

static void
request(struct ks *ks, struct ks_thread *t, uint32_t r, char *value,
    uint64_t now_ms, struct totals *sum)
{
    uint32_t id = r & ~TRACE_SET;
    char name[1024];
    struct ks_key key = ks_key(ks, 0, name_of(id, name));
    struct str v = {value, keys[id].value_len};
    struct ks_info info;

    if (!(r & TRACE_SET)) {
        sum->gets++;
        sum->bytes += keys[id].value_len;
        if (ks_get(t, &key, KS_READ, place, value + (32 << 20), &info) ==
            KS_OK) {
            if (info.value_extent != 0)
                extent_unpin(ks_slab(ks), info.value_extent);
            return;
        }
        sum->misses++;
        sum->missed_bytes += keys[id].value_len;
    }
    if (ks_set(t, &key, v, keys[id].ttl_s == 0 ? KS_NO_EXPIRY
            : now_ms + (uint64_t)keys[id].ttl_s * 1000) != KS_OK)
        sum->failures++;
}

/* Play the whole trace; returns the seconds of CPU it took. */
static double
play(struct ks *ks, struct totals *sum)
{
    struct ks_thread *t = ks_thread_new(ks), *maintainer = ks_thread_new(ks);
    char *value = xcalloc(1, (32 << 20) + (64 << 10));
    double start = cpu_seconds();

    for (uint32_t i = 0; i < header.n_requests; i++) {
        uint64_t now_ms = START_MS + (uint64_t)(i * 1000.0 / header.rate);

        if (i % 64 == 0) {
            clock_fake(now_ms);
            ks_thread_poll(t);
        }
        if (i % 1024 == 0)
            (void)ks_maintain(maintainer);
        request(ks, t, requests[i], value, now_ms, sum);
    }
    return cpu_seconds() - start;
}

static void
print_totals(const struct slab *slab, const struct totals *sum, double seconds)
{
    struct slab_stats stats;

    slab_stats(slab, &stats);
    printf("requests %u miss %.5f byte_miss %.5f failures %llu used %.1f MiB "
        "(pages %.1f live %.1f free %.1f mag %.1f ext %.1f warm %.1f) "
        "ns %.0f\n",
        header.n_requests,
        (double)sum->misses / (double)sum->gets,
        sum->missed_bytes / sum->bytes,
        (unsigned long long)sum->failures,
        (double)stats.used / (double)MIB, (double)stats.page_bytes / MIB,
        (double)stats.chunk_live_bytes / MIB,
        (double)stats.chunk_free_bytes / MIB,
        (double)stats.magazine_bytes / MIB,
        (double)stats.extent_live_bytes / MIB,
        (double)stats.extent_warm_bytes / MIB,
        seconds * 1e9 / header.n_requests);
}

int
main(int argc, char **argv)
{
    struct keyspace_options options = {.eviction_weight = 2,
        .large_value_threshold = 16384};
    struct slab_config slab_cfg = {.backing = SLAB_MEMFD};
    struct ks_config cfg = {.n_databases = 1, .options = &options};
    struct totals sum = {0};
    struct buf err = {0};
    struct ks *ks;
    double seconds;

    if (argc < 3) {
        fprintf(stderr, "usage: hit_ratio TRACE BYTES [count|sqrt|bytes]\n");
        return 2;
    }
    if (argc > 3)
        options.eviction_weight = argv[3][0] == 'c' ? 0
            : argv[3][0] == 's' ? 1 : 2;
    load(argv[1]);
    slab_cfg.limit_bytes = strtoull(argv[2], NULL, 0);
    cfg.slab = slab_new(&slab_cfg, &err);
    hash_seed_random(&cfg.seed);
    ks = cfg.slab != NULL ? ks_new(&cfg, &err) : NULL;
    if (ks == NULL) {
        fprintf(stderr, "hit_ratio: %.*s\n", (int)err.len, err.p);
        return 1;
    }
    seconds = play(ks, &sum);
    print_totals(cfg.slab, &sum, seconds);
    return 0;
}
