/* SPDX-License-Identifier: BSD-3-Clause */
/* notify_test.c - keyspace notifications: the directive, and the events of
 * each command. */
#include "commands/harness.h"

#include <stdio.h>

static struct harness *h;
static struct buf heard;

/* Session 1 listens to all, session 0 speaks. */
static void
start(void)
{
    h = harness_new();
    heard = (struct buf){0};
    harness_connect(h);
    SAY(h, "PSUBSCRIBE", "__keyevent@*");
    harness_switch(h, 0);
}

static void
stop(void)
{
    harness_free(h);
    buf_free(&heard);
}

/* "N event key;" of each message on a __keyevent@N__ channel. */
static const char *
events(void)
{
    const char *at = harness_inbox(h, 1);

    heard.len = 0;
    while ((at = strstr(at, "\n__keyevent@")) != NULL) {
        const char *event = strstr(at, "__:") + 3, *key;

        key = strchr(strchr(event, '\n') + 1, '\n') + 1;
        buf_printf(&heard, "%.1s %.*s %.*s;", event - 4,
            (int)strcspn(event, "\r"), event, (int)strcspn(key, "\r"), key);
        at = key;
    }
    buf_append(&heard, "", 1);
    return heard.p;
}

#define HEARD(text, ...)                                                       \
    do {                                                                       \
        SAY(h, __VA_ARGS__);                                                   \
        ck_assert_str_eq(events(), text);                                      \
    } while (0)

static void
want(const char *letters)
{
    RUN(h, "+OK\r\n", "CONFIG", "SET", "notify-keyspace-events", letters);
}

START_TEST(the_letters_are_put_in_order)
{
    static const char *const rows[][2] = {{"KEA", "AKE"}, {"KEAmn", "AKEm"},
        {"Ex", "xE"}, {"nE$g", "g$nE"}, {"g$lshzxetdE", "AE"}, {"", ""}};
    char reply[80];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        want(rows[i][0]);
        snprintf(reply, sizeof(reply),
            "*2\r\n$22\r\nnotify-keyspace-events\r\n$%zu\r\n%s\r\n",
            strlen(rows[i][1]), rows[i][1]);
        RUN(h, reply, "CONFIG", "GET", "notify-keyspace-events");
    }
    ck_assert_ptr_nonnull(
        strstr(SAY(h, "CONFIG", "SET", "notify-keyspace-events", "KEq"),
            "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."));
}
END_TEST

START_TEST(nothing_is_said_unasked)
{
    HEARD("", "SET", "k", "v");
    want("A"); /* neither K nor E */
    HEARD("", "SET", "k", "v");
    want("Eg");
    HEARD("", "SET", "k", "v");
    HEARD("0 del k;", "DEL", "k");
    want("");
    HEARD("", "SET", "k", "v");
}
END_TEST

START_TEST(both_channels_carry_an_event)
{
    want("KEA");
    harness_switch(h, 1);
    SAY(h, "PSUBSCRIBE", "__keyspace@*");
    harness_switch(h, 0);
    SAY(h, "SET", "k", "v");
    ck_assert_str_eq(harness_inbox(h, 1),
        "*4\r\n$8\r\npmessage\r\n$12\r\n__keyspace@*\r\n$16\r\n"
        "__keyspace@0__:k\r\n$3\r\nset\r\n"
        "*4\r\n$8\r\npmessage\r\n$12\r\n__keyevent@*\r\n$18\r\n"
        "__keyevent@0__:set\r\n$1\r\nk\r\n");
}
END_TEST

START_TEST(strings_are_told_as_redis_does)
{
    want("EAmn");
    HEARD("0 new k;0 set k;", "SET", "k", "1");
    HEARD("0 set k;0 expire k;", "SET", "k", "1", "EX", "10");
    HEARD("0 incrby k;", "DECR", "k");
    HEARD("0 incrbyfloat k;", "INCRBYFLOAT", "k", "1.5");
    HEARD("0 append k;", "APPEND", "k", "x");
    HEARD("0 setrange k;", "SETRANGE", "k", "1", "x");
    HEARD("", "SETRANGE", "k", "1", "");
    HEARD("", "INCR", "k"); /* no number */
    HEARD("0 new b;0 setbit b;", "SETBIT", "b", "1", "1");
    HEARD("", "SETBIT", "b", "1", "1");
    HEARD("0 new a;0 set a;0 set k;", "MSET", "a", "1", "k", "2");
    HEARD("", "MSETNX", "a", "1", "z", "2");
    HEARD("0 set k;", "GETSET", "k", "v");
    HEARD("0 keymiss no;", "GET", "no");
    HEARD("", "OBJECT", "ENCODING", "no");
    HEARD("0 keymiss n;0 new n;0 set n;", "SET", "n", "v", "GET");
    HEARD("0 del n;", "GETDEL", "n");
    HEARD("0 expire k;", "GETEX", "k", "EX", "5");
    HEARD("0 persist k;", "GETEX", "k", "PERSIST");
    HEARD("0 set a;", "SET", "a", "2", "IFEQ", "1");
    HEARD("", "SET", "a", "2", "IFEQ", "1");
    HEARD("0 del a;", "DELEX", "a", "IFEQ", "2");
}
END_TEST

START_TEST(keys_are_told_as_redis_does)
{
    want("EAmn");
    SAY(h, "MSET", "a", "1", "b", "2");
    (void)events();
    HEARD("0 expire a;", "EXPIRE", "a", "100");
    HEARD("0 persist a;", "PERSIST", "a");
    HEARD("", "PERSIST", "a");
    HEARD("0 new c;0 copy_to c;", "COPY", "a", "c");
    HEARD("0 new c;0 copy_to c;", "COPY", "a", "c", "REPLACE");
    HEARD("0 new d;0 rename_from c;0 rename_to d;", "RENAME", "c", "d");
    HEARD("3 new d;0 move_from d;3 move_to d;", "MOVE", "d", "3");
    HEARD("0 del b;", "EXPIRE", "b", "-1");
    HEARD("0 del a;", "DEL", "a", "b");
    HEARD("", "FLUSHALL");
}
END_TEST

START_TEST(a_transaction_tells_in_order_at_its_end)
{
    want("EA");
    SAY(h, "MULTI");
    SAY(h, "SET", "k", "1");
    SAY(h, "INCR", "k");
    SAY(h, "DEL", "k");
    ck_assert_str_eq(events(), "");
    HEARD("0 set k;0 incrby k;0 del k;", "EXEC");
}
END_TEST

START_TEST(what_expires_is_told_when_it_is_noticed)
{
    uint64_t now = 1700000000000u;

    clock_fake(now);
    want("EAn");
    SAY(h, "SET", "k", "v", "PX", "10");
    (void)events();
    clock_fake(now + 20);
    HEARD("0 expired k;", "GET", "k");
    SAY(h, "SET", "k", "v", "PX", "10");
    (void)events();
    clock_fake(now + 40);
    HEARD("0 expired k;0 new k;0 set k;", "SET", "k", "v");
    clock_unfake();
}
END_TEST

START_TEST(fields_of_hashes_have_events)
{
    clock_fake(1700000000000);
    want("Ehg");
    HEARD("0 hset h;", "HSET", "h", "a", "1", "b", "2");
    HEARD("0 hset h;", "HMSET", "h", "a", "1");
    HEARD("0 hset h;", "HSETNX", "h", "c", "1");
    HEARD("", "HSETNX", "h", "c", "2");
    HEARD("0 hincrby h;", "HINCRBY", "h", "n", "1");
    HEARD("", "HINCRBY", "h", "n", "9223372036854775807");
    HEARD("0 hincrbyfloat h;", "HINCRBYFLOAT", "h", "n", "1.5");
    HEARD("", "HDEL", "h", "x");
    HEARD("0 hdel h;", "HDEL", "h", "a", "b");
    HEARD("0 hexpire h;", "HEXPIRE", "h", "10", "FIELDS", "2", "c", "x");
    HEARD("", "HEXPIRE", "h", "10", "NX", "FIELDS", "1", "c");
    HEARD("0 hpersist h;", "HPERSIST", "h", "FIELDS", "2", "c", "n");
    HEARD("", "HPERSIST", "h", "FIELDS", "2", "c", "n");
    HEARD("0 hexpire h;", "HGETEX", "h", "EX", "10", "FIELDS", "1", "c");
    HEARD("0 hpersist h;", "HGETEX", "h", "PERSIST", "FIELDS", "1", "c");
    HEARD("", "HGETEX", "h", "FIELDS", "1", "c");
    HEARD("0 hset h;0 hexpire h;", "HSETEX", "h", "EX", "10", "FIELDS", "1",
        "d", "1");
    HEARD("0 hset h;", "HSETEX", "h", "KEEPTTL", "FIELDS", "1", "d", "1");
    HEARD("", "HSETEX", "h", "FNX", "FIELDS", "1", "d", "1");
    HEARD("0 hdel h;", "HEXPIRE", "h", "0", "FIELDS", "1", "n");
    clock_fake(1700000010001); /* d has expired */
    HEARD("0 hexpired h;0 hset h;", "HSET", "h", "e", "1");
    HEARD("0 hdel h;", "HGETDEL", "h", "FIELDS", "1", "e");
    HEARD("0 hdel h;0 del h;", "HDEL", "h", "c");
    HEARD("0 hset h;0 hdel h;", "HSETEX", "h", "PXAT", "1", "FIELDS", "1", "a",
        "1");
    clock_unfake();
}
END_TEST

HARNESS_MAIN("commands/notify", start, stop, the_letters_are_put_in_order,
    nothing_is_said_unasked, both_channels_carry_an_event,
    strings_are_told_as_redis_does, keys_are_told_as_redis_does,
    a_transaction_tells_in_order_at_its_end,
    what_expires_is_told_when_it_is_noticed, fields_of_hashes_have_events)
