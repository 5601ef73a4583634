#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# bench-peer: py_pipe
# about: multiprocessing.Pipe, send_bytes and recv_bytes
# packages: python3
# workloads: stream pingpong asleep pushpop idle
# sizes: 8-1048576
# polls: no: it sleeps in every workload
# scope: processes
# crash-safe: what was taken by a dead reader is lost
# total-order: yes
# bounded: yes
# copies: 4, through the kernel
"""multiprocessing.Pipe as a contestant."""
import loops


class Pipe:
    def __init__(self, args):
        pass

    def channel(self):
        return loops.CTX.Pipe(duplex=False)

    def sender(self, channel):
        return channel[1].send_bytes

    def receiver(self, channel):
        return channel[0].recv_bytes


if __name__ == "__main__":
    raise SystemExit(loops.main("py_pipe", Pipe, many=False))
