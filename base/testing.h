/* SPDX-License-Identifier: BSD-3-Clause */
/* testing.h - what the unit tests of all layers share. */
#pragma once

#include "base/base.h"

#include <check.h>
#include <stdlib.h>

/* ck_assert() without its notes, which cost a system call even while it holds:
 * for loops of many thousands. */
#define must(x)                                                                \
    do {                                                                       \
        if (unlikely(!(x)))                                                    \
            ck_abort_msg("%s", #x);                                            \
    } while (0)

/* The same about the thing of this name, a struct str. */
#define must_of(x, name)                                                       \
    do {                                                                       \
        if (unlikely(!(x)))                                                    \
            ck_abort_msg("%s: %.*s", #x, STR_ARG(name));                       \
    } while (0)

/* Run all tests of the suite, which it takes; the exit status of main(). */
static inline int
run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
