/* SPDX-License-Identifier: BSD-3-Clause */
/* option_include_test.c - files that include files, lines that are no
 * directives, and what a rewrite makes of both.
 */
#include "base/internal.h"
#include "base/options_fixture.h"

#include <sys/stat.h>

static char dir[] = "/tmp/ashlar-include-XXXXXX";

static char *
in_dir(const char *name)
{
    static char at[4][128];
    static unsigned next;
    char *p = at[next++ % 4];

    snprintf(p, sizeof(at[0]), "%s/%s", dir, name);
    return p;
}

static void
put(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

static bool
read_main(const char *text)
{
    put("main.conf", text);
    err.len = 0;
    return options_read_file(o, in_dir("main.conf"), &err);
}

static void
expect_main(const char *expected)
{
    struct buf text = {0};

    ck_assert(option_file_read(in_dir("main.conf"), &text, &err));
    buf_append(&text, "", 1);
    ck_assert_str_eq(text.p, expected);
    buf_free(&text);
}

/* The error is the text, with a % for the folder. */
static void
expect_error(const char *text)
{
    struct buf want = {0};

    for (; *text != '\0'; text++) {
        if (*text == '%')
            buf_printf(&want, "%s", dir);
        else
            buf_append(&want, text, 1);
    }
    buf_append(&want, "", 1);
    ck_assert_str_eq(error_text(), want.p);
    buf_free(&want);
}

START_TEST(a_file_is_appended_to_what_the_buffer_holds)
{
    struct buf text = {0};

    put("a.conf", "one\n");
    buf_append(&text, "before:", 7);
    ck_assert(option_file_read(in_dir("a.conf"), &text, &err));
    buf_append(&text, "", 1);
    ck_assert_str_eq(text.p, "before:one\n");
    buf_free(&text);
}
END_TEST

/* ---- include ------------------------------------------------------------- */

START_TEST(an_included_file_is_read_in_the_place_of_its_line)
{
    put("a.conf", "timeout 7\nport 1\n");
    ck_assert_msg(
        read_main("timeout 5\nINCLUDE a.conf\nport 2\n"), "%s", error_text());
    ck_assert_int_eq(net.timeout, 7);
    ck_assert_int_eq(net.port, 2);
    ck_assert(read_main("include \"./a.conf\"\n"));
    ck_assert_int_eq(net.port, 1);
}
END_TEST

START_TEST(a_path_begins_at_the_file_that_names_it)
{
    ck_assert_int_eq(mkdir(in_dir("sub"), 0700), 0);
    put("sub/a.conf", "include b.conf\n");
    put("sub/b.conf", "port 3\n");
    put("b.conf", "port 4\n");
    ck_assert_msg(read_main("include sub/a.conf\n"), "%s", error_text());
    ck_assert_int_eq(net.port, 3);
}
END_TEST

START_TEST(a_pattern_includes_all_that_match_by_name)
{
    put("z2.cnf", "port 2\n");
    put("z1.cnf", "port 1\ntimeout 1\n");
    ck_assert_msg(read_main("include z?.cnf\n"), "%s", error_text());
    ck_assert_int_eq(net.port, 2);
    ck_assert_int_eq(net.timeout, 1);
    ck_assert(read_main("port 9\ninclude none*.cnf\n"));
    ck_assert_int_eq(net.port, 9);
}
END_TEST

START_TEST(an_error_names_every_file_on_the_way)
{
    put("a.conf", "port 1\n\ninclude b.conf\n");
    put("b.conf", "prot 1\n");
    ck_assert(!read_main("port 5\ninclude a.conf\n"));
    expect_error("%/main.conf:2: %/a.conf:3: %/b.conf:1: unknown directive "
                 "\"prot\"");
    ck_assert_int_eq(net.port, 6379);
    ck_assert(!read_main("include none.conf\n"));
    expect_error("%/main.conf:1: %/none.conf: No such file or directory");
    ck_assert(!read_main("include a.conf b.conf\n"));
    expect_error("%/main.conf:1: include: expected one path or pattern");
    ck_assert(!read_main("include\n"));
    expect_error("%/main.conf:1: include: the value is missing");
}
END_TEST

START_TEST(a_file_does_not_include_itself)
{
    ck_assert(!read_main("include main.conf\n"));
    expect_error("%/main.conf:1: %/main.conf: the file includes itself");
    put("a.conf", "include b.conf\n");
    put("b.conf", "include ma*.conf\n");
    ck_assert(!read_main("include a.conf\n"));
    expect_error("%/main.conf:1: %/a.conf:1: %/b.conf:1: %/main.conf: the file "
                 "includes itself");
    /* Twice beside one another is no circle. */
    put("b.conf", "port 3\n");
    ck_assert_msg(
        read_main("include a.conf\ninclude b.conf\n"), "%s", error_text());
}
END_TEST

/* Files 0.conf .. n.conf, each of which includes the next `times`. */
static void
put_chain(int n, int times)
{
    for (int i = 0; i < n; i++) {
        char name[32], text[128] = "";

        snprintf(name, sizeof(name), "%d.conf", i);
        for (int t = 0; t < times; t++)
            snprintf(text + strlen(text), 32, "include %d.conf\n", i + 1);
        put(name, i == n - 1 ? "port 8\n" : text);
    }
}

START_TEST(depth_and_number_of_files_are_bounded)
{
    put_chain(15, 1);
    ck_assert_msg(read_main("include 0.conf\n"), "%s", error_text());
    ck_assert_int_eq(net.port, 8);
    put_chain(16, 1);
    ck_assert(!read_main("include 0.conf\n"));
    ck_assert_ptr_nonnull(strstr(error_text(), "15.conf: included more than"));
    put_chain(10, 2);
    ck_assert(!read_main("include 0.conf\n"));
    ck_assert_ptr_nonnull(strstr(error_text(), ": more than 256 files"));
}
END_TEST

START_TEST(arguments_include_files_too)
{
    char include[] = "--include", timeout[] = "--timeout", three[] = "3";
    char *args[] = {include, in_dir("a.conf"), timeout, three};

    put("a.conf", "port 7\ntimeout 1\n");
    ck_assert_msg(options_read_args(o, 4, args, &err), "%s", error_text());
    ck_assert_int_eq(net.port, 7);
    ck_assert_int_eq(net.timeout, 3);
}
END_TEST

START_TEST(a_rewrite_says_last_what_an_included_file_says_otherwise)
{
    put("a.conf", "timeout 7\nport 1\n");
    ck_assert(read_main("# c\ntimeout 5\ninclude a.conf\noffset 2\n"));
    ck_assert(set("timeout", "9") && set("offset", "3"));
    ck_assert_msg(options_rewrite_file(o, in_dir("main.conf"), NULL, &err),
        "%s", error_text());
    expect_main("# c\ninclude a.conf\noffset 3\n"
                "# Generated by CONFIG REWRITE\ntimeout 9\n");
    ck_assert(options_read_file(o, in_dir("main.conf"), &err));
    ck_assert_int_eq(net.timeout, 9);
    /* A second one changes nothing. */
    ck_assert(options_rewrite_file(o, in_dir("main.conf"), NULL, &err));
    expect_main("# c\ninclude a.conf\noffset 3\n"
                "# Generated by CONFIG REWRITE\ntimeout 9\n");
}
END_TEST

/* ---- lines of a kind ----------------------------------------------------- */

static struct buf seen;

static bool
check_thing(const struct str *words, size_t n, struct buf *why)
{
    if (n == 2 && str_eq(words[1], STR("bad"))) {
        buf_printf(why, "thing: %.*s is bad", STR_ARG(words[0]));
        return false;
    }
    return true;
}

/* "gone" is, "other" says something else now. */
static enum option_line_state
look_thing(void *ctx, const struct str *words, size_t n, struct buf *out)
{
    (void)n;
    ck_assert_ptr_eq(ctx, &seen);
    if (str_eq(words[0], STR("gone")))
        return OPTION_LINE_GONE;
    if (!str_eq(words[0], STR("other")))
        return OPTION_LINE_HOLDS;
    buf_printf(out, "other #1 a\"b");
    return OPTION_LINE_OTHER;
}

static void
each_thing(void *ctx, void (*add)(void *arg, struct str name, struct str words),
    void *arg)
{
    (void)ctx;
    add(arg, STR("other"), STR("other 1"));
    add(arg, STR("new"), STR("new ~*"));
}

static const struct option_line_kind things = {
    "thing", "NAME", "A thing.", check_thing, look_thing, each_thing};

static void
note_line(void *ctx, const struct str *words, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "[%.*s]", STR_ARG(words[i]));
}

static const char *
lines_seen(void)
{
    seen.len = 0;
    options_each_line(o, note_line, NULL);
    buf_append(&seen, "", 1);
    return seen.p;
}

START_TEST(lines_of_a_kind_are_kept_in_their_order)
{
    char thing[] = "--thing", c[] = "c", one[] = "1";
    char *args[] = {thing, c, one};

    options_set_line_kind(o, &things);
    put("a.conf", "thing b #not a comment\n");
    ck_assert_msg(read_main("thing a \"1 2\" \\x\nport 1\ninclude a.conf\n"),
        "%s", error_text());
    ck_assert_str_eq(lines_seen(), "[a][1 2][\\x][b][#not][a][comment]");
    ck_assert_msg(options_read_args(o, 3, args, &err), "%s", error_text());
    ck_assert_str_eq(lines_seen(), "[a][1 2][\\x][b][#not][a][comment][c][1]");
    ck_assert(set("timeout", "4"));
    ck_assert_str_eq(lines_seen(), "[a][1 2][\\x][b][#not][a][comment][c][1]");
    ck_assert(!set("thing", "x 1"));
    ck_assert_str_eq(error_text(), "unknown directive \"thing\"");
    /* Another file replaces them. */
    ck_assert(read_main("thing d\n"));
    ck_assert_str_eq(lines_seen(), "[d]");
}
END_TEST

START_TEST(a_bad_line_of_a_kind_refuses_the_file)
{
    options_set_line_kind(o, &things);
    ck_assert(read_main("thing a\n"));
    ck_assert(!read_main("thing c\nthing x bad\n"));
    expect_error("%/main.conf:2: thing: x is bad");
    ck_assert(!read_main("thing c\nport 1\nthing c 2\n"));
    expect_error("%/main.conf:3: thing: Duplicate thing 'c' found");
    ck_assert(!read_main("thing\n"));
    expect_error("%/main.conf:1: thing: the value is missing");
    ck_assert(!read_main("thing \"a\\x00b\"\n"));
    expect_error("%/main.conf:1: thing: the line holds a NUL byte");
    ck_assert_str_eq(lines_seen(), "[a]");
}
END_TEST

START_TEST(a_rewrite_writes_the_lines_in_force)
{
    options_set_line_kind(o, &things);
    ck_assert(
        read_main("# c\nthing gone 1\nthing a 1\nTHING other 5\nport 3\n"));
    ck_assert_msg(options_rewrite_file(o, in_dir("main.conf"), &seen, &err),
        "%s", error_text());
    expect_main("# c\nthing a 1\nthing other #1 \"a\\\"b\"\nport 3\n"
                "# Generated by CONFIG REWRITE\nthing new ~*\n");
    ck_assert_msg(
        options_read_file(o, in_dir("main.conf"), &err), "%s", error_text());
    ck_assert_str_eq(lines_seen(), "[a][1][other][#1][a\"b][new][~*]");
}
END_TEST

START_TEST(a_changed_line_of_an_included_file_stops_the_rewrite)
{
    options_set_line_kind(o, &things);
    put("a.conf", "thing gone 1\n");
    ck_assert(read_main("include a.conf\nport 3\n"));
    err.len = 0;
    ck_assert(!options_rewrite_file(o, in_dir("main.conf"), &seen, &err));
    expect_error("thing 'gone' has changed and stands in an included file, "
                 "which is not written");
    expect_main("include a.conf\nport 3\n");
}
END_TEST

static void
make_dir(void)
{
    setup();
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_dir(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    buf_free(&seen);
    teardown();
}

int
main(void)
{
    Suite *s = suite_create("option_include");
    TCase *t = tcase_create("option_include");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, a_file_is_appended_to_what_the_buffer_holds);
    tcase_add_test(t, an_included_file_is_read_in_the_place_of_its_line);
    tcase_add_test(t, a_path_begins_at_the_file_that_names_it);
    tcase_add_test(t, a_pattern_includes_all_that_match_by_name);
    tcase_add_test(t, an_error_names_every_file_on_the_way);
    tcase_add_test(t, a_file_does_not_include_itself);
    tcase_add_test(t, depth_and_number_of_files_are_bounded);
    tcase_add_test(t, arguments_include_files_too);
    tcase_add_test(t, a_rewrite_says_last_what_an_included_file_says_otherwise);
    tcase_add_test(t, lines_of_a_kind_are_kept_in_their_order);
    tcase_add_test(t, a_bad_line_of_a_kind_refuses_the_file);
    tcase_add_test(t, a_rewrite_writes_the_lines_in_force);
    tcase_add_test(t, a_changed_line_of_an_included_file_stops_the_rewrite);
    return run_suite(s);
}
