#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# promtool: /metrics has nothing to complain about, and neither have the names
# that the Grafana dashboard asks for.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
command -v promtool >/dev/null || missing promtool is not installed
dpkg-query -W -f 'version: ${Version}\n' prometheus
web=$((port + 1))
socket=$(mktemp -u)
"$ASHLARD" --port "$web" --bind 127.0.0.1 --workers 2 --maxmemory 64mb \
    --metrics-bind "$socket" >/dev/null 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; rm -f "$out"' EXIT
for _ in {1..250}; do
    redis-cli -p "$web" ping >/dev/null 2>&1 && break
    sleep 0.02
done
redis-cli -p "$web" mset user:1 a 'odd"\:1' b >/dev/null
redis-cli -p "$web" config get port >/dev/null
redis-cli -p "$web" get user:1 >/dev/null
redis-cli -p "$web" nonsense >/dev/null
python3 - "$socket" <<'EOF' >"$out" || fail "no answer"
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
got = b""
while more := s.recv(65536):
    got += more
sys.stdout.buffer.write(got.split(b"\r\n\r\n", 1)[1])
EOF
expect metrics '^ashlar_keyspace_hits_total 1$'
promtool check metrics <"$out" || fail "promtool complains"
exit 0
