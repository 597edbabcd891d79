/* SPDX-License-Identifier: BSD-3-Clause */
/* publish.c - messages: made once, posted to the workers where somebody
 * listens, and there given to their sessions. Worker only.
 */
#include "commands/registry.h"

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
                LOAD(&s->session->protocol) == 2 ? '*' : '>', rest);
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
    if (a == NULL || pubsub_subscription(t->listeners, a, pub->session) == NULL)
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
    struct publication_message *m = message_new(
        pubsub_of(pub->thread), &c->named, pub->channel, pub->payload);

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
    struct pubsub *p = pubsub_of(t);
    int64_t direct = 0, matching = 0;

    if (any(p, kind)) {
        uint64_t hash = pubsub_hash(p, kind, channel);
        struct bucket *b = pubsub_bucket(p, kind, hash);
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
