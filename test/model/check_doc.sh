#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/verification.md against the explorer: every scenario is named in its section on the model, and
# no other. Prints "ok - NAME" or "not ok - NAME: what".
doc=doc/verification.md
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0

sed -n 's/^    SCENARIO(\([a-z_]*\),.*/\1/p' test/model/scenarios.c | sort >"$work/there"
# The rows of its table end with a column of nothing but names.
awk '/^## / { on = /`make model`/ } on' "$doc" | grep -E '^\|.*\|( `[a-z_]+`)+ \|$' |
    sed -E 's/ \|$//; s/.*\| //' | grep -oE '`[a-z_]+`' | tr -d '`' | sort >"$work/named"

for name in $(comm -12 "$work/there" "$work/named"); do
    echo "ok - $name"
done
for name in $(comm -23 "$work/there" "$work/named"); do
    echo "not ok - $name: a scenario that $doc does not name"
    failed=1
done
for name in $(comm -13 "$work/there" "$work/named"); do
    echo "not ok - $name: named once too often or no scenario, see $doc"
    failed=1
done
exit $failed
