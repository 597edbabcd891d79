/* SPDX-License-Identifier: BSD-3-Clause */
/* dispatch_fuzz.c - any commands with any arguments, by several sessions of
 * both protocols, through command_run() into a small keyspace.
 *
 * The data is a program: a step runs a command, moves the clock, ends a
 * session. A command is named by two bytes: the row whose name hashes to them
 * or next above, so that a new row takes over a part of another's inputs and
 * the others keep theirs. Arguments are common values, words of the row's own
 * syntax, bulks of an earlier reply, or raw bytes. Every answer must be one
 * complete reply, every message delivered too, and at the end no memory may be
 * left: by the slab's account here, by LeakSanitizer for the rest.
 *
 * The same data does the same each time: time and random bytes are made here.
 */
#include "commands/harness.h"
#include "commands/internal.h"
#include "commands/reply_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT_BYTES (8 * MIB)
#define START_MS 1700000000000u
#define MAX_STEPS 200
#define MAX_WORDS 24

/* In place of the system's. */
ssize_t
getrandom(void *to, size_t len, unsigned flags)
{
    (void)flags;
    memset(to, 0x5a, len);
    return (ssize_t)len;
}

/* Values that mean something to many commands. */
static const char *const common[] = {"a", "b", "c", "user:1", "user:2", "", "0",
    "1", "2", "-1", "3", "10", "16", "100", "1000", "-0", "007", " 1", "1.5",
    "-2.25e3", "1e400", "nan", "inf", "9223372036854775807",
    "-9223372036854775808", "9223372036854775808", "4294967296", "4294967295",
    "2147483647", "-2147483648", "536870911", "536870912", "1700000000",
    "1700000001000", "17000000000000", "u8", "i64", "u63", "#1", "*", "user:*",
    "[a-c]", "h?llo", "*a*a*a*b", "\\", "yes", "no", "ON", "OFF", "default",
    "string", "get", "client|id", "client", "maxmemory-policy", "noeviction",
    "allkeys-lru", "volatile-ttl", "requirepass", "secret",
    "slowlog-log-slower-than", "slowlog-max-len", "MATCH", "COUNT",
    "127.0.0.1:50001", "hello world", "0123456789abcdef"};

/* For the rows that take one. None runs until it is ended. */
static const char *const scripts[] = {"return 1", "return {1,'a',{false}}",
    "return KEYS", "return ARGV", "return {KEYS[1],ARGV[1]}",
    "return redis.call(unpack(ARGV))", "return redis.pcall(unpack(ARGV))",
    "return redis.call(ARGV[1],KEYS[1],ARGV[2],ARGV[3])",
    "redis.setresp(3) return redis.pcall(ARGV[1],KEYS[1],ARGV[2])",
    "return redis.pcall('set',KEYS[1],ARGV[1])",
    "return redis.call('incr',KEYS[1])", "return redis.call('get','a')",
    "return redis.call('mget',KEYS[1],KEYS[2])",
    "#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV))",
    "#!lua flags=allow-cross-slot-keys\nreturn redis.pcall(unpack(ARGV))",
    "#!lua flags=allow-oom,x\nreturn 1",
    "redis.call('select',ARGV[1]) return redis.call('dbsize')",
    "redis.call('flushall') return redis.call('keys','*')",
    "return {string.find(ARGV[1],ARGV[2])}",
    "return {string.gsub(ARGV[1],ARGV[2],ARGV[3])}",
    "return {string.gmatch(ARGV[1],ARGV[2])()}",
    "return cjson.decode(ARGV[1])", "return cjson.encode(ARGV)",
    "return loadstring(ARGV[1])()",
    "return load(function() return ARGV[1] end)",
    "return {map={a=1,[2]={set={x=true}}}}", "return {double=ARGV[1]+1}",
    "local t={} t[1]=t return t", "local s=ARGV[1] for i=1,40 do s=s..s end",
    "return {pcall(rawset,_G,ARGV[1],1)}", "_G[ARGV[1]]=1",
    "return redis.error_reply(ARGV[1])", "return redis.status_reply(ARGV[1])",
    "return {ok=ARGV[1]}", "error(ARGV[1])", "error({err=ARGV[1]})",
    "return unpack(ARGV,ARGV[1],ARGV[2])", "return redis.sha1hex(ARGV[1])",
    "return redis.acl_check_cmd(unpack(ARGV))",
    "return redis.call('publish','a',ARGV[1])"};

/* What is left of the data, and what the run needs. */
struct fuzz {
    const uint8_t *p, *end;
    struct harness *h;
    struct buf bulk; /* the last bulk of a reply */
    struct str words[MAX_WORDS];
    int n_words;
    char numbers[MAX_WORDS][24];
    char *raw[MAX_WORDS]; /* blocks that words stand in */
    int n_raw;
    uint64_t now_ms;
    /* A session has queued what makes the reply of its EXEC another shape. */
    bool odd_exec[HARNESS_SESSIONS];
};

static uint8_t
take(struct fuzz *f)
{
    return f->p < f->end ? *f->p++ : 0;
}

static uint16_t
take_two(struct fuzz *f)
{
    uint8_t high = take(f);

    return (uint16_t)(high << 8 | take(f));
}

/* ---- words --------------------------------------------------------------- */

static void
add_word(struct fuzz *f, const char *p, size_t len)
{
    if (f->n_words < MAX_WORDS)
        f->words[f->n_words++] = (struct str){p, len};
}

/* A block for a word, freed after the command. */
static char *
add_raw(struct fuzz *f, size_t len)
{
    char *p = xcalloc(1, MAX(len, 1));

    f->raw[f->n_raw++] = p;
    add_word(f, p, len);
    return p;
}

static uint16_t
name_hash(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return (uint16_t)(h ^ h >> 16);
}

static const struct command *
pick_row(uint16_t at)
{
    const struct command *best = NULL;
    uint16_t best_distance = UINT16_MAX;

    for (size_t i = 0; i < command_table_rows; i++) {
        uint16_t distance = (uint16_t)(name_hash(command_table[i].name) - at);

        if (best == NULL || distance < best_distance) {
            best = &command_table[i];
            best_distance = distance;
        }
    }
    return best;
}

/* The nth token (a word in capitals) of a row's syntax, round and round. */
static struct str
token_of(const struct command *row, unsigned n)
{
    static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
    struct str found[64];
    unsigned n_found = 0;

    for (const char *p = row->arguments; *p != '\0' && n_found < 64;) {
        size_t len = strspn(p, capitals);

        if (len > 1)
            found[n_found++] = (struct str){p, len};
        p += MAX(len, 1);
    }
    return n_found == 0 ? STR("GET") : found[n % n_found];
}

static void
add_number(struct fuzz *f)
{
    uint64_t v = 0;
    char *text = f->numbers[f->n_words % MAX_WORDS];

    for (int i = 0; i < 8; i++)
        v = v << 8 | take(f);
    snprintf(text, sizeof(f->numbers[0]), "%lld", (long long)v);
    add_word(f, text, strlen(text));
}

/* `n` raw bytes, or one byte over and over. */
static void
add_bytes(struct fuzz *f, size_t len, bool repeat)
{
    char *p = add_raw(f, len);

    if (repeat) {
        memset(p, take(f), len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        p[i] = (char)take(f);
}

static void
add_argument(struct fuzz *f, const struct command *row)
{
    uint8_t kind = take(f);

    if (kind < 0xa0) {
        const char *text = common[kind % ARRAY_LEN(common)];

        add_word(f, text, strlen(text));
    } else if (kind < 0xe0) {
        struct str token = token_of(row, kind - 0xa0u);

        add_word(f, token.p, token.len);
    } else if (kind < 0xf8) {
        add_bytes(f, kind - 0xe0u, false);
    } else if (kind < 0xfb) {
        add_bytes(f, ((size_t)take(f) + 1) * 80, true);
    } else if (kind < 0xfc) {
        add_number(f);
    } else if (kind < 0xfd) {
        const char *name = pick_row(take_two(f))->name;

        add_word(f, name, strlen(name));
    } else {
        char *p = add_raw(f, f->bulk.len);

        if (f->bulk.len > 0)
            memcpy(p, f->bulk.p, f->bulk.len);
    }
}

/* "get", or "client" and "id". */
static void
add_name(struct fuzz *f, const struct command *row)
{
    const char *bar = strchr(row->name, '|');

    if (bar == NULL) {
        add_word(f, row->name, strlen(row->name));
        return;
    }
    add_word(f, row->name, (size_t)(bar - row->name));
    add_word(f, bar + 1, strlen(bar + 1));
}

static bool
takes_script(const struct command *row)
{
    return row->handler == cmd_eval || row->handler == cmd_eval_ro ||
        row->handler == cmd_script_load;
}

static void
add_script(struct fuzz *f)
{
    uint8_t i = take(f);

    if (i < ARRAY_LEN(scripts))
        add_word(f, scripts[i], strlen(scripts[i]));
    else
        add_bytes(f, i % 64, false);
}

/* The words of a command; mostly as many as the row wants. */
static const struct command *
make_command(struct fuzz *f, unsigned shape)
{
    static const int more[] = {0, 0, 0, 1, 2, 3, 6, -1};
    const struct command *row = pick_row(take_two(f));
    int n = abs(row->arity) + more[shape % ARRAY_LEN(more)];

    add_name(f, row);
    if (takes_script(row))
        add_script(f);
    while (f->n_words < MIN(n, MAX_WORDS))
        add_argument(f, row);
    return row;
}

static void
drop_words(struct fuzz *f)
{
    while (f->n_raw > 0)
        free(f->raw[--f->n_raw]);
    f->n_words = 0;
}

/* ---- answers ------------------------------------------------------------- */

static void
print_quoted(struct str s)
{
    for (size_t i = 0; i < MIN(s.len, 2000); i++) {
        unsigned char c = (unsigned char)s.p[i];

        fprintf(stderr, c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
    }
    fputc('\n', stderr);
}

static void __attribute__((noreturn))
wrong(const struct fuzz *f, const char *what, struct str bytes)
{
    fprintf(stderr, "%s\n", what);
    for (int i = 0; i < f->n_words; i++)
        print_quoted(f->words[i]);
    fputs("answer: ", stderr);
    print_quoted(bytes);
    abort();
}

/* How the session stands before a command. */
struct before {
    uint8_t protocol;
    bool silent, in_multi, pushes;
};

static bool
is_silent(const struct session *s)
{
    return s->reply_off || s->reply_skip > 0;
}

static void
check_reply(struct fuzz *f, int n, const struct before *was)
{
    const struct session *s = &f->h->sessions[n];
    struct reply_reader r = {
        .left = {f->h->flat.p, f->h->flat.len},
        .resp3 = was->protocol == 3 || s->protocol == 3,
    };
    bool odd = f->odd_exec[n] && was->in_multi && s->queued < 0;

    if (odd) /* several replies or none, of either protocol */
        return;
    if (r.left.len == 0 &&
        (was->silent || is_silent(s) || f->h->n_shutdowns > 0))
        return;
    do {
        if (!reply_read(&r))
            wrong(f, "no proper reply",
                (struct str){f->h->flat.p, f->h->flat.len});
    } while (was->pushes && r.left.len > 0);
    if (r.left.len > 0)
        wrong(f, "more than one reply", r.left);
    if (r.bulk.len > 0 && r.bulk.len <= 64 * KIB) {
        f->bulk.len = 0;
        buf_append(&f->bulk, r.bulk.p, r.bulk.len);
    }
}

/* What came to a subscriber is whole messages of its protocol. */
static void
check_inboxes(struct fuzz *f)
{
    harness_deliver(f->h);
    for (int i = 0; i < f->h->n_sessions; i++) {
        struct buf *inbox = &f->h->inboxes[i];
        struct reply_reader r = {
            .left = {inbox->p, inbox->len},
            .resp3 = f->h->sessions[i].protocol == 3,
        };

        while (r.left.len > 0) {
            char type = r.left.p[0]; /* + is for monitors */

            if ((type != '+' && type != (r.resp3 ? '>' : '*')) ||
                !reply_read(&r))
                wrong(f, "no proper message", r.left);
        }
        inbox->len = 0;
    }
}

/* ---- steps --------------------------------------------------------------- */

static void
reconnect(struct fuzz *f, int n)
{
    harness_reconnect(f->h, n);
    f->odd_exec[n] = false;
    if (n % 2 == 1)
        f->h->sessions[n].protocol = 3;
}

/* Close those who quit or were killed, as the daemon does. */
static void
close_ended(struct fuzz *f)
{
    struct harness *h = f->h;

    for (int i = 0; i < h->n_sessions; i++) {
        bool end = h->sessions[i].close_after_reply;

        for (int k = 0; k < MIN(h->n_killed, HARNESS_SESSIONS); k++)
            end |= h->killed[k] == h->sessions[i].id;
        if (end)
            reconnect(f, i);
    }
    h->n_killed = 0;
}

static void
run_words(struct fuzz *f, bool prefetch, bool extent)
{
    struct str last = f->words[f->n_words - 1];

    if (extent && f->n_words > 1 && last.len >= 16 * KIB)
        (void)harness_run_extent(f->h, f->words, f->n_words - 1, last);
    else if (prefetch)
        (void)harness_run_prefetched(f->h, f->words, f->n_words);
    else
        (void)harness_run(f->h, f->words, f->n_words);
}

/* Bits of `control`: 0 and 1 the session, 2 and 3 how it is called, 4 to 6 how
 * many arguments. */
static void
run_command(struct fuzz *f, uint8_t control)
{
    int n = control & 3;
    struct session *s = &f->h->sessions[n];
    const struct command *row = make_command(f, control >> 4 & 7);
    struct before was = {
        .protocol = s->protocol,
        /* who monitors already is told nothing, as in Redis */
        .silent =
            is_silent(s) || (s->monitors && row->handler == cmd_monitor),
        .in_multi = s->queued >= 0,
        .pushes = row->flags & CMD_PUSHES,
    };

    harness_switch(f->h, n);
    /* A reply within EXEC that is several, none, or of another protocol. */
    if (was.in_multi &&
        (was.pushes || row->handler == cmd_hello ||
            strncmp(row->name, "client|reply", 12) == 0))
        f->odd_exec[n] = true;
    run_words(f, control & 4, control & 8);
    check_reply(f, n, &was);
    if (s->queued < 0)
        f->odd_exec[n] = false;
    check_inboxes(f);
    drop_words(f);
    close_ended(f);
}

/* Steps that are no command of the table. */
static void
run_other(struct fuzz *f, uint8_t control)
{
    switch (control & 7) {
    case 0:
        f->now_ms += 1;
        break;
    case 1:
        f->now_ms += (uint64_t)take(f) * 100;
        break;
    case 2:
        f->now_ms += (uint64_t)take_two(f) * 1000;
        break;
    case 3:
        reconnect(f, control >> 3 & 3);
        break;
    case 4:
        session_command_lost(&f->h->sessions[control >> 3 & 3]);
        break;
    case 5:
        for (int i = 0; i < 8; i++)
            (void)ks_maintain(f->h->ks_thread);
        command_thread_poll(f->h->thread);
        break;
    default: /* any name */
        add_bytes(f, control >> 3 & 15, false);
        add_argument(f, command_table);
        harness_switch(f->h, 0);
        run_words(f, false, false);
        drop_words(f);
        close_ended(f);
    }
    clock_fake(f->now_ms);
}

/* ---- one input ----------------------------------------------------------- */

static void
start(struct fuzz *f)
{
    clock_fake(f->now_ms);
    f->h = harness_new_limit(LIMIT_BYTES);
    /* Values of 512 MiB would only take long. */
    f->h->refuse_option = "maxmemory";
    while (f->h->n_sessions < HARNESS_SESSIONS)
        harness_connect(f->h);
    for (int i = 0; i < HARNESS_SESSIONS; i++)
        reconnect(f, i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.p = data, .end = data + size, .now_ms = START_MS};

    start(&f);
    for (int i = 0; i < MAX_STEPS && f.p < f.end && f.h->n_shutdowns == 0;
         i++) {
        uint8_t control = take(&f);

        if (control & 0x80)
            run_other(&f, control);
        else
            run_command(&f, control);
    }
    harness_free(f.h);
    buf_free(&f.bulk);
    return 0;
}
