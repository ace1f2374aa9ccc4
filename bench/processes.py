"""What a process and all below it cost: CPU seconds and memory, as the kernel counts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a process and its living descendants."""

    cpu_seconds: float
    """On a processor, since they began, to the nanosecond; not of those that ended."""
    pss_mib: float
    """Proportional set size: shared pages are divided by the number of processes that share them."""
    processes: int


def family(pid: int) -> list[int]:
    """The process and its descendants that live."""
    found, at = [pid], 0
    while at < len(found):
        for task in Path(f"/proc/{found[at]}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
        at += 1
    return found


def spent(pid: int) -> dict[int, float]:
    """CPU seconds up to now of the process and each living descendant, by its id."""
    found = {}
    for one in family(pid):
        try:
            threads = [path.read_text() for path in Path(f"/proc/{one}/task").glob("*/schedstat")]
        except OSError:
            continue
        found[one] = sum(int(text.split()[0]) for text in threads) / 1e9
    return found


def pss_mib(pid: int) -> float:
    """The proportional set size of one process. OSError where it is gone."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1024


def cost(pid: int) -> Cost:
    """What the process and everything below it cost up to now."""
    nanoseconds, mib, alive = 0, 0.0, 0
    for one in family(pid):
        try:
            threads = [path.read_text() for path in Path(f"/proc/{one}/task").glob("*/schedstat")]
            mib += pss_mib(one)
        except OSError:
            continue
        nanoseconds += sum(int(text.split()[0]) for text in threads)
        alive += 1
    return Cost(nanoseconds / 1e9, mib, alive)
