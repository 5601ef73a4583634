#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures how cost grows: processes on a queue, channels, blocks, message sizes, huge pages."""
import argparse
import glob
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from runner import environment, plots  # noqa: E402
from runner.machine import Machine  # noqa: E402

LIMIT_S = 30
KIB, MIB = 1 << 10, 1 << 20
PROCESSES = (1, 2, 4, 8, 16, 32, 64)
CHANNELS = (1, 10, 100, 1000)
BLOCKS = (KIB, 16 * KIB, 128 * KIB, MIB)
SIZES = (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB)
HUGE_SIZES = (4 * KIB, 64 * KIB, MIB, 16 * MIB)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="shmbus-scale")
    parser.add_argument("--probe", required=True, help="bench-probe")
    parser.add_argument("--results", required=True, help="directory for what comes out")
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--quick", action="store_true", help="shorter, fewer rounds")
    return parser.parse_args()


def points():
    """(row, n, words for the program)"""
    for mode in ("polling", "waiting"):
        for n in PROCESSES:
            yield ("processes", n, ["polling"] if mode == "polling" else [])
    for row, numbers in (("channels", CHANNELS), ("blocks", BLOCKS), ("sizes", SIZES)):
        for n in numbers:
            yield (row, n, [])
    for n in HUGE_SIZES:
        yield ("sizes", n, ["huge"])
    yield ("blocks", MIB, ["huge"])


def clean_up(pid):
    """A killed program could not do it itself."""
    for path in glob.glob(f"/dev/shm/shmbus.scale-{pid}"):
        os.unlink(path)
    for path in glob.glob(f"/tmp/shmbus-scale.{pid}"):
        os.rmdir(path)


def measure(program, row, n, words, ms):
    process = subprocess.Popen([program, row, str(n), str(ms), *words], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        out, err = "", f"no end within {LIMIT_S} s"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        clean_up(process.pid)
    if not out.startswith("{"):
        return {"note": err.strip() or f"ended with {process.returncode} and said nothing"}
    return json.loads(out)


def all_rounds(args, machine):
    """{point: what each round gave}, the points in random order in each round."""
    runs = {(row, n, *words): [] for row, n, words in points()}
    for number in range(2 if args.quick else 5):
        todo = list(points())
        random.shuffle(todo)
        for row, n, words in todo:
            if sys.stderr.isatty():
                print(f"\r\033[Kround {number + 1}: {row} {n} {' '.join(words)}", end="",
                      file=sys.stderr, flush=True)
            ms = 150 if args.quick else 300
            if row == "processes":  # everybody must have had the core several times
                ms = ms * max(1, n // 16)
            flag = machine.flag(machine.await_quiet())
            runs[row, n, *words].append(
                {**measure(args.program, row, n, words, ms), "flag": flag})
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return runs


def merge(row, n, words, runs):
    """Medians over the rounds, those that nobody disturbed if there are any."""
    good = [r for r in runs if "note" not in r]
    good = [r for r in good if r["flag"] is None] or good
    record = {"row": row, "n": n, "huge": "huge" in words, "rounds": len(good)}
    if row == "processes":
        record["mode"] = "polling" if "polling" in words else "waiting"
    for key in good[0] if good else ():
        if key not in record and key != "flag":
            record[key] = statistics.median(r[key] for r in good)
    rates = [r["msgs_per_s"] for r in good if "msgs_per_s" in r]
    if len(rates) > 1:
        record["msgs_per_s_min"], record["msgs_per_s_max"] = min(rates), max(rates)
    if good and good[0]["flag"] is not None:
        record["flag"] = good[0]["flag"]
    if not good:
        record["note"] = runs[0]["note"]
    return record


# ---------------------------------------------------------------------------------------- table

def size(value):
    for factor, unit in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if value >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:.0f} B"


def number(value):
    for factor, unit in ((MIB, "M"), (KIB, "K")):
        if value >= factor and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)


def time(value):
    for factor, unit in ((1e6, "ms"), (1e3, "µs")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} ns"


def rate(value):
    return f"{value / 1e6:.3g} M/s" if value >= 1e6 else f"{value / 1e3:.3g} k/s"


def spread(record):
    if "msgs_per_s_min" not in record:
        return "-"
    return f"{rate(record['msgs_per_s_min'])} .. {rate(record['msgs_per_s_max'])}"


def share(record, kind):
    if f"{kind}_least" not in record:
        return "-"
    return f"{record[f'{kind}_least']:.2f} .. {record[f'{kind}_most']:.2f}"


COLUMNS = {
    "processes": (("processes", lambda r: str(r["n"])), ("mode", lambda r: r["mode"]),
                  ("messages", lambda r: rate(r["msgs_per_s"])),
                  ("range", spread),
                  ("each", lambda r: rate(r["msgs_per_s"] / max(1, r["n"] / 2))),
                  ("senders' shares", lambda r: share(r, "sender")),
                  ("receivers' shares", lambda r: share(r, "receiver"))),
    "channels": (("channels", lambda r: str(r["n"])),
                 ("segment", lambda r: size(r["segment_bytes"])),
                 ("create", lambda r: time(r["create_ns"])),
                 ("attach", lambda r: time(r["attach_ns"])),
               ("attach, open, detach", lambda r: time(r["visit_ns"])),
                 ("attach, open, detach", lambda r: time(r["visit_ns"])),
                 ("open one", lambda r: time(r["open_ns"])),
                 ("send in turn", lambda r: time(r["send_ns"]))),
    "blocks": (("blocks of 64 B", lambda r: number(r["n"])),
               ("pages", lambda r: "huge" if r["huge"] else "small"),
               ("segment", lambda r: size(r["segment_bytes"])),
               ("create", lambda r: time(r["create_ns"])),
               ("attach", lambda r: time(r["attach_ns"])),
               ("attach, open, detach", lambda r: time(r["visit_ns"])),
               ("recovery", lambda r: time(r["reclaim_ns"])),
               ("close a queue", lambda r: time(r["close_ns"]))),
    "sizes": (("message", lambda r: size(r["n"])),
              ("pages", lambda r: "huge" if r["huge"] else "small"),
              ("messages", lambda r: rate(r["msgs_per_s"])), ("range", spread),
              ("bandwidth", lambda r: f"{r['bytes_per_s'] / 1e9:.3g} GB/s")),
}


def print_table(row, records):
    """Markdown, so that it can go to doc/performance.md as it is."""
    titles = [title for title, _ in COLUMNS[row]]
    lines = [[show(r) for _, show in COLUMNS[row]] for r in records if "note" not in r]
    widths = [max(map(len, column)) for column in zip(titles, *lines)]
    print()
    for cells in (titles, ["-" * (w - 1) + ":" for w in widths], *lines):
        print("| " + " | ".join(c.rjust(w) for c, w in zip(cells, widths)) + " |")
    for r in records:
        if "note" in r:
            print(f"not measured: {row} {r['n']}{' huge' if r['huge'] else ''}: {r['note']}")


# ---------------------------------------------------------------------------------------- plots

PLOTS = (
    ("processes", "msgs_per_s", "processes on one queue", "processes", "messages per second",
     "logscale x 2"),
    ("sizes", "bytes_per_s", "one to one in place", "message size (bytes)", "bytes per second",
     "logscale xy"),
    ("blocks", "reclaim_ns", "recovery after a killed process", "blocks", "nanoseconds",
     "logscale xy"),
    ("channels", "send_ns", "a send, over the channels in turn", "channels", "nanoseconds",
     "logscale x"),
)


def series_of(record):
    return record.get("mode") or ("huge pages" if record["huge"] else "small pages")


def plot(records, out_dir):
    if shutil.which("gnuplot") is None:
        print("bench: no plots, gnuplot is not installed (Debian package gnuplot-nox)")
        return
    os.makedirs(out_dir, exist_ok=True)
    for row, field, title, x, y, scale in PLOTS:
        series = {}
        for r in records:
            if r["row"] == row and field in r:
                series.setdefault(series_of(r), []).append((r["n"], r[field]))
        if not series:
            continue
        data = "".join(f"$s{i} << EOD\n" + "".join(f"{n} {v}\n" for n, v in sorted(s)) + "EOD\n"
                       for i, s in enumerate(series.values()))
        lines = ", ".join(f"$s{i} using 1:2 with linespoints lw 3 title '{name}'"
                          for i, name in enumerate(series))
        plots.gnuplot(plots.STYLE + data + f"""set output '{out_dir}/scale-{row}.svg'
set title '{title}'
set {scale}
set xlabel '{x}'
set ylabel '{y}'
{'' if 'y' in scale.split()[1] else 'set yrange [0:*]'}
plot {lines}
""")


# ------------------------------------------------------------------------------------- the whole

def read(path, default):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return default


def mount_options():
    for line in read("/proc/mounts", "").splitlines():
        fields = line.split()
        if fields[1] == "/dev/shm":
            return f"{fields[2]} {fields[3]}"
    return "not a mount"


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up on the way
    header = environment.header(args, None)
    header["shmem_enabled"] = read("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "unknown")
    header["dev_shm"] = mount_options()
    machine = Machine(args.probe, 0.3)
    print(f"bench-scale: {header['cpu']}, {header['cores']} cores, load {header['load']:.2f}",
          flush=True)
    try:
        runs = all_rounds(args, machine)
    except KeyboardInterrupt:
        print("\nbench-scale: interrupted, nothing is written", file=sys.stderr)
        raise SystemExit(130) from None
    records = [merge(row, n, words, runs[row, n, *words]) for row, n, words in points()]
    header.update(machine.header())
    os.makedirs(args.results, exist_ok=True)
    path = os.path.join(args.results, "scale.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in (header, *records))
    for row in COLUMNS:
        print_table(row, [r for r in records if r["row"] == row])
    print(f"\nhuge pages: /dev/shm is {header['dev_shm']}; shmem_enabled is "
          f"{header['shmem_enabled']}")
    flagged = sum("flag" in r for r in records)
    if flagged:
        print(f"BUSY MACHINE: {flagged} of {len(records)} points were disturbed in each of their "
              f"rounds; repeat on a quiet one")
    print("\n".join(machine.say()))
    plot(records, os.path.join(args.results, "plots"))
    print(f"written: {path}")
    if all("note" in r for r in records):
        raise SystemExit(f"bench-scale: NOTHING MEASURED: {records[0]['note']}")


if __name__ == "__main__":
    main()
