/* SPDX-License-Identifier: BSD-3-Clause */
/* buf.c - a growing byte buffer.
 *
 * One thread owns a buffer. Appending is inline in base.h; growth is here.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 64

char *
buf_reserve_slow(struct buf *b, size_t more)
{
    size_t want, cap;

    ASSERT(more <= SIZE_MAX / 4 && b->len <= SIZE_MAX / 4);
    want = b->len + more;
    cap = MAX(b->cap, (size_t)FIRST_CAP);
    while (cap < want)
        cap *= 2;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
    return b->p + b->len;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    char *to = buf_reserve(b, 1);
    size_t room = b->cap - b->len;
    int len;

    va_copy(again, ap);
    len = vsnprintf(to, room, fmt, ap);
    ASSERT(len >= 0);
    /* vsnprintf needs a byte for its NUL, which is not counted in len. */
    if ((size_t)len >= room) {
        to = buf_reserve(b, (size_t)len + 1);
        ASSERT(vsnprintf(to, (size_t)len + 1, fmt, again) == len);
    }
    va_end(again);
    b->len += (size_t)len;
}

void
buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}
