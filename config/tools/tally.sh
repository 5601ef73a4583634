#!/bin/sh
# SPDX-License-Identifier: MIT
# tally.sh NAME COMMAND...: shows what the command prints and adds a line for sum.sh to $T_RESULTS, if
# that is set: how many lines "ok ...", "not ok ..." and "skip ..." there were. A command that fails
# without a "not ok" is one failure more; one that prints neither holds or not by its exit status.
# Exit status 1 if anything failed.
set -u
name=$1
shift
results=${T_RESULTS:-}
unset T_RESULTS # what is run here is counted here
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
{ "$@"; echo $? >"$work/status"; } 2>&1 | tee "$work/out"
good=$(grep -c '^ok ' "$work/out")
bad=$(grep -c '^not ok ' "$work/out")
skipped=$(grep -c '^skip ' "$work/out")
if [ "$(cat "$work/status")" != 0 ]; then
    [ "$bad" != 0 ] || { bad=1; echo "not ok - $name: exit status $(cat "$work/status")"; }
elif [ "$good$bad$skipped" = 000 ]; then
    good=1
fi
[ -z "$results" ] || echo "$good $bad $skipped $name" >>"$results"
[ "$bad" = 0 ]
