# SPDX-License-Identifier: BSD-3-Clause
# Tests against a running daemon. By hand, from the build directory:
#   client-tests/strings_test            one of them
#   ASHLAR_TEST_SERVER=redis-server client-tests/strings_test
#                                        the same against another server, to
#                                        see that a test asserts what Redis does
#   ASHLAR_TEST_SLOW=1 ...               with a sanitizer build

check_LIBRARIES += libclient.a
libclient_a_SOURCES = \
    client-tests/client.c \
    client-tests/client.h \
    client-tests/fixture.c \
    client-tests/fixture.h \
    client-tests/pattern.h \
    client-tests/spawn.c \
    client-tests/spawn.h \
    client-tests/wire.c \
    client-tests/wire.h
client_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HIREDIS_CFLAGS)
client_tests_ldadd = libclient.a $(HIREDIS_LIBS) $(CHECK_LIBS)
libclient_a_CFLAGS = $(client_tests_cflags)
tls_client = client-tests/tls_client.c client-tests/tls_client.h

# From the simplest to the most demanding.
client_tests = \
    client-tests/strings_test \
    client-tests/compare_test \
    client-tests/versions_test \
    client-tests/keys_test \
    client-tests/bits_test \
    client-tests/bad_input_test \
    client-tests/hash_test \
    client-tests/hash_expiry_test \
    client-tests/copy_test \
    client-tests/dump_test \
    client-tests/namespace_test \
    client-tests/client_cmds_test \
    client-tests/protocol_test \
    client-tests/acl_test \
    client-tests/busy_test \
    client-tests/script_test \
    client-tests/slowlog_test \
    client-tests/metrics_test \
    client-tests/standalone_test \
    client-tests/debug_test \
    client-tests/start_test \
    client-tests/config_test \
    client-tests/reload_test \
    client-tests/systemd_test \
    client-tests/expiry_test \
    client-tests/scan_test \
    client-tests/pubsub_test \
    client-tests/notifications_test \
    client-tests/tracking_test \
    client-tests/monitor_test \
    client-tests/pause_test \
    client-tests/transactions_test \
    client-tests/pipeline_test \
    client-tests/concurrency_test \
    client-tests/linearizability_test \
    client-tests/large_values_test \
    client-tests/eviction_test \
    client-tests/connections_test \
    client-tests/io_engine_test \
    client-tests/allocations_test \
    client-tests/memory_test \
    client-tests/exhaustion_test \
    client-tests/hostile_test
if TLS
client_tests += client-tests/tls_test
endif
check_PROGRAMS += $(client_tests)

client_tests_strings_test_SOURCES = client-tests/strings_test.c
client_tests_strings_test_CFLAGS = $(client_tests_cflags)
client_tests_strings_test_LDADD = $(client_tests_ldadd)
client_tests_compare_test_SOURCES = client-tests/compare_test.c
client_tests_compare_test_CFLAGS = $(client_tests_cflags)
client_tests_compare_test_LDADD = $(client_tests_ldadd)
client_tests_versions_test_SOURCES = client-tests/versions_test.c
client_tests_versions_test_CFLAGS = $(client_tests_cflags)
client_tests_versions_test_LDADD = $(client_tests_ldadd)
client_tests_standalone_test_SOURCES = client-tests/standalone_test.c
client_tests_standalone_test_CFLAGS = $(client_tests_cflags)
client_tests_standalone_test_LDADD = $(client_tests_ldadd)
client_tests_debug_test_SOURCES = client-tests/debug_test.c
client_tests_debug_test_CFLAGS = $(client_tests_cflags)
client_tests_debug_test_LDADD = $(client_tests_ldadd)
client_tests_keys_test_SOURCES = client-tests/keys_test.c
client_tests_keys_test_CFLAGS = $(client_tests_cflags)
client_tests_keys_test_LDADD = $(client_tests_ldadd)
client_tests_bad_input_test_SOURCES = client-tests/bad_input_test.c
client_tests_bad_input_test_CFLAGS = $(client_tests_cflags)
client_tests_bad_input_test_LDADD = $(client_tests_ldadd)
client_tests_bits_test_SOURCES = client-tests/bits_test.c
client_tests_bits_test_CFLAGS = $(client_tests_cflags)
client_tests_bits_test_LDADD = $(client_tests_ldadd)
client_tests_hash_test_SOURCES = client-tests/hash_test.c
client_tests_hash_test_CFLAGS = $(client_tests_cflags)
client_tests_hash_test_LDADD = $(client_tests_ldadd)
client_tests_hash_expiry_test_SOURCES = client-tests/hash_expiry_test.c
client_tests_hash_expiry_test_CFLAGS = $(client_tests_cflags)
client_tests_hash_expiry_test_LDADD = $(client_tests_ldadd)
client_tests_copy_test_SOURCES = client-tests/copy_test.c
client_tests_copy_test_CFLAGS = $(client_tests_cflags)
client_tests_copy_test_LDADD = $(client_tests_ldadd)
client_tests_namespace_test_SOURCES = client-tests/namespace_test.c
client_tests_namespace_test_CFLAGS = $(client_tests_cflags)
client_tests_namespace_test_LDADD = $(client_tests_ldadd)
client_tests_memory_test_SOURCES = client-tests/memory_test.c
client_tests_memory_test_CFLAGS = $(client_tests_cflags)
client_tests_memory_test_LDADD = $(client_tests_ldadd)
client_tests_dump_test_SOURCES = client-tests/dump_test.c
client_tests_dump_test_CFLAGS = $(client_tests_cflags)
client_tests_dump_test_LDADD = $(client_tests_ldadd)
client_tests_client_cmds_test_SOURCES = client-tests/client_cmds_test.c
client_tests_client_cmds_test_CFLAGS = $(client_tests_cflags)
client_tests_client_cmds_test_LDADD = $(client_tests_ldadd)
client_tests_protocol_test_SOURCES = client-tests/protocol_test.c
client_tests_protocol_test_CFLAGS = $(client_tests_cflags)
client_tests_protocol_test_LDADD = $(client_tests_ldadd)
client_tests_acl_test_SOURCES = client-tests/acl_test.c
client_tests_acl_test_CFLAGS = $(client_tests_cflags)
client_tests_acl_test_LDADD = $(client_tests_ldadd)
client_tests_busy_test_SOURCES = client-tests/busy_test.c
client_tests_busy_test_CFLAGS = $(client_tests_cflags)
client_tests_busy_test_LDADD = $(client_tests_ldadd)
client_tests_script_test_SOURCES = client-tests/script_test.c
client_tests_script_test_CFLAGS = $(client_tests_cflags)
client_tests_script_test_LDADD = $(client_tests_ldadd)
client_tests_slowlog_test_SOURCES = client-tests/slowlog_test.c
client_tests_slowlog_test_CFLAGS = $(client_tests_cflags)
client_tests_slowlog_test_LDADD = $(client_tests_ldadd)
client_tests_metrics_test_SOURCES = client-tests/metrics_test.c
client_tests_metrics_test_CFLAGS = $(client_tests_cflags)
client_tests_metrics_test_LDADD = $(client_tests_ldadd) libbase.a
client_tests_start_test_SOURCES = client-tests/start_test.c
client_tests_start_test_CFLAGS = $(client_tests_cflags)
client_tests_start_test_LDADD = $(client_tests_ldadd)
client_tests_config_test_SOURCES = client-tests/config_test.c
client_tests_config_test_CFLAGS = $(client_tests_cflags)
client_tests_config_test_LDADD = $(client_tests_ldadd)
client_tests_reload_test_SOURCES = client-tests/reload_test.c
client_tests_reload_test_CFLAGS = $(client_tests_cflags)
client_tests_reload_test_LDADD = $(client_tests_ldadd)
client_tests_systemd_test_SOURCES = client-tests/systemd_test.c
client_tests_systemd_test_CFLAGS = $(client_tests_cflags)
client_tests_systemd_test_LDADD = $(client_tests_ldadd)
if TLS
client_tests_systemd_test_SOURCES += $(tls_client)
client_tests_systemd_test_CFLAGS += $(OPENSSL_CFLAGS)
client_tests_systemd_test_LDADD += $(OPENSSL_LIBS)
endif
client_tests_expiry_test_SOURCES = client-tests/expiry_test.c
client_tests_expiry_test_CFLAGS = $(client_tests_cflags)
client_tests_expiry_test_LDADD = $(client_tests_ldadd)
client_tests_scan_test_SOURCES = client-tests/scan_test.c
client_tests_scan_test_CFLAGS = $(client_tests_cflags)
client_tests_scan_test_LDADD = $(client_tests_ldadd)
client_tests_pubsub_test_SOURCES = client-tests/pubsub_test.c
client_tests_pubsub_test_CFLAGS = $(client_tests_cflags)
client_tests_pubsub_test_LDADD = $(client_tests_ldadd)
client_tests_notifications_test_SOURCES = client-tests/notifications_test.c
client_tests_notifications_test_CFLAGS = $(client_tests_cflags)
client_tests_notifications_test_LDADD = $(client_tests_ldadd)
client_tests_tracking_test_SOURCES = client-tests/tracking_test.c
client_tests_tracking_test_CFLAGS = $(client_tests_cflags)
client_tests_tracking_test_LDADD = $(client_tests_ldadd)
client_tests_monitor_test_SOURCES = client-tests/monitor_test.c
client_tests_monitor_test_CFLAGS = $(client_tests_cflags)
client_tests_monitor_test_LDADD = $(client_tests_ldadd)
client_tests_pause_test_SOURCES = client-tests/pause_test.c
client_tests_pause_test_CFLAGS = $(client_tests_cflags)
client_tests_pause_test_LDADD = $(client_tests_ldadd)
client_tests_transactions_test_SOURCES = client-tests/transactions_test.c
client_tests_transactions_test_CFLAGS = $(client_tests_cflags)
client_tests_transactions_test_LDADD = $(client_tests_ldadd)
client_tests_pipeline_test_SOURCES = client-tests/pipeline_test.c
client_tests_pipeline_test_CFLAGS = $(client_tests_cflags)
client_tests_pipeline_test_LDADD = $(client_tests_ldadd)
client_tests_concurrency_test_SOURCES = client-tests/concurrency_test.c
client_tests_concurrency_test_CFLAGS = $(client_tests_cflags)
client_tests_concurrency_test_LDADD = $(client_tests_ldadd)
client_tests_linearizability_test_SOURCES = \
    client-tests/faults.c \
    client-tests/history.c \
    client-tests/history.h \
    client-tests/linearizability_test.c \
    client-tests/model.c \
    client-tests/model.h \
    client-tests/model_hash.c \
    client-tests/model_script.c \
    client-tests/model_words.c \
    client-tests/workload.c \
    client-tests/workload.h
client_tests_linearizability_test_CFLAGS = $(client_tests_cflags)
client_tests_linearizability_test_LDADD = $(client_tests_ldadd) libbase.a
client_tests_large_values_test_SOURCES = client-tests/large_values_test.c
client_tests_large_values_test_CFLAGS = $(client_tests_cflags)
client_tests_large_values_test_LDADD = $(client_tests_ldadd) libbase.a
client_tests_eviction_test_SOURCES = client-tests/eviction_test.c
client_tests_eviction_test_CFLAGS = $(client_tests_cflags)
client_tests_eviction_test_LDADD = $(client_tests_ldadd)
client_tests_connections_test_SOURCES = client-tests/connections_test.c
client_tests_connections_test_CFLAGS = $(client_tests_cflags)
client_tests_connections_test_LDADD = $(client_tests_ldadd)
client_tests_io_engine_test_SOURCES = client-tests/io_engine_test.c
client_tests_io_engine_test_CFLAGS = $(client_tests_cflags)
client_tests_io_engine_test_LDADD = $(client_tests_ldadd)
client_tests_allocations_test_SOURCES = client-tests/allocations_test.c
client_tests_allocations_test_CFLAGS = $(client_tests_cflags)
client_tests_allocations_test_LDADD = $(client_tests_ldadd)

# Preloaded into a daemon by allocations_test and exhaustion_test. Without the
# sanitizers, which have an allocator of their own.
preloaded = $(AM_V_CCLD)$(CC) -std=gnu11 -D_GNU_SOURCE $(WERROR_CFLAGS) \
    $(CFLAGS) -shared -fPIC -o $@
client-tests/malloc_count.so: client-tests/malloc_count.c
	@$(MKDIR_P) client-tests
	$(preloaded) '$(srcdir)/client-tests/malloc_count.c'
client-tests/clock_jump.so: client-tests/clock_jump.c
	@$(MKDIR_P) client-tests
	$(preloaded) '$(srcdir)/client-tests/clock_jump.c'
check_DATA = client-tests/malloc_count.so client-tests/clock_jump.so
CLEANFILES += client-tests/malloc_count.so client-tests/clock_jump.so
EXTRA_DIST += client-tests/malloc_count.c client-tests/clock_jump.c

# Played by replay_test.sh; no tests by themselves.
trace_programs = client-tests/replay client-tests/make_trace
check_DATA += $(trace_programs)
EXTRA_PROGRAMS += $(trace_programs)
CLEANFILES += $(trace_programs)
client_tests_replay_SOURCES = \
    client-tests/pattern.h \
    client-tests/player.c \
    client-tests/player.h \
    client-tests/replay.c \
    client-tests/trace.c \
    client-tests/trace.h
client_tests_replay_CFLAGS = $(AM_CFLAGS) $(ZSTD_CFLAGS)
client_tests_replay_LDADD = libbase.a $(ZSTD_LIBS)
client_tests_make_trace_SOURCES = \
    client-tests/make_trace.c \
    client-tests/trace.c \
    client-tests/trace.h
client_tests_make_trace_CFLAGS = $(AM_CFLAGS) $(ZSTD_CFLAGS)
client_tests_make_trace_LDADD = libbase.a $(ZSTD_LIBS) -lm

client_tests_exhaustion_test_SOURCES = client-tests/exhaustion_test.c
client_tests_exhaustion_test_CFLAGS = $(client_tests_cflags)
client_tests_exhaustion_test_LDADD = $(client_tests_ldadd)
client_tests_hostile_test_SOURCES = client-tests/hostile_test.c
client_tests_hostile_test_CFLAGS = $(client_tests_cflags)
client_tests_hostile_test_LDADD = $(client_tests_ldadd)
client_tests_tls_test_SOURCES = $(tls_client) client-tests/tls_test.c
client_tests_tls_test_CFLAGS = $(client_tests_cflags) $(OPENSSL_CFLAGS)
client_tests_tls_test_LDADD = $(client_tests_ldadd) $(OPENSSL_LIBS)

dist_check_SCRIPTS += \
    client-tests/coverage_test.sh \
    client-tests/live_test.sh \
    client-tests/redis_cli_test.sh \
    client-tests/replay_test.sh \
    client-tests/soak_test.sh

# Reads the notes of the others, so it runs after them, also under make -j.
client-tests/coverage_test.log: $(client_tests:=.log)

EXTRA_DIST += client-tests/testlib.sh client-tests/ecosystem \
    client-tests/differential client-tests/differential_calls.py \
    client-tests/soak client-tests/soak_clients.py

clean-local: clean-covered
clean-covered:
	-rm -rf client-tests/covered
.PHONY: clean-covered
