#!/bin/sh
# SPDX-License-Identifier: MIT
# CoAP: a confirmable request whose acknowledgement was lost is carried out twice by libcoap's server
#
# With:     libcoap3 and libcoap3-bin 4.3.1-1 (Debian 12), its own client and server, UDP on loopback through a relay
#           that loses the first answer.
# Expected: a confirmable message is repeated until it is acknowledged; the message id is there for the receiver to
#           know a repetition by: it sends the same acknowledgement again and does the work once (RFC 7252, 4.5).
# Seen:     the server calls the handler again for the same message id and token. The client asks once, to create
#           /job, and is told 2.04 "changed" instead of 2.01 "created". A handler that adds one would add two.
# Why:      the loss of one datagram, or a server that is paused for two seconds, is enough: confirmable here
#           means "at least once", and each handler has to know its repetitions by itself.
. "$(dirname "$0")/common.inc"

debs libcoap3=4.3.1-1 libcoap3-bin=4.3.1-1
"$root/usr/bin/coap-server-notls" -A 127.0.0.1 -p 15683 -d 10 -v 7 >"$tmp/server" 2>&1 &
pids=$!
cat >"$tmp/relay.py" <<'P'
import select
import socket
import sys

# Port 15684 to port 15683; the first answers are dropped, as many as asked for.
front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
front.bind(("127.0.0.1", 15684))
back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
back.connect(("127.0.0.1", 15683))
drop, client = int(sys.argv[1]), None
print("ready", flush=True)
while True:
    for s in select.select([front, back], [], [])[0]:
        if s is front:
            request, client = front.recvfrom(2000)
            back.send(request)
        else:
            answer = back.recv(2000)
            if drop:
                drop -= 1
            else:
                front.sendto(answer, client)
P
# Puts /NAME through a relay that loses the first COUNT answers.
put() {
    env -u LD_LIBRARY_PATH python3 "$tmp/relay.py" "$2" >"$tmp/relay" &
    relay=$!
    pids="$pids $relay"
    until_true test -s "$tmp/relay"
    timeout 30 "$root/usr/bin/coap-client-notls" -v 7 -B 20 -m put -e work \
        "coap://127.0.0.1:15684/$1" >"$tmp/client" 2>&1 </dev/null || :
    kill "$relay"
    wait "$relay" 2>/dev/null || :
    answer=$(sed -n 's/^v:1 t:ACK c:\([0-9.]*\) .*/\1/p' "$tmp/client" | paste -sd' ')
    ids=$(sed -n "s/^v:1 t:CON c:PUT i:\([0-9a-f]*\) .*Uri-Path:$1 .*/\1/p" "$tmp/server" | sort | uniq -c | awk '{ print $1 }')
    saw "$1: the server received message ids $ids times, answer to the client $answer"
}
until_true grep -q 'created UDP' "$tmp/server"
put whole 0
expect "nothing is lost: created" test "$ids $answer" = "1 2.01"
put job 1
expect "one answer is lost: the same message again" test "$ids" = 2
expect "and it is done again" test "$answer" = 2.04
