/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_library.h - the functions of OpenSSL that are called, found at run time.
 *
 * Linked, libssl and libcrypto add 1.7 MB to the 4.6 MB of an empty ashlard and
 * 2 ms to its start. So they are opened when a TLS port is configured, and
 * called as `ossl.SSL_read(...)`. Macros of OpenSSL that expand to functions
 * cannot be used; their _ctrl call can.
 */
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/base.h"

/* clang-format off */
#define TLS_FUNCTIONS(X)            \
    X(ERR_clear_error)              \
    X(ERR_get_error)                \
    X(ERR_peek_error)               \
    X(ERR_reason_error_string)      \
    X(SSL_CTX_check_private_key)    \
    X(SSL_CTX_ctrl)                 \
    X(SSL_CTX_free)                 \
    X(SSL_CTX_get0_certificate)     \
    X(SSL_CTX_load_verify_dir)      \
    X(SSL_CTX_load_verify_file)     \
    X(SSL_CTX_new)                  \
    X(SSL_CTX_set_cipher_list)      \
    X(SSL_CTX_set_ciphersuites)     \
    X(SSL_CTX_set_client_CA_list)   \
    X(SSL_CTX_set_default_passwd_cb) \
    X(SSL_CTX_set_default_passwd_cb_userdata) \
    X(SSL_CTX_set_num_tickets)      \
    X(SSL_CTX_set_options)          \
    X(SSL_CTX_set_session_id_context) \
    X(SSL_CTX_set_timeout)          \
    X(SSL_CTX_set_verify)           \
    X(SSL_CTX_up_ref)               \
    X(SSL_CTX_use_PrivateKey_file)  \
    X(SSL_CTX_use_certificate_chain_file) \
    X(SSL_accept)                   \
    X(SSL_free)                     \
    X(SSL_get_error)                \
    X(SSL_has_pending)              \
    X(SSL_load_client_CA_file)      \
    X(SSL_new)                      \
    X(SSL_read_ex)                  \
    X(SSL_set_fd)                   \
    X(SSL_shutdown)                 \
    X(SSL_write_ex)                 \
    X(TLS_server_method)            \
    X(X509_cmp_current_time)        \
    X(X509_get0_notAfter)           \
    X(X509_get0_notBefore)
/* clang-format on */

#define TLS_FUNCTION_MEMBER(name) __typeof__(name) *name;

struct tls_library {
    TLS_FUNCTIONS(TLS_FUNCTION_MEMBER)
};

/* [immutable] once a TLS connection can exist. */
extern struct tls_library ossl;

/* Fill `ossl`; further calls do nothing. False with a sentence in err. Main
 * thread at the start, then any under the config lock. */
bool tls_library_load(struct buf *err);

/* Append the earliest error of the calling thread, in the words of OpenSSL or
 * of the system, and forget all. */
void tls_library_error(struct buf *out);
