/* SPDX-License-Identifier: BSD-3-Clause */
/* script_lua.c - the Lua state of a worker: its life, its memory, its time.
 *
 * The state is made at the worker's first script. All memory of Lua comes from
 * allocate(), which counts it in the budget in steps and refuses what is beyond
 * script-memory-limit; Lua then raises "not enough memory". A hook looks at the
 * clock every thousand instructions. Once a script is to end, each further
 * instruction raises the error again, so that no pcall() holds it up.
 */
#include "commands/script_state.h"

#include <stdlib.h>

/* Memory is counted in the budget in such steps. */
#define CHARGE_STEP (64 * KIB)
/* A state may have this also beyond maxmemory, or no script could run then. */
#define ALWAYS_BYTES (512 * KIB)
/* Percent of what is in use after a collection at which the next begins. */
#define COLLECT_AT 150
#define ARENA_BYTES (16 * KIB)

/* ---- memory -------------------------------------------------------------- */

/* What malloc() takes for so many bytes, about. */
static size_t
cost(size_t bytes)
{
    return bytes == 0 ? 0 : (bytes + 8 + 15) & ~(size_t)15;
}

static struct slab *
slab_of(const struct script_engine *e)
{
    return ks_slab(e->thread->commands->ks);
}

/* Count in the budget what is in use; false if it does not fit. */
static bool
settle(struct script_engine *e, size_t used)
{
    size_t wanted = ROUND_UP(used, CHARGE_STEP), more;

    if (wanted + CHARGE_STEP < e->charged) {
        slab_uncharge(slab_of(e), e->charged - wanted);
        e->charged = wanted;
    }
    if (wanted <= e->charged)
        return true;
    more = wanted - e->charged;
    if (e->slack > 0 || wanted <= ALWAYS_BYTES)
        slab_charge_force(slab_of(e), more);
    else if (!ks_charge(e->thread->ks, more))
        return false;
    e->charged = wanted;
    return true;
}

/* The lua_Alloc. Making a block smaller never fails, as Lua relies on. */
static void *
allocate(void *ctx, void *p, size_t old_bytes, size_t bytes)
{
    struct script_engine *e = ctx;
    size_t used = e->used - cost(old_bytes) + cost(bytes);
    void *fresh;

    if (bytes > old_bytes && (used > e->limit + e->slack || !settle(e, used)))
        return NULL;
    if (bytes == 0) {
        free(p);
        fresh = NULL;
    } else {
        fresh = realloc(p, bytes);
        if (fresh == NULL && bytes > old_bytes)
            return NULL;
        if (fresh == NULL)
            fresh = p;
    }
    e->used = used;
    (void)settle(e, used);
    atomic_store_explicit(&e->slot->memory, used, memory_order_relaxed);
    return fresh;
}

void
script_check_room(struct script_engine *e, lua_State *L, size_t bytes)
{
    if (bytes > e->limit || e->used + bytes > e->limit)
        luaL_error(L, "not enough memory");
}

/* ---- time ---------------------------------------------------------------- */

void
script_push_error(lua_State *L, const char *text)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "err");
}

/* How often others are served while a script runs. */
#define SERVE_US 2000

static void
serve_others(struct script_engine *e)
{
    const struct command_host *host = &e->thread->commands->host;

    host->held_up(host->ctx, e->thread->worker);
    e->busy_us = script_now_us() + SERVE_US;
}

static const char *
reason_to_end(const struct script_engine *e, uint64_t now_us)
{
    if (script_slot_is_killed(e->slot))
        return "ERR Script killed by user with SCRIPT KILL...";
    if (now_us >= e->deadline_us)
        return "ERR Script ended: it ran longer than script-time-limit allows";
    if (unlikely(scripts_are_ending(e->thread->commands->state->scripts)))
        return "ERR Script ended: the server is shutting down";
    return NULL;
}

static struct script_engine *engine_of_state(lua_State *L);

void
script_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    script_check_time(engine_of_state(L), L);
}

void
script_check_time(struct script_engine *e, lua_State *L)
{
    const char *why;
    uint64_t now_us;

    if (e->rq == NULL)
        return;
    now_us = script_now_us();
    if (unlikely(now_us >= e->busy_us))
        serve_others(e);
    why = reason_to_end(e, now_us);
    if (likely(why == NULL))
        return;
    lua_sethook(L, script_hook, LUA_MASKCOUNT, 1);
    script_push_error(L, why);
    lua_error(L);
}

/* The allocator's context is the engine. */
static struct script_engine *
engine_of_state(lua_State *L)
{
    void *ctx;

    (void)lua_getallocf(L, &ctx);
    return ctx;
}

/* ---- life ---------------------------------------------------------------- */

/* What Lua calls when there is nobody to catch an error: a bug. */
static int
panic(lua_State *L)
{
    (void)L;
    ASSERT(false);
    return 0;
}

/* The error as a table with the place where it was raised; how pcall() of the
 * whole script sees it. */
static int
handle_error(lua_State *L)
{
    lua_Debug ar;

    if (!lua_istable(L, 1)) {
        const char *text = lua_tostring(L, 1);

        if (lua_isboolean(L, 1))
            text = lua_toboolean(L, 1) ? "true" : "false";
        lua_pushfstring(L, "ERR %s", text == NULL ? luaL_typename(L, 1) : text);
        lua_createtable(L, 0, 3);
        lua_insert(L, -2);
        lua_setfield(L, -2, "err");
    } else {
        lua_createtable(L, 0, 4);
        lua_pushliteral(L, "err");
        lua_rawget(L, 1);
        lua_setfield(L, -2, "err");
        lua_pushliteral(L, "ignore_error_stats_update");
        lua_rawget(L, 1);
        lua_setfield(L, -2, "ignore_error_stats_update");
    }
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (*ar.source != '@') /* not of the script: ours, or in C */
            continue;
        lua_pushstring(L, ar.source);
        lua_setfield(L, -2, "source");
        lua_pushinteger(L, ar.currentline);
        lua_setfield(L, -2, "line");
        break;
    }
    return 1;
}

/* What Lua makes where nobody catches an error, when it first needs it and
 * there may be no memory: the head of luaL_unref()'s list, at index 0 (0 ends
 * the list; nil would too, but that takes the slot away), and the message of an
 * error in handle_error(). */
static void
make_ahead(lua_State *L)
{
    lua_pushinteger(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, 0);
    lua_pushliteral(L, "error in error handling");
    (void)luaL_ref(L, LUA_REGISTRYINDEX);
}

static int
open_state(lua_State *L)
{
    struct script_engine *e = lua_touserdata(L, 1);

    make_ahead(L);
    lua_pushcfunction(L, handle_error);
    e->handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, e);
    lua_pushcclosure(L, script_convert, 1);
    e->convert_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, e);
    lua_pushcclosure(L, script_reply_failure, 1);
    e->failure_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gc(L, LUA_GCSETPAUSE, COLLECT_AT);
    return script_open_sandbox(L);
}

void
script_close_state(struct script_engine *e)
{
    script_forget_compiled(e);
    if (e->lua != NULL)
        lua_close(e->lua);
    e->lua = NULL;
    e->discard = false;
    e->collect_at = 0;
    ASSERT(e->used == 0);
    slab_uncharge(slab_of(e), e->charged);
    e->charged = 0;
}

static bool
make_state(struct script_engine *e)
{
    if (e->lua != NULL)
        return true;
    e->lua = lua_newstate(allocate, e);
    if (e->lua == NULL)
        return false;
    lua_atpanic(e->lua, panic);
    if (lua_cpcall(e->lua, open_state, e) != 0) {
        script_close_state(e);
        return false;
    }
    return true;
}

void
script_engine_flush(struct script_engine *e)
{
    uint64_t flushes;

    if (e == NULL)
        return;
    flushes = scripts_flushes(e->thread->commands->state->scripts);
    if (flushes == e->flushes)
        return;
    ASSERT(e->rq == NULL);
    script_close_state(e);
    e->flushes = flushes;
}

/* The worker's engine with a state; NULL with the error in the reply. */
struct script_engine *
script_engine_get(struct request *rq)
{
    struct command_thread *t = rq->thread;
    struct script_engine *e = t->script_engine;

    if (e == NULL) {
        e = xcalloc(1, sizeof(*e));
        e->thread = t;
        e->slot = scripts_slot(t->commands->state->scripts, t->worker);
        e->arena = arena_new(ARENA_BYTES);
        e->reply.out = &e->out;
        e->random[0] = 0x330e;
        t->script_engine = e;
    }
    script_engine_flush(e);
    e->limit =
        (size_t)option_get_i64(&t->commands->values->script_memory_limit);
    if (make_state(e))
        return e;
    reply_error_status(rq, KS_NO_MEMORY);
    return NULL;
}

void
script_engine_free(struct script_engine *e)
{
    if (e == NULL)
        return;
    script_close_state(e);
    script_drop_reply(e);
    buf_free(&e->out);
    free(e->reply.refs);
    free(e->argv);
    free(e->keys);
    arena_free(e->arena);
    free(e);
}
