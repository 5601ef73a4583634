#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl create, list and rm.
name=create
. "$(dirname "$0")/ctl.inc"

segment=/dev/shm/shmbus.$bus
absent() { [ ! -e "$segment" ]; }

# ------------------------------------------------------------------------------------- dry run
works "a dry run works" create "$bus" --dry-run --memory=4MiB --queue=tasks:depth=1000 \
    --region=table:64KiB --stream=ticks:bytes=4KiB
check "it creates nothing" absent
check "it shows the queue with its real depth" says '^queue *tasks .*depth=1024'
check "it shows the region" says '^region *table *64.0KiB'
check "it shows the stream" says '^stream *ticks *4.0KiB'
check "it shows the sum" says '^total'
check "it tells what is rounded up" complains 'tasks: depth 1000 -> 1024'

works "a dry run of shares works" create "$bus" --dry-run --blocks=64:100 --blocks=4KiB:40 --spare=2 \
    --queue=tasks:depth=4096,message_bytes=1000,share=3 --queue=small:message_bytes=64
check "it says what spare queues can always have" \
    says '^each of 2 queues can always have 1 message of up to 4.0KiB'
check "it says what a share is" says '^1 queue can always have 3 messages of up to 1000B'
check "it counts common blocks apart" says '^blocks *4.0KiB .*count=40 common=35'
check "it says what is common" says '^common blocks: 99 of 64B, 35 of 4.0KiB$'
check "it notes a queue that is deeper than the blocks" \
    complains 'tasks: depth 4096, but room for 38 messages of 1000 bytes'
check "and one whose depth fits no blocks at all" complains 'small: depth 1024, but room for 135 mess'
works "a dry run of one queue works" create "$bus" --dry-run --blocks=64:10 --spare=0 --queue=a:depth=8
check "which has all blocks" says '^one queue, which has all blocks$'

# ---------------------------------------------------------------------------------- bad options
bad() {
    sentence=$1 pattern=$2
    shift 2
    fails "$sentence" 2 "$pattern" create "$bus" "$@"
    check "nothing was made" absent
}
bad "a queue without a name is refused" "not a name" --queue=:depth=2
bad "an unknown key is met with the nearest" "did you mean .depth." --queue=tasks:dept=2
bad "a key without a value is refused" "not key=value" --queue=tasks:depth
bad "an unknown policy is refused" "block, reject, drop_oldest" --queue=tasks:on_full=explode
bad "a depth that is no number is refused" "depth" --queue=tasks:depth=many
bad "a depth of 0 is refused" "" --queue=tasks:depth=0
bad "shares that do not fit are refused with the cure" "raise that count, lower the number of .spare" \
    --blocks=64:16 --queue=tasks
bad "more spare queues than there can be are refused" "0 to 4096" --spare=5000
bad "a share of 0 is refused" "share" --queue=tasks:share=0
bad "a message above the largest block is refused" "above the largest block" \
    --queue=tasks:message_bytes=2MiB
bad "a region without a size is refused" "NAME:SIZE" --region=table
bad "a size with an unknown unit is refused" "not a size" --region=table:5XB
bad "blocks without a count are refused" "SIZE:COUNT" --blocks=4KiB
bad "a size beyond 64 bits is refused" "not a size" --memory=99999999999GiB
bad "a mode that is not octal is refused" "octal" --mode=0688
bad "too many processes are refused" "1 to 1023" --processes=100000
bad "max_deliveries without a dead-letter queue is refused" "" --queue=tasks:max_deliveries=3
bad "a channel given twice is refused" "already in the plan" --queue=tasks --stream=tasks
bad "a mode that no bus can have is refused" "" --mode=0777
fails "--memory and --blocks exclude each other" 2 "leave it out" create "$bus" --memory=4MiB \
    --blocks=64:4
fails "a file that is not there is 3" 3 "$dir/none.yaml" create "$bus" -c "$dir/none.yaml"
printf 'bus: x\nchanels: {}\n' >"$dir/bad.yaml"
fails "a wrong file is met with the place" 2 "bad.yaml:2" create "$bus" -c "$dir/bad.yaml"
fails "no name at all is refused" 2 "no NAME" create --queue=tasks
fails "a bad name is refused" 2 "" create 'no spaces please'
fails "more memory than there is, is refused" 1 "" create "$bus" --blocks=1GiB:2000
check "and nothing is left of it" absent

# ------------------------------------------------------------------------------------- from options
works "a bus is made from options" create "$bus" --memory=4MiB --processes=8 --mode=0660 \
    --queue=tasks:depth=1000,max_deliveries=5,dead_letter=dead --stream=ticks
check "create tells the place" complains "$segment"
check "create notes the rounding" complains 'depth 1000 -> 1024'
check "the mode is as asked" same "$(stat -c %a "$segment")" 660
fails "a second one of that name is refused with 9, exists" 9 "exists already" create "$bus"
works "with --if-missing it stays as it is" create "$bus" --if-missing --queue=other
check "quietly" quiet
fails "really" 3 "no channel" stats "$bus" other
run create "$bus" --dry-run
check "a dry run sees it as well" eval 'status_is 9 && one_line && complains "exists already"'
works "the dead-letter queue was made as well" stats "$bus" dead
check "the depth is there" same "$("$ctl" stats "$bus" tasks --no-headings -o capacity)" 1024

# ----------------------------------------------------------------------------------------- list
works "list works" list
check "list shows the bus" says "^$bus .* ok"
works "list can print columns" list -o name,mode --no-headings
check "with only these" says "^$bus *0660$"
fails "list refuses an unknown column" 2 "did you mean .size." list -o name,siz
works "list --json works" list --json
json "it is valid and has the bus" "any(b['name'] == '$bus' and b['segment_bytes'] > 0 for b in j['buses']) and j['schema'] == 1"

# -------------------------------------------------------------------------------------------- rm
"$ctl" recv "$bus" tasks --follow >/dev/null 2>&1 &
user=$!
pids=$user
check "a process takes part" eventually state_is alive
run rm "$bus"
check "rm refuses a bus in use, and names who uses it" \
    eval 'status_is 8 && one_line && complains "\[$user\]"'
stop "$user"
works "rm removes an unused bus" rm "$bus"
check "it is gone" absent

# --------------------------------------------------------------------------------------- from a pipe
for from in - /dev/stdin; do
    printf 'channels:\n  tasks: { depth: 64 }\n' | "$ctl" create "$bus" --dry-run -c $from >"$out" 2>"$err"
    status=$?
    check "a plan from a pipe is read: -c $from" eval 'status_is 0 && says "^queue *tasks .*depth=64"'
done
printf 'channels:\n  tasks: { dept: 64 }\n' | "$ctl" create "$bus" --dry-run -c - >"$out" 2>"$err"
status=$?
check "a mistake in it has its place" eval 'status_is 2 && complains "/dev/stdin:2:12: unknown key"'
if command -v bash >/dev/null; then
    bash -c '"$0" create "$1" --dry-run -c <(echo "channels: { tasks: { depth: 64 } }")' "$ctl" "$bus" >"$out" 2>"$err"
    status=$?
    check "and one that bash substitutes for a file" eval 'status_is 0 && says "depth=64"'
fi
mkdir -p "$dir/map/..data"
echo 'channels: { tasks: { depth: 64 } }' >"$dir/map/..data/bus.yaml"
ln -s ..data/bus.yaml "$dir/map/bus.yaml"
works "a plan behind a link, as a mounted ConfigMap has it" create "$bus" --dry-run -c "$dir/map/bus.yaml"

# ------------------------------------------------------------------------- one grammar with YAML
# alike VALUE: --memory and memory: read it as the same number of bytes, or both refuse it
alike() {
    run create "$bus" --dry-run --memory="$1"
    option=$status$(grep '^total' "$out")
    printf 'memory: %s\n' "$1" >"$dir/size.yaml"
    run create "$bus" --dry-run -c "$dir/size.yaml"
    [ "$option" = "$status$(grep '^total' "$out")" ]
}
for size in 4MiB 4M 4Mi 4096K 4096KiB '4 MiB' 4MB 4000kB 4194304 4_194_304 0x400000 0o20000000 4.5MiB 4e6 \
    4.0e+06 4194304.0 4mb 4m 4k 04194304 1e99 4MiBx -4M 4.3 .5GiB; do
    check "--memory and 'memory:' agree on $size" alike "$size"
done
for yes in yes true on; do
    works "a key of a queue takes $yes as YAML does" create "$bus" --dry-run --queue=q:timestamps=$yes
done
works "a mode as YAML 1.2 writes it" create "$bus" --dry-run --mode=0o660
check "is that mode" says 'mode 0660'

# ------------------------------------------------------------------------------------ from a file
cat >"$dir/bus.yaml" <<EOF
bus: $bus-yaml
blocks:
  - { size: 256, count: 64 }
channels:
  tasks: { kind: queue, depth: 16 }
EOF
works "a bus is made from YAML, which names it" create --config="$dir/bus.yaml"
works "its channel is there" stats "$bus-yaml" tasks
fails "a misspelt channel is met with the nearest" 3 "did you mean .tasks." stats "$bus-yaml" task
works "rm" rm "$bus-yaml"
works "a name on the command line wins, options go on top" create "$bus" -c "$dir/bus.yaml" \
    --queue=more:depth=4
works "both channels are there" stats "$bus" tasks more

# -------------------------------------------------------------------- removed while it is in use
"$ctl" recv "$bus" tasks >"$dir/got" 2>&1 &
user=$!
pids=$user
check "a process takes part again" eventually state_is alive
works "rm --force removes a bus in use" rm --force "$bus"
check "the name is gone" absent
stop "$user"

# ---------------------------------------------------------------------------- another directory
works "a bus is made in another directory" create "$bus" --dir="$dir" --memory=1MiB
check "it is there" test -e "$dir/shmbus.$bus"
works "its path is its name" stats "$dir/$bus"
works "list looks there" list --dir="$dir" --no-headings -o name
check "and shows the path" out_is "$dir/$bus"
fails "--dir with a path is refused" 2 "path already" create "$dir/x" --dir="$dir"
works "rm by path" rm "$dir/$bus"
check "it is gone from there" test ! -e "$dir/shmbus.$bus"

# ------------------------------------------------------------- the name of the file as the name of the bus
works "the name of a file makes the bus in it" create "shmbus.$bus"
check "and names it as it is" eval 'complains "created $bus: $segment," && test -e "$segment"'
check "on standard error: standard output is for data" test ! -s "$out"
check "there is no file with the prefix twice" test ! -e "/dev/shm/shmbus.shmbus.$bus"
works "so does its path, as a shell completes it" stats "$segment"
check "it is the same bus" says "^$bus  $segment "
works "rm understands it, too" rm "shmbus.$bus"
check "it is gone" absent
: >"/dev/shm/shmbus.shmbus.$bus"
run list --no-headings -o name
check "what no name can mean is not listed" eval '! says "^shmbus[.]"'
rm "/dev/shm/shmbus.shmbus.$bus"

# --------------------------------------------------------------------------------------------- damaged
works "one is made" create "$bus"
truncate -s 5000 "$segment"
fails "--if-missing does not take what cannot be used" 6 "cut or overwritten" create "$bus" --if-missing
fails "rm of a cut one tells what works" 6 "shmbusctl rm --force $bus\$" rm "$bus"
works "which works" rm --force "$bus"
works "one is made" create "$bus"
truncate -s 100 "$segment"
fails "rm of a stump as well" 6 "shmbusctl rm --force $bus\$" rm "$bus"
works "which works" rm --force "$bus"

works "two are made" create "$bus-1"
works "two are made" create "$bus-2"
run rm "$bus-1" "$bus-none" "$bus-2"
check "rm goes on behind one that is not there, and tells" eval 'status_is 3 && one_line'
end
