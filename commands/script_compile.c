/* SPDX-License-Identifier: BSD-3-Clause */
/* script_compile.c - from texts to the functions that a worker has of them.
 *
 * A worker compiles a text when it runs it first, and holds it from then on; it
 * lets go when the text has left the cache. Worker only.
 */
#include "commands/script_state.h"

#include <stdlib.h>

void
script_forget_compiled(struct script_engine *e)
{
    for (size_t i = 0; i < e->cap_compiled; i++)
        script_drop(e->compiled[i].script);
    free(e->compiled);
    e->compiled = NULL;
    e->n_compiled = 0;
    e->cap_compiled = 0;
}

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
        if (LOAD(&old[i].script->alive)) {
            e->compiled[slot_of_sha(e, old[i].script->sha)] = old[i];
            e->n_compiled++;
        } else {
            luaL_unref(e->lua, LUA_REGISTRYINDEX, old[i].ref);
            script_drop(old[i].script);
        }
    }
    free(old);
}

struct compiled *
script_find_compiled(struct script_engine *e, const char *sha)
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
struct compiled *
script_compile_known(
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
    struct script_engine *e = script_engine_get(rq);
    struct scripts *cache = rq->thread->commands->state->scripts;
    struct buf err = {0};
    struct script *script, *added;
    struct compiling c;

    if (e == NULL)
        return NULL;
    script = script_new(rq, body, sha, loaded, &err);
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
    (void)script_find_compiled(e, sha); /* drops what has gone for it */
    add_compiled(e, script_take(added), c.ref);
    return added;
}
