/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_file.c - the aclfile: lines "user NAME RULE...".
 *
 * Reading collects all that is wrong before it gives up, and changes nothing
 * then. What is shown of a bad line is a command's name at most: the line may
 * hold passwords. Writing replaces the file as a whole. At start, and any
 * worker for ACL LOAD and SAVE.
 */
#include "commands/acl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_BYTES (64 * MIB)

/* ---- words --------------------------------------------------------------- */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cut the line up to the next '\n' off `text`. */
static struct str
cut_line(struct str *text)
{
    const char *end = memchr(text->p, '\n', text->len);
    struct str line = {text->p, end ? (size_t)(end - text->p) : text->len};
    size_t used = line.len + (end != NULL);

    text->p += used;
    text->len -= used;
    return line;
}

struct line_words {
    struct str *at;
    size_t n;
};

static void
split(struct str line, struct line_words *words)
{
    size_t i = 0;

    words->n = 0;
    while (i < line.len) {
        size_t from;

        while (i < line.len && is_blank(line.p[i]))
            i++;
        for (from = i; i < line.len && !is_blank(line.p[i]);)
            i++;
        if (i == from)
            break;
        words->at = xrealloc(words->at, (words->n + 1) * sizeof(*words->at));
        words->at[words->n++] = (struct str){line.p + from, i - from};
    }
}

/* ---- reading ------------------------------------------------------------- */

struct reader {
    const char *path;
    const struct acl_context *context;
    struct buf *err;
    unsigned line;
    struct acl_user *user;
    bool told; /* a mistake that may have led to others of this line */
};

/* Continues "FILE:LINE: "; each mistake ends with a stop and a blank. */
static void
begin_complaint(struct reader *r)
{
    buf_printf(r->err, "%s:%u: ", r->path, r->line);
}

static bool
apply_rule(void *arg, struct str rule)
{
    struct reader *r = arg;
    enum acl_status status = acl_user_apply(r->user, r->context, rule);

    if (status == ACL_OK || (status != ACL_UNKNOWN && r->told))
        return true;
    begin_complaint(r);
    if (status == ACL_UNKNOWN) {
        buf_printf(r->err, "Error in applying operation '");
        buf_append(r->err, rule.p, MIN(rule.len, (size_t)128));
        buf_printf(r->err, "': %s. ", acl_status_text(status));
    } else {
        buf_printf(r->err, "%s. ", acl_status_text(status));
        r->told = true;
    }
    return true;
}

static void
read_user(
    struct reader *r, const struct line_words *words, struct acl_users *out)
{
    struct str name = words->at[1];
    size_t open;

    r->told = false;
    if (!acl_name_valid(name)) {
        begin_complaint(r);
        buf_printf(r->err, "username '%.*s' contains invalid characters. ",
            (int)MIN(name.len, (size_t)128), name.p);
        return;
    }
    r->user = acl_user_new(name, r->context);
    if (!acl_users_insert(out, r->user)) {
        acl_user_drop(r->user);
        buf_printf(r->err, "WARNING: Duplicate user '%.*s' found on line %u. ",
            (int)MIN(name.len, (size_t)128), name.p, r->line);
        return;
    }
    if (!acl_each_rule(words->at + 2, words->n - 2, &open, apply_rule, r)) {
        begin_complaint(r);
        buf_printf(r->err, "Unmatched parenthesis in selector definition. ");
    }
}

static void
read_lines(struct reader *r, struct str text, struct acl_users *out)
{
    struct line_words words = {NULL, 0};

    while (text.len > 0) {
        split(cut_line(&text), &words);
        r->line++;
        if (words.n == 0)
            continue;
        if (words.n > 1 && str_eq(words.at[0], STR("user"))) {
            read_user(r, &words, out);
            continue;
        }
        buf_printf(r->err,
            "%s:%u should start with user keyword followed by the username. ",
            r->path, r->line);
    }
    free(words.at);
}

/* All of the file. False with a reason. */
static bool
read_whole(const char *path, struct buf *text, struct buf *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;

    if (fd < 0) {
        buf_printf(err, "Error loading ACLs, opening file '%s': %s", path,
            strerror(errno));
        return false;
    }
    do {
        got = read(fd, buf_reserve(text, 64 * KIB), 64 * KIB);
        text->len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && text->len <= FILE_BYTES);
    if (got < 0)
        buf_printf(err, "Error loading ACLs, reading file '%s': %s", path,
            strerror(errno));
    else if (got > 0)
        buf_printf(err, "Error loading ACLs, file '%s' is above %zu MiB", path,
            FILE_BYTES / MIB);
    close(fd);
    return got == 0;
}

static void
wipe(struct buf *text)
{
    if (text->p != NULL)
        explicit_bzero(text->p, text->cap);
    buf_free(text);
}

/* Read a file. On failure `err` gets all that is wrong, each with FILE:LINE. */
static bool
read_users(const char *path, const struct acl_context *x, struct acl_users *out,
    struct buf *err)
{
    struct reader r = {.path = path, .context = x, .err = err};
    struct buf text = {0};
    size_t before = err->len;

    if (read_whole(path, &text, err))
        read_lines(&r, (struct str){text.p, text.len}, out);
    wipe(&text);
    if (err->len == before)
        return true;
    acl_users_free(out);
    return false;
}

bool
acl_load(struct commands *c, struct request *rq, struct buf *err)
{
    struct acl_context x = acl_context_of(c);
    struct acl_users users = {NULL, 0};

    if (!read_users(c->values->aclfile, &x, &users, err)) {
        buf_printf(err,
            "%sWARNING: ACL errors detected, no change to the previously "
            "active ACL rules was performed",
            err->p[err->len - 1] == ' ' ? "" : ". ");
        return false;
    }
    acl_replace_all(c, rq, &users);
    return true;
}

bool
commands_check_aclfile(const char *path, struct buf *err)
{
    struct command_index *index = command_index_new();
    struct acl_context x = {index, false};
    struct acl_users users = {NULL, 0};
    bool good = read_users(path, &x, &users, err);

    acl_users_free(&users);
    command_index_free(index);
    return good;
}

bool
commands_load_users(struct commands *c, struct buf *err)
{
    if (*c->values->aclfile != '\0')
        return acl_load(c, NULL, err);
    commands_declare_users(c);
    return true;
}

/* ---- writing ------------------------------------------------------------- */

static void
write_user(void *arg, const struct acl_user *u)
{
    struct buf *text = arg;

    acl_describe_user(u, text);
    buf_append(text, "\n", 1);
}

/* Rules with odd parentheses may not be read as they were given: then the old
 * file is the better one. */
static bool
is_readable(struct commands *c, const struct buf *text, struct buf *err)
{
    struct acl_context x = acl_context_of(c);
    struct reader r = {.path = "line", .context = &x, .err = err};
    struct acl_users users = {NULL, 0};

    read_lines(&r, (struct str){text->p, text->len}, &users);
    acl_users_free(&users);
    return err->len == 0;
}

bool
acl_save(struct commands *c, struct buf *err)
{
    struct buf text = {0};
    bool done;

    /* Under the lock, so that the last of two is the newest. */
    pthread_mutex_lock(c->config_lock);
    acl_each(c->state->acl, write_user, &text);
    done = is_readable(c, &text, err) &&
        file_replace(
            c->values->aclfile, (struct str){text.p, text.len}, err);
    pthread_mutex_unlock(c->config_lock);
    wipe(&text);
    return done;
}
