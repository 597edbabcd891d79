/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.h - what a batch is made of, for batch.c and for busy.c, which runs
 * another one in the middle of it. [owner thread]
 */
#pragma once

#include "daemon/internal.h"

#define GROUP_CONNS 128
/* Above 16 commands a longer prefetch gains nothing (batch 16 against 50 in
 * the engine prototype); this bounds the arrays. */
#define ROUND_COMMANDS 256
/* From so many on a round takes no further connection: one whose commands are
 * cut has its replies sent twice. */
#define ROUND_ENOUGH 128
#define ROUND_ARGS (16 * KIB)
/* Keys that are made before the commands run. */
#define ROUND_KEYS (2 * ROUND_COMMANDS)
/* Replies are sent when they reach this. */
#define ROUND_OUTPUT (1 * MIB)

/* A connection of the group: what of its input is not parsed. */
struct source {
    struct conn *conn; /* NULL: another batch has it (busy.c) */
    char *p;
    size_t len;
    bool ended;  /* nothing more to parse in this group */
};

enum task_kind {
    TASK_RUN,            /* a command */
    TASK_OUT_OF_MEMORY,  /* one whose arguments found no memory */
    TASK_PROTOCOL_ERROR, /* the end of a connection */
    TASK_ATTACK,         /* a browser that was made to talk to us */
    TASK_GONE,           /* another batch has it (busy.c) */
};

struct task {
    struct conn *conn;
    struct held *held; /* that this was; owns what the arguments point at */
    char *error;       /* TASK_PROTOCOL_ERROR: owned */
    uint8_t kind;
    bool has_extent;
    struct request request;
};

/* The replies of one connection, in out[begin, end). */
struct run {
    struct conn *conn; /* NULL: they are sent */
    size_t begin, end;
    size_t ref_begin, ref_end;
    struct outgoing outgoing; /* the same, while it is sent */
};

struct batch {
    struct worker *worker;
    char *arena;
    size_t arena_used;
    struct source sources[GROUP_CONNS];
    unsigned n_sources;
    unsigned source; /* where parsing goes on */
    struct task tasks[ROUND_COMMANDS];
    unsigned n_tasks;
    unsigned task; /* where execution goes on */
    struct ks_key keys[ROUND_KEYS + REQUEST_PREFETCH_KEYS];
    struct ks_key *end_keys;
    struct resp_arg *args;
    size_t n_args, cap_args;
    struct resp_head head; /* of the last short command */
    size_t large_bytes;    /* of the round */
    struct buf out;
    struct reply reply;
    struct run runs[GROUP_CONNS];
    unsigned n_runs;
    size_t counted; /* memory of out and arguments, in the budget */
};

/* The phases of a batch, see batch.c. */
void batch_receive(struct batch *b);
unsigned batch_parse(struct batch *b);
void batch_send(struct batch *b);
void batch_finish(struct batch *b);

/* Run a task by `run`, which is command_run() or command_run_busy(). */
void batch_execute_task(
    struct batch *b, struct task *t, void (*run)(struct request *));

/* Release what the command did not keep. */
void batch_release_task(struct batch *b, struct task *t);

/* Send the replies of all connections but the last, whose command runs. */
void batch_send_complete(struct batch *b);
