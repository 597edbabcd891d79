/* SPDX-License-Identifier: BSD-3-Clause */
/* tracking_test.c - client side caching over several connections, which the
 * daemon deals to several workers.
 */
#include "client-tests/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define OPTINOUT                                                               \
    "-ERR CLIENT CACHING can be called only when the client is in tracking "   \
    "mode with OPTIN or OPTOUT mode enabled"
#define SWITCHED(what)                                                         \
    "-ERR You can't switch " what " before disabling tracking for this "       \
    "client, and then re-enabling it with a different mode."

/* clang-format off */
TABLE_TEST(options_are_checked,
    {"CLIENT TRACKING", ARITY("client|tracking")},
    {"CLIENT TRACKING x", "-ERR syntax error"},
    {"CLIENT TRACKING on x", "-ERR syntax error"},
    {"CLIENT TRACKING on PREFIX", "-ERR syntax error"},
    {"CLIENT TRACKING on REDIRECT", "-ERR syntax error"},
    {"CLIENT TRACKING on REDIRECT x",
        "-ERR value is not an integer or out of range"},
    {"CLIENT TRACKING on REDIRECT 123456789",
        "-ERR The client ID you want redirect to does not exist"},
    {"CLIENT TRACKING on REDIRECT -1",
        "-ERR The client ID you want redirect to does not exist"},
    {"CLIENT TRACKING on PREFIX a",
        "-ERR PREFIX option requires BCAST mode to be enabled"},
    {"CLIENT TRACKING on BCAST OPTIN",
        "-ERR OPTIN and OPTOUT are not compatible with BCAST"},
    {"CLIENT TRACKING on OPTIN OPTOUT",
        "-ERR You can't specify both OPTIN mode and OPTOUT mode"},
    {"CLIENT CACHING yes", OPTINOUT},
    {"CLIENT CACHING", ARITY("client|caching")},
    {"CLIENT GETREDIR", ":-1"},
    {"CLIENT GETREDIR x", ARITY("client|getredir")},
    {"CLIENT TRACKING on", "+OK"},
    {"CLIENT GETREDIR", ":0"},
    {"CLIENT TRACKING on BCAST", SWITCHED("BCAST mode on/off")},
    {"CLIENT CACHING yes", "-ERR CLIENT CACHING YES is only valid when "
        "tracking is enabled in OPTIN mode."},
    {"CLIENT CACHING no", "-ERR CLIENT CACHING NO is only valid when "
        "tracking is enabled in OPTOUT mode."},
    {"CLIENT CACHING x", "-ERR syntax error"},
    {"CLIENT TRACKING on OPTIN", "+OK"},
    {"CLIENT TRACKING on OPTOUT", SWITCHED("OPTIN/OPTOUT mode")},
    {"CLIENT CACHING yes", "+OK"},
    {"CLIENT TRACKINGINFO",
        "[\"flags\" [\"on\" \"optin\" \"caching-yes\"] "
            "\"redirect\" :0 \"prefixes\" []]",
        "{\"flags\" ~[\"on\" \"optin\" \"caching-yes\"] "
            "\"redirect\" :0 \"prefixes\" []}"},
    {"PING", "+PONG"},
    {"CLIENT TRACKINGINFO",
        "[\"flags\" [\"on\" \"optin\"] \"redirect\" :0 \"prefixes\" []]",
        "{\"flags\" ~[\"on\" \"optin\"] \"redirect\" :0 \"prefixes\" []}"},
    {"CLIENT TRACKING off", "+OK"},
    {"CLIENT TRACKING on BCAST PREFIX ab PREFIX c", "+OK"},
    {"CLIENT TRACKING on BCAST PREFIX abc",
        "-ERR Prefix 'abc' overlaps with an existing prefix 'ab'. Prefixes "
        "for a single client must not overlap."},
    {"CLIENT TRACKING on BCAST PREFIX x PREFIX xy",
        "-ERR Prefix 'x' overlaps with another provided prefix 'xy'. Prefixes "
        "for a single client must not overlap."},
    {"CLIENT TRACKINGINFO",
        "[\"flags\" [\"on\" \"bcast\"] \"redirect\" :0 "
            "\"prefixes\" [\"ab\" \"c\"]]",
        "{\"flags\" ~[\"on\" \"bcast\"] \"redirect\" :0 "
            "\"prefixes\" [\"ab\" \"c\"]}"},
    {"CLIENT TRACKING off", "+OK"},
    {"CLIENT TRACKINGINFO",
        "[\"flags\" [\"off\"] \"redirect\" :-1 \"prefixes\" []]",
        "{\"flags\" ~[\"off\"] \"redirect\" :-1 \"prefixes\" []}"})
/* clang-format on */

static void
assert_quiet(struct wire *w)
{
    ck_assert(!wire_readable(w, 50));
}

START_TEST(readers_on_every_worker_are_told_once)
{
    struct wire *readers[6], *writer = wire_connect(server);

    wire_run(writer, "SET k 0", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        readers[i] = wire_connect_resp3(server);
        wire_run(readers[i], "CLIENT TRACKING ON", "+OK");
        wire_run(readers[i], "GET k", "\"0\"");
    }
    wire_run(writer, "SET other 1", "+OK");
    wire_run(writer, "INCR k", ":1");
    wire_run(writer, "INCR k", ":2");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        wire_expect(readers[i], ">[\"invalidate\" [\"k\"]]");
        wire_run(readers[i], "GET k", "\"2\"");
    }
    wire_run(writer, "PEXPIRE k 1", ":1");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        wire_expect(readers[i], ">[\"invalidate\" [\"k\"]]");
        assert_quiet(readers[i]);
    }
    wire_run(writer, "FLUSHALL", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        wire_expect(readers[i], ">[\"invalidate\" _]");
        wire_close(readers[i]);
    }
    wire_close(writer);
}
END_TEST

/* Who has seen the reply to a change hears of it before the reply to what is
 * asked then, whichever worker serves the connections. */
START_TEST(a_change_is_told_before_the_next_reply)
{
    struct wire *reader[3], *writer = wire_connect(server);

    for (size_t i = 0; i < ARRAY_LEN(reader); i++) {
        reader[i] = wire_connect_resp3(server);
        wire_run(reader[i], "CLIENT TRACKING ON BCAST", "+OK");
    }
    for (int n = 1; n < 300; n++) {
        char reply[32];

        snprintf(reply, sizeof(reply), ":%d", n);
        wire_run(writer, "INCR k", reply);
        for (size_t i = 0; i < ARRAY_LEN(reader); i++)
            wire_send_command(reader[i], "PING");
        for (size_t i = 0; i < ARRAY_LEN(reader); i++) {
            wire_expect(reader[i], ">[\"invalidate\" [\"k\"]]");
            wire_expect(reader[i], "+PONG");
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(reader); i++)
        wire_close(reader[i]);
    wire_close(writer);
}
END_TEST

START_TEST(expiry_invalidates_without_a_reader)
{
    struct wire *w = wire_connect_resp3(server);

    wire_run(w, "CLIENT TRACKING ON", "+OK");
    /* Together, or it may be gone before it is read. */
    wire_send_text(w, "MULTI\r\nSET k v PX 300\r\nGET k\r\nEXEC\r\n");
    wire_expect(w, "+OK");
    wire_expect(w, "+QUEUED");
    wire_expect(w, "+QUEUED");
    wire_expect(w, "[+OK \"v\"]");
    wire_expect(w, ">[\"invalidate\" [\"k\"]]");
    wire_run(w, "GET k", "_");
    wire_close(w);
}
END_TEST

START_TEST(broadcasts_reach_those_who_named_the_prefix)
{
    struct wire *a = wire_connect_resp3(server), *all, *writer;

    all = wire_connect_resp3(server);
    writer = wire_connect_resp3(server);
    wire_run(a, "CLIENT TRACKING ON BCAST PREFIX a: PREFIX b:", "+OK");
    wire_run(all, "CLIENT TRACKING ON BCAST", "+OK");
    wire_run(writer, "CLIENT TRACKING ON BCAST NOLOOP", "+OK");
    wire_run(writer, "MSET a:2 x b:1 x a:1 x c x", "+OK");
    wire_expect(a, ">[\"invalidate\" [\"a:1\" \"a:2\"]]");
    wire_expect(a, ">[\"invalidate\" [\"b:1\"]]");
    wire_expect(all, ">[\"invalidate\" [\"a:1\" \"a:2\" \"b:1\" \"c\"]]");
    wire_run(all, "DEL c", ":1");
    wire_expect(all, ">[\"invalidate\" [\"c\"]]");
    wire_expect(writer, ">[\"invalidate\" [\"c\"]]");
    assert_quiet(a);
    wire_close(a);
    wire_close(all);
    wire_close(writer);
}
END_TEST

static char *
number_of(struct wire *w)
{
    wire_send_command(w, "CLIENT ID");
    return wire_read(w);
}

START_TEST(redirections_cross_workers)
{
    struct wire *target = wire_connect(server), *writer = wire_connect(server);
    char *id = number_of(target), *track;
    struct wire *readers[4];

    track = text_of("CLIENT TRACKING ON REDIRECT %s", id + 1);
    wire_run(target, "SUBSCRIBE __redis__:invalidate",
        "[\"subscribe\" \"__redis__:invalidate\" :1]");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        char *key = text_of("SET k%zu 1", i), *get = text_of("GET k%zu", i);
        char *told =
            text_of("[\"message\" \"__redis__:invalidate\" [\"k%zu\"]]", i);

        readers[i] = i % 2 ? wire_connect(server) : wire_connect_resp3(server);
        wire_run(writer, key, "+OK");
        wire_run(readers[i], track, "+OK");
        wire_run(readers[i], get, "\"1\"");
        wire_run(writer, key, "+OK");
        wire_expect(target, told);
        assert_quiet(readers[i]);
        free(key);
        free(get);
        free(told);
    }
    wire_run(writer, "FLUSHDB", "+OK");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        wire_expect(target, testing_redis()
                ? "re:\\[\"message\" \"__redis__:invalidate\" (\\$-1|_)\\]"
                : "[\"message\" \"__redis__:invalidate\" $-1]");
    free(track);
    free(id);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        wire_close(readers[i]);
    wire_close(target);
    wire_close(writer);
}
END_TEST

START_TEST(a_redirection_to_a_closed_client_is_told)
{
    struct wire *reader = wire_connect_resp3(server), *target;
    struct wire *writer = wire_connect(server);
    char *id, *track, *broken;
    redisContext *c = server_connect(server);

    target = wire_connect_resp3(server);
    id = number_of(target);
    track = text_of("CLIENT TRACKING ON REDIRECT %s", id + 1);
    broken = text_of(">[\"tracking-redir-broken\" %s]", id);
    wire_run(reader, track, "+OK");
    wire_run(reader, "GET k", "_");
    wire_run(writer, "SET k 1", "+OK");
    wire_expect(target, ">[\"invalidate\" [\"k\"]]");
    wire_run(reader, "GET k", "\"1\"");
    wire_run(target, "QUIT", "+OK");
    wire_expect_closed(target);
    while (info_int(c, "clients", "connected_clients") > 3)
        sleep_ms(10);
    wire_run(writer, "SET k 2", "+OK");
    wire_expect(reader, broken);
    wire_run(reader, "CLIENT TRACKINGINFO",
        "re:\\{\"flags\" ~\\[\"on\" \"broken_redirect\"\\] .*\\}");
    free(id);
    free(track);
    free(broken);
    wire_close(reader);
    wire_close(target);
    wire_close(writer);
    redisFree(c);
}
END_TEST

START_TEST(the_list_shows_who_tracks)
{
    struct wire *w = wire_connect_resp3(server);
    redisContext *c = server_connect(server);
    char *list;

    wire_run(w, "CLIENT TRACKING ON BCAST", "+OK");
    list = command_str(c, "CLIENT LIST");
    ck_assert_ptr_nonnull(strstr(list, " flags=tB "));
    ck_assert_ptr_nonnull(strstr(list, " redir=0 resp=3"));
    ck_assert_ptr_nonnull(strstr(list, " redir=-1 resp=2"));
    free(list);
    ck_assert_int_eq(info_int(c, "clients", "tracking_clients"), 1);
    ck_assert_int_eq(info_int(c, "stats", "tracking_total_prefixes"), 1);
    wire_run(w, "RESET", "+RESET");
    ck_assert_int_eq(info_int(c, "clients", "tracking_clients"), 0);
    ck_assert_int_eq(info_int(c, "stats", "tracking_total_prefixes"), 0);
    wire_close(w);
    redisFree(c);
}
END_TEST

START_TEST(keys_beyond_the_limit_are_given_up)
{
    struct wire *w = wire_connect_resp3(server);
    redisContext *c = server_connect(server);

    wire_run(w, "CLIENT TRACKING ON", "+OK");
    for (int i = 0; i < 100; i++) {
        char *get = text_of("GET k%d", i);

        wire_run(w, get, "_");
        free(get);
    }
    ck_assert_int_eq(info_int(c, "stats", "tracking_total_keys"), 100);
    expect(c, "+OK", "CONFIG SET tracking-table-max-keys 10");
    for (int i = 0; i < 90; i++)
        wire_expect(w, "re:>\\[\"invalidate\" \\[\"k[0-9]+\"\\]\\]");
    assert_quiet(w);
    ck_assert_int_eq(info_int(c, "stats", "tracking_total_keys"), 10);
    wire_close(w);
    redisFree(c);
}
END_TEST

/* ---- no cache keeps an old value ----------------------------------------- */

#define N_KEYS 16
#define N_CACHES 4
#define N_WRITERS 2
#define N_ROUNDS 3000

/* What a client keeps of each key; NULL: nothing. */
struct cache {
    struct wire *wire;
    char *value[N_KEYS];
};

/* Take a push: forget the key it names. False for a reply. */
static bool
forget(struct cache *cache, const char *text)
{
    unsigned key;

    if (text[0] != '>')
        return false;
    ck_assert_int_eq(sscanf(text, ">[\"invalidate\" [\"k%u\"]]", &key), 1);
    ck_assert_uint_lt(key, N_KEYS);
    free(cache->value[key]);
    cache->value[key] = NULL;
    return true;
}

static char *
ask(struct cache *cache, const char *command)
{
    char *text;

    wire_send_command(cache->wire, command);
    while (forget(cache, text = wire_read(cache->wire)))
        free(text);
    return text;
}

static void *
read_keys(void *arg)
{
    struct cache *cache = arg;
    char get[16];

    for (unsigned i = 0; i < N_ROUNDS; i++) {
        unsigned key = i * 7 % N_KEYS;

        if (cache->value[key] != NULL) {
            free(ask(cache, "PING"));
            continue;
        }
        snprintf(get, sizeof(get), "GET k%u", key);
        cache->value[key] = ask(cache, get);
    }
    return NULL;
}

static void *
write_keys(void *arg)
{
    struct wire *w = arg;
    char incr[16];

    for (unsigned i = 0; i < N_ROUNDS; i++) {
        snprintf(incr, sizeof(incr), "INCR k%u", i * 5 % N_KEYS);
        wire_send_command(w, incr);
        free(wire_read(w));
    }
    return NULL;
}

/* What a cache holds when all messages have come is what the server has. */
static void
check_cache(struct cache *cache, struct wire *w)
{
    for (unsigned key = 0; key < N_KEYS; key++) {
        char get[16], *now;

        if (cache->value[key] == NULL)
            continue;
        snprintf(get, sizeof(get), "GET k%u", key);
        wire_send_command(w, get);
        now = wire_read(w);
        ck_assert_msg(strcmp(now, cache->value[key]) == 0,
            "k%u is %s and was cached as %s", key, now, cache->value[key]);
        free(now);
        free(cache->value[key]);
    }
}

/* Take what has been told of changes that are answered: it comes before the
 * reply to a command that is sent now. */
static void
forget_all(struct cache *cache)
{
    wire_send_command(cache->wire, "PING");
    for (;;) {
        char *text = wire_read(cache->wire);
        bool done = strcmp(text, "+PONG") == 0;

        ck_assert(done || forget(cache, text));
        free(text);
        if (done)
            return;
    }
}

START_TEST(no_cache_keeps_an_old_value)
{
    struct cache caches[N_CACHES] = {{0}};
    struct wire *writers[N_WRITERS], *w = wire_connect_resp3(server);
    pthread_t threads[N_CACHES + N_WRITERS];

    for (int i = 0; i < N_CACHES; i++) {
        caches[i].wire = wire_connect_resp3(server);
        wire_run(caches[i].wire, "CLIENT TRACKING ON", "+OK");
        pthread_create(&threads[i], NULL, read_keys, &caches[i]);
    }
    for (int i = 0; i < N_WRITERS; i++) {
        writers[i] = wire_connect(server);
        pthread_create(&threads[N_CACHES + i], NULL, write_keys, writers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N_CACHES; i++) {
        forget_all(&caches[i]);
        check_cache(&caches[i], w);
        wire_close(caches[i].wire);
    }
    for (int i = 0; i < N_WRITERS; i++)
        wire_close(writers[i]);
    wire_close(w);
}
END_TEST

static Suite *
tracking_suite(void)
{
    Suite *s = suite_create("tracking");
    TCase *tc = tcase_create("tracking");

    tcase_set_timeout(tc, patient(60));
    tcase_add_checked_fixture(tc, start_three_workers, stop_server);
    tcase_add_test(tc, options_are_checked);
    tcase_add_test(tc, readers_on_every_worker_are_told_once);
    tcase_add_test(tc, a_change_is_told_before_the_next_reply);
    tcase_add_test(tc, expiry_invalidates_without_a_reader);
    tcase_add_test(tc, broadcasts_reach_those_who_named_the_prefix);
    tcase_add_test(tc, redirections_cross_workers);
    tcase_add_test(tc, a_redirection_to_a_closed_client_is_told);
    tcase_add_test(tc, the_list_shows_who_tracks);
    tcase_add_test(tc, keys_beyond_the_limit_are_given_up);
    tcase_add_test(tc, no_cache_keeps_an_old_value);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(tracking_suite());
}
