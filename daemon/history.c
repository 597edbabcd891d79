/* SPDX-License-Identifier: BSD-3-Clause */
/* history.c - a sample every ten seconds, for the last hour: what the status
 * page draws. 40 KiB, whatever happens.
 *
 * The maintenance thread notes, the metrics thread copies.
 */
#include "daemon/monitor.h"

void
history_init(struct history *h)
{
    memset(h, 0, sizeof(*h));
    pthread_mutex_init(&h->lock, NULL);
}

void
history_free(struct history *h)
{
    pthread_mutex_destroy(&h->lock);
}

bool
history_due(struct history *h)
{
    const uint64_t step_us = HISTORY_STEP_S * 1000000;
    uint64_t now_us = clock_mono_us();

    if (now_us < h->next_us)
        return false;
    /* At even steps, unless the thread was kept from running. */
    h->next_us += step_us;
    if (h->next_us <= now_us)
        h->next_us = now_us + step_us;
    return true;
}

void
history_note(struct history *h, const struct history_point *p)
{
    pthread_mutex_lock(&h->lock);
    h->points[h->n % HISTORY_POINTS] = *p;
    h->n++;
    pthread_mutex_unlock(&h->lock);
}

unsigned
history_copy(struct history *h, struct history_point *out)
{
    unsigned n, first;

    pthread_mutex_lock(&h->lock);
    n = MIN(h->n, HISTORY_POINTS);
    first = h->n - n;
    for (unsigned i = 0; i < n; i++)
        out[i] = h->points[(first + i) % HISTORY_POINTS];
    pthread_mutex_unlock(&h->lock);
    return n;
}
