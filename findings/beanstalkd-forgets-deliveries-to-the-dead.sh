#!/bin/sh
# SPDX-License-Identifier: MIT
# beanstalkd: after a restart the deliveries that ended in a worker's death were never counted
#
# With:     beanstalkd 1.12-2+b1 (Debian 12) with a binlog (-b).
# Expected: the binlog makes jobs survive a restart with what stats-job knows of them: how often they
#           were reserved, released, timed out. Poisonous jobs are found by these counts.
# Seen:     the counts are written together with release, bury and kick only. A job given back politely
#           keeps "reserves: 3"; one whose three workers died, or ran out of time, has "reserves: 0,
#           timeouts: 0" after the restart, as if nobody had ever touched it.
# Why:      the count is missing just for the jobs it is needed for. A guard such as "bury after five
#           reserves" never fires if the server is restarted in between, by the same crash perhaps.
. "$(dirname "$0")/common.inc"

debs beanstalkd=1.12-2+b1
mkdir "$tmp/log"
cat >"$tmp/client.py" <<'P'
import socket
import sys
import time


class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", 18301))
        self.file = self.socket.makefile("rwb")

    def ask(self, text):
        self.file.write(text.encode())
        self.file.flush()
        return self.file.readline().decode().split()

    def body(self, answer):
        return self.file.read(int(answer[-1]) + 2).decode()

    def reserve(self):
        answer = self.ask("reserve-with-timeout 5\r\n")
        self.body(answer)
        return answer[1]

    def die(self):
        self.file.close()
        self.socket.close()


def counts(job):
    client = Client()
    rows = client.body(client.ask("stats-job %s\r\n" % job)).splitlines()
    row = dict(r.split(": ") for r in rows if ": " in r)
    return "reserves %s timeouts %s releases %s" % (row["reserves"], row["timeouts"], row["releases"])


if sys.argv[1] == "work":
    polite = Client()
    polite.ask("put 1 0 60 6\r\npolite\r\n")
    for i in range(3):
        polite.ask("release %s 1 0\r\n" % polite.reserve())
    polite.ask("bury %s 1\r\n" % polite.reserve())
    polite.ask("put 1 0 1 6\r\nkiller\r\n")
    for i in range(3):
        worker = Client()
        worker.reserve()
        worker.die()
        time.sleep(0.2)
    slow = Client()
    slow.reserve()
    time.sleep(2.5)
    slow.die()
print("polite: " + counts(1))
print("killer: " + counts(2))
P
start() {
    "$root/usr/bin/beanstalkd" -l 127.0.0.1 -p 18301 -b "$tmp/log" &
    pids=$!
    until_true python3 -c 'import socket; socket.create_connection(("127.0.0.1", 18301))'
}
start
python3 "$tmp/client.py" work >"$tmp/before"
kill "$pids"
wait "$pids" 2>/dev/null || :
start
python3 "$tmp/client.py" look >"$tmp/after"
saw "before: $(tr '\n' ';' <"$tmp/before")"
saw "after:  $(tr '\n' ';' <"$tmp/after")"
expect "before, all is counted" grep -qx 'killer: reserves 4 timeouts 1 releases 0' "$tmp/before"
expect "what was released keeps its counts" grep -qx 'polite: reserves 4 timeouts 0 releases 3' "$tmp/after"
expect "deaths and time-outs are forgotten" grep -qx 'killer: reserves 0 timeouts 0 releases 0' "$tmp/after"
