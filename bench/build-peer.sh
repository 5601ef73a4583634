#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds one contestant, or notes in OUT/bench-NAME.skip why it cannot be built here. Never fails
# for a missing package: the comparison then runs without it.
#   build-peer.sh SOURCE OUT      with CC, CXX, SHMBUS_LIBS, SHMBUS_CPPFLAGS, Q in the environment
set -u
src=$1
out=$2
name=$(basename "$src" | sed 's/\.[a-z]*$//')
program=$out/bench-$name
skip=$program.skip
CC=${CC:-gcc}
CXX=${CXX:-g++}

field() {
    sed -n "s/^[ #]*\**  *$1: //p" "$src" | head -n 1
}

give_up() {
    printf '%s\n' "$1" > "$skip"
    rm -f "$program"
    printf '  SKIP    %s: %s\n' "$name" "$1"
    exit 0
}

packages=$(field packages)
cflags=$(field cflags)
libs=$(field libs)
for module in $(field pkg-config); do
    pkg-config --exists "$module" 2> /dev/null ||
        give_up "needs the Debian packages: $packages"
    cflags="$cflags $(pkg-config --cflags "$module")"
    [ -n "$libs" ] || libs=$(pkg-config --libs "$module")
done
for command in $(field commands); do
    command -v "$command" > /dev/null || give_up "needs the Debian packages: $packages"
done

case $src in
*.py)
    command -v python3 > /dev/null || give_up "needs the Debian packages: python3"
    cp "$src" "$program" && chmod 755 "$program" && rm -f "$skip"
    cp "$(dirname "$src")/../harness/loops.py" "$out/"
    exit
    ;;
*.cc) compile="$CXX -std=gnu++17 -Wno-unused-parameter" ;;
*) compile="$CC -std=gnu11" ;;
esac
for header in $(field headers); do
    printf '#include <%s>\n' "$header" |
        $compile -D_GNU_SOURCE $cflags -E -x "$(case $src in *.cc) echo c++ ;; *) echo c ;; esac)" - \
            > /dev/null 2>&1 || give_up "needs the Debian packages: $packages"
done
case $(field kind) in
shmbus)
    cflags="$cflags $SHMBUS_CPPFLAGS"
    libs="$libs $SHMBUS_LIBS"
    ;;
esac

printf '  BENCH   %s\n' "$name"
rm -f "$skip"
# The peers get what their authors would ask for: the machine's own instructions, no assertions.
# shellcheck disable=SC2086
exec $compile -D_GNU_SOURCE -DNDEBUG -O2 -g -march=native -Wall -Wextra $cflags \
    -o "$program" "$src" "$out"/harness/*.o $libs -lpthread -lrt
