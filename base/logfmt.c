/* SPDX-License-Identifier: BSD-3-Clause */
/* logfmt.c - a line of the log as name=value pairs, for programs that read it.
 *
 * Callers write a line for people: some words, then name=value for data. The
 * words become msg, the pairs stay pairs. What stands behind a ": " comes from
 * elsewhere and is not looked at for pairs. Any thread.
 */
#include "base/base.h"
#include "base/internal.h"

/* Bytes of "name=" at `p`, 0 if there is none. */
static size_t
pair_name(struct str s)
{
    size_t n = 0;

    while (n < s.len && ((s.p[n] >= 'a' && s.p[n] <= 'z') || s.p[n] == '_'))
        n++;
    return n > 0 && n < s.len && s.p[n] == '=' ? n + 1 : 0;
}

/* Where the next pair begins, after a space outside of quotes; s.len if there
 * is none. */
static size_t
next_pair(struct str s)
{
    bool quoted = false;

    for (size_t i = 0; i + 1 < s.len; i++) {
        if (s.p[i] == '"')
            quoted = !quoted;
        if (!quoted && s.p[i] == ' ' &&
            pair_name((struct str){s.p + i + 1, s.len - i - 1}) > 0)
            return i + 1;
    }
    return s.len;
}

static struct str
drop_last_space(struct str s)
{
    return (struct str){s.p, s.len - (s.len > 0 && s.p[s.len - 1] == ' ')};
}

static size_t
words_end(struct str s)
{
    size_t end = next_pair(s);
    const char *colon = memmem(s.p, s.len, ": ", 2);

    return colon != NULL && colon < s.p + end ? s.len : end;
}

/* A value: as it is, or quoted if anything in it needs that. */
static char *
put_value(char *out, struct str v)
{
    bool plain = v.len > 0;

    if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"')
        v = (struct str){v.p + 1, v.len - 2};
    for (size_t i = 0; i < v.len; i++)
        if (v.p[i] == ' ' || v.p[i] == '"' || v.p[i] == '=')
            plain = false;
    if (!plain)
        *out++ = '"';
    for (size_t i = 0; i < v.len; i++) {
        if (v.p[i] == '"' || (!plain && v.p[i] == '\\'))
            *out++ = '\\';
        *out++ = v.p[i];
    }
    if (!plain)
        *out++ = '"';
    return out;
}

size_t
logfmt_write(char *out, struct str text)
{
    static const char head[] = {'m', 's', 'g', '='};
    size_t end = words_end(text);
    char *p = out;

    memcpy(p, head, sizeof(head));
    p = put_value(p + sizeof(head), drop_last_space((struct str){text.p, end}));
    while (end < text.len) {
        struct str rest = {text.p + end, text.len - end};
        size_t name = pair_name(rest), next = next_pair(rest);

        *p++ = ' ';
        memcpy(p, rest.p, name);
        p = put_value(p + name,
            drop_last_space((struct str){rest.p + name, next - name}));
        end += next;
    }
    return (size_t)(p - out);
}
