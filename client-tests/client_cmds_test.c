/* SPDX-License-Identifier: BSD-3-Clause */
/* client_cmds_test.c - commands on the connection and the server: HELLO, AUTH,
 * CLIENT, COMMAND, INFO, MEMORY, TIME, SHUTDOWN and their relatives.
 */
#include "client-tests/wire.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define SYNTAX "-ERR syntax error"

/* ---- PING, ECHO, QUIT, RESET -------------------------------------------- */

/* clang-format off */
TABLE_TEST(ping_and_echo_answer,
    {"PING", "+PONG"},
    {"PING hello", "\"hello\""},
    {"PING \"\"", "\"\""},
    {"PING a b", ARITY("ping")},
    {"ECHO hello", "\"hello\""},
    {"ECHO", ARITY("echo")},
    {"ECHO a b", ARITY("echo")})
/* clang-format on */

START_TEST(quit_closes_after_its_reply)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w, "PING\r\nQUIT\r\nPING\r\n");
    wire_expect(w, "+PONG");
    wire_expect(w, "+OK");
    wire_expect_closed(w);
    wire_close(w);
    w = wire_connect(server);
    wire_run(w, "QUIT", "+OK");
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

START_TEST(reset_forgets_the_state_of_the_connection)
{
    struct wire *w = wire_connect_resp3(server);

    wire_run(w, "SELECT 5", "+OK");
    wire_run(w, "SET here 1", "+OK");
    wire_run(w, "CLIENT SETNAME joe", "+OK");
    wire_run(w, "GET absent", "_");
    wire_run(w, "RESET", "+RESET");
    wire_run(w, "GET here", "$-1");
    /* 7.0 keeps the name over RESET, later ones drop it. */
    wire_run(w, "CLIENT GETNAME", "re:\"joe\"|\\$-1");
    wire_run(w, "CLIENT INFO", "re:\".* db=0 .*\"");
    wire_run(w, "RESET x", ARITY("reset"));
    wire_close(w);
}
END_TEST

/* ---- HELLO, AUTH -------------------------------------------------------- */

#define HELLO_FIELDS(proto)                                                    \
    "\"server\" \"[a-z]+\" \"version\" \"[0-9.]+\" \"proto\" :" proto          \
    " \"id\" :[0-9]+ \"mode\" \"standalone\" \"role\" \"master\" "             \
    "\"modules\" \\[\\]"

START_TEST(hello_agrees_on_a_protocol)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "HELLO", "re:\\[" HELLO_FIELDS("2") "\\]");
    wire_run(w, "HELLO 3", "re:\\{" HELLO_FIELDS("3") "\\}");
    wire_run(w, "GET absent", "_");
    wire_run(w, "HELLO", "re:\\{" HELLO_FIELDS("3") "\\}");
    wire_run(w, "HELLO 4", "-NOPROTO unsupported protocol version");
    wire_run(w, "HELLO 1", "-NOPROTO unsupported protocol version");
    wire_run(w, "HELLO x",
        "-ERR Protocol version is not an integer or out of range");
    wire_run(w, "GET absent", "_");
    wire_run(w, "HELLO 2 SETNAME bob", "re:\\[" HELLO_FIELDS("2") "\\]");
    wire_run(w, "CLIENT GETNAME", "\"bob\"");
    wire_run(w, "GET absent", "$-1");
    wire_run(w, "HELLO 3 SETNAME",
        "re:-ERR Syntax error in HELLO option "
        "'(SETNAME|setname)'");
    wire_run(w, "HELLO 3 NOPE x", "-ERR Syntax error in HELLO option 'NOPE'");
    wire_run(w, "GET absent", "$-1");
    wire_close(w);
}
END_TEST

/* clang-format off */
TABLE_TEST(auth_without_a_password_set_says_so,
    {"AUTH x",
        "-ERR AUTH <password> called without any password configured for the "
        "default user. Are you sure your configuration is correct?"},
    {"AUTH", ARITY("auth")},
    {"AUTH a b c", SYNTAX},
    {"AUTH default anything", "+OK"},
    {"AUTH nobody x",
        "-WRONGPASS invalid username-password pair or user is disabled."})
/* clang-format on */

START_TEST(a_password_guards_every_command)
{
    static const char *const args[] = {"--requirepass", "s3cret", NULL};
    static const char *const refused[] = {"PING", "GET k", "SET k v", "INFO",
        "CONFIG GET *", "CLIENT LIST", "COMMAND", "SELECT 1", "FLUSHALL",
        "ECHO x", "SHUTDOWN", "DBSIZE"};
    static const char wrong[] =
        "-WRONGPASS invalid username-password pair or user is disabled.";
    struct server *s = server_start(args);
    struct wire *w = wire_connect(s);

    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        wire_run(w, refused[i], "-NOAUTH Authentication required.");
    wire_run(w, "AUTH wrong", wrong);
    wire_run(w, "AUTH default wrong", wrong);
    wire_run(w, "AUTH joe s3cret", wrong);
    wire_run(w, "AUTH \"\"", wrong);
    wire_run(w, "AUTH s3cretX", wrong);
    wire_run(w, "AUTH s3cre", wrong);
    wire_run(w, "GET k", "-NOAUTH Authentication required.");
    wire_run(w, "HELLO 3",
        "-NOAUTH HELLO must be called with the client already authenticated, "
        "otherwise the HELLO AUTH <user> <pass> option can be used to "
        "authenticate the client and select the RESP protocol version at the "
        "same time");
    wire_run(w, "HELLO 3 AUTH default wrong", wrong);
    wire_run(w, "HELLO 3 AUTH default s3cret SETNAME x", "re:\\{.*\\}");
    wire_run(w, "SET k v", "+OK");
    wire_run(w, "RESET", "+RESET");
    wire_run(w, "GET k", "-NOAUTH Authentication required.");
    wire_run(w, "AUTH s3cret", "+OK");
    wire_run(w, "GET k", "\"v\"");
    wire_run(w, "AUTH wrong", wrong);
    wire_run(w, "GET k", "\"v\"");
    wire_run(w, "QUIT", "+OK");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(a_password_set_later_counts_for_new_connections)
{
    struct wire *w = wire_connect(server), *later;

    wire_run(w, "CONFIG SET requirepass new", "+OK");
    wire_run(w, "PING", "+PONG");
    later = wire_connect(server);
    wire_run(later, "PING", "-NOAUTH Authentication required.");
    wire_run(later, "AUTH new", "+OK");
    wire_run(later, "PING", "+PONG");
    wire_run(w, "CONFIG SET requirepass \"\"", "+OK");
    wire_close(later);
    later = wire_connect(server);
    wire_run(later, "PING", "+PONG");
    wire_close(later);
    wire_close(w);
}
END_TEST

/* ---- CLIENT ------------------------------------------------------------- */

/* clang-format off */
/* CLIENT LIST and INFO are verbatim strings in RESP3. */
/* What else is asked of a connection, in both protocols. */
TABLE_TEST(connections_and_servers_answer_in_both_protocols,
    {"HELLO", "re:\\[\"server\" \"[a-z]+\" .*\"proto\" :2 .*\\]",
        "re:\\{\"server\" \"[a-z]+\" .*\"proto\" :3 .*\\}"},
    {"TIME", "re:\\[\"[0-9]{10}\" \"[0-9]{1,6}\"\\]"},
    {"CLIENT KILL ID 999999999", ":0"},
    {"CLIENT KILL 1.2.3.4:5", "-ERR No such client"},
    {"CLIENT REPLY ON", "+OK"},
    {"RESTORE k 0 \"\\x00\\x01v\\n\\x00\\x91\\x08\\xce\\xb2\\x198\\x8a\\xce\"",
        "+OK"},
    {"GET k", "\"v\""},
    {"CLIENT REPLY MAYBE", SYNTAX})

TABLE_TEST(newer_client_commands_answer_in_both_protocols,
    {"CLIENT NO-TOUCH ON", "+OK"},
    {"CLIENT NO-TOUCH off", "+OK"},
    {"CLIENT NO-TOUCH MAYBE", SYNTAX},
    {"CLIENT SETINFO LIB-NAME lib", "+OK"},
    {"CLIENT SETINFO LIB-VER \"\"", "+OK"},
    {"CLIENT SETINFO LIB-SIZE 1",
        "-ERR Unrecognized option 'LIB-SIZE'"})

TABLE_TEST(client_names_a_connection,
    {"CLIENT GETNAME", "$-1"},
    {"CLIENT SETNAME worker-1", "+OK"},
    {"CLIENT GETNAME", "\"worker-1\""},
    {"CLIENT INFO", "re:=?\".* name=worker-1 .*\""},
    {"CLIENT SETNAME \"two words\"",
        "-ERR Client names cannot contain spaces, newlines or special "
        "characters."},
    {"CLIENT SETNAME \"a\\nb\"",
        "-ERR Client names cannot contain spaces, newlines or special "
        "characters."},
    {"CLIENT GETNAME", "\"worker-1\""},
    {"CLIENT SETNAME \"\"", "+OK"},
    {"CLIENT GETNAME", "$-1"},
    {"CLIENT SETNAME", ARITY("client|setname")},
    {"CLIENT ID", "re::[1-9][0-9]*"},
    {"CLIENT ID x", ARITY("client|id")},
    {"CLIENT NO-EVICT ON", "+OK"},
    {"CLIENT NO-EVICT off", "+OK"},
    {"CLIENT NO-EVICT maybe", SYNTAX},
    {"CLIENT", ARITY("client")},
    {"CLIENT NOPE",
        "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP."},
    {"CLIENT HELP", "re:\\[\\+CLIENT .*\\]"},
    {"CLIENT LIST TYPE normal", "re:=?\"(txt:)?id=.*\""},
    {"CLIENT LIST TYPE master", "re:=?\"(txt:)?\""},
    {"CLIENT LIST TYPE pubsub", "re:=?\"(txt:)?\""},
    {"CLIENT LIST TYPE nope", "-ERR Unknown client type 'nope'"},
    {"CLIENT LIST ID 999999", "re:=?\"(txt:)?\""},
    {"CLIENT LIST ID x", "-ERR Invalid client ID"},
    {"CLIENT LIST NOPE", SYNTAX})
/* clang-format on */

START_TEST(client_info_describes_the_connection)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "CLIENT SETNAME me", "+OK");
    wire_run(w, "SELECT 3", "+OK");
    wire_run(w, "CLIENT INFO",
        "re:\"id=[0-9]+ addr=127\\.0\\.0\\.1:[0-9]+ "
        "laddr=127\\.0\\.0\\.1:[0-9]+ fd=[0-9]+ name=me age=[0-9]+ "
        "idle=[0-9]+ flags=N db=3 .*cmd=client\\|info.*\"");
    wire_close(w);
}
END_TEST

START_TEST(client_list_shows_every_connection)
{
    struct wire *w[8];
    char *list;

    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        char set_name[64];

        w[i] = wire_connect(server);
        snprintf(set_name, sizeof(set_name), "CLIENT SETNAME lister-%zu", i);
        wire_run(w[i], set_name, "+OK");
    }
    wire_send_command(w[0], "CLIENT LIST");
    list = wire_read(w[0]);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        char name[64];

        snprintf(name, sizeof(name), " name=lister-%zu ", i);
        ck_assert_msg(strstr(list, name) != NULL, "no%sin %s", name, list);
    }
    free(list);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        wire_close(w[i]);
}
END_TEST

/* Number of the connection, as text. */
static void
client_id(struct wire *w, char id[24])
{
    char *reply;

    wire_send_command(w, "CLIENT ID");
    reply = wire_read(w);
    ck_assert_int_eq(reply[0], ':');
    snprintf(id, 24, "%s", reply + 1);
    free(reply);
}

START_TEST(client_kill_closes_others)
{
    struct wire *w = wire_connect(server), *victim = wire_connect(server);
    char id[24], words[64];
    int fd;

    client_id(victim, id);
    snprintf(words, sizeof(words), "CLIENT LIST ID %s", id);
    wire_run(w, words, "re:\"id=[^\\\\]*\\\\n\"");
    snprintf(words, sizeof(words), "CLIENT KILL ID %s", id);
    wire_run(w, words, ":1");
    wire_expect_closed(victim);
    wire_run(w, words, ":0");
    wire_close(victim);

    /* By address, in the old form. */
    victim = wire_connect(server);
    fd = victim->fd;
    wire_run(victim, "PING", "+PONG");
    {
        struct sockaddr_in a;
        socklen_t len = sizeof(a);

        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
        snprintf(words, sizeof(words), "CLIENT KILL 127.0.0.1:%d",
            ntohs(a.sin_port));
    }
    wire_run(w, words, "+OK");
    wire_expect_closed(victim);
    wire_run(w, words, "-ERR No such client");
    wire_close(victim);

    wire_run(w, "CLIENT KILL ID x", "-ERR client-id should be greater than 0");
    wire_run(w, "CLIENT KILL TYPE nope", "-ERR Unknown client type 'nope'");
    wire_run(w, "CLIENT KILL NOPE 1", SYNTAX);
    wire_run(w, "CLIENT KILL", ARITY("client|kill"));
    wire_run(w, "PING", "+PONG");
    wire_close(w);
}
END_TEST

/* At once, before the worker that is to close it gets round to that. */
START_TEST(a_killed_client_is_none_any_more)
{
    static const char *const workers[] = {"--workers", "3", NULL};
    struct server *s = server_start(testing_redis() ? NULL : workers);
    struct wire *victims[20], *w = wire_connect(s);

    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        victims[i] = wire_connect(s);
        wire_run(victims[i], "PING", "+PONG");
    }
    wire_send_text(
        w, "CLIENT KILL SKIPME yes\r\nINFO clients\r\nCLIENT LIST\r\n");
    wire_expect(w, ":20");
    wire_expect(w, "re:\".*connected_clients:1\\\\r.*\"");
    wire_expect(w, "re:\"id=[^\\\\]*\\\\n\"");
    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        wire_expect_closed(victims[i]);
        wire_close(victims[i]);
    }
    wire_run(w, "INFO clients", "re:\".*connected_clients:1\\\\r.*\"");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(client_kill_of_itself_answers_first)
{
    struct wire *w = wire_connect(server);
    char id[24], words[64];

    client_id(w, id);
    snprintf(words, sizeof(words), "CLIENT KILL ID %s", id);
    wire_run(w, words, ":0"); /* SKIPME is yes unless said otherwise */
    snprintf(words, sizeof(words), "CLIENT KILL ID %s SKIPME no", id);
    wire_run(w, words, ":1");
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

START_TEST(client_reply_switches_replies_off_and_skips_one)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w,
        "CLIENT REPLY OFF\r\nPING\r\nSET quiet 1\r\nNOPE\r\n"
        "CLIENT REPLY ON\r\n");
    wire_expect(w, "+OK");
    wire_run(w, "GET quiet", "\"1\"");
    wire_send_text(w, "CLIENT REPLY SKIP\r\nECHO skipped\r\nECHO seen\r\n");
    wire_expect(w, "\"seen\"");
    wire_run(w, "CLIENT REPLY NOPE", SYNTAX);
    wire_run(w, "CLIENT REPLY ON", "+OK");
    wire_close(w);
}
END_TEST

START_TEST(client_setinfo_names_the_library)
{
    struct wire *w = wire_connect(server);

    if (testing_redis()) {
        skip("CLIENT SETINFO and NO-TOUCH are newer than Redis 7.0");
        wire_close(w);
        return;
    }
    wire_run(w, "CLIENT SETINFO LIB-NAME testlib", "+OK");
    wire_run(w, "CLIENT SETINFO lib-ver 1.2.3", "+OK");
    wire_run(
        w, "CLIENT INFO", "re:\".* lib-name=testlib lib-ver=1\\.2\\.3.*\"");
    wire_run(w, "CLIENT SETINFO LIB-NAME \"two words\"",
        "-ERR LIB-NAME cannot contain spaces, newlines or special "
        "characters.");
    wire_run(w, "CLIENT SETINFO NOPE x", "-ERR Unrecognized option 'NOPE'");
    wire_run(w, "CLIENT SETINFO LIB-NAME", ARITY("client|setinfo"));
    wire_run(w, "CLIENT NO-TOUCH ON", "+OK");
    wire_run(w, "CLIENT NO-TOUCH OFF", "+OK");
    wire_run(w, "CLIENT NO-TOUCH", ARITY("client|no-touch"));
    wire_run(w, "CLIENT NO-TOUCH maybe", SYNTAX);
    wire_close(w);
}
END_TEST

START_TEST(no_touch_reads_leave_the_idle_time)
{
    struct wire *w = wire_connect(server);
    double deadline = now_s() + patient(10);
    char *idle;
    bool old = false;

    if (testing_redis()) {
        skip("CLIENT NO-TOUCH is newer than Redis 7.0");
        wire_close(w);
        return;
    }
    wire_run(w, "SET aging 1", "+OK");
    wire_run(w, "CLIENT NO-TOUCH ON", "+OK");
    while (!old && now_s() < deadline) {
        sleep_ms(200);
        wire_run(w, "GET aging", "\"1\"");
        wire_send_command(w, "OBJECT IDLETIME aging");
        idle = wire_read(w);
        old = strcmp(idle, ":0") != 0;
        free(idle);
    }
    ck_assert_msg(old, "the key stays young under NO-TOUCH reads");
    wire_close(w);
}
END_TEST

/* ---- COMMAND ------------------------------------------------------------ */

START_TEST(command_describes_every_command)
{
    redisContext *c = server_connect(server);
    redisReply *all = command(c, "COMMAND"), *list = command(c, "COMMAND LIST");
    long long count = command_int(c, "COMMAND COUNT");

    ck_assert_int_eq(all->type, REDIS_REPLY_ARRAY);
    ck_assert_int_eq((long long)all->elements, count);
    ck_assert_int_ge((long long)list->elements, count); /* "a|b" too */
    for (size_t i = 0; i < all->elements; i++) {
        const redisReply *row = all->element[i];

        /* name, arity, flags, first, last, step, categories, tips, key
         * specifications, subcommands */
        ck_assert_uint_eq(row->elements, 10);
        ck_assert_int_eq(row->element[0]->type, REDIS_REPLY_STRING);
        ck_assert_int_eq(row->element[1]->type, REDIS_REPLY_INTEGER);
        ck_assert_int_ne(row->element[1]->integer, 0);
        ck_assert_int_eq(row->element[2]->type, REDIS_REPLY_ARRAY);
    }
    freeReplyObject(all);
    freeReplyObject(list);
    redisFree(c);
}
END_TEST

/* clang-format off */
TABLE_TEST(command_info_tells_arity_flags_and_keys,
    {"COMMAND INFO get",
        "re:\\[\\[\"get\" :2 \\[.*readonly.*fast.*\\] :1 :1 :1 \\[.*\\] "
        "\\[.*\\] \\[.*\\] \\[\\]\\]\\]",
        "re:\\[\\[\"get\" :2 ~\\[.*readonly.*fast.*\\] :1 :1 :1 ~\\[.*\\] "
        ".*\\]\\]"},
    {"COMMAND INFO SET",
        "re:\\[\\[\"set\" :-3 \\[.*write.*denyoom.*\\] :1 :1 :1 .*\\]",
        "re:\\[\\[\"set\" :-3 ~\\[.*write.*denyoom.*\\] :1 :1 :1 .*\\]"},
    {"COMMAND INFO mset",
        "re:\\[\\[\"mset\" :-3 .* :1 :-1 :2 .*\\]"},
    {"COMMAND INFO del ping",
        "re:\\[\\[\"del\" :-2 .* :1 :-1 :1 .*\\] \\[\"ping\" :-1 .*\\]"},
    {"COMMAND INFO nope", "[$-1]"},
    {"COMMAND INFO nope get", "re:\\[[$_](-1)? \\[\"get\" .*\\]\\]"},
    {"COMMAND COUNT", "re::[0-9]+"},
    {"COMMAND COUNT x", ARITY("command|count")},
    {"COMMAND NOPE", "-ERR unknown subcommand 'NOPE'. Try COMMAND HELP."},
    {"COMMAND HELP", "re:\\[\\+COMMAND .*\\]"})

TABLE_TEST(command_getkeys_finds_keys,
    {"COMMAND GETKEYS GET k", "[\"k\"]"},
    {"COMMAND GETKEYS MSET a 1 b 2", "[\"a\" \"b\"]"},
    {"COMMAND GETKEYS MGET a b c", "[\"a\" \"b\" \"c\"]"},
    {"COMMAND GETKEYS SET k v EX 10", "[\"k\"]"},
    {"COMMAND GETKEYS OBJECT ENCODING k", "[\"k\"]"},
    {"COMMAND GETKEYS ECHO x", "-ERR The command has no key arguments"},
    {"COMMAND GETKEYS NOPE x", "-ERR Invalid command specified"},
    {"COMMAND GETKEYS SET k",
        "-ERR Invalid number of arguments specified for command"},
    {"COMMAND GETKEYS", ARITY("command|getkeys")},
    {"COMMAND GETKEYSANDFLAGS SET k v",
        "re:\\[\\[\"k\" \\[\\+.*\\]\\]\\]",
        "re:\\[\\[\"k\" ~\\[\\+.*\\]\\]\\]"})

TABLE_TEST(command_docs_describes_for_hints,
    {"COMMAND DOCS get",
        "re:\\[\"get\" \\[\"summary\" \".+\" \"since\" \".+\" \"group\" "
        "\"string\" .*\"arguments\" \\[.*\"key\".*\\]\\]\\]",
        "re:\\{\"get\" \\{\"summary\" \".+\" \"since\" \".+\" \"group\" "
        "\"string\" .*\"arguments\" \\[.*\"key\".*\\]\\}\\}"},
    {"COMMAND DOCS nope", "[]", "{}"},
    {"COMMAND DOCS nope ping", "re:\\[\"ping\" .*\\]", "re:\\{\"ping\" .*\\}"})

TABLE_TEST(command_list_filters,
    {"COMMAND LIST FILTERBY PATTERN get", "[\"get\"]"},
    {"COMMAND LIST FILTERBY PATTERN mg*", "re:\\[.*\"mget\".*\\]"},
    {"COMMAND LIST FILTERBY PATTERN zzz*", "[]"},
    {"COMMAND LIST FILTERBY ACLCAT string", "re:\\[.*\"append\".*\\]"},
    {"COMMAND LIST FILTERBY MODULE nope", "[]"},
    {"COMMAND LIST FILTERBY NOPE x", SYNTAX},
    {"COMMAND LIST FILTERBY", SYNTAX})

/* ---- CONFIG ------------------------------------------------------------- */

TABLE_TEST(config_get_and_set_change_directives,
    {"CONFIG GET maxclients", "[\"maxclients\" \"10000\"]",
        "{\"maxclients\" \"10000\"}"},
    {"CONFIG GET nope", "[]", "{}"},
    {"CONFIG GET maxmemory-pol*", "re:\\[\"maxmemory-policy\" \"[a-z-]+\"\\]",
        "re:\\{\"maxmemory-policy\" \"[a-z-]+\"\\}"},
    {"CONFIG GET maxclients maxclients", "[\"maxclients\" \"10000\"]",
        "{\"maxclients\" \"10000\"}"},
    {"CONFIG SET timeout 100", "+OK"},
    {"CONFIG GET timeout", "[\"timeout\" \"100\"]", "{\"timeout\" \"100\"}"},
    {"CONFIG SET timeout 0 maxclients 9000", "+OK"},
    {"CONFIG GET maxclients", "[\"maxclients\" \"9000\"]",
        "{\"maxclients\" \"9000\"}"},
    {"CONFIG SET maxclients 10000", "+OK"},
    {"CONFIG SET maxmemory 100mb", "+OK"},
    {"CONFIG GET maxmemory", "[\"maxmemory\" \"104857600\"]",
        "{\"maxmemory\" \"104857600\"}"},
    {"CONFIG SET maxmemory 1gb", "+OK"},
    {"CONFIG SET maxmemory-policy noeviction", "+OK"},
    {"CONFIG GET maxmemory-policy", "[\"maxmemory-policy\" \"noeviction\"]",
        "{\"maxmemory-policy\" \"noeviction\"}"},
    {"CONFIG SET maxmemory-policy allkeys-lru", "+OK"},
    {"CONFIG GET", ARITY("config|get")},
    {"CONFIG SET timeout", ARITY("config|set")},
    {"CONFIG SET timeout 1 maxclients", SYNTAX},
    {"CONFIG NOPE", "-ERR unknown subcommand 'NOPE'. Try CONFIG HELP."},
    {"CONFIG HELP", "re:\\[\\+CONFIG .*\\]"},
    {"CONFIG RESETSTAT", "+OK"})

TABLE_TEST(config_set_refuses_and_changes_nothing,
    {"CONFIG SET dir /tmp",
        "-ERR CONFIG SET failed (possibly related to argument 'dir') - can't "
        "set protected config"},
    {"CONFIG SET timeout 5 dbfilename x",
        "-ERR CONFIG SET failed (possibly related to argument 'dbfilename') - "
        "can't set protected config"},
    {"CONFIG GET timeout", "[\"timeout\" \"0\"]", "{\"timeout\" \"0\"}"},
    {"CONFIG SET nope 1",
        "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'"},
    {"CONFIG SET timeout abc", "re:-ERR CONFIG SET failed .*'timeout'.*"},
    {"CONFIG SET timeout -1", "re:-ERR CONFIG SET failed .*'timeout'.*"},
    {"CONFIG SET maxmemory 10xb", "re:-ERR CONFIG SET failed .*'maxmemory'.*"},
    {"CONFIG SET maxmemory-policy nope",
        "re:-ERR CONFIG SET failed .*'maxmemory-policy'.*"},
    {"CONFIG SET timeout 77 maxmemory-policy nope",
        "re:-ERR CONFIG SET failed .*'maxmemory-policy'.*"},
    {"CONFIG SET databases 3", "re:-ERR CONFIG SET failed .*'databases'.*"},
    {"CONFIG SET timeout 50 timeout 60",
        "re:-ERR CONFIG SET failed .*'timeout'.*"},
    {"CONFIG GET timeout", "[\"timeout\" \"0\"]", "{\"timeout\" \"0\"}"})
/* clang-format on */

/* ---- INFO, MEMORY, TIME ------------------------------------------------- */

START_TEST(info_has_the_fields_that_tools_read)
{
    static const struct {
        const char *section, *name;
    } fields[] = {{"server", "redis_version"}, {"server", "process_id"},
        {"server", "tcp_port"}, {"server", "uptime_in_seconds"},
        {"server", "run_id"}, {"server", "redis_mode"},
        {"clients", "connected_clients"}, {"clients", "maxclients"},
        {"memory", "used_memory"}, {"memory", "used_memory_human"},
        {"memory", "used_memory_rss"}, {"memory", "maxmemory"},
        {"memory", "maxmemory_policy"}, {"stats", "keyspace_hits"},
        {"stats", "keyspace_misses"}, {"stats", "evicted_keys"},
        {"stats", "expired_keys"}, {"stats", "total_commands_processed"},
        {"stats", "total_connections_received"},
        {"stats", "rejected_connections"}, {"stats", "total_net_input_bytes"},
        {"stats", "total_net_output_bytes"},
        {"stats", "instantaneous_ops_per_sec"}, {"replication", "role"},
        {"cpu", "used_cpu_sys"}, {"cpu", "used_cpu_user"},
        {"persistence", "loading"}};
    redisContext *c = server_connect(server);

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char *value = info_value(c, fields[i].section, fields[i].name);

        ck_assert_msg(value != NULL, "INFO %s has no %s", fields[i].section,
            fields[i].name);
        free(value);
    }
    ck_assert_int_eq(info_int(c, "server", "process_id"), server_pid(server));
    ck_assert_int_eq(info_int(c, "server", "tcp_port"), server_port(server));
    redisFree(c);
}
END_TEST

START_TEST(info_counts_what_happens)
{
    redisContext *c = server_connect(server), *other;
    long long connected;

    expect(c, "+OK", "FLUSHALL");
    expect(c, "+OK", "CONFIG RESETSTAT");
    expect(c, "+OK", "SET k v");
    expect(c, "\"v\"", "GET k");
    expect(c, "\"v\"", "GET k");
    expect(c, "$-1", "GET absent");
    expect(c, "[\"v\" $-1 $-1]", "MGET k x y");
    ck_assert_int_eq(info_int(c, "stats", "keyspace_hits"), 3);
    ck_assert_int_eq(info_int(c, "stats", "keyspace_misses"), 3);
    ck_assert_int_ge(info_int(c, "stats", "total_commands_processed"), 6);
    /* of tests before this one */
    while ((connected = info_int(c, "clients", "connected_clients")) > 1)
        usleep(1000);
    other = server_connect(server);
    expect(other, "+PONG", "PING");
    ck_assert_int_eq(
        info_int(c, "clients", "connected_clients"), connected + 1);
    redisFree(other);
    redisFree(c);
}
END_TEST

START_TEST(resetstat_starts_the_counts_of_connections_anew)
{
    redisContext *c = server_connect(server), *other;

    ck_assert_int_ge(info_int(c, "stats", "total_connections_received"), 1);
    while (info_int(c, "stats", "total_net_output_bytes") < 10000)
        ;
    expect(c, "+OK", "CONFIG RESETSTAT");
    ck_assert_int_eq(info_int(c, "stats", "total_connections_received"), 0);
    ck_assert_int_lt(info_int(c, "stats", "total_net_output_bytes"), 5000);
    other = server_connect(server);
    expect(other, "+PONG", "PING");
    ck_assert_int_eq(info_int(c, "stats", "total_connections_received"), 1);
    redisFree(other);
    redisFree(c);
}
END_TEST

START_TEST(info_counts_keys_per_database)
{
    redisContext *c = server_connect(server);
    char *value;

    expect(c, "+OK", "FLUSHALL");
    ck_assert_ptr_null(info_value(c, "keyspace", "db0"));
    expect(c, "+OK", "MSET a 1 b 2 c 3");
    expect(c, ":1", "EXPIRE a 100");
    expect(c, "+OK", "SELECT 4");
    expect(c, "+OK", "SET a 1");
    value = info_value(c, "keyspace", "db0");
    ck_assert_int_eq(strncmp(value, "keys=3,expires=1", 16), 0);
    free(value);
    value = info_value(c, "keyspace", "db4");
    ck_assert_int_eq(strncmp(value, "keys=1,expires=0", 16), 0);
    free(value);
    redisFree(c);
}
END_TEST

START_TEST(info_takes_sections)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "INFO",
        "re:\"# Server.*# Clients.*# Memory.*# Stats.*"
        "# Keyspace.*\"");
    wire_run(w, "INFO all", "re:\"# Server.*# Commandstats.*\"");
    wire_run(w, "INFO everything", "re:\"# Server.*\"");
    wire_run(w, "INFO Memory", "re:\"# Memory.*\"");
    wire_run(w, "INFO memory cpu", "re:\"# Memory.*# CPU.*\"");
    wire_run(w, "INFO nope", "\"\"");
    wire_run(w, "INFO commandstats",
        "re:\"# Commandstats\\\\r\\\\n.*cmdstat_info:calls=[0-9]+,usec=[0-9]+,"
        "usec_per_call=[0-9.]+,rejected_calls=[0-9]+,failed_calls=[0-9]+.*\"");
    wire_close(w);
    w = wire_connect_resp3(server);
    wire_run(w, "INFO server", "re:=\"txt:# Server.*\"");
    wire_close(w);
}
END_TEST

/* clang-format off */
TABLE_TEST(memory_tells_and_helps,
    {"MEMORY STATS", "re:\\[.*\"peak\\.allocated\" :[0-9]+.*\"keys\\.count\" "
                     ":[0-9]+.*\\]",
        "re:\\{.*\"peak\\.allocated\" :[0-9]+.*\"keys\\.count\" :[0-9]+.*\\}"},
    {"MEMORY DOCTOR", "re:=?\".+\""},
    {"MEMORY MALLOC-STATS", "re:=?\".+\""},
    {"MEMORY PURGE", "+OK"},
    {"MEMORY HELP", "re:\\[\\+MEMORY .*\\]"},
    {"MEMORY NOPE", "-ERR unknown subcommand 'NOPE'. Try MEMORY HELP."},
    {"MEMORY", ARITY("memory")})
/* clang-format on */

START_TEST(time_tells_the_time)
{
    redisContext *c = server_connect(server);
    redisReply *r = command(c, "TIME");
    struct timeval now;

    gettimeofday(&now, NULL);
    ck_assert_uint_eq(r->elements, 2);
    ck_assert_int_le(labs(now.tv_sec - atol(r->element[0]->str)), 5);
    ck_assert_int_lt(atol(r->element[1]->str), 1000000);
    freeReplyObject(r);
    expect(c, ARITY("time"), "TIME now");
    redisFree(c);
}
END_TEST

/* ---- SHUTDOWN ----------------------------------------------------------- */

static const char *const shutdowns[] = {
    "SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN NOW", "SHUTDOWN nosave force"};

START_TEST(shutdown_ends_the_server_without_a_reply)
{
    struct server *s = server_start(NULL);
    struct wire *w = wire_connect(s);

    wire_run(w, "SHUTDOWN NOPE", SYNTAX);
    wire_run(w, "SHUTDOWN SAVE NOSAVE", SYNTAX);
    wire_run(w, "SHUTDOWN ABORT", "-ERR No shutdown in progress.");
    wire_send_command(w, shutdowns[_i]);
    wire_expect_closed(w);
    covered(STR("shutdown"), STR(""), COVERED);
    wire_close(w);
    server_await_end(s);
}
END_TEST

START_TEST(sigint_and_sigterm_end_the_server)
{
    struct server *s = server_start(NULL);
    struct wire *w = wire_connect(s);

    wire_run(w, "SET k v", "+OK");
    ck_assert_int_eq(kill(server_pid(s), _i == 0 ? SIGINT : SIGTERM), 0);
    wire_expect_closed(w);
    wire_close(w);
    server_await_end(s);
}
END_TEST

static Suite *
client_cmds_suite(void)
{
    Suite *s = suite_create("client_cmds");
    TCase *tc = tcase_create("connection and server");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, ping_and_echo_answer);
    tcase_add_test(tc, quit_closes_after_its_reply);
    tcase_add_test(tc, reset_forgets_the_state_of_the_connection);
    tcase_add_test(tc, hello_agrees_on_a_protocol);
    tcase_add_test(tc, auth_without_a_password_set_says_so);
    tcase_add_test(tc, a_password_guards_every_command);
    tcase_add_test(tc, a_password_set_later_counts_for_new_connections);
    tcase_add_test(tc, client_names_a_connection);
    tcase_add_test(tc, connections_and_servers_answer_in_both_protocols);
    if (!testing_redis())
        tcase_add_test(tc, newer_client_commands_answer_in_both_protocols);
    tcase_add_test(tc, client_info_describes_the_connection);
    tcase_add_test(tc, client_list_shows_every_connection);
    tcase_add_test(tc, client_kill_closes_others);
    tcase_add_test(tc, a_killed_client_is_none_any_more);
    tcase_add_test(tc, client_kill_of_itself_answers_first);
    tcase_add_test(tc, client_reply_switches_replies_off_and_skips_one);
    tcase_add_test(tc, client_setinfo_names_the_library);
    tcase_add_test(tc, no_touch_reads_leave_the_idle_time);
    tcase_add_test(tc, command_describes_every_command);
    tcase_add_test(tc, command_info_tells_arity_flags_and_keys);
    tcase_add_test(tc, command_getkeys_finds_keys);
    tcase_add_test(tc, command_docs_describes_for_hints);
    tcase_add_test(tc, command_list_filters);
    tcase_add_test(tc, config_get_and_set_change_directives);
    tcase_add_test(tc, config_set_refuses_and_changes_nothing);
    tcase_add_test(tc, info_has_the_fields_that_tools_read);
    tcase_add_test(tc, info_counts_what_happens);
    tcase_add_test(tc, resetstat_starts_the_counts_of_connections_anew);
    tcase_add_test(tc, info_counts_keys_per_database);
    tcase_add_test(tc, info_takes_sections);
    tcase_add_test(tc, memory_tells_and_helps);
    tcase_add_test(tc, time_tells_the_time);
    tcase_add_loop_test(tc, shutdown_ends_the_server_without_a_reply, 0,
        (int)ARRAY_LEN(shutdowns));
    tcase_add_loop_test(tc, sigint_and_sigterm_end_the_server, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(client_cmds_suite());
}
