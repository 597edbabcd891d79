/* SPDX-License-Identifier: BSD-3-Clause */
/* internal.h - what the files of commands/ share: rows, look-up, counters,
 * errors, argument readers. */
#pragma once

#include <limits.h>

#include "commands/command.h"
#include "commands/table.h"

/* The Redis version whose commands and replies these are. */
#define REDIS_VERSION "7.0.15"
#define REDIS_VERSION_NUM 0x0007000f

enum command_flags {
    CMD_READ = 1 << 0,    /* reads keys */
    CMD_WRITE = 1 << 1,   /* may change keys */
    CMD_DENYOOM = 1 << 2, /* may need memory */
    CMD_FAST = 1 << 3,    /* O(1) or O(log n) */
    CMD_ADMIN = 1 << 4,
    CMD_NO_AUTH = 1 << 5, /* allowed before AUTH */
    CMD_LOADING = 1 << 6,
    CMD_STALE = 1 << 7,
    CMD_MOVABLE_KEYS = 1 << 8,
    CMD_NOSCRIPT = 1 << 9,
    CMD_NO_MULTI = 1 << 10,
    CMD_ALLOW_BUSY = 1 << 11,
    CMD_DANGEROUS = 1 << 12, /* these three: ACL categories that neither */
    CMD_KEYSPACE = 1 << 13,  /* the other flags nor the group say */
    CMD_CONNECTION = 1 << 14,
    CMD_CONTAINER = 1 << 15, /* rows of subcommands follow */
    CMD_PUBSUB = 1 << 16,
    CMD_SUBSCRIBED = 1 << 17, /* allowed in RESP2 while subscribed */
    CMD_PUSHES = 1 << 18,     /* its replies ignore CLIENT REPLY */
    CMD_ALL_KEYS = 1 << 19,  /* uses keys that its key positions, in the
                                database of the session, do not name: EXEC
                                locks everything. Implied for what reads or
                                writes without naming keys */
    CMD_NO_MANDATORY_KEYS = 1 << 20, /* may be called without any key */
    CMD_LIKE_ADMIN = 1 << 24, /* of the categories of CMD_ADMIN, without it */
};

/* How a command uses a key: the word of COMMAND INFO, and what it does to the
 * value. */
enum key_flags {
    KEY_RO = 1 << 0, /* one of these four */
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4, /* returns or copies the value or a part of it */
    KEY_INSERT = 1 << 5, /* adds to it and leaves what is there */
    KEY_UPDATE = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_VARIABLE = 1 << 8, /* depends on the arguments: command_key_flags() */
    KEY_INCOMPLETE = 1 << 9, /* a specification that finds some only */

    KEY_READS = KEY_ACCESS,
    KEY_WRITES = KEY_INSERT | KEY_UPDATE | KEY_DELETE,
};

/* Among the flags of a row. */
#define KEYS(flags) ((uint64_t)(flags) << 32)
#define OTHER_KEYS(flags) ((uint64_t)(flags) << 48)

/* One row of the table (commands/table.h). The rows of a container's
 * subcommands ("client|id") follow its own. */
struct command {
    const char *name; /* lower case */
    void (*handler)(struct request *rq);
    int arity; /* with the name; negative: at least */
    unsigned flags;
    uint16_t key_flags, other_key_flags; /* 0: as key_spec_flags() says */
    /* As COMMAND INFO has them: last -1 = the end. Or last KEYS_COUNTED: the
     * argument before the first key says how many keys there are. Or
     * KEYS_STORED: the first, and what follows the word STORE. Or
     * KEYS_LISTED: the first, or if that is empty what follows the word
     * KEYS. */
    int first_key, last_key, key_step;
    const char *group, *since, *complexity, *summary;
    const char *arguments; /* syntax after the name, for DOCS */
};

/* All rows, subcommands included; session->last_command is an index. */
extern const struct command command_table[];
extern const size_t command_table_rows;

/* ---- look-up (lookup.c) -------------------------------------------------- */

/* A perfect hash of the names of all commands; some milliseconds to make. Any
 * thread, immutable. */
struct command_index;
struct command_index *command_index_new(void);
void command_index_free(struct command_index *ix);

/* The row of a command (not of a subcommand), any case; NULL if none. */
const struct command *command_find(
    const struct command_index *ix, struct str name);

/* The row after a container's own that starts its subcommands, or NULL. Walk
 * on with command_next_sub(), which returns NULL after the last. */
const struct command *command_first_sub(const struct command *row);
const struct command *command_next_sub(const struct command *sub);

/* "id" of "client|id". */
const char *command_sub_name(const struct command *sub);

/* The subcommand of a container by that name, in any case; NULL if none. */
const struct command *command_find_sub(
    const struct command *row, struct str name);

/* "get", or "client|id" in one string. */
const struct command *command_find_full(
    const struct command_index *ix, struct str name);

/* The row of a request: of the subcommand if the command has any and argv[1]
 * is given. NULL if there is no such command or subcommand. */
const struct command *command_resolve(
    const struct command_index *ix, const struct resp_arg *argv, int argc);

static inline size_t
command_id(const struct command *row)
{
    return (size_t)(row - command_table);
}

/* Do `argc` arguments fit the row? */
static inline bool
command_arity_fits(const struct command *row, int argc)
{
    return row->arity >= 0 ? argc == row->arity : argc >= -row->arity;
}

#define KEYS_COUNTED INT_MIN
#define KEYS_STORED (INT_MIN + 1)
#define KEYS_LISTED (INT_MIN + 2)

/* Which arguments of a request are keys. */
struct command_keys {
    int first, last, step; /* last < first: none, or their count is wrong */
};
struct command_keys command_keys_of(
    const struct command *row, const struct resp_arg *argv, int argc);

/* ---- keys, channels and categories of a row (key_specs.c) ---------------- */

/* A row's keys are one or two groups: all, or the first and the others. */
unsigned key_spec_count(const struct command *row);

/* The flags of a group, 0 or 1, of a row that has keys; KEY_VARIABLE as it
 * stands in the row. */
unsigned key_spec_flags(const struct command *row, unsigned group);

/* The flags of the key in argv[i]; never KEY_VARIABLE. */
unsigned command_key_flags(const struct command *row,
    const struct resp_arg *argv, int argc, int i);

/* Which arguments name channels that a user needs a right to. */
struct command_channels {
    int first, last; /* last < first: none */
    bool patterns;
};
struct command_channels command_channels_of(
    const struct command *row, int argc);

/* The categories of ACL, in the order in which Redis lists them. */
#define CATEGORIES(X)                                                          \
    X(KEYSPACE, keyspace)                                                      \
    X(READ, read)                                                              \
    X(WRITE, write)                                                            \
    X(SET, set)                                                                \
    X(SORTEDSET, sortedset)                                                    \
    X(LIST, list)                                                              \
    X(HASH, hash)                                                              \
    X(STRING, string)                                                          \
    X(BITMAP, bitmap)                                                          \
    X(HYPERLOGLOG, hyperloglog)                                                \
    X(GEO, geo)                                                                \
    X(STREAM, stream)                                                          \
    X(PUBSUB, pubsub)                                                          \
    X(ADMIN, admin)                                                            \
    X(FAST, fast)                                                              \
    X(SLOW, slow)                                                              \
    X(BLOCKING, blocking)                                                      \
    X(DANGEROUS, dangerous)                                                    \
    X(CONNECTION, connection)                                                  \
    X(TRANSACTION, transaction)                                                \
    X(SCRIPTING, scripting)

enum category {
#define X(id, word) CATEGORY_##id,
    CATEGORIES(X)
#undef X
    CATEGORIES_N
};

/* "keyspace" and so on. */
extern const char *const category_names[CATEGORIES_N];

/* CATEGORIES_N if there is none of this name, any case. */
enum category category_find(struct str name);

/* Is the row in a category? One bit of those of command_categories(). */
uint32_t command_categories(const struct command *row);

/* Is it a category of values that are not here? No command is in it, or SORT
 * alone. */
bool category_is_hollow(enum category category);

static inline bool
command_in_category(const struct command *row, enum category category)
{
    return command_categories(row) >> category & 1;
}

/* ---- counters (stats.c) -------------------------------------------------- */

#define ERROR_CODES(X) /* first words of error replies, for errorstats */      \
    X(ERR) X(EXECABORT) X(NOAUTH) X(NOPERM) X(WRONGPASS) X(WRONGTYPE) X(OOM)   \
    X(NOPROTO) X(NOSCRIPT) X(OTHER)

enum error_code {
#define X(code) ERROR_##code,
    ERROR_CODES(X)
#undef X
    ERROR_CODES_N
};

#define STATS_BUCKETS 24

/* What one worker counts of one row. [owner thread] writes, any thread
 * reads. */
struct command_row_stats {
    _Atomic uint64_t calls;
    _Atomic uint64_t failed;   /* the handler answered with an error */
    _Atomic uint64_t rejected; /* refused before the handler ran */
    _Atomic uint64_t measured; /* calls whose time was taken */
    _Atomic uint64_t measured_ns;
    /* Measured calls by their time: of 1024 << i ns at most, in the last also
     * longer ones. */
    _Atomic uint64_t histogram[STATS_BUCKETS];
};

struct command_stats {
    _Atomic uint64_t errors[ERROR_CODES_N];
    struct command_row_stats rows[]; /* command_table_rows */
};

/* All zero; release with free(). */
struct command_stats *command_stats_new(void);

/* Give a worker its counters; take them away, keeping what they counted. */
void command_stats_attach(struct command_thread *t);
void command_stats_detach(struct command_thread *t);

/* Sums over all workers since the last reset; the first is released with
 * free(). Any thread. */
struct command_stats *command_stats_sum(const struct commands *c);
void command_metrics_sum(const struct commands *c, struct command_metrics *sum);

/* Start all counters of commands/ anew. Any thread. */
void command_stats_reset(struct commands *c);

/* Count an error reply; `line` starts with '-'. Owner thread. */
void command_stats_error(struct command_thread *t, struct str line);

/* "WRONGTYPE"; "OTHER" of ERROR_OTHER. */
const char *error_code_name(enum error_code code);

/* Is the time of this call to be taken? Of every call of a row that works on
 * more than its keys; of one in STATS_SAMPLE_MEAN of the others, picked at
 * random. Owner thread. */
#define STATS_SAMPLE_MEAN 256

/* Choose how many calls go by until the next sample. Owner thread. */
void command_stats_next_sample(struct command_thread *t);

static inline bool
command_stats_measure(struct command_thread *t, const struct command *row)
{
    if (unlikely(--t->until_sample == 0)) {
        command_stats_next_sample(t);
        return true;
    }
    return row->first_key == 0 && !(row->flags & CMD_FAST);
}

/* Count the time of a call. Owner thread. */
void command_stats_time(struct command_row_stats *row, uint64_t ns);

/* ---- codes of errors that only some scripts give (error_codes.c) --------- */

#define ERROR_CODE_CHARS 31

/* A bounded table; any thread. */
struct other_codes;
struct other_codes *other_codes_new(void);
void other_codes_free(struct other_codes *o);
void other_codes_reset(struct other_codes *o);

/* Count an error of a code; if there are too many codes, as OTHER. */
void other_codes_count(struct other_codes *o, struct str code);

/* Append the lines of INFO errorstats. */
void other_codes_write(struct other_codes *o, struct buf *out);

/* ---- replicas, of which there are none (replicas.c) ---------------------- */

#define NOREPLICAS_TEXT "NOREPLICAS Not enough good replicas to write."

/* After min-replicas-to-write or min-replicas-max-lag have changed. */
void replicas_configure(struct commands *c);

/* Is every write to be refused? */
static inline bool
replicas_are_missed(const struct commands *c)
{
    return commands_active(c) & ACTIVE_NO_REPLICAS;
}

/* ---- slow commands (slowlog.c) ------------------------------------------- */

/* Empty at first; its entries are charged to the slab. */
struct slowlog;
struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *log, struct slab *slab);

/* Commands of a row with so many arguments could be slow, by number of row. */
const int *slowlog_least_args(const struct slowlog *log);

/* With a lower limit any command could be. */
#define SLOWLOG_ALL_BELOW_US 1000

#define SLOWLOG_ARGS 32 /* kept; the last may count those left out */

struct slowlog_args {
    int n;
    bool any; /* large ones: then they are here, else in the request */
    struct str argv[SLOWLOG_ARGS];
};

/* May argv[i] not be shown to others? Passwords, and the rules of users. */
bool arg_is_secret(const struct request *rq, int i);

/* Before the handler: remember the arguments, in the arena of the request where
 * the handler may give them away. After it: log the command if it took long.
 * Owner thread. */
void slowlog_keep_args(const struct request *rq, struct slowlog_args *kept);
void slowlog_note(const struct request *rq, const struct slowlog_args *kept,
    uint64_t duration_ns);
/* The same for a command that is not timed and had much to do after all; the
 * time of that alone. */
void slowlog_note_work(const struct request *rq, uint64_t duration_us);

/* ---- latency events (latency_events.c) ----------------------------------- */

#define LATENCY_EVENTS 2
#define LATENCY_SAMPLES 160

struct latency_sample {
    uint64_t wall_s, ms;
};

struct latency_event {
    struct latency_sample samples[LATENCY_SAMPLES]; /* a ring */
    uint64_t n; /* that there ever were since the last reset */
    uint64_t max_ms;
};

/* Empty rings; any thread, under a lock of their own. */
struct latency_events;
struct latency_events *latency_events_new(void);
void latency_events_free(struct latency_events *log);

/* Is the time of every command to be taken? */
static inline bool
latency_watches(const struct request *rq)
{
    return option_get_i64(
               &rq->thread->commands->values->latency_monitor_threshold) > 0;
}

/* A command took this long: record it if that is beyond the threshold. */
void latency_note(const struct request *rq, uint64_t duration_ns);

/* Events have numbers from 0 on; -1: there is none of that name. The second
 * returns whether there was anything to reset. Any thread. */
const char *latency_event_name(int event);
int latency_event_find(struct str name);
void latency_event_read(
    struct latency_events *log, int event, struct latency_event *out);
bool latency_event_reset(struct latency_events *log, int event);

/* ---- what commands_init() makes ------------------------------------------ */

struct command_state {
    struct command_index *index;         /* [immutable] */
    struct pubsub *pubsub;               /* [immutable] the pointer */
    pthread_mutex_t lock;                /* a leaf in the lock order */
    pthread_mutex_t config_lock;         /* if the host has none */
    struct command_stats *base;          /* [lock] counters at the last reset */
    struct command_metrics base_metrics; /* [lock] */
    struct slowlog *slowlog;
    const int *slow_argc;                /* [immutable] of the slowlog */
    struct acl *acl;
    struct acl_log *acl_log;
    struct latency_events *latency;      /* [immutable] the pointer */
    struct other_codes *other_codes;     /* [immutable] the pointer */
    struct tracking *tracking;           /* [immutable] the pointer */
    _Atomic unsigned notify_flags;       /* enum notify_class */
    struct monitors *monitors;           /* [immutable] the pointer */
    struct scripts *scripts;             /* [immutable] the pointer */
    _Atomic bool scripts_may_debug;      /* they may call DEBUG PROTOCOL */
    struct hotkeys *hotkeys;             /* [immutable] the pointer */
    _Atomic unsigned pause_type;         /* [lock] writes; see pause.c */
    _Atomic uint64_t pause_until_ms;     /* [lock] writes; monotonic */
};

/* Is the time of this command to be taken, because it could be logged? */
static inline bool
slowlog_watches(const struct request *rq)
{
    const struct commands *c = rq->thread->commands;
    int64_t limit_us = option_get_i64(&c->values->slowlog_log_slower_than);

    if (unlikely(limit_us < SLOWLOG_ALL_BELOW_US))
        return limit_us >= 0;
    return rq->argc >= c->state->slow_argc[command_id(rq->command)];
}

/* Those of ks_observe(). */
enum {
    OBSERVER_NOTIFY,
    OBSERVER_TRACKING
};

/* ---- documentation (syntax.c, docs.c) ------------------------------------ */

/* Reply with the argument list of COMMAND DOCS for a syntax string. */
void syntax_reply(struct reply *r, const char *syntax);

/* Append the tests of Redis that fail, with the reasons, in Markdown
 * (differences.c). */
void differences_write(struct buf *out);

/* ---- sessions (session.c, client.c) -------------------------------------- */

/* Is this a printable ASCII word, as names must be? */
bool client_name_valid(struct str name);

enum session_name {
    SESSION_NAME,
    SESSION_LIB_NAME,
    SESSION_LIB_VERSION
};

/* May the session's user do anything, as nearly all may? Owner thread. */
static inline bool
session_is_unrestricted(const struct session *s)
{
    return likely(atomic_load_explicit(&s->rights, memory_order_relaxed) ==
        RIGHTS_ALL);
}

/* Append the line of CLIENT LIST, without end of line. */
void client_append_line(struct buf *out, const struct client_view *view);

/* Set one of the session's names ("" clears it). False when it is too long:
 * then the error is in the reply. */
bool session_set_name(
    struct request *rq, enum session_name which, struct str value);

/* The same for the connection's name, for CLIENT SETNAME and HELLO: refuses
 * blanks and such as well. */
bool session_set_client_name(struct request *rq, struct str name);

/* ---- transactions (transaction.c) ---------------------------------------- */

/* Forget what is queued and watched, if anything. */
void transaction_discard(struct session *s);

/* For command_run(), if the session has a transaction. May this command be
 * used now? Replies with the error if not. */
bool transaction_admits(struct request *rq);

/* True if the command was queued (or refused) in place of being run. */
bool transaction_queue(struct request *rq);

/* The command was refused with the error at `error_at` of the output. */
void transaction_reject(struct request *rq, size_t error_at);

/* Is it an EXEC of commands among which some write? */
bool transaction_would_write(const struct request *rq);

/* Run a command that was admitted, and count it (command.c). */
void command_call(struct request *rq);

/* Count a queued command that was refused with the error at `error_at`. */
void command_count_refusal(struct request *rq, size_t error_at);
/* busy.c: may it run while a script holds up the worker? It has a row. */
bool command_is_allowed_busy(const struct request *rq);

/* Would command_run() call the handler, or refuse? Replies nothing, and does
 * not look at transactions nor at the rights of a user. */
bool command_would_run(const struct request *rq);

/* May the queued commands change data? */
bool transaction_has_effect(const struct session *s);

/* Switch a bit of commands.active. Any thread. Who counts what the bit is for
 * and looks at the count again afterwards leaves it as the count says: the last
 * one to switch it has seen (acquire) what the others did before (release). */
static inline void
commands_activate(struct commands *c, unsigned what, bool on)
{
    if (on)
        atomic_fetch_or_explicit(&c->active, what, memory_order_acq_rel);
    else
        atomic_fetch_and_explicit(&c->active, ~what, memory_order_acq_rel);
}

/* ---- memory (memory_report.c) -------------------------------------------- */

/* What all of the used memory is for: these add up to it exactly. In INFO as
 * used_by_NAME, in MEMORY STATS as used.NAME. */
#define MEMORY_PARTS(X)                                                        \
    X(items, "keys as they are stored, values, and their headers")             \
    X(rounding, "of chunks and extents beyond that; items not stored yet")     \
    X(marks, "notes of accesses beside the chunks, rests of pages")            \
    X(chunks_free, "free chunks in pages")                                     \
    X(magazines, "free chunks that threads hold, and depots")                  \
    X(pages_free, "free pages, for any size of chunk")                         \
    X(extents_warm, "free extents that are still resident")                    \
    X(index, "where the items are")                                            \
    X(templates, "what keys have in common")                                   \
    X(namespaces, "names and counts of namespaces")                            \
    X(hash_shapes, "names of fields that hashes share")                        \
    X(ghosts, "how often evicted keys were hit")                               \
    X(tables, "records of pages and extents")                                  \
    X(clients, "buffers of clients, transactions")                             \
    X(pools, "connections")                                                    \
    X(process, "program, stacks, the C library's heap")                        \
    X(other, "logs, names, subscriptions, tracked keys")

struct memory_parts {
#define X(name, text) size_t name;
    MEMORY_PARTS(X)
#undef X
};

struct memory_report {
    struct slab_stats slab;
    struct ks_memory ks;
    struct memory_parts parts;
    size_t rss, peak, system; /* resident now and at most; the machine's */
    size_t overhead;          /* of `used`: what is no item */
    size_t allocated;         /* bytes of chunks and extents in use */
    size_t active, resident;  /* pages and extents: with these; with reserves */
};
void memory_report(const struct commands *c, struct memory_report *m);

/* 0 when the whole is 0. */
double memory_ratio(uint64_t part, uint64_t whole);

/* ---- INFO (info_idle.c) -------------------------------------------------- */

/* Append the lines of a section that are the same on every server here. */
void info_idle_fields(const char *section, struct buf *out);

/* ---- errors and arguments (args.c) --------------------------------------- */

/* Errors that many commands give, with Redis' texts. */
void reply_error_arity(struct request *rq);  /* "ERR wrong number of ..." */
void reply_error_syntax(struct request *rq); /* "ERR syntax error" */
void reply_error_not_integer(struct request *rq);
void reply_error_status(struct request *rq, enum ks_status status); /* OOM,
    too large, wrong type */
void reply_error_subcommand(struct request *rq); /* unknown subcommand argv[1],
    "Try X HELP." */
void reply_error_subcommand_syntax(struct request *rq); /* ... or too many
    arguments for it */

/* Null for KS_MISS, else that error. */
void reply_missing(struct request *rq, enum ks_status status);

static inline struct str
arg_str(const struct request *rq, int i)
{
    return (struct str){rq->argv[i].p, rq->argv[i].len};
}

/* An argument for the "%.*s" of an error, cut as Redis cuts it. */
#define ARG_SHOWN(rq, i)                                                       \
    (int)MIN((rq)->argv[i].len, (size_t)128), (rq)->argv[i].p

/* argv[i] equals a word, ASCII case ignored. */
bool arg_is(const struct request *rq, int i, const char *word);

/* argv[i] as an integer; replies with the error and returns false if not. */
bool arg_i64(struct request *rq, int i, int64_t *out);

/* The key in argv[i], in the session's database, hashed. */
struct ks_key arg_key(const struct request *rq, int i);

/* The same of argv[1], for rows whose first key that is; within the request. */
static inline const struct ks_key *
arg_first_key(struct request *rq)
{
    unsigned db = atomic_load_explicit(&rq->session->db, memory_order_relaxed);

    if (likely(rq->n_keys > 0 && rq->keys->db == db))
        return rq->keys;
    ks_key_make(rq->thread->commands->ks, db, arg_str(rq, 1), &rq->key);
    return &rq->key;
}

/* Read mode of this session: KS_READ, or KS_READ_NO_TOUCH. */
static inline enum ks_read_mode
request_read_mode(const struct request *rq)
{
    return unlikely(atomic_load_explicit(
               &rq->session->no_touch, memory_order_relaxed))
        ? KS_READ_NO_TOUCH
        : KS_READ;
}

/* ---- deadlines (expire_cmd.c) -------------------------------------------- */

/* How an argument names a moment. */
struct time_form {
    bool seconds;  /* otherwise milliseconds */
    bool absolute; /* wall time, otherwise from now on */
};

/* Read argv[i] as the expiry of a value that is being stored: positive, and
 * within 63 bits of milliseconds. A moment that has passed is fine. Replies
 * with the error and returns false if not. */
bool arg_deadline(
    struct request *rq, int i, struct time_form form, uint64_t *expire_ms);

/* ---- comparisons with the value (compare.c) ------------------------------ */

enum compare_kind {
    COMPARE_NOTHING,
    COMPARE_EQUAL,
    COMPARE_DIFFERENT,
    COMPARE_DIGEST_EQUAL,
    COMPARE_DIGEST_DIFFERENT,
    COMPARE_VERSION
};

struct comparison {
    enum compare_kind kind;
    struct str value; /* borrowed from the request */
    uint64_t digest;  /* for the kinds of digests */
    uint64_t version; /* for that kind; 0: the key is missing */
};

/* Compare with argv[i]; replies with the error and returns false when that is
 * no digest or version and should be one. */
bool comparison_read(
    struct request *rq, enum compare_kind kind, int i, struct comparison *out);

/* The value that there is, if there is one. */
struct compared {
    bool exists;
    struct str value;
    uint64_t version; /* 0: it was given none */
};

/* A missing key is different from any value and equal to none. Calls nothing
 * of the keyspace. */
bool comparison_allows(
    const struct comparison *c, const struct compared *with);

/* ---- options of SET and its relatives (string_options.c) ----------------- */

enum string_option {
    WITH_NX = 1 << 0,
    WITH_XX = 1 << 1,
    WITH_GET = 1 << 2,
    WITH_KEEPTTL = 1 << 3,
    WITH_PERSIST = 1 << 4,
    WITH_EX = 1 << 5,
    WITH_PX = 1 << 6,
    WITH_EXAT = 1 << 7,
    WITH_PXAT = 1 << 8,
    WITH_IFEQ = 1 << 9,
    WITH_IFNE = 1 << 10,
    WITH_IFDEQ = 1 << 11,
    WITH_IFDNE = 1 << 12,
    WITH_BYINT = 1 << 13,
    WITH_BYFLOAT = 1 << 14,
    WITH_LBOUND = 1 << 15,
    WITH_UBOUND = 1 << 16,
    WITH_SATURATE = 1 << 17,
    WITH_ENX = 1 << 18,
    WITH_IFVER = 1 << 19,

    WITH_TIME = WITH_EX | WITH_PX | WITH_EXAT | WITH_PXAT,
    WITH_ANY_TTL = WITH_TIME | WITH_KEEPTTL | WITH_PERSIST,
    WITH_COMPARISON =
        WITH_IFEQ | WITH_IFNE | WITH_IFDEQ | WITH_IFDNE | WITH_IFVER,
    WITH_CONDITION = WITH_NX | WITH_XX | WITH_COMPARISON,
};

/* Indexes of arguments are 0 when the option was not given. */
struct string_options {
    unsigned with;
    int time_arg;    /* with WITH_TIME */
    int compare_arg; /* with IFEQ and its relatives */
    int by_arg, lower_arg, upper_arg;
    struct comparison comparison;
};

/* Read the options from argv[first] on; those not in `allowed` are errors.
 * Replies with the error and returns false. */
bool string_options_read(struct request *rq, int first, unsigned allowed,
    struct string_options *out);

/* The deadline that the options ask for: KS_KEEP_TTL with KEEPTTL, KS_NO_EXPIRY
 * without any. Replies with the error and returns false when the number is not
 * one. */
bool string_options_deadline(struct request *rq,
    const struct string_options *options, uint64_t *expire_ms);

/* ---- floating-point values (string_edit.c) ------------------------------- */

/* The largest long double has 4933 digits before the point, and 17 are shown
 * after it. Longer input is no number either. */
#define FLOAT_MAX_CHARS 5120

/* All of `s` as a number that strtold reads, so exponents, hexadecimal and
 * infinity as well, but no leading space and no NaN. */
bool float_read(struct str s, long double *out);

/* Write in plain decimal, 17 digits after the point at most and none that is a
 * trailing zero, no NUL; returns the length. `out` has FLOAT_MAX_CHARS. */
size_t float_write(char *out, long double value);

/* ---- values that must be looked at (strings.c) --------------------------- */

/* A ks_place_fn: into a buffer, `ctx` is the struct buf, from its start on. */
char *place_in_buf(void *ctx, size_t len);

/* The same: as an open bulk at the end of the output, `ctx` is the reply. */
char *place_in_reply(void *ctx, size_t len);

/* Read a value so that reply_fetched() can send it. Until then nothing is in
 * the output, and drop_fetched() gives it up. */
enum ks_status fetch_value(
    struct request *rq, const struct ks_key *key, struct ks_info *info);
void reply_fetched(struct request *rq, const struct ks_info *info);
void drop_fetched(struct request *rq, const struct ks_info *info);

/* ---- whole values (value.c) ---------------------------------------------- */

/* A value that was read: in the request's arena, or pinned in its extent. */
struct value {
    struct str bytes;
    struct ks_info info;
    uint32_t extent; /* 0: none */
};

/* KS_MISS or KS_WRONG_TYPE, and an empty value, if there is no such key or it
 * is no string. value_drop() it. */
enum ks_status value_read(
    struct request *rq, const struct ks_key *key, struct value *out);

/* The same, and *exists says whether there is such a key. False, after replying
 * with the error, if it is no string; then nothing is to be dropped. */
bool value_read_string(struct request *rq, const struct ks_key *key,
    struct value *out, bool *exists);
void value_drop(struct request *rq, struct value *v);

/* Store bytes, with the mark that OBJECT ENCODING shows. */
enum ks_status value_store(struct request *rq, const struct ks_key *key,
    struct str bytes, uint64_t expire_ms, bool raw);

/* Memory for a value that is made in place: of the arena when it is small,
 * else an extent within the limit. Its bytes are as they come. */
struct room {
    char *p;
    size_t len;
    uint32_t extent;
};

/* False when there is no memory. room_drop() or room_store() it. */
bool room_get(struct request *rq, size_t len, struct room *out);
void room_drop(struct request *rq, struct room *room);

/* Store what stands there; takes it over, whatever comes of it. */
enum ks_status room_store(struct request *rq, const struct ks_key *key,
    struct room *room, uint64_t expire_ms);

/* `len` zero bytes to read, which take no memory; meaningless above
 * KS_MAX_VALUE. False when there are no addresses. */
struct zeros {
    const char *p;
    size_t mapped;
};
bool zeros_get(size_t len, struct zeros *out);
void zeros_drop(struct zeros *z);

/* ---- walks (scan.c) ------------------------------------------------------ */

enum scan_target {
    SCAN_KEYS,
    SCAN_FIELDS
};

struct scan_options {
    struct str pattern;
    int64_t count;
    bool typed;     /* keys: only of this type; -1 is a type that is not here */
    int type;
    bool no_values; /* fields: without their values */
};

/* argv[i] as a cursor; the options from argv[first] on. Reply with the error
 * and return false. */
bool scan_cursor_read(struct request *rq, int i, uint64_t *out);
bool scan_options_read(struct request *rq, int first, enum scan_target target,
    struct scan_options *out);

/* ---- types of values (keys.c) -------------------------------------------- */

/* The type of a name, "string" or "hash" in any case; -1 if there is none. */
int value_type_find(struct str name);

/* ---- what OBJECT says (keys.c) ------------------------------------------- */

/* Name of the encoding that Redis would have chosen, which clients know. */
const char *object_encoding(bool raw, struct str value);

/* ---- payloads of Redis (rdb_payload.c) ----------------------------------- */

/* The checksum of Redis's payloads: CRC-64 of Jones, from 0 on. */
uint64_t rdb_crc64(struct str s);

/* The body of a payload whose checksum is right; false if it is none. */
bool rdb_payload_open(struct str payload, struct str *body);

enum rdb_status {
    RDB_OK,
    RDB_DAMAGED,    /* what the checksum covers is no value */
    RDB_OTHER_TYPE, /* not a string */
    RDB_TOO_LARGE,
    RDB_NO_MEMORY,
};

/* The string in a body: in the body itself, then `room` is all zero, or made
 * in room, which is the caller's on RDB_OK. */
enum rdb_status rdb_read_string(struct request *rq, struct str body,
    struct str *value, struct room *room);

/* ---- bits (bits.c) ------------------------------------------------------- */

/* argv[i] as the number of a bit; "#n" is n times `unit`, if that is not 0.
 * Replies with the error and returns false if it is none. */
bool arg_bit_offset(struct request *rq, int i, int64_t unit, uint64_t *out);

/* A bit of `s`, which goes on with zeros. */
bool bit_at(struct str s, uint64_t offset);

/* ---- handlers ------------------------------------------------------------ */

#define X(name, handler, ...) void handler(struct request *rq);
COMMANDS(X)
#undef X
