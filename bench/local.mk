# SPDX-License-Identifier: BSD-3-Clause
# Programs that reproduce our figures: `make bench/NAME`, not built by `make`.

EXTRA_PROGRAMS += bench/resp_parse
bench_resp_parse_SOURCES = bench/resp_parse.c
bench_resp_parse_LDADD = libprotocol.a libbase.a

EXTRA_PROGRAMS += bench/slab_churn
bench_slab_churn_SOURCES = bench/slab_churn.c
bench_slab_churn_LDADD = libslab.a libbase.a -lm

EXTRA_PROGRAMS += bench/interning
bench_interning_SOURCES = bench/interning.c
bench_interning_LDADD = libkeyspace.a libslab.a libbase.a -lm
