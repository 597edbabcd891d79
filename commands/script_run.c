/* SPDX-License-Identifier: BSD-3-Clause */
/* script_run.c - one run of a script, from its arguments to the reply.
 *
 * While it runs, the partitions of its keys are locked, as EXEC does it. Worker
 * only.
 */
#include "commands/script_state.h"

#include <stdlib.h>

#define HOOK_INSTRUCTIONS 1000
/* What runs may leave before it is collected, beyond what was left then. */
#define GARBAGE (32 * KIB)
#define MUCH_MEMORY (1 * MIB)
/* A state that keeps more than this after a collection is closed. */
#define KEEP_MEMORY (8 * MIB)

static void
push_args(lua_State *L, const struct request *rq, int first, int n)
{
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushlstring(L, rq->argv[first + i].p, rq->argv[first + i].len);
        lua_rawseti(L, -2, i + 1);
    }
}

static int
set_arguments(lua_State *L)
{
    struct script_engine *e = lua_touserdata(L, 1);
    const struct script_call *call = e->call;
    int after = call->first_key + call->n_keys;

    push_args(L, e->rq, call->first_key, call->n_keys);
    script_set_global(L, "KEYS");
    push_args(L, e->rq, after, e->rq->argc - after);
    script_set_global(L, "ARGV");
    return 0;
}

static size_t
bytes_of(const struct request *rq)
{
    size_t bytes = 0;

    for (int i = 0; i < rq->argc; i++)
        bytes += rq->argv[i].len;
    return bytes;
}

/* May it run at all? Replies with the error if not. */
static bool
admit(struct script_engine *e, struct request *rq)
{
    unsigned flags = e->call->script->flags;
    bool plain = flags & SCRIPT_PLAIN;

    if (!plain && !(flags & SCRIPT_NO_WRITES) && e->call->read_only) {
        reply_error(rq->reply,
            "ERR Can not execute a script with write flag using *_ro command.");
        return false;
    }
    if (!plain && !(flags & SCRIPT_NO_WRITES) &&
        replicas_are_missed(rq->thread->commands)) {
        reply_error(rq->reply, NOREPLICAS_TEXT);
        return false;
    }
    e->read_only = e->call->read_only || flags & SCRIPT_NO_WRITES;
    e->allow_oom = flags & SCRIPT_ALLOW_OOM;
    e->no_memory = !e->read_only &&
        (ks_refuses_values(e->thread->ks) ||
            !ks_make_room(e->thread->ks, bytes_of(rq)));
    if (e->no_memory && !plain && !e->allow_oom) {
        reply_error(rq->reply,
            "OOM allow-oom flag is not set on the script, can not run it when "
            "used memory > 'maxmemory'");
        return false;
    }
    return true;
}

/* Lock the keys. False with the error in the reply when not all can be had,
 * because EXEC holds only some. */
static bool
lock(struct script_engine *e, struct request *rq)
{
    struct ks_thread *ks = e->thread->ks;
    size_t n = (size_t)e->call->n_keys;

    e->holds_all = ks_holds_all(ks);
    e->locked = false;
    e->n_keys = n;
    e->latest_key = 0;
    if (e->holds_all)
        return true;
    if (script_uses_all_keys(e->thread->commands, e->call->script->flags)) {
        if (ks_holds(ks)) {
            reply_error(rq->reply,
                "ERR this transaction does not hold the keys of the script");
            return false;
        }
        ks_lock_all(ks);
        e->locked = e->holds_all = true;
        return true;
    }
    if (n == 0)
        return true;
    if (n > e->cap_keys) {
        e->cap_keys = n;
        e->keys = xrealloc(e->keys, n * sizeof(*e->keys));
    }
    for (size_t i = 0; i < n; i++)
        e->keys[i] = arg_key(rq, e->call->first_key + (int)i);
    if (e->read_only)
        ks_lock_to_read(ks, e->keys, n);
    else
        ks_lock(ks, e->keys, n);
    e->locked = true;
    return true;
}

static void
unlock(struct script_engine *e)
{
    if (e->locked)
        ks_unlock(e->thread->ks);
    e->locked = false;
    e->holds_all = false;
    if (e->cap_keys > 4096) {
        free(e->keys);
        e->keys = NULL;
        e->cap_keys = 0;
    }
}

/* Field `name` of the error at index 1 as text, which stays on the stack. */
static const char *
error_field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, 1);
    return lua_tostring(L, -1);
}

/* Reply with the error that ended the run, a lua_CFunction of the engine. */
int
script_reply_failure(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    struct reply *r = e->rq->reply;
    const char *sha = e->call->script->sha, *text, *source, *line;

    if (!lua_istable(L, 1)) { /* of Lua itself: no memory */
        text = lua_tostring(L, 1);
        reply_error(r, "ERR Error running script %s, %.100s", sha,
            text == NULL ? "execution failure" : text);
        return 0;
    }
    text = error_field(L, "err");
    if (text == NULL)
        text = "ERR unknown error";
    source = error_field(L, "source");
    line = error_field(L, "line");
    if (source != NULL && line != NULL)
        reply_error(r, "%s script: %s, on %s:%s.", text, sha, source, line);
    else
        reply_error(r, "%s", text);
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_rawget(L, 1);
    e->thread->error_counted = lua_toboolean(L, -1);
    return 0;
}

/* Hand the value on top to a function that replies; what the conversion itself
 * cannot do for lack of memory is the error then. */
/* NOLINTNEXTLINE(misc-no-recursion): once */
static void
reply_with(struct script_engine *e, struct request *rq, int ref)
{
    size_t at = rq->reply->out->len;
    lua_State *L = e->lua;

    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 0, 0) == 0)
        return;
    rq->reply->out->len = at;
    if (ref != e->failure_ref)
        reply_with(e, rq, e->failure_ref);
    else
        reply_error(rq->reply, "ERR Error running script %s, %.100s",
            e->call->script->sha, "not enough memory");
}

/* Call the function under the locks; its value or its error is on top. */
static bool
call_function(struct script_engine *e, int ref)
{
    struct command_thread *t = e->thread;
    struct arena *arena = t->arena;
    uint32_t db = LOAD(&e->rq->session->db);
    lua_State *L = e->lua;
    int status;

    lua_rawgeti(L, LUA_REGISTRYINDEX, e->handler_ref);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_pushvalue(
        L, LUA_GLOBALSINDEX); /* an earlier run may have set its own */
    lua_setfenv(L, -2);
    lua_sethook(L, script_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    t->arena = e->arena;
    t->in_script = true;
    status = lua_pcall(L, 0, 1, 1);
    t->in_script = false;
    t->arena = arena;
    atomic_store_explicit(&e->rq->session->db, db, memory_order_relaxed);
    return status == 0;
}

static void
set_limits(struct script_engine *e)
{
    const struct command_options *o = e->thread->commands->values;
    uint64_t now_us = script_now_us();

    e->busy_us = now_us + script_busy_us(e->thread->commands);
    e->deadline_us =
        now_us + (uint64_t)option_get_i64(&o->script_time_limit) * 1000;
}

static void
run_function(struct script_engine *e, struct request *rq, int ref)
{
    bool good;

    if (lua_cpcall(e->lua, set_arguments, e) != 0) {
        reply_error(rq->reply, "ERR Error running script %s, %.100s",
            e->call->script->sha, lua_tostring(e->lua, -1));
        return;
    }
    if (!lock(e, rq))
        return;
    script_slot_begin(e->slot);
    set_limits(e);
    good = call_function(e, ref);
    script_slot_end(e->slot);
    unlock(e);
    reply_with(e, rq, good ? e->convert_ref : e->failure_ref);
}

static int
collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* Leave little behind. */
static void
clean_up(struct script_engine *e)
{
    lua_settop(e->lua, 0);
    lua_sethook(e->lua, NULL, 0, 0);
    script_drop_reply(e);
    if (e->out.cap > MUCH_MEMORY)
        buf_free(&e->out);
    if (e->discard) {
        script_close_state(e);
        return;
    }
    if (e->used < e->collect_at)
        return;
    if (lua_cpcall(e->lua, collect, NULL) != 0 || e->used > KEEP_MEMORY)
        script_close_state(e);
    e->collect_at = e->used + e->used / 2 + GARBAGE;
}

void
script_run(struct request *rq, const struct script_call *call)
{
    struct script_engine *e = script_engine_get(rq);
    struct compiled *f;

    if (e == NULL)
        return;
    e->rq = rq;
    e->call = call;
    e->protocol = 2;
    e->has_written = false;
    f = script_find_compiled(e, call->script->sha);
    if (f == NULL)
        f = script_compile_known(rq, e, script_take(call->script));
    if (f != NULL && admit(e, rq)) {
        script_touch(rq->thread->commands->state->scripts, call->script);
        run_function(e, rq, f->ref);
        e->rq = NULL;
        clean_up(e);
        rq->thread->commands->host.goes_on(
            rq->thread->commands->host.ctx, rq->thread->worker);
    }
    e->rq = NULL;
    e->call = NULL;
}
