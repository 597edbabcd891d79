/* SPDX-License-Identifier: BSD-3-Clause */
/* workload.h - clients that run random commands on a few keys at once and note
 * what they asked and were told (history.h).
 *
 * A fault is something between a client and its server that a good store does
 * not do. It stands here, not in the server: it shows that a check of the
 * history finds such a thing.
 */
#pragma once

#include <hiredis.h>

#include "client-tests/history.h"

enum fault {
    F_NONE,
    F_STALE_READ,     /* GET is answered with an earlier answer */
    F_LOST_WRITE,     /* SET is acknowledged and forgotten */
    F_LATE_WRITE,     /* SET is acknowledged before it is done */
    F_SPLIT_MSET,     /* one SET after the other */
    F_SPLIT_EXEC,     /* the commands one by one, without MULTI */
    F_NO_WATCH,       /* WATCH is acknowledged and forgotten */
    F_TWICE,          /* INCRBY and APPEND are done twice */
    F_CHECK_THEN_SET, /* SET NX is EXISTS and then SET */
    F_NO_EXPIRY,      /* SET forgets its PX */
    F_OLD_VERSION,    /* SET IFVER takes the version that is there now */
    F_SPLIT_HSET,     /* one field after the other */
    F_STALE_FIELD,    /* HGET is answered with an earlier answer */
    F_SPLIT_SCRIPT,   /* what it reads may change until it writes, */
    F_SPLIT_TRANSFER, /* also with two keys */
    F_SPLIT_MOVE,     /* and with fields */
};

struct workload {
    const char *name;
    unsigned n_keys;
    bool hashes;       /* and no strings */
    bool pairs;        /* commands of two keys as well */
    bool transactions; /* WATCH and EXEC */
    bool scripts;
    bool flushes;
    bool short_lives; /* deadlines within the run, instead of long after */
};

struct worker {
    redisContext *c;
    const struct workload *workload;
    enum fault fault;
    unsigned id; /* of the thread in the history */
    uint64_t random;
    const char *const *key_names;
    struct op *ops; /* where its operations go */
    size_t n_ops;

    unsigned watched;                          /* [worker] keys */
    unsigned n_values;                         /* [worker] made so far */
    char known[HISTORY_KEYS][HISTORY_VALUE];   /* [worker] value seen last */
    long long versions[HISTORY_KEYS];          /* [worker] seen last */
    char earlier[HISTORY_KEYS][HISTORY_REPLY]; /* [worker] answer to GET, or
                                                  to HGET of field a */
    struct step late;                          /* [worker] SET not done yet */
    bool has_late;
};

/* The body of a thread: run n_ops random operations. `arg` is a struct
 * worker. */
void *worker_run(void *arg);

int64_t now_ns(void);

/* ---- between workload.c and faults.c; on the worker's thread ------------- */

/* Once in `n`. */
bool worker_chance(struct worker *w, unsigned n);

/* Run one step; `reply` has room for HISTORY_REPLY. */
void worker_ask(struct worker *w, const struct step *s, char *reply);

/* Keep the version that a reply to GETV gives. */
void worker_learn_version(struct worker *w, unsigned key, const char *reply);

/* Answer `op` wrongly; false if the fault does not apply to it. */
bool worker_answer_badly(struct worker *w, struct op *op);

/* Do the SET that was acknowledged before, if there is one. */
void worker_do_late(struct worker *w);
