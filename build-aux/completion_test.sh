#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# completion_test.sh - bash completes the directives and values of this ashlard.
set -uo pipefail
srcdir=${ASHLAR_SRCDIR:?}
ashlard=${ASHLARD:?}
failures=0
# shellcheck source=conf/completion.bash
source "$srcdir/conf/completion.bash"

# completes EXPECTED WORD...: the last word is completed to these, in any order.
completes()
{
    local expected=$1 seen
    shift
    COMP_WORDS=("$ashlard" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _ashlard "$ashlard"
    seen=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -s -d ' ')
    [[ $seen == "$expected" ]] && return
    echo "FAIL: $*: \"$seen\", not \"$expected\""
    failures=$((failures + 1))
}

completes '--check-config' --check
completes '--maxmemory --maxmemory-policy' --maxmem
completes '--include' x.conf --incl
completes 'debug notice verbose warning' --loglevel ''
completes 'notice' --port 7000 --loglevel n
completes 'no yes' --protected-mode ''
completes 'allkeys-lfu allkeys-lru allkeys-random' --maxmemory-policy allkeys-
completes '' --port ''
completes '' --port 7000 --check
cd "$srcdir" || exit 1
completes 'conf/small-vm.conf' conf/sm
completes 'conf/small-vm.conf' --check-config conf/sm

# Every directive that --help shows is completed.
count=0
while read -r name; do
    completes_one=$(compgen -W "$(__ashlard_directives "$ashlard" |
        sed 's/ .*//')" -- "$name" | grep -cx -- "$name")
    [[ $completes_one == 1 ]] || {
        echo "FAIL: $name is not completed"
        failures=$((failures + 1))
    }
    count=$((count + 1))
done < <("$ashlard" --sample-config | sed -n 's/^\([a-z][a-z-]*\) .*/\1/p')
((count > 20)) || failures=$((failures + 1))
((failures == 0))
