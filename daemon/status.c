/* SPDX-License-Identifier: BSD-3-Clause */
/* status.c - the line that `systemctl status` shows. Any thread. */
#include "daemon/internal.h"

static void
append_problem(struct ashlard *d, struct buf *out)
{
    pthread_mutex_lock(&d->config_lock);
    if (d->reload_problem.len > 0)
        buf_printf(out, "; configuration not reloaded: %.*s",
            (int)d->reload_problem.len, d->reload_problem.p);
    pthread_mutex_unlock(&d->config_lock);
}

static void
append_hit_ratio(const struct ks_metrics *m, struct buf *out)
{
    uint64_t looks = m->hits + m->misses;

    if (looks > 0)
        buf_printf(out, ", hit ratio %.1f %%",
            100.0 * (double)m->hits / (double)looks);
}

void
status_append(struct ashlard *d, struct buf *out)
{
    size_t used = slab_used(d->slab), limit = slab_limit(d->slab);
    unsigned clients = LOAD(&d->n_clients);
    struct ks_metrics m;

    ks_metrics(d->ks, &m);
    buf_printf(out,
        "serving %u client%s: %llu items, %.1f of %.1f MiB (%zu %%)", clients,
        clients == 1 ? "" : "s", (unsigned long long)daemon_items(d),
        (double)used / MIB, (double)limit / MIB,
        limit > 0 ? 100 * used / limit : 0);
    append_hit_ratio(&m, out);
    append_problem(d, out);
}
