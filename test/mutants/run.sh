#!/bin/sh
# SPDX-License-Identifier: MIT
# Seeded defects: each test/mutants/NAME.sed is applied to copies of the files it names, the check
# it names is linked with the result, and must fail. Called by `make mutants`, which sets the T_*
# variables. ONLY='PATTERN' runs some of them.
#
#   # what:  what is wrong with the mutant, in one line
#   # files: sources under libshmbus/ that it changes; each of them must change
#            (# with: sources that are compiled again, as what is changed is a header)
#   # check: model SCENARIO...        the schedule explorer on these scenarios
#            (# bounds: 2/1/0 preemptions/kills/stops, if others than these;
#             # options: --no-membarrier)
#            narrow SCENARIO...       the same, built with names that come back at once
#            unit PATTERN...          the unit tests whose names match
#            crash PATTERN...         the crash stepper on these operations
set -u
out=$T_OUT
mkdir -p "$out"
begin=$(date +%s)
total=0 caught=0 failures=0

header() { sed -n "s/^# $1: *//p" "$2"; }

# including NAME OBJECT FILES: adds to $tests that object of the unit tests, or, if its source contains
# one of the files (to step through it), one that contains what is changed. FILES: also those that are
# compiled again because of a header.
including() {
    source=${2#*/obj-test/}
    source=${source%.o}.c
    for file in $3; do
        grep -q "^#include \"${file#libshmbus/}\"" "$source" || continue
        object=$out/$1/$(basename "$2")
        $T_TEST_COMPILE -w -iquote "$out/$1" -iquote libshmbus -iquote test -c -o "$object" \
            "$source" 2>"$out/$1/build.log" ||
            { echo "does not compile with $source: $out/$1/build.log"; return 1; }
        tests="$tests $object"
        return
    done
    tests="$tests $2"
}

# build NAME KIND FILES WITH: the changed objects, and a program with them in place of the originals.
# What is changed lies in folders as in libshmbus/, which are looked into first.
build() {
    objects=
    for file in $3; do
        changed=$out/$1/${file#libshmbus/}
        mkdir -p "${changed%/*}"
        sed -f "test/mutants/$1.sed" "$file" >"$changed" || return 1
        if cmp -s "$file" "$changed"; then
            echo "does not change $file any more: the pattern is out of date"
            return 1
        fi
    done
    for file in $3 $4; do
        base=$(basename "$file" .c)
        [ "$base.c" = "$(basename "$file")" ] || continue
        changed=$out/$1/${file#libshmbus/}
        mkdir -p "${changed%/*}"
        [ -e "$changed" ] || cp "$file" "$changed" || return 1
        case $2 in
        model) compile=$T_MODEL_COMPILE ;;
        narrow) compile=$T_NARROW_COMPILE ;;
        *) compile=$T_TEST_COMPILE ;;
        esac
        $compile -w -iquote "$out/$1" -iquote libshmbus -c -o "$out/$1/$base.o" "$changed" \
            2>"$out/$1/build.log" || { echo "does not compile: $out/$1/build.log"; return 1; }
        objects="$objects $out/$1/$base.o"
    done
    case $2 in
    model | narrow)
        others=
        model_objects=$T_MODEL_OBJECTS
        [ "$2" = model ] || model_objects=$T_NARROW_OBJECTS
        for object in $model_objects; do
            [ -e "$out/$1/$(basename "$object")" ] || others="$others $object"
        done
        $T_LINK -o "$out/$1/check" $others $objects ;;
    unit)
        tests=
        for object in $T_UNIT_OBJECTS; do
            including "$1" "$object" "$3 $4" || return 1
        done
        $T_LINK -o "$out/$1/check" $tests $objects $T_LIB_TEST -lcunit $T_LIBS ;;
    crash) $T_LINK -o "$out/$1/check" $T_CRASH_OBJECTS $objects $T_LIB_TEST $T_LIBS ;;
    *) echo "unknown check: $2"; return 1 ;;
    esac 2>"$out/$1/link.log" || { echo "does not link: $out/$1/link.log"; return 1; }
}

# check NAME KIND ARGUMENTS: 0 if it failed as it should; leaves one line in $said.
check() {
    for argument in $3; do
        log=$out/$1/$argument.log
        case $2 in
        model | narrow) timeout 200 "$out/$1/check" $options --bounds "$bounds" --limit 60 --only "$argument" ;;
        unit) timeout 120 "$out/$1/check" --filter "$argument" ;;
        crash) timeout 300 "$out/$1/check" --quick --only "$argument" ;;
        esac >"$log" 2>&1
        status=$?
        case $2 in
        model | narrow) said=$(sed -n 's/^FAILURE in \([a-z_]*\): /\1: /p' "$log" | head -n 1) ;;
        *) said=$(grep -m 1 -i -e '^not ok' -e '^FAIL' -e fail "$log") ;;
        esac
        [ $status = 1 ] && [ -n "$said" ] && return 0
        [ $status -gt 128 ] && said="$argument: killed by signal $((status - 128))" && return 0
    done
    said="not caught by $2 $3"
    return 1
}

for file in test/mutants/*.sed; do
    name=$(basename "$file" .sed)
    case $name in ${ONLY:-*}) ;; *) continue ;; esac
    total=$((total + 1))
    mkdir -p "$out/$name"
    rm -rf "${out:?}/$name"/*
    spec=$(header check "$file")
    bounds=$(header bounds "$file")
    bounds=${bounds:-2/1/0}
    options=$(header options "$file")
    kind=${spec%% *}
    if ! said=$(build "$name" "$kind" "$(header files "$file")" "$(header with "$file")"); then
        failures=$((failures + 1))
        printf 'BROKEN  %-30s %s\n' "$name" "$said"
    elif check "$name" "$kind" "${spec#* }"; then
        caught=$((caught + 1))
        printf 'caught  %-30s %s\n' "$name" "$kind $said"
    else
        failures=$((failures + 1))
        printf 'MISSED  %-30s %s\n' "$name" "$said"
    fi
    rm -f "$out/$name/check"
done
test -z "${T_RESULTS:-}" || echo "$caught $failures 0 test/mutants/run.sh" >>"$T_RESULTS"
printf '{"target":"mutants","mutants":%d,"caught":%d,"failures":%d,"seconds":%d}\n' \
    "$total" "$caught" "$failures" $(($(date +%s) - begin))
[ "$total" = 0 ] && { echo "mutants: none is called ${ONLY:-}" >&2; exit 2; }
[ "$failures" = 0 ]
