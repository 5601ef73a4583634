#!/bin/sh
# SPDX-License-Identifier: MIT
# What shmbus needs, compiled for musl: libyaml, CUnit and json-c from Debian's sources, and the
# headers that belong to no C library (of the kernel and of libatomic_ops), in one directory.
#
#   sh test/musl/sysroot.sh DIR    makes DIR/include and DIR/lib; at once if they are there
#
# Exit status 77, and one line that says why, where that cannot be had: no musl-gcc, or no Debian
# sources to be reached. Needs no root and changes nothing outside of DIR: apt-get has its lists
# there as well.
set -u
root=${1:?usage: test/musl/sysroot.sh DIR}
mkdir -p "$root" && root=$(cd "$root" && pwd) || exit 2
[ ! -e "$root/complete" ] || exit 0
src=$root/src
limit_s=60 # for each of the two downloads

cannot() { echo "musl: $*"; exit 77; }
failed() { echo "musl: $*" >&2; exit 1; }

command -v musl-gcc >/dev/null || cannot "no musl-gcc: apt-get install -y musl-tools"
command -v apt-get >/dev/null || cannot "no apt-get to get Debian's sources with"
arch=$(cc -dumpmachine 2>/dev/null) && [ -d "/usr/include/$arch/asm" ] || cannot "no headers of the kernel"
[ -d /usr/include/atomic_ops ] || cannot "no libatomic_ops: apt-get install -y libatomic-ops-dev"

# The release and the mirror of this machine, with deb-src, in lists of our own.
apt_settings() {
    . /etc/os-release 2>/dev/null
    [ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ] || return 1
    mirror=$(sed -n -e 's/^URIs: *//p' -e 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null | grep -v security | head -n 1)
    echo "deb-src ${mirror:-http://deb.debian.org/debian} $VERSION_CODENAME main" >"$src/sources.list"
    mkdir -p "$src/lists/partial" "$src/cache/archives/partial"
    cat >"$src/apt.conf" <<EOF
Dir::Etc::sourcelist "$src/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$src/lists";
Dir::Cache "$src/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
EOF
}
fetch() {
    cd "$src" || return 1
    APT_CONFIG=$src/apt.conf timeout "$limit_s" apt-get -qq update >"$src/log" 2>&1 &&
        APT_CONFIG=$src/apt.conf timeout "$limit_s" \
            apt-get -qq source --download-only libyaml cunit json-c >>"$src/log" 2>&1
}
unpack() { # unpack PACKAGE: sets $dir
    mkdir -p "$src/$1" && tar xf "$src/$1"_*.orig.tar.* -C "$src/$1" --strip-components=1 || return 1
    dir=$src/$1
}
# archive NAME FLAG... -- SOURCE...
archive() {
    lib=$1 flags=
    shift
    while [ "$1" != -- ]; do
        flags="$flags $1"
        shift
    done
    shift
    mkdir -p "$src/obj-$lib"
    for c; do
        # shellcheck disable=SC2086 # words
        musl-gcc -O1 -w $flags -c "$c" -o "$src/obj-$lib/$(basename "$c" .c).o" || return 1
    done
    ar rcs "$root/lib/lib$lib.a" "$src/obj-$lib"/*.o
}

rm -rf "$src" "$root/include" "$root/lib"
mkdir -p "$src" "$root/include/CUnit" "$root/include/json-c" "$root/lib"
apt_settings || cannot "this is no Debian"
fetch || cannot "Debian's sources of libyaml, cunit and json-c cannot be had: $(grep -h '^[EW]:' "$src/log" | tail -n 1)"

for d in linux asm-generic; do ln -s "/usr/include/$d" "$root/include/$d"; done
ln -s "/usr/include/$arch/asm" "$root/include/asm"
ln -s /usr/include/atomic_ops.h /usr/include/atomic_ops "$root/include/"

unpack libyaml || failed "libyaml does not unpack"
cp "$dir"/include/yaml.h "$root/include/"
archive yaml -I"$dir/include" -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 \
    '-DYAML_VERSION_STRING="0.2.5"' -- "$dir"/src/*.c || failed "libyaml does not compile"

unpack cunit || failed "CUnit does not unpack"
cp "$dir"/CUnit/Headers/*.h "$root/include/CUnit/"
archive cunit -I"$dir/CUnit/Headers" '-DVERSION="2.1-3"' -- "$dir"/CUnit/Sources/Framework/*.c \
    "$dir"/CUnit/Sources/Basic/*.c || failed "CUnit does not compile"

# What its configure would find out about musl; the calls for old systems are all there.
unpack json-c || failed "json-c does not unpack"
cp "$dir"/*.h "$root/include/json-c/"
for h in json_config.h json.h; do
    cp "/usr/include/json-c/$h" "$root/include/json-c/" || cannot "no json-c: apt-get install -y libjson-c-dev"
done
cat >"$root/include/json-c/config.h" <<'EOF'
#define HAVE_FCNTL_H
#define HAVE_INTTYPES_H
#define HAVE_LIMITS_H
#define HAVE_LOCALE_H
#define HAVE_STDARG_H
#define HAVE_STDINT_H
#define HAVE_STDLIB_H
#define HAVE_STRINGS_H
#define HAVE_STRING_H
#define HAVE_SYSLOG_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_RANDOM_H
#define HAVE_SYS_STAT_H
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define HAVE_ATOMIC_BUILTINS
#define HAVE_DECL_INFINITY 1
#define HAVE_DECL_ISINF 1
#define HAVE_DECL_ISNAN 1
#define HAVE_DECL_NAN 1
#define HAVE_OPEN
#define HAVE_REALLOC
#define HAVE_SETLOCALE
#define HAVE_SNPRINTF
#define HAVE_STRCASECMP 1
#define HAVE_STRDUP
#define HAVE_STRERROR
#define HAVE_STRNCASECMP 1
#define HAVE_USELOCALE
#define HAVE_VASPRINTF
#define HAVE_VPRINTF
#define HAVE_VSNPRINTF
#define HAVE_VSYSLOG 1
#define HAVE_GETRANDOM
#define HAVE_STRTOLL
#define HAVE_STRTOULL
#define JSON_C_HAVE_INTTYPES_H 1
#define SIZEOF_INT 4
#define SIZEOF_INT64_T 8
#define SIZEOF_LONG 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_SSIZE_T 8
#define STDC_HEADERS
#define PACKAGE_VERSION "0"
EOF
archive json-c -D_GNU_SOURCE -I"$root/include/json-c" -- "$dir"/*.c || failed "json-c does not compile"

rm -rf "$src"
: >"$root/complete"
