# SPDX-License-Identifier: BSD-3-Clause
noinst_LIBRARIES += libcommands.a
libcommands_a_SOURCES = \
    commands/acl.c \
    commands/acl.h \
    commands/acl_check.c \
    commands/acl_cmd.c \
    commands/acl_describe.c \
    commands/acl_config.c \
    commands/acl_file.c \
    commands/acl_log.c \
    commands/acl_rules.c \
    commands/acl_session.c \
    commands/acl_user.c \
    commands/args.c \
    commands/bitfield.c \
    commands/bits.c \
    commands/client.c \
    commands/busy.c \
    commands/command.c \
    commands/command.h \
    commands/compare.c \
    commands/config_cmd.c \
    commands/debug.c \
    commands/differences.c \
    commands/docs.c \
    commands/dump.c \
    commands/expire_cmd.c \
    commands/function.c \
    commands/glob.c \
    commands/hash.c \
    commands/hash_dump.c \
    commands/hash_edit.c \
    commands/hash_ex.c \
    commands/hash_expire.c \
    commands/hash_walk.c \
    commands/hashes.h \
    commands/hotkeys.c \
    commands/hotkeys.h \
    commands/increx.c \
    commands/info.c \
    commands/info_idle.c \
    commands/internal.h \
    commands/key_specs.c \
    commands/keys.c \
    commands/lcs.c \
    commands/latency.c \
    commands/latency_events.c \
    commands/lookup.c \
    commands/memory.c \
    commands/memory_doctor.c \
    commands/memory_report.c \
    commands/monitor.c \
    commands/monitor.h \
    commands/pause.c \
    commands/tracking.c commands/tracking_keys.c commands/tracking_messages.c \
    commands/tracking.h commands/tracking_table.h \
    commands/tracking_cmd.c \
    commands/message.c \
    commands/names.c \
    commands/names.h \
    commands/notify.c \
    commands/notify.h \
    commands/namespace.c \
    commands/rename.c \
    commands/replicas.c \
    commands/report.c \
    commands/error_codes.c \
    commands/publish.c \
    commands/pubsub.c \
    commands/rdb.h \
    commands/rdb_hash.c \
    commands/rdb_payload.c \
    commands/pubsub.h \
    commands/registry.c \
    commands/registry.h \
    commands/reference.c \
    commands/scan.c \
    commands/script.c \
    commands/script.h \
    commands/script_cache.c \
    commands/server.c \
    commands/session.c \
    commands/sha1.c \
    commands/sha1.h commands/sha_block.h \
    commands/sha256.c \
    commands/sha256.h \
    commands/slowlog.c \
    commands/sort.c \
    commands/standalone.c \
    commands/stats.c \
    commands/string_edit.c \
    commands/string_options.c \
    commands/strings.c \
    commands/syntax.c \
    commands/table.h \
    commands/top_keys.c \
    commands/top_keys.h \
    commands/transaction.c \
    commands/value.c
if LUA
libcommands_a_SOURCES += \
    commands/script_call.c \
    commands/script_compile.c \
    commands/script_library.c \
    commands/script_lua.c \
    commands/script_match.c \
    commands/script_pattern.c \
    commands/script_pattern.h \
    commands/script_reply.c \
    commands/script_run.c \
    commands/script_sandbox.c \
    commands/script_state.h
endif
libcommands_a_CFLAGS = $(AM_CFLAGS) $(STRICT_CFLAGS)

# Commands without a daemon, for the tests.
check_LIBRARIES += libcommandsharness.a
libcommandsharness_a_SOURCES = \
    commands/fixture.c \
    commands/fixture.h \
    commands/harness.c \
    commands/harness.h
libcommandsharness_a_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += \
    commands/acl_test \
    commands/atomicity_test \
    commands/bits_test \
    commands/client_test \
    commands/command_test \
    commands/compare_test \
    commands/config_cmd_test \
    commands/docs_test \
    commands/dump_test \
    commands/memory_test \
    commands/namespace_test \
    commands/expire_cmd_test \
    commands/glob_test \
    commands/hash_test \
    commands/hotkeys_test \
    commands/info_test \
    commands/key_specs_test \
    commands/keys_test \
    commands/lcs_test \
    commands/lookup_test \
    commands/rdb_payload_test \
    commands/rename_test \
    commands/pubsub_test \
    commands/scan_test \
    commands/script_hostile_test \
    commands/script_test \
    commands/session_test \
    commands/sha256_test \
    commands/slowlog_test \
    commands/sort_test \
    commands/stats_test \
    commands/string_edit_test \
    commands/strings_test \
    commands/monitor_test \
    commands/notify_test \
    commands/top_keys_test \
    commands/tracking_test \
    commands/transaction_test \
    commands/version_test

thread_tests += commands/atomicity_test commands/stats_test \
    commands/transaction_test

commands_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
commands_tests_ldadd = libcommandsharness.a libcommands.a libkeyspace.a \
    libslab.a libprotocol.a libbase.a $(LUA_LIBS) $(CHECK_LIBS) -lm

commands_acl_test_SOURCES = commands/acl_test.c
commands_acl_test_CFLAGS = $(commands_tests_cflags)
commands_acl_test_LDADD = $(commands_tests_ldadd)
commands_atomicity_test_SOURCES = commands/atomicity_test.c
commands_atomicity_test_CFLAGS = $(commands_tests_cflags)
commands_atomicity_test_LDADD = $(commands_tests_ldadd)
commands_bits_test_SOURCES = commands/bits_test.c
commands_bits_test_CFLAGS = $(commands_tests_cflags)
commands_bits_test_LDADD = $(commands_tests_ldadd)
commands_client_test_SOURCES = commands/client_test.c
commands_client_test_CFLAGS = $(commands_tests_cflags)
commands_client_test_LDADD = $(commands_tests_ldadd)
commands_command_test_SOURCES = commands/command_test.c
commands_command_test_CFLAGS = $(commands_tests_cflags)
commands_command_test_LDADD = $(commands_tests_ldadd)
commands_compare_test_SOURCES = commands/compare_test.c
commands_compare_test_CFLAGS = $(commands_tests_cflags)
commands_compare_test_LDADD = $(commands_tests_ldadd)
commands_config_cmd_test_SOURCES = commands/config_cmd_test.c
commands_config_cmd_test_CFLAGS = $(commands_tests_cflags)
commands_config_cmd_test_LDADD = $(commands_tests_ldadd)
commands_docs_test_SOURCES = commands/docs_test.c
commands_docs_test_CFLAGS = $(commands_tests_cflags)
commands_docs_test_LDADD = $(commands_tests_ldadd)
commands_namespace_test_SOURCES = commands/namespace_test.c
commands_namespace_test_CFLAGS = $(commands_tests_cflags)
commands_namespace_test_LDADD = $(commands_tests_ldadd)
commands_memory_test_SOURCES = commands/memory_test.c
commands_memory_test_CFLAGS = $(commands_tests_cflags)
commands_memory_test_LDADD = $(commands_tests_ldadd)
commands_dump_test_SOURCES = commands/dump_test.c
commands_dump_test_CFLAGS = $(commands_tests_cflags)
commands_dump_test_LDADD = $(commands_tests_ldadd)
commands_expire_cmd_test_SOURCES = commands/expire_cmd_test.c
commands_expire_cmd_test_CFLAGS = $(commands_tests_cflags)
commands_expire_cmd_test_LDADD = $(commands_tests_ldadd)
commands_glob_test_SOURCES = commands/glob_test.c
commands_glob_test_CFLAGS = $(commands_tests_cflags)
commands_glob_test_LDADD = $(commands_tests_ldadd)
commands_hash_test_SOURCES = commands/hash_test.c
commands_hash_test_CFLAGS = $(commands_tests_cflags)
commands_hash_test_LDADD = $(commands_tests_ldadd)
commands_hotkeys_test_SOURCES = commands/hotkeys_test.c
commands_hotkeys_test_CFLAGS = $(commands_tests_cflags)
commands_hotkeys_test_LDADD = $(commands_tests_ldadd)
commands_top_keys_test_SOURCES = commands/top_keys_test.c
commands_top_keys_test_CFLAGS = $(commands_tests_cflags)
commands_top_keys_test_LDADD = $(commands_tests_ldadd)
commands_info_test_SOURCES = commands/info_test.c
commands_info_test_CFLAGS = $(commands_tests_cflags)
commands_info_test_LDADD = $(commands_tests_ldadd)
commands_key_specs_test_SOURCES = commands/key_specs_test.c
commands_key_specs_test_CFLAGS = $(commands_tests_cflags)
commands_key_specs_test_LDADD = $(commands_tests_ldadd)
commands_keys_test_SOURCES = commands/keys_test.c
commands_keys_test_CFLAGS = $(commands_tests_cflags)
commands_keys_test_LDADD = $(commands_tests_ldadd)
commands_lcs_test_SOURCES = commands/lcs_test.c
commands_lcs_test_CFLAGS = $(commands_tests_cflags)
commands_lcs_test_LDADD = $(commands_tests_ldadd)
commands_lookup_test_SOURCES = commands/lookup_test.c
commands_lookup_test_CFLAGS = $(commands_tests_cflags)
commands_lookup_test_LDADD = $(commands_tests_ldadd)
commands_rdb_payload_test_SOURCES = commands/rdb_payload_test.c
commands_rdb_payload_test_CFLAGS = $(commands_tests_cflags)
commands_rdb_payload_test_LDADD = $(commands_tests_ldadd)
commands_rename_test_SOURCES = commands/rename_test.c
commands_rename_test_CFLAGS = $(commands_tests_cflags)
commands_rename_test_LDADD = $(commands_tests_ldadd)
commands_pubsub_test_SOURCES = commands/pubsub_test.c
commands_pubsub_test_CFLAGS = $(commands_tests_cflags)
commands_pubsub_test_LDADD = $(commands_tests_ldadd)
commands_scan_test_SOURCES = commands/scan_test.c
commands_scan_test_CFLAGS = $(commands_tests_cflags)
commands_scan_test_LDADD = $(commands_tests_ldadd)
commands_script_hostile_test_SOURCES = commands/script_hostile_test.c
commands_script_hostile_test_CFLAGS = $(commands_tests_cflags)
commands_script_hostile_test_LDADD = $(commands_tests_ldadd)
commands_script_test_SOURCES = commands/script_test.c
commands_script_test_CFLAGS = $(commands_tests_cflags)
commands_script_test_LDADD = $(commands_tests_ldadd)
commands_session_test_SOURCES = commands/session_test.c
commands_session_test_CFLAGS = $(commands_tests_cflags)
commands_session_test_LDADD = $(commands_tests_ldadd)
commands_sha256_test_SOURCES = commands/sha256_test.c
commands_sha256_test_CFLAGS = $(commands_tests_cflags)
commands_sha256_test_LDADD = $(commands_tests_ldadd)
commands_sort_test_SOURCES = commands/sort_test.c
commands_sort_test_CFLAGS = $(commands_tests_cflags)
commands_sort_test_LDADD = $(commands_tests_ldadd)
commands_slowlog_test_SOURCES = commands/slowlog_test.c
commands_slowlog_test_CFLAGS = $(commands_tests_cflags)
commands_slowlog_test_LDADD = $(commands_tests_ldadd)
commands_stats_test_SOURCES = commands/stats_test.c
commands_stats_test_CFLAGS = $(commands_tests_cflags)
commands_stats_test_LDADD = $(commands_tests_ldadd)
commands_string_edit_test_SOURCES = commands/string_edit_test.c
commands_string_edit_test_CFLAGS = $(commands_tests_cflags)
commands_string_edit_test_LDADD = $(commands_tests_ldadd)
commands_strings_test_SOURCES = commands/strings_test.c
commands_strings_test_CFLAGS = $(commands_tests_cflags)
commands_strings_test_LDADD = $(commands_tests_ldadd)
commands_version_test_SOURCES = commands/version_test.c
commands_version_test_CFLAGS = $(commands_tests_cflags)
commands_version_test_LDADD = $(commands_tests_ldadd)
commands_transaction_test_SOURCES = commands/transaction_test.c
commands_transaction_test_CFLAGS = $(commands_tests_cflags)
commands_transaction_test_LDADD = $(commands_tests_ldadd)
commands_monitor_test_SOURCES = commands/monitor_test.c
commands_monitor_test_CFLAGS = $(commands_tests_cflags)
commands_monitor_test_LDADD = $(commands_tests_ldadd)
commands_notify_test_SOURCES = commands/notify_test.c
commands_notify_test_CFLAGS = $(commands_tests_cflags)
commands_notify_test_LDADD = $(commands_tests_ldadd)
commands_tracking_test_SOURCES = commands/tracking_test.c
commands_tracking_test_CFLAGS = $(commands_tests_cflags)
commands_tracking_test_LDADD = $(commands_tests_ldadd)

# ./commands/dispatch_fuzz NEW_CORPUS $(srcdir)/commands/fuzz-corpus
if FUZZ
EXTRA_PROGRAMS += commands/dispatch_fuzz
commands_dispatch_fuzz_SOURCES = \
    commands/dispatch_fuzz.c \
    commands/reply_check.h
commands_dispatch_fuzz_CFLAGS = $(commands_tests_cflags)
commands_dispatch_fuzz_LDADD = $(commands_tests_ldadd)
commands_dispatch_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif

EXTRA_DIST += commands/fuzz-corpus
