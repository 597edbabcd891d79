# SPDX-License-Identifier: BSD-3-Clause
# packages.sh - the Debian packages that the scripts need; sourced by them.
# shellcheck shell=bash

# shellcheck disable=SC2034 # used by scripts/run and scripts/test
packages_to_build=(build-essential autoconf automake pkg-config libevent-dev
    libxxhash-dev liburing-dev libssl-dev liblua5.1-0-dev lua-cjson-dev
    lua-bitop-dev check libhiredis-dev libzstd-dev)
# shellcheck disable=SC2034 # used by scripts/test
packages_to_test=(clang libclang-rt-dev llvm prometheus python3 redis-tools
    systemd util-linux xz-utils zstd)

# Those of the given packages that are not installed, one a line.
missing_packages()
{
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) \
            == installed ]] || echo "$package"
    done
}

# Install what is missing of the given packages, as root or through sudo.
need_packages()
{
    local as_root=() missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null || {
            echo "missing packages, and no sudo to install them; as root:" >&2
            echo "    apt-get install ${missing[*]}" >&2
            return 1
        }
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}" >&2
    "${as_root[@]}" apt-get -q update >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends "${missing[@]}" >&2
}

# Configure the build folder $1 with the further arguments, if it is not there
# or was configured with others. Call from the top of the tree.
configure_into()
{
    local dir=$1
    shift
    [[ -e configure ]] || autoreconf --install || return 1
    if [[ -e $dir/Makefile && "$(cat "$dir/.configured" 2>/dev/null)" == "$*" ]]
    then
        return 0
    fi
    rm -rf "$dir"
    mkdir "$dir"
    (cd "$dir" && ../configure --quiet "$@") || return 1
    echo "$*" >"$dir/.configured"
}
