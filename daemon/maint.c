/* SPDX-License-Identifier: BSD-3-Clause */
/* maint.c - the maintenance thread: sweeps, drains and gives memory back in
 * bounded slices, and takes the samples behind the rates in INFO.
 *
 * While the keyspace says that there is more to do it goes on at once,
 * yielding between slices, or while clients are served, after a breath between
 * bursts of some 50 us; otherwise it sleeps, longer when no commands come.
 */
#include "daemon/monitor.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define BUSY_PERIOD_US 100000
#define IDLE_PERIOD_US 250000
#define SECOND_US 1000000
#define STATUS_PERIOD_US SECOND_US
/* Between bursts of work while clients are served. */
#define BREATH_US 60
#define N_SAMPLES 16 /* rates are means over these */
#define N_LOOKS 8    /* at the RSS; what all of them show is steady */

/* Free pages that stay committed: 1/64 of the memory within these bounds. */
#define RESERVE_MIN (1 * MIB)
#define RESERVE_MAX (64 * MIB)
/* A free extent that nothing has reused for this long is given back. */
#define WARM_MS 2000

/* Totals at one moment; the rates are differences. */
struct sample {
    uint64_t at_us;
    uint64_t commands, input_bytes, output_bytes;
};

struct maint {
    struct ashlard *daemon;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop; /* [lock] */

    struct sample samples[N_SAMPLES]; /* [owner thread] a ring */
    unsigned newest;                  /* [owner thread] */
    uint64_t next_rss_us;             /* [owner thread] */
    uint64_t next_status_us;          /* [owner thread] */
    struct buf status;                /* [owner thread] as last sent */
    int64_t looks[N_LOOKS];           /* [owner thread] uncounted bytes */
    unsigned n_looks;                 /* [owner thread] */

    bool active;                      /* [owner thread] clients are served */
    int64_t ahead_ms; /* [owner thread] wall clock against the monotonic */

    _Atomic uint64_t ops_per_s, input_per_s, output_per_s;
    _Atomic int64_t uncounted;
    _Atomic size_t extra; /* charged here */
    _Atomic uint64_t moved_us;
    struct history history;
};

/* ---- samples ------------------------------------------------------------- */

static uint64_t
total_commands(struct ashlard *d)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < d->n_workers; i++) {
        struct command_metrics *m =
            atomic_load_explicit(&d->commands.metrics[i], memory_order_acquire);

        if (m != NULL)
            sum += atomic_load_explicit(&m->commands, memory_order_relaxed);
    }
    return sum;
}

/* ---- the last hour ------------------------------------------------------- */

struct history *
maint_history(struct maint *m)
{
    return &m->history;
}

uint64_t
maint_silent_us(const struct maint *m)
{
    uint64_t now_us = clock_mono_us(), moved_us = m->moved_us;

    return now_us - MIN(now_us, moved_us);
}

static void
note_history(struct maint *m, const struct daemon_metrics *sum)
{
    struct ashlard *d = m->daemon;
    struct ks_metrics ks;

    if (!history_due(&m->history))
        return;
    ks_metrics(d->ks, &ks);
    history_note(&m->history,
        &(struct history_point){
            .wall_s = clock_wall_ms() / 1000,
            .commands = total_commands(d),
            .hits = ks.hits,
            .misses = ks.misses,
            .input = sum->net_input_bytes,
            .output = sum->net_output_bytes,
            .evicted = ks.evicted,
            .evicted_idle = ks.evicted_idle,
            .expired = ks.expired,
            .expired_late = ks.expired_late,
            .used = slab_used(d->slab),
            .items = daemon_items(d),
            .clients = LOAD(&d->n_clients),
        });
}

/* Returns whether commands were run since the last sample. */
static bool
take_sample(struct maint *m)
{
    struct ashlard *d = m->daemon;
    const struct sample *last = &m->samples[m->newest];
    const struct sample *oldest;
    struct daemon_metrics sum;
    struct sample now;
    double seconds;

    daemon_metrics_sum(d, &sum);
    now.at_us = clock_mono_us();
    now.commands = total_commands(d);
    now.input_bytes = sum.net_input_bytes;
    now.output_bytes = sum.net_output_bytes;
    oldest = &m->samples[(m->newest + 1) % N_SAMPLES];
    seconds = (double)(now.at_us - oldest->at_us) / SECOND_US;
    if (oldest->at_us != 0 && seconds > 0) {
        m->ops_per_s =
            (uint64_t)((double)(now.commands - oldest->commands) / seconds);
        m->input_per_s =
            (uint64_t)((double)(now.input_bytes - oldest->input_bytes) /
                seconds);
        m->output_per_s =
            (uint64_t)((double)(now.output_bytes - oldest->output_bytes) /
                seconds);
    }
    note_history(m, &sum);
    bool active = now.commands != last->commands;
    m->newest = (m->newest + 1) % N_SAMPLES;
    m->samples[m->newest] = now;
    return active;
}

/* The least that the last looks have in common, not below zero. */
static size_t
steady_part(const struct maint *m)
{
    int64_t least = INT64_MAX;

    if (m->n_looks < N_LOOKS)
        return m->extra;
    for (unsigned i = 0; i < N_LOOKS; i++)
        least = MIN(least, m->looks[i]);
    return (size_t)MAX(least, 0);
}

/* Compare what is counted with what the kernel says. What is steadily resident
 * and not counted (the C library's heap, for the most part) is charged, so that
 * the limit holds for the whole process. */
static void
check_rss(struct maint *m)
{
    struct slab *slab = m->daemon->slab;
    size_t rss = slab_process_rss();
    size_t used = slab_used(slab) - m->extra;
    size_t steady;

    m->uncounted = (int64_t)rss - (int64_t)used;
    m->looks[m->n_looks++ % N_LOOKS] = m->uncounted;
    steady = SANITIZED || rss == 0 ? 0 : steady_part(m);
    if (steady > m->extra)
        slab_charge_to(slab, SLAB_PROCESS, steady - m->extra);
    else
        slab_uncharge_from(slab, SLAB_PROCESS, m->extra - steady);
    m->extra = steady;
    log_debug("memory rss=%zu used=%zu uncounted=%lld charged=%zu", rss, used,
        (long long)m->uncounted, steady);
}

void
maint_sample(const struct maint *m, struct maint_sample *out)
{
    out->ops_per_s = m->ops_per_s;
    out->input_bytes_per_s = m->input_per_s;
    out->output_bytes_per_s = m->output_per_s;
    out->uncounted = m->uncounted;
    out->extra = m->extra;
}

/* ---- the clock ----------------------------------------------------------- */

/* What stands before the low bits of most deadlines (keyspace/internal.h). */
#define MAX_LEAP_S (24 * 86400)

/* Tell when somebody sets the wall clock: deadlines are its moments. */
static void
watch_clock(struct maint *m)
{
    int64_t ahead_ms =
        (int64_t)clock_wall_ms() - (int64_t)(clock_mono_us() / 1000);
    long long leap_s = (ahead_ms - m->ahead_ms) / 1000;

    if (m->ahead_ms == 0)
        leap_s = 0; /* the first look */
    m->ahead_ms = ahead_ms;
    if (llabs(leap_s) <= 1)
        return; /* slewed, or the thread had to wait between the two clocks */
    if (llabs(leap_s) > MAX_LEAP_S)
        log_error("the clock was set by %lld s, which is too much for the "
                  "deadlines of the keys there are: FLUSHALL removes them",
            leap_s);
    else
        log_warn("the clock was set by %lld s: that much earlier (or later, if "
                 "negative) the keys there are expire",
            leap_s);
}

/* ---- the service manager ------------------------------------------------- */

/* Tell it how full the cache is, if that has changed. */
static void
tell_status(struct maint *m)
{
    const struct notify *n = m->daemon->notify;
    struct buf now = {0};

    if (!notify_is_wanted(n) || clock_mono_us() < m->next_status_us)
        return;
    m->next_status_us = clock_mono_us() + STATUS_PERIOD_US;
    status_append(m->daemon, &now);
    if (!str_eq((struct str){now.p, now.len},
            (struct str){m->status.p, m->status.len}))
        notify_status(n, "", (struct str){now.p, now.len});
    buf_free(&m->status);
    m->status = now;
}

/* ---- the thread ---------------------------------------------------------- */

/* The regular work; returns how long to sleep if nothing else calls. */
static uint64_t
tick(struct maint *m)
{
    struct slab *slab = m->daemon->slab;
    size_t reserve = slab_limit(slab) / 64;

    m->active = take_sample(m);
    watch_clock(m);
    slab_trim(slab, MIN(MAX(reserve, RESERVE_MIN), RESERVE_MAX), WARM_MS);
    if (clock_mono_us() >= m->next_rss_us) {
        m->next_rss_us = clock_mono_us() + SECOND_US;
        check_rss(m);
    }
    tell_status(m);
    return m->active ? BUSY_PERIOD_US : IDLE_PERIOD_US;
}

/* Sleep until a moment of the monotonic clock, or the end. Returns true at the
 * end. */
static bool
sleep_until(struct maint *m, uint64_t at_us)
{
    struct timespec at = {
        (time_t)(at_us / SECOND_US), (long)(at_us % SECOND_US) * 1000};
    bool stop;

    pthread_mutex_lock(&m->lock);
    while (!m->stop && pthread_cond_timedwait(&m->wake, &m->lock, &at) == 0)
        ;
    stop = m->stop;
    pthread_mutex_unlock(&m->lock);
    return stop;
}

/* A thread of batch work does not interrupt a worker when it wakes up. Short
 * breaths are to be short. */
static void
be_humble(void)
{
    static const struct sched_param none = {0};

    if (sched_setscheduler(0, SCHED_BATCH, &none) != 0)
        log_debug("maintenance is scheduled as workers are: %s",
            strerror(errno));
    (void)prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
}

static void *
maint_main(void *arg)
{
    struct maint *m = arg;
    struct ks_thread *ks = ks_thread_new(m->daemon->ks);
    uint64_t next_us = 0;
    bool stop = false;

    be_humble();
    while (!stop) {
        enum ks_more more;

        clock_refresh();
        m->moved_us = clock_mono_us();
        ks_set_gentle(ks, m->active);
        more = ks_maintain(ks);
        ks_thread_poll(ks);
        commands_poll(&m->daemon->commands, ks);
        clock_refresh();
        if (clock_mono_us() >= next_us)
            next_us = clock_mono_us() + tick(m);
        if (more == KS_MORE_NOW)
            sched_yield();
        stop = sleep_until(m,
            more == KS_NO_MORE         ? next_us
                : more == KS_MORE_SOON ? clock_mono_us() + BREATH_US
                                       : 0);
    }
    ks_thread_free(ks);
    return NULL;
}

struct maint *
maint_start(struct ashlard *d, struct buf *err)
{
    struct maint *m = xcalloc(1, sizeof(*m));
    pthread_condattr_t attr;
    int failed;

    m->daemon = d;
    m->moved_us = clock_mono_us();
    history_init(&m->history);
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->wake, &attr);
    pthread_condattr_destroy(&attr);
    failed = thread_start(&m->thread, "ash-maint", maint_main, m);
    if (failed == 0)
        return m;
    buf_printf(
        err, "cannot start the maintenance thread: %s", strerror(failed));
    maint_free(m);
    return NULL;
}

void
maint_stop(struct maint *m)
{
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
}

void
maint_free(struct maint *m)
{
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
    buf_free(&m->status);
    history_free(&m->history);
    free(m);
}
