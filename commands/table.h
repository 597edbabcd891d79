/* SPDX-License-Identifier: BSD-3-Clause */
/* table.h - the commands, one row each.
 *
 * Everything else derives from a row: look-up, arity check, prefetch of keys,
 * counters, COMMAND, COMMAND DOCS, HELP of a container, hints of redis-cli.
 *
 * A container's subcommands follow its row and are named "container|sub".
 * Keys: first, last (-1: the last argument, -2 the one before) and step, as
 * COMMAND INFO shows them; 0 0 0 for none. KEYS_COUNTED as the last: the
 * argument before the first says how many there are. KEYS_STORED: the first, and
 * what follows the word STORE. KEYS_LISTED: the first, or what follows the word
 * KEYS. How a command uses its
 * keys stands among the flags, KEYS() for all of them or, with OTHER_KEYS(),
 * for the first only; without it, a command that reads has KEY_RO | KEY_ACCESS,
 * one that writes KEY_RW | KEY_ACCESS | KEY_UPDATE. The argument syntax is what
 * stands after the name in documentation: words in capitals are tokens, others
 * are values, [x] is optional, a|b a choice, "x [x ...]" a repetition; syntax.c
 * reads it.
 */
#pragma once

/* clang-format off */

/* Flags that always come together. */
#define CMD_CONN_ (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define CMD_OPEN_ (CMD_CONN_ | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY)
#define CMD_CONTROL_ (CMD_ADMIN | CMD_CONN_)
#define CMD_ABOUT_ (CMD_LOADING | CMD_STALE)
#define CMD_SUB_ (CMD_CONN_ | CMD_PUBSUB | CMD_SUBSCRIBED | CMD_PUSHES)
#define CMD_GET_ (CMD_READ | CMD_FAST)
#define CMD_PUT_ (CMD_WRITE | CMD_DENYOOM)
#define CMD_CALL_ (CMD_NOSCRIPT | CMD_STALE | CMD_MOVABLE_KEYS | \
    CMD_NO_MANDATORY_KEYS)

#define COMMANDS(X)                                                           \
    COMMANDS_STRING(X)                                                        \
    COMMANDS_BITMAP(X)                                                        \
    COMMANDS_HASH(X)                                                          \
    COMMANDS_GENERIC(X)                                                       \
    COMMANDS_CONNECTION(X)                                                    \
    COMMANDS_PUBSUB(X)                                                        \
    COMMANDS_ACL(X)                                                           \
    COMMANDS_SERVER(X)                                                        \
    COMMANDS_TRANSACTIONS(X)                                                  \
    COMMANDS_SCRIPTING(X)                                                     \
    COMMANDS_STANDALONE(X)

/*    name, handler, arity, flags, keys first, last, step, group, since,
 *        complexity, arguments,
 *        summary                                                            */
#define COMMANDS_STRING(X)                                                    \
    X("append", cmd_append, 3,                                                \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_INSERT), 1, 1, 1,             \
        "string", "0.1.0", "O(1), and a copy of the value", "key value",      \
        "Adds bytes to the end of a value, creating the key if needed.")      \
    X("decr", cmd_decr, 2, CMD_PUT_ | CMD_FAST, 1, 1, 1,                      \
        "string", "0.1.0", "O(1)", "key",                                     \
        "Subtracts one from an integer; a missing key counts as 0.")          \
    X("decrby", cmd_decrby, 3, CMD_PUT_ | CMD_FAST, 1, 1, 1,                  \
        "string", "0.1.0", "O(1)", "key decrement",                           \
        "Subtracts a number from an integer; a missing key counts as 0.")     \
    X("delex", cmd_delex, -2,                                                 \
        CMD_WRITE | CMD_FAST |                                                \
        KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE), 1, 1, 1,                      \
        "string", "0.1.0", "O(N) in the length of the value",                 \
        "key [IFEQ value|IFNE value|IFDEQ digest|IFDNE digest|IFVER version]",\
        "Deletes a key if its value compares as said.")                       \
    X("delifeq", cmd_delifeq, 3,                                              \
        CMD_WRITE | CMD_FAST |                                                \
        KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE), 1, 1, 1,                      \
        "string", "0.1.0", "O(N) in the length of the value", "key value",    \
        "Deletes a key if its value is the one given.")                       \
    X("digest", cmd_digest, 2, CMD_GET_, 1, 1, 1,                             \
        "string", "0.1.0", "O(N) in the length of the value", "key",          \
        "Returns the XXH3 digest of a value, 16 hexadecimal digits.")         \
    X("get", cmd_get, 2, CMD_GET_, 1, 1, 1,                                   \
        "string", "0.1.0", "O(1)", "key",                                     \
        "Returns the value of a key.")                                        \
    X("getdel", cmd_getdel, 2,                                                \
        CMD_WRITE | CMD_FAST |                                                \
        KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE), 1, 1, 1,                      \
        "string", "0.1.0", "O(1)", "key",                                     \
        "Returns the value of a key and deletes the key.")                    \
    X("getex", cmd_getex, -2, CMD_WRITE | CMD_FAST, 1, 1, 1,                  \
        "string", "0.1.0", "O(1)",                                            \
        "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|"             \
        "PXAT unix-time-milliseconds|PERSIST]",                               \
        "Returns the value of a key and changes its expiry.")                 \
    X("getrange", cmd_getrange, 4, CMD_READ, 1, 1, 1,                         \
        "string", "0.1.0", "O(N) in the bytes returned", "key start end",     \
        "Returns a part of a value, both ends included.")                     \
    X("getset", cmd_getset, 3, CMD_PUT_ | CMD_FAST, 1, 1, 1,                  \
        "string", "0.1.0", "O(1)", "key value",                               \
        "Stores a value and returns the former one.")                         \
    X("getv", cmd_getv, 2, CMD_GET_, 1, 1, 1,                                 \
        "string", "0.2.0", "O(1)", "key",                                     \
        "Returns a value, its version and its TTL in milliseconds.")          \
    X("incr", cmd_incr, 2, CMD_PUT_ | CMD_FAST, 1, 1, 1,                      \
        "string", "0.1.0", "O(1)", "key",                                     \
        "Adds one to an integer; a missing key counts as 0.")                 \
    X("incrby", cmd_incrby, 3, CMD_PUT_ | CMD_FAST, 1, 1, 1,                  \
        "string", "0.1.0", "O(1)", "key increment",                           \
        "Adds a number to an integer; a missing key counts as 0.")            \
    X("incrbyfloat", cmd_incrbyfloat, 3, CMD_PUT_ | CMD_FAST, 1, 1, 1,        \
        "string", "0.1.0", "O(1)", "key float-increment",                     \
        "Adds a floating-point number to a value.")                           \
    X("lcs", cmd_lcs, -3, CMD_READ, 1, 2, 1,                                  \
        "string", "0.1.0", "O(N*M) in the lengths of both values",            \
        "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",   \
        "Finds the longest common subsequence of two values.")                \
    X("increx", cmd_increx, -2, CMD_PUT_ | CMD_FAST, 1, 1, 1,                 \
        "string", "0.1.0", "O(1)",                                            \
        "key [BYFLOAT float-increment|BYINT increment] [LBOUND lower-bound] " \
        "[UBOUND upper-bound] [SATURATE] [EX seconds|PX milliseconds|"        \
        "EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] [ENX]",  \
        "Adds to a number within bounds and sets the expiry with it.")        \
    X("mget", cmd_mget, -2, CMD_GET_, 1, -1, 1,                               \
        "string", "0.1.0", "O(N) in the keys", "key [key ...]",               \
        "Returns the values of several keys at once.")                        \
    X("mset", cmd_mset, -3,                                                   \
        CMD_PUT_ | KEYS(KEY_OW | KEY_UPDATE), 1, -1, 2,                       \
        "string", "0.1.0", "O(N) in the keys", "key value [key value ...]",   \
        "Stores several values in one atomic change.")                        \
    X("msetex", cmd_msetex, -4,                                               \
        CMD_PUT_ | CMD_MOVABLE_KEYS |                                         \
        KEYS(KEY_OW | KEY_UPDATE), 2, KEYS_COUNTED, 2,                        \
        "string", "0.1.0", "O(N) in the keys",                                \
        "numkeys key value [key value ...] [NX|XX] [EX seconds|"              \
        "PX milliseconds|EXAT unix-time-seconds|"                             \
        "PXAT unix-time-milliseconds|KEEPTTL]",                               \
        "Stores several values, all or none, with one expiry.")               \
    X("msetnx", cmd_msetnx, -3,                                               \
        CMD_PUT_ | KEYS(KEY_OW | KEY_INSERT), 1, -1, 2,                       \
        "string", "0.1.0", "O(N) in the keys", "key value [key value ...]",   \
        "Stores several values, all or none: only if no key exists.")         \
    X("psetex", cmd_psetex, 4,                                                \
        CMD_PUT_ | KEYS(KEY_OW | KEY_UPDATE), 1, 1, 1,                        \
        "string", "0.1.0", "O(1)", "key milliseconds value",                  \
        "Stores a value that expires after some milliseconds.")               \
    X("set", cmd_set, -3,                                                     \
        CMD_PUT_ |                                                            \
        KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE), 1, 1, 1,       \
        "string", "0.1.0", "O(1)",                                            \
        "key value [NX|XX|IFEQ compare-value|IFNE compare-value|"             \
        "IFDEQ compare-digest|IFDNE compare-digest|IFVER version] [GET] "     \
        "[EX seconds|PX milliseconds|"                                        \
        "EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",        \
        "Stores a value, with conditions and an expiry if wanted.")           \
    X("setex", cmd_setex, 4,                                                  \
        CMD_PUT_ | KEYS(KEY_OW | KEY_UPDATE), 1, 1, 1,                        \
        "string", "0.1.0", "O(1)", "key seconds value",                       \
        "Stores a value that expires after some seconds.")                    \
    X("setnx", cmd_setnx, 3,                                                  \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_OW | KEY_INSERT), 1, 1, 1,             \
        "string", "0.1.0", "O(1)", "key value",                               \
        "Stores a value only if the key does not exist.")                     \
    X("setrange", cmd_setrange, 4,                                            \
        CMD_PUT_ | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,                        \
        "string", "0.1.0", "O(N) in the length of the value",                 \
        "key offset value",                                                   \
        "Overwrites bytes of a value from an offset on.")                     \
    X("strlen", cmd_strlen, 2,                                                \
        CMD_GET_ | KEYS(KEY_RO), 1, 1, 1,                                     \
        "string", "0.1.0", "O(1)", "key",                                     \
        "Returns the length of a value in bytes.")                            \
    X("substr", cmd_getrange, 4, CMD_READ, 1, 1, 1,                           \
        "string", "0.1.0", "O(N) in the bytes returned", "key start end",     \
        "Old name of GETRANGE.")

#define COMMANDS_BITMAP(X)                                                    \
    X("bitcount", cmd_bitcount, -2, CMD_READ, 1, 1, 1,                        \
        "bitmap", "0.1.0", "O(N) in the bytes of the range",                  \
        "key [start end [BYTE|BIT]]",                                         \
        "Counts the bits of a value that are set.")                           \
    X("bitfield", cmd_bitfield, -2,                                           \
        CMD_PUT_ |                                                            \
        KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE), 1, 1, 1,       \
        "bitmap", "0.1.0", "O(1) an operation, and a copy of the value",      \
        "key [GET encoding offset] [OVERFLOW WRAP|SAT|FAIL] "                 \
        "[SET encoding offset value] [INCRBY encoding offset increment]",     \
        "Reads and changes integers of any width within a value.")            \
    X("bitfield_ro", cmd_bitfield_ro, -2, CMD_GET_, 1, 1, 1,                  \
        "bitmap", "0.1.0", "O(1) an operation",                               \
        "key [GET encoding offset]",                                          \
        "Reads integers of any width within a value.")                        \
    X("bitop", cmd_bitop, -4,                                                 \
        CMD_PUT_ | KEYS(KEY_OW | KEY_UPDATE) |                                \
        OTHER_KEYS(KEY_RO | KEY_ACCESS), 2, -1, 1,                            \
        "bitmap", "0.1.0", "O(N) in the bytes of all values",                 \
        "operation destkey key [key ...]",                                    \
        "Combines values bit by bit and stores the result.")                  \
    X("bitpos", cmd_bitpos, -3, CMD_READ, 1, 1, 1,                            \
        "bitmap", "0.1.0", "O(N) in the bytes of the range",                  \
        "key bit [start [end [BYTE|BIT]]]",                                   \
        "Finds the first bit of a value that is set, or clear.")              \
    X("getbit", cmd_getbit, 3, CMD_GET_, 1, 1, 1,                             \
        "bitmap", "0.1.0", "O(1)", "key offset",                              \
        "Returns one bit of a value.")                                        \
    X("setbit", cmd_setbit, 4, CMD_PUT_, 1, 1, 1,                             \
        "bitmap", "0.1.0", "O(1), and a copy of the value",                   \
        "key offset value",                                                   \
        "Sets or clears one bit of a value and returns what it was.")

#define COMMANDS_HASH(X)                                                      \
    X("hdel", cmd_hdel, -3,                                                   \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_DELETE), 1, 1, 1,            \
        "hash", "0.2.0", "O(N) in the fields", "key field [field ...]",       \
        "Deletes fields of a hash; returns how many there were.")             \
    X("hexists", cmd_hexists, 3, CMD_GET_ | KEYS(KEY_RO), 1, 1, 1,            \
        "hash", "0.2.0", "O(1)", "key field",                                 \
        "Tells whether a hash has a field.")                                  \
    X("hexpire", cmd_hexpire, -6,                                             \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",       \
        "Lets fields of a hash expire after some seconds.")                   \
    X("hexpireat", cmd_hexpireat, -6,                                         \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key unix-time-seconds [NX|XX|GT|LT] FIELDS numfields field "         \
        "[field ...]",                                                        \
        "Lets fields of a hash expire at a Unix time in seconds.")            \
    X("hexpiretime", cmd_hexpiretime, -5, CMD_GET_, 1, 1, 1,                  \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key FIELDS numfields field [field ...]",                             \
        "Returns the Unix times in seconds at which fields expire.")          \
    X("hget", cmd_hget, 3, CMD_GET_, 1, 1, 1,                                 \
        "hash", "0.2.0", "O(1)", "key field",                                 \
        "Returns the value of a field of a hash.")                            \
    X("hgetall", cmd_hgetall, 2, CMD_READ, 1, 1, 1,                           \
        "hash", "0.2.0", "O(N) in the fields", "key",                         \
        "Returns all fields of a hash and their values.")                     \
    X("hgetdel", cmd_hgetdel, -5,                                             \
        CMD_WRITE | CMD_FAST |                                                \
        KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE), 1, 1, 1,                      \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key FIELDS numfields field [field ...]",                             \
        "Returns the values of fields of a hash and deletes the fields.")     \
    X("hgetex", cmd_hgetex, -5, CMD_WRITE | CMD_FAST, 1, 1, 1,                \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "        \
        "unix-time-milliseconds|PERSIST] FIELDS numfields field [field "      \
        "...]",                                                               \
        "Returns the values of fields of a hash and changes their expiry.")   \
    X("hincrby", cmd_hincrby, 4, CMD_PUT_ | CMD_FAST, 1, 1, 1,                \
        "hash", "0.2.0", "O(1)", "key field increment",                       \
        "Adds a number to an integer in a field; a missing one counts as 0.") \
    X("hincrbyfloat", cmd_hincrbyfloat, 4, CMD_PUT_ | CMD_FAST, 1, 1, 1,      \
        "hash", "0.2.0", "O(1)",                                              \
        "key field float-increment",                                          \
        "Adds a floating-point number to the value of a field.")              \
    X("hkeys", cmd_hkeys, 2, CMD_READ, 1, 1, 1,                               \
        "hash", "0.2.0", "O(N) in the fields", "key",                         \
        "Returns the names of all fields of a hash.")                         \
    X("hlen", cmd_hlen, 2, CMD_GET_ | KEYS(KEY_RO), 1, 1, 1,                  \
        "hash", "0.2.0", "O(1), O(N) if fields expire", "key",                \
        "Returns how many fields a hash has.")                                \
    X("hmget", cmd_hmget, -3, CMD_GET_, 1, 1, 1,                              \
        "hash", "0.2.0", "O(N) in the fields asked for",                      \
        "key field [field ...]",                                              \
        "Returns the values of several fields of a hash.")                    \
    X("hmset", cmd_hmset, -4,                                                 \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key field value [field value ...]",                                  \
        "Stores fields of a hash: HSET of old, which replies OK.")            \
    X("hpersist", cmd_hpersist, -5,                                           \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,            \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key FIELDS numfields field [field ...]",                             \
        "Takes the expiry off fields of a hash.")                             \
    X("hpexpire", cmd_hpexpire, -6,                                           \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key milliseconds [NX|XX|GT|LT] FIELDS numfields field [field "       \
        "...]",                                                               \
        "Lets fields of a hash expire after some milliseconds.")              \
    X("hpexpireat", cmd_hpexpireat, -6,                                       \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key unix-time-milliseconds [NX|XX|GT|LT] FIELDS numfields field "    \
        "[field ...]",                                                        \
        "Lets fields of a hash expire at a Unix time in milliseconds.")       \
    X("hpexpiretime", cmd_hpexpiretime, -5, CMD_GET_, 1, 1, 1,                \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key FIELDS numfields field [field ...]",                             \
        "Returns the Unix times in milliseconds at which fields expire.")     \
    X("hpttl", cmd_hpttl, -5, CMD_GET_, 1, 1, 1,                              \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key FIELDS numfields field [field ...]",                             \
        "Returns the milliseconds until fields of a hash expire.")            \
    X("hrandfield", cmd_hrandfield, -2, CMD_READ, 1, 1, 1,                    \
        "hash", "0.2.0", "O(N) in the fields", "key [count [WITHVALUES]]",    \
        "Returns one or several random fields of a hash.")                    \
    X("hscan", cmd_hscan, -3, CMD_READ, 1, 1, 1,                              \
        "hash", "0.2.0", "O(N) in COUNT",                                     \
        "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",                \
        "Walks over the fields of a hash and their values.")                  \
    X("hset", cmd_hset, -4,                                                   \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key field value [field value ...]",                                  \
        "Stores fields of a hash; returns how many are new.")                 \
    X("hsetex", cmd_hsetex, -6,                                               \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,             \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key [NX|XX] [FNX|FXX] [EX seconds|PX milliseconds|EXAT "             \
        "unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] FIELDS "      \
        "numfields field value [field value ...]",                            \
        "Stores fields of a hash, with conditions and an expiry if wanted.")  \
    X("hsetnx", cmd_hsetnx, 4,                                                \
        CMD_PUT_ | CMD_FAST | KEYS(KEY_RW | KEY_INSERT), 1, 1, 1,             \
        "hash", "0.2.0", "O(1)", "key field value",                           \
        "Stores a field of a hash only if it does not exist.")                \
    X("hstrlen", cmd_hstrlen, 3, CMD_GET_ | KEYS(KEY_RO), 1, 1, 1,            \
        "hash", "0.2.0", "O(1)", "key field",                                 \
        "Returns the length of the value of a field of a hash.")              \
    X("httl", cmd_httl, -5, CMD_GET_, 1, 1, 1,                                \
        "hash", "0.2.0", "O(N) in the fields",                                \
        "key FIELDS numfields field [field ...]",                             \
        "Returns the seconds until fields of a hash expire.")                 \
    X("hvals", cmd_hvals, 2, CMD_READ, 1, 1, 1,                               \
        "hash", "0.2.0", "O(N) in the fields", "key",                         \
        "Returns the values of all fields of a hash.")

#define COMMANDS_GENERIC(X)                                                   \
    X("copy", cmd_copy, -3,                                                   \
        CMD_PUT_ | CMD_ALL_KEYS | KEYS(KEY_RO | KEY_ACCESS) |                 \
        OTHER_KEYS(KEY_OW | KEY_UPDATE), 1, 2, 1,                             \
        "generic", "0.1.0", "O(N) in the bytes of the value",                 \
        "source destination [DB destination-db] [REPLACE]",                   \
        "Copies a value and its expiry to another key.")                      \
    X("del", cmd_del, -2,                                                     \
        CMD_WRITE | KEYS(KEY_RM | KEY_DELETE), 1, -1, 1,                      \
        "generic", "0.1.0", "O(N) in the keys", "key [key ...]",              \
        "Deletes keys; returns how many there were.")                         \
    X("dump", cmd_dump, 2, CMD_READ, 1, 1, 1,                                 \
        "generic", "0.1.0", "O(N) in the bytes of the value", "key",          \
        "Returns a value as a payload that RESTORE takes.")                   \
    X("exists", cmd_exists, -2,                                               \
        CMD_GET_ | KEYS(KEY_RO), 1, -1, 1,                                    \
        "generic", "0.1.0", "O(N) in the keys", "key [key ...]",              \
        "Counts how many of the keys exist.")                                 \
    X("expire", cmd_expire, -3,                                               \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,            \
        "generic", "0.1.0", "O(1)", "key seconds [NX|XX|GT|LT]",              \
        "Lets a key expire after some seconds.")                              \
    X("expireat", cmd_expireat, -3,                                           \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,            \
        "generic", "0.1.0", "O(1)",                                           \
        "key unix-time-seconds [NX|XX|GT|LT]",                                \
        "Lets a key expire at a Unix time in seconds.")                       \
    X("expiretime", cmd_expiretime, 2, CMD_GET_, 1, 1, 1,                     \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the Unix time in seconds at which a key expires.")           \
    X("keys", cmd_keys, 2, CMD_READ | CMD_DANGEROUS, 0, 0, 0,                 \
        "generic", "0.1.0", "O(N) in the keys of the database", "pattern",    \
        "Returns all keys that match a pattern; SCAN is kinder.")             \
    X("move", cmd_move, 3,                                                    \
        CMD_WRITE | CMD_FAST | CMD_ALL_KEYS, 1, 1, 1,                         \
        "generic", "0.1.0", "O(1), and a copy of a small value", "key db",    \
        "Moves a key to another database.")                                   \
    X("object", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                    \
        "generic", "0.1.0", "Depends on the subcommand", "",                  \
        "Looks at how a value is kept.")                                      \
    X("object|encoding", cmd_object_encoding, 3,                              \
        CMD_READ | KEYS(KEY_RO), 2, 2, 1,                                     \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the encoding of a value.")                                   \
    X("object|freq", cmd_object_freq, 3,                                      \
        CMD_READ | KEYS(KEY_RO), 2, 2, 1,                                     \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns how often a key was hit: 0 to 7, or about 10, 30, 100, 255.")\
    X("object|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                        \
        "generic", "0.1.0", "O(1)", "",                                       \
        "Prints this help.")                                                  \
    X("object|idletime", cmd_object_idletime, 3,                              \
        CMD_READ | KEYS(KEY_RO), 2, 2, 1,                                     \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the seconds since a key was last accessed.")                 \
    X("object|refcount", cmd_object_refcount, 3,                              \
        CMD_READ | KEYS(KEY_RO), 2, 2, 1,                                     \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the reference count of a value: 1.")                         \
    X("persist", cmd_persist, 2,                                              \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,            \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Takes the expiry off a key.")                                        \
    X("pexpire", cmd_pexpire, -3,                                             \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,            \
        "generic", "0.1.0", "O(1)", "key milliseconds [NX|XX|GT|LT]",         \
        "Lets a key expire after some milliseconds.")                         \
    X("pexpireat", cmd_pexpireat, -3,                                         \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_UPDATE), 1, 1, 1,            \
        "generic", "0.1.0", "O(1)",                                           \
        "key unix-time-milliseconds [NX|XX|GT|LT]",                           \
        "Lets a key expire at a Unix time in milliseconds.")                  \
    X("pexpiretime", cmd_pexpiretime, 2, CMD_GET_, 1, 1, 1,                   \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the Unix time in milliseconds at which a key expires.")      \
    X("pttl", cmd_pttl, 2, CMD_GET_, 1, 1, 1,                                 \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the milliseconds until a key expires.")                      \
    X("randomkey", cmd_randomkey, 1, CMD_READ, 0, 0, 0,                       \
        "generic", "0.1.0", "O(1)", "",                                       \
        "Returns a random key of the database.")                              \
    X("rename", cmd_rename, 3,                                                \
        CMD_WRITE | KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE) |                  \
        OTHER_KEYS(KEY_OW | KEY_UPDATE), 1, 2, 1,                             \
        "generic", "0.1.0", "O(1), and a copy of a small value", "key newkey",\
        "Gives a key another name, over any value of that name.")             \
    X("renamenx", cmd_renamenx, 3,                                            \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE) |       \
        OTHER_KEYS(KEY_OW | KEY_INSERT), 1, 2, 1,                             \
        "generic", "0.1.0", "O(1), and a copy of a small value", "key newkey",\
        "Gives a key another name if that name is free.")                     \
    X("restore", cmd_restore, -4,                                             \
        CMD_PUT_ | CMD_DANGEROUS | KEYS(KEY_OW | KEY_UPDATE), 1, 1, 1,        \
        "generic", "0.1.0", "O(N) in the bytes of the value",                 \
        "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] "     \
        "[FREQ frequency]",                                                   \
        "Stores the value of a payload of DUMP.")                             \
    X("scan", cmd_scan, -2, CMD_READ, 0, 0, 0,                                \
        "generic", "0.1.0", "O(1) a call, O(N) for a whole walk",             \
        "cursor [MATCH pattern] [COUNT count] [TYPE type]",                   \
        "Walks over the keys of the database step by step.")                  \
    X("sort", cmd_sort, -2,                                                   \
        CMD_PUT_ | CMD_MOVABLE_KEYS | CMD_DANGEROUS |                         \
        KEYS(KEY_RO | KEY_ACCESS) | OTHER_KEYS(KEY_OW | KEY_UPDATE),          \
        1, KEYS_STORED, 1,                                                    \
        "generic", "0.2.0", "O(1)",                                           \
        "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern "    \
        "...]] [ASC|DESC] [ALPHA] [STORE destination]",                       \
        "Sorts nothing: no value here has elements to sort.")                 \
    X("sort_ro", cmd_sort_ro, -2,                                             \
        CMD_READ | CMD_MOVABLE_KEYS | CMD_DANGEROUS, 1, 1, 1,                 \
        "generic", "0.2.0", "O(1)",                                           \
        "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern "    \
        "...]] [ASC|DESC] [ALPHA]",                                           \
        "SORT without STORE.")                                                \
    X("touch", cmd_touch, -2,                                                 \
        CMD_GET_ | KEYS(KEY_RO), 1, -1, 1,                                    \
        "generic", "0.1.0", "O(N) in the keys", "key [key ...]",              \
        "Counts how many keys exist and marks them as used.")                 \
    X("ttl", cmd_ttl, 2, CMD_GET_, 1, 1, 1,                                   \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the seconds until a key expires.")                           \
    X("type", cmd_type, 2,                                                    \
        CMD_GET_ | KEYS(KEY_RO), 1, 1, 1,                                     \
        "generic", "0.1.0", "O(1)", "key",                                    \
        "Returns the type of the value of a key.")                            \
    X("unlink", cmd_unlink, -2,                                               \
        CMD_WRITE | CMD_FAST | KEYS(KEY_RM | KEY_DELETE), 1, -1, 1,           \
        "generic", "0.1.0", "O(N) in the keys", "key [key ...]",              \
        "Deletes keys; the same as DEL here.")                                \
    X("wait", cmd_wait, 3, CMD_NOSCRIPT | CMD_CONNECTION, 0, 0, 0,            \
        "generic", "0.1.0", "O(1)", "numreplicas timeout",                    \
        "Returns the number of replicas, which is 0, at once.")

#define COMMANDS_CONNECTION(X)                                                \
    X("auth", cmd_auth, -2, CMD_OPEN_, 0, 0, 0,                               \
        "connection", "0.1.0", "O(N) in the length of the password",          \
        "[username] password",                                                \
        "Authenticates the connection.")                                      \
    X("client", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                    \
        "connection", "0.1.0", "Depends on the subcommand", "",               \
        "Looks at and controls client connections.")                          \
    X("client|caching", cmd_client_caching, 3, CMD_CONN_, 0, 0, 0,            \
        "connection", "0.2.0", "O(1)", "YES|NO",                              \
        "Says whether the keys of the next command are tracked.")             \
    X("client|getredir", cmd_client_getredir, 2, CMD_CONN_, 0, 0, 0,          \
        "connection", "0.2.0", "O(1)", "",                                    \
        "Returns the connection that invalidations are redirected to.")       \
    X("client|pause", cmd_client_pause, -3, CMD_CONTROL_, 0, 0, 0,            \
        "connection", "0.2.0", "O(1)", "timeout [WRITE|ALL]",                 \
        "Lets commands, or those that write, wait for some milliseconds.")    \
    X("client|tracking", cmd_client_tracking, -3, CMD_CONN_ | CMD_ALL_KEYS,   \
        0, 0, 0,                                                              \
        "connection", "0.2.0", "O(1)",                                        \
        "ON|OFF [REDIRECT client-id] [PREFIX prefix] "                        \
        "[BCAST] [OPTIN] [OPTOUT] [NOLOOP]",                                  \
        "Sends invalidations of keys that this connection caches.")           \
    X("client|trackinginfo", cmd_client_trackinginfo, 2, CMD_CONN_, 0, 0, 0,  \
        "connection", "0.2.0", "O(1)", "",                                    \
        "Says how this connection tracks keys.")                              \
    X("client|unblock", cmd_client_unblock, -3, CMD_CONTROL_, 0, 0, 0,        \
        "connection", "0.2.0", "O(1)", "client-id [TIMEOUT|ERROR]",           \
        "Ends the waiting of a blocked connection: there is none here.")      \
    X("client|unpause", cmd_client_unpause, 2, CMD_CONTROL_, 0, 0, 0,         \
        "connection", "0.2.0", "O(N) in the paused connections", "",          \
        "Ends a pause.")                                                      \
    X("client|getname", cmd_client_getname, 2, CMD_CONN_, 0, 0, 0,            \
        "connection", "0.1.0", "O(1)", "",                                    \
        "Returns the name of this connection.")                               \
    X("client|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                        \
        "connection", "0.1.0", "O(1)", "",                                    \
        "Prints this help.")                                                  \
    X("client|id", cmd_client_id, 2, CMD_CONN_, 0, 0, 0,                      \
        "connection", "0.1.0", "O(1)", "",                                    \
        "Returns the number of this connection.")                             \
    X("client|info", cmd_client_info, 2, CMD_CONN_, 0, 0, 0,                  \
        "connection", "0.1.0", "O(1)", "",                                    \
        "Describes this connection in one line.")                             \
    X("client|kill", cmd_client_kill, -3, CMD_CONTROL_, 0, 0, 0,              \
        "connection", "0.1.0", "O(N) in the connections",                     \
        "ip:port|[ID client-id] [TYPE NORMAL|MASTER|SLAVE|REPLICA|PUBSUB] "   \
        "[USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME yes/no] "     \
        "[MAXAGE maxage]",                                                    \
        "Closes connections: one by address, or all that match the "          \
        "filters.")                                                           \
    X("client|list", cmd_client_list, -2, CMD_CONTROL_, 0, 0, 0,              \
        "connection", "0.1.0", "O(N) in the connections",                     \
        "[TYPE NORMAL|MASTER|REPLICA|PUBSUB] "                                \
        "[ID client-id [client-id ...]]",                                     \
        "Describes connections, one line each.")                              \
    X("client|no-evict", cmd_client_no_evict, 3, CMD_CONTROL_, 0, 0, 0,       \
        "connection", "0.1.0", "O(1)", "ON|OFF",                              \
        "Spares this connection when clients use too much memory.")           \
    X("client|no-touch", cmd_client_no_touch, 3, CMD_CONN_, 0, 0, 0,          \
        "connection", "0.1.0", "O(1)", "ON|OFF",                              \
        "Reads of this connection leave the age of keys as it is.")           \
    X("client|reply", cmd_client_reply, 3, CMD_CONN_, 0, 0, 0,                \
        "connection", "0.1.0", "O(1)", "ON|OFF|SKIP",                         \
        "Switches replies to this connection on or off.")                     \
    X("client|setinfo", cmd_client_setinfo, 4, CMD_CONN_, 0, 0, 0,            \
        "connection", "0.1.0", "O(1)", "LIB-NAME libname|LIB-VER libver",     \
        "Says which client library this connection uses.")                    \
    X("client|setname", cmd_client_setname, 3, CMD_CONN_, 0, 0, 0,            \
        "connection", "0.1.0", "O(1)", "connection-name",                     \
        "Gives this connection a name.")                                      \
    X("echo", cmd_echo, 2, CMD_ABOUT_ | CMD_FAST, 0, 0, 0,                    \
        "connection", "0.1.0", "O(1)", "message",                             \
        "Returns its argument.")                                              \
    X("hello", cmd_hello, -1, CMD_OPEN_, 0, 0, 0,                             \
        "connection", "0.1.0", "O(1)",                                        \
        "[protover [AUTH username password] [SETNAME clientname]]",           \
        "Agrees on the protocol version; can authenticate as well.")          \
    X("ping", cmd_ping, -1, CMD_FAST | CMD_SUBSCRIBED, 0, 0, 0,               \
        "connection", "0.1.0", "O(1)", "[message]",                           \
        "Returns PONG or its argument: shows that the server answers.")       \
    X("quit", cmd_quit, -1, CMD_OPEN_ | CMD_SUBSCRIBED, 0, 0, 0,              \
        "connection", "0.1.0", "O(1)", "",                                    \
        "Closes the connection once all replies are sent.")                   \
    X("reset", cmd_reset, 1, CMD_OPEN_ | CMD_SUBSCRIBED, 0, 0, 0,             \
        "connection", "0.1.0", "O(1)", "",                                    \
        "Puts the connection back to the state of a new one.")                \
    X("select", cmd_select, 2, CMD_ABOUT_ | CMD_FAST, 0, 0, 0,                \
        "connection", "0.1.0", "O(1)", "index",                               \
        "Chooses the database of the connection.")

#define COMMANDS_PUBSUB(X)                                                    \
    X("psubscribe", cmd_psubscribe, -2,                                       \
        CMD_SUB_, 0, 0, 0,                                                    \
        "pubsub", "0.2.0", "O(N) in the patterns",                            \
        "pattern [pattern ...]",                                              \
        "Listens to all channels whose names match.")                         \
    X("publish", cmd_publish, 3,                                              \
        CMD_ABOUT_ | CMD_PUBSUB | CMD_FAST, 0, 0, 0,                          \
        "pubsub", "0.2.0", "O(N+M), N receivers and M patterns in all",       \
        "channel message",                                                    \
        "Sends a message to all who listen to a channel.")                    \
    X("pubsub", cmd_container, -2,                                            \
        CMD_CONTAINER, 0, 0, 0,                                               \
        "pubsub", "0.2.0", "Depends on the subcommand",                       \
        "",                                                                   \
        "Tells who listens to what.")                                         \
    X("pubsub|channels", cmd_pubsub_channels, -2,                             \
        CMD_ABOUT_ | CMD_PUBSUB, 0, 0, 0,                                     \
        "pubsub", "0.2.0", "O(N) in the channels",                            \
        "[pattern]",                                                          \
        "Lists the channels that somebody listens to.")                       \
    X("pubsub|help", cmd_help, 2,                                             \
        CMD_ABOUT_, 0, 0, 0,                                                  \
        "pubsub", "0.2.0", "O(1)",                                            \
        "",                                                                   \
        "Prints this help.")                                                  \
    X("pubsub|numpat", cmd_pubsub_numpat, 2,                                  \
        CMD_ABOUT_ | CMD_PUBSUB, 0, 0, 0,                                     \
        "pubsub", "0.2.0", "O(1)",                                            \
        "",                                                                   \
        "Counts the patterns that somebody listens to.")                      \
    X("pubsub|numsub", cmd_pubsub_numsub, -2,                                 \
        CMD_ABOUT_ | CMD_PUBSUB, 0, 0, 0,                                     \
        "pubsub", "0.2.0", "O(N) in the channels named",                      \
        "[channel [channel ...]]",                                            \
        "Counts the subscribers of channels.")                                \
    X("pubsub|shardchannels", cmd_pubsub_shardchannels, -2,                   \
        CMD_ABOUT_ | CMD_PUBSUB, 0, 0, 0,                                     \
        "pubsub", "0.2.0", "O(N) in the shard channels",                      \
        "[pattern]",                                                          \
        "Lists the shard channels that somebody listens to.")                 \
    X("pubsub|shardnumsub", cmd_pubsub_shardnumsub, -2,                       \
        CMD_ABOUT_ | CMD_PUBSUB, 0, 0, 0,                                     \
        "pubsub", "0.2.0", "O(N) in the channels named",                      \
        "[shardchannel [shardchannel ...]]",                                  \
        "Counts the subscribers of shard channels.")                          \
    X("punsubscribe", cmd_punsubscribe, -1,                                   \
        CMD_SUB_, 0, 0, 0,                                                    \
        "pubsub", "0.2.0", "O(N) in the patterns",                            \
        "[pattern [pattern ...]]",                                            \
        "Ends listening to patterns, or to all of them.")                     \
    X("spublish", cmd_spublish, 3,                                            \
        CMD_ABOUT_ | CMD_PUBSUB | CMD_FAST, 0, 0, 0,                          \
        "pubsub", "0.2.0", "O(N) in the receivers",                           \
        "shardchannel message",                                               \
        "Sends a message to all who listen to a shard channel.")              \
    X("ssubscribe", cmd_ssubscribe, -2,                                       \
        CMD_SUB_, 0, 0, 0,                                                    \
        "pubsub", "0.2.0", "O(N) in the channels",                            \
        "shardchannel [shardchannel ...]",                                    \
        "Listens to shard channels.")                                         \
    X("subscribe", cmd_subscribe, -2,                                         \
        CMD_SUB_, 0, 0, 0,                                                    \
        "pubsub", "0.2.0", "O(N) in the channels",                            \
        "channel [channel ...]",                                              \
        "Listens to channels.")                                               \
    X("sunsubscribe", cmd_sunsubscribe, -1,                                   \
        CMD_SUB_, 0, 0, 0,                                                    \
        "pubsub", "0.2.0", "O(N) in the channels",                            \
        "[shardchannel [shardchannel ...]]",                                  \
        "Ends listening to shard channels, or to all of them.")               \
    X("unsubscribe", cmd_unsubscribe, -1,                                     \
        CMD_SUB_, 0, 0, 0,                                                    \
        "pubsub", "0.2.0", "O(N) in the channels",                            \
        "[channel [channel ...]]",                                            \
        "Ends listening to channels, or to all of them.")

#define COMMANDS_ACL(X)                                                       \
    X("acl", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                       \
        "server", "0.2.0", "Depends on the subcommand", "",                   \
        "Looks at and changes users and their rights.")                       \
    X("acl|cat", cmd_acl_cat, -2, CMD_CONN_, 0, 0, 0,                         \
        "server", "0.2.0", "O(N) in the commands", "[category]",              \
        "Lists the categories, or the commands of one.")                      \
    X("acl|deluser", cmd_acl_deluser, -3, CMD_CONTROL_, 0, 0, 0,              \
        "server", "0.2.0", "O(N) in the users and connections",               \
        "username [username ...]",                                            \
        "Deletes users and closes their connections; returns how many.")      \
    X("acl|dryrun", cmd_acl_dryrun, -4, CMD_CONTROL_, 0, 0, 0,                \
        "server", "0.2.0", "O(N) in the rules of the user",                   \
        "username command [arg [arg ...]]",                                   \
        "Says whether a user may run a command, without running it.")         \
    X("acl|genpass", cmd_acl_genpass, -2, CMD_CONN_, 0, 0, 0,                 \
        "server", "0.2.0", "O(1)", "[bits]",                                  \
        "Returns a random password, of 256 bits or as many as asked for.")    \
    X("acl|getuser", cmd_acl_getuser, 3, CMD_CONTROL_, 0, 0, 0,               \
        "server", "0.2.0", "O(N) in the rules of the user", "username",       \
        "Returns the rules of a user.")                                       \
    X("acl|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                           \
        "server", "0.2.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("acl|list", cmd_acl_list, 2, CMD_CONTROL_, 0, 0, 0,                     \
        "server", "0.2.0", "O(N) in the users", "",                           \
        "Lists all users with their rules, as in the aclfile.")               \
    X("acl|load", cmd_acl_load, 2, CMD_CONTROL_, 0, 0, 0,                     \
        "server", "0.2.0", "O(N) in the users", "",                           \
        "Replaces all users by those of the aclfile, or none if it is bad.")  \
    X("acl|log", cmd_acl_log, -2, CMD_CONTROL_, 0, 0, 0,                      \
        "server", "0.2.0", "O(N) in the entries", "[count|RESET]",            \
        "Returns or forgets what was refused lately, the latest first.")      \
    X("acl|save", cmd_acl_save, 2, CMD_CONTROL_, 0, 0, 0,                     \
        "server", "0.2.0", "O(N) in the users", "",                           \
        "Writes all users to the aclfile.")                                   \
    X("acl|setuser", cmd_acl_setuser, -3, CMD_CONTROL_, 0, 0, 0,              \
        "server", "0.2.0", "O(N) in the rules and connections",               \
        "username [rule [rule ...]]",                                         \
        "Makes a user or changes its rules, all or none of them.")            \
    X("acl|users", cmd_acl_users, 2, CMD_CONTROL_, 0, 0, 0,                   \
        "server", "0.2.0", "O(N) in the users", "",                           \
        "Lists the names of all users.")                                      \
    X("acl|whoami", cmd_acl_whoami, 2, CMD_CONN_, 0, 0, 0,                    \
        "server", "0.2.0", "O(1)", "",                                        \
        "Returns the name of the user of this connection.")

#define COMMANDS_SERVER(X)                                                    \
    X("command", cmd_command, -1,                                             \
        CMD_ABOUT_ | CMD_CONNECTION | CMD_CONTAINER, 0, 0, 0,                 \
        "server", "0.1.0", "O(N) in the commands", "",                        \
        "Describes all commands for clients.")                                \
    X("command|count", cmd_command_count, 2, CMD_ABOUT_ | CMD_CONNECTION,     \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns the number of commands.")                                    \
    X("command|docs", cmd_command_docs, -2, CMD_ABOUT_ | CMD_CONNECTION,      \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(N) in the commands",                            \
        "[command-name [command-name ...]]",                                  \
        "Returns the documentation of some or all commands.")                 \
    X("command|getkeys", cmd_command_getkeys, -4,                             \
        CMD_ABOUT_ | CMD_CONNECTION, 0, 0, 0,                                 \
        "server", "0.1.0", "O(N) in the arguments",                           \
        "command [arg [arg ...]]",                                            \
        "Returns the keys among the arguments of a command.")                 \
    X("command|getkeysandflags", cmd_command_getkeysandflags, -4,             \
        CMD_ABOUT_ | CMD_CONNECTION, 0, 0, 0,                                 \
        "server", "0.1.0", "O(N) in the arguments",                           \
        "command [arg [arg ...]]",                                            \
        "Returns the keys of a command and how it uses them.")                \
    X("command|help", cmd_help, 2, CMD_ABOUT_ | CMD_CONNECTION, 0, 0, 0,      \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("command|info", cmd_command_info, -2, CMD_ABOUT_ | CMD_CONNECTION,      \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(N) in the commands",                            \
        "[command-name [command-name ...]]",                                  \
        "Describes some or all commands for clients.")                        \
    X("command|list", cmd_command_list, -2, CMD_ABOUT_ | CMD_CONNECTION,      \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(N) in the commands",                            \
        "[FILTERBY MODULE module-name|ACLCAT category|PATTERN pattern]",      \
        "Returns the names of commands.")                                     \
    X("config", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                    \
        "server", "0.1.0", "Depends on the subcommand", "",                   \
        "Reads and changes the configuration.")                               \
    X("config|get", cmd_config_get, -3, CMD_CONTROL_, 0, 0, 0,                \
        "server", "0.1.0", "O(N) in the directives",                          \
        "parameter [parameter ...]",                                          \
        "Returns the directives whose names match the patterns.")             \
    X("config|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                        \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("config|resetstat", cmd_config_resetstat, 2, CMD_CONTROL_, 0, 0, 0,     \
        "server", "0.1.0", "O(1)", "",                                        \
        "Starts the counters of INFO anew.")                                  \
    X("config|rewrite", cmd_config_rewrite, 2, CMD_CONTROL_, 0, 0, 0,         \
        "server", "0.1.0", "O(1)", "",                                        \
        "Writes the directives in effect to the configuration file.")         \
    X("config|set", cmd_config_set, -4, CMD_CONTROL_, 0, 0, 0,                \
        "server", "0.1.0", "O(N) in the directives",                          \
        "parameter value [parameter value ...]",                              \
        "Changes directives, all or none.")                                   \
    X("debug", cmd_debug, -2, CMD_CONTROL_ | CMD_ALL_KEYS, 0, 0, 0,           \
        "server", "0.2.0", "Depends on the subcommand",                       \
        "subcommand [argument [argument ...]]",                               \
        "Helps to test servers and clients; off by default.")                 \
    X("dbsize", cmd_dbsize, 1, CMD_GET_ | CMD_KEYSPACE, 0, 0, 0,              \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns the number of keys in the database.")                        \
    X("flushall", cmd_flushall, -1, CMD_WRITE | CMD_KEYSPACE | CMD_DANGEROUS, \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(1); memory is freed in the background",         \
        "[ASYNC|SYNC]",                                                       \
        "Removes all keys of all databases.")                                 \
    X("flushdb", cmd_flushdb, -1, CMD_WRITE | CMD_KEYSPACE | CMD_DANGEROUS,   \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(1); memory is freed in the background",         \
        "[ASYNC|SYNC]",                                                       \
        "Removes all keys of the database.")                                  \
    X("hotkeys", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                   \
        "server", "0.1.0", "Depends on the subcommand", "",                   \
        "Looks at the keys that are used most often.")                        \
    X("hotkeys|get", cmd_hotkeys_get, 2, CMD_CONTROL_, 0, 0, 0,               \
        "server", "0.1.0", "O(N log N) in the keys that are counted", "",     \
        "Returns the keys used most in the last window, and how often.")      \
    X("hotkeys|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                       \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("hotkeys|reset", cmd_hotkeys_reset, 2, CMD_CONTROL_, 0, 0, 0,           \
        "server", "0.1.0", "O(N) in the keys that are counted", "",           \
        "Forgets the keys that were counted, and begins a window.")           \
    X("info", cmd_info, -1, CMD_ABOUT_ | CMD_DANGEROUS, 0, 0, 0,              \
        "server", "0.1.0", "O(1)", "[section [section ...]]",                 \
        "Returns figures about the server.")                                  \
    X("lolwut", cmd_lolwut, -1, CMD_GET_, 0, 0, 0,                            \
        "server", "0.1.0", "O(1)", "[VERSION version]",                       \
        "Shows a picture and the version.")                                   \
    X("latency", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                   \
        "server", "0.1.0", "Depends on the subcommand", "",                   \
        "Looks at how long commands take.")                                   \
    X("latency|doctor", cmd_latency_doctor, 2, CMD_CONTROL_, 0, 0, 0,         \
        "server", "0.1.0", "O(1)", "",                                        \
        "Says in words what stands out in the events.")                       \
    X("latency|graph", cmd_latency_graph, 3, CMD_CONTROL_, 0, 0, 0,           \
        "server", "0.1.0", "O(1)", "event",                                   \
        "Draws the samples of an event.")                                     \
    X("latency|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                       \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("latency|histogram", cmd_latency_histogram, -2, CMD_CONTROL_, 0, 0, 0,  \
        "server", "0.1.0", "O(N) in the commands",                            \
        "[command-name [command-name ...]]",                                  \
        "Returns how long the calls of commands took, cumulative.")           \
    X("latency|history", cmd_latency_history, 3, CMD_CONTROL_, 0, 0, 0,       \
        "server", "0.1.0", "O(1)", "event",                                   \
        "Returns the samples of an event, the worst of each second.")         \
    X("latency|latest", cmd_latency_latest, 2, CMD_CONTROL_, 0, 0, 0,         \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns the latest sample of each event.")                           \
    X("latency|reset", cmd_latency_reset, -2, CMD_CONTROL_, 0, 0, 0,          \
        "server", "0.1.0", "O(1)", "[event [event ...]]",                     \
        "Forgets the samples of events; returns of how many.")                \
    X("latency|steps", cmd_latency_steps, 2, CMD_CONTROL_, 0, 0, 0,           \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns how long workers were at what they cannot leave off.")       \
    X("memory", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                    \
        "server", "0.1.0", "Depends on the subcommand", "",                   \
        "Looks at the use of memory.")                                        \
    X("memory|doctor", cmd_memory_doctor, 2, 0, 0, 0, 0,                      \
        "server", "0.1.0", "O(1)", "",                                        \
        "Says in words what stands out in the use of memory.")                \
    X("memory|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                        \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("memory|malloc-stats", cmd_memory_malloc_stats, 2, 0, 0, 0, 0,          \
        "server", "0.1.0", "O(1)", "",                                        \
        "Lists the size classes of the allocator.")                           \
    X("memory|purge", cmd_memory_purge, 2, 0, 0, 0, 0,                        \
        "server", "0.1.0", "O(N) in the free pages", "",                      \
        "Gives free memory back to the system.")                              \
    X("memory|stats", cmd_memory_stats, 2, 0, 0, 0, 0,                        \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns figures about the use of memory.")                           \
    X("memory|usage", cmd_memory_usage, -3,                                   \
        CMD_READ | KEYS(KEY_RO), 2, 2, 1,                                     \
        "server", "0.1.0", "O(1)", "key [SAMPLES count]",                     \
        "Returns the bytes of memory that a key takes.")                      \
    X("module", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                    \
        "server", "0.2.0", "Depends on the subcommand", "",                   \
        "The modules, of which there are none.")                              \
    X("module|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                        \
        "server", "0.2.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("module|list", cmd_module_list, 2, CMD_ADMIN | CMD_NOSCRIPT, 0, 0, 0,   \
        "server", "0.2.0", "O(1)", "",                                        \
        "Lists the modules: none.")                                           \
    X("monitor", cmd_monitor, 1, CMD_CONTROL_, 0, 0, 0,                       \
        "server", "0.2.0", "O(1)", "",                                        \
        "Shows the commands of all connections as they come.")                \
    X("namespace", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                 \
        "server", "0.1.0", "Depends on the subcommand", "",                   \
        "Looks at the namespaces of the keys, and empties them.")             \
    X("namespace|flush", cmd_namespace_flush, 3,                              \
        CMD_WRITE | CMD_KEYSPACE | CMD_DANGEROUS, 0, 0, 0,                    \
        "server", "0.1.0", "O(1); memory is freed in the background", "name", \
        "Removes all keys of a namespace of this database.")                  \
    X("namespace|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                     \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("namespace|info", cmd_namespace_info, 3, CMD_READ | CMD_KEYSPACE,       \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(N) in the namespaces", "name",                  \
        "Returns what is counted of a namespace of this database.")           \
    X("namespace|list", cmd_namespace_list, -2, CMD_READ | CMD_KEYSPACE,      \
        0, 0, 0,                                                              \
        "server", "0.1.0", "O(N*log(N)) in the namespaces", "[count]",        \
        "Returns the namespaces of this database, by bytes: 100, or count.")  \
    X("shutdown", cmd_shutdown, -1,                                           \
        CMD_CONTROL_ | CMD_NO_MULTI | CMD_ALLOW_BUSY, 0, 0, 0,                \
        "server", "0.1.0", "O(1)", "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]",     \
        "Stops the server.")                                                  \
    X("slowlog", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                   \
        "server", "0.1.0", "Depends on the subcommand", "",                   \
        "Looks at the commands that took long.")                              \
    X("slowlog|get", cmd_slowlog_get, -2, CMD_ADMIN | CMD_ABOUT_, 0, 0, 0,    \
        "server", "0.1.0", "O(N) in the entries returned", "[count]",         \
        "Returns the latest slow commands: 10, or count, or with -1 all.")    \
    X("slowlog|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                       \
        "server", "0.1.0", "O(1)", "",                                        \
        "Prints this help.")                                                  \
    X("slowlog|len", cmd_slowlog_len, 2, CMD_ADMIN | CMD_ABOUT_, 0, 0, 0,     \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns how many slow commands are kept.")                           \
    X("slowlog|reset", cmd_slowlog_reset, 2, CMD_ADMIN | CMD_ABOUT_, 0, 0, 0, \
        "server", "0.1.0", "O(N) in the entries", "",                         \
        "Forgets the slow commands.")                                         \
    X("swapdb", cmd_swapdb, 3,                                                \
        CMD_WRITE | CMD_FAST | CMD_KEYSPACE | CMD_DANGEROUS, 0, 0, 0,         \
        "server", "0.1.0", "O(N) in the watched keys", "index1 index2",       \
        "Exchanges the keys of two databases.")                               \
    X("time", cmd_time, 1, CMD_ABOUT_ | CMD_FAST, 0, 0, 0,                    \
        "server", "0.1.0", "O(1)", "",                                        \
        "Returns the time of the server.")

#define COMMANDS_TRANSACTIONS(X)                                              \
    X("discard", cmd_discard, 1,                                              \
        CMD_CONN_ | CMD_FAST | CMD_ALLOW_BUSY, 0, 0, 0,                       \
        "transactions", "0.1.0", "O(N) in the queued commands", "",           \
        "Forgets the commands since MULTI and all watches.")                  \
    X("exec", cmd_exec, 1, CMD_CONN_, 0, 0, 0,                                \
        "transactions", "0.1.0", "Depends on the queued commands", "",        \
        "Runs the commands since MULTI as one, unless a watched key changed.")\
    X("multi", cmd_multi, 1,                                                  \
        CMD_CONN_ | CMD_FAST | CMD_ALLOW_BUSY, 0, 0, 0,                       \
        "transactions", "0.1.0", "O(1)", "",                                  \
        "Begins a transaction: commands are queued until EXEC.")              \
    X("unwatch", cmd_unwatch, 1,                                              \
        CMD_CONN_ | CMD_FAST | CMD_ALLOW_BUSY, 0, 0, 0,                       \
        "transactions", "0.1.0", "O(N) in the watched keys", "",              \
        "Forgets all watched keys.")                                          \
    X("watch", cmd_watch, -2,                                                 \
        CMD_CONN_ | CMD_FAST | CMD_ALLOW_BUSY, 1, -1, 1,                      \
        "transactions", "0.1.0", "O(N) in the keys", "key [key ...]",         \
        "Makes the next EXEC depend on that these keys do not change.")

/* Scripts, and a library of functions that is empty. */
#define COMMANDS_SCRIPTING(X)                                                 \
    X("eval", cmd_eval, -3,                                                   \
        CMD_CALL_ | KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE),                   \
        3, KEYS_COUNTED, 1,                                                   \
        "scripting", "0.2.0", "Depends on the script",                        \
        "script numkeys [key [key ...]] [arg [arg ...]]",                     \
        "Runs a script in Lua.")                                              \
    X("eval_ro", cmd_eval_ro, -3,                                             \
        CMD_READ | CMD_CALL_, 3, KEYS_COUNTED, 1,                             \
        "scripting", "0.2.0", "Depends on the script",                        \
        "script numkeys [key [key ...]] [arg [arg ...]]",                     \
        "Runs a script in Lua that only reads.")                              \
    X("evalsha", cmd_evalsha, -3,                                             \
        CMD_CALL_ | KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE),                   \
        3, KEYS_COUNTED, 1,                                                   \
        "scripting", "0.2.0", "Depends on the script",                        \
        "sha1 numkeys [key [key ...]] [arg [arg ...]]",                       \
        "Runs a script that the server knows.")                               \
    X("evalsha_ro", cmd_evalsha_ro, -3,                                       \
        CMD_READ | CMD_CALL_, 3, KEYS_COUNTED, 1,                             \
        "scripting", "0.2.0", "Depends on the script",                        \
        "sha1 numkeys [key [key ...]] [arg [arg ...]]",                       \
        "Runs a script that the server knows and that only reads.")           \
    X("fcall", cmd_fcall, -3,                                                 \
        CMD_CALL_ | KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE),                   \
        3, KEYS_COUNTED, 1,                                                   \
        "scripting", "0.2.0", "O(1)",                                         \
        "function numkeys [key [key ...]] [arg [arg ...]]",                   \
        "Calls a function: there are none.")                                  \
    X("fcall_ro", cmd_fcall, -3,                                              \
        CMD_READ | CMD_CALL_, 3, KEYS_COUNTED, 1,                             \
        "scripting", "0.2.0", "O(1)",                                         \
        "function numkeys [key [key ...]] [arg [arg ...]]",                   \
        "Calls a function that only reads: there are none.")                  \
    X("function", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                  \
        "scripting", "0.2.0", "Depends on the subcommand", "",                \
        "The library of functions, which is empty.")                          \
    X("function|delete", cmd_function_delete, 3,                              \
        CMD_WRITE | CMD_NOSCRIPT, 0, 0, 0,                                    \
        "scripting", "0.2.0", "O(1)", "library-name",                         \
        "Deletes a library: there is none.")                                  \
    X("function|dump", cmd_function_dump, 2, CMD_NOSCRIPT, 0, 0, 0,           \
        "scripting", "0.2.0", "O(1)", "",                                     \
        "Returns the libraries as a payload: an empty one.")                  \
    X("function|flush", cmd_function_flush, -2,                               \
        CMD_WRITE | CMD_NOSCRIPT, 0, 0, 0,                                    \
        "scripting", "0.2.0", "O(1)", "[ASYNC|SYNC]",                         \
        "Deletes all libraries: there are none.")                             \
    X("function|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                      \
        "scripting", "0.2.0", "O(1)", "",                                     \
        "Prints this help.")                                                  \
    X("function|kill", cmd_function_kill, 2,                                  \
        CMD_NOSCRIPT | CMD_ALLOW_BUSY, 0, 0, 0,                               \
        "scripting", "0.2.0", "O(1)", "",                                     \
        "Stops a running function: there is none.")                           \
    X("function|list", cmd_function_list, -2, CMD_NOSCRIPT, 0, 0, 0,          \
        "scripting", "0.2.0", "O(1)",                                         \
        "[LIBRARYNAME library-name-pattern] [WITHCODE]",                      \
        "Lists the libraries: none.")                                         \
    X("function|load", cmd_function_load, -3,                                 \
        CMD_PUT_ | CMD_NOSCRIPT, 0, 0, 0,                                     \
        "scripting", "0.2.0", "O(1)", "[REPLACE] function-code",              \
        "Is refused: there is no engine for functions.")                      \
    X("function|restore", cmd_function_restore, -3,                           \
        CMD_PUT_ | CMD_NOSCRIPT, 0, 0, 0,                                     \
        "scripting", "0.2.0", "O(N) in the bytes of the payload",             \
        "serialized-value [FLUSH|APPEND|REPLACE]",                            \
        "Accepts the payload of no library only.")                            \
    X("function|stats", cmd_function_stats, 2,                                \
        CMD_NOSCRIPT | CMD_ALLOW_BUSY, 0, 0, 0,                               \
        "scripting", "0.2.0", "O(1)", "",                                     \
        "Tells what runs: nothing.")                                          \
    X("script", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                    \
        "scripting", "0.2.0", "Depends on the subcommand", "",                \
        "The scripts that the server knows.")                                 \
    X("script|debug", cmd_script_debug, 3, CMD_NOSCRIPT, 0, 0, 0,             \
        "scripting", "0.2.0", "O(1)", "YES|SYNC|NO",                          \
        "Switches a debugger: there is none.")                                \
    X("script|exists", cmd_script_exists, -3, CMD_NOSCRIPT, 0, 0, 0,          \
        "scripting", "0.2.0", "O(N) in the digests", "sha1 [sha1 ...]",       \
        "Tells which scripts the server knows.")                              \
    X("script|flush", cmd_script_flush, -2, CMD_NOSCRIPT, 0, 0, 0,            \
        "scripting", "0.2.0", "O(N) in the scripts", "[ASYNC|SYNC]",          \
        "Forgets all scripts.")                                               \
    X("script|help", cmd_help, 2, CMD_ABOUT_, 0, 0, 0,                        \
        "scripting", "0.2.0", "O(1)", "",                                     \
        "Prints this help.")                                                  \
    X("script|kill", cmd_script_kill, 2,                                      \
        CMD_NOSCRIPT | CMD_ALLOW_BUSY, 0, 0, 0,                               \
        "scripting", "0.2.0", "O(1)", "",                                     \
        "Ends the scripts that run for long and have not written.")           \
    X("script|load", cmd_script_load, 3, CMD_NOSCRIPT | CMD_STALE, 0, 0, 0,   \
        "scripting", "0.2.0", "O(N) in the bytes of the script", "script",    \
        "Makes a script known and returns its digest.")

/* Snapshots, replication and clusters, which are not there. */
#define COMMANDS_STANDALONE(X)                                                \
    X("bgrewriteaof", cmd_save, 1, CMD_ADMIN | CMD_NOSCRIPT, 0, 0, 0,         \
        "server", "0.2.0", "O(1)", "",                                        \
        "Is refused: there are no files.")                                    \
    X("bgsave", cmd_save, -1, CMD_ADMIN | CMD_NOSCRIPT, 0, 0, 0,              \
        "server", "0.2.0", "O(1)", "[SCHEDULE]",                              \
        "Is refused: there are no snapshots.")                                \
    X("failover", cmd_failover, -1,                                           \
        CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, 0, 0, 0,                        \
        "server", "0.2.0", "O(1)",                                            \
        "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",              \
        "Is refused: there are no replicas.")                                 \
    X("lastsave", cmd_lastsave, 1,                                            \
        CMD_ABOUT_ | CMD_FAST | CMD_LIKE_ADMIN, 0, 0, 0,                      \
        "server", "0.2.0", "O(1)", "",                                        \
        "Returns the time of the last snapshot: of the start.")               \
    X("migrate", cmd_migrate, -6,                                             \
        CMD_WRITE | CMD_MOVABLE_KEYS | CMD_DANGEROUS |                        \
        KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE), 3, KEYS_LISTED, 1,            \
        "generic", "0.2.0", "O(N) in the keys",                               \
        "host port key destination-db timeout [COPY] [REPLACE] "              \
        "[AUTH password|AUTH2 username password] [KEYS key [key ...]]",       \
        "Is refused, unless there is no such key: no server is connected to.")\
    X("replicaof", cmd_replicaof, 3,                                          \
        CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, 0, 0, 0,                        \
        "server", "0.2.0", "O(1)", "host port",                               \
        "Accepts NO ONE only: there is no replication.")                      \
    X("role", cmd_role, 1, CMD_CONN_ | CMD_FAST | CMD_LIKE_ADMIN, 0, 0, 0,    \
        "server", "0.2.0", "O(1)", "",                                        \
        "Returns the role in replication: a master without replicas.")        \
    X("save", cmd_save, 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI, 0, 0, 0,  \
        "server", "0.2.0", "O(1)", "",                                        \
        "Is refused: there are no snapshots.")                                \
    X("slaveof", cmd_replicaof, 3,                                            \
        CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, 0, 0, 0,                        \
        "server", "0.2.0", "O(1)", "host port",                               \
        "Old name of REPLICAOF.")                                             \
    X("cluster", cmd_container, -2, CMD_CONTAINER, 0, 0, 0,                   \
        "cluster", "0.2.0", "Depends on the subcommand", "",                  \
        "Is refused: there is no cluster.")                                   \
    X("cluster|countkeysinslot", cmd_no_cluster, 3, CMD_STALE, 0, 0, 0,       \
        "cluster", "0.2.0", "O(1)", "slot",                                   \
        "Is refused: there is no cluster.")                                   \
    X("cluster|getkeysinslot", cmd_no_cluster, 4, CMD_STALE, 0, 0, 0,         \
        "cluster", "0.2.0", "O(1)", "slot count",                             \
        "Is refused: there is no cluster.")                                   \
    X("cluster|help", cmd_no_cluster, 2, CMD_ABOUT_, 0, 0, 0,                 \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("cluster|info", cmd_no_cluster, 2, CMD_STALE, 0, 0, 0,                  \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("cluster|keyslot", cmd_no_cluster, 3, CMD_STALE, 0, 0, 0,               \
        "cluster", "0.2.0", "O(1)", "key",                                    \
        "Is refused: there is no cluster.")                                   \
    X("cluster|links", cmd_no_cluster, 2, CMD_STALE, 0, 0, 0,                 \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("cluster|myid", cmd_no_cluster, 2, CMD_STALE, 0, 0, 0,                  \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("cluster|nodes", cmd_no_cluster, 2, CMD_STALE, 0, 0, 0,                 \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("cluster|replicas", cmd_no_cluster, 3,                                  \
        CMD_STALE | CMD_ADMIN, 0, 0, 0,                                       \
        "cluster", "0.2.0", "O(1)", "node-id",                                \
        "Is refused: there is no cluster.")                                   \
    X("cluster|reset", cmd_no_cluster, -2,                                    \
        CMD_STALE | CMD_ADMIN | CMD_NOSCRIPT, 0, 0, 0,                        \
        "cluster", "0.2.0", "O(1)", "[HARD|SOFT]",                            \
        "Is refused: there is no cluster.")                                   \
    X("cluster|shards", cmd_no_cluster, 2, CMD_STALE, 0, 0, 0,                \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("cluster|slots", cmd_no_cluster, 2, CMD_STALE, 0, 0, 0,                 \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("readonly", cmd_no_cluster, 1,                                          \
        CMD_ABOUT_ | CMD_FAST | CMD_CONNECTION, 0, 0, 0,                      \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")                                   \
    X("readwrite", cmd_no_cluster, 1,                                         \
        CMD_ABOUT_ | CMD_FAST | CMD_CONNECTION, 0, 0, 0,                      \
        "cluster", "0.2.0", "O(1)", "",                                       \
        "Is refused: there is no cluster.")

/* clang-format on */
