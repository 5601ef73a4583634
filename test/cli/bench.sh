#!/bin/sh
# SPDX-License-Identifier: MIT
# The runner of `make bench` learns the machine, and does not call nothing a result. Scripts play the
# probe and a contestant.
name=bench
. "$(dirname "$0")/ctl.inc"

command -v python3 >/dev/null 2>&1 || { skip "the runner of make bench" "no python3"; exit 0; }

mkdir "$dir/programs" "$dir/peers"
# The nth call of the probe prints the nth line of "seen", the last one forever.
cat >"$dir/programs/bench-probe" <<'END'
#!/bin/sh
d=$(dirname "$0")
# Of a pair of processors --cpus=A,B there may be a file of its own.
case ${1:-} in --cpus=*) [ -e "$d/pair-${1#--cpus=}" ] && exec cat "$d/pair-${1#--cpus=}" ;; esac
n=$(($(cat "$d/count" 2>/dev/null || echo 0) + 1))
echo $n >"$d/count"
{ sed -n "${n}p" "$d/seen" | grep . || tail -n 1 "$d/seen"; }
END
cat >"$dir/programs/bench-fake" <<'END'
#!/bin/sh
echo "$*" >>"$(dirname "$0")/asked"
cat "$(dirname "$0")/says"
END
printf '# bench-peer: fake\n# kind: shmbus\n# workloads: stream\n# sizes: 64-64\n' >"$dir/peers/fake.py"
mkdir "$dir/caches" "$dir/caches/index0" "$dir/caches/index1" "$dir/caches/index2"
cache() { echo "$2" >"$dir/caches/$1/level"; echo "$3" >"$dir/caches/$1/type"; echo "$4" >"$dir/caches/$1/size"; }
cache index0 1 Data 32K
cache index1 2 Unified 512K
cache index2 3 Unified 16384K
chmod +x "$dir"/programs/bench-*

# saw LINE_NS CROWD BUSY [TIMES]: what the probe sees next
begin() { rm -f "$dir/programs/count" "$dir/programs/seen" "$dir/programs/asked" "$dir"/programs/pair-*; }
look() { echo "{\"line_ns\": $1, \"crowd\": $2, \"busy\": $3}"; }
saw() {
    for _ in $(seq "${4:-1}"); do
        look "$1" "$2" "$3" >>"$dir/programs/seen"
    done
}
pair() { look "$2" "$3" 0.01 >"$dir/programs/pair-$1"; } # CPU,CPU LINE_NS CROWD
measures() { echo "{\"contestant\": \"fake\", $1}" >"$dir/programs/says"; }
GOOD='"unit": "msgs_per_s", "value": 1000000.0, "from": "windows"'
NONE='"value": null, "note": "nothing moved"'

bench() {
    timeout 120 python3 "$root/bench/run.py" --quick --budget 100 --rounds 4 --patience 0 --programs "$dir/programs" \
        --peers "$dir/peers" --results "$dir/results" --cpus 0-1 --caches "$dir/caches" "$@" \
        >"$out" 2>"$err" </dev/null
    status=$?
}
median() { sed -n 's/.*"median": \([^,]*\), "unit.*/\1/p' "$dir/results/results.jsonl" | head -n 1; }
asked() { grep -q -e "$1" "$dir/programs/asked"; }

begin
saw 45 1.02 0.01
measures "$GOOD"
bench
check "a line that is handed over quickly does not make two cores one" status_is 0
check "and what was measured there counts" same "$(median)" 1000000.0
check "what was learnt is said" says 'usual here: two cores .*1\.02 times.*45 ns'
check "and stands in each row" says '^  fake .* two cores, 45 ns'
check "a ring of the second-level cache has half of it, 1024 messages at most" \
    asked 'stream 64 0 .*--batch=1 .*--depth=1024$'
check "one of the third is larger than the second" asked 'stream 64 0 .*--batch=1 .*--depth=32768$'
check "the sizes are said" says '^rings: 256 KiB in the second-level cache, 2048 KiB in the third'

begin
saw 45 1.02 0.01
bench --caches "$dir/nowhere"
check "where the kernel does not tell the caches, usual ones are assumed" \
    says '^rings: 512 KiB in the second-level cache, 4096 KiB in the third'

begin
saw 130 2.00 0.01
bench
check "a machine whose cores are always threads of one is measured, too" same "$status $(median)" \
    "0 1000000.0"
check "which is said in capitals" says '^ONE CORE: '

begin
saw 130 1.00 0.01 24
saw 30 1.97 0.01
bench
check "cores that become one after a while do not count from then on" \
    says '^one core: 30 ns, in [0-9]* of [0-9]* looks'
check "but what was measured there is shown beside" says 'one core: 1e+06\|one core: 1 M/s'
begin
saw 130 1.00 0.01 20
for _ in $(seq 40); do
    saw 130 1.00 0.01
    saw 30 1.97 0.01
done
bench
check "what is measured while the loops move is of neither placement" eval \
    'status_is 1 && complains "NOTHING MEASURED.*never on the cores that are usual here"'

begin
saw 50 1.00 0.01 16
saw 320 1.00 0.01 8
saw 52 1.00 0.01
bench
check "two distances between cores are told apart" says '^far: 320 ns, in 8 of [0-9]* looks'
check "and the usual one is near" says 'usual here: near .*5[0-2] ns'
begin
saw 320 1.00 0.01 16
saw 50 1.00 0.01 4
saw 321 1.00 0.01
bench
check "the farther one may be the usual one" says 'usual here: far .*32[01] ns'
begin
saw 100 1.00 0.01 3
for ns in 110 125 140 160 185 210 240 270 300; do saw $ns 1.00 0.01 2; done
bench
check "distances that only scatter are one, of which nobody knows whether it is near" \
    eval 'says "usual here: two cores " && ! says "^far: "'
begin
saw 50 1.00 0.01 19
saw 320 1.00 0.01 1
saw 51 1.00 0.01
bench
check "one stray look makes no second distance" eval 'says "usual here: two cores " && ! says "^far: "'
begin
saw 50 1.00 0.01 15
saw 320 1.00 0.01 10
saw 50 1.00 0.01
bench --place far
check "a placement that was asked for is the one that counts" says 'wanted here: far .*320 ns'

begin
saw 90 1.00 0.01
pair 0,1 30 1.98
pair 0,2 90 1.01
pair 0,3 300 1.01
bench --cpus 0-3
check "of more than two processors two near ones are taken, no threads of one" \
    says 'usual here: near .*on processors 0 and 2'
check "and the loops are told so" asked '--cpus=0,2'
bench --cpus 0-3 --place near
check "also if near was asked for" eval 'asked --cpus=0,2 && says "wanted here: near "'
bench --cpus 0-3 --place far
check "or two that are far apart" asked '--cpus=0,3'
begin
saw 90 1.00 0.01
pair 0,1 90 1.01
pair 0,2 92 1.01
bench --cpus 0-2 --place near
check "where only one distance is known it is as near as can be" eval \
    'status_is 0 && says "wanted here: near\|wanted here: two cores"'
bench --cpus 0-2 --place 'one core'
check "a placement that this machine has not is refused by name" eval \
    'status_is 1 && complains "no two processors here are .one core.; there are: two cores"'

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
begin
saw 130 1.00 0.01
measures "$GOOD"
bench --budget 0.000001
check "and one whose time was up before the first row" eval \
    'status_is 1 && complains "NOTHING MEASURED.*not measured: "'

printf 'before\n<!-- generated by bench/summary: begin -->\nold\n<!-- generated by bench/summary: end -->\nafter\n' \
    >"$dir/page"
begin
saw 50 1.00 0.01 15
saw 320 1.00 0.01 10
saw 50 1.00 0.01
sed -i 's/fake/shmbus/' "$dir/peers/fake.py"
bench
python3 "$root/bench/summary" "$dir/results/results.jsonl" --into "$dir/page" >"$out" 2>"$err"
status=$?
cp "$dir/page" "$out"
check "the table of the documents is made of a run, between two lines" eval \
    'status_is 0 && says "^| one to one, 64 bytes | 1 M/s" && says ^before && says ^after && ! says ^old'

[ "$failed" = 0 ]
