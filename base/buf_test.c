/* SPDX-License-Identifier: BSD-3-Clause */
/* buf_test.c - the growing buffer. */
#include "base/testing.h"

START_TEST(bytes_come_back_in_order_while_the_buffer_grows)
{
    struct buf b = {0};

    for (size_t i = 0; i < 10000; i++) {
        char c = (char)(i * 7);

        buf_append(&b, &c, 1);
    }
    ck_assert_uint_eq(b.len, 10000);
    for (size_t i = 0; i < b.len; i++)
        ck_assert_int_eq(b.p[i], (char)(i * 7));
    buf_free(&b);
}
END_TEST

START_TEST(capacity_doubles)
{
    struct buf b = {0};
    size_t caps = 0;
    size_t last = 0;

    for (size_t i = 0; i < 1 << 20; i++) {
        buf_append(&b, "x", 1);
        caps += b.cap != last;
        last = b.cap;
    }
    ck_assert_uint_le(caps, 16);
    ck_assert_uint_le(b.cap, 2 << 20);
    buf_free(&b);
}
END_TEST

START_TEST(reserving_does_not_change_the_length)
{
    struct buf b = {0};
    char *p;

    buf_append(&b, "abc", 3);
    p = buf_reserve(&b, 5000);
    ck_assert_ptr_eq(p, b.p + 3);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_uint_ge(b.cap, 5003);
    memset(p, 'x', 5000);
    ck_assert_mem_eq(b.p, "abc", 3);
    buf_free(&b);
}
END_TEST

START_TEST(appending_nothing_is_harmless)
{
    struct buf b = {0};

    buf_append(&b, NULL, 0);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_ptr_nonnull(b.p);
    buf_free(&b);
}
END_TEST

/* A NUL of vsnprintf just behind the capacity would be an overflow, which ASan
 * sees; a missing byte is seen here. */
START_TEST(printing_fits_at_every_fill)
{
    for (size_t fill = 0; fill < 140; fill++) {
        struct buf b = {0};
        char *p = buf_reserve(&b, fill);

        memset(p, '.', fill);
        b.len = fill;
        buf_printf(&b, "%s-%d", "abcdefgh", 1234567);
        ck_assert_uint_eq(b.len, fill + 16);
        ck_assert_mem_eq(b.p + fill, "abcdefgh-1234567", 16);
        buf_free(&b);
    }
}
END_TEST

START_TEST(a_freed_buffer_can_be_used_again)
{
    struct buf b = {0};

    buf_append(&b, "abc", 3);
    buf_free(&b);
    ck_assert_ptr_null(b.p);
    buf_append(&b, "d", 1);
    ck_assert_uint_eq(b.len, 1);
    ck_assert_mem_eq(b.p, "d", 1);
    buf_free(&b);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("buf");
    TCase *t = tcase_create("buf");

    suite_add_tcase(s, t);
    tcase_add_test(t, bytes_come_back_in_order_while_the_buffer_grows);
    tcase_add_test(t, capacity_doubles);
    tcase_add_test(t, reserving_does_not_change_the_length);
    tcase_add_test(t, appending_nothing_is_harmless);
    tcase_add_test(t, printing_fits_at_every_fill);
    tcase_add_test(t, a_freed_buffer_can_be_used_again);
    return run_suite(s);
}
