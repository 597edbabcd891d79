/* SPDX-License-Identifier: BSD-3-Clause */
/* script_test.c - scripts on one worker: values, errors, keys, rights, limits,
 * and what a script cannot get at. */
#include "commands/fixture.h"
#include "commands/script.h"

#include <stdio.h>
#include <stdlib.h>

/* What a script without keys replies. */
#define EVAL(script) SAY(h, "EVAL", (script), "0")
#define EVALS(expected, script) ck_assert_str_eq(EVAL(script), (expected))

static void
assert_has(const char *reply, const char *part)
{
    ck_assert_msg(strstr(reply, part) != NULL, "%s\nwithout\n%s", reply, part);
}

/* More than a machine with too much to do holds up a script that ends. */
#define PATIENCE_MS 30000

static void
starts_with_lua(void)
{
    start();
    h->command_options.slowlog_log_slower_than = -1; /* it is counted */
    h->command_options.script_time_limit = PATIENCE_MS;
    h->command_options.script_memory_limit = 4 * MIB;
}

#ifdef HAVE_LUA

/* ---- values -------------------------------------------------------------- */

START_TEST(values_of_lua_become_replies)
{
    EVALS(":3\r\n", "return 3.99");
    EVALS(":-3\r\n", "return -3.99");
    EVALS("$3\r\na\nb\r\n", "return 'a\\nb'");
    EVALS(":1\r\n", "return true");
    EVALS("$-1\r\n", "return false");
    EVALS("$-1\r\n", "return nil");
    EVALS("$-1\r\n", "return function() end");
    EVALS("*3\r\n:1\r\n$1\r\nx\r\n*1\r\n$-1\r\n", "return {1,'x',{false}}");
    EVALS("*1\r\n:1\r\n", "return {1,nil,3}");
    EVALS("+good a  b\r\n", "return {ok='good a\\r\\nb'}");
    EVALS("-BAD one\r\n", "return {err='BAD one'}");
    EVALS("$3\r\n1.5\r\n", "return {double=1.5}");
    EVALS("*2\r\n$1\r\na\r\n:1\r\n", "return {map={a=1}}");
    EVALS("*1\r\n$1\r\na\r\n", "return {set={a=true}}");
    EVALS(
        "$2\r\nhi\r\n", "return {verbatim_string={format='txt',string='hi'}}");
    EVALS("$4\r\n1234\r\n", "return {big_number='1234'}");
    EVALS("$4\r\n1  2\r\n", "return {big_number='1\\r\\n2'}");
}
END_TEST

START_TEST(resp3_has_more_types)
{
    harness_protocol(h, 3);
    EVALS("_\r\n", "return nil");
    EVALS(":1\r\n", "return true");
    EVALS("#t\r\n", "redis.setresp(3) return true");
    EVALS("#f\r\n", "redis.setresp(3) return false");
    EVALS(",1.5\r\n", "return {double=1.5}");
    EVALS("%1\r\n$1\r\na\r\n:1\r\n", "return {map={a=1}}");
    EVALS("~1\r\n$1\r\na\r\n", "return {set={a=true}}");
    EVALS("(1234\r\n", "return {big_number='1234'}");
    EVALS("=6\r\ntxt:hi\r\n",
        "return {verbatim_string={format='txt',string='hi'}}");
}
END_TEST

START_TEST(replies_of_commands_become_values_of_lua)
{
    RUN(h, "+OK\r\n", "SET", "k", "v");
    RUN(h, "$7\r\nboolean\r\n", "EVAL",
        "return type(redis.call('get',KEYS[1]))", "1", "none");
    RUN(h, "$3\r\nnil\r\n", "EVAL",
        "redis.setresp(3) return type(redis.call('get',KEYS[1]))", "1", "none");
    RUN(h, "*3\r\n$1\r\nv\r\n$-1\r\n$1\r\nv\r\n", "EVAL",
        "return redis.call('mget',KEYS[1],KEYS[2],KEYS[1])", "2", "k", "n");
    RUN(h, "$2\r\nOK\r\n", "EVAL",
        "return redis.call('set',KEYS[1],ARGV[1]).ok", "1", "k", "w");
    RUN(h, "+OK\r\n", "EVAL", "return redis.call('set',KEYS[1],1.5)", "1", "k");
    RUN(h, "$3\r\n1.5\r\n", "GET", "k");
    RUN(h, "$3\r\ntab\r\n", "EVAL",
        "redis.setresp(3) return type(redis.call('lcs',KEYS[1],KEYS[1],"
        "'idx').map):sub(1,3)",
        "1", "k");
}
END_TEST

START_TEST(a_value_in_an_extent_reaches_the_script)
{
    RUN(h, ":100000\r\n", "SETRANGE", "big", "99999", "x");
    RUN(h, ":100000\r\n", "EVAL", "return #redis.call('get',KEYS[1])", "1",
        "big");
    RUN(h, "*2\r\n:100000\r\n$1\r\nx\r\n", "EVAL",
        "local t=redis.call('mget',KEYS[1],KEYS[1]) "
        "return {#t[1],t[2]:sub(-1)}",
        "1", "big");
}
END_TEST

/* ---- errors -------------------------------------------------------------- */

#define AT(line) ", on @user_script:" line ".\r\n"

START_TEST(errors_name_the_script_and_the_line)
{
    EVALS("-ERR user_script:2: no script: "
          "e80c8b796e6a40d9d85ecad344f6e07d4da115b6" AT("2"),
        "\nerror('no')");
}
END_TEST

START_TEST(errors_of_commands_are_raised_or_returned)
{
    const char *reply;

    RUN(h, "+OK\r\n", "SET", "k", "x");
    reply = SAY(h, "EVAL", "return redis.call('incr',KEYS[1])", "1", "k");
    assert_has(reply, "-ERR value is not an integer or out of range script: ");
    assert_has(reply, AT("1"));
    RUN(h, "-ERR value is not an integer or out of range\r\n", "EVAL",
        "return redis.pcall('incr',KEYS[1])", "1", "k");
    RUN(h,
        "*2\r\n$-1\r\n$43\r\nERR value is not an integer or out of range\r\n",
        "EVAL", "return {pcall(redis.call,'incr',KEYS[1])}", "1", "k");
    assert_has(EVAL("return redis.call('nope')"),
        "-ERR Unknown Redis command called from script script: ");
    assert_has(EVAL("return redis.call('get')"),
        "-ERR Wrong number of args calling Redis command from script script: ");
    assert_has(EVAL("return redis.call('multi')"),
        "-ERR This Redis command is not allowed from script script: ");
    assert_has(EVAL("return redis.call()"), "-ERR Please specify at least one");
    assert_has(EVAL("return redis.call({})"),
        "-ERR Lua redis lib command arguments must be strings or integers");
    EVALS("-ERR alone\r\n", "return redis.error_reply('alone')");
    EVALS("-CODE text\r\n", "return redis.error_reply('-CODE text')");
    assert_has(EVAL("error({err='MY own'})"), "-MY own script: ");
    assert_has(EVAL("error({})"), "-ERR unknown error script: ");
    assert_has(EVAL("error()"), "-ERR nil script: ");
}
END_TEST

START_TEST(wrong_calls_are_refused)
{
    RUN(h, "-ERR value is not an integer or out of range\r\n", "EVAL",
        "return 1", "x");
    RUN(h, "-ERR Number of keys can't be negative\r\n", "EVAL", "return 1",
        "-1");
    RUN(h, "-ERR Number of keys can't be greater than number of args\r\n",
        "EVAL", "return 1", "1");
    RUN(h, "-ERR wrong number of arguments for 'eval' command\r\n", "EVAL",
        "return 1");
    RUN(h, "-NOSCRIPT No matching script. Please use EVAL.\r\n", "EVALSHA",
        "short", "0");
    RUN(h, "-NOSCRIPT No matching script. Please use EVAL.\r\n", "EVALSHA",
        "ffffffffffffffffffffffffffffffffffffffff", "0");
    EVALS("-ERR Error compiling script (new function): user_script:1: '<eof>' "
          "expected near 'y'\r\n",
        "return x y");
    EVALS("-ERR Error compiling script (new function): compiled code is not "
          "accepted\r\n",
        "\033Lua");
}
END_TEST

/* ---- the cache ----------------------------------------------------------- */

#define SHA_OF_5 "4ca238f611c9d0ae4e9a75a5dbac22aedc379801" /* return 5 */

START_TEST(a_script_is_known_by_its_digest)
{
    RUN(h, "$40\r\n" SHA_OF_5 "\r\n", "SCRIPT", "LOAD", "return 5");
    RUN(h, ":5\r\n", "EVALSHA", SHA_OF_5, "0");
    RUN(h, ":5\r\n", "EVALSHA", "4CA238F611C9D0AE4E9A75A5DBAC22AEDC379801",
        "0");
    RUN(h, "*2\r\n:1\r\n:0\r\n", "SCRIPT", "EXISTS", SHA_OF_5, "x");
    RUN(h, "+OK\r\n", "SCRIPT", "FLUSH", "ASYNC");
    RUN(h, "*1\r\n:0\r\n", "SCRIPT", "EXISTS", SHA_OF_5);
    RUN(h, "-NOSCRIPT No matching script. Please use EVAL.\r\n", "EVALSHA",
        SHA_OF_5, "0");
    EVALS(":5\r\n", "return 5");
    RUN(h, ":5\r\n", "EVALSHA", SHA_OF_5, "0");
    RUN(h, "-ERR SCRIPT FLUSH only support SYNC|ASYNC option\r\n", "SCRIPT",
        "FLUSH", "x");
}
END_TEST

START_TEST(scripts_of_eval_make_room_for_others_and_loaded_ones_stay)
{
    char script[32];
    struct scripts_memory m;

    RUN(h, "$40\r\n" SHA_OF_5 "\r\n", "SCRIPT", "LOAD", "return 5");
    EVALS(":6\r\n", "return 6");
    for (int i = 0; i < 600; i++) {
        snprintf(script, sizeof(script), "return %d", 1000 + i);
        ck_assert(*EVAL(script) == ':');
    }
    scripts_memory(h->commands.state->scripts, &m);
    ck_assert_uint_eq(m.n_texts, 501);
    RUN(h, ":5\r\n", "EVALSHA", SHA_OF_5, "0");
    RUN(h, "*1\r\n:0\r\n", "SCRIPT", "EXISTS", /* return 6 */
        "432b214c7272676165213cde73c96473ae722648");
    assert_has(SAY(h, "INFO", "memory"), "number_of_cached_scripts:501\r\n");
}
END_TEST

START_TEST(nothing_is_kept_of_a_worker_that_ends)
{
    size_t used = slab_used(h->slab);

    EVALS(":1\r\n", "return 1");
    ck_assert_uint_gt(slab_used(h->slab), used);
    RUN(h, "+OK\r\n", "SCRIPT", "FLUSH");
    script_engine_free(h->thread->script_engine);
    h->thread->script_engine = NULL;
    ck_assert_uint_eq(slab_used(h->slab), used);
}
END_TEST

/* Of this worker at once, of another one before its next script. */
START_TEST(a_flush_gives_the_memory_of_lua_back)
{
    struct script_engine *other;
    size_t used = slab_used(h->slab), of_one;

    EVALS(":1\r\n", "return 1");
    RUN(h, "+OK\r\n", "SCRIPT", "FLUSH");
    ck_assert_uint_eq(slab_used(h->slab), used);
    assert_has(SAY(h, "INFO", "memory"), "used_memory_lua:0\r\n");
    EVALS(":1\r\n", "return 1");
    of_one = slab_used(h->slab);
    EVALS(":2\r\n", "return 2");
    other = h->thread->script_engine;
    h->thread->script_engine = NULL;
    RUN(h, "+OK\r\n", "SCRIPT", "FLUSH");
    ck_assert_uint_gt(slab_used(h->slab), used);
    h->thread->script_engine = other;
    EVALS(":1\r\n", "return 1");
    ck_assert_uint_eq(slab_used(h->slab), of_one);
}
END_TEST

static void
end_worker(void)
{
    script_engine_free(h->thread->script_engine);
    h->thread->script_engine = NULL;
}

/* Another worker brings so many texts that no earlier one stays. */
static void
push_others_out(void)
{
    struct script_engine *engine = h->thread->script_engine;
    char text[32];

    h->thread->script_engine = NULL;
    for (int i = 0; i < 500; i++) {
        (void)snprintf(text, sizeof(text), "return 'y%d'", i);
        (void)EVAL(text);
    }
    end_worker();
    h->thread->script_engine = engine;
}

/* A worker forgets what is no longer cached when it next runs a script, for
 * which it may have no memory any more. */
START_TEST(to_forget_scripts_takes_no_memory)
{
    for (int n = 1; n <= 40; n += 3) {
        char text[32];

        for (int i = 0; i < n; i++) {
            (void)snprintf(text, sizeof(text), "return %d", i);
            (void)EVAL(text);
        }
        push_others_out();
        h->command_options.script_memory_limit = 1;
        assert_has(EVAL("return 'x'"), "not enough memory");
        h->command_options.script_memory_limit = 4 * MIB;
        EVALS("$1\r\nx\r\n", "return 'x'");
        end_worker();
        RUN(h, "+OK\r\n", "SCRIPT", "FLUSH");
    }
}
END_TEST

/* ---- keys ---------------------------------------------------------------- */

START_TEST(a_key_must_be_declared)
{
    assert_has(SAY(h, "EVAL", "return redis.call('set','b',1)", "1", "a"),
        "-ERR Script attempted to access the key 'b', which it did not "
        "declare");
    RUN(h, ":0\r\n", "EXISTS", "a", "b");
    assert_has(
        SAY(h, "EVAL", "return redis.call('mset',KEYS[1],1,'b',2)", "1", "a"),
        "the key 'b'");
    RUN(h, ":0\r\n", "EXISTS", "a", "b");
    RUN(h, "+OK\r\n", "EVAL",
        "#!lua flags=allow-cross-slot-keys\nreturn redis.call('set','b',1)",
        "1", "a");
    RUN(h, "+PONG\r\n", "EVAL", "return redis.call('ping')", "1", "a");
    RUN(h, ":0\r\n", "EVAL", "return redis.call('publish','c','m')", "1", "a");
}
END_TEST

START_TEST(undeclared_keys_can_be_allowed)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "script-undeclared-keys", "yes");
    RUN(h, "+OK\r\n", "EVAL", "return redis.call('set','b',1)", "0");
    RUN(h, "+OK\r\n", "EVAL", "return redis.call('set','c',1)", "1", "a");
    RUN(h, ":2\r\n", "EVAL", "return redis.call('dbsize')", "1", "a");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "EVAL", "return redis.call('incr','b')", "1", "a");
    RUN(h, "*1\r\n:2\r\n", "EXEC");
}
END_TEST

START_TEST(all_keys_are_for_scripts_that_declare_none)
{
    RUN(h, "+OK\r\n", "MSET", "a", "1", "b", "2");
    RUN(h, ":2\r\n", "EVAL",
        "return redis.call('del',unpack(redis.call('keys','*')))", "0");
    assert_has(SAY(h, "EVAL", "return redis.call('dbsize')", "1", "a"),
        "-ERR 'dbsize' uses all keys, but the script has declared some");
    EVALS("+OK\r\n", "return redis.call('flushall')");
}
END_TEST

START_TEST(the_database_is_the_one_before_again)
{
    RUN(h, ":0\r\n", "EVAL",
        "redis.call('select',3) return redis.call('dbsize')", "0");
    assert_has(SAY(h, "EVAL",
                   "redis.call('select',3) return redis.call('set',KEYS[1],1)",
                   "1", "k"),
        "did not declare");
    RUN(h, "+OK\r\n", "SET", "k", "1");
    RUN(h, ":1\r\n", "DBSIZE");
}
END_TEST

START_TEST(a_transaction_has_scripts)
{
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "EVAL", "return redis.call('incr',KEYS[1])", "1",
        "a");
    RUN(h, "+QUEUED\r\n", "EVAL", "return redis.call('incr','a')", "1", "b");
    RUN(h, "+QUEUED\r\n", "EVAL_RO", "return redis.call('get',KEYS[1])", "1",
        "a");
    assert_has(SAY(h, "EXEC"), "*3\r\n:1\r\n-ERR Script attempted to access");
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "EVAL", "return redis.call('dbsize')", "0");
    RUN(h, "+QUEUED\r\n", "EVAL",
        "#!lua flags=allow-cross-slot-keys\nreturn redis.call('incr','z')", "1",
        "a");
    RUN(h, "*2\r\n:1\r\n:1\r\n", "EXEC");
}
END_TEST

START_TEST(a_watch_sees_what_a_script_writes)
{
    RUN(h, "+OK\r\n", "WATCH", "a");
    harness_connect(h);
    harness_switch(h, 1);
    RUN(h, ":1\r\n", "EVAL", "return redis.call('incr',KEYS[1])", "1", "a");
    harness_switch(h, 0);
    RUN(h, "+OK\r\n", "MULTI");
    RUN(h, "+QUEUED\r\n", "PING");
    RUN(h, "*-1\r\n", "EXEC");
}
END_TEST

/* ---- flags, rights, memory ------------------------------------------------ */

START_TEST(readers_do_not_write)
{
    const char *why =
        "-ERR Write commands are not allowed from read-only scripts. script: ";

    assert_has(
        SAY(h, "EVAL_RO", "return redis.call('set',KEYS[1],1)", "1", "k"), why);
    assert_has(SAY(h, "EVAL",
                   "#!lua flags=no-writes\nreturn redis.call('del',KEYS[1])",
                   "1", "k"),
        why);
    assert_has(
        SAY(h, "EVAL_RO", "return redis.call('publish','c','m')", "0"), why);
    RUN(h,
        "-ERR Can not execute a script with write flag using *_ro "
        "command.\r\n",
        "EVAL_RO", "#!lua\nreturn 1", "0");
    EVALS(
        "-ERR Unexpected engine in script shebang: #!py\r\n", "#!py\nreturn 1");
    EVALS("-ERR Unknown lua shebang option: x\r\n", "#!lua x\nreturn 1");
    EVALS("-ERR Unexpected flag in script shebang: x\r\n",
        "#!lua flags=x\nreturn 1");
    EVALS("-ERR Invalid script shebang\r\n", "#!lua");
}
END_TEST

START_TEST(a_script_has_the_rights_of_its_user)
{
    RUN(h, "+OK\r\n", "ACL", "SETUSER", "u", "on", "nopass", "+@all", "-incr",
        "~a*", "resetchannels");
    RUN(h, "+OK\r\n", "AUTH", "u", "x");
    RUN(h, "+OK\r\n", "EVAL", "return redis.call('set',KEYS[1],1)", "1", "a");
    assert_has(SAY(h, "EVAL", "return redis.call('incr',KEYS[1])", "1", "a"),
        "-ERR The user executing the script can't run this command or "
        "subcommand script: ");
    assert_has(SAY(h, "EVAL", "return redis.call('get','b')", "0"),
        "can't access at least one of the keys");
    assert_has(SAY(h, "EVAL", "return redis.call('publish','c','m')", "0"),
        "can't publish to the channel");
    EVALS("*2\r\n:1\r\n$-1\r\n",
        "return {redis.acl_check_cmd('get','a1'),"
        "redis.acl_check_cmd('get','b1')}");
    assert_has(SAY(h, "ACL", "LOG", "1"), "$7\r\ncontext\r\n$3\r\nlua\r\n");
}
END_TEST

START_TEST(without_memory_scripts_do_not_begin_to_write)
{
    const char *reply = "+";
    char key[16];

    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory-policy", "noeviction");
    for (int i = 0; *reply == '+'; i++) {
        snprintf(key, sizeof(key), "fill%d", i);
        reply = SAY(h, "EVAL",
            "return redis.call('set',KEYS[1],('x'):rep(100000))", "1", key);
    }
    assert_has(reply, "-OOM command not allowed when used memory > ");
    RUN(h, ":1\r\n", "EVAL", "return redis.call('exists',KEYS[1])", "1",
        "fill0");
    RUN(h, ":1\r\n", "DEL", "fill0");
    RUN(h, "+OK\r\n", "EVAL", "return redis.call('set',KEYS[1],1)", "1", "k");
}
END_TEST

START_TEST(beyond_the_limit_scripts_read_and_delete)
{
    RUN(h, "+OK\r\n", "SET", "k", "v");
    RUN(h, "+OK\r\n", "CONFIG", "SET", "maxmemory-policy", "noeviction");
    slab_set_limit(h->slab, 1);
    RUN(h, "$1\r\nv\r\n", "EVAL", "return redis.call('get',KEYS[1])", "1", "k");
    assert_has(SAY(h, "EVAL", "return redis.call('set',KEYS[1],1)", "1", "k"),
        "-OOM command not allowed when used memory > 'maxmemory'.");
    EVALS("-OOM allow-oom flag is not set on the script, can not run it when "
          "used memory > 'maxmemory'\r\n",
        "#!lua\nreturn 1");
    RUN(h, ":1\r\n", "EVAL", "return redis.call('del',KEYS[1])", "1", "k");
}
END_TEST

START_TEST(time_stands_while_a_script_runs)
{
    EVALS(":1\r\n",
        "local a=redis.call('time') for i=1,100000 do end "
        "local b=redis.call('time') "
        "return a[1]==b[1] and a[2]==b[2]");
}
END_TEST

START_TEST(errors_are_counted_once)
{
    RUN(h, "+OK\r\n", "CONFIG", "RESETSTAT");
    assert_has(EVAL("return redis.call('select',99)"), "-ERR DB index");
    assert_has(SAY(h, "INFO", "errorstats"), "errorstat_ERR:count=1\r\n");
    assert_has(SAY(h, "INFO", "commandstats"), "cmdstat_select:calls=1,");
    EVALS("$1\r\nx\r\n", "redis.pcall('select',99) return 'x'");
    assert_has(SAY(h, "INFO", "errorstats"), "errorstat_ERR:count=2\r\n");
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

#define TOO_LONG "ERR Script ended: it ran longer than script-time-limit allows"

START_TEST(no_script_goes_on_for_ever)
{
    static const char *const endless[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "xpcall(function() while true do end end, "
        "function() while true do end end)",
        "while true do coroutine.wrap(function() for i=1,500 do end end)() end",
        "local f=function() while true do end end "
        "return tostring(setmetatable({},{__tostring=f}))",
        "while true do redis.call('ping') end",
        "return string.find(('a'):rep(60),('a?'):rep(60)..('a'):rep(60))",
        "return string.gsub(('a'):rep(9999),('.-'):rep(20)..'b','')",
        "local t={} for i=1,40 do t={t,t} end return t",
        "local t={} for i=1,40 do t={t,t} end return cjson.encode(t)",
        "local t={} for i=1,9999 do t[i]=i%7 end "
        "while true do table.sort(t) end",
    };

    h->command_options.script_time_limit = 50;
    for (size_t i = 0; i < ARRAY_LEN(endless); i++)
        assert_has(EVAL(endless[i]), TOO_LONG);
    assert_has(SAY(h, "EVAL", "redis.call('set',KEYS[1],1) while true do end",
                   "1", "k"),
        TOO_LONG);
    h->command_options.script_time_limit = PATIENCE_MS;
    RUN(h, "$1\r\n1\r\n", "GET", "k");
    EVALS(":1\r\n", "return 1");
}
END_TEST

START_TEST(no_script_takes_more_memory_than_allowed)
{
    static const char *const greedy[] = {
        "local s='x' while true do s=s..s end",
        "return ('x'):rep(2^31-1)",
        "local n=0 return load(function() n=n+1 return ('x'):rep(9999)..n end)",
        "local t={} for i=1,2^30 do t[i]=i end",
        "return {pcall(string.rep,'x',2^30)}",
        "return loadstring('return {'..('{},'):rep(100000)..'}')()",
        "return cjson.decode('['..('{},'):rep(300000)..'1]')",
        "return string.gsub(('x'):rep(3000000),'x','xx')",
    };

    for (size_t i = 0; i < ARRAY_LEN(greedy); i++)
        assert_has(EVAL(greedy[i]), "not enough memory");
    ck_assert_uint_lt(slab_used(h->slab), 32 * MIB);
    EVALS(":1\r\n", "return 1");
}
END_TEST

START_TEST(recursion_ends_in_an_error)
{
    h->command_options.script_memory_limit = 64 * MIB;
    assert_has(EVAL("local function f() return 1+f() end return f()"),
        "stack overflow");
    assert_has(EVAL("local function f(s) return (s:gsub('x',f)) end "
                    "return f('x')"),
        "stack overflow");
    assert_has(EVAL("local t={} t[1]=t return t"), "reached lua stack limit");
    assert_has(
        EVAL("local t={} t[1]=t return cjson.encode(t)"), "excessive nesting");
    assert_has(
        EVAL("return string.find('x',('('):rep(100000))"), "too many captures");
    assert_has(EVAL("return string.match(('a'):rep(999),('a?'):rep(99999))"),
        "pattern too complex");
    assert_has(EVAL("return unpack({},-2147483648,2147483647)"),
        "too many results to unpack");
    EVALS("$8\r\n00000001\r\n", "return bit.tohex(1,-2147483648)");
    assert_has(EVAL("table.insert({},-2147483648,1)"), "out of bounds");
}
END_TEST

/* ---- the sandbox --------------------------------------------------------- */

START_TEST(what_is_not_for_scripts_is_not_there)
{
    static const char *const names[] = {"io", "print", "dofile", "loadfile",
        "require", "module", "package", "debug", "newproxy", "getfenv",
        "setfenv", "x"};
    char script[64], part[96];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(script, sizeof(script), "return %s", names[i]);
        snprintf(part, sizeof(part),
            "Script attempted to access nonexistent global variable '%s'",
            names[i]);
        assert_has(EVAL(script), part);
    }
    EVALS("*2\r\n$3\r\nnil\r\n$8\r\nfunction\r\n",
        "return {type(os.exit),type(os.clock)}");
    EVALS("$3\r\nnil\r\n", "return type(cjson.new)");
    EVALS("*2\r\n$3\r\nnil\r\n$29\r\ncompiled code is not accepted\r\n",
        "local f,e=loadstring(string.dump(function() end)) "
        "return {type(f),e}");
    EVALS("*2\r\n$3\r\nnil\r\n$29\r\ncompiled code is not accepted\r\n",
        "local s=string.dump(function() end) "
        "local f,e=load(function() local p=s s=nil return p end) "
        "return {type(f),e}");
}
END_TEST

START_TEST(nothing_that_scripts_share_can_be_changed)
{
    static const char *const attempts[] = {
        "x=1",
        "redis=1",
        "KEYS=1",
        "redis.call=1",
        "string.rep=nil",
        "function string.rep() end",
        "rawset(_G,'x',1)",
        "rawset(string,'x',1)",
        "setmetatable(_G,{})",
        "setmetatable(redis,{})",
        "table.insert(redis,1)",
        "table.remove(table)",
        "table.sort(math)",
        "getmetatable('').__index=1",
        "getmetatable('').__index.rep=1",
        "getmetatable(_G).__index=1",
        "local f,t=pairs(cjson) t.encode=1",
        "for k,v in pairs(_G) do if v==bit then v.band=1 end end",
    };

    for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
        assert_has(
            EVAL(attempts[i]), "Attempt to modify a readonly table script: ");
    EVALS("$2\r\nxx\r\n", "return ('x'):rep(2)");
    EVALS("$3\r\nnil\r\n", "return type(getmetatable(redis))");
    EVALS(":1\r\n",
        "for k in pairs(redis) do if k=='call' then return 1 end "
        "end");
}
END_TEST

START_TEST(the_library_of_redis_is_there)
{
    EVALS("$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n",
        "return redis.sha1hex('')");
    EVALS("$40\r\n94218caae9904e93a3d7bf578bf4791926fc5e82\r\n",
        "return redis.sha1hex(('x'):rep(200))");
    EVALS("$6\r\n7.0.15\r\n", "return redis.REDIS_VERSION");
    EVALS(":458767\r\n", "return redis.REDIS_VERSION_NUM");
    EVALS("+x\r\n", "return redis.status_reply('x')");
    EVALS(":1\r\n", "return redis.replicate_commands()");
    EVALS("$-1\r\n", "return redis.set_repl(redis.REPL_ALL)");
    EVALS("$-1\r\n", "return redis.breakpoint()");
    EVALS("$-1\r\n", "return redis.debug('x')");
    assert_has(EVAL("return redis.log(9,'x')"), "-ERR Invalid debug level.");
    assert_has(EVAL("return redis.setresp(4)"), "RESP version must be 2 or 3.");
    EVALS("$7\r\n{\"a\":1}\r\n", "return cjson.encode({a=1})");
    EVALS(":2\r\n", "return cjson.decode('[1,2]')[2]");
    EVALS(":3\r\n", "return bit.band(7,3)");
    EVALS("*3\r\n:88\r\n:80\r\n:49\r\n",
        "math.randomseed(10) local t={} "
        "for i=1,3 do t[i]=math.random(100) end return t");
}
END_TEST

START_TEST(patterns_are_those_of_lua)
{
    EVALS("*2\r\n:5\r\n:6\r\n", "return {string.find('hello world','o ')}");
    EVALS("*3\r\n:2\r\n:8\r\n$7\r\n(a(b)c)\r\n",
        "return {string.find('x(a(b)c)y','(%b())')}");
    EVALS("*3\r\n$4\r\n2024\r\n$2\r\n01\r\n$2\r\n02\r\n",
        "return {string.match('2024-01-02','^(%d+)-(%d+)-(%d+)$')}");
    EVALS(
        "$6\r\na  b c\r\n", "return string.match('  a  b c ','^%s*(.-)%s*$')");
    EVALS("*2\r\n:2\r\n:3\r\n", "return {string.match('abc','()b()')}");
    EVALS("*2\r\n$7\r\nABC DEF\r\n:2\r\n",
        "return {string.gsub('abc def','%f[%w]%w+',string.upper)}");
    EVALS("*2\r\n$11\r\n-h-e-l-l-o-\r\n:6\r\n",
        "return {string.gsub('hello','','-')}");
    EVALS("*2\r\n$6\r\nbob is\r\n:1\r\n",
        "return {string.gsub('$name is','%$(%w+)',{name='bob'})}");
    EVALS("*2\r\n$2\r\na1\r\n$2\r\nb2\r\n",
        "local t={} for k,v in string.gmatch('a=1,b=2','(%w)=(%w)') do "
        "t[#t+1]=k..v end return t");
    EVALS("$2\r\nab\r\n", "return string.match('xabab','(ab)%1')");
    EVALS("$1\r\n]\r\n", "return string.match('a]b','[]]')");
    EVALS("$2\r\n-b\r\n", "return string.match('A-b','[%-a-z]+')");
    assert_has(EVAL("return string.match('x','[')"), "missing ']'");
    assert_has(EVAL("return string.match('x','%')"), "ends with '%'");
    assert_has(EVAL("return string.match('x','(')"), "unfinished capture");
    assert_has(EVAL("return string.match('x','%1')"), "invalid capture index");
    assert_has(EVAL("return string.match('x','%b(')"), "unbalanced pattern");
}
END_TEST

HARNESS_MAIN("script", starts_with_lua, stop, values_of_lua_become_replies,
    resp3_has_more_types, replies_of_commands_become_values_of_lua,
    a_value_in_an_extent_reaches_the_script,
    errors_name_the_script_and_the_line,
    errors_of_commands_are_raised_or_returned, wrong_calls_are_refused,
    a_script_is_known_by_its_digest,
    scripts_of_eval_make_room_for_others_and_loaded_ones_stay,
    a_flush_gives_the_memory_of_lua_back, nothing_is_kept_of_a_worker_that_ends,
    to_forget_scripts_takes_no_memory, a_key_must_be_declared,
    undeclared_keys_can_be_allowed, all_keys_are_for_scripts_that_declare_none,
    the_database_is_the_one_before_again, a_transaction_has_scripts,
    a_watch_sees_what_a_script_writes, readers_do_not_write,
    a_script_has_the_rights_of_its_user,
    without_memory_scripts_do_not_begin_to_write,
    beyond_the_limit_scripts_read_and_delete, time_stands_while_a_script_runs,
    errors_are_counted_once, no_script_goes_on_for_ever,
    no_script_takes_more_memory_than_allowed, recursion_ends_in_an_error,
    what_is_not_for_scripts_is_not_there,
    nothing_that_scripts_share_can_be_changed, the_library_of_redis_is_there,
    patterns_are_those_of_lua)

#else

START_TEST(without_lua_scripts_are_refused)
{
    assert_has(EVAL("return 1"), "-ERR scripts are not there");
    assert_has(
        SAY(h, "SCRIPT", "LOAD", "return 1"), "-ERR scripts are not there");
    RUN(h, "*1\r\n:0\r\n", "SCRIPT", "EXISTS", "x");
    RUN(h, "+OK\r\n", "SCRIPT", "FLUSH");
    RUN(h, "-NOTBUSY No scripts in execution right now.\r\n", "SCRIPT", "KILL");
}
END_TEST

HARNESS_MAIN("script", starts_with_lua, stop, without_lua_scripts_are_refused)

#endif
