#!/bin/sh
# SPDX-License-Identifier: MIT
# The layout as the compiler sees it against what is written down: doc/layout-MAJOR.txt and
# doc/layout.md. A segment made by one library is used by others, so a change of any byte needs a new
# SB_LAYOUT_MAJOR. Prints "ok - WHAT" or "not ok - WHAT".
#   check.sh PROGRAM [--update]   PROGRAM: print.c
cd "$(dirname "$0")/../.." || exit 2
program=$1
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. test/check.inc
empty() { cat "$1" && [ ! -s "$1" ]; }
pinned() { # FILE
    diff "$1" "$work/is" || { echo "raise SB_LAYOUT_MAJOR in layout.h; only while no release \
has this layout: sh test/layout/check.sh PROGRAM --update"; return 1; }
}

"$program" >"$work/is" 2>"$work/wrong"
status=$?
check 'every member and every bit is known to test/layout/print.c' \
    eval 'cat "$work/wrong"; status_is 0'
major=$(sed -n '1s/layout \([0-9]*\).*/\1/p' "$work/is")
minor=$(sed -n '1s/.*\.//p' "$work/is")
pin=doc/layout-$major.txt
[ "${2:-}" = --update ] && cp "$work/is" "$pin"

check "layout $major is what $pin says" pinned "$pin"
check "doc/layout.md describes layout $major.$minor" \
    grep -q "^Layout $major\.$minor\." doc/layout.md

# Sizes: each as "N bytes" on the page.
sed -n 's/^\(sb_[a-z]*\), \([0-9]*\) bytes$/\1 \2/p' "$work/is" | while read -r struct bytes; do
    grep -qw -e "$bytes bytes" doc/layout.md || echo "$struct has $bytes bytes"
done >"$work/sizes"
check 'doc/layout.md has the size of every struct' empty "$work/sizes"

# Words: "name | field : width | ..." on the page, from the high bits to the low ones; a field
# without a width is one bit.
awk '/^numbers$/ { exit }
     /^sb_/ { name = ""; next }
     /^[a-z]/ && !/^layout/ { name = $0; next }
     name != "" { split($1, b, /\.\./); w = b[2] == "" ? 1 : b[2] - b[1] + 1
                  if (b[1] + 0 > end[name] + 0) list[name] = " " b[1] - end[name] list[name]
                  list[name] = " " w list[name]; end[name] = b[1] + w }
     END { for (n in list) print n ":" list[n] }' "$work/is" | sort >"$work/words"
awk '/^ *[a-z0-9 ]+\|.*\|/ && !/^[0 ]*\+/ { n = split($0, f, "|"); name = f[1]; gsub(/^ +| +$/, "", name)
         line = name ":"
         for (i = 2; i < n; i++) { w = f[i]; if (w ~ /: *[0-9]+ *$/) { sub(/.*: */, "", w); w += 0 } else w = 1
                                   line = line " " w }
         if (name != "") print line }' doc/layout.md | sort >"$work/page"
while read -r line; do
    grep -qxF "$line" "$work/page" || echo "$line"
done <"$work/words" >"$work/missing"
check 'doc/layout.md has the bits of every word' empty "$work/missing"
exit $failed
