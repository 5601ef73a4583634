#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures two builds of this library in turns; bench/pairs.sh makes them.

A pair does not count if one of the two was disturbed more than its program can make up for, if only
one of them was, or if the loops moved meanwhile. It is then measured again, as often as there are
pairs. Exit status: 0 nothing is slower; 1 a row is; 3 of some row too few pairs counted.
"""
import argparse
import collections
import os
import random
import re
import statistics
import sys

from runner import machine, measure, results
from runner.cases import Case

SLOWER = 0.97
MOST = 10  # times as long, while others have the cores
ROWS = [("shmbus", Case("stream", 8)), ("shmbus", Case("stream", 64)),
        ("shmbus", Case("stream", 64, 32)), ("shmbus", Case("stream", 4096)),
        ("shmbus", Case("pingpong", 64)), ("shmbus", Case("asleep", 64)),
        ("shmbus", Case("pushpop", 64)), ("shmbus", Case("pushpop_queue", 64)),
        ("shmbus_lanes", Case("pushpop_queue", 64))]
ROWS += [(name, Case("queue", 64, batch, n, n)) for name in ("shmbus", "shmbus_lanes")
         for n in (1, 2, 4) for batch in (1, 32)]
CRUTCHES = ("windows", "chunks", "core time", None)  # what a rate may be made of


class Side(collections.namedtuple("Side", "program variant")):
    """What measure.run() wants to know of a contestant."""


def title(name, case):
    return f"{name}: {case.title()}"


class Pairs:
    def __init__(self, args, probe):
        self.args, self.machine = args, probe
        self.rows = [r for r in ROWS if re.search(args.only, title(*r))]
        self.pairs = {row: [] for row in self.rows}  # (look, run of old, run of new)

    def measure(self, row):
        name, case = row
        look = self.machine.await_quiet()
        sides = ["old", "new"]
        random.shuffle(sides)
        runs = {}
        for side in sides:
            program = os.path.join(getattr(self.args, side), "bench-" + name)
            runs[side] = measure.run(Side(program, ""), case, self.args.ms, pair=self.machine.pair,
                                     most_ms=MOST * self.args.ms)
        self.pairs[row].append((look, runs["old"], runs["new"]))

    def rejected(self, pair):
        """Why a pair does not count, or None."""
        look, old, new = pair
        for side, run in (("old", old), ("new", new)):
            if run.get("value") is None:
                return f"{side}: {run.get('note', 'no value')}"
        if self.machine.moved_from(look):
            return "the loops moved"
        if old.get("from") != new.get("from") or old.get("from") not in CRUTCHES:
            return "disturbed"
        return None

    def good(self, row):
        return [p for p in self.pairs[row] if self.rejected(p) is None]

    def all(self):
        for number in range(2 * self.args.pairs):
            todo = [r for r in self.rows
                    if number < self.args.pairs or len(self.good(r)) < self.args.pairs]
            random.shuffle(todo)
            for row in todo:
                self.measure(row)
                if sys.stderr.isatty():
                    print(f"\r\033[Kpair {number + 1}: {title(*row)}", end="", file=sys.stderr,
                          flush=True)
        self.machine.look()  # the last pair has an after, too
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def ratios_of(pairs):
    """How many times as good the new build was in each pair."""
    less = pairs and pairs[0][1]["unit"] in results.LESS_IS_BETTER
    return sorted(old["value"] / new["value"] if less else new["value"] / old["value"]
                  for _, old, new in pairs)


def judge(pairs, row):
    """Prints a row; "slower", "unknown" or None."""
    good = pairs.good(row)
    why = collections.Counter(filter(None, map(pairs.rejected, pairs.pairs[row])))
    away = f"; rejected {sum(why.values())} of {len(pairs.pairs[row])}" + (
        ": " + ", ".join(f"{w} {n}" for w, n in why.most_common(2)) if why else "")
    neighbours = sum(1 for look, old, _ in good
                     if old.get("from", "windows") != "windows" or look.busy > machine.BUSY)
    if len(good) < max(1, pairs.args.pairs // 2):
        print(f"  NOT JUDGED {title(*row)}: {len(good)} pairs{away}")
        return "unknown"
    ratios = ratios_of(good)
    median = statistics.median(ratios)
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(f"  {'SLOWER ' if median < SLOWER else 'ok     '} {median:6.3f}  ({low:.2f} .. {high:.2f})  "
          f"{title(*row)}; {len(good)} pairs, {neighbours} beside neighbours{away}")
    return "slower" if median < SLOWER else None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True, help="directory of the old build's bench-*")
    parser.add_argument("--new", required=True, help="directory of the new build's bench-*")
    parser.add_argument("--probe", required=True, help="bench-probe")
    parser.add_argument("--only", default="", help="regular expression over the names of the rows")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--ms", type=int, default=100, help="length of one measurement")
    args = parser.parse_args()
    pairs = Pairs(args, machine.Machine(args.probe, 0.3))
    if not pairs.rows:
        raise SystemExit(f"pairs: no row is called '{args.only}'; there are:\n  " +
                         "\n  ".join(title(*r) for r in ROWS))
    pairs.all()
    print(f"pairs: new against old, {args.pairs} pairs in turns; above 1 is faster, under {SLOWER} slower; "
          f"the middle half in brackets")
    verdicts = [judge(pairs, row) for row in pairs.rows]
    for sentence in pairs.machine.say():
        print(sentence)
    slower, unknown = verdicts.count("slower"), verdicts.count("unknown")
    print(f"{slower} of {len(verdicts)} rows slower, {unknown} not judged")
    sys.exit(1 if slower else 3 if unknown else 0)


if __name__ == "__main__":
    main()
