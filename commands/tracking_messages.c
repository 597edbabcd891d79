/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_messages.c - invalidations: from the worker that made a change by
 * mail to the worker of the client, and there to the client or to the one that
 * it redirects to.
 */
#include "commands/pubsub.h"
#include "commands/tracking_table.h"

/* ---- messages ------------------------------------------------------------ */

/* What is invalid, as the client gets it after the head: an array of keys, or
 * nothing for all of them. */
struct invalidation {
    struct pubsub_message head;
    enum message_kind kind;
    unsigned from;
    size_t n_ids, len;
    const char *keys; /* behind the ids */
    uint64_t ids[];
};

static void deliver(
    struct command_thread *t, const struct pubsub_message *message);

void
tracking_post(struct command_thread *t, unsigned worker, enum message_kind kind,
    const uint64_t *ids, size_t n_ids, struct str keys)
{
    const struct command_host *host = &t->commands->host;
    struct tracking *k = tracking_of(t);
    size_t size = sizeof(struct invalidation) + n_ids * sizeof(*ids) + keys.len;
    struct invalidation *m =
        (struct invalidation *)pubsub_message_new(k->slab, size, deliver);

    if (m == NULL) {
        log_error("no memory for an invalidation; clients may keep old values");
        return;
    }
    m->kind = kind;
    m->from = t->worker;
    m->n_ids = n_ids;
    m->len = keys.len;
    m->keys = (const char *)(m->ids + n_ids);
    if (n_ids > 0)
        memcpy(m->ids, ids, n_ids * sizeof(*ids));
    if (keys.len > 0)
        memcpy((char *)(m->ids + n_ids), keys.p, keys.len);
    host->post(host->ctx, t->worker, worker, &m->head);
    pubsub_message_drop(&m->head);
}

/* ---- delivery [owner thread] --------------------------------------------- */

static struct tracker *
find_tracker(const struct command_thread *t, uint64_t id)
{
    uint64_t hash = hash_id(id);

    for (struct link *l = table_chain(&t->trackers->trackers, hash); l != NULL;
         l = l->next)
        if (((struct tracker *)l)->session->id == id)
            return (struct tracker *)l;
    return NULL;
}

struct target *
tracking_target(const struct command_thread *t, uint64_t id)
{
    uint64_t hash = hash_id(id);

    for (struct link *l = table_chain(&t->trackers->targets, hash); l != NULL;
         l = l->next)
        if (((struct target *)l)->session->id == id)
            return (struct target *)l;
    return NULL;
}

/* Looked for among all sessions of the worker once: one that is found is kept,
 * and one that is gone is not asked for again (TRACKER_BROKEN). */
static struct session *
target_session(struct command_thread *t, uint64_t id)
{
    const struct command_host *host = &t->commands->host;
    struct target *target = tracking_target(t, id);
    struct session *s;

    if (target != NULL)
        return target->session;
    s = host->find_session(host->ctx, t->worker, id);
    if (s == NULL)
        return NULL;
    target = xcalloc(1, sizeof(*target));
    target->link.hash = hash_id(id);
    target->session = s;
    table_add(&t->trackers->targets, &target->link);
    s->is_target = true;
    return s;
}

/* "$20\r\n__redis__:invalidate\r\n" is what listens in RESP2. */
static void
send_invalid(struct command_thread *t, struct session *s, struct str keys,
    bool redirected)
{
    static const struct str push = STR("2\r\n$10\r\ninvalidate\r\n");
    static const struct str message =
        STR("3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n");
    const struct command_host *host = &t->commands->host;
    bool resp3 = LOAD(&s->protocol) > 2;

    if (!resp3 && !(redirected && session_is_subscribed(s)))
        return; /* there is no way to tell it */
    host->send(host->ctx, s, resp3 ? '>' : '*', resp3 ? push : message);
    if (keys.len > 0)
        host->send(
            host->ctx, s, keys.p[0], (struct str){keys.p + 1, keys.len - 1});
    else if (resp3)
        host->send(host->ctx, s, '_', STR("\r\n"));
    else
        host->send(host->ctx, s, '$', STR("-1\r\n"));
}

static void
send_broken(struct command_thread *t, struct tracker *tracker)
{
    const struct command_host *host = &t->commands->host;
    struct buf text = {0};

    atomic_fetch_or_explicit(
        &tracker->flags, TRACKER_BROKEN, memory_order_relaxed);
    if (LOAD(&tracker->session->protocol) == 2)
        return;
    buf_printf(&text, "2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
        (unsigned long long)LOAD(&tracker->redirect));
    host->send(
        host->ctx, tracker->session, '>', (struct str){text.p, text.len});
    buf_free(&text);
}

static void
send_to_tracker(
    struct command_thread *t, struct tracker *tracker, struct str keys)
{
    uint64_t ids[2] = {LOAD(&tracker->redirect), tracker->session->id};
    struct session *s;

    if (tracker->redirect == 0) {
        send_invalid(t, tracker->session, keys, false);
    } else if (tracker_flags(tracker) & TRACKER_BROKEN) {
        send_broken(t, tracker); /* no other client gets the id */
    } else if (tracker->redirect_worker != t->worker) {
        tracking_post(t, tracker->redirect_worker, TO_TARGET, ids, 2, keys);
    } else {
        s = target_session(t, LOAD(&tracker->redirect));
        if (s != NULL)
            send_invalid(t, s, keys, true);
        else
            send_broken(t, tracker);
    }
}

static void
send_to_target(struct command_thread *t, const struct invalidation *m)
{
    struct session *s = target_session(t, m->ids[0]);

    if (s != NULL)
        send_invalid(t, s, (struct str){m->keys, m->len}, true);
    else
        tracking_post(t, m->from, TO_BROKEN, &m->ids[1], 1, STR(""));
}

static void
send_to_all(struct command_thread *t, struct str keys)
{
    const struct table *all = &t->trackers->trackers;

    for (size_t i = 0; i < all->cap; i++)
        for (struct link *l = all->slots[i]; l != NULL; l = l->next)
            send_to_tracker(t, (struct tracker *)l, keys);
}

static void
deliver(struct command_thread *t, const struct pubsub_message *message)
{
    const struct invalidation *m = (const struct invalidation *)message;
    struct str keys = {m->keys, m->len};

    if (m->kind == TO_ALL) {
        send_to_all(t, keys);
        return;
    }
    if (m->kind == TO_TARGET) {
        send_to_target(t, m);
        return;
    }
    for (size_t i = 0; i < m->n_ids; i++) {
        struct tracker *tracker = find_tracker(t, m->ids[i]);

        if (tracker == NULL)
            continue;
        if (m->kind == TO_BROKEN)
            send_broken(t, tracker);
        else if (!(tracker_flags(tracker) & TRACKER_BCAST) ==
            (m->kind == TO_READERS))
            send_to_tracker(t, tracker, keys);
    }
}
