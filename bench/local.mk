# SPDX-License-Identifier: BSD-3-Clause
# Programs that reproduce our figures: `make bench` builds and runs them, a plain
# `make` does not even build them.

bench_libs = libkeyspace.a libprotocol.a libslab.a libbase.a -lm
bench_common = bench/bench.c bench/bench.h

bench_programs = \
    bench/alloc \
    bench/alloc_debug \
    bench/arena \
    bench/backing \
    bench/compaction \
    bench/eviction_cost \
    bench/extents \
    bench/hit_ratio \
    bench/index \
    bench/interning \
    bench/large_hash \
    bench/load \
    bench/null_server \
    bench/pool \
    bench/resp_parse \
    bench/table

EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs) bench/compare.tsv bench/results.tsv
EXTRA_DIST += bench/compare bench/footprint bench/hashes bench/tls bench/plot.py \
    bench/run.sh docs/BENCHMARKS.md docs/bench
dist_check_SCRIPTS += bench/plot_test.sh

bench_alloc_SOURCES = bench/alloc.c $(bench_common)
bench_alloc_LDADD = $(bench_libs)
bench_arena_SOURCES = bench/arena.c $(bench_common)
bench_arena_LDADD = $(bench_libs)
bench_backing_SOURCES = bench/backing.c $(bench_common)
bench_backing_LDADD = $(bench_libs)
bench_compaction_SOURCES = bench/compaction.c bench/keys.h $(bench_common)
bench_compaction_LDADD = $(bench_libs)
bench_eviction_cost_SOURCES = bench/eviction_cost.c $(bench_common)
bench_eviction_cost_LDADD = $(bench_libs)
bench_extents_SOURCES = bench/extents.c $(bench_common)
bench_extents_LDADD = $(bench_libs)
bench_hit_ratio_SOURCES = bench/hit_ratio.c
bench_hit_ratio_LDADD = libkeyspace.a libslab.a libbase.a $(XXHASH_LIBS) -lm
bench_index_SOURCES = bench/index.c bench/keys.h $(bench_common)
bench_index_LDADD = $(bench_libs)
bench_interning_SOURCES = bench/interning.c
bench_interning_LDADD = $(bench_libs)
bench_large_hash_SOURCES = bench/large_hash.c $(bench_common)
bench_large_hash_LDADD = $(bench_libs)
bench_load_SOURCES = bench/load.c $(bench_common)
bench_load_LDADD = $(bench_libs)
bench_null_server_SOURCES = bench/null_server.c
bench_null_server_LDADD = libbase.a
bench_pool_SOURCES = bench/pool.c $(bench_common)
bench_pool_LDADD = $(bench_libs)
bench_resp_parse_SOURCES = bench/resp_parse.c $(bench_common)
bench_resp_parse_LDADD = $(bench_libs)
bench_table_SOURCES = bench/table.c $(bench_common)
bench_table_LDADD = $(bench_libs)

# The same with the debug allocator, whatever was configured.
bench_alloc_debug_SOURCES = bench/alloc.c $(bench_common) $(slab_sources)
bench_alloc_debug_CPPFLAGS = $(AM_CPPFLAGS) -UASHLAR_DEBUG_ALLOC \
    -DASHLAR_DEBUG_ALLOC
bench_alloc_debug_LDADD = libbase.a -lm

# All of bench/, of whichever list, and what makes and measures traces.
bench-programs: ashlard $(filter bench/%,$(EXTRA_PROGRAMS)) $(trace_programs)

bench: bench-programs
	$(BASH_PATH) '$(srcdir)/bench/run.sh'

# Record the figures of docs/BENCHMARKS.md anew, on a machine that is idle:
#   make bench-docs COMPARE_FLAGS='--peer pogocache=/path/to/pogocache'
bench-docs: bench
	'$(srcdir)/bench/compare' --out bench/compare.tsv $(COMPARE_FLAGS)
	$(MKDIR_P) '$(srcdir)/docs/bench'
	cp bench/results.tsv '$(srcdir)/docs/bench/micro.tsv'
	cp bench/compare.tsv '$(srcdir)/docs/bench/compare.tsv'
	'$(srcdir)/bench/plot.py'

.PHONY: bench bench-programs bench-docs

# These start ./ashlard, or $ASHLARD; minutes, so not part of `make bench`.
EXTRA_PROGRAMS += bench/key_memory bench/live_memory bench/steps
bench_key_memory_SOURCES = \
    bench/daemon.c \
    bench/daemon.h \
    bench/key_memory.c \
    $(bench_common)
bench_key_memory_LDADD = $(bench_libs)
bench_live_memory_SOURCES = \
    bench/daemon.c \
    bench/daemon.h \
    bench/live_memory.c \
    $(bench_common)
bench_live_memory_LDADD = $(bench_libs)
bench_steps_SOURCES = \
    bench/daemon.c \
    bench/daemon.h \
    bench/steps.c \
    $(bench_common)
bench_steps_LDADD = $(bench_libs)
