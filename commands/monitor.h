/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor.h - clients that watch the commands of all others.
 *
 * Each worker has a list of its monitors, and all know which workers have any.
 * A command is written as a line once, and posted to those workers.
 */
#pragma once

#include "commands/internal.h"

/* Which workers have monitors: none at first. */
struct monitors;
struct monitors *monitors_new(void);
void monitors_free(struct monitors *m);

/* Show a command, before it runs; of EXEC, after it ran. Owner thread of the
 * session. */
void monitor_show(struct request *rq);

/* Does monitor_show() come after the handler for this row? */
bool monitor_comes_after(const struct command *row);

/* The session watches no longer; harmless when it did not. */
void monitor_stop(struct command_thread *t, struct session *s);
