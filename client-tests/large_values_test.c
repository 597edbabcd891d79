/* SPDX-License-Identifier: BSD-3-Clause */
/* large_values_test.c - values from 64 KiB to 512 MiB: in, back, and their
 * memory returned; clients that leave in the middle.
 */
#include "client-tests/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "client-tests/client.h"
#include "client-tests/pattern.h"

#define K ((size_t)1 << 10)
#define M ((size_t)1 << 20)
#define BLOCK (256 * K)

static struct server *server;

static void
start_server(void)
{
    static const char *const args[] = {"--maxmemory", "3gb", NULL};

    /* Announced bytes count against the limit of Redis. */
    server = server_start(testing_redis() ? NULL : args);
}

static void
stop_server(void)
{
    server_stop(server);
}

/* Memory that the system has to spare. */
static size_t
available_bytes(void)
{
    FILE *in = fopen("/proc/meminfo", "re");
    char line[128];
    size_t kb = 0;

    ck_assert_ptr_nonnull(in);
    while (kb == 0 && fgets(line, sizeof(line), in) != NULL)
        if (sscanf(line, "MemAvailable: %zu kB", &kb) != 1)
            kb = 0;
    fclose(in);
    return kb * 1024;
}

/* Send the value of `seed` as bytes; nothing of it is kept here. */
static void
send_pattern(struct wire *w, size_t len, uint64_t seed)
{
    char *block = malloc(BLOCK);

    for (size_t at = 0, n; at < len; at += n) {
        n = MIN(BLOCK, len - at);
        pattern_fill(block, n, seed, at);
        wire_send(w, block, n);
    }
    free(block);
}

static void
send_set(struct wire *w, const char *key, size_t len, uint64_t seed)
{
    char header[128];

    snprintf(header, sizeof(header),
        "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, len);
    wire_send_text(w, header);
    send_pattern(w, len, seed);
    wire_send_text(w, "\r\n");
}

/* Read one bulk, which must be the value of `seed` from `offset` on. */
static void
expect_pattern(struct wire *w, size_t len, uint64_t seed, size_t offset)
{
    char *block = malloc(BLOCK), header[32];

    snprintf(header, sizeof(header), "$%zu\r\n", len);
    wire_expect_bytes(w, header);
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN(BLOCK, len - at);
        wire_read_bytes(w, block, n);
        ck_assert_uint_eq(pattern_wrong(block, n, seed, offset + at), 0);
    }
    wire_expect_bytes(w, "\r\n");
    free(block);
}

static const size_t sizes[] = {16 * K - 1, 16 * K, 16 * K + 1, 64 * K,
    64 * K + 1, M - 1, M, 2 * M, 3 * M + 7, 64 * M, 512 * M};

START_TEST(a_value_comes_back_as_it_was)
{
    struct wire *w = wire_connect(server);
    size_t len = sizes[_i];
    char reply[32];

    if (available_bytes() < 4 * len) {
        skip("a value of %zu MiB: the system has no memory to spare", len / M);
        wire_close(w);
        return;
    }
    send_set(w, "v", len, len);
    wire_expect(w, "+OK");
    snprintf(reply, sizeof(reply), ":%zu", len);
    wire_run(w, "STRLEN v", reply);
    wire_send_command(w, "GET v");
    expect_pattern(w, len, len, 0);
    /* Replaced while it is there, by one as long. */
    if (len <= 64 * M) {
        send_set(w, "v", len, len + 1);
        wire_expect(w, "+OK");
        wire_send_command(w, "GET v");
        expect_pattern(w, len, len + 1, 0);
    }
    wire_run(w, "DEL v", ":1");
    wire_run(w, "GET v", "$-1");
    wire_close(w);
}
END_TEST

START_TEST(commands_take_parts_of_large_values)
{
    struct wire *w = wire_connect(server);
    char word[64];

    send_set(w, "v", M, 5);
    wire_expect(w, "+OK");
    wire_send_command(w, "GETRANGE v 100 70099");
    expect_pattern(w, 70000, 5, 100);
    wire_send_command(w, "GETRANGE v -10 -1");
    expect_pattern(w, 10, 5, M - 10);
    wire_run(w, "APPEND v tail", ":1048580");
    wire_run(w, "GETRANGE v 1048576 -1", "\"tail\"");
    wire_run(w, "SETRANGE v 0 head", ":1048580");
    wire_run(w, "GETRANGE v 0 3", "\"head\"");
    wire_send_command(w, "GETRANGE v 4 1048575");
    expect_pattern(w, M - 4, 5, 4);
    wire_run(w, "EXPIRE v 100", ":1");
    wire_run(w, "PERSIST v", ":1");
    wire_run(w, "OBJECT ENCODING v", "\"raw\"");
    wire_run(w, "MEMORY USAGE v", "re::[12][0-9]{6}");
    wire_send_command(w, "GETEX v EX 100");
    free(wire_read(w));
    wire_run(w, "INCR v", "-ERR value is not an integer or out of range");
    send_set(w, "v", M, 6);
    wire_expect(w, "+OK");
    wire_send_command(w, "GETSET v small");
    expect_pattern(w, M, 6, 0);
    send_set(w, "v", M, 7);
    wire_expect(w, "+OK");
    wire_send_command(w, "GETDEL v");
    expect_pattern(w, M, 7, 0);
    snprintf(word, sizeof(word), "SETRANGE v %zu x", 2 * M);
    wire_run(w, word, ":2097153");
    wire_run(w, "GETRANGE v 2097150 -1", "\"\\x00\\x00x\"");
    wire_run(w, "DEL v", ":1");
    wire_close(w);
}
END_TEST

START_TEST(mset_and_mget_take_several_large_values)
{
    static const size_t lens[] = {M, 20 * K, 10, 3 * M, 0, 100 * K};
    struct wire *w = wire_connect(server);
    char text[64];

    wire_send_text(w, "*13\r\n$4\r\nMSET\r\n");
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        snprintf(text, sizeof(text), "$2\r\nm%zu\r\n$%zu\r\n", i, lens[i]);
        wire_send_text(w, text);
        send_pattern(w, lens[i], i);
        wire_send_text(w, "\r\n");
    }
    wire_expect(w, "+OK");
    wire_send_command(w, "MGET m0 m1 absent m2 m3 m4 m5 m0");
    wire_expect_bytes(w, "*8\r\n");
    expect_pattern(w, lens[0], 0, 0);
    expect_pattern(w, lens[1], 1, 0);
    wire_expect_bytes(w, "$-1\r\n");
    for (size_t i = 2; i < ARRAY_LEN(lens); i++)
        expect_pattern(w, lens[i], i, 0);
    expect_pattern(w, lens[0], 0, 0);
    /* A refused MSETNX keeps nothing of what it brought. */
    wire_send_text(w, "*5\r\n$6\r\nMSETNX\r\n$1\r\nn\r\n$1048576\r\n");
    send_pattern(w, M, 9);
    wire_send_text(w, "\r\n$2\r\nm1\r\n$1\r\nx\r\n");
    wire_expect(w, ":0");
    wire_run(w, "EXISTS n", ":0");
    wire_run(w, "DEL m0 m1 m2 m3 m4 m5", ":6");
    wire_close(w);
}
END_TEST

START_TEST(large_arguments_of_other_commands_do_no_harm)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w, "*2\r\n$4\r\nECHO\r\n$1048576\r\n");
    send_pattern(w, M, 3);
    wire_send_text(w, "\r\n");
    expect_pattern(w, M, 3, 0);
    /* Too many arguments, one of them large. */
    wire_send_text(w, "*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$1048576\r\n");
    send_pattern(w, M, 3);
    wire_send_text(w, "\r\n");
    wire_expect(w, "-ERR wrong number of arguments for 'get' command");
    /* A name that is no command. */
    wire_send_text(w, "*1\r\n$1048576\r\n");
    for (size_t i = 0; i < M; i += 16)
        wire_send(w, "abcdefghijklmnop", 16);
    wire_send_text(w, "\r\n");
    wire_expect(w, "re:-ERR unknown command '(abcdefghijklmnop){8}'.*");
    /* SET with a large value and a wrong option. */
    wire_send_text(w, "*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
    send_pattern(w, M, 3);
    wire_send_text(w, "\r\n$4\r\nNOPE\r\n");
    wire_expect(w, "-ERR syntax error");
    /* A large key: an ashlard has a limit for keys, Redis has none. */
    wire_send_text(w, "*3\r\n$3\r\nSET\r\n$1048576\r\n");
    send_pattern(w, M, 3);
    wire_send_text(w, "\r\n$1\r\nv\r\n");
    wire_expect(w, testing_redis() ? "+OK" : "re:-ERR .*key.*");
    wire_send_text(w, "*2\r\n$3\r\nGET\r\n$1048576\r\n");
    send_pattern(w, M, 3);
    wire_send_text(w, "\r\n");
    wire_expect(w, testing_redis() ? "\"v\"" : "$-1");
    wire_run(w, "FLUSHALL", "+OK");
    wire_close(w);
}
END_TEST

/* Wait until resident memory is at most `limit` kB; returns what it is. */
static size_t
await_rss(const struct server *s, size_t limit_kb, double seconds)
{
    double end = now_s() + seconds;
    size_t kb;

    do {
        kb = server_rss_kb(s);
        sleep_ms(20);
    } while (kb > limit_kb && now_s() < end);
    return kb;
}

START_TEST(memory_returns_after_del)
{
    struct server *s = server_start(NULL);
    struct wire *w = wire_connect(s);
    redisContext *c = server_connect(s);
    long long used_before = info_int(c, "memory", "used_memory"), used;
    size_t rss_before = server_rss_kb(s), rss;
    double end = now_s() + patient(20);
    char key[16];

    for (int i = 0; i < 128; i++) {
        snprintf(key, sizeof(key), "r%d", i);
        send_set(w, key, M, (uint64_t)i);
        wire_expect(w, "+OK");
    }
    used = info_int(c, "memory", "used_memory");
    ck_assert_msg(used > used_before + 127 * (int)M,
        "used_memory: %lld before, %lld with 128 MiB", used_before, used);
    for (int i = 0; i < 128; i++)
        expect(c, ":1", "DEL r%d", i);
    /* Some of it may be kept warm for a while. */
    while ((used = info_int(c, "memory", "used_memory")) >=
            used_before + 16 * (int)M &&
        now_s() < end)
        sleep_ms(20);
    ck_assert_msg(used < used_before + 16 * (int)M,
        "used_memory: %lld before, %lld after", used_before, used);
    if (memory_is_judged()) {
        rss = await_rss(s, rss_before + 16 * K, 20);
        ck_assert_msg(rss <= rss_before + 16 * K,
            "resident memory: %zu kB before, %zu kB after", rss_before, rss);
    }
    wire_close(w);
    redisFree(c);
    server_stop(s);
}
END_TEST

/* Announce 512 MiB on several connections, send `first` of it, and see how much
 * resident memory grows by, in kB per connection. */
static size_t
announce(const char *first)
{
    struct wire *w[8], *other = wire_connect(server);
    size_t before, after;

    wire_run(other, "SET small 1", "+OK");
    before = server_rss_kb(server);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = wire_connect(server);
        wire_send_text(w[i], "*3\r\n$3\r\nSET\r\n$4\r\nnone\r\n$536870912\r\n");
        wire_send_text(w[i], first);
    }
    sleep_ms(200);
    after = server_rss_kb(server);
    wire_run(other, "SET small 2", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        wire_close(w[i]);
    wire_run(other, "EXISTS none", ":0");
    wire_close(other);
    return after > before ? (after - before) / ARRAY_LEN(w) : 0;
}

START_TEST(an_announced_value_takes_no_memory)
{
    size_t kb = announce("");

    if (memory_is_judged())
        ck_assert_msg(kb < 256, "%zu kB for an announced value", kb);
}
END_TEST

/* One huge page may come with the first byte. */
START_TEST(an_announced_value_takes_memory_as_it_arrives)
{
    size_t kb = announce("first bytes");

    if (memory_is_judged())
        ck_assert_msg(kb < 2 * K + 256, "%zu kB for the first bytes", kb);
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle_leaves_nothing)
{
    static const size_t parts[] = {1, 20 * K, M, 4 * M - 1, 4 * M};
    redisContext *c = server_connect(server);
    size_t rss_before, rss;

    expect(c, "+OK", "FLUSHALL");
    rss_before = server_rss_kb(server);
    for (int i = 0; i < 100; i++) {
        struct wire *w = wire_connect(server);

        wire_send_text(w, "*3\r\n$3\r\nSET\r\n$6\r\nmiddle\r\n$4194304\r\n");
        send_pattern(w, parts[(size_t)i % ARRAY_LEN(parts)], 1);
        if (i % 2 == 0) {
            struct linger reset = {1, 0};

            setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        wire_close(w);
    }
    expect(c, ":0", "EXISTS middle");
    if (memory_is_judged()) {
        rss = await_rss(server, rss_before + 16 * K, 20);
        ck_assert_msg(rss <= rss_before + 16 * K,
            "resident memory: %zu kB before, %zu kB after", rss_before, rss);
    }
    redisFree(c);
}
END_TEST

START_TEST(a_reader_that_leaves_in_the_middle_leaves_nothing)
{
    struct wire *w = wire_connect(server);

    send_set(w, "v", 32 * M, 1);
    wire_expect(w, "+OK");
    for (int i = 0; i < 20; i++) {
        struct wire *reader = wire_connect(server);

        wire_send_text(reader, "GET v\r\nGET v\r\n");
        wire_expect_bytes(reader, "$33554432\r\n");
        wire_close(reader);
    }
    wire_run(w, "DEL v", ":1");
    wire_run(w, "PING", "+PONG");
    wire_close(w);
}
END_TEST

START_TEST(a_large_value_may_arrive_in_small_pieces)
{
    struct wire *w = wire_connect(server);
    size_t len = 100 * K + 3, piece = 1;
    char *value = malloc(len);

    pattern_fill(value, len, 4, 0);
    wire_send_text(w, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$102403\r\n");
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN(piece, len - at);
        wire_send(w, value + at, n);
        piece = piece % 2000 + 37;
    }
    wire_send_text(w, "\r");
    sleep_ms(5);
    wire_send_text(w, "\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nv\r\n");
    wire_expect(w, "+OK");
    wire_expect(w, "+PONG");
    expect_pattern(w, len, 4, 0);
    free(value);
    wire_close(w);
}
END_TEST

/* Many clients write 16 KiB at a time. Each piece is not worth a visit: the
 * header with what has come beside it, then the rest. */
START_TEST(pieces_of_a_large_value_are_awaited)
{
    redisContext *c = server_connect(server);
    struct wire *w = wire_connect(server);
    size_t len = 100 * K, piece = 16 * K;
    char *value = malloc(len);
    long long reads;

    if (testing_redis()) {
        skip("how Redis receives is its own affair");
        return;
    }
    pattern_fill(value, len, 8, 0);
    for (int i = 0; i < 2; i++) {
        reads = info_int(c, "stats", "total_reads_processed");
        wire_send_text(w, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$102400\r\n");
        for (size_t at = 0; at < len; at += piece) {
            sleep_ms(5);
            wire_send(w, value + at, MIN(piece, len - at));
        }
        wire_send_text(w, "\r\n");
        wire_expect(w, "+OK");
        reads = info_int(c, "stats", "total_reads_processed") - reads;
        ck_assert_msg(reads <= 6, "%lld reads", reads);
    }
    /* Afterwards the least is told of. */
    wire_send_text(w, "*2\r\n$3\r\nGET\r\n$1\r\nv\r");
    sleep_ms(5);
    wire_send_text(w, "\n");
    expect_pattern(w, len, 8, 0);
    wire_run(w, "DEL v", ":1");
    free(value);
    redisFree(c);
    wire_close(w);
}
END_TEST

/* ---- clients that send one after the other ------------------------------ */

/* Append a SET of the value of `seed` to what is sent as one piece. */
static void
add_set(struct buf *b, const char *key, size_t len, uint64_t seed)
{
    buf_printf(b, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key),
        key, len);
    pattern_fill(buf_reserve(b, len), len, seed, 0);
    b->len += len;
    buf_printf(b, "\r\n");
}

static void
send_whole(struct wire *w, struct buf *b)
{
    wire_send(w, b->p, b->len);
    buf_free(b);
}

/* What follows a large value in the same piece, and what comes next from a
 * client that is known for large values. */
START_TEST(what_follows_a_large_value_is_understood)
{
    static const size_t lens[] = {16 * K + 1, 64 * K, 100 * K, 128 * K - 1,
        200 * K};
    struct wire *w = wire_connect(server);
    size_t len = lens[_i];
    struct buf b = {0};

    /* Enough of them that the rest is copied past the cache. */
    send_set(w, "filler", 32 * M, 1);
    wire_expect(w, "+OK");
    for (uint64_t i = 0; i < 3; i++) {
        add_set(&b, "v", len, i);
        send_whole(w, &b);
        wire_expect(w, "+OK");
        wire_send_command(w, "GET v");
        expect_pattern(w, len, i, 0);
    }
    /* Several in one piece, the last one cut; other commands between. */
    add_set(&b, "a", len, 11);
    add_set(&b, "b", len, 12);
    buf_printf(&b, "*0\r\n\r\nset \"q 1\" \"x\\x41\\\"\"\r\n");
    buf_printf(&b, "*1\r\n$4\r\nPING\r\n");
    add_set(&b, "c", len, 13);
    wire_send(w, b.p, b.len - 5);
    for (int i = 0; i < 3; i++)
        wire_expect(w, "+OK");
    wire_expect(w, "+PONG");
    wire_send(w, b.p + b.len - 5, 5);
    buf_free(&b);
    wire_expect(w, "+OK");
    wire_run(w, "MGET \"q 1\" nothing", "[\"xA\\\"\" $-1]");
    wire_send_command(w, "GET b");
    expect_pattern(w, len, 12, 0);
    /* Inline commands, of which quotes are resolved in place. */
    wire_send_text(w, "*0\r\nset q \"y\\x42\"\r\nget q\r\n");
    wire_expect(w, "+OK");
    wire_expect(w, "\"yB\"");
    /* Options behind the value; a command cut in its header. */
    buf_printf(&b, "*5\r\n$3\r\nSET\r\n$1\r\nd\r\n$%zu\r\n", len);
    pattern_fill(buf_reserve(&b, len), len, 14, 0);
    b.len += len;
    buf_printf(&b, "\r\n$2\r\nEX\r\n$3\r\n100\r\n*2\r\n$3\r\nTT");
    send_whole(w, &b);
    wire_expect(w, "+OK");
    wire_send_text(w, "L\r\n$1\r\nd\r\n");
    wire_expect(w, "re::(9[0-9]|100)");
    wire_send_text(w, "*3\r\n$3\r\nSE");
    sleep_ms(2);
    wire_send_text(w, "T\r\n$1\r\ne\r\n$2\r\nhi\r\n");
    wire_expect(w, "+OK");
    /* In a transaction; and no command at all. */
    wire_run(w, "MULTI", "+OK");
    add_set(&b, "a", len, 15);
    send_whole(w, &b);
    wire_expect(w, "+QUEUED");
    wire_run(w, "EXEC", "[+OK]");
    wire_send_command(w, "GET a");
    expect_pattern(w, len, 15, 0);
    wire_run(w, "DEL v a b c d e q \"q 1\" filler", ":9");
    wire_send_text(w, "*3\r\n$3\r\nSET\r\n!1\r\n");
    wire_expect(w, "-ERR Protocol error: expected '$', got '!'");
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

/* Many clients at once: what one sends is with its own key. */
START_TEST(large_values_of_many_clients_are_not_mixed_up)
{
    struct wire *w[40];
    struct buf b = {0};
    char key[16];

    for (int i = 0; i < 40; i++)
        w[i] = wire_connect(server);
    for (uint64_t round = 0; round < 6; round++) {
        for (uint64_t i = 0; i < 40; i++) {
            snprintf(key, sizeof(key), "m%d", (int)i);
            if ((i + round) % 5 == 4)
                buf_printf(&b, "*2\r\n$4\r\nECHO\r\n$2\r\n%02d\r\n", (int)i);
            else
                add_set(&b, key, 50 * K + i * K, 100 * round + i);
            send_whole(w[i], &b);
        }
        for (uint64_t i = 0; i < 40; i++) {
            snprintf(key, sizeof(key), "\"%02d\"", (int)i);
            wire_expect(w[i], (i + round) % 5 == 4 ? key : "+OK");
            if ((i + round) % 5 == 4)
                continue;
            snprintf(key, sizeof(key), "GET m%d", (int)i);
            wire_send_command(w[i], key);
            expect_pattern(w[i], 50 * K + i * K, 100 * round + i, 0);
        }
    }
    for (int i = 0; i < 40; i++)
        wire_close(w[i]);
}
END_TEST

/* ---- writers and readers of one large value ----------------------------- */

static void *
overwrite(void *arg)
{
    struct wire *w = wire_connect(server);
    uint64_t first = (uint64_t)(uintptr_t)arg;

    for (uint64_t i = 0; i < 60; i++) {
        send_set(w, "contended", M, first + i % 3);
        wire_expect(w, "+OK");
    }
    wire_close(w);
    return NULL;
}

static void *
read_whole(void *arg)
{
    struct wire *w = wire_connect(server);
    char *got = malloc(M);

    (void)arg;
    for (int i = 0; i < 100; i++) {
        bool whole = false;

        wire_send_text(w, "GET contended\r\n");
        wire_expect_bytes(w, "$1048576\r\n");
        wire_read_bytes(w, got, M);
        wire_expect_bytes(w, "\r\n");
        for (uint64_t seed = 100; seed < 300 && !whole; seed++)
            whole = memcmp(got, &(uint64_t){pattern_word(seed, 0)}, 8) == 0 &&
                pattern_wrong(got, M, seed, 0) == 0;
        ck_assert_msg(whole, "a value that nobody wrote");
    }
    free(got);
    wire_close(w);
    return NULL;
}

START_TEST(readers_of_a_value_being_replaced_see_whole_ones)
{
    struct wire *w = wire_connect(server);
    pthread_t threads[4];

    send_set(w, "contended", M, 100);
    wire_expect(w, "+OK");
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i < 2 ? overwrite : read_whole,
            (void *)(uintptr_t)(i == 0 ? 100 : 200));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    wire_run(w, "DEL contended", ":1");
    wire_close(w);
}
END_TEST

static Suite *
large_values_suite(void)
{
    Suite *s = suite_create("large_values");
    TCase *tc = tcase_create("large values");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, an_announced_value_takes_no_memory);
    tcase_add_test(tc, an_announced_value_takes_memory_as_it_arrives);
    tcase_add_loop_test(
        tc, a_value_comes_back_as_it_was, 0, (int)ARRAY_LEN(sizes));
    tcase_add_test(tc, a_large_value_may_arrive_in_small_pieces);
    tcase_add_test(tc, pieces_of_a_large_value_are_awaited);
    tcase_add_loop_test(tc, what_follows_a_large_value_is_understood, 0, 5);
    tcase_add_test(tc, large_values_of_many_clients_are_not_mixed_up);
    tcase_add_test(tc, commands_take_parts_of_large_values);
    tcase_add_test(tc, mset_and_mget_take_several_large_values);
    tcase_add_test(tc, large_arguments_of_other_commands_do_no_harm);
    tcase_add_test(tc, a_client_that_leaves_in_the_middle_leaves_nothing);
    tcase_add_test(tc, a_reader_that_leaves_in_the_middle_leaves_nothing);
    tcase_add_test(tc, readers_of_a_value_being_replaced_see_whole_ones);
    tcase_add_test(tc, memory_returns_after_del);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(large_values_suite());
}
