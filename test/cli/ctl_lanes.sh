#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl and queues with order per producer: made, used, shown, checked.
name=lanes
. "$(dirname "$0")/ctl.inc"

# ------------------------------------------------------------------------------------------ made
works "a dry run works" create "$bus" --dry-run --memory=4MiB \
    --queue=jobs:order=producer,message_bytes=1000,producers=8,depth=100
check "it shows what the lanes cost" says '^queue *jobs *1\.1MiB .*order=producer message_bytes=1000 producers=8'
check "it tells what is rounded up" complains 'jobs: depth 100 -> 128'
bad() {
    sentence=$1 pattern=$2
    shift 2
    fails "$sentence" 2 "$pattern" create "$bus" "$@"
}
bad "an unknown order is refused" "neither total nor producer" --queue=jobs:order=none
bad "a share is for total order" "share" --queue=jobs:order=producer,share=2
bad "producers need order=producer" "order: producer" --queue=jobs:producers=8
bad "too many producers are refused" "1 .. 256" --queue=jobs:order=producer,producers=257
bad "a message that is too large is refused" "message_bytes" \
    --queue=jobs:order=producer,message_bytes=2GiB
bad "a misspelt key is met with the nearest" "did you mean .producers." --queue=jobs:producer=8
bad "a stream has no order" "did you mean\|unknown key" --stream=ticks:order=producer
bad "dead letters need total order" "dead letters need .order: total" \
    --queue=jobs:max_deliveries=2,dead_letter=dead --queue=dead:order=producer
works "a bus is made" create "$bus" --memory=4MiB --queue=other \
    --queue=jobs:order=producer,message_bytes=100,producers=4,depth=16,max_deliveries=2,dead_letter=dead

# ------------------------------------------------------------------------------------------ used
works "send" send "$bus" jobs first
works "send more" send "$bus" jobs next --count=3
fails "a message that does not fit is refused" 1 "message_bytes" send "$bus" jobs \
    "$(printf '%0145d' 1)"
works "peek" peek "$bus" jobs
check "shows all that waits, in order" out_is "$(printf 'first\nnext\nnext\nnext')"
works "peek -n" peek "$bus" jobs -n 1 --json
json "has the sequence and the delivery" "(j['sequence'], j['delivery_count']) == (1, 1)"
works "receive" recv "$bus" jobs
check "takes the first" out_is first

# ----------------------------------------------------------------------------------------- shown
works "stats" stats "$bus"
check "has order and lanes" says '^CHANNEL *KIND *ORDER *LANES'
check "of lanes" says '^jobs *queue *producer *1/4 *3 '
check "of a queue with total order" says '^other *queue *total *- '
check "the counters are right" same "$(field jobs sent,received,depth,held,capacity | tr -s ' ')" "4 1 3 0 16"
works "stats --json" stats "$bus" jobs other --json
json "has them, too" \
    "[(c['order'], c['lanes'], c['lanes_used'], c['depth']) for c in j['channels']] == [('total', 0, 0, 0), ('producer', 4, 1, 3)] or [(c['order'], c['lanes'], c['lanes_used'], c['depth']) for c in j['channels']] == [('producer', 4, 1, 3), ('total', 0, 0, 0)]"

# ---------------------------------------------------------------------- killed with it, dead letter
mkfifo "$dir/pipe"
i=0
while [ $i -lt 2 ]; do
    i=$((i + 1))
    exec 8<>"$dir/pipe" # nobody reads: what is larger than a pipe holds is stuck there
    dd if=/dev/zero of="$dir/pipe" bs=4096 count=64 oflag=nonblock 2>/dev/null
    "$ctl" recv "$bus" jobs >"$dir/pipe" 2>"$err" 8>&- &
    reader=$!
    pids=$reader
    check "a receiver holds one, unable to write" eventually field_is jobs held 1
    check "ps shows that" eventually eval '[ "$("$ctl" ps "$bus" --no-headings -o held)" = 1 ]'
    stop "$reader" KILL
    exec 8>&-
    works "reclaim" reclaim "$bus"
done
check "after two deaths it is a dead letter" field_is dead dead_letters 1
works "peek shows it" peek "$bus" dead --headers
check "with its deliveries" eval 'says delivery=2 && says "^next$"'
check "the others still wait" field_is jobs depth 2
run doctor "$bus"
check "doctor tells of it" says "dead letters wait"
works "it can be taken" recv "$bus" dead
check "whole" out_is next
check "and is gone" field_is dead dead_letters 0

# --------------------------------------------------------------------------------------- checked
works "doctor finds nothing else" doctor "$bus"
mkfifo "$dir/input"
exec 8<>"$dir/input"
"$ctl" send "$bus" jobs <"$dir/input" >"$out" 2>"$err" 8>&- &
sender=$!
pids=$sender
i=0
while [ $i -lt 14 ]; do
    i=$((i + 1))
    echo "line $i" >&8
done
check "a sender fills its lane and waits for room" eventually field_is jobs depth 16
check "the bus sees it" field_is jobs senders 1
works "another one takes a lane of its own" send "$bus" jobs beside --timeout=0
check "which is counted" field_is jobs lanes 2/4
run doctor "$bus"
check "doctor sees the full lane beside the other" says "1 of 2 lanes are full.* lane 0 of"
stop "$sender"
exec 8>&-
run recv "$bus" jobs --count=17 --timeout=0
check "all that was sent arrives" eval '[ "$(wc -l <"$out")" -eq 17 ]'
check "in the order of each producer" eval 'grep -v -e beside -e next "$out" | sort -k2n -c'
works "rm" rm "$bus"
end
