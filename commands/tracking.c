/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking.c - clients that cache: when they begin and end, and the prefixes
 * whose keys they want to hear of. The worker of the client.
 */
#include "commands/notify.h"
#include "commands/tracking_table.h"

#include <stdlib.h>

/* ---- life ---------------------------------------------------------------- */

struct tracking *
tracking_new(struct slab *slab)
{
    struct tracking *k = xcalloc(1, sizeof(*k));

    k->slab = slab;
    hash_seed_random(&k->seed);
    for (size_t i = 0; i < SHARDS; i++)
        ASSERT(pthread_mutex_init(&k->shards[i].lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&k->lock, NULL) == 0);
    return k;
}

void
tracking_free(struct tracking *k)
{
    tracking_forget_keys(k);
    ASSERT(k->n_prefixes == 0);
    free(k->prefixes);
    for (size_t i = 0; i < SHARDS; i++)
        ASSERT(pthread_mutex_destroy(&k->shards[i].lock) == 0);
    ASSERT(pthread_mutex_destroy(&k->lock) == 0);
    free(k);
}

struct trackers *
trackers_new(void)
{
    return xcalloc(1, sizeof(struct trackers));
}

void
trackers_free(struct trackers *l)
{
    ASSERT(l->trackers.n == 0 && l->targets.n == 0);
    free(l);
}

/* ---- clients on and off -------------------------------------------------- */

static void
replace_tracker(
    struct command_thread *t, struct session *s, struct tracker *tracker)
{
    const struct command_host *host = &t->commands->host;

    host->lock_clients(host->ctx);
    s->tracker = tracker;
    host->unlock_clients(host->ctx);
}

/* [tracking.lock] */
static struct prefix *
find_prefix(struct tracking *k, struct str bytes)
{
    for (size_t i = 0; i < LOAD(&k->n_prefixes); i++)
        if (str_eq(k->prefixes[i].bytes, bytes))
            return &k->prefixes[i];
    return NULL;
}

static struct str
copy_str(struct str s)
{
    char *p = xcalloc(1, s.len + 1);

    if (s.len > 0)
        memcpy(p, s.p, s.len);
    return (struct str){p, s.len};
}

/* [tracking.lock] */
static struct prefix *
open_prefix(struct tracking *k, struct str bytes)
{
    struct prefix *p = find_prefix(k, bytes);

    if (p != NULL)
        return p;
    if (LOAD(&k->n_prefixes) == k->cap_prefixes) {
        k->cap_prefixes = MAX(2 * k->cap_prefixes, 8);
        k->prefixes =
            xrealloc(k->prefixes, k->cap_prefixes * sizeof(*k->prefixes));
    }
    p = &k->prefixes[LOAD(&k->n_prefixes)];
    *p = (struct prefix){.bytes = copy_str(bytes)};
    BUMP(&k->n_prefixes, 1);
    return p;
}

static struct prefix_client *
find_client(struct prefix *p, uint64_t id)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->clients[i].ref.id == id)
            return &p->clients[i];
    return NULL;
}

static bool
has_prefix(const struct tracker *tracker, struct str prefix)
{
    for (size_t i = 0; i < tracker->n_prefixes; i++)
        if (str_eq(tracker->prefixes[i], prefix))
            return true;
    return false;
}

static void
join_prefix(struct command_thread *t, struct tracker *tracker, struct str bytes)
{
    struct tracking *k = tracking_of(t);
    struct prefix *p;
    struct prefix_client *c;

    pthread_mutex_lock(&k->lock);
    p = open_prefix(k, bytes);
    c = find_client(p, tracker->session->id);
    if (c == NULL) {
        if (p->n == p->cap) {
            p->cap = MAX(2 * p->cap, 4);
            p->clients = xrealloc(p->clients, p->cap * sizeof(*p->clients));
        }
        c = &p->clients[p->n++];
        c->ref = (struct client_ref){tracker->session->id, t->worker};
    }
    c->noloop = tracker_flags(tracker) & TRACKER_NOLOOP;
    pthread_mutex_unlock(&k->lock);
    if (has_prefix(tracker, bytes))
        return;
    tracker->prefixes = xrealloc(tracker->prefixes,
        (tracker->n_prefixes + 1) * sizeof(*tracker->prefixes));
    tracker->prefixes[tracker->n_prefixes++] = copy_str(bytes);
}

static void
leave_prefix(struct tracking *k, uint64_t id, struct str bytes)
{
    struct prefix *p;

    pthread_mutex_lock(&k->lock);
    p = find_prefix(k, bytes);
    ASSERT(p != NULL && p->n > 0);
    *find_client(p, id) = p->clients[p->n - 1];
    if (--p->n == 0) {
        free(p->clients);
        free((char *)(uintptr_t)p->bytes.p);
        *p = k->prefixes[LOAD(&k->n_prefixes) - 1];
        DROP(&k->n_prefixes, 1);
    }
    pthread_mutex_unlock(&k->lock);
}

static struct tracker *
add_tracker(struct command_thread *t, struct session *s)
{
    struct tracker *tracker = xcalloc(1, sizeof(*tracker));
    struct tracking *k = tracking_of(t);

    tracker->session = s;
    tracker->link.hash = hash_id(s->id);
    table_add(&t->trackers->trackers, &tracker->link);
    atomic_fetch_add_explicit(&k->on[t->worker], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&k->n_clients, 1, memory_order_relaxed);
    return tracker;
}

/* The last one that ended may have seen none while another began. */
static void
switch_observation(struct command_thread *t)
{
    struct tracking *k = tracking_of(t);
    bool on;

    do {
        on = LOAD(&k->n_clients) > 0;
        commands_activate(t->commands, ACTIVE_TRACKING, on);
        ks_observe(t->commands->ks, OBSERVER_TRACKING,
            on ? 0xff & ~(1u << KS_EVENT_MISS) : 0);
    } while (on != (LOAD(&k->n_clients) > 0));
}

void
tracking_start(struct command_thread *t, struct session *s,
    const struct tracking_wish *wish)
{
    struct tracker *tracker = s->tracker;
    bool is_new = tracker == NULL;

    if (is_new)
        tracker = add_tracker(t, s);
    STORE(&tracker->flags, wish->flags);
    STORE(&tracker->redirect, wish->redirect);
    tracker->redirect_worker = wish->redirect_worker;
    if (wish->flags & TRACKER_BCAST && wish->n_prefixes == 0)
        join_prefix(t, tracker, STR(""));
    for (size_t i = 0; i < wish->n_prefixes; i++)
        join_prefix(t, tracker, wish->prefixes[i]);
    if (tracker->n_prefixes > 1)
        qsort(tracker->prefixes, tracker->n_prefixes,
            sizeof(*tracker->prefixes), tracking_compare);
    if (!is_new)
        return;
    replace_tracker(t, s, tracker);
    switch_observation(t);
    ks_settle(t->ks);
}

void
tracking_stop(struct command_thread *t, struct session *s)
{
    struct tracking *k = tracking_of(t);
    struct tracker *tracker = s->tracker;

    if (tracker == NULL)
        return;
    replace_tracker(t, s, NULL);
    for (size_t i = 0; i < tracker->n_prefixes; i++) {
        leave_prefix(k, s->id, tracker->prefixes[i]);
        free((char *)(uintptr_t)tracker->prefixes[i].p);
    }
    free(tracker->prefixes);
    table_remove(&t->trackers->trackers, &tracker->link);
    free(tracker);
    atomic_fetch_sub_explicit(&k->on[t->worker], 1, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&k->n_clients, 1, memory_order_relaxed) == 1)
        switch_observation(t);
}

void
tracking_forget(struct command_thread *t, struct session *s)
{
    struct target *target;

    tracking_stop(t, s);
    if (likely(!s->is_target))
        return;
    s->is_target = false;
    target = tracking_target(t, s->id);
    ASSERT(target != NULL);
    table_remove(&t->trackers->targets, &target->link);
    free(target);
}

void
tracking_counts(const struct tracking *k, struct tracking_counts *out)
{
    *out = (struct tracking_counts){
        .clients = LOAD(&k->n_clients),
        .keys = LOAD(&k->n_keys),
        .items = LOAD(&k->n_items),
        .prefixes = LOAD(&k->n_prefixes),
    };
}
