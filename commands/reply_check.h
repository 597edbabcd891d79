/* SPDX-License-Identifier: BSD-3-Clause */
/* reply_check.h - is this one complete reply of RESP2, or of RESP3?
 *
 * Reads what reply.c writes without sharing a line with it. Strict: a line has
 * no stray CR or LF, a number nothing but its digits, and in RESP2 nothing of
 * RESP3 appears. For tests; the caller's bytes stay where they are.
 */
#pragma once

#include <stdlib.h>

#include "base/base.h"

struct reply_reader {
    struct str left; /* what has not been read */
    bool resp3;      /* types of RESP3 are allowed */
    struct str bulk; /* the last bulk that is not empty */
};

/* The next line without its CRLF. */
static inline bool
reply_read_line(struct reply_reader *r, struct str *line)
{
    const char *end =
        r->left.len == 0 ? NULL : memchr(r->left.p, '\r', r->left.len);
    size_t len;

    if (end == NULL)
        return false;
    len = (size_t)(end - r->left.p);
    if (len + 1 >= r->left.len || end[1] != '\n' ||
        memchr(r->left.p, '\n', len) != NULL)
        return false;
    *line = (struct str){r->left.p, len};
    r->left = (struct str){end + 2, r->left.len - len - 2};
    return true;
}

/* The bytes of a bulk and its CRLF. */
static inline bool
reply_read_bytes(struct reply_reader *r, int64_t len)
{
    size_t n = (size_t)len;

    if (len < 0 || r->left.len < 2 || n > r->left.len - 2 ||
        memcmp(r->left.p + n, "\r\n", 2) != 0)
        return false;
    if (n > 0)
        r->bulk = (struct str){r->left.p, n};
    r->left = (struct str){r->left.p + n + 2, r->left.len - n - 2};
    return true;
}

static inline bool
reply_is_double(struct str s)
{
    char text[64], *end;

    if (s.len == 0 || s.len >= sizeof(text) || s.p[0] == ' ')
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    (void)strtod(text, &end);
    return *end == '\0';
}

/* One line and, for a bulk, its bytes. Adds to *pending the replies that the
 * header of an aggregate promises. */
static inline bool
reply_read_frame(struct reply_reader *r, uint64_t *pending)
{
    struct str line, rest;
    int64_t n = 0;
    char type;

    if (!reply_read_line(r, &line) || line.len == 0)
        return false;
    type = line.p[0];
    rest = (struct str){line.p + 1, line.len - 1};
    if (type == '\0' || (!r->resp3 && strchr("+-:$*", type) == NULL))
        return false;
    if (strchr(":$*%~>=", type) != NULL && !str_to_i64(rest, &n))
        return false;
    switch (type) {
    case '+':
    case '-':
        return rest.len > 0;
    case ':':
        return true;
    case '$':
        return n == -1 ? !r->resp3 : reply_read_bytes(r, n);
    case '=':
        return reply_read_bytes(r, n) && r->bulk.len >= 4 &&
            r->bulk.p[3] == ':';
    case '_':
        return rest.len == 0;
    case '#':
        return str_eq(rest, STR("t")) || str_eq(rest, STR("f"));
    case ',':
        return reply_is_double(rest);
    case '*':
    case '~':
    case '>':
    case '%':
        if (n == -1)
            return type == '*' && !r->resp3;
        *pending += (uint64_t)n * (type == '%' ? 2 : 1);
        return n >= 0;
    default:
        return false;
    }
}

/* Read one reply with all that is in it. */
static inline bool
reply_read(struct reply_reader *r)
{
    for (uint64_t pending = 1; pending > 0; pending--) {
        if (!reply_read_frame(r, &pending))
            return false;
    }
    return true;
}
