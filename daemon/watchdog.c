/* SPDX-License-Identifier: BSD-3-Clause */
/* watchdog.c - feeds the service manager's watchdog while every worker moves.
 *
 * Four times in its period the main thread looks whether each worker has turned
 * its loop since the last look, and only then feeds; then it wakes them all, so
 * that an idle worker turns too. A worker that hangs in a command or waits for
 * a lock stops the feeding, and so does a main thread that hangs.
 */
#include "daemon/internal.h"

#include <stdlib.h>

#define LOOKS_PER_PERIOD 4

struct watchdog {
    struct ashlard *daemon;
    struct event *timer;
    uint64_t turns[MAX_WORKERS]; /* at the last look */
};

static bool
all_have_moved(struct watchdog *dog)
{
    const struct ashlard *d = dog->daemon;
    bool moved = true;

    for (unsigned i = 0; i < d->n_workers; i++) {
        uint64_t turns =
            atomic_load_explicit(&d->workers[i]->turns, memory_order_relaxed);

        if (turns == dog->turns[i]) {
            log_debug("worker does not move worker=%u", i);
            moved = false;
        }
        dog->turns[i] = turns;
    }
    return moved;
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
    struct watchdog *dog = arg;
    const struct ashlard *d = dog->daemon;

    (void)fd;
    (void)what;
    if (all_have_moved(dog))
        notify_feed(d->notify);
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_wake(d->workers[i]);
}

struct watchdog *
watchdog_start(struct ashlard *d)
{
    uint64_t look_us = notify_watchdog_us(d->notify) / LOOKS_PER_PERIOD;
    struct timeval period = {
        (time_t)(look_us / 1000000), (suseconds_t)(look_us % 1000000)};
    struct watchdog *dog;

    if (look_us == 0)
        return NULL;
    dog = xcalloc(1, sizeof(*dog));
    dog->daemon = d;
    dog->timer = event_new(d->base, -1, EV_PERSIST, on_look, dog);
    ASSERT(dog->timer != NULL && event_add(dog->timer, &period) == 0);
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_wake(d->workers[i]);
    return dog;
}

void
watchdog_free(struct watchdog *dog)
{
    event_free(dog->timer);
    free(dog);
}
