/* SPDX-License-Identifier: BSD-3-Clause */
/* script_pattern.c - matches patterns for scripts.
 *
 * The matcher of Lua 5.1 can take exponential time, and as much of the C stack
 * as a pattern is long, where no hook sees it. This one understands the same
 * patterns, looks at the clock from time to time, and refuses patterns that
 * nest deeper than MAX_DEPTH, as later versions of Lua do. Worker only.
 */
#include "commands/script_pattern.h"

#include <ctype.h>

#define MAX_DEPTH 200

/* ---- one character ------------------------------------------------------- */

/* Where the item at p, a character, class or set, ends. */
static const char *
item_end(struct matching *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[')
        return p + 1;
    p++;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* the first is no end */
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        matching_step(m);
        if (*p++ == '%' && p < m->pattern_end)
            p++;
    } while (p == m->pattern_end || *p != ']');
    return p + 1;
}

static bool
in_class(int c, int class)
{
    bool in;

    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !in : in;
}

/* In the set from '[' at p to the ']' before `end`? */
static bool
in_set(struct matching *m, int c, const char *p, const char *end)
{
    bool found = true;

    end--;
    if (*++p == '^') {
        found = false;
        p++;
    }
    for (; p < end; p++) {
        matching_step(m);
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p))
                return found;
        } else if (p + 2 < end && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return found;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return found;
        }
    }
    return !found;
}

static bool
fits(struct matching *m, const char *s, const char *p, const char *end)
{
    int c;

    matching_step(m);
    if (s >= m->text_end)
        return false;
    c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(m, c, p, end);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- items of more than one character ------------------------------------ */

/* NOLINTBEGIN(misc-no-recursion): MAX_DEPTH */

static const char *match(struct matching *m, const char *s, const char *p);

/* "%bxy" at p */
static const char *
match_balance(struct matching *m, const char *s, const char *p)
{
    size_t open = 1;

    if (m->pattern_end - p < 4)
        luaL_error(m->L, "unbalanced pattern");
    if (s == m->text_end || *s != p[2])
        return NULL;
    while (++s < m->text_end) {
        matching_step(m);
        if (*s == p[3]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[2]) {
            open++;
        }
    }
    return NULL;
}

/* As many as there are, and fewer until the rest fits. */
static const char *
match_most(struct matching *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;

    while (fits(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *rest = match(m, s + n, end + 1);

        if (rest != NULL)
            return rest;
    }
    return NULL;
}

static const char *
match_fewest(struct matching *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *rest = match(m, s, end + 1);

        if (rest != NULL)
            return rest;
        if (!fits(m, s, p, end))
            return NULL;
    }
}

static const char *
begin_capture(struct matching *m, const char *s, const char *p, ptrdiff_t what)
{
    const char *rest;

    if (m->n_captures == LUA_MAXCAPTURES)
        luaL_error(m->L, "too many captures");
    m->captures[m->n_captures].start = s;
    m->captures[m->n_captures].len = what;
    m->n_captures++;
    rest = match(m, s, p);
    if (rest == NULL)
        m->n_captures--;
    return rest;
}

static const char *
end_capture(struct matching *m, const char *s, const char *p)
{
    int i = m->n_captures - 1;
    const char *rest;

    while (i >= 0 && m->captures[i].len != CAPTURE_UNFINISHED)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[i].len = s - m->captures[i].start;
    rest = match(m, s, p);
    if (rest == NULL)
        m->captures[i].len = CAPTURE_UNFINISHED;
    return rest;
}

/* What capture "%1" to "%9" has, once more; where it ends. */
static const char *
match_again(struct matching *m, const char *s, int digit)
{
    int i = digit - '1';
    ptrdiff_t len;

    if (i < 0 || i >= m->n_captures || m->captures[i].len == CAPTURE_UNFINISHED)
        luaL_error(m->L, "invalid capture index");
    len = m->captures[i].len;
    if (len < 0) /* a position: as an empty one */
        len = 0;
    if (m->text_end - s < len ||
        (len > 0 && memcmp(s, m->captures[i].start, (size_t)len) != 0))
        return NULL;
    return s + len;
}

/* "%f[set]" at p: the set begins here. */
static bool
at_frontier(struct matching *m, const char *s, const char *set, const char *end)
{
    int before = s == m->text ? 0 : (unsigned char)s[-1];
    int after = s == m->text_end ? 0 : (unsigned char)*s;

    return !in_set(m, before, set, end) && in_set(m, after, set, end);
}

/* An item of one character, and what says how often. *s and *p go on to what is
 * to be matched next; false: the result is final, in *s. */
static bool
match_single(struct matching *m, const char **s, const char **p)
{
    const char *end = item_end(m, *p);
    char suffix = end < m->pattern_end ? *end : '\0';
    const char *rest = NULL;

    switch (suffix) {
    case '?':
        if (fits(m, *s, *p, end) &&
            (rest = match(m, *s + 1, end + 1)) != NULL) {
            *s = rest;
            return false;
        }
        *p = end + 1;
        return true;
    case '*':
        *s = match_most(m, *s, *p, end);
        return false;
    case '+':
        *s = fits(m, *s, *p, end) ? match_most(m, *s + 1, *p, end) : NULL;
        return false;
    case '-':
        *s = match_fewest(m, *s, *p, end);
        return false;
    default:
        if (!fits(m, *s, *p, end)) {
            *s = NULL;
            return false;
        }
        (*s)++;
        *p = end;
        return true;
    }
}

/* "%b", "%f" and "%1"; the same as match_single(). */
static bool
match_special(struct matching *m, const char **s, const char **p)
{
    const char *set = *p + 2;

    switch ((*p)[1]) {
    case 'b':
        *s = match_balance(m, *s, *p);
        *p += 4;
        return *s != NULL;
    case 'f':
        if (set >= m->pattern_end || *set != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        *p = item_end(m, set);
        if (!at_frontier(m, *s, set, *p))
            *s = NULL;
        return *s != NULL;
    default:
        *s = match_again(m, *s, (unsigned char)(*p)[1]);
        *p += 2;
        return *s != NULL;
    }
}

static bool
is_special(const struct matching *m, const char *p)
{
    return *p == '%' && p + 1 < m->pattern_end &&
        (p[1] == 'b' || p[1] == 'f' || isdigit((unsigned char)p[1]));
}

/* Where the match of the pattern from p on, at s, ends; NULL for none. */
static const char *
match(struct matching *m, const char *s, const char *p)
{
    bool goes_on = true;

    if (++m->depth > MAX_DEPTH)
        luaL_error(m->L, "pattern too complex");
    while (goes_on && p < m->pattern_end) {
        matching_step(m);
        if (*p == '(') {
            bool position = p + 1 < m->pattern_end && p[1] == ')';

            s = begin_capture(m, s, p + 1 + position,
                position ? CAPTURE_POSITION : CAPTURE_UNFINISHED);
            goes_on = false;
        } else if (*p == ')') {
            s = end_capture(m, s, p + 1);
            goes_on = false;
        } else if (*p == '$' && p + 1 == m->pattern_end) {
            if (s != m->text_end)
                s = NULL;
            goes_on = false;
        } else if (is_special(m, p)) {
            goes_on = match_special(m, &s, &p);
        } else {
            goes_on = match_single(m, &s, &p);
        }
    }
    m->depth--;
    return s;
}

/* NOLINTEND(misc-no-recursion) */

const char *
matching_at(struct matching *m, const char *s, const char *p)
{
    m->n_captures = 0;
    m->depth = 0;
    return match(m, s, p);
}
