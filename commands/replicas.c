/* SPDX-License-Identifier: BSD-3-Clause */
/* replicas.c - min-replicas-to-write: with it a server refuses writes while it
 * has fewer replicas. This one never has any, so that above 0 it only answers
 * questions. Any thread that holds the lock of the configuration.
 */
#include "commands/internal.h"

void
replicas_configure(struct commands *c)
{
    bool missed = option_get_i64(&c->values->min_replicas_to_write) > 0 &&
        option_get_i64(&c->values->min_replicas_max_lag) > 0;

    commands_activate(c, ACTIVE_NO_REPLICAS, missed);
}
