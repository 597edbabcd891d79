/* SPDX-License-Identifier: BSD-3-Clause */
/* notify.c - messages about keys on __keyspace@N__ and __keyevent@N__ channels;
 * see notify.h for the way of an event. Any worker, and the maintenance thread.
 */
#include "commands/notify.h"
#include "commands/pubsub.h"
#include "commands/tracking.h"

#define LIST_KEEP (64 * KIB)

static const struct {
    char letter;
    unsigned flags;
} letters[] = {
    /* in the order of CONFIG GET; "A" stands for those before K */
    {'A', NOTIFY_ALL},
    {'g', NOTIFY_GENERIC},
    {'$', NOTIFY_STRING},
    {'l', NOTIFY_LIST},
    {'s', NOTIFY_SET},
    {'h', NOTIFY_HASH},
    {'z', NOTIFY_ZSET},
    {'x', NOTIFY_EXPIRED},
    {'e', NOTIFY_EVICTED},
    {'t', NOTIFY_STREAM},
    {'d', NOTIFY_MODULE},
    {'n', NOTIFY_NEW},
    {'K', NOTIFY_KEYSPACE},
    {'E', NOTIFY_KEYEVENT},
    {'m', NOTIFY_MISS},
};

/* What the keyspace says by itself. */
static const struct {
    const char *event;
    enum notify_class class;
} of_kind[] = {
    [KS_EVENT_NEW] = {"new", NOTIFY_NEW},
    [KS_EVENT_CHANGED] = {NULL, 0}, /* the command has a name for it */
    [KS_EVENT_DELETED] = {NULL, 0},
    [KS_EVENT_EXPIRED] = {"expired", NOTIFY_EXPIRED},
    [KS_EVENT_EVICTED] = {"evicted", NOTIFY_EVICTED},
    [KS_EVENT_MISS] = {"keymiss", NOTIFY_MISS},
};

/* ---- the directive ------------------------------------------------------- */

bool
notify_parse(const char *text, unsigned *flags)
{
    *flags = 0;
    for (; *text != '\0'; text++) {
        size_t i;

        for (i = 0; i < ARRAY_LEN(letters); i++)
            if (letters[i].letter == *text)
                break;
        if (i == ARRAY_LEN(letters))
            return false;
        *flags |= letters[i].flags;
    }
    return true;
}

void
notify_print(unsigned flags, struct buf *out)
{
    bool all = (flags & NOTIFY_ALL) == NOTIFY_ALL;

    for (size_t i = all ? 0 : 1; i < ARRAY_LEN(letters); i++) {
        unsigned one = letters[i].flags;

        if (all && i > 0 && one & (NOTIFY_ALL | NOTIFY_NEW))
            continue;
        if ((flags & one) == one)
            buf_append(out, &letters[i].letter, 1);
    }
}

/* Without K and E nobody hears of anything. */
void
notify_configure(struct commands *c)
{
    struct buf text = {0};
    unsigned flags = 0, kinds = 0;

    if (c->options != NULL)
        options_copy_string(
            c->options, &c->values->notify_keyspace_events, &text);
    buf_append(&text, "", 1);
    (void)notify_parse(text.p, &flags); /* was checked */
    buf_free(&text);
    if (!(flags & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)))
        flags = 0;
    for (unsigned kind = 0; kind < ARRAY_LEN(of_kind); kind++)
        if (of_kind[kind].class & flags)
            kinds |= 1u << kind;
    STORE(&c->state->notify_flags, flags);
    ks_observe(c->ks, OBSERVER_NOTIFY, kinds);
    commands_activate(c, ACTIVE_NOTIFY, flags != 0);
}

const char *
command_option_check(const struct option *row, const char *value)
{
    unsigned flags;

    if (strcmp(row->name, "notify_keyspace_events") == 0 &&
        !notify_parse(value, &flags))
        return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    return NULL;
}

/* ---- the list ------------------------------------------------------------ */

/* In front of a key's bytes. */
struct pending_head {
    const char *event;
    uint32_t kind, class, db, len;
};

static void
add(struct command_thread *t, struct pending_head head, struct str key)
{
    head.len = (uint32_t)key.len;
    buf_append(&t->events, &head, sizeof(head));
    buf_append(&t->events, key.p, key.len);
}

bool
events_next(const struct buf *list, size_t *at, struct pending_event *out)
{
    struct pending_head head;

    if (*at >= list->len)
        return false;
    memcpy(&head, list->p + *at, sizeof(head));
    *at += sizeof(head);
    *out = (struct pending_event){.event = head.event,
        .kind = (enum ks_event_kind)head.kind,
        .class = (enum notify_class)head.class,
        .db = head.db,
        .key = {list->p + *at, head.len}};
    *at += head.len;
    return true;
}

struct gathering {
    struct command_thread *thread;
    bool misses; /* wanted */
};

static void
take_event(void *ctx, const struct ks_event *e)
{
    const struct gathering *g = ctx;
    struct pending_head head = {.kind = (uint32_t)e->kind, .db = e->db};

    if (e->kind != KS_EVENT_MISS || g->misses)
        add(g->thread, head, e->name);
}

/* Commands that look at a key without asking for its value say nothing when
 * there is none, nor does one that is about to write it. */
static bool
tells_misses(const struct request *rq)
{
    const char *name = rq->command->name;

    if (strncmp(name, "object|", 7) == 0 || strcmp(name, "memory|usage") == 0)
        return false;
    if (rq->command->handler != cmd_bitfield)
        return true;
    for (int i = 2; i < rq->argc; i++)
        if (arg_is(rq, i, "set") || arg_is(rq, i, "incrby"))
            return false;
    return true;
}

void
events_gather(struct request *rq)
{
    struct gathering g = {rq->thread, true};

    if (!ks_has_events(rq->thread->ks))
        return;
    g.misses = tells_misses(rq);
    ks_events(rq->thread->ks, take_event, &g);
}

void
notify_event(struct request *rq, enum notify_class class, const char *event,
    const struct ks_key *key)
{
    struct command_thread *t = rq->thread;
    unsigned flags = LOAD(&t->commands->state->notify_flags);

    events_gather(rq);
    if (flags & class)
        add(t,
            (struct pending_head){
                .event = event, .class = class, .db = key->db},
            key->name);
}

void
notify_stored(
    struct request *rq, const struct ks_key *key, uint64_t expire_ms)
{
    if (likely(!(commands_active(rq->thread->commands) & ACTIVE_NOTIFY)))
        return;
    notify_event(rq, NOTIFY_STRING, "set", key);
    if (expire_ms == KS_NO_EXPIRY || expire_ms == KS_KEEP_TTL)
        return;
    notify_event(rq, NOTIFY_GENERIC, "expire", key);
    if (expire_ms <= clock_wall_ms()) /* nothing was stored */
        notify_event(rq, NOTIFY_EXPIRED, "expired", key);
}

/* ---- to the channels ----------------------------------------------------- */

static void
publish_on(struct command_thread *t, const char *space, unsigned db,
    struct str name, struct str payload)
{
    struct buf *channel = &t->scratch;

    channel->len = 0;
    buf_printf(channel, "__%s@%u__:", space, db);
    buf_append(channel, name.p, name.len);
    if (pubsub_publish(t, NULL, CHANNEL_PLAIN,
            (struct str){channel->p, channel->len}, payload, NULL) < 0)
        log_error("no memory for a keyspace notification");
}

static void
publish_event(struct command_thread *t, const struct pending_event *e)
{
    unsigned flags = LOAD(&t->commands->state->notify_flags);
    const char *event = e->event;
    enum notify_class class = e->class;

    if (event == NULL) {
        event = of_kind[e->kind].event;
        class = of_kind[e->kind].class;
    }
    if (event == NULL || !(flags & class))
        return;
    if (flags & NOTIFY_KEYSPACE)
        publish_on(t, "keyspace", e->db, e->key, str_of(event));
    if (flags & NOTIFY_KEYEVENT)
        publish_on(t, "keyevent", e->db, str_of(event), e->key);
}

void
events_publish(struct command_thread *t, struct session *s)
{
    unsigned active = commands_active(t->commands);
    struct pending_event e;
    size_t at = 0;

    if (t->events.len == 0)
        return;
    if (active & ACTIVE_TRACKING)
        tracking_changed(t, s);
    while (active & ACTIVE_NOTIFY && events_next(&t->events, &at, &e))
        publish_event(t, &e);
    t->events.len = t->events_tracked = 0;
    if (t->events.cap > LIST_KEEP)
        buf_free(&t->events);
}

/* What the thread did outside of commands, or while the wish for events came
 * and went. */
void
command_thread_poll(struct command_thread *t)
{
    struct gathering g = {t, true};

    if (likely(!ks_has_events(t->ks)))
        return;
    ks_events(t->ks, take_event, &g);
    events_publish(t, NULL);
}

void
commands_poll(struct commands *c, struct ks_thread *ks)
{
    struct command_thread t = {
        .commands = c, .ks = ks, .worker = COMMANDS_NO_WORKER};

    if (unlikely(commands_active(c) & ACTIVE_PAUSE))
        (void)commands_pause_ms(c);
    command_thread_poll(&t);
    buf_free(&t.events);
    buf_free(&t.scratch);
}
