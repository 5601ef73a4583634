#!/bin/sh
# SPDX-License-Identifier: MIT
# Where a bus is used from: under proot, by processes with odd names, by programs of 32 bits, where
# /dev/shm is read-only, in a memory cgroup of version 2. What cannot be tried here is skipped.
name=environments
. "$(dirname "$0")/ctl.inc"

works "a bus for the tests" create "$bus" --memory=4MiB --queue=q
segment=/dev/shm/shmbus.$bus

# -------------------------------------------------------------------------------------------- proot
# A sanitizer wants the addresses that proot takes.
if grep -q -e __tsan_init -e __asan_init "$ctl"; then
    skip "under proot a bus is made and used" "built with a sanitizer"
elif command -v proot >/dev/null && proot true >/dev/null 2>&1; then
    works "a message from outside" send "$bus" q outside
    timeout 60 proot "$ctl" recv "$bus" q --timeout=20s >"$out" 2>"$err"
    status=$?
    check "under proot it is received" eval 'status_is 0 && out_is outside'
    timeout 60 proot "$ctl" send "$bus" q inside >"$out" 2>"$err"
    status=$?
    check "and one is sent" status_is 0
    works "which comes out" recv "$bus" q --timeout=20s
    check "as it was" out_is inside
    timeout 60 proot "$ctl" create "$bus-p" --memory=2MiB >"$out" 2>"$err"
    status=$?
    check "a bus is made there" status_is 0
    works "and removed here" rm "$bus-p"
else
    skip "under proot a bus is made and used" "no proot"
fi

# ------------------------------------------------------------------------------------- process names
# The name that ps shows is the file's: 70 bytes, an escape sequence, no UTF-8.
odd=$(printf 'a\033[31mb\377c%070d' 0)
cp "$ctl" "$dir/$odd"
lib=$(cd "$(dirname "$ctl")/../lib" && pwd)
LD_LIBRARY_PATH=$lib "$dir/$odd" recv "$bus" q --follow >/dev/null 2>&1 &
receiver=$!
pids=$receiver
receives() { field_is q receivers 1; }
check "a process with an odd name attaches" eventually receives
for verb in "ps" "ps --json" "stats" "doctor"; do
    # shellcheck disable=SC2086 # words
    run $verb "$bus"
    check "$verb shows no byte of it that a terminal would obey" \
        eval '[ $status -le 1 ] && ! LC_ALL=C grep -q "[^ -~]" "$out"'
done
stop "$receiver" KILL
run reclaim "$bus"

# ---------------------------------------------------------------------------------------- 32 bits
if ${CC:-cc} -m32 -E -x c /dev/null >/dev/null 2>&1; then
    printf '#include <shmbus/shmbus.h>\n' | ${CC:-cc} -m32 -I"$root/libshmbus/include" -fsyntax-only -x c - 2>"$err"
    check "a 32-bit program is told so by the first line" \
        eval 'grep error "$err" | head -n 1 | grep -q "64-bit programs only"'
else
    skip "a 32-bit program is told so by the first line" "the compiler makes none"
fi

# ------------------------------------------------------------------------ /dev/shm that is read-only
# apart COMMAND...: in a mount namespace where /dev/shm may only be read
apart() {
    unshare -m sh -c 'mount -o remount,ro,bind /dev/shm && exec "$@"' sh "$ctl" "$@" >"$out" 2>"$err"
    status=$?
}
if [ "$(id -u)" = 0 ] && unshare -m mount -o remount,ro,bind /dev/shm 2>/dev/null; then
    apart stats "$bus"
    check "in a read-only /dev/shm one can look" status_is 0
    apart send "$bus" q x
    check "but not send" eval 'status_is 5 && one_line && complains "Read-only file system"'
    apart create "$bus-ro"
    check "nor make a bus" eval 'status_is 5 && one_line && complains "Read-only file system"'
    apart doctor "$bus"
    check "which doctor says" eval '[ $status -le 1 ] && says "not writable for you"'
else
    skip "in a read-only /dev/shm one can look" "not root, or no right to mount"
fi

# ------------------------------------------------------------------------- memory cgroup, version 2
# A hierarchy as the kernel would show it, in a mount namespace of our own.
if [ "$(id -u)" = 0 ] && unshare -m sh -c 'mkdir -p "$1/g/a/b" && echo "0::/a/b" >"$1/cgroup" &&
    mount --bind "$1/cgroup" /proc/self/cgroup' sh "$dir" 2>/dev/null; then
    group() { # group MAX CURRENT COMMAND...: runs it with these in group /a, and no limit in /a/b
        echo "$1" >"$dir/g/a/memory.max"
        echo "$2" >"$dir/g/a/memory.current"
        printf 'max\n' >"$dir/g/a/b/memory.max"
        printf '0\n' | tee "$dir/g/a/b/memory.current" "$dir/g/a/memory.swap.max" \
            "$dir/g/a/memory.swap.current" >"$dir/g/a/b/memory.swap.max"
        printf 'inactive_file 1048576\nactive_file 0\n' >"$dir/g/a/memory.stat"
        shift 2
        unshare -m sh -c 'mount --bind "$0/g" /sys/fs/cgroup || exit 99
            sh -c "mount --bind \"\$0/cgroup\" /proc/\$\$/cgroup || exit 99; exec \"\$@\"" "$0" "$@"' \
            "$dir" "$ctl" "$@" >"$out" 2>"$err"
        status=$?
    }
    group 26214400 4194304 create "$bus-v2" --memory=32MiB
    if [ $status = 99 ]; then
        skip "a memory cgroup of version 2 is asked" "mounting is not permitted"
    else
        check "beyond the limit of a group above, in version 2, nothing is made" \
            eval '[ $status -ne 0 ] && complains "memory cgroup /a .*beyond which the kernel kills" && [ ! -e "$segment-v2" ]'
        group 26214400 4194304 create "$bus-v2" --memory=16MiB
        check "what fits is made" eval 'status_is 0 && [ -e "$segment-v2" ]'
        rm -f "$segment-v2"
    fi
else
    skip "a memory cgroup of version 2 is asked" "not root, or no right to mount"
fi
works "rm" rm --force "$bus"
end
