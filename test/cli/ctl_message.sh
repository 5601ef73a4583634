#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl send, recv and peek: what comes out is what went in, and nothing is acknowledged that
# was not written.
name=message
. "$(dirname "$0")/ctl.inc"

works "a bus for the tests" create "$bus" --memory=8MiB --queue=tasks:depth=64 \
    --queue=small:depth=2 --queue=reject:depth=2,on_full=reject --stream=ticks:bytes=64KiB

# ----------------------------------------------------------------------------------- there and back
works "send is quiet" send "$bus" tasks hello
check "on both outputs" quiet
works "peek shows it" peek "$bus" tasks
check "as it is" out_is hello
works "recv takes it" recv "$bus" tasks
check "as it is" out_is hello
fails "now the queue is empty: 7" 7 "" recv "$bus" tasks --timeout=0
fails "waiting for it in vain is 4" 4 "" recv "$bus" tasks --timeout=20ms
works "peek of an empty queue shows nothing" peek "$bus" tasks
check "really nothing" quiet
fails "a channel that is not there is 3" 3 "nosuch" recv "$bus" nosuch --timeout=0
fails "send to it as well: a typing mistake makes no channel" 3 "nosuch" send "$bus" nosuch x
fails "and tells how it would" 3 "nosuch.; --create makes" send "$bus" nosuch x
fails "and peek" 3 "nosuch" peek "$bus" nosuch
fails "a misspelt channel is met with the nearest" 3 "did you mean .tasks." send "$bus" task x
fails "by recv, too" 3 "did you mean .tasks." recv "$bus" taks --timeout=0
fails "and by peek" 3 "did you mean .tasks." peek "$bus" tusks
works "unless --create is given" send "$bus" nosuch x --create
works "then it is there" recv --timeout=0 "$bus" nosuch
works "options may stand anywhere" send --type=control "$bus" --count 2 tasks --timeout 1s -- -1
works "and data may start with a dash" recv "$bus" -n 2 --timeout=0 --headers tasks
check "headers show the type and the size" eval 'says "type=control/1 size=2 delivery=1" && says "^-1$"'
works "an empty message is one, too" send "$bus" tasks ''
works "it is received" recv "$bus" tasks --timeout=0
check "as an empty line" same "$(wc -c <"$out")" 1

# --------------------------------------------------------------------------------------------- stdin
seq 50 | "$ctl" send "$bus" tasks
"$ctl" recv "$bus" tasks --count=50 --timeout=5s >"$out" 2>"$err"
status=$?
check "each line of stdin is a message, in order" same "$(cat "$out")" "$(seq 50)"
printf 'last line without end' | "$ctl" send "$bus" tasks
run recv "$bus" tasks --timeout=0
check "an unfinished last line counts" out_is 'last line without end'
printf 'a\nb\0c\0' | "$ctl" send "$bus" tasks --null
run recv "$bus" tasks --count=2 --timeout=0 --hex
check "--null splits at zero bytes" out_is "$(printf '610a62\n63')"
printf 'a\nb\n' | "$ctl" send "$bus" tasks --whole-stdin
run recv "$bus" tasks --timeout=0 --hex
check "--whole-stdin is one message" out_is 610a620a
head -c 100000 /dev/urandom >"$dir/blob"
works "a file is one message" send "$bus" tasks --file="$dir/blob"
run recv "$bus" tasks --timeout=0 --raw
check "--raw gives back every byte" cmp -s "$out" "$dir/blob"
fails "a file that is not there is 3" 3 "$dir/none" send "$bus" tasks --file="$dir/none"
works "an empty file is an empty message" send "$bus" tasks --file=/dev/null
run recv "$bus" tasks --timeout=0 --raw
check "indeed" eval 'status_is 0 && quiet'
head -c 3000000 /dev/zero >"$dir/big"
fails "a message beyond the largest block is refused" 1 "longer than the largest\|too long\|bytes" \
    send "$bus" small --file="$dir/big"

# ----------------------------------------------------------------------------------------------- hex
works "--hex decodes" send "$bus" tasks --hex 'de AD beef'
run recv "$bus" tasks --timeout=0 --hex
check "and prints" out_is deadbeef
fails "bad hexadecimal is refused" 2 "character 3" send "$bus" tasks --hex 'dexx'
fails "half a byte is refused" 2 "character 4" send "$bus" tasks --hex 'abc'

# ---------------------------------------------------------------------------------------------- JSON
works "send text" send "$bus" tasks 'say "hi"' --correlation=18446744073709551615
works "peek --json" peek "$bus" tasks --json
json "text is in it, and 64-bit ids are exact" \
    "j['data'] == 'say \"hi\"' and j['encoding'] == 'utf-8' and j['correlation_id'] == 2**64-1 and j['schema'] == 1 and j['channel'] == 'tasks'"
works "recv it" recv "$bus" tasks --timeout=0 --json
json "recv prints the same" "j['size_bytes'] == 8 and j['delivery_count'] == 1"
works "send bytes" send "$bus" tasks --hex 'ff00fe'
works "recv them" recv "$bus" tasks --timeout=0 --json
json "what is no text is in hexadecimal" "j['data'] == 'ff00fe' and j['encoding'] == 'hex'"

# ---------------------------------------------------------------------------------------------- full
works "fill a queue" send "$bus" small x --count=2
fails "sending into a full one without waiting is 7" 7 "" send "$bus" small x --timeout=0
fails "waiting for room in vain is 4" 4 "" send "$bus" small x --timeout=20ms
head -c 1000000 /dev/zero >"$dir/large"
i=0
while "$ctl" send "$bus" tasks --file="$dir/large" --timeout=0 2>"$dir/no-block"; do i=$((i + 1)); done
check "large messages use up their blocks before the queue is full" \
    eval '[ $i -gt 0 ] && [ $i -lt 64 ] && grep -q "no free block" "$dir/no-block"'
fails "no block, without waiting, is 7" 7 "no free block" send "$bus" tasks --file="$dir/large" --timeout=0
fails "no block in all that time is 4" 4 "no free block" send "$bus" tasks --file="$dir/large" \
    --timeout=20ms
works "they go" recv "$bus" tasks --count=$i --timeout=0
works "fill the other" send "$bus" reject x --count=2
fails "which rejects at once" 7 "" send "$bus" reject x
seq 10 | timeout 60 "$ctl" send "$bus" small --timeout=0 >"$out" 2>"$err"
status=$?
check "lines that find no room are a failure" status_is 7

# ------------------------------------------------------------------------------------------- streams
works "a stream takes messages" send "$bus" ticks tick
works "and gives them back" recv "$bus" ticks --timeout=1s
check "as they were" out_is tick
printf 'a\nb\n' | "$ctl" send "$bus" ticks
run recv "$bus" ticks --count=3 --timeout=5s
check "the end of the sender ends recv, behind the last message" \
    eval 'status_is 1 && out_is "$(printf "a\nb")" && complains "2 of 3" && complains closed'

# ---------------------------------------------------------- nothing is acknowledged that was not written
works "send one" send "$bus" tasks precious
if [ -c /dev/full ]; then
    "$ctl" recv "$bus" tasks --timeout=0 >/dev/full 2>"$err"
    status=$?
    check "recv onto a full disk fails" eval 'status_is 1 && one_line && complains "not acknowledged"'
    run recv "$bus" tasks --timeout=5s --headers
    check "its message comes again" eval 'says delivery=2 && says "^precious$"'
else
    run recv "$bus" tasks --timeout=5s
fi
works "send one more" send "$bus" tasks first
acknowledged=$(field tasks acknowledged)
mkfifo "$dir/pipe"
exec 8<>"$dir/pipe" 9>"$dir/pipe"
"$ctl" recv "$bus" tasks --follow >"$dir/pipe" 2>"$err" 8>&- 9>&- &
reader=$!
pids=$reader
check "a follower holds it while it lies in the pipe" eventually field_is tasks held 1
works "another is sent" send "$bus" tasks second
check "which it does not take" eventually field_is tasks depth 1
read -r line <&8
check "read, it is acknowledged" eventually field_is tasks acknowledged $((acknowledged + 1))
check "and the other is taken" eval 'same "$line" first && eventually field_is tasks held 1'
exec 8>&- 9>&-
status=0
wait "$reader" || status=$?
pids=
check "the end of the reader ends the follower by SIGPIPE, quietly" eval 'status_is 141 && [ ! -s "$err" ]'
works "what nobody read comes again" recv "$bus" tasks --timeout=5s --headers
check "marked as delivered before" eval 'says delivery=2 && says "^second$"'
(
    trap '' PIPE
    exec 8<>"$dir/pipe" 9>"$dir/pipe"
    "$ctl" recv "$bus" tasks --follow >"$dir/pipe" 2>"$err" 8>&- 9>&- &
    eventually state_is alive
    exec 8>&- 9>&-
    wait $!
)
status=$?
check "so does its end while there is nothing, and is told where SIGPIPE is ignored" \
    eval 'status_is 1 && one_line && complains "nobody reads"'
seq 1 100 >"$dir/hundred"
"$ctl" create "$bus-head" --queue=q:depth=128 >/dev/null
"$ctl" send "$bus-head" q <"$dir/hundred"
timeout 60 "$ctl" recv "$bus-head" q --follow 2>"$err" | head -n 1 >"$out"
check "'recv --follow | head' ends, quietly" eval 'out_is 1 && [ ! -s "$err" ]'
"$ctl" recv "$bus-head" q --count=99 --timeout=0 2>"$err" | sort -n >"$out"
check "and leaves the other 99" same "$(cat "$out")" "$(seq 2 100)"
"$ctl" send "$bus-head" q <"$dir/hundred"
timeout 60 "$ctl" recv "$bus-head" q --follow 2>"$err" | head -n 100 >"$out"
check "what the reader takes comes whole and in order" cmp -s "$out" "$dir/hundred"
"$ctl" rm "$bus-head"

# ------------------------------------------------------------------------------ killed while it writes
works "send a message that no pipe can hold" send "$bus" tasks --file="$dir/blob"
works "once more" send "$bus" tasks --file="$dir/blob"
exec 8<>"$dir/pipe"
"$ctl" recv "$bus" tasks --count=2 --raw >"$dir/pipe" 2>"$err" 8>&- &
reader=$!
pids=$reader
check "a receiver holds it, unable to write" eventually field_is tasks held 1
stop "$reader" KILL
exec 8>&-
run recv "$bus" tasks --timeout=5s --json --count=2
check "after kill -9 both messages arrive" eval 'status_is 0 && [ "$(wc -l <"$out")" -eq 2 ]'
check "the one it held is marked as delivered before" says '"delivery_count":2'

# ------------------------------------------------------------------------------------------- signals
for signal in TERM HUP; do
    "$ctl" recv "$bus" tasks --follow >"$out" 2>"$err" &
    follower=$!
    pids=$follower
    check "a follower waits" eventually state_is alive
    stop "$follower" $signal
    check "SIG$signal ends it by that signal, quietly" \
        eval '[ $status -gt 128 ] && [ "$(kill -l $status)" = $signal ] && quiet'
    check "and it has left the bus" same "$("$ctl" ps "$bus" --no-headings)" ""
done
mkfifo "$dir/input"
exec 8<>"$dir/input"
"$ctl" send "$bus" tasks <"$dir/input" >"$out" 2>"$err" 8>&- &
sender=$!
pids=$sender
check "a sender waits for input" eventually state_is alive
echo unfinished >&8
check "what came in is sent" eventually field_is tasks depth 1
stop "$sender"
exec 8>&-
check "SIGTERM ends a sender that waits for input" eval '[ $status -eq 143 ] && quiet'
works "rm" rm "$bus"
end
