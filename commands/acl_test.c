/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_test.c - users: rules and their text, checks, sessions, the log, the
 * file; on one worker. client-tests/acl_test.c has connections of several.
 */
#include "commands/fixture.h"
#include "commands/acl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
expect_has(const char *reply, const char *part)
{
    ck_assert_msg(
        strstr(reply, part) != NULL, "\"%s\" lacks \"%s\"", reply, part);
}

/* Session 1 becomes `user`, who has no password, and speaks. */
static void
become(const char *user)
{
    harness_switch(h, 1);
    RUN(h, "+OK\r\n", "AUTH", user, "");
}

static void
admin(void)
{
    harness_switch(h, 0);
}

#define OK "+OK\r\n"
#define NO_COMMAND(name)                                                       \
    "-NOPERM this user has no permissions to run the '" name "' command\r\n"
#define NO_KEY                                                                 \
    "-NOPERM this user has no permissions to access one of the keys used as "  \
    "arguments\r\n"
#define NO_CHANNEL                                                             \
    "-NOPERM this user has no permissions to access one of the channels used " \
    "as arguments\r\n"

/* ---- rules and their text ------------------------------------------------ */

#define FOO_HASH                                                               \
    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

static const struct {
    const char *rules[8];
    const char *text; /* after "user u " */
} texts[] = {
    {{NULL}, "off resetchannels -@all"},
    {{"on"}, "on resetchannels -@all"},
    {{"ON", "+@ALL", "AllKeys", "&*"}, "on ~* &* +@all"},
    {{"on", "nopass", "allcommands", "allkeys", "allchannels"},
        "on nopass ~* &* +@all"},
    {{"reset"}, "off sanitize-payload resetchannels -@all"},
    {{"skip-sanitize-payload"},
        "off skip-sanitize-payload resetchannels -@all"},
    {{">foo"}, "off #" FOO_HASH " resetchannels -@all"},
    {{"nopass", ">foo", ">foo", "#" FOO_HASH},
        "off #" FOO_HASH " resetchannels -@all"},
    {{">foo", "<foo"}, "off resetchannels -@all"},
    {{">foo", "!" FOO_HASH}, "off resetchannels -@all"},
    {{">foo", "nopass"}, "off nopass resetchannels -@all"},
    {{">foo", "resetpass"}, "off resetchannels -@all"},
    {{"~a", "~b*", "~a"}, "off ~a ~b* resetchannels -@all"},
    {{"%R~a", "%w~b", "%RW~c", "%R~d", "%W~d"},
        "off %R~a %W~b ~c ~d resetchannels -@all"},
    {{"~a", "allkeys"}, "off ~* resetchannels -@all"},
    {{"allkeys", "resetkeys", "~b"}, "off ~b resetchannels -@all"},
    {{"&a", "&b*"}, "off resetchannels &a &b* -@all"},
    {{"&a", "allchannels", "resetchannels"}, "off resetchannels -@all"},
    {{"+get", "+GET", "+set"}, "off resetchannels -@all +get +set"},
    {{"+@all", "-get"}, "off resetchannels +@all -get"},
    {{"+@all", "-get", "+get"}, "off resetchannels +@all"},
    {{"+config|get"}, "off resetchannels -@all +config|get"},
    {{"+config|get", "+config"}, "off resetchannels -@all +config"},
    {{"+config", "-config|set"}, "off resetchannels -@all +config -config|set"},
    {{"+@all", "-client", "+client|id", "+client|setname"},
        "off resetchannels +@all -client +client|id +client|setname"},
    {{"+@string"}, "off resetchannels -@all +@string"},
    {{"+@string", "-incr", "+acl"},
        "off resetchannels -@all +@string -incr +acl"},
    {{"+@all", "-@string", "+incr"}, "off resetchannels +@all -@string +incr"},
    /* about types that are not here: kept */
    {{"+@sortedset", "+@set", "+get"},
        "off resetchannels -@all +@set +@sortedset +get"},
    {{"+@all", "-@stream"}, "off resetchannels +@all -@stream"},
    /* SORT is in some of these */
    {{"+@all", "-@list"}, "off resetchannels +@all -@list"},
    {{"+@all", "-@list", "+sort"}, "off resetchannels +@all -@list +sort"},
    {{"+sort", "+sort_ro"}, "off resetchannels -@all +sort +sort_ro"},
    {{"+@set", "-sort"}, "off resetchannels -@all +@set -sort"},
    {{"+select|0", "+select|0", "+Select|1"},
        "off resetchannels -@all +select|0 +select|1"},
    {{"+select|0", "+select"}, "off resetchannels -@all +select"},
    {{"+select|0", "-select"}, "off resetchannels -@all"},
    {{"+@all", "-select", "+select|2"},
        "off resetchannels +@all -select +select|2"},
    {{"(+get", "~a*)", "(", "%W~b", "+set", ")"},
        "off resetchannels -@all (~a* resetchannels -@all +get) "
        "(%W~b resetchannels -@all +set)"},
    {{"()"}, "off resetchannels -@all (resetchannels -@all)"},
    {{"(+get)", "clearselectors"}, "off resetchannels -@all"},
    {{"on", "(allkeys &* +@all)"}, "on resetchannels -@all (~* &* +@all)"},
};

static const char *
set_user(const char *const *rules, int max)
{
    const char *words[12] = {"ACL", "SETUSER", "u"};
    int n = 3;

    for (int i = 0; i < max && rules[i] != NULL; i++)
        words[n++] = rules[i];
    return harness_say(h, words, n);
}

static void
expect_listed(const char *name, const char *text)
{
    char line[512], bulk[600];

    snprintf(line, sizeof(line), "user %s %s", name, text);
    snprintf(bulk, sizeof(bulk), "$%zu\r\n%s\r\n", strlen(line), line);
    expect_has(SAY(h, "ACL", "LIST"), bulk);
}

/* And this text makes the same user. */
START_TEST(a_user_is_listed_as_the_rules_that_make_it)
{
    const char *words[40] = {"ACL", "SETUSER", "v"};
    char *text = xstrdup(texts[_i].text), *save;
    int n = 3;

    ck_assert_str_eq(set_user(texts[_i].rules, 8), OK);
    expect_listed("u", texts[_i].text);
    for (char *w = strtok_r(text, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    ck_assert_str_eq(harness_say(h, words, n), OK);
    expect_listed("v", texts[_i].text);
    free(text);
}
END_TEST

static const struct {
    const char *rule, *error;
} bad_rules[] = {
    {"foo", "Syntax error"},
    {")", "Syntax error"},
    {" () ", "Syntax error"},
    {"%~a", "Syntax error"},
    {"%R", "Syntax error"},
    {"%RR~a", "Syntax error"},
    {"%X~a", "Syntax error"},
    {"~a b", "Syntax error"},
    {"&a b", "Syntax error"},
    {"+foo", "Unknown command or category name in ACL"},
    {"+", "Unknown command or category name in ACL"},
    {"-foo", "Unknown command or category name in ACL"},
    {"+@foo", "Unknown command or category name in ACL"},
    {"-@", "Unknown command or category name in ACL"},
    {"+config|foo", "Unknown command or category name in ACL"},
    {"-config|foo", "Unknown command or category name in ACL"},
    {"-select|0", "Unknown command or category name in ACL"},
    {"+get|a|b", "Unknown command or category name in ACL"},
    {"+config|get|a", "Allowing first-arg of a subcommand is not supported"},
    {"+select|", "Syntax error"},
    {"+select|a b", "Syntax error"},
    {"<foo",
        "The password you are trying to remove from the user does not "
        "exist"},
    {"!" FOO_HASH,
        "The password you are trying to remove from the user does "
        "not exist"},
    {"#" FOO_HASH "0",
        "The password hash must be exactly 64 characters and "
        "contain only lowercase hexadecimal characters"},
    {"#2C26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "The password hash must be exactly 64 characters and contain only "
        "lowercase hexadecimal characters"},
    {"(on)", "Syntax error"},
    {"(+get +foo)", "Unknown command or category name in ACL"},
    {"(&* &x)",
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is "
        "not valid and does not have any effect. Try 'resetchannels' to start "
        "with an empty list of channels"},
    {"(~* %R~x)",
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not "
        "valid and does not have any effect. Try 'resetkeys' to start with an "
        "empty list of patterns"},
};

START_TEST(a_bad_rule_is_named_and_changes_nothing)
{
    char expected[512];

    snprintf(expected, sizeof(expected),
        "-ERR Error in ACL SETUSER modifier '%s': %s\r\n", bad_rules[_i].rule,
        bad_rules[_i].error);
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "+get");
    RUN(h, expected, "ACL", "SETUSER", "u", "+set", bad_rules[_i].rule);
    expect_listed("u", "on resetchannels -@all +get");
    RUN(h, expected, "ACL", "SETUSER", "new", bad_rules[_i].rule);
    RUN(h, "$-1\r\n", "ACL", "GETUSER", "new");
}
END_TEST

START_TEST(a_bad_rule_is_shown_up_to_a_nul_byte)
{
    const struct str words[] = {STR("ACL"), STR("SETUSER"), STR("u"),
        {"~a\0b", 4}};

    ck_assert_str_eq(harness_run(h, words, ARRAY_LEN(words)),
        "-ERR Error in ACL SETUSER modifier '~a': Syntax error\r\n");
}
END_TEST

START_TEST(parentheses_must_match)
{
    RUN(h,
        "-ERR Unmatched parenthesis in acl selector starting at '(+get'.\r\n",
        "ACL", "SETUSER", "u", "+set", "(+get", "~a");
    RUN(h, "-ERR Unmatched parenthesis in acl selector starting at '('.\r\n",
        "ACL", "SETUSER", "u", "(");
    RUN(h, "$-1\r\n", "ACL", "GETUSER", "u");
}
END_TEST

START_TEST(each_category_alone_is_its_own_text)
{
    for (int i = 0; i < CATEGORIES_N; i++) {
        char add[32], take[32], text[128];

        snprintf(add, sizeof(add), "+@%s", category_names[i]);
        snprintf(take, sizeof(take), "-@%s", category_names[i]);
        RUN(h, OK, "ACL", "SETUSER", "u", "reset", add);
        snprintf(text, sizeof(text),
            "off sanitize-payload resetchannels "
            "-@all %s",
            add);
        expect_listed("u", text);
        RUN(h, OK, "ACL", "SETUSER", "u", "reset", "+@all", take);
        snprintf(text, sizeof(text),
            "off sanitize-payload resetchannels "
            "+@all %s",
            take);
        expect_listed("u", text);
    }
}
END_TEST

/* Any set of commands: the text, applied anew, gives the same set. */
START_TEST(any_set_of_commands_survives_its_text)
{
    struct acl_context x = acl_context_of(&h->commands);
    unsigned random = 12345;

    for (int round = 0; round < 200; round++) {
        struct acl_user *u = acl_user_new(STR("u"), &x);
        struct acl_user *v = acl_user_new(STR("v"), &x);
        struct buf text = {0};
        char *save;

        acl_selector_all(&u->selectors[0], round % 2 == 0);
        for (int i = 0; i < 1 + round; i++) {
            size_t id;

            random = random * 1103515245 + 12345;
            id = (random >> 8) % command_table_rows;
            acl_selector_command(
                &u->selectors[0], &command_table[id], random >> 30 & 1);
        }
        acl_describe_commands(&u->selectors[0], &text);
        buf_append(&text, "", 1);
        for (char *w = strtok_r(text.p, " ", &save); w != NULL;
             w = strtok_r(NULL, " ", &save))
            ck_assert_int_eq(acl_user_apply(v, &x, str_of(w)), ACL_OK);
        for (size_t i = 0; i < command_table_rows; i++)
            ck_assert(acl_selector_has(&u->selectors[0], i) ==
                acl_selector_has(&v->selectors[0], i));
        buf_free(&text);
        acl_user_drop(u);
        acl_user_drop(v);
    }
}
END_TEST

START_TEST(a_name_has_no_blanks)
{
    const struct str nul[] = {
        STR("ACL"), STR("SETUSER"), STR("a\0b"), STR("on")};
    const char *error =
        "-ERR Usernames can't contain spaces or null characters\r\n";

    RUN(h, error, "ACL", "SETUSER", "a b");
    RUN(h, error, "ACL", "SETUSER", "a\n");
    RUN(h, error, "ACL", "SETUSER", "");
    ck_assert_str_eq(harness_run(h, nul, 4), error);
}
END_TEST

START_TEST(getuser_shows_everything)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", ">foo", "~a", "%R~b", "&c", "+get",
        "(+set ~d)");
    RUN(h,
        "*12\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n"
        "$9\r\npasswords\r\n*1\r\n$64\r\n" FOO_HASH "\r\n"
        "$8\r\ncommands\r\n$10\r\n-@all +get\r\n"
        "$4\r\nkeys\r\n$7\r\n~a %R~b\r\n"
        "$8\r\nchannels\r\n$2\r\n&c\r\n"
        "$9\r\nselectors\r\n*1\r\n"
        "*6\r\n$8\r\ncommands\r\n$10\r\n-@all +set\r\n"
        "$4\r\nkeys\r\n$2\r\n~d\r\n$8\r\nchannels\r\n$0\r\n\r\n",
        "ACL", "GETUSER", "u");
    harness_protocol(h, 3);
    RUN(h,
        "%6\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$6\r\nnopass\r\n"
        "$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n$5\r\n+@all\r\n"
        "$4\r\nkeys\r\n$2\r\n~*\r\n$8\r\nchannels\r\n$2\r\n&*\r\n"
        "$9\r\nselectors\r\n*0\r\n",
        "ACL", "GETUSER", "default");
    RUN(h, "_\r\n", "ACL", "GETUSER", "nobody");
}
END_TEST

START_TEST(users_are_listed_by_name)
{
    SAY(h, "ACL", "SETUSER", "zoe");
    SAY(h, "ACL", "SETUSER", "ann");
    SAY(h, "ACL", "SETUSER", "anna");
    RUN(h, "*4\r\n$3\r\nann\r\n$4\r\nanna\r\n$7\r\ndefault\r\n$3\r\nzoe\r\n",
        "ACL", "USERS");
}
END_TEST

START_TEST(new_users_get_channels_as_configured)
{
    RUN(h, OK, "CONFIG", "SET", "acl-pubsub-default", "allchannels");
    RUN(h, OK, "ACL", "SETUSER", "u");
    expect_listed("u", "off &* -@all");
    RUN(h, OK, "CONFIG", "SET", "acl-pubsub-default", "resetchannels");
    RUN(h, OK, "ACL", "SETUSER", "u", "on");
    expect_listed("u", "on &* -@all");
    RUN(h, OK, "ACL", "SETUSER", "v", "()");
    expect_listed("v", "off resetchannels -@all (resetchannels -@all)");
}
END_TEST

/* ---- what a user may do -------------------------------------------------- */

START_TEST(commands_and_subcommands_are_allowed_by_name)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "~*", "+get", "+config",
        "-config|set", "+select|1");
    become("u");
    RUN(h, "$-1\r\n", "GET", "k");
    RUN(h, NO_COMMAND("set"), "SET", "k", "v");
    expect_has(SAY(h, "CONFIG", "GET", "port"), "*");
    RUN(h, NO_COMMAND("config|set"), "config", "SET", "maxmemory", "1gb");
    RUN(h, OK, "SELECT", "1");
    RUN(h, NO_COMMAND("select"), "SELECT", "2");
    /* what must work for everybody */
    RUN(h, OK, "AUTH", "u", "");
    expect_has(SAY(h, "HELLO", "2"), "server");
    /* arity and names come first */
    RUN(h, "-ERR wrong number of arguments for 'set' command\r\n", "SET", "k");
    expect_has(SAY(h, "nonesuch"), "-ERR unknown command");
    RUN(h, OK, "QUIT");
}
END_TEST

START_TEST(keys_are_allowed_by_what_is_done_to_them)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all", "%R~r*", "%W~w*",
        "~b*");
    become("u");
    RUN(h, "$-1\r\n", "GET", "r");
    RUN(h, NO_KEY, "GET", "w");
    RUN(h, OK, "SET", "w", "1");
    RUN(h, NO_KEY, "SET", "r", "1");
    RUN(h, NO_KEY, "SET", "w", "1", "GET");
    RUN(h, NO_KEY, "SET", "w", "1", "IFEQ", "x");
    RUN(h, NO_KEY, "INCR", "w");
    RUN(h, ":1\r\n", "INCR", "b");
    RUN(h, ":1\r\n", "DEL", "b");
    RUN(h, NO_KEY, "DEL", "b", "w", "r");
    RUN(h, ":1\r\n", "EXISTS", "w");
    RUN(h, ":0\r\n", "EXISTS", "r");
    RUN(h, NO_KEY, "EXISTS", "x");
    RUN(h, ":0\r\n", "COPY", "r", "w");
    RUN(h, NO_KEY, "COPY", "w", "r");
    RUN(h, NO_KEY, "RENAME", "r", "w");
    RUN(h, OK, "MSET", "w1", "1", "b", "r");
    RUN(h, NO_KEY, "MSET", "w1", "1", "r", "1");
    RUN(h, NO_KEY, "MSETEX", "2", "w1", "1", "r", "1");
    RUN(h, ":0\r\n", "BITOP", "AND", "w", "r1", "b1");
    RUN(h, NO_KEY, "BITOP", "AND", "r", "r1");
    RUN(h, ":1\r\n", "APPEND", "wa", "1");
}
END_TEST

START_TEST(selectors_do_not_add_up)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+mget", "~a",
        "(+mget ~b ~c)", "(+set ~a)");
    become("u");
    RUN(h, "*1\r\n$-1\r\n", "MGET", "a");
    RUN(h, "*2\r\n$-1\r\n$-1\r\n", "MGET", "b", "c");
    RUN(h, NO_KEY, "MGET", "a", "b");
    RUN(h, OK, "SET", "a", "1");
    RUN(h, NO_KEY, "SET", "b", "1");
    RUN(h, NO_COMMAND("get"), "GET", "a");
}
END_TEST

START_TEST(channels_are_allowed_by_pattern)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all", "&a*", "&b");
    become("u");
    RUN(h, ":0\r\n", "PUBLISH", "abc", "m");
    RUN(h, ":0\r\n", "SPUBLISH", "b", "m");
    RUN(h, NO_CHANNEL, "PUBLISH", "c", "m");
    RUN(h, NO_CHANNEL, "SUBSCRIBE", "a", "c");
    RUN(h, NO_CHANNEL, "SSUBSCRIBE", "c");
    /* a pattern letter by letter */
    RUN(h, NO_CHANNEL, "PSUBSCRIBE", "ab*");
    expect_has(SAY(h, "UNSUBSCRIBE", "c"), "unsubscribe");
    expect_has(SAY(h, "PSUBSCRIBE", "a*"), "psubscribe");
    expect_has(SAY(h, "SUBSCRIBE", "a", "b"), "subscribe");
}
END_TEST

START_TEST(a_transaction_is_checked_twice)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*", "&*",
        "-get");
    become("u");
    RUN(h, OK, "MULTI");
    RUN(h, NO_COMMAND("get"), "GET", "k");
    RUN(h, "-EXECABORT Transaction discarded because of previous errors.\r\n",
        "EXEC");
    RUN(h, OK, "MULTI");
    RUN(h, "+QUEUED\r\n", "SET", "k", "1");
    RUN(h, "+QUEUED\r\n", "SET", "x", "1");
    RUN(h, "+QUEUED\r\n", "INCR", "k");
    RUN(h, "+QUEUED\r\n", "PUBLISH", "c", "m");
    admin();
    RUN(h, OK, "ACL", "SETUSER", "u", "resetkeys", "~k", "-incr",
        "resetchannels");
    harness_switch(h, 1);
#define CHANGED                                                                \
    "-NOPERM ACLs rules changed between the moment the transaction was "       \
    "accumulated and the EXEC call. This command is no longer allowed for "    \
    "the following reason: no permission to "
    RUN(h,
        "*4\r\n+OK\r\n" CHANGED "touch the specified keys\r\n" CHANGED
        "execute the command or subcommand\r\n" CHANGED
        "access one of the channels used as arguments\r\n",
        "EXEC");
    admin();
    RUN(h, "$1\r\n1\r\n", "GET", "k");
    expect_has(SAY(h, "ACL", "LOG", "1"), "$5\r\nmulti\r\n");
}
END_TEST

START_TEST(dryrun_tells_and_does_nothing)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "+set", "+subscribe", "~a", "&c");
    RUN(h, OK, "ACL", "DRYRUN", "u", "SET", "a", "1");
    RUN(h, "$-1\r\n", "GET", "a");
    RUN(h, "$53\r\nThis user has no permissions to run the 'get' command\r\n",
        "ACL", "DRYRUN", "u", "GET", "a");
    RUN(h, "$50\r\nThis user has no permissions to access the 'b' key\r\n",
        "ACL", "DRYRUN", "u", "SET", "b", "1");
    RUN(h, "$54\r\nThis user has no permissions to access the 'd' channel\r\n",
        "ACL", "DRYRUN", "u", "SUBSCRIBE", "c", "d");
    RUN(h, "-ERR User 'v' not found\r\n", "ACL", "DRYRUN", "v", "GET", "a");
    RUN(h, "-ERR Command 'foo' not found\r\n", "ACL", "DRYRUN", "u", "foo");
    RUN(h, "-ERR wrong number of arguments for 'set' command\r\n", "ACL",
        "DRYRUN", "u", "SET", "a");
}
END_TEST

/* ---- who a session is ---------------------------------------------------- */

#define WRONGPASS                                                              \
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n"

START_TEST(passwords_open_the_door)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", ">one", ">two", "+@all");
    harness_switch(h, 1);
    RUN(h, WRONGPASS, "AUTH", "u", "three");
    RUN(h, WRONGPASS, "AUTH", "u", "");
    RUN(h, WRONGPASS, "AUTH", "nobody", "one");
    RUN(h, "$7\r\ndefault\r\n", "ACL", "WHOAMI");
    RUN(h, OK, "AUTH", "u", "one");
    RUN(h, "$1\r\nu\r\n", "ACL", "WHOAMI");
    RUN(h, OK, "AUTH", "u", "two");
    expect_has(SAY(h, "CLIENT", "INFO"), " user=u ");
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "$7\r\ndefault\r\n", "ACL", "WHOAMI");
    admin();
    RUN(h, OK, "ACL", "SETUSER", "u", "off");
    harness_switch(h, 1);
    RUN(h, WRONGPASS, "AUTH", "u", "one");
    RUN(h, WRONGPASS, "HELLO", "3", "AUTH", "u", "one");
    expect_has(SAY(h, "INFO", "stats"), "acl_access_denied_auth:5\r\n");
}
END_TEST

START_TEST(rights_change_under_a_session)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "allkeys", "+@all",
        "allchannels");
    become("u");
    RUN(h, OK, "SET", "k", "1");
    ck_assert(session_is_unrestricted(h->session));
    admin();
    RUN(h, OK, "ACL", "SETUSER", "u", "-set");
    harness_switch(h, 1);
    RUN(h, NO_COMMAND("set"), "SET", "k", "2");
    admin();
    RUN(h, OK, "ACL", "SETUSER", "u", "+set");
    harness_switch(h, 1);
    RUN(h, OK, "SET", "k", "3");
    /* in Redis, too, only +@all makes it whole again */
    ck_assert(!session_is_unrestricted(h->session));
    admin();
    RUN(h, OK, "ACL", "SETUSER", "u", "+@all");
    harness_switch(h, 1);
    RUN(h, OK, "SET", "k", "4");
    ck_assert(session_is_unrestricted(h->session));
}
END_TEST

START_TEST(a_deleted_user_is_thrown_out)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all");
    RUN(h, OK, "ACL", "SETUSER", "v");
    become("u");
    RUN(h, "$1\r\nu\r\n", "ACL", "WHOAMI");
    admin();
    RUN(h, "-ERR The 'default' user cannot be removed\r\n", "ACL", "DELUSER",
        "u", "default");
    RUN(h, ":2\r\n", "ACL", "DELUSER", "u", "v", "nobody");
    ck_assert_int_eq(h->n_killed, 1);
    ck_assert_uint_eq(h->killed[0], 2);
    /* another of the same name is not the same user */
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all");
    harness_switch(h, 1);
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
    ck_assert(h->session->close_after_reply);
}
END_TEST

START_TEST(who_deletes_itself_gets_the_answer)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all");
    become("u");
    RUN(h, ":1\r\n", "ACL", "DELUSER", "u");
    ck_assert(h->session->close_after_reply);
    ck_assert_int_eq(h->n_killed, 0);
}
END_TEST

START_TEST(subscribers_without_the_right_are_closed)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all", "&a*", "&b");
    become("u");
    SAY(h, "SUBSCRIBE", "ab");
    SAY(h, "PSUBSCRIBE", "a*");
    SAY(h, "SSUBSCRIBE", "b");
    admin();
    RUN(h, OK, "ACL", "SETUSER", "u", "&c");
    RUN(h, OK, "ACL", "SETUSER", "u", "allchannels");
    RUN(h, OK, "ACL", "SETUSER", "u", "resetchannels", "&a*", "(&b)");
    ck_assert_int_eq(h->n_killed, 0);
    RUN(h, OK, "ACL", "SETUSER", "u", "clearselectors");
    ck_assert_int_eq(h->n_killed, 1);
    ck_assert_uint_eq(h->killed[0], 2);
}
END_TEST

START_TEST(requirepass_is_the_password_of_default)
{
    RUN(h, OK, "CONFIG", "SET", "requirepass", "foo");
    expect_listed("default", "on #" FOO_HASH " ~* &* +@all");
    RUN(h, "+PONG\r\n", "PING"); /* was there before */
    harness_connect(h);
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
    RUN(h, WRONGPASS, "AUTH", "bar");
    RUN(h, OK, "AUTH", "foo");
    RUN(h, "+PONG\r\n", "PING");
    RUN(h, OK, "ACL", "SETUSER", "default", "nopass");
    RUN(h,
        "-ERR AUTH <password> called without any password configured for the "
        "default user. Are you sure your configuration is correct?\r\n",
        "AUTH", "foo");
    RUN(h, OK, "CONFIG", "SET", "requirepass", "bar");
    RUN(h, OK, "CONFIG", "SET", "requirepass", "");
    expect_listed("default", "on nopass ~* &* +@all");
    ck_assert_ptr_null(strstr(SAY(h, "CONFIG", "GET", "*"), "bar"));
}
END_TEST

START_TEST(without_the_default_user_all_must_log_in)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all");
    RUN(h, OK, "ACL", "SETUSER", "default", "off");
    harness_connect(h);
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
    RUN(h, WRONGPASS, "AUTH", "default", "x");
    RUN(h, OK, "AUTH", "u", "x");
    RUN(h, "+PONG\r\n", "PING");
    RUN(h, OK, "ACL", "SETUSER", "default", "on");
    harness_connect(h);
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(client_kill_finds_by_user)
{
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+@all");
    become("u");
    admin();
    RUN(h, "-ERR No such user 'x'\r\n", "CLIENT", "KILL", "USER", "x");
    RUN(h, ":1\r\n", "CLIENT", "KILL", "USER", "u");
    ck_assert_uint_eq(h->killed[0], 2);
    RUN(h, ":0\r\n", "CLIENT", "KILL", "USER", "default");
}
END_TEST

/* ---- GENPASS and CAT ----------------------------------------------------- */

START_TEST(genpass_makes_random_digits)
{
    char first[80];

    snprintf(first, sizeof(first), "%s", SAY(h, "ACL", "GENPASS"));
    ck_assert_uint_eq(strlen(first), 5 + 64 + 2);
    ck_assert_uint_eq(strspn(first + 5, "0123456789abcdef"), 64);
    ck_assert_str_ne(SAY(h, "ACL", "GENPASS"), first);
    ck_assert_uint_eq(strlen(SAY(h, "ACL", "GENPASS", "5")), 4 + 2 + 2);
    ck_assert_uint_eq(strlen(SAY(h, "ACL", "GENPASS", "4096")), 7 + 1024 + 2);
    expect_has(SAY(h, "ACL", "GENPASS", "0"), "-ERR ACL GENPASS argument must");
    expect_has(
        SAY(h, "ACL", "GENPASS", "4097"), "-ERR ACL GENPASS argument must");
    expect_has(SAY(h, "ACL", "GENPASS", "x"), "-ERR value is not an integer");
}
END_TEST

START_TEST(cat_lists_categories_and_their_commands)
{
    expect_has(SAY(h, "ACL", "CAT"), "*21\r\n$8\r\nkeyspace\r\n$4\r\nread\r\n");
    expect_has(SAY(h, "ACL", "CAT", "Transaction"), "$5\r\nmulti\r\n");
    expect_has(h->flat.p, "*5\r\n");
    RUN(h, "*0\r\n", "ACL", "CAT", "geo");
    RUN(h, "*2\r\n$4\r\nsort\r\n$7\r\nsort_ro\r\n", "ACL", "CAT",
        "sortedset");
    RUN(h, "-ERR Unknown category 'x'\r\n", "ACL", "CAT", "x");
    RUN(h,
        "-ERR unknown subcommand or wrong number of arguments for 'cat'. Try "
        "ACL HELP.\r\n",
        "ACL", "cat", "a", "b");
}
END_TEST

/* ---- the log ------------------------------------------------------------- */

START_TEST(refusals_are_logged_and_counted_up)
{
    clock_fake(1000000);
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+get", "+publish", "~a");
    become("u");
    SAY(h, "SET", "a", "1");
    SAY(h, "SET", "a", "1");
    SAY(h, "GET", "b");
    SAY(h, "PUBLISH", "c", "m");
    SAY(h, "AUTH", "w", "x");
    clock_fake(1001500);
    admin();
    expect_has(SAY(h, "ACL", "LOG"), "*4\r\n");
    expect_has(SAY(h, "ACL", "LOG", "1"),
        "*1\r\n*14\r\n$5\r\ncount\r\n:1\r\n$6\r\nreason\r\n$4\r\nauth\r\n"
        "$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$4\r\nAUTH\r\n"
        "$8\r\nusername\r\n$1\r\nw\r\n$11\r\nage-seconds\r\n$3\r\n1.5\r\n"
        "$11\r\nclient-info\r\n");
    expect_has(h->flat.p, "id=2 addr=127.0.0.1:50001 ");
    expect_has(SAY(h, "ACL", "LOG", "2"),
        "$7\r\nchannel\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n"
        "$1\r\nc\r\n$8\r\nusername\r\n$1\r\nu\r\n");
    expect_has(SAY(h, "ACL", "LOG", "3"),
        "$3\r\nkey\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n"
        "$1\r\nb\r\n");
    expect_has(SAY(h, "ACL", "LOG", "4"),
        "$5\r\ncount\r\n:2\r\n$6\r\nreason\r\n$7\r\ncommand\r\n"
        "$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$3\r\nset\r\n");
    expect_has(SAY(h, "INFO", "stats"),
        "acl_access_denied_auth:1\r\nacl_access_denied_cmd:2\r\n"
        "acl_access_denied_key:1\r\nacl_access_denied_channel:1\r\n");
    expect_has(SAY(h, "INFO", "errorstats"), "errorstat_NOPERM:count=4\r\n");
    clock_unfake();
}
END_TEST

START_TEST(after_a_minute_a_refusal_is_a_new_entry)
{
    clock_fake(1000000);
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass");
    become("u");
    SAY(h, "GET", "a");
    clock_fake(1060000);
    SAY(h, "GET", "a");
    clock_fake(1120001);
    SAY(h, "GET", "a");
    admin();
    expect_has(SAY(h, "ACL", "LOG"), "*2\r\n*14\r\n$5\r\ncount\r\n:1\r\n");
    expect_has(h->flat.p, "$5\r\ncount\r\n:2\r\n");
    clock_unfake();
}
END_TEST

START_TEST(the_log_is_bounded_and_can_be_forgotten)
{
    size_t used;

    RUN(h, OK, "CONFIG", "SET", "acllog-max-len", "3");
    RUN(h, OK, "ACL", "SETUSER", "u", "on", "nopass", "+get");
    become("u");
    used = slab_used(h->slab);
    for (int i = 0; i < 20; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%d", i);
        SAY(h, "GET", key);
    }
    ck_assert_uint_gt(slab_used(h->slab), used);
    admin();
    expect_has(SAY(h, "ACL", "LOG", "10"), "*3\r\n");
    expect_has(h->flat.p, "k19");
    ck_assert_ptr_null(strstr(h->flat.p, "k16"));
    RUN(h, "*0\r\n", "ACL", "LOG", "0");
    RUN(h, "*0\r\n", "ACL", "LOG", "-5");
    expect_has(SAY(h, "ACL", "LOG", "x"), "-ERR value is not an integer");
    RUN(h, OK, "ACL", "LOG", "reset");
    RUN(h, "*0\r\n", "ACL", "LOG");
    ck_assert_uint_eq(slab_used(h->slab), used);
}
END_TEST

/* ---- the file ------------------------------------------------------------ */

static char path[64];

static void
write_file(const char *text)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/ashlar-acl-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    free(h->command_options.aclfile);
    h->command_options.aclfile = xstrdup(path);
}

START_TEST(without_a_file_nothing_is_loaded_or_saved)
{
    const char *error =
        "-ERR This Redis instance is not configured to use an ACL file. You "
        "may want to specify users via the ACL SETUSER command and then issue "
        "a CONFIG REWRITE (assuming you have a Redis configuration file set) "
        "in order to store users in the Redis configuration.";

    expect_has(SAY(h, "ACL", "LOAD"), error);
    expect_has(SAY(h, "ACL", "SAVE"), error);
}
END_TEST

START_TEST(users_are_saved_and_loaded)
{
    struct stat st;

    write_file("user ann on nopass +@all ~* &*\n\n  \r\n"
               "user bob on >foo ( +get ~a* ) +@string\r\n");
    RUN(h, OK, "ACL", "SETUSER", "old", "on", "nopass", "+@all");
    become("old");
    admin();
    RUN(h, OK, "ACL", "LOAD");
    RUN(h, "*3\r\n$3\r\nann\r\n$3\r\nbob\r\n$7\r\ndefault\r\n", "ACL", "USERS");
    expect_listed("bob",
        "on #" FOO_HASH " resetchannels -@all +@string "
        "(~a* resetchannels -@all +get)");
    /* whose user is gone is thrown out; the default one stays */
    ck_assert_int_eq(h->n_killed, 1);
    RUN(h, "+PONG\r\n", "PING");
    RUN(h, OK, "ACL", "SETUSER", "ann", "-get", ">foo", "(+get)");
    RUN(h, OK, "ACL", "SETUSER", "default", "-flushall");
    ck_assert_int_eq(chmod(path, 0640), 0);
    RUN(h, OK, "ACL", "SAVE");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
    RUN(h, OK, "ACL", "SETUSER", "ann", "reset");
    RUN(h, OK, "ACL", "SETUSER", "default", "+@all");
    RUN(h, OK, "ACL", "LOAD");
    expect_listed("ann",
        "on #" FOO_HASH " ~* &* +@all -get "
        "(resetchannels -@all +get)");
    expect_listed("default", "on nopass ~* &* +@all -flushall");
    RUN(h, NO_COMMAND("flushall"), "FLUSHALL");
    unlink(path);
}
END_TEST

static const struct {
    const char *text, *error; /* FILE stands for the path */
} bad_files[] = {
    {"user ann on\nusr bob\n",
        "FILE:2 should start with user keyword followed by the username. "},
    {"user\n",
        "FILE:1 should start with user keyword followed by the username. "},
    {"# comment\n",
        "FILE:1 should start with user keyword followed by the username. "},
    {"user a on\nuser b on\nuser a off\n",
        "WARNING: Duplicate user 'a' found on line 3. "},
    {"user default on\nuser default on\n",
        "WARNING: Duplicate user 'default' found on line 2. "},
    {"\n\nuser a +foo -@bar\n",
        "FILE:3: Error in applying operation '+foo': Unknown command or "
        "category name in ACL. FILE:3: Error in applying operation '-@bar': "
        "Unknown command or category name in ACL. "},
    /* what may be a password is not told */
    {"user a on secret #short +foo\nuser b #secret\n",
        "FILE:1: Syntax error. FILE:1: Error in applying operation '+foo': "
        "Unknown command or category name in ACL. FILE:2: The password hash "
        "must be exactly 64 characters and contain only lowercase hexadecimal "
        "characters. "},
    {"user a on (+get\n",
        "FILE:1: Unmatched parenthesis in selector definition. "},
};

static void
with_path(const char *text, char *out, size_t cap)
{
    size_t n = 0;

    while (*text != '\0') {
        if (strncmp(text, "FILE", 4) == 0) {
            n += (size_t)snprintf(out + n, cap - n, "%s", path);
            text += 4;
        } else {
            out[n++] = *text++;
        }
    }
    out[n] = '\0';
}

START_TEST(a_bad_file_is_explained_and_changes_nothing)
{
    char reasons[1024], expected[1200];
    struct buf err = {0};

    write_file(bad_files[_i].text);
    RUN(h, OK, "ACL", "SETUSER", "u", "on");
    with_path(bad_files[_i].error, reasons, sizeof(reasons));
    snprintf(expected, sizeof(expected),
        "-ERR %sWARNING: ACL errors detected, no change to the previously "
        "active ACL rules was performed\r\n",
        reasons);
    RUN(h, expected, "ACL", "LOAD");
    RUN(h, "*2\r\n$7\r\ndefault\r\n$1\r\nu\r\n", "ACL", "USERS");
    ck_assert(!commands_check_aclfile(path, &err));
    buf_append(&err, "", 1);
    ck_assert_str_eq(err.p, reasons);
    buf_free(&err);
    unlink(path);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    struct buf err = {0};

    write_file("");
    unlink(path);
    expect_has(SAY(h, "ACL", "LOAD"), "No such file or directory");
    ck_assert(!commands_load_users(&h->commands, &err));
    buf_free(&err);
}
END_TEST

/* Words that end a selector too early when they are read again. */
START_TEST(what_could_not_be_read_again_is_not_saved)
{
    char text[32] = "";
    FILE *f;

    write_file("user ann on\n");
    RUN(h, OK, "ACL", "SETUSER", "u", "(~x) +get)");
    expect_has(SAY(h, "ACL", "SAVE"), "-ERR There was an error trying to save");
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
    fclose(f);
    ck_assert_str_eq(text, "user ann on\n");
    free(h->command_options.aclfile);
    h->command_options.aclfile = xstrdup("/nonexistent/users.acl");
    RUN(h, ":1\r\n", "ACL", "DELUSER", "u");
    expect_has(SAY(h, "ACL", "SAVE"), "-ERR There was an error trying to save");
    unlink(path);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("acl");
    TCase *tc = tcase_create("acl");
    const TTest *const tests[] = {parentheses_must_match,
        a_bad_rule_is_shown_up_to_a_nul_byte,
        each_category_alone_is_its_own_text,
        any_set_of_commands_survives_its_text, a_name_has_no_blanks,
        getuser_shows_everything, users_are_listed_by_name,
        new_users_get_channels_as_configured,
        commands_and_subcommands_are_allowed_by_name,
        keys_are_allowed_by_what_is_done_to_them, selectors_do_not_add_up,
        channels_are_allowed_by_pattern, a_transaction_is_checked_twice,
        dryrun_tells_and_does_nothing, passwords_open_the_door,
        rights_change_under_a_session, a_deleted_user_is_thrown_out,
        who_deletes_itself_gets_the_answer,
        subscribers_without_the_right_are_closed,
        requirepass_is_the_password_of_default,
        without_the_default_user_all_must_log_in, client_kill_finds_by_user,
        genpass_makes_random_digits, cat_lists_categories_and_their_commands,
        refusals_are_logged_and_counted_up,
        after_a_minute_a_refusal_is_a_new_entry,
        the_log_is_bounded_and_can_be_forgotten,
        without_a_file_nothing_is_loaded_or_saved, users_are_saved_and_loaded,
        a_missing_file_is_an_error, what_could_not_be_read_again_is_not_saved};

    tcase_add_checked_fixture(tc, start_with_two, stop);
    tcase_add_loop_test(
        tc, a_user_is_listed_as_the_rules_that_make_it, 0, ARRAY_LEN(texts));
    tcase_add_loop_test(
        tc, a_bad_rule_is_named_and_changes_nothing, 0, ARRAY_LEN(bad_rules));
    tcase_add_loop_test(tc, a_bad_file_is_explained_and_changes_nothing, 0,
        ARRAY_LEN(bad_files));
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
