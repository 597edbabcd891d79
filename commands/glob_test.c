/* SPDX-License-Identifier: BSD-3-Clause */
/* glob_test.c - patterns: a table of what Redis answers, and the bound on
 * time. */
#include "base/testing.h"
#include "commands/command.h"

#include <stdlib.h>

struct glob_case {
    struct str pattern, text;
    bool exact;  /* matches */
    bool nocase; /* matches when case is ignored */
};

/* clang-format off */
#define YES(pattern, text) {STR(pattern), STR(text), true, true}
#define NO(pattern, text) {STR(pattern), STR(text), false, false}
#define NOCASE(pattern, text) {STR(pattern), STR(text), false, true}

static const struct glob_case cases[] = {
    /* plain bytes */
    YES("", ""),
    NO("", "a"),
    NO("a", ""),
    YES("abc", "abc"),
    NO("abc", "abd"),
    NO("abc", "ab"),
    NO("abc", "abcd"),
    NOCASE("ABC", "abc"),
    NOCASE("abc", "aBc"),
    YES("a\0b", "a\0b"),
    NO("a\0b", "a\0c"),
    NO("\xc3\x84", "\xc3\xa4"),
    /* ? */
    YES("?", "a"),
    YES("?", "\xff"),
    NO("?", ""),
    NO("?", "ab"),
    YES("h?llo", "hello"),
    NO("h?llo", "hllo"),
    /* * */
    YES("*", ""),
    YES("***", ""),
    YES("*", "anything"),
    YES("a*", "a"),
    YES("a*", "abc"),
    NO("a*", "ba"),
    YES("*a", "a"),
    YES("*a", "bca"),
    NO("*a", "ab"),
    NO("*a", ""),
    YES("a*c", "ac"),
    YES("a*c", "abcbc"),
    NO("a*c", "abcb"),
    YES("a**c", "abc"),
    YES("*a*b*c*", "xxaxxbxxcxx"),
    NO("*a*b*c*", "xxaxxcxxbxx"),
    YES("*aab", "aaab"),
    YES("*abab", "abaabab"),
    YES("user:*:profile", "user:1:2:profile"),
    NO("user:*:profile", "user:1:profiles"),
    YES("*?", "a"),
    NO("*?", ""),
    NO("**?", ""),
    YES("?*?", "ab"),
    NO("?*?", "a"),
    /* classes */
    YES("h[ae]llo", "hello"),
    NO("h[ae]llo", "hillo"),
    YES("[a-c]", "b"),
    YES("[a-c]", "c"),
    NO("[a-c]", "d"),
    YES("[c-a]", "b"),
    YES("[a-cx-z]", "y"),
    NO("[a-cx-z]", "m"),
    NOCASE("[A-C]", "b"),
    NOCASE("[a-c]", "B"),
    NOCASE("[A]", "a"),
    NO("[abc]", ""),
    NO("[abc]", "ab"),
    YES("*[0-9]", "abc7"),
    NO("*[0-9]", "abc"),
    YES("[\x80-\xff]", "\x90"),
    NO("[\x80-\xff]", "a"),
    YES("[a-\xff]", "b"),
    NOCASE("[a-\xff]", "B"),
    /* negated */
    YES("[^a]", "b"),
    NO("[^a]", "a"),
    NO("[^a-c]", "b"),
    YES("[^a-c]", "d"),
    NO("[^a]", ""),
    YES("[a^]", "^"),
    YES("[^^]", "a"),
    NO("[^^]", "^"),
    /* ends of classes */
    NO("[]", "a"),
    NO("[]", "]"),
    NO("[]a]", "]"),
    NO("[]a]", "a"),
    YES("[^]", "a"),
    YES("[^]a", "ba"),
    YES("[abc", "b"),
    NO("[abc", "d"),
    YES("[^abc", "d"),
    NO("[", "["),
    NO("[", "a"),
    YES("[^", "a"),
    YES("[a-", "-"),
    YES("[a-", "a"),
    NO("[a-", "b"),
    YES("[a-]", "a"),   /* the range from 'a' to ']' */
    YES("[a-]", "^"),
    NO("[a-]", "-"),
    YES("[a-]]", "^"),
    YES("[--0]", "."),
    YES("[-a]", "-"),
    /* escapes */
    YES("\\*", "*"),
    NO("\\*", "a"),
    YES("\\?", "?"),
    YES("\\[a]", "[a]"),
    YES("\\\\", "\\"),
    YES("a\\", "a\\"),
    YES("\\a", "a"),
    NOCASE("\\A", "a"),
    YES("[\\]]", "]"),
    YES("[\\^a]", "^"),
    YES("[\\a-c]", "-"),
    NO("[\\a-c]", "b"),
    NO("[\\A]", "a"),   /* an escape in a class keeps its case */
    YES("[a\\", "\\"),
    YES("[\\", "\\"),
};
/* clang-format on */

START_TEST(a_pattern_matches_as_in_redis)
{
    const struct glob_case *c = &cases[_i];

    ck_assert_msg(glob_match(c->pattern, c->text, false) == c->exact,
        "'%.*s' on '%.*s'", STR_ARG(c->pattern), STR_ARG(c->text));
    ck_assert_msg(glob_match(c->pattern, c->text, true) == c->nocase,
        "'%.*s' on '%.*s' without case", STR_ARG(c->pattern), STR_ARG(c->text));
}
END_TEST

/* The bytes stand at the very end of their memory, for AddressSanitizer. */
START_TEST(nothing_beyond_the_pattern_is_read)
{
    static const char *const patterns[] = {
        "*", "a*", "[", "[^", "[a", "[a-", "[a-z", "[\\", "\\", "a\\"};

    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        size_t len = strlen(patterns[i]);
        char *copy = malloc(len);
        char *text = malloc(1);

        ck_assert(copy != NULL && text != NULL);
        memcpy(copy, patterns[i], len);
        *text = 'a';
        glob_match((struct str){copy, len}, (struct str){text, 1}, false);
        glob_match((struct str){copy, len}, (struct str){text, 0}, true);
        free(copy);
        free(text);
    }
}
END_TEST

/* Each further star multiplies the time of a matcher that tries them all: this
 * one would not end. */
START_TEST(many_stars_take_bounded_time)
{
    enum {
        STARS = 1000,
        TEXT = 100000
    };
    struct buf pattern = {0};
    char *text = malloc(TEXT);

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', TEXT);
    for (int i = 0; i < STARS; i++)
        buf_append(&pattern, "*a", 2);
    ck_assert(glob_match(
        (struct str){pattern.p, pattern.len}, (struct str){text, TEXT}, false));
    buf_append(&pattern, "*b", 2);
    ck_assert(!glob_match(
        (struct str){pattern.p, pattern.len}, (struct str){text, TEXT}, false));
    buf_free(&pattern);
    free(text);
}
END_TEST

static Suite *
glob_suite(void)
{
    Suite *s = suite_create("glob");
    TCase *t = tcase_create("glob");

    tcase_add_loop_test(t, a_pattern_matches_as_in_redis, 0, ARRAY_LEN(cases));
    tcase_add_test(t, nothing_beyond_the_pattern_is_read);
    tcase_add_test(t, many_stars_take_bounded_time);
    suite_add_tcase(s, t);
    return s;
}

int
main(void)
{
    return run_suite(glob_suite());
}
