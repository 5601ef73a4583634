#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions of each call, counted by callgrind, and compared with what was counted before.

The counts are the same in each run of one binary. They differ between compilers and C libraries, so
table.txt has a section for each; where there is none for this one nothing is compared, and that is
said. A call that needs more than 2 % more than its section says fails. --update writes the section.
"""
import argparse
import glob
import os
import platform
import re
import subprocess
import sys
import tempfile

LIMIT = 0.02
TIMEOUT_S = 300
HEAD = """# Instructions of a call, 64 bytes, by callgrind; of a batch, for each of its messages. Written by
# make bench-instructions UPDATE=1
"""


class Missing(Exception):
    """What is needed is not here: nothing can be counted."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="shmbus-instructions")
    parser.add_argument("--table", required=True, help="what was counted before")
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--flags", default="", help="what the compiler was told")
    parser.add_argument("--valgrind", default="valgrind")
    parser.add_argument("--update", action="store_true", help="what is counted now is from now on right")
    return parser.parse_args()


def section(args):
    """Whose counts can be compared: same compiler, C library and flags."""
    try:
        out = subprocess.run([*args.compiler.split(), "--version"], capture_output=True, text=True)
        compiler = out.stdout.splitlines()[0].strip()
    except (OSError, IndexError):
        compiler = args.compiler
    libc = " ".join(platform.libc_ver()).strip() or "C library unknown"
    flags = " ".join(args.flags.split())
    return f"{compiler}; {libc}; {platform.machine()}; {flags}"


def environment():
    """Nothing of the caller's; and the C library copies as it would on the plainest of processors."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "GLIBC_TUNABLES":
            "glibc.cpu.hwcaps=-AVX2,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL"}


def run_callgrind(args, directory):
    command = [args.valgrind, "--tool=callgrind", "--collect-atstart=no",
               f"--callgrind-out-file={directory}/out", args.program]
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=TIMEOUT_S)
    except FileNotFoundError:
        raise Missing("no valgrind (apt-get install valgrind)") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("==")]
        last = (said or done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise Missing(f"{args.program} under valgrind ended with {done.returncode}: {last}")


def read_dumps(directory):
    """{(call, kind): instructions each}, without those that switch the counting."""
    counts = {}
    for path in glob.glob(f"{glob.escape(directory)}/out.*"):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        row = re.search(r"^desc: Trigger: Client Request: (.*)\|(.*)\|(\d+)$", text, re.M)
        if row:
            summary = re.search(r"^summary: (\d+)$", text, re.M)
            counts[row[2], row[1]] = (int(summary[1]) if summary else 0) / int(row[3])
    own = {kind: count for (call, kind), count in counts.items() if call == "nothing"}
    each = {}
    for (call, kind), count in counts.items():
        if call != "nothing":
            batch = int((re.search(r"batch of (\d+)", call) or [0, 1])[1])
            each[call, kind] = count - own.get(kind, 0) / batch
    if not any(each.values()):
        raise Missing("nothing was counted: shmbus-instructions was built without "
                      "<valgrind/callgrind.h>")
    return each


def count(args):
    with tempfile.TemporaryDirectory(prefix="shmbus-instructions.") as directory:
        run_callgrind(args, directory)
        return read_dumps(directory)


CALLS = ["send", "receive", "release", "empty receive", "reserve", "commit", "send a batch of 32",
         "receive a batch of 32", "release a batch of 32"]
KINDS = ["queue", "lanes", "stream"]


def order(counts):
    """Calls and kinds as the table has them."""
    return (CALLS + sorted({call for call, _ in counts} - set(CALLS)),
            KINDS + sorted({kind for _, kind in counts} - set(KINDS)))


def lines_of(counts):
    calls, kinds = order(counts)
    yield f"{'call':24s}" + "".join(f"{k:>10s}" for k in kinds)
    for call in calls:
        cells = (counts.get((call, k)) for k in kinds)
        yield f"{call:24s}" + "".join("         -" if c is None else f"{c:10.1f}" for c in cells)


def read_table(path):
    """{section: {(call, kind): instructions}}"""
    table, kinds = {}, []
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except FileNotFoundError:
        return table
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            current = table.setdefault(line[1:-1], {})
        elif line.startswith("call "):
            kinds = line.split()[1:]
        elif line and not line.startswith("#"):
            words = line.split()
            call = " ".join(words[:-len(kinds)])
            for kind, cell in zip(kinds, words[-len(kinds):]):
                if cell != "-":
                    current[call, kind] = float(cell)
    return table


def write_table(path, table):
    with open(path, "w", encoding="utf-8") as out:
        out.write(HEAD)
        for name in sorted(table):
            out.write(f"\n[{name}]\n" + "".join(line + "\n" for line in lines_of(table[name])))


def judge(before, now):
    """What is worse, what is better, what is missing: sentences."""
    worse, better = [], []
    for call, kind in sorted(before, key=lambda key: (key[1], key[0])):
        old, new = before[call, kind], now.get((call, kind))
        name = f"{call}, {kind}"
        if new is None:
            worse.append(f"{name}: was not counted, before {old:.1f}")
        elif abs(new - old) > old * LIMIT + 0.051:  # the table has one decimal
            text = f"{name}: {old:.1f} -> {new:.1f} instructions ({(new / old - 1):+.1%})"
            (worse if new > old else better).append(text)
    return worse, better


def report(passed, failed, skipped):
    if os.environ.get("T_RESULTS"):
        with open(os.environ["T_RESULTS"], "a", encoding="utf-8") as out:
            out.write(f"{passed} {failed} {skipped} bench/instructions\n")


def compare(args, name, now):
    table = read_table(args.table)
    if args.update:
        table[name] = now
        write_table(args.table, table)
        print(f"written: {args.table}")
        return 0
    if name not in table:
        print(f"NOT COMPARED: {args.table} has no counts of this compiler, C library and flags.\n"
              f"To have them compared from now on: make bench-instructions UPDATE=1")
        report(0, 0, len(now))
        return 0
    worse, better = judge(table[name], now)
    for text in better:
        print(f"fewer: {text}")
    for text in worse:
        print(f"not ok - {text}")
    if better and not worse:
        print("If that is meant to stay: make bench-instructions UPDATE=1")
    passed = len(table[name]) - len(worse)
    print(f"{passed} of {len(table[name])} calls need no more than 2 % more than before")
    report(passed, len(worse), 0)
    return 1 if worse else 0


def main():
    args = arguments()
    name = section(args)
    try:
        now = count(args)
    except Missing as missing:
        print(f"bench-instructions: NOT COUNTED: {missing}", file=sys.stderr)
        report(0, 0, 1)
        return 0 if "no valgrind" in str(missing) else 1
    print(f"instructions of a call, 64 bytes, caller's included; of a batch, for each message\n{name}\n")
    for line in lines_of(now):
        print("  " + line)
    print()
    return compare(args, name, now)


if __name__ == "__main__":
    sys.exit(main())
