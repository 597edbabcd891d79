/* SPDX-License-Identifier: BSD-3-Clause */
/* client_test.c - the subcommands of CLIENT, to the byte of the reply. */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdio.h>

#define BAD_NAME                                                               \
    "-ERR Client names cannot contain spaces, newlines or special "            \
    "characters.\r\n"
#define SYNTAX "-ERR syntax error\r\n"

/* ---- names --------------------------------------------------------------- */

START_TEST(a_name_is_kept_and_cleared)
{
    RUN(h, "$-1\r\n", "CLIENT", "GETNAME");
    RUN(h, "+OK\r\n", "CLIENT", "SETNAME", "worker-1");
    RUN(h, "$8\r\nworker-1\r\n", "CLIENT", "GETNAME");
    RUN(h, "+OK\r\n", "CLIENT", "SETNAME", "");
    RUN(h, "$-1\r\n", "CLIENT", "GETNAME");
    harness_protocol(h, 3);
    RUN(h, "_\r\n", "CLIENT", "GETNAME");
}
END_TEST

START_TEST(a_session_without_names_holds_no_memory_for_them)
{
    SAY(h, "CLIENT", "SETNAME", "x");
    ck_assert_ptr_nonnull(h->session->names);
    SAY(h, "CLIENT", "SETNAME", "");
    ck_assert_ptr_null(h->session->names);
}
END_TEST

START_TEST(a_name_is_one_printable_word)
{
    RUN(h, BAD_NAME, "CLIENT", "SETNAME", "a b");
    RUN(h, BAD_NAME, "CLIENT", "SETNAME", "a\n");
    RUN(h, BAD_NAME, "CLIENT", "SETNAME", "a\x7f");
    RUN(h, BAD_NAME, "CLIENT", "SETNAME", "\xc3\xa4");
    RUN(h, "+OK\r\n", "CLIENT", "SETNAME", "!~");
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused_and_nothing_changes)
{
    char name[65];

    memset(name, 'n', 64);
    name[64] = '\0';
    SAY(h, "CLIENT", "SETNAME", "short");
    RUN(h, "-ERR name is longer than 63 bytes\r\n", "CLIENT", "SETNAME", name);
    RUN(h, "$5\r\nshort\r\n", "CLIENT", "GETNAME");
    name[63] = '\0';
    RUN(h, "+OK\r\n", "CLIENT", "SETNAME", name);
}
END_TEST

START_TEST(setinfo_keeps_the_library)
{
    RUN(h, "+OK\r\n", "CLIENT", "SETINFO", "lib-name", "redis-py");
    RUN(h, "+OK\r\n", "CLIENT", "SETINFO", "LIB-VER", "5.0");
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "CLIENT", "INFO"), " lib-name=redis-py lib-ver=5.0\n"));
    RUN(h, "-ERR Unrecognized option 'lib'\r\n", "CLIENT", "SETINFO", "lib",
        "x");
    RUN(h,
        "-ERR LIB-name cannot contain spaces, newlines or special "
        "characters.\r\n",
        "CLIENT", "SETINFO", "LIB-name", "a b");
}
END_TEST

/* ---- LIST and INFO ------------------------------------------------------- */

#define LINE(id, rest, qbuf)                                                   \
    "id=" id " addr=127.0.0.1:5000" rest " sub=0 psub=0 ssub=0 multi=-1 qbuf=" \
    qbuf " qbuf-free=100 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=7 oll=0 "      \
    "omem=7 tot-mem=1000 events=r"

/* Its input holds `qbuf` bytes: 26 and those of the command that asks. */
#define LINE_1(qbuf)                                                           \
    LINE("1",                                                                  \
        "0 laddr=127.0.0.1:6379 fd=10 name=me age=5 idle=0 flags=N "           \
        "db=2",                                                                \
        qbuf)                                                                  \
    " cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=\n"
#define LINE_2                                                                 \
    LINE("2",                                                                  \
        "1 laddr=127.0.0.1:6379 fd=11 name= age=5 idle=5 flags=eT "            \
        "db=0",                                                                \
        "26")                                                                  \
    " cmd=client|no-touch user=default redir=-1 resp=2 lib-name= "             \
    "lib-ver=\n"

/* Two clients, 5 s old; the first speaks. */
static void
start_two(void)
{
    harness_connect(h);
    SAY(h, "CLIENT", "NO-EVICT", "ON");
    SAY(h, "CLIENT", "NO-TOUCH", "ON");
    harness_switch(h, 0);
    SAY(h, "SELECT", "2");
    SAY(h, "CLIENT", "SETNAME", "me");
    clock_fake(NOW + 5000);
}

/* The reply is one bulk with this text. */
static void
assert_bulk(const char *reply, const char *text)
{
    char expected[2000];

    snprintf(expected, sizeof(expected), "$%zu\r\n%s\r\n", strlen(text), text);
    ck_assert_str_eq(reply, expected);
}

START_TEST(list_has_a_line_for_each_client)
{
    start_two();
    assert_bulk(SAY(h, "CLIENT", "LIST"), LINE_1("52") LINE_2);
    assert_bulk(
        SAY(h, "CLIENT", "LIST", "TYPE", "normal"), LINE_1("74") LINE_2);
}
END_TEST

START_TEST(list_picks_clients_by_number_in_the_order_asked_for)
{
    start_two();
    assert_bulk(SAY(h, "CLIENT", "LIST", "ID", "2", "1"),
        LINE_2 LINE_1("74"));
    assert_bulk(SAY(h, "CLIENT", "LIST", "ID", "2", "99", "2"), LINE_2 LINE_2);
    assert_bulk(SAY(h, "CLIENT", "LIST", "ID", "99"), "");
    RUN(h, "-ERR Invalid client ID\r\n", "CLIENT", "LIST", "ID", "1", "x");
}
END_TEST

START_TEST(list_knows_the_types_that_do_not_exist_here)
{
    assert_bulk(SAY(h, "CLIENT", "LIST", "TYPE", "pubsub"), "");
    assert_bulk(SAY(h, "CLIENT", "LIST", "TYPE", "REPLICA"), "");
    RUN(h, "-ERR Unknown client type 'foo'\r\n", "CLIENT", "LIST", "TYPE",
        "foo");
    RUN(h, SYNTAX, "CLIENT", "LIST", "foo");
    RUN(h, SYNTAX, "CLIENT", "LIST", "ID");
    RUN(h, SYNTAX, "CLIENT", "LIST", "TYPE", "normal", "x");
}
END_TEST

START_TEST(info_is_the_line_of_this_client)
{
    const char *reply;

    start_two();
    reply = SAY(h, "CLIENT", "INFO");
    ck_assert_ptr_nonnull(strstr(reply, "id=1 addr=127.0.0.1:50000 "));
    ck_assert_ptr_nonnull(strstr(reply, " cmd=client|info "));
    ck_assert_ptr_null(strstr(reply, "id=2"));
}
END_TEST

START_TEST(lists_are_verbatim_texts_in_resp3)
{
    harness_protocol(h, 3);
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "CLIENT", "LIST"), "\r\ntxt:id=1 addr="));
    ck_assert_int_eq(SAY(h, "CLIENT", "INFO")[0], '=');
    RUN(h, "=4\r\ntxt:\r\n", "CLIENT", "LIST", "TYPE", "master");
}
END_TEST

START_TEST(id_is_the_number_of_the_session)
{
    RUN(h, ":1\r\n", "CLIENT", "ID");
    harness_connect(h);
    RUN(h, ":2\r\n", "CLIENT", "ID");
}
END_TEST

/* ---- KILL ---------------------------------------------------------------- */

START_TEST(kill_by_address_answers_ok)
{
    start_two();
    RUN(h, "+OK\r\n", "CLIENT", "KILL", "127.0.0.1:50001");
    ck_assert_int_eq(h->n_killed, 1);
    ck_assert_uint_eq(h->killed[0], 2);
    RUN(h, "-ERR No such client\r\n", "CLIENT", "KILL", "127.0.0.1:1");
    ck_assert(!h->session->close_after_reply);
}
END_TEST

START_TEST(kill_by_address_may_hit_the_caller)
{
    RUN(h, "+OK\r\n", "CLIENT", "KILL", "127.0.0.1:50000");
    ck_assert(h->session->close_after_reply);
    ck_assert_int_eq(h->n_killed, 0);
}
END_TEST

START_TEST(kill_with_filters_counts_and_spares_the_caller)
{
    start_two();
    RUN(h, ":0\r\n", "CLIENT", "KILL", "ID", "1");
    RUN(h, ":1\r\n", "CLIENT", "KILL", "LADDR", "127.0.0.1:6379");
    ck_assert_uint_eq(h->killed[0], 2);
    RUN(h, ":2\r\n", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no");
    ck_assert(h->session->close_after_reply);
}
END_TEST

START_TEST(filters_of_kill_apply_together)
{
    start_two();
    RUN(h, ":0\r\n", "CLIENT", "KILL", "ID", "2", "ADDR", "127.0.0.1:50000");
    RUN(h, ":0\r\n", "CLIENT", "KILL", "ID", "2", "TYPE", "pubsub");
    RUN(h, ":0\r\n", "CLIENT", "KILL", "ID", "2", "MAXAGE", "6");
    ck_assert_int_eq(h->n_killed, 0);
    RUN(h, ":1\r\n", "CLIENT", "KILL", "ID", "2", "ADDR", "127.0.0.1:50001",
        "USER", "default", "MAXAGE", "5", "SKIPME", "yes");
}
END_TEST

START_TEST(kill_refuses_bad_filters)
{
    RUN(h, "-ERR client-id should be greater than 0\r\n", "CLIENT", "KILL",
        "ID", "0");
    RUN(h, "-ERR client-id should be greater than 0\r\n", "CLIENT", "KILL",
        "ID", "x");
    RUN(h, "-ERR Unknown client type 'x'\r\n", "CLIENT", "KILL", "TYPE", "x");
    RUN(h, "-ERR No such user 'x'\r\n", "CLIENT", "KILL", "USER", "x");
    RUN(h, "-ERR maxage is not an integer or out of range\r\n", "CLIENT",
        "KILL", "MAXAGE", "x");
    RUN(h, "-ERR maxage should be greater than 0\r\n", "CLIENT", "KILL",
        "MAXAGE", "0");
    RUN(h, SYNTAX, "CLIENT", "KILL", "SKIPME", "maybe");
    RUN(h, SYNTAX, "CLIENT", "KILL", "foo", "bar");
    RUN(h, SYNTAX, "CLIENT", "KILL", "ID", "2", "ADDR");
    ck_assert_int_eq(h->n_killed, 0);
}
END_TEST

/* ---- switches ------------------------------------------------------------ */

START_TEST(switches_take_on_and_off)
{
    RUN(h, "+OK\r\n", "CLIENT", "NO-TOUCH", "on");
    ck_assert(h->session->no_touch);
    RUN(h, "+OK\r\n", "CLIENT", "NO-TOUCH", "OFF");
    ck_assert(!h->session->no_touch);
    RUN(h, SYNTAX, "CLIENT", "NO-TOUCH", "maybe");
    RUN(h, SYNTAX, "CLIENT", "NO-EVICT", "maybe");
    RUN(h, SYNTAX, "CLIENT", "REPLY", "maybe");
}
END_TEST

START_TEST(no_touch_leaves_the_age_of_keys_as_it_is)
{
    struct request rq = {.thread = h->thread, .session = h->session};

    ck_assert_int_eq(request_read_mode(&rq), KS_READ);
    SAY(h, "CLIENT", "NO-TOUCH", "ON");
    ck_assert_int_eq(request_read_mode(&rq), KS_READ_NO_TOUCH);
}
END_TEST

HARNESS_MAIN("client", start_at_now, stop_at_now, a_name_is_kept_and_cleared,
    a_session_without_names_holds_no_memory_for_them,
    a_name_is_one_printable_word,
    a_name_that_is_too_long_is_refused_and_nothing_changes,
    setinfo_keeps_the_library, list_has_a_line_for_each_client,
    list_picks_clients_by_number_in_the_order_asked_for,
    list_knows_the_types_that_do_not_exist_here,
    info_is_the_line_of_this_client, lists_are_verbatim_texts_in_resp3,
    id_is_the_number_of_the_session, kill_by_address_answers_ok,
    kill_by_address_may_hit_the_caller,
    kill_with_filters_counts_and_spares_the_caller,
    filters_of_kill_apply_together, kill_refuses_bad_filters,
    switches_take_on_and_off, no_touch_leaves_the_age_of_keys_as_it_is)
