/* SPDX-License-Identifier: BSD-3-Clause */
/* slowlog.c - SLOWLOG: the latest commands that took long.
 *
 * One list for all workers, under a mutex that is a leaf in the lock order.
 * What is logged is rare, unless slowlog-log-slower-than is low; so one list
 * costs less than one per worker, and numbers its entries in order.
 *
 * Reading the clock twice costs 50 ns, a fifth of a GET. So a command of
 * constant work, which cannot take milliseconds by itself, is timed only when
 * it is sampled (stats.c) or when the limit is below SLOWLOG_ALL_BELOW_US. What
 * a change of a field may lead to, a large hash built anew, is timed there.
 */
#include "commands/script.h"

#include <stdlib.h>
#include <sys/queue.h>

#define ARG_CHARS 128 /* shown of an argument */
/* Fewer keys than this are constant work as well, and so are fewer fields of a
 * hash. */
#define MANY_ARGS 16
#define VERY_MANY_ARGS 256

struct slow_entry {
    TAILQ_ENTRY(slow_entry) link;
    int64_t id;
    uint64_t wall_s, duration_us;
    size_t bytes; /* counted in the memory budget */
    const struct command *row;
    int n_args; /* of the request */
    char addr[sizeof(((struct client_view *)0)->addr)];
    char name[sizeof(((struct session_names *)0)->name)];
    int argc;
    struct buf text; /* the arguments one after the other */
    size_t ends[SLOWLOG_ARGS];
};

struct slowlog {
    pthread_mutex_t lock;
    TAILQ_HEAD(slow_entries, slow_entry) entries; /* [lock] newest first */
    int64_t n, next_id;                           /* [lock] */
    /* [immutable] By row: the number of arguments from which on a command can
     * be slow. */
    int slow_argc[];
};

/* ---- which commands to time ---------------------------------------------- */

static int
slow_argc(const struct command *row)
{
    if (strcmp(row->complexity, "O(1)") == 0)
        return INT_MAX;
    if (script_is_row(row))
        return 0;
    if (row->first_key != 0 && row->last_key != row->first_key)
        return MANY_ARGS;
    if (strcmp(row->group, "hash") == 0 && row->flags & CMD_FAST)
        return VERY_MANY_ARGS;
    return 0;
}

const int *
slowlog_least_args(const struct slowlog *log)
{
    return log->slow_argc;
}

/* ---- entries ------------------------------------------------------------- */

struct slowlog *
slowlog_new(void)
{
    struct slowlog *log = xcalloc(
        1, sizeof(*log) + command_table_rows * sizeof(log->slow_argc[0]));

    ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
    TAILQ_INIT(&log->entries);
    for (size_t i = 0; i < command_table_rows; i++)
        log->slow_argc[i] = slow_argc(&command_table[i]);
    return log;
}

/* Under the lock: drop the oldest until `max` are left. */
static void
trim(struct slowlog *log, struct slab *slab, int64_t max)
{
    while (log->n > max) {
        struct slow_entry *oldest = TAILQ_LAST(&log->entries, slow_entries);

        TAILQ_REMOVE(&log->entries, oldest, link);
        log->n--;
        slab_uncharge(slab, oldest->bytes);
        buf_free(&oldest->text);
        free(oldest);
    }
}

void
slowlog_free(struct slowlog *log, struct slab *slab)
{
    trim(log, slab, 0);
    ASSERT(pthread_mutex_destroy(&log->lock) == 0);
    free(log);
}

bool
arg_is_secret(const struct request *rq, int i)
{
    const char *name = rq->command->name;
    const struct options *options = rq->thread->commands->options;
    const struct option *row;

    if (strcmp(name, "auth") == 0)
        return i > 0;
    if (strcmp(name, "acl|setuser") == 0)
        return i > 1;
    if (strcmp(name, "hello") == 0)
        return (i > 2 && arg_is(rq, i - 1, "auth")) ||
            (i > 3 && arg_is(rq, i - 2, "auth"));
    if (strcmp(name, "migrate") == 0)
        return (i > 6 && arg_is(rq, i - 1, "auth")) ||
            (i > 6 && arg_is(rq, i - 1, "auth2")) ||
            (i > 7 && arg_is(rq, i - 2, "auth2"));
    if (strcmp(name, "config|set") != 0 || i < 3 || i % 2 == 0 ||
        options == NULL)
        return false;
    row = options_find(options, arg_str(rq, i - 1));
    return row != NULL && (row->flags & OPT_SECRET);
}

/* The handler of a large value gives its bytes away. */
void
slowlog_keep_args(const struct request *rq, struct slowlog_args *kept)
{
    int i = 0;

    kept->n = MIN(rq->argc, SLOWLOG_ARGS);
    while (i < kept->n && rq->argv[i].extent == 0)
        i++;
    kept->any = i < kept->n;
    if (likely(!kept->any))
        return;
    for (i = 0; i < kept->n; i++) {
        kept->argv[i] = arg_str(rq, i);
        if (rq->argv[i].extent != 0) {
            char *copy = arena_alloc(rq->thread->arena, ARG_CHARS);

            memcpy(
                copy, rq->argv[i].p, MIN(rq->argv[i].len, (size_t)ARG_CHARS));
            kept->argv[i].p = copy;
        }
    }
}

/* Append what is shown of argv[i]. */
static void
append_arg(const struct request *rq, const struct slowlog_args *kept, int i,
    struct buf *out)
{
    struct str arg = kept->any ? kept->argv[i] : arg_str(rq, i);

    if (i == SLOWLOG_ARGS - 1 && rq->argc > SLOWLOG_ARGS)
        buf_printf(out, "... (%d more arguments)", rq->argc - SLOWLOG_ARGS + 1);
    else if (arg_is_secret(rq, i))
        buf_printf(out, "(redacted)");
    else
        buf_append(out, arg.p, MIN(arg.len, (size_t)ARG_CHARS));
    if (arg.len > ARG_CHARS && !arg_is_secret(rq, i))
        buf_printf(out, "... (%zu more bytes)", arg.len - ARG_CHARS);
}

static struct slow_entry *
new_entry(const struct request *rq, const struct slowlog_args *kept,
    uint64_t duration_us)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct slow_entry *e = xcalloc(1, sizeof(*e));
    struct client_view view;

    host->self(host->ctx, rq->session, &view);
    memcpy(e->addr, view.addr, sizeof(e->addr));
    if (rq->session->names != NULL)
        memcpy(e->name, rq->session->names->name, sizeof(e->name));
    e->wall_s = clock_wall_ms() / 1000;
    e->duration_us = duration_us;
    e->row = rq->command;
    e->n_args = rq->argc;
    e->argc = kept->n;
    for (int i = 0; i < kept->n; i++) {
        append_arg(rq, kept, i, &e->text);
        e->ends[i] = e->text.len;
    }
    e->bytes = sizeof(*e) + e->text.cap;
    return e;
}

void
slowlog_note(const struct request *rq, const struct slowlog_args *kept,
    uint64_t duration_ns)
{
    const struct commands *c = rq->thread->commands;
    int64_t limit_us = option_get_i64(&c->values->slowlog_log_slower_than);
    int64_t max = option_get_i64(&c->values->slowlog_max_len);
    struct slowlog *log = c->state->slowlog;
    struct slow_entry *e;

    if (limit_us < 0 || duration_ns / 1000 < (uint64_t)limit_us)
        return;
    if (rq->command->handler == cmd_exec)
        return; /* what it ran was logged */
    e = new_entry(rq, kept, duration_ns / 1000);
    slab_charge_force(ks_slab(c->ks), e->bytes);
    pthread_mutex_lock(&log->lock);
    e->id = log->next_id++;
    TAILQ_INSERT_HEAD(&log->entries, e, link);
    log->n++;
    trim(log, ks_slab(c->ks), max);
    pthread_mutex_unlock(&log->lock);
}

void
slowlog_note_work(const struct request *rq, uint64_t duration_us)
{
    const struct slowlog_args args = {.n = MIN(rq->argc, SLOWLOG_ARGS)};

    if (!slowlog_watches(rq) && !rq->thread->in_script)
        slowlog_note(rq, &args, duration_us * 1000);
}

size_t
commands_slow(const struct commands *c, struct slow_view *out, size_t max)
{
    struct slowlog *log = c->state->slowlog;
    const struct slow_entry *e;
    size_t n = 0;

    pthread_mutex_lock(&log->lock);
    TAILQ_FOREACH(e, &log->entries, link)
    {
        if (n == max)
            break;
        out[n++] = (struct slow_view){.id = e->id,
            .command = e->row->name,
            .n_args = e->n_args,
            .wall_s = e->wall_s,
            .duration_us = e->duration_us};
    }
    pthread_mutex_unlock(&log->lock);
    return n;
}

/* ---- SLOWLOG ------------------------------------------------------------- */

static void
reply_entry(struct reply *r, const struct slow_entry *e)
{
    size_t at = 0;

    reply_array(r, 6);
    reply_int(r, e->id);
    reply_int(r, (int64_t)e->wall_s);
    reply_int(r, (int64_t)e->duration_us);
    reply_array(r, (size_t)e->argc);
    for (int i = 0; i < e->argc; i++) {
        reply_bulk(r, (struct str){e->text.p + at, e->ends[i] - at});
        at = e->ends[i];
    }
    reply_bulk_cstr(r, e->addr);
    reply_bulk_cstr(r, e->name);
}

void
cmd_slowlog_get(struct request *rq)
{
    struct slowlog *log = rq->thread->commands->state->slowlog;
    const struct slow_entry *e;
    int64_t count = 10, n = 0;
    size_t at;

    if (rq->argc > 3) {
        reply_error_subcommand_syntax(rq);
        return;
    }
    if (rq->argc == 3 && (!str_to_i64(arg_str(rq, 2), &count) || count < -1)) {
        reply_error(
            rq->reply, "ERR count should be greater than or equal to -1");
        return;
    }
    at = reply_array_open(rq->reply);
    pthread_mutex_lock(&log->lock);
    TAILQ_FOREACH(e, &log->entries, link)
    {
        if (n == count)
            break;
        reply_entry(rq->reply, e);
        n++;
    }
    pthread_mutex_unlock(&log->lock);
    reply_array_close(rq->reply, at, (size_t)n);
}

void
cmd_slowlog_len(struct request *rq)
{
    struct slowlog *log = rq->thread->commands->state->slowlog;
    int64_t n;

    pthread_mutex_lock(&log->lock);
    n = log->n;
    pthread_mutex_unlock(&log->lock);
    reply_int(rq->reply, n);
}

void
cmd_slowlog_reset(struct request *rq)
{
    struct commands *c = rq->thread->commands;

    pthread_mutex_lock(&c->state->slowlog->lock);
    trim(c->state->slowlog, ks_slab(c->ks), 0);
    pthread_mutex_unlock(&c->state->slowlog->lock);
    reply_ok(rq->reply);
}
