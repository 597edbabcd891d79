/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_client.h - certificates made for a test, and a client that speaks TLS.
 *
 * Failures fail the running test, but for tls_try(), which tells of them.
 */
#pragma once

#include <openssl/ssl.h>

#include "client-tests/spawn.h"

/* Write NAME.crt and NAME.key into `dir`: a certificate for `name`, signed by
 * the one called `issuer` there, or by itself (NULL). */
void make_certificate(const char *dir, const char *name, const char *issuer);

/* The same, one that was good until a minute ago. */
void make_expired_certificate(
    const char *dir, const char *name, const char *issuer);

/* The rules of a client that trusts DIR/ca.crt and shows the certificate
 * `name`, or none (NULL). version: TLS1_2_VERSION, ...; 0: any. SSL_CTX_free().
 */
SSL_CTX *tls_rules(const char *dir, const char *name, int version);

/* Connect; `session` is to be resumed, or NULL. NULL if the server refuses,
 * which TLS 1.3 may tell with the first bytes only: a PING is answered. */
SSL *tls_try(SSL_CTX *ctx, int port, SSL_SESSION *session);
SSL *tls_connect(SSL_CTX *ctx, int port);

/* Say goodbye and close. */
void tls_close(SSL *ssl);

void tls_send(SSL *ssl, const void *p, size_t len);
void tls_say(SSL *ssl, const char *text);

/* The next bytes are these. */
void tls_hear(SSL *ssl, const char *text);

/* Read exactly `len` bytes. */
void tls_receive(SSL *ssl, void *to, size_t len);

/* Nothing more comes: the stream ends, in order or not. */
void tls_hear_end(SSL *ssl);

/* The name in the certificate that the server has shown; free() it. */
char *tls_server_name(SSL *ssl);
