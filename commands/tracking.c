/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking.c - the tables of client side caching; see tracking.h.
 *
 * The table of keys is cut into shards by name, each under a lock of its own;
 * the prefixes are under one. No two of these locks are held together. Lock
 * order: one of these -> what command_host.post takes.
 */
#include "commands/tracking.h"
#include "commands/notify.h"
#include "commands/pubsub.h"

#include <stdlib.h>

#define SHARDS 64
#define CLIENTS_FEW 2

/* ---- structs ------------------------------------------------------------- */

struct client_ref {
    uint64_t id;
    unsigned worker;
};

/* The clients that have read a key. Those that are gone since stay until the
 * key changes. */
struct cached_key {
    struct named named;
    uint32_t n, cap;
    struct client_ref *clients; /* `few`, or owned */
    struct client_ref few[CLIENTS_FEW];
    char name[];
};

struct shard {
    pthread_mutex_t lock;
    struct table keys; /* [lock] */
};

/* Clients that hear of every key that begins so. */
struct prefix {
    struct str bytes; /* owned */
    struct prefix_client {
        struct client_ref ref;
        bool noloop;
    } * clients;
    size_t n, cap;
};

struct tracking {
    struct slab *slab;
    struct hash_seed seed; /* [immutable] */
    struct shard shards[SHARDS];
    pthread_mutex_t lock;
    struct prefix *prefixes; /* [lock] */
    size_t cap_prefixes;
    _Atomic size_t n_prefixes; /* [lock] writes */
    _Atomic uint64_t n_clients, n_keys, n_items;
    _Atomic uint32_t victim; /* shard where the next one is looked for */
    _Atomic uint32_t on[256]; /* clients that track, by worker */
};

/* [owner thread] */
struct trackers {
    struct table trackers; /* struct tracker by id */
    struct table targets;  /* struct target by id */
};

/* A client that others redirect to. */
struct target {
    struct link link;
    struct session *session;
};

static struct tracking *
shared(const struct command_thread *t)
{
    return t->commands->state->tracking;
}

static uint64_t
hash_id(uint64_t id)
{
    uint64_t h = id * 0x9e3779b97f4a7c15u;

    return h ^ h >> 32;
}

static unsigned
flags_of(const struct tracker *t)
{
    return atomic_load_explicit(&t->flags, memory_order_relaxed);
}

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

static void
free_key(struct tracking *k, struct cached_key *e)
{
    if (e->clients != e->few) {
        slab_uncharge(k->slab, e->cap * sizeof(*e->clients));
        free(e->clients);
    }
    named_free(k->slab, sizeof(*e), &e->named);
}

/* Under the shard's lock: out of the table, still with its clients. */
static void
take_key(struct tracking *k, struct shard *s, struct cached_key *e)
{
    table_remove(&s->keys, &e->named.link);
    atomic_fetch_sub_explicit(&k->n_keys, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&k->n_items, e->n, memory_order_relaxed);
}

static struct cached_key *
first_key(const struct shard *s)
{
    for (size_t i = 0; i < s->keys.cap; i++)
        if (s->keys.slots[i] != NULL)
            return (struct cached_key *)s->keys.slots[i];
    return NULL;
}

static void
forget_all_keys(struct tracking *k)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &k->shards[i];
        struct cached_key *e;

        pthread_mutex_lock(&s->lock);
        while ((e = first_key(s)) != NULL) {
            take_key(k, s, e);
            free_key(k, e);
        }
        pthread_mutex_unlock(&s->lock);
    }
}

void
tracking_free(struct tracking *k)
{
    forget_all_keys(k);
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

/* ---- messages ------------------------------------------------------------ */

enum message_kind {
    TO_READERS,     /* those of `ids`, unless they broadcast now */
    TO_SUBSCRIBERS, /* those of `ids`, if they broadcast */
    TO_ALL,         /* who tracks on this worker */
    TO_TARGET,      /* ids[0], for ids[1] of worker `from` */
    TO_BROKEN,      /* ids[0]: its target is gone */
};

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

static void
post(struct command_thread *t, unsigned worker, enum message_kind kind,
    const uint64_t *ids, size_t n_ids, struct str keys)
{
    const struct command_host *host = &t->commands->host;
    struct tracking *k = shared(t);
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

static void
put_key(struct buf *out, struct str key)
{
    buf_printf(out, "$%zu\r\n", key.len);
    buf_append(out, key.p, key.len);
    buf_append(out, "\r\n", 2);
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

static struct target *
find_target(const struct command_thread *t, uint64_t id)
{
    uint64_t hash = hash_id(id);

    for (struct link *l = table_chain(&t->trackers->targets, hash); l != NULL;
         l = l->next)
        if (((struct target *)l)->session->id == id)
            return (struct target *)l;
    return NULL;
}

/* Its session may be looked for among all of the worker once. */
static struct session *
target_session(struct command_thread *t, uint64_t id)
{
    const struct command_host *host = &t->commands->host;
    struct target *target = find_target(t, id);
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
    bool resp3 = s->protocol > 2;

    if (!resp3 && !(redirected && session_is_subscribed(s)))
        return; /* there is no way to tell it */
    host->send(host->ctx, s, resp3 ? '>' : '*', resp3 ? push : message);
    if (keys.len > 0)
        host->send(host->ctx, s, keys.p[0],
            (struct str){keys.p + 1, keys.len - 1});
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
    if (tracker->session->protocol == 2)
        return;
    buf_printf(&text, "2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
        (unsigned long long)tracker->redirect);
    host->send(
        host->ctx, tracker->session, '>', (struct str){text.p, text.len});
    buf_free(&text);
}

static void
send_to_tracker(
    struct command_thread *t, struct tracker *tracker, struct str keys)
{
    uint64_t ids[2] = {tracker->redirect, tracker->session->id};
    struct session *s;

    if (tracker->redirect == 0) {
        send_invalid(t, tracker->session, keys, false);
    } else if (tracker->redirect_worker != t->worker) {
        post(t, tracker->redirect_worker, TO_TARGET, ids, 2, keys);
    } else {
        s = target_session(t, tracker->redirect);
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
        post(t, m->from, TO_BROKEN, &m->ids[1], 1, STR(""));
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
        else if (!(flags_of(tracker) & TRACKER_BCAST) ==
            (m->kind == TO_READERS))
            send_to_tracker(t, tracker, keys);
    }
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
    for (size_t i = 0; i < k->n_prefixes; i++)
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
    if (k->n_prefixes == k->cap_prefixes) {
        k->cap_prefixes = MAX(2 * k->cap_prefixes, 8);
        k->prefixes =
            xrealloc(k->prefixes, k->cap_prefixes * sizeof(*k->prefixes));
    }
    p = &k->prefixes[k->n_prefixes];
    *p = (struct prefix){.bytes = copy_str(bytes)};
    k->n_prefixes++;
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
    struct tracking *k = shared(t);
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
    c->noloop = flags_of(tracker) & TRACKER_NOLOOP;
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
        *p = k->prefixes[k->n_prefixes - 1];
        k->n_prefixes--;
    }
    pthread_mutex_unlock(&k->lock);
}

static int
compare_prefixes(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    int order = memcmp(x->p, y->p, MIN(x->len, y->len));

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static struct tracker *
add_tracker(struct command_thread *t, struct session *s)
{
    struct tracker *tracker = xcalloc(1, sizeof(*tracker));
    struct tracking *k = shared(t);

    tracker->session = s;
    tracker->link.hash = hash_id(s->id);
    table_add(&t->trackers->trackers, &tracker->link);
    atomic_fetch_add(&k->on[t->worker], 1);
    atomic_fetch_add(&k->n_clients, 1);
    return tracker;
}

/* The last one that ended may have seen none while another began. */
static void
switch_observation(struct command_thread *t)
{
    struct tracking *k = shared(t);
    bool on;

    do {
        on = atomic_load(&k->n_clients) > 0;
        commands_activate(t->commands, ACTIVE_TRACKING, on);
        ks_observe(t->commands->ks, OBSERVER_TRACKING,
            on ? 0xff & ~(1u << KS_EVENT_MISS) : 0);
    } while (on != (atomic_load(&k->n_clients) > 0));
}

void
tracking_start(struct command_thread *t, struct session *s,
    const struct tracking_wish *wish)
{
    struct tracker *tracker = s->tracker;
    bool is_new = tracker == NULL;

    if (is_new)
        tracker = add_tracker(t, s);
    atomic_store(&tracker->flags, wish->flags);
    atomic_store(&tracker->redirect, wish->redirect);
    tracker->redirect_worker = wish->redirect_worker;
    if (wish->flags & TRACKER_BCAST && wish->n_prefixes == 0)
        join_prefix(t, tracker, STR(""));
    for (size_t i = 0; i < wish->n_prefixes; i++)
        join_prefix(t, tracker, wish->prefixes[i]);
    if (tracker->n_prefixes > 1)
        qsort(tracker->prefixes, tracker->n_prefixes,
            sizeof(*tracker->prefixes), compare_prefixes);
    if (!is_new)
        return;
    replace_tracker(t, s, tracker);
    switch_observation(t);
    ks_settle(t->ks);
}

void
tracking_stop(struct command_thread *t, struct session *s)
{
    struct tracking *k = shared(t);
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
    atomic_fetch_sub(&k->on[t->worker], 1);
    if (atomic_fetch_sub(&k->n_clients, 1) == 1)
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
    target = find_target(t, s->id);
    ASSERT(target != NULL);
    table_remove(&t->trackers->targets, &target->link);
    free(target);
}

/* ---- keys that are read -------------------------------------------------- */

static struct shard *
shard_of(struct tracking *k, uint64_t hash)
{
    return &k->shards[hash >> 58];
}
_Static_assert(SHARDS == 64, "the upper six bits choose the shard");

/* [shard lock] */
static void
add_client(struct tracking *k, struct cached_key *e, struct client_ref ref)
{
    for (uint32_t i = 0; i < e->n; i++)
        if (e->clients[i].id == ref.id)
            return;
    if (e->n == e->cap) {
        uint32_t cap = 2 * e->cap;
        struct client_ref *grown = xcalloc(cap, sizeof(*grown));

        memcpy(grown, e->clients, e->n * sizeof(*grown));
        slab_charge_force(k->slab, cap * sizeof(*grown));
        if (e->clients != e->few) {
            slab_uncharge(k->slab, e->cap * sizeof(*grown));
            free(e->clients);
        }
        e->clients = grown;
        e->cap = cap;
    }
    e->clients[e->n++] = ref;
    atomic_fetch_add_explicit(&k->n_items, 1, memory_order_relaxed);
}

static void
remember_key(struct command_thread *t, uint64_t id, struct str key)
{
    struct tracking *k = shared(t);
    uint64_t hash = hash_bytes(&k->seed, key.p, key.len);
    struct shard *s = shard_of(k, hash);
    struct cached_key *e;

    pthread_mutex_lock(&s->lock);
    e = (struct cached_key *)table_find(&s->keys, hash, 0, key);
    if (e == NULL) {
        e = named_new(k->slab, sizeof(*e), 0, hash, key);
        e->clients = e->few;
        e->cap = CLIENTS_FEW;
        table_add(&s->keys, &e->named.link);
        atomic_fetch_add_explicit(&k->n_keys, 1, memory_order_relaxed);
    }
    add_client(k, e, (struct client_ref){id, t->worker});
    pthread_mutex_unlock(&s->lock);
}

/* Tell the clients of a key that is out of the table, once each worker. The
 * session `except` knows. Frees the entry. */
static void
tell_readers(struct command_thread *t, struct cached_key *e, uint64_t except)
{
    struct buf keys = {0};
    uint64_t *ids = xcalloc(e->n, sizeof(*ids));

    buf_append(&keys, "*1\r\n", 4);
    put_key(&keys, (struct str){e->named.bytes, e->named.len});
    for (uint32_t i = 0; i < e->n; i++) {
        unsigned worker = e->clients[i].worker;
        size_t n = 0;

        if (worker == COMMANDS_NO_WORKER)
            continue; /* it was among those of an earlier message */
        for (uint32_t j = i; j < e->n; j++) {
            if (e->clients[j].worker != worker)
                continue;
            if (e->clients[j].id != except)
                ids[n++] = e->clients[j].id;
            e->clients[j].worker = COMMANDS_NO_WORKER;
        }
        if (n > 0)
            post(t, worker, TO_READERS, ids, n,
                (struct str){keys.p, keys.len});
    }
    free(ids);
    buf_free(&keys);
    free_key(shared(t), e);
}

/* Some key of the shard that is next in turn. */
static bool
evict_key(struct command_thread *t)
{
    struct tracking *k = shared(t);

    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s =
            &k->shards[atomic_fetch_add(&k->victim, 1) % SHARDS];
        struct cached_key *e;

        pthread_mutex_lock(&s->lock);
        e = first_key(s);
        if (e != NULL)
            take_key(k, s, e);
        pthread_mutex_unlock(&s->lock);
        if (e != NULL) {
            tell_readers(t, e, 0);
            return true;
        }
    }
    return false;
}

void
tracking_keep_limit(struct command_thread *t)
{
    struct tracking *k = shared(t);
    int64_t max = option_get_i64(&t->commands->values->tracking_table_max_keys);

    while (max > 0 &&
        atomic_load_explicit(&k->n_keys, memory_order_relaxed) >
            (uint64_t)max)
        if (!evict_key(t))
            return;
}

static void
changed_key(struct command_thread *t, struct session *by, struct str key)
{
    struct tracking *k = shared(t);
    uint64_t hash = hash_bytes(&k->seed, key.p, key.len);
    struct shard *s = shard_of(k, hash);
    struct cached_key *e;
    bool spare = by != NULL && by->tracker != NULL &&
        flags_of(by->tracker) & TRACKER_NOLOOP;

    pthread_mutex_lock(&s->lock);
    e = (struct cached_key *)table_find(&s->keys, hash, 0, key);
    if (e != NULL)
        take_key(k, s, e);
    pthread_mutex_unlock(&s->lock);
    if (e != NULL)
        tell_readers(t, e, spare ? by->id : 0);
}

static bool
is_change(const struct pending_event *e)
{
    return e->event == NULL && e->kind != KS_EVENT_MISS;
}

/* Of those since the last call. Within a transaction, what is read after a
 * change is not outdated by it. */
static void
tell_of_changes(struct command_thread *t, struct session *by)
{
    struct tracking *k = shared(t);
    struct pending_event e;

    while (atomic_load_explicit(&k->n_keys, memory_order_relaxed) > 0 &&
        events_next(&t->events, &t->events_tracked, &e))
        if (is_change(&e))
            changed_key(t, by, e.key);
    t->events_tracked = t->events.len;
}

/* With OPTIN only what was asked for is cached, with OPTOUT all but that. */
static bool
caches(unsigned flags)
{
    bool given = flags & TRACKER_CACHING;

    if (flags & TRACKER_BCAST)
        return false;
    return !(flags & TRACKER_OPTIN && !given) &&
        !(flags & TRACKER_OPTOUT && given);
}

void
tracking_remember(struct request *rq)
{
    struct tracker *tracker = rq->session->tracker;
    struct command_keys keys;

    if (!(rq->command->flags & CMD_READ) || !caches(flags_of(tracker)))
        return;
    tell_of_changes(rq->thread, rq->session);
    keys = command_keys_of(rq->command, rq->argv, rq->argc);
    for (int i = keys.first; i <= keys.last; i += keys.step)
        remember_key(rq->thread, rq->session->id, arg_str(rq, i));
    tracking_keep_limit(rq->thread);
}

/* ---- keys that change ---------------------------------------------------- */

/* Keys that changed, each once, in order. */
struct changes {
    struct changed {
        struct str key;
        bool by_session; /* its last change, and not time's or memory's */
        size_t at;       /* in the order of changing */
    } * each;
    size_t n, cap;
};

static int
compare_changes(const void *a, const void *b)
{
    const struct changed *x = a, *y = b;
    int order = compare_prefixes(&x->key, &y->key);

    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static void
sort_changes(struct changes *c)
{
    size_t n = 0;

    if (c->n > 1)
        qsort(c->each, c->n, sizeof(*c->each), compare_changes);
    for (size_t i = 0; i < c->n; i++) {
        if (n > 0 && str_eq(c->each[n - 1].key, c->each[i].key))
            n--;
        c->each[n++] = c->each[i];
    }
    c->n = n;
}

static void
read_changes(const struct buf *events, struct changes *out)
{
    struct pending_event e;
    size_t at = 0;

    while (events_next(events, &at, &e)) {
        if (!is_change(&e))
            continue;
        if (out->n == out->cap) {
            out->cap = MAX(2 * out->cap, 16);
            out->each = xrealloc(out->each, out->cap * sizeof(*out->each));
        }
        out->each[out->n] = (struct changed){.key = e.key,
            .by_session =
                e.kind != KS_EVENT_EXPIRED && e.kind != KS_EVENT_EVICTED,
            .at = out->n};
        out->n++;
    }
    sort_changes(out);
}

/* The array of the changed keys that begin so; their number. */
static size_t
list_changes(const struct changes *c, struct str prefix, bool others_only,
    struct buf *out)
{
    struct buf keys = {0};
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        struct str key = c->each[i].key;

        if (key.len < prefix.len ||
            (prefix.len > 0 && memcmp(key.p, prefix.p, prefix.len) != 0) ||
            (others_only && c->each[i].by_session))
            continue;
        put_key(&keys, key);
        n++;
    }
    out->len = 0;
    buf_printf(out, "*%zu\r\n", n);
    if (keys.len > 0)
        buf_append(out, keys.p, keys.len);
    buf_free(&keys);
    return n;
}

/* [tracking.lock] */
static void
tell_prefix(struct command_thread *t, struct session *by,
    const struct prefix *p, const struct changes *c)
{
    struct buf all = {0}, others = {0};

    if (list_changes(c, p->bytes, false, &all) > 0) {
        for (size_t i = 0; i < p->n; i++) {
            const struct prefix_client *client = &p->clients[i];
            const struct buf *keys = &all;

            if (client->noloop && by != NULL && client->ref.id == by->id) {
                if (list_changes(c, p->bytes, true, &others) == 0)
                    continue;
                keys = &others;
            }
            post(t, client->ref.worker, TO_SUBSCRIBERS, &client->ref.id, 1,
                (struct str){keys->p, keys->len});
        }
    }
    buf_free(&all);
    buf_free(&others);
}

void
tracking_changed(struct command_thread *t, struct session *by)
{
    struct tracking *k = shared(t);

    tell_of_changes(t, by);
    if (atomic_load_explicit(&k->n_prefixes, memory_order_relaxed) > 0) {
        struct changes c = {0};

        read_changes(&t->events, &c);
        pthread_mutex_lock(&k->lock);
        for (size_t i = 0; c.n > 0 && i < k->n_prefixes; i++)
            tell_prefix(t, by, &k->prefixes[i], &c);
        pthread_mutex_unlock(&k->lock);
        free(c.each);
    }
}

void
tracking_flushed(struct command_thread *t)
{
    struct tracking *k = shared(t);

    if (likely(!(commands_active(t->commands) & ACTIVE_TRACKING)) &&
        atomic_load_explicit(&k->n_keys, memory_order_relaxed) == 0)
        return;
    forget_all_keys(k);
    for (unsigned i = 0; i < ARRAY_LEN(k->on); i++)
        if (atomic_load(&k->on[i]) > 0)
            post(t, i, TO_ALL, NULL, 0, STR(""));
}

void
tracking_counts(const struct tracking *k, struct tracking_counts *out)
{
    *out = (struct tracking_counts){
        .clients = atomic_load_explicit(&k->n_clients, memory_order_relaxed),
        .keys = atomic_load_explicit(&k->n_keys, memory_order_relaxed),
        .items = atomic_load_explicit(&k->n_items, memory_order_relaxed),
        .prefixes = atomic_load_explicit(&k->n_prefixes, memory_order_relaxed),
    };
}
