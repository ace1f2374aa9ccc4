"""Whether a job costs more the more came before: the same work after a hundred and after a hundred thousand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench import measures
from bench.fill import fill
from bench.processes import cost
from bench.reference import STAGES
from bench.subjects import Daemon, until

FLOOD = 500
COLD = 7


def prepare(root: Path, sizes: Sequence[int]) -> list[Daemon]:
    """A workspace for each size, with so many finished jobs; what an earlier call has made is used."""
    daemons = []
    for size in sizes:
        daemon = Daemon(root / f"after-{size}")
        made = daemon.claimed()
        if made < size:
            print(f"bench: making {size - made:,} finished jobs", file=sys.stderr, flush=True)
            fill(daemon.root, waiting=0, finished=size - made, first=made)
        daemons.append(daemon)
    return daemons


def table(root: Path, sizes: Sequence[int], jobs: int) -> str:
    """A column for each size."""
    columns = [_column(daemon, jobs) for daemon in prepare(root, sizes)]
    head = f"| finished jobs before | {' | '.join(f'{size:,}' for size in sizes)} |"
    rows = [f"| {what} | {' | '.join(column[what] for column in columns)} |" for what in columns[0]]
    return "\n".join([head, f"|---|{'---|' * len(sizes)}", *rows])


def _column(daemon: Daemon, jobs: int) -> dict[str, str]:
    print(f"bench: {daemon.root.name}", file=sys.stderr, flush=True)
    before = daemon.claimed()
    daemon.start()
    restarts = [measures.restart(daemon) for _ in range(3)]
    try:
        daemon.wait_for_checkup()
        for number in range(2):
            measures.one_job(daemon, f"warm-{before}-{number}")
        ran = [measures.one_job(daemon, f"job-{before}-{number}") for number in range(jobs)]
        stage = median(each for _, each in ran)
        waited = daemon.waiting()
        claims = measures.flood(daemon, f"flood-{before}", FLOOD)
        until(lambda: daemon.waiting() >= waited + FLOOD, "the flood to meet its gates", 300)
        plain = [measures.cold(daemon.root, "-c", "pass") for _ in range(COLD)]
        status = [measures.cold(daemon.root, "-m", "daemon", "status") for _ in range(COLD)]
        mib = cost(daemon.pid).pss_mib
    finally:
        daemon.stop()
    return {
        "a stage, ms (median)": f"{stage:.2f}",
        "a job of nine stages from its file on, ms (median)": f"{median(r + e * (STAGES - 1) for r, e in ran):.1f}",
        "a claim, ms (of 500 at once)": f"{1000 / claims:.2f}",
        "`spork status`, ms above `python -c pass`": f"{median(status) - median(plain):.0f}",
        "restart until ready, ms": f"{median(restarts):.0f}",
        "memory with keeper and spare, MiB (PSS)": f"{mib:.0f}",
    }
