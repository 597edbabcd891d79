# keyspace/ - index, items, eviction, expiry

noinst_LIBRARIES += libkeyspace.a
libkeyspace_a_SOURCES = \
	keyspace/keyspace.h keyspace/internal.h keyspace/probe.h keyspace/lanes.h \
	keyspace/namespace.h keyspace/space.h keyspace/template.h \
	keyspace/shape.h keyspace/packing.h keyspace/hash.h \
	keyspace/hash_form.h keyspace/hash_compact.c keyspace/hash_table.c \
	keyspace/hash_directory.c keyspace/hash_directory_edit.c \
	keyspace/hash_segment.c keyspace/hash_segment.h \
	keyspace/hash_shape.c keyspace/hash_read.c keyspace/hash_edit.c \
	keyspace/hash_edit.h keyspace/hash_list.c keyspace/hash_grow.c \
	keyspace/hash_patch.c keyspace/hash_end.c keyspace/hash_sweep.c \
	keyspace/hash_reader.c keyspace/hash_retire.c keyspace/hash_shapes.h \
	keyspace/hash_simple.h keyspace/hash_overwrite.c keyspace/look.h \
	keyspace/state.c keyspace/read.c keyspace/store.c keyspace/overwrite.c \
	keyspace/update.c keyspace/move.c keyspace/remove.c keyspace/index.c \
	keyspace/index_grow.c keyspace/index_prefetch.c \
	keyspace/item.c \
	keyspace/template.c keyspace/shape.c keyspace/form.c keyspace/density.h \
	keyspace/tick.c keyspace/mark.c keyspace/ghost.c keyspace/rank.c \
	keyspace/evict.c keyspace/room.c \
	keyspace/drain.c keyspace/event.c keyspace/expire.c keyspace/walk.c \
	keyspace/snapshot.c keyspace/version.c keyspace/wait.c keyspace/watch.c \
	keyspace/namespace.c keyspace/namespace_counts.c keyspace/space.c \
	keyspace/reclaim.c
libkeyspace_a_CFLAGS = $(AM_CFLAGS) $(STRICT_CFLAGS)

KEYSPACE_TEST_LIBS = libkeyspace.a libslab.a libbase.a $(CHECK_LIBS) -lm

check_PROGRAMS += keyspace/item_test
keyspace_item_test_SOURCES = keyspace/item_test.c
keyspace_item_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_item_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/index_test
keyspace_index_test_SOURCES = keyspace/index_test.c keyspace/testing.h
keyspace_index_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_index_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/keyspace_test
keyspace_keyspace_test_SOURCES = keyspace/keyspace_test.c keyspace/testing.h
keyspace_keyspace_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_keyspace_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/evict_test
keyspace_evict_test_SOURCES = keyspace/evict_test.c keyspace/testing.h
keyspace_evict_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_evict_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/rank_test
keyspace_rank_test_SOURCES = keyspace/rank_test.c
keyspace_rank_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_rank_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/ghost_test
thread_tests += keyspace/ghost_test
keyspace_ghost_test_SOURCES = keyspace/ghost_test.c keyspace/stress.c \
	keyspace/stress.h keyspace/testing.h
keyspace_ghost_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_ghost_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/expire_test
keyspace_expire_test_SOURCES = keyspace/expire_test.c keyspace/testing.h
keyspace_expire_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_expire_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/expire_locks_test
thread_tests += keyspace/expire_locks_test
keyspace_expire_locks_test_SOURCES = keyspace/expire_locks_test.c \
	keyspace/testing.h
keyspace_expire_locks_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_expire_locks_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/drain_test
keyspace_drain_test_SOURCES = keyspace/drain_test.c keyspace/testing.h
keyspace_drain_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_drain_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/room_test
keyspace_room_test_SOURCES = keyspace/room_test.c keyspace/testing.h
keyspace_room_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_room_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/move_test
keyspace_move_test_SOURCES = keyspace/move_test.c keyspace/hash_testing.h \
	keyspace/testing.h
keyspace_move_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_move_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/ahead_test
keyspace_ahead_test_SOURCES = keyspace/ahead_test.c keyspace/testing.h
keyspace_ahead_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_ahead_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/snapshot_test
thread_tests += keyspace/snapshot_test
keyspace_snapshot_test_SOURCES = keyspace/snapshot_test.c keyspace/testing.h
keyspace_snapshot_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_snapshot_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/overwrite_test
keyspace_overwrite_test_SOURCES = keyspace/overwrite_test.c keyspace/testing.h
keyspace_overwrite_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_overwrite_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/keyspace_stress_test
thread_tests += keyspace/keyspace_stress_test
keyspace_keyspace_stress_test_SOURCES = keyspace/keyspace_stress_test.c \
	keyspace/stress.c keyspace/stress.h keyspace/testing.h
keyspace_keyspace_stress_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_keyspace_stress_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/event_test
keyspace_event_test_SOURCES = keyspace/event_test.c keyspace/testing.h
keyspace_event_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_event_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/template_test
keyspace_template_test_SOURCES = keyspace/template_test.c keyspace/testing.h
keyspace_template_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_template_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/shape_test
keyspace_shape_test_SOURCES = keyspace/shape_test.c
keyspace_shape_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_shape_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/namespace_test
keyspace_namespace_test_SOURCES = keyspace/namespace_test.c keyspace/testing.h
keyspace_namespace_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_namespace_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/space_test
keyspace_space_test_SOURCES = keyspace/space_test.c keyspace/testing.h
keyspace_space_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_space_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/space_stress_test
thread_tests += keyspace/space_stress_test
keyspace_space_stress_test_SOURCES = keyspace/space_stress_test.c \
	keyspace/testing.h
keyspace_space_stress_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_space_stress_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_test
keyspace_hash_test_SOURCES = keyspace/hash_test.c keyspace/hash_testing.h \
	keyspace/testing.h
keyspace_hash_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_model_test
keyspace_hash_model_test_SOURCES = keyspace/hash_model_test.c \
	keyspace/hash_testing.h keyspace/testing.h
keyspace_hash_model_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_model_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_memory_test
keyspace_hash_memory_test_SOURCES = keyspace/hash_memory_test.c \
	keyspace/hash_testing.h keyspace/testing.h
keyspace_hash_memory_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_memory_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_segment_test
keyspace_hash_segment_test_SOURCES = keyspace/hash_segment_test.c \
	keyspace/hash_testing.h keyspace/testing.h
keyspace_hash_segment_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_segment_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_patch_test
keyspace_hash_patch_test_SOURCES = keyspace/hash_patch_test.c \
	keyspace/hash_testing.h keyspace/testing.h
keyspace_hash_patch_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_patch_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_overwrite_test
keyspace_hash_overwrite_test_SOURCES = keyspace/hash_overwrite_test.c \
	keyspace/hash_testing.h keyspace/testing.h
keyspace_hash_overwrite_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_overwrite_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_shape_test
keyspace_hash_shape_test_SOURCES = keyspace/hash_shape_test.c \
	keyspace/testing.h
keyspace_hash_shape_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_shape_test_LDADD = $(KEYSPACE_TEST_LIBS)

check_PROGRAMS += keyspace/hash_stress_test
thread_tests += keyspace/hash_stress_test
keyspace_hash_stress_test_SOURCES = keyspace/hash_stress_test.c \
	keyspace/stress.c keyspace/stress.h keyspace/testing.h
keyspace_hash_stress_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
keyspace_hash_stress_test_LDADD = $(KEYSPACE_TEST_LIBS)
