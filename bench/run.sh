#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - runs the micro-benchmarks: shows their tables, and leaves all samples
# in bench/results.tsv, with what machine they come from. `make bench` calls it
# from the build folder when the programs are built; by hand:
#
#   make bench-programs && ../bench/run.sh [PROGRAM...]
#
#   BENCH_QUICK=1       less work and fewer rounds
#   BENCH_ROUNDS=N      this many rounds
#   BENCH_TRACES=FOLDER replay its traces (*.asht, *.asht.zst), not a made one
set -euo pipefail

programs=("$@")
((${#programs[@]} > 0)) || programs=(alloc debug_alloc pool arena extents
    interning compaction eviction_cost index large_hash backing hit_ratio resp_parse)
results=bench/results.tsv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- where the figures come from --------------------------------------------

describe_machine()
{
    local field compiler
    echo "# date: $(date -u '+%Y-%m-%d %H:%M') UTC"
    field=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u)
    echo "# CPU: $(nproc) x ${field:-$(uname -m)}"
    echo "# memory: $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
    echo "# kernel: $(uname -sr)"
    compiler=$(sed -n 's/^CC = //p' Makefile)
    echo "# compiler: $(${compiler%% *} --version | head -n 1)," \
        "$(sed -n 's/^CFLAGS = //p' Makefile)"
    echo "# load average at the start: $(cut -d' ' -f1-3 /proc/loadavg)"
}

# ---- replay of traces -------------------------------------------------------

# The traces to play: those of $BENCH_TRACES, or a made one.
traces()
{
    if [[ -n "${BENCH_TRACES:-}" ]]; then
        find "$BENCH_TRACES" -name '*.asht' -o -name '*.asht.zst' | sort
        return
    fi
    [[ -x client-tests/make_trace ]] || return 0
    client-tests/make_trace "$work/made.asht" >&2 && echo "$work/made.asht"
}

# The line of hit_ratio as samples of case $1.
replay_samples()
{
    awk -v case_name="$1" '
        function sample(metric, unit, value) {
            printf "hit_ratio\t%s\t%s\t%s\t%.6g\n", case_name, metric, unit,
                value
        }
        { for (i = 1; i < NF; i++) field[$i] = $(i + 1) }
        END {
            if (field["miss"] == "") exit 1
            sample("misses of GETs", "%", 100 * field["miss"])
            sample("misses of bytes", "%", 100 * field["byte_miss"])
            sample("CPU per request", "ns", field["ns"])
        }'
}

# Each trace with a budget of 1, 10 and 30 % of its working set, at least
# 1 MiB: below that the tables of an empty keyspace are what is measured.
run_hit_ratio()
{
    local trace name set share bytes
    while read -r trace; do
        name=$(basename "$trace")
        set=$(client-tests/replay -i "$trace" |
            sed -n 's/.*working set \([0-9]*\) .*/\1/p')
        for share in 1 10 30; do
            bytes=$((${set:-0} * share / 100))
            ((bytes >= 1048576)) || continue
            bench/hit_ratio "$trace" "$bytes" |
                replay_samples "${name%%.asht*}/memory for $share %"
        done
    done < <(traces)
}

run_interning()
{
    local items=300000
    [[ "${BENCH_QUICK:-0}" == 0 ]] || items=50000
    bench/interning --tsv "$items"
}

# ---- all of it --------------------------------------------------------------

# The samples of one program.
run_program()
{
    case $1 in
    debug_alloc) bench/alloc --debug-cost bench/alloc_debug --tsv ;;
    hit_ratio) run_hit_ratio ;;
    interning) run_interning ;;
    *) "bench/$1" --tsv ;;
    esac
}

is_built()
{
    case $1 in
    debug_alloc) [[ -x bench/alloc && -x bench/alloc_debug ]] ;;
    hit_ratio) [[ -x bench/hit_ratio && -x client-tests/replay ]] ;;
    *) [[ -x bench/$1 ]] ;;
    esac
}

started=$SECONDS
describe_machine >"$results.tmp"
for program in "${programs[@]}"; do
    if ! is_built "$program"; then
        echo "# $program is not built" >>"$results.tmp"
        continue
    fi
    run_program "$program" >"$work/samples"
    bench/table <"$work/samples"
    echo
    cat "$work/samples" >>"$results.tmp"
done
mv "$results.tmp" "$results"
sed -n 's/^# //p' "$results" | sort -u
echo "$((SECONDS - started)) s; all samples are in $results"
