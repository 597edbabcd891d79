/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_keys.c - which clients have read which keys, and what to tell them
 * when keys change. Any worker.
 */
#include "commands/notify.h"
#include "commands/tracking_table.h"

#include <stdlib.h>

/* ---- the table ----------------------------------------------------------- */

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

void
tracking_forget_keys(struct tracking *k)
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
    struct tracking *k = tracking_of(t);
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

static void
put_key(struct buf *out, struct str key)
{
    buf_printf(out, "$%zu\r\n", key.len);
    buf_append(out, key.p, key.len);
    buf_append(out, "\r\n", 2);
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
            tracking_post(
                t, worker, TO_READERS, ids, n, (struct str){keys.p, keys.len});
    }
    free(ids);
    buf_free(&keys);
    free_key(tracking_of(t), e);
}

/* Some key of the shard that is next in turn. */
static bool
evict_key(struct command_thread *t)
{
    struct tracking *k = tracking_of(t);

    for (unsigned i = 0; i < SHARDS; i++) {
        uint32_t n = atomic_fetch_add_explicit(
            &k->victim, 1, memory_order_relaxed);
        struct shard *s = &k->shards[n % SHARDS];
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
    struct tracking *k = tracking_of(t);
    int64_t max = option_get_i64(&t->commands->values->tracking_table_max_keys);

    while (max > 0 && LOAD(&k->n_keys) > (uint64_t)max)
        if (!evict_key(t))
            return;
}

static void
changed_key(struct command_thread *t, struct session *by, struct str key)
{
    struct tracking *k = tracking_of(t);
    uint64_t hash = hash_bytes(&k->seed, key.p, key.len);
    struct shard *s = shard_of(k, hash);
    struct cached_key *e;
    bool spare = by != NULL && by->tracker != NULL &&
        tracker_flags(by->tracker) & TRACKER_NOLOOP;

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
    struct tracking *k = tracking_of(t);
    struct pending_event e;

    while (
        LOAD(&k->n_keys) > 0 && events_next(&t->events, &t->events_tracked, &e))
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

    if (!(rq->command->flags & CMD_READ) || !caches(tracker_flags(tracker)))
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

int
tracking_compare(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    int order = memcmp(x->p, y->p, MIN(x->len, y->len));

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static int
compare_changes(const void *a, const void *b)
{
    const struct changed *x = a, *y = b;
    int order = tracking_compare(&x->key, &y->key);

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
            tracking_post(t, client->ref.worker, TO_SUBSCRIBERS,
                &client->ref.id, 1, (struct str){keys->p, keys->len});
        }
    }
    buf_free(&all);
    buf_free(&others);
}

void
tracking_changed(struct command_thread *t, struct session *by)
{
    struct tracking *k = tracking_of(t);

    tell_of_changes(t, by);
    if (LOAD(&k->n_prefixes) > 0) {
        struct changes c = {0};

        read_changes(&t->events, &c);
        pthread_mutex_lock(&k->lock);
        for (size_t i = 0; c.n > 0 && i < LOAD(&k->n_prefixes); i++)
            tell_prefix(t, by, &k->prefixes[i], &c);
        pthread_mutex_unlock(&k->lock);
        free(c.each);
    }
}

void
tracking_flushed(struct command_thread *t)
{
    struct tracking *k = tracking_of(t);

    if (likely(!(commands_active(t->commands) & ACTIVE_TRACKING)) &&
        LOAD(&k->n_keys) == 0)
        return;
    tracking_forget_keys(k);
    for (unsigned i = 0; i < ARRAY_LEN(k->on); i++)
        if (LOAD(&k->on[i]) > 0)
            tracking_post(t, i, TO_ALL, NULL, 0, STR(""));
}
