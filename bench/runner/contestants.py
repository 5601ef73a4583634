# SPDX-License-Identifier: MIT
"""Who takes part: the heads of bench/peers/* say what each can do and what it does not guarantee."""
import os
import re

from .cases import LARGE

FIELDS = ("about", "kind", "packages", "variants", "workloads", "batches", "sizes", "polls",
          "depth", "scope", "crash-safe", "total-order", "bounded", "copies")


def parse_head(path):
    """The fields of the comment at the top; a line that does not begin one continues the last."""
    head, field = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            if head and (line.strip() == "*/" or not re.match(r"^[ #]*[*#]", line)):
                break
            text = re.sub(r"^[ #*/]+", "", line.rstrip("\n"))
            match = re.match(r"([a-z-]+): (.*)", text)
            if match and (match.group(1) == "bench-peer" or match.group(1) in FIELDS):
                field = match.group(1)
                head[field] = match.group(2).strip()
            elif match and head:
                field = None
            elif field and head and text:
                head[field] += " " + text.strip()
    return head


class Contestant:
    def __init__(self, head, variant, program, skip):
        name = head["bench-peer"]
        self.name = f"{name}_{variant}" if variant else name
        self.variant = variant
        self.program = program
        self.skip = skip
        self.kind = head.get("kind", "peer")
        self.workloads = head.get("workloads", "").split()
        low, _, high = head.get("sizes", "8-8").partition("-")
        self.sizes = (int(low), int(high))
        self.fixed_depth = head.get("depth", "").startswith("fixed")
        self.batches = parse_batches(head.get("batches", ""))
        self.head = head

    def supports(self, case):
        return (case.workload in self.workloads
                and self.sizes[0] <= case.size <= self.sizes[1]
                and (case.ring == "l2" or case.size in LARGE or not self.fixed_depth)
                and (case.batch == 1 or case.batch in self.batches.get(case.workload, ())))

    def guarantees(self):
        """The columns beside the speed."""
        short = lambda field, default: self.head.get(field, default).split(":")[0].split(",")[0]
        return {"scope": self.head.get("scope", "processes"),
                "crash_safe": self.head.get("crash-safe", "no"),
                "total_order": self.head.get("total-order", "no"),
                "bounded": self.head.get("bounded", "no"),
                "copies": short("copies", "?"),
                "polls": short("polls", "yes")}


def parse_batches(text):
    """"stream 8 32; queue 8 32" -> {"stream": (8, 32), "queue": (8, 32)}"""
    batches = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        workload, *numbers = part.split()
        batches[workload] = tuple(map(int, numbers))
    return batches


def load(peers_dir, programs_dir):
    found = []
    for file in sorted(os.listdir(peers_dir)):
        if not file.endswith((".c", ".cc", ".py")):
            continue
        head = parse_head(os.path.join(peers_dir, file))
        if "bench-peer" not in head:
            raise SystemExit(f"bench: {peers_dir}/{file} has no head with 'bench-peer:'")
        program = os.path.abspath(os.path.join(programs_dir, "bench-" + file.rsplit(".", 1)[0]))
        skip = None
        if os.path.exists(program + ".skip"):
            with open(program + ".skip", encoding="utf-8") as f:
                skip = f.read().strip()
        elif not os.path.exists(program):
            skip = "was not built"
        for variant in ["", *head.get("variants", "").split()]:
            found.append(Contestant(head, variant, program, skip))
    return found
