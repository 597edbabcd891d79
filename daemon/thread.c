/* SPDX-License-Identifier: BSD-3-Clause */
/* thread.c - starts the threads of the daemon alike: named for top and gdb, a
 * modest stack, and no signals (these are the main thread's) but for its own
 * faults. */
#include "daemon/internal.h"

#include <signal.h>

/* What a thread does wrong itself: blocked, it would end the daemon without a
 * word from a sanitizer or whoever else handles it. */
static const int own_faults[] = {
    SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

/* The deepest handler uses a few KiB. Scripts nest as many as 200 C functions,
 * some with a buffer of 8 KiB. What is never touched costs addresses only. */
#define STACK_BYTES (SANITIZED ? 16 * MIB : 4 * MIB)

int
thread_start(
    pthread_t *thread, const char *name, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int err;

    sigfillset(&all);
    for (size_t i = 0; i < ARRAY_LEN(own_faults); i++)
        sigdelset(&all, own_faults[i]);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (err == 0)
        pthread_setname_np(*thread, name);
    return err;
}

struct event_base *
thread_event_base(void)
{
    struct event_config *cfg = event_config_new();
    struct event_base *base;

    if (cfg == NULL)
        return NULL;
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    return base;
}
