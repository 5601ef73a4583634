#!/bin/sh
# SPDX-License-Identifier: MIT
# What doctor, ps, stats and peek tell: which segment they look at, who uses another one of that
# name, where dead letters wait, and from when on something is a finding.
name=doctor
. "$(dirname "$0")/ctl.inc"

segment=/dev/shm/shmbus.$bus
cat >"$dir/bus.yaml" <<EOF
processes: 4
spare: { channels: 2, depth: 4 }
channels:
  work: { depth: 4, max_deliveries: 1, dead_letter: work.dead, timestamps: true }
  work.dead: { depth: 2, on_full: block, timestamps: true }
  shed: { depth: 4, on_full: reject }
EOF
works "a bus for the tests" create "$bus" -c "$dir/bus.yaml"
check "create prints no data" test ! -s "$out"
warns() { run doctor "$bus" "$@"; grep '^warning' "$out" | grep -v -e systemd-logind -e ' free: ' >"$dir/warnings"; }
warned() { grep -q -e "$1" "$dir/warnings"; }
nothing() { [ ! -s "$dir/warnings" ]; }
number() { sed -n "s/.*\"$1\": *\"\{0,1\}\([0-9a-f-]*\).*/\1/p" "$2" | head -n 1; }

# -------------------------------------------------------------------------------- which segment
works "ps" ps "$bus"
inode=$(stat -c %i "$segment")
check "ps says which segment it looks at" says "^$bus  $segment  uuid [0-9a-f-]\{36\}  inode $inode\$"
run ps "$bus" --no-headings
check "but not without headings" quiet
run stats "$bus"
check "so does stats" says "uuid [0-9a-f-]\{36\}"
"$ctl" stats "$bus" --json >"$dir/first"
uuid=$(number uuid "$dir/first")
check "JSON has uuid and inode" same "$(number inode "$dir/first")" "$inode"

"$ctl" recv "$bus" work --follow >/dev/null 2>"$dir/follow" &
follower=$!
pids=$follower
receivers() { [ "$(field work receivers)" = "$1" ]; }
check "a receiver waits" eventually receivers 1
run doctor "$bus"
check "doctor notes that nobody has ever sent there" says "^note .*a receiver waits at work, and nobody has ever sent to it"
kill -STOP "$follower" # or it is told, and leaves
rm "$segment"
works "it is made anew" create "$bus" -c "$dir/bus.yaml"
warns
check "a removed segment that is in use is a warning" \
    warned "1 process (pid $follower) still uses a removed segment of this name (inode $inode)"
check "with a cure that harms nobody" eval 'says "cure: restart them" && ! says "kill"'
kill -CONT "$follower"
wait "$follower"
status=$?
pids=
cp "$dir/follow" "$err"
check "a receiver of a replaced bus to which nobody can send ends by itself, and says why" \
    eval 'status_is 3 && complains "work.*was replaced by another bus of that name, and nobody is left"'
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    unshare -m sh -c 'mount -t tmpfs none /dev/shm; "$1" create "$2" 2>/dev/null && exec "$1" recv "$2" work --create --follow' \
        sh "$ctl" "$bus" >/dev/null 2>&1 &
    elsewhere=$!
    pids=$elsewhere
    there() { run doctor "$bus"; says "^note .*pid $elsewhere) uses another bus of this name, in a /dev/shm of their own"; }
    check "doctor finds who uses a bus of this name in a /dev/shm of its own" eventually there
    run stats "/proc/$elsewhere/root/dev/shm/shmbus.$bus" --json
    check "which can be looked at where doctor says" status_is 0
    check "it is another one" eval '[ "$(number uuid "$out")" != "$(number uuid "$dir/first")" ]'
    stop "$elsewhere"
else
    skip "doctor finds who uses a bus of this name in a /dev/shm of its own" "no right to mount"
fi

# --------------------------------------------------------------------------- where dead letters are
warns
check "doctor finds it healthy" nothing
works "messages" send "$bus" work x --count=3
for i in 1 2 3; do # taken, and not acknowledged: the output cannot be written
    "$ctl" recv "$bus" work --timeout=5s >/dev/full 2>/dev/null
done
check "they are dead letters" field_is work.dead dead_letters 3
check "one of which stays where it was, as there is no room" field_is work letters_kept 1
run stats "$bus" work.dead -o dead_letters,letter_age
check "stats knows how old the oldest is" says '^ *3 .*[0-9.]*[a-z]s*$'
warns
check "doctor says where they wait, since when, and whose they are" \
    warned 'queue "work.dead": 3 dead letters wait, the oldest sent [0-9]* s ago; set aside so far by work (3, some'
works "peek of the queue that they come from" peek "$bus" work
check "says where they are" eval '[ ! -s "$out" ] && complains "3 dead letters wait in work.dead: shmbusctl peek $bus work.dead"'
works "and there they are" peek "$bus" work.dead
check "all three" same "$(wc -l <"$out")" 3

# ------------------------------------------------------------------------------------ limits
warns --dead-letters=4
check "dead letters are no warning below the limit" eval '! warned "dead letters"'
warns --dead-letters=3
check "and are at it" warned "dead letters wait"
warns --dead-letters=never
check "or never" eval '! warned "dead letters"'
works "half a queue" send "$bus" work x --count=2 --create
warns --full=50 --dead-letters=never
check "a queue is full where the user says" warned "queue .work. is 50 % full"
warns --full=51 --dead-letters=never
check "and not above" eval '! warned "queue .work. is"'
works "a queue that sheds load, full" send "$bus" shed x --count=4
"$ctl" recv "$bus" shed --count=5 >/dev/null 2>&1 &
shedder=$!
pids=$shedder
check "with a receiver" eventually field_is shed depth 0
kill -STOP "$shedder"
works "full again" send "$bus" shed x --count=3
stop "$shedder" KILL
for limit in 0 101 many -1; do
    run doctor "$bus" --full=$limit
    check "--full=$limit is refused" eval 'status_is 3 && one_line'
done
works "spare queues are used up" send "$bus" one x --create
works "one after the other" send "$bus" two x --create
warns --dead-letters=never
check "which is told before the next one is refused" warned "all 2 spare queues have a name: the next new name is refused"
warns --used=never --dead-letters=never
check "or never" eval '! warned "spare"'
works "rm" rm "$bus"
end
