/* SPDX-License-Identifier: BSD-3-Clause */
/* base.h - the words that all layers share.
 *
 * Sizes and byte strings, assertions, the log, the clock, tables of
 * configuration directives and of counters, the key hash, and a growing
 * buffer. Nothing here knows memory classes, keys, RESP or sockets.
 */
#pragma once

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- sizes and small helpers --------------------------------------------- */

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define CACHE_LINE 64

/* Numbers stand in memory as they do in what outlives a process (the arena) or
 * is compared by words (names, packed keys). */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "needs a little-endian machine");

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* Each argument is evaluated once, and both are of the type that they have in
 * common. */
#define MIN(a, b) PICK(<, a, b, __COUNTER__)
#define MAX(a, b) PICK(>, a, b, __COUNTER__)
#define PICK(op, a, b, n) PICK_NAMED(op, a, b, n)
#define PICK_NAMED(op, a, b, n) PICK_AS(op, a, b, pick_a_##n, pick_b_##n)
#define PICK_AS(op, a, b, x, y)                                                \
    __extension__({                                                            \
        __typeof__(1 ? (a) : (b)) x = (a), y = (b);                            \
        x op y ? x : y;                                                        \
    })
#define ROUND_UP(x, to) (((x) + (to)-1) / (to) * (to))

/* A borrowed run of bytes; not NUL-terminated, may hold any byte. */
struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
#define STR_ARG(s) (int)(s).len, (s).p /* for "%.*s" */

static inline bool
str_eq(struct str a, struct str b)
{
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

/* Equal but for ASCII case. */
bool str_ieq(struct str a, struct str b);

/* A borrowed view of a C string. */
static inline struct str
str_of(const char *s)
{
    return (struct str){s, strlen(s)};
}

/* Read the whole of `s` as a decimal 64-bit integer as Redis does: optional
 * '-', no '+', no spaces, no leading zeros, no overflow. False otherwise. */
bool str_to_i64(struct str s, int64_t *out);

/* Read the whole of `s` as a number of bytes, 0 or more, as redis.conf has it:
 * digits and an optional unit, b k kb m mb g gb in any case, where those with a
 * 'b' are powers of 1024 and the others powers of 1000. False otherwise. */
bool str_to_bytes(struct str s, int64_t *out);

/* Write `v` in decimal at `out` (at least 21 bytes); returns the length. No
 * NUL is written. */
size_t i64_to_chars(char *out, int64_t v);

/* The value of a hexadecimal digit of either case; -1 if it is none. Inline, as
 * what follows, for programs that do not link base/. */
static inline int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A bijection of which each result bit depends on all bits of `x`: the last
 * part of splitmix64. */
static inline uint64_t
mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The next of 2^64 numbers that look random and follow from the first *state:
 * splitmix64. Not for secrets. */
static inline uint64_t
splitmix64(uint64_t *state)
{
    return mix64(*state += 0x9e3779b97f4a7c15u);
}

/* Numbers that several threads see and that order nothing else: statistics,
 * settings, what a lock guards and others look at. Where an order matters the
 * code names it, with what it pairs with. */
#define LOAD(p) atomic_load_explicit((p), memory_order_relaxed)
#define STORE(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)

/* STORE() of more or less, where only one thread at a time writes. */
#define BUMP(p, v) STORE((p), LOAD(p) + (v))
#define DROP(p, v) STORE((p), LOAD(p) - (v))

/* One turn of a loop that waits for another thread. */
static inline void
cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- assertions (assert.c): on in production ----------------------------- */

/* Report the failed condition on stderr and abort. */
_Noreturn void assert_failed(
    const char *expr, const char *file, int line, const char *func);

#define ASSERT(x)                                                              \
    (likely(x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__, __func__))

/* Ends a switch over all values of an enum, and the like. */
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__, __func__)

#ifdef ASHLAR_DEBUG
#define DEBUG_ASSERT(x) ASSERT(x)
#else
#define DEBUG_ASSERT(x) ((void)0)
#endif

/* A struct that crosses a layer starts with `uint32_t magic`. */
#define CHECK(ptr, value) ASSERT((ptr) != NULL && (ptr)->magic == (value))

/* ---- memory that must not fail ------------------------------------------- */

/* malloc and friends for start-up and bookkeeping; end the process with a
 * message when the system has no memory. Release with free(). Never used in
 * the data path. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);

/* Zeros, which take memory page by page as they are written to: for tables that
 * are counted as they are used. Release with xunmap(). */
void *xmap(size_t bytes);
void xunmap(void *p, size_t bytes);

/* ---- copies past the cache (stream.c) ------------------------------------ */

/* memcpy(3) for what is not looked at soon, from memory that is in the cache.
 * Other threads see the bytes as soon as they see what is written after it. */
void stream_copy(void *to, const void *from, size_t n);

/* ---- log (log.c) --------------------------------------------------------- */

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

/* Set the level and the destination: `path` NULL or "" means stderr. When
 * that is the journal ($JOURNAL_STREAM names it), lines carry a "<N>" priority
 * and no time stamp. Returns 0, or an errno when the file cannot be opened (the
 * former destination stays). Any thread. */
int log_open(enum log_level level, const char *path);
void log_set_level(enum log_level level);

/* For people, or name=value throughout: "ts=... level=info
 * msg=\"accept failed\" fd=12". Any thread. */
enum log_format {
    LOG_TEXT,
    LOG_LOGFMT
};
void log_set_format(enum log_format format);

/* Write one line, cut if it is longer than a KiB, control bytes as '?'. Use the
 * macros below, which cost nothing for levels that are off. Keeps errno. Any
 * thread, also under locks. */
void log_write(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

extern _Atomic int log_threshold;

#define LOG_AT(lvl, ...)                                                       \
    do {                                                                       \
        if ((int)(lvl) <=                                                      \
            atomic_load_explicit(&log_threshold, memory_order_relaxed))        \
            log_write((lvl), __VA_ARGS__);                                     \
    } while (0)

#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* True at most once a second for one call site: guards a repeating line.
 * `state` is a static _Atomic uint64_t of the call site. Any thread. */
bool log_ratelimit(_Atomic uint64_t *state);

/* ---- clock (clock.c) ----------------------------------------------------- */

/* The time as the calling thread last read it. Reading costs nothing; a
 * worker calls clock_refresh() once per batch. The first use refreshes. */
static inline uint64_t clock_wall_ms(void); /* since the epoch */
uint64_t clock_mono_us(void);
/* Monotonic time as it is now, by a system call at worst, for what measures a
 * part of a batch. Never faked. */
uint64_t clock_read_mono_us(void);
uint64_t clock_read_mono_ns(void);

/* The time now, a system call at worst; the thread's copy stays. */
uint64_t clock_mono_now_us(void);

/* Read the system clocks into the thread's copy. */
void clock_refresh(void);

/* The thread's copy, to be put back: around what reads the clocks in the middle
 * of something for which time stands still. */
struct clock_moment {
    uint64_t wall_ms, mono_us;
};
struct clock_moment clock_keep(void);
void clock_put_back(struct clock_moment m);

/* Tests: from now on every thread sees this wall time (ms), and 1000 times as
 * much as monotonic time (us), until clock_unfake(). Effective at once, no
 * refresh. */
void clock_fake(uint64_t wall_ms);
void clock_unfake(void);

/* clock.c's own, for the inline part. */
#define CLOCK_NOT_FAKED UINT64_MAX
extern _Thread_local uint64_t clock_thread_wall_ms; /* 0: not read yet */
extern _Atomic uint64_t clock_faked_ms;
uint64_t clock_wall_ms_rarely(void);

static inline uint64_t
clock_wall_ms(void)
{
    if (unlikely(atomic_load_explicit(&clock_faked_ms, memory_order_relaxed) !=
                CLOCK_NOT_FAKED ||
            clock_thread_wall_ms == 0))
        return clock_wall_ms_rarely();
    return clock_thread_wall_ms;
}

/* ---- growing buffer (buf.c) ---------------------------------------------- */

struct buf {
    char *p;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
};

/* Make room for `more` bytes after len; returns where they go. Grows by
 * doubling. Pointers into the buffer become invalid. */
char *buf_reserve_slow(struct buf *b, size_t more);

static inline char *
buf_reserve(struct buf *b, size_t more)
{
    if (likely(b->cap - b->len >= more && b->p != NULL))
        return b->p + b->len;
    return buf_reserve_slow(b, more);
}

static inline void
buf_append(struct buf *b, const void *p, size_t len)
{
    char *to = buf_reserve(b, len);

    if (len > 0)
        memcpy(to, p, len);
    b->len += len;
}

/* Append formatted text, without a NUL. */
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);

/* Release the memory; the buffer is empty and usable afterwards. */
void buf_free(struct buf *b);

/* ---- files (file.c) ------------------------------------------------------ */

/* Put `text` in the place of the file, which keeps its mode, or make one that
 * only its owner reads. On failure `err` gets a sentence, and the old file is
 * there; only if the folder cannot be written is the new one, which a crash may
 * undo. Writes to the disk: milliseconds. Any thread. */
bool file_replace(const char *path, struct str text, struct buf *err);

/* ---- barriers (barrier.c) ------------------------------------------------ */

/* Whether the system has barrier_for_all(): ask before. When that returns, every
 * thread of the process has passed a full memory barrier since it was called.
 * Some microseconds. */
bool barrier_is_there(void);
void barrier_for_all(void);

/* ---- steps (steps.c) ----------------------------------------------------- */

/* How long a worker is at something that it cannot leave off: what it does for
 * the cache beside the commands themselves. A thread that has none attached
 * measures nothing. */
/* clang-format off */
#define STEPS(X)                                                            \
    X(TURN, "turn", "a turn of the event loop, all commands in it included")\
    X(GROW, "grow", "moving lines of the growing index")                    \
    X(EVICT, "evict", "making room for a new item")                         \
    X(RECLAIM, "reclaim", "freeing what was flushed, of that")              \
    X(REFILL, "refill", "getting free chunks from the shared stock")        \
    X(WAIT, "wait", "waiting for a lock that another thread holds")         \
    X(TICK, "tick", "what is due once a second")
/* clang-format on */

enum step_kind {
#define X(id, name, text) STEP_##id,
    STEPS(X)
#undef X
        STEP_KINDS
};

#define STEP_BUCKETS 24 /* up to 1.024 us, 2.048 us, ... */

/* One thread's; read by any. [atomic] */
struct steps {
    struct step_counts {
        _Atomic uint64_t buckets[STEP_BUCKETS];
        _Atomic uint64_t max_ns;
        /* Steps of 128 us and more in which the thread may have been without a
         * CPU: these are not in the above. */
        _Atomic uint64_t interrupted, interrupted_max_ns;
    } of[STEP_KINDS];
    _Atomic bool reset;  /* asked for by any thread */
    uint64_t n_switches; /* [owner thread] at the last look */
    const int64_t *cpu_time; /* a boolean option: whether steps are measured in
                                CPU time of the thread; NULL: they are not */
};

/* From now on the calling thread measures into `s`; NULL: it does not. The
 * first call of the process takes 200 us. */
void steps_attach(struct steps *s);

/* [owner thread] the calling thread's; NULL if it measures nothing */
extern _Thread_local struct steps *steps_here;

/* Some clock that is quick to read; for step_end(). */
uint64_t step_begin(void);

/* A step of this kind began then and ends now; about 20 ns for both, or a
 * microsecond where CPU time is measured. */
void step_end(enum step_kind kind, uint64_t begun);

/* sum += s; the maxima are those of both. Any thread. */
void steps_add(struct steps *sum, const struct steps *s);

/* ---- locks (lock.c) ------------------------------------------------------ */

/* The n-th turn of a loop that waits for another thread: a pause, later the
 * processor is given away, and then it sleeps, for which it returns true. */
bool wait_turn(unsigned n);

/* The slow path of word_lock(); counted as a step. */
void word_lock_wait(_Atomic uint32_t *l);

/* A lock that is held for some stores, or for a walk over the threads: a word,
 * 0 when it is free. Not for what many writers want at once, as partitions. */
static inline bool
word_trylock(_Atomic uint32_t *l)
{
    /* acquire: pairs with the release of the former holder */
    return atomic_exchange_explicit(l, 1, memory_order_acquire) == 0;
}

static inline void
word_lock(_Atomic uint32_t *l)
{
    if (unlikely(!word_trylock(l)))
        word_lock_wait(l);
}

static inline void
word_unlock(_Atomic uint32_t *l)
{
    atomic_store_explicit(l, 0, memory_order_release);
}

/* ---- hash of a key (hash.c) ---------------------------------------------- */

/* A random secret of one process (or one arena). */
struct hash_seed {
    uint8_t secret[192];
};

/* Fill from getrandom(2); ends the process when there is none. */
void hash_seed_random(struct hash_seed *seed);

/* 64-bit XXH3 under the secret. Not cryptographic; see hash.c for what it
 * gives against hash flooding. */
uint64_t hash_bytes(const struct hash_seed *seed, const void *p, size_t len);

/* XXH3-64 with seed 0, as anybody computes it: what clients compare values by.
 * Says nothing of how hash_bytes() places them. */
uint64_t hash_digest(const void *p, size_t len);

/* ---- configuration directives (options.c) ----------------------------------
 *
 * A module declares its directives in one X-macro of its public header:
 *
 *   #define SLAB_OPTIONS(X)                                                  \
 *       X(maxmemory, OPT_MEMORY, "0", 0, INT64_MAX, OPT_LIVE, "", "text")
 *       name         type        default min max     flags     values text
 *
 * and gets a struct whose members hold the values:
 *
 *   struct slab_options { SLAB_OPTIONS(OPTION_MEMBER) };
 *
 * Numbers are int64_t members, OPT_STRING ones are `char *` owned by the set
 * (never NULL); nothing else may stand in the struct. '_' in a C name is '-' in
 * the directive's name. All default values are text, read by the same parser as
 * the file.
 *
 * Who gathers the modules (daemon/config.c) makes the rows and the module:
 *
 *   OPTION_TABLE(slab_rows, SLAB_OPTIONS, struct slab_options);
 *   ...
 *   modules[0] = (struct option_module){.title = "Memory",
 *       .rows = slab_rows, .n_rows = ARRAY_LEN(slab_rows),
 *       .values = &cfg->slab, .check = check_slab_value};
 */
enum option_type {
    OPT_BOOL,   /* yes | no */
    OPT_INT,    /* decimal */
    OPT_SIZE,   /* bytes; units b k kb m mb g gb as in redis.conf */
    OPT_MEMORY, /* OPT_SIZE, or N% (stored as -N), or "auto" (OPTION_AUTO) */
    OPT_ENUM,   /* index into `values`, a list "a|b|c" */
    OPT_OCTAL,  /* file mode */
    OPT_STRING, /* one or more words, joined by a space */
};

#define OPTION_AUTO INT64_MIN

enum option_flags {
    OPT_START = 0,       /* read at start only */
    OPT_LIVE = 1 << 0,   /* CONFIG SET may change it */
    OPT_NOOP = 1 << 1,   /* accepted for compatibility, has no effect */
    OPT_SECRET = 1 << 2, /* never printed nor logged */
    OPT_REPEAT = 1 << 3, /* further lines add to the value */
    OPT_FIXED = 1 << 4,  /* the value stays the default: at start others are
                            accepted with a warning, later they are refused */
    OPT_HIDDEN = 1 << 5, /* CONFIG GET shows it by its whole name only */
    OPT_ALIAS = 1 << 6,  /* another name of the row that `def` names; it has no
                            value of its own */
    OPT_PROTECTED = 1 << 7, /* CONFIG SET never changes it, in Redis's words */
};

#define OPTION_TYPE_OPT_BOOL int64_t
#define OPTION_TYPE_OPT_INT int64_t
#define OPTION_TYPE_OPT_SIZE int64_t
#define OPTION_TYPE_OPT_MEMORY int64_t
#define OPTION_TYPE_OPT_ENUM int64_t
#define OPTION_TYPE_OPT_OCTAL int64_t
#define OPTION_TYPE_OPT_STRING char *
#define OPTION_MEMBER(name, type, def, min, max, flags, values, text)          \
    OPTION_TYPE_##type name;

struct option {
    const char *name; /* as the C member; '_' reads as '-' */
    enum option_type type;
    const char *def;
    int64_t min, max;
    unsigned flags;
    const char *values; /* OPT_ENUM: "a|b|c"; otherwise the unit shown */
    const char *text;
};

#define OPTION_ROW(name, type, def, min, max, flags, values, text)             \
    {#name, type, def, min, max, flags, values, text},

/* The row of another name. Any module may have it. */
#define OPTION_ALIAS(X, name, of)                                              \
    X(name, OPT_STRING, #of, 0, 0, OPT_ALIAS, "", "")

/* Define the rows of one module, `static const struct option TABLE[]`. Every
 * member of the struct takes 8 bytes and stands in the order of the rows, so
 * that row i tells where its value is. */
#define OPTION_TABLE(table, ROWS, values_struct)                               \
    static const struct option table[] = {ROWS(OPTION_ROW)};                   \
    _Static_assert(                                                            \
        sizeof(values_struct) == sizeof(int64_t) * ARRAY_LEN(table),           \
        "a struct of option values holds OPTION_MEMBERs only")

/* What a module says to a value that type and range accept: NULL, or why not
 * ("names no address"). `value` is the text as the user wrote it. */
typedef const char *(*option_check_fn)(
    const struct option *row, const char *value);

/* One module's table and where its values are. */
struct option_module {
    const char *title; /* heading in the sample file */
    const struct option *rows;
    size_t n_rows;
    void *values;
    option_check_fn check; /* or NULL */
};

/* All modules of the program: what the parser, CONFIG and the docs walk.
 * Values change under a lock of the set. Once threads run, OPT_LIVE values are
 * read by option_get_i64() and options_copy_string(); the others never change
 * any more and are read as plain members. */
struct options;

static inline int64_t
option_get_i64(const int64_t *member)
{
    return __atomic_load_n(member, __ATOMIC_RELAXED);
}

/* Append the string that `member` of a value struct holds. Any thread. */
void options_copy_string(
    struct options *o, char *const *member, struct buf *out);

/* `modules` is copied; the rows and the value structs are borrowed. All values
 * get their defaults. Free with options_free(). */
struct options *options_new(const struct option_module *modules, size_t n);
void options_free(struct options *o);

enum option_line_state {
    OPTION_LINE_HOLDS,
    OPTION_LINE_OTHER,
    OPTION_LINE_GONE
};

/* Lines of a file that begin with a word of their own and declare something by
 * a name each, such as `user NAME RULE...`. They are checked as they are read,
 * and kept in their order. */
struct option_line_kind {
    const char *word; /* "user" */
    const char *form; /* of the words behind it, for the docs: "NAME RULE..." */
    const char *text;

    /* Is it good? The words behind the first. False with a sentence. */
    bool (*check)(const struct str *words, size_t n, struct buf *err);

    /* For options_rewrite_file() and its `ctx`: what is declared by these words
     * now? OPTION_LINE_OTHER appends the words that follow the first, blanks
     * between them and none in them. */
    enum option_line_state (*look)(void *ctx, const struct str *words, size_t n,
        struct buf *out);

    /* The same: call `add` with a name and those words for all that there is;
     * it leaves out the names that the file has. */
    void (*each)(void *ctx,
        void (*add)(void *arg, struct str name, struct str words), void *arg);
};

/* Have lines of this kind, borrowed; before anything is read. */
void options_set_line_kind(
    struct options *o, const struct option_line_kind *kind);

/* Call `fn` for each of the lines as they were last read. The thread that reads
 * files. */
void options_each_line(const struct options *o,
    void (*fn)(void *ctx, const struct str *words, size_t n), void *ctx);

/* Are these the same lines as those of `other`? */
bool options_same_lines(const struct options *o, const struct options *other);

/* Take over the lines of `other`, which loses them. */
void options_take_lines(struct options *o, struct options *other);

/* Set one directive. `value` is taken as it is: words joined by a space, no
 * quotes to remove. On failure `err` gets one sentence (no file or line) and
 * nothing changes. `live` says that the program runs already: rows without
 * OPT_LIVE are refused. Any thread. */
bool options_set(struct options *o, const char *name, const char *value,
    bool live, struct buf *err);

/* Read a file in redis.conf style: `name value...`, '#' comments, quotes and
 * escapes as Redis reads them. The first line of an OPT_REPEAT directive in a
 * file replaces the value, further ones add to it. `include PATTERN` reads
 * other files in its place; a relative path begins where the file is. On
 * failure `err` gets "FILE:LINE: reason" (or "FILE: reason"; those of an
 * included file behind those of the line that includes it) and the values are
 * as before. */
bool options_read_file(struct options *o, const char *path, struct buf *err);

/* Read `--name value...` arguments, argv[0] excluded, as if each were a line of
 * one file. Words up to the next "--name" belong to the value. */
bool options_read_args(
    struct options *o, int argc, char **argv, struct buf *err);

/* Write the values in force into a file that was read before. Comments and the
 * lines whose values still hold stay as they are; other lines get the new
 * values, and what the file does not name and is not the default is added at
 * the end. Included files are not written: what they say and does not hold any
 * more is added at the end as well. The file is replaced as a whole or, on
 * failure (a sentence in `err`), not at all. `ctx` is given to the kind of
 * lines if there is one. One thread at a time. */
bool options_rewrite_file(
    struct options *o, const char *path, void *ctx, struct buf *err);

/* Find a row by its name (either '-' or '_', any case); NULL if none. */
const struct option *options_find(const struct options *o, struct str name);

/* Append the value of a row as text ("yes", "104857600", ...), as CONFIG GET
 * prints it; secrets print as they are, the caller hides them. */
void options_print(
    struct options *o, const struct option *row, struct buf *out);

/* Call `fn` for each row, module by module. */
void options_each(struct options *o,
    void (*fn)(void *ctx, const char *title, const struct option *row),
    void *ctx);

/* Append the commented sample file with every directive and its default. */
void options_write_sample(struct options *o, struct buf *out);

/* Append an entry per directive for --help. */
void options_write_help(struct options *o, struct buf *out);

/* Append the man page ashlar.conf(5), from the same rows. */
void options_write_man(struct options *o, struct buf *out);

/* "maxmemory-policy" for row maxmemory_policy; buffer of the caller. */
const char *option_name(const struct option *row, char *out, size_t cap);

/* ---- counters (metrics.c) ---------------------------------------------------
 *
 *   #define KS_METRICS(X)  X(hits, COUNTER, "GETs that found their key")
 *   struct ks_metrics { KS_METRICS(METRIC_MEMBER) };
 *
 * Each thread owns one such struct and adds with METRIC_ADD; a reader sums all
 * of them with metrics_sum().
 */
#define METRIC_MEMBER(name, kind, text) _Atomic uint64_t name;

/* What a counter counts: events or bytes, or time in a unit. */
enum metric_kind {
    METRIC_COUNTER,
    METRIC_SECONDS,
    METRIC_MILLISECONDS
};

struct metric_row {
    const char *name;
    enum metric_kind kind;
    const char *text;
};

/* Rows for those who show all counters: static const struct metric_row
 * rows[] = {KS_METRICS(METRIC_ROW)}; */
#define METRIC_ROW(name, kind, text) {#name, METRIC_##kind, text},

#define METRIC_ADD(m, name, n)                                                 \
    atomic_store_explicit(&(m)->name,                                          \
        atomic_load_explicit(&(m)->name, memory_order_relaxed) + (n),          \
        memory_order_relaxed)
#define METRIC_INC(m, name) METRIC_ADD(m, name, 1)

/* Add `n` counters of `from` (an array of _Atomic uint64_t) to `sum`. */
void metrics_sum(uint64_t *sum, const void *from, size_t n);
