#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# prometheus-redis-exporter: every metric that its dashboards start from.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
command -v prometheus-redis-exporter >/dev/null ||
    missing prometheus-redis-exporter is not installed
dpkg-query -W -f 'version: ${Version}\n' prometheus-redis-exporter
redis-cli -p "$port" flushall >/dev/null
redis-cli -p "$port" mset a 1 b 2 >/dev/null
redis-cli -p "$port" set c 3 ex 1000 >/dev/null
redis-cli -p "$port" get a >/dev/null
redis-cli -p "$port" get none >/dev/null

web=$((port + 1))
log=$(mktemp)
prometheus-redis-exporter -debug -redis.addr "redis://127.0.0.1:$port" \
    -web.listen-address "127.0.0.1:$web" -check-single-keys a \
    -check-keys 'b*' -count-keys 'db0=*' -include-system-metrics \
    -export-client-list >"$log" 2>&1 &
exporter=$!
trap 'kill "$exporter" 2>/dev/null; rm -f "$out" "$log"' EXIT

scrape()
{
    { exec 9<>"/dev/tcp/127.0.0.1/$web"; } 2>/dev/null || return 1
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&9
    cat <&9 >"$out"
    exec 9<&- 9>&-
}

for _ in {1..250}; do
    scrape && break
    sleep 0.02
done
metric()
{
    expect "$1" "^redis_$1(\\{.*\\})? $2$"
}
metric up 1
metric exporter_last_scrape_error '0'
metric connected_clients '[1-9][0-9]*'
metric memory_used_bytes '[1-9].*'
metric memory_max_bytes '[1-9].*'
metric commands_processed_total '[1-9].*'
metric commands_total '[1-9].*'
metric commands_duration_seconds_total '[0-9].*'
metric keyspace_hits_total '[1-9].*'
metric keyspace_misses_total '[1-9].*'
metric expired_keys_total '[0-9].*'
metric evicted_keys_total '[0-9].*'
metric net_input_bytes_total '[1-9].*'
metric net_output_bytes_total '[1-9].*'
metric uptime_in_seconds '[0-9].*'
metric slowlog_length '[0-9].*'
metric connected_clients_details '1'
expect db_keys '^redis_db_keys\{db="db0"\} 3$'
expect db_keys_expiring '^redis_db_keys_expiring\{db="db0"\} 1$'
expect key_value '^redis_key_value\{db="db0",key="a"\} 1$'
expect key_size '^redis_key_size\{db="db0",key="b"\} 1$'
expect keys_count '^redis_keys_count\{db="db0",key="\*"\} 3$'
expect config_maxclients '^redis_config_maxclients 10000$'
expect instance_info '^redis_instance_info\{.*redis_version="7.0.15"'
# What it cannot read of INFO it only says when it debugs.
grep -Ei "level=(error|warn)|couldn't parse" "$log" && fail "the exporter complains"
exit 0
