# SPDX-License-Identifier: MIT
"""Runs one contestant once, after a look at the machine, and never for longer than 20 s."""
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import time

LIMIT_S = 20
CROWD = 1.4  # between 1, the same sums on two cores, and 2, on two threads of one core
BUSY = 0.10  # share of the time that somebody else had the cores
LOOKS = 20   # at the machine before the first measurement
ONE_CORE, TWO_CORES = "one core", "two cores"  # what the probe's two loops have
MOVED = (ONE_CORE, TWO_CORES)  # flags: they had something else than usual, so it does not count


class Machine:
    """The probe, and what it saw over the whole run. How long a cache line takes is not known
    before: a core of one machine hands it over as slowly as two cores of another. So whether the
    two loops have a core each is measured by what they do to each other's sums, and what is usual
    here is learnt."""

    def __init__(self, program, patience_s):
        self.program = program
        self.patience_s = patience_s
        self.line_ns = {ONE_CORE: [], TWO_CORES: []}
        self.crowd = []
        self.cores = []    # what the loops had, of those looks that could tell
        self.usual = None  # that of most of the first of them
        self.looked = False
        self.busy = self.moved = 0
        self.hopeless = 0  # waits in a row that were in vain

    def look(self):
        """What the probe saw; "cores" is ONE_CORE, TWO_CORES, or None: not known."""
        try:
            out = subprocess.run([self.program], capture_output=True, text=True, timeout=LIMIT_S)
            seen = json.loads(out.stdout)
        except (ValueError, subprocess.TimeoutExpired):
            seen = {"line_ns": 0, "crowd": 0, "busy": 1}
        seen["cores"] = None
        if seen["crowd"] > 0:
            seen["cores"] = ONE_CORE if seen["crowd"] > CROWD else TWO_CORES
            self.cores.append(seen["cores"])
            self.crowd.append(seen["crowd"])
            if seen["line_ns"] > 0:
                self.line_ns[seen["cores"]].append(seen["line_ns"])
        return seen

    def learn(self):
        """What the two loops usually have. On a busy machine that may have to wait."""
        if not self.looked:
            for _ in range(LOOKS):
                self.look()
        self.looked = True
        self.usual = statistics.mode(self.cores) if self.cores else None

    def await_quiet(self):
        """None when the next measurement will be clean; waits a little for that."""
        end = time.monotonic() + (self.patience_s if self.hopeless < 10 else 0)
        if self.usual is None:
            self.learn()
        while True:
            seen = self.look()
            moved = None not in (self.usual, seen["cores"]) and seen["cores"] != self.usual
            if not moved and seen["busy"] <= BUSY:
                self.hopeless = 0
                return None
            if time.monotonic() >= end:
                break
            time.sleep(0.05)
        if moved:
            self.moved += 1
            return seen["cores"]
        self.busy += 1
        if self.patience_s < 1:  # whoever asks for more means it
            self.hopeless += 1
        return "busy"

    def usual_line_ns(self):
        lines = self.line_ns[self.usual] if self.usual else []
        return statistics.median(lines) if lines else None

    def header(self):
        """For the head of the results."""
        return {"cores_usual": self.usual, "line_ns": self.usual_line_ns(),
                "crowd": statistics.median(self.crowd) if self.crowd else None,
                "measurements_busy": self.busy, "measurements_moved": self.moved}

    def say(self):
        """What was learnt, as sentences."""
        if self.usual is None:
            yield ("whether the two loops had a core each is not known: the machine was too busy "
                   "to tell")
            return
        ns = self.usual_line_ns()
        line = f"a cache line's round trip was {ns:.0f} ns" if ns else "no cache line went round"
        yield (f"usual here: {self.usual} for two loops (the same sums took "
               f"{statistics.median(self.crowd):.2f} times as long beside each other), {line} "
               f"(medians)")
        if self.usual == ONE_CORE:
            yield ("ONE CORE: the two loops share one, as two threads of it; what goes between them "
                   "looks several times faster than between two cores")
        other = ONE_CORE if self.usual == TWO_CORES else TWO_CORES
        if self.line_ns[other]:
            yield (f"with {other} it was {statistics.median(self.line_ns[other]):.0f} ns; {self.moved} "
                   f"measurements found that and do not count")


def command(contestant, case, ms, warm_ms, hist):
    args = [contestant.program, case.workload, str(case.size), "0", f"--ms={ms}",
            f"--warm-ms={warm_ms}", f"--batch={case.batch}", f"--producers={case.producers}",
            f"--consumers={case.consumers}"]
    if contestant.variant:
        args.append("--variant=" + contestant.variant)
    if hist:
        args.append("--hist=" + hist)
    return args


def clean_up(pid):
    """A killed contestant could not remove its names."""
    for pattern in (f"/tmp/shmbus-bench.{pid}*", f"/dev/shm/*shmbus-bench.{pid}*",
                    f"/dev/mqueue/shmbus-bench.{pid}*"):
        for path in glob.glob(pattern):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


def run(contestant, case, ms, warm_ms=30, hist=None):
    process = subprocess.Popen(command(contestant, case, ms, warm_ms, hist), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        clean_up(process.pid)
        return {"value": None, "note": f"no end within {LIMIT_S} s"}
    try:
        os.killpg(process.pid, signal.SIGKILL)  # helpers that outlived it
    except ProcessLookupError:
        pass
    clean_up(process.pid)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        return {"value": None, "note": f"ended with {process.returncode} and said nothing"}
    return json.loads(lines[-1])
