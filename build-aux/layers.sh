#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# layers.sh - checks the include arrows between the folders.
#
#   base <- slab <- keyspace <- commands <- daemon
#   base <- protocol         <- commands
#
# A file includes the headers of its own folder, and of another folder only the
# public one; a test also its testing.h, which nothing else includes. System
# headers are not looked at.
set -euo pipefail
cd "${ASHLAR_SRCDIR:-$(dirname "$0")/..}"

declare -A public=(
    [base]=base.h [slab]=slab.h [protocol]=resp.h [keyspace]=keyspace.h
    [commands]=command.h
)
declare -A below=(
    [base]=""
    [slab]="base"
    [protocol]="base"
    [keyspace]="base slab"
    [commands]="base slab protocol keyspace"
    [daemon]="base slab protocol keyspace commands"
    [client-tests]="base"
    [bench]="base slab protocol keyspace commands"
)

bad=0
seen=0
complain()
{
    echo "$1: $2" >&2
    bad=$((bad + 1))
}

# Tests, and what only they use.
is_test()
{
    [[ $1 =~ (_test\.c|/(testing|test|[a-z]+_testing|[a-z_]*fixture|harness|stress)\.[ch])$ ]]
}

for folder in "${!below[@]}"; do
    for file in "$folder"/*.[ch]; do
        [[ -e $file ]] || continue
        while read -r header; do
            seen=$((seen + 1))
            if [[ ${header##*/} == testing.h ]] && ! is_test "$file"; then
                complain "$file" "\"$header\" is for tests"
            fi
            case $header in
            "$folder"/*) continue ;;
            */*) ;;
            *) complain "$file" "\"$header\" is not written from the root"
               continue ;;
            esac
            other=${header%%/*}
            if [[ " ${below[$folder]} " != *" $other "* ]]; then
                complain "$file" "$folder/ must not include $other/"
            elif [[ $header != "$other/${public[$other]}" &&
                $header != "$other/testing.h" ]]; then
                complain "$file" "\"$header\" is not the public header of $other/"
            fi
        done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]+)".*/\1/p' "$file")
    done
done

# A check that looked at nothing has not passed.
((seen > 0)) || complain layers.sh "found no include at all"
((bad == 0)) || exit 1
echo "layers: $seen includes follow the arrows"
