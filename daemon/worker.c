/* SPDX-License-Identifier: BSD-3-Clause */
/* worker.c - one thread that serves clients.
 *
 * It sleeps in its event base, then runs one batch over the connections that
 * are ready, then frees those that are to be closed. Other threads leave new
 * connections and requests in its mail and wake it through an eventfd. A timer
 * of one second runs only while something depends on time or has just
 * happened, so that an idle worker does not wake up.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Buffers are charged to the budget in steps of this. */
#define ACCOUNT_STEP (64 * KIB)
/* Time for clients to take the last replies when the daemon stops. */
#define DRAIN_SECONDS 1
/* When the clients' buffers exceed this share of the memory, the client with
 * the largest is closed. */
#define SHED_SHARE 4
/* Messages that wait for a worker take no more than this share of the memory,
 * and no more than this. */
#define MESSAGES_SHARE 16
#define MESSAGES_BYTES (32 * MIB)

/* ---- memory of the connections ------------------------------------------- */

void
worker_account(struct worker *w, size_t before, size_t after)
{
    struct ashlard *d = w->daemon;

    w->buffer_bytes += after - before;
    if (w->buffer_bytes >= w->charged_bytes + ACCOUNT_STEP) {
        size_t more = w->buffer_bytes - w->charged_bytes;

        slab_charge_to(d->slab, SLAB_CLIENTS, more);
        atomic_fetch_add_explicit(&d->client_bytes, more, memory_order_relaxed);
        w->charged_bytes += more;
    } else if (w->charged_bytes >= w->buffer_bytes + ACCOUNT_STEP) {
        size_t less = w->charged_bytes - w->buffer_bytes;

        slab_uncharge_from(d->slab, SLAB_CLIENTS, less);
        atomic_fetch_sub_explicit(&d->client_bytes, less, memory_order_relaxed);
        w->charged_bytes -= less;
    }
}

/* What shares refer to. A limit that was lowered further leaves the clients
 * what they need to raise it again. */
static size_t
limit_for_clients(const struct ashlard *d)
{
    return MAX(slab_limit(d->slab), MIN_MAXMEMORY);
}

static size_t
client_memory(const struct conn *c)
{
    return (c->input != NULL ? c->input->counted : 0) +
        session_memory(&c->session).heap +
        (c->output != NULL ? output_memory(c->output) : 0);
}

/* The clients hold too much: the one that holds the most pays, not the data.
 * Workers with more than their part of it look for one among their own. */
static void
shed(struct worker *w)
{
    struct ashlard *d = w->daemon;
    size_t held = LOAD(&d->client_bytes);
    struct conn *worst = NULL;

    if (likely(held <= limit_for_clients(d) / SHED_SHARE) ||
        w->charged_bytes < held / d->n_workers)
        return;
    for (struct conn *c = w->clients; c != NULL; c = c->next)
        if (!c->dead &&
            (worst == NULL || client_memory(c) > client_memory(worst)))
            worst = c;
    if (worst == NULL || client_memory(worst) < ACCOUNT_STEP)
        return;
    log_warn("closing client, the buffers of all clients are too large "
             "id=%llu bytes=%zu all=%zu",
        (unsigned long long)worst->session.id, client_memory(worst), held);
    METRIC_INC(&w->metrics, output_limit_closes);
    conn_dead(worst);
}

void
worker_read_clock(struct worker *w)
{
    clock_refresh();
    w->now_s = (uint32_t)(clock_mono_us() / 1000000);
}

/* ---- mail ---------------------------------------------------------------- */

void
worker_wake(struct worker *w)
{
    eventfd_write(w->wake_fd, 1);
}

void
worker_hand(struct worker *w, int fd, enum transport transport)
{
    bool first;

    atomic_fetch_add_explicit(&w->n_clients, 1, memory_order_relaxed);
    pthread_mutex_lock(&w->mail_lock);
    first = w->n_mail == 0;
    if (w->n_mail == w->cap_mail) {
        w->cap_mail = MAX(2 * w->cap_mail, 64);
        w->mail = xrealloc(w->mail, w->cap_mail * sizeof(*w->mail));
    }
    w->mail[w->n_mail++] = (struct handed){fd, transport};
    pthread_mutex_unlock(&w->mail_lock);
    if (first)
        worker_wake(w);
}

void
worker_uncount_client(struct worker *w)
{
    atomic_fetch_sub_explicit(&w->n_clients, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&w->daemon->n_clients, 1, memory_order_relaxed);
}

static void
refuse_handed(struct worker *w, int fd)
{
    close(fd);
    worker_uncount_client(w);
}

static void
take_connections(struct worker *w)
{
    struct handed *mail;
    size_t n;

    pthread_mutex_lock(&w->mail_lock);
    mail = w->mail;
    n = w->n_mail;
    w->mail = NULL;
    w->n_mail = w->cap_mail = 0;
    pthread_mutex_unlock(&w->mail_lock);
    for (size_t i = 0; i < n; i++)
        if (conn_new(w, mail[i].fd, mail[i].transport) == NULL)
            refuse_handed(w, mail[i].fd);
    free(mail);
}

static void
take_kills(struct worker *w)
{
    /* acquire: pairs with kill_client() */
    if (!atomic_exchange_explicit(&w->kills, false, memory_order_acquire))
        return;
    for (struct conn *c = w->clients; c != NULL; c = c->next)
        if (LOAD(&c->kill))
            conn_dead(c);
}

/* ---- the timer ----------------------------------------------------------- */

static void
start_ticking(struct worker *w)
{
    static const struct timeval second = {1, 0};

    if (w->ticking)
        return;
    w->ticking = event_add(w->tick_event, &second) == 0;
    w->tick_us = clock_mono_us() + 1000000;
}

/* Something that only time brings about is pending. */
static bool
depends_on_time(const struct worker *w)
{
    return w->n_outputs > 0 || w->n_handshakes > 0 ||
        (w->clients != NULL && limit_u32(&w->daemon->limits.timeout_s) > 0);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    uint64_t begun = step_begin();
    bool more;

    (void)fd;
    (void)what;
    worker_read_clock(w);
    more = w->io->tick != NULL && w->io->tick(w);
    w->look_due = depends_on_time(w);
    w->look_s = w->now_s;
    batch_shrink(w->batch);
    if (!w->busy)
        slab_thread_flush(ks_slab_thread(w->ks));
    tls_trim(w, !w->busy);
    if (!w->busy && !more && !depends_on_time(w)) {
        event_del(w->tick_event);
        w->ticking = false;
    }
    w->tick_us = clock_mono_us() + 1000000;
    w->busy = false;
    step_end(STEP_TICK, begun);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    eventfd_t n;

    (void)what;
    eventfd_read(fd, &n);
    worker_read_clock(w); /* it may have slept for long */
    take_connections(w);
    take_kills(w);
    hold_look(w);
    if (depends_on_time(w))
        start_ticking(w);
}

static void
on_hold_end(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    worker_read_clock(w);
    hold_look(w);
}

/* ---- messages ------------------------------------------------------------ */

/* Room for one of `bytes`? A single one always finds it. [mail_lock] */
static bool
has_room(const struct worker *w, size_t bytes)
{
    size_t most =
        MIN(MESSAGES_BYTES, limit_for_clients(w->daemon) / MESSAGES_SHARE);

    return w->messages.n == 0 || w->messages.bytes + bytes <= most;
}

void
worker_post(
    struct worker *w, const struct worker *from, struct pubsub_message *m)
{
    struct messages *q = &w->messages;
    size_t bytes = pubsub_message_bytes(m);
    bool first;

    pthread_mutex_lock(&w->mail_lock);
    first = q->n == 0;
    atomic_store_explicit(&w->posted, true, memory_order_relaxed);
    if (has_room(w, bytes)) {
        if (q->n == q->cap) {
            q->cap = MAX(2 * q->cap, 64);
            q->at = xrealloc(q->at, q->cap * sizeof(struct pubsub_message *));
        }
        pubsub_message_take(m);
        q->at[q->n++] = m;
        q->bytes += bytes;
    } else {
        w->messages_lost = true;
    }
    pthread_mutex_unlock(&w->mail_lock);
    if (first && w != from) /* a worker looks by itself after a group */
        worker_wake(w);
}

/* A worker that is so far behind that its mail is full cannot say which of its
 * subscribers is slow: they all are. None of them misses a message unnoticed.
 */
static void
drop_subscribers(struct worker *w)
{
    unsigned n = 0;

    for (struct conn *c = w->clients; c != NULL; c = c->next) {
        if (c->dead || !session_gets_messages(&c->session))
            continue;
        METRIC_INC(&w->metrics, output_limit_closes);
        conn_dead(c);
        n++;
    }
    log_warn("closing subscribers, too many messages wait for their worker "
             "worker=%u closed=%u",
        w->id, n);
}

/* Append the messages to the output of their subscribers, then send. */
static void
deliver_messages(struct worker *w, const struct messages *q)
{
    for (size_t i = 0; i < q->n; i++) {
        pubsub_deliver(w->commands, q->at[i]);
        pubsub_message_drop(q->at[i]);
    }
    for (size_t i = 0; i < w->n_queued; i++)
        conn_flush_queued(w->queued[i]);
    w->n_queued = 0;
}

void
worker_take_messages(struct worker *w)
{
    struct messages q;
    bool lost;

    /* Relaxed: who sets it for an empty mail wakes this worker after that. */
    if (likely(!LOAD(&w->posted)))
        return;
    pthread_mutex_lock(&w->mail_lock);
    atomic_store_explicit(&w->posted, false, memory_order_relaxed);
    q = w->messages;
    lost = w->messages_lost;
    w->messages = (struct messages){NULL, 0, 0, 0};
    w->messages_lost = false;
    pthread_mutex_unlock(&w->mail_lock);
    if (q.n > 0) {
        w->busy = true;
        start_ticking(w);
        deliver_messages(w, &q);
    }
    free(q.at);
    if (lost)
        drop_subscribers(w);
}

/* ---- the loop ------------------------------------------------------------ */

static void
reap(struct worker *w)
{
    while (w->dead != NULL) {
        struct conn *c = w->dead;

        w->dead = c->next_dead;
        conn_free(c);
    }
}

/* The tick was a turn ago: what clients had sent by then has been received,
 * also if this thread had no processor for longer than they may be idle. */
static void
look_at_clients(struct worker *w)
{
    w->look_due = false;
    for (struct conn *c = w->clients; c != NULL; c = c->next)
        conn_tick(c, w->look_s);
}

static void
run_once(struct worker *w, bool wait)
{
    bool look = w->look_due;
    uint64_t begun;

    w->io->poll(w, wait && !look);
    begun = step_begin();
    worker_read_clock(w);
    if (w->ready != NULL) {
        w->busy = true;
        start_ticking(w);
        batch_run(w->batch);
        worker_end_busy(w);
    }
    if (look)
        look_at_clients(w);
    command_thread_poll(w->commands);
    worker_take_messages(w);
    shed(w);
    reap(w);
    ks_thread_poll(w->ks);
    worker_count_turn(w);
    step_end(STEP_TURN, begun);
}

/* Answer what has been received, give the clients a moment to take it. */
static void
drain(struct worker *w)
{
    static const struct timeval deadline = {DRAIN_SECONDS, 0};

    run_once(w, false);
    for (struct conn *c = w->clients; c != NULL; c = c->next)
        conn_finish(c);
    reap(w);
    event_base_loopexit(w->base, &deadline);
    while (w->clients != NULL && !event_base_got_exit(w->base))
        run_once(w, true);
    for (struct conn *c = w->clients; c != NULL; c = c->next)
        conn_dead(c);
    reap(w);
}

/* ---- birth and death ----------------------------------------------------- */

static bool
open_base(struct worker *w)
{
    w->base = thread_event_base();
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->base == NULL || w->wake_fd < 0)
        return false;
    w->wake_event =
        event_new(w->base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w);
    w->tick_event = event_new(w->base, -1, EV_PERSIST, on_tick, w);
    w->hold_event = event_new(w->base, -1, 0, on_hold_end, w);
    return w->wake_event != NULL && w->tick_event != NULL &&
        w->hold_event != NULL &&
        event_add(w->wake_event, NULL) == 0;
}

static void
open_state(struct worker *w)
{
    struct ashlard *d = w->daemon;

    w->ks = ks_thread_new(d->ks);
    w->commands = command_thread_new(&d->commands, w->ks, w->id);
    w->steps.cpu_time = &d->commands.values->latency_steps_cpu_time;
    d->commands.steps[w->id] = &w->steps;
    w->batch = batch_new(w);
    w->conns = pool_new(d->slab, "connections", sizeof(struct conn));
    w->inputs = pool_new(d->slab, "inputs", sizeof(struct conn_input));
    w->outputs = pool_new(d->slab, "outputs", sizeof(struct output));
    w->large_min = (size_t)d->config.keyspace.large_value_threshold + 1;
    resp_parser_init(&w->parser);
    w->parser.large_min = w->large_min;
}

static void
close_state(struct worker *w)
{
    resp_parser_free(&w->parser);
    buf_free(&w->spare_input);
    buf_free(&w->spare_output.bytes);
    free(w->spare_output.refs);
    pool_free(w->outputs);
    pool_free(w->inputs);
    pool_free(w->conns);
    batch_free(w->batch);
    w->daemon->commands.steps[w->id] = NULL;
    command_thread_free(w->commands);
    ks_thread_free(w->ks);
}

static void *
worker_main(void *arg)
{
    struct worker *w = arg;
    bool opened = w->io->open(w, &w->open_error);

    if (opened) {
        open_state(w);
        ks_while_waiting(worker_while_waiting, w);
    }
    steps_attach(&w->steps);
    pthread_barrier_wait(&w->started);
    if (!opened)
        return NULL;
    while (!atomic_load_explicit(&w->stop, memory_order_acquire))
        run_once(w, true);
    drain(w);
    w->io->close(w);
    return NULL;
}

static void
release(struct worker *w)
{
    if (w->hold_event != NULL)
        event_free(w->hold_event);
    if (w->tick_event != NULL)
        event_free(w->tick_event);
    if (w->wake_event != NULL)
        event_free(w->wake_event);
    if (w->base != NULL)
        event_base_free(w->base);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    pthread_barrier_destroy(&w->started);
    pthread_mutex_destroy(&w->mail_lock);
    pthread_mutex_destroy(&w->clients_lock);
    free(w->mail);
    free(w->messages.at);
    free(w->queued);
    buf_free(&w->open_error);
    free(w->tls_record);
    free(w);
}

struct worker *
worker_start(struct ashlard *d, unsigned id, struct buf *err)
{
    struct worker *w = xcalloc(1, sizeof(*w));
    char name[16];
    int failed;

    w->daemon = d;
    w->id = id;
    w->io = d->io;
    w->ready_tail = &w->ready;
    pthread_mutex_init(&w->mail_lock, NULL);
    pthread_mutex_init(&w->clients_lock, NULL);
    pthread_barrier_init(&w->started, NULL, 2);
    if (!open_base(w)) {
        buf_printf(err, "cannot set up worker %u: %s", id, strerror(errno));
        release(w);
        return NULL;
    }
    snprintf(name, sizeof(name), "ash-worker-%u", id);
    failed = thread_start(&w->thread, name, worker_main, w);
    if (failed != 0) {
        buf_printf(err, "cannot start worker %u: %s", id, strerror(failed));
        release(w);
        return NULL;
    }
    pthread_barrier_wait(&w->started);
    if (w->open_error.len > 0) {
        buf_append(err, w->open_error.p, w->open_error.len);
        pthread_join(w->thread, NULL);
        release(w);
        return NULL;
    }
    return w;
}

void
worker_stop(struct worker *w)
{
    atomic_store_explicit(&w->stop, true, memory_order_release);
    worker_wake(w);
}

void
worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

void
worker_free(struct worker *w)
{
    for (size_t i = 0; i < w->n_mail; i++)
        refuse_handed(w, w->mail[i].fd);
    for (size_t i = 0; i < w->messages.n; i++)
        pubsub_message_drop(w->messages.at[i]);
    close_state(w);
    release(w);
}
