/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c - malloc for start-up and bookkeeping, which must not fail.
 *
 * The data path takes its memory from slab/ and handles shortage; what is asked
 * for here is small, and without it there is nothing sensible left to do.
 */
#include "base/base.h"

#include <stdlib.h>
#include <sys/mman.h>

static _Noreturn void
out_of_memory(size_t bytes)
{
    log_error("out of memory bytes=%zu", bytes);
    abort();
}

void *
xcalloc(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);

    if (p == NULL)
        out_of_memory(n * size);
    return p;
}

void *
xmap(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        out_of_memory(bytes);
    return p;
}

void
xunmap(void *p, size_t bytes)
{
    if (p != NULL)
        ASSERT(munmap(p, bytes) == 0);
}

void *
xrealloc(void *p, size_t size)
{
    void *to = realloc(p, size > 0 ? size : 1);

    if (to == NULL)
        out_of_memory(size);
    return to;
}

char *
xstrdup(const char *s)
{
    size_t len = strlen(s) + 1;

    return memcpy(xrealloc(NULL, len), s, len);
}
