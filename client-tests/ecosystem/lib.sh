# SPDX-License-Identifier: BSD-3-Clause
# lib.sh - what the scripts for command line tools share. ASHLAR_PORT is the
# server's port; out is a file for output.
# shellcheck shell=bash
set -u
port=$ASHLAR_PORT
out=$(mktemp)
trap 'rm -f "$out"' EXIT

fail()
{
    echo "$*"
    cat -v "$out"
    exit 1
}

# The tool is not there, for this reason.
missing()
{
    echo "missing: $*"
    exit 77
}

# expect WHAT PATTERN: a line of the output is like this.
expect()
{
    grep -Eq -- "$2" "$out" || fail "$1: no $2"
}

# Nothing in the output looks like an error.
expect_clean()
{
    ! grep -Eiq -- 'error|warn|unknown|fail' "$out" || fail "$1: an error"
}

# command_known NAME: does the server have this command?
command_known()
{
    redis-cli -p "$port" COMMAND INFO "$1" | grep -qi -- "$1"
}
