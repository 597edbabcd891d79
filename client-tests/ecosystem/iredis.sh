#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# iredis: commands on its standard input, and at a terminal.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
command -v iredis >/dev/null || missing iredis is not installed
command -v script >/dev/null || missing script of util-linux is not installed
iredis --version | sed 's/.* /version: /'
home=$(mktemp -d)
export HOME=$home LC_ALL=C.UTF-8
trap 'rm -rf "$out" "$home"' EXIT
ask()
{
    printf '%s\n' "$@" | timeout 30 iredis -h 127.0.0.1 -p "$port" \
        --decode utf-8 >"$out" 2>&1 || fail "iredis $*: status $?"
}

ask flushall 'set greeting hello ex 100'
expect set '^OK$'
ask 'mget greeting none'
expect mget '^hello$'
ask 'incr n' 'incr n'
expect incr '^2$'
ask 'incr greeting'
expect "wrong type" 'not an integer'
ask 'info server'
expect info 'redis_version:7.0.15'
ask 'scan 0'
expect scan 'greeting'
ask 'client list'
expect "client list" 'addr=127.0.0.1'
{
    sleep 3
    printf 'SET a 1\r'
    sleep 1
    printf 'GET a\r'
    sleep 1
    printf 'MULTI\rINCR a\rEXEC\r'
    sleep 1
    printf 'exit\r'
    sleep 1
} | TERM=xterm timeout 30 script -qec \
    "stty cols 100 rows 40; iredis --newbie -p $port" /dev/null >"$out" 2>&1 ||
    fail "terminal: status $?"
expect terminal "$port"
[[ $(redis-cli -p "$port" get a) == 2 ]] || fail "terminal: nothing was done"
! grep -Eq 'Traceback|\(error\)' "$out" || fail "terminal"
