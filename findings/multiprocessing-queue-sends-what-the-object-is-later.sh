#!/bin/sh
# SPDX-License-Identifier: MIT
# Python's multiprocessing.Queue: what is changed after put() has returned is what arrives
#
# With:     Python 3.11.
# Expected: put() pickles the object, so the receiver gets the state of that moment; a thread in the background
#           only writes the bytes into the pipe. The documentation says it in this order.
# Seen:     put() keeps a reference, the thread pickles when its turn comes: at once if the pipe has room, much
#           later if the receiver is busy. A list that is cleared and filled again arrives as the
#           last one, as often as it was put. An object that cannot be pickled is accepted without an error
#           and dropped. SimpleQueue and the queue of a Manager pickle in put().
# Why:      "fill the batch, put it, clear it" works in each test and loses batches under load, exactly
#           when the queue is longer than the pipe.
. "$(dirname "$0")/common.inc"

cat >"$tmp/put.py" <<'P'
import multiprocessing
import threading


def batches(queue):
    """Three batches in one list, behind a message that fills the pipe."""
    first = threading.Thread(target=queue.put, args=(b"x" * 1000000,))
    first.start()
    if isinstance(queue, multiprocessing.queues.Queue):
        first.join()
    batch = []

    def put_all():
        first.join()
        for n in 1, 2, 3:
            batch.clear()
            batch.append(n)
            queue.put(batch)

    putting = threading.Thread(target=put_all)
    putting.start()
    if isinstance(queue, multiprocessing.queues.Queue):
        putting.join()
    queue.get()
    got = [queue.get() for _ in range(3)]
    putting.join()
    return got


def unpicklable(queue):
    try:
        queue.put(threading.Lock())
    except TypeError:
        return "refused"
    queue.put("next")
    return "accepted, then " + queue.get(timeout=20)


if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        for name, queue in (
            ("Queue", multiprocessing.Queue()),
            ("SimpleQueue", multiprocessing.SimpleQueue()),
            ("Manager", manager.Queue()),
        ):
            print(name, batches(queue), flush=True)
    print("a lock:", unpicklable(multiprocessing.Queue()), flush=True)
P
python3 "$tmp/put.py" 2>"$tmp/errors" | tee "$tmp/out"
expect "Queue sends the last batch three times" grep -qxF 'Queue [[3], [3], [3]]' "$tmp/out"
expect "SimpleQueue sends the three" grep -qxF 'SimpleQueue [[1], [2], [3]]' "$tmp/out"
expect "the queue of a Manager sends the three" grep -qxF 'Manager [[1], [2], [3]]' "$tmp/out"
expect "what cannot be pickled is accepted and dropped" grep -qx 'a lock: accepted, then next' "$tmp/out"
