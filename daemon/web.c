/* SPDX-License-Identifier: BSD-3-Clause */
/* web.c - the metrics listener: HTTP for Prometheus, health checks and people.
 *
 * A thread of its own, with libevent's HTTP server, so that nothing here delays
 * a client. It only reads, answers GET and HEAD, and closes after each answer.
 * Connections are bounded in number (further ones wait in the backlog), in the
 * size of their requests, and in time from accept to close, so that those who
 * trickle bytes go as well.
 *
 * There is no password. What is shown are figures and the names of namespaces:
 * no keys, no values, no arguments. A web page that a user of this machine has
 * open cannot read them by a name of its own that leads here (DNS rebinding):
 * on loopback addresses the Host header must be an address or localhost.
 */
#include "daemon/monitor.h"
#include "daemon/status_page.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIFETIME_S 3            /* of a connection */
#define SWEEP_MS 50             /* while there are any */
#define FULL_LIFETIME_US 500000 /* of a connection while all places are taken */
#define MAX_HEADERS (ev_ssize_t)(8 * KIB)
#define MAX_BODY (ev_ssize_t)(4 * KIB)
/* More than any answer has: it goes out by one call, and wakes its reader once,
 * where libevent would make a turn of the loop for every 16 KiB. */
#define MAX_SEND (1 * MIB)
/* An answer is made at most this often, and otherwise given again. */
#define RENDER_PERIOD_US 100000
/* Without progress for so long, the maintenance thread is not well. */
#define SILENT_US 10000000

/* A connection that was accepted. evhttp tells nobody when it closes one, so a
 * reference is held on its bufferevent, which has no callbacks any more then.
 * The descriptor, that evhttp has shut down, is closed with the last
 * reference. */
struct visitor {
    struct bufferevent *bev;
    uint64_t since_us;
    bool told; /* to go */
};

/* An answer that is made from a snapshot. */
struct page {
    struct buf body;
    uint64_t made_us; /* 0: never */
};

struct web {
    struct ashlard *daemon;
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listeners[MAX_METRICS_ADDRESSES];
    unsigned n_listeners;
    char *unix_paths[MAX_METRICS_ADDRESSES];
    unsigned n_unix_paths;
    struct event *sweep, *stop;
    int stop_fd;
    bool running;
    pthread_t thread;
    struct visitor visitors[WEB_MAX_OPEN];
    unsigned n_visitors;
    bool resting; /* accept(2) failed: not before the next sweep */
    struct page metrics, status;
};

/* What libevent has no room to pass to on_accept_failed(). Metrics thread. */
static _Thread_local struct web *own_web;

/* ---- connections --------------------------------------------------------- */

static void
listen_on(struct web *w, bool on)
{
    for (unsigned i = 0; i < w->n_listeners; i++) {
        if (on)
            evconnlistener_enable(w->listeners[i]);
        else
            evconnlistener_disable(w->listeners[i]);
    }
}

static void
start_sweeping(struct web *w)
{
    static const struct timeval period = {0, SWEEP_MS * 1000};

    if (!evtimer_pending(w->sweep, NULL))
        evtimer_add(w->sweep, &period);
}

/* evhttp asks for the bufferevent of a connection that it accepted. */
static struct bufferevent *
on_visitor(struct event_base *base, void *arg)
{
    struct web *w = arg;
    struct bufferevent *bev =
        bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (bev == NULL || w->n_visitors == WEB_MAX_OPEN)
        return bev;
    bufferevent_incref(bev);
    bufferevent_set_max_single_write(bev, MAX_SEND);
    clock_refresh();
    w->visitors[w->n_visitors++] =
        (struct visitor){bev, clock_mono_us(), false};
    if (w->n_visitors == WEB_MAX_OPEN)
        listen_on(w, false);
    start_sweeping(w);
    return bev;
}

static bool
has_gone(const struct visitor *v)
{
    void *arg;

    bufferevent_getcb(v->bev, NULL, NULL, NULL, &arg);
    return arg == NULL;
}

/* evhttp closes what has ended. */
static void
end_if_late(struct visitor *v, bool full)
{
    uint64_t lifetime_us = full ? FULL_LIFETIME_US : LIFETIME_S * 1000000;

    if (v->told || clock_mono_us() - v->since_us < lifetime_us)
        return;
    v->told = true;
    shutdown(bufferevent_getfd(v->bev), SHUT_RDWR);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct web *w = arg;
    bool was_full = w->n_visitors == WEB_MAX_OPEN;

    (void)fd;
    (void)what;
    clock_refresh();
    for (unsigned i = 0; i < w->n_visitors;) {
        struct visitor *v = &w->visitors[i];

        if (has_gone(v)) {
            bufferevent_decref(v->bev);
            *v = w->visitors[--w->n_visitors];
        } else {
            end_if_late(v, was_full);
            i++;
        }
    }
    if ((was_full || w->resting) && w->n_visitors < WEB_MAX_OPEN) {
        w->resting = false;
        listen_on(w, true);
    }
    if (w->n_visitors > 0)
        start_sweeping(w);
}

/* For want of descriptors or memory: connections wait in the backlog. libevent
 * by itself would try again at once, and write a line each time. */
static void
on_accept_failed(struct evconnlistener *l, void *arg)
{
    static _Atomic uint64_t logged;
    int err = errno;

    (void)l;
    (void)arg;
    if (log_ratelimit(&logged))
        log_error(
            "accept failed on the metrics listener err=\"%s\"", strerror(err));
    own_web->resting = true;
    listen_on(own_web, false);
    start_sweeping(own_web);
}

/* ---- who may ask --------------------------------------------------------- */

static bool
is_address(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;

    if (len >= sizeof(text))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, &ignored) == 1 ||
        inet_pton(AF_INET6, text, &ignored) == 1;
}

/* "localhost", "127.0.0.1:9121", "[::1]:9121". */
static bool
is_own_name(const char *host)
{
    size_t len = strcspn(host, ":");

    if (*host == '[') {
        len = strcspn(host, "]");
        return host[len] == ']' && is_address(host + 1, len - 1);
    }
    return str_ieq((struct str){host, len}, STR("localhost")) ||
        is_address(host, len);
}

static bool
came_to_loopback(struct evhttp_request *req)
{
    struct evhttp_connection *conn = evhttp_request_get_connection(req);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        return true;
    return address_is_loopback(&sa);
}

static bool
is_rebound(struct evhttp_request *req)
{
    const char *host =
        evhttp_find_header(evhttp_request_get_input_headers(req), "Host");

    return host != NULL && came_to_loopback(req) && !is_own_name(host);
}

/* ---- answers ------------------------------------------------------------- */

static void
add_headers(struct evhttp_request *req, const char *type)
{
    static const char *const always[][2] = {
        {"Cache-Control", "no-store"},
        {"Connection", "close"},
        {"Content-Security-Policy", STATUS_PAGE_POLICY},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
    };
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        evhttp_add_header(headers, always[i][0], always[i][1]);
    evhttp_add_header(headers, "Content-Type", type);
}

static void
answer(struct evhttp_request *req, int code, const char *reason,
    const char *type, struct str body)
{
    struct evbuffer *out = evbuffer_new();
    char length[24];

    add_headers(req, type);
    if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD) {
        snprintf(length, sizeof(length), "%zu", body.len);
        evhttp_add_header(
            evhttp_request_get_output_headers(req), "Content-Length", length);
    } else if (out != NULL) {
        evbuffer_add(out, body.p, body.len);
    }
    evhttp_send_reply(req, code, reason, out);
    if (out != NULL)
        evbuffer_free(out);
}

#define TEXT "text/plain; charset=utf-8"

static void
answer_line(
    struct evhttp_request *req, int code, const char *reason, const char *line)
{
    answer(req, code, reason, TEXT, str_of(line));
}

/* Make a page anew if it is old. */
static struct str
render(struct web *w, struct page *page,
    void (*write)(const struct snapshot *s, struct buf *out))
{
    struct snapshot s;

    clock_refresh();
    if (page->made_us == 0 ||
        clock_mono_us() - page->made_us >= RENDER_PERIOD_US) {
        snapshot_take(w->daemon, &s);
        page->body.len = 0;
        write(&s, &page->body);
        snapshot_free(&s);
        page->made_us = MAX(clock_mono_us(), (uint64_t)1);
    }
    return (struct str){page->body.p, page->body.len};
}

static void
get_metrics(struct web *w, struct evhttp_request *req)
{
    answer(req, 200, "OK", "text/plain; version=0.0.4; charset=utf-8",
        render(w, &w->metrics, metrics_write));
}

static void
get_health(struct web *w, struct evhttp_request *req)
{
    clock_refresh();
    if (maint_silent_us(w->daemon->maint) < SILENT_US)
        answer_line(req, 200, "OK", "ok\n");
    else
        answer_line(req, 503, "Service Unavailable",
            "the maintenance thread does not move\n");
}

static void
get_status(struct web *w, struct evhttp_request *req)
{
    answer(req, 200, "OK", "application/json",
        render(w, &w->status, status_write));
}

static void
get_page(struct web *w, struct evhttp_request *req)
{
    (void)w;
    answer(req, 200, "OK", "text/html; charset=utf-8",
        (struct str){(const char *)status_page, sizeof(status_page)});
}

static const struct {
    const char *path;
    void (*get)(struct web *w, struct evhttp_request *req);
} paths[] = {
    {"/", get_page},
    {"/metrics", get_metrics},
    {"/healthz", get_health},
    {"/status.json", get_status},
};

static void
on_request(struct evhttp_request *req, void *arg)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
    enum evhttp_cmd_type method = evhttp_request_get_command(req);

    if (path == NULL) {
        answer_line(req, 400, "Bad Request", "this is no HTTP request\n");
        return;
    }
    if (is_rebound(req)) {
        answer_line(req, 403, "Forbidden",
            "ask by address, or as localhost: the Host header is neither\n");
        return;
    }
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(
            evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
        answer_line(req, 405, "Method Not Allowed", "only GET and HEAD\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (strcmp(path, paths[i].path) == 0) {
            paths[i].get(arg, req);
            return;
        }
    }
    answer_line(req, 404, "Not Found",
        "there are /, /metrics, /healthz and /status.json\n");
}

/* ---- sockets ------------------------------------------------------------- */

/* Let the kernel keep a connection until its request has come, or a second has
 * gone by: this thread, which waits for its turn where workers are busy, then
 * wakes up once for a scrape instead of twice. Unix sockets cannot; whatever is
 * wrong, connections come as they always do. */
static void
accept_with_request(int fd)
{
    static const int seconds = 1;

    (void)setsockopt(
        fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
}

/* Have libevent accept on a socket that listens; takes it. */
static void
add_socket(struct web *w, int fd)
{
    struct evconnlistener *l = evconnlistener_new(
        w->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED, 0, fd);

    accept_with_request(fd);
    ASSERT(l != NULL && evhttp_bind_listener(w->http, l) != NULL);
    evconnlistener_set_error_cb(l, on_accept_failed);
    w->listeners[w->n_listeners++] = l;
}

static bool
open_word(struct web *w, const char *word, struct buf *err)
{
    const struct daemon_options *o = &w->daemon->config.daemon;
    enum bound bound = BOUND_LEFT_OUT;
    int fd;

    if (*word == '/') {
        bound = bind_path(word, 0, o, &fd, err) ? BOUND : BOUND_FAILED;
        if (bound == BOUND)
            w->unix_paths[w->n_unix_paths++] = xstrdup(word);
    } else if (o->metrics_port != 0) {
        bound = bind_address(word, o->metrics_port, o, &fd, err);
    }
    if (bound == BOUND)
        add_socket(w, fd);
    return bound != BOUND_FAILED;
}

static bool
open_words(struct web *w, struct buf *err)
{
    const struct daemon_options *o = &w->daemon->config.daemon;
    char *words = xstrdup(o->metrics_bind), *save = NULL;
    bool good = true;

    for (char *word = strtok_r(words, " \t", &save); good && word != NULL;
         word = strtok_r(NULL, " \t", &save))
        good = open_word(w, word, err);
    free(words);
    if (good && w->n_listeners == 0 && o->metrics_port != 0) {
        buf_printf(err,
            "cannot listen on metrics-port on any address of metrics-bind "
            "\"%s\"",
            o->metrics_bind);
        return false;
    }
    return good;
}

/* Those of the service manager take the place of those of the configuration. */
static bool
open_sockets(struct web *w, struct buf *err)
{
    int fd;

    while ((fd = activation_take(w->daemon->activation, "metrics")) >= 0)
        add_socket(w, fd);
    if (w->n_listeners == 0)
        return open_words(w, err);
    log_info("metrics are on sockets of the service manager, not on "
             "metrics-bind and metrics-port sockets=%u",
        w->n_listeners);
    return true;
}

/* ---- birth and death ----------------------------------------------------- */

static bool
open_server(struct web *w)
{
    w->http = evhttp_new(w->base);
    if (w->http == NULL)
        return false;
    evhttp_set_max_headers_size(w->http, MAX_HEADERS);
    evhttp_set_max_body_size(w->http, MAX_BODY);
    evhttp_set_timeout(w->http, LIFETIME_S);
    /* All, to answer 405 instead of what evhttp would. */
    evhttp_set_allowed_methods(w->http, 0xffff);
    evhttp_set_bevcb(w->http, on_visitor, w);
    evhttp_set_gencb(w->http, on_request, w);
    return true;
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct web *w = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(w->base);
}

static bool
open_base(struct web *w)
{
    w->base = thread_event_base();
    w->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->base == NULL || w->stop_fd < 0)
        return false;
    w->sweep = evtimer_new(w->base, on_sweep, w);
    w->stop = event_new(w->base, w->stop_fd, EV_READ, on_stop, w);
    return w->sweep != NULL && w->stop != NULL &&
        event_add(w->stop, NULL) == 0 && open_server(w);
}

struct web *
web_open(struct ashlard *d, struct buf *err)
{
    struct web *w = xcalloc(1, sizeof(*w));

    w->daemon = d;
    w->stop_fd = -1;
    if (!open_base(w))
        buf_printf(
            err, "cannot set up the metrics listener: %s", strerror(errno));
    if (err->len == 0 && open_sockets(w, err) && w->n_listeners > 0)
        return w;
    web_free(w);
    return NULL;
}

static void *
web_main(void *arg)
{
    struct web *w = arg;

    own_web = w;
    event_base_dispatch(w->base);
    return NULL;
}

bool
web_start(struct web *w, struct buf *err)
{
    int failed;

    listen_on(w, true);
    failed = thread_start(&w->thread, "ash-metrics", web_main, w);
    if (failed != 0)
        buf_printf(
            err, "cannot start the metrics thread: %s", strerror(failed));
    w->running = failed == 0;
    return w->running;
}

void
web_stop(struct web *w)
{
    if (!w->running)
        return;
    eventfd_write(w->stop_fd, 1);
    pthread_join(w->thread, NULL);
    w->running = false;
}

void
web_free(struct web *w)
{
    for (unsigned i = 0; i < w->n_unix_paths; i++) {
        unlink(w->unix_paths[i]);
        free(w->unix_paths[i]);
    }
    if (w->http != NULL)
        evhttp_free(w->http); /* with its listeners and connections */
    for (unsigned i = 0; i < w->n_visitors; i++)
        bufferevent_decref(w->visitors[i].bev);
    if (w->stop != NULL)
        event_free(w->stop);
    if (w->sweep != NULL)
        event_free(w->sweep);
    if (w->base != NULL)
        event_base_free(w->base);
    if (w->stop_fd >= 0)
        close(w->stop_fd);
    buf_free(&w->metrics.body);
    buf_free(&w->status.body);
    free(w);
}
