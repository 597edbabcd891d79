/* SPDX-License-Identifier: BSD-3-Clause */
/* resp.h - bytes of RESP2/RESP3 to arguments, replies to bytes.
 *
 * Knows no sockets and no storage. One parser per connection, any split of the
 * input gives the same commands. Error texts are those of Redis 7.
 */
#pragma once

#include "base/base.h"

/* ---- requests (request.c) ------------------------------------------------ */

#define RESP_MAX_INLINE ((size_t)64 << 10) /* a line, header or inline */
#define RESP_MAX_ARGS ((int64_t)INT32_MAX) /* as Redis 7.0 */
#define RESP_MAX_BULK ((int64_t)512 << 20)

/* An argument: `len` bytes at `p`. */
struct resp_arg {
    union {
        const char *p;
        size_t at; /* [parser] while the command is incomplete: offset */
    };
    size_t len;
    uint32_t extent; /* not 0: the bytes stand in this external memory, which
                        the caller provided and still owns */
    bool external;   /* the bytes do not stand in the input */
};

enum resp_status {
    RESP_COMMAND, /* argv/argc hold one command */
    RESP_MORE,    /* needs more bytes */
    RESP_LARGE,   /* a bulk of `large_len` bytes >= large_min begins */
    RESP_ERROR,   /* protocol error: `error` says which; close after it */
};

/* State of one connection: 152 bytes, and argv while it is in use. May be moved
 * by assignment. */
struct resp_parser {
    /* limits; set by the owner after resp_parser_init, at any time */
    int64_t max_bulk;     /* largest bulk; default RESP_MAX_BULK */
    int64_t max_args;     /* default RESP_MAX_ARGS, which is the largest */
    size_t large_min;     /* bulks from this size (at least 1) are RESP_LARGE;
                             default SIZE_MAX (never) */
    bool unauthenticated; /* Redis' tighter limits: 10 args, 16 KiB bulks */

    /* result */
    bool large_dropped;    /* a large bulk of this command was thrown away:
                              answer -OOM in place of running it */
    int argc;              /* arguments so far, also while incomplete */
    struct resp_arg *argv; /* owned by the parser; grows as arguments arrive,
                              never from a count alone */
    size_t consumed;       /* bytes at the start of input that are done with */
    size_t large_len;      /* at RESP_LARGE: bytes of the bulk */
    char error[56];        /* text after "-ERR ", one line without CRLF */

    /* [parser] state between calls; owner may read pos at RESP_LARGE */
    size_t pos;     /* next byte to look at, from the start of input */
    size_t scanned; /* bytes from pos on that hold no end of line */
    int64_t args_left;
    int64_t bulk_len; /* of the bulk that begins at pos; -1: at its header */
    int argv_cap;
    uint8_t state;
};

/* Before anything else; no memory is taken yet. The limits are the caller's to
 * set then. */
void resp_parser_init(struct resp_parser *p);
void resp_parser_free(struct resp_parser *p); /* releases argv */

/* Take the next command from `input`, which starts at the first byte of a
 * command that is not finished yet. Since the last call the caller has dropped
 * `consumed` bytes from its start (zero or more, whatever was returned), may
 * have appended bytes, and may have moved all of it; nothing else changed.
 * Cost is that of the new bytes: nothing is parsed twice.
 *
 * RESP_COMMAND: argv/argc hold it and are valid until the next call; the bytes
 * they point at (in input, or in external memory) are the caller's, so that a
 * caller who keeps the input and copies the entries of argv can go on parsing
 * before it runs the command. Extents in argv are the caller's to release.
 * RESP_MORE: call again when more bytes have come. `consumed` is not 0 only
 * when empty commands (an empty array, a blank line) have been skipped.
 * RESP_LARGE: the header of a large bulk was read; `consumed` is 0. See below.
 * RESP_ERROR: close the connection after sending "-ERR <error>". Further calls
 * return the same.
 *
 * Within input, the parser writes only to the line of an inline command that
 * it returns: quotes and escapes are resolved in place. */
enum resp_status resp_parse(struct resp_parser *p, char *input, size_t len);

/* The usual case on its own: take a command that is wholly there, of bulks of
 * 1 to 9999 bytes that need no look at a limit, into `argv` of the caller,
 * which has room for `room`. Returns how many arguments it has, and its bytes
 * in *consumed; 0, with nothing changed, for anything else, which resp_parse()
 * then looks at. The parser is idle, and stays so. The head, zeroed at first, is
 * how the last one of these began: most begin alike. What it says was within the
 * limits of that time. */
struct resp_head {
    uint64_t word;    /* the headers of the array and of the first argument */
    uint8_t name_len; /* of that */
    int argc;         /* 0: there is no head */
};

int resp_take_short(const struct resp_parser *p, struct resp_head *head,
    const char *input, size_t len, struct resp_arg *argv, int room,
    size_t *consumed);

/* ---- large bulks
 *
 * At RESP_LARGE the input reads, with pos and large_len of the parser,
 *
 *     [0, pos)                 the command so far: keep
 *     [pos, pos + large_len)   the bulk, as far as it has come
 *     then CRLF and whatever follows, if it has come
 *
 * The caller takes the bytes of the bulk out of the input (resp_large_take)
 * into memory of its own, receives the rest of them directly into that memory,
 * and calls resp_large_done(). The next input then begins with the kept bytes
 * [0, pos), and at pos stands the CRLF after the bulk. Several bulks of one
 * command may be large. Until resp_large_done(), resp_parse must not be
 * called; resp_parser_reset may. */

/* Move the bytes of the bulk that have come, at most large_len, from the input
 * to `to` (NULL: nowhere); returns how many. What is left of the input is
 * joined by moving the shorter side, so *input may advance within the same
 * memory. */
size_t resp_large_take(
    const struct resp_parser *p, char **input, size_t *len, char *to);

/* All bytes of the large bulk are at `ptr`, known as `extent` (not 0): they
 * become the next argument. ptr NULL: there was no memory and the bytes were
 * thrown away; the argument is empty and large_dropped set. */
void resp_large_done(struct resp_parser *p, const char *ptr, uint32_t extent);

/* ---- between commands */

/* Forget a half-read command or an error (RESET, close). Before, unless the
 * parser is idle, the caller releases the extents in argv[0..argc): large bulks
 * that came before the command broke off. */
void resp_parser_reset(struct resp_parser *p);

/* No command is half read (bytes of a first line apart). */
static inline bool
resp_parser_idle(const struct resp_parser *p)
{
    return p->state == 0;
}

/* Bytes of argv, which a client can make grow by sending many arguments: to be
 * counted with its input. */
static inline size_t
resp_parser_bytes(const struct resp_parser *p)
{
    return (size_t)p->argv_cap * sizeof(struct resp_arg);
}

/* Release argv if no command is half read. For connections that fall idle; the
 * command returned last is gone with it. */
void resp_parser_shrink(struct resp_parser *p);

/* ---- replies (reply.c) --------------------------------------------------- */

/* Bytes that stand elsewhere and belong at `at` of the output. The holder of
 * the output releases `extent` (one pin) when they are sent or dropped. */
struct reply_ref {
    size_t at; /* offset in out->p before which the bytes are sent */
    const char *p;
    size_t len;
    uint32_t extent;
};

/* Where a command writes its answer: bytes go to the end of `out`; large
 * values are referenced. Belongs to one thread. */
struct reply {
    struct buf *out;
    struct reply_ref *refs; /* grown with realloc; owned by the holder */
    size_t n_refs, cap_refs;
    int protocol;    /* 2 or 3 */
    size_t bulk_end; /* [reply.c] end in out->p of the bulk that is open */
};

/* Append bytes that are a whole reply. */
static inline void
reply_raw(struct reply *r, struct str s)
{
    buf_append(r->out, s.p, s.len);
}

static inline void
reply_ok(struct reply *r)
{
    reply_raw(r, STR("+OK\r\n"));
}

/* _ or $-1 */
static inline void
reply_null(struct reply *r)
{
    reply_raw(r, r->protocol == 2 ? STR("$-1\r\n") : STR("_\r\n"));
}

void reply_null_array(struct reply *r); /* _ or *-1 */

/* +text, a line of our own (no CR, LF). */
void reply_simple(struct reply *r, const char *text);

/* -text, which begins with its code ("ERR no such key"). CR and LF at its ends
 * are cut, others become spaces: the text may hold bytes of the client. */
void reply_error(struct reply *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void reply_int(struct reply *r, int64_t v);
void reply_double(struct reply *r, double v); /* ,v or a bulk in RESP2 */
void reply_bool(struct reply *r, bool v);     /* #t or :1 */
void reply_bulk(struct reply *r, struct str s);
void reply_bulk_cstr(struct reply *r, const char *s);
void reply_bulk_int(struct reply *r, int64_t v);
void reply_bulk_printf(struct reply *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Text for people; kind3 is "txt" or "mkd". A plain bulk in RESP2. */
void reply_verbatim(struct reply *r, const char *kind3, struct str s);

/* Headers; the caller appends the n elements (2 n for a map). */
void reply_array(struct reply *r, size_t n);
void reply_map(struct reply *r, size_t n_pairs); /* %n or *2n */
void reply_set(struct reply *r, size_t n);       /* ~n or *n */
void reply_push(struct reply *r, size_t n);      /* >n or *n */

/* A bulk whose bytes the caller fills in: returns where `len` bytes go. The
 * bulk is in the output after reply_bulk_commit(), and not at all without it.
 * Nothing else may be appended in between; calling reply_bulk_open again
 * starts it anew. */
char *reply_bulk_open(struct reply *r, size_t len);

static inline void
reply_bulk_commit(struct reply *r)
{
    DEBUG_ASSERT(r->bulk_end > r->out->len && r->bulk_end <= r->out->cap);
    r->out->len = r->bulk_end;
}

/* A bulk that is sent from where it stands; the holder of the output takes
 * over one pin of `extent`. */
void reply_bulk_ref(
    struct reply *r, const char *p, size_t len, uint32_t extent);

/* An array, map or set whose length is known only at the end: open returns a
 * position; close writes the length `n` there (elements, or pairs for a map),
 * moving what follows, and the refs in it, when the length needs more digits.
 * They nest: the last one opened is closed first. */
size_t reply_array_open(struct reply *r);
size_t reply_map_open(struct reply *r);
size_t reply_set_open(struct reply *r);
void reply_array_close(struct reply *r, size_t position, size_t n);
