# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# testlib.sh - sourced by the test scripts of this folder: starts and stops a
# server as spawn.c does. Expects ASHLARD and ASHLAR_BUILDDIR as make check sets
# them; by hand, run from the build directory.

set -u

builddir=${ASHLAR_BUILDDIR:-.}
program=${ASHLAR_TEST_SERVER:-${ASHLARD:-$builddir/ashlard}}
export slow=${ASHLAR_TEST_SLOW:-}
dir=$(mktemp -d /tmp/ashlar-test.XXXXXX) || exit 1
port=0 pid=0

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    echo "SKIPPED: $*" >&2
}

# "ping", "flushall" and the like as an inline command; prints the reply's first
# line.
command_line() {
    local line
    exec 9<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf '%s\r\n' "$*" >&9
    IFS= read -r -t 10 line <&9
    exec 9<&- 9>&-
    printf '%s\n' "${line%$'\r'}"
}

# start_server [ARGUMENT...]: sets port and pid.
start_server() {
    local extra=(--workers 2)
    [[ -z "${ASHLAR_IO_ENGINE:-}" ]] || extra+=(--io-engine "$ASHLAR_IO_ENGINE")
    [[ -z "${ASHLAR_TEST_SERVER:-}" ]] || extra=(--save "")
    for _ in {1..20}; do
        port=$((12000 + (RANDOM * 32768 + RANDOM) % 20000))
        "$program" --port "$port" --bind 127.0.0.1 "${extra[@]}" "$@" \
            >"$dir/log" 2>&1 </dev/null &
        pid=$!
        for _ in {1..1500}; do
            kill -0 "$pid" 2>/dev/null || break
            if [[ "$(command_line PING 2>/dev/null)" == +PONG ]]; then
                return 0
            fi
            sleep 0.02
        done
        # Another program may have taken the port meanwhile.
        grep -q 'in use' "$dir/log" || break
        wait "$pid"
    done
    pid=0
    cat "$dir/log" >&2
    fail "$program does not start"
}

# The server must end with status 0 and without a sanitizer's report.
stop_server() {
    local status=0 was=$pid
    pid=0
    kill -TERM "$was"
    wait "$was" || status=$?
    if [[ "$status" != 0 ]] || grep -Eq 'Sanitizer|runtime error:' "$dir/log"
    then
        cat "$dir/log" >&2
        fail "the server ended with status $status"
    fi
}

finish() {
    local status=$?
    if [[ "$status" != 0 && -s "$dir/log" ]]; then
        echo "--- log of the server" >&2
        tail -n 100 "$dir/log" >&2
    fi
    [[ "$pid" == 0 ]] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null
    rm -rf -- "$dir"
    exit "$status"
}
trap finish EXIT
