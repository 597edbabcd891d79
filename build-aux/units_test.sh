#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# units_test.sh - the systemd units are well-formed and stay hardened: exposure
# 1.1 at most, 0.2 with the drop-in for a private network (lower is better; see
# systemd-analyze(1)). Without systemd-analyze it is skipped.
set -uo pipefail
srcdir=${ASHLAR_SRCDIR:-.}
builddir=${ASHLAR_BUILDDIR:-.}
command -v systemd-analyze >/dev/null || {
    echo "SKIPPED: no systemd-analyze"
    exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
fail()
{
    echo "FAIL: $1"
    failures=$((failures + 1))
}

# exposure UNIT AT-MOST
exposure()
{
    local out score
    out=$(systemd-analyze security --offline=true --no-pager "$1" 2>&1)
    score=$(sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p' <<<"$out")
    [[ -n $score ]] || {
        fail "no score for $1: $out"
        return
    }
    echo "$(basename "$1"): exposure $score"
    awk -v a="$score" -v b="$2" 'BEGIN { exit !(a <= b) }' ||
        fail "$1: exposure $score is above $2"
}

# The paths of the build are not there, so that verify is shown ones that are.
for unit in ashlard.service ashlard@.service; do
    sed 's|^\(Exec[A-Za-z]*=\)[^ ]*/ashlard|\1/bin/true|' \
        "$builddir/conf/$unit" >"$dir/$unit" || fail "no $unit"
done
cp "$srcdir"/conf/ashlard*.socket "$dir/"
cp "$dir/ashlard@.service" "$dir/ashlard@one.service"
for unit in ashlard.service ashlard@one.service ashlard.socket \
    ashlard-tls.socket ashlard-metrics.socket; do
    out=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no \
        "$dir/$unit" 2>&1 | grep -F "$dir")
    [[ -z $out ]] || fail "verify $unit: $out"
done
# What the daemon takes a socket for follows from its name.
for unit in ashlard:resp ashlard-tls:tls ashlard-metrics:metrics; do
    grep -qx "FileDescriptorName=${unit#*:}" "$dir/${unit%:*}.socket" ||
        fail "${unit%:*}.socket does not name its descriptor ${unit#*:}"
done

exposure "$dir/ashlard.service" 1.1
exposure "$dir/ashlard@one.service" 1.1

mkdir "$dir/private"
cp "$dir/ashlard.service" "$dir/private/"
# A drop-in beside a unit file counts only in a search path: join them.
sed -n '/^\[Service\]/,$p' "$srcdir/conf/private-network.conf" \
    >>"$dir/private/ashlard.service"
exposure "$dir/private/ashlard.service" 0.2

((failures == 0))
