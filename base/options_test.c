/* SPDX-License-Identifier: BSD-3-Clause */
/* options_test.c - directives: values, names, live changes, error sentences. */
#include "base/options_fixture.h"

#include <pthread.h>

/* ---- values -------------------------------------------------------------- */

START_TEST(every_value_starts_with_its_default)
{
    expect_defaults();
}
END_TEST

static const struct {
    const char *text;
    int64_t bytes;
} sizes[] = {
    {"0", 0},
    {"1", 1},
    {"100b", 100},
    {"1k", 1000},
    {"1kb", 1024},
    {"1K", 1000},
    {"1Kb", 1024},
    {"2m", 2000000},
    {"2mb", 2 << 20},
    {"3g", 3000000000},
    {"3gb", (int64_t)3 << 30},
    {"3GB", (int64_t)3 << 30},
    {"007mb", 7 << 20},
    {"9223372036854775807", INT64_MAX},
    {"8589934591gb", ((int64_t)8589934591) << 30},
};

START_TEST(a_size_takes_the_units_of_redis)
{
    ck_assert(set("maxmemory", sizes[_i].text));
    ck_assert_int_eq(mem.maxmemory, sizes[_i].bytes);
}
END_TEST

static const char *const no_sizes[] = {"", "b", "kb", "-1", "+1", "1 kb",
    " 1kb", "1kb ", "1tb", "1kbb", "1.5gb", "0x10", "9223372036854775808",
    "8589934592gb", "9223372036854775807k", "99999999999999999999", "1kb2"};

START_TEST(a_bad_size_is_refused)
{
    ck_assert(!set("maxmemory", no_sizes[_i]));
    ck_assert_int_eq(mem.maxmemory, OPTION_AUTO);
}
END_TEST

START_TEST(a_memory_limit_can_be_a_percentage)
{
    ck_assert(set("maxmemory", "1%"));
    ck_assert_int_eq(mem.maxmemory, -1);
    ck_assert(set("maxmemory", "100%"));
    ck_assert_int_eq(mem.maxmemory, -100);
    ck_assert_str_eq(shown("maxmemory"), "100%");
}
END_TEST

static const char *const no_percents[] = {"0%", "101%", "-5%", "%", "5 %",
    "5%%", "1.5%", "05%", "9999999999999999999%"};

START_TEST(a_bad_percentage_is_refused)
{
    ck_assert(!set("maxmemory", no_percents[_i]));
    ck_assert_int_eq(mem.maxmemory, OPTION_AUTO);
}
END_TEST

START_TEST(a_plain_size_is_no_percentage_nor_auto)
{
    ck_assert(!set("threshold", "50%"));
    ck_assert(!set("threshold", "auto"));
}
END_TEST

START_TEST(auto_is_read_in_any_case_and_printed)
{
    ck_assert(set("maxmemory", "1gb"));
    ck_assert(set("maxmemory", "AUTO"));
    ck_assert_int_eq(mem.maxmemory, OPTION_AUTO);
    ck_assert_str_eq(shown("maxmemory"), "auto");
}
END_TEST

START_TEST(range_ends_are_accepted_and_their_neighbours_refused)
{
    ck_assert(set("threshold", "1024"));
    ck_assert(set("threshold", "16kb"));
    ck_assert(!set("threshold", "1023"));
    ck_assert(!set("threshold", "16385"));
    ck_assert_int_eq(mem.threshold, 16384);
    ck_assert(set("offset", "100"));
    ck_assert(!set("offset", "101"));
    ck_assert(set("offset", "-9223372036854775808"));
    ck_assert_int_eq(net.offset, INT64_MIN);
    ck_assert_str_eq(shown("offset"), "-9223372036854775808");
}
END_TEST

static const char *const no_numbers[] = {"", "abc", "1a", "1kb", "+1", "01",
    " 1", "1 ", "-", "--1", "0x1", "99999999999999999999"};

START_TEST(a_bad_number_is_refused)
{
    ck_assert(!set("timeout", no_numbers[_i]));
    ck_assert_int_eq(net.timeout, 0);
}
END_TEST

START_TEST(a_word_of_a_list_is_read_in_any_case)
{
    ck_assert(set("maxmemory-policy", "NoNe"));
    ck_assert_int_eq(mem.maxmemory_policy, 2);
    ck_assert_str_eq(shown("maxmemory-policy"), "none");
}
END_TEST

START_TEST(a_part_of_a_list_word_is_refused)
{
    ck_assert(!set("maxmemory-policy", "lr"));
    ck_assert(!set("maxmemory-policy", "lru|lfu"));
    ck_assert(!set("maxmemory-policy", "lruu"));
    ck_assert(!set("maxmemory-policy", ""));
    ck_assert(!set("maxmemory-policy", "1"));
    ck_assert_int_eq(mem.maxmemory_policy, 0);
}
END_TEST

START_TEST(a_switch_is_yes_or_no)
{
    ck_assert(set("tidy", "NO"));
    ck_assert_int_eq(mem.tidy, 0);
    ck_assert_str_eq(shown("tidy"), "no");
    ck_assert(set("tidy", "yes"));
    ck_assert_int_eq(mem.tidy, 1);
    ck_assert(!set("tidy", "true"));
    ck_assert(!set("tidy", "1"));
    ck_assert_int_eq(mem.tidy, 1);
}
END_TEST

START_TEST(a_mode_is_octal)
{
    ck_assert(read_text("unixsocketperm 0640\n"));
    ck_assert_int_eq(net.unixsocketperm, 0640);
    ck_assert_str_eq(shown("unixsocketperm"), "640");
    ck_assert(!read_text("unixsocketperm 800\n"));
    ck_assert(!read_text("unixsocketperm 1000\n"));
    ck_assert(!read_text("unixsocketperm \"\"\n"));
    ck_assert(!read_text("unixsocketperm 777777777777777777777777\n"));
    ck_assert_int_eq(net.unixsocketperm, 0640);
}
END_TEST

START_TEST(a_string_is_taken_as_it_is)
{
    ck_assert(set("requirepass", "a \"b\" 'c' #d \\"));
    ck_assert_str_eq(mem.requirepass, "a \"b\" 'c' #d \\");
    ck_assert_str_eq(shown("requirepass"), "a \"b\" 'c' #d \\");
}
END_TEST

/* ---- names --------------------------------------------------------------- */

START_TEST(a_name_is_found_in_any_case_with_dash_or_underscore)
{
    const struct option *row = options_find(o, STR("maxmemory-policy"));
    char name[32];

    ck_assert_ptr_nonnull(row);
    ck_assert_ptr_eq(options_find(o, STR("MaxMemory_Policy")), row);
    ck_assert_ptr_null(options_find(o, STR("maxmemory-polic")));
    ck_assert_ptr_null(options_find(o, STR("maxmemory-policyy")));
    ck_assert_ptr_null(options_find(o, STR("")));
    ck_assert_str_eq(option_name(row, name, sizeof(name)), "maxmemory-policy");
}
END_TEST

START_TEST(another_name_of_a_row_leads_to_the_row)
{
    ck_assert(set("tune-once", "7"));
    ck_assert_int_eq(mem.tune_one, 7);
    ck_assert_str_eq(shown("tune-once"), "7");
    ck_assert_ptr_eq(
        options_find(o, STR("TUNE_ONCE")), options_find(o, STR("tune-one")));
    ck_assert(!set("tune-once", "10"));
    ck_assert_int_eq(mem.tune_one, 7);
    /* of a row of another module */
    ck_assert_ptr_eq(
        options_find(o, STR("listen-port")), options_find(o, STR("port")));
}
END_TEST

static void
count_row(void *ctx, const char *title, const struct option *row)
{
    size_t *n = ctx;

    ck_assert_str_eq(title, *n < ARRAY_LEN(net_rows) ? "Network" : "Memory");
    ck_assert_ptr_nonnull(row);
    ++*n;
}

START_TEST(each_row_is_visited_in_order_of_the_modules)
{
    size_t n = 0;

    options_each(o, count_row, &n);
    ck_assert_uint_eq(n, ARRAY_LEN(net_rows) + ARRAY_LEN(mem_rows));
}
END_TEST

/* ---- live changes -------------------------------------------------------- */

START_TEST(a_start_only_directive_is_refused_while_the_program_runs)
{
    ck_assert(!set("port", "7000"));
    ck_assert_str_eq(
        error_text(), "port: can't set immutable config; it is read at start");
    ck_assert_int_eq(net.port, 6379);
    ck_assert(options_set(o, "port", "7000", false, &err));
    ck_assert_int_eq(net.port, 7000);
}
END_TEST

START_TEST(an_unknown_directive_is_refused)
{
    ck_assert(!set("prot", "7000"));
    ck_assert_str_eq(error_text(), "unknown directive \"prot\"");
}
END_TEST

START_TEST(setting_a_repeatable_directive_replaces_it)
{
    ck_assert(set("buffers", "pubsub 1 2 3"));
    ck_assert(set("buffers", "normal 4 5 6"));
    ck_assert_str_eq(mem.buffers, "normal 4 5 6");
}
END_TEST

START_TEST(a_directive_without_effect_keeps_its_value)
{
    ck_assert(set("save", "900 1"));
    ck_assert_str_eq(shown("save"), "900 1");
}
END_TEST

START_TEST(a_fixed_directive_stays_and_says_why)
{
    ck_assert(set("follow", ""));
    ck_assert(!set("follow", "somebody"));
    ck_assert_str_eq(error_text(), "follow stays \"\": Nobody is followed.");
    ck_assert_str_eq(shown("follow"), "");
    /* At start it is a warning. */
    ck_assert(options_set(o, "follow", "somebody", false, &err));
    ck_assert(read_text("follow somebody\nport 7000\n"));
    ck_assert_str_eq(mem.follow, "");
    ck_assert_int_eq(net.port, 7000);
}
END_TEST

START_TEST(a_string_can_be_copied_out)
{
    struct buf out = {0};

    ck_assert(set("requirepass", "secret"));
    buf_append(&out, "<", 1);
    options_copy_string(o, &mem.requirepass, &out);
    ck_assert_uint_eq(out.len, 7);
    ck_assert_mem_eq(out.p, "<secret", 7);
    buf_free(&out);
}
END_TEST

static void *
set_over_and_over(void *arg)
{
    struct buf reason = {0};

    (void)arg;
    for (int i = 0; i < 2000; i++) {
        ASSERT(options_set(
            o, "requirepass", i % 2 ? "odd" : "even-even", true, &reason));
        ASSERT(
            options_set(o, "timeout", i % 2 ? "1" : "1000000", true, &reason));
    }
    return NULL;
}

START_TEST(readers_see_whole_values_while_another_thread_sets_them)
{
    struct buf out = {0};
    pthread_t writer;

    ck_assert(set("requirepass", "odd") && set("timeout", "1"));
    ck_assert_int_eq(pthread_create(&writer, NULL, set_over_and_over, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        int64_t timeout = option_get_i64(&net.timeout);

        ck_assert(timeout == 1 || timeout == 1000000);
        out.len = 0;
        options_copy_string(o, &mem.requirepass, &out);
        ck_assert((out.len == 3 && memcmp(out.p, "odd", 3) == 0) ||
            (out.len == 9 && memcmp(out.p, "even-even", 9) == 0));
    }
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    buf_free(&out);
}
END_TEST

/* ---- error sentences ----------------------------------------------------- */

static const struct {
    const char *name, *value, *sentence;
} refusals[] = {
    {"timeout", "abc",
        "timeout: \"abc\" is not accepted; use a number of seconds, 0 or more"},
    {"offset", "101",
        "offset: \"101\" is not accepted; use a number, 100 or less"},
    {"threshold", "17kb",
        "threshold: \"17kb\" is not accepted; use a size such as 64kb or 1gb, "
        "1kb to 16kb"},
    {"maxmemory", "lots",
        "maxmemory: \"lots\" is not accepted; use a size such as 512mb or 1gb "
        "(0 or more), 1% to 100%, or auto"},
    {"maxmemory-policy", "x",
        "maxmemory-policy: \"x\" is not accepted; use lru, lfu or none"},
    {"tidy", "maybe", "tidy: \"maybe\" is not accepted; use yes or no"},
    {"pin", "12345", "pin: the value is not accepted; use a number, 0 to 9999"},
};

START_TEST(a_refusal_names_directive_value_and_what_is_accepted)
{
    ck_assert(!set(refusals[_i].name, refusals[_i].value));
    ck_assert_str_eq(error_text(), refusals[_i].sentence);
}
END_TEST

START_TEST(the_check_of_a_module_can_refuse_what_the_type_accepts)
{
    ck_assert(!options_set(o, "port", "13", false, &err));
    ck_assert_str_eq(
        error_text(), "port: \"13\" is not accepted; brings bad luck");
    ck_assert_int_eq(net.port, 6379);
    expect_file_error("bind bad host\n", 1,
        "bind: \"bad host\" is not accepted; not an address");
    ck_assert_str_eq(net.bind, "127.0.0.1 -::1");
}
END_TEST

START_TEST(a_long_value_is_cut_in_the_error)
{
    char value[4096];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    ck_assert(!set("tidy", value));
    ck_assert_uint_lt(err.len, 200);
    ck_assert(!set(value, "yes"));
    ck_assert_uint_lt(err.len, 200);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("options");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_value_starts_with_its_default);
    tcase_add_loop_test(
        t, a_size_takes_the_units_of_redis, 0, ARRAY_LEN(sizes));
    tcase_add_loop_test(t, a_bad_size_is_refused, 0, ARRAY_LEN(no_sizes));
    tcase_add_test(t, a_memory_limit_can_be_a_percentage);
    tcase_add_loop_test(
        t, a_bad_percentage_is_refused, 0, ARRAY_LEN(no_percents));
    tcase_add_test(t, a_plain_size_is_no_percentage_nor_auto);
    tcase_add_test(t, auto_is_read_in_any_case_and_printed);
    tcase_add_test(t, range_ends_are_accepted_and_their_neighbours_refused);
    tcase_add_loop_test(t, a_bad_number_is_refused, 0, ARRAY_LEN(no_numbers));
    tcase_add_test(t, a_word_of_a_list_is_read_in_any_case);
    tcase_add_test(t, a_part_of_a_list_word_is_refused);
    tcase_add_test(t, a_switch_is_yes_or_no);
    tcase_add_test(t, a_mode_is_octal);
    tcase_add_test(t, a_string_is_taken_as_it_is);
    tcase_add_test(t, a_name_is_found_in_any_case_with_dash_or_underscore);
    tcase_add_test(t, another_name_of_a_row_leads_to_the_row);
    tcase_add_test(t, each_row_is_visited_in_order_of_the_modules);
    tcase_add_test(t, a_start_only_directive_is_refused_while_the_program_runs);
    tcase_add_test(t, an_unknown_directive_is_refused);
    tcase_add_test(t, setting_a_repeatable_directive_replaces_it);
    tcase_add_test(t, a_directive_without_effect_keeps_its_value);
    tcase_add_test(t, a_fixed_directive_stays_and_says_why);
    tcase_add_test(t, a_string_can_be_copied_out);
    tcase_add_test(t, readers_see_whole_values_while_another_thread_sets_them);
    tcase_add_loop_test(t, a_refusal_names_directive_value_and_what_is_accepted,
        0, ARRAY_LEN(refusals));
    tcase_add_test(t, the_check_of_a_module_can_refuse_what_the_type_accepts);
    tcase_add_test(t, a_long_value_is_cut_in_the_error);
    return run_suite(s);
}
