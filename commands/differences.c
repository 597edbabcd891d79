/* SPDX-License-Identifier: BSD-3-Clause */
/* differences.c - which tests of Redis' own suite fail here, and why: a section
 * of docs/commands.md.
 *
 * Of the Tcl suite of Redis 7.0.15, those tests whose commands a cache is about
 * (strings, hashes, keys, connections, transactions, scripts, publish and
 * subscribe, server).
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
            "MULTI propagation of PUBLISH"}},
    {NULL, "unit/multi",
        {"MULTI propagation of SCRIPT LOAD", "MULTI propagation of EVAL",
            "MULTI propagation of SCRIPT FLUSH"}},
    {NULL, "unit/scripting",
        {"MGET: mget shouldn't be propagated in Lua",
            "EXPIRE: We can call scripts rewriting client->argv from Lua"}},
    {"Commands on lists, sets, sorted sets, streams and positions are not "
     "there.",
        "unit/introspection-2",
        {"COMMAND GETKEYSANDFLAGS", "COMMAND GETKEYS XGROUP",
            "command stats for scripts", "COMMAND GETKEYS MORE THAN 256 KEYS",
            "ZUNIONSTORE command is marked with movablekeys",
            "XREAD command is marked with movablekeys",
            "GEORADIUS command is marked with movablekeys"}},
    {NULL, "unit/latency-monitor",
        {"LATENCY of expire events are correctly collected"}},
    {NULL, "unit/scripting",
        {"EVAL - Scripts can't run blpop command",
            "EVAL - Scripts can't run brpop command",
            "EVAL - Scripts can't run brpoplpush command",
            "EVAL - Scripts can't run blmove command",
            "EVAL - Scripts can't run bzpopmin command",
            "EVAL - Scripts can't run bzpopmax command",
            "EVAL - redis.call variant raises a Lua error on Redis cmd error "
            "(1)",
            "Call Redis command with many args from Lua (issue #1764)",
            "Script check unpack with massive arguments",
            "Consistent eval error reporting"}},
    {NULL, "unit/acl-v2",
        {"Test separate write permission",
            "Test separate read and write permissions on different selectors "
            "are not additive",
            "Existence test commands are not marked as access",
            "Intersection cardinaltiy commands are access commands",
            "Cardinality commands require some type of permission to execute",
            "Test sort with ACL permissions",
            "Test various odd commands for key permissions"}},
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
            "ACL load and save"}},
    {"It counts the keys of a database that the test before it, which needs "
     "streams, does not get to empty.",
        "unit/keyspace", {"MOVE basic usage"}},
    {"A script uses the keys that it declares, unless `script-undeclared-keys` "
     "says otherwise; of the keys that it declares, a client caches those that "
     "the script has read.",
        "unit/scripting",
        {"Script read key with expiration set",
            "Script del key with expiration set",
            "Script block the time during execution"}},
    {NULL, "unit/tracking",
        {"Tracking only occurs for scripts when a command calls a read-only "
         "command"}},
    {"While a script runs, other workers go on, and only clients of those that "
     "are held up are told BUSY: with `workers 1` these pass.",
        "unit/multi",
        {"MULTI and script timeout", "EXEC and script timeout",
            "MULTI-EXEC body and script timeout",
            "just EXEC and script timeout"}},
    {NULL, "unit/scripting",
        {"Timedout read-only scripts can be killed by SCRIPT KILL",
            "Timedout read-only scripts can be killed by SCRIPT KILL even when "
            "use pcall",
            "Timedout script does not cause a false dead client"}},
    {"Also with allow-oom nothing is stored beyond `maxmemory`.",
        "unit/scripting", {"allow-oom shebang flag"}},
    {"It follows that one, which leaves a `maxmemory` of 1 behind.",
        "unit/scripting", {"not enough good replicas"}},
    {"cmsgpack is not there.", "unit/scripting",
        {"EVAL - cmsgpack can pack double?",
            "EVAL - cmsgpack can pack negative int64?",
            "EVAL - cmsgpack pack/unpack smoke test",
            "EVAL - cmsgpack can pack and unpack circular references?",
            "Try trick readonly table on cmsgpack table"}},
    {"It sets `maxmemory` 100 kB above what is in use and then writes 200 kB, "
     "which is refused here, or done without an eviction, as there is room.",
        "unit/tracking",
        {"Tracking invalidation message of eviction keys should be before "
         "response"}},
    {"On a server that ran unit/expire before: tests there that need "
     "replication leave DEBUG SET-ACTIVE-EXPIRE 0 behind. On a fresh one it "
     "passes.",
        "unit/pubsub",
        {"Keyspace notifications: expired events (background expire)"}},
    {"It publishes before the reply to an UNSUBSCRIBE on another connection "
     "has "
     "come: commands on different connections run at the same time here.",
        "unit/pubsub",
        {"PUBLISH/SUBSCRIBE after UNSUBSCRIBE without arguments"}},
    {"DEBUG SEGFAULT is not there, and an unknown subcommand is told before "
     "the "
     "rights.",
        "unit/acl", {"ACLs can block all DEBUG subcommands except one"}},
    {"In some runs: an idle time is kept as far back as access stamps reach, "
     "which after many accesses is minutes.",
        "unit/dump", {"RESTORE can set LRU"}},
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
        "on strings,\nhashes and keys, connections, transactions, scripts, "
        "publish and subscribe, and\nthe server, these do not pass, each for "
        "the "
        "reason "
        "above it.\n");
    for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
        const struct difference *d = &differences[i];

        if (d->why != NULL)
            buf_printf(out, "\n%s\n\n", d->why);
        for (size_t t = 0; t < ARRAY_LEN(d->tests) && d->tests[t] != NULL; t++)
            buf_printf(out, "- %s: %s\n", d->unit, d->tests[t]);
    }
}
