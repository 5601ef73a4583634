#!/bin/sh
# SPDX-License-Identifier: MIT
# Is one build of the library slower than another? Runs the rows of both in turns, 15 pairs of each, so
# that whatever the machine does meanwhile hits both, and compares within each pair. A row whose median
# ratio is under 0.97 is slower: exit status 1. For machines that are too noisy for `make bench`.
#
#   bench/pairs.sh OLD_TREE NEW_TREE [REGULAR EXPRESSION OVER ROWS]
#   git worktree add ../before main && bench/pairs.sh ../before . 'stream|lanes'
#
# The trees are checkouts of this project; each is built below its build/pairs, by its own makefile,
# with CC and CFLAGS of the environment. Both are measured by this tree's harness.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 2
if [ $# -lt 2 ] || [ $# -gt 3 ] || [ ! -d "$1/libshmbus" ] || [ ! -d "$2/libshmbus" ]; then
    echo 'usage: bench/pairs.sh OLD_TREE NEW_TREE [ROWS]: two checkouts; see the head of this file' >&2
    exit 2
fi
old=$(cd "$1" && pwd) new=$(cd "$2" && pwd) rows=${3:-}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
CC=${CC:-gcc}
PROGRAMS='shmbus shmbus_lanes'

# side NAME TREE: the library of that tree, and its adapter with this tree's harness
side() {
    build=$2/build/pairs
    make -C "$2" --no-print-directory -s CC="$CC" ${CFLAGS:+CFLAGS="$CFLAGS"} B="$build" \
        "$build/lib/libshmbus.so" || return 1
    mkdir -p "$work/$1/bench/peers" && ln -s "$here/harness" "$work/$1/bench/harness" &&
        ln -s "$2/libshmbus" "$work/$1/libshmbus" &&
        cp "$2"/bench/peers/shmbus*.[ch] "$work/$1/bench/peers/" || return 1
    for program in $PROGRAMS; do
        # shellcheck disable=SC2046
        $CC -std=gnu11 -D_GNU_SOURCE -DNDEBUG -O2 -g -march=native -I"$2/libshmbus/include" \
            -o "$work/$1/bench-$program" "$work/$1/bench/peers/$program.c" \
            $(find "$here/harness" -name '*.c' ! -name probe.c) -L"$build/lib" -lshmbus \
            -Wl,-rpath,"$build/lib" -pthread || return 1
    done
}
echo "pairs: building $old and $new"
side old "$old" && side new "$new" &&
    $CC -std=gnu11 -D_GNU_SOURCE -O2 -pthread -o "$work/bench-probe" "$here"/harness/*.c ||
    { echo 'pairs: not everything could be built' >&2; exit 2; }
python3 "$here/pairs.py" --old "$work/old" --new "$work/new" --probe "$work/bench-probe" \
    ${rows:+--only "$rows"}
