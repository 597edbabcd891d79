/* SPDX-License-Identifier: BSD-3-Clause */
/* script_match.c - string.find, match, gmatch and gsub for scripts.
 *
 * The ones of Lua 5.1 can take exponential time, and as much of the C stack as
 * a pattern is long, where no hook sees them. These understand the same
 * patterns, look at the clock from time to time, and refuse patterns that
 * nest deeper than MAX_DEPTH, as later versions of Lua do. Worker only.
 */
#include "commands/script_state.h"

#include <ctype.h>

#define MAX_DEPTH 200

#define UNFINISHED (-1)
#define POSITION (-2)

struct matching {
    struct script_engine *e;
    lua_State *L;
    const char *text, *text_end;
    const char *pattern_end;
    int depth;
    int n_captures;
    struct {
        const char *start;
        ptrdiff_t len; /* or one of the two above */
    } captures[LUA_MAXCAPTURES];
};

static void
step(struct matching *m)
{
    script_step(m->e, m->L);
}

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
        step(m);
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
        step(m);
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

    step(m);
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

/* ---- items of more than one character ------------------------------------- */

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
        step(m);
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

    while (i >= 0 && m->captures[i].len != UNFINISHED)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[i].len = s - m->captures[i].start;
    rest = match(m, s, p);
    if (rest == NULL)
        m->captures[i].len = UNFINISHED;
    return rest;
}

/* What capture "%1" to "%9" has, once more; where it ends. */
static const char *
match_again(struct matching *m, const char *s, int digit)
{
    int i = digit - '1';
    ptrdiff_t len;

    if (i < 0 || i >= m->n_captures || m->captures[i].len == UNFINISHED)
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

/* Where the match of the pattern from p on, at s, ends; NULL if there is none. */
static const char *
match(struct matching *m, const char *s, const char *p)
{
    bool goes_on = true;

    if (++m->depth > MAX_DEPTH)
        luaL_error(m->L, "pattern too complex");
    while (goes_on && p < m->pattern_end) {
        step(m);
        if (*p == '(') {
            bool position = p + 1 < m->pattern_end && p[1] == ')';

            s = begin_capture(
                m, s, p + 1 + position, position ? POSITION : UNFINISHED);
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

static const char *
match_at(struct matching *m, const char *s, const char *p)
{
    m->n_captures = 0;
    m->depth = 0;
    return match(m, s, p);
}

/* ---- captures ------------------------------------------------------------ */

/* Capture i, or for the first of none the whole match from s to end. */
static void
push_capture(struct matching *m, int i, const char *s, const char *end)
{
    if (i >= m->n_captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(end - s));
    } else if (m->captures[i].len == POSITION) {
        lua_pushinteger(m->L, m->captures[i].start - m->text + 1);
    } else if (m->captures[i].len == UNFINISHED) {
        luaL_error(m->L, "unfinished capture");
    } else {
        lua_pushlstring(m->L, m->captures[i].start, (size_t)m->captures[i].len);
    }
}

/* All, and the whole match for none unless s is NULL; their number. */
static int
push_captures(struct matching *m, const char *s, const char *end)
{
    int n = m->n_captures == 0 && s != NULL ? 1 : m->n_captures;

    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, end);
    return n;
}

/* ---- find and match ------------------------------------------------------ */

/* The text in argument 1, the pattern in argument 2. */
static const char *
begin(struct matching *m, lua_State *L)
{
    struct str text, pattern;

    text.p = luaL_checklstring(L, 1, &text.len);
    pattern.p = luaL_checklstring(L, 2, &pattern.len);
    m->e = engine_of(L);
    m->L = L;
    m->text = text.p;
    m->text_end = text.p + text.len;
    m->pattern_end = pattern.p + pattern.len;
    return pattern.p;
}

/* Argument 3: from 1 on, or negative from the end. */
static const char *
start_at(const struct matching *m)
{
    ptrdiff_t len = m->text_end - m->text;
    ptrdiff_t at = luaL_optinteger(m->L, 3, 1);

    if (at < 0)
        at += len + 1;
    at = MAX(at - 1, (ptrdiff_t)0);
    return m->text + MIN(at, len);
}

static int
find_plain(struct matching *m, const char *from, const char *p)
{
    size_t len = (size_t)(m->pattern_end - p);
    const char *found =
        len == 0 ? from : memmem(from, (size_t)(m->text_end - from), p, len);

    if (found == NULL) {
        lua_pushnil(m->L);
        return 1;
    }
    lua_pushinteger(m->L, found - m->text + 1);
    lua_pushinteger(m->L, found - m->text + (ptrdiff_t)len);
    return 2;
}

static bool
has_specials(const struct matching *m, const char *p)
{
    for (; p < m->pattern_end; p++) {
        if (*p != '\0' && strchr("^$*+?.([%-", *p) != NULL)
            return true;
    }
    return false;
}

/* The first match from s on: where it begins, and *end; NULL if there is none. */
static const char *
search(struct matching *m, const char *s, const char *p, const char **end)
{
    bool anchored = p < m->pattern_end && *p == '^';

    do {
        *end = match_at(m, s, p + anchored);
        if (*end != NULL)
            return s;
    } while (!anchored && s++ < m->text_end);
    return NULL;
}

static int
find(lua_State *L)
{
    struct matching m;
    const char *p = begin(&m, L), *from = start_at(&m), *s, *end;

    if (lua_toboolean(L, 4) || !has_specials(&m, p))
        return find_plain(&m, from, p);
    s = search(&m, from, p, &end);
    if (s == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, s - m.text + 1);
    lua_pushinteger(L, end - m.text);
    return push_captures(&m, NULL, NULL) + 2;
}

static int
match_string(lua_State *L)
{
    struct matching m;
    const char *p = begin(&m, L), *from = start_at(&m), *end;
    const char *s = search(&m, from, p, &end);

    if (s != NULL)
        return push_captures(&m, s, end);
    lua_pushnil(L);
    return 1;
}

/* The upvalues are the engine, text, pattern, and where to go on. */
static int
next_match(lua_State *L)
{
    struct matching m;
    const char *p, *s, *end;

    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, lua_upvalueindex(3));
    p = begin(&m, L);
    for (s = m.text + lua_tointeger(L, lua_upvalueindex(4)); s <= m.text_end;
         s++) {
        end = match_at(&m, s, p);
        if (end == NULL)
            continue;
        lua_pushinteger(L, end - m.text + (end == s));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, s, end);
    }
    return 0;
}

static int
each_match(lua_State *L)
{
    (void)luaL_checkstring(L, 1);
    (void)luaL_checkstring(L, 2);
    lua_pushlightuserdata(L, engine_of(L));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ---- gsub ---------------------------------------------------------------- */

/* "%0" to "%9" in the text stand for captures. */
static void
add_text(struct matching *m, luaL_Buffer *b, const char *s, const char *end)
{
    struct str with;

    with.p = lua_tolstring(m->L, 3, &with.len);
    for (size_t i = 0; i < with.len; i++) {
        step(m);
        if (with.p[i] != '%') {
            luaL_addchar(b, with.p[i]);
            continue;
        }
        if (++i == with.len || !isdigit((unsigned char)with.p[i])) {
            if (i < with.len)
                luaL_addchar(b, with.p[i]);
        } else if (with.p[i] == '0') {
            luaL_addlstring(b, s, (size_t)(end - s));
        } else {
            push_capture(m, with.p[i] - '1', s, end);
            luaL_addvalue(b);
        }
    }
}

/* What stands for the match, by the text, table or function in argument 3. */
static void
add_replacement(
    struct matching *m, luaL_Buffer *b, const char *s, const char *end)
{
    lua_State *L = m->L;

    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end), 1);
        break;
    case LUA_TTABLE:
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
        break;
    default:
        add_text(m, b, s, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(end - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static int
substitute(lua_State *L)
{
    struct matching m;
    const char *p = begin(&m, L), *s = m.text, *end;
    int type = lua_type(L, 3), n = 0;
    lua_Integer max =
        luaL_optinteger(L, 4, (lua_Integer)(m.text_end - m.text + 1));
    bool anchored = p < m.pattern_end && *p == '^';
    luaL_Buffer b;

    luaL_argcheck(L,
        type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
            type == LUA_TTABLE,
        3, "string/function/table expected");
    luaL_buffinit(L, &b);
    while (n < max) {
        end = match_at(&m, s, p + anchored);
        if (end != NULL) {
            n++;
            add_replacement(&m, &b, s, end);
        }
        if (end != NULL && end > s)
            s = end;
        else if (s < m.text_end)
            luaL_addchar(&b, *s++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&b, s, (size_t)(m.text_end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

void
script_open_match(struct script_engine *e, lua_State *L)
{
    script_register(e, L, "find", find);
    script_register(e, L, "match", match_string);
    script_register(e, L, "gmatch", each_match);
    script_register(e, L, "gsub", substitute);
}
