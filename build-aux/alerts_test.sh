#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# alerts_test.sh - the alerts for Prometheus are well-formed and go off when they
# should; docs/operations.md names each. Without promtool it is skipped.
# (client-tests/metrics_test sees that the metrics they ask for are there.)
set -uo pipefail
srcdir=${ASHLAR_SRCDIR:-.}
rules=$srcdir/conf/prometheus-ashlar.yml
tests=$srcdir/build-aux/alerts_test.yml
status=0

alerts()
{
    sed -n 's/^ *- alert: //p' "$rules"
}

for alert in $(alerts); do
    grep -q "$alert" "$srcdir/docs/operations.md" || {
        echo "FAIL: docs/operations.md does not explain $alert"
        status=1
    }
    grep -q "alertname: $alert$" "$tests" || {
        echo "FAIL: $alert goes off in no test"
        status=1
    }
done
[[ -n $(alerts) ]] || status=1
command -v promtool >/dev/null || {
    echo "SKIPPED: no promtool"
    exit $((status == 0 ? 77 : status))
}
promtool check rules "$rules" || status=1
promtool test rules "$tests" || status=1
exit "$status"
