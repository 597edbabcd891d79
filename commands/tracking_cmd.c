/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_cmd.c - CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR. Any
 * worker.
 */
#include "commands/internal.h"
#include "commands/tracking.h"

static unsigned
tracker_flags(const struct session *s)
{
    return s->tracker == NULL
        ? 0
        : atomic_load_explicit(&s->tracker->flags, memory_order_relaxed);
}

/* ---- TRACKING ------------------------------------------------------------ */

struct sought {
    uint64_t id;
    unsigned worker;
    bool found;
};

static bool
is_sought(void *arg, const struct client_view *view)
{
    struct sought *sought = arg;

    if (view->session->id != sought->id)
        return true;
    sought->found = true;
    sought->worker = view->worker;
    return false;
}

/* The client must be there now; that it may go later is another matter. */
static bool
read_redirect(struct request *rq, int i, struct tracking_wish *wish)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct sought sought = {0};
    int64_t id;

    if (wish->redirect != 0) {
        reply_error(rq->reply,
            "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!arg_i64(rq, i, &id))
        return false;
    sought.id = (uint64_t)id;
    if (id > 0)
        host->each_client(host->ctx, is_sought, &sought);
    if (!sought.found) {
        reply_error(rq->reply,
            "ERR The client ID you want redirect to does not exist");
        return false;
    }
    wish->redirect = sought.id;
    wish->redirect_worker = sought.worker;
    return true;
}

static bool
read_wish(struct request *rq, struct tracking_wish *wish)
{
    for (int i = 3; i < rq->argc; i++) {
        bool more = i + 1 < rq->argc;

        if (arg_is(rq, i, "redirect") && more) {
            if (!read_redirect(rq, ++i, wish))
                return false;
        } else if (arg_is(rq, i, "bcast")) {
            wish->flags |= TRACKER_BCAST;
        } else if (arg_is(rq, i, "optin")) {
            wish->flags |= TRACKER_OPTIN;
        } else if (arg_is(rq, i, "optout")) {
            wish->flags |= TRACKER_OPTOUT;
        } else if (arg_is(rq, i, "noloop")) {
            wish->flags |= TRACKER_NOLOOP;
        } else if (arg_is(rq, i, "prefix") && more) {
            wish->prefixes[wish->n_prefixes++] = arg_str(rq, ++i);
        } else {
            reply_error_syntax(rq);
            return false;
        }
    }
    return true;
}

static bool
overlap(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);

    return n == 0 || memcmp(a.p, b.p, n) == 0;
}

/* One key must not be told twice. */
static bool
prefixes_fit(struct request *rq, const struct tracking_wish *wish)
{
    const struct tracker *now = rq->session->tracker;

    for (size_t i = 0; i < wish->n_prefixes; i++) {
        struct str one = wish->prefixes[i];

        for (size_t j = 0; now != NULL && j < now->n_prefixes; j++) {
            if (!overlap(now->prefixes[j], one))
                continue;
            reply_error(rq->reply,
                "ERR Prefix '%.*s' overlaps with an existing prefix '%.*s'. "
                "Prefixes for a single client must not overlap.",
                STR_ARG(one), STR_ARG(now->prefixes[j]));
            return false;
        }
        for (size_t j = i + 1; j < wish->n_prefixes; j++) {
            if (!overlap(one, wish->prefixes[j]))
                continue;
            reply_error(rq->reply,
                "ERR Prefix '%.*s' overlaps with another provided prefix "
                "'%.*s'. Prefixes for a single client must not overlap.",
                STR_ARG(one), STR_ARG(wish->prefixes[j]));
            return false;
        }
    }
    return true;
}

/* Why these options cannot be, alone or after those of the present; NULL if
 * they can. */
static const char *
conflict(const struct session *s, const struct tracking_wish *wish)
{
    unsigned now = tracker_flags(s), want = wish->flags;

    if (!(want & TRACKER_BCAST) && wish->n_prefixes > 0)
        return "PREFIX option requires BCAST mode to be enabled";
    if (s->tracker != NULL && (now ^ want) & TRACKER_BCAST)
        return "You can't switch BCAST mode on/off before disabling tracking "
               "for this client, and then re-enabling it with a different "
               "mode.";
    if (want & TRACKER_BCAST && want & (TRACKER_OPTIN | TRACKER_OPTOUT))
        return "OPTIN and OPTOUT are not compatible with BCAST";
    if (want & TRACKER_OPTIN && want & TRACKER_OPTOUT)
        return "You can't specify both OPTIN mode and OPTOUT mode";
    if ((want & TRACKER_OPTIN && now & TRACKER_OPTOUT) ||
        (want & TRACKER_OPTOUT && now & TRACKER_OPTIN))
        return "You can't switch OPTIN/OPTOUT mode before disabling tracking "
               "for this client, and then re-enabling it with a different "
               "mode.";
    return NULL;
}

void
cmd_client_tracking(struct request *rq)
{
    struct tracking_wish wish = {
        .prefixes = arena_alloc(
            rq->thread->arena, (size_t)rq->argc * sizeof(struct str))};
    const char *reason;

    if (!read_wish(rq, &wish))
        return;
    if (arg_is(rq, 2, "off")) {
        tracking_stop(rq->thread, rq->session);
        reply_ok(rq->reply);
        return;
    }
    if (!arg_is(rq, 2, "on")) {
        reply_error_syntax(rq);
        return;
    }
    reason = conflict(rq->session, &wish);
    if (reason != NULL) {
        reply_error(rq->reply, "ERR %s", reason);
        return;
    }
    if (!prefixes_fit(rq, &wish))
        return;
    tracking_start(rq->thread, rq->session, &wish);
    reply_ok(rq->reply);
}

/* ---- CACHING ------------------------------------------------------------- */

void
cmd_client_caching(struct request *rq)
{
    struct tracker *tracker = rq->session->tracker;
    bool yes = arg_is(rq, 2, "yes");

    if (tracker == NULL) {
        reply_error(rq->reply,
            "ERR CLIENT CACHING can be called only when the client is in "
            "tracking mode with OPTIN or OPTOUT mode enabled");
        return;
    }
    if (!yes && !arg_is(rq, 2, "no")) {
        reply_error_syntax(rq);
        return;
    }
    if (!(tracker_flags(rq->session) &
            (yes ? TRACKER_OPTIN : TRACKER_OPTOUT))) {
        reply_error(rq->reply,
            "ERR CLIENT CACHING %s is only valid when tracking is enabled in "
            "%s mode.",
            yes ? "YES" : "NO", yes ? "OPTIN" : "OPTOUT");
        return;
    }
    atomic_fetch_or_explicit(
        &tracker->flags, TRACKER_CACHING, memory_order_relaxed);
    reply_ok(rq->reply);
}

/* It holds for the next command, and through a transaction. */
void
tracking_after(const struct request *rq)
{
    const struct session *s = rq->session;

    if (s->tracker == NULL || !(tracker_flags(s) & TRACKER_CACHING) ||
        LOAD(&s->queued) >= 0 ||
        (rq->command != NULL && strncmp(rq->command->name, "client|", 7) == 0))
        return;
    atomic_fetch_and_explicit(&s->tracker->flags,
        (uint32_t)~TRACKER_CACHING, memory_order_relaxed);
}

/* ---- what is set --------------------------------------------------------- */

int64_t
tracking_redirect(const struct session *s)
{
    return s->tracker == NULL ? -1
                              : (int64_t)atomic_load_explicit(
                                    &s->tracker->redirect,
                                    memory_order_relaxed);
}

void
cmd_client_getredir(struct request *rq)
{
    reply_int(rq->reply, tracking_redirect(rq->session));
}

static size_t
list_flags(const struct session *s, const char *out[8])
{
    unsigned flags = tracker_flags(s);
    size_t n = 0;

    out[n++] = s->tracker != NULL ? "on" : "off";
    if (flags & TRACKER_BCAST)
        out[n++] = "bcast";
    if (flags & TRACKER_OPTIN)
        out[n++] = "optin";
    if (flags & TRACKER_OPTIN && flags & TRACKER_CACHING)
        out[n++] = "caching-yes";
    if (flags & TRACKER_OPTOUT)
        out[n++] = "optout";
    if (flags & TRACKER_OPTOUT && flags & TRACKER_CACHING)
        out[n++] = "caching-no";
    if (flags & TRACKER_NOLOOP)
        out[n++] = "noloop";
    if (flags & TRACKER_BROKEN)
        out[n++] = "broken_redirect";
    return n;
}

void
cmd_client_trackinginfo(struct request *rq)
{
    const struct tracker *tracker = rq->session->tracker;
    const char *flags[8];
    size_t n = list_flags(rq->session, flags);

    reply_map(rq->reply, 3);
    reply_bulk_cstr(rq->reply, "flags");
    reply_set(rq->reply, n);
    for (size_t i = 0; i < n; i++)
        reply_bulk_cstr(rq->reply, flags[i]);
    reply_bulk_cstr(rq->reply, "redirect");
    reply_int(rq->reply, tracking_redirect(rq->session));
    reply_bulk_cstr(rq->reply, "prefixes");
    n = tracker == NULL ? 0 : tracker->n_prefixes;
    reply_array(rq->reply, n);
    for (size_t i = 0; i < n; i++)
        reply_bulk(rq->reply, tracker->prefixes[i]);
}
