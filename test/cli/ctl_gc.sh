#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl gc: what is proved unused goes, and nothing else.
name=gc
. "$(dirname "$0")/ctl.inc"

place=$dir/place
mkdir "$place"
gc() { run gc --dir="$place" "$@"; }
there() { [ -e "$place/shmbus.$1" ]; }
make() { "$ctl" create "$1" --dir="$place" --memory=1MiB --queue=q:depth=4 --region=r:64 >/dev/null 2>&1; }
# use NAME: a message goes through, so that it was used and is empty
use() { "$ctl" send "$place/$1" q x && "$ctl" recv "$place/$1" q >/dev/null; }

make old && use old
gc --dry-run
check "a dry run names what would go" eval 'status_is 0 && out_is "$place/old" && [ ! -s "$err" ]'
check "and removes nothing" there old
gc
check "a bus that was used, is empty and that nobody has open goes" \
    eval 'status_is 0 && out_is "$place/old" && ! there old'
gc
check "nothing to do is no failure" eval 'status_is 0 && quiet'

make new
gc --verbose
check "a bus that waits for its first user stays" eval 'there new && complains "nobody has used it yet"'
make full && "$ctl" send "$place/full" q x
gc --verbose
check "a bus with a message stays" eval 'there full && complains "full stays: messages wait"'
make used && use used
"$ctl" recv "$place/used" q >/dev/null 2>&1 &
user=$!
pids=$user
attached() { [ "$("$ctl" ps "$place/used" --no-headings 2>/dev/null | wc -l)" -eq 1 ]; }
check "a process takes part" eventually attached
kill -STOP $user
gc --verbose
check "a bus with a stopped user stays" eval 'there used && complains "used stays: processes"'
kill -KILL $user
wait $user 2>/dev/null
pids=
gc --verbose
check "one with a dead user, too: the next one cleans up" eval 'there used && complains "used stays: proc"'
"$ctl" reclaim "$place/used" >/dev/null
exec 7<"$place/shmbus.used"
gc --verbose
check "a bus whose file somebody has open stays" eval 'there used && complains "another process has it open"'
exec 7<&-
"$ctl" stats "$place/used" --watch=10s >/dev/null 2>&1 &
user=$!
pids=$user
maps() { grep -q shmbus.used "/proc/$user/maps" 2>/dev/null; }
check "an observer looks" eventually maps
gc --verbose
check "a bus that somebody only looks at stays" eval 'there used && complains "another process has it open"'
stop $user
cp "$place/shmbus.used" "$place/shmbus.cut"
truncate -s 4096 "$place/shmbus.cut"
gc --verbose
check "a damaged one stays, told why" eval 'there cut && complains "cut stays: .*bytes long"'
check "the others went, each named" eval '! there used && out_is "$place/used"'
check "those that stay are not touched" eval 'there new && there full'
if [ -n "$python" ]; then
    "$python" -c '
import fcntl, os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("has it", flush=True)
signal.sigwait([signal.SIGIO])
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)' "$place/shmbus.new" >"$dir/lease" 2>&1 &
    pids=$!
    check "somebody has a lease on a bus, as gc for a moment" eventually grep -q 'has it' "$dir/lease"
    works "who attaches meanwhile waits for its end" stats "$place/new"
    wait $pids
    pids=
else
    skip "who attaches while gc looks waits" "no python3"
fi
fails "a directory that is not there is 3" 3 none gc --dir="$dir/none"
end
