/* SPDX-License-Identifier: BSD-3-Clause */
/* script.h - scripts: the texts that are known (script_cache.c), which of them
 * run (the same), and the Lua state of a worker that runs them (script_lua.c).
 *
 * Everything but the cache needs Lua: HAVE_LUA says whether it is built in.
 */
#pragma once

#include "commands/internal.h"
#include "commands/sha1.h"

/* ---- the cache (script_cache.c) ------------------------------------------ */

enum script_flags {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2, /* no effect */
    SCRIPT_NO_CLUSTER = 1 << 3,  /* no effect */
    SCRIPT_ALL_KEYS = 1 << 4,    /* allow-cross-slot-keys */
    SCRIPT_PLAIN = 1 << 5,       /* its first line does not say */
};

/* A text that is known. Counted; whoever holds it may read it. */
struct script {
    struct script *next;    /* [lock] of its bucket */
    _Atomic uint32_t holds; /* the cache has one while it is alive */
    _Atomic bool alive;     /* in the cache */
    bool loaded;            /* [lock] by SCRIPT LOAD: stays */
    _Atomic uint64_t used;  /* when it was used last, for eviction */
    struct slab *slab;      /* [immutable] from here on */
    unsigned flags;
    size_t code_at; /* where Lua begins, after "#!lua" */
    char sha[SHA1_HEX + 1];
    size_t len;
    char body[];
};

/* At start, and at the end when no worker is left; texts are charged to
 * `slab`. */
struct scripts *scripts_new(struct slab *slab);
void scripts_free(struct scripts *s);

/* All take a hold on what they return; script_drop() it. Any thread. */
struct script *scripts_find(struct scripts *s, const char *sha);
struct script *script_take(struct script *script); /* a further one */
void script_drop(struct script *script);           /* NULL: nothing */

/* A text for the cache that is not there yet; NULL when the first line is not
 * good, then `err` says why, or when there is no memory for it, then `err` is
 * empty. */
unsigned script_flags_of(struct str body); /* SCRIPT_PLAIN when it is bad */
struct script *script_new(struct request *rq, struct str body, const char *sha,
    bool loaded, struct buf *err);

/* Put it there, or find that another thread did: takes the hold of `script`
 * and returns one. */
struct script *scripts_add(
    struct scripts *s, struct script *script, bool loaded);
/* SCRIPT LOAD of a text that EVAL has brought: it stays. */
void scripts_keep(struct scripts *s, struct script *script);
void scripts_flush(struct scripts *s);

/* Changes when a text has left the cache. */
uint64_t scripts_generation(const struct scripts *s);
/* How often it was emptied. */
uint64_t scripts_flushes(const struct scripts *s);
void script_touch(struct scripts *s, struct script *script);

struct scripts_memory {
    size_t lua; /* of all states */
    size_t texts, n_texts;
};
void scripts_memory(struct scripts *s, struct scripts_memory *m);

/* What a worker tells about the script it runs. */
struct script_slot {
    _Atomic uint64_t state; /* number of the run, and enum script_state */
    _Atomic uint64_t started_us;
    _Atomic size_t memory; /* of the Lua state */
};

enum script_state {
    SCRIPT_IDLE,
    SCRIPT_RUNNING,
    SCRIPT_WRITTEN, /* running, and has changed data */
    SCRIPT_KILLED,
};

/* The worker's own, from then on until scripts_free(). */
struct script_slot *scripts_slot(struct scripts *s, unsigned worker);
void script_slot_begin(struct script_slot *slot);
void script_slot_end(struct script_slot *slot);
bool script_slot_is_killed(const struct script_slot *slot);
/* False if it was killed before. */
bool script_slot_write(struct script_slot *slot);

enum script_kill {
    SCRIPT_KILL_NONE, /* nothing has run for long */
    SCRIPT_KILL_WRITTEN,
    SCRIPT_KILL_DONE,
};
/* End the scripts that have run for SCRIPT_KILL_AFTER_US at least. */
#define SCRIPT_KILL_AFTER_US 10000
enum script_kill scripts_kill(struct scripts *s);

/* After how long other clients are answered BUSY. */
uint64_t script_busy_us(const struct commands *c);

/* Whether commands_end_scripts() was called. */
bool scripts_are_ending(const struct scripts *s);

/* Microseconds for the time of scripts, some milliseconds exact and cheap. */
uint64_t script_now_us(void);

/* ---- the state of a worker (script_lua.c) -------------------------------- */

/* What a worker needs to run scripts; made with its first one. */
struct script_engine;
void script_engine_free(struct script_engine *e); /* NULL: nothing */
/* After SCRIPT FLUSH, by its worker: give the memory of Lua back. Other workers
 * do so before their next script. */
void script_engine_flush(struct script_engine *e); /* NULL: nothing */

struct script_call {
    struct script *script;
    int first_key, n_keys; /* in argv; after them the arguments */
    bool read_only;
};

/* Compile a text and put it into the cache; NULL with the error in the reply.
 * A hold on it is returned. */
struct script *script_define(
    struct request *rq, struct str body, const char *sha, bool loaded);

/* Run it and reply. */
void script_run(struct request *rq, const struct script_call *call);

/* EVAL and its relatives. What a request of them would need: all locks; the
 * right to change data, or to tell others something. Any thread. */
bool script_uses_all_keys(const struct commands *c, unsigned flags);
bool script_is_row(const struct command *row);
bool script_wants_all_keys(const struct commands *c, const struct command *row,
    const struct resp_arg *argv, int argc);
bool script_may_write(const struct commands *c, const struct command *row,
    const struct resp_arg *argv);
