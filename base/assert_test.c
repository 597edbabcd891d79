/* SPDX-License-Identifier: BSD-3-Clause */
/* assert_test.c - failing assertions, and memory that must not fail. */
#include "base/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct thing {
    uint32_t magic;
};
#define THING_MAGIC 0x7419u

/* Run `fn` in a child and return its wait status, its stderr in `out`. */
static int
run_child(void (*fn)(void), char *out, size_t cap)
{
    int pipes[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(pipes), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], out + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(pipes[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void
assert_truth(void)
{
    struct thing thing = {THING_MAGIC};

    ASSERT(1 + 1 == 2);
    CHECK(&thing, THING_MAGIC);
}

START_TEST(a_true_condition_is_silent)
{
    char out[1024];

    ck_assert_int_eq(run_child(assert_truth, out, sizeof(out)), 0);
    ck_assert_str_eq(out, "");
}
END_TEST

static void
assert_falsehood(void)
{
    ASSERT(1 + 1 == 3);
}

START_TEST(a_false_condition_reports_itself_and_aborts)
{
    char out[1024];
    int status = run_child(assert_falsehood, out, sizeof(out));

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    ck_assert_ptr_nonnull(strstr(out, "assert_test.c:"));
    ck_assert_ptr_nonnull(
        strstr(out, ": assert_falsehood: assertion failed: 1 + 1 == 3\n"));
}
END_TEST

static void
check_wrong_magic(void)
{
    struct thing thing = {THING_MAGIC + 1};

    CHECK(&thing, THING_MAGIC);
}

static void
check_null(void)
{
    struct thing *thing = NULL;

    CHECK(thing, THING_MAGIC);
}

START_TEST(a_wrong_magic_aborts)
{
    char out[1024];

    ck_assert(WIFSIGNALED(run_child(check_wrong_magic, out, sizeof(out))));
    ck_assert(WIFSIGNALED(run_child(check_null, out, sizeof(out))));
}
END_TEST

static char log_path[] = "/tmp/ashlar-assert-XXXXXX";

static void
fail_with_log_file(void)
{
    if (log_open(LOG_LEVEL_INFO, log_path) != 0)
        _exit(2);
    assert_falsehood();
}

START_TEST(a_report_also_goes_to_the_log_file)
{
    char out[1024], line[1024] = "";
    int fd = mkstemp(log_path);
    FILE *log;

    ck_assert_int_ge(fd, 0);
    ck_assert(WIFSIGNALED(run_child(fail_with_log_file, out, sizeof(out))));
    ck_assert_ptr_nonnull(strstr(out, "assertion failed: 1 + 1 == 3"));
    log = fdopen(fd, "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), log));
    ck_assert_ptr_nonnull(strstr(line, "assertion failed: 1 + 1 == 3 at "));
    fclose(log);
    unlink(log_path);
}
END_TEST

START_TEST(memory_that_must_not_fail_is_usable_when_empty)
{
    unsigned char *zeroed = xcalloc(4, 8);
    void *nothing = xcalloc(0, 8);
    char *copy = xstrdup("text");

    for (size_t i = 0; i < 32; i++)
        ck_assert_uint_eq(zeroed[i], 0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_str_eq(copy, "text");
    copy = xrealloc(copy, 100000);
    ck_assert_str_eq(copy, "text");
    free(zeroed);
    free(nothing);
    free(copy);
}
END_TEST

static void
debug_assert_falsehood(void)
{
    DEBUG_ASSERT(1 + 1 == 3);
}

START_TEST(costly_assertions_run_in_debug_builds_only)
{
    char out[1024];
    int status = run_child(debug_assert_falsehood, out, sizeof(out));

#ifdef ASHLAR_DEBUG
    ck_assert(WIFSIGNALED(status));
#else
    ck_assert_int_eq(status, 0);
#endif
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("assert");
    TCase *t = tcase_create("assert");

    suite_add_tcase(s, t);
    tcase_add_test(t, a_true_condition_is_silent);
    tcase_add_test(t, a_false_condition_reports_itself_and_aborts);
    tcase_add_test(t, a_wrong_magic_aborts);
    tcase_add_test(t, a_report_also_goes_to_the_log_file);
    tcase_add_test(t, memory_that_must_not_fail_is_usable_when_empty);
    tcase_add_test(t, costly_assertions_run_in_debug_builds_only);
    return run_suite(s);
}
