#!/bin/sh
# SPDX-License-Identifier: MIT
# xargs: one killed job, and the rest of the list is never run; parallel logs the killed one as 0, or as 137
#
# With:     findutils 4.9.0 (Debian 12), parallel 20221122+ds-2 (Debian 12).
# Expected: xargs runs a command for each item, and says at the end, 123, that some have failed. A job log has the exit
#           status of each job, and of one that was killed something that is not 0.
# Seen:     xargs does so for a status of 1 to 125. If one job is killed by a signal it reads no further item: of
#           six, those that run already are waited for, the others are not started (exit status 125). So it is with a
#           job that exits with 255, as ssh does when it cannot connect, and exit(-1) (124). parallel runs all,
#           but its --joblog has Exitval 0 for the killed job, as for a good one, and the signal in the next column, if
#           it was started from bash; from dash, as in a script with #!/bin/sh, it has 137 and no signal.
# Why:      the kernel kills one of a thousand jobs for want of memory, and the other hundreds are left out. A
#           report made from the seventh column of the log counts the killed as done.
. "$(dirname "$0")/common.inc"

debs parallel=20221122+ds-2
[ "$(dpkg-query -W -f '${Version}' findutils)" = 4.9.0-4 ] || { echo "needs findutils 4.9.0-4" && exit 2; }
cat >"$tmp/job" <<'J'
#!/bin/sh
echo "$1" >>"$RAN"
case $1 in
    killed) kill -9 $$ ;;
    exit*) exit "${1#exit}" ;;
esac
J
chmod +x "$tmp/job"
export RAN="$tmp/ran"
with_xargs() {
    rm -f "$RAN"
    code=0
    printf '%s\n' a "$1" b c d e | timeout 20 xargs -n 1 -P 1 "$tmp/job" 2>"$tmp/err" || code=$?
    saw "xargs, $1: ran $(paste -sd' ' "$RAN"), exit status $code, $(sed 's/.*: //' "$tmp/err")"
    result="$(paste -sd' ' "$RAN") $code"
}
with_xargs exit3
expect "status 3: all are run" test "$result" = "a exit3 b c d e 123"
with_xargs killed
expect "killed: the rest is left out" test "$result" = "a killed 125"
with_xargs exit255
expect "status 255 too" test "$result" = "a exit255 124"
export PARALLEL_HOME="$tmp/home" HOME="$tmp"
mkdir "$PARALLEL_HOME"
touch "$PARALLEL_HOME/will-cite"
with_parallel() {
    rm -f "$RAN" "$tmp/log"
    code=0
    PARALLEL_SHELL=$1 timeout 60 perl "$root/usr/bin/parallel" -j 1 --joblog "$tmp/log" "$tmp/job" \
        ::: a killed exit3 b 2>/dev/null </dev/null || code=$?
    result=$(awk 'NR > 1 { printf "%s/%s ", $7, $8 }' "$tmp/log")
    saw "parallel, $1: ran $(paste -sd' ' "$RAN"), exit status $code, Exitval/Signal $result"
    result="$(paste -sd' ' "$RAN") $code $result"
}
with_parallel /bin/bash
expect "bash: all are run, 0 for the killed one" test "$result" = "a killed exit3 b 2 0/0 0/9 3/0 0/0 "
with_parallel /bin/dash
expect "dash: 137 for the killed one" test "$result" = "a killed exit3 b 2 0/0 137/0 3/0 0/0 "
