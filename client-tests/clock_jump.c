/* SPDX-License-Identifier: BSD-3-Clause */
/* clock_jump.c - preloaded into a daemon: its wall clock is that of the machine
 * and some milliseconds, which exhaustion_test.c writes into a file and changes
 * while the daemon runs. The monotonic clock goes on as it does.
 *
 * $ASHLAR_CLOCK_OFFSET names the file. Any thread.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *offset_ms;

__attribute__((constructor)) static void
open_offset(void)
{
    const char *path = getenv("ASHLAR_CLOCK_OFFSET");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = MAP_FAILED;

    if (fd >= 0)
        p = mmap(NULL, sizeof(*offset_ms), PROT_READ | PROT_WRITE, MAP_SHARED,
            fd, 0);
    if (p != MAP_FAILED)
        offset_ms = p;
    if (fd >= 0)
        close(fd);
}

static void
jump(clockid_t clock, struct timespec *t)
{
    int64_t ms;

    if (offset_ms == NULL ||
        (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return;
    ms = (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000 +
        atomic_load(offset_ms);
    t->tv_nsec = ms % 1000 * 1000000 + t->tv_nsec % 1000000;
    t->tv_sec = ms / 1000;
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, t);

    if (failed == 0)
        jump(clock, t);
    return failed;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec t;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &t) != 0)
        return -1;
    *tv = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}

time_t
time(time_t *to)
{
    struct timespec t;

    if (clock_gettime(CLOCK_REALTIME, &t) != 0)
        return -1;
    if (to != NULL)
        *to = t.tv_sec;
    return t.tv_sec;
}
