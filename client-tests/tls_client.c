/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_client.c - see tls_client.h. */
#include "client-tests/tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- certificates ------------------------------------------------------- */

static FILE *
open_file(
    const char *dir, const char *name, const char *suffix, const char *mode)
{
    char *path = text_of("%s/%s.%s", dir, name, suffix);
    FILE *f = fopen(path, mode);

    ck_assert_msg(f != NULL, "cannot open %s", path);
    free(path);
    return f;
}

static X509 *
read_certificate(const char *dir, const char *name)
{
    FILE *f = open_file(dir, name, "crt", "r");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);

    fclose(f);
    ck_assert_ptr_nonnull(cert);
    return cert;
}

static EVP_PKEY *
read_key(const char *dir, const char *name)
{
    FILE *f = open_file(dir, name, "key", "r");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);

    fclose(f);
    ck_assert_ptr_nonnull(key);
    return key;
}

/* An unsigned certificate of `key`, good for so long from now on. */
static X509 *
new_certificate(const char *name, EVP_PKEY *key, long seconds)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *subject;

    ck_assert_ptr_nonnull(cert);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    X509_set_pubkey(cert, key);
    subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(
        subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    return cert;
}

static void
allow_signing(X509 *cert)
{
    X509_EXTENSION *is_ca =
        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");

    ck_assert_int_eq(X509_add_ext(cert, is_ca, -1), 1);
    X509_EXTENSION_free(is_ca);
}

static void
make(const char *dir, const char *name, const char *issuer, long seconds)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *signer = issuer != NULL ? read_key(dir, issuer) : key;
    X509 *cert = new_certificate(name, key, seconds);
    X509 *above = issuer != NULL ? read_certificate(dir, issuer) : cert;
    FILE *f;

    ck_assert_ptr_nonnull(key);
    if (issuer == NULL)
        allow_signing(cert);
    X509_set_issuer_name(cert, X509_get_subject_name(above));
    ck_assert_int_gt(X509_sign(cert, signer, EVP_sha256()), 0);
    f = open_file(dir, name, "crt", "w");
    ck_assert_int_eq(PEM_write_X509(f, cert), 1);
    fclose(f);
    f = open_file(dir, name, "key", "w");
    ck_assert_int_eq(
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    if (issuer != NULL) {
        EVP_PKEY_free(signer);
        X509_free(above);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}

void
make_certificate(const char *dir, const char *name, const char *issuer)
{
    make(dir, name, issuer, 3600);
}

void
make_expired_certificate(const char *dir, const char *name, const char *issuer)
{
    make(dir, name, issuer, -60);
}

/* ---- connections -------------------------------------------------------- */

SSL_CTX *
tls_rules(const char *dir, const char *name, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char *ca = text_of("%s/ca.crt", dir);
    X509 *cert;
    EVP_PKEY *key;

    ck_assert_ptr_nonnull(ctx);
    ck_assert_int_eq(SSL_CTX_load_verify_file(ctx, ca), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (name != NULL) {
        cert = read_certificate(dir, name);
        key = read_key(dir, name);
        ck_assert_int_eq(SSL_CTX_use_certificate(ctx, cert), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
    free(ca);
    return ctx;
}

static bool
is_answered(SSL *ssl)
{
    char reply[7];
    size_t got = 0;

    if (SSL_write(ssl, "PING\r\n", 6) != 6)
        return false;
    while (got < sizeof(reply)) {
        int n = SSL_read(ssl, reply + got, (int)(sizeof(reply) - got));

        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return memcmp(reply, "+PONG\r\n", sizeof(reply)) == 0;
}

SSL *
tls_try(SSL_CTX *ctx, int port, SSL_SESSION *session)
{
    int fd = connect_tcp("127.0.0.1", port);
    SSL *ssl = SSL_new(ctx);

    ck_assert_int_ge(fd, 0);
    ck_assert_ptr_nonnull(ssl);
    ERR_clear_error();
    SSL_set_fd(ssl, fd);
    if (session != NULL)
        ck_assert_int_eq(SSL_set_session(ssl, session), 1);
    if (SSL_connect(ssl) == 1 && is_answered(ssl))
        return ssl;
    SSL_free(ssl);
    close(fd);
    return NULL;
}

SSL *
tls_connect(SSL_CTX *ctx, int port)
{
    SSL *ssl = tls_try(ctx, port, NULL);
    char why[256];

    ERR_error_string_n(ERR_peek_error(), why, sizeof(why));
    ck_assert_msg(ssl != NULL, "no TLS with port %d: %s", port, why);
    return ssl;
}

void
tls_close(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

void
tls_send(SSL *ssl, const void *p, size_t len)
{
    size_t sent = 0, n;

    while (sent < len) {
        ck_assert_int_eq(
            SSL_write_ex(ssl, (const char *)p + sent, len - sent, &n), 1);
        sent += n;
    }
}

void
tls_say(SSL *ssl, const char *text)
{
    tls_send(ssl, text, strlen(text));
}

void
tls_receive(SSL *ssl, void *to, size_t len)
{
    size_t got = 0, n;

    while (got < len) {
        int done;

        errno = 0;
        done = SSL_read_ex(ssl, (char *)to + got, len - got, &n);
        if (done != 1 && errno == EINTR) /* stopped, and it has a time limit */
            continue;
        ck_assert_msg(done == 1, "the stream ends after %zu of %zu bytes: %d",
            got, len, SSL_get_error(ssl, done));
        got += n;
    }
}

void
tls_hear(SSL *ssl, const char *text)
{
    size_t len = strlen(text);
    char *got = calloc(1, len + 1);

    ck_assert_ptr_nonnull(got);
    tls_receive(ssl, got, len);
    ck_assert_str_eq(got, text);
    free(got);
}

void
tls_hear_end(SSL *ssl)
{
    char byte;
    size_t n;

    ERR_clear_error();
    ck_assert_int_eq(SSL_read_ex(ssl, &byte, 1, &n), 0);
    ck_assert_int_ne(SSL_get_error(ssl, 0), SSL_ERROR_WANT_READ);
}

char *
tls_server_name(SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    char name[64];

    ck_assert_ptr_nonnull(cert);
    X509_NAME_get_text_by_NID(
        X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
    X509_free(cert);
    return text_of("%s", name);
}
