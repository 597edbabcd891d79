#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# live_test.sh - every directive that says it is live takes another value from a
# file that is read again, and from CONFIG SET: those of this program, as its
# sample file lists them.

# shellcheck source=client-tests/testlib.sh
. "${BASH_SOURCE[0]%/*}/testlib.sh" || exit 1

[[ -z "${ASHLAR_TEST_SERVER:-}" ]] || {
    skip "a Redis does not read its configuration again"
    exit 0
}

# get NAME: its value, by a second line of the reply.
get() {
    local line value=
    exec 8<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'CONFIG GET %s\r\nQUIT\r\n' "$1" >&8
    # *2, $len, name, $len, value
    for _ in 1 2 3 4; do
        IFS= read -r -t 10 line <&8
    done
    [[ $line == \$0* ]] || IFS= read -r -t 10 value <&8
    exec 8<&- 8>&-
    printf '%s\n' "${value%$'\r'}"
}

# NAME, a tab, its default, a tab, another value, a tab, how that is shown.
other_values() {
    "$program" --sample-config | awk '
        function put(other, shown) {
            printf "%s\t%s\t%s\t%s\n", $1, value, other,
                shown == "" ? other : shown
        }
        /^#/ { text = text " " substr($0, 3); next }
        /^$/ { text = ""; next }
        text !~ /Live\./ { text = ""; next }
        # an argument here, see config_test; needs a certificate, see tls_test
        $1 == "port" || $1 == "tls-port" { text = ""; next }
        {
            value = substr($0, length($1) + 2)
            if (text ~ /Values: yes or no\./)
                put(value == "yes" ? "no" : "yes")
            else if (match(text, /Values: a number[^,]*, -?[0-9]+ (to|or)/))
                put($1 == "maxclients" ? 77 : value + 1) # fewer files
            else if (text ~ /Values: a size.*auto/)
                put("100mb", 104857600)
            else if (text ~ /Values: a size/)
                put("3mb", 3145728)
            else if (match(text, /Values: [a-z0-9, -]* or [a-z0-9-]*\./)) {
                n = split(substr(text, RSTART + 8, RLENGTH - 9), word,
                    /, | or /)
                put(word[1] == value ? word[2] : word[1])
            }
            text = ""
        }'
}

other_values >"$dir/values"
n=$(wc -l <"$dir/values")
((n >= 12)) || fail "only $n live directives"

# A server that has its file before the arguments that start_server gives.
: >"$dir/conf"
printf '#!/bin/bash\nexec "%s" "%s/conf" "$@"\n' "$program" "$dir" >"$dir/run"
chmod +x "$dir/run"
program=$dir/run start_server

# reload: have the file read again, and wait for it.
reload() {
    local before
    before=$(grep -c 'configuration reloaded' "$dir/log")
    kill -HUP "$pid"
    for _ in {1..500}; do
        (($(grep -c 'configuration reloaded' "$dir/log") > before)) && return
        ! grep 'not reloaded' "$dir/log" || break
        sleep 0.02
    done
    fail "no reload"
}

cut -f 1,3 <"$dir/values" | tr '\t' ' ' >"$dir/conf"
reload
while IFS=$'\t' read -r name _ other shown; do
    [[ "$(get "$name")" == "$shown" ]] ||
        fail "$name is $(get "$name") after a reload, not $shown"
done <"$dir/values"

: >"$dir/conf"
reload
while IFS=$'\t' read -r name default other shown; do
    [[ "$(get "$name")" != "$shown" ]] ||
        fail "$name is still $shown without a line"
    [[ "$(command_line CONFIG SET "$name" "$other")" == +OK ]] ||
        fail "CONFIG SET $name $other"
    [[ "$(get "$name")" == "$shown" ]] ||
        fail "$name is $(get "$name") after CONFIG SET, not $shown"
    [[ "$(command_line CONFIG SET "$name" "$default")" == +OK ]] ||
        fail "CONFIG SET $name $default"
done <"$dir/values"
stop_server
echo "$n live directives changed"
