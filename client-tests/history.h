/* SPDX-License-Identifier: BSD-3-Clause */
/* history.h - what concurrent clients asked and were told, and whether a store
 * that does one command at a time could have told them so.
 *
 * A history is linearizable if each operation can be given an instant between
 * its call and its answer such that, in the order of these instants, every
 * answer is that of a sequential store (Herlihy and Wing, "Linearizability: a
 * correctness condition for concurrent objects", TOPLAS 1990). history_check()
 * looks for such an order by the search of Wing and Gong ("Testing and
 * verifying concurrent objects", JPDC 1993) with the improvements of Lowe
 * ("Testing for linearizability", Concurrency and Computation 2017): what has
 * been tried is remembered as (operations done, state), and keys that no
 * operation joins are searched by themselves (Horn and Kroening, "Faster
 * linearizability checking via P-compositionality", FORTE 2015).
 *
 * The sequential store (model.h) knows strings, hashes of three fields,
 * deadlines, versions, watches, scripts. No history has both kinds of values.
 * The version of a value is what the first GETV says, if that is greater than
 * all before of the key; then it stays until the value is written. A deadline
 * is an interval, since nobody knows when between call and answer the server
 * looked at its clock; within it a key may be there or gone, and the search
 * tries both.
 */
#pragma once

#include <stdio.h>

#include "base/base.h"

#define HISTORY_KEYS 4
#define HISTORY_THREADS 8
#define HISTORY_STEPS 3
#define HISTORY_VALUE 160 /* longest value and a NUL */
#define HISTORY_REPLY 512
#define HISTORY_WORDS 12
#define HISTORY_FIELDS 3
/* Each field of a hash has a part of the value: a one if it is there, then its
 * text. */
#define HISTORY_FIELD_BYTES (HISTORY_VALUE / HISTORY_FIELDS)

/* ---- operations ---------------------------------------------------------- */

enum verb {
    V_GET,
    V_SET,
    V_SETNX,
    V_GETSET,
    V_INCRBY,
    V_APPEND,
    V_GETDEL,
    V_GETEX,
    V_EXPIRE,
    V_PEXPIRE,
    V_PERSIST,
    V_PTTL,
    V_STRLEN,
    V_EXISTS,
    V_DEL,
    V_DELIFEQ,
    V_DELEX,
    V_DIGEST,
    V_GETV,
    V_HGET,
    V_HMGET, /* of two fields */
    V_HGETALL,
    V_HLEN,
    V_HSET,
    V_HSET_BOTH, /* two fields */
    V_HSETNX,
    V_HDEL,
    V_HDEL_BOTH,
    V_HINCRBY,
    V_SCRIPT_DELIFEQ,
    V_SCRIPT_ADD, /* of one key up to here */
    V_DEL_BOTH,
    V_RENAME,
    V_RENAMENX,
    V_COPY,
    V_MSET,
    V_MSETNX,
    V_MGET,
    V_SCRIPT_TRANSFER,
    V_SCRIPT_SWAP,
    V_SCRIPT_MOVE_FIELD,
    V_FLUSHALL,
    V_FLUSHDB
};

enum condition {
    C_NONE,
    C_NX,
    C_XX,
    C_IFEQ,
    C_IFNE,
    C_IFDEQ,
    C_IFDNE,
    C_IFVER
};

enum lifetime {
    L_NONE,
    L_PX,
    L_KEEPTTL,
    L_PERSIST
};

/* One command. `other` is the second key of those that have two, and the field
 * after `field` the second field. */
struct step {
    enum verb verb;
    uint8_t key, other, field;
    enum condition condition;
    enum lifetime lifetime;
    bool get; /* SET with GET */
    int ttl_ms;
    int delta;
    long long version; /* for IFVER; 0: of a key that is not there */
    char value[24];
    char compare[HISTORY_VALUE];
};

enum op_kind {
    OP_COMMAND, /* steps[0] by itself */
    OP_WATCH,   /* of steps[0].key */
    OP_UNWATCH,
    OP_EXEC /* all steps, as a transaction */
};

struct op {
    enum op_kind kind;
    unsigned thread;
    int64_t start_ns, end_ns; /* of the call and of its answer */
    unsigned keys;            /* set of those it reads or changes, and of those
                                 watched for it */
    unsigned n_steps;
    struct step steps[HISTORY_STEPS];
    char reply[HISTORY_REPLY]; /* as reply_text() writes it */
};

/* The words of a step, with the names of the keys given. Some stand in
 * `scratch`. */
struct step_words {
    const char *word[HISTORY_WORDS];
    int n;
    char scratch[3][24];
};
void step_words(
    const struct step *s, const char *const *key_names, struct step_words *out);

/* "a", "b" or "c". */
extern const char *const history_fields[HISTORY_FIELDS];

/* The keys of a step, as a set. */
unsigned step_keys(const struct step *s);

/* ---- the sequential store (model.c) -------------------------------------- */

struct model_key {
    uint16_t len;
    bool present, expires;
    int64_t deadline_lo, deadline_hi; /* ns, both included */
    int64_t version;                  /* 0: nobody has asked for it */
    char value[HISTORY_VALUE];        /* zeros after len; or the fields */
};

/* Compared and hashed as bytes. */
struct model {
    struct model_key key[HISTORY_KEYS];
    int64_t last_version[HISTORY_KEYS]; /* the highest that was told */
    uint8_t watched[HISTORY_THREADS];   /* set of keys */
    bool changed[HISTORY_THREADS];      /* one of them was */
};

/* The keys that `op` looks at and that may be there or gone at its time. Those
 * that are certainly gone are taken out of the model. `slack_ns` is how far the
 * server's clock may be behind. */
unsigned model_settle(struct model *m, const struct op *op, int64_t slack_ns);

/* Take the keys of the set out, as expired. */
void model_expire(struct model *m, unsigned keys);

/* Do `op`; true if its answer is that of the model. */
bool model_apply(struct model *m, const struct op *op, int64_t slack_ns);

/* What a script takes a value for: nought unless it is a number. */
long long model_number(const char *text);

/* Hexadecimal XXH3-64 of a value, as DIGEST gives it. */
void model_digest(const char *p, size_t len, char out[17]);

/* ---- the search (history.c) ---------------------------------------------- */

struct history {
    const struct op *ops; /* in any order; of one thread in its order */
    size_t n_ops;
    int64_t slack_ns;
    size_t max_tried; /* give up beyond; 0: ten million */
};

enum verdict {
    LINEARIZABLE,
    NOT_LINEARIZABLE,
    UNDECIDED /* max_tried */
};

/* Cost is that of the search, about n_ops where few operations overlap. If
 * there is no order, writes the part of the history that shows it to `out`: up
 * to the first answer that nothing explains, from the last instant without an
 * operation in flight, or from a few operations before. */
enum verdict history_check(const struct history *h, FILE *out);
