/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_context.h - what the TLS files share among themselves. */
#pragma once

#include <pthread.h>

#include "daemon/tls.h"
#include "daemon/tls_library.h"

struct tls {
    pthread_mutex_t lock; /* a leaf in the lock order */
    SSL_CTX *ctx;         /* [lock] for the connections that come, or NULL */
    bool is_passed; /* [immutable] there is a socket whatever tls-port is */
};

/* A connection's half under the rules in force; NULL without memory. Any
 * thread. */
SSL *tls_context_new_ssl(struct tls *t);
