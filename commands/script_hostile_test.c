/* SPDX-License-Identifier: BSD-3-Clause */
/* script_hostile_test.c - scripts that try to get out, to break what others
 * use, or to bring the daemon down by its own libraries: each gets an error or
 * a harmless answer, and the next script finds all as it was.
 */
#include "commands/fixture.h"
#include "commands/script.h"

#include <stdlib.h>

#ifdef HAVE_LUA

static void
starts_with_limits(void)
{
    start();
    h->command_options.script_time_limit = 5000;
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
    /* what all scripts share */
    {"getmetatable('').__index=function() return 1 end", "readonly table"},
    {"getmetatable('').__index.rep=nil", "readonly table"},
    {"setmetatable('',{})", "table expected"},
    {"setmetatable(_G,{})", "readonly table"},
    {"getmetatable(_G).__index=nil", "readonly table"},
    {"rawset(redis,'call',1)", "readonly table"},
    {"newproxy(true)", "nonexistent global variable 'newproxy'"},
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
};

START_TEST(an_attempt_gets_an_answer_and_nothing_else)
{
    const char *reply = SAY(h, "EVAL", attempts[_i].script, "0");

    ck_assert_msg(strstr(reply, attempts[_i].part) != NULL,
        "%s\n%s\nwithout\n%s", attempts[_i].script, reply, attempts[_i].part);
    ck_assert_msg(strchr(reply, '\0')[-1] == '\n', "%s", reply);
    RUN(h, "*4\r\n$2\r\nxx\r\n$4\r\nPONG\r\n$3\r\n[1]\r\n$3\r\nnil\r\n", "EVAL",
        "return {('x'):rep(2),redis.call('ping').ok,cjson.encode({1}),"
        "type(rawget(_G,'leaked'))}",
        "0");
    ck_assert_uint_lt(slab_used(h->slab), 32 * MIB);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("script_hostile");
    TCase *tc = tcase_create("script_hostile");
    SRunner *r;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, starts_with_limits, stop);
    tcase_add_loop_test(
        tc, an_attempt_gets_an_answer_and_nothing_else, 0, ARRAY_LEN(attempts));
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#else

int
main(void)
{
    return 77; /* skipped: there is no Lua */
}

#endif
