/* SPDX-License-Identifier: BSD-3-Clause */
/* connections_test.c - listeners and many clients: limits, idleness, sockets of
 * all kinds, the cost of a connection.
 */
#include "client-tests/wire.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-tests/client.h"

/* Close by a reset: no TIME_WAIT is left behind. */
static void
drop(struct wire *w)
{
    struct linger reset = {1, 0};

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    wire_close(w);
}

/* Until no more than `n` clients are there, of which one asks. */
static void
await_clients(struct wire *one, int n)
{
    char *line = text_of("connected_clients:%d\\r", n);
    double end = now_s() + patient(10);

    for (bool gone = false; !gone; sleep_ms(5)) {
        char *info;

        wire_send_command(one, "INFO clients");
        info = wire_read(one);
        gone = strstr(info, line) != NULL;
        free(info);
        ck_assert_msg(
            gone || now_s() < end, "clients that left are still counted");
    }
    free(line);
}

START_TEST(beyond_maxclients_a_client_is_told_and_closed)
{
    static const char *const args[] = {"--maxclients", "10", NULL};
    struct server *s = server_start(args);
    struct wire *w[10], *late;

    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = wire_connect(s);
        wire_run(w[i], "PING", "+PONG");
    }
    for (int i = 0; i < 5; i++) {
        late = wire_connect(s);
        wire_expect_bytes(late, "-ERR max number of clients reached\r\n");
        wire_expect_closed(late);
        wire_close(late);
    }
    late = wire_open(server_connect_raw_unix(s));
    wire_expect_bytes(late, "-ERR max number of clients reached\r\n");
    wire_expect_closed(late);
    wire_close(late);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        wire_run(w[i], "PING", "+PONG");
    {
        char *info;

        wire_send_command(w[0], "INFO stats");
        info = wire_read(w[0]);
        ck_assert_ptr_nonnull(strstr(info, "rejected_connections:6\\r"));
        free(info);
    }
    /* A place that becomes free can be taken. */
    wire_close(w[9]);
    for (double end = now_s() + patient(5);;) {
        char *reply;

        late = wire_connect(s);
        wire_send_text(late, "PING\r\n");
        reply = wire_read(late);
        if (strcmp(reply, "+PONG") == 0) {
            free(reply);
            break;
        }
        free(reply);
        wire_close(late);
        ck_assert_msg(now_s() < end, "the free place cannot be taken");
        sleep_ms(5);
    }
    wire_run(late, "CONFIG SET maxclients 11", "+OK");
    w[9] = wire_connect(s);
    wire_run(w[9], "PING", "+PONG");
    wire_close(late);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        wire_close(w[i]);
    server_stop(s);
}
END_TEST

/* Is it not long since we were here the last time? */
static bool
in_time(double *last)
{
    double before = *last;

    *last = now_s();
    return *last - before < 0.8;
}

/* False if we were late ourselves, so that clients may be closed that are not
 * meant to be idle. */
static bool
see_idle_clients_closed(const struct server *s)
{
    struct wire *idle = wire_connect(s), *busy = wire_connect(s);
    struct wire *half = wire_connect(s), *slow = wire_connect(s);
    struct wire *stopped = wire_connect(s);
    double start = now_s(), last = start;
    char value[65536];
    size_t sent = 0;
    bool ok = true;

    wire_run(idle, "PING", "+PONG");
    wire_send_text(half, "*1\r\n$4\r\nPI");
    wire_send_text(slow, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$65536\r\nx");
    wire_send_text(stopped, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$65536\r\nx");
    while (!(wire_readable(idle, 100) && wire_readable(half, 0) &&
               wire_readable(stopped, 0)) &&
        (ok = in_time(&last))) {
        wire_run(busy, "PING", "+PONG");
        wire_send_text(slow, "x");
        sent++;
        ck_assert_msg(now_s() < start + 2.5 + patient(10),
            "still open after %.1f s", now_s() - start);
    }
    wire_expect_closed(idle);
    ck_assert_msg(
        now_s() - start > 0.9, "closed after %.1f s", now_s() - start);
    wire_expect_closed(half);
    wire_expect_closed(stopped);
    if (ok && in_time(&last)) {
        /* Who sends a large value byte by byte is not idle. */
        memset(value, 'x', sizeof(value));
        wire_send(slow, value, sizeof(value) - 1 - sent);
        wire_send_text(slow, "\r\n");
        wire_run(busy, "CONFIG SET timeout 0", "+OK");
        wire_expect(slow, "+OK");
    } else {
        ok = false;
    }
    wire_close(idle);
    wire_close(half);
    wire_close(slow);
    wire_close(stopped);
    wire_close(busy);
    return ok;
}

START_TEST(an_idle_client_is_closed_after_the_timeout)
{
    static const char *const args[] = {"--timeout", "1", NULL};
    struct server *s = server_start(args);

    while (!see_idle_clients_closed(s))
        ;
    server_stop(s);
}
END_TEST

/* Who sends something is not idle, however late the server reads it. */
START_TEST(what_comes_while_the_server_stands_still_counts)
{
    static const char *const args[] = {"--timeout", "1", NULL};
    struct server *s = server_start(args);
    double last;
    bool ok;

    do {
        struct wire *w = wire_connect(s);

        wire_run(w, "PING", "+PONG");
        last = now_s();
        kill(server_pid(s), SIGSTOP);
        wire_send_text(w, "PING\r\n");
        ok = in_time(&last); /* or it may have been closed before */
        sleep_ms(2200);
        kill(server_pid(s), SIGCONT);
        if (ok)
            wire_expect(w, "+PONG");
        wire_close(w);
    } while (!ok);
    server_stop(s);
}
END_TEST

START_TEST(a_unix_socket_serves_the_same_keys)
{
    static const char *const args[] = {"--unixsocketperm", "700", NULL};
    struct server *s = server_start(args);
    struct wire *tcp = wire_connect(s);
    struct wire *local = wire_open(server_connect_raw_unix(s));
    redisContext *c = server_connect_unix(s);
    char path[108];
    struct stat st;

    snprintf(path, sizeof(path), "%s", server_socket_path(s));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    wire_run(local, "SET k unix", "+OK");
    wire_run(tcp, "GET k", "\"unix\"");
    expect(c, "\"unix\"", "GET k");
    wire_run(local, "CLIENT INFO", "re:\".* addr=[^ ]*/sock:0 .*\"");
    redisFree(c);
    wire_close(local);
    wire_close(tcp);
    server_stop(s);
    ck_assert_msg(stat(path, &st) != 0, "%s is left behind", path);
}
END_TEST

START_TEST(ipv6_serves_the_same_keys)
{
    static const char *const args[] = {"--bind", "127.0.0.1", "::1", NULL};
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct server *s;
    struct wire *v4, *v6;
    int fd;

    close(probe);
    fd = probe < 0 ? -1 : connect_tcp("::1", free_port());
    if (probe < 0 || (fd < 0 && errno != ECONNREFUSED)) {
        skip("no IPv6 on this system");
        return;
    }
    s = server_start(args);
    v4 = wire_connect(s);
    fd = connect_tcp("::1", server_port(s));
    ck_assert_msg(fd >= 0, "connect to ::1: %s", strerror(errno));
    v6 = wire_open(fd);
    wire_run(v6, "SET k six", "+OK");
    wire_run(v4, "GET k", "\"six\"");
    wire_run(v6, "CLIENT INFO", "re:\".* addr=\\[::1\\]:[0-9]+ .*\"");
    wire_close(v4);
    wire_close(v6);
    server_stop(s);
}
END_TEST

START_TEST(a_port_of_0_listens_on_the_unix_socket_only)
{
    static const char *const args[] = {"--port", "0", NULL};
    struct server *s = server_start(args);
    struct wire *w = wire_open(server_connect_raw_unix(s));

    wire_run(w, "PING", "+PONG");
    wire_run(w, "CONFIG GET port", "[\"port\" \"0\"]");
    ck_assert_int_lt(connect_tcp("127.0.0.1", server_port(s)), 0);
    wire_close(w);
    server_stop(s);
}
END_TEST

/* The epoll instance of the server that watches its descriptor `fd`: each
 * worker has one. -1 if none does. */
static int
watcher_of(const struct server *s, int fd)
{
    char path[64], line[256], target[64];
    int watcher = -1, watched;
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)server_pid(s));
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (watcher < 0 && (entry = readdir(dir)) != NULL) {
        ssize_t n =
            readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        FILE *in;

        if (n < 0 || strncmp(target, "anon_inode:[eventpoll]", 22) != 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)server_pid(s),
            atoi(entry->d_name));
        in = fopen(path, "re");
        while (in != NULL && fgets(line, sizeof(line), in) != NULL)
            if (sscanf(line, "tfd: %d", &watched) == 1 && watched == fd)
                watcher = atoi(entry->d_name);
        if (in != NULL)
            fclose(in);
    }
    closedir(dir);
    return watcher;
}

/* Which worker serves this connection, as a number that tells them apart. */
static int
worker_of(const struct server *s, struct wire *w)
{
    char *info, *fd;
    int watcher;

    wire_send_command(w, "CLIENT INFO");
    info = wire_read(w);
    fd = strstr(info, " fd=");
    ck_assert_ptr_nonnull(fd);
    watcher = watcher_of(s, atoi(fd + 4));
    ck_assert_msg(watcher >= 0, "no event loop watches %s", info);
    free(info);
    return watcher;
}

/* Each of 4 workers has its share of the connections, give or take `slack`. */
static void
expect_even(const struct server *s, struct wire **w, int n, int slack)
{
    int workers[4], counts[4] = {0}, n_workers = 0, j;

    for (int i = 0; i < n; i++) {
        int worker = worker_of(s, w[i]);

        for (j = 0; j < n_workers && workers[j] != worker; j++)
            ;
        if (j == n_workers) {
            ck_assert_int_lt(n_workers, 4);
            workers[n_workers++] = worker;
        }
        counts[j]++;
    }
    for (int i = 0; i < 4; i++)
        ck_assert_msg(abs(counts[i] - n / 4) <= slack,
            "of %d clients the workers have %d, %d, %d, %d", n, counts[0],
            counts[1], counts[2], counts[3]);
}

START_TEST(clients_are_dealt_evenly_over_workers)
{
    /* Which worker has it, epoll tells; both engines deal in the same way. */
    static const char *const args[] = {
        "--workers", "4", "--io-engine", "epoll", NULL};
    struct server *s;
    struct wire *w[80];
    struct wire *stays = NULL;
    int worker, n_left = 0;

    if (testing_redis()) {
        skip("workers are an ashlard's");
        return;
    }
    s = server_start(args);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = wire_connect(s);
        wire_run(w[i], "PING", "+PONG");
    }
    expect_even(s, w, ARRAY_LEN(w), 2);
    /* One worker's clients leave: those that come fill the gap. */
    worker = worker_of(s, w[0]);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        if (worker_of(s, w[i]) != worker) {
            stays = w[i];
            n_left++;
            continue;
        }
        wire_close(w[i]);
        w[i] = NULL;
    }
    await_clients(stays, n_left);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        if (w[i] != NULL)
            continue;
        w[i] = wire_connect(s);
        wire_run(w[i], "PING", "+PONG");
    }
    expect_even(s, w, ARRAY_LEN(w), 3);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        wire_close(w[i]);
    server_stop(s);
}
END_TEST

#define IDLE 10000

START_TEST(an_idle_connection_costs_less_than_1_kib)
{
    static const char *const args[] = {"--maxclients", "10100", NULL};
    struct rlimit limit;
    struct server *s;
    struct wire **w = calloc(IDLE, sizeof(*w)), *control;
    size_t before, after;
    double end;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < IDLE + 200) {
        skip("%d connections: RLIMIT_NOFILE allows %llu", IDLE,
            (unsigned long long)limit.rlim_max);
        free(w);
        return;
    }
    limit.rlim_cur = IDLE + 200;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    s = server_start(args);
    control = wire_connect(s);
    /* What the first clients make the server set up is not theirs. */
    for (int i = 0; i < 20; i++) {
        w[i] = wire_connect(s);
        wire_run(w[i], "PING", "+PONG");
    }
    before = server_rss_kb(s);
    for (int i = 20; i < IDLE; i++) {
        w[i] = wire_connect(s);
        /* Each has been used once. */
        if (i % 2 == 0)
            wire_run(w[i], "PING", "+PONG");
        else
            wire_run(w[i], "GET idle", "$-1");
    }
    end = now_s() + patient(10);
    do {
        after = server_rss_kb(s);
        sleep_ms(50);
    } while (after - before > IDLE && now_s() < end);
    fprintf(stderr, "%d idle connections: %zu bytes of resident memory each\n",
        IDLE, (after - before) * 1024 / IDLE);
    wire_run(control, "INFO clients", "re:\".*connected_clients:10001\\\\.*\"");
    wire_run(w[IDLE - 1], "SET still works", "+OK");
    wire_run(w[0], "GET still", "\"works\"");
    for (int i = 0; i < IDLE; i++)
        drop(w[i]);
    if (memory_is_judged())
        ck_assert_uint_lt(after - before, IDLE);
    await_clients(control, 1);
    wire_close(control);
    server_stop(s);
    free(w);
}
END_TEST

/* Whatever the server does about a limit of descriptors below maxclients
 * (lower maxclients, refuse, or leave connections waiting), those it has are
 * served, and when some leave, others can come. */
START_TEST(without_descriptors_service_goes_on)
{
    enum {
        MAX_FDS = 80,
        CLIENTS = 120
    };
    struct server *s =
        server_start_with(&(struct server_options){.max_fds = MAX_FDS});
    struct wire *first = wire_connect(s), *w[CLIENTS], *late;
    double end;

    wire_run(first, "SET k v", "+OK");
    for (int i = 0; i < CLIENTS; i++) {
        w[i] = wire_connect(s);
        wire_send_text(w[i], "PING\r\n");
    }
    for (int i = 0; i < 20; i++) {
        wire_run(first, "GET k", "\"v\"");
        sleep_ms(10);
    }
    for (int i = 0; i < CLIENTS; i++)
        wire_close(w[i]);
    for (end = now_s() + patient(10);;) {
        char *reply = NULL;

        late = wire_connect(s);
        send(late->fd, "PING\r\n", 6, MSG_NOSIGNAL);
        if (wire_readable(late, 1000))
            reply = wire_read(late);
        if (reply != NULL && strcmp(reply, "+PONG") == 0) {
            free(reply);
            break;
        }
        free(reply);
        wire_close(late);
        ck_assert_msg(now_s() < end, "nobody can connect any more");
        sleep_ms(20);
    }
    wire_run(late, "GET k", "\"v\"");
    wire_run(first, "GET k", "\"v\"");
    wire_close(late);
    wire_close(first);
    server_stop(s);
}
END_TEST

START_TEST(connections_come_and_go_by_thousands)
{
    struct server *s = server_start(NULL);
    struct wire *control = wire_connect(s);
    size_t before, after;

    for (int i = 0; i < 500; i++) {
        struct wire *w = wire_connect(s);

        wire_run(w, "PING", "+PONG");
        drop(w);
    }
    before = server_rss_kb(s);
    for (int i = 0; i < 3000; i++) {
        struct wire *w =
            i % 2 ? wire_connect(s) : wire_open(server_connect_raw_unix(s));

        wire_send_text(w, "SET k v\r\nGET k\r\n");
        if (i % 3 != 0) {
            wire_expect(w, "+OK");
            wire_expect(w, "\"v\"");
        }
        drop(w);
    }
    wire_run(control, "PING", "+PONG");
    after = server_rss_kb(s);
    if (memory_is_judged())
        ck_assert_msg(after < before + 1024,
            "resident memory grew from %zu to %zu kB", before, after);
    wire_close(control);
    server_stop(s);
}
END_TEST

static Suite *
connections_suite(void)
{
    Suite *s = suite_create("connections");
    TCase *tc = tcase_create("connections");

    tcase_set_timeout(tc, patient(60));
    tcase_add_test(tc, what_comes_while_the_server_stands_still_counts);
    tcase_add_test(tc, a_unix_socket_serves_the_same_keys);
    tcase_add_test(tc, ipv6_serves_the_same_keys);
    tcase_add_test(tc, a_port_of_0_listens_on_the_unix_socket_only);
    tcase_add_test(tc, beyond_maxclients_a_client_is_told_and_closed);
    tcase_add_test(tc, an_idle_client_is_closed_after_the_timeout);
    tcase_add_test(tc, clients_are_dealt_evenly_over_workers);
    tcase_add_test(tc, connections_come_and_go_by_thousands);
    tcase_add_test(tc, without_descriptors_service_goes_on);
    tcase_add_test(tc, an_idle_connection_costs_less_than_1_kib);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(connections_suite());
}
