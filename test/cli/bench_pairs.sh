#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/pairs.sh finds the slower of two builds, and says what it left out. Scripts play the builds.
name=bench_pairs
. "$(dirname "$0")/ctl.inc"

what="the judge of bench/pairs.sh"
command -v python3 >/dev/null 2>&1 || { skip "$what" "no python3"; exit 0; }

mkdir "$dir/old" "$dir/new"
printf '#!/bin/sh\necho "{\\"line_ns\\": 50, \\"crowd\\": 1.01, \\"busy\\": 0.01}"\n' >"$dir/probe"
for side in old new; do
    # The nth measurement says the nth line of "says", the last one forever.
    cat >"$dir/$side/bench-shmbus" <<'END'
#!/bin/sh
d=$(dirname "$0")
n=$(($(cat "$d/count" 2>/dev/null || echo 0) + 1))
echo $n >"$d/count"
{ sed -n "${n}p" "$d/says" | grep . || tail -n 1 "$d/says"; }
END
done
chmod +x "$dir/probe" "$dir"/old/bench-shmbus "$dir"/new/bench-shmbus

# says SIDE VALUE [FROM [UNIT]]: what that build measures next
begin() { rm -f "$dir"/*/says "$dir"/*/count; }
says_of() {
    echo "{\"value\": $2, \"from\": \"${3:-windows}\", \"unit\": \"${4:-msgs_per_s}\"}" >>"$dir/$1/says"
}
pairs() {
    timeout 120 python3 "$root/bench/pairs.py" --old "$dir/old" --new "$dir/new" --probe "$dir/probe" \
        --only '^shmbus: one to one, 64 bytes$' --pairs 4 "$@" >"$out" 2>"$err" </dev/null
    status=$?
}

begin
says_of old 100
says_of new 99
pairs
check "a build that is a hundredth slower passes" eval 'status_is 0 && says "^  ok .* 0\.990 .*; 4 pairs"'
begin
says_of old 100
says_of new 95
pairs
check "one that is a twentieth slower does not" eval 'status_is 1 && says "^  SLOWER .* 0\.950 .*one to one, 64 bytes"'
begin
says_of old 100 windows ns
says_of new 105 windows ns
pairs
check "of times less is better" eval 'status_is 1 && says "^  SLOWER .* 0\.952"'

begin
says_of old 100
says_of new 10 "disturbed windows"
says_of new 100
pairs
check "a disturbed pair does not count, is measured again, and is told" eval \
    'status_is 0 && says " 1\.000 .*; 4 pairs, 0 beside neighbours; rejected 1 of 5: disturbed 1"'
begin
says_of old 100 chunks
says_of new 100 chunks
pairs
check "pairs beside neighbours count if both programs made up for it, and are told" \
    says '; 4 pairs, 4 beside neighbours; rejected 0 of 4'
begin
says_of old 100 windows
says_of new 100 chunks
pairs
check "without enough pairs there is no judgement, and no success" eval \
    'status_is 3 && says "NOT JUDGED .*rejected 8 of 8"'
begin
says_of old null
says_of new 100
pairs
check "a build that measures nothing is named" eval 'status_is 3 && says "NOT JUDGED .*old: no value"'
pairs --only nothing
check "a row that is not there is an error, with the names of all" eval \
    'status_is 1 && complains "no row is called .nothing." && complains "one to one, 64 bytes"'

timeout 60 sh "$root/bench/pairs.sh" "$dir" "$root" >"$out" 2>"$err"
status=$?
check "something that is no checkout is refused" eval 'status_is 2 && complains "^usage: "'

[ "$failed" = 0 ]
