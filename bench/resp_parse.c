/* SPDX-License-Identifier: BSD-3-Clause */
/* resp_parse.c - nanoseconds per command of the request parser and of the
 * reply to a GET.
 *
 * Fills a receive buffer of 64 KiB with pipelined commands of one mix and
 * parses it again and again.
 */
#include "bench/bench.h"

#include "protocol/resp.h"

#include <stdio.h>

#define INPUT_BYTES (64 * KIB)
#define RUN_NS 200e6 /* CPU time of a sample */

static void
put_words(struct buf *b, const char *const *words, int n)
{
    buf_printf(b, "*%d\r\n", n);
    for (int i = 0; i < n; i++)
        buf_printf(b, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
}

/* ---- the mixes ----------------------------------------------------------- */

static const char *
key_name(unsigned i)
{
    static char name[32];

    snprintf(name, sizeof(name), "user:%u:profile", i * 2654435761u);
    return name;
}

/* The i-th command of: 9 GET to 1 SET, as most caches see it. */
static void
put_get_set(struct buf *b, unsigned i)
{
    const char *words[] = {
        "GET", key_name(i), "0123456789abcdef0123456789abcde"};

    if (i % 10 == 9)
        words[0] = "SET";
    put_words(b, words, i % 10 == 9 ? 3 : 2);
}

/* SET with an expiry and values from 8 to 1500 bytes. */
static void
put_set_expiry(struct buf *b, unsigned i)
{
    static char value[1501];
    const char *words[] = {"SET", key_name(i), value, "EX", "3600"};

    memset(value, 'v', sizeof(value));
    value[8 + i * 397 % 1493] = '\0';
    put_words(b, words, 5);
}

/* MGET of 10 keys. */
static void
put_mget(struct buf *b, unsigned i)
{
    buf_printf(b, "*11\r\n$4\r\nMGET\r\n");
    for (unsigned j = 0; j < 10; j++) {
        const char *key = key_name(i * 10 + j);

        buf_printf(b, "$%zu\r\n%s\r\n", strlen(key), key);
    }
}

/* ---- measurement --------------------------------------------------------- */

/* Parse all commands of the input; the sum keeps the compiler honest. */
static size_t
parse_all(struct resp_parser *p, struct buf input, size_t *n_args)
{
    size_t n = 0;

    while (resp_parse(p, input.p, input.len) == RESP_COMMAND) {
        input.p += p->consumed;
        input.len -= p->consumed;
        *n_args += (size_t)p->argc;
        n++;
    }
    resp_parser_reset(p);
    return n;
}

static void
measure_parser(const char *name, void (*put)(struct buf *b, unsigned i))
{
    struct resp_parser parser;
    struct buf input = {0};
    size_t n_commands = 0, n_args = 0, n_bytes = 0;
    double start, elapsed;

    resp_parser_init(&parser);
    for (unsigned i = 0; input.len < INPUT_BYTES; i++)
        put(&input, i);
    input.len = INPUT_BYTES; /* the last command is cut, as in real input */
    start = bench_cpu_ns();
    do {
        n_commands += parse_all(&parser, input, &n_args);
        n_bytes += input.len;
        elapsed = bench_cpu_ns() - start;
    } while (elapsed < RUN_NS);
    bench_sample(name, "CPU per command", "ns", elapsed / (double)n_commands);
    bench_sample(name, "CPU per argument", "ns", elapsed / (double)n_args);
    bench_sample(name, "speed", "GB/s", (double)n_bytes / elapsed);
    resp_parser_free(&parser);
    buf_free(&input);
}

static void
measure_get_reply(void)
{
    static const char value[] = "0123456789abcdef0123456789abcdef";
    struct buf out = {0};
    struct reply reply = {.out = &out, .protocol = 2};
    size_t n = 0;
    double start = bench_cpu_ns(), elapsed;

    do {
        for (int i = 0; i < 1000; i++) {
            memcpy(reply_bulk_open(&reply, 32), value, 32);
            reply_bulk_commit(&reply);
        }
        out.len = 0;
        n += 1000;
        elapsed = bench_cpu_ns() - start;
    } while (elapsed < RUN_NS);
    bench_sample("reply of 32 B", "CPU per reply", "ns", elapsed / (double)n);
    buf_free(&out);
}

int
main(int argc, char **argv)
{
    bench_begin("resp_parse", &argc, argv);
    for (unsigned round = bench_rounds(); round > 0; round--) {
        measure_parser("90% GET, 10% SET", put_get_set);
        measure_parser("SET EX, 8..1500 B", put_set_expiry);
        measure_parser("MGET of 10", put_mget);
        measure_get_reply();
    }
    return bench_end();
}
