/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_test.c - peers that mean no good or speak something else: a clear
 * error or a close, memory stays flat, and the others are served.
 *
 * ASHLAR_TEST_CONNECTS says how many connections are made in a row (2000), and
 * how many with noise (400).
 */
#include "client-tests/fixture.h"
#include "client-tests/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-tests/client.h"

/* ---- a witness ---------------------------------------------------------- */

/* A client that behaves, and looks on. */
struct witness {
    redisContext *c;
    size_t rss_kb;
};

static struct witness
witness_begin(void)
{
    struct witness w = {.c = server_connect(server)};

    expect(w.c, "+OK", "SET witness here");
    w.rss_kb = server_rss_kb(server);
    return w;
}

static void
witness_sees_service(const struct witness *w)
{
    expect(w->c, "\"here\"", "GET witness");
}

/* Only the witness is left, and memory is as it was but for `slack_kb`. */
static void
witness_end(struct witness *w, size_t slack_kb)
{
    double limit = now_s() + patient(20);
    size_t rss_kb;

    witness_sees_service(w);
    while (info_int(w->c, "clients", "connected_clients") > 1) {
        ck_assert_msg(now_s() < limit, "clients that left are still there");
        sleep_ms(5);
    }
    rss_kb = server_rss_kb(server);
    fprintf(stderr, "%zu kB, and then %zu kB\n", w->rss_kb, rss_kb);
    if (memory_is_judged())
        ck_assert_msg(rss_kb < w->rss_kb + slack_kb, "%zu kB became %zu kB",
            w->rss_kb, rss_kb);
    redisFree(w->c);
}

static void
reset(struct wire *in)
{
    struct linger now = {1, 0};

    setsockopt(in->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    wire_close(in);
}

static int
wanted_connects(int usual)
{
    const char *wanted = getenv("ASHLAR_TEST_CONNECTS");

    return wanted != NULL ? atoi(wanted) : usual;
}

/* How often `text` stands in the server's log. */
static int
count_in_log(const char *text)
{
    const char *const argv[] = {"grep", "-c", text, server_log(server), NULL};
    struct program_end end = run_program(argv, 20);
    int n = atoi(end.output);

    free(end.output);
    return n;
}

/* ---- passwords and rights ----------------------------------------------- */

START_TEST(wrong_passwords_are_refused_by_thousands)
{
    struct witness w = witness_begin();
    struct wire *in = wire_connect(server);

    expect(w.c, "+OK", "ACL SETUSER guest on >right ~g:* +get");
    for (int i = 0; i < 3000; i++) {
        char *guess = text_of("AUTH guest wrong%d", i);

        wire_send_command(in, guess);
        free(guess);
        wire_expect(in,
            "-WRONGPASS invalid username-password pair or user is disabled.");
    }
    wire_run(in, "AUTH nobody right",
        "-WRONGPASS invalid username-password pair or user is disabled.");
    wire_run(in, "AUTH guest right", "+OK");
    for (int i = 0; i < 1000; i++) {
        wire_run(in, "SET g:1 x",
            "re:-NOPERM this user has no permissions to run the 'set' "
            "command.*");
        wire_run(in, "GET h", "re:-NOPERM .*access one of the keys.*");
    }
    wire_run(in, "GET g:1", "$-1");
    wire_close(in);
    expect(w.c, ":1", "ACL DELUSER guest");
    expect(w.c, "+OK", "ACL LOG RESET");
    witness_end(&w, 1024);
}
END_TEST

/* ---- other protocols ---------------------------------------------------- */

/* Send, read to the end of the stream (or `patience_ms` of silence), return
 * what came. */
static char *
converse(const void *p, size_t len)
{
    static char reply[4096];
    struct wire *in = wire_connect(server);
    size_t got = 0;
    ssize_t n;

    send(in->fd, p, len, MSG_NOSIGNAL);
    while (got < sizeof(reply) - 1 &&
        (n = recv(in->fd, reply + got, sizeof(reply) - 1 - got, 0)) > 0)
        got += (size_t)n;
    reply[got] = '\0';
    wire_close(in);
    return reply;
}

START_TEST(http_is_closed_and_logged)
{
    static const char *const said[] = {
        "POST /set HTTP/1.1\r\nHost: x\r\n\r\nSET k stolen\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k stolen\r\n",
        "host: x\r\nSET k stolen\r\n"};
    struct witness w = witness_begin();

    expect(w.c, "+OK", "SET k safe");
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        const char *reply = converse(said[i], strlen(said[i]));

        ck_assert_msg(strstr(reply, "+OK") == NULL, "served: %s", reply);
    }
    expect(w.c, "\"safe\"", "GET k");
    ck_assert_int_ge(count_in_log("SECURITY ATTACK"), 1);
    witness_end(&w, 1024);
}
END_TEST

START_TEST(a_tls_greeting_is_told_that_there_is_none)
{
    static const unsigned char hello[] = {0x16, 0x03, 0x01, 0x00, 0xc8, 0x01,
        0x00, 0x00, 0xc4, 0x03, 0x03, 0x41, 0x42, 0x43};
    struct witness w = witness_begin();

    if (testing_redis()) {
        skip("Redis waits for the end of the line");
        redisFree(w.c);
        return;
    }
    ck_assert_str_eq(converse(hello, sizeof(hello)),
        "-ERR Protocol error: this port does not speak TLS\r\n");
    witness_end(&w, 1024);
}
END_TEST

/* Whatever is answered, it ends, and nothing of it stays. */
START_TEST(noise_does_no_harm)
{
    int rounds = wanted_connects(400);
    struct witness w = witness_begin();
    unsigned char noise[4096];
    unsigned seed;

    ck_assert_int_eq(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
    fprintf(stderr, "seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < rounds; i++) {
        struct wire *in = wire_connect(server);
        size_t len = (size_t)random() % sizeof(noise);

        for (size_t j = 0; j < len; j++)
            noise[j] = (unsigned char)random();
        if (i % 2 == 0 && len > 40)
            len = (size_t)snprintf((char *)noise, sizeof(noise),
                "*%ld\r\n$%ld\r\n%c", random() % 5 - 1, random() % 2000000,
                (int)(random() % 256));
        send(in->fd, noise, len, MSG_NOSIGNAL);
        if (i % 3 == 0)
            shutdown(in->fd, SHUT_WR);
        if (i % 5 == 0)
            reset(in);
        else
            wire_close(in);
        if (i % 50 == 0)
            witness_sees_service(&w);
    }
    witness_end(&w, 2048);
}
END_TEST

/* ---- many and slow ------------------------------------------------------ */

START_TEST(connections_in_a_row_leave_nothing)
{
    int n = wanted_connects(2000);
    struct witness w;

    for (int i = 0; i < 200; i++)
        reset(wire_connect(server)); /* what a first crowd makes it set up */
    w = witness_begin();
    for (int i = 0; i < n; i++) {
        struct wire *in = wire_connect(server);

        if (i % 4 == 1)
            wire_run(in, "PING", "+PONG");
        if (i % 4 == 2)
            wire_send_text(in, "*2\r\n$3\r\nGET\r\n$100\r\nhalf");
        if (i % 4 == 3)
            wire_send_text(in, "GET witness\r\nGET witness\r\n");
        reset(in);
        if (i % 200 == 0)
            witness_sees_service(&w);
    }
    witness_end(&w, 1024);
}
END_TEST

/* The longest that one of some commands of the witness took. */
static double
worst_wait(const struct witness *w)
{
    double worst = 0;

    for (int i = 0; i < 20; i++) {
        double start = now_s();

        witness_sees_service(w);
        worst = MAX(worst, now_s() - start);
    }
    return worst;
}

/* Clients that send a byte at a time, and never finish a command. */
START_TEST(who_is_slow_holds_up_nobody)
{
    enum {
        SLOW = 300,
        BYTES = 30
    };
    static const char begun[] =
        "*3\r\n$3\r\nSET\r\n$6\r\nslowly\r\n$999999\r\n";
    struct witness w = witness_begin();
    struct wire *in[SLOW];
    int n_held_up = 0; /* rounds */

    for (int i = 0; i < SLOW; i++)
        in[i] = wire_connect(server);
    for (int at = 0; at < BYTES; at++) {
        for (int i = 0; i < SLOW; i++)
            wire_send(in[i], begun + at, 1);
        n_held_up += worst_wait(&w) >= patient(1);
    }
    /* Want of a processor holds up a few, slow clients would hold up all. */
    ck_assert_msg(n_held_up < BYTES / 3, "%d times a GET took more than %.0f s",
        n_held_up, patient(1));
    if (memory_is_judged())
        ck_assert_uint_lt(server_rss_kb(server), w.rss_kb + 4096);
    for (int i = 0; i < SLOW; i++)
        reset(in[i]);
    witness_end(&w, 4096);
}
END_TEST

/* Peers that are gone: in the middle of a command, of a long reply, or with
 * their sending half closed. */
START_TEST(who_vanishes_leaves_nothing)
{
    struct witness w;
    char *value = calloc(1, 1000001);

    ck_assert_ptr_nonnull(value);
    memset(value, 'v', 1000000);
    w = witness_begin();
    expect(w.c, "+OK", "SET big %s", value);
    for (int i = 0; i < 100; i++) {
        struct wire *in = wire_connect(server);

        switch (i % 4) {
        case 0:
            wire_send_text(
                in, "*3\r\n$3\r\nSET\r\n$5\r\nghost\r\n$1000000\r\nxx");
            break;
        case 1:
            wire_send_text(in, "GET big\r\nGET big\r\nGET big\r\n");
            break;
        case 2:
            wire_send_text(in, "MULTI\r\nSET ghost v\r\n");
            break;
        default:
            wire_send_text(in, "SUBSCRIBE a b c\r\nMONI");
            break;
        }
        if (i % 8 < 4) {
            reset(in);
            continue;
        }
        shutdown(in->fd, SHUT_WR);
        if (i % 4 == 1) { /* what it asked for still comes */
            wire_expect_bytes(in, "$1000000\r\nvvvv");
        }
        wire_close(in);
    }
    expect(w.c, ":0", "EXISTS ghost");
    expect(w.c, ":1", "DEL big");
    free(value);
    witness_end(&w, 16384); /* extents stay warm for a while */
}
END_TEST

/* ---- other machines ----------------------------------------------------- */

#define OTHER "192.0.2.9"

static bool
set_interface(int fd, const char *name, unsigned long what, struct ifreq *r)
{
    snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
    return ioctl(fd, what, r) == 0;
}

/* A network of this process alone, whose clients can have an address that is
 * no loopback address. */
static bool
own_network(void)
{
    struct ifreq up = {.ifr_flags = IFF_UP}, address = {0};
    struct sockaddr_in *a = (struct sockaddr_in *)&address.ifr_addr;
    bool done;
    int fd;

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return false;
    a->sin_family = AF_INET;
    inet_pton(AF_INET, OTHER, &a->sin_addr);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    done = set_interface(fd, "lo", SIOCSIFFLAGS, &up) &&
        set_interface(fd, "lo:1", SIOCSIFADDR, &address);
    close(fd);
    return done;
}

static struct wire *
connect_from_afar(const struct server *s)
{
    int fd = connect_tcp(OTHER, server_port(s));

    ck_assert_msg(fd >= 0, "connect to " OTHER ": %s", strerror(errno));
    return wire_open(fd);
}

static void
expect_from_afar(const struct server *s, const char *reply)
{
    struct wire *in = connect_from_afar(s);

    wire_run(in, "PING", reply);
    wire_close(in);
}

static void
expect_denied(const struct server *s)
{
    struct wire *in = connect_from_afar(s);

    wire_expect(in, "re:-DENIED .*protected mode.*");
    wire_expect_closed(in);
    wire_close(in);
}

/* While there is no password, and as long as the mode is on. */
START_TEST(protected_mode_is_for_other_machines)
{
    static const char *const args[] = {"--bind", "127.0.0.1", OTHER, NULL};
    struct server *s;
    struct wire *in;

    if (!own_network()) {
        skip("no network of one's own: %s", strerror(errno));
        return;
    }
    s = server_start(args);
    in = wire_connect(s);
    wire_run(in, "PING", "+PONG");
    expect_denied(s);
    wire_run(in, "CONFIG SET protected-mode no", "+OK");
    expect_from_afar(s, "+PONG");
    wire_run(in, "CONFIG SET protected-mode yes", "+OK");
    expect_denied(s);
    wire_run(in, "CONFIG SET requirepass pw", "+OK");
    expect_from_afar(s, "-NOAUTH Authentication required.");
    wire_run(in, "CONFIG SET requirepass \"\"", "+OK");
    expect_denied(s);
    wire_run(in, "ACL SETUSER default >pw", "+OK");
    expect_from_afar(s, "-NOAUTH Authentication required.");
    wire_close(in);
    server_stop(s);
}
END_TEST

/* ---- secrets ------------------------------------------------------------ */

#define SECRET "hunter2hunter2"

/* Read what a MONITOR has been sent until the line with "the end". */
static void
expect_no_secret(struct wire *monitor)
{
    for (;;) {
        char *line = wire_read(monitor);
        bool last = strstr(line, "the end") != NULL;

        ck_assert_msg(strstr(line, SECRET) == NULL, "monitored: %s", line);
        free(line);
        if (last)
            return;
    }
}

START_TEST(secrets_stay_secret)
{
    static const char *const said[] = {
        "CONFIG SET loglevel debug requirepass " SECRET,
        "AUTH " SECRET,
        "AUTH default " SECRET,
        "HELLO 2 AUTH default " SECRET,
        "HELLO 2 SETNAME x AUTH default " SECRET,
        "ACL SETUSER ann on >" SECRET " ~* +@all",
        "ACL SETUSER ann <" SECRET,
        "CONFIG SET masterauth " SECRET,
        "CONFIG SET timeout 0 tls-key-file-pass " SECRET,
        "CONFIG GET requirepass",
        "CONFIG GET *",
        "ACL LIST",
        "ACL GETUSER ann",
        "AUTH ann wrong" SECRET,
        "ACL LOG",
        "INFO all",
        "CLIENT LIST",
    };
    struct wire *monitor = wire_connect(server), *in;

    if (testing_redis()) {
        skip("Redis shows requirepass");
        wire_close(monitor);
        return;
    }
    in = wire_connect(server);
    wire_run(in, "CONFIG SET slowlog-log-slower-than 0", "+OK");
    wire_run(monitor, "MONITOR", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        char *reply;

        wire_send_command(in, said[i]);
        reply = wire_read(in);
        ck_assert_msg(strstr(reply, SECRET) == NULL, "%s: %s", said[i], reply);
        free(reply);
    }
    wire_run(in, "ECHO \"the end\"", "\"the end\"");
    expect_no_secret(monitor);
    wire_send_command(in, "SLOWLOG GET 100");
    {
        char *reply = wire_read(in);

        ck_assert_ptr_nonnull(strstr(reply, "(redacted)"));
        ck_assert_msg(strstr(reply, SECRET) == NULL, "slow: %s", reply);
        free(reply);
    }
    ck_assert_int_eq(count_in_log(SECRET), 0);
    wire_run(in, "CONFIG SET requirepass \"\" loglevel notice", "+OK");
    wire_run(in, "ACL DELUSER ann", ":1");
    wire_close(monitor);
    wire_close(in);
}
END_TEST

static Suite *
hostile_suite(void)
{
    Suite *s = suite_create("hostile");
    TCase *tc = tcase_create("hostile");

    tcase_set_timeout(tc, patient(120));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, wrong_passwords_are_refused_by_thousands);
    tcase_add_test(tc, http_is_closed_and_logged);
    tcase_add_test(tc, a_tls_greeting_is_told_that_there_is_none);
    tcase_add_test(tc, noise_does_no_harm);
    tcase_add_test(tc, connections_in_a_row_leave_nothing);
    tcase_add_test(tc, who_is_slow_holds_up_nobody);
    tcase_add_test(tc, who_vanishes_leaves_nothing);
    tcase_add_test(tc, protected_mode_is_for_other_machines);
    tcase_add_test(tc, secrets_stay_secret);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(hostile_suite());
}
