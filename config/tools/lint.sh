#!/bin/sh
# SPDX-License-Identifier: MIT
# The rules of this project that no linter knows. Prints one line per finding; exit status 1 if any.
set -u
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# Everything but what was built, what git keeps and foreign code.
find . \( -name .git -o -path ./build -o -path ./bench/peers \) -prune -o -type f -print |
    sed 's|^\./||' | sort >"$work/all"
grep '\.[ch]$' "$work/all" >"$work/c"
grep -e '\.sh$' -e '^test/cli/' -e '^\.ci/' "$work/all" >"$work/sh"
grep -e '\.md$' -e '\.[1-8]$' "$work/all" >"$work/doc"

# lines LIST PATTERN: lines of the files in that list that match
lines() { xargs -r grep -nHE -e "$2" <"$work/$1"; }
finding() { sed "s|\$|   [$1]|" >>"$work/findings"; }
: >"$work/findings"

lines c '#include <atomic_ops' | grep -v '^libshmbus/base/atomic.h:' |
    finding "only atomic.h knows libatomic_ops"
lines c '#include <yaml' | grep -v -e '^libshmbus/plan/yaml_problem.h:' -e '^shmbusctl/supervise/yaml.c:' |
    finding "only yaml_problem.h and the supervisor's yaml.c know libyaml"
lines c '#include <json-c' | grep -v '^shmbusctl/' | finding "only shmbusctl knows json-c"
lines c '<stdatomic.h>' | grep -e '^libshmbus/' | finding "atomics go through atomic.h"
lines c '#include "(\.\./)*libshmbus/' | grep -e '^examples/' -e '^shmbusctl/' |
    grep -v -e '/plan/units.h"' -e '/plan/spelling.h"' -e '/base/room.h"' -e '/base/bits.h"' |
    finding "programs use the public header only"
lines c '(^|[^_[:alnum:]"])volatile[^_[:alnum:]]' | grep -v -e sig_atomic_t -e asm -e '^bench/' \
    -e ':[0-9]*: \*' -e '/\*.*volatile' | finding "no volatile: see doc/memory-model.md"
lines c '(^|[^_[:alnum:]])(sleep|usleep|nanosleep|clock_nanosleep)\(' | grep '^test/' |
    grep -v '/\* ' | finding "no sleeping as synchronization in tests: or say in a comment why"
grep -nHE '^ +[a-z].*\*[[:space:]]*[a-z_]+(\[.*\])?;' libshmbus/layout/layout.h | grep -v -e return -e '= ' |
    finding "no pointers in shared memory"
xargs -r grep -nHE -e '(TODO|FIXME|XXX|HACK)([^_[:alnum:]]|$)' <"$work/all" | grep -v -e '^config/tools/lint.sh:' \
    -e mktemp -e 'XXXX' | finding "unfinished"
# Sentences put names into double quotes, and what people type into backquotes.
lines c "'%[.*0-9]*s'" | grep -e '^libshmbus/' -e '^shmbusctl/' -e '^examples/' |
    grep -v '^shmbusctl/verb_completion.c:' | finding "names in double quotes, what is typed in backquotes"
lines c '(bus|channel|queue|stream|region|program|socket|group|user|command|time zone) `%' | finding "names in double quotes"
lines c '	' | finding "tab"
xargs -r grep -nHE -e '[[:space:]]+$' <"$work/c" | finding "blank at the end of the line"
xargs -r grep -nHE -e '[[:space:]]+$' <"$work/sh" | finding "blank at the end of the line"

# 100 columns, counted in characters.
LC_ALL=C.UTF-8 xargs -r grep -nHoE -e '^.{101,}$' <"$work/c" | cut -c1-60 |
    finding "longer than 100 columns"

# A function begins with { and ends with } in the first column.
xargs -r awk '
    FNR == 1 { start = 0 }
    /^\{/ { start = FNR }
    /^\}/ && start { if (FNR - start - 1 > 70) print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }
' <"$work/c" | finding "function over 70 lines"

# Two branches may take the same number.
for record in doc/decisions/[0-9]*; do
    number=${record#doc/decisions/}
    number=${number%%-*}
    [ "$(ls doc/decisions/"$number"-* | wc -l)" = 1 ] || echo "$record"
    head -n 1 "$record" | grep -q "^# $number " || echo "$record:1: does not begin with its number"
done | finding "a decision record has a number of its own"

# Comments and documents name files that exist.
for list in c doc; do
    xargs -r grep -noHE -e '(^|[^-./_[:alnum:]])(test|libshmbus|shmbusctl|examples|config|bench|doc)/[-_./[:alnum:]]*\.(c|h|sh|md|yaml)' \
        <"$work/$list" | sed 's/:[^[:alnum:]]*\([[:alnum:]][^:]*\)$/:\1/'
done | while IFS=: read -r file line path; do
    [ -e "$path" ] || [ -e "${file%/*}/$path" ] || echo "$file:$line: $path"
done | finding "names a file that does not exist"

# So do links; and an anchor in one is a heading there.
grep '\.md$' "$work/all" | xargs grep -noHE '\]\([^)[:space:]]+\)' | sed 's/\](\(.*\))$/\1/' |
    grep -v -E ':[0-9]+:(https?|mailto):' | while IFS=: read -r file line link; do
        target=${link%%#*}
        case $file in */*) from=${file%/*}/ ;; *) from= ;; esac
        [ -n "$target" ] && target=$from$target || target=$file
        if [ ! -e "$target" ]; then
            echo "$file:$line: $link"
        elif [ "$link" != "${link#*#}" ]; then
            sed -n 's/^##* //p' "$target" | tr '[:upper:]' '[:lower:]' | tr -d '`:.,()/?"' | tr ' ' '-' |
                grep -qx -e "${link#*#}" || echo "$file:$line: $link"
        fi
    done | finding "a link to nothing"

# Every source and script says its license, in the first lines. Patterns and inputs of tests are
# neither.
{ cat "$work/all"; find bench/peers -type f; } | grep -v -e '^test/fuzz/corpus/' -e '\.sed$' |
    xargs -r awk '
    function told() { if (file != "" && is_source && !said) print file ":1:" }
    FNR == 1 {
        told(); file = FILENAME; said = 0
        is_source = /^#!/ || file ~ /\.([ch]|cc|sh|inc|py|mk|map|in)$|GNUmakefile$|^\.(ci|clang|editorconfig)/
    }
    /SPDX-License-Identifier: MIT/ { said = 1 }
    FNR == 3 { nextfile }
    END { told() }
' | finding "no line SPDX-License-Identifier: MIT"

# A verb of shmbusctl is one that verbs.c lists.
grep -nHoE '^const struct ctl_verb verb_[a-z]+' shmbusctl/*.c |
    while IFS=: read -r file line text; do
        verb=$(echo "$text" | grep -o 'verb_[a-z]*' | tail -n 1)
        grep -q "&$verb," shmbusctl/verbs.c || echo "$file:$line: $verb"
    done | finding "a verb that verbs.c does not list"

for doc in doc/*.md; do
    name=${doc##*/}
    [ "$name" = README.md ] || grep -q "($name)" doc/README.md || echo "$doc:1:"
done | finding "not in the index, doc/README.md"

# What the documents call by its bare name (`block.c`) is there, in whatever folder.
grep -noHE -e '`[a-z_]+\.[ch]`' CONTRIBUTING.md \
    doc/architecture.md doc/crash-points.md doc/glossary.md doc/layout.md 2>/dev/null | tr -d '`' |
    while IFS=: read -r file line name; do
        grep -q -e "/$name\$" "$work/c" || echo "$file:$line: $name"
    done | finding "names a source that does not exist"

sh test/abi/freeze.sh check | finding "the frozen header"
sh config/tools/man3.sh check | finding "manual pages of the calls"
sh config/tools/documented.sh | finding "the full form: see shmbus_send() in shmbus.h"
sh config/tools/layers.sh | finding "the layers of doc/architecture.md"
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Ilibshmbus/include -iquote libshmbus -o "$work/layout" \
    test/layout/print.c && sh test/layout/check.sh "$work/layout" | grep -v '^ok -' |
    finding "the layout as written down"

while read -r f; do
    case $(head -n 1 "$f") in *bash*) bash -n "$f" ;; *) sh -n "$f" ;; esac 2>&1
done <"$work/sh" | finding "shell syntax"

if [ -s "$work/findings" ]; then
    cat "$work/findings"
    echo "$(wc -l <"$work/findings") findings"
    exit 1
fi
