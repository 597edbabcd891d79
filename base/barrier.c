/* SPDX-License-Identifier: BSD-3-Clause */
/* barrier.c - a full memory barrier on all threads of the process, at the cost of
 * the one that asks for it (membarrier(2), since Linux 4.14).
 *
 * For two sides of which one is frequent: each stores and then looks at what the
 * other stores, and at least one must see the other. Both would need a barrier in
 * between; with this one, the frequent side only has to keep the compiler from
 * exchanging the two. Any thread.
 */
#include "base/base.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_there;

static long
membarrier(int command)
{
    return syscall(__NR_membarrier, command, 0, 0);
}

static void
find_out(void)
{
    is_there = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool
barrier_is_there(void)
{
#ifdef __SANITIZE_THREAD__ /* which does not know it */
    return false;
#endif
    pthread_once(&once, find_out);
    return is_there;
}

/* The kernel may lack the memory to tell which CPUs to interrupt. The other way
 * takes none: it waits until all have been through the scheduler. */
void
barrier_for_all(void)
{
    ASSERT(is_there);
    for (unsigned n = 0;
         membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
         membarrier(MEMBARRIER_CMD_GLOBAL) != 0;
         n++)
        (void)wait_turn(n);
}
