/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor.c - MONITOR: a line for each command of any client. Any worker.
 *
 * Commands that administer are not shown, as in Redis, and passwords neither.
 */
#include "commands/monitor.h"
#include "commands/notify.h"
#include "commands/pubsub.h"

#include <stdlib.h>
#include <sys/time.h>

struct monitors {
    _Atomic uint32_t on[COMMANDS_MAX_WORKERS]; /* sessions that monitor */
    _Atomic uint32_t n;
};

struct monitors *
monitors_new(void)
{
    return xcalloc(1, sizeof(struct monitors));
}

void
monitors_free(struct monitors *m)
{
    ASSERT(m->n == 0);
    free(m);
}

/* ---- lines --------------------------------------------------------------- */

struct line {
    struct pubsub_message head;
    size_t len;
    char bytes[]; /* without the first, '+' */
};

static void
deliver(struct command_thread *t, const struct pubsub_message *message)
{
    const struct line *line = (const struct line *)message;
    const struct command_host *host = &t->commands->host;

    for (struct session *s = t->first_monitor; s != NULL; s = s->next_monitor)
        host->send(host->ctx, s, '+', (struct str){line->bytes, line->len});
}

static void
append_char(struct buf *out, unsigned char c)
{
    static const char plain[] = "\\\"\n\r\t\a\b", shown[] = "\\\"nrtab";
    const char *at = c == '\0' ? NULL : strchr(plain, c);

    if (at != NULL)
        buf_printf(out, "\\%c", shown[at - plain]);
    else if (c >= ' ' && c <= '~')
        buf_append(out, &c, 1);
    else
        buf_printf(out, "\\x%02x", c);
}

static void
append_quoted(struct buf *out, struct str s)
{
    buf_append(out, "\"", 1);
    for (size_t i = 0; i < s.len; i++)
        append_char(out, (unsigned char)s.p[i]);
    buf_append(out, "\"", 1);
}

static void
write_line(const struct request *rq, struct buf *out)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct client_view view;
    struct timeval now;

    gettimeofday(&now, NULL);
    host->self(host->ctx, rq->session, &view);
    if (rq->thread->in_script) {
        strcpy(view.addr, "lua");
        view.is_unix = false;
    }
    buf_printf(out, "%lld.%06ld [%u %s", (long long)now.tv_sec,
        (long)now.tv_usec, LOAD(&rq->session->db), view.is_unix ? "unix:" : "");
    if (view.is_unix) /* the path, without the port that is none */
        view.addr[strlen(view.addr) - 2] = '\0';
    buf_printf(out, "%s] ", view.addr);
    for (int i = 0; i < rq->argc; i++) {
        append_quoted(
            out, arg_is_secret(rq, i) ? STR("(redacted)") : arg_str(rq, i));
        if (i + 1 < rq->argc)
            buf_append(out, " ", 1);
    }
    buf_append(out, "\r\n", 2);
}

bool
monitor_comes_after(const struct command *row)
{
    return row->handler == cmd_exec;
}

void
monitor_show(struct request *rq)
{
    struct commands *c = rq->thread->commands;
    struct monitors *m = c->state->monitors;
    struct buf text = {0};
    struct line *line;

    if (rq->command->flags & CMD_ADMIN)
        return;
    write_line(rq, &text);
    line = (struct line *)pubsub_message_new(
        ks_slab(c->ks), sizeof(*line) + text.len, deliver);
    if (line != NULL) {
        line->len = text.len;
        memcpy(line->bytes, text.p, text.len);
        for (unsigned i = 0; i < ARRAY_LEN(m->on); i++)
            if (LOAD(&m->on[i]) > 0)
                c->host.post(c->host.ctx, rq->thread->worker, i, &line->head);
        pubsub_message_drop(&line->head);
    }
    buf_free(&text);
}

/* ---- on and off ---------------------------------------------------------- */

static void
count_monitor(struct command_thread *t, bool on)
{
    struct monitors *m = t->commands->state->monitors;

    if (on) {
        atomic_fetch_add_explicit(&m->on[t->worker], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->n, 1, memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&m->on[t->worker], 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&m->n, 1, memory_order_relaxed);
    }
    do { /* others may begin or end meanwhile */
        on = LOAD(&m->n) > 0;
        commands_activate(t->commands, ACTIVE_MONITOR, on);
    } while (on != (LOAD(&m->n) > 0));
}

/* In a transaction a client waits for one reply to each command. One that
 * monitors already gets no reply, as from Redis. */
void
cmd_monitor(struct request *rq)
{
    struct session *s = rq->session;

    if (LOAD(&s->queued) >= 0) {
        reply_error(
            rq->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if (LOAD(&s->monitors))
        return;
    STORE(&s->monitors, true);
    s->next_monitor = rq->thread->first_monitor;
    rq->thread->first_monitor = s;
    count_monitor(rq->thread, true);
    reply_ok(rq->reply);
}

void
monitor_stop(struct command_thread *t, struct session *s)
{
    struct session **at = &t->first_monitor;

    if (likely(!LOAD(&s->monitors)))
        return;
    while (*at != s)
        at = &(*at)->next_monitor;
    *at = s->next_monitor;
    s->next_monitor = NULL;
    STORE(&s->monitors, false);
    count_monitor(t, false);
}
