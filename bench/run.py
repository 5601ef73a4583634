#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures every contestant on every workload, interleaved, and tells who is ahead of whom."""
import argparse
import collections
import json
import os
import random
import re
import sys
import tempfile
import time

from runner import cases, contestants, environment, hgrm, machine, measure, plots, results, table

FAR_BEHIND = 0.05  # of the best: more rounds would not change the picture


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="directory of the bench-* programs")
    parser.add_argument("--results", required=True, help="directory for what comes out")
    parser.add_argument("--peers", required=True, help="directory of the contestants' sources")
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--quick", action="store_true", help="fewer sizes, peers and rounds")
    parser.add_argument("--seed", type=int, help="of the order; printed at the start")
    parser.add_argument("--budget", type=float, help="seconds, default 540, quick 70")
    parser.add_argument("--rounds", type=int, default=15, help="at most")
    parser.add_argument("--ms", type=int, help="length of one measurement, default 100")
    parser.add_argument("--patience", type=float, default=0.3,
                        help="seconds to wait for a quiet machine before each measurement")
    parser.add_argument("--place", choices=machine.WANTED,
                        help="where the loops of a pair are to run; default: what is usual here, or "
                        "near if there are more than two processors")
    parser.add_argument("--cpus", type=machine.parse_cpus, help="processors to choose from: 0-3,8")
    parser.add_argument("--caches", default=machine.CACHES, help=argparse.SUPPRESS)
    parser.add_argument("--only", help="regular expression over 'workload contestant'")
    args = parser.parse_args()
    args.budget = args.budget or (70 if args.quick else 540)
    args.ms = args.ms or 100
    return args


class Run:
    def __init__(self, args):
        self.args = args
        self.seed = args.seed or random.SystemRandom().randrange(1, 1 << 31)
        self.random = random.Random(self.seed)
        self.machine = machine.Machine(os.path.join(args.programs, "bench-probe"), args.patience,
                                       args.place, sorted(args.cpus or ()))
        self.ring_bytes = machine.ring_bytes(args.caches)
        self.all = contestants.load(args.peers, args.programs)
        self.histograms = {}
        self.rows = self.plan()
        self.scratch = tempfile.NamedTemporaryFile(prefix="shmbus-bench.")
        self.deadline = time.monotonic() + args.budget

    def plan(self):
        args = self.args
        chosen = cases.quick() if args.quick else cases.full()
        rows = []
        for case in chosen:
            for c in self.all:
                if (c.skip or not c.supports(case)
                        or not cases.worth(case, c, args.quick)
                        or (args.only and not re.search(args.only, f"{case.workload} {c.name}"))):
                    continue
                rows.append(results.Row(case, c, self.machine))
        return rows

    def order(self, number):
        """The rows of one round: cases in random order, contestants in random order in each."""
        groups = list(results.table_of(self.rows).values())
        self.random.shuffle(groups)
        for group in groups:
            todo = [r for r in group if number == 0 or worth_another(r, group)]
            self.random.shuffle(todo)
            yield from todo

    def measure(self, row):
        latency = row.case.workload in ("pingpong", "asleep")
        ms = 2000 if row.case.workload == "idle" else self.args.ms
        look = None if row.case.once else self.machine.await_quiet()
        run = measure.run(row.contestant, row.case, ms,
                          hist=self.scratch.name if latency else None,
                          depth=machine.depth(row.case.size, row.case.ring, self.ring_bytes),
                          pair=self.machine.pair)
        row.add(run, look)
        if (latency and run.get("value") is not None
                and self.machine.placement(look) in (None, self.machine.usual())):
            key = (row.contestant.name, row.case.workload, row.case.size)
            hgrm.merge(self.histograms.setdefault(key, {}), hgrm.read_counts(self.scratch.name))

    def rounds(self):
        number = 0
        while number < self.args.rounds:
            for row in self.order(number):
                if time.monotonic() > self.deadline:
                    return number
                self.measure(row)
                progress(self, number, row)
            number += 1
            if time.monotonic() > self.deadline:
                break
        return number


def worth_another(row, group):
    if row.case.once or all(r.get("value") is None for r in row.runs):
        return False
    top = results.best(group, lambda c: c.kind != "limit")
    ahead = results.ratio(row, top)
    return (ahead is None or ahead >= FAR_BEHIND or row.busy() > 0
            or row.contestant.kind == "shmbus")


def progress(run, number, row):
    if sys.stderr.isatty():
        left = max(0, run.deadline - time.monotonic())
        print(f"\r\033[Kround {number + 1}, {left:.0f} s left: {row.case.title()}: "
              f"{row.contestant.name}", end="", file=sys.stderr, flush=True)


def write_results(run, header, records):
    os.makedirs(run.args.results, exist_ok=True)
    path = os.path.join(run.args.results, "results.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        out.write(json.dumps(header) + "\n")
        for record in records:
            out.write(json.dumps(record) + "\n")
    hist_dir = os.path.join(run.args.results, "hgrm")
    for (name, workload, size), counts in run.histograms.items():
        hgrm.write(os.path.join(hist_dir, f"{name}-{workload}-{size}.hgrm"), counts)
    plots.draw(records, hist_dir, os.path.join(run.args.results, "plots"))
    return path


def say_machine(run, header):
    m = run.machine
    header.update(m.header())
    header["ring_bytes"] = run.ring_bytes
    header["measurements"] = sum(len(r.runs) for r in run.rows)
    header["load_end"] = os.getloadavg()[0]
    header["skipped"] = {c.name: c.skip for c in run.all if c.skip}
    print()
    for sentence in m.say():
        print(sentence)
    print(f"rings: {run.ring_bytes['l2'] >> 10} KiB in the second-level cache, "
          f"{run.ring_bytes['l3'] >> 10} KiB in the third")
    if m.busy * 20 > header["measurements"]:
        header["flag"] = "busy machine"
        print(f"BUSY MACHINE: somebody else had a core before {m.busy} of "
              f"{header['measurements']} measurements; repeat on a quiet one before believing "
              f"small differences")
    for name, why in header["skipped"].items():
        print(f"skipped: {name}: {why}")
    print("one to all: this library has no topics yet; the rows are what they will be compared with")


def judge(run):
    """A run that measured nothing has failed, and says why; one with gaps says so."""
    timed = [r for r in run.rows if not r.case.once] or run.rows
    supported = [r for r in timed if not r.runs or r.note() != "not supported"]
    missing = [r for r in supported if not r.values()]
    if not run.rows:
        raise SystemExit("bench: NOTHING MEASURED: no contestant fits" +
                         (f" --only '{run.args.only}'" if run.args.only else ""))
    if len(missing) == len(supported):
        raise SystemExit(f"bench: NOTHING MEASURED: none of {len(supported)} rows has a number: " +
                         reasons(missing))
    if missing:
        print(f"{len(missing)} of {len(supported)} rows have no number: {reasons(missing)}")


def reasons(rows):
    """"DISTURBED 12, failed 3": the usual ones first."""
    counts = collections.Counter(r.note() for r in rows)
    return "; ".join(f"{why}: {n}" for why, n in counts.most_common(3))


def main():
    args = arguments()
    run = Run(args)
    header = environment.header(args, run.seed)
    print(f"bench: seed {run.seed}, {len(run.rows)} rows, about {args.budget:.0f} s; "
          f"{header['cpu']}, {header['cores']} cores, load {header['load']:.2f}", flush=True)
    try:
        header["rounds"] = run.rounds()
        run.machine.look()  # the last measurement has an after, too
    except KeyboardInterrupt:
        header["rounds"] = "interrupted"
        print("\nbench: interrupted, these are the rows so far", file=sys.stderr)
    records = []
    for group in results.table_of(run.rows).values():
        of_case = [r for r in results.records(group) if r["note"] != "not supported"]
        if not of_case:
            continue
        records += of_case
        table.print_case(group[0].case.title(), of_case, sys.stdout)
    say_machine(run, header)
    print(f"written: {write_results(run, header, records)}")
    judge(run)


if __name__ == "__main__":
    main()
