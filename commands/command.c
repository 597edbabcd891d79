/* SPDX-License-Identifier: BSD-3-Clause */
/* command.c - from a request to its row, its handler and its counters.
 *
 * command_run() is what a worker calls for each parsed request; the prefetch
 * calls before it only warm the cache and leave hashes behind. A worker's
 * command_thread is used by that worker alone; struct commands is shared.
 */
#include "commands/acl.h"
#include "commands/hotkeys.h"
#include "commands/monitor.h"
#include "commands/notify.h"
#include "commands/script.h"
#include "commands/tracking.h"

#include <stdlib.h>
#include <sys/random.h>

#define ARENA_BYTES (16 * KIB)

/* Scratch above this goes back after the command: one that looked at a large
 * value must not hold its memory for good. */
#define SCRATCH_KEEP (64 * KIB)

/* ---- set-up -------------------------------------------------------------- */

static void
make_run_id(char *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[20];

    ASSERT(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * sizeof(bytes)] = '\0';
}

void
commands_init(struct commands *c)
{
    if (c->run_id[0] == '\0')
        make_run_id(c->run_id);
    if (c->config_file == NULL)
        c->config_file = "";
    c->state = xcalloc(1, sizeof(*c->state));
    if (c->config_lock == NULL) {
        c->config_lock = &c->state->config_lock;
        ASSERT(pthread_mutex_init(c->config_lock, NULL) == 0);
    }
    c->state->index = command_index_new();
    c->state->pubsub = pubsub_new(ks_slab(c->ks));
    c->state->base = command_stats_new();
    c->state->slowlog = slowlog_new();
    c->state->slow_argc = slowlog_least_args(c->state->slowlog);
    c->state->acl_log = acl_log_new();
    c->state->acl = acl_new(c);
    if (*c->values->requirepass != '\0')
        acl_requirepass_changed(c);
    c->state->latency = latency_events_new();
    c->state->other_codes = other_codes_new();
    c->state->tracking = tracking_new(ks_slab(c->ks));
    c->state->monitors = monitors_new();
    c->state->scripts = scripts_new(ks_slab(c->ks));
    c->state->hotkeys = hotkeys_new(ks_slab(c->ks));
    ASSERT(pthread_mutex_init(&c->state->lock, NULL) == 0);
    notify_configure(c);
    hotkeys_configure(c);
    replicas_configure(c);
}

void
commands_free(struct commands *c)
{
    ASSERT(pthread_mutex_destroy(&c->state->lock) == 0);
    acl_free(c->state->acl);
    acl_log_free(c->state->acl_log, ks_slab(c->ks));
    scripts_free(c->state->scripts);
    monitors_free(c->state->monitors);
    hotkeys_free(c->state->hotkeys);
    tracking_free(c->state->tracking);
    slowlog_free(c->state->slowlog, ks_slab(c->ks));
    latency_events_free(c->state->latency);
    other_codes_free(c->state->other_codes);
    free(c->state->base);
    pubsub_free(c->state->pubsub);
    command_index_free(c->state->index);
    if (c->config_lock == &c->state->config_lock) {
        ASSERT(pthread_mutex_destroy(c->config_lock) == 0);
        c->config_lock = NULL;
    }
    free(c->state);
    c->state = NULL;
}

bool
commands_auth_required(const struct commands *c)
{
    return !acl_is_open(c->state->acl);
}

struct command_thread *
command_thread_new(struct commands *c, struct ks_thread *ks, unsigned worker)
{
    struct command_thread *t = xcalloc(1, sizeof(*t));

    t->commands = c;
    t->ks = ks;
    t->worker = worker;
    t->arena = arena_new(ARENA_BYTES);
    t->listeners = pubsub_listeners_new();
    t->trackers = trackers_new();
    t->random = 0x9e3779b97f4a7c15u + worker;
    t->hot_random = t->random + 1;
    command_stats_next_sample(t);
    command_stats_attach(t);
    return t;
}

void
command_thread_free(struct command_thread *t)
{
    command_stats_detach(t);
    script_engine_free(t->script_engine);
    pubsub_listeners_free(t->listeners);
    trackers_free(t->trackers);
    arena_free(t->arena);
    buf_free(&t->events);
    buf_free(&t->scratch);
    free(t);
}

/* ---- look-up ------------------------------------------------------------- */

/* A name of three to eight bytes, as one word; 0 for any other. */
static inline uint64_t
name_word(const struct resp_arg *arg)
{
    const unsigned char *c = (const unsigned char *)arg->p;
    uint32_t head, tail;

    if (arg->len == 3)
        return c[0] | (uint64_t)c[1] << 8 | (uint64_t)c[2] << 16;
    if (arg->len < 4 || arg->len > 8)
        return 0;
    memcpy(&head, c, 4);
    memcpy(&tail, c + arg->len - 4, 4);
    return head | (uint64_t)tail << 32;
}

/* The row of a request. Most requests have the name of the one before. */
static inline const struct command *
resolve(struct request *rq)
{
    struct command_thread *t = rq->thread;
    uint64_t name = name_word(&rq->argv[0]);
    const struct command *row;

    if (likely(name == t->last_name && rq->argv[0].len == t->last_name_len))
        return t->last_row;
    row = command_resolve(t->commands->state->index, rq->argv, rq->argc);
    /* subcommands are found by two names */
    if (name != 0 && row != NULL && !(row->flags & CMD_CONTAINER) &&
        row->name[rq->argv[0].len] == '\0') {
        t->last_name = name;
        t->last_name_len = rq->argv[0].len;
        t->last_row = row;
    }
    return row;
}

/* ---- running ------------------------------------------------------------- */

static void
reply_error_unknown(struct request *rq)
{
    struct buf args = {0};

    for (int i = 1; i < rq->argc && args.len < 128; i++) {
        size_t room = 128 - args.len;

        buf_printf(
            &args, "'%.*s' ", (int)MIN(rq->argv[i].len, room), rq->argv[i].p);
    }
    reply_error(rq->reply,
        "ERR unknown command '%.*s', with args beginning with: %.*s",
        ARG_SHOWN(rq, 0), (int)args.len, args.len > 0 ? args.p : "");
    buf_free(&args);
}

/* No row: either the command or its subcommand is unknown. */
static void
reject_unknown(struct request *rq)
{
    if (command_find(rq->thread->commands->state->index, arg_str(rq, 0)))
        reply_error_subcommand(rq);
    else
        reply_error_unknown(rq);
}

/* A subscribed client of RESP2 cannot tell replies from messages. */
static bool
waits_for_messages(const struct request *rq)
{
    return unlikely(session_is_subscribed(rq->session)) &&
        rq->session->protocol == 2 && !(rq->command->flags & CMD_SUBSCRIBED);
}

bool
command_would_run(const struct request *rq)
{
    const struct session *s = rq->session;

    return rq->command != NULL && command_arity_fits(rq->command, rq->argc) &&
        (session_is_unrestricted(s) || s->authenticated ||
            rq->command->flags & CMD_NO_AUTH) &&
        !waits_for_messages(rq);
}

/* May the handler run? Replies with the error if not. */
static bool
admit(struct request *rq)
{
    if (unlikely(rq->command == NULL)) {
        reject_unknown(rq);
        return false;
    }
    if (unlikely(!command_arity_fits(rq->command, rq->argc))) {
        reply_error_arity(rq);
        return false;
    }
    if (!session_is_unrestricted(rq->session) && !acl_admit(rq))
        return false;
    if (waits_for_messages(rq)) {
        reply_error(rq->reply,
            "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / "
            "PING / QUIT / RESET are allowed in this context",
            rq->command->name);
        return false;
    }
    if (unlikely(rq->session->monitors) &&
        rq->command->flags & (CMD_READ | CMD_WRITE)) {
        reply_error(
            rq->reply, "ERR Replica can't interact with the keyspace");
        return false;
    }
    if (unlikely(replicas_are_missed(rq->thread->commands)) &&
        (rq->command->flags & CMD_WRITE || transaction_would_write(rq))) {
        reply_error(rq->reply, NOREPLICAS_TEXT);
        return false;
    }
    return likely(rq->session->transaction == NULL) || transaction_admits(rq);
}

/* Rarely; its frame of arguments stays out of the way of other calls. */
static void __attribute__((noinline))
execute_timed(struct request *rq, struct command_row_stats *stats, bool measure)
{
    struct slowlog_args args;
    uint64_t start, ns;

    slowlog_keep_args(rq, &args);
    start = clock_read_mono_ns();
    rq->command->handler(rq);
    ns = clock_read_mono_ns() - start;
    if (measure)
        command_stats_time(stats, ns);
    slowlog_note(rq, &args, ns);
    latency_note(rq, ns);
}

static inline void
execute(struct request *rq)
{
    struct command_row_stats *stats =
        &rq->thread->stats->rows[command_id(rq->command)];
    bool measure = command_stats_measure(rq->thread, rq->command);

    if (unlikely(measure || slowlog_watches(rq) || latency_watches(rq)))
        execute_timed(rq, stats, measure);
    else
        rq->command->handler(rq);
    METRIC_INC(stats, calls);
}

/* Where a reply begins, to look at it or to take it back. */
struct mark {
    size_t len, n_refs;
};

static bool
is_error(const struct request *rq, struct mark mark)
{
    const struct buf *out = rq->reply->out;

    return out->len > mark.len && out->p[mark.len] == '-';
}

static void
drop_reply(struct request *rq, struct mark mark)
{
    struct reply *r = rq->reply;

    while (r->n_refs > mark.n_refs)
        extent_unpin(
            ks_slab(rq->thread->commands->ks), r->refs[--r->n_refs].extent);
    r->out->len = mark.len;
}

/* CLIENT REPLY: SKIP spares the one command after it. */
static inline bool
wants_replies(const struct session *s)
{
    return likely(!s->reply_off && s->reply_skip == 0);
}

static __attribute__((noinline)) void
filter_reply(struct request *rq, struct mark mark)
{
    struct session *s = rq->session;

    if (rq->command == NULL || !(rq->command->flags & CMD_PUSHES))
        drop_reply(rq, mark);
    if (s->reply_skip > 0)
        s->reply_skip--;
}

static inline void
note_use(const struct request *rq)
{
    struct session *s = rq->session;
    int16_t id = rq->command == NULL ? -1 : (int16_t)command_id(rq->command);

    atomic_store_explicit(&s->last_command, id, memory_order_relaxed);
    atomic_store_explicit(
        &s->active_s, (uint32_t)(clock_wall_ms() / 1000), memory_order_relaxed);
}

static void
count_error(struct request *rq, struct mark mark, bool ran)
{
    const struct buf *out = rq->reply->out;

    if (!rq->thread->error_counted)
        command_stats_error(
            rq->thread, (struct str){out->p + mark.len, out->len - mark.len});
    rq->thread->error_counted = false;
    if (rq->command == NULL)
        return;
    if (ran)
        METRIC_INC(&rq->thread->stats->rows[command_id(rq->command)], failed);
    else
        METRIC_INC(&rq->thread->stats->rows[command_id(rq->command)], rejected);
}

/* Keys are remembered before they are read: a change after the read finds them
 * in the table. */
static void
before_handler(struct request *rq, unsigned active)
{
    if (active & ACTIVE_TRACKING && rq->session->tracker != NULL)
        tracking_remember(rq);
    if (active & ACTIVE_MONITOR && !monitor_comes_after(rq->command))
        monitor_show(rq);
    if (active & ACTIVE_HOTKEYS)
        hotkeys_note(rq);
}

static void
after_handler(struct request *rq, unsigned active)
{
    events_gather(rq);
    if (active & ACTIVE_MONITOR && monitor_comes_after(rq->command))
        monitor_show(rq);
}

/* `active`: what is wanted of each command. */
static inline __attribute__((always_inline)) void
call(struct request *rq, struct mark mark, unsigned active)
{
    struct command_thread *t = rq->thread;

    METRIC_INC(t->metrics, commands);
    if (unlikely(active != 0))
        before_handler(rq, active);
    execute(rq);
    if (unlikely(is_error(rq, mark)))
        count_error(rq, mark, true);
    if (unlikely(active != 0))
        after_handler(rq, active);
    arena_reset(t->arena);
    if (unlikely(t->scratch.cap > SCRATCH_KEEP))
        buf_free(&t->scratch);
}

void
command_call(struct request *rq)
{
    call(rq, (struct mark){rq->reply->out->len, rq->reply->n_refs},
        commands_active(rq->thread->commands));
}

void
command_count_refusal(struct request *rq, size_t error_at)
{
    METRIC_INC(rq->thread->metrics, commands);
    count_error(rq, (struct mark){error_at, 0}, false);
}

static void
reject(struct request *rq, struct mark mark)
{
    METRIC_INC(rq->thread->metrics, commands);
    transaction_reject(rq, mark.len);
    count_error(rq, mark, false);
}

/* A command and a session of which nothing but the reply is wanted: nearly all
 * are like that. */
static inline bool
is_plain(const struct request *rq)
{
    const struct session *s = rq->session;

    return likely(rq->command != NULL && s->transaction == NULL &&
        s->subscriptions == NULL && session_is_unrestricted(s) &&
        !s->monitors && commands_active(rq->thread->commands) == 0 &&
        command_arity_fits(rq->command, rq->argc));
}

static __attribute__((noinline)) void
run_special(struct request *rq, struct mark mark)
{
    if (unlikely(!admit(rq)))
        reject(rq, mark);
    else if (likely(rq->session->transaction == NULL) || !transaction_queue(rq))
        call(rq, mark, commands_active(rq->thread->commands));
    else if (is_error(rq, mark))
        count_error(rq, mark, false);
}

void
command_run(struct request *rq)
{
    struct command_thread *t = rq->thread;
    struct mark mark = {rq->reply->out->len, rq->reply->n_refs};

    if (rq->command == NULL) {
        rq->n_keys = 0;
        rq->command = resolve(rq);
    }
    rq->reply->protocol = rq->session->protocol;
    note_use(rq);
    if (is_plain(rq))
        call(rq, mark, 0);
    else
        run_special(rq, mark);
    if (unlikely(t->events.len != 0))
        events_publish(t, rq->session);
    if (unlikely(rq->session->tracker != NULL))
        tracking_after(rq);
    if (!wants_replies(rq->session))
        filter_reply(rq, mark);
}

void
command_run_busy(struct request *rq)
{
    struct mark mark = {rq->reply->out->len, rq->reply->n_refs};

    rq->n_keys = 0;
    rq->command = resolve(rq);
    if (rq->command == NULL || command_is_allowed_busy(rq)) {
        command_run(rq);
        return;
    }
    rq->reply->protocol = rq->session->protocol;
    note_use(rq);
    if (admit(rq))
        reply_error(rq->reply,
            "BUSY Redis is busy running a script. You can only call SCRIPT "
            "KILL or SHUTDOWN NOSAVE.");
    reject(rq, mark);
    if (!wants_replies(rq->session))
        filter_reply(rq, mark);
}

/* The marker of rows that only contain others; command_resolve() goes past
 * them, and without a subcommand the arity does not fit. */
void
cmd_container(struct request *rq)
{
    reply_error_subcommand(rq);
}

/* ---- prefetch ------------------------------------------------------------ */

static void
make_keys(struct request *rq)
{
    const struct commands *c = rq->thread->commands;
    const struct command *row = rq->command;
    unsigned db =
        atomic_load_explicit(&rq->session->db, memory_order_relaxed);
    struct command_keys keys;

    if (likely(row->last_key == row->first_key && row->first_key < rq->argc)) {
        rq->n_keys = 1;
        ks_key_make(c->ks, db, arg_str(rq, row->first_key), rq->keys);
        return;
    }
    keys = command_keys_of(row, rq->argv, rq->argc);
    for (int i = keys.first;
         i <= keys.last && rq->n_keys < REQUEST_PREFETCH_KEYS; i += keys.step) {
        ks_key_make(c->ks, db, arg_str(rq, i), &rq->keys[rq->n_keys++]);
    }
}

void
command_make_keys(struct request *rq, struct ks_key *room)
{
    rq->n_keys = 0;
    rq->keys = room;
    rq->command = resolve(rq);
    if (rq->command != NULL && rq->command->first_key != 0)
        make_keys(rq);
}
