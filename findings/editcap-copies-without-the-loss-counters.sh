#!/bin/sh
# SPDX-License-Identifier: MIT
# editcap and mergecap copy a pcapng file without its counters of lost packets, and move its time stamps
#
# With:     wireshark-common 4.0.17-0+deb12u3 (Debian 12).
# Expected: "editcap in out" without options is a copy; mergecap puts records in order and changes none.
# Seen:     the interface statistics blocks, which say how many packets were received and lost, are gone,
#           and so is the hash option (epb_hash) of a packet; comments, packet ids, queue numbers and
#           drop counts of single packets stay. With a resolution that is a power of two (if_tsresol 0x9f,
#           2^-31 s) a stamp comes out one tick earlier, with nanoseconds it stays. Exit status 0.
# Why:      a recorder that notes its losses in such a block has none any more when somebody has cut the
#           file to the interesting minute. Losses belong into the stream itself (epb_dropcount, or a record
#           of their own), the resolution is best a power of ten.
. "$(dirname "$0")/common.inc"

debs wireshark-common=4.0.17-0+deb12u3 libwiretap13=4.0.17-0+deb12u3 libwsutil14=4.0.17-0+deb12u3 \
    libglib2.0-0=2.74.6-2+deb12u9
cat >"$tmp/pcapng.py" <<'P'
import struct
import sys

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
COMMENT, HASH, DROPPED, PACKET_ID, QUEUE = 1, 3, 4, 5, 6


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    total = len(body) + 12
    return struct.pack("<II", kind, total) + body + struct.pack("<I", total)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def packet(stamp):
    options = [
        option(COMMENT, b"slow"),
        option(HASH, b"\2abcd"),
        option(DROPPED, struct.pack("<Q", 3)),
        option(PACKET_ID, struct.pack("<Q", 77)),
        option(QUEUE, struct.pack("<I", 1)),
        b"\0" * 4,
    ]
    head = struct.pack("<5I", 0, stamp >> 32, stamp & 0xFFFFFFFF, 4, 4)
    return block(PACKET, head + b"data" + b"".join(options))


def write(path, resolution):
    second = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    stamp = 1700000000 * second + 7
    with open(path, "wb") as f:
        f.write(block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        f.write(block(INTERFACE, struct.pack("<HHI", 147, 0, 0) + option(9, bytes([resolution])) + b"\0" * 4))
        f.write(packet(stamp))
        lost = option(4, struct.pack("<Q", 10)) + option(5, struct.pack("<Q", 9)) + b"\0" * 4
        f.write(block(STATISTICS, struct.pack("<III", 0, stamp >> 32, stamp & 0xFFFFFFFF) + lost))


def show(path):
    data = open(path, "rb").read()
    at = 0
    seen = []
    while at < len(data):
        kind, total = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + total - 4]
        at += total
        if kind == STATISTICS:
            seen.append("statistics")
        if kind == PACKET:
            high, low = struct.unpack_from("<II", body, 4)
            seen.append("tick %d" % ((high << 32 | low) & 0xFF))
            rest = 24
            while rest + 4 <= len(body):
                code, size = struct.unpack_from("<HH", body, rest)
                names = {1: "comment", 3: "hash", 4: "dropped", 5: "id", 6: "queue"}
                if code in names:
                    seen.append(names[code])
                rest += 4 + size + -size % 4
    print(" ".join(seen))


if sys.argv[1] == "write":
    write(sys.argv[2], int(sys.argv[3]))
else:
    show(sys.argv[2])
P
show() { python3 "$tmp/pcapng.py" show "$tmp/$1"; }
for resolution in 9 159; do
    python3 "$tmp/pcapng.py" write "$tmp/in-$resolution" $resolution
    "$root/usr/bin/editcap" "$tmp/in-$resolution" "$tmp/edit-$resolution"
    "$root/usr/bin/mergecap" -w "$tmp/merge-$resolution" "$tmp/in-$resolution"
    for step in in edit merge; do
        saw "$step-$resolution: $(show $step-$resolution)"
    done
done
for step in edit merge; do
    expect "$step: no statistics, no hash" test "$(show $step-9)" = "tick 7 comment dropped id queue"
done
# 7 in the input with both resolutions
expect "binary resolution: a tick earlier" test "$(show edit-159)" = "tick 6 comment dropped id queue"
