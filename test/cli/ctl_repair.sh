#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl reclaim and doctor; dead, stalled and damaged.
name=repair
. "$(dirname "$0")/ctl.inc"

segment=/dev/shm/shmbus.$bus
cat >"$dir/bus.yaml" <<EOF
heartbeat: { interval: 50ms, timeout: 200ms }
spare: { channels: 1 }
blocks:
  - { size: 128KiB, count: 16 }
channels:
  tasks: { kind: queue, depth: 16, max_deliveries: 2, dead_letter: dead }
  dead:  { kind: queue, depth: 16 }
EOF
works "a bus for the tests" create "$bus" -c "$dir/bus.yaml"
# What doctor says about the machine is true and no failure of the test: a shared memory that is
# nearly full, or a logind that will remove the bus.
healthy() {
    run doctor "$bus"
    case $status in
    0) says '^OK: 0 critical, 0 warnings' ;;
    1) ! grep -e '^critical' -e '^warning' "$out" | grep -v -e systemd-logind -e 'free:' ;;
    *) return 1 ;;
    esac
}
check "doctor finds it healthy" healthy
run doctor "$bus" --json
json "doctor --json is valid" "j['schema'] == 1 and j['status'] in ('ok', 'warning') and j['buses'] == 1"
works "there is nothing to reclaim" reclaim "$bus"
check "and it says so" says 'after 0 dead'

# ------------------------------------------------------------------------------- nobody receives
works "a message that nobody waits for" send "$bus" tasks x
run doctor "$bus"
check "doctor notes that no receiver ever came" \
    eval 'says "^note .*messages wait in tasks, and no receiver has ever opened it" && says "cure: start one"'
check "which is no warning" healthy
works "take it" recv "$bus" tasks --timeout=5s
run doctor "$bus"
check "then one has" eval '! says "no receiver has ever"'

# -------------------------------------------------------------------------------------------- idle
mkfifo "$dir/input"
exec 7<>"$dir/input"
"$ctl" send "$bus" tasks <"$dir/input" 7>&- 2>/dev/null &
sender=$!
pids=$sender
check "a sender that waits for its own input is idle" eventually state_is idle
check "doctor finds nothing wrong with it" healthy
run stats "$bus"
check "stats counts it as idle" says ' 0 alive, 1 idle, 0 stalled, 0 dead '
run list
check "so does list" says "^$bus  *[0-9.]*MiB  *0  *1  *0  *0 "
stop "$sender" KILL # before its input ends, or it may leave by itself
exec 7>&-
works "it is cleaned up after" reclaim "$bus"

# ----------------------------------------------------------------------------------------- stalled
mkfifo "$dir/pipe"
exec 8<>"$dir/pipe"
head -c 100000 /dev/zero >"$dir/blob"
works "a message that no pipe can hold" send "$bus" tasks --file="$dir/blob"
"$ctl" recv "$bus" tasks --raw >"$dir/pipe" 2>/dev/null 8>&- &
reader=$!
pids=$reader
check "a receiver holds it" eventually field_is tasks held 1
kill -STOP "$reader"
check "stopped it is stalled, not dead" eventually state_is stalled
works "reclaim takes nothing from the stalled" reclaim "$bus"
check "it cleaned up after nobody" says 'after 0 dead'
check "it still holds its message" field_is tasks held 1
run doctor "$bus"
check "doctor warns of it, and the cure is to let it go on" \
    eval 'status_is 1 && says "^warning.*pid $reader.*is stopped" && says "cure: .*kill -CONT $reader"'
check "nobody is told to kill it" eval '! says "kill $reader"'
run doctor "$bus" --json
json "in JSON as well" "j['status'] == 'warning' and all(f['cure'] for f in j['findings'] if f['severity'] == 'warning')"

# -------------------------------------------------------------------------------------------- dead
stop "$reader" KILL
check "killed it is dead" eventually state_is dead
run doctor "$bus"
check "doctor names the dead" eval 'status_is 1 && says "dead"'
works "reclaim cleans up" reclaim "$bus" --json
json "after one" "j['reclaimed'] == 1 and j['recoveries'] == 2 and j['schema'] == 1"
check "nobody is left" same "$("$ctl" ps "$bus" --no-headings)" ""
check "the message waits again" field_is tasks redeliverable 1
works "peek shows it" peek "$bus" tasks --json
works "and it can be taken" recv "$bus" tasks --timeout=5s --json
json "marked as delivered before" "j['delivery_count'] == 2 and j['size_bytes'] == 100000"
exec 8>&-
check "doctor is content again" healthy

# ----------------------------------------------------------------------------------------- damaged
damaged() {
    fails "$1: stats is 6" 6 "" stats "$bus"
    fails "$1: send is 6" 6 "" send "$bus" tasks x
    fails "$1: ps is 6" 6 "" ps "$bus"
    run doctor "$bus"
    check "$1: doctor is critical" eval 'status_is 2 && says "^critical"'
    works "$1: list goes on" list
    check "$1: and shows it" says "^$bus "
}
cp "$segment" "$dir/whole"
size=$(stat -c %s "$segment")
head -c 64 /dev/zero | dd of="$segment" conv=notrunc status=none
damaged "a wiped head"
cp "$dir/whole" "$segment"
truncate -s $((size / 2)) "$segment"
damaged "half a segment"
: >"$segment"
damaged "an empty segment"
works "rm --force removes even that" rm --force "$bus"

# --------------------------------------------------------------------------------------- elsewhere
run doctor --dir="$dir/none"
check "a directory that is not there is 3" status_is 3
works "a bus on a disk" create "$dir/$bus" --memory=1MiB
run doctor "$dir/$bus"
if [ "$(stat -f -c %T "$dir")" = tmpfs ]; then
    skip "doctor warns of a bus on a disk" "$dir is a tmpfs"
else
    check "doctor warns of a bus on a disk" eval 'status_is 1 && says "no tmpfs"'
fi
end
