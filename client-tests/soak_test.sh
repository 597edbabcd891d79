#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# soak_test.sh - client-tests/soak works, and finds nothing in a second.
set -u
[[ -z ${ASHLAR_TEST_SERVER:-} ]] || {
    echo "SKIPPED: another server has other limits"
    exit 77
}
command -v python3 >/dev/null || {
    echo "SKIPPED: no python3"
    exit 77
}
PYTHONDONTWRITEBYTECODE=1 exec timeout 300 python3 \
    "${ASHLAR_SRCDIR:-..}/client-tests/soak" --build "${ASHLAR_BUILDDIR:-.}" \
    --seconds 0.5 --rounds 2
