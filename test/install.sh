#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make install` puts in place can be used as people use it: pkg-config, shared and static
# linking, the tool; `make uninstall` leaves nothing. usage: test/install.sh MAKE [ARGUMENT…]
set -u
make=$1
shift
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
. test/check.inc
cc() { ${CC:-gcc} ${SANITIZE:-} "$@"; }
pc() { PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config "$@" shmbus; }

each_call_has_its_page() {
    grep -v '^#' test/abi/symbols-* | sed 's/.*://' | while read -r call; do
        [ -s "$prefix/share/man/man3/$call.3" ] || echo "$call"
    done | { ! grep .; }
}

cat >"$work/program.c" <<'END'
#include <shmbus/shmbus.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    struct shmbus_plan *plan;
    if (shmbus_plan_parse("bus: x\n", 7, "-", &plan) != 0)
        return 1;
    shmbus_plan_free(plan);
    puts(shmbus_version());
    return strcmp(shmbus_version(), SHMBUS_VERSION);
}
END
check "make install works" "$make" -s --no-print-directory "$@" PREFIX="$prefix" install
find "$prefix" ! -type d | sed "s|^$prefix/||" | sort >"$work/files"
for file in include/shmbus/shmbus.h include/shmbus/version.h lib/libshmbus.a lib/libshmbus.so \
    lib/libshmbus.so.0 lib/pkgconfig/shmbus.pc bin/shmbusctl; do
    check "$file is installed" grep -qx "$file" "$work/files"
done
check "shmbus(3) is installed" test -s "$prefix/share/man/man3/shmbus.3"
check "each call has its page" each_call_has_its_page
if command -v man >/dev/null && man -l doc/man/shmbus.3 >/dev/null 2>&1; then
    check "man finds the page of a call" sh -c 'man -M "$1" 3 shmbus_send | grep -q "RETURN VALUE"' sh \
        "$prefix/share/man"
fi
# shellcheck disable=SC2046 # words on purpose
check "a program links with the shared library by pkg-config" \
    cc -o "$work/shared" "$work/program.c" $(pc --cflags --libs) -Wl,-rpath,"$prefix/lib"
check "and runs" "$work/shared"
# shellcheck disable=SC2046
check "a program links with the static library by pkg-config --static" \
    cc -o "$work/static" "$work/program.c" $(pc --cflags) "$prefix/lib/libshmbus.a" \
    $(pc --static --libs-only-other) -lyaml
check "and runs, too" "$work/static"
check "the installed tool finds the installed library" "$prefix/bin/shmbusctl" --version
check "DESTDIR goes in front of everything" \
    "$make" -s --no-print-directory "$@" PREFIX=/usr DESTDIR="$work/dest" install
check "and its .pc file knows nothing of it" \
    sh -c '! grep -q "$1" "$1/dest/usr/lib/pkgconfig/shmbus.pc"' sh "$work"
"$make" -s --no-print-directory "$@" PREFIX="$prefix" uninstall
check "make uninstall leaves no file" same "$(find "$prefix" ! -type d | wc -l)" 0
exit $failed
