/* SPDX-License-Identifier: BSD-3-Clause */
/* script_sandbox.c - what a script finds in its state, and cannot change.
 *
 * Lua 5.1 has no read-only tables. So scripts see stand-ins: empty tables whose
 * metatables lead to the real ones and refuse assignments. The functions that
 * pass by metatables (rawset, table.insert and so on) and those that could give
 * a metatable away are replaced by ones that know stand-ins. Nothing that a
 * script does is left for the next one.
 *
 * Functions in C that a script could keep busy for long, where the hook does
 * not see them, are bounded here or left out: newproxy (its finalizers run
 * without hooks), cjson.new.
 */
#include "commands/script_state.h"

#include <lua-bitop.h>
#include <lua-cjson.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

/* Keys of the registry and of metatables: their addresses. */
static char real_globals, real_table, metatable_shown, string_metatable;

/* ---- stand-ins ----------------------------------------------------------- */

static int
refuse_change(lua_State *L)
{
    return luaL_error(L, "Attempt to modify a readonly table");
}

/* Replace the table on top by a stand-in for it. */
static void
stand_in(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_change);
    lua_setfield(L, -2, "__newindex");
    lua_pushlightuserdata(L, &real_table);
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* Is there a stand-in at index i? Then push the real table. */
static bool
push_real(lua_State *L, int i)
{
    if (!lua_istable(L, i) || !lua_getmetatable(L, i))
        return false;
    lua_pushlightuserdata(L, &real_table);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

static void
check_writable(lua_State *L, int i)
{
    if (!push_real(L, i))
        return;
    lua_pushliteral(L, "Attempt to modify a readonly table");
    lua_error(L);
}

void
script_set_global(lua_State *L, const char *name)
{
    lua_pushlightuserdata(L, &real_globals);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_insert(L, -2);
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void
script_register(
    struct script_engine *e, lua_State *L, const char *name, lua_CFunction fn)
{
    lua_pushlightuserdata(L, e);
    lua_pushcclosure(L, fn, 1);
    lua_setfield(L, -2, name);
}

/* The same, and the function of that name before as the second upvalue. */
static void
wrap(struct script_engine *e, lua_State *L, const char *name, lua_CFunction fn)
{
    lua_pushlightuserdata(L, e);
    lua_getfield(L, -2, name);
    lua_pushcclosure(L, fn, 2);
    lua_setfield(L, -2, name);
}

/* Call what was wrapped with all arguments, and return all that it returns. */
static int
call_wrapped(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* ---- tables -------------------------------------------------------------- */

/* Those whose first argument is a table that they change. */
static int
change_table(lua_State *L)
{
    check_writable(L, 1);
    return call_wrapped(L);
}

/* Those whose first argument is a table that they read past metatables. */
static int
read_table(lua_State *L)
{
    if (push_real(L, 1))
        lua_replace(L, 1);
    return call_wrapped(L);
}

/* The iterator is our next(), which knows stand-ins: the real table is not given
 * away. */
static int
each_pair(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

/* The position is one of the table's, as in later versions of Lua: 5.1 moves as
 * many elements as are asked for. */
static int
insert_element(lua_State *L)
{
    check_writable(L, 1);
    if (lua_gettop(L) == 3 && lua_istable(L, 1))
        luaL_argcheck(
            L, luaL_checkinteger(L, 2) >= 1, 2, "position out of bounds");
    return call_wrapped(L);
}

/* A comparison in Lua, so that the hook sees how long it takes. */
static int
sort_table(lua_State *L)
{
    check_writable(L, 1);
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_pushvalue(L, lua_upvalueindex(1)); /* see open_table() */
    }
    return call_wrapped(L);
}

static int
set_metatable(lua_State *L)
{
    check_writable(L, 1);
    return call_wrapped(L);
}

/* Stand-ins have none, but for the globals; strings have one to look at. */
static int
get_metatable(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING || lua_rawequal(L, 1, LUA_GLOBALSINDEX)) {
        lua_pushlightuserdata(L,
            lua_type(L, 1) == LUA_TSTRING ? &string_metatable
                                          : &metatable_shown);
        lua_rawget(L, LUA_REGISTRYINDEX);
        return 1;
    }
    if (push_real(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    return call_wrapped(L);
}

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
    return call_wrapped(L);
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
    return call_wrapped(L);
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
    return call_wrapped(L);
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
    return call_wrapped(L);
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
    return call_wrapped(L);
}

/* An array of a few elements far apart would be written with all between. */
static int
encode_sparse(lua_State *L)
{
    if (lua_gettop(L) >= 2 && lua_tonumber(L, 2) < 1)
        return luaL_argerror(L, 2, "expected integer between 1 and 2147483647");
    return call_wrapped(L);
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
    return call_wrapped(L);
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

/* ---- the libraries ------------------------------------------------------- */

/* A global that is not there is an error, as Redis has it. */
static int
refuse_name(lua_State *L)
{
    const char *name = lua_tostring(L, 2);

    return luaL_error(L,
        "Script attempted to access nonexistent global variable '%s'",
        name == NULL ? "?" : name);
}

static void
open_library(lua_State *L, const char *name, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

/* Take away the fields that are not for scripts. */
static void
remove_fields(lua_State *L, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

static void
open_base(struct script_engine *e, lua_State *L)
{
    static const char *const removed[] = {
        "dofile", "loadfile", "print", "newproxy", "getfenv", "setfenv", NULL};

    remove_fields(L, removed);
    wrap(e, L, "rawset", change_table);
    wrap(e, L, "rawget", read_table);
    wrap(e, L, "next", read_table);
    lua_pushlightuserdata(L, e);
    lua_getfield(L, -2, "next");
    lua_pushcclosure(L, each_pair, 2);
    lua_setfield(L, -2, "pairs");
    wrap(e, L, "unpack", unpack_table);
    wrap(e, L, "setmetatable", set_metatable);
    wrap(e, L, "getmetatable", get_metatable);
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
}

static void
open_table(struct script_engine *e, lua_State *L)
{
    static const struct str less = STR("local a, b = ... return a < b");

    lua_getfield(L, -1, "table");
    wrap(e, L, "insert", insert_element);
    wrap(e, L, "remove", change_table);
    wrap(e, L, "setn", change_table);
    wrap(e, L, "foreach", read_table);
    wrap(e, L, "maxn", read_table);
    if (luaL_loadbuffer(L, less.p, less.len, "=table.sort") != 0)
        lua_error(L);
    lua_getfield(L, -2, "sort");
    lua_pushcclosure(L, sort_table, 2);
    lua_setfield(L, -2, "sort");
    lua_pop(L, 1);
}

static void
open_others(struct script_engine *e, lua_State *L)
{
    static const char *const of_string[] = {"gfind", NULL};
    static const char *const of_cjson[] = {"new", NULL};

    lua_getfield(L, -1, "string");
    remove_fields(L, of_string);
    wrap(e, L, "rep", repeat_string);
    script_open_match(e, L);
    lua_pop(L, 1);
    lua_getfield(L, -1, "math");
    script_register(e, L, "random", random_number);
    script_register(e, L, "randomseed", seed_random);
    lua_pop(L, 1);
    lua_getfield(L, -1, "coroutine");
    wrap(e, L, "create", timed_call);
    wrap(e, L, "resume", timed_call);
    wrap(e, L, "wrap", wrap_coroutine);
    lua_pop(L, 1);
    lua_getfield(L, -1, "cjson");
    remove_fields(L, of_cjson);
    wrap(e, L, "encode", encode_json);
    wrap(e, L, "decode", decode_json);
    wrap(e, L, "encode_sparse_array", encode_sparse);
    script_register(e, L, "encode_keep_buffer", keep_buffer);
    wrap(e, L, "encode_max_depth", set_json_depth);
    wrap(e, L, "decode_max_depth", set_json_depth);
    lua_pop(L, 1);
    lua_getfield(L, -1, "bit");
    wrap(e, L, "tohex", to_hex);
    lua_pop(L, 1);
    lua_newtable(L);
    script_register(e, L, "clock", processor_time);
    lua_setfield(L, -2, "os");
}

/* Put stand-ins in the place of the libraries, which are fields of the table on
 * top. The metatable of strings goes on leading to the real one. */
static void
close_libraries(lua_State *L)
{
    static const char *const names[] = {
        "table", "string", "math", "coroutine", "cjson", "bit", "os", "redis"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        lua_getfield(L, -1, names[i]);
        stand_in(L);
        lua_setfield(L, -2, names[i]);
    }
    lua_pushlightuserdata(L, &string_metatable);
    lua_newtable(L);
    lua_getfield(L, -3, "string");
    lua_setfield(L, -2, "__index");
    stand_in(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, &metatable_shown);
    lua_newtable(L);
    stand_in(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* The state's globals, on top, become a stand-in for what they are. */
static void
close_globals(lua_State *L)
{
    lua_pushlightuserdata(L, &real_globals);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    lua_pushcfunction(L, refuse_name);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    stand_in(L);
    lua_pushvalue(L, -1);
    script_set_global(L, "_G");
    lua_replace(L, LUA_GLOBALSINDEX);
}

int
script_open_sandbox(lua_State *L)
{
    struct script_engine *e = lua_touserdata(L, 1);

    open_library(L, "", luaopen_base);
    open_library(L, LUA_TABLIBNAME, luaopen_table);
    open_library(L, LUA_STRLIBNAME, luaopen_string);
    open_library(L, LUA_MATHLIBNAME, luaopen_math);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    open_library(L, "bit", luaopen_bit);
    lua_pushcfunction(L, luaopen_cjson);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "cjson");
    open_table(e, L);
    open_base(e, L);
    open_others(e, L);
    script_open_redis(e, L);
    close_libraries(L);
    close_globals(L);
    return 0;
}
