/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon.h - for benchmarks: a daemon of one's own, and plain connections.
 *
 * The program is $ASHLARD, or ./ashlard. Whatever fails ends the benchmark with
 * a message. Any thread; a connection belongs to one.
 */
#pragma once

#include "base/base.h"

#include <sys/types.h>

struct daemon {
    pid_t pid;
    int port;
};

/* Start it with these arguments (NULL-terminated) and wait until it listens. It
 * ends with the calling process at the latest. */
void daemon_start(struct daemon *d, const char *const *args);
void daemon_stop(struct daemon *d);

/* A number of its /proc/PID/status, in bytes: "VmRSS", "VmHWM". */
size_t daemon_memory(const struct daemon *d, const char *what);

struct client {
    int fd;
    struct buf out;   /* commands not sent yet */
    char *in;         /* received: [pos, len) */
    size_t pos, len;
    uint64_t errors;  /* error replies so far */
    char error[128];  /* the first of them */
};

/* A blocking connection; the program ends with a message when there is none. */
void client_open(struct client *c, const struct daemon *d);
void client_close(struct client *c);

/* Append a command of `n` words. Nothing is sent before client_finish(). */
void client_append(struct client *c, size_t n, const struct str *words);

/* Send all and read `n` replies, none of them an array. Returns the sum of the
 * integers among them, and in *hits how many were an integer above 0 or a
 * bulk. */
uint64_t client_finish(struct client *c, size_t n, uint64_t *hits);

/* Send all and read one reply of any kind, arrays in arrays too, onto the end
 * of `text`: a line for each of its parts, and an empty one before. */
void client_read_lines(struct client *c, struct buf *text);

/* The number behind `name:` or `name=` in the reply to an inline command. */
uint64_t client_figure(
    struct client *c, const char *command, const char *name);

double now_s(void); /* monotonic */
