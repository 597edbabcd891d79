/* SPDX-License-Identifier: BSD-3-Clause */
/* client.c - commands over hiredis, with replies as text; which commands the
 * tests have covered.
 */
#include "client-tests/client.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-tests/spawn.h"

/* ---- what is covered ---------------------------------------------------- */

static char *covered_path; /* of this program's notes */

void
covered_start(void)
{
    char *own = own_directory(), *dir = text_of("%s/covered", own);
    FILE *out = NULL;

    covered_path = text_of("%s/%s", dir, program_invocation_short_name);
    if (mkdir(dir, 0755) == 0 || errno == EEXIST)
        out = fopen(covered_path, "we");
    if (out == NULL) {
        perror(covered_path);
        exit(1);
    }
    fclose(out);
    free(dir);
    free(own);
}

/* Append one line to the notes, unless this process has done so. A line is one
 * write, so that forked tests do not disturb each other. Any thread. */
static void
note(const char *name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char noted[32768];
    static size_t noted_len;
    char line[80];
    int len = snprintf(line, sizeof(line), "\n%s\n", name), fd;
    bool is_new;

    pthread_mutex_lock(&lock);
    is_new = strstr(noted, line) == NULL;
    if (is_new && noted_len + (size_t)len < sizeof(noted)) {
        memcpy(noted + noted_len, line, (size_t)len);
        noted_len += (size_t)len;
    }
    pthread_mutex_unlock(&lock);
    if (!is_new)
        return;
    fd = open(covered_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s: %s", covered_path, strerror(errno));
    ck_assert_int_eq(write(fd, line + 1, (size_t)len - 1), len - 1);
    close(fd);
}

void
covered(struct str name, struct str second, enum coverage how)
{
    static const char *const containers[] = {"acl", "client", "cluster",
        "command", "config", "function", "hotkeys", "latency", "memory",
        "module", "namespace", "object", "pubsub", "script", "slowlog"};
    static const char *const suffixes[] = {
        [COVERED] = "", [COVERED_RESP3] = "=3", [COVERED_REFUSED] = "!"};
    char text[64], line[80];

    if (name.len + second.len + 2 > sizeof(text))
        second.len = 0;
    if (name.len == 0 || name.len + 1 > sizeof(text))
        return;
    snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
    for (char *p = text; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    snprintf(line, sizeof(line), "%s%s", text, suffixes[how]);
    note(line);
    for (size_t i = 0; i < ARRAY_LEN(containers) && second.len > 0; i++) {
        if (strcmp(text, containers[i]) != 0)
            continue;
        text[name.len] = '|';
        for (size_t j = 0; j < second.len; j++)
            text[name.len + 1 + j] = (char)tolower((unsigned char)second.p[j]);
        text[name.len + 1 + second.len] = '\0';
        snprintf(line, sizeof(line), "%s%s", text, suffixes[how]);
        note(line);
        return;
    }
}

void
covered_by(struct str name, struct str second, int protocol, const char *error)
{
    if (error == NULL) {
        covered(name, second, COVERED);
        if (protocol == 3)
            covered(name, second, COVERED_RESP3);
    } else if (strstr(error, "number of arguments") == NULL &&
        strstr(error, "nknown subcommand '") == NULL) {
        covered(name, second, COVERED_REFUSED);
    }
}

/* ---- replies as text ---------------------------------------------------- */

void
write_quoted(FILE *out, const char *p, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char b = (unsigned char)p[i];

        if (b == '"' || b == '\\')
            fprintf(out, "\\%c", b);
        else if (b == '\r')
            fputs("\\r", out);
        else if (b == '\n')
            fputs("\\n", out);
        else if (b < 0x20 || b >= 0x7f)
            fprintf(out, "\\x%02x", b);
        else
            fputc(b, out);
    }
    fputc('"', out);
}

/* NOLINTBEGIN(misc-no-recursion): replies nest */
static void
write_reply(FILE *out, const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_STATUS:
        fprintf(out, "+%s", r->str);
        return;
    case REDIS_REPLY_ERROR:
        fprintf(out, "-%s", r->str);
        return;
    case REDIS_REPLY_INTEGER:
        fprintf(out, ":%lld", r->integer);
        return;
    case REDIS_REPLY_NIL: /* hiredis does not tell *-1 from $-1 */
        fputs("$-1", out);
        return;
    case REDIS_REPLY_STRING:
        write_quoted(out, r->str, (size_t)r->len);
        return;
    case REDIS_REPLY_ARRAY:
        fputc('[', out);
        for (size_t i = 0; i < r->elements; i++) {
            if (i > 0)
                fputc(' ', out);
            write_reply(out, r->element[i]);
        }
        fputc(']', out);
        return;
    default:
        ck_abort_msg("a reply of type %d in RESP2", r->type);
    }
}
/* NOLINTEND(misc-no-recursion) */

char *
reply_text(const redisReply *r)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    write_reply(out, r);
    fclose(out);
    return text;
}

bool
text_matches(const char *expected, const char *text)
{
    regex_t re;
    char *whole;
    bool matches;

    if (strncmp(expected, "re:", 3) != 0)
        return strcmp(expected, text) == 0;
    whole = text_of("^(%s)$", expected + 3);
    ck_assert_msg(regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) == 0,
        "not a regular expression: %s", expected);
    matches = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    free(whole);
    return matches;
}

/* ---- commands ----------------------------------------------------------- */

static redisReply *
checked_reply(
    redisContext *c, redisReply *r, struct str name, struct str second)
{
    ck_assert_msg(r != NULL, "%.*s got no reply: %s", STR_ARG(name), c->errstr);
    covered_by(name, second, 2, r->type == REDIS_REPLY_ERROR ? r->str : NULL);
    return r;
}

static redisReply *
vcommand(redisContext *c, const char *fmt, va_list ap)
{
    struct str name = {fmt, strcspn(fmt, " ")}, second;

    second.p = fmt + name.len + strspn(fmt + name.len, " ");
    second.len = strcspn(second.p, " ");
    return checked_reply(c, redisvCommand(c, fmt, ap), name, second);
}

redisReply *
command(redisContext *c, const char *fmt, ...)
{
    redisReply *r;
    va_list ap;

    va_start(ap, fmt);
    r = vcommand(c, fmt, ap);
    va_end(ap);
    return r;
}

redisReply *
command_words(redisContext *c, size_t n, const struct str *words)
{
    const char *p[64];
    size_t len[64];

    ck_assert_uint_le(n, ARRAY_LEN(p));
    for (size_t i = 0; i < n; i++) {
        p[i] = words[i].p;
        len[i] = words[i].len;
    }
    return checked_reply(c, redisCommandArgv(c, (int)n, p, len), words[0],
        n > 1 ? words[1] : STR(""));
}

void
expect(redisContext *c, const char *reply, const char *fmt, ...)
{
    redisReply *r;
    char *text;
    va_list ap;

    va_start(ap, fmt);
    r = vcommand(c, fmt, ap);
    va_end(ap);
    text = reply_text(r);
    ck_assert_msg(text_matches(reply, text), "%s\n  got      %s\n  expected %s",
        fmt, text, reply);
    free(text);
    freeReplyObject(r);
}

long long
command_int(redisContext *c, const char *fmt, ...)
{
    redisReply *r;
    long long n;
    va_list ap;

    va_start(ap, fmt);
    r = vcommand(c, fmt, ap);
    va_end(ap);
    ck_assert_msg(r->type == REDIS_REPLY_INTEGER, "%s: not an integer: %s", fmt,
        r->str != NULL ? r->str : "");
    n = r->integer;
    freeReplyObject(r);
    return n;
}

char *
command_str(redisContext *c, const char *fmt, ...)
{
    redisReply *r;
    char *s;
    va_list ap;

    va_start(ap, fmt);
    r = vcommand(c, fmt, ap);
    va_end(ap);
    ck_assert_msg(
        r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS,
        "%s: not a string: %s", fmt, r->str != NULL ? r->str : "");
    s = strndup(r->str, (size_t)r->len);
    freeReplyObject(r);
    return s;
}

char *
info_value(redisContext *c, const char *section, const char *name)
{
    char *info = command_str(c, "INFO %s", section), *value = NULL;
    char *save, *line;
    size_t len = strlen(name);

    for (line = strtok_r(info, "\r\n", &save); line != NULL && value == NULL;
         line = strtok_r(NULL, "\r\n", &save))
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            value = strdup(line + len + 1);
    free(info);
    return value;
}

long long
info_int(redisContext *c, const char *section, const char *name)
{
    char *text = info_value(c, section, name);
    long long n;

    ck_assert_msg(text != NULL, "INFO %s has no %s", section, name);
    n = strtoll(text, NULL, 10);
    free(text);
    return n;
}
