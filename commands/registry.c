/* SPDX-License-Identifier: BSD-3-Clause */
/* registry.c - who listens to which channel; messages on their way.
 *
 * See pubsub.h for the two tables. The shared one is cut into buckets by name,
 * all patterns are in one; a bucket's lock is held while a PUBLISH counts and
 * posts, so that all subscribers see the messages of a channel in one order.
 * Lock order: a bucket's lock -> what command_host.post takes.
 */
#include "commands/internal.h"
#include "commands/names.h"
#include "commands/pubsub.h"

#include <stdlib.h>

#define NAME_BUCKETS 64

/* ---- structs ------------------------------------------------------------- */

/* A name that somebody listens to. [bucket lock] */
struct channel {
    struct named named;
    size_t n_subscribers;
    struct presence {
        unsigned worker;
        size_t n; /* subscribers there; > 0 */
    } * at;
    size_t n_at, cap_at;
    char name[];
};

struct bucket {
    pthread_mutex_t lock;
    struct table channels; /* [lock] */
    uint64_t sequence;     /* [lock] of the last message */
};

struct pubsub {
    struct slab *slab;
    struct hash_seed seed; /* [immutable] */
    struct bucket buckets[NAME_BUCKETS];
    struct bucket patterns;
    _Atomic size_t n[CHANNEL_KINDS];
    _Atomic size_t n_clients;
};

/* The sessions of one worker that listen to a name. [owner thread] */
struct audience {
    struct named named;
    struct subscription *first, *last;
    char name[];
};

/* One session listens to one name. [owner thread] */
struct subscription {
    struct link link;
    struct session *session;
    struct audience *audience;
    uint64_t sequence; /* messages up to this one were before its time */
    struct subscription *prev_listener, *next_listener;
    struct subscription *prev, *next; /* of the session */
};

struct pubsub_listeners {
    struct table audiences;
    struct table subscriptions; /* by audience and session */
};

static struct pubsub *
shared(const struct command_thread *t)
{
    return t->commands->state->pubsub;
}

static uint64_t
hash_name(const struct pubsub *p, enum channel_kind kind, struct str name)
{
    return hash_bytes(&p->seed, name.p, name.len) ^
        (uint64_t)kind * 0x9e3779b97f4a7c15u;
}

static struct bucket *
bucket_of(struct pubsub *p, enum channel_kind kind, uint64_t hash)
{
    return kind == CHANNEL_PATTERN ? &p->patterns
                                   : &p->buckets[hash >> 58 & 63];
}
_Static_assert(NAME_BUCKETS == 64, "the upper six bits choose the bucket");

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
    struct pubsub *p = shared(t);
    struct bucket *b = bucket_of(p, kind, h);
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
    struct pubsub *p = shared(t);
    struct bucket *b = bucket_of(p, kind, h);
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

static struct subscription *
find_subscription(const struct pubsub_listeners *l, const struct audience *a,
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
    struct pubsub *p = shared(t);
    struct pubsub_listeners *l = t->listeners;
    uint64_t hash = hash_name(p, kind, name);
    struct audience *a =
        (struct audience *)table_find(&l->audiences, hash, kind, name);
    struct subscription *sub;

    if (a != NULL && find_subscription(l, a, s) != NULL)
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
    struct pubsub *p = shared(t);
    struct pubsub_listeners *l = t->listeners;
    uint64_t hash = hash_name(p, kind, name);
    struct audience *a =
        (struct audience *)table_find(&l->audiences, hash, kind, name);
    struct subscription *sub = a == NULL ? NULL : find_subscription(l, a, s);

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

/* ---- messages ------------------------------------------------------------ */

/* A message as it is sent, shared by all workers. Its first byte is '*' or '>'
 * by the protocol of each subscriber and not stored. */
struct publication_message {
    struct pubsub_message head;
    enum channel_kind kind;
    uint64_t hash, sequence;
    uint64_t except;      /* session that has it already; 0: none */
    size_t name_at;       /* what is subscribed to, in `bytes` */
    size_t name_len, len; /* of the name, of all */
    char bytes[];
};

static size_t
bulk_bytes(struct str s)
{
    return s.len + 32; /* '$', up to 20 digits, two times CRLF */
}

/* "$<len>\r\n<bytes>\r\n"; returns where the bytes stand. */
static size_t
put_bulk(struct publication_message *m, struct str s)
{
    char *to = m->bytes + m->len;
    size_t at;

    *to++ = '$';
    to += i64_to_chars(to, (int64_t)s.len);
    *to++ = '\r';
    *to++ = '\n';
    at = (size_t)(to - m->bytes);
    if (s.len > 0)
        memcpy(to, s.p, s.len);
    to[s.len] = '\r';
    to[s.len + 1] = '\n';
    m->len = at + s.len + 2;
    return at;
}

static void deliver(
    struct command_thread *t, const struct pubsub_message *message);

/* With one holder; NULL when the system has no memory. */
static struct publication_message *
message_new(struct pubsub *p, const struct named *to, struct str channel,
    struct str payload)
{
    static const struct str words[] = {
        STR("message"), STR("pmessage"), STR("smessage")};
    struct str name = {to->bytes, to->len};
    size_t size = sizeof(struct publication_message) + 64 + bulk_bytes(name) +
        bulk_bytes(channel) + bulk_bytes(payload);
    struct publication_message *m =
        (struct publication_message *)pubsub_message_new(
            p->slab, size, deliver);

    if (m == NULL)
        return NULL;
    m->kind = (enum channel_kind)to->kind;
    m->hash = to->link.hash;
    m->sequence = m->except = 0;
    m->name_len = name.len;
    memcpy(m->bytes, to->kind == CHANNEL_PATTERN ? "4\r\n" : "3\r\n", 3);
    m->len = 3;
    put_bulk(m, words[to->kind]);
    m->name_at = put_bulk(m, name);
    if (to->kind == CHANNEL_PATTERN)
        put_bulk(m, channel);
    put_bulk(m, payload);
    return m;
}

static struct audience *
audience_of(
    const struct command_thread *t, const struct publication_message *m)
{
    return (struct audience *)table_find(&t->listeners->audiences, m->hash,
        m->kind, (struct str){m->bytes + m->name_at, m->name_len});
}

static void
deliver(struct command_thread *t, const struct pubsub_message *message)
{
    const struct publication_message *m =
        (const struct publication_message *)message;
    const struct command_host *host = &t->commands->host;
    struct audience *a = audience_of(t, m);
    struct str rest = {m->bytes, m->len};

    if (a == NULL)
        return;
    for (struct subscription *s = a->first; s != NULL; s = s->next_listener) {
        if (m->sequence > s->sequence && s->session->id != m->except)
            host->send(host->ctx, s->session,
                s->session->protocol == 2 ? '*' : '>', rest);
    }
}

/* ---- PUBLISH ------------------------------------------------------------- */

struct publication {
    struct command_thread *thread;
    struct session *session;
    struct str channel, payload;
    struct reply *self;
};

/* If the publisher listens as well, append the message to its output now. */
static void
give_self(const struct publication *pub, struct publication_message *m)
{
    struct command_thread *t = pub->thread;
    struct audience *a;

    if (pub->self == NULL || pub->session->subscriptions == NULL)
        return;
    a = audience_of(t, m);
    if (a == NULL || find_subscription(t->listeners, a, pub->session) == NULL)
        return;
    reply_raw(pub->self, pub->self->protocol == 2 ? STR("*") : STR(">"));
    reply_raw(pub->self, (struct str){m->bytes, m->len});
    m->except = pub->session->id;
}

/* To all who listen to `c`. Under the lock of its bucket. Returns how many they
 * are, or -1. */
static int64_t
post(const struct publication *pub, struct bucket *b, const struct channel *c)
{
    const struct command_host *host = &pub->thread->commands->host;
    struct publication_message *m =
        message_new(shared(pub->thread), &c->named, pub->channel, pub->payload);

    if (m == NULL)
        return -1;
    m->sequence = ++b->sequence;
    give_self(pub, m);
    for (size_t i = 0; i < c->n_at; i++)
        host->post(
            host->ctx, pub->thread->worker, c->at[i].worker, &m->head);
    pubsub_message_drop(&m->head);
    return (int64_t)c->n_subscribers;
}

static int64_t
post_to_matching(const struct publication *pub, struct bucket *b)
{
    int64_t n, received = 0;

    for (size_t i = 0; i < b->channels.cap; i++) {
        for (struct link *l = b->channels.slots[i]; l != NULL; l = l->next) {
            struct channel *c = (struct channel *)l;

            if (!glob_match((struct str){c->named.bytes, c->named.len},
                    pub->channel, false))
                continue;
            n = post(pub, b, c);
            if (n < 0)
                return n;
            received += n;
        }
    }
    return received;
}

/* Is there anybody to look for? Relaxed: who subscribed before a PUBLISH began
 * has had its confirmation, which orders the two. */
static bool
any(const struct pubsub *p, enum channel_kind kind)
{
    return atomic_load_explicit(&p->n[kind], memory_order_relaxed) > 0;
}

int64_t
pubsub_publish(struct command_thread *t, struct session *s,
    enum channel_kind kind, struct str channel, struct str payload,
    struct reply *self)
{
    const struct publication pub = {t, s, channel, payload, self};
    struct pubsub *p = shared(t);
    int64_t direct = 0, matching = 0;

    if (any(p, kind)) {
        uint64_t hash = hash_name(p, kind, channel);
        struct bucket *b = bucket_of(p, kind, hash);
        struct channel *c;

        pthread_mutex_lock(&b->lock);
        c = (struct channel *)table_find(&b->channels, hash, kind, channel);
        if (c != NULL)
            direct = post(&pub, b, c);
        pthread_mutex_unlock(&b->lock);
    }
    if (kind == CHANNEL_PLAIN && any(p, CHANNEL_PATTERN)) {
        pthread_mutex_lock(&p->patterns.lock);
        matching = post_to_matching(&pub, &p->patterns);
        pthread_mutex_unlock(&p->patterns.lock);
    }
    return direct < 0 || matching < 0 ? -1 : direct + matching;
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
    uint64_t hash = hash_name(p, kind, name);
    struct bucket *b = bucket_of(p, kind, hash);
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
