/* SPDX-License-Identifier: BSD-3-Clause */
/* config_test.c - the configuration as an operator meets it: files, arguments,
 * what stops the start and how it is said, CONFIG REWRITE.
 */
#include "client-tests/wire.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-tests/client.h"

/* Write a file of this name in the tests' directory; gives its path. */
static void
write_config(char path[PATH_MAX], const char *name, const char *text)
{
    FILE *out;

    snprintf(path, PATH_MAX, "%s/%s.%d", tests_dir(), name, (int)getpid());
    out = fopen(path, "we");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

/* Run the program until it ends by itself, which must be soon. */
static void
expect_end(const char *const *args, int status, const char *output)
{
    const char *argv[16] = {server_program()};
    struct program_end end;

    for (size_t i = 0; args[i] != NULL; i++)
        argv[i + 1] = args[i];
    end = run_program(argv, patient(10));
    ck_assert_msg(end.status == status && text_matches(output, end.output),
        "status %d, expected %d\n  got      %s\n  expected %s", end.status,
        status, end.output, output);
    free(end.output);
}

/* ---- files that stop the start ------------------------------------------ */

/* The file, the line that the message must name, and what else it says. */
static const struct {
    const char *text;
    int line;
    const char *message;
} bad_files[] = {
    {"nope 1\n", 1, ".*nope.*"},
    {"# fine\n\nport 7000\n  nope 1\n", 4, ".*nope.*"},
    {"port abc\n", 1, "port: \"abc\".*0 to 65535.*"},
    {"port 65536\n", 1, "port: \"65536\".*0 to 65535.*"},
    {"port -1\n", 1, "port: \"-1\".*"},
    {"port 70 80\n", 1, "port: \"70 80\".*"},
    {"port\n", 1, "port: .*missing.*"},
    {"timeout 1s\n", 1, "timeout: \"1s\".*"},
    {"maxmemory 10xb\n", 1, "maxmemory: \"10xb\".*mb.*%.*auto.*"},
    {"maxmemory 101%\n", 1, "maxmemory: \"101%\".*"},
    {"maxmemory -1\n", 1, "maxmemory: \"-1\".*"},
    {"maxmemory 99999999999999999999gb\n", 1, "maxmemory: .*"},
    {"maxmemory-policy lru\n", 1, "maxmemory-policy: \"lru\".*allkeys-lru.*"},
    {"appendonly maybe\n", 1, "appendonly: \"maybe\".*yes.*no.*"},
    {"unixsocketperm 999\n", 1, "unixsocketperm: \"999\".*octal.*"},
    {"databases 0\n", 1, "databases: \"0\".*1 to 16.*"},
    {"databases 17\n", 1, "databases: \"17\".*1 to 16.*"},
    {"port 7000\nworkers 1000\n", 2, "workers: \"1000\".*256.*"},
    {"loglevel loud\n", 1, "loglevel: \"loud\".*notice.*"},
    {"client-output-buffer-limit normal 1\n", 1,
        "client-output-buffer-limit: .*"},
    {"namespace-delimiter ::\n", 1, "namespace-delimiter: \"::\".*one byte.*"},
    {"requirepass \"abc\n", 1, ".*quotes.*"},
    {"requirepass \"abc\"d\n", 1, ".*quotes.*"},
};

START_TEST(a_bad_file_stops_the_start_with_file_line_and_reason)
{
    char path[PATH_MAX], expected[PATH_MAX + 256];
    const char *const start[] = {path, NULL};
    const char *const check[] = {"--check-config", path, NULL};

    if (testing_redis()) {
        skip("messages about the configuration are an ashlard's own");
        return;
    }
    write_config(path, "bad.conf", bad_files[_i].text);
    snprintf(expected, sizeof(expected), "re:ashlard: %s:%d: %s\n", path,
        bad_files[_i].line, bad_files[_i].message);
    expect_end(start, 78, expected);
    expect_end(check, 78, expected);
}
END_TEST

START_TEST(what_no_line_shows_stops_the_start_too)
{
    static const struct {
        const char *args[6];
        const char *output;
    } bad[] = {
        {{"--maxmemory", "1mb"}, "re:ashlard: maxmemory .*too small.*\n"},
        {{"--port", "0", "--unixsocket", ""}, "re:ashlard: .*port.*\n"},
        {{"--port", "7000", "--metrics-port", "7000"},
            "ashlard: port and metrics-port are both 7000\n"},
        {{"--nope", "1"}, "re:ashlard: .*nope.*\n"},
        {{"--port", "abc"}, "re:ashlard: .*port: \"abc\".*\n"},
        {{"--port"}, "re:ashlard: .*port.*missing.*\n"},
        {{"/nonexistent/ashlar.conf"},
            "re:ashlard: /nonexistent/ashlar\\.conf: No such file.*\n"},
        {{"/tmp"}, "re:ashlard: /tmp: .*\n"},
        {{"--check-config", "/nonexistent/ashlar.conf"},
            "re:ashlard: /nonexistent/ashlar\\.conf: No such file.*\n"},
    };

    if (testing_redis()) {
        skip("messages about the configuration are an ashlard's own");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_end(bad[i].args, 78, bad[i].output);
}
END_TEST

START_TEST(a_port_in_use_stops_the_start_with_one_line)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), port = free_port();
    struct sockaddr_in a = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char port_text[16], expected[128];
    const char *const args[] = {
        "--bind", "127.0.0.1", "--port", port_text, NULL};

    if (testing_redis()) {
        skip("messages at the start are an ashlard's own");
        return;
    }
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    snprintf(port_text, sizeof(port_text), "%d", port);
    snprintf(expected, sizeof(expected),
        "re:ashlard: [^\n]*127\\.0\\.0\\.1:%d: Address already in use\n", port);
    expect_end(args, 1, expected);
    close(fd);
}
END_TEST

START_TEST(places_that_cannot_be_written_stop_the_start)
{
    static const struct {
        const char *args[6];
        const char *output;
    } bad[] = {
        {{"--port", "0", "--unixsocket", "/nonexistent/sock"},
            "re:ashlard: [^\n]*/nonexistent/sock[^\n]*\n"},
        {{"--port", "0", "--unixsocket", "/tmp/unused", "--logfile",
             "/nonexistent/log"},
            "re:ashlard: [^\n]*/nonexistent/log[^\n]*\n"},
    };

    if (testing_redis()) {
        skip("messages at the start are an ashlard's own");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *args[7] = {NULL};

        memcpy(args, bad[i].args, sizeof(bad[i].args));
        expect_end(args, 1, bad[i].output);
    }
}
END_TEST

/* ---- files that are read ------------------------------------------------ */

START_TEST(a_file_is_read_with_quotes_units_and_comments)
{
    char path[PATH_MAX];
    struct server *s;
    struct wire *w;

    write_config(path, "good.conf",
        "# a comment\n"
        "\n"
        "  timeout   77  \n"
        "MaxClients 123\n"
        "\tmaxmemory\t64mb\n"
        "requirepass \"pass \\x41\\\"word\"\n"
        "client-output-buffer-limit normal 1mb 512kb 10\n"
        "maxmemory-policy volatile-ttl\n");
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "PING", "-NOAUTH Authentication required.");
    wire_run(w, "AUTH \"pass A\\\"word\"", "+OK");
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"77\"]");
    wire_run(w, "CONFIG GET maxclients", "[\"maxclients\" \"123\"]");
    wire_run(w, "CONFIG GET maxmemory", "[\"maxmemory\" \"67108864\"]");
    wire_run(w, "CONFIG GET maxmemory-policy",
        "[\"maxmemory-policy\" \"volatile-ttl\"]");
    wire_run(w, "CONFIG GET client-output-buffer-limit",
        "re:\\[\"client-output-buffer-limit\" \"normal 1048576 524288 10.*");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(arguments_go_before_the_file)
{
    static const char *const args[] = {
        "--timeout", "88", "--maxmemory", "100mb", NULL};
    char path[PATH_MAX];
    struct server *s;
    struct wire *w;

    write_config(path, "overridden.conf",
        "port 1\ntimeout 77\nmaxclients 200\nmaxmemory 1gb\n");
    s = server_start_with(&(struct server_options){.file = path, .args = args});
    w = wire_connect(s);
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"88\"]");
    wire_run(w, "CONFIG GET maxmemory", "[\"maxmemory\" \"104857600\"]");
    wire_run(w, "CONFIG GET maxclients", "[\"maxclients\" \"200\"]");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(the_server_stays_in_the_foreground)
{
    static const char *const args[] = {"--daemonize", "yes", NULL};
    struct server *s;
    redisContext *c;

    if (testing_redis()) {
        skip("daemonize has an effect with %s", server_program());
        return;
    }
    s = server_start(args);
    c = server_connect(s);
    ck_assert_int_eq(info_int(c, "server", "process_id"), server_pid(s));
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(check_config_accepts_a_good_file)
{
    char path[PATH_MAX];
    const char *const args[] = {"--check-config", path, NULL};

    if (testing_redis()) {
        skip("--check-config is an ashlard's own");
        return;
    }
    write_config(path, "fine.conf",
        "port 7000\nbind 127.0.0.1 ::1\nmaxmemory 50%\nmaxclients 10\n"
        "client-output-buffer-limit normal 0 0 0\nsave \"\"\nworkers auto\n");
    expect_end(args, 0, "re:.*");
}
END_TEST

START_TEST(help_and_version_print_and_end)
{
    static const char *const help[] = {"--help", NULL};
    static const char *const version[] = {"--version", NULL};
    static const char *const more[] = {"--version", "1", NULL};
    static const char *const unknown[] = {"-p", "7000", NULL};

    if (testing_redis()) {
        skip("--help and --version are an ashlard's own");
        return;
    }
    expect_end(help, 0, "re:Usage: ashlard .*maxmemory-policy.*");
    expect_end(version, 0, "re:ashlar [0-9.]+[^\n]*\n");
    expect_end(more, 64, "ashlard: --version must stand alone\n");
    expect_end(
        unknown, 64, "ashlard: there is no option -p; see ashlard --help\n");
}
END_TEST

START_TEST(former_names_of_directives_are_those_of_today)
{
    static const char *const steps[][2] = {
        {"CONFIG SET slave-priority 7", "+OK"},
        {"CONFIG GET replica-priority", "[\"replica-priority\" \"7\"]"},
        {"CONFIG GET Slave-Priority", "[\"Slave-Priority\" \"7\"]"},
        {"CONFIG SET replica-priority 9", "+OK"},
        {"CONFIG GET slave-prio*", "[\"slave-priority\" \"9\"]"},
        {"CONFIG SET SLAVE-PRIORITY x",
            "re:-ERR CONFIG SET failed \\(possibly "
            "related to argument 'slave-priority'"
            "\\) - .*"},
        {"HSET h a 1 b 2 c 3", ":3"},
        {"OBJECT ENCODING h", "\"listpack\""},
        {"DEL h", ":1"},
        {"CONFIG SET hash-max-ziplist-entries 2", "+OK"},
        {"HSET h a 1 b 2 c 3", ":3"},
        {"OBJECT ENCODING h", "\"hashtable\""},
        {"DEL h", ":1"},
        {"CONFIG SET hash-max-ziplist-entries 1000", "+OK"},
        {"CONFIG GET hash-max-listpack-entries",
            "[\"hash-max-listpack-entries\" \"1000\"]"},
        {"CONFIG SET min-slaves-to-write 1", "+OK"},
        {"SET k v", "-NOREPLICAS Not enough good replicas to write."},
        {"CONFIG SET min-slaves-to-write 0", "+OK"},
        {"SET k v", "+OK"},
    };
    static const char *const args[] = {NULL};
    struct server *s = server_start(args);
    struct wire *w = wire_connect(s);

    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        wire_run(w, steps[i][0], steps[i][1]);
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(config_set_save_takes_pairs_only)
{
    static const char *const bad[] = {"CONFIG SET save x",
        "CONFIG SET save 900", "CONFIG SET save \"0 1\"",
        "CONFIG SET save \"900 -1\"", "CONFIG SET save \"900 1 60\""};
    static const char *const args[] = {NULL};
    struct server *s = server_start(args);
    struct wire *w = wire_connect(s);

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        wire_run(w, bad[i],
            "re:-ERR CONFIG SET failed \\(possibly related to "
            "argument 'save'\\) - .*Invalid save parameters");
    wire_run(w, "CONFIG SET save \"900 1 60 100\"", "+OK");
    wire_run(w, "CONFIG GET save", "[\"save\" \"900 1 60 100\"]");
    wire_run(w, "CONFIG SET save \"\"", "+OK");
    wire_close(w);
    server_stop(s);
}
END_TEST

/* ---- CONFIG REWRITE ----------------------------------------------------- */

START_TEST(config_rewrite_keeps_what_was_set)
{
    char path[PATH_MAX];
    struct server *s;
    struct wire *w;
    char line[256];
    bool comment = false;
    FILE *in;

    write_config(path, "rewritten.conf",
        "# a comment that stays\nmaxclients 200\ntimeout 5\n");
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "CONFIG SET timeout 33 maxmemory-policy allkeys-random", "+OK");
    wire_run(w, "CONFIG REWRITE", "+OK");
    wire_close(w);
    server_stop(s);
    in = fopen(path, "re");
    ck_assert_ptr_nonnull(in);
    while (fgets(line, sizeof(line), in) != NULL)
        comment = comment || strcmp(line, "# a comment that stays\n") == 0;
    fclose(in);
    ck_assert(comment);
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"33\"]");
    wire_run(w, "CONFIG GET maxclients", "[\"maxclients\" \"200\"]");
    wire_run(w, "CONFIG GET maxmemory-policy",
        "[\"maxmemory-policy\" \"allkeys-random\"]");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(config_rewrite_writes_nothing_that_would_not_start)
{
    char path[PATH_MAX];
    struct server *s;
    struct wire *w;

    write_config(path, "low.conf", "maxmemory 64mb\n");
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "CONFIG SET maxmemory 1mb timeout 44", "+OK");
    wire_run(w, "CONFIG REWRITE",
        "-ERR Rewriting config file: maxmemory of 1048576 bytes is too small: "
        "at least 16mb");
    wire_run(w, "CONFIG SET maxmemory 16mb", "+OK");
    wire_run(w, "CONFIG SET timeout 55", "+OK");
    wire_run(w, "CONFIG REWRITE", "+OK");
    wire_run(w, "CONFIG SET maxmemory 1", "+OK");
    wire_close(w);
    server_stop(s);
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "CONFIG GET maxmemory", "[\"maxmemory\" \"16777216\"]");
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"55\"]");
    wire_close(w);
    server_stop(s);
}
END_TEST

/* Does somebody who speaks RESP answer there, in a while? */
static bool
answers_at(int port, bool wanted)
{
    for (double end = now_s() + patient(5); now_s() < end; sleep_ms(5)) {
        redisContext *c = redisConnect("127.0.0.1", port);
        redisReply *r = c->err != 0 ? NULL : redisCommand(c, "PING");
        bool answered = r != NULL && r->type == REDIS_REPLY_STATUS;

        if (r != NULL)
            freeReplyObject(r);
        redisFree(c);
        if (answered == wanted)
            return answered;
    }
    return !wanted;
}

START_TEST(the_port_can_be_changed_while_clients_stay)
{
    struct server *s = server_start(NULL);
    struct wire *w = wire_connect(s);
    int old = server_port(s), new = free_port();
    char set_new[64], set_old[64];

    snprintf(set_new, sizeof(set_new), "CONFIG SET port %d", new);
    snprintf(set_old, sizeof(set_old), "CONFIG SET port %d", old);
    wire_run(w, set_new, "+OK");
    ck_assert(answers_at(new, true));
    ck_assert(!answers_at(old, false));
    wire_run(w, "PING", "+PONG");
    /* back, and to and fro before anybody could follow */
    wire_run(w, set_old, "+OK");
    wire_run(w, set_new, "+OK");
    wire_run(w, set_old, "+OK");
    ck_assert(answers_at(old, true));
    ck_assert(!answers_at(new, false));
    wire_run(w, "CONFIG SET port 0", "+OK"); /* there is a unix socket */
    ck_assert(!answers_at(old, false));
    wire_run(w, set_old, "+OK");
    ck_assert(answers_at(old, true));
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(a_port_in_use_is_told_and_undoes_the_whole_config_set)
{
    struct server *s = server_start(NULL), *other = server_start(NULL);
    struct wire *w = wire_connect(s);
    char set[96], get[32];

    snprintf(set, sizeof(set), "CONFIG SET maxmemory 123mb port %d timeout 9",
        server_port(other));
    snprintf(get, sizeof(get), "[\"port\" \"%d\"]", server_port(s));
    wire_run(w, set,
        "re:-ERR CONFIG SET failed \\(possibly related to argument "
        "'port'\\) - Unable to listen on this port: .*");
    wire_run(w, "CONFIG GET port", get);
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"0\"]");
    ck_assert(answers_at(server_port(s), true));
    wire_close(w);
    server_stop(other);
    server_stop(s);
}
END_TEST

START_TEST(config_rewrite_needs_a_file)
{
    struct server *s = server_start(NULL);
    struct wire *w = wire_connect(s);

    wire_run(w, "CONFIG REWRITE",
        "-ERR The server is running without a config file");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(config_set_shows_its_effect_at_once)
{
    struct server *s = server_start(NULL);
    struct wire *w = wire_connect(s), *idle = wire_connect(s);

    wire_run(idle, "PING", "+PONG");
    wire_run(w, "CONFIG SET timeout 1", "+OK");
    ck_assert_msg(wire_readable(idle, 2500 + (int)(patient(10) * 1000)),
        "CONFIG SET timeout had no effect");
    wire_expect_closed(idle);
    wire_close(w); /* it was idle as well */
    w = wire_connect(s);
    wire_run(w, "CONFIG SET timeout 0 maxclients 1", "+OK");
    wire_close(idle);
    idle = wire_connect(s);
    wire_expect(idle, "-ERR max number of clients reached");
    wire_close(idle);
    wire_close(w);
    server_stop(s);
}
END_TEST

static Suite *
config_suite(void)
{
    Suite *s = suite_create("config");
    TCase *tc = tcase_create("config");

    tcase_set_timeout(tc, patient(30));
    tcase_add_test(tc, a_file_is_read_with_quotes_units_and_comments);
    tcase_add_test(tc, arguments_go_before_the_file);
    tcase_add_test(tc, check_config_accepts_a_good_file);
    tcase_add_test(tc, help_and_version_print_and_end);
    tcase_add_loop_test(tc,
        a_bad_file_stops_the_start_with_file_line_and_reason, 0,
        (int)ARRAY_LEN(bad_files));
    tcase_add_test(tc, what_no_line_shows_stops_the_start_too);
    tcase_add_test(tc, a_port_in_use_stops_the_start_with_one_line);
    tcase_add_test(tc, places_that_cannot_be_written_stop_the_start);
    tcase_add_test(tc, the_server_stays_in_the_foreground);
    tcase_add_test(tc, config_set_shows_its_effect_at_once);
    tcase_add_test(tc, former_names_of_directives_are_those_of_today);
    tcase_add_test(tc, config_set_save_takes_pairs_only);
    tcase_add_test(tc, config_rewrite_keeps_what_was_set);
    tcase_add_test(tc, config_rewrite_writes_nothing_that_would_not_start);
    tcase_add_test(tc, the_port_can_be_changed_while_clients_stay);
    tcase_add_test(tc, a_port_in_use_is_told_and_undoes_the_whole_config_set);
    tcase_add_test(tc, config_rewrite_needs_a_file);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(config_suite());
}
