/* SPDX-License-Identifier: BSD-3-Clause */
/* command_test.c - what command_run() does around a handler: refusals,
 * counters, replies that are not wanted, prefetch. */
#include "commands/fixture.h"
#include "commands/acl.h"

#include <stdio.h>
#include <stdlib.h>

static void
set_password(const char *password)
{
    struct buf err = {0};

    ck_assert(options_set(h->options, "requirepass", password, true, &err));
    acl_requirepass_changed(&h->commands);
    buf_free(&err);
}

/* ---- refusals ------------------------------------------------------------ */

START_TEST(an_unknown_command_is_named_with_its_arguments)
{
    RUN(h, "-ERR unknown command 'foo', with args beginning with: \r\n", "foo");
    RUN(h,
        "-ERR unknown command 'Foo', with args beginning with: 'a' 'b c' "
        "\r\n",
        "Foo", "a", "b c");
    RUN(h, "-ERR unknown command '', with args beginning with: 'x' \r\n", "",
        "x");
}
END_TEST

START_TEST(the_arguments_of_an_unknown_command_are_cut_at_128_bytes)
{
    char name[301], arg[301], expected[600];

    memset(name, 'n', 300);
    memset(arg, 'a', 300);
    name[300] = arg[300] = '\0';
    snprintf(expected, sizeof(expected),
        "-ERR unknown command '%.128s', with args beginning with: '%.128s' "
        "\r\n",
        name, arg);
    RUN(h, expected, name, arg, "more");
    snprintf(expected, sizeof(expected),
        "-ERR unknown command 'n', with args beginning with: 'b' '%.124s' "
        "\r\n",
        arg);
    RUN(h, expected, "n", "b", arg, "more");
}
END_TEST

START_TEST(line_ends_in_an_unknown_command_do_not_break_the_reply)
{
    RUN(h, "-ERR unknown command 'a  b', with args beginning with: 'c d' \r\n",
        "a\r\nb", "c\nd");
}
END_TEST

START_TEST(an_unknown_subcommand_points_to_help)
{
    RUN(h, "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n", "client",
        "foo");
    RUN(h, "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n", "Command",
        "foo", "bar");
}
END_TEST

START_TEST(a_wrong_number_of_arguments_names_the_command)
{
    RUN(h, "-ERR wrong number of arguments for 'get' command\r\n", "GET");
    RUN(h, "-ERR wrong number of arguments for 'get' command\r\n", "GET", "a",
        "b");
    RUN(h, "-ERR wrong number of arguments for 'client' command\r\n", "CLIENT");
    RUN(h, "-ERR wrong number of arguments for 'client|id' command\r\n",
        "CLIENT", "ID", "x");
}
END_TEST

START_TEST(before_auth_only_commands_that_allow_it_run)
{
    set_password("secret");
    harness_connect(h);
    RUN(h, "-NOAUTH Authentication required.\r\n", "GET", "a");
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
    RUN(h, "-NOAUTH Authentication required.\r\n", "COMMAND", "COUNT");
    RUN(h, "-ERR wrong number of arguments for 'get' command\r\n", "GET");
    RUN(h, "-ERR unknown command 'foo', with args beginning with: \r\n", "foo");
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "+OK\r\n", "QUIT");
}
END_TEST

START_TEST(a_client_from_before_the_password_goes_on)
{
    set_password("secret");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(without_the_password_any_client_may_run_again)
{
    set_password("secret");
    harness_connect(h);
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
    set_password("");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

/* ---- counters ------------------------------------------------------------ */

START_TEST(calls_failures_and_rejections_are_counted_apart)
{
    const char *info;

    SAY(h, "CONFIG", "RESETSTAT");
    SAY(h, "ECHO", "a");
    SAY(h, "ECHO", "b");
    SAY(h, "ECHO");
    SAY(h, "SELECT", "99");
    SAY(h, "foo");
    info = SAY(h, "INFO", "commandstats");
    ck_assert_ptr_nonnull(strstr(info, "\ncmdstat_echo:calls=2,usec="));
    ck_assert_ptr_nonnull(strstr(info, "\ncmdstat_select:calls=1,usec="));
    ck_assert_ptr_nonnull(
        strstr(info, ",rejected_calls=1,failed_calls=0\r\ncmdstat_select"));
    ck_assert_ptr_nonnull(strstr(info, ",rejected_calls=0,failed_calls=1"));
    info = SAY(h, "INFO", "stats");
    ck_assert_ptr_nonnull(strstr(info, "\ntotal_error_replies:3\r\n"));
    /* RESETSTAT itself counts from then on, as do both INFOs. */
    ck_assert_ptr_nonnull(strstr(info, "\ntotal_commands_processed:7\r\n"));
}
END_TEST

START_TEST(errors_are_counted_by_their_code)
{
    const char *info;

    set_password("secret");
    harness_connect(h);
    SAY(h, "GET", "a");
    SAY(h, "AUTH", "wrong");
    SAY(h, "AUTH", "a", "b", "c");
    SAY(h, "AUTH", "secret");
    info = SAY(h, "INFO", "errorstats");
    ck_assert_ptr_nonnull(strstr(info, "errorstat_ERR:count=1\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "errorstat_NOAUTH:count=1\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "errorstat_WRONGPASS:count=1\r\n"));
    info = SAY(h, "INFO", "stats");
    ck_assert_ptr_nonnull(strstr(info, "\nacl_access_denied_auth:1\r\n"));
}
END_TEST

START_TEST(codes_beyond_the_room_for_them_count_as_others)
{
    char line[64];
    const char *info;

    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof(line), "-CODE%d text", i);
        command_stats_error(h->thread, str_of(line));
        command_stats_error(h->thread, STR("-CODE7 text"));
    }
    info = SAY(h, "INFO", "errorstats");
    ck_assert_ptr_nonnull(strstr(info, "errorstat_CODE7:count=201\r\n"));
    ck_assert_ptr_nonnull(strstr(info, "errorstat_CODE126:count=1\r\n"));
    ck_assert_ptr_null(strstr(info, "errorstat_CODE128:"));
    ck_assert_ptr_nonnull(strstr(info, "errorstat_OTHER:count=72\r\n"));
}
END_TEST

START_TEST(a_value_that_looks_like_an_error_is_none)
{
    RUN(h, "$6\r\n-ERR x\r\n", "ECHO", "-ERR x");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "INFO", "stats"), "\ntotal_error_replies:0\r\n"));
}
END_TEST

START_TEST(one_call_in_256_is_measured_on_average)
{
    const struct command *get =
        command_find(h->commands.state->index, STR("get"));
    unsigned n = 0;

    for (int i = 0; i < 256000; i++)
        n += command_stats_measure(h->thread, get);
    ck_assert_uint_gt(n, 900);
    ck_assert_uint_lt(n, 1100);
}
END_TEST

START_TEST(the_time_of_long_commands_is_always_taken)
{
    const char *line;

    SAY(h, "COMMAND", "DOCS");
    SAY(h, "COMMAND", "DOCS");
    line = strstr(SAY(h, "INFO", "commandstats"), "cmdstat_command|docs:");
    ck_assert_ptr_nonnull(line);
    line = strstr(line, ",usec_per_call=");
    ck_assert(strtod(line + strlen(",usec_per_call="), NULL) > 1);
}
END_TEST

START_TEST(the_last_command_of_a_session_is_its_row)
{
    SAY(h, "ECHO", "a");
    ck_assert_str_eq(command_table[h->session->last_command].name, "echo");
    SAY(h, "CLIENT", "ID");
    ck_assert_str_eq(command_table[h->session->last_command].name, "client|id");
    SAY(h, "foo");
    ck_assert_int_eq(h->session->last_command, -1);
}
END_TEST

START_TEST(the_time_of_the_last_command_is_noted)
{
    clock_fake(1700000123456);
    SAY(h, "PING");
    ck_assert_uint_eq(h->session->active_s, 1700000123);
    clock_unfake();
}
END_TEST

/* ---- replies that are not wanted ----------------------------------------- */

START_TEST(reply_off_drops_replies_until_on)
{
    RUN(h, "", "CLIENT", "REPLY", "OFF");
    RUN(h, "", "PING");
    RUN(h, "", "foo");
    RUN(h, "", "CLIENT", "REPLY", "SKIP");
    RUN(h, "", "PING");
    RUN(h, "+OK\r\n", "CLIENT", "REPLY", "ON");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(reply_skip_drops_one_reply)
{
    RUN(h, "", "CLIENT", "REPLY", "SKIP");
    RUN(h, "", "PING");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(reply_on_ends_a_skip_at_once)
{
    RUN(h, "", "CLIENT", "REPLY", "SKIP");
    RUN(h, "+OK\r\n", "CLIENT", "REPLY", "ON");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(a_dropped_reply_lets_go_of_its_extent)
{
    const char *set[] = {"SET", "big"};
    size_t len = 100000;
    char *value = xcalloc(1, len);
    size_t live = extent_live_bytes(h->slab);

    ck_assert_str_eq(
        harness_say_extent(h, set, 2, (struct str){value, len}), "+OK\r\n");
    SAY(h, "CLIENT", "REPLY", "OFF");
    RUN(h, "", "GET", "big");
    ck_assert_uint_eq(h->reply.n_refs, 0);
    SAY(h, "CLIENT", "REPLY", "ON");
    RUN(h, ":1\r\n", "DEL", "big");
    ck_assert_uint_eq(extent_live_bytes(h->slab), live);
    free(value);
}
END_TEST

/* ---- prefetch ------------------------------------------------------------ */

#define PREFETCHED(...) harness_say_prefetched(h, HARNESS_WORDS_(__VA_ARGS__))

START_TEST(a_prefetched_request_answers_the_same)
{
    ck_assert_str_eq(
        PREFETCHED("MSET", "a", "1", "b", "2", "c", "3"), "+OK\r\n");
    ck_assert_str_eq(PREFETCHED("MGET", "a", "x", "c"),
        "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n3\r\n");
    ck_assert_str_eq(PREFETCHED("GET", "b"), "$1\r\n2\r\n");
    ck_assert_str_eq(PREFETCHED("OBJECT", "REFCOUNT", "b"), ":1\r\n");
    RUN(h, "$1\r\n2\r\n", "GET", "b");
}
END_TEST

START_TEST(more_keys_than_are_prefetched_are_found_as_well)
{
    ck_assert_str_eq(
        PREFETCHED("MSET", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5",
            "f", "6", "g", "7", "h", "8", "i", "9", "j", "10"),
        "+OK\r\n");
    ck_assert_str_eq(
        PREFETCHED("DEL", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"),
        ":10\r\n");
}
END_TEST

START_TEST(a_prefetch_survives_any_arguments)
{
    ck_assert_str_eq(PREFETCHED("GET"),
        "-ERR wrong number of arguments for 'get' command\r\n");
    ck_assert_str_eq(PREFETCHED("MSET", "a"),
        "-ERR wrong number of arguments for 'mset' command\r\n");
    ck_assert_str_eq(PREFETCHED(""),
        "-ERR unknown command '', with args beginning with: \r\n");
    ck_assert_str_eq(PREFETCHED("OBJECT", "ENCODING"),
        "-ERR wrong number of arguments for 'object|encoding' command\r\n");
}
END_TEST

START_TEST(a_select_between_prefetch_and_run_counts)
{
    struct resp_arg argv[] = {{.p = "GET", .len = 3}, {.p = "k", .len = 1}};
    struct ks_key keys[REQUEST_PREFETCH_KEYS];
    struct request rq = {.thread = h->thread,
        .session = h->session,
        .argv = argv,
        .argc = 2,
        .reply = &h->reply};

    SAY(h, "SET", "k", "in 0");
    SAY(h, "SELECT", "1");
    SAY(h, "SET", "k", "in 1");
    SAY(h, "SELECT", "0");
    command_make_keys(&rq, keys);
    SAY(h, "SELECT", "1");
    h->out.len = 0;
    command_run(&rq);
    ck_assert_mem_eq(h->out.p, "$4\r\nin 1\r\n", h->out.len);
}
END_TEST

/* ---- arguments ----------------------------------------------------------- */

START_TEST(a_key_that_is_too_long_is_refused_as_such)
{
    char *key = xcalloc(1, KS_MAX_KEY + 2);

    memset(key, 'k', KS_MAX_KEY + 1);
    RUN(h, "-ERR key is longer than 8192 bytes\r\n", "SET", key, "v");
    key[KS_MAX_KEY] = '\0';
    RUN(h, "+OK\r\n", "SET", key, "v");
    free(key);
}
END_TEST

START_TEST(a_large_scratch_is_given_back)
{
    buf_reserve(&h->thread->scratch, MIB);
    SAY(h, "PING");
    ck_assert_uint_eq(h->thread->scratch.cap, 0);
}
END_TEST

HARNESS_MAIN("command", start, stop,
    an_unknown_command_is_named_with_its_arguments,
    the_arguments_of_an_unknown_command_are_cut_at_128_bytes,
    line_ends_in_an_unknown_command_do_not_break_the_reply,
    an_unknown_subcommand_points_to_help,
    a_wrong_number_of_arguments_names_the_command,
    before_auth_only_commands_that_allow_it_run,
    a_client_from_before_the_password_goes_on,
    without_the_password_any_client_may_run_again,
    calls_failures_and_rejections_are_counted_apart,
    errors_are_counted_by_their_code,
    codes_beyond_the_room_for_them_count_as_others,
    a_value_that_looks_like_an_error_is_none,
    one_call_in_256_is_measured_on_average,
    the_time_of_long_commands_is_always_taken,
    the_last_command_of_a_session_is_its_row,
    the_time_of_the_last_command_is_noted, reply_off_drops_replies_until_on,
    reply_skip_drops_one_reply, reply_on_ends_a_skip_at_once,
    a_dropped_reply_lets_go_of_its_extent,
    a_prefetched_request_answers_the_same,
    more_keys_than_are_prefetched_are_found_as_well,
    a_prefetch_survives_any_arguments, a_select_between_prefetch_and_run_counts,
    a_key_that_is_too_long_is_refused_as_such, a_large_scratch_is_given_back)
