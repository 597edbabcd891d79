/* SPDX-License-Identifier: BSD-3-Clause */
/* info.c - the daemon's lines of INFO, and sums over its threads that others
 * show too. Any thread.
 */
#include "daemon/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t
daemon_items(const struct ashlard *d)
{
    uint64_t sum = 0;

    for (unsigned db = 0; db < (unsigned)d->config.commands.databases; db++) {
        struct ks_db_stats stats;

        ks_db_stats(d->ks, db, &stats);
        sum += stats.items;
    }
    return sum;
}

void
daemon_metrics_sum(struct ashlard *d, struct daemon_metrics *sum)
{
    const size_t n = sizeof(*sum) / sizeof(uint64_t);

    memset(sum, 0, sizeof(*sum));
    metrics_sum((uint64_t *)sum, &d->metrics, n);
    for (unsigned i = 0; i < d->n_workers; i++)
        metrics_sum((uint64_t *)sum, &d->workers[i]->metrics, n);
}

/* A thread alone writes its counters, so a reset keeps the sums of that moment
 * instead, and INFO shows what has come since. */
void
daemon_metrics_reset(void *ctx)
{
    struct ashlard *d = ctx;

    pthread_mutex_lock(&d->stats_lock);
    daemon_metrics_sum(d, &d->stats_base);
    pthread_mutex_unlock(&d->stats_lock);
}

static void
sum_since_reset(struct ashlard *d, struct daemon_metrics *sum)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *base = (const uint64_t *)&d->stats_base;

    pthread_mutex_lock(&d->stats_lock);
    daemon_metrics_sum(d, sum);
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
        to[i] -= base[i];
    pthread_mutex_unlock(&d->stats_lock);
}

static void
info_server(struct ashlard *d, struct buf *out)
{
    char path[512];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

    buf_printf(out, "executable:%.*s\r\n", (int)MAX(n, 0), path);
    buf_printf(out,
        "process_supervised:%s\r\nworkers:%u\r\nio_engine:%s\r\n",
        notify_is_wanted(d->notify) ? "systemd" : "no", d->n_workers,
        d->io->name);
}

static void
info_clients(struct ashlard *d, struct buf *out)
{
    buf_printf(out, "connected_clients:%u\r\nmaxclients:%u\r\n",
        LOAD(&d->n_clients), limit_u32(&d->limits.max_clients));
}

static void
info_stats(struct ashlard *d, struct buf *out)
{
    struct maint_sample rates;
    struct daemon_metrics m;

    maint_sample(d->maint, &rates);
    sum_since_reset(d, &m);
    buf_printf(out,
        "total_connections_received:%llu\r\n"
        "instantaneous_ops_per_sec:%llu\r\n"
        "total_net_input_bytes:%llu\r\n"
        "total_net_output_bytes:%llu\r\n"
        "instantaneous_input_kbps:%.2f\r\n"
        "instantaneous_output_kbps:%.2f\r\n"
        "rejected_connections:%llu\r\n",
        (unsigned long long)m.connections, (unsigned long long)rates.ops_per_s,
        (unsigned long long)m.net_input_bytes,
        (unsigned long long)m.net_output_bytes,
        (double)rates.input_bytes_per_s / 1024,
        (double)rates.output_bytes_per_s / 1024,
        (unsigned long long)m.rejected);
    buf_printf(out,
        "total_reads_processed:%llu\r\n"
        "total_writes_processed:%llu\r\n"
        "total_batches:%llu\r\n"
        "accept_errors:%llu\r\n"
        "clients_closed_timeout:%llu\r\n"
        "clients_closed_query_limit:%llu\r\n"
        "clients_closed_output_limit:%llu\r\n"
        "tls_handshakes:%llu\r\n"
        "tls_handshakes_failed:%llu\r\n",
        (unsigned long long)m.reads, (unsigned long long)m.writes,
        (unsigned long long)m.batches, (unsigned long long)m.accept_errors,
        (unsigned long long)m.timeouts,
        (unsigned long long)m.query_limit_closes,
        (unsigned long long)m.output_limit_closes,
        (unsigned long long)m.tls_handshakes,
        (unsigned long long)m.tls_failures);
}

static void
info_memory(struct ashlard *d, struct buf *out)
{
    struct maint_sample s;

    maint_sample(d->maint, &s);
    buf_printf(out,
        "mem_clients_normal:%zu\r\n"
        "mem_uncounted:%lld\r\n"
        "mem_uncounted_charged:%zu\r\n",
        LOAD(&d->client_bytes), (long long)s.uncounted, s.extra);
}

/* The main thread's processor time, in clock ticks. */
static bool
main_thread_ticks(unsigned long *user, unsigned long *sys)
{
    char path[64], text[1024], *word, *save;
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    /* Field 2 is the name in parentheses, 14 and 15 are the times. */
    word = strrchr(text, ')');
    if (word != NULL)
        word = strtok_r(word, " ", &save);
    for (int field = 2; word != NULL && field < 14; field++)
        word = strtok_r(NULL, " ", &save);
    if (word == NULL)
        return false;
    *user = strtoul(word, NULL, 10);
    word = strtok_r(NULL, " ", &save);
    *sys = word != NULL ? strtoul(word, NULL, 10) : 0;
    return true;
}

static void
info_cpu(struct ashlard *d, struct buf *out)
{
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    unsigned long user, sys;

    (void)d;
    if (!main_thread_ticks(&user, &sys))
        return;
    buf_printf(out,
        "used_cpu_sys_main_thread:%.6f\r\n"
        "used_cpu_user_main_thread:%.6f\r\n",
        (double)sys / ticks_per_s, (double)user / ticks_per_s);
}

void
info_append(void *ctx, const char *section, struct buf *out)
{
    static const struct {
        const char *name;
        void (*append)(struct ashlard *d, struct buf *out);
    } sections[] = {
        {"server", info_server},
        {"clients", info_clients},
        {"stats", info_stats},
        {"memory", info_memory},
        {"cpu", info_cpu},
    };

    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (strcmp(section, sections[i].name) == 0)
            sections[i].append(ctx, out);
}
