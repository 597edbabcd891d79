/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_test.c - DUMP and RESTORE: payloads through a connection, small and
 * large.
 */
#include "client-tests/wire.h"

#include "client-tests/client.h"
#include "client-tests/fixture.h"

#define DAMAGED "-ERR DUMP payload version or checksum are wrong"

/* clang-format off */
TABLE_TEST(restore_checks_its_arguments,
    {"DUMP none", "$-1", "_"},
    {"RESTORE k 0 nonsense", DAMAGED},
    {"RESTORE k -1 nonsense", "-ERR Invalid TTL value, must be >= 0"},
    {"RESTORE k x nonsense", "-ERR value is not an integer or out of range"},
    {"RESTORE k 0 x IDLETIME -1",
        "-ERR Invalid IDLETIME value, must be >= 0"},
    {"RESTORE k 0 x FREQ 256",
        "-ERR Invalid FREQ value, must be >= 0 and <= 255"},
    {"RESTORE k 0 x NOW", "-ERR syntax error"},
    {"SET k v", "+OK"},
    {"RESTORE k 0 nonsense", "-BUSYKEY Target key name already exists."},
    {"RESTORE k 0 nonsense REPLACE", DAMAGED},
    {"DUMP", ARITY("dump")},
    {"RESTORE k 0", ARITY("restore")})
/* clang-format on */

/* DUMP `from`, RESTORE `to` with one further word. */
static void
carry(redisContext *c, const char *from, const char *to, const char *word)
{
    redisReply *payload = command(c, "DUMP %s", from);
    struct str words[] = {STR("RESTORE"), str_of(to), STR("0"),
        {payload->str, payload->len}, str_of(word)};
    redisReply *r = command_words(c, 5, words);

    ck_assert_int_eq(payload->type, REDIS_REPLY_STRING);
    ck_assert_str_eq(r->str, "OK");
    freeReplyObject(r);
    freeReplyObject(payload);
}

START_TEST(a_value_of_any_size_survives)
{
    static const unsigned offsets[] = {0, 100, 16371, 16372, 16384, 1000000};
    redisContext *c = server_connect(server);

    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        redisReply *value, *copy;

        expect(c, "+OK", "FLUSHALL");
        freeReplyObject(command(c, "SETRANGE k %u x", offsets[i]));
        carry(c, "k", "to", "ABSTTL");
        carry(c, "k", "to", "REPLACE");
        value = command(c, "GET k");
        copy = command(c, "GET to");
        ck_assert_uint_eq(copy->len, offsets[i] + 1);
        ck_assert_mem_eq(value->str, copy->str, offsets[i] + 1);
        freeReplyObject(value);
        freeReplyObject(copy);
    }
    redisFree(c);
}
END_TEST

static Suite *
dump_suite(void)
{
    Suite *s = suite_create("dump");
    TCase *tc = tcase_create("dump");

    tcase_set_timeout(tc, patient(30));
    tcase_add_unchecked_fixture(tc, start_server, stop_server);
    tcase_add_test(tc, restore_checks_its_arguments);
    tcase_add_test(tc, a_value_of_any_size_survives);
    suite_add_tcase(s, tc);
    return s;
}

int
main(void)
{
    return run_tests(dump_suite());
}
