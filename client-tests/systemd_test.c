/* SPDX-License-Identifier: BSD-3-Clause */
/* systemd_test.c - what the daemon tells a service manager, and the sockets
 * that it takes from one. The manager is this program: a datagram socket that
 * reads the notices, and sockets that a started daemon inherits.
 */
#include "client-tests/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-tests/client.h"
#ifdef ASHLAR_TLS
#include "client-tests/tls_client.h"
#endif

#define FIRST_FD 3
#define MAX_PASSED 3

/* ---- the manager --------------------------------------------------------- */

struct manager {
    int notices;              /* datagram socket */
    char address[PATH_MAX];   /* NOTIFY_SOCKET; "": is not set */
    const char *watchdog;     /* WATCHDOG_USEC, or NULL */
    const char *watchdog_pid; /* NULL: that of the daemon */
    int passed[MAX_PASSED];
    int n_passed;
    const char *listen_fds;   /* NULL: n_passed */
    const char *listen_names; /* or NULL */
    const char *listen_pid;   /* NULL: that of the daemon */
    const char *file;         /* configuration; or NULL */
    char log[PATH_MAX];
    pid_t pid;
};

static void
manager_open(struct manager *m, bool is_abstract)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len;

    *m = (struct manager){.pid = -1};
    snprintf(m->log, sizeof(m->log), "%s/%d.log", tests_dir(), getpid());
    snprintf(a.sun_path, sizeof(a.sun_path), "%s%s/n%d", is_abstract ? "@" : "",
        tests_dir(), getpid());
    strcpy(m->address, a.sun_path);
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
        strlen(a.sun_path));
    if (is_abstract)
        a.sun_path[0] = '\0';
    m->notices = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(m->notices, (struct sockaddr *)&a, len), 0);
}

static void
manager_close(struct manager *m)
{
    close(m->notices);
    if (m->address[0] == '/')
        unlink(m->address);
    for (int i = 0; i < m->n_passed; i++)
        close(m->passed[i]);
}

/* A listening socket that the daemon will inherit. */
static int
pass_socket(struct manager *m, int fd, const void *address, socklen_t len)
{
    int one = 1;

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    ck_assert_int_eq(bind(fd, address, len), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    m->passed[m->n_passed++] = fd;
    return fd;
}

static int
pass_tcp(struct manager *m)
{
    int port = free_port();
    struct sockaddr_in a = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    pass_socket(
        m, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &a, sizeof(a));
    return port;
}

/* One that serves IPv6 and IPv4, as `ListenStream=6379` is. 0 if this machine
 * has no IPv6. */
static int
pass_dual(struct manager *m)
{
    int port = free_port(), off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 a = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    if (fd < 0)
        return 0;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    pass_socket(m, fd, &a, sizeof(a));
    return port;
}

static struct sockaddr_un
pass_unix(struct manager *m)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/s%d", tests_dir(), getpid());
    unlink(a.sun_path);
    pass_socket(
        m, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &a, sizeof(a));
    return a;
}

static void
set_or_unset(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void
set_environment(const struct manager *m)
{
    char *own = text_of("%d", (int)getpid());
    char *n = text_of("%d", m->n_passed);

    set_or_unset("NOTIFY_SOCKET", *m->address != '\0' ? m->address : NULL);
    set_or_unset("WATCHDOG_USEC", m->watchdog);
    set_or_unset(
        "WATCHDOG_PID", m->watchdog_pid != NULL ? m->watchdog_pid : own);
    if (m->n_passed > 0 || m->listen_fds != NULL) {
        setenv("LISTEN_FDS", m->listen_fds != NULL ? m->listen_fds : n, 1);
        setenv("LISTEN_PID", m->listen_pid != NULL ? m->listen_pid : own, 1);
        set_or_unset("LISTEN_FDNAMES", m->listen_names);
    }
}

/* In the child: as a manager does before exec. */
static _Noreturn void
become_daemon(const struct manager *m, const char *const *argv)
{
    int log = open(m->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int spare[MAX_PASSED];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDERR_FILENO);
    for (int i = 0; i < m->n_passed; i++) /* out of the way of one another */
        spare[i] = fcntl(m->passed[i], F_DUPFD_CLOEXEC, 64);
    for (int i = 0; i < m->n_passed; i++)
        dup2(spare[i], FIRST_FD + i);
    set_environment(m);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static void
start_daemon(struct manager *m, int port, const char *const *more)
{
    char port_text[16];
    const char *const usual[] = {"--maxmemory", "64mb", "--workers", "2",
        "--bind", "127.0.0.1", "--port", port_text, "--enable-debug-command",
        "yes"};
    const char *argv[24] = {server_program()};
    size_t n = 1;

    snprintf(port_text, sizeof(port_text), "%d", port);
    if (m->file != NULL)
        argv[n++] = m->file;
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        argv[n++] = usual[i];
    for (; more != NULL && *more != NULL; more++)
        argv[n++] = *more;
    unlink(m->log);
    m->pid = fork();
    ck_assert_int_ge(m->pid, 0);
    if (m->pid == 0)
        become_daemon(m, argv);
}

/* Its exit status; it must end soon. */
static int
await_daemon(struct manager *m)
{
    double deadline = now_s() + patient(10);
    int status;

    while (waitpid(m->pid, &status, WNOHANG) == 0) {
        if (now_s() > deadline) {
            kill(m->pid, SIGKILL);
            waitpid(m->pid, &status, 0);
            ck_abort_msg("the daemon does not end");
        }
        sleep_ms(5);
    }
    m->pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *
daemon_log(const struct manager *m)
{
    const char *const argv[] = {"cat", m->log, NULL};

    return run_program(argv, 10).output;
}

static void
stop_daemon(struct manager *m)
{
    int status;

    kill(m->pid, SIGTERM);
    status = await_daemon(m);
    if (status != 0)
        ck_abort_msg("status %d\n%s", status, daemon_log(m));
}

/* ---- notices ------------------------------------------------------------- */

/* The next notice within `seconds`, or NULL; free() it. */
static char *
next_notice(const struct manager *m, double seconds)
{
    struct pollfd p = {m->notices, POLLIN, 0};
    char text[4096];
    ssize_t n;

    if (poll(&p, 1, (int)(seconds * 1000)) <= 0)
        return NULL;
    n = recv(m->notices, text, sizeof(text) - 1, 0);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    return text_of("%s", text);
}

/* Read notices until one begins so. Of the others none may begin with
 * `forbidden`. */
static char *
await_notice(const struct manager *m, const char *begin, const char *forbidden)
{
    double deadline = now_s() + patient(10);

    for (;;) {
        char *text = next_notice(m, MAX(deadline - now_s(), 0));

        if (text == NULL)
            ck_abort_msg("no notice %s\n%s", begin, daemon_log(m));
        if (strncmp(text, begin, strlen(begin)) == 0)
            return text;
        ck_assert_msg(forbidden == NULL ||
                strncmp(text, forbidden, strlen(forbidden)) != 0,
            "%s comes before %s", text, begin);
        free(text);
    }
}

/* How many notices begin so within `seconds`. */
static int
count_notices(const struct manager *m, const char *begin, double seconds)
{
    double end = now_s() + seconds;
    int n = 0;

    for (double left; (left = end - now_s()) > 0;) {
        char *text = next_notice(m, left);

        n += text != NULL && strncmp(text, begin, strlen(begin)) == 0;
        free(text);
    }
    return n;
}

/* ---- tests of notices ---------------------------------------------------- */

START_TEST(ready_is_told_once_clients_can_connect)
{
    struct manager m;
    int port = free_port(), fd;
    struct wire *w;

    manager_open(&m, _i == 1);
    start_daemon(&m, port, NULL);
    free(await_notice(&m, "EXTEND_TIMEOUT_USEC=1", "READY=1"));
    free(await_notice(&m, "READY=1", "STOPPING=1"));
    fd = connect_tcp("127.0.0.1", port); /* at once */
    ck_assert_int_ge(fd, 0);
    w = wire_open(fd);
    wire_run(w, "PING", "+PONG");
    wire_close(w);
    stop_daemon(&m);
    free(await_notice(&m, "STOPPING=1", "READY=1"));
    free(await_notice(&m, "EXTEND_TIMEOUT_USEC=1", "STOPPING=1"));
    manager_close(&m);
}
END_TEST

START_TEST(who_cannot_start_says_why_and_is_never_ready)
{
    struct manager m;
    const char *const args[] = {"--unixsocket", "/nonexistent/sock", NULL};
    char *text;

    manager_open(&m, false);
    start_daemon(&m, free_port(), args);
    ck_assert_int_eq(await_daemon(&m), 1);
    text = await_notice(&m, "STATUS=", "READY=1");
    ck_assert_ptr_nonnull(strstr(text, "/nonexistent/sock"));
    free(text);
    ck_assert_int_eq(count_notices(&m, "READY=1", 0), 0);
    manager_close(&m);
}
END_TEST

START_TEST(a_reload_is_told_with_its_time_and_its_end)
{
    struct manager m;
    unsigned long long us;
    double before;
    char *text;

    manager_open(&m, false);
    start_daemon(&m, free_port(), NULL);
    free(await_notice(&m, "READY=1", NULL));
    before = now_s();
    kill(m.pid, SIGHUP);
    text = await_notice(&m, "RELOADING=1\n", "READY=1");
    ck_assert_int_eq(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
    ck_assert_double_ge((double)us / 1e6, before - 0.001);
    ck_assert_double_le((double)us / 1e6, now_s());
    free(text);
    free(await_notice(&m, "READY=1", "RELOADING=1"));
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

static void
write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "we");

    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

START_TEST(a_refused_reload_is_told_in_the_status_until_a_good_one)
{
    static const char refused[] =
        "configuration not reloaded: %s:2: unknown directive \"prot\"";
    struct manager m;
    char *path = text_of("%s/%d.conf", tests_dir(), (int)getpid());
    char *expected = text_of(refused, path), *text;

    write_file(path, "timeout 3\n");
    manager_open(&m, false);
    m.file = path;
    start_daemon(&m, free_port(), NULL);
    free(await_notice(&m, "READY=1", NULL));
    write_file(path, "timeout 3\nprot 1\n");
    kill(m.pid, SIGHUP);
    free(await_notice(&m, "RELOADING=1\n", "READY=1"));
    text = await_notice(&m, "READY=1\nSTATUS=serving", NULL);
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
    free(text);
    write_file(path, "timeout 4\n");
    kill(m.pid, SIGHUP);
    text = await_notice(&m, "READY=1\nSTATUS=serving", NULL);
    ck_assert_msg(strstr(text, "not reloaded") == NULL, "%s", text);
    free(text);
    stop_daemon(&m);
    manager_close(&m);
    free(expected);
    free(path);
}
END_TEST

START_TEST(the_status_shows_items_fill_and_hit_ratio)
{
    struct manager m;
    int port = free_port();
    struct wire *w;
    char *text;

    manager_open(&m, false);
    start_daemon(&m, port, NULL);
    free(await_notice(&m, "READY=1", NULL));
    w = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(w, "MSET a 1 b 2 c 3", "+OK");
    wire_run(w, "MGET a b c d", "[\"1\" \"2\" \"3\" $-1]");
    do
        text = await_notice(&m, "STATUS=serving ", NULL);
    while (strstr(text, "hit ratio 75") == NULL && (free(text), true));
    ck_assert_msg(text_matches("re:STATUS=serving 1 client: 3 items, "
                               "[0-9.]+ of 64\\.0 MiB \\([0-9]+ %\\), "
                               "hit ratio 75\\.0 %",
                      text),
        "%s", text);
    free(text);
    wire_close(w);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

START_TEST(an_address_that_is_none_is_logged_and_harmless)
{
    struct manager m, bad;
    int port = free_port(), fd = -1;
    char *log;

    manager_open(&m, false);
    bad = m;
    memset(bad.address, 'x', sizeof(bad.address) - 1);
    bad.address[0] = _i == 0 ? '/' : 'x';
    bad.address[_i == 0 ? 300 : 4] = '\0';
    start_daemon(&bad, port, NULL);
    for (double end = now_s() + patient(10); fd < 0 && now_s() < end;) {
        sleep_ms(5);
        fd = connect_tcp("127.0.0.1", port);
    }
    ck_assert_int_ge(fd, 0);
    close(fd);
    log = daemon_log(&bad);
    ck_assert_msg(strstr(log, "NOTIFY_SOCKET is ") != NULL, "%s", log);
    free(log);
    stop_daemon(&bad);
    ck_assert_ptr_null(next_notice(&m, 0));
    manager_close(&m);
}
END_TEST

/* ---- the watchdog -------------------------------------------------------- */

/* How often the watchdog is fed while a worker sleeps, with a connection of
 * that worker and one of another; -1 if it woke before that was known. */
static int
count_fed_in_sleep(
    const struct manager *m, struct wire *held, struct wire *free_one)
{
    int n;

    wire_send_command(held, "DEBUG SLEEP 0.9");
    sleep_ms(200); /* the look under way may still feed */
    count_notices(m, "", 0.001);
    wire_run(free_one, "PING", "+PONG"); /* the other worker serves */
    n = count_notices(m, "WATCHDOG=1", 0.4);
    if (wire_readable(held, 0))
        n = -1;
    wire_expect(held, "+OK");
    return n;
}

START_TEST(the_watchdog_is_fed_while_all_workers_move)
{
    struct manager m;
    int port = free_port();
    struct wire *held, *free_one;
    int n_fed = -1;

    manager_open(&m, false);
    m.watchdog = "200000"; /* looks every 50 ms */
    start_daemon(&m, port, NULL);
    free(await_notice(&m, "READY=1", NULL));
    for (int i = 0; i < 3; i++)
        free(await_notice(&m, "WATCHDOG=1", NULL));
    /* Two workers: dealt by turns, so one connection each. */
    held = wire_open(connect_tcp("127.0.0.1", port));
    free_one = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(free_one, "PING", "+PONG");
    /* Who is late, the daemon or this, may see the end of the sleep, or notices
     * of before; a watchdog that is fed in a sleep is fed in each. */
    for (int i = 0; i < 8 && n_fed != 0; i++)
        n_fed = count_fed_in_sleep(&m, held, free_one);
    ck_assert_int_eq(n_fed, 0);
    free(await_notice(&m, "WATCHDOG=1", NULL));
    wire_close(held);
    wire_close(free_one);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

START_TEST(a_manager_that_does_not_read_holds_nobody_up)
{
    struct manager m;
    int port = free_port();
    double end, took_s = 0;
    struct wire *w;
    char *log;

    manager_open(&m, false);
    m.watchdog = "4000"; /* fills the queue of the socket */
    start_daemon(&m, port, NULL);
    free(await_notice(&m, "READY=1", NULL));
    do {
        sleep_ms(20);
        log = daemon_log(&m);
    } while (
        strstr(log, "not told \"WATCHDOG=1\"") == NULL && (free(log), true));
    free(log);
    /* Whom it held up, it would hold up until it reads. */
    end = now_s() + 0.3;
    for (int i = 0; now_s() < end || (took_s >= patient(1) && i < 8); i++) {
        double before = now_s();

        w = wire_open(connect_tcp("127.0.0.1", port));
        wire_run(w, "PING", "+PONG");
        wire_close(w);
        took_s = now_s() - before;
    }
    ck_assert_double_lt(took_s, patient(1));
    count_notices(&m, "", 0.2); /* STOPPING finds room */
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

START_TEST(a_watchdog_that_is_not_ours_is_not_fed)
{
    static const struct {
        const char *period, *pid;
    } of[] = {{"100000", "1"}, {"soon", NULL}, {"0", NULL}};
    struct manager m;

    manager_open(&m, false);
    m.watchdog = of[_i].period;
    m.watchdog_pid = of[_i].pid;
    start_daemon(&m, free_port(), NULL);
    free(await_notice(&m, "READY=1", NULL));
    ck_assert_int_eq(count_notices(&m, "WATCHDOG=1", 0.15), 0);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

/* ---- sockets ------------------------------------------------------------- */

static struct wire *
connect_unix(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)a, sizeof(*a)), 0);
    return wire_open(fd);
}

START_TEST(inherited_sockets_take_the_place_of_those_of_the_file)
{
    static const char *const names[] = {
        NULL, "resp:resp", "ashlard.socket:", "unknown:resp"};
    struct manager m;
    struct sockaddr_un a;
    int port, unused = free_port();
    struct wire *w;

    manager_open(&m, false);
    port = pass_tcp(&m);
    a = pass_unix(&m);
    m.listen_names = names[_i];
    start_daemon(&m, unused, NULL);
    free(await_notice(&m, "READY=1", NULL));
    w = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(w, "SET k v", "+OK");
    wire_run(w, "CONFIG SET port 6",
        "-ERR CONFIG SET failed (possibly related to argument 'port') - the "
        "sockets are those of the service manager");
    wire_close(w);
    w = connect_unix(&a);
    wire_run(w, "GET k", "\"v\"");
    wire_close(w);
    ck_assert_int_lt(connect_tcp("127.0.0.1", unused), 0);
    stop_daemon(&m);
    ck_assert_int_eq(access(a.sun_path, F_OK), 0); /* not the daemon's */
    manager_close(&m);
}
END_TEST

/* What the metrics listener answers. */
static void
expect_health(int port)
{
    struct wire *w = wire_open(connect_tcp("127.0.0.1", port));

    wire_send_text(w, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wire_expect_bytes(w, "HTTP/1.1 200 OK\r\n");
    wire_close(w);
}

START_TEST(a_socket_for_metrics_takes_the_place_of_those_of_the_file)
{
    struct manager m;
    int port = free_port(), metrics_port, unused = free_port();
    char *unused_text = text_of("%d", unused), *set_port;
    const char *const args[] = {"--metrics-port", unused_text, NULL};
    struct wire *w;

    manager_open(&m, false);
    metrics_port = pass_tcp(&m);
    pass_tcp(&m); /* more than one are welcome */
    m.listen_names = "metrics:metrics";
    start_daemon(&m, port, args);
    free(await_notice(&m, "READY=1", NULL));
    expect_health(metrics_port);
    ck_assert_int_lt(connect_tcp("127.0.0.1", unused), 0);
    /* Clients are where the file says, and may be elsewhere. */
    set_port = text_of("CONFIG SET port %d", unused);
    w = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(w, set_port, "+OK");
    wire_close(w);
    stop_daemon(&m);
    manager_close(&m);
    free(set_port);
    free(unused_text);
}
END_TEST

START_TEST(sockets_of_all_kinds_are_told_apart)
{
    struct manager m;
    struct sockaddr_un a;
    int port, metrics_port;
    struct wire *w;

    manager_open(&m, false);
    metrics_port = pass_tcp(&m);
    port = pass_tcp(&m);
    a = pass_unix(&m);
    m.listen_names = "metrics:resp:resp";
    start_daemon(&m, free_port(), NULL);
    free(await_notice(&m, "READY=1", NULL));
    expect_health(metrics_port);
    w = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(w, "SET k v", "+OK");
    wire_run(w, "INFO server", "re:.*process_supervised:systemd.*");
    wire_close(w);
    w = connect_unix(&a);
    wire_run(w, "GET k", "\"v\"");
    wire_close(w);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

/* They come from ::ffff:127.0.0.1. */
START_TEST(local_clients_of_a_dual_socket_are_local)
{
    const char *const args[] = {"--enable-debug-command", "local", NULL};
    struct manager m;
    int port, metrics_port;
    struct wire *w;

    manager_open(&m, false);
    metrics_port = pass_dual(&m);
    port = pass_dual(&m);
    if (port == 0) {
        skip("this machine has no IPv6");
        manager_close(&m);
        return;
    }
    m.listen_names = "metrics:resp";
    start_daemon(&m, free_port(), args);
    free(await_notice(&m, "READY=1", NULL));
    w = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(w, "CONFIG GET protected-mode", "[\"protected-mode\" \"yes\"]");
    wire_run(w, "CLIENT INFO", "re:.* addr=127\\.0\\.0\\.1:[0-9]+ .*");
    wire_run(w, "DEBUG SLEEP 0", "+OK");
    wire_close(w);
    w = wire_open(connect_tcp("127.0.0.1", metrics_port));
    wire_send_text(w, "GET /healthz HTTP/1.1\r\nHost: rebound.test\r\n\r\n");
    wire_expect_bytes(w, "HTTP/1.1 403 Forbidden\r\n");
    wire_close(w);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

#ifdef ASHLAR_TLS
START_TEST(a_socket_for_tls_needs_no_port)
{
    const char *dir = tests_dir();
    char *crt = text_of("%s/server.crt", dir);
    char *key = text_of("%s/server.key", dir);
    const char *const args[] = {"--tls-cert-file", crt, "--tls-key-file", key,
        "--tls-auth-clients", "no", NULL};
    struct manager m;
    SSL_CTX *rules;
    SSL *ssl;
    int port;

    make_certificate(dir, "ca", NULL);
    make_certificate(dir, "server", "ca");
    rules = tls_rules(dir, NULL, 0);
    manager_open(&m, false);
    port = pass_tcp(&m);
    m.listen_names = "tls";
    start_daemon(&m, 0, args);
    free(await_notice(&m, "READY=1", NULL));
    ssl = tls_connect(rules, port);
    tls_say(ssl, "CONFIG SET tls-port 6\r\n");
    tls_hear(ssl,
        "-ERR CONFIG SET failed (possibly related to argument 'tls-port') - "
        "the sockets are those of the service manager\r\n");
    /* Its certificate is renewed as that of a port. */
    tls_say(ssl, "CONFIG SET tls-cert-file /none.crt\r\n");
    tls_hear(ssl, "-ERR CONFIG SET failed (possibly related to argument "
                  "'tls-cert-file') - tls-cert-file \"/none.crt\": ");
    tls_close(ssl);
    SSL_CTX_free(rules);
    stop_daemon(&m);
    manager_close(&m);
    free(crt);
    free(key);
}
END_TEST
#endif

START_TEST(connections_wait_over_a_restart)
{
    struct manager m;
    struct wire *before, *between;
    int port;

    manager_open(&m, false);
    port = pass_tcp(&m);
    before = wire_open(connect_tcp("127.0.0.1", port));
    wire_send_command(before, "PING");
    start_daemon(&m, 0, NULL); /* needs no port of its own */
    wire_expect(before, "+PONG");
    stop_daemon(&m);
    wire_expect_closed(before);
    between = wire_open(connect_tcp("127.0.0.1", port));
    wire_send_command(between, "PING");
    start_daemon(&m, 0, NULL);
    wire_expect(between, "+PONG");
    wire_close(before);
    wire_close(between);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

START_TEST(sockets_for_another_process_are_left_alone)
{
    struct manager m;
    int port = free_port();
    struct wire *w;

    manager_open(&m, false);
    pass_tcp(&m);
    m.listen_pid = "1";
    start_daemon(&m, port, NULL);
    free(await_notice(&m, "READY=1", NULL));
    w = wire_open(connect_tcp("127.0.0.1", port));
    wire_run(w, "PING", "+PONG");
    wire_close(w);
    stop_daemon(&m);
    manager_close(&m);
}
END_TEST

static const struct {
    const char *fds, *pid, *names;
    enum {
        TCP,
        UNIX,
        IDLE /* does not listen */
    } kind;
    const char *message;
} bad_sockets[] = {
    {"many", NULL, NULL, TCP, "LISTEN_FDS is \"many\": expected a number"},
    {"-1", NULL, NULL, TCP, "LISTEN_FDS is \"-1\""},
    {"", NULL, NULL, TCP, "LISTEN_FDS is \"\""},
    {"17", NULL, NULL, TCP, "from 0 to 16"},
    {NULL, "me", NULL, TCP, "LISTEN_PID is \"me\": expected a process id"},
    {NULL, NULL, "resp:resp", TCP, "2 names for 1 descriptors"},
    {NULL, NULL, "backdoor", TCP, "descriptor 3 is a socket named \"backd"},
#ifdef ASHLAR_TLS
    {NULL, NULL, "tls", TCP, "a TLS port needs tls-cert-file"},
#else
    {NULL, NULL, "tls", TCP, "was built without TLS"},
#endif
    {"2", NULL, NULL, TCP, "descriptor 4 (\"\") of LISTEN_FDS is"},
    {NULL, NULL, "resp", IDLE, "(\"resp\") of LISTEN_FDS does not listen"},
};

START_TEST(sockets_that_make_no_sense_stop_the_start)
{
    struct manager m;
    char *log;

    manager_open(&m, false);
    if (bad_sockets[_i].kind == UNIX)
        pass_unix(&m);
    else if (bad_sockets[_i].kind == IDLE)
        m.passed[m.n_passed++] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    else
        pass_tcp(&m);
    m.listen_fds = bad_sockets[_i].fds;
    m.listen_pid = bad_sockets[_i].pid;
    m.listen_names = bad_sockets[_i].names;
    start_daemon(&m, free_port(), NULL);
    ck_assert_int_eq(await_daemon(&m), 1);
    log = daemon_log(&m);
    ck_assert_msg(strstr(log, bad_sockets[_i].message) != NULL, "%s", log);
    free(log);
    manager_close(&m);
}
END_TEST

static Suite *
systemd_suite(void)
{
    Suite *s = suite_create("systemd");
    TCase *tc = tcase_create("systemd");

    tcase_set_timeout(tc, patient(30));
    tcase_add_loop_test(tc, ready_is_told_once_clients_can_connect, 0, 2);
    tcase_add_test(tc, who_cannot_start_says_why_and_is_never_ready);
    tcase_add_test(tc, a_reload_is_told_with_its_time_and_its_end);
    tcase_add_test(tc, a_refused_reload_is_told_in_the_status_until_a_good_one);
    tcase_add_test(tc, the_status_shows_items_fill_and_hit_ratio);
    tcase_add_loop_test(
        tc, an_address_that_is_none_is_logged_and_harmless, 0, 2);
    tcase_add_test(tc, the_watchdog_is_fed_while_all_workers_move);
    tcase_add_test(tc, a_manager_that_does_not_read_holds_nobody_up);
    tcase_add_loop_test(tc, a_watchdog_that_is_not_ours_is_not_fed, 0, 3);
    tcase_add_loop_test(
        tc, inherited_sockets_take_the_place_of_those_of_the_file, 0, 4);
    tcase_add_test(
        tc, a_socket_for_metrics_takes_the_place_of_those_of_the_file);
    tcase_add_test(tc, sockets_of_all_kinds_are_told_apart);
    tcase_add_test(tc, local_clients_of_a_dual_socket_are_local);
#ifdef ASHLAR_TLS
    tcase_add_test(tc, a_socket_for_tls_needs_no_port);
#endif
    tcase_add_test(tc, connections_wait_over_a_restart);
    tcase_add_test(tc, sockets_for_another_process_are_left_alone);
    tcase_add_loop_test(tc, sockets_that_make_no_sense_stop_the_start, 0,
        (int)ARRAY_LEN(bad_sockets));
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    if (testing_redis()) {
        skip("notices are compared with what an ashlard sends");
        return 0;
    }
    return run_tests(systemd_suite());
}
