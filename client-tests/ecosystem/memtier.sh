#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# memtier_benchmark, from PATH or as $MEMTIER_BENCHMARK names it: Debian 12 has
# no package of it.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
memtier=${MEMTIER_BENCHMARK:-memtier_benchmark}
command -v "$memtier" >/dev/null ||
    missing "memtier_benchmark is no package of Debian 12; built by hand, name" \
        "it in MEMTIER_BENCHMARK"
"$memtier" --version | sed -n '1s/memtier_benchmark /version: /p'

run()
{
    timeout 120 "$memtier" -p "$port" -t 2 -c 5 -n 500 --hide-histogram "$@" \
        >"$out" 2>&1 || fail "memtier_benchmark $*: status $?"
    expect "memtier_benchmark $*" '^Totals +[0-9.]+'
    ! grep -Eiq 'error|handle_response|unexpected' "$out" ||
        fail "memtier_benchmark $*"
}

redis-cli -p "$port" flushall >/dev/null
for protocol in redis resp2 resp3; do
    run --protocol="$protocol" --ratio=1:4 --key-maximum=1000 --pipeline=4
    run --protocol="$protocol" --expiry-range=10-100 --ratio=1:1
done
run --random-data --data-size-range=1-4096 --key-pattern=G:G --ratio=1:1
run --command='SET __key__ __data__ EX 100' --command='GET __key__' \
    --command-ratio=1
run --command='INCR n' --command-key-pattern=R
# every read is a hit once all keys are there
run --ratio=1:0 --key-pattern=P:P --key-maximum=5000
run --ratio=0:1 --key-pattern=P:P --key-maximum=5000
awk '$1 == "Gets" { exit !($3 > 0 && $4 == 0) }' "$out" || fail "misses"
