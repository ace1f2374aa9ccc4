"""Where a stage's time goes, from bell to bell: the daemon's own functions under a clock, one job's stages.

The daemon runs as ever, but ``bench.traced`` wraps the functions listed there and writes when each began and
ended. Here the medians are put in the order of one stage.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from bench import measures
from bench.reference import STAGES
from bench.subjects import CHECKOUT, Daemon


def table(root: Path, jobs: int) -> str:
    """The functions of a stage with the microseconds each takes, by themselves and with what they call."""
    daemon = Daemon(root / "traced")
    (daemon.root / "jobs").mkdir(exist_ok=True)
    target = daemon.root / "jobs/trace.jsonl"
    daemon.start(sys.executable, str(CHECKOUT / "bench/traced.py"), str(target))
    try:
        each = [measures.one_job(daemon, f"job-{number:04d}")[1] for number in range(jobs + 2)]
    finally:
        daemon.stop()
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    return _rows(lines, jobs + 2, median(each[2:]) * 1000)


def _rows(calls: list[list[float | str | int]], jobs: int, stage: float) -> str:
    total: dict[tuple[int, str], list[float]] = defaultdict(list)
    alone: dict[tuple[int, str], float] = defaultdict(float)
    for depth, name, microseconds, own in calls:
        key = (int(depth), str(name))
        total[key].append(float(microseconds))
        alone[key] += float(own)
    stages = jobs * STAGES
    lines = [
        f"{stage:.0f} us a stage (median of {jobs} jobs), with the clock running.",
        "",
        "| function, dots: how deep | calls a stage | us a call (median) | us a stage by itself |",
        "|---|---|---|---|",
    ]
    for key in sorted(total, key=lambda k: -sum(total[k])):
        count, name = len(total[key]) / stages, "· " * key[0] + key[1]
        if count >= 0.5:
            own = alone[key] / stages
            lines.append(f"| {name} | {count:.1f} | {median(total[key]):.0f} | {own:.0f} |")
    return "\n".join(lines)
