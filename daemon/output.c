/* SPDX-License-Identifier: BSD-3-Clause */
/* output.c - runs of replies on their way to a socket.
 *
 * A run is bytes in a buffer with references to extents in between. It is sent
 * with one sendmsg(2) that gathers both; what the socket does not take is
 * appended to the client's struct output, references as they are: their pins
 * move along and are dropped when the last byte has been sent.
 *
 * Knows no clients and no limits. Any thread, on data of its own.
 */
#include "daemon/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define IOV_COUNT 64
/* One visit: bounds how long a fast reader of huge values keeps its worker from
 * the other clients. */
#define VISIT_BYTES (4 * MIB)

/* Describe the next bytes of `o`, at most SEND_CALL_BYTES; returns how many. */
static size_t
gather(const struct outgoing *o, struct iovec *iov, size_t *n_iov)
{
    size_t total = 0, at = o->at, ref = o->ref;

    *n_iov = 0;
    while (*n_iov < IOV_COUNT && total < SEND_CALL_BYTES) {
        size_t stop = ref < o->ref_end ? o->refs[ref].at : o->end;
        struct iovec *v = &iov[*n_iov];

        if (at < stop) {
            v->iov_base = (char *)o->bytes + at;
            v->iov_len = stop - at;
            at = stop;
        } else if (ref < o->ref_end) {
            v->iov_base = (char *)o->refs[ref].p;
            v->iov_len = o->refs[ref].len;
            ref++;
        } else {
            break;
        }
        v->iov_len = MIN(v->iov_len, SEND_CALL_BYTES - total);
        total += v->iov_len;
        (*n_iov)++;
    }
    return total;
}

/* `n` bytes of what gather() described are sent. */
static void
advance(struct outgoing *o, struct slab *slab, size_t n)
{
    for (;;) {
        struct reply_ref *ref = o->ref < o->ref_end ? &o->refs[o->ref] : NULL;
        size_t stop = ref != NULL ? ref->at : o->end;
        size_t take = MIN(n, stop - o->at);

        o->at += take;
        n -= take;
        if (ref == NULL || o->at < stop)
            break;
        take = MIN(n, ref->len);
        ref->p += take;
        ref->len -= take;
        n -= take;
        if (ref->len > 0)
            break;
        extent_unpin(slab, ref->extent);
        o->ref++;
    }
    ASSERT(n == 0);
}

static bool
is_done(const struct outgoing *o)
{
    return o->at == o->end && o->ref == o->ref_end;
}

static ssize_t
send_plainly(void *fd, const struct iovec *iov, size_t n_iov)
{
    struct msghdr msg = {
        .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov};

    if (n_iov == 1)
        return send(*(int *)fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
    return sendmsg(*(int *)fd, &msg, MSG_NOSIGNAL);
}

static enum send_status
failure(void)
{
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? SEND_BLOCKED
                                                                 : SEND_FAILED;
}

/* Inlined, so that the plain way has no indirect call. */
static inline __attribute__((always_inline)) enum send_status
send_all(struct outgoing *o, send_fn send, void *to, struct slab *slab,
    size_t *sent, unsigned *calls)
{
    size_t visit = 0;

    while (!is_done(o)) {
        struct iovec iov[IOV_COUNT];
        size_t n_iov, asked = gather(o, iov, &n_iov);
        ssize_t n;

        if (visit >= VISIT_BYTES)
            return SEND_BLOCKED;
        n = send(to, iov, n_iov);
        (*calls)++;
        if (n < 0)
            return failure();
        advance(o, slab, (size_t)n);
        *sent += (size_t)n;
        visit += (size_t)n;
        if ((size_t)n < asked)
            return SEND_BLOCKED;
    }
    return SEND_DONE;
}

/* Only bytes, and not many: most runs are like that. */
static inline bool
is_short(const struct outgoing *o)
{
    return likely(o->ref == o->ref_end && o->end - o->at <= SEND_CALL_BYTES);
}

static enum send_status
send_short(struct outgoing *o, int fd, size_t *sent, unsigned *calls)
{
    ssize_t n;

    if (o->at == o->end)
        return SEND_DONE;
    n = send(fd, o->bytes + o->at, o->end - o->at, MSG_NOSIGNAL);
    (*calls)++;
    if (n < 0)
        return failure();
    o->at += (size_t)n;
    *sent += (size_t)n;
    return o->at == o->end ? SEND_DONE : SEND_BLOCKED;
}

enum send_status
outgoing_send(struct outgoing *o, int fd, struct slab *slab, size_t *sent,
    unsigned *calls)
{
    if (is_short(o))
        return send_short(o, fd, sent, calls);
    return send_all(o, send_plainly, &fd, slab, sent, calls);
}

enum send_status
outgoing_send_by(struct outgoing *o, send_fn send, void *to, struct slab *slab,
    size_t *sent, unsigned *calls)
{
    return send_all(o, send, to, slab, sent, calls);
}

size_t
outgoing_left(const struct outgoing *o)
{
    size_t left = o->end - o->at;

    for (size_t i = o->ref; i < o->ref_end; i++)
        left += o->refs[i].len;
    return left;
}

void
outgoing_drop(struct outgoing *o, struct slab *slab)
{
    for (; o->ref < o->ref_end; o->ref++)
        extent_unpin(slab, o->refs[o->ref].extent);
    o->at = o->end;
}

/* ---- what a client did not take yet -------------------------------------- */

/* Forget the bytes that are sent when they are most of the buffer. */
static void
compact(struct output *out)
{
    struct outgoing *rest = &out->rest;
    size_t gone = rest->at;

    if (gone < 64 * KIB || gone < out->bytes.len / 2)
        return;
    out->bytes.len -= gone;
    memmove(out->bytes.p, out->bytes.p + gone, out->bytes.len);
    rest->at = 0;
    out->n_refs -= rest->ref;
    for (size_t i = 0; i < out->n_refs; i++) {
        out->refs[i] = out->refs[rest->ref + i];
        out->refs[i].at -= gone;
    }
    rest->ref = 0;
}

static void
append_refs(struct output *out, const struct outgoing *o, size_t shift)
{
    size_t n = o->ref_end - o->ref;

    if (out->n_refs + n > out->cap_refs) {
        out->cap_refs = (out->n_refs + n) * 2;
        out->refs = xrealloc(out->refs, out->cap_refs * sizeof(*out->refs));
    }
    for (size_t i = 0; i < n; i++) {
        out->refs[out->n_refs] = o->refs[o->ref + i];
        out->refs[out->n_refs].at += shift;
        out->n_refs++;
    }
}

static void
point_rest(struct output *out)
{
    out->rest.bytes = out->bytes.p;
    out->rest.end = out->bytes.len;
    out->rest.refs = out->refs;
    out->rest.ref_end = out->n_refs;
    out->touched = MAX(out->touched, out->bytes.len);
}

void
output_append(struct output *out, const struct outgoing *o)
{
    compact(out);
    /* Unsigned wrap-around in the shift is meant: offsets come out right. */
    append_refs(out, o, out->bytes.len - o->at);
    buf_append(&out->bytes, o->bytes + o->at, o->end - o->at);
    point_rest(out);
}

void
output_steal(struct output *out, struct buf *bytes, const struct outgoing *o)
{
    ASSERT(out->bytes.p == NULL && o->bytes == bytes->p);
    append_refs(out, o, 0);
    out->bytes = *bytes;
    out->bytes.len = o->end;
    out->rest.at = o->at;
    *bytes = (struct buf){NULL, 0, 0};
    point_rest(out);
}

void
output_free(struct output *out, struct slab *slab)
{
    outgoing_drop(&out->rest, slab);
    buf_free(&out->bytes);
    free(out->refs);
}

size_t
output_memory(const struct output *out)
{
    return out->touched + out->cap_refs * sizeof(*out->refs);
}
