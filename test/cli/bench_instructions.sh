#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-instructions` finds what has become dearer. A script plays valgrind, another the compiler.
name=bench_instructions
. "$(dirname "$0")/ctl.inc"

what="the judge of make bench-instructions"
command -v python3 >/dev/null 2>&1 || { skip "$what" "no python3"; exit 0; }

# Dumps what "counted" says as callgrind would: KIND|CALL|MESSAGES TOTAL
cat >"$dir/valgrind" <<'END'
#!/bin/sh
for word; do case $word in --callgrind-out-file=*) at=${word#*=} ;; esac; done
n=0
while read -r total row; do
    n=$((n + 1))
    printf 'desc: Trigger: Client Request: %s\n\nevents: Ir\nsummary: %s\n' "$row" "$total" >"$at.$n"
done <"$(dirname "$0")/counted"
exit "$(cat "$(dirname "$0")/ends" 2>/dev/null || echo 0)"
END
printf '#!/bin/sh\necho "cc (test) 1.0"\n' >"$dir/cc"
chmod +x "$dir/valgrind" "$dir/cc"

counted() { cat >"$dir/counted"; }
instructions() {
    T_RESULTS='' timeout 60 python3 "$root/bench/instructions/run.py" --program "$dir/none" --table "$dir/table" \
        --compiler "$dir/cc" --flags=-O2 --valgrind "$dir/valgrind" "$@" >"$out" 2>"$err" </dev/null
    status=$?
}
BEFORE='900 queue|nothing|100
20900 queue|send|100
10900 queue|receive|100
3228 queue|send a batch of 32|32'

echo "$BEFORE" | counted
instructions
check "without a table the counts are printed, those of the counting itself taken off" \
    says '^ *send  *200\.0 '
check "those of a batch for each of its messages" says '^ *send a batch of 32  *100\.[0-9] '
check "that nothing was compared is said, and no failure" eval 'status_is 0 && says "^NOT COMPARED: "'
instructions --update
check "the table is written when that is asked for" grep -q '^send  *200\.0 ' "$dir/table"
instructions
check "the same counts pass" eval 'status_is 0 && says "^3 of 3 calls"'

echo "$BEFORE" | sed 's/^20900/21200/' | counted
instructions
check "less than 2 % more passes" eval 'status_is 0 && says "^3 of 3 calls"'
echo "$BEFORE" | sed 's/^20900/21400/' | counted
instructions
check "more than 2 % more fails, and says which call and by how much" eval \
    'status_is 1 && says "^not ok - send, queue: 200.0 -> 205.0 instructions (+2.5%)" && says "^2 of 3 calls"'
echo "$BEFORE" | grep -v receive | counted
instructions
check "a call that is no longer counted fails" eval 'status_is 1 && says "^not ok - receive, queue: was not counted"'
echo "$BEFORE" | sed 's/^20900/15900/' | counted
instructions
check "fewer are no failure, and it is said how to keep them" eval \
    'status_is 0 && says "^fewer: send, queue: 200.0 -> 150.0" && says "UPDATE=1"'

echo "$BEFORE" | counted
printf '#!/bin/sh\necho "cc (test) 2.0"\n' >"$dir/cc"
instructions
check "another compiler's counts are not compared with" eval 'status_is 0 && says "^NOT COMPARED: "'
instructions --update
check "and get a section of their own" same "$(grep -c '^\[cc (test)' "$dir/table")" 2

echo "0 queue|send|100" | counted
instructions
check "a run that counted nothing fails" eval 'status_is 1 && complains "NOT COUNTED: nothing was counted"'
echo 3 >"$dir/ends"
instructions
check "so does one that ended badly" eval 'status_is 1 && complains "NOT COUNTED: .*ended with 3"'
instructions --valgrind "$dir/nowhere"
check "where there is no valgrind it says so, and that is no failure" eval \
    'status_is 0 && complains "NOT COUNTED: no valgrind"'

[ "$failed" = 0 ]
