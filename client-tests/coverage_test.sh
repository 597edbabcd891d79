#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# coverage_test.sh - every command that the server lists has been answered, with
# something other than an error, in some client test; in RESP3 as well; and has
# been refused for wrong arguments, if it can be. Runs after those tests, whose
# notes (client.h) it reads.

# shellcheck source=client-tests/testlib.sh
. "${BASH_SOURCE[0]%/*}/testlib.sh" || exit 1

if [[ -n "${ASHLAR_TEST_SERVER:-}" ]]; then
    skip "$program has commands that no test here is about"
    exit 77
fi

start_server --maxmemory 1gb
sort -u "$builddir"/client-tests/covered/* >"$dir/covered" ||
    fail "no notes: run the other client tests first"

# The names among the lines of the reply: what is no header of RESP.
exec 9<>"/dev/tcp/127.0.0.1/$port"
printf 'COMMAND LIST\r\nQUIT\r\n' >&9
tr -d '\r' <&9 | grep -v '^[*$+]' | sort >"$dir/listed"
exec 9<&- 9>&-
grep -qx get "$dir/listed" || fail "COMMAND LIST does not list GET"

# HELP is the same for every container. Some commands are there to say that what
# they are for is not: those must refuse, in words of their own.
refused=(bgrewriteaof bgsave 'cluster help' 'cluster|countkeysinslot 1'
    'cluster|getkeysinslot 1 1' 'cluster|info' 'cluster|keyslot k'
    'cluster|links' 'cluster|myid' 'cluster|nodes' 'cluster|replicas x'
    'cluster|reset' 'cluster|shards' 'cluster|slots' failover 'fcall f 0'
    'fcall_ro f 0' 'function|delete f' 'function|kill' 'function|load f'
    readonly readwrite save)
exec 9<>"/dev/tcp/127.0.0.1/$port"
printf 'EVAL 1 0\r\nQUIT\r\n' >&9
if [[ "$(head -n 1 <&9)" == *'built without Lua'* ]]; then
    refused+=('eval 1 0' 'eval_ro 1 0' 'evalsha 1 0' 'evalsha_ro 1 0'
        'script|kill' 'script|load 1')
fi
exec 9<&- 9>&-
for command in "${refused[@]}"; do
    exec 9<>"/dev/tcp/127.0.0.1/$port"
    printf '%s\r\nQUIT\r\n' "${command/|/ }" >&9
    reply=$(head -n 1 <&9)
    exec 9<&- 9>&-
    [[ "$reply" == -* && "$reply" != *'unknown'* &&
        "$reply" != *'number of arguments'* ]] || fail "$command: $reply"
    printf '%s\n' "${command%% *}"
done | sort >"$dir/refused"
grep -vx '.*|help' "$dir/listed" | sort | comm -23 - "$dir/refused" \
    >"$dir/wanted"
missing=$(comm -23 "$dir/wanted" "$dir/covered" | tr '\n' ' ')
[[ -z "$missing" ]] || fail "without a client test: $missing"

# without NOTE WORD...: what of the wanted, but for the words, has no such note.
without() {
    local note=$1
    shift
    grep -vxF "$(printf '%s\n' "$@")" "$dir/wanted" | sed "s/\$/$note/" | sort |
        comm -23 - "$dir/covered" | tr '\n' ' '
}

# In RESP3 too, but what ends the server or is tried on one with files.
missing=$(without =3 'acl|load' 'acl|save' 'config|rewrite' \
    'script|kill' shutdown)
[[ -z "$missing" ]] || fail "without a client test in RESP3: $missing"

# With wrong arguments, and not only with a wrong number of them; but those that
# take none, and those that take any.
missing=$(without ! 'acl|getuser' 'acl|list' 'acl|users' 'acl|whoami' \
    'client|getname' 'client|getredir' 'client|id' 'client|info' \
    'client|trackinginfo' 'client|unpause' 'command|count' 'command|docs' \
    'command|info' 'config|resetstat' dbsize discard dump exists expiretime \
    'function|dump' 'function|stats' hotkeys 'hotkeys|get' 'hotkeys|reset' keys \
    lastsave 'latency|doctor' 'latency|histogram' 'latency|history' \
    'latency|latest' 'latency|reset' 'latency|steps' 'memory|doctor' \
    'memory|malloc-stats' 'memory|purge' 'memory|stats' mget module \
    'module|list' monitor mset msetnx 'namespace|info' 'object|encoding' \
    'object|refcount' persist pexpiretime psubscribe pttl pubsub \
    'pubsub|channels' 'pubsub|numpat' 'pubsub|numsub' 'pubsub|shardchannels' \
    'pubsub|shardnumsub' punsubscribe quit randomkey reset role \
    'script|exists' setnx 'slowlog|len' 'slowlog|reset' spublish ssubscribe \
    subscribe sunsubscribe time touch ttl type unlink unsubscribe unwatch)
[[ -z "$missing" ]] || fail "never refused in a client test: $missing"
echo "$(wc -l <"$dir/wanted") commands and subcommands are covered"
stop_server
