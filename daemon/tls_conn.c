/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_conn.c - one TLS connection: its handshake, then bytes in and out.
 *
 * OpenSSL reads and writes the socket itself, without waiting. What it lacks
 * for going on is remembered here and asked of the event base: a read may have
 * to wait until the socket takes bytes, and a write until some come. Bytes that
 * OpenSSL has taken from the socket already make no event: one is made for them
 * (watch).
 *
 * Output goes out in records of up to 16 KiB. A record's bytes are taken from
 * where they stand if they stand together, and else gathered in a buffer of the
 * worker: long values are not copied.
 *
 * Owner thread of the connection.
 */
#include "daemon/internal.h"
#include "daemon/tls_context.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECORD_BYTES ((size_t)SSL3_RT_MAX_PLAIN_LENGTH)

/* The C library keeps what OpenSSL frees, in pieces between what is in use: a
 * crowd of clients that is gone leaves a hundred MiB. After so many closed
 * connections it is told to give pages back. */
#define TRIM_IDLE 64
#define TRIM_BUSY 1024

struct tls_conn {
    SSL *ssl;
    size_t retry_bytes; /* a record the socket did not take; 0: none */
    short wait;         /* what the handshake waits for; 0: it is done */
    bool failed;        /* nothing may be sent or received any more */
    bool has_input;     /* more can be read without an event */
    bool read_wants_write;
    bool write_wants_read;
};

/* ---- birth and death ----------------------------------------------------- */

bool
tls_conn_open(struct conn *c, struct tls *t)
{
    struct worker *w = c->worker;
    struct tls_conn *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return false;
    if (w->tls_record == NULL)
        w->tls_record = xcalloc(1, RECORD_BYTES);
    ossl.ERR_clear_error();
    tls->ssl = tls_context_new_ssl(t);
    if (tls->ssl == NULL || ossl.SSL_set_fd(tls->ssl, c->fd) != 1) {
        if (tls->ssl != NULL)
            ossl.SSL_free(tls->ssl);
        free(tls);
        return false;
    }
    tls->wait = EV_READ;
    c->tls = tls;
    w->n_handshakes++;
    worker_account(w, 0, TLS_CONN_BYTES);
    return true;
}

/* Tell the peer, as far as the socket takes it at once, and free. */
static void
end(struct conn *c)
{
    struct tls_conn *tls = c->tls;
    struct worker *w = c->worker;

    ossl.ERR_clear_error();
    if (tls->wait != 0)
        w->n_handshakes--;
    else if (!tls->failed)
        ossl.SSL_shutdown(tls->ssl); /* the alert that this is the end */
    ossl.SSL_free(tls->ssl);
    free(tls);
    c->tls = NULL;
    w->n_tls_closed++;
    worker_account(w, TLS_CONN_BYTES, 0);
}

void
tls_trim(struct worker *w, bool idle)
{
    if (likely(w->n_tls_closed < (idle ? TRIM_IDLE : TRIM_BUSY)))
        return;
    w->n_tls_closed = 0;
    malloc_trim(0);
}

/* ---- the handshake ------------------------------------------------------- */

/* The peer speaks no TLS, or not as it must. It was sent an alert. */
static void
handshake_failed(struct conn *c, int error)
{
    static _Atomic uint64_t logged;
    struct buf why = {0};
    char addr[64];

    METRIC_INC(&c->worker->metrics, tls_failures);
    c->tls->failed = true;
    conn_address(c, true, addr, sizeof(addr));
    if (error != SSL_ERROR_SSL) {
        log_debug("TLS handshake cut off addr=%s", addr);
    } else if (log_ratelimit(&logged)) {
        tls_library_error(&why);
        log_info("TLS handshake failed addr=%s err=\"%.*s\"", addr,
            (int)why.len, why.p);
    }
    buf_free(&why);
    c->closing = true; /* so that the alert is not lost in a reset */
    conn_dead(c);
}

static bool
handshake(struct conn *c)
{
    struct tls_conn *tls = c->tls;
    struct worker *w = c->worker;
    int status, error;

    ossl.ERR_clear_error();
    status = ossl.SSL_accept(tls->ssl);
    if (status == 1) {
        METRIC_INC(&w->metrics, tls_handshakes);
        tls->wait = 0;
        w->n_handshakes--;
        c->active_s = w->now_s;
        conn_update_events(c);
        return !c->dead;
    }
    error = ossl.SSL_get_error(tls->ssl, status);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        tls->wait = error == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE;
        conn_update_events(c);
    } else {
        handshake_failed(c, error);
    }
    return false;
}

bool
tls_is_late(const struct conn *c, uint32_t now_s)
{
    uint32_t limit_s = limit_u32(&c->worker->daemon->limits.handshake_s);

    return c->tls->wait != 0 && now_s > c->active_s &&
        now_s - c->active_s > limit_s;
}

/* ---- events -------------------------------------------------------------- */

short
tls_ready(struct conn *c, short ready)
{
    const struct tls_conn *tls = c->tls;

    if (tls->wait != 0)
        return handshake(c) ? EV_READ : 0;
    if (tls->read_wants_write && ready & EV_WRITE)
        ready |= EV_READ;
    if (tls->write_wants_read && ready & EV_READ)
        ready |= EV_WRITE;
    return ready;
}

/* What to look for on the socket when the connection wants `want`. */
static short
events(const struct conn *c, short want)
{
    const struct tls_conn *tls = c->tls;

    if (tls->wait != 0)
        return tls->wait;
    if (tls->read_wants_write && want & EV_READ)
        want |= EV_WRITE;
    if (tls->write_wants_read && want & EV_WRITE)
        want |= EV_READ;
    return want;
}

/* OpenSSL did not do what it was asked for: what errno would say, or 0 for the
 * orderly end of the input. */
static int
refusal(struct tls_conn *tls, bool *other_direction, int other_error)
{
    int error = ossl.SSL_get_error(tls->ssl, 0);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        *other_direction = error == other_error;
        return EAGAIN;
    }
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    tls->failed = true;
    return ECONNRESET;
}

/* ---- input --------------------------------------------------------------- */

static ssize_t
read_input(struct conn *c, void *to, size_t len)
{
    struct tls_conn *tls = c->tls;
    size_t got = 0, n;

    if (tls->failed) {
        errno = ECONNRESET;
        return -1;
    }
    tls->read_wants_write = false;
    ossl.ERR_clear_error();
    do {
        if (ossl.SSL_read_ex(tls->ssl, (char *)to + got, len - got, &n) != 1) {
            int err =
                refusal(tls, &tls->read_wants_write, SSL_ERROR_WANT_WRITE);

            /* An end behind the last bytes is told when those are used. */
            tls->has_input = err != EAGAIN;
            errno = err;
            if (got > 0)
                return (ssize_t)got;
            return err == 0 ? 0 : -1;
        }
        got += n;
    } while (got < len && ossl.SSL_has_pending(tls->ssl));
    tls->has_input = ossl.SSL_has_pending(tls->ssl);
    return (ssize_t)got;
}

/* ---- output -------------------------------------------------------------- */

/* The bytes of one record, from byte `at` of iov[0]. Returns their number. */
static size_t
next_record(struct worker *w, const struct iovec *iov, size_t n_iov, size_t at,
    const char **record)
{
    size_t len = 0;

    if (iov[0].iov_len - at >= RECORD_BYTES || n_iov == 1) {
        *record = (const char *)iov[0].iov_base + at;
        return MIN(iov[0].iov_len - at, RECORD_BYTES);
    }
    for (size_t i = 0; i < n_iov && len < RECORD_BYTES; i++) {
        size_t n = MIN(iov[i].iov_len - at, RECORD_BYTES - len);

        memcpy(w->tls_record + len, (const char *)iov[i].iov_base + at, n);
        len += n;
        at = 0;
    }
    *record = w->tls_record;
    return len;
}

/* Send one record, in part if it was begun before. Returns the bytes that are
 * taken; 0 and errno if none are. */
static size_t
write_record(struct tls_conn *tls, const char *record, size_t len)
{
    size_t taken;

    /* OpenSSL has enciphered a record already and wants the same again. */
    if (tls->retry_bytes > 0) {
        ASSERT(len >= tls->retry_bytes);
        len = tls->retry_bytes;
    }
    tls->write_wants_read = false;
    if (ossl.SSL_write_ex(tls->ssl, record, len, &taken) == 1) {
        tls->retry_bytes = 0;
        return taken;
    }
    errno = refusal(tls, &tls->write_wants_read, SSL_ERROR_WANT_READ);
    if (errno == EAGAIN) {
        tls->retry_bytes = len;
    } else {
        tls->failed = true;
        errno = ECONNRESET;
    }
    return 0;
}

/* As sendmsg(2). When it took less than all, the next call begins with the
 * bytes that it did not take. */
static ssize_t
write_output(void *conn, const struct iovec *iov, size_t n_iov)
{
    struct conn *c = conn;
    struct tls_conn *tls = c->tls;
    size_t at = 0, total = 0;

    errno = tls->failed ? ECONNRESET : EAGAIN;
    if (tls->failed || tls->wait != 0)
        return -1;
    ossl.ERR_clear_error();
    while (n_iov > 0) {
        const char *record;
        size_t len = next_record(c->worker, iov, n_iov, at, &record);
        size_t taken = write_record(tls, record, len);

        if (taken == 0)
            return total > 0 ? (ssize_t)total : -1;
        total += taken;
        for (at += taken; n_iov > 0 && at >= iov[0].iov_len; n_iov--)
            at -= (iov++)[0].iov_len;
    }
    return (ssize_t)total;
}

/* ---- the engine ---------------------------------------------------------- */

static bool
watch(struct conn *c, short want)
{
    short events_wanted = events(c, want);

    if (!io_epoll_watch(c, events_wanted))
        return false;
    /* In the next turn of the loop, so that others have theirs. */
    if (events_wanted & EV_READ && c->tls->has_input)
        event_active(&c->event, EV_READ, 1);
    return true;
}

/* More is under way: a client sends what is longer than a record in several
 * calls, and unless it has turned Nagle's algorithm off, its kernel holds the
 * last of it back until ours acknowledges the rest. That would be with a reply,
 * for which the last is missing, or after 40 ms. */
static void
acknowledge(struct conn *c)
{
    static const int on = 1;

    if (setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)) != 0)
        log_debug("no early acknowledgement err=\"%s\"", strerror(errno));
}

/* What was read may have changed what the connection waits for. */
static ssize_t
after_read(struct conn *c, ssize_t n)
{
    int saved = errno;

    if (n > 0 && !c->tls->has_input &&
        (c->input != NULL || (size_t)n >= RECORD_BYTES))
        acknowledge(c);
    if (!watch(c, c->interest)) {
        errno = ECONNRESET;
        return -1;
    }
    errno = saved;
    return n;
}

static ssize_t
receive(struct conn *c, char **base, size_t kept, size_t room)
{
    return after_read(c, read_input(c, *base + kept, room));
}

static void
keep(struct conn *c)
{
    (void)c;
}

static enum send_status
start_send(struct conn *c, struct outgoing *o)
{
    size_t sent = 0;
    unsigned calls = 0;
    enum send_status status = outgoing_send_by(
        o, write_output, c, c->worker->daemon->slab, &sent, &calls);

    conn_count_sent(c, sent, calls);
    return status;
}

static bool
forget(struct conn *c)
{
    io_epoll_watch(c, 0);
    end(c);
    return true;
}

const struct io_engine io_tls = {
    .name = "tls",
    .watch = watch,
    .receive = receive,
    .expect_large = acknowledge,
    .park = keep,
    .start_send = start_send,
    .forget = forget,
};
