#!/bin/sh
# SPDX-License-Identifier: MIT
# GStreamer: one paused reader of a shmsink stops the live source and all other readers
#
# With:     GStreamer 1.22.0, plugin shm of gstreamer1.0-plugins-bad 1.22.0-4+deb12u8 (Debian 12). Needs root (for
#           a /dev/shm of its own).
# Expected: a live source has no time to wait; readers who are too slow miss buffers, the others go on.
# Seen:     each buffer stays until every reader has given it back. A stopped one gives back nothing, the
#           memory is used up, and the whole pipeline stands: nothing is produced, nobody receives
#           anything, no error, no message. When the stopped reader is killed all goes on.
# Why:      one viewer under a debugger, or in a paused container, is an outage for everybody, and nothing
#           names it. Buffers shared by all readers need a rule for who falls behind.
[ -n "${private:-}" ] || exec env private=1 unshare -m sh -c 'mount -t tmpfs tmpfs /dev/shm && exec sh "$0"' "$0"
. "$(dirname "$0")/common.inc"

debs libgstreamer1.0-0=1.22.0-2+deb12u1 gstreamer1.0-tools=1.22.0-2+deb12u1 \
    gstreamer1.0-plugins-bad=1.22.0-4+deb12u8 libglib2.0-0=2.74.6-2+deb12u9
mkdir "$tmp/plugins"
cp "$libs/gstreamer-1.0/libgstshm.so" "$libs/gstreamer-1.0/libgstcoreelements.so" "$tmp/plugins"
export GST_PLUGIN_SYSTEM_PATH="$tmp/plugins" GST_REGISTRY="$tmp/registry"
export GST_PLUGIN_SCANNER="$libs/gstreamer1.0/gstreamer-1.0/gst-plugin-scanner"
launch() { exec "$root/usr/bin/gst-launch-1.0" -q "$@"; }
read_into() { launch shmsrc "socket-path=$tmp/socket" is-live=true ! filesink "location=$tmp/$1" buffer-mode=unbuffered; }
bytes() { stat -c %s "$tmp/$1" 2>/dev/null || echo 0; }
receives() { test "$(bytes "$1")" -gt 100000; }

# 10 kB each millisecond, into 1 MB.
launch fakesrc is-live=true do-timestamp=true sizetype=fixed sizemax=10000 ! identity sleep-time=1000 ! \
    shmsink "socket-path=$tmp/socket" wait-for-connection=false sync=false shm-size=1000000 >"$tmp/source.log" 2>&1 &
pids=$!
until_true test -S "$tmp/socket"
read_into paused >"$tmp/paused.log" 2>&1 &
paused=$!
read_into other >"$tmp/other.log" 2>&1 &
pids="$pids $paused $!"
until_true receives paused
until_true receives other
kill -STOP "$paused"
sleep 3
before=$(bytes other)
sleep 5
during=$(bytes other)
kill -9 "$paused"
wait "$paused" 2>/dev/null || :
more() { test "$(bytes other)" -gt "$((during + 100000))"; }
until_true more
saw "the other reader has $before bytes, 5 s later $during, after the death of the paused one $(bytes other)"
saw "messages: $(cat "$tmp/source.log" "$tmp/other.log")"
expect "the other one receives nothing" test "$before" = "$during"
expect "nobody says anything" test -z "$(cat "$tmp/source.log" "$tmp/other.log")"
