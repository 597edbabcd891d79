/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor_test.c - parts of the metrics listener that need no daemon: names as
 * text, and the samples of the last hour. */
#include "base/testing.h"
#include "daemon/monitor.h"

#include <stdlib.h>

/* ---- names --------------------------------------------------------------- */

static void
expect_text(struct str name, const char *want)
{
    struct buf out = {0};

    append_printable(&out, name);
    buf_append(&out, "", 1);
    ck_assert_str_eq(out.p, want);
    buf_free(&out);
}

START_TEST(text_stays_as_it_is)
{
    expect_text(STR(""), "");
    expect_text(STR("user:1 <b> \"q\""), "user:1 <b> \"q\"");
    expect_text(STR("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    expect_text(
        STR("\xe2\x82\xac\xf0\x9f\xa7\xb1"), "\xe2\x82\xac\xf0\x9f\xa7\xb1");
}
END_TEST

START_TEST(other_bytes_are_written_out)
{
    expect_text(STR("a\0b\n\x7f"), "a\\x00b\\x0a\\x7f");
    expect_text(STR("back\\slash"), "back\\\\slash");
    expect_text(STR("\xff\xc3"), "\\xff\\xc3");
    expect_text(STR("\xc0\xaf"), "\\xc0\\xaf");          /* overlong */
    expect_text(STR("\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* surrogate */
    expect_text(STR("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* too high */
    expect_text(STR("\xe2\x82"), "\\xe2\\x82");          /* cut short */
    expect_text(STR("\xe2\x80\xae"), "\\xe2\\x80\\xae"); /* right to left */
    expect_text(STR("\xc2\x85"), "\\xc2\\x85");          /* C1 control */
}
END_TEST

/* ---- the last hour ------------------------------------------------------- */

static struct history h;

START_TEST(a_point_is_due_every_ten_seconds)
{
    uint64_t ms = 1700000000000;
    unsigned n = 0;

    clock_fake(ms);
    history_init(&h);
    for (int i = 0; i < 1000; i++) { /* every 100 ms */
        clock_fake(ms + 100 * (uint64_t)i);
        n += history_due(&h);
    }
    ck_assert_uint_eq(n, 10);
    clock_fake(ms + 1000000); /* nobody looked for a long time */
    ck_assert(history_due(&h));
    ck_assert(!history_due(&h));
    clock_fake(ms + 1009999);
    ck_assert(!history_due(&h));
    clock_fake(ms + 1010000);
    ck_assert(history_due(&h));
    history_free(&h);
    clock_unfake();
}
END_TEST

START_TEST(an_hour_is_kept_the_oldest_first)
{
    struct history_point *p = xcalloc(HISTORY_POINTS, sizeof(*p));

    history_init(&h);
    ck_assert_uint_eq(history_copy(&h, p), 0);
    for (unsigned i = 0; i < HISTORY_POINTS + 5; i++)
        history_note(&h, &(struct history_point){.wall_s = i, .hits = 2 * i});
    ck_assert_uint_eq(history_copy(&h, p), HISTORY_POINTS);
    ck_assert_uint_eq(p[0].wall_s, 5);
    ck_assert_uint_eq(p[0].hits, 10);
    ck_assert_uint_eq(p[HISTORY_POINTS - 1].wall_s, HISTORY_POINTS + 4);
    history_free(&h);
    free(p);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("daemon/monitor");
    TCase *t = tcase_create("monitor");

    tcase_add_test(t, text_stays_as_it_is);
    tcase_add_test(t, other_bytes_are_written_out);
    tcase_add_test(t, a_point_is_due_every_ten_seconds);
    tcase_add_test(t, an_hour_is_kept_the_oldest_first);
    suite_add_tcase(s, t);
    return run_suite(s);
}
