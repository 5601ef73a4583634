#!/bin/sh
# SPDX-License-Identifier: MIT
# python-can: a recording that is read back by its own library has other times, other kinds of frames, other directions
#
# With:     python3-can 4.1.0-1, python3-typing-extensions 4.4.0-1, python3-wrapt 1.14.1-2+b2, python3-packaging
#           23.0-1, python3-msgpack 1.0.3-2+b1 (Debian 12).
# Expected: can.Logger takes a message to a file, can.LogReader brings it back; a format that has no room for
#           something refuses it. The format is chosen by the name of the file, as a matter of taste.
# Seen:     no error for any of these. CSV and SQLite turn a CAN FD frame of 12 bytes into a classic one of
#           12 bytes, which cannot exist, a sent frame into a received one, and have no channel. The candump log
#           turns a remote frame for 4 bytes into one for 0. BLF cuts microseconds off the time. ASC gives the time since the
#           first frame, where each other format gives the time of day. Error frames lose their number and data in ASC
#           and in the candump log. Only BLF keeps kind, direction and channel of all, only CSV, SQLite and the log keep
#           the time.
# Why:      recordings are evidence and are replayed: the replay sends other frames than the device did, "convert
#           to CSV" is a loss, and two recordings of one run cannot be laid side by side by their times.
. "$(dirname "$0")/common.inc"

debs python3-can=4.1.0-1 python3-typing-extensions=4.4.0-1 python3-wrapt=1.14.1-2+b2 python3-packaging=23.0-1 \
    python3-msgpack=1.0.3-2+b1
cat >"$tmp/record.py" <<'P'
import can

plain = {"is_extended_id": False, "channel": 1}
frames = {
    "sent": can.Message(timestamp=1700000000.123456, arbitration_id=0x123, data=[1, 2], is_rx=False, **plain),
    "error": can.Message(timestamp=1700000000.223456, arbitration_id=0x4, is_error_frame=True, data=[0] * 8, **plain),
    "remote": can.Message(timestamp=1700000000.323456, arbitration_id=0x7, is_remote_frame=True, dlc=4, **plain),
    "fd": can.Message(timestamp=1700000000.423456, arbitration_id=0x55, is_fd=True, data=range(12), **plain),
}


def text(m):
    flags = [("error", m.is_error_frame), ("remote", m.is_remote_frame), ("fd", m.is_fd)]
    kind = [name for name, is_so in flags if is_so] or ["classic"]
    return "%.6f %x %s %s %d %s" % (m.timestamp, m.arbitration_id, "rx" if m.is_rx else "tx", kind[0], m.dlc, m.channel)


for name, frame in frames.items():
    print("given", name, text(frame))
for ext in ("asc", "blf", "csv", "db", "log"):
    with can.Logger("x." + ext) as logger:
        for frame in frames.values():
            logger(frame)
    with can.LogReader("x." + ext) as reader:
        for name, frame in zip(frames, reader):
            print(ext, name, text(frame))
P
cd "$tmp"
TZ=UTC PYTHONPATH=$root/usr/lib/python3/dist-packages timeout 60 /usr/bin/python3 record.py >out 2>err || { cat err && exit 1; }
cat out
said() { grep -qxF "$1" out; }
for ext in csv db; do
    expect "$ext: sent is received" said "$ext sent 1700000000.123456 123 rx classic 2 None"
    expect "$ext: CAN FD is classic, of 12 bytes" said "$ext fd 1700000000.423456 55 rx classic 12 None"
done
expect "log: a remote frame for nothing" said "log remote 1700000000.323456 7 rx remote 0 can1"
expect "log: an error without its number" said "log error 1700000000.223456 0 rx error 0 None"
expect "log: the rest is right" said "log sent 1700000000.123456 123 tx classic 2 can1"
expect "blf: no microseconds" said "blf sent 1700000000.123000 123 tx classic 2 1"
expect "blf: the rest is right" eval 'said "blf error 1700000000.223000 4 rx error 8 1" &&
    said "blf remote 1700000000.323000 7 rx remote 4 1" && said "blf fd 1700000000.423000 55 rx fd 12 1"'
expect "asc: time from the start" said "asc fd 0.300000 55 rx fd 12 1"
expect "asc: an error without its number" said "asc error 0.100000 0 rx error 0 0"
cd /
