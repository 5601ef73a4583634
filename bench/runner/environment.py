# SPDX-License-Identifier: MIT
"""Where the numbers come from: the header of the results."""
import datetime
import os
import platform
import subprocess


def first_line(*command):
    try:
        out = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return ""
    return out.stdout.strip().splitlines()[0] if out.returncode == 0 and out.stdout else ""


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        fields = dict(line.split(":", 1) for line in f if ":" in line)
    fields = {k.strip(): v.strip() for k, v in fields.items()}
    return (f"{fields.get('model name', 'unknown')} (family {fields.get('cpu family', '?')} "
            f"model {fields.get('model', '?')} stepping {fields.get('stepping', '?')})")


def commit():
    here = os.path.dirname(os.path.abspath(__file__))
    name = first_line("git", "-C", here, "describe", "--always", "--dirty", "--exclude=*")
    return name or "unknown"


def header(args, seed):
    return {"header": True, "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
            "commit": commit(), "compiler": first_line(*args.compiler.split(), "--version"),
            "cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release(), "load": os.getloadavg()[0], "seed": seed,
            "quick": args.quick}
