# SPDX-License-Identifier: BSD-3-Clause
# bash completion for ashlard(8). The names of directives and their values come
# from the daemon itself, so that they are those of the version that is there.
# shellcheck shell=bash

# NAME VALUE... for each directive, from the comments of the sample file.
__ashlard_directives()
{
    "$1" --sample-config 2>/dev/null | awk '
        /^#/ { text = text " " substr($0, 3); next }
        /^$/ { text = ""; next }
        {
            values = ""
            if (match(text, /Values: [^.]*\./)) {
                values = substr(text, RSTART + 8, RLENGTH - 9)
                gsub(/,| or/, "", values)
                # "a number, 0 to 65535" is no list of words.
                if (values ~ /^(a|an) /) values = ""
            }
            print $1, values
            text = ""
        }'
}

_ashlard()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local -a words
    case $prev in
    --help | --version | --sample-config | --man-config | --*-doc)
        return ;;
    --check-config | --include | --*file | --*-dir | --unixsocket)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    --*)
        read -r -a words < <(__ashlard_directives "$1" |
            sed -n "s/^${prev#--} //p")
        mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$cur")
        return ;;
    esac
    if [[ $cur == --* ]]; then
        mapfile -t words < <(__ashlard_directives "$1" | sed 's/^/--/; s/ .*//')
        ((COMP_CWORD > 1)) || words+=(--check-config --sample-config
            --man-config --commands-doc --metrics-doc --help --version)
        mapfile -t COMPREPLY < <(compgen -W "${words[*]} --include" -- "$cur")
    elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _ashlard ashlard
