# SPDX-License-Identifier: MIT
"""The machine: where two loops run, how far apart, whether somebody else runs there too; and how
large its caches are.

How long a cache line takes is not known before: a core of one machine hands it over as slowly as two
cores of another. So whether two loops have a core each is measured by what they do to each other's
sums, and how far apart two cores are by comparing with what else was seen on this machine."""
import glob
import json
import math
import os
import statistics
import subprocess
import time

LIMIT_S = 20
CROWD = 1.4    # between 1, the same sums on two cores, and 2, on two threads of one core
BUSY = 0.10    # share of the time that somebody else had the cores
LOOKS = 20     # at the machine before the first measurement
FARTHER = 1.8  # so much longer takes a line between two cores of which another pair is nearer
PAIRS = 12     # of processors that are looked at, at most
NEAR, FAR, ONE_CORE = "near", "far", "one core"
TWO_CORES = "two cores"  # only one distance was seen, so whether it is near or far is not known
PLACEMENTS = (NEAR, FAR, TWO_CORES, ONE_CORE)
WANTED = (NEAR, FAR, ONE_CORE)


class Look:
    """One look at the machine. @moved: the next look found the loops somewhere else, so what was
    measured in between is of neither place."""

    def __init__(self, seen, survey=False):
        self.line_ns, self.crowd, self.busy = seen["line_ns"], seen["crowd"], seen["busy"]
        self.survey = survey  # of a pair of processors that may not be the one to be measured on
        self.after = None


class Machine:
    def __init__(self, program, patience_s, wanted=None, cpus=None):
        self.program = program
        self.patience_s = patience_s
        self.wanted = wanted      # the placement asked for; None: what is usual
        self.pair = None          # processors for two loops; None: there are just two
        self.cpus = cpus or sorted(os.sched_getaffinity(0))
        self.looks = []
        self.last = None
        self.busy = self.moved = 0
        self.hopeless = 0  # waits in a row that were in vain
        self.learnt = False
        self.known = (0, None)  # how many looks there were when the border was found; the border

    # ------------------------------------------------------------------------------------ looking

    def run_probe(self, pair, survey=False):
        command = [self.program] + ([f"--cpus={pair[0]},{pair[1]}"] if pair else [])
        try:
            out = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
            return Look(json.loads(out.stdout), survey)
        except (ValueError, KeyError, subprocess.TimeoutExpired):
            return Look({"line_ns": 0, "crowd": 0, "busy": 1}, survey)

    def look(self):
        look = self.run_probe(self.pair)
        self.looks.append(look)
        if self.last:
            self.last.after = look
        self.last = look
        return look

    def border_ns(self):
        """Between near and far: in the widest gap between the lines' round trips, if it is wide
        enough and neither side is a stray."""
        if self.known[0] != len(self.looks):
            lines = sorted(k.line_ns for k in self.looks if k.line_ns > 0 and 0 < k.crowd <= CROWD
                           and k.busy <= BUSY)
            gaps = [(high / low, math.sqrt(high * low))
                    for low, high in zip(lines[1:], lines[2:-1])]
            widest = max(gaps, default=(0, 0))
            self.known = (len(self.looks), widest[1] if widest[0] >= FARTHER else None)
        return self.known[1]

    def placement(self, look):
        """Where the two loops were; None: the machine was too busy to tell."""
        if look.crowd <= 0:
            return None
        if look.crowd > CROWD:
            return ONE_CORE
        border = self.border_ns()
        if border is None:
            return TWO_CORES
        return FAR if look.line_ns > border else NEAR

    def moved_from(self, look):
        """Did the loops move between this look and the next one?"""
        if look.after is None:
            return False
        return None not in (a := self.placement(look), b := self.placement(look.after)) and a != b

    def usual(self):
        if self.wanted == NEAR and self.border_ns() is None:
            return TWO_CORES  # nothing nearer is known
        if self.wanted:
            return self.wanted
        places = self.places()
        return statistics.mode(places) if places else None

    def places(self):
        """Of those looks that could tell."""
        return [p for p in (self.placement(k) for k in self.looks if not k.survey) if p]

    # ----------------------------------------------------------------------------------- learning

    def learn(self):
        self.learnt = True
        if len(self.cpus) > 2:
            self.choose_pair()
        for _ in range(LOOKS):
            self.look()

    def candidates(self):
        """Pairs of the first processor with some of the others, the nearest numbers among them."""
        first, *others = self.cpus
        step = max(1, len(others) / PAIRS)
        picked = {others[int(i * step)] for i in range(min(PAIRS, len(others)))}
        picked |= set(others[:2]) | set(siblings(first) & set(others))
        return [(first, other) for other in sorted(picked)]

    def choose_pair(self):
        """Two processors of the kind that is wanted; near if nothing is."""
        seen = {}
        for pair in self.candidates():
            looks = [self.run_probe(pair, survey=True) for _ in range(3)]
            looks = [k for k in looks if k.crowd > 0 and k.line_ns > 0]
            self.looks += looks
            if looks:
                seen[pair] = min(looks, key=lambda k: k.busy)
        wanted = {self.wanted} if self.wanted in (FAR, ONE_CORE) else {NEAR, TWO_CORES}
        fitting = {p: k.line_ns for p, k in seen.items() if self.placement(k) in wanted}
        if not fitting:
            if self.wanted is not None:
                found = {self.placement(k) for k in seen.values()}
                raise SystemExit(f"bench: no two processors here are '{self.wanted}'; there are: "
                                 f"{', '.join(sorted(map(str, found))) or 'none that can be told'}")
            self.pair = (self.cpus[0], self.cpus[1])
            return
        pick = max if wanted == FAR else min
        self.pair = pick(fitting, key=fitting.get)

    def await_quiet(self):
        """The look before a measurement: soon on a quiet machine, and where it is wanted."""
        end = time.monotonic() + (self.patience_s if self.hopeless < 10 else 0)
        if not self.learnt:
            self.learn()
        while True:
            look = self.look()
            flag = self.flag(look)
            if flag is None:
                self.hopeless = 0
                return look
            if time.monotonic() >= end:
                break
            time.sleep(0.05)
        self.busy += flag == "busy"
        self.moved += flag != "busy"
        if flag == "busy" and self.patience_s < 1:  # whoever asks for more means it
            self.hopeless += 1
        return look

    def flag(self, look):
        """None: quiet, and where it is wanted; or what it is."""
        place = self.placement(look)
        if None not in (place, self.usual()) and place != self.usual():
            return place
        return "busy" if look.busy > BUSY else None

    # -------------------------------------------------------------------------------------- telling

    def line_ns_at(self, place):
        lines = [k.line_ns for k in self.looks if k.line_ns > 0 and not k.survey
                 and self.placement(k) == place]
        return statistics.median(lines) if lines else None

    def seen(self):
        """{placement: looks}"""
        places = self.places()
        return {p: places.count(p) for p in PLACEMENTS if p in places}

    def header(self):
        """For the head of the results."""
        crowd = [k.crowd for k in self.looks if k.crowd > 0 and not k.survey]
        return {"placement": self.usual(), "line_ns": self.line_ns_at(self.usual()),
                "placements": {p: {"looks": n, "line_ns": self.line_ns_at(p)}
                               for p, n in self.seen().items()},
                "processors": self.pair, "crowd": statistics.median(crowd) if crowd else None,
                "measurements_busy": self.busy, "measurements_moved": self.moved}

    def say(self):
        """What was learnt, as sentences."""
        usual, seen = self.usual(), self.seen()
        if not seen:
            yield ("where the two loops ran is not known: the machine was too busy to tell")
            return
        crowd = statistics.median(k.crowd for k in self.looks if k.crowd > 0 and not k.survey)
        ns = self.line_ns_at(usual)
        line = f"a cache line's round trip was {ns:.0f} ns" if ns else "no cache line went round"
        where = f" on processors {self.pair[0]} and {self.pair[1]}" if self.pair else ""
        yield (f"{'wanted' if self.wanted else 'usual'} here: {usual} for two loops{where} (the same "
               f"sums took {crowd:.2f} times as long beside each other), {line} (medians)")
        if usual == ONE_CORE:
            yield ("ONE CORE: the two loops share one, as two threads of it; what goes between them "
                   "looks several times faster than between two cores")
        for place in seen:
            if place != usual and self.line_ns_at(place):
                yield (f"{place}: {self.line_ns_at(place):.0f} ns, in {seen[place]} of "
                       f"{len(self.places())} looks; what was measured there stands beside the rows")


def siblings(cpu):
    """Threads of the same core, as far as the kernel knows."""
    try:
        with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as f:
            return parse_cpus(f.read().strip()) - {cpu}
    except (OSError, ValueError):
        return set()


def parse_cpus(text):
    """"0-3,8" -> {0, 1, 2, 3, 8}"""
    cpus = set()
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        cpus |= set(range(int(low), int(high or low) + 1))
    return cpus


# --------------------------------------------------------------------------------------------- caches

CACHES = "/sys/devices/system/cpu/cpu0/cache"
USUAL_BYTES = {2: 1 << 20, 3: 16 << 20}  # where the kernel does not say


def cache_bytes(level, caches=CACHES):
    """Of a data cache of that level: what the kernel says, or None."""
    for index in sorted(glob.glob(f"{glob.escape(caches)}/index*")):
        try:
            said = {}
            for name in ("level", "type", "size"):
                with open(f"{index}/{name}", encoding="ascii") as f:
                    said[name] = f.read().strip()
            if int(said["level"]) == level and said["type"] in ("Data", "Unified"):
                number, unit = int(said["size"].rstrip("KMG")), said["size"][-1]
                return number << {"K": 10, "M": 20, "G": 30}.get(unit, 0) or None
        except (OSError, ValueError):
            continue
    return None


def ring_bytes(caches=CACHES):
    """{"l2": what stays in the second-level cache of a core, "l3": what does not, but in the third}"""
    l2 = cache_bytes(2, caches) or USUAL_BYTES[2]
    l3 = cache_bytes(3, caches) or USUAL_BYTES[3]
    return {"l2": l2 // 2, "l3": max(2 * l2, min(4 * l2, l3 // 4))}


def depth(size, ring, bytes_of):
    """Messages of a ring: a power of two, 8 at least; a ring in the second-level cache has 1024 at
    most."""
    fit = max(8, bytes_of[ring] // size)
    return min(1 << (fit.bit_length() - 1), 1024 if ring == "l2" else 65536)
