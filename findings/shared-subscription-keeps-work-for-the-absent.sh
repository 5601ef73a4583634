#!/bin/sh
# SPDX-License-Identifier: MIT
# Mosquitto: a work queue by shared subscription loses what it gave to a worker that is killed
#
# With:     mosquitto 2.0.11-1.2+deb12u2 (Debian 12), MQTT 5, QoS 1, $share/group/topic.
# Expected: a message goes to one member of the group; if that one is away or dies before it has
#           acknowledged, another member gets it (MQTT 5 says the server should send it to another one
#           if the session ends). So QoS 1 with two workers is "at least once".
# Seen:     the broker deals the messages out in turn, to a member with a session that is not connected
#           too: its half waits for it while the other one idles. A stopped worker gets its half as well;
#           when it is killed and its session ends, 50 of 100 acknowledged messages are gone, the
#           living member gets none of them.
# Why:      "shared subscription" looks like a work queue and is a way to split a stream. Nothing is
#           redelivered to somebody else, and there is no error on any side.
. "$(dirname "$0")/common.inc"

debs mosquitto=2.0.11-1.2+deb12u2 mosquitto-clients=2.0.11-1.2+deb12u2 libmosquitto1=2.0.11-1.2+deb12u2 \
    libcjson1=1.7.15-1+deb12u4 libwebsockets17=4.1.6-3 libdlt2=2.18.8-6 libwrap0=7.6.q-32 libev4=1:4.33-1
port=18832
printf 'listener %s 127.0.0.1\nallow_anonymous true\nlog_type all\n' $port >"$tmp/conf"
"$root/usr/sbin/mosquitto" -c "$tmp/conf" >"$tmp/log" 2>&1 &
pids=$!

# A member of the group NAME, what it receives goes to the file of its name.
member() {
    group=$1 name=$2
    shift 2
    "$root/usr/bin/mosquitto_sub" -p $port -V 5 -q 1 -t "\$share/$group/$group" -i "$name" "$@" >"$tmp/$name" &
    member=$!
    pids="$member $pids"
}
subscribed() { test "$(grep -c "Sending SUBACK to $1" "$tmp/log")" -ge 1; }
publish() { seq 1 100 | "$root/usr/bin/mosquitto_pub" -p $port -V 5 -q 1 -t "$1" -l -d | grep -c 'PUBACK (.*RC:0)'; }
count() { wc -l <"$tmp/$1"; }
has() { test "$(count "$1")" -ge "$2"; }

until_true "$root/usr/bin/mosquitto_sub" -p $port -V 5 -t any -i probe -E

member session away -c -x 3600 -E
wait "$member"
member session here
until_true subscribed here
published=$(publish session)
until_true has here 50
sleep 1
idle=$(count here)
member session away -c -x 3600
until_true has away 50
saw "one member away: $published acknowledged, the other one got $idle, $(count away) waited for it"
expect "the absent one's half waits" test "$published $idle $(count away)" = "100 50 50"

member killed worker-1
stopped=$member
until_true subscribed worker-1
member killed worker-2
until_true subscribed worker-2
kill -STOP "$stopped"
published=$(publish killed)
until_true has worker-2 50
kill -9 "$stopped"
wait "$stopped" 2>/dev/null || :
sleep 2
saw "one member killed: $published acknowledged, it had read $(count worker-1), the living one got $(count worker-2)"
expect "the dead one's half is gone" test "$published $(count worker-1) $(count worker-2)" = "100 0 50"
