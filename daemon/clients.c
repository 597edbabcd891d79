/* SPDX-License-Identifier: BSD-3-Clause */
/* clients.c - what commands/ asks of the daemon (struct command_host): other
 * clients, the effect of CONFIG SET, shutdown. Called from any worker.
 */
#include "daemon/internal.h"

/* ---- clients ------------------------------------------------------------- */

/* Describe a connection of any worker, under that worker's clients_lock, or of
 * the calling one. */
static void
view_conn(const struct conn *c, struct client_view *v)
{
    uint32_t query_kib = LOAD(&c->query_kib);
    uint32_t output_kib = LOAD(&c->output_kib);

    *v = (struct client_view){
        .session = &c->session,
        .fd = c->fd,
        .query_bytes = query_kib * KIB,
        .output_bytes = output_kib * KIB,
        .total_bytes = sizeof(*c) + (query_kib + output_kib) * KIB +
            (c->tls != NULL ? TLS_CONN_BYTES : 0),
        .worker = c->worker->id,
        .is_unix = c->is_unix,
    };
    conn_address(c, true, v->addr, sizeof(v->addr));
    conn_address(c, false, v->laddr, sizeof(v->laddr));
}

static bool
visit_worker(struct worker *w,
    bool (*fn)(void *arg, const struct client_view *view), void *arg)
{
    bool more = true;

    pthread_mutex_lock(&w->clients_lock);
    for (struct conn *c = w->clients; c != NULL && more; c = c->next) {
        struct client_view view;

        if (LOAD(&c->kill))
            continue; /* as good as gone */
        view_conn(c, &view);
        more = fn(arg, &view);
    }
    pthread_mutex_unlock(&w->clients_lock);
    return more;
}

static void
each_client(
    void *ctx, bool (*fn)(void *arg, const struct client_view *view), void *arg)
{
    struct ashlard *d = ctx;
    bool more = true;

    pthread_mutex_lock(&d->names_lock);
    for (unsigned i = 0; i < d->n_workers && more; i++)
        more = visit_worker(d->workers[i], fn, arg);
    pthread_mutex_unlock(&d->names_lock);
}

static void
describe_self(void *ctx, const struct session *s, struct client_view *out)
{
    (void)ctx;
    view_conn(
        (const struct conn *)((const char *)s - offsetof(struct conn, session)),
        out);
}

/* Mark the client for its worker, which closes it before its next batch. It is
 * none any more to those who list or count clients. */
static bool
kill_client(void *ctx, uint64_t id)
{
    struct ashlard *d = ctx;

    for (unsigned i = 0; i < d->n_workers; i++) {
        struct worker *w = d->workers[i];
        struct conn *c;
        bool is_new;

        pthread_mutex_lock(&w->clients_lock);
        for (c = w->clients; c != NULL && c->session.id != id; c = c->next)
            ;
        is_new = c != NULL &&
            !atomic_exchange_explicit(&c->kill, true, memory_order_relaxed);
        if (is_new)
            worker_uncount_client(w);
        pthread_mutex_unlock(&w->clients_lock);
        if (is_new) {
            /* release: `kill` comes first; pairs with take_kills() */
            atomic_store_explicit(&w->kills, true, memory_order_release);
            worker_wake(w);
        }
        if (c != NULL)
            return is_new;
    }
    return false;
}

static void
lock_clients(void *ctx)
{
    struct ashlard *d = ctx;

    pthread_mutex_lock(&d->names_lock);
}

static void
unlock_clients(void *ctx)
{
    struct ashlard *d = ctx;

    pthread_mutex_unlock(&d->names_lock);
}

/* ---- messages ------------------------------------------------------------ */

static void
post(void *ctx, unsigned from, unsigned to, struct pubsub_message *m)
{
    struct ashlard *d = ctx;

    worker_post(d->workers[to],
        from == COMMANDS_NO_WORKER ? NULL : d->workers[from], m);
}

/* Only its owner changes the list, so that it reads it without the lock. */
static struct session *
find_session(void *ctx, unsigned worker, uint64_t id)
{
    struct ashlard *d = ctx;

    for (struct conn *c = d->workers[worker]->clients; c != NULL; c = c->next)
        if (c->session.id == id && !c->dead)
            return &c->session;
    return NULL;
}

static void
goes_on(void *ctx, unsigned worker)
{
    worker_count_turn(((struct ashlard *)ctx)->workers[worker]);
}

static void
held_up(void *ctx, unsigned worker)
{
    struct worker *w = ((struct ashlard *)ctx)->workers[worker];

    worker_serve_others(w);
    worker_count_turn(w);
}

static void
pause_ended(void *ctx)
{
    struct ashlard *d = ctx;

    for (unsigned i = 0; i < d->n_workers; i++)
        worker_wake(d->workers[i]);
}

/* Every session is part of a connection. */
static void
send_to_session(void *ctx, struct session *s, char first, struct str rest)
{
    (void)ctx;
    conn_queue((struct conn *)((char *)s - offsetof(struct conn, session)),
        first, rest);
}

/* ---- CONFIG SET ---------------------------------------------------------- */

/* Any limit is accepted. One below what the process needs empties the cache,
 * but with noeviction, and makes it refuse values until the limit is raised. */
static void
changed_maxmemory(struct ashlard *d)
{
    size_t limit = slab_limit_from_option(d->config.slab.maxmemory);

    slab_set_limit(d->slab, limit);
    if (limit < slab_least_limit(d->slab))
        log_warn("maxmemory=%zu is below what is in use without any key, %zu: "
                 "no value can be stored",
            limit, slab_least_limit(d->slab));
}

static bool
changed_maxclients(struct ashlard *d, struct buf *err)
{
    int64_t wanted = d->config.daemon.maxclients;

    if (rlimit_raise(&d->config, wanted) >= wanted)
        return true;
    buf_printf(err,
        "The operating system is not able to handle the "
        "specified number of clients, try with %lld",
        (long long)rlimit_raise(&d->config, wanted));
    return false;
}

static bool
changed_port(struct ashlard *d, const struct option *row, struct buf *err)
{
    if (strcmp(row->name, "port") == 0)
        return listeners_set_port(d->listeners, TRANSPORT_TCP, err);
    if (strcmp(row->name, "tls_port") == 0)
        return listeners_set_port(d->listeners, TRANSPORT_TLS, err);
    return true;
}

static bool
would_start(void *ctx, struct buf *err)
{
    const struct ashlard *d = ctx;

    return config_would_start(&d->config, err);
}

/* Under the config lock. */
static bool
option_changed(void *ctx, const struct option *row, struct buf *err)
{
    struct ashlard *d = ctx;

    if (strcmp(row->name, "maxmemory") == 0)
        changed_maxmemory(d);
    if (strcmp(row->name, "maxclients") == 0 && !changed_maxclients(d, err))
        return false;
    if (strncmp(row->name, "tls_", 4) == 0 &&
        !tls_reload(d->tls, &d->config.tls, err))
        return false;
    if (!changed_port(d, row, err))
        return false;
    if (strcmp(row->name, "loglevel") == 0)
        log_set_level(config_log_level(&d->config));
    if (strcmp(row->name, "log_format") == 0)
        log_set_format((enum log_format)d->config.daemon.log_format);
    if (strcmp(row->name, "tcp_keepalive") == 0)
        listeners_keepalive(d->listeners, d->config.daemon.tcp_keepalive);
    config_limits(&d->config, &d->limits);
    /* A timeout may concern workers that sleep without a timer. */
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_wake(d->workers[i]);
    return true;
}

static void
shutdown_daemon(void *ctx)
{
    struct ashlard *d = ctx;

    signals_stop(d->signals);
}

void
clients_host(struct ashlard *d, struct command_host *host)
{
    *host = (struct command_host){
        .ctx = d,
        .each_client = each_client,
        .self = describe_self,
        .kill_client = kill_client,
        .lock_clients = lock_clients,
        .unlock_clients = unlock_clients,
        .shutdown = shutdown_daemon,
        .option_changed = option_changed,
        .would_start = would_start,
        .reset_stats = daemon_metrics_reset,
        .info = info_append,
        .post = post,
        .send = send_to_session,
        .find_session = find_session,
        .pause_ended = pause_ended,
        .held_up = held_up,
        .goes_on = goes_on,
    };
}
