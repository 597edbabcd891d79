#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# coverage_test.sh - every command that the server lists has been answered, with
# something other than an error, in some client test. Runs after those tests,
# whose notes (client.h) it reads.

# shellcheck source=client-tests/testlib.sh
. "${BASH_SOURCE[0]%/*}/testlib.sh" || exit 1

if [[ -n "${ASHLAR_TEST_SERVER:-}" ]]; then
    skip "$program has commands that no test here is about"
    exit 77
fi

start_server --maxmemory 1gb
sort -u "$builddir"/client-tests/covered/* >"$dir/covered" ||
    fail "no notes: run the other client tests first"

# The names among the lines of the reply: what is no header of RESP.
exec 9<>"/dev/tcp/127.0.0.1/$port"
printf 'COMMAND LIST\r\nQUIT\r\n' >&9
tr -d '\r' <&9 | grep -v '^[*$+]' | sort >"$dir/listed"
exec 9<&- 9>&-
grep -qx get "$dir/listed" || fail "COMMAND LIST does not list GET"

# HELP is the same for every container.
grep -vx '.*|help' "$dir/listed" >"$dir/wanted"
missing=$(comm -23 "$dir/wanted" "$dir/covered" | tr '\n' ' ')
[[ -z "$missing" ]] || fail "without a client test: $missing"
echo "$(wc -l <"$dir/wanted") commands and subcommands are covered"
stop_server
