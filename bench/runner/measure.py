"""Runs one contestant once, after a look at the machine, and never for longer than 20 s."""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

LIMIT_S = 20
ONE_CORE_NS = 60  # a faster line round trip: both virtual cores are on one physical core
BUSY = 0.10       # share of the time that somebody else had the cores


class Machine:
    """The probe, and what it saw over the whole run."""

    def __init__(self, program, patience_s):
        self.program = program
        self.patience_s = patience_s
        self.line_ns = []
        self.busy = self.one_core = 0
        self.hopeless = 0  # waits in a row that were in vain

    def look(self):
        try:
            out = subprocess.run([self.program], capture_output=True, text=True, timeout=LIMIT_S)
            return json.loads(out.stdout)
        except (ValueError, subprocess.TimeoutExpired):
            return {"line_ns": 0, "busy": 1}

    def await_quiet(self):
        """None when the next measurement will be clean; waits a little for that."""
        end = time.monotonic() + (self.patience_s if self.hopeless < 10 else 0)
        while True:
            seen = self.look()
            one_core = 0 < seen["line_ns"] < ONE_CORE_NS
            if seen["line_ns"] >= ONE_CORE_NS:
                self.line_ns.append(seen["line_ns"])
            if not one_core and seen["busy"] <= BUSY:
                self.hopeless = 0
                return None
            if time.monotonic() >= end:
                break
            time.sleep(0.05)
        if one_core:
            self.one_core += 1
            return "one core"
        self.busy += 1
        if self.patience_s < 1:  # whoever asks for more means it
            self.hopeless += 1
        return "busy"


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
