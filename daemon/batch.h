/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.h - what a batch is made of, for its phases (batch_receive.c,
 * batch_parse.c, batch.c) and for busy.c, which runs another one in the middle of
 * it. [owner thread]
 */
#pragma once

#include "daemon/internal.h"

/* Bytes received per connection and batch. */
#define SLICE_BYTES (64 * KIB)
/* An unfinished command of up to this many bytes is copied in front of the new
 * ones; a longer one is received into its own buffer. */
#define CARRY_BYTES (20 * KIB)
/* The receive buffer: four full slices, or hundreds of small requests; fits in
 * the second-level cache. */
#define ARENA_BYTES (256 * KIB + CARRY_BYTES)

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
/* Large arguments of a round: when it has run, the extents of the values that
 * they replace are free for the next ones. */
#define ROUND_LARGE (512 * KIB)
/* Replies are sent when they reach this. */
#define ROUND_OUTPUT (1 * MIB)

/* A connection of the group: what of its input is not parsed. */
struct source {
    struct conn *conn; /* NULL: another batch has it (busy.c) */
    char *p;
    size_t len;
    bool ended; /* nothing more to parse in this group */
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

/* ---- batch_receive.c ----------------------------------------------------- */

/* Does `p` stand in the buffer of the group? Else its connection or the engine
 * has it. */
static inline bool
batch_in_arena(const struct batch *b, const char *p)
{
    return p >= b->arena && p < b->arena + ARENA_BYTES;
}

/* Make a group of the first connections on the ready list. */
void batch_receive(struct batch *b);

/* Receive of a large argument what has come, but no more than one visit may.
 * True when all of it is there: then *n bytes of what follows it are at `at`.
 * Else *n is what was received or, if that is nothing, the outcome as of
 * recv(2). */
bool batch_receive_bulk(struct batch *b, struct conn *c, char *at, ssize_t *n);

/* ---- batch_parse.c ------------------------------------------------------- */

/* Forget the tasks of the last round. */
void batch_begin_round(struct batch *b);

/* The source was received where the next one is to be: take a large argument
 * out of it now. What is no command with such an argument is parsed anew in
 * its turn. */
void batch_take_ahead(struct batch *b, struct source *s);

/* Fill a round with commands, of which some may be there; returns how many. */
unsigned batch_parse(struct batch *b);

/* ---- batch.c ------------------------------------------------------------- */

/* Send the replies that there are. */
void batch_send(struct batch *b);

/* The end of a group: connections keep what is not parsed. */
void batch_finish(struct batch *b);

/* Run a task by `run`, which is command_run() or command_run_busy(). */
void batch_execute_task(
    struct batch *b, struct task *t, void (*run)(struct request *));

/* Release what the command did not keep. */
void batch_release_task(struct batch *b, struct task *t);

/* Send the replies of all connections but the last, whose command runs. */
void batch_send_complete(struct batch *b);
