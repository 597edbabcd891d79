/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_absent.c - TLS in a build without it: the directives keep their defaults,
 * and no connection ever comes to need the rest. Any thread.
 */
#include "daemon/internal.h"

const struct io_engine io_tls;

bool
tls_check(const struct tls_options *o, struct buf *err)
{
    (void)o;
    (void)err;
    return true;
}

bool
tls_open(const struct tls_options *o, bool is_passed, struct tls **out,
    struct buf *err)
{
    (void)o;
    *out = NULL;
    if (is_passed)
        buf_printf(err,
            "a socket for TLS was passed, but this ashlard was built without "
            "TLS");
    return !is_passed;
}

void
tls_free(struct tls *t)
{
    ASSERT(t == NULL);
}

bool
tls_reload(struct tls *t, const struct tls_options *o, struct buf *err)
{
    (void)o;
    (void)err;
    ASSERT(t == NULL);
    return true;
}

bool
tls_conn_open(struct conn *c, struct tls *t)
{
    (void)c;
    (void)t;
    UNREACHABLE();
}

short
tls_ready(struct conn *c, short ready)
{
    (void)c;
    (void)ready;
    UNREACHABLE();
}

void
tls_trim(struct worker *w, bool idle)
{
    (void)w;
    (void)idle;
}

bool
tls_is_late(const struct conn *c, uint32_t now_s)
{
    (void)c;
    (void)now_s;
    UNREACHABLE();
}
