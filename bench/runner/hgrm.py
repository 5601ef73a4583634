# SPDX-License-Identifier: MIT
"""Latency distributions in HdrHistogram's percentile format."""
import math
import os


def read_counts(path):
    counts = {}
    with open(path, encoding="ascii") as f:
        for line in f:
            value, count = line.split()
            counts[int(value)] = counts.get(int(value), 0) + int(count)
    return counts


def merge(into, counts):
    for value, count in counts.items():
        into[value] = into.get(value, 0) + count


def percentiles():
    """0, then ten steps in each half of what is left, as HistogramLogProcessor prints."""
    at = 0.0
    while at < 0.9999995:
        yield at
        half = 0.5 ** (math.floor(math.log2(1 / (1 - at))) + 1)
        at += half / 5
    yield 1.0


def write(path, counts):
    total = sum(counts.values())
    mean = sum(v * c for v, c in counts.items()) / total
    deviation = math.sqrt(sum(c * (v - mean) ** 2 for v, c in counts.items()) / total)
    values = sorted(counts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as out:
        out.write(f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}\n\n")
        at, seen = 0, counts[values[0]]
        for p in percentiles():
            while seen < p * total and at + 1 < len(values):
                at += 1
                seen += counts[values[at]]
            tail = f"{1 / (1 - p):14.2f}" if p < 1 else ""
            out.write(f"{values[at]:12.3f} {p:2.12f} {seen:10d} {tail}\n")
        out.write(f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]\n")
        out.write(f"#[Max     = {values[-1]:12.3f}, Total count    = {total:12d}]\n")
        out.write(f"#[Buckets = {34:12d}, SubBuckets     = {128:12d}]\n")
