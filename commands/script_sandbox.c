/* SPDX-License-Identifier: BSD-3-Clause */
/* script_sandbox.c - what a script finds in its state, and cannot change.
 *
 * Lua 5.1 has no read-only tables. So scripts see stand-ins: empty tables whose
 * metatables lead to the real ones and refuse assignments. The functions that
 * pass by metatables (rawset, table.insert and so on) and those that could give
 * a metatable away are replaced by ones that know stand-ins. Nothing that a
 * script does is left for the next one.
 *
 * newproxy is left out, as its finalizers would run without hooks, and so is
 * cjson.new.
 */
#include "commands/script_state.h"

#include <lua-bitop.h>
#include <lua-cjson.h>

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
void
script_wrap(
    struct script_engine *e, lua_State *L, const char *name, lua_CFunction fn)
{
    lua_pushlightuserdata(L, e);
    lua_getfield(L, -2, name);
    lua_pushcclosure(L, fn, 2);
    lua_setfield(L, -2, name);
}

/* Call what was wrapped with all arguments, and return all that it returns. */
int
script_call_wrapped(lua_State *L)
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
    return script_call_wrapped(L);
}

/* Those whose first argument is a table that they read past metatables. */
static int
read_table(lua_State *L)
{
    if (push_real(L, 1))
        lua_replace(L, 1);
    return script_call_wrapped(L);
}

/* The iterator is our next(), which knows stand-ins: the real table is not
 * given away. */
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
    return script_call_wrapped(L);
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
    return script_call_wrapped(L);
}

static int
set_metatable(lua_State *L)
{
    check_writable(L, 1);
    return script_call_wrapped(L);
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
    return script_call_wrapped(L);
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

static void
open_base(struct script_engine *e, lua_State *L)
{
    static const char *const removed[] = {
        "dofile", "loadfile", "print", "newproxy", "getfenv", "setfenv", NULL};

    script_remove_fields(L, removed);
    script_wrap(e, L, "rawset", change_table);
    script_wrap(e, L, "rawget", read_table);
    script_wrap(e, L, "next", read_table);
    lua_pushlightuserdata(L, e);
    lua_getfield(L, -2, "next");
    lua_pushcclosure(L, each_pair, 2);
    lua_setfield(L, -2, "pairs");
    script_wrap(e, L, "setmetatable", set_metatable);
    script_wrap(e, L, "getmetatable", get_metatable);
}

static void
open_table(struct script_engine *e, lua_State *L)
{
    static const struct str less = STR("local a, b = ... return a < b");

    lua_getfield(L, -1, "table");
    script_wrap(e, L, "insert", insert_element);
    script_wrap(e, L, "remove", change_table);
    script_wrap(e, L, "setn", change_table);
    script_wrap(e, L, "foreach", read_table);
    script_wrap(e, L, "maxn", read_table);
    if (luaL_loadbuffer(L, less.p, less.len, "=table.sort") != 0)
        lua_error(L);
    lua_getfield(L, -2, "sort");
    lua_pushcclosure(L, sort_table, 2);
    lua_setfield(L, -2, "sort");
    lua_pop(L, 1);
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
    script_open_library(e, L);
    script_open_redis(e, L);
    close_libraries(L);
    close_globals(L);
    return 0;
}
