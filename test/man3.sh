#!/bin/sh
# SPDX-License-Identifier: MIT
# The pages of section 3: of this header, whole, and well formed; that a stale one would be noticed.
# usage: man3.sh
set -u
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. test/check.inc
is_empty() { [ ! -s "$1" ] || { head -n 5 "$1"; return 1; }; }
# notices FILE SED_SCRIPT: the pages, or what they are made from, spoiled by that edit, do not pass.
notices() {
    rm -rf "$work/tree" && mkdir -p "$work/tree/test" "$work/tree/doc" "$work/tree/libshmbus" &&
        cp -r config "$work/tree/" && cp -r test/abi "$work/tree/test/" &&
        cp -r doc/man "$work/tree/doc/" && cp -r libshmbus/include "$work/tree/libshmbus/" || return 1
    sed "$2" "$1" >"$work/tree/$1"
    ! cmp -s "$1" "$work/tree/$1" && ! sh "$work/tree/config/tools/man3.sh" check >/dev/null
}
page_has() { # HEADING: every page of a call
    for page in doc/man/shmbus_*.3; do
        grep -qx "\\.SH $1" "$page" || echo "$page"
    done | { ! grep .; }
}
lists_every_call() {
    for page in doc/man/shmbus_*.3; do
        page=${page##*/}
        grep -qx "\\.BR ${page%.3} (3)" doc/man/shmbus.3 || echo "$page"
    done | { ! grep .; }
}
leads_somewhere() { # what the pages refer to in section 3 is there
    sed -n 's/^\.BR \(shmbus[a-z_]*\) (3).*/\1/p' doc/man/*.3 | sort -u | while read -r name; do
        [ -e "doc/man/$name.3" ] || echo "$name"
    done | { ! grep .; }
}

check "the pages are those of this header: make man3" sh config/tools/man3.sh check
check "a header that says something else would be noticed" \
    notices libshmbus/include/shmbus/shmbus.h 's/copy one message/copy a message/'
check "a page that was changed by hand would be" notices doc/man/shmbus_send.3 's/copy/Copy/'
for heading in NAME SYNOPSIS "RETURN VALUE" "SEE ALSO"; do
    check "each page has its $heading" page_has "$heading"
done
check "shmbus(3) lists every call" lists_every_call
check "what the pages refer to is there" leads_somewhere
check "nothing of the markup of the header is left in them" \
    sh -c '! grep -n -e "@[a-z]" -e "SHMBUS_API" -e "Kernel Hacker" doc/man/*.3'
if command -v man >/dev/null && man -l doc/man/shmbus.3 >/dev/null 2>&1; then
    LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l doc/man/*.3 >"$work/pages" 2>"$work/warnings" </dev/null
    check "man formats them without a warning" is_empty "$work/warnings"
    check "and shows them all" test "$(grep -c '^NAME$' "$work/pages")" = "$(find doc/man -name '*.3' | wc -l)"
fi
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning doc/man/*.3 >"$work/lint"
    check "mandoc has nothing to say of them" is_empty "$work/lint"
fi
exit $failed
