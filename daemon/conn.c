/* SPDX-License-Identifier: BSD-3-Clause */
/* conn.c - one client: its socket, its session, what is left over of its input
 * and output between batches.
 *
 * An idle connection is one struct conn. A struct conn_input joins it while a
 * command is half received, a struct output while the socket does not take its
 * replies. All functions are the owner worker's. What a batch decides to close
 * goes on the worker's dead list and is freed after the batch, so that nothing
 * in the batch points at a freed connection.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client's commands wait while more output than this waits for it; see
 * conn_stalled(). */
#define STALL_MIN (256 * KIB)
/* Buffers of all clients are meant to stay below this share of the memory. */
#define CLIENTS_SHARE 8
/* Input that is read and dropped when a connection is closed in order. */
#define LAST_READS 16
/* A buffer of up to this is kept for the next client that needs one, so that a
 * client that sends or fetches large values costs no malloc(3). */
#define SPARE_BYTES (4 * KIB)
/* Messages are gathered until a client has this much of them to be sent. */
#define GATHER_BYTES (64 * KIB)

/* ---- what is logged ------------------------------------------------------- */

static void
log_close(const struct conn *c, const char *why, size_t bytes)
{
    char addr[64];

    conn_address(c, true, addr, sizeof(addr));
    log_warn("closing client, %s id=%llu addr=%s bytes=%zu", why,
        (unsigned long long)c->session.id, addr, bytes);
}

/* The system has refused memory, whatever maxmemory would allow. */
static void
complain_of_memory(void)
{
    static _Atomic uint64_t logged;

    if (log_ratelimit(&logged))
        log_error("the system has no memory for a client: closing it");
}

/* ---- birth and death ----------------------------------------------------- */

/* Nothing but onto the ready list. */
void
conn_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct worker *w = c->worker;

    (void)fd;
    if (c->ready == 0) {
        c->next_ready = NULL;
        *w->ready_tail = c;
        w->ready_tail = &c->next_ready;
    }
    c->ready = (short)(c->ready | what);
}

void
conn_make_ready(struct conn *c)
{
    conn_event(c->fd, EV_READ, c);
}

static void
link_client(struct worker *w, struct conn *c)
{
    pthread_mutex_lock(&w->clients_lock);
    c->next = w->clients;
    if (c->next != NULL)
        c->next->prev = c;
    w->clients = c;
    pthread_mutex_unlock(&w->clients_lock);
}

static void
unlink_client(struct worker *w, struct conn *c)
{
    pthread_mutex_lock(&w->clients_lock);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        w->clients = c->next;
    pthread_mutex_unlock(&w->clients_lock);
}

struct conn *
conn_new(struct worker *w, int fd, enum transport transport)
{
    struct ashlard *d = w->daemon;
    struct conn *c = pool_get(w->conns);

    if (c == NULL) {
        complain_of_memory();
        return NULL;
    }
    c->magic = CONN_MAGIC;
    c->fd = fd;
    c->worker = w;
    c->is_unix = transport == TRANSPORT_UNIX;
    c->active_s = w->now_s;
    if (transport == TRANSPORT_TLS && !tls_conn_open(c, d->tls)) {
        c->magic = 0;
        pool_put(w->conns, c);
        return NULL;
    }
    session_init(
        &c->session,
        atomic_fetch_add_explicit(&d->last_client_id, 1, memory_order_relaxed) +
            1,
        &d->commands);
    event_assign(&c->event, w->base, fd, 0, conn_event, c);
    conn_update_events(c);
    link_client(w, c);
    return c;
}

/* Closing a socket with unread input resets the connection, which may destroy
 * the last replies on their way: read what has come. */
static void
read_rest(struct conn *c)
{
    char scratch[4096];

    shutdown(c->fd, SHUT_WR);
    for (int i = 0; i < LAST_READS; i++)
        if (recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT) <= 0)
            break;
}

/* Keep its buffers, empty, if they are small and there are none yet. */
static void
spare_output(struct worker *w, struct output *out)
{
    struct output *spare = &w->spare_output;

    if (out->bytes.cap > SPARE_BYTES || spare->bytes.p != NULL ||
        out->cap_refs > SPARE_BYTES / sizeof(*out->refs))
        return;
    free(spare->refs);
    spare->bytes = (struct buf){out->bytes.p, 0, out->bytes.cap};
    spare->refs = out->refs;
    spare->cap_refs = out->cap_refs;
    out->bytes = (struct buf){NULL, 0, 0};
    out->refs = NULL;
}

static void
close_output(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->output == NULL)
        return;
    worker_account(w, output_memory(c->output), 0);
    outgoing_drop(&c->output->rest, w->daemon->slab);
    spare_output(w, c->output);
    output_free(c->output, w->daemon->slab);
    pool_put(w->outputs, c->output);
    c->output = NULL;
    w->n_outputs--;
    atomic_store_explicit(&c->output_kib, 0, memory_order_relaxed);
}

void
conn_free(struct conn *c)
{
    struct session_memory held;
    struct worker *w;
    bool killed, may_free;

    CHECK(c, CONN_MAGIC);
    w = c->worker;
    unlink_client(w, c);
    killed = LOAD(&c->kill);
    may_free = conn_io(c)->forget(c);
    if (c->closing)
        read_rest(c);
    close(c->fd);
    conn_input_close(c);
    close_output(c);
    hold_drop(c);
    session_leave(w->commands, &c->session);
    held = session_memory(&c->session);
    session_free(&c->session);
    conn_account_session(c, held);
    c->magic = 0;
    if (may_free)
        pool_put(w->conns, c);
    if (!killed)
        worker_uncount_client(w);
}

void
conn_dead(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->dead)
        return;
    c->dead = true;
    c->next_dead = w->dead;
    w->dead = c;
}

void
conn_finish(struct conn *c)
{
    c->closing = true;
    if (c->output == NULL)
        conn_dead(c);
    else
        conn_update_events(c);
}

/* ---- input --------------------------------------------------------------- */

struct conn_input *
conn_input_open(struct conn *c)
{
    struct worker *w = c->worker;
    struct conn_input *in = c->input;

    if (in != NULL)
        return in;
    in = pool_get(w->inputs);
    if (in == NULL) {
        complain_of_memory();
        /* Others parse with it: it must not remember this connection. */
        resp_parser_reset(&w->parser);
        return NULL;
    }
    in->parser = w->parser;
    resp_parser_init(&w->parser);
    w->parser.large_min = w->large_min;
    in->bytes = w->spare_input;
    w->spare_input = (struct buf){NULL, 0, 0};
    c->input = in;
    return in;
}

/* Keep what the input has allocated, if it is small and the worker has none. */
static void
spare_input(struct worker *w, struct conn_input *in)
{
    if (in->bytes.cap <= SPARE_BYTES && w->spare_input.p == NULL) {
        w->spare_input = (struct buf){in->bytes.p, 0, in->bytes.cap};
        in->bytes = (struct buf){NULL, 0, 0};
    }
    if (resp_parser_bytes(&w->parser) == 0 &&
        resp_parser_bytes(&in->parser) <= SPARE_BYTES &&
        resp_parser_idle(&in->parser)) {
        w->parser = in->parser;
        resp_parser_init(&in->parser);
    }
}

void
conn_input_close(struct conn *c)
{
    struct worker *w = c->worker;
    struct conn_input *in = c->input;

    if (in == NULL)
        return;
    large_drop(w, in);
    in->awaited = 0; /* nothing is read any more, if it was not */
    worker_account(w, in->counted, 0);
    spare_input(w, in);
    resp_parser_free(&in->parser);
    buf_free(&in->bytes);
    pool_put(w->inputs, in);
    c->input = NULL;
    atomic_store_explicit(&c->query_kib, 0, memory_order_relaxed);
}

/* Commands that are unfinished or queued hold `held` bytes. */
static void
check_query_limit(struct conn *c, size_t held)
{
    if (held <= limit_size(&c->worker->daemon->limits.query_bytes))
        return;
    log_close(c, "query buffer limit reached", held);
    METRIC_INC(&c->worker->metrics, query_limit_closes);
    conn_dead(c);
}

void
conn_account(struct conn *c)
{
    struct conn_input *in = c->input;
    struct session_memory session;
    size_t args, held;

    if (in == NULL)
        return;
    args = resp_parser_bytes(&in->parser);
    in->touched = MAX(in->touched, in->bytes.len);
    worker_account(c->worker, in->counted, in->touched + args);
    in->counted = in->touched + args;
    session = session_memory(&c->session);
    held = in->bytes.len + args + in->large_held + session.heap +
        session.extents;
    atomic_store_explicit(&c->query_kib, (uint32_t)(ROUND_UP(held, KIB) / KIB),
        memory_order_relaxed);
    check_query_limit(c, held);
}

void
conn_account_session(struct conn *c, struct session_memory before)
{
    struct session_memory now = session_memory(&c->session);
    struct worker *w = c->worker;

    worker_account(w, before.heap, now.heap);
    atomic_fetch_add_explicit(&w->daemon->large_bytes,
        now.extents - before.extents, memory_order_relaxed);
    if (now.heap + now.extents > 0)
        check_query_limit(c, now.heap + now.extents);
}

/* ---- output -------------------------------------------------------------- */

/* How much output may wait for one client: half of what the clients' share of
 * the memory has left. A lone client that sends a long pipeline before it reads
 * gets much, a crowd of slow readers little each. */
static size_t
stall_bytes(const struct ashlard *d)
{
    size_t share = slab_limit(d->slab) / CLIENTS_SHARE;
    size_t used = atomic_load_explicit(&d->client_bytes, memory_order_relaxed);

    return MAX(share > used ? (share - used) / 2 : 0, STALL_MIN);
}

bool
conn_output_stalls(const struct conn *c)
{
    return outgoing_left(&c->output->rest) > stall_bytes(c->worker->daemon);
}

/* Close if more waits than client-output-buffer-limit allows. */
static void
check_output_limits(struct conn *c)
{
    struct worker *w = c->worker;
    struct limits *l = &w->daemon->limits;
    int class = session_is_subscribed(&c->session) || c->session.monitors
        ? OUTPUT_PUBSUB
        : OUTPUT_NORMAL;
    size_t hard = limit_size(&l->output[class].hard);
    size_t soft = limit_size(&l->output[class].soft);
    uint32_t soft_s = limit_u32(&l->output[class].soft_s);
    size_t left = outgoing_left(&c->output->rest);
    bool over = hard != 0 && left >= hard;

    if (soft == 0 || left < soft)
        c->output->soft_since_s = 0;
    else if (c->output->soft_since_s == 0)
        c->output->soft_since_s = MAX(w->now_s, 1);
    else if (w->now_s - c->output->soft_since_s > soft_s)
        over = true;
    if (!over)
        return;
    log_close(c, "output buffer limit reached", left);
    METRIC_INC(&w->metrics, output_limit_closes);
    conn_dead(c);
}

static void
take_spare_output(struct worker *w, struct output *out)
{
    if (out->bytes.p != NULL)
        return;
    out->bytes = w->spare_output.bytes;
    out->refs = w->spare_output.refs;
    out->cap_refs = w->spare_output.cap_refs;
    memset(&w->spare_output, 0, sizeof(w->spare_output));
}

static void
queue_output(struct conn *c, struct outgoing *o, struct buf *whole)
{
    struct worker *w = c->worker;
    size_t before;

    if (c->output == NULL) {
        c->output = pool_get(w->outputs);
        if (c->output == NULL) {
            complain_of_memory();
            outgoing_drop(o, w->daemon->slab);
            conn_dead(c);
            return;
        }
        w->n_outputs++;
    }
    before = output_memory(c->output);
    if (whole != NULL && before == 0 && o->end - o->at >= STALL_MIN) {
        output_steal(c->output, whole, o);
    } else {
        if (before == 0 && c->output->refs == NULL)
            take_spare_output(w, c->output);
        output_append(c->output, o);
    }
    worker_account(w, before, output_memory(c->output));
}

static void
publish_output(struct conn *c)
{
    atomic_store_explicit(&c->output_kib,
        (uint32_t)(ROUND_UP(output_memory(c->output), KIB) / KIB),
        memory_order_relaxed);
}

void
conn_count_sent(struct conn *c, size_t sent, unsigned calls)
{
    struct worker *w = c->worker;

    METRIC_ADD(&w->metrics, net_output_bytes, sent);
    METRIC_ADD(&w->metrics, writes, calls);
    if (sent > 0)
        c->active_s = w->now_s;
}

void
conn_start_send(struct conn *c, struct outgoing *o)
{
    /* Not past what waits already. */
    o->status =
        c->output == NULL ? conn_io(c)->start_send(c, o) : SEND_BLOCKED;
}

void
conn_end_send(struct conn *c, struct outgoing *o, struct buf *whole)
{
    if (o->status == SEND_DONE)
        return;
    if (o->status == SEND_FAILED) {
        outgoing_drop(o, c->worker->daemon->slab);
        conn_dead(c);
        return;
    }
    queue_output(c, o, whole);
    if (c->dead)
        return;
    publish_output(c);
    check_output_limits(c);
    conn_update_events(c);
}

void
conn_flush(struct conn *c)
{
    enum send_status status;

    if (c->output == NULL || c->dead)
        return;
    status = unlikely(c->tls != NULL) ? io_tls.start_send(c, &c->output->rest)
                                      : io_epoll_send(c, &c->output->rest);
    if (status == SEND_BLOCKED)
        return;
    if (status == SEND_DONE)
        close_output(c);
    if (status == SEND_FAILED || c->closing)
        conn_dead(c);
}

/* Among those that conn_flush_queued() is called for. */
static void
note_queued(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->queued)
        return;
    if (w->n_queued == w->cap_queued) {
        w->cap_queued = MAX(2 * w->cap_queued, 16);
        w->queued = xrealloc(w->queued, w->cap_queued * sizeof(*w->queued));
    }
    c->queued = true;
    w->queued[w->n_queued++] = c;
}

/* Send what is queued, if the socket is not known to be full. */
static void
send_queued(struct conn *c)
{
    if (c->dead || c->output == NULL)
        return;
    if (!(c->interest & EV_WRITE))
        conn_flush(c);
    if (c->dead)
        return;
    if (c->output != NULL) {
        publish_output(c);
        check_output_limits(c);
    }
    if (!c->dead)
        conn_update_events(c);
}

void
conn_flush_queued(struct conn *c)
{
    c->queued = false;
    send_queued(c);
}

void
conn_queue(struct conn *c, char first, struct str rest)
{
    struct outgoing head = {.bytes = &first, .end = 1};
    struct outgoing body = {.bytes = rest.p, .end = rest.len};
    size_t before;

    if (c->dead || c->closing ||
        atomic_load_explicit(&c->kill, memory_order_relaxed))
        return;
    before = c->output == NULL ? 0 : outgoing_left(&c->output->rest);
    queue_output(c, &head, NULL);
    if (c->dead)
        return;
    queue_output(c, &body, NULL);
    note_queued(c);
    if (before / GATHER_BYTES != (before + 1 + rest.len) / GATHER_BYTES)
        send_queued(c);
}

/* ---- events -------------------------------------------------------------- */

void
conn_update_events(struct conn *c)
{
    short want = 0;

    if (!c->closing && !conn_stalled(c))
        want |= EV_READ;
    if (c->output != NULL)
        want |= EV_WRITE;
    if (c->held != NULL) /* it may go while nothing is read from it */
        want |= EV_CLOSED;
    if (want == c->interest && likely(c->tls == NULL))
        return;
    c->interest = want;
    if (conn_io(c)->watch(c, want))
        return;
    log_error("cannot watch a client err=\"%s\"", strerror(errno));
    conn_dead(c);
}

void
conn_tick(struct conn *c, uint32_t now_s)
{
    struct worker *w = c->worker;
    uint32_t timeout_s = limit_u32(&w->daemon->limits.timeout_s);

    if (c->output != NULL)
        check_output_limits(c);
    if (unlikely(c->tls != NULL) && tls_is_late(c, now_s)) {
        METRIC_INC(&w->metrics, timeouts);
        conn_dead(c);
        return;
    }
    /* It may have been active since the moment that this is about. */
    if (timeout_s == 0 || now_s <= c->active_s ||
        now_s - c->active_s <= timeout_s || c->dead || c->held != NULL ||
        session_is_subscribed(&c->session) ||
        c->session.monitors) /* it waits for messages */
        return;
    if (c->input != NULL && large_look(c))
        return;
    log_debug("closing idle client id=%llu", (unsigned long long)c->session.id);
    METRIC_INC(&w->metrics, timeouts);
    conn_dead(c);
}
