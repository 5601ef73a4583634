#!/bin/sh
# SPDX-License-Identifier: MIT
# Who installs packages: config/setup.sh, when told to; make never. apt-get and sudo are replaced by
# scripts that only write down how they were called; what is missing is a compiler.
. "$(dirname "$0")/harness"

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
nothing_installed() { [ ! -e "$called" ] || fail "called: $(cat "$called")"; }

for target in all check demo install lint-rules; do
    it "make $target names the command that installs what is missing, and installs nothing"
    without_compiler $target
    status_is 2
    err_has 'missing packages: run `sh config/setup.sh install`, or: apt-get install -y build-essential'
    nothing_installed
done

it "make help needs nothing"
without_compiler help
status_is 0

it "the command that make names installs what is missing"
run env CC=no-such-gcc sh config/setup.sh install
status_is 0
holds grep -q '^apt-get install -y .*build-essential$' "$called"
rm -f "$called"

it "setup.sh require only names it"
run env CC=no-such-gcc sh config/setup.sh require
status_is 1
err_has 'run `sh config/setup.sh install`'
nothing_installed

it "setup.sh TARGET installs first, then makes the target"
run env CC=no-such-gcc sh config/setup.sh help
status_is 0
holds grep -q build-essential "$called"
out_has '^make check '
