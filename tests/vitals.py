"""What a daemon and its keeper hold: memory, descriptors, threads, zombies, watches; as the kernel counts them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daemon.keeper import KEEPER_NAME
from daemon.processes import children
from tests.support import wait_for

ZOMBIE_SECONDS = 1.0
"""A process that has ended and is not reaped by then counts as a zombie; every process is one for an instant."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process at an instant; memory in KiB."""

    rss: int
    anonymous: int
    pss: int
    descriptors: int
    threads: int
    watches: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """A daemon and its keeper at an instant, and how large its database and ledger are."""

    daemon: Process
    keeper: Process
    zombies: int
    database: int
    ledger: int

    @property
    def rss(self) -> int:
        """Of both, in KiB."""
        return self.daemon.rss + self.keeper.rss


def process(pid: int) -> Process:
    """Raises OSError where it is gone."""
    folder = Path(f"/proc/{pid}")
    status, rollup = (folder / "status").read_text(), (folder / "smaps_rollup").read_text()
    watches = 0
    for info in (folder / "fdinfo").iterdir():
        # What was open when the folder was read may be closed by now.
        with suppress(FileNotFoundError):
            watches += sum(line.startswith("inotify wd") for line in info.read_text().splitlines())
    return Process(
        rss=_kib(status, "VmRSS"),
        anonymous=_kib(status, "RssAnon"),
        pss=_kib(rollup, "Pss"),
        descriptors=len(os.listdir(folder / "fd")),
        threads=_kib(status, "Threads"),
        watches=watches,
    )


def _kib(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert found is not None, f"no {name} in {text}"
    return int(found[1])


def keeper_of(daemon: int) -> int | None:
    """The keeper of a daemon; None while it has none, or is only starting one."""
    for pid in children(daemon):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == KEEPER_NAME:
                return pid
    return None


def look(daemon: int, root: Path) -> Vitals:
    """A daemon with its keeper, which must come within half a minute."""
    keeper = wait_for(lambda: keeper_of(daemon), "the keeper")
    jobs = root / "jobs"
    database = sum(path.stat().st_size for path in jobs.glob("spork.db*"))
    ledger = (jobs / "state.jsonl").stat().st_size
    return Vitals(process(daemon), process(keeper), len(zombies(daemon)), database, ledger)


def zombies(pid: int) -> set[int]:
    """The processes below ``pid`` that nobody reaps."""
    began, found = time.monotonic(), _ended(pid)
    while found and time.monotonic() - began < ZOMBIE_SECONDS:
        time.sleep(0.02)
        found &= _ended(pid)
    return found


def _ended(pid: int) -> set[int]:
    found, at = [pid], 0
    while at < len(found):
        found += children(found[at])
        at += 1
    return {one for one in found if _state(one) == "Z"}


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


@dataclass(slots=True)
class Watch:
    """Samples taken now and then, with the time and how many jobs were over."""

    taken: list[tuple[float, int, Vitals]] = field(default_factory=list)

    def add(self, seconds: float, jobs: int, vitals: Vitals) -> None:
        self.taken.append((seconds, jobs, vitals))

    def table(self, rows: int = 13) -> str:
        """About so many of the samples, evenly spread, for people."""
        columns = "jobs min | RSS anon PSS fds threads watches | RSS anon PSS fds threads | zombies db ledger"
        head = f"{'':11} {'daemon, MiB':^38} {'keeper, MiB':^30} {'MiB':>19}"
        lines = [head, _line(columns.split())]
        last = len(self.taken) - 1
        for index in sorted({round(last * row / (rows - 1)) for row in range(rows)}) if last >= 0 else ():
            seconds, jobs, seen = self.taken[index]
            lines.append(_line([str(jobs), f"{seconds / 60:.1f}", *_cells(seen)]))
        return "\n".join(lines)

    def middle(self, of: Callable[[Vitals], int], samples: list[Vitals]) -> int:
        """The median, so that one unlucky instant decides nothing."""
        return sorted(map(of, samples))[len(samples) // 2]


def _cells(seen: Vitals) -> list[str]:
    daemon, keeper = seen.daemon, seen.keeper
    return [
        "|",
        *(f"{kib / 1024:.2f}" for kib in (daemon.rss, daemon.anonymous, daemon.pss)),
        *map(str, (daemon.descriptors, daemon.threads, daemon.watches)),
        "|",
        *(f"{kib / 1024:.2f}" for kib in (keeper.rss, keeper.anonymous, keeper.pss)),
        *map(str, (keeper.descriptors, keeper.threads)),
        "|",
        str(seen.zombies),
        *(f"{size / 2**20:.1f}" for size in (seen.database, seen.ledger)),
    ]


def _line(cells: list[str]) -> str:
    return " ".join(cell if cell == "|" else f"{cell:>7}" for cell in cells)
