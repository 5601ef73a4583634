#!/bin/sh
# SPDX-License-Identifier: MIT
# Python's multiprocessing.Event: set() does not return while one of the waiters is paused
#
# With:     Python 3.11, Linux.
# Expected: set() stores a flag and wakes whoever waits, as threading.Event does; a waiter that is stopped
#           (^Z, a debugger, a paused container) sees it later, the others see it now.
# Seen:     set() waits for each waiter to say that it has woken, and holds the lock of the event meanwhile. With
#           one waiter stopped it does not return, the other, healthy, waiter does not wake, and is_set()
#           of everybody sleeps too. SIGCONT ends it all at once. Condition.notify_all() is built the same way.
# Why:      an event is how a pool of processes is told to start, to reload or to end: one paused worker
#           stops the manager and all its neighbours. A pipe, an eventfd or a semaphore asks for no answer.
. "$(dirname "$0")/common.inc"

cat >"$tmp/pause.py" <<'P'
import multiprocessing
import os
import signal
import threading
import time


def asleep(pid):
    """Sleeps in the kernel, and did so for half a second."""
    for _ in range(5):
        with open(f"/proc/{pid}/stat") as f:
            if f.read().rpartition(")")[2].split()[0] != "S":
                return False
        time.sleep(0.1)
    return True


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def try_to_set(stop_one):
    event = multiprocessing.Event()
    waiters = [multiprocessing.Process(target=event.wait) for _ in range(2)]
    for w in waiters:
        w.start()
    while not all(asleep(w.pid) for w in waiters):
        pass
    if stop_one:
        os.kill(waiters[0].pid, signal.SIGSTOP)
        os.waitid(os.P_PID, waiters[0].pid, os.WSTOPPED)
    setter = start(event.set)
    setter.join(3)
    waiters[1].join(1)
    asker = start(event.is_set)
    asker.join(1)
    seen = [not setter.is_alive(), waiters[1].exitcode == 0, not asker.is_alive()]
    os.kill(waiters[0].pid, signal.SIGCONT)
    setter.join(20)
    asker.join(20)
    for w in waiters:
        w.join(20)
    after = [not setter.is_alive(), not asker.is_alive(), *(w.exitcode == 0 for w in waiters)]
    return f"set() {seen[0]}, neighbour {seen[1]}, is_set() {seen[2]}, later {all(after)}"


multiprocessing.set_start_method("fork")
print("nobody stopped:", try_to_set(False), flush=True)
print("one stopped:", try_to_set(True), flush=True)
P
python3 "$tmp/pause.py" | tee "$tmp/out"
expect "with nobody stopped all return" \
    grep -qx 'nobody stopped: set() True, neighbour True, is_set() True, later True' "$tmp/out"
expect "with one stopped nobody does, until it goes on" \
    grep -qx 'one stopped: set() False, neighbour False, is_set() False, later True' "$tmp/out"
