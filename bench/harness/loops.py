# SPDX-License-Identifier: MIT
"""The measured loops for contestants in Python: the same protocol as harness/loops.h.

A contestant is a class with the methods
    channel()           in the parent: an object handed to the processes
    sender(channel)     in the process: a function that sends bytes, blocking
    receiver(channel)   in the process: a function that returns bytes, blocking
"""
import argparse
import ctypes
import json
import mmap
import multiprocessing
import os
import struct
import sys
import time

CTX = multiprocessing.get_context("fork")


class Shared:
    """Counters, samples, a go and a stop flag: 8-byte words in one anonymous mapping."""

    SAMPLES_AT, SAMPLES_MAX = 2048, 1 << 19

    def __init__(self):
        count = self.SAMPLES_AT + self.SAMPLES_MAX
        self.map = mmap.mmap(-1, count * 8)
        self.words = (ctypes.c_uint64 * count).from_buffer(self.map)

    go = property(lambda self: self.words[0])
    stop = property(lambda self: self.words[8])

    def count(self, index):
        return self.words[64 + 16 * index]

    def set_count(self, index, value):
        self.words[64 + 16 * index] = value


def expected_sum(data):
    return sum(data[64::64]) + (data[-1] if len(data) > 8 else 0)


def make_payload(size):
    return bytes((k // 64 * 7 + k) & 255 for k in range(size))


class Loop:
    def __init__(self, peer, args, shared, channels):
        self.peer, self.args, self.shared, self.channels = peer, args, shared, channels
        self.payload = make_payload(args.size)
        self.tail = self.payload[8:]
        self.sum = expected_sum(self.payload)

    def ready(self):
        while not self.shared.go:
            time.sleep(0.001)

    def check(self, data, last, exact):
        (mark,) = struct.unpack_from("<Q", data)
        origin, number = mark >> 56, mark & (2**56 - 1)
        if number <= last[origin] or (exact and number != last[origin] + 1):
            raise SystemExit(f"message {number} came after {last[origin]}")
        if expected_sum(data) != self.sum:
            raise SystemExit(f"payload of message {number} is damaged")
        last[origin] = number

    def produce(self, index):
        send = self.peer.sender(self.channels[0])
        self.ready()
        n = 0
        while not self.shared.stop:
            send(struct.pack("<Q", index << 56 | n) + self.tail)
            n += 1

    def consume(self, index, slot):
        receive = self.peer.receiver(self.channels[0])
        last, exact = [-1] * 256, self.args.consumers == 1
        self.ready()
        n = 0
        while not self.shared.stop:
            self.check(receive(), last, exact)
            n += 1
            self.shared.set_count(slot, n)

    def echo(self, _index):
        receive, send = self.peer.receiver(self.channels[0]), self.peer.sender(self.channels[1])
        self.ready()
        while not self.shared.stop:
            send(receive())

    def ping(self, _index, slot):
        send, receive = self.peer.sender(self.channels[0]), self.peer.receiver(self.channels[1])
        last, n = [-1] * 256, 0
        samples, warm_until = 0, None
        self.ready()
        while not self.shared.stop:
            if self.args.workload == "asleep":
                until = time.perf_counter_ns() + 50000
                while time.perf_counter_ns() < until:
                    pass
            begin = time.perf_counter_ns()
            send(struct.pack("<Q", n) + self.tail)
            self.check(receive(), last, True)
            end = time.perf_counter_ns()
            warm_until = warm_until or end + self.args.warm_ms * 1000000
            if end > warm_until and samples < Shared.SAMPLES_MAX:
                self.shared.words[Shared.SAMPLES_AT + samples] = end - begin
                samples += 1
            n += 1
            self.shared.set_count(slot, n)

    def pushpop(self, _index, slot):
        send, receive = self.peer.sender(self.channels[0]), self.peer.receiver(self.channels[0])
        last, n = [-1] * 256, 0
        self.ready()
        while not self.shared.stop:
            send(struct.pack("<Q", n) + self.tail)
            self.check(receive(), last, True)
            n += 1
            self.shared.set_count(slot, n)

    def idle(self, _index, _slot):
        receive = self.peer.receiver(self.channels[0])
        self.ready()
        receive()


def start(cpu, function, *parameters):
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setaffinity(0, {cpu})
            function(*parameters)
            os._exit(0)
        except BaseException as error:  # the parent must hear of anything
            print(f"bench: {error}", file=sys.stderr)
            os._exit(1)
    return pid


def plan(loop, args):
    """(function, index) of the loops; the counted ones come last with their slots."""
    w = args.workload
    if w in ("stream", "queue"):
        return ([(loop.produce, (i,)) for i in range(args.producers)]
                + [(loop.consume, (i, i)) for i in range(args.consumers)])
    if w in ("pingpong", "asleep"):
        return [(loop.echo, (0,)), (loop.ping, (0, 0))]
    if w.startswith("pushpop"):
        return [(loop.pushpop, (0, 0))]
    if w == "idle":
        return [(loop.idle, (0, 0))]
    return []


def cpu_ns(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")


def sample(shared, args, slots, pids):
    total = lambda: sum(shared.count(i) for i in range(slots))
    time.sleep(args.warm_ms / 1000)
    rates, window = [], max(args.ms / 20, 5) / 1000
    before, at = total(), time.monotonic()
    busy = cpu_ns(pids[-1])
    end = at + args.ms / 1000
    begun, messages = at, 0
    while at < end and not (args.count and messages >= args.count):
        time.sleep(window)
        after, now = total(), time.monotonic()
        rates.append((after - before) / (now - at))
        messages += after - before
        before, at = after, now
        if any(os.waitid(os.P_PID, p, os.WEXITED | os.WNOHANG | os.WNOWAIT) for p in pids):
            raise SystemExit("a loop ended early")
    return sorted(rates), messages, (cpu_ns(pids[-1]) - busy) / (at - begun)


def finish(pids, shared):
    shared.words[8] = 1
    until = time.monotonic() + 0.3
    left = list(pids)
    while left and time.monotonic() < until:
        left = [p for p in left if os.waitpid(p, os.WNOHANG)[0] == 0]
        time.sleep(0.005)
    for pid in left:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def round_trips(args, shared):
    words = shared.words
    end = next(i for i in range(Shared.SAMPLES_AT, len(words)) if i + 1 == len(words) or not words[i])
    s = sorted(words[Shared.SAMPLES_AT:end])
    if not s:
        return {"value": None, "note": "no round trip was finished"}
    if args.hist:
        with open(args.hist, "w") as out:
            out.writelines(f"{v} 1\n" for v in s)
    at = lambda q: s[min(int(len(s) * q), len(s) - 1)]
    return {"unit": "ns", "value": at(0.5), "p99": at(0.99), "p999": at(0.999), "samples": len(s)}


def result(args, shared, rates, messages, idle_cpu):
    if args.workload == "idle":
        return {"unit": "ns_per_s", "value": idle_cpu}
    if args.workload in ("pingpong", "asleep"):
        return round_trips(args, shared)
    median = rates[len(rates) // 2] if rates[0] > 0 else sum(rates) / len(rates)
    if median <= 0:
        return {"value": None, "note": "nothing moved"}
    if args.workload.startswith("pushpop"):
        return {"unit": "ns", "value": 1e9 / median, "messages": messages}
    return {"unit": "msgs_per_s", "value": median, "window_min": rates[0],
            "window_max": rates[-1], "messages": messages}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("size", type=int)
    parser.add_argument("count", type=int)
    for name, default in (("batch", 1), ("producers", 1), ("consumers", 1), ("ms", 200),
                          ("warm-ms", 30), ("depth", 0)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--variant", default="")
    parser.add_argument("--hist")
    args = parser.parse_args()
    args.depth = args.depth or min(1024, max(8, (4 << 20) // max(args.size, 1)))
    return args


def main(name, peer_class, many):
    args = arguments()
    head = {"contestant": name, "workload": args.workload, "size": args.size, "batch": args.batch,
            "producers": args.producers, "consumers": args.consumers}
    peer = peer_class(args)
    shared = Shared()
    shares = args.workload in ("queue", "pushpop_queue")
    if args.batch > 1 or (shares and not many):
        print(json.dumps({**head, "value": None, "note": "not supported"}))
        return 3
    channels = [peer.channel() for _ in range(2)]
    loops = plan(Loop(peer, args, shared, channels), args)
    if not loops:
        print(json.dumps({**head, "value": None, "note": "not supported"}))
        return 3
    cpus = sorted(os.sched_getaffinity(0))
    pids = [start(cpus[i % len(cpus)], f, *a) for i, (f, a) in enumerate(loops)]
    time.sleep(0.05)
    shared.words[0] = 1
    slots = args.consumers if args.workload in ("stream", "queue") else 1
    try:
        rates, messages, idle_cpu = sample(shared, args, slots, pids)
    finally:
        finish(pids, shared)
    print(json.dumps({**head, **result(args, shared, rates, messages, idle_cpu)}), flush=True)
    os._exit(0)  # without waiting for the queues' feeder threads
