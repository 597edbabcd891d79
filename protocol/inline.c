/* SPDX-License-Identifier: BSD-3-Clause */
/* inline.c - the words of an inline command: what people type into telnet, with
 * quotes and escapes as Redis reads them. In place, any thread.
 */
#include "protocol/internal.h"

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Ends a word outside quotes. Vertical tab and form feed only separate. */
static bool
ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char
escaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* The end of a quoted part: `s` is at the closing quote, which must be the end
 * of the word. NULL if it is not. */
static char *
close_quote(char *s, const char *end)
{
    if (s + 1 < end && !is_space(s[1]))
        return NULL;
    return s + 1;
}

/* Resolve what stands between double quotes, from `s` after the opening one,
 * to *out. Returns where the text goes on, NULL if the quotes are unbalanced.*/
static char *
read_double_quoted(char *s, const char *end, char **out)
{
    for (; s < end; s++) {
        if (*s == '"')
            return close_quote(s, end);
        if (*s != '\\' || end - s < 2) {
            *(*out)++ = *s;
        } else if (s[1] == 'x' && end - s >= 4 && hex_digit(s[2]) >= 0 &&
            hex_digit(s[3]) >= 0) {
            *(*out)++ = (char)(hex_digit(s[2]) << 4 | hex_digit(s[3]));
            s += 3;
        } else {
            *(*out)++ = escaped(*++s);
        }
    }
    return NULL;
}

/* The same for single quotes, where only \' is an escape. */
static char *
read_single_quoted(char *s, const char *end, char **out)
{
    for (; s < end; s++) {
        if (*s == '\'')
            return close_quote(s, end);
        if (*s == '\\' && end - s >= 2 && s[1] == '\'')
            s++;
        *(*out)++ = *s;
    }
    return NULL;
}

char *
inline_skip_spaces(char *s, const char *end)
{
    while (s < end && is_space(*s))
        s++;
    return s;
}

char *
inline_read_word(char *s, const char *end, size_t *len)
{
    char *word = s, *out;

    while (s < end && !ends_word(*s) && *s != '"' && *s != '\'')
        s++;
    out = s;
    if (s < end && *s == '"')
        s = read_double_quoted(s + 1, end, &out);
    else if (s < end && *s == '\'')
        s = read_single_quoted(s + 1, end, &out);
    *len = (size_t)(out - word);
    return s;
}
