/* SPDX-License-Identifier: BSD-3-Clause */
/* string_options.c - the option words of SET and of the commands that take some
 * of them: GETEX, MSETEX, INCREX.
 *
 * One table says of each word what it means, what it may not stand beside, and
 * whether an argument follows. Any worker.
 */
#include "commands/internal.h"

#include <stddef.h>

/* A word may be repeated, unless it excludes itself; the last argument
 * counts. */
static const struct option_word {
    const char *word;
    unsigned option;
    unsigned excludes;
    size_t arg; /* offset of the index of the argument that follows; 0: none */
} option_words[] = {
#define TIME_ARG offsetof(struct string_options, time_arg)
#define COMPARE_ARG offsetof(struct string_options, compare_arg)
#define BY_ARG offsetof(struct string_options, by_arg)
    {"ex", WITH_EX, WITH_ANY_TTL & ~WITH_EX, TIME_ARG},
    {"px", WITH_PX, WITH_ANY_TTL & ~WITH_PX, TIME_ARG},
    {"nx", WITH_NX, WITH_CONDITION & ~WITH_NX, 0},
    {"xx", WITH_XX, WITH_CONDITION & ~WITH_XX, 0},
    {"get", WITH_GET, 0, 0},
    {"keepttl", WITH_KEEPTTL, WITH_ANY_TTL & ~WITH_KEEPTTL, 0},
    {"exat", WITH_EXAT, WITH_ANY_TTL & ~WITH_EXAT, TIME_ARG},
    {"pxat", WITH_PXAT, WITH_ANY_TTL & ~WITH_PXAT, TIME_ARG},
    {"persist", WITH_PERSIST, (WITH_ANY_TTL & ~WITH_PERSIST) | WITH_ENX, 0},
    {"ifeq", WITH_IFEQ, WITH_CONDITION, COMPARE_ARG},
    {"ifne", WITH_IFNE, WITH_CONDITION, COMPARE_ARG},
    {"ifdeq", WITH_IFDEQ, WITH_CONDITION, COMPARE_ARG},
    {"ifdne", WITH_IFDNE, WITH_CONDITION, COMPARE_ARG},
    {"ifver", WITH_IFVER, WITH_CONDITION, COMPARE_ARG},
    {"byint", WITH_BYINT, WITH_BYINT | WITH_BYFLOAT, BY_ARG},
    {"byfloat", WITH_BYFLOAT, WITH_BYINT | WITH_BYFLOAT, BY_ARG},
    {"lbound", WITH_LBOUND, 0, offsetof(struct string_options, lower_arg)},
    {"ubound", WITH_UBOUND, 0, offsetof(struct string_options, upper_arg)},
    {"saturate", WITH_SATURATE, 0, 0},
    {"enx", WITH_ENX, WITH_PERSIST, 0},
#undef BY_ARG
#undef COMPARE_ARG
#undef TIME_ARG
};

static const struct option_word *
find_option_word(const struct request *rq, int i)
{
    for (size_t w = 0; w < ARRAY_LEN(option_words); w++) {
        if (arg_is(rq, i, option_words[w].word))
            return &option_words[w];
    }
    return NULL;
}

/* What of IFEQ and its relatives was given, if anything. */
static bool
read_comparison(struct request *rq, struct string_options *options)
{
    static const struct {
        unsigned option;
        enum compare_kind kind;
    } kinds[] = {
        {WITH_IFEQ, COMPARE_EQUAL},
        {WITH_IFNE, COMPARE_DIFFERENT},
        {WITH_IFDEQ, COMPARE_DIGEST_EQUAL},
        {WITH_IFDNE, COMPARE_DIGEST_DIFFERENT},
        {WITH_IFVER, COMPARE_VERSION},
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (options->with & kinds[i].option)
            return comparison_read(
                rq, kinds[i].kind, options->compare_arg, &options->comparison);
    }
    return true;
}

bool
string_options_read(
    struct request *rq, int first, unsigned allowed, struct string_options *out)
{
    *out = (struct string_options){0};
    for (int i = first; i < rq->argc; i++) {
        const struct option_word *w = find_option_word(rq, i);

        if (w == NULL || !(w->option & allowed) || (w->excludes & out->with) ||
            (w->arg != 0 && i + 1 == rq->argc)) {
            reply_error_syntax(rq);
            return false;
        }
        out->with |= w->option;
        if (w->arg != 0)
            *(int *)(void *)((char *)out + w->arg) = ++i;
    }
    return read_comparison(rq, out);
}

bool
string_options_deadline(struct request *rq,
    const struct string_options *options, uint64_t *expire_ms)
{
    struct time_form form = {
        .seconds = options->with & (WITH_EX | WITH_EXAT),
        .absolute = options->with & (WITH_EXAT | WITH_PXAT),
    };

    *expire_ms = KS_NO_EXPIRY;
    if (options->with & WITH_KEEPTTL)
        *expire_ms = KS_KEEP_TTL;
    if (!(options->with & WITH_TIME))
        return true;
    return arg_deadline(rq, options->time_arg, form, expire_ms);
}
