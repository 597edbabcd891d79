/* SPDX-License-Identifier: BSD-3-Clause */
/* null_server.c - what a server of the Redis protocol cannot go below: it finds
 * the ends of the commands and answers them, and stores nothing.
 *
 *   bench/null_server [-p PORT | -u PATH] [-v BYTES] [-t THREADS] [-k BYTES]
 *
 * GET is answered by a bulk string of -v bytes, SET by +OK, PING by +PONG, any
 * other command by an error. Per thread one epoll set; per ready connection one
 * receive, and one send for all replies. Values of 4 KiB and more are sent from
 * where they stand. What a real server costs above this is its own.
 *
 * But what it receives stays in the cache, and so does what it sends. A server
 * that keeps values has most of them in memory. With -k each thread has a ring
 * of so many bytes, which should be as large as the data set: arguments of 4 KiB
 * and more are copied there, past the cache, and GET is answered from there.
 */
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define RECEIVE_BYTES (64 * KIB)
#define HEADER_BYTES 32 /* "*3\r\n", "$1048576\r\n" */
#define MAX_EVENTS 256
#define MAX_REPLIES 8192 /* in one receive: what fits in it */
#define COPY_BYTES 4096

/* A value of the ring begins at a page, as in a server that gives each its own
 * memory. */
#define RING_STEP (4 * KIB)

struct connection {
    int fd;
    long args_left;  /* of the command, this one included */
    bool at_name;    /* the next argument is the command's name */
    char name;       /* its first letter */
    size_t skip;     /* bytes of an argument to skip, CRLF included */
    char *keep;      /* they go here; NULL: nowhere */
    char header[HEADER_BYTES]; /* as far as it has come */
    size_t header_len;
    struct iovec *rest; /* [owned] replies that the socket did not take */
    size_t n_rest, rest_at;
};

struct thread {
    pthread_t id;
    int epoll;
    char input[RECEIVE_BYTES];
    struct iovec reply[MAX_REPLIES];
    size_t n_replies;
    struct buf joined;
    char *ring;  /* owned; NULL without -k */
    size_t ring_at;
};

static struct iovec get_reply; /* header, value, CRLF */
static char ok_text[] = "+OK\r\n", pong_text[] = "+PONG\r\n",
    error_text[] = "-ERR unknown command\r\n";
static const struct iovec set_reply = {ok_text, sizeof(ok_text) - 1};
static const struct iovec ping_reply = {pong_text, sizeof(pong_text) - 1};
static const struct iovec no_reply = {error_text, sizeof(error_text) - 1};
static struct thread *threads;
static unsigned n_threads = 1;
static size_t value_bytes = 32, ring_bytes;
static int listener;
static bool is_tcp;

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "null_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- requests ------------------------------------------------------------ */

/* The next place for a value in the ring. */
static char *
ring_take(struct thread *t, size_t len)
{
    char *at;

    len = ROUND_UP(len, RING_STEP);
    if (ring_bytes - t->ring_at < len)
        t->ring_at = 0;
    at = t->ring + t->ring_at;
    t->ring_at += len;
    return at;
}

/* A value of the ring, between the header and the CRLF of a reply that has its
 * length. */
static void
answer_from_ring(struct thread *t)
{
    char *whole = get_reply.iov_base;
    size_t header = get_reply.iov_len - value_bytes - 2;

    ASSERT(t->n_replies + 3 <= MAX_REPLIES);
    t->reply[t->n_replies++] = (struct iovec){whole, header};
    t->reply[t->n_replies++] =
        (struct iovec){ring_take(t, value_bytes), value_bytes};
    t->reply[t->n_replies++] =
        (struct iovec){whole + header + value_bytes, 2};
}

static void
answer(struct thread *t, char name)
{
    if (t->ring != NULL && (name == 'G' || name == 'g')) {
        answer_from_ring(t);
        return;
    }
    ASSERT(t->n_replies < MAX_REPLIES);
    t->reply[t->n_replies++] = name == 'G' || name == 'g' ? get_reply
        : name == 'S' || name == 's' ? set_reply
        : name == 'P' || name == 'p' ? ping_reply : no_reply;
}

/* "*N" or "$N". False if it is none. */
static bool
take_header(struct thread *t, struct connection *c)
{
    long n;

    c->header[c->header_len] = '\0';
    c->header_len = 0;
    n = strtol(c->header + 1, NULL, 10);
    if (c->header[0] == '*' && n > 0) {
        c->args_left = n;
        c->at_name = true;
        return true;
    }
    if (c->header[0] != '$' || n < 1 || c->args_left == 0)
        return false;
    c->skip = (size_t)n + 2;
    c->keep = NULL;
    if (t->ring != NULL && n >= COPY_BYTES &&
        ROUND_UP(c->skip, RING_STEP) <= ring_bytes)
        c->keep = ring_take(t, c->skip);
    return true;
}

/* Answer the commands that are complete with these bytes. False at what is no
 * command. */
static bool
take_bytes(struct thread *t, struct connection *c, const char *p, size_t n)
{
    while (n > 0) {
        const char *end;
        size_t part;

        if (c->skip > 0) {
            if (c->at_name)
                c->name = *p;
            c->at_name = false;
            part = MIN(n, c->skip);
            if (c->keep != NULL) {
                stream_copy(c->keep, p, part);
                c->keep += part;
            }
            c->skip -= part;
            p += part;
            n -= part;
            if (c->skip == 0 && --c->args_left == 0)
                answer(t, c->name);
            continue;
        }
        end = memchr(p, '\n', MIN(n, HEADER_BYTES));
        part = end != NULL ? (size_t)(end - p) + 1 : n;
        if (c->header_len + part >= HEADER_BYTES)
            return false;
        memcpy(c->header + c->header_len, p, part);
        c->header_len += part;
        if (end == NULL)
            return true;
        if (!take_header(t, c))
            return false;
        p += part;
        n -= part;
    }
    return true;
}

/* ---- replies ------------------------------------------------------------- */

static void
watch(struct thread *t, struct connection *c, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};

    if (epoll_ctl(t->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        die("epoll_ctl");
}

/* Send from v[*at]; false if the connection is gone. What is left when the
 * socket is full begins at v[*at] then. */
static bool
send_some(int fd, struct iovec *v, size_t n, size_t *at)
{
    while (*at < n) {
        struct msghdr m = {.msg_iov = v + *at,
            .msg_iovlen = MIN(n - *at, (size_t)64)};
        ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        for (size_t left = (size_t)sent; *at < n && left > 0;) {
            size_t part = MIN(left, v[*at].iov_len);

            v[*at].iov_base = (char *)v[*at].iov_base + part;
            v[*at].iov_len -= part;
            left -= part;
            *at += v[*at].iov_len == 0;
        }
    }
    return true;
}

/* Small replies go out as one piece. */
static void
join_replies(struct thread *t)
{
    t->joined.len = 0;
    for (size_t i = 0; i < t->n_replies; i++)
        buf_append(&t->joined, t->reply[i].iov_base, t->reply[i].iov_len);
    t->reply[0] = (struct iovec){t->joined.p, t->joined.len};
    t->n_replies = t->n_replies > 0;
}

/* Keep what was not sent, with the bytes of joined replies. */
static void
keep_rest(struct thread *t, struct connection *c, size_t at)
{
    struct iovec *v = t->reply + at;

    c->n_rest = t->n_replies - at;
    c->rest_at = 0;
    c->rest = xrealloc(NULL, c->n_rest * sizeof(*c->rest) +
        (t->joined.len > 0 ? v->iov_len : 0));
    memcpy(c->rest, v, c->n_rest * sizeof(*c->rest));
    if (t->joined.len > 0) {
        char *copy = (char *)(c->rest + c->n_rest);

        memcpy(copy, v->iov_base, v->iov_len);
        c->rest->iov_base = copy;
    }
    watch(t, c, EPOLLOUT);
}

static bool
send_replies(struct thread *t, struct connection *c)
{
    size_t at = 0;

    t->joined.len = 0;
    if (get_reply.iov_len < COPY_BYTES)
        join_replies(t);
    if (!send_some(c->fd, t->reply, t->n_replies, &at))
        return false;
    if (at < t->n_replies)
        keep_rest(t, c, at);
    return true;
}

static bool
send_rest(struct thread *t, struct connection *c)
{
    if (!send_some(c->fd, c->rest, c->n_rest, &c->rest_at))
        return false;
    if (c->rest_at == c->n_rest) {
        free(c->rest);
        c->rest = NULL;
        watch(t, c, EPOLLIN);
    }
    return true;
}

/* ---- connections --------------------------------------------------------- */

static void
drop(struct connection *c)
{
    close(c->fd);
    free(c->rest);
    free(c);
}

static void
accept_all(void)
{
    static unsigned next;
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = xcalloc(1, sizeof(*c));
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        c->fd = fd;
        if (is_tcp)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (epoll_ctl(threads[next++ % n_threads].epoll, EPOLL_CTL_ADD, fd,
            &e) != 0)
            die("epoll_ctl");
    }
}

static bool
serve(struct thread *t, struct connection *c)
{
    ssize_t n;

    if (c->rest != NULL)
        return send_rest(t, c);
    n = recv(c->fd, t->input, RECEIVE_BYTES, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    t->n_replies = 0;
    return n > 0 && take_bytes(t, c, t->input, (size_t)n) &&
        send_replies(t, c);
}

static void *
loop(void *arg)
{
    struct thread *t = arg;
    struct epoll_event events[MAX_EVENTS];

    for (;;) {
        int n = epoll_wait(t->epoll, events, MAX_EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_all();
            else if (!serve(t, events[i].data.ptr))
                drop(events[i].data.ptr);
        }
    }
    return NULL;
}

/* ---- main ---------------------------------------------------------------- */

static void
open_listener(int port, const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in net = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, failed;

    is_tcp = path == NULL;
    listener = socket(is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK,
        0);
    if (listener < 0)
        die("socket");
    if (is_tcp) {
        (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        failed = bind(listener, (struct sockaddr *)&net, sizeof(net));
    } else {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", path);
        failed = bind(listener, (struct sockaddr *)&local, sizeof(local));
    }
    if (failed != 0)
        die("bind");
    if (listen(listener, 4096) != 0)
        die("listen");
}

static void
make_get_reply(void)
{
    struct buf b = {0};

    buf_printf(&b, "$%zu\r\n", value_bytes);
    memset(buf_reserve(&b, value_bytes), 'v', value_bytes);
    b.len += value_bytes;
    buf_append(&b, "\r\n", 2);
    get_reply = (struct iovec){b.p, b.len};
}

/* Touched, so that no request pays for a page. */
static char *
make_ring(void)
{
    char *p = mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die("mmap");
    memset(p, 'v', ring_bytes);
    return p;
}

static void
start_threads(void)
{
    struct epoll_event e = {.events = EPOLLIN};

    threads = xcalloc(n_threads, sizeof(*threads));
    for (unsigned i = 0; i < n_threads; i++) {
        if ((threads[i].epoll = epoll_create1(0)) < 0)
            die("epoll_create1");
        if (ring_bytes > 0)
            threads[i].ring = make_ring();
    }
    if (epoll_ctl(threads[0].epoll, EPOLL_CTL_ADD, listener, &e) != 0)
        die("epoll_ctl");
    for (unsigned i = 1; i < n_threads; i++)
        if (pthread_create(&threads[i].id, NULL, loop, &threads[i]) != 0)
            die("pthread_create");
}

int
main(int argc, char **argv)
{
    const char *path = NULL;
    int port = 0, c;

    while ((c = getopt(argc, argv, "p:u:v:t:k:")) != -1) {
        switch (c) {
        case 'p': port = (int)strtol(optarg, NULL, 10); break;
        case 'u': path = optarg; break;
        case 'v': value_bytes = strtoul(optarg, NULL, 10); break;
        case 't': n_threads = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'k': ring_bytes = strtoul(optarg, NULL, 10); break;
        default: port = -1; break;
        }
    }
    if (port < 0 || (port == 0 && path == NULL) || optind != argc ||
        n_threads < 1 || n_threads > 64 || value_bytes < 1 ||
        value_bytes > GIB ||
        (ring_bytes > 0 && ring_bytes < ROUND_UP(value_bytes, RING_STEP))) {
        fprintf(stderr, "usage: null_server -p PORT | -u PATH [-v BYTES] "
            "[-t THREADS] [-k BYTES]\n"
            "The ring of -k has room for a value.\n");
        return 2;
    }
    make_get_reply();
    open_listener(port, path);
    start_threads();
    (void)loop(&threads[0]);
    return 0;
}
