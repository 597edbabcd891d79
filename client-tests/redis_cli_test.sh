#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# redis_cli_test.sh - the tools that people have at hand work without an error
# or a warning about the server: redis-cli in its modes, redis-benchmark,
# memtier_benchmark. A tool that is not installed is skipped, and said so.

# shellcheck source=client-tests/testlib.sh
. "${BASH_SOURCE[0]%/*}/testlib.sh" || exit 1

have() {
    command -v "$1" >/dev/null && return 0
    skip "$1 is not installed"
    return 1
}

# expect NAME PATTERN: the output of a step, in $dir/out, has a line like this.
expect() {
    grep -Eq -- "$2" "$dir/out" && return 0
    cat -v "$dir/out" >&2
    fail "$1: no $2"
}

# Nothing in the output is an error or a warning.
expect_clean() {
    grep -Eiq -- "${2:-warn|err|fail|unknown|not supported}" "$dir/out" ||
        return 0
    cat -v "$dir/out" >&2
    fail "$1: an error or a warning"
}

start_server --maxmemory 1gb
cli=(redis-cli -p "$port")

fill() {
    local i
    for i in {1..500}; do
        printf 'SET user:%d:profile %0*d\n' "$i" $((i % 90 + 10)) "$i"
    done
    printf 'SET big:one %05000d\n' 1
}

test_modes() {
    local seconds \
        stat_line='^501 +[0-9.]+[KMG] +[1-9][0-9]* +0 +[0-9]+ \(\+[0-9]+\)'
    fill | "${cli[@]}" --pipe >"$dir/out" 2>&1 || fail "--pipe: status $?"
    expect --pipe '^errors: 0, replies: 501$'

    "${cli[@]}" --scan >"$dir/out" 2>&1 || fail "--scan: status $?"
    [[ "$(sort -u "$dir/out" | wc -l)" == 501 ]] || fail "--scan: keys missing"
    "${cli[@]}" --scan --pattern 'user:1?:*' >"$dir/out" 2>&1
    [[ "$(sort -u "$dir/out" | wc -l)" == 10 ]] || fail "--scan --pattern"

    "${cli[@]}" --bigkeys >"$dir/out" 2>&1 || fail "--bigkeys: status $?"
    expect --bigkeys 'Biggest string found .*big:one.* has 5000 bytes'
    expect --bigkeys 'Sampled 501 keys in the keyspace'
    expect --bigkeys '^501 strings with'
    expect_clean --bigkeys

    "${cli[@]}" --memkeys >"$dir/out" 2>&1 || fail "--memkeys: status $?"
    expect --memkeys 'Biggest string found .*big:one.* has [0-9]+ bytes'
    expect_clean --memkeys

    # Two header lines at most, then keys, memory, clients, requests.
    # It does not end by itself, and may be slow to begin.
    for seconds in 2 5 20; do
        timeout "$seconds" stdbuf -oL "${cli[@]}" --stat -i 0.2 \
            >"$dir/out" 2>&1
        grep -Eq "$stat_line" "$dir/out" && break
    done
    expect --stat "$stat_line"
    expect_clean --stat

    "${cli[@]}" --latency --raw -i 1 >"$dir/out" 2>&1 ||
        fail "--latency: status $?"
    expect --latency '^[0-9]+ [0-9]+ [0-9.]+ [1-9][0-9]*$'

    {
        "${cli[@]}" -3 GET absent
        "${cli[@]}" -3 HELLO
        "${cli[@]}" -3 INFO server
    } >"$dir/out" 2>&1 || fail "-3: status $?"
    expect -3 '^proto 3$|^proto$'
    expect -3 '^redis_version:'
    expect_clean -3
    "${cli[@]}" --no-raw -3 CONFIG GET maxclients >"$dir/out" 2>&1
    expect "-3 CONFIG GET" '^1# "maxclients" => "10000"$'
}

# await_prompt [AFTER]: until the terminal shows the prompt, after such words.
# What is typed before that is thrown away.
await_prompt() {
    for _ in {1..500}; do
        tr -d '\r\n' <"$dir/out" | grep -aEq "${1:-}.*127\.0\.0\.1:$port>" &&
            return
        sleep 0.02
    done
}

# At a terminal redis-cli asks for COMMAND DOCS and shows hints from it.
test_terminal() {
    : >"$dir/out"
    {
        await_prompt
        printf 'SET '
        await_prompt 'key value'
        printf 'greeting hello\r'
        await_prompt OK
        printf 'GET greeting\r'
        await_prompt '"hello"'
        printf 'HELP GET\r'
        await_prompt 'summary:'
        printf 'QUIT\r'
        sleep 0.2
    } | TERM=xterm timeout 60 script -qec \
        "stty cols 100 rows 24; redis-cli -p $port" /dev/null \
        >"$dir/out" 2>&1 || { cat -v "$dir/out"; fail "terminal: status $?"; }
    expect terminal '"hello"'
    expect terminal 'key value'
    expect_clean terminal '\(error\)|warn|could not'
    printf 'INFO commandstats\nQUIT\n' | "${cli[@]}" >"$dir/out" 2>&1
    expect "COMMAND DOCS" '^cmdstat_command\|docs:calls=[1-9]'
}

test_benchmark() {
    local options
    for options in '-P 1' '-P 50' '--threads 2' '-P 50 --threads 2 -r 1000'; do
        # shellcheck disable=SC2086
        timeout 120 redis-benchmark -p "$port" -q -n "$1" -c 20 \
            -t ping_inline,ping_mbulk,set,get,incr,mset $options \
            >"$dir/out" 2>&1 || fail "redis-benchmark $options: status $?"
        tr '\r' '\n' <"$dir/out" >"$dir/lines" && mv "$dir/lines" "$dir/out"
        for test in PING_INLINE PING_MBULK SET GET INCR 'MSET \(10 keys\)'; do
            expect "redis-benchmark $options" \
                "^$test: [0-9.]+ requests per second"
        done
        expect_clean "redis-benchmark $options"
    done
}

test_memtier() {
    timeout 60 memtier_benchmark -p "$port" -t 2 -c 5 -n 500 --hide-histogram \
        --pipeline=4 --ratio=1:4 --key-maximum=1000 "$@" >"$dir/out" 2>&1 ||
        { cat "$dir/out" >&2; fail "memtier_benchmark $*"; }
    expect memtier '^Totals +[0-9.]+'
    expect_clean memtier 'error|handle_response|unexpected'
}

if have redis-cli; then
    test_modes
    if have script; then
        test_terminal
    fi
fi
if have redis-benchmark; then
    test_benchmark "$([[ -n "$slow" ]] && echo 2000 || echo 10000)"
fi
if have memtier_benchmark; then
    test_memtier
    test_memtier --protocol=resp3
fi
stop_server
