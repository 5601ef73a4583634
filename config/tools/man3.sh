#!/bin/sh
# SPDX-License-Identifier: MIT
# The pages of section 3, one for each call and shmbus.3: made from the public header by kernel-doc (of
# the kernel's build tools: package linux-kbuild-6.1, or KERNEL_DOC=FILE) and man3.awk, and kept in
# doc/man/, so that building and installing need neither. doc/man/man3.sum says what they were made from.
# usage: man3.sh          makes them
#        man3.sh check    prints a line for each that is not of this header; exit status 1 then
set -u
cd "$(dirname "$0")/../.." || exit 2
header=libshmbus/include/shmbus/shmbus.h
sums() { cksum $header config/tools/man3.awk doc/man/*.3; }

if [ "${1:-}" = check ]; then
    sums | diff - doc/man/man3.sum >/dev/null ||
        { echo "$header:1: the pages in doc/man are not of this header: make man3"; exit 1; }
    grep -v '^#' "$(grep -l '^# open' test/abi/symbols-*)" | while read -r call; do
        [ -e "doc/man/$call.3" ] || echo "doc/man/$call.3:1: is not there: make man3"
    done | grep . && exit 1
    exit 0
fi

tool=${KERNEL_DOC:-$(find /usr/lib/linux-kbuild-*/scripts /usr/src/*/scripts -name kernel-doc 2>/dev/null | sort -V | tail -n 1)}
if [ ! -f "$tool" ]; then
    echo "make man3: no kernel-doc: run \`sh config/setup.sh man3\`, or: apt-get install -y linux-kbuild-6.1" >&2
    exit 1
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^#define SHMBUS_VERSION "\(.*\)"/\1/p' libshmbus/include/shmbus/version.h)
date=$(awk '$1 == ".TH" {print $4; exit}' doc/man/shmbus.7)
mkdir "$work/pages"
perl "$tool" -man $header >"$work/all" || exit 1
[ -s "$work/all" ] || { echo "make man3: $tool found nothing in $header" >&2; exit 1; }
awk -v out="$work/pages" -v date="$date" -v version="$version" -f config/tools/man3.awk $header "$work/all" || exit 1
rm -f doc/man/*.3
cp "$work"/pages/*.3 doc/man/
sums >doc/man/man3.sum
