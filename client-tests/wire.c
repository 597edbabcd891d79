/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.c - a connection byte by byte: what hiredis would hide. */
#include "client-tests/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-tests/client.h"

#define MAX_WORDS 64

struct wire *
wire_open(int fd)
{
    struct wire *w = calloc(1, sizeof(*w));

    ck_assert_ptr_nonnull(w);
    w->fd = fd;
    w->protocol = 2;
    return w;
}

struct wire *
wire_connect(const struct server *s)
{
    return wire_open(server_connect_raw(s));
}

struct wire *
wire_connect_resp3(const struct server *s)
{
    struct wire *w = wire_connect(s);

    wire_run(w, "HELLO 3", "re:\\{.*\\}");
    w->protocol = 3;
    return w;
}

void
wire_close(struct wire *w)
{
    close(w->fd);
    free(w->buf);
    free(w);
}

/* ---- sending ------------------------------------------------------------ */

void
wire_send(struct wire *w, const void *p, size_t len)
{
    const char *at = p;

    while (len > 0) {
        ssize_t n = send(w->fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        ck_assert_msg(n > 0, "send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
}

void
wire_send_text(struct wire *w, const char *text)
{
    wire_send(w, text, strlen(text));
}

/* Decode one character of a quoted word at *from into *to. */
static void
unescape(const char **from, char **to)
{
    const char *p = *from;

    if (*p != '\\') {
        *(*to)++ = *p;
        *from = p + 1;
        return;
    }
    p++;
    if (*p == 'x') {
        ck_assert(hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0);
        *(*to)++ = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
        *from = p + 3;
        return;
    }
    *(*to)++ = *p == 'r' ? '\r' : *p == 'n' ? '\n' : *p;
    *from = p + 1;
}

/* Split text into words, whose bytes go to `bytes` (as long as the text). */
static size_t
split_words(const char *text, char *bytes, struct str *words)
{
    size_t n = 0;

    while (*text != '\0') {
        char *start = bytes;

        if (*text == ' ') {
            text++;
            continue;
        }
        ck_assert_uint_lt(n, MAX_WORDS);
        if (*text == '"') {
            for (text++; *text != '"';) {
                ck_assert_msg(*text != '\0', "no closing quote");
                unescape(&text, &bytes);
            }
            text++;
        } else {
            while (*text != '\0' && *text != ' ')
                *bytes++ = *text++;
        }
        words[n++] = (struct str){start, (size_t)(bytes - start)};
    }
    return n;
}

/* The words as an array of bulks; free() it. */
static char *
encode(size_t n, const struct str *words, size_t *len)
{
    char *out;
    FILE *f = open_memstream(&out, len);

    fprintf(f, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "$%zu\r\n", words[i].len);
        fwrite(words[i].p, 1, words[i].len, f);
        fputs("\r\n", f);
    }
    fclose(f);
    return out;
}

void
wire_send_command(struct wire *w, const char *text)
{
    char *bytes = strdup(text), *encoded;
    struct str words[MAX_WORDS];
    size_t n = split_words(text, bytes, words), len;

    encoded = encode(n, words, &len);
    wire_send(w, encoded, len);
    free(encoded);
    free(bytes);
}

/* ---- receiving ---------------------------------------------------------- */

/* Receive more; false at the end of the stream. */
static bool
receive(struct wire *w)
{
    ssize_t n;

    if (w->pos > 0) {
        memmove(w->buf, w->buf + w->pos, w->len - w->pos);
        w->len -= w->pos;
        w->pos = 0;
    }
    if (w->len == w->cap) {
        w->cap = w->cap == 0 ? 16384 : 2 * w->cap;
        w->buf = realloc(w->buf, w->cap);
        ck_assert_ptr_nonnull(w->buf);
    }
    do
        n = recv(w->fd, w->buf + w->len, w->cap - w->len, 0);
    while (n < 0 && errno == EINTR);
    /* A server that closes with bytes of ours unread resets the connection. */
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return false;
    ck_assert_msg(n > 0, "no reply: %s", strerror(errno));
    w->len += (size_t)n;
    return true;
}

/* `len` bytes of input, valid until the next call; NULL at the end. */
static const char *
take(struct wire *w, size_t len)
{
    while (w->len - w->pos < len)
        if (!receive(w))
            return NULL;
    w->pos += len;
    return w->buf + w->pos - len;
}

/* A line without its CRLF as a new string; NULL at the end. */
static char *
take_line(struct wire *w)
{
    size_t at = 0;

    for (;;) {
        char *end = w->len - w->pos > at
            ? memchr(w->buf + w->pos + at, '\n', w->len - w->pos - at)
            : NULL;

        if (end != NULL) {
            size_t len = (size_t)(end - (w->buf + w->pos)) + 1;
            const char *p = take(w, len);

            ck_assert_msg(len >= 2 && p[len - 2] == '\r',
                "a line of a reply ends without CR");
            return strndup(p, len - 2);
        }
        at = w->len - w->pos;
        if (!receive(w)) {
            ck_assert_msg(at == 0, "the connection ends within a reply");
            return NULL;
        }
    }
}

static void
write_bulk(struct wire *w, FILE *out, const char *length)
{
    size_t len = strtoull(length, NULL, 10);
    const char *p = take(w, len + 2);

    ck_assert_msg(p != NULL, "the connection ends within a bulk");
    ck_assert_msg(memcmp(p + len, "\r\n", 2) == 0, "no CRLF after a bulk");
    write_quoted(out, p, len);
}

/* NOLINTBEGIN(misc-no-recursion): replies nest */
static bool write_next(struct wire *w, FILE *out);

static void
write_elements(struct wire *w, FILE *out, size_t n, const char *brackets)
{
    fputs(brackets, out);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            fputc(' ', out);
        ck_assert_msg(write_next(w, out), "the connection ends in an array");
    }
    fputc(brackets[strlen(brackets) - 1] == '{' ? '}' : ']', out);
}

/* Write the next reply; false at the end of the stream. */
static bool
write_next(struct wire *w, FILE *out)
{
    char *line = take_line(w);
    size_t n;

    if (line == NULL)
        return false;
    n = strtoull(line + 1, NULL, 10);
    switch (line[0]) {
    case '$':
        if (line[1] == '-')
            fputs(line, out);
        else
            write_bulk(w, out, line + 1);
        break;
    case '=':
        fputc('=', out);
        write_bulk(w, out, line + 1);
        break;
    case '*':
        if (line[1] == '-')
            fputs(line, out);
        else
            write_elements(w, out, n, "[");
        break;
    case '%':
        write_elements(w, out, 2 * n, "{");
        break;
    case '~':
        write_elements(w, out, n, "~[");
        break;
    case '>':
        write_elements(w, out, n, ">[");
        break;
    default:
        ck_assert_msg(line[0] != '\0' && strchr("+-:_#,(", line[0]) != NULL,
            "not a reply: %s", line);
        fputs(line, out);
    }
    free(line);
    return true;
}

/* NOLINTEND(misc-no-recursion) */

char *
wire_read(struct wire *w)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    bool open = write_next(w, out);

    fclose(out);
    if (open)
        return text;
    free(text);
    return strdup(WIRE_CLOSED);
}

void
wire_read_bytes(struct wire *w, void *to, size_t len)
{
    size_t n;

    for (char *at = to; len > 0; at += n, len -= n) {
        if (w->pos == w->len)
            ck_assert_msg(receive(w), "the connection ends too early");
        n = MIN(len, w->len - w->pos);
        memcpy(at, w->buf + w->pos, n);
        w->pos += n;
    }
}

void
wire_expect(struct wire *w, const char *reply)
{
    char *text = wire_read(w);

    ck_assert_msg(text_matches(reply, text), "\n  got      %s\n  expected %s",
        text, reply);
    free(text);
}

/* Up to `max` bytes of input as quoted text; free() it. */
static char *
pending_text(const struct wire *w, size_t max)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    write_quoted(out, w->buf + w->pos, MIN(w->len - w->pos, max));
    fclose(out);
    return text;
}

void
wire_expect_bytes(struct wire *w, const char *bytes)
{
    size_t len = strlen(bytes);
    const char *p = take(w, len);
    char *got;

    if (p != NULL && memcmp(p, bytes, len) == 0)
        return;
    if (p != NULL)
        w->pos -= len;
    got = pending_text(w, len + 100);
    ck_abort_msg("\n  got      %s%s\n  expected %s", got,
        p == NULL ? " and the end" : "", bytes);
}

void
wire_expect_closed(struct wire *w)
{
    while (w->pos == w->len)
        if (!receive(w))
            return;
    ck_abort_msg(
        "expected the end of the connection, got %s", pending_text(w, 200));
}

/* Send a command, read its reply, note that it is covered. */
static char *
run_command(struct wire *w, const char *text)
{
    char *bytes = strdup(text), *reply;
    struct str words[MAX_WORDS];
    size_t n = split_words(text, bytes, words);

    wire_send_command(w, text);
    reply = wire_read(w);
    if (reply[0] != '<')
        covered_by(words[0], n > 1 ? words[1] : STR(""), w->protocol,
            reply[0] == '-' ? reply : NULL);
    free(bytes);
    return reply;
}

void
wire_run(struct wire *w, const char *command, const char *reply)
{
    char *text = run_command(w, command);

    ck_assert_msg(text_matches(reply, text), "%s\n  got      %s\n  expected %s",
        command, text, reply);
    free(text);
}

bool
wire_readable(struct wire *w, int ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};

    return w->pos < w->len || poll(&p, 1, ms) > 0;
}

/* ---- tables ------------------------------------------------------------- */

/* What a row expects, as a new string. A RESP2 null becomes one of RESP3, but
 * for those within a regular expression. */
static char *
expected_reply(const char *const row[EXCHANGE], int protocol)
{
    bool same = protocol == 2 || row[REPLY3] == NULL;
    char *text = strdup(same ? row[REPLY] : row[REPLY3]);
    char *null;

    if (protocol == 2 || !same || strncmp(text, "re:", 3) == 0)
        return text;
    while ((null = strstr(text, "$-1")) != NULL ||
        (null = strstr(text, "*-1")) != NULL) {
        *null = '_';
        memmove(null + 1, null + 3, strlen(null + 3) + 1);
    }
    return text;
}

static void
run_rows(
    struct wire *w, int protocol, const char *const (*rows)[EXCHANGE], size_t n)
{
    wire_run(w, "FLUSHALL", "+OK");
    for (size_t i = 0; i < n; i++) {
        char *expected = expected_reply(rows[i], protocol);
        char *text = run_command(w, rows[i][SENT]);

        ck_assert_msg(text_matches(expected, text),
            "RESP%d, row %zu: %s\n  got      %s\n  expected %s", protocol,
            i + 1, rows[i][SENT], text, expected);
        free(text);
        free(expected);
    }
}

void
run_table(
    const struct server *s, const char *const (*rows)[EXCHANGE], size_t n_rows)
{
    struct wire *w = wire_connect(s);

    run_rows(w, 2, rows, n_rows);
    wire_close(w);
    w = wire_connect_resp3(s);
    run_rows(w, 3, rows, n_rows);
    wire_close(w);
}
