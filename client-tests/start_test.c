/* SPDX-License-Identifier: BSD-3-Clause */
/* start_test.c - what a daemon inherits from whoever starts it: signals that
 * come early, limits, standard streams that are closed.
 */
#include "client-tests/wire.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-tests/client.h"

static char path[PATH_MAX];

/* ---- signals ------------------------------------------------------------- */

static int
open_to_write(int flags)
{
    return open(path, O_WRONLY | O_CLOEXEC | flags);
}

/* Give the file a reader waits for. False when nobody comes. */
static bool
feed(pid_t hang_up)
{
    int fd = open_to_write(0);

    if (fd < 0)
        return false;
    if (hang_up > 0)
        kill(hang_up, SIGHUP);
    dprintf(fd, "timeout %d\n", hang_up > 0 ? 5 : 7);
    close(fd);
    /* Who comes next opens it anew. */
    while ((fd = open_to_write(O_NONBLOCK)) >= 0) {
        close(fd);
        sleep_ms(1);
    }
    return true;
}

/* The daemon's configuration is a pipe: it hangs in the middle of its start,
 * until this gives it the file. */
static void
hang_up_while_it_reads(void)
{
    pid_t daemon = getpid();

    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == daemon && feed(daemon))
        feed(0);
    _exit(0);
}

START_TEST(a_hangup_during_the_start_is_a_reload_after_it)
{
    struct server *s;
    struct wire *w;
    double deadline = now_s() + patient(10);
    char *reply = NULL;

    snprintf(path, sizeof(path), "%s/pipe.conf", tests_dir());
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    s = server_start_with(&(struct server_options){
        .file = path, .in_child = hang_up_while_it_reads});
    w = wire_connect(s);
    do {
        free(reply);
        ck_assert_msg(now_s() < deadline, "it was not read again");
        wire_send_command(w, "CONFIG GET timeout");
        reply = wire_read(w);
    } while (strcmp(reply, "[\"timeout\" \"7\"]") != 0);
    free(reply);
    wire_close(w);
    server_stop(s);
}
END_TEST

/* ---- standard streams ---------------------------------------------------- */

static void
close_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
}

/* Else a socket would be standard error, and its client get the log. */
START_TEST(closed_streams_are_not_taken_for_something_else)
{
    struct server *s =
        server_start_with(&(struct server_options){.in_child = close_streams});

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        char link[64], target[64] = "";

        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)server_pid(s), fd);
        ck_assert_int_gt(readlink(link, target, sizeof(target) - 1), 0);
        ck_assert_str_eq(target, "/dev/null");
    }
    server_stop(s);
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

#define FILE_BYTES (8 * KIB)

static void
limit_files(void)
{
    struct rlimit limit = {FILE_BYTES, FILE_BYTES};

    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(126);
}

static off_t
size_of(const char *file)
{
    struct stat st;

    ck_assert_int_eq(stat(file, &st), 0);
    return st.st_size;
}

/* Each line of the log is about a protocol error. */
static void
fill_log(const struct server *s, const char *log)
{
    double deadline = now_s() + patient(10);

    while (size_of(log) < (off_t)FILE_BYTES) {
        struct wire *w = wire_connect(s);

        ck_assert_msg(now_s() < deadline, "the log does not grow");
        wire_send_text(w, "*x\r\n");
        wire_expect(w, "re:-ERR Protocol error.*");
        wire_close(w);
    }
}

static void
write_long_config(void)
{
    FILE *out = fopen(path, "we");

    ck_assert_ptr_nonnull(out);
    fputs("loglevel debug\n", out);
    for (size_t i = 0; i < FILE_BYTES / 64; i++)
        fprintf(out, "# %060zu\n", i);
    ck_assert_int_eq(fclose(out), 0);
}

START_TEST(a_limit_of_file_sizes_ends_no_daemon)
{
    char log[PATH_MAX];
    const char *const args[] = {"--maxmemory", "64mb", "--logfile", log, NULL};
    struct server *s;
    struct wire *w;

    snprintf(log, sizeof(log), "%s/limited.log", tests_dir());
    snprintf(path, sizeof(path), "%s/limited.conf", tests_dir());
    write_long_config();
    s = server_start_with(&(struct server_options){
        .file = path, .args = args, .in_child = limit_files});
    fill_log(s, log);
    w = wire_connect(s);
    wire_run(w, "SET k v", "+OK");
    wire_run(w, "CONFIG REWRITE", "re:-ERR Rewriting config file: .*too large");
    wire_run(w, "GET k", "\"v\"");
    wire_close(w);
    server_stop(s);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("start");
    TCase *tc = tcase_create("start");

    if (testing_redis()) {
        skip("how ashlard starts is its own");
        return 0;
    }
    tcase_set_timeout(tc, patient(30));
    tcase_add_test(tc, a_hangup_during_the_start_is_a_reload_after_it);
    tcase_add_test(tc, closed_streams_are_not_taken_for_something_else);
    tcase_add_test(tc, a_limit_of_file_sizes_ends_no_daemon);
    suite_add_tcase(suite, tc);
    return run_tests(suite);
}
