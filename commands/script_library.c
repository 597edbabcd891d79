/* SPDX-License-Identifier: BSD-3-Clause */
/* script_library.c - functions of Lua and its libraries that scripts get in
 * another form, or bounded.
 *
 * Functions in C that a script could keep busy for long, where the hook does
 * not see them, or that trust their arguments too much. Worker only.
 */
#include "commands/script_state.h"

#include <math.h>
#include <stdlib.h>

/* ---- numbers of arguments ------------------------------------------------- */

/* The one of 5.1 counts in an int, which overflows. */
static int
unpack_table(lua_State *L)
{
    int64_t first = luaL_optint(L, 2, 1), last;

    luaL_checktype(L, 1, LUA_TTABLE);
    last =
        lua_isnoneornil(L, 3) ? (int64_t)lua_objlen(L, 1) : luaL_checkint(L, 3);
    if (last - first >= LUAI_MAXCSTACK)
        return luaL_error(L, "too many results to unpack");
    return script_call_wrapped(L);
}

/* The number of digits is at most 8 either way; some versions of the library
 * write out of bounds for others. */
static int
to_hex(lua_State *L)
{
    if (lua_gettop(L) >= 2) {
        int n = MAX(-8, MIN(8, luaL_checkint(L, 2)));

        lua_pushinteger(L, n);
        lua_replace(L, 2);
    }
    return script_call_wrapped(L);
}

/* ---- calls --------------------------------------------------------------- */

/* As scripts for Redis before 7 expect it: an error of a command is its text.
 * An argument is the function, and the rest its arguments. */
static int
protected_call(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0) == 0) {
        lua_pushboolean(L, 1);
        lua_insert(L, 1);
        return lua_gettop(L);
    }
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
        if (!lua_isstring(L, -1))
            lua_pop(L, 1);
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* The handler is called after the stack was unwound: within it, hooks are off
 * when the error came from one, and it could go on for ever. */
static int
handled_call(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 0, LUA_MULTRET, 0) == 0) {
        lua_pushboolean(L, 1);
        lua_replace(L, 2);
        return lua_gettop(L) - 1;
    }
    lua_pushvalue(L, 2);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* Coroutines count instructions for themselves: so look at the clock where they
 * begin and go on. */
static int
timed_call(lua_State *L)
{
    script_check_time(engine_of(L), L);
    return script_call_wrapped(L);
}

/* Wrap the function that coroutine.wrap() makes. */
static int
wrap_coroutine(lua_State *L)
{
    script_check_time(engine_of(L), L);
    lua_pushlightuserdata(L, engine_of(L));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushcclosure(L, timed_call, 2);
    return 1;
}

/* ---- code ---------------------------------------------------------------- */

/* Text only: the virtual machine trusts compiled code. */
static int
load_text(lua_State *L, struct str code, const char *name)
{
    if (code.len > 0 && *code.p == LUA_SIGNATURE[0]) {
        lua_pushnil(L);
        lua_pushliteral(L, "compiled code is not accepted");
        return 2;
    }
    if (script_load(L, code, name) == 0)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int
load_string(lua_State *L)
{
    struct str code;

    code.p = luaL_checklstring(L, 1, &code.len);
    return load_text(L, code, luaL_optstring(L, 2, code.p));
}

/* All pieces that the function gives, then as before. */
static int
load_pieces(lua_State *L)
{
    const char *name = luaL_optstring(L, 2, "=(load)");
    int n = 0;
    struct str code;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_newtable(L);
    for (;;) {
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1) || (lua_isstring(L, -1) && lua_objlen(L, -1) == 0))
            break;
        if (!lua_isstring(L, -1))
            return luaL_error(L, "reader function must return a string");
        lua_rawseti(L, 3, ++n);
    }
    lua_settop(L, 3);
    lua_pushvalue(L, lua_upvalueindex(2)); /* table.concat */
    lua_insert(L, 3);
    lua_call(L, 1, 1);
    code.p = lua_tolstring(L, -1, &code.len);
    return load_text(L, code, name);
}

/* ---- memory, numbers, time ----------------------------------------------- */

/* How the collector works is not the script's to say. */
static int
collect_garbage(lua_State *L)
{
    static const char *const words[] = {"collect", "count", "step", NULL};
    static const int actions[] = {LUA_GCCOLLECT, LUA_GCCOUNT, LUA_GCSTEP};
    const char *word = luaL_optstring(L, 1, "collect");
    int i = 0;

    while (words[i] != NULL && strcmp(words[i], word) != 0)
        i++;
    if (words[i] == NULL) {
        lua_pushinteger(L, 0);
        return 1;
    }
    script_check_time(engine_of(L), L);
    lua_pushnumber(L, lua_gc(L, actions[i], 0));
    if (actions[i] == LUA_GCCOUNT)
        lua_pushnumber(
            L, lua_tonumber(L, -1) + lua_gc(L, LUA_GCCOUNTB, 0) / 1024.0);
    return 1;
}

static int
repeat_string(lua_State *L)
{
    size_t len;
    int n = luaL_checkint(L, 2);

    (void)luaL_checklstring(L, 1, &len);
    if (len == 0 || n <= 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (len > SIZE_MAX / (size_t)n)
        return luaL_error(L, "not enough memory");
    script_check_room(engine_of(L), L, len * (size_t)n);
    return script_call_wrapped(L);
}

/* The same numbers for the same seed on every machine: those of lrand48(). */
static int
random_number(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    lua_Number r =
        (lua_Number)(nrand48(e->random) % INT32_MAX) / (lua_Number)INT32_MAX;
    int n = lua_gettop(L), low = 1, high;

    if (n == 0) {
        lua_pushnumber(L, r);
        return 1;
    }
    if (n > 2)
        return luaL_error(L, "wrong number of arguments");
    if (n == 2)
        low = luaL_checkint(L, 1);
    high = luaL_checkint(L, n);
    luaL_argcheck(L, low <= high, n, "interval is empty");
    lua_pushnumber(
        L, floor(r * ((lua_Number)high - low + 1)) + (lua_Number)low);
    return 1;
}

static int
seed_random(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    unsigned seed = (unsigned)luaL_checkint(L, 1);

    e->random[0] = 0x330e;
    e->random[1] = (unsigned short)(seed & 0xffff);
    e->random[2] = (unsigned short)(seed >> 16);
    return 0;
}

static int
processor_time(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)clock() / CLOCKS_PER_SEC);
    return 1;
}

/* ---- JSON ---------------------------------------------------------------- */

/* Deeper is refused by cjson as well. */
#define JSON_DEPTH 1000
/* cjson gives back its buffer with the state only. */
#define JSON_KEEP (256 * KIB)
/* It counts bytes, up to six for each, in an int. */
#define JSON_MAX (128 * MIB)

/* Add up what the value at the top takes at least, until that is too much: the
 * same table may be in many places. */
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH */
static void
measure(struct script_engine *e, lua_State *L, int depth, size_t *bytes)
{
    script_step(e, L);
    *bytes += lua_type(L, -1) == LUA_TSTRING ? lua_objlen(L, -1) + 2 : 2;
    if (*bytes > MIN(e->limit, JSON_MAX))
        luaL_error(L, "not enough memory");
    if (lua_type(L, -1) != LUA_TTABLE || depth == JSON_DEPTH)
        return;
    luaL_checkstack(L, 4, "JSON");
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        measure(e, L, depth + 1, bytes);
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING)
            *bytes += lua_objlen(L, -1) + 3;
    }
}

static int
encode_json(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    size_t bytes = 0;

    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    measure(e, L, 0, &bytes);
    if (bytes > JSON_KEEP)
        e->discard = true;
    return script_call_wrapped(L);
}

/* An array of a few elements far apart would be written with all between. */
static int
encode_sparse(lua_State *L)
{
    if (lua_gettop(L) >= 2 && lua_tonumber(L, 2) < 1)
        return luaL_argerror(L, 2, "expected integer between 1 and 2147483647");
    return script_call_wrapped(L);
}

/* It is kept while the state is, or cjson would lose it when Lua has no memory
 * for what it holds. */
static int
keep_buffer(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

/* How deep values may be nested; the C stack bounds it. */
static int
set_json_depth(lua_State *L)
{
    if (lua_gettop(L) >= 1 && lua_tonumber(L, 1) > JSON_DEPTH)
        return luaL_argerror(L, 1, "expected integer between 1 and 1000");
    return script_call_wrapped(L);
}

/* cjson loses its buffer when Lua has no memory for a value in between. So it
 * gets what it may need, and the limit holds again afterwards. */
#define JSON_SHARE 16
#define JSON_GROWTH 64

static int
decode_json(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    size_t len;
    int status;

    (void)luaL_checklstring(L, 1, &len);
    lua_settop(L, 1);
    if (len > MIN(e->limit, JSON_MAX) / JSON_SHARE)
        return luaL_error(L, "not enough memory");
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    e->slack = JSON_GROWTH * (len + KIB);
    status = lua_pcall(L, 1, 1, 0);
    e->slack = 0;
    if (status != 0)
        return lua_error(L);
    if (e->used > e->limit)
        lua_gc(L, LUA_GCCOLLECT, 0);
    script_check_room(e, L, 0);
    return 1;
}

/* ---- all of them --------------------------------------------------------- */

/* Take away the fields that are not for scripts. */
void
script_remove_fields(lua_State *L, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

/* Of the globals, which are on top. */
static void
open_base(struct script_engine *e, lua_State *L)
{
    script_register(e, L, "pcall", protected_call);
    script_register(e, L, "xpcall", handled_call);
    script_register(e, L, "loadstring", load_string);
    script_register(e, L, "collectgarbage", collect_garbage);
    lua_pushlightuserdata(L, e);
    lua_getfield(L, -2, "table");
    lua_getfield(L, -1, "concat");
    lua_remove(L, -2);
    lua_pushcclosure(L, load_pieces, 2);
    lua_setfield(L, -2, "load");
    script_wrap(e, L, "unpack", unpack_table);
}

void
script_open_library(struct script_engine *e, lua_State *L)
{
    static const char *const of_string[] = {"gfind", NULL};
    static const char *const of_cjson[] = {"new", NULL};

    open_base(e, L);
    lua_getfield(L, -1, "string");
    script_remove_fields(L, of_string);
    script_wrap(e, L, "rep", repeat_string);
    script_open_match(e, L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "math");
    script_register(e, L, "random", random_number);
    script_register(e, L, "randomseed", seed_random);
    lua_pop(L, 1);
    lua_getfield(L, -1, "coroutine");
    script_wrap(e, L, "create", timed_call);
    script_wrap(e, L, "resume", timed_call);
    script_wrap(e, L, "wrap", wrap_coroutine);
    lua_pop(L, 1);
    lua_getfield(L, -1, "cjson");
    script_remove_fields(L, of_cjson);
    script_wrap(e, L, "encode", encode_json);
    script_wrap(e, L, "decode", decode_json);
    script_wrap(e, L, "encode_sparse_array", encode_sparse);
    script_register(e, L, "encode_keep_buffer", keep_buffer);
    script_wrap(e, L, "encode_max_depth", set_json_depth);
    script_wrap(e, L, "decode_max_depth", set_json_depth);
    lua_pop(L, 1);
    lua_getfield(L, -1, "bit");
    script_wrap(e, L, "tohex", to_hex);
    lua_pop(L, 1);
    lua_newtable(L);
    script_register(e, L, "clock", processor_time);
    lua_setfield(L, -2, "os");
}
