#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# sample_config_test.sh - the files made from the tables of directives, commands
# and metrics are those that the tables make now, and the daemon accepts its own
# sample and the examples.
set -euo pipefail
src=${ASHLAR_SRCDIR:?}
ashlard=${ASHLARD:?}

bad=0
# same FILE FLAG
same()
{
    if ! diff -u "$src/$1" <("$ashlard" "$2"); then
        echo "$1 differs from what ashlard $2 writes: make sample-config" >&2
        bad=1
    fi
}
same conf/ashlar.conf --sample-config
same docs/ashlar.conf.5 --man-config

# Below the line that says so, docs/commands.md is made from the table.
if ! diff -u <(sed '1,/^<!-- Made by ashlard/d' "$src/docs/commands.md") \
    <("$ashlard" --commands-doc); then
    echo "docs/commands.md is not up to date: make commands-doc" >&2
    bad=1
fi
if ! diff -u <(sed '1,/^<!-- Made by ashlard/d' "$src/docs/metrics.md") \
    <("$ashlard" --metrics-doc); then
    echo "docs/metrics.md is not up to date: make metrics-doc" >&2
    bad=1
fi
for file in ashlar small-vm big-memory sidecar; do
    "$ashlard" --check-config "$src/conf/$file.conf" || bad=1
done
exit "$bad"
