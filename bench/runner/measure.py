# SPDX-License-Identifier: MIT
"""Runs one contestant once, and never for longer than 20 s."""
import glob
import json
import os
import shutil
import signal
import subprocess

from .machine import LIMIT_S


def command(contestant, case, ms, warm_ms, hist, depth, pair, most_ms):
    args = [contestant.program, case.workload, str(case.size), "0", f"--ms={ms}",
            f"--warm-ms={warm_ms}", f"--batch={case.batch}", f"--producers={case.producers}",
            f"--consumers={case.consumers}"]
    if contestant.variant:
        args.append("--variant=" + contestant.variant)
    if most_ms:
        args.append(f"--most-ms={most_ms}")
    if depth:
        args.append(f"--depth={depth}")
    if pair and case.producers + case.consumers <= 2:
        args.append(f"--cpus={pair[0]},{pair[1]}")
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


def run(contestant, case, ms, warm_ms=30, hist=None, depth=None, pair=None, most_ms=None):
    process = subprocess.Popen(
        command(contestant, case, ms, warm_ms, hist, depth, pair, most_ms), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True)
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
