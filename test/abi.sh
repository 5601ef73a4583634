#!/bin/sh
# The header, the symbol map, the shared and the static library, version and .pc file agree.
# usage: test/abi.sh LIB_DIR
set -u
lib=${1:?usage: test/abi.sh LIB_DIR}
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() {
    sentence=$1
    shift
    if "$@" >"$work/why" 2>&1; then
        echo "ok - $sentence"
        passed=$((passed + 1))
    else
        echo "not ok - $sentence"
        sed 's/^/#   /' "$work/why"
        failed=$((failed + 1))
    fi
}
same() { diff "$work/$1" "$work/$2"; }
is() { [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }

header=libshmbus/include/shmbus/shmbus.h
version=$(sed -n 's/^#define SHMBUS_VERSION "\(.*\)"/\1/p' libshmbus/include/shmbus/version.h)
numbers=$(sed -n 's/^#define SHMBUS_VERSION_M[A-Z]* //p;s/^#define SHMBUS_VERSION_PATCH //p' \
    libshmbus/include/shmbus/version.h | paste -sd .)
major=${version%%.*}

# Declarations may go over several lines: join them, then take the name before the first '('.
tr '\n' ' ' <$header | grep -o 'SHMBUS_API [^;(]*(' | grep -v '__attribute__' |
    sed 's/.*[ *]\(shmbus_[a-z_]*\)($/\1/' | sort >"$work/declared"
nm -D --defined-only "$lib/libshmbus.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' |
    sort >"$work/exported"
nm -g --defined-only "$lib/libshmbus.a" | awk 'NF == 3 {print $3}' | sort >"$work/static"
grep -o 'F(shmbus_[a-z_]*)' test/headers.c | tr -d 'F()' | sort >"$work/tested"

check "the shared library exports what the header declares, and nothing else" same declared exported
check "the static library exports the same" same declared static
check "test/headers.c uses every declared function" same declared tested
check "every exported symbol has the version SHMBUS_0.1" \
    sh -c '! nm -D --defined-only --with-symbol-versions "$1" | grep " [TDBR] " | grep -v "@@SHMBUS_0.1$"' \
    sh "$lib/libshmbus.so"
check "the parts of the version number agree with its text" is "$numbers" "$version"
check "the SONAME has the major version" is \
    "$(objdump -p "$lib/libshmbus.so" | awk '$1 == "SONAME" {print $2}')" "libshmbus.so.$major"
check "the .pc file has the version" is "$(sed -n 's/^Version: //p' "$lib/shmbus.pc")" "$version"
check "the library needs only libyaml and libc" is \
    "$(objdump -p "$lib/libshmbus.so" | awk '$1 == "NEEDED" {print $2}' |
        grep -v -e asan -e ubsan -e tsan -e libgcc_s -e ld-linux | sort | paste -sd ' ')" \
    "libc.so.6 libyaml-0.so.2"

echo "$passed passed, $failed failed"
[ -z "${T_RESULTS:-}" ] || echo "$passed $failed 0 test/abi.sh" >>"$T_RESULTS"
[ $failed = 0 ]
