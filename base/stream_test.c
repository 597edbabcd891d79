/* SPDX-License-Identifier: BSD-3-Clause */
/* stream_test.c - copies past the cache copy all, and nothing else. */
#include "base/testing.h"

#define ROOM 1024
#define MARGIN 128

static unsigned char from[ROOM + 2 * MARGIN], to[ROOM + 2 * MARGIN];

/* Bytes before and behind stay as they were. */
static void
check_copy(size_t at, size_t source, size_t n)
{
    memset(to, 0xee, sizeof(to));
    stream_copy(to + at, from + source, n);
    for (size_t i = 0; i < sizeof(to); i++) {
        bool inside = i >= at && i < at + n;
        unsigned expected = inside ? from[source + i - at] : 0xee;

        must(to[i] == expected);
    }
}

START_TEST(any_part_of_a_line_is_copied)
{
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (unsigned char)(i * 7 + i / 251);
    for (size_t at = 0; at <= CACHE_LINE; at++)
        for (size_t n = 0; n <= 3 * CACHE_LINE + 1; n += n < 66 ? 1 : 13)
            check_copy(MARGIN + at, MARGIN + (at * 5 + n) % CACHE_LINE, n);
    check_copy(MARGIN, MARGIN + 1, ROOM);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("stream");
    TCase *tc = tcase_create("stream");

    tcase_add_test(tc, any_part_of_a_line_is_copied);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
