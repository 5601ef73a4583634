#!/bin/sh
# SPDX-License-Identifier: MIT
# The layers of libshmbus, from the lowest to the highest: each folder may know those before it, and
# the files of one folder make no circle. Prints one line a finding; exit status 1 if any.
#   layers.sh            what the sources include
#   layers.sh OBJECTS    what the objects below that directory call, too: OBJECTS/libshmbus/...
# One name may be asked for upwards, the table of kinds: a layer says what it asks of a kind, and the
# file that knows all layers fills it in (layout/kinds.h).
set -u
cd "$(dirname "$0")/../.." || exit 2
layers='base layout plan protocol bus inspect channel .' # doc/architecture.md draws them

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# Of a line "FROM TO WHY", names of files below libshmbus/ without their ending.
find libshmbus -name '*.[ch]' ! -path '*/include/*' | sort >"$work/sources"
xargs grep -H '^#include "' <"$work/sources" |
    sed -n 's|^libshmbus/\([^:]*\)\.[ch]:#include "\([^"]*\)\.\([ch]\)".*|\1 \2 includes_\2.\3|p' >"$work/edges"
for folder in $(find libshmbus -mindepth 1 -type d -printf '%P\n' | grep -v '^include'); do
    case " $layers " in *" $folder "*) ;; *) echo "libshmbus/$folder: is no layer of config/tools/layers.sh" ;; esac
done >"$work/findings"

if [ $# -gt 0 ]; then
    find "$1/libshmbus" -name '*.o' -printf '%P\n' 2>"$work/find.log" | while read -r object; do
        [ -e "libshmbus/${object%.o}.c" ] || continue # of a file that is gone
        nm "$1/libshmbus/$object" | sed "s|^|${object%.o} |"
    done >"$work/symbols"
    awk '$NF == "sb_kind_rows" { next }
         NF == 4 && $3 ~ /^[A-Z]$/ { defined[$4] = $1 }
         NF == 3 && $2 == "U" { used[$1 " " $3] = 1 }
         END { for (u in used) { split(u, p, " ")
                   if (p[2] in defined && defined[p[2]] != p[1]) print p[1], defined[p[2]], "calls_" p[2] } }' \
        "$work/symbols" | sort >"$work/calls"
    [ -s "$work/calls" ] || echo "$1: no objects there" >>"$work/findings"
    cat "$work/calls" >>"$work/edges"
fi

awk -v layers="$layers" '
    function layer(file) { return file ~ /\// ? substr(file, 1, index(file, "/") - 1) : "." }
    BEGIN { n = split(layers, list, " "); for (i = 1; i <= n; i++) rank[list[i]] = i }
    rank[layer($2)] > rank[layer($1)] {
        sub("_", " ", $3); print "libshmbus/" $1 ": " $3 ", which is in a higher layer (" $2 ")" }
' "$work/edges" >>"$work/findings"

awk '$1 != $2 { print $1, $2 }' "$work/edges" | sort -u | tsort 2>&1 >/dev/null |
    sed 's/^tsort: -: input contains a loop:$/a circle of files:/; s/^tsort: /  /' >>"$work/findings"

if [ -s "$work/findings" ]; then
    cat "$work/findings"
    exit 1
fi
