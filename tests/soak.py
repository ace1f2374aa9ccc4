"""Random kills under a mixed load; ``python -m tests.soak KILLS [SEED]`` for many.

``python -m tests.soak steps [FIRST [LAST]]`` kills the daemon at a thorough job's first file operation, then
anew at the second, and so on.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.crashed import APPROVE, PATIENT, THOROUGH, Answer, Crashed, lead
from tests.support import wait_for

KEEPER = "spork-keeper"


class Storm:
    """A workspace with work coming in, gates being answered, and processes being killed, by one seed."""

    def __init__(self, root: Path, seed: int, jobs: int = 20) -> None:
        self.studio = Crashed(root, PATIENT)
        self._random = random.Random(seed)
        self._to_ask = jobs
        self._open: dict[str, Sequence[Answer]] = {}
        self._canceled: set[str] = set()
        self._next_kill = 0.0
        self.kills = 0

    def run(self, kills: int, seconds: float) -> None:
        """Until so many kills were made and all work is done, which must be by ``seconds``."""
        self.studio.start()
        wait_for(lambda: self._turn(kills), "the end of the storm", seconds)
        if not self.studio.revive():
            wait_for(lambda: b"daemon_ready" in self.studio.log.read_bytes(), "a daemon")
        self.studio.rest()

    def _turn(self, kills: int) -> bool:
        now = time.monotonic()
        if self.kills < kills and now >= self._next_kill:
            self._kill()
            self._next_kill = now + self._random.uniform(0.02, 0.7)
        if not self.studio.alive:
            self._revive()
        if self._to_ask and self._random.random() < 0.1:
            self._ask()
        for job_id, answers in list(self._open.items()):
            self._cancel(job_id)
            if self.studio.step(job_id, answers):
                del self._open[job_id]
        if self.kills < kills and not (self._to_ask or self._open):
            self._to_ask += 5
        return not (self._to_ask or self._open) and self.kills >= kills

    def _ask(self) -> None:
        self._to_ask -= 1
        job_id = f"job-{len(self.studio.asked) + 1}"
        pick = self._random.randrange(10)
        seconds = self._random.choice([0, 0, 0.02, 0.1])
        if pick < 2:
            self.studio.source(job_id, "one.txt", f"{job_id}\n")
            self.studio.ask(job_id, "walk", sources=["one.txt"], seconds=seconds)
            self._open[job_id] = THOROUGH
        elif pick < 5:
            self.studio.ask(job_id, "walk", seconds=seconds)
            self._open[job_id] = APPROVE
        elif pick < 7:
            self.studio.ask(job_id, "last", seconds=seconds, failures=self._random.choice([0, 1]))
            self._open[job_id] = APPROVE
        elif pick < 9:
            self.studio.ask(job_id, "straight", seconds=seconds)
            self._open[job_id] = ()
        else:
            self.studio.ask(job_id, "straight", seconds=60)
            self._open[job_id] = ()
            self._canceled.add(job_id)

    def _cancel(self, job_id: str) -> None:
        if job_id in self._canceled and self.studio.state(job_id).get("status") == "running":
            self._canceled.remove(job_id)
            self.studio.write(job_id, "cancel.yaml", "by: alice\n...\n")

    def _kill(self) -> None:
        assert self.studio.process is not None
        self.kills += 1
        pick = self._random.randrange(10)
        keepers = below(self.studio.process.pid)
        if pick < 6:
            kill(self.studio.process.pid)
        elif pick < 8:
            kill(*keepers[:1])
        elif pick < 9:
            kill(self.studio.process.pid, *keepers)
        else:
            kill(*keepers[1:])
        if pick < 6 or pick == 8:
            self.studio.process.wait()

    def _revive(self) -> None:
        """Start again; sometimes the start itself is killed."""
        while self._random.random() < 0.3:
            process = self.studio.spawn()
            time.sleep(self._random.uniform(0.0, 0.6))
            kill(process.pid)
            process.wait()
            self.kills += 1
        self.studio.start()


def below(pid: int) -> list[int]:
    """The keeper of a daemon, then what the keeper started."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid).children(recursive=True)
        return [p.pid for p in sorted(found, key=lambda p: _name(p) != KEEPER or p.ppid() != pid)]
    return []


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def step(root: Path, number: int) -> bool:
    """One thorough job, its daemon killed at that file operation; whether there were so many."""
    studio = Crashed(root)
    try:
        studio.source("job-1", "one.txt", "1\n")
        process = studio.spawn(dies=f"step#{number}")
        studio.ask("job-1", sources=["one.txt"])
        lead(studio, "job-1", THOROUGH)
        studio.rest()
        return process.returncode == -signal.SIGKILL
    finally:
        studio.close()


def main(arguments: Sequence[str]) -> None:
    """Repeat until a fault is found or all is done; what was found stays to be looked at."""
    base = Path(tempfile.mkdtemp(prefix="spork-soak-"))
    print(f"in {base}")
    if arguments[:1] == ["steps"]:
        first = int(arguments[1]) if arguments[1:] else 1
        last = int(arguments[2]) if arguments[2:] else 10_000
        for number in range(first, last + 1):
            print(f"\rstep {number}", end="", flush=True)
            if not step(base / f"step-{number}", number):
                break
        print("\nno fault")
        return
    kills = int(arguments[0]) if arguments else 1000
    seed = int(arguments[1]) if arguments[1:] else random.SystemRandom().randrange(1 << 30)
    made = 0
    while made < kills:
        print(f"{made} kills; seed {seed}", flush=True)
        storm = Storm(base / f"seed-{seed}", seed)
        try:
            storm.run(min(40, kills - made), seconds=600)
        finally:
            storm.studio.close()
        made, seed = made + storm.kills, seed + 1
    print(f"{made} kills, no fault")


if __name__ == "__main__":
    main(sys.argv[1:])
