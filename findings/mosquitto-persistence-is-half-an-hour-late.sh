#!/bin/sh
# SPDX-License-Identifier: MIT
# Mosquitto with "persistence true": killed, it has forgotten what it acknowledged, and who was subscribed
#
# With:     mosquitto and mosquitto-clients 2.0.11-1.2+deb12u2 (Debian 12), QoS 2, a persistent session, a retained message.
# Expected: with persistence on, the end of the QoS 2 handshake means that the broker will deliver, restart or not; the
#           file is a log, or is written before the answer. Power loss is another matter, kill -9 is not.
# Seen:     the file is a picture of the memory, written at a polite end and every 30 minutes (autosave_interval).
#           After kill -9 the three messages are gone, and the retained one, and the session with its subscription.
#           No error at the publisher. With "autosave_on_changes true" and
#           "autosave_interval 1" all is there, with the whole file written at each change.
# Why:      "QoS 2, persistent session, persistence true" is what one sets so that nothing is lost, and it is true of
#           each restart that is tried with systemctl. The out-of-memory killer does it the other way.
. "$(dirname "$0")/common.inc"

debs mosquitto=2.0.11-1.2+deb12u2 mosquitto-clients=2.0.11-1.2+deb12u2 libmosquitto1=2.0.11-1.2+deb12u2 \
    libcjson1=1.7.15-1+deb12u4 libwebsockets17=4.1.6-3 libdlt2=2.18.8-6 libwrap0=7.6.q-32 libev4=1:4.33-1
mkdir "$tmp/store"
serve() {
    printf '%s\n' 'listener 18831 127.0.0.1' 'allow_anonymous true' 'persistence true' "user $(id -un)" \
        "persistence_location $tmp/store/" "$@" >"$tmp/conf"
    "$root/usr/sbin/mosquitto" -c "$tmp/conf" >"$tmp/log" 2>&1 &
    broker=$!
    pids="$pids $broker"
    until_true grep -q running "$tmp/log"
}
client() {
    program=$1
    shift
    timeout 20 "$root/usr/bin/mosquitto_$program" -h 127.0.0.1 -p 18831 "$@" </dev/null
}
stop() {
    kill "-$1" "$broker"
    wait "$broker" 2>/dev/null || :
}
# Publishes for a subscriber that is away, ends the broker by SIGNAL, starts it again, prints what is delivered.
round() {
    sig=$1
    shift
    rm -f "$tmp/store/"*
    serve "$@"
    client sub -i worker -c -q 2 -t jobs -E
    for i in 1 2 3; do
        client pub -q 2 -t jobs -m "$i" || exit 2
    done
    client pub -q 2 -r -t state -m on || exit 2
    # A change is written with the next look at the clock, each second.
    sleep 2
    stop "$sig"
    serve "$@"
    got=$(client sub -i reader -q 2 -t state -C 1 -W 10 2>/dev/null || :)
    # It does not subscribe anew: another topic only makes mosquitto_sub start.
    got="$got $(client sub -i worker -c -q 2 -t other -C 3 -W 10 2>/dev/null | paste -sd' ' || :)"
    stop TERM
    saw "SIG$sig $*: delivered '$got'"
}
round TERM
expect "a polite end: all is there" test "$got" = "on 1 2 3"
round KILL
expect "killed: nothing is" test "$got" = " "
round KILL 'autosave_on_changes true' 'autosave_interval 1'
expect "killed, saved on changes: all is there" test "$got" = "on 1 2 3"
