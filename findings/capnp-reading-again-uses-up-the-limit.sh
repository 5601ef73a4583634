#!/bin/sh
# SPDX-License-Identifier: MIT
# Cap'n Proto: reading the same small message again and again ends in an exception
#
# With:     Cap'n Proto 0.9.2-2 (Debian 12), C++, default ReaderOptions.
# Expected: the traversal limit (64 MiB) guards against a message that is larger inside than outside;
#           a message far below it can be read as often as one likes.
# Seen:     each look at a field is charged again to the reader for its whole life. A blob of 1 MiB can
#           be looked at 63 times, a message of 8 bytes two million times; then every access throws
#           "Exceeded message traversal limit".
# Why:      zero-copy readers over shared memory are kept and polled: a status record, a table, the
#           latest value. Such a program works in every test and fails after hours. One reader for each
#           look, or a limit that fits the life of the reader.
. "$(dirname "$0")/common.inc"

debs libcapnp-dev=0.9.2-2 libcapnp-0.9.2=0.9.2-2 capnproto=0.9.2-2
cat >"$tmp/record.capnp" <<'S'
@0xbf5147cbbecf40c1;
struct Record { data @0 :Data; }
S
(cd "$tmp" && PATH="$root/usr/bin:$PATH" capnp compile "-o$root/usr/bin/capnpc-c++" record.capnp)
cat >"$tmp/main.cc" <<'C'
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <cstdio>
#include "record.capnp.h"

static void look_again_and_again(unsigned bytes, long most)
{
    capnp::MallocMessageBuilder builder;
    builder.initRoot<Record>().initData(bytes);
    auto words = capnp::messageToFlatArray(builder);
    capnp::FlatArrayMessageReader reader(words);
    long looks = 0;

    try {
        for (; looks < most; looks++) {
            reader.getRoot<Record>().getData();
        }
        std::printf("%u bytes: no end after %ld\n", bytes, looks);
    } catch (const kj::Exception &e) {
        std::printf("%u bytes: %ld looks, then: %s\n", bytes, looks, e.getDescription().cStr());
    }
}

int main()
{
    look_again_and_again(1u << 20, 10000);
    look_again_and_again(8, 100000000);
}
C
env -u LD_LIBRARY_PATH g++ -std=c++14 -O1 -I"$root/usr/include" -I"$tmp" -o "$tmp/looks" "$tmp/main.cc" \
    "$tmp/record.capnp.c++" -L"$libs" -l:libcapnp-0.9.2.so -l:libkj-0.9.2.so
"$tmp/looks" | tee "$tmp/out"
expect "1 MiB can be looked at 63 times" grep -q '^1048576 bytes: 63 looks, then: Exceeded message traversal limit' "$tmp/out"
expect "8 bytes two million times" grep -q '^8 bytes: 2097152 looks, then: Exceeded' "$tmp/out"
