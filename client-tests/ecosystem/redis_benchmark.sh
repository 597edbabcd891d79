#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# redis-benchmark: the tests of strings, in all ways to call it.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
command -v redis-benchmark >/dev/null || missing redis-benchmark is not installed
redis-benchmark --version | sed 's/redis-benchmark /version: /'
tests=ping_inline,ping_mbulk,set,get,incr,mset

for options in "" "-P 16" "--threads 2" "-3" "-k 0 -c 10" "-r 1000 -d 1000" \
    "--dbnum 3" "-c 1 --precision 3"; do
    # shellcheck disable=SC2086
    timeout 120 redis-benchmark -p "$port" -n 2000 --csv -t "$tests" $options \
        >"$out" 2>&1 || fail "redis-benchmark $options: status $?"
    for test in PING_INLINE PING_MBULK SET GET INCR 'MSET \(10 keys\)'; do
        expect "redis-benchmark $options" "^\"$test\",\"[0-9.]+\""
    done
    sed -i '/Keepalive disabled/d' "$out" # about the system, with -k 0
    expect_clean "redis-benchmark $options"
done
# a command of one's own
redis-benchmark -p "$port" -n 1000 -r 100 -q SET key:__rand_int__ x EX 100 \
    >"$out" 2>&1 || fail "own command: status $?"
expect "own command" 'requests per second'
expect_clean "own command"
[[ $(redis-cli -p "$port" dbsize) -gt 50 ]] || fail "nothing was stored"
if command_known hset; then
    redis-benchmark -p "$port" -t hset -n 1000 -r 100 -q >"$out" 2>&1 ||
        fail "hset: status $?"
    expect "hset" 'requests per second'
    expect_clean "hset"
else
    echo "needs hashes: redis-benchmark -t hset"
fi
command_known lpush ||
    echo "not for a cache: redis-benchmark -t of lists, sets, sorted sets"
