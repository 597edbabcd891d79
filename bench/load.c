/* SPDX-License-Identifier: BSD-3-Clause */
/* load.c - a load generator for servers of the Redis protocol, and of the text
 * protocol of memcached.
 *
 *   bench/load [-p PORT | -u PATH] [-m] [-c CONNECTIONS] [-d DEPTH]
 *              [-o get|set|mix] [-n KEYS] [-v BYTES]
 *              [-N REQUESTS | -T SECONDS] [-r REQUESTS_PER_SECOND] [-s]
 *
 *   -m   speak memcached's text protocol
 *   -d   requests that a connection sends at once, before it waits for all the
 *        replies to them
 *   -o   mix is one SET to ten GETs
 *   -r   at this rate, however quickly the replies come (open loop): batches
 *        are due at even intervals, and go to the connections that have nothing
 *        to wait for; one that finds none waits for one
 *   -s   keys in sequence, each connection its share: to fill a server
 *
 * One thread, so pin it to a CPU that the server does not use. Keys are
 * "key:NUMBER", uniform at random. A GET whose value has another length than
 * -v counts as an error, and so does every error reply. Prints one
 * "name value" a line; times are those from the sending of a batch to the
 * reading of the reply. With -r they are from the moment when it was due, so
 * that a server that stops for a while is charged for all that would have come
 * meanwhile (no coordinated omission).
 */
#include "bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RECEIVE_BYTES (256 * KIB)
#define POOL_BYTES (2 * MIB) /* values begin anywhere in it */
#define LINE_BYTES 512
#define HEADERS_BYTES 128 /* of a request: all but key and value */
#define MAX_EVENTS 256
#define GETS_PER_SET 10

enum operation { OP_GET, OP_SET, OP_MIX };

struct options {
    int port;
    const char *path;
    bool memcached, sequential;
    unsigned n_connections, depth;
    enum operation op;
    size_t n_keys, value_bytes, n_requests; /* n_requests 0: no limit */
    double seconds;
    size_t rate; /* requests per second; 0: as fast as they are answered */
};

struct connection {
    int fd;
    struct buf out;
    size_t sent;          /* of out */
    bool waits_for_room;  /* EPOLLOUT is on */
    double batch_ns;      /* when the batch was built, or due */
    size_t n_pending;     /* replies to come */
    size_t skip;          /* bytes of a value to skip, its CRLF included */
    bool in_value;        /* memcached: END is to follow the value */
    char line[LINE_BYTES]; /* of a reply, as far as it has come */
    size_t line_len;
    size_t next_key, end_key; /* in sequence */
};

struct load {
    struct options o;
    struct connection *connections;
    int epoll;
    char *pool, *received;
    uint64_t random;
    size_t n_sent, n_done, n_hits, n_misses, n_errors, n_active;
    double start_ns, end_ns;
    double due_ns, interval_ns; /* with a rate: the next batch */
    struct connection **idle;   /* with a rate: a ring of those */
    size_t idle_at, n_idle;
    char first_error[128];
    struct bench_histogram times;
};

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- requests ------------------------------------------------------------ */

/* Requests are made at the speed of the fastest server, so no printf here. */

static inline char *
put(char *to, struct str s)
{
    memcpy(to, s.p, s.len);
    return to + s.len;
}

static inline char *
put_number(char *to, size_t n)
{
    return to + i64_to_chars(to, (int64_t)n);
}

/* A value from anywhere in the pool, and CRLF. */
static inline char *
put_value(struct load *l, char *to)
{
    to = put(to, (struct str){l->pool + bench_below(&l->random, POOL_BYTES),
        l->o.value_bytes});
    return put(to, STR("\r\n"));
}

static char *
put_resp(struct load *l, char *to, struct str key, bool is_set)
{
    to = put(to, is_set ? STR("*3\r\n$3\r\nSET\r\n$")
        : STR("*2\r\n$3\r\nGET\r\n$"));
    to = put_number(to, key.len);
    to = put(put(put(to, STR("\r\n")), key), STR("\r\n"));
    if (!is_set)
        return to;
    to = put(put_number(put(to, STR("$")), l->o.value_bytes), STR("\r\n"));
    return put_value(l, to);
}

static char *
put_memcached(struct load *l, char *to, struct str key, bool is_set)
{
    to = put(put(to, is_set ? STR("set ") : STR("get ")), key);
    if (!is_set)
        return put(to, STR("\r\n"));
    to = put_number(put(to, STR(" 0 0 ")), l->o.value_bytes);
    return put_value(l, put(to, STR("\r\n")));
}

static void
put_request(struct load *l, struct connection *c)
{
    bool is_set = l->o.op == OP_SET || (l->o.op == OP_MIX &&
        bench_below(&l->random, GETS_PER_SET + 1) == 0);
    size_t number = l->o.sequential ? c->next_key++
        : bench_below(&l->random, l->o.n_keys);
    char key[32] = "key:";
    size_t len = 4 + i64_to_chars(key + 4, (int64_t)number);
    struct str name = {key, len};
    char *to = buf_reserve(&c->out, HEADERS_BYTES + len + l->o.value_bytes);

    to = l->o.memcached ? put_memcached(l, to, name, is_set)
        : put_resp(l, to, name, is_set);
    c->out.len = (size_t)(to - c->out.p);
}

static bool
is_over(const struct load *l, const struct connection *c)
{
    return (l->o.n_requests != 0 && l->n_sent >= l->o.n_requests) ||
        (l->o.sequential && c->next_key >= c->end_key);
}

static void
watch(struct load *l, struct connection *c, bool for_room)
{
    struct epoll_event e = {.data.ptr = c,
        .events = for_room ? EPOLLIN | EPOLLOUT : EPOLLIN};

    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        die("epoll_ctl");
    c->waits_for_room = for_room;
}

static void
send_rest(struct load *l, struct connection *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent,
            MSG_NOSIGNAL);

        if (n >= 0) {
            c->sent += (size_t)n;
        } else if (errno == EAGAIN) {
            if (!c->waits_for_room)
                watch(l, c, true);
            return;
        } else if (errno != EINTR) {
            die("send");
        }
    }
    if (c->waits_for_room)
        watch(l, c, false);
}

/* The next batch, or the end of this connection's work. */
static void
next_batch(struct load *l, struct connection *c, double now_ns)
{
    c->out.len = c->sent = 0;
    while (c->n_pending < l->o.depth && now_ns < l->end_ns && !is_over(l, c)) {
        put_request(l, c);
        c->n_pending++;
        l->n_sent++;
    }
    if (c->n_pending == 0) {
        l->n_active--;
        return;
    }
    c->batch_ns = now_ns;
    send_rest(l, c);
}

/* ---- at a rate ----------------------------------------------------------- */

static void
rest(struct load *l, struct connection *c)
{
    l->idle[(l->idle_at + l->n_idle++) % l->o.n_connections] = c;
}

/* Send what is due, by connections that are idle. */
static void
send_due(struct load *l)
{
    double now_ns = bench_wall_ns();

    while (l->n_idle > 0 && l->due_ns <= now_ns) {
        struct connection *c = l->idle[l->idle_at];

        l->idle_at = (l->idle_at + 1) % l->o.n_connections;
        l->n_idle--;
        next_batch(l, c, l->due_ns);
        l->due_ns += l->interval_ns;
    }
}

/* How long to wait for replies. */
static const struct timespec *
until_due(const struct load *l, struct timespec *t)
{
    double left_ns = l->due_ns - bench_wall_ns();

    if (l->n_idle == 0)
        return NULL;
    left_ns = MAX(left_ns, 0);
    t->tv_sec = (time_t)(left_ns / 1e9);
    t->tv_nsec = (long)(left_ns - (double)t->tv_sec * 1e9);
    return t;
}

/* ---- replies ------------------------------------------------------------- */

static void
count_error(struct load *l, const char *line, size_t len)
{
    if (l->n_errors++ == 0)
        snprintf(l->first_error, sizeof(l->first_error), "%.*s",
            (int)MIN(len, 100), line);
}

/* A value of `len` bytes begins. */
static void
begin_value(struct load *l, struct connection *c, const char *len)
{
    size_t bytes = strtoul(len, NULL, 10);

    if (bytes != l->o.value_bytes)
        count_error(l, len, strlen(len));
    c->skip = bytes + 2;
    l->n_hits++;
}

/* One line of a reply, without CRLF and NUL-terminated. True if the reply is
 * complete with it. */
static bool
take_resp_line(struct load *l, struct connection *c, const char *line)
{
    if (line[0] == '$' && line[1] != '-') {
        begin_value(l, c, line + 1);
        return false; /* complete when it has been skipped */
    }
    if (line[0] == '$' || line[0] == '_')
        l->n_misses++;
    else if (line[0] != '+')
        count_error(l, line, strlen(line));
    return true;
}

static bool
take_memcached_line(struct load *l, struct connection *c, const char *line)
{
    if (strncmp(line, "VALUE ", 6) == 0) {
        begin_value(l, c, strrchr(line, ' ') + 1);
        c->in_value = true;
        return false;
    }
    if (strcmp(line, "END") == 0)
        l->n_misses += !c->in_value;
    else if (strcmp(line, "STORED") != 0)
        count_error(l, line, strlen(line));
    c->in_value = false;
    return true;
}

static bool
take_line(struct load *l, struct connection *c)
{
    if (c->line_len > 0 && c->line[c->line_len - 1] == '\r')
        c->line_len--;
    c->line[c->line_len] = '\0';
    c->line_len = 0;
    return l->o.memcached ? take_memcached_line(l, c, c->line)
        : take_resp_line(l, c, c->line);
}

/* Returns how many replies are complete with these bytes. */
static size_t
take_bytes(struct load *l, struct connection *c, const char *p, size_t n)
{
    size_t complete = 0;

    while (n > 0) {
        const char *end;
        size_t part;

        if (c->skip > 0) {
            part = MIN(n, c->skip);
            c->skip -= part;
            complete += c->skip == 0 && !l->o.memcached;
            p += part;
            n -= part;
            continue;
        }
        end = memchr(p, '\n', n);
        part = end != NULL ? (size_t)(end - p) : n;
        if (c->line_len + part >= LINE_BYTES) {
            fprintf(stderr, "load: a reply line is too long\n");
            exit(1);
        }
        memcpy(c->line + c->line_len, p, part);
        c->line_len += part;
        if (end == NULL)
            break;
        complete += take_line(l, c);
        p += part + 1;
        n -= part + 1;
    }
    return complete;
}

static void
receive(struct load *l, struct connection *c)
{
    ssize_t n = recv(c->fd, l->received, RECEIVE_BYTES, 0);
    size_t complete;
    double now_ns;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fprintf(stderr, "load: the server closed a connection\n");
        exit(1);
    }
    complete = take_bytes(l, c, l->received, (size_t)n);
    if (complete == 0)
        return;
    if (complete > c->n_pending) {
        fprintf(stderr, "load: more replies than requests\n");
        exit(1);
    }
    now_ns = bench_wall_ns();
    bench_histogram_add(&l->times, (uint64_t)(now_ns - c->batch_ns), complete);
    l->n_done += complete;
    c->n_pending -= complete;
    if (c->n_pending > 0)
        return;
    if (l->o.rate > 0)
        rest(l, c);
    else
        next_batch(l, c, now_ns);
}

/* ---- connections --------------------------------------------------------- */

static int
dial(const struct options *o)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in net = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)o->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(o->path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0)
        die("socket");
    if (o->path != NULL) {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", o->path);
        if (connect(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
            die(o->path);
    } else {
        if (connect(fd, (struct sockaddr *)&net, sizeof(net)) != 0)
            die("connect");
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    return fd;
}

static void
open_connections(struct load *l)
{
    size_t n = l->o.n_connections;

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->connections = xcalloc(n, sizeof(*l->connections));
    for (size_t i = 0; i < n; i++) {
        struct connection *c = &l->connections[i];
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        c->fd = dial(&l->o);
        c->next_key = l->o.n_keys * i / n;
        c->end_key = l->o.n_keys * (i + 1) / n;
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
            die("epoll_ctl");
    }
}

/* Everybody's first batch, or nobody's until it is due. */
static void
begin(struct load *l)
{
    size_t n = l->o.n_connections;

    l->start_ns = l->due_ns = bench_wall_ns();
    l->end_ns = l->o.seconds > 0 ? l->start_ns + l->o.seconds * 1e9 : 1e30;
    l->n_active = n;
    if (l->o.rate > 0) {
        l->interval_ns = 1e9 * l->o.depth / (double)l->o.rate;
        l->idle = xcalloc(n, sizeof(struct connection *));
        (void)prctl(PR_SET_TIMERSLACK, 1); /* else waits are 50 us longer */
    }
    for (size_t i = 0; i < n; i++) {
        if (l->o.rate > 0)
            rest(l, &l->connections[i]);
        else
            next_batch(l, &l->connections[i], bench_wall_ns());
    }
}

static void
run(struct load *l)
{
    struct epoll_event events[MAX_EVENTS];

    begin(l);
    while (l->n_active > 0) {
        struct timespec wait;
        int n = epoll_pwait2(
            l->epoll, events, MAX_EVENTS, until_due(l, &wait), NULL);

        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (events[i].events & EPOLLOUT)
                send_rest(l, c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(l, c);
        }
        send_due(l);
    }
}

/* ---- main ---------------------------------------------------------------- */

static void
report(const struct load *l)
{
    double seconds = (bench_wall_ns() - l->start_ns) / 1e9;

    printf("requests %zu\nseconds %.4f\nhits %zu\nmisses %zu\nerrors %zu\n",
        l->n_done, seconds, l->n_hits, l->n_misses, l->n_errors);
    printf("p50_us %.1f\np99_us %.1f\np999_us %.1f\n",
        bench_histogram_at(&l->times, 0.5) / 1e3,
        bench_histogram_at(&l->times, 0.99) / 1e3,
        bench_histogram_at(&l->times, 0.999) / 1e3);
    if (l->n_errors > 0)
        fprintf(stderr, "load: %zu errors, the first: %s\n", l->n_errors,
            l->first_error);
}

/* A positive number, or the end of the program. */
static size_t
number(const char *text)
{
    struct str s = str_of(text);
    int64_t n;

    if (!str_to_i64(s, &n) || n <= 0) {
        fprintf(stderr, "load: '%s' is no positive number\n", text);
        exit(2);
    }
    return (size_t)n;
}

static bool
parse_options(struct options *o, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "p:u:mc:d:o:n:v:N:T:r:s")) != -1) {
        switch (c) {
        case 'p': o->port = (int)number(optarg); break;
        case 'u': o->path = optarg; break;
        case 'm': o->memcached = true; break;
        case 'c': o->n_connections = (unsigned)number(optarg); break;
        case 'd': o->depth = (unsigned)number(optarg); break;
        case 'n': o->n_keys = number(optarg); break;
        case 'v': o->value_bytes = number(optarg); break;
        case 'N': o->n_requests = number(optarg); break;
        case 'T': o->seconds = strtod(optarg, NULL); break;
        case 'r': o->rate = number(optarg); break;
        case 's': o->sequential = true; break;
        case 'o':
            o->op = optarg[0] == 'g' ? OP_GET
                : optarg[0] == 's' ? OP_SET : OP_MIX;
            break;
        default:
            return false;
        }
    }
    return optind == argc && (o->port != 0 || o->path != NULL) &&
        (o->sequential || o->n_requests != 0 || o->seconds > 0);
}

static void
fill_pool(struct load *l)
{
    size_t n = POOL_BYTES + l->o.value_bytes;
    char *pool = xcalloc(1, n);

    for (size_t i = 0; i < n; i++)
        pool[i] = (char)('a' + bench_below(&l->random, 26));
    l->pool = pool;
}

int
main(int argc, char **argv)
{
    struct load *l = xcalloc(1, sizeof(*l));

    l->o = (struct options){.n_connections = 50, .depth = 1,
        .n_keys = 1000000, .value_bytes = 32};
    if (!parse_options(&l->o, argc, argv)) {
        fprintf(stderr, "usage: load -p PORT | -u PATH [-m] [-c CONNECTIONS] "
            "[-d DEPTH] [-o get|set|mix]\n            [-n KEYS] [-v BYTES] "
            "[-r REQUESTS_PER_SECOND] -N REQUESTS | -T SECONDS | -s\n");
        return 2;
    }
    l->random = (uint64_t)bench_wall_ns() | 1;
    l->received = xcalloc(1, RECEIVE_BYTES);
    fill_pool(l);
    open_connections(l);
    run(l);
    report(l);
    return 0;
}
