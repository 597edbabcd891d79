/* SPDX-License-Identifier: BSD-3-Clause */
/* listener.c - listening sockets: TCP over IPv4 and IPv6, and a unix socket.
 *
 * The main thread accepts and deals each connection to the worker that has the
 * fewest, so that few connections spread as evenly as many. Options that all
 * clients share are set on the listening socket: Linux lets accepted ones
 * inherit them. When the process is out of file descriptors, one that is kept
 * in reserve serves to tell a client so, and accepting pauses for a moment.
 * CONFIG SET port opens the new sockets in its own thread, so that it can say
 * what fails, and leaves them to the main thread.
 */
#include "daemon/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Of one port, or passed by the service manager. */
#define MAX_ADDRESSES 31
/* Two ports and a unix socket. */
#define MAX_LISTENERS (2 * MAX_ADDRESSES + 1)
/* Accepted in one go; then signals and other listeners have their turn. */
#define ACCEPTS_PER_EVENT 64
#define PAUSE_MS 100

struct listener {
    struct listeners *all;
    int fd;
    enum transport transport;
    struct event *event;
};

struct listeners {
    struct ashlard *daemon;
    struct listener item[MAX_LISTENERS];
    unsigned n;
    unsigned next_worker; /* where the search for the least loaded begins */
    int spare_fd;         /* -1: used up */
    struct event *resume; /* ends a pause */
    bool owns_unix_path;
    int64_t port;           /* [config lock] of the TCP ones */
    bool are_passed;        /* [immutable] by the service manager */
    struct listeners *next; /* [config lock] TCP ones to take over, or NULL */
    int next_fd;            /* tells the main thread of them */
    struct event *next_event;
};

/* ---- TCP ----------------------------------------------------------------- */

static void
set_int(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
        log_warn("setsockopt failed level=%d name=%d err=\"%s\"", level, name,
            strerror(errno));
}

/* Probe after `seconds` of silence, thrice at a third of it. */
static void
set_keepalive(int fd, int64_t seconds)
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
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_keepalive(fd, o->tcp_keepalive);
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

static void
add_listener(struct listeners *l, int fd, enum transport transport)
{
    l->item[l->n++] =
        (struct listener){.all = l, .fd = fd, .transport = transport};
}

/* Listen on one word of `bind`. */
static bool
open_address(struct listeners *l, const char *word, int64_t port_number,
    enum transport transport, struct buf *err)
{
    const struct daemon_options *o = &l->daemon->config.daemon;
    bool optional = *word == '-';
    const char *host = word + optional;
    bool v6 = strchr(host, ':') != NULL;
    const char *node = strcmp(host, "*") == 0 ? "0.0.0.0"
        : strcmp(host, "::*") == 0            ? "::"
                                              : host;
    struct addrinfo hints = {.ai_family = v6 ? AF_INET6 : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE};
    struct addrinfo *ai;
    char port[8];
    int fd, failed;

    snprintf(port, sizeof(port), "%d", (int)port_number);
    failed = getaddrinfo(node, port, &hints, &ai);
    if (failed != 0) {
        if (optional)
            return true;
        buf_printf(err, "cannot listen on %s: %s", host, gai_strerror(failed));
        return false;
    }
    fd = listen_tcp(ai, o);
    failed = errno;
    freeaddrinfo(ai);
    if (fd >= 0) {
        add_listener(l, fd, transport);
        return true;
    }
    if (is_unsupported(failed) || (failed == EADDRNOTAVAIL && optional)) {
        log_info("not listening on %s: %s", host, strerror(failed));
        return true;
    }
    buf_printf(err,
        v6 ? "cannot listen on [%s]:%s: %s" : "cannot listen on %s:%s: %s",
        host, port, strerror(failed));
    return false;
}

/* Listen on a port of all addresses. */
static bool
open_port(struct listeners *l, int64_t port, enum transport transport,
    struct buf *err)
{
    const struct daemon_options *o = &l->daemon->config.daemon;
    char *words, *word, *save;
    unsigned before = l->n;
    bool ok = true;

    if (port == 0)
        return true;
    words = xstrdup(o->bind);
    for (word = strtok_r(words, " \t", &save); word != NULL && ok;
         word = strtok_r(NULL, " \t", &save)) {
        if (l->n == before + MAX_ADDRESSES) {
            buf_printf(
                err, "cannot listen on more than %d addresses", MAX_ADDRESSES);
            ok = false;
        } else {
            ok = open_address(l, word, port, transport, err);
        }
    }
    free(words);
    if (ok && l->n == before) {
        buf_printf(err, "cannot listen on any address of bind \"%s\"", o->bind);
        ok = false;
    }
    return ok;
}

/* ---- unix ---------------------------------------------------------------- */

/* Remove a socket that a daemon left behind. 0, or why the path is not free. */
int
unix_path_clear(const struct sockaddr_un *sa)
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

/* Bind, set the mode while nobody can connect yet, listen. 0 or an errno. */
static int
bind_unix(int fd, const struct sockaddr_un *sa, const struct daemon_options *o,
    bool *bound)
{
    *bound = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
    if (!*bound)
        return errno;
    if (o->unixsocketperm != 0 &&
        chmod(sa->sun_path, (mode_t)o->unixsocketperm) != 0)
        return errno;
    return listen(fd, (int)o->tcp_backlog) == 0 ? 0 : errno;
}

static bool
open_unix(struct listeners *l, struct buf *err)
{
    const struct daemon_options *o = &l->daemon->config.daemon;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd, failed;

    if (*o->unixsocket == '\0')
        return true;
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", o->unixsocket);
    failed = unix_path_clear(&sa);
    if (failed == 0) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        failed = fd < 0 ? errno : 0;
    }
    if (failed == 0) {
        add_listener(l, fd, TRANSPORT_UNIX);
        failed = bind_unix(fd, &sa, o, &l->owns_unix_path);
    }
    if (failed == 0)
        return true;
    buf_printf(err, "cannot listen on %s: %s", o->unixsocket, strerror(failed));
    return false;
}

/* ---- from the service manager -------------------------------------------- */

/* Take over the sockets that it has opened. False if there are none. */
static bool
take_passed(struct listeners *l)
{
    const struct daemon_options *o = &l->daemon->config.daemon;
    int fd;

    while (l->n < MAX_ADDRESSES &&
        (fd = activation_take(l->daemon->activation, "resp")) >= 0) {
        struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(sa);
        bool is_unix;

        getsockname(fd, (struct sockaddr *)&sa, &len);
        is_unix = sa.ss_family == AF_UNIX;
        if (!is_unix) {
            set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
            set_keepalive(fd, o->tcp_keepalive);
        }
        add_listener(l, fd, is_unix ? TRANSPORT_UNIX : TRANSPORT_TCP);
    }
    if (l->n > 0)
        log_info("listening on sockets of the service manager, not on bind, "
                 "port and unixsocket sockets=%u",
            l->n);
    l->are_passed = l->n > 0;
    return l->are_passed;
}

/* ---- accept -------------------------------------------------------------- */

static void
refuse(struct ashlard *d, int fd, const char *text)
{
    /* It is gone anyway if it cannot take a line. */
    (void)!send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
    METRIC_INC(&d->metrics, rejected);
}

static bool
is_local(const struct sockaddr_storage *sa)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

    switch (sa->ss_family) {
    case AF_INET:
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    default:
        return true;
    }
}

static struct worker *
least_loaded(struct listeners *l)
{
    struct ashlard *d = l->daemon;
    unsigned start = l->next_worker++;
    struct worker *best = d->workers[start % d->n_workers];

    for (unsigned i = 1; i < d->n_workers; i++) {
        struct worker *w = d->workers[(start + i) % d->n_workers];

        if (atomic_load(&w->n_clients) < atomic_load(&best->n_clients))
            best = w;
    }
    return best;
}

/* A client that waits for a handshake would take a line for a breach of the
 * protocol: it is closed, and the reason stands in the log. */
static void
refuse_tls(struct ashlard *d, int fd, const char *text)
{
    static _Atomic uint64_t logged;

    if (log_ratelimit(&logged))
        log_warn("TLS client refused: %.*s", (int)strcspn(text, "\r"), text);
    close(fd);
    METRIC_INC(&d->metrics, rejected);
}

/* Refuse a new connection, or deal it. */
static void
admit(struct listener *item, int fd, const struct sockaddr_storage *peer)
{
    struct listeners *l = item->all;
    struct ashlard *d = l->daemon;
    struct limits *limits = &d->limits;
    void (*no)(struct ashlard *, int, const char *) =
        item->transport == TRANSPORT_TLS ? refuse_tls : refuse;

    if (atomic_load(&d->n_clients) >= limit_u32(&limits->max_clients)) {
        no(d, fd, "-ERR max number of clients reached\r\n");
        return;
    }
    if (!is_local(peer) && atomic_load(&limits->protected_mode) &&
        !commands_auth_required(&d->commands)) {
        no(d, fd,
            "-DENIED ashlard runs in protected mode: no password is set, so "
            "only clients on the same machine are served. Set requirepass, "
            "or protected-mode no.\r\n");
        return;
    }
    METRIC_INC(&d->metrics, connections);
    atomic_fetch_add(&d->n_clients, 1);
    worker_hand(least_loaded(l), fd, item->transport);
}

static void
watch(struct listeners *l, bool on)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (on)
            event_add(l->item[i].event, NULL);
        else
            event_del(l->item[i].event);
    }
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct listeners *l = arg;

    (void)fd;
    (void)what;
    if (l->spare_fd < 0)
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    watch(l, true);
}

/* accept(2) failed for want of descriptors or memory. Connections wait in the
 * backlog; one is told, so that a client can see the reason. */
static void
out_of_descriptors(struct listener *item, int err)
{
    static _Atomic uint64_t logged;
    static const struct timeval pause = {0, PAUSE_MS * 1000};
    struct listeners *l = item->all;

    if (log_ratelimit(&logged))
        log_error("accept failed clients=%u err=\"%s\"",
            atomic_load(&l->daemon->n_clients), strerror(err));
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
        l->spare_fd = -1;
        int fd = accept4(item->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && item->transport == TRANSPORT_TLS)
            refuse_tls(l->daemon, fd, strerror(err));
        else if (fd >= 0)
            refuse(l->daemon, fd, "-ERR max number of clients reached\r\n");
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    watch(l, false);
    event_add(l->resume, &pause);
}

static bool
is_shortage(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static void
on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
    struct listener *item = arg;

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int fd;

        peer.ss_family = AF_UNSPEC;
        fd = accept4(listen_fd, (struct sockaddr *)&peer, &len,
            SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(item, fd, &peer);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR)
            return;
        METRIC_INC(&item->all->daemon->metrics, accept_errors);
        if (is_shortage(errno)) {
            out_of_descriptors(item, errno);
            return;
        }
        /* Others concern one connection that is gone already. */
        log_debug("accept failed err=\"%s\"", strerror(errno));
    }
}

/* ---- the whole ----------------------------------------------------------- */

static struct listeners *
new_listeners(struct ashlard *d)
{
    struct listeners *l = xcalloc(1, sizeof(*l));

    l->daemon = d;
    l->port = d->config.daemon.port;
    l->spare_fd = -1;
    l->next_fd = -1;
    return l;
}

struct listeners *
listeners_open(struct ashlard *d, struct buf *err)
{
    const struct config *c = &d->config;
    struct listeners *l = new_listeners(d);

    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->next_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->next_fd < 0) {
        buf_printf(err, "cannot make an eventfd: %s", strerror(errno));
    } else if (take_passed(l) ||
        (open_port(l, c->daemon.port, TRANSPORT_TCP, err) &&
            open_port(l, c->tls.tls_port, TRANSPORT_TLS, err) &&
            open_unix(l, err))) {
        if (l->n > 0)
            return l;
        buf_printf(err,
            "no socket was passed, port is 0 and unixsocket is "
            "empty: nowhere to listen");
    }
    listeners_free(l);
    return NULL;
}

static struct event *
new_event(struct listeners *l, int fd, event_callback_fn fn, void *arg)
{
    struct event *event =
        event_new(l->daemon->base, fd, EV_READ | EV_PERSIST, fn, arg);

    ASSERT(event != NULL);
    return event;
}

static void
close_item(struct listener *item)
{
    if (item->event != NULL)
        event_free(item->event);
    close(item->fd);
}

/* ---- another port -------------------------------------------------------- */

/* [config lock] The plain TCP sockets are those of `next`, others stay. */
static void
take_over(struct listeners *l, const struct listeners *next)
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->n; i++) {
        if (l->item[i].transport != TRANSPORT_TCP)
            l->item[n++] = l->item[i];
        else
            close_item(&l->item[i]);
    }
    l->n = n;
    for (unsigned i = 0; i < next->n; i++)
        add_listener(l, next->item[i].fd, TRANSPORT_TCP);
    l->port = next->port;
    for (unsigned i = 0; i < l->n; i++) {
        if (l->item[i].event != NULL) /* its place may be another */
            event_free(l->item[i].event);
        l->item[i].event = new_event(l, l->item[i].fd, on_accept, &l->item[i]);
    }
    watch(l, true);
}

static void
drop_next(struct listeners *l)
{
    for (unsigned i = 0; l->next != NULL && i < l->next->n; i++)
        close(l->next->item[i].fd);
    free(l->next);
    l->next = NULL;
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
    struct listeners *l = arg;
    eventfd_t n;

    (void)what;
    (void)eventfd_read(fd, &n);
    pthread_mutex_lock(&l->daemon->config_lock);
    if (l->next != NULL) {
        take_over(l, l->next);
        l->next->n = 0;
        drop_next(l);
        log_info("listening on port=%d", (int)l->port);
    }
    pthread_mutex_unlock(&l->daemon->config_lock);
}

bool
listeners_set_port(struct listeners *l, struct buf *err)
{
    struct ashlard *d = l->daemon;
    struct listeners *next;
    bool opened;

    drop_next(l);
    if (d->config.daemon.port == l->port)
        return true;
    if (l->are_passed) {
        buf_printf(err, "the sockets are those of the service manager");
        return false;
    }
    if (d->config.daemon.port == 0 && d->config.tls.tls_port == 0 &&
        *d->config.daemon.unixsocket == '\0') {
        buf_printf(err, "unixsocket is empty: nowhere to listen");
        return false;
    }
    next = new_listeners(d);
    buf_printf(err, "Unable to listen on this port: ");
    opened = open_port(next, d->config.daemon.port, TRANSPORT_TCP, err);
    l->next = next;
    if (!opened) {
        drop_next(l);
        return false;
    }
    err->len = 0;
    eventfd_write(l->next_fd, 1);
    return true;
}

/* ---- start and stop ------------------------------------------------------ */

void
listeners_start(struct listeners *l)
{
    for (unsigned i = 0; i < l->n; i++)
        l->item[i].event = new_event(l, l->item[i].fd, on_accept, &l->item[i]);
    l->resume = event_new(l->daemon->base, -1, 0, on_resume, l);
    ASSERT(l->resume != NULL);
    l->next_event = new_event(l, l->next_fd, on_next, l);
    event_add(l->next_event, NULL);
    watch(l, true);
}

void
listeners_stop(struct listeners *l)
{
    /* A CONFIG SET may be at the sockets. */
    pthread_mutex_lock(&l->daemon->config_lock);
    if (l->resume != NULL)
        event_free(l->resume);
    l->resume = NULL;
    if (l->next_event != NULL)
        event_free(l->next_event);
    l->next_event = NULL;
    drop_next(l);
    for (unsigned i = 0; i < l->n; i++)
        close_item(&l->item[i]);
    l->n = 0;
    pthread_mutex_unlock(&l->daemon->config_lock);
    if (l->owns_unix_path)
        unlink(l->daemon->config.daemon.unixsocket);
    l->owns_unix_path = false;
}

void
listeners_free(struct listeners *l)
{
    listeners_stop(l);
    if (l->spare_fd >= 0)
        close(l->spare_fd);
    if (l->next_fd >= 0)
        close(l->next_fd);
    free(l);
}

void
listeners_keepalive(struct listeners *l, int64_t seconds)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->item[i].transport != TRANSPORT_UNIX)
            set_keepalive(l->item[i].fd, seconds);
}
