/* SPDX-License-Identifier: BSD-3-Clause */
/* rdb_payload_test.c - RESTORE of payloads that a Redis 7.0 dumped, and of
 * damaged ones. */
#include "commands/harness.h"
#include "commands/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define OK "+OK\r\n"
#define NOT_SEALED "-ERR DUMP payload version or checksum are wrong\r\n"
#define BAD "-ERR Bad data format\r\n"
#define OTHER_TYPE                                                             \
    "-ERR the payload holds a type of value that this server does not "        \
    "have\r\n"
#define TOO_LARGE                                                              \
    "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"

static struct harness *h;
static struct buf payload;

static void
start(void)
{
    h = harness_new();
}

static void
stop(void)
{
    buf_free(&payload);
    harness_free(h);
}

static const char *
restore(struct str bytes)
{
    struct str words[] = {
        STR("RESTORE"), STR("k"), STR("0"), bytes, STR("REPLACE")};

    return harness_run(h, words, 5);
}

/* Give a body version and checksum, and restore it. */
static const char *
restore_body(struct str body)
{
    uint64_t crc;

    payload.len = 0;
    buf_append(&payload, body.p, body.len);
    buf_append(&payload, "\x0a", 2);
    crc = rdb_crc64((struct str){payload.p, payload.len});
    for (int i = 0; i < 8; i++) {
        char byte = (char)(uint8_t)(crc >> (8 * i));

        buf_append(&payload, &byte, 1);
    }
    return restore((struct str){payload.p, payload.len});
}

static void
expect_value(const char *value)
{
    char bulk[512];

    snprintf(bulk, sizeof(bulk), "$%zu\r\n%s\r\n", strlen(value), value);
    ck_assert_str_eq(SAY(h, "GET", "k"), bulk);
}

#define REPEAT10(s) s s s s s s s s s s

static const struct {
    struct str bytes;
    const char *value;
} dumped[] = {
#define DUMPED(bytes, value)                                                   \
    {                                                                          \
        STR(bytes), value                                                      \
    }
    DUMPED("\x00\x01\x76\x0a\x00\x91\x08\xce\xb2\x19\x38\x8a\xce", "v"),
    DUMPED("\x00\x00\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda", ""),
    DUMPED("\x00\xc0\xfb\x0a\x00\x49\xc4\xc6\xf4\xd7\x26\x3f\x68", "-5"),
    DUMPED("\x00\xc1\x2c\x01\x0a\x00\x95\x42\x61\xf2\x65\x82\x5c\x10", "300"),
    DUMPED("\x00\xc2\x90\xee\xfe\xff\x0a\x00\x28\x75\xde\x7b\x13\xeb\x28\x00",
        "-70000"),
    DUMPED("\x00\xc2\xff\xff\xff\x7f\x0a\x00\x2c\x74\xe5\x9e\xe0\x2e\xad\xa1",
        "2147483647"),
    DUMPED("\x00\x0a\x32\x31\x34\x37\x34\x38\x33\x36\x34\x38\x0a\x00\xe7\xb1"
           "\x29\xa3\x4c\x1d\x76\xee",
        "2147483648"),
    DUMPED("\x00\xc3\x09\x40\x64\x01\x61\x61\xe0\x57\x00\x01\x61\x61\x0a\x00"
           "\xe8\xa3\xb5\x07\xb0\x6d\xf2\x71",
        REPEAT10(REPEAT10("a"))),
    DUMPED("\x00\xc3\x17\x40\x63\x03\x61\x62\x63\x61\xe0\x11\x02\x02\x78\x79"
           "\x7a\xe0\x12\x1d\x20\x1a\xe0\x19\x20\x01\x79\x7a\x0a\x00\xba\x55"
           "\x65\x31\xc7\xbe\xb8\x98",
        REPEAT10("abc") "xyz" REPEAT10("abc") "xyz" REPEAT10("abc") "xyz"),
    /* of format 6 */
    DUMPED("\x00\x01\x76\x06\x00\x07\xe5\xa6\x32\xec\x6d\xb6\x5d", "v"),
#undef DUMPED
};

START_TEST(a_string_of_redis_is_restored)
{
    struct str all = dumped[_i].bytes;

    ck_assert_str_eq(restore(all), OK);
    expect_value(dumped[_i].value);
    /* No byte may be another, and none may be missing. */
    for (size_t i = 0; i < all.len; i++) {
        payload.len = 0;
        buf_append(&payload, all.p, all.len);
        payload.p[i] ^= 0x10;
        ck_assert_str_eq(
            restore((struct str){payload.p, payload.len}), NOT_SEALED);
        ck_assert_int_eq(restore((struct str){payload.p, i})[0], '-');
    }
    expect_value(dumped[_i].value);
}
END_TEST

START_TEST(lengths_of_every_form_are_read)
{
    static char big[5 + 1 + 300000];
    static const struct {
        const char *head;
        size_t head_len, value_len;
    } forms[] = {{"\x00\x3f", 2, 63}, {"\x00\x40\x40", 3, 64},
        {"\x00\x7f\xff", 3, 16383}, {"\x00\x80\x00\x00\x40\x00", 6, 16384},
        {"\x00\x80\x00\x04\x93\xe0", 6, 300000},
        {"\x00\x81\x00\x00\x00\x00\x00\x00\x00\x05", 10, 5}};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        char digits[32];

        memset(big, 'x', sizeof(big));
        memcpy(big, forms[i].head, forms[i].head_len);
        ck_assert_str_eq(restore_body((struct str){
                             big, forms[i].head_len + forms[i].value_len}),
            OK);
        snprintf(digits, sizeof(digits), ":%zu\r\n", forms[i].value_len);
        RUN(h, digits, "STRLEN", "k");
    }
}
END_TEST

START_TEST(a_large_compressed_value_leaves_no_pin)
{
    static char body[9 + 3 * 230 + 2];
    size_t len = 9, n = 1;

    /* one byte, and 227 times 264 more of it */
    memcpy(body, "\x00\xc3\x42\xab\x80\x00\x00\xea\x19", 9);
    body[len++] = 0;
    body[len++] = 'q';
    for (; n < 59929; n += 264) {
        memcpy(body + len, "\xe0\xff\x00", 3);
        len += 3;
    }
    ck_assert_uint_eq(n, 59929);
    ck_assert_uint_eq(len - 9, 0x2ab);
    ck_assert_str_eq(restore_body((struct str){body, len}), OK);
    RUN(h, ":59929\r\n", "STRLEN", "k");
    RUN(h, "$3\r\nqqq\r\n", "GETRANGE", "k", "-3", "-1");
    /* And when the key is taken, what was made goes away again: the harness
     * finds extents that are left over. */
    struct str words[] = {
        STR("RESTORE"), STR("k"), STR("0"), {payload.p, payload.len}};
    ck_assert_str_eq(harness_run(h, words, 4),
        "-BUSYKEY Target key name already exists.\r\n");
    RUN(h, ":1\r\n", "DEL", "k");
}
END_TEST

static const struct {
    struct str body;
    const char *reply;
} damaged[] = {
    {STR(""), BAD},
    {STR("\x00"), BAD},
    {STR("\x00\x02v"), BAD},
    {STR("\x00\x01vw"), BAD},
    {STR("\x00\x40"), BAD},
    {STR("\x00\x80\x00\x00"), BAD},
    {STR("\x00\x82\x00\x00\x00\x00"), BAD},
    {STR("\x00\x81\xff\xff\xff\xff\xff\xff\xff\xffv"), BAD},
    {STR("\x00\xc0"), BAD},
    {STR("\x00\xc1\x01"), BAD},
    {STR("\x00\xc2\x01\x01\x01\x01\x01"), BAD},
    {STR("\x00\xc4"), BAD},
    {STR("\x00\xff"), BAD},
    {STR("\x00\xc3\x01\x01"), BAD},
    {STR("\x00\xc3\x02\x02\x00v"), BAD},         /* too little comes out */
    {STR("\x00\xc3\x03\x01\x01vw"), BAD},        /* too much */
    {STR("\x00\xc3\x02\x01\x01v"), BAD},         /* a run beyond the input */
    {STR("\x00\xc3\x02\x03\x20\x00"), BAD},      /* refers to nothing */
    {STR("\x00\xc3\x04\x04\x00v\x20\x01"), BAD}, /* and before the start */
    {STR("\x00\xc3\x03\x04\x00v\x20"), BAD},
    {STR("\x00\xc3\x03\x40\xff\x00v\xe0"), BAD},
    {STR("\x00\xc3\x02\x80\x10\x00\x00\x00\x00v"), BAD}, /* not so much */
    {STR("\x00\xc3\x02\x80\x20\x00\x00\x01\x00v"), TOO_LARGE},
    {STR("\x00\xc3\xc0\x01\x01v"), BAD},
    {STR("\x12\x01\x02\x0a"), OTHER_TYPE},
    {STR("\x01"), OTHER_TYPE},
};

START_TEST(a_damaged_body_is_refused_and_changes_nothing)
{
    RUN(h, OK, "SET", "k", "old");
    ck_assert_str_eq(restore_body(damaged[_i].body), damaged[_i].reply);
    expect_value("old");
}
END_TEST

START_TEST(bodies_at_random_do_no_harm)
{
    char body[64] = {0, (char)0xc3};

    srand(7);
    for (int n = 0; n < 50000; n++) {
        size_t len = 4 + (size_t)rand() % 60;

        body[2] = (char)(len - 4); /* compressed, of this length */
        body[3] = (char)(rand() % 64);
        for (size_t i = 4; i < len; i++)
            body[i] = (char)(rand() % 4 ? rand() % 40 : rand());
        (void)restore_body((struct str){body, len});
    }
}
END_TEST

/* Of Redis 7.0.15: fields with integers of each width, a string of 100 bytes
 * and one of 4800; and a hash of five fields that was no list pack. */
/* clang-format off */
static const char packed_hash[] =
    "\020\303\100\260\123\216\037\216\023\000\000\024\000\204\156\141\155"
    "\145\005\203\141\156\156\004\201\156\002\177\001\201\155\002\337\373"
    "\002\203\151\061\066\037\004\361\320\212\003\203\151\062\064\004\362"
    "\377\377\177\004\203\151\063\062\004\363\000\000\000\200\005\203\151"
    "\066\064\004\364\000\377\200\000\001\177\011\040\054\015\063\004\317"
    "\377\002\204\154\157\156\147\005\340\144\170\340\132\000\001\146\206"
    "\100\154\017\145\162\007\360\300\022\000\000\141\142\143\144\145\146"
    "\147\150\340\377\007\341\377\007\341\377\007\341\377\007\341\377\007"
    "\341\377\007\341\377\007\341\377\007\341\377\007\341\377\007\341\377"
    "\007\341\377\007\341\377\007\341\377\007\341\377\007\341\377\007\341"
    "\377\007\341\377\007\341\037\007\002\045\305\377\012\000\016\063\034"
    "\214\337\306\171\172";

static const char plain_hash[] =
    "\004\005\001\155\301\324\376\001\156\300\014\003\151\063\062\302\240"
    "\206\001\000\004\156\141\155\145\003\141\156\156\004\154\157\156\147"
    "\303\011\100\144\001\171\171\340\127\000\001\171\171\012\000\342\252"
    "\141\104\227\365\145\134";
/* clang-format on */

#define WITHOUT_NUL(array)                                                     \
    (struct str)                                                               \
    {                                                                          \
        array, sizeof(array) - 1                                               \
    }

START_TEST(hashes_of_redis_are_restored)
{
    ck_assert_str_eq(restore(WITHOUT_NUL(packed_hash)), OK);
    RUN(h, ":10\r\n", "HLEN", "k");
    RUN(h,
        "*8\r\n$3\r\nann\r\n$3\r\n127\r\n$2\r\n-5\r\n$6\r\n-30000\r\n"
        "$7\r\n8388607\r\n$11\r\n-2147483648\r\n"
        "$19\r\n9223372036854775807\r\n$4\r\n4095\r\n",
        "HMGET", "k", "name", "n", "m", "i16", "i24", "i32", "i64", "i13");
    RUN(h, ":100\r\n", "HSTRLEN", "k", "long");
    RUN(h, ":4800\r\n", "HSTRLEN", "k", "longer");
    ck_assert_str_eq(restore(WITHOUT_NUL(plain_hash)), OK);
    RUN(h, "*4\r\n$3\r\nann\r\n$2\r\n12\r\n$4\r\n-300\r\n$6\r\n100000\r\n",
        "HMGET", "k", "name", "n", "m", "i32");
    RUN(h, ":100\r\n", "HSTRLEN", "k", "long");
}
END_TEST

#define LATER "\0\0\0\0\0\x20\0\0" /* 2^45 ms */
#define NEVER "\xff\xff\xff\xff\xff\xff\xff\xff"
#define LONG_AGO "\xe8\3\0\0\0\0\0\0"
#define IN_7_4 "\x18"
#define PACKED_IN_7_4 "\x19"
#define IN_VALKEY_9 "\x16"

/* Of Redis 7.4 as a table and as a list pack, and of Valkey 9; "b" expires. */
static const struct str expiring[] = {
    STR(IN_7_4 LATER "\3\0\1a\1"
                     "1\1\1b\1"
                     "2\6\1c\1"
                     "3"),
    STR(PACKED_IN_7_4 LATER "\x2c\x2c\0\0\0\x9\0"
                            "\x81"
                            "a\2\1\1\0\1\x81"
                            "b\2\2\1\xf4" LATER "\x9\x81"
                            "c\2\3\1\xf4"
                            "\5\0\0\0\0\x20\0\0\x9\xff"),
    STR(IN_VALKEY_9 "\3\1a\1"
                    "1" NEVER "\1b\1"
                    "2" LATER "\1c\1"
                    "3"
                    "\5\0\0\0\0\x20\0\0"),
};

START_TEST(deadlines_of_fields_are_restored)
{
    ck_assert_str_eq(restore_body(expiring[_i]), OK);
    RUN(h, "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", "HMGET", "k", "a", "b",
        "c");
    RUN(h, "*3\r\n:-1\r\n:35184372088832\r\n:35184372088837\r\n",
        "HPEXPIRETIME", "k", "FIELDS", "3", "a", "b", "c");
    for (size_t len = 0; len < expiring[_i].len; len++)
        ck_assert_str_eq(restore_body((struct str){expiring[_i].p, len}), BAD);
    RUN(h, ":3\r\n", "HLEN", "k");
}
END_TEST

START_TEST(fields_that_have_expired_are_not_restored)
{
    ck_assert_str_eq(restore_body(STR(IN_7_4 LONG_AGO "\2\0\1a\1"
                                                      "1\1\1b\1"
                                                      "2")),
        OK);
    RUN(h, "*1\r\n$1\r\na\r\n", "HKEYS", "k");
    ck_assert_str_eq(restore_body(STR(IN_VALKEY_9 "\1\1a\1"
                                                  "1" LONG_AGO)),
        OK);
    RUN(h, ":0\r\n", "EXISTS", "k");
    ck_assert_str_eq(restore_body(STR(IN_7_4 NEVER "\1\1\1b\1"
                                                   "2")),
        BAD);
    ck_assert_str_eq(restore_body(STR(IN_VALKEY_9 "\1\1a\1"
                                                  "1\xfe\xff\xff\xff\xff\xff"
                                                  "\xff\xff")),
        BAD);
}
END_TEST

/* With a checksum that is right: an error, or another hash. */
START_TEST(a_damaged_hash_of_redis_does_no_harm)
{
    const struct str all[] = {
        WITHOUT_NUL(packed_hash), WITHOUT_NUL(plain_hash)};
    char body[256];

    for (size_t n = 0; n < ARRAY_LEN(all); n++) {
        size_t len = all[n].len - 10;

        ck_assert_uint_le(len, sizeof(body));
        for (size_t i = 0; i < len; i++) {
            memcpy(body, all[n].p, len);
            for (int bit = 0; bit < 8; bit += 2) {
                body[i] = (char)(all[n].p[i] ^ 1 << bit);
                (void)restore_body((struct str){body, len});
            }
            ck_assert_str_eq(restore_body((struct str){all[n].p, i}), BAD);
        }
    }
    ck_assert_str_eq(restore_body(STR("\4\0")), BAD);
    ck_assert_str_eq(restore_body(STR("\20\7\7\0\0\0\0\0\377")), BAD);
    ck_assert_str_eq(
        restore_body(STR("\4\201\377\377\377\377\377\377\377\377\1a\1b")), BAD);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("rdb_payload");
    TCase *tc = tcase_create("rdb_payload");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(
        tc, a_string_of_redis_is_restored, 0, ARRAY_LEN(dumped));
    tcase_add_test(tc, lengths_of_every_form_are_read);
    tcase_add_test(tc, a_large_compressed_value_leaves_no_pin);
    tcase_add_loop_test(tc, a_damaged_body_is_refused_and_changes_nothing, 0,
        ARRAY_LEN(damaged));
    tcase_add_test(tc, bodies_at_random_do_no_harm);
    tcase_add_test(tc, hashes_of_redis_are_restored);
    tcase_add_loop_test(
        tc, deadlines_of_fields_are_restored, 0, ARRAY_LEN(expiring));
    tcase_add_test(tc, fields_that_have_expired_are_not_restored);
    tcase_add_test(tc, a_damaged_hash_of_redis_does_no_harm);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
