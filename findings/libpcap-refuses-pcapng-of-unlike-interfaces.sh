#!/bin/sh
# SPDX-License-Identifier: MIT
# tcpdump stops reading a valid pcapng file where a second interface has another snapshot length
#
# With:     tcpdump 4.99.3-1, libpcap 1.10.3-1 (Debian 12).
# Expected: pcapng gives every interface its own link type and snapshot length, so that one file can
#           hold several sources. Another link type may be too much for an old API; a snapshot length
#           is only a number about how much was kept.
# Seen:     libpcap refuses both, and so everything built on it, not only tcpdump. It notices in the
#           middle: an interface that is described later in the file ends the reading there, with exit
#           status 1, after the packets before it were printed.
# Why:      a recorder that writes one interface for each channel must give all of them the same link
#           type and the same snapshot length, or its files open in Wireshark only.
. "$(dirname "$0")/common.inc"

debs tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
cat >"$tmp/write.py" <<'P'
import struct
import sys


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    total = len(body) + 12
    return struct.pack("<II", kind, total) + body + struct.pack("<I", total)


def interface(link_type, snapshot_bytes):
    nanoseconds = struct.pack("<HHB3x", 9, 1, 9)
    return block(1, struct.pack("<HHI", link_type, 0, snapshot_bytes) + nanoseconds + b"\0" * 4)


def packet(interface_id):
    return block(6, struct.pack("<5I", interface_id, 0x18C1B, 0x5D6E7F80, 4, 4) + b"abcd")


with open(sys.argv[1], "wb") as f:
    f.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    f.write(interface(147, 65535) + packet(0))
    f.write(interface(int(sys.argv[2]), int(sys.argv[3])) + packet(1))
P
read_file() {
    python3 "$tmp/write.py" "$tmp/$1" "$2" "$3"
    status=0
    "$root/usr/bin/tcpdump" -Z root -t -r "$tmp/$1" >"$tmp/$1.out" 2>"$tmp/$1.err" || status=$?
    saw "$1: exit status $status, $(grep -c UNSUPPORTED "$tmp/$1.out") packets; $(tail -n 1 "$tmp/$1.err")"
}
read_file alike 147 65535
expect "two alike are read" test "$status $(grep -c UNSUPPORTED "$tmp/alike.out")" = "0 2"
read_file shorter 147 1024
expect "another snapshot length ends it" test "$status $(grep -c UNSUPPORTED "$tmp/shorter.out")" = "1 1"
expect "and it says so" grep -q 'snapshot length 1024 different from' "$tmp/shorter.err"
read_file other-type 148 65535
expect "as another link type does" test "$status $(grep -c UNSUPPORTED "$tmp/other-type.out")" = "1 1"
