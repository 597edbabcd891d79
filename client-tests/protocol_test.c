/* SPDX-License-Identifier: BSD-3-Clause */
/* protocol_test.c - bytes on the wire: malformed input and the end it comes to,
 * input in any pieces, pipelines, inline commands, half-closed sockets.
 */
#include "client-tests/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

/* ---- malformed input ---------------------------------------------------- */

#define PROTOCOL_ERROR(text) "-ERR Protocol error: " text "\r\n"

static const struct {
    const char *input, *reply;
} malformed[] = {
    {"*abc\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"*\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"*1x\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"*+1\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"* 1\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"*2147483648\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"*99999999999999999999\r\n", PROTOCOL_ERROR("invalid multibulk length")},
    {"*1\r\nPING\r\n", PROTOCOL_ERROR("expected '$', got 'P'")},
    {"*1\r\n:1\r\n", PROTOCOL_ERROR("expected '$', got ':'")},
    {"*1\r\n*1\r\n$4\r\nPING\r\n", PROTOCOL_ERROR("expected '$', got '*'")},
    {"*1\r\n\r\n", PROTOCOL_ERROR("expected '$', got ' '")},
    {"*2\r\n$3\r\nGET\r\nkey\r\n", PROTOCOL_ERROR("expected '$', got 'k'")},
    {"*1\r\n$abc\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"*1\r\n$\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"*1\r\n$-1\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"*1\r\n$4 \r\nPING\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"*1\r\n$+4\r\nPING\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"*1\r\n$536870913\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"*1\r\n$9223372036854775808\r\n", PROTOCOL_ERROR("invalid bulk length")},
    {"SET k \"abc\r\n", PROTOCOL_ERROR("unbalanced quotes in request")},
    {"SET k 'abc\r\n", PROTOCOL_ERROR("unbalanced quotes in request")},
    {"SET k \"abc\"d\r\n", PROTOCOL_ERROR("unbalanced quotes in request")},
    /* What came before is answered, what comes after is not looked at. */
    {"PING\r\n*1\r\n$x\r\n*3\r\n$3\r\nSET\r\n$4\r\nleak\r\n$1\r\n1\r\n",
        "+PONG\r\n" PROTOCOL_ERROR("invalid bulk length")},
};

START_TEST(malformed_input_gets_its_error_and_a_close)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w, malformed[_i].input);
    wire_expect_bytes(w, malformed[_i].reply);
    wire_expect_closed(w);
    wire_close(w);
    w = wire_connect(server);
    wire_run(w, "EXISTS leak", ":0");
    wire_close(w);
}
END_TEST

START_TEST(malformed_input_byte_by_byte_gets_the_same)
{
    struct wire *w = wire_connect(server);

    for (const char *p = malformed[_i].input; *p != '\0'; p++) {
        /* The server may have closed already: a failed send is no failure. */
        if (send(w->fd, p, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    wire_expect_bytes(w, malformed[_i].reply);
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

static const struct {
    const char *start, *reply;
} endless[] = {
    {"*", PROTOCOL_ERROR("too big mbulk count string")},
    {"*1\r\n$", PROTOCOL_ERROR("too big bulk count string")},
    {"SET k ", PROTOCOL_ERROR("too big inline request")},
};

START_TEST(a_line_without_an_end_is_refused_at_64_kib)
{
    struct wire *w = wire_connect(server);
    char digits[1024];

    memset(digits, '1', sizeof(digits));
    wire_send_text(w, endless[_i].start);
    for (int i = 0; i < 80; i++)
        if (send(w->fd, digits, sizeof(digits), MSG_NOSIGNAL) <= 0)
            break;
    wire_expect_bytes(w, endless[_i].reply);
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

START_TEST(http_requests_are_cut_off)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w, "POST / HTTP/1.1\r\n");
    wire_expect_closed(w);
    wire_close(w);
    w = wire_connect(server);
    wire_send_text(w, "Host: 127.0.0.1\r\nPING\r\n");
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

START_TEST(before_auth_the_limits_are_tighter)
{
    static const char *const args[] = {"--requirepass", "secret", NULL};
    struct server *s = server_start(args);
    struct wire *w = wire_connect(s);

    wire_send_text(w, "*11\r\n");
    wire_expect_bytes(w, PROTOCOL_ERROR("unauthenticated multibulk length"));
    wire_expect_closed(w);
    wire_close(w);
    w = wire_connect(s);
    wire_send_text(w, "*2\r\n$4\r\nPING\r\n$16385\r\n");
    wire_expect_bytes(w, PROTOCOL_ERROR("unauthenticated bulk length"));
    wire_expect_closed(w);
    wire_close(w);
    w = wire_connect(s);
    wire_run(w, "AUTH secret", "+OK");
    wire_run(w, "DEL 1 2 3 4 5 6 7 8 9 10 11 12", ":0");
    wire_close(w);
    server_stop(s);
}
END_TEST

START_TEST(unknown_commands_are_named_with_their_arguments)
{
    struct wire *w = wire_connect(server);
    char name[201], expected[300];

    wire_run(w, "NOPE",
        "-ERR unknown command 'NOPE', with args beginning "
        "with: ");
    wire_run(w, "nope a \"b c\"",
        "-ERR unknown command 'nope', with args beginning with: 'a' 'b c' ");
    wire_run(
        w, "\"\" x", "-ERR unknown command '', with args beginning with: 'x' ");
    wire_run(w, "\"a\\r\\nb\"",
        "-ERR unknown command 'a  b', with args beginning with: ");
    memset(name, 'n', 200);
    name[200] = '\0';
    snprintf(expected, sizeof(expected),
        "-ERR unknown command '%.128s', with args beginning with: ", name);
    wire_run(w, name, expected);
    wire_run(w, "PING", "+PONG");
    wire_close(w);
}
END_TEST

/* ---- well-formed input -------------------------------------------------- */

static const char script[] =
    "*1\r\n$4\r\nPING\r\n"
    "*3\r\n$3\r\nSET\r\n$2\r\nk\0\r\n$4\r\n\r\n\r\n\r\n"
    "*2\r\n$3\r\nGET\r\n$2\r\nk\0\r\n"
    "\r\n"
    "*0\r\n"
    "*-1\r\n"
    "ECHO \"in\\x6cine\"\r\n"
    "PING\n"
    "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"
    "*3\r\n$3\r\nset\r\n$0\r\n\r\n$1\r\n1\r\n"
    "*2\r\n$4\r\nINCR\r\n$0\r\n\r\n"
    "*2\r\n$3\r\nDEL\r\n$0\r\n\r\n";
static const char script_replies[] = "+PONG\r\n"
                                     "+OK\r\n"
                                     "$4\r\n\r\n\r\n\r\n"
                                     "$6\r\ninline\r\n"
                                     "+PONG\r\n"
                                     "$0\r\n\r\n"
                                     "+OK\r\n"
                                     ":2\r\n"
                                     ":1\r\n";

START_TEST(a_script_sent_at_once_is_answered)
{
    struct wire *w = wire_connect(server);

    wire_send(w, script, sizeof(script) - 1);
    wire_expect_bytes(w, script_replies);
    ck_assert(!wire_readable(w, 20));
    wire_close(w);
}
END_TEST

START_TEST(a_script_sent_byte_by_byte_is_answered_the_same)
{
    struct wire *w = wire_connect(server);

    for (size_t i = 0; i < sizeof(script) - 1; i++)
        wire_send(w, script + i, 1);
    wire_expect_bytes(w, script_replies);
    wire_close(w);
}
END_TEST

START_TEST(a_script_split_anywhere_is_answered_the_same)
{
    struct wire *w = wire_connect(server);

    for (size_t cut = 1; cut < sizeof(script) - 1; cut++) {
        wire_send(w, script, cut);
        /* Let the server see the first part alone. */
        sleep_ms(1);
        wire_send(w, script + cut, sizeof(script) - 1 - cut);
        wire_expect_bytes(w, script_replies);
    }
    wire_close(w);
}
END_TEST

/* As in Redis: two bytes belong to the end of a bulk, whatever they are. */
START_TEST(the_two_bytes_after_a_bulk_are_skipped)
{
    struct wire *w = wire_connect(server);
    size_t len = 100000;
    char *value = calloc(1, len);

    wire_send_text(w, "*1\r\n$4\r\nPINGxx*2\r\n$4\r\nECHO\r\n$2\r\nhi\n\r");
    wire_expect(w, "+PONG");
    wire_expect(w, "\"hi\"");
    wire_send_text(w, "*3\r\n$3\r\nSET--$1\r\nk--$100000\r\n");
    wire_send(w, value, len);
    wire_send_text(w, "--PING\r\n");
    wire_expect(w, "+OK");
    wire_expect(w, "+PONG");
    wire_run(w, "STRLEN k", ":100000");
    wire_close(w);
    free(value);
}
END_TEST

static const struct {
    const char *line, *reply;
} inline_lines[] = {
    {"PING\r\n", "+PONG\r\n"},
    {"ping\n", "+PONG\r\n"},
    {"  PING   hello  \r\n", "$5\r\nhello\r\n"},
    {"ECHO \"two words\"\r\n", "$9\r\ntwo words\r\n"},
    {"ECHO 'single \"quotes\"'\r\n", "$15\r\nsingle \"quotes\"\r\n"},
    {"ECHO 'it\\'s'\r\n", "$4\r\nit's\r\n"},
    {"ECHO \"\\x41\\n\\r\\t\\a\\b\\\"\\\\\"\r\n", "$8\r\nA\n\r\t\a\b\"\\\r\n"},
    {"ECHO \"\"\r\n", "$0\r\n\r\n"},
    {"ECHO a\tb\r\n", "-ERR wrong number of arguments for 'echo' command\r\n"},
    {"\r\n\n   \r\nPING\r\n", "+PONG\r\n"},
};

START_TEST(inline_commands_are_words_with_quotes)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w, inline_lines[_i].line);
    wire_expect_bytes(w, inline_lines[_i].reply);
    ck_assert(!wire_readable(w, 5));
    wire_close(w);
}
END_TEST

START_TEST(an_inline_command_may_be_nearly_64_kib)
{
    struct wire *w = wire_connect(server);
    size_t len = 65000;
    char *word = malloc(len), *back = malloc(len);

    memset(word, 'w', len);
    wire_send_text(w, "ECHO ");
    wire_send(w, word, len);
    wire_send_text(w, "\r\n");
    wire_expect_bytes(w, "$65000\r\n");
    wire_read_bytes(w, back, len);
    ck_assert_mem_eq(word, back, len);
    wire_expect_bytes(w, "\r\n");
    wire_close(w);
    free(word);
    free(back);
}
END_TEST

START_TEST(a_command_may_have_100000_arguments)
{
    struct wire *w = wire_connect(server);
    char *bytes;
    size_t len;
    FILE *f = open_memstream(&bytes, &len);

    fprintf(f, "*100001\r\n$6\r\nEXISTS\r\n");
    for (int i = 0; i < 100000; i++)
        fprintf(f, "$1\r\n%c\r\n", i % 2 == 0 ? 'a' : 'b');
    fclose(f);
    wire_run(w, "SET a 1", "+OK");
    wire_run(w, "DEL b", "re::[01]");
    wire_send(w, bytes, len);
    wire_expect(w, ":50000");
    free(bytes);
    wire_close(w);
}
END_TEST

START_TEST(a_pipeline_of_10000_commands_is_answered_in_order)
{
    struct wire *w = wire_connect(server);
    char *bytes, expected[32];
    size_t len;
    FILE *f = open_memstream(&bytes, &len);

    for (int i = 0; i < 10000; i++) {
        char key[16], value[16];
        int key_len = snprintf(key, sizeof(key), "p%d", i % 100);
        int value_len = snprintf(value, sizeof(value), "%d", i);

        if (i % 2 == 0)
            fprintf(f, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", key_len,
                key, value_len, value);
        else
            fprintf(f, "*2\r\n$3\r\nGET\r\n$%d\r\np%d\r\n",
                (i - 1) % 100 < 10 ? 2 : 3, (i - 1) % 100);
    }
    fclose(f);
    wire_send(w, bytes, len);
    free(bytes);
    for (int i = 0; i < 10000; i += 2) {
        wire_expect(w, "+OK");
        snprintf(expected, sizeof(expected), "\"%d\"", i);
        wire_expect(w, expected);
    }
    ck_assert(!wire_readable(w, 5));
    wire_close(w);
}
END_TEST

/* ---- ends --------------------------------------------------------------- */

START_TEST(a_half_closed_socket_still_gets_its_replies)
{
    struct wire *w = wire_connect(server);

    for (int i = 0; i < 1000; i++)
        wire_send_text(w, "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n");
    shutdown(w->fd, SHUT_WR);
    for (int i = 0; i < 1000; i++)
        wire_expect(w, "\"hello\"");
    wire_expect_closed(w);
    wire_close(w);
}
END_TEST

START_TEST(a_command_cut_off_by_a_close_is_not_run)
{
    struct wire *w = wire_connect(server);

    wire_send_text(w, "*3\r\n$3\r\nSET\r\n$3\r\ncut\r\n$10\r\n12345");
    wire_close(w);
    w = wire_connect(server);
    wire_send_text(w, "SET cut 1"); /* no end of line */
    shutdown(w->fd, SHUT_WR);
    wire_expect_closed(w);
    wire_close(w);
    w = wire_connect(server);
    wire_run(w, "EXISTS cut", ":0");
    wire_close(w);
}
END_TEST

START_TEST(a_reset_connection_disturbs_nobody)
{
    struct wire *other = wire_connect(server);
    struct linger reset = {1, 0};

    for (int i = 0; i < 100; i++) {
        struct wire *w = wire_connect(server);

        wire_send_text(w, "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*2\r\n$3\r\nGE");
        setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        wire_close(w);
    }
    wire_run(other, "PING", "+PONG");
    wire_close(other);
}
END_TEST

/* ---- memory ------------------------------------------------------------- */

START_TEST(announced_sizes_take_no_memory_before_the_bytes_arrive)
{
    static const char *const announcements[] = {"*1000000\r\n",
        "*2147483647\r\n", "*2\r\n$3\r\nGET\r\n$536870912\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n", "*1\r\n$536870912\r\n"};
    struct wire *w[20 * ARRAY_LEN(announcements)];
    struct wire *other = wire_connect(server);
    size_t before, after;

    wire_run(other, "PING", "+PONG");
    before = server_rss_kb(server);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = wire_connect(server);
        wire_send_text(w[i], announcements[i % ARRAY_LEN(announcements)]);
    }
    sleep_ms(100);
    wire_run(other, "PING", "+PONG");
    after = server_rss_kb(server);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        wire_close(w[i]);
    wire_close(other);
    if (memory_is_judged())
        ck_assert_msg(after < before + 4096,
            "resident memory went from %zu to %zu kB", before, after);
}
END_TEST

static Suite *
protocol_suite(void)
{
    Suite *s = suite_create("protocol");
    TCase *tc = tcase_create("bytes");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, a_script_sent_at_once_is_answered);
    tcase_add_test(tc, a_script_sent_byte_by_byte_is_answered_the_same);
    tcase_add_test(tc, a_script_split_anywhere_is_answered_the_same);
    tcase_add_test(tc, the_two_bytes_after_a_bulk_are_skipped);
    tcase_add_loop_test(tc, inline_commands_are_words_with_quotes, 0,
        (int)ARRAY_LEN(inline_lines));
    tcase_add_test(tc, an_inline_command_may_be_nearly_64_kib);
    tcase_add_test(tc, a_command_may_have_100000_arguments);
    tcase_add_test(tc, a_pipeline_of_10000_commands_is_answered_in_order);
    tcase_add_test(tc, unknown_commands_are_named_with_their_arguments);
    tcase_add_loop_test(tc, malformed_input_gets_its_error_and_a_close, 0,
        (int)ARRAY_LEN(malformed));
    tcase_add_loop_test(tc, malformed_input_byte_by_byte_gets_the_same, 0,
        (int)ARRAY_LEN(malformed));
    tcase_add_loop_test(tc, a_line_without_an_end_is_refused_at_64_kib, 0,
        (int)ARRAY_LEN(endless));
    tcase_add_test(tc, http_requests_are_cut_off);
    tcase_add_test(tc, before_auth_the_limits_are_tighter);
    tcase_add_test(tc, a_half_closed_socket_still_gets_its_replies);
    tcase_add_test(tc, a_command_cut_off_by_a_close_is_not_run);
    tcase_add_test(tc, a_reset_connection_disturbs_nobody);
    tcase_add_test(tc, announced_sizes_take_no_memory_before_the_bytes_arrive);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(protocol_suite());
}
