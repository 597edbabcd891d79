/* SPDX-License-Identifier: BSD-3-Clause */
/* script_state.h - the Lua state of a worker, for the files that make it:
 * script_lua.c (life, memory, time), script_compile.c (texts), script_run.c (a
 * run), script_sandbox.c and script_library.c (what a script finds),
 * script_match.c (patterns), script_call.c (redis.*), script_reply.c (values of
 * Lua and of RESP).
 *
 * All of it belongs to the worker. Lua leaves C functions by longjmp: none of
 * these holds anything that is not in the engine while it calls Lua.
 */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "commands/script.h"

/* A text as this worker has compiled it. */
struct compiled {
    struct script *script; /* held; NULL: a free slot */
    int ref;               /* of the function, in the registry */
};

struct script_engine {
    struct command_thread *thread;
    struct script_slot *slot;
    lua_State *lua;                            /* NULL: to be made */
    int handler_ref, convert_ref, failure_ref; /* functions in the registry */

    /* memory of the state */
    size_t used, charged, limit;
    size_t slack;      /* beyond the limit, while cjson decodes */
    bool discard;      /* close the state after this run */
    size_t collect_at; /* after a run that leaves so much */

    struct compiled *compiled; /* a hash table, by SHA1 */
    size_t n_compiled, cap_compiled;
    uint64_t generation;
    uint64_t flushes; /* that this worker has seen */

    /* the run; NULL when there is none */
    struct request *rq;
    const struct script_call *call;
    uint64_t deadline_us;
    uint64_t busy_us; /* when the host is to serve others next */
    bool read_only, allow_oom, no_memory;
    bool has_written;
    bool holds_all;   /* every key may be used */
    bool locked;      /* by this run */
    uint8_t protocol; /* that the script has asked for */
    struct ks_key *keys;
    size_t n_keys, cap_keys, latest_key;
    struct arena *arena; /* of the commands that it calls */
    struct resp_arg *argv;
    size_t cap_argv;
    struct reply reply; /* of the command called last */
    struct buf out;

    unsigned steps;           /* see script_step() */
    unsigned short random[3]; /* of math.random() */
};

/* The engine of a C function that was registered with it. */
static inline struct script_engine *
engine_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* Set field `name` of the table on top to a function of the engine. */
void script_register(
    struct script_engine *e, lua_State *L, const char *name, lua_CFunction fn);

/* Push a table {err = "CODE text"}. */
void script_push_error(lua_State *L, const char *text);

/* The worker's engine, with a state; NULL with the error in the reply. */
struct script_engine *script_engine_get(struct request *rq);

/* It is made anew for the next script. Not while one runs. */
void script_close_state(struct script_engine *e);

/* The lua_Hook of a run. */
void script_hook(lua_State *L, lua_Debug *ar);

/* ---- texts (script_compile.c) -------------------------------------------- */

/* What the worker has of this text; NULL if nothing. Valid until the next of
 * these calls. */
struct compiled *script_find_compiled(struct script_engine *e, const char *sha);

/* Compile a text of the cache, whose hold is taken; NULL with the error in the
 * reply. */
struct compiled *script_compile_known(
    struct request *rq, struct script_engine *e, struct script *script);
void script_forget_compiled(struct script_engine *e);

/* luaL_loadbuffer() without the collector: the parser of Lua 5.1 does not hold
 * the name of the text (CVE-2025-49844), and not every Lua has been mended. */
int script_load(lua_State *L, struct str code, const char *name);

/* ---- replies of a run (script_run.c) -------------------------------------- */

/* Reply with the error in the one argument; a lua_CFunction of the engine. */
int script_reply_failure(lua_State *L);

/* ---- time (script_lua.c) ------------------------------------------------- */

/* Raise an error when the script was killed or its time is over. For all that
 * can take long without the count of instructions growing. */
void script_check_time(struct script_engine *e, lua_State *L);

/* The same, at one of a thousand steps of a loop. */
static inline void
script_step(struct script_engine *e, lua_State *L)
{
    if (unlikely(++e->steps % 1024 == 0))
        script_check_time(e, L);
}

/* Room for `bytes` more? Raises "not enough memory" if there is not. */
void script_check_room(struct script_engine *e, lua_State *L, size_t bytes);

/* ---- what a script finds (script_sandbox.c and others) ------------------- */

/* Open the libraries and close the state off; a lua_CFunction, with the engine
 * as its argument. */
int script_open_sandbox(lua_State *L);

/* Put a function in the place of field `name` of the table on top: its upvalues
 * are the engine and what was there, which script_call_wrapped() calls with all
 * arguments and returns all results of. */
void script_wrap(
    struct script_engine *e, lua_State *L, const char *name, lua_CFunction fn);
int script_call_wrapped(lua_State *L);

/* Take fields away that are not for scripts, up to NULL. */
void script_remove_fields(lua_State *L, const char *const *names);

/* Set a global that scripts may read; it is on top, and is popped. */
void script_set_global(lua_State *L, const char *name);

/* The functions of script_library.c in the place of others, in the table of
 * globals on top. */
void script_open_library(struct script_engine *e, lua_State *L);

/* Put find, match, gmatch and gsub into the table on top. */
void script_open_match(struct script_engine *e, lua_State *L);

/* ---- redis.* (script_call.c) ---------------------------------------------- */

/* Put the table `redis` into the table of globals on top. */
void script_open_redis(struct script_engine *e, lua_State *L);

/* ---- values (script_reply.c) ---------------------------------------------- */

/* Push the reply of the last command as a value of Lua. */
void script_push_reply(struct script_engine *e, lua_State *L);

/* Forget the reply of the last command. */
void script_drop_reply(struct script_engine *e);

/* Reply with the one argument; a lua_CFunction of the engine. */
int script_convert(lua_State *L);
