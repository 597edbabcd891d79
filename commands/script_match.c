/* SPDX-License-Identifier: BSD-3-Clause */
/* script_match.c - string.find, match, gmatch and gsub for scripts, around the
 * matcher of script_pattern.c. Worker only.
 */
#include "commands/script_pattern.h"

#include <ctype.h>

/* ---- captures ------------------------------------------------------------ */

/* Capture i, or for the first of none the whole match from s to end. */
static void
push_capture(struct matching *m, int i, const char *s, const char *end)
{
    if (i >= m->n_captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(end - s));
    } else if (m->captures[i].len == CAPTURE_POSITION) {
        lua_pushinteger(m->L, m->captures[i].start - m->text + 1);
    } else if (m->captures[i].len == CAPTURE_UNFINISHED) {
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

/* The first match from s on: where it begins, and *end; NULL for none. */
static const char *
search(struct matching *m, const char *s, const char *p, const char **end)
{
    bool anchored = p < m->pattern_end && *p == '^';

    do {
        *end = matching_at(m, s, p + anchored);
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
        end = matching_at(&m, s, p);
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
        matching_step(m);
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
        end = matching_at(&m, s, p + anchored);
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
