#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# bench-peer: py_queue
# about: multiprocessing.Queue of bytes objects, a feeder thread in each sender
# packages: python3
# workloads: stream pingpong asleep queue pushpop pushpop_queue idle
# sizes: 8-1048576
# polls: no: it sleeps in every workload
# scope: processes
# crash-safe: no: a process killed while it holds the lock stops everybody
# total-order: per producer
# bounded: yes
# copies: 4, pickled, through the kernel
"""multiprocessing.Queue as a contestant."""
import loops


class Queue:
    def __init__(self, args):
        self.depth = min(args.depth, 1024)

    def channel(self):
        return loops.CTX.Queue(self.depth)

    def sender(self, channel):
        return channel.put

    def receiver(self, channel):
        return channel.get


if __name__ == "__main__":
    raise SystemExit(loops.main("py_queue", Queue, many=True))
