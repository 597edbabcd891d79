/* SPDX-License-Identifier: BSD-3-Clause */
/* reply.c - replies of commands to RESP2 or RESP3 bytes.
 *
 * Appends to the output that struct reply names; by the thread that owns it.
 * Each function reserves its room once and writes once. What RESP2 lacks is
 * given in the form that Redis gives it.
 */
#include "protocol/resp.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>

/* A type byte, a number of up to 20 digits with sign, CRLF. */
#define MAX_HEADER 24

static char *
put_crlf(char *to)
{
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

/* Write "<type><n>\r\n", for which there is room for MAX_HEADER bytes; returns
 * its end. Most are one word. */
static inline char *
put_header(char *to, char type, size_t n)
{
    if (likely(n < 100)) {
        uint64_t w = (uint64_t)('0' + n % 10) | '\r' << 8 | '\n' << 16;
        unsigned len = 4;

        if (n >= 10) {
            w = w << 8 | (uint64_t)('0' + n / 10);
            len = 5;
        }
        w = htole64(w << 8 | (uint8_t)type);
        memcpy(to, &w, sizeof(w));
        return to + len;
    }
    *to++ = type;
    if (n < 1000) {
        *to++ = (char)('0' + n / 100);
        *to++ = (char)('0' + n / 10 % 10);
        *to++ = (char)('0' + n % 10);
    } else {
        to += i64_to_chars(to, (int64_t)n);
    }
    return put_crlf(to);
}

static void
append_header(struct reply *r, char type, size_t n)
{
    char *to = buf_reserve(r->out, MAX_HEADER);

    r->out->len = (size_t)(put_header(to, type, n) - r->out->p);
}

/* Put a header in place of the `old_len` bytes at `position`, moving what
 * follows; returns by how much. */
static size_t
set_header(
    struct buf *out, size_t position, size_t old_len, char type, size_t n)
{
    char header[MAX_HEADER];
    size_t len = (size_t)(put_header(header, type, n) - header);
    size_t rest = out->len - position - old_len;
    char *at;

    ASSERT(len >= old_len);
    buf_reserve(out, len - old_len);
    at = out->p + position;
    if (len > old_len)
        memmove(at + len, at + old_len, rest);
    memcpy(at, header, len);
    out->len += len - old_len;
    return len - old_len;
}

/* ---- lines --------------------------------------------------------------- */

void
reply_null_array(struct reply *r)
{
    reply_raw(r, r->protocol == 2 ? STR("*-1\r\n") : STR("_\r\n"));
}

void
reply_simple(struct reply *r, const char *text)
{
    DEBUG_ASSERT(strpbrk(text, "\r\n") == NULL);
    buf_append(r->out, "+", 1);
    buf_append(r->out, text, strlen(text));
    buf_append(r->out, "\r\n", 2);
}

static bool
is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* Make the text from `start` to the end of the output one line, and end it. */
static void
close_line(struct buf *out, size_t start)
{
    char *text = out->p + start;
    size_t len = out->len - start;
    size_t cut = 0;

    while (len > 0 && is_line_end(text[len - 1]))
        len--;
    while (cut < len && is_line_end(text[cut]))
        cut++;
    len -= cut;
    memmove(text, text + cut, len);
    for (size_t i = 0; i < len; i++) {
        if (is_line_end(text[i]))
            text[i] = ' ';
    }
    out->len = start + len;
    buf_append(out, "\r\n", 2);
}

void
reply_error(struct reply *r, const char *fmt, ...)
{
    size_t start;
    va_list ap;

    buf_append(r->out, "-", 1);
    start = r->out->len;
    va_start(ap, fmt);
    buf_vprintf(r->out, fmt, ap);
    va_end(ap);
    close_line(r->out, start);
}

/* ---- numbers ------------------------------------------------------------- */

void
reply_int(struct reply *r, int64_t v)
{
    char *to = buf_reserve(r->out, MAX_HEADER);

    *to++ = ':';
    if (likely(v >= 0 && v < 10))
        *to++ = (char)('0' + v);
    else
        to += i64_to_chars(to, v);
    r->out->len = (size_t)(put_crlf(to) - r->out->p);
}

void
reply_bool(struct reply *r, bool v)
{
    if (r->protocol == 2)
        reply_raw(r, v ? STR(":1\r\n") : STR(":0\r\n"));
    else
        reply_raw(r, v ? STR("#t\r\n") : STR("#f\r\n"));
}

void
reply_double(struct reply *r, double v)
{
    char text[32]; /* %.17g needs at most 24 */
    int len;

    /* The C library writes a negative NaN with a sign. */
    if (isnan(v))
        v = (double)NAN;
    len = snprintf(text, sizeof(text), "%.17g", v);
    if (r->protocol == 2) {
        reply_bulk(r, (struct str){text, (size_t)len});
        return;
    }
    buf_append(r->out, ",", 1);
    buf_append(r->out, text, (size_t)len);
    buf_append(r->out, "\r\n", 2);
}

/* ---- bulks --------------------------------------------------------------- */

/* Begin a bulk of `type` with `len` bytes to be written at the pointer that is
 * returned; the CRLF after them is there already. */
static inline char *
open_bulk(struct reply *r, char type, size_t len)
{
    char *start = buf_reserve(r->out, MAX_HEADER + len + 2);
    char *body = put_header(start, type, len);

    put_crlf(body + len);
    r->bulk_end = (size_t)(body - r->out->p) + len + 2;
    return body;
}

char *
reply_bulk_open(struct reply *r, size_t len)
{
    return open_bulk(r, '$', len);
}

void
reply_bulk(struct reply *r, struct str s)
{
    char *body = open_bulk(r, '$', s.len);

    if (s.len > 0)
        memcpy(body, s.p, s.len);
    reply_bulk_commit(r);
}

void
reply_bulk_cstr(struct reply *r, const char *s)
{
    reply_bulk(r, str_of(s));
}

void
reply_bulk_int(struct reply *r, int64_t v)
{
    char text[21];

    reply_bulk(r, (struct str){text, i64_to_chars(text, v)});
}

void
reply_bulk_printf(struct reply *r, const char *fmt, ...)
{
    struct buf *out = r->out;
    size_t start = out->len;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(out, fmt, ap);
    va_end(ap);
    set_header(out, start, 0, '$', out->len - start);
    buf_append(out, "\r\n", 2);
}

void
reply_verbatim(struct reply *r, const char *kind3, struct str s)
{
    char *body;

    if (r->protocol == 2) {
        reply_bulk(r, s);
        return;
    }
    ASSERT(strlen(kind3) == 3);
    body = open_bulk(r, '=', s.len + 4);
    memcpy(body, kind3, 3);
    body[3] = ':';
    if (s.len > 0)
        memcpy(body + 4, s.p, s.len);
    reply_bulk_commit(r);
}

void
reply_bulk_ref(struct reply *r, const char *p, size_t len, uint32_t extent)
{
    append_header(r, '$', len);
    if (r->n_refs == r->cap_refs) {
        r->cap_refs = r->cap_refs == 0 ? 8 : r->cap_refs * 2;
        r->refs = xrealloc(r->refs, r->cap_refs * sizeof(*r->refs));
    }
    r->refs[r->n_refs++] = (struct reply_ref){
        .at = r->out->len, .p = p, .len = len, .extent = extent};
    buf_append(r->out, "\r\n", 2);
}

/* ---- arrays, maps, sets -------------------------------------------------- */

/* The header's type byte in this protocol; a map of RESP2 is an array with
 * twice the elements. */
static char
aggregate(const struct reply *r, char type, size_t *n)
{
    if (r->protocol != 2)
        return type;
    if (type == '%')
        *n *= 2;
    return '*';
}

static void
append_aggregate(struct reply *r, char type, size_t n)
{
    type = aggregate(r, type, &n);
    append_header(r, type, n);
}

void
reply_array(struct reply *r, size_t n)
{
    append_header(r, '*', n);
}

void
reply_map(struct reply *r, size_t n_pairs)
{
    append_aggregate(r, '%', n_pairs);
}

void
reply_set(struct reply *r, size_t n)
{
    append_aggregate(r, '~', n);
}

void
reply_push(struct reply *r, size_t n)
{
    append_aggregate(r, '>', n);
}

/* The header of an aggregate that is open: its RESP3 type, and room for one
 * digit. */
#define OPEN_HEADER_LEN 4

static size_t
open_aggregate(struct reply *r, char type)
{
    size_t position = r->out->len;

    append_header(r, type, 0);
    return position;
}

size_t
reply_array_open(struct reply *r)
{
    return open_aggregate(r, '*');
}

size_t
reply_map_open(struct reply *r)
{
    return open_aggregate(r, '%');
}

size_t
reply_set_open(struct reply *r)
{
    return open_aggregate(r, '~');
}

void
reply_array_close(struct reply *r, size_t position, size_t n)
{
    struct buf *out = r->out;
    size_t grown;
    char type;

    ASSERT(position + OPEN_HEADER_LEN <= out->len);
    type = aggregate(r, out->p[position], &n);
    grown = set_header(out, position, OPEN_HEADER_LEN, type, n);
    if (grown == 0)
        return;
    for (size_t i = r->n_refs; i > 0 && r->refs[i - 1].at > position; i--)
        r->refs[i - 1].at += grown;
}
