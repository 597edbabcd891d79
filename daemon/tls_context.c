/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_context.c - what all TLS connections share: certificates, keys, rules.
 *
 * A context is made as a whole and then put in place of the former one, so that
 * a bad file leaves everything as it was. Connections hold the context that
 * they began with. Sessions of a former context cannot be resumed in the next
 * one, so that nobody gets around its rules.
 *
 * Main thread at the start, later any thread under the config lock; workers
 * take the context under a lock of its own.
 */
#include "daemon/tls_context.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- versions ------------------------------------------------------------ */

static const struct {
    const char *name;
    uint64_t refused;
} protocols[] = {
    {"TLSv1", SSL_OP_NO_TLSv1},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3},
};

/* The options that refuse all versions but those named; config.c has checked
 * the names. */
static uint64_t
refused_protocols(const char *text)
{
    char *words = xstrdup(*text == '\0' ? "TLSv1.2 TLSv1.3" : text), *save;
    uint64_t refused = 0;

    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        refused |= protocols[i].refused;
    for (char *word = strtok_r(words, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save))
        for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
            if (str_ieq(str_of(word), str_of(protocols[i].name)))
                refused &= ~protocols[i].refused;
    free(words);
    return refused;
}

/* ---- making a context ---------------------------------------------------- */

struct password {
    const char *text;
    bool wanted; /* the key has one */
};

/* OpenSSL's callback: the key's password. Without one it must not ask at the
 * terminal. */
static int
give_password(char *to, int cap, int for_writing, void *arg)
{
    struct password *password = arg;
    size_t len = strlen(password->text);

    (void)for_writing;
    password->wanted = true;
    if (len == 0 || len > (size_t)cap)
        return -1;
    memcpy(to, password->text, len);
    return (int)len;
}

/* `name "value": why OpenSSL does not like it`. Always false. */
static bool
refuse(const char *name, const char *value, struct buf *err)
{
    buf_printf(err, "%s \"%s\": ", name, value);
    tls_library_error(err);
    return false;
}

/* A file that cannot be read, or that is not `what` in PEM. */
static bool
refuse_file(
    const char *name, const char *path, const char *what, struct buf *err)
{
    (void)refuse(name, path, err);
    if (access(path, R_OK) == 0)
        buf_printf(err, "; expected %s in PEM", what);
    return false;
}

static bool
load_key(SSL_CTX *ctx, const struct tls_options *o, struct buf *err)
{
    struct password password = {.text = o->tls_key_file_pass};
    bool good;

    ossl.SSL_CTX_set_default_passwd_cb(ctx, give_password);
    ossl.SSL_CTX_set_default_passwd_cb_userdata(ctx, &password);
    good = ossl.SSL_CTX_use_PrivateKey_file(
               ctx, o->tls_key_file, SSL_FILETYPE_PEM) == 1;
    ossl.SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (good)
        return true;
    if (ERR_GET_LIB(ossl.ERR_peek_error()) == ERR_LIB_X509) {
        buf_printf(err, "tls-key-file \"%s\" is not the key of tls-cert-file",
            o->tls_key_file);
        ossl.ERR_clear_error();
        return false;
    }
    if (!password.wanted)
        return refuse_file(
            "tls-key-file", o->tls_key_file, "a private key", err);
    (void)refuse("tls-key-file", o->tls_key_file, err);
    buf_printf(err, "; is tls-key-file-pass its password?");
    return false;
}

static bool
load_certificate(SSL_CTX *ctx, const struct tls_options *o, struct buf *err)
{
    if (ossl.SSL_CTX_use_certificate_chain_file(ctx, o->tls_cert_file) != 1)
        return refuse_file(
            "tls-cert-file", o->tls_cert_file, "a certificate", err);
    if (!load_key(ctx, o, err))
        return false;
    if (ossl.SSL_CTX_check_private_key(ctx) != 1)
        return refuse("tls-key-file", o->tls_key_file, err);
    return true;
}

/* Whose certificates clients may show. */
static bool
load_authorities(SSL_CTX *ctx, const struct tls_options *o, struct buf *err)
{
    const char *file = o->tls_ca_cert_file, *dir = o->tls_ca_cert_dir;
    STACK_OF(X509_NAME) * names;

    if (*dir != '\0' && ossl.SSL_CTX_load_verify_dir(ctx, dir) != 1)
        return refuse("tls-ca-cert-dir", dir, err);
    if (*file == '\0')
        return true;
    if (ossl.SSL_CTX_load_verify_file(ctx, file) != 1)
        return refuse_file("tls-ca-cert-file", file, "certificates", err);
    /* Tells clients which of their certificates to show. */
    names = ossl.SSL_load_client_CA_file(file);
    if (names == NULL)
        return refuse_file("tls-ca-cert-file", file, "certificates", err);
    ossl.SSL_CTX_set_client_CA_list(ctx, names); /* takes the list */
    return true;
}

static bool
set_ciphers(SSL_CTX *ctx, const struct tls_options *o, struct buf *err)
{
    if (*o->tls_ciphers != '\0' &&
        ossl.SSL_CTX_set_cipher_list(ctx, o->tls_ciphers) != 1)
        return refuse("tls-ciphers", o->tls_ciphers, err);
    if (*o->tls_ciphersuites != '\0' &&
        ossl.SSL_CTX_set_ciphersuites(ctx, o->tls_ciphersuites) != 1)
        return refuse("tls-ciphersuites", o->tls_ciphersuites, err);
    return true;
}

/* Tickets, and a cache for clients that know none. */
static void
set_resumption(SSL_CTX *ctx, const struct tls_options *o)
{
    static const unsigned char id[] = "ashlar";

    ossl.SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
    if (!o->tls_session_caching) {
        ossl.SSL_CTX_ctrl(
            ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
        ossl.SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        ossl.SSL_CTX_set_num_tickets(ctx, 0);
        return;
    }
    ossl.SSL_CTX_ctrl(
        ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_SERVER, NULL);
    ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_SIZE,
        (long)o->tls_session_cache_size, NULL);
    ossl.SSL_CTX_set_timeout(ctx, (long)o->tls_session_cache_timeout);
}

static void
set_rules(SSL_CTX *ctx, const struct tls_options *o)
{
    static const int verify[] = {SSL_VERIFY_NONE,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER};

    /* Who cuts a stream short gains nothing: half a command is not run. */
    ossl.SSL_CTX_set_options(ctx,
        refused_protocols(o->tls_protocols) | SSL_OP_NO_COMPRESSION |
            SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (o->tls_prefer_server_ciphers)
        ossl.SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Buffers go back while nothing is under way, and a write that the socket
     * did not take may be repeated from another address. */
    ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_MODE,
        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
        NULL);
    /* A record's head and body in one receive. */
    ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
    ossl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_DH_AUTO, 1, NULL);
    ossl.SSL_CTX_set_verify(ctx, verify[o->tls_auth_clients], NULL);
}

/* What must be given, as Redis demands it. */
static bool
is_complete(const struct tls_options *o, struct buf *err)
{
    if (*o->tls_cert_file == '\0')
        buf_printf(err, "a TLS port needs tls-cert-file");
    else if (*o->tls_key_file == '\0')
        buf_printf(err, "a TLS port needs tls-key-file");
    else if (o->tls_auth_clients && *o->tls_ca_cert_file == '\0' &&
        *o->tls_ca_cert_dir == '\0')
        buf_printf(err,
            "clients are to show certificates: a TLS port needs "
            "tls-ca-cert-file or tls-ca-cert-dir, or tls-auth-clients no");
    else
        return true;
    return false;
}

/* NULL with a sentence in err. */
static SSL_CTX *
make_context(const struct tls_options *o, struct buf *err)
{
    SSL_CTX *ctx;

    if (!is_complete(o, err))
        return NULL;
    ossl.ERR_clear_error();
    ctx = ossl.SSL_CTX_new(ossl.TLS_server_method());
    if (ctx == NULL) {
        buf_printf(err, "cannot make a TLS context: ");
        tls_library_error(err);
        return NULL;
    }
    set_rules(ctx, o);
    set_resumption(ctx, o);
    if (load_certificate(ctx, o, err) && load_authorities(ctx, o, err) &&
        set_ciphers(ctx, o, err))
        return ctx;
    ossl.SSL_CTX_free(ctx);
    return NULL;
}

/* ---- the whole ----------------------------------------------------------- */

bool
tls_check(const struct tls_options *o, struct buf *err)
{
    SSL_CTX *ctx;

    if (o->tls_port == 0)
        return true;
    if (!tls_library_load(err))
        return false;
    ctx = make_context(o, err);
    if (ctx != NULL)
        ossl.SSL_CTX_free(ctx);
    return ctx != NULL;
}

bool
tls_open(const struct tls_options *o, bool is_passed, struct tls **out,
    struct buf *err)
{
    struct tls *t = xcalloc(1, sizeof(*t));

    t->is_passed = is_passed;
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return tls_reload(t, o, err);
}

void
tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    if (t->ctx != NULL)
        ossl.SSL_CTX_free(t->ctx);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Clients that look refuse it, and nobody else would say why. */
static void
warn_of_dates(const SSL_CTX *ctx, const char *file)
{
    const X509 *cert = ossl.SSL_CTX_get0_certificate(ctx);

    if (ossl.X509_cmp_current_time(ossl.X509_get0_notAfter(cert)) < 0)
        log_warn("the certificate of tls-cert-file \"%s\" has expired", file);
    else if (ossl.X509_cmp_current_time(ossl.X509_get0_notBefore(cert)) > 0)
        log_warn("the certificate of tls-cert-file \"%s\" is not valid yet",
            file);
}

bool
tls_reload(struct tls *t, const struct tls_options *o, struct buf *err)
{
    SSL_CTX *ctx, *former;

    if (o->tls_port == 0 && !t->is_passed)
        return true;
    if (!tls_library_load(err))
        return false;
    ctx = make_context(o, err);
    if (ctx == NULL)
        return false;
    warn_of_dates(ctx, o->tls_cert_file);
    pthread_mutex_lock(&t->lock);
    former = t->ctx;
    t->ctx = ctx;
    pthread_mutex_unlock(&t->lock);
    if (former == NULL)
        return true;
    ossl.SSL_CTX_free(former);
    log_info("TLS certificates and rules read again");
    return true;
}

SSL *
tls_context_new_ssl(struct tls *t)
{
    SSL_CTX *ctx;
    SSL *ssl;

    pthread_mutex_lock(&t->lock);
    ctx = t->ctx;
    ossl.SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&t->lock);
    ssl = ossl.SSL_new(ctx);
    ossl.SSL_CTX_free(ctx); /* it has its own hold */
    return ssl;
}
