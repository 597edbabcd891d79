/* SPDX-License-Identifier: BSD-3-Clause */
/* allocations_test.c - requests cost no call of malloc once their worker has
 * seen their like: the calls are counted by a library that is preloaded into
 * the daemon (malloc_count.c).
 */
#include "client-tests/wire.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client-tests/client.h"

/* Of each load; the first ones warm up. */
#define ROUNDS 100

static const char *const engines[] = {"epoll", "uring"};

/* A file with a count that the server shares. */
static _Atomic uint64_t *
make_counter(char **path)
{
    uint64_t zero = 0;
    void *p;
    int fd;

    *path = text_of("%s/count", tests_dir());
    fd = open(*path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, &zero, sizeof(zero)), sizeof(zero));
    p = mmap(NULL, sizeof(zero), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    close(fd);
    return p;
}

/* A server with the library, whose only worker has this engine; NULL if it
 * cannot have it. */
static struct server *
start_counted(const char *engine, _Atomic uint64_t **count)
{
    /* Where uring cannot be, auto is epoll, and the test is skipped. */
    const char *const args[] = {"--enable-debug-command", "yes", "--io-engine",
        strcmp(engine, "uring") == 0 ? "auto" : engine, "--workers", "1", NULL};
    char *path, *own = own_directory();
    char *library = text_of("%s/malloc_count.so", own);
    struct server *s;
    struct wire *w;
    char *info, *line = text_of("io_engine:%s", engine);
    bool has_it;

    *count = make_counter(&path);
    setenv("ASHLAR_MALLOC_COUNT", path, 1);
    setenv("LD_PRELOAD", library, 1);
    s = server_start(args);
    unsetenv("LD_PRELOAD");
    free(library);
    free(path);
    free(own);
    ck_assert_msg(atomic_load(*count) > 0, "nothing is counted");
    w = wire_connect(s);
    wire_send_command(w, "INFO server");
    info = wire_read(w);
    wire_close(w);
    has_it = strstr(info, line) != NULL;
    free(info);
    free(line);
    if (has_it)
        return s;
    skip("no io-engine %s here", engine);
    server_stop(s);
    return NULL;
}

static void
add_command(FILE *out, int argc, const char *const *argv)
{
    fprintf(out, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++)
        fprintf(out, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
}

#define COMMAND(...)                                                           \
    add_command(out,                                                           \
        (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),    \
        (const char *const[]){__VA_ARGS__})

static char small[] = "a value of some length, 40 bytes or so..";

static void
write_hits(FILE *out)
{
    COMMAND("SET", "a:1", small);
    COMMAND("GET", "a:1");
    COMMAND("SET", "a:2", small, "EX", "1000");
    COMMAND("MGET", "a:1", "a:2", "no:1");
    COMMAND("SET", "n", "10000");
    COMMAND("INCR", "n");
    COMMAND("EXPIRE", "n", "100");
    COMMAND("TTL", "n");
    COMMAND("EXISTS", "n", "a:1");
    COMMAND("DEL", "a:1", "a:2", "n");
}

static void
write_misses(FILE *out)
{
    COMMAND("GET", "no:1");
    COMMAND("DEL", "no:1");
    COMMAND("EXPIRE", "no:1", "10");
    COMMAND("MGET", "no:1", "no:2", "no:3");
    COMMAND("SET", "no:1", "x", "XX");
}

static void
write_pipeline(FILE *out)
{
    for (int i = 0; i < 50; i++) {
        char *key = text_of("user:%08d", i);

        COMMAND("SET", key, small);
        COMMAND("GET", key);
        COMMAND("MSET", key, small, "b:1", small, "b:2", small);
        COMMAND("APPEND", key, "x");
        free(key);
    }
}

static void
write_kibibytes(FILE *out)
{
    static char value[1025];

    memset(value, 'k', sizeof(value) - 1);
    for (int i = 0; i < 30; i++) {
        COMMAND("SET", "k", value);
        COMMAND("GET", "k");
    }
}

static void
write_extents(FILE *out)
{
    static char value[100001], huge[(1 << 20) + 1];

    memset(huge, 'h', sizeof(huge) - 1);
    memset(value, 'e', sizeof(value) - 1);
    COMMAND("SET", "large", value);
    COMMAND("GET", "large");
    COMMAND("GETRANGE", "large", "0", "9");
    COMMAND("GET", "large");
    COMMAND("DEL", "large");
    COMMAND("SET", "huge", huge);
    COMMAND("GET", "huge");
    COMMAND("GET", "huge");
}

static struct {
    const char *name;
    void (*write)(FILE *out);
} const loads[] = {
    {"hits", write_hits},
    {"misses", write_misses},
    {"a pipeline", write_pipeline},
    {"values of a KiB", write_kibibytes},
    {"values in extents", write_extents},
};

/* Reply bytes of a text of commands: all that comes before the PONG. */
static size_t
reply_bytes(struct wire *w, const char *request, size_t len)
{
    static const char end[] = "+PONG\r\n";
    size_t n = 0;
    char last[sizeof(end)] = "";

    wire_send(w, request, len);
    wire_send_text(w, "*1\r\n$4\r\nPING\r\n");
    while (memcmp(last, end, sizeof(end) - 1) != 0) {
        memmove(last, last + 1, sizeof(end) - 2);
        wire_read_bytes(w, last + sizeof(end) - 2, 1);
        n++;
    }
    return n - (sizeof(end) - 1);
}

static void
run(struct wire *w, const char *request, size_t len, char *reply, size_t bytes)
{
    wire_send(w, request, len);
    wire_read_bytes(w, reply, bytes);
}

START_TEST(requests_in_the_steady_state_call_no_malloc)
{
    _Atomic uint64_t *count;
    struct server *s;
    struct wire *w;

    if (!memory_is_judged())
        return;
    s = start_counted(engines[_i], &count);
    if (s == NULL)
        return;
    w = wire_connect(s);
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        char *request, *reply;
        size_t len, bytes;
        uint64_t before, calls;
        FILE *out = open_memstream(&request, &len);

        loads[i].write(out);
        fclose(out);
        bytes = reply_bytes(w, request, len);
        reply = malloc(bytes);
        for (int n = 0; n < ROUNDS; n++)
            run(w, request, len, reply, bytes);
        before = atomic_load(count);
        for (int n = 0; n < ROUNDS; n++)
            run(w, request, len, reply, bytes);
        calls = atomic_load(count) - before;
        ck_assert_msg(calls == 0, "%s: %llu calls of malloc in %d rounds",
            loads[i].name, (unsigned long long)calls, ROUNDS);
        free(request);
        free(reply);
    }
    wire_close(w);
    server_stop(s);
}
END_TEST

#define CROWD 8

/* A large value each, which the server meets all together: it is kept from
 * looking while they are sent. */
static void
run_crowd(struct wire *control, struct wire *const *w)
{
    char value[50001];

    memset(value, 'c', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    wire_send_text(control, "DEBUG SLEEP 0.005\r\n");
    for (int i = 0; i < CROWD; i++) {
        char head[64];

        snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$2\r\nc%d\r\n$%zu\r\n",
            i, strlen(value));
        wire_send_text(w[i], head);
        wire_send_text(w[i], value);
        wire_send_text(w[i], "\r\n");
    }
    wire_expect(control, "+OK");
    for (int i = 0; i < CROWD; i++)
        wire_expect_bytes(w[i], "+OK\r\n");
}

START_TEST(large_values_of_many_clients_call_no_malloc)
{
    struct wire *control, *w[CROWD];
    uint64_t before, calls, least = UINT64_MAX;
    _Atomic uint64_t *count;
    struct server *s;

    if (!memory_is_judged())
        return;
    s = start_counted(engines[_i], &count);
    if (s == NULL)
        return;
    control = wire_connect(s);
    for (int i = 0; i < CROWD; i++)
        w[i] = wire_connect(s);
    for (int n = 0; n < 50; n++) {
        before = atomic_load(count);
        run_crowd(control, w);
        calls = atomic_load(count) - before;
        least = MIN(least, calls);
    }
    ck_assert_msg(least == 0, "%llu calls of malloc for %d clients",
        (unsigned long long)least, CROWD);
    for (int i = 0; i < CROWD; i++)
        wire_close(w[i]);
    wire_close(control);
    server_stop(s);
}
END_TEST

static Suite *
allocations_suite(void)
{
    Suite *s = suite_create("allocations");
    TCase *tc = tcase_create("allocations");

    tcase_set_timeout(tc, patient(60));
    tcase_add_loop_test(tc, requests_in_the_steady_state_call_no_malloc, 0,
        (int)ARRAY_LEN(engines));
    tcase_add_loop_test(tc, large_values_of_many_clients_call_no_malloc, 0,
        (int)ARRAY_LEN(engines));
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return testing_redis() ? 0 : run_tests(allocations_suite());
}
