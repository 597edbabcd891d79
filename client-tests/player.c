/* SPDX-License-Identifier: BSD-3-Clause */
/* player.c - one connection that plays its share of a trace.
 *
 * Requests go out in batches. The SETs of the keys that a batch missed stand at
 * the head of the next one, and a batch ends before a key that it has already,
 * so that a key's commands have the order that a patient client would give
 * them. Bytes go both ways at once: a server may stop reading from a client
 * that does not read, and a batch of large values fits no socket buffer.
 */
#include "client-tests/player.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client-tests/pattern.h"

#define BUFFER ((size_t)256 << 10)
#define MAX_MESSAGES 5
/* How far a player may be ahead of the slowest: keeps the trace in order. */
#define MAX_LEAD 10000
/* The server looks at the clock once per batch of its own. */
#define LATE_MS 100

struct op {
    uint32_t key;
    uint32_t generation; /* of the value that a SET brings; 0: a GET */
};

static bool
is_set(const struct op *op)
{
    return op->generation != 0;
}

enum reading {
    READ_LINE,
    READ_VALUE,
    READ_VALUE_END
};

struct player {
    const struct play *p;
    struct play_counts *counts;
    int fd;
    unsigned messages;
    bool broken;

    struct op *ops; /* the batch: [0, n_ops) */
    size_t n_ops;
    struct op *missed; /* to be set by the next batch */
    size_t n_missed;
    uint32_t *seen; /* of each key: the last batch that held it */
    uint32_t batch_number;
    uint32_t sent_ms; /* when the batch began to go out */

    size_t send_op;   /* the op that goes out */
    size_t send_at;   /* bytes of its value that are out */
    bool send_opened; /* its header is out */
    char *out;
    size_t out_pos, out_len;

    size_t reply_op; /* the op whose reply comes in */
    enum reading reading;
    size_t value_len, value_at, value_wrong;
    char *in;
    size_t in_pos, in_len;
};

static uint32_t
elapsed_ms(const struct play *p)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)(((double)t.tv_sec + (double)t.tv_nsec / 1e9 -
                          p->start_s) *
               1000) +
        1;
}

static void complain(struct player *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
complain(struct player *w, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (w->messages++ >= MAX_MESSAGES)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "replay: %s\n", text);
}

static void
broken(struct player *w, const char *why)
{
    w->broken = true;
    w->counts->errors++;
    complain(w, "connection lost: %s", why);
}

/* ---- keys and values ---------------------------------------------------- */

static size_t
value_len(const struct play *p, uint32_t key)
{
    return (size_t)((double)p->trace->keys[key].value_bytes * p->value_scale);
}

static uint64_t
value_seed(uint32_t key, uint32_t generation)
{
    return (uint64_t)key << 32 | generation;
}

static struct op
new_set(const struct play *p, uint32_t key)
{
    return (struct op){key, ++p->issued[key]};
}

/* The key of a number: the number, and letters up to the length in the trace
 * (a shorter one is exceeded where the number needs it). */
static size_t
write_key(const struct play *p, uint32_t key, char *out)
{
    size_t want = p->trace->keys[key].key_bytes;
    size_t len = (size_t)sprintf(out, "key:%x", key);

    if (want < len)
        len = (size_t)sprintf(out, "%x", key);
    if (want > len)
        out[len++] = ':';
    while (len < want) {
        out[len] = (char)('a' + (key + len) % 26);
        len++;
    }
    return len;
}

/* Milliseconds to live, 0 for ever. */
static uint32_t
ttl_ms(const struct play *p, uint32_t key)
{
    double ms = p->trace->keys[key].ttl_s * 1000.0 / p->ttl_divisor;

    return ms > 0 && ms < 1 ? 1 : (uint32_t)ms;
}

/* ---- out ---------------------------------------------------------------- */

/* The command up to the value, or all of a GET; at most 70 KiB. */
static size_t
write_command(const struct player *w, const struct op *op, char *out)
{
    const struct play *p = w->p;
    char key[70000];
    size_t key_len = write_key(p, op->key, key), n;
    int n_words = 2;

    if (is_set(op))
        n_words = ttl_ms(p, op->key) > 0 ? 5 : 3;
    n = (size_t)sprintf(out, "*%d\r\n$3\r\n%s\r\n$%zu\r\n", n_words,
        is_set(op) ? "SET" : "GET", key_len);
    memcpy(out + n, key, key_len);
    n += key_len;
    out[n++] = '\r';
    out[n++] = '\n';
    if (is_set(op))
        n += (size_t)sprintf(out + n, "$%zu\r\n", value_len(p, op->key));
    return n;
}

/* What follows the value of a SET. */
static size_t
write_end(const struct player *w, const struct op *op, char *out)
{
    char ms[16];
    uint32_t ttl = ttl_ms(w->p, op->key);

    if (ttl == 0)
        return (size_t)sprintf(out, "\r\n");
    snprintf(ms, sizeof(ms), "%u", ttl);
    return (size_t)sprintf(
        out, "\r\n$2\r\nPX\r\n$%zu\r\n%s\r\n", strlen(ms), ms);
}

/* Fill the empty output buffer with the next bytes of the batch. */
static void
fill_output(struct player *w)
{
    w->out_pos = w->out_len = 0;
    while (w->send_op < w->n_ops && w->out_len + 80000 < BUFFER) {
        struct op *op = &w->ops[w->send_op];
        size_t len = is_set(op) ? value_len(w->p, op->key) : 0, n;

        if (!w->send_opened) {
            w->out_len += write_command(w, op, w->out + w->out_len);
            w->send_opened = true;
            w->send_at = 0;
        }
        n = MIN(len - w->send_at, BUFFER - 1024 - w->out_len);
        pattern_fill(w->out + w->out_len, n,
            value_seed(op->key, op->generation), w->send_at);
        w->out_len += n;
        w->send_at += n;
        if (w->send_at < len)
            return;
        if (is_set(op))
            w->out_len += write_end(w, op, w->out + w->out_len);
        w->send_opened = false;
        w->send_op++;
    }
}

/* Send what the socket takes. */
static void
send_some(struct player *w)
{
    ssize_t n;

    if (w->out_pos == w->out_len)
        fill_output(w);
    n = send(w->fd, w->out + w->out_pos, w->out_len - w->out_pos, MSG_NOSIGNAL);
    if (n > 0)
        w->out_pos += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        broken(w, strerror(errno));
}

static bool
all_sent(const struct player *w)
{
    return w->send_op == w->n_ops && w->out_pos == w->out_len;
}

/* ---- in ----------------------------------------------------------------- */

/* A value's reply has come to its end. */
static void
finish_hit(struct player *w, const struct op *op)
{
    const struct play *p = w->p;
    size_t expected = value_len(p, op->key);
    uint32_t deadline = p->deadline_ms[op->key];

    w->counts->hits++;
    w->counts->hit_bytes += w->value_len;
    if (w->value_len != expected)
        w->value_wrong += expected > w->value_len ? expected - w->value_len : 0;
    if (w->value_wrong > 0) {
        w->counts->wrong_bytes += w->value_wrong;
        w->counts->wrong_values++;
        complain(w, "key %u, SET %u times: %zu wrong bytes in %zu of %zu",
            op->key, p->stored[op->key], w->value_wrong, w->value_len,
            expected);
    }
    if (deadline != 0 && w->sent_ms > deadline + LATE_MS) {
        w->counts->late++;
        complain(w, "key %u is there %u ms after its time", op->key,
            w->sent_ms - deadline);
    }
    w->reply_op++;
}

static void
finish_set(struct player *w, const struct op *op, const char *line)
{
    const struct play *p = w->p;
    uint32_t ttl = ttl_ms(p, op->key);

    w->counts->sets++;
    w->reply_op++;
    if (strcmp(line, "+OK") != 0) {
        w->counts->errors++;
        complain(w, "SET of %zu bytes: %s", value_len(p, op->key), line);
        return;
    }
    p->stored[op->key] = op->generation;
    p->deadline_ms[op->key] = ttl == 0 ? 0 : elapsed_ms(p) + ttl;
}

/* Take in the first line of a reply. */
static void
begin_reply(struct player *w, const char *line)
{
    const struct op *op = &w->ops[w->reply_op];

    if (is_set(op)) {
        finish_set(w, op, line);
        return;
    }
    w->counts->gets++;
    w->counts->get_bytes += value_len(w->p, op->key);
    if (line[0] == '$' && line[1] != '-') {
        w->value_len = strtoull(line + 1, NULL, 10);
        w->value_at = w->value_wrong = 0;
        w->reading = READ_VALUE;
        return;
    }
    if (strcmp(line, "$-1") == 0) {
        w->missed[w->n_missed++] = new_set(w->p, op->key);
    } else {
        w->counts->errors++;
        complain(w, "GET: %s", line);
    }
    w->reply_op++;
}

static bool
take_line(struct player *w)
{
    char *start = w->in + w->in_pos;
    char *end = memchr(start, '\n', w->in_len - w->in_pos);

    if (end == NULL) {
        if (w->in_len - w->in_pos > 4096)
            broken(w, "a reply that is none");
        return false;
    }
    w->in_pos += (size_t)(end - start) + 1;
    end[end > start && end[-1] == '\r' ? -1 : 0] = '\0';
    begin_reply(w, start);
    return true;
}

static bool
take_value(struct player *w)
{
    const struct op *op = &w->ops[w->reply_op];
    size_t expected = value_len(w->p, op->key);
    size_t n = MIN(w->in_len - w->in_pos, w->value_len - w->value_at);
    size_t known = w->value_at < expected ? MIN(n, expected - w->value_at) : 0;

    w->value_wrong += n - known;
    w->value_wrong += pattern_wrong(w->in + w->in_pos, known,
        value_seed(op->key, w->p->stored[op->key]), w->value_at);
    w->in_pos += n;
    w->value_at += n;
    if (w->value_at < w->value_len)
        return false;
    w->reading = READ_VALUE_END;
    return true;
}

static bool
take_value_end(struct player *w)
{
    if (w->in_len - w->in_pos < 2)
        return false;
    if (memcmp(w->in + w->in_pos, "\r\n", 2) != 0) {
        broken(w, "no CRLF after a value");
        return false;
    }
    w->in_pos += 2;
    w->reading = READ_LINE;
    finish_hit(w, &w->ops[w->reply_op]);
    return true;
}

/* Take in what has come. */
static void
receive_some(struct player *w)
{
    ssize_t n;
    bool more = true;

    memmove(w->in, w->in + w->in_pos, w->in_len - w->in_pos);
    w->in_len -= w->in_pos;
    w->in_pos = 0;
    n = recv(w->fd, w->in + w->in_len, BUFFER - w->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        broken(w, n == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    w->in_len += (size_t)n;
    while (more && !w->broken && w->reply_op < w->n_ops)
        more = w->reading == READ_LINE ? take_line(w)
            : w->reading == READ_VALUE ? take_value(w)
                                       : take_value_end(w);
}

/* ---- batches ------------------------------------------------------------ */

static void
run_batch(struct player *w)
{
    w->send_op = w->reply_op = 0;
    w->sent_ms = elapsed_ms(w->p);
    while (w->reply_op < w->n_ops && !w->broken) {
        struct pollfd poll_fd = {.fd = w->fd, .events = POLLIN};
        int n;

        if (!all_sent(w)) {
            send_some(w);
            if (!all_sent(w))
                poll_fd.events |= POLLOUT;
        }
        n = poll(&poll_fd, 1, 60000);
        if (n == 0)
            broken(w, "no reply within 60 s");
        if (n > 0 && poll_fd.revents & ~POLLOUT && !w->broken)
            receive_some(w);
    }
    w->n_ops = 0;
}

/* The next batch begins with the SETs that the last one owes. */
static void
begin_batch(struct player *w)
{
    w->batch_number++;
    memcpy(w->ops, w->missed, w->n_missed * sizeof(*w->ops));
    w->n_ops = w->n_missed;
    w->n_missed = 0;
}

/* Wait until the slowest player has come near. */
static void
keep_pace(const struct play *p, unsigned player, uint32_t at)
{
    struct timespec pause = {0, 100000};

    atomic_store_explicit(&p->position[player], at, memory_order_relaxed);
    for (unsigned i = 0; i < p->n_players; i++)
        while (at > MAX_LEAD &&
            atomic_load_explicit(&p->position[i], memory_order_relaxed) <
                at - MAX_LEAD)
            nanosleep(&pause, NULL);
}

/* Whose is a key? Spread by a hash, as ranks are not evenly spread. */
static unsigned
owner(const struct play *p, uint32_t key)
{
    return (unsigned)((uint64_t)(key * 2654435761u) * p->n_players >> 32);
}

static void
play_requests(struct player *w, unsigned player)
{
    const struct play *p = w->p;
    size_t n_new = 0;

    begin_batch(w);
    for (uint32_t i = 0; i < p->n_requests && !w->broken; i++) {
        uint32_t key = p->trace->requests[i] & ~TRACE_SET;

        if (i % 1024 == 0)
            keep_pace(p, player, i);
        if (owner(p, key) != player)
            continue;
        if (n_new == p->batch || w->seen[key] == w->batch_number) {
            run_batch(w);
            begin_batch(w);
            n_new = 0;
            keep_pace(p, player, i);
        }
        w->seen[key] = w->batch_number;
        w->ops[w->n_ops++] = p->trace->requests[i] & TRACE_SET
            ? new_set(p, key)
            : (struct op){.key = key};
        n_new++;
    }
    for (int i = 0; i < 2 && !w->broken; i++) { /* the SETs of the last one */
        run_batch(w);
        begin_batch(w);
    }
    atomic_store(&p->position[player], UINT32_MAX);
}

void
play_share(
    const struct play *p, unsigned player, int fd, struct play_counts *counts)
{
    struct player w = {.p = p, .counts = counts, .fd = fd};

    fcntl(fd, F_SETFL, O_NONBLOCK);
    w.ops = xcalloc(2 * p->batch, sizeof(*w.ops));
    w.missed = xcalloc(2 * p->batch, sizeof(*w.missed));
    w.seen = xcalloc(p->trace->n_keys, sizeof(*w.seen));
    w.out = xcalloc(1, BUFFER);
    w.in = xcalloc(1, BUFFER);
    play_requests(&w, player);
    free(w.ops);
    free(w.missed);
    free(w.seen);
    free(w.out);
    free(w.in);
    close(fd);
}
