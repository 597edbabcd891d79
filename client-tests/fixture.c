/* SPDX-License-Identifier: BSD-3-Clause */
/* fixture.c - see fixture.h. */
#include "client-tests/fixture.h"

struct server *server;

void
start_server(void)
{
    server = server_start(NULL);
}

void
start_three_workers(void)
{
    static const char *const workers[] = {"--workers", "3", NULL};

    server = server_start(testing_redis() ? NULL : workers);
}

void
stop_server(void)
{
    server_stop(server);
}
