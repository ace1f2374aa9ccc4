"""What the parts of a stage come to that no program can do without, beside the reference's stage.

What a stage needs at the least is one commit, a folder, a file and a log, the syncs of the file and of the two
folders it is found by, a process's birth and death, and to wake keeper, stage and daemon.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench import measures
from bench.parts import PARTS, Part
from bench.subjects import CHECKOUT, Minimal

_EACH = 20


def table(root: Path, rounds: int, jobs: int) -> str:
    """The parts and the reference in turn, so that both have the same minutes."""
    samples: dict[Part, list[float]] = {part: [] for part in PARTS}
    stages = list[float]()
    reference = Minimal(root / "reference")
    reference.start()
    try:
        for turn in range(rounds):
            print(f"bench: floor, round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
            for part, took in zip(PARTS, _measured(root / f"parts-{turn}"), strict=True):
                samples[part] += took
            # The first ones warm it.
            ran = [measures.one_job(reference, f"job-{turn}-{number}")[1] for number in range(jobs + 2)]
            stages += ran[2:]
    finally:
        reference.stop()
    return rows({part: median(sample) for part, sample in samples.items()}, median(stages) * 1000)


def _measured(folder: Path) -> list[list[float]]:
    """Samples of each part, by a process of its own."""
    command = [sys.executable, "-m", "bench.parts", str(folder.absolute()), str(_EACH)]
    samples: list[list[float]] = json.loads(subprocess.check_output(command, cwd=CHECKOUT))
    return samples


def rows(parts: Mapping[Part, float], reference: float) -> str:
    """The table: microseconds of each part, of all together, and of the reference's stage."""
    lines = ["| part | microseconds | times a stage | together |", "|---|---|---|---|"]
    for part, each in parts.items():
        needed = (f"{part.times:g}", f"{each * part.times:.0f}") if part.times else ("", "")
        lines.append(f"| {part.name} | {each:.{0 if each >= 100 else 1}f} | {' | '.join(needed)} |")
    least = sum(each * part.times for part, each in parts.items())
    return "\n".join(
        [
            *lines,
            f"| all that a stage needs at the least | | | {least:.0f} |",
            f"| a stage of the reference | | | {reference:.0f} |",
            f"| the one by the other | | | {least / reference:.2f} |",
        ]
    )
