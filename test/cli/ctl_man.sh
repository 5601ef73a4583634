#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual page of shmbusctl: well formed, and complete.
name=man
. "$(dirname "$0")/ctl.inc"

page=$root/doc/man/shmbusctl.1
plain=$dir/page
if command -v man >/dev/null && man -l "$page" >/dev/null 2>&1; then
    LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l "$page" >"$out" 2>"$err" </dev/null
    status=$?
    check "man formats the page without a warning" eval 'status_is 0 && [ ! -s "$err" ]'
    for each in "$root"/doc/man/*.[124-8]; do # section 3: test/man3.sh
        for width in 60 80; do
            LC_ALL=C.UTF-8 MANWIDTH=$width man -l "$each" 2>/dev/null | col -b >"$out"
            check "${each##*/} breaks no word and no option at $width columns" \
                eval 'test -s "$out" && ! grep -q -e "‐\$" -e "[-]-[a-z-]*-\$" "$out"'
        done
    done
else
    skip "man formats the page without a warning" "no man"
fi

# The page of one verb, with the roff escapes taken out.
section() {
    sed 's/\\f[BIR]//g; s/\\-/-/g' "$page" |
        awk -v verb="$1" '/^\.S[SH] / { inside = $1 == ".SS" && $2 == verb } inside'
}
verbs=$("$ctl" help | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
check "help lists the verbs" test -n "$verbs"
for verb in $verbs; do
    section "$verb" >"$plain"
    check "the page explains $verb" test -s "$plain"
    for option in $("$ctl" help "$verb" |
        sed -n '/^Options:/,/^$/s/^ *\(-[^-], \)\{0,1\}--\([a-z-]*\).*/\2/p'); do
        [ "$option" = help ] && continue
        check "the page has --$option of $verb" grep -q -e "--$option" "$plain"
    done
    for option in $(grep -o -e '--[a-z][a-z-]*' "$plain" | sort -u); do
        check "$verb knows $option, which the page has" \
            eval '"$ctl" help "$verb" | grep -q -e "$option" || [ "$verb $option" = "ps --processes" ]'
    done
done
for counter in $(sed -n '/define SHMBUS_COUNTERS/,/^$/s/^ *X(\([a-z_]*\), .*/\1/p' \
    "$root/libshmbus/include/shmbus/shmbus.h"); do
    check "the page has the counter $counter" grep -qw -e "$counter" "$page"
done
# The headings of the troubleshooting page are pieces of the texts that users see.
cat "$root"/libshmbus/*.c "$root"/libshmbus/*/*.c "$root"/libshmbus/include/shmbus/*.h "$root"/shmbusctl/*.c |
    tr -d '\n' | sed 's/" *"//g' >"$dir/texts"
grep '^### `' "$root/doc/troubleshooting.md" | sed 's/^### `\(.*\)`$/\1/' >"$dir/headings"
check "the troubleshooting page has headings" test -s "$dir/headings"
while IFS= read -r text; do
    check "an error says: $text" grep -qF -e "$text" "$dir/texts"
done <"$dir/headings"
"$ctl" help | sed -n '/^Exit codes:/,/^$/s/^  \([0-9]\) .*/\1/p' >"$dir/codes"
check "help lists exit codes" test -s "$dir/codes"
while read -r code; do
    check "the page has exit code $code" grep -q "^\.B $code\$" "$page"
done <"$dir/codes"
version=$("$ctl" version | sed 's/shmbusctl \([^ ]*\) .*/\1/')
check "the page is of this version" grep -q "shmbus $version\"" "$page"
end
