/* SPDX-License-Identifier: BSD-3-Clause */
/* stress.c - see stress.h. */
#include "keyspace/stress.h"

#include <time.h>

unsigned
stress_scaled(unsigned n)
{
    const char *s = getenv("ASHLAR_STRESS");
    double factor = s != NULL ? strtod(s, NULL) : 1;

    return (unsigned)(n * (factor > 0 ? factor : 1));
}

uint64_t
stress_random(struct stress_worker *w)
{
    return splitmix64(&w->random);
}

void
stress_maintain(struct stress_worker *w, unsigned i)
{
    (void)i;
    clock_refresh();
    for (int n = 0; n < 20 && ks_maintain(w->t); n++)
        ;
    nanosleep(&(struct timespec){0, 200000}, NULL);
}

static bool
goes_on(const struct stress_worker *w, unsigned i)
{
    return w->operations > 0 ? i < w->operations : !LOAD(w->stop);
}

static void *
work(void *arg)
{
    struct stress_worker *w = arg;

    w->t = ks_thread_new(w->f->ks);
    for (unsigned i = 0; goes_on(w, i); i++) {
        w->operate(w, i);
        if (i % 64 == 0) {
            clock_refresh();
            ks_thread_poll(w->t);
        }
    }
    buf_free(&w->r.buf);
    ks_thread_free(w->t);
    return NULL;
}

static uint64_t
join(struct stress_worker *w)
{
    ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
    return w->hits;
}

uint64_t
stress_run(struct fixture *f, struct stress_worker *workers, unsigned n_workers)
{
    _Atomic bool stop = false;
    uint64_t hits = 0;

    for (unsigned i = 0; i < n_workers; i++) {
        struct stress_worker *w = &workers[i];

        w->f = f;
        w->id = i;
        w->random = i * 1000003 + 17;
        w->stop = &stop;
        ck_assert_int_eq(pthread_create(&w->thread, NULL, work, w), 0);
    }
    for (unsigned i = 0; i < n_workers; i++)
        if (workers[i].operations > 0)
            hits += join(&workers[i]);
    STORE(&stop, true);
    for (unsigned i = 0; i < n_workers; i++)
        if (workers[i].operations == 0)
            hits += join(&workers[i]);
    return hits;
}
