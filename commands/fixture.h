/* SPDX-License-Identifier: BSD-3-Clause */
/* fixture.h - the harness that a test of commands has as a rule: checked
 * fixtures of libcheck, with the real clock or one that stands.
 */
#pragma once

#include "commands/harness.h"

#define NOW 1700000000000 /* ms of wall time */

extern struct harness *h;

/* One session. */
void start(void);
void stop(void);

/* Two sessions; the first speaks. */
void start_with_two(void);

/* The same while it is NOW. */
void start_at_now(void);
void stop_at_now(void);
