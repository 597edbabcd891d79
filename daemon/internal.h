/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h - what the files of daemon/ share.
 *
 *   main thread     signals, listening sockets; deals each accepted fd
 *   worker 0..n-1   an event base, connections, one batch at a time
 *   maint           sweeps, drains, samples; bounded slices
 *
 * One struct ashlard holds everything and is passed down. A connection
 * belongs to its worker; other threads see it only through the worker's
 * client list, under clients_lock, and then only the fields marked [shared].
 * Lock order: names_lock -> a worker's clients_lock; a bucket of channels ->
 * a worker's mail_lock.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <sys/types.h>

#include "base/base.h"
#include "commands/command.h"
#include "daemon/compat.h"
#include "daemon/io.h"
#include "daemon/tls.h"
#include "keyspace/keyspace.h"
#include "protocol/resp.h"
#include "slab/slab.h"

/* Sanitizers multiply the resident set and the size of stack frames. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- directives and counters --------------------------------------------- */

/* clang-format off */
#define DAEMON_OPTIONS(X)                                                   \
    X(port, OPT_INT, "6379", 0, 65535, OPT_LIVE, "",                        \
        "TCP port; 0 does not listen on TCP. Clients stay when it changes.") \
    X(bind, OPT_STRING, "127.0.0.1 -::1", 0, 0, OPT_START, "",              \
        "Addresses to listen on. * is every IPv4 and ::* every IPv6 "       \
        "address; one that begins with - may be missing.")                  \
    X(protected_mode, OPT_BOOL, "yes", 0, 0, OPT_LIVE, "",                  \
        "While no password is set, refuse clients from other machines.")    \
    X(unixsocket, OPT_STRING, "", 0, 0, OPT_START, "",                      \
        "Path of a unix socket to listen on; empty for none.")              \
    X(unixsocketperm, OPT_OCTAL, "0", 0, 0777, OPT_START, "",               \
        "Mode of the unix socket; 0 leaves it to the umask.")               \
    X(tcp_backlog, OPT_INT, "511", 1, INT32_MAX, OPT_START, "connections",  \
        "Connections the kernel may hold that are not accepted yet.")       \
    X(tcp_keepalive, OPT_INT, "300", 0, INT32_MAX, OPT_LIVE, "seconds",     \
        "Idle time before TCP probes a client; 0 turns probes off.")        \
    X(timeout, OPT_INT, "0", 0, INT32_MAX, OPT_LIVE, "seconds",             \
        "Close a client that has been idle for this long; 0 never does.")   \
    X(maxclients, OPT_INT, "10000", 1, 1000000, OPT_LIVE, "connections",    \
        "Clients connected at the same time.")                              \
    X(client_query_buffer_limit, OPT_SIZE, "1gb", 1 << 20, INT64_MAX,       \
        OPT_LIVE, "bytes",                                                  \
        "Close a client whose unfinished command grows beyond this.")       \
    X(client_output_buffer_limit, OPT_STRING,                               \
        "normal 0 0 0 slave 268435456 67108864 60 "                         \
        "pubsub 33554432 8388608 60",                                       \
        0, 0, OPT_LIVE | OPT_REPEAT, "",                                    \
        "CLASS HARD SOFT SECONDS: close a client of the class when HARD "   \
        "bytes of output wait for it, or SOFT bytes for SECONDS. The class "\
        "slave has no effect; 0 is no limit.")                              \
    X(proto_max_bulk_len, OPT_SIZE, "512mb", 1 << 20, RESP_MAX_BULK,        \
        OPT_LIVE, "bytes", "Longest argument of a command.")                \
    X(workers, OPT_STRING, "auto", 0, 0, OPT_START, "",                     \
        "Threads that serve clients, 1 to 256; auto (or 0) is one per CPU.")\
    X(io_engine, OPT_ENUM, "auto", 0, 0, OPT_START, "auto|epoll|uring",     \
        "How sockets are read and written; auto is uring where the system " \
        "allows it, else epoll.")                                           \
    X(loglevel, OPT_ENUM, "notice", 0, 0, OPT_LIVE,                         \
        "debug|verbose|notice|warning", "The least important line to log.") \
    X(log_format, OPT_ENUM, "text", 0, 0, OPT_LIVE, "text|logfmt",          \
        "Lines of the log: for people, or name=value throughout.")          \
    X(logfile, OPT_STRING, "", 0, 0, OPT_START, "",                         \
        "File to log to; empty is standard error. HUP opens it anew.")      \
    X(pidfile, OPT_STRING, "", 0, 0, OPT_START, "",                         \
        "File that holds the process id while the daemon runs.")            \
    X(metrics_port, OPT_INT, "0", 0, 65535, OPT_START, "",                  \
        "TCP port for HTTP: /metrics for Prometheus, /healthz, and a page " \
        "for people at /. All of it only reads. 0 does not listen.")        \
    X(metrics_bind, OPT_STRING, "127.0.0.1", 0, 0, OPT_START, "",           \
        "Addresses for metrics-port, as bind has them, but no names; and "  \
        "paths of unix sockets, which are listened on whatever "            \
        "metrics-port is. There is no password.")                           \
    X(run_as, OPT_STRING, "", 0, 0, OPT_START, "",                          \
        "USER or USER:GROUP to become when started as root. All files but " \
        "this one are opened as that user, ports below 1024 are served.")   \
    X(core_dumps, OPT_BOOL, "no", 0, 0, OPT_START, "",                      \
        "Allow core dumps, which hold what clients have stored, and let "   \
        "debuggers of the same user attach.")

#define DAEMON_METRICS(X)                                                   \
    X(connections, COUNTER, "connections accepted")                         \
    X(rejected, COUNTER, "connections refused: limit, protected mode")      \
    X(accept_errors, COUNTER, "accept(2) failures")                         \
    X(net_input_bytes, COUNTER, "bytes received")                           \
    X(net_output_bytes, COUNTER, "bytes sent")                              \
    X(reads, COUNTER, "receive calls that returned bytes")                  \
    X(writes, COUNTER, "send calls")                                        \
    X(batches, COUNTER, "batches run")                                      \
    X(timeouts, COUNTER, "clients closed for idleness")                     \
    X(query_limit_closes, COUNTER, "clients closed by the query limit")     \
    X(output_limit_closes, COUNTER, "clients closed by an output limit")    \
    X(tls_handshakes, COUNTER, "TLS handshakes completed")                  \
    X(tls_failures, COUNTER, "TLS handshakes that failed")
/* clang-format on */

struct daemon_options {
    DAEMON_OPTIONS(OPTION_MEMBER)
};

struct daemon_metrics {
    DAEMON_METRICS(METRIC_MEMBER)
};

/* ---- config.c ------------------------------------------------------------ */

/* The smallest maxmemory: what an empty daemon and its tables need. */
#define MIN_MAXMEMORY (16 * MIB)
#define MAX_WORKERS COMMANDS_MAX_WORKERS
#define MAX_METRICS_ADDRESSES 16
#define WEB_MAX_OPEN 32 /* connections to the metrics listener */

/* client-output-buffer-limit of one class of clients. */
struct output_limit {
    size_t hard, soft; /* 0: none */
    uint32_t soft_s;
};
enum output_class {
    OUTPUT_NORMAL,
    OUTPUT_SLAVE, /* there are none */
    OUTPUT_PUBSUB,
    OUTPUT_CLASSES
};

/* The values of all modules, and the set that parses and prints them. */
struct config {
    struct slab_options slab;
    struct keyspace_options keyspace;
    struct command_options commands;
    struct daemon_options daemon;
    struct tls_options tls;
    struct compat_options compat;
    struct output_limit output[OUTPUT_CLASSES];
    struct options *set;
    const char *file; /* borrowed from argv; "" if none */
    int argc;         /* the directives of the command line */
    char **argv;      /* borrowed */
    bool sockets_passed; /* the service manager says where to listen */
};

/* All directives have their defaults. Free with config_free(). */
void config_init(struct config *c);
void config_free(struct config *c);

/* Read the file (NULL: none), then the `--name value` arguments, then check
 * what no single directive can. False with a sentence in err. */
bool config_load(
    struct config *c, const char *file, int argc, char **argv, struct buf *err);

/* What config_load() checks last, of the values as they are. False with a
 * sentence in err. */
bool config_would_start(const struct config *c, struct buf *err);

/* Worker threads to run, 1 to MAX_WORKERS: what `workers` says, or one for each
 * CPU that the process may use. Any thread. */
unsigned config_workers(const struct config *c);

/* File descriptors that the metrics listener may need; 0 if there is none. */
unsigned config_metrics_fds(const struct config *c);
enum log_level config_log_level(const struct config *c);

/* What CONFIG SET may change while workers read it. [atomic] */
struct limits {
    _Atomic uint32_t timeout_s;
    _Atomic uint32_t max_clients;
    _Atomic uint32_t handshake_s;
    struct {
        _Atomic size_t hard, soft; /* 0: none */
        _Atomic uint32_t soft_s;
    } output[OUTPUT_CLASSES];
    _Atomic size_t query_bytes;
    _Atomic int64_t max_bulk;
    _Atomic bool protected_mode;
};

/* Copy the live directives into `l`. Under the config lock. */
void config_limits(struct config *c, struct limits *l);

static inline size_t
limit_size(const _Atomic size_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static inline uint32_t
limit_u32(const _Atomic uint32_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

/* ---- the daemon (main.c) ------------------------------------------------- */

struct activation;
struct history;
struct listeners;
struct maint;
struct notify;
struct signals;
struct watchdog;
struct web;
struct worker;

struct ashlard {
    struct config config;
    struct limits limits;
    struct slab *slab;
    struct ks *ks;
    struct commands commands;
    struct event_base *base;             /* [main thread] */
    struct notify *notify;               /* [immutable] */
    struct activation *activation;       /* [main thread] */
    struct watchdog *watchdog;           /* [main thread] NULL: none */
    struct buf reload_problem; /* [config_lock] why the last one failed */
    struct signals *signals;             /* [main thread] */
    struct listeners *listeners;         /* [main thread] */
    struct tls *tls;                     /* [immutable] */
    struct worker *workers[MAX_WORKERS]; /* [immutable] once all run */
    unsigned n_workers;                  /* the same */
    struct maint *maint;
    const struct io_engine *io;       /* [immutable] once chosen */
    struct web *web;                  /* the metrics listener; may be NULL */
    struct daemon_metrics metrics;    /* [main thread] writes */
    struct daemon_metrics stats_base; /* [stats_lock] at the last reset */

    pthread_mutex_t stats_lock; /* a leaf in the lock order */
    pthread_mutex_t config_lock;
    pthread_mutex_t names_lock; /* every session's names */

    _Atomic uint32_t n_clients; /* dealt, and neither closed nor killed yet */
    _Atomic uint64_t last_client_id;
    _Atomic size_t client_bytes; /* buffers of all clients, in steps */
    _Atomic size_t large_bytes;  /* large arguments on their way in */
};

/* Set up the callbacks that commands/ needs (clients.c). */
void clients_host(struct ashlard *d, struct command_host *host);

/* Items of all databases, expired ones that are not removed yet included. Any
 * thread. */
uint64_t daemon_items(const struct ashlard *d);

/* Sum of the counters of all threads since the start; any thread. */
void daemon_metrics_sum(struct ashlard *d, struct daemon_metrics *sum);

/* CONFIG RESETSTAT: INFO counts from here on. The type of
 * command_host.reset_stats; any thread. */
void daemon_metrics_reset(void *ctx);

/* INFO lines of the daemon (info.c); the type of command_host.info. */
void info_append(void *ctx, const char *section, struct buf *out);

/* ---- signals.c [main thread] --------------------------------------------- */

/* First of all: a HUP waits for the loop, writing to a client that is gone or
 * to a file beyond the limit of its size is an error and no signal. */
void signals_prepare(void);

/* TERM and INT end d->base's loop, HUP reads the configuration and opens the
 * log anew; any thread may ask for a stop by signals_stop(). */
struct signals *signals_new(struct ashlard *d);
void signals_free(struct signals *s);
void signals_stop(struct signals *s);

/* ---- bind.c: opens listening sockets ------------------------------------- */

enum bound {
    BOUND,
    BOUND_LEFT_OUT, /* not there, which the word or the system allows */
    BOUND_FAILED
};

/* Listen on a word of `bind`: an address or a name, * or ::*, and a - before it
 * if it may be missing. *fd does not block; err has a sentence when it
 * fails. */
enum bound bind_address(const char *word, int64_t port,
    const struct daemon_options *o, int *fd, struct buf *err);

/* Listen on a path, in place of a socket that nobody listens on any more; mode
 * 0 is what the umask leaves. The caller removes it. False with a sentence in
 * err. */
bool bind_path(const char *path, int64_t mode, const struct daemon_options *o,
    int *fd, struct buf *err);

/* What bind_address() sets, on a TCP socket from elsewhere. */
void bind_tcp_options(int fd, const struct daemon_options *o);

/* When to probe silent peers; 0 seconds never does. */
void bind_keepalive(int fd, int64_t seconds);

/* ---- listener.c [main thread] -------------------------------------------- */

/* What a client came through. */
enum transport {
    TRANSPORT_TCP,
    TRANSPORT_UNIX,
    TRANSPORT_TLS,
    TRANSPORTS
};

/* Open all sockets the configuration names. NULL with a sentence in err. */
struct listeners *listeners_open(struct ashlard *d, struct buf *err);

/* Begin to accept; the workers run. */
void listeners_start(struct listeners *l);

/* Close the sockets; workers may still run. */
void listeners_stop(struct listeners *l);
void listeners_free(struct listeners *l);

/* Put a changed tcp-keepalive into effect for further clients. Any thread,
 * under the config lock. */
void listeners_keepalive(struct listeners *l, int64_t seconds);

/* `port` (TRANSPORT_TCP) or `tls-port` has another value by now: listen there
 * instead, in a moment. False with a sentence in err, and everything as before.
 * Any thread, under the config lock. */
bool listeners_set_port(
    struct listeners *l, enum transport transport, struct buf *err);

/* ---- notify.c: what the service manager is told [any thread] ------------- */

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Without them, or if they
 * make no sense (which is logged), nothing is sent. */
struct notify *notify_new(void);
void notify_free(struct notify *n);
bool notify_is_wanted(const struct notify *n);
uint64_t notify_watchdog_us(const struct notify *n); /* 0: no watchdog */

/* Send lines "NAME=value", without a last end of line; may wait a little. */
void notify_send(const struct notify *n, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Feed the watchdog; does not wait. */
void notify_feed(const struct notify *n);

/* Send STATUS= behind a line; "" for none, then it does not wait. */
void notify_status(
    const struct notify *n, const char *line, struct str status);

/* A reload begins; READY=1 ends it. */
void notify_reloading(const struct notify *n);

/* A step of starting or stopping works on so much memory: allow for it. */
void notify_takes_long(const struct notify *n, size_t bytes);

/* ---- reload.c [main thread] ---------------------------------------------- */

/* Read the configuration again and put into force what is live in it, or
 * nothing if something is wrong, which is logged and kept for the status. */
void reload_config(struct ashlard *d);

/* ---- watchdog.c [main thread] -------------------------------------------- */

/* Feed the watchdog from d->base while the workers move. NULL: there is none.
 */
struct watchdog *watchdog_start(struct ashlard *d);
void watchdog_free(struct watchdog *dog);

/* ---- status.c ------------------------------------------------------------ */

/* Append items, fill, hit ratio and a refused reload in one line. Any
 * thread. */
void status_append(struct ashlard *d, struct buf *out);

/* ---- activation.c: sockets from the service manager [main thread] -------- */

#define ACTIVATION_MAX 16

/* Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES and unsets them. NULL with a
 * sentence in err when they do not name listening sockets. */
struct activation *activation_new(struct buf *err);
void activation_free(struct activation *a);

/* Is there one of this name that was not taken? */
bool activation_has(const struct activation *a, const char *name);

/* The next socket of this name, non-blocking; the caller owns it. -1: none. One
 * without a name of its own is "resp". */
int activation_take(struct activation *a, const char *name);

/* False with a sentence in err if a socket is left that nobody knows. */
bool activation_all_taken(const struct activation *a, struct buf *err);

/* ---- output.c: bytes and references on their way to a socket ------------- */

/* What is left of one run of replies: bytes[at, end) with refs in between. */
struct outgoing {
    const char *bytes; /* the refs' offsets count from here */
    size_t at, end;
    struct reply_ref *refs; /* refs[ref, ref_end) are not sent */
    size_t ref, ref_end;
    enum send_status status; /* of the last attempt */
};

/* One call sends no more. */
#define SEND_CALL_BYTES (1 * MIB)

/* Send as much as the socket takes (at most a few MiB), advance `o`, drop the
 * pins of references that are through. `sent` and `calls` are added to. */
enum send_status outgoing_send(struct outgoing *o, int fd, struct slab *slab,
    size_t *sent, unsigned *calls);

/* The same through `send`, which does as sendmsg(2). */
typedef ssize_t (*send_fn)(void *to, const struct iovec *iov, size_t n_iov);
enum send_status outgoing_send_by(struct outgoing *o, send_fn send, void *to,
    struct slab *slab, size_t *sent, unsigned *calls);

/* Bytes left, referenced ones included. */
size_t outgoing_left(const struct outgoing *o);

/* Drop the pins of what is left. */
void outgoing_drop(struct outgoing *o, struct slab *slab);

/* Replies that a client did not take yet. */
struct output {
    struct buf bytes;
    struct reply_ref *refs;
    size_t n_refs, cap_refs;
    struct outgoing rest;
    size_t touched;        /* the most bytes there were */
    uint32_t soft_since_s; /* above the soft limit since; 0: it is not */
};

/* Add what is left of `o`; takes over the pins. */
void output_append(struct output *out, const struct outgoing *o);

/* The same, taking the buffer as well instead of copying; out is empty. */
void output_steal(
    struct output *out, struct buf *bytes, const struct outgoing *o);
void output_free(struct output *out, struct slab *slab);

/* Memory that is resident for it; a buffer's unused end is not. */
size_t output_memory(const struct output *out);

/* ---- conn.c: one client [owner thread] ----------------------------------- */

/* A large argument that is being received into an extent. */
struct large {
    size_t len; /* 0: none is */
    size_t got;
    uint32_t extent; /* 0: refused, the bytes are dropped */
};

/* What only a client with an unfinished command has. */
struct conn_input {
    struct resp_parser parser;
    struct buf bytes; /* from the start of the unfinished command */
    struct large large;
    size_t large_held; /* bytes in extents of the unfinished command */
    size_t touched;    /* the most bytes there were */
    size_t counted;    /* memory in the budget, by conn_account */
    uint32_t awaited;  /* bytes that make the socket readable; 0: any */
    bool unparsed;     /* bytes may hold whole commands: it was stalled */
};

#define CONN_MAGIC 0xc0221ec7u

struct conn {
    uint32_t magic;
    int fd; /* [immutable] */
    struct event event;
    struct session session;
    struct worker *worker;    /* [immutable] */
    struct conn *prev, *next; /* [clients_lock] the worker's list */
    struct conn *next_ready, *next_dead;
    struct conn_input *input;               /* NULL between commands */
    struct output *output;                  /* NULL when all is sent */
    _Atomic uint32_t query_kib, output_kib; /* [shared] */
    struct io_conn io;
    uint32_t active_s;                      /* monotonic */
    short interest;                         /* events asked for */
    short ready;       /* events that came; 0: not on the list */
    bool is_unix;      /* [immutable] */
    bool closing;      /* close when the output is sent */
    bool dead;         /* on the dead list */
    bool queued;       /* among the worker's queued */
    bool released;     /* held commands may be tried anew */
    uint8_t expects_large; /* receives that have room for such an argument */
    _Atomic bool kill; /* [shared] set under clients_lock */
    uint16_t n_held;
    struct held *held; /* commands that wait, in their order; see hold.c */
    struct tls_conn *tls; /* NULL: it speaks plainly */
};
_Static_assert(sizeof(struct conn) <= 384, "an idle client is small");

/* How its bytes come and go. */
static inline const struct io_engine *conn_io(const struct conn *c);

/* A client of the worker; takes over the fd. NULL without memory: then the fd
 * stays the caller's. */
struct conn *conn_new(struct worker *w, int fd, enum transport transport);

/* Close now: frees everything. Only between batches. */
void conn_free(struct conn *c);

/* Put on the dead list: closed after the batch. */
void conn_dead(struct conn *c);

/* No further command; close when the output is sent. */
void conn_finish(struct conn *c);

/* The state for an unfinished command, made if there is none: it takes over
 * the worker's parser. NULL when the system has no memory. */
struct conn_input *conn_input_open(struct conn *c);
void conn_input_close(struct conn *c);

/* Send what waits. */
void conn_flush(struct conn *c);

/* Begin to send a run of replies; o->status is how far that came. */
void conn_start_send(struct conn *c, struct outgoing *o);

/* After the engine's flush: put what is left of the run behind what waits.
 * `whole` is the buffer the run stands in if nothing else does, so that it can
 * be taken. */
void conn_end_send(struct conn *c, struct outgoing *o, struct buf *whole);

/* Count what was sent by `calls` calls. */
void conn_count_sent(struct conn *c, size_t sent, unsigned calls);

/* Append to the output; sent by conn_flush_queued(), or now if it is much. Puts
 * the connection among the worker's queued. */
void conn_queue(struct conn *c, char first, struct str rest);
void conn_flush_queued(struct conn *c);

/* Does so much output wait that the client's commands must wait too? */
bool conn_output_stalls(const struct conn *c);

/* The same, or they wait for the end of a pause. */
static inline bool
conn_stalled(const struct conn *c)
{
    return unlikely(c->held != NULL) ||
        (unlikely(c->output != NULL) && conn_output_stalls(c));
}

/* Onto the ready list, as if input had come. */
void conn_make_ready(struct conn *c);

/* libevent's callback. */
void conn_event(evutil_socket_t fd, short what, void *arg);

/* Ask the engine for what the state calls for. */
void conn_update_events(struct conn *c);

/* Charge what the buffers have grown by. */
void conn_account(struct conn *c);

/* Charge what the session holds since it held `before`. */
void conn_account_session(struct conn *c, struct session_memory before);

/* Close if a limit that depends on time is exceeded. */
void conn_tick(struct conn *c, uint32_t now_s);

/* ---- address.c ----------------------------------------------------------- */

struct sockaddr_storage;

/* Does it begin with 127, or is it ::1? Any thread. */
bool address_is_loopback(const struct sockaddr_storage *address);

/* "127.0.0.1:5000", "[::1]:5000", "/path:0": the peer's or the own address.
 * Any thread that may look at the connection. */
void conn_address(const struct conn *c, bool peer, char *out, size_t cap);

/* ---- large.c: arguments that are received into extents ------------------- */

/* The parser stands at a large bulk: reserve the extent, and move into it what
 * the input holds of it. True when that is all of it. */
bool large_begin(
    struct worker *w, struct conn_input *in, char **input, size_t *len);

/* The same if all of it is there, ends the input, and is the last argument: then
 * the parser has it, and the command is complete. Else false, and nothing is
 * done. */
bool large_whole(
    struct worker *w, struct resp_parser *p, char **input, size_t *len);

/* Up to `n` further bytes of it; returns how many were missing. */
size_t large_take(
    struct worker *w, struct conn_input *in, const char *from, size_t n);

/* Bytes of a large argument that are received in one visit. */
#define LARGE_VISIT_BYTES (1 * MIB)

/* Some bytes are there: the next event is to tell of all that is missing, or of
 * much of it. A client that sends a value in small pieces costs a visit for
 * each otherwise. */
void large_await(struct conn *c);

/* It seems idle: false if it is, true if the socket may hold bytes that it does
 * not tell of. Then it tells of them. */
bool large_look(struct conn *c);

/* All bytes are there: give the argument to the parser. */
void large_end(struct conn *c);

/* The command is complete: its extents are on the way into the keyspace. */
void large_release(struct worker *w, struct conn_input *in);

/* Release the extents of an unfinished command. */
void large_drop(struct worker *w, struct conn_input *in);

/* ---- hold.c: commands that wait for the end of a pause ------------------- */

/* A copy of a task of the batch. */
struct held {
    struct held *next;
    size_t bytes;  /* of this block, accounted */
    char *error;   /* owned, for the kinds that have one */
    uint8_t kind;  /* enum task_kind of batch.h */
    int argc;
    struct resp_arg argv[]; /* extents are owned; other bytes follow */
};

/* Keep a task; takes over extents and `error`. */
void hold_add(struct conn *c, struct request *rq, uint8_t kind, char *error);

/* All that was kept, to be run now; hold_free() each, whose extents and error
 * have other owners then. */
struct held *hold_take(struct conn *c);
void hold_free(struct worker *w, struct held *h);

/* Give up what was kept: the client goes. */
void hold_drop(struct conn *c);

/* Release the clients if the pause is over, else wait for its end. */
void hold_look(struct worker *w);

/* ---- batch.c [owner thread] ---------------------------------------------- */

/* One for each worker, by its thread; 276 KiB, resident from here on. */
struct batch *batch_new(struct worker *w);
void batch_free(struct batch *b);
size_t batch_bytes(void); /* of a new one */

/* Serve the ready connections of the worker. */
void batch_run(struct batch *b);

/* Does the batch under way have input or replies of `c`? */
bool batch_has(const struct batch *b, const struct conn *c);

/* Give back memory that a large batch needed. */
void batch_shrink(struct batch *b);

/* ---- busy.c [owner thread] ----------------------------------------------- */

/* In the middle of a command that takes long: serve the other clients. */
void worker_serve_others(struct worker *w);

/* The same if it is a script that it waits for; of ks_while_waiting(). */
void worker_while_waiting(void *worker);

/* After the batch: release what the former took. */
void worker_end_busy(struct worker *w);

/* ---- worker.c ------------------------------------------------------------ */

struct handed {
    int fd;
    enum transport transport;
};

/* Messages in the order of posting. */
struct messages {
    struct pubsub_message **at;
    size_t n, cap;
    size_t bytes;
};

struct worker {
    struct ashlard *daemon; /* [immutable] */
    unsigned id;            /* [immutable] */
    pthread_t thread;
    pthread_barrier_t started;
    struct event_base *base; /* [owner thread], as all below unless marked */
    struct event *wake_event, *tick_event, *hold_event;
    const struct io_engine *io; /* [immutable] */
    struct ring *ring;          /* of the engine uring */
    struct buf open_error;      /* why it did not start */
    bool ticking;
    uint64_t tick_us; /* when the next tick is due, if ticking */
    bool look_due;    /* clients are to be looked at, as of look_s */
    uint32_t look_s;
    bool busy;      /* a batch ran since the last tick */
    uint32_t now_s; /* monotonic, read once a batch */
    _Atomic uint64_t turns; /* [shared] of the loop, for the watchdog */

    struct ks_thread *ks;
    struct command_thread *commands;
    struct batch *batch;
    struct batch *busy_batch; /* while a script runs for long; else NULL */
    bool serving;             /* it runs */
    struct pool *conns, *inputs, *outputs;
    struct resp_parser parser; /* of clients without an unfinished command */
    size_t large_min;
    struct buf spare_input;    /* for the next unfinished command */
    struct output spare_output; /* for the next unsent replies */

    struct conn *ready, **ready_tail;
    struct conn *dead;
    struct daemon_metrics metrics; /* read by any thread */
    struct steps steps;            /* the same */
    size_t buffer_bytes;           /* buffers of the connections */
    size_t charged_bytes;          /* of these in the budget */
    unsigned n_watched;            /* connections that libevent looks at */
    unsigned n_outputs;            /* connections with unsent output */
    unsigned n_held;               /* connections that wait in a pause */
    unsigned n_handshakes;         /* connections in a TLS handshake */
    unsigned n_tls_closed;         /* TLS connections since the last trim */
    char *tls_record;              /* NULL until there is a TLS connection */

    pthread_mutex_t clients_lock;
    struct conn *clients;       /* [clients_lock] */
    _Atomic uint32_t n_clients; /* dealt to this worker */

    int wake_fd; /* [immutable] eventfd */
    pthread_mutex_t mail_lock;
    struct handed *mail;     /* [mail_lock] new connections */
    size_t n_mail, cap_mail; /* [mail_lock] */
    struct messages messages; /* [mail_lock] published, to deliver */
    bool messages_lost;       /* [mail_lock] there was no room for one */
    _Atomic bool posted;      /* messages may have come */
    struct conn **queued;     /* that got messages and are to be flushed */
    size_t n_queued, cap_queued;
    _Atomic bool kills;      /* some connection's kill is set */
    _Atomic bool stop;
};

/* The worker is not stuck. Itself only. */
static inline void
worker_count_turn(struct worker *w)
{
    atomic_store_explicit(&w->turns,
        atomic_load_explicit(&w->turns, memory_order_relaxed) + 1,
        memory_order_relaxed);
}

static inline const struct io_engine *
conn_io(const struct conn *c)
{
    return unlikely(c->tls != NULL) ? &io_tls : c->worker->io;
}

/* Start a thread; returns when it is ready. NULL with a sentence in err. */
struct worker *worker_start(struct ashlard *d, unsigned id, struct buf *err);

/* Ask the thread to answer what it has received, to send it, and to end. */
void worker_stop(struct worker *w);

/* Wait for the end of the thread; then, when all threads have ended, release.
 */
void worker_join(struct worker *w);
void worker_free(struct worker *w);

/* Hand over a new connection; takes the fd. Main thread. */
void worker_hand(struct worker *w, int fd, enum transport transport);

/* Leave a published message for the worker, held once more; `from` is the
 * calling worker. Any worker. */
void worker_post(
    struct worker *w, const struct worker *from, struct pubsub_message *m);

/* Deliver the messages that have come. Owner thread, between groups. */
void worker_take_messages(struct worker *w);

/* Have the worker look at its mail, kills and limits. Any thread. */
void worker_wake(struct worker *w);

/* A client that was dealt to the worker is gone, or as good as gone: once for
 * each. Any thread. */
void worker_uncount_client(struct worker *w);

/* Read the clocks. Owner thread. */
void worker_read_clock(struct worker *w);

/* Charge `delta` bytes of buffers, in steps. Owner thread. */
void worker_account(struct worker *w, size_t before, size_t after);

/* ---- maint.c ------------------------------------------------------------- */

/* NULL with a sentence in err. */
struct maint *maint_start(struct ashlard *d, struct buf *err);

/* Wait for the end of the thread; its samples stay until maint_free(). */
void maint_stop(struct maint *m);
void maint_free(struct maint *m);

/* Rates of the last seconds and the last look at the RSS. Any thread. */
struct maint_sample {
    uint64_t ops_per_s;
    uint64_t input_bytes_per_s, output_bytes_per_s;
    int64_t uncounted; /* RSS less what is counted; negative: counted, but not
                          resident */
    size_t extra;      /* of it in the budget because it is steady */
};
void maint_sample(const struct maint *m, struct maint_sample *out);

/* What was sampled in the last hour. Any thread. */
struct history *maint_history(struct maint *m);

/* Microseconds since the thread last moved. Any thread. */
uint64_t maint_silent_us(const struct maint *m);

/* ---- web.c: the metrics listener ----------------------------------------- */

/* Open the sockets the configuration names, or take over those that the service
 * manager has opened. NULL: with a sentence in err if that is a failure,
 * without one if it names none. Main thread. */
struct web *web_open(struct ashlard *d, struct buf *err);

/* Answer, in a thread of its own, until web_stop(). All other threads run.
 * False with a sentence in err. */
bool web_start(struct web *w, struct buf *err);
void web_stop(struct web *w);
void web_free(struct web *w);

/* The list of metrics in docs/metrics.md (metrics.c). */
void metrics_write_reference(struct buf *out);

/* ---- rlimit.c ------------------------------------------------------------ */

/* Raise the limit of open files for `clients`; returns how many it allows. */
int64_t rlimit_raise(const struct config *c, int64_t clients);

/* ---- run_as.c, core_dumps.c [main thread] -------------------------------- */

/* Is there such a user, who is not root? "" is good. False with a sentence in
 * err. */
bool run_as_check(const char *spec, struct buf *err);

/* Become the user of run-as; "" does nothing. False with a sentence in err. */
bool run_as_begin(const char *spec, struct buf *err);

/* The listeners are open: give up the rest. Before threads are started. */
bool run_as_seal(const char *spec, struct buf *err);

/* False with a sentence in err. */
bool core_dumps_allow(bool allowed, struct buf *err);

/* ---- threads (thread.c) -------------------------------------------------- */

/* Start a named thread with a modest stack and all signals blocked. 0 or an
 * errno. */
int thread_start(
    pthread_t *thread, const char *name, void *(*fn)(void *), void *arg);

/* A new event base for one thread: without locks. NULL if there is no memory.
 */
struct event_base *thread_event_base(void);
