#!/bin/sh
# SPDX-License-Identifier: MIT
# The header of the release that is being worked on, in test/abi/vX.Y: the one whose list of symbols
# begins with "# open". Without a word copies it there; with `check` prints a line if what it declares
# is not what the public header declares (comments do not count); exit status 1 then.
# usage: freeze.sh [check]
set -u
cd "$(dirname "$0")/../.." || exit 2
header=libshmbus/include/shmbus
release=$(grep -l '^# open' test/abi/symbols-* | sed 's/.*symbols-//')
[ "$(echo "$release" | wc -w)" = 1 ] || { echo "test/abi: no list of symbols is open, or several are"; exit 1; }
frozen=test/abi/v$release
declared() { ${CC:-cc} -E -P -std=gnu11 -I"$1/.." "$1/shmbus.h" && cat "$1/version.h"; }
macros() { ${CC:-cc} -E -dM -std=gnu11 -I"$1/.." "$1/shmbus.h" | grep SHMBUS | sort; }
if [ "${1:-}" != check ]; then
    mkdir -p "$frozen/shmbus" && cp $header/*.h "$frozen/shmbus/"
    exit
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
for side in $header $frozen/shmbus; do
    { declared $side && macros $side; } >"$work/$(echo $side | tr / -)" 2>&1
done
cmp -s "$work"/* || { echo "$frozen/shmbus/shmbus.h:1: not what $header declares: make freeze-abi"; exit 1; }
