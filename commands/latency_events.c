/* SPDX-License-Identifier: BSD-3-Clause */
/* latency_events.c - commands that took longer than latency-monitor-threshold:
 * the worst of each second, for the latest 160 seconds that had any.
 *
 * Two events, as Redis names them: "command" and "fast-command". Shared by all
 * workers under a lock, which is taken only for a command that was slow, and by
 * LATENCY.
 */
#include "commands/internal.h"

#include <stdlib.h>

struct latency_events {
    pthread_mutex_t lock;                        /* a leaf in the lock order */
    struct latency_event events[LATENCY_EVENTS]; /* [lock] */
};

static const char *const event_names[LATENCY_EVENTS] = {
    "command", "fast-command"};

struct latency_events *
latency_events_new(void)
{
    struct latency_events *log = xcalloc(1, sizeof(*log));

    ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
    return log;
}

void
latency_events_free(struct latency_events *log)
{
    ASSERT(pthread_mutex_destroy(&log->lock) == 0);
    free(log);
}

const char *
latency_event_name(int event)
{
    return event_names[event];
}

int
latency_event_find(struct str name)
{
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        if (str_eq(name, str_of(event_names[i])))
            return i;
    }
    return -1;
}

static void
add_sample(struct latency_event *e, uint64_t now_s, uint64_t ms)
{
    struct latency_sample *last =
        &e->samples[(e->n + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];

    e->max_ms = MAX(e->max_ms, ms);
    if (e->n > 0 && last->wall_s == now_s) {
        last->ms = MAX(last->ms, ms);
        return;
    }
    e->samples[e->n++ % LATENCY_SAMPLES] = (struct latency_sample){now_s, ms};
}

void
latency_note(const struct request *rq, uint64_t duration_ns)
{
    const struct commands *c = rq->thread->commands;
    int64_t threshold = option_get_i64(&c->values->latency_monitor_threshold);
    struct latency_events *log = c->state->latency;
    uint64_t ms = duration_ns / 1000000;
    int event = rq->command->flags & CMD_FAST ? 1 : 0;

    if (threshold == 0 || ms < (uint64_t)threshold)
        return;
    clock_refresh(); /* it was slow: the time of the batch is old */
    pthread_mutex_lock(&log->lock);
    add_sample(&log->events[event], clock_wall_ms() / 1000, ms);
    pthread_mutex_unlock(&log->lock);
}

void
latency_event_read(
    struct latency_events *log, int event, struct latency_event *out)
{
    pthread_mutex_lock(&log->lock);
    *out = log->events[event];
    pthread_mutex_unlock(&log->lock);
}

bool
latency_event_reset(struct latency_events *log, int event)
{
    bool had;

    pthread_mutex_lock(&log->lock);
    had = log->events[event].n > 0;
    log->events[event] = (struct latency_event){0};
    pthread_mutex_unlock(&log->lock);
    return had;
}
