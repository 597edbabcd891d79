/* SPDX-License-Identifier: BSD-3-Clause */
/* malloc_count.c - preloaded into a daemon: counts the calls of the C library's
 * allocator by its workers, in a file that allocations_test.c reads.
 *
 * $ASHLAR_MALLOC_COUNT names the file. The functions below stand in for those
 * of glibc, which has them under other names as well. Any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static _Atomic uint64_t *shared;

__attribute__((constructor)) static void
open_count(void)
{
    const char *path = getenv("ASHLAR_MALLOC_COUNT");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = MAP_FAILED;

    if (fd >= 0)
        p = mmap(
            NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        shared = p;
    if (fd >= 0)
        close(fd);
}

static void
count(void)
{
    char name[16] = "";

    if (shared == NULL)
        return;
    prctl(PR_GET_NAME, name);
    if (strncmp(name, "ash-worker", 10) == 0)
        atomic_fetch_add(shared, 1);
}

void *
malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
    count();
    return __libc_realloc(p, size);
}

void *
aligned_alloc(size_t align, size_t size)
{
    count();
    return __libc_memalign(align, size);
}

int
posix_memalign(void **p, size_t align, size_t size)
{
    count();
    *p = __libc_memalign(align, size);
    return *p != NULL ? 0 : ENOMEM;
}
