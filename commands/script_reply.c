/* SPDX-License-Identifier: BSD-3-Clause */
/* script_reply.c - from RESP to values of Lua, and back.
 *
 * What a command called by a script replies is read again, as it stands in the
 * output. What the script returns is written into the client's. Worker only.
 */
#include "commands/script_state.h"

#include <stdlib.h>

/* ---- from RESP to Lua ---------------------------------------------------- */

struct reading {
    struct script_engine *e;
    size_t at;  /* in the output */
    size_t ref; /* the next reference */
};

void
script_drop_reply(struct script_engine *e)
{
    struct slab *slab = ks_slab(e->thread->commands->ks);

    while (e->reply.n_refs > 0)
        extent_unpin(slab, e->reply.refs[--e->reply.n_refs].extent);
    e->out.len = 0;
}

/* The rest of the line; the place is after it. */
static struct str
read_line(struct reading *r)
{
    const char *start = r->e->out.p + r->at;
    const char *end = memchr(start, '\r', r->e->out.len - r->at);

    ASSERT(end != NULL);
    r->at = (size_t)(end + 2 - r->e->out.p);
    return (struct str){start, (size_t)(end - start)};
}

static int64_t
number_of(struct str line)
{
    int64_t n;

    ASSERT(str_to_i64(line, &n));
    return n;
}

static int64_t
read_number(struct reading *r)
{
    return number_of(read_line(r));
}

/* `len` bytes: in the output, or referenced from there. */
static struct str
read_bytes(struct reading *r, size_t len)
{
    struct script_engine *e = r->e;
    struct str bytes = {e->out.p + r->at, len};

    if (r->ref < e->reply.n_refs && e->reply.refs[r->ref].at == r->at) {
        ASSERT(e->reply.refs[r->ref].len == len);
        bytes.p = e->reply.refs[r->ref++].p;
    } else {
        r->at += len;
    }
    r->at += 2;
    return bytes;
}

static void
push_text_field(lua_State *L, const char *name, struct str text)
{
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, text.p, text.len);
    lua_setfield(L, -2, name);
}

/* "-CODE text" */
static void
push_error(lua_State *L, struct str text)
{
    push_text_field(L, "err", text);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "ignore_error_stats_update");
}

/* false for the nulls of RESP2 */
static void
push_bulk(struct reading *r, lua_State *L)
{
    int64_t len = read_number(r);
    struct str bytes;

    if (len < 0) {
        lua_pushboolean(L, 0);
        return;
    }
    bytes = read_bytes(r, (size_t)len);
    lua_pushlstring(L, bytes.p, bytes.len);
}

/* {verbatim_string = {format = , string = }} */
static void
push_verbatim(struct reading *r, lua_State *L)
{
    struct str bytes = read_bytes(r, (size_t)read_number(r));

    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, bytes.p, 3);
    lua_setfield(L, -2, "format");
    lua_pushlstring(L, bytes.p + 4, bytes.len - 4);
    lua_setfield(L, -2, "string");
    lua_setfield(L, -2, "verbatim_string");
}

/* What is one line. */
static void
push_line(lua_State *L, char type, struct str line)
{
    switch (type) {
    case '+':
        push_text_field(L, "ok", line);
        break;
    case '-':
        push_error(L, line);
        break;
    case ':':
        lua_pushnumber(L, (lua_Number)number_of(line));
        break;
    case '(':
        push_text_field(L, "big_number", line);
        break;
    case '_':
        lua_pushnil(L);
        break;
    case '#':
        lua_pushboolean(L, *line.p == 't');
        break;
    default:
        ASSERT(type == ',');
        lua_createtable(L, 0, 1);
        lua_pushnumber(L, strtod(line.p, NULL));
        lua_setfield(L, -2, "double");
        break;
    }
}

/* NOLINTBEGIN(misc-no-recursion): as deep as our own replies */

static void push_any(struct reading *r, lua_State *L);

static void
push_array(struct reading *r, lua_State *L)
{
    int64_t n = read_number(r);

    if (n < 0) {
        lua_pushboolean(L, 0);
        return;
    }
    lua_createtable(L, (int)MIN(n, (int64_t)INT_MAX), 0);
    for (int i = 1; i <= n; i++) {
        push_any(r, L);
        lua_rawseti(L, -2, i);
    }
}

/* {map = {k = v}}, or {set = {k = true}} */
static void
push_aggregate(struct reading *r, lua_State *L, const char *name, bool pairs)
{
    int64_t n = read_number(r);

    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, (int)MIN(n, (int64_t)INT_MAX));
    for (int64_t i = 0; i < n; i++) {
        push_any(r, L);
        if (pairs)
            push_any(r, L);
        else
            lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, name);
}

static void
push_any(struct reading *r, lua_State *L)
{
    char type = r->e->out.p[r->at++];

    luaL_checkstack(L, 6, "reply");
    switch (type) {
    case '$':
        push_bulk(r, L);
        break;
    case '=':
        push_verbatim(r, L);
        break;
    case '*':
    case '>':
        push_array(r, L);
        break;
    case '%':
    case '|':
        push_aggregate(r, L, "map", true);
        break;
    case '~':
        push_aggregate(r, L, "set", false);
        break;
    default:
        push_line(L, type, read_line(r));
        break;
    }
}

/* NOLINTEND(misc-no-recursion) */

void
script_push_reply(struct script_engine *e, lua_State *L)
{
    struct reading r = {.e = e};

    ASSERT(e->out.len > 0);
    /* attributes and pushes, which only DEBUG PROTOCOL has, go before */
    for (char type = e->out.p[0]; type == '|' || type == '>';
         type = e->out.p[r.at]) {
        push_any(&r, L);
        lua_pop(L, 1);
    }
    push_any(&r, L);
    ASSERT(r.at == e->out.len && r.ref == e->reply.n_refs);
}

/* ---- from Lua to RESP ----------------------------------------------------- */

struct writing {
    struct script_engine *e;
    struct reply *r;
    size_t start; /* of the reply in the output */
    int depth;
};

#define MAX_DEPTH 512 /* the C stack bounds it; clients read less */

/* As C converts it, where that says what: numbers that fit. */
static int64_t
to_integer(lua_Number n)
{
    if (n >= -9223372036854775808.0 && n < 9223372036854775808.0)
        return (int64_t)n;
    return INT64_MIN;
}

/* Push a field of the table on top; the type it has. */
static int
push_field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    return lua_type(L, -1);
}

static struct str
top_string(lua_State *L)
{
    struct str s;

    s.p = lua_tolstring(L, -1, &s.len);
    return s;
}

static void
append_without_ends(struct buf *out, struct str text)
{
    size_t from = out->len;

    buf_append(out, text.p, text.len);
    for (size_t i = from; i < out->len; i++) {
        if (out->p[i] == '\r' || out->p[i] == '\n')
            out->p[i] = ' ';
    }
}

/* A line of its own, the ends of lines in it made blanks. */
static void
write_line(struct writing *w, char type, struct str text)
{
    buf_append(w->r->out, &type, 1);
    append_without_ends(w->r->out, text);
    buf_append(w->r->out, "\r\n", 2);
}

/* The same; a bulk in RESP2. */
static void
write_big_number(struct writing *w, struct str digits)
{
    if (w->r->protocol == 3) {
        write_line(w, '(', digits);
        return;
    }
    buf_printf(w->r->out, "$%zu\r\n", digits.len);
    append_without_ends(w->r->out, digits);
    buf_append(w->r->out, "\r\n", 2);
}

/* Errors and plain fields: {err = }, {ok = }, {double = }, {big_number = },
 * {verbatim_string = }. */
static bool
write_scalar(struct writing *w, lua_State *L)
{
    bool done = true;

    if (push_field(L, "err") == LUA_TSTRING) {
        reply_error(w->r, "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
        push_field(L, "ignore_error_stats_update");
        if (w->r->out->p[w->start] == '-')
            w->e->thread->error_counted = lua_toboolean(L, -1);
        lua_pop(L, 1);
        return true;
    }
    lua_pop(L, 1);
    if (push_field(L, "ok") == LUA_TSTRING) {
        write_line(w, '+', top_string(L));
    } else if (lua_pop(L, 1), push_field(L, "double") == LUA_TNUMBER) {
        reply_double(w->r, lua_tonumber(L, -1));
    } else if (lua_pop(L, 1), push_field(L, "big_number") == LUA_TSTRING) {
        write_big_number(w, top_string(L));
    } else {
        done = false;
    }
    lua_pop(L, 1);
    return done;
}

static bool
write_verbatim(struct writing *w, lua_State *L)
{
    char kind[4] = "   ";
    bool done = false;

    if (push_field(L, "verbatim_string") == LUA_TTABLE) {
        if (push_field(L, "format") == LUA_TSTRING) {
            struct str format = top_string(L);

            memcpy(kind, format.p, MIN(format.len, (size_t)3));
            lua_pushliteral(L, "string");
            lua_rawget(L, -3);
            if (lua_type(L, -1) == LUA_TSTRING) {
                reply_verbatim(w->r, kind, top_string(L));
                done = true;
            }
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return done;
}

/* NOLINTBEGIN(misc-no-recursion): bounded by the stack of Lua */

static void write_any(struct writing *w, lua_State *L);

static bool
write_map(struct writing *w, lua_State *L)
{
    size_t at, n = 0;

    if (push_field(L, "map") != LUA_TTABLE) {
        lua_pop(L, 1);
        return false;
    }
    at = reply_map_open(w->r);
    lua_pushnil(L);
    for (; lua_next(L, -2) != 0; n++) {
        lua_pushvalue(L, -2);
        write_any(w, L);
        lua_pop(L, 1);
        write_any(w, L);
        lua_pop(L, 1);
    }
    reply_array_close(w->r, at, n);
    lua_pop(L, 1);
    return true;
}

static bool
write_set(struct writing *w, lua_State *L)
{
    size_t at, n = 0;

    if (push_field(L, "set") != LUA_TTABLE) {
        lua_pop(L, 1);
        return false;
    }
    at = reply_set_open(w->r);
    lua_pushnil(L);
    for (; lua_next(L, -2) != 0; n++) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        write_any(w, L);
        lua_pop(L, 1);
    }
    reply_array_close(w->r, at, n);
    lua_pop(L, 1);
    return true;
}

/* Up to the first nil. */
static void
write_array(struct writing *w, lua_State *L)
{
    size_t at = reply_array_open(w->r), n = 0;

    for (;; n++) {
        lua_rawgeti(L, -1, (int)n + 1);
        if (lua_isnil(L, -1))
            break;
        write_any(w, L);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    reply_array_close(w->r, at, n);
}

static void
write_table(struct writing *w, lua_State *L)
{
    if (!write_scalar(w, L) && !write_verbatim(w, L) && !write_map(w, L) &&
        !write_set(w, L))
        write_array(w, L);
}

/* The value on top, which stays. The same table may be in many places, so that
 * the reply can be larger than what Lua holds. */
static void
write_any(struct writing *w, lua_State *L)
{
    if (w->r->out->len - w->start > w->e->limit)
        luaL_error(L, "the reply is larger than script-memory-limit");
    script_step(w->e, L);
    if (w->depth == MAX_DEPTH || !lua_checkstack(L, 6)) {
        reply_error(w->r, "ERR reached lua stack limit");
        return;
    }
    w->depth++;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        reply_bulk(w->r, top_string(L));
        break;
    case LUA_TBOOLEAN:
        if (w->e->protocol == 3)
            reply_bool(w->r, lua_toboolean(L, -1));
        else if (lua_toboolean(L, -1))
            reply_int(w->r, 1);
        else
            reply_null(w->r);
        break;
    case LUA_TNUMBER:
        reply_int(w->r, to_integer(lua_tonumber(L, -1)));
        break;
    case LUA_TTABLE:
        write_table(w, L);
        break;
    default:
        reply_null(w->r);
        break;
    }
    w->depth--;
}

/* NOLINTEND(misc-no-recursion) */

int
script_convert(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    struct writing w = {e, e->rq->reply, e->rq->reply->out->len, 0};

    lua_settop(L, 1);
    write_any(&w, L);
    return 0;
}
