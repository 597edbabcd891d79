/* SPDX-License-Identifier: BSD-3-Clause */
/* script_call.c - redis.*: how a script runs commands and what else it is
 * given. Worker only.
 *
 * A command runs in the session of the client, with the client's rights, and
 * replies into a buffer of the engine. It may use the keys that the script
 * declared, whose partitions are locked. A script that declared none gets all
 * locks at its first command on all keys, and may use any key from then on.
 */
#include "commands/acl.h"
#include "commands/script_state.h"

/* ---- arguments ----------------------------------------------------------- */

static int
raise(lua_State *L, const char *text)
{
    script_push_error(L, text);
    return lua_error(L);
}

/* The arguments of the call, which stay on the stack, as those of a command;
 * NULL or what is wrong with them. */
static const char *
take_arguments(struct script_engine *e, lua_State *L, int *argc)
{
    int n = lua_gettop(L);

    if (n == 0)
        return "ERR Please specify at least one argument for this redis lib "
               "call";
    if ((size_t)n > e->cap_argv) {
        e->argv = xrealloc(e->argv, (size_t)n * sizeof(*e->argv));
        e->cap_argv = (size_t)n;
    }
    for (int i = 1; i <= n; i++) {
        struct resp_arg *arg = &e->argv[i - 1];

        if (lua_type(L, i) == LUA_TNUMBER) {
            char text[64];
            int len = snprintf(text, sizeof(text), "%.17g", lua_tonumber(L, i));

            lua_pushlstring(L, text, (size_t)len);
            lua_replace(L, i);
        }
        *arg = (struct resp_arg){0};
        if (lua_type(L, i) != LUA_TSTRING)
            return "ERR Lua redis lib command arguments must be strings or "
                   "integers";
        arg->p = lua_tolstring(L, i, &arg->len);
    }
    *argc = n;
    return NULL;
}

/* ---- keys ---------------------------------------------------------------- */

/* COPY needs more than its keys only when it names a database. */
static bool
uses_all_keys(const struct request *inner)
{
    const struct command *row = inner->command;

    if (row->handler == cmd_copy)
        return inner->argc > 4;
    return (row->first_key == 0 && row->flags & (CMD_READ | CMD_WRITE)) ||
        row->flags & CMD_ALL_KEYS;
}

static bool
lock_all(struct script_engine *e, struct request *inner)
{
    struct ks_thread *ks = e->thread->ks;

    if (e->n_keys == 0 && !ks_holds(ks)) {
        ks_lock_all(ks);
        e->locked = e->holds_all = true;
        return true;
    }
    reply_error(inner->reply,
        "ERR '%s' uses all keys, but the script has declared some: declare "
        "none, or the flag allow-cross-slot-keys",
        inner->command->name);
    return false;
}

/* Scripts use their keys in order, or one again. */
static bool
is_declared(struct script_engine *e, const struct ks_key *key)
{
    for (size_t n = 0; n < e->n_keys; n++) {
        size_t i = (e->latest_key + n) % e->n_keys;

        if (e->keys[i].hash == key->hash && e->keys[i].db == key->db &&
            str_eq(e->keys[i].name, key->name)) {
            e->latest_key = i;
            return true;
        }
    }
    return false;
}

/* Are the keys of the command under the locks? Replies with the error if
 * not. */
static bool
reach_keys(struct script_engine *e, struct request *inner)
{
    struct command_keys keys;

    if (e->holds_all)
        return true;
    if (uses_all_keys(inner))
        return lock_all(e, inner);
    keys = command_keys_of(inner->command, inner->argv, inner->argc);
    for (int i = keys.first; i <= keys.last; i += keys.step) {
        struct ks_key key = arg_key(inner, i);

        if (is_declared(e, &key))
            continue;
        reply_error(inner->reply,
            "ERR Script attempted to access the key '%.*s', which it did not "
            "declare (KEYS, or the flag allow-cross-slot-keys)",
            ARG_SHOWN(inner, i));
        return false;
    }
    return true;
}

/* ---- commands ------------------------------------------------------------ */

/* Would it change data, or tell others something? */
static bool
has_effect(const struct command *row)
{
    return row->flags & CMD_WRITE || row->handler == cmd_publish ||
        row->handler == cmd_spublish;
}

/* DEBUG PROTOCOL, by which suites try the conversions. */
static bool
is_for_tests(const struct request *inner)
{
    return inner->command->handler == cmd_debug && inner->argc == 3 &&
        arg_is(inner, 1, "protocol") &&
        LOAD(&inner->thread->commands->state->scripts_may_debug);
}

/* May the command run? Replies with the error if not. */
static bool
admit(struct script_engine *e, struct request *inner)
{
    const struct command *row = inner->command;
    struct reply *r = inner->reply;

    if (row == NULL)
        reply_error(r, "ERR Unknown Redis command called from script");
    else if (!command_arity_fits(row, inner->argc))
        reply_error(
            r, "ERR Wrong number of args calling Redis command from script");
    else if (row->flags & CMD_NOSCRIPT && !is_for_tests(inner))
        reply_error(r, "ERR This Redis command is not allowed from script");
    else if (e->read_only && has_effect(row))
        reply_error(
            r, "ERR Write commands are not allowed from read-only scripts.");
    else if (replicas_are_missed(e->thread->commands) &&
        row->flags & CMD_WRITE && !e->has_written)
        reply_error(r, NOREPLICAS_TEXT);
    else if (e->no_memory && !e->allow_oom && row->flags & CMD_DENYOOM &&
        !e->has_written)
        reply_error(
            r, "OOM command not allowed when used memory > 'maxmemory'.");
    else
        return acl_admit_script(inner) && reach_keys(e, inner);
    return false;
}

/* Run it; the reply is in the engine. */
static void
run_command(struct script_engine *e, lua_State *L, int argc)
{
    struct request inner = {
        .thread = e->thread,
        .session = e->rq->session,
        .argv = e->argv,
        .argc = argc,
        .reply = &e->reply,
    };

    script_drop_reply(e);
    e->reply.protocol = e->protocol;
    inner.command =
        command_resolve(e->thread->commands->state->index, inner.argv, argc);
    if (!admit(e, &inner)) {
        command_count_refusal(&inner, 0);
        return;
    }
    if (inner.command->flags & CMD_WRITE) {
        if (!script_slot_write(e->slot)) /* it was killed at this moment */
            script_check_time(e, L);
        e->has_written = true;
    }
    command_call(&inner);
}

static int
call_command(lua_State *L, bool raises)
{
    struct script_engine *e = engine_of(L);
    const char *wrong;
    int argc;

    if (e->rq == NULL)
        return raise(L,
            "ERR redis.call/pcall can only be called inside a script "
            "invocation");
    script_check_time(e, L);
    wrong = take_arguments(e, L, &argc);
    if (wrong != NULL) {
        script_push_error(L, wrong);
        return raises ? lua_error(L) : 1;
    }
    run_command(e, L, argc);
    raises = raises && e->out.p[0] == '-';
    lua_settop(L, 0); /* as many as the stack can hold */
    script_push_reply(e, L);
    return raises ? lua_error(L) : 1;
}

static int
call(lua_State *L)
{
    return call_command(L, true);
}

static int
pcall(lua_State *L)
{
    return call_command(L, false);
}

/* ---- the rest of redis.* ------------------------------------------------- */

static int
check_acl(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    struct request inner = {.thread = e->thread, .argv = NULL};
    const char *wrong;
    int argc;

    wrong = take_arguments(e, L, &argc);
    if (wrong != NULL)
        return raise(L, wrong);
    inner.session = e->rq->session;
    inner.argv = e->argv;
    inner.argc = argc;
    inner.command =
        command_resolve(e->thread->commands->state->index, inner.argv, argc);
    if (inner.command == NULL)
        return raise(L, "ERR Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, acl_may_run(&inner));
    return 1;
}

/* CODE and text; a text of one word is both, as from Redis. */
static int
make_error(lua_State *L)
{
    const char *text;

    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
        script_push_error(L, "ERR wrong number or type of arguments");
        return 1;
    }
    text = lua_tostring(L, 1);
    if (*text == '-')
        text++;
    if (strchr(text, ' ') == NULL)
        lua_pushfstring(L, "ERR %s", text);
    else
        lua_pushstring(L, text);
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, "err");
    return 1;
}

static int
make_status(lua_State *L)
{
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
        script_push_error(L, "ERR wrong number or type of arguments");
        return 1;
    }
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

static int
sha1hex(lua_State *L)
{
    char hex[SHA1_HEX + 1];
    size_t len;
    const char *text;

    if (lua_gettop(L) != 1)
        return raise(L, "ERR wrong number of arguments");
    text = lua_tolstring(L, 1, &len);
    sha1_hex(text == NULL ? "" : text, text == NULL ? 0 : len, hex);
    lua_pushstring(L, hex);
    return 1;
}

/* The levels of Redis. */
enum log_words {
    LOG_DEBUG_,
    LOG_VERBOSE_,
    LOG_NOTICE_,
    LOG_WARNING_
};

static int
write_log(lua_State *L)
{
    int n = lua_gettop(L);
    lua_Number level;

    if (n < 2)
        return raise(L, "ERR redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1))
        return raise(L, "ERR First argument must be a number (log level).");
    level = lua_tonumber(L, 1);
    if (!(level >= LOG_DEBUG_ && level <= LOG_WARNING_))
        return raise(L, "ERR Invalid debug level.");
    lua_settop(L, n);
    lua_pushliteral(L, "");
    for (int i = 2; i <= n; i++) {
        if (!lua_isstring(L, i))
            continue;
        lua_pushstring(L, i > 2 ? " " : "");
        lua_pushvalue(L, i);
        lua_concat(L, 3);
    }
    if (level >= LOG_WARNING_)
        log_warn("script: %s", lua_tostring(L, -1));
    else if (level >= LOG_NOTICE_)
        log_info("script: %s", lua_tostring(L, -1));
    else
        log_debug("script: %s", lua_tostring(L, -1));
    return 0;
}

static int
set_protocol(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    lua_Number n;

    if (lua_gettop(L) != 1)
        return raise(L, "ERR redis.setresp() requires one argument.");
    n = lua_tonumber(L, 1);
    if (n != 2 && n != 3)
        return raise(L, "ERR RESP version must be 2 or 3.");
    e->protocol = (uint8_t)n;
    return 0;
}

/* There is no debugger. */
static int
breakpoint(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int
debug(lua_State *L)
{
    (void)L;
    return 0;
}

/* There are no replicas. */
static int
replicate_commands(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

#define REPL_FLAGS 3

static int
set_replication(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return raise(L, "ERR redis.set_repl() requires two arguments.");
    if (((int)lua_tonumber(L, 1) & ~REPL_FLAGS) != 0)
        return raise(L,
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, "
            "REPL_ALL or REPL_NONE.");
    return 0;
}

/* ---- the table ----------------------------------------------------------- */

void
script_open_redis(struct script_engine *e, lua_State *L)
{
    static const luaL_Reg functions[] = {{"call", call}, {"pcall", pcall},
        {"acl_check_cmd", check_acl}, {"error_reply", make_error},
        {"status_reply", make_status}, {"sha1hex", sha1hex}, {"log", write_log},
        {"setresp", set_protocol}, {"breakpoint", breakpoint}, {"debug", debug},
        {"replicate_commands", replicate_commands},
        {"set_repl", set_replication}};
    static const struct {
        const char *name;
        int value;
    } numbers[] = {{"LOG_DEBUG", LOG_DEBUG_}, {"LOG_VERBOSE", LOG_VERBOSE_},
        {"LOG_NOTICE", LOG_NOTICE_}, {"LOG_WARNING", LOG_WARNING_},
        {"REPL_NONE", 0}, {"REPL_AOF", 1}, {"REPL_SLAVE", 2},
        {"REPL_REPLICA", 2}, {"REPL_ALL", REPL_FLAGS},
        {"REDIS_VERSION_NUM", REDIS_VERSION_NUM}};

    lua_newtable(L);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        script_register(e, L, functions[i].name, functions[i].func);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        lua_pushinteger(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushliteral(L, REDIS_VERSION);
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_setfield(L, -2, "redis");
}
