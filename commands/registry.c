/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.c - who listens to which channel: see pubsub.h for the two tables.
 * A session joins and leaves on its worker; any thread may ask what there is.
 */
#include "commands/registry.h"

#include <stdlib.h>

/* ---- life ---------------------------------------------------------------- */

struct pubsub *
pubsub_new(struct slab *slab)
{
    struct pubsub *p = xcalloc(1, sizeof(*p));

    p->slab = slab;
    hash_seed_random(&p->seed);
    for (size_t i = 0; i < NAME_BUCKETS; i++)
        ASSERT(pthread_mutex_init(&p->buckets[i].lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&p->patterns.lock, NULL) == 0);
    return p;
}

static void
end_bucket(struct bucket *b)
{
    ASSERT(b->channels.n == 0);
    ASSERT(pthread_mutex_destroy(&b->lock) == 0);
}

void
pubsub_free(struct pubsub *p)
{
    for (size_t i = 0; i < NAME_BUCKETS; i++)
        end_bucket(&p->buckets[i]);
    end_bucket(&p->patterns);
    free(p);
}

struct pubsub_listeners *
pubsub_listeners_new(void)
{
    return xcalloc(1, sizeof(struct pubsub_listeners));
}

void
pubsub_listeners_free(struct pubsub_listeners *l)
{
    ASSERT(l->audiences.n == 0 && l->subscriptions.n == 0);
    free(l);
}

/* ---- the shared table ---------------------------------------------------- */

/* The worker's part of a channel; NULL if it has none. */
static struct presence *
find_presence(const struct channel *c, unsigned worker)
{
    for (size_t i = 0; i < c->n_at; i++) {
        if (c->at[i].worker == worker)
            return &c->at[i];
    }
    return NULL;
}

static void
add_subscriber(struct channel *c, unsigned worker)
{
    struct presence *here = find_presence(c, worker);

    if (here == NULL) {
        if (c->n_at == c->cap_at) {
            c->cap_at = MAX(2 * c->cap_at, 2);
            c->at = xrealloc(c->at, c->cap_at * sizeof(*c->at));
        }
        here = &c->at[c->n_at++];
        *here = (struct presence){worker, 0};
    }
    here->n++;
    c->n_subscribers++;
}

/* Returns the sequence number from which on messages are for the new one. */
static uint64_t
enter_shared(struct command_thread *t, enum channel_kind kind, struct str name,
    uint64_t h)
{
    struct pubsub *p = pubsub_of(t);
    struct bucket *b = pubsub_bucket(p, kind, h);
    struct channel *c;
    uint64_t sequence;

    pthread_mutex_lock(&b->lock);
    c = (struct channel *)table_find(&b->channels, h, kind, name);
    if (c == NULL) {
        c = named_new(p->slab, sizeof(*c), kind, h, name);
        table_add(&b->channels, &c->named.link);
        atomic_fetch_add_explicit(&p->n[kind], 1, memory_order_relaxed);
    }
    add_subscriber(c, t->worker);
    sequence = b->sequence;
    pthread_mutex_unlock(&b->lock);
    return sequence;
}

static void
leave_shared(struct command_thread *t, enum channel_kind kind, struct str name,
    uint64_t h)
{
    struct pubsub *p = pubsub_of(t);
    struct bucket *b = pubsub_bucket(p, kind, h);
    struct channel *c;
    struct presence *here;

    pthread_mutex_lock(&b->lock);
    c = (struct channel *)table_find(&b->channels, h, kind, name);
    ASSERT(c != NULL);
    here = find_presence(c, t->worker);
    ASSERT(here != NULL);
    if (--here->n == 0)
        *here = c->at[--c->n_at];
    if (--c->n_subscribers == 0) {
        table_remove(&b->channels, &c->named.link);
        free(c->at);
        named_free(p->slab, sizeof(*c), &c->named);
        atomic_fetch_sub_explicit(&p->n[kind], 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&b->lock);
}

/* ---- a worker's table ---------------------------------------------------- */

static uint64_t
hash_subscription(const struct audience *a, const struct session *s)
{
    uint64_t h = (a->named.link.hash ^ s->id) * 0x9e3779b97f4a7c15u;

    return h ^ h >> 32;
}

struct subscription *
pubsub_subscription(const struct pubsub_listeners *l, const struct audience *a,
    const struct session *s)
{
    uint64_t hash = hash_subscription(a, s);

    for (struct link *e = table_chain(&l->subscriptions, hash); e != NULL;
         e = e->next) {
        struct subscription *sub = (struct subscription *)e;

        if (sub->audience == a && sub->session == s)
            return sub;
    }
    return NULL;
}

/* Give the session its subscriptions, or with NULL take them away. */
static void
replace_subscriptions(struct command_thread *t, struct session *s,
    struct session_subscriptions *subs)
{
    const struct command_host *host = &t->commands->host;
    struct session_subscriptions *former;

    host->lock_clients(host->ctx);
    former = s->subscriptions;
    s->subscriptions = subs;
    host->unlock_clients(host->ctx);
    free(former);
}

/* Under the client lock, under which others look at what a session has. */
static void
link_subscription(struct command_thread *t, struct subscription *sub)
{
    const struct command_host *host = &t->commands->host;
    enum channel_kind kind = (enum channel_kind)sub->audience->named.kind;
    struct session_subscriptions *subs = sub->session->subscriptions;
    struct audience *a = sub->audience;

    host->lock_clients(host->ctx);
    sub->prev = subs->last[kind];
    *(sub->prev != NULL ? &sub->prev->next : &subs->first[kind]) = sub;
    subs->last[kind] = sub;
    METRIC_INC(subs, n[kind]);
    host->unlock_clients(host->ctx);
    sub->prev_listener = a->last;
    *(a->last != NULL ? &a->last->next_listener : &a->first) = sub;
    a->last = sub;
}

static void
unlink_subscription(struct command_thread *t, struct subscription *sub)
{
    const struct command_host *host = &t->commands->host;
    enum channel_kind kind = (enum channel_kind)sub->audience->named.kind;
    struct session_subscriptions *subs = sub->session->subscriptions;
    struct audience *a = sub->audience;

    host->lock_clients(host->ctx);
    *(sub->prev != NULL ? &sub->prev->next : &subs->first[kind]) = sub->next;
    *(sub->next != NULL ? &sub->next->prev : &subs->last[kind]) = sub->prev;
    METRIC_ADD(subs, n[kind], (uint32_t)-1);
    host->unlock_clients(host->ctx);
    *(sub->prev_listener != NULL ? &sub->prev_listener->next_listener
                                 : &a->first) = sub->next_listener;
    *(sub->next_listener != NULL ? &sub->next_listener->prev_listener
                                 : &a->last) = sub->prev_listener;
}

bool
pubsub_join(struct command_thread *t, struct session *s, enum channel_kind kind,
    struct str name)
{
    struct pubsub *p = pubsub_of(t);
    struct pubsub_listeners *l = t->listeners;
    uint64_t hash = pubsub_hash(p, kind, name);
    struct audience *a =
        (struct audience *)table_find(&l->audiences, hash, kind, name);
    struct subscription *sub;

    if (a != NULL && pubsub_subscription(l, a, s) != NULL)
        return false;
    if (a == NULL) {
        a = named_new(p->slab, sizeof(*a), kind, hash, name);
        table_add(&l->audiences, &a->named.link);
    }
    if (s->subscriptions == NULL) {
        replace_subscriptions(t, s, xcalloc(1, sizeof(*s->subscriptions)));
        atomic_fetch_add_explicit(&p->n_clients, 1, memory_order_relaxed);
    }
    sub = xcalloc(1, sizeof(*sub));
    slab_charge_force(p->slab, sizeof(*sub));
    sub->session = s;
    sub->audience = a;
    sub->link.hash = hash_subscription(a, s);
    sub->sequence = enter_shared(t, kind, name, hash);
    table_add(&l->subscriptions, &sub->link);
    link_subscription(t, sub);
    return true;
}

static bool
listens_to_nothing(const struct session *s)
{
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        if (s->subscriptions->first[kind] != NULL)
            return false;
    }
    return true;
}

bool
pubsub_leave(struct command_thread *t, struct session *s,
    enum channel_kind kind, struct str name)
{
    struct pubsub *p = pubsub_of(t);
    struct pubsub_listeners *l = t->listeners;
    uint64_t hash = pubsub_hash(p, kind, name);
    struct audience *a =
        (struct audience *)table_find(&l->audiences, hash, kind, name);
    struct subscription *sub = a == NULL ? NULL : pubsub_subscription(l, a, s);

    if (sub == NULL)
        return false;
    leave_shared(t, kind, name, hash);
    unlink_subscription(t, sub);
    table_remove(&l->subscriptions, &sub->link);
    slab_uncharge(p->slab, sizeof(*sub));
    free(sub);
    if (a->first == NULL) { /* `name` may be this one's: not used below */
        table_remove(&l->audiences, &a->named.link);
        named_free(p->slab, sizeof(*a), &a->named);
    }
    if (listens_to_nothing(s)) {
        replace_subscriptions(t, s, NULL);
        atomic_fetch_sub_explicit(&p->n_clients, 1, memory_order_relaxed);
    }
    return true;
}

bool
pubsub_any(const struct session *s,
    bool (*fn)(void *arg, enum channel_kind kind, struct str name), void *arg)
{
    for (int kind = 0; kind < CHANNEL_KINDS && s->subscriptions != NULL;
         kind++) {
        const struct subscription *sub = s->subscriptions->first[kind];

        for (; sub != NULL; sub = sub->next) {
            const struct named *e = &sub->audience->named;

            if (fn(arg, (enum channel_kind)kind,
                    (struct str){e->bytes, e->len}))
                return true;
        }
    }
    return false;
}

bool
pubsub_first(const struct session *s, enum channel_kind kind, struct str *name)
{
    const struct subscription *sub =
        s->subscriptions == NULL ? NULL : s->subscriptions->first[kind];

    if (sub == NULL)
        return false;
    *name = (struct str){sub->audience->named.bytes, sub->audience->named.len};
    return true;
}

void
pubsub_leave_all(struct command_thread *t, struct session *s)
{
    struct str name;

    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        while (pubsub_first(s, (enum channel_kind)kind, &name))
            pubsub_leave(t, s, (enum channel_kind)kind, name);
    }
}

/* ---- what PUBSUB and INFO ask -------------------------------------------- */

size_t
pubsub_count(const struct pubsub *p, enum channel_kind kind)
{
    return atomic_load_explicit(&p->n[kind], memory_order_relaxed);
}

size_t
pubsub_clients(const struct pubsub *p)
{
    return atomic_load_explicit(&p->n_clients, memory_order_relaxed);
}

size_t
pubsub_subscribers(struct pubsub *p, enum channel_kind kind, struct str name)
{
    uint64_t hash = pubsub_hash(p, kind, name);
    struct bucket *b = pubsub_bucket(p, kind, hash);
    const struct channel *c;
    size_t n;

    pthread_mutex_lock(&b->lock);
    c = (struct channel *)table_find(&b->channels, hash, kind, name);
    n = c == NULL ? 0 : c->n_subscribers;
    pthread_mutex_unlock(&b->lock);
    return n;
}

static void
each_in_bucket(struct bucket *b, enum channel_kind kind,
    void (*fn)(void *arg, struct str name), void *arg)
{
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->channels.cap; i++) {
        for (struct link *l = b->channels.slots[i]; l != NULL; l = l->next) {
            const struct named *e = (const struct named *)l;

            if (e->kind == (int)kind)
                fn(arg, (struct str){e->bytes, e->len});
        }
    }
    pthread_mutex_unlock(&b->lock);
}

void
pubsub_each(struct pubsub *p, enum channel_kind kind,
    void (*fn)(void *arg, struct str name), void *arg)
{
    if (kind == CHANNEL_PATTERN) {
        each_in_bucket(&p->patterns, kind, fn, arg);
        return;
    }
    for (size_t i = 0; i < NAME_BUCKETS; i++)
        each_in_bucket(&p->buckets[i], kind, fn, arg);
}
