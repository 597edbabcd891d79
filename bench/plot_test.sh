#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# plot_test.sh - the committed plots and tables follow from the committed
# samples, and the check of that notices a sample, a plot or a table that was
# changed by hand.
set -euo pipefail
top=${ASHLAR_SRCDIR:-$(dirname "$0")/..}

command -v python3 >/dev/null || {
    echo "SKIPPED: no python3"
    exit 77
}
check()
{
    python3 "$top/bench/plot.py" --check "$1"
}
fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

check "$top/docs" || fail "docs/ is stale"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$top/docs/BENCHMARKS.md" "$work"

# notices WHAT FILE EDIT: after this edit by sed, the check fails.
notices()
{
    rm -rf "$work/bench"
    cp -r "$top/docs/bench" "$work/bench"
    cp "$top/docs/BENCHMARKS.md" "$work"
    chmod -R u+w "$work"
    sed -i "$3" "$work/$2"
    if check "$work" >"$work/log" 2>&1; then
        fail "$1 went unnoticed"
    fi
    grep -q "does not follow\|no sample" "$work/log" || fail "$1: $(cat "$work/log")"
}
notices "a changed sample" bench/micro.tsv \
    $'s|^\\(alloc\t1 thread, steady/slab\tCPU per replace\tns\t\\).*|\\11|'
notices "a broken sample" bench/compare.tsv $'s|\tus\t|\t|'
notices "a changed plot" bench/alloc-cpu.svg 's|</title>| </title>|'
notices "a changed table" BENCHMARKS.md 's/^| 1 thread, steady | /&9/'

python3 "$top/bench/compare" --report "$top/docs/bench/compare.tsv" \
    >"$work/log" 2>&1 || fail "compare --report: $(cat "$work/log")"
grep -q '^server CPU per request, times null' "$work/log" ||
    fail "compare --report shows no ratios"
echo "plots and tables follow from the samples"
