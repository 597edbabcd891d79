/* SPDX-License-Identifier: BSD-3-Clause */
/* request.c - the incremental parser of requests: RESP arrays of bulks, and
 * inline commands, whose words inline.c reads.
 *
 * Any thread, one parser at a time. Everything is as Redis 7.0.15 has it,
 * including what it lets pass: the two bytes that end a header line after its
 * CR, or a bulk, are skipped and not looked at. Where it differs:
 *
 * - Redis takes a NUL byte in a line for the end of its buffer, and waits for
 *   more. Here it is a byte like others: wrong in a header, part of a word in
 *   an inline command.
 * - Redis looks whether a line is too long only when it finds no end of line
 *   in what has arrived. Here the length alone decides, so that the split of
 *   the bytes makes no difference.
 */
#include "protocol/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum state {
    STATE_START,     /* at the first line of a command */
    STATE_BULKS,     /* args_left bulks to come */
    STATE_LARGE,     /* the caller receives a large bulk */
    STATE_LARGE_END, /* at the CRLF after it */
    STATE_FAILED,
};
_Static_assert(STATE_START == 0, "resp_parser_idle");

#define UNAUTHENTICATED_ARGS 10
#define UNAUTHENTICATED_BULK 16384

/* Room for the arguments of nearly all commands. */
#define FIRST_ARGV_CAP 8

/* Shortest bulk, "$0\r\n\r\n". No header of a count or a bulk that is wholly
 * there is followed by fewer bytes. */
#define SHORTEST_BULK 6

/* The input of one call. */
struct feed {
    char *input;
    size_t len;
    size_t skipped; /* bytes of empty commands at the start of input */
    int known;      /* arguments from earlier calls: they hold offsets, those
                       of this call pointers */
};

static enum resp_status
fail(struct resp_parser *p, const char *text)
{
    snprintf(p->error, sizeof(p->error), "%s", text);
    p->state = STATE_FAILED;
    return RESP_ERROR;
}

/* ---- arguments ----------------------------------------------------------- */

/* Make room for one more argument. */
static bool
reserve_arg(struct resp_parser *p)
{
    struct resp_arg *grown;
    int cap;

    if (likely(p->argc < p->argv_cap))
        return true;
    cap = p->argv_cap == 0 ? FIRST_ARGV_CAP
                           : (int)MIN((int64_t)p->argv_cap * 2, RESP_MAX_ARGS);
    grown = realloc(p->argv, (size_t)cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    p->argv = grown;
    p->argv_cap = cap;
    return true;
}

static void
push_arg(struct resp_parser *p, const char *bytes, size_t len)
{
    p->argv[p->argc++] = (struct resp_arg){.p = bytes, .len = len};
}

/* Turn the arguments found in this call into offsets from the end of what was
 * skipped: the input may move before the next one. */
static void
keep_args(struct resp_parser *p, const struct feed *f)
{
    for (int i = f->known; i < p->argc; i++)
        p->argv[i].at = (size_t)(p->argv[i].p - f->input) - f->skipped;
}

static enum resp_status
need_more(struct resp_parser *p, const struct feed *f)
{
    keep_args(p, f);
    p->consumed = f->skipped;
    p->pos -= f->skipped;
    return RESP_MORE;
}

static enum resp_status
finish_command(struct resp_parser *p, const struct feed *f)
{
    for (int i = 0; i < f->known; i++) {
        if (!p->argv[i].external)
            p->argv[i].p = f->input + p->argv[i].at;
    }
    p->consumed = p->pos;
    p->pos = 0;
    p->state = STATE_START;
    return RESP_COMMAND;
}

/* ---- header lines -------------------------------------------------------- */

/* Find `stop` in the line that begins at pos, looking only at bytes that have
 * not been looked at. Returns RESP_COMMAND with its distance from pos,
 * RESP_MORE, or RESP_ERROR when the line is too long. */
static enum resp_status
find_end(struct resp_parser *p, const struct feed *f, char stop, size_t *out)
{
    const char *line = f->input + p->pos;
    size_t there = f->len - p->pos;
    size_t window = MIN(there, RESP_MAX_INLINE + 1);
    const char *end;

    end = memchr(line + p->scanned, stop, window - p->scanned);
    if (end == NULL) {
        p->scanned = window;
        return there > RESP_MAX_INLINE ? RESP_ERROR : RESP_MORE;
    }
    *out = p->scanned = (size_t)(end - line);
    return RESP_COMMAND;
}

/* The header line at pos without its type byte and line end, as find_end.
 * `next` is where the bytes after the line begin. */
static enum resp_status
find_header(struct resp_parser *p, const struct feed *f, struct str *number,
    size_t *next)
{
    size_t cr;
    enum resp_status status = find_end(p, f, '\r', &cr);

    if (status != RESP_COMMAND)
        return status;
    if (f->len - p->pos < cr + 2)
        return RESP_MORE;
    *number = (struct str){f->input + p->pos + 1, cr == 0 ? 0 : cr - 1};
    *next = p->pos + cr + 2;
    p->scanned = 0;
    return RESP_COMMAND;
}

/* Read a number from 1 to 9999 and its CRLF at `c`, where at least
 * SHORTEST_BULK - 1 bytes are. Returns the bytes it takes, or 0 when there is
 * anything else. The last of six may be one that has not come. */
static inline unsigned
read_short_number(const char *c, unsigned *out)
{
    unsigned d0 = (unsigned char)c[0] - (unsigned)'0';
    unsigned d1 = (unsigned char)c[1] - (unsigned)'0';
    unsigned d2, d3;

    if (d0 - 1 > 8)
        return 0;
    if (c[1] == '\r') {
        *out = d0;
        return 3;
    }
    if (d1 > 9)
        return 0;
    if (c[2] == '\r') {
        *out = d0 * 10 + d1;
        return 4;
    }
    d2 = (unsigned char)c[2] - (unsigned)'0';
    if (d2 > 9)
        return 0;
    if (c[3] == '\r') {
        *out = d0 * 100 + d1 * 10 + d2;
        return 5;
    }
    d3 = (unsigned char)c[3] - (unsigned)'0';
    if (d3 > 9 || c[4] != '\r')
        return 0;
    *out = d0 * 1000 + d1 * 100 + d2 * 10 + d3;
    return 6;
}

/* ---- arrays of bulks ----------------------------------------------------- */

static enum resp_status
take_count(struct resp_parser *p, int64_t n, size_t next)
{
    if (n > p->max_args)
        return fail(p, "Protocol error: invalid multibulk length");
    if (n > UNAUTHENTICATED_ARGS && p->unauthenticated)
        return fail(p, "Protocol error: unauthenticated multibulk length");
    p->args_left = MAX(n, 0);
    p->pos = next;
    return RESP_COMMAND;
}

/* Read "*N"; counts below 1 make an empty command. */
static enum resp_status
read_count(struct resp_parser *p, const struct feed *f)
{
    unsigned short_n, taken;
    enum resp_status status;
    struct str number;
    size_t next;
    int64_t n;

    if (likely(f->len - p->pos >= SHORTEST_BULK)) {
        taken = read_short_number(f->input + p->pos + 1, &short_n);
        if (likely(taken != 0 && taken < f->len - p->pos)) {
            p->scanned = 0;
            return take_count(p, short_n, p->pos + 1 + taken);
        }
    }
    status = find_header(p, f, &number, &next);
    if (status == RESP_ERROR)
        return fail(p, "Protocol error: too big mbulk count string");
    if (status != RESP_COMMAND)
        return status;
    if (!str_to_i64(number, &n))
        return fail(p, "Protocol error: invalid multibulk length");
    return take_count(p, n, next);
}

/* A byte of the client in an error text; replies cannot hold line ends. */
static enum resp_status
fail_not_a_bulk(struct resp_parser *p, char got)
{
    if (got == '\r' || got == '\n')
        got = ' ';
    fail(p, "Protocol error: expected '$', got '?'");
    *strchr(p->error, '?') = got;
    return RESP_ERROR;
}

/* Read "$N" into bulk_len. */
static enum resp_status
read_bulk_header(struct resp_parser *p, const struct feed *f)
{
    struct str number;
    size_t next;
    int64_t n;
    enum resp_status status = find_header(p, f, &number, &next);

    if (status == RESP_ERROR)
        return fail(p, "Protocol error: too big bulk count string");
    if (status != RESP_COMMAND)
        return status;
    if (f->input[p->pos] != '$')
        return fail_not_a_bulk(p, f->input[p->pos]);
    if (!str_to_i64(number, &n) || n < 0 || n > p->max_bulk)
        return fail(p, "Protocol error: invalid bulk length");
    if (n > UNAUTHENTICATED_BULK && p->unauthenticated)
        return fail(p, "Protocol error: unauthenticated bulk length");
    p->pos = next;
    p->bulk_len = n;
    return RESP_COMMAND;
}

/* The header of a bulk of 1 to 99 bytes, in its first four bytes. Returns the
 * bytes it takes, or 0 when it is anything else. */
static inline unsigned
read_shortest_header(const char *c, unsigned *len)
{
    unsigned d0 = (unsigned char)c[1] - (unsigned)'0';
    unsigned d1 = (unsigned char)c[2] - (unsigned)'0';

    if (d0 - 1 > 8 || c[0] != '$')
        return 0;
    *len = d0;
    if (c[2] == '\r')
        return 4;
    *len = d0 * 10 + d1;
    return d1 <= 9 && c[3] == '\r' ? 5 : 0;
}

/* Take bulks of 1 to 9999 bytes, and no more than `limit`, as long as they are
 * wholly there: the inner loop of the parser. Fills from *arg to `full`;
 * returns where it stops, at a bulk that is anything else or at the end. */
static inline __attribute__((always_inline)) const char *
take_short_bulks(const char *c, const char *end, size_t limit,
    struct resp_arg **arg, const struct resp_arg *full)
{
    while (*arg < full && end - c >= SHORTEST_BULK) {
        unsigned len;
        unsigned taken = read_shortest_header(c, &len);

        if (unlikely(taken == 0)) {
            taken = *c == '$' ? read_short_number(c + 1, &len) : 0;
            if (taken++ == 0)
                break;
        }
        c += taken;
        if (len > limit || end - c < (ptrdiff_t)len + 2) {
            c -= taken;
            break;
        }
        *(*arg)++ = (struct resp_arg){.p = c, .len = len};
        c += len + 2;
    }
    return c;
}

/* The largest bulk that needs no look at limits. */
static inline size_t
short_limit(const struct resp_parser *p)
{
    return MIN((size_t)p->max_bulk, p->large_min - 1);
}

/* Go on with an array: take the short bulks at pos, as far as argv has room.*/
static void
read_short_bulks(struct resp_parser *p, const struct feed *f)
{
    int64_t room = MIN(p->args_left, (int64_t)p->argv_cap - p->argc);
    struct resp_arg *first, *arg;
    const char *c;

    if (room <= 0)
        return;
    arg = first = p->argv + p->argc;
    c = take_short_bulks(f->input + p->pos, f->input + f->len, short_limit(p),
        &arg, first + room);
    if (arg == first)
        return;
    p->argc += (int)(arg - first);
    p->args_left -= arg - first;
    p->pos = (size_t)(c - f->input);
    p->scanned = 0;
}

/* ---- commands that begin as the last one did ----------------------------- */

static inline uint64_t
load8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

/* Keep the two header lines that a command begins with, if they are a word:
 * "*2\r\n$3\r\n". */
static inline void
keep_head(struct resp_head *h, const char *input, const struct resp_arg *name,
    int argc)
{
    h->argc = 0;
    if (name->p - input != sizeof(h->word))
        return;
    h->word = load8(input);
    h->name_len = (uint8_t)name->len;
    h->argc = argc;
}

static inline bool
has_head(const struct resp_head *h, const char *input, size_t len)
{
    return len >= sizeof(h->word) + h->name_len + 2 &&
        load8(input) == h->word;
}

/* resp_take_short() of a command that has the head. */
static inline int
take_after_head(const struct resp_parser *p, const struct resp_head *h,
    const char *input, size_t len, struct resp_arg *argv, size_t *consumed)
{
    struct resp_arg *arg = argv + 1, *full = argv + h->argc;
    const char *name = input + sizeof(h->word), *c;

    argv[0] = (struct resp_arg){.p = name, .len = h->name_len};
    c = take_short_bulks(name + h->name_len + 2, input + len, short_limit(p),
        &arg, full);
    if (unlikely(arg != full))
        return 0;
    *consumed = (size_t)(c - input);
    return h->argc;
}

/* The same of any. */
static __attribute__((noinline)) int
take_short(const struct resp_parser *p, const char *input, size_t len,
    struct resp_arg *argv, int room, size_t *consumed)
{
    struct resp_arg *arg = argv;
    unsigned n, taken;
    const char *c;

    if (len < SHORTEST_BULK || *input != '*')
        return 0;
    taken = read_short_number(input + 1, &n);
    if (taken == 0 || n > (unsigned)room || n > p->max_args ||
        (n > UNAUTHENTICATED_ARGS && p->unauthenticated))
        return 0;
    c = take_short_bulks(
        input + 1 + taken, input + len, short_limit(p), &arg, arg + n);
    if (arg != argv + n)
        return 0;
    *consumed = (size_t)(c - input);
    return (int)n;
}

int
resp_take_short(const struct resp_parser *p, struct resp_head *head,
    const char *input, size_t len, struct resp_arg *argv, int room,
    size_t *consumed)
{
    int argc;

    DEBUG_ASSERT(resp_parser_idle(p) && p->pos + p->scanned == 0);
    if (likely(head->argc != 0 && head->argc <= room && !p->unauthenticated) &&
        has_head(head, input, len))
        return take_after_head(p, head, input, len, argv, consumed);
    argc = take_short(p, input, len, argv, room, consumed);
    if (argc > 0)
        keep_head(head, input, argv, argc);
    return argc;
}

static enum resp_status
begin_large(struct resp_parser *p, struct feed *f)
{
    f->skipped = 0; /* these bytes go with the command */
    keep_args(p, f);
    p->large_len = (size_t)p->bulk_len;
    p->state = STATE_LARGE;
    return RESP_LARGE;
}

/* Read one bulk of any length. RESP_COMMAND: it is an argument now. */
static enum resp_status
read_bulk(struct resp_parser *p, struct feed *f)
{
    enum resp_status status;
    size_t len;

    if (p->bulk_len < 0) {
        status = read_bulk_header(p, f);
        if (status != RESP_COMMAND)
            return status;
        if (!reserve_arg(p))
            return fail(p, "out of memory for the arguments of a command");
        if ((size_t)p->bulk_len >= p->large_min)
            return begin_large(p, f);
    }
    len = (size_t)p->bulk_len;
    if (f->len - p->pos < len + 2)
        return RESP_MORE;
    push_arg(p, f->input + p->pos, len);
    p->pos += len + 2;
    p->bulk_len = -1;
    p->args_left--;
    return RESP_COMMAND;
}

static enum resp_status
read_bulks(struct resp_parser *p, struct feed *f)
{
    enum resp_status status;

    for (;;) {
        if (p->bulk_len < 0)
            read_short_bulks(p, f);
        if (p->args_left == 0)
            return finish_command(p, f);
        status = read_bulk(p, f);
        if (status == RESP_MORE)
            return need_more(p, f);
        if (status != RESP_COMMAND)
            return status;
    }
}

/* ---- inline commands ----------------------------------------------------- */

static enum resp_status
split_line(struct resp_parser *p, char *s, const char *end)
{
    char *word;
    size_t len;

    for (;;) {
        s = inline_skip_spaces(s, end);
        if (s == end)
            return RESP_COMMAND;
        word = s;
        s = inline_read_word(s, end, &len);
        if (s == NULL)
            return fail(p, "Protocol error: unbalanced quotes in request");
        if (!reserve_arg(p))
            return fail(p, "out of memory for the arguments of a command");
        push_arg(p, word, len);
    }
}

static enum resp_status
read_inline(struct resp_parser *p, const struct feed *f)
{
    char *line = f->input + p->pos;
    enum resp_status status;
    size_t len;

    status = find_end(p, f, '\n', &len);
    if (status == RESP_ERROR)
        return fail(p, "Protocol error: too big inline request");
    if (status != RESP_COMMAND)
        return status;
    p->scanned = 0;
    p->pos += len + 1;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    return split_line(p, line, line + len);
}

/* ---- commands ------------------------------------------------------------ */

/* Read the first line of a command, skipping empty commands. RESP_COMMAND: it
 * is an inline command, now complete, or args_left bulks follow. */
static enum resp_status
read_first_line(struct resp_parser *p, struct feed *f)
{
    enum resp_status status;

    for (;;) {
        if (p->pos == f->len)
            return need_more(p, f);
        status = f->input[p->pos] == '*' ? read_count(p, f) : read_inline(p, f);
        if (status == RESP_MORE)
            return need_more(p, f);
        if (status != RESP_COMMAND || p->argc > 0 || p->args_left > 0)
            return status;
        f->skipped = p->pos;
    }
}

enum resp_status
resp_parse(struct resp_parser *p, char *input, size_t len)
{
    struct feed f = {.input = input, .len = len};
    enum resp_status status;

    ASSERT(len >= p->pos + p->scanned);
    p->consumed = 0;
    switch (p->state) {
    case STATE_START:
        p->large_dropped = false;
        p->argc =
            take_short(p, input, len, p->argv, p->argv_cap, &p->consumed);
        if (likely(p->argc > 0)) {
            p->scanned = 0;
            return RESP_COMMAND;
        }
        status = read_first_line(p, &f);
        if (status != RESP_COMMAND)
            return status;
        if (p->args_left == 0)
            return finish_command(p, &f);
        p->state = STATE_BULKS;
        return read_bulks(p, &f);
    case STATE_BULKS:
        f.known = p->argc;
        return read_bulks(p, &f);
    case STATE_LARGE_END:
        f.known = p->argc;
        if (len - p->pos < 2)
            return RESP_MORE;
        p->pos += 2;
        p->state = STATE_BULKS;
        return read_bulks(p, &f);
    default:
        ASSERT(p->state == STATE_FAILED);
        return RESP_ERROR;
    }
}

size_t
resp_large_take(
    const struct resp_parser *p, char **input, size_t *len, char *to)
{
    char *bulk = *input + p->pos;
    size_t n = MIN(p->large_len, *len - p->pos);
    size_t after = *len - p->pos - n;

    ASSERT(p->state == STATE_LARGE);
    if (to != NULL && n > 0)
        memcpy(to, bulk, n);
    if (after <= p->pos) {
        memmove(bulk, bulk + n, after);
    } else {
        memmove(*input + n, *input, p->pos);
        *input += n;
    }
    *len -= n;
    return n;
}

void
resp_large_done(struct resp_parser *p, const char *ptr, uint32_t extent)
{
    ASSERT(p->state == STATE_LARGE);
    ASSERT((ptr == NULL) == (extent == 0));
    push_arg(p, ptr == NULL ? "" : ptr, ptr == NULL ? 0 : p->large_len);
    p->argv[p->argc - 1].extent = extent;
    p->argv[p->argc - 1].external = true;
    p->large_dropped |= ptr == NULL;
    p->bulk_len = -1;
    p->args_left--;
    p->state = STATE_LARGE_END;
}

void
resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){
        .max_bulk = RESP_MAX_BULK,
        .max_args = RESP_MAX_ARGS,
        .large_min = SIZE_MAX,
        .bulk_len = -1,
    };
}

void
resp_parser_free(struct resp_parser *p)
{
    free(p->argv);
    p->argv = NULL;
    p->argc = p->argv_cap = 0;
}

void
resp_parser_reset(struct resp_parser *p)
{
    p->state = STATE_START;
    p->argc = 0;
    p->args_left = 0;
    p->bulk_len = -1;
    p->pos = p->scanned = p->consumed = 0;
    p->large_dropped = false;
    p->error[0] = '\0';
}

void
resp_parser_shrink(struct resp_parser *p)
{
    if (resp_parser_idle(p))
        resp_parser_free(p);
}
