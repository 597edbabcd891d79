/* SPDX-License-Identifier: BSD-3-Clause */
/* lcs_test.c - LCS. */
#include "commands/harness.h"

#include <stdlib.h>

static struct harness *h;

static void
start(void)
{
    h = harness_new();
    SAY(h, "MSET", "a", "ohmytext", "b", "mynewtext");
}

static void
stop(void)
{
    harness_free(h);
}

START_TEST(lcs_is_a_subsequence_or_its_length)
{
    RUN(h, "$6\r\nmytext\r\n", "LCS", "a", "b");
    RUN(h, ":6\r\n", "LCS", "a", "b", "LEN");
    RUN(h, "$0\r\n\r\n", "LCS", "a", "none");
    RUN(h, ":0\r\n", "LCS", "none", "nil", "len");
    RUN(h, "$8\r\nohmytext\r\n", "LCS", "a", "a");
}
END_TEST

START_TEST(idx_shows_the_matches_from_the_last_one_on)
{
    RUN(h,
        "*4\r\n$7\r\nmatches\r\n*2\r\n"
        "*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n"
        "*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
        "LCS", "a", "b", "IDX");
    RUN(h,
        "*4\r\n$7\r\nmatches\r\n*1\r\n"
        "*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n"
        "$3\r\nlen\r\n:6\r\n",
        "LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN");
}
END_TEST

START_TEST(lcs_refuses_bad_words_and_too_long_values)
{
    char *text = calloc(1, 20001);

    RUN(h,
        "-ERR If you want both the length and indexes, please just use "
        "IDX.\r\n",
        "LCS", "a", "b", "LEN", "IDX");
    RUN(h, "-ERR syntax error\r\n", "LCS", "a", "b", "MINMATCHLEN");
    RUN(h, "-ERR value is not an integer or out of range\r\n", "LCS", "a", "b",
        "MINMATCHLEN", "x");
    memset(text, 'x', 20000);
    SAY(h, "SET", "long", text);
    RUN(h,
        "-ERR Insufficient memory, transient memory for LCS exceeds "
        "proto-max-bulk-len\r\n",
        "LCS", "long", "long");
    memset(text, 'y', 1000);
    text[1000] = '\0';
    SAY(h, "SET", "y", text);
    RUN(h, ":1000\r\n", "LCS", "y", "y", "LEN");
    free(text);
}
END_TEST

HARNESS_MAIN("lcs", start, stop, lcs_is_a_subsequence_or_its_length,
    idx_shows_the_matches_from_the_last_one_on,
    lcs_refuses_bad_words_and_too_long_values)
