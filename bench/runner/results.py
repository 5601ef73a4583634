# SPDX-License-Identifier: MIT
"""From measurements to rows: medians, and ratios to the best peer and to the reference."""
import statistics

from .machine import BUSY, PLACEMENTS

LESS_IS_BETTER = ("ns", "ns_per_s", "descriptors")


def disturbance(run, look):
    """0: quiet; 1: compensated by the contestant, see harness/report.c; 2: neither."""
    source = run.get("from")
    if source is None:  # latencies: the probe decides, the median hardly feels a neighbour
        return 0 if look is None or look.busy <= BUSY else 1
    return {"windows": 0, "chunks": 1, "core time": 1}.get(source, 2)


class Row:
    def __init__(self, case, contestant, machine):
        self.case, self.contestant, self.machine = case, contestant, machine
        self.runs = []   # JSON objects of the contestant
        self.looks = []  # at the machine before each; None: none was taken

    def add(self, run, look):
        self.runs.append(run)
        self.looks.append(look)

    def at(self, place):
        """The measurements made there, or nobody knows where; not those during which the loops
        moved."""
        m = self.machine
        return [(r, k) for r, k in zip(self.runs, self.looks) if r.get("value") is not None
                and (k is None or (m.placement(k) in (None, place) and not m.moved_from(k)))]

    def good(self, place=None):
        """The measurements that count: those that nobody disturbed, if there are enough."""
        usable = [(disturbance(r, k), r) for r, k in self.at(place or self.machine.usual())]
        for level in (0, 1, 2):
            chosen = [r for d, r in usable if d <= level]
            if len(chosen) >= (2 if level == 0 and len(usable) > 2 else 1):
                return chosen
        return []

    def line_ns(self):
        """How far apart the loops were when it was measured."""
        lines = [k.line_ns for _, k in self.at(self.machine.usual()) if k and k.line_ns > 0]
        return statistics.median(lines) if lines else None

    def values(self, place=None):
        return [r["value"] for r in self.good(place)]

    def median(self, place=None):
        values = self.values(place)
        return statistics.median(values) if values else None

    def unit(self):
        return next((r["unit"] for r in self.runs if "unit" in r), None)

    def note(self):
        if self.values():
            return None
        if any(r.get("value") is not None for r in self.runs):
            return "never on the cores that are usual here"
        return next((r["note"] for r in reversed(self.runs) if "note" in r), "not measured")

    def busy(self):
        """How much a busy machine may have changed this row: 0 not, 1 a little, 2 much."""
        good = self.good()
        return max((disturbance(r, k) for r, k in zip(self.runs, self.looks) if r in good),
                   default=0)


def ratio(row, other, place=None):
    """How many times as good as the other; above 1 is ahead, whatever the unit."""
    mine, theirs = row.median(place), other.median(place) if other else None
    if not mine or not theirs:
        return None
    return theirs / mine if row.unit() in LESS_IS_BETTER else mine / theirs


def best(rows, keep, place=None):
    rows = [r for r in rows if r.median(place) is not None and keep(r.contestant)]
    less = rows and rows[0].unit() in LESS_IS_BETTER
    return (min if less else max)(rows, key=lambda r: r.median(place), default=None)


def elsewhere(row, group):
    """{placement: what was measured there}, for those that are not usual."""
    found = {}
    for place in PLACEMENTS:
        if place == row.machine.usual() or not any(
                k and row.machine.placement(k) == place for _, k in row.at(place)):
            continue
        top = best(group, lambda c: c.kind == "peer", place)
        reference = best(group, lambda c: c.kind == "reference", place)
        found[place] = {"median": row.median(place), "rounds": len(row.values(place)),
                        "best_peer": top.contestant.name if top else None,
                        "ratio_best_peer": ratio(row, top, place),
                        "ratio_reference": ratio(row, reference, place)}
    return found


def table_of(rows):
    """{case key: its rows, best first}"""
    table = {}
    for row in rows:
        table.setdefault(row.case.key(), []).append(row)
    for group in table.values():
        less = any(r.unit() in LESS_IS_BETTER for r in group)
        missing = float("inf") if less else 0
        group.sort(key=lambda r: r.median() if r.median() is not None else missing,
                   reverse=not less)
    return table


def records(group):
    """The rows of one case as they go to the file."""
    is_peer = lambda c: c.kind == "peer"
    top = best(group, is_peer)
    top_process = best(group, lambda c: is_peer(c) and c.guarantees()["scope"] == "processes")
    reference = best(group, lambda c: c.kind == "reference")
    unit = next((r.unit() for r in group if r.unit()), None)
    for row in group:
        case = row.case
        record = {"workload": case.workload, "size": case.size, "contestant": row.contestant.name,
                  "kind": row.contestant.kind, "batch": case.batch, "producers": case.producers,
                  "consumers": case.consumers, "ring": case.ring,
                  "placement": row.machine.usual() if row.line_ns() else None,
                  "line_ns": row.line_ns(), "elsewhere": elsewhere(row, group), "median": row.median(), "unit": unit,
                  "rounds": len(row.values()), "values": row.values(),
                  "best_peer": top.contestant.name if top else None,
                  "ratio_best_peer": ratio(row, top),
                  "best_process_peer": top_process.contestant.name if top_process else None,
                  "ratio_best_process_peer": ratio(row, top_process),
                  "ratio_reference": ratio(row, reference),
                  "busy": row.busy(), "note": row.note()}
        for field in ("p99", "p999"):
            values = [r[field] for r in row.good() if field in r]
            if values:
                record[field] = statistics.median(values)
        for field in ("files", "mapped_bytes", "resident_bytes", "daemon_ns", "reordered"):
            values = [r[field] for r in row.good() if field in r]
            if values:
                record[field] = values[-1]
        record.update(row.contestant.guarantees())
        yield record
