#!/bin/sh
# SPDX-License-Identifier: MIT
# The runner of `make bench` learns the machine, and does not call nothing a result. Scripts play the
# probe and a contestant.
name=bench
. "$(dirname "$0")/ctl.inc"

command -v python3 >/dev/null 2>&1 || { skip "the runner of make bench" "no python3"; exit 0; }

mkdir "$dir/programs" "$dir/peers"
# The nth call of the probe prints the nth line of "seen", the last one for ever.
cat >"$dir/programs/bench-probe" <<'END'
#!/bin/sh
d=$(dirname "$0")
n=$(($(cat "$d/count" 2>/dev/null || echo 0) + 1))
echo $n >"$d/count"
{ sed -n "${n}p" "$d/seen" | grep . || tail -n 1 "$d/seen"; }
END
cat >"$dir/programs/bench-fake" <<'END'
#!/bin/sh
cat "$(dirname "$0")/says"
END
printf '# bench-peer: fake\n# kind: shmbus\n# workloads: stream\n# sizes: 8-8\n' >"$dir/peers/fake.py"
chmod +x "$dir"/programs/bench-*

# saw LINE_NS CROWD BUSY [TIMES]: what the probe sees next
begin() { rm -f "$dir/programs/count" "$dir/programs/seen"; }
saw() {
    for _ in $(seq "${4:-1}"); do
        echo "{\"line_ns\": $1, \"crowd\": $2, \"busy\": $3}" >>"$dir/programs/seen"
    done
}
measures() { echo "{\"contestant\": \"fake\", $1}" >"$dir/programs/says"; }
GOOD='"unit": "msgs_per_s", "value": 1000000.0, "from": "windows"'
NONE='"value": null, "note": "nothing moved"'

bench() {
    timeout 120 python3 "$root/bench/run.py" --quick --budget 0.3 --patience 0 --programs "$dir/programs" \
        --peers "$dir/peers" --results "$dir/results" "$@" >"$out" 2>"$err" </dev/null
    status=$?
}
median() { sed -n 's/.*"median": \([^,]*\),.*/\1/p' "$dir/results/results.jsonl" | head -n 1; }

begin
saw 45 1.02 0.01
measures "$GOOD"
bench
check "a line that is handed over quickly does not make two cores one" status_is 0
check "and what was measured there counts" same "$(median)" 1000000.0
check "what was learnt is said" says 'usual here: two cores.*1\.02 times.*45 ns'

begin
saw 130 2.00 0.01
bench
check "a machine whose cores are always threads of one is measured, too" same "$status $(median)" \
    "0 1000000.0"
check "which is said in capitals" says '^ONE CORE: '

begin
saw 130 1.00 0.01 21
saw 30 1.97 0.01
bench --budget 60
check "cores that become one after a while do not count from then on" \
    says 'with one core it was 30 ns; [0-9]* measurements found that'
begin
saw 130 1.00 0.01 20
saw 30 1.97 0.01
bench
check "if they are one for all measurements, nothing was measured" eval \
    'status_is 1 && complains "NOTHING MEASURED.*never on the cores that are usual here"'

begin
saw 0 0.00 0.90
bench
check "a machine too busy to tell is not called one core" eval 'status_is 0 && says "is not known"'

begin
saw 130 1.00 0.01
measures "$NONE"
bench
check "a run in which no row has a number has failed" eval \
    'status_is 1 && complains "NOTHING MEASURED: none of [0-9]* rows.*nothing moved"'
bench --only 'nothing is called this'
check "so has one in which no row was asked for" eval \
    'status_is 1 && complains "NOTHING MEASURED: no contestant fits"'

[ "$failed" = 0 ]
