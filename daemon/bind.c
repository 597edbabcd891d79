/* SPDX-License-Identifier: BSD-3-Clause */
/* bind.c - opens listening sockets, for clients (listener.c) and for metrics
 * (web.c): on an address, or on the path of a unix socket.
 *
 * Options that all clients share are set on the listening socket: Linux lets
 * accepted ones inherit them. Any thread.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- options ------------------------------------------------------------- */

static void
set_int(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
        log_warn("setsockopt failed level=%d name=%d err=\"%s\"", level, name,
            strerror(errno));
}

/* Probe after that much silence, thrice at a third of it. */
void
bind_keepalive(int fd, int64_t seconds)
{
    int third = (int)MAX(seconds / 3, 1);

    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
    if (seconds == 0)
        return;
    /* The kernel takes at most 32767. */
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)MIN(seconds, 32767));
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, MIN(third, 32767));
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

void
bind_tcp_options(int fd, const struct daemon_options *o)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    bind_keepalive(fd, o->tcp_keepalive);
}

/* ---- TCP ----------------------------------------------------------------- */

/* Returns a listening socket, or -1 with errno. */
static int
listen_tcp(const struct addrinfo *ai, const struct daemon_options *o)
{
    int fd =
        socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (ai->ai_family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    bind_tcp_options(fd, o);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
        listen(fd, (int)o->tcp_backlog) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool
is_unsupported(int err)
{
    return err == EAFNOSUPPORT || err == EPROTONOSUPPORT ||
        err == ENOPROTOOPT || err == ESOCKTNOSUPPORT || err == EPFNOSUPPORT;
}

/* The address of a word, or NULL with a reason. */
static struct addrinfo *
find_address(const char *host, bool v6, const char *port, const char **why)
{
    const char *node = strcmp(host, "*") == 0 ? "0.0.0.0"
        : strcmp(host, "::*") == 0            ? "::"
                                              : host;
    struct addrinfo hints = {.ai_family = v6 ? AF_INET6 : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE};
    struct addrinfo *ai = NULL;
    int failed = getaddrinfo(node, port, &hints, &ai);

    if (failed == 0)
        return ai;
    *why = gai_strerror(failed);
    return NULL;
}

enum bound
bind_address(const char *word, int64_t port, const struct daemon_options *o,
    int *fd, struct buf *err)
{
    bool optional = *word == '-';
    const char *host = word + optional, *why = NULL;
    bool v6 = strchr(host, ':') != NULL;
    struct addrinfo *ai;
    char text[8];
    int failed;

    snprintf(text, sizeof(text), "%d", (int)port);
    ai = find_address(host, v6, text, &why);
    if (ai == NULL) {
        if (optional)
            return BOUND_LEFT_OUT;
        buf_printf(err, "cannot listen on %s: %s", host, why);
        return BOUND_FAILED;
    }
    *fd = listen_tcp(ai, o);
    failed = errno;
    freeaddrinfo(ai);
    if (*fd >= 0)
        return BOUND;
    if (is_unsupported(failed) || (failed == EADDRNOTAVAIL && optional)) {
        log_info("not listening on %s: %s", host, strerror(failed));
        return BOUND_LEFT_OUT;
    }
    buf_printf(err,
        v6 ? "cannot listen on [%s]:%s: %s" : "cannot listen on %s:%s: %s",
        host, text, strerror(failed));
    return BOUND_FAILED;
}

/* ---- unix ---------------------------------------------------------------- */

/* Remove a socket that nobody listens on any more. 0, or an errno when somebody
 * does, or it is no socket. */
static int
clear_path(const struct sockaddr_un *sa)
{
    struct stat st;
    int fd, alive;

    if (lstat(sa->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(st.st_mode))
        return ENOTSOCK;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    alive = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ||
        errno != ECONNREFUSED;
    close(fd);
    if (alive)
        return EADDRINUSE;
    return unlink(sa->sun_path) == 0 ? 0 : errno;
}

/* Bind, set the mode while nobody can connect yet, listen. 0 or an errno, and
 * nothing is left at the path. */
static int
listen_unix(int fd, const struct sockaddr_un *sa, int64_t mode, int64_t backlog)
{
    int failed;

    if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0)
        return errno;
    if ((mode == 0 || chmod(sa->sun_path, (mode_t)mode) == 0) &&
        listen(fd, (int)backlog) == 0)
        return 0;
    failed = errno;
    unlink(sa->sun_path);
    return failed;
}

bool
bind_path(const char *path, int64_t mode, const struct daemon_options *o,
    int *fd, struct buf *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int failed;

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    failed = clear_path(&sa);
    if (failed == 0) {
        *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        failed = *fd < 0 ? errno : listen_unix(*fd, &sa, mode, o->tcp_backlog);
        if (failed != 0 && *fd >= 0)
            close(*fd);
    }
    if (failed == 0)
        return true;
    buf_printf(err, "cannot listen on %s: %s", path, strerror(failed));
    return false;
}
