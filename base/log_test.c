/* SPDX-License-Identifier: BSD-3-Clause */
/* log_test.c - lines, levels, destinations, the rate limit. */
#include "base/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/ashlar-log-XXXXXX";

static void
setup(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(log_open(LOG_LEVEL_INFO, path), 0);
}

static void
teardown(void)
{
    unlink(path);
}

/* What stands in a file; the caller frees it. */
static char *
contents(const char *name)
{
    struct buf b = {0};
    FILE *f = fopen(name, "r");
    int c;

    ck_assert_ptr_nonnull(f);
    while ((c = getc(f)) != EOF)
        buf_append(&b, &(char){(char)c}, 1);
    fclose(f);
    buf_append(&b, "", 1);
    return b.p;
}

static void
expect_match(const char *text, const char *pattern)
{
    regex_t re;

    ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(
        regexec(&re, text, 0, NULL, 0) == 0, "\"%s\" does not match", text);
    regfree(&re);
}

START_TEST(a_line_has_time_level_and_text)
{
    char *text;

    log_warn("accept failed fd=%d err=%s", 12, "EMFILE");
    text = contents(path);
    expect_match(text,
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
        "warn  accept failed fd=12 err=EMFILE\n$");
    free(text);
}
END_TEST

/* What a line becomes behind time and level. */
static void
expect_logfmt(const char *text, const char *want)
{
    char *all;

    log_set_format(LOG_LOGFMT);
    log_warn("%s", text);
    log_set_format(LOG_TEXT);
    all = contents(path);
    expect_match(all,
        "^ts=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
        "level=warn msg=");
    all[strlen(all) - 1] = '\0';
    ck_assert_str_eq(strstr(all, "msg="), want);
    free(all);
    ck_assert_int_eq(truncate(path, 0), 0);
}

START_TEST(logfmt_is_pairs_throughout)
{
    expect_logfmt("stopped", "msg=stopped");
    expect_logfmt("accept failed fd=12 err=\"No such file\"",
        "msg=\"accept failed\" fd=12 err=\"No such file\"");
    expect_logfmt("cannot give back bytes=4096 err=No such file n=1",
        "msg=\"cannot give back\" bytes=4096 err=\"No such file\" n=1");
    expect_logfmt("closing client, too slow id=7 addr=[::1]:5 name=",
        "msg=\"closing client, too slow\" id=7 addr=[::1]:5 name=\"\"");
    expect_logfmt("port=1", "msg=\"port=1\"");
    expect_logfmt("", "msg=\"\"");
}
END_TEST

/* Words of others do not become pairs, and no quote ends too early. */
START_TEST(logfmt_escapes_what_others_say)
{
    expect_logfmt("DEBUG LOG: x level=info ts=\"1\"",
        "msg=\"DEBUG LOG: x level=info ts=\\\"1\\\"\"");
    expect_logfmt("odd name=a\"b c\\d", "msg=odd name=\"a\\\"b c\\\\d\"");
    expect_logfmt("odd \"words\\ n=1", "msg=\"odd \\\"words\\\\ n=1\"");
    expect_logfmt("two err=\"a\" \"b\" n=2", "msg=two err=\"a\\\" \\\"b\" n=2");
    expect_logfmt("line\nfeed a=\"x\ny\"", "msg=line?feed a=x?y");
}
END_TEST

START_TEST(a_long_line_of_quotes_fits_as_logfmt)
{
    char text[3000];
    char *all;

    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_set_format(LOG_LOGFMT);
    log_warn("%s", text);
    memcpy(text, "w ", 2);
    for (size_t i = 2; i + 3 < sizeof(text); i += 3)
        memcpy(text + i, "a= ", 4);
    log_warn("%s", text);
    log_set_format(LOG_TEXT);
    all = contents(path);
    ck_assert_uint_gt(strlen(all), 2000);
    ck_assert_ptr_nonnull(strstr(all, "msg=w a=\"\" a=\"\" "));
    free(all);
}
END_TEST

START_TEST(lines_above_the_level_are_not_written)
{
    char *text;

    log_debug("hidden");
    log_info("shown");
    text = contents(path);
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_ptr_nonnull(strstr(text, "shown"));
    free(text);
}
END_TEST

START_TEST(the_level_can_change_while_running)
{
    char *text;

    log_set_level(LOG_LEVEL_ERROR);
    log_warn("hidden");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("shown");
    text = contents(path);
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_ptr_nonnull(strstr(text, "debug shown"));
    free(text);
}
END_TEST

START_TEST(a_long_line_is_cut_with_dots)
{
    char long_text[5000];
    char *text;

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    log_info("%s", long_text);
    log_info("next");
    text = contents(path);
    expect_match(text, "^[^\n]{1000,1023}xxx\\.\\.\\.\n[^\n]*next\n$");
    free(text);
}
END_TEST

START_TEST(control_bytes_do_not_reach_the_log)
{
    char *text;

    log_info("name=%s", "a\r\nb\x1b[31m\x7f");
    text = contents(path);
    expect_match(text, "name=a\\?\\?b\\?\\[31m\\?\n$");
    free(text);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_leaves_the_destination)
{
    char *text;

    ck_assert_int_eq(log_open(LOG_LEVEL_DEBUG, "/nonexistent/log"), ENOENT);
    log_info("still here");
    log_debug("hidden");
    text = contents(path);
    ck_assert_ptr_nonnull(strstr(text, "still here"));
    ck_assert_ptr_null(strstr(text, "hidden"));
    free(text);
}
END_TEST

START_TEST(reopening_moves_to_a_new_file)
{
    char moved[sizeof(path) + 4];
    char *text;

    snprintf(moved, sizeof(moved), "%s.old", path);
    log_info("one");
    ck_assert_int_eq(rename(path, moved), 0);
    log_info("two");
    ck_assert_int_eq(log_open(LOG_LEVEL_INFO, path), 0);
    log_info("three");
    text = contents(moved);
    expect_match(text, "one\n[^\n]*two\n$");
    free(text);
    text = contents(path);
    expect_match(text, "^[^\n]*three\n$");
    free(text);
    unlink(moved);
}
END_TEST

START_TEST(errno_survives_logging)
{
    char *text;

    errno = EMFILE;
    log_info("failed err=%m");
    ck_assert_int_eq(errno, EMFILE);
    text = contents(path);
    ck_assert_ptr_nonnull(strstr(text, "err=Too many open files"));
    free(text);
}
END_TEST

/* Let stderr be the test's file and $JOURNAL_STREAM name it, off by `wrong`. */
static void
be_a_service(ino_t wrong)
{
    char stream[64];
    struct stat st;
    int fd = open(path, O_WRONLY | O_APPEND);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    close(fd);
    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
        (uintmax_t)(st.st_ino + wrong));
    ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
    ck_assert_int_eq(log_open(LOG_LEVEL_DEBUG, NULL), 0);
}

START_TEST(the_journal_gets_a_priority_and_no_time)
{
    char *text;

    be_a_service(0);
    log_error("e");
    log_warn("w");
    log_info("i");
    log_debug("d");
    text = contents(path);
    ck_assert_str_eq(text, "<3>e\n<4>w\n<6>i\n<7>d\n");
    free(text);
}
END_TEST

START_TEST(a_foreign_journal_stream_is_ignored)
{
    char *text;

    be_a_service(1);
    log_info("i");
    text = contents(path);
    expect_match(text, "^[0-9T:.-]+Z info  i\n$");
    free(text);
}
END_TEST

#define N_THREADS 4
#define N_LINES 200

static void *
log_lines(void *arg)
{
    char letter = *(char *)arg;

    for (int i = 0; i < N_LINES; i++)
        log_info("%c%c%c%c%c%c%c%c", letter, letter, letter, letter, letter,
            letter, letter, letter);
    return NULL;
}

START_TEST(lines_of_many_threads_do_not_mix)
{
    pthread_t threads[N_THREADS];
    char letters[N_THREADS];
    char *text;
    int lines = 0;

    for (int i = 0; i < N_THREADS; i++) {
        letters[i] = (char)('a' + i);
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, log_lines, &letters[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    text = contents(path);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        expect_match(line, "Z info  (a{8}|b{8}|c{8}|d{8})$");
        lines++;
    }
    ck_assert_int_eq(lines, N_THREADS * N_LINES);
    free(text);
}
END_TEST

START_TEST(a_repeating_line_passes_once_a_second)
{
    _Atomic uint64_t state = 0;
    _Atomic uint64_t other = 0;

    clock_fake(5000);
    ck_assert(log_ratelimit(&state));
    ck_assert(!log_ratelimit(&state));
    ck_assert(log_ratelimit(&other));
    clock_fake(5999);
    ck_assert(!log_ratelimit(&state));
    clock_fake(6000);
    ck_assert(log_ratelimit(&state));
    ck_assert(!log_ratelimit(&state));
}
END_TEST

START_TEST(a_clock_that_is_behind_does_not_pass_the_limit)
{
    _Atomic uint64_t state = 0;

    clock_fake(5000);
    ck_assert(log_ratelimit(&state));
    clock_fake(4990);
    ck_assert(!log_ratelimit(&state));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("log");
    TCase *t = tcase_create("log");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_line_has_time_level_and_text);
    tcase_add_test(t, logfmt_is_pairs_throughout);
    tcase_add_test(t, logfmt_escapes_what_others_say);
    tcase_add_test(t, a_long_line_of_quotes_fits_as_logfmt);
    tcase_add_test(t, lines_above_the_level_are_not_written);
    tcase_add_test(t, the_level_can_change_while_running);
    tcase_add_test(t, a_long_line_is_cut_with_dots);
    tcase_add_test(t, control_bytes_do_not_reach_the_log);
    tcase_add_test(t, a_file_that_cannot_be_opened_leaves_the_destination);
    tcase_add_test(t, reopening_moves_to_a_new_file);
    tcase_add_test(t, errno_survives_logging);
    tcase_add_test(t, the_journal_gets_a_priority_and_no_time);
    tcase_add_test(t, a_foreign_journal_stream_is_ignored);
    tcase_add_test(t, lines_of_many_threads_do_not_mix);
    tcase_add_test(t, a_repeating_line_passes_once_a_second);
    tcase_add_test(t, a_clock_that_is_behind_does_not_pass_the_limit);
    return run_suite(s);
}
