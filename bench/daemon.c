/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon.c - see daemon.h. */
#include "bench/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IN_BYTES ((size_t)1 << 20)
#define MAX_ARGS 32

static void __attribute__((noreturn))
give_up(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the daemon ---------------------------------------------------------- */

static int
open_socket(int port, bool listens)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int rc;

    if (fd < 0)
        give_up("socket");
    rc = listens ? bind(fd, (struct sockaddr *)&to, sizeof(to))
                 : connect(fd, (struct sockaddr *)&to, sizeof(to));
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

/* A port that nobody uses at this moment. */
static int
free_port(void)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    int fd = open_socket(0, true);

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        give_up("no port");
    close(fd);
    return ntohs(at.sin_port);
}

static void __attribute__((noreturn))
run_daemon(int port, const char *const *args)
{
    const char *program = getenv("ASHLARD"), *argv[MAX_ARGS];
    char digits[16];
    size_t n = 0;

    snprintf(digits, sizeof(digits), "%d", port);
    argv[n++] = program != NULL ? program : "./ashlard";
    argv[n++] = "--port";
    argv[n++] = digits;
    argv[n++] = "--bind";
    argv[n++] = "127.0.0.1";
    while (*args != NULL && n < MAX_ARGS - 1)
        argv[n++] = *args++;
    argv[n] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0)
        _exit(126);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

void
daemon_start(struct daemon *d, const char *const *args)
{
    double deadline = now_s() + 20;
    int fd;

    d->port = free_port();
    d->pid = fork();
    if (d->pid < 0)
        give_up("fork");
    if (d->pid == 0)
        run_daemon(d->port, args);
    while ((fd = open_socket(d->port, false)) < 0) {
        if (now_s() > deadline || waitpid(d->pid, NULL, WNOHANG) != 0)
            give_up("the daemon does not start");
        poll(NULL, 0, 10);
    }
    close(fd);
}

void
daemon_stop(struct daemon *d)
{
    kill(d->pid, SIGTERM);
    waitpid(d->pid, NULL, 0);
}

size_t
daemon_memory(const struct daemon *d, const char *what)
{
    char line[256];
    size_t kb = 0, len = strlen(what);
    FILE *f;

    snprintf(line, sizeof(line), "/proc/%d/status", (int)d->pid);
    f = fopen(line, "re");
    if (f == NULL)
        give_up(line);
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, what, len) == 0 && line[len] == ':')
            kb = strtoull(line + len + 1, NULL, 10);
    fclose(f);
    return kb * 1024;
}

/* ---- connections --------------------------------------------------------- */

void
client_open(struct client *c, const struct daemon *d)
{
    *c = (struct client){.fd = open_socket(d->port, false)};
    if (c->fd < 0)
        give_up("connect");
    c->in = xcalloc(1, IN_BYTES);
}

void
client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
    buf_free(&c->out);
}

void
client_append(struct client *c, size_t n, const struct str *words)
{
    buf_printf(&c->out, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&c->out, "$%zu\r\n", words[i].len);
        buf_append(&c->out, words[i].p, words[i].len);
        buf_append(&c->out, "\r\n", 2);
    }
}

/* Receive what there is; the rest of a line or bulk moves to the front. */
static void
receive(struct client *c)
{
    ssize_t n;

    memmove(c->in, c->in + c->pos, c->len - c->pos);
    c->len -= c->pos;
    c->pos = 0;
    if (c->len == IN_BYTES)
        give_up("a reply is too long");
    n = recv(c->fd, c->in + c->len, IN_BYTES - c->len, 0);
    if (n <= 0)
        give_up("the connection broke");
    c->len += (size_t)n;
}

static struct str
read_line(struct client *c)
{
    char *end;
    struct str line;

    while ((end = memchr(c->in + c->pos, '\n', c->len - c->pos)) == NULL)
        receive(c);
    line = (struct str){c->in + c->pos, (size_t)(end - c->in) - 1 - c->pos};
    c->pos = (size_t)(end - c->in) + 1;
    return line;
}

/* The bulk that a line announced. */
static struct str
read_bulk(struct client *c, size_t len)
{
    struct str s;

    while (c->len - c->pos < len + 2)
        receive(c);
    s = (struct str){c->in + c->pos, len};
    c->pos += len + 2;
    return s;
}

/* Send while what comes back is read: neither side waits for the other. */
static void
send_all(struct client *c)
{
    size_t at = 0;

    while (at < c->out.len) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLOUT};
        ssize_t n;

        if (poll(&p, 1, -1) < 0)
            give_up("poll");
        if (p.revents & POLLIN)
            receive(c);
        if (!(p.revents & POLLOUT))
            continue;
        n = send(c->fd, c->out.p + at, c->out.len - at,
            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            give_up("send");
        at += n > 0 ? (size_t)n : 0;
    }
    c->out.len = 0;
}

uint64_t
client_finish(struct client *c, size_t n, uint64_t *hits)
{
    uint64_t sum = 0;

    send_all(c);
    for (; n > 0; n--) {
        struct str line = read_line(c);
        long long v = line.len > 1 ? strtoll(line.p + 1, NULL, 10) : 0;

        if (line.p[0] == '-' && c->errors++ == 0)
            snprintf(c->error, sizeof(c->error), "%.*s", (int)line.len,
                line.p);
        if (line.p[0] == ':' && v > 0)
            sum += (uint64_t)v;
        if (hits != NULL && (line.p[0] == ':' ? v > 0 : v >= 0) &&
            (line.p[0] == ':' || line.p[0] == '$'))
            (*hits)++;
        if (line.p[0] == '$' && v >= 0)
            (void)read_bulk(c, (size_t)v);
    }
    return sum;
}

void
client_read_lines(struct client *c, struct buf *text)
{
    size_t left = 1;

    send_all(c);
    for (; left > 0; left--) {
        struct str line = read_line(c);
        long long v = line.len > 1 ? strtoll(line.p + 1, NULL, 10) : 0;

        if (line.p[0] == '*') {
            left += v > 0 ? (size_t)v : 0;
            continue;
        }
        if (line.p[0] == '$')
            line = v >= 0 ? read_bulk(c, (size_t)v) : (struct str){"", 0};
        else
            line = (struct str){line.p + 1, line.len - 1};
        buf_append(text, "\n", 1);
        buf_append(text, line.p, line.len);
    }
    buf_append(text, "\n", 1);
}

uint64_t
client_figure(struct client *c, const char *command, const char *name)
{
    char text[64];
    struct str line, bulk;
    const char *at;

    snprintf(text, sizeof(text), "%s\r\n", command);
    buf_append(&c->out, text, strlen(text));
    send_all(c);
    line = read_line(c);
    if (line.p[0] != '$')
        give_up("no figures");
    bulk = read_bulk(c, strtoull(line.p + 1, NULL, 10));
    at = memmem(bulk.p, bulk.len, name, strlen(name));
    if (at == NULL || (at[strlen(name)] != ':' && at[strlen(name)] != '='))
        give_up(name);
    return strtoull(at + strlen(name) + 1, NULL, 10);
}
