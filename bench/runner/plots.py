# SPDX-License-Identifier: MIT
"""SVG plots by gnuplot, if it is there."""
import os
import shutil
import subprocess

STYLE = """set terminal svg size 1000,620 dynamic background rgb 'white' font 'sans-serif,13'
set key outside right top
set grid
"""


RINGS = {"l2": "second", "l3": "third"}


def gnuplot(script):
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True)
    if done.returncode != 0:
        print(f"bench: gnuplot failed: {done.stderr.strip().splitlines()[:1]}")


def line_style(name):
    return "lw 4" if name.startswith("shmbus") else "lw 3 dt 2" if name == "ref" else "lw 1.5"


def throughput(records, ring, out_dir, name):
    """Messages a second over the message size, one line a contestant."""
    lines = {}
    for r in records:
        if r["workload"] == "stream" and r["batch"] == 1 and r["median"] and r["ring"] == ring:
            lines.setdefault(r["contestant"], []).append((r["size"], r["median"]))
    lines = {name: sorted(points) for name, points in lines.items() if len(points) > 1}
    if not lines:
        return
    data = "".join(f"${name} << EOD\n" + "".join(f"{s} {v}\n" for s, v in points) + "EOD\n"
                   for name, points in lines.items())
    plots = ", ".join(f"${n} using 1:2 with linespoints {line_style(n)} title '{n}' noenhanced"
                      for n in sorted(lines))
    gnuplot(STYLE + data + f"""set output '{out_dir}/{name}.svg'
set title 'one to one, one message at a time, rings in the {RINGS[ring]}-level cache'
set logscale xy
set xlabel 'message size (bytes)'
set ylabel 'messages per second'
plot {plots}
""")


def latency(hgrm_dir, size, out_dir):
    """Round-trip percentiles on HdrHistogram's scale."""
    files = sorted(f for f in os.listdir(hgrm_dir) if f.endswith(f"-pingpong-{size}.hgrm"))
    if not files:
        return
    names = [f.split("-pingpong-")[0] for f in files]
    plots = ", ".join(f"'{hgrm_dir}/{f}' using 4:1 with lines {line_style(n)} "
                      f"title '{n}' noenhanced" for f, n in zip(files, names))
    gnuplot(STYLE + f"""set output '{out_dir}/pingpong-{size}.svg'
set title 'round trip, polling, {size} bytes'
set logscale xy
set datafile commentschars '#V'
set xrange [1:100000]
set xtics ('0%%' 1, '90%%' 10, '99%%' 100, '99.9%%' 1000, '99.99%%' 10000, '99.999%%' 100000)
set ylabel 'nanoseconds'
plot {plots}
""")


def bars(records, workload, keep, title, path):
    rows = [r for r in records if r["workload"] == workload and keep(r) and r["median"]]
    if not rows:
        return
    rows.sort(key=lambda r: -r["median"])
    data = "".join(f"\"{r['contestant']}\" {r['median'] / 1e6}\n" for r in rows)
    gnuplot(STYLE + f"""set output '{path}'
$rows << EOD
{data}EOD
set title '{title}'
set ylabel 'million messages per second'
set style fill solid 0.7
set boxwidth 0.7
set xtics rotate by -45 noenhanced
set yrange [0:*]
plot $rows using 0:2:xtic(1) with boxes notitle
""")


def draw(records, hgrm_dir, out_dir):
    if shutil.which("gnuplot") is None:
        print("bench: no plots, gnuplot is not installed (Debian package gnuplot-nox)")
        return
    os.makedirs(out_dir, exist_ok=True)
    throughput(records, "l2", out_dir, "stream")
    throughput(records, "l3", out_dir, "stream-l3")
    for size in (8, 64, 1024):
        if os.path.isdir(hgrm_dir):
            latency(hgrm_dir, size, out_dir)
    for p, c in ((1, 4), (2, 2), (4, 4)):
        bars(records, "queue",
             lambda r: r["producers"] == p and r["consumers"] == c and r["batch"] == 1
             and r["ring"] == "l2",
             f"work queue {p} to {c}, 64 bytes", f"{out_dir}/queue-{p}-{c}.svg")
