"""``python -m tests.crashing [--every N] [--workers N] [--passes before,...] [PROTOCOL ...]``: the campaign.

For each protocol the calls of a run without a kill are counted; then it is lived anew for each point:

``before``  the daemon, its keeper or its stage is killed at the entry of one of its calls
``daemon``  the daemon is killed at the entry of a call of its keeper or its stage, which lives on
``all``     all are killed at the entry of such a call
``after``   who made the call is killed at its exit
``half``    the daemon is killed after the first half of the bytes of a write
``again``   the daemon is killed, and the one that recovers from it is killed before one of its calls until it
            is ready; ``RECOVERIES`` points of the first kill for each protocol
``term``    the daemon is told to stop before one of its calls, and must end with 0

Then the plain daemon is started where one was killed, and at rest everything is held against everything:
tests/history.py (files alone) and tests.crashed.disagreements (the database).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crashing import syscalls
from tests.crashing.day import DAY, Day, Protocol
from tests.crashing.tracer import Point, Seen
from tests.forked import warm

PASSES = ("before", "daemon", "all", "again", "after", "half", "term")
RECOVERIES = 3
_RECOVERY_AT_MOST = 200
"""Calls of a recovery; there are fewer."""
_REACH = 3
"""How many points more are tried than there were calls: no two runs make exactly as many."""


@dataclass(slots=True)
class Share:
    """What one of several workers does: its part of every Nth point, until its time is over."""

    index: int
    workers: int
    every: int
    until: float

    def has(self, number: int, salt: str) -> bool:
        # Spread over calls and protocols, and the same in each worker, however its calls were counted.
        return (number + zlib.crc32(salt.encode())) % (self.every * self.workers) == self.index * self.every

    @property
    def over(self) -> bool:
        return time.monotonic() > self.until


Calls = Sequence[tuple[str, str, int]]
Chain = tuple[Point, ...]


def points(name: str, calls: Calls) -> Iterator[Point]:
    """The points of a pass, as the calls of a run without a kill tell them."""
    if name == "half":
        at = Counter[str]()
        for role, call, size in calls:
            at[role] += 1
            if role == "daemon" and call in syscalls.WRITES and size > 1:
                yield Point(role, at[role], "half")
        return
    for role, count in Counter(role for role, _, _ in calls).items():
        for number in range(1, count + _REACH + 1):
            if name in ("before", "after") or (name == "term" and role == "daemon"):
                yield Point(role, number, name)
            elif name in ("daemon", "all") and role != "daemon":
                yield Point(role, number, "before", name)


def chains(day: Day, protocol: Protocol, name: str, share: Share) -> Iterator[Chain]:
    """The share's points of a pass, as one kill each; ``again``: a kill, and one in the recovery from it."""
    calls = day.calls[protocol.name]
    if name != "again":
        for point in points(name, calls):
            if share.has(point.number, f"{protocol.name} {name} {point.role}"):
                yield (point,)
        return
    count = sum(role == "daemon" for role, _, _ in calls)
    for part in range(1, RECOVERIES + 1):
        first = Point("daemon", max(1, part * count // (RECOVERIES + 1)))
        own = [n for n in range(1, _RECOVERY_AT_MOST) if share.has(n, f"{protocol.name} {first}")]
        if own and not share.over:
            seen, _ = day.run(protocol, first, None)
            recovering = sum(role == "daemon" for role, _, _ in seen[-1].calls) if len(seen) == 2 else 0
            yield from ((first, Point("daemon", n)) for n in own if n <= recovering + _REACH)


def work(base: Path, share: Share, passes: Sequence[str], protocols: Sequence[Protocol]) -> None:
    """One worker's share; a line of JSON for each point."""
    warm()
    day = Day(base)
    for name in passes:
        for protocol in protocols:
            left = 0
            for chain in chains(day, protocol, name, share):
                if share.over:
                    left += 1
                else:
                    _report(protocol, name, chain, *day.run(protocol, *chain))
            _say(protocol=protocol.name, left=left, **{"pass": name})


def _report(protocol: Protocol, name: str, chain: Chain, seen: Sequence[Seen], faults: list[str]) -> None:
    killed = [one.killed for one in seen if one.killed]
    _say(
        protocol=protocol.name,
        points="; then ".join(map(str, chain)),
        killed=killed,
        reached=len(killed) == len(chain),
        faults=faults,
        **{"pass": name},
    )


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def campaign(arguments: argparse.Namespace) -> int:
    """All workers' shares; a table, then one line with the sums. Gives the exit code."""
    memory = Path("/dev/shm")
    # A kill leaves what was written, synced or not: nothing here needs a real disk.
    base = Path(tempfile.mkdtemp(prefix="spork-crash-", dir=memory if memory.is_dir() else None))
    began = time.monotonic()
    workers = []
    for index in range(arguments.workers):
        command = [sys.executable, "-m", "tests.crashing", "--worker", str(index), *sys.argv[1:]]
        with (base / f"results-{index}").open("wb") as told:
            place = ["--base", str(base / f"day-{index}")]
            workers.append(subprocess.Popen([*command, *place], stdout=told))
    codes = [worker.wait() for worker in workers]
    results = [
        json.loads(line)
        for index in range(arguments.workers)
        for line in (base / f"results-{index}").read_text().splitlines()
    ]
    bad = _tell(results, time.monotonic() - began)
    if bad or any(codes):
        print(f"what was found stays in {base}; workers ended with {codes}")
        return 1
    shutil.rmtree(base)
    return 0


def _tell(results: list[dict[str, Any]], seconds: float) -> int:
    """The table; gives how many faults there are."""
    left = [one for one in results if "left" in one]
    lived = [one for one in results if "left" not in one]
    for one in lived:
        if one["faults"]:
            print(f"FAULT {one['protocol']}: {one['points']} ({one['killed']}): {one['faults']}")
    for protocol in dict.fromkeys(one["protocol"] for one in results):
        own = [one for one in lived if one["protocol"] == protocol]
        by_pass = Counter(one["pass"] for one in own if one["reached"])
        parts = ", ".join(f"{name} {by_pass[name]}" for name in PASSES if by_pass[name])
        print(f"{protocol}: {_sums(own, [one for one in left if one['protocol'] == protocol])} ({parts})")
    # More points than kills: those behind the last call of a run that made fewer than the one that was counted.
    print(f"total: {_sums(lived, left)}, in {seconds:.0f} s")
    return sum(bool(one["faults"]) for one in lived)


def _sums(lived: Sequence[dict[str, Any]], left: Sequence[dict[str, Any]]) -> str:
    killed = sum(one["reached"] for one in lived)
    faults = sum(bool(one["faults"]) for one in lived)
    missing = sum(one["left"] for one in left)
    of = f" of {len(lived) + missing}" if missing else ""
    return f"{len(lived)}{of} points, {killed} killed, {faults} faults"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crashing")
    parser.add_argument("--every", type=int, default=1, help="only every Nth point")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600, help="start no point after so long")
    parser.add_argument("--passes", default=",".join(PASSES))
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("protocols", nargs="*", help=", ".join(p.name for p in DAY))
    arguments = parser.parse_args()
    if not syscalls.HERE:
        print("system calls are stopped at on x86_64 only")
        return 0
    if arguments.worker is None:
        return campaign(arguments)
    share = Share(
        arguments.worker, arguments.workers, arguments.every, time.monotonic() + arguments.minutes * 60
    )
    wanted = [p for p in DAY if not arguments.protocols or p.name in arguments.protocols]
    work(arguments.base, share, arguments.passes.split(","), wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
