/* SPDX-License-Identifier: BSD-3-Clause */
/* transaction.c - MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * Between MULTI and EXEC commands are copied into a list of the session. EXEC
 * locks the partitions of all their keys and of the watched ones, looks at the
 * watches, and runs the list under these locks: the locks that the handlers
 * take are among them. A command that works on more than its keys makes EXEC
 * take all locks.
 *
 * A session has a struct transaction only while it needs one. It belongs to
 * the worker of its connection; what CLIENT LIST shows of it are atomics of
 * the session.
 */
#include "commands/acl.h"
#include "commands/script.h"

#include <stdlib.h>

/* A command that waits for EXEC: its arguments, their bytes after them. */
struct queued {
    struct queued *next;
    const struct command *row;
    int argc;
    struct resp_arg argv[];
};

struct watching {
    struct watching *next;
    struct ks_watch *watch;
};

struct transaction {
    struct commands *commands;
    struct queued *first, **tail;
    struct watching *watching;
    size_t n_keys;    /* watched and queued, at most */
    size_t heap;      /* bytes of all this */
    size_t extents;   /* bytes of arguments in extents */
    size_t new_bytes; /* that the commands may want to store */
    bool wants_memory; /* a command may be refused for lack of memory */
    bool has_effect;   /* a command may write, or publish */
    bool writes;       /* a command writes */
    bool spoiled;      /* a command could not be queued */
};

/* ---- life ---------------------------------------------------------------- */

static bool
in_multi(const struct session *s)
{
    return atomic_load_explicit(&s->queued, memory_order_relaxed) >= 0;
}

static void
publish(struct session *s, int32_t n, uint64_t bytes)
{
    atomic_store_explicit(&s->queued, n, memory_order_relaxed);
    atomic_store_explicit(&s->queued_bytes, bytes, memory_order_relaxed);
}

static struct transaction *
open_transaction(struct request *rq)
{
    struct session *s = rq->session;
    struct transaction *t = s->transaction;

    if (t != NULL)
        return t;
    t = xcalloc(1, sizeof(*t));
    t->commands = rq->thread->commands;
    t->tail = &t->first;
    t->heap = sizeof(*t);
    s->transaction = t;
    return t;
}

static void
unwatch(struct transaction *t)
{
    struct watching *w;

    while ((w = t->watching) != NULL) {
        t->watching = w->next;
        t->heap -= sizeof(*w) + ks_watch_bytes(w->watch);
        t->n_keys--;
        ks_unwatch(t->commands->ks, w->watch);
        free(w);
    }
}

/* Release the arguments that no handler has taken over. */
static void
free_queued(struct transaction *t, struct queued *q)
{
    for (int i = 0; i < q->argc; i++) {
        if (q->argv[i].extent != 0)
            extent_unpin(ks_slab(t->commands->ks), q->argv[i].extent);
    }
    free(q);
}

void
transaction_discard(struct session *s)
{
    struct transaction *t = s->transaction;
    struct queued *q;

    if (t == NULL)
        return;
    s->transaction = NULL;
    publish(s, -1, 0);
    unwatch(t);
    while ((q = t->first) != NULL) {
        t->first = q->next;
        free_queued(t, q);
    }
    free(t);
}

struct session_memory
session_memory(const struct session *s)
{
    const struct transaction *t = s->transaction;

    if (likely(t == NULL))
        return (struct session_memory){0, 0};
    return (struct session_memory){t->heap, t->extents};
}

bool
session_is_watching(const struct session *s)
{
    return s->transaction != NULL && s->transaction->watching != NULL;
}

void
session_command_lost(struct session *s)
{
    if (in_multi(s))
        s->transaction->spoiled = true;
}

bool
transaction_has_effect(const struct session *s)
{
    return s->transaction != NULL && s->transaction->has_effect;
}

/* ---- queueing ------------------------------------------------------------ */

/* These run at once, also between MULTI and EXEC. */
static bool
runs_at_once(const struct command *row)
{
    return row->handler == cmd_exec || row->handler == cmd_discard ||
        row->handler == cmd_multi || row->handler == cmd_watch ||
        row->handler == cmd_quit || row->handler == cmd_reset;
}

bool
transaction_admits(struct request *rq)
{
    if (!in_multi(rq->session) || !(rq->command->flags & CMD_NO_MULTI))
        return true;
    reply_error(rq->reply, "ERR Command not allowed inside a transaction");
    return false;
}

/* Copy the arguments; extents change hands. */
static struct queued *
copy_request(struct request *rq, size_t bytes)
{
    struct queued *q = xcalloc(1, bytes);
    char *to = (char *)(q->argv + rq->argc);

    q->row = rq->command;
    q->argc = rq->argc;
    for (int i = 0; i < rq->argc; i++) {
        q->argv[i] = rq->argv[i];
        if (rq->argv[i].extent != 0) {
            rq->argv[i].extent = 0;
            continue;
        }
        if (rq->argv[i].len > 0)
            memcpy(to, rq->argv[i].p, rq->argv[i].len);
        q->argv[i].p = to;
        to += rq->argv[i].len;
    }
    return q;
}

static size_t
count_keys(const struct command *row, const struct resp_arg *argv, int argc)
{
    struct command_keys keys = command_keys_of(row, argv, argc);

    if (keys.last < keys.first)
        return 0;
    return (size_t)((keys.last - keys.first) / keys.step) + 1;
}

static void
append(struct transaction *t, struct request *rq)
{
    size_t bytes = sizeof(struct queued) +
        (size_t)rq->argc * sizeof(struct resp_arg), extents = 0;
    struct queued *q;

    for (int i = 0; i < rq->argc; i++) {
        if (rq->argv[i].extent != 0)
            extents += rq->argv[i].len;
        else
            bytes += rq->argv[i].len;
    }
    if (ks_refuses_values(rq->thread->ks) ||
        !ks_make_room(rq->thread->ks, bytes)) {
        t->spoiled = true;
        reply_error_status(rq, KS_NO_MEMORY);
        return;
    }
    q = copy_request(rq, bytes);
    *t->tail = q;
    t->tail = &q->next;
    t->heap += bytes;
    t->extents += extents;
    t->n_keys += count_keys(rq->command, rq->argv, rq->argc);
    t->writes |= rq->command->flags & CMD_WRITE;
    t->has_effect |= rq->command->flags & CMD_WRITE ||
        rq->command->handler == cmd_publish ||
        rq->command->handler == cmd_spublish ||
        script_may_write(t->commands, q->row, q->argv);
    if (rq->command->flags & CMD_DENYOOM) {
        t->wants_memory = true;
        t->new_bytes += bytes;
    }
    publish(rq->session, LOAD(&rq->session->queued) + 1,
        LOAD(&rq->session->queued_bytes) + bytes + extents);
    reply_simple(rq->reply, "QUEUED");
}

bool
transaction_queue(struct request *rq)
{
    struct transaction *t = rq->session->transaction;

    if (!in_multi(rq->session) || runs_at_once(rq->command))
        return false;
    if (t->spoiled) /* it will not be run: why keep it */
        reply_simple(rq->reply, "QUEUED");
    else
        append(t, rq);
    return true;
}

bool
transaction_would_write(const struct request *rq)
{
    return rq->command->handler == cmd_exec && in_multi(rq->session) &&
        rq->session->transaction->writes;
}

void
transaction_reject(struct request *rq, size_t error_at)
{
    struct buf *out = rq->reply->out;
    struct buf why = {0};

    if (in_multi(rq->session))
        rq->session->transaction->spoiled = true;
    if (rq->command == NULL || rq->command->handler != cmd_exec)
        return;
    /* EXEC itself ends the transaction, whatever is wrong with it; the reason
     * goes without its code and its end of line, as Redis writes it. */
    buf_append(&why, out->p + error_at + 1, out->len - error_at - 3);
    out->len = error_at;
    transaction_discard(rq->session);
    if (why.len > 4 && memcmp(why.p, "ERR ", 4) == 0)
        reply_error(rq->reply,
            "EXECABORT Transaction discarded because of: %.*s",
            (int)(why.len - 4), why.p + 4);
    else
        reply_error(rq->reply,
            "EXECABORT Transaction discarded because of: %.*s", (int)why.len,
            why.p);
    buf_free(&why);
}

/* ---- MULTI, DISCARD, WATCH, UNWATCH -------------------------------------- */

void
cmd_multi(struct request *rq)
{
    if (in_multi(rq->session)) {
        reply_error(rq->reply, "ERR MULTI calls can not be nested");
        return;
    }
    (void)open_transaction(rq);
    publish(rq->session, 0, 0);
    reply_ok(rq->reply);
}

void
cmd_discard(struct request *rq)
{
    if (!in_multi(rq->session)) {
        reply_error(rq->reply, "ERR DISCARD without MULTI");
        return;
    }
    transaction_discard(rq->session);
    reply_ok(rq->reply);
}

static bool
is_watched(const struct transaction *t, const struct ks_key *key)
{
    for (const struct watching *w = t->watching; w != NULL; w = w->next) {
        struct ks_key other = ks_watch_key(t->commands->ks, w->watch);

        if (other.db == key->db && str_eq(other.name, key->name))
            return true;
    }
    return false;
}

void
cmd_watch(struct request *rq)
{
    struct transaction *t;

    if (in_multi(rq->session)) {
        reply_error(rq->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    t = open_transaction(rq);
    for (int i = 1; i < rq->argc; i++) {
        struct ks_key key = arg_key(rq, i);
        struct watching *w;

        /* a key that cannot be there does not change */
        if (key.name.len > KS_MAX_KEY || is_watched(t, &key))
            continue;
        w = xcalloc(1, sizeof(*w));
        w->watch = ks_watch(rq->thread->ks, &key);
        w->next = t->watching;
        t->watching = w;
        t->n_keys++;
        t->heap += sizeof(*w) + ks_watch_bytes(w->watch);
    }
    reply_ok(rq->reply);
}

/* Inside MULTI it is queued; when it runs, EXEC has looked at the watches. */
void
cmd_unwatch(struct request *rq)
{
    if (!in_multi(rq->session))
        transaction_discard(rq->session);
    reply_ok(rq->reply);
}

/* ---- EXEC ---------------------------------------------------------------- */

/* Does the command read or change more than the keys of its row? */
static bool
uses_all_keys(const struct commands *c, const struct queued *q)
{
    const struct command *row = q->row;

    if (script_is_row(row))
        return script_wants_all_keys(c, row, q->argv, q->argc);
    return (row->first_key == 0 && row->flags & (CMD_READ | CMD_WRITE)) ||
        row->flags & (CMD_MOVABLE_KEYS | CMD_ALL_KEYS);
}

/* The database after a SELECT, as cmd_select() will decide. */
static unsigned
select_db(const struct transaction *t, const struct queued *q, unsigned db)
{
    int64_t n;

    if (q->row->handler != cmd_select ||
        !str_to_i64((struct str){q->argv[1].p, q->argv[1].len}, &n) || n < 0 ||
        n >= t->commands->values->databases)
        return db;
    return (unsigned)n;
}

static size_t
add_keys(const struct transaction *t, const struct queued *q, unsigned db,
    struct ks_key *to)
{
    struct command_keys keys = command_keys_of(q->row, q->argv, q->argc);
    size_t n = 0;

    for (int i = keys.first; i <= keys.last; i += keys.step)
        to[n++] = ks_key(t->commands->ks, db,
            (struct str){q->argv[i].p, q->argv[i].len});
    return n;
}

/* Lock what the commands and the watches need. False when that is nothing. */
static bool
lock_keys(struct request *rq, const struct transaction *t)
{
    struct ks_thread *ks = rq->thread->ks;
    struct ks_key *keys =
        arena_alloc(rq->thread->arena, MAX(t->n_keys, 1) * sizeof(*keys));
    unsigned db = LOAD(&rq->session->db);
    bool writes = false;
    size_t n = 0;

    for (const struct watching *w = t->watching; w != NULL; w = w->next)
        keys[n++] = ks_watch_key(t->commands->ks, w->watch);
    for (const struct queued *q = t->first; q != NULL; q = q->next) {
        if (uses_all_keys(t->commands, q)) {
            ks_lock_all(ks);
            return true;
        }
        writes |= q->row->flags & CMD_WRITE || script_may_write(t->commands, q->row, q->argv);
        n += add_keys(t, q, db, keys + n);
        db = select_db(t, q, db);
    }
    ASSERT(n <= t->n_keys);
    if (n == 0)
        return false;
    if (writes)
        ks_lock(ks, keys, n);
    else
        ks_lock_to_read(ks, keys, n);
    return true;
}

static bool
watched_changed(struct request *rq, const struct transaction *t)
{
    for (const struct watching *w = t->watching; w != NULL; w = w->next) {
        if (ks_watch_changed(rq->thread->ks, w->watch))
            return true;
    }
    return false;
}

/* The user's rights may have changed since the command was queued. */
static void
run_queued(struct request *rq, struct queued *q)
{
    size_t at = rq->reply->out->len;
    struct request inner = {
        .thread = rq->thread,
        .session = rq->session,
        .argv = q->argv,
        .argc = q->argc,
        .command = q->row,
        .reply = rq->reply,
    };

    rq->reply->protocol = LOAD(&rq->session->protocol);
    if (session_is_unrestricted(rq->session) || acl_admit_queued(&inner))
        command_call(&inner);
    else
        command_count_refusal(&inner, at);
}

static void
run_all(struct request *rq, struct transaction *t, int32_t n)
{
    reply_array(rq->reply, (size_t)n);
    for (struct queued *q = t->first; q != NULL; q = q->next)
        run_queued(rq, q);
}

/* Room is made before the locks are taken: under them, an eviction passes by
 * what other threads hold. */
static bool
make_room(struct request *rq, const struct transaction *t)
{
    struct ks_thread *ks = rq->thread->ks;

    return !t->wants_memory ||
        (!ks_refuses_values(ks) && ks_make_room(ks, t->new_bytes));
}

void
cmd_exec(struct request *rq)
{
    struct session *s = rq->session;
    struct transaction *t = s->transaction;
    int32_t n = LOAD(&s->queued);
    bool locked;

    if (!in_multi(s)) {
        reply_error(rq->reply, "ERR EXEC without MULTI");
        return;
    }
    if (t->spoiled) {
        transaction_discard(s);
        reply_error(rq->reply,
            "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    if (!make_room(rq, t)) {
        transaction_discard(s);
        reply_error(rq->reply,
            "EXECABORT Transaction discarded because of: OOM command not "
            "allowed when used memory > 'maxmemory'.");
        return;
    }
    locked = lock_keys(rq, t);
    if (watched_changed(rq, t))
        reply_null_array(rq->reply);
    else
        run_all(rq, t, n);
    if (locked)
        ks_unlock(rq->thread->ks);
    transaction_discard(s);
}
