/* SPDX-License-Identifier: BSD-3-Clause */
/* busy.c - commands of other clients while a script holds up their worker.
 *
 * They run in the middle of the script, which may hold locks of partitions, and
 * others may wait for these with locks of their own: so nothing that runs here
 * waits for a partition. What is allowed are the commands by which a client
 * says who it is, leaves, or ends the script; the others are refused, and the
 * host keeps away from clients that watch keys. Worker only.
 */
#include "commands/internal.h"

#define ARENA_BYTES (4 * KIB)

void
commands_busy_begin(struct command_thread *t, struct command_kept *kept)
{
    *kept = (struct command_kept){.in_script = t->in_script,
        .error_counted = t->error_counted,
        .arena = t->arena,
        .scratch = t->scratch,
        .events = t->events,
        .events_tracked = t->events_tracked};
    t->in_script = false;
    t->error_counted = false;
    t->arena = arena_new(ARENA_BYTES);
    t->scratch = (struct buf){NULL, 0, 0};
    t->events = (struct buf){NULL, 0, 0};
    t->events_tracked = 0;
}

void
commands_busy_end(struct command_thread *t, const struct command_kept *kept)
{
    buf_free(&t->events);
    buf_free(&t->scratch);
    arena_free(t->arena);
    t->in_script = kept->in_script;
    t->error_counted = kept->error_counted;
    t->arena = kept->arena;
    t->scratch = kept->scratch;
    t->events = kept->events;
    t->events_tracked = kept->events_tracked;
}

static bool
has_word(const struct request *rq, const char *word)
{
    for (int i = 1; i < rq->argc; i++)
        if (arg_is(rq, i, word))
            return true;
    return false;
}

/* There are no functions: FUNCTION KILL and STATS cannot concern what runs. */
bool
command_is_allowed_busy(const struct request *rq)
{
    const struct command *row = rq->command;

    if (row->handler == cmd_shutdown)
        return has_word(rq, "nosave") || has_word(rq, "abort");
    return row->flags & CMD_ALLOW_BUSY && row->handler != cmd_watch &&
        row->handler != cmd_function_kill && row->handler != cmd_function_stats;
}
