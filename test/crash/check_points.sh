#!/bin/sh
# doc/crash-points.md against the sources: each lettered step in a protocol has its row under the
# heading that names the file, and each row's letter is a step in that file.
# Prints "ok - FILE" or "not ok - FILE: what".
doc=doc/crash-points.md
failed=0

# The steps that the code of a file marks: /* S1 for a taker ... */, /* B: ... */, /* G */
marked() {
    grep -oE '/\* ([A-Z][0-9]|[A-Z]( \*/|[:,.]))' "$1" | grep -oE '[A-Z][0-9]?' | sort -u
}

# The steps that the comment at the top of the file lists at the start of a column.
listed() {
    sed '/\*\//q' "$1" | grep -oE '(^ \*   |  )[A-Z][0-9]?  ?[a-z]' | sed -E 's/^[ *]*//; s/ .*//' | sort -u
}

rows() {
    awk -v file="(\`$1\`)" '/^## / { on = index($0, file) > 0 } on && /^\| [A-Z][0-9]* \|/ { print $2 }' \
        "$doc" | sort -u
}

check() {
    file=libshmbus/$1
    rows=$(rows "$1")
    missing=$(marked "$file" | grep -vxF "$rows")
    stale=$(echo "$rows" | grep -vxF "$(marked "$file"; listed "$file")")
    if [ -z "$rows" ]; then
        echo "not ok - $1: no section in $doc"
    elif [ -n "$missing" ]; then
        echo "not ok - $1: no row for step" $missing
    elif [ -n "$stale" ]; then
        echo "not ok - $1: no such step:" $stale
    else
        echo "ok - $1"
        return
    fi
    failed=1
}

for file in block.c exchange.c ring_mpmc.c letters.c ring_lanes.c ring_spsc.c event.c process.c \
    sweep.c anchor.c directory.c region.c; do
    check "$file"
done
exit $failed
