#!/bin/sh
# SPDX-License-Identifier: MIT
# echo COMMAND | socat - UNIX-CONNECT:control.sock gives no answer and exit status 0 if the answer takes 0.6 s
#
# With:     socat 1.7.4.4-2 (Debian 12), libwrap0 7.6.q-32, a Unix stream socket.
# Expected: after the end of its input socat shuts down that half and passes on the answer until the server closes; if
#           it cannot wait that long it says so, or at least does not say 0.
# Seen:     half a second after the end of the input it leaves (option -t), whatever it still waits for: no
#           output, exit status 0. An answer in two parts is cut after the first one. The server gets EPIPE. With
#           "-t 60", or if the input stays open, the answer is complete.
# Why:      this line is how scripts talk to control sockets, in the manual of many a server. "Drain", "dump",
#           "status" of a busy or just paused process take longer than half a second just when they matter, and the
#           script reads an empty answer as an empty list.
. "$(dirname "$0")/common.inc"

debs socat=1.7.4.4-2 libwrap0=7.6.q-32
cat >"$tmp/server.py" <<'P'
import socket
import sys
import time

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    client, _ = server.accept()
    delay = float(client.recv(100))
    try:
        client.send(b"one ")
        if delay:
            time.sleep(delay)
        client.send(b"two\n")
    except BrokenPipeError:
        pass
    client.close()
P
env -u LD_LIBRARY_PATH python3 "$tmp/server.py" "$tmp/socket" &
pids=$!
until_true test -S "$tmp/socket"
sleep 1
ask() {
    text=$1
    shift
    code=0
    answer=$(echo "$text" | timeout 30 "$root/usr/bin/socat" "$@" - "UNIX-CONNECT:$tmp/socket") || code=$?
    saw "delay $text, options '$*': '$answer', exit status $code"
}
ask 0
expect "at once: all of it" test "$answer $code" = "one two 0"
ask 3
expect "three seconds: the first part, and 0" test "$answer $code" = "one  0"
ask 3 -t 60
expect "with -t: all of it" test "$answer $code" = "one two 0"
