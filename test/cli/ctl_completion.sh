#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl completion: what bash offers, asked as bash asks. COMP_WORDS is what Readline hands over;
# with "=" as a word of its own, as it usually does.
name=completion
. "$(dirname "$0")/ctl.inc"

works "completion bash works" completion bash
cp "$out" "$dir/script"
if ! command -v bash >/dev/null; then
    skip "bash completes" "no bash"
    exit 0
fi
check "bash accepts its completion" bash -n "$dir/script"
mkdir "$dir/bin"
ln -s "$ctl" "$dir/bin/shmbusctl"
# offers WORD...: what the last word may become
offers() {
    (cd "$dir" && PATH=$dir/bin:$PATH bash -u -c 'source ./script
        COMP_WORDS=(shmbusctl "$@") COMP_CWORD=$#
        _shmbusctl
        printf "%s " "${COMPREPLY[@]:-}"' bash "$@" 2>"$err" | sed 's/ *$//')
}
gives() { # "sentence" "words" WORD...
    sentence=$1 wanted=$2
    shift 2
    got=$(offers "$@")
    printf '%s\n' "$got" >"$out"
    check "$sentence" same "$got" "$wanted"
}
"$ctl" create "$bus" --memory=1MiB --queue=tasks --queue=table --stream=ticks >/dev/null 2>&1
"$ctl" create "$bus-2" --memory=1MiB >/dev/null 2>&1
touch "$dir/demo.yaml"
mkdir "$dir/place"

gives "verbs" "recv reclaim restart reload" re
gives "a bus" "$bus $bus-2" stats "$bus"
gives "a channel" "tasks table" recv "$bus" ta
gives "a channel behind an option without a value" "tasks table" recv --follow "$bus" ta
gives "a channel behind an option with one" "tasks table" recv --timeout 5s "$bus" ta
gives "in either form" "tasks table" recv --timeout = 5s "$bus" ta
gives "short, too" "tasks table" recv -n 2 "$bus" ta
gives "as many channels as stats takes" "ticks" stats "$bus" tasks ti
gives "no channel where recv takes no more" "" recv "$bus" tasks ta
gives "no channel where send wants the data" "" send "$bus" tasks ta
gives "as many buses as rm takes" "$bus-2" rm "$bus" "$bus-"
gives "options of the verb" "--follow" recv "$bus" --fo
gives "those with a value, with =" "--timeout=" recv "$bus" --ti
gives "a file" "demo.yaml" create -c de
gives "a file behind =" "demo.yaml" create --config = de
gives "behind = in the same word, for a bash without = in COMP_WORDBREAKS" "--config=demo.yaml" create --config=de
gives "a file as operand" "demo.yaml" supervise de
gives "a directory" "place" list --dir = pl
gives "a type" "control" send "$bus" tasks --type = con
gives "columns" "redeliverable redelivered" stats "$bus" -o rede
gives "columns behind others" "depth,high" stats "$bus" -o depth,hi
gives "columns of the verb at hand" "state" ps "$bus" -o sta
gives "verbs for help" "doctor" help do
gives "the shell" "bash" completion ''
gives "nothing for what no verb is" "" frobnicate x
check "all quietly" [ ! -s "$err" ]
"$ctl" rm "$bus" "$bus-2"
end
