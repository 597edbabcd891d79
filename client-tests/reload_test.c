/* SPDX-License-Identifier: BSD-3-Clause */
/* reload_test.c - a configuration that is read again while clients are served:
 * good files, bad files, users, and traffic meanwhile.
 */
#include "client-tests/wire.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client-tests/client.h"

static char path[PATH_MAX];

static void
write_config(const char *text)
{
    char next[PATH_MAX + 8];
    FILE *out;

    snprintf(next, sizeof(next), "%s.next", path);
    out = fopen(next, "we");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(rename(next, path), 0);
}

static struct server *
start_with(const char *text)
{
    static const char *const args[] = {
        "--maxmemory-policy", "noeviction", NULL};

    snprintf(path, sizeof(path), "%s/reload.conf", tests_dir());
    write_config(text);
    return server_start_with(
        &(struct server_options){.file = path, .args = args});
}

static size_t
count_in_log(const struct server *s, const char *text)
{
    const char *const argv[] = {"cat", server_log(s), NULL};
    struct program_end end = run_program(argv, 10);
    size_t n = 0;

    for (const char *p = end.output; (p = strstr(p, text)) != NULL; p++)
        n++;
    free(end.output);
    return n;
}

/* Have the file read again, and wait for the log to say so in these words. */
static void
reload(const struct server *s, const char *text, const char *words)
{
    double deadline = now_s() + patient(10);
    size_t before = count_in_log(s, words);

    if (text != NULL)
        write_config(text);
    kill(server_pid(s), SIGHUP);
    while (count_in_log(s, words) == before) {
        ck_assert_msg(now_s() < deadline, "no \"%s\" in the log", words);
        sleep_ms(5);
    }
}

#define RELOADED "configuration reloaded"
#define REFUSED "configuration not reloaded"

START_TEST(a_reload_makes_live_directives_what_the_file_says)
{
    struct server *s = start_with("timeout 5000\nmaxclients 77\n");
    struct wire *w = wire_connect(s);

    wire_run(w, "CONFIG SET slowlog-max-len 3 maxclients 55", "+OK");
    reload(s,
        "timeout 6000\nmaxmemory 64mb\nloglevel verbose\nacllog-max-len 9\n"
        "client-output-buffer-limit pubsub 1mb 512kb 10\n",
        RELOADED);
    ck_assert_uint_eq(count_in_log(s, "maxclients is what the conf"), 1);
    ck_assert_uint_eq(count_in_log(s, "databases is what the conf"), 0);
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"6000\"]");
    wire_run(w, "CONFIG GET maxmemory", "[\"maxmemory\" \"67108864\"]");
    wire_run(w, "CONFIG GET loglevel", "[\"loglevel\" \"verbose\"]");
    wire_run(w, "CONFIG GET acllog-max-len", "[\"acllog-max-len\" \"9\"]");
    /* What the file does not name has its default again. */
    wire_run(w, "CONFIG GET maxclients", "[\"maxclients\" \"10000\"]");
    wire_run(w, "CONFIG GET slowlog-max-len", "[\"slowlog-max-len\" \"128\"]");
    wire_run(w, "CONFIG GET client-output-buffer-limit",
        "[\"client-output-buffer-limit\" \"normal 0 0 0 slave 268435456 "
        "67108864 60 pubsub 1048576 524288 10\"]");
    /* The command line goes before the file. */
    reload(s, "maxmemory-policy allkeys-lru\n", RELOADED);
    wire_run(w, "CONFIG GET maxmemory-policy",
        "[\"maxmemory-policy\" \"noeviction\"]");
    wire_run(w, "CONFIG GET client-output-buffer-limit",
        "re:.*pubsub 33554432 8388608 60\"\\]");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(what_is_read_at_start_waits_for_one)
{
    struct server *s = start_with("databases 4\ntimeout 1000\n");
    struct wire *w = wire_connect(s);

    reload(s, "databases 8\ntimeout 0\n", RELOADED);
    ck_assert_uint_eq(count_in_log(s, "databases changes at the next start"), 1);
    wire_run(w, "CONFIG GET databases", "[\"databases\" \"4\"]");
    wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"0\"]");
    wire_close(w);
    server_stop(s);
}
END_TEST

static const struct {
    const char *text, *message;
} bad_files[] = {
    {"timeout 9\nprot 1\n", "reload.conf:2: unknown directive"},
    {"timeout 9\ntimeout x\n", "reload.conf:2: timeout: \"x\""},
    {"timeout 9\nmaxmemory 1mb\n", "too small"},
    {"timeout 9\ninclude none.conf\n", "none.conf: No such file"},
    {"timeout 9\nuser ann +nonesuch\n", "reload.conf:2: user: Error in user"},
    {"timeout 9\nuser ann on\naclfile /x\n", "use one of the two"},
};

START_TEST(a_bad_file_is_refused_whole)
{
    struct server *s = start_with("timeout 5000\nuser ann on nopass +@all\n");
    struct wire *w = wire_connect(s);

    for (size_t i = 0; i < ARRAY_LEN(bad_files); i++) {
        reload(s, bad_files[i].text, bad_files[i].message);
        wire_run(w, "CONFIG GET timeout", "[\"timeout\" \"5000\"]");
        wire_run(w, "ACL USERS", "[\"ann\" \"default\"]");
    }
    unlink(path);
    reload(s, NULL, "reload.conf: No such file");
    wire_run(w, "PING", "+PONG");
    ck_assert_uint_eq(count_in_log(s, REFUSED), ARRAY_LEN(bad_files) + 1);
    ck_assert_uint_eq(count_in_log(s, RELOADED), 0);
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(a_password_counts_after_the_reload)
{
    struct server *s = start_with("requirepass one\n");
    struct wire *w = wire_connect(s);

    wire_run(w, "AUTH one", "+OK");
    reload(s, "requirepass two\n", RELOADED);
    wire_run(w, "AUTH one",
        "-WRONGPASS invalid username-password pair or user is disabled.");
    wire_run(w, "AUTH two", "+OK");
    ck_assert_int_eq(count_in_log(s, "two"), 0);
    wire_close(w);
    server_stop(s);
}
END_TEST

/* ---- users --------------------------------------------------------------- */

/* As at a start: the line makes the default user, whatever requirepass says. */
START_TEST(a_line_of_the_default_user_goes_before_a_new_password)
{
    struct server *s = start_with("requirepass one\n"
                                  "user default on >line ~* +@all\n");
    struct wire *w = wire_connect(s);

    wire_run(w, "AUTH line", "+OK");
    reload(s,
        "requirepass two\n"
        "user default on >line ~* +@all\n",
        RELOADED);
    wire_run(w, "AUTH two",
        "-WRONGPASS invalid username-password pair or user is disabled.");
    wire_run(w, "AUTH line", "+OK");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(users_of_the_file_change_with_it_and_keep_their_connections)
{
    struct server *s = start_with("user ann on nopass ~* +@all\n"
                                  "user bob on nopass ~b +get\n");
    struct wire *w = wire_connect(s), *ann = wire_connect(s),
                *bob = wire_connect(s);

    wire_run(ann, "AUTH ann x", "+OK");
    wire_run(bob, "AUTH bob x", "+OK");
    wire_run(w, "ACL SETUSER cid on", "+OK");
    /* The same lines: what ACL SETUSER did stays. */
    reload(s, NULL, RELOADED);
    wire_run(w, "ACL USERS", "[\"ann\" \"bob\" \"cid\" \"default\"]");
    reload(s, "user ann on nopass ~* +@all -set\n", RELOADED);
    wire_run(w, "ACL USERS", "[\"ann\" \"default\"]");
    wire_run(ann, "GET k", "$-1");
    wire_run(ann, "SET k 1", "re:-NOPERM .*");
    wire_expect_closed(bob);
    reload(s, "requirepass sesam\n", RELOADED);
    wire_expect_closed(ann);
    wire_close(ann);
    ann = wire_connect(s);
    wire_run(ann, "PING", "-NOAUTH Authentication required.");
    wire_close(ann);
    wire_close(bob);
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(config_rewrite_writes_the_users)
{
    struct server *s = start_with("# users\nuser ann on >foo ~* +@all\n"
                                  "user bob on nopass\n");
    struct wire *w = wire_connect(s);
    const char *const argv[] = {"cat", path, NULL};
    struct program_end end;

    wire_run(w, "ACL SETUSER bob -@all +get ~b*", "+OK");
    wire_run(w,
        "ACL SETUSER cid on #" /* of "x" */
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48"
        "81",
        "+OK");
    wire_run(w, "CONFIG REWRITE", "+OK");
    wire_close(w);
    server_stop(s);
    end = run_program(argv, 10);
    ck_assert_msg(
        text_matches("re:# users\n"
                     "user ann on >foo ~\\* \\+@all\n"
                     "user bob on nopass ~b\\* resetchannels -@all \\+get\n"
                     "# Generated by CONFIG REWRITE\n(.*\n)?"
                     "user cid on #2d711642[0-9a-f]* resetchannels -@all\n",
            end.output),
        "%s", end.output);
    free(end.output);
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "ACL USERS", "[\"ann\" \"bob\" \"cid\" \"default\"]");
    wire_run(w, "AUTH ann foo", "+OK");
    wire_run(w, "AUTH cid x", "+OK");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(a_default_user_of_the_file_is_what_clients_are)
{
    struct server *s = start_with("user default on nopass ~* +@all -flushdb\n");
    struct wire *w = wire_connect(s);

    wire_run(w, "FLUSHDB", "re:-NOPERM .*");
    wire_run(w, "CONFIG REWRITE", "+OK");
    wire_close(w);
    server_stop(s);
    s = server_start_with(&(struct server_options){.file = path});
    w = wire_connect(s);
    wire_run(w, "FLUSHDB", "re:-NOPERM .*");
    wire_close(w);
    server_stop(s);
}
END_TEST

/* ---- under load ---------------------------------------------------------- */

static _Atomic bool stopping;

/* Every reply must be right, and no connection may close: the numbers show if
 * one is lost or comes twice. */
static void *
work(void *arg)
{
    struct wire *w = wire_connect(arg);
    char count[64], reply[32];
    long n = 0;

    snprintf(count, sizeof(count), "INCR key:%p\r\n", (void *)w);
    do { /* once at least, however late this comes to run */
        for (int i = 0; i < 16; i++)
            wire_send_text(w, count);
        for (int i = 0; i < 16; i++) {
            snprintf(reply, sizeof(reply), ":%ld", ++n);
            wire_expect(w, reply);
        }
    } while (!atomic_load(&stopping));
    wire_close(w);
    return NULL;
}

/* Meanwhile the same directives, and others, by CONFIG SET. */
static void *
set_directives(void *arg)
{
    static const char *const good[] = {
        "CONFIG SET maxmemory 80mb slowlog-max-len 7",
        "CONFIG SET maxclients 300 tcp-keepalive 0",
        "CONFIG SET slowlog-log-slower-than 0 loglevel verbose",
        "CONFIG SET notify-keyspace-events KEA hotkey-top-k 5",
        "CONFIG SET notify-keyspace-events \"\" hotkey-top-k 0"};
    struct wire *w = wire_connect(arg);

    for (size_t i = 0; !atomic_load(&stopping); i++) {
        wire_run(w, good[i % ARRAY_LEN(good)], "+OK");
        wire_run(w, "CONFIG SET slowlog-max-len 5 timeout never",
            "re:-ERR CONFIG SET failed .*'timeout'.*");
        sleep_ms(1);
    }
    wire_close(w);
    return NULL;
}

/* So many that were accepted, and so many that were not. */
static bool
reloads_have_been(struct server *s, unsigned n)
{
    return count_in_log(s, RELOADED) >= n && count_in_log(s, REFUSED) >= n;
}

START_TEST(nobody_notices_changes_good_or_bad)
{
    static const char *const files[] = {
        "maxmemory 64mb\ntimeout 100\nuser ann on nopass +@all\n",
        "maxmemory 1mb\n", "maxmemory 96mb\nmaxclients 500\n",
        "tcp-keepalive 60\nloglevel verbose\nprot 1\n",
        "tcp-keepalive 60\nloglevel verbose\nuser bob on\n"};
    struct server *s = start_with(files[0]);
    pthread_t threads[4];
    double begun = now_s();

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL,
                             i == 0 ? set_directives : work, s),
            0);
    /* signals that come while one is answered are one */
    for (size_t n = 0; now_s() < begun + 1 || !reloads_have_been(s, 5); n++) {
        ck_assert_double_lt(now_s(), begun + patient(40)); /* ten of them */
        write_config(files[n % ARRAY_LEN(files)]);
        kill(server_pid(s), SIGHUP);
        sleep_ms(10);
    }
    reload(s, files[0], RELOADED);
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    server_stop(s);
}
END_TEST

static void *
rewrite(void *arg)
{
    struct wire *w = wire_connect(arg);

    while (!atomic_load(&stopping)) {
        for (int i = 0; i < 8; i++)
            wire_send_text(w, "CONFIG REWRITE\r\n");
        for (int i = 0; i < 8; i++)
            wire_expect(w, "+OK");
    }
    wire_close(w);
    return NULL;
}

/* Who rewrites the file reads the lines that a reload replaces. The sanitizers
 * see it if they meet. */
START_TEST(a_rewrite_meets_no_reload_half_done)
{
    struct server *s = start_with("");
    pthread_t threads[3];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rewrite, s), 0);
    for (int i = 0; i < 60; i++) {
        char text[1024] = "";
        size_t len = 0;

        for (int user = 0; user < 20; user++)
            len += (size_t)snprintf(text + len, sizeof(text) - len,
                "user u%d on nopass +@all ~*\n", user + i % 2);
        write_config(text);
        kill(server_pid(s), SIGHUP);
        sleep_ms(15);
    }
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    server_stop(s);
}
END_TEST

static Suite *
reload_suite(void)
{
    Suite *s = suite_create("reload");
    TCase *tc = tcase_create("reload");

    tcase_set_timeout(tc, patient(60));
    tcase_add_test(tc, a_reload_makes_live_directives_what_the_file_says);
    tcase_add_test(tc, what_is_read_at_start_waits_for_one);
    tcase_add_test(tc, a_bad_file_is_refused_whole);
    tcase_add_test(tc, a_password_counts_after_the_reload);
    tcase_add_test(tc, a_line_of_the_default_user_goes_before_a_new_password);
    tcase_add_test(
        tc, users_of_the_file_change_with_it_and_keep_their_connections);
    tcase_add_test(tc, config_rewrite_writes_the_users);
    tcase_add_test(tc, a_default_user_of_the_file_is_what_clients_are);
    tcase_add_test(tc, nobody_notices_changes_good_or_bad);
    tcase_add_test(tc, a_rewrite_meets_no_reload_half_done);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    if (testing_redis()) {
        skip("a Redis does not read its configuration again");
        return 0;
    }
    return run_tests(reload_suite());
}
