#!/bin/sh
# SPDX-License-Identifier: MIT
# TCP on loopback: a client that tries again and again succeeds without a server, and then the server cannot start
#
# With:     Linux 6.18, the usual range of ports (32768 to 60999). Needs root (for a network namespace).
# Expected: connect() to a port where nobody listens is refused, each time, until a server is there. "It connects"
#           is what health checks take for "it lives".
# Seen:     the kernel picks a source port for each try. When it picks the port that is called, the two ends of the
#           connection are one socket: connect() returns 0, what is sent is read back as an answer. As long as
#           it is open, and in TIME_WAIT for a minute after it, the true server gets EADDRINUSE from bind(), with SO_REUSEADDR
#           as well. Ports of the parity of the lower limit (even ones) are tried first, so 45678 meets itself within some ten thousand tries,
#           45679 does not.
# Why:      a worker that reconnects in a loop to a server that was killed becomes its own server, and keeps
#           the port from the new one. Line protocols read their own request as an answer. Compare getsockname()
#           and getpeername(), or take a port below 32768.
. "$(dirname "$0")/common.inc"

[ "$(id -u)" = 0 ] || { echo "needs root" && exit 2; }
cat >"$tmp/client.py" <<'P'
import socket
import sys


def tries(port, most):
    for n in range(1, most + 1):
        client = socket.socket()
        try:
            client.connect(("127.0.0.1", port))
            return n, client
        except ConnectionRefusedError:
            client.close()
    return most, None


def server(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
            return "listens"
        except OSError as e:
            return e.strerror


for port in (45678, 45679):
    n, client = tries(port, 200000 if port % 2 == 0 else 20000)
    if client is None:
        print(port, "refused; server", server(port))
        continue
    print(port, "tries", n, file=sys.stderr)
    client.sendall(b"are you well?")
    print(port, "connected,", "itself," if client.getsockname() == client.getpeername() else "another,",
          "answer", client.recv(100).decode(), "server", server(port))
    client.close()
    print(port, "closed; server", server(port))
P
unshare --net sh -c 'ip link set lo up && echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range &&
    exec timeout 80 python3 "$1"' sh "$tmp/client.py" >"$tmp/out" </dev/null
cat "$tmp/out"
said() { grep -qxF "$1" "$tmp/out"; }
expect "an even port: it connects to itself, no server can start" said \
    "45678 connected, itself, answer are you well? server Address already in use"
expect "nor when it is closed" said "45678 closed; server Address already in use"
expect "an odd port: refused" said "45679 refused; server listens"
