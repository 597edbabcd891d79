# SPDX-License-Identifier: BSD-3-Clause
slab_sources = \
    slab/slab.h \
    slab/internal.h \
    slab/arena.c \
    slab/budget.c \
    slab/class.c \
    slab/debug.c \
    slab/drain.c \
    slab/extent.c \
    slab/lock.c \
    slab/magazine.c \
    slab/mark.c \
    slab/page.c \
    slab/pool.c \
    slab/region.c \
    slab/sample.c \
    slab/slab.c \
    slab/space.c \
    slab/super.c

noinst_LIBRARIES += libslab.a
libslab_a_SOURCES = $(slab_sources)
libslab_a_CFLAGS = $(AM_CFLAGS) $(STRICT_CFLAGS)

noinst_HEADERS += slab/test.h

check_PROGRAMS += \
    slab/arena_test \
    slab/budget_test \
    slab/class_test \
    slab/debug_test \
    slab/drain_test \
    slab/extent_test \
    slab/magazine_test \
    slab/mark_test \
    slab/page_test \
    slab/pool_test \
    slab/region_test \
    slab/slab_stress_test

thread_tests += slab/mark_test slab/slab_stress_test

slab_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
slab_tests_ldadd = libslab.a libbase.a $(CHECK_LIBS)

slab_arena_test_SOURCES = slab/arena_test.c
slab_arena_test_CFLAGS = $(slab_tests_cflags)
slab_arena_test_LDADD = $(slab_tests_ldadd)
slab_budget_test_SOURCES = slab/budget_test.c
slab_budget_test_CFLAGS = $(slab_tests_cflags)
slab_budget_test_LDADD = $(slab_tests_ldadd)
slab_class_test_SOURCES = slab/class_test.c
slab_class_test_CFLAGS = $(slab_tests_cflags)
slab_class_test_LDADD = $(slab_tests_ldadd)
slab_drain_test_SOURCES = slab/drain_test.c
slab_drain_test_CFLAGS = $(slab_tests_cflags)
slab_drain_test_LDADD = $(slab_tests_ldadd)
slab_extent_test_SOURCES = slab/extent_test.c
slab_extent_test_CFLAGS = $(slab_tests_cflags)
slab_extent_test_LDADD = $(slab_tests_ldadd)
slab_magazine_test_SOURCES = slab/magazine_test.c
slab_magazine_test_CFLAGS = $(slab_tests_cflags)
slab_magazine_test_LDADD = $(slab_tests_ldadd)
slab_mark_test_SOURCES = slab/mark_test.c
slab_mark_test_CFLAGS = $(slab_tests_cflags)
slab_mark_test_LDADD = $(slab_tests_ldadd)
slab_page_test_SOURCES = slab/page_test.c
slab_page_test_CFLAGS = $(slab_tests_cflags)
slab_page_test_LDADD = $(slab_tests_ldadd)
slab_pool_test_SOURCES = slab/pool_test.c
slab_pool_test_CFLAGS = $(slab_tests_cflags)
slab_pool_test_LDADD = $(slab_tests_ldadd)
slab_region_test_SOURCES = slab/region_test.c
slab_region_test_CFLAGS = $(slab_tests_cflags)
slab_region_test_LDADD = $(slab_tests_ldadd)
slab_slab_stress_test_SOURCES = slab/slab_stress_test.c
slab_slab_stress_test_CFLAGS = $(slab_tests_cflags)
slab_slab_stress_test_LDADD = $(slab_tests_ldadd)

# The debug allocator is tested whatever was configured, with a slab of its own.
slab_debug_test_SOURCES = slab/debug_test.c $(slab_sources)
slab_debug_test_CPPFLAGS = $(AM_CPPFLAGS) -UASHLAR_DEBUG_ALLOC \
    -DASHLAR_DEBUG_ALLOC
slab_debug_test_CFLAGS = $(slab_tests_cflags)
slab_debug_test_LDADD = libbase.a $(CHECK_LIBS)
