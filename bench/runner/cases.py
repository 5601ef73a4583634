# SPDX-License-Identifier: MIT
"""What is measured: workloads, sizes, batches and numbers of processes."""
from typing import NamedTuple

STREAM_SIZES = (8, 56, 64, 72, 120, 256, 1024, 4096, 65536, 1048576)
LARGE = (1048576,)  # eight of them are in no second-level cache
STRADDLING = (56, 72, 120)  # with a header these take a line more, or less, than they seem to
BATCHES = ((8, 8), (8, 32), (64, 8), (64, 32), (256, 32), (1024, 32), (4096, 32))
FAST_IN_QUICK = ("shmbus", "ref", "ref_fanout", "spsc_cached", "spsc_cached_lazy", "spsc_flags",
                 "mpmc_turns", "line", "rte_ring", "ck_ring", "boost_spsc", "moody_rwq",
                 "moody_cq", "qb_rb", "pipe", "zmq", "a_ref", "a_malloc", "a_mempool", "atomic_add")


class Case(NamedTuple):
    workload: str
    size: int
    batch: int = 1
    producers: int = 1
    consumers: int = 1
    ring: str = "l2"    # where the ring has its place: "l2" or "l3", see machine.ring_bytes()
    once: bool = False  # does not vary enough to be repeated

    def title(self):
        text = TITLES[self.workload]
        if self.workload in ("queue", "fanout"):
            text += f" {self.producers} -> {self.consumers}"
        text += f", {self.size} bytes"
        text += f", batches of {self.batch}" if self.batch > 1 else ""
        return text + (", ring in the third-level cache" if self.ring == "l3" else "")

    def key(self):
        return (self.workload, self.size, self.batch, self.producers, self.consumers, self.ring)


TITLES = {
    "stream": "one to one",
    "pingpong": "round trip, polling",
    "asleep": "round trip, both asleep",
    "queue": "work queue",
    "fanout": "one to all",
    "pushpop": "push + pop by one process, one-to-one channel",
    "pushpop_queue": "push + pop by one process, work queue",
    "alloc_alone": "block taken and given back, alone",
    "alloc_two": "block taken and given back, two at once",
    "alloc_handover": "block taken here, given back by another process",
    "idle": "CPU time of a receiver that waits",
    "attach": "from nothing to a handle that can receive",
    "footprint": "what one open channel costs",
    "snapshot": "a snapshot of a channel's statistics",
    "counter": "one counter update",
}


def full():
    cases = [Case("stream", s) for s in STREAM_SIZES if s not in LARGE]
    cases += [Case("stream", s, ring="l3") for s in (64, 256, 1024, 4096, *LARGE)]
    cases += [Case("stream", 64, 32, ring="l3")]
    cases += [Case("queue", 64, b, 2, 2, ring="l3") for b in (1, 32)]
    cases += [Case("stream", s, b) for s, b in BATCHES]
    cases += [Case("pingpong", s) for s in (8, 56, 64, 1024)]
    cases += [Case("asleep", 64)]
    cases += [Case("queue", 64, b, p, c) for p, c in ((1, 4), (2, 2), (4, 4)) for b in (1, 8, 32)]
    cases += [Case("fanout", s, b, 1, 4) for s, b in ((64, 1), (64, 32), (4096, 1))]
    cases += [Case(w, s) for w in ("pushpop", "pushpop_queue") for s in (8, 64)]
    cases += [Case(w, 1024) for w in ("alloc_alone", "alloc_two", "alloc_handover")]
    cases += [Case(w, 64, once=True) for w in ("idle", "attach", "footprint", "snapshot")]
    cases += [Case("counter", 8, once=True)]
    return cases


def quick():
    cases = [Case("stream", s) for s in (8, 64, 4096)]
    cases += [Case("stream", s, ring="l3") for s in (64, 4096, *LARGE)]
    cases += [Case("stream", 64, 32)]
    cases += [Case("pingpong", s) for s in (8, 64)]
    cases += [Case("asleep", 64)]
    cases += [Case("queue", 64, b, p, p) for p in (2, 4) for b in (1, 32)]
    cases += [Case("fanout", 64, 1, 1, 4)]
    cases += [Case("pushpop", 64), Case("pushpop_queue", 64)]
    cases += [Case("alloc_alone", 1024), Case("alloc_two", 1024), Case("alloc_handover", 1024)]
    cases += [Case("counter", 8, once=True)]
    return cases


def worth(case, contestant, quick):
    """Whether that contestant is of interest there: many are far behind at any size."""
    few = quick or case.size in STRADDLING or case.ring == "l3" and case.size not in LARGE
    return not few or quick_contestant(contestant)


def quick_contestant(contestant):
    return contestant.name in FAST_IN_QUICK or contestant.kind == "shmbus"
