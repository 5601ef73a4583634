#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/adding-a-kind.patch adds a toy kind of channel, the tray. On a copy of the tree: it applies as
# it is, touches what doc/adding-a-kind.md allows and no more, compiles without a
# warning, and the tray keeps what every kind promises, at each instruction and in every schedule
# that is tried. Then one line of it is broken at a time, and what must notice does.
# Prints "ok - WHAT" or "not ok - WHAT".
#   run.sh MAKE COMPILER
set -u
make=$1
compiler=$2
unset MAKEFLAGS MFLAGS # it is another tree
cd "$(dirname "$0")/../.." || exit 2
patch=$PWD/doc/adding-a-kind.patch
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0

say() { # say STATUS WHAT: with what the last command printed, if it failed
    if [ "$1" = 0 ]; then
        echo "ok - $2"
        return
    fi
    echo "not ok - $2"
    tail -n 20 "$work/out" | sed 's/^/    /'
    failed=1
}

# allowed FILE...: prints those that a kind must not need to touch.
allowed() {
    for file; do
        case $file in
        libshmbus/channel/*.c) [ ! -e "$file" ] || echo "$file" ;; # a new file
        libshmbus/layout/kinds.h) ;;                               # its entry in the table,
        libshmbus/include/shmbus/shmbus.h | libshmbus/message.c) ;; # its number, its direct calls
        libshmbus/layout/layout.h) ;;                              # its words
        doc/crash-points.md | doc/verification.md) ;;              # its steps, its scenarios
        test/*) ;;
        *) echo "$file" ;;
        esac
    done
}

files=$(sed -n 's|^+++ b/||p' "$patch")
# shellcheck disable=SC2086 # one argument a file
beyond=$(allowed $files)
echo "$beyond" >"$work/out"
[ -z "$beyond" ]
say $? 'it touches one new file, its entry, its words, its crash rows and its tests'
[ "$(echo "$files" | grep -c '^libshmbus/channel/')" = 1 ]
say $? 'it has one new file in the library'
[ "$(allowed libshmbus/channel/queue.c shmbusctl/verbs.c)" = "libshmbus/channel/queue.c
shmbusctl/verbs.c" ]
say $? 'a patch that touches another kind, or the tool, would be found'

tree=$work/tree
mkdir "$tree"
tar -cf - GNUmakefile README.md CONTRIBUTING.md config libshmbus shmbusctl examples test bench doc |
    tar -xf - -C "$tree"
cd "$tree" || exit 2
patch -p1 -F0 --no-backup-if-mismatch <"$patch" >"$work/out" 2>&1
applied=$?
say $applied 'the patch applies to these sources, nothing fuzzy'
[ $applied = 0 ] || exit 1

B=$work/build
programs="$B/bin/shmbus-test $B/bin/shmbus-crash $B/bin/shmbus-model"
build() {
    # shellcheck disable=SC2086 # one argument a program
    "$make" --no-print-directory -j"$(nproc)" CC="$compiler" B="$B" WERROR=1 CFLAGS=-O0 HARDEN= MODE=plain \
        TEST_SRC='test/harness.c test/runner.c test/unit/test_contract.c' $programs >"$work/out" 2>&1
}
build
built=$?
say $built 'it compiles without a warning'
[ $built = 0 ] || exit 1
sh config/tools/layers.sh "$B/obj-test" >"$work/out" 2>&1
say $? 'no layer knows one above it'
sh test/crash/check_points.sh >"$work/out" 2>&1 && grep -q '^ok - tray.c' "$work/out"
say $? 'each of its steps has a row in doc/crash-points.md'

contract() { "$B/bin/shmbus-test" --filter 'contract_tray.*' >"$work/out" 2>&1; }
stepper() { "$B/bin/shmbus-crash" --seed 1 --points "$2" --pairs 0 --only "$1" >"$work/out" 2>&1; }
explorer() { "$B/bin/shmbus-model" --quick --random 0.2 --only tray_pair >"$work/out" 2>&1; }
contract
say $? 'the contract suite'
stepper tray 5
say $? 'the crash stepper on each of its operations'
explorer
say $? 'the explorer: every schedule of a scenario within its bounds'

# broken WHAT PATTERN CHECK...: with that line of the tray broken, the check fails.
cp libshmbus/channel/tray.c "$work/tray.c"
broken() {
    what=$1
    pattern=$2
    shift 2
    sed "$pattern" "$work/tray.c" >libshmbus/channel/tray.c
    if cmp -s "$work/tray.c" libshmbus/channel/tray.c; then
        echo "the pattern changes nothing" >"$work/out"
        say 1 "$what"
    elif build; then
        ! "$@"
        say $? "$what"
    else
        say 1 "$what: it does not compile"
    fi
}
broken 'the contract suite finds a count that is not raised' \
    's/sb_deliveries_next(sb_hdr_deliveries(w))/1/' contract
broken 'the stepper finds a message that recovery forgets' \
    '/^static void repair/,/^}/ s/n, SB_BLOCK_ORPHAN/n, SB_BLOCK_FREE/' stepper 'tray reclaim' 3
broken 'the explorer finds a receiver that looks once' \
    's/if (w == seen /if ((w == seen || w != 0) /' explorer
exit $failed
