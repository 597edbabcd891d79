/* SPDX-License-Identifier: BSD-3-Clause */
/* option_file.c - configuration files and command-line arguments.
 *
 * Both are sequences of `name value...`. A file is a list of lines in the style
 * of redis.conf: '#' starts a comment line, quotes and escapes protect words.
 * `include` and the kind of lines that the program has (option_lines.c) are no
 * directives. Nothing is put into force before the whole source has been read
 * without an error. One thread.
 */
#include "base/base.h"
#include "base/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What is longer is no configuration: a device, or a binary. */
#define MAX_FILE ((size_t)1 << 20)

/* ---- words --------------------------------------------------------------- */

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Read one escape of "..." behind the backslash; returns what follows it. */
static const char *
read_escape(const char *p, char *out)
{
    static const char from[] = "nrtba";
    static const char to[] = "\n\r\t\b\a";
    const char *known;

    if (p[0] == 'x' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
        *out = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
        return p + 3;
    }
    known = strchr(from, *p);
    *out = known == NULL ? *p : to[known - from];
    return p + 1;
}

/* Read a quoted part behind its opening quote. Returns what follows the closing
 * one; NULL when that is missing or no blank follows it. */
static const char *
read_quoted(const char *p, char quote, struct buf *word)
{
    while (*p != quote) {
        char c = *p++;

        if (c == '\0')
            return NULL;
        if (c == '\\' && quote == '\'' && *p == '\'')
            c = *p++;
        else if (c == '\\' && quote == '"' && *p != '\0')
            p = read_escape(p, &c);
        buf_append(word, &c, 1);
    }
    p++;
    return *p == '\0' || is_blank(*p) ? p : NULL;
}

/* Read one word. Returns what follows it, NULL for unbalanced quotes. */
static const char *
read_word(const char *p, struct option_word *out)
{
    struct buf word = {0};

    out->quoted = false;
    while (p != NULL && *p != '\0' && !is_blank(*p)) {
        if (*p == '"' || *p == '\'') {
            out->quoted = true;
            p = read_quoted(p + 1, *p, &word);
        } else {
            buf_append(&word, p++, 1);
        }
    }
    out->len = word.len;
    buf_append(&word, "", 1);
    out->text = word.p;
    return p;
}

int
option_words_split(const char *line, struct option_word **words)
{
    struct buf found = {0};
    struct option_word word;
    int n = 0;

    for (;;) {
        while (is_blank(*line))
            line++;
        if (*line == '\0')
            break;
        line = read_word(line, &word);
        buf_append(&found, &word, sizeof(word));
        n++;
        if (line == NULL) {
            option_words_free((struct option_word *)(void *)found.p, n);
            return -1;
        }
    }
    *words = (struct option_word *)(void *)found.p;
    return n;
}

void
option_words_free(struct option_word *words, int n)
{
    for (int i = 0; i < n; i++)
        free(words[i].text);
    free(words);
}

/* True if the words of `s` read back as they stand, without quotes. */
static bool
is_plain(const char *s)
{
    size_t len = strlen(s);

    if (len == 0 || s[0] == ' ' || s[len - 1] == ' ' || strstr(s, "  "))
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] < ' ' || s[i] == 127 || strchr("\"'#\\", s[i]))
            return false;
    }
    return true;
}

bool
option_word_is_simple(const char *word)
{
    for (const char *p = word; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 127 || strchr("\"'\\", *p))
            return false;
    return *word != '\0';
}

void
option_words_write(struct buf *out, const char *s)
{
    if (is_plain(s)) {
        buf_printf(out, "%s", s);
        return;
    }
    buf_printf(out, "\"");
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < ' ' || *s == 127)
            buf_printf(out, "\\x%02x", (unsigned char)*s);
        else
            buf_printf(out, "%s%c", strchr("\"\\", *s) ? "\\" : "", *s);
    }
    buf_printf(out, "\"");
}

/* ---- one directive ------------------------------------------------------- */

/* A directive, `include` or the word of the kind of lines. */
static bool
is_known(const struct option_changes *c, struct str name)
{
    const struct option_line_kind *kind = c->options->line_kind;

    return str_ieq(name, STR("include")) ||
        (kind != NULL && str_ieq(name, str_of(kind->word))) ||
        options_find(c->options, name) != NULL;
}

/* Note the directive `name` with a value of `n` words. */
static bool
add_words(struct option_changes *c, struct str name,
    const struct option_word *words, int n, struct buf *err)
{
    const struct option_line_kind *kind = c->options->line_kind;
    struct buf value = {0};
    bool ok;

    if (n == 0 && is_known(c, name)) {
        buf_printf(err, "%.*s: the value is missing", STR_ARG(name));
        return false;
    }
    if (str_ieq(name, STR("include")))
        return option_changes_include(c, words, n, err);
    if (kind != NULL && str_ieq(name, str_of(kind->word)))
        return option_lines_add(c, words, n, err);
    for (int i = 0; i < n; i++) {
        if (strlen(words[i].text) != words[i].len) {
            buf_printf(err, "%.*s: the value holds a NUL byte", STR_ARG(name));
            buf_free(&value);
            return false;
        }
        if (i > 0)
            buf_append(&value, " ", 1);
        buf_append(&value, words[i].text, words[i].len);
    }
    buf_append(&value, "", 1);
    ok = option_changes_add(c, name, value.p, err);
    buf_free(&value);
    return ok;
}

/* ---- files --------------------------------------------------------------- */

/* `logfile a # why` would make the comment part of the value. */
static bool
has_trailing_comment(const struct option_word *words, int n)
{
    for (int i = 1; i < n; i++) {
        if (words[i].quoted || words[i].text[0] != '#')
            continue;
        if (i > 1 || words[i].len == 1)
            return true;
    }
    return false;
}

/* Rules of a user may begin with a #. */
static bool
is_kind(const struct option_changes *c, const struct option_word *words)
{
    const struct option_line_kind *kind = c->options->line_kind;

    return kind != NULL &&
        str_ieq((struct str){words[0].text, words[0].len}, str_of(kind->word));
}

static bool
add_line(struct option_changes *c, const char *line, struct buf *err)
{
    struct option_word *words;
    bool ok;
    int n;

    while (is_blank(*line))
        line++;
    if (*line == '\0' || *line == '#')
        return true;
    n = option_words_split(line, &words);
    if (n < 0) {
        buf_printf(err, "unbalanced quotes");
        return false;
    }
    ASSERT(n > 0);
    if (!is_kind(c, words) && has_trailing_comment(words, n)) {
        buf_printf(err,
            "%s: a comment needs a line of its own (or quote the #)",
            words[0].text);
        ok = false;
    } else {
        ok = add_words(c, (struct str){words[0].text, words[0].len}, words + 1,
            n - 1, err);
    }
    option_words_free(words, n);
    return ok;
}

bool
option_next_line(struct str *text, struct str *line)
{
    const char *end;

    if (text->len == 0)
        return false;
    end = memchr(text->p, '\n', text->len);
    line->p = text->p;
    line->len = end == NULL ? text->len : (size_t)(end - text->p);
    text->p += MIN(line->len + 1, text->len);
    text->len -= MIN(line->len + 1, text->len);
    return true;
}

bool
option_changes_add_lines(struct option_changes *c, struct str text,
    const char *path, struct buf *err)
{
    struct buf reason = {0};
    struct buf copy = {0};
    struct str line;
    bool ok = true;

    for (int number = 1; ok && option_next_line(&text, &line); number++) {
        copy.len = 0;
        buf_append(&copy, line.p, line.len);
        buf_append(&copy, "", 1);
        ok = strlen(copy.p) == line.len;
        if (!ok)
            buf_printf(&reason, "the line holds a NUL byte");
        else
            ok = add_line(c, copy.p, &reason);
        if (!ok)
            buf_printf(
                err, "%s:%d: %.*s", path, number, (int)reason.len, reason.p);
    }
    buf_free(&reason);
    buf_free(&copy);
    return ok;
}

bool
option_file_read(const char *path, struct buf *out, struct buf *err)
{
    FILE *file = fopen(path, "re");
    size_t len;
    bool ok;

    if (file == NULL) {
        buf_printf(err, "%s: %s", path, strerror(errno));
        return false;
    }
    len = fread(buf_reserve(out, MAX_FILE + 1), 1, MAX_FILE + 1, file);
    out->len += len;
    ok = !ferror(file) && len <= MAX_FILE;
    if (!ok)
        buf_printf(err, "%s: %s", path,
            ferror(file) ? strerror(errno) : "longer than 1 MiB");
    fclose(file);
    return ok;
}

bool
options_read_file(struct options *o, const char *path, struct buf *err)
{
    struct option_changes changes;
    bool ok;

    option_changes_init(&changes, o);
    changes.has_lines = true;
    ok = option_changes_add_file(&changes, path, NULL, err);
    if (ok)
        option_changes_commit(&changes);
    else
        option_changes_drop(&changes);
    return ok;
}

/* ---- arguments ----------------------------------------------------------- */

static bool
is_name(const char *arg)
{
    return arg[0] == '-' && arg[1] == '-';
}

static bool
add_args(struct option_changes *c, int argc, char **argv, struct buf *err)
{
    struct option_word *words;
    bool ok = true;
    int at = 0;

    if (argc > 0 && !is_name(argv[0])) {
        buf_printf(
            err, "unexpected argument \"%s\"; use --name value", argv[0]);
        return false;
    }
    words = xcalloc((size_t)argc, sizeof(*words));
    while (ok && at < argc) {
        struct str name = str_of(argv[at++] + 2);
        int n = 0;

        while (at < argc && !is_name(argv[at])) {
            words[n++] = (struct option_word){argv[at], strlen(argv[at]), true};
            at++;
        }
        ok = add_words(c, name, words, n, err);
    }
    free(words);
    return ok;
}

bool
options_read_args(struct options *o, int argc, char **argv, struct buf *err)
{
    struct option_changes changes;

    option_changes_init(&changes, o);
    changes.has_lines = true;
    option_lines_copy(&changes.lines, &o->lines);
    if (!add_args(&changes, argc, argv, err)) {
        option_changes_drop(&changes);
        return false;
    }
    option_changes_commit(&changes);
    return true;
}
