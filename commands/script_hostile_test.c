/* SPDX-License-Identifier: BSD-3-Clause */
/* script_hostile_test.c - scripts that try to get out, to break what others
 * use, or to bring the daemon down by its own libraries: each gets an error or
 * a harmless answer, and the next script finds all as it was.
 */
#include "commands/fixture.h"
#include "commands/script.h"

#ifdef HAVE_LUA

/* More than a machine with too much to do holds up a script that ends. */
#define PATIENCE_MS 30000

static void
starts_with_limits(void)
{
    start();
    h->command_options.script_time_limit = PATIENCE_MS;
    h->command_options.script_memory_limit = 8 * MIB;
}

/* What it tries, and a part of the reply. */
static const struct {
    const char *script, *part;
} attempts[] = {
    /* code that is compiled, or that sees the stack */
    {"return loadstring('\27Lua')", "$-1"},
    {"return {loadstring('\27Lua')}", "*0"},
    {"return debug.getinfo(1)", "nonexistent global variable 'debug'"},
    {"return setfenv(1,{})", "nonexistent global variable 'setfenv'"},
    {"return os.execute('id')", "attempt to call field 'execute'"},
    {"return io.open('/etc/passwd')", "nonexistent global variable 'io'"},
    {"return require('x')", "nonexistent global variable 'require'"},
    {"return dofile('/etc/passwd')", "nonexistent global variable 'dofile'"},
    {"return getfenv(0)", "nonexistent global variable 'getfenv'"},
    {"return package", "nonexistent global variable 'package'"},
    {"return string.dump", "$-1"},
    {"local n=0 return load(function() n=n+1 return n<2 and '\27Lua' or nil "
     "end)",
        "$-1"},
    {"return load(function() error('x') end)", "-ERR user_script:1: x"},
    {"return load(function() return redis.call('set','a','b') end)",
        "did not declare"},
    /* what all scripts share */
    {"getmetatable('').__index=function() return 1 end", "readonly table"},
    {"getmetatable('').__index.rep=nil", "readonly table"},
    {"setmetatable('',{})", "table expected"},
    {"setmetatable(_G,{})", "readonly table"},
    {"getmetatable(_G).__index=nil", "readonly table"},
    {"rawset(redis,'call',1)", "readonly table"},
    {"newproxy(true)", "nonexistent global variable 'newproxy'"},
    {"rawset(_G,'pairs',nil)", "readonly table"},
    {"for k in pairs(_G) do _G[k]=nil end", "readonly table"},
    {"table.insert=nil", "readonly table"},
    {"cjson.decode=nil", "readonly table"},
    {"bit.tobit=nil", "readonly table"},
    {"KEYS=nil", "readonly table"},
    {"redis=nil", "readonly table"},
    {"cjson.encode_max_depth(2) cjson.encode_keep_buffer(true) return 7", ":7"},
    {"setmetatable({},{__gc=function() while true do end end}) "
     "collectgarbage() return 7",
        ":7"},
    /* recursion, in Lua and through C */
    {"local function f() return 1+f() end return f()", "stack overflow"},
    {"local function f() return pcall(f) end f() return 7", ":7"},
    {"local function f() return coroutine.wrap(f)() end return f()",
        "C stack overflow"},
    {"local function f() return string.gsub('x','x',f) end return f()",
        "C stack overflow"},
    {"local function g() return xpcall(error,g) end return xpcall(error,g)",
        "C stack overflow"},
    {"local t=setmetatable({},{}) getmetatable(t).__tostring=tostring "
     "return tostring(t)",
        "C stack overflow"},
    {"local t=setmetatable({},{}) getmetatable(t).__index=t return t.x",
        "loop in gettable"},
    {"local t={} for i=1,50000 do t={t} end return cjson.encode(t)",
        "excessive nesting"},
    {"return cjson.decode(('['):rep(50000))", "too many nested"},
    {"local c c=coroutine.wrap(function() return c() end) return c()",
        "cannot resume running"},
    {"coroutine.yield(1)", "attempt to yield"},
    {"local t=setmetatable({},{__index=function(t,k) return t[k+1] end}) "
     "return t[1]",
        "C stack overflow"},
    {"local t={} setmetatable(t,{__call=t}) return t()", "attempt to call"},
    {"local t={} for i=1,7000 do t={t} end return t", "*1\r\n*1\r\n"},
    {"return loadstring('return '..('{'):rep(50000))", "$-1"},
    {"return loadstring(('if a then '):rep(10000))", "$-1"},
    {"return loadstring(('local a '):rep(300))", "$-1"},
    {"cjson.decode_max_depth(2^31-1)", "between 1 and 1000"},
    {"local t={} t[1]=t return t", "*1\r\n*1\r\n"},
    {"return loadstring('return '..('('):rep(50000)..'1')", "$-1"},
    /* sizes */
    {"return ('x'):rep(2^31-1)", "not enough memory"},
    {"return #('x'):rep(-1)", ":0"},
    {"return string.format('%99999d',1)", "invalid format"},
    {"return string.format('%n',1)", "invalid option"},
    {"return string.format('%s',('x'):rep(2^30))", "not enough memory"},
    {"local t={} for i=1,1e9 do t[i]=i end", "not enough memory"},
    {"return table.concat({},'x',1,2^31-1)", "invalid value (nil)"},
    {"return unpack({},-2^31,2^31-1)", "too many results"},
    {"return ('x'):rep(1e5):byte(1,-1)", "slice too long"},
    {"return cjson.encode({[1]=1,[2^31-1]=1})", "excessively sparse"},
    {"return bit.tohex(1,-2^31)", "00000001"},
    {"local n=0 return load(function() n=n+1 return 'x' end)",
        "not enough memory"},
    {"return #(('a'):rep(1e6):gsub('','xxxxxxxxxx'))", "not enough memory"},
    {"return #string.format('%q',('\\0'):rep(2e6))", "not enough memory"},
    {"return tostring(setmetatable({},{__tostring=function() "
     "return ('x'):rep(1e8) end}))",
        "not enough memory"},
    {"return #cjson.decode('['..('1,'):rep(1e6)..'1]')", "not enough memory"},
    {"return #cjson.decode('\"'..('\\\\u0000'):rep(1e6)..'\"')",
        "not enough memory"},
    {"local t={} for i=1,1e9 do t[i]=coroutine.create(function() end) end",
        "not enough memory"},
    {"local t={} while true do t={t,t} end", "not enough memory"},
    {"local t,s={},('x'):rep(1e6) for i=1,1e3 do t[i]=s end return t",
        "larger than script-memory-limit"},
    {"redis.log(redis.LOG_WARNING,('x'):rep(7e6))", "not enough memory"},
    {"error(('x'):rep(7e6))", "not enough memory"},
    {"error({err=('x'):rep(7e6)})", "not enough memory"},
    {"return redis.call(unpack({},1,1e6))", "too many results"},
    {"return redis.sha1hex(('x'):rep(2^30))", "not enough memory"},
    /* libraries given what they do not expect */
    {"return string.find(('a'):rep(5000),('a-'):rep(5000)..'b')",
        "pattern too complex"},
    {"return string.match('x',('()'):rep(40))", "too many captures"},
    {"local t={} for i=1,999 do t[i]=i end "
     "table.sort(t,function() return true end)",
        "invalid order function"},
    {"return next({},'x')", "invalid key to 'next'"},
    /* replies and errors that are none */
    {"return redis.status_reply('a\\r\\nb')", "+a  b\r\n"},
    {"return redis.error_reply('a b\\r\\n+OK')", "-a b"},
    {"error({err={}})", "-ERR unknown error"},
    {"error(nil)", "-ERR nil"},
    {"error(function() end)", "-ERR function"},
    {"return redis.call('eval','return 1','0')", "not allowed from script"},
    {"return redis.call({})", "must be strings or integers"},
    {"error({err='A\\r\\nB'})", "-A  B script"},
    {"return {err=setmetatable({},{__tostring=error})}", "*0"},
    {"return {map={[{}]={}}}", "*2"},
    {"return redis.status_reply(('\\n'):rep(1e5))", "+     "},
    {"return redis.call('script','kill')", "not allowed from script"},
    {"return redis.call('shutdown','nosave')", "not allowed from script"},
    {"return redis.call('config','set','maxmemory','1')",
        "not allowed from script"},
    {"return redis.call('client','pause','100000')", "not allowed from script"},
    {"return redis.call('multi')", "not allowed from script"},
    {"return redis.call('keys',('*a'):rep(40))", "*0"},
};

/* What would go on for ever, whatever is put around it. */
static const char *const endless[] = {
    "while true do pcall(error) end",
    "while true do pcall(function() while true do end end) end",
    "xpcall(function() while true do end end,function() while true do end end)",
    "local function f() pcall(f) f() end f()",
    "local function f(...) return f(1,...) end f()",
    "while true do local c=coroutine.wrap(function() while true do end end) "
    "pcall(c) end",
    "local c=coroutine.create(function() while true do end end) "
    "while true do coroutine.resume(c) end",
    "for i=1,1e9 do coroutine.create(function() end) end",
    "local t=setmetatable({},{__lt=function() while true do end end}) "
    "return t<t",
    "local t=setmetatable({},{__call=function(s) return s() end}) return t()",
    "local t=setmetatable({3,2,1},{}) "
    "table.sort(t,function(a,b) while true do end end)",
    "table.foreach({1},function() while true do end end)",
    "while true do collectgarbage() end",
    "return ('a'):rep(1000):find(('a*'):rep(30)..'b')",
    "return ('a'):rep(30000):find('.-.-.-.-b')",
    "return ('a'):rep(1e6):gsub('.-b','x')",
    "return ('('):rep(1e5):match('%b()')",
    "return load(function() while true do end end)",
    "for i=1,1/0 do end",
    "while true do redis.pcall('nope') end",
    "while true do cjson.encode({1}) end",
};

/* Run it, and look for a part of the reply; then whether a script finds all as
 * it was. */
static void
attempt(const char *script, const char *part)
{
    const char *reply = SAY(h, "EVAL", script, "0");

    ck_assert_msg(strstr(reply, part) != NULL, "%s\n%s\nwithout\n%s", script,
        reply, part);
    ck_assert_msg(strchr(reply, '\0')[-1] == '\n', "%s", reply);
    h->command_options.script_time_limit = PATIENCE_MS;
    RUN(h, "*4\r\n$2\r\nxx\r\n$4\r\nPONG\r\n$3\r\n[1]\r\n$3\r\nnil\r\n", "EVAL",
        "return {('x'):rep(2),redis.call('ping').ok,cjson.encode({1}),"
        "type(rawget(_G,'leaked'))}",
        "0");
    ck_assert_uint_lt(slab_used(h->slab), 32 * MIB);
}

START_TEST(an_attempt_gets_an_answer_and_nothing_else)
{
    attempt(attempts[_i].script, attempts[_i].part);
}
END_TEST

START_TEST(what_goes_on_for_ever_is_ended)
{
    h->command_options.script_time_limit = 30;
    attempt(endless[_i], "ran longer than script-time-limit allows");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("script_hostile");
    TCase *tc = tcase_create("script_hostile");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, starts_with_limits, stop);
    tcase_add_loop_test(
        tc, an_attempt_gets_an_answer_and_nothing_else, 0, ARRAY_LEN(attempts));
    tcase_add_loop_test(
        tc, what_goes_on_for_ever_is_ended, 0, ARRAY_LEN(endless));
    suite_add_tcase(s, tc);
    return run_suite(s);
}

#else

int
main(void)
{
    return 77; /* skipped: there is no Lua */
}

#endif
