#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/crash-points.md against the sources: each lettered step in a protocol has its row under the
# heading that names the file, and each row's letter is a step in that file.
# Prints "ok - FILE" or "not ok - FILE: what".
doc=doc/crash-points.md
failed=0

# The steps that the code of a file marks: /* S1 for a taker ... */, /* B: ... */, /* G */
marked() {
    cat "$@" | grep -oE '/\* ([A-Z][0-9]|[A-Z]( \*/|[:,.]))' | grep -oE '[A-Z][0-9]?' | sort -u
}

# The steps that the comment at the top of the file lists at the start of a column.
listed() {
    for source; do sed '1{/SPDX/d};/\*\//q' "$source"; done |
        grep -oE '(^ \*   |  )[A-Z][0-9]?  ?[a-z]' | sed -E 's/^[ *]*//; s/ .*//' | sort -u
}

rows() {
    awk -v file="$1" '/^## / { on = index($0, file) > 0 } on && /^\| [A-Z][0-9]* \|/ { print $2 }' \
        "$doc" | sort -u
}

# A protocol may be in two files, which share a heading.
check() {
    heading=$(printf ', `%s`' "$@")
    heading="(${heading#, })"
    files=$(for name; do find libshmbus -name "$name"; done)
    rows=$(rows "$heading")
    # shellcheck disable=SC2086 # one argument a word
    missing=$(marked $files | grep -vxF "$rows")
    # shellcheck disable=SC2086
    stale=$(echo "$rows" | grep -vxF "$(marked $files; listed $files)")
    if [ -z "$rows" ]; then
        echo "not ok - $*: no section in $doc"
    elif [ -n "$missing" ]; then
        echo "not ok - $*: no row for step" $missing
    elif [ -n "$stale" ]; then
        echo "not ok - $*: no such step:" $stale
    else
        echo "ok - $*"
        return
    fi
    failed=1
}

# Every source that lists steps; a section that names several is checked once.
for source in $(find libshmbus -name '*.c' | sort); do
    [ -n "$(listed "$source")" ] || continue
    name=${source##*/}
    names=$(sed -n "/^## .*\`$name\`/s/^[^(]*(\([^)]*\)).*/\1/p" "$doc" | tr -d '\`,')
    # shellcheck disable=SC2086
    [ "${names%% *}" = "${names:+$name}" ] && check ${names:-$name}
done
exit $failed
