/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.c - serves all connections of a worker that are ready, together.
 *
 *   receive   what has come for each connection; by the engine epoll (io.h) one
 *             recv(2) each, into the worker's shared buffer
 *   parse     all commands that have come, up to a bound
 *   prefetch  the index lines of all their keys, then the items
 *   execute   in order within each connection
 *   send      one sendmsg(2) per connection, or one call for all
 *
 * One batch is cut into groups of connections (what fits in the buffer) and a
 * group into rounds of commands, so that its memory is bounded. Between groups
 * a connection keeps only an unfinished command and unsent output. Arguments
 * point into the buffer of the group, into a long unfinished command's own, or
 * into one of the engine.
 *
 * Owner thread of the worker.
 */
#include "daemon/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

/* Bytes received per connection and batch. */
#define SLICE_BYTES (64 * KIB)
/* A client that has sent a large argument is likely to send another: so many of
 * its next receives have room for more, and what they bring of the argument goes
 * to its extent at once: others then have the same part of the buffer, which is
 * in the cache. */
#define LARGE_BYTES (128 * KIB)
#define LARGE_RECEIVES 32
/* With the rest of one, so much of what follows is received. */
#define FOLLOWING_BYTES (2 * KIB)
/* An unfinished command of up to this many bytes is copied in front of the new
 * ones; a longer one is received into its own buffer. */
#define CARRY_BYTES (20 * KIB)
/* The receive buffer: four full slices, or hundreds of small requests; fits in
 * the second-level cache. */
#define ARENA_BYTES (256 * KIB + CARRY_BYTES)

/* Arguments of a command that is read straight into the array of the round. */
#define SHORT_ARGS 32
/* Large arguments of a round: when it has run, the extents of the values that
 * they replace are free for the next ones, and still in the cache. */
#define ROUND_LARGE (512 * KIB)
/* Memory that is kept between batches, of a busy worker, too. */
#define KEEP_OUTPUT (2 * MIB)
#define KEEP_ARGS (2 * ROUND_ARGS)
#define KEEP_REFS ROUND_ARGS
#define KEEP_PARSER (4 * KIB)

struct batch *
batch_new(struct worker *w)
{
    struct batch *b = xcalloc(1, sizeof(*b));

    b->worker = w;
    b->arena = xcalloc(1, ARENA_BYTES);
    b->reply.out = &b->out;
    /* Touched now, so that it is part of the start-up cost. */
    memset(b->arena, 1, ARENA_BYTES);
    return b;
}

size_t
batch_bytes(void)
{
    return sizeof(struct batch) + ARENA_BYTES;
}

void
batch_free(struct batch *b)
{
    worker_account(b->worker, b->counted, 0);
    buf_free(&b->out);
    free(b->reply.refs);
    free(b->args);
    free(b->arena);
    free(b);
}

static void
count_memory(struct batch *b)
{
    size_t memory = b->out.cap + b->cap_args * sizeof(*b->args) +
        resp_parser_bytes(&b->worker->parser);

    worker_account(b->worker, b->counted, memory);
    b->counted = memory;
}

void
batch_shrink(struct batch *b)
{
    if (b->out.cap > KEEP_OUTPUT)
        buf_free(&b->out);
    if (b->reply.cap_refs > KEEP_REFS) {
        free(b->reply.refs);
        b->reply.refs = NULL;
        b->reply.n_refs = b->reply.cap_refs = 0;
    }
    if (resp_parser_bytes(&b->worker->parser) > KEEP_PARSER)
        resp_parser_shrink(&b->worker->parser);
    if (b->cap_args > KEEP_ARGS) {
        free(b->args);
        b->args = NULL;
        b->cap_args = 0;
    }
    count_memory(b);
}

static void
begin_round(struct batch *b)
{
    b->n_tasks = b->task = 0;
    b->n_args = 0;
    b->large_bytes = 0;
}

/* ---- receive ------------------------------------------------------------- */

static void take_ahead(struct batch *b, struct source *s);

/* Where further input of `c` goes: `*base` is the start of what is not parsed,
 * `*kept` the bytes of an unfinished command that already stand there. At least
 * SLICE_BYTES follow. */
static void
make_room(struct batch *b, struct conn *c, char **base, size_t *kept)
{
    struct conn_input *in = c->input;

    *kept = in != NULL ? in->bytes.len : 0;
    if (*kept > CARRY_BYTES) {
        buf_reserve(&in->bytes, SLICE_BYTES);
        *base = in->bytes.p;
        return;
    }
    *base = b->arena + b->arena_used;
    if (*kept > 0)
        memcpy(*base, in->bytes.p, *kept);
}

/* `len` bytes at `base` are to be parsed. */
static void
add_source(struct batch *b, struct conn *c, char *base, size_t len)
{
    struct conn_input *in = c->input;
    struct source *s = &b->sources[b->n_sources++];

    if (in != NULL)
        in->bytes.len = base == in->bytes.p ? len : 0;
    *s = (struct source){c, base, len, false};
    if (c->expects_large > 0)
        take_ahead(b, s);
    if (base == b->arena + b->arena_used)
        b->arena_used += ROUND_UP((size_t)(s->p + s->len - base), CACHE_LINE);
}

/* The peer closed, or the connection failed. */
static void
end_of_input(struct conn *c, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0 && c->output != NULL)
        conn_finish(c); /* it may have closed its sending side only */
    else
        conn_dead(c);
}

static void
count_input(struct conn *c, ssize_t n)
{
    struct worker *w = c->worker;

    METRIC_ADD(&w->metrics, net_input_bytes, (uint64_t)n);
    METRIC_INC(&w->metrics, reads);
    c->active_s = w->now_s;
}

static inline bool
in_arena(const struct batch *b, const char *p)
{
    return p >= b->arena && p < b->arena + ARENA_BYTES;
}

/* How much of large arguments may be received to `at`, where make_room() has
 * been. */
static size_t
large_room(const struct batch *b, const char *at)
{
    if (!in_arena(b, at))
        return SLICE_BYTES;
    return MIN(LARGE_BYTES, (size_t)(b->arena + ARENA_BYTES - at));
}

/* Receive of a large argument what has come, but no more than one visit may.
 * True when all of it is there: then *n bytes of what follows it are at `at`.
 * Else *n is what was received or, if that is nothing, the outcome as of
 * recv(2). */
static bool
receive_bulk(struct batch *b, struct conn *c, char *at, ssize_t *n)
{
    struct large *l = &c->input->large;
    size_t room = large_room(b, at), taken = 0, asked, part;
    ssize_t got;
    char *from;

    do {
        asked = MIN(room, l->len - l->got + FOLLOWING_BYTES);
        from = at;
        got = conn_io(c)->receive(c, &from, 0, asked);
        if (got <= 0)
            break;
        count_input(c, got);
        part = large_take(c->worker, c->input, from, (size_t)got);
        taken += (size_t)got;
    } while (
        l->got < l->len && (size_t)got == asked && taken < LARGE_VISIT_BYTES);
    *n = taken > 0 ? (ssize_t)taken : got;
    if (taken == 0 || l->got < l->len)
        return false;
    *n = got - (ssize_t)part;
    memmove(at, from + part, (size_t)*n);
    return true;
}

/* The rest of a large argument, and what follows. */
static void
receive_large(struct batch *b, struct conn *c)
{
    size_t kept;
    char *base;
    ssize_t n;

    make_room(b, c, &base, &kept);
    if (receive_bulk(b, c, base + kept, &n)) {
        large_end(c);
        add_source(b, c, base, kept + (size_t)n);
    } else if (n <= 0) {
        end_of_input(c, n);
    } else {
        large_await(c);
        conn_account(c);
    }
}

static void
receive(struct batch *b, struct conn *c)
{
    size_t kept, room = SLICE_BYTES;
    char *base;
    ssize_t n;

    if (c->input != NULL && c->input->large.len > 0) {
        receive_large(b, c);
        return;
    }
    make_room(b, c, &base, &kept);
    if (c->expects_large > 0) {
        c->expects_large--;
        room = large_room(b, base + kept);
    }
    n = conn_io(c)->receive(c, &base, kept, room);
    if (n <= 0) {
        end_of_input(c, n);
        return;
    }
    count_input(c, n);
    add_source(b, c, base, kept + (size_t)n);
}

/* Parse what a stalled connection has received already. */
static void
resume(struct batch *b, struct conn *c)
{
    size_t kept;
    char *base;

    conn_io(c)->park(c);
    if (c->dead)
        return;
    make_room(b, c, &base, &kept);
    add_source(b, c, base, kept);
}

/* Do for one ready connection what its events call for. */
static void
visit(struct batch *b, struct conn *c)
{
    short ready = c->ready;

    c->ready = 0;
    if (c->dead)
        return;
    if (unlikely(c->tls != NULL) && (ready = tls_ready(c, ready)) == 0)
        return;
    if (ready & EV_WRITE) {
        conn_flush(c);
        if (c->dead)
            return;
        conn_update_events(c);
    }
    if (c->held != NULL && ready & EV_CLOSED) {
        conn_dead(c);
        return;
    }
    if (c->held != NULL && c->released) {
        resume(b, c);
        return;
    }
    if (!(c->interest & EV_READ))
        conn_io(c)->park(c);
    else if (c->input != NULL && c->input->unparsed)
        resume(b, c);
    else if (ready & EV_READ)
        receive(b, c);
}

/* Make a group of the first connections on the ready list. */
void
batch_receive(struct batch *b)
{
    struct worker *w = b->worker;
    struct conn *c;

    begin_round(b);
    b->n_sources = b->source = 0;
    b->arena_used = 0;
    while ((c = w->ready) != NULL && b->n_sources < GROUP_CONNS &&
        b->large_bytes < ROUND_LARGE &&
        b->arena_used + CARRY_BYTES + SLICE_BYTES <= ARENA_BYTES) {
        w->ready = c->next_ready;
        if (w->ready == NULL)
            w->ready_tail = &w->ready;
        visit(b, c);
    }
}

/* ---- parse --------------------------------------------------------------- */

static inline struct task *
add_task(struct batch *b, struct conn *c, enum task_kind kind)
{
    struct task *t = &b->tasks[b->n_tasks++];

    t->conn = c;
    t->kind = (uint8_t)kind;
    t->held = NULL;
    t->error = NULL;
    t->has_extent = false;
    t->request.thread = b->worker->commands;
    t->request.session = &c->session;
    t->request.reply = &b->reply;
    t->request.command = NULL;
    t->request.n_keys = 0;
    t->request.argv = NULL;
    t->request.argc = 0;
    return t;
}

/* A browser that posts a form to this port sends one of these words; what
 * follows could be commands that somebody else chose. */
static inline bool
is_attack(const struct resp_arg *arg)
{
    if (arg->len == 4) /* as many names of commands are */
        return unlikely((*arg->p | 0x20) == 'p') &&
            strncasecmp(arg->p, "post", 4) == 0;
    return arg->len == 5 && unlikely(arg->p[4] == ':') &&
        strncasecmp(arg->p, "host:", 5) == 0;
}

static __attribute__((noinline)) void
grow_args(struct batch *b, size_t n)
{
    struct resp_arg *at;

    b->cap_args = MAX(2 * b->cap_args, b->n_args + n);
    at = b->args = xrealloc(b->args, b->cap_args * sizeof(*b->args));
    for (unsigned i = 0; i < b->n_tasks; i++) {
        b->tasks[i].request.argv = at;
        at += b->tasks[i].request.argc;
    }
}

/* Room for `n` more arguments of the round. */
static inline void
reserve_args(struct batch *b, size_t n)
{
    if (unlikely(b->cap_args - b->n_args < n))
        grow_args(b, n);
}

/* Move arguments into the array of the round, with the extents among them. */
static void
take_args(struct batch *b, struct task *t, struct resp_arg *argv, int argc)
{
    size_t n = (size_t)argc;

    reserve_args(b, n);
    for (size_t i = 0; i < n; i++) {
        b->args[b->n_args + i] = argv[i];
        if (argv[i].extent != 0) {
            t->has_extent = true;
            argv[i].extent = 0;
        }
    }
    t->request.argv = b->args + b->n_args;
    t->request.argc = argc;
    b->n_args += n;
}

/* Commands that waited in a pause become tasks again: all of them or, when the
 * round has no room, none. */
static bool
take_held(struct batch *b, struct conn *c)
{
    struct held *next;

    if (b->n_tasks + c->n_held > ROUND_COMMANDS)
        return false;
    for (struct held *h = hold_take(c); h != NULL; h = next) {
        struct task *t = add_task(b, c, (enum task_kind)h->kind);

        next = h->next;
        t->held = h;
        t->error = h->error;
        take_args(b, t, h->argv, h->argc);
    }
    return true;
}

/* Take the parser's command: its arguments move into the arrays of the round,
 * with the extents among them. False when nothing may follow it. */
static bool
take_command(struct batch *b, struct conn *c, struct resp_parser *p)
{
    struct task *t = add_task(b, c, TASK_RUN);

    take_args(b, t, p->argv, p->argc);
    if (c->input != NULL)
        large_release(b->worker, c->input);
    if (p->large_dropped)
        t->kind = TASK_OUT_OF_MEMORY;
    else if (is_attack(&p->argv[0]))
        t->kind = TASK_ATTACK;
    return t->kind != TASK_ATTACK;
}

/* The parser of `c`: its own while a command is unfinished. */
static struct resp_parser *
parser_of(struct batch *b, struct conn *c)
{
    struct resp_parser *p =
        c->input != NULL ? &c->input->parser : &b->worker->parser;
    struct limits *l = &b->worker->daemon->limits;

    p->max_bulk = atomic_load_explicit(&l->max_bulk, memory_order_relaxed);
    p->unauthenticated = !c->session.authenticated &&
        commands_auth_required(&b->worker->daemon->commands);
    return p;
}

/* Receive the rest of a large argument at once. True when all of it has come. */
static bool
receive_rest(struct batch *b, struct source *s)
{
    ssize_t n;

    if (!receive_bulk(b, s->conn, s->p + s->len, &n)) {
        large_await(s->conn); /* the next visit sees an end of the stream */
        return false;
    }
    s->len += (size_t)n;
    return true;
}

/* The parser stands at a large bulk, and behind the source there is `room` or
 * not. True when all of the bulk has come. */
static bool
take_large(struct batch *b, struct source *s, bool room)
{
    struct conn *c = s->conn;

    if (conn_input_open(c) == NULL) {
        conn_dead(c);
        return false;
    }
    if (!large_begin(b->worker, c->input, &s->p, &s->len)) {
        conn_io(c)->expect_large(c);
        if (c->tls != NULL)
            return false; /* a record is less than there may be room for */
        c->expects_large = LARGE_RECEIVES;
        if (!room || !receive_rest(b, s))
            return false;
    }
    b->large_bytes += c->input->large.len;
    large_end(c);
    return true;
}

/* All that `c` sent is parsed: give what an unfinished command needs to the
 * next connection, while it is in the cache. Not if arguments stand there. */
static void
end_input(struct source *s)
{
    struct conn_input *in = s->conn->input;

    if (in == NULL || s->len > 0 ||
        (s->p >= in->bytes.p && s->p <= in->bytes.p + in->bytes.cap))
        return;
    conn_input_close(s->conn);
}

/* The rest of the command is there, and nothing else: it is complete. */
static void
finish_ahead(struct batch *b, struct source *s, struct resp_parser *p)
{
    enum resp_status status = resp_parse(p, s->p, s->len);

    ASSERT(status == RESP_COMMAND);
    s->p += p->consumed;
    s->len -= p->consumed;
    take_command(b, s->conn, p);
    end_input(s);
}

/* The source was received where the next one is to be: take a large argument
 * out of it now. What is no command with such an argument is parsed anew in
 * its turn. */
static void
take_ahead(struct batch *b, struct source *s)
{
    struct conn *c = s->conn;
    struct resp_parser *p = parser_of(b, c);
    size_t end = strlen("\r\n"), len;
    enum resp_status status;

    if (c->input != NULL || c->held != NULL || c->closing || conn_stalled(c) ||
        p->unauthenticated || s->len < 2 || s->p[0] != '*' || s->p[1] < '2')
        return; /* '2': at least one argument, so it is not skipped as empty */
    status = resp_parse(p, s->p, s->len);
    len = p->large_len;
    if (status == RESP_COMMAND)
        return;
    if (status == RESP_LARGE && large_whole(b->worker, p, &s->p, &s->len)) {
        c->expects_large = LARGE_RECEIVES;
        b->large_bytes += len;
        finish_ahead(b, s, p);
    } else if (status == RESP_LARGE) {
        if (!take_large(b, s, in_arena(b, s->p)))
            return;
        p = &c->input->parser;
        if (p->args_left == 0 && s->len == p->pos + end)
            finish_ahead(b, s, p);
    } else if (conn_input_open(c) == NULL) {
        conn_dead(c); /* it would be another's */
    }
}

/* The usual case: commands of short arguments, one behind the other, read into
 * the array of the round. Returns at anything else, and at the end. */
static void
parse_short(struct batch *b, struct source *s)
{
    struct conn *c = s->conn;
    struct resp_parser *p = parser_of(b, c);

    if (c->input != NULL || !c->session.authenticated)
        return;
    while (
        s->len > 0 && b->n_tasks < ROUND_COMMANDS && b->n_args < ROUND_ARGS) {
        struct resp_arg *argv;
        struct task *t;
        size_t consumed;
        int argc;

        reserve_args(b, SHORT_ARGS);
        argv = b->args + b->n_args;
        argc = resp_take_short(
            p, &b->head, s->p, s->len, argv, SHORT_ARGS, &consumed);
        if (argc == 0 || is_attack(&argv[0]))
            return;
        t = add_task(b, c, TASK_RUN);
        t->request.argv = argv;
        t->request.argc = argc;
        b->n_args += (size_t)argc;
        s->p += consumed;
        s->len -= consumed;
    }
}

/* A client that greets in TLS waits for an answer, and this would be the start
 * of an inline command that never ends. */
static bool
is_tls_greeting(const struct source *s)
{
    return s->len >= 2 && s->p[0] == 0x16 && s->p[1] == 0x03;
}

static void
add_protocol_error(struct batch *b, struct source *s, const char *text)
{
    add_task(b, s->conn, TASK_PROTOCOL_ERROR)->error = xstrdup(text);
    resp_parser_reset(parser_of(b, s->conn));
    s->len = 0;
}

/* Read the next command of a source into a task. False when there is none, or
 * the connection ends here. */
static bool
parse_one(struct batch *b, struct source *s)
{
    struct conn *c = s->conn;
    struct resp_parser *p = parser_of(b, c);
    enum resp_status status;

    while ((status = resp_parse(p, s->p, s->len)) == RESP_LARGE) {
        if (!take_large(b, s, false))
            return false;
        p = parser_of(b, c);
    }
    s->p += p->consumed;
    s->len -= p->consumed;
    if (status == RESP_COMMAND) {
        bool goes_on = take_command(b, c, p);

        end_input(s);
        return goes_on;
    }
    if (status == RESP_ERROR) {
        add_protocol_error(b, s, p->error);
    } else if (is_tls_greeting(s)) {
        add_protocol_error(b, s, "Protocol error: this port does not speak TLS");
    } else if (s->len > 0 && conn_input_open(c) == NULL) {
        conn_dead(c);
    }
    return false;
}

/* Room for another command. A round has at least one. */
static bool
has_room(const struct batch *b)
{
    return b->n_tasks < ROUND_COMMANDS && b->n_args < ROUND_ARGS &&
        (b->large_bytes < ROUND_LARGE || b->n_tasks == 0);
}

/* Parse one source as far as the round has room. */
static void
parse_source(struct batch *b, struct source *s)
{
    struct conn *c = s->conn;

    s->ended = true;
    if (c == NULL)
        return;
    if (c->dead || c->closing) {
        s->len = 0;
        return;
    }
    if (c->held != NULL && c->released && !take_held(b, c)) {
        s->ended = false;
        return;
    }
    if (c->input != NULL && c->input->large.len > 0)
        return; /* in the middle of a large argument, taken up after a pause */
    if (conn_stalled(c)) {
        if (s->len == 0)
            return;
        if (conn_input_open(c) != NULL)
            c->input->unparsed = true;
        else
            conn_dead(c);
        return;
    }
    if (c->input != NULL)
        c->input->unparsed = false;
    for (;;) {
        parse_short(b, s);
        if (likely(s->len == 0 && c->input == NULL))
            return;
        if (!has_room(b))
            break;
        if (!parse_one(b, s))
            return;
        /* Which limits hold for what follows an AUTH is known when it has
         * run. */
        if (!c->session.authenticated)
            break;
    }
    s->ended = false;
}

/* Fill a round with commands, of which some may be there; returns how many. */
unsigned
batch_parse(struct batch *b)
{
    if (b->task == b->n_tasks)
        begin_round(b);
    while (b->source < b->n_sources && b->n_tasks < ROUND_ENOUGH &&
        has_room(b)) {
        struct source *s = &b->sources[b->source];

        parse_source(b, s);
        if (!s->ended)
            break;
        b->source++;
    }
    return b->n_tasks;
}

/* ---- prefetch ------------------------------------------------------------ */

/* While a group of commands runs, the memory of those that follow is on its way:
 * first the index line of each key; when that has come, the item and what is
 * noted of it. Asking for all of a round at once would only queue at the few page
 * walks and line fills that a core does at a time. But a core waits at each
 * prefetch for the page walk, as far as it cannot look ahead to the next one: so
 * those of a group stand close together, kind by kind. */
#define TOGETHER 8
#define ITEMS_AHEAD TOGETHER
#define LINES_AHEAD (2 * TOGETHER)

/* Make the keys of all commands, in their order. */
static void
make_keys(struct batch *b)
{
    struct ks_key *room = b->keys;

    for (unsigned i = 0; i < b->n_tasks; i++) {
        struct task *t = &b->tasks[i];

        t->request.keys = room;
        if (likely(t->kind == TASK_RUN && room <= b->keys + ROUND_KEYS))
            command_make_keys(&t->request, room);
        room += t->request.n_keys;
    }
    b->end_keys = room;
}

/* The keys of the commands before task `i` end here. */
static inline struct ks_key *
keys_until(struct batch *b, unsigned i)
{
    return i < b->n_tasks ? b->tasks[i].request.keys : b->end_keys;
}

static void
prefetch_lines(struct batch *b, unsigned from, unsigned n)
{
    struct ks_key *first = keys_until(b, from);

    ks_prefetch_lines(b->worker->daemon->ks, first,
        (unsigned)(keys_until(b, from + n) - first));
}

static void
prefetch_items(struct batch *b, unsigned from, unsigned n)
{
    struct ks_key *first = keys_until(b, from);

    ks_prefetch_items(b->worker->daemon->ks, first,
        (unsigned)(keys_until(b, from + n) - first));
}

static void
prefetch_first(struct batch *b)
{
    b->end_keys = b->keys;
    if (b->n_tasks < 2)
        return; /* nothing to overlap with */
    make_keys(b);
    prefetch_lines(b, 0, LINES_AHEAD);
    prefetch_items(b, 0, ITEMS_AHEAD);
}

/* A group begins: ask for what the next ones need. */
static void
prefetch_next(struct batch *b)
{
    prefetch_items(b, b->task + ITEMS_AHEAD, TOGETHER);
    prefetch_lines(b, b->task + LINES_AHEAD, TOGETHER);
}

/* ---- execute ------------------------------------------------------------- */

/* The last run ends with what was written. */
static void
close_run(struct batch *b)
{
    struct run *r;

    if (b->n_runs == 0)
        return;
    r = &b->runs[b->n_runs - 1];
    r->end = b->out.len;
    r->ref_end = b->reply.n_refs;
}

static __attribute__((noinline)) void
open_run(struct batch *b, struct conn *c)
{
    struct run *r;

    close_run(b);
    r = &b->runs[b->n_runs++];
    r->conn = c;
    r->begin = b->out.len;
    r->ref_begin = b->reply.n_refs;
}

/* What is written from now on is for `c`. */
static inline void
reply_to(struct batch *b, struct conn *c)
{
    if (unlikely(b->n_runs == 0 || b->runs[b->n_runs - 1].conn != c))
        open_run(b, c);
}

static void
refuse_attack(struct conn *c)
{
    static _Atomic uint64_t logged;
    char addr[64];

    conn_address(c, true, addr, sizeof(addr));
    if (log_ratelimit(&logged))
        log_warn("possible SECURITY ATTACK: POST or Host: received, as from "
                 "a browser made to send commands; connection closed addr=%s",
            addr);
    conn_dead(c);
}

/* `run` is command_run() or command_run_busy(). */
static inline void
run_command(struct conn *c, struct request *rq, void (*run)(struct request *))
{
    struct session_memory before = {0, 0};

    if (unlikely(c->session.transaction != NULL))
        before = session_memory(&c->session);
    run(rq);
    if (unlikely(before.heap != 0 || c->session.transaction != NULL))
        conn_account_session(c, before);
    if (unlikely(c->session.close_after_reply))
        c->closing = true;
}

static void
execute(struct batch *b, struct task *t, void (*run)(struct request *))
{
    struct conn *c = t->conn;
    struct command_metrics *counters = b->worker->commands->metrics;

    switch ((enum task_kind)t->kind) {
    case TASK_RUN:
        run_command(c, &t->request, run);
        break;
    case TASK_OUT_OF_MEMORY:
        METRIC_INC(counters, errors);
        session_command_lost(&c->session);
        reply_error(&b->reply,
            "OOM command not allowed when used memory > "
            "'maxmemory'.");
        break;
    case TASK_PROTOCOL_ERROR:
        METRIC_INC(counters, protocol_errors);
        log_debug("protocol error id=%llu error=\"%s\"",
            (unsigned long long)c->session.id, t->error);
        reply_error(&b->reply, "ERR %s", t->error);
        c->closing = true;
        break;
    case TASK_ATTACK:
        refuse_attack(c);
        break;
    case TASK_GONE:
        break;
    }
}

void
batch_release_task(struct batch *b, struct task *t)
{
    free(t->error);
    for (int i = 0; t->has_extent && i < t->request.argc; i++)
        if (t->request.argv[i].extent != 0)
            extent_unpin(b->worker->daemon->slab, t->request.argv[i].extent);
    if (unlikely(t->held != NULL))
        hold_free(b->worker, t->held);
}

/* In a pause: does it wait, or one of the same client before it? */
static bool
must_wait(struct task *t)
{
    return unlikely(t->conn->held != NULL) ||
        (unlikely(commands_active(t->request.thread->commands) &
             ACTIVE_PAUSE) &&
            t->kind == TASK_RUN && command_waits(&t->request));
}

/* A command that owns nothing, of a connection about which nothing is special:
 * nearly all are like that. */
static inline bool
is_plain(const struct batch *b, const struct task *t)
{
    const struct conn *c = t->conn;

    return likely(t->kind == TASK_RUN && !t->has_extent && t->held == NULL &&
        !c->dead && !c->closing && c->held == NULL &&
        c->session.transaction == NULL &&
        !(commands_active(&b->worker->daemon->commands) & ACTIVE_PAUSE));
}

void
batch_execute_task(
    struct batch *b, struct task *t, void (*run)(struct request *))
{
    reply_to(b, t->conn);
    execute(b, t, run);
}

static void
execute_special(struct batch *b, struct task *t)
{
    struct conn *c = t->conn;

    if (t->kind == TASK_GONE)
        return;
    /* What follows a QUIT or an error is not looked at. */
    if (!c->dead && !c->closing && must_wait(t)) {
        hold_add(c, &t->request, t->kind, t->error);
        t->error = NULL;
    } else if (!c->dead && !c->closing) {
        batch_execute_task(b, t, command_run);
    }
    batch_release_task(b, t);
}

/* Run commands until all are done or their replies should be sent. */
static void
batch_execute(struct batch *b)
{
    b->out.len = 0;
    b->reply.n_refs = 0;
    b->n_runs = 0;
    while (b->task < b->n_tasks && b->out.len < ROUND_OUTPUT) {
        struct task *t = &b->tasks[b->task];

        if (b->task % TOGETHER == 0)
            prefetch_next(b);
        b->task++;
        if (is_plain(b, t)) {
            reply_to(b, t->conn);
            run_command(t->conn, &t->request, command_run);
        } else {
            execute_special(b, t);
        }
    }
}

/* ---- send ---------------------------------------------------------------- */

static void
start_send(struct batch *b, struct run *r)
{
    r->outgoing = (struct outgoing){.bytes = b->out.p,
        .at = r->begin,
        .end = r->end,
        .refs = b->reply.refs,
        .ref = r->ref_begin,
        .ref_end = r->ref_end};
    if (!r->conn->dead)
        conn_start_send(r->conn, &r->outgoing);
}

static void
end_send(struct batch *b, struct run *r, struct buf *whole)
{
    if (r->conn->dead) {
        outgoing_drop(&r->outgoing, b->worker->daemon->slab);
        return;
    }
    conn_end_send(r->conn, &r->outgoing, whole);
    if (r->conn->closing && !r->conn->dead)
        conn_finish(r->conn);
}

/* Send the first `n` runs. */
static void
send_runs(struct batch *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (likely(b->runs[i].conn != NULL))
            start_send(b, &b->runs[i]);
    b->worker->io->flush(b->worker);
    for (unsigned i = 0; i < n; i++)
        if (likely(b->runs[i].conn != NULL))
            end_send(b, &b->runs[i], b->n_runs == 1 ? &b->out : NULL);
}

void
batch_send(struct batch *b)
{
    close_run(b);
    send_runs(b, b->n_runs);
}

void
batch_send_complete(struct batch *b)
{
    if (b->n_runs < 2)
        return;
    send_runs(b, b->n_runs - 1);
    for (unsigned i = 0; i < b->n_runs - 1; i++)
        b->runs[i].conn = NULL;
}

/* ---- between groups ------------------------------------------------------ */

/* Keep what is not parsed with its connection, give back what it does not
 * need. */
static void
keep_rest(struct source *s)
{
    struct conn *c = s->conn;
    struct conn_input *in;

    if (c == NULL || c->dead)
        return;
    in = c->input;
    if (s->len == 0 || c->closing) {
        conn_input_close(c);
    } else {
        struct buf *bytes = &in->bytes;

        if (bytes->cap > 0 && s->p >= bytes->p &&
            s->p < bytes->p + bytes->cap) {
            memmove(bytes->p, s->p, s->len);
            bytes->len = s->len;
        } else {
            bytes->len = 0;
            buf_append(bytes, s->p, s->len);
        }
        conn_account(c);
    }
    if (!c->dead)
        conn_update_events(c);
}

void
batch_finish(struct batch *b)
{
    for (unsigned i = 0; i < b->n_sources; i++)
        keep_rest(&b->sources[i]);
    b->worker->io->recycle(b->worker);
    count_memory(b);
}

void
batch_run(struct batch *b)
{
    while (b->worker->ready != NULL) {
        batch_receive(b);
        /* What was posted before a client was answered comes before the reply
         * to its next command, whichever connection that is on. */
        worker_take_messages(b->worker);
        while (batch_parse(b) > 0) {
            prefetch_first(b);
            do {
                batch_execute(b);
                batch_send(b);
            } while (b->task < b->n_tasks);
        }
        batch_finish(b);
        worker_take_messages(b->worker);
    }
    METRIC_INC(&b->worker->metrics, batches);
}

bool
batch_has(const struct batch *b, const struct conn *c)
{
    for (unsigned i = 0; i < b->n_sources; i++)
        if (b->sources[i].conn == c)
            return true;
    return false;
}
