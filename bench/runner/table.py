# SPDX-License-Identifier: MIT
"""The table on the terminal."""


def human(value, unit):
    if value is None:
        return "-"
    if unit == "msgs_per_s":
        for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if value >= factor:
                return f"{value / factor:.3g} {letter}/s"
        return f"{value:.3g} /s"
    if unit == "descriptors":
        return f"{value:.0f} fds"
    if unit == "ns_per_s":
        return f"{value / 1000:.1f} us/s"
    if value >= 1e7:
        return f"{value / 1e6:.4g} ms"
    if value >= 10000:
        return f"{value / 1000:.4g} us"
    return f"{value:.4g} ns"


def times(value):
    return "" if value is None else f"{value:.2f}"


def extra(record):
    unit = record["unit"]
    if "p99" in record:
        return f"p99 {human(record['p99'], 'ns')}, p99.9 {human(record['p999'], 'ns')}"
    if "mapped_bytes" in record:
        return (f"{record['files']} files, mapped {record['mapped_bytes'] // 1024} KiB, "
                f"resident {record['resident_bytes'] // 1024} KiB")
    if unit in ("msgs_per_s", "ns") and len(record["values"]) > 1:
        return f"{human(min(record['values']), unit)} .. {human(max(record['values']), unit)}"
    return ""


def remarks(record):
    words = []
    if record["note"]:
        words.append(record["note"])
    for place, there in record["elsewhere"].items():
        words.append(f"{place}: {human(there['median'], record['unit'])}")
    if record["scope"] == "threads":
        words.append("threads only")
    if record["polls"] == "no" and record["workload"] in ("stream", "pingpong", "queue"):
        words.append("sleeps")
    if record.get("reordered"):
        words.append("order broken")
    if record["busy"]:
        words.append(("", "neighbours", "DISTURBED")[record["busy"]])
    return "; ".join(words)


def print_case(title, records, out):
    peer = next((r["best_peer"] for r in records if r["best_peer"]), "-")
    print(f"\n{title}   (best peer: {peer})", file=out)
    print(f"  {'':18s}{'median':>12s}{'/peer':>8s}{'/ref':>8s}{'n':>4s}  "
          f"{'where':16s}{'range or tail':32s}{'crash-safe':12s}{'order':14s}{'bound':7s}{'copies':7s}remarks",
          file=out)
    for r in records:
        print(f"  {r['contestant']:18s}{human(r['median'], r['unit']):>12s}"
              f"{times(r['ratio_best_peer']):>8s}{times(r['ratio_reference']):>8s}"
              f"{r['rounds']:>4d}  {where(r):16s}{extra(r):32s}{brief(r['crash_safe']):12s}"
              f"{brief(r['total_order'], 13):14s}{brief(r['bounded']):7s}{r['copies']:7s}"
              f"{remarks(r)}".rstrip(), file=out)


def where(record):
    if record["placement"] is None:
        return ""
    return f"{record['placement']}, {record['line_ns']:.0f} ns"


def brief(text, width=11):
    """"no: half a send stops everybody" -> "no"; "what was taken is lost" -> "lossy"."""
    head = text.split(":")[0].split(",")[0].split("(")[0].strip()
    if head.startswith("what was"):
        return "loses"
    if head.startswith("no recovery"):
        return "no"
    return head[:width]
