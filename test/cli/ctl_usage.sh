#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl: help, wrong verbs, wrong options, wrong values. No bus is made.
name=usage
. "$(dirname "$0")/ctl.inc"

verbs='create list stats ps send recv peek doctor reclaim rm gc version help completion'

# --------------------------------------------------------------------------------------- help
works "without a verb it prints the overview"
check "the overview has the exit codes" says '^  7 .*would block'
for verb in $verbs; do
    works "help $verb works" help "$verb"
    check "help $verb has a usage line" says "^usage: shmbusctl $verb"
    check "help $verb has an example" eval "sed -n '/^Examples:/,\$p' \"\$out\" | grep -q 'shmbusctl $verb'"
    cp "$out" "$dir/help"
    run "$verb" --help
    check "$verb --help is the same" cmp -s "$out" "$dir/help"
    run help
    check "the overview lists $verb" says "^  $verb "
done
run help
check "the overview fits 80 columns" eval '! grep -q "^.\{81,\}" "$out"'
for verb in $verbs supervise status start stop restart reload scale rollout logs; do
    run help "$verb"
    check "so does help $verb" eval '! grep -q "^.\{81,\}" "$out"'
done
works "--help works" --help
works "--version works" --version
check "the version has a number" says '^shmbusctl [0-9]*\.[0-9]*\.[0-9]* (libshmbus [0-9]'
works "completion bash works" completion bash
if command -v bash >/dev/null; then
    check "bash accepts its completion" bash -n "$out"
    printf '%s\n' "COMP_WORDS=(shmbusctl re) COMP_CWORD=1; _shmbusctl; echo \${COMPREPLY[*]}" >>"$out"
    check "completion finds verbs" same "$(bash "$out")" "recv reclaim restart reload"
else
    skip "bash accepts its completion" "no bash"
fi

# -------------------------------------------------------------------------------- wrong usage
fails "an unknown verb is met with the nearest one" 2 "did you mean .stats" statz
fails "a verb nobody means is refused" 2 "unknown verb .qqqqqq" qqqqqq
fails "an option in place of the verb is refused" 2 "the verb comes first" --json
fails "help of an unknown verb is refused" 2 "did you mean .list" help lits
fails "an unknown shell is refused" 2 "there is: bash" completion fish
for verb in stats ps send recv peek reclaim rm completion; do
    fails "$verb without arguments shows its usage" 2 "usage: shmbusctl $verb" $verb
done
for verb in stats ps send recv peek reclaim rm gc create list; do
    fails "$verb refuses an unknown option" 2 "unknown option .--frobnicate." $verb --frobnicate x y
    fails "$verb refuses an unknown letter" 2 "unknown option .-Z." $verb -Z x y
done
fails "doctor answers wrong usage with 3, unknown" 3 "unknown option" doctor --frobnicate
fails "a misspelt option is met with the nearest one" 2 "did you mean .--json." stats x --jsno
fails "an option without its value is refused" 2 ".--count. needs a value" recv x y --count
fails "a value too many is refused" 2 "takes no value" recv x y --follow=1
fails "an argument too many is refused" 2 ".z. is one too many" recv x y z
fails "ps takes one bus" 2 "one too many" ps x y
fails "list takes no argument" 2 "one too many" list x
fails "version takes no argument" 2 "one too many" version x

# ------------------------------------------------------------------------------- wrong values
fails "a bad duration is refused" 2 "not a duration" recv x y --timeout=soon
fails "a duration beyond 64 bits is refused" 2 "not a duration" recv x y --timeout=99999999999999999s
fails "a negative duration is refused" 2 "not a duration" recv x y --timeout=-1
fails "a bad count is refused" 2 "not a number from 1" recv x y --count=0
fails "a count that is no number is refused" 2 "not a number" send x y z --count=many
fails "a count beyond 64 bits is refused" 2 "not a number" recv x y --count=18446744073709551616
fails "an unknown message type is met with the nearest" 2 "did you mean" send x y z --type=contrl
fails "a message type beyond 255 is refused" 2 "unknown type" send x y z --type=256
fails "--follow and --count exclude each other" 2 "exclude" recv x y --follow --count=2
fails "--raw and --hex exclude each other" 2 "exclude" recv x y --raw --hex
fails "peek --json and --hex exclude each other" 2 "exclude" peek x y --json --hex
fails "DATA and --file exclude each other" 2 "both DATA and --file" send x y z --file=/dev/null
fails "--null is about stdin" 2 "about stdin" send x y z --null
fails "--null and --whole-stdin exclude each other" 2 "exclude" send x y --null --whole-stdin
fails "--count needs one message" 2 "needs --whole-stdin" send x y --count=2
fails "watching faster than 10 ms is refused" 2 "at least 10ms" stats x --watch=0
fails "-o with two tables is refused" 2 "one table" stats x -o sent --channels --processes
fails "-o and --json exclude each other" 2 "exclude" stats x -o sent --json

# ----------------------------------------------------------------------------------- not found
for verb in stats ps reclaim rm; do
    fails "$verb of a bus that is not there is 3" 3 "$bus" $verb "$bus"
done
for verb in send recv peek; do
    fails "$verb on a bus that is not there is 3" 3 "$bus" $verb "$bus" tasks
done
run doctor "$bus"
check "doctor of a bus that is not there is 3" status_is 3
fails "a bad name is refused" 2 "" stats '..'
fails "a directory that is not there is 3" 3 "$dir/none" list --dir="$dir/none"

# --------------------------------------------------------------------------------------- output
if [ -c /dev/full ]; then
    "$ctl" help >/dev/full 2>"$err"
    status=$?
    check "output that does not fit is a failure" eval 'status_is 1 && one_line'
    "$ctl" help >&- 2>"$err"
    status=$?
    check "a closed stdout is a failure" status_is 1
fi
end
