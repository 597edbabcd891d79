/* SPDX-License-Identifier: BSD-3-Clause */
/* fixture.c - see fixture.h. */
#include "commands/fixture.h"

struct harness *h;

void
start(void)
{
    h = harness_new();
}

void
start_with_two(void)
{
    start();
    harness_connect(h);
    harness_switch(h, 0);
}

void
stop(void)
{
    harness_free(h);
}

void
start_at_now(void)
{
    clock_fake(NOW);
    start();
}

void
stop_at_now(void)
{
    stop();
    clock_unfake();
}
