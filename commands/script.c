/* SPDX-License-Identifier: BSD-3-Clause */
/* script.c - EVAL and its relatives, and SCRIPT. Any worker.
 *
 * Without Lua, what would need it says so; the cache is empty.
 */
#include "commands/script.h"

/* ---- EVAL ---------------------------------------------------------------- */

bool
script_is_row(const struct command *row)
{
    return row->handler == cmd_eval || row->handler == cmd_evalsha ||
        row->handler == cmd_eval_ro || row->handler == cmd_evalsha_ro;
}

#ifdef HAVE_LUA

#define NOSCRIPT_TEXT "NOSCRIPT No matching script. Please use EVAL."

/* How many keys follow; replies with the error and returns false if the number
 * is not good. */
static bool
read_key_count(struct request *rq, int *n_keys)
{
    int64_t n;

    if (!arg_i64(rq, 2, &n))
        return false;
    if (n > rq->argc - 3) {
        reply_error(rq->reply,
            "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (n < 0) {
        reply_error(rq->reply, "ERR Number of keys can't be negative");
        return false;
    }
    *n_keys = (int)n;
    return true;
}

/* An argument as a SHA1 in lower case; false if it cannot be one. */
static bool
read_sha(const struct resp_arg *arg, char sha[SHA1_HEX + 1])
{
    if (arg->len != SHA1_HEX)
        return false;
    for (int i = 0; i < SHA1_HEX; i++) {
        char c = arg->p[i];

        sha[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    sha[SHA1_HEX] = '\0';
    return true;
}

/* A hold on the text that is to run; NULL with the error in the reply. */
static struct script *
find_script(struct request *rq, bool by_sha)
{
    struct scripts *cache = rq->thread->commands->state->scripts;
    struct script *found = NULL;
    char sha[SHA1_HEX + 1];

    if (!by_sha)
        sha1_hex(rq->argv[1].p, rq->argv[1].len, sha);
    if (!by_sha || read_sha(&rq->argv[1], sha))
        found = scripts_find(cache, sha);
    if (found != NULL)
        return found;
    if (!by_sha)
        return script_define(rq, arg_str(rq, 1), sha, false);
    reply_error(rq->reply, NOSCRIPT_TEXT);
    return NULL;
}

static void
eval(struct request *rq, bool by_sha, bool read_only)
{
    struct script_call call = {.first_key = 3, .read_only = read_only};

    if (by_sha && rq->argv[1].len != SHA1_HEX) {
        reply_error(rq->reply, NOSCRIPT_TEXT);
        return;
    }
    if (!read_key_count(rq, &call.n_keys))
        return;
    call.script = find_script(rq, by_sha);
    if (call.script == NULL)
        return;
    script_run(rq, &call);
    script_drop(call.script);
}

/* What the first line says of the script that would run. */
static unsigned
flags_of(const struct commands *c, const struct command *row,
    const struct resp_arg *argv)
{
    struct script *script = NULL;
    char sha[SHA1_HEX + 1];
    unsigned flags = SCRIPT_PLAIN;

    if (row->handler == cmd_eval || row->handler == cmd_eval_ro)
        return script_flags_of((struct str){argv[1].p, argv[1].len});
    if (read_sha(&argv[1], sha))
        script = scripts_find(c->state->scripts, sha);
    if (script != NULL)
        flags = script->flags;
    script_drop(script);
    return flags;
}

bool
script_uses_all_keys(const struct commands *c, unsigned flags)
{
    return flags & SCRIPT_ALL_KEYS ||
        option_get_i64(&c->values->script_undeclared_keys);
}

/* Without keys a script may use all of them. */
bool
script_wants_all_keys(const struct commands *c, const struct command *row,
    const struct resp_arg *argv, int argc)
{
    struct command_keys keys = command_keys_of(row, argv, argc);

    return keys.last < keys.first ||
        script_uses_all_keys(c, flags_of(c, row, argv));
}

bool
script_may_write(const struct commands *c, const struct command *row,
    const struct resp_arg *argv)
{
    return (row->handler == cmd_eval || row->handler == cmd_evalsha) &&
        !(flags_of(c, row, argv) & SCRIPT_NO_WRITES);
}

#else

static void
eval(struct request *rq, bool by_sha, bool read_only)
{
    (void)by_sha;
    (void)read_only;
    reply_error(rq->reply,
        "ERR scripts are not there: this server was built without Lua");
}

bool
script_wants_all_keys(const struct commands *c, const struct command *row,
    const struct resp_arg *argv, int argc)
{
    (void)c;
    (void)row;
    (void)argv;
    (void)argc;
    return false;
}

bool
script_may_write(const struct commands *c, const struct command *row,
    const struct resp_arg *argv)
{
    (void)c;
    (void)row;
    (void)argv;
    return false;
}

void
script_engine_free(struct script_engine *e)
{
    ASSERT(e == NULL);
}

void
script_engine_flush(struct script_engine *e)
{
    ASSERT(e == NULL);
}

#endif

void
cmd_eval(struct request *rq)
{
    eval(rq, false, false);
}

void
cmd_eval_ro(struct request *rq)
{
    eval(rq, false, true);
}

void
cmd_evalsha(struct request *rq)
{
    eval(rq, true, false);
}

void
cmd_evalsha_ro(struct request *rq)
{
    eval(rq, true, true);
}

/* ---- SCRIPT -------------------------------------------------------------- */

#ifdef HAVE_LUA

void
cmd_script_load(struct request *rq)
{
    struct scripts *cache = rq->thread->commands->state->scripts;
    struct str body = arg_str(rq, 2);
    char sha[SHA1_HEX + 1];
    struct script *script;

    sha1_hex(body.p, body.len, sha);
    script = scripts_find(cache, sha);
    if (script != NULL)
        scripts_keep(cache, script);
    else
        script = script_define(rq, body, sha, true);
    if (script == NULL)
        return;
    script_drop(script);
    reply_bulk_cstr(rq->reply, sha);
}

void
cmd_script_exists(struct request *rq)
{
    struct scripts *cache = rq->thread->commands->state->scripts;

    reply_array(rq->reply, (size_t)rq->argc - 2);
    for (int i = 2; i < rq->argc; i++) {
        struct script *found = NULL;
        char sha[SHA1_HEX + 1];

        if (read_sha(&rq->argv[i], sha))
            found = scripts_find(cache, sha);
        reply_int(rq->reply, found != NULL);
        script_drop(found);
    }
}

#else

void
cmd_script_load(struct request *rq)
{
    eval(rq, false, false);
}

void
cmd_script_exists(struct request *rq)
{
    reply_array(rq->reply, (size_t)rq->argc - 2);
    for (int i = 2; i < rq->argc; i++)
        reply_int(rq->reply, 0);
}

#endif

void
cmd_script_flush(struct request *rq)
{
    if (rq->argc > 3 ||
        (rq->argc == 3 && !arg_is(rq, 2, "sync") && !arg_is(rq, 2, "async"))) {
        reply_error(
            rq->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    scripts_flush(rq->thread->commands->state->scripts);
    script_engine_flush(rq->thread->script_engine);
    reply_ok(rq->reply);
}

void
cmd_script_kill(struct request *rq)
{
    switch (scripts_kill(rq->thread->commands->state->scripts)) {
    case SCRIPT_KILL_NONE:
        reply_error(rq->reply, "NOTBUSY No scripts in execution right now.");
        break;
    case SCRIPT_KILL_WRITTEN:
        reply_error(rq->reply,
            "UNKILLABLE Sorry the script already executed write commands "
            "against the dataset. You can either wait the script termination "
            "or kill the server in a hard way using the SHUTDOWN NOSAVE "
            "command.");
        break;
    default:
        reply_ok(rq->reply);
        break;
    }
}

/* There is no debugger, so that there is nothing to switch off. */
void
cmd_script_debug(struct request *rq)
{
    if (arg_is(rq, 2, "no"))
        reply_ok(rq->reply);
    else if (arg_is(rq, 2, "yes") || arg_is(rq, 2, "sync"))
        reply_error(rq->reply, "ERR there is no debugger for scripts");
    else
        reply_error(rq->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}
