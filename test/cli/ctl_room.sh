#!/bin/sh
# SPDX-License-Identifier: MIT
# Places where a bus does not fit, or should not be: create, its dry run and doctor say so, with the
# cause and the cure, and nothing is left behind. Needs root, for the mounts and the memory cgroup.
name=room
. "$(dirname "$0")/ctl.inc"

if [ -z "${ROOM_INSIDE:-}" ]; then
    if unshare -m true 2>/dev/null; then
        trap - EXIT
        rm -rf "$dir"
        ROOM_INSIDE=yes exec unshare -m sh "$0"
    fi
    skip "places without room are named" "no right to mount"
    exit 0
fi
place=$dir/place
trap 'umount "$place" 2>/dev/null; finish' EXIT
mkdir "$place"
empty() { [ -z "$(find "$place" -name 'shmbus.*')" ]; }
# refused "what" "pattern": by the dry run and by create alike, and doctor warns
refused() {
    what=$1 cause=$2 finding=$3
    fails "a dry run says: $what" 1 "$cause" create "$bus" --dir="$place" --dry-run --memory=4MiB
    run create "$bus" --dir="$place" --memory=4MiB
    check "create says: $what" eval 'status_is 1 && one_line && complains "$cause"'
    check "and nothing was made" empty
    run doctor --dir="$place"
    check "doctor says: $what" eval '[ $status -le 1 ] && says "$finding"'
}
# fails of a dry run prints the plan on stdout all the same
failed_as() { status_is "$1" && one_line && complains "$2"; }

mount -t tmpfs -o size=64m,nr_inodes=3 none "$place"
: >"$place/a"
: >"$place/b"
refused "no inode is left" "no inode left" "no inode left"
umount "$place"

mount -t tmpfs -o size=3m none "$place"
refused "the tmpfs is too small" "needs .* MiB, but .*place has 3.0 MiB free of 3.0 MiB; enlarge" "holds only"
umount "$place"

if mount -t hugetlbfs none "$place" 2>/dev/null; then
    refused "hugetlbfs is no place for it" "cannot be on the hugetlbfs.*huge=always" "is a hugetlbfs"
    umount "$place"
else
    skip "hugetlbfs is no place for it" "no hugetlbfs"
fi

mount -t ramfs none "$place"
works "a ramfs will do" create "$bus" --dir="$place" --memory=4MiB
run doctor --dir="$place"
check "doctor says what it is" says "is a ramfs"
works "rm" rm "$place/$bus"
umount "$place"

case $(stat -f -c %T "$dir") in
tmpfs) skip "a disk is noted" "the scratch directory is no disk" ;;
*)
    works "a disk will do" create "$bus" --dir="$place" --memory=4MiB
    check "but it is noted" complains "is no tmpfs: every message is also written to a disk"
    works "rm" rm "$place/$bus"
    ;;
esac

# A copy whose zeroes are holes, where there is no room for them: to look makes no page of it.
works "a bus" create "$bus" --memory=4MiB --queue=q
works "with a message" send "$bus" q hello
mount -t tmpfs -o size=3m none "$place"
cp --sparse=always "/dev/shm/shmbus.$bus" "$place/shmbus.$bus"
used=$(stat -c %b "$place/shmbus.$bus")
head -c 3m /dev/zero >"$place/fill" 2>/dev/null
works "a copy with holes on a full file system can be looked at" stats "$place/$bus" --json
json "it has the message" "j['channels'][0]['depth'] == 1 and j['channels'][0]['name'] == 'q'"
works "also into" peek "$place/$bus" q
check "which is there" out_is hello
check "no page was made of a hole" same "$(stat -c %b "$place/shmbus.$bus")" "$used"
run send "$place/$bus" q more
check "to take part needs the room, and says so" eval 'status_is 1 && complains "holes that cannot be filled"'
umount "$place"
works "rm" rm "$bus"

# A memory cgroup smaller than the bus; v1 and v2 have their own names for it.
mine=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
if [ -n "$mine" ]; then
    group=/sys/fs/cgroup/memory$mine/$bus limit=memory.limit_in_bytes
else
    group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/$bus limit=memory.max
fi
if mkdir "$group" 2>/dev/null && echo $((24 << 20)) 2>/dev/null >"$group/$limit"; then
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$ctl" create "$bus" >"$out" 2>"$err"
    status=$?
    check "a memory cgroup that is too small is named, nobody is killed" \
        eval 'status_is 1 && one_line && complains "memory cgroup .*$bus has .* left of its limit of 24.0 MiB"'
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$ctl" create "$bus" --dry-run >"$out" 2>"$err"
    status=$?
    check "the dry run knows it" eval 'status_is 1 && complains "memory cgroup"'
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$ctl" doctor >"$out" 2>"$err"
    status=$?
    check "doctor, too" eval 'status_is 1 && says "memory cgroup .* cannot be made in it"'
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$ctl" create "$bus" --memory=8MiB >"$out" 2>"$err"
    status=$?
    check "what fits is made" status_is 0
    works "rm" rm "$bus"
else
    skip "a memory cgroup that is too small is named" "no memory cgroup of our own"
fi
eventually rmdir "$group" 2>/dev/null
end
