/* SPDX-License-Identifier: BSD-3-Clause */
/* batch_parse.c - the second phase of a batch: all commands that have come
 * become tasks of a round, as far as it has room. Arguments stay where they were
 * received. Owner thread of the worker.
 */
#include "daemon/batch.h"

#include <strings.h>

/* Arguments of a command that is read straight into the array of the round. */
#define SHORT_ARGS 32
/* After a large argument so many receives have room for another. */
#define LARGE_RECEIVES 32

void
batch_begin_round(struct batch *b)
{
    b->n_tasks = b->task = 0;
    b->n_args = 0;
    b->large_bytes = 0;
}

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

    if (!batch_receive_bulk(b, s->conn, s->p + s->len, &n)) {
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

void
batch_take_ahead(struct batch *b, struct source *s)
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
        if (!take_large(b, s, batch_in_arena(b, s->p)))
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
        add_protocol_error(
            b, s, "Protocol error: this port does not speak TLS");
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

unsigned
batch_parse(struct batch *b)
{
    if (b->task == b->n_tasks)
        batch_begin_round(b);
    while (
        b->source < b->n_sources && b->n_tasks < ROUND_ENOUGH && has_room(b)) {
        struct source *s = &b->sources[b->source];

        parse_source(b, s);
        if (!s->ended)
            break;
        b->source++;
    }
    return b->n_tasks;
}
