/* SPDX-License-Identifier: BSD-3-Clause */
/* session_test.c - HELLO, AUTH, SELECT, RESET, QUIT, PING, ECHO, TIME and
 * SHUTDOWN, to the byte of the reply. */
#include "commands/fixture.h"
#include "commands/acl.h"

#include <stdlib.h>

/* With a password, and a client that has not given it. */
static void
start_locked(const char *password)
{
    struct buf err = {0};

    ck_assert(options_set(h->options, "requirepass", password, true, &err));
    acl_requirepass_changed(&h->commands);
    buf_free(&err);
    harness_connect(h);
}

#define HELLO_TAIL(id)                                                         \
    "$2\r\nid\r\n:" id "\r\n"                                                  \
    "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"        \
    "$7\r\nmodules\r\n*0\r\n"
#define HELLO_HEAD                                                             \
    "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"
#define HELLO_2(id) "*14\r\n" HELLO_HEAD "$5\r\nproto\r\n:2\r\n" HELLO_TAIL(id)
#define HELLO_3(id) "%7\r\n" HELLO_HEAD "$5\r\nproto\r\n:3\r\n" HELLO_TAIL(id)
#define WRONGPASS                                                              \
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define HELLO_NOAUTH                                                           \
    "-NOAUTH HELLO must be called with the client already authenticated, "     \
    "otherwise the HELLO AUTH <user> <pass> option can be used to "            \
    "authenticate the client and select the RESP protocol version at the "     \
    "same time\r\n"

/* ---- HELLO --------------------------------------------------------------- */

START_TEST(hello_describes_the_server)
{
    RUN(h, HELLO_2("1"), "HELLO");
    RUN(h, HELLO_2("1"), "HELLO", "2");
}
END_TEST

START_TEST(hello_3_switches_the_protocol_and_back)
{
    RUN(h, HELLO_3("1"), "HELLO", "3");
    RUN(h, HELLO_3("1"), "HELLO");
    RUN(h, "_\r\n", "GET", "none");
    RUN(h, HELLO_2("1"), "HELLO", "2");
    RUN(h, "$-1\r\n", "GET", "none");
}
END_TEST

START_TEST(hello_refuses_other_protocols)
{
    RUN(h, "-NOPROTO unsupported protocol version\r\n", "HELLO", "1");
    RUN(h, "-NOPROTO unsupported protocol version\r\n", "HELLO", "4");
    RUN(h, "-ERR Protocol version is not an integer or out of range\r\n",
        "HELLO", "x");
    RUN(h, "-ERR Syntax error in HELLO option 'foo'\r\n", "HELLO", "3", "foo");
    RUN(h, "-ERR Syntax error in HELLO option 'auth'\r\n", "HELLO", "3", "auth",
        "x");
    ck_assert_int_eq(h->session->protocol, 2);
}
END_TEST

START_TEST(hello_authenticates_and_names)
{
    start_locked("pw");
    RUN(h, HELLO_NOAUTH, "HELLO");
    RUN(h, HELLO_NOAUTH, "HELLO", "3");
    RUN(h, WRONGPASS, "HELLO", "3", "AUTH", "default", "no");
    ck_assert_int_eq(h->session->protocol, 2);
    RUN(h, HELLO_3("2"), "HELLO", "3", "AUTH", "default", "pw", "SETNAME",
        "me");
    RUN(h, "$2\r\nme\r\n", "CLIENT", "GETNAME");
}
END_TEST

START_TEST(hello_checks_the_name)
{
    RUN(h,
        "-ERR Client names cannot contain spaces, newlines or special "
        "characters.\r\n",
        "HELLO", "3", "SETNAME", "a b");
    ck_assert_int_eq(h->session->protocol, 2);
}
END_TEST

START_TEST(any_password_will_do_where_none_is_set)
{
    RUN(h, HELLO_3("1"), "HELLO", "3", "AUTH", "default", "anything");
    RUN(h, WRONGPASS, "HELLO", "3", "AUTH", "other", "anything");
}
END_TEST

/* ---- AUTH ---------------------------------------------------------------- */

START_TEST(auth_takes_the_password_alone_or_after_the_user)
{
    start_locked("pw");
    RUN(h, "+OK\r\n", "AUTH", "pw");
    RUN(h, "+PONG\r\n", "PING");
    harness_connect(h);
    RUN(h, "+OK\r\n", "AUTH", "default", "pw");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(auth_refuses_everything_else)
{
    start_locked("secret");
    RUN(h, WRONGPASS, "AUTH", "secre");
    RUN(h, WRONGPASS, "AUTH", "secretsecret");
    RUN(h, WRONGPASS, "AUTH", "secreT");
    RUN(h, WRONGPASS, "AUTH", "");
    RUN(h, WRONGPASS, "AUTH", "someone", "secret");
    RUN(h, "-ERR syntax error\r\n", "AUTH", "default", "secret", "x");
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
}
END_TEST

START_TEST(a_wrong_password_does_not_undo_a_right_one)
{
    start_locked("pw");
    RUN(h, "+OK\r\n", "AUTH", "pw");
    RUN(h, WRONGPASS, "AUTH", "no");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(auth_without_a_configured_password_asks_whether_that_is_meant)
{
    RUN(h,
        "-ERR AUTH <password> called without any password configured for the "
        "default user. Are you sure your configuration is correct?\r\n",
        "AUTH", "x");
    RUN(h, "+OK\r\n", "AUTH", "default", "x");
}
END_TEST

/* ---- SELECT, RESET, QUIT ------------------------------------------------- */

START_TEST(select_goes_to_another_database)
{
    RUN(h, "+OK\r\n", "SELECT", "15");
    RUN(h, "+OK\r\n", "SET", "k", "v");
    RUN(h, "+OK\r\n", "SELECT", "0");
    RUN(h, "$-1\r\n", "GET", "k");
    RUN(h, "-ERR DB index is out of range\r\n", "SELECT", "16");
    RUN(h, "-ERR DB index is out of range\r\n", "SELECT", "-1");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "SELECT", "x");
}
END_TEST

START_TEST(reset_makes_a_new_connection_of_it)
{
    SAY(h, "HELLO", "3", "SETNAME", "me");
    SAY(h, "CLIENT", "SETINFO", "LIB-NAME", "lib");
    SAY(h, "SELECT", "3");
    SAY(h, "CLIENT", "NO-TOUCH", "ON");
    SAY(h, "CLIENT", "NO-EVICT", "ON");
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "$-1\r\n", "CLIENT", "GETNAME");
    ck_assert_int_eq(h->session->protocol, 2);
    ck_assert_uint_eq(h->session->db, 0);
    ck_assert(!h->session->no_touch && !h->session->no_evict);
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "CLIENT", "INFO"), " lib-name=lib lib-ver="));
}
END_TEST

START_TEST(reset_asks_for_the_password_again)
{
    start_locked("pw");
    SAY(h, "AUTH", "pw");
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "-NOAUTH Authentication required.\r\n", "PING");
}
END_TEST

START_TEST(reset_switches_replies_on)
{
    SAY(h, "CLIENT", "REPLY", "OFF");
    RUN(h, "+RESET\r\n", "RESET");
    RUN(h, "+PONG\r\n", "PING");
}
END_TEST

START_TEST(quit_answers_and_closes)
{
    RUN(h, "+OK\r\n", "QUIT");
    ck_assert(h->session->close_after_reply);
}
END_TEST

/* ---- PING, ECHO, TIME ---------------------------------------------------- */

START_TEST(ping_and_echo_return_what_they_get)
{
    RUN(h, "+PONG\r\n", "PING");
    RUN(h, "$5\r\nhello\r\n", "PING", "hello");
    RUN(h, "-ERR wrong number of arguments for 'ping' command\r\n", "PING", "a",
        "b");
    RUN(h, "$0\r\n\r\n", "ECHO", "");
}
END_TEST

START_TEST(time_is_seconds_and_microseconds)
{
    const char *reply = SAY(h, "TIME");
    char *end;
    int64_t seconds, micros;

    ck_assert(strncmp(reply, "*2\r\n$10\r\n", 9) == 0);
    seconds = strtoll(reply + 9, &end, 10);
    clock_refresh();
    ck_assert_int_le(llabs(seconds - (int64_t)(clock_wall_ms() / 1000)), 5);
    ck_assert_mem_eq(end, "\r\n$", 3);
    micros = strtoll(strchr(end + 3, '\n'), NULL, 10);
    ck_assert(micros >= 0 && micros < 1000000);
}
END_TEST

/* ---- SHUTDOWN ------------------------------------------------------------ */

START_TEST(shutdown_closes_without_a_reply)
{
    RUN(h, "", "SHUTDOWN");
    ck_assert(h->session->close_after_reply);
    ck_assert_int_eq(h->n_shutdowns, 1);
    RUN(h, "", "SHUTDOWN", "nosave", "now", "force");
    ck_assert_int_eq(h->n_shutdowns, 2);
}
END_TEST

START_TEST(shutdown_refuses_what_it_cannot_do)
{
    RUN(h,
        "-ERR SHUTDOWN SAVE is not possible: this server writes no "
        "snapshots\r\n",
        "SHUTDOWN", "SAVE");
    RUN(h, "-ERR No shutdown in progress.\r\n", "SHUTDOWN", "ABORT");
    RUN(h, "-ERR syntax error\r\n", "SHUTDOWN", "ABORT", "NOW");
    RUN(h, "-ERR syntax error\r\n", "SHUTDOWN", "SAVE", "NOSAVE");
    RUN(h, "-ERR syntax error\r\n", "SHUTDOWN", "please");
    ck_assert_int_eq(h->n_shutdowns, 0);
    ck_assert(!h->session->close_after_reply);
}
END_TEST

HARNESS_MAIN("session", start, stop, hello_describes_the_server,
    hello_3_switches_the_protocol_and_back, hello_refuses_other_protocols,
    hello_authenticates_and_names, hello_checks_the_name,
    any_password_will_do_where_none_is_set,
    auth_takes_the_password_alone_or_after_the_user,
    auth_refuses_everything_else, a_wrong_password_does_not_undo_a_right_one,
    auth_without_a_configured_password_asks_whether_that_is_meant,
    select_goes_to_another_database, reset_makes_a_new_connection_of_it,
    reset_asks_for_the_password_again, reset_switches_replies_on,
    quit_answers_and_closes, ping_and_echo_return_what_they_get,
    time_is_seconds_and_microseconds, shutdown_closes_without_a_reply,
    shutdown_refuses_what_it_cannot_do)
