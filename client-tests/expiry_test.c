/* SPDX-License-Identifier: BSD-3-Clause */
/* expiry_test.c - keys that expire: when, for whom, and that their memory comes
 * back without anyone asking for them.
 */
#include "client-tests/wire.h"

#include <stdlib.h>

#include "client-tests/client.h"
#include "client-tests/fixture.h"

START_TEST(a_key_is_there_until_its_time_and_not_after)
{
    redisContext *c = server_connect(server);
    double before, after, asked;

    for (int round = 0; round < 3; round++) {
        before = now_s();
        expect(c, "+OK", "SET k v PX 150");
        after = asked = now_s();
        while (command_int(c, "EXISTS k") == 1) {
            /* However late the answer: it is about a moment from then on. */
            ck_assert_msg(asked - after < 0.150 + patient(0.5),
                "still there after %.0f ms", (asked - after) * 1e3);
            sleep_ms(1);
            asked = now_s();
        }
        ck_assert_msg(now_s() - before > 0.145, "gone after %.0f ms",
            (now_s() - before) * 1e3);
    }
    redisFree(c);
}
END_TEST

/* To every command an expired key is an absent one. */
static const struct {
    const char *command, *reply;
} on_expired[] = {
    {"GET k", "$-1"},
    {"MGET k", "[$-1]"},
    {"EXISTS k", ":0"},
    {"TTL k", ":-2"},
    {"PTTL k", ":-2"},
    {"EXPIRETIME k", ":-2"},
    {"TYPE k", "+none"},
    {"STRLEN k", ":0"},
    {"GETRANGE k 0 -1", "\"\""},
    {"DEL k", ":0"},
    {"UNLINK k", ":0"},
    {"TOUCH k", ":0"},
    {"PERSIST k", ":0"},
    {"EXPIRE k 100", ":0"},
    {"GETDEL k", "$-1"},
    {"GETEX k", "$-1"},
    {"GETSET k new", "$-1"},
    {"SET k new XX", "$-1"},
    {"SET k new NX", "+OK"},
    {"SET k new GET", "$-1"},
    {"SETNX k new", ":1"},
    {"MSETNX k new", ":1"},
    {"APPEND k new", ":3"},
    {"SETRANGE k 0 new", ":3"},
    {"INCR k", ":1"},
    {"DECRBY k 5", ":-5"},
    {"INCRBYFLOAT k 0.5", "\"0.5\""},
    {"KEYS *", "[]"},
    {"SCAN 0 COUNT 1000", "[\"0\" []]"},
    {"RANDOMKEY", "$-1"},
    {"OBJECT ENCODING k", "$-1"},
};

START_TEST(to_every_command_an_expired_key_is_absent)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "FLUSHALL", "+OK");
    wire_run(w, "SET k 100 PX 1", "+OK");
    sleep_ms(5);
    wire_run(w, on_expired[_i].command, on_expired[_i].reply);
    wire_close(w);
}
END_TEST

START_TEST(a_key_written_anew_has_no_old_expiry)
{
    struct wire *w = wire_connect(server);

    wire_run(w, "SET k 1 PX 1", "+OK");
    sleep_ms(5);
    wire_run(w, "INCR k", ":1");
    wire_run(w, "TTL k", ":-1");
    wire_run(w, "SET k 1 PX 50", "+OK");
    wire_run(w, "SET k 2", "+OK");
    sleep_ms(60);
    wire_run(w, "GET k", "\"2\"");
    /* Together, or the key may be gone before it is kept. */
    wire_send_text(w, "MULTI\r\nPEXPIRE k 50\r\nPERSIST k\r\nEXEC\r\n");
    wire_expect(w, "+OK");
    wire_expect(w, "+QUEUED");
    wire_expect(w, "+QUEUED");
    wire_expect(w, "[:1 :1]");
    sleep_ms(60);
    wire_run(w, "GET k", "\"2\"");
    wire_close(w);
}
END_TEST

START_TEST(large_values_expire_too)
{
    redisContext *c = server_connect(server);
    char *value = calloc(1, 1 << 20);
    struct str words[] = {
        STR("SET"), STR("large"), {value, 1 << 20}, STR("PX"), STR("50")};

    freeReplyObject(command_words(c, ARRAY_LEN(words), words));
    sleep_ms(60);
    expect(c, "$-1", "GET large");
    free(value);
    redisFree(c);
}
END_TEST

START_TEST(expired_keys_leave_without_being_asked_for)
{
    enum {
        N = 20000
    };
    redisContext *c = server_connect(server);
    double deadline;
    long long left, expired;
    redisReply *r;

    expect(c, "+OK", "FLUSHALL");
    expect(c, "+OK", "CONFIG RESETSTAT");
    for (int i = 0; i < N; i++)
        redisAppendCommand(c, "SET gone:%d %d PX 300", i, i);
    for (int i = 0; i < N / 10; i++)
        redisAppendCommand(c, "SET stays:%d %d EX 1000", i, i);
    for (int i = 0; i < N + N / 10; i++) {
        ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        ck_assert_int_eq(r->type, REDIS_REPLY_STATUS);
        freeReplyObject(r);
    }
    deadline = now_s() + 0.3 + patient(8);
    do {
        sleep_ms(20);
        left = command_int(c, "DBSIZE");
    } while (left > N / 10 && now_s() < deadline);
    expired = info_int(c, "stats", "expired_keys");
    ck_assert_int_eq(left, N / 10);
    ck_assert_int_eq(expired, N);
    for (int i = 0; i < N / 10; i += 100)
        expect(c, ":1", "EXISTS stays:%d", i);
    redisFree(c);
}
END_TEST

static Suite *
expiry_suite(void)
{
    Suite *s = suite_create("expiry");
    TCase *tc = tcase_create("expiry");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, a_key_is_there_until_its_time_and_not_after);
    tcase_add_loop_test(tc, to_every_command_an_expired_key_is_absent, 0,
        (int)ARRAY_LEN(on_expired));
    tcase_add_test(tc, a_key_written_anew_has_no_old_expiry);
    tcase_add_test(tc, large_values_expire_too);
    tcase_add_test(tc, expired_keys_leave_without_being_asked_for);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(expiry_suite());
}
