# SPDX-License-Identifier: BSD-3-Clause
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
    base/base.h \
    base/internal.h \
    base/assert.c \
    base/barrier.c \
    base/buf.c \
    base/clock.c \
    base/file.c \
    base/hash.c \
    base/lock.c \
    base/log.c \
    base/logfmt.c \
    base/memory.c \
    base/metrics.c \
    base/option_docs.c \
    base/option_file.c \
    base/option_include.c \
    base/option_lines.c \
    base/option_rewrite.c \
    base/option_value.c \
    base/options.c \
    base/steps.c \
    base/str.c \
    base/stream.c
libbase_a_CFLAGS = $(AM_CFLAGS) $(STRICT_CFLAGS)

check_PROGRAMS += \
    base/assert_test \
    base/base_test \
    base/buf_test \
    base/clock_test \
    base/file_test \
    base/hash_test \
    base/log_test \
    base/metrics_test \
    base/option_docs_test \
    base/option_file_test \
    base/option_include_test \
    base/option_rewrite_test \
    base/options_test \
    base/lock_test \
    base/steps_test \
    base/str_test \
    base/stream_test

thread_tests += base/clock_test base/lock_test base/log_test \
    base/metrics_test base/options_test

base_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
base_tests_ldadd = libbase.a $(CHECK_LIBS)

base_assert_test_SOURCES = base/assert_test.c
base_assert_test_CFLAGS = $(base_tests_cflags)
base_assert_test_LDADD = $(base_tests_ldadd)
base_base_test_SOURCES = base/testing.h base/base_test.c
base_base_test_CFLAGS = $(base_tests_cflags)
base_base_test_LDADD = $(base_tests_ldadd)
base_buf_test_SOURCES = base/buf_test.c
base_buf_test_CFLAGS = $(base_tests_cflags)
base_buf_test_LDADD = $(base_tests_ldadd)
base_clock_test_SOURCES = base/clock_test.c
base_clock_test_CFLAGS = $(base_tests_cflags)
base_clock_test_LDADD = $(base_tests_ldadd)
base_file_test_SOURCES = base/file_test.c
base_file_test_CFLAGS = $(base_tests_cflags)
base_file_test_LDADD = $(base_tests_ldadd)
base_hash_test_SOURCES = base/hash_test.c
base_hash_test_CFLAGS = $(base_tests_cflags)
base_hash_test_LDADD = $(base_tests_ldadd)
base_log_test_SOURCES = base/log_test.c
base_log_test_CFLAGS = $(base_tests_cflags)
base_log_test_LDADD = $(base_tests_ldadd)
base_metrics_test_SOURCES = base/metrics_test.c
base_metrics_test_CFLAGS = $(base_tests_cflags)
base_metrics_test_LDADD = $(base_tests_ldadd)
base_option_docs_test_SOURCES = base/options_fixture.h base/option_docs_test.c
base_option_docs_test_CFLAGS = $(base_tests_cflags)
base_option_docs_test_LDADD = $(base_tests_ldadd)
base_option_file_test_SOURCES = base/options_fixture.h base/option_file_test.c
base_option_file_test_CFLAGS = $(base_tests_cflags)
base_option_file_test_LDADD = $(base_tests_ldadd)
base_option_include_test_SOURCES = \
    base/options_fixture.h \
    base/option_include_test.c
base_option_include_test_CFLAGS = $(base_tests_cflags)
base_option_include_test_LDADD = $(base_tests_ldadd)
base_option_rewrite_test_SOURCES = \
    base/options_fixture.h \
    base/option_rewrite_test.c
base_option_rewrite_test_CFLAGS = $(base_tests_cflags)
base_option_rewrite_test_LDADD = $(base_tests_ldadd)
base_options_test_SOURCES = base/options_fixture.h base/options_test.c
base_options_test_CFLAGS = $(base_tests_cflags)
base_options_test_LDADD = $(base_tests_ldadd)
base_lock_test_SOURCES = base/lock_test.c
base_lock_test_CFLAGS = $(base_tests_cflags)
base_lock_test_LDADD = $(base_tests_ldadd)
base_steps_test_SOURCES = base/steps_test.c
base_steps_test_CFLAGS = $(base_tests_cflags)
base_steps_test_LDADD = $(base_tests_ldadd)
base_str_test_SOURCES = base/str_test.c
base_str_test_CFLAGS = $(base_tests_cflags)
base_str_test_LDADD = $(base_tests_ldadd)
base_stream_test_SOURCES = base/stream_test.c
base_stream_test_CFLAGS = $(base_tests_cflags)
base_stream_test_LDADD = $(base_tests_ldadd)

# for the tests of every layer
noinst_HEADERS += base/testing.h
