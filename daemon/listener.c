/* SPDX-License-Identifier: BSD-3-Clause */
/* listener.c - listening sockets of clients: TCP over IPv4 and IPv6, plain and
 * TLS, and a unix socket.
 *
 * The main thread accepts and deals each connection to the worker that has the
 * fewest, so that few connections spread as evenly as many. When the process is
 * out of file descriptors, one that is kept in reserve serves to tell a client
 * so, and accepting pauses for a moment. CONFIG SET port and tls-port open the
 * new sockets in their own thread, so that it can say what fails, and leave
 * them to the main thread.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
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

/* The sockets of `port` or `tls-port`. */
struct port {
    int64_t number;
    unsigned n;
    int fds[MAX_ADDRESSES];
};

struct listeners {
    struct ashlard *daemon;
    struct listener item[MAX_LISTENERS];
    unsigned n;
    unsigned next_worker; /* where the search for the least loaded begins */
    int spare_fd;         /* -1: used up */
    struct event *resume; /* ends a pause */
    bool owns_unix_path;
    bool are_passed;               /* [immutable] by the service manager */
    int64_t numbers[TRANSPORTS];   /* [config lock] the ports of `item` */
    struct port *next[TRANSPORTS]; /* [config lock] to take over, or NULL */
    int next_fd;                   /* tells the main thread of them */
    struct event *next_event;
};

static void
add_listener(struct listeners *l, int fd, enum transport transport)
{
    l->item[l->n++] =
        (struct listener){.all = l, .fd = fd, .transport = transport};
}

/* ---- ports --------------------------------------------------------------- */

static int64_t
wanted_number(const struct ashlard *d, enum transport transport)
{
    return transport == TRANSPORT_TLS ? d->config.tls.tls_port
                                      : d->config.daemon.port;
}

/* Listen on one word of `bind`. */
static bool
open_word(struct port *p, const char *word, const struct daemon_options *o,
    struct buf *err)
{
    enum bound bound;

    if (p->n == MAX_ADDRESSES) {
        buf_printf(
            err, "cannot listen on more than %d addresses", MAX_ADDRESSES);
        return false;
    }
    bound = bind_address(word, p->number, o, &p->fds[p->n], err);
    p->n += bound == BOUND;
    return bound != BOUND_FAILED;
}

/* Listen on p->number, of all addresses; 0 does not. */
static bool
open_port(struct port *p, const struct daemon_options *o, struct buf *err)
{
    char *words, *word, *save;
    bool ok = true;

    if (p->number == 0)
        return true;
    words = xstrdup(o->bind);
    for (word = strtok_r(words, " \t", &save); word != NULL && ok;
         word = strtok_r(NULL, " \t", &save))
        ok = open_word(p, word, o, err);
    free(words);
    if (ok && p->n == 0) {
        buf_printf(err, "cannot listen on any address of bind \"%s\"", o->bind);
        ok = false;
    }
    return ok;
}

static void
close_port(struct port *p)
{
    for (unsigned i = 0; i < p->n; i++)
        close(p->fds[i]);
    p->n = 0;
}

static void
add_port(struct listeners *l, const struct port *p, enum transport transport)
{
    for (unsigned i = 0; i < p->n; i++)
        add_listener(l, p->fds[i], transport);
    l->numbers[transport] = p->number;
}

static bool
open_configured_port(
    struct listeners *l, enum transport transport, struct buf *err)
{
    struct port p = {.number = wanted_number(l->daemon, transport)};

    if (!open_port(&p, &l->daemon->config.daemon, err)) {
        close_port(&p);
        return false;
    }
    add_port(l, &p, transport);
    return true;
}

static bool
open_unix(struct listeners *l, struct buf *err)
{
    const struct daemon_options *o = &l->daemon->config.daemon;
    int fd;

    if (*o->unixsocket == '\0')
        return true;
    if (!bind_path(o->unixsocket, o->unixsocketperm, o, &fd, err))
        return false;
    l->owns_unix_path = true;
    add_listener(l, fd, TRANSPORT_UNIX);
    return true;
}

/* ---- from the service manager -------------------------------------------- */

/* Take over one that it has opened. False with a sentence in err. */
static bool
take_socket(
    struct listeners *l, int fd, enum transport transport, struct buf *err)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(sa);
    bool is_unix;

    getsockname(fd, (struct sockaddr *)&sa, &len);
    is_unix = sa.ss_family == AF_UNIX;
    add_listener(l, fd, is_unix ? TRANSPORT_UNIX : transport);
    if (!is_unix)
        bind_tcp_options(fd, &l->daemon->config.daemon);
    else if (transport == TRANSPORT_TLS)
        buf_printf(err,
            "descriptor %d is a unix socket named \"tls\": TLS is spoken on "
            "TCP only",
            fd);
    return err->len == 0;
}

static bool
take_passed(struct listeners *l, struct buf *err)
{
    static const struct {
        const char *name;
        enum transport transport;
    } kinds[] = {{"resp", TRANSPORT_TCP}, {"tls", TRANSPORT_TLS}};
    int fd;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        while (
            (fd = activation_take(l->daemon->activation, kinds[i].name)) >= 0)
            if (!take_socket(l, fd, kinds[i].transport, err))
                return false;
    l->are_passed = l->n > 0;
    if (l->are_passed)
        log_info("listening on sockets of the service manager, not on bind, "
                 "port, tls-port and unixsocket sockets=%u",
            l->n);
    return true;
}

/* ---- accept -------------------------------------------------------------- */

static void
refuse(struct ashlard *d, int fd, const char *text)
{
    METRIC_INC(&d->metrics, rejected);
    /* It is gone anyway if it cannot take a line. */
    (void)!send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* Does the client come from this machine? */
static bool
is_local(const struct listener *item, const struct sockaddr_storage *peer)
{
    return item->transport == TRANSPORT_UNIX || address_is_loopback(peer);
}

/* The clients of a worker; one that a script holds up has more than any. */
static uint64_t
load_of(const struct ashlard *d, const struct worker *w)
{
    uint64_t n = LOAD(&w->n_clients);

    return commands_in_long_script(&d->commands, w->id) ? n + UINT32_MAX : n;
}

static struct worker *
least_loaded(struct listeners *l)
{
    struct ashlard *d = l->daemon;
    unsigned start = l->next_worker++;
    struct worker *best = d->workers[start % d->n_workers];
    uint64_t least = load_of(d, best);

    for (unsigned i = 1; i < d->n_workers; i++) {
        struct worker *w = d->workers[(start + i) % d->n_workers];
        uint64_t load = load_of(d, w);

        if (load < least) {
            least = load;
            best = w;
        }
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
    METRIC_INC(&d->metrics, rejected);
    close(fd);
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

    if (LOAD(&d->n_clients) >= limit_u32(&limits->max_clients)) {
        no(d, fd, "-ERR max number of clients reached\r\n");
        return;
    }
    if (!is_local(item, peer) && LOAD(&limits->protected_mode) &&
        !commands_auth_required(&d->commands)) {
        no(d, fd,
            "-DENIED ashlard runs in protected mode: no password is set, so "
            "only clients on the same machine are served. Set requirepass, "
            "or protected-mode no.\r\n");
        return;
    }
    METRIC_INC(&d->metrics, connections);
    atomic_fetch_add_explicit(&d->n_clients, 1, memory_order_relaxed);
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
            LOAD(&l->daemon->n_clients), strerror(err));
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

static bool
open_configured(struct listeners *l, struct buf *err)
{
    if (!open_configured_port(l, TRANSPORT_TCP, err) ||
        !open_configured_port(l, TRANSPORT_TLS, err) || !open_unix(l, err))
        return false;
    if (l->n > 0)
        return true;
    buf_printf(err,
        "no socket was passed, port is 0 and unixsocket is "
        "empty: nowhere to listen");
    return false;
}

struct listeners *
listeners_open(struct ashlard *d, struct buf *err)
{
    struct listeners *l = xcalloc(1, sizeof(*l));

    l->daemon = d;
    l->numbers[TRANSPORT_TCP] = d->config.daemon.port;
    l->numbers[TRANSPORT_TLS] = d->config.tls.tls_port;
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->next_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->next_fd < 0)
        buf_printf(err, "cannot make an eventfd: %s", strerror(errno));
    else if (take_passed(l, err) && (l->are_passed || open_configured(l, err)))
        return l;
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

/* [config lock] The sockets of that kind are those of `next`, others stay. */
static void
take_over(
    struct listeners *l, const struct port *next, enum transport transport)
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->n; i++) {
        if (l->item[i].transport != transport)
            l->item[n++] = l->item[i];
        else
            close_item(&l->item[i]);
    }
    l->n = n;
    add_port(l, next, transport);
}

/* Places in the array may be others by now. */
static void
renew_events(struct listeners *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->item[i].event != NULL)
            event_free(l->item[i].event);
        l->item[i].event = new_event(l, l->item[i].fd, on_accept, &l->item[i]);
    }
    watch(l, true);
}

static void
drop_next(struct listeners *l, enum transport transport)
{
    if (l->next[transport] != NULL)
        close_port(l->next[transport]);
    free(l->next[transport]);
    l->next[transport] = NULL;
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
    struct listeners *l = arg;
    bool changed = false;
    eventfd_t n;

    (void)what;
    (void)eventfd_read(fd, &n);
    pthread_mutex_lock(&l->daemon->config_lock);
    for (enum transport t = 0; t < TRANSPORTS; t++) {
        if (l->next[t] == NULL)
            continue;
        take_over(l, l->next[t], t);
        l->next[t]->n = 0;
        drop_next(l, t);
        changed = true;
    }
    if (changed) {
        renew_events(l);
        log_info("listening on port=%d tls_port=%d",
            (int)l->numbers[TRANSPORT_TCP], (int)l->numbers[TRANSPORT_TLS]);
    }
    pthread_mutex_unlock(&l->daemon->config_lock);
}

/* `port 0` and `tls-port 6379` where 6379 was the plain port: the sockets stay
 * and change their kind, so that nobody is refused in between. */
static bool
is_left_by(struct listeners *l, enum transport other, int64_t number)
{
    return number != 0 && l->numbers[other] == number &&
        wanted_number(l->daemon, other) != number;
}

static bool
share_port(
    struct listeners *l, struct port *p, enum transport other, struct buf *err)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->item[i].transport != other)
            continue;
        p->fds[p->n] = fcntl(l->item[i].fd, F_DUPFD_CLOEXEC, 0);
        if (p->fds[p->n] < 0) {
            buf_printf(err, "%s", strerror(errno));
            return false;
        }
        p->n++;
    }
    return true;
}

static bool
open_next(struct listeners *l, enum transport transport, struct buf *err)
{
    enum transport other =
        transport == TRANSPORT_TCP ? TRANSPORT_TLS : TRANSPORT_TCP;
    struct port *p = xcalloc(1, sizeof(*p));

    p->number = wanted_number(l->daemon, transport);
    l->next[transport] = p;
    if (is_left_by(l, other, p->number))
        return share_port(l, p, other, err);
    return open_port(p, &l->daemon->config.daemon, err);
}

static bool
has_nowhere(const struct ashlard *d)
{
    return d->config.daemon.port == 0 && d->config.tls.tls_port == 0 &&
        *d->config.daemon.unixsocket == '\0';
}

bool
listeners_set_port(
    struct listeners *l, enum transport transport, struct buf *err)
{
    drop_next(l, transport);
    if (wanted_number(l->daemon, transport) == l->numbers[transport])
        return true;
    if (l->are_passed) {
        buf_printf(err, "the sockets are those of the service manager");
        return false;
    }
    if (has_nowhere(l->daemon)) {
        buf_printf(err, "unixsocket is empty: nowhere to listen");
        return false;
    }
    buf_printf(err, "Unable to listen on this port: ");
    if (!open_next(l, transport, err)) {
        drop_next(l, transport);
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
    renew_events(l);
    l->resume = event_new(l->daemon->base, -1, 0, on_resume, l);
    ASSERT(l->resume != NULL);
    l->next_event = new_event(l, l->next_fd, on_next, l);
    event_add(l->next_event, NULL);
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
    for (enum transport t = 0; t < TRANSPORTS; t++)
        drop_next(l, t);
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
            bind_keepalive(l->item[i].fd, seconds);
}
