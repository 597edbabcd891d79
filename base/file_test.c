/* SPDX-License-Identifier: BSD-3-Clause */
/* file_test.c - files that are replaced as a whole. */
#include "base/testing.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[96];
static struct buf err;

static void
set_up(void)
{
    snprintf(dir, sizeof(dir), "/tmp/ashlar-file-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/f", dir);
    err.len = 0;
}

static void
tear_down(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing else is left */
    buf_free(&err);
}

static const char *
error_text(void)
{
    buf_append(&err, "", 1);
    return err.p;
}

static void
expect_file(const char *text, mode_t mode)
{
    char got[64] = "";
    FILE *f = fopen(path, "re");
    struct stat st;

    ck_assert_ptr_nonnull(f);
    got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
    ck_assert_str_eq(got, text);
    ck_assert_int_eq(fstat(fileno(f), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, mode);
    fclose(f);
}

START_TEST(a_new_file_is_for_its_owner)
{
    ck_assert(file_replace(path, STR("one"), &err));
    expect_file("one", 0600);
}
END_TEST

START_TEST(an_old_file_keeps_its_mode)
{
    ck_assert(file_replace(path, STR("one"), &err));
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert(file_replace(path, STR(""), &err));
    expect_file("", 0640);
}
END_TEST

START_TEST(what_cannot_be_written_leaves_the_old_file)
{
    struct rlimit limit = {4, 4};

    ck_assert(file_replace(path, STR("old"), &err));
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(!file_replace(path, STR("longer"), &err));
    ck_assert_int_eq(strncmp(error_text(), "cannot write /tmp/", 18), 0);
    ck_assert_ptr_nonnull(strstr(error_text(), ": File too large"));
    expect_file("old", 0600);
}
END_TEST

START_TEST(a_missing_folder_is_named)
{
    ck_assert(!file_replace("/nonexistent/f", STR("x"), &err));
    ck_assert_str_eq(error_text(),
        "cannot make a file beside /nonexistent/f: No such file or directory");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("file");
    TCase *t = tcase_create("file");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_new_file_is_for_its_owner);
    tcase_add_test(t, an_old_file_keeps_its_mode);
    tcase_add_test(t, what_cannot_be_written_leaves_the_old_file);
    tcase_add_test(t, a_missing_folder_is_named);
    return run_suite(s);
}
