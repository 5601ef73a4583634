#!/bin/sh
# SPDX-License-Identifier: MIT
# runit, s6 and daemontools start a second copy of a service that outlived its supervisor
#
# With:     runit 2.1.2-54, s6 2.11.3.2-1, daemontools 1:0.76-8.1 (Debian 12).
# Expected: these keep the pid of the service and a lock in the folder supervise/. When the
#           supervisor of one service is killed (out of memory, by mistake) and the scanner starts it
#           again, it finds the service running, or waits for it to end.
# Seen:     all three of them start a second copy beside the first one, at once. The lock is the
#           supervisor's own, the written pid is overwritten unread. From then on the old copy has
#           no supervisor: "down" and "restart" act upon the new one only, status shows one process.
# Why:      one kill -9 of a small process, and every job that is "run once" runs twice, with an old and a
#           new configuration perhaps. A service that must be alone has to hold a lock of its own.
. "$(dirname "$0")/common.inc"

debs runit=2.1.2-54 s6=2.11.3.2-1 libs6-2.11=2.11.3.2-1 libskarnet2.13=2.13.1.1-1 libexecline2.9=2.9.3.0-1 \
    daemontools=1:0.76-8.1
export PATH="$root/usr/bin:$root/bin:$PATH"

started() { test "$(wc -l <"$tmp/$1.started")" -ge "$2"; }
supervisor_starts() {
    setsid "$1" "$tmp/$1" >"$tmp/$1.log" 2>&1 &
    supervisor=$!
    pids="$supervisor $pids"
}
alive() {
    n=0
    while read -r pid; do
        pids="$pid $pids"
        ! kill -0 "$pid" 2>/dev/null || n=$((n + 1))
    done <"$tmp/$1.started"
    echo "$n"
}

for name in runsv s6-supervise supervise; do
    mkdir "$tmp/$name"
    : >"$tmp/$name.started"
    printf '#!/bin/sh\necho $$ >>"%s"\nexec sleep 80\n' "$tmp/$name.started" >"$tmp/$name/run"
    chmod +x "$tmp/$name/run"
    supervisor_starts $name
    until_true started $name 1
    kill -9 "$supervisor"
    wait "$supervisor" 2>/dev/null || :
    supervisor_starts $name
    until_true started $name 2
    while read -r pid; do pids="$pids $pid"; done <"$tmp/$name.started"
    saw "$name: started $(wc -l <"$tmp/$name.started") times, $(alive $name) of them run"
    expect "$name has two copies now" test "$(alive $name)" = 2
done
