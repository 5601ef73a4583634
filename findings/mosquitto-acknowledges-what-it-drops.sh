#!/bin/sh
# SPDX-License-Identifier: MIT
# Mosquitto: a publisher with QoS 1 gets "success" for messages that are dropped
#
# With:     mosquitto 2.0.11-1.2+deb12u2 (Debian 12), MQTT 5, default max_queued_messages.
# Expected: QoS 1 is "at least once": the broker answers PUBACK when it has taken responsibility; if it
#           cannot keep a message for a subscriber's persistent session, the reason code says so (MQTT 5
#           has 0x97, quota exceeded) or the publisher is slowed down.
# Seen:     2000 messages for a subscriber that is away: 2000 PUBACK with reason 0. It finds 1000 of
#           them when it comes back, the OLDEST ones; the newer half is gone. The only trace is one
#           line in the broker's log.
# Why:      an acknowledgement of a broker is not one of a consumer. Who replaces such a broker by a
#           queue must know which of the two was relied upon.
. "$(dirname "$0")/common.inc"

debs mosquitto=2.0.11-1.2+deb12u2 mosquitto-clients=2.0.11-1.2+deb12u2 libmosquitto1=2.0.11-1.2+deb12u2 \
    libcjson1=1.7.15-1+deb12u4 libwebsockets17=4.1.6-3 libdlt2=2.18.8-6 libwrap0=7.6.q-32 libev4=1:4.33-1
port=18831
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' $port >"$tmp/conf"
"$root/usr/sbin/mosquitto" -c "$tmp/conf" >"$tmp/log" 2>&1 &
pids=$!
subscribe() { timeout 20 "$root/usr/bin/mosquitto_sub" -p $port -t work -q 1 -c -i worker -V 5 -x 3600 "$@"; }
until_true subscribe -E
seq 1 2000 | timeout 60 "$root/usr/bin/mosquitto_pub" -p $port -t work -q 1 -l -V 5 -d >"$tmp/published"
acknowledged=$(grep -c 'PUBACK (.*RC:0)' "$tmp/published")
subscribe -C 1000 >"$tmp/got"
more=$(subscribe -W 2 2>/dev/null | wc -l) || :
saw "acknowledged with reason 0: $acknowledged; received: $(wc -l <"$tmp/got"), from $(head -n 1 "$tmp/got") to $(tail -n 1 "$tmp/got"), then $more more"
expect "all 2000 are acknowledged as success" test "$acknowledged" = 2000
expect "the oldest 1000 arrive" test "$(head -n 1 "$tmp/got") $(tail -n 1 "$tmp/got")" = "1 1000"
expect "and no more" test "$more" = 0
expect "the log has one line on it" grep -q 'Outgoing messages are being dropped for client worker' "$tmp/log"
