/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_test.c - the TLS port: what passes through it, who is let in, sessions,
 * renewed certificates, and peers that speak no TLS or stop in the middle.
 *
 * ASHLAR_TEST_CONNECTS says how many of those come with noise (600).
 *
 * Certificates are made at the start; the server has those of "server".
 */
#include "client-tests/tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-tests/client.h"
#include "client-tests/wire.h"

static struct server *server;
static int tls_port;
static SSL_CTX *rules; /* of most clients: any version, the certificate "one" */

/* Text that lives as long as a test needs it. */
static const char *kept(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static const char *
kept(const char *fmt, ...)
{
    static char texts[32][400];
    static unsigned next;
    char *text = texts[next++ % ARRAY_LEN(texts)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(texts[0]), fmt, ap);
    va_end(ap);
    return text;
}

/* A file of this program's folder. */
static const char *
path_of(const char *name)
{
    return kept("%s/%s", tests_dir(), name);
}

/* Start with further arguments; the TLS port is `tls_port`. */
static struct server *
start_tls(const char *const *extra)
{
    const char *args[40] = {"--tls-port", NULL, "--tls-cert-file",
        path_of("server.crt"), "--tls-key-file", path_of("server.key"),
        "--tls-ca-cert-file", path_of("ca.crt")};
    size_t n = 8;

    for (; extra != NULL && *extra != NULL; extra++)
        args[n++] = *extra;
    tls_port = free_port();
    args[1] = kept("%d", tls_port);
    return server_start(args);
}

static void
set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    make_certificate(tests_dir(), "ca", NULL);
    make_certificate(tests_dir(), "other-ca", NULL);
    make_certificate(tests_dir(), "server", "ca");
    make_certificate(tests_dir(), "renewed", "ca");
    make_certificate(tests_dir(), "one", "ca");
    make_certificate(tests_dir(), "stranger", "other-ca");
    make_expired_certificate(tests_dir(), "late", "ca");
    rules = tls_rules(tests_dir(), "one", 0);
    server = start_tls(NULL);
}

static void
tear_down(void)
{
    SSL_CTX_free(rules);
    server_stop(server);
}

/* ---- bytes -------------------------------------------------------------- */

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Bytes that tell where they stand. */
static char *
pattern(size_t len)
{
    char *p = malloc(len);

    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < len; i++)
        p[i] = (char)((i * 2654435761u) >> 13);
    return p;
}

static void
set_value(SSL *ssl, const char *value, size_t len)
{
    char *head = text_of("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", len);

    tls_say(ssl, head);
    tls_send(ssl, value, len);
    tls_say(ssl, "\r\n");
    tls_hear(ssl, "+OK\r\n");
    free(head);
}

/* The reply to a GET of that value. */
static void
hear_value(SSL *ssl, const char *value, size_t len)
{
    char *head = text_of("$%zu\r\n", len), *got = malloc(len);

    ck_assert_ptr_nonnull(got);
    tls_hear(ssl, head);
    tls_receive(ssl, got, len);
    ck_assert_int_eq(memcmp(got, value, len), 0);
    tls_hear(ssl, "\r\n");
    free(head);
    free(got);
}

START_TEST(values_of_all_sizes_pass)
{
    static const size_t sizes[] = {
        0, 1, 100, 16383, 16384, 16385, 65536, 300000, 5000000};
    SSL_CTX *ctx = tls_rules(tests_dir(), "one", versions[_i]);
    SSL *ssl = tls_connect(ctx, tls_port);

    ck_assert_int_eq(SSL_version(ssl), versions[_i]);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *value = pattern(sizes[i] + 1);

        set_value(ssl, value, sizes[i]);
        tls_say(ssl, "GET big\r\n");
        hear_value(ssl, value, sizes[i]);
        tls_say(ssl, "GET big\r\nPING\r\nGET big\r\n");
        hear_value(ssl, value, sizes[i]);
        tls_hear(ssl, "+PONG\r\n");
        hear_value(ssl, value, sizes[i]);
        free(value);
    }
    tls_close(ssl);
    SSL_CTX_free(ctx);
}
END_TEST

/* A client with Nagle's algorithm holds back the end of what it sends in
 * several pieces, until the rest is acknowledged: with every command for 40 ms,
 * if the server waits for the end. */
START_TEST(the_end_of_a_long_command_is_not_waited_for)
{
    static const size_t lengths[] = {17000, 70000};
    static const int off = 0;
    size_t len = lengths[_i];
    SSL *ssl = tls_connect(rules, tls_port);
    char *value = pattern(len);
    double best = 1, end = now_s() + patient(10);

    setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
    /* Others may hold up many of them; the wait holds up each. */
    for (int i = 0; i < 12 || (best >= 0.035 && now_s() < end); i++) {
        double start = now_s();

        set_value(ssl, value, len);
        if (i >= 4) /* the kernel is quick at first */
            best = MIN(best, now_s() - start);
    }
    ck_assert_msg(best < 0.035, "a SET took %.3f s", best);
    free(value);
    tls_close(ssl);
}
END_TEST

START_TEST(all_of_a_long_pipeline_is_run)
{
    enum {
        PINGS = 30000
    };
    SSL *ssl = tls_connect(rules, tls_port);
    char *pings = malloc(6 * PINGS);

    ck_assert_ptr_nonnull(pings);
    for (int i = 0; i < PINGS; i++)
        memcpy(pings + 6 * i, "PING\r\n", 6);
    tls_send(ssl, pings, 6 * PINGS);
    for (int i = 0; i < PINGS; i++)
        tls_hear(ssl, "+PONG\r\n");
    /* And in records of a byte each. */
    for (int i = 0; i < 600; i++)
        tls_send(ssl, pings + i, 1);
    for (int i = 0; i < 100; i++)
        tls_hear(ssl, "+PONG\r\n");
    free(pings);
    tls_close(ssl);
}
END_TEST

/* A long value is received in steps. When one ends in the middle of the last
 * record, the socket has no more to tell, and OpenSSL has the rest. */
START_TEST(what_openssl_holds_is_received)
{
    static const size_t sizes[] = {17000, 33500, 66500, 132000};
    SSL *ssl = tls_connect(rules, tls_port);
    char *value = pattern(132000);

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *head =
            text_of("*3\r\n$3\r\nSET\r\n$4\r\nstep\r\n$%zu\r\n", sizes[i]);

        tls_say(ssl, head);
        free(head);
        sleep_ms(10); /* the server knows how much will come */
        for (size_t at = 0; at < sizes[i]; at += 8500)
            tls_send(ssl, value + at, MIN(sizes[i] - at, 8500));
        tls_say(ssl, "\r\n");
        tls_hear(ssl, "+OK\r\n");
    }
    free(value);
    tls_close(ssl);
}
END_TEST

/* The socket is full and the server's commands wait; records that were begun go
 * on where they stopped. */
START_TEST(a_client_that_reads_late_gets_everything)
{
    enum {
        LEN = 300000,
        GETS = 60,
        SMALL = 3000
    };
    SSL_CTX *ctx = tls_rules(tests_dir(), "one", versions[_i]);
    SSL *ssl = tls_connect(ctx, tls_port);
    char *value = pattern(LEN);

    set_value(ssl, value, LEN);
    for (int i = 0; i < GETS; i++)
        tls_say(ssl, "GET big\r\nPING\r\n");
    for (int i = 0; i < SMALL; i++)
        tls_say(ssl, "PING\r\n");
    sleep_ms(100);
    for (int i = 0; i < GETS; i++) {
        hear_value(ssl, value, LEN);
        tls_hear(ssl, "+PONG\r\n");
        if (i % 10 == 0)
            sleep_ms(5);
    }
    for (int i = 0; i < SMALL; i++)
        tls_hear(ssl, "+PONG\r\n");
    free(value);
    tls_close(ssl);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(a_tls_port_needs_no_other)
{
    static const char *const args[] = {"--port", "0", NULL};
    int port = tls_port;
    struct server *s = start_tls(args);
    SSL *ssl = tls_connect(rules, tls_port);
    redisContext *c = server_connect_unix(s);

    ck_assert_int_eq(info_int(c, "server", "tcp_port"), tls_port);
    ck_assert_int_lt(connect_tcp("127.0.0.1", server_port(s)), 0);
    tls_say(ssl, "PING\r\n");
    tls_hear(ssl, "+PONG\r\n");
    redisFree(c);
    tls_close(ssl);
    server_stop(s);
    tls_port = port;
}
END_TEST

START_TEST(messages_come_to_subscribers)
{
    SSL *ssl = tls_connect(rules, tls_port);
    redisContext *c = server_connect(server);

    tls_say(ssl, "SUBSCRIBE news\r\n");
    tls_hear(ssl, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    expect(c, ":1", "PUBLISH news hello");
    tls_hear(ssl, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    redisFree(c);
    tls_close(ssl);
}
END_TEST

START_TEST(the_end_is_announced)
{
    SSL *ssl = tls_connect(rules, tls_port);

    SSL_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    tls_say(ssl, "PING\r\nQUIT\r\n");
    tls_hear(ssl, "+PONG\r\n+OK\r\n");
    tls_hear_end(ssl);
    ck_assert_int_eq(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
    tls_close(ssl);
    /* A client that says goodbye after its commands is answered. */
    ssl = tls_connect(rules, tls_port);
    tls_say(ssl, "SET k v\r\nGET k\r\n");
    ck_assert_int_eq(SSL_shutdown(ssl), 0);
    tls_hear(ssl, "+OK\r\n$1\r\nv\r\n");
    tls_hear_end(ssl);
    tls_close(ssl);
}
END_TEST

START_TEST(a_renegotiation_is_refused)
{
    SSL_CTX *ctx = tls_rules(tests_dir(), "one", TLS1_2_VERSION);
    SSL *ssl = tls_connect(ctx, tls_port);

    ck_assert_int_eq(SSL_renegotiate(ssl), 1);
    ck_assert_int_ne(SSL_do_handshake(ssl), 1);
    SSL_free(ssl);
    ssl = tls_connect(ctx, tls_port);
    tls_close(ssl);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(keys_can_be_updated)
{
    SSL_CTX *ctx = tls_rules(tests_dir(), "one", TLS1_3_VERSION);
    SSL *ssl = tls_connect(ctx, tls_port);

    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        tls_say(ssl, "PING\r\n");
        tls_hear(ssl, "+PONG\r\n");
    }
    tls_close(ssl);
    SSL_CTX_free(ctx);
}
END_TEST

/* ---- who is let in ------------------------------------------------------ */

static bool
is_let_in(const char *certificate)
{
    SSL_CTX *ctx = tls_rules(tests_dir(), certificate, versions[0]);
    SSL_CTX *ctx3 = tls_rules(tests_dir(), certificate, versions[1]);
    SSL *ssl = tls_try(ctx, tls_port, NULL);
    SSL *ssl3 = tls_try(ctx3, tls_port, NULL);

    ck_assert_int_eq(ssl != NULL, ssl3 != NULL);
    if (ssl != NULL) {
        tls_close(ssl);
        tls_close(ssl3);
    }
    SSL_CTX_free(ctx);
    SSL_CTX_free(ctx3);
    return ssl != NULL;
}

START_TEST(clients_show_the_certificates_that_are_asked_for)
{
    redisContext *c = server_connect(server);

    ck_assert(is_let_in("one"));
    ck_assert(!is_let_in("stranger"));
    ck_assert(!is_let_in("late"));
    ck_assert(!is_let_in(NULL));
    expect(c, "+OK", "CONFIG SET tls-auth-clients optional");
    ck_assert(is_let_in("one"));
    ck_assert(!is_let_in("stranger"));
    ck_assert(is_let_in(NULL));
    expect(c, "+OK", "CONFIG SET tls-auth-clients no");
    ck_assert(is_let_in(NULL));
    expect(c, "+OK", "CONFIG SET tls-auth-clients yes");
    ck_assert(!is_let_in(NULL));
    redisFree(c);
}
END_TEST

START_TEST(versions_and_ciphers_are_chosen)
{
    redisContext *c = server_connect(server);
    SSL_CTX *old = tls_rules(tests_dir(), "one", TLS1_2_VERSION);
    SSL *ssl;

    expect(c, "+OK", "CONFIG SET tls-protocols TLSv1.3");
    ck_assert_ptr_null(tls_try(old, tls_port, NULL));
    expect(c, "re:-ERR CONFIG SET failed .*'tls-protocols'.*TLSv1\\.2.*",
        "CONFIG SET tls-protocols SSLv3");
    expect(c, "+OK", "CONFIG SET tls-protocols %s tls-ciphers %s", "",
        "ECDHE-ECDSA-AES128-GCM-SHA256");
    ssl = tls_connect(old, tls_port);
    ck_assert_str_eq(SSL_get_cipher(ssl), "ECDHE-ECDSA-AES128-GCM-SHA256");
    tls_close(ssl);
    expect(c, "+OK", "CONFIG SET tls-ciphersuites TLS_AES_128_GCM_SHA256");
    ssl = tls_connect(rules, tls_port);
    ck_assert_str_eq(SSL_get_cipher(ssl), "TLS_AES_128_GCM_SHA256");
    tls_close(ssl);
    expect(c, "re:-ERR CONFIG SET failed .*'tls-ciphers'.*no cipher match.*",
        "CONFIG SET tls-ciphers nonsense");
    ssl = tls_connect(old, tls_port);
    tls_close(ssl);
    expect(c, "+OK", "CONFIG SET tls-ciphers %s tls-ciphersuites %s", "", "");
    SSL_CTX_free(old);
    redisFree(c);
}
END_TEST

START_TEST(a_key_may_have_a_password)
{
    const char *const make[] = {"openssl", "pkey", "-in", path_of("server.key"),
        "-aes256", "-passout", "pass:s3cret", "-out", path_of("locked.key"),
        NULL};
    const char *const with[] = {"--tls-key-file", path_of("locked.key"),
        "--tls-key-file-pass", "s3cret", NULL};
    struct program_end end = run_program(make, patient(20));
    struct server *s;
    int port = tls_port;
    redisContext *c;
    SSL *ssl;

    ck_assert_msg(end.status == 0, "openssl: %s", end.output);
    free(end.output);
    s = start_tls(with);
    ssl = tls_connect(rules, tls_port);
    tls_close(ssl);
    c = server_connect(s);
    expect(c, "[\"tls-key-file-pass\" \"\"]", "CONFIG GET tls-key-file-pass");
    expect(c, "re:-ERR CONFIG SET failed .*'tls-key-file-pass'.*",
        "CONFIG SET tls-key-file-pass wrong");
    ssl = tls_connect(rules, tls_port);
    tls_close(ssl);
    redisFree(c);
    server_stop(s);
    tls_port = port;
}
END_TEST

/* ---- sessions ----------------------------------------------------------- */

/* Connect twice; true if the second time the session of the first is resumed.
 */
static bool
resumes(SSL_CTX *ctx)
{
    SSL *ssl = tls_connect(ctx, tls_port);
    SSL_SESSION *session;
    bool reused;

    tls_say(ssl, "PING\r\n"); /* its reply comes behind the ticket */
    tls_hear(ssl, "+PONG\r\n");
    session = SSL_get1_session(ssl);
    tls_close(ssl);
    ssl = tls_try(ctx, tls_port, session);
    ck_assert_ptr_nonnull(ssl);
    reused = SSL_session_reused(ssl);
    tls_close(ssl);
    SSL_SESSION_free(session);
    return reused;
}

START_TEST(sessions_are_resumed)
{
    redisContext *c = server_connect(server);
    SSL_CTX *v2 = tls_rules(tests_dir(), "one", TLS1_2_VERSION);
    SSL_CTX *v3 = tls_rules(tests_dir(), "one", TLS1_3_VERSION);

    ck_assert(resumes(v3));
    ck_assert(resumes(v2));
    SSL_CTX_set_options(v2, SSL_OP_NO_TICKET); /* from the server's cache */
    ck_assert(resumes(v2));
    expect(c, "+OK", "CONFIG SET tls-session-caching no");
    ck_assert(!resumes(v2));
    SSL_CTX_clear_options(v2, SSL_OP_NO_TICKET);
    ck_assert(!resumes(v2));
    ck_assert(!resumes(v3));
    expect(c, "+OK", "CONFIG SET tls-session-caching yes");
    ck_assert(resumes(v3));
    SSL_CTX_free(v2);
    SSL_CTX_free(v3);
    redisFree(c);
}
END_TEST

/* ---- renewed certificates ----------------------------------------------- */

static void
expect_certificate(const char *name)
{
    SSL *ssl = tls_connect(rules, tls_port);
    char *shown = tls_server_name(ssl);

    ck_assert_str_eq(shown, name);
    free(shown);
    tls_close(ssl);
}

START_TEST(config_set_renews_the_certificate)
{
    redisContext *c = server_connect(server);
    SSL *before = tls_connect(rules, tls_port);

    expect_certificate("server");
    /* A certificate without its key is refused, and the rest with it. */
    expect(c, "re:-ERR CONFIG SET failed .*tls-key-file.*",
        "CONFIG SET tls-cert-file %s", path_of("renewed.crt"));
    expect(c,
        "re:-ERR CONFIG SET failed .*tls-cert-file.*/none\\.crt.*No such.*",
        "CONFIG SET tls-session-cache-timeout 77 tls-cert-file %s",
        path_of("none.crt"));
    expect(c, "[\"tls-session-cache-timeout\" \"300\"]",
        "CONFIG GET tls-session-cache-timeout");
    expect_certificate("server");
    expect(c, "+OK", "CONFIG SET tls-cert-file %s tls-key-file %s",
        path_of("renewed.crt"), path_of("renewed.key"));
    expect_certificate("renewed");
    tls_say(before, "PING\r\n");
    tls_hear(before, "+PONG\r\n");
    expect(c, "+OK", "CONFIG SET tls-key-file %s tls-cert-file %s",
        path_of("server.key"), path_of("server.crt"));
    expect_certificate("server");
    tls_close(before);
    redisFree(c);
}
END_TEST

static void set_config(redisContext *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
set_config(redisContext *c, const char *fmt, ...)
{
    va_list ap;
    redisReply *r;

    va_start(ap, fmt);
    r = redisvCommand(c, fmt, ap);
    va_end(ap);
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(r->type == REDIS_REPLY_STATUS, "%s: %s", fmt, r->str);
    freeReplyObject(r);
}

static void
copy_file(const char *from, const char *to)
{
    const char *const argv[] = {"cp", "--", from, to, NULL};
    struct program_end end = run_program(argv, 20);

    ck_assert_msg(end.status == 0, "cp: %s", end.output);
    free(end.output);
}

static void
write_text(const char *to, const char *text)
{
    FILE *f = fopen(to, "we");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Send HUP and wait until the log has one more line with `text`. */
static void
reload_until(struct server *s, const char *text)
{
    const char *const argv[] = {"grep", "-c", text, server_log(s), NULL};
    struct program_end end = run_program(argv, 20);
    int before = atoi(end.output), now = before;
    double limit = now_s() + patient(10);

    free(end.output);
    kill(server_pid(s), SIGHUP);
    while (now == before) {
        ck_assert_msg(now_s() < limit, "no \"%s\" in the log", text);
        sleep_ms(5);
        end = run_program(argv, 20);
        now = atoi(end.output);
        free(end.output);
    }
}

START_TEST(hup_renews_the_certificate)
{
    const char *const args[] = {"--tls-cert-file", path_of("live.crt"),
        "--tls-key-file", path_of("live.key"), NULL};
    int port = tls_port;
    struct server *s;
    SSL *before;

    copy_file(path_of("server.crt"), path_of("live.crt"));
    copy_file(path_of("server.key"), path_of("live.key"));
    s = start_tls(args);
    before = tls_connect(rules, tls_port);
    copy_file(path_of("renewed.crt"), path_of("live.crt"));
    reload_until(s, "the former ones stay");
    expect_certificate("server");
    copy_file(path_of("renewed.key"), path_of("live.key"));
    reload_until(s, "certificates and rules read again");
    expect_certificate("renewed");
    copy_file("/dev/null", path_of("live.crt"));
    reload_until(s, "the former ones stay");
    expect_certificate("renewed");
    /* It is what the administrator wants, but hardly. */
    copy_file(path_of("late.crt"), path_of("live.crt"));
    copy_file(path_of("late.key"), path_of("live.key"));
    reload_until(s, "live.crt\" has expired");
    tls_say(before, "PING\r\n");
    tls_hear(before, "+PONG\r\n");
    tls_close(before);
    server_stop(s);
    tls_port = port;
}
END_TEST

/* ---- changes under load -------------------------------------------------- */

static _Atomic bool stopping;

/* Pipelines of INCR as fast as they are answered: the numbers show if a reply is
 * lost or comes twice. */
static void *
count_upwards(void *port)
{
    SSL *ssl = tls_connect(rules, *(int *)port);
    char said[16 * 40], wanted[16 * 20];
    long n = 0;

    do { /* once at least, however late this comes to run */
        size_t asked = 0, told = 0;

        for (int i = 0; i < 16; i++) {
            asked += (size_t)snprintf(said + asked, sizeof(said) - asked,
                "INCR key:%p\r\n", (void *)ssl);
            told += (size_t)snprintf(
                wanted + told, sizeof(wanted) - told, ":%ld\r\n", ++n);
        }
        tls_say(ssl, said);
        tls_hear(ssl, wanted);
    } while (!atomic_load(&stopping));
    tls_close(ssl);
    return NULL;
}

/* A configuration with the certificate of one name and the key of another. */
static void
write_config(const char *file, const char *cert, const char *key, int timeout)
{
    char *text = text_of("tls-port %d\ntls-cert-file %s.crt\n"
                         "tls-key-file %s.key\ntls-ca-cert-file %s\n"
                         "timeout %d\n",
        tls_port, path_of(cert), path_of(key), path_of("ca.crt"), timeout);
    char *next = text_of("%s.next", file);

    write_text(next, text);
    ck_assert_int_eq(rename(next, file), 0);
    free(text);
    free(next);
}

/* Certificates that are renewed, go back, do not fit or are not there, from the
 * file and by CONFIG SET, while some work and others come and go. */
START_TEST(nobody_notices_renewals_good_or_bad)
{
    static const char *const pairs[][2] = {{"server", "server"},
        {"renewed", "server"}, {"renewed", "renewed"}, {"none", "renewed"}};
    char *file = text_of("%s", path_of("changes.conf"));
    int former_port = tls_port, n = 0;
    pthread_t threads[3];
    struct server *s;
    redisContext *c;

    tls_port = free_port();
    write_config(file, "server", "server", 0);
    s = server_start_with(&(struct server_options){.file = file});
    c = server_connect(s);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, count_upwards, &tls_port), 0);
    for (double end = now_s() + 0.7; now_s() < end; n++) {
        const char *const *pair = pairs[n % (int)ARRAY_LEN(pairs)];

        write_config(file, pair[0], pair[1], n % 100 + 100);
        kill(server_pid(s), SIGHUP);
        set_config(c, "CONFIG SET tls-cert-file %s.crt tls-key-file %s.key",
            path_of("renewed"), path_of("renewed"));
        expect(c, "re:-ERR CONFIG SET failed .*none.crt.*No such file.*",
            "CONFIG SET timeout 7 tls-cert-file %s", path_of("none.crt"));
        tls_close(tls_connect(rules, tls_port));
    }
    write_config(file, "none", "none", 55);
    reload_until(s, "not reloaded.*none.crt.*No such file");
    write_config(file, "server", "server", 55);
    reload_until(s, "configuration reloaded");
    expect_certificate("server");
    expect(c, "[\"timeout\" \"55\"]", "CONFIG GET timeout");
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    redisFree(c);
    server_stop(s);
    free(file);
    tls_port = former_port;
}
END_TEST

/* ---- another port ------------------------------------------------------- */

/* Is TLS spoken there, before long? */
static bool
serves_tls(int port, bool wanted)
{
    double limit = now_s() + patient(10);
    bool serves;

    do {
        int fd = connect_tcp("127.0.0.1", port);
        SSL *ssl = NULL;

        if (fd >= 0) {
            close(fd);
            ssl = tls_try(rules, port, NULL);
        }
        serves = ssl != NULL;
        if (serves)
            tls_close(ssl);
    } while (serves != wanted && now_s() < limit);
    return serves == wanted;
}

START_TEST(the_port_can_be_changed_while_clients_stay)
{
    redisContext *c = server_connect_unix(server);
    SSL *stays = tls_connect(rules, tls_port);
    int new = free_port();

    set_config(c, "CONFIG SET tls-port %d", new);
    ck_assert(serves_tls(new, true));
    ck_assert(serves_tls(tls_port, false));
    set_config(c, "CONFIG SET tls-port 0");
    ck_assert(serves_tls(new, false));
    tls_say(stays, "PING\r\n");
    tls_hear(stays, "+PONG\r\n");
    expect(c,
        "re:-ERR CONFIG SET failed .*'tls-port'\\) - Unable to listen on this "
        "port: .*in use",
        "CONFIG SET timeout 9 tls-port %s", kept("%d", server_port(server)));
    expect(c, "[\"timeout\" \"0\" \"tls-port\" \"0\"]",
        "CONFIG GET timeout tls-port");
    set_config(c, "CONFIG SET tls-port %d", tls_port);
    ck_assert(serves_tls(tls_port, true));
    tls_close(stays);
    redisFree(c);
}
END_TEST

/* Plain and TLS change places: a socket of either stays open meanwhile, and
 * nobody is refused. */
START_TEST(a_port_can_change_its_kind)
{
    redisContext *c = server_connect_unix(server);
    int port = server_port(server), waiting;
    SSL *ssl = tls_connect(rules, tls_port);

    set_config(c, "CONFIG SET port 0 tls-port %d", port);
    waiting = connect_tcp("127.0.0.1", port);
    ck_assert_int_ge(waiting, 0);
    close(waiting);
    ck_assert(serves_tls(port, true));
    ck_assert_int_lt(connect_tcp("127.0.0.1", tls_port), 0);
    set_config(c, "CONFIG SET tls-port %d port %d", tls_port, port);
    ck_assert(serves_tls(tls_port, true));
    expect(c, "+PONG", "PING");
    redisFree(c);
    c = server_connect(server);
    /* Both at once. */
    set_config(c, "CONFIG SET tls-port %d port %d", port, tls_port);
    ck_assert(serves_tls(port, true));
    set_config(c, "CONFIG SET tls-port %d port %d", tls_port, port);
    ck_assert(serves_tls(tls_port, true));
    tls_say(ssl, "PING\r\n");
    tls_hear(ssl, "+PONG\r\n");
    tls_close(ssl);
    redisFree(c);
}
END_TEST

/* OpenSSL is opened when the first port is set. */
START_TEST(a_server_without_tls_can_get_a_port)
{
    struct server *s = server_start(NULL);
    redisContext *c = server_connect(s);
    int port = free_port();

    expect(c, "re:-ERR CONFIG SET failed .*needs tls-cert-file",
        "CONFIG SET tls-port %s", kept("%d", port));
    expect(c, "[\"tls-port\" \"0\"]", "CONFIG GET tls-port");
    set_config(c,
        "CONFIG SET tls-port %d tls-cert-file %s tls-key-file %s "
        "tls-ca-cert-file %s",
        port, path_of("server.crt"), path_of("server.key"), path_of("ca.crt"));
    ck_assert(serves_tls(port, true));
    expect(c, "+PONG", "PING");
    redisFree(c);
    server_stop(s);
}
END_TEST

START_TEST(a_reload_can_add_and_remove_the_port)
{
    const char *file = path_of("reload.conf");
    struct server_options options = {.file = file};
    int port = free_port();
    struct server *s;
    redisContext *c;

    write_text(file, "timeout 0\n");
    s = server_start_with(&options);
    c = server_connect(s);
    write_text(file,
        kept("tls-port %d\ntls-auth-clients no\ntls-cert-file %s\n"
             "tls-key-file /none\n",
            port, path_of("server.crt")));
    reload_until(s, "configuration not reloaded");
    write_text(file,
        kept("tls-port %d\ntls-auth-clients no\ntls-cert-file %s\n"
             "tls-key-file %s\n",
            port, path_of("server.crt"), path_of("server.key")));
    reload_until(s, "configuration reloaded");
    ck_assert(serves_tls(port, true));
    write_text(file, "timeout 0\n");
    reload_until(s, "configuration reloaded");
    ck_assert(serves_tls(port, false));
    expect(c, "+PONG", "PING");
    redisFree(c);
    server_stop(s);
}
END_TEST

/* ---- other peers -------------------------------------------------------- */

static int
connect_plainly(void)
{
    int fd = connect_tcp("127.0.0.1", tls_port);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Read until the server closes. */
static void
expect_end(int fd)
{
    char scratch[4096];
    ssize_t n;

    while ((n = recv(fd, scratch, sizeof(scratch), 0)) > 0)
        ;
    ck_assert_msg(
        n == 0 || errno == ECONNRESET, "still open: %s", strerror(errno));
    close(fd);
}

START_TEST(who_speaks_plainly_is_closed)
{
    static const char *const said[] = {"PING\r\n", "*1\r\n$4\r\nPING\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"};
    redisContext *c = server_connect(server);
    long long before = info_int(c, "stats", "tls_handshakes_failed");

    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        int fd = connect_plainly();

        ck_assert_int_gt(send(fd, said[i], strlen(said[i]), MSG_NOSIGNAL), 0);
        expect_end(fd);
    }
    ck_assert_int_eq(info_int(c, "stats", "tls_handshakes_failed") - before,
        ARRAY_LEN(said));
    redisFree(c);
}
END_TEST

/* The bytes with which a client of OpenSSL begins. */
static size_t
client_hello(unsigned char *to, size_t cap)
{
    SSL *ssl = SSL_new(rules);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int n;

    SSL_set_bio(ssl, in, out);
    ck_assert_int_lt(SSL_connect(ssl), 1);
    n = BIO_read(out, to, (int)cap);
    ck_assert_int_gt(n, 100);
    SSL_free(ssl);
    return (size_t)n;
}

/* Wait until no more than `n` clients are there. */
static void
await_clients(redisContext *c, long long n)
{
    double limit = now_s() + patient(20);

    while (info_int(c, "clients", "connected_clients") > n) {
        ck_assert_msg(now_s() < limit, "clients that left are still there");
        sleep_ms(2);
    }
}

#define AT_ONCE 50 /* connections that bring noise */

/* What as many handshakes take has been taken once. */
static void
fill_with_handshakes(redisContext *c, const void *hello, size_t n, int others)
{
    int fds[AT_ONCE];

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = connect_plainly();
        ck_assert_int_eq(send(fds[i], hello, n, MSG_NOSIGNAL), n);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        struct pollfd answer = {fds[i], POLLIN, 0};

        ck_assert_int_eq(poll(&answer, 1, (int)(patient(20) * 1000)), 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    await_clients(c, others);
}

/* One of five kinds of what is no handshake, or half of one, into `to`. */
static size_t
make_noise(unsigned char *to, size_t cap, int kind, const unsigned char *hello,
    size_t n)
{
    static const char resp[] = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";

    memcpy(to, hello, n);
    switch (kind) {
    case 0: /* random bytes */
        for (n = 0; n < cap; n++)
            to[n] = (unsigned char)random();
        return n;
    case 1: /* a hello with bytes changed */
        for (int i = 0; i < 1 + random() % 5; i++)
            to[(size_t)random() % n] = (unsigned char)random();
        return n;
    case 2: /* one that is cut off */
        return (size_t)random() % n;
    case 3: /* commands */
        memcpy(to, resp, sizeof(resp) - 1);
        return sizeof(resp) - 1;
    default: /* a good one: the server answers, and nothing follows */
        return n;
    }
}

/* In one of four ways. */
static void
end_connection(int fd, int how)
{
    static const struct linger now = {1, 0};
    struct pollfd answer = {fd, POLLIN, 0};

    if (how == 0)
        shutdown(fd, SHUT_WR);
    if (how == 1) /* when the server has said something, for the most part */
        poll(&answer, 1, 1);
    if (how == 1 || how == 2)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

/* None of it keeps the server from serving, none of it stays in its memory. */
START_TEST(noise_does_no_harm)
{
    const char *wanted = getenv("ASHLAR_TEST_CONNECTS");
    int rounds = MAX(wanted != NULL ? atoi(wanted) : 600, 6);
    redisContext *c = server_connect(server);
    SSL *witness = tls_connect(rules, tls_port);
    unsigned char hello[4096], noise[4096];
    size_t len = client_hello(hello, sizeof(hello)), before = 0, after;
    unsigned seed;

    ck_assert_int_eq(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
    srandom(seed);
    fill_with_handshakes(c, hello, len, 2);
    for (int i = 0; i < rounds; i++) {
        int fd = connect_plainly();

        send(fd, noise, make_noise(noise, sizeof(noise), i % 5, hello, len),
            MSG_NOSIGNAL);
        end_connection(fd, i % 4);
        if (i % AT_ONCE == 0) {
            tls_say(witness, "PING\r\n");
            tls_hear(witness, "+PONG\r\n");
            await_clients(c, 2); /* no more at once than before */
        }
        if (i == rounds / 3)
            before = server_rss_kb(server);
    }
    await_clients(c, 2);
    after = server_rss_kb(server);
    fprintf(stderr, "seed %u, %d connections, %zu kB and then %zu kB\n", seed,
        rounds, before, after);
    if (memory_is_judged())
        ck_assert_msg(
            after < before + 3072, "%zu kB became %zu kB", before, after);
    tls_close(witness);
    redisFree(c);
}
END_TEST

START_TEST(a_handshake_that_stops_is_closed)
{
    int port = tls_port, silent, half;
    struct server *s = start_tls(NULL);
    unsigned char hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    SSL *ssl = tls_connect(rules, tls_port);
    double start;

    tls_say(ssl, "CONFIG SET tls-handshake-timeout 1\r\n");
    tls_hear(ssl, "+OK\r\n");
    start = now_s();
    silent = connect_plainly();
    half = connect_plainly();
    /* A byte now and then does not help. */
    for (size_t i = 0; i < len / 2; i++) {
        struct pollfd p = {half, POLLIN, 0};

        if (send(half, hello + i, 1, MSG_NOSIGNAL) != 1 || poll(&p, 1, 20) > 0)
            break;
    }
    expect_end(half);
    expect_end(silent);
    ck_assert_msg(
        now_s() - start > 0.9, "closed after %.1f s", now_s() - start);
    tls_say(ssl, "PING\r\n");
    tls_hear(ssl, "+PONG\r\n");
    tls_close(ssl);
    server_stop(s);
    tls_port = port;
}
END_TEST

START_TEST(connections_leave_nothing_behind)
{
    redisContext *c = server_connect(server);
    SSL *ssl[30];
    size_t before = 0, after;

    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < ARRAY_LEN(ssl); i++)
            ssl[i] = tls_connect(rules, tls_port);
        for (size_t i = 0; i < ARRAY_LEN(ssl); i++) {
            int fd = SSL_get_fd(ssl[i]);

            if (i % 2 == 0) {
                tls_close(ssl[i]);
                continue;
            }
            SSL_free(ssl[i]); /* without goodbye */
            close(fd);
        }
        await_clients(c, 1);
        if (round == 1)
            before = server_rss_kb(server);
    }
    after = server_rss_kb(server);
    if (memory_is_judged())
        ck_assert_msg(
            after < before + 1024, "%zu kB became %zu kB", before, after);
    redisFree(c);
}
END_TEST

/* ---- the configuration -------------------------------------------------- */

/* What is missing is said at the start, and by --check-config. */
START_TEST(an_incomplete_configuration_is_refused)
{
    const char *const rows[][8] = {
        {"", "needs tls-cert-file"},
        {"tls-cert-file", path_of("server.crt"), "", "needs tls-key-file"},
        {"tls-cert-file", path_of("server.crt"), "tls-key-file",
            path_of("server.key"), "", "tls-ca-cert-file or tls-ca-cert-dir"},
        {"tls-auth-clients", "no", "tls-cert-file", path_of("server.crt"),
            "tls-key-file", path_of("one.key"), "",
            "is not the key of tls-cert-file"},
        {"tls-auth-clients", "no", "tls-cert-file", path_of("server.key"),
            "tls-key-file", path_of("server.key"), "",
            "expected a certificate in PEM"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *file = path_of("bad.conf");
        const char *const run[] = {server_program(), file, NULL};
        const char *const check[] = {
            server_program(), "--check-config", file, NULL};
        FILE *f = fopen(file, "we");
        struct program_end end;
        size_t j;

        ck_assert_ptr_nonnull(f);
        fprintf(f, "port 0\ntls-port %d\n", free_port());
        for (j = 0; *rows[i][j] != '\0'; j += 2)
            fprintf(f, "%s %s\n", rows[i][j], rows[i][j + 1]);
        fclose(f);
        end = run_program(run, patient(20));
        ck_assert_int_eq(end.status, 78);
        ck_assert_msg(strstr(end.output, rows[i][j + 1]) != NULL,
            "no \"%s\" in: %s", rows[i][j + 1], end.output);
        free(end.output);
        end = run_program(check, patient(20));
        ck_assert_int_eq(end.status, 78);
        free(end.output);
    }
}
END_TEST

START_TEST(redis_cli_speaks_tls)
{
    const char *const argv[] = {"redis-cli", "-p", kept("%d", tls_port),
        "--tls", "--cacert", path_of("ca.crt"), "--cert", path_of("one.crt"),
        "--key", path_of("one.key"), "SET", "from", "redis-cli", NULL};
    struct program_end end = run_program(argv, patient(20));

    if (end.status == 127 || strstr(end.output, "Unrecognized") != NULL)
        skip("no redis-cli with TLS");
    else
        ck_assert_str_eq(end.output, "OK\n");
    free(end.output);
}
END_TEST

/* What Redis does in another way: it says less, shows secrets, has no time
 * limit and reads no certificate at HUP. */
static void
add_own_tests(TCase *tc)
{
    tcase_add_test(tc, versions_and_ciphers_are_chosen);
    tcase_add_test(tc, a_key_may_have_a_password);
    tcase_add_test(tc, sessions_are_resumed);
    tcase_add_test(tc, config_set_renews_the_certificate);
    tcase_add_test(tc, hup_renews_the_certificate);
    tcase_add_test(tc, nobody_notices_renewals_good_or_bad);
    tcase_add_loop_test(tc, the_end_of_a_long_command_is_not_waited_for, 0, 2);
    tcase_add_test(tc, the_port_can_be_changed_while_clients_stay);
    tcase_add_test(tc, a_port_can_change_its_kind);
    tcase_add_test(tc, a_server_without_tls_can_get_a_port);
    tcase_add_test(tc, a_reload_can_add_and_remove_the_port);
    tcase_add_test(tc, who_speaks_plainly_is_closed);
    tcase_add_test(tc, a_handshake_that_stops_is_closed);
    tcase_add_test(tc, an_incomplete_configuration_is_refused);
}

static Suite *
tls_suite(void)
{
    Suite *s = suite_create("tls");
    TCase *tc = tcase_create("tls");

    tcase_set_timeout(tc, patient(60));
    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, values_of_all_sizes_pass, 0, 2);
    tcase_add_test(tc, all_of_a_long_pipeline_is_run);
    tcase_add_test(tc, what_openssl_holds_is_received);
    tcase_add_loop_test(tc, a_client_that_reads_late_gets_everything, 0, 2);
    tcase_add_test(tc, a_tls_port_needs_no_other);
    tcase_add_test(tc, messages_come_to_subscribers);
    tcase_add_test(tc, the_end_is_announced);
    tcase_add_test(tc, a_renegotiation_is_refused);
    tcase_add_test(tc, keys_can_be_updated);
    tcase_add_test(tc, clients_show_the_certificates_that_are_asked_for);
    tcase_add_test(tc, noise_does_no_harm);
    tcase_add_test(tc, connections_leave_nothing_behind);
    tcase_add_test(tc, redis_cli_speaks_tls);
    if (testing_redis())
        skip("errors, reloads and time limits are an ashlard's");
    else
        add_own_tests(tc);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(tls_suite());
}
