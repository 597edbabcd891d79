# SPDX-License-Identifier: BSD-3-Clause
noinst_LIBRARIES += libprotocol.a
libprotocol_a_SOURCES = \
    protocol/resp.h \
    protocol/internal.h \
    protocol/inline.c \
    protocol/request.c \
    protocol/reply.c
libprotocol_a_CFLAGS = $(AM_CFLAGS) $(STRICT_CFLAGS)

check_PROGRAMS += \
    protocol/request_test \
    protocol/reply_test

protocol_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
protocol_tests_ldadd = libprotocol.a libbase.a $(CHECK_LIBS)

protocol_request_test_SOURCES = \
    protocol/request_feed.h \
    protocol/request_test.c
protocol_request_test_CFLAGS = $(protocol_tests_cflags)
protocol_request_test_LDADD = $(protocol_tests_ldadd)
protocol_reply_test_SOURCES = protocol/reply_test.c
protocol_reply_test_CFLAGS = $(protocol_tests_cflags)
protocol_reply_test_LDADD = $(protocol_tests_ldadd)

# ./protocol/request_fuzz -dict=$(srcdir)/protocol/request_fuzz.dict \
#     NEW_CORPUS $(srcdir)/protocol/fuzz-corpus
if FUZZ
EXTRA_PROGRAMS += protocol/request_fuzz
protocol_request_fuzz_SOURCES = \
    protocol/request_feed.h \
    protocol/request_fuzz.c
protocol_request_fuzz_LDADD = libprotocol.a libbase.a
protocol_request_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif

EXTRA_DIST += \
    protocol/request_fuzz.dict \
    protocol/fuzz-corpus
