/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.h - a connection byte by byte: what hiredis would hide.
 *
 * Sends any bytes, reads replies of RESP2 and RESP3 as text (client.h), and
 * sees how a connection ends. Also tables of commands and expected replies,
 * which run over RESP2 and RESP3.
 */
#pragma once

#include "base/base.h"
#include "client-tests/spawn.h"

struct wire {
    int fd;
    int protocol; /* 2; 3 after wire_connect_resp3() */
    char *buf; /* received and not read yet: [pos, len) */
    size_t pos, len, cap;
};

/* What wire_read() returns when the server has closed the connection. */
#define WIRE_CLOSED "<closed>"

struct wire *wire_open(int fd); /* takes fd */
struct wire *wire_connect(const struct server *s);
struct wire *wire_connect_resp3(const struct server *s); /* after HELLO 3 */
void wire_close(struct wire *w);

void wire_send(struct wire *w, const void *p, size_t len);
void wire_send_text(struct wire *w, const char *text);

/* Send a command as an array of bulks. The text is split at spaces; "quoted
 * words" know \xHH \r \n \" and \\. */
void wire_send_command(struct wire *w, const char *text);

/* The next reply as text; free() it. */
char *wire_read(struct wire *w);

/* Read exactly `len` bytes. */
void wire_read_bytes(struct wire *w, void *to, size_t len);

/* Compare the next reply, the next bytes, the end of the stream. */
void wire_expect(struct wire *w, const char *reply);
void wire_expect_bytes(struct wire *w, const char *bytes);
void wire_expect_closed(struct wire *w);

/* wire_send_command() and wire_expect(). */
void wire_run(struct wire *w, const char *command, const char *reply);

/* True if bytes (or the end) arrive within `ms`. */
bool wire_readable(struct wire *w, int ms);

/* ---- tables ------------------------------------------------------------- */

/* A row: the command, its reply in RESP2, its reply in RESP3. Without the last,
 * RESP3 has the same reply but for nulls, which are "_". */
enum exchange {
    SENT,
    REPLY,
    REPLY3,
    EXCHANGE
};

/* Run the rows over RESP2, then, from empty databases again, over RESP3. */
void run_table(
    const struct server *s, const char *const (*rows)[EXCHANGE], size_t n_rows);

/* A test named NAME of rows {command, reply[, reply3]}, for a suite that has a
 * `static struct server *server`. */
#define TABLE_TEST(name, ...)                                                  \
    static const char *const name##_rows[][EXCHANGE] = {__VA_ARGS__};          \
    START_TEST(name)                                                           \
    {                                                                          \
        run_table(server, name##_rows, ARRAY_LEN(name##_rows));                \
    }                                                                          \
    END_TEST
