/* SPDX-License-Identifier: BSD-3-Clause */
/* script_lua.c - the Lua state of a worker: its life, memory, time, and a run.
 *
 * The state is made at the worker's first script. All memory of Lua comes from
 * allocate(), which counts it in the budget in steps and refuses what is beyond
 * script-memory-limit; Lua then raises "not enough memory". A hook looks at the
 * clock every thousand instructions. Once a script is to end, each further
 * instruction raises the error again, so that no pcall() holds it up.
 *
 * While a script runs, the partitions of its keys are locked, as EXEC does it.
 */
#include "commands/script_state.h"

#include <stdlib.h>

/* Memory is counted in the budget in such steps. */
#define CHARGE_STEP (64 * KIB)
#define HOOK_INSTRUCTIONS 1000
/* Percent of what is in use after a collection at which the next begins. */
#define COLLECT_AT 150
/* What runs may leave before it is collected, beyond what was left then. */
#define GARBAGE (32 * KIB)
#define MUCH_MEMORY (1 * MIB)
/* A state that keeps more than this after a collection is closed. */
#define KEEP_MEMORY (8 * MIB)
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
    if (e->slack > 0)
        slab_charge_force(slab_of(e), more);
    else if (!slab_charge(slab_of(e), more) &&
        !(ks_make_room(e->thread->ks, more) && slab_charge(slab_of(e), more)))
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

static const char *
reason_to_end(const struct script_engine *e)
{
    if (script_slot_is_killed(e->slot))
        return "ERR Script killed by user with SCRIPT KILL...";
    if (script_now_us() >= e->deadline_us)
        return "ERR Script ended: it ran longer than script-time-limit allows";
    return NULL;
}

static struct script_engine *engine_of_state(lua_State *L);

static void
hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    script_check_time(engine_of_state(L), L);
}

void
script_check_time(struct script_engine *e, lua_State *L)
{
    const char *why = e->rq == NULL ? NULL : reason_to_end(e);

    if (likely(why == NULL))
        return;
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
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
    ASSERT(!"an error of Lua outside of a protected call");
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

static int reply_failure(lua_State *L);

static int
open_state(lua_State *L)
{
    struct script_engine *e = lua_touserdata(L, 1);

    lua_pushcfunction(L, handle_error);
    e->handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, e);
    lua_pushcclosure(L, script_convert, 1);
    e->convert_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, e);
    lua_pushcclosure(L, reply_failure, 1);
    e->failure_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gc(L, LUA_GCSETPAUSE, COLLECT_AT);
    return script_open_sandbox(L);
}

static void
forget_compiled(struct script_engine *e)
{
    for (size_t i = 0; i < e->cap_compiled; i++)
        script_drop(e->compiled[i].script);
    free(e->compiled);
    e->compiled = NULL;
    e->n_compiled = 0;
    e->cap_compiled = 0;
}

static void
close_state(struct script_engine *e)
{
    forget_compiled(e);
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
        close_state(e);
        return false;
    }
    return true;
}

/* The worker's engine with a state; NULL with the error in the reply. */
static struct script_engine *
engine_get(struct request *rq)
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
    close_state(e);
    script_drop_reply(e);
    buf_free(&e->out);
    free(e->reply.refs);
    free(e->argv);
    free(e->keys);
    arena_free(e->arena);
    free(e);
}

/* ---- compiled texts ------------------------------------------------------ */

static size_t
slot_of_sha(const struct script_engine *e, const char *sha)
{
    size_t hash = 0, i;

    for (int c = 0; c < 8; c++)
        hash = hash * 31 + (unsigned char)sha[c];
    i = hash & (e->cap_compiled - 1);
    while (e->compiled[i].script != NULL &&
        memcmp(e->compiled[i].script->sha, sha, SHA1_HEX) != 0)
        i = (i + 1) & (e->cap_compiled - 1);
    return i;
}

/* Move all that are alive into a table of `cap` slots. */
static void
rebuild(struct script_engine *e, size_t cap)
{
    struct compiled *old = e->compiled;
    size_t old_cap = e->cap_compiled;

    e->compiled = xcalloc(cap, sizeof(*e->compiled));
    e->cap_compiled = cap;
    e->n_compiled = 0;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].script == NULL)
            continue;
        if (atomic_load(&old[i].script->alive)) {
            e->compiled[slot_of_sha(e, old[i].script->sha)] = old[i];
            e->n_compiled++;
        } else {
            luaL_unref(e->lua, LUA_REGISTRYINDEX, old[i].ref);
            script_drop(old[i].script);
        }
    }
    free(old);
}

static struct compiled *
find_compiled(struct script_engine *e, const char *sha)
{
    uint64_t generation =
        scripts_generation(e->thread->commands->state->scripts);
    struct compiled *found;

    if (e->compiled == NULL)
        return NULL;
    if (generation != e->generation) {
        e->generation = generation;
        rebuild(e, e->cap_compiled);
    }
    found = &e->compiled[slot_of_sha(e, sha)];
    return found->script == NULL ? NULL : found;
}

/* Takes the hold. */
static struct compiled *
add_compiled(struct script_engine *e, struct script *script, int ref)
{
    struct compiled *at;

    if (2 * (e->n_compiled + 1) > e->cap_compiled)
        rebuild(e, MAX(2 * e->cap_compiled, (size_t)16));
    at = &e->compiled[slot_of_sha(e, script->sha)];
    ASSERT(at->script == NULL);
    *at = (struct compiled){script, ref};
    e->n_compiled++;
    return at;
}

int
script_load(lua_State *L, struct str code, const char *name)
{
    int status;

    lua_gc(L, LUA_GCSTOP, 0);
    status = luaL_loadbuffer(L, code.p, code.len, name);
    lua_gc(L, LUA_GCRESTART, 0);
    return status;
}

struct compiling {
    const struct script *script;
    int ref;
    int status; /* of the compiler */
    struct buf error;
};

static int
compile(lua_State *L)
{
    struct compiling *c = lua_touserdata(L, 1);
    const char *code = c->script->body + c->script->code_at;
    size_t len = c->script->len - c->script->code_at;

    if (len > 0 && *code == LUA_SIGNATURE[0])
        return luaL_error(L, "compiled code is not accepted");
    if (script_load(L, (struct str){code, len}, "@user_script") != 0)
        return lua_error(L);
    c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* False with the reason in c->error. */
static bool
compile_text(struct script_engine *e, struct compiling *c)
{
    const char *text;

    if (lua_cpcall(e->lua, compile, c) == 0)
        return true;
    text = lua_tostring(e->lua, -1); /* errors of the compiler are strings */
    buf_printf(&c->error, "%s", text == NULL ? "" : text);
    lua_settop(e->lua, 0);
    return false;
}

/* The function of a text that is alive in the cache; takes the hold on it. NULL
 * with the error in the reply. */
static struct compiled *
compile_known(
    struct request *rq, struct script_engine *e, struct script *script)
{
    struct compiling c = {.script = script};

    if (compile_text(e, &c))
        return add_compiled(e, script, c.ref);
    reply_error(rq->reply, "ERR Error compiling script (new function): %.*s",
        (int)c.error.len, c.error.p);
    buf_free(&c.error);
    script_drop(script);
    return NULL;
}

struct script *
script_define(struct request *rq, struct str body, const char *sha, bool loaded)
{
    struct script_engine *e = engine_get(rq);
    struct scripts *cache = rq->thread->commands->state->scripts;
    struct buf err = {0};
    struct script *script, *added;
    struct compiling c;

    if (e == NULL)
        return NULL;
    script = script_new(rq, body, sha, &err);
    if (script == NULL) {
        if (err.len > 0)
            reply_error(rq->reply, "ERR %.*s", (int)err.len, err.p);
        else
            reply_error_status(rq, KS_NO_MEMORY);
        buf_free(&err);
        return NULL;
    }
    c = (struct compiling){.script = script};
    if (!compile_text(e, &c)) {
        reply_error(rq->reply,
            "ERR Error compiling script (new function): %.*s", (int)c.error.len,
            c.error.p);
        buf_free(&c.error);
        script_drop(script);
        return NULL;
    }
    added = scripts_add(cache, script, loaded);
    (void)find_compiled(e, sha); /* drops what has gone for it */
    atomic_fetch_add(&added->holds, 1);
    add_compiled(e, added, c.ref);
    return added;
}

/* ---- a run --------------------------------------------------------------- */

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
static int
reply_failure(lua_State *L)
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
    uint32_t db = e->rq->session->db;
    lua_State *L = e->lua;
    int status;

    lua_rawgeti(L, LUA_REGISTRYINDEX, e->handler_ref);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_pushvalue(
        L, LUA_GLOBALSINDEX); /* an earlier run may have set its own */
    lua_setfenv(L, -2);
    lua_sethook(L, hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    t->arena = e->arena;
    t->in_script = true;
    status = lua_pcall(L, 0, 1, 1);
    t->in_script = false;
    t->arena = arena;
    atomic_store_explicit(&e->rq->session->db, db, memory_order_relaxed);
    return status == 0;
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
    e->deadline_us = script_now_us() +
        (uint64_t)option_get_i64(
            &e->thread->commands->values->script_time_limit) *
            1000;
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
        close_state(e);
        return;
    }
    if (e->used < e->collect_at)
        return;
    if (lua_cpcall(e->lua, collect, NULL) != 0 || e->used > KEEP_MEMORY)
        close_state(e);
    e->collect_at = e->used + e->used / 2 + GARBAGE;
}

void
script_run(struct request *rq, const struct script_call *call)
{
    struct script_engine *e = engine_get(rq);
    struct compiled *f;

    if (e == NULL)
        return;
    e->rq = rq;
    e->call = call;
    e->protocol = 2;
    e->has_written = false;
    f = find_compiled(e, call->script->sha);
    if (f == NULL) {
        atomic_fetch_add(&call->script->holds, 1);
        f = compile_known(rq, e, call->script);
    }
    if (f != NULL && admit(e, rq)) {
        script_touch(rq->thread->commands->state->scripts, call->script);
        run_function(e, rq, f->ref);
        e->rq = NULL;
        clean_up(e);
    }
    e->rq = NULL;
    e->call = NULL;
}
