#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl stats and ps: exact, read-only, and undisturbed by traffic.
name=stats
. "$(dirname "$0")/ctl.inc"

works "a bus for the tests" create "$bus" --memory=8MiB --queue=tasks:depth=1024 --queue=other \
    --stream=ticks --region=table:4KiB
segment=/dev/shm/shmbus.$bus
works "some traffic" send "$bus" tasks 12345 --count=7
works "some of it taken" recv "$bus" tasks --count=3
works "a time-out" send "$bus" other x
run recv "$bus" other --count=2 --timeout=1ms

# -------------------------------------------------------------------------------------------- tables
works "stats works" stats "$bus"
check "it shows the bus, channels and blocks" eval 'says "^$bus .*processes 0 alive" && says "^CHANNEL" && says "^ *BLOCK" && says "^REGION"'
check "the counters are right" same "$(field tasks sent,received,acknowledged,depth,high,sent_bytes | tr -s ' ')" "7 3 3 4 7 35B"
check "time-outs are counted" field_is other timeouts 1
run stats "$bus" 't*' --no-headings -o channel
check "patterns select" out_is "$(printf 'tasks\nticks')"
fails "a pattern that means nothing is 3" 3 "no channel" stats "$bus" 'z*'
fails "an unknown column is refused" 2 "did you mean .sent." stats "$bus" -o sentt
works "--bytes" stats "$bus" --blocks --bytes --no-headings
check "prints plain numbers" eval '! grep -q iB "$out"'
run stats "$bus" --processes
check "no process is attached" eval '[ "$(wc -l <"$out")" -eq 1 ]'

# ---------------------------------------------------------------------------------------------- JSON
works "stats --json" stats "$bus" --json
json "has its schema, the bus and every section" \
    "j['schema'] == 1 and j['bus']['name'] == '$bus' and all(k in j for k in ('channels', 'processes', 'blocks', 'regions'))"
json "has the counters" \
    "[(c['counters']['sent'], c['counters']['sent_bytes'], c['counters']['received'], c['depth'], c['kind']) for c in j['channels'] if c['name'] == 'tasks'] == [(7, 35, 3, 4, 'queue')]"
json "no block is missing" \
    "all(b['common'] <= b['count'] and b['common_free'] <= b['free'] and b['count'] == sum(b[k] for k in ('free', 'queued', 'held', 'stock', 'redeliverable', 'dead_letters')) for b in j['blocks'])"
works "sections can be chosen" stats "$bus" tasks --json --channels
json "and only they come" "'processes' not in j and [c['name'] for c in j['channels']] == ['tasks']"

# -------------------------------------------------------------------------------------------- rates
"$ctl" stats "$bus" --json --interval=100ms >"$out" 2>"$err"
status=$?
check "--interval works" status_is 0
json "it adds rates" "all('rates' in c for c in j['channels']) and j['interval_ns'] >= 100000000"
works "rates are columns, too" stats "$bus" tasks --interval=50ms
check "named so" says 'SENT/s'

# -------------------------------------------------------------------------------------------- watch
: >"$dir/watch"
"$ctl" stats "$bus" tasks --watch=20ms --json >"$dir/watch" 2>"$err" &
watcher=$!
pids=$watcher
check "--watch prints again and again" eventually eval '[ "$(wc -l <"$dir/watch")" -ge 3 ]'
stop "$watcher"
check "SIGTERM ends it by that signal" status_is 143
head -1 "$dir/watch" >"$out"
json "each line is one object, the first without rates" "j['schema'] == 1 and 'rates' not in j['channels'][0]"
sed -n 2p "$dir/watch" >"$out"
json "the next ones have rates" "'rates' in j['channels'][0]"
"$ctl" stats "$bus" -w0.02 2>"$err" | head -40 >"$out"
check "a watch ends with its reader" says '^CHANNEL'

# ------------------------------------------------------------------------------------ looking only
before=$(sha256sum <"$segment")
for verb in stats ps doctor; do run $verb "$bus"; done
run peek "$bus" tasks
run list
check "looking changes not one bit" same "$(sha256sum <"$segment")" "$before"
: >"$dir/watch"
"$ctl" stats "$bus" --watch=1s >"$dir/watch" 2>"$err" &
watcher=$!
pids=$watcher
check "while it watches" eventually grep -q '^CHANNEL' "$dir/watch"
check "its mapping is read-only" \
    eval 'grep "shmbus.$bus" /proc/$watcher/maps >"$err" && ! grep -q "^[^ ]* .w" "$err"'
check "and it is no process of the bus" same "$("$ctl" ps "$bus" --no-headings)" ""
stop "$watcher"
chmod 0400 "$segment"
works "stats works on a segment that may only be read" stats "$bus" tasks
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
    setpriv --reuid=65534 --regid=65534 --clear-groups "$ctl" version >/dev/null 2>&1; then
    chmod 0444 "$segment"
    nobody() {
        setpriv --reuid=65534 --regid=65534 --clear-groups "$ctl" "$@" >"$out" 2>"$err"
        status=$?
    }
    nobody stats "$bus" tasks
    check "another user who may read can look" status_is 0
    nobody doctor "$bus"
    check "and run doctor" eval '[ $status -le 1 ] && says "; 1 bus checked"'
    nobody send "$bus" tasks x
    check "but not send" eval 'status_is 5 && one_line'
    nobody rm "$bus"
    check "nor remove it" eval 'status_is 5 && one_line'
    chown 65534 "$segment"
    fails "root is warned of a bus of another user" 5 "--any-owner" send "$bus" other x
    works "and may insist" send "$bus" other x --any-owner
    chown 0 "$segment"
    chmod 0400 "$segment"
    nobody stats "$bus"
    check "who may not read is told so" eval 'status_is 5 && one_line'
    nobody list -o name,status
    check "list shows that it is there" says "^$bus "
else
    skip "another user who may read can look" "not root, or no setpriv"
fi
chmod 0600 "$segment"

# ------------------------------------------------------------------------------------------- 64 bit
# A counter is put beyond what a double can hold, straight in the segment: the value of sent_bytes
# is made unmistakable, found and replaced.
if [ -n "$python" ]; then
    head -c 9973 /dev/zero >"$dir/odd"
    works "an unmistakable count" send "$bus" other --file="$dir/odd" --count=7
    "$python" - "$segment" "$ctl" "$bus" >"$out" 2>"$err" <<'EOF'
import json, mmap, struct, subprocess, sys
segment, ctl, bus = sys.argv[1:]
def sent_bytes():
    j = json.loads(subprocess.check_output([ctl, "stats", bus, "other", "--json"]))
    return j["channels"][0]["counters"]["sent_bytes"]
now, big = sent_bytes(), 2**64 - 12345
with open(segment, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
    at, found = m.find(struct.pack("<Q", now)), False
    while at >= 0 and not found:
        m[at:at + 8] = struct.pack("<Q", big)
        found = sent_bytes() == big
        m[at:at + 8] = struct.pack("<Q", now)
        at = m.find(struct.pack("<Q", now), at + 1)
sys.exit(0 if found else "no place in the segment changed sent_bytes to %d" % big)
EOF
    status=$?
    check "a counter near 2^64 is printed exactly" status_is 0
else
    skip "a counter near 2^64 is printed exactly" "no python3"
fi

# --------------------------------------------------------------------------------------------- width
fits() { awk -v width="$1" 'length > width { exit 1 }' "$out"; }
# at WIDTH ARGUMENT...
at() {
    COLUMNS=$1
    export COLUMNS
    shift
    run "$@"
    unset COLUMNS
}
for width in 80 60; do
    at $width stats "$bus"
    check "stats fits $width columns" eval 'status_is 0 && fits $width && says "^tasks "'
    at $width stats "$bus" --interval=10ms
    check "with rates as well" eval 'status_is 0 && fits $width && says "SENT/s"'
    at $width ps "$bus"
    check "so does ps" eval 'status_is 0 && fits $width'
    head -c 65536 /dev/zero >"/dev/shm/shmbus.$bus-bad"
    at $width list
    rm "/dev/shm/shmbus.$bus-bad"
    check "and list, beside a damaged bus" eval 'status_is 0 && fits $width && says "^$bus "'
    at $width create "$bus-plan" --dry-run --memory=4MiB \
        --queue=tasks:max_deliveries=5,dead_letter=dead-ones,message_bytes=1000,share=2
    sed -n '/^WHAT/,/^total/p' "$out" >"$dir/table"
    cp "$dir/table" "$out"
    check "and a plan, which loses nothing" \
        eval 'status_is 0 && fits $width && says "max_deliveries=5" && says "dead_letter=dead-ones"'
done
run stats "$bus" --channels
check "output that is no terminal has all columns" says "LANES.*REJECTED.*BYTES"
at 60 stats "$bus" -o channel,order,lanes,sent_bytes,rejected,timeouts,dead_lettered,dropped
check "columns that were asked for are all there" says "LANES.*DROPPED"
works "-o takes the headings" stats "$bus" tasks -o CHANNEL,Recv,ACKED,dead-here
check "as well as the names" says "^CHANNEL  RECV  ACKED  DEAD-HERE"
works "and blanks behind the commas" ps "$bus" -o "pid, name,  state"
check "all three" says "PID  NAME  STATE"

# ------------------------------------------------------------------------------------ under traffic
"$ctl" recv "$bus" tasks --follow >/dev/null 2>"$dir/err2" &
receiver=$!
"$ctl" send "$bus" tasks x --count=1000000000 2>"$dir/err3" &
sender=$!
pids="$receiver $sender"
check "traffic flows" eventually eval '[ "$(field tasks received)" -gt 1000 ]'
good=0 last=0
for i in 1 2 3 4 5 6 7 8 9 10; do
    run stats "$bus" --json
    [ $status -eq 0 ] && good=$((good + 1))
    now=$(field tasks sent)
    [ "$now" -ge "$last" ] || good=-100
    last=$now
done
check "stats works while messages flow, and counters never go back" same "$good" 10
json "two processes are seen, alive" "[p['state'] for p in j['processes']] == ['alive', 'alive']"
json "the depth stays within the capacity" "all(c['depth'] <= c['capacity'] for c in j['channels'])"
works "ps shows them" ps "$bus" --no-headings -o pid,name,state
check "by pid and name" eval 'says "^ *$sender  shmbusctl  alive" && says "^ *$receiver  shmbusctl  alive"'
works "ps --json" ps "$bus" --json
json "is valid" "sorted(p['pid'] for p in j['processes']) == sorted([$sender, $receiver]) and all(p['counters']['errors'] == 0 for p in j['processes'])"
fails "ps refuses an unknown column" 2 "unknown column" ps "$bus" -o nothing_like_it
stop "$sender"
stop "$receiver"
works "rm" rm "$bus"
end
