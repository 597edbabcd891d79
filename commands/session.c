/* SPDX-License-Identifier: BSD-3-Clause */
/* session.c - the state of one connection: HELLO, AUTH, SELECT, RESET, QUIT,
 * names, and the two commands that touch nothing, PING and ECHO.
 *
 * A session belongs to the worker of its connection. The names in it are read
 * by CLIENT LIST of other workers: they change as a whole, under the client
 * lock of the host.
 */
#include "commands/acl.h"
#include "commands/monitor.h"
#include "commands/tracking.h"

#include <stdlib.h>

/* ---- life of a session --------------------------------------------------- */

void
session_init(struct session *s, uint64_t id, const struct commands *c)
{
    uint32_t now = (uint32_t)(clock_wall_ms() / 1000);

    memset(s, 0, sizeof(*s));
    s->id = id;
    STORE(&s->protocol, 2);
    s->authenticated = !commands_auth_required(c);
    STORE(&s->last_command, -1);
    STORE(&s->queued, -1);
    STORE(&s->created_s, now);
    STORE(&s->active_s, now);
}

void
session_leave(struct command_thread *t, struct session *s)
{
    pubsub_leave_all(t, s);
    tracking_forget(t, s);
    monitor_stop(t, s);
}

void
session_free(struct session *s)
{
    transaction_discard(s);
    acl_session_free(s);
    free(s->names);
    s->names = NULL;
}

/* ---- names --------------------------------------------------------------- */

bool
client_name_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] < '!' || name.p[i] > '~')
            return false;
    }
    return true;
}

/* Publish `names` (taken) in place of the former; none if all are empty. */
static void
replace_names(struct request *rq, struct session_names *names)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct session *s = rq->session;
    struct session_names *former;

    if (names != NULL && names->name[0] == '\0' && names->lib_name[0] == '\0' &&
        names->lib_version[0] == '\0') {
        free(names);
        names = NULL;
    }
    host->lock_clients(host->ctx);
    former = s->names;
    s->names = names;
    host->unlock_clients(host->ctx);
    free(former);
}

bool
session_set_name(struct request *rq, enum session_name which, struct str value)
{
    struct session_names *names;
    struct {
        char *p;
        size_t cap;
    } field[3];

    names = xcalloc(1, sizeof(*names));
    if (rq->session->names != NULL)
        *names = *rq->session->names;
    field[SESSION_NAME].p = names->name;
    field[SESSION_NAME].cap = sizeof(names->name);
    field[SESSION_LIB_NAME].p = names->lib_name;
    field[SESSION_LIB_NAME].cap = sizeof(names->lib_name);
    field[SESSION_LIB_VERSION].p = names->lib_version;
    field[SESSION_LIB_VERSION].cap = sizeof(names->lib_version);
    if (value.len >= field[which].cap) {
        reply_error(rq->reply, "ERR name is longer than %zu bytes",
            field[which].cap - 1);
        free(names);
        return false;
    }
    memset(field[which].p, 0, field[which].cap);
    if (value.len > 0)
        memcpy(field[which].p, value.p, value.len);
    replace_names(rq, names);
    return true;
}

bool
session_set_client_name(struct request *rq, struct str name)
{
    if (!client_name_valid(name)) {
        reply_error(rq->reply,
            "ERR Client names cannot contain spaces, "
            "newlines or special characters.");
        return false;
    }
    return session_set_name(rq, SESSION_NAME, name);
}

/* ---- AUTH and HELLO ------------------------------------------------------ */

static bool
authenticate(struct request *rq, struct str user, struct str password)
{
    if (acl_authenticate(rq, user, password))
        return true;
    reply_error(rq->reply,
        "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static bool
default_has_no_password(struct request *rq)
{
    struct acl_user *u =
        acl_find(rq->thread->commands->state->acl, STR("default"));
    bool none = u->flags & ACL_NOPASS;

    acl_user_drop(u);
    return none;
}

void
cmd_auth(struct request *rq)
{
    struct str user = STR("default");

    if (rq->argc > 3) {
        reply_error_syntax(rq);
        return;
    }
    if (rq->argc == 2 && default_has_no_password(rq)) {
        reply_error(rq->reply,
            "ERR AUTH <password> called without any password configured for "
            "the default user. Are you sure your configuration is correct?");
        return;
    }
    if (rq->argc == 3)
        user = arg_str(rq, 1);
    if (authenticate(rq, user, arg_str(rq, rq->argc - 1)))
        reply_ok(rq->reply);
}

/* What HELLO asks for, besides the protocol. */
static bool
hello_options(struct request *rq)
{
    for (int i = 2; i < rq->argc; i++) {
        int more = rq->argc - 1 - i;

        if (arg_is(rq, i, "auth") && more >= 2) {
            if (!authenticate(rq, arg_str(rq, i + 1), arg_str(rq, i + 2)))
                return false;
            i += 2;
        } else if (arg_is(rq, i, "setname") && more >= 1) {
            if (!session_set_client_name(rq, arg_str(rq, i + 1)))
                return false;
            i++;
        } else {
            reply_error(rq->reply, "ERR Syntax error in HELLO option '%.*s'",
                ARG_SHOWN(rq, i));
            return false;
        }
    }
    return true;
}

static void
reply_hello(struct request *rq)
{
    struct reply *r = rq->reply;

    reply_map(r, 7);
    reply_bulk_cstr(r, "server");
    reply_bulk_cstr(r, "redis"); /* some clients refuse another */
    reply_bulk_cstr(r, "version");
    reply_bulk_cstr(r, REDIS_VERSION);
    reply_bulk_cstr(r, "proto");
    reply_int(r, LOAD(&rq->session->protocol));
    reply_bulk_cstr(r, "id");
    reply_int(r, (int64_t)rq->session->id);
    reply_bulk_cstr(r, "mode");
    reply_bulk_cstr(r, "standalone");
    reply_bulk_cstr(r, "role");
    reply_bulk_cstr(r, "master");
    reply_bulk_cstr(r, "modules");
    reply_array(r, 0);
}

void
cmd_hello(struct request *rq)
{
    struct session *s = rq->session;
    int64_t version = 0;

    if (rq->argc >= 2) {
        if (!str_to_i64(arg_str(rq, 1), &version)) {
            reply_error(rq->reply,
                "ERR Protocol version is not an integer or "
                "out of range");
            return;
        }
        if (version != 2 && version != 3) {
            reply_error(rq->reply, "NOPROTO unsupported protocol version");
            return;
        }
    }
    if (!hello_options(rq))
        return;
    if (!s->authenticated) {
        reply_error(rq->reply,
            "NOAUTH HELLO must be called with the client already "
            "authenticated, otherwise the HELLO AUTH <user> <pass> option can "
            "be used to authenticate the client and select the RESP protocol "
            "version at the same time");
        return;
    }
    if (version != 0)
        STORE(&s->protocol, (uint8_t)version);
    rq->reply->protocol = LOAD(&s->protocol);
    reply_hello(rq);
}

/* ---- SELECT, RESET, QUIT ------------------------------------------------- */

void
cmd_select(struct request *rq)
{
    int64_t db;

    if (!arg_i64(rq, 1, &db))
        return;
    if (db < INT32_MIN || db > INT32_MAX) {
        reply_error(rq->reply,
            "ERR value is out of range, value must between "
            "%d and %d",
            INT32_MIN, INT32_MAX);
        return;
    }
    if (db < 0 || db >= rq->thread->commands->values->databases) {
        reply_error(rq->reply, "ERR DB index is out of range");
        return;
    }
    atomic_store_explicit(&rq->session->db, (uint32_t)db, memory_order_relaxed);
    reply_ok(rq->reply);
}

/* The names of the client library stay: the library does. */
void
cmd_reset(struct request *rq)
{
    struct session *s = rq->session;

    pubsub_leave_all(rq->thread, s);
    tracking_stop(rq->thread, s);
    monitor_stop(rq->thread, s);
    transaction_discard(s);
    STORE(&s->db, 0);
    STORE(&s->protocol, 2);
    STORE(&s->no_touch, false);
    STORE(&s->no_evict, false);
    s->reply_off = false;
    s->reply_skip = 0;
    acl_session_reset(rq);
    if (s->names != NULL)
        session_set_name(rq, SESSION_NAME, STR(""));
    rq->reply->protocol = 2;
    reply_simple(rq->reply, "RESET");
}

void
cmd_quit(struct request *rq)
{
    reply_ok(rq->reply);
    STORE(&rq->session->close_after_reply, true);
}

/* ---- PING and ECHO ------------------------------------------------------- */

/* As a client that only expects messages can read it. */
static void
pong_as_message(struct request *rq)
{
    reply_array(rq->reply, 2);
    reply_bulk_cstr(rq->reply, "pong");
    reply_bulk(rq->reply, rq->argc == 2 ? arg_str(rq, 1) : STR(""));
}

void
cmd_ping(struct request *rq)
{
    if (rq->argc > 2)
        reply_error_arity(rq);
    else if (session_is_subscribed(rq->session) &&
        LOAD(&rq->session->protocol) == 2)
        pong_as_message(rq);
    else if (rq->argc == 2)
        reply_bulk(rq->reply, arg_str(rq, 1));
    else
        reply_simple(rq->reply, "PONG");
}

void
cmd_echo(struct request *rq)
{
    reply_bulk(rq->reply, arg_str(rq, 1));
}
