/* SPDX-License-Identifier: BSD-3-Clause */
/* client.c - the subcommands of CLIENT.
 *
 * Other connections are seen only through the host, as views that hold for the
 * time of one callback under its client lock. Closing them is asked for after
 * the walk, by number.
 */
#include "commands/acl.h"
#include "commands/tracking.h"

#include <stdlib.h>

/* ---- one line ------------------------------------------------------------ */

static void
append_flags(struct buf *out, const struct client_view *view)
{
    const struct session *s = view->session;
    size_t before = out->len;
    unsigned tracker = s->tracker == NULL
        ? 0
        : atomic_load_explicit(&s->tracker->flags, memory_order_relaxed);

    if (LOAD(&s->monitors))
        buf_append(out, "O", 1);
    if (session_is_subscribed(s))
        buf_append(out, "P", 1);
    if (LOAD(&s->queued) >= 0)
        buf_append(out, "x", 1);
    if (LOAD(&s->waits))
        buf_append(out, "b", 1);
    if (s->tracker != NULL)
        buf_append(out, "t", 1);
    if (tracker & TRACKER_BROKEN)
        buf_append(out, "R", 1);
    if (tracker & TRACKER_BCAST)
        buf_append(out, "B", 1);
    if (LOAD(&s->close_after_reply))
        buf_append(out, "c", 1);
    if (view->is_unix)
        buf_append(out, "U", 1);
    if (LOAD(&s->no_evict))
        buf_append(out, "e", 1);
    if (LOAD(&s->no_touch))
        buf_append(out, "T", 1);
    if (out->len == before)
        buf_append(out, "N", 1);
}

static const char *
last_command_name(const struct session *s)
{
    int id = LOAD(&s->last_command);

    return id < 0 ? "NULL" : command_table[id].name;
}

static unsigned
seconds_since(uint32_t then)
{
    uint32_t now = (uint32_t)(clock_wall_ms() / 1000);

    return now > then ? now - then : 0;
}

static struct str
user_name(const struct session *s)
{
    return s->user == NULL ? STR("default") : acl_word_str(&s->user->name);
}

/* As CLIENT LIST of Redis writes it; what does not exist here has its idle
 * value. */
void
client_append_line(struct buf *out, const struct client_view *view)
{
    static const struct session_names none;
    const struct session *s = view->session;
    struct str user = user_name(s);
    const struct session_names *names = s->names != NULL ? s->names : &none;

    buf_printf(out,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%u idle=%u flags=",
        (unsigned long long)s->id, view->addr, view->laddr, view->fd,
        names->name, seconds_since(LOAD(&s->created_s)),
        seconds_since(LOAD(&s->active_s)));
    append_flags(out, view);
    buf_printf(out,
        " db=%u sub=%u psub=%u ssub=%u multi=%d qbuf=%zu qbuf-free=%zu "
        "argv-mem=0 multi-mem=%llu rbs=0 rbp=0 obl=%zu oll=0 omem=%zu "
        "tot-mem=%zu events=r cmd=%s user=%.*s redir=%lld resp=%d "
        "lib-name=%s lib-ver=%s",
        LOAD(&s->db), session_n_subscriptions(s, CHANNEL_PLAIN),
        session_n_subscriptions(s, CHANNEL_PATTERN),
        session_n_subscriptions(s, CHANNEL_SHARD), LOAD(&s->queued),
        view->query_bytes, view->query_free_bytes,
        (unsigned long long)LOAD(&s->queued_bytes), view->output_bytes,
        view->output_bytes, view->total_bytes, last_command_name(s),
        STR_ARG(user), (long long)tracking_redirect(s), LOAD(&s->protocol),
        names->lib_name, names->lib_version);
}

static void
append_client(struct buf *out, const struct client_view *view)
{
    client_append_line(out, view);
    buf_append(out, "\n", 1);
}

/* ---- types --------------------------------------------------------------- */

/* Masters and replicas are known and there are none. */
enum client_type {
    TYPE_ANY,
    TYPE_NORMAL,
    TYPE_PUBSUB,
    TYPE_OTHER
};

static bool
read_type(struct request *rq, int i, enum client_type *out)
{
    if (arg_is(rq, i, "normal")) {
        *out = TYPE_NORMAL;
        return true;
    }
    if (arg_is(rq, i, "pubsub")) {
        *out = TYPE_PUBSUB;
        return true;
    }
    if (arg_is(rq, i, "master") || arg_is(rq, i, "replica") ||
        arg_is(rq, i, "slave")) {
        *out = TYPE_OTHER;
        return true;
    }
    reply_error(rq->reply, "ERR Unknown client type '%.*s'", ARG_SHOWN(rq, i));
    return false;
}

static bool
is_of_type(const struct session *s, enum client_type type)
{
    return type == TYPE_ANY ||
        type == (session_is_subscribed(s) ? TYPE_PUBSUB : TYPE_NORMAL);
}

/* The command that asks is in the input as well. */
static size_t
request_bytes(const struct request *rq)
{
    char digits[24];
    size_t bytes = 3 + i64_to_chars(digits, rq->argc);

    for (int i = 0; i < rq->argc; i++)
        bytes += 5 + i64_to_chars(digits, (int64_t)rq->argv[i].len) +
            rq->argv[i].len;
    return bytes;
}

/* ---- LIST and INFO ------------------------------------------------------- */

static void
reply_lines(struct request *rq, const struct buf *lines)
{
    reply_verbatim(rq->reply, "txt",
        (struct str){lines->len > 0 ? lines->p : "", lines->len});
}

static void
append_seen(struct buf *out, const struct request *rq,
    const struct client_view *view)
{
    struct client_view own = *view;

    if (view->session == rq->session)
        own.query_bytes += request_bytes(rq);
    append_client(out, &own);
}

void
cmd_client_info(struct request *rq)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct client_view view;
    struct buf line = {0};

    host->self(host->ctx, rq->session, &view);
    append_seen(&line, rq, &view);
    reply_lines(rq, &line);
    buf_free(&line);
}

/* Lines in the order of the workers; they are shown in that of the numbers. */
struct typed_lines {
    const struct request *rq;
    enum client_type type;
    struct buf lines;
    struct buf spans; /* struct line_span */
};

struct line_span {
    uint64_t id;
    size_t at, len;
};

static bool
append_typed(void *arg, const struct client_view *view)
{
    struct typed_lines *typed = arg;

    struct line_span span = {view->session->id, typed->lines.len, 0};

    if (!is_of_type(view->session, typed->type))
        return true;
    append_seen(&typed->lines, typed->rq, view);
    span.len = typed->lines.len - span.at;
    buf_append(&typed->spans, &span, sizeof(span));
    return true;
}

static int
compare_spans(const void *a, const void *b)
{
    const struct line_span *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static void
sort_lines(const struct typed_lines *typed, struct buf *out)
{
    size_t n = typed->spans.len / sizeof(struct line_span);
    struct line_span *spans = (struct line_span *)(void *)typed->spans.p;

    if (n > 1)
        qsort(spans, n, sizeof(*spans), compare_spans);
    for (size_t i = 0; i < n; i++)
        buf_append(out, typed->lines.p + spans[i].at, spans[i].len);
}

static void
list_type(struct request *rq, enum client_type type)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct typed_lines typed = {.rq = rq, .type = type};
    struct buf sorted = {0};

    host->each_client(host->ctx, append_typed, &typed);
    sort_lines(&typed, &sorted);
    reply_lines(rq, &sorted);
    buf_free(&typed.lines);
    buf_free(&typed.spans);
    buf_free(&sorted);
}

/* Clients wanted by number: each gets its line in the order asked for, as often
 * as asked for. */
struct wanted {
    const struct request *rq;
    size_t n;
    struct wanted_line {
        uint64_t id;
        size_t at, len; /* of its line in `lines`; len 0: not there */
    } * each;
    struct buf lines;
};

static bool
append_wanted(void *arg, const struct client_view *view)
{
    struct wanted *w = arg;
    size_t at = w->lines.len;
    bool found = false;

    for (size_t i = 0; i < w->n; i++) {
        if (w->each[i].id != view->session->id)
            continue;
        if (!found)
            append_seen(&w->lines, w->rq, view);
        found = true;
        w->each[i].at = at;
        w->each[i].len = w->lines.len - at;
    }
    return true;
}

static void
reply_wanted(struct request *rq, struct wanted *w)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct buf ordered = {0};

    host->each_client(host->ctx, append_wanted, w);
    for (size_t i = 0; i < w->n; i++) {
        if (w->each[i].len > 0)
            buf_append(&ordered, w->lines.p + w->each[i].at, w->each[i].len);
    }
    reply_lines(rq, &ordered);
    buf_free(&ordered);
}

static void
list_ids(struct request *rq)
{
    struct wanted w = {.rq = rq, .n = (size_t)rq->argc - 3};
    bool good = true;

    w.each = xcalloc(w.n, sizeof(*w.each));
    for (size_t i = 0; good && i < w.n; i++) {
        int64_t id;

        good = str_to_i64(arg_str(rq, (int)i + 3), &id);
        if (good)
            w.each[i].id = (uint64_t)id;
    }
    if (good)
        reply_wanted(rq, &w);
    else
        reply_error(rq->reply, "ERR Invalid client ID");
    free(w.each);
    buf_free(&w.lines);
}

void
cmd_client_list(struct request *rq)
{
    enum client_type type = TYPE_ANY;

    if (rq->argc == 4 && arg_is(rq, 2, "type")) {
        if (!read_type(rq, 3, &type))
            return;
    } else if (rq->argc > 3 && arg_is(rq, 2, "id")) {
        list_ids(rq);
        return;
    } else if (rq->argc != 2) {
        reply_error_syntax(rq);
        return;
    }
    list_type(rq, type);
}

/* ---- KILL ---------------------------------------------------------------- */

/* Which clients to close; what is empty, zero or TYPE_ANY matches all. */
struct kill_filter {
    struct str addr, laddr;
    struct str user;
    enum client_type type;
    uint64_t id;
    int64_t max_age_s;
    bool skip_me;
    uint64_t me;
    struct buf victims; /* uint64_t ids */
};

static bool
matches(const struct kill_filter *f, const struct client_view *view)
{
    const struct session *s = view->session;

    if (f->addr.p != NULL && !str_eq(f->addr, str_of(view->addr)))
        return false;
    if (f->laddr.p != NULL && !str_eq(f->laddr, str_of(view->laddr)))
        return false;
    if (f->user.p != NULL && !str_eq(f->user, user_name(s)))
        return false;
    if (!is_of_type(s, f->type))
        return false;
    if (f->id != 0 && f->id != s->id)
        return false;
    if (f->max_age_s != 0 && seconds_since(LOAD(&s->created_s)) < f->max_age_s)
        return false;
    return !(f->skip_me && s->id == f->me);
}

static bool
collect_victim(void *arg, const struct client_view *view)
{
    struct kill_filter *f = arg;

    if (matches(f, view))
        buf_append(&f->victims, &view->session->id, sizeof(uint64_t));
    return true;
}

/* Close all that match, this connection after its reply; returns how many. */
static int64_t
kill_matching(struct request *rq, struct kill_filter *f)
{
    const struct command_host *host = &rq->thread->commands->host;
    int64_t n = 0;

    host->each_client(host->ctx, collect_victim, f);
    for (size_t at = 0; at < f->victims.len; at += sizeof(uint64_t)) {
        uint64_t id;

        memcpy(&id, f->victims.p + at, sizeof(id));
        if (id == f->me) {
            STORE(&rq->session->close_after_reply, true);
            n++;
        } else if (host->kill_client(host->ctx, id)) {
            n++;
        }
    }
    buf_free(&f->victims);
    return n;
}

static bool
read_positive(struct request *rq, int i, const char *not_integer,
    const char *not_positive, int64_t *out)
{
    if (!str_to_i64(arg_str(rq, i), out)) {
        reply_error(rq->reply, "ERR %s", not_integer);
        return false;
    }
    if (*out < 1) {
        reply_error(rq->reply, "ERR %s", not_positive);
        return false;
    }
    return true;
}

static bool
read_kill_user(struct request *rq, int i, struct kill_filter *f)
{
    struct acl_user *u =
        acl_find(rq->thread->commands->state->acl, arg_str(rq, i));

    if (u == NULL) {
        reply_error(rq->reply, "ERR No such user '%.*s'", ARG_SHOWN(rq, i));
        return false;
    }
    acl_user_drop(u);
    f->user = arg_str(rq, i);
    return true;
}

static bool
read_skip_me(struct request *rq, int i, struct kill_filter *f)
{
    if (!arg_is(rq, i, "yes") && !arg_is(rq, i, "no")) {
        reply_error_syntax(rq);
        return false;
    }
    f->skip_me = arg_is(rq, i, "yes");
    return true;
}

/* One filter, the word in argv[i] and its value after it. */
static bool
read_kill_filter(struct request *rq, int i, struct kill_filter *f)
{
    static const char bad_id[] = "client-id should be greater than 0";
    int64_t id;

    if (i + 1 == rq->argc) {
        reply_error_syntax(rq);
        return false;
    }
    if (arg_is(rq, i, "id")) {
        if (!read_positive(rq, i + 1, bad_id, bad_id, &id))
            return false;
        f->id = (uint64_t)id;
        return true;
    }
    if (arg_is(rq, i, "type"))
        return read_type(rq, i + 1, &f->type);
    if (arg_is(rq, i, "user"))
        return read_kill_user(rq, i + 1, f);
    if (arg_is(rq, i, "skipme"))
        return read_skip_me(rq, i + 1, f);
    if (arg_is(rq, i, "maxage"))
        return read_positive(rq, i + 1,
            "maxage is not an integer or out of range",
            "maxage should be greater than 0", &f->max_age_s);
    if (arg_is(rq, i, "addr")) {
        f->addr = arg_str(rq, i + 1);
        return true;
    }
    if (arg_is(rq, i, "laddr")) {
        f->laddr = arg_str(rq, i + 1);
        return true;
    }
    reply_error_syntax(rq);
    return false;
}

void
cmd_client_kill(struct request *rq)
{
    struct kill_filter f = {.me = rq->session->id};

    if (rq->argc == 3) { /* by address; one may close oneself */
        f.addr = arg_str(rq, 2);
        if (kill_matching(rq, &f) > 0)
            reply_ok(rq->reply);
        else
            reply_error(rq->reply, "ERR No such client");
        return;
    }
    f.skip_me = true;
    for (int i = 2; i < rq->argc; i += 2) {
        if (!read_kill_filter(rq, i, &f))
            return;
    }
    reply_int(rq->reply, kill_matching(rq, &f));
}

/* ---- this connection ----------------------------------------------------- */

void
cmd_client_id(struct request *rq)
{
    reply_int(rq->reply, (int64_t)rq->session->id);
}

void
cmd_client_getname(struct request *rq)
{
    const struct session_names *names = rq->session->names;

    if (names == NULL || names->name[0] == '\0')
        reply_null(rq->reply);
    else
        reply_bulk_cstr(rq->reply, names->name);
}

void
cmd_client_setname(struct request *rq)
{
    if (session_set_client_name(rq, arg_str(rq, 2)))
        reply_ok(rq->reply);
}

void
cmd_client_setinfo(struct request *rq)
{
    enum session_name which;

    if (arg_is(rq, 2, "lib-name")) {
        which = SESSION_LIB_NAME;
    } else if (arg_is(rq, 2, "lib-ver")) {
        which = SESSION_LIB_VERSION;
    } else {
        reply_error(
            rq->reply, "ERR Unrecognized option '%.*s'", ARG_SHOWN(rq, 2));
        return;
    }
    if (!client_name_valid(arg_str(rq, 3))) {
        reply_error(rq->reply,
            "ERR %.*s cannot contain spaces, newlines or special characters.",
            ARG_SHOWN(rq, 2));
        return;
    }
    if (session_set_name(rq, which, arg_str(rq, 3)))
        reply_ok(rq->reply);
}

/* argv[2] as ON or OFF. */
static bool
read_switch(struct request *rq, bool *on)
{
    if (!arg_is(rq, 2, "on") && !arg_is(rq, 2, "off")) {
        reply_error_syntax(rq);
        return false;
    }
    *on = arg_is(rq, 2, "on");
    return true;
}

void
cmd_client_no_evict(struct request *rq)
{
    bool on;

    if (!read_switch(rq, &on))
        return;
    STORE(&rq->session->no_evict, on);
    reply_ok(rq->reply);
}

void
cmd_client_no_touch(struct request *rq)
{
    bool on;

    if (!read_switch(rq, &on))
        return;
    STORE(&rq->session->no_touch, on);
    reply_ok(rq->reply);
}

/* command_run() takes back the replies that are not wanted. */
void
cmd_client_reply(struct request *rq)
{
    struct session *s = rq->session;

    if (arg_is(rq, 2, "on")) {
        s->reply_off = false;
        s->reply_skip = 0;
        reply_ok(rq->reply);
    } else if (arg_is(rq, 2, "off")) {
        s->reply_off = true;
    } else if (arg_is(rq, 2, "skip")) {
        if (!s->reply_off)
            s->reply_skip = 2;
    } else {
        reply_error_syntax(rq);
    }
}
