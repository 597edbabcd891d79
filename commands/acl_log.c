/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_log.c - what users were refused: the entries of ACL LOG, and counters.
 *
 * Like the slow log, one list under its own lock, charged to the memory budget.
 * A refusal that is like one of the latest ten, within a minute, only counts it
 * up. Any worker.
 */
#include "commands/acl.h"

#include <stdlib.h>
#include <sys/queue.h>

#define GROUP_MS 60000
#define GROUP_ENTRIES 10

/* No key is longer; names of channels and users are cut there. */
#define OBJECT_BYTES KS_MAX_KEY

struct entry {
    TAILQ_ENTRY(entry) link;
    uint64_t count;
    uint64_t wall_ms; /* of the last time */
    enum acl_denial denial;
    bool in_multi, in_script;
    struct buf object, user, client;
    size_t bytes; /* charged */
};

struct acl_log {
    pthread_mutex_t lock;
    TAILQ_HEAD(entries, entry) entries; /* [lock] the latest first */
    int64_t n;                          /* [lock] */
};

struct acl_log *
acl_log_new(void)
{
    struct acl_log *log = xcalloc(1, sizeof(*log));

    ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
    TAILQ_INIT(&log->entries);
    return log;
}

/* ---- entries ------------------------------------------------------------- */

static void
free_entry(struct entry *e)
{
    buf_free(&e->object);
    buf_free(&e->user);
    buf_free(&e->client);
    free(e);
}

/* [lock] */
static void
trim(struct acl_log *log, struct slab *slab, int64_t max)
{
    while (log->n > max) {
        struct entry *oldest = TAILQ_LAST(&log->entries, entries);

        TAILQ_REMOVE(&log->entries, oldest, link);
        log->n--;
        slab_uncharge(slab, oldest->bytes);
        free_entry(oldest);
    }
}

void
acl_log_free(struct acl_log *log, struct slab *slab)
{
    trim(log, slab, 0);
    ASSERT(pthread_mutex_destroy(&log->lock) == 0);
    free(log);
}

static void
copy_cut(struct buf *to, struct str s)
{
    buf_append(to, s.p, MIN(s.len, OBJECT_BYTES));
}

static struct str
object_of(const struct request *rq, enum acl_denial denial, int at)
{
    if (denial == ACL_DENIED_COMMAND)
        return str_of(rq->command->name);
    return arg_str(rq, at); /* for logins the word of the command */
}

static struct entry *
new_entry(
    struct request *rq, enum acl_denial denial, int at, const struct str *name)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct entry *e = xcalloc(1, sizeof(*e));
    struct client_view view;

    e->count = 1;
    e->wall_ms = clock_wall_ms();
    e->denial = denial;
    e->in_multi = LOAD(&rq->session->queued) >= 0;
    e->in_script = rq->thread->in_script;
    copy_cut(&e->object, object_of(rq, denial, at));
    copy_cut(&e->user,
        name != NULL ? *name : acl_word_str(&rq->session->user->name));
    host->self(host->ctx, rq->session, &view);
    client_append_line(&e->client, &view);
    e->bytes = sizeof(*e) + e->object.cap + e->user.cap + e->client.cap;
    return e;
}

static bool
same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || !memcmp(a->p, b->p, a->len));
}

static bool
is_like(const struct entry *a, const struct entry *b)
{
    uint64_t apart = a->wall_ms > b->wall_ms ? a->wall_ms - b->wall_ms
                                             : b->wall_ms - a->wall_ms;

    return a->denial == b->denial && a->in_multi == b->in_multi &&
        a->in_script == b->in_script &&
        apart <= GROUP_MS && same_bytes(&a->object, &b->object) &&
        same_bytes(&a->user, &b->user);
}

/* [lock] */
static struct entry *
find_like(struct acl_log *log, const struct entry *fresh)
{
    struct entry *e = TAILQ_FIRST(&log->entries);

    for (int i = 0; i < GROUP_ENTRIES && e != NULL; i++) {
        if (is_like(e, fresh))
            return e;
        e = TAILQ_NEXT(e, link);
    }
    return NULL;
}

/* Put the fresh entry in front, in place of one that is like it. [lock] */
static void
enter(struct acl_log *log, struct slab *slab, struct entry *fresh)
{
    struct entry *like = find_like(log, fresh);

    if (like != NULL) {
        fresh->count += like->count;
        TAILQ_REMOVE(&log->entries, like, link);
        log->n--;
        slab_uncharge(slab, like->bytes);
        free_entry(like);
    }
    slab_charge_force(slab, fresh->bytes);
    TAILQ_INSERT_HEAD(&log->entries, fresh, link);
    log->n++;
}

static void
count(struct command_metrics *m, enum acl_denial denial)
{
    switch (denial) {
    case ACL_DENIED_AUTH:
        METRIC_INC(m, auth_failures);
        break;
    case ACL_DENIED_COMMAND:
        METRIC_INC(m, acl_denied_commands);
        break;
    case ACL_DENIED_KEY:
        METRIC_INC(m, acl_denied_keys);
        break;
    case ACL_DENIED_CHANNEL:
        METRIC_INC(m, acl_denied_channels);
        break;
    case ACL_ALLOWED:
        UNREACHABLE();
    }
}

void
acl_log_note(
    struct request *rq, enum acl_denial denial, int at, const struct str *name)
{
    struct commands *c = rq->thread->commands;
    struct acl_log *log = c->state->acl_log;
    struct entry *fresh = new_entry(rq, denial, at, name);

    count(rq->thread->metrics, denial);
    pthread_mutex_lock(&log->lock);
    enter(log, ks_slab(c->ks), fresh);
    trim(log, ks_slab(c->ks), option_get_i64(&c->values->acllog_max_len));
    pthread_mutex_unlock(&log->lock);
}

/* ---- ACL LOG ------------------------------------------------------------- */

static void
reply_pair(struct reply *r, const char *name, const struct buf *value)
{
    reply_bulk_cstr(r, name);
    reply_bulk(r, (struct str){value->len > 0 ? value->p : "", value->len});
}

static void
reply_entry(struct reply *r, const struct entry *e, uint64_t now_ms)
{
    static const char *const reasons[] = {
        [ACL_DENIED_COMMAND] = "command",
        [ACL_DENIED_KEY] = "key",
        [ACL_DENIED_AUTH] = "auth",
        [ACL_DENIED_CHANNEL] = "channel",
    };
    uint64_t age_ms = now_ms > e->wall_ms ? now_ms - e->wall_ms : 0;

    reply_map(r, 7);
    reply_bulk_cstr(r, "count");
    reply_int(r, (int64_t)e->count);
    reply_bulk_cstr(r, "reason");
    reply_bulk_cstr(r, reasons[e->denial]);
    reply_bulk_cstr(r, "context");
    reply_bulk_cstr(r,
        e->in_script ? "lua" : e->in_multi ? "multi" : "toplevel");
    reply_pair(r, "object", &e->object);
    reply_pair(r, "username", &e->user);
    reply_bulk_cstr(r, "age-seconds");
    reply_double(r, (double)age_ms / 1000);
    reply_pair(r, "client-info", &e->client);
}

void
acl_log_reply(struct request *rq, int64_t count_asked)
{
    struct acl_log *log = rq->thread->commands->state->acl_log;
    uint64_t now_ms = clock_wall_ms();
    struct entry *e;
    int64_t n;

    pthread_mutex_lock(&log->lock);
    n = MIN(MAX(count_asked, 0), log->n);
    reply_array(rq->reply, (size_t)n);
    e = TAILQ_FIRST(&log->entries);
    for (; n > 0; n--, e = TAILQ_NEXT(e, link))
        reply_entry(rq->reply, e, now_ms);
    pthread_mutex_unlock(&log->lock);
}

void
acl_log_reset(struct commands *c)
{
    struct acl_log *log = c->state->acl_log;

    pthread_mutex_lock(&log->lock);
    trim(log, ks_slab(c->ks), 0);
    pthread_mutex_unlock(&log->lock);
}
