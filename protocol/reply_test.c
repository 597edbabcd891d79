/* SPDX-License-Identifier: BSD-3-Clause */
/* reply_test.c - replies in RESP2 and RESP3. */
#include "base/testing.h"
#include "protocol/resp.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static struct buf out;
static struct reply reply;

static void
setup(void)
{
    out = (struct buf){0};
    reply = (struct reply){.out = &out, .protocol = 2};
}

static void
teardown(void)
{
    buf_free(&out);
    free(reply.refs);
}

/* What was written since the last call. */
static void
expect_bytes(struct str want)
{
    ck_assert_msg(str_eq((struct str){out.p, out.len}, want),
        "got \"%.*s\", want \"%.*s\"", (int)out.len, out.p, STR_ARG(want));
    out.len = 0;
}

#define expect(literal) expect_bytes(STR(literal))

/* ---- lines --------------------------------------------------------------- */

START_TEST(constants)
{
    reply_ok(&reply);
    expect("+OK\r\n");
    reply_null(&reply);
    expect("$-1\r\n");
    reply_null_array(&reply);
    expect("*-1\r\n");
    reply_bool(&reply, true);
    reply_bool(&reply, false);
    expect(":1\r\n:0\r\n");
    reply.protocol = 3;
    reply_ok(&reply);
    expect("+OK\r\n");
    reply_null(&reply);
    expect("_\r\n");
    reply_null_array(&reply);
    expect("_\r\n");
    reply_bool(&reply, true);
    reply_bool(&reply, false);
    expect("#t\r\n#f\r\n");
}
END_TEST

START_TEST(a_simple_string_is_a_line)
{
    reply_simple(&reply, "PONG");
    expect("+PONG\r\n");
    reply_simple(&reply, "");
    expect("+\r\n");
}
END_TEST

START_TEST(an_error_begins_with_its_code)
{
    reply_error(&reply, "ERR unknown command '%s'", "x");
    expect("-ERR unknown command 'x'\r\n");
}
END_TEST

START_TEST(an_error_never_holds_a_line_end_of_the_client)
{
    reply_error(&reply, "ERR '%s'", "a\r\n+OK\nb\rc");
    expect("-ERR 'a  +OK b c'\r\n");
    reply_error(&reply, "%s", "\r\n\nERR x\n\r\n");
    expect("-ERR x\r\n");
    reply_error(&reply, "%s", "\n\r");
    expect("-\r\n");
}
END_TEST

START_TEST(a_long_error_is_whole)
{
    char text[2001];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    reply_error(&reply, "ERR %s", text);
    ck_assert_uint_eq(out.len, 1 + 4 + 2000 + 2);
    ck_assert_mem_eq(out.p + out.len - 3, "x\r\n", 3);
}
END_TEST

/* ---- numbers ------------------------------------------------------------- */

START_TEST(integers_of_all_widths)
{
    reply_int(&reply, 0);
    reply_int(&reply, -1);
    reply_int(&reply, 1234567890);
    expect(":0\r\n:-1\r\n:1234567890\r\n");
    reply_int(&reply, INT64_MAX);
    expect(":9223372036854775807\r\n");
    reply_int(&reply, INT64_MIN);
    expect(":-9223372036854775808\r\n");
}
END_TEST

START_TEST(doubles_are_bulks_in_resp2)
{
    reply_double(&reply, 1);
    expect("$1\r\n1\r\n");
    reply_double(&reply, 0.1);
    expect("$19\r\n0.10000000000000001\r\n");
    reply_double(&reply, -DBL_MAX);
    expect("$24\r\n-1.7976931348623157e+308\r\n");
    reply_double(&reply, (double)INFINITY);
    expect("$3\r\ninf\r\n");
    reply_double(&reply, -(double)INFINITY);
    expect("$4\r\n-inf\r\n");
    reply_double(&reply, -(double)NAN);
    expect("$3\r\nnan\r\n");
}
END_TEST

START_TEST(doubles_have_a_type_in_resp3)
{
    reply.protocol = 3;
    reply_double(&reply, 3.25);
    expect(",3.25\r\n");
    reply_double(&reply, (double)INFINITY);
    expect(",inf\r\n");
    reply_double(&reply, -(double)INFINITY);
    expect(",-inf\r\n");
    reply_double(&reply, (double)NAN);
    expect(",nan\r\n");
    reply_double(&reply, -(double)NAN);
    expect(",nan\r\n");
}
END_TEST

/* ---- bulks --------------------------------------------------------------- */

START_TEST(a_bulk_holds_any_byte)
{
    reply_bulk(&reply, STR("a\0\r\nb"));
    expect("$5\r\na\0\r\nb\r\n");
    reply_bulk(&reply, (struct str){NULL, 0});
    expect("$0\r\n\r\n");
    reply_bulk_cstr(&reply, "text");
    expect("$4\r\ntext\r\n");
    reply_bulk_int(&reply, -120);
    expect("$4\r\n-120\r\n");
}
END_TEST

START_TEST(the_length_of_a_bulk_has_as_many_digits_as_it_needs)
{
    static const size_t lens[] = {0, 9, 10, 99, 100, 101, 999, 1000, 123456};
    char *bytes = malloc(123456);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'v', 123456);
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct buf want = {0};

        buf_printf(&want, "$%zu\r\n", lens[i]);
        buf_append(&want, bytes, lens[i]);
        buf_printf(&want, "\r\n");
        reply_bulk(&reply, (struct str){bytes, lens[i]});
        expect_bytes((struct str){want.p, want.len});
        buf_free(&want);
    }
    free(bytes);
}
END_TEST

START_TEST(a_printed_bulk_has_the_length_of_its_text)
{
    reply_bulk_printf(&reply, "%d-%s", 12, "x");
    expect("$4\r\n12-x\r\n");
    reply_bulk_printf(&reply, "%s", "");
    expect("$0\r\n\r\n");
    reply_bulk_printf(&reply, "%01000d", 7);
    ck_assert_uint_eq(out.len, 7 + 1000 + 2);
    ck_assert_mem_eq(out.p, "$1000\r\n00", 9);
    ck_assert_mem_eq(out.p + 7 + 998, "07\r\n", 4);
}
END_TEST

START_TEST(verbatim_text_is_a_bulk_in_resp2)
{
    reply_verbatim(&reply, "txt", STR("hello"));
    expect("$5\r\nhello\r\n");
    reply.protocol = 3;
    reply_verbatim(&reply, "txt", STR("hello"));
    expect("=9\r\ntxt:hello\r\n");
    reply_verbatim(&reply, "mkd", STR(""));
    expect("=4\r\nmkd:\r\n");
}
END_TEST

START_TEST(an_open_bulk_is_written_by_the_caller)
{
    char *to;

    reply_ok(&reply);
    to = reply_bulk_open(&reply, 3);
    memcpy(to, "abc", 3);
    reply_bulk_commit(&reply);
    reply_ok(&reply);
    expect("+OK\r\n$3\r\nabc\r\n+OK\r\n");
}
END_TEST

START_TEST(an_open_bulk_can_be_started_anew_with_another_length)
{
    memset(reply_bulk_open(&reply, 5000), 'x', 5000);
    memset(reply_bulk_open(&reply, 2), 'y', 2);
    reply_bulk_commit(&reply);
    expect("$2\r\nyy\r\n");
    memset(reply_bulk_open(&reply, 2), 'x', 2);
    memset(reply_bulk_open(&reply, 12), 'z', 12);
    reply_bulk_commit(&reply);
    expect("$12\r\nzzzzzzzzzzzz\r\n");
}
END_TEST

START_TEST(an_open_bulk_without_commit_leaves_nothing)
{
    memset(reply_bulk_open(&reply, 3), 'x', 3);
    reply_null(&reply);
    expect("$-1\r\n");
}
END_TEST

START_TEST(a_referenced_bulk_has_its_place_in_the_output)
{
    static const char big[] = "0123456789";

    reply_ok(&reply);
    reply_bulk_ref(&reply, big, 10, 7);
    reply_ok(&reply);
    ck_assert_uint_eq(reply.n_refs, 1);
    ck_assert_uint_eq(reply.refs[0].at, 10);
    ck_assert_ptr_eq(reply.refs[0].p, big);
    ck_assert_uint_eq(reply.refs[0].len, 10);
    ck_assert_uint_eq(reply.refs[0].extent, 7);
    expect("+OK\r\n$10\r\n\r\n+OK\r\n");
}
END_TEST

/* ---- arrays, maps, sets -------------------------------------------------- */

START_TEST(aggregates_in_resp2_are_arrays)
{
    reply_array(&reply, 3);
    reply_map(&reply, 6);
    reply_set(&reply, 2);
    reply_push(&reply, 1);
    reply_array(&reply, 0);
    expect("*3\r\n*12\r\n*2\r\n*1\r\n*0\r\n");
}
END_TEST

START_TEST(aggregates_in_resp3_have_types)
{
    reply.protocol = 3;
    reply_array(&reply, 3);
    reply_map(&reply, 6);
    reply_set(&reply, 2);
    reply_push(&reply, 1);
    expect("*3\r\n%6\r\n~2\r\n>1\r\n");
}
END_TEST

START_TEST(an_open_array_gets_its_length_at_the_end)
{
    static const size_t lens[] = {0, 1, 9, 10, 99, 100, 12345};

    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct buf want = {0};
        size_t position;

        buf_printf(&want, "+OK\r\n*%zu\r\n", lens[i]);
        reply_ok(&reply);
        position = reply_array_open(&reply);
        for (size_t j = 0; j < lens[i]; j++) {
            buf_printf(&want, ":%zu\r\n", j);
            reply_int(&reply, (int64_t)j);
        }
        reply_array_close(&reply, position, lens[i]);
        reply_ok(&reply);
        buf_printf(&want, "+OK\r\n");
        expect_bytes((struct str){want.p, want.len});
        buf_free(&want);
    }
}
END_TEST

START_TEST(open_maps_and_sets_follow_the_protocol)
{
    for (reply.protocol = 2; reply.protocol <= 3; reply.protocol++) {
        size_t map = reply_map_open(&reply);
        size_t set;

        reply_int(&reply, 1);
        set = reply_set_open(&reply);
        reply_int(&reply, 2);
        reply_array_close(&reply, set, 1);
        reply_array_close(&reply, map, 1);
        if (reply.protocol == 2)
            expect("*2\r\n:1\r\n*1\r\n:2\r\n");
        else
            expect("%1\r\n:1\r\n~1\r\n:2\r\n");
    }
}
END_TEST

START_TEST(a_map_of_five_pairs_needs_two_digits_in_resp2)
{
    size_t position = reply_map_open(&reply);

    for (int i = 0; i < 10; i++)
        reply_int(&reply, i);
    reply_array_close(&reply, position, 5);
    ck_assert_uint_eq(out.len, 5 + 40);
    ck_assert_mem_eq(out.p, "*10\r\n:0\r\n", 9);
}
END_TEST

START_TEST(closing_an_array_moves_the_references_in_it_and_no_others)
{
    static const char big[] = "0123456789";
    size_t outer, inner;

    reply_bulk_ref(&reply, big, 10, 1); /* "$10\r\n" */
    outer = reply_array_open(&reply);
    inner = reply_array_open(&reply);
    for (int i = 0; i < 10; i++)
        reply_int(&reply, i);
    reply_bulk_ref(&reply, big, 10, 2);
    reply_array_close(&reply, inner, 100);
    reply_array_close(&reply, outer, 10);
    ck_assert_uint_eq(reply.refs[0].at, 5);
    ck_assert_uint_eq(reply.refs[1].at, 7 + 5 + 6 + 40 + 5);
    expect(
        "$10\r\n\r\n*10\r\n*100\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n"
        ":7\r\n:8\r\n:9\r\n$10\r\n\r\n");
}
END_TEST

START_TEST(a_reference_right_after_the_header_moves_with_it)
{
    static const char big[] = "0123456789";
    size_t position = reply_array_open(&reply);

    for (int i = 0; i < 10; i++)
        reply_bulk_ref(&reply, big, 10, 1);
    reply_array_close(&reply, position, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(reply.refs[i].at, 5 + 5 + 7 * i);
}
END_TEST

static Suite *
reply_suite(void)
{
    Suite *s = suite_create("reply");
    TCase *t = tcase_create("reply");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, constants);
    tcase_add_test(t, a_simple_string_is_a_line);
    tcase_add_test(t, an_error_begins_with_its_code);
    tcase_add_test(t, an_error_never_holds_a_line_end_of_the_client);
    tcase_add_test(t, a_long_error_is_whole);
    tcase_add_test(t, integers_of_all_widths);
    tcase_add_test(t, doubles_are_bulks_in_resp2);
    tcase_add_test(t, doubles_have_a_type_in_resp3);
    tcase_add_test(t, a_bulk_holds_any_byte);
    tcase_add_test(t, the_length_of_a_bulk_has_as_many_digits_as_it_needs);
    tcase_add_test(t, a_printed_bulk_has_the_length_of_its_text);
    tcase_add_test(t, verbatim_text_is_a_bulk_in_resp2);
    tcase_add_test(t, an_open_bulk_is_written_by_the_caller);
    tcase_add_test(t, an_open_bulk_can_be_started_anew_with_another_length);
    tcase_add_test(t, an_open_bulk_without_commit_leaves_nothing);
    tcase_add_test(t, a_referenced_bulk_has_its_place_in_the_output);
    tcase_add_test(t, aggregates_in_resp2_are_arrays);
    tcase_add_test(t, aggregates_in_resp3_have_types);
    tcase_add_test(t, an_open_array_gets_its_length_at_the_end);
    tcase_add_test(t, open_maps_and_sets_follow_the_protocol);
    tcase_add_test(t, a_map_of_five_pairs_needs_two_digits_in_resp2);
    tcase_add_test(
        t, closing_an_array_moves_the_references_in_it_and_no_others);
    tcase_add_test(t, a_reference_right_after_the_header_moves_with_it);
    suite_add_tcase(s, t);
    return s;
}

int
main(void)
{
    return run_suite(reply_suite());
}
