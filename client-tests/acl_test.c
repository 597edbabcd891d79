/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_test.c - users and their rights over RESP2 and RESP3, on connections of
 * several workers; the aclfile of a daemon.
 */
#include "client-tests/wire.h"

#include <linux/limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-tests/client.h"

/* Dealt to the workers in turn. */
#define CONNECTIONS 6

static struct server *server;

static void
start_server(void)
{
    static const char *const args[] = {"--workers", "3", NULL};

    server = server_start(testing_redis() ? NULL : args);
}

static void
stop_server(void)
{
    server_stop(server);
}

#define NO_COMMAND(name)                                                       \
    "-NOPERM this user has no permissions to run the '" name "' command"
#define NO_KEY                                                                 \
    "-NOPERM this user has no permissions to access one of the keys used as "  \
    "arguments"
#define NO_CHANNEL                                                             \
    "-NOPERM this user has no permissions to access one of the channels used " \
    "as arguments"
#define WRONGPASS                                                              \
    "-WRONGPASS invalid username-password pair or user is disabled."
#define FOO_HASH                                                               \
    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

/* ---- the commands, in both protocols ------------------------------------- */

/* clang-format off */
TABLE_TEST(users_are_made_shown_and_deleted,
    {"ACL WHOAMI", "\"default\""},
    {"ACL SETUSER ann on >foo +get ~a* &c %R~r (+set ~b)", "+OK"},
    {"ACL LIST",
        "[\"user ann on #" FOO_HASH " ~a* %R~r resetchannels &c -@all +get "
        "(~b resetchannels -@all +set)\" "
        "\"user default on nopass ~* &* +@all\"]"},
    {"ACL USERS", "[\"ann\" \"default\"]"},
    {"ACL GETUSER ann",
        "[\"flags\" [\"on\"] \"passwords\" [\"" FOO_HASH "\"] "
            "\"commands\" \"-@all +get\" \"keys\" \"~a* %R~r\" "
            "\"channels\" \"&c\" \"selectors\" [[\"commands\" \"-@all +set\" "
            "\"keys\" \"~b\" \"channels\" \"\"]]]",
        "{\"flags\" ~[\"on\"] \"passwords\" [\"" FOO_HASH "\"] "
            "\"commands\" \"-@all +get\" \"keys\" \"~a* %R~r\" "
            "\"channels\" \"&c\" \"selectors\" [{\"commands\" \"-@all +set\" "
            "\"keys\" \"~b\" \"channels\" \"\"}]}"},
    {"ACL GETUSER bob", "$-1"},
    {"ACL DRYRUN ann GET a1", "+OK"},
    {"ACL DRYRUN ann GET b",
        "\"This user has no permissions to access the 'b' key\""},
    {"ACL DRYRUN ann DEL a1",
        "\"This user has no permissions to run the 'del' command\""},
    {"ACL DRYRUN bob GET a", "-ERR User 'bob' not found"},
    {"ACL DRYRUN ann nonesuch", "-ERR Command 'nonesuch' not found"},
    {"ACL DRYRUN ann GET",
        "-ERR wrong number of arguments for 'get' command"},
    {"ACL SETUSER ann +nonesuch",
        "-ERR Error in ACL SETUSER modifier '+nonesuch': Unknown command or "
        "category name in ACL"},
    {"ACL SETUSER ann x",
        "-ERR Error in ACL SETUSER modifier 'x': Syntax error"},
    {"ACL SETUSER ann (+get",
        "-ERR Unmatched parenthesis in acl selector starting at '(+get'."},
    {"ACL SETUSER \"a b\"",
        "-ERR Usernames can't contain spaces or null characters"},
    {"ACL DELUSER default", "-ERR The 'default' user cannot be removed"},
    {"ACL DELUSER ann bob", ":1"},
    {"ACL DELUSER ann", ":0"})

TABLE_TEST(acl_tells_of_itself,
    {"ACL CAT", "re:\\[\"keyspace\" \"read\" \"write\" .*\"scripting\"\\]"},
    {"ACL CAT nonesuch", "-ERR Unknown category 'nonesuch'"},
    {"ACL CAT transaction", "re:\\[(\"[a-z]+\" ?){5}\\]"},
    {"ACL CAT a b",
        "-ERR unknown subcommand or wrong number of arguments for 'CAT'. "
        "Try ACL HELP."},
    {"ACL GENPASS", "re:\"[0-9a-f]{64}\""},
    {"ACL GENPASS 9", "re:\"[0-9a-f]{3}\""},
    {"ACL GENPASS 5000",
        "-ERR ACL GENPASS argument must be the number of bits for the output "
        "password, a positive number up to 4096"},
    {"ACL HELP", "re:.*WHOAMI.*"},
    {"ACL LOG RESET", "+OK"},
    {"ACL LOG", "[]"},
    {"ACL LOG x", "-ERR value is not an integer or out of range"},
    {"ACL", "-ERR wrong number of arguments for 'acl' command"},
    {"ACL SETUSER",
        "-ERR wrong number of arguments for 'acl|setuser' command"},
    {"ACL nonesuch", "-ERR unknown subcommand 'nonesuch'. Try ACL HELP."},
    {"ACL LOAD",
        "-ERR This Redis instance is not configured to use an ACL file. "
        "You may want to specify users via the ACL SETUSER command and then "
        "issue a CONFIG REWRITE (assuming you have a Redis configuration file "
        "set) in order to store users in the Redis configuration."},
    {"ACL SAVE",
        "-ERR This Redis instance is not configured to use an ACL file. "
        "You may want to specify users via the ACL SETUSER command and then "
        "issue a CONFIG REWRITE (assuming you have a Redis configuration file "
        "set) in order to store users in the Redis configuration."},
    {"COMMAND GETKEYSANDFLAGS RENAME a b",
        "[[\"a\" [+RW +access +delete]] [\"b\" [+OW +update]]]",
        "[[\"a\" ~[+RW +access +delete]] [\"b\" ~[+OW +update]]]"})

TABLE_TEST(a_session_has_the_rights_of_its_user,
    {"ACL SETUSER ann on >foo +@all -@dangerous ~a* %R~r &c*", "+OK"},
    {"ACL LOG RESET", "+OK"},
    {"SET r 1", "+OK"},
    {"AUTH ann bar", WRONGPASS},
    {"AUTH ann foo", "+OK"},
    {"ACL WHOAMI", "\"ann\""},
    {"SET a 1", "+OK"},
    {"SET b 1", NO_KEY},
    {"GET r", "\"1\""},
    {"SET r 2", NO_KEY},
    {"COPY r a REPLACE", ":1"},
    {"COPY a r REPLACE", NO_KEY},
    {"FLUSHALL", NO_COMMAND("flushall")},
    {"CONFIG GET port", NO_COMMAND("config|get")},
    {"PUBLISH c m", ":0"},
    {"PUBLISH d m", NO_CHANNEL},
    {"CLIENT INFO", "re:.* user=ann .*"},
    {"MULTI", "+OK"},
    {"GET b", NO_KEY},
    {"GET a", "+QUEUED"},
    {"EXEC", "-EXECABORT Transaction discarded because of previous errors."},
    {"RESET", "+RESET"},
    {"ACL WHOAMI", "\"default\""},
    {"ACL LOG 1",
        "re:.*\"count\" :1 \"reason\" \"key\" \"context\" \"multi\" \"object\" "
        "\"b\" \"username\" \"ann\" \"age-seconds\" .* \"client-info\" "
        "\"id=[0-9]+ .* user=ann .*"},
    {"ACL DELUSER ann", ":1"})
/* clang-format on */

START_TEST(hello_logs_in_and_switches)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "ACL SETUSER ann on >foo +@all", "+OK");
    wire_run(w, "HELLO 3 AUTH ann bar", WRONGPASS);
    wire_run(w, "ACL WHOAMI", "\"default\"");
    wire_run(w, "HELLO 3 AUTH ann foo SETNAME me", "re:\\{.*\\}");
    wire_run(w, "ACL WHOAMI", "\"ann\"");
    wire_run(w, "ACL GETUSER nobody", "_");
    wire_close(w);
    w = wire_connect(server);
    wire_run(w, "ACL DELUSER ann", ":1");
    wire_close(w);
}
END_TEST

/* ---- several connections ------------------------------------------------- */

/* Connections of this user, every other one in RESP3. */
static void
connect_as(const char *user, struct wire *w[CONNECTIONS])
{
    char *login = text_of("AUTH %s x", user);

    for (int i = 0; i < CONNECTIONS; i++) {
        w[i] = i % 2 ? wire_connect_resp3(server) : wire_connect(server);
        wire_run(w[i], login, "+OK");
    }
    free(login);
}

static void
close_all(struct wire *w[CONNECTIONS])
{
    for (int i = 0; i < CONNECTIONS; i++)
        wire_close(w[i]);
}

START_TEST(a_change_counts_at_once_on_every_connection)
{
    struct wire *admin = wire_connect(server), *w[CONNECTIONS];

    wire_run(admin, "ACL SETUSER ann on nopass +@all ~* &*", "+OK");
    wire_run(admin, "SET k v", "+OK");
    connect_as("ann", w);
    for (int round = 0; round < 50; round++) {
        wire_run(admin, "ACL SETUSER ann -get", "+OK");
        for (int i = 0; i < CONNECTIONS; i++)
            wire_run(w[i], "GET k", NO_COMMAND("get"));
        wire_run(admin, "ACL SETUSER ann +@all resetkeys ~x", "+OK");
        for (int i = 0; i < CONNECTIONS; i++)
            wire_run(w[i], "GET k", NO_KEY);
        wire_run(admin, "ACL SETUSER ann allkeys", "+OK");
        for (int i = 0; i < CONNECTIONS; i++)
            wire_run(w[i], "GET k", "\"v\"");
    }
    close_all(w);
    wire_run(admin, "ACL DELUSER ann", ":1");
    wire_close(admin);
}
END_TEST

START_TEST(connections_of_a_deleted_user_are_closed)
{
    struct wire *admin = wire_connect(server), *w[CONNECTIONS];
    char *clients;

    wire_run(admin, "ACL SETUSER ann on nopass +@all", "+OK");
    wire_run(admin, "ACL SETUSER bob on nopass +@all", "+OK");
    connect_as("ann", w);
    wire_run(w[0], "AUTH bob x", "+OK");
    wire_run(admin, "ACL DELUSER ann", ":1");
    wire_send_command(admin, "CLIENT LIST");
    clients = wire_read(admin);
    ck_assert_ptr_null(strstr(clients, "user=ann"));
    ck_assert_ptr_nonnull(strstr(clients, "user=bob"));
    free(clients);
    for (int i = 1; i < CONNECTIONS; i++)
        wire_expect_closed(w[i]);
    wire_run(w[0], "PING", "+PONG");
    wire_run(w[0], "ACL DELUSER bob", ":1");
    wire_expect_closed(w[0]);
    close_all(w);
    wire_close(admin);
}
END_TEST

START_TEST(client_kill_closes_those_of_a_user)
{
    struct wire *admin = wire_connect(server), *w[CONNECTIONS];

    wire_run(admin, "ACL SETUSER ann on nopass +@all", "+OK");
    connect_as("ann", w);
    wire_run(admin, "CLIENT KILL USER nobody", "-ERR No such user 'nobody'");
    wire_run(admin, "CLIENT KILL USER ann", ":6");
    for (int i = 0; i < CONNECTIONS; i++)
        wire_expect_closed(w[i]);
    close_all(w);
    wire_run(admin, "ACL DELUSER ann", ":1");
    wire_close(admin);
}
END_TEST

/* Each listens in another way. */
static void
listen_all(struct wire *w[CONNECTIONS])
{
    static const char *const kinds[] = {
        "SUBSCRIBE a1", "PSUBSCRIBE a*", "SSUBSCRIBE a1"};

    for (int i = 0; i < CONNECTIONS; i++)
        wire_run(w[i], kinds[i / 2], "re:.*subscribe.*");
}

START_TEST(who_loses_the_right_to_a_channel_hears_no_more)
{
    struct wire *admin = wire_connect(server), *w[CONNECTIONS];

    wire_run(admin, "ACL SETUSER ann on nopass +@all &a*", "+OK");
    connect_as("ann", w);
    listen_all(w);
    wire_run(admin, "ACL SETUSER ann &b", "+OK");
    wire_run(admin, "ACL SETUSER ann allchannels", "+OK");
    wire_run(admin, "ACL SETUSER ann resetchannels &a*", "+OK");
    wire_run(admin, "PUBLISH a1 first", ":4");
    wire_run(admin, "SPUBLISH a1 first", ":2");
    for (int i = 0; i < CONNECTIONS; i++)
        wire_expect(w[i], "re:.*message.*first.*");
    wire_run(admin, "ACL SETUSER ann resetchannels &c", "+OK");
    wire_send_command(admin, "PUBLISH a1 second");
    free(wire_read(admin));
    for (int i = 0; i < CONNECTIONS; i++)
        wire_expect_closed(w[i]);
    close_all(w);
    wire_run(admin, "ACL DELUSER ann", ":1");
    wire_close(admin);
}
END_TEST

START_TEST(exec_refuses_what_was_forbidden_meanwhile)
{
    struct wire *admin = wire_connect(server), *w[CONNECTIONS];

    wire_run(admin, "ACL SETUSER ann on nopass +@all ~*", "+OK");
    connect_as("ann", w);
    for (int i = 0; i < CONNECTIONS; i++) {
        wire_run(w[i], "MULTI", "+OK");
        wire_run(w[i], "INCR n", "+QUEUED");
        wire_run(w[i], "PING", "+QUEUED");
    }
    wire_run(admin, "SET n 0", "+OK");
    wire_run(admin, "ACL SETUSER ann -incr", "+OK");
    for (int i = 0; i < CONNECTIONS; i++)
        wire_run(w[i], "EXEC",
            "[-NOPERM ACLs rules changed between the moment the transaction "
            "was accumulated and the EXEC call. This command is no longer "
            "allowed for the following reason: no permission to execute the "
            "command or subcommand +PONG]");
    wire_run(admin, "GET n", "\"0\"");
    close_all(w);
    wire_run(admin, "ACL DELUSER ann", ":1");
    wire_close(admin);
}
END_TEST

START_TEST(without_the_default_user_new_connections_must_log_in)
{
    struct wire *admin = wire_connect(server), *w;

    wire_run(admin, "ACL SETUSER ann on >foo +@all", "+OK");
    wire_run(admin, "ACL SETUSER default off", "+OK");
    wire_run(admin, "PING", "+PONG");
    w = wire_connect(server);
    wire_run(w, "PING", "-NOAUTH Authentication required.");
    wire_run(w, "AUTH default foo", WRONGPASS);
    wire_run(w, "AUTH ann foo", "+OK");
    wire_run(w, "PING", "+PONG");
    wire_run(w, "ACL SETUSER default on", "+OK");
    wire_close(w);
    w = wire_connect(server);
    wire_run(w, "PING", "+PONG");
    wire_run(w, "ACL DELUSER ann", ":1");
    wire_close(w);
    wire_close(admin);
}
END_TEST

START_TEST(info_counts_refusals)
{
    redisContext *c = server_connect(server);

    if (testing_redis()) {
        skip("Redis counts them since 7.2");
        redisFree(c);
        return;
    }
    expect(c, "+OK", "CONFIG RESETSTAT");
    expect(c, "+OK", "ACL SETUSER ann on nopass +get +publish ~a");
    expect(c, WRONGPASS, "AUTH nobody x");
    expect(c, "+OK", "AUTH ann x");
    expect(c, NO_COMMAND("set"), "SET a 1");
    expect(c, NO_KEY, "GET b");
    expect(c, NO_KEY, "GET c");
    expect(c, NO_CHANNEL, "PUBLISH c m");
    expect(c, "+RESET", "RESET");
    ck_assert_int_eq(info_int(c, "stats", "acl_access_denied_auth"), 1);
    ck_assert_int_eq(info_int(c, "stats", "acl_access_denied_cmd"), 1);
    ck_assert_int_eq(info_int(c, "stats", "acl_access_denied_key"), 2);
    ck_assert_int_eq(info_int(c, "stats", "acl_access_denied_channel"), 1);
    expect(c, ":1", "ACL DELUSER ann");
    redisFree(c);
}
END_TEST

/* ---- secrets ------------------------------------------------------------- */

static void
expect_lacks(char *text, const char *secret)
{
    ck_assert_msg(strstr(text, secret) == NULL, "%s", text);
    free(text);
}

static char *
whole_log(const struct server *s)
{
    FILE *f = fopen(server_log(s), "r");
    char *text = calloc(1, 65536);

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(text);
    (void)!fread(text, 1, 65535, f);
    fclose(f);
    return text;
}

START_TEST(passwords_are_shown_nowhere)
{
    static const char *const asked[] = {"SLOWLOG GET -1", "CONFIG GET *",
        "ACL LIST", "ACL LOG", "CLIENT LIST", "INFO everything"};
    struct wire *w = wire_connect(server);

    wire_run(w, "CONFIG SET slowlog-log-slower-than 0", "+OK");
    wire_run(w, "ACL SETUSER ann on >hush1 +@all", "+OK");
    wire_run(w, "CONFIG SET requirepass hush2", "+OK");
    wire_run(w, "AUTH hush3", WRONGPASS);
    wire_run(w, "AUTH ann hush4", WRONGPASS);
    wire_run(w, "HELLO 2 AUTH ann hush5", WRONGPASS);
    wire_run(w, "CONFIG SET requirepass \"\"", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        wire_send_command(w, asked[i]);
        expect_lacks(wire_read(w), "hush");
    }
    expect_lacks(whole_log(server), "hush");
    wire_run(w, "CONFIG SET slowlog-log-slower-than 10000", "+OK");
    wire_run(w, "ACL DELUSER ann", ":1");
    wire_close(w);
}
END_TEST

/* ---- the aclfile --------------------------------------------------------- */

static void
write_users(char path[PATH_MAX], const char *name, const char *text)
{
    FILE *f;

    snprintf(path, PATH_MAX, "%s/%s", tests_dir(), name);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(users_of_the_file_are_there_after_a_restart)
{
    char path[PATH_MAX];
    const char *const args[] = {"--aclfile", path, NULL};
    struct server *s;
    struct wire *w, *ann;

    write_users(path, "users.acl",
        "user ann on >foo ~a* +@all\nuser default on nopass ~* &* +@all\n");
    s = server_start(args);
    w = wire_connect(s);
    wire_run(w, "ACL USERS", "[\"ann\" \"default\"]");
    wire_run(w, "ACL SETUSER bob on >bar +get ~b", "+OK");
    wire_run(w, "ACL SAVE", "+OK");
    wire_close(w);
    server_stop(s);

    s = server_start(args);
    w = wire_connect(s);
    wire_run(w, "ACL LIST",
        "[\"user ann on #" FOO_HASH " ~a* resetchannels +@all\" "
        "\"user bob on #fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511"
        "b68fbf8fb9 ~b resetchannels -@all +get\" "
        "\"user default on nopass ~* &* +@all\"]");
    ann = wire_connect(s);
    wire_run(ann, "AUTH ann foo", "+OK");
    wire_run(ann, "SET b 1", NO_KEY);
    /* a bad file changes nothing, a good one closes the connections of all but
     * the default user */
    write_users(path, "users.acl", "user ann on\nuser bob +nonesuch\n");
    wire_run(w, "ACL LOAD",
        "re:-ERR [^ ]*/users\\.acl:2: Error in applying operation "
        "'\\+nonesuch': Unknown command or category name in ACL\\. WARNING: "
        "ACL errors detected, no change to the previously active ACL rules "
        "was performed");
    wire_run(ann, "SET a 1", "+OK");
    write_users(path, "users.acl", "user ann on nopass +get ~*\n");
    wire_run(w, "ACL LOAD", "+OK");
    wire_expect_closed(ann);
    wire_close(ann);
    wire_run(w, "ACL USERS", "[\"ann\" \"default\"]");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(a_bad_file_stops_the_start)
{
    char path[PATH_MAX], conf[PATH_MAX], text[PATH_MAX + 32];
    const char *const start[] = {
        server_program(), "--aclfile", path, "--port", "0", NULL};
    const char *const check[] = {
        server_program(), "--check-config", conf, NULL};
    struct program_end end;

    if (testing_redis()) {
        skip("how it says so is an ashlard's own");
        return;
    }
    write_users(path, "bad.acl", "user ann on\n\nuser bob off #secret\n");
    snprintf(text, sizeof(text), "aclfile %s\n", path);
    write_users(conf, "bad.conf", text);
    end = run_program(check, patient(10));
    ck_assert_int_eq(end.status, 78);
    ck_assert_ptr_nonnull(strstr(end.output, "bad.acl:3: The password hash"));
    expect_lacks(end.output, "secret");
    end = run_program(start, patient(10));
    ck_assert_int_eq(end.status, 78);
    free(end.output);
    unlink(path);
    end = run_program(check, patient(10));
    ck_assert_int_eq(end.status, 78);
    ck_assert_ptr_nonnull(strstr(end.output, "No such file"));
    free(end.output);
}
END_TEST

/* ---- all at once --------------------------------------------------------- */

static _Atomic bool stopping;

/* Any reply is right, as long as it is one. Closed: begin again. */
static void *
use_rights(void *arg)
{
    static const char *const commands[] = {"AUTH ann x\r\n", "GET k\r\n",
        "MULTI\r\n", "INCR n\r\n", "EXEC\r\n", "SUBSCRIBE a\r\n",
        "UNSUBSCRIBE a\r\n", "PUBLISH a m\r\n", "CLIENT LIST\r\n",
        "HELLO 3\r\n", "ACL WHOAMI\r\n", "RESET\r\n"};
    struct wire *w = wire_connect(server);
    int n = 0;

    (void)arg;
    do { /* once at least, however late this comes to run */
        const char *text = commands[n % (int)ARRAY_LEN(commands)];
        char *reply;

        /* It may be closed at any moment: the reply says so. */
        (void)!send(w->fd, text, strlen(text), MSG_NOSIGNAL);
        reply = wire_read(w);
        n++;
        if (strcmp(reply, WIRE_CLOSED) == 0) {
            wire_close(w);
            w = wire_connect(server);
        }
        free(reply);
    } while (!atomic_load(&stopping));
    wire_close(w);
    return NULL;
}

START_TEST(users_change_while_they_are_at_work)
{
    static const char *const changes[] = {
        "ACL SETUSER ann on nopass +@all ~* &*", "ACL SETUSER ann -get",
        "ACL SETUSER ann resetchannels", "ACL SETUSER ann &a resetkeys",
        "ACL LOG", "ACL LIST", "ACL DELUSER ann", "ACL LOG RESET",
        "CONFIG SET requirepass \"\""};
    struct wire *admin = wire_connect(server);
    double end = now_s() + 1;
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, use_rights, NULL), 0);
    for (size_t i = 0; now_s() < end; i++)
        wire_run(admin, changes[i % ARRAY_LEN(changes)], "re:[^-].*");
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    wire_send_command(admin, "ACL DELUSER ann");
    free(wire_read(admin));
    wire_run(admin, "ACL USERS", "[\"default\"]");
    wire_close(admin);
}
END_TEST

static Suite *
acl_suite(void)
{
    Suite *s = suite_create("acl");
    TCase *tc = tcase_create("acl");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, users_are_made_shown_and_deleted);
    tcase_add_test(tc, acl_tells_of_itself);
    tcase_add_test(tc, a_session_has_the_rights_of_its_user);
    tcase_add_test(tc, hello_logs_in_and_switches);
    tcase_add_test(tc, a_change_counts_at_once_on_every_connection);
    tcase_add_test(tc, connections_of_a_deleted_user_are_closed);
    tcase_add_test(tc, client_kill_closes_those_of_a_user);
    tcase_add_test(tc, who_loses_the_right_to_a_channel_hears_no_more);
    tcase_add_test(tc, exec_refuses_what_was_forbidden_meanwhile);
    tcase_add_test(tc, without_the_default_user_new_connections_must_log_in);
    tcase_add_test(tc, info_counts_refusals);
    tcase_add_test(tc, passwords_are_shown_nowhere);
    tcase_add_test(tc, users_of_the_file_are_there_after_a_restart);
    tcase_add_test(tc, a_bad_file_stops_the_start);
    tcase_add_test(tc, users_change_while_they_are_at_work);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(acl_suite());
}
