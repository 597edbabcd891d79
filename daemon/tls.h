/* SPDX-License-Identifier: BSD-3-Clause */
/* tls.h - TLS: its directives, and what the other files of daemon/ call.
 *
 *   tls_library.c   finds OpenSSL when a port needs it: nobody else pays
 *   tls_context.c   certificates and rules, replaced as a whole  [main thread,
 *                   or under the config lock]
 *   tls_conn.c      one connection                             [owner thread]
 *   tls_absent.c    all of this in a build without OpenSSL
 *
 * A connection keeps the rules that held when it was accepted.
 */
#pragma once

#include "base/base.h"

/* clang-format off */
#define TLS_OPTIONS(X)                                                      \
    X(tls_port, OPT_INT, "0", 0, 65535, OPT_LIVE, "",                       \
        "TCP port for clients that speak TLS; 0 for none. Clients stay "    \
        "when it changes.")                                                 \
    X(tls_cert_file, OPT_STRING, "", 0, 0, OPT_LIVE, "",                    \
        "The server's certificate in PEM, followed by those that signed "   \
        "it. Certificates are read again at HUP and when this is set.")     \
    X(tls_key_file, OPT_STRING, "", 0, 0, OPT_LIVE, "",                     \
        "The private key of the certificate, in PEM.")                      \
    X(tls_key_file_pass, OPT_STRING, "", 0, 0, OPT_LIVE | OPT_SECRET, "",   \
        "The password of the private key, if it has one.")                  \
    X(tls_ca_cert_file, OPT_STRING, "", 0, 0, OPT_LIVE, "",                 \
        "Certificates in PEM that may sign those of clients.")              \
    X(tls_ca_cert_dir, OPT_STRING, "", 0, 0, OPT_LIVE, "",                  \
        "A folder of such certificates, as openssl rehash leaves it.")      \
    X(tls_auth_clients, OPT_ENUM, "yes", 0, 0, OPT_LIVE,                    \
        "no|yes|optional",                                                  \
        "Must clients have a certificate? If optional, one that is shown "  \
        "must be good.")                                                    \
    X(tls_protocols, OPT_STRING, "", 0, 0, OPT_LIVE, "",                    \
        "Versions to speak, of TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; empty is "    \
        "TLSv1.2 TLSv1.3.")                                                 \
    X(tls_ciphers, OPT_STRING, "", 0, 0, OPT_LIVE, "",                      \
        "Ciphers up to TLS 1.2, as openssl ciphers reads them; empty is "   \
        "OpenSSL's choice.")                                                \
    X(tls_ciphersuites, OPT_STRING, "", 0, 0, OPT_LIVE, "",                 \
        "Cipher suites of TLS 1.3; empty is OpenSSL's choice.")             \
    X(tls_prefer_server_ciphers, OPT_BOOL, "no", 0, 0, OPT_LIVE, "",        \
        "Choose ciphers in the server's order, not the client's.")          \
    X(tls_session_caching, OPT_BOOL, "yes", 0, 0, OPT_LIVE, "",             \
        "Let clients resume sessions, which saves most of a handshake.")    \
    X(tls_session_cache_size, OPT_INT, "20480", 0, INT32_MAX, OPT_LIVE,     \
        "sessions", "Sessions kept for clients without tickets; 0 sets no " \
        "bound.")                                                           \
    X(tls_session_cache_timeout, OPT_INT, "300", 0, INT32_MAX, OPT_LIVE,    \
        "seconds", "How long a session can be resumed.")                    \
    X(tls_handshake_timeout, OPT_INT, "10", 1, INT32_MAX, OPT_LIVE,         \
        "seconds", "Close a client whose handshake takes longer.")
/* clang-format on */

#ifdef ASHLAR_TLS
#define TLS_BUILT true
#else
#define TLS_BUILT false
#endif

struct tls_options {
    TLS_OPTIONS(OPTION_MEMBER)
};

struct ashlard;
struct conn;
struct io_engine;
struct tls;
struct tls_conn;
struct worker;

/* ---- tls_context.c ------------------------------------------------------- */

/* Can a TLS port be served with these files? Does nothing if there is none.
 * False with a sentence in err. */
bool tls_check(const struct tls_options *o, struct buf *err);

/* Make *out, and load OpenSSL and the certificates if there is a TLS port, or a
 * socket for TLS was passed by the service manager. False with a sentence in
 * err. */
bool tls_open(const struct tls_options *o, bool is_passed, struct tls **out,
    struct buf *err);
void tls_free(struct tls *t); /* NULL does nothing */

/* Read the certificates and rules again, or for the first time when there is a
 * TLS port now; connections that come from now on get them. False with a
 * sentence in err, and the former ones stay. Without a TLS port nothing is
 * done. Any thread, under the config lock. */
bool tls_reload(struct tls *t, const struct tls_options *o, struct buf *err);

/* ---- tls_conn.c ---------------------------------------------------------- */

/* Memory that an idle connection has besides its struct conn, measured: it is
 * counted in the budget. */
#define TLS_CONN_BYTES (14 * KIB)

/* Begin a handshake on a new connection: sets c->tls. False without memory. */
bool tls_conn_open(struct conn *c, struct tls *t);

/* The socket is ready for `ready`. Returns for what the connection is: 0 while
 * the handshake goes on or when it has failed. */
short tls_ready(struct conn *c, short ready);

/* Receives and sends for such a connection, in place of the worker's engine. It
 * goes by readiness. */
extern const struct io_engine io_tls;

/* Give memory of connections that are closed back to the system, if there were
 * many. About once a second; `idle`: nothing else is to do. Owner thread. */
void tls_trim(struct worker *w, bool idle);

/* Has the handshake lasted too long? */
bool tls_is_late(const struct conn *c, uint32_t now_s);
