/* SPDX-License-Identifier: BSD-3-Clause */
/* io_engine_test.c - what is special to the ways in which a worker reads and
 * writes its sockets; each test runs with all of them. (With
 * ASHLAR_IO_ENGINE=uring the other programs test the one they name.)
 */
#include "client-tests/wire.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "client-tests/client.h"

static const char *const engines[] = {"epoll", "uring"};

/* ---- which engine ------------------------------------------------------- */

/* Why a server cannot use io_uring here; NULL if it can. */
static char *
obstacle(void)
{
    char *path = text_of("%s/probe", tests_dir());
    const char *const argv[] = {server_program(), "--port", "0", "--unixsocket",
        path, "--io-engine", "uring", "--pidfile", "/nonexistent/pid", NULL};
    struct program_end end = run_program(argv, patient(20));

    /* It comes as far as the file of its process id, or not. */
    free(path);
    if (strstr(end.output, "io-engine uring is not possible") != NULL)
        return end.output;
    ck_assert_ptr_nonnull(strstr(end.output, "/nonexistent/pid"));
    free(end.output);
    return NULL;
}

/* A server with this engine, or NULL where it cannot be. */
static struct server *
start_with(const char *engine, const char *workers)
{
    const char *const args[] = {"--io-engine", engine, "--workers", workers,
        "--enable-debug-command", "yes", NULL};
    char *why = strcmp(engine, "uring") == 0 ? obstacle() : NULL;

    if (why != NULL) {
        skip("io-engine uring: %s", why);
        free(why);
        return NULL;
    }
    return server_start(args);
}

static void
expect_engine(const struct server *s, const char *engine, const char *api)
{
    char *line = text_of("io_engine:%s\r\n", engine);
    char *api_line = text_of("multiplexing_api:%s\r\n", api);
    redisContext *c = server_connect(s);
    redisReply *info = redisCommand(c, "INFO server");

    ck_assert_ptr_nonnull(strstr(info->str, line));
    ck_assert_ptr_nonnull(strstr(info->str, api_line));
    freeReplyObject(info);
    redisFree(c);
    free(api_line);
    free(line);
}

START_TEST(the_engine_that_is_demanded_is_used_and_named)
{
    static const char *const apis[] = {"epoll", "io_uring"};
    struct server *s = start_with(engines[_i], "2");

    if (s == NULL)
        return;
    expect_engine(s, engines[_i], apis[_i]);
    server_stop(s);
}
END_TEST

/* From now on, this process and its children get EPERM for io_uring. */
static void
forbid_io_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(code), code};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

START_TEST(where_io_uring_is_forbidden_auto_is_epoll_and_uring_an_error)
{
    static const char *const args[] = {"--io-engine", "auto", NULL};
    struct server *s;
    char *why;

    forbid_io_uring();
    s = server_start(args);
    expect_engine(s, "epoll", "epoll");
    server_stop(s);
    why = obstacle();
    ck_assert_ptr_nonnull(why);
    ck_assert_msg(strstr(why, "Operation not permitted") != NULL ||
            strstr(why, "built without liburing") != NULL,
        "%s", why);
    free(why);
}
END_TEST

/* ---- many at once ------------------------------------------------------- */

/* Commands arrive on far more connections than there are buffers, while the
 * only worker is busy. */
START_TEST(more_clients_than_buffers_are_all_answered)
{
    enum {
        CLIENTS = 700,
        VALUE_BYTES = 6000
    };
    static struct wire *clients[CLIENTS];
    static char value[VALUE_BYTES + 1];
    struct server *s = start_with(engines[_i], "1");
    struct wire *busy;

    if (s == NULL)
        return;
    memset(value, 'v', VALUE_BYTES);
    busy = wire_connect(s);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = wire_connect(s);
        wire_send_command(clients[i], "PING");
    }
    for (int i = 0; i < CLIENTS; i++)
        wire_expect(clients[i], "+PONG");
    wire_send_command(busy, "DEBUG SLEEP 0.3");
    for (int i = 0; i < CLIENTS; i++) {
        char *set = text_of("SET k:%d %d%s\r\nSTRLEN k:%d\r\n", i, i, value, i);

        wire_send_text(clients[i], set);
        free(set);
    }
    wire_expect(busy, "+OK");
    for (int i = 0; i < CLIENTS; i++) {
        char *len = text_of(":%d", VALUE_BYTES + snprintf(NULL, 0, "%d", i));

        wire_expect(clients[i], "+OK");
        wire_expect(clients[i], len);
        wire_close(clients[i]);
        free(len);
    }
    wire_close(busy);
    server_stop(s);
}
END_TEST

/* Close so that the peer gets a reset. */
static void
reset(struct wire *w)
{
    struct linger now = {1, 0};

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    wire_close(w);
}

/* What a client leaves behind when it goes. */
static void
leave(struct wire *w, int how)
{
    static char junk[64 << 10];

    switch (how % 7) {
    case 0: /* replies that nobody reads */
        for (int i = 0; i < 20; i++)
            wire_send_command(w, "GET big");
        break;
    case 1: /* half a command */
        wire_send_text(w, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf");
        break;
    case 2: /* half a large value */
        wire_send_text(w, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n");
        wire_send(w, junk, sizeof(junk));
        break;
    case 3: /* commands after the last */
        wire_send_text(w, "PING\r\nQUIT\r\nPING\r\nPING\r\n");
        break;
    case 4: /* a sending side that ends first */
        wire_send_text(w, "GET big\r\nGET small\r\n");
        shutdown(w->fd, SHUT_WR);
        break;
    case 5: /* a subscriber */
        wire_send_text(w, "SUBSCRIBE news\r\n");
        break;
    case 6: /* an error that closes */
        wire_send_text(w, "*1\r\n!\r\nPING\r\n");
        break;
    }
    if (how % 2 == 0)
        reset(w);
    else
        wire_close(w);
}

static void
expect_clients(struct wire *w, const char *count)
{
    double deadline = now_s() + patient(10);
    char *line = text_of("connected_clients:%s\r\n", count), *info = NULL;
    bool found = false;

    while (!found && now_s() < deadline) {
        free(info);
        wire_send_command(w, "INFO clients");
        info = wire_read(w);
        /* The text has its line ends written out. */
        line[strlen(line) - 2] = '\0';
        found = strstr(info, line) != NULL;
        if (!found)
            sleep_ms(5);
    }
    ck_assert_msg(found, "no %s in %s", line, info);
    free(info);
    free(line);
}

START_TEST(clients_that_go_with_requests_in_flight_harm_nobody)
{
    enum {
        ROUNDS = 60,
        CLIENTS = 21
    };
    struct server *s = start_with(engines[_i], "2");
    struct wire *steady, *clients[CLIENTS];
    char *value, *set;

    if (s == NULL)
        return;
    steady = wire_connect(s);
    value = text_of("%0200000d", 7);
    set = text_of("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$200000\r\n%s\r\n", value);
    wire_send_text(steady, set);
    wire_expect(steady, "+OK");
    wire_run(steady, "SET small s", "+OK");
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            clients[i] = wire_connect(s);
        for (int i = 0; i < CLIENTS; i++)
            leave(clients[i], i + round);
        wire_send_text(steady, "PUBLISH news hello\r\nGET small\r\n");
        free(wire_read(steady));
        wire_expect(steady, "\"s\"");
    }
    expect_clients(steady, "1");
    wire_run(steady, "STRLEN big", ":200000");
    free(set);
    free(value);
    wire_close(steady);
    server_stop(s);
}
END_TEST

/* ---- one connection ----------------------------------------------------- */

/* Small and large arguments in one stream, cut anywhere: their order, and what
 * the ring has taken before it leaves a connection to readv. */
START_TEST(large_and_small_arguments_of_one_stream_stay_in_order)
{
    enum {
        COMMANDS = 120
    };
    struct server *s = start_with(engines[_i], "1");
    char *stream = NULL, *value;
    size_t cap, len;
    struct wire *w;
    unsigned random = 12345;
    FILE *out;

    if (s == NULL)
        return;
    w = wire_connect(s);
    out = open_memstream(&stream, &cap);
    for (int i = 0; i < COMMANDS; i++) {
        int n = i % 5 == 3 ? 20000 + 5000 * (i % 9) : 10 + i;

        fprintf(out, "*3\r\n$3\r\nSET\r\n$5\r\nkey%02d\r\n$%d\r\n%0*d\r\n",
            i % 100, n, n, i);
        fprintf(out, "*2\r\n$6\r\nSTRLEN\r\n$5\r\nkey%02d\r\n", i % 100);
        fprintf(out,
            "*4\r\n$8\r\nGETRANGE\r\n$5\r\nkey%02d\r\n"
            "$2\r\n-4\r\n$2\r\n-1\r\n",
            i % 100);
    }
    fclose(out);
    len = strlen(stream);
    for (size_t at = 0; at < len;) {
        size_t n;

        random = random * 1103515245u + 12345u;
        n = 1 + (random >> 8) % ((random >> 4) % 3 == 0 ? 60000 : 900);
        wire_send(w, stream + at, n < len - at ? n : len - at);
        at += n;
        if ((random >> 20) % 8 == 0)
            sleep_ms(1);
    }
    for (int i = 0; i < COMMANDS; i++) {
        int n = i % 5 == 3 ? 20000 + 5000 * (i % 9) : 10 + i;
        char *strlen_reply = text_of(":%d", n), *end = text_of("\"%04d\"", i);

        wire_expect(w, "+OK");
        wire_expect(w, strlen_reply);
        wire_expect(w, end);
        free(strlen_reply);
        free(end);
    }
    value = text_of("SET after %01000d\r\nSTRLEN after\r\n", 1);
    wire_send_text(w, value);
    wire_expect(w, "+OK");
    wire_expect(w, ":1000");
    free(value);
    free(stream);
    wire_close(w);
    server_stop(s);
}
END_TEST

static Suite *
io_engine_suite(void)
{
    Suite *s = suite_create("io_engine");
    TCase *tc = tcase_create("io_engine");
    int n = (int)ARRAY_LEN(engines);

    tcase_set_timeout(tc, patient(60));
    tcase_add_loop_test(
        tc, the_engine_that_is_demanded_is_used_and_named, 0, n);
    tcase_add_test(
        tc, where_io_uring_is_forbidden_auto_is_epoll_and_uring_an_error);
    tcase_add_loop_test(tc, more_clients_than_buffers_are_all_answered, 0, n);
    tcase_add_loop_test(
        tc, clients_that_go_with_requests_in_flight_harm_nobody, 0, n);
    tcase_add_loop_test(
        tc, large_and_small_arguments_of_one_stream_stay_in_order, 0, n);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return testing_redis() ? 0 : run_tests(io_engine_suite());
}
