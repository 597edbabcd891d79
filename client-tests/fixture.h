/* SPDX-License-Identifier: BSD-3-Clause */
/* fixture.h - the server that the tests of one program talk to: fixtures of
 * libcheck, unchecked as a rule, so that all tests share it.
 */
#pragma once

#include "client-tests/spawn.h"

extern struct server *server;

void start_server(void);
/* Connections are dealt to several workers. Redis has its own ways. */
void start_three_workers(void);
void stop_server(void);
