/* SPDX-License-Identifier: BSD-3-Clause */
/* assert.c - the report of a failed assertion.
 *
 * A failed assertion is a bug of ours: the report says where, and abort()
 * leaves a core. Any thread, whatever locks it holds: nothing here takes one.
 */
#include "base/base.h"
#include "base/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
assert_failed(const char *expr, const char *file, int line, const char *func)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "%s:%d: %s: assertion failed: %s\n",
        file, line, func, expr);

    /* Straight to stderr, which stdio buffering must not delay. The process
     * ends in any case, so a failing write changes nothing. */
    if (len > 0 &&
        write(STDERR_FILENO, text, MIN((size_t)len, sizeof(text) - 1)) < 0)
        abort();
    if (!log_is_stderr())
        log_write(LOG_LEVEL_ERROR, "assertion failed: %s at %s:%d in %s", expr,
            file, line, func);
    abort();
}
