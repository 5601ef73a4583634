#!/bin/sh
# SPDX-License-Identifier: MIT
# The header, the symbol map, the shared and the static library, version and .pc file agree; and the
# symbols of each release are those that test/abi/symbols-X.Y lists. Such a list begins with "# open"
# until its release, and then with "# closed N", N being the cksum of the names, so that it changes
# by no mistake.
# usage: test/abi.sh LIB_DIR
set -u
lib=${1:?usage: test/abi.sh LIB_DIR}
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. test/check.inc
same_lines() { diff "$work/$1" "$work/$2"; }
# symbols_of_map MAP NODE: the names that the map gives to the node
symbols_of_map() {
    sed -n "/^$2 {/,/^}/s/^ *\\(shmbus_[a-z_]*\\);.*/\\1/p" "$1" | sort
}
# symbols_agree MAP LISTS EXPORTED: node by node, map, lists and the library ("name node") agree
symbols_agree() {
    sed -n 's/^\(SHMBUS_[0-9.]*\) {.*/\1/p' "$1" | sort >"$work/nodes"
    find "$2" -name 'symbols-*' | sed 's/.*symbols-/SHMBUS_/' | sort >"$work/lists"
    same_lines nodes lists || return 1
    while read -r node; do
        grep -v '^#' "$2/symbols-${node#SHMBUS_}" | sort >"$work/listed"
        symbols_of_map "$1" "$node" >"$work/mapped"
        awk -v node="$node" '$2 == node {print $1}' "$3" | sort >"$work/there"
        same_lines listed mapped && same_lines listed there || return 1
    done <"$work/nodes"
}
# lists_are_closed LISTS VERSION: those of releases before VERSION are, and none was changed since
lists_are_closed() {
    for list in "$1"/symbols-*; do
        state=$(sed -n '1s/^# //p' "$list")
        sum=$(sed 1d "$list" | cksum | cut -d' ' -f1)
        case $state in
        open) same "${list##*symbols-}" "${2%.*}" || return 1 ;;
        *) same "$state" "closed $sum" || return 1 ;;
        esac
    done
}
# What must not pass, each tried on a copy of the map and the lists that an edit of sed has spoiled.
notices() { # FILE SED_SCRIPT
    rm -rf "$work/copy" && mkdir "$work/copy" && cp libshmbus/shmbus.map test/abi/symbols-* "$work/copy"
    sed "$2" "$work/copy/$1" >"$work/new" && ! cmp -s "$work/new" "$work/copy/$1" &&
        cp "$work/new" "$work/copy/$1" &&
        ! { symbols_agree "$work/copy/shmbus.map" "$work/copy" "$work/versions" &&
            lists_are_closed "$work/copy" "$version"; }
}
# undocumented SED_SCRIPT: the header, spoiled by that edit, does not pass for documented.
undocumented() {
    sed "$1" $header >"$work/header" && ! cmp -s $header "$work/header" &&
        ! sh config/tools/documented.sh "$work/header"
}
past_is_noticed() { ! lists_are_closed test/abi 99.0.0; }

header=libshmbus/include/shmbus/shmbus.h
version=$(sed -n 's/^#define SHMBUS_VERSION "\(.*\)"/\1/p' libshmbus/include/shmbus/version.h)
numbers=$(sed -n 's/^#define SHMBUS_VERSION_M[A-Z]* //p;s/^#define SHMBUS_VERSION_PATCH //p' \
    libshmbus/include/shmbus/version.h | paste -sd .)
major=${version%%.*}

# Declarations may go over several lines: join them, then take the name before the first '('.
tr '\n' ' ' <$header | grep -o 'SHMBUS_API [^;(]*(' | grep -v '__attribute__' |
    sed 's/.*[ *]\(shmbus_[a-z_]*\)($/\1/' | sort >"$work/declared"
nm -D --defined-only "$lib/libshmbus.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' |
    sort >"$work/exported"
nm -g --defined-only "$lib/libshmbus.a" | awk 'NF == 3 {print $3}' | sort >"$work/static"
nm -D --defined-only --with-symbol-versions "$lib/libshmbus.so" | sed -n 's/.* [TDBR] \(.*\)@@/\1 /p' \
    >"$work/versions"
grep -o 'F(shmbus_[a-z_]*)' test/headers.c | tr -d 'F()' | sort >"$work/tested"

check "the shared library exports what the header declares, and nothing else" same_lines declared exported
check "the static library exports the same" same_lines declared static
check "test/headers.c uses every declared function" same_lines declared tested
check "the symbols of each release are those of the map and of its list" \
    symbols_agree libshmbus/shmbus.map test/abi "$work/versions"
check "the lists of earlier releases are closed and unchanged" lists_are_closed test/abi "$version"
check "a call that the list does not have would be noticed" notices symbols-0.1 '/^shmbus_send$/d'
check "a call that is gone would be noticed" notices shmbus.map '/ shmbus_send;/d'
check "a call that joins a released node would be noticed" \
    notices symbols-0.1 's/^# open/# closed 1/'
check "a list that is open although its version is past would be noticed" past_is_noticed
check "every call is documented in the full form" sh config/tools/documented.sh
check "a call without its comment would be noticed" undocumented '/^ \* shmbus_slot() - /d'
check "a parameter that is not told of would be noticed" undocumented '/^ \* @on: /d'
check "a call that does not tell what it returns would be noticed" undocumented '/^ \* Return: static: "0/d'
check "the parts of the version number agree with its text" same "$numbers" "$version"
check "the SONAME has the major version" same \
    "$(objdump -p "$lib/libshmbus.so" | awk '$1 == "SONAME" {print $2}')" "libshmbus.so.$major"
check "the .pc file has the version" same "$(sed -n 's/^Version: //p' "$lib/shmbus.pc")" "$version"
check "the library needs only libyaml and libc" same \
    "$(objdump -p "$lib/libshmbus.so" | awk '$1 == "NEEDED" {print $2}' |
        grep -v -e asan -e ubsan -e tsan -e libgcc_s -e ld-linux | sort | paste -sd ' ')" \
    "libc.so.6 libyaml-0.so.2"
exit $failed
