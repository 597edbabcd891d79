/* SPDX-License-Identifier: BSD-3-Clause */
/* client.h - commands over hiredis, with replies as text; which commands the
 * tests have covered.
 *
 * Replies are compared as text, in which every type of the wire can be seen:
 *
 *     +OK   -ERR text   :1   "bulk\r\n\x00"   $-1 (null)   *-1 (null array)
 *     [:1 "a" [...]]   and in RESP3   _   #t   ,1.5   =txt:"..."   {k v k v}
 *     ~[...] (set)   >[...] (push)
 *
 * An expected text that starts with "re:" is an extended regular expression
 * for the whole reply.
 */
#pragma once

#include <hiredis.h>
#include <stdio.h>

#include "base/base.h"

#define ARITY(name) "-ERR wrong number of arguments for '" name "' command"

/* Send one command as redisCommand() does and return the reply; fails the test
 * when there is none. freeReplyObject() it. */
redisReply *command(redisContext *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and compare the reply. */
void expect(redisContext *c, const char *reply, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Send words as they are, with any bytes in them. */
redisReply *command_words(redisContext *c, size_t n, const struct str *words);

/* An integer reply, or a bulk reply as a new string. */
long long command_int(redisContext *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *command_str(redisContext *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The value of one "name:value" line of INFO as a new string; NULL if there is
 * no such line. */
char *info_value(redisContext *c, const char *section, const char *name);
long long info_int(redisContext *c, const char *section, const char *name);

/* A reply as text; free() it. */
char *reply_text(const redisReply *r);

/* True if the text of a reply is what is expected ("re:..." included). */
bool text_matches(const char *expected, const char *text);

/* Write bytes as they stand in a bulk's text, quotes included. */
void write_quoted(FILE *out, const char *p, size_t len);

/* How a command was answered: with something other than an error, so in RESP3,
 * with an error other than for the number of its arguments. */
enum coverage {
    COVERED,
    COVERED_RESP3,
    COVERED_REFUSED
};

/* Note an answer to a command: its name, and with its second word the
 * subcommand of a container. The notes of one test program are a file in the
 * folder "covered" beside it, read by coverage_test.sh. */
void covered(struct str name, struct str second, enum coverage how);

/* The same of an answer in a protocol; `error` is NULL if it is none. */
void covered_by(
    struct str name, struct str second, int protocol, const char *error);

/* Begin this program's notes anew; run_tests() does. */
void covered_start(void);
