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
#define BAD(what) "-ERR " what " is not an integer or out of range"
#define BAD_FIELDS "-ERR Number of fields must be a positive integer"
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
    {"SETEX d 10 v", "+OK"}, {"PSETEX d 1000 v", "+OK"},
    {"MSET d v", "+OK"}, {"DEL d", ":1"},
    {"HGETALL h", "[\"f\" \"v\"]", "{\"f\" \"v\"}"}, {"DBSIZE", ":3"},
    {"SET h v", "+OK"}, {"GET h", "\"v\""})

/* Those that Redis 7.0 does not have. */
TABLE_TEST(newer_commands_refuse_values_of_another_type,
    {"HSET h f v", ":1"}, {"SET s abc", "+OK"},
    {"DELEX h IFEQ v", TYPE}, {"DELEX h IFDNE 0123456789abcdef", TYPE},
    {"DELIFEQ h v", TYPE}, {"DIGEST h", TYPE}, {"INCREX h", TYPE},
    {"INCREX h BYFLOAT 1.5", TYPE}, {"SET h v IFEQ v", TYPE},
    {"SET h v IFDEQ 0123456789abcdef", TYPE}, {"SET h v IFNE v GET", TYPE},
    {"GETV h", TYPE}, {"DELEX h IFVER 1", TYPE},
    {"MSETEX 2 new v h v NX", ":0"},
    {"HEXPIRE s 10 FIELDS 1 f", TYPE}, {"HPEXPIRE s 10 FIELDS 1 f", TYPE},
    {"HEXPIREAT s 4102444800 FIELDS 1 f", TYPE},
    {"HPEXPIREAT s 4102444800000 FIELDS 1 f", TYPE},
    {"HTTL s FIELDS 1 f", TYPE}, {"HPTTL s FIELDS 1 f", TYPE},
    {"HEXPIRETIME s FIELDS 1 f", TYPE}, {"HPEXPIRETIME s FIELDS 1 f", TYPE},
    {"HPERSIST s FIELDS 1 f", TYPE}, {"HGETDEL s FIELDS 1 f", TYPE},
    {"HGETEX s FIELDS 1 f", TYPE}, {"HSETEX s FIELDS 1 f v", TYPE},
    {"GET s", "\"abc\""}, {"HGET h f", "\"v\""}, {"DBSIZE", ":2"})

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
    {"PEXPIREAT s 1 SOON", "-ERR Unsupported option SOON"},
    {"PEXPIRE s 1 NX GT",
        "-ERR NX and XX, GT or LT options at the same time are not compatible"},
    {"GETEX s EX 1 PERSIST", SYNTAX}, {"GETEX s PX", SYNTAX},
    {"SCAN 0 COUNT 0", SYNTAX}, {"SCAN 0 MATCH", SYNTAX},
    {"HRANDFIELD none 1 WITHNOTHING", SYNTAX},
    {"COMMAND GETKEYSANDFLAGS NOSUCH a", "-ERR Invalid command specified"},
    {"COMMAND GETKEYSANDFLAGS PING a", "-ERR The command has no key arguments"},
    {"COMMAND LIST FILTERBY NOSUCH a", SYNTAX},
    {"COMMAND LIST FILTERBY ACLCAT nosuch", "[]"},
    {"COMMAND LIST FILTERBY MODULE nosuch", "[]"},
    {"COMMAND LIST FILTERBY PATTERN xyz*", "[]"},
    {"COMMAND LIST FILTERBY PATTERN sort*",
        "re:\\[\"sort(_ro)?\" \"sort(_ro)?\"\\]"},
    {"SLAVEOF localhost x", "-ERR Invalid master port"},
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

/* With one of them in place of %s; the error, NULL for NOT_INTEGER. */
struct number {
    const char *command, *error;
};

static const struct number numbers[] = {{"INCRBY n %s", NULL},
    {"DECRBY n %s", NULL}, {"EXPIRE s %s", NULL}, {"PEXPIRE s %s", NULL},
    {"EXPIREAT s %s", NULL}, {"PEXPIREAT s %s", NULL},
    {"GETRANGE s %s 1", NULL}, {"GETRANGE s 0 %s", NULL},
    {"SUBSTR s %s 1", NULL}, {"SETRANGE s %s v", NULL}, {"SETEX s %s v", NULL},
    {"PSETEX s %s v", NULL}, {"SET s v EX %s", NULL}, {"SET s v PX %s", NULL},
    {"SET s v EXAT %s", NULL}, {"SET s v PXAT %s", NULL},
    {"GETEX s EX %s", NULL}, {"GETEX s PX %s", NULL}, {"GETEX s EXAT %s", NULL},
    {"GETEX s PXAT %s", NULL}, {"BITCOUNT s %s 1", NULL},
    {"BITCOUNT s 0 %s", NULL}, {"BITPOS s %s", NULL}, {"BITPOS s 1 %s", NULL},
    {"BITPOS s 1 0 %s", NULL}, {"SETBIT s %s 1", BAD("bit offset")},
    {"GETBIT s %s", BAD("bit offset")},
    {"BITFIELD s GET u8 %s", BAD("bit offset")},
    {"BITFIELD_RO s GET u8 %s", BAD("bit offset")}, {"HINCRBY h g %s", NULL},
    {"HRANDFIELD h %s", NULL}, {"HSCAN h 0 COUNT %s", NULL},
    {"SCAN 0 COUNT %s", NULL}, {"MOVE s %s", NULL}, {"COPY s d DB %s", NULL},
    {"SORT none LIMIT %s 1", NULL}, {"SORT none LIMIT 0 %s", NULL},
    {"SORT_RO none LIMIT %s 1", NULL}, {"MIGRATE h 1 k 0 %s", NULL},
    {"MIGRATE h 1 k %s 0", NULL}, {"LCS s s IDX MINMATCHLEN %s", NULL},
    {"WAIT %s 1", NULL}, {"WAIT 0 %s", BAD("timeout")},
    {"RESTORE d %s x", NULL}, {"RESTORE d 0 x FREQ %s", NULL},
    {"RESTORE d 0 x IDLETIME %s", NULL}, {"MEMORY USAGE s SAMPLES %s", NULL},
    {"SELECT %s", NULL}, {"SWAPDB %s 1", "-ERR invalid first DB index"},
    {"SWAPDB 1 %s", "-ERR invalid second DB index"},
    {"CLIENT UNBLOCK %s", NULL}, {"CLIENT PAUSE %s", BAD("timeout")},
    {"CLIENT KILL ID %s", "-ERR client-id should be greater than 0"},
    {"CLIENT LIST ID %s", "-ERR Invalid client ID"},
    {"CLIENT TRACKING on REDIRECT %s", NULL},
    {"HELLO %s", BAD("Protocol version")}, {"ACL GENPASS %s", NULL},
    {"ACL LOG %s", NULL}, {"LOLWUT VERSION %s", NULL},
    {"SLOWLOG GET %s", "-ERR count should be greater than or equal to -1"},
    {"EVAL x %s", NULL}, {"EVAL_RO x %s", NULL}};

/* Those of commands and options that Redis 7.0 does not have. */
static const struct number newer_numbers[] = {{"HEXPIRE h %s FIELDS 1 g", NULL},
    {"HPEXPIRE h %s FIELDS 1 g", NULL}, {"HEXPIREAT h %s FIELDS 1 g", NULL},
    {"HPEXPIREAT h %s FIELDS 1 g", NULL}, {"HGETEX h EX %s FIELDS 1 g", NULL},
    {"HGETEX h PXAT %s FIELDS 1 g", NULL},
    {"HSETEX h EX %s FIELDS 1 g v", NULL},
    {"HEXPIRE h 10 FIELDS %s g",
        "-ERR Parameter `numFields` should be greater than 0"},
    {"HTTL h FIELDS %s g", BAD_FIELDS}, {"HPTTL h FIELDS %s g", BAD_FIELDS},
    {"HEXPIRETIME h FIELDS %s g", BAD_FIELDS},
    {"HPEXPIRETIME h FIELDS %s g", BAD_FIELDS},
    {"HPERSIST h FIELDS %s g", BAD_FIELDS},
    {"HGETDEL h FIELDS %s g", BAD_FIELDS}, {"HGETEX h FIELDS %s g", BAD_FIELDS},
    {"HSETEX h FIELDS %s g v", "-ERR invalid number of fields"},
    {"INCREX n BYINT %s", NULL}, {"INCREX n LBOUND %s", NULL},
    {"INCREX n UBOUND %s", NULL}, {"INCREX n EX %s", NULL},
    {"SET s v IFVER %s", BAD("version")}, {"DELEX s IFVER %s", BAD("version")},
    {"MSETEX 1 a 1 EX %s", NULL},
    {"MSETEX %s a 1", "-ERR invalid numkeys value"},
    {"CLIENT KILL MAXAGE %s", BAD("maxage")}, {"NAMESPACE LIST %s", NULL}};

static void
expect_no_number(struct wire *w, const struct number *n, const char *word)
{
    char line[128], *got;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, sizeof(line), n->command, word);
#pragma GCC diagnostic pop
    wire_send_command(w, line);
    got = wire_read(w);
    ck_assert_msg(strcmp(got, n->error != NULL ? n->error : NOT_INTEGER) == 0,
        "%s: %s", line, got);
    free(got);
}

START_TEST(no_number_is_taken_for_one)
{
    struct wire *w =
        _i == 2 ? wire_connect(server) : wire_connect_resp3(server);

    wire_run(w, "FLUSHALL", "+OK");
    wire_run(w, "MSET s abc n 10", "+OK");
    wire_run(w, "HSET h g 5", ":1");
    for (size_t j = 0; j < ARRAY_LEN(no_integers); j++) {
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
            expect_no_number(w, &numbers[i], no_integers[j]);
        for (size_t i = 0; i < ARRAY_LEN(newer_numbers) && !testing_redis();
             i++)
            expect_no_number(w, &newer_numbers[i], no_integers[j]);
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
    if (!testing_redis())
        tcase_add_test(tc, newer_commands_refuse_values_of_another_type);
    tcase_add_test(tc, what_is_wrong_first_is_told_first);
    tcase_add_test(tc, a_wrong_exec_is_told_as_one);
    tcase_add_loop_test(tc, no_number_is_taken_for_one, 2, 4);
    suite_add_tcase(s, tc);
    return run_tests(s);
}
