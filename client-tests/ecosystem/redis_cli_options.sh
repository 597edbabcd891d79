#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# redis-cli option by option: ways to connect, to log in, to read and to print;
# and what is not for a cache, which must end with a clear error. Has a server of
# its own, with a password, a socket and TLS. At the end every option that
# redis-cli --help lists must stand here or in the other scripts for redis-cli.
# shellcheck source=client-tests/ecosystem/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
command -v redis-cli >/dev/null || missing redis-cli is not installed
command -v openssl >/dev/null || missing openssl is not installed
command -v script >/dev/null || missing script of util-linux is not installed
redis-cli --version | sed 's/redis-cli /version: /'
dir=$(mktemp -d)
server=0
trap '((server == 0)) || kill "$server"; rm -rf "$out" "$dir"' EXIT

# ---- the server -------------------------------------------------------------

certificates()
{
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca \
        -keyout "$dir/ca.key" -out "$dir/ca.crt" &&
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost \
            -keyout "$dir/server.key" -out "$dir/server.csr" &&
        openssl x509 -req -days 1 -in "$dir/server.csr" -CA "$dir/ca.crt" \
            -CAkey "$dir/ca.key" -CAcreateserial -out "$dir/server.crt" &&
        mkdir "$dir/ca" && cp "$dir/ca.crt" "$dir/ca/" &&
        openssl rehash "$dir/ca"
}
certificates >"$out" 2>&1 || fail certificates

for _ in {1..20}; do
    plain=$((20000 + RANDOM % 10000))
    secure=$((plain + 1))
    "$ASHLARD" --port "$plain" --bind 127.0.0.1 --workers 2 \
        --maxmemory 256mb --requirepass secret --unixsocket "$dir/socket" \
        --tls-port "$secure" --tls-cert-file "$dir/server.crt" \
        --tls-key-file "$dir/server.key" --tls-ca-cert-file "$dir/ca.crt" \
        --tls-auth-clients optional >"$out" 2>&1 & server=$!
    for _ in {1..250}; do
        kill -0 "$server" 2>/dev/null || break
        grep -q ready "$out" && break 2
        sleep 0.02
    done
    wait "$server"
    server=0
done
((server != 0)) || fail "the server does not start"

# try WHAT PATTERN COMMAND...: it ends well and prints a line like this.
try()
{
    local what=$1 pattern=$2
    shift 2
    timeout 20 "$@" >"$out" 2>&1 </dev/null || fail "$what: status $?"
    expect "$what" "$pattern"
}

# refused WHAT PATTERN COMMAND...: it ends at once, not well, and says why.
refused()
{
    local what=$1 pattern=$2
    shift 2
    timeout 20 "$@" >"$out" 2>&1 </dev/null && fail "$what: status 0"
    (($? != 124)) || fail "$what: it hangs"
    expect "$what" "$pattern"
}

# ---- ways to connect and to log in ------------------------------------------

refused "no password" NOAUTH redis-cli -p "$plain" -e ping
try -a '^Warning: Using a password' redis-cli -p "$plain" -a secret ping
try --no-auth-warning '^PONG$' \
    redis-cli -p "$plain" -a secret --no-auth-warning ping
! grep -q Warning "$out" || fail --no-auth-warning
try "--user --pass" '^default$' redis-cli -h 127.0.0.1 -p "$plain" \
    --user default --pass secret --no-auth-warning acl whoami
refused "a wrong password" WRONGPASS \
    redis-cli -p "$plain" -e -a wrong --no-auth-warning ping
{
    sleep 0.5
    printf 'secret\r'
    sleep 0.5
} | TERM=xterm timeout 20 script -qec \
    "stty cols 100 rows 24; redis-cli -p $plain --askpass ping" /dev/null \
    >"$out" 2>&1 || fail "--askpass: status $?"
expect --askpass PONG

export REDISCLI_AUTH=secret
cli=(redis-cli -p "$plain")
tls=(redis-cli -h localhost -p "$secure" --tls)
try -s '^PONG$' redis-cli -s "$dir/socket" ping
try -c '^OK$' "${cli[@]}" -c set by cluster
try -2 '^PONG$' "${cli[@]}" -2 ping
try --verbose '^PONG$' "${cli[@]}" --verbose ping
try "--tls --cacert" '^PONG$' "${tls[@]}" --cacert "$dir/ca.crt" ping
try --cacertdir '^PONG$' "${tls[@]}" --cacertdir "$dir/ca" ping
try --insecure '^PONG$' "${tls[@]}" --insecure ping
refused "an unknown authority" 'certificate verify failed' "${tls[@]}" ping
try "--cert --key --sni" '^PONG$' "${tls[@]}" --cacert "$dir/ca.crt" \
    --cert "$dir/server.crt" --key "$dir/server.key" --sni localhost ping
try --tls-ciphers '^PONG$' "${tls[@]}" --cacert "$dir/ca.crt" \
    --tls-ciphers ECDHE-RSA-AES128-GCM-SHA256 ping
try --tls-ciphersuites '^PONG$' "${tls[@]}" --cacert "$dir/ca.crt" \
    --tls-ciphersuites TLS_AES_256_GCM_SHA384 ping
try "-u rediss:" '^PONG$' redis-cli --no-auth-warning \
    -u "rediss://default:secret@localhost:$secure/1" \
    --cacert "$dir/ca.crt" ping

# ---- input and output -------------------------------------------------------

printf tagged >"$dir/value"
timeout 20 "${cli[@]}" -X tag set key tag <"$dir/value" >"$out" 2>&1 || fail -X
try -X '^tagged$' "${cli[@]}" get key
try -d '^tagged,$' "${cli[@]}" -d , mget key none
try -D '^tagged#tagged#$' "${cli[@]}" -D '#' -r 2 get key
try --quoted-input '^OK$' "${cli[@]}" --quoted-input set '"q\x00q"' 1
try --quoted-pattern '^q' "${cli[@]}" --scan --quoted-pattern '"q\x00*"'
try "--json --quoted-json" '^"q.*x00q"$' \
    "${cli[@]}" --quoted-json --quoted-input echo '"q\x00q"'
try "--bigkeys --pattern" '^1 strings with 6 bytes' \
    "${cli[@]}" --bigkeys --pattern 'k*'
try --memkeys-samples 'Biggest string found' \
    "${cli[@]}" --memkeys --memkeys-samples 5
printf 'SET piped 1\r\n' >"$dir/pipe"
timeout 20 "${cli[@]}" --pipe --pipe-timeout 10 <"$dir/pipe" >"$out" 2>&1 ||
    fail --pipe-timeout
expect --pipe-timeout '^errors: 0, replies: 1$'
printf '%s\n' 'client tracking on' 'get key' 'set key 1' ping ping >"$dir/lines"
timeout 20 "${cli[@]}" -3 --show-pushes yes <"$dir/lines" >"$out" 2>&1 ||
    fail --show-pushes
expect --show-pushes '^invalidate$'
timeout 3 stdbuf -oL "${cli[@]}" --latency-dist -i 1 >"$out" 2>&1
expect --latency-dist 'milliseconds'
expect_clean --latency-dist

# ---- scripts ----------------------------------------------------------------

if [[ $("${cli[@]}" eval 'return 1' 0) == 1 ]]; then
    echo 'return {KEYS[1], ARGV[1]}' >"$dir/script.lua"
    try --eval '^key$' "${cli[@]}" --eval "$dir/script.lua" key , value
    expect --eval '^value$'
    # Without a debugger the script just runs; who asks for one is told.
    try --ldb '^key$' "${cli[@]}" --ldb --eval "$dir/script.lua" key , value
    try --ldb-sync-mode '^key$' \
        "${cli[@]}" --ldb-sync-mode --eval "$dir/script.lua" key , value
    refused "script debug" 'there is no debugger' "${cli[@]}" -e script debug yes
else
    echo "needs scripts: redis-cli --eval, --ldb"
fi

# ---- not for a cache --------------------------------------------------------

refused --rdb 'SYNC with master failed: -ERR unknown command' \
    "${cli[@]}" --rdb "$dir/dump.rdb"
refused --functions-rdb 'Failed requesting functions only RDB from server' \
    "${cli[@]}" --functions-rdb "$dir/dump.rdb"
refused --replica 'SYNC with master failed: -ERR unknown command' \
    "${cli[@]}" --replica
timeout 20 redis-cli --cluster help >"$out" 2>&1
expect "--cluster help" 'Cluster Manager Commands'
refused "--cluster check" 'not configured as a cluster node' \
    "${cli[@]}" --cluster check "127.0.0.1:$plain"
try "what follows" '^PONG$' "${cli[@]}" ping

# ---- every option -----------------------------------------------------------

cd "${BASH_SOURCE[0]%/*}" || exit 1
redis-cli --help >"$out" 2>&1
sed -n 's/^  *\(--*[A-Za-z0-9-]*\) .*/\1/p' "$out" | while read -r option; do
    grep -Eq -- "(^|[^a-z-])$option([^a-z-]|\$)" redis_cli.sh \
        redis_cli_options.sh ../redis_cli_test.sh || echo "$option"
done >"$dir/untried"
[[ -s "$dir/untried" ]] && fail "not tried: $(tr '\n' ' ' <"$dir/untried")"
kill "$server"
wait "$server" || fail "the server ended badly"
server=0
exit 0
