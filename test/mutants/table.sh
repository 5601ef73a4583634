#!/bin/sh
# SPDX-License-Identifier: MIT
# The seeded defects as a table, from the heads of the .sed files; see run.sh.
#   table.sh           prints it
#   table.sh --update  puts it into doc/verification.md
#   table.sh --check   "ok" or "not ok" for each row: is it in doc/verification.md as it is here, and
#                      does the pattern still match the sources that it names
cd "$(dirname "$0")/../.." || exit 2
doc=doc/verification.md
title='| mutant | what is wrong | caught by |'

header() { sed -n "s/^# $1: *//p" "$2"; }

# row FILE: "| name | what | kind `pattern` `pattern`, bounds 3/1/0, --option |"
row() {
    name=$(basename "$1" .sed)
    # shellcheck disable=SC2046 # one argument a word
    set -- "$1" $(header check "$1")
    file=$1 kind=$2
    shift 2
    by=$kind
    for pattern; do
        by="$by \`$pattern\`"
    done
    bounds=$(header bounds "$file")
    options=$(header options "$file")
    echo "| $name | $(header what "$file") | $by${bounds:+, $bounds}${options:+, $options} |"
}

table() {
    for file in test/mutants/*.sed; do
        row "$file"
    done
}

# matches FILE: says which of its sources it does not change.
matches() {
    for source in $(header files "$1"); do
        if [ ! -e "$source" ]; then
            echo "there is no $source"
        elif sed -f "$1" "$source" | cmp -s - "$source"; then
            echo "it does not change $source any more"
        fi
    done
    for source in $(header with "$1"); do
        [ -e "$source" ] || echo "there is no $source"
    done
}

check() {
    failed=0
    for file in test/mutants/*.sed; do
        wrong=$(matches "$file")
        if [ -n "$wrong" ]; then
            echo "not ok - $(basename "$file" .sed):" $wrong
            failed=1
        elif grep -qxF -e "$(row "$file")" "$doc"; then
            echo "ok - $(basename "$file" .sed)"
        else
            echo "not ok - $(basename "$file" .sed): its row in $doc is missing or old:" \
                "sh test/mutants/table.sh --update"
            failed=1
        fi
    done
    for name in $(awk -v title="$title" '$0 == title { on = 1; getline; next } on && !/^\|/ { exit }
        on { print $2 }' "$doc"); do
        [ -e "test/mutants/$name.sed" ] && continue
        echo "not ok - $name: in $doc, but there is no test/mutants/$name.sed"
        failed=1
    done
    return $failed
}

update() {
    grep -qxF -e "$title" "$doc" || { echo "table.sh: $doc has no line \"$title\"" >&2; return 1; }
    { sed "/^$title\$/q" "$doc"; echo '|---|---|---|'; table
      awk -v title="$title" '$0 == title { skip = 1 } skip && !/^\|/ { skip = 0; past = 1 }
          past { print }' "$doc"; } >"$doc.new" && mv "$doc.new" "$doc"
}

case ${1:-} in
'') table ;;
--check) check ;;
--update) update ;;
*) echo 'usage: table.sh [--check | --update]' >&2; exit 2 ;;
esac
