#!/bin/sh
# SPDX-License-Identifier: MIT
# Python's filelock: a forked child that ends takes its parent's lock away
#
# With:     python3-filelock 3.9.0-1+deb12u1 (Debian 12), FileLock, which is flock() on Linux.
# Expected: a lock belongs to the object that acquired it, until release() or the death of its process. A
#           child of os.fork() that never touches the lock has nothing to do with it.
# Seen:     the child has a copy of the object. When it ends by sys.exit(), the copy's destructor
#           releases: LOCK_UN acts upon the open file that both share. The parent's is_locked stays True,
#           and everybody else gets the lock. After os._exit(), and so after a child of multiprocessing,
#           it is kept.
# Why:      "one instance only" and "one writer" are made with such a lock, and daemons fork. From the first
#           child's end on there may be two, and the first one's own question says all is well.
. "$(dirname "$0")/common.inc"

debs python3-filelock=3.9.0-1+deb12u1
cat >"$tmp/parent.py" <<'P'
import fcntl
import os
import sys

import filelock

path = sys.argv[1]


def another_gets_it():
    with open(path, "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "busy"
        return "taken"


def child_ends(how):
    lock = filelock.FileLock(path)
    lock.acquire()
    before = another_gets_it()
    pid = os.fork()
    if pid == 0:
        how(0)
    os.waitpid(pid, 0)
    print(how.__name__, before, another_gets_it(), lock.is_locked, flush=True)
    lock.release()


child_ends(os._exit)
child_ends(sys.exit)
P
PYTHONPATH=$root/usr/lib/python3/dist-packages python3 "$tmp/parent.py" "$tmp/lock" | tee "$tmp/out"
expect "after _exit() the lock is kept" grep -qx '_exit busy busy True' "$tmp/out"
expect "after exit() another one gets it" grep -qx 'exit busy taken True' "$tmp/out"
