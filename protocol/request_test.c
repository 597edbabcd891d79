/* SPDX-License-Identifier: BSD-3-Clause */
/* request_test.c - the parser of requests: streams, errors, limits, large
 * bulks. */
#include "protocol/resp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/request_feed.h"

/* ---- streams and what they mean ------------------------------------------ */

struct stream {
    struct str bytes;
    const char *log; /* see request_feed.h */
};

#define PROTO "!Protocol error: "

/* clang-format off */
static const struct stream streams[] = {
    /* arrays of bulks */
    {STR("*1\r\n$4\r\nPING\r\n"), "[PING]"},
    {STR("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"),
        "[SET|key|value]"},
    {STR("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"
         "*1\r\n$4\r\nQUIT\r\n"),
        "[GET|a][GET|b][QUIT]"},
    {STR("*2\r\n$0\r\n\r\n$0\r\n\r\n"), "[|]"},
    {STR("*2\r\n$4\r\nECHO\r\n$6\r\n\r\n\0*1\r\r\n"),
        "[ECHO|\\x0d\\x0a\\x00*1\\x0d]"},
    {STR("*2\r\n$4\r\nECHO\r\n$11\r\n*1\r\n$1\r\nx\r\n\r\n"),
        "[ECHO|*1\\x0d\\x0a$1\\x0d\\x0ax\\x0d\\x0a]"},
    {STR("*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"
         "$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n"
         "$1\r\nl\r\n*1\r\n$1\r\nm\r\n"),
        "[a|b|c|d|e|f|g|h|i|j|k|l][m]"},
    {STR("*3\r\n$4\r\nMSET\r\n$1\r\nk\r\n$16\r\n0123456789abcdef\r\n"
         "*5\r\n$4\r\nMSET\r\n$1\r\nk\r\n$4\r\nwxyz\r\n$2\r\nkk\r\n"
         "$16\r\n0123456789abcdef\r\nPING\r\n"),
        "[MSET|k|0123456789abcdef][MSET|k|wxyz|kk|0123456789abcdef][PING]"},
    /* empty commands */
    {STR("*0\r\n"), ""},
    {STR("*-1\r\n*-9223372036854775808\r\n*0\r\n"), ""},
    {STR("*0\r\n*1\r\n$4\r\nPING\r\n\r\n\n*0\r\nPING\n \t\n"),
        "[PING][PING]"},
    {STR("\r\n\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"), "[GET|key]"},
    /* half commands */
    {STR(""), ""},
    {STR("*"), "~"},
    {STR("*1\r"), "~"},
    {STR("*1\r\n"), "~"},
    {STR("*0\r\n*2\r\n$3\r\nGET\r\n"), "~"},
    {STR("*1\r\n$4\r\nPING\r"), "~"},
    {STR("*1\r\n$4\r\nPING\r\nPI"), "[PING]~"},
    {STR("*1\r\n*4"), "~"},
    /* the bytes that end a line after CR, or a bulk, are not looked at */
    {STR("*1\rX$4\r\nPINGXXPING\n"), "[PING][PING]"},
    {STR("*1\r\n$4\r*PING\r\n"), "[PING]"},
    {STR("*1\r\n$4\r\nPINGXX"), "[PING]"},
    {STR("*1\r\n$3\r\nPING\r\n*1\r\n"), "[PIN]~"},
    /* inline */
    {STR("PING\r\n"), "[PING]"},
    {STR("PING\n"), "[PING]"},
    {STR("  SET \t key\t  value \r\n"), "[SET|key|value]"},
    {STR("\v\fSET\va \v b\f\r\n"), "[SET\\x0ba|b\\x0c]"},
    {STR("GET a\rb\r\r\n"), "[GET|a|b]"},
    {STR("SET \"a b\" 'c \"d'\r\n"), "[SET|a b|c \"d]"},
    {STR("SET a\"b\" c'd'\r\n"), "[SET|ab|cd]"},
    {STR("SET \"\" ''\r\n"), "[SET||]"},
    {STR("ECHO \"\\x41\\xfF\\x00\\x4\\xg0\"\r\n"),
        "[ECHO|A\\xff\\x00x4xg0]"},
    {STR("ECHO \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n"),
        "[ECHO|\\x0a\\x0d\\x09\\x08\\x07\\x5c\"q]"},
    {STR("ECHO 'a\\'b\\n\\\\''\r\n"), "[ECHO|a'b\\x5cn\\x5c']"},
    {STR("ECHO a\\nb\r\n"), "[ECHO|a\\x5cnb]"},
    {STR("ECHO \"a\"\vb\r\n"), "[ECHO|a|b]"},
    {STR("ECHO a\0b\r\n"), "[ECHO|a\\x00b]"},
    {STR("$3\r\n+OK\r\n"), "[$3][+OK]"},
    {STR("ECHO \"a\"\r\n*1\r\n$4\r\nPING\r\nECHO 'b'\r\n"),
        "[ECHO|a][PING][ECHO|b]"},
    {STR("ECHO \"a"), "~"},
    /* errors */
    {STR("*\r\n"), PROTO "invalid multibulk length"},
    {STR("*x\r\n"), PROTO "invalid multibulk length"},
    {STR("*1 \r\n"), PROTO "invalid multibulk length"},
    {STR("*+1\r\n"), PROTO "invalid multibulk length"},
    {STR("*01\r\n"), PROTO "invalid multibulk length"},
    {STR("*-\r\n"), PROTO "invalid multibulk length"},
    {STR("*-0\r\n"), PROTO "invalid multibulk length"},
    {STR("*1\0\r\n"), PROTO "invalid multibulk length"},
    {STR("*2147483648\r\n"), PROTO "invalid multibulk length"},
    {STR("*9223372036854775808\r\n"), PROTO "invalid multibulk length"},
    {STR("*99999999999999999999999\r\n"), PROTO "invalid multibulk length"},
    {STR("*1\r\n$\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n$x\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n$-1\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n$04\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n$4x\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n$536870913\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n$18446744073709551617\r\n"), PROTO "invalid bulk length"},
    {STR("*1\r\n*1\r\n"), PROTO "expected '$', got '*'"},
    {STR("*1\r\nPING\r\n"), PROTO "expected '$', got 'P'"},
    {STR("*1\r\n\r\n"), PROTO "expected '$', got ' '"},
    {STR("*1\r\n\n\r\n"), PROTO "expected '$', got ' '"},
    {STR("*2\r\n$4\r\nPING\r\nx\r\n"), PROTO "expected '$', got 'x'"},
    {STR("GET \"a\r\n"), PROTO "unbalanced quotes in request"},
    {STR("GET 'a\r\n"), PROTO "unbalanced quotes in request"},
    {STR("GET \"a\"b\r\n"), PROTO "unbalanced quotes in request"},
    {STR("GET 'a'b\r\n"), PROTO "unbalanced quotes in request"},
    {STR("GET 'a\\'\r\n"), PROTO "unbalanced quotes in request"},
    {STR("GET \"a\\\r\n"), PROTO "unbalanced quotes in request"},
    {STR("PING\r\nGET \"\r\nPING\r\n"),
        "[PING]" PROTO "unbalanced quotes in request"},
};

static const struct stream unauthenticated_streams[] = {
    {STR("*10\r\n$1\r\na\r\n"), "~"},
    {STR("*11\r\n"), PROTO "unauthenticated multibulk length"},
    {STR("*2147483648\r\n"), PROTO "invalid multibulk length"},
    {STR("*1\r\n$16384\r\n"), "~"},
    {STR("*1\r\n$16385\r\n"), PROTO "unauthenticated bulk length"},
};
/* clang-format on */

static const size_t large_mins[] = {SIZE_MAX, 1, 4, 16};

static void
configure(struct feeder *f, size_t large_min, bool unauthenticated)
{
    feeder_init(f);
    f->parser.large_min = large_min;
    f->parser.unauthenticated = unauthenticated;
}

/* Feed `s` in two parts, the first of `split` bytes in chunks of `step`, and
 * compare what comes out. */
static void
expect_log(const struct stream *s, const struct feeder *settings, size_t split,
    size_t step)
{
    struct feeder f;
    bool good = true;
    const char *log;

    configure(&f, settings->parser.large_min, settings->parser.unauthenticated);
    for (size_t i = 0; good && i < split; i += step)
        good = feeder_feed(&f, s->bytes.p + i, MIN(step, split - i));
    if (good)
        good = feeder_feed(&f, s->bytes.p + split, s->bytes.len - split);
    log = feeder_log(&f, !good);
    ck_assert_msg(strcmp(log, s->log) == 0,
        "split %zu step %zu large_min %zu:\n%s\nwant:\n%s", split, step,
        f.parser.large_min, log, s->log);
    feeder_free(&f);
}

static void
expect_log_for_any_split(const struct stream *s, bool unauthenticated)
{
    for (size_t i = 0; i < ARRAY_LEN(large_mins); i++) {
        struct feeder settings;

        configure(&settings, large_mins[i], unauthenticated);
        expect_log(s, &settings, s->bytes.len, 1);
        expect_log(s, &settings, s->bytes.len, 3);
        for (size_t split = 0; split <= s->bytes.len; split++)
            expect_log(s, &settings, split, SIZE_MAX);
    }
}

START_TEST(a_stream_gives_the_same_commands_for_any_split)
{
    expect_log_for_any_split(&streams[_i], false);
}
END_TEST

START_TEST(before_authentication_the_limits_are_tighter)
{
    expect_log_for_any_split(&unauthenticated_streams[_i], true);
}
END_TEST

/* ---- one parser without a feeder ----------------------------------------- */

static struct resp_parser parser;

static void
setup(void)
{
    resp_parser_init(&parser);
}

static void
teardown(void)
{
    resp_parser_free(&parser);
}

/* Parse a C string once; the copy lives until the next call. */
static enum resp_status
parse(const char *text)
{
    static char copy[256];

    ck_assert_uint_lt(strlen(text), sizeof(copy));
    memcpy(copy, text, strlen(text) + 1);
    return resp_parse(&parser, copy, strlen(copy));
}

/* ---- commands that begin as the one before ------------------------------- */

/* What is taken of the first `len` bytes, which stand alone in memory. */
static int
take(struct resp_head *head, const char *bytes, size_t len,
    struct resp_arg argv[16], size_t *consumed)
{
    char *input = malloc(MAX(len, 1));
    struct resp_parser p;
    int argc;

    resp_parser_init(&p);
    memcpy(input, bytes, len);
    *consumed = 0;
    argc = resp_take_short(&p, head, input, len, argv, 16, consumed);
    for (int i = 0; i < argc; i++) /* as offsets, to be compared */
        argv[i].at = (size_t)(argv[i].p - input);
    resp_parser_free(&p);
    free(input);
    return argc;
}

static void
must_take_the_same(struct str bytes, size_t len, const char *former)
{
    struct resp_arg a[16], b[16];
    struct resp_head none = {.argc = 0}, head = {.argc = 0};
    size_t consumed_a, consumed_b;
    int n;

    ck_assert_int_gt(take(&head, former, strlen(former), a, &consumed_a), 0);
    ck_assert_int_gt(head.argc, 0);
    n = take(&none, bytes.p, len, a, &consumed_a);
    ck_assert_int_eq(take(&head, bytes.p, len, b, &consumed_b), n);
    ck_assert_uint_eq(consumed_a, consumed_b);
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(a[i].at, b[i].at);
        ck_assert_uint_eq(a[i].len, b[i].len);
    }
}

START_TEST(the_command_before_makes_no_difference)
{
    static const char *const formers[] = {
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "*1\r\n$4\r\nPING\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
        "*2\r\n$4\r\nTYPE\r\n$1\r\na\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        for (size_t len = 0; len <= streams[i].bytes.len; len++)
            for (size_t f = 0; f < ARRAY_LEN(formers); f++)
                must_take_the_same(streams[i].bytes, len, formers[f]);
}
END_TEST

START_TEST(a_head_is_kept_only_of_a_word)
{
    static const char *const none[] = {
        "*01\r\n$4\r\nPING\r\n", "*1\r\n$10\r\n0123456789\r\n",
        "*1\r\n$04\r\nPING\r\n"};
    struct resp_arg argv[16];
    size_t consumed;

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct resp_head head = {.argc = 0};
        (void)take(&head, none[i], strlen(none[i]), argv, &consumed);
        ck_assert_int_eq(head.argc, 0);
    }
}
END_TEST

/* A command of one bulk of `n` bytes, with its count of digits. */
static struct str
bulk_of(size_t n, char *bytes, size_t room)
{
    int head = snprintf(bytes, room, "*1\r\n$%zu\r\n", n);

    memset(bytes + head, 'x', n);
    memcpy(bytes + (size_t)head + n, "\r\n", 2);
    return (struct str){bytes, (size_t)head + n + 2};
}

START_TEST(bulks_of_up_to_four_digits_are_short)
{
    static const size_t lengths[] = {1, 9, 10, 99, 100, 999, 1000, 9999};
    static char bytes[10032];
    struct resp_head head = {.argc = 0};
    struct resp_arg argv[16];
    size_t consumed;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct str all = bulk_of(lengths[i], bytes, sizeof(bytes));

        for (size_t len = 0; len < MIN(all.len, 24); len++)
            ck_assert_int_eq(take(&head, all.p, len, argv, &consumed), 0);
        ck_assert_int_eq(take(&head, all.p, all.len - 1, argv, &consumed), 0);
        ck_assert_int_eq(take(&head, all.p, all.len, argv, &consumed), 1);
        ck_assert_uint_eq(argv[0].len, lengths[i]);
        ck_assert_uint_eq(consumed, all.len);
    }
    ck_assert_int_eq(take(&head, "*1000\r", 6, argv, &consumed), 0);
}
END_TEST

START_TEST(a_count_of_four_digits_may_lack_its_end)
{
    ck_assert_int_eq(parse("*1000\r"), RESP_MORE);
    ck_assert_int_eq(parse("*1000\r\n$1\r\nx\r\n"), RESP_MORE);
}
END_TEST

START_TEST(a_fresh_parser_owns_no_memory)
{
    ck_assert_ptr_null(parser.argv);
    ck_assert_uint_eq(resp_parser_bytes(&parser), 0);
    ck_assert(resp_parser_idle(&parser));
}
END_TEST

START_TEST(arguments_point_into_the_input)
{
    char input[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";

    ck_assert_int_eq(resp_parse(&parser, input, strlen(input)), RESP_COMMAND);
    ck_assert_ptr_eq(parser.argv[0].p, input + 8);
    ck_assert_ptr_eq(parser.argv[1].p, input + 17);
    ck_assert_uint_eq(parser.consumed, strlen(input));
}
END_TEST

START_TEST(inline_words_are_resolved_in_place)
{
    char input[] = "ECHO \"\\x41\\x42\" c\r\n";

    ck_assert_int_eq(resp_parse(&parser, input, strlen(input)), RESP_COMMAND);
    ck_assert_ptr_eq(parser.argv[1].p, input + 5);
    ck_assert_mem_eq(parser.argv[1].p, "AB", 2);
    ck_assert_ptr_eq(parser.argv[2].p, input + 16);
}
END_TEST

START_TEST(argv_is_reused_from_command_to_command)
{
    struct resp_arg *argv;

    ck_assert_int_eq(parse("*1\r\n$4\r\nPING\r\n"), RESP_COMMAND);
    argv = parser.argv;
    ck_assert_int_eq(parse("*2\r\n$4\r\nECHO\r\n$1\r\na\r\n"), RESP_COMMAND);
    ck_assert_ptr_eq(parser.argv, argv);
}
END_TEST

START_TEST(a_count_alone_allocates_nothing)
{
    ck_assert_int_eq(parse("*1048576\r\n"), RESP_MORE);
    ck_assert_int_eq(parser.argv_cap, 0);
    resp_parser_reset(&parser);
    ck_assert_int_eq(parse("*2147483647\r\n$536870912\r\n"), RESP_MORE);
    ck_assert_int_le(parser.argv_cap, 8);
}
END_TEST

START_TEST(skipped_empty_commands_may_be_dropped_at_once)
{
    ck_assert_int_eq(parse("*0\r\n\r\n*2\r\n$1\r\na\r\n$1"), RESP_MORE);
    ck_assert_uint_eq(parser.consumed, 6);
    ck_assert_int_eq(parse("*2\r\n$1\r\na\r\n$1\r\nb\r\n"), RESP_COMMAND);
    ck_assert_uint_eq(parser.consumed, 18);
    ck_assert_mem_eq(parser.argv[0].p, "a", 1);
}
END_TEST

START_TEST(skipped_empty_commands_stay_before_a_large_bulk)
{
    static char big[] = "0123456789";

    parser.large_min = 10;
    ck_assert_int_eq(parse("\r\n*2\r\n$1\r\na\r\n$10\r\n"), RESP_LARGE);
    ck_assert_uint_eq(parser.consumed, 0);
    ck_assert_uint_eq(parser.pos, 18);
    resp_large_done(&parser, big, 1);
    ck_assert_int_eq(
        parse("\r\n*2\r\n$1\r\na\r\n$10\r\n\r\nPING\r\n"), RESP_COMMAND);
    ck_assert_uint_eq(parser.consumed, 20);
    ck_assert_mem_eq(parser.argv[0].p, "a", 1);
}
END_TEST

START_TEST(an_error_stays_until_the_parser_is_reset)
{
    ck_assert_int_eq(parse("*1\r\n+\r\n"), RESP_ERROR);
    ck_assert_int_eq(parse("*1\r\n+\r\n$4\r\nPING\r\n"), RESP_ERROR);
    resp_parser_reset(&parser);
    ck_assert_int_eq(parse("PING\r\n"), RESP_COMMAND);
}
END_TEST

START_TEST(reset_forgets_a_half_read_command)
{
    ck_assert_int_eq(parse("*3\r\n$3\r\nSET\r\n$1000\r\n"), RESP_MORE);
    ck_assert(!resp_parser_idle(&parser));
    resp_parser_reset(&parser);
    ck_assert(resp_parser_idle(&parser));
    ck_assert_int_eq(parse("*1\r\n$4\r\nPING\r\n"), RESP_COMMAND);
    ck_assert_int_eq(parser.argc, 1);
}
END_TEST

START_TEST(reset_forgets_a_half_read_line)
{
    ck_assert_int_eq(parse("*10000000"), RESP_MORE);
    resp_parser_reset(&parser);
    ck_assert_int_eq(parse("*1\r\n$4\r\nPING\r\n"), RESP_COMMAND);
}
END_TEST

START_TEST(shrink_releases_argv_between_commands)
{
    ck_assert_int_eq(parse("PING\r\n"), RESP_COMMAND);
    resp_parser_shrink(&parser);
    ck_assert_uint_eq(resp_parser_bytes(&parser), 0);
    ck_assert_int_eq(parse("PING\r\n"), RESP_COMMAND);
}
END_TEST

START_TEST(shrink_keeps_the_arguments_of_a_half_read_command)
{
    ck_assert_int_eq(parse("*2\r\n$4\r\nECHO\r\n"), RESP_MORE);
    resp_parser_shrink(&parser);
    ck_assert_int_eq(parse("*2\r\n$4\r\nECHO\r\n$1\r\na\r\n"), RESP_COMMAND);
    ck_assert_mem_eq(parser.argv[0].p, "ECHO", 4);
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

START_TEST(more_arguments_than_the_limit_are_an_error)
{
    parser.max_args = 2;
    ck_assert_int_eq(parse("*2\r\n"), RESP_MORE);
    resp_parser_reset(&parser);
    ck_assert_int_eq(parse("*3\r\n"), RESP_ERROR);
    ck_assert_str_eq(parser.error, "Protocol error: invalid multibulk length");
}
END_TEST

START_TEST(a_bulk_over_the_limit_is_an_error)
{
    parser.max_bulk = 5;
    ck_assert_int_eq(parse("*1\r\n$5\r\nabcde\r\n"), RESP_COMMAND);
    ck_assert_int_eq(parse("*1\r\n$6\r\nabcdef\r\n"), RESP_ERROR);
    ck_assert_str_eq(parser.error, "Protocol error: invalid bulk length");
}
END_TEST

START_TEST(a_bulk_over_the_limit_is_an_error_even_where_it_would_be_large)
{
    parser.max_bulk = 100;
    parser.large_min = 10;
    ck_assert_int_eq(parse("*1\r\n$101\r\n"), RESP_ERROR);
}
END_TEST

/* With room in argv, a whole command takes a path of its own. */
START_TEST(limits_hold_for_a_command_that_is_wholly_there)
{
    const char *eleven =
        "*11\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"
        "$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n";

    ck_assert_int_eq(parse(eleven), RESP_COMMAND);
    ck_assert_int_eq(parse(eleven), RESP_COMMAND);
    parser.unauthenticated = true;
    ck_assert_int_eq(parse(eleven), RESP_ERROR);
    resp_parser_reset(&parser);
    parser.unauthenticated = false;
    parser.max_args = 10;
    ck_assert_int_eq(parse(eleven), RESP_ERROR);
}
END_TEST

/* Feed `head` and then `n` bytes `fill`, either at once or one by one, and
 * then `tail`. */
static void
expect_long_line(
    const char *head, char fill, size_t n, const char *tail, const char *log)
{
    size_t len = strlen(head) + n + strlen(tail);
    char *bytes = malloc(len);
    size_t steps[] = {SIZE_MAX, 4096, 1};

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, head, strlen(head));
    memset(bytes + strlen(head), fill, n);
    memcpy(bytes + strlen(head) + n, tail, strlen(tail));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        enum resp_status status = RESP_MORE;

        resp_parser_reset(&parser);
        for (size_t at = 0; at < len && status == RESP_MORE;) {
            at += MIN(steps[i], len - at);
            status = resp_parse(&parser, bytes, at);
        }
        if (log != NULL) {
            ck_assert_int_eq(status, RESP_ERROR);
            ck_assert_str_eq(parser.error, log);
        } else {
            ck_assert_int_eq(status, RESP_COMMAND);
        }
    }
    free(bytes);
}

START_TEST(a_line_of_64_kib_is_the_longest)
{
    const char *too_big = "Protocol error: too big inline request";

    expect_long_line("", 'x', RESP_MAX_INLINE, "\n", NULL);
    expect_long_line("", 'x', RESP_MAX_INLINE - 1, "\r\n", NULL);
    expect_long_line("", 'x', RESP_MAX_INLINE + 1, "\n", too_big);
    expect_long_line("", ' ', RESP_MAX_INLINE + 1, "PING\n", too_big);
}
END_TEST

START_TEST(a_line_is_too_long_with_its_first_byte_beyond_64_kib)
{
    char *bytes = malloc(RESP_MAX_INLINE + 1);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'x', RESP_MAX_INLINE + 1);
    ck_assert_int_eq(resp_parse(&parser, bytes, RESP_MAX_INLINE), RESP_MORE);
    ck_assert_int_eq(
        resp_parse(&parser, bytes, RESP_MAX_INLINE + 1), RESP_ERROR);
    free(bytes);
}
END_TEST

START_TEST(a_header_line_without_an_end_is_an_error)
{
    const char *count = "Protocol error: too big mbulk count string";
    const char *bulk = "Protocol error: too big bulk count string";

    expect_long_line("*", '1', RESP_MAX_INLINE, "\r\n", count);
    expect_long_line("*", '1', RESP_MAX_INLINE - 1, "\r\n",
        "Protocol error: invalid multibulk length");
    expect_long_line("*1\r\n$", '1', RESP_MAX_INLINE, "\r\n", bulk);
    expect_long_line("*1\r\n+", '1', RESP_MAX_INLINE, "\r\n", bulk);
    expect_long_line("*1\r\n$", '1', RESP_MAX_INLINE - 1, "\r\n",
        "Protocol error: invalid bulk length");
}
END_TEST

/* A parser that looked at old bytes again would need hours. */
START_TEST(a_million_arguments_byte_by_byte_take_linear_time)
{
    const int n_args = 1000000;
    struct buf bytes = {0};
    enum resp_status status = RESP_MORE;

    buf_printf(&bytes, "*%d\r\n", n_args);
    for (int i = 0; i < n_args; i++)
        buf_printf(&bytes, "$%d\r\n%06d\r\n", 6, i);
    for (size_t len = 1; len <= bytes.len; len++) {
        if (status != RESP_MORE)
            ck_abort_msg("complete before byte %zu", len);
        status = resp_parse(&parser, bytes.p, len);
    }
    ck_assert_int_eq(status, RESP_COMMAND);
    ck_assert_int_eq(parser.argc, n_args);
    for (int i = 0; i < n_args; i++) {
        char want[16];

        snprintf(want, sizeof(want), "%06d", i);
        if (parser.argv[i].len != 6 || memcmp(parser.argv[i].p, want, 6) != 0)
            ck_abort_msg("argument %d is wrong", i);
    }
    buf_free(&bytes);
}
END_TEST

/* ---- large bulks --------------------------------------------------------- */

START_TEST(a_large_bulk_is_announced_before_its_bytes_come)
{
    parser.large_min = 100;
    ck_assert_int_eq(parse("*2\r\n$3\r\nSET\r\n$99\r\n"), RESP_MORE);
    resp_parser_reset(&parser);
    ck_assert_int_eq(parse("*2\r\n$3\r\nSET\r\n$100\r\n"), RESP_LARGE);
    ck_assert_uint_eq(parser.large_len, 100);
    ck_assert_uint_eq(parser.pos, 19);
    ck_assert_int_eq(parser.argc, 1);
}
END_TEST

START_TEST(a_large_bulk_is_announced_even_if_its_bytes_have_come)
{
    parser.large_min = 4;
    ck_assert_int_eq(parse("*1\r\n$3\r\nabc\r\n"), RESP_COMMAND);
    ck_assert_int_eq(parse("*1\r\n$4\r\nabcd\r\n"), RESP_LARGE);
}
END_TEST

START_TEST(the_argument_of_a_large_bulk_names_its_extent)
{
    static const char big[] = "0123456789";

    parser.large_min = 10;
    ck_assert_int_eq(parse("*2\r\n$10\r\n"), RESP_LARGE);
    resp_large_done(&parser, big, 77);
    ck_assert_int_eq(parse("*2\r\n$10\r\n\r\n$1\r\nx\r\n"), RESP_COMMAND);
    ck_assert_int_eq(parser.argc, 2);
    ck_assert_ptr_eq(parser.argv[0].p, big);
    ck_assert_uint_eq(parser.argv[0].len, 10);
    ck_assert_uint_eq(parser.argv[0].extent, 77);
    ck_assert_uint_eq(parser.argv[1].extent, 0);
}
END_TEST

START_TEST(a_large_bulk_without_memory_is_dropped_and_marked)
{
    parser.large_min = 10;
    ck_assert_int_eq(parse("*2\r\n$10\r\n"), RESP_LARGE);
    resp_large_done(&parser, NULL, 0);
    ck_assert_int_eq(parse("*2\r\n$10\r\n\r\n$1\r\nx\r\n"), RESP_COMMAND);
    ck_assert(parser.large_dropped);
    ck_assert_uint_eq(parser.argv[0].len, 0);
    ck_assert_int_eq(parse("PING\r\n"), RESP_COMMAND);
    ck_assert(!parser.large_dropped);
}
END_TEST

START_TEST(taking_a_large_bulk_moves_a_short_head_forward)
{
    char bytes[] = "*1\r\n$10\r\n0123456789\r\nPING and much that follows\r\n";
    char big[10];
    char *input = bytes;
    size_t len = strlen(bytes);

    parser.large_min = 10;
    ck_assert_int_eq(resp_parse(&parser, input, len), RESP_LARGE);
    ck_assert_uint_eq(resp_large_take(&parser, &input, &len, big), 10);
    ck_assert_mem_eq(big, "0123456789", 10);
    ck_assert_ptr_eq(input, bytes + 10);
    ck_assert_uint_eq(len, strlen(bytes) - 10);
    ck_assert_mem_eq(input, "*1\r\n$10\r\n\r\nPING", 15);
}
END_TEST

START_TEST(taking_a_large_bulk_moves_a_short_rest_back)
{
    char bytes[] = "*1\r\n$10\r\n0123456789\r\nPI";
    char *input = bytes;
    size_t len = strlen(bytes);

    parser.large_min = 10;
    ck_assert_int_eq(resp_parse(&parser, input, len), RESP_LARGE);
    ck_assert_uint_eq(resp_large_take(&parser, &input, &len, NULL), 10);
    ck_assert_ptr_eq(input, bytes);
    ck_assert_uint_eq(len, 13);
    ck_assert_mem_eq(input, "*1\r\n$10\r\n\r\nPI", 13);
}
END_TEST

START_TEST(taking_a_large_bulk_takes_what_has_come)
{
    char bytes[] = "*1\r\n$10\r\n0123";
    char big[10];
    char *input = bytes;
    size_t len = strlen(bytes);

    parser.large_min = 10;
    ck_assert_int_eq(resp_parse(&parser, input, len), RESP_LARGE);
    ck_assert_uint_eq(resp_large_take(&parser, &input, &len, big), 4);
    ck_assert_uint_eq(len, parser.pos);
    ck_assert_mem_eq(big, "0123", 4);
}
END_TEST

START_TEST(reset_while_a_large_bulk_comes)
{
    static const char big[] = "0123456789";

    parser.large_min = 10;
    ck_assert_int_eq(parse("*3\r\n$10\r\n"), RESP_LARGE);
    resp_large_done(&parser, big, 5);
    ck_assert_int_eq(parse("*3\r\n$10\r\n\r\n$10\r\n"), RESP_LARGE);
    ck_assert_int_eq(parser.argc, 1);
    ck_assert_uint_eq(parser.argv[0].extent, 5);
    resp_parser_reset(&parser);
    ck_assert_int_eq(parser.argc, 0);
    ck_assert_int_eq(parse("PING\r\n"), RESP_COMMAND);
}
END_TEST

/* The stream of a MSET with large bulks in first, middle and last place. */
START_TEST(large_and_small_bulks_mix_in_any_order)
{
    const int n_bulks = 6;

    for (unsigned mask = 0; mask < 1u << n_bulks; mask++) {
        struct buf bytes = {0}, log = {0};
        struct stream s;

        buf_printf(&bytes, "*%d\r\n", n_bulks);
        for (int i = 0; i < n_bulks; i++) {
            int len = mask >> i & 1 ? 20 : 3;

            buf_printf(&bytes, "$%d\r\n%0*d\r\n", len, len, i);
            buf_printf(&log, "%c%0*d", i == 0 ? '[' : '|', len, i);
        }
        buf_printf(&bytes, "PING\r\n");
        buf_printf(&log, "][PING]");
        buf_append(&log, "", 1);
        s = (struct stream){{bytes.p, bytes.len}, log.p};
        expect_log_for_any_split(&s, false);
        buf_free(&bytes);
        buf_free(&log);
    }
}
END_TEST

static Suite *
request_suite(void)
{
    Suite *s = suite_create("request");
    TCase *t = tcase_create("streams");

    tcase_add_loop_test(t, a_stream_gives_the_same_commands_for_any_split, 0,
        ARRAY_LEN(streams));
    tcase_add_loop_test(t, before_authentication_the_limits_are_tighter, 0,
        ARRAY_LEN(unauthenticated_streams));
    tcase_add_test(t, large_and_small_bulks_mix_in_any_order);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);

    t = tcase_create("parser");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_command_before_makes_no_difference);
    tcase_add_test(t, a_head_is_kept_only_of_a_word);
    tcase_add_test(t, bulks_of_up_to_four_digits_are_short);
    tcase_add_test(t, a_count_of_four_digits_may_lack_its_end);
    tcase_add_test(t, a_fresh_parser_owns_no_memory);
    tcase_add_test(t, arguments_point_into_the_input);
    tcase_add_test(t, inline_words_are_resolved_in_place);
    tcase_add_test(t, argv_is_reused_from_command_to_command);
    tcase_add_test(t, a_count_alone_allocates_nothing);
    tcase_add_test(t, skipped_empty_commands_may_be_dropped_at_once);
    tcase_add_test(t, skipped_empty_commands_stay_before_a_large_bulk);
    tcase_add_test(t, an_error_stays_until_the_parser_is_reset);
    tcase_add_test(t, reset_forgets_a_half_read_command);
    tcase_add_test(t, reset_forgets_a_half_read_line);
    tcase_add_test(t, shrink_releases_argv_between_commands);
    tcase_add_test(t, shrink_keeps_the_arguments_of_a_half_read_command);
    tcase_add_test(t, more_arguments_than_the_limit_are_an_error);
    tcase_add_test(t, a_bulk_over_the_limit_is_an_error);
    tcase_add_test(
        t, a_bulk_over_the_limit_is_an_error_even_where_it_would_be_large);
    tcase_add_test(t, limits_hold_for_a_command_that_is_wholly_there);
    tcase_add_test(t, a_line_of_64_kib_is_the_longest);
    tcase_add_test(t, a_line_is_too_long_with_its_first_byte_beyond_64_kib);
    tcase_add_test(t, a_header_line_without_an_end_is_an_error);
    tcase_add_test(t, a_million_arguments_byte_by_byte_take_linear_time);
    tcase_add_test(t, a_large_bulk_is_announced_before_its_bytes_come);
    tcase_add_test(t, a_large_bulk_is_announced_even_if_its_bytes_have_come);
    tcase_add_test(t, the_argument_of_a_large_bulk_names_its_extent);
    tcase_add_test(t, a_large_bulk_without_memory_is_dropped_and_marked);
    tcase_add_test(t, taking_a_large_bulk_moves_a_short_head_forward);
    tcase_add_test(t, taking_a_large_bulk_moves_a_short_rest_back);
    tcase_add_test(t, taking_a_large_bulk_takes_what_has_come);
    tcase_add_test(t, reset_while_a_large_bulk_comes);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}

int
main(void)
{
    SRunner *runner = srunner_create(request_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
