#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# redis-cli in its modes: those of client-tests/redis_cli_test.sh, which has a
# server of its own, and others here; single options in redis_cli_options.sh.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
command -v redis-cli >/dev/null || missing redis-cli is not installed
redis-cli --version | sed 's/redis-cli /version: /'
cli=(redis-cli -p "$port")

"${BASH_SOURCE[0]%/*}/../redis_cli_test.sh" >"$out" 2>&1 ||
    fail "redis_cli_test.sh"
if grep SKIPPED "$out" | grep -v memtier_benchmark; then
    fail "a part was left out"
fi

"${cli[@]}" flushall >/dev/null
"${cli[@]}" mset a 1 b 2 >/dev/null
"${cli[@]}" --csv mget a b none >"$out"
expect --csv '^"1","2",NULL$'
"${cli[@]}" --json -3 mget a none >"$out"
expect --json '^\["1",null\]$'
"${cli[@]}" -r 3 -i 0.01 incr n >"$out"
expect "-r 3" '^3$'
printf 'any\0bytes' | "${cli[@]}" -x set raw >"$out"
"${cli[@]}" strlen raw >"$out"
expect -x '^9$'
"${cli[@]}" -n 1 set other 1 >"$out"
"${cli[@]}" -n 1 --scan >"$out"
expect -n '^other$'
"${cli[@]}" -u "redis://127.0.0.1:$port/1" get other >"$out"
expect -u '^1$'
"${cli[@]}" -e incr raw >"$out" 2>&1 && fail "-e: status 0"
"${cli[@]}" --latency-history -i 1 --raw >"$out" 2>&1 & history=$!
"${cli[@]}" --intrinsic-latency 1 >"$out"
expect --intrinsic-latency '^[0-9]+ total runs'
kill "$history" && wait "$history"
"${cli[@]}" config set maxmemory-policy allkeys-lfu >/dev/null
"${cli[@]}" --hotkeys >"$out" 2>&1 || fail "--hotkeys"
expect --hotkeys 'Sampled [0-9]+ keys'
"${cli[@]}" config set maxmemory-policy allkeys-lru >/dev/null
timeout 4 stdbuf -oL "${cli[@]}" --lru-test 1000 >"$out" 2>&1
grep -q 'Gets/sec' "$out" || fail "--lru-test"
"${cli[@]}" flushall >/dev/null
timeout 10 "${cli[@]}" subscribe news >"$out" & listener=$!
for _ in {1..200}; do
    [[ $("${cli[@]}" publish news hello) != 0 ]] && break
    sleep 0.02
done
for _ in {1..200}; do
    grep -q hello "$out" && break
    sleep 0.02
done
expect subscribe '^hello$'
kill "$listener" && wait "$listener"
if command_known monitor; then
    timeout 10 stdbuf -oL "${cli[@]}" monitor >"$out" & listener=$!
    for _ in {1..200}; do
        "${cli[@]}" get seen >/dev/null
        grep -q '"get" "seen"' "$out" && break
        sleep 0.02
    done
    expect monitor '"get" "seen"'
    kill "$listener" && wait "$listener"
else
    echo "needs MONITOR: redis-cli monitor"
fi
exit 0
