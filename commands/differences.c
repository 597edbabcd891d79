/* SPDX-License-Identifier: BSD-3-Clause */
/* differences.c - which tests of Redis' own suite fail here, and why: a section
 * of docs/commands.md.
 *
 * Of the Tcl suite of Redis 7.0.15, those tests whose commands a cache is about
 * (strings, hashes, keys, connections, transactions, publish and subscribe,
 * server).
 * The table is the place to strike a test out when it passes.
 */
#include "commands/internal.h"

static const struct difference {
    const char *why;
    const char *unit;
    const char *tests[12];
} differences[] = {
    {"There is no replication to read the commands from, or to count replicas "
     "of.",
        "unit/type/string",
        {"GETDEL propagate as DEL command to replica",
            "GETEX without argument does not propagate to replica"}},
    {NULL, "unit/expire",
        {"All TTL in commands are propagated as absolute timestamp in "
         "replication stream",
            "GETEX propagate as to replica as PERSIST, DEL, or nothing"}},
    {NULL, "unit/multi",
        {"MULTI / EXEC is not propagated (single write command)",
            "MULTI / EXEC is propagated correctly (multiple commands)",
            "MULTI / EXEC is propagated correctly (multiple commands with "
            "SELECT)",
            "MULTI / EXEC is propagated correctly (empty transaction)",
            "MULTI / EXEC is propagated correctly (read-only commands)",
            "MULTI / EXEC is propagated correctly (write command, no effect)",
            "MULTI propagation of PUBLISH",
            "exec with write commands and state change"}},
    {"Commands on lists, sets, sorted sets, streams and positions are not "
     "there.",
        "unit/introspection-2",
        {"COMMAND GETKEYSANDFLAGS", "COMMAND GETKEYS XGROUP",
            "COMMAND GETKEYS MORE THAN 256 KEYS",
            "ZUNIONSTORE command is marked with movablekeys",
            "XREAD command is marked with movablekeys",
            "SORT command is marked with movablekeys",
            "SORT_RO command is marked with movablekeys",
            "GEORADIUS command is marked with movablekeys"}},
    {NULL, "unit/sort",
        {"SORT extracts STORE correctly", "SORT_RO get keys",
            "SORT extracts multiple STORE correctly"}},
    {NULL, "unit/acl-v2",
        {"Test separate write permission",
            "Test separate read and write permissions on different selectors "
            "are not additive",
            "Existence test commands are not marked as access",
            "Intersection cardinaltiy commands are access commands",
            "Cardinality commands require some type of permission to execute",
            "Test sort with ACL permissions"}},
    {NULL, "unit/acl",
        {"ACLs can include or exclude whole classes of commands",
            "ACLs including of a type includes also subcommands",
            "Bob: just execute @set and acl command"}},
    {"They follow one of the last three or of the next on its connection, and "
     "need its user.",
        "unit/acl",
        {"ACLs can include single subcommands",
            "ACLs can exclude single subcommands, case 1",
            "ACLs can exclude single subcommands, case 2",
            "ACLs can block SELECT of all but a specific DB",
            "ACL load and save",
            "ACL LOG is able to log channel access violations and channel name",
            "ACL LOG can distinguish the transaction context (1)",
            "ACL LOG can distinguish the transaction context (2)"}},
    {"It counts the keys of a database that the test before it, which needs "
     "streams, does not get to empty.",
        "unit/keyspace", {"MOVE basic usage"}},
    {"Scripts are not there.", "unit/introspection-2",
        {"COMMAND GETKEYS EVAL with keys", "COMMAND GETKEYS EVAL without keys",
            "COMMAND LIST FILTERBY ACLCAT - list all commands/subcommands",
            "EVAL command is marked with movablekeys"}},
    {NULL, "unit/acl",
        {"ACL requires explicit permission for scripting for EVAL_RO, "
         "EVALSHA_RO and FCALL_RO",
            "ACL LOG shows failed command executions at toplevel",
            "ACL LOG shows failed subcommand executions at toplevel",
            "ACL can log errors in the context of Lua scripting"}},
    {"They follow a test with a script on the same connections, which leaves a "
     "client tracking and another closed.",
        "unit/tracking",
        {"Tracking info is correct",
            "CLIENT TRACKINGINFO provides reasonable results when tracking redir "
            "broken",
            "CLIENT TRACKINGINFO provides reasonable results when tracking on "
            "with options",
            "RESP3 based basic invalidation with client reply off",
            "RESP2 based basic invalidation with client reply off",
            "RESP3 based basic redirect invalidation with client reply off",
            "RESP3 based basic tracking-redir-broken with client reply off"}},
    {"It publishes before the reply to an UNSUBSCRIBE on another connection has "
     "come: commands on different connections run at the same time here.",
        "unit/pubsub",
        {"PUBLISH/SUBSCRIBE after UNSUBSCRIBE without arguments"}},
    {"DEBUG SEGFAULT is not there, and an unknown subcommand is told before the "
     "rights.",
        "unit/acl", {"ACLs can block all DEBUG subcommands except one"}},
    {"A frequency of use is kept up to 7.", "unit/dump",
        {"RESTORE can set LFU"}},
    {"MIGRATE would make the cache connect to other servers.",
        "unit/introspection-2", {"MIGRATE command is marked with movablekeys"}},
    {NULL, "unit/acl-v2", {"Test various odd commands for key permissions"}},
    {"Nothing is saved to disk.", "unit/other",
        {"Perform a final SAVE to leave a clean DB on disk"}},
    {"They expect the fields of a hash of large values in the order in which "
     "they were stored: such a hash has an index here, and no order.",
        "unit/type/hash",
        {"Hash ziplist of various encodings",
            "Hash ziplist of various encodings - sanitize dump"}},
    {"No two keys share a value.", "unit/type/incr",
        {"INCR uses shared objects in the 0-9999 range"}},
    {"Runs only on a server that uses jemalloc.", "unit/type/string",
        {"trim on SET with big value"}},
};

void
differences_write(struct buf *out)
{
    buf_printf(out,
        "\n## Tests of Redis that fail\n\n"
        "Of the tests in the Tcl suite of Redis 7.0.15 that need only commands "
        "on strings,\nhashes and keys, connections, transactions, publish and "
        "subscribe, and the server,\nthese do not pass, each for the reason "
        "above it.\n");
    for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
        const struct difference *d = &differences[i];

        if (d->why != NULL)
            buf_printf(out, "\n%s\n\n", d->why);
        for (size_t t = 0; t < ARRAY_LEN(d->tests) && d->tests[t] != NULL; t++)
            buf_printf(out, "- %s: %s\n", d->unit, d->tests[t]);
    }
}
