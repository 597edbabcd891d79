/* SPDX-License-Identifier: BSD-3-Clause */
/* steps.c - how long a thread is at something that it cannot leave off.
 *
 * Meant for what happens every microsecond, so time is the processor's counter,
 * which counts evenly on every machine of the last ten years; its rate is
 * measured once. Elsewhere it is the monotonic clock.
 *
 * A long step may be one in which the thread had no CPU. The system counts how
 * often that happened to a thread: if it did since the last look, the step is
 * counted apart. Only long steps look. Exact is the CPU time of the thread,
 * which the system tells for half a microsecond: for those who ask for it.
 */
#include "base/base.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#define LONG_NS 128000
#define CALIBRATE_NS 200000
#define CALIBRATE_LOOKS 8
#define CPU_TIME ((uint64_t)1 << 63) /* in what step_begin() returns */

_Thread_local struct steps *steps_here;

/* Nanoseconds of a tick, times 2^32. [immutable] once measured */
static uint64_t tick_scale;

static uint64_t
read_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t
read_ticks(void)
{
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return read_ns(CLOCK_MONOTONIC);
#endif
}

uint64_t
step_begin(void)
{
    const struct steps *s = steps_here;

    if (s != NULL && s->cpu_time != NULL &&
        unlikely(option_get_i64(s->cpu_time)))
        return CPU_TIME | read_ns(CLOCK_THREAD_CPUTIME_ID);
    return read_ticks();
}

/* One moment by both clocks. */
struct moment {
    uint64_t ns, ticks;
};

/* Of several looks the shortest: in the middle of it the thread may lose its
 * CPU, and the two would be of different moments. */
static struct moment
look_at_both(void)
{
    struct moment best = {0, 0};
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < CALIBRATE_LOOKS; i++) {
        uint64_t before = read_ticks(), ns = read_ns(CLOCK_MONOTONIC);
        uint64_t took = read_ticks() - before;

        if (took >= least)
            continue;
        least = took;
        best = (struct moment){ns, before + took / 2};
    }
    return best;
}

static void
calibrate(void)
{
    struct moment from = look_at_both(), to;

    do
        to = look_at_both();
    while (to.ns - from.ns < CALIBRATE_NS);
    tick_scale = (uint64_t)(((unsigned __int128)(to.ns - from.ns) << 32) /
        MAX(to.ticks - from.ticks, 1));
}

static uint64_t
to_ns(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * tick_scale >> 32);
}

/* How often another thread got this one's CPU. */
static uint64_t
switches(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_nivcsw
                                                 : 0;
}

void
steps_attach(struct steps *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, calibrate);
    steps_here = s;
    if (s != NULL)
        s->n_switches = switches();
}

/* ---- counting ------------------------------------------------------------ */

/* Only its thread writes a counter. */
static inline void
add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to,
        atomic_load_explicit(to, memory_order_relaxed) + n,
        memory_order_relaxed);
}

static inline void
raise(_Atomic uint64_t *max, uint64_t n)
{
    if (unlikely(n > atomic_load_explicit(max, memory_order_relaxed)))
        atomic_store_explicit(max, n, memory_order_relaxed);
}

static void
forget_all(struct steps *s)
{
    for (int kind = 0; kind < STEP_KINDS; kind++) {
        struct step_counts *c = &s->of[kind];

        for (int i = 0; i < STEP_BUCKETS; i++)
            atomic_store_explicit(&c->buckets[i], 0, memory_order_relaxed);
        atomic_store_explicit(&c->max_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&c->interrupted, 0, memory_order_relaxed);
        atomic_store_explicit(&c->interrupted_max_ns, 0, memory_order_relaxed);
    }
}

static bool
was_interrupted(struct steps *s)
{
    uint64_t before = s->n_switches;

    s->n_switches = switches();
    return s->n_switches != before;
}

static int
bucket_of(uint64_t ns)
{
    int bits = 64 - __builtin_clzll(ns >> 10 | 1) - (ns < 1024);

    return MIN(bits, STEP_BUCKETS - 1);
}

void
step_end(enum step_kind kind, uint64_t begun)
{
    struct steps *s = steps_here;
    struct step_counts *c;
    uint64_t ns;

    if (s == NULL)
        return;
    if (unlikely(atomic_load_explicit(&s->reset, memory_order_relaxed))) {
        atomic_store_explicit(&s->reset, false, memory_order_relaxed);
        forget_all(s);
    }
    c = &s->of[kind];
    if (unlikely(begun & CPU_TIME)) {
        ns = read_ns(CLOCK_THREAD_CPUTIME_ID) - (begun & ~CPU_TIME);
    } else {
        ns = to_ns(read_ticks() - begun);
        if (unlikely(ns >= LONG_NS) && was_interrupted(s)) {
            add(&c->interrupted, 1);
            raise(&c->interrupted_max_ns, ns);
            return;
        }
    }
    add(&c->buckets[bucket_of(ns)], 1);
    raise(&c->max_ns, ns);
}

void
steps_add(struct steps *sum, const struct steps *s)
{
    for (int kind = 0; kind < STEP_KINDS; kind++) {
        struct step_counts *to = &sum->of[kind];
        const struct step_counts *c = &s->of[kind];

        for (int i = 0; i < STEP_BUCKETS; i++)
            add(&to->buckets[i],
                atomic_load_explicit(&c->buckets[i], memory_order_relaxed));
        add(&to->interrupted,
            atomic_load_explicit(&c->interrupted, memory_order_relaxed));
        raise(&to->max_ns,
            atomic_load_explicit(&c->max_ns, memory_order_relaxed));
        raise(&to->interrupted_max_ns,
            atomic_load_explicit(&c->interrupted_max_ns, memory_order_relaxed));
    }
}
