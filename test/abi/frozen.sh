#!/bin/sh
# SPDX-License-Identifier: MIT
# What programs compiled against an older header rely on is still so: every number, every place in a
# struct, every call. Structs that say their size may have grown, limits may have been raised.
# Prints one line a finding; exit status 1 if any.
# usage: frozen.sh OLD_INCLUDE_DIR INCLUDE_DIR
set -u
old=${1:?usage: frozen.sh OLD_INCLUDE_DIR INCLUDE_DIR} new=${2:?}
here=$(dirname "$0")
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

sh "$here/facts.sh" "$old" >"$work/facts.c"
for side in old new; do
    eval "dir=\$$side"
    if ! ${CC:-cc} -std=gnu11 -I"$dir" -o "$work/$side" "$work/facts.c" 2>"$work/errors"; then
        grep -e 'error:' "$work/errors" | sed "s|^[^ ]* error:|$dir:|"
        exit 1
    fi
    "$work/$side" | sort >"$work/$side.facts"
    sh "$here/calls.sh" "$dir" >"$work/$side.calls"
done
[ "$(grep -c '^N' "$work/old.facts")" -gt 50 ] && [ "$(grep -c '^M' "$work/old.facts")" -gt 100 ] &&
    [ "$(wc -l <"$work/old.calls")" -gt 50 ] || { echo "$old: hardly anything was found in there"; exit 1; }

awk '
    FNR == NR { is[$1 " " $2] = $3 " " $4; next }
    /^M .*\.struct_bytes/ { split($2, part, "."); grows[part[1]] = 1 }
    { was[$1 " " $2] = $3 " " $4 }
    END {
        for (key in was) {
            split(key, k, " "); split(was[key], w, " "); split(is[key], i, " ")
            may_grow = (k[1] == "S" && k[2] in grows) ||
                       (k[1] == "N" && k[2] ~ /_MAX$|^SHMBUS_COUNTER_COUNT$/)
            if (was[key] == is[key] || (may_grow && i[1] + 0 > w[1] + 0)) continue
            print k[2] ": was " was[key] ", is " is[key]
            bad = 1
        }
        exit bad
    }' "$work/new.facts" "$work/old.facts"
status=$?
comm -23 "$work/old.calls" "$work/new.calls" | sed 's/$/: not declared any more/' >"$work/gone"
cat "$work/gone"
[ ! -s "$work/gone" ] && [ $status = 0 ]
