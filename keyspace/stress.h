/* SPDX-License-Identifier: BSD-3-Clause */
/* stress.h - threads that work on one keyspace at once, for the stress tests of
 * keyspace/. A test says what one operation of a worker is.
 */
#pragma once

#include "keyspace/testing.h"

#include <pthread.h>

struct stress_worker {
    /* One operation, on the thread of the worker; `i` counts them. */
    void (*operate)(struct stress_worker *w, unsigned i);
    unsigned operations; /* 0: until those that have a number are done */
    void *ctx;           /* what `operate` needs; borrowed */

    /* From here on set by stress_run() and for the worker's own thread. */
    struct fixture *f;
    struct ks_thread *t;
    unsigned id;
    uint64_t random;
    struct read_back r; /* what was read last */
    uint64_t hits;      /* counted by `operate`; to be read afterwards */
    pthread_t thread;
    const _Atomic bool *stop;
};

/* `operate` of a worker that does maintenance, with pauses as short as allow
 * the others to run. */
void stress_maintain(struct stress_worker *w, unsigned i);

/* Run the workers at the same time, each on a thread, and wait for them. At
 * least one has a number of operations. Returns the sum of their hits. */
uint64_t stress_run(
    struct fixture *f, struct stress_worker *workers, unsigned n_workers);

/* The next number of the worker's own row, the same in each run. */
uint64_t stress_random(struct stress_worker *w);

/* A number of operations times $ASHLAR_STRESS, 1 if that is not set. */
unsigned stress_scaled(unsigned n);
