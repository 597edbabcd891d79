/* SPDX-License-Identifier: BSD-3-Clause */
/* standalone_test.c - what there is none of: functions, replication, clusters,
 * snapshots; asked for in passing, it is answered as by a lone, empty Redis.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define SYNTAX "-ERR syntax error"

/* clang-format off */
TABLE_TEST(the_library_of_functions_is_empty,
    {"FUNCTION FLUSH", "+OK"},
    {"FUNCTION FLUSH ASYNC", "+OK"},
    {"FUNCTION FLUSH sync", "+OK"},
    {"FUNCTION FLUSH LATER",
        "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option"},
    {"FUNCTION FLUSH ASYNC x",
        "-ERR unknown subcommand or wrong number of arguments for 'FLUSH'. "
        "Try FUNCTION HELP."},
    {"FUNCTION LIST", "[]"},
    {"FUNCTION LIST WITHCODE LIBRARYNAME *", "[]"},
    {"FUNCTION LIST LIBRARYNAME",
        "-ERR library name argument was not given"},
    {"FUNCTION LIST WITHCODE WITHCODE", "-ERR Unknown argument WITHCODE"},
    {"FUNCTION DUMP", "\"\\n\\x00]\\x9b\\\\@\\x0f\\x7f\\xa2\\xda\""},
    {"FUNCTION RESTORE \"\\n\\x00]\\x9b\\\\@\\x0f\\x7f\\xa2\\xda\"", "+OK"},
    {"FUNCTION RESTORE \"\\n\\x00]\\x9b\\\\@\\x0f\\x7f\\xa2\\xda\" REPLACE",
        "+OK"},
    {"FUNCTION RESTORE \"\\n\\x00]\\x9b\\\\@\\x0f\\x7f\\xa2\\xda\" KEEP",
        "-ERR Wrong restore policy given, value should be either FLUSH, "
        "APPEND or REPLACE."},
    {"FUNCTION RESTORE \"\\n\\x01]\\x9b\\\\@\\x0f\\x7f\\xa2\\xda\"",
        "-ERR DUMP payload version or checksum are wrong"},
    {"FUNCTION RESTORE \"\"",
        "-ERR DUMP payload version or checksum are wrong"},
    {"FUNCTION KILL", "-NOTBUSY No scripts in execution right now."},
    {"FUNCTION DELETE lib", "-ERR Library not found"},
    {"FUNCTION LOAD code", "-ERR Missing library metadata"},
    {"FUNCTION LOAD \"#!js name=x\\n\"", "-ERR Engine 'js' not found"},
    {"FUNCTION LOAD REPLACE \"#!js\"", "-ERR Engine 'js' not found"},
    {"FUNCTION LOAD OVER \"#!js\"", "-ERR Unknown option given: OVER"},
    {"FUNCTION LOAD", ARITY("function|load")},
    {"FCALL f 0", "-ERR Function not found"},
    {"FCALL_RO f 1 k", "-ERR Function not found"},
    {"FCALL f", ARITY("fcall")},
    {"COMMAND GETKEYS FCALL f 2 a b c", "[\"a\" \"b\"]"},
    {"FUNCTION", ARITY("function")},
    {"FUNCTION NOSUCH",
        "-ERR unknown subcommand 'NOSUCH'. Try FUNCTION HELP."})

TABLE_TEST(no_function_runs,
    {"FUNCTION STATS", "[\"running_script\" $-1 \"engines\" []]",
        "{\"running_script\" _ \"engines\" {}}"},
    {"FUNCTION STATS x", ARITY("function|stats")})

TABLE_TEST(the_server_is_a_master_without_replicas,
    {"ROLE", "[\"master\" :0 []]"},
    {"ROLE x", ARITY("role")},
    {"REPLICAOF NO ONE", "+OK"},
    {"SLAVEOF no one", "+OK"},
    {"REPLICAOF localhost x", "-ERR Invalid master port"},
    {"REPLICAOF localhost 99999", "-ERR Invalid master port"},
    {"REPLICAOF localhost 6379",
        "-ERR this server cannot follow another: it has no replication"},
    {"REPLICAOF NO", ARITY("replicaof")},
    {"FAILOVER", "-ERR FAILOVER requires connected replicas."},
    {"FAILOVER TO localhost 6379",
        "-ERR FAILOVER requires connected replicas."},
    {"FAILOVER ABORT", "-ERR No failover in progress."})

TABLE_TEST(the_server_is_no_part_of_a_cluster,
    {"CLUSTER INFO", "-ERR This instance has cluster support disabled"},
    {"CLUSTER SLOTS", "-ERR This instance has cluster support disabled"},
    {"CLUSTER KEYSLOT k", "-ERR This instance has cluster support disabled"},
    {"CLUSTER RESET HARD", "-ERR This instance has cluster support disabled"},
    {"CLUSTER", ARITY("cluster")},
    {"CLUSTER HELP", "-ERR This instance has cluster support disabled"},
    {"CLUSTER KEYSLOT", ARITY("cluster|keyslot")},
    {"READONLY", "-ERR This instance has cluster support disabled"},
    {"READWRITE", "-ERR This instance has cluster support disabled"})

#define NO_SERVER                                                              \
    "-ERR this server connects to no other: DUMP the keys here and RESTORE "  \
    "them there"
#define NOT_INTEGER "-ERR value is not an integer or out of range"

TABLE_TEST(no_key_goes_to_another_server,
    {"MIGRATE localhost 6379 k 0 1000", "+NOKEY"},
    {"MIGRATE localhost 6379 \"\" 0 1000 KEYS a b", "+NOKEY"},
    {"MIGRATE localhost 6379 \"\" 0 1000 KEYS", "+NOKEY"},
    {"SET k v", "+OK"},
    {"HSET b f v", ":1"},
    {"MIGRATE localhost 6379 k 0 1000", NO_SERVER},
    {"MIGRATE localhost 6379 k 0 1000 COPY REPLACE AUTH secret", NO_SERVER},
    {"MIGRATE localhost 6379 \"\" 0 0 AUTH2 KEYS x KEYS a b", NO_SERVER},
    {"MIGRATE localhost 6379 k 0 1000 KEYS k",
        "-ERR When using MIGRATE KEYS option, the key argument must be set to "
        "the empty string"},
    {"MIGRATE localhost 6379 k 0 1000 MOVE", SYNTAX},
    {"MIGRATE localhost 6379 k 0 1000 AUTH", SYNTAX},
    {"MIGRATE localhost 6379 k 0 1000 AUTH2 user", SYNTAX},
    {"MIGRATE localhost 6379 k 0 x", NOT_INTEGER},
    {"MIGRATE localhost 6379 k 9223372036854775808 1", NOT_INTEGER},
    {"MIGRATE localhost 6379 k 0", ARITY("migrate")},
    {"COMMAND GETKEYS MIGRATE h 1 \"\" 0 1 AUTH KEYS KEYS a b",
        "[\"a\" \"b\"]"},
    {"EXISTS k b", ":2"})

TABLE_TEST(there_are_no_modules,
    {"MODULE LIST", "[]"},
    {"MODULE LIST x", ARITY("module|list")},
    {"MODULE LOAD /x.so", "-ERR unknown subcommand 'LOAD'. Try MODULE HELP."},
    {"MODULE", ARITY("module")})

TABLE_TEST(nothing_is_saved,
    {"LASTSAVE", "re::[0-9]{10}"},
    {"SAVE", "-ERR this server writes no snapshots"},
    {"BGSAVE SCHEDULE", "-ERR this server writes no snapshots"},
    {"BGREWRITEAOF", "-ERR this server writes no snapshots"},
    {"SAVE now", ARITY("save")},
    {"MULTI", "+OK"},
    {"SAVE", "-ERR Command not allowed inside a transaction"},
    {"DISCARD", "+OK"})
/* clang-format on */

static Suite *
standalone_suite(void)
{
    Suite *s = suite_create("standalone");
    TCase *tc = tcase_create("standalone");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, the_library_of_functions_is_empty);
    tcase_add_test(tc, no_function_runs);
    tcase_add_test(tc, the_server_is_a_master_without_replicas);
    tcase_add_test(tc, the_server_is_no_part_of_a_cluster);
    tcase_add_test(tc, no_key_goes_to_another_server);
    tcase_add_test(tc, there_are_no_modules);
    tcase_add_test(tc, nothing_is_saved);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(standalone_suite());
}
