/* SPDX-License-Identifier: BSD-3-Clause */
/* replay.c - plays a cache trace (trace.h) against a server and checks every
 * byte of every hit (player.h).
 *
 * Ends with status 1 if there was an error, a wrong byte or a hit after its
 * time, 2 for wrong arguments.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client-tests/player.h"

static const char help[] =
    "usage: replay [options] TRACE\n"
    "Plays a trace (ASHT1, plain or zstd) look-aside: GET, on a miss SET.\n"
    "  -h HOST   address of the server (127.0.0.1), or the path of its socket\n"
    "  -p PORT   (6379)\n"
    "  -c N      connections, a thread each (8)\n"
    "  -b N      requests sent before their replies are read, at most (64)\n"
    "  -n N      requests to play (all)\n"
    "  -s X      times the value sizes (1)\n"
    "  -x X      into the times to live (1)\n"
    "  -P PID    print the peak of resident memory of this process\n"
    "  -f        FLUSHALL first (otherwise the server must be empty)\n"
    "  -j        print one line of JSON\n"
    "  -i        only print the trace's figures\n";

struct arguments {
    const char *host;
    int port;
    unsigned n_players, batch;
    uint32_t n_requests;
    double value_scale, ttl_divisor;
    long pid;
    bool flush, json, info;
    const char *trace;
};

static double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- arguments ---------------------------------------------------------- */

/* The whole of `text` as a number from lo to hi. */
static double
number(char option, const char *text, double lo, double hi)
{
    char *end;
    double x = strtod(text, &end);

    if (*text != '\0' && *end == '\0' && x >= lo && x <= hi)
        return x;
    fprintf(stderr, "replay: -%c %s: expected a number from %g to %g\n", option,
        text, lo, hi);
    exit(2);
}

static struct arguments
read_arguments(int argc, char **argv)
{
    struct arguments a = {.host = "127.0.0.1",
        .port = 6379,
        .n_players = 8,
        .batch = 64,
        .n_requests = UINT32_MAX,
        .value_scale = 1,
        .ttl_divisor = 1};
    int option;

    while ((option = getopt(argc, argv, "h:p:c:b:n:s:x:P:fji")) != -1) {
        char o = (char)option;

        switch (option) {
        case 'h':
            a.host = optarg;
            break;
        case 'p':
            a.port = (int)number(o, optarg, 1, 65535);
            break;
        case 'c':
            a.n_players = (unsigned)number(o, optarg, 1, 1000);
            break;
        case 'b':
            a.batch = (unsigned)number(o, optarg, 1, 10000);
            break;
        case 'n':
            a.n_requests = (uint32_t)number(o, optarg, 1, UINT32_MAX);
            break;
        case 's':
            a.value_scale = number(o, optarg, 0, 1e6);
            break;
        case 'x':
            a.ttl_divisor = number(o, optarg, 1e-3, 1e9);
            break;
        case 'P':
            a.pid = (long)number(o, optarg, 1, 1e9);
            break;
        case 'f':
            a.flush = true;
            break;
        case 'j':
            a.json = true;
            break;
        case 'i':
            a.info = true;
            break;
        default:
            fputs(help, stderr);
            exit(2);
        }
    }
    if (optind + 1 != argc) {
        fputs(help, stderr);
        exit(2);
    }
    a.trace = argv[optind];
    return a;
}

/* ---- the server --------------------------------------------------------- */

static int
connect_server(const struct arguments *a)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)a->port)};
    const struct sockaddr *address;
    socklen_t len;
    int fd, one = 1;

    if (strchr(a->host, '/') != NULL) {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", a->host);
        address = (const struct sockaddr *)&local;
        len = sizeof(local);
    } else if (inet_pton(AF_INET, a->host, &v4.sin_addr) == 1) {
        address = (const struct sockaddr *)&v4;
        len = sizeof(v4);
    } else if (inet_pton(AF_INET6, a->host, &v6.sin6_addr) == 1) {
        address = (const struct sockaddr *)&v6;
        len = sizeof(v6);
    } else {
        fprintf(
            stderr, "replay: -h %s: neither an address nor a path\n", a->host);
        exit(2);
    }
    fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, address, len) != 0) {
        fprintf(stderr, "replay: %s port %d: %s\n", a->host, a->port,
            strerror(errno));
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* Values of another run would be wrong ones: start from an empty server. */
static void
require_empty(const struct arguments *a)
{
    const char *command = a->flush ? "FLUSHALL\r\n" : "DBSIZE\r\n";
    const char *expected = a->flush ? "+OK" : ":0";
    int fd = connect_server(a);
    char reply[128] = "";
    size_t len = 0;
    ssize_t n;

    n = send(fd, command, strlen(command), MSG_NOSIGNAL);
    while (n > 0 && strchr(reply, '\n') == NULL && len < sizeof(reply) - 1) {
        n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
        reply[len] = '\0';
    }
    close(fd);
    reply[strcspn(reply, "\r\n")] = '\0';
    if (strcmp(reply, expected) == 0)
        return;
    fprintf(
        stderr, "replay: the server is not empty (-f flushes it): %s\n", reply);
    exit(1);
}

static size_t
peak_rss_kb(long pid)
{
    char path[64], line[256];
    size_t kb = 0;
    FILE *in;

    snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    in = fopen(path, "re");
    while (in != NULL && kb == 0 && fgets(line, sizeof(line), in) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtoull(line + 6, NULL, 10);
    if (in != NULL)
        fclose(in);
    return kb;
}

/* ---- players ------------------------------------------------------------ */

struct seat {
    const struct play *play;
    unsigned player;
    int fd;
    struct play_counts counts;
    pthread_t thread;
};

static void *
sit(void *arg)
{
    struct seat *seat = arg;

    play_share(seat->play, seat->player, seat->fd, &seat->counts);
    return NULL;
}

static void
add_counts(struct play_counts *sum, const struct play_counts *c)
{
    sum->gets += c->gets;
    sum->hits += c->hits;
    sum->sets += c->sets;
    sum->hit_bytes += c->hit_bytes;
    sum->get_bytes += c->get_bytes;
    sum->errors += c->errors;
    sum->wrong_bytes += c->wrong_bytes;
    sum->wrong_values += c->wrong_values;
    sum->late += c->late;
}

static struct play_counts
play(const struct arguments *a, const struct trace *t)
{
    struct play play = {.trace = t,
        .n_requests = MIN(a->n_requests, t->n_requests),
        .n_players = a->n_players,
        .batch = a->batch,
        .value_scale = a->value_scale,
        .ttl_divisor = a->ttl_divisor,
        .issued = xcalloc(t->n_keys, sizeof(uint32_t)),
        .stored = xcalloc(t->n_keys, sizeof(uint32_t)),
        .deadline_ms = xcalloc(t->n_keys, sizeof(uint32_t)),
        .position = xcalloc(a->n_players, sizeof(_Atomic uint32_t)),
        .start_s = now_s()};
    struct seat *seats = xcalloc(a->n_players, sizeof(*seats));
    struct play_counts sum = {0};

    for (unsigned i = 0; i < a->n_players; i++) {
        seats[i].play = &play;
        seats[i].player = i;
        seats[i].fd = connect_server(a);
    }
    for (unsigned i = 0; i < a->n_players; i++) {
        if (pthread_create(&seats[i].thread, NULL, sit, &seats[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < a->n_players; i++) {
        pthread_join(seats[i].thread, NULL);
        add_counts(&sum, &seats[i].counts);
    }
    free(seats);
    free(play.issued);
    free(play.stored);
    free(play.deadline_ms);
    free(play.position);
    return sum;
}

/* ---- the report --------------------------------------------------------- */

static double
ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static void
report(const struct arguments *a, const struct play_counts *c, double seconds,
    size_t peak_kb)
{
    double per_s = (double)(c->gets + c->sets) / seconds;

    if (a->json) {
        printf("{\"trace\":\"%s\",\"gets\":%lu,\"hits\":%lu,\"sets\":%lu,"
               "\"hit_ratio\":%.6f,\"byte_hit_ratio\":%.6f,\"errors\":%lu,"
               "\"wrong_values\":%lu,\"wrong_bytes\":%lu,\"late\":%lu,"
               "\"seconds\":%.3f,\"commands_per_s\":%.0f,"
               "\"peak_rss_kb\":%zu}\n",
            a->trace, c->gets, c->hits, c->sets, ratio(c->hits, c->gets),
            ratio(c->hit_bytes, c->get_bytes), c->errors, c->wrong_values,
            c->wrong_bytes, c->late, seconds, per_s, peak_kb);
        return;
    }
    printf("gets %lu, hits %lu, sets %lu\n", c->gets, c->hits, c->sets);
    printf("hit ratio %.4f, by bytes %.4f\n", ratio(c->hits, c->gets),
        ratio(c->hit_bytes, c->get_bytes));
    printf("errors %lu, wrong values %lu, wrong bytes %lu, hits after their "
           "time %lu\n",
        c->errors, c->wrong_values, c->wrong_bytes, c->late);
    printf("%.2f s, %.0f commands/s\n", seconds, per_s);
    if (a->pid != 0)
        printf("peak resident memory %zu kB\n", peak_kb);
}

int
main(int argc, char **argv)
{
    struct arguments a = read_arguments(argc, argv);
    struct play_counts counts;
    struct trace t;
    uint32_t n;
    double start;

    if (!trace_load(&t, a.trace))
        return 1;
    n = MIN(a.n_requests, t.n_requests);
    if (a.info) {
        printf("requests %u, keys %u, working set %lu bytes\n", n, t.n_keys,
            trace_working_set(&t, n, a.value_scale));
        trace_free(&t);
        return 0;
    }
    require_empty(&a);
    start = now_s();
    counts = play(&a, &t);
    report(&a, &counts, now_s() - start, a.pid != 0 ? peak_rss_kb(a.pid) : 0);
    trace_free(&t);
    return counts.errors > 0 || counts.wrong_values > 0 || counts.late > 0;
}
