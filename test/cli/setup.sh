#!/bin/sh
# SPDX-License-Identifier: MIT
# Who installs packages: config/setup.sh, when told to; make never. apt-get and sudo are replaced by
# scripts that only write down how they were called; what is missing is a compiler.
. "$(dirname "$0")/programs.inc"

called=$T_DIR/called
fake=$T_DIR/fake
mkdir "$fake"
# shellcheck disable=SC2016 # for the script
printf '#!/bin/sh\necho "apt-get $*" >>"%s"\nexit 0\n' "$called" >"$fake/apt-get"
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != -n ] || shift\nexec "$@"\n' >"$fake/sudo"
chmod +x "$fake/apt-get" "$fake/sudo"
PATH=$fake:$PATH
unset MAKEFLAGS MFLAGS MAKELEVEL
# without_compiler TARGET: make, where the compiler is not there
without_compiler() { run make B="$T_DIR/build" CC=no-such-gcc "$1"; }
nothing_installed() { [ ! -e "$called" ] || { echo "called: $(cat "$called")"; return 1; }; }
how='missing packages: run `sh config/setup.sh install`, or: apt-get install -y build-essential'

for target in all check demo install lint-rules; do
    without_compiler $target
    check "make $target names the command that installs what is missing, and installs nothing" \
        eval 'status_is 2 && complains "$how" && nothing_installed'
done
without_compiler help
check "make help needs nothing" status_is 0

run env CC=no-such-gcc sh config/setup.sh install
check "the command that make names installs what is missing" \
    eval 'status_is 0 && grep -q "^apt-get install -y .*build-essential$" "$called"'
rm -f "$called"
run env CC=no-such-gcc sh config/setup.sh require
check "setup.sh require only names it" \
    eval 'status_is 1 && complains "run .sh config/setup.sh install" && nothing_installed'
run env CC=no-such-gcc sh config/setup.sh help
check "setup.sh TARGET installs first, then makes the target" \
    eval 'status_is 0 && grep -q build-essential "$called" && says "^make check "'
exit $failed
