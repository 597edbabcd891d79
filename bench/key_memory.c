/* SPDX-License-Identifier: BSD-3-Clause */
/* key_memory.c - resident memory of a daemon with 5 M items, against the bytes
 * of their keys and values.
 *
 *   key_memory [--tsv]
 *
 * Keys are user:%010d:profile with values of 32 bytes: with and without
 * interning, and with a TTL; and app:v2:product:%07d:price:USD with values of
 * 100 bytes. Overhead is RSS beyond that of the empty daemon and beyond the raw
 * bytes; the last figure is the whole process over the raw bytes. Each is read
 * two seconds after the last SET. A case takes 10 to 30 s.
 */
#include "bench/bench.h"
#include "bench/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define IN_BATCH 1000

struct shape {
    const char *name;
    const char *before, *after; /* the key: before, digits, after */
    int digits;
    size_t value_bytes;
    const char *ttl_s; /* NULL: none */
    const char *interning;
};

static const struct shape shapes[] = {
    {"user:N:profile, 32 B/interned", "user:", ":profile", 10, 32, NULL, "yes"},
    {"user:N:profile, 32 B/interned, TTL", "user:", ":profile", 10, 32, "90000",
        "yes"},
    {"user:N:profile, 32 B/raw", "user:", ":profile", 10, 32, NULL, "no"},
    {"app:v2:product:N:price:USD, 100 B/interned",
        "app:v2:product:", ":price:USD", 7, 100, NULL, "yes"},
};

static size_t
fill(struct client *c, const struct shape *shape, size_t n)
{
    static char value[128];
    size_t key_bytes = 0;

    memset(value, 'v', sizeof(value));
    for (size_t i = 0; i < n;) {
        size_t in_batch = 0;

        for (; in_batch < IN_BATCH && i < n; in_batch++, i++) {
            char key[64];
            int len = snprintf(key, sizeof(key), "%s%0*zu%s", shape->before,
                shape->digits, i, shape->after);
            struct str words[] = {{"SET", 3}, {key, (size_t)len},
                {value, shape->value_bytes}, {"EX", 2},
                {shape->ttl_s, shape->ttl_s ? strlen(shape->ttl_s) : 0}};

            key_bytes += (size_t)len;
            client_append(c, shape->ttl_s ? 5 : 3, words);
        }
        client_finish(c, in_batch, NULL);
    }
    if (c->errors > 0) {
        fprintf(stderr, "key_memory: %s\n", c->error);
        exit(1);
    }
    return key_bytes + n * shape->value_bytes;
}

static void
run(const struct shape *shape)
{
    const char *const args[] = {"--maxmemory", "4gb", "--key-interning",
        shape->interning, "--workers", "1", NULL};
    size_t n = bench_amount(5000000, 1000000), empty, full, raw;
    struct daemon d;
    struct client c;

    daemon_start(&d, args);
    client_open(&c, &d);
    empty = daemon_memory(&d, "VmRSS");
    raw = fill(&c, shape, n);
    sleep(2);
    full = daemon_memory(&d, "VmRSS");
    bench_sample(shape->name, "overhead per item", "B",
        ((double)full - (double)empty - (double)raw) / (double)n);
    bench_sample(
        shape->name, "process over raw bytes", "x", (double)full / (double)raw);
    client_close(&c);
    daemon_stop(&d);
}

int
main(int argc, char **argv)
{
    bench_begin("key_memory", &argc, argv);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        run(&shapes[i]);
    return bench_end();
}
