#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# embed.sh FILE - the status page as a C header on standard output: its bytes,
# and a Content-Security-Policy that allows its style and its script, by their
# hashes, to run, and to ask this server; nothing else.
set -euo pipefail
page=$1

# What stands between <TAG> and </TAG>, each on a line of its own, hashed as a
# browser does it: without the tags, with the line feeds.
hash_of()
{
    local hex
    hex=$(sed -n "/^<$1>\$/,/^<\/$1>\$/p" "$page" | sed '1d;$d' |
        { printf '\n'; cat; } | sha256sum | cut -d ' ' -f 1)
    # shellcheck disable=SC2059,SC2001 # the hex digits are the format
    printf "$(sed 's/../\\x&/g' <<<"$hex")" | base64
}

for tag in style script; do
    [[ $(grep -c "^<$tag>\$" "$page") == 1 ]] || {
        echo "embed.sh: $page needs one <$tag> on a line of its own" >&2
        exit 1
    }
done
echo "/* Made by daemon/embed.sh from daemon/status.html. */"
echo "#define STATUS_PAGE_POLICY \\"
echo "    \"default-src 'none'; style-src 'sha256-$(hash_of style)'; \" \\"
echo "    \"script-src 'sha256-$(hash_of script)'; connect-src 'self'; \" \\"
echo "    \"img-src data:; base-uri 'none'; form-action 'none'; \" \\"
echo "    \"frame-ancestors 'none'\""
echo "static const unsigned char status_page[] = {"
od -An -v -tu1 "$page" | sed 's/ *\([0-9][0-9]*\)/\1,/g'
echo "};"
