#!/bin/sh
# SPDX-License-Identifier: MIT
# README does what it says: its commands run as printed, in its order, in an empty folder, and print
# what it shows; its program compiles without a warning. Only setup.sh demo and check are left out,
# which are runs of their own. usage: test/readme.sh MAKE [ARGUMENT…]
#
# The folder is also the HOME. `make` is that of the caller, in the tree; `cc` is CC with SANITIZE.
set -u
real_make=$(command -v "$1") || exit 2
shift
cd "$(dirname "$0")/.." || exit 2
root=$PWD
work=$(mktemp -d) || exit 2
. test/check.inc
tell=$work/tell
what="README's commands run as printed"

finish() {
    # What its last command left running, if it failed before it ended that.
    [ ! -s "$work/started" ] || xargs -r kill <"$work/started" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

# Its buses have fixed names: one run at a time, and never over a bus that somebody has.
exec 9>>"/tmp/shmbus-test-readme.$(id -u).lock"
flock -w 300 9 || { skip "$what" "another run has not ended"; exit 0; }
for name in letters demo; do
    if [ -e /dev/shm/shmbus.$name ]; then
        skip "$what" "there is a bus named $name"
        exit 0
    fi
done

# Splits README: commands in $work/commands (N, TAB, text), what it shows in $work/shown.N, files by
# the name that "Save it as `NAME`" gives.
mkdir "$work/home" "$work/bin"
awk -v work="$work" '
    match($0, /[Ss]ave (it )?as `[a-z.]+`/) {
        file = substr($0, RSTART, RLENGTH); sub(/^[^`]*`/, "", file); sub(/`$/, "", file)
    }
    /^```[a-z]+$/ { kind = substr($0, 4); next }
    /^```$/ && kind != "" { if (kind == "c" || kind == "yaml") file = ""; kind = ""; next }
    /^```$/ { kind = "picture"; next }
    kind == "c" || kind == "yaml" {
        if (file == "") { print "README.md:" FNR ": a block without a name to save it as"; exit 1 }
        print >(work "/home/" file)
    }
    kind == "sh" || (kind == "console" && /^\$ /) {
        sub(/^\$ /, "")
        if ($0 !~ /^sh config\/setup.sh (demo|check)( |$)/) print ++n "\t" $0 >(work "/commands")
        next
    }
    kind == "console" { print >(work "/shown." n) }
' README.md >"$tell" || { cat "$tell"; exit 1; }
check "README has a program, a file and commands" \
    test -s "$work/home/hello.c" -a -s "$work/home/workers.yaml" -a -s "$work/commands"

# As a reader types them: into one interactive shell, the next one when the last one has answered, and
# what is sent to the background has a moment to begin.
{
    printf '#!/bin/sh\nexec %s -C %s -s --no-print-directory' "$real_make" "$root"
    for argument; do printf " '%s'" "$argument"; done
    printf ' "$@"\n'
} >"$work/bin/make"
printf '#!/bin/sh\nexec %s "$@"\n' "${CC:-gcc} ${SANITIZE:-}" >"$work/bin/cc"
chmod +x "$work/bin/make" "$work/bin/cc"
{
    echo 'set -m'
    while IFS='	' read -r n text; do
        printf '{ %s\n} >"%s/out.%d" 2>"%s/err.%d"; echo $? >"%s/status.%d"\n' \
            "$text" "$work" "$n" "$work" "$n" "$work" "$n"
        case $text in
        *'&') printf 'echo $! >"%s/started"; n=0\n' "$work"
            echo 'until shmbusctl status demo >/dev/null 2>&1 || [ $((n += 1)) = 600 ]; do sleep 0.05; done' ;;
        *'wait') printf 'rm -f "%s/started"\n' "$work" ;;
        esac
    done <"$work/commands"
} >"$work/session"
(cd "$work/home" && HOME=$work/home PATH=$work/bin:$PATH && export HOME PATH &&
    timeout -k 5 300 bash "$work/session" </dev/null 9>&-)

# as_shown N: exit status 0, and the output that README shows
as_shown() {
    cat "$work/err.$1" 2>/dev/null
    [ "$(cat "$work/status.$1" 2>&1)" = 0 ] || { cat "$work/out.$1"; return 1; }
    [ ! -e "$work/shown.$1" ] || diff "$work/shown.$1" "$work/out.$1"
}
while IFS='	' read -r n text; do
    check "\$ $text" as_shown "$n"
done <"$work/commands"
# shellcheck disable=SC2046 # words on purpose
check "its program compiles without a warning" "$work/bin/cc" -Wall -Wextra -Wpedantic -Werror \
    -I libshmbus/include -c -o "$work/hello.o" "$work/home/hello.c"
sed -n '/^#include <shmbus/,/^\.fi/p' doc/man/shmbus.7 | sed '/^\.fi/d; s/\\e/\\/g; s/\\-/-/g' \
    >"$work/man.c"
check "the program in shmbus(7) compiles without a warning" "$work/bin/cc" -Wall -Wextra -Wpedantic \
    -Werror -I libshmbus/include -c -o "$work/man.o" "$work/man.c"
check "the buses of README are gone" sh -c '! ls /dev/shm/shmbus.letters /dev/shm/shmbus.demo 2>/dev/null'
exit $failed
