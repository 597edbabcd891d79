#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# cli_test.sh - the command line, exit codes and messages of ashlard, and what
# it leaves behind. Needs nothing but bash: requests go through /dev/tcp.
set -uo pipefail

ashlard=${ASHLARD:-./ashlard}
[[ -x $ashlard ]] || {
    echo "no program $ashlard" >&2
    exit 1
}
dir=$(mktemp -d)
failures=0
pid=

finish()
{
    [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap finish EXIT

fail()
{
    echo "FAIL: $1"
    failures=$((failures + 1))
}

# expect STATUS PATTERN ARGS...: run to the end, check exit status and output.
expect()
{
    local want=$1 pattern=$2 out status
    shift 2
    out=$(timeout 20 "$ashlard" "$@" 2>&1)
    status=$?
    [[ $status == "$want" ]] || fail "ashlard $*: exit $status, not $want: $out"
    # shellcheck disable=SC2053
    [[ $out == $pattern ]] || fail "ashlard $*: printed: $out"
}

# one_line ARGS...: a refusal says what is wrong in one line.
one_line()
{
    local lines
    lines=$(timeout 20 "$ashlard" "$@" 2>&1 | wc -l)
    [[ $lines == 1 ]] || fail "ashlard $*: $lines lines"
}

# Sets port: nobody listens there, and it is not one the system gives away.
free_port()
{
    while :; do
        port=$((12000 + RANDOM % 20000))
        # shellcheck disable=SC2188
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
    done
}

# start ARGS...: run in the background, until it is ready.
start()
{
    rm -f "$dir/log"
    "$ashlard" --maxmemory 64mb --workers 1 "$@" 2>"$dir/log" &
    pid=$!
    for _ in {1..200}; do
        grep -qs ' ready ' "$dir/log" && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    fail "ashlard $* did not start: $(cat "$dir/log")"
}

# stop SIGNAL: it ends in order, and soon.
stop()
{
    kill "-$1" "$pid"
    for _ in {1..400}; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid"
    local status=$?
    [[ $status == 0 ]] || fail "exit $status after $1: $(cat "$dir/log")"
    pid=
}

# ask REQUEST: the first line of the answer.
ask()
{
    local line
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return
    printf '%s\r\n' "$1" >&3
    IFS= read -r -t 10 line <&3
    exec 3>&-
    echo "${line%$'\r'}"
}

# ---- what only prints

expect 0 'ashlar [0-9]*' --version
expect 0 '*Usage:*maxmemory*' --help
"$ashlard" --sample-config >"$dir/sample.conf" || fail "--sample-config"
expect 0 '' --check-config "$dir/sample.conf"
expect 0 '.*TH*maxmemory*' --man-config
expect 0 '*## String commands*`GET key`*' --commands-doc

# ---- bad configuration

printf 'port 7000\nprot 1\n' >"$dir/bad.conf"
expect 78 "ashlard: $dir/bad.conf:2:*prot*" --check-config "$dir/bad.conf"
expect 78 "ashlard: $dir/bad.conf:2:*prot*" "$dir/bad.conf"
printf 'port 7000\n\nmaxmemory 3 apples\n' >"$dir/bad.conf"
expect 78 "ashlard: $dir/bad.conf:3:*maxmemory*" "$dir/bad.conf"
expect 78 "ashlard: $dir/none.conf*No such file*" "$dir/none.conf"
expect 78 "ashlard: *timeout*" --timeout soon
expect 78 "ashlard: *no-such-thing*" --no-such-thing 1
expect 78 "ashlard: *too small*" --maxmemory 1mb
expect 78 "ashlard: *nowhere to listen*" --port 0
expect 64 "ashlard: *needs one FILE" --check-config
echo 'run-as no-such-user' >"$dir/bad.conf"
expect 78 "ashlard: run-as: there is no user*" --check-config "$dir/bad.conf"
printf 'port 7000\nprot 1\n' >"$dir/bad.conf"
one_line "$dir/bad.conf"
one_line --maxmemory 1mb

# ---- what the system refuses

free_port
start --port "$port"
[[ $(ask PING) == +PONG ]] || fail "no PONG on port $port"
expect 1 "ashlard: cannot listen on 127.0.0.1:$port: Address already in use" \
    --port "$port"
stop TERM
expect 1 "ashlard: cannot listen on 192.0.2.1:$port: Cannot assign*" \
    --port "$port" --bind 192.0.2.1
expect 1 "ashlard: cannot open logfile $dir/none/log: No such file*" \
    --port "$port" --logfile "$dir/none/log"
expect 1 "*ashlard: cannot write pidfile $dir/none/pid: No such file*" \
    --port "$port" --pidfile "$dir/none/pid"
expect 1 "ashlard: cannot listen on $dir/none/sock: No such file*" \
    --port 0 --unixsocket "$dir/none/sock"

expect 1 "ashlard: cannot listen on 192.0.2.1:$port: Cannot assign*" \
    --port 0 --unixsocket "$dir/ashlard.sock" --metrics-port "$port" \
    --metrics-bind 192.0.2.1
expect 1 "*ashlard: cannot listen on metrics-port on any address*" \
    --port 0 --unixsocket "$dir/ashlard.sock" --metrics-port "$port" \
    --metrics-bind -192.0.2.1
expect 1 "ashlard: cannot listen on $dir/none/web: No such file*" \
    --port 0 --unixsocket "$dir/ashlard.sock" --metrics-bind "$dir/none/web"
[[ ! -e $dir/ashlard.sock ]] || fail "a failed start leaves its socket"

# ---- files

socket=$dir/ashlard.sock
start --port 0 --unixsocket "$socket" --unixsocketperm 600 \
    --pidfile "$dir/pid"
[[ $(stat -c %a "$socket") == 600 ]] || fail "mode of $socket"
[[ $(cat "$dir/pid") == "$pid" ]] || fail "pidfile"
expect 1 "ashlard: cannot listen on $socket: Address already in use" \
    --port 0 --unixsocket "$socket"
[[ -S $socket ]] || fail "a second daemon removed the socket"
stop INT
[[ ! -e $socket && ! -e $dir/pid ]] || fail "files stay after the end"

# A socket that a killed daemon left is no obstacle; another file is.
start --port 0 --unixsocket "$socket"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
[[ -S $socket ]] || fail "no socket left to test with"
start --port 0 --unixsocket "$socket"
stop TERM
echo precious >"$socket"
expect 1 "ashlard: cannot listen on $socket:*" --port 0 --unixsocket "$socket"
[[ $(cat "$socket") == precious ]] || fail "a file in the way was removed"

# ---- core dumps

# of_process FIELD: what /proc says of the running daemon.
of_process()
{
    sed -n "s/^$1: *\t*//p" "/proc/$pid/task/"*/status | sort -u
}

core_limit()
{
    sed -n 's/^Max core file size *\([^ ]*\) .*/\1/p' "/proc/$pid/limits"
}

if ulimit -Sc unlimited 2>/dev/null; then
    start --port 0 --unixsocket "$socket.1"
    [[ $(core_limit) == 0 ]] || fail "limit of core dumps: $(core_limit)"
    stop TERM
    start --port 0 --unixsocket "$socket.1" --core-dumps yes
    # AddressSanitizer turns them off by itself.
    [[ $(core_limit) == unlimited || -n ${ASHLAR_TEST_SLOW:-} ]] ||
        fail "limit of core dumps when allowed: $(core_limit)"
    stop TERM
    ulimit -Sc 0
fi

# ---- another user

expect 78 "ashlard: run-as*" --port 0 --unixsocket "$socket.1" \
    --run-as no-such-user
if [[ $EUID == 0 ]] && id nobody >/dev/null 2>&1; then
    chmod 711 "$dir"
    install -d -o nobody "$dir/own"
    expect 78 "ashlard: run-as*root*" --port 0 --unixsocket "$socket.1" \
        --run-as root
    expect 78 "ashlard: run-as*no-such-group*" --port 0 \
        --unixsocket "$socket.1" --run-as nobody:no-such-group
    # What only root may write to cannot be used.
    expect 1 "ashlard: cannot open logfile $dir/log2: Permission denied" \
        --port 0 --unixsocket "$socket.1" --run-as nobody --logfile "$dir/log2"
    # A port that is root's: the lowest ones, one of which is free.
    for port in 911 912 913 914; do
        # shellcheck disable=SC2188
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    start --port "$port" --unixsocket "$dir/own/sock" --run-as nobody \
        --pidfile "$dir/own/pid"
    [[ $(ask PING) == +PONG ]] || fail "no PONG on port $port as nobody"
    for file in sock pid; do
        [[ $(stat -c %U "$dir/own/$file") == nobody ]] || fail "owner of $file"
    done
    tab=$'\t' uid=$(id -u nobody) gid=$(id -g nobody)
    [[ $(of_process Uid) == "$uid$tab$uid$tab$uid$tab$uid" ]] ||
        fail "not all threads are nobody's: $(of_process Uid)"
    [[ $(of_process Gid) == "$gid$tab$gid$tab$gid$tab$gid" ]] ||
        fail "not all threads have nobody's group: $(of_process Gid)"
    for set in CapEff CapPrm CapInh CapAmb; do
        [[ $(of_process $set) == 0000000000000000 ]] ||
            fail "$set: $(of_process $set)"
    done
    grep -q 'privileges given up' "$dir/log" || fail "nothing logged"
    stop TERM
    [[ ! -e $dir/own/pid ]] || fail "the pid file stays"
elif [[ $EUID != 0 ]]; then
    expect 78 "ashlard: run-as*only root*" --port 0 --unixsocket "$socket.1" \
        --run-as "$(id -un)"
fi

# ---- TLS that is not there, or not complete

free_port
if [[ $("$ashlard" --tls-port "$port" 2>&1) == *"built without TLS" ]]; then
    expect 78 "ashlard: tls-cert-file: *built without TLS" --tls-cert-file x
else
    expect 78 "ashlard: a TLS port needs tls-cert-file" --tls-port "$port"
    expect 78 "ashlard: tls-protocols:*TLSv1.3" --tls-protocols SSLv3
fi

# ---- a new log after HUP

free_port
"$ashlard" --port "$port" --maxmemory 64mb --logfile "$dir/a.log" &
pid=$!
for _ in {1..200}; do
    grep -qs ' ready ' "$dir/a.log" && break
    sleep 0.05
done
mv "$dir/a.log" "$dir/b.log"
kill -HUP "$pid"
for _ in {1..200}; do
    [[ -s $dir/a.log ]] && break
    sleep 0.05
done
grep -q 'log opened anew' "$dir/a.log" || fail "HUP opens no new log"
stop TERM

# ---- the end, while a client keeps sending

free_port
start --port "$port"
exec 4<>"/dev/tcp/127.0.0.1/$port"
yes PING >&4 2>/dev/null &
flood=$!
cat <&4 >/dev/null 2>&1 &
drain=$!
sleep 0.2
stop TERM
wait "$flood" "$drain"
exec 4>&-

# ---- SHUTDOWN by a client

free_port
start --port "$port"
[[ -z $(ask SHUTDOWN) ]] || fail "SHUTDOWN has an answer"
wait "$pid" || fail "exit $? after SHUTDOWN"
pid=

# ---- few file descriptors: fewer clients, and it says so

free_port
rm -f "$dir/log"
(
    ulimit -n 120
    exec "$ashlard" --port "$port" --maxmemory 64mb --workers 1 2>"$dir/log"
) &
pid=$!
for _ in {1..200}; do
    grep -qs ' ready ' "$dir/log" && break
    sleep 0.05
done
if [[ $EUID != 0 ]]; then # root may raise its limit
    grep -q 'maxclients lowered' "$dir/log" || fail "$(cat "$dir/log")"
fi
stop TERM

((failures == 0)) || exit 1
echo "cli: all as documented"
