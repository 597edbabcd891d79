/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.c - wall and monotonic time, read once per batch.
 *
 * Each thread has its own copy of the time, so that all commands of a batch see
 * the same moment and reading costs no call. Tests replace the time of all
 * threads by a number; monotonic time then follows from it, so that a test that
 * moves the clock forward moves both.
 */
#include "base/base.h"

#include <time.h>

/* [owner thread] zero until the first refresh */
_Thread_local uint64_t clock_thread_wall_ms;
static _Thread_local uint64_t mono_us;

_Atomic uint64_t clock_faked_ms = CLOCK_NOT_FAKED;

static uint64_t
fake(void)
{
    return atomic_load_explicit(&clock_faked_ms, memory_order_relaxed);
}

uint64_t
clock_wall_ms_rarely(void)
{
    uint64_t faked = fake();

    if (unlikely(faked != CLOCK_NOT_FAKED))
        return faked;
    if (unlikely(clock_thread_wall_ms == 0))
        clock_refresh();
    return clock_thread_wall_ms;
}

uint64_t
clock_mono_us(void)
{
    uint64_t faked = fake();

    if (unlikely(faked != CLOCK_NOT_FAKED))
        return faked * 1000;
    if (unlikely(clock_thread_wall_ms == 0))
        clock_refresh();
    return mono_us;
}

uint64_t
clock_read_mono_ns(void)
{
    struct timespec mono;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &mono) == 0);
    return (uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec;
}

uint64_t
clock_read_mono_us(void)
{
    return clock_read_mono_ns() / 1000;
}

uint64_t
clock_mono_now_us(void)
{
    uint64_t faked = fake();

    return faked != CLOCK_NOT_FAKED ? faked * 1000 : clock_read_mono_us();
}

void
clock_refresh(void)
{
    struct timespec wall;

    ASSERT(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    clock_thread_wall_ms =
        (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
    mono_us = clock_read_mono_us();
}

struct clock_moment
clock_keep(void)
{
    return (struct clock_moment){clock_thread_wall_ms, mono_us};
}

void
clock_put_back(struct clock_moment m)
{
    clock_thread_wall_ms = m.wall_ms;
    mono_us = m.mono_us;
}

void
clock_fake(uint64_t wall_ms)
{
    ASSERT(wall_ms != CLOCK_NOT_FAKED);
    atomic_store_explicit(&clock_faked_ms, wall_ms, memory_order_relaxed);
}

void
clock_unfake(void)
{
    atomic_store_explicit(
        &clock_faked_ms, CLOCK_NOT_FAKED, memory_order_relaxed);
}
