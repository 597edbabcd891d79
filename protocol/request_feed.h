/* SPDX-License-Identifier: BSD-3-Clause */
/* request_feed.h - a connection for tests of request.c: feeds the parser in
 * chunks and writes down what comes out.
 *
 * The input stands in memory of exactly its size and moves with every chunk,
 * so that AddressSanitizer sees a byte too much and a pointer kept too long.
 * For request_test.c and request_fuzz.c only.
 */
#pragma once

#include "protocol/resp.h"

#include <stdlib.h>

struct feeder {
    struct resp_parser parser;
    char *input;
    size_t len;
    bool receiving;    /* the last bulk in large[] */
    struct buf *large; /* bulks of this command; the extent is index + 1 */
    uint32_t n_large;
    struct buf log; /* "[GET|key]" for a command, "!text" for an error */
};

static inline void
feeder_init(struct feeder *f)
{
    memset(f, 0, sizeof(*f));
    resp_parser_init(&f->parser);
}

static inline void
feeder_drop_large(struct feeder *f)
{
    while (f->n_large > 0)
        buf_free(&f->large[--f->n_large]);
}

static inline void
feeder_free(struct feeder *f)
{
    feeder_drop_large(f);
    free(f->large);
    resp_parser_free(&f->parser);
    free(f->input);
    buf_free(&f->log);
}

/* The input becomes a copy of `keep` bytes at `from` and `n` more. */
static inline void
feeder_move(
    struct feeder *f, const char *from, size_t keep, const char *more, size_t n)
{
    char *fresh = malloc(keep + n);

    ASSERT(fresh != NULL || keep + n == 0);
    if (keep > 0)
        memcpy(fresh, from, keep);
    if (n > 0)
        memcpy(fresh + keep, more, n);
    free(f->input);
    f->input = fresh;
    f->len = keep + n;
}

static inline void
feeder_log_bytes(struct feeder *f, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c < ' ' || c > '~' || strchr("[|]\\", c) != NULL)
            buf_printf(&f->log, "\\x%02x", c);
        else
            buf_append(&f->log, p + i, 1);
    }
}

/* Each argument lies within the command's bytes, or is a large bulk. */
static inline void
feeder_log_command(struct feeder *f)
{
    const struct resp_parser *p = &f->parser;

    ASSERT(p->argc > 0 && p->argc <= p->argv_cap);
    ASSERT(p->consumed > 0 && p->consumed <= f->len);
    for (int i = 0; i < p->argc; i++) {
        const struct resp_arg *arg = &p->argv[i];

        if (arg->external) {
            ASSERT(arg->len >= p->large_min);
            ASSERT(arg->p == f->large[arg->extent - 1].p);
            ASSERT(arg->len == f->large[arg->extent - 1].len);
        } else {
            ASSERT(arg->extent == 0);
            ASSERT(arg->p >= f->input);
            ASSERT(arg->p + arg->len <= f->input + p->consumed);
        }
        buf_append(&f->log, i == 0 ? "[" : "|", 1);
        feeder_log_bytes(f, arg->p, arg->len);
    }
    buf_append(&f->log, "]", 1);
    feeder_drop_large(f);
}

/* Copy bytes of the bulk that is being received. An extent commits as bytes
 * arrive; a buffer may move, so that it is handed over when complete. */
static inline void
feeder_finish_large(struct feeder *f)
{
    struct buf *large = &f->large[f->n_large - 1];

    f->receiving = large->len < f->parser.large_len;
    if (f->receiving)
        return;
    buf_reserve(large, 1); /* an empty bulk has an address, too */
    resp_large_done(&f->parser, large->p, f->n_large);
}

static inline void
feeder_begin_large(struct feeder *f)
{
    const struct resp_parser *p = &f->parser;
    size_t there = MIN(p->large_len, f->len - p->pos);
    char *input = f->input;
    struct buf *large;

    ASSERT(p->consumed == 0 && p->pos <= f->len);
    f->large = xrealloc(f->large, (f->n_large + 1) * sizeof(*f->large));
    large = &f->large[f->n_large++];
    *large = (struct buf){0};
    buf_reserve(large, there + 1);
    large->len = resp_large_take(p, &input, &f->len, large->p);
    ASSERT(large->len == there);
    feeder_move(f, input, f->len, NULL, 0);
    feeder_finish_large(f);
}

/* Parse what there is; false after an error. */
static inline bool
feeder_parse(struct feeder *f)
{
    for (;;) {
        enum resp_status status = resp_parse(&f->parser, f->input, f->len);

        if (status == RESP_ERROR) {
            buf_append(&f->log, "!", 1);
            feeder_log_bytes(f, f->parser.error, strlen(f->parser.error));
            return false;
        }
        if (status == RESP_COMMAND)
            feeder_log_command(f);
        if (status == RESP_LARGE)
            feeder_begin_large(f);
        else
            feeder_move(f, f->input + f->parser.consumed,
                f->len - f->parser.consumed, NULL, 0);
        if (status == RESP_MORE || f->receiving)
            return true;
    }
}

/* Take `n` bytes that have come from the client; false after an error. */
static inline bool
feeder_feed(struct feeder *f, const char *bytes, size_t n)
{
    if (f->receiving) {
        struct buf *large = &f->large[f->n_large - 1];
        size_t part = MIN(n, f->parser.large_len - large->len);

        buf_append(large, bytes, part);
        bytes += part;
        n -= part;
        feeder_finish_large(f);
        if (f->receiving)
            return true;
    }
    feeder_move(f, f->input, f->len, bytes, n);
    return feeder_parse(f);
}

/* What has come out, as a C string; "~" at its end: something is half read.
 * Call once, at the end. */
static inline const char *
feeder_log(struct feeder *f, bool failed)
{
    if (!failed && (f->len > 0 || !resp_parser_idle(&f->parser)))
        buf_append(&f->log, "~", 1);
    buf_append(&f->log, "", 1);
    return f->log.p;
}
