/* SPDX-License-Identifier: BSD-3-Clause */
/* bad_input_test.c - what every command says to bad input, and that nothing is
 * changed by it: wrong numbers of arguments, values of another type, words that
 * are no numbers, options that clash. client-tests/differential looks for more
 * of the kind, at random, beside a redis-server.
 */
#include "client-tests/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define SYNTAX "-ERR syntax error"
#define TYPE                                                                   \
    "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define NOT_FLOAT "-ERR value is not a valid float"
#define NOSCRIPT "-NOSCRIPT No matching script. Please use EVAL."
#define FORM(name, command)                                                    \
    "-ERR unknown subcommand or wrong number of arguments for '" name          \
    "'. Try " command " HELP."

/* ---- numbers of arguments ------------------------------------------------ */

/* Send the words of "get" or "client|id" and so many more. */
static char *
reply_to(struct wire *w, const char *name, long long n_words)
{
    char line[128];
    long long n = strchr(name, '|') != NULL ? 2 : 1;
    size_t len = (size_t)snprintf(line, sizeof(line) / 2, "%s", name);

    for (char *p = line; *p != '\0'; p++)
        *p = *p == '|' ? ' ' : *p;
    for (; n < n_words && len + 3 < sizeof(line); n++, len += 2)
        memcpy(line + len, " 1", 3);
    ck_assert_int_eq(n, n_words);
    wire_send_command(w, line);
    return wire_read(w);
}

static void
expect_arity(struct wire *w, const char *name, long long n_words)
{
    char *wanted = NULL, *got = reply_to(w, name, n_words);

    /* whatever is wrong with EXEC, it says so of the transaction */
    ck_assert_int_gt(
        asprintf(&wanted, "-%s wrong number of arguments for '%s' command",
            strcmp(name, "exec") == 0
                ? "EXECABORT Transaction discarded because of:"
                : "ERR",
            name),
        0);
    ck_assert_msg(
        strcmp(wanted, got) == 0, "%s with %lld words: %s", name, n_words, got);
    free(wanted);
    free(got);
}

/* One argument too few, and one too many where there is a limit. Returns how
 * many commands these were. */
static size_t
try_arity(struct wire *w, const redisReply *info) /* NOLINT(misc-no-recursion):
                                                      subcommands */
{
    const char *name = info->element[0]->str;
    long long arity = info->element[1]->integer;
    long long words = strchr(name, '|') != NULL ? 2 : 1;
    const redisReply *subs = info->elements > 9 ? info->element[9] : NULL;
    size_t n = 1;

    if (llabs(arity) > words)
        expect_arity(w, name, llabs(arity) - 1);
    if (arity > 0)
        expect_arity(w, name, arity + 1);
    for (size_t i = 0; subs != NULL && i < subs->elements; i++)
        n += try_arity(w, subs->element[i]);
    return n;
}

START_TEST(every_command_counts_its_arguments)
{
    redisContext *c = server_connect(server);
    redisReply *all = command(c, "COMMAND");
    size_t n = 0;

    for (int protocol = 2; protocol <= 3; protocol++) {
        struct wire *w =
            protocol == 2 ? wire_connect(server) : wire_connect_resp3(server);

        for (size_t i = 0; i < all->elements; i++)
            n += try_arity(w, all->element[i]);
        wire_close(w);
    }
    ck_assert_int_gt(n, 300);
    freeReplyObject(all);
    redisFree(c);
}
END_TEST

/* ---- values of another type ---------------------------------------------- */

/* clang-format off */
TABLE_TEST(commands_on_strings_refuse_a_hash,
    {"HSET h f v", ":1"}, {"SET s abc", "+OK"}, {"SET n 1", "+OK"},
    {"GET h", TYPE}, {"GETSET h v", TYPE}, {"GETDEL h", TYPE},
    {"GETEX h", TYPE}, {"GETEX h EX 10", TYPE}, {"GETEX h PERSIST", TYPE},
    {"SET h v GET", TYPE}, {"SET h v XX GET", TYPE},
    {"SET h v NX GET", TYPE}, {"APPEND h v", TYPE}, {"STRLEN h", TYPE},
    {"GETRANGE h 0 -1", TYPE}, {"SUBSTR h 0 -1", TYPE},
    {"SETRANGE h 0 v", TYPE}, {"SETRANGE h 0 \"\"", TYPE},
    {"INCR h", TYPE}, {"DECR h", TYPE}, {"INCRBY h 1", TYPE},
    {"DECRBY h 1", TYPE}, {"INCRBYFLOAT h 1", TYPE},
    {"INCRBYFLOAT h nonsense", TYPE},
    {"SETBIT h 0 1", TYPE}, {"GETBIT h 0", TYPE}, {"BITCOUNT h", TYPE},
    {"BITCOUNT h 0 -1", TYPE}, {"BITPOS h 1", TYPE},
    {"BITOP AND d h", TYPE}, {"BITOP OR d s h", TYPE},
    {"BITOP NOT d h", TYPE}, {"BITFIELD h GET u8 0", TYPE},
    {"BITFIELD h SET u8 0 1", TYPE}, {"BITFIELD_RO h GET u8 0", TYPE},
    {"LCS h s", "-ERR The specified keys must contain string values"},
    {"LCS s h", "-ERR The specified keys must contain string values"},
    {"LCS h s NONSENSE",
        "-ERR The specified keys must contain string values"},
    {"MGET h s", "[$-1 \"abc\"]", "[_ \"abc\"]"},
    {"SETNX h v", ":0"}, {"MSETNX new v h v", ":0"},
    {"HGETALL h", "[\"f\" \"v\"]", "{\"f\" \"v\"}"}, {"DBSIZE", ":3"},
    {"SET h v", "+OK"}, {"GET h", "\"v\""})

TABLE_TEST(commands_on_hashes_refuse_a_string,
    {"SET s abc", "+OK"}, {"SET \"\" 1", "+OK"},
    {"HSET s f v", TYPE}, {"HSETNX s f v", TYPE}, {"HMSET s f v", TYPE},
    {"HGET s f", TYPE}, {"HMGET s f", TYPE}, {"HGETALL s", TYPE},
    {"HKEYS s", TYPE}, {"HVALS s", TYPE}, {"HLEN s", TYPE},
    {"HEXISTS s f", TYPE}, {"HSTRLEN s f", TYPE}, {"HDEL s f", TYPE},
    {"HINCRBY s f 1", TYPE}, {"HINCRBYFLOAT s f 1", TYPE},
    {"HRANDFIELD s", TYPE}, {"HRANDFIELD s 1", TYPE},
    {"HRANDFIELD s -1 WITHVALUES", TYPE}, {"HSCAN s 0", TYPE},
    {"HGET \"\" f", TYPE},
    {"GET s", "\"abc\""}, {"DBSIZE", ":2"})

/* ---- options and their order --------------------------------------------- */

TABLE_TEST(what_is_wrong_first_is_told_first,
    {"SET s abc", "+OK"},
    {"BITCOUNT s 0", SYNTAX}, {"BITCOUNT s 0 1 BIT x", SYNTAX},
    {"BITCOUNT s -1 -2 BIT x", SYNTAX}, {"BITCOUNT s -1 -2 x", ":0"},
    {"BITCOUNT s x 1 NONSENSE", NOT_INTEGER},
    {"BITPOS s 2", "-ERR The bit argument must be 1 or 0."},
    {"BITPOS s x", NOT_INTEGER}, {"BITPOS s 1 x", NOT_INTEGER},
    {"BITPOS s 1 0 x", NOT_INTEGER}, {"BITPOS s 1 0 x NONSENSE", SYNTAX},
    {"BITPOS s 1 0 x BIT", NOT_INTEGER}, {"BITPOS s 1 0 -1 BIT x", SYNTAX},
    {"LCS s s LEN IDX",
        "-ERR If you want both the length and indexes, please just use IDX."},
    {"LCS s s MINMATCHLEN", SYNTAX}, {"LCS s s MINMATCHLEN x", NOT_INTEGER},
    {"LCS s s NONSENSE", SYNTAX},
    {"MEMORY USAGE s SAMPLES", SYNTAX}, {"MEMORY USAGE s NONSENSE", SYNTAX},
    {"MEMORY USAGE s SAMPLES x y z", NOT_INTEGER},
    {"MEMORY USAGE s SAMPLES -1", SYNTAX},
    {"MEMORY USAGE s SAMPLES 1 SAMPLES 0", "re::[0-9]+"},
    {"EVALSHA short x", NOSCRIPT}, {"EVALSHA_RO short -1", NOSCRIPT},
    {"EVALSHA 0123456789012345678901234567890123456789 x", NOT_INTEGER},
    {"EVALSHA 0123456789012345678901234567890123456789 -1",
        "-ERR Number of keys can't be negative"},
    {"EVALSHA 0123456789012345678901234567890123456789 1",
        "-ERR Number of keys can't be greater than number of args"},
    {"EVALSHA 0123456789012345678901234567890123456789 0", NOSCRIPT},
    {"SLOWLOG GET 1 2", FORM("GET", "SLOWLOG")},
    {"SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"},
    {"CLIENT UNBLOCK 1 TIMEOUT x", FORM("UNBLOCK", "CLIENT")},
    {"CLIENT UNBLOCK x TIMEOUT", NOT_INTEGER},
    {"CLIENT UNBLOCK 1 x",
        "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"},
    {"CLIENT PAUSE 0 WRITE x", FORM("PAUSE", "CLIENT")},
    {"FUNCTION LOAD REPLACE x REPLACE y", "-ERR Unknown option given: x"},
    {"FUNCTION LOAD REPLACE REPLACE x", "-ERR Missing library metadata"},
    {"INCRBYFLOAT s 1", NOT_FLOAT}, {"INCRBYFLOAT none x", NOT_FLOAT},
    {"EXISTS none", ":0"}, {"GET s", "\"abc\""}, {"DBSIZE", ":1"})

/* An EXEC that is wrong ends what was watched, too. */
TABLE_TEST(a_wrong_exec_is_told_as_one,
    {"WATCH k", "+OK"},
    {"EXEC x", "-EXECABORT Transaction discarded because of: wrong number of "
        "arguments for 'exec' command"},
    {"SET k 1", "+OK"},
    {"MULTI", "+OK"},
    {"GET k", "+QUEUED"},
    {"EXEC", "[\"1\"]"})
/* clang-format on */

/* ---- words that are no numbers ------------------------------------------- */

static const char *const no_integers[] = {"9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "\"\"", "\" 1\"", "\"1 \"",
    "+1", "01", "-0", "0x10", "1.5", "1e3", "nan", "inf", "x", "\"1\\x00\"",
    "\"\\xff\""};

/* With one of them in place of %s. */
static const char *const integer_commands[] = {"INCRBY n %s", "DECRBY n %s",
    "EXPIRE s %s", "PEXPIRE s %s", "EXPIREAT s %s", "PEXPIREAT s %s",
    "GETRANGE s %s 1", "GETRANGE s 0 %s", "SETRANGE s %s v", "SETEX s %s v",
    "PSETEX s %s v", "SET s v EX %s", "SET s v PX %s", "SET s v EXAT %s",
    "SET s v PXAT %s", "GETEX s EX %s", "GETEX s PXAT %s", "BITCOUNT s %s 1",
    "BITCOUNT s 0 %s", "BITPOS s %s", "BITPOS s 1 %s", "HINCRBY h g %s",
    "HRANDFIELD h %s", "HSCAN h 0 COUNT %s", "SCAN 0 COUNT %s", "MOVE s %s",
    "COPY s d DB %s", "LCS s s IDX MINMATCHLEN %s", "WAIT %s 1",
    "RESTORE d %s x", "MEMORY USAGE s SAMPLES %s", "CLIENT UNBLOCK %s"};

START_TEST(no_number_is_taken_for_one)
{
    struct wire *w =
        _i == 2 ? wire_connect(server) : wire_connect_resp3(server);
    char line[128];

    wire_run(w, "FLUSHALL", "+OK");
    wire_run(w, "MSET s abc n 10", "+OK");
    wire_run(w, "HSET h g 5", ":1");
    for (size_t i = 0; i < ARRAY_LEN(integer_commands); i++)
        for (size_t j = 0; j < ARRAY_LEN(no_integers); j++) {
            char *got;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(line, sizeof(line), integer_commands[i], no_integers[j]);
#pragma GCC diagnostic pop
            wire_send_command(w, line);
            got = wire_read(w);
            ck_assert_msg(strcmp(got, NOT_INTEGER) == 0, "%s: %s", line, got);
            free(got);
        }
    wire_run(w, "MGET s n", "[\"abc\" \"10\"]");
    wire_run(w, "HGET h g", "\"5\"");
    wire_run(w, "TTL s", ":-1");
    wire_run(w, "DBSIZE", ":3");
    wire_close(w);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("bad_input");
    TCase *tc = tcase_create("bad_input");

    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_set_timeout(tc, patient(30));
    tcase_add_test(tc, every_command_counts_its_arguments);
    tcase_add_test(tc, commands_on_strings_refuse_a_hash);
    tcase_add_test(tc, commands_on_hashes_refuse_a_string);
    tcase_add_test(tc, what_is_wrong_first_is_told_first);
    tcase_add_test(tc, a_wrong_exec_is_told_as_one);
    tcase_add_loop_test(tc, no_number_is_taken_for_one, 2, 4);
    suite_add_tcase(s, tc);
    return run_tests(s);
}
