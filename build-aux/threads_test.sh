#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# threads_test.sh - `make check-threads` leaves out no program that starts
# threads: a program that calls pthread_create is named in thread_tests in its
# local.mk, and no other is. Those of client-tests/ run in any case.
set -euo pipefail
cd "${ASHLAR_BUILDDIR:-.}"

bad=0
seen=0
complain()
{
    echo "$1 $2" >&2
    bad=$((bad + 1))
}

for program in {base,slab,protocol,keyspace,commands,daemon}/*_test; do
    [[ -f $program && -x $program ]] || continue
    seen=$((seen + 1))
    symbols=$(nm "$program")
    # A sanitizer that is linked statically has one of its own.
    if grep -qE '[^U] pthread_create$' <<<"$symbols"; then
        echo "SKIPPED: every program has a pthread_create"
        exit 77
    fi
    threads=no
    grep -qE 'U pthread_create(@.*)?$' <<<"$symbols" && threads=yes
    listed=no
    [[ " ${ASHLAR_THREAD_TESTS:?} " == *" $program "* ]] && listed=yes
    case $threads,$listed in
    yes,no) complain "$program" "starts threads and is not in thread_tests" ;;
    no,yes) complain "$program" "is in thread_tests and starts no thread" ;;
    esac
done
((seen > 0)) || complain "no program" "is built"
((bad == 0))
