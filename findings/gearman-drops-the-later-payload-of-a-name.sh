#!/bin/sh
# SPDX-License-Identifier: MIT
# Gearman: of background jobs with one unique id only the first payload is ever run
#
# With:     gearman-job-server and gearman-tools 1.1.20+ds-1 (Debian 12).
# Expected: the unique id of a job avoids doing the same work twice; another payload is other work, so it
#           is queued, or refused with an error.
# Seen:     while the first job waits, the next ones with its id are accepted (exit status 0, the handle
#           of the first one) and their payloads are thrown away. The worker sees "one"; "two" and
#           "three" never existed, and no counter shows it.
# Why:      an id chosen by the object ("resize picture 7") instead of by the content loses updates: the
#           worker runs the oldest of the waiting states, not the newest. Dedup ids must name the content.
. "$(dirname "$0")/common.inc"

debs gearman-job-server=1.1.20+ds-1 gearman-tools=1.1.20+ds-1 libgearman8=1.1.20+ds-1 libev4=1:4.33-1 \
    libevent-2.1-7=2.1.12-stable-8+deb12u1 libevent-pthreads-2.1-7=2.1.12-stable-8+deb12u1 \
    libhashkit2=1.1.4-1 libmemcached11=1.1.4-1 libmemcachedutil2=1.1.4-1 libhiredis0.14=0.14.1-3 \
    libtokyocabinet9=1.4.48-15 libmariadb3=1:10.11.19-0+deb12u1 libpq5=15.20-0+deb12u1 libboost-program-options1.74.0=1.74.0+ds1-21
port=18473
"$root/usr/sbin/gearmand" -L 127.0.0.1 -p $port -l "$tmp/log" &
pids=$!
ask() { "$root/usr/bin/gearman" -h 127.0.0.1 -p $port "$@"; }
until_true "$root/usr/bin/gearadmin" -h 127.0.0.1 -p $port --status
accepted=0
for payload in one two three; do
    ask -b -f work -u picture-7 "$payload" && accepted=$((accepted + 1))
done
jobs() { "$root/usr/bin/gearadmin" -h 127.0.0.1 -p $port --status | awk '$1 == "work" { print $2 }'; }
none_left() { test "$(jobs)" = 0; }
waiting=$(jobs)
cat >"$tmp/worker" <<W
#!/bin/sh
cat >>"$tmp/done"
echo >>"$tmp/done"
W
chmod +x "$tmp/worker"
"$root/usr/bin/gearman" -h 127.0.0.1 -p $port -w -f work "$tmp/worker" >"$tmp/worker.log" 2>&1 &
pids="$! $pids"
until_true none_left
saw "accepted: $accepted, waiting: $waiting, run: $(tr '\n' ' ' <"$tmp/done")"
expect "all three are accepted" test "$accepted" = 3
expect "one job waits" test "$waiting" = 1
expect "the first payload is the only one that is run" test "$(tr '\n' ' ' <"$tmp/done")" = "one "
