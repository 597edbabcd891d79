/* SPDX-License-Identifier: BSD-3-Clause */
/* glob.c - glob patterns as Redis has them: * ? [a-c] [^a-c] and \x.
 *
 * For KEYS, SCAN, CONFIG GET and other places where a client gives a pattern.
 * Pure, any thread. Only the last star that was passed can profit from another
 * try, because all else in a pattern takes one byte each; so there is one place
 * to go back to, no recursion, and at most len(pattern) * len(text) steps.
 *
 * What a pattern means is as in stringmatchlen() of Redis 7.0.15, oddities
 * included: a class that does not end goes to the end of the pattern; "[]" is
 * an empty class; "[z-a]" is "[a-z]"; "]" can be the end of a range; an escaped
 * byte in a class keeps its case. Two things differ: stars alone match the
 * empty text too, and bytes are unsigned in ranges on every machine.
 */
#include "commands/command.h"

static unsigned char
fold(char c, bool ignore_case)
{
    if (ignore_case && c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A' + 'a');
    return (unsigned char)c;
}

/* `c` lies between two bytes, which may come in either order. Case goes after
 * the order is found, so that "[Z-a]" without case holds nothing. */
static bool
in_range(char a, char b, char c, bool ignore_case)
{
    bool swap = (unsigned char)a > (unsigned char)b;
    unsigned char lo = fold(swap ? b : a, ignore_case);
    unsigned char hi = fold(swap ? a : b, ignore_case);
    unsigned char byte = fold(c, ignore_case);

    return lo <= byte && byte <= hi;
}

/* Match `c` against the class whose '[' stands before `*at`; moves `*at` behind
 * the class. */
static bool
match_class(struct str pattern, size_t *at, char c, bool ignore_case)
{
    const char *s = pattern.p + *at;
    const char *end = pattern.p + pattern.len;
    bool negate = s < end && *s == '^';
    bool found = false;

    if (negate)
        s++;
    while (s < end && *s != ']') {
        if (*s == '\\' && end - s >= 2) {
            found |= s[1] == c;
            s += 2;
        } else if (end - s >= 3 && s[1] == '-') {
            found |= in_range(s[0], s[2], c, ignore_case);
            s += 3;
        } else {
            found |= fold(*s, ignore_case) == fold(c, ignore_case);
            s++;
        }
    }
    if (s < end)
        s++;
    *at = (size_t)(s - pattern.p);
    return found != negate;
}

/* Match `c` against what stands at `*at`, which is not a star; moves `*at`
 * behind it. */
static bool
match_byte(struct str pattern, size_t *at, char c, bool ignore_case)
{
    char p = pattern.p[(*at)++];

    if (p == '?')
        return true;
    if (p == '[')
        return match_class(pattern, at, c, ignore_case);
    if (p == '\\' && *at < pattern.len)
        p = pattern.p[(*at)++];
    return fold(p, ignore_case) == fold(c, ignore_case);
}

static size_t
skip_stars(struct str pattern, size_t at)
{
    while (at < pattern.len && pattern.p[at] == '*')
        at++;
    return at;
}

bool
glob_match(struct str pattern, struct str text, bool ignore_case)
{
    bool has_star = false;
    size_t p = 0, t = 0;
    size_t after_star = 0; /* where the pattern goes on after the last star */
    size_t star_end = 0;   /* the text that this star takes ends here */

    while (t < text.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            p = after_star = skip_stars(pattern, p);
            if (p == pattern.len)
                return true;
            has_star = true;
            star_end = t;
        } else if (p < pattern.len &&
            match_byte(pattern, &p, text.p[t], ignore_case)) {
            t++;
        } else if (has_star) {
            p = after_star;
            t = ++star_end;
        } else {
            return false;
        }
    }
    return skip_stars(pattern, p) == pattern.len;
}
