/* SPDX-License-Identifier: BSD-3-Clause */
/* command.h - from arguments to a reply: the table of commands, sessions.
 *
 * The only layer that knows both the keyspace and the protocol. Knows no
 * sockets: what it needs of the daemon (other clients, shutdown) it calls
 * through struct command_host.
 */
#pragma once

#include <pthread.h>

#include "base/base.h"
#include "keyspace/keyspace.h"
#include "protocol/resp.h"

#define COMMAND_OPTIONS(X)                                                  \
    X(databases, OPT_INT, "16", 1, KS_DATABASES, OPT_START, "",             \
        "Number of databases for SELECT.")                                  \
    X(requirepass, OPT_STRING, "", 0, 0, OPT_LIVE | OPT_SECRET, "",         \
        "Password of the default user, which clients must give with AUTH "  \
        "or HELLO.")                                                        \
    X(aclfile, OPT_STRING, "", 0, 0, OPT_START, "",                         \
        "File of users and their rights, which ACL LOAD reads again and "   \
        "ACL SAVE writes.")                                                 \
    X(acllog_max_len, OPT_INT, "128", 0, 65536, OPT_LIVE, "",               \
        "How many of the latest refusals ACL LOG keeps.")                   \
    X(acl_pubsub_default, OPT_ENUM, "resetchannels", 0, 0, OPT_LIVE,        \
        "allchannels|resetchannels",                                        \
        "Which channels a new user may use before rules say so.")           \
    X(enable_debug_command, OPT_ENUM, "no", 0, 0, OPT_START,                \
        "no|yes|local",                                                     \
        "Who may use DEBUG: nobody, anybody, or clients of this machine.")  \
    X(latency_monitor_threshold, OPT_INT, "0", 0, INT64_MAX, OPT_LIVE,      \
        "milliseconds",                                                     \
        "Commands that take at least so long are recorded for LATENCY; "    \
        "0 records none. Else the time of every command is taken.")         \
    X(latency_steps_cpu_time, OPT_BOOL, "no", 0, 0, OPT_LIVE, "",           \
        "LATENCY STEPS tells the CPU time of workers, not the time that "   \
        "passes. A step takes a microsecond more then, and there are some " \
        "for each command.")                                                \
    X(slowlog_log_slower_than, OPT_INT, "10000", -1, INT64_MAX, OPT_LIVE,   \
        "microseconds",                                                     \
        "Commands that take at least so long are logged for SLOWLOG; -1 "   \
        "logs none. Below 1000 the time of every command is taken, else "   \
        "only of those whose work depends on their arguments.")             \
    X(slowlog_max_len, OPT_INT, "128", 0, 65536, OPT_LIVE, "",              \
        "How many of the latest slow commands are kept.")                   \
    X(hotkey_top_k, OPT_INT, "0", 0, 1000, OPT_LIVE, "keys",                \
        "How many of the keys that are used most HOTKEYS GET tells; 0 "     \
        "looks for none.")                                                  \
    X(hotkey_sampling_percentage, OPT_INT, "1", 1, 100, OPT_LIVE, "percent",\
        "Of so many commands the keys are counted for HOTKEYS.")            \
    X(hotkey_window_seconds, OPT_INT, "10", 1, 86400, OPT_LIVE, "seconds",  \
        "HOTKEYS GET tells of the last whole window of this length.")       \
    X(min_replicas_to_write, OPT_INT, "0", 0, INT32_MAX, OPT_LIVE, "",      \
        "Refuse writes with NOREPLICAS while there are fewer replicas. "    \
        "There never are any: above 0 every write is refused.")             \
    X(min_replicas_max_lag, OPT_INT, "10", 0, INT32_MAX, OPT_LIVE,          \
        "seconds", "0: min-replicas-to-write has no effect.")               \
    X(notify_keyspace_events, OPT_STRING, "", 0, 0, OPT_LIVE, "",           \
        "Events of keys that are published on channels: letters K and E "   \
        "for __keyspace@N__ and __keyevent@N__, and the classes g $ h x e " \
        "n m (A: all but n and m); empty for none.")                        \
    X(busy_reply_threshold, OPT_INT, "5000", 0, INT64_MAX / 1000, OPT_LIVE, \
        "milliseconds",                                                     \
        "When a script has run for so long, the other clients of its "      \
        "worker are answered BUSY, and may end it by SCRIPT KILL. 0: they " \
        "wait.")                                                            \
    X(script_time_limit, OPT_INT, "10000", 1, 3600000, OPT_LIVE,            \
        "milliseconds",                                                     \
        "A script that runs longer is ended with an error; what it has "    \
        "written stays.")                                                   \
    X(script_memory_limit, OPT_SIZE, "64mb", MIB, 4 * (int64_t)GIB,         \
        OPT_LIVE, "bytes",                                                  \
        "Memory of the scripts of one worker, within maxmemory; a script "  \
        "that needs more is ended with an error.")                          \
    X(script_undeclared_keys, OPT_BOOL, "no", 0, 0, OPT_LIVE, "",           \
        "Scripts may use keys that are not among their KEYS, as in Redis: "  \
        "all others that write wait for each script then.")                 \
    X(tracking_table_max_keys, OPT_INT, "1000000", 0, INT64_MAX, OPT_LIVE,  \
        "keys", "Keys that are remembered because clients cache them; "     \
        "beyond it some are invalidated. 0 is no limit.")

#define ACL_PUBSUB_ALL 0 /* acl-pubsub-default */

struct command_options {
    COMMAND_OPTIONS(OPTION_MEMBER)
};

/* What type and range do not say of a value; the check of option_module. */
const char *command_option_check(const struct option *row, const char *value);

#define COMMAND_METRICS(X)                                                  \
    X(commands, COUNTER, "commands processed")                              \
    X(errors, COUNTER, "error replies")                                     \
    X(protocol_errors, COUNTER, "connections closed for protocol errors")   \
    X(auth_failures, COUNTER, "wrong passwords")                            \
    X(acl_denied_commands, COUNTER, "commands that a user may not run")     \
    X(acl_denied_keys, COUNTER, "commands with keys not for the user")      \
    X(acl_denied_channels, COUNTER, "commands with channels not for the user")

struct command_metrics {
    COMMAND_METRICS(METRIC_MEMBER)
};

/* What is known of the rights of a session's user. */
enum session_rights {
    RIGHTS_UNKNOWN, /* to be looked up before the next command */
    RIGHTS_ALL,     /* logged in if needed, and may do anything */
    RIGHTS_CHECKED  /* each command is to be checked */
};

struct acl_user;

/* Commands state of one connection. Owned by the connection's worker; fields
 * marked [shared] are read by other threads for CLIENT LIST. Zero-initialized
 * by session_init. Keep it small: 10 000 idle ones must be cheap. */
struct session {
    uint64_t id;             /* [immutable] */
    _Atomic uint32_t db;     /* [shared] */
    _Atomic uint8_t protocol;        /* [shared] 2 or 3 */
    _Atomic bool no_touch;           /* [shared] CLIENT NO-TOUCH */
    _Atomic bool no_evict;           /* [shared] CLIENT NO-EVICT */
    _Atomic bool close_after_reply;  /* [shared] QUIT, CLIENT KILL of oneself */
    bool authenticated;
    /* [shared] enum session_rights; others set it to RIGHTS_UNKNOWN */
    _Atomic uint8_t rights;
    bool reply_off;          /* CLIENT REPLY OFF */
    uint8_t reply_skip;      /* 2: the next command's reply is to be skipped,
                                1: this one's */
    _Atomic int16_t last_command; /* [shared] index of the row, -1 none */
    /* [shared] wall seconds; active_s of the last command, by command_run */
    _Atomic uint32_t created_s, active_s;
    /* [shared] NAME, lib-name, lib-ver: NULL or a block that is replaced as a
     * whole; read and replaced under the host's client lock. */
    struct session_names *names;
    /* NULL, or what it is subscribed to: pointer and counts are [shared], read
     * and replaced under the host's client lock. */
    struct session_subscriptions *subscriptions;
    /* [shared] the user as it was when last looked up, held; NULL: the default
     * user. Replaced under the host's client lock. */
    struct acl_user *user;
    struct tracker *tracker; /* [shared] the same for CLIENT TRACKING */
    struct session *next_monitor; /* of the worker's monitors */
    _Atomic bool monitors;   /* [shared] MONITOR was called */
    _Atomic bool waits;      /* [shared] for the end of a pause, by the host */
    bool is_target;          /* some client on this worker redirects to it */
    struct transaction *transaction; /* owned; NULL but after MULTI or WATCH */
    /* [shared] commands queued since MULTI, -1: no MULTI; their bytes */
    _Atomic int32_t queued;
    _Atomic uint64_t queued_bytes;
};

struct session_names {
    char name[64], lib_name[64], lib_version[32]; /* truncation is an error */
};

/* One client, as CLIENT LIST shows it: filled by the daemon. */
struct client_view {
    const struct session *session;
    char addr[64], laddr[64]; /* "127.0.0.1:50000", "/path/sock:0" */
    int fd;
    size_t query_bytes, query_free_bytes; /* qbuf, qbuf-free */
    size_t output_bytes;                  /* obl + oll memory */
    size_t total_bytes;                   /* tot-mem */
    unsigned worker;
    bool is_unix;
};

struct pubsub_message;

/* What the commands ask of the daemon; `ctx` is its own. All may be called from
 * any worker. */
struct command_host {
    void *ctx;
    /* Call fn for each client under the client lock, until it returns false. */
    void (*each_client)(void *ctx,
        bool (*fn)(void *arg, const struct client_view *view), void *arg);
    /* Describe one session's own connection. */
    void (*self)(void *ctx, const struct session *s, struct client_view *out);
    /* Close the client with this id soon; false if there is none. */
    bool (*kill_client)(void *ctx, uint64_t id);
    /* The client lock, for replacing session->names. */
    void (*lock_clients)(void *ctx);
    void (*unlock_clients)(void *ctx);
    /* Stop the daemon in an orderly way; returns at once. */
    void (*shutdown)(void *ctx);
    /* A live directive was changed by CONFIG SET: put it into effect. Returns
     * false with a reason in err when it cannot (the value is put back). */
    bool (*option_changed)(void *ctx, const struct option *row,
        struct buf *err);
    /* CONFIG REWRITE: would a start accept the directives as they are? False
     * with the reason in err. NULL: always. Under the config lock. */
    bool (*would_start)(void *ctx, struct buf *err);
    /* CONFIG RESETSTAT: start the daemon's own counters of INFO anew. */
    void (*reset_stats)(void *ctx);
    /* Append the daemon's own lines ("key:value\r\n") for an INFO section.
     * info.c prints what it knows itself; the daemon adds
     *   server   executable, io engine, number of workers
     *   clients  connected_clients, maxclients
     *   stats    total_connections_received, rejected_connections,
     *            instantaneous_ops_per_sec, instantaneous_input_kbps,
     *            instantaneous_output_kbps, total_net_input_bytes,
     *            total_net_output_bytes
     *   memory   mem_clients_normal
     *   cpu      used_cpu_sys_main_thread, used_cpu_user_main_thread
     */
    void (*info)(void *ctx, const char *section, struct buf *out);
    /* Put a message into the mail of worker `to`, which takes a hold on it and
     * calls pubsub_deliver() soon. `from` is the calling worker, or
     * COMMANDS_NO_WORKER. Keeps the order of calls. Called under a lock: does
     * not block. */
    void (*post)(void *ctx, unsigned from, unsigned to,
        struct pubsub_message *m);
    /* Append `first` and then `rest` to the output of a session of the calling
     * worker; out of pubsub_deliver(). */
    void (*send)(void *ctx, struct session *s, char first,
        struct str rest);
    /* The session with this id of the calling worker; NULL if there is none. */
    struct session *(*find_session)(void *ctx, unsigned worker, uint64_t id);
    /* Commands that had to wait may run: command_waits() answers anew. */
    void (*pause_ended)(void *ctx);
    /* A script has kept this worker for longer than busy-reply-threshold. The
     * host serves its other clients by command_run_busy(), and returns soon. */
    void (*held_up)(void *ctx, unsigned worker);
    /* This worker has done what may take seconds, a script, and goes on. */
    void (*goes_on)(void *ctx, unsigned worker);
};

#define COMMANDS_MAX_WORKERS 256 /* their ids are below */
#define COMMANDS_NO_WORKER UINT32_MAX

/* Shared by all workers, immutable after start but for the marked. */
struct commands {
    struct ks *ks;
    struct options *options;              /* CONFIG GET and SET; may be NULL */
    struct command_options *values;
    _Atomic unsigned active; /* what is wanted of each command, enum active */
    _Atomic unsigned n_waiting; /* clients that wait in a pause, by the host */
    struct command_host host;
    uint64_t started_wall_ms, started_mono_us;
    char run_id[41];
    const char *config_file;              /* "" if none */
    const char *multiplexing_api;         /* for INFO; NULL: epoll */
    /* Each by worker, NULL if there is none. */
    struct command_metrics *_Atomic metrics[COMMANDS_MAX_WORKERS];
    struct command_stats *_Atomic stats[COMMANDS_MAX_WORKERS];
    struct steps *_Atomic steps[COMMANDS_MAX_WORKERS]; /* the host's */
    pthread_mutex_t *config_lock; /* the host's, recursive, or NULL: CONFIG SET
                                     one at a time */
    struct command_state *state;          /* look-up, counter bases */
};

/* What somebody wants of every command: bits of commands.active, which is all
 * that a command looks at while nobody wants anything. */
enum active {
    ACTIVE_NOTIFY = 1 << 0,   /* keyspace notifications */
    ACTIVE_TRACKING = 1 << 1, /* clients cache values */
    ACTIVE_MONITOR = 1 << 2,
    ACTIVE_PAUSE = 1 << 3,
    ACTIVE_HOTKEYS = 1 << 4,
    ACTIVE_NO_REPLICAS = 1 << 5, /* min-replicas-to-write: nobody may write */
};

static inline unsigned
commands_active(const struct commands *c)
{
    return atomic_load_explicit(&c->active, memory_order_relaxed);
}

/* Set up / release what command_run needs. The caller has zeroed `c` and
 * filled ks, options, values, host, started_... and config_file; run_id is
 * made at random if it is empty. */
void commands_init(struct commands *c);
void commands_free(struct commands *c);

/* Has the worker been in one script for so long (10 ms) that a new client would
 * better be another's? Any thread. */
bool commands_in_long_script(const struct commands *c, unsigned worker);

/* Has any worker been in one script for longer than busy-reply-threshold? A
 * worker that waits for a partition serves its clients as host.held_up() does
 * then. Any thread. */
bool commands_in_busy_script(const struct commands *c);

/* From now on scripts end with an error before they take long: the server
 * stops. Any thread. */
void commands_end_scripts(struct commands *c);

/* Read the users of the aclfile, or of the configuration's lines, if there are
 * any; before clients come. False, with all that is wrong in `err` as
 * FILE:LINE, when it is bad. */
bool commands_load_users(struct commands *c, struct buf *err);

/* Lines "user NAME RULE..." of the configuration; the `ctx` of
 * options_rewrite_file() is the struct commands. */
extern const struct option_line_kind commands_user_lines;

/* Make the users those of the configuration's lines, as they were read again.
 * Sessions of users that stay do, with the new rights. Not a worker. */
void commands_declare_users(struct commands *c);

/* Put values of live directives into effect as CONFIG SET does: all, or none
 * with a sentence in `err`. Any thread. */
bool commands_configure(struct commands *c, const struct option *const *rows,
    const char *const *values, size_t n, struct buf *err);

/* Is this a good aclfile? The same complaints; for --check-config. */
bool commands_check_aclfile(const char *path, struct buf *err);

/* ---- what a monitor shows (report.c); any thread ------------------------- */

/* Counters since the last CONFIG RESETSTAT. */
void commands_metrics(const struct commands *c, struct command_metrics *sum);

#define REPORT_BUCKETS 24

/* A command, with all its subcommands, that was called or refused. */
struct report_row {
    struct str name;
    uint64_t calls, failed, rejected;
    /* Of a sample of the calls, the time was taken: of these, so many took
     * 1024 << i ns at most and more than the bucket before; in the last also
     * longer ones. */
    uint64_t measured, measured_ns;
    uint64_t histogram[REPORT_BUCKETS];
};

struct report_error {
    const char *code; /* "WRONGTYPE" */
    uint64_t n;
};

/* Of all workers since the last reset: the commands that were called, and the
 * errors that were given. Free with command_report_free(). Any thread. */
struct command_report {
    size_t n_errors, n_rows;
    struct report_error *errors;
    struct report_row *rows;
};
void commands_report(const struct commands *c, struct command_report *out);
void command_report_free(struct command_report *r);

/* The latest entries of SLOWLOG, newest first, without their arguments: who
 * may not run SLOWLOG GET may not see these. Returns how many there are. */
struct slow_view {
    int64_t id;
    const char *command;
    int n_args;
    uint64_t wall_s, duration_us;
};
size_t commands_slow(const struct commands *c, struct slow_view *out,
    size_t max);

/* Must new connections log in before anything else? Any thread. */
bool commands_auth_required(const struct commands *c);

/* Per worker: counters and scratch memory. */
struct command_thread {
    struct commands *commands;
    struct ks_thread *ks;
    unsigned worker;
    bool in_script;          /* the command was called by one */
    bool error_counted;      /* of the script that returns it, by its command */
    struct script_engine *script_engine; /* NULL before the first script */
    struct command_metrics *metrics;
    struct command_stats *stats;
    struct buf scratch;      /* for values that must be looked at */
    struct arena *arena;     /* reset after each command */
    struct pubsub_listeners *listeners; /* sessions that are subscribed */
    struct trackers *trackers; /* sessions that cache values */
    struct session *first_monitor;
    struct buf events;       /* of keys, to be published */
    size_t events_tracked;   /* of these bytes the readers have been told */
    uint64_t last_name;      /* of the command resolved last, see command.c */
    size_t last_name_len;    /* 0: none */
    const struct command *last_row;
    uint32_t until_sample;   /* calls until the next whose time is taken */
    uint64_t random;         /* state of the distance between two samples */
    uint32_t until_hot;      /* the same for the keys of HOTKEYS */
    uint64_t hot_random;
};
struct command_thread *command_thread_new(struct commands *c,
    struct ks_thread *ks, unsigned worker);
void command_thread_free(struct command_thread *t);

/* Publish what happened to keys outside of commands: between batches; and the
 * same for a thread that is no worker, which also ends a pause that is over, so
 * that keys expire again when no command comes. Cheap. */
void command_thread_poll(struct command_thread *t);
void commands_poll(struct commands *c, struct ks_thread *ks);

/* A new client's state: database 0, RESP2, the default user. Worker of the
 * session. */
void session_init(struct session *s, uint64_t id, const struct commands *c);

/* Discards a transaction as well. */
void session_free(struct session *s);

/* End what others send to a session: subscriptions, tracking, monitoring; must
 * be done before session_free(). By the worker of the session. */
void session_leave(struct command_thread *t, struct session *s);

/* Does the session listen to any channel? Owner thread, or under the host's
 * client lock. */
static inline bool
session_is_subscribed(const struct session *s)
{
    return s->subscriptions != NULL;
}

/* Does it get messages that it must not miss unnoticed? The same. */
static inline bool
session_gets_messages(const struct session *s)
{
    return session_is_subscribed(s) || s->tracker != NULL || s->monitors ||
        s->is_target;
}

/* A published message is shared by the workers that have subscribers: each
 * holds it from host.post() on, delivers it to its sessions, and drops it. Any
 * thread; pubsub_deliver() by the worker of `t`. */
void pubsub_message_take(struct pubsub_message *m);
void pubsub_message_drop(struct pubsub_message *m);
size_t pubsub_message_bytes(const struct pubsub_message *m);
void pubsub_deliver(struct command_thread *t, const struct pubsub_message *m);

/* What commands queued and keys watched hold: allocated memory, and arguments
 * in extents. Changes only in command_run() and session_free(). */
struct session_memory {
    size_t heap, extents;
};
struct session_memory session_memory(const struct session *s);

/* Does it watch keys? */
bool session_is_watching(const struct session *s);

/* A command of this client was refused before command_run(): a transaction
 * that is under way must not run without it. */
void session_command_lost(struct session *s);

#define REQUEST_PREFETCH_KEYS 8

/* A command on its way. Everything is borrowed for the call. `command` is NULL
 * at first. */
struct request {
    struct command_thread *thread;
    struct session *session;
    struct resp_arg *argv; /* a handler that takes over an extent clears
                              argv[i].extent */
    int argc;
    const struct command *command; /* set by prefetch or command_run */
    struct reply *reply;
    /* The first keys: valid if command is set; by command_make_keys(). */
    unsigned n_keys;
    struct ks_key *keys;
    struct ks_key key; /* the first, if it was not made before */
};

struct command; /* a row of the table, see internal.h */

/* Run one command: row, authentication, arity, handler, counters; always
 * appends exactly one reply (none if the client switched replies off). */
void command_run(struct request *rq);

/* What a script uses of its thread; each member as there. */
struct command_kept {
    bool in_script, error_counted;
    struct arena *arena;
    struct buf scratch, events;
    size_t events_tracked;
};

/* The same while a script holds up the worker, out of host.held_up(): what is
 * not allowed meanwhile is answered BUSY. It stands between
 * commands_busy_begin() and _end(), which put what the script uses of `t`
 * aside. Not for sessions that watch keys. */
void command_run_busy(struct request *rq);
void commands_busy_begin(struct command_thread *t, struct command_kept *kept);
void commands_busy_end(struct command_thread *t,
    const struct command_kept *kept);

/* While commands_active() has ACTIVE_PAUSE: must this command wait? Then it is
 * kept with all that the client sends after it, and asked about again when the
 * pause has ended, or after commands_pause_ms(). */
bool command_waits(struct request *rq);

/* How long the present pause lasts; 0 if there is none. */
uint64_t commands_pause_ms(struct commands *c);

/* Find the row of a request and make its first keys at `room`, which has place
 * for REQUEST_PREFETCH_KEYS, for the batch loop to prefetch what they need.
 * Fills rq->command, so that command_run() need not look again. Harmless on any
 * input. */
void command_make_keys(struct request *rq, struct ks_key *room);

/* Append the list of all commands in Markdown, for docs/commands.md. */
void commands_write_reference(struct buf *out);

/* Bounded glob match as Redis' (*, ?, [a-z], [^...], \x). Time at most
 * len(pattern) * len(text). */
bool glob_match(struct str pattern, struct str text, bool ignore_case);
