/* SPDX-License-Identifier: BSD-3-Clause */
/* option_file_test.c - configuration files and arguments. */
#include "base/options_fixture.h"

/* ---- files --------------------------------------------------------------- */

START_TEST(a_file_sets_what_it_names_and_nothing_else)
{
    ck_assert(read_text("# a comment\n"
                        "\n"
                        "   # an indented comment\n"
                        "port 7000\n"
                        "\tmaxmemory\t 2gb \r\n"
                        "MAXMEMORY-POLICY lfu\n"
                        "bind 10.0.0.1   ::1\n"
                        "tidy no"));
    ck_assert_int_eq(net.port, 7000);
    ck_assert_int_eq(mem.maxmemory, (int64_t)2 << 30);
    ck_assert_int_eq(mem.maxmemory_policy, 1);
    ck_assert_str_eq(net.bind, "10.0.0.1 ::1");
    ck_assert_int_eq(mem.tidy, 0);
    ck_assert_int_eq(net.timeout, 0);
}
END_TEST

START_TEST(an_empty_file_is_accepted)
{
    ck_assert(read_text(""));
    ck_assert(read_text("\n\n"));
}
END_TEST

static const struct {
    const char *line, *value;
} quotings[] = {
    {"requirepass \"\"", ""},
    {"requirepass ''", ""},
    {"requirepass \"a b\"", "a b"},
    {"requirepass 'a b'", "a b"},
    {"requirepass \"a\\\"b\"", "a\"b"},
    {"requirepass 'a\"b'", "a\"b"},
    {"requirepass 'a\\'b'", "a'b"},
    {"requirepass 'a\\nb'", "a\\nb"},
    {"requirepass \"\\n\\r\\t\\b\\a\"", "\n\r\t\b\a"},
    {"requirepass \"\\x41\\x7a\\xfF\"", "Az\xff"},
    {"requirepass \"\\xzz\\q\\\\\"", "xzzq\\"},
    {"requirepass \"\\x4\"", "x4"},
    {"requirepass a\\nb", "a\\nb"},
    {"requirepass foo\"bar baz\"", "foobar baz"},
    {"requirepass a   b", "a b"},
    {"requirepass \"a  b\"  c", "a  b c"},
    {"requirepass #secret", "#secret"},
    {"requirepass \"#\"", "#"},
    {"requirepass a \"# b\"", "a # b"},
    {"\"requirepass\" x", "x"},
};

START_TEST(words_are_quoted_and_escaped_as_in_redis_conf)
{
    ck_assert_msg(read_text(quotings[_i].line), "%s: %s", quotings[_i].line,
        error_text());
    ck_assert_str_eq(mem.requirepass, quotings[_i].value);
}
END_TEST

static const char *const unbalanced[] = {"requirepass \"a", "requirepass 'a",
    "requirepass \"a\"b", "requirepass 'a'b", "requirepass \"a\\\"",
    "requirepass \"a\\", "requirepass a\"", "requirepass \"a\"\"b\"", "\""};

START_TEST(unbalanced_quotes_are_an_error)
{
    expect_file_error(unbalanced[_i], 1, "unbalanced quotes");
}
END_TEST

START_TEST(an_error_names_file_and_line)
{
    expect_file_error(
        "# one\n\nport 7000\nprot 1\n", 4, "unknown directive \"prot\"");
    expect_file_error("port 7000\ntimeout x\n", 2,
        "timeout: \"x\" is not accepted; use a number of seconds, 0 or more");
    expect_file_error("port\n", 1, "port: the value is missing");
    expect_file_error("prot\n", 1, "unknown directive \"prot\"");
    expect_file_error("\xef\xbb\xbfport 1\n", 1,
        "unknown directive \"\\xef\\xbb\\xbfport\"");
    expect_file_error("port 1 2\n", 1,
        "port: \"1 2\" is not accepted; use a number, 0 to 65535");
    expect_file_error("requirepass x # why\n", 1,
        "requirepass: a comment needs a line of its own (or quote the #)");
    expect_file_error("requirepass #\n", 1,
        "requirepass: a comment needs a line of its own (or quote the #)");
    expect_file_error("requirepass \"a\\x00b\"\n", 1,
        "requirepass: the value holds a NUL byte");
}
END_TEST

START_TEST(a_nul_byte_in_a_file_is_an_error)
{
    static const char text[] = "port 7000\nti\0meout 5\n";

    write_file(text, sizeof(text) - 1);
    ck_assert(!options_read_file(o, path, &err));
    ck_assert_ptr_nonnull(strstr(error_text(), ":2: the line holds a NUL"));
    ck_assert_int_eq(net.port, 6379);
}
END_TEST

START_TEST(a_failed_file_changes_nothing)
{
    ck_assert(read_text("port 7000\nrequirepass old\nbuffers a 1\n"));
    ck_assert(!read_text("port 7001\nrequirepass new\nbuffers b 2\n"
                         "maxmemory 1gb\nmaxmemory none\n"));
    ck_assert_int_eq(net.port, 7000);
    ck_assert_str_eq(mem.requirepass, "old");
    ck_assert_str_eq(mem.buffers, "a 1");
    ck_assert_int_eq(mem.maxmemory, OPTION_AUTO);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
    ck_assert(!options_read_file(o, "/nonexistent/ashlar.conf", &err));
    ck_assert_str_eq(
        error_text(), "/nonexistent/ashlar.conf: No such file or directory");
    err.len = 0;
    ck_assert(!options_read_file(o, "/", &err));
    ck_assert_str_eq(error_text(), "/: Is a directory");
    err.len = 0;
    ck_assert(!options_read_file(o, "/dev/zero", &err));
    ck_assert_str_eq(error_text(), "/dev/zero: longer than 1 MiB");
}
END_TEST

START_TEST(a_later_line_replaces_an_earlier_one)
{
    ck_assert(
        read_text("port 7000\nrequirepass a\nport 7001\nrequirepass b\n"));
    ck_assert_int_eq(net.port, 7001);
    ck_assert_str_eq(mem.requirepass, "b");
}
END_TEST

START_TEST(lines_of_a_repeatable_directive_add_up_in_place_of_the_default)
{
    ck_assert(read_text("buffers pubsub 1 2 3\nbuffers normal 4 5 6\n"));
    ck_assert_str_eq(mem.buffers, "pubsub 1 2 3 normal 4 5 6");
    ck_assert(read_text("buffers normal 0 0 0\n"));
    ck_assert_str_eq(mem.buffers, "normal 0 0 0");
}
END_TEST

START_TEST(a_secret_never_stands_in_an_error)
{
    ck_assert(!read_text("pin hunter2\n"));
    ck_assert_ptr_null(strstr(error_text(), "hunter2"));
    ck_assert(!read_text("requirepass \"hunter2\n"));
    ck_assert_ptr_null(strstr(error_text(), "hunter2"));
    ck_assert(!read_text("requirepass hunter2 # hunter2\n"));
    ck_assert_ptr_null(strstr(error_text(), "hunter2"));
}
END_TEST

/* ---- arguments ----------------------------------------------------------- */

static bool
read_args(int argc, const char **argv)
{
    err.len = 0;
    return options_read_args(o, argc, (char **)(void *)argv, &err);
}
#define READ_ARGS(...)                                                         \
    read_args((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),   \
        (const char *[]){__VA_ARGS__})

START_TEST(arguments_set_directives)
{
    ck_assert(READ_ARGS("--port", "7000", "--bind", "10.0.0.1", "::1",
        "--maxmemory-policy", "lfu", "--offset", "-7", "--requirepass", ""));
    ck_assert_int_eq(net.port, 7000);
    ck_assert_str_eq(net.bind, "10.0.0.1 ::1");
    ck_assert_int_eq(mem.maxmemory_policy, 1);
    ck_assert_int_eq(net.offset, -7);
    ck_assert_str_eq(mem.requirepass, "");
}
END_TEST

START_TEST(no_arguments_are_accepted)
{
    ck_assert(read_args(0, NULL));
}
END_TEST

START_TEST(arguments_are_not_unquoted)
{
    ck_assert(READ_ARGS("--requirepass", "\"a\" # b"));
    ck_assert_str_eq(mem.requirepass, "\"a\" # b");
}
END_TEST

START_TEST(a_repeated_argument_counts_as_a_repeated_line)
{
    ck_assert(READ_ARGS("--port", "1", "--buffers", "a 1", "--port", "2",
        "--buffers", "b", "2"));
    ck_assert_int_eq(net.port, 2);
    ck_assert_str_eq(mem.buffers, "a 1 b 2");
}
END_TEST

START_TEST(arguments_override_a_file)
{
    ck_assert(read_text("port 7000\nbuffers a 1\n"));
    ck_assert(READ_ARGS("--port", "7001", "--buffers", "b 2"));
    ck_assert_int_eq(net.port, 7001);
    ck_assert_str_eq(mem.buffers, "b 2");
}
END_TEST

START_TEST(bad_arguments_are_refused_and_change_nothing)
{
    ck_assert(!READ_ARGS("port", "7000"));
    ck_assert_str_eq(
        error_text(), "unexpected argument \"port\"; use --name value");
    ck_assert(!READ_ARGS("--port", "7000", "--timeout"));
    ck_assert_str_eq(error_text(), "timeout: the value is missing");
    ck_assert(!READ_ARGS("--port", "7000", "--prot", "1"));
    ck_assert_str_eq(error_text(), "unknown directive \"prot\"");
    ck_assert(!READ_ARGS("--port", "70000"));
    ck_assert_str_eq(error_text(),
        "port: \"70000\" is not accepted; use a number, 0 to 65535");
    ck_assert(!READ_ARGS("--", "1"));
    ck_assert_str_eq(error_text(), "unknown directive \"\"");
    ck_assert_int_eq(net.port, 6379);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("option_file");
    TCase *t = tcase_create("option_file");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_file_sets_what_it_names_and_nothing_else);
    tcase_add_test(t, an_empty_file_is_accepted);
    tcase_add_loop_test(t, words_are_quoted_and_escaped_as_in_redis_conf, 0,
        ARRAY_LEN(quotings));
    tcase_add_loop_test(
        t, unbalanced_quotes_are_an_error, 0, ARRAY_LEN(unbalanced));
    tcase_add_test(t, an_error_names_file_and_line);
    tcase_add_test(t, a_nul_byte_in_a_file_is_an_error);
    tcase_add_test(t, a_failed_file_changes_nothing);
    tcase_add_test(t, a_file_that_cannot_be_read_is_an_error);
    tcase_add_test(t, a_later_line_replaces_an_earlier_one);
    tcase_add_test(
        t, lines_of_a_repeatable_directive_add_up_in_place_of_the_default);
    tcase_add_test(t, a_secret_never_stands_in_an_error);
    tcase_add_test(t, arguments_set_directives);
    tcase_add_test(t, no_arguments_are_accepted);
    tcase_add_test(t, arguments_are_not_unquoted);
    tcase_add_test(t, a_repeated_argument_counts_as_a_repeated_line);
    tcase_add_test(t, arguments_override_a_file);
    tcase_add_test(t, bad_arguments_are_refused_and_change_nothing);
    return run_suite(s);
}
