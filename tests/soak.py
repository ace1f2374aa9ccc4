"""``python -m tests.soak [COUNT] [--how kill|term] [--seed N]``: a mixed load, and processes ended at random.

``kill``: SIGKILL of the daemon, its keeper, its stage, or all of them at once, also while a killed daemon
recovers. ``term``: SIGTERM of the daemon, sometimes twice; it must end with 0 and leave no process behind.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.crashed import APPROVE, PATIENT, THOROUGH, Answer
from tests.forked import ForkedStudio, warm
from tests.support import wait_for

KEEPER = "spork-keeper"
TOGETHER = 40
"""How many kills one workspace is given; then it is held against everything, and the next begins."""
PAUSED = (
    Answer("draft", "reject", {"notes": "wait"}),
    Answer("draft", "approve", edit=True),
    Answer("polish", "reject"),
    Answer("polish", "approve"),
)
"""Twice held back and resumed, edited once."""


class Storm:
    """A workspace with work coming in, gates being answered, and processes being ended, by one seed."""

    def __init__(self, root: Path, seed: int, jobs: int = 10, *, how: str = "kill") -> None:
        self.studio = ForkedStudio(root, PATIENT.replace("settle_seconds: 0.3", "settle_seconds: 0.05"))
        self._random = random.Random(seed)
        self._how = how
        self._to_ask = jobs
        self._open: dict[str, Sequence[Answer]] = {}
        self._resumed: dict[str, int] = {}
        self._to_cancel: dict[str, str] = {}
        self._next = 0.0
        self.ends: Counter[str] = Counter()
        """What was ended, and how often."""

    def run(self, count: int, seconds: float) -> None:
        """Until so many ends were made and all work is done, which must be by ``seconds``."""
        self.studio.start()
        wait_for(lambda: self._turn(count), "the end of the storm", seconds)
        if not self.studio.alive:
            self._start_again(count)
        wait_for(lambda: b"daemon_ready" in self.studio.log.read_bytes(), "a daemon")
        self.studio.rest()

    def _turn(self, count: int) -> bool:
        if self.ends.total() < count and time.monotonic() >= self._next:
            self._kill() if self._how == "kill" else self._terminate()
            self._next = time.monotonic() + self._random.uniform(0.01, 0.4)
        if not self.studio.alive:
            self._start_again(count)
        if self._to_ask and self._random.random() < 0.1:
            self._ask()
        for job_id, answers in list(self._open.items()):
            self._cancel(job_id)
            self._resume(job_id)
            if self.studio.step(job_id, answers):
                del self._open[job_id]
        if self.ends.total() < count and not (self._to_ask or self._open):
            self._to_ask += 5
        return not (self._to_ask or self._open) and self.ends.total() >= count

    # -- the load

    def _ask(self) -> None:
        self._to_ask -= 1
        job_id = f"job-{len(self.studio.asked) + 1}"
        seconds = self._random.choice([0, 0, 0.02, 0.1])
        sources = ["one.txt", "two.txt"][: self._random.randrange(3)]
        for name in sources:
            self.studio.source(job_id, name, f"{job_id}\n")
        pick = self._random.randrange(10)
        if pick < 5:
            self.studio.ask(job_id, "walk", sources=sources, seconds=seconds)
            self._open[job_id] = (THOROUGH, PAUSED, APPROVE, THOROUGH, PAUSED)[pick]
        elif pick < 6:
            failures = self._random.choice([0, 1])
            self.studio.ask(job_id, "last", sources=sources, seconds=seconds, failures=failures)
            self._open[job_id] = APPROVE
        elif pick < 8:
            self.studio.ask(job_id, "straight", sources=sources, seconds=seconds)
            self._open[job_id] = ()
        else:
            # Canceled while its long stage runs, or while it waits at its gate.
            pipeline, when = ("straight", "running") if pick == 8 else ("walk", "needs_approval")
            self.studio.ask(job_id, pipeline, sources=sources, seconds=60 if pick == 8 else 0)
            self._open[job_id] = ()
            self._to_cancel[job_id] = when

    def _cancel(self, job_id: str) -> None:
        when = self._to_cancel.get(job_id)
        if when is None:
            return
        if self.studio.state(job_id).get("status") == when:
            del self._to_cancel[job_id]
            self.studio.write(job_id, "cancel.yaml", "by: alice\n...\n")

    def _resume(self, job_id: str) -> None:
        """Resume what was held back, once for each time."""
        state = self.studio.state(job_id)
        if state.get("status") == "paused" and self._resumed.get(job_id) != len(state["decided"]):
            self._resumed[job_id] = len(state["decided"])
            self.studio.write(job_id, "resume.yaml", "by: alice\n...\n")

    # -- the ends

    def _kill(self) -> None:
        assert self.studio.process is not None
        daemon, pick = self.studio.process.pid, self._random.randrange(10)
        keepers = below(daemon)
        if pick < 5:
            self._end("daemon", daemon)
        elif pick < 7 and keepers:
            self._end("keeper", *keepers[:1])
        elif pick < 8 and keepers[1:]:
            self._end("stage", *keepers[1:])
        else:
            self._end("all", daemon, *keepers)

    def _end(self, what: str, *pids: int) -> None:
        self.ends[what] += 1
        kill(*pids)
        if what in ("daemon", "all"):
            assert self.studio.process is not None
            self.studio.process.wait()

    def _terminate(self) -> None:
        """As systemd does; what it leaves behind is a fault."""
        process = self.studio.process
        assert process is not None
        twice = self._random.random() < 0.2
        left = below(process.pid)
        process.send_signal(signal.SIGTERM)
        if twice:
            time.sleep(self._random.uniform(0, 0.1))
            process.send_signal(signal.SIGTERM)
        self.ends["terminated twice" if twice else "terminated"] += 1
        code = process.wait()
        assert code == 0, f"SIGTERM ended it with {code}:\n{self.studio.log.read_text()[-3000:]}"
        alive = [pid for pid in left if psutil.pid_exists(pid) and _name(psutil.Process(pid))]
        assert not alive, f"{alive} outlived a daemon that was told to stop"

    def _start_again(self, count: int) -> None:
        """Start again; sometimes the start itself is killed, or told to stop."""
        while self.ends.total() < count and self._random.random() < 0.3:
            seen = self.studio.log.stat().st_size
            process = self.studio.spawn()
            time.sleep(self._random.uniform(0.0, 0.15))
            number = signal.SIGKILL if self._how == "kill" else signal.SIGTERM
            process.send_signal(number)
            code = process.wait()
            # Told before it could hear, it ends as any process does; it has done nothing yet.
            deaf = code == -signal.SIGTERM and self.studio.log.stat().st_size == seen
            assert self._how == "kill" or code == 0 or deaf, f"SIGTERM at the start: {code}"
            self.ends["start"] += 1
        self.studio.start()


def below(pid: int) -> list[int]:
    """The keeper of a daemon, then what the keeper started."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid).children(recursive=True)
        return [p.pid for p in sorted(found, key=lambda p: _name(p) != KEEPER or _parent(p) != pid)]
    return []


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return 0


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Until a fault is found or all ends are made; what was found stays to be looked at."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--how", choices=["kill", "term"], default="kill")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    given = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="spork-soak-"))
    print(f"in {base}, first seed {given.seed}", flush=True)
    warm()
    ends, jobs, seed = Counter[str](), 0, given.seed
    while ends.total() < given.count:
        storm = Storm(base / f"seed-{seed}", seed, how=given.how)
        try:
            storm.run(min(TOGETHER, given.count - ends.total()), seconds=1200)
        finally:
            storm.studio.close()
        storm.studio.remove()
        ends, jobs, seed = ends + storm.ends, jobs + len(storm.studio.asked), seed + 1
        print(f"{ends.total()} ends, {jobs} jobs; next seed {seed}", flush=True)
    shutil.rmtree(base)
    parts = ", ".join(f"{what} {count}" for what, count in ends.most_common())
    word = "kills" if given.how == "kill" else "SIGTERMs"
    print(f"{ends.total()} {word} ({parts}), {jobs} jobs, seed {given.seed}, no fault")


if __name__ == "__main__":
    main()
