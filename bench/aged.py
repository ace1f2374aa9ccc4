"""What a daemon holds after so many jobs that it ran itself, in one life: memory, and what a job costs by then."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.processes import cost, pss_mib, spent
from bench.subjects import Daemon, until
from daemon.model import Status

BATCH = 200
"""Dropped at once, and the next when the last of them has run: there is always work, and never a long queue."""
_PATIENCE_SECONDS = 600.0
_REST_SECONDS = 2.0
"""After the last job, until its copies are written and the daemon is at rest."""


def table(root: Path, sizes: Sequence[int]) -> str:
    """A column for each number of jobs of one stage, each from its file in the inbox to its end."""
    daemon = Daemon(root / "aged")
    if daemon.claimed():
        raise SystemExit(f"{daemon.root} has jobs of an earlier run; this daemon's life begins with none")
    daemon.start()
    try:
        columns = [_column(daemon, first, last) for first, last in zip((0, *sizes), sizes, strict=False)]
    finally:
        daemon.stop()
    head = f"| jobs that one daemon ran | {' | '.join(f'{size:,}' for size in sizes)} |"
    rows = [f"| {what} | {' | '.join(column[what] for column in columns)} |" for what in columns[0]]
    return "\n".join([head, f"|---|{'---|' * len(sizes)}", *rows])


def _column(daemon: Daemon, first: int, last: int) -> dict[str, str]:
    began, used = time.monotonic(), spent(daemon.pid)[daemon.pid]
    for start in range(first, last, BATCH):
        stop = min(start + BATCH, last)
        print(f"bench: job {start:,} of {last:,}", end="\r", file=sys.stderr, flush=True)
        _drop(daemon, range(start, stop))
    until(lambda: daemon.counts().get(Status.COMPLETED, 0) >= last, "the last to end", _PATIENCE_SECONDS)
    each = 1000 / (last - first)
    passed, used = time.monotonic() - began, spent(daemon.pid)[daemon.pid] - used
    time.sleep(_REST_SECONDS)
    return {
        "memory of the daemon, MiB (PSS)": f"{pss_mib(daemon.pid):.1f}",
        "with keeper and spare, MiB (PSS)": f"{cost(daemon.pid).pss_mib:.1f}",
        "a job since the column before, ms": f"{passed * each:.1f}",
        "of it the daemon's processor time, ms": f"{used * each:.2f}",
    }


def _drop(daemon: Daemon, numbers: range) -> None:
    """Drop these at once, and wait until the last has run."""
    names = [f"job-{number:06d}" for number in numbers]
    for name, part in [(name, daemon.prepare(name, kind="alone")) for name in names]:
        part.rename(daemon.root / "inbox" / f"{name}.yaml")
    until(lambda: daemon.began(names[-1], 1), "a batch to run", _PATIENCE_SECONDS)
