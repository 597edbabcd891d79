/* SPDX-License-Identifier: BSD-3-Clause */
/* pause.c - CLIENT PAUSE, UNPAUSE, UNBLOCK.
 *
 * The host asks command_waits() before it runs a command while there is a
 * pause, and keeps what has to wait. A pause that is over ends when somebody
 * looks. Any worker.
 */
#include "commands/script.h"

enum pause_type {
    PAUSE_NONE,
    PAUSE_WRITES,
    PAUSE_ALL
};

/* ---- state --------------------------------------------------------------- */

/* [lock] */
static void
set_pause(struct commands *c, enum pause_type type, uint64_t until_ms)
{
    STORE(&c->state->pause_type, type);
    STORE(&c->state->pause_until_ms, until_ms);
    commands_activate(c, ACTIVE_PAUSE, type != PAUSE_NONE);
    ks_hold_expired(c->ks, KS_HOLD_REMOVAL, type != PAUSE_NONE);
}

/* A wall clock that is set back would make the pause longer. */
static uint64_t
mono_ms(void)
{
    return clock_mono_us() / 1000;
}

static bool
is_over(const struct command_state *s)
{
    return LOAD(&s->pause_until_ms) < mono_ms();
}

uint64_t
commands_pause_ms(struct commands *c)
{
    struct command_state *s = c->state;
    uint64_t now_ms = mono_ms(), left_ms = 0;

    pthread_mutex_lock(&s->lock);
    if (LOAD(&s->pause_type) != PAUSE_NONE && is_over(s))
        set_pause(c, PAUSE_NONE, 0);
    if (LOAD(&s->pause_type) != PAUSE_NONE)
        left_ms = LOAD(&s->pause_until_ms) - now_ms + 1;
    pthread_mutex_unlock(&s->lock);
    return left_ms;
}

/* A pause that is there becomes longer and stricter, never less. */
static void
begin_pause(struct commands *c, enum pause_type type, uint64_t until_ms)
{
    struct command_state *s = c->state;

    (void)commands_pause_ms(c);
    pthread_mutex_lock(&s->lock);
    set_pause(c, MAX(type, (enum pause_type)LOAD(&s->pause_type)),
        MAX(until_ms, LOAD(&s->pause_until_ms)));
    pthread_mutex_unlock(&s->lock);
}

/* ---- who waits ----------------------------------------------------------- */

/* May it change data, or tell others something? */
static bool
has_effect(const struct request *rq)
{
    const struct command *row = rq->command;

    if (row->handler == cmd_exec)
        return transaction_has_effect(rq->session);
    return row->flags & CMD_WRITE || row->handler == cmd_publish ||
        row->handler == cmd_spublish ||
        script_may_write(rq->thread->commands, row, rq->argv);
}

bool
command_waits(struct request *rq)
{
    struct commands *c = rq->thread->commands;
    unsigned type = LOAD(&c->state->pause_type);

    if (LOAD(&rq->session->monitors) || type == PAUSE_NONE ||
        commands_pause_ms(c) == 0)
        return false;
    if (rq->command == NULL) {
        rq->n_keys = 0;
        rq->command = command_resolve(c->state->index, rq->argv, rq->argc);
    }
    if (!command_would_run(rq))
        return false; /* its error can be told now */
    return type == PAUSE_ALL || has_effect(rq);
}

/* ---- commands ------------------------------------------------------------ */

static bool
read_timeout(struct request *rq, int i, uint64_t *until_ms)
{
    int64_t ms;

    if (!str_to_i64(arg_str(rq, i), &ms)) {
        reply_error(
            rq->reply, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(rq->reply, "ERR timeout is negative");
        return false;
    }
    if (ms > INT64_MAX - (int64_t)clock_wall_ms()) {
        reply_error(rq->reply, "ERR timeout is out of range");
        return false;
    }
    *until_ms = ms == 0 ? 0 : (uint64_t)ms + mono_ms();
    return true;
}

void
cmd_client_pause(struct request *rq)
{
    enum pause_type type = PAUSE_ALL;
    uint64_t until_ms;

    if (rq->argc > 4) {
        reply_error_subcommand_syntax(rq);
        return;
    }
    if (rq->argc == 4 && arg_is(rq, 3, "write")) {
        type = PAUSE_WRITES;
    } else if (rq->argc == 4 && !arg_is(rq, 3, "all")) {
        reply_error(
            rq->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!read_timeout(rq, 2, &until_ms))
        return;
    begin_pause(rq->thread->commands, type, until_ms);
    reply_ok(rq->reply);
}

void
cmd_client_unpause(struct request *rq)
{
    struct commands *c = rq->thread->commands;

    pthread_mutex_lock(&c->state->lock);
    set_pause(c, PAUSE_NONE, 0);
    pthread_mutex_unlock(&c->state->lock);
    c->host.pause_ended(c->host.ctx);
    reply_ok(rq->reply);
}

/* There is no command that blocks, so that no client is ever found blocked. */
void
cmd_client_unblock(struct request *rq)
{
    int64_t id;

    if (rq->argc > 4) {
        reply_error_subcommand_syntax(rq);
        return;
    }
    if (rq->argc == 4 && !arg_is(rq, 3, "timeout") &&
        !arg_is(rq, 3, "error")) {
        reply_error(rq->reply,
            "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (arg_i64(rq, 2, &id))
        reply_int(rq->reply, 0);
}
